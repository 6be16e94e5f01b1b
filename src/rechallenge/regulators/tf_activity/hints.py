"""Hints that a regulator is switched and not made: who modifies it, as tables of knowledge say.

A factor whose own level does not change may still control a gene: ILF3 is acetylated by GCN5 (KAT2A) and CBP (CREBBP),
and a drug that keeps them apart lowers what ILF3 drives while ILF3 stays. No omics table shows that. For every
candidate regulator the hint names the modification, its writers and what these do here; a factor of which nothing is
known has one row that says unknown. Knowledge never has a p-value and never changes one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis, claims
from rechallenge.evidence import claim_table
from rechallenge.faults import NotApplicable
from rechallenge.regulators.tf_activity.bench import NO, NOT_KNOWN, UNKNOWN, YES, facts
from rechallenge.report.words import equals, number

KEYS = ["dataset", "contrast", "kind", "model"]
COLUMNS = (
    *KEYS, "gene", "tf", "own_change", "own_log2fc", "modification", "modification_kind", "writer", "writer_effect",
    "writer_log2fc", "writer_q_value", "note", "source", "level", "status", "reason", "source_table",
)  # fmt: skip


@analysis(title="Hints of modification", methods="Modifications of candidate regulators were taken from the table of "
          "published regulatory edges as hints; they entered no test.",
    formula="No formula: a lookup of published modifications",
    oracle="No outside reference: knowledge, never tested (tests/regulators/test_regulators.py)",
    limits="Knows only what the table holds. Unknown is not unmodified.",
)  # fmt: skip
def regulator_hints(regulators: pd.DataFrame, differential: pd.DataFrame | None = None) -> pd.DataFrame:
    """One row per contrast, gene, candidate factor and known modification with its writer: `COLUMNS`; one row with
    `modification` unknown for a factor of which none is known.

    `writer_effect` +1: the writer modifies the factor; `writer_log2fc` is the change of the writer's transcript in the
    same contrast, missing where it was not measured. Raises NotApplicable without a candidate.
    """
    if regulators.empty:
        raise NotApplicable("there is no candidate regulator")
    known = facts().rename(columns={"kind": "modification_kind", "effect": "writer_effect"})
    keep = [*KEYS, "gene", "tf", "own_change", "own_log2fc"]
    out = regulators[keep].merge(known, on="tf", how="left")
    lacking = out["writer"].isna()
    out["modification"] = out["modification"].where(~lacking, NOT_KNOWN)
    for c in ("modification_kind", "writer", "note", "source"):
        out[c] = out[c].fillna("")
    out = out.merge(_writers(differential), on=["dataset", "contrast", "writer"], how="left")
    out["level"], out["status"], out["source_table"] = "knowledge", "not_testable", "regulators"
    out["reason"] = np.where(lacking, "no modification is known, which does not say that there is none", "not measured")
    by = [*KEYS, "gene", "tf", "writer"]
    return out.reindex(columns=list(COLUMNS)).sort_values(by, kind="mergesort", ignore_index=True)


def _writers(differential: pd.DataFrame | None) -> pd.DataFrame:
    """Change of every transcript by contrast, one row per gene."""
    columns = ["dataset", "contrast", "writer", "writer_log2fc", "writer_q_value"]
    if differential is None:
        return pd.DataFrame(columns=columns).astype({"writer_log2fc": float, "writer_q_value": float})
    table = differential[(differential["layer"] == "rna") & differential["p_value"].notna()]
    table = table.sort_values(["dataset", "contrast", "gene", "p_value", "feature"], kind="mergesort")
    one = table.drop_duplicates(["dataset", "contrast", "gene"])
    return one.rename(columns={"gene": "writer", "log2fc": "writer_log2fc", "q_value": "writer_q_value"})[columns]


@claims(title="Hints of modification")
def hint_claims(regulator_hints: pd.DataFrame) -> pd.DataFrame:
    """One claim per candidate factor with a known modification in a contrast of resistance: knowledge, no p-value."""
    kept = regulator_hints[(regulator_hints["kind"] == "resistance") & (regulator_hints["writer"] != "")]
    rows = []
    for key, part in kept.groupby([*KEYS, "gene", "tf"], sort=True):
        where: dict[str, Any] = dict(zip([*KEYS, "gene", "tf"], key, strict=True))
        first = part.iloc[0]
        own = {
            NO: "its own transcript is not shown to change here, and need not",
            UNKNOWN: "its own transcript was not measured here",
            YES: "its own transcript changes here too",
        }.get(str(first["own_change"]), "its own transcript moves the other way here")
        writers = "; ".join(_writer(row) for row in part.to_dict("records"))
        rows.append(
            {
                "entity": where["tf"],
                "entity_type": "regulator",
                "stream": "tf_activity",
                "level": "knowledge",
                "model": where["model"],
                "contrast": f"{where['contrast']} ({where['dataset']}), {where['gene']}",
                "status": "not_testable",
                "analysis": "regulator_hints",
                "source_table": "regulators",
                "claim": f"{where['tf']}, a possible regulator of {where['gene']}, is controlled by modification as "
                f"tables of knowledge say: {writers}; {own}. The modification itself was not measured.",
            }
        )
    return claim_table(rows)


def _writer(row: dict[Any, Any]) -> str:
    does = "" if row["writer_effect"] > 0 else "less "
    here = (
        f"{row['writer']} {number(row['writer_log2fc'])} log2 here, {equals('q', row['writer_q_value'])}"
        if np.isfinite(row["writer_log2fc"])
        else f"{row['writer']} not measured here"
    )
    return f"{does}{row['modification']} by {row['writer']} ({here}; {row['source']})"
