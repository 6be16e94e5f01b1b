"""Subgroups by interaction only, and treatment effects without immortal time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from rechallenge.analysis import analysis
from rechallenge.clinical.cohorts.expression import cohorts
from rechallenge.clinical.cohorts.fits import ratios, subjects
from rechallenge.clinical.cohorts.people import ALL, Group, as_covariate, groups, long, usable
from rechallenge.clinical.cohorts.people import endpoints as endpoints_of
from rechallenge.clinical.cohorts.scan import FEWEST_EVENTS, at_risk
from rechallenge.clinical.cohorts.words import is_control_arm
from rechallenge.faults import NotApplicable
from rechallenge.stats import cox
from rechallenge.stats.multiplicity import bh

INTERACTION = "doi:10.1136/bmj.326.7382.219"
IMMORTAL = "doi:10.1093/aje/kwm324"
SUBGROUPS = (
    "gene", "cohort", "endpoint", "factor", "level", "n", "events", "hr_per_sd", "ci_low", "ci_high",
    "interaction_p_value", "interaction_df", "q_value", "verdict", "missing", "status", "reason",
)  # fmt: skip
TREATMENT = (
    "cohort", "endpoint", "treatment", "n", "events", "treated", "treated_events", "hr", "ci_low", "ci_high", "se",
    "p_value", "naive_hr", "naive_ci_low", "naive_ci_high", "naive_p_value", "immortal_time", "unit", "status",
    "reason",
)  # fmt: skip


@analysis(
    title="Subgroups by interaction",
    reference=INTERACTION,
    methods="A subgroup was claimed only by the interaction of gene and subgroup in a Cox model of all patients "
    f"(likelihood ratio; {INTERACTION}), adjusted over all interactions tested after Benjamini and Hochberg; hazard "
    "ratios are shown for every level.",
    formula="likelihood ratio of gene x factor in one Cox model of all patients",
    oracle=(
        "R survival, treatment x log receptor (tests/stats/test_cox.py); 5.3 % of nulls (tests/clinical/test_rates.py)"
    ),
    limits=(
        "An interaction is found less often than a main effect of its size. Only factors that were named are asked."
    ),
)
def subgroups(
    patients: pd.DataFrame,
    clinical_candidates: pd.DataFrame,
    patient_expression: pd.DataFrame | None = None,
    patient_expression_samples: pd.DataFrame | None = None,
    *,
    factors: tuple[str, ...] = (),
    endpoints: tuple[str, ...] = (),
    alpha: float = 0.05,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """One row per candidate, cohort, endpoint, factor (a column of patients named in `factors`) and level: `SUBGROUPS`.

    `interaction_p_value` is one per factor: do the levels differ in the gene's hazard ratio? A number is taken as low
    and high half for display, its interaction is with the number itself. Levels with fewer than 20 events are shown
    without a claim. Raises NotApplicable where no factor is named.
    """
    if not factors:
        raise NotApplicable("no subgroup is declared (option factors)")
    table = long(patients)
    absent = sorted(set(factors) - set(table.columns))
    if absent:
        raise NotApplicable(f"the table of patients has no column {', '.join(absent)}")
    exprs = cohorts(patient_expression, patient_expression_samples, table)
    rows: list[dict[str, Any]] = []
    for group in groups(table, endpoints):
        if group.subset != ALL:
            continue
        for own, _, names, z, _ in subjects(group, clinical_candidates, exprs):
            for factor in factors:
                rows += _of_factor(own, names, z, factor, float(special.ndtri(0.5 + confidence / 2)))
    if not rows:
        raise NotApplicable("no candidate is measured in patients with follow-up")
    out = pd.DataFrame(rows)
    one = ~out.duplicated(["gene", "cohort", "endpoint", "factor"])
    q = pd.Series(np.nan, index=out.index)
    q[one] = bh(out.loc[one, "interaction_p_value"])
    out["q_value"] = q.groupby([out[c] for c in ("gene", "cohort", "endpoint", "factor")]).transform("max")
    out["verdict"] = [
        "not testable" if v != v else "the levels differ" if v < alpha else "no difference between levels shown"
        for v in out["q_value"]
    ]
    return out.loc[:, list(SUBGROUPS)]


def _of_factor(group: Group, names: list[str], z: Any, factor: str, zcrit: float) -> list[dict[str, Any]]:
    column = as_covariate(group.rows[factor])
    there = column.notna().to_numpy()
    own, x = group.take(there), z[:, there]
    if own.n < 10 or not own.events:
        return []
    values = column[there]
    if values.dtype.kind == "f":
        number = values.to_numpy(float)
        dummies = ((number - number.mean()) / (number.std(ddof=1) or 1.0))[:, None]
        labels = np.where(number > np.median(number), "upper half", "lower half")
    else:
        labels = values.astype(str).to_numpy()
        counts = pd.Series(labels).value_counts()
        first = min(counts.index, key=lambda v: (-int(counts[v]), v))
        dummies = np.column_stack([(labels == v).astype(float) for v in sorted(counts.index) if v != first] or
                                  [np.zeros(len(labels))])  # fmt: skip
    levels = sorted(set(labels))
    p, df, why = np.full(len(names), np.nan), dummies.shape[1], ""
    if len(levels) < 2:
        why = "one level only"
    elif own.events < FEWEST_EVENTS or own.events < 5 * (2 * df + 1):
        why = f"{own.events} events are too few for {2 * df + 1} coefficients"
    else:
        at = at_risk(own)
        base = cox.fit(at, x, dummies)
        full = cox.fit(at, np.concatenate([x[:, :, None], x[:, :, None] * dummies[None]], axis=2), dummies)
        p = special.chdtrc(df, np.maximum(0.0, 2 * (full.loglik - base.loglik)))
    rows = []
    for level in levels:
        part = own.take(labels == level)
        fits = cox.fit(at_risk(part), x[:, labels == level]) if part.events >= 2 and part.n >= 5 else None
        for i, name in enumerate(names):
            good = fits is not None and fits.status[i] == cox.ESTIMATED
            status = "not_estimable" if not good else "estimated" if p[i] == p[i] else "not_testable"
            row: dict[str, Any] = {
                "gene": name, "cohort": own.cohort, "endpoint": own.endpoint, "factor": factor, "level": level,
                "n": part.n, "events": part.events, "interaction_p_value": p[i], "interaction_df": df,
                "missing": int((~there).sum()), "status": status,
                "reason": why or ("" if good else "too few events in this level"),
            }  # fmt: skip
            if fits is not None and good:
                row |= ratios("", fits.coef[i, 0], fits.se[i, 0], zcrit, "hr_per_sd")
            rows.append(row)
    return rows


@analysis(
    title="Survival under treatment without immortal time",
    reference=IMMORTAL,
    methods="Patients who were treated later than time zero count as untreated until then (time-dependent Cox model "
    "with "
    f"delayed entry), because to be treated late one has to live so long ({IMMORTAL}); the hazard ratio of ever "
    f"against "
    "never treated is shown beside it and is not a result.",
    formula="Cox with delayed entry: treated from the start of treatment, untreated before",
    oracle=(
        "Stanford heart data (tests/clinical/test_response.py); simulated immortal time .97 where the naive is "
        ".24 (tests/clinical/test_rates.py)"
    ),
    limits="Who is treated was not assigned: no effect of the drug.",
)
def treatment_survival(
    patients: pd.DataFrame, *, endpoints: tuple[str, ...] = (), confidence: float = 0.95
) -> pd.DataFrame:
    """One row per cohort, endpoint and treatment that began after time zero in some patients: `TREATMENT`.

    `hr` is treated against not (yet) treated; who is treated was not assigned, so it is no effect of the drug.
    `naive_hr` counts the time before treatment as treated. `immortal_time` is the time that the naive analysis books
    wrongly, in `unit`.
    """
    table = long(patients)
    zcrit = float(special.ndtri(0.5 + confidence / 2))
    rows = []
    for endpoint in endpoints_of(table, endpoints):
        of = table[(table["endpoint"] == endpoint) & usable(table)]
        for cohort, people in of.groupby("cohort", sort=True):
            people = people.sort_values("patient", kind="mergesort").drop_duplicates("patient")
            started = people["treatment_start"].notna() & (people["treatment_start"] < people["time"])
            for treatment in sorted(set(people.loc[started & people["treatment_start"].gt(0), "treatment"])):
                if treatment and not is_control_arm(treatment):
                    mine = started & (people["treatment"] == treatment)
                    if (~mine).any():
                        rows.append(_treated(people, mine, str(cohort), endpoint, treatment, zcrit))
    if not rows:
        raise NotApplicable("no treatment has a start after time zero and untreated patients beside it")
    return pd.DataFrame(rows).reindex(columns=list(TREATMENT))


def split(time: Any, event: Any, start: Any, treated: Any) -> tuple[Any, Any, Any, Any]:
    """Rows (entry, end, event, under treatment): who is treated has one row before the start and one from it."""
    before = treated & (start > 0)
    entry = np.concatenate([np.zeros(before.sum()), np.where(treated, np.maximum(start, 0), 0.0)])
    end = np.concatenate([start[before], time])
    happened = np.concatenate([np.zeros(before.sum()), event])
    under = np.concatenate([np.zeros(before.sum()), treated.astype(float)])
    return entry, end, happened, under


def _treated(
    people: pd.DataFrame, mine: pd.Series, cohort: str, endpoint: str, treatment: str, zcrit: float
) -> dict[str, Any]:
    time, event = people["time"].to_numpy(float), people["event"].to_numpy(float)
    treated, start = mine.to_numpy(), people["treatment_start"].to_numpy(float)
    entry, end, happened, under = split(time, event, np.where(treated, start, 0.0), treated)
    right = cox.fit(cox.risk(end, happened, entry), under[None])
    naive = cox.fit(cox.risk(time, event), treated[None].astype(float))
    events = int(event.sum())
    testable = events >= FEWEST_EVENTS and min(event[treated].sum(), event[~treated].sum()) >= 5
    good = right.status[0] == cox.ESTIMATED
    return {
        "cohort": cohort, "endpoint": endpoint, "treatment": treatment, "n": len(people), "events": events,
        "treated": int(treated.sum()), "treated_events": int(event[treated].sum()),
        **ratios("", right.coef[0, 0], right.se[0, 0], zcrit), "se": right.se[0, 0],
        "p_value": right.lrt_p[0] if testable and good else np.nan,
        **ratios("naive_", naive.coef[0, 0], naive.se[0, 0], zcrit), "naive_p_value": naive.lrt_p[0],
        "immortal_time": float(start[treated].clip(min=0).sum()),
        "unit": next((u for u in people["time_unit"] if u), ""),
        "status": "not_estimable" if not good else "estimated" if testable else "not_testable",
        "reason": "" if testable else f"{events} events, {int(event[treated].sum())} among the treated",
    }  # fmt: skip
