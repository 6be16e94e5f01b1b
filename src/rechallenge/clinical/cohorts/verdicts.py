"""What may be said of a candidate: supported, suggestive, not supported or not testable, with the reasons.

Supported needs all of: two or more cohorts with 20 events each; a pooled effect (three or more cohorts: p below alpha
by Hartung and Knapp; two: each below alpha in the same direction); the same direction whichever cohort is left out; an
effect that stays with proliferation in the model (and beside the declared confounders); and more strength than 95 % of
the genes of similar expression. One cohort is never support. A gene that the scan itself picked out must pass on its
q-value in one cohort, and be seen in another than its strongest where there are several.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from rechallenge.analysis import analysis
from rechallenge.clinical.cohorts.fits import FITS
from rechallenge.clinical.cohorts.people import each
from rechallenge.clinical.cohorts.scan import FEWEST_EVENTS
from rechallenge.report.words import equals, number
from rechallenge.stats.meta import pool

SUPPORTED, SUGGESTIVE, NOT, UNTESTED = "supported", "suggestive", "not supported", "not testable"
#: per cent of matched genes that a specific gene must exceed
SPECIFIC = 95.0
SURVIVAL = (
    "gene", "kind", "cohort", "endpoint", "subset", "n", "events", "hr_per_sd", "ci_low", "ci_high", "p_value",
    "q_value", "percentile", "matched", "why", "selected", "verdict", "verdict_reason",
)  # fmt: skip


def shown(pooled: Any, own: pd.DataFrame, selected: bool, alpha: float) -> tuple[bool, str]:
    """Whether an association is shown at all, and in what words.

    One cohort: p, or q where the scan chose the gene. Two: both below alpha. Three or more: Hartung and Knapp's p. A
    chosen gene must besides be seen in a cohort other than the one in which it is strongest (Bonferroni).
    """
    if pooled.k == 1:
        value, name = (pooled.q_value, "q") if selected else (pooled.p_value, "p")
        chosen = "; chosen from the scan, so q counts" if selected else ""
        return bool(value < alpha), f"one cohort: {equals(name, value)}{chosen}"
    if pooled.k == 2:
        p = own["p_value"].to_numpy(float)
        same = len(set(np.sign(own["coef"]))) == 1
        good = bool((p < alpha).all()) and same
        if not same:
            return False, "the two cohorts point in opposite directions"
        values = " and ".join(number(v, 2) for v in p)
        said = (
            f"both cohorts show it (p = {values})" if good else f"not each of the two cohorts shows it (p = {values})"
        )
        return good, said
    good, said = bool(pooled.p_value < alpha), f"{pooled.k} cohorts: {equals('p', pooled.p_value)}"
    if good and selected:
        ordered = own.sort_values(["p_value", "cohort"], kind="mergesort").iloc[1:]
        ordered = ordered[np.sign(ordered["coef"]) == np.sign(np.log(pooled.hr_per_sd))]
        good = bool((ordered["p_value"] * (pooled.k - 1) < alpha).any())
        seen = "also seen" if good else "not seen"
        said += f"; chosen from the scan, {seen} in a cohort other than its strongest"
    return good, said


def verdict(pooled: Any, own: pd.DataFrame, selected: bool, alpha: float) -> tuple[str, str]:
    """Verdict and reasons from the pooled row of `survival_meta` and the cohorts' rows of the candidate."""
    if pooled is None:
        most = int(own["events"].max()) if len(own) else 0
        return UNTESTED, f"no cohort has {FEWEST_EVENTS} events (at most {most})"
    effect, said = shown(pooled, own, selected, alpha)
    reasons = [said]
    if not effect:
        if pooled.k == 2 and pooled.p_value == pooled.p_value and (own["p_value"] < alpha).any():
            reasons.append("shown in one of two cohorts only")
        return NOT, "; ".join(reasons)
    kept = None
    if pooled.adjusted_p_value == pooled.adjusted_p_value:
        same = (pooled.adjusted_hr > 1) == (pooled.hr_per_sd > 1)
        kept = bool(pooled.adjusted_p_value < alpha) and same
        if pooled.k == 2 and not kept:
            p = own["proliferation_p_value"].to_numpy(float)
            sign = np.sign(own["proliferation_coef"].to_numpy(float)) == np.sign(np.log(pooled.hr_per_sd))
            kept = bool((p < alpha).all() and sign.all())
        of = f"HR {number(pooled.adjusted_hr)}, {equals('p', pooled.adjusted_p_value)} with proliferation in the model"
        reasons.append(f"kept after adjustment ({of})" if kept else f"lost after adjustment ({of})")
    else:
        reasons.append("specificity to proliferation could not be tested")
    specific = None
    if pooled.percentile == pooled.percentile:
        specific = bool(pooled.percentile >= SPECIFIC)
        among = "genes of similar expression" if pooled.matched else "all genes"
        reasons.append(f"stronger than {min(pooled.percentile, 99):.0f} % of {among}")
    else:
        reasons.append("no other genes to compare it with")
    if kept is False:
        return NOT, "; ".join(reasons)
    confounded = _confounded(own, alpha)
    reasons += [confounded[1]] if confounded[1] else []
    steady = True
    if pooled.k == 1:
        reasons.append("one cohort is no replication")
    else:
        steady = bool((pooled.loo_low > 1) == (pooled.loo_high > 1)) if pooled.loo_low == pooled.loo_low else True
        reasons.append("same direction without any one cohort" if steady else "direction rests on one cohort")
    for column, words in (("ph_p_value", "hazards not proportional"), ("spline_p_value", "not a straight line")):
        n = int((own[column] < alpha).sum()) if column in own else 0
        if n:
            reasons.append(f"{words} in {n} of {len(own)} cohorts")
    good = pooled.k >= 2 and kept is True and specific is True and steady and not confounded[0]
    return SUPPORTED if good else SUGGESTIVE, "; ".join(reasons)


