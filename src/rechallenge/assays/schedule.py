"""Pretreat, wash, re-challenge: does a pretreatment give cells their sensitivity back?

For every model, pretreatment and dose of the challenging drug, on log2 viability (biological replicate as the unit):

- `pretreatment`: pretreated against vehicle-pretreated cells, both without challenge (the pretreatment itself)
- `challenge`: with against without challenge, after the same pretreatment (survival under challenge)
- `interaction`: the challenge effect after the pretreatment minus that after vehicle. Below 0 the same challenge kills
  a larger fraction of the cells that the pretreatment left: sensitivity is restored. A fall in viability that the
  pretreatment causes by itself is in the first contrast and not in this one.

Where the viabilities without challenge are all exactly 1 they were divided by themselves, and what the pretreatment
alone does cannot be seen in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis, claims, figure
from rechallenge.evidence import claim_table
from rechallenge.faults import Fault, NotApplicable
from rechallenge.report.words import equals, interval, number
from rechallenge.stats.factorial import Contrast, log2_contrast
from rechallenge.stats.multiplicity import bh, holm
from rechallenge.tables.contract import Column, Contract, place, source_rows

#: labels of cells that were given the solvent or nothing
VEHICLE = frozenset({"", "vehicle", "dmso", "none", "control", "ctrl", "untreated", "mock", "solvent", "pbs", "medium"})
PRETREATMENT, CHALLENGE, INTERACTION = "pretreatment", "challenge", "interaction"
RESTORES, RESTORES_TOXIC = "restores sensitivity", "restores sensitivity and is itself toxic"
PROTECTS, TOXIC_LESS = "lowers sensitivity", "toxic by itself, survivors less sensitive"
TOXIC, UNCHANGED, UNTESTED = "toxic by itself, no restoration shown", "no change shown", "not tested"
_DOSE = re.compile(r"^(?P<drug>.*?)[\s,(@_-]*(?P<dose>\d+(?:\.\d+)?)\s*(?P<unit>[nuµμm]M)\)?$")
_TO_UM = {"nM": 1e-3, "uM": 1.0, "µM": 1.0, "μM": 1.0, "mM": 1e3}
COLUMNS = (
    "model", "contrast", "kind", "pretreatment", "pretreatment_drug", "pretreatment_um", "challenge_drug",
    "challenge_um", "hours_pre", "hours_challenge", "effect", "effect_unit", "se", "df", "ci_low", "ci_high",
    "statistic", "p_value", "p_holm", "q_value", "n", "fold", "fold_ci_low", "fold_ci_high", "alone", "alone_p_value",
    "confidence", "design", "family", "verdict", "status", "reason", "source_table", "source_rows",
)  # fmt: skip


def _each(frame: pd.DataFrame) -> Iterator[Any]:
    """The rows of a table as named tuples."""
    yield from frame.itertuples()


def is_vehicle(label: object) -> bool:
    """Whether a label says that nothing (or the solvent alone) was given."""
    return str(label).strip().casefold() in VEHICLE


def drug_and_dose(label: str) -> tuple[str, float]:
    """The drug and its dose in µM (NaN where none is said) in a label.

    >>> drug_and_dose("celastrol 0.2 µM"), drug_and_dose("celastrol (200 nM)")[0]
    (('celastrol', 0.2), 'celastrol')
    """
    text = str(label).strip()
    found = _DOSE.match(text)
    if not found or not found["drug"].strip():
        return text, float("nan")
    return found["drug"].strip(), float(found["dose"]) * _TO_UM[found["unit"]]


def complete_design(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Every model needs vehicle-pretreated cells, cells without challenge, and more than one replicate."""
    for model, rows in frame.groupby("model", sort=True):
        where = {**place(frame, rows.index[0]), "value": str(model), "severity": "warning"}
        if not rows["pretreatment"].map(is_vehicle).any():
            yield Fault(
                "no-vehicle",
                f"{model} has no cells pretreated with vehicle, so no pretreatment can be compared with it.",
                "Add the rows, with pretreatment vehicle.",
                column="pretreatment",
                **where,
            )
        if not (rows["challenge_um"] == 0).any():
            yield Fault(
                "no-unchallenged",
                f"{model} has no cells without challenge, so what the pretreatment itself does cannot be told apart.",
                "Add the rows, with challenge_um 0.",
                column="challenge_um",
                **where,
            )
        if rows["replicate"].nunique() < 2:
            yield Fault(
                "few-replicates",
                f"{model} has one biological replicate: effects are given and nothing is tested.",
                "Repeat the experiment; technical wells are no replicates.",
                column="replicate",
                **where,
            )


