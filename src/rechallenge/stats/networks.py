"""Signed networks (a source acts on features with weights) scored on a statistic, against permuted networks.

The score of a source is the t of a univariate linear model of the statistic on its weights (Badia-i-Mompel et al. 2022,
doi:10.1093/bioadv/vbac016). Its textbook p-value is none: features that many sources share behave unlike the rest. So
scores are compared with networks in which every source keeps the number and the signs of its edges and every feature
the number of its sources.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: sources from which a permuted network can be made; groups of sources of like size that share a null
FEWEST, POOLS = 20, 5


class Network(NamedTuple):
    """Edges between factors and measured genes: names, and per edge the factor, the gene and the weight."""

    factors: list[str]
    factor: Ints
    gene: Ints
    weight: Floats


def network(known: pd.DataFrame, genes: pd.Index[Any]) -> Network:
    """The edges of ``known`` (columns tf, target, weight) to `genes`; an edge of a source to itself does not count."""
    at = genes.get_indexer(pd.Index(known["target"]))
    kept = (at >= 0) & (known["tf"] != known["target"]).to_numpy()
    codes, names = pd.factorize(known["tf"].to_numpy()[kept], sort=True)
    return Network([str(n) for n in names], codes.astype(np.int64), at[kept].astype(np.int64),
                   known["weight"].to_numpy(float)[kept])  # fmt: skip


def ulm(statistic: Floats, net: Network) -> Floats:
    """Score of every factor: t of the slope of `statistic` [genes] on its weights, 0 for genes that are no target.

    With n genes and their correlation r with the weights, t = r sqrt((n - 2) / (1 - r^2)).
    """
    return np.asarray(scores(statistic, net, net.gene[None, :])[0])


def scores(statistic: Floats, net: Network, genes: Ints) -> Floats:
    """Scores [permutations, factors] for the genes at the ends of the edges [permutations, edges]."""
    n, many = statistic.size, len(net.factors)
    centred = statistic - statistic.mean()
    spread = centred @ centred
    sums = np.bincount(net.factor, net.weight, many)
    squares = np.bincount(net.factor, net.weight**2, many) - sums**2 / n
    together = np.array([np.bincount(net.factor, net.weight * centred[g], many) for g in genes])
    with np.errstate(invalid="ignore", divide="ignore"):
        r = together / np.sqrt(spread * squares)
        return np.asarray(r * np.sqrt((n - 2) / np.maximum(1 - r**2, 1e-12)))


def permuted(net: Network, n_genes: int, times: int, seed: int, burn: int = 20, thin: int = 3) -> Ints:
    """Genes at the ends of the edges [times, edges] of networks with the same degrees of factors and of genes.

    A chain of swaps: the genes of two edges are exchanged where neither new edge exists. All edges are paired at random
    in every round; `burn` rounds come first and `thin` between two networks that are kept.
    """
    rng = np.random.default_rng(seed)
    gene, size = net.gene.copy(), net.factor.size
    out = np.empty((times, size), dtype=np.int64)
    half = size // 2
    for i in range(times):
        for _ in range(burn if i == 0 else thin):
            order = rng.permutation(size)
            a, b = order[:half], order[half : 2 * half]
            new = np.concatenate([net.factor[a] * n_genes + gene[b], net.factor[b] * n_genes + gene[a]])
            now = np.sort(net.factor * n_genes + gene)
            there = now[np.minimum(np.searchsorted(now, new), size - 1)] == new
            # of several proposals of one edge the first is taken
            taken = np.ones(new.size, dtype=bool)
            taken[np.unique(new, return_index=True)[1]] = False
            bad = (there | taken)[:half] | (there | taken)[half:]
            a, b = a[~bad], b[~bad]
            gene[a], gene[b] = gene[b], gene[a]
        out[i] = gene
    return out


def calibrated(scores: Floats, null: Floats, size: Ints) -> tuple[Floats, Floats, Floats, Floats]:
    """z, two-sided p, and mean and standard deviation of the null [permutations, factors] of every factor's score.

    p = (b + 1) / (m + 1) over the null scores of factors of like size (`POOLS` groups), each standardised with the mean
    and standard deviation of its own factor.
    """
    mean, sd = null.mean(axis=0), null.std(axis=0, ddof=1)
    fixed = sd <= 1e-9 * np.maximum(1.0, np.abs(mean))
    safe = np.where(fixed, 1.0, sd)
    z, p = (scores - mean) / safe, np.full(scores.size, np.nan)
    spread = np.abs((null - mean) / safe)
    rank = np.argsort(np.argsort(size, kind="stable"), kind="stable")
    pool = rank * min(POOLS, max(1, scores.size // FEWEST)) // max(1, scores.size)
    for k in np.unique(pool):
        mine = (pool == k) & ~fixed
        values = np.sort(spread[:, mine], axis=None)
        above = values.size - np.searchsorted(values, np.abs(z[mine]) - 1e-12, side="left")
        p[mine] = (above + 1) / (values.size + 1)
    z[fixed] = np.nan
    return z, p, mean, np.where(fixed, 0.0, sd)
