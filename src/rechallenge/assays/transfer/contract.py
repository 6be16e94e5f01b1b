"""What a table of conditioned-medium experiments must hold."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from rechallenge.assays.transfer.labels import parse_modifier
from rechallenge.faults import Fault
from rechallenge.tables.contract import Column, Contract, place


def unmodified_there(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Every medium is wanted unmodified, and every recipient in a second medium to compare with."""
    for _, rows in frame.groupby(["recipient", "medium"], sort=True):
        recipient, medium = str(rows["recipient"].iloc[0]), str(rows["medium"].iloc[0])
        if not any(parse_modifier(m) == () for m in rows["modifier"]):
            yield Fault(
                "no-unmodified",
                f"{medium} on {recipient} was only tested modified: nothing can be called lost, blocked or restored.",
                "Add the rows with modifier none.",
                column="modifier",
                value=medium,
                severity="warning",
                **place(frame, rows.index[0]),
            )
    for name, rows in frame.groupby("recipient", sort=True):
        if rows["replicate"].nunique() < 2:
            yield Fault(
                "few-replicates",
                f"{name} has one biological replicate: effects are given and nothing is tested.",
                "Repeat the experiment; technical wells are no replicates.",
                column="replicate",
                value=str(name),
                severity="warning",
                **place(frame, rows.index[0]),
            )


TRANSFER = Contract(
    name="transfer",
    about="Conditioned medium on recipient cells: one row per well, or per condition and replicate.",
    columns=(
        Column("recipient", "cells that were treated, as named in study.toml", required=True, refers="model"),
        Column("medium", "donor and its treatment, e.g. Huh-7 LR + sorafenib; fresh for none", required=True),
        Column("modifier", "freeze-thaw, exosome-depleted, anti-IL6, +IL6, IgG, ...; none", default="none"),
        Column("drug", "drug given in that medium", required=True, refers="drug"),
        Column("dose_um", "its concentration; 0 = without drug", "number", required=True, unit="µM", low=0.0),
        Column("replicate", "biological replicate: an experiment of its own", required=True),
        Column("viability", "fraction of vehicle (1 = as vehicle), not per cent", "number", required=True,
               unit="fraction of vehicle", low=0.0, high=3.0, measured=True),
    ),
    rules=(unmodified_there,),
    example=(
        "recipient,medium,modifier,drug,dose_um,replicate,viability\n"
        "Huh-7 P,Huh-7 P,none,sorafenib,5,1,0.35\n"
        "Huh-7 P,Huh-7 LR,none,sorafenib,5,1,0.71\n"
        "Huh-7 P,Huh-7 LR,freeze-thaw,sorafenib,5,1,0.38\n"
        "Huh-7 P,Huh-7 LR,freeze-thaw +IL6,sorafenib,5,1,0.66\n"
        "Huh-7 P,Huh-7 LR,anti-IL6,sorafenib,5,1,0.40\n"
    ),
)  # fmt: skip