def _confounded(own: pd.DataFrame, alpha: float) -> tuple[bool, str]:
    """Whether the association is gone beside the declared confounders (pooled with fixed effect), and in what words."""
    there = own[own["confounder_p_value"].notna()] if "confounder_p_value" in own else own.iloc[:0]
    if there.empty:
        return False, ""
    coef = np.log(there["confounder_hr"].to_numpy(float))
    se = np.abs(coef) / np.maximum(-ndtri(there["confounder_p_value"].to_numpy(float) / 2), 1e-12)
    r = pool(coef, se, method="FE", hartung_knapp=False)
    p, hr = float(r.p[0]), float(np.exp(r.effect[0]))
    lost = not p < alpha or (hr > 1) != (float(there["coef"].sum()) > 0)
    said = f"HR {number(hr)}, {equals('p', p)} beside {there['confounders'].iloc[0]}"
    return lost, ("lost" if lost else "kept") + f" beside the confounders ({said})"


def _methods(survival: pd.DataFrame, alpha: float, **_: Any) -> str:
    return (
        f"A gene was called supported only where two or more cohorts with {FEWEST_EVENTS} events each showed it "
        f"(pooled p < {alpha:g} by Hartung and Knapp for three or more cohorts, each of two cohorts otherwise), in "
        "one direction whichever cohort was left out, also with proliferation in the model, and stronger than "
        f"{SPECIFIC:g} % of genes of similar expression."
    )


@analysis(
    title="Survival: verdicts",
    methods=_methods,
    formula="No formula: verdict by rules on the fits, the pooled effect and the percentile",
    oracle=(
        "No outside reference: random genes supported in .4 %, followers of proliferation in 0 of 60 "
        "(tests/clinical/test_rates.py)"
    ),
    limits=(
        "Prognosis is not prediction: nothing here says that a drug acts on the gene. One cohort is never support."
    ),
)
def survival(
    survival_fits: pd.DataFrame,
    clinical_candidates: pd.DataFrame,
    survival_scan: pd.DataFrame,
    survival_meta: pd.DataFrame | None = None,
    *,
    alpha: float = 0.05,
) -> pd.DataFrame:
    """The fits of every candidate with its percentile, q-value and verdict: `SURVIVAL` and the columns of the fits.

    The verdict is one per gene, endpoint and subset (all cohorts together) and is repeated on each of its cohorts.
    """
    keys = ["gene", "kind", "cohort", "endpoint", "subset"]
    more = survival_scan[[*keys, "q_value", "percentile", "matched"]]
    out = survival_fits.merge(more, on=keys, how="left", sort=False)
    out = out.merge(clinical_candidates[["gene", "kind", "why", "selected"]], on=["gene", "kind"], how="left")
    pooled: dict[Any, Any] = {} if survival_meta is None else {
        (r.gene, r.kind, r.endpoint, r.subset): r for r in each(survival_meta)
    }  # fmt: skip
    said: dict[Any, tuple[str, str]] = {}
    group = ["gene", "kind", "endpoint", "subset"]
    for key, rows in out.groupby(group, sort=False):
        own = rows[rows["status"] == "estimated"]
        row = pooled.get(key)
        said[key] = verdict(row, own if row is not None else rows, bool(rows["selected"].iloc[0]), alpha)
    key_of = list(out[group].itertuples(index=False, name=None))
    out["verdict"] = [said[k][0] for k in key_of]
    out["verdict_reason"] = [said[k][1] for k in key_of]
    rest = [c for c in FITS if c not in SURVIVAL]
    return out.loc[:, [*SURVIVAL, *rest]]
