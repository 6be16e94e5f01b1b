"""What a qPCR table must hold: one row per well."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pandas as pd

from rechallenge.faults import Fault
from rechallenge.tables.contract import Column, Contract, place

ROLES = ("gene", "reference", "mitochondrial", "nuclear", "ip", "input", "standard", "no template")
#: targets that labs use as references, without case and punctuation, human and mouse
REFERENCES = frozenset({
    "gapdh", "actb", "actin", "betaactin", "bactin", "b2m", "hprt", "hprt1", "tbp", "rplp0", "36b4", "ppia", "ywhaz",
    "18s", "18srrna", "rn18s", "rna18s", "rna18s5", "gusb", "ubc", "pgk1", "sdha", "hmbs", "rpl13a", "rps18", "tubb",
    "u6", "rnu6", "rnu61", "rnu6b", "rnu48", "rnu44", "ipo8", "tfrc", "eef1a1", "polr2a",
})  # fmt: skip
#: more cycles than this are not run
MOST_CYCLES = 60.0


def plain(label: object) -> str:
    """A target as it is compared: without case, spaces and punctuation."""
    return re.sub(r"[^a-z0-9]+", "", str(label).casefold().replace("β", "b"))


def factor(value: float) -> float:
    """The amplification factor of one cycle from an efficiency as labs write it (1.95, 0.95 or 95 %); NaN unknown.

    >>> factor(1.95), factor(0.95), round(factor(95), 4), factor(2)
    (1.95, 1.95, 1.95, 2)
    """
    if value != value:
        return value
    if 0.4 < value <= 1.3:
        return 1 + value
    return 1 + value / 100 if value > 40 else value


def sound_wells(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Ct of real runs, efficiencies that can be, references to measure against, replicates to test with."""

    def of(code: str, message: str, remedy: str, column: str, rows: pd.DataFrame, severity: str = "error") -> Fault:
        return Fault(code, message, remedy, column=column, count=len(rows), severity=severity,  # type: ignore[arg-type]
                     **place(frame, rows.index[0]))  # fmt: skip

    forties = frame[(frame["ct"] >= 40) & (frame["ct"] == np.floor(frame["ct"]))]
    if len(forties) > 1 and len(set(forties["ct"])) == 1:
        yield of("ct-limit", f"{len(forties)} wells have a Ct of exactly {forties['ct'].iloc[0]:g}: this stands for "
                 "'not detected', not for a Ct.", "Write Undetermined; set max_ct if the run had fewer cycles.",
                 "ct", forties)  # fmt: skip
    bad = frame[frame["efficiency"].map(factor).notna() & ~frame["efficiency"].map(factor).between(1.5, 2.3)]
    if len(bad):
        yield of("efficiency", "an amplification factor lies between 1.5 and 2.3 per cycle (50 to 130 %).",
                 "Write it as 1.95, 0.95 or 95, or leave it empty for 2.", "efficiency", bad)  # fmt: skip
    part = frame[(frame["role"] == "input") & ~frame["input_fraction"].between(0, 1, inclusive="right")]
    if len(part):
        yield of("input-fraction", "an input well needs the fraction of chromatin that it is (0.01 for 1 %).",
                 "Fill input_fraction.", "input_fraction", part)  # fmt: skip
    for model, rows in frame.groupby("model", sort=True):
        own = rows[~rows["role"].isin(["standard", "no template"])]
        units = own.groupby("group")[["block", "replicate"]].apply(lambda g: len(g.drop_duplicates()))
        if len(units) and units.max() < 2:
            yield of("few-replicates", f"{model} has one biological replicate per group: fold changes are given and "
                     "nothing is tested.", "Number the biological replicates in the column replicate; wells of one "
                     "RNA are technical.", "replicate", rows, "warning")  # fmt: skip


QPCR = Contract(
    name="qpcr",
    about="Quantitative PCR: one row per well. Exports of QuantStudio, StepOne, CFX and LightCycler are read as they "
    "are; a sheet `samples` then says which model, group and replicate a sample is.",
    columns=(
        Column("sample", "name of the RNA, DNA or chromatin", required=True, also=("sample name", "sample id", "name")),
        Column("model", "as named in study.toml", required=True, refers="model", also=("cell_line", "cells", "line")),
        Column("group", "treatment or condition; vehicle, siNC, ... for controls", required=True,
               also=("treatment", "condition", "biological group", "biogroup name", "biological set name")),
        Column("target", "gene or amplicon", required=True,
               also=("target name", "gene", "detector", "detector name", "assay", "primer", "amplicon")),
        Column("ct", "cycle of threshold; Undetermined where nothing came up", "number", measured=True, low=0.0,
               high=MOST_CYCLES, also=("cq", "cp", "cт", "ct value", "crossing point")),
        Column("replicate", "biological replicate; equal labels in two groups are the same experiment", required=True,
               also=("experiment", "biological replicate", "biolrep", "biol rep", "rep")),
        Column("undetermined", "yes where the well was measured and nothing came up", choices=("yes",), measured=True),
        Column("efficiency", "amplification factor (1.95, 0.95 or 95 %); empty: from standards, else 2", "number",
               also=("amp efficiency", "primer efficiency", "e")),
        Column("role", "gene, reference, mitochondrial, nuclear, ip, input, standard, no template; empty: known "
               "reference genes are references, the rest genes", choices=ROLES,
               also=("task", "target type", "content")),
        Column("block", "experiment or plate that several groups share, where replicate does not say it"),
        Column("antibody", "ChIP: antibody of an ip well (IgG for the control)", also=("ip antibody",)),
        Column("input_fraction", "ChIP: fraction of the chromatin that an input well is (0.01 for 1 %)", "number",
               also=("fraction of input",)),
        Column("quantity", "standards: relative amount or dilution", "number", low=0.0, low_open=True,
               also=("dilution", "amount", "starting quantity")),
        Column("well", "position on the plate", also=("well position", "pos")),
        Column("time", "hours or days, where a group was measured several times", "number", also=("hours", "day")),
        Column("stage", "stage of dose escalation (S0, S1, ...)"),
    ),
    either=(("ct",), ("undetermined",)),
    rules=(sound_wells,),
    reader="rechallenge.assays.qpcr.reading:read_qpcr",
    example=(
        "sample,model,group,target,ct,replicate\n"
        "LR 1,Huh-7 LR,vehicle,AKR1B1,22.4,1\n"
        "LR 1,Huh-7 LR,vehicle,GAPDH,17.1,1\n"
        "LR si 1,Huh-7 LR,siAKR1B1,AKR1B1,25.2,1\n"
        "LR si 1,Huh-7 LR,siAKR1B1,GAPDH,17.0,1\n"
        "LR 2,Huh-7 LR,vehicle,AKR1B1,22.9,2\n"
        "LR 2,Huh-7 LR,vehicle,GAPDH,17.4,2\n"
        "LR si 2,Huh-7 LR,siAKR1B1,AKR1B1,26.0,2\n"
        "LR si 2,Huh-7 LR,siAKR1B1,GAPDH,17.5,2\n"
    ),
)  # fmt: skip
