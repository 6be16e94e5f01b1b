"""What an ELISA table must hold: one row per well."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from rechallenge.faults import Fault
from rechallenge.tables.contract import Column, Contract, place

WELL_TYPES = ("standard", "sample", "blank", "control")


def complete_plates(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Standards have a concentration, samples a name, plates enough standards; dilutions are factors."""

    def of(code: str, message: str, remedy: str, column: str, rows: pd.DataFrame, severity: str = "error") -> Fault:
        return Fault(code, message, remedy, column=column, count=len(rows), severity=severity,  # type: ignore[arg-type]
                     **place(frame, rows.index[0]))  # fmt: skip

    standard, sample = frame["well_type"] == "standard", frame["well_type"] == "sample"
    if len(bare := frame[standard & frame["concentration"].isna()]):
        yield of("no-concentration", "a standard needs its concentration (0 for the zero standard).",
                 "Fill the column concentration.", "concentration", bare)  # fmt: skip
    if len(bare := frame[sample & (frame["sample"] == "")]):
        yield of("no-sample", "a sample well needs the name of its sample.", "Fill the column sample.", "sample", bare)
    if len(thin := frame[frame["dilution"] < 1]):
        yield of("dilution", "a dilution is written as its factor: 10 for 1 in 10.", "Write 10 in place of 0.1.",
                 "dilution", thin)  # fmt: skip
    if len(few := frame[sample & (frame["cell_number"] > 0) & (frame["cell_number"] < 100)]):
        yield of("cell-number", "fewer than 100 cells; the number of cells is wanted, not millions of them.",
                 "Write 250000 for a quarter of a million.", "cell_number", few, "warning")  # fmt: skip
    for (plate, analyte), rows in frame.groupby(["plate", "analyte"], sort=True):
        levels = rows.loc[rows["well_type"] == "standard", "concentration"].dropna().nunique()
        if 0 < levels < 5:
            yield of("few-standards", f"plate {plate}{f', {analyte}' if analyte else ''} has {levels} standards; "
                     "a curve needs five.", "Add the other standards.", "concentration", rows, "warning")  # fmt: skip
        if not levels:
            yield of("no-standards", f"plate {plate}{f', {analyte}' if analyte else ''} has no standards: its samples "
                     "have no concentration.", "Add the standard wells; every plate needs its own.", "well_type",
                     rows, "warning")  # fmt: skip


ELISA = Contract(
    name="elisa",
    about="ELISA and other immunoassays with a standard curve on every plate: one row per well. Text exports of "
    "Gen5 and SoftMax Pro are read as they are; a sheet `samples` then says what a sample is.",
    columns=(
        Column("plate", "name of the plate; every plate has its own standards", required=True),
        Column("well", "position on the plate", required=True, also=("well position", "wells")),
        Column("well_type", "standard, sample, blank, control", required=True, choices=WELL_TYPES,
               also=("type", "content", "well type")),
        Column("absorbance", "signal: absorbance, fluorescence or luminescence", "number", required=True, measured=True,
               also=("od", "od450", "signal", "a450", "fi", "mfi", "rlu", "value")),
        Column("absorbance_reference", "absorbance at the reference wavelength, subtracted", "number",
               also=("od570", "od620", "a570", "reference od")),
        Column("concentration", "of a standard, in the unit of the kit", "number", low=0.0,
               also=("conc", "expected conc", "standard concentration", "nominal")),
        Column("unit", "unit of the concentrations: pg/mL, ng/mL, ...", also=("units", "concentration unit")),
        Column("sample", "name of the sample", also=("sample name", "sample id")),
        Column("model", "as named in study.toml", refers="model", also=("cell_line", "cells", "line")),
        Column("group", "treatment or condition; vehicle, siNC, ... for controls",
               also=("treatment", "condition", "arm")),
        Column("replicate", "biological replicate; empty: every sample is one", also=("experiment", "rep")),
        Column("dilution", "dilution factor of the well: 10 for 1 in 10", "number", low=0.0, low_open=True, default=1.0,
               also=("dilution factor", "df", "dil")),
        Column("cell_number", "cells that the sample comes from, for amounts per million cells", "number", low=0.0,
               low_open=True, also=("cells counted", "cell count", "n_cells")),
        Column("cell_number_sd", "standard deviation of the cell count", "number", low=0.0),
        Column("analyte", "what is measured, where a table holds several kits", also=("kit", "protein")),
        Column("gene", "gene of the analyte (IL6, HGF, ...); no claim is made without", refers="gene"),
        Column("block", "experiment that several groups share, where replicate does not say it"),
        Column("time", "hours or days, where a group was measured several times", "number", also=("hours", "day")),
        Column("stage", "stage of dose escalation (S0, S1, ...)"),
    ),
    key=("plate", "well", "analyte"),
    rules=(complete_plates,),
    reader="rechallenge.assays.elisa.reading:read_elisa",
    example=(
        "plate,well,well_type,concentration,unit,sample,model,group,replicate,dilution,cell_number,gene,absorbance\n"
        + "".join(f"1,A{i},standard,{c},pg/mL,,,,,,,IL6,{y}\n" for i, (c, y) in enumerate(
            ((0, 0.05), (15.6, 0.1), (31.2, 0.15), (62.5, 0.26), (125, 0.47), (250, 0.84), (500, 1.46), (1000, 2.26)), 1
        ))
        + "1,B1,sample,,pg/mL,P 1,Huh-7 P,vehicle,1,2,250000,IL6,0.31\n"
        "1,B2,sample,,pg/mL,LR 1,Huh-7 LR,vehicle,1,2,240000,IL6,0.93\n"
    ),
)  # fmt: skip
