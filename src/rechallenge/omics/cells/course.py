"""How a course is told from part of the genes, and what has to be held fixed for slopes along it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rechallenge.omics.cells import cycle
from rechallenge.stats.counts import size_factors

Floats = NDArray[np.float64]
#: components of a half that tell the course; genes of a half that they are made of; pools of cells along it
COMPONENTS, MOST_GENES, BINS = 20, 1500, 8


def phases(logged: Any, names: Sequence[str]) -> Floats:
    """Scores of S and G2/M [cells, 2] from log-normalised levels [cells, genes]; [cells, 0] where too few of their
    genes are among them."""
    inside = cycle.members(names)
    if min(len(i) for i in inside.values()) < cycle.LEAST:
        return np.zeros((logged.shape[0], 0))
    mean = np.asarray(logged.sum(axis=0)).ravel() / logged.shape[0]
    return np.asarray(logged @ np.column_stack([cycle.weight(mean, i) for i in inside.values()]))


def common(slope: Floats, level: Floats, many: int = 10) -> Floats:
    """The slope [genes, samples] that genes of like level have in common, where they do not move.

    Most genes are taken not to move, but movers may all go one way, so that the median of all genes is off: the
    densest half of the genes (by mean slope) is taken, and from it all that lie near its middle.
    """
    place = np.argsort(np.argsort(level, kind="stable")) * many // max(1, len(level))
    out = np.zeros_like(slope)
    there = np.isfinite(slope).all(axis=0)
    if not there.any():
        return out
    mean = slope[:, there].mean(axis=1)
    for b in np.unique(place):
        mine = np.flatnonzero(place == b)
        still = mine[_still(mean[mine])]
        out[mine] = np.where(there, np.median(slope[still], axis=0), 0.0)
    return out


def _still(values: Floats, rounds: int = 10) -> NDArray[np.bool_]:
    """Which values belong to the densest crowd: the shortest half, widened to all within 2.5 of its spreads."""
    order = np.sort(values)
    half = len(order) // 2 + 1
    start = int(np.argmin(order[half - 1 :] - order[: len(order) - half + 1]))
    kept = (values >= order[start]) & (values <= order[start + half - 1])
    # the shortest half of a normal crowd spans 1.35 standard deviations
    middle, spread = float(np.median(values[kept])), float(np.ptp(values[kept])) / 1.35
    for _ in range(rounds):
        kept = np.abs(values - middle) <= 2.5 * max(spread, 1e-12)
        new = float(np.median(values[kept]))
        spread = min(spread, 1.4826 * float(np.median(np.abs(values[kept] - new))) * 1.06)
        if abs(new - middle) < 1e-9:
            break
        middle = new
    return np.asarray(kept)


def sizes(counts: Any, depth: Floats, time: Floats) -> Floats:
    """Size of every cell: its depth, corrected for what of all counts the changing genes take along the course.

    Cells are pooled by stretches of the course; the size of a pool is the median of its ratios to the others, and the
    correction of a cell lies between those of the pools around it (Lun et al. 2016, doi:10.1186/s13059-016-0947-7, pool
    cells for the same reason).
    """
    pools = int(min(BINS, max(1, len(time) // 50)))
    place = np.minimum(np.argsort(np.argsort(time, kind="stable")) * pools // len(time), pools - 1)
    member = np.eye(pools)[place]
    summed = np.asarray(counts.T @ member)
    correction = np.log(size_factors(summed)) - np.log(summed.sum(axis=0))
    middle = np.array([time[place == b].mean() for b in range(pools)])
    return np.asarray(np.maximum(depth, 1) * np.exp(np.interp(time, middle, correction - correction.mean())))


def told(part: Any, time: Floats, seed: int) -> Floats:
    """Pseudotime [cells] as the principal components of these genes [cells, genes] tell it, by least squares."""
    import scipy.sparse as sp
    from scipy.sparse.linalg import LinearOperator, svds

    n = part.shape[0]
    mean = np.asarray(part.sum(axis=0)).ravel() / n
    variance = np.asarray(part.multiply(part).sum(axis=0)).ravel() / n - mean**2
    best = np.sort(np.argsort(-variance, kind="stable")[:MOST_GENES])
    own, middle = sp.csr_array(part[:, best]), mean[best]
    k = min(COMPONENTS, min(own.shape) - 1)
    if k < 1:
        return np.zeros(n)
    centred = LinearOperator(
        own.shape,
        matvec=lambda v: own @ v.ravel() - middle @ v.ravel(),
        rmatvec=lambda u: own.T @ u.ravel() - middle * u.sum(),
        dtype=np.float64,
    )
    start = np.random.default_rng(seed).standard_normal(min(own.shape))
    u, _, _ = svds(centred, k=k, v0=start)
    basis = np.column_stack([np.ones(n), u])
    weight, *_ = np.linalg.lstsq(basis, time, rcond=None)
    return np.asarray(basis @ weight)


def alone(time: Floats, fixed: Floats) -> Floats:
    """What of the course [cells] the columns of `fixed` [cells, any] do not tell, centred."""
    basis = np.column_stack([np.ones(len(time)), fixed])
    weight, *_ = np.linalg.lstsq(basis, time, rcond=None)
    rest = np.asarray(time - basis @ weight)
    return rest if rest @ rest > 1e-12 else rest + np.nan
