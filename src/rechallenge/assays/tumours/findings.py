"""What the experiments in animals say of drugs, pairs and genes, as rows of Evidence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import claims
from rechallenge.assays.tumours.arms import entity_of, parse_arms
from rechallenge.assays.tumours.contrasts import ACROSS, BETWEEN, BLISS, CONTROL, HSA
from rechallenge.assays.tumours.data import each, where
from rechallenge.evidence import claim_table
from rechallenge.report.words import counted, equals, interval, number

ALPHA = 0.05
#: readouts that speak of the tumour itself
_TUMOUR = ("tumour", "tumor", "nodul", "metasta", "foci")


def _roles(models: pd.DataFrame | None) -> dict[str, str]:
    return {} if models is None else dict(zip(models["model"], models["role"], strict=True))


def _sign(value: float, q: float) -> int:
    return int(np.sign(value)) if q < ALPHA else 0


@claims(title="What slows the growth of tumours")
def tumour_growth_claims(tumour_growth: pd.DataFrame, models: pd.DataFrame | None = None) -> pd.DataFrame:
    """One claim per contrast of growth rates with an entity (a drug, a pair, a gene).

    `direction` is -1 where a drug or pair slows resistant tumours, where a combination is synergistic (Bliss) or better
    than its parts (HSA) on them, or a drug acts more on the resistant than on the parental tumours; +1 for the
    contrary. A gene promotes resistance (+1) where lowering it makes the drug act more (or raising it, less). On
    tumours that are not declared resistant single drugs and pairs have 0.
    """
    roles = _roles(models)
    kinds = tumour_growth["kind"].isin([CONTROL, BLISS, HSA, BETWEEN, ACROSS])
    rows = []
    for row in each(tumour_growth[kinds & (tumour_growth["entity"] != "")]):
        mixed = row.entity_type == "gene" and " + " in row.parts
        if mixed and row.kind != BLISS and not (row.kind == ACROSS and row.remark.startswith(BLISS)):
            continue
        sign = _sign(row.estimate, row.q_value)
        if row.entity_type == "gene":
            counts = mixed or roles.get(row.model) == "resistant"
            direction = sign * row.action if counts else 0
        else:
            direction = sign if row.kind == BETWEEN or roles.get(row.model) == "resistant" else 0
        why = "; ".join(filter(None, (row.reason, row.remark)))
        rows.append(
            {
                **_common(row, "tumour_growth"),
                "direction": direction,
                "effect": row.estimate,
                "effect_unit": row.effect_unit,
                **{c: getattr(row, c) for c in ("se", "ci_low", "ci_high", "statistic")},
                "claim": f"{row.parts}: {_verdict(row, sign)}{_place(row)}; {_numbers(row)}"
                + (f" [{why}]" if why else "")
                + ".",
            }
        )
    return claim_table(rows)


def _common(row: Any, analysis: str) -> dict[str, Any]:
    names = ("entity", "entity_type", "model", "p_value", "q_value", "n", "status", "source_table", "source_rows")
    return {**{c: getattr(row, c) for c in names}, "contrast": getattr(row, "contrast", row.arm),
            "stream": "tumours", "level": "in_vivo", "analysis": analysis}  # fmt: skip


def _verdict(row: Any, sign: int) -> str:
    if not np.isfinite(row.p_value):
        return {BLISS: "interaction not tested", BETWEEN: "difference not tested"}.get(row.kind, "not tested")
    words = {
        CONTROL: ("slows growth", "no change of growth shown", "speeds up growth"),
        ACROSS: ("lower growth rate", "no change of the growth rate shown", "higher growth rate"),
        BLISS: ("synergy (Bliss, growth rate)", "no departure from Bliss independence shown", "antagonism (Bliss)"),
        HSA: ("slows growth more than each part", "not shown to be better than each part", "worse than a part"),
        BETWEEN: ("acts more", "no difference of its effect shown", "acts less"),
    }[row.kind]  # fmt: skip
    if row.kind == HSA and sign > 0:
        sign = 0
    return words[sign + 1]


def _place(row: Any) -> str:
    return f" on {row.model} tumours than on {row.reference}" if row.kind == BETWEEN else where(row.model)


def _numbers(row: Any) -> str:
    if not np.isfinite(row.estimate):
        return "growth rates not determined"
    what = "interaction" if row.kind == BLISS else "growth rate changed by"
    unit = counted(int(row.n), "model" if row.kind == ACROSS else "animal")
    text = f"{what} {number(row.estimate)} per day"
    if row.status != "estimated":
        return f"{text} (not tested; n = {unit})"
    limits = f"{100 * row.confidence:g} % interval {interval(row.ci_low, row.ci_high)}"
    one = "one-sided " if row.kind == HSA else ""
    test = f"t = {row.statistic:.2f}, df = {row.df:.1f}, {one}{equals('p', row.p_value)}, {equals('q', row.q_value)}"
    text += f" ({limits}; {test}; n = {unit}; {row.method})"
    if row.kind == CONTROL and np.isfinite(row.tgi_percent):
        given = interval(row.tgi_ci_low, row.tgi_ci_high)
        text += f"; TGI {number(row.tgi_percent)} %" + (f" ({given})" if given else "") + f" on day {row.tgi_day:g}"
    if np.isfinite(row.common_estimate):
        text += f"; with all animals there (to day {row.common_day:g} from the start) {number(row.common_estimate)}"
        text += f" ({equals('p', row.common_p_value)})" if np.isfinite(row.common_p_value) else ""
    if np.isfinite(row.two_stage_p_value):
        text += f"; per-animal slopes {number(row.two_stage_estimate)} ({equals('p', row.two_stage_p_value)})"
    return text


@claims(title="What delays the end point")
def tumour_endpoint_claims(tumour_endpoint: pd.DataFrame, models: pd.DataFrame | None = None) -> pd.DataFrame:
    """One claim per arm with a log-rank test against control; -1 where it delays the end point on resistant tumours."""
    roles = _roles(models)
    rows = []
    for row in _entities(tumour_endpoint[tumour_endpoint["p_value"].notna()]):
        sign = _sign(np.log(row.hazard_ratio), row.q_value)
        done = ("delays", "no delay shown of", "hastens")[sign + 1]
        median = f"{number(row.median_days)} days" if np.isfinite(row.median_days) else "not reached"
        other = f"{number(row.control_median_days)}" if np.isfinite(row.control_median_days) else "not reached"
        limits = f"{100 * row.confidence:g} % interval {interval(row.hr_ci_low, row.hr_ci_high)}"
        rows.append(
            {
                **_common(row, "tumour_endpoint"),
                "contrast": f"{row.arm} vs {row.control}",
                "direction": sign if roles.get(row.model) == "resistant" else 0,
                "effect": row.hazard_ratio,
                "effect_unit": "hazard ratio of the end point",
                "ci_low": row.hr_ci_low,
                "ci_high": row.hr_ci_high,
                "statistic": row.statistic,
                "status": "estimated",
                "claim": f"{row.arm}: {done} the end point ({row.end_point}){where(row.model)}; median {median} "
                f"against {other} of {row.control}, hazard ratio {number(row.hazard_ratio)} ({limits}; log-rank "
                f"{equals('p', row.p_value)}, {equals('q', row.q_value)}; {row.events} of {row.n} animals reached it).",
            }
        )
    return claim_table(rows)


@claims(title="What the animals tolerate")
def tolerability_claims(tolerability: pd.DataFrame) -> pd.DataFrame:
    """One claim per treated arm: how much weight its animals lost; it says nothing of resistance (direction 0)."""
    rows = []
    for row in _entities(tolerability[tolerability["control"] != ""]):
        tested = np.isfinite(row.p_value)
        lost = f"{row.n_loss} of {row.n} animals lost {row.loss_percent:g} % or more"
        compared = ""
        if tested:
            limits = interval(row.difference_ci_low, row.difference_ci_high)
            compared = (
                f"; against {row.control} {number(row.difference)} percentage points ({100 * row.confidence:g} % "
                f"interval {limits}; {equals('p', row.p_value)}, {equals('q', row.q_value)})"
            )
        rows.append(
            {
                **_common(row, "tolerability"),
                "contrast": f"{row.arm} vs {row.control}",
                "effect": row.difference if tested else row.nadir_percent,
                "effect_unit": "percentage points of body weight at the nadir",
                "se": row.se if tested else np.nan,
                "ci_low": row.difference_ci_low if tested else np.nan,
                "ci_high": row.difference_ci_high if tested else np.nan,
                "statistic": row.statistic,
                "n": row.n_test if tested else row.n,
                "status": "estimated" if tested else "not_testable",
                "claim": f"{row.arm}: body weight at its lowest {number(row.nadir_percent)} % of the start on average, "
                f"{lost}{where(row.model)}{compared}.",
            }
        )
    return claim_table(rows)


@claims(title="What lowers tumour burden at the end")
def organ_claims(organ_effects: pd.DataFrame, models: pd.DataFrame | None = None) -> pd.DataFrame:
    """One claim per arm and read-out of the tumour itself (tumour weight, nodules, metastases); -1 where there is less
    of it in animals with resistant tumours."""
    roles = _roles(models)
    about = organ_effects["readout"].str.casefold().map(lambda r: any(w in r for w in _TUMOUR))
    rows = []
    for row in _entities(organ_effects[about]):
        change = row.effect if np.isfinite(row.effect) else row.mean - row.mean_control
        sign = _sign(change, row.q_value)
        said = ("fewer" if row.kind == "count" else "less", "no change shown of", "more")[sign + 1]
        test = f"{row.test}, {equals('p', row.p_value)}, {equals('q', row.q_value)}; " if row.test else ""
        limits = interval(row.ci_low, row.ci_high)
        ratio = f"{row.effect_unit} {number(row.effect)}" + (f" ({limits})" if limits else "")
        rows.append(
            {
                **_common(row, "organ_effects"),
                "contrast": f"{row.readout}: {row.arm} vs {row.control}",
                "direction": sign if roles.get(row.model) == "resistant" and row.entity_type != "gene" else 0,
                **{c: getattr(row, c) for c in ("effect", "effect_unit", "se", "ci_low", "ci_high", "statistic")},
                "claim": f"{row.arm}: {said} {row.readout}{where(row.model)}; mean {number(row.mean)} against "
                f"{number(row.mean_control)} {row.unit}".rstrip()
                + (f", {ratio}" if np.isfinite(row.effect) else "")
                + f" ({test}n = {row.n_arm} and {row.n_control} animals)"
                + (f" [{row.reason}]" if row.reason else "")
                + ".",
            }
        )
    return claim_table(rows)


def _entities(table: pd.DataFrame) -> Any:
    """Rows with the entity of their arm; arms that are none (or a gene with a drug) are passed over."""
    out = table.copy()
    known = {a.label: a for _, part in out.groupby("model") for a in parse_arms(list(part["arm"])).values()}
    found = [entity_of(known[a].parts) for a in out["arm"]]
    mixed = [bool(known[a].genes) and len(known[a].parts) > 1 for a in out["arm"]]
    out["entity"], out["entity_type"] = [f[0] for f in found], [f[1] for f in found]
    yield from each(out[(out["entity"] != "") & ~np.array(mixed, dtype=bool)])
