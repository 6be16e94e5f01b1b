"""What read-outs say of genes and drugs, as rows of Evidence."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from rechallenge.analysis import claims
from rechallenge.assays.measurements.comparing import claimed
from rechallenge.assays.measurements.gradient import FOLLOWS, OPPOSES
from rechallenge.designs.labels import each
from rechallenge.designs.moved import moved_claim
from rechallenge.evidence import claim_table
from rechallenge.report.words import equals, interval, number

_MEANS = {1: "a rise promotes resistance", -1: "a rise restores sensitivity"}


#: words by which a read-out is the amount of a gene's product
_PRODUCT = re.compile(
    r"\b(?:western|blot|protein|mRNA|transcript|acetylation|phosphorylation|methylation|ubiquitination|secretion|IHC|IF|"
    r"immuno\w+|promoter|expression|level|amount)\b|\b[KSTY][0-9]{1,4}\b",
    re.IGNORECASE,
)
_PHOSPHO = re.compile(r"^(?:p|phospho)[\s\-]+(?=[A-Za-z0-9]{2})")
#: a name that laboratories use for the product of a gene whose symbol is another
_CALLED = {"P70S6K": "RPS6KB1", "S6K1": "RPS6KB1"}


def product_of(assay: str) -> str:
    """The gene whose product a read-out measures, by its name (p-STAT3, MRPL12 western); '' where it names none.

    A single word that is no gene symbol with a sign of a product beside it is not taken for one: ROS is no ROS1.
    """
    from rechallenge.knowledge import resolve

    text = assay.strip()
    bare = _PHOSPHO.sub("", text)
    if bare == text and not _PRODUCT.search(text):
        return ""
    word = re.split(r"[\s,(]", bare)[0]
    if word in _CALLED:
        return _CALLED[word]
    gene = str(resolve.genes([word]).iloc[0]["gene"])
    return gene if gene and gene.upper() == word.upper() else ""


@claims(title="What moves the product of a gene")
def moved_claims(comparisons: pd.DataFrame) -> pd.DataFrame:
    """One claim per read-out of a gene's product (a protein, a phosphorylated one) and group that got one thing more
    than its control: which way it moved. The direction is 0, since that says nothing of the response."""
    rows = []
    mine = comparisons[comparisons["kind"].isin(["group", "within"]) & (comparisons["status"] == "estimated")]
    genes = {str(a): product_of(str(a)) for a in sorted(set(mine["assay"].astype(str)))}
    for row in each(mine):
        gene = genes[str(row.assay)]
        if not gene:
            continue
        scale = "log2" if row.scale == "log" else row.unit or "difference"
        rows.append(
            moved_claim(
                row, gene, effect=row.effect, stream="measurements", analysis="comparisons",
                unit=f"({scale}), {row.assay}", sure=row.p_adjusted < 1 - row.confidence, named=str(row.assay),
                told=f", {_numbers(row)}",
            )
        )  # fmt: skip
    return claim_table([r for r in rows if r])


@claims(title="Genes and drugs that move a read-out")
def comparison_claims(comparisons: pd.DataFrame) -> pd.DataFrame:
    """One claim per contrast that speaks of one gene or drug, in read-outs whose rise the study declares to mean
    something: it promotes resistance (+1), restores sensitivity (-1), or no change is shown (0)."""
    rows = []
    for row in claimed(comparisons):
        level = "association" if row.kind == "model" else "gradient" if row.kind == "stage" else "intervention"
        done = {1: "promotes resistance", -1: "restores sensitivity"}.get(row.direction, "no effect shown")
        why = f" [{row.reason}]" if row.reason else ""
        rows.append(
            {
                "entity": row.entity,
                "entity_type": row.entity_type,
                "stream": "measurements",
                "level": level,
                **{c: getattr(row, c) for c in ("model", "contrast", "direction", "effect", "se", "ci_low", "ci_high")},
                **{c: getattr(row, c) for c in ("statistic", "p_value", "q_value", "n", "status", "source_rows")},
                "effect_unit": f"{row.effect_unit}, {row.assay}",
                "analysis": "comparisons",
                "source_table": row.source_table,
                "claim": f"{row.entity}: {done} by {row.assay} in {row.model} ({_MEANS[row.meaning]}); "
                f"{row.contrast}: {row.verdict}, {_numbers(row)}{why}.",
            }
        )
    return claim_table(rows)


def _numbers(row: Any) -> str:
    """The effect with its interval, test and n."""
    n = f"n = {row.n_group:.0f} and {row.n_control:.0f} biological replicates, {row.design}"
    if row.effect != row.effect:
        return "difference not determined"
    log = row.scale == "log"
    value = (
        f"{number(row.fold)}-fold" if log else f"difference {number(row.effect)}{' ' + row.unit if row.unit else ''}"
    )
    if row.status != "estimated":
        return f"{value} (not tested; {n})"
    limits = interval(row.fold_ci_low, row.fold_ci_high) if log else interval(row.ci_low, row.ci_high)
    family = "" if row.adjustment == "none" else f", {equals(f'{row.adjustment} p', row.p_adjusted)}"
    test = f"{row.test}, t = {row.statistic:.2f}, df = {row.df:.1f}, {equals('p', row.p_value)}{family}"
    back = ""
    if row.taken_back == row.taken_back:
        share = interval(row.taken_back_low, row.taken_back_high)
        back = f"; share taken back {number(row.taken_back)} ({share})"
    return f"{value} ({100 * row.confidence:g} % interval {limits}; {test}, {equals('q', row.q_value)}; {n}{back})"


@claims(title="Genes whose read-out follows resistance")
def gradient_claims(stage_correlation: pd.DataFrame) -> pd.DataFrame:
    """One claim per gene whose read-out was measured over stages beside the IC50: follows (+1), opposes (-1), or
    nothing shown (0)."""
    rows = []
    for row in each(stage_correlation[stage_correlation["gene"] != ""]):
        out: dict[str, Any] = {"status": row.status}
        text = f"{row.gene}: {row.assay} in {row.model} over {row.stages} and the IC50 of {row.drug}: {row.verdict}"
        if row.status == "estimated":
            out |= {"effect": row.rho, "ci_low": row.ci_low, "ci_high": row.ci_high, "p_value": row.p_value}
            out |= {"q_value": row.q_value, "n": row.n}
            text += (
                f" (Spearman {number(row.rho)}, {100 * row.confidence:g} % interval "
                f"{interval(row.ci_low, row.ci_high)}; {row.test}, {equals('p', row.p_value)}, "
                f"{equals('q', row.q_value)}; n = {row.n:.0f} stages)"
            )
        rows.append(
            {
                "entity": row.gene,
                "entity_type": "gene",
                "stream": "measurements",
                "level": "gradient",
                "model": row.model,
                "contrast": f"{row.assay} and IC50 of {row.drug}, {row.stages}",
                "direction": {FOLLOWS: 1, OPPOSES: -1}.get(row.verdict, 0),
                "effect_unit": "rank correlation with IC50",
                **out,
                "analysis": "stage_correlation",
                "source_table": "measurements",
                "source_rows": row.source_rows,
                "claim": text + (f" [{row.reason}]" if row.reason else "") + ".",
            }
        )
    return claim_table(rows)
