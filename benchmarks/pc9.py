"""Cells as replicates: two samples of one treatment, gene by gene over cells, as is, at equal depth, and shuffled.

`python -m benchmarks pc9` needs the reference data. PC9 cells of day 11 (Aissa et al. 2021,
doi:10.1038/s41467-021-21884-z), labelled control and erlotinib where they were found, are two replicates of erlotinib.
Every rank-sum test over cells that is called here is called for a difference between lanes; nothing of the kind is part
of an analysis of this project.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def _called(x: np.ndarray, y: np.ndarray) -> tuple[int, int, int]:
    """Genes tested (seen in three cells), q < .05 of a two-sided rank-sum test, and those with a log2 ratio above 1."""
    from scipy import sparse
    from scipy.stats import norm

    from rechallenge.stats.multiplicity import bh

    both = np.vstack([x, y])
    both = both[:, (both > 0).sum(axis=0) >= 3]
    level = sparse.csc_array(np.log1p(both / both.sum(axis=1, keepdims=True) * 1e4))
    p = 2 * norm.sf(np.abs([_rank_sum(level[:, [g]], len(x)) for g in range(both.shape[1])]))
    q = bh(np.asarray(p))
    mean = [level[: len(x)].expm1().mean(axis=0), level[len(x) :].expm1().mean(axis=0)]
    fold = np.log2((np.asarray(mean[0]).ravel() + 1e-9) / (np.asarray(mean[1]).ravel() + 1e-9))
    return both.shape[1], int((q < 0.05).sum()), int(((q < 0.05) & (np.abs(fold) > 1)).sum())


def _rank_sum(column: Any, n_x: int) -> float:
    """z of Wilcoxon's rank sum, ties corrected; cells without the gene are one tie at the low end."""
    from scipy.stats import rankdata

    n, values = column.shape[0], column.data
    zeros = n - len(values)
    first = column.indices < n_x
    total = (rankdata(values) + zeros)[first].sum() + (n_x - first.sum()) * (zeros + 1) / 2
    ties = np.unique(values, return_counts=True)[1].astype(float)
    tied = (ties**3 - ties).sum() + float(zeros) ** 3 - zeros
    variance = n_x * (n - n_x) / 12 * (n + 1 - tied / (n * (n - 1)))
    return float((total - n_x * (n + 1) / 2) / np.sqrt(variance))


def _thinned(x: np.ndarray, depth: int, rng: np.random.Generator) -> np.ndarray:
    """Cells with `depth` counts or more, each drawn down to so many without replacement."""
    rows = x[x.sum(axis=1) >= depth].astype(np.int64)
    return np.array([rng.multivariate_hypergeometric(r, depth, method="marginals") for r in rows])


def main(shared: Path) -> None:
    """Print how many genes each way of looking calls."""
    folder = shared / "data" / "cells"
    tables = {}
    for name in ("control", "Erlotinib"):
        table = pd.read_csv(folder / f"GSE147405_Day11_{name}.txt.gz", sep="\t", index_col=0)
        table = table.loc[:, (table > 0).sum() >= 500]
        mito = table.index.str.startswith("MT-")
        tables[name] = table.loc[:, table[mito].sum() / table.sum() < 0.2]
    genes = tables["control"].index.intersection(tables["Erlotinib"].index)
    x, y = (t.loc[genes].to_numpy(np.int64).T for t in tables.values())
    rng = np.random.default_rng(0)
    print(f"{len(x)} and {len(y)} cells with 500 genes and less than 20 % mitochondrial; median counts "
          f"{np.median(x.sum(axis=1)):.0f} and {np.median(y.sum(axis=1)):.0f}")  # fmt: skip
    print(f"{'':<34} {'cells':>12} {'genes':>7} {'q < .05':>8} {'and twofold':>12}")
    ways = [("all counts", x, y)]
    ways += [(f"drawn down to {d} counts", _thinned(x, d, rng), _thinned(y, d, rng)) for d in (1000, 1500)]
    both = rng.permutation(np.vstack([x, y]))
    ways.append(("all counts, labels shuffled", both[: len(x)], both[len(x) :]))
    for what, a, b in ways:
        tested, called, far = _called(a, b)
        print(f"{what:<34} {f'{len(a)} + {len(b)}':>12} {tested:>7} {called:>8} {far:>12}", flush=True)
