"""Figures of response and of biomarkers: ROC curves, waterfall, subgroups, audit of definitions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import figure
from rechallenge.clinical.cohorts.figures import plain_p
from rechallenge.clinical.cohorts.people import each
from rechallenge.stats import roc

PANELS = 6


def _steps(x: Any, case: Any, **more: Any) -> pd.DataFrame:
    _, sensitivity, specificity = roc.curve(x, case)
    table = pd.DataFrame({"false_positive": 1 - specificity, "sensitivity": sensitivity, **more})
    return table.sort_values(["false_positive", "sensitivity"], kind="mergesort").reset_index(drop=True)


def _roc(data: pd.DataFrame, panel: str, columns: int, width: float) -> Any:
    import altair as alt

    from rechallenge.report.theme import MUTED, facets, sized

    unit = alt.Scale(domain=[0, 1], nice=False)
    chance = alt.Chart(pd.DataFrame({"_draw_a": [0, 1], "_draw_b": [0, 1]})).mark_line(
        color=MUTED, strokeDash=[2, 2], strokeWidth=0.5
    )
    x = alt.X("false_positive:Q", title="1 - specificity", scale=unit)
    y = alt.Y("sensitivity:Q", title="Sensitivity", scale=unit)
    order = list(dict.fromkeys(data["curve"]))
    line = (
        alt.Chart(data)
        .mark_line(strokeWidth=1.1, interpolate="step-after")
        .encode(
            x, y, alt.Color("curve:N", title=None, sort=order, legend=alt.Legend(orient="bottom", columns=1,
                                                                                  labelLimit=230, symbolType="stroke")),
            alt.Order("_draw_order:Q"),
        )
    )  # fmt: skip
    chart = alt.layer(chance.encode(alt.X("_draw_a:Q", scale=unit), alt.Y("_draw_b:Q", scale=unit)), line)
    chart = chart.properties(width=95, height=95)
    return sized(facets(chart, data, panel, columns=columns), width)


@figure(
    title="ROC curves of response",
    caption="Sensitivity and specificity of the expression of the first candidates for response, in each arm; the "
    "legend "
    "gives the area with its 95 % interval (DeLong). Positive is high expression; an area below 0.5 means that "
    "responders are lower. Arms with fewer than five responders or others are shown and not tested.",
)
def response_roc(response_points: pd.DataFrame, response_scan: pd.DataFrame) -> Any:
    """One panel per cohort and arm, genes as colours."""
    from rechallenge.report.theme import DOUBLE, SINGLE

    parts = []
    for (cohort, arm, gene), own in response_points.groupby(["cohort", "arm", "gene"], sort=False):
        r = response_scan[
            (response_scan["cohort"] == cohort) & (response_scan["arm"] == arm) & (response_scan["gene"] == gene)
        ].iloc[0]
        name = f"{gene}, {cohort}, {arm}: {r['auc']:.2f} ({r['ci_low']:.2f} to {r['ci_high']:.2f})"
        parts.append(_steps(own["expression"], own["responded"] > 0, curve=name, panel=f"{cohort}, {arm}"))
    if not parts:
        return None
    data = pd.concat(parts, ignore_index=True)
    kept = list(dict.fromkeys(data["panel"]))[:3]
    data = data[data["panel"].isin(kept)].reset_index(drop=True)
    data["_draw_order"] = np.arange(len(data))
    return _roc(data, "panel", len(kept), DOUBLE if len(kept) > 1 else SINGLE)


@figure(
    title="Waterfall of response",
    caption="One bar per patient. Where the change of the tumour was measured: best change in per cent, sorted, "
    "coloured "
    "by expression above or below the median of the arm; dashed: the limits of progression (+20 %) and partial "
    "response "
    "(-30 %) of RECIST. Elsewhere: expression in standard deviations, sorted, coloured by response. At most six "
    "panels, "
    "genes named beforehand first.",
)
def response_waterfall(response_points: pd.DataFrame) -> Any:
    """Best change, or expression, patient by patient."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, MUTED, SINGLE, WONG, facets, sized

    if response_points.empty:
        return None
    measured = bool(response_points["best_change"].notna().any())
    data = response_points.copy()
    if measured:
        data = data[data["best_change"].notna()]
        data["value"] = data["best_change"]
        middle = data.groupby(["gene", "cohort", "arm"])["expression"].transform("median")
        data["shade"] = np.where(data["expression"] > middle, "high expression", "low expression")
        names = ["high expression", "low expression"]
    else:
        data["value"] = data["expression"]
        data["shade"] = np.where(data["responded"] > 0, "responder", "non-responder")
        names = ["non-responder", "responder"]
    data["panel"] = data["gene"] + ", " + data["cohort"] + ", " + data["arm"]
    kept = list(dict.fromkeys(data["panel"]))[:PANELS]
    data = data[data["panel"].isin(kept)].sort_values(["panel", "value", "patient"], ascending=[True, False, True],
                                                      kind="mergesort")  # fmt: skip
    data["place"] = data.groupby("panel").cumcount() + 1
    data["_draw_zero"] = 0.0
    data["_draw_at"] = data["panel"].map({p: i for i, p in enumerate(kept)})
    data = data.sort_values(["_draw_at", "place"], kind="mergesort").drop(columns="_draw_at").reset_index(drop=True)
    colour = alt.Color("shade:N", title=None, legend=alt.Legend(orient="top", symbolType="square"),
                       scale=alt.Scale(domain=names, range=[WONG["vermillion"], WONG["blue"]]))  # fmt: skip
    y = "Best change (per cent)" if measured else "Expression (standard deviations)"
    title = "Patients by change" if measured else "Patients by expression"
    bars = (
        alt.Chart(data)
        .mark_bar(size=float(np.clip(100 / data["place"].max(), 0.8, 3)))
        .encode(
            alt.X("place:Q", title=title, axis=alt.Axis(tickMinStep=1)), alt.Y("value:Q", title=y),
            alt.Y2("_draw_zero"), colour, tooltip=["patient:N", "value:Q", "shade:N"],
        )
    )  # fmt: skip
    layers = [bars]
    if measured:
        limits = alt.Chart(pd.DataFrame({"_draw_limit": [20.0, -30.0]}))
        layers.append(limits.mark_rule(color=MUTED, strokeDash=[2, 2], strokeWidth=0.5).encode(
            alt.Y("_draw_limit:Q", title=y)))  # fmt: skip
    chart = alt.layer(*layers).properties(width=120, height=70)
    many = len(kept) > 1
    return sized(facets(chart, data, "panel", columns=min(3, len(kept))), DOUBLE if many else SINGLE)


