"""Interval of the dose at a level by inversion (Fieller's idea; Fieller 1954, doi:10.1111/j.2517-6161.1954.tb00159.x).

The set of doses whose response does not differ from the level, {x : |f(x) - level| <= t se f(x)}, searched between
the lowest and the highest tested dose. Where the level is not excluded at the highest dose the upper limit is
infinite, where it is not excluded at the lowest dose the lower limit is 0: nothing is claimed outside the doses tested.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

import math

import numba as nb
import numpy as np

from rechallenge.stats.hill.variance import NOT_ESTIMABLE, RELATIVE, WRONG_DIRECTION, excess, quadratic

STEPS = 48
BISECTIONS = 40


@nb.njit(cache=True)
def _margin(lx, t2, level, scale, h, le, einf, e0, v, row):
    """(f - level)^2 - t^2 se^2: not above 0 where the level is not excluded; with f - level."""
    gap = excess(lx, level, scale, h, le, einf, e0, row)
    return gap * gap - t2 * quadratic(v, row), gap


@nb.njit(cache=True)
def _edge(outside, inside, t2, level, scale, h, le, einf, e0, v, row):
    """Bisect for the border between an excluded and a not excluded log dose."""
    for _ in range(BISECTIONS):
        middle = 0.5 * (outside + inside)
        if _margin(middle, t2, level, scale, h, le, einf, e0, v, row)[0] > 0.0:
            outside = middle
        else:
            inside = middle
    return inside


@nb.njit(cache=True)
def invert_rows(status, t, level, scale, falling, x_min, x_max, e0, einf, log_ec50, h, v, lo, hi):
    """Natural-log limits per curve (-inf and inf where open), nan where not estimable."""
    row = np.empty(4)
    for i in range(status.size):
        lo[i] = np.nan
        hi[i] = np.nan
        if status[i] == NOT_ESTIMABLE or status[i] == WRONG_DIRECTION or not t[i] >= 0.0 or math.isnan(v[i, 0, 0]):
            continue
        t2 = t[i] * t[i]
        a = math.log(x_min[i])
        b = math.log(x_max[i])
        step = (b - a) / STEPS
        sign = 1.0 if falling else -1.0
        if scale == RELATIVE:
            sign = 1.0 if e0[i] >= einf[i] else -1.0
        at_a, gap_a = _margin(a, t2, level, scale, h[i], log_ec50[i], einf[i], e0[i], v[i], row)
        at_b, gap_b = _margin(b, t2, level, scale, h[i], log_ec50[i], einf[i], e0[i], v[i], row)
        if at_a <= 0.0:
            lo[i] = -np.inf
        elif sign * gap_a < 0.0:
            lo[i] = -np.inf
            hi[i] = a
            if at_b <= 0.0:
                hi[i] = np.inf
            continue
        if at_b <= 0.0:
            hi[i] = np.inf
        elif sign * gap_b > 0.0:
            hi[i] = np.inf
            if at_a > 0.0:
                lo[i] = b
        if lo[i] != -np.inf:
            # From the low end up to the first dose that is not excluded, or where the curve has crossed.
            for k in range(1, STEPS + 1):
                u = a + step * k if k < STEPS else b
                m, gap = _margin(u, t2, level, scale, h[i], log_ec50[i], einf[i], e0[i], v[i], row)
                if m <= 0.0:
                    lo[i] = _edge(u - step, u, t2, level, scale, h[i], log_ec50[i], einf[i], e0[i], v[i], row)
                    break
                if sign * gap < 0.0:
                    lo[i] = _cross(u - step, u, sign, level, scale, h[i], log_ec50[i], einf[i], e0[i], row)
                    lo[i] = _edge(u - step, lo[i], t2, level, scale, h[i], log_ec50[i], einf[i], e0[i], v[i], row)
                    break
        if hi[i] != np.inf:
            for k in range(1, STEPS + 1):
                u = b - step * k if k < STEPS else a
                m, gap = _margin(u, t2, level, scale, h[i], log_ec50[i], einf[i], e0[i], v[i], row)
                if m <= 0.0:
                    hi[i] = _edge(u + step, u, t2, level, scale, h[i], log_ec50[i], einf[i], e0[i], v[i], row)
                    break
                if sign * gap > 0.0:
                    hi[i] = _cross(u, u + step, sign, level, scale, h[i], log_ec50[i], einf[i], e0[i], row)
                    hi[i] = _edge(u + step, hi[i], t2, level, scale, h[i], log_ec50[i], einf[i], e0[i], v[i], row)
                    break


@nb.njit(cache=True)
def _cross(low, high, sign, level, scale, h, le, einf, e0, row):
    """Where the curve itself meets the level between two log doses (its interval is narrower than a step)."""
    for _ in range(60):
        middle = 0.5 * (low + high)
        if sign * excess(middle, level, scale, h, le, einf, e0, row) > 0.0:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)
