"""The best cut-point of a continuous marker for survival, with the price of having looked for it.

Log-rank scores are compared between both sides of every cut-point that leaves at least a share `low` of the subjects
below and 1 - `high` above it; the largest standardised difference is tested (a) by permutation of the scores, (b) by
the Gaussian approximation of Lausen and Schumacher 1992 (doi:10.2307/2532740) and (c) by the improved Bonferroni bound
of Lausen, Sauerbrei and Schumacher 1994 (in Computational Statistics, Physica, 483-496). A p-value of the log-rank
test at the best
cut-point without such a correction is no p-value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cutpoint:
    """The largest standardised statistic, where it is, its p-values; `uncorrected` is what must not be reported as p.

    Subjects with a value <= `cut` are one side. `n_low`, `n_high` count both sides, `cuts` the cut-points tried.
    """

    statistic: float
    cut: float
    p_permutation: float
    p_lau92: float
    p_lau94: float
    uncorrected: float
    n_low: int
    n_high: int
    cuts: int
    draws: int


def log_rank_scores(time: ArrayLike, event: ArrayLike) -> Floats:
    """Scores (n,) whose sum over a group is its observed minus expected events (Hothorn and Lausen 2003,
    doi:10.1016/S0167-9473(02)00225-6)."""
    t, e = np.asarray(time, dtype=np.float64), np.asarray(event, dtype=np.float64) > 0
    upto = np.searchsorted(np.sort(t), t, side="right")
    order = np.argsort(t, kind="stable")
    total = np.cumsum((e / (len(t) - upto + 1))[order])
    return np.asarray(e - total[upto - 1], dtype=np.float64)


def _candidates(x: Floats, low: float, high: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Order of the values, and how many lie at or below each possible cut-point."""
    n = len(x)
    order = np.argsort(x, kind="stable")
    last = np.flatnonzero(np.diff(x[order]) > 0) + 1
    return order, last[(last >= max(1, np.floor(n * low))) & (last <= np.floor(n * high))]


def best_cut(
    time: ArrayLike,
    event: ArrayLike,
    x: ArrayLike,
    *,
    low: float = 0.1,
    high: float = 0.9,
    draws: int = 1999,
    seed: int = 0,
) -> Cutpoint:
    """The best cut-point of `x` (n,) for survival. Raises ValueError where `x` allows none within the limits."""
    from scipy import special

    values = np.asarray(x, dtype=np.float64)
    if not all(np.isfinite(np.asarray(v, dtype=np.float64)).all() for v in (time, event, values)):
        raise ValueError("times, events and values must be numbers; leave out subjects with missing ones")
    scores = log_rank_scores(time, event)
    order, sizes = _candidates(values, low, high)
    if not len(sizes):
        raise ValueError("no cut-point leaves enough subjects on both sides")
    n = len(values)
    centre, spread = scores.mean(), scores.var(ddof=1)
    sd = np.sqrt(sizes * (n - sizes) / n * spread)

    def largest(rows: Floats) -> Floats:
        """(..., n) scores in the order of x -> the standardised statistics (..., cuts)."""
        away = np.abs(np.cumsum(rows, axis=-1)[..., sizes - 1] - sizes * centre) / sd
        return np.asarray(away, dtype=np.float64)

    found = largest(scores[order])
    at = int(np.argmax(found))
    b = float(found[at])
    rng = np.random.default_rng(seed)
    beyond, done = 0, 0
    while done < draws:
        block = min(256, draws - done)
        beyond += int((largest(rng.permuted(np.tile(scores, (block, 1)), axis=1)).max(axis=1) >= b - 1e-10).sum())
        done += block
    normal = float(2 * special.ndtr(-b))
    return Cutpoint(
        b, float(values[order[sizes[at] - 1]]), (beyond + 1) / (draws + 1) if draws else float("nan"),
        lau92(b, low, high), lau94(b, n, sizes), normal, int(sizes[at]), int(n - sizes[at]), len(sizes), draws,
    )  # fmt: skip


def lau92(b: float, low: float, high: float) -> float:
    """P(max > b) by Miller and Siegmund's approximation over the share `low` to `high` (doi:10.2307/2529881)."""
    if b <= 1:
        return 1.0
    density = np.exp(-b * b / 2) / np.sqrt(2 * np.pi)
    ratio = np.log(high * (1 - low) / ((1 - high) * low))
    return float(min(1.0, 4 * density / b + density * (b - 1 / b) * ratio))


def lau94(b: float, n: int, sizes: ArrayLike) -> float:
    """P(max > b) by the improved Bonferroni bound for groups of these `sizes` out of n, at most 1."""
    from scipy import special

    m = np.asarray(sizes, dtype=np.float64)
    a, c = m[:-1], m[1:]
    t = np.sqrt(1 - a * (n - c) / ((n - a) * c))
    added = np.exp(-b * b / 2) / np.pi * (t - (b * b / 4 - 1) * t**3 / 6)
    return float(min(1.0, 2 * special.ndtr(-b) + added.sum()))