SCHEDULE = Contract(
    name="schedule",
    about="Pretreat, wash, re-challenge: one row per well, or per condition and replicate.",
    columns=(
        Column("model", "as named in study.toml", required=True, refers="model", also=("cell_line", "cells")),
        Column("pretreatment", "label with its dose, e.g. celastrol 0.2 µM; vehicle for the control", required=True,
               also=("pre-treatment", "pretreated with")),
        Column("challenge_drug", "drug given after the wash", required=True, refers="drug",
               also=("challenge", "rechallenge")),
        Column("challenge_um", "its concentration; 0 = no challenge", "number", required=True, unit="µM", low=0.0,
               also=("challenge dose", "rechallenge dose")),
        Column("replicate", "biological replicate: an experiment of its own", required=True, also=("experiment",)),
        Column("viability", "fraction of cells that got vehicle both times (1 = as vehicle), not per cent", "number",
               required=True, unit="fraction of vehicle", low=0.0, high=3.0, measured=True,
               also=("cell viability", "fraction of vehicle")),
        Column("hours_pre", "hours of pretreatment", "number", unit="h", low=0.0),
        Column("hours_challenge", "hours of challenge", "number", unit="h", low=0.0),
    ),
    rules=(complete_design,),
    example=(
        "model,pretreatment,challenge_drug,challenge_um,replicate,viability,hours_pre,hours_challenge\n"
        "Huh-7 LR,vehicle,sorafenib,0,1,1.00,24,72\n"
        "Huh-7 LR,vehicle,sorafenib,5,1,0.82,24,72\n"
        "Huh-7 LR,celastrol 0.2 µM,sorafenib,0,1,0.97,24,72\n"
        "Huh-7 LR,celastrol 0.2 µM,sorafenib,5,1,0.41,24,72\n"
    ),
)  # fmt: skip


def replicate_means(table: pd.DataFrame) -> pd.DataFrame:
    """Technical wells averaged: one row per model, pretreatment, challenge, hours and biological replicate.

    Vehicle pretreatments get one name. Rows without challenge belong to every challenging drug (`challenge_drug` is
    empty there).
    """
    out = table.copy()
    for name in ("hours_pre", "hours_challenge"):
        out[name] = pd.to_numeric(out[name]) if name in out.columns else np.nan
    out["replicate"] = out["replicate"].astype(str)
    out["pretreatment"] = out["pretreatment"].fillna("").astype(str).str.strip()
    out["pretreatment"] = out["pretreatment"].where(~out["pretreatment"].map(is_vehicle), "vehicle")
    bare = (out["challenge_um"] == 0) | out["challenge_drug"].fillna("").map(is_vehicle)
    out["challenge_drug"] = out["challenge_drug"].where(~bare, "")
    out["challenge_um"] = out["challenge_um"].where(~bare, 0.0)
    keys = ["model", "hours_pre", "hours_challenge", "pretreatment", "challenge_drug", "challenge_um", "replicate"]
    means = out.dropna(subset=["viability"]).groupby(keys, dropna=False, sort=True)["viability"].mean()
    return means.reset_index()


