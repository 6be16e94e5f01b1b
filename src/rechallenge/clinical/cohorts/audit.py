"""Before anything is tested: who is in the cohorts, how long they were followed, what the data cannot show, and where
definitions contradict each other."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.clinical.cohorts.expression import Expression, cohorts
from rechallenge.clinical.cohorts.people import (
    ALL,
    as_covariate,
    endpoints,
    extras,
    groups,
    individuals,
    long,
    usable,
)  # fmt: skip
from rechallenge.clinical.cohorts.response import arms, separating
from rechallenge.clinical.cohorts.scan import FEWEST_EVENTS
from rechallenge.clinical.cohorts.words import missing
from rechallenge.stats import survival

FOLLOW_UP = "doi:10.1016/0197-2456(96)00075-X"
SCHOENFELD = "doi:10.2307/2531021"
AUDIT = ("cohort", "endpoint", "item", "value", "low", "high", "unit", "text", "flag")
CONFLICTS = (
    "cohort", "subject", "definition_a", "definition_b", "both_yes", "only_a", "only_b", "both_no", "unknown_a",
    "unknown_b", "agreement", "kappa", "flag",
)  # fmt: skip
#: words of column names that do not say what a column is about
_COMMON = frozenset(
    [
        "raw",
        "core",
        "status",
        "consensus",
        "risk",
        "any",
        "recorded",
        "group",
        "class",
        "score",
        "type",
        "field",
        "lists",
        "or",
        "and",
        "the",
        "of",
        "id",
    ]
)


@analysis(
    title="Audit of the cohorts",
    reference=(FOLLOW_UP, SCHOENFELD),
    methods=f"Follow-up is the median by the reverse Kaplan-Meier method ({FOLLOW_UP}). The detectable hazard ratio "
    f"per "
    f"standard deviation has 80 % power at 5 % for the events there are ({SCHOENFELD}).",
    formula=(
        "detectable hazard ratio = exp((z_.975 + z_.8) / sqrt(events)) per standard deviation; follow-up by "
        "reverse Kaplan-Meier"
    ),
    oracle=(
        "A detectable effect by its formula (tests/stats/test_cox.py); findings on TCGA liver cancer "
        "(tests/clinical/test_response.py)"
    ),
    limits="Says what the data cannot show; that nothing is flagged is no proof of quality.",
)
def clinical_audit(
    patients: pd.DataFrame,
    patient_expression: pd.DataFrame | None = None,
    patient_expression_samples: pd.DataFrame | None = None,
    *,
    confounders: tuple[str, ...] = (),
) -> pd.DataFrame:
    """One row per finding: `AUDIT`. `flag` is empty, or says what to think of before believing a result."""
    table = long(patients)
    exprs = cohorts(patient_expression, patient_expression_samples, table)
    rows = [
        *_follow_up(table), *_missing(table, confounders), *_expression(table, exprs), *_components(table, exprs),
        *_shared(table),
    ]  # fmt: skip
    return (
        pd.DataFrame(rows).reindex(columns=list(AUDIT)).fillna(dict.fromkeys(("endpoint", "unit", "text", "flag"), ""))
    )


def _follow_up(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    for endpoint in endpoints(table, ()):
        of = table[table["endpoint"] == endpoint]
        for cohort, rows in of.groupby("cohort", sort=True):
            out = int((~usable(rows)).sum())
            place = {"cohort": str(cohort), "endpoint": endpoint}
            if out:
                yield {**place, "item": "patients left out", "value": out,
                       "text": "no time, a time of 0, or no event status"}  # fmt: skip
    for g in groups(table):
        place = {"cohort": g.cohort, "endpoint": g.endpoint}
        said = "" if g.subset == ALL else f"{g.subset}, entering when it began"
        few = f"fewer than {FEWEST_EVENTS} events: described, not tested" if g.events < FEWEST_EVENTS else ""
        yield {**place, "item": "patients", "value": g.n, "text": said}
        yield {**place, "item": "events", "value": g.events, "text": said, "flag": few}
        hr = survival.detectable_hr(g.events)
        yield {**place, "item": "detectable hazard ratio per SD", "value": hr, "low": 1 / hr, "high": hr, "text": said,
               "flag": f"only effects beyond {hr:.2f} (or below {1 / hr:.2f}) would be "
               f"found" if hr > 1.6 else ""}  # fmt: skip
        if g.subset != ALL:
            continue
        median, low, high = survival.follow_up(g.rows["time"], g.rows["event"])
        unit = g.unit or "unit not given"
        yield {**place, "item": "median follow-up", "value": median, "low": low, "high": high, "unit": unit,
               "flag": "" if g.unit else "the unit of time is not given (column time_unit)"}  # fmt: skip
        starts = sorted({z for z in g.rows["time_zero"] if z})
        flag = "time zero is not given (column time_zero)" if not starts else (
            "patients of one cohort start at different times" if len(starts) > 1 else "")  # fmt: skip
        yield {**place, "item": "time zero", "text": ", ".join(starts), "flag": flag}


def _missing(table: pd.DataFrame, confounders: Sequence[str]) -> Iterator[dict[str, Any]]:
    people = individuals(table)
    for cohort, rows in people.groupby("cohort", sort=True):
        for name in extras(people):
            if not name.strip():
                continue
            gone = int(as_covariate(rows[name]).isna().sum())
            if gone or name in confounders:
                share = gone / len(rows)
                yield {
                    "cohort": str(cohort), "item": f"missing: {name}", "value": gone, "unit": "patients",
                    "text": f"{100 * share:.0f} % of {len(rows)}" + ("; a declared confounder" if name in confounders
                                                                     else ""),
                    "flag": "half or more are missing" if share >= 0.5 else "",
                }  # fmt: skip
        for name in confounders:
            if name not in people:
                yield {"cohort": str(cohort), "item": f"missing: {name}", "value": len(rows),
                       "flag": "a declared confounder that the table of patients does not have"}  # fmt: skip


def _expression(table: pd.DataFrame, exprs: Mapping[str, Expression]) -> Iterator[dict[str, Any]]:
    for cohort, e in sorted(exprs.items()):
        members = set(table.loc[table["cohort"] == cohort, "patient"])
        without = len(members - set(e.patients))
        yield {"cohort": cohort, "item": "genes", "value": len(e.genes), "unit": e.unit,
               "flag": "fewer than 5,000 genes: percentiles are among these "
               "alone" if len(e.genes) < 5000 else ""}  # fmt: skip
        yield {"cohort": cohort, "item": "patients with expression", "value": len(e.patients),
               "text": f"{without} patients have none; {e.unknown} with expression are not in the table of patients; "
               f"{e.averaged} further samples of the same patients were averaged; {len(e.normal_patients)} patients "
               "have normal tissue"}  # fmt: skip
    for cohort in sorted(set(table["cohort"]) - set(exprs)):
        yield {"cohort": cohort, "item": "patients with expression", "value": 0,
               "flag": "no data set of expression has the name or the patients of this "
               "cohort" if exprs else ""}  # fmt: skip


def _components(table: pd.DataFrame, exprs: dict[str, Expression]) -> Iterator[dict[str, Any]]:
    for arm in arms(table, exprs):
        c = separating(arm.values, arm.responded)
        if c["component"]:
            yield {
                "cohort": arm.cohort, "item": f"response against principal components ({arm.arm})",
                "value": c["component_auc"], "unit": "AUC",
                "text": f"component {c['component']}, {100 * c['component_share']:.0f} % of the variance, "
                f"p = {c['component_p_value']:.2g} (Bonferroni over 3), {int(arm.responded.sum())} responders of "
                f"{len(arm.responded)}",
                "flag": "a leading component separates the labels, so many genes "
                "will" if c["separated"] and arm.testable else "",
            }  # fmt: skip


def _shared(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    members = {str(c): set(rows["patient"]) for c, rows in table.groupby("cohort", sort=True)}
    for a, b in itertools.combinations(members, 2):
        both = members[a] & members[b]
        if both and len(both) > 0.05 * min(len(members[a]), len(members[b])):
            yield {"cohort": a, "item": f"patients also in {b}", "value": len(both),
                   "text": f"for example {min(both)}",
                   "flag": "cohorts that share patients are not independent and must not be pooled"}  # fmt: skip


@analysis(
    title="Definitions that contradict each other",
    methods="Columns that name one property of the patients and have two values each were compared pair by pair "
    "(agreement and Cohen's kappa, doi:10.1177/001316446002000104).",
    reference="doi:10.1177/001316446002000104",
    formula="agreement and Cohen's kappa = (p_o - p_e) / (1 - p_e) of two definitions",
    oracle=("TCGA liver cancer: three definitions of hepatitis B that disagree (tests/clinical/test_response.py)"),
    limits=("Finds pairs by shared words in their names, or those that are declared; it cannot say which is right."),
)
def definition_conflicts(
    patients: pd.DataFrame, *, definitions: dict[str, tuple[str, ...]] | None = None
) -> pd.DataFrame:
    """One row per cohort and pair of definitions of one property: `CONFLICTS`.

    `definitions` names properties and their columns, e.g. `HBV = ["risk_hbv", "HBV_consensus"]`; without it, columns
    with two values whose names share a word are compared. Two definitions that disagree in 5 % of the patients who
    have both, or overlap no better than chance, are flagged.
    """
    people = individuals(long(patients))
    rows = []
    named = definitions or {}
    for cohort, own in people.groupby("cohort", sort=True):
        columns = {n: found for n in extras(own) if (found := as_binary(own[n])) is not None}
        subjects = {k: [c for c in v if c in columns] for k, v in named.items()} if named else _subjects(columns)
        for subject, members in sorted(subjects.items()):
            for a, b in itertools.combinations(members, 2):
                rows.append({"cohort": str(cohort), "subject": subject, **_compared(a, b, columns[a], columns[b])})
    return pd.DataFrame(rows).reindex(columns=list(CONFLICTS))


_TRUE = frozenset(["true", "yes", "1", "1.0", "pos", "positive", "present"])
_FALSE = frozenset(["false", "no", "0", "0.0", "neg", "negative", "absent", "none"])


def as_binary(values: pd.Series) -> pd.Series | None:
    """A column of yes and no as 1, 0 and NaN; None where it is no such column."""
    text = values.astype(str).str.strip().str.casefold()
    out = pd.Series(np.where(text.isin(_TRUE), 1.0, np.where(text.isin(_FALSE), 0.0, np.nan)), index=values.index)
    known = ~text.map(missing) | text.isin(_TRUE | _FALSE)
    if not known.any() or out[known].isna().any() or out.nunique() < 2:
        return None
    return out


#: names under which one property goes in clinical tables
_ALIASES = {"hbsag": "hbv", "hbvdna": "hbv", "hepatitisb": "hbv", "hepatitisc": "hcv"}


def _subjects(columns: Mapping[str, pd.Series]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in columns:
        parts = re.split(r"[^a-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
        whole = name.lower()
        words = {_ALIASES.get(p, p) for p in parts if len(p) >= 3} - _COMMON
        words |= {v for k, v in _ALIASES.items() if k in whole.replace("_", "")}
        for word in words:
            found.setdefault(word.upper() if len(word) <= 4 else word, []).append(name)
    return {w: sorted(set(c)) for w, c in found.items() if len(set(c)) > 1}


def _compared(a: str, b: str, x: pd.Series, y: pd.Series) -> dict[str, Any]:
    both = x.notna() & y.notna()
    n = int(both.sum())
    table = [int(((x == i) & (y == j))[both].sum()) for i, j in ((1, 1), (1, 0), (0, 1), (0, 0))]
    agree = (table[0] + table[3]) / n if n else np.nan
    yes, no = (table[0] + table[1]) * (table[0] + table[2]), (table[2] + table[3]) * (table[1] + table[3])
    chance = (yes + no) / n**2 if n else np.nan
    kappa = (agree - chance) / (1 - chance) if n and chance < 1 else np.nan
    differ = table[1] + table[2]
    flag = f"{differ} of {n} patients with both are classed differently" if n and differ / n > 0.05 else ""
    return {
        "definition_a": a, "definition_b": b, "both_yes": table[0], "only_a": table[1], "only_b": table[2],
        "both_no": table[3], "unknown_a": int(x.isna().sum()), "unknown_b": int(y.isna().sum()), "agreement": agree,
        "kappa": kappa, "flag": flag,
    }  # fmt: skip
