"""The numbers behind the figures: fitted lines with their bands, marks of the IC50, labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge.assays.dose_response.pairs import covariances, unpacked
from rechallenge.assays.dose_response.rules import CURVE, each

Floats = NDArray[np.float64]


def band(x: Floats, parameters: Floats, covariance: Floats, t: float) -> tuple[Floats, Floats, Floats]:
    """Fitted response at doses `x` and its limits at `t` standard errors.

    `parameters`: slope, Einf, E0, ln EC50; `covariance` [4, 4] in that order. Limits are NaN where it is not known.
    """
    slope, einf, e0, mid = parameters
    u = np.log(x) - mid
    left = 1.0 / (1.0 + np.exp(np.clip(slope * u, -700.0, 700.0)))
    value = einf + (e0 - einf) * left
    steep = (e0 - einf) * left * (1.0 - left)
    gradient = np.stack([-steep * u, 1.0 - left, left, steep * slope])
    error = np.sqrt(np.maximum(np.einsum("ik,ij,jk->k", gradient, covariance, gradient), 0.0))
    return value, value - t * error, value + t * error


def lines(curves: pd.DataFrame, *, points: int = 60, confidence: float = 0.95) -> pd.DataFrame:
    """The fitted line of every curve over its tested doses: CURVE columns, dose_um, fitted, fitted_low, fitted_high.

    A curve that is not told apart from flat is drawn as its mean, without a band; one that could not be fitted is
    not drawn.
    """
    from scipy.stats import t as student

    spread = covariances(curves["covariance"].tolist())
    out = []
    for i, row in enumerate(each(curves)):
        if not row.dose_max_um > row.dose_min_um:
            continue
        x = np.geomspace(row.dose_min_um, row.dose_max_um, points)
        shape = unpacked(row.parameters, 4)
        low = high = np.full(points, np.nan)
        if "not distinguishable from flat" in row.fit_note:
            x, low, high = x[[0, -1]], low[:2], high[:2]
            value = np.full(2, row.emax)
        elif np.isfinite(shape).all():
            t = float(student.ppf(0.5 + confidence / 2, row.df)) if row.df > 0 else float("nan")
            value, low, high = band(x, shape, spread[i], t)
        else:
            continue
        part = pd.DataFrame({"dose_um": x, "fitted": value, "fitted_low": low, "fitted_high": high})
        out.append(part.assign(**{c: getattr(row, c) for c in CURVE}))
    if not out:
        return pd.DataFrame(columns=[*CURVE, "dose_um", "fitted", "fitted_low", "fitted_high"])
    return pd.concat(out, ignore_index=True)


def marks(curves: pd.DataFrame) -> pd.DataFrame:
    """Where the IC50 is marked: CURVE columns, dose_um, level, limits inside the tested doses, and `bound`.

    A bound is marked at the end of the tested doses that the IC50 lies beyond.
    """
    known = curves[curves["status"].isin(["estimated", "censored"])]
    out = known.loc[:, list(CURVE)].copy()
    out["dose_um"] = known["ic50_um"].where(known["status"] == "estimated", known["ic50_bound_um"])
    out["level"], out["bound"] = known["level"], known["ic50_bound"]
    inside = known["status"] == "estimated"
    low = known["ic50_ci_low"].clip(lower=known["dose_min_um"], upper=known["dose_max_um"])
    high = known["ic50_ci_high"].clip(lower=known["dose_min_um"], upper=known["dose_max_um"])
    out["ic50_low"], out["ic50_high"] = low.where(inside), high.where(inside)
    return out.reset_index(drop=True)


def condition(row: pd.Series, names: tuple[str, ...]) -> str:
    """What tells a curve apart, in words: `Huh-7 LR, siAKR1B1`."""
    said = []
    for name in names:
        value = row[name]
        if name == "hours":
            said += [f"{value:g} h"] if pd.notna(value) else []
        elif value and not (name == "perturbation" and value == "none"):
            said.append(str(value))
    return ", ".join(said)


def differing(table: pd.DataFrame, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those columns in which the rows differ, and which a label must therefore name."""
    return tuple(name for name in names if len(table[name].drop_duplicates()) > 1)
