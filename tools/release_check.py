"""Whether a release installs: `make release-check`.

Builds the sdist and the wheel, looks at what is in them, installs the wheel (and the sdist) into new environments of
every Python given, and there asks for the version, imports every module with warnings as errors, runs a small study,
and measures what the install takes on disk. Nothing outside the folder given as `--work` is written.

    python tools/release_check.py --python python3.11 --python python3.12 --work build/release
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: what the sdist must hold beside the package
WANTED = (
    "LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "Makefile", "pyproject.toml",
    "requirements.lock", "requirements-dev.lock", "src/rechallenge/py.typed", "tests/conftest.py", "docs/index.md",
    "examples/README.md", "deploy/Dockerfile", "tools/release_check.py", "benchmarks/__main__.py",
)  # fmt: skip
#: endings that have no place in a release
ODD = (".pyc", ".so", ".DS_Store", ".swp", ".orig", ".rej", ".h5ad", ".log")
#: whether installing writes byte code, which every import would write otherwise
BYTE_CODE = True
#: warnings of every import: ours are faults, those of others are listed
IMPORTS = """
import importlib, json, pathlib, pkgutil, warnings
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    import rechallenge
    names = [m.name for m in pkgutil.walk_packages(rechallenge.__path__, "rechallenge.")]
    for name in names:
        importlib.import_module(name)
home = str(pathlib.Path(rechallenge.__file__).parent)
found = {(w.category.__name__, str(w.message)[:160], w.filename.split("site-packages")[-1], w.filename.startswith(home))
         for w in seen}
print(json.dumps({"modules": len(names), "ours": sorted(f[:3] for f in found if f[3]),
                  "others": sorted(f[:3] for f in found if not f[3])}))
"""


def run(command: Sequence[str | Path], **more: str) -> str:
    """The output of a command; SystemExit with what it said where it fails."""
    settings = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")} | more
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, env=settings, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return done.stdout


def environment(python: str, folder: Path) -> Path:
    """A new environment; the path of its Python."""
    run([python, "-m", "venv", "--clear", folder])
    return folder / ("Scripts" if os.name == "nt" else "bin") / "python"


def megabytes(folder: Path) -> float:
    """What the files below a folder take, links not followed, in MB (1e6 bytes)."""
    return sum(p.lstat().st_size for p in folder.rglob("*") if p.is_file() or p.is_symlink()) / 1e6


def largest(python: Path, n: int = 12) -> list[tuple[str, float]]:
    """The distributions of an environment that take most: name, MB."""
    code = (
        "import json, importlib.metadata as m, pathlib\n"
        "out = {}\n"
        "for d in m.distributions():\n"
        "    files = [pathlib.Path(d.locate_file(f)) for f in d.files or ()]\n"
        "    out[d.name] = sum(f.stat().st_size for f in files if f.is_file())\n"
        "print(json.dumps(out))"
    )
    sizes: dict[str, float] = json.loads(run([python, "-c", code]))
    return [(name, size / 1e6) for name, size in sorted(sizes.items(), key=lambda kv: -kv[1])[:n]]


def build(work: Path) -> tuple[Path, Path]:
    """The wheel and the sdist; the wheel is built from the sdist, so that the sdist is known to be whole."""
    python = environment(sys.executable, work / "build")
    pip(python, "build", "hatchling>=1.26")
    out = work / "dist"
    run([python, "-m", "build", "--no-isolation", "--outdir", out, ROOT])
    return next(out.glob("*.whl")), next(out.glob("*.tar.gz"))


def pip(python: Path, *what: str | Path) -> None:
    compiled = () if BYTE_CODE else ("--no-compile",)
    run([python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", *compiled, *what])


def contents(wheel: Path, sdist: Path) -> list[str]:
    """What is wrong with the two archives, as sentences."""
    with tarfile.open(sdist) as tar:
        inside = [n.split("/", 1)[1] for n in tar.getnames() if "/" in n]
    with zipfile.ZipFile(wheel) as z:
        packed = z.namelist()
    said = [f"the sdist lacks {name}" for name in WANTED if name not in inside]
    said += [f"{kind} holds {n}" for kind, names in (("the sdist", inside), ("the wheel", packed)) for n in names
             if n.endswith(ODD) or "__pycache__" in n]  # fmt: skip
    ours = [n for n in packed if not n.startswith("rechallenge/") and ".dist-info/" not in n]
    said += [f"the wheel writes outside the package: {n}" for n in ours]
    if not any(n.endswith("licenses/LICENSE") for n in packed):
        said.append("the wheel lacks the licence")
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, {len(packed)} files")
    print(f"{sdist.name}: {sdist.stat().st_size / 1e6:.1f} MB, {len(inside)} files")
    return said


def installs(python: str, work: Path, wheel: Path, sdist: Path, study: str) -> None:
    """Install and try one Python; prints what it finds, SystemExit where something of ours is wrong."""
    version = run([python, "-c", "import sys; print(sys.version.split()[0])"]).strip()
    folder = work / f"py{version}"
    mine = environment(python, folder)
    bare = megabytes(folder)
    pip(mine, wheel)
    run([mine, "-m", "pip", "check"])
    size = megabytes(folder) - bare
    command = mine.parent / "rechallenge"
    said = run([command, "--version"]).strip()
    run([mine, "-W", "error", "-c", "import rechallenge"])
    imports = json.loads(run([mine, "-c", IMPORTS]).splitlines()[-1])
    print(f"Python {version}: {said}; {imports['modules']} modules import; {size:.0f} MB installed", flush=True)
    for category, message, where in imports["others"]:
        print(f"  not ours: {category} in {where}: {message}")
    if imports["ours"]:
        raise SystemExit(f"warnings of our own on import: {imports['ours']}")
    for name, mb in largest(mine):
        print(f"  {mb:7.1f} MB  {name}")
    if study:
        told = run([command, "demo", folder / "demo", "--study", study, "--size", "small"], TMPDIR=str(folder))
        print("  demo: " + next((s for s in told.splitlines() if "as planted" in s), "ran"), flush=True)
        made = folder / "demo" / "results" / "report.html"
        if not made.is_file() or made.stat().st_size < 100_000:
            raise SystemExit("the small study wrote no report")
    pip(mine, f"{wheel}[dask]")
    print(f"  with the extra dask: {megabytes(folder) - bare:.0f} MB (the study above included)")
    run([mine, "-m", "pip", "uninstall", "--yes", "--quiet", "rechallenge"])
    pip(mine, "hatchling>=1.26")
    pip(mine, "--no-deps", "--no-build-isolation", sdist)
    run([command, "--version"])
    print("  the sdist installs too")


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--python", action="append", metavar="COMMAND", help="a Python to try; may be repeated")
    ask.add_argument("--work", type=Path, default=ROOT / "build" / "release", help="where everything is made")
    ask.add_argument("--study", default="celastrol", help="the small study to run; '' for none")
    ask.add_argument("--no-byte-code", action="store_true", help="install faster; sizes are without byte code")
    given = ask.parse_args()
    global BYTE_CODE
    BYTE_CODE = not given.no_byte_code
    given.work.mkdir(parents=True, exist_ok=True)
    wheel, sdist = build(given.work)
    if said := contents(wheel, sdist):
        raise SystemExit("\n".join(said))
    for python in given.python or [sys.executable]:
        installs(python, given.work, wheel, sdist, given.study)


if __name__ == "__main__":
    main()
