"""The full examination of each candidate in each cohort: shape, proportional hazards, cut-point, adjustment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from rechallenge.analysis import analysis
from rechallenge.clinical.cohorts.candidates import where_measured
from rechallenge.clinical.cohorts.expression import MEASURED, Expression, cohorts, proliferation, rank_normal
from rechallenge.clinical.cohorts.people import Group, design, groups, long
from rechallenge.clinical.cohorts.scan import COX, FEWEST_EVENTS, aligned, at_risk, marker_values
from rechallenge.faults import NotApplicable
from rechallenge.stats import cox, survival
from rechallenge.stats.maxstat import best_cut

Floats = NDArray[np.float64]
GRAMBSCH = "doi:10.1093/biomet/81.3.515"
RMST = "doi:10.1186/1471-2288-13-152"
MAXSTAT = "doi:10.2307/2532740"
PEDUZZI = "doi:10.1016/0895-4356(95)00048-8"
#: events per coefficient below which a multivariable model is not fitted
PER_VARIABLE = 10
KEYS = ("gene", "kind", "cohort", "endpoint", "subset")
FITS = (
    *KEYS, "n", "events", "unit", "coef", "se", "hr_per_sd", "ci_low", "ci_high", "statistic", "p_value",
    "spline_p_value", "ph_chi2", "ph_p_value", "horizon", "rmst_high", "rmst_low", "rmst_difference", "rmst_ci_low",
    "rmst_ci_high", "rmst_p_value", "cut", "cut_n_low", "cut_n_high", "cut_statistic", "cut_p_value", "cut_p_lau92",
    "cut_uncorrected", "proliferation_genes", "proliferation_coef", "proliferation_se", "proliferation_hr",
    "proliferation_ci_low", "proliferation_ci_high", "proliferation_p_value", "proliferation_r", "confounders",
    "confounder_n", "confounder_missing", "confounder_events", "events_per_variable", "confounder_hr",
    "confounder_ci_low", "confounder_ci_high", "confounder_p_value", "confounder_reason", "status", "reason",
)  # fmt: skip


def _methods(survival_fits: pd.DataFrame, confounders: tuple[str, ...], draws: int, **_: Any) -> str:
    more = f"; a second model held {', '.join(confounders)} where there were at least {PER_VARIABLE} events per " \
        f"coefficient ({PEDUZZI})" if confounders else ""  # fmt: skip
    return (
        f"Each candidate was examined in each cohort by Cox regression ({COX}): a natural cubic spline of three "
        f"degrees "
        "of freedom against a straight line (likelihood ratio), an exact score test of proportional hazards over 1 - "
        f"Kaplan-Meier ({GRAMBSCH}), and where that failed the difference in restricted mean survival time between the "
        f"halves by expression ({RMST}). Cut-points carry the p-value of the maximally selected log-rank statistic by "
        f"{draws} permutations and by its Gaussian approximation ({MAXSTAT}) and are never scored. Each gene was also "
        "fitted beside the mean of the cell-cycle genes (doi:10.1126/science.aad0501) without itself" + more + "."
    )


@analysis(
    title="Candidates in each cohort",
    reference=(COX, GRAMBSCH, RMST, MAXSTAT, PEDUZZI),
    methods=_methods,
    formula=(
        "Cox with natural spline (3 df), score test of proportional hazards, restricted mean survival, "
        "maximally selected log-rank, proliferation and confounders as covariates"
    ),
    oracle=(
        "R survival 3.5-3, maxstat 0.7-25, survminer (tests/stats/test_cox.py, tests/stats/test_maxstat.py, "
        "tests/stats/test_survival_curves.py)"
    ),
    limits=(
        "Observed, not assigned: confounders that nobody declared stay. Under ten events per coefficient the "
        "adjusted model is not fitted."
    ),
)
def survival_fits(
    patients: pd.DataFrame,
    clinical_candidates: pd.DataFrame,
    patient_expression: pd.DataFrame | None = None,
    patient_expression_samples: pd.DataFrame | None = None,
    *,
    endpoints: tuple[str, ...] = (),
    confounders: tuple[str, ...] = (),
    alpha: float = 0.05,
    confidence: float = 0.95,
    draws: int = 1999,
    seed: int = 0,
) -> pd.DataFrame:
    """One row per candidate, cohort, endpoint and subset: `FITS`.

    `spline_p_value` tests curvature, `ph_p_value` proportional hazards; `rmst_...` (in `unit`, high minus low half,
    up to `horizon`) is filled where the latter is below `alpha`. `cut` is on the rank-normal scale (standard
    deviations) with p-values that know it was searched for; `cut_uncorrected` shows what would be claimed without.
    `proliferation_...` is the gene with the score of `proliferation_genes` cell-cycle genes in the model, and its
    correlation with it. `confounder_...` is the gene with the declared confounders in complete cases.
    """
    table = long(patients)
    exprs = cohorts(patient_expression, patient_expression_samples, table)
    rows: list[dict[str, Any]] = []
    for group in groups(table, endpoints):
        for own, kind, names, z, context in subjects(group, clinical_candidates, exprs):
            if own.n >= 5 and own.events:
                rows += _examined(own, kind, names, z, context, confounders, alpha, confidence, draws, seed)
    if not rows:
        raise NotApplicable("none of the candidates is measured in patients with follow-up")
    out = pd.DataFrame(rows).reindex(columns=list(FITS))
    return out.sort_values(list(KEYS), kind="mergesort", key=_in_order(clinical_candidates)).reset_index(drop=True)


def _in_order(candidates: pd.DataFrame) -> Any:
    place = {g: i for i, g in enumerate(candidates["gene"])}
    return lambda column: column.map(place) if column.name == "gene" else column


Context = tuple[NDArray[np.object_], Floats] | None


def subjects(group: Group, candidates: pd.DataFrame, exprs: Mapping[str, Expression]) -> Any:
    """Candidates of one group by who is measured: (group, kind, names, rank-normal values (C, n), whole expression)."""
    if group.cohort in exprs:
        expression = exprs[group.cohort]
        own, values = aligned(group, expression)
        found = where_measured(candidates, expression.genes)
        there = np.isfinite(values[[i for _, i in found]]) if found else np.zeros((0, own.n), bool)
        whole = [k for k in range(len(found)) if there[k].all()]
        if whole:
            z = rank_normal(values[[found[k][1] for k in whole]])
            yield own, "gene", [found[k][0] for k in whole], z, (expression.genes, values)
        for k in range(len(found)):
            if k not in whole and len(there[k]) and there[k].mean() >= MEASURED:
                part = values[:, there[k]]
                z = rank_normal(part[[found[k][1]]])
                yield own.take(there[k]), "gene", [found[k][0]], z, (expression.genes, part)
    for marker in candidates.loc[candidates["kind"] == "marker", "gene"]:
        own, values = marker_values(group, str(marker))
        context = None
        if group.cohort in exprs:
            kept, whole_values = aligned(own, exprs[group.cohort])
            if kept.n == own.n:
                context = (exprs[group.cohort].genes, whole_values)
        yield own, "marker", [str(marker)], rank_normal(values), context


def _examined(
    group: Group, kind: str, names: list[str], z: Floats, context: Context, confounders: tuple[str, ...], alpha: float,
    confidence: float, draws: int, seed: int,
) -> list[dict[str, Any]]:  # fmt: skip
    at = at_risk(group)
    zcrit = float(special.ndtri(0.5 + confidence / 2))
    plain = cox.fit(at, z)
    testable = group.events >= FEWEST_EVENTS
    curved = cox.fit(at, np.stack([cox.natural_spline(row, 3) for row in z])) if testable else None
    shape = cox.proportional(at, z, plain.coef) if testable else None
    adjusted = _beside_proliferation(at, names, z, context) if testable else {}
    multi = _beside_confounders(group, z, confounders, zcrit)
    rows = []
    for i, name in enumerate(names):
        good = plain.status[i] == cox.ESTIMATED
        few = f"{group.events} events; a test needs {FEWEST_EVENTS}"
        row: dict[str, Any] = {
            "gene": name, "kind": kind, "cohort": group.cohort, "endpoint": group.endpoint, "subset": group.subset,
            "n": group.n, "events": group.events, "unit": group.unit,
            **ratios("", plain.coef[i, 0], plain.se[i, 0], zcrit, "hr_per_sd"),
            "coef": plain.coef[i, 0], "se": plain.se[i, 0],
            "statistic": np.sign(plain.coef[i, 0]) * np.sqrt(plain.lrt[i]),
            "p_value": plain.lrt_p[i] if good and testable else np.nan,
            "status": "not_estimable" if not good else "estimated" if testable else "not_testable",
            "reason": "" if good and testable else few if good else str(plain.status[i]),
            **multi[i],
        }  # fmt: skip
        if testable and good and curved is not None and shape is not None:
            row["spline_p_value"] = special.chdtrc(2, max(0.0, 2 * (curved.loglik[i] - plain.loglik[i])))
            row["ph_chi2"], row["ph_p_value"] = shape.chi2[i, 0], shape.p[i, 0]
            if shape.p[i, 0] < alpha:
                row |= _restricted(group, z[i], zcrit)
            row |= _cut(group, z[i], draws, seed)
            row |= _with_interval(adjusted.get(name), zcrit)
        rows.append(row)
    return rows


def ratios(prefix: str, coef: float, se: float, zcrit: float, name: str = "hr") -> dict[str, float]:
    """A log hazard ratio as a ratio with limits."""
    with np.errstate(over="ignore"):
        hr, low, high = np.exp([coef, coef - zcrit * se, coef + zcrit * se])
    return {f"{prefix}{name}": hr, f"{prefix}ci_low": low, f"{prefix}ci_high": high}


def _with_interval(found: dict[str, float] | None, zcrit: float) -> dict[str, float]:
    if not found:
        return {}
    return found | ratios("proliferation_", found["proliferation_coef"], found["proliferation_se"], zcrit)


def _beside_proliferation(at: cox.Risk, names: list[str], z: Floats, context: Context) -> dict[str, dict[str, float]]:
    """Each candidate with the proliferation score that leaves it out."""
    if context is None:
        return {}
    score = proliferation(context[0].tolist(), context[1])
    pairs, used = [], []
    for i, name in enumerate(names):
        own = score.without(name.upper())
        if own is not None:
            pairs.append(np.column_stack([z[i], own]))
            used.append((i, name, own))
    if not pairs:
        return {}
    both = cox.fit(at, np.stack(pairs))
    out = {}
    for k, (i, name, own) in enumerate(used):
        out[name] = {
            "proliferation_genes": score.n - (name.upper() in score.genes),
            "proliferation_coef": both.coef[k, 0], "proliferation_se": both.se[k, 0],
            "proliferation_p_value": both.p[k, 0], "proliferation_r": float(np.corrcoef(z[i], own)[0, 1]),
        }  # fmt: skip
    return out


def _beside_confounders(group: Group, z: Floats, confounders: tuple[str, ...], zcrit: float) -> list[dict[str, Any]]:
    """Each candidate with the declared confounders, complete cases, where there are events enough."""
    if not confounders:
        return [{} for _ in z]
    absent = [c for c in confounders if c not in group.rows]
    said: dict[str, Any] = {"confounders": ", ".join(confounders)}
    if absent:
        return [{**said, "confounder_reason": f"not in the table of patients: {', '.join(absent)}"} for _ in z]
    columns, complete = design(group.rows, confounders)
    kept = complete.to_numpy()
    events = int(group.rows.loc[complete, "event"].sum())
    per = events / (columns.shape[1] + 1)
    said |= {
        "confounder_n": int(kept.sum()), "confounder_missing": int((~kept).sum()), "confounder_events": events,
        "events_per_variable": per,
    }  # fmt: skip
    if per < PER_VARIABLE:
        why = f"{events} events for {columns.shape[1] + 1} coefficients; {PER_VARIABLE} each are needed"
        return [{**said, "confounder_reason": why} for _ in z]
    fits = cox.fit(at_risk(group.take(kept)), z[:, kept], columns.to_numpy())
    out = []
    for i in range(len(z)):
        good = fits.status[i] == cox.ESTIMATED
        own = {**said, "confounder_p_value": fits.p[i, 0], "confounder_reason": "" if good else str(fits.status[i])}
        out.append(own | ratios("confounder_", fits.coef[i, 0], fits.se[i, 0], zcrit))
    return out


def _restricted(group: Group, z: Floats, zcrit: float) -> dict[str, Any]:
    """Restricted mean survival time, upper minus lower half, up to the shorter of the two follow-ups."""
    rows, high = group.rows, z > np.median(z)
    if not high.any() or high.all():
        return {}
    time, event = rows["time"].to_numpy(float), rows["event"].to_numpy(float)
    horizon = float(min(time[high].max(), time[~high].max()))
    entry = group.entry
    parts = [survival.rmst(time[m], event[m], horizon, None if entry is None else entry[m]) for m in (high, ~high)]
    difference = parts[0][0] - parts[1][0]
    se = float(np.hypot(parts[0][1], parts[1][1]))
    return {
        "horizon": horizon, "rmst_high": parts[0][0], "rmst_low": parts[1][0], "rmst_difference": difference,
        "rmst_ci_low": difference - zcrit * se, "rmst_ci_high": difference + zcrit * se,
        "rmst_p_value": float(2 * special.ndtr(-abs(difference / se))) if se else np.nan,
    }  # fmt: skip


def _cut(group: Group, z: Floats, draws: int, seed: int) -> dict[str, Any]:
    """The best cut-point with its price; none where entry is delayed, for the scores do not know of it."""
    if group.delayed:
        return {}
    try:
        c = best_cut(group.rows["time"], group.rows["event"], z, draws=draws, seed=seed)
    except ValueError:
        return {}
    return {
        "cut": c.cut, "cut_n_low": c.n_low, "cut_n_high": c.n_high, "cut_statistic": c.statistic,
        "cut_p_value": c.p_permutation, "cut_p_lau92": c.p_lau92, "cut_uncorrected": c.uncorrected,
    }  # fmt: skip