def _methods(schedule: pd.DataFrame, confidence: float, alpha: float, floor: float, **_: Any) -> str:
    designs = sorted({d.split(";")[0] for d in schedule["design"] if d})
    return (
        "Schedule experiments were analysed by linear contrasts on log2 viability, technical wells averaged and the "
        f"biological replicate as the unit ({', '.join(designs) or 'no design complete'}; independent arms after Welch "
        "(doi:10.1093/biomet/34.1-2.28) and Satterthwaite (doi:10.2307/3002019)): the pretreatment without challenge, "
        "the challenge after either pretreatment, and their interaction, which is 0 where pretreatment and challenge "
        "act independently (doi:10.1111/j.1744-7348.1939.tb06990.x). "
        f"Intervals are at {100 * confidence:g} %; p-values were adjusted by Holm within model, challenging drug and "
        f"kind of contrast (called at {alpha:g}), and by Benjamini and Hochberg over all contrasts of a kind "
        f"(doi:10.1111/j.2517-6161.1995.tb02031.x). Viabilities at or below {floor:g} gave bounds."
    )


@analysis(
    title="Re-challenge after pretreatment",
    reference=("doi:10.1093/biomet/34.1-2.28", "doi:10.1111/j.1744-7348.1939.tb06990.x"),
    methods=_methods,
)
def schedule(
    schedule: pd.DataFrame,
    *,
    confidence: float = 0.95,
    alpha: float = 0.05,
    floor: float = 0.01,
    toxic: float = 0.8,
) -> pd.DataFrame:
    """Contrasts of every pretreatment and challenge dose; one row each, columns `COLUMNS`.

    `effect` with `se` and limits is on the log2 scale; `fold` with its limits is the same as a factor (interaction:
    fold change of survival under challenge). `alone` is viability after the pretreatment alone as a fraction of
    vehicle, with its p-value. Holm's family is named in `family`; `q_value` (Benjamini and Hochberg) is over all
    contrasts of one kind, so that strong challenges do not lend their significance to interactions. `verdict` of an
    interaction at Holm-adjusted p < `alpha`; a pretreatment that alone leaves less than `toxic` of the viability
    (p < `alpha`, or untested) is called toxic. A viability (mean of a replicate's wells) at or below `floor` gives a
    bound, status "censored", without a test. Raises NotApplicable where there is no pretreatment beside vehicle.
    """
    means = replicate_means(schedule)
    rows: list[dict[str, Any]] = []
    hours = ["hours_pre", "hours_challenge"]
    for (model, pre, post), part in means.groupby(["model", *hours], dropna=False, sort=True):
        shared = {"model": model, "hours_pre": pre, "hours_challenge": post}
        rows += [{**shared, **row} for row in _of_one(part, confidence, floor)]
    if not any(r["kind"] == INTERACTION or r["kind"] == PRETREATMENT for r in rows):
        raise NotApplicable("no pretreatment beside vehicle is in the table of schedules")
    out = pd.DataFrame(rows)
    named = [drug_and_dose(label) for label in out["pretreatment"]]
    out["pretreatment_drug"], out["pretreatment_um"] = [d for d, _ in named], [x for _, x in named]
    out["confidence"] = confidence
    out["effect_unit"] = "log2 fold of viability"
    out["fold"], out["fold_ci_low"], out["fold_ci_high"] = (np.exp2(out[c]) for c in ("effect", "ci_low", "ci_high"))
    time = out[hours].apply(lambda r: "".join(f", {v:g} h" for v in r if v == v), axis=1)
    out["family"] = (
        out["kind"] + ", " + out["model"] + out["challenge_drug"].map(lambda d: f", {d}" if d else "") + time
    )
    out["p_holm"] = out.groupby("family")["p_value"].transform(lambda p: holm(p.to_numpy()))
    out["q_value"] = out.groupby("kind")["p_value"].transform(lambda p: bh(p.to_numpy()))
    out = _with_toxicity(out)
    out["verdict"] = [_verdict(row, alpha, toxic) for row in _each(out)]
    out["source_table"] = "schedule"
    out["source_rows"] = [_origin(schedule, row) for row in _each(out)]
    return out.loc[:, list(COLUMNS)]


