"""What the combinations say, as rows of Evidence: synergistic, achievable, selective, each a claim of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import claims
from rechallenge.assays.combination.scores import INDEX, NAMES, PERCENT
from rechallenge.assays.combination.selectivity import LESS, MORE, UNTESTED
from rechallenge.assays.combination.surfaces import MATRIX, RAY, WINDOW, WINDOW_FREE
from rechallenge.assays.combination.verdicts import ANTAGONISM, NONE, SYNERGY, shown
from rechallenge.assays.combination.wells import DRUGS, by_surface, each
from rechallenge.evidence import claim_table
from rechallenge.report.words import equals, interval, number

STREAM = "combination"
PLACES = {
    MATRIX: "over all dose combinations",
    WINDOW: "within total plasma concentrations",
    WINDOW_FREE: "within free plasma concentrations",
}
_SIGN = {SYNERGY: -1, ANTAGONISM: 1}


def entity(row: Any) -> str:
    """The pair as it is named in Evidence: its drugs in alphabetical order."""
    return " + ".join(sorted(str(getattr(row, d)) for d in DRUGS if getattr(row, d)))


def where(row: Any) -> str:
    """The model with its perturbation."""
    return str(row.model) + (f" ({row.perturbation})" if row.perturbation not in ("", "none") else "")


def _drugs(row: Any) -> str:
    return " + ".join(str(getattr(row, d)) for d in DRUGS if getattr(row, d))


def _tested(row: Any) -> str:
    """Interval, test and n of an estimate."""
    n = f"n = {row.n:.0f} biological replicates"
    if row.status == "not_testable":
        return f"no interval and no test; n = {row.n:.0f} biological replicate{'s' if row.n > 1 else ''}"
    limits = f"{100 * row.confidence:g} % interval {interval(row.ci_low, row.ci_high)}"
    return f"{limits}; jackknife t, {equals('p', row.p_value)}, {equals('q', row.q_value)}; {n}"


def _numbers(row: Any) -> dict[str, Any]:
    """The columns of Evidence that a row's status allows."""
    out: dict[str, Any] = {"status": row.status, "n": row.n}
    if row.status == "estimated":
        out |= {k: getattr(row, k) for k in ("se", "ci_low", "ci_high", "p_value", "q_value")}
    elif row.status == "censored":
        out |= {"ci_low": row.ci_low, "ci_high": row.ci_high}
    return out


def _score_claim(row: Any, alpha: float, signs: str) -> dict[str, Any]:
    """Synergy over the matrix, or within one of the windows: the achievable part of it."""
    word, method = shown(row, alpha), NAMES.get(row.method, row.method)
    place = PLACES[row.region]
    mixed = row.region == MATRIX and bool(signs)
    direction = 0 if mixed else _SIGN.get(word, 0)
    name, tumour = _drugs(row), where(row)
    if row.status == "not_estimable":
        text = f"{name}: whether it is synergistic {place} in {tumour} cannot be told [{row.reason}]."
    else:
        said = {NONE: "no interaction shown"}.get(word, word)
        said = "synergy not tested" if row.status == "not_testable" else said
        said = f"the sign depends on the doses ({signs})" if mixed else said
        value = number(row.score) if row.status != "censored" else f"at most {number(row.bound)}"
        within, over = ("", "over all") if row.region == MATRIX else (f"{place} ", "over")
        cells = f"{row.n_cells:.0f} dose combination{'s' if row.n_cells != 1 else ''}"
        text = (
            f"{name}: {said} {within}in {tumour}, mean excess over {method} {value} % of inhibition {over} {cells} "
            f"({_tested(row)})."
        )
    what = {MATRIX: "synergy", WINDOW: "achievable synergy (total)", WINDOW_FREE: "achievable synergy (free)"}
    return {
        "entity": entity(row), "entity_type": "pair", "model": row.model, "direction": direction,
        "contrast": f"{what[row.region]}: {name} vs {method}", "effect_unit": f"{PERCENT} over {method}",
        "effect": row.score if row.status in ("estimated", "not_testable") else np.nan, **_numbers(row),
        "analysis": "synergy", "claim": text,
    }  # fmt: skip


def _index_claim(row: Any, alpha: float, mixed: bool) -> dict[str, Any]:
    """The combination index at one effect."""
    name = _drugs(row)
    tested = row.status == "estimated" and row.q_value <= alpha
    word = "no interaction shown" if not tested else "synergistic" if row.score < 1 else "antagonistic"
    direction = 0 if mixed or not tested else -1 if row.score < 1 else 1
    if row.status == "not_estimable":
        text = f"{name}: no combination index in {where(row)} [{row.reason}]."
    else:
        text = (
            f"{name}: {word} on the tested ray in {where(row)}, combination index {number(row.score)} at "
            f"{100 * row.effect:g} % effect ({_tested(row)})."
        )
        if mixed:
            text = text[:-1] + "; the ray crosses regions of both signs."
    return {
        "entity": entity(row), "entity_type": "pair", "model": row.model, "direction": direction,
        "contrast": f"combination index at {100 * row.effect:g} %: {name}", "effect_unit": INDEX,
        "effect": row.score if row.status in ("estimated", "not_testable") else np.nan, **_numbers(row),
        "analysis": "synergy", "claim": text,
    }  # fmt: skip


