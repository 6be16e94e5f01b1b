"""Excess over a reference model, for many versions of one surface at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rechallenge.stats.synergy.margins import fit_margin, identifiable
from rechallenge.stats.synergy.reference import bliss, hsa, loewe
from rechallenge.stats.synergy.types import ABSENT, NOT_MEASURED, Floats, Surface
from rechallenge.stats.synergy.zip import zip_surfaces

Method = Literal["hsa", "bliss", "loewe", "zip"]
Margin = Literal["measured", "fitted"]
METHODS: tuple[Method, ...] = ("hsa", "bliss", "loewe", "zip")

#: Where the reference of an unreachable cell is known to within this inhibition, it counts as estimated.
PINNED = 0.05


@dataclass(frozen=True)
class Excess:
    """Reference, observed and excess inhibition (fractions) of B surfaces; nan outside combinations.

    ``status`` [m], of the first surface: 'estimated'; 'bound' (the reference is at least what is given, the excess at
    most); 'not_estimable'; '' where fewer than two drugs were given. ``reason``: why not estimable, as far as it holds
    for the whole surface.
    """

    reference: Floats
    observed: Floats
    status: NDArray[np.str_]
    reason: str

    @property
    def excess(self) -> Floats:
        return np.asarray(self.observed - self.reference)


def _singles(surface: Surface, means: Floats, totals: Floats, margin: Margin, neutral: float) -> Floats:
    """Effect of every drug alone [k, B, m] at the dose it has in each combination; ``neutral`` where it is absent."""
    out = np.empty((surface.n_drugs, *means.shape))
    for d in range(surface.n_drugs):
        at = surface.alone[:, d]
        if margin == "fitted":
            curve = fit_margin(surface, d, means, totals)
            out[d] = curve.effect(np.tile(surface.doses[:, d], (len(means), 1)))
        else:
            out[d] = np.where(at == NOT_MEASURED, np.nan, means[:, np.maximum(at, 0)])
        out[d][:, at == ABSENT] = neutral
    return out


def excess(
    surface: Surface, method: Method, weights: Floats | None = None, *, margin: Margin = "measured", seed: int = 0
) -> Excess:
    """Excess of the replicate-weighted mean surface over a reference model.

    ``weights`` [B, R]: weight of every biological replicate in each of B surfaces; one surface of all replicates by
    default. ``margin``: HSA and Bliss take the single agents as 'measured' at the very dose, or from their 'fitted'
    curves (rays whose single agents were tested at other doses need this). Loewe and ZIP always fit. Raises
    ValueError for an unknown method and for Loewe or ZIP with more than two drugs.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {METHODS}, got {method!r}")
    if margin not in ("measured", "fitted"):
        raise ValueError(f"margin must be 'measured' or 'fitted', got {margin!r}")
    if weights is None:
        weights = np.ones((1, surface.n_replicates))
    means, totals = surface.weighted(weights)
    observed = np.where(surface.combined, means, np.nan)
    bounded = np.zeros(surface.doses.shape[0], dtype=bool)
    reason = ""
    if method == "hsa":
        reference = hsa(_singles(surface, means, totals, margin, -np.inf))
    elif method == "bliss":
        reference = bliss(_singles(surface, means, totals, margin, 0.0))
    elif method == "zip":
        reference, observed = zip_surfaces(surface, means, totals)
    else:
        if surface.n_drugs != 2:
            raise ValueError(f"Loewe is implemented for two drugs, got {surface.n_drugs}")
        reasons = [text for ok, text in (identifiable(surface, d, seed=seed) for d in (0, 1)) if not ok]
        reason = "; ".join(reasons)
        if reasons:
            reference = np.full(means.shape, np.nan)
        else:
            a, b = (fit_margin(surface, d, means, totals) for d in (0, 1))
            reference, bound = loewe(surface.doses[:, 0], surface.doses[:, 1], a, b)
            most = np.maximum(a.einf, b.einf)
            bounded = (bound & (most - reference > PINNED))[0]
    reference = np.where(surface.combined, reference, np.nan)
    known = np.isfinite(reference[0]) & np.isfinite(observed[0])
    status = np.where(known, np.where(bounded, "bound", "estimated"), "not_estimable")
    status = np.where(surface.combined, status, "")
    if not reason and not np.any(known):
        if not surface.combined.any():
            reason = "no combination of two drugs was measured"
        elif method in ("hsa", "bliss"):
            reason = "the single agents were not measured at the doses of the combinations"
        else:
            reason = "too few doses for the curves"
    return Excess(reference, observed, status, reason)
