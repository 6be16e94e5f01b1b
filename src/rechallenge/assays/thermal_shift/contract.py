"""What a table of thermal-shift or protease-protection measurements must hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from rechallenge.contrasts import is_vehicle
from rechallenge.faults import Fault
from rechallenge.tables.contract import Column, Contract, place


def each_label(labels: pd.Series[Any], f: Callable[[Any], Any]) -> pd.Series[Any]:
    """`f` of every label, worked out once for each distinct one (tables have a row per protein and sample)."""
    codes, words = pd.factorize(labels, use_na_sentinel=False)
    values = [f(w) for w in words]
    return pd.Series([values[c] for c in codes], index=labels.index, dtype=type(values[0]) if values else object)


def vehicle_rows(frame: pd.DataFrame) -> pd.Series[bool]:
    """Rows without drug: a vehicle label, or dose 0."""
    return each_label(frame["treatment"].fillna(""), is_vehicle) | (frame["dose_um"] == 0)


def compared(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Every model needs rows without drug and rows with it, and replicates."""
    bare = vehicle_rows(frame)
    for model, rows in frame.groupby("model", sort=True):
        where = {**place(frame, rows.index[0]), "severity": "warning"}
        label = str(model) or "the experiment"
        if not bare.loc[rows.index].any() or bare.loc[rows.index].all():
            lacking = "vehicle" if not bare.loc[rows.index].any() else "drug"
            yield Fault(
                f"no-{lacking}",
                f"{label} has no rows with {lacking}, so no shift can be seen.",
                "Add the rows; vehicle rows have treatment vehicle (or dose 0).",
                column="treatment",
                value=str(model),
                **where,
            )
        elif rows["replicate"].nunique() < 2:
            yield Fault(
                "few-replicates",
                f"{label} has one biological replicate: shifts are given and nothing is tested.",
                "Repeat the experiment; TMT labels and bands of one preparation are no replicates.",
                column="replicate",
                value=str(model),
                **where,
            )


THERMAL_SHIFT = Contract(
    name="thermal_shift",
    about="Soluble protein after heating (thermal proteome profiling, CETSA, PISA) or intact protein after a protease "
    "(DARTS), with and without the drug: one row per protein, sample and temperature; or an export with one row per "
    "protein and one column per TMT label, with a sheet `samples` that says what each label is.",
    columns=(
        Column("protein", "protein, group or accession", required=True, refers="gene",
               also=("protein_id", "uniqueID", "accession", "target", "representative")),
        Column("gene", "gene symbol, where the protein is an accession", refers="gene",
               also=("gene_name", "gene symbol", "symbol", "clustername")),
        Column("treatment", "drug as labelled; vehicle for the control", required=True,
               also=("condition", "compound", "drug")),
        Column("dose_um", "its concentration; 0 = without drug", "number", unit="µM", low=0.0,
               also=("compoundConcentration", "conc", "concentration")),
        Column("temperature_c", "temperature of heating", "number", unit="°C", low=4.0, high=99.0,
               also=("temperature", "temp")),
        Column("range_c", "integral (PISA) design: the temperatures whose samples were pooled, e.g. 44-58",
               also=("temperature range", "pooled temperatures")),
        Column("protease", "DARTS: protease given, as amount or ratio; 0 or none without", also=("pronase",)),
        Column("replicate", "biological replicate: an experiment of its own", required=True, also=("experiment",)),
        Column("abundance", "reporter intensity, fraction or band density", "number", required=True, measured=True,
               low=0.0, also=("intensity", "relAbundance", "rel_value", "density", "band")),
        Column("loading", "density of the loading control in the same lane", "number", low=0.0, low_open=True,
               also=("loading_control", "actin", "gapdh")),
        Column("blot", "membrane, where one replicate is on several", also=("membrane",)),
        Column("peptides", "unique peptides behind the value", "number", low=0.0,
               also=("qupm", "unique peptides", "uniquePeptideMatches", "# unique peptides")),
        Column("spectra", "spectra quantified for the protein in the run", "number", low=0.0,
               also=("qssm", "qusm", "quantified spectra", "spectrum matches")),
        Column("entry", "row of an export (made by reading): one name may stand in several rows"),
        Column("model", "cells or lysate, as named in study.toml", refers="model", also=("cell_line", "cells")),
    ),
    either=(("temperature_c",), ("range_c",), ("protease",)),
    rules=(compared,),
    reader="rechallenge.assays.thermal_shift.reading:read",
    example=(
        "protein,treatment,dose_um,temperature_c,replicate,abundance\n"
        "HDAC1,vehicle,0,37,1,1.00\n"
        "HDAC1,vehicle,0,50,1,0.41\n"
        "HDAC1,panobinostat,1,37,1,1.00\n"
        "HDAC1,panobinostat,1,50,1,1.04\n"
    ),
)  # fmt: skip
