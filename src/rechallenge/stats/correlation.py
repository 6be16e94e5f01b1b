"""Correlation of a handful of pairs: exact permutation tests and intervals.

Few units (stages of resistance, cell lines) leave no room for large-sample tests: the p-value is the share of all n!
orders (or, above eight pairs, of random ones, (b + 1) / (m + 1)) whose correlation is as far from 0. Intervals are
Fisher's z; for Spearman's coefficient with the variance of Bonett and Wright, doi:10.1007/BF02294183.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
#: up to so many pairs every order is counted
EXACT = 8


@dataclass(frozen=True)
class Correlated:
    """A correlation with its interval and two-sided permutation p; `smallest_p` is the least p that n can give."""

    estimate: float
    ci_low: float
    ci_high: float
    p_value: float
    smallest_p: float
    n: int
    exact: bool


def ranks(values: ArrayLike) -> Floats:
    """Ranks from 1, ties at their mean."""
    from scipy.stats import rankdata

    return np.asarray(rankdata(values), dtype=np.float64)


def correlation(
    x: ArrayLike, y: ArrayLike, *, rank: bool = True, confidence: float = 0.95, n_draws: int = 9999, seed: int = 0
) -> Correlated:
    """Spearman's (`rank`) or Pearson's correlation of pairs x, y [n], n >= 4 and neither of them constant.

    Raises ValueError where there are fewer pairs, a value is not finite, or one side does not vary.
    """
    from scipy.stats import norm

    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    n = len(a)
    if a.shape != b.shape or n < 4:
        raise ValueError(f"a correlation needs four pairs or more, got {n}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("values are finite numbers")
    if rank:
        a, b = ranks(a), ranks(b)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        raise ValueError("a value that does not vary has no correlation")
    order = np.argsort(a, kind="mergesort")  # so that draws do not depend on the order of the pairs
    a, b = _standard(a[order]), _standard(b[order])
    estimate = float(np.clip(a @ b, -1, 1))
    sorted_b = np.sort(b)
    exact = n <= EXACT
    if exact:
        others = np.array(list(permutations(sorted_b))) @ a
        count, total = int((np.abs(others) >= abs(estimate) - 1e-12).sum()), len(others)
        p, least = count / total, float((np.abs(others) >= np.abs(others).max() - 1e-12).mean())
    else:
        rng = np.random.default_rng(seed)
        others = rng.permuted(np.tile(sorted_b, (n_draws, 1)), axis=1) @ a
        count = int((np.abs(others) >= abs(estimate) - 1e-12).sum())
        p, least = (count + 1) / (n_draws + 1), 1 / (n_draws + 1)
    z = np.arctanh(np.clip(estimate, -1 + 1e-12, 1 - 1e-12))
    error = np.sqrt((1 + estimate**2 / 2 if rank else 1.0) / (n - 3))
    reach = norm.ppf(0.5 + confidence / 2) * error
    low, high = (float(np.tanh(v)) for v in (z - reach, z + reach))
    if abs(estimate) > 1 - 1e-9:  # Fisher's z has no end there; the other side from the value next to it
        low, high = _perfect(estimate, n, reach)
    return Correlated(estimate, min(low, estimate), max(high, estimate), float(p), least, n, exact)


def _standard(values: Floats) -> Floats:
    centred = values - values.mean()
    out: Floats = centred / np.sqrt(centred @ centred)
    return out


def _perfect(estimate: float, n: int, reach: float) -> tuple[float, float]:
    """Limits at a perfect correlation: those of the nearest coefficient that n ranks can have short of it."""
    nearest = np.arctanh(1 - 6.0 / (n * (n**2 - 1)) * 2)
    edge = float(np.tanh(nearest - reach))
    return (edge, 1.0) if estimate > 0 else (-1.0, -edge)
