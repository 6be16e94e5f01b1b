"""Activity in single cells: sparse ULM and AUCell beside decoupler, on the same simulated cells in the same run.

`python -m benchmarks cell_activity`, or `python -m benchmarks.cell_activity CELLS GENES`. Every program runs in a
process of its own, so that peak memory is its own; agreement is with a dense implementation of the definitions.
"""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import scipy.sparse as sp

FACTORS = 732


def simulated(cells: int, genes: int, seed: int = 0) -> tuple[sp.csr_array, np.ndarray, np.ndarray, np.ndarray]:
    """Log-normalised counts [cells, genes] with about a tenth of values there; source, target and weight of edges."""
    rng = np.random.default_rng(seed)
    mean = np.exp(rng.normal(-2.4, 1.6, genes))
    blocks = []
    for start in range(0, cells, 2000):
        n = min(2000, cells - start)
        blocks.append(sp.csr_array(rng.poisson(mean * np.exp(rng.normal(0, 0.3, (n, 1)))).astype(np.float32)))
    x = sp.csr_array(sp.vstack(blocks, format="csr"))
    x.data = np.log1p(x.data)
    size = np.minimum(5 + rng.geometric(1 / 50, FACTORS), 400)
    source = np.repeat(np.arange(FACTORS), size)
    target = np.concatenate([rng.choice(genes, k, replace=False) for k in size])
    return x, source, target, rng.choice([1.0, -1.0], len(source), p=[0.8, 0.2])


def _ours(cells: int, genes: int, method: str) -> None:
    from rechallenge.stats import sparse_activity as sa
    from rechallenge.stats.networks import Network

    x, source, target, weight = simulated(cells, genes)
    net = Network([f"T{i:03d}" for i in range(FACTORS)], source, target, weight)
    w, names = sa.weights(net, genes)
    m, _ = sa.members(
        {f"T{i:03d}": [str(t) for t in target[source == i]] for i in range(FACTORS)}, [str(i) for i in range(genes)]
    )
    small = x[:20]
    call = (lambda y: sa.ulm(y, w)) if method == "ulm" else (lambda y: sa.aucell(y, m))
    call(small)  # compiled once
    base = _peak()
    start = time.perf_counter()
    score = call(x)
    seconds = time.perf_counter() - start
    print(f"{seconds:.2f} {base:.2f} {_peak():.2f} {_worst(score[:20], small, w, m, method):.1e} {len(names)}")


def _worst(score: np.ndarray, x: sp.csr_array, w: sp.csr_array, m: sp.csr_array, method: str) -> float:
    """Largest difference from the definition, computed densely on twenty cells."""
    dense = np.asarray(x.todense(), dtype=float)
    if method == "ulm":
        weights = np.asarray(w.todense())
        r = np.array([[np.corrcoef(row, weights[:, j])[0, 1] for j in range(0, 700, 70)] for row in dense])
        n = dense.shape[1]
        return float(np.abs(score[:, 0:700:70] - r * np.sqrt((n - 2) / (1 - r**2))).max())
    upper = int(np.ceil(0.05 * dense.shape[1]))
    out = 0.0
    from scipy.stats import rankdata

    for i, row in enumerate(dense):
        low, high = rankdata(-row, "min"), rankdata(-row, "max")
        area = np.array([_mean_area(int(a), int(b), upper) for a, b in zip(low, high, strict=True)])
        for j in range(0, 700, 70):
            inside = np.asarray(m[:, [j]].todense()).ravel() > 0
            best = sum(upper - r for r in range(1, int(inside.sum()) + 1) if r < upper)
            out = max(out, abs(area[inside].sum() / best - score[i, j]))
    return out


def _mean_area(first: int, last: int, upper: int) -> float:
    return sum(max(upper - r, 0) for r in range(first, min(last, upper) + 1)) / (last - first + 1)


def _theirs(cells: int, genes: int, method: str) -> None:
    import anndata as ad
    import pandas as pd

    try:
        import decoupler as dc
    except ImportError:
        print("missing")
        return
    x, source, target, weight = simulated(cells, genes)
    data = ad.AnnData(sp.csr_matrix(x), var=pd.DataFrame(index=[f"g{i}" for i in range(genes)]))
    net = pd.DataFrame({"source": [f"T{i:03d}" for i in source], "target": [f"g{i}" for i in target], "weight": weight})
    run = dc.mt.ulm if method == "ulm" else dc.mt.aucell
    net = net if method == "ulm" else net.drop(columns="weight")
    run(data[:20].copy(), net, tmin=5)
    base = _peak()
    start = time.perf_counter()
    run(data, net, tmin=5)
    print(f"{time.perf_counter() - start:.2f} {base:.2f} {_peak():.2f} nan 0")


def _peak() -> float:
    """Largest memory of this process so far (GiB)."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main(cells: int = 20_000, genes: int = 15_000) -> None:
    """Print seconds and peak memory of both, and how exact ours is."""
    print(f"{cells} cells x {genes} genes, {FACTORS} regulons; peak memory includes the data")
    print(f"{'method':<8} {'program':<10} {'seconds':>8} {'data (GiB)':>11} {'peak (GiB)':>11} {'largest error':>14}")
    for method in ("ulm", "aucell"):
        for who in ("here", "decoupler"):
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.cell_activity", str(cells), str(genes), method, who],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "missing"
            if done.returncode or last == "missing":
                print(f"{method:<8} {who:<10} {'not here' if last == 'missing' else 'failed':>8}")
                continue
            seconds, base, peak, error, _ = last.split()
            print(f"{method:<8} {who:<10} {seconds:>8} {base:>11} {peak:>11} {error:>14}")


if __name__ == "__main__":
    given = sys.argv[1:]
    if len(given) == 4:
        (_ours if given[3] == "here" else _theirs)(int(given[0]), int(given[1]), given[2])
    else:
        main(*(int(g) for g in given))
