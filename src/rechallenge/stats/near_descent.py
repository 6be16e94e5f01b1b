"""Nearest neighbours of very many points: a forest of random projections, then neighbours of neighbours.

Points that lie in one leaf of a tree are compared with each other (Dasgupta and Freund 2008,
doi:10.1145/1374376.1374452); then the neighbours of every point's neighbours, and of the points whose neighbour it is,
are looked at until few are nearer (Dong et al. 2011, doi:10.1145/1963405.1963487). Each round reads the lists of the
round before and writes each point's own, and every leaf its own points', so that the result is the same on any number
of threads. Memory grows with the number of points alone.
"""

from __future__ import annotations

from typing import Any

import numba  # type: ignore[import-untyped,unused-ignore]
import numpy as np
from numpy.typing import NDArray

from rechallenge.stats.threads import spread

#: trees; points of a leaf at most; rounds at most; points whose neighbour it is that a point keeps; share of links that
#: a round has to change for another one
TREES, LEAF, ROUNDS, BACK, FEW = 10, 64, 8, 12, 0.002
#: points that one piece of work holds
BLOCK = 4096


def nearest(points: NDArray[np.float32], k: int, seed: int = 0) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Numbers and distances [n, k] of the k nearest of each of the points [n, d] (n > k), itself first."""
    n = len(points)
    width = -(-points.shape[1] // 4) * 4
    x = np.zeros((n, width), dtype=np.float32)
    x[:, : points.shape[1]] = points
    orders = np.empty((TREES, n), dtype=np.int32)
    bounds = _bounds(n)
    spread(_tree, ((x, orders[t], bounds, np.uint64(seed * 1_000_003 + t + 1)) for t in range(TREES)))
    # near points lie near in memory from here on
    place = orders[0].copy()
    x = x[place]
    back = np.empty(n, dtype=np.int32)
    back[place] = np.arange(n, dtype=np.int32)
    index = np.full((n, k - 1), -1, dtype=np.int32)
    square = np.full((n, k - 1), np.inf, dtype=np.float32)
    leaves = _leaves(bounds)
    for order in orders:
        own = back[order]
        pieces = np.array_split(np.arange(len(leaves) - 1), max(n // BLOCK, 1))
        spread(_within, ((x, own, leaves, p[0], p[-1] + 1, index, square) for p in pieces if len(p)))
    del orders
    new = np.ones((n, k - 1), dtype=np.bool_)
    for _ in range(ROUNDS):
        old, was = index.copy(), new
        sources, flags, counts = _turned(old, was, BACK)
        new = np.zeros_like(was)
        changed = np.zeros(-(-n // BLOCK), dtype=np.int64)
        spread(
            _round,
            (
                (x, old, was, sources, flags, counts, index, square, new, i * BLOCK, min((i + 1) * BLOCK, n), changed)
                for i in range(len(changed))
            ),
        )
        if changed.sum() < FEW * n * k:
            break
    out = np.empty((n, k), dtype=np.int32)
    distance = np.zeros((n, k), dtype=np.float32)
    out[:, 0] = np.arange(n)
    out[place, 1:] = np.where(index >= 0, place[index], place[:, None])
    distance[place, 1:] = np.sqrt(square)
    return out, distance


def _bounds(n: int) -> NDArray[np.int64]:
    """Ends of all parts that halving makes, a row for each: start, stop; parts come after those that they are of."""
    rows = [(0, n)]
    at = 0
    while at < len(rows):
        start, stop = rows[at]
        if stop - start > LEAF:
            middle = start + (stop - start) // 2
            rows += [(start, middle), (middle, stop)]
        at += 1
    return np.array(rows, dtype=np.int64)


def _leaves(bounds: NDArray[np.int64]) -> NDArray[np.int64]:
    """Starts of the leaves in order, and the end of the last."""
    small = bounds[bounds[:, 1] - bounds[:, 0] <= LEAF]
    return np.append(np.sort(small[:, 0]), small[:, 1].max())


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator,unused-ignore]
def _tree(x: Any, order: Any, bounds: Any, seed: Any) -> None:
    """Puts points into the order of the leaves: parts are halved at the median between two of their points."""
    n, d = x.shape
    for i in range(n):
        order[i] = i
    state = seed * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x632BE59BD9B4E019)
    along = np.empty(n, dtype=np.float32)
    moved = np.empty(n, dtype=np.int32)
    line = np.empty(d, dtype=np.float32)
    for r in range(len(bounds)):
        start, stop = bounds[r]
        size = stop - start
        if size <= LEAF:
            continue
        picked = np.empty(2, dtype=np.int64)
        for j in range(2):
            state ^= state << np.uint64(13)
            state ^= state >> np.uint64(7)
            state ^= state << np.uint64(17)
            picked[j] = start + np.int64((state >> np.uint64(11)) % np.uint64(size))
        if picked[0] == picked[1]:
            picked[1] = start + (picked[0] - start + 1) % size
        a, b = order[picked[0]], order[picked[1]]
        for j in range(d):
            line[j] = x[a, j] - x[b, j]
        for i in range(size):
            p = order[start + i]
            total = np.float32(0)
            for j in range(d):
                total += x[p, j] * line[j]
            along[i] = total
        half = size // 2
        edge = np.partition(along[:size], half)[half]
        below = 0
        for i in range(size):
            if along[i] < edge:
                below += 1
        ties = half - below
        left, right = 0, half
        for i in range(size):
            p = order[start + i]
            if along[i] < edge:
                moved[left] = p
                left += 1
            elif along[i] == edge and ties > 0:
                moved[left] = p
                left += 1
                ties -= 1
            else:
                moved[right] = p
                right += 1
        for i in range(size):
            order[start + i] = moved[i]


@numba.njit(cache=True, nogil=True, inline="always")  # type: ignore[untyped-decorator,unused-ignore]
def _square(x: Any, a: Any, b: Any) -> Any:
    # four sums, so that the processor need not wait for each
    s0 = s1 = s2 = s3 = np.float32(0)
    for j in range(0, x.shape[1], 4):
        d0, d1, d2, d3 = (x[a, j] - x[b, j], x[a, j + 1] - x[b, j + 1], x[a, j + 2] - x[b, j + 2],
                          x[a, j + 3] - x[b, j + 3])  # fmt: skip
        s0 += d0 * d0
        s1 += d1 * d1
        s2 += d2 * d2
        s3 += d3 * d3
    return (s0 + s1) + (s2 + s3)


@numba.njit(cache=True, nogil=True, inline="always")  # type: ignore[untyped-decorator,unused-ignore]
def _put(index: Any, square: Any, i: Any, j: Any, value: Any) -> Any:
    """Takes j into the sorted list of i if it is near enough and not there; its place, else -1."""
    k = index.shape[1]
    if value >= square[i, k - 1]:
        return -1
    for m in range(k):
        if index[i, m] == j:
            return -1
    m = k - 1
    while m > 0 and square[i, m - 1] > value:
        square[i, m] = square[i, m - 1]
        index[i, m] = index[i, m - 1]
        m -= 1
    square[i, m] = value
    index[i, m] = j
    return m


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator,unused-ignore]
def _within(x: Any, order: Any, leaves: Any, first: Any, last: Any, index: Any, square: Any) -> None:
    """Compares all pairs of points of each leaf."""
    for leaf in range(first, last):
        for a in range(leaves[leaf], leaves[leaf + 1]):
            i = order[a]
            for b in range(a + 1, leaves[leaf + 1]):
                j = order[b]
                value = _square(x, i, j)
                _put(index, square, i, j, value)
                _put(index, square, j, i, value)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator,unused-ignore]
def _turned(index: Any, new: Any, most: Any) -> Any:
    """Of each point the first `most` points whose neighbour it is [n, most], whether the link is new, how many."""
    n, k = index.shape
    sources = np.empty((n, most), dtype=np.int32)
    flags = np.empty((n, most), dtype=np.bool_)
    counts = np.zeros(n, dtype=np.int32)
    for m in range(k):  # the nearest links first
        for i in range(n):
            j = index[i, m]
            if j >= 0 and counts[j] < most:
                sources[j, counts[j]] = i
                flags[j, counts[j]] = new[i, m]
                counts[j] += 1
    return sources, flags, counts


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator,unused-ignore]
def _round(
    x: Any, old: Any, was: Any, sources: Any, flags: Any, counts: Any, index: Any, square: Any, new: Any, start: Any,
    stop: Any, changed: Any,
) -> None:  # fmt: skip
    """Looks at neighbours of neighbours of the points from start to stop; links looked at before are passed over."""
    k = old.shape[1]
    for i in range(start, stop):
        for g in range(k + counts[i]):
            j = old[i, g] if g < k else sources[i, g - k]
            if j < 0:
                continue
            fresh = was[i, g] if g < k else flags[i, g - k]
            if g >= k:
                value = _square(x, i, j)
                _put(index, square, i, j, value)
            for m in range(k + counts[j]):
                other = old[j, m] if m < k else sources[j, m - k]
                if other < 0 or other == i or not (fresh or (was[j, m] if m < k else flags[j, m - k])):
                    continue
                _put(index, square, i, other, _square(x, i, other))
        for m in range(k):
            found = index[i, m]
            known = False
            for p in range(k):
                if old[i, p] == found:
                    known = True
                    break
            if not known:
                new[i, m] = True
                changed[start // BLOCK] += 1
