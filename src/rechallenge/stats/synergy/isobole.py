"""Isobole of a dose matrix: the dose pairs with one and the same effect, beside the line of additivity.

On a ray the isobologram's point is `ChouTalalay.dose_mix` and the ends of its line `dose_alone`. In a matrix every
dose of B below the one that reaches the effect alone gives a point: the dose of A at which the curve of that row, from
the effect of B alone upwards, reaches it (doi:10.1016/j.csbj.2015.09.001 for the rows, doi:10.1007/BF01952257 for the
isobole).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rechallenge.stats.synergy.margins import fit_margin, identifiable
from rechallenge.stats.synergy.types import Floats, Surface
from rechallenge.stats.synergy.zip import row_curves


@dataclass(frozen=True)
class Isobole:
    """Points [p] of one effect: ``dose_a`` at ``dose_b``, and ``index`` = a / D_A + b / D_B (below 1: synergy).

    ``alone`` [2]: dose of each drug alone with the effect, infinite where it is beyond that drug's maximum, nan where
    its EC50 cannot be known (``index`` is nan then). ``status`` [p]: 'estimated'; 'censored_above' (not reached at the
    highest dose of A in that row: ``dose_a`` is that dose, and the point lies beyond it); 'censored_below' (reached
    below the lowest: it lies under ``dose_a``); 'not_estimable'.
    """

    effect: float
    alone: Floats
    dose_a: Floats
    dose_b: Floats
    index: Floats
    status: NDArray[np.str_]


def isobole(surface: Surface, effect: float = 0.5) -> Isobole:
    """Isobole through the mean surface. Raises ValueError for more than two drugs or an effect outside 0 to 1."""
    if surface.n_drugs != 2:
        raise ValueError(f"an isobole needs two drugs, got {surface.n_drugs}")
    if not 0 < effect < 1:
        raise ValueError(f"the effect must lie between 0 and 1, got {effect}")
    means, totals = surface.weighted(np.ones((1, surface.n_replicates)))
    a, b = (fit_margin(surface, d, means, totals) for d in (0, 1))
    alone = np.array([float(a.dose(effect)[0, 0]), float(b.dose(effect)[0, 0])])
    alone = np.where([identifiable(surface, d)[0] for d in (0, 1)], alone, np.nan)
    dose_a, dose_b, status = [], [], []
    for dose in np.unique(surface.doses[surface.combined, 1]):
        if dose >= alone[1]:
            continue
        rows = np.flatnonzero(surface.combined & (surface.doses[:, 1] == dose))
        found, kind = np.nan, "not_estimable"
        if rows.size >= 3:
            base = np.broadcast_to(b.effect(dose), (1, 1))[:, 0]
            fits, left = row_curves(surface, means, totals, 0, rows, base)
            share = (effect - float(base[0])) / float(left[0, 0])
            low, high = float(surface.doses[rows, 0].min()), float(surface.doses[rows, 0].max())
            ends = fits.predict(np.array([[low, high]]))[0]
            if np.isfinite(ends).all():
                if ends[0] >= share:
                    found, kind = low, "censored_below"
                elif ends[1] < share:
                    found, kind = high, "censored_above"
                else:
                    found, kind = float(10 ** fits.inverse(share)[0]), "estimated"
        dose_a.append(found)
        dose_b.append(float(dose))
        status.append(kind)
    x, y = np.array(dose_a, dtype=np.float64), np.array(dose_b, dtype=np.float64)
    kinds = np.array(status, dtype="U14")
    index = np.where(kinds == "estimated", x / alone[0] + y / alone[1], np.nan)
    return Isobole(effect, alone, x, y, index, kinds)
