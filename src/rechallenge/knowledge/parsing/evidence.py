"""FDA DILIrank and CIViC: what is said of a drug's liver toxicity, and of variants and therapies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rechallenge.knowledge.errors import FormatError
from rechallenge.knowledge.parsing.reading import delimited, is_spreadsheet, joined, pick, sheets, sniffed, table_in

if TYPE_CHECKING:
    import pandas as pd

_CONCERN = {"most": "most", "less": "less", "no": "no", "ambiguous": "ambiguous"}


def dilirank(paths: list[Path]) -> tuple[pd.DataFrame, str]:
    """The DILIrank list as a workbook (a title above the heading is skipped) or as CSV; releases 1 and 2.

    Classes: most, less, no, ambiguous (Chen et al. 2016, doi:10.1016/j.drudis.2016.02.015); severity 0 to 8.
    """
    if is_spreadsheet(paths[0]):
        tables = [t for _, rows in sheets(paths[0]) if (t := table_in(rows, "LTKBID")) is not None]
        if not tables:
            raise FormatError(
                "FDA DILIrank: no sheet has a column LTKBID; the format has changed.", missing=("LTKBID",)
            )
        raw = tables[-1]
    else:
        raw = sniffed(paths[0])
    columns = {
        "ltkb_id": ("LTKBID",),
        "drug": ("Compound Name", "CompoundName"),
        "severity": ("Severity Class", "SeverityClass"),
        "label_section": ("Label Section", "LabelSection"),
        "concern": ("vDILIConcern", "vDILI-Concern"),
        "comment": ("Comment",),
        "list_version": ("Version",),
    }
    frame = pick(raw, columns, "FDA DILIrank", optional=("comment", "list_version"))
    frame = frame[frame["ltkb_id"].str.strip() != ""].copy()
    words = frame["concern"].str.lower().str.extract(r"(most|less|ambiguous|no)\b", expand=False)
    strange = frame["concern"][words.isna()]
    if len(strange):
        raise FormatError(f"FDA DILIrank: unknown class {strange.iloc[0]!r}; the format has changed.")
    frame["dili_class"] = words.map(_CONCERN)
    frame["label_section"] = frame["label_section"].str.lower()
    return frame, ""


def civic(paths: list[Path]) -> tuple[pd.DataFrame, str]:
    """ClinicalEvidenceSummaries.tsv of CIViC: one row per evidence item."""
    columns = {
        "evidence_id": ("evidence_id",),
        "profile": ("molecular_profile",),
        "disease": ("disease",),
        "doid": ("doid",),
        "therapies": ("therapies", "drugs"),
        "therapy_interaction": ("therapy_interaction_type", "drug_interaction_type"),
        "evidence_type": ("evidence_type",),
        "direction": ("evidence_direction",),
        "level": ("evidence_level",),
        "significance": ("significance", "clinical_significance"),
        "statement": ("evidence_statement",),
        "citation_id": ("citation_id",),
        "source_type": ("source_type",),
        "citation": ("citation",),
        "trials": ("nct_ids",),
        "rating": ("rating",),
        "status": ("evidence_status",),
        "last_review": ("last_review_date",),
    }
    frame = pick(delimited(paths[0]), columns, "CIViC", optional=("therapy_interaction", "trials", "last_review"))
    for name in ("therapies", "trials"):
        frame[name] = joined(frame[name], ",")
    frame["doid"] = frame["doid"].str.removesuffix(".0")
    return frame, ""
