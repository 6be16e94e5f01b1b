"""What a matrix of fatty acids or lipids and its sheet of samples must hold."""

from __future__ import annotations

from rechallenge.tables.contract import Column, Contract

FATTY_ACIDS = Contract(
    name="fatty_acids",
    about="Fatty acids or lipid species x samples with a sheet of samples.",
    reader="matrix",
    columns=(
        Column("feature", "name of the fatty acid or lipid: 18:1, palmitate, PC 34:1, TG 16:0/18:1/18:2", required=True,
               also=("lipid", "lipids", "fatty acid", "metabolite", "compound", "name", "species", "analyte", "peptide",
                     "index")),
        Column("sample", "name of the sample, as in the matrix", required=True,
               also=("sample id", "sample name", "run", "column", "file")),
        Column("model", "as named in study.toml", required=True, refers="model", also=("cell line", "line", "cells")),
        Column("treatment", "what was given; vehicle for the control", default="vehicle", also=("drug", "condition")),
        Column("stage", "stage of dose escalation: S0, S1, ...", default=""),
        Column("replicate", "biological replicate; equal labels in two groups mean the same experiment", required=True,
               also=("rep", "biological replicate", "experiment")),
        Column("batch", "day or run that samples share", default="", also=("run batch", "day", "block")),
    ),
    example=(
        "sample,model,treatment,replicate,batch\n"
        "P_1,Huh-7 P,vehicle,1,day 1\n"
        "R_1,Huh-7 LR,vehicle,1,day 1\n"
    ),
)  # fmt: skip
