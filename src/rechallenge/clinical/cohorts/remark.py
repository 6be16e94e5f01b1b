"""The REMARK checklist, filled in from the study as far as a program can know it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.clinical.cohorts.people import each, extras, individuals, long
from rechallenge.report.words import counted, listed, number

REMARK_DOI = "doi:10.1038/sj.bjc.6602678"
FILLED, PARTLY, AUTHORS = "filled from the study", "partly; authors to complete", "for the authors"
REMARK = ("item", "section", "topic", "content", "status")


def _items(p: pd.DataFrame, c: pd.DataFrame | None, s: pd.DataFrame | None, m: pd.DataFrame | None,
           audit: pd.DataFrame | None, sub: pd.DataFrame | None) -> list[tuple[int, str, str, str, str]]:  # fmt: skip
    people = individuals(p)
    by_cohort = people.groupby("cohort").size()
    cohorts = listed(f"{k} ({n})" for k, n in by_cohort.items())
    treated = sorted({t for t in people["treatment"] if t})
    events = "" if s is None else "; ".join(
        f"{r.cohort}, {r.endpoint}, {r.subset}: {r.n} patients, {r.events} events"
        for r in each(s.drop_duplicates(["cohort", "endpoint", "subset"]))
    )  # fmt: skip
    follow = "" if audit is None else "; ".join(
        f"{r.cohort}, {r.endpoint}: {number(r.value)} {r.unit} ({number(r.low)} to {number(r.high)})"
        for r in each(audit[audit["item"] == "median follow-up"])
    )  # fmt: skip
    gone = "" if audit is None else "; ".join(
        f"{r.cohort}: {r.item[9:]} {int(r.value)}"
        for r in each(audit[audit["item"].str.startswith("missing: ") & (audit["value"] > 0)])
    )  # fmt: skip
    detect = "" if audit is None else "; ".join(
        f"{r.cohort}, {r.endpoint}{', ' + r.text.split(',')[0] if r.text else ''}: {number(r.value)}"
        for r in each(audit[audit["item"] == "detectable hazard ratio per SD"])
    )  # fmt: skip
    genes = "" if c is None else f"{listed(c['gene'], 12)}; why each: {listed(sorted({_kind(w) for w in c['why']}))}"
    zero = listed(sorted({z for z in people["time_zero"] if z}))
    confounders = "" if s is None else next((v for v in s["confounders"].fillna("") if v), "")
    multi = "" if s is None else _ratios(s, "confounder_")
    ends = listed(sorted({e for e in p["endpoint"] if e}))
    first = s[s["status"] == "estimated"] if s is not None else None
    uni = "" if first is None else _ratios(first, "")
    checks = "" if s is None else (
        f"proportional hazards violated (p < 0.05) in {int((s['ph_p_value'] < 0.05).sum())} of "
        f"{int(s['ph_p_value'].notna().sum())} fits, curvature in {int((s['spline_p_value'] < 0.05).sum())}"
    )  # fmt: skip
    pooled = "" if m is None else counted(int((m["k"] > 1).sum()), "gene was", "genes were") + " pooled over cohorts"
    return [
        (1, "Introduction", "Markers, objectives, hypotheses", genes, PARTLY),
        (2, "Patients", "Source, characteristics, inclusion", f"{cohorts}; recorded: "
        f"{listed(extras(people), 20)}", PARTLY),
        (3, "Patients", "Treatments and how they were chosen", listed(treated) or "none recorded", PARTLY),
        (4, "Specimens", "Material, preservation, storage", "", AUTHORS),
        (5, "Assay", "Method, protocol, blinding", "", AUTHORS),
        (6, "Design", "Selection of cases, period, follow-up", follow, PARTLY),
        (7, "Design", "End points", f"{ends}; time zero: {zero or 'not given'}", FILLED if zero else PARTLY),
        (8, "Design", "All candidate variables", listed(extras(people), 30), FILLED),
        (9, "Design", "Sample size, detectable effect", f"hazard ratio per SD with 80 % power: {detect}", FILLED),
        (10, "Analysis", "Statistical methods, model building, missing data, assumptions", "see the methods paragraph; "
         "complete cases; " + checks, FILLED),
        (11, "Analysis", "Cut-points", "none was used for a claim; the marker is continuous, halves are for display "
        "and "
         "the best cut-point carries the price of the search", FILLED),
        (12, "Results", "Flow of patients, events", events, FILLED),
        (13, "Results", "Distribution of characteristics, missing values", gone or "none missing", FILLED),
        (14, "Results", "Marker against standard variables", "" if s is None else "correlation with proliferation: "
        "" + _r(s),
         PARTLY),
        (15, "Results", "Univariable estimates", uni, FILLED),
        (16, "Results", "Multivariable estimates", multi or (f"not fitted; declared: {confounders}" if confounders else
         "no confounders were declared (option confounders)"), FILLED if multi else PARTLY),
        (17, "Results", "Estimates with intervals, also beside standard variables", "in the table survival; " + pooled,
         FILLED),
        (18, "Results", "Further investigations: assumptions, sensitivity, validation", checks + (
            "" if sub is None else f"; {sub[['factor']].drop_duplicates().shape[0]} subgroup factors by interaction"),
         FILLED),
        (19, "Discussion", "Interpretation and limitations", "" if s is None else _verdicts(s), PARTLY),
        (20, "Discussion", "Implications for research and care", "", AUTHORS),
    ]  # fmt: skip


def _kind(why: str) -> str:
    return "strongest in a scan" if why.startswith("strongest") else why.split(";")[0]


def _ratios(s: pd.DataFrame, prefix: str, most: int = 12) -> str:
    hr = f"{prefix}hr" if prefix else "hr_per_sd"
    there = s[s[hr].notna() & s[f"{prefix}p_value"].notna()]
    said = [
        f"{r['gene']} ({r['cohort']}, {r['endpoint']}) {number(r[hr])} "
        f"({number(r[prefix + 'ci_low'])} to {number(r[prefix + 'ci_high'])})"
        for r in there.head(most).to_dict("records")
    ]
    return "; ".join(said) + (f"; {len(there) - most} more in the table" if len(there) > most else "")


def _r(s: pd.DataFrame) -> str:
    there = s[s["proliferation_r"].notna()]
    return listed((f"{r.gene} {r.proliferation_r:.2f}" for r in each(there)), 12) or "not computed"


def _verdicts(s: pd.DataFrame) -> str:
    one = s.drop_duplicates(["gene", "endpoint", "subset"])
    return "verdicts: " + listed(f"{v} {n}" for v, n in one["verdict"].value_counts().sort_index().items())


@analysis(
    title="REMARK checklist",
    reference=REMARK_DOI,
    methods=f"The study is reported along REMARK ({REMARK_DOI}).",
    formula="No formula: 20 items filled from the study",
    oracle="The REMARK checklist itself (tests/clinical/test_response.py)",
    limits="A program cannot know the clinical setting; what the authors must fill is said.",
)
def remark(
    patients: pd.DataFrame,
    clinical_candidates: pd.DataFrame | None = None,
    survival: pd.DataFrame | None = None,
    survival_meta: pd.DataFrame | None = None,
    clinical_audit: pd.DataFrame | None = None,
    subgroups: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The 20 items of REMARK: item, section, topic, content (from this study), status (who has to fill the rest)."""
    rows: list[Any] = []
    for item, section, topic, content, status in _items(
        long(patients), clinical_candidates, survival, survival_meta, clinical_audit, subgroups
    ):
        known = bool(content.strip(" ;"))
        rows.append((item, section, topic, content.strip(" ;"), status if known else AUTHORS))
    return pd.DataFrame(rows, columns=list(REMARK))
