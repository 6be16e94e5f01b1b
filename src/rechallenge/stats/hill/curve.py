"""The Hill (four-parameter log-logistic) curve itself: value, inverse, area.

y = Einf + (E0 - Einf) / (1 + (x / EC50) ** h),  h > 0, x >= 0;  y = E0 at x = 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def fraction_left(x: ArrayLike, ec50: ArrayLike, h: ArrayLike) -> tuple[Floats, Floats]:
    """S = 1 / (1 + (x / EC50) ** h), which is 1 without drug, and 1 - S; each is exact where it is small."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        z = np.asarray(h, dtype=np.float64) * (np.log(np.asarray(x, dtype=np.float64)) - np.log(ec50))
        return np.asarray(1.0 / (1.0 + np.exp(z))), np.asarray(1.0 / (1.0 + np.exp(-z)))


def predict(x: ArrayLike, e0: ArrayLike, einf: ArrayLike, ec50: ArrayLike, h: ArrayLike) -> Floats:
    """Response at dose ``x``; all arguments broadcast."""
    left, lost = fraction_left(x, ec50, h)
    return np.asarray(np.asarray(e0) * left + np.asarray(einf) * lost)


def inverse(level: ArrayLike, e0: ArrayLike, einf: ArrayLike, ec50: ArrayLike, h: ArrayLike) -> Floats:
    """log10 dose at which the response equals ``level``; nan where the level is not between E0 and Einf."""
    level = np.asarray(level, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        odds = (np.asarray(e0) - level) / (level - np.asarray(einf))
        log10_dose = np.log10(ec50) + np.log10(np.where(odds > 0, odds, np.nan)) / np.asarray(h)
    return np.asarray(np.where(np.isfinite(log10_dose), log10_dose, np.nan))


def auc(
    lo: ArrayLike, hi: ArrayLike, e0: ArrayLike, einf: ArrayLike, ec50: ArrayLike, h: ArrayLike, *, normalised: bool
) -> Floats:
    """Integral of the response over log10 dose between two doses above 0.

    In u = log dose the integral of 1 / (1 + exp(h (u - log EC50))) is u - log(1 + exp(h (u - log EC50))) / h.
    Raises ValueError unless 0 < lo < hi.
    """
    lo, hi = np.asarray(lo, dtype=np.float64), np.asarray(hi, dtype=np.float64)
    if np.any(lo <= 0) or np.any(hi <= lo):
        raise ValueError("the area needs doses 0 < lo < hi")
    h, centre = np.asarray(h, dtype=np.float64), np.log(ec50)
    a, b = np.log(lo), np.log(hi)
    einf = np.asarray(einf, dtype=np.float64)
    lost = (np.logaddexp(0.0, h * (b - centre)) - np.logaddexp(0.0, h * (a - centre))) / h
    area = np.asarray(e0) * (b - a - lost) + einf * lost
    return np.asarray(area / ((b - a) if normalised else np.log(10.0)))
