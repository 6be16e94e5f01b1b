"""Zero interaction potency (ZIP; Yadav et al. 2015, doi:10.1016/j.csbj.2015.09.001).

Reference: Bliss independence of the two fitted single-agent curves, y = y_A + y_B - y_A y_B.
Combination: for every dose of B a curve in A that starts at y_B, y_A|B = y_B + (1 - y_B) Einf / (1 + (EC50 / x) ** h),
and the same with the drugs exchanged; the fitted surface is the mean of both. Delta = fitted - reference. Smoothing
along both directions is what sets ZIP apart from Bliss. The paper fixes Einf at 1; here it is free (at most 1) where a
row has four doses and more, so that drugs without a complete effect do not pass for antagonists.
"""

from __future__ import annotations

import numpy as np

from rechallenge.stats.hill import HillFits, Reason
from rechallenge.stats.synergy.margins import fit_margin, fit_rows
from rechallenge.stats.synergy.reference import bliss
from rechallenge.stats.synergy.types import Floats, Ints, Surface

# An antagonist may take away what the other drug did: the added effect in units of what was left may fall far below 0.
_BOX = (-50.0, 1.0)
_LEAST_LEFT = 1e-3


def row_curves(
    surface: Surface, means: Floats, totals: Floats, along: int, rows: Ints, base: Floats
) -> tuple[HillFits, Floats]:
    """Curves in the dose of drug ``along`` over cells ``rows`` that share the dose of the other drug.

    ``base`` [B]: effect of the other drug alone. Returns curves of the added effect as a share of what that drug left
    over, and what it left [B, 1].
    """
    left = np.maximum(1.0 - base, _LEAST_LEFT)[:, None]
    added = (means[:, rows] - base[:, None]) / left
    # the weight turns squared errors of the share back into squared errors of inhibition
    return (
        fit_rows(
            surface.doses[rows, along], added, totals[:, rows] * left**2, einf=None if rows.size >= 4 else 1.0, box=_BOX
        ),
        left,
    )


def _along(surface: Surface, means: Floats, totals: Floats, along: int, base: Floats) -> Floats:
    """Fitted surfaces [B, m] from curves in drug ``along``; ``base`` [B, m]: effect of the other drug alone."""
    other = 1 - along
    out = np.full(means.shape, np.nan)
    for dose in np.unique(surface.doses[surface.combined, other]):
        rows = np.flatnonzero(surface.combined & (surface.doses[:, other] == dose))
        if rows.size < 3:
            continue
        fits, left = row_curves(surface, means, totals, along, rows, base[:, rows[0]])
        share = fits.predict(np.tile(surface.doses[rows, along], (len(fits), 1)))
        flat = (fits.reason == Reason.IDENTICAL)[:, None]
        share = np.where(flat, fits.flat_mean[:, None], share)
        out[:, rows] = base[:, rows] + left * share
    return out


def zip_surfaces(surface: Surface, means: Floats, totals: Floats) -> tuple[Floats, Floats]:
    """Reference and fitted surface [B, m] for surfaces ``means`` [B, m]; nan outside combinations or without a row.

    A row needs three doses; where only one direction has them it stands alone. Raises ValueError unless there are two
    drugs.
    """
    if surface.n_drugs != 2:
        raise ValueError(f"ZIP is defined for two drugs, got {surface.n_drugs}")
    single = [
        fit_margin(surface, d, means, totals).effect(np.tile(surface.doses[:, d], (len(means), 1))) for d in (0, 1)
    ]
    both = np.stack(
        [
            _along(surface, means, totals, 0, single[1]),
            _along(surface, means, totals, 1, single[0]),
        ]
    )
    count = np.isfinite(both).sum(axis=0)
    fitted = np.where(count > 0, np.nansum(both, axis=0) / np.maximum(count, 1), np.nan)
    return np.where(surface.combined, bliss(single), np.nan), fitted
