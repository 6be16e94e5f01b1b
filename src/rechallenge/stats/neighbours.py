"""Graphs of nearest neighbours of points: who is near whom, communities, and diffusion along the graph.

Neighbours are exact up to `EXACT` points and approximate above (`near_descent`). Weights of links are those of UMAP
(McInnes et al. 2018, arXiv:1802.03426), communities are Leiden's (Traag et al. 2019, doi:10.1038/s41598-019-41695-z),
diffusion distances those of Haghverdi et al. 2016 (doi:10.1038/nmeth.3971).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: up to so many points all distances are looked at
EXACT = 20_000
#: eigenvalues nearer to 1 than this belong to parts of a graph without a link
_ONE = 1e-8
#: points whose weights are computed at a time
_BLOCK = 65_536


@dataclass(frozen=True)
class Near:
    """The k nearest points of each point, itself first: `index` [n, k], `distance` [n, k]."""

    index: NDArray[np.int32]
    distance: NDArray[np.float32]


def quietly(name: str) -> Any:
    """A library that warns of what it could also use when it is imported."""
    import importlib

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


def nearest(points: NDArray[Any], k: int, seed: int = 0) -> Near:
    """The k nearest of each of the points [n, d], itself included (k is at most n). Deterministic."""
    x = np.ascontiguousarray(points, dtype=np.float32)
    k = min(k, len(x))
    if len(x) <= EXACT:
        index, distance = _exact(x, x, k)
    else:
        from rechallenge.stats import near_descent

        index, distance = near_descent.nearest(x, k, seed)
    return _self_first(np.asarray(index, dtype=np.int32), np.asarray(distance, dtype=np.float32))


def _exact(x: NDArray[np.float32], of: NDArray[np.float32], k: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Nearest rows of x for each row of `of`, a block of rows at a time; equal distances by the lower number."""
    index = np.empty((len(of), k), dtype=np.int32)
    distance = np.empty((len(of), k), dtype=np.float32)
    x64 = x.astype(np.float64)
    norm = (x64**2).sum(axis=1)
    step = max(int(2**24 // max(len(x), 1)), 1)
    for start in range(0, len(of), step):
        own = of[start : start + step].astype(np.float64)
        square = (own**2).sum(axis=1)[:, None] + norm - 2 * own @ x64.T
        some = (
            np.argpartition(square, k - 1, axis=1)[:, :k] if k < len(x) else np.tile(np.arange(len(x)), (len(own), 1))
        )
        some = np.sort(some, axis=1)
        # from differences: the product form loses the digits of small distances
        exact = np.sqrt(((x64[some] - own[:, None, :]) ** 2).sum(axis=2))
        order = np.argsort(exact, axis=1, kind="stable")
        index[start : start + step] = np.take_along_axis(some, order, axis=1)
        distance[start : start + step] = np.take_along_axis(exact, order, axis=1)
    return index, distance


def nearest_of(points: NDArray[Any], others: NDArray[Any], k: int) -> Near:
    """The k nearest of `points` for each of `others`, exactly."""
    x = np.ascontiguousarray(points, dtype=np.float32)
    return Near(*_exact(x, np.ascontiguousarray(others, dtype=np.float32), min(k, len(x))))


def _self_first(index: NDArray[np.int32], distance: NDArray[np.float32]) -> Near:
    """Copies of a point may come before it: it is put first again."""
    own = np.arange(len(index), dtype=np.int32)
    moved = np.flatnonzero(index[:, 0] != own)
    for i in moved:
        at = np.flatnonzero(index[i] == i)
        last = int(at[0]) if len(at) else index.shape[1] - 1
        index[i, 1 : last + 1] = index[i, :last]
        distance[i, 1 : last + 1] = distance[i, :last]
        index[i, 0], distance[i, 0] = i, 0.0
    return Near(index, distance)


def weights(near: Near, rounds: int = 64) -> sparse.csr_array:
    """Symmetric weights of links between 0 and 1, as UMAP has them [n, n].

    A link falls off with the distance beyond the nearest neighbour at a rate at which the weights of each point add up
    to log2(k); the two directions of a link are joined as probabilities, a + b - ab.
    """
    n, k = near.index.shape
    middle = float(near.distance.mean(dtype=np.float64)) or 1.0
    value = np.empty((n, k), dtype=np.float64)
    for start in range(0, n, _BLOCK):
        some = slice(start, start + _BLOCK)
        value[some] = _falling(near.distance[some].astype(np.float64), middle, rounds)
    value[near.index == np.arange(n, dtype=near.index.dtype)[:, None]] = 0.0
    one = sparse.csr_array((value.ravel(), near.index.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    other = sparse.csr_array(one.T)
    one.sort_indices()
    out = sparse.csr_array(one + other - one.multiply(other))
    out.eliminate_zeros()
    out.sort_indices()
    return out


def _falling(distance: Floats, middle: float, rounds: int) -> Floats:
    """Weight of each link [some, k] from its distance; `middle` is the mean distance of all."""
    rho = np.where(distance > 0, distance, np.inf).min(axis=1)
    rho = np.where(np.isfinite(rho), rho, 0.0)
    beyond = np.maximum(distance - rho[:, None], 0.0)
    low, high, sigma = (np.full(len(distance), v) for v in (0.0, np.inf, 1.0))
    for _ in range(rounds):
        total = np.exp(-beyond[:, 1:] / sigma[:, None]).sum(axis=1)
        much = total > np.log2(distance.shape[1])
        high, low = np.where(much, sigma, high), np.where(much, low, sigma)
        with np.errstate(invalid="ignore"):
            sigma = np.where(np.isfinite(high), (low + high) / 2, 2 * sigma)
    least = 1e-3 * np.where(rho > 0, distance.mean(axis=1), middle)
    sigma = np.maximum(sigma, np.where(least > 0, least, 1.0))
    return np.asarray(np.exp(-beyond / sigma[:, None]))


def communities(graph: sparse.csr_array, resolution: float = 1.0, seed: int = 0, trials: int = 1) -> Ints:
    """Leiden communities [n] by modularity, numbered by size from 0 (ties by the first member)."""
    from graspologic_native import leiden_csr

    n = graph.shape[0]
    if graph.nnz == 0:
        return np.arange(n, dtype=np.int64)
    _, found = leiden_csr(
        graph.indptr.astype(np.int64), graph.indices.astype(np.int32), graph.data.astype(np.float64), n,
        resolution=resolution, seed=seed, trials=trials, iterations=2,
    )  # fmt: skip
    raw = np.array([found.get(i, -1 - i) for i in range(n)], dtype=np.int64)
    labels, first, code, size = np.unique(raw, return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(labels), dtype=np.int64)
    rank[np.lexsort((first, -size))] = np.arange(len(labels))
    return np.asarray(rank[code])


def pieces(graph: sparse.csr_array) -> Ints:
    """Number of the connected part of each point."""
    from scipy.sparse.csgraph import connected_components

    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


@dataclass(frozen=True)
class Diffusion:
    """Eigenvalues [k] (from the second) and eigenvectors [n, k] of the walk on a connected graph."""

    values: Floats
    vectors: Floats

    def distances(self, root: int) -> Floats:
        """Diffusion pseudotime of every point from the root [n]."""
        scale = self.values / (1 - self.values)
        return np.asarray(np.sqrt((((self.vectors - self.vectors[root]) * scale) ** 2).sum(axis=1)))


def diffusion(graph: sparse.csr_array, k: int = 10) -> Diffusion:
    """Diffusion components of a connected graph of symmetric weights, freed of how densely points lie.

    The walk is symmetrised, so eigenvectors are those of the symmetric form, as in scanpy's `dpt`. Raises ValueError
    for a graph of fewer than three points.
    """
    from scipy.sparse.linalg import eigsh

    n = graph.shape[0]
    if n < 3:
        raise ValueError("a graph of fewer than three points has no diffusion components")
    q = np.asarray(graph.sum(axis=0), dtype=np.float64).ravel()
    by = sparse.diags_array(1 / np.where(q > 0, q, 1))
    kernel = by @ graph.astype(np.float64) @ by
    z = np.sqrt(np.asarray(kernel.sum(axis=0)).ravel())
    by = sparse.diags_array(1 / np.where(z > 0, z, 1))
    walk = sparse.csr_array(by @ kernel @ by)
    k = min(k, n - 2)
    if n <= 500:
        values, vectors = np.linalg.eigh(walk.toarray())
    else:
        # a start that is the same on every machine
        start = np.random.default_rng(0).normal(size=n)
        values, vectors = eigsh(walk, k=k + 1, which="LM", v0=start, ncv=min(n, max(4 * (k + 1), 40)))
    order = np.argsort(-values, kind="stable")
    values, vectors = values[order][: k + 1], vectors[:, order][:, : k + 1]
    inner = slice(1, None)
    values, vectors = np.minimum(values[inner], 1 - _ONE), vectors[:, inner]
    keep = values > 0
    return Diffusion(values[keep], vectors[:, keep])