def _sign_claims(row: Any, regions: pd.DataFrame) -> list[dict[str, Any]]:
    """Where the sign depends on the doses: the largest region of either sign.

    Regions are found by the FDR of their combinations, so that their mean has an interval and no test of its own.
    """
    out = []
    for sign, direction in (("antagonism", 1), ("synergy", -1)):
        mine = regions[regions["sign"] == sign].sort_values(["n_cells", "region_id"], ascending=[False, True])
        if mine.empty:
            continue
        region = next(each(mine))
        normal = ""
        if region.normal and sign == "synergy":
            normal = f"; {region.normal} loses {number(region.normal_observed)} % at the same doses"
        reach = {"none": ", outside achievable concentrations", "all": ", within achievable concentrations"}
        method = NAMES.get(region.method, region.method)
        text = (
            f"{_drugs(row)}: {'antagonistic' if direction > 0 else 'synergistic'} in {where(row)} at {region.words}"
            f"{reach.get(region.in_window, '')}, mean excess over {method} {number(region.excess)} % of inhibition "
            f"over {region.n_cells:.0f} dose combinations, each beyond it at the false-discovery rate of the surface "
            f"(95 % interval {interval(region.ci_low, region.ci_high)}; n = {region.n:.0f} biological replicates)"
            f"{normal}."
        )
        known = np.isfinite(region.excess) and np.isfinite(region.ci_low)
        out.append(
            {
                "entity": entity(row), "entity_type": "pair", "model": row.model, "direction": direction,
                "contrast": f"{sign}: {_drugs(row)} at {region.words}", "effect_unit": f"{PERCENT} over {method}",
                "status": "estimated" if known else "censored", "effect": region.excess if known else np.nan,
                "ci_low": region.ci_low, "ci_high": region.ci_high, "n": region.n, "analysis": "synergy_regions",
                "claim": text, "source_rows": region.source_rows,
            }
        )  # fmt: skip
    return out


def _selective_claims(row: Any, healthy: pd.DataFrame) -> list[dict[str, Any]]:
    """Gain and killing beside every normal model in the region that was scored, and harm where it is synergistic."""
    out = []
    for normal, part in healthy.groupby("normal", sort=True):
        by = {(r.region, r.measure): r for r in each(part)}
        gain, kill = (by.get((row.region, m)) for m in ("benefit", "killing"))
        harm = by.get(("synergy", "killing"))
        if gain is None:
            continue
        said = {MORE: "adds more than in", LESS: "adds less than in", UNTESTED: "not compared by test with"}
        word = said.get(gain.verdict, "no selectivity shown against")
        text = f"{_drugs(row)}: {word} {normal} {PLACES[row.region]} in {where(row)}"
        if gain.effect == gain.effect:
            test = f"; {equals('p', gain.p_value)}, {equals('q', gain.q_value)}" if gain.p_value == gain.p_value else ""
            limits = interval(gain.ci_low, gain.ci_high)
            text += (
                f", gain over the better drug alone {number(gain.tumour_value)} against {number(gain.normal_value)} % "
                f"of inhibition, difference {number(gain.effect)} ("
                + (f"{100 * gain.confidence:g} % interval {limits}{test}; " if limits else "no test; ")
                + f"n = {gain.n_tumour:.0f} and {gain.n_normal:.0f} biological replicates)"
            )
        if kill is not None and kill.effect == kill.effect:
            text += (
                f"; the combination inhibits {number(kill.tumour_value)} % of {row.model} and "
                f"{number(kill.normal_value)} % of {normal}"
            )
        if harm is not None and harm.normal_value == harm.normal_value:
            text += f", where it is synergistic {number(harm.tumour_value)} and {number(harm.normal_value)} %"
            text += " (toxic to normal cells)" if harm.toxic == "yes" else ""
        text += f". {gain.problem}" if gain.problem else ""
        text += f" [{gain.reason}]" if gain.reason else ""
        out.append(
            {
                "entity": entity(row), "entity_type": "pair", "model": row.model, "direction": 0,
                "contrast": f"selectivity: {row.model} vs {normal}", "effect_unit": f"{PERCENT}, gain over HSA",
                "effect": gain.effect if gain.status in ("estimated", "not_testable") else np.nan,
                **_numbers(gain), "statistic": gain.statistic if gain.status == "estimated" else np.nan,
                "analysis": "combination_selectivity", "claim": text + ("" if text.endswith(("]", ".")) else "."),
                "source_rows": gain.source_rows,
            }
        )  # fmt: skip
    return out


