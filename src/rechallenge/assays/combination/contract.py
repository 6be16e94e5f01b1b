"""What a table of drug combinations must hold: one well, or one dose pair of one replicate, per row."""

from __future__ import annotations

from rechallenge.assays.combination.rules import (
    complete_wells,
    one_name_a_drug,
    plausible_doses,
    shared_rules,
    surface_rules,
)
from rechallenge.tables.contract import Column, Contract
from rechallenge.tables.well_rules import LOWEST_VIABILITY, WELL_TYPES

#: wells without drug need name none
NO_DRUG = ("well_type", ("blank", "vehicle"))


def _drug(letter: str, other: str, required: bool) -> tuple[Column, Column]:
    words = {"a": ("1", "drug_row", "conc_r"), "b": ("2", "drug_col", "conc_c"), "c": ("3", "drug_depth", "conc_d")}
    number, axis, axis_dose = words[letter]
    missing = "; none for a single agent" + (", then its rows serve every pair" if letter == "b" else "")
    drug = Column(
        f"drug_{letter}",
        f"{other} drug" + (missing if letter != "a" else ""),
        required=required and letter == "a",
        default=None if letter == "a" else "",
        refers="drug",
        empty_where=NO_DRUG if letter == "a" else None,
        also=(f"drug{number}", f"drug_{number}", f"compound_{letter}", f"compound{number}", f"agent_{letter}", axis),
    )
    dose = Column(
        f"dose_{letter}_um",
        "nominal concentration; 0 = absent",
        "number",
        required=required and letter == "a",
        default=None if letter == "a" else 0.0,
        empty_where=NO_DRUG if letter == "a" else None,
        unit="µM",
        low=0.0,
        also=(
            *((f"conc_{letter}",) if letter != "c" else ()),
            f"dose{number}",
            f"dose_{number}",
            f"conc{number}",
            f"concentration_{letter}",
            f"concentration{number}",
            axis_dose,
        ),
    )
    return drug, dose


COMBINATION = Contract(
    name="combination",
    about="Two (or three) drugs together and alone: one row per well, or per dose pair and replicate.",
    columns=(
        Column(
            "model",
            "cell line or organoid, as named in study.toml",
            required=True,
            refers="model",
            empty_where=("well_type", ("blank",)),
            also=("cell_line", "cells", "cell", "line", "cell_line_name", "cell model", "cell name"),
        ),
        *_drug("a", "first", True),
        *_drug("b", "second", True),
        *_drug("c", "third", False),
        Column(
            "replicate",
            "biological replicate: an experiment of its own, not a well",
            required=True,
            empty_where=NO_DRUG,
            also=("biological replicate", "bio_replicate", "biorep", "rep", "experiment", "repeat"),
        ),
        Column(
            "viability",
            "signal as a fraction of vehicle (1 = as vehicle), not per cent",
            "number",
            unit="fraction of vehicle",
            low=LOWEST_VIABILITY,
            high=3.0,
            measured=True,
            also=("relative viability", "cell viability", "viability fraction", "fraction of control", "survival"),
        ),
        Column(
            "inhibition",
            "in place of viability: the fraction lost (0 = as vehicle, 1 = no signal left)",
            "number",
            unit="fraction of vehicle",
            low=-2.0,
            high=1.0 - LOWEST_VIABILITY,
            measured=True,
            also=("fraction affected", "effect fraction", "growth inhibition"),
        ),
        Column(
            "signal",
            "raw signal of the well",
            "number",
            measured=True,
            also=("absorbance", "od", "od450", "od490", "od570", "luminescence", "fluorescence", "rlu", "rfu"),
        ),
        Column("well_type", "what is in the well", choices=WELL_TYPES, also=("type", "well kind", "content")),
        Column("plate", "plate; its vehicle wells are the reference", also=("plate_id", "barcode", "plate name")),
        Column("well", "well, e.g. B03", also=("well_id", "well position", "well name")),
        Column("hours", "hours of exposure", "number", unit="h", low=0.0, low_open=True, also=("time", "duration")),
        Column(
            "perturbation",
            "what was done to the cells: siAKR1B1, AKR1B1 OE, siNC; none",
            default="none",
            also=("genetic perturbation", "knockdown", "transfection"),
        ),
        Column("vehicle_plate", "plate that holds the vehicle wells of this one, where it has none", default=""),
        Column("exclude", "reason to leave the well out (empty = use it)", default="", also=("excluded", "omit")),
    ),
    either=(("viability",), ("inhibition",), ("signal", "well_type", "plate")),
    rules=(
        complete_wells,
        shared_rules,
        surface_rules,
        plausible_doses,
        one_name_a_drug,
    ),
    example=(
        "model,drug_a,dose_a_um,drug_b,dose_b_um,replicate,viability,hours\n"
        "Huh-7 LR,lenvatinib,0,epalrestat,0,1,1.00,48\n"
        "Huh-7 LR,lenvatinib,20,epalrestat,0,1,0.71,48\n"
        "Huh-7 LR,lenvatinib,0,epalrestat,25,1,0.74,48\n"
        "Huh-7 LR,lenvatinib,20,epalrestat,25,1,0.31,48\n"
    ),
)
