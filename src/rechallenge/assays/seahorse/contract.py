"""What tables of rates and of injections must hold."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from rechallenge.faults import Fault
from rechallenge.tables.contract import Column, Contract, place


def measured_once(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Every well has each measurement once."""
    twice = frame.duplicated(["plate", "well", "measurement"])
    for i in frame.index[twice]:
        yield Fault(
            "twice",
            f"measurement {frame.loc[i, 'measurement']} of well {frame.loc[i, 'well']} stands twice.",
            "Give every plate (run) its own name.",
            column="measurement",
            value=str(frame.loc[i, "measurement"]),
            **place(frame, i),
        )


def plates_enough(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """One plate is one experiment, however many wells it has."""
    plates = frame["plate"].nunique()
    if plates == 1:
        yield Fault(
            "few-replicates",
            "there is one plate: its wells are technical, so parameters are given and nothing is tested.",
            "Repeat the run on another day; name each run a plate of its own.",
            column="plate",
            value=str(frame["plate"].iloc[0]),
            severity="warning",
            **place(frame, frame.index[0]),
        )


SEAHORSE = Contract(
    name="seahorse",
    about="Rates of an extracellular flux analyser: a Wave workbook with its sheet Rate, or one row per well and "
    "measurement.",
    reader="rechallenge.assays.seahorse.wave:read_seahorse",
    columns=(
        Column("plate", "run: one plate on one day, the biological replicate", required=True,
               also=("run", "replicate")),
        Column("well", "A01, ...", required=True),
        Column("group", "as in Wave; the model and treatment are read from it, and MITO or GLYCO", required=True),
        Column("measurement", "number of the measurement", "integer", required=True, low=1),
        Column("minutes", "time of the measurement (min)", "number", required=True, low=0.0, unit="min",
               also=("time",)),
        Column("ocr", "oxygen consumption rate (pmol/min)", "number", unit="pmol/min"),
        Column("ecar", "extracellular acidification rate (mpH/min)", "number", unit="mpH/min"),
        Column("per", "proton efflux rate (pmol/min)", "number", unit="pmol/min"),
        Column("model", "as named in study.toml, where the group does not say", refers="model", also=("cell_line",)),
        Column("treatment", "what was given, where the group does not say", also=("drug",)),
        Column("assay", "mito or glyco, where the group does not say", also=("assay_type", "test")),
        Column("injection", "what was injected last before the measurement", also=("port_content", "phase")),
        Column("flagged", "yes where the well was unselected in Wave", choices=("yes", "no"), default="no",
               also=("excluded", "unselected")),
        Column("normaliser", "cell number, protein or DNA that rates are divided by", "number", low=0.0, low_open=True,
               also=("cell_number", "protein", "normalizer", "cells_per_well")),
    ),
    either=(("ocr",), ("ecar",)),
    rules=(measured_once, plates_enough),
    example=(
        "plate,well,group,measurement,minutes,ocr,ecar,assay,injection\n"
        "run 1,B02,Huh-7 P,3,14.6,231,28,mito,\n"
        "run 1,B02,Huh-7 P,4,21.2,92,41,mito,oligomycin\n"
        "run 2,B02,Huh-7 P,3,14.6,238,29,mito,\n"
        "run 2,B02,Huh-7 P,4,21.2,95,42,mito,oligomycin\n"
    ),
)  # fmt: skip

INJECTIONS = Contract(
    name="seahorse_injections",
    about="What was injected when, where the rates do not say: one row per injection.",
    columns=(
        Column("first_measurement", "number of the first measurement after the injection", "integer", required=True,
               low=1, also=("measurement", "from_measurement", "after")),
        Column("injection", "oligomycin, FCCP, rotenone/antimycin A, glucose, 2-DG, ...", required=True,
               also=("compound", "drug", "injected")),
        Column("plate", "the run; empty for all"),
        Column("assay", "mito or glyco; empty for both", also=("assay_type",)),
        Column("port", "A, B, C, D"),
    ),
    example=(
        "port,first_measurement,injection,assay\n"
        "A,4,oligomycin,mito\n"
        "B,7,FCCP,mito\n"
        "C,10,rotenone + antimycin A,mito\n"
    ),
)  # fmt: skip
