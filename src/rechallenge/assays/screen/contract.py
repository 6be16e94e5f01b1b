"""What a table of library-screen wells must hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from rechallenge.faults import Fault
from rechallenge.tables.contract import Column, Contract, place
from rechallenge.tables.wells import parse_well

WELL_TYPES = ("sample", "vehicle", "blank", "positive")
#: labels that say that no anchor drug was given
NO_ANCHOR = frozenset({"", "none", "no", "vehicle", "dmso", "control", "ctrl", "untreated", "solvent", "medium", "-"})
#: wells of these types hold no compound of the library
BARE = ("well_type", ("vehicle", "blank", "positive"))


def each(frame: pd.DataFrame) -> Iterator[Any]:
    """The rows of a table as named tuples."""
    yield from frame.itertuples()


def has_anchor(frame: pd.DataFrame) -> pd.Series:
    """Whether a well got the anchor drug (its dose above 0 and its name not that of a solvent)."""
    name = frame["background_drug"].fillna("").astype(str).str.strip().str.casefold()
    dose = pd.to_numeric(frame["background_um"]).fillna(0.0)
    return (dose > 0) & ~name.isin(NO_ANCHOR)


def both_arms(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Every model needs wells with and without the anchor drug; a dose of an anchor needs its name."""
    with_it = has_anchor(frame)
    sample = frame["well_type"] == "sample"
    for model, rows in frame[sample].groupby("model", sort=True):
        here = with_it[rows.index]
        if here.all() or not here.any():
            there, lacking = ("with", "without") if here.all() else ("without", "with")
            yield Fault(
                "one-arm",
                f"{model} was screened {there} the anchor drug only, so no interaction can be told.",
                f"Add the wells {lacking} it (background_um 0 = without).",
                column="background_um",
                value=str(model),
                severity="warning",
                **place(frame, rows.index[0]),
            )
        if not here.any():
            continue
        alone = set(rows.loc[~here, "compound"])
        beside = set(rows.loc[here, "compound"])
        if alone and (lost := sorted(map(str, beside ^ alone))):
            yield Fault(
                "compound-in-one-arm",
                f"{len(lost)} compound{'s' if len(lost) > 1 else ''} of {model} stand in one arm only (for example "
                f"{lost[0]}): no interaction is estimated for them.",
                "Check the spelling of the names in both arms.",
                column="compound",
                value=lost[0],
                severity="warning",
                **place(frame, rows.index[0]),
            )
    nameless = frame.index[
        (pd.to_numeric(frame["background_um"]) > 0)
        & frame["background_drug"].fillna("").astype(str).str.strip().str.casefold().isin(NO_ANCHOR)
    ]
    if len(nameless):
        yield Fault(
            "anchor-without-name",
            "an anchor dose above 0 stands beside no drug's name, so it is not known what was given.",
            "Name the anchor drug in background_drug, or set background_um to 0.",
            column="background_drug",
            count=len(nameless),
            **place(frame, nameless[0]),
        )


