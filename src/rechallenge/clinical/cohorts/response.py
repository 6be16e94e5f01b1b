"""Response to treatment: does a gene tell responders apart, better than other genes, and only under treatment?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from rechallenge.analysis import analysis
from rechallenge.clinical.cohorts.candidates import where_measured
from rechallenge.clinical.cohorts.expression import (
    Expression,
    cohorts,
    leading_components,
    patterns,
    percentiles,
    rank_normal,
)  # fmt: skip
from rechallenge.clinical.cohorts.people import individuals, long
from rechallenge.clinical.cohorts.verdicts import NOT, SPECIFIC, SUGGESTIVE, SUPPORTED, UNTESTED
from rechallenge.clinical.cohorts.words import is_control_arm
from rechallenge.faults import NotApplicable
from rechallenge.report.words import equals
from rechallenge.stats import meta, roc
from rechallenge.stats.multiplicity import bh

Floats = NDArray[np.float64]
DELONG = "doi:10.2307/2531595"
#: responders and non-responders below which nothing is tested
FEWEST = 5
RESPONSE_SCAN = (
    "gene", "kind", "cohort", "arm", "n", "responders", "auc", "auc_variance", "ci_low", "ci_high", "statistic",
    "p_value", "q_value", "percentile", "matched", "status", "reason",
)  # fmt: skip
RESPONSE = (
    "gene", "cohort", "arm", "n", "responders", "auc", "ci_low", "ci_high", "p_value", "permutation_p_value", "q_value",
    "percentile", "matched", "control_auc", "control_ci_low", "control_ci_high", "interaction_p_value", "component",
    "component_share", "component_auc", "component_p_value", "separated", "adjusted_p_value", "why", "selected",
    "verdict", "verdict_reason", "status", "reason",
)  # fmt: skip


@dataclass(frozen=True)
class Arm:
    """Patients of one cohort and treatment with a known response and expression: labels (n,), values (genes, n)."""

    cohort: str
    arm: str
    control: bool
    patients: list[str]
    responded: NDArray[np.bool_]
    values: Floats
    genes: NDArray[np.object_]
    level: Floats

    @property
    def testable(self) -> bool:
        return min(int(self.responded.sum()), int((~self.responded).sum())) >= FEWEST


def arms(patients: pd.DataFrame, exprs: dict[str, Expression]) -> Iterator[Arm]:
    """Every cohort and treatment with responders and non-responders."""
    people = individuals(patients)
    known = people[people["responded"].notna()]
    for (cohort, treatment), rows in known.groupby(["cohort", "treatment"], sort=True):
        if cohort not in exprs:
            continue
        expression = exprs[str(cohort)]
        values, there = expression.of(rows["patient"])
        responded = rows["responded"].to_numpy(float)[there] > 0
        if responded.sum() < 2 or (~responded).sum() < 2:
            continue
        yield Arm(
            str(cohort), str(treatment) or "treatment not named", is_control_arm(str(treatment)),
            rows.loc[there, "patient"].tolist(), responded, values, expression.genes, expression.level,
        )  # fmt: skip


@analysis(
    title="Response and the expression of every gene",
    reference=DELONG,
    methods="In every arm with responders and non-responders the area under the ROC curve of every gene was tested "
    f"against 0.5 with DeLong's variance ({DELONG}), adjusted over all genes after Benjamini and Hochberg "
    "(doi:10.1111/j.2517-6161.1995.tb02031.x), and ranked among genes of similar expression.",
    formula="AUC = P(responder > non-responder), DeLong variance",
    oracle="pROC 1.18 (tests/stats/test_roc.py)",
    limits=(
        "Many genes follow one component that separates the labels. One arm cannot tell prediction from prognosis."
    ),
)
def response_scan(
    patients: pd.DataFrame,
    patient_expression: pd.DataFrame,
    patient_expression_samples: pd.DataFrame,
    *,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """One row per gene, cohort and arm: `RESPONSE_SCAN`. `auc` is P(higher in a responder than in a non-responder).

    Fewer than five responders or non-responders: "not_testable". Raises NotApplicable without responses.
    """
    table = long(patients)
    parts = []
    for arm in arms(table, cohorts(patient_expression, patient_expression_samples, table)):
        out = _scan_arm(arm, confidence)
        strength = np.abs(out["auc"] - 0.5).to_numpy(float)
        place = dict(zip(arm.genes, arm.level, strict=True))
        percentile, matched = percentiles(strength, out["gene"].map(place).to_numpy(float))
        parts.append(out.assign(percentile=percentile, matched=matched, q_value=bh(out["p_value"])))
    if not parts:
        raise NotApplicable("no cohort has responders, non-responders and their expression")
    return pd.concat(parts, ignore_index=True).loc[:, list(RESPONSE_SCAN)]


def _scan_arm(arm: Arm, confidence: float) -> pd.DataFrame:
    parts = []
    for members, measured in patterns(arm.values):
        labels = arm.responded[measured]
        if labels.sum() < 2 or (~labels).sum() < 2:
            continue
        a = roc.areas(arm.values[members][:, measured], labels, confidence=confidence)
        good = np.isfinite(a.z)
        status = np.where(~good, "not_estimable", "estimated" if arm.testable else "not_testable")
        few = f"{a.n_cases} responders and {a.n_controls} others; a test needs {FEWEST} of each"
        parts.append(
            pd.DataFrame(
                {
                    "gene": arm.genes[members],
                    "kind": "gene",
                    "cohort": arm.cohort,
                    "arm": arm.arm,
                    "n": len(labels),
                    "responders": a.n_cases,
                    "auc": a.auc,
                    "auc_variance": a.variance,
                    "ci_low": a.ci_low,
                    "ci_high": a.ci_high,
                    "statistic": a.z,
                    "p_value": np.where(good & arm.testable, a.p, np.nan),
                    "status": status,
                    "reason": np.where(~good, "no spread", "" if arm.testable else few),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


@analysis(
    title="Response to treatment",
    reference=DELONG,
    methods=lambda response, draws, **_: (
        f"Candidates were tested for response by DeLong's interval of the area under the curve ({DELONG}) and by "
        f"{draws} permutations of the labels. Where there was a control arm, the arm x gene interaction was tested by "
        "the likelihood ratio of logistic models. The first three principal components of each cohort were tested "
        "against the labels: where one separates them, so will many genes."
    ),
    formula="AUC with DeLong's interval and label permutation; interaction: logistic, gene x arm",
    oracle=(
        "pROC 1.18 (tests/stats/test_roc.py); a 2 x 2 table for the logistic model (tests/clinical/test_response.py)"
    ),
    limits=("Without an untreated arm an association may be prognosis. Fewer than five responders are not tested."),
)
def response(
    patients: pd.DataFrame,
    clinical_candidates: pd.DataFrame,
    response_scan: pd.DataFrame,
    patient_expression: pd.DataFrame,
    patient_expression_samples: pd.DataFrame,
    *,
    alpha: float = 0.05,
    confidence: float = 0.95,
    draws: int = 9999,
    seed: int = 0,
) -> pd.DataFrame:
    """One row per candidate, cohort and treated arm: `RESPONSE`.

    `control_auc` is the same in the cohort's control arm, `interaction_p_value` whether gene and response go together
    differently in the two arms: without it, an association may be prognosis and no prediction. `separated` says that
    a leading principal component (`component`, of `component_share` of the variance) tells the labels apart
    (Bonferroni over three) and `adjusted_p_value` tests the gene beside that component. The verdict is per gene.
    """
    table = long(patients)
    found = list(arms(table, cohorts(patient_expression, patient_expression_samples, table)))
    controls = {a.cohort: a for a in found if a.control}
    treated = [a for a in found if not a.control]
    rows = [row for a in treated for row in _of_arm(a, controls.get(a.cohort), clinical_candidates, alpha, draws, seed)]
    if not rows:
        raise NotApplicable("no candidate is measured in a treated arm with responders and non-responders")
    out = pd.DataFrame(rows)
    keys = ["gene", "cohort", "arm"]
    out = out.merge(response_scan.drop(columns=["kind"]), on=keys, how="left", sort=False)
    control = response_scan.rename(columns={c: f"control_{c}" for c in ("auc", "ci_low", "ci_high")})
    control = control[control["arm"].map(is_control_arm)].drop_duplicates(["gene", "cohort"])
    out = out.merge(control[["gene", "cohort", "control_auc", "control_ci_low", "control_ci_high"]],
                    on=["gene", "cohort"], how="left", sort=False)  # fmt: skip
    out = out.merge(clinical_candidates[["gene", "why", "selected"]], on="gene", how="left")
    out.loc[out["status"] != "estimated", ["permutation_p_value", "adjusted_p_value"]] = np.nan
    said = {g: verdict(r, alpha, confidence) for g, r in out.groupby("gene", sort=False)}
    out["verdict"] = [said[g][0] for g in out["gene"]]
    out["verdict_reason"] = [said[g][1] for g in out["gene"]]
    return out.loc[:, list(RESPONSE)]


def _of_arm(
    arm: Arm, control: Arm | None, candidates: pd.DataFrame, alpha: float, draws: int, seed: int
) -> Iterator[dict[str, Any]]:
    found = [(g, i) for g, i in where_measured(candidates, arm.genes) if np.isfinite(arm.values[i]).all()]
    if not found:
        return
    values = arm.values[[i for _, i in found]]
    permuted = roc.permuted(values, arm.responded, draws=draws, seed=seed)
    component = separating(arm.values, arm.responded, alpha)
    for k, (gene, i) in enumerate(found):
        x = rank_normal(values[[k]])[0]
        row: dict[str, Any] = {"gene": gene, "cohort": arm.cohort, "arm": arm.arm, "permutation_p_value": permuted[k]}
        row |= {c: component[c] for c in ("component", "component_share", "component_auc", "component_p_value",
                                          "separated")}  # fmt: skip
        row["adjusted_p_value"] = np.nan
        if component["separated"]:
            row["adjusted_p_value"] = likelihood_ratio(arm.responded, component["score"][:, None], x[:, None])
        row["interaction_p_value"] = np.nan
        if control is not None and arm.testable and control.testable and np.isfinite(control.values[i]).all():
            row["interaction_p_value"] = interaction(arm, control, i)
        yield row


def separating(values: Floats, labels: NDArray[np.bool_], alpha: float = 0.05) -> dict[str, Any]:
    """The leading principal component (of three) that tells the labels apart best, and whether it does."""
    scores, share = leading_components(values)
    none: dict[str, Any] = {
        "component": 0, "component_share": np.nan, "component_auc": np.nan, "component_p_value": np.nan,
        "separated": False, "score": np.zeros(values.shape[1]),
    }  # fmt: skip
    if not len(scores):
        return none
    a = roc.areas(scores, labels)
    k = int(np.nanargmax(np.abs(a.auc - 0.5)))
    p = min(1.0, float(a.p[k]) * len(scores)) if a.p[k] == a.p[k] else 0.0
    return {
        "component": k + 1, "component_share": float(share[k]), "component_auc": float(a.auc[k]),
        "component_p_value": p, "separated": bool(p < alpha), "score": scores[k] / (scores[k].std() or 1.0),
    }  # fmt: skip


def interaction(arm: Arm, control: Arm, i: int) -> float:
    """p of arm x gene on the response: likelihood ratio of logistic models with and without the product term."""
    x = rank_normal(np.concatenate([arm.values[i], control.values[i]])[None])[0]
    under = np.concatenate([np.ones(len(arm.responded)), np.zeros(len(control.responded))])
    y = np.concatenate([arm.responded, control.responded])
    return likelihood_ratio(y, np.column_stack([under, x]), (under * x)[:, None])


def likelihood_ratio(y: NDArray[np.bool_], base: Floats, extra: Floats) -> float:
    """p of the `extra` columns beside `base` (n, k) in a logistic model of y; NaN where a fit does not converge."""
    small, large = (logistic(y, x) for x in (base, np.column_stack([base, extra])))
    return float(special.chdtrc(extra.shape[1], max(0.0, 2 * (large - small))))


def logistic(y: NDArray[np.bool_], x: Floats, iterations: int = 60) -> float:
    """Largest log likelihood of a logistic model with intercept; where labels are separated it tends to its limit 0,
    which the iterations reach from below."""
    design = np.column_stack([np.ones(len(y)), x])
    beta = np.zeros(design.shape[1])
    loglik = float(len(y) * np.log(0.5))
    for _ in range(iterations):
        p = special.expit(design @ beta)
        info = (design.T * (p * (1 - p))) @ design + 1e-9 * np.eye(len(beta))
        step = np.linalg.solve(info, design.T @ (y - p))
        size = 1.0
        while size > 1e-4:
            eta = design @ (beta + size * step)
            new = float(np.sum(np.where(y, special.log_expit(eta), special.log_expit(-eta))))
            if new >= loglik - 1e-12:
                break
            size /= 2
        beta = beta + size * step
        if abs(new - loglik) < 1e-10 or np.abs(beta).max() > 30:
            return max(new, loglik)
        loglik = new
    return loglik


def verdict(rows: pd.DataFrame, alpha: float, confidence: float) -> tuple[str, str]:
    """Verdict of one gene over its cohorts and arms, with reasons; one cohort is never support."""
    tested = rows[rows["status"] == "estimated"]
    if tested.empty:
        return UNTESTED, f"no arm has {FEWEST} responders and {FEWEST} others"
    name = "q_value" if bool(rows["selected"].iloc[0]) else "p_value"
    p = tested[name].to_numpy(float)
    k = tested["cohort"].nunique()
    if len(tested) > 1:
        pooled = meta.pool(tested["auc"] - 0.5, np.sqrt(tested["auc_variance"]), floor=True, confidence=confidence)
        same = len(set(np.sign(tested["auc"] - 0.5))) == 1
        effect = bool(pooled.p[0] < alpha) if len(tested) > 2 else bool((p < alpha).all()) and same
        said = f"{len(tested)} arms, pooled {equals('p', pooled.p[0])}"
    else:
        effect, said = bool(p[0] < alpha), f"one arm: {equals(name[0], p[0])}"
    reasons = [said]
    if not effect:
        return NOT, said
    flagged = tested[tested["separated"].astype(bool)]
    held = True
    if len(flagged):
        held = bool((flagged["adjusted_p_value"] < alpha).any())
        kept = "still tells them apart beside it" if held else "adds nothing to it"
        first = flagged.iloc[0]
        reasons.append(
            f"component {first['component']} ({100 * first['component_share']:.0f} % of the variance) already "
            f"separates "
            f"the labels; the gene {kept}"
        )
    predictive = tested["interaction_p_value"].dropna()
    if predictive.empty:
        reasons.append("no control arm: prognosis and prediction cannot be told apart")
    else:
        reasons.append(f"arm x gene interaction {equals('p', predictive.min())}")
        if not (predictive < alpha).any():
            return NOT, "; ".join([*reasons, "as strong without the drug, so not predictive"])
    specific = bool((tested["percentile"] >= SPECIFIC).all())
    reasons.append(f"stronger than {min(tested['percentile'].min(), 99):.0f} % of other genes")
    if k < 2:
        reasons.append("one cohort is no replication")
    good = k >= 2 and held and specific and bool((predictive < alpha).any())
    return (SUPPORTED if good else SUGGESTIVE), "; ".join(reasons)