def _of_one(part: pd.DataFrame, confidence: float, floor: float) -> Iterator[dict[str, Any]]:
    """All contrasts within one model and schedule of hours."""
    arms: dict[Any, dict[str, float]] = {
        (p, d, x): dict(zip(rows["replicate"], rows["viability"], strict=True))
        for (p, d, x), rows in part.groupby(["pretreatment", "challenge_drug", "challenge_um"], sort=True)
    }
    divided = [v for (_, drug, _), arm in arms.items() if not drug for v in arm.values()]
    itself = len(divided) > 2 and all(v == 1.0 for v in divided) and len({p for p, d, _ in arms if not d}) > 1

    def tested(weights: dict[tuple[str, str, float], float]) -> Contrast:
        names = [f"{p}, {d} {x:g} µM" if d else f"{p}, no challenge" for p, d, x in weights]
        return log2_contrast(
            [arms.get(k, {}) for k in weights], list(weights.values()), floor=floor, confidence=confidence, names=names
        )

    labels = sorted({p for p, _, _ in arms} - {"vehicle"})
    for label in labels:
        found = tested({(label, "", 0.0): 1.0, ("vehicle", "", 0.0): -1.0})
        row = _row(found, PRETREATMENT, f"{label} vs vehicle, no challenge", label, "", 0.0)
        if itself:
            row["reason"] = "every viability without challenge is exactly 1: divided by itself, it shows no toxicity"
        yield row
    for drug, dose in sorted({(d, x) for _, d, x in arms if d}):
        said = f"{drug} {dose:g} µM"
        for label in ("vehicle", *labels):
            if (label, drug, dose) not in arms:
                continue
            found = tested({(label, drug, dose): 1.0, (label, "", 0.0): -1.0})
            yield _row(found, CHALLENGE, f"{said} vs none, after {label}", label, drug, dose)
            if label == "vehicle":
                continue
            four = {
                (label, drug, dose): 1.0,
                (label, "", 0.0): -1.0,
                ("vehicle", drug, dose): -1.0,
                ("vehicle", "", 0.0): 1.0,
            }
            yield _row(tested(four), INTERACTION, f"{label} vs vehicle before {said}", label, drug, dose)


def _row(found: Contrast, kind: str, contrast: str, label: str, drug: str, dose: float) -> dict[str, Any]:
    numbers = {k: getattr(found, k) for k in ("effect", "se", "df", "ci_low", "ci_high", "statistic", "p_value")}
    return {
        "contrast": contrast, "kind": kind, "pretreatment": label, "challenge_drug": drug, "challenge_um": dose,
        **numbers, "n": found.n, "design": found.design, "status": found.status, "reason": found.reason,
    }  # fmt: skip


def _with_toxicity(out: pd.DataFrame) -> pd.DataFrame:
    """What the pretreatment alone does, beside every contrast of it; a bound from above counts as its value."""
    keys = ["model", "hours_pre", "hours_challenge", "pretreatment"]
    alone = out[out["kind"] == PRETREATMENT]
    value = alone["fold"].where(alone["status"] != "censored", alone["fold_ci_high"])
    given = alone[keys].assign(alone=value, alone_p_value=alone["p_value"], _censored=alone["status"] == "censored")
    given.loc[alone["reason"].str.startswith("every viability"), "alone"] = np.nan
    return out.merge(given, on=keys, how="left")


def _verdict(row: Any, alpha: float, toxic: float) -> str:
    if row.kind != INTERACTION:
        return ""
    if row.status == "censored":
        sign = -1 if row.ci_high < 0 else 1 if row.ci_low > 0 else 0
    elif row.status == "estimated":
        sign = int(np.sign(row.effect)) if row.p_holm < alpha else 0
    else:
        return UNTESTED
    kills = row.alone < toxic and not row.alone_p_value >= alpha
    if sign < 0:
        return RESTORES_TOXIC if kills else RESTORES
    if sign > 0:
        return TOXIC_LESS if kills else PROTECTS
    return TOXIC if kills else UNCHANGED


