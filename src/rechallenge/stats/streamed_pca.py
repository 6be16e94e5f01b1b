"""Exact principal components of a matrix that is only ever seen a few rows at a time.

The products of its columns are added up row block by row block, and their eigenvectors are the axes: the same
components as a singular value decomposition of the centred whole, in memory that depends on the number of columns
alone. Two passes: one for the products, one for the scores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numba  # type: ignore[import-untyped,unused-ignore]
import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse
from scipy.sparse.linalg import eigsh

from rechallenge.stats.threads import spread

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Components:
    """`scores` [n, k], `axes` [k, columns], `variance` [k], `total` variance of all columns, `mean` [columns]."""

    scores: Floats
    axes: Floats
    variance: Floats
    total: float
    mean: Floats

    @property
    def share(self) -> Floats:
        """Share of the variance of each component."""
        return np.asarray(self.variance / max(self.total, 1e-300))


#: columns are dealt out to so many pieces of work
_PIECES = 64


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator,unused-ignore]
def _add_products(
    indptr: Any, indices: Any, data: Any, begins: Any, rows: Any, places: Any, first: Any, step: Any, out: Any
) -> None:
    """Adds the products of every `step`-th column from `first` with itself and the later ones to the upper half of
    `out`.

    The block is given by row (`indptr`, `indices` sorted within a row, `data`) and by column (`begins`, `rows`, and
    the `places` of its values among `data`).
    """
    for a in range(first, out.shape[0], step):
        line = out[a]  # stays in the fastest memory while all rows that have the column are gone through
        for p in range(begins[a], begins[a + 1]):
            value = data[places[p]]
            for b in range(places[p], indptr[rows[p] + 1]):
                line[indices[b]] += value * data[b]


def _products(block: Any, out: Floats) -> None:
    rows = block.tocsr()
    rows.sort_indices()
    place = sparse.csr_array((np.arange(rows.nnz, dtype=np.int64), rows.indices, rows.indptr), shape=rows.shape).tocsc()
    data = rows.data.astype(np.float64)
    spread(
        _add_products,
        (
            (rows.indptr, rows.indices, data, place.indptr, place.indices, place.data, first, _PIECES, out)
            for first in range(_PIECES)
        ),
    )


def components(blocks: Callable[[], Iterable[Any]], k: int) -> Components:
    """The first k components of the rows that `blocks()` gives, block by block (dense or sparse [rows, columns]).

    `blocks` is called twice and has to give the same rows both times. Signs: the largest weight of each axis is
    positive. At most min(rows - 1, columns) components. Raises ValueError for fewer than two rows.
    """
    products: Floats | None = None
    total = np.zeros(0)
    n = 0
    for block in blocks():
        if products is None:
            products = np.zeros((block.shape[1], block.shape[1]))
            total = np.zeros(block.shape[1])
        n += block.shape[0]
        total += np.asarray(block.sum(axis=0), dtype=np.float64).ravel()
        if sparse.issparse(block):
            _products(block, products)
        else:
            products += np.triu(block.T @ block)
    if products is None or n < 2:
        raise ValueError(f"principal components need two rows, got {n}")
    products += np.triu(products, 1).T
    mean = total / n
    covariance = (products - n * np.outer(mean, mean)) / (n - 1)
    width = len(mean)
    k = max(min(k, n - 1, width), 1)
    if k < width // 10:
        start = np.random.default_rng(0).normal(size=width)  # the same on every machine
        values, vectors = eigsh(covariance, k=k, v0=start)
        order = np.argsort(values)
        values, vectors = values[order], vectors[:, order]
    else:
        values, vectors = linalg.eigh(covariance, subset_by_index=(width - k, width - 1))
    values, axes = np.maximum(values[::-1], 0.0), vectors[:, ::-1].T
    sign = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    axes = axes * np.where(sign == 0, 1.0, sign)[:, None]
    scores = np.concatenate([np.asarray(b @ axes.T, dtype=np.float64) for b in blocks()]) - mean @ axes.T
    return Components(scores, axes, values, float(np.trace(covariance)), mean)
