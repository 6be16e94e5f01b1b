"""What tables of genes and proteins hold, and contrasts that were analysed elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from rechallenge.faults import Fault
from rechallenge.omics.expression.reversal import system_of
from rechallenge.tables.contract import Column, Contract, place
from rechallenge.tables.matrix import FEATURE, SHEET

GENE = replace(FEATURE, about="gene symbol or identifier", refers="gene")
PROTEIN = replace(
    FEATURE,
    about="gene symbol of the protein, or its accession",
    also=("protein", "protein id", "protein ids", "accession", "uniprot", "gene", "genes", "gene name", "gene names",
          "gene symbol", "symbol", "majority protein ids", "id", "name"),
)  # fmt: skip


def replicates_enough(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Two replicates are few, one gives no test."""
    keys = [c for c in ("dataset", "model", "treatment", "stage") if c in frame.columns]
    for group, rows in frame.groupby(keys, sort=True, dropna=False):
        n = rows["replicate"].astype(str).nunique()
        if n < 3:
            name = ", ".join(str(g) for g in group if str(g) not in ("", "none"))
            what = "one biological replicate, so nothing can be tested against it" if n < 2 else "two replicates"
            more = "" if n < 2 else ", and two against two of one and the same kind gave up to hundreds of false calls"
            yield Fault(
                "few-replicates",
                f"{name} has {what}{more}.",
                "Plan at least three biological replicates a group.",
                column="replicate",
                severity="warning",
                **place(frame, rows.index[0]),
            )


def one_system(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Cells and tumours are no replicates of each other."""
    if "system" not in frame.columns:
        return
    told = frame[frame["system"].fillna("").astype(str).str.strip() != ""]
    keys = [c for c in ("dataset", "_file", "model") if c in frame.columns]
    for _, rows in told.groupby(keys, sort=True):
        kinds = {system_of(str(v)) for v in rows["system"]}
        if len(kinds) > 1:
            yield Fault(
                "two-systems",
                f"{rows['model'].iloc[0]} is said to be cells in some samples and a tumour in others, and would be "
                "compared as one group.",
                "Give the xenografts a model of their own ([models], with their own parent), or a data set of their "
                "own.",
                column="system",
                value=str(rows["system"].iloc[0]),
                **place(frame, rows.index[0]),
            )


EXPRESSION = Contract(
    name="expression",
    about="Transcriptome: a matrix of genes and samples, and a sheet of samples.",
    columns=(GENE, *SHEET),
    reader="matrix",
    rules=(replicates_enough, one_system),
    example="sample,model,treatment,replicate,batch\nP1,Huh-7 P,vehicle,1,a\nLR1,Huh-7 LR,vehicle,1,a\n",
)

PROTEINS = Contract(
    name="proteins",
    about="Proteome: a matrix of proteins and samples, and a sheet of samples.",
    columns=(PROTEIN, *SHEET),
    reader="matrix",
    rules=(replicates_enough, one_system),
    example="sample,model,treatment,replicate,batch\nP1,Huh-7 P,vehicle,1,a\nLR1,Huh-7 LR,vehicle,1,a\n",
)


def on_a_log_scale(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Differences of linear intensities are no log fold changes."""
    for name, rows in frame.groupby("dataset", sort=True):
        values = rows["log2fc"].to_numpy(dtype=float)
        values = values[np.isfinite(values)]
        if len(values) > 20 and np.quantile(np.abs(values), 0.99) > 15:
            yield Fault(
                "scale",
                f"{name} calls these log2 fold changes, but one in a hundred is beyond ±"
                f"{np.quantile(np.abs(values), 0.99):.3g} (standard deviation {values.std():.3g}): they look like "
                "differences of linear intensities.",
                "Give log2 fold changes, or leave the data set out; only its ranks could be used.",
                column="log2fc",
                **place(frame, rows.index[0]),
            )


def some_uncertainty(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """A fold change alone gives ranks and no test."""
    known = frame[["se", "statistic", "p_value"]].notna().any(axis=1)
    for name, rows in frame[~known].groupby("dataset", sort=True):
        yield Fault(
            "no-uncertainty",
            f"{len(rows)} rows of {name} have neither se nor statistic nor p_value; they count by rank alone.",
            "Add one of the three columns if there is one.",
            column="p_value",
            severity="warning",
            count=len(rows),
            **place(frame, rows.index[0]),
        )


CONTRAST_RESULTS = Contract(
    name="contrast_results",
    about="Contrasts analysed elsewhere (a public data set, a core facility): one row per feature and contrast.",
    columns=(
        Column("dataset", "name of the data set", required=True, also=("study", "accession", "gse")),
        Column("contrast", "what was compared, e.g. Huh-7 SR vs Huh-7 P", required=True, also=("comparison",)),
        Column("layer", "rna, protein, metabolite, or flux (of the reaction of a gene)", default="rna",
               choices=("rna", "protein", "metabolite", "flux")),
        Column("feature", "gene, protein or metabolite", required=True, refers="gene",
               also=("gene", "symbol", "gene symbol", "gene_name", "metabolite", "protein")),
        Column("log2fc", "log2 fold change; without it `statistic` counts by its rank", "number", measured=True,
               also=("log2 fold change", "logfc", "lfc", "log2foldchange", "avg_log2fc")),
        Column("se", "standard error of log2fc", "number", low=0.0, also=("lfcse", "standard error")),
        Column("statistic", "t or z", "number", measured=True, also=("stat", "t", "z")),
        Column("p_value", "p of no difference", "number", low=0.0, high=1.0, also=("p", "pvalue", "pval", "p.value")),
        Column("n", "samples of both groups together", "number", low=1.0, also=("n samples",)),
        Column("model", "the model of this study that it speaks of, if any", default=""),
        Column("source", "the samples or laboratory behind it (a series accession); data sets of one source are no two "
               "replications and count as one", default="", also=("series", "samples of")),
        Column("platform", "what it was measured on", default="", also=("array", "technology")),
    ),
    key=("dataset", "contrast", "layer", "feature"),
    either=(("log2fc",), ("statistic",)),
    rules=(on_a_log_scale, some_uncertainty),
    example=(
        "dataset,contrast,layer,feature,log2fc,se,n\n"
        "GSE0,Huh-7 SR vs Huh-7 P,rna,CAV1,3.9,0.3,6\n"
    ),
)  # fmt: skip
