"""Counts at one depth, and a score of how much a row holds that does not rest on how deeply it was counted.

`downsampled` draws the same number of counts from every row without replacement. `diversity` scores rows by the
features that go with the number of features detected (the idea of CytoTRACE, Gulati et al. 2020,
doi:10.1126/science.aax0249): their mean, smoothed over neighbouring rows, as a rank from 0 to 1.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def downsampled(counts: Any, total: int, seed: int = 0) -> Any:
    """``counts`` [rows, features] (sparse, whole numbers) with exactly `total` counts a row, drawn without replacement.

    Raises ValueError where a row has fewer than that, or a value is not a whole number.
    """
    import scipy.sparse as sp

    x = sp.csr_array(counts)
    values = np.rint(x.data).astype(np.int64)
    if x.data.size and (np.abs(x.data - values).max() > 1e-6 or values.min() < 0):
        raise ValueError("only whole counts can be drawn from")
    sums = np.add.reduceat(np.r_[values, 0], x.indptr[:-1]) * (np.diff(x.indptr) > 0)
    if (sums < total).any():
        raise ValueError(f"{int((sums < total).sum())} rows have fewer than {total} counts")
    drawn = np.empty_like(values)
    _draw(values, x.indptr.astype(np.int64), sums.astype(np.int64), total, np.random.default_rng(seed), drawn)
    out = sp.csr_array((drawn.astype(np.float32), x.indices.copy(), x.indptr.copy()), shape=x.shape)
    out.eliminate_zeros()
    return out


@nb.njit(cache=True, nogil=True)
def _draw(values, indptr, sums, total, rng, out):
    """Selection sampling: each count is taken with the chance (still wanted) / (still there)."""
    for i in range(indptr.size - 1):
        wanted, there = total, sums[i]
        for p in range(indptr[i], indptr[i + 1]):
            taken = 0
            for _ in range(values[p]):
                if rng.random() * there < wanted:
                    taken += 1
                    wanted -= 1
                there -= 1
            out[p] = taken


def diversity(counts: Any, neighbours: Any = None, *, top: int = 200, steps: int = 5) -> Floats:
    """Rank between 0 and 1 of every row of ``counts`` [rows, features]: high where many features are detected.

    Rows are put on log(1 + 10,000 share); the `top` features that correlate best with the number of features detected
    are averaged; ``neighbours`` [rows, rows] (not negative) smooths that `steps` times by half. nan with fewer than
    three rows or where all rows detect the same number.
    """
    import scipy.sparse as sp
    from scipy.stats import rankdata

    x = sp.csr_array(counts)
    n = x.shape[0]
    if n < 3:
        return np.full(n, np.nan)
    detected = np.diff(x.indptr).astype(float)
    total = np.asarray(x.sum(axis=1)).ravel()
    logged = sp.csr_array(
        (
            np.log1p(1e4 * x.data.astype(float) / np.repeat(np.maximum(total, 1), np.diff(x.indptr))),
            x.indices,
            x.indptr,
        ),
        shape=x.shape,
    )
    mean = np.asarray(logged.sum(axis=0)).ravel() / n
    sd = np.sqrt(np.maximum(np.asarray(logged.multiply(logged).sum(axis=0)).ravel() / n - mean**2, 0))
    spread = detected.std()
    if spread == 0:
        return np.full(n, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        r = (np.asarray(logged.T @ detected).ravel() / n - mean * detected.mean()) / (sd * spread)
    r = np.where(sd > 1e-9, r, -np.inf)
    best = np.sort(np.lexsort((np.arange(r.size), -np.round(r, 12)))[:top])
    score = np.asarray(logged[:, best].sum(axis=1)).ravel() / len(best)
    if neighbours is not None:
        link = sp.csr_array(neighbours)
        sums = np.asarray(link.sum(axis=1)).ravel()
        for _ in range(steps):
            near = np.asarray(link @ score).ravel()
            score = np.where(sums > 0, 0.5 * score + 0.5 * near / np.where(sums > 0, sums, 1), score)
    return np.asarray((rankdata(score) - 1) / (n - 1))
