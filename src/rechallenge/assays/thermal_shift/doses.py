"""Doses by temperature (two-dimensional thermal proteome profiling), and doses at one temperature."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge.assays.thermal_shift.prepare import Comparison, Floats
from rechallenge.stats.dose_temperature import MARGIN, Design, DoseFits, TooFew, cleared, dose_test, fit_doses
from rechallenge.stats.multiplicity import bh

#: proteins of each comparison whose doses are kept for drawing
SHOWN = 12
#: false-discovery rate up to which an EC50 is asked for: that of nothing is no number
SHOWN_Q = 0.1
UNIT = "log2 of soluble protein, highest dose / vehicle"


def relative(one: Comparison, *, normalise: bool) -> tuple[Floats, Floats]:
    """log2 amounts [p, s] and what was taken off each sample [s]: the median over the proteins of log2 (sample / its
    vehicle), so that a dose that changes nothing changes nothing."""
    with np.errstate(divide="ignore", invalid="ignore"):
        y = np.log2(np.where(one.values > 0, one.values, np.nan))
    off = np.zeros(y.shape[1])
    if normalise:
        keys = one.samples[["temperature_c", "replicate"]].astype(str).agg("|".join, axis=1).to_numpy()
        for j in np.flatnonzero(one.treated):
            base = (keys == keys[j]) & ~one.treated
            if base.any():
                ratio = y[:, j] - y[:, base].mean(axis=1)
                known = np.isfinite(ratio)
                off[j] = float(np.median(ratio[known])) if known.any() else 0.0
    return y - off, off


def over_doses(
    one: Comparison, *, confidence: float, permutations: int, seed: int, normalise: bool
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Result per protein (in the order of `one.proteins`), the doses of the strongest with their curves, and the
    factors of the samples. Empty tables where fewer than 20 proteins can be tested."""
    y, off = relative(one, normalise=normalise)
    samples = one.samples.assign(temperature_c=one.samples["temperature_c"].astype("float64"))
    design = Design.of(samples["dose_um"], samples["temperature_c"], samples["replicate"])
    try:
        test = dose_test(y, design, permutations=permutations, seed=seed)
    except TooFew:
        return pd.DataFrame(), pd.DataFrame(), pd.DataFrame()
    shown = bh(test.p_value) < SHOWN_Q
    fits = fit_doses(y, design, limits=shown, confidence=confidence)
    out = _rows(one, design, fits, confidence)
    out["f_statistic"], out["p_value"] = test.statistic, test.p_value
    tested = np.isfinite(test.p_value)
    out.loc[~tested, ["effect", "se", "ci_low", "ci_high", "df1", "df2"]] = np.nan
    out["status"] = np.where(tested, "estimated", "not_testable")
    out["reason"] = np.where(tested, "", "too few doses and temperatures with their vehicle for a curve")
    out.loc[fits.n == 0, "status"] = "not_estimable"
    _ec50(out, design, fits, shown)
    values = cleared(y, design)
    replicates = samples["replicate"].astype(str).to_numpy()
    seen = np.stack([np.isfinite(values[:, replicates == r]).any(axis=1) for r in sorted(set(replicates))], axis=1)
    out["n"] = out["n_vehicle"] = out["n_treated"] = seen.sum(axis=1)
    levels = len(design.levels)
    doses = len(np.unique(design.log_dose[np.isfinite(design.log_dose)]))
    out["condition"] = f"{doses} doses x {levels} temperature{'s' if levels > 1 else ''}"
    factors = samples[["treated", "replicate", "temperature_c"]].copy()
    factors["median"], factors["factor"] = 2.0**off, 2.0**-off
    factors["r2"], factors["n_proteins"], factors["by"] = np.nan, int(tested.sum()), "median ratio to vehicle"
    more = {"model": one.model, "treatment": one.treatment, "design": one.design, "note": "log2 over vehicle"}
    factors = factors.assign(
        arm=np.where(factors["treated"], one.treatment, "vehicle"),
        normalised="median ratio to vehicle" if normalise else "none",
        **more,
    )
    return out, _drawn(one, out, values, design, fits), factors


