"""Single-agent curves of a surface, many versions of the surface at once, and whether their EC50 can be known."""

from __future__ import annotations

import numpy as np
from scipy import stats

from rechallenge.stats.hill import AT_BOUND, Bounds, HillFits, Reason, fit_hill, flat_test
from rechallenge.stats.synergy.reference import Hill
from rechallenge.stats.synergy.types import Floats, Surface

#: Inhibition lies between none and complete.
EINF = (0.0, 1.0)


def fit_rows(
    dose: Floats, effect: Floats, weight: Floats, *, einf: float | None = None, box: tuple[float, float] = EINF
) -> HillFits:
    """Curves that start at 0: ``dose`` [n], ``effect`` and ``weight`` [N, n]; Einf free within ``box`` or fixed."""
    count, size = effect.shape
    curve = np.repeat(np.arange(count), size)
    return fit_hill(
        curve, np.tile(dose, count), effect.ravel(), weights=np.nan_to_num(weight).ravel(),
        model="4p" if einf is None else "2p", e0=0.0, einf=einf, bounds=Bounds(einf=box), n_curves=count,
    )  # fmt: skip


def fit_margin(surface: Surface, drug: int, means: Floats, totals: Floats) -> Hill:
    """Curve of one drug alone for surfaces ``means`` [B, m]; fields [B, 1], nan where it cannot be fitted.

    Einf is free between 0 and 1 where four doses and more were given, else it is 1. A drug that does nothing at all
    gives identical responses, or a curve that stays flat over the doses tested: its effects are right, its EC50
    means nothing (see ``identifiable``).
    """
    rows = surface.single(drug)
    if rows.size < 2:
        nothing = np.full((len(means), 1), np.nan)
        return Hill(nothing, nothing, nothing)
    free = None if rows.size >= 4 else 1.0
    fits = fit_rows(surface.doses[rows, drug], means[:, rows], totals[:, rows], einf=free)
    # identical responses: a curve that is at its end before the first dose
    same = fits.reason == Reason.IDENTICAL
    einf, ec50, h = (
        np.where(same, value, fitted)
        for value, fitted in ((fits.flat_mean, fits.einf), (np.finfo(float).tiny, fits.ec50), (1.0, fits.h))
    )
    return Hill(einf[:, None], ec50[:, None], h[:, None])


def identifiable(surface: Surface, drug: int, *, alpha: float = 0.01, seed: int = 0) -> tuple[bool, str]:
    """Whether the EC50 of a drug alone can be known from its replicates together, and why not.

    It cannot where fewer than three doses were given, where the response does not differ from none
    (``hill.flat_test``, p > ``alpha``), where the drug inhibits nothing, or where the EC50 runs out of the range of
    two decades around the tested doses. Loewe additivity and the combination index rest on it; HSA and Bliss do not.
    """
    rows = surface.single(drug)
    if rows.size < 3:
        return False, f"drug {drug + 1} alone has {rows.size} doses, an EC50 needs three"
    dose = np.tile(surface.doses[rows, drug], surface.n_replicates)
    effect = surface.response[:, rows].ravel()
    used = np.isfinite(effect)
    fits = fit_rows(dose[used], effect[None, used], np.ones((1, int(used.sum()))), einf=None if rows.size >= 4 else 1.0)
    if fits.reason[0] not in (Reason.NONE, Reason.SINGULAR):
        return False, f"drug {drug + 1} alone cannot be fitted: {Reason(int(fits.reason[0])).name.lower()}"
    if not fits.einf[0] > 0:
        return False, f"drug {drug + 1} alone inhibits nothing"
    null = float(np.sum(effect[used] ** 2))
    df1, df2 = fits.n_free, int(fits.df[0])
    exact = fits.rss[0] <= 1e-12 * null
    with np.errstate(divide="ignore"):
        nominal = stats.f.sf((null - fits.rss[0]) / df1 / (fits.rss[0] / df2), df1, df2) if df2 > 0 else 1.0
    # the F distribution errs towards flat (see flat_test), so that only what it does not settle needs simulation
    if not exact and not nominal <= alpha:
        p = float(flat_test(fits, n_sim=999, seed=seed).p_value[0])
        if not p <= alpha:
            return (
                False,
                f"drug {drug + 1} alone does not differ from no effect (p = {p:.2g}): its EC50 is not identifiable",
            )
    if fits.at_bound[0] & AT_BOUND["log_ec50"]:
        return False, f"the EC50 of drug {drug + 1} lies outside the tested doses by two decades or more"
    return True, ""