def controls_there(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Every plate wants vehicle wells, and wells that can be found on it."""
    for plate, rows in frame.groupby("plate", sort=True):
        where = {**place(frame, rows.index[0]), "value": str(plate), "severity": "warning"}
        if not (rows["well_type"] == "vehicle").any():
            yield Fault(
                "no-vehicle",
                f"plate {plate} has no vehicle wells: the median of its compounds stands for them.",
                "Mark its vehicle wells (well_type vehicle).",
                column="well_type",
                **where,
            )
    unknown = [i for i, w in zip(frame.index, frame["well"], strict=True) if parse_well(str(w)) is None]
    if unknown:
        yield Fault(
            "well-unknown",
            "this is not the name of a well; position effects cannot be seen or taken off there.",
            "Write row letter and column, e.g. B03.",
            column="well",
            value=str(frame.loc[unknown[0], "well"]),
            severity="warning",
            count=len(unknown),
            **place(frame, unknown[0]),
        )


def replicates_there(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """One replicate gives a ranking against the library, not a test over experiments."""
    replicate = frame["replicate"] if "replicate" in frame.columns else pd.Series("1", index=frame.index)
    sample = frame["well_type"] == "sample"
    for model, rows in frame[sample].groupby("model", sort=True):
        if replicate[rows.index].nunique() < 2:
            yield Fault(
                "few-replicates",
                f"{model} was screened once: compounds are set against the scatter of the library, and a hit is a lead "
                "to be repeated.",
                "Repeat the screen, or the leads.",
                column="replicate",
                value=str(model),
                severity="warning",
                **place(frame, rows.index[0]),
            )


SCREEN = Contract(
    name="screen",
    about="Library screen with and without an anchor drug: one row per well.",
    columns=(
        Column("model", "as named in study.toml", required=True, refers="model", empty_where=("well_type", ("blank",)),
               also=("cell_line", "cells", "cell line name", "screen name")),
        Column("plate", "the physical plate", required=True, also=("plate_id", "barcode", "plate name", "plate barcode",
               "assay plate")),
        Column("well", "well, e.g. B03", required=True, also=("well_id", "well position", "well name", "position")),
        Column("compound", "compound of the library", required=True, refers="drug", empty_where=BARE,
               also=("drug", "drug_name", "compound_name", "compound id", "molecule", "product name", "treatment")),
        Column("dose_um", "its concentration", "number", required=True, unit="µM", low=0.0, empty_where=BARE,
               also=("dose", "conc", "concentration", "conc_um", "compound concentration")),
        Column("background_drug", "anchor drug; none = without it", default="none", refers="drug",
               also=("anchor_drug", "background", "second drug", "co-treatment")),
        Column("background_um", "concentration of the anchor drug; 0 = without it", "number", required=True, unit="µM",
               low=0.0, also=("anchor_um", "anchor dose", "background dose", "anchor concentration")),
        Column("replicate", "biological replicate: a run of the screen of its own, not a well", default="1",
               also=("rep", "run", "experiment", "biological replicate", "batch")),
        Column("signal", "raw signal of the well", "number", required=True, measured=True,
               also=("raw", "raw signal", "well_signal", "luminescence", "fluorescence", "absorbance", "rlu", "rfu",
                     "od", "counts", "cell count", "value")),
        Column("well_type", "what is in the well", required=True, choices=WELL_TYPES, also=("type", "content",
               "well kind", "control type")),
        Column("class", "class of the compound", default="", also=("drug class", "pharmacological class", "category",
               "pathway")),
        Column("target", "target or targets, separated by ; or |", default="", also=("targets", "target gene",
               "target name")),
        Column("atc", "ATC code", default="", also=("atc code",)),
        Column("exclude", "reason to leave the well out (empty = use it)", default="", also=("excluded", "omit",
               "flag", "strike")),
    ),
    key=("model", "plate", "well", "background_um", "replicate"),
    rules=(both_arms, controls_there, replicates_there),
    example=(
        "model,plate,well,compound,dose_um,background_drug,background_um,replicate,signal,well_type,class\n"
        "HepG2 SR,L1-0-r1,A01,,,none,0,1,98110,vehicle,\n"
        "HepG2 SR,L1-0-r1,A03,lefamulin,10,none,0,1,95400,sample,pleuromutilin\n"
        "HepG2 SR,L1-0-r1,B03,metformin,10,none,0,1,99020,sample,biguanide\n"
        "HepG2 SR,L1-S-r1,A01,,,sorafenib,5,1,80200,vehicle,\n"
        "HepG2 SR,L1-S-r1,A03,lefamulin,10,sorafenib,5,1,30100,sample,pleuromutilin\n"
        "HepG2 SR,L1-S-r1,B03,metformin,10,sorafenib,5,1,79300,sample,biguanide\n"
    ),
)  # fmt: skip