def _rows(one: Comparison, design: Design, fits: DoseFits, confidence: float) -> pd.DataFrame:
    from scipy.stats import t as student

    out = pd.DataFrame({"protein": one.proteins, "gene": one.genes})
    out["effect"], out["effect_unit"], out["se"] = fits.effect, UNIT, fits.effect_se
    half = student.ppf(0.5 + confidence / 2, np.where(fits.df2 >= 1, fits.df2, np.nan)) * fits.effect_se
    out["ci_low"], out["ci_high"] = fits.effect - half, fits.effect + half
    out["df1"], out["df2"] = fits.df1, fits.df2
    out["temperature_c"] = fits.at
    out["change"] = _change(fits.plateau)
    return out


def _change(plateau: Floats) -> list[str]:
    """'amount' where the lowest temperature measured shows more than a third of the largest effect of the others (the
    drug changes how much soluble protein there is), else 'stability'."""
    said = []
    for row in np.abs(plateau):
        known = row[np.isfinite(row)]
        if known.size < 2 or not known.max() > 0:
            said.append("")
        else:
            said.append("amount" if known[0] > known[1:].max() / 3 else "stability")
    return said


def _ec50(out: pd.DataFrame, design: Design, fits: DoseFits, seen: NDArray[np.bool_]) -> None:
    """pEC50 (-log10 M) with its limits, or why there is none."""
    low, high = design.bounds
    tested = design.log_dose[np.isfinite(design.log_dose)]
    below, above = fits.low <= low + 1e-9, fits.high >= high - 1e-9
    inside = (fits.log_ec50 >= tested.min()) & (fits.log_ec50 <= tested.max())
    out["pec50"] = np.where(seen & ~below & ~above & inside, 6 - fits.log_ec50, np.nan)
    out["pec50_low"] = np.where(seen & ~(below & above), np.where(above, -np.inf, 6 - fits.high), np.nan)
    out["pec50_high"] = np.where(seen & ~(below & above), np.where(below, np.inf, 6 - fits.low), np.nan)
    out["pec50_status"] = np.where(out["pec50"].notna(), "estimated", "not_estimable")
    out["pec50_reason"] = np.where(seen, "", f"no effect of the dose at a false-discovery rate of {SHOWN_Q:g}")
    wide = 10.0**MARGIN
    open_ = seen & (below & above)
    out.loc[open_, "pec50_reason"] = f"no dose from a {wide:.1f}th of the lowest to {wide:.1f} times the highest is out"
    bound = seen & ~open_ & out["pec50"].isna().to_numpy()
    out.loc[bound, "pec50_status"] = "censored"
    out.loc[bound & above, "pec50_reason"] = "the effect still rises at the highest dose: a bound"
    out.loc[bound & below, "pec50_reason"] = "the effect is there at the lowest dose: a bound"
    rest = bound & ~above & ~below
    out.loc[rest, "pec50_reason"] = "the EC50 lies just beyond the tested doses"


def _drawn(one: Comparison, out: pd.DataFrame, values: Floats, design: Design, fits: DoseFits) -> pd.DataFrame:
    """Measured log2 ratios to the vehicle and the fitted ones, for the proteins with the smallest p."""
    ranked = out[out["p_value"].notna()].sort_values(["p_value", "protein"]).head(SHOWN)
    share = design.response(fits.params)
    at = np.searchsorted(design.levels, design.temperature)
    parts = []
    for i in ranked.index:
        part = one.samples[["replicate", "temperature_c", "dose_um"]].copy()
        part["protein"], part["gene"] = one.proteins[i], one.genes[i]
        part["value"], part["fitted"] = values[i], fits.plateau[i, at] * share[i]
        # both as changes from the fitted level without drug: the block's mean is that level plus the curve's mean
        for b in np.unique(design.block):
            rows = (design.block == b) & np.isfinite(values[i])
            part.loc[rows, "value"] += part.loc[rows, "fitted"].mean()
        parts.append(part[part["value"].notna()])
    if not parts:
        return pd.DataFrame()
    return pd.concat(parts, ignore_index=True).assign(model=one.model, treatment=one.treatment)
