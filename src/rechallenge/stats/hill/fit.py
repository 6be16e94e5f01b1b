"""``fit_hill``: all dose-response curves of a study at once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rechallenge.stats.hill.types import Bounds, DoseMeans, HillFits, Model, Robust

_LN10 = math.log(10.0)


def _flat(name: str, values: ArrayLike, size: int | None, dtype: type) -> NDArray[Any]:
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got {array.ndim} dimensions")
    if size is not None and array.size != size:
        raise ValueError(f"{name} has {array.size} entries where curve has {size}")
    return np.ascontiguousarray(array, dtype=dtype)


def _fixed(model: Model, e0: float | None, einf: float | None) -> tuple[float | None, float | None]:
    if model == "4p":
        pass
    elif model == "3p":
        einf = 0.0 if einf is None else einf
    elif model == "2p":
        einf = 0.0 if einf is None else einf
        e0 = 1.0 if e0 is None else e0
    else:
        raise ValueError(f"model must be '4p', '3p' or '2p', got {model!r}")
    for name, value in (("e0", e0), ("einf", einf)):
        if value is not None and not math.isfinite(value):
            raise ValueError(f"{name} must be finite or None, got {value}")
    if e0 is not None and e0 == einf:
        raise ValueError(f"e0 and einf are both fixed to {e0}: the curve would be flat")
    return e0, einf


def _rows(curve: NDArray[np.int64], n_curves: int | None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row starts per curve and the order that sorts observations by curve (empty when already sorted)."""
    if curve.size and curve.min() < 0:
        raise ValueError("curve numbers start at 0")
    total = int(curve.max()) + 1 if curve.size else 0
    if n_curves is not None:
        if n_curves < total:
            raise ValueError(f"n_curves is {n_curves} but curve numbers reach {total - 1}")
        total = n_curves
    start = np.zeros(total + 1, dtype=np.int64)
    np.cumsum(np.bincount(curve, minlength=total), out=start[1:])
    order = np.empty(0, dtype=np.int64)
    if curve.size and np.any(curve[1:] < curve[:-1]):
        order = np.argsort(curve, kind="stable")
    return start, order


