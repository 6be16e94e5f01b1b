"""What a matrix of metabolites and its sheet of samples must hold."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from rechallenge.faults import Fault
from rechallenge.tables.contract import Column, Contract, place

SAMPLE, QC, BLANK = "sample", "qc", "blank"
_QC_WORDS = ("qc", "QC", "Qc", "pool", "Pool", "pooled", "Pooled", "pooled_qc", "pooled QC", "Pooled QC", "mix", "Mix")
_BLANK_WORDS = ("blank", "Blank", "BLANK", "water", "Water", "solvent", "Solvent", "extraction blank", "process blank",
                "Process blank", "method blank", "procedural blank")  # fmt: skip
#: samples that are no biological sample need neither model nor replicate
NOT_BIOLOGICAL = ("sample_type", (*_QC_WORDS, *_BLANK_WORDS))


def sample_type(label: object) -> str:
    """`sample`, `qc` (pooled) or `blank` of what a sheet says.

    >>> sample_type("Pooled QC"), sample_type("water"), sample_type(""), sample_type("sample")
    ('qc', 'blank', 'sample', 'sample')
    """
    text = str(label).strip().lower().replace("_", " ")
    if text in {w.lower().replace("_", " ") for w in _QC_WORDS}:
        return QC
    return BLANK if text in {w.lower() for w in _BLANK_WORDS} else SAMPLE


def known_types(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """A type of sample that is neither sample, qc nor blank is named."""
    usual = {"", "sample", "samples", "biological", "study", "unknown", "s"}
    for i in frame.index:
        text = str(frame.loc[i, "sample_type"] or "").strip()
        if text.lower() not in usual and sample_type(text) == SAMPLE:
            yield Fault(
                "sample-type",
                "this type of sample is not known and was taken as a biological sample.",
                "Write sample, qc (pooled) or blank.",
                column="sample_type",
                value=text,
                severity="warning",
                **place(frame, i),
            )


METABOLITES = Contract(
    name="metabolites",
    about="Metabolites x samples with a sheet of samples; pooled QC and blank samples are named in the sheet.",
    reader="matrix",
    columns=(
        Column("feature", "name of the metabolite, or its HMDB, KEGG or ChEBI number", required=True,
               also=("metabolite", "compound", "name", "analyte", "biochemical", "id", "index", "feature id")),
        Column("sample", "name of the sample, as in the matrix", required=True,
               also=("sample id", "sample name", "column", "file")),
        Column("model", "as named in study.toml", required=True, refers="model", also=("cell line", "line", "cells"),
               empty_where=NOT_BIOLOGICAL),
        Column("treatment", "what was given; vehicle for the control", default="vehicle", also=("drug", "condition")),
        Column("stage", "stage of dose escalation: S0, S1, ...", default=""),
        Column("replicate", "biological replicate; equal labels in two groups mean the same experiment", required=True,
               also=("rep", "biological replicate", "experiment"), empty_where=NOT_BIOLOGICAL),
        Column("batch", "day or run that samples share", default="", also=("run batch", "day", "block")),
        Column("sample_type", "sample, qc (pooled) or blank", default="sample", also=("type", "sample class")),
        Column("order", "position in the run, for the drift", "number", also=("run order", "injection order", "run")),
        Column("amount", "cell number, protein or tissue weight that areas are divided by", "number", low=0.0,
               low_open=True, also=("cell number", "protein", "weight")),
    ),
    rules=(known_types,),
    example=(
        "sample,model,treatment,replicate,batch,sample_type,order\n"
        "P_1,Huh-7 P,vehicle,1,day 1,sample,3\n"
        "R_1,Huh-7 LR,vehicle,1,day 1,sample,4\n"
        "QC_1,,,,day 1,qc,5\n"
        "B_1,,,,day 1,blank,1\n"
    ),
)  # fmt: skip
