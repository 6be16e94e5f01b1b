"""Wells to viability: blank off, divided by the vehicle wells of the plate, technical wells averaged."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.assays.dose_response.rules import CONDITION, CURVE
from rechallenge.faults import NotApplicable
from rechallenge.tables.normalise import Centre, Positive, Vehicle, as_text, origins, reference_signal
from rechallenge.tables.well_rules import types_of
from rechallenge.tables.wells import parse_well

TEXTS = ("model", "drug", "replicate", "plate", "well", "well_type", "vehicle_plate", "exclude")
NUMBERS = ("dose_um", "viability", "signal", "hours", "time0_signal")
RESPONSE_COLUMNS = (
    *CURVE,
    "dose_um",
    "replicate",
    "plate",
    "well_type",
    "response",
    "sd_wells",
    "n_wells",
    "gr",
    "reference",
    "excluded",
    "source_table",
    "source_rows",
)
#: other names of columns, as tables from outside have them
ALSO = {
    "dose": "dose_um",
    "concentration": "dose_um",
    "cell_line": "model",
    "compound": "drug",
    "response": "viability",
}


def wells(viability: pd.DataFrame | None, plates: pd.DataFrame | None = None) -> pd.DataFrame:
    """One tidy table of wells from the two kinds of input, every column there and typed.

    Adds `row` and `column` of the well (counted from 1, NaN where unknown). A table that never went through reading may
    lack everything but model, drug, dose_um and one of viability and signal: all its rows are then one biological
    replicate (whatever their plates: plates may be technical), the plate the replicate's. Raises ValueError where one
    of those columns is missing, NotApplicable where there is no table or it has no rows.
    """
    given = {"viability": viability, "plates": plates}
    parts = [_tidy(t).assign(source_table=name) for name, t in given.items() if t is not None and len(t)]
    if not parts:
        if any(t is not None for t in given.values()):
            raise NotApplicable("The table has no rows.")
        raise NotApplicable("There is neither a table of viability nor one of plates.")
    out = pd.concat(parts, ignore_index=True)
    positions = {w: parse_well(w) for w in out["well"].unique() if w}
    out["row"] = out["well"].map({w: p[0] for w, p in positions.items() if p}).astype("float64")
    out["column"] = out["well"].map({w: p[1] for w, p in positions.items() if p}).astype("float64")
    return out


def _tidy(table: pd.DataFrame) -> pd.DataFrame:
    given = table.rename(columns={k: v for k, v in ALSO.items() if k in table.columns and v not in table.columns})
    missing = [c for c in ("model", "drug", "dose_um") if c not in given.columns]
    if missing or not {"viability", "signal"} & set(given.columns):
        lacking = missing + ([] if {"viability", "signal"} & set(given.columns) else ["viability (or signal)"])
        raise ValueError(f"the table lacks the column{'s' if len(lacking) > 1 else ''} {', '.join(lacking)}")
    out = pd.DataFrame(index=given.index)
    for name in (*TEXTS, "perturbation", "medium", "stage"):
        value = given[name] if name in given.columns else pd.Series("", index=given.index)
        value = value.astype(object).where(value.notna(), "")
        out[name] = value.map(as_text)
    for name in NUMBERS:
        value = given[name] if name in given.columns else pd.Series(np.nan, index=given.index)
        out[name] = pd.to_numeric(value, errors="coerce").astype("float64")
    out["perturbation"] = out["perturbation"].where(out["perturbation"] != "", "none")
    out["well_type"] = types_of(given)
    out.loc[out["well_type"].isin(["vehicle", "blank"]), "dose_um"] = 0.0
    bare = (out["replicate"] == "") & (out["well_type"] != "blank")
    # Wells without drug may leave the replicate to their plate; samples may not: a plate is no experiment of its own.
    own = (out["well_type"] == "vehicle") & (out["plate"] != "") & bool((out["replicate"] != "").any())
    out["replicate"] = out["replicate"].mask(bare, out["plate"].where(own, "1"))
    # Signals without plate names: the wells of one replicate and model are taken as read together.
    out["plate"] = out["plate"].where(out["plate"] != "", out["replicate"])
    out["_file"] = given["_file"].astype(str) if "_file" in given.columns else ""
    out["_row"] = pd.to_numeric(given["_row"]) if "_row" in given.columns else np.nan
    return out.reset_index(drop=True)


def growth_rate_value(fraction: pd.Series, time0: pd.Series) -> pd.Series:
    """Growth-rate inhibition value from the end signal and the time-zero signal, both as fractions of vehicle.

    GR = 2 ** (log2(x / x0) / log2(x_vehicle / x0)) - 1: 1 as vehicle, 0 no growth, below 0 cells lost, -1 none left.
    NaN where untreated cells did not grow (time0 >= 1). Source: doi:10.1038/nmeth.3853.
    """
    grown = (time0 > 0) & (time0 < 1)
    doublings = -np.log2(time0.where(grown))
    left = np.log2(fraction.where(fraction > 0)) / doublings
    value: pd.Series = 2.0 * 2.0**left - 1.0
    return value.mask((fraction <= 0) & grown, -1.0)


def _methods(responses: pd.DataFrame, vehicle: str, centre: str, positive: str) -> str:
    raw = responses["reference"].ne("given as viability").any() if len(responses) else False
    text = ""
    if raw:
        where = {"plate": "on the same plate", "row": "in the same row", "column": "in the same column"}[vehicle]
        text = (
            f"Signals were corrected for the blank wells of the plate and divided by the {centre} of the vehicle wells "
            f"{where}. "
        )
        if positive == "floor":
            text += "The positive control was taken as zero viability. "
    text += "Technical wells were averaged within each biological replicate before any fit."
    if len(responses) and responses["gr"].notna().any():
        text += " Growth-rate inhibition values were computed from the signal at time zero (doi:10.1038/nmeth.3853)."
    return text


@analysis(
    title="Viability",
    methods=_methods,
    reference="doi:10.1038/nmeth.3853",
    formula=("viability = (signal - blank) / (vehicle - blank), per plate; wells of one replicate and dose averaged"),
    oracle=(
        "GR values of the growth-rate metrics toolkit (tests/assays/test_dose_response_normalise.py); the rest "
        "by definition there"
    ),
    limits=(
        "A plate without vehicle wells of its own, or a named plate that holds them, gives nothing. Position "
        "effects are shown by plate_quality and not taken out."
    ),
)
def responses(
    viability: pd.DataFrame | None = None,
    plates: pd.DataFrame | None = None,
    *,
    vehicle: Vehicle = "plate",
    centre: Centre = "mean",
    positive: Positive = "ignore",
) -> pd.DataFrame:
    """Viability as a fraction of vehicle, one row per curve, dose, biological replicate and plate.

    `vehicle`: which vehicle wells are the reference: those of the plate, or only those of the same "row" or "column"
    (for a layout with one vehicle column or row). `centre`: mean or median of the vehicle and blank wells.
    `positive`: "floor" takes the plate's positive control as zero viability.

    `response` is a fraction of vehicle; `sd_wells` and `n_wells` describe the technical wells behind it; `gr` is the
    growth-rate inhibition value where a time-zero signal was given; `reference` says what the wells were divided
    by. Wells that are not used stay in the table with the reason in `excluded` (those that were marked to be left out
    with their response). Raises
    NotApplicable where there is no well with a drug, ValueError for an unknown option.
    """
    for name, value, known in (
        ("vehicle", vehicle, ("plate", "row", "column")),
        ("centre", centre, ("mean", "median")),
        ("positive", positive, ("ignore", "floor")),
    ):
        if value not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}, not {value!r}")
    work = wells(viability, plates)
    ref = reference_signal(work, CONDITION, vehicle=vehicle, centre=centre, positive=positive)
    given = work["viability"].notna()
    span = ref["vehicle"] - ref["floor"]
    work["value"] = work["viability"].where(given, (ref["net"] - ref["floor"]) / span.where(ref["why"] == ""))
    time0 = work["time0_signal"].where(given, (work["time0_signal"] - (work["signal"] - ref["net"])) / ref["vehicle"])
    work["time0"] = time0
    work["reference"] = ref["reference"].mask(given, "given as viability")
    why = work["exclude"].where(work["exclude"] == "", "left out: " + work["exclude"])
    why = why.mask((why == "") & ~given & work["signal"].isna(), "no signal")
    why = why.mask((why == "") & ~given & (ref["why"] != ""), ref["why"])
    why = why.mask((why == "") & ~np.isfinite(work["value"]), "not a finite number")
    work["excluded"] = why
    work.loc[(why != "") & (work["exclude"] == ""), "value"] = np.nan
    kept = work[work["well_type"].isin(["sample", "vehicle"])]
    if not (kept["well_type"] == "sample").any():
        raise NotApplicable("No well holds a drug.")
    keys = [*CURVE, "dose_um", "replicate", "plate", "well_type", "reference", "excluded", "source_table"]
    groups = kept.groupby(keys, dropna=False, sort=True)
    out = groups.agg(
        response=("value", "mean"), sd_wells=("value", "std"), n_wells=("value", "size"), time0=("time0", "mean")
    ).reset_index()
    out["gr"] = growth_rate_value(out["response"], out["time0"])
    out["source_rows"] = origins(kept, groups.ngroup(), len(out))
    return out.loc[:, list(RESPONSE_COLUMNS)]
