"""What a table of bench read-outs must hold, and its biological replicates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from rechallenge.designs.labels import meaning
from rechallenge.faults import Fault
from rechallenge.tables.contract import Column, Contract, place

#: words of a unit (or of the name of a read-out) for which ratios, not differences, mean something
RATIO_WORDS = (
    "ratio", "fold", "relative", "a.u.", "arbitrary", "rfu", "rlu", "mfi", "density", "intensity", "of control",
    "normalised", "normalized", "copies", "pg/", "ng/", "ug/", "µg/", "mg/", "pmol", "nmol", "mol/", "nm", "um", "µm",
)  # fmt: skip
#: read-outs whose values span more than this factor are analysed as ratios where nothing else is said
SPAN = 8.0
#: columns that identify one biological replicate of one arm
UNIT = ("assay", "model", "stage", "time", "group", "block", "replicate")


def sound_values(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """What a read-out means, its scale and its reference signal must be understood; replicates are wanted."""
    for text in sorted(set(frame["meaning"]) - {""}):
        rows = frame[frame["meaning"] == text]
        if meaning(text) is None:
            yield Fault(
                "meaning",
                "it is not understood what a rise means.",
                "Write 'rise promotes resistance', 'rise restores sensitivity', or leave it empty.",
                column="meaning",
                value=text,
                count=len(rows),
                **place(frame, rows.index[0]),
            )
    for assay, rows in frame.groupby("assay", sort=True):
        said = {meaning(t) for t in rows["meaning"]} - {0, None}
        if len(said) > 1:
            yield Fault(
                "meaning",
                f"a rise of {assay} is said to promote resistance in one row and to restore sensitivity in another.",
                "Decide which, or give the two read-outs different names.",
                column="meaning",
                value=str(assay),
                **place(frame, rows.index[0]),
            )
        if rows["value"].isna().all() and (rows["reference"] <= 0).any():
            bad = rows[rows["reference"] <= 0]
            yield Fault(
                "reference-signal",
                "the reference signal is not above 0, so there is no ratio to it.",
                "Subtract the background first, or leave the row out.",
                column="reference",
                count=len(bad),
                **place(frame, bad.index[0]),
            )
        log = rows["scale"] == "log"
        low = rows[log & (readings(rows) <= 0)]
        if len(low):
            yield Fault(
                "not-positive",
                "a read-out on a logarithmic scale must be above 0.",
                "Write linear in the column scale, or mend the value.",
                column="value",
                count=len(low),
                **place(frame, low.index[0]),
            )
        for model, some in rows.groupby("model", sort=True):
            units = some.drop_duplicates(["stage", "time", "group", "block", "replicate"])
            if units.groupby(["stage", "time", "group"], dropna=False).size().max() < 2:
                yield Fault(
                    "few-replicates",
                    f"{assay} in {model} has one biological replicate: differences are given and nothing is tested.",
                    "Repeat the experiment; technical wells are no replicates.",
                    column="replicate",
                    value=str(assay),
                    severity="warning",
                    **place(frame, some.index[0]),
                )


MEASUREMENTS = Contract(
    name="measurements",
    about="Any bench read-out: one row per well or dish, or per group and biological replicate. GraphPad files (.pzfx) "
    "are read as they are: a data table is a read-out, its columns are the groups.",
    columns=(
        Column("assay", "what was measured: ROS, Annexin V positive, AKR1B1 western, ...", required=True,
               also=("readout", "read-out", "endpoint", "parameter", "measurement")),
        Column("model", "as named in study.toml", required=True, refers="model", also=("cell_line", "cells", "line")),
        Column("group", "treatment or condition as labelled, parts joined by ' + '; vehicle, siNC, ... for controls",
               required=True, also=("treatment", "condition", "arm")),
        Column("replicate", "biological replicate; equal labels in two groups are the same experiment", required=True,
               also=("experiment", "biological replicate", "animal", "mouse", "rep", "biorep")),
        Column("value", "the read-out", "number", measured=True, also=("result", "reading", "mean")),
        Column("signal", "in place of value: signal of the target (In-Cell Western, western blot, reporter)", "number",
               measured=True, also=("target signal", "signal 800", "firefly", "band")),
        Column("reference", "its reference in the same well or lane (stain, loading control); value = signal/reference",
               "number", measured=True, also=("loading control", "reference signal", "normaliser", "signal 700",
                                              "renilla", "cell stain")),
        Column("unit", "unit of the value", also=("units",)),
        Column("block", "experiment, blot or day that several groups share, where replicate does not say it",
               also=("batch", "blot", "gel", "day of experiment", "experiment_id")),
        Column("time", "hours or days at which it was measured, where one group was measured several times", "number",
               also=("hours", "day", "timepoint", "time_h")),
        Column("stage", "stage of dose escalation (S0, S1, ...)", also=("passage stage",)),
        Column("control", "the group to compare with, where its label does not show it", also=("compared with",)),
        Column("scale", "log or linear; empty: ratios, units of amount and wide ranges are log", default="",
               choices=("log", "linear")),
        Column("meaning", "rise promotes resistance, or rise restores sensitivity; empty: no claim is made"),
        Column("gene", "gene that was changed in this group, or, the same in all groups, that is measured",
               refers="gene", also=("symbol", "gene symbol")),
        Column("drug", "drug that was given in this group", refers="drug"),
    ),
    either=(("value",), ("signal", "reference")),
    rules=(sound_values,),
    reader="rechallenge.assays.measurements.reading:read_measurements",
    example=(
        "assay,model,group,replicate,value,unit,meaning,gene\n"
        "ROS,Huh-7 LR,vehicle,1,1.00,fold,rise restores sensitivity,\n"
        "ROS,Huh-7 LR,siAKR1B1,1,2.31,fold,rise restores sensitivity,AKR1B1\n"
        "ROS,Huh-7 LR,vehicle,2,1.08,fold,rise restores sensitivity,\n"
        "ROS,Huh-7 LR,siAKR1B1,2,2.74,fold,rise restores sensitivity,AKR1B1\n"
    ),
)  # fmt: skip


def readings(table: pd.DataFrame) -> pd.Series:
    """The value of every row: as given, else signal over reference."""
    value = table["value"].astype("float64")
    if "signal" not in table.columns:
        return value
    reference = table["reference"].where(table["reference"] > 0)
    return value.where(value.notna(), table["signal"] / reference)


def replicate_means(table: pd.DataFrame) -> pd.DataFrame:
    """Technical wells averaged: one row per `UNIT`, with `value` and `n_wells`.

    Ratios of signal to reference are made well by well before they are averaged.
    """
    out = table.copy()
    for name in ("block", "stage", "unit"):
        out[name] = out[name].fillna("").astype(str).str.strip() if name in out.columns else ""
    for name in ("assay", "model", "group", "replicate"):
        out[name] = out[name].fillna("").astype(str).str.strip()
    for name in ("value", "time"):
        out[name] = pd.to_numeric(out[name]) if name in out.columns else np.nan
    out["value"] = readings(out)
    grouped = out.dropna(subset=["value"]).groupby(list(UNIT), sort=True, dropna=False)["value"]
    return grouped.agg(value="mean", n_wells="size").reset_index()


def scale_of(rows: pd.DataFrame, means: pd.Series) -> tuple[bool, str]:
    """Whether a read-out is analysed on the log scale, and why. The rule looks at no group and no p-value.

    `rows` are the rows of one assay, `means` its replicate means.
    """
    said = {s for s in rows["scale"] if s} if "scale" in rows.columns else set()
    if len(said) == 1:
        return said == {"log"}, "declared"
    if not (means > 0).all():
        return False, "values at or below 0"
    unit = " ".join(sorted({str(u) for u in rows["unit"]})) if "unit" in rows.columns else ""
    text = f"{unit} {rows['assay'].iloc[0]}".casefold()
    if unit.strip() in ("%", "fraction", "percent", "per cent"):
        return False, "a share of a whole"
    word = next((w for w in RATIO_WORDS if w in text.split() or (not w.isalpha() and w in text) or
                 (len(w) > 3 and w in text)), "")  # fmt: skip
    if word:
        return True, f"a ratio or amount ({word})"
    if means.max() > SPAN * means.min():
        return True, f"positive and spanning more than {SPAN:g}-fold"
    return False, "no ratio, no wide range"


def declared_controls(table: pd.DataFrame) -> Mapping[str, frozenset[str]]:
    """Groups that the column `control` names, by assay."""
    if "control" not in table.columns:
        return {}
    named = table[table["control"].fillna("") != ""]
    return {str(a): frozenset(part["control"].astype(str).str.strip()) for a, part in named.groupby("assay")}
