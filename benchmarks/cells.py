"""Single cells: from a file to states beside the plain recipe of scanpy, each in a process of its own.

    python -m benchmarks cells [--cells N ...] [--ours-only] [--file FILE.h5ad] [--simulate-only]

Counts of 20,000 and 200,000 simulated cells (5,000 genes, six states, four samples) are written as `.h5ad` and taken to
states by both: reading, quality control, normalisation, variable genes, 30 components, 15 neighbours, Leiden. Scanpy's
own Leiden needs igraph, which is under the GPL; its graph is given to the same Leiden as ours. Doublets and maps are
left out of both. Time and peak resident memory are those of the whole process, imports included; on a machine with
other work the processor's seconds tell more than the clock's. `NUMBA_NUM_THREADS` says how many cores ours may use;
its states are the same on any number. `--cells 1000000 --ours-only` needs 7 GB of disk; with `--file` the file is made
where it is not there, and kept.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

GENES, STATES, SAMPLES = 5_000, 6, 4
#: cells that are drawn at a time
BLOCK = 1_000


def _block(seed: int, start: int, n: int) -> tuple[Any, np.ndarray, np.ndarray]:
    """Counts (csr), state and sample of the n cells from `start`."""
    from scipy import sparse

    rng = np.random.default_rng([seed, 0])
    profiles = np.repeat(np.exp(rng.normal(-1.5, 1.3, GENES))[None], STATES, axis=0)
    for s in range(STATES):
        mine = rng.choice(GENES, 150, replace=False)
        profiles[s, mine] *= np.exp(rng.normal(1.0, 0.7, 150))
    rng = np.random.default_rng([seed, 1, start])
    state = rng.choice(STATES, n, p=[0.3, 0.25, 0.2, 0.15, 0.08, 0.02])
    sample = rng.integers(0, SAMPLES, n)
    depth = np.exp(rng.normal(0, 0.35, n))
    return sparse.csr_array(rng.poisson(profiles[state] * depth[:, None]).astype(np.float32)), state, sample


def _blocks(n: int, seed: int) -> Iterator[tuple[Any, np.ndarray, np.ndarray]]:
    """All blocks in order, drawn on all cores; few are held at a time."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    jobs = os.cpu_count() or 1
    starts = iter(range(0, n, BLOCK))
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting: deque[Any] = deque()
        while True:
            while len(waiting) < 2 * jobs and (start := next(starts, None)) is not None:
                waiting.append(pool.submit(_block, seed, start, min(BLOCK, n - start)))
            if not waiting:
                return
            yield waiting.popleft().result()


def simulated(path: Path, n: int, seed: int = 0) -> None:
    """An .h5ad of counts, written a block of cells at a time."""
    import h5py

    states, samples, indptr = [], [], [np.zeros(1, dtype=np.int64)]
    with h5py.File(path, "w") as f:
        f.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        x = f.create_group("X")
        x.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": (n, GENES)})
        data = x.create_dataset("data", (0,), np.float32, maxshape=(None,), chunks=(1 << 20,), compression="lzf")
        indices = x.create_dataset("indices", (0,), np.int32, maxshape=(None,), chunks=(1 << 20,), compression="lzf")
        end = 0
        for block, state, sample in _blocks(n, seed):
            data.resize(end + block.nnz, axis=0)
            indices.resize(end + block.nnz, axis=0)
            data[end:], indices[end:] = block.data, block.indices
            indptr.append(end + block.indptr[1:].astype(np.int64))
            end += block.nnz
            states.append(state)
            samples.append(sample)
        # indices and their ends of one type, as scanpy needs it, where the ends allow
        kind = np.int32 if end < 2**31 else np.int64
        x.create_dataset("indptr", data=np.concatenate(indptr).astype(kind))
        text = h5py.string_dtype()
        truth, sample = np.concatenate(states), np.concatenate(samples)
        for name, names, more in (
            ("obs", [f"cell{i}" for i in range(n)], {"sample": [f"s{i}" for i in sample],
                                                     "truth": [str(s) for s in truth]}),
            ("var", [f"GENE{i}" for i in range(GENES)], {}),
        ):  # fmt: skip
            group = f.create_group(name)
            group.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": "_index"})
            group.attrs.create("column-order", list(more), dtype=text)
            for key, values in {"_index": names, **more}.items():
                made = group.create_dataset(key, data=np.array(values, dtype=object), dtype=text)
                made.attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})


