"""What the metabolome says, as rows of Evidence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from rechallenge.analysis import claims
from rechallenge.evidence import claim_table
from rechallenge.report.words import equals, interval, listed, number


def _each(frame: pd.DataFrame) -> Iterator[Any]:
    yield from frame.itertuples()


@claims(title="Metabolites that differ")
def metabolite_claims(metabolite_differential: pd.DataFrame, metabolite_names: pd.DataFrame) -> pd.DataFrame:
    """One claim per metabolite and resistance contrast; contrasts of a treatment where they are significant (q < 0.05).

    A pool that differs proves no flux, and no claim names a gene.
    """
    known = dict(zip(metabolite_names["feature"], metabolite_names["metabolite"], strict=True))
    wanted = (metabolite_differential["kind"] == "resistance") | (metabolite_differential["q_value"] < 0.05)
    rows = []
    for row in _each(metabolite_differential[wanted & (metabolite_differential["status"] != "not_estimable")]):
        name = known.get(row.feature) or row.feature
        rows.append(
            {
                "entity": name,
                "entity_type": "metabolite",
                "stream": "metabolome",
                "level": "intervention" if row.kind == "treatment" else "association",
                **{c: getattr(row, c) for c in ("model", "contrast", "direction", "se", "ci_low", "ci_high")},
                **{c: getattr(row, c) for c in ("statistic", "p_value", "q_value", "n", "status")},
                "effect": row.log2fc,
                "effect_unit": "log2 fold change",
                "analysis": "metabolite_differential",
                "source_table": row.source_table,
                "source_rows": row.source_rows,
                "claim": _sentence(row, name),
            }
        )
    return claim_table(rows)


def _sentence(row: Any, name: str) -> str:
    called = name if name == row.feature else f"{name} ({row.feature})"
    side = "higher" if row.log2fc > 0 else "lower"
    lead = f"{called}: {row.contrast} in {row.dataset}: {number(2 ** abs(row.log2fc))}-fold {side}"
    n = f"n = {row.n_group} against {row.n_reference} biological replicates, {row.design}"
    if row.status != "estimated":
        return f"{lead} (not tested; {n}) [{row.reason}]."
    test = f"moderated t = {row.statistic:.2f}, {equals('p', row.p_value)}, {equals('q', row.q_value)}"
    limits = f"log2 {number(row.log2fc)}, 95 % interval {interval(row.ci_low, row.ci_high)}"
    return f"{lead} ({limits}; {test}; {n})."


@claims(title="Pathways of changed metabolites")
def metabolite_pathway_claims(metabolite_enrichment: pd.DataFrame) -> pd.DataFrame:
    """One claim per pathway in which changed metabolites gather (q < 0.05, list of all changed ones); direction 0."""
    table = metabolite_enrichment
    return claim_table(
        {
            "entity": row.term,
            "entity_type": "pathway",
            "stream": "metabolome",
            "level": "association",
            "contrast": row.contrast,
            "direction": 0,
            "effect": row.statistic,
            "effect_unit": "log2 odds ratio",
            **{c: getattr(row, c) for c in ("ci_low", "ci_high", "p_value", "q_value", "n", "status")},
            "analysis": "metabolite_enrichment",
            "source_table": "metabolites",
            "claim": f"{row.term}: {row.contrast} in {row.dataset}: {row.n_hits} of its {row.size} measured "
            f"metabolites differ ({number(row.expected)} expected; Fisher's exact test on {row.n_universe} "
            f"measured metabolites, {equals('p', row.p_value)}, {equals('q', row.q_value)}): "
            f"{listed(row.leading_edge.split('|'), most=8)}.",
        }
        for row in _each(table[(table["list"] == "changed") & (table["q_value"] < 0.05)])
    )
