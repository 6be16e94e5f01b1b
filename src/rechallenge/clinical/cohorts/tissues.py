"""Tumour against normal tissue, serum biomarkers, and marker-positive cells per patient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from rechallenge.analysis import analysis
from rechallenge.clinical.cohorts.candidates import where_measured
from rechallenge.clinical.cohorts.expression import cohorts, percentiles
from rechallenge.clinical.cohorts.people import long
from rechallenge.faults import NotApplicable
from rechallenge.stats import fractions, moderated, roc
from rechallenge.stats.multiplicity import bh
from rechallenge.tables.contract import source_rows

LIMMA = "doi:10.2202/1544-6115.1027"
DELONG = "doi:10.2307/2531595"
TUMOUR_NORMAL = (
    "gene", "cohort", "design", "n", "n_tumour", "n_normal", "log2fc", "se", "ci_low", "ci_high", "statistic",
    "p_value", "q_value", "percentile", "why", "status", "reason",
)  # fmt: skip
BIOMARKERS = (
    "marker", "cohort", "cases", "controls", "n_cases", "n_controls", "unit", "auc", "ci_low", "ci_high", "p_value",
    "permutation_p_value", "q_value", "threshold", "sensitivity", "specificity", "sensitivity_low", "sensitivity_high",
    "specificity_low", "specificity_high", "reference", "difference", "difference_se", "difference_p_value",
    "n_compared", "status", "reason", "source_table", "source_rows",
)  # fmt: skip
CELLS = (
    "marker", "group_a", "group_b", "n_a", "n_b", "median_a", "median_b", "difference", "ci_low", "ci_high",
    "statistic", "p_value", "q_value", "power_fourfold", "cells", "status", "reason",
)  # fmt: skip


@analysis(
    title="Tumour against normal tissue",
    reference=LIMMA,
    methods=f"Tumour and normal tissue were compared by moderated t statistics over all genes ({LIMMA}), within "
    f"patients "
    "where three or more gave both tissues.",
    formula="moderated t of tumour - normal, within patients where three or more gave both",
    oracle=(
        "No outside reference for whole tables: limma's formula (tests/stats/test_moderated.py, "
        "tests/clinical/test_response.py)"
    ),
    limits="Tissue beside a tumour is not healthy tissue; most genes differ.",
)
def tumour_normal(
    patients: pd.DataFrame,
    clinical_candidates: pd.DataFrame,
    patient_expression: pd.DataFrame,
    patient_expression_samples: pd.DataFrame,
    *,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """One row per candidate and cohort with normal tissue: `TUMOUR_NORMAL`. `percentile` is by the size of the
    statistic among genes of similar expression. Raises NotApplicable where no cohort has three normal samples."""
    table = long(patients)
    parts = []
    for cohort, e in sorted(cohorts(patient_expression, patient_expression_samples, table).items()):
        if len(e.normal_patients) < 3 or len(e.patients) < 3:
            continue
        place = {p: i for i, p in enumerate(e.patients)}
        pairs = [(place[p], j) for j, p in enumerate(e.normal_patients) if p in place]
        if len(pairs) >= 3:
            y = e.values[:, [i for i, _ in pairs]] - e.normal[:, [j for _, j in pairs]]
            design, said = np.ones((len(pairs), 1)), f"{len(pairs)} pairs of one patient"
            n = (len(pairs), len(pairs), len(pairs))
        else:
            y = np.concatenate([e.values, e.normal], axis=1)
            tumour = np.r_[np.ones(e.values.shape[1]), np.zeros(e.normal.shape[1])]
            design, said = np.column_stack([tumour, np.ones(len(tumour))]), "different patients"
            n = (len(tumour), e.values.shape[1], e.normal.shape[1])
        found = _contrast(e, y, design, confidence)
        keep = dict(where_measured(clinical_candidates, e.genes))
        found = found[found["gene"].isin(keep)]
        parts.append(found.assign(cohort=cohort, design=said, n=n[0], n_tumour=n[1], n_normal=n[2]))
    if not parts:
        raise NotApplicable("no cohort has three or more samples of normal tissue")
    out = pd.concat(parts, ignore_index=True).merge(clinical_candidates[["gene", "why"]], on="gene", how="left")
    return out.loc[:, list(TUMOUR_NORMAL)]


def _contrast(e: Any, y: np.ndarray[Any, Any], design: np.ndarray[Any, Any], confidence: float) -> pd.DataFrame:
    """Moderated t of the first coefficient for every gene without missing values."""
    whole = np.isfinite(y).all(axis=1)
    wanted = np.zeros((design.shape[1], 1))
    wanted[0] = 1
    fitted = moderated.fit(y[whole], design)
    t = moderated.moderate(fitted, wanted, confidence=confidence)
    column = {k: np.asarray(getattr(t, k), dtype=float).reshape(len(y[whole]), -1)[:, 0] for k in
              ("effect", "se", "statistic", "p_value", "ci_low", "ci_high")}  # fmt: skip
    percentile, _ = percentiles(np.abs(column["statistic"]), e.level[whole])
    return pd.DataFrame(
        {"gene": e.genes[whole], "log2fc": column.pop("effect"), **column, "percentile": percentile,
         "status": "estimated", "reason": ""}
    ).assign(q_value=lambda t: bh(t["p_value"]))  # fmt: skip


@analysis(
    title="Serum biomarkers",
    reference=DELONG,
    methods=f"Areas under ROC curves carry DeLong's interval ({DELONG}) and a permutation test; markers were "
    f"compared on "
    "the subjects that have both (paired DeLong). The threshold is that of the largest Youden index and its "
    "sensitivity "
    "and specificity are optimistic, because it was chosen on the same subjects.",
    formula=("AUC with DeLong's interval; paired DeLong between markers; Youden = max(sensitivity + specificity - 1)"),
    oracle="pROC 1.18 on subarachnoid haemorrhage (tests/stats/test_roc.py)",
    limits=(
        "The threshold is chosen on the same subjects and is optimistic. Cases and controls of one clinic are "
        "no screening population."
    ),
)
def biomarkers(
    biomarkers: pd.DataFrame,
    *,
    cases: str = "",
    reference: str = "AFP",
    confidence: float = 0.95,
    draws: int = 9999,
    seed: int = 0,
) -> pd.DataFrame:
    """One row per marker, cohort and group of controls: `BIOMARKERS`.

    `cases` names the group of cases (default: a group called case, HCC, cancer, tumour, resistant or non-responder);
    every other group is a control of its own. The area is P(case higher); below 0.5 the marker is lower in cases. The
    comparison is with the marker `reference` where it was measured too. A subject's repeated values are averaged.
    """
    zcrit = float(special.ndtri(0.5 + confidence / 2))
    table = biomarkers.dropna(subset=["value"])
    rows = []
    for cohort, own in table.groupby("cohort", sort=True):
        wide = own.pivot_table(index=["subject", "group"], columns="marker", values="value").reset_index()
        case = _cases(sorted(set(wide["group"])), cases)
        for control in sorted(set(wide["group"]) - {case}):
            part = wide[wide["group"].isin([case, control])]
            for marker in sorted(set(own["marker"])):
                found = _marker(part, marker, case, control, reference, zcrit, confidence, draws, seed)
                used = own[(own["marker"] == marker) & own["group"].isin([case, control])]
                unit = next((u for u in used.get("unit", []) if u), "")
                origin = source_rows(used["_file"], used["_row"]) if "_row" in used else ""
                rows.append({"cohort": str(cohort), **found, "unit": unit, "source_rows": origin})
    if not rows:
        raise NotApplicable("the table of biomarkers has no two groups to compare")
    out = pd.DataFrame(rows).assign(source_table="biomarkers").reindex(columns=list(BIOMARKERS))
    out["q_value"] = bh(out["p_value"])
    return out


def _cases(there: list[str], named: str) -> str:
    if named:
        found = next((g for g in there if g.casefold() == named.casefold()), None)
        if found is None:
            raise NotApplicable(f"no group is called {named!r}; the groups are {', '.join(there)}")
        return found
    for words in (("case",), ("hcc", "cancer", "carcinoma", "tumour", "tumor"), ("non-respon", "resist"), ("poor",)):
        for g in there:
            if any(w in g.casefold() for w in words):
                return g
    raise NotApplicable(f"which group are the cases? Set the option cases to one of {', '.join(there)}")


def _marker(
    part: pd.DataFrame, marker: str, case: str, control: str, reference: str, zcrit: float, confidence: float,
    draws: int, seed: int,
) -> dict[str, Any]:  # fmt: skip
    there = part[part[marker].notna()]
    is_case, x = (there["group"] == case).to_numpy(), there[marker].to_numpy(float)
    n1, n0 = int(is_case.sum()), int((~is_case).sum())
    row: dict[str, Any] = {"marker": marker, "cases": case, "controls": control, "n_cases": n1, "n_controls": n0}
    if n1 < 5 or n0 < 5:
        return {**row, "status": "not_testable", "reason": "fewer than five cases or controls"}
    a = roc.areas(x[None], is_case, confidence=confidence)
    sign = 1.0 if a.auc[0] >= 0.5 else -1.0
    best = roc.youden(sign * x, is_case)
    limits = [fractions.wilson(s * n, n, zcrit) for s, n in ((best.sensitivity, n1), (best.specificity, n0))]
    flat = not np.isfinite(a.z[0])
    row |= {
        "auc": a.auc[0], "ci_low": a.ci_low[0], "ci_high": a.ci_high[0], "p_value": a.p[0],
        "permutation_p_value": roc.permuted(x[None], is_case, draws=draws, seed=seed)[0],
        "threshold": sign * best.threshold, "sensitivity": best.sensitivity, "specificity": best.specificity,
        "sensitivity_low": limits[0][0], "sensitivity_high": limits[0][1], "specificity_low": limits[1][0],
        "specificity_high": limits[1][1], "status": "not_testable" if flat else "estimated",
        "reason": "all cases lie on one side of all controls: no interval by DeLong" if flat else "",
    }  # fmt: skip
    other = next((m for m in part.columns if str(m).casefold() == reference.casefold() and m != marker), None)
    if other is not None:
        both = part[part[marker].notna() & part[other].notna()]
        label = (both["group"] == case).to_numpy()
        if min(label.sum(), (~label).sum()) >= 5:
            row |= dict(zip(("difference", "difference_se", "difference_p_value"),
                            roc.compare(both[marker], both[other], label), strict=True))  # fmt: skip
            row |= {"reference": other, "n_compared": len(both)}
    return row


@analysis(
    title="Marker-positive cells per patient",
    reference="doi:10.1214/aoms/1177730491",
    methods="Fractions of positive cells were compared between groups of patients by the rank-sum test "
    "(doi:10.1214/aoms/1177730491; exact where there are no ties), the patient being the unit: cells of one patient "
    "are "
    "no replicates.",
    formula="rank-sum test of log fractions over patients; Hodges-Lehmann ratio",
    oracle=(
        "No outside reference: exact critical values and simulated power (tests/stats/test_fractions.py, "
        "tests/clinical/test_response.py)"
    ),
    limits="The patient is n: with 8 patients a fourfold difference is usually missed.",
)
def cell_association(patient_cells: pd.DataFrame, *, confidence: float = 0.95, fold: float = 4.0) -> pd.DataFrame:
    """One row per marker and pair of groups: `CELLS`. Fractions are on the log scale with half a cell added.

    `group_a` is the one with the higher median. `difference` is the median of all differences of log fractions between
    the groups (Hodges-Lehmann, as a ratio a : b) with its interval; `power_fourfold` is the power that so many patients
    have for a `fold` difference with the spread seen. Fewer than three patients in a group: "not_testable".
    """
    table = patient_cells.copy()
    table["log"] = fractions.logs(table["positive"], table["cells"])
    rows = []
    for marker, own in table.groupby("marker", sort=True):
        own = (
            own.groupby(["patient", "group"], sort=True).agg(log=("log", "mean"), cells=("cells", "sum")).reset_index()
        )
        # the group with more of them first, so that a ratio above 1 is always "more in the first"
        middle = own.groupby("group", sort=True)["log"].median().sort_values(ascending=False, kind="mergesort")
        for i, a in enumerate(middle.index):
            rows += [{"marker": marker, **_compared(own, a, b, confidence, fold)} for b in middle.index[i + 1 :]]
    if not rows:
        raise NotApplicable("marker-positive cells need patients of two groups")
    out = pd.DataFrame(rows).reindex(columns=list(CELLS))
    out["q_value"] = bh(out["p_value"])
    return out


def _compared(own: pd.DataFrame, a: str, b: str, confidence: float, fold: float) -> dict[str, Any]:
    x, y = (own.loc[own["group"] == g, "log"].to_numpy(float) for g in (a, b))
    found = fractions.compare(x, y, confidence=confidence, fold=fold)
    row = {"group_a": a, "group_b": b, "cells": int(own.loc[own["group"].isin([a, b]), "cells"].sum())}
    return {**row, **found._asdict()}
