"""HGNC gene names and the Human Protein Atlas secretome."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rechallenge.knowledge.parsing.reading import delimited, joined, pick

if TYPE_CHECKING:
    import pandas as pd


def hgnc(paths: list[Path]) -> tuple[pd.DataFrame, str]:
    """hgnc_complete_set: one row per approved gene."""
    columns = {
        "hgnc_id": ("hgnc_id",),
        "symbol": ("symbol",),
        "name": ("name",),
        "locus_group": ("locus_group",),
        "status": ("status",),
        "alias_symbols": ("alias_symbol",),
        "previous_symbols": ("prev_symbol",),
        "entrez": ("entrez_id",),
        "ensembl": ("ensembl_gene_id",),
        "uniprot": ("uniprot_ids",),
    }
    frame = pick(delimited(paths[0]), columns, "HGNC", optional=("status",))
    frame = frame[frame["status"].isin(["", "Approved"])].copy()
    for name in ("alias_symbols", "previous_symbols", "uniprot"):
        frame[name] = joined(frame[name].str.replace('"', "", regex=False), "|")
    return frame, ""


def hpa_secretome(paths: list[Path]) -> tuple[pd.DataFrame, str]:
    """proteinatlas.tsv: genes with an entry under "Secretome location". Uhlen et al. 2019,
    doi:10.1126/scisignal.aaz0274."""
    columns = {
        "gene": ("Gene",),
        "ensembl": ("Ensembl",),
        "uniprot": ("Uniprot",),
        "location": ("Secretome location",),
        "function": ("Secretome function",),
        "protein_class": ("Protein class",),
    }
    raw = delimited(paths[0], member=".tsv")
    frame = pick(raw, columns, "Human Protein Atlas", optional=("function", "protein_class"))
    frame = frame[frame["location"].str.strip() != ""].copy()
    frame["protein_class"] = joined(frame["protein_class"], ",")
    return frame, ""
