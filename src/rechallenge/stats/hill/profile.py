"""Profile-likelihood intervals of the dose at a level.

For a dose x0 the curve is fitted again under the constraint that it passes through (x0, level); the interval holds
every x0 with (RSS(x0) - RSS) / s^2 <= F(1, n - p). The constraint is an observation of very large weight at x0, so
that the constrained fits run through the same engine. For the EC50 its parameter is simply held.
"""
# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import math

import numba as nb
import numpy as np

from rechallenge.stats.hill.batch import log_doses
from rechallenge.stats.hill.engine import ALONE, MAX_ITERATIONS, descend
from rechallenge.stats.hill.intervals import Located
from rechallenge.stats.hill.types import Floats, HillFits
from rechallenge.stats.hill.variance import ABOVE, BELOW, ESTIMATED, RELATIVE

_STEPS = 12
_BISECTIONS = 24
_PENALTY = 1e6


@nb.njit(cache=True, error_model="numpy")
def _constrained(
    at, state, level, scale, limits, lx, w, y, n, w_sum, kind, e0, einf, box, scratch,
):  # fmt: skip
    """RSS of the best curve through (``at``, ``level``), started from ``state`` (log h, log EC50), which is updated."""
    if scale == RELATIVE:
        keep2 = limits[2]
        keep3 = limits[3]
        limits[2] = at
        limits[3] = at
        rows = n
        total = w_sum
    else:
        keep2 = limits[2]
        keep3 = limits[3]
        rows = n + 1
        lx[n] = at
        w[n] = _PENALTY * w_sum
        y[n] = level
        total = w_sum + w[n]
    mean = 0.0
    for k in range(rows):
        mean += w[k] * y[k]
    mean /= total
    tss = 0.0
    for k in range(rows):
        tss += w[k] * (y[k] - mean) ** 2
    f, lh, le, _a, _b, _k, _done = descend(
        state[0], state[1], limits, lx[:rows], w[:rows], y[:rows], total, mean, tss, kind, e0, einf, box, scratch,
        ALONE, MAX_ITERATIONS,
    )  # fmt: skip
    state[0] = lh
    state[1] = le
    limits[2] = keep2
    limits[3] = keep3
    return f


@nb.njit(cache=True, error_model="numpy")
def _side(
    origin, end, target, start_state, level, scale, limits, lx, w, y, n, w_sum, kind, e0, einf, box, scratch,
):  # fmt: skip
    """From ``origin`` (inside) towards ``end``: the log dose where RSS passes ``target``; nan where it never does."""
    state = start_state.copy()
    inside = origin
    held = state.copy()
    for k in range(1, _STEPS + 1):
        u = origin + (end - origin) * k / _STEPS
        held[:] = state
        if _constrained(u, state, level, scale, limits, lx, w, y, n, w_sum, kind, e0, einf, box, scratch) > target:
            outside = u
            for _ in range(_BISECTIONS):
                middle = 0.5 * (inside + outside)
                state[:] = held
                f = _constrained(middle, state, level, scale, limits, lx, w, y, n, w_sum, kind, e0, einf, box, scratch)
                if f > target:
                    outside = middle
                else:
                    inside = middle
                    held[:] = state
            return inside
        inside = u
    return np.nan


@nb.njit(cache=True, error_model="numpy")
def profile_rows(
    code, quantile, log_dose, start, x, weight, mean, log_h, log_ec50, rss, pure, s2, e0_fixed, einf_fixed, kind, box,
    margins, h_limits, level, scale, lo, hi,
):  # fmt: skip
    """Natural-log profile limits of every curve; -inf and inf where the end of the tested doses is not excluded."""
    longest = 2
    for i in range(code.size):
        longest = max(longest, start[i + 1] - start[i] + 1)
    lx = np.empty(longest)
    w = np.empty(longest)
    y = np.empty(longest)
    scratch = np.empty((4, longest))
    limits = np.empty(4)
    limits[0] = math.log(h_limits[0])
    limits[1] = math.log(h_limits[1])
    state = np.empty(2)
    for i in range(code.size):
        lo[i] = np.nan
        hi[i] = np.nan
        if code[i] > BELOW or not math.isfinite(quantile[i]):
            continue
        n = start[i + 1] - start[i]
        log_doses(x[start[i] : start[i + 1]], lx)
        low = lx[1] if x[start[i]] == 0.0 else lx[0]
        high = lx[n - 1]
        limits[2] = low - margins[0]
        limits[3] = high + margins[1]
        w_sum = 0.0
        for k in range(n):
            w[k] = weight[start[i] + k]
            y[k] = mean[start[i] + k]
            w_sum += w[k]
        target = rss[i] - pure[i] + quantile[i] * s2[i]
        state[0] = log_h[i]
        state[1] = log_ec50[i]
        if code[i] == ESTIMATED:
            lower = _side(
                log_dose[i], low, target, state, level, scale, limits, lx, w, y, n, w_sum, kind, e0_fixed, einf_fixed,
                box, scratch,
            )  # fmt: skip
            upper = _side(
                log_dose[i], high, target, state, level, scale, limits, lx, w, y, n, w_sum, kind, e0_fixed, einf_fixed,
                box, scratch,
            )  # fmt: skip
            lo[i] = -np.inf if math.isnan(lower) else lower
            hi[i] = np.inf if math.isnan(upper) else upper
            continue
        # Censored: the estimate lies beyond one end; the limit is sought from that end inwards.
        here = high if code[i] == ABOVE else low
        there = low if code[i] == ABOVE else high
        f = _constrained(
            here, state, level, scale, limits, lx, w, y, n, w_sum, kind, e0_fixed, einf_fixed, box, scratch
        )
        bound = here
        if f <= target:
            bound = _side(
                here, there, target, state, level, scale, limits, lx, w, y, n, w_sum, kind, e0_fixed, einf_fixed, box,
                scratch,
            )  # fmt: skip
        if code[i] == ABOVE:
            lo[i] = -np.inf if math.isnan(bound) else bound
            hi[i] = np.inf
        else:
            lo[i] = -np.inf
            hi[i] = np.inf if math.isnan(bound) else bound


def profile_limits(fits: HillFits, at: Located, confidence: float) -> tuple[Floats, Floats]:
    """Natural-log profile limits. Raises ValueError for a relative level other than one half."""
    from scipy.stats import f as fisher

    if at.scale == RELATIVE and at.level != 0.5:
        raise ValueError("profile intervals of a relative dose exist for the EC50 only (fraction 0.5)")
    with np.errstate(invalid="ignore"):
        quantile = fisher.ppf(confidence, 1, fits.df)
    lo, hi = np.empty(len(fits)), np.empty(len(fits))
    data = fits.data
    profile_rows(
        at.code, quantile, at.log_dose, data.start, data.x, data.weight, data.mean, np.log(fits.h), np.log(fits.ec50),
        fits.rss, fits.pure_ss, fits.s**2, fits.e0_fixed or 0.0, fits.einf_fixed or 0.0, fits.linear_kind, fits.box,
        fits.margins, fits.h_limits, at.level, at.scale, lo, hi,
    )  # fmt: skip
    return lo, hi
