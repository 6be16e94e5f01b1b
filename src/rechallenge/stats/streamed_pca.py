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


@numba.njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _add_products(indptr: Any, indices: Any, data: Any, out: Any) -> None:
    """Adds the products of the columns of a sparse block to the upper half of `out`; indices of a row are sorted."""
    for i in range(len(indptr) - 1):
        for a in range(indptr[i], indptr[i + 1]):
            row, value = indices[a], float(data[a])
            for b in range(a, indptr[i + 1]):
                out[row, indices[b]] += value * data[b]


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
            rows = block.tocsr()
            rows.sort_indices()
            _add_products(rows.indptr, rows.indices, rows.data, products)
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
