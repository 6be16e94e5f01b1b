"""What the contrasts say, as rows of Evidence and as figures."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import claims, figure
from rechallenge.assays.schedule.contract import drug_and_dose, each
from rechallenge.assays.schedule.contrasts import (
    INTERACTION,
    PRETREATMENT,
    PROTECTS,
    RESTORES,
    RESTORES_TOXIC,
    TOXIC,
    replicate_means,
)
from rechallenge.evidence import claim_table
from rechallenge.report.words import equals, interval, number

_SIGN = {RESTORES: -1, RESTORES_TOXIC: -1, PROTECTS: 1}


@claims(title="Pretreatments that restore sensitivity")
def schedule_claims(schedule: pd.DataFrame, models: pd.DataFrame | None = None) -> pd.DataFrame:
    """One claim per pretreatment and challenge: sensitivity restored (-1), lowered (+1), or nothing shown (0).

    In models of role normal neither is said: normal cells made more sensitive speak against a drug, not for it. Where a
    resistant model was selected with the challenging drug the claim says that acquired resistance is reversed.
    """
    role = {} if models is None else dict(zip(models["model"], models["role"], strict=True))
    selected = {} if models is None else dict(zip(models["model"], models["selected_with"], strict=True))
    rows = []
    for row in each(schedule[schedule["kind"] == INTERACTION]):
        before = f"{row.pretreatment} before {row.challenge_drug} {row.challenge_um:g} µM"
        alone = ""
        if row.alone == row.alone:
            tested = f" ({equals('p', row.alone_p_value)})" if row.alone_p_value == row.alone_p_value else ""
            alone = f"; alone it left {100 * row.alone:.3g} % of the viability{tested}"
            if row.verdict == TOXIC:
                alone += ", so a lower viability with it is toxicity and not restoration"
        if role.get(row.model) == "normal":
            alone += "; these are normal cells"
        elif row.verdict in (RESTORES, RESTORES_TOXIC) and str(selected.get(row.model, "")).casefold() == (
            row.challenge_drug.casefold()
        ):
            alone += "; acquired resistance to the drug that selected the line is reversed"
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
                "direction": 0 if role.get(row.model) == "normal" else _SIGN.get(row.verdict, 0),
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
    for at in each(panels):
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
    several = len(set(table["model"])) > 1
    table["label"] = table["model"] + ": " + table["contrast"] if several else table["contrast"]
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
