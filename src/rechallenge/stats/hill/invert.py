"""Interval of the dose at a level by inversion (Fieller's idea; Fieller 1954, doi:10.1111/j.2517-6161.1954.tb00159.x).

The doses around the estimate whose response does not differ from the level, |f(x) - level| <= t se f(x), searched
between the lowest and the highest tested dose. Beyond the first excluded dose on either side nothing is looked at: the
curve is monotone, so what is excluded there is excluded further out. Where the level is not excluded at the highest
dose the upper limit is infinite, where it is not excluded at the lowest dose the lower limit is 0: nothing is claimed
outside the doses tested. Where the curve does not cross the level the search starts from the end it lies beyond.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

import math

import numba as nb
import numpy as np

from rechallenge.stats.hill.variance import ABOVE, BELOW, ESTIMATED, crossing, excess, quadratic

STEPS = 48
BISECTIONS = 34


@nb.njit(cache=True, error_model="numpy")
def _excluded(lx, t2, level, scale, h, le, einf, e0, v, row):
    """Whether the response at log dose ``lx`` differs from the level."""
    gap = excess(lx, level, scale, h, le, einf, e0, row)
    return gap * gap > t2 * quadratic(v, row)


@nb.njit(cache=True, error_model="numpy")
def _walk(origin, end, step, t2, level, scale, h, le, einf, e0, v, row):
    """From ``origin`` (not excluded) towards ``end``: border of the first excluded dose, nan where there is none."""
    inside = origin
    steps = math.ceil(abs(end - origin) / step)
    for k in range(1, steps + 1):
        u = origin + (end - origin) * k / steps
        if _excluded(u, t2, level, scale, h, le, einf, e0, v, row):
            outside = u
            for _ in range(BISECTIONS):
                middle = 0.5 * (inside + outside)
                if _excluded(middle, t2, level, scale, h, le, einf, e0, v, row):
                    outside = middle
                else:
                    inside = middle
            return inside
        inside = u
    return np.nan


@nb.njit(cache=True, error_model="numpy")
def invert_rows(code, t, level, scale, falling, x_min, x_max, e0, einf, log_ec50, h, v, lo, hi):
    """Natural-log limits per curve (-inf and inf where open), nan where not estimable."""
    row = np.empty(4)
    for i in range(code.size):
        lo[i] = np.nan
        hi[i] = np.nan
        if code[i] > BELOW or not t[i] >= 0.0 or math.isnan(v[i, 0, 0]):
            continue
        t2 = t[i] * t[i]
        low = math.log(x_min[i])
        high = math.log(x_max[i])
        step = max((high - low) / STEPS, 1e-12)
        lo[i] = -np.inf
        hi[i] = np.inf
        if code[i] == ESTIMATED:
            at = crossing(level, scale, h[i], log_ec50[i], einf[i], e0[i])
            if math.isnan(at):
                lo[i] = np.nan
                hi[i] = np.nan
                continue
            down = _walk(at, low, step, t2, level, scale, h[i], log_ec50[i], einf[i], e0[i], v[i], row)
            up = _walk(at, high, step, t2, level, scale, h[i], log_ec50[i], einf[i], e0[i], v[i], row)
            lo[i] = -np.inf if math.isnan(down) else down
            hi[i] = np.inf if math.isnan(up) else up
            continue
        start = high if code[i] == ABOVE else low
        end = low if code[i] == ABOVE else high
        border = start
        if not _excluded(start, t2, level, scale, h[i], log_ec50[i], einf[i], e0[i], v[i], row):
            border = _walk(start, end, step, t2, level, scale, h[i], log_ec50[i], einf[i], e0[i], v[i], row)
        if math.isnan(border):
            continue
        if code[i] == ABOVE:
            lo[i] = border
        else:
            hi[i] = border
