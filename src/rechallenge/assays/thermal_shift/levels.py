"""Designs without a melting curve: one temperature, pooled temperatures (PISA), bands of few proteins, proteases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.assays.thermal_shift.prepare import BANDS, DARTS, INTEGRAL, Comparison, Floats, no_protease
from rechallenge.stats.factorial import Arm, Contrast, contrast
from rechallenge.stats.melt import fit_melts, melting_point
from rechallenge.stats.moderated import fit, moderate


def amounts(one: Comparison, *, min_replicates: int, confidence: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Log2 ratios of soluble protein, treated over vehicle, by moderated t; one row per protein and temperature (or
    pool). Samples are brought to the same median log2 over the proteins that all of them have. Replicates are blocks
    where every treated sample has its vehicle."""
    parts, factors = [], []
    keys = one.samples["range_c"].astype(str) if one.design == INTEGRAL else one.samples["temperature_c"]
    for level in sorted(set(keys)):
        here = one.part((keys == level).to_numpy())
        if here.treated.all() or not here.treated.any():
            continue
        found, factor = _amounts(here, min_replicates, confidence)
        found["temperature_c"] = np.nan if one.design == INTEGRAL else float(level)
        found["condition"] = f"pooled {level}".strip() if one.design == INTEGRAL else f"{level:g} °C"
        parts.append(found)
        factors.append(factor)
    if not parts:
        return pd.DataFrame(), pd.DataFrame()
    return pd.concat(parts, ignore_index=True), pd.concat(factors, ignore_index=True)


