"""What the figures draw and nothing is scored by: survival curves at the median, splines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from rechallenge.analysis import analysis
from rechallenge.clinical.cohorts.candidates import where_measured
from rechallenge.clinical.cohorts.expression import cohorts, rank_normal
from rechallenge.clinical.cohorts.fits import subjects
from rechallenge.clinical.cohorts.people import ALL, Group, groups, individuals, long, order_of
from rechallenge.clinical.cohorts.response import arms
from rechallenge.clinical.cohorts.scan import FEWEST_EVENTS, at_risk
from rechallenge.faults import NotApplicable
from rechallenge.stats import cox, survival

CURVES = (
    "gene", "cohort", "endpoint", "subset", "group", "part", "time", "survival", "low", "high", "at_risk", "events",
    "median", "median_low", "median_high", "unit",
)  # fmt: skip
SPLINES = ("gene", "cohort", "endpoint", "x", "hr", "low", "high", "straight")
#: genes whose curves are kept for drawing
MOST = 6
HIGH, LOW = "upper half", "lower half"


def drawn(candidates: pd.DataFrame, most: int = MOST) -> list[str]:
    """The candidates that figures of single genes show: those named first, then those the data chose."""
    return candidates[candidates["measured"]].sort_values("selected", kind="mergesort")["gene"].head(most).tolist()


def _first(table: pd.DataFrame, wanted: tuple[str, ...]) -> list[Group]:
    """Groups of all patients at the first endpoint."""
    found = [g for g in groups(table, wanted) if g.subset == ALL]
    endpoint = min((g.endpoint for g in found), key=order_of, default="")
    return [g for g in found if g.endpoint == endpoint]


@analysis(
    title="Survival curves for display",
    reference="doi:10.1080/01621459.1958.10501452",
    methods="Kaplan-Meier curves of the halves by expression (doi:10.1080/01621459.1958.10501452) are shown and not "
    "scored.",
    formula="Kaplan-Meier: S(t) = prod (1 - d_i / n_i) of both halves at the median",
    oracle="R survival 3.5-3 on the lung data (tests/stats/test_survival_curves.py)",
    limits="Drawn and never scored: halving throws information away.",
)
def survival_curves(
    patients: pd.DataFrame,
    clinical_candidates: pd.DataFrame,
    patient_expression: pd.DataFrame | None = None,
    patient_expression_samples: pd.DataFrame | None = None,
    *,
    endpoints: tuple[str, ...] = (),
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Kaplan-Meier curves of the first candidates at the median, first endpoint: `CURVES`.

    `part` is "curve" (a step or censored time) or "table" (a time of the risk table, where only `at_risk` is filled).
    The median survival of each group stands on each of its rows.
    """
    table = long(patients)
    exprs = cohorts(patient_expression, patient_expression_samples, table)
    chosen = clinical_candidates[clinical_candidates["gene"].isin(drawn(clinical_candidates))]
    parts = []
    for group in _first(table, endpoints):
        for own, _, names, z, _ in subjects(group, chosen, exprs):
            if own.n >= 10 and own.events >= 2:
                parts += [_halves(own, name, row, confidence) for name, row in zip(names, z, strict=True)]
    if not parts:
        raise NotApplicable("no candidate has survival curves to draw")
    return pd.concat(parts, ignore_index=True).loc[:, list(CURVES)]


def ticks(longest: float) -> list[float]:
    """Times of a risk table from 0: five to seven even steps."""
    rough = longest / 5
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(m * power for m in (1, 1.2, 2, 2.5, 3, 5, 6, 10) if m * power >= rough)
    return [float(step * i) for i in range(int(longest / step) + 1)]


def _halves(group: Group, name: str, z: Any, confidence: float) -> pd.DataFrame:
    time, event = group.rows["time"].to_numpy(float), group.rows["event"].to_numpy(float)
    high = z > np.median(z)
    at = ticks(float(time.max()))
    parts = []
    for label, mask in ((HIGH, high), (LOW, ~high)):
        if mask.sum() < 2:
            continue
        c = survival.kaplan_meier(time[mask], event[mask], confidence=confidence)
        median = survival.quantile(c)
        curve = pd.DataFrame(
            {"part": "curve", "time": np.r_[0.0, c.time], "survival": np.r_[1.0, c.survival],
             "low": np.r_[np.nan, c.low], "high": np.r_[np.nan, c.high], "at_risk": np.r_[mask.sum(), c.at_risk],
             "events": np.r_[0, c.events]}
        )  # fmt: skip
        numbers = pd.DataFrame({"part": "table", "time": at, "at_risk": [float((time[mask] >= t).sum()) for t in at]})
        both = pd.concat([curve, numbers], ignore_index=True).assign(group=label)
        parts.append(both.assign(median=median[0], median_low=median[1], median_high=median[2]))
    return pd.concat(parts, ignore_index=True).assign(
        gene=name, cohort=group.cohort, endpoint=group.endpoint, subset=group.subset, unit=group.unit
    )


