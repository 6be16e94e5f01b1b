"""All benchmarks, one table each: `python -m benchmarks [NAME ...]`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

NAMES = ("startup", "study", "curves", "coverage_curves", "synergy", "cox", "agreement")


def main(names: list[str]) -> None:
    for name in names or NAMES:
        module = importlib.import_module(f"benchmarks.{name}")
        print(f"\n== {name}: {(module.__doc__ or '').strip().splitlines()[0]}", flush=True)
        if name != "agreement":
            module.main()
            continue
        folder = Path(__file__).resolve().parents[2] / "shared"
        if folder.is_dir():
            module.main(folder)
        else:
            print("needs the reference data folder ../shared, which is not distributed with the project")


if __name__ == "__main__":
    main(sys.argv[1:])
