"""What the patients say of a gene, as evidence: direction and verdict, never more than the verdict allows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import claims
from rechallenge.clinical.cohorts.people import ALL, each, order_of
from rechallenge.clinical.cohorts.verdicts import NOT, UNTESTED
from rechallenge.evidence import claim_table
from rechallenge.report.words import equals, interval, number
from rechallenge.tables.contract import source_rows

WORSE, BETTER = "shorter survival", "longer survival"


def _origin(patients: pd.DataFrame | None, cohorts: list[str]) -> str:
    if patients is None or "_row" not in patients:
        return ""
    used = patients[patients["cohort"].astype(str).isin(cohorts)]
    return source_rows(used["_file"], used["_row"])


@claims(title="Clinical relevance: survival")
def survival_claims(
    survival: pd.DataFrame, survival_meta: pd.DataFrame | None = None, patients: pd.DataFrame | None = None
) -> pd.DataFrame:
    """One claim per gene: its pooled hazard ratio at the first endpoint over all patients, with verdict and
    reasons; one more for each further endpoint, without a p-value of its own.

    `direction` is +1 for high expression with shorter survival, -1 for longer, 0 where the verdict is "not supported"
    or "not testable".
    """
    genes = survival[survival["kind"] == "gene"]
    if genes.empty:
        return claim_table([])
    endpoint = min(genes["endpoint"].unique(), key=order_of)
    rows = []
    for other in sorted(genes["endpoint"].unique(), key=order_of):
        here = genes[(genes["endpoint"] == other) & (genes["subset"] == ALL)]
        pooled: dict[str, Any] = {}
        if survival_meta is not None:
            mine = survival_meta[(survival_meta["endpoint"] == other) & (survival_meta["subset"] == ALL)]
            pooled = {r.gene: r for r in each(mine)}
        for gene, own in here.groupby("gene", sort=False):
            row = _survival(str(gene), own, pooled.get(str(gene)), str(other), patients)
            # the same patients at the first endpoint count already: a further p-value stands in the sentence alone
            rows.append(row if other == endpoint else row | {"p_value": np.nan, "statistic": np.nan})
    return claim_table(rows)


def _survival(
    gene: str, own: pd.DataFrame, pooled: Any, endpoint: str, patients: pd.DataFrame | None
) -> dict[str, Any]:
    first = own.iloc[0]
    verdict, reason = str(first["verdict"]), str(first["verdict_reason"])
    where = ", ".join(own["cohort"])
    chosen = f" (looked at because: {first['why']})"
    row: dict[str, Any] = {
        "entity": gene, "entity_type": "gene", "stream": "survival", "level": "clinical", "model": where,
        "contrast": f"{endpoint}, high vs low expression", "analysis": "survival", "source_table": "patients",
        "source_rows": _origin(patients, own["cohort"].astype(str).tolist()),
        "effect_unit": "log hazard ratio per SD of expression",
    }  # fmt: skip
    if pooled is None:
        events = int(own["events"].max())
        return row | {
            "direction": 0, "status": "not_testable", "n": int(own["n"].sum()),
            "claim": f"{gene}: {verdict} in patients, {endpoint} in {where}: {reason}; hazard ratio per SD "
            f"{number(first['hr_per_sd'])} in the largest cohort is a description of {events} events{chosen}.",
        }  # fmt: skip
    sign = 1 if pooled.hr_per_sd > 1 else -1
    said = WORSE if sign > 0 else BETTER
    limits = interval(pooled.ci_low, pooled.ci_high)
    het = "" if pooled.i2 != pooled.i2 else f"; I2 {100 * pooled.i2:.0f} %"
    if pooled.pi_low == pooled.pi_low:
        het += f", prediction interval {interval(pooled.pi_low, pooled.pi_high)}"
    # over two cohorts that interval is wide whatever they say; the verdict rests on each of them
    exact = {1: "likelihood ratio in", 2: "Hartung-Knapp with one degree of freedom over"}
    test = exact.get(int(pooled.k), "Hartung-Knapp over")
    lead = f"high expression goes with {said}" if verdict not in (NOT, UNTESTED) else "no lasting link to survival"
    with np.errstate(divide="ignore"):
        low, high = np.log([pooled.ci_low, pooled.ci_high])
    return row | {
        "direction": 0 if verdict in (NOT, UNTESTED) else sign, "effect": float(np.log(pooled.hr_per_sd)),
        "se": pooled.se, "ci_low": low, "ci_high": high, "statistic": pooled.statistic, "p_value": pooled.p_value,
        "q_value": pooled.q_value, "n": int(pooled.n), "status": "estimated",
        "claim": f"{gene}: {verdict} in patients; {lead} ({endpoint}, HR per SD {number(pooled.hr_per_sd)}, 95 % "
        f"interval {limits}; {equals('p', pooled.p_value)}, {equals('q', pooled.q_value)}, {test} {pooled.cohorts}; "
        f"{int(pooled.n)} patients, {int(pooled.events)} events{het}): {reason}{chosen}.",
    }  # fmt: skip


@claims(title="Clinical relevance: response")
def response_claims(response: pd.DataFrame, patients: pd.DataFrame | None = None) -> pd.DataFrame:
    """One claim per gene, cohort and treated arm. High in non-responders is +1 (goes with resistance)."""
    rows = []
    for r in each(response):
        tested = r.status == "estimated"
        settled = r.verdict not in (NOT, UNTESTED)
        side = "responders" if r.auc > 0.5 else "non-responders"
        numbers = f"AUC {number(r.auc)}, 95 % interval {interval(r.ci_low, r.ci_high)}"
        test = (
            f"; {equals('p', r.p_value)}, {equals('q', r.q_value)}, by permutation {number(r.permutation_p_value, 2)}"
        )
        lead = f"higher in {side}" if settled else "does not tell responders apart" if tested else "not tested"
        rows.append(
            {
                "entity": r.gene, "entity_type": "gene", "stream": "response", "level": "clinical", "model": r.cohort,
                "contrast": f"responders vs others under {r.arm}", "analysis": "response", "source_table": "patients",
                "direction": 0 if not settled else -1 if r.auc > 0.5 else 1,
                "effect_unit": "AUC - 0.5 (higher in responders)", "status": "estimated" if tested else "not_testable",
                "effect": r.auc - 0.5, "ci_low": r.ci_low - 0.5, "ci_high": r.ci_high - 0.5, "p_value": r.p_value,
                "q_value": r.q_value, "n": r.n, "source_rows": _origin(patients, [str(r.cohort)]),
                "claim": f"{r.gene}: {r.verdict} for response to {r.arm} in {r.cohort}; {lead} ({numbers}"
                f"{test if tested else ''}; {int(r.responders)} responders of {int(r.n)}): {r.verdict_reason} "
                f"(looked at "
                f"because: {r.why}).",
            }
        )  # fmt: skip
    return claim_table(rows)


@claims(title="Subgroups by interaction")
def subgroup_claims(subgroups: pd.DataFrame, patients: pd.DataFrame | None = None) -> pd.DataFrame:
    """One claim per gene, cohort, endpoint, factor and level: the hazard ratio there, with the interaction's verdict.

    A hazard ratio in one level is no finding of its own, so the direction is 0 and the only p-value, that of the
    interaction over all levels, is in the sentence.
    """
    rows = []
    for r in each(subgroups):
        good = r.status != "not_estimable"
        with np.errstate(divide="ignore"):
            effect, low, high = np.log([r.hr_per_sd, r.ci_low, r.ci_high]) if good else (np.nan,) * 3
        test = (
            f"interaction {equals('p', r.interaction_p_value)}, {equals('q', r.q_value)}"
            if r.interaction_p_value == r.interaction_p_value
            else f"no interaction test: {r.reason}"
        )
        size = f"HR per SD {number(r.hr_per_sd)}, 95 % interval {interval(r.ci_low, r.ci_high)}" if good else r.reason
        rows.append(
            {
                "entity": r.gene, "entity_type": "gene", "stream": "subgroups", "level": "clinical", "model": r.cohort,
                "contrast": f"{r.endpoint}, high vs low expression, {r.factor} = {r.level}", "direction": 0,
                "effect": effect, "effect_unit": "log hazard ratio per SD of expression", "ci_low": low,
                "ci_high": high, "n": r.n, "status": r.status, "analysis": "subgroups", "source_table": "patients",
                "source_rows": _origin(patients, [str(r.cohort)]),
                "claim": f"{r.gene} where {r.factor} is {r.level} ({r.cohort}, {r.endpoint}): {size}; {int(r.n)} "
                f"patients, {int(r.events)} events; over the levels of {r.factor}: {r.verdict} ({test}).",
            }
        )  # fmt: skip
    return claim_table(rows)


@claims(title="Survival under treatment without immortal time")
def treatment_survival_claims(treatment_survival: pd.DataFrame, patients: pd.DataFrame | None = None) -> pd.DataFrame:
    """One claim per cohort, endpoint and treatment. Who was treated was not assigned, so the direction is 0."""
    rows = []
    for r in each(treatment_survival):
        good = r.status != "not_estimable"
        with np.errstate(divide="ignore"):
            effect, low, high = np.log([r.hr, r.ci_low, r.ci_high]) if good else (np.nan,) * 3
        size = f"HR {number(r.hr)}, 95 % interval {interval(r.ci_low, r.ci_high)}" if good else "no hazard ratio"
        test = equals("p", r.p_value) if r.p_value == r.p_value else f"not tested: {r.reason}"
        rows.append(
            {
                "entity": r.treatment, "entity_type": "drug", "stream": "treatment_survival", "level": "clinical",
                "model": r.cohort, "contrast": f"{r.endpoint}, treated vs not (yet) treated", "direction": 0,
                "effect": effect, "effect_unit": "log hazard ratio", "se": r.se if good else np.nan, "ci_low": low,
                "ci_high": high, "p_value": r.p_value, "n": r.n, "status": r.status, "analysis": "treatment_survival",
                "source_table": "patients", "source_rows": _origin(patients, [str(r.cohort)]),
                "claim": f"{r.treatment} in {r.cohort} ({r.endpoint}), counted from its start: {size} ({test}; "
                f"{int(r.treated)} of {int(r.n)} patients treated, {int(r.events)} events). Counting the time before "
                f"treatment as treated would give {number(r.naive_hr)}. Treatment was not assigned: this is no effect "
                f"of the drug.",
            }
        )  # fmt: skip
    return claim_table(rows)


@claims(title="Tumour against normal tissue")
def tumour_normal_claims(tumour_normal: pd.DataFrame, patients: pd.DataFrame | None = None) -> pd.DataFrame:
    """One claim per gene and cohort; being higher in tumour says nothing of resistance, so the direction is 0."""
    rows = []
    for r in each(tumour_normal):
        side = "higher in tumour" if r.log2fc > 0 else "lower in tumour"
        lead = side if r.q_value < 0.05 else "no difference between tumour and normal tissue shown"
        rows.append(
            {
                "entity": r.gene, "entity_type": "gene", "stream": "tumour_normal", "level": "clinical",
                "model": r.cohort, "contrast": "tumour vs normal tissue", "direction": 0, "effect": r.log2fc,
                "effect_unit": "log2 fold change", "se": r.se, "ci_low": r.ci_low, "ci_high": r.ci_high,
                "statistic": r.statistic, "p_value": r.p_value, "q_value": r.q_value, "n": r.n, "status": r.status,
                "analysis": "tumour_normal", "source_table": "patients",
                "source_rows": _origin(patients, [str(r.cohort)]),
                "claim": f"{r.gene}: {lead} in {r.cohort} (log2 fold change {number(r.log2fc)}, 95 % interval "
                f"{interval(r.ci_low, r.ci_high)}; moderated t = {r.statistic:.2f}, {equals('p', r.p_value)}, "
                f"{equals('q', r.q_value)}; {r.design}, {r.n_tumour} and {r.n_normal}); by itself no sign of "
                f"resistance.",
            }
        )  # fmt: skip
    return claim_table(rows)


@claims(title="Serum biomarkers")
def biomarker_claims(biomarkers: pd.DataFrame) -> pd.DataFrame:
    """One claim per marker that is a known gene or its protein, cohort and group of controls."""
    from rechallenge.clinical.cohorts.expression import symbols
    from rechallenge.knowledge import resolve

    names = sorted(set(biomarkers["marker"]))
    known = dict(zip(names, resolve.genes(names)["gene"], strict=True)) if names else {}
    better = dict(zip(names, symbols(names), strict=True))
    rows = []
    for r in each(biomarkers):
        if not known.get(r.marker) or r.auc != r.auc:
            continue
        beside = ""
        if r.difference == r.difference:
            beside = f"; against {r.reference} {number(r.difference)} ({equals('p', r.difference_p_value)}, both "
            f"measured " \
                f"in {int(r.n_compared)})"  # fmt: skip
        rows.append(
            {
                "entity": better[r.marker], "entity_type": "gene", "stream": "biomarkers", "level": "clinical",
                "model": r.cohort, "contrast": f"{r.cases} vs {r.controls}", "direction": 0, "effect": r.auc - 0.5,
                "effect_unit": "AUC - 0.5 (higher in cases)", "ci_low": r.ci_low - 0.5, "ci_high": r.ci_high - 0.5,
                "p_value": r.p_value, "q_value": r.q_value, "n": r.n_cases + r.n_controls, "status": r.status,
                "analysis": "biomarkers", "source_table": r.source_table, "source_rows": r.source_rows,
                "claim": f"{r.marker} in serum or tissue tells {r.cases} from {r.controls} with an AUC of "
                f"{number(r.auc)} "
                f"(95 % interval {interval(r.ci_low, r.ci_high)}; DeLong {equals('p', r.p_value)}; {int(r.n_cases)} "
                f"against {int(r.n_controls)}{beside}).",
            }
        )  # fmt: skip
    return claim_table(rows)


@claims(title="Marker-positive cells and outcome")
def cell_association_claims(cell_association: pd.DataFrame, patient_cells: pd.DataFrame | None = None) -> pd.DataFrame:
    """One claim per marker that is a known gene; the unit is the patient, and the power is said."""
    from rechallenge.knowledge import resolve

    names = sorted(set(cell_association["marker"]))
    known = dict(zip(names, resolve.genes(names)["gene"], strict=True)) if names else {}
    rows = []
    for r in each(cell_association):
        if not known.get(r.marker):
            continue
        tested = r.status == "estimated"
        used = None if patient_cells is None else patient_cells[patient_cells["marker"] == r.marker]
        power = f"; power for a fourfold difference {r.power_fourfold:.2f}" if tested else ""
        more = f"more {r.marker}-positive cells in {r.group_a if r.difference > 1 else r.group_b}"
        lead = more if tested and r.q_value < 0.05 else f"no difference in {r.marker}-positive cells shown"
        finite = tested and np.isfinite(np.log([r.ci_low or np.nan, r.ci_high])).all()
        rows.append(
            {
                "entity": known[r.marker], "entity_type": "gene", "stream": "cell_association", "level": "clinical",
                "model": "patients", "contrast": f"{r.group_a} vs {r.group_b}", "direction": 0,
                "effect": np.log(r.difference), "effect_unit": "log ratio of fractions of positive cells",
                "ci_low": np.log(r.ci_low) if finite else np.nan, "ci_high": np.log(r.ci_high) if finite else np.nan,
                "statistic": r.statistic if tested else np.nan, "p_value": r.p_value, "q_value": r.q_value,
                "n": r.n_a + r.n_b, "status": r.status, "analysis": "cell_association", "source_table": "patient_cells",
                "source_rows": source_rows(used["_file"], used["_row"]) if used is not None and "_row" in used else "",
                "claim": f"{r.marker}: {lead} ({r.group_a} against {r.group_b}, {number(r.difference)}-fold"
                + (f", 95 % interval {interval(r.ci_low, r.ci_high)}; rank-sum {equals('p', r.p_value)}, "
                   f"{equals('q', r.q_value)}" if tested else f", {r.reason}")
                + f"; {r.n_a} and {r.n_b} patients, the patient being the unit{power}).",
            }
        )  # fmt: skip
    return claim_table(rows)
