"""Fit every curve of a chunk: start grid per dose design, descent, covariance. Compiled."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

import math

import numba as nb
import numpy as np

from rechallenge.stats.hill.engine import (
    BIT_E0,
    BIT_EC50,
    BIT_EINF,
    BIT_H,
    FREE_BOTH,
    FREE_E0,
    FREE_EINF,
    FREE_NONE,
    LOG_ZERO,
    MAX_ITERATIONS,
    invert_information,
    jacobian_row,
)
from rechallenge.stats.hill.grid import (
    MAX_NODES_EC50,
    MAX_STARTS,
    NODES_H,
    build_table,
    ec50_nodes,
    node_rss,
    search,
    weight_sums,
)

# Codes of types.Reason, as plain integers for compiled code.
_NONE, _TOO_FEW_DOSES, _TOO_FEW_OBSERVATIONS, _IDENTICAL, _SINGULAR = 0, 4, 5, 6, 7
SINGULAR_PIVOT = 1e-11


@nb.njit(cache=True, error_model="numpy")
def log_doses(x, out):
    """Natural log of ascending doses, dose 0 as ``LOG_ZERO``."""
    for k in range(x.size):
        out[k] = math.log(x[k]) if x[k] > 0.0 else LOG_ZERO


@nb.njit(cache=True, error_model="numpy")
def active_rows(at_bound, e0_free, einf_free, active):
    """Which of (h, einf, e0, log EC50) are free and not at a bound."""
    active[0] = (at_bound & BIT_H) == 0
    active[1] = einf_free and (at_bound & BIT_EINF) == 0
    active[2] = e0_free and (at_bound & BIT_E0) == 0
    active[3] = (at_bound & BIT_EC50) == 0


@nb.njit(cache=True, error_model="numpy")
def same(a, b, n):
    """Whether the first ``n`` entries agree."""
    for k in range(n):  # noqa: SIM110 - a generator would not compile
        if a[k] != b[k]:
            return False
    return True


@nb.njit(cache=True, error_model="numpy")
def covariance(lx, w, y, h, le, einf, e0, active, observed, info, inverse, work, row):
    """Inverse information in (h, einf, e0, log EC50) for the ``active`` rows; returns its smallest pivot.

    ``observed``: the exact Hessian instead of J'WJ where it is positive definite.
    """
    for i in range(4):
        for j in range(4):
            info[i, j] = 0.0
    c12 = 0.0
    c11 = 0.0
    c22 = 0.0
    c1e = 0.0
    c2e = 0.0
    for k in range(lx.size):
        value = jacobian_row(lx[k], h, le, einf, e0, row)
        for i in range(4):
            for j in range(i + 1):
                info[i, j] += w[k] * row[i] * row[j]
        if observed:
            r = w[k] * (y[k] - value)
            s = row[2]
            t = row[1]
            q = s * t
            if q > 0.0:
                u = lx[k] - le
                curl = q * (t - s)
                amp = e0 - einf
                c11 += r * amp * curl * u * u
                c12 += r * amp * (-curl * h * u + q)
                c22 += r * amp * curl * h * h
                c1e -= r * q * u
                c2e += r * q * h
    if observed:
        info[0, 0] -= c11
        info[3, 0] -= c12
        info[3, 3] -= c22
        info[2, 0] -= c1e
        info[1, 0] += c1e
        info[3, 2] -= c2e
        info[3, 1] += c2e
    for i in range(4):
        for j in range(i):
            info[j, i] = info[i, j]
    return invert_information(info, active, inverse, work)


@nb.njit(cache=True, error_model="numpy")
def fit_rows(
    order, start, x, w, y, tss, pure, n_used, total_w, margins, h_limits, kind, e0_fixed, einf_fixed, box, reason, out,
    converged,
):  # fmt: skip
    """Fit the curves of a chunk in the given order (equal designs next to each other).

    ``out`` [N, 8]: e0, einf, log EC50, h, rss, s2, lowest and highest dose above 0. ``margins``: natural log units.
    """
    longest = 1
    for i in range(start.size - 1):
        longest = max(longest, start[i + 1] - start[i])
    n_free = 4 if kind == FREE_BOTH else (2 if kind == FREE_NONE else 3)
    h_nodes = np.empty(NODES_H)
    lh_low = math.log(h_limits[0])
    lh_high = math.log(h_limits[1])
    for i in range(NODES_H):
        h_nodes[i] = lh_low + (lh_high - lh_low) * i / (NODES_H - 1)
    le_nodes = np.empty(MAX_NODES_EC50)
    size = NODES_H * le_nodes.size
    table = np.empty((longest, size))
    s1 = np.empty(size)
    s2 = np.empty(size)
    rss_nodes = np.empty(size)
    lx = np.empty(longest)
    lx_table = np.empty(longest)
    w_table = np.empty(longest)
    table_doses = 0
    n_le = 0
    scratch = np.empty((4, longest))
    where = np.empty(MAX_STARTS, dtype=np.int64)
    value = np.empty(MAX_STARTS)
    limits = np.empty(4)
    limits[0] = lh_low
    limits[1] = lh_high
    boxed = False
    for i in range(4):
        boxed = boxed or math.isfinite(box[i])
    for c in order:
        for i in range(8):
            out[c, i] = np.nan
        converged[c] = False
        if reason[c] != _NONE:
            continue
        a = start[c]
        n = start[c + 1] - a
        xs = x[a : a + n]
        ws = w[a : a + n]
        ys = y[a : a + n]
        zero = 1 if xs[0] == 0.0 else 0
        if n - zero > 0:
            out[c, 6] = xs[zero]
            out[c, 7] = xs[n - 1]
        if n < n_free or n - zero < 2:
            reason[c] = _TOO_FEW_DOSES
            continue
        if n_used[c] <= n_free:
            reason[c] = _TOO_FEW_OBSERVATIONS
            continue
        if tss[c] <= 0.0:
            reason[c] = _IDENTICAL
            continue
        log_doses(xs, lx)
        fresh = n != table_doses or not same(lx, lx_table, n)
        if fresh:
            limits[2] = lx[zero] - margins[0]
            limits[3] = lx[n - 1] + margins[1]
            n_le = ec50_nodes(lx[:n], limits, le_nodes)
            build_table(lx[:n], h_nodes, le_nodes, n_le, table)
            table_doses = n
            lx_table[:n] = lx[:n]
        if fresh or not same(ws, w_table, n):
            weight_sums(ws, table, NODES_H * n_le, s1, s2)
            w_table[:n] = ws
        w_sum = total_w[c]
        y_mean = 0.0
        for k in range(n):
            y_mean += ws[k] * ys[k]
        y_mean /= w_sum
        between = tss[c] - pure[c]
        node_rss(
            ws, ys, w_sum, y_mean, between, table, NODES_H * n_le, s1, s2, kind, e0_fixed, einf_fixed, box, boxed,
            rss_nodes,
        )  # fmt: skip
        f, lh, le, einf, e0, _free, done = search(
            rss_nodes, h_nodes, le_nodes, n_le, limits, lx[:n], ws, ys, w_sum, y_mean, tss[c], kind, e0_fixed,
            einf_fixed, box, scratch, where, value, MAX_ITERATIONS,
        )  # fmt: skip
        out[c, 0] = e0
        out[c, 1] = einf
        out[c, 2] = le
        out[c, 3] = h_limits[0] if lh <= limits[0] else (h_limits[1] if lh >= limits[1] else math.exp(lh))
        out[c, 4] = f + pure[c]
        out[c, 5] = out[c, 4] / (n_used[c] - n_free)
        converged[c] = done


@nb.njit(cache=True, error_model="numpy")
def covariance_rows(start, x, w, y, margins, h_limits, kind, box, observed, reason, out, at_bound, cov):
    """Bits of bounds reached and covariance of the fits in ``out``; types those whose covariance is singular."""
    longest = 1
    for c in range(reason.size):
        longest = max(longest, start[c + 1] - start[c])
    lx = np.empty(longest)
    info = np.empty((4, 4))
    inverse = np.empty((4, 4))
    work = np.empty((4, 4))
    row = np.empty(4)
    active = np.empty(4, dtype=np.bool_)
    e0_free = kind in (FREE_BOTH, FREE_E0)
    einf_free = kind in (FREE_BOTH, FREE_EINF)
    for c in range(reason.size):
        at_bound[c] = 0
        for i in range(4):
            for j in range(4):
                cov[c, i, j] = np.nan
        if reason[c] != _NONE:
            continue
        a = start[c]
        n = start[c + 1] - a
        log_doses(x[a : a + n], lx)
        e0 = out[c, 0]
        einf = out[c, 1]
        le = out[c, 2]
        h = out[c, 3]
        bits = 0
        if h <= h_limits[0] or h >= h_limits[1]:
            bits |= BIT_H
        if le <= math.log(out[c, 6]) - margins[0] or le >= lx[n - 1] + margins[1]:
            bits |= BIT_EC50
        if e0_free and (e0 <= box[0] or e0 >= box[1]):
            bits |= BIT_E0
        if einf_free and (einf <= box[2] or einf >= box[3]):
            bits |= BIT_EINF
        at_bound[c] = bits
        active_rows(bits, e0_free, einf_free, active)
        pivot = covariance(
            lx[:n], w[a : a + n], y[a : a + n], h, le, einf, e0, active, observed, info, inverse, work, row
        )
        if observed and pivot <= 0.0:
            pivot = covariance(
                lx[:n], w[a : a + n], y[a : a + n], h, le, einf, e0, active, False, info, inverse, work, row
            )
        if pivot < SINGULAR_PIVOT or not math.isfinite(out[c, 5]):
            reason[c] = _SINGULAR
            continue
        for i in range(4):
            for j in range(4):
                cov[c, i, j] = inverse[i, j] * out[c, 5]
