"""What a fitted curve allows one to say: a number, a bound, or the reason why there is neither."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.assays.dose_response.rising import LARGE_RISE

#: parameters of a fitted curve that a flat or failed one does not have
_SHAPE = ("ec50_um", "ec50_ci_low", "ec50_ci_high", "hill", "einf")

#: what the fit says where there is nothing to fit; the mean is known all the same
SAME = "all responses are identical"


def settle(table: pd.DataFrame, chosen: dict[str, Any]) -> pd.DataFrame:
    """Type every curve: a number, a bound, or the reason why there is neither."""
    out = table.copy()
    same = out["reason"] == SAME
    _from_mean(out, chosen)
    rise, returns = out.pop("_rise"), out.pop("_returns")
    engine, low, high = out.pop("_status"), out.pop("_lo"), out.pop("_hi")
    p = out["f_p_value"]
    flat = ((p >= chosen["flat_alpha"]) & (out["reason"] == "")) | same
    open_low, open_high = ~(low > 0), ~np.isfinite(high)
    level = f"{chosen['level']:g}"
    status = engine.where(~engine.str.startswith("censored"), "censored").astype(object)
    bound = engine.map({"censored_above": "above", "censored_below": "below"}).fillna("").astype(object)
    reason = out["reason"].astype(object)
    lost = engine.ne("not_estimable") & open_low & open_high
    unclear = engine.eq("estimated") & flat & (open_low | open_high)
    reason = reason.mask(lost, f"the scatter is so large that a viability of {level} is excluded at no tested dose")
    reason = reason.mask(unclear & ~lost, "no effect of the dose is shown, and the IC50 is open on one side")
    status = status.mask(lost | unclear, "not_estimable")
    bound = bound.mask(lost | unclear, "")
    # A bound says that the response falls through the level beyond the tested doses: not where the data show otherwise.
    rising = (rise >= LARGE_RISE) & (status.eq("censored") | lost | unclear | (out["einf"] > out["e0"]))
    turned = returns & bound.eq("above") & ~rising
    reason = reason.mask(rising, "viability rises with dose")
    reason = reason.mask(turned, f"viability is below {level} at lower doses and above it again at higher ones")
    status = status.mask(rising | turned, "not_estimable")
    bound = bound.mask(rising | turned, "")
    reason = reason.mask(bound.eq("above"), f"viability stays above {level} up to the highest dose")
    reason = reason.mask(bound.eq("below"), f"viability is below {level} already at the lowest dose")
    reason = reason.mask(bound.eq("above") & flat, "no effect of the drug is shown up to the highest dose")
    known, none = status.eq("estimated"), status.eq("not_estimable")
    out["status"], out["reason"], out["ic50_bound"] = status, reason, bound
    out["ic50_um"] = (10.0 ** out["log10_ic50"]).where(known)
    out["ic50_ci_low"], out["ic50_ci_high"] = low.where(~none), high.where(~none)
    out["ic50_bound_um"] = out["dose_max_um"].where(bound == "above", out["dose_min_um"].where(bound == "below"))
    for c in ("log10_ic50", "log10_ic50_se"):
        out[c] = out[c].where(known)
    out["df"] = out["df"].where(~none)
    out["interval_from"] = out["interval_from"].where(~none, "")
    out.loc[flat, list(_SHAPE)] = np.nan
    mean, width = out.pop("_mean"), np.log10(out["dose_max_um"] / out["dose_min_um"])
    out["emax"] = out["emax"].mask(flat, mean)
    out["auc_normalised"] = out["auc_normalised"].mask(flat & (width > 0), mean)
    out["auc"] = out["auc"].mask(flat & (width > 0), mean * width)
    out["dss"] = out["dss"].mask(flat, _flat_score(mean, chosen))
    beyond = out["ec50_um"].isna() & (out["parameters"] != "") & ~flat
    out["hill"] = out["hill"].mask(beyond)
    note = out["fit_note"].astype(object)
    out["fit_note"] = note
    _say(out, out["fit_model"] != chosen["model"], f"too few doses for {chosen['model']}")
    _say(out, out["e0_free"] & ~flat, "response without drug fitted")
    _say(out, flat, "not distinguishable from flat")
    _say(out, beyond, "EC50 outside the tested doses")
    _say(out, rise.notna() & ~rising & (out["ic50_bound"] == "above"), "viability rises with dose")
    _say(out, out["hook"] == "up", "response rises again at high doses (hook)")
    _say(out, out["hook"] == "down", "response rises before it falls")
    _say(out, (out["lack_of_fit_p"] < 0.01) & ~flat, "the curve misses the dose means (lack of fit)")
    _say(
        out,
        out["n_replicates"] == 1,
        "one biological replicate: the interval says how well the curve is read, not repeated",
    )
    return out


def _from_mean(table: pd.DataFrame, chosen: dict[str, Any]) -> None:
    """Bounds for curves whose parameters all lie at their limits (every dose kills, say), from the mean response.

    So too where all responses are identical. Such a fit has no variance of its own; the mean over the doses with its
    t interval over biological replicates (over points where there is one) says on which side of the level the response
    lies.
    """
    from scipy.stats import t as student

    mute = (table["_status"] == "not_estimable") & table["reason"].isin(["", SAME])
    with np.errstate(invalid="ignore"):
        t = student.ppf(0.5 + chosen["confidence"] / 2, table["_mean_df"])
    reach = t * table.pop("_mean_se")
    below = mute & (table["_mean"] + reach < chosen["level"])
    above = mute & (table["_mean"] - reach > chosen["level"])
    table["_status"] = table["_status"].mask(below, "censored_below").mask(above, "censored_above")
    table["_lo"] = table["_lo"].mask(below, 0.0).mask(above, table["dose_max_um"])
    table["_hi"] = table["_hi"].mask(below, table["dose_min_um"]).mask(above, np.inf)
    table["df"] = table["df"].mask(below | above, table.pop("_mean_df"))
    told = np.where(table["n_replicates"] >= 2, "biological replicates", "residuals")
    table["interval_from"] = table["interval_from"].mask(below | above, pd.Series(told, index=table.index))
    table["reason"] = table["reason"].mask(below | above, "")
    table["reason"] = table["reason"].mask(
        mute & ~below & ~above & (table["reason"] == ""), "the fit ended at the limits of its parameters"
    )


def _say(table: pd.DataFrame, where: pd.Series, words: str) -> None:
    """Add words to the fit note of some rows."""
    joined = table["fit_note"].where(table["fit_note"] == "", table["fit_note"] + "; ") + words
    table["fit_note"] = table["fit_note"].mask(where, joined)


def _flat_score(mean: pd.Series, chosen: dict[str, Any]) -> pd.Series:
    """Drug sensitivity score of a constant response."""
    a, threshold = 100.0 * (1.0 - mean).clip(0.0, 1.0), chosen["dss_threshold"]
    score: pd.Series = (100.0 * (a - threshold) / (100.0 - threshold)).clip(lower=0.0)
    if chosen["dss_type"] >= 2:
        score = score / np.log10(a.where(a > threshold, 10.0))
    return score
