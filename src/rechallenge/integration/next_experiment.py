"""The experiment whose result would change the ranking most, with its design.

For each of the first candidates and each family of evidence that could still speak, the score is computed for the two
outcomes of a well-powered experiment: the effect that a driver has, or none. What changes the score most on average
comes first. The number of replicates is scaled from the standard errors of this study's own claims; where the study has
none, it is typed as not estimable and never guessed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from rechallenge.analysis import analysis
from rechallenge.evidence import AMOUNT
from rechallenge.faults import NotApplicable
from rechallenge.integration.candidates import (
    ANIMALS,
    CELLS,
    FAMILIES,
    INTERVENTION,
    METABOLISM,
    RESPONSE,
    SURVIVAL,
    family_of,
)
from rechallenge.integration.perturbations import Perturbation, perturbation
from rechallenge.stats import weight

UNTESTED, WEAK, WEAKEST, NOT_SHOWN = "not tested", "weak", "the weakest of those measured", "tested, not shown"
#: z below which a family is weak: one-sided p = .05
ENOUGH = 1.645
COLUMNS = (
    "rank", "candidate", "candidate_rank", "family", "link", "state", "experiment", "controls", "expected_change",
    "score", "score_if_shown", "score_if_not", "rank_if_shown", "rank_if_not", "effect", "effect_unit", "se_observed",
    "n_observed", "n_per_group", "n_total", "design", "claims", "status", "reason", "summary", "line", "tests",
    "expects",
)  # fmt: skip
#: analyses of a shift of the dose response by a perturbed gene, and streams that measure something else
RESPONSE_SHIFTS = ("perturbation_shift",)
OTHER_READOUTS = ("reporter", "reversal", "screen", "tf_activity", "bioenergetics", "tracing")
#: most replicates that are proposed; more than this is said to be out of reach of one experiment
MOST = 10_000


@dataclass(frozen=True)
class Experiment:
    """What is done for a family, in which groups, and the controls that the field expects. ``floor`` is the fewest
    independent replicates per group that reviewers accept."""

    link: str
    does: str
    controls: str
    groups: str
    floor: int


EXPERIMENTS: Mapping[str, Experiment] = {
    INTERVENTION: Experiment(
        "changes the response",
        "{change} {gene} in the {line} line and measure the dose response to the therapy",
        "{guards}; the {other} line beside; vehicle",
        "control and {gene} {changed}, independent passages on different days",
        3,
    ),
    CELLS: Experiment(
        "differs in resistant cells",
        "Measure {gene} (qPCR and western blot) in resistant lines and their parents",
        "at least two independently derived resistant lines; parent kept in culture as long as they; identity by STR "
        "profile; two reference genes; drug-free interval before harvest",
        "resistant and parental, independent passages",
        3,
    ),
    METABOLISM: Experiment(
        "moves metabolism",
        "Measure substrates and products of {gene} in resistant and parental cells, then with a tracer",
        "internal standards; pooled quality control every tenth injection; normalisation to cell number; medium blank; "
        "{gene} {lowered} as the specific control",
        "resistant and parental, independent passages",
        4,
    ),
    RESPONSE: Experiment(
        "matters in patients: response",
        "Compare {gene} before treatment between responders and non-responders to the therapy",
        "samples taken before treatment; response by one criterion set beforehand; readers blind to it; adjusted for "
        "stage and liver function; a cohort that did not generate the hypothesis",
        "responders and non-responders",
        10,
    ),
    SURVIVAL: Experiment(
        "matters in patients: survival",
        "Relate {gene} to survival in a cohort that was treated with the therapy",
        "expression as it is, without a cut-point; adjusted for stage, age and liver function; proliferation score "
        "beside it; an untreated cohort to tell prognosis from prediction",
        "patients with follow-up",
        20,
    ),
    ANIMALS: Experiment(
        "shown in animals",
        "Treat xenografts of the resistant line with and without {gene} {lowered}: vehicle, therapy, both",
        "random allocation at a set tumour size; measurement blind to the arm; body weight and liver enzymes; humane "
        "end points beforehand; all four arms, for the interaction",
        "each arm",
        5,
    ),
}  # fmt: skip


@analysis(
    title="The next experiment",
    reference="doi:10.1016/S0197-2456(00)00104-5",
    methods="The next experiment was chosen among the untested and weakest links of the first {most} candidates, as "
    "the one whose two outcomes (the effect of a driver, or none) change the score most on average; numbers per group "
    "give {power:.0%} power at two-sided {alpha:g} for the median effect shown in this study, scaled from the standard "
    "errors of its own claims.",
    formula=(
        "expected change = (|score if shown - score| + |score if not - score|) / 2; n from SE^2 scaled by replicates"
    ),
    oracle=(
        "No outside reference: numbers per group give the power they promise in simulation "
        "(tests/integration/test_chains.py)"
    ),
    limits=(
        "Both outcomes are held equally likely. Effects and errors come from this study's own claims, which are few."
    ),
)
def next_experiment(
    evidence: pd.DataFrame,
    candidates: pd.DataFrame,
    candidate_terms: pd.DataFrame,
    *,
    most: int = 5,
    power: float = 0.8,
    alpha: float = 0.05,
) -> pd.DataFrame:
    """One row per candidate and experiment on a link that is untested, weak (z below 1.64) or its weakest, the one that
    would change the ranking most first: `COLUMNS`.

    `expected_change` is the mean absolute change of the score (nats) over both outcomes, held equally likely;
    `rank_if_shown` and `rank_if_not` the rank that would follow, all other genes as they are. `effect` is the median
    absolute effect among the claims of that kind that are shown in this study; `n_per_group` scales the squared
    standard error of these claims with the number of replicates behind them (with t quantiles; for hazards the number
    of patients scales the same way, and `n_total` is what counts). `status` is "not_estimable", with the reason, where
    no claim of the kind has an effect, a standard error and an n. Experiments on metabolism are proposed for enzymes
    alone.

    What is done to a gene follows its level in resistant cells where that was measured, else the direction of the case:
    one that is high is lowered in the resistant line (`tests` necessity), or, where that was done, raised in the
    parental `line` (sufficiency); one that is low is given back, or lowered in the parental line. `expects` says which
    result speaks for the case and which against it.
    """
    first = candidates.sort_values("rank", kind="mergesort")
    first = first[first["entity_type"] == "gene"].head(most)
    if first.empty:
        raise NotApplicable("no candidate gene to plan an experiment for")
    nulls = _nulls(candidate_terms)
    scores = candidates["score"].to_numpy(dtype=float)
    families = [family_of(str(s), str(v), str(a)) for s, v, a in zip(
        evidence["stream"], evidence["level"], evidence["analysis"], strict=True)]  # fmt: skip
    claims = evidence.assign(_family=families)
    rows: list[dict[str, Any]] = []
    for c in first.to_dict("records"):
        terms = candidate_terms[candidate_terms["entity"] == c["entity"]].set_index("family")
        own = np.array([float(terms["term"].get(f.name, 0.0)) for f in FAMILIES])
        z = terms["z"]
        plan = perturbation(evidence, str(c["entity"]), int(c["direction"]))
        for place, family in enumerate(FAMILIES):
            if family.name in z.index and z[family.name] >= ENOUGH and z[family.name] > z.min():
                continue
            if family.name == METABOLISM and not _enzyme(str(c["entity"])):
                continue
            # what the direction costs is in the score of the candidate and stays
            price = float(weight.score_of(own[None, :])[0]) - float(c["score"])
            outcome = _outcomes(own, place, family, nulls[place], terms, price)
            rows.append(_row(c, family.name, terms, scores, outcome, claims, power, alpha, plan))
    out = pd.DataFrame(rows).sort_values(
        ["expected_change", "candidate_rank", "family"],
        ascending=[False, True, True],
        kind="mergesort",
        ignore_index=True,
    )
    out["rank"] = np.arange(1, len(out) + 1)
    return out.loc[:, list(COLUMNS)]


def _nulls(terms: pd.DataFrame) -> list[weight.Null]:
    """The spread of all genes in each family, as the score used it."""
    by = {name: part["z"].to_numpy(dtype=float) for name, part in terms.groupby("family")}
    return [weight.null_of(by.get(f.name, np.array([]))) for f in FAMILIES]


def _outcomes(
    own: np.ndarray[Any, np.dtype[np.float64]],
    place: int,
    family: weight.Family,
    null: weight.Null,
    terms: pd.DataFrame,
    price: float,
) -> tuple[float, float, float]:
    """Score as it is, with a driver's effect added to the family, and with none. What the family said before stays:
    its z and the new one are averaged as independent streams are."""
    before = float(terms["z"].get(family.name, math.nan))
    scores = []
    for new in (family.mu, 0.0):
        z = new if math.isnan(before) else (before + new) / math.sqrt(2)
        changed = own.copy()
        changed[place] = float(weight.term(np.array([z]), family, null)[0])
        scores.append(float(weight.score_of(changed[None, :])[0]) - price)
    return float(weight.score_of(own[None, :])[0]) - price, scores[0], scores[1]


def _row(
    candidate: Mapping[Any, Any],
    family: str,
    terms: pd.DataFrame,
    scores: np.ndarray[Any, np.dtype[np.float64]],
    outcome: tuple[float, float, float],
    claims: pd.DataFrame,
    power: float,
    alpha: float,
    plan: Perturbation,
) -> dict[str, Any]:
    gene, experiment = str(candidate["entity"]), EXPERIMENTS[family]
    now, shown, not_shown = outcome
    z = float(terms["z"].get(family, math.nan))
    state = UNTESTED if math.isnan(z) else WEAK if z < ENOUGH else WEAKEST
    others = np.delete(scores, int(np.argmax(np.isclose(scores, now)))) if np.isclose(scores, now).any() else scores
    words = plan.words(gene)
    if state == UNTESTED and family == INTERVENTION and plan.done:
        state = NOT_SHOWN
    row: dict[str, Any] = {
        "candidate": gene, "candidate_rank": int(candidate["rank"]), "family": family, "link": experiment.link,
        "state": state, "experiment": experiment.does.format(**words),
        "controls": experiment.controls.format(**words), "design": experiment.groups.format(**words),
        "expected_change": (abs(shown - now) + abs(not_shown - now)) / 2, "score": now, "score_if_shown": shown,
        "score_if_not": not_shown, "rank_if_shown": int(1 + (others > shown).sum()),
        "rank_if_not": int(1 + (others > not_shown).sum()),
        "claims": str(terms["claims"].get(family, "")) if "claims" in terms else "",
        "line": plan.line if family == INTERVENTION else "", "tests": plan.tests if family == INTERVENTION else "",
        "expects": plan.expects(gene, int(candidate["direction"])) if family == INTERVENTION else "",
        **_size(_alike(claims[claims["_family"] == family], family), gene, experiment, power, alpha),
    }  # fmt: skip
    row["summary"] = _summary(row)
    return row


def _alike(claims: pd.DataFrame, family: str) -> pd.DataFrame:
    """Claims whose effect and spread tell how large an experiment on the response has to be: of interventions on genes
    the shifts of the IC50, else other effects of lowering or raising one; never binding, reporters or a drug's effects
    on expression."""
    if family != INTERVENTION:
        return claims
    own = claims[(claims["entity_type"] == "gene") & (claims["level"] == "intervention")]
    shifts = own[own["analysis"].isin(RESPONSE_SHIFTS)]
    rest = own[~own["stream"].isin(OTHER_READOUTS) & ~own["effect_unit"].str.startswith(AMOUNT)]
    return shifts if len(shifts) else rest


def _size(claims: pd.DataFrame, gene: str, experiment: Experiment, power: float, alpha: float) -> dict[str, Any]:
    """Replicates per group from this study's own effects and standard errors; typed where it has none."""
    nothing = {"effect": math.nan, "effect_unit": "", "se_observed": math.nan, "n_observed": math.nan,
               "n_per_group": math.nan, "n_total": math.nan}  # fmt: skip
    usable = claims[(claims["status"] == "estimated") & claims["p_value"].notna() & (claims["n"] > 2)].copy()
    # where no standard error is given, half the width of a 95 % interval stands for it
    half = (usable["ci_high"] - usable["ci_low"]) / (2 * stats.norm.isf(0.025))
    usable["se"] = usable["se"].fillna(half)
    usable = usable[(usable["se"] > 0) & np.isfinite(usable["se"])]
    if usable.empty:
        why = (
            "no claim of this kind has an effect with its standard error and n in this study: a pilot has to give them"
        )
        return {**nothing, "status": "not_estimable", "reason": why}
    mine = usable[usable["entity"] == gene]
    unit = str((mine if len(mine) else usable)["effect_unit"].mode().iloc[0])
    usable, mine = (part[part["effect_unit"] == unit] for part in (usable, mine))
    q = usable["q_value"].fillna(usable["p_value"])
    effects = usable.loc[q < alpha, "effect"].abs()
    if effects.empty:
        why = f"no effect of this kind ({unit}) is shown in this study: what effect to plan for is not known"
        return {**nothing, "status": "not_estimable", "reason": why}
    spread = mine if len(mine) else usable
    effect, se, n = float(effects.median()), float(spread["se"].median()), float(spread["n"].median())
    total = _total(effect, se, n, power, alpha)
    if total > MOST:
        why = f"more than {MOST:,} replicates would be needed for {effect:.2g} {unit}"
        return {**nothing, "effect": effect, "effect_unit": unit, "status": "not_estimable", "reason": why}
    group = max(experiment.floor, math.ceil(total / 2))
    reason = f"the calculation gives {math.ceil(total / 2)}, fewer than is accepted" if group > total / 2 + 1 else ""
    return {"effect": effect, "effect_unit": unit, "se_observed": se, "n_observed": n, "n_per_group": float(group),
            "n_total": float(2 * group), "status": "estimated", "reason": reason}  # fmt: skip


