"""Fuzz the readers by hand: `python fuzz/fuzz.py TARGET [--seconds N] [--seed N]`, or `--list`.

Coverage decides which inputs are kept where `atheris` is installed (https://github.com/google/atheris); without it the
sound files are damaged at random. Every finding is printed with its traceback and kept as a file in `fuzz/findings`,
once per place in the code. The exit status is 1 where there was one. See docs/reference/hardening.md.
"""

from __future__ import annotations

import argparse
import faulthandler
import hashlib
import random
import resource
import shutil
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [
    str(HERE.parent / "src"),
    str(HERE.parent / "tests" / "hardening"),
    str(HERE.parent / "tests" / "knowledge"),
]

try:
    import atheris
except ImportError:
    atheris = None

#: bytes of memory that one reading may ask for, and seconds that it may take
MEMORY, SECONDS = 6 * 2**30, 60
#: where coverage is watched: what reads. The rest takes minutes to instrument, and compiled code cannot be
INSTRUMENTED = [
    "rechallenge.tables", "rechallenge.study", "rechallenge.knowledge.parsing", "rechallenge.assays.binding.reading",
    "rechallenge.assays.elisa.reading", "rechallenge.assays.elisa.exports", "rechallenge.assays.images.reading",
    "rechallenge.assays.measurements.reading", "rechallenge.assays.qpcr.reading", "rechallenge.assays.seahorse.wave",
    "rechallenge.assays.thermal_shift.reading", "rechallenge.assays.thermal_shift.sheet",
    "rechallenge.omics.cells.hdf5", "rechallenge.omics.cells.files", "rechallenge.omics.cells.reading",
    "rechallenge.omics.tracing.elmaven", "rechallenge.omics.enrichment.sets",
]  # fmt: skip
_TOKENS = (
    b"=1+1",
    b"\xff",
    b"\0",
    b"1e999",
    b"nan",
    b"-1",
    b",",
    b";",
    b"\t",
    b"\n",
    b'"',
    b"99999999999",
    b"\xc2\xb2",
    b"<",
    b"&",
)
_KINDS = ("cut", "drop", "repeat", "put", "over", "number", "number", "over")


def targets() -> dict[str, tuple[list[bytes], Callable[[Path, bytes], object], Callable[[Path], object]]]:
    """Name -> sound files, what reads one, and what prepares the folder."""
    import knowledge_samples
    import reader_cases as rc

    made: dict[str, tuple[list[bytes], Callable[[Path, bytes], object], Callable[[Path], object]]] = {}
    for case in rc.cases():
        made[case.name] = (
            case.seeds(),
            lambda folder, data, c=case: rc.reads(c, folder, data),
            lambda folder, c=case: rc.place(c, folder),
        )
    made["study.toml"] = ([rc.STUDY.encode()], rc.study_file, lambda f: (f / "t.csv").write_text(rc.VIABILITY))
    for name, files in knowledge_samples.SAMPLES.items():
        made[f"knowledge-{name}"] = (
            [files[0][1]],
            lambda folder, data, n=name: rc.knowledge_file(folder, n, data),
            lambda folder, n=name: knowledge_samples.write(folder, n),
        )
    return made


def unwatched() -> list[str]:
    """Modules whose coverage is not watched."""
    source = HERE.parent / "src"
    names = [".".join(p.relative_to(source).with_suffix("").parts) for p in (source / "rechallenge").rglob("*.py")]
    names = [n.removesuffix(".__init__") for n in names]
    return [n for n in names if not any(n == w or n.startswith(w + ".") for w in INSTRUMENTED)]


def changes(rng: random.Random) -> list[tuple[str, int, int, bytes]]:
    return [
        (rng.choice(_KINDS), rng.randrange(1 << 20), rng.choice((1, 2, 5, 20, 200)),
         rng.choice((*_TOKENS, rng.randbytes(rng.choice((1, 2, 4, 16))))))
        for _ in range(rng.choice((1, 1, 2, 4, 8)))
    ]  # fmt: skip


class Findings:
    """Where the promise was broken, once per place in the code."""

    def __init__(self, target: str):
        self.target, self.seen = target, set[str]()
        self.folder = HERE / "findings"

    def add(self, e: BaseException, data: bytes) -> None:
        at = [
            f
            for f in traceback.extract_tb(e.__traceback__)
            if "rechallenge" in f.filename and "/fuzz/" not in f.filename
        ]
        place = f"{type(e).__name__} {at[-1].filename}:{at[-1].lineno}" if at else type(e).__name__
        if place in self.seen:
            return
        self.seen.add(place)
        self.folder.mkdir(exist_ok=True)
        name = f"{self.target}-{hashlib.sha256(data).hexdigest()[:12]}"
        (self.folder / name).write_bytes(data)
        print(f"\nFINDING {self.target}: {place}\n  kept as fuzz/findings/{name}", flush=True)
        traceback.print_exception(e, limit=-6, file=sys.stdout)


def raised() -> None:
    """Let what is unforeseen come out of the readers as it is."""
    from rechallenge.tables import reading

    def again(e: Exception, name: str) -> object:
        if isinstance(e, MemoryError):
            raise RuntimeError("asked for more memory than it may have") from e
        raise e

    reading._unexpected = again  # type: ignore[assignment]


def once(read: Callable[[Path, bytes], object], folder: Path, data: bytes, findings: Findings) -> None:
    faulthandler.dump_traceback_later(SECONDS, exit=True)
    try:
        read(folder, data)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as e:  # noqa: BLE001  a panic of a Rust reader is no Exception
        findings.add(e, data)
    finally:
        faulthandler.cancel_dump_traceback_later()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", nargs="*")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--random", action="store_true", help="without coverage, also where atheris is installed")
    asked = parser.parse_args()
    guided = atheris is not None and not asked.random and len(asked.target) == 1
    if guided:
        with atheris.instrument_imports(include=["rechallenge"], exclude=unwatched()):
            known = targets()
    else:
        known = targets()
    if asked.list or not asked.target:
        print("\n".join(known))
        return 0
    import reader_cases as rc

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    raised()
    bad = 0
    for name in known if asked.target == ["all"] else asked.target:
        seeds, read, prepare = known[name]
        folder = rc.scratch()
        prepare(folder)
        findings = Findings(name)
        if guided:
            return _guided(name, seeds, read, folder, findings, asked)
        rng = random.Random(f"{asked.seed} {name}")
        end, runs = time.monotonic() + asked.seconds, 0
        while time.monotonic() < end:
            once(read, folder, rc.damaged(rng.choice(seeds), changes(rng)), findings)
            runs += 1
        shutil.rmtree(folder)
        print(f"{name}: {runs} inputs, {len(findings.seen)} findings", flush=True)
        bad += len(findings.seen)
    return bool(bad)


def _guided(
    name: str, seeds: list[bytes], read: Callable[[Path, bytes], object], folder: Path, findings: Findings,
    asked: argparse.Namespace,
) -> int:  # fmt: skip
    corpus = HERE / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for i, data in enumerate(seeds):
        (corpus / f"seed-{i}").write_bytes(data)
    arguments = [sys.argv[0], str(corpus), f"-max_total_time={int(asked.seconds)}", f"-seed={asked.seed + 1}",
                 "-rss_limit_mb=0", f"-max_len={4 * max(map(len, seeds))}", f"-timeout={SECONDS}"]  # fmt: skip
    atheris.Setup(arguments, lambda data: once(read, folder, data, findings), enable_python_coverage=True)
    atheris.Fuzz()  # ends the process
    return 0


if __name__ == "__main__":
    sys.exit(main())
