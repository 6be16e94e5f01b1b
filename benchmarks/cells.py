"""Single cells: from a file to states beside the plain recipe of scanpy, each in a process of its own.

Counts of 20,000 and 200,000 simulated cells (5,000 genes, six states, four samples) are written as `.h5ad` and taken to
states by both: reading, quality control, normalisation, variable genes, 30 components, 15 neighbours, Leiden. Scanpy's
own Leiden needs igraph, which is under the GPL; its graph is given to the same Leiden as ours. Doublets and maps are
left out of both. Time and peak resident memory are those of the whole process, imports included; on a machine with
other work the processor's seconds tell more than the clock's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

GENES, STATES, SAMPLES = 5_000, 6, 4


def simulated(path: Path, n: int, seed: int = 0) -> None:
    """An .h5ad of counts, written a chunk of cells at a time."""
    import h5py
    from scipy import sparse

    rng = np.random.default_rng(seed)
    base = np.exp(rng.normal(-1.5, 1.3, GENES))
    profiles = np.repeat(base[None], STATES, axis=0)
    for s in range(STATES):
        mine = rng.choice(GENES, 150, replace=False)
        profiles[s, mine] *= np.exp(rng.normal(1.0, 0.7, 150))
    state = rng.choice(STATES, n, p=[0.3, 0.25, 0.2, 0.15, 0.08, 0.02])
    sample = rng.integers(0, SAMPLES, n)
    with h5py.File(path, "w") as f:
        f.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        x = f.create_group("X")
        x.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": (n, GENES)})
        data = x.create_dataset("data", (0,), np.float32, maxshape=(None,), chunks=(1 << 20,), compression="lzf")
        indices = x.create_dataset("indices", (0,), np.int32, maxshape=(None,), chunks=(1 << 20,), compression="lzf")
        indptr = [0]
        for start in range(0, n, 4000):
            own = state[start : start + 4000]
            depth = np.exp(rng.normal(0, 0.35, len(own)))
            block = sparse.csr_array(rng.poisson(profiles[own] * depth[:, None]).astype(np.float32))
            data.resize(indptr[-1] + block.nnz, axis=0)
            indices.resize(indptr[-1] + block.nnz, axis=0)
            data[indptr[-1] :], indices[indptr[-1] :] = block.data, block.indices
            indptr += (indptr[-1] + block.indptr[1:].astype(np.int64)).tolist()
        # indices and their ends of one type, as scanpy needs it
        x.create_dataset("indptr", data=np.array(indptr, dtype=np.int32))
        text = h5py.string_dtype()
        for name, names, more in (
            ("obs", [f"cell{i}" for i in range(n)], {"sample": [f"s{i}" for i in sample],
                                                     "truth": [str(s) for s in state]}),
            ("var", [f"GENE{i}" for i in range(GENES)], {}),
        ):  # fmt: skip
            group = f.create_group(name)
            group.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.2.0", "_index": "_index"})
            group.attrs.create("column-order", list(more), dtype=text)
            for key, values in {"_index": names, **more}.items():
                made = group.create_dataset(key, data=np.array(values, dtype=object), dtype=text)
                made.attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})


def ours(path: Path) -> np.ndarray:
    """State of every cell by this project."""
    import pandas as pd

    from rechallenge.omics.cells import CELLS, cell_quality, cell_states
    from rechallenge.omics.cells.reading import read
    from rechallenge.study import TableSource

    cells = read(TableSource(values=[path.name], model="m"), path.parent, CELLS, pd.DataFrame({"model": ["m"]})).frame
    judged = cell_quality(cells, doublets=False)
    states = cell_states(cells, judged, maps=False, n_genes=2000, resolution=0.5)["cell_states"]
    return cells[["cell"]].merge(states[["cell", "state"]], how="left", on="cell")["state"].fillna("0").to_numpy()


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
        "import json, sys, time, resource; start = time.perf_counter(); from pathlib import Path\n"
        f"from benchmarks import cells; found = cells.{what}(Path(sys.argv[1]))\n"
        "seconds, cpu = time.perf_counter() - start, time.process_time()\n"
        "peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20\n"
        "import h5py; from sklearn.metrics import adjusted_rand_score as ari\n"
        "truth = h5py.File(sys.argv[1])['obs/truth'].asstr()[:]\n"
        "print(json.dumps([seconds, cpu, peak, float(ari(truth, found))]))"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(path)], capture_output=True, text=True,
                          check=False, env=dict(os.environ))  # fmt: skip
    if done.returncode:
        print(done.stderr.strip().splitlines()[-1:] or f"ended with {done.returncode}")
        return [float("nan")] * 4
    return [float(v) for v in json.loads(done.stdout.strip().splitlines()[-1])]


def main(shared: Path | None = None, sizes: tuple[int, ...] = (20_000, 200_000)) -> None:
    """Print seconds, peak memory and agreement with the planted states for both."""
    del shared
    print(f"{'cells':>8} {'':>8} {'seconds':>8} {'CPU s':>8} {'GB':>6} {'ARI':>6}")
    with tempfile.TemporaryDirectory() as folder:
        for n in sizes:
            path = Path(folder) / f"cells{n}.h5ad"
            simulated(path, n)
            for what in ("ours", "scanpy"):
                seconds, cpu, peak, agreement = _measured(what, path)
                print(f"{n:>8} {what:>8} {seconds:>8.1f} {cpu:>8.1f} {peak:>6.2f} {agreement:>6.3f}", flush=True)
            path.unlink()
