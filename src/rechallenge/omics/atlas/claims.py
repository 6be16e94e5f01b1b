"""What the atlas says of genes, as rows of Evidence: layer facts with their numbers; inhibitors only as knowledge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from rechallenge import knowledge
from rechallenge.analysis import claims
from rechallenge.evidence import claim_table
from rechallenge.knowledge.errors import KnowledgeError
from rechallenge.knowledge.questions import achievable
from rechallenge.omics.atlas.concordance import (
    AGREES,
    ALONE,
    BOTH,
    CONCORDANT,
    DISCORDANT,
    METABOLITES,
    OPPOSED,
    SUGGESTIVE,
)
from rechallenge.omics.atlas.keys import SUPPORTED, inhibitors
from rechallenge.report.words import equals, interval, number

STREAM = "atlas"
_ROLES = {
    AGREES: "changes together with the metabolites that it makes",
    OPPOSED: "changes against its metabolites",
    BOTH: "agrees with one layer of its metabolites and is opposed by another",
    SUGGESTIVE: "changes as the metabolites that it makes, the joint test short of the called rate",
    ALONE: "changes, its metabolites do not show it",
    METABOLITES: "does not change itself, though its metabolites do",
}


def _each(frame: pd.DataFrame) -> Iterator[Any]:
    """The rows of a table as named tuples."""
    yield from frame.itertuples()


@claims(title="Enzymes and their metabolites")
def enzyme_claims(enzymes: pd.DataFrame) -> pd.DataFrame:
    """One claim per contrast and tested enzyme. Up with its metabolites in a resistant model: +1; down: -1; else 0.

    An enzyme that is called discordant is claimed by that test; untested enzymes are not claimed.
    """
    table = enzymes[enzymes["status"] == "estimated"]
    discordant = table["verdict"] == OPPOSED
    table = table[table["kind"] == discordant.map({True: DISCORDANT, False: CONCORDANT})]
    rows = []
    for row in _each(table.sort_values(["dataset", "contrast", "gene"], kind="mergesort")):
        called = row.verdict in (AGREES, BOTH)
        rows.append(
            {
                "entity": row.gene,
                "entity_type": "gene",
                "stream": STREAM,
                "level": "association",
                "model": row.model,
                "contrast": row.contrast,
                "direction": row.direction * row.resistance if called and not row.caution else 0,
                "effect": row.metabolite_score if np.isfinite(row.metabolite_score) else row.tracer_effect,
                "effect_unit": "footprint score (moderated t)" if np.isfinite(row.metabolite_score) else "tracer",
                "statistic": row.statistic,
                "p_value": row.p_value,
                "q_value": row.q_value,
                "n": row.n,
                "status": "estimated",
                "analysis": "enzymes",
                "source_table": row.source_table if row.source_rows else "",
                "source_rows": row.source_rows,
                "claim": _sentence(row),
            }
        )
    return claim_table(rows)


def _sentence(row: Any) -> str:
    role = _ROLES.get(row.verdict, "no common change with its metabolites shown")
    test = "discordance" if row.kind == DISCORDANT else "concordance"
    turned = f" against {row.opposed}" if row.opposed else ""
    numbers = f"{test}{turned} {equals('p', row.p_value)}, {equals('q', row.q_value)}"
    care = f" [{row.caution}]" if row.caution else ""
    return (
        f"{row.gene}: {role} in {row.contrast}; {'; '.join(layer_words(row))}; {numbers}; "
        f"n = {row.n_test} + {row.n_reference} biological replicates{care}."
    )


def layer_words(row: Any) -> list[str]:
    """Each layer's fact, in words."""
    said = []
    if np.isfinite(row.rna_p):
        said.append(f"mRNA log2 change {number(row.rna_log2fc)} ({equals('p', row.rna_p)})")
    if np.isfinite(row.protein_p):
        said.append(f"protein log2 change {number(row.protein_log2fc)} ({equals('p', row.protein_p)})")
    if np.isfinite(row.metabolite_p):
        mean = ""
        if np.isfinite(row.product_log2fc):
            limits = interval(row.product_ci_low, row.product_ci_high)
            mean = f", products log2 change {number(row.product_log2fc)} (95 % interval {limits})"
        said.append(f"metabolites {row.footprint} (rotation {equals('p', row.metabolite_p)}{mean})")
    if np.isfinite(row.tracer_p):
        said.append(f"{row.tracer_basis} change {number(row.tracer_effect)} ({equals('p', row.tracer_p)})")
    if np.isfinite(row.stage_p):
        said.append(f"trend over stages {'up' if row.stage_z > 0 else 'down'} ({equals('p', row.stage_p)})")
    return said


@claims(title="Inhibitors of key enzymes")
def inhibitor_claims(key_enzymes: pd.DataFrame) -> pd.DataFrame:
    """For every supported key enzyme what databases say of its inhibitors and their plasma concentration."""
    sources = knowledge.table("enzyme_inhibitors").set_index(["gene", "drug"])["source"]
    rows = []
    for row in _each(key_enzymes[key_enzymes["verdict"] == SUPPORTED]):
        for drug, status in inhibitors().get(row.gene, ()):
            approval = status or "approval not in the tables"
            claim = f"{drug} inhibits {row.gene} ({sources[row.gene, drug]}); {approval}; {_exposure(drug)}"
            rows.append(
                {
                    "entity": drug,
                    "entity_type": "drug",
                    "stream": STREAM,
                    "level": "knowledge",
                    "contrast": row.best_contrast,
                    "direction": 0,
                    "status": "not_testable",
                    "analysis": "key_enzymes",
                    "claim": f"{claim}.",
                }
            )
    return claim_table(rows)


def _exposure(drug: str) -> str:
    """Highest sourced plasma concentrations in words."""
    try:
        found = achievable(drug, 1.0)
    except KnowledgeError:
        return "plasma concentration unknown"
    if not np.isfinite(found.total_um):
        return "plasma concentration unknown"
    free = f", free {number(found.free_um)} µM ({found.free_basis})" if np.isfinite(found.free_um) else ", free unknown"
    return f"highest sourced total plasma concentration {number(found.total_um)} µM{free}"
