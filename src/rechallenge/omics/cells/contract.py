"""What a study must say of its single cells."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import pandas as pd

from rechallenge.faults import Fault
from rechallenge.tables.contract import Column, Contract, place


def someone(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Cells of nobody can be sorted into states, and nothing else."""
    nobody = frame[(frame["model"] == "") & (frame["patient"] == "") & (frame["group"] == "")]
    for (file, sample), rows in nobody.groupby(["_file", "sample"], sort=True):
        yield Fault(
            "no-model",
            f"{len(rows)} cells of the sample {sample} have neither a model nor a patient; they are described and "
            "nothing is compared.",
            "Name the model or the patient in the sheet of samples, in obs, or beside the file in study.toml.",
            severity="warning",
            column="model",
            **{**place(frame, rows.index[0]), "file": str(file)},
        )


def one_sample_a_group(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Cells are not replicates: one sample a group gives a description and no test."""
    named = frame[frame["model"] != ""]
    for (dataset, model, treatment), rows in named.groupby(["dataset", "model", "treatment"], sort=True):
        if rows["replicate"].nunique() < 2:
            yield Fault(
                "few-replicates",
                f"{model} ({treatment}) has one sample of {len(rows)} cells in {dataset}. Cells of one sample are no "
                "replicates, so nothing is tested against it: a batch cannot be told from an effect.",
                "Plan at least three biological replicates a group, each a sample of its own.",
                severity="warning",
                column="replicate",
                **place(frame, rows.index[0]),
            )


CELLS = Contract(
    name="cells",
    about='Single cells: cells = "cells.h5ad", or { values = "run1/*", samples = "cells.csv" } with .h5ad (AnnData), '
    "10x .h5, the three files of a 10x matrix (name all of them) or a text of genes x cells. What a cell is (sample, "
    "model or patient, treatment, replicate, batch) stands in obs, in the sheet (by file, by sample or by cell), or "
    "beside the file in study.toml. The values are counts; they stay in their file. Reading gives one row per cell.",
    columns=(
        Column("dataset", "name of the data set (by default of the source, else of the first file)"),
        Column("cell", "barcode of the cell; in the sheet only where cells of a file differ", required=True,
               also=("barcode", "cell id", "cell name", "cell barcode")),
        Column("sample", "library or tumour piece that the cell comes from; by default its file", required=True,
               also=("sample id", "orig.ident", "library", "library id", "gsm", "sample name")),
        Column("model", "as named in study.toml", refers="model", also=("cell line", "line")),
        Column("patient", "patient whose tumour it is", also=("patient id", "donor", "donor id", "subject", "case")),
        Column("treatment", "what was given; vehicle or none for the control", default="none",
               also=("drug", "condition", "arm")),
        Column("stage", "stage of dose escalation: S0, S1, ...", default=""),
        Column("replicate", "biological replicate; by default every sample is one", default="",
               also=("rep", "biological replicate", "experiment")),
        Column("batch", "lane, run or day that samples share", default="", also=("lane", "run", "day", "chip")),
        Column("group", "what a patient or a cell line is compared on, where no model says it: recurred or not "
               "recurred, before or after treatment, parental or resistant; two groups of one patient are a pair",
               default="",
               also=("recurrence", "recurrence status", "relapse", "outcome", "time point", "response")),
        Column("cell_type", "kind of cell where it is known: malignant, T cell, ...", default="",
               also=("celltype", "cell type", "annotation", "cell label")),
        # made by reading, never in the sheet
        Column("n_counts", "sum of the values of the cell (made by reading)", "number"),
        Column("n_genes", "genes seen in the cell (made by reading)", "number"),
        Column("values", "counts, log (log-normalised), or real (not whole, not logarithms) (made by reading)"),
        Column("absent", "zero: the file leaves out genes without counts; unknown: a gene that it lacks was not "
               "measured (made by reading)"),
        Column("layer", "which matrix of the file holds the values (made by reading)"),
        Column("path", "where the file lies (made by reading)"),
        Column("sha256", "digest of the file (made by reading)"),
    ),
    key=("dataset", "cell"),
    rules=(someone, one_sample_a_group),
    reader="rechallenge.omics.cells.reading:read",
    example=(
        "file,sample,model,treatment,replicate,batch\n"
        "parental_1.h5,P1,Huh-7 P,vehicle,1,a\n"
        "resistant_1.h5,LR1,Huh-7 LR,vehicle,1,a\n"
    ),
)  # fmt: skip
#: columns that a sheet, obs or study.toml may give
GIVEN = ("sample", "model", "patient", "treatment", "stage", "replicate", "batch", "group", "cell_type")


@lru_cache(maxsize=1)
def sheet_form() -> Contract:
    """The sheet as the lab writes it: by file, by sample, or by cell."""
    optional = tuple(
        Column(c.name, c.about, refers=c.refers, also=c.also)
        for c in CELLS.columns
        if c.name in GIVEN or c.name == "cell"
    )
    file = Column(
        "file", "name of the file, as the pattern finds it (folder may be left out)", also=("filename", "file name")
    )
    return Contract("cells", "one row per file, sample or cell", (file, *optional), key=("file", "sample", "cell"))
