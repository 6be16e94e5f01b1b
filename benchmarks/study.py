"""A whole study: first run, unchanged second run, overhead per step, and the same bytes with one and two processes."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rechallenge import simulate

EXACT = ("candidates.csv", "drugs.csv", "combinations.csv", "evidence.csv")


def run(folder: Path, out: Path, *args: str) -> float:
    """Wall seconds of the command line on the study."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "rechallenge.cli", "run", str(folder), "--out", str(out), *args]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def digest(out: Path) -> str:
    return hashlib.sha256(b"".join((out / name).read_bytes() for name in EXACT)).hexdigest()[:12]


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary)
        folder = simulate.write_study(base / "study")
        print(f"{'first run':28s}{run(folder, base / 'one'):8.2f} s")
        print(f"{'second run, unchanged':28s}{run(folder, base / 'one'):8.2f} s")
        print(f"{'first run, two processes':28s}{run(folder, base / 'two', '--jobs', '2'):8.2f} s")
        same = digest(base / "one") == digest(base / "two")
        print(f"{'same bytes with 1 and 2 jobs':28s}{'yes' if same else 'NO':>8s}")


if __name__ == "__main__":
    main()
