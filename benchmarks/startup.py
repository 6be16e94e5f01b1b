"""How long the package takes to import and the command line to answer, beside a bare interpreter (medians)."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

CASES = {
    "python, nothing": ["-c", "pass"],
    "import rechallenge": ["-c", "import rechallenge"],
    "rechallenge --help": ["-m", "rechallenge.cli", "--help"],
}


def measure(runs: int = 9) -> dict[str, float]:
    """Median wall seconds per case."""
    out = {}
    for name, args in CASES.items():
        seconds = []
        for _ in range(runs):
            start = time.perf_counter()
            subprocess.run([sys.executable, *args], stdout=subprocess.DEVNULL, check=True)
            seconds.append(time.perf_counter() - start)
        out[name] = statistics.median(seconds)
    return out


def main() -> None:
    for name, seconds in measure().items():
        print(f"{name:24s}{seconds:8.3f} s")


if __name__ == "__main__":
    main()