def _origin(table: pd.DataFrame, row: Any) -> str:
    """The rows of the table that a contrast rests on."""
    if "_row" not in table.columns:
        return ""
    used = (table["model"] == row.model) & table["viability"].notna()
    for name in ("hours_pre", "hours_challenge"):
        if name in table.columns:
            value = getattr(row, name)
            used &= (table[name] == value) | (table[name].isna() & (value != value))
    label = table["pretreatment"].fillna("").astype(str).str.strip()
    vehicle = label.map(is_vehicle)
    same = vehicle if row.pretreatment == "vehicle" else label == row.pretreatment
    bare = (table["challenge_um"] == 0) | table["challenge_drug"].fillna("").map(is_vehicle)
    with_drug = ~bare & (table["challenge_drug"] == row.challenge_drug) & (table["challenge_um"] == row.challenge_um)
    arms = same if row.kind == CHALLENGE else same | vehicle
    mine = table[used & arms & (bare if row.kind == PRETREATMENT else bare | with_drug)]
    return source_rows(mine["_file"], mine["_row"])


@claims(title="Pretreatments that restore sensitivity")
def schedule_claims(schedule: pd.DataFrame) -> pd.DataFrame:
    """One claim per pretreatment and challenge: sensitivity restored (-1), lowered (+1), or nothing shown (0)."""
    rows = []
    for row in _each(schedule[schedule["kind"] == INTERACTION]):
        before = f"{row.pretreatment} before {row.challenge_drug} {row.challenge_um:g} µM"
        alone = ""
        if row.alone == row.alone:
            tested = f" ({equals('p', row.alone_p_value)})" if row.alone_p_value == row.alone_p_value else ""
            alone = f"; alone it left {100 * row.alone:.3g} % of the viability{tested}"
            if row.verdict == TOXIC:
                alone += ", so a lower viability with it is toxicity and not restoration"
        why = f" [{row.reason}]" if row.reason else ""
        pair = re.split(r"\s\+\s", row.pretreatment_drug)
        rows.append(
            {
                "entity": " + ".join(sorted(pair)),
                "entity_type": "pair" if len(pair) == 2 else "drug",
                "stream": "schedule",
                "level": "intervention",
                "model": row.model,
                "contrast": row.contrast,
                "direction": {RESTORES: -1, RESTORES_TOXIC: -1, PROTECTS: 1}.get(row.verdict, 0),
                "effect": row.effect,
                "effect_unit": "log2 fold of survival under challenge",
                **{c: getattr(row, c) for c in ("se", "ci_low", "ci_high", "statistic", "p_value", "q_value")},
                "n": row.n,
                "status": row.status,
                "analysis": "schedule",
                "source_table": row.source_table,
                "source_rows": row.source_rows,
                "claim": f"{before}: {row.verdict} in {row.model}, {_numbers(row)}{alone}{why}.",
            }
        )
    return claim_table(rows)


def _numbers(row: Any) -> str:
    n = f"n = {row.n} biological replicates, {row.design.split(';')[0]}" if row.n else ""
    if row.status == "censored":
        side = f"below {number(row.fold_ci_high)}" if row.ci_high < np.inf else f"above {number(row.fold_ci_low)}"
        return f"survival under challenge changed by a factor {side} ({n})"
    if row.effect != row.effect:
        return "change of survival under challenge not determined"
    text = f"survival under challenge {number(row.fold)}-fold that after vehicle"
    if row.status != "estimated":
        return f"{text} (not tested; {n})"
    test = f"t = {row.statistic:.2f}, df = {row.df:.1f}, {equals('p', row.p_value)}, {equals('Holm p', row.p_holm)}"
    limits = f"{100 * row.confidence:g} % interval {interval(row.fold_ci_low, row.fold_ci_high)}"
    return f"{text} ({limits}; {test}, {equals('q', row.q_value)}; {n})"


