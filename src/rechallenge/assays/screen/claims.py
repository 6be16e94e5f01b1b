"""What a screen says of compounds, of pairs with the anchor drug and of targets, as rows of Evidence.

Properties of a compound are claims of their own, told apart by the first word of `contrast`: `synergy` (its interaction
with the anchor), `selectivity` (against normal cells), `achievable` (can a patient have the dose; knowledge).
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from rechallenge.analysis import claims
from rechallenge.assays.screen.contract import each
from rechallenge.assays.screen.hits import LEFT_OUT, ONCE
from rechallenge.evidence import claim_table
from rechallenge.report.words import equals, interval, number

#: a library of at most this many compounds gets a claim for every one; of a larger one the hits, and this many leads
SMALL, LEADS = 50, 5
REACH = {
    "yes": "within the free plasma concentration of patients",
    "total only": "within the total plasma concentration of patients, not shown to be within the free one",
    "above": "above the total plasma concentration of patients, by ten times at most",
    "no": "more than ten times the total plasma concentration of patients",
}


def chosen(screen_hits: pd.DataFrame) -> pd.DataFrame:
    """The rows that claims are made of: one per compound (its surest dose); all of a small library, else the hits and
    the strongest few without. Normal cells are no tumour to make sensitive: they speak through selectivity alone."""
    parts = []
    told_of = screen_hits[(screen_hits["verdict"] != LEFT_OUT) & (screen_hits["role"] != "normal")]
    for _, part in told_of.groupby(["model", "anchor", "anchor_um"], sort=True):
        surest = part.assign(_p=part["p_value"].fillna(2.0)).sort_values(
            ["_p", "dose_um", "compound"], kind="mergesort"
        )
        one = surest.drop_duplicates("compound").drop(columns="_p")
        told = (one["direction"] != 0) | (one["rank"] <= LEADS)
        parts.append(one if len(one) <= SMALL else one[told])
    return pd.concat(parts).sort_index() if parts else screen_hits.iloc[:0]


@claims(title="Compounds that sensitise to the anchor drug")
def screen_claims(screen_hits: pd.DataFrame) -> pd.DataFrame:
    """Claims per compound: it sensitises (-1) or antagonises (+1) or nothing is shown (0); for hits also of the pair
    with the anchor, of selectivity where normal cells were screened, and of whether patients reach the dose."""
    rows: list[dict[str, Any]] = []
    for row in each(chosen(screen_hits)):
        hit = row.direction != 0
        drug = {"entity": row.compound, "entity_type": "drug"}
        rows.append({**drug, **_interaction(row)})
        if hit:
            pair = " + ".join(sorted([row.compound, row.anchor]))
            said = _interaction(row)
            word = "antagonistic" if row.direction > 0 else "synergistic"
            said["claim"] = said["claim"].replace(f"{row.compound}: {row.verdict}", f"{pair}: {word}", 1)
            rows.append({"entity": pair, "entity_type": "pair", **said})
        if row.direction < 0 and row.selective != "unknown":
            rows.append({**drug, **_selective(row)})
        if hit and row.achievable != "unknown":
            rows.append({**drug, **_achievable(row)})
    return claim_table(rows)


def _shared(row: Any) -> dict[str, Any]:
    return {
        "stream": "screen",
        "model": row.model,
        "analysis": "screen_hits",
        "source_table": row.source_table,
        "source_rows": row.source_rows,
    }


def _dosed(row: Any) -> str:
    return f"{row.compound} {row.dose_um:g} µM with {row.anchor} {row.anchor_um:g} µM"


def _interaction(row: Any) -> dict[str, Any]:
    test = row.status in ("estimated", "not_testable") and row.n > 0
    bound = row.status == "censored"
    given = row.interaction == row.interaction and row.status in ("estimated", "not_testable")
    extras = [f"alone it leaves {100 * row.alone:.3g} % of the viability, with the anchor {100 * row.both:.3g} % "
              f"(anchor alone {100 * row.anchor_alone:.3g} %)"] if row.both == row.both else []  # fmt: skip
    if row.toxicity not in ("none shown", "unknown"):
        extras.append(row.toxicity)
    why = f" [{row.reason}]" if row.reason else ""
    return {
        **_shared(row),
        "level": "intervention",
        "contrast": f"synergy: {_dosed(row)}",
        "direction": row.direction,
        "effect": row.interaction if given else None,
        "effect_unit": "log2 interaction (below 0 = sensitises)",
        "se": row.se if given else None,
        "ci_low": row.ci_low if given or bound else None,
        "ci_high": row.ci_high if given or bound else None,
        "statistic": row.statistic if test else None,
        "p_value": row.p_value if test else None,
        "q_value": row.q_value if test else None,
        "n": row.n,
        "status": row.status,
        "claim": f"{row.compound}: {row.verdict} in {row.model} ({_dosed(row)}), {_numbers(row)}"
        + "".join(f"; {e}" for e in extras)
        + f"{why}.",
    }


def _numbers(row: Any) -> str:
    n = f"n = {row.n} biological replicate{'s' if row.n != 1 else ''}, {row.design}"
    if row.status == "censored":
        return f"viability with both at most {number(2**row.ci_high)}-fold that expected of both alone ({n})"
    if row.interaction != row.interaction:
        return "interaction not determined"
    text = f"viability with both {number(2**row.interaction)}-fold that expected of both alone"
    if row.p_value != row.p_value:
        return f"{text} (not tested; {n})"
    limits = f"{100 * row.confidence:g} % interval {interval(2**row.ci_low, 2**row.ci_high)}"
    against = "against the library " if row.design == ONCE else ""
    return f"{text} ({limits}; {against}{equals('p', row.p_value)}, {equals('q', row.q_value)}; {n})"


def _selective(row: Any) -> dict[str, Any]:
    from rechallenge.knowledge.questions.facts import is_hepatocyte

    register = is_hepatocyte(row.normal_model)
    doubt = f" {register.text.removeprefix('No: ')}" if register.verdict == "no" else ""
    gap = row.interaction - row.normal_interaction
    said = {
        "yes": "more than in normal cells",
        "no": "in normal cells as well, or kills them",
        "not shown": "not shown to be more than in normal cells",
    }[row.selective]
    given = gap == gap and row.status in ("estimated", "not_testable")
    tested = row.status == "estimated" and row.selective_p_value == row.selective_p_value
    return {
        **_shared(row),
        "level": "intervention",
        "contrast": f"selectivity: {row.model} vs {row.normal_model}",
        "direction": -1 if row.selective == "yes" else 0,
        "effect": gap if given else None,
        "effect_unit": "log2 interaction less that in normal cells",
        "p_value": row.selective_p_value if tested else None,
        "n": row.n,
        "status": "estimated" if tested else "not_testable" if given else "not_estimable",
        "claim": f"{row.compound} sensitises {row.model} {said} ({row.normal_model}): {_dosed(row)}, in normal cells "
        f"{100 * row.normal_alone:.3g} % viable alone and {100 * row.normal_both:.3g} % with both"
        + (f" (one-sided {equals('p', row.selective_p_value)})" if tested else "")
        + "."
        + doubt,
    }


def _achievable(row: Any) -> dict[str, Any]:
    level = f"total {number(row.cmax_um)} µM" if row.cmax_um == row.cmax_um else "total unknown"
    free = f", free {number(row.cmax_free_um)} µM" if row.cmax_free_um == row.cmax_free_um else ", free unknown"
    return {
        **_shared(row),
        "level": "knowledge",
        "contrast": f"achievable: {row.compound} {row.dose_um:g} µM",
        "direction": 0,
        "effect": row.dose_um / row.cmax_um if row.cmax_um == row.cmax_um else None,
        "effect_unit": "dose over highest total plasma concentration",
        "status": "estimated" if row.cmax_um == row.cmax_um else "not_testable",
        "claim": f"{row.compound} {row.dose_um:g} µM, at which it was screened, is {REACH[row.achievable]} "
        f"({level}{free}).",
    }


@claims(title="Targets whose inhibitors sensitise to the anchor drug")
def screen_target_claims(screen_classes: pd.DataFrame) -> pd.DataFrame:
    """One claim per target of which every screened member is an inhibitor and whose inhibitors are shifted together:
    where they sensitise the gene promotes resistance (+1), where they antagonise it opposes it (-1)."""
    rows = []
    for row in each(screen_classes[(screen_classes["inhibits"] != "") & (screen_classes["direction"] != 0)]):
        role = "promotes resistance" if row.direction < 0 else "opposes resistance"
        does = "sensitise to" if row.direction < 0 else "antagonise"
        rows.append(
            {
                "entity": row.inhibits,
                "entity_type": "gene",
                "stream": "screen",
                "level": "intervention",
                "model": row.model,
                "contrast": f"inhibitors of {row.inhibits} with {row.anchor} {row.anchor_um:g} µM",
                "direction": -row.direction,
                "effect": row.statistic,
                "effect_unit": "z of the mean normal score of its inhibitors",
                "ci_low": row.ci_low,
                "ci_high": row.ci_high,
                "statistic": row.statistic,
                "p_value": row.p_value,
                "q_value": row.q_value,
                "n": row.n,
                "status": row.status,
                "analysis": "screen_classes",
                "source_table": row.source_table,
                "source_rows": row.source_rows,
                "claim": f"{row.inhibits}: {role} to {row.anchor} in {row.model}; its {row.size} screened inhibitors "
                f"{does} it together, more than compounds of the library ({row.members}; z = {row.statistic:.2f}, "
                f"{equals('p', row.p_value)}, {equals('q', row.q_value)}; n = {row.n} compounds of {row.library}).",
            }
        )
    return claim_table(rows)
