"""Claims about genes: changed in a resistant line, following the stage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import claims
from rechallenge.evidence import claim_table
from rechallenge.omics.expression.design import INTERACTION, RESISTANCE, TREND
from rechallenge.omics.expression.several import RATIO, RESPONSE, STAGES, TREATMENTS
from rechallenge.report.words import equals, number

WHAT = {"rna": "mRNA", "protein": "protein"}
STREAM = {"rna": "expression", "protein": "protein"}
#: what two samples a side can give, as measured on samples of one kind
FEW = "; two samples a group are few: between samples of one kind they gave up to hundreds of calls"
#: features with a q below this are said to differ; the changes themselves are said of all
CALLED = 0.05


def _each(table: pd.DataFrame) -> Iterator[Any]:
    """The rows of a table as named tuples."""
    yield from table.itertuples()


def _claims(table: pd.DataFrame) -> pd.DataFrame:
    """One claim per expressed feature and contrast of resistance or stage, changed or not."""
    kept = table[
        table["kind"].isin([RESISTANCE, TREND]) & table["expressed"].astype(bool) & (table["status"] != "not_estimable")
    ]
    if kept.empty:
        return claim_table([])
    rows = []
    for row in _each(kept):
        tested = row.status == "estimated" and row.p_value == row.p_value
        rows.append(
            {
                "entity": row.gene,
                "entity_type": "gene",
                "stream": STREAM[str(row.layer)],
                "level": "gradient" if row.kind == TREND else "association",
                "model": row.model,
                "contrast": f"{row.contrast} ({row.dataset})",
                "direction": int(np.sign(row.log2fc)) * int(row.direction),
                "effect": row.log2fc,
                "effect_unit": "log2 fold change" + (" per stage" if row.kind == TREND else ""),
                "se": row.se if tested else np.nan,
                "ci_low": row.ci_low if tested else np.nan,
                "ci_high": row.ci_high if tested else np.nan,
                "statistic": row.statistic if tested else np.nan,
                "p_value": row.p_value if tested else np.nan,
                "q_value": row.q_value if tested else np.nan,
                "n": row.n,
                "status": "estimated" if tested else "not_testable",
                "analysis": f"{row.layer}_differential",
                "source_table": row.source_table,
                "source_rows": row.source_rows,
                "claim": _sentence(row, tested),
            }
        )
    return claim_table(rows)


def _sentence(row: Any, tested: bool) -> str:
    what = WHAT[str(row.layer)]
    per = " per stage" if row.kind == TREND else ""
    if not tested:
        why = f": {row.reason}" if row.reason else ""
        return f"{row.gene} {what} differs by {number(row.log2fc)} log2{per} in {row.contrast}, not tested{why}."
    changed = row.q_value == row.q_value and row.q_value < CALLED
    how = ("higher" if row.log2fc > 0 else "lower") if changed else "not shown to differ"
    q = equals("q", row.q_value) if row.q_value == row.q_value else "too few counts for the adjustment"
    few = FEW if min(row.n_test, row.n_reference) < 3 and row.kind == RESISTANCE else ""
    return (
        f"{row.gene} {what} is {how} in {row.contrast} ({row.dataset}): log2 fold change {number(row.log2fc)}{per} "
        f"[{number(row.ci_low)}, {number(row.ci_high)}], {equals('p', row.p_value)}, {q}, "
        f"n = {int(row.n_test)} against {int(row.n_reference)}{few}."
    )


@claims(title="Transcripts that differ in resistant lines")
def rna_claims(rna_differential: pd.DataFrame) -> pd.DataFrame:
    """One claim per expressed gene and resistant line (association) or trend over stages (gradient)."""
    return _claims(rna_differential)


@claims(title="Proteins that differ in resistant lines")
def protein_claims(protein_differential: pd.DataFrame) -> pd.DataFrame:
    """One claim per protein and resistant line (association) or trend over stages (gradient)."""
    return _claims(protein_differential)


SAID = {
    STAGES: "differs between {groups}",
    TREATMENTS: "differs between {groups}",
    INTERACTION: "answers both drugs together otherwise than the two alone add up to ({groups})",
    RESPONSE: "answers the treatment otherwise in {model} than in its parent ({groups})",
}


@claims(title="Genes that differ between several groups")
def group_claims(group_tests: pd.DataFrame) -> pd.DataFrame:
    """One claim per expressed feature and question with q < .05: an association, in no direction."""
    kept = group_tests[(group_tests["q_value"] < CALLED) & group_tests["expressed"].astype(bool)]
    rows = []
    for row in _each(kept):
        ratio = row.method == RATIO
        free = f"{int(row.df)}" if ratio else f"{int(row.df)} and {number(row.df_residual)}"
        degrees = "degree" if free == "1" else "degrees"
        test = (
            f"{'likelihood ratio' if ratio else 'moderated F'} {number(row.statistic)} on {free} {degrees} of freedom"
        )
        one = row.log2fc == row.log2fc
        how = (
            f"by {number(row.log2fc)} log2 [{number(row.ci_low)}, {number(row.ci_high)}]"
            if one
            else f"{number(row.range)} log2 from {row.lowest} to {row.highest}"
        )
        few = FEW if int(row.n) < 3 * len(str(row.groups).split("; ")) else ""
        rows.append(
            {
                "entity": row.gene,
                "entity_type": "gene",
                "stream": STREAM[str(row.layer)],
                "level": "association",
                "model": row.model,
                "contrast": f"{row.question} ({row.dataset})",
                "direction": 0,
                "effect": row.log2fc if one else row.range,
                "effect_unit": "log2, interaction" if one else "log2, highest less lowest group",
                "ci_low": row.ci_low,
                "ci_high": row.ci_high,
                "statistic": row.statistic,
                "p_value": row.p_value,
                "q_value": row.q_value,
                "n": row.n,
                "status": "estimated",
                "analysis": "group_tests",
                "source_table": "group_tests",
                "source_rows": row.source_rows,
                "claim": f"{row.gene} {WHAT[str(row.layer)]} "
                f"{SAID[str(row.kind)].format(groups=str(row.groups).replace('; ', ', '), model=row.model)}, {how}: "
                f"{test}, {equals('p', row.p_value)}, {equals('q', row.q_value)}, "
                f"n = {int(row.n)}{few}.",
            }
        )
    return claim_table(rows)
