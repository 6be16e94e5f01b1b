"""Compositions (parts of a whole) and a test of whether two groups differ in theirs.

Parts that add to 1 are not free to vary on their own, so they are compared as centred log ratios (Aitchison 1982,
doi:10.1111/j.2517-6161.1982.tb01195.x). Zeros are replaced multiplicatively (Martin-Fernandez et al. 2003,
doi:10.1023/A:1023866030544). The test of all parts at once rotates the data (Langsrud 2005,
doi:10.1007/s11222-005-4789-5): it holds its level for normal log ratios of any covariance with few samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def closed(parts: ArrayLike) -> Floats:
    """Rows of ``parts`` [n, d] divided by their sums; a row whose sum is not above 0 is nan."""
    x = np.asarray(parts, np.float64)
    total = x.sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(x, total, out=np.full(x.shape, np.nan), where=total > 0))


def replaced(parts: ArrayLike, smallest: float) -> Floats:
    """Compositions [n, d] in which parts below ``smallest`` are that, the others shrunk so that rows add to 1."""
    x = closed(parts)
    low = x < smallest
    return np.where(low, smallest, x * (1 - smallest * low.sum(axis=-1, keepdims=True))
                    / np.where(low, 0, x).sum(axis=-1, keepdims=True))  # fmt: skip


def clr(parts: ArrayLike) -> Floats:
    """Centred log ratios [n, d] of compositions without zeros."""
    logs = np.log(np.asarray(parts, np.float64))
    return np.asarray(logs - logs.mean(axis=-1, keepdims=True))


@dataclass(frozen=True)
class Rotation:
    """Rotation test: `statistic` (between to within mean square over all columns), `p_value`, residual `df`."""

    statistic: float
    p_value: float
    df: int


def rotation_test(
    y: ArrayLike, effect: ArrayLike, nuisance: ArrayLike, *, n_rotations: int = 9999, seed: int | list[int] = 0
) -> Rotation:
    """Does the column ``effect`` [n] of a design change any column of ``y`` [n, d], given ``nuisance`` [n, k]?

    p is (b + 1) / (m + 1). nan where no residual degree of freedom is left or the effect lies in the nuisance. Raises
    ValueError for shapes that do not fit.
    """
    values, x = np.atleast_2d(np.asarray(y, np.float64)), np.asarray(effect, np.float64)
    rest = np.asarray(nuisance, np.float64).reshape(len(values), -1)
    if x.shape != (len(values),):
        raise ValueError(f"the effect has shape {x.shape} for {len(values)} samples")
    u, s, _ = np.linalg.svd(rest, full_matrices=True)
    rank = int((s > s.max(initial=0.0) * 1e-10).sum()) if s.size else 0
    free = u[:, rank:]
    along = free.T @ x
    size, df = float(np.linalg.norm(along)), free.shape[1] - 1
    z = free.T @ values
    total = float((z**2).sum())
    if df < 1 or size < 1e-10 or total <= 0:
        return Rotation(float("nan"), float("nan"), max(df, 0))
    between = float(((along / size) @ z) @ ((along / size) @ z))
    directions = np.random.default_rng(seed).standard_normal((n_rotations, free.shape[1]))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    drawn = ((directions @ z) ** 2).sum(axis=1)
    # the statistic rises with the between part alone, as the total does not change under rotation
    more = int((drawn >= between * (1 - 1e-12)).sum())
    within = max(total - between, 0.0) / df
    return Rotation(between / within if within > 0 else float("inf"), (more + 1) / (n_rotations + 1), df)