@figure(
    title="Viability at re-challenge",
    caption="Viability over the dose of the challenging drug, one panel per model and drug, pretreatments as colours. "
    "Circles are biological replicates (technical wells averaged), bars their means.",
)
def schedule_viability(schedule_table: pd.DataFrame) -> Any:
    """Every replicate of every condition beside its mean."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, SINGLE, facets, sized

    means = replicate_means(schedule_table)
    challenged = means[means["challenge_drug"] != ""]
    keys = ["model", "challenge_drug", "hours_pre", "hours_challenge"]
    panels = challenged[keys].drop_duplicates()
    parts = []
    for at in _each(panels):
        same = (means["model"] == at.model) & means["challenge_drug"].isin(["", at.challenge_drug])
        for name in ("hours_pre", "hours_challenge"):
            value = getattr(at, name)
            same &= (means[name] == value) | (means[name].isna() & (value != value))
        time = f", {at.hours_pre:g} then {at.hours_challenge:g} h" if at.hours_pre == at.hours_pre else ""
        several = len(panels[["model", "challenge_drug"]].drop_duplicates()) < len(panels)
        parts.append(means[same].assign(panel=f"{at.model}, {at.challenge_drug}{time if several else ''}"))
    if not parts:
        return None
    points = pd.concat(parts, ignore_index=True).assign(part="replicate")
    arm = ["panel", "pretreatment", "challenge_um"]
    middle = points.groupby(arm, sort=False)["viability"].mean().reset_index().assign(part="mean")
    data = pd.concat([points[[*arm, "replicate", "viability", "part"]], middle], ignore_index=True)
    order = sorted(set(data["pretreatment"]), key=lambda v: (v != "vehicle", drug_and_dose(v)))
    of = alt.Chart(data).encode(
        alt.X("challenge_um:O", title="Challenge (µM)", axis=alt.Axis(labelAngle=0)),
        alt.XOffset("pretreatment:N", sort=order),
        alt.Y("viability:Q", title="Viability (fraction of vehicle)"),
        alt.Color("pretreatment:N", title="Pretreatment", sort=order),
        tooltip=["panel:N", "pretreatment:N", "challenge_um:Q", "replicate:N", "viability:Q"],
    )
    chart = alt.layer(
        of.transform_filter("datum.part === 'mean'").mark_tick(orient="horizontal", thickness=1.2, size=9),
        of.transform_filter("datum.part === 'replicate'").mark_point(size=14),
    ).properties(width=130, height=90)
    count = data["panel"].nunique()
    return sized(facets(chart, data, "panel", columns=min(3, count)), DOUBLE if count > 1 else SINGLE)


@figure(
    title="Sensitivity at re-challenge",
    caption="Fold change of viability by the pretreatment alone (top rows) and of survival under challenge after "
    "pretreatment over that after vehicle, with confidence intervals, on a logarithmic axis; the dashed line is 1. "
    "Left of it at re-challenge: sensitivity is restored. Left of it alone: the pretreatment kills by itself.",
)
def schedule_forest(schedule: pd.DataFrame) -> Any:
    """Forest of the pretreatments alone and of the interactions."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, WONG, forest, sized

    kinds = {PRETREATMENT: "pretreatment alone", INTERACTION: "at re-challenge"}
    table = schedule[schedule["kind"].isin(list(kinds))].copy()
    if table.empty:
        return None
    table["shown"] = table["kind"].map(kinds)
    table["label"] = table["model"] + ": " + table["contrast"]
    again = table.groupby("label").cumcount()
    table["label"] = table["label"].where(again == 0, table["label"] + " (" + (again + 1).astype(str) + ")")
    table["note"] = table["status"].str.replace("_", " ")
    table = table.sort_values(["model", "kind"], key=lambda c: c.map({PRETREATMENT: "0", INTERACTION: "1"}).fillna(c))
    colour = alt.Color(
        "shown:N",
        title="Contrast",
        scale=alt.Scale(domain=list(kinds.values()), range=[WONG["orange"], WONG["blue"]]),
    )
    columns = ["label", "shown", "fold", "fold_ci_low", "fold_ci_high", "p_holm", "q_value", "n", "verdict", "note"]
    return sized(
        forest(
            table[columns],
            "label",
            "fold",
            "fold_ci_low",
            "fold_ci_high",
            title="Fold change of viability",
            color=colour,
            note="note",
        ),
        DOUBLE,
    )