def _peak() -> float:
    """Largest memory of this process so far (GB of 2**30 bytes)."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _stage(what: str, start: float) -> None:
    print(f"  {what}: {time.perf_counter() - start:.0f} s, peak {_peak():.2f} GB", file=sys.stderr, flush=True)


def ours(path: Path) -> np.ndarray:
    """State of every cell by this project."""
    import pandas as pd

    from rechallenge.omics.cells import CELLS, cell_quality, cell_states
    from rechallenge.omics.cells.reading import read
    from rechallenge.study import TableSource

    start = time.perf_counter()
    cells = read(TableSource(values=[path.name], model="m"), path.parent, CELLS, pd.DataFrame({"model": ["m"]})).frame
    _stage("read", start)
    judged = cell_quality(cells, doublets=False)
    _stage("quality", start)
    states = cell_states(cells, judged, maps=False, n_genes=2000, resolution=0.5)["cell_states"]
    _stage("states", start)
    found = pd.Series(states["state"].to_numpy(), index=states["cell"].to_numpy())
    return found.reindex(cells["cell"].to_numpy()).fillna("0").to_numpy()


def scanpy(path: Path) -> np.ndarray:
    """State of every cell by the plain recipe."""
    import warnings

    warnings.simplefilter("ignore")
    import scanpy as sc
    from scipy import sparse

    from rechallenge.stats.neighbours import communities

    data = sc.read_h5ad(path)
    sc.pp.calculate_qc_metrics(data, inplace=True, percent_top=None)
    sc.pp.filter_cells(data, min_genes=200)
    sc.pp.filter_genes(data, min_cells=3)
    sc.pp.normalize_total(data)
    sc.pp.log1p(data)
    sc.pp.highly_variable_genes(data, n_top_genes=2000)
    data = data[:, data.var["highly_variable"]].copy()
    sc.pp.pca(data, n_comps=30)
    sc.pp.neighbors(data, n_neighbors=15)
    return communities(sparse.csr_array(data.obsp["connectivities"]), 0.5).astype(str)


def _measured(what: str, path: Path) -> list[float]:
    """Of a fresh process: seconds by the clock and of the processor, peak memory in GB, and agreement with the planted
    states (adjusted Rand index)."""
    code = (
        "import json, sys, time; start = time.perf_counter(); from pathlib import Path\n"
        f"from benchmarks import cells; found = cells.{what}(Path(sys.argv[1]))\n"
        "seconds, cpu, peak = time.perf_counter() - start, time.process_time(), cells._peak()\n"
        "import h5py; from sklearn.metrics import adjusted_rand_score as ari\n"
        "truth = h5py.File(sys.argv[1])['obs/truth'].asstr()[:]\n"
        "print(json.dumps([seconds, cpu, peak, float(ari(truth, found))]))"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(path)], stdout=subprocess.PIPE, text=True,
                          check=False, env=dict(os.environ))  # fmt: skip
    if done.returncode:
        print(f"ended with {done.returncode}")
        return [float("nan")] * 4
    return [float(v) for v in json.loads(done.stdout.strip().splitlines()[-1])]


def main(
    shared: Path | None = None,
    sizes: tuple[int, ...] = (20_000, 200_000),
    ours_only: bool = False,
    file: Path | None = None,
    simulate_only: bool = False,
) -> None:
    """Print seconds, peak memory and agreement with the planted states for both."""
    del shared
    with tempfile.TemporaryDirectory() as folder:
        for n in sizes:
            path = file or Path(folder) / f"cells{n}.h5ad"
            if not path.exists():
                start = time.perf_counter()
                part = path.with_name(path.name + ".part")  # half a file is never taken for a whole one
                simulated(part, n)
                part.replace(path)
                print(f"{n:,} cells written in {time.perf_counter() - start:.0f} s, "
                      f"{path.stat().st_size / 2**30:.1f} GB", flush=True)  # fmt: skip
            if simulate_only:
                continue
            print(f"{'cells':>8} {'':>8} {'seconds':>8} {'CPU s':>8} {'GB':>6} {'ARI':>6}")
            for what in ("ours",) if ours_only else ("ours", "scanpy"):
                seconds, cpu, peak, agreement = _measured(what, path)
                print(f"{n:>8} {what:>8} {seconds:>8.1f} {cpu:>8.1f} {peak:>6.2f} {agreement:>6.3f}", flush=True)
            if file is None:
                path.unlink()


def arguments(given: list[str]) -> dict[str, Any]:
    """What the command line says beside the name, as arguments of `main`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks cells")
    parser.add_argument("--cells", dest="sizes", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--ours-only", action="store_true")
    parser.add_argument("--file", type=Path)
    parser.add_argument("--simulate-only", action="store_true")
    found = vars(parser.parse_args(given))
    if found["file"] and len(found["sizes"]) > 1:
        parser.error("--file goes with one number of cells")
    return {**found, "sizes": tuple(found["sizes"])}
