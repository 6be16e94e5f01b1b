"""Reference models: what a combination would do if the drugs did not interact.

Effects are inhibition as a fraction. Each model is its formula on plain arrays that broadcast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rechallenge.stats.hill import curve as hill

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
_STEPS = 60


def hsa(singles: ArrayLike) -> Floats:
    """Highest single agent: E = max(E_1, ..., E_k) over the first axis.

    A combination beyond it is better than its best part, the weakest claim of synergy. Reviewed beside the others in
    doi:10.1016/j.csbj.2015.09.001.
    """
    return np.asarray(np.max(np.asarray(singles, dtype=np.float64), axis=0))


def bliss(singles: ArrayLike) -> Floats:
    """Bliss independence: E = 1 - prod(1 - E_i) over the first axis (doi:10.1111/j.1744-7348.1939.tb06990.x).

    The share that survives one drug meets the next as if it had met none.
    """
    return np.asarray(1.0 - np.prod(1.0 - np.asarray(singles, dtype=np.float64), axis=0))


@dataclass(frozen=True)
class Hill:
    """Single-agent curves E(x) = Einf / (1 + (EC50 / x) ** h) with E(0) = 0; all fields broadcast."""

    einf: Floats
    ec50: Floats
    h: Floats

    def effect(self, dose: ArrayLike) -> Floats:
        """Inhibition at a dose."""
        return hill.predict(dose, 0.0, self.einf, self.ec50, self.h)

    def dose(self, effect: ArrayLike) -> Floats:
        """Dose with a given effect; infinite at and beyond Einf, 0 at and below no effect."""
        effect = np.asarray(effect, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            odds = effect / (self.einf - effect)
            dose = self.ec50 * np.power(np.maximum(odds, 0.0), 1.0 / self.h)
        unknown = np.isnan(self.ec50 + self.einf + self.h + effect)
        return np.where(unknown, np.nan, np.where(effect >= self.einf, np.inf, np.where(effect <= 0, 0.0, dose)))


def loewe(dose_a: ArrayLike, dose_b: ArrayLike, a: Hill, b: Hill) -> tuple[Floats, Bools]:
    """Loewe additivity: the effect E with a / D_A(E) + b / D_B(E) = 1 (doi:10.1007/BF01952257); where it is a bound.

    D_A(E) is the dose of A alone with effect E. The sum falls in E, so the root is bracketed by the larger
    single-agent effect and the smaller Einf and found by bisection to rounding. Where the stronger drug alone already
    exceeds the Einf of the weaker, no dose of the weaker is worth its share and the equation has no root: the effect
    of the stronger drug is returned as what an additive combination reaches at least, and the second array is True.
    """
    x, y = np.asarray(dose_a, dtype=np.float64), np.asarray(dose_b, dtype=np.float64)
    low = np.maximum(a.effect(x), b.effect(y))
    cap = np.minimum(a.einf, b.einf)
    low, high = np.broadcast_arrays(low, cap)
    start, bound = low.copy(), np.asarray(low >= high)
    low, high = low.copy(), high.copy()
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = np.where(x > 0, x / a.dose(middle), 0.0) + np.where(y > 0, y / b.dose(middle), 0.0)
        above = share > 1.0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    root = 0.5 * (low + high)
    unknown = np.isnan(a.ec50 + b.ec50 + start)
    return np.where(unknown, np.nan, np.where(bound, start, root)), bound & ~unknown
