"""What a table of mass isotopologues must hold."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pandas as pd

from rechallenge.faults import Fault
from rechallenge.omics.tracing.isotopes import TRACERS, parse_formula, parse_tracer
from rechallenge.tables.contract import Column, Contract, place

#: what tells one isotopologue of one measurement from all others
MEASUREMENT = ["sample", "tracer", "hours", "metabolite", "derivative"]


def shift_of(label: object) -> int | None:
    """Mass shift of an isotopologue as labs and programs write it; None where it cannot be read.

    >>> [shift_of(x) for x in ("M+3", "m0", "2", "C13-label-4", "C12 PARENT", "13C2", "parent", "x")]
    [3, 0, 2, 4, 0, 2, 0, None]
    """
    text = re.sub(r"\s+", "", str(label)).lower()
    if text in ("parent", "c12parent", "m", "unlabeled", "unlabelled", "12c", "monoisotopic"):
        return 0
    found = re.fullmatch(r"m?\+?(\d{1,3})(?:\.0)?", text) or re.fullmatch(r"(?:c13|n15|d|h2|2h)-?label-?(\d+)", text)
    found = found or re.fullmatch(r"(?:13c|15n|2h|d)[-_]?(\d+)", text)
    return int(found[1]) if found else None


def readable(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Formulas, tracers and isotopologues can be read, and no isotopologue is above what the formula can carry."""
    said: set[tuple[str, str]] = set()
    for i, row in zip(frame.index, frame.to_dict("records"), strict=True):
        where = place(frame, i)
        shift = shift_of(row["isotopologue"])
        if shift is None and row["isotopologue"] != "":
            yield Fault(
                "isotopologue",
                "this is no mass isotopologue.",
                "Write M+0, M+1, ... (the number of labelled atoms).",
                column="isotopologue",
                value=str(row["isotopologue"]),
                **where,
            )
        element = ""
        for column, read in (("tracer", parse_tracer), ("formula", parse_formula), ("derivative", parse_formula)):
            text = str(row[column] or "")
            if not text or (column, text) in said:
                continue
            try:
                read(text)
            except ValueError as e:
                said.add((column, text))
                remedy = (
                    "Write the isotope and the compound, e.g. [U-13C]glucose; one tracer a row."
                    if column == "tracer"
                    else "Write the sum formula of the measured molecule or ion, e.g. C6H7O7."
                )
                yield Fault(column, f"{e}.", remedy, column=column, value=text, **where)
        try:
            element = TRACERS[parse_tracer(row["tracer"]).isotope]
            most = parse_formula(row["formula"]).get(element, 0)
        except ValueError:
            continue
        if shift is not None and shift > most:
            yield Fault(
                "isotopologue",
                f"{row['formula']} has {most} {element} atoms and cannot be labelled {shift} times.",
                "Mend the formula (without the derivative's atoms) or the isotopologue.",
                column="isotopologue",
                value=str(row["isotopologue"]),
                **where,
            )


def once(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """No isotopologue of a measurement stands twice."""
    keyed = frame.assign(_shift=frame["isotopologue"].map(shift_of))
    twice = keyed.duplicated([*MEASUREMENT, "_shift"]) & keyed["_shift"].notna()
    for i in frame.index[twice]:
        yield Fault(
            "twice",
            f"{frame.loc[i, 'isotopologue']} of {frame.loc[i, 'metabolite']} in {frame.loc[i, 'sample']} stands twice.",
            "Give each injection its own sample name (and the same replicate), or sum split peaks first.",
            column="isotopologue",
            value=str(frame.loc[i, "isotopologue"]),
            **place(frame, i),
        )


def positive(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """No area is negative; a corrected fraction may lie below 0 by the noise of the correction."""
    lowest = frame["corrected"].map(lambda c: -0.1 if c == "yes" else 0.0)
    for i in frame.index[frame["area"] < lowest]:
        yield Fault(
            "low",
            "an area cannot be negative.",
            "Check the value; fractions that are corrected already need yes in the column corrected.",
            column="area",
            value=str(frame.loc[i, "area"]),
            **place(frame, i),
        )


ISOTOPOLOGUES = Contract(
    name="isotopologues",
    about="Areas of mass isotopologues after a labelled nutrient: one row per sample, metabolite and isotopologue, or "
    "an export of El-MAVEN with a table of its samples (the key samples).",
    reader="rechallenge.omics.tracing.elmaven:read_isotopologues",
    columns=(
        Column("sample", "name of the measurement", required=True, also=("sample_id", "file", "filename")),
        Column("model", "as named in study.toml", required=True, refers="model", also=("cell_line", "cells")),
        Column("treatment", "vehicle, or what was given", default="vehicle", also=("drug", "condition")),
        Column("stage", "stage of dose escalation"),
        Column("replicate", "biological replicate; equal labels in two groups mean the same experiment",
               required=True, also=("experiment", "bio_rep", "biological_replicate")),
        Column("hours", "hours with the tracer", "number", low=0.0, also=("time", "time_h")),
        Column("tracer", "labelled nutrient, e.g. [U-13C]glucose, 15N2-glutamine, D2O", required=True,
               also=("label", "labelled_substrate")),
        Column("metabolite", "name of the metabolite", required=True, also=("compound", "analyte")),
        Column("formula", "sum formula of the measured molecule or ion, without derivative", required=True,
               also=("molecular_formula", "sum_formula")),
        Column("derivative", "sum formula of the atoms that derivatisation added, e.g. C3H9Si",
               also=("derivatization",)),
        Column("isotopologue", "M+0, M+1, ...", required=True, also=("isotope", "isotopelabel", "mass_isotopologue")),
        Column("area", "peak area or intensity; a fraction where it is corrected already", "number", required=True,
               measured=True, also=("intensity", "abundance", "mid", "peak_area")),
        Column("corrected", "yes where natural abundance is corrected already", choices=("yes", "no"), default="no"),
        Column("normaliser", "cell number, protein or internal standard that pools are divided by", "number", low=0.0,
               low_open=True, also=("cell_number", "protein", "normalizer")),
    ),
    rules=(readable, once, positive),
    example=(
        "sample,model,treatment,replicate,hours,tracer,metabolite,formula,isotopologue,area\n"
        "P_1,Huh-7 P,vehicle,1,24,[U-13C]glucose,lactate,C3H6O3,M+0,310000\n"
        "P_1,Huh-7 P,vehicle,1,24,[U-13C]glucose,lactate,C3H6O3,M+1,24000\n"
        "P_1,Huh-7 P,vehicle,1,24,[U-13C]glucose,lactate,C3H6O3,M+2,9000\n"
        "P_1,Huh-7 P,vehicle,1,24,[U-13C]glucose,lactate,C3H6O3,M+3,650000\n"
    ),
)  # fmt: skip
