"""Curves, studies and one study over 1, 2, ... workers: wall time, efficiency and the memory of a worker.

Usage: python -m benchmarks.scaling [PART ...] [--workers 1,2] [--on processes|dask] [--repeats R]
           [--curves N] [--bootstraps B] [--replicates G] [--studies M] [--study-size small|full] [--folder DIR]

Parts (all by default):
  engine   N simulated curves of 9 doses x G biological replicates are fitted and resampled B times. A chunk is made
           from its own seed by the worker that fits it, so nothing but numbers of chunks travels. With G of 7 or more
           all B resamples are drawn and refitted; with fewer, all different resamples are enumerated (10 for G = 3).
           Needs numpy, scipy and numba alone (and distributed for --on dask).
  screen   such curves as a file, through `rechallenge curves`: reading, cutting, fitting, resampling, joining.
  studies  M small studies through `rechallenge library`.
  study    one whole demonstration study through `rechallenge run --jobs`.

Efficiency is T1 / (N x TN) of wall time. For the engine, workers are started and warm before the clock starts, and
their start is given beside it; the other parts are whole commands, start included. 'busy' is the processor time of all
workers over N x wall time: where it is low, workers waited (for work, or for other programs on the machine). 'work' is
processor time at N workers over that at the first number: above 1, cores slow each other down. The digest of all
results must be the same in every row. Memory is the largest peak of one process.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
CHUNK = 250
DOSES = 9
PARTS = ("engine", "screen", "studies", "study")
_barrier: Any = None


@dataclass
class Row:
    """One line of the table: seconds of start, wall and processor, bytes at the peak of a worker, digest of results."""

    workers: int
    start: float
    wall: float
    cpu: float
    peak: int
    digest: str


def peak_memory() -> int:
    """Largest resident memory of this process in bytes (`ru_maxrss` of a spawned process holds its parent's)."""
    status = Path("/proc/self/status")
    if status.exists():
        mark = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(mark.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


# -- curves --------------------------------------------------------------------------------------------------------


def curves_of(first: int, n: int, replicates: int, seed: int = 1) -> tuple[Any, Any, Any, Any]:
    """(curve, dose, response, replicate) of the curves `first` to `first + n - 1`."""
    import numpy as np

    rng = np.random.default_rng([seed, first])
    dose = 20 / 3.0 ** np.arange(DOSES)
    wells = DOSES * replicates
    ec50 = 10 ** rng.uniform(-1.5, 1.0, n)
    slope, einf = np.exp(rng.normal(0.2, 0.3, n)), rng.uniform(0, 0.4, n)
    shift = 10 ** rng.normal(0, 0.1, (n, replicates, 1))
    x = np.broadcast_to(dose, (n, replicates, DOSES))
    y = einf[:, None, None] + (1 - einf)[:, None, None] / (
        1 + (x / (ec50[:, None, None] * shift)) ** slope[:, None, None]
    )
    y = y + rng.normal(0, 0.05, y.shape)
    replicate = np.tile(np.repeat(np.arange(replicates), DOSES), n)
    return np.repeat(np.arange(n), wells), x.ravel(), y.ravel(), replicate


def fit_chunk(first: int, n: int, replicates: int, bootstraps: int) -> tuple[int, str, float, int]:
    """Fit and resample one chunk: number, digest of the estimates and limits, processor seconds, peak memory."""
    from rechallenge.stats.hill import fit_hill, ic50_interval

    start = time.process_time()
    curve, x, y, replicate = curves_of(first, n, replicates)
    fits = fit_hill(curve, x, y, replicate=replicate, e0=1.0)
    limits = ic50_interval(fits, method="bootstrap", n_boot=bootstraps)
    h = hashlib.sha256()
    for values in (fits.ec50, fits.h, limits.log10_dose, limits.log10_lo, limits.log10_hi):
        h.update(values.tobytes())
    return first, h.hexdigest(), time.process_time() - start, peak_memory()


def _keep(barrier: Any) -> None:
    global _barrier
    _barrier = barrier


def _warm(replicates: int, bootstraps: int) -> int:
    """Load and compile what a chunk needs; with worker processes, wait until all of them have."""
    fit_chunk(0, 10, replicates, bootstraps)
    if _barrier is not None:
        _barrier.wait()
    return os.getpid()


def _processes(n: int, warm: tuple[int, int]) -> tuple[Callable[..., Any], Callable[[], None]]:
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(n, mp_context=context, initializer=_keep, initargs=(context.Barrier(n),))
    started = {f.result() for f in [pool.submit(_warm, *warm) for _ in range(n)]}
    if len(started) != n:
        raise RuntimeError(f"{len(started)} of {n} workers started")

    def run(calls: list[tuple[int, ...]]) -> Iterator[Any]:
        return (f.result() for f in as_completed([pool.submit(fit_chunk, *c) for c in calls]))

    return run, pool.shutdown


def _dask(n: int, warm: tuple[int, int]) -> tuple[Callable[..., Any], Callable[[], None]]:
    import distributed

    cluster = distributed.LocalCluster(
        n_workers=n, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
    )
    client = distributed.Client(cluster)
    client.run(_warm, *warm)

    def run(calls: list[tuple[int, ...]]) -> Iterator[Any]:
        futures = [client.submit(fit_chunk, *c, pure=False) for c in calls]
        return (f.result() for f in distributed.as_completed(futures))

    def close() -> None:
        client.close()
        cluster.close()

    return run, close


def engine(workers: int, o: argparse.Namespace) -> Row:
    """All curves over started and warm workers."""
    calls = [(i, min(CHUNK, o.curves - i), o.replicates, o.bootstraps) for i in range(0, o.curves, CHUNK)]
    clock = time.perf_counter()
    run, close = (_dask if o.on == "dask" else _processes)(workers, (o.replicates, o.bootstraps))
    start = time.perf_counter() - clock
    clock = time.perf_counter()
    answers = sorted(run(calls))
    wall = time.perf_counter() - clock
    close()
    digest = hashlib.sha256("".join(a[1] for a in answers).encode()).hexdigest()
    return Row(workers, start, wall, sum(a[2] for a in answers), max(a[3] for a in answers), digest)


def write_screen(path: Path, o: argparse.Namespace) -> Path:
    """Curves like those of `engine` as a Parquet table, written in pieces."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    for first in range(0, o.curves, 20 * CHUNK):
        n = min(20 * CHUNK, o.curves - first)
        curve, x, y, replicate = curves_of(first, n, o.replicates)
        drugs = np.array([f"D{i:07d}" for i in range(first, first + n)], dtype=object)
        frame = pd.DataFrame(
            {"model": "Huh-7 LR", "drug": drugs[curve], "dose_um": x, "replicate": replicate + 1, "viability": y}
        )
        piece = pa.Table.from_pandas(frame, preserve_index=False)
        writer = writer or pq.ParquetWriter(path, piece.schema)
        writer.write_table(piece)
    if writer is not None:
        writer.close()
    return path


# -- whole commands -------------------------------------------------------------------------------------------------

COMMAND = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
done = subprocess.run([sys.executable, "-m", "rechallenge.cli", *sys.argv[1:]], stdout=subprocess.PIPE, text=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
wall = time.perf_counter() - start
print(json.dumps([done.returncode, wall, used.ru_utime + used.ru_stime, used.ru_maxrss, done.stdout]))
"""


def command(*arguments: object) -> tuple[float, float, int, str]:
    """Wall and processor seconds of a command with all its workers, the peak of its largest process, what it said."""
    call = [sys.executable, "-c", COMMAND, *map(str, arguments)]
    text = subprocess.run(call, capture_output=True, text=True, check=True).stdout
    code, wall, cpu, peak, said = json.loads(text.strip().splitlines()[-1])
    if code:
        raise RuntimeError(f"{arguments[0]} ended with {code}: {said}")
    return wall, cpu, peak * (1 if sys.platform == "darwin" else 1024), said


def digest_of(*files: Path) -> str:
    return hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()


def screen(workers: int, o: argparse.Namespace, base: Path) -> Row:
    """`rechallenge curves` on a file of all curves."""
    table = base / f"screen_{o.curves}_{o.replicates}.parquet"
    if not table.exists():
        write_screen(table, o)
    out = Path(tempfile.mkdtemp(dir=base))
    where = ("--jobs", workers, "--bootstraps", o.bootstraps, "--memory", o.memory)
    wall, cpu, peak, said = command("curves", table, "--out", out, *where)
    print("   ", " / ".join(line.strip() for line in said.splitlines()[:-1]))
    return Row(workers, 0.0, wall, cpu, peak, digest_of(out / "curves.parquet"))


def studies(workers: int, o: argparse.Namespace, base: Path) -> Row:
    """`rechallenge library` on small studies."""
    from rechallenge import simulate

    folder = base / f"studies_{o.studies}"
    for i in range(o.studies):
        if not (folder / f"study_{i:04d}" / "study.toml").exists():
            simulate.write_study(folder / f"study_{i:04d}", seed=i, raw=False)
    out = Path(tempfile.mkdtemp(dir=base))
    wall, cpu, peak, _ = command("library", folder, "--out", out, "--jobs", workers)
    return Row(workers, 0.0, wall, cpu, peak, digest_of(*sorted(out.glob("*/evidence.csv"))))


def study(workers: int, o: argparse.Namespace, base: Path) -> Row:
    """`rechallenge run --jobs` on the demonstration study."""
    from rechallenge import simulate

    folder = base / f"demo_{o.study_size}"
    if not (folder / "study.toml").exists():
        simulate.write_whole(folder, seed=0, size=o.study_size)
    out = Path(tempfile.mkdtemp(dir=base))
    wall, cpu, peak, _ = command("run", folder, "--out", out, "--jobs", workers)
    return Row(
        workers, 0.0, wall, cpu, peak, digest_of(out / "evidence.csv", out / "candidates.csv", out / "drugs.csv")
    )


COMMANDS = {"screen": screen, "studies": studies, "study": study}


# -- the table ------------------------------------------------------------------------------------------------------


def show(title: str, rows: list[Row], work: float, unit: str) -> None:
    print(f"\n{title}")
    print(f"{'workers':>8}{'start s':>9}{'wall s':>10}{unit + '/s':>12}{'efficiency':>12}{'busy':>7}{'work':>7}"
          f"{'worker GB':>11}  same results")  # fmt: skip
    one = rows[0]
    for r in rows:
        efficiency = one.wall * one.workers / (r.workers * r.wall)
        print(
            f"{r.workers:8d}{r.start:9.1f}{r.wall:10.2f}{work / r.wall:12,.1f}{efficiency:12.2f}"
            f"{r.cpu / (r.workers * r.wall):7.2f}{r.cpu / one.cpu:7.2f}{r.peak / 1e9:11.2f}"
            f"  {'yes' if r.digest == one.digest else 'NO'}"
        )  # fmt: skip


def options(arguments: list[str]) -> argparse.Namespace:
    p = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    p.add_argument("parts", nargs="*", choices=[*PARTS, []], default=[], metavar="PART")
    p.add_argument("--workers", default="1,2")
    p.add_argument("--on", choices=["processes", "dask"], default="processes")
    p.add_argument("--repeats", type=int, default=1, help="the run with the least wall time counts")
    p.add_argument("--curves", type=int, default=5_000)
    p.add_argument("--bootstraps", type=int, default=1_000)
    p.add_argument("--replicates", type=int, default=8)
    p.add_argument("--memory", default="2GB", help="of a worker, for the part screen")
    p.add_argument("--studies", type=int, default=8)
    p.add_argument("--study-size", choices=["small", "full"], default="small")
    p.add_argument("--folder", help="where inputs and results of the commands go; by default removed at the end")
    return p.parse_args(arguments)


def measure(o: argparse.Namespace, base: Path) -> dict[str, list[Row]]:
    """Print one table for each part, and return the rows."""
    counts = [int(n) for n in o.workers.split(",")]
    titles: dict[str, tuple[str, float, str]] = {
        "engine": (
            f"{o.curves:,} curves x {o.bootstraps:,} bootstraps, {DOSES} doses x {o.replicates} replicates, {o.on}, "
            "workers warm", float(o.curves), "curves"),
        "screen": (f"rechallenge curves: {o.curves:,} curves x {o.bootstraps:,} bootstraps, {o.memory} a worker",
                   float(o.curves), "curves"),
        "studies": (f"rechallenge library: {o.studies} studies of dose-response plates", float(o.studies), "studies"),
        "study": (f"rechallenge run: one whole demonstration study ({o.study_size})", 1.0, "studies"),
    }  # fmt: skip
    found: dict[str, list[Row]] = {}
    for part in o.parts or PARTS:
        if part == "engine":
            _warm(o.replicates, o.bootstraps)  # compiled once, into the cache that workers read
        rows = []
        for n in counts:
            tries = [engine(n, o) if part == "engine" else COMMANDS[part](n, o, base) for _ in range(o.repeats)]
            rows.append(min(tries, key=lambda r: r.wall))
        show(titles[part][0], rows, *titles[part][1:])
        sys.stdout.flush()
        found[part] = rows
    return found


def main(arguments: tuple[str, ...] = ()) -> None:
    """Run `measure` in a process whose numerical libraries use one thread."""
    call = [sys.executable, "-m", "benchmarks.scaling", "--here", *arguments]
    subprocess.run(call, env={**os.environ, **dict.fromkeys(THREADS, "1")}, check=True)


def _here(arguments: list[str]) -> None:
    # under its importable name, so that worker processes and Dask find the functions
    from benchmarks import scaling

    o = scaling.options(arguments)
    if o.folder:
        Path(o.folder).mkdir(parents=True, exist_ok=True)
        scaling.measure(o, Path(o.folder))
        return
    with tempfile.TemporaryDirectory() as temporary:
        scaling.measure(o, Path(temporary))


if __name__ == "__main__":
    if "--here" in sys.argv:
        _here([a for a in sys.argv[1:] if a != "--here"])
    else:
        main(tuple(sys.argv[1:]))
