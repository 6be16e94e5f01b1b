"""The table of protein interactions, as STRING, Cytoscape and others export it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd

from rechallenge.faults import Fault
from rechallenge.tables.contract import Column, Contract, place

#: STRING exports nothing below .150 of 1: a table that stays below it is not on either scale
LOWEST = 0.15
FULL = 1000.0
_STRING_ID = r"^(?:\d+\.)?ENSP\d+$"


def score_scale(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Scores go to 1 or to 1000 in one file, not to a thousandth, and not to both."""
    for _, rows in frame.dropna(subset=["score"]).groupby("_file", sort=True):
        top = float(rows["score"].max())
        where = place(frame, rows["score"].idxmax())
        if 0 < top < LOWEST:
            factor = 10 ** math.floor(-math.log10(top))
            yield Fault(
                "score-scale",
                f"the highest score of the table is {top:g}. Combined scores go up to 1, or up to 1000, and STRING "
                f"exports none below {LOWEST:g}; these look divided by {factor:,} once too often.",
                f"Multiply the column by {factor:,}, or export the network from STRING again.",
                column="score", value=f"{top:g}", **where,
            )  # fmt: skip
        elif top > 1:
            small = rows[(rows["score"] > 0) & (rows["score"] < 1)]
            if len(small):
                yield Fault(
                    "score-scale",
                    f"{len(small)} scores lie between 0 and 1 while others go up to {top:g}: two scales in one table.",
                    "Give all scores from 0 to 1, or all from 0 to 1000.",
                    column="score", value=f"{small['score'].iloc[0]:g}", **place(frame, small.index[0]),
                )  # fmt: skip


def gene_names(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Partners are named as genes are in the expression table, not by STRING's own identifiers."""
    for column in ("protein_a", "protein_b"):
        coded = frame.index[frame[column].astype(str).str.match(_STRING_ID)]
        if len(coded):
            yield Fault(
                "string-identifier",
                f"{len(coded)} partners are named by Ensembl protein identifiers, which no expression table holds.",
                "Export the network with gene names (node1, node2 or preferredName), not with STRING's identifiers.",
                column=column, value=str(frame.loc[coded[0], column]), **place(frame, coded[0]),
            )  # fmt: skip


INTERACTIONS = Contract(
    name="interactions",
    about="Protein interactions: one row per pair, such as a network exported from STRING.",
    columns=(
        Column("protein_a", "gene symbol of one partner, as in the expression table", required=True, refers="gene",
               also=("node1", "#node1", "gene_a", "protein1", "preferredName_A", "interactor_a", "gene1", "source",
                     "official symbol interactor a")),
        Column("protein_b", "gene symbol of the other", required=True, refers="gene",
               also=("node2", "gene_b", "protein2", "preferredName_B", "interactor_b", "gene2", "target",
                     "official symbol interactor b")),
        Column("score", "confidence: 0 to 1, or 0 to 1000", "number", required=True, measured=True, low=0.0, high=FULL,
               also=("combined_score", "combined score", "confidence", "weight")),
    ),
    rules=(score_scale, gene_names),
    example="node1,node2,combined_score\nCAV1,CAV2,0.999\nCAV1,EGFR,0.991\nIL6,STAT3,0.999\n",
)  # fmt: skip


def links(table: pd.DataFrame) -> pd.DataFrame:
    """One row per unordered pair, `gene_a` < `gene_b`, and `score` from 0 to 1: the highest where a pair is there more
    than once. Each file has its own scale; pairs of a gene with itself say nothing of others and are left out."""
    score = table["score"].astype(float)
    file = table["_file"] if "_file" in table.columns else pd.Series("", index=table.index)
    scale = score.groupby(file).transform("max").gt(1).map({True: FULL, False: 1.0})
    first, second = (table[c].astype(str).str.strip() for c in ("protein_a", "protein_b"))
    out = pd.DataFrame(
        {"gene_a": first.where(first < second, second), "gene_b": second.where(first < second, first),
         "score": score / scale}
    )  # fmt: skip
    out = out[(out["gene_a"] != out["gene_b"]) & out["score"].notna()]
    return out.groupby(["gene_a", "gene_b"], sort=True)["score"].max().reset_index()