def _amounts(one: Comparison, min_replicates: int, confidence: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    with np.errstate(divide="ignore"):
        y = np.log2(np.where(one.values > 0, one.values, np.nan))
    complete = np.isfinite(y).all(axis=1)
    median = np.median(y[complete], axis=0) if complete.any() else np.zeros(y.shape[1])
    y = y - (median - median.mean())
    treated = one.treated
    labels = one.samples["replicate"].astype(str).to_numpy()
    design = np.column_stack([np.ones(len(treated)), treated.astype(float)])
    paired = sorted(labels[treated]) == sorted(labels[~treated]) and len(set(labels)) == treated.sum() >= 2
    if paired:
        blocks = sorted(set(labels))[1:]
        design = np.column_stack([design, *[(labels == b).astype(float) for b in blocks]])
    fitted = fit(y, design)
    weights = np.zeros(design.shape[1])
    weights[1] = 1.0
    n_vehicle, n_treated = np.isfinite(y[:, ~treated]).sum(axis=1), np.isfinite(y[:, treated]).sum(axis=1)
    out = pd.DataFrame({"protein": one.proteins, "gene": one.genes, "n_vehicle": n_vehicle, "n_treated": n_treated})
    out["n"] = n_vehicle + n_treated
    out["effect"], out["effect_unit"] = fitted.coef[:, 1], "log2 of soluble protein, treated / vehicle"
    tested = (n_vehicle >= min_replicates) & (n_treated >= min_replicates) & (fitted.df > 0)
    for name in ("se", "ci_low", "ci_high", "statistic", "p_value", "df2"):
        out[name] = np.nan
    if tested.sum() >= 3:
        found = moderate(fitted, weights, trend=bool(tested.sum() >= 100), confidence=confidence)
        for name in ("se", "ci_low", "ci_high", "statistic", "p_value"):
            out.loc[tested, name] = getattr(found, name)[tested, 0]
        out.loc[tested, "df2"] = found.df[tested]
        # t squared, so that all designs can be ranked by one column
        out["f_statistic"], out["df1"] = out["statistic"] ** 2, np.where(tested, 1.0, np.nan)
    tested &= np.isfinite(out["p_value"].to_numpy())
    out["status"] = np.where(tested, "estimated", np.where(np.isfinite(out["effect"]), "not_testable", "not_estimable"))
    out["reason"] = np.where(
        tested, "", np.where(np.isfinite(out["effect"]), f"fewer than {min_replicates} replicates in an arm",
                             "not measured in both arms")
    )  # fmt: skip
    out["block"] = "replicate" if paired else ""
    factor = one.samples[["treated", "replicate", "temperature_c"]].copy()
    factor["median"], factor["factor"] = 2.0**median, 2.0 ** -(median - median.mean())
    factor["r2"], factor["n_proteins"] = np.nan, int(complete.sum())
    return out, factor


def bands(rows: pd.DataFrame, model: str, treatment: str, design: str, confidence: float) -> pd.DataFrame:
    """Western CETSA and DARTS: per protein the interaction of treatment and heat (or protease), replicate as block.

    In each lane the band (over its loading control) is taken relative to the lane of the lowest temperature (or without
    protease) of the same replicate, membrane and arm; so the fraction that withstands the challenge is compared, and
    a different amount of protein in the two arms does not matter. The overall row averages the challenged levels; one
    row per level follows, with Holm's adjustment left to the caller.
    """
    out = []
    for protein, part in rows.groupby("protein", sort=True):
        out += _protein(part, str(protein), design, confidence)
    return pd.DataFrame(out).assign(model=model, treatment=treatment)


def _level(design: str, part: pd.DataFrame) -> pd.Series[Any]:
    if design == DARTS:
        return part["protease"].map(lambda x: "" if no_protease(x) else str(x))
    return part["temperature_c"].map(lambda x: f"{x:g}" if x == x else "")


def _protein(part: pd.DataFrame, protein: str, design: str, confidence: float) -> list[dict[str, Any]]:
    part = part.assign(level=_level(design, part))
    keys = ["vehicle", "replicate", "blot", "level"]
    lanes = part.groupby(keys, sort=True)["value"].mean().reset_index()
    both = [set(lanes.loc[lanes["vehicle"] == arm, "level"]) for arm in (False, True)]
    levels = sorted(both[0] & both[1], key=_order)
    gene = next((g for g in part["gene"] if g), protein)
    if not levels:
        return [_nothing(protein, gene, design)]
    lanes = lanes[lanes["level"].isin(levels)].reset_index(drop=True)
    base = levels[0]
    relative = len(levels) > 1
    if relative:
        first = lanes[lanes["level"] == base].set_index(["vehicle", "replicate", "blot"])["value"]
        on = pd.MultiIndex.from_frame(lanes[["vehicle", "replicate", "blot"]])
        lowest = first.reindex(on).to_numpy()
        lanes["y"] = np.where(lowest > 0, lanes["value"] / np.where(lowest > 0, lowest, 1.0), np.nan)
        challenged, unit = levels[1:], "fraction left, treated - vehicle"
    else:
        lanes["y"] = np.log2(lanes["value"].where(lanes["value"] > 0))
        challenged, unit = levels, "log2 of protein, treated / vehicle"
    means = lanes.groupby(["vehicle", "level", "replicate"], sort=True)["y"].mean()

    def arm(vehicle: bool, level: str) -> Arm:
        try:
            found = means.loc[vehicle, level].dropna()
        except KeyError:
            return {}
        return {str(k): float(v) for k, v in found.items()}

    def average(vehicle: bool) -> Arm:
        each = [arm(vehicle, level) for level in challenged]
        shared = set.intersection(*(set(a) for a in each)) if each else set()
        return {r: float(np.mean([a[r] for a in each])) for r in sorted(shared)}

    names = ["treated", "vehicle"]
    tests = [("", contrast([average(False), average(True)], [1, -1], confidence=confidence, names=names))]
    if len(challenged) > 1:
        tests += [
            (level, contrast([arm(False, level), arm(True, level)], [1, -1], confidence=confidence, names=names))
            for level in challenged
        ]
    rows = []
    for level, test in tests:
        row = {"protein": protein, "gene": gene, "effect_unit": unit, "temperature_c": np.nan, **_numbers(test)}
        row["condition"] = _condition(design, level, challenged)
        row["overall"] = level == ""
        if level and design == BANDS and level:
            row["temperature_c"] = float(level)
        rows.append(row)
    if design == BANDS and relative and len(levels) >= 5:
        rows[0] |= _tm(lanes, levels, confidence)
    return rows


def _nothing(protein: str, gene: str, design: str) -> dict[str, Any]:
    what = "amount of protease" if design == DARTS else "temperature"
    return {
        "protein": protein,
        "gene": gene,
        "effect": np.nan,
        "n": 0,
        "condition": "",
        "overall": True,
        "status": "not_estimable",
        "reason": f"the two arms share no {what}",
    }


def _order(level: str) -> tuple[int, float, str]:
    if level == "":
        return (0, 0.0, "")
    ratio = level.replace(",", ".").split(":")
    try:
        number = float(ratio[0]) / float(ratio[1]) if len(ratio) == 2 else float(ratio[0].split()[0])
    except (ValueError, ZeroDivisionError, IndexError):
        return (2, 0.0, level)
    return (1, number, level)


def _condition(design: str, level: str, challenged: list[str]) -> str:
    what = "protease" if design == DARTS else "°C"
    if level:
        return f"protease {level}" if design == DARTS else f"{level} °C"
    if len(challenged) == 1:
        one = challenged[0]
        return (f"protease {one}" if design == DARTS else f"{one} °C") if one else "all samples"
    return f"mean of {len(challenged)} " + ("amounts of protease" if what == "protease" else "temperatures")


def _numbers(test: Contrast) -> dict[str, Any]:
    return {
        "effect": test.effect, "se": test.se, "ci_low": test.ci_low, "ci_high": test.ci_high,
        "statistic": test.statistic, "f_statistic": test.statistic**2, "df1": 1.0, "df2": test.df,
        "p_value": test.p_value, "n": test.n, "block": test.design, "status": test.status, "reason": test.reason,
    }  # fmt: skip


def _tm(lanes: pd.DataFrame, levels: list[str], confidence: float) -> dict[str, Any]:
    """Melting points of each replicate's bands and their difference."""
    t = np.array([float(x) for x in levels])
    wide = lanes.pivot_table(index=["vehicle", "replicate"], columns="level", values="y", aggfunc="mean")
    y: Floats = wide.reindex(columns=levels).to_numpy(dtype=np.float64)
    fitted = fit_melts(y, t, starts=4)
    tm = melting_point(fitted.params)
    good = (tm >= t.min()) & (tm <= t.max()) & (fitted.r2 >= 0.8)
    known: dict[bool, dict[str, float]] = {False: {}, True: {}}
    for (vehicle, replicate), value, ok in zip(wide.index, tm, good, strict=True):
        known[bool(vehicle)][str(replicate)] = float(value) if ok else np.nan
    if not all(good):
        reason = f"a curve does not cross one half within {t.min():g} to {t.max():g} °C in every replicate"
        return {"tm_status": "not_estimable", "tm_reason": reason}
    test = contrast([known[False], known[True]], [1, -1], confidence=confidence)
    return {
        "tm_vehicle_c": float(np.mean(list(known[True].values()))),
        "tm_treated_c": float(np.mean(list(known[False].values()))),
        "delta_tm_c": test.effect, "delta_tm_low": test.ci_low, "delta_tm_high": test.ci_high,
        "tm_status": "estimated", "tm_reason": test.reason,
    }  # fmt: skip
