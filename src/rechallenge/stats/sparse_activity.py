"""Scores of sets and of signed networks in every row of a sparse matrix, which stays sparse.

`ulm`: t of a univariate linear model of a row on the weights of each source, features that are not among its targets
and values that are not stored counting as 0 (Badia-i-Mompel et al. 2022, doi:10.1093/bioadv/vbac016). `aucell`: the
area under the recovery curve of a set in the upper end of a row's ranking (Aibar et al. 2017, doi:10.1038/nmeth.4463).
AUCell orders equal values at random; here a score is the mean over all their orders, so that it does not depend on the
order of the features nor on a seed.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from rechallenge.stats.networks import Network

Floats = NDArray[np.float64]


def weights(net: Network, n_features: int, smallest: int = 5) -> tuple[Any, list[str]]:
    """Weights [features, sources] of the sources with `smallest` or more targets, as CSR, and their names."""
    import scipy.sparse as sp

    whole = sp.csr_array((net.weight, (net.gene, net.factor)), shape=(n_features, len(net.factors)))
    size = np.bincount(net.factor, minlength=len(net.factors))
    kept = np.flatnonzero(size >= smallest)
    return whole[:, kept].tocsr(), [net.factors[i] for i in kept]


def members(sets: Mapping[str, Sequence[str]], features: Sequence[str], smallest: int = 5) -> tuple[Any, list[str]]:
    """Membership [features, sets] of the sets with `smallest` or more of the features, as CSR, and their names."""
    import scipy.sparse as sp

    at = {f: i for i, f in enumerate(features)}
    rows: list[int] = []
    columns: list[int] = []
    names: list[str] = []
    for name in sorted(sets):
        found = sorted({at[f] for f in sets[name] if f in at})
        if len(found) >= smallest:
            rows += found
            columns += [len(names)] * len(found)
            names.append(name)
    shape = (len(features), len(names))
    return sp.csr_array((np.ones(len(rows)), (np.array(rows, int), np.array(columns, int))), shape=shape), names


def _csr(matrix: Any) -> Any:
    import scipy.sparse as sp

    out = sp.csr_array(matrix)
    if not out.has_canonical_format:
        out = out.copy()
        out.sum_duplicates()
    return out


def ulm(matrix: Any, weight: Any) -> Floats:
    """t values [rows, sources] of ``matrix`` [rows, features] on ``weight`` [features, sources], both sparse.

    With N features and their correlation r with the weights, t = r sqrt((N - 2) / (1 - r^2)). nan for a row or a source
    that does not vary. Raises ValueError where the two do not have the same features.
    """
    x, w = _csr(matrix), _csr(weight)
    if x.shape[1] != w.shape[0]:
        raise ValueError(f"the matrix has {x.shape[1]} features and the weights {w.shape[0]}")
    n = x.shape[1]
    mean = np.asarray(w.sum(axis=0)).ravel() / n
    square = np.asarray(w.multiply(w).sum(axis=0)).ravel() - n * mean**2
    out = np.empty((x.shape[0], w.shape[1]))
    _ulm(x.data.astype(np.float64, copy=False), x.indices, x.indptr, w.data.astype(np.float64, copy=False), w.indices,
         w.indptr, mean, square, n, out)  # fmt: skip
    return out


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _ulm(data, indices, indptr, weight, source, start, mean, square, n, out):
    """Fills ``out`` row by row from sums over stored values alone."""
    many = out.shape[1]
    for i in range(out.shape[0]):
        total = 0.0
        squares = 0.0
        for j in range(many):
            out[i, j] = 0.0
        for p in range(indptr[i], indptr[i + 1]):
            v = data[p]
            total += v
            squares += v * v
            g = indices[p]
            for q in range(start[g], start[g + 1]):
                out[i, source[q]] += v * weight[q]
        spread = squares - total * total / n
        for j in range(many):
            both = spread * square[j]
            if both <= 1e-12 * squares * square[j] or both <= 0:
                out[i, j] = np.nan
                continue
            r = (out[i, j] - total * mean[j]) / np.sqrt(both)
            rest = 1.0 - r * r
            if rest < 1e-12:
                rest = 1e-12
            out[i, j] = r * np.sqrt((n - 2) / rest)


def aucell(matrix: Any, member: Any, share: float = 0.05) -> Floats:
    """Areas [rows, sets] between 0 and 1 of the sets ``member`` [features, sets] in the upper `share` of the ranking of
    each row of ``matrix`` [rows, features] (values not below 0, absent ones 0).

    Raises ValueError for values below 0 and where the two do not have the same features.
    """
    x, m = _csr(matrix), _csr(member)
    if x.shape[1] != m.shape[0]:
        raise ValueError(f"the matrix has {x.shape[1]} features and the sets {m.shape[0]}")
    if x.data.size and x.data.min() < 0:
        raise ValueError("ranks of a sparse matrix need values that are not below 0")
    n = x.shape[1]
    upper = int(np.clip(np.ceil(share * n), 2, n))
    size = np.diff(m.tocsc().indptr)
    best = np.array([np.sum(upper - np.arange(1, min(k, upper - 1) + 1)) for k in size], dtype=float)
    out = np.zeros((x.shape[0], m.shape[1]))
    _aucell(x.data.astype(np.float64, copy=False), x.indices, x.indptr, m.indices, m.indptr, size.astype(float), best,
            upper, n, out)  # fmt: skip
    return out


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _above(upper, first, last):
    """Sum of max(upper - rank, 0) over ranks first to last."""
    last = min(last, upper - 1)
    if last < first:
        return 0.0
    return (last - first + 1) * (2.0 * upper - first - last) / 2.0


@nb.njit(cache=True, nogil=True, error_model="numpy")
def _aucell(data, indices, indptr, sets, start, size, best, upper, n, out):
    many = out.shape[1]
    inside = np.zeros(many)
    for i in range(out.shape[0]):
        positive = 0
        values = np.empty(indptr[i + 1] - indptr[i])
        features = np.empty(values.size, dtype=np.int64)
        for p in range(indptr[i], indptr[i + 1]):
            if data[p] > 0:
                values[positive] = data[p]
                features[positive] = indices[p]
                positive += 1
        values = values[:positive]
        features = features[:positive]
        # what lies below the upper-th largest value never counts, beyond its ties
        if positive > upper:
            least = np.partition(values, positive - upper)[positive - upper]
            keep = values >= least
            values = values[keep]
            features = features[keep]
        order = np.argsort(-values)
        first = 0
        for j in range(many):
            inside[j] = 0.0
        while first < order.size and first < upper:
            last = first
            while last + 1 < order.size and values[order[last + 1]] == values[order[first]]:
                last += 1
            each = _above(upper, first + 1, last + 1) / (last - first + 1)
            for r in range(first, last + 1):
                g = features[order[r]]
                for q in range(start[g], start[g + 1]):
                    out[i, sets[q]] += each
            first = last + 1
        if positive < upper and positive < n:
            # features without a value share the ranks after the others
            for r in range(features.size):
                g = features[r]
                for q in range(start[g], start[g + 1]):
                    inside[sets[q]] += 1.0
            each = _above(upper, positive + 1, n) / (n - positive)
            for j in range(many):
                out[i, j] += each * (size[j] - inside[j])
        for j in range(many):
            out[i, j] = out[i, j] / best[j] if best[j] > 0 else np.nan
