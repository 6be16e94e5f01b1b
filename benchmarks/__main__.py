"""All benchmarks, one table each: `python -m benchmarks [NAME ...]`, or one with what it knows beside its name:
`python -m benchmarks cells --cells 1000000 --ours-only`."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from pathlib import Path

import benchmarks

#: every module; the package `validation` writes a page and has a command of its own (`make validation`)
NAMES = tuple(m.name for m in pkgutil.iter_modules(benchmarks.__path__) if not m.ispkg and not m.name.startswith("_"))


def main(names: list[str]) -> None:
    """Run each; one whose `main` takes a folder is given the reference data, and said to need it where it is absent."""
    shared = Path(__file__).resolve().parents[2] / "shared"
    at = next((i for i, n in enumerate(names) if n.startswith("-")), len(names))
    names, options = names[:at], names[at:]
    if options and (len(names) != 1 or not hasattr(importlib.import_module(f"benchmarks.{names[0]}"), "arguments")):
        sys.exit("options go with the name of one benchmark that knows any: cells")
    for name in names or NAMES:
        module = importlib.import_module(f"benchmarks.{name}")
        print(f"\n== {name}: {(module.__doc__ or '').strip().splitlines()[0]}", flush=True)
        needs = [p for p in inspect.signature(module.main).parameters.values() if p.default is p.empty]
        if options:
            module.main(**module.arguments(options))
        elif not needs:
            module.main()
        elif shared.is_dir():
            module.main(shared)
        else:
            print("needs the reference data folder ../shared, which is not distributed with the project")


if __name__ == "__main__":
    main(sys.argv[1:])