@figure(
    title="ROC curves of serum biomarkers",
    caption="Cases against each group of controls; the legend gives the area with its 95 % interval (DeLong). "
    "Positive is "
    "a high value. At most six markers in three panels, those of largest area.",
)
def biomarker_roc(biomarkers: pd.DataFrame, biomarkers_table: pd.DataFrame) -> Any:
    """One panel per cohort and group of controls, markers as colours."""
    from rechallenge.report.theme import DOUBLE, SINGLE

    table = biomarkers[biomarkers["auc"].notna()].copy()
    if table.empty:
        return None
    table["panel"] = (
        (table["cohort"] + ": ").where(table["cohort"] != "", "") + table["cases"] + " vs " + table["controls"]
    )
    best = table.assign(_a=-(table["auc"] - 0.5).abs()).sort_values(["_a", "marker"], kind="mergesort")
    markers = list(dict.fromkeys(best["marker"]))[:6]
    panels = list(dict.fromkeys(table["panel"]))[:3]
    parts = []
    for r in each(table[table["marker"].isin(markers) & table["panel"].isin(panels)]):
        own = biomarkers_table[
            (biomarkers_table["cohort"] == r.cohort) & (biomarkers_table["marker"] == r.marker)
            & biomarkers_table["group"].isin([r.cases, r.controls])
        ].dropna(subset=["value"])  # fmt: skip
        own = own.groupby(["subject", "group"], sort=True)["value"].mean().reset_index()
        name = f"{r.marker}, {r.panel}: {r.auc:.2f} ({r.ci_low:.2f} to {r.ci_high:.2f})"
        parts.append(_steps(own["value"], own["group"] == r.cases, curve=name, panel=r.panel))
    data = pd.concat(parts, ignore_index=True)
    data["_draw_order"] = np.arange(len(data))
    return _roc(data, "panel", len(panels), DOUBLE if len(panels) > 1 else SINGLE)


@figure(
    title="Subgroups",
    caption="Hazard ratio per standard deviation in every level of each subgroup factor (events of patients), with "
    "the q of the interaction (its p adjusted over all interactions tested); a difference between levels is claimed by "
    "that q alone. At most two genes and two factors.",
)
def subgroup_forest(subgroups: pd.DataFrame, clinical_candidates: pd.DataFrame) -> Any:
    """All levels of the first two factors for the first two genes."""
    from rechallenge.clinical.cohorts.display import drawn
    from rechallenge.report.theme import SINGLE, forest, sized

    genes = [g for g in drawn(clinical_candidates) if g in set(subgroups["gene"])][:2]
    factors = list(dict.fromkeys(subgroups["factor"]))[:2]
    table = subgroups[subgroups["gene"].isin(genes) & subgroups["factor"].isin(factors)].copy()
    table = table[table["endpoint"] == table["endpoint"].iloc[0]] if len(table) else table
    if table.empty:
        return None
    table["label"] = [
        f"{r.gene}, {r.factor}: {r.level} ({int(r.events)} of {int(r.n)}), {plain_p(r.q_value, 'q')}"
        for r in each(table)
    ]
    if len(set(table["cohort"])) > 1:
        table["label"] = table["cohort"] + ", " + table["label"]
    order = {g: i for i, g in enumerate(genes)}
    table = table.sort_values(["gene", "factor", "level"], key=lambda c: c.map(order) if c.name == "gene" else c,
                              kind="mergesort")  # fmt: skip
    columns = ["label", "hr_per_sd", "ci_low", "ci_high", "interaction_p_value", "q_value", "n", "events", "missing"]
    return sized(forest(table[columns], *columns[:4], title="Hazard ratio per SD"), SINGLE)


@figure(
    title="Definitions of one property",
    caption="Patients counted by each pair of definitions of one property (yes or no); where both columns should say "
    "the "
    "same, the off-diagonal counts are patients classed differently.",
)
def definition_table(definition_conflicts: pd.DataFrame) -> Any:
    """Agreement of pairs of definitions as a heat map of counts."""
    from rechallenge.report.theme import DOUBLE, matrix, sized

    if definition_conflicts.empty:
        return None
    table = definition_conflicts.head(8)
    rows = []
    for r in each(table):
        n = r.both_yes + r.only_a + r.only_b + r.both_no
        for what, count in (("both yes", r.both_yes), ("only the first", r.only_a), ("only the second", r.only_b),
                            ("both no", r.both_no)):  # fmt: skip
            rows.append(
                {"pair": f"{r.subject}: {r.definition_a} / {r.definition_b}", "classed": what, "patients": str(count),
                 "share": 100 * count / n if n else np.nan}
            )  # fmt: skip
    data = pd.DataFrame(rows)
    return sized(
        matrix(data, "classed", "pair", "share", text="patients", title="Patients (per cent)", cell=46, row=14), DOUBLE
    )