@analysis(
    title="Shape of the association with survival",
    methods="The hazard ratio over expression was drawn from a natural cubic spline of three degrees of freedom.",
    formula="log hazard ratio = natural cubic spline with three degrees of freedom, against the median patient",
    oracle="R survival with ns(3) (tests/stats/test_cox.py)",
    limits="Drawn, not tested here; its ends rest on few patients.",
)
def spline_effects(
    patients: pd.DataFrame,
    clinical_candidates: pd.DataFrame,
    patient_expression: pd.DataFrame | None = None,
    patient_expression_samples: pd.DataFrame | None = None,
    *,
    endpoints: tuple[str, ...] = (),
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Hazard ratio against the median patient over expression (standard deviations) for the first candidates in cohorts
    with 20 events: `SPLINES`; `straight` is the linear model's."""
    table = long(patients)
    exprs = cohorts(patient_expression, patient_expression_samples, table)
    chosen = clinical_candidates[clinical_candidates["gene"].isin(drawn(clinical_candidates))]
    parts = []
    for group in _first(table, endpoints):
        if group.events < FEWEST_EVENTS:
            continue
        for own, _, names, z, _ in subjects(group, chosen, exprs):
            if own.events >= FEWEST_EVENTS:
                parts += _shapes(own, names, z, confidence)
    if not parts:
        raise NotApplicable(f"no candidate is measured in a cohort with {FEWEST_EVENTS} events")
    return pd.concat(parts, ignore_index=True).loc[:, list(SPLINES)]


def _shapes(group: Group, names: list[str], z: Any, confidence: float) -> list[pd.DataFrame]:
    at = at_risk(group)
    plain = cox.fit(at, z)
    zcrit = float(special.ndtri(0.5 + confidence / 2))
    parts = []
    for i, name in enumerate(names):
        knots = np.quantile(z[i], np.linspace(0, 1, 4))
        if len(np.unique(knots)) < 4 or plain.status[i] != cox.ESTIMATED:
            continue
        fitted = cox.fit(at, cox.natural_spline(z[i], 3, list(knots))[None])
        if fitted.status[0] != cox.ESTIMATED:
            continue
        grid = np.linspace(float(np.quantile(z[i], 0.02)), float(np.quantile(z[i], 0.98)), 41)
        away = cox.natural_spline(grid, 3, list(knots)) - cox.natural_spline(
            np.array([np.median(z[i])]), 3, list(knots)
        )
        effect = away @ fitted.coef[0]
        se = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", away, fitted.cov[0], away), 0))
        parts.append(
            pd.DataFrame(
                {"gene": name, "cohort": group.cohort, "endpoint": group.endpoint, "x": grid, "hr": np.exp(effect),
                 "low": np.exp(effect - zcrit * se), "high": np.exp(effect + zcrit * se),
                 "straight": np.exp(plain.coef[i, 0] * (grid - np.median(z[i])))}
            )
        )  # fmt: skip
    return parts


RESPONSE_POINTS = ("gene", "cohort", "arm", "patient", "responded", "expression", "best_change")


@analysis(
    title="Expression of responders and others, patient by patient",
    formula="No formula: expression of the first candidates, patient by patient",
    oracle="No outside reference: it computes nothing (tests/clinical/test_response.py)",
    limits="Drawn and never scored.",
)
def response_points(
    patients: pd.DataFrame,
    clinical_candidates: pd.DataFrame,
    patient_expression: pd.DataFrame,
    patient_expression_samples: pd.DataFrame,
) -> pd.DataFrame:
    """The first candidates in every arm with responses: `RESPONSE_POINTS`; expression in standard deviations."""
    table = long(patients)
    chosen = clinical_candidates[clinical_candidates["gene"].isin(drawn(clinical_candidates))]
    people = individuals(table).set_index(["cohort", "patient"])["best_change"]
    parts = []
    for arm in arms(table, cohorts(patient_expression, patient_expression_samples, table)):
        for gene, i in where_measured(chosen, arm.genes):
            if np.isfinite(arm.values[i]).all():
                change = [people.get((arm.cohort, p), np.nan) for p in arm.patients]
                parts.append(
                    pd.DataFrame(
                        {"gene": gene, "cohort": arm.cohort, "arm": arm.arm, "patient": arm.patients,
                         "responded": arm.responded.astype(int), "expression": rank_normal(arm.values[[i]])[0],
                         "best_change": change}
                    )
                )  # fmt: skip
    if not parts:
        raise NotApplicable("no candidate is measured in patients with a response")
    return pd.concat(parts, ignore_index=True).loc[:, list(RESPONSE_POINTS)]