def fit_hill(
    curve: ArrayLike,
    x: ArrayLike,
    y: ArrayLike,
    *,
    replicate: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    model: Model = "4p",
    e0: float | None = None,
    einf: float | None = None,
    bounds: Bounds | None = None,
    robust: Robust | None = None,
    covariance: str = "expected",
    n_curves: int | None = None,
    chunk: int = 50_000,
) -> HillFits:
    """Fit y = Einf + (E0 - Einf) / (1 + (x / EC50) ** h) to many curves by least squares.

    ``curve`` [n]: number of the curve, 0 to N - 1, in any order; a number without observations is typed
    ``NO_DATA``. ``x`` [n]: dose >= 0, any unit; at 0 the response is E0. ``y`` [n]: response. ``replicate`` [n]:
    biological replicate (any integers), used by the interval methods. ``weights`` [n]: inverse variances up to
    a factor.

    ``model``: '4p' (all free unless ``e0`` or ``einf`` is given), '3p' (Einf fixed, default 0), '2p' (E0 and Einf
    fixed, default 1 and 0). ``robust``: 'tukey' or 'huber' M-estimation for wells that went wrong.
    ``covariance``: 'expected' (J'WJ) or 'observed' (the Hessian, as R's drc prints its standard errors).
    ``n_curves``: N, where trailing curves may be empty. ``chunk``: curves worked on at a time.

    Observations whose response or weight is not a number, or whose weight is 0, count as missing. Data that
    cannot be fitted are typed in ``reason``, never raised. Raises ValueError for arrays of unequal length and
    for impossible options.
    """
    from rechallenge.stats.hill.batch import covariance_rows, fit_rows
    from rechallenge.stats.hill.collapse import collapse_rows
    from rechallenge.stats.hill.robust import HUBER, TUKEY, reweight_rows

    bounds = bounds or Bounds()
    e0, einf = _fixed(model, e0, einf)
    if covariance not in ("expected", "observed"):
        raise ValueError(f"covariance must be 'expected' or 'observed', got {covariance!r}")
    if robust not in (None, "huber", "tukey"):
        raise ValueError(f"robust must be None, 'huber' or 'tukey', got {robust!r}")
    if chunk < 1:
        raise ValueError(f"chunk must be at least 1, got {chunk}")
    curves = _flat("curve", curve, None, np.int64)
    doses = _flat("x", x, curves.size, np.float64)
    responses = _flat("y", y, curves.size, np.float64)
    weight = np.empty(0) if weights is None else _flat("weights", weights, curves.size, np.float64)
    labels = np.empty(0, np.int64) if replicate is None else _flat("replicate", replicate, curves.size, np.int64)
    start, order = _rows(curves, n_curves)
    total = start.size - 1
    kind = 2 * (e0 is not None) + (einf is not None)
    box = np.array([*bounds.e0, *bounds.einf], dtype=np.float64)
    margins = np.array(bounds.log10_ec50_margin) * _LN10
    h_limits = np.array(bounds.h, dtype=np.float64)
    n_used, n_missing, n_replicates = (np.zeros(total, np.int64) for _ in range(3))
    tss, pure, w_total = (np.full(total, np.nan) for _ in range(3))
    reason = np.zeros(total, np.uint8)
    out = np.empty((total, 8))
    cov = np.empty((total, 4, 4))
    converged = np.zeros(total, np.bool_)
    at_bound = np.zeros(total, np.uint8)
    parts: list[list[NDArray[Any]]] = []
    free = 4 - (e0 is not None) - (einf is not None)
    final = np.ones(curves.size) if robust and weights is None else weight.copy()
    for first in range(0, total, chunk):
        last = min(first + chunk, total)
        rows = slice(first, last)
        size = int(start[last] - start[first])
        cells = size if replicate is not None else 0
        row_start, cell_start = np.empty(last - first + 1, np.int64), np.empty(last - first + 1, np.int64)
        mx, mw, mm = np.empty(size), np.empty(size), np.empty(size)
        cr, cd = np.empty(cells, np.int32), np.empty(cells, np.int32)
        cw, cm, given = np.empty(cells), np.empty(cells), np.empty(cells, np.int64)
        design = np.empty(last - first, np.int64)
        count, missing, groups = n_used[rows], n_missing[rows], n_replicates[rows]
        collapse_rows(
            first, last, start, order, doses, responses, weight, weights is not None, labels, replicate is not None,
            row_start, mx, mw, mm, cell_start, cr, cd, cw, cm, given,
            count, missing, groups, tss[rows], pure[rows], w_total[rows], reason[rows], design,
        )  # fmt: skip
        fit_rows(
            np.argsort(design, kind="stable"), row_start, mx, mw, mm, tss[rows], pure[rows], count, w_total[rows],
            margins, h_limits, kind, e0 or 0.0, einf or 0.0, box, reason[rows], out[rows], converged[rows],
        )  # fmt: skip
        if robust is not None:
            reweight_rows(
                HUBER if robust == "huber" else TUKEY, first, last, start, order, doses, responses, weight,
                weights is not None, row_start, mx, tss[rows], margins, h_limits, kind, e0 or 0.0, einf or 0.0, box,
                free, reason[rows], out[rows], converged[rows], final,
            )  # fmt: skip
            unused = np.empty((3, last - first))
            collapse_rows(
                first, last, start, order, doses, responses, final, True, labels, replicate is not None,
                row_start, mx, mw, mm, cell_start, cr, cd, cw, cm, given,
                count.copy(), missing.copy(), groups, unused[0], unused[1], unused[2], reason[rows].copy(), design,
            )  # fmt: skip
        covariance_rows(
            row_start, mx, mw, mm, margins, h_limits, kind, box, covariance == "observed", reason[rows], out[rows],
            at_bound[rows], cov[rows],
        )  # fmt: skip
        k, c = int(row_start[-1]), int(cell_start[-1])
        parts.append(
            [np.diff(row_start), mx[:k].copy(), mw[:k].copy(), mm[:k].copy(), np.diff(cell_start)]
            + [a[:c].copy() for a in (cr, cd, cw, cm)]
            + [given[: int(n_replicates[rows].sum())].copy()]
        )
    data = _join(parts, n_replicates)
    log_ec50, variance = out[:, 2], out[:, 5]
    ec50 = np.exp(log_ec50)
    se = np.sqrt(np.maximum(cov[:, range(4), range(4)], 0.0))
    return HillFits(
        model=model, e0_fixed=e0, einf_fixed=einf, bounds=bounds, robust=robust,
        e0=out[:, 0].copy(), einf=out[:, 1].copy(), ec50=ec50, h=out[:, 3].copy(), rss=out[:, 4].copy(),
        s=np.sqrt(variance), n=n_used, n_missing=n_missing, n_doses=np.diff(data.start), n_replicates=n_replicates,
        df=np.maximum(n_used - free, 0), converged=converged, at_bound=at_bound, cov=cov, se=se,
        se_ec50=se[:, 3] * ec50, tss=tss, pure_ss=pure, x_min=out[:, 6].copy(), x_max=out[:, 7].copy(),
        reason=reason, data=data,
    )  # fmt: skip


def _join(parts: list[list[NDArray[Any]]], n_replicates: NDArray[np.int64]) -> DoseMeans:
    dtypes = (np.int64, *(np.float64,) * 3, np.int64, np.int32, np.int32, np.float64, np.float64, np.int64)
    row, x, w, m, cell, cr, cd, cw, cm, given = (
        np.concatenate([part[i] for part in parts]) if parts else np.empty(0, dtype) for i, dtype in enumerate(dtypes)
    )
    return DoseMeans(_starts(row), x, w, m, _starts(cell), cr, cd, cw, cm, _starts(n_replicates), given)


def _starts(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    start = np.zeros(lengths.size + 1, np.int64)
    np.cumsum(lengths, out=start[1:])
    return start
