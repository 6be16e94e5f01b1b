"""M-estimation for curves with wells that went wrong: iteratively reweighted least squares on single observations.

Huber's weights (k = 1.345) with the scale re-estimated at every step; for 'tukey' their result starts Tukey's biweight
(c = 4.685) with that scale kept, so that gross outliers get no weight at all (both constants: 95 % efficiency at the
normal; Holland & Welsch 1977, doi:10.1080/03610927708827533). The scale is the median of the n - p + 1 largest absolute
residuals over 0.6745, which does not shrink with the number of fitted parameters (Street, Carroll & Ruppert 1988,
doi:10.1080/00031305.1988.10475548).
"""
# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import math

import numba as nb
import numpy as np

from rechallenge.stats.hill.batch import log_doses
from rechallenge.stats.hill.engine import ALONE, MAX_ITERATIONS, descend

HUBER, TUKEY = 0, 1
_HUBER_K = 1.345
_TUKEY_C = 4.685
_STEPS = 200
# Observations without weight stay in the data, so that doses and counts do not change.
_FLOOR = 1e-9


@nb.njit(cache=True, error_model="numpy")
def _scale(residuals, n, n_free, buffer):
    """Median of the n - p + 1 largest absolute standardised residuals, over 0.6745."""
    for i in range(n):
        buffer[i] = abs(residuals[i])
    part = np.sort(buffer[:n])
    skip = min(n_free - 1, n - 1)
    m = n - skip
    middle = skip + m // 2
    median = part[middle] if m % 2 == 1 else 0.5 * (part[middle - 1] + part[middle])
    return median / 0.6745


@nb.njit(cache=True, error_model="numpy")
def _weight(u, stage):
    """psi(u) / u."""
    if stage == HUBER:
        a = abs(u)
        return 1.0 if a <= _HUBER_K else _HUBER_K / a
    v = u / _TUKEY_C
    return (1.0 - v * v) ** 2 if abs(v) < 1.0 else 0.0


@nb.njit(cache=True, error_model="numpy")
def _psi_slope(u, stage):
    """Derivative of psi."""
    if stage == HUBER:
        return 1.0 if abs(u) <= _HUBER_K else 0.0
    v = u / _TUKEY_C
    return (1.0 - v * v) * (1.0 - 5.0 * v * v) if abs(v) < 1.0 else 0.0


@nb.njit(cache=True, error_model="numpy")
def reweight_rows(
    kind_of_psi, first, last, start, order, x, y, weights, has_weights, row_start, dose_x, tss, margins, h_limits, kind,
    e0_fixed, einf_fixed, box, n_free, reason, out, converged, final,
):  # fmt: skip
    """Refit curves ``first`` to ``last`` from their least-squares fits in ``out``; ``final`` [n] gets the weights.

    Only log EC50, h, e0, einf, rss (with the given weights) and s2 in ``out`` change; s2 is scaled so that
    s2 (J'WJ)^-1 with the final weights is the asymptotic covariance of the M-estimator.
    """
    longest = 1
    for i in range(first, last):
        longest = max(longest, start[i + 1] - start[i])
    obs = np.empty(longest, dtype=np.int64)
    at = np.empty(longest, dtype=np.int64)
    res = np.empty(longest)
    base = np.empty(longest)
    buffer = np.empty(longest)
    lx = np.empty(longest)
    w = np.empty(longest)
    m = np.empty(longest)
    scratch = np.empty((4, longest))
    fitted = np.empty(longest)
    limits = np.empty(4)
    limits[0] = math.log(h_limits[0])
    limits[1] = math.log(h_limits[1])
    for i in range(first, last):
        c = i - first
        if not math.isfinite(out[c, 4]):
            continue
        a = row_start[c]
        k = row_start[c + 1] - a
        log_doses(dose_x[a : a + k], lx)
        zero = 1 if dose_x[a] == 0.0 else 0
        limits[2] = lx[zero] - margins[0]
        limits[3] = lx[k - 1] + margins[1]
        n = 0
        for p in range(start[i], start[i + 1]):
            o = order[p] if order.size > 0 else p
            wv = weights[o] if has_weights else 1.0
            if math.isnan(y[o]) or math.isnan(wv) or wv == 0.0:
                continue
            obs[n] = o
            base[n] = wv
            at[n] = np.searchsorted(dose_x[a : a + k], x[o])
            n += 1
        lh = math.log(out[c, 3])
        le = out[c, 2]
        einf = out[c, 1]
        e0 = out[c, 0]
        sigma = 0.0
        done = True
        stages = 1 if kind_of_psi == HUBER else 2
        floor = 1e-10 * math.sqrt(tss[c] / n)
        for stage in range(stages):
            old = np.inf
            done = False
            for _ in range(_STEPS):
                h = math.exp(lh)
                for j in range(k):
                    z = math.exp(min(h * (lx[j] - le), 700.0))
                    fitted[j] = einf * (z / (1.0 + z)) + e0 / (1.0 + z)
                for j in range(n):
                    res[j] = (y[obs[j]] - fitted[at[j]]) * math.sqrt(base[j])
                if stage == HUBER:
                    sigma = max(_scale(res, n, n_free, buffer), floor)
                for j in range(k):
                    w[j] = 0.0
                    m[j] = 0.0
                loss = 0.0
                for j in range(n):
                    wj = base[j] * max(_weight(res[j] / sigma, stage), _FLOOR)
                    final[obs[j]] = wj
                    w[at[j]] += wj
                    m[at[j]] += wj * y[obs[j]]
                    loss += wj * (y[obs[j]] - fitted[at[j]]) ** 2
                w_sum = 0.0
                mean = 0.0
                for j in range(k):
                    w_sum += w[j]
                    mean += m[j]
                    m[j] /= w[j]
                mean /= w_sum
                _f, lh, le_new, einf, e0, _k, _d = descend(
                    lh, le, limits, lx[:k], w[:k], m[:k], w_sum, mean, tss[c], kind, e0_fixed, einf_fixed, box, scratch,
                    ALONE, MAX_ITERATIONS,
                )  # fmt: skip
                change = abs(le_new - le) + abs(loss - old) / (loss + 1e-300)
                le = le_new
                old = loss
                if change < 1e-8:
                    done = True
                    break
        last_stage = stages - 1
        h = math.exp(lh)
        psi2 = 0.0
        slope = 0.0
        slope2 = 0.0
        mean_w = 0.0
        rss = 0.0
        for j in range(n):
            z = math.exp(min(h * (lx[at[j]] - le), 700.0))
            r = y[obs[j]] - (einf * (z / (1.0 + z)) + e0 / (1.0 + z))
            u = r * math.sqrt(base[j]) / sigma
            v = _weight(u, last_stage)
            psi2 += (v * u) ** 2
            d = _psi_slope(u, last_stage)
            slope += d
            slope2 += d * d
            mean_w += v
            rss += base[j] * r * r
        slope /= n
        mean_w /= n
        # Huber 1981, Robust Statistics, eq. 7.6.8: small-sample correction of the asymptotic variance.
        correction = 1.0 + n_free / n * (slope2 / n - slope * slope) / (slope * slope) if slope > 0.05 else np.nan
        out[c, 0] = e0
        out[c, 1] = einf
        out[c, 2] = le
        out[c, 3] = h
        out[c, 4] = rss
        out[c, 5] = correction**2 * sigma * sigma * psi2 / (n - n_free) / (slope * slope) * mean_w
        converged[c] = done
