"""From signals to concentrations: one curve per plate, its working range, samples inside it, amounts per cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.designs import Planned, contrasts
from rechallenge.designs.labels import each
from rechallenge.faults import NotApplicable
from rechallenge.stats.multiplicity import bh
from rechallenge.stats.standard_curve import Curve, Range, Weights, choose, fit, working_range
from rechallenge.tables.contract import source_rows

LOGISTIC, BH = "doi:10.1016/j.ab.2005.04.035", "doi:10.1111/j.2517-6161.1995.tb02031.x"
TEXTS = (
    "plate",
    "well",
    "well_type",
    "unit",
    "sample",
    "model",
    "group",
    "replicate",
    "analyte",
    "gene",
    "block",
    "stage",
)
NUMBERS = ("absorbance", "absorbance_reference", "concentration", "dilution", "cell_number", "cell_number_sd", "time")
CURVE_COLUMNS = (
    "plate", "analyte", "model", "weights", "a", "b", "c", "d", "g", "slope", "intercept", "r2", "aicc_4pl", "aicc_5pl",
    "n_wells", "n_standards", "blank", "range_low", "range_high", "recoveries", "unit", "status", "reason",
)  # fmt: skip
WELL_COLUMNS = (
    "plate", "analyte", "well", "well_type", "sample", "dilution", "signal", "concentration", "nominal", "recovery",
    "in_range", "status", "reason", "unit", "_file", "_row",
)  # fmt: skip
COLUMNS = (
    "sample", "analyte", "gene", "model", "stage", "time", "group", "block", "replicate", "plate", "concentration",
    "ci_low", "ci_high", "cv_percent", "unit", "cell_number", "per_cell", "per_cell_ci_low", "per_cell_ci_high",
    "per_cell_unit", "dilutions", "n_wells", "confidence", "status", "reason", "source_table", "source_rows",
)  # fmt: skip
COMPARED = (
    "analyte", "gene", "model", "contrast", "kind", "group", "control", "log2fc", "se", "df", "ci_low", "ci_high",
    "fold", "fold_ci_low", "fold_ci_high", "statistic", "p_value", "p_adjusted", "q_value", "n", "n_group", "n_control",
    "mean_group", "mean_control", "unit", "design", "test", "adjustment", "interval", "confidence", "family",
    "direction", "verdict", "status", "reason", "remark", "source_table", "source_rows",
)  # fmt: skip


@dataclass(frozen=True)
class Plate:
    """The curve of one plate and analyte, what was subtracted, and its working range; `refused` says why there is
    none."""

    curve: Curve | None
    span: Range | None
    blank: float
    refused: str
    aicc: dict[str, float]


def _methods(
    made: Mapping[str, pd.DataFrame], weights: str, tolerance: float, confidence: float, min_r2: float, **_: Any
) -> str:
    elisa = made["elisa"]
    counted = elisa["status"].value_counts().to_dict()
    said = ", ".join(f"{n} {str(s).replace('_', ' ')}" for s, n in sorted(counted.items()))
    weighted = f"weights {weights}" if weights != "none" else "no weights"
    return (
        f"Concentrations were read off a logistic standard curve per plate ({LOGISTIC}; four or five parameters by "
        f"AICc, {weighted}), the mean of the blanks subtracted where there were any, wells averaged. The working "
        f"range runs over neighbouring standards that are found again within {100 * tolerance:g} %; a signal outside "
        f"it gives a bound, never an extrapolated number, and a curve with R² below {min_r2:g} or without a range is "
        f"refused ({said}). Intervals ({100 * confidence:g} %) hold the error of the wells and of the curve; amounts "
        "per million cells that of the cell count as well."
    )


@analysis(
    title="Concentrations by ELISA",
    reference=LOGISTIC,
    methods=_methods,
    gives=("elisa", "elisa_curves", "elisa_wells", "elisa_comparisons"),
    formula=(
        "y = D + (A - D) / (1 + (x / C)^B)^G, G = 1 unless AICc asks for five parameters; concentration = "
        "inverse, times dilution, per million cells"
    ),
    oracle=(
        "A Gen5 export (A 1929.2, B 1.3105, C 675.79, D 147776, 94 concentrations to 5e-4) and SoftMax files "
        "(tests/assays/test_elisa.py)"
    ),
    limits=(
        "Outside the range in which standards are read back within 80 to 120 % there are bounds only. The "
        "sample's matrix may read otherwise than the standard's buffer."
    ),
)
def elisa(
    elisa: pd.DataFrame,
    models: pd.DataFrame | None = None,
    *,
    curve: Literal["auto", "4pl", "5pl", "linear"] = "auto",
    weights: Literal["1/y", "1/y2", "none"] = "1/y",
    tolerance: float = 0.2,
    min_r2: float = 0.95,
    subtract_blank: bool = True,
    confidence: float = 0.95,
    alpha: float = 0.05,
    variances: Literal["auto", "equal", "unequal"] = "auto",
    control: tuple[str, ...] = (),
    independent: bool = False,
) -> dict[str, pd.DataFrame]:
    """Samples (`COLUMNS`), curves (`CURVE_COLUMNS`), wells (`WELL_COLUMNS`) and comparisons of groups (`COMPARED`).

    A sample's `concentration` is that of the undiluted sample with limits from wells and curve; outside the working
    range of every dilution its status is 'censored' with the bound in `ci_low` or `ci_high`; on a plate without a sound
    curve 'not_estimable'. `per_cell` is per million cells. Comparisons are ratios of `per_cell` where every sample has
    a cell number, else of concentrations, by biological replicate; `direction` is the sign of the difference of a
    resistant line from its parent. Raises NotApplicable where no plate holds standards and samples.
    """
    table = filled(elisa)
    plates: dict[tuple[str, str], Plate] = {}
    for (plate, analyte), part in table.groupby(["plate", "analyte"], sort=True):
        plates[str(plate), str(analyte)] = calibrate(part, curve, weights, tolerance, min_r2, subtract_blank)
    wells = _wells(table, plates)
    samples = _samples(table, wells, plates, confidence)
    if samples.empty:
        raise NotApplicable("no plate holds sample wells")
    return {
        "elisa": samples.loc[:, list(COLUMNS)],
        "elisa_curves": _curves(table, plates),
        "elisa_wells": wells.loc[:, list(WELL_COLUMNS)],
        "elisa_comparisons": _comparisons(samples, models, confidence, alpha, variances, control, independent),
    }


def filled(elisa: pd.DataFrame) -> pd.DataFrame:
    """The table with every column of the contract, texts trimmed and `signal` = absorbance less its reference."""
    table = elisa.copy()
    for name in TEXTS:
        table[name] = table[name].fillna("").astype(str).str.strip() if name in table.columns else ""
    for name in NUMBERS:
        table[name] = pd.to_numeric(table[name]).astype("float64") if name in table.columns else np.nan
    for name, empty in (("_file", ""), ("_row", 0)):
        if name not in table.columns:
            table[name] = empty
    table["dilution"] = table["dilution"].fillna(1.0)
    table["raw"] = table["absorbance"] - table["absorbance_reference"].fillna(0.0)
    return table.sort_values(["plate", "analyte", "well", "raw"], kind="mergesort").reset_index(drop=True)


def calibrate(
    part: pd.DataFrame, model: str, weights: Weights, tolerance: float, min_r2: float, subtract_blank: bool
) -> Plate:
    """The curve of one plate, or why there is none."""
    blanks = part.loc[part["well_type"] == "blank", "raw"].dropna()
    blank = float(blanks.mean()) if subtract_blank and len(blanks) else 0.0
    standard = part[(part["well_type"] == "standard") & part["concentration"].notna() & part["raw"].notna()]
    if standard.empty:
        return Plate(None, None, blank, "the plate has no standards", {})
    x, raw = standard["concentration"].to_numpy(), standard["raw"].to_numpy()
    aicc: dict[str, float] = {}
    try:
        if model == "auto":
            found, aicc = choose(x, raw - blank, weights=weights, raw=raw)
        else:
            found = fit(x, raw - blank, model=model, weights=weights, raw=raw)  # type: ignore[arg-type]
    except ValueError as e:
        return Plate(None, None, blank, f"the curve could not be fitted: {e}", aicc)
    span = working_range(found, x, raw - blank, tolerance=tolerance)
    refused = ""
    if not found.f_p_value < 0.001:
        refused = f"the signal does not follow the concentration (p = {found.f_p_value:.2g}, R² = {found.r2:.3g})"
    elif not found.r2 >= min_r2:
        refused = f"R² = {found.r2:.3g} is below {min_r2:g}"
    elif np.isnan(span.low):
        refused = f"no two neighbouring standards are found again within {100 * tolerance:g} %"
    return Plate(found, span, blank, refused, aicc)


def _curves(table: pd.DataFrame, plates: dict[tuple[str, str], Plate]) -> pd.DataFrame:
    rows = []
    for (plate, analyte), made in plates.items():
        part = table[(table["plate"] == plate) & (table["analyte"] == analyte)]
        standard = part[part["well_type"] == "standard"]
        row: dict[str, Any] = {
            "plate": plate, "analyte": analyte, "n_wells": len(standard), "blank": made.blank,
            "n_standards": standard["concentration"].nunique(), "unit": _unit(part),
            "status": "not_estimable" if made.refused else "estimated", "reason": made.refused,
            "aicc_4pl": made.aicc.get("4pl", np.nan), "aicc_5pl": made.aicc.get("5pl", np.nan),
        }  # fmt: skip
        if made.curve is not None:
            row |= {"model": made.curve.model, "weights": made.curve.weights, "r2": made.curve.r2, **made.curve.named}
        if made.span is not None:
            row |= {"range_low": made.span.low, "range_high": made.span.high}
            row["recoveries"] = ", ".join(f"{k:g}: {100 * v:.0f} %" for k, v in made.span.recovery.items())
        rows.append(row)
    return pd.DataFrame(rows).reindex(columns=list(CURVE_COLUMNS))


def _unit(part: pd.DataFrame) -> str:
    return next((u for u in part["unit"] if u), "")


def _read(made: Plate, signal: float) -> tuple[float, str]:
    """Concentration at a signal in the working range, else on which side of it the signal is."""
    assert made.curve is not None and made.span is not None
    low, high = made.span.signal_low, made.span.signal_high
    up = high > low
    if signal < low if up else signal > low:
        # a standard at the end of the range may lie a little beyond its own predicted signal
        return float("nan"), "below"
    if signal > high if up else signal < high:
        return float("nan"), "above"
    return float(made.curve.invert(signal)), ""


def _wells(table: pd.DataFrame, plates: dict[tuple[str, str], Plate]) -> pd.DataFrame:
    """Every well with its own concentration (in the well), flagged where it is outside the range."""
    rows = table[table["raw"].notna()].copy()
    keys = list(zip(rows["plate"], rows["analyte"], strict=True))
    rows["signal"] = rows["raw"] - [plates[k].blank for k in keys]
    out = []
    for key, well in zip(keys, each(rows), strict=True):
        made = plates[key]
        if made.refused:
            out.append((np.nan, "", "not_estimable", made.refused))
            continue
        value, side = _read(made, float(well.signal))
        if well.well_type in ("standard", "blank"):  # of standards the recovery is wanted, beyond the range too
            value = float(made.curve.invert(well.signal)) if made.curve is not None else np.nan
        reason = f"{side} the working range" if side else ""
        out.append((value, side, "censored" if side else "estimated", reason))
    rows["nominal"] = rows["concentration"]
    rows["concentration"], rows["_side"], rows["status"], rows["reason"] = zip(*out, strict=True) if out else ((),) * 4
    rows["in_range"] = rows["status"] == "estimated"
    rows["recovery"] = rows["concentration"] / rows["nominal"].where(rows["nominal"] > 0)
    return rows


def _samples(
    table: pd.DataFrame, wells: pd.DataFrame, plates: dict[tuple[str, str], Plate], confidence: float
) -> pd.DataFrame:
    """Samples: replicate wells of one dilution averaged, dilutions inside the range combined."""
    mine = wells[wells["well_type"] == "sample"]
    rows = []
    for (plate, analyte, sample), part in mine.groupby(["plate", "analyte", "sample"], sort=True):
        first, made = part.iloc[0], plates[str(plate), str(analyte)]
        row = {c: first[c] for c in ("gene", "model", "stage", "time", "group", "block", "replicate")}
        row |= {"sample": sample, "analyte": analyte, "plate": plate, "unit": _unit(part), "n_wells": len(part)}
        row["dilutions"] = ", ".join(f"{d:g}" for d in sorted(set(part["dilution"])))
        row["source_rows"] = source_rows(part["_file"], part["_row"].astype(int))
        row |= _concentration(part, made, confidence) if not made.refused else _nothing(made.refused)
        row |= _per_cell(part, row, confidence)
        rows.append(row)
    out = pd.DataFrame(rows)
    if len(out):
        out["replicate"] = out["replicate"].where(out["replicate"] != "", out["sample"])
        out["confidence"], out["source_table"] = confidence, "elisa"
    return out.reindex(columns=[*COLUMNS, "_log_se"])


def _nothing(reason: str) -> dict[str, Any]:
    return {"concentration": np.nan, "status": "not_estimable", "reason": reason, "_log_se": np.nan}


def _concentration(part: pd.DataFrame, made: Plate, confidence: float) -> dict[str, Any]:
    from scipy.stats import t as student

    assert made.curve is not None and made.span is not None
    logs, errors, low, high, sides = [], [], 0.0, np.inf, []
    for factor, wells in part.groupby("dilution", sort=True):
        dilution = float(str(factor))
        signal, raw, m = float(wells["signal"].mean()), float(wells["raw"].mean()), len(wells)
        value, side = _read(made, signal)
        if side == "above":
            low = max(low, made.span.high * dilution)
        elif side == "below":
            high = min(high, made.span.low * dilution)
        else:
            logs.append(np.log(value * dilution))
            errors.append(float(made.curve.log_error([value], [m], [raw])[0]))
        sides.append(side)
    if logs:
        error = float(np.sqrt(np.mean(np.square(errors)) / len(errors)))
        reach = float(student.ppf(0.5 + confidence / 2, made.curve.df)) * error
        middle = float(np.mean(logs))
        limits = np.exp([middle, middle - reach, middle + reach])
        left = sum(1 for s in sides if s)
        reason = f"{left} dilution{'s' if left > 1 else ''} outside the working range not used" if left else ""
        return {"concentration": limits[0], "ci_low": limits[1], "ci_high": limits[2], "cv_percent": 100 * error,
                "status": "estimated", "reason": reason, "_log_se": error}  # fmt: skip
    beyond = " and ".join(sorted({f"{s} the working range" for s in sides}))
    return {**_nothing(beyond), "ci_low": low, "ci_high": high, "status": "censored"}


def _per_cell(part: pd.DataFrame, row: dict[str, Any], confidence: float) -> dict[str, Any]:
    """Amount per million cells, with the error of the count (its SD, where given) added."""
    from scipy.stats import norm

    count = part["cell_number"].dropna()
    count = count[count > 0]
    unit = f"{row['unit'] or 'units'} per million cells"
    if count.empty:
        return {"cell_number": np.nan, "per_cell": np.nan, "per_cell_unit": ""}
    cells = float(count.mean())
    out = {"cell_number": cells, "per_cell_unit": unit}
    scale = 1e6 / cells
    if row["status"] == "estimated":
        spread = part["cell_number_sd"].dropna()
        relative = float(spread.mean()) / cells if len(spread) else 0.0
        half = (np.log(row["ci_high"]) - np.log(row["ci_low"])) / 2
        half = float(np.hypot(half, norm.ppf(0.5 + confidence / 2) * relative))
        value = row["concentration"] * scale
        return {
            **out,
            "per_cell": value,
            "per_cell_ci_low": value * np.exp(-half),
            "per_cell_ci_high": value * np.exp(half),
        }
    if row["status"] == "censored":
        return {**out, "per_cell_ci_low": row["ci_low"] * scale, "per_cell_ci_high": row["ci_high"] * scale}
    return out


def _comparisons(
    samples: pd.DataFrame, models: pd.DataFrame | None, confidence: float, alpha: float, variances: Any,
    control: tuple[str, ...], independent: bool,
) -> pd.DataFrame:  # fmt: skip
    """Ratios between groups, stages and lines, by biological replicate; no rows where nothing can be compared."""
    known = samples[samples["status"].isin(["estimated", "censored"]) & (samples["group"] != "")]
    tables = []
    for (analyte, gene), part in known.groupby(["analyte", "gene"], sort=True):
        by_cell = part["cell_number"].notna().all()
        value, low, high = (
            ("per_cell", "per_cell_ci_low", "per_cell_ci_high") if by_cell else ("concentration", "ci_low", "ci_high")
        )
        unit = part["per_cell_unit"].iloc[0] if by_cell else part["unit"].iloc[0]
        censored = part["status"] == "censored"
        below = censored & (part[low] <= 0) & np.isfinite(part[high])
        above = censored & ~np.isfinite(part[high])
        use = part.assign(
            y=np.log2(part[value].where(~below, part[high]).where(~above, part[low]).astype("float64")),
            bound=np.select([below, above], [-1, 1], 0),
        )
        use = use[np.isfinite(use["y"])]
        keys = ["model", "stage", "time", "group", "block", "replicate"]
        means = use.groupby(keys, sort=True, dropna=False).agg(
            y=("y", "mean"), bound=("bound", "max"), low=("bound", "min")
        )
        means["bound"] = np.where(means["low"] < 0, -1, means["bound"])
        found, planned, _ = contrasts(
            means.reset_index(), models, log=True, independent=independent, variances=variances,
            confidence=confidence, alpha=alpha, declared=frozenset(control),
        )  # fmt: skip
        if found.empty:
            continue
        found = found.assign(analyte=str(analyte), gene=str(gene), unit=unit)
        found["source_rows"] = [_origin(use, p) for p in planned]
        tables.append(found)
    if not tables:
        return pd.DataFrame(columns=list(COMPARED))
    out = pd.concat(tables, ignore_index=True).rename(columns={"effect": "log2fc"})
    out["confidence"], out["source_table"], out["q_value"] = confidence, "elisa", bh(out["p_value"])
    called = np.where(out["p_adjusted"] < alpha, np.sign(out["log2fc"].fillna(0)), 0)
    bound = (out["status"] == "censored") & ((out["ci_low"] > 0) | (out["ci_high"] < 0))  # a bound beyond no change
    called = np.where(bound, np.where(out["ci_low"] > 0, 1, -1), called)
    out["direction"] = np.where(out["kind"] == "model", called, 0).astype(int)
    return out.loc[:, list(COMPARED)]


def _origin(use: pd.DataFrame, plan: Planned) -> str:
    """The rows of the wells of the samples that a contrast rests on."""
    parts = []
    for arm in plan.weights:
        time = use["time"].isna() if arm[2] is None else use["time"] == arm[2]
        mine = use[(use["model"] == arm[0]) & (use["stage"] == arm[1]) & time & (use["group"] == arm[3])]
        parts += mine["source_rows"].tolist()
    files: list[str] = []
    rows: list[int] = []
    for part in filter(None, ";".join(parts).split(";")):
        file, _, spans = part.rpartition(":")
        for span in spans.split(","):
            first, _, last = span.partition("-")
            for r in range(int(first), int(last or first) + 1):
                files.append(file)
                rows.append(r)
    return source_rows(files, rows)
