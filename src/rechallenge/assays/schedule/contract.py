"""What a table of pretreatment and re-challenge must hold, and what its labels say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pandas as pd

from rechallenge.contrasts import is_vehicle
from rechallenge.faults import Fault
from rechallenge.tables.contract import Column, Contract, place

#: labels of cells that were given the solvent or nothing
_DOSE = re.compile(r"^(?P<drug>.*?)[\s,(@_-]*(?P<dose>\d+(?:\.\d+)?)\s*(?P<unit>[nuµμm]M)\)?$")
_TO_UM = {"nM": 1e-3, "uM": 1.0, "µM": 1.0, "μM": 1.0, "mM": 1e3}


def each(frame: pd.DataFrame) -> Iterator[Any]:
    """The rows of a table as named tuples."""
    yield from frame.itertuples()


def drug_and_dose(label: str) -> tuple[str, float]:
    """The drug and its dose in µM (NaN where none is said) in a label.

    >>> drug_and_dose("celastrol 0.2 µM"), drug_and_dose("celastrol (200 nM)")[0]
    (('celastrol', 0.2), 'celastrol')
    """
    text = str(label).strip()
    found = _DOSE.match(text)
    if not found or not found["drug"].strip():
        return text, float("nan")
    return found["drug"].strip(), float(found["dose"]) * _TO_UM[found["unit"]]


def complete_design(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Every model needs vehicle-pretreated cells, cells without challenge, and more than one replicate."""
    for model, rows in frame.groupby("model", sort=True):
        where = {**place(frame, rows.index[0]), "value": str(model), "severity": "warning"}
        if not rows["pretreatment"].map(is_vehicle).any():
            yield Fault(
                "no-vehicle",
                f"{model} has no cells pretreated with vehicle, so no pretreatment can be compared with it.",
                "Add the rows, with pretreatment vehicle.",
                column="pretreatment",
                **where,
            )
        if not (rows["challenge_um"] == 0).any():
            yield Fault(
                "no-unchallenged",
                f"{model} has no cells without challenge, so what the pretreatment itself does cannot be told apart.",
                "Add the rows, with challenge_um 0.",
                column="challenge_um",
                **where,
            )
        if rows["replicate"].nunique() < 2:
            yield Fault(
                "few-replicates",
                f"{model} has one biological replicate: effects are given and nothing is tested.",
                "Repeat the experiment; technical wells are no replicates.",
                column="replicate",
                **where,
            )


SCHEDULE = Contract(
    name="schedule",
    about="Pretreat, wash, re-challenge: one row per well, or per condition and replicate.",
    columns=(
        Column("model", "as named in study.toml", required=True, refers="model", also=("cell_line", "cells")),
        Column("pretreatment", "label with its dose, e.g. celastrol 0.2 µM; vehicle for the control", required=True,
               also=("pre-treatment", "pretreated with")),
        Column("challenge_drug", "drug given after the wash", required=True, refers="drug",
               also=("challenge", "rechallenge")),
        Column("challenge_um", "its concentration; 0 = no challenge", "number", required=True, unit="µM", low=0.0,
               also=("challenge dose", "rechallenge dose")),
        Column("replicate", "biological replicate: an experiment of its own", required=True, also=("experiment",)),
        Column("viability", "fraction of cells that got vehicle both times (1 = as vehicle), not per cent", "number",
               required=True, unit="fraction of vehicle", low=0.0, high=3.0, measured=True,
               also=("cell viability", "fraction of vehicle")),
        Column("hours_pre", "hours of pretreatment", "number", unit="h", low=0.0),
        Column("hours_challenge", "hours of challenge", "number", unit="h", low=0.0),
    ),
    rules=(complete_design,),
    example=(
        "model,pretreatment,challenge_drug,challenge_um,replicate,viability,hours_pre,hours_challenge\n"
        "Huh-7 LR,vehicle,sorafenib,0,1,1.00,24,72\n"
        "Huh-7 LR,vehicle,sorafenib,5,1,0.82,24,72\n"
        "Huh-7 LR,celastrol 0.2 µM,sorafenib,0,1,0.97,24,72\n"
        "Huh-7 LR,celastrol 0.2 µM,sorafenib,5,1,0.41,24,72\n"
    ),
)  # fmt: skip
