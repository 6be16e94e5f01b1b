"""Tests of weighted feature sets by rotation of the samples (ROAST type).

Features are correlated, so shuffling them says nothing of a set of them. Under a linear model with normal errors the
residuals together with the tested effect may be turned in any direction of their space without a change in
distribution; the correlation between features is kept because all of them are turned alike. For every rotation the
moderated t of each feature and from it the score of each set,

    D_g = sum_m w_gm t_m / ||w_g||,

are computed anew; p = (b + 1) / (B + 1), b of B rotations with a score at least as extreme.

`any_effect` asks the same rotations whether any set changes at all (Simes 1986, doi:10.1093/biomet/73.3.751).

Source: Wu et al. 2010, doi:10.1093/bioinformatics/btq401; Langsrud 2005, doi:10.1007/s11222-005-4789-5.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rechallenge.stats.moderated import prior_of

Floats = NDArray[np.float64]

#: numbers in one block of rotated statistics: bounds the memory, not the result
_BLOCK = 4_000_000
#: scores this close (relative) are equal
_SLACK = 1e-9


@dataclass(frozen=True)
class Projected:
    """What the samples say of one contrast; m features, d residual degrees of freedom.

    ``effects`` [d + 1, m]: the contrast's own direction (row 0) and an orthonormal basis of the residual space.
    ``scale`` turns row 0 into the contrast of the coefficients: effect = scale * effects[0]. ``prior_df`` and
    ``prior_var`` [m] are the prior of the residual variance.
    """

    effects: Floats
    scale: float
    prior_df: float
    prior_var: Floats

    @property
    def df(self) -> int:
        """Residual degrees of freedom."""
        return int(self.effects.shape[0]) - 1

    @property
    def effect(self) -> Floats:
        """[m] the contrast of the coefficients."""
        return np.asarray(self.scale * self.effects[0])

    @property
    def variance(self) -> Floats:
        """[m] posterior residual variance."""
        own = np.sum(self.effects[1:] ** 2, axis=0) / self.df
        return _posterior(own, self.df, self.prior_df, self.prior_var)

    @property
    def se(self) -> Floats:
        """[m] standard error of `effect`."""
        return np.asarray(abs(self.scale) * np.sqrt(self.variance))

    @property
    def statistic(self) -> Floats:
        """[m] moderated t, on `df` + `prior_df` degrees of freedom."""
        return np.asarray(self.effects[0] / np.sqrt(self.variance))


@dataclass(frozen=True)
class Rotated:
    """Scores of g sets: ``score`` [g], one-sided p-values ``p_up`` and ``p_down`` [g], ``n_rotations``."""

    score: Floats
    p_up: Floats
    p_down: Floats
    n_rotations: int

    @property
    def p_value(self) -> Floats:
        """[g] two-sided."""
        return np.asarray(np.minimum(1.0, 2 * np.minimum(self.p_up, self.p_down)))


def project(y: ArrayLike, design: ArrayLike, contrast: ArrayLike) -> Projected:
    """The part of complete data ``y`` [n, m] that a ``contrast`` [p] of the coefficients of ``design`` [n, p] rests on.

    The prior of the variance is estimated from all m features; with fewer than three there is none. Raises ValueError
    for shapes that do not fit, missing values, a contrast that the design does not determine, or no residual degrees
    of freedom.
    """
    values, x, c = (np.asarray(a, np.float64) for a in (y, design, contrast))
    if values.ndim != 2 or x.shape[:1] != values.shape[:1] or c.shape != x.shape[1:]:
        raise ValueError(f"data {values.shape}, design {x.shape} and contrast {c.shape} do not fit together")
    if not np.isfinite(values).all():
        raise ValueError("rotation needs complete data")
    u, size, _ = np.linalg.svd(x, full_matrices=True)
    rank = int(np.sum(size > 1e-10 * size[0])) if size.size else 0
    inverse = np.linalg.pinv(x)
    if np.abs(c @ inverse @ x - c).max() > 1e-8:
        raise ValueError("the design does not determine the contrast")
    d = values.shape[0] - rank
    if d < 1:
        raise ValueError("no residual degrees of freedom")
    direction = c @ inverse  # effect = direction @ y; lies in the column space, at right angles to the nuisance part
    length = float(np.linalg.norm(direction))
    if length < 1e-12:
        raise ValueError("the contrast is empty")
    effects = np.vstack([direction[None, :] / length, u[:, rank:].T]) @ values
    own = np.sum(effects[1:] ** 2, axis=0) / d
    if np.sum(own > 0) < 3:
        return Projected(effects, length, 0.0, own)
    prior = prior_of(own, np.full(own.shape, float(d)))
    return Projected(effects, length, prior.df, prior.var)


def rotate(data: Projected, weights: ArrayLike, *, n_rotations: int = 9999, seed: int = 0) -> Rotated:
    """Scores of sets with ``weights`` [g, m] and their p-values by rotation of all samples together.

    A row of zeros has score and p-values nan. The same seed gives the same p-values whatever other sets are tested.
    """
    w, empty = _unit_rows(weights)
    observed = data.statistic @ w
    above, below = np.zeros(w.shape[1], np.int64), np.zeros(w.shape[1], np.int64)
    slack = _SLACK * np.maximum(1.0, np.abs(observed))
    for scores in _turned(data, w, n_rotations, seed):
        above += (scores >= observed - slack).sum(axis=0)
        below += (scores <= observed + slack).sum(axis=0)
    p_up, p_down = (np.where(empty, np.nan, (b + 1) / (n_rotations + 1)) for b in (above, below))
    return Rotated(np.where(empty, np.nan, observed), p_up, p_down, n_rotations)


def any_effect(data: Projected, weights: ArrayLike, *, n_rotations: int = 9999, seed: int = 0) -> float:
    """p-value of "none of the sets has an effect", all sets turned together; nan where every set is empty.

    The statistic is that of Simes, the smallest q-value of Benjamini and Hochberg over the sets. Each rotation has its
    own, from the ranks of its scores among all rotations and the data; the data take part as one of them, so the test
    is exact whatever the correlation between the sets. Benjamini and Hochberg at 0.1 alone find something in up to
    10 % of data without any effect.
    """
    w, empty = _unit_rows(weights)
    w = w[:, ~empty]
    if not w.size:
        return float("nan")
    scores = np.vstack([(data.statistic @ w)[None, :], *_turned(data, w, n_rotations, seed)])
    total, g = scores.shape
    rank = np.empty(scores.shape, np.int32)
    np.put_along_axis(
        rank, np.argsort(scores, axis=0, kind="stable"), np.arange(1, total + 1, dtype=np.int32)[:, None], 0
    )
    beyond = np.minimum(rank, total + 1 - rank)  # scores at least as far out, on the nearer side
    beyond[:, np.ptp(scores, axis=0) <= _SLACK] = total  # constant features: every turn says the same
    beyond.sort(axis=1)
    smallest = (np.minimum(1.0, 2 * beyond / total) * (g / np.arange(1, g + 1))).min(axis=1)
    # ranks are coarse: where two turns have one smallest q, the one with the smaller p-values in all goes first
    smallest += 1e-9 * np.log(beyond).mean(axis=1)
    return float(np.mean(smallest <= smallest[0]))


def _unit_rows(weights: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    """Weights [m, g] with columns of length 1, and which sets [g] are empty."""
    w = np.atleast_2d(np.asarray(weights, np.float64))
    length = np.linalg.norm(w, axis=1)
    empty = length == 0
    return np.asarray((w / np.where(empty, 1.0, length)[:, None]).T), empty


def _turned(data: Projected, w: Floats, n_rotations: int, seed: int) -> Iterator[Floats]:
    """Scores of the sets (columns of ``w``) in blocks of rotations."""
    total = np.sum(data.effects**2, axis=0)
    rng = np.random.default_rng(seed)
    block = max(1, _BLOCK // max(1, w.shape[0] + w.shape[1]))
    for start in range(0, n_rotations, block):
        turn = rng.standard_normal((min(block, n_rotations - start), data.df + 1))
        turn /= np.linalg.norm(turn, axis=1, keepdims=True)
        turned = turn @ data.effects
        own = np.maximum(total - turned**2, 0.0) / data.df
        turned /= np.sqrt(_posterior(own, data.df, data.prior_df, data.prior_var))
        yield turned @ w


def _posterior(own: Floats, df: int, prior_df: float, prior_var: Floats) -> Floats:
    """Posterior of residual variances [..., m]; a feature that is constant keeps the smallest positive number."""
    if np.isinf(prior_df):
        out = np.broadcast_to(prior_var, own.shape).astype(np.float64)
    elif prior_df == 0:
        out = own
    else:
        out = (prior_df * prior_var + df * own) / (prior_df + df)
    return np.maximum(out, np.finfo(np.float64).tiny)
