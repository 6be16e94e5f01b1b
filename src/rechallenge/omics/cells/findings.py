"""Claims from the states of single cells: genes, regulators, pathways, and rare cells in patients.

Tested over samples or patients alone. What is said of all cells of a line together, and of the course from parental to
resistant cells, is said of every gene that was tested. Of single states only what was called is said; such claims were
chosen by their result, so they carry no direction and weigh nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import claims
from rechallenge.evidence import claim_table
from rechallenge.knowledge.questions.collections import PROGRAMMES, set_titles
from rechallenge.omics.cells.activity import METABOLISM, PATHWAY, REGULATOR
from rechallenge.omics.cells.pseudobulk import ALL, GROUPS, PATIENTS
from rechallenge.omics.cells.trends import GENE
from rechallenge.report.words import equals, interval, number

STREAM = "cells"
CALLED = 0.05
#: contrasts that tell of resistance
KINDS = ("resistance", PATIENTS, GROUPS)
#: log2 counts per million that a gene needs over all samples to be spoken of
EXPRESSED = 1.0
#: claims of one state and contrast at most
MOST = 25
TYPES = {GENE: "gene", PATHWAY: "pathway", METABOLISM: "pathway", REGULATOR: "regulator"}


def _each(table: pd.DataFrame) -> Iterator[Any]:
    yield from table.itertuples()


def _state(state: str) -> str:
    return "all cells" if state == ALL else f"state {state}"


def _numbers(row: Any, tested: bool, *names: str) -> dict[str, float]:
    return {n: getattr(row, n) if tested else np.nan for n in names}


@claims(title="Genes that differ in resistant cells, by sample")
def cell_gene_claims(cell_contrasts: pd.DataFrame) -> pd.DataFrame:
    """Of all cells together one claim per expressed gene and contrast of resistance; of a state those called."""
    table = cell_contrasts[cell_contrasts["kind"].isin(KINDS) & (cell_contrasts["level"] >= EXPRESSED)]
    whole = table["state"] == ALL
    called = table[~whole & (table["q_value"] < CALLED)].sort_values("p_value", kind="mergesort")
    best = called.groupby(["dataset", "state", "contrast"], sort=True).head(MOST)
    rows = []
    for row in _each(pd.concat([table[whole], best])):
        tested = row.status == "estimated" and np.isfinite(row.p_value)
        where = f"{_state(row.state)} of {row.contrast} ({row.dataset})"
        sign = int(np.sign(row.log2fc)) * int(row.direction) if row.state == ALL else 0
        how = f"{'higher' if row.log2fc > 0 else 'lower'}" if tested and row.q_value < CALLED else "not shown to differ"
        numbers = (
            f"{number(row.log2fc)} log2 (95 % interval {interval(row.ci_low, row.ci_high)}; "
            f"{equals('p', row.p_value)}, {equals('q', row.q_value)}; {row.n_group} and {row.n_reference} samples)"
            if tested
            else f"{number(row.log2fc)} log2, {row.reason}"
        )
        rows.append(
            {
                "entity": row.gene, "entity_type": "gene", "stream": STREAM,
                "level": "clinical" if row.kind == PATIENTS else "association", "model": row.model,
                "contrast": f"{row.contrast} ({row.dataset}, {_state(row.state)})", "direction": sign,
                "effect": row.log2fc, "effect_unit": "log2 fold change",
                **_numbers(row, tested, "se", "ci_low", "ci_high", "statistic", "p_value", "q_value"), "n": row.n,
                "status": "estimated" if tested else "not_testable", "analysis": "cell_contrasts",
                "source_table": "cell_contrasts", "claim": f"{row.gene} is {how} in {where}: {numbers}.",
            }
        )  # fmt: skip
    return claim_table(rows)


@claims(title="Pathways and regulators of states, by sample")
def cell_activity_claims(activity_contrasts: pd.DataFrame) -> pd.DataFrame:
    """Of all cells together the built-in programmes and every regulator; of the rest, and of states, what is called."""
    table = activity_contrasts[
        activity_contrasts["contrast_kind"].isin(KINDS) & activity_contrasts["kind"].isin(list(TYPES))
    ]
    called = table["q_value"] < CALLED
    whole = (table["state"] == ALL) & (called | (table["kind"] == REGULATOR) | (table["collection"] == PROGRAMMES))
    rows = []
    titles = set_titles()
    for row in _each(table[whole | called]):
        tested = row.status == "estimated" and np.isfinite(row.p_value)
        name = titles.get(row.term, row.term) if row.collection == PROGRAMMES else row.term
        yes = tested and row.q_value < CALLED
        how = ("higher" if row.effect > 0 else "lower") if yes else "not shown to differ"
        what = f"The activity of {name}" if row.kind == REGULATOR else str(name)
        permuted = (
            f"; {number(row.z_permuted)} standard deviations from permuted regulons"
            if row.kind == REGULATOR and np.isfinite(row.z_permuted)
            else ""
        )
        numbers = (
            f"difference of scores {number(row.effect)} (95 % interval {interval(row.ci_low, row.ci_high)}; "
            f"{equals('p', row.p_value)}, {equals('q', row.q_value)}; {int(row.n_group)} and {int(row.n_reference)} "
            f"samples{permuted})"
            if tested
            else f"difference of scores {number(row.effect)}, {row.reason}"
        )
        rows.append(
            {
                "entity": name, "entity_type": TYPES[row.kind], "stream": STREAM,
                "level": "clinical" if row.contrast_kind == PATIENTS else "association", "model": row.model,
                "contrast": f"{row.contrast} ({row.dataset}, {_state(row.state)})",
                "direction": int(np.sign(row.effect)) * int(row.direction) if row.state == ALL else 0,
                "effect": row.effect, "effect_unit": "difference of scores",
                **_numbers(row, tested, "se", "ci_low", "ci_high", "statistic", "p_value", "q_value"), "n": row.n,
                "status": "estimated" if tested else "not_testable", "analysis": "activity_contrasts",
                "source_table": "activity_contrasts",
                "claim": f"{what} is {how} in {_state(row.state)} of {row.contrast} ({row.dataset}): {numbers}.",
            }
        )  # fmt: skip
    return claim_table(rows)


@claims(title="What follows the course from parental to resistant cells")
def pseudotime_claims(pseudotime_trends: pd.DataFrame) -> pd.DataFrame:
    """One claim per gene, regulator and built-in programme that was tested along a path, and per other set called."""
    table = pseudotime_trends[pseudotime_trends["p_value"].notna() & (pseudotime_trends["status"] == "estimated")]
    table = table[table["contrast_kind"] == "resistance"]
    own = table["kind"].isin([GENE, REGULATOR]) | (table["collection"] == PROGRAMMES) | (table["q_value"] < CALLED)
    titles = set_titles()
    rows = []
    for row in _each(table[own]):
        name = titles.get(row.term, row.term) if row.collection == PROGRAMMES else row.term
        yes = row.q_value < CALLED
        how = ("rises" if row.slope > 0 else "falls") if yes else "is not shown to rise or fall"
        what = f"The activity of {name}" if row.kind == REGULATOR else str(name)
        rows.append(
            {
                "entity": name, "entity_type": TYPES[row.kind], "stream": STREAM, "level": "gradient",
                "model": row.resistant, "contrast": f"{row.parental} to {row.resistant} ({row.dataset})",
                "direction": row.direction, "effect": row.slope,
                "effect_unit": "log expression from start to end" if row.kind == GENE else "SD from start to end",
                "se": row.se, "ci_low": row.ci_low, "ci_high": row.ci_high, "statistic": row.statistic,
                "p_value": row.p_value, "q_value": row.q_value, "n": row.n, "status": "estimated",
                "analysis": "pseudotime_trends", "source_table": "pseudotime_trends",
                "claim": f"{what} {how} along the course from {row.parental} to {row.resistant} ({row.dataset}): slope "
                f"{number(row.slope)} (95 % interval {interval(row.ci_low, row.ci_high)}; {equals('p', row.p_value)}, "
                f"{equals('q', row.q_value)}; rising in {row.n_rising} of {row.n} samples).",
            }
        )  # fmt: skip
    return claim_table(rows)


@claims(title="Driver-positive cells and recurrence")
def rare_cell_claims(rare_association: pd.DataFrame, rare_cells: pd.DataFrame) -> pd.DataFrame:
    """One claim per driver and pair of groups; the unit is the patient (or sample), and the power is said."""
    rows = []
    share = rare_cells.groupby(["dataset", "driver"])["frequency"].median()
    for row in _each(rare_association[rare_association["kind"].isin(KINDS)]):
        tested = row.status == "estimated"
        yes = tested and row.q_value < CALLED
        more = row.group_a if row.ratio > 1 else row.group_b
        lead = f"more {row.driver}-positive cells in {more}" if yes else (
            f"no difference in {row.driver}-positive cells shown")  # fmt: skip
        finite = tested and row.ci_low > 0 and np.isfinite(row.ci_high)
        unit = "patients" if row.kind == PATIENTS else "samples"
        said = (
            f"{number(row.ratio)}-fold, 95 % interval {interval(row.ci_low, row.ci_high)}; rank-sum "
            f"{equals('p', row.p_value)}, {equals('q', row.q_value)}; {row.n_a} and {row.n_b} {unit}, power for a "
            f"fourfold difference {number(row.power_fourfold, 2)}"
            if tested
            else f"{row.reason}; {row.n_a} and {row.n_b} {unit}"
        )
        at = share.get((row.dataset, row.driver), np.nan)
        middle = f"; median share {number(100 * at)} %" if tested and at >= 1e-5 else ""
        rows.append(
            {
                "entity": row.driver, "entity_type": "gene", "stream": STREAM,
                "level": "clinical" if row.kind == PATIENTS else "association",
                "model": "patients" if row.kind == PATIENTS else row.model,
                "contrast": f"{row.contrast} ({row.dataset}, share of positive cells)",
                "direction": int(np.sign(np.log(row.ratio))) * int(row.direction) if tested else 0,
                "effect": np.log(row.ratio) if tested else np.nan,
                "effect_unit": "log ratio of shares of positive cells",
                "ci_low": np.log(row.ci_low) if finite else np.nan,
                "ci_high": np.log(row.ci_high) if finite else np.nan,
                **_numbers(row, tested, "statistic", "p_value", "q_value"), "n": row.n,
                "status": "estimated" if tested else "not_testable", "analysis": "rare_association",
                "source_table": "rare_association",
                "claim": f"{row.driver}: {lead} ({row.contrast}, {row.dataset}; {said}{middle}).",
            }
        )  # fmt: skip
    return claim_table(rows)


@claims(title="Stemness at equal depth")
def stemness_claims(stemness_contrasts: pd.DataFrame) -> pd.DataFrame:
    """One claim per contrast of resistance over all cells: whether a difference stays at equal depth."""
    table = stemness_contrasts[stemness_contrasts["kind"].isin(KINDS) & (stemness_contrasts["state"] == ALL)]
    rows = []
    for row in _each(table):
        tested = row.status == "estimated" and np.isfinite(row.p_value)
        sizes = f"{int(row.n_group)} and {int(row.n_reference)} samples"
        test = f", {equals('p', row.p_value)}; {sizes}" if tested else f", {row.reason}"
        rows.append(
            {
                "entity": "Stemness (diversity of transcripts)", "entity_type": "pathway", "stream": STREAM,
                "level": "clinical" if row.kind == PATIENTS else "association", "model": row.model,
                "contrast": f"{row.contrast} ({row.dataset}, {_state(row.state)})",
                "direction": int(np.sign(row.effect)) * int(row.direction) if tested else 0, "effect": row.effect,
                "effect_unit": "difference of ranks (0 to 1)",
                **_numbers(row, tested, "se", "ci_low", "ci_high", "p_value", "q_value"), "n": row.n,
                "status": "estimated" if tested else "not_testable", "analysis": "stemness_contrasts",
                "source_table": "stemness_contrasts",
                "claim": f"Stemness in {row.contrast} ({row.dataset}), {row.verdict}: difference "
                f"{number(row.effect)} at {number(row.umi)} UMI in every cell{test}; {number(row.effect_all_counts)} "
                "at all counts.",
            }
        )  # fmt: skip
    return claim_table(rows)


@claims(title="Drugs to try against a state (hypotheses)")
def state_drug_claims(state_drugs: pd.DataFrame) -> pd.DataFrame:
    """One claim per drug and contrast, over its states: level knowledge, no number that could weigh."""
    rows = []
    for (drug, basis, contrast, dataset), part in state_drugs.groupby(
        ["drug", "basis", "contrast", "dataset"], sort=True
    ):
        where = ", ".join(_state(str(s)) for s in sorted(set(part["state"].astype(str))))
        genes = sorted({g for text in part["genes"] for g in str(text).split(";") if g})
        why = f"blocks {', '.join(genes[:5])}, up there" if basis == "target" else (
            f"moved genes against that change in {part['source'].iloc[0]}")  # fmt: skip
        rows.append(
            {
                "entity": drug, "entity_type": "drug", "stream": STREAM, "level": "knowledge",
                "model": part["model"].iloc[0], "contrast": f"{contrast} ({dataset})", "direction": -1,
                "status": "not_testable", "analysis": "state_drugs", "source_table": "state_drugs",
                "claim": f"Hypothesis: {drug} against {where} of {contrast} ({dataset}), because it {why}.",
            }
        )  # fmt: skip
    return claim_table(rows)


@claims(title="Shares of states, by sample")
def state_shift_claims(state_shifts: pd.DataFrame, state_markers: pd.DataFrame | None = None) -> pd.DataFrame:
    """One claim per state and contrast of resistance or of patients: whether its share differs between samples.

    A state is found from the same cells, so it is named by its markers and says nothing of a single gene. Shares add
    up to one: where one state takes more, others take less.
    """
    rows = []
    marked: dict[tuple[str, str], list[str]] = {}
    if state_markers is not None:
        best = state_markers[state_markers["rank"] > 0].sort_values("rank", kind="mergesort")
        marked = {(str(d), str(s)): list(p["gene"].head(3)) for (d, s), p in best.groupby(["dataset", "state"])}
    for row in _each(state_shifts[state_shifts["kind"].isin(KINDS)]):
        tested = row.status == "estimated" and np.isfinite(row.p_value)
        by = marked.get((str(row.dataset), str(row.state)), [])
        name = f"State {row.state}" + (f" ({', '.join(by)})" if by else "")
        yes = tested and row.q_value < CALLED
        how = (
            f"takes {'more' if row.effect > 0 else 'less'} of the cells" if yes else "is not shown to change its share"
        )
        shares = f"{number(100 * row.group_fraction)} % against {number(100 * row.reference_fraction)} %"
        numbers = (
            f"{shares}, odds {number(np.exp(row.effect))}-fold (95 % interval "
            f"{interval(np.exp(row.ci_low), np.exp(row.ci_high))}; {equals('p', row.p_value)}, "
            f"{equals('q', row.q_value)}; {int(row.n_group)} and {int(row.n_reference)} samples)"
            if tested
            else f"{shares}, {row.reason}"
        )
        rows.append(
            {
                "entity": f"{name} of {row.dataset}", "entity_type": "pathway", "stream": STREAM,
                "level": "clinical" if row.kind == PATIENTS else "association",
                "model": "patients" if row.kind == PATIENTS else row.model,
                "contrast": f"{row.contrast} ({row.dataset}, share of state {row.state})",
                "direction": int(np.sign(row.effect)) * int(row.direction) if tested else 0,
                "effect": row.effect, "effect_unit": row.effect_unit,
                **_numbers(row, tested, "se", "ci_low", "ci_high", "statistic", "p_value", "q_value"), "n": row.n,
                "status": "estimated" if tested else "not_testable", "analysis": "state_shifts",
                "source_table": "state_shifts", "source_rows": row.source_rows,
                "claim": f"{name} {how} in {row.contrast} ({row.dataset}): {numbers}.",
            }
        )  # fmt: skip
    return claim_table(rows)