def _total(effect: float, se: float, n: float, power: float, alpha: float) -> float:
    """Replicates in all so that an effect is found: the variance of an estimate falls as 1 / n, whatever the design, so
    n (t_alpha + t_power)^2 se^2 / effect^2, with t on n - 2 degrees of freedom, to a fixed point."""
    total = 4.0
    for _ in range(200):
        df = max(total - 2, 1.0)
        need = n * ((stats.t.isf(alpha / 2, df) + stats.t.ppf(power, df)) * se / effect) ** 2
        step = max(4.0, (total + float(need)) / 2)
        if abs(step - total) < 1e-6 or step > 100 * MOST:
            return max(4.0, step)
        total = step
    return total


def _enzyme(gene: str) -> bool:
    from rechallenge.knowledge import tables

    return gene in set(tables.starter_text("enzymes")["gene"])


def _summary(row: Mapping[str, Any]) -> str:
    tests = f", {row['tests']}" if row["tests"] else ""
    what = f"{row['experiment']} (link: {row['link']}, {row['state']}{tests})"
    what += f"; {row['expects']}" if row["expects"] else ""
    if row["status"] == "estimated":
        many = f"{row['n_per_group']:.0f} per group" if row["family"] != SURVIVAL else f"{row['n_total']:.0f} in all"
        many += f" ({row['design']}) for {row['effect']:.2g} {row['effect_unit']}"
        many += f"; {row['reason']}" if row["reason"] else ""
    else:
        many = f"n cannot be planned: {row['reason']}"
    change = (
        f"the score of {row['candidate']} would go from {row['score']:.2f} (rank {row['candidate_rank']}) to "
        f"{row['score_if_shown']:.2f} (rank {row['rank_if_shown']}) or {row['score_if_not']:.2f} "
        f"(rank {row['rank_if_not']})"
    )
    return f"{what}: {change}; {many}."
