"""Exact inference for few animals: binomial limits and permutation tests."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np

from rechallenge.assays.tumours.data import NAN, Floats, rng_of

#: arrangements counted in full up to this many, drawn above it
FULL = 20_000


def exact_interval(k: int, n: int, confidence: float) -> tuple[float, float]:
    """Limits of Clopper and Pearson for a fraction (doi:10.1093/biomet/26.4.404); NaN for n = 0."""
    from scipy.special import betaincinv

    if n == 0:
        return NAN, NAN
    tail = (1 - confidence) / 2
    low = float(betaincinv(k, n - k + 1, tail)) if k else 0.0
    return low, float(betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0


def permuted(a: Floats, b: Floats, n_draws: int, seed: int, key: str) -> tuple[float, str]:
    """Two-sided permutation p of the difference of means of two groups, and how it was made.

    All arrangements of the animals are counted where there are at most `FULL`, else p = (b + 1) / (m + 1) of drawn.
    """
    pool, k = np.sort(np.concatenate([a, b])), len(a)
    expected = pool.mean() * k
    seen = abs(a.sum() - expected) - 1e-9
    if math.comb(len(pool), k) <= FULL:
        chosen = np.array(list(combinations(range(len(pool)), k)))
        sums = pool[chosen].sum(axis=1)
        return float((np.abs(sums - expected) >= seen).mean()), f"permutation, all {len(sums):,}"
    rng = rng_of(seed, key)
    sums = np.array([rng.permutation(pool)[:k].sum() for _ in range(n_draws)])
    return float(((np.abs(sums - expected) >= seen).sum() + 1) / (n_draws + 1)), f"permutation, {n_draws:,} drawn"
