"""Counts: all features at once beside PyDESeq2, on the same simulated counts; agreement with R's DESeq2."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from rechallenge.stats import counts as nb


def simulated(features: int, n: int, seed: int = 0) -> np.ndarray:
    """Counts [features, 2 n], a tenth of them changed."""
    rng = np.random.default_rng(seed)
    mean = np.exp(rng.normal(5, 1.5, features))
    a = (0.03 + 2 / mean) * np.exp(rng.normal(0, 0.5, features))
    mu = np.repeat(mean[:, None], 2 * n, axis=1)
    mu[: features // 10, n:] *= 2.0 ** rng.choice([-1.0, 1.0], features // 10)[:, None]
    r = (1 / a)[:, None]
    return rng.negative_binomial(r, r / (r + mu)).astype(float)


def ours(counts: np.ndarray, n: int) -> tuple[float, np.ndarray]:
    """Seconds and q-values of one contrast."""
    design = np.column_stack([np.ones(2 * n), np.repeat([0.0, 1.0], n)])
    start = time.perf_counter()
    test = nb.wald(nb.fit_counts(counts, design), [0, 1])
    return time.perf_counter() - start, test.q_value


def pydeseq2(counts: np.ndarray, n: int) -> tuple[float, np.ndarray] | None:
    """The same by PyDESeq2, None where it is not installed."""
    try:
        from pydeseq2.dds import DeseqDataSet
        from pydeseq2.default_inference import DefaultInference
        from pydeseq2.ds import DeseqStats
    except ImportError:
        return None
    import pandas as pd

    names = [f"s{i}" for i in range(2 * n)]
    table = pd.DataFrame(counts.T.astype(int), index=names, columns=[f"g{i}" for i in range(len(counts))])
    sheet = pd.DataFrame({"group": ["a"] * n + ["b"] * n}, index=names)
    inference = DefaultInference(n_cpus=1)
    start = time.perf_counter()
    fitted = DeseqDataSet(counts=table, metadata=sheet, design="~group", inference=inference, quiet=True)
    fitted.deseq2()
    found = DeseqStats(fitted, contrast=["group", "b", "a"], inference=inference, quiet=True)
    found.run_wald_test()
    found._independent_filtering()
    return time.perf_counter() - start, found.padj.to_numpy()


def main(shared: Path | None = None, features: int = 4000) -> None:
    """Print time, ratio and agreement for 2, 3 and 6 replicates a group."""
    del shared
    print(f"{'n':>3} {'here (s)':>9} {'PyDESeq2 (s)':>13} {'ratio':>6} {'calls':>6} {'theirs':>7} {'Jaccard':>8}")
    for n in (2, 3, 6):
        counts = simulated(features, n)
        seconds, q = ours(counts, n)
        other = pydeseq2(counts, n)
        if other is None:
            print(f"{n:>3} {seconds:>9.2f} {'not here':>13}")
            continue
        a, b = q < 0.05, other[1] < 0.05
        jaccard = (a & b).sum() / max(1, (a | b).sum())
        calls = f"{a.sum():>6} {b.sum():>7} {jaccard:>8.3f}"
        print(f"{n:>3} {seconds:>9.2f} {other[0]:>13.2f} {other[0] / seconds:>6.0f} {calls}")


if __name__ == "__main__":
    main()
