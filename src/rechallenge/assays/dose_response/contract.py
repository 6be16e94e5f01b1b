"""What a table of viabilities must hold: one well (or one replicate's mean) per row."""

from __future__ import annotations

from rechallenge.assays.dose_response.rules import (
    biological_replicates,
    complete_samples,
    enough_doses,
    one_name_a_drug,
    pairs_tested,
    plausible_doses,
)
from rechallenge.tables.contract import Column, Contract
from rechallenge.tables.plates import PLATES
from rechallenge.tables.well_rules import (
    LOWEST_VIABILITY,
    WELL_TYPES,
    blank_below_vehicle,
    no_blank,
    slightly_negative,
    vehicle_on_every_plate,
    viability_goes_first,
    wells_once,
    zero_dose_is_vehicle,
)

__all__ = ["PLATES", "VIABILITY"]

#: wells that hold no drug need name none, nor a dose; their replicate is that of their plate
NO_DRUG = ("well_type", ("blank", "vehicle"))

VIABILITY = Contract(
    name="viability",
    about="Viability over dose: one row per well, or per dose and replicate.",
    columns=(
        Column(
            "model",
            "cell line or organoid, as named in study.toml",
            required=True,
            refers="model",
            empty_where=("well_type", ("blank",)),
            also=("cell_line", "cells", "cell", "line", "cell model", "cell name"),
        ),
        Column(
            "drug",
            "drug or compound",
            required=True,
            refers="drug",
            empty_where=NO_DRUG,
            also=("compound", "agent", "drug_name", "compound_name", "inhibitor name"),
        ),
        Column(
            "dose_um",
            "nominal concentration; 0 = vehicle",
            "number",
            required=True,
            empty_where=NO_DRUG,
            unit="µM",
            low=0.0,
            also=("dose", "conc", "concentration", "conc_um", "concentration_um", "drug concentration", "dosage"),
        ),
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
            also=(
                "relative viability",
                "cell viability",
                "viability fraction",
                "fraction of control",
                "fraction of vehicle",
                "relative survival",
                "survival fraction",
            ),
        ),
        Column(
            "signal",
            "raw signal of the well",
            "number",
            measured=True,
            also=(
                "absorbance",
                "od",
                "od450",
                "od490",
                "od570",
                "luminescence",
                "fluorescence",
                "rlu",
                "rfu",
                "intensity",
                "raw signal",
                "cell_count",
                "cell number",
            ),
        ),
        Column("well_type", "what is in the well", choices=WELL_TYPES, also=("type", "well kind", "content")),
        Column("plate", "plate; its vehicle wells are the reference", also=("plate_id", "barcode", "plate name")),
        Column("well", "well, e.g. B03", also=("well_id", "well position", "well name")),
        Column(
            "hours",
            "hours of exposure",
            "number",
            unit="h",
            low=0.0,
            low_open=True,
            also=("time", "exposure", "exposure hours", "duration", "time h"),
        ),
        Column(
            "perturbation",
            "what was done to the cells: siAKR1B1, AKR1B1 OE, siNC; none",
            default="none",
            also=("genetic perturbation", "knockdown", "transfection", "sirna", "shrna", "sgrna"),
        ),
        Column(
            "medium",
            "medium where it differs; empty = the usual one",
            default="",
            also=("culture medium", "media", "conditioned medium"),
        ),
        Column(
            "stage", "stage of dose escalation: S0, S1, ...", default="", also=("resistance stage", "passage stage")
        ),
        Column(
            "time0_signal",
            "signal of untreated cells when the drug was added, in the unit of signal; "
            "beside viability, as a fraction of the vehicle signal at the end",
            "number",
            low=0.0,
            low_open=True,
            also=("time0", "t0_signal", "signal at time 0", "cell_count__time0", "day0 signal"),
        ),
        Column(
            "vehicle_plate",
            "plate that holds the vehicle wells of this one, where it has none",
            default="",
            also=("control_plate", "reference_plate"),
        ),
        Column(
            "exclude",
            "reason to leave the well out (empty = use it)",
            default="",
            also=("excluded", "omit", "strike", "reason excluded"),
        ),
    ),
    either=(("viability",), ("signal", "well_type", "plate")),
    rules=(
        complete_samples,
        vehicle_on_every_plate,
        blank_below_vehicle,
        no_blank,
        slightly_negative,
        viability_goes_first,
        wells_once,
        zero_dose_is_vehicle,
        enough_doses,
        biological_replicates,
        plausible_doses,
        one_name_a_drug,
        pairs_tested,
    ),
    example=(
        "model,drug,dose_um,replicate,viability,hours,perturbation\n"
        "Huh-7 P,lenvatinib,1,1,0.97,48,none\n"
        "Huh-7 P,lenvatinib,10,1,0.58,48,none\n"
        "Huh-7 P,lenvatinib,100,1,0.11,48,none\n"
        "Huh-7 LR,lenvatinib,1,1,1.02,48,none\n"
        "Huh-7 LR,lenvatinib,10,1,0.91,48,none\n"
        "Huh-7 LR,lenvatinib,100,1,0.34,48,none\n"
        "Huh-7 LR,lenvatinib,10,1,0.60,48,siAKR1B1\n"
    ),
)