def _partner(row: Any, therapies: pd.DataFrame | None) -> tuple[str, str]:
    """The drug that was added to a therapy, and that therapy; empty unless exactly one drug of a pair is one."""
    drugs = [str(getattr(row, d)) for d in DRUGS if getattr(row, d)]
    known = {str(t).casefold() for t in therapies["therapy"]} if therapies is not None else set()
    inside = [d for d in drugs if d.casefold() in known]
    if len(drugs) != 2 or len(inside) != 1 or drugs[0] == drugs[1]:
        return "", ""
    return next(d for d in drugs if d != inside[0]), inside[0]


def _drug_claim(row: Any, score: Any, partner: str, therapy: str, alpha: float) -> dict[str, Any]:
    """What the added drug does to the therapy, where it can be reached, else over the matrix."""
    mixed = bool(row.signs) and row.region == MATRIX
    word = shown(score, alpha)
    does = {SYNERGY: f"adds to {therapy}", ANTAGONISM: f"takes away from {therapy}"}.get(
        word, f"no interaction with {therapy} shown"
    )
    does = f"its interaction with {therapy} was not tested" if score.status == "not_testable" else does
    does = f"the sign of its interaction with {therapy} depends on the doses" if mixed else does
    place = PLACES[score.region]
    if score.status == "not_estimable":
        text = f"{partner}: its interaction with {therapy} in {where(row)} cannot be told [{score.reason}]."
    else:
        value = number(score.score) if score.status != "censored" else f"at most {number(score.bound)}"
        unknown = "; whether that is achievable is unknown" if row.in_window == "unknown" else ""
        unknown = "; not tested within achievable concentrations" if row.in_window == "not tested" else unknown
        text = (
            f"{partner}: {does} {place} in {where(row)}, mean excess over {NAMES.get(score.method, score.method)} "
            f"{value} % of inhibition ({_tested(score)}){unknown}" + (f"; {row.signs}." if row.signs else ".")
        )
    return {
        "entity": partner, "entity_type": "drug", "model": row.model, "contrast": f"with {therapy}, {place}",
        "direction": 0 if mixed else _SIGN.get(word, 0),
        "effect_unit": f"{PERCENT} over {NAMES.get(score.method, score.method)}",
        "effect": score.score if score.status in ("estimated", "not_testable") else np.nan, **_numbers(score),
        "analysis": "synergy", "claim": text,
    }  # fmt: skip


@claims(title="Combinations that restore sensitivity")
def combination_claims(
    combinations: pd.DataFrame,
    synergy: pd.DataFrame,
    synergy_regions: pd.DataFrame,
    combination_selectivity: pd.DataFrame | None = None,
    therapies: pd.DataFrame | None = None,
    *,
    alpha: float = 0.05,
) -> pd.DataFrame:
    """Claims of every pair and tumour model: synergistic (-1), antagonistic (+1) or nothing shown (0), separately over
    all doses, within total and within free plasma concentrations; where the sign depends on the doses, of either sign;
    the combination index at the first effect; selectivity (0: it says nothing of resistance). And of the drug that was
    added to a therapy of the study.
    """
    rows: list[dict[str, Any]] = []
    scores_of, regions_of, healthy_of = (by_surface(t) for t in (synergy, synergy_regions, combination_selectivity))
    for row in each(combinations):
        made: list[dict[str, Any]] = []
        table = scores_of(row)
        scores = {r.region: r for r in each(table[table["method"] == row.method])}
        known = [k for k in PLACES if k in scores]
        if row.in_window == "unknown" and WINDOW_FREE in known:  # one unknown is enough
            known.remove(WINDOW_FREE)
        made += [_score_claim(scores[k], alpha, row.signs) for k in known]
        if row.signs:
            places = regions_of(row)
            made += _sign_claims(row, places[places["method"] == row.method])
        ray = table[(table["method"] == "chou_talalay") & (table["region"] == RAY)].sort_values("effect")
        if len(ray):
            made.append(_index_claim(next(each(ray)), alpha, bool(row.signs)))
        healthy = healthy_of(row)
        made += _selective_claims(row, healthy) if len(healthy) else []
        partner, therapy = _partner(row, therapies)
        if partner:
            made.append(_drug_claim(row, scores[row.region], partner, therapy, alpha))
        rows += [{"source_rows": row.source_rows, **one} for one in made]
    shared = {"stream": STREAM, "level": "intervention", "source_table": "combination"}
    return claim_table({**shared, **row} for row in rows)
