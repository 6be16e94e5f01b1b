"""Columns of sparse blocks put into another order, and sums over them: the work that every reading of counts does."""

from __future__ import annotations

from typing import Any

import numba  # type: ignore[import-untyped,unused-ignore]
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rechallenge.stats.threads import spread

#: rows of one piece of work
_ROWS = 512


def moved(block: sparse.csr_array, to: NDArray[np.int32], width: int) -> sparse.csr_array:
    """The block [rows, columns] with column j at `to[j]` of `width` columns (-1: left out; two of one place: added)."""
    n = block.shape[0]
    if len(to) == width and (to == np.arange(width)).all():
        block.sort_indices()
        return block
    size = np.zeros(n + 1, dtype=np.int64)
    parts = [(i, min(i + _ROWS, n)) for i in range(0, n, _ROWS)]
    spread(_count, ((block.indptr, block.indices, to, width, size, a, b) for a, b in parts))
    at = np.cumsum(size)
    data, indices = np.empty(at[-1], dtype=block.data.dtype), np.empty(at[-1], dtype=np.int32)
    spread(
        _fill,
        ((block.indptr, block.indices, block.data, to, width, at, indices, data, a, b) for a, b in parts),
    )
    out = sparse.csr_array((data, indices, at), shape=(n, width))
    out.has_sorted_indices = True
    return out


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator,unused-ignore]
def _count(indptr: Any, indices: Any, to: Any, width: Any, size: Any, start: Any, stop: Any) -> None:
    last = np.full(width, -1, dtype=np.int64)
    for i in range(start, stop):
        for p in range(indptr[i], indptr[i + 1]):
            j = to[indices[p]]
            if j >= 0 and last[j] != i:
                last[j] = i
                size[i + 1] += 1


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator,unused-ignore]
def _fill(
    indptr: Any, indices: Any, values: Any, to: Any, width: Any, at: Any, out: Any, data: Any, start: Any, stop: Any
) -> None:
    there = np.zeros(width, dtype=np.bool_)
    line = np.zeros(width, dtype=values.dtype)
    for i in range(start, stop):
        for p in range(indptr[i], indptr[i + 1]):
            j = to[indices[p]]
            if j >= 0:
                there[j] = True
                line[j] += values[p]
        place = at[i]
        for j in range(width):
            if there[j]:
                out[place], data[place] = j, line[j]
                there[j], line[j] = False, 0
                place += 1


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator,unused-ignore]
def add_moments(indptr: Any, indices: Any, data: Any, group: Any, total: Any, square: Any, seen: Any) -> None:
    """Adds values, their squares and how many are above 0 of the rows of a block to those of their groups
    [groups, columns]."""
    for i in range(len(indptr) - 1):
        g = group[i]
        for p in range(indptr[i], indptr[i + 1]):
            value = np.float64(data[p])
            total[g, indices[p]] += value
            square[g, indices[p]] += value * value
            seen[g, indices[p]] += value > 0
