"""Figures of experiments in animals: every animal is drawn."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import figure
from rechallenge.assays.tumours.arms import arm_order
from rechallenge.assays.tumours.contrasts import ACROSS, BETWEEN, BLISS, CONTROL, HSA
from rechallenge.assays.tumours.data import arm_labels, text, volumes, weights
from rechallenge.assays.tumours.endpoint import kaplan_meier
from rechallenge.assays.tumours.response import CRITERIA

#: models with a figure of their own, arms in one figure, rows in a forest: the caps that captions name
MODELS, ARMS, ROWS = 4, 8, 24
VOLUME = "Tumour volume (mm³)"


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_")


def _shown_models(table: pd.DataFrame, column: str = "animal") -> list[str]:
    """The models with most animals (at least two an arm), up to `MODELS`."""
    count = table.groupby(["model", "arm"])[column].nunique()
    able = count.groupby("model").max()
    total = count.groupby("model").sum()[able[able > 1].index]
    return [str(m) for m in sorted(total.index, key=lambda m: (-total[m], m))[:MODELS]]


def _shown_arms(labels: pd.Series) -> list[str]:
    return arm_order([str(a) for a in set(labels)])[:ARMS]


def _named(charts: dict[str, Any], stem: str) -> Any:
    """One chart, or charts by name; None for nothing."""
    if len(charts) == 1:
        return next(iter(charts.values()))
    return {f"{stem}_{_slug(m)}": c for m, c in charts.items()} or None


def _titled(chart: Any, model: str) -> Any:
    return chart.properties(title=model) if model else chart


def _colours(arms: list[str], symbol: str = "stroke") -> Any:
    import altair as alt

    from rechallenge.report.theme import CATEGORY

    scale = alt.Scale(domain=arms, range=[CATEGORY[i % len(CATEGORY)] for i in range(len(arms))])
    return alt.Color("arm:N", title="Arm", scale=scale, sort=arms, legend=alt.Legend(labelLimit=180, symbolType=symbol))


def _arm_rank(data: pd.DataFrame, arms: list[str]) -> pd.DataFrame:
    """Rows in the order of their arms, as small multiples take it."""
    rank = data["arm"].map({a: i for i, a in enumerate(arms)})
    return data.assign(_rank=rank).sort_values("_rank", kind="mergesort").drop(columns="_rank").reset_index(drop=True)


@figure(
    title="Growth of every tumour",
    caption="Tumour volume on a logarithmic axis, one panel per arm: thin lines are animals (a cross where one ended "
    f"early), the thick line the growth model with its confidence band. The {MODELS} models with most animals and "
    f"{ARMS} arms each are shown; volumes of 0 are drawn at the bottom.",
)
def tumour_curves(tumours_table: pd.DataFrame, tumour_fits: pd.DataFrame) -> Any:
    """Spaghetti plots with the fitted growth per arm; one chart per model."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, MUTED, facets, log_ticks, sized

    table = volumes(tumours_table)
    charts = {}
    for model in _shown_models(table):
        mine = table[table["model"] == model]
        arms = _shown_arms(mine["arm"])
        mine = mine[mine["arm"].isin(arms)]
        positive = mine.loc[mine["volume"] > 0, "volume"]
        if positive.empty:
            continue
        low, high = float(positive.min()) / 1.3, float(positive.max()) * 1.3
        seen = mine[["arm", "animal", "subject", "day", "volume"]].assign(shown="animal")
        seen["drawn"] = seen["volume"].where(seen["volume"] > 0, low)
        last = seen.drop_duplicates("subject", keep="last")
        early = last[last["day"] < mine["day"].max()].assign(shown="ended early")
        fits = tumour_fits[(tumour_fits["model"] == model) & tumour_fits["arm"].isin(arms)].assign(shown="model")
        fits[["ci_low", "ci_high"]] = fits[["ci_low", "ci_high"]].clip(low, high)
        columns = ["shown", "arm", "animal", "subject", "day", "volume", "drawn", "fitted_mm3", "ci_low", "ci_high"]
        parts = [p for p in (seen, early, fits) if len(p)]
        data = _arm_rank(pd.concat(parts, ignore_index=True).reindex(columns=columns), arms)
        data["subject"] = data["subject"].fillna("")
        scale = alt.Scale(type="log", domain=[low, high], nice=False, clamp=True)
        axis = alt.Axis(values=log_ticks(low, high), format=",.0f")

        def y(field: str, scale: Any = scale, axis: Any = axis) -> Any:
            return alt.Y(f"{field}:Q", title=VOLUME, scale=scale, axis=axis)

        base = alt.Chart(data)
        x = alt.X("day:Q", title="Day", scale=alt.Scale(zero=False))
        tip = ["arm:N", "animal:N", "day:Q", "volume:Q"]
        layers = [
            base.transform_filter("datum.shown === 'animal'")
            .mark_line(strokeWidth=0.5, color=MUTED, point=alt.OverlayMarkDef(size=5, filled=True, color=MUTED))
            .encode(x, y("drawn"), detail="subject:N", tooltip=tip),
            base.transform_filter("datum.shown === 'ended early'")
            .mark_point(shape="cross", size=14, angle=45, filled=True, color="black")
            .encode(x, y("drawn"), tooltip=tip),
            base.transform_filter("datum.shown === 'model'")
            .mark_area(opacity=0.2)
            .encode(x, y("ci_low"), alt.Y2("ci_high")),
            base.transform_filter("datum.shown === 'model'").mark_line(strokeWidth=1.6).encode(x, y("fitted_mm3")),
        ]
        chart = alt.layer(*layers).properties(width=105, height=95)
        charts[model] = sized(_titled(facets(chart, data, "arm", columns=min(4, len(arms))), model), DOUBLE)
    return _named(charts, "tumour_curves")


@figure(
    title="Growth-rate contrasts",
    caption="Differences of exponential growth rates (ln volume per day) with confidence intervals; left of 0 tumours "
    "grow slower. Against control; the interaction (Bliss: left of 0 is synergy); the combination against the part "
    f"that it beats least (HSA); between and across models. At most {ROWS} rows: interactions and HSA, contrasts of "
    "models, then contrasts with control, of each the smallest p first.",
)
def tumour_forest(tumour_growth: pd.DataFrame) -> Any:
    """Forest of the contrasts of growth rates."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, forest, sized

    kinds = [CONTROL, BLISS, HSA, BETWEEN, ACROSS]
    table = tumour_growth[tumour_growth["kind"].isin(kinds)].copy()
    if table.empty:
        return None
    table["place"] = range(len(table))
    if len(table) > ROWS:
        table = table[table["se"].notna()]  # designs with one animal an arm: the rows over models
        rank = table["kind"].map({k: i for i, k in enumerate([BLISS, HSA, ACROSS, BETWEEN, CONTROL])})
        table = table.assign(rank=rank).sort_values(["rank", "p_value", "place"], kind="mergesort").head(ROWS)
        table = table.sort_values("place", kind="mergesort")
    if table.empty:
        return None
    prefix = table["model"].map(lambda m: f"{m}: " if m else "")
    table["label"] = prefix + table["contrast"]
    table["note"] = table["reason"].where(table["reason"] != "", "not estimable")
    there = [k for k in kinds if k in set(table["kind"])]
    colour = alt.Color("kind:N", title="Contrast", sort=there)
    columns = ["label", "kind", "estimate", "ci_low", "ci_high", "p_value", "q_value", "n", "method", "note"]
    title = "Difference of growth rates (ln volume per day)"
    chart = forest(table[columns], "label", "estimate", "ci_low", "ci_high", title=title, log=False, color=colour,
                   note="note", width=150)  # fmt: skip
    return sized(chart, DOUBLE)


@figure(
    title="Best response of every tumour",
    caption="Best change of volume from the start, one bar per animal, by size; above 200 % cut. Dashed lines: the "
    f"limits of the response criteria (35, -50, -95 %). The {MODELS} models with most animals are shown, or all "
    "animals together where a model has one animal an arm.",
)
def tumour_waterfall(tumour_response: pd.DataFrame) -> Any:
    """Waterfall plots: each bar is an animal."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, MUTED, sized

    known = tumour_response[tumour_response["best_percent"].notna()]
    models = _shown_models(known) if len(known) else []
    sets = {m: known[known["model"] == m] for m in models}
    if not sets and len(known):
        often = known["arm"].value_counts()
        sets = {"": known[known["arm"].isin(sorted(often.index, key=lambda a: (-often[a], a))[:ARMS])]}
    charts = {}
    for model, mine in sets.items():
        arms = _shown_arms(mine["arm"])
        data = mine[mine["arm"].isin(arms)][["model", "arm", "animal", "best_percent", "best_day", "call"]]
        data = data.sort_values(["best_percent", "arm", "model", "animal"], ascending=[False, True, True, True])
        data = data.assign(place=range(1, len(data) + 1), drawn=data["best_percent"].clip(upper=200))
        bars = (
            alt.Chart(data)
            .mark_bar()
            .encode(
                alt.X("place:O", title=f"Animals (n = {len(data)})", axis=alt.Axis(labels=False, ticks=False),
                      scale=alt.Scale(paddingInner=0.25 if len(data) < 150 else 0)),
                alt.Y("drawn:Q", title="Best change of volume (%)", scale=alt.Scale(domain=[-100, 200])),
                _colours(arms, "square"),
                tooltip=["model:N", "arm:N", "animal:N", "best_percent:Q", "best_day:Q", "call:N"],
            )
        )  # fmt: skip
        limits = alt.Chart(pd.DataFrame({"_draw_limit": [float(b) for _, b, _ in CRITERIA]}))
        rules = limits.mark_rule(strokeDash=[2, 2], strokeWidth=0.5, color=MUTED).encode(y="_draw_limit:Q")
        chart = alt.layer(bars, rules).properties(width=300, height=110)
        charts[model] = sized(_titled(chart, model), DOUBLE)
    return _named(charts, "tumour_waterfall")


@figure(
    title="Time to the end point",
    caption="Kaplan-Meier curves of the animals that have not reached the end point (for the volume see the table "
    "tumour_endpoint), ticks are censored animals; below, animals at risk. "
    f"The {MODELS} models with most animals and {ARMS} arms each are shown.",
)
def tumour_survival(tumour_times: pd.DataFrame) -> Any:
    """Kaplan-Meier curves with the table of animals at risk."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, SMALL, sized

    known = tumour_times[tumour_times["status"] == "estimated"]
    charts = {}
    for model in _shown_models(known) if len(known) else []:
        mine = known[known["model"] == model]
        arms = _shown_arms(mine["arm"])
        top = float(mine["time"].max())
        marks = _ticks(top)
        curves, risk = [], []
        for arm in arms:
            values = mine.loc[mine["arm"] == arm, ["time", "event"]].to_numpy(dtype=float)
            curve = kaplan_meier(values)
            step = pd.DataFrame(curve[:, [0, 1, 2, 3]], columns=["time", "at_risk", "events", "survival"])
            step = step.assign(arm=arm, shown="curve")
            lost = values[values[:, 1] == 0, 0]
            level = [float(curve[curve[:, 0] <= t, 3][-1]) for t in lost]
            censored = pd.DataFrame({"time": lost, "survival": level, "arm": arm, "shown": "censored"})
            curves += [step, censored] if len(censored) else [step]
            risk += [{"arm": arm, "time": t, "at_risk": int((values[:, 0] >= t).sum())} for t in marks]
        data = pd.concat(curves, ignore_index=True)
        scale = alt.Scale(domain=[0, top * 1.02], nice=False)
        axis, bare = alt.Axis(values=marks), alt.Axis(values=marks, labels=False, ticks=False, domain=False)
        names = alt.Axis(domain=False, ticks=False, labelLimit=150, labelPadding=12)
        x = alt.X("time:Q", title="Days from the animal's first measurement", scale=scale, axis=axis)
        y = alt.Y("survival:Q", title="Not at the end point (fraction)", scale=alt.Scale(domain=[0, 1]))
        base = alt.Chart(data)
        upper = alt.layer(
            base.transform_filter("datum.shown === 'curve'")
            .mark_line(interpolate="step-after", strokeWidth=1.2)
            .encode(x, y, _colours(arms)),
            base.transform_filter("datum.shown === 'censored'")
            .mark_tick(orient="vertical", size=6, thickness=0.9)
            .encode(x, y, _colours(arms), tooltip=["arm:N", "time:Q"]),
        ).properties(width=260, height=120)
        lower = (
            alt.Chart(pd.DataFrame(risk))
            .mark_text(fontSize=SMALL + 1)
            .encode(
                alt.X("time:Q", title=None, scale=scale, axis=bare),
                alt.Y("arm:N", sort=arms, title="At risk", axis=names),
                text="at_risk:Q",
            )
            .properties(width=260, height=alt.Step(9))
        )  # fmt: skip
        charts[model] = sized(_titled(alt.vconcat(upper, lower, spacing=4), model), DOUBLE)
    return _named(charts, "tumour_survival")


def _ticks(top: float) -> list[float]:
    """Round times from 0, five to ten of them."""
    step = next(s for s in (1, 2, 5, 7, 10, 14, 20, 25, 50, 100, 200, 500, 1000, 1e9) if top / s <= 9)
    return [float(v) for v in np.arange(0, top + 1e-9, step)]


@figure(
    title="Body weight",
    caption="Change of body weight from each animal's first, one panel per arm: thin lines are animals, the thick line "
    f"their mean where at least two were weighed; dashed line: a loss of 20 %. The {MODELS} models with most animals.",
)
def weight_curves(body_weight_table: pd.DataFrame) -> Any:
    """Body weight of every animal over time."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, MUTED, facets, sized

    table = weights(body_weight_table)
    table["percent"] = 100 * (table["weight"] / table.groupby("subject")["weight"].transform("first") - 1)
    charts = {}
    for model in _shown_models(table):
        mine = table[table["model"] == model]
        arms = _shown_arms(mine["arm"])
        mine = mine[mine["arm"].isin(arms)]
        middle = mine.groupby(["arm", "day"])["percent"].agg(["mean", "count"]).reset_index()
        middle = middle[middle["count"] > 1].rename(columns={"mean": "percent"}).assign(shown="mean", subject="")
        seen = mine[["arm", "animal", "subject", "day", "percent"]].assign(shown="animal")
        parts = [p for p in (seen, middle[["arm", "day", "percent", "shown", "subject"]]) if len(p)]
        data = _arm_rank(pd.concat(parts, ignore_index=True), arms)
        base = alt.Chart(data).encode(
            alt.X("day:Q", title="Day"), alt.Y("percent:Q", title="Change of body weight (%)")
        )
        limit = alt.Chart(pd.DataFrame({"_draw_limit": [-20.0]})).mark_rule(
            strokeDash=[2, 2], strokeWidth=0.5, color=MUTED
        )
        chart = alt.layer(
            limit.encode(y="_draw_limit:Q"),
            base.transform_filter("datum.shown === 'animal'")
            .mark_line(strokeWidth=0.5, color=MUTED)
            .encode(detail="subject:N", tooltip=["arm:N", "animal:N", "day:Q", "percent:Q"]),
            base.transform_filter("datum.shown === 'mean'").mark_line(strokeWidth=1.6),
        ).properties(width=105, height=85)
        charts[model] = sized(_titled(facets(chart, data, "arm", columns=min(4, len(arms))), model), DOUBLE)
    return _named(charts, "weight_curves")


@figure(
    title="End-point values",
    caption="Organ weights, nodule counts and blood values of every animal (circles) with the mean of the arm (bars); "
    "the first twelve read-outs by model are shown.",
)
def organ_values(organs_table: pd.DataFrame) -> Any:
    """Every animal's end-point values by arm."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, facets, sized

    points = pd.DataFrame(
        {"model": text(organs_table, "model"), "arm": arm_labels(organs_table), "animal": text(organs_table, "animal"),
         "readout": text(organs_table, "readout"), "unit": text(organs_table, "unit"),
         "value": pd.to_numeric(organs_table["value"]).astype(float)}
    ).dropna(subset=["value"])  # fmt: skip
    if points.empty:
        return None
    named = points["readout"] + points["unit"].map(lambda u: f" ({u})" if u else "")
    points["panel"] = points["model"].map(lambda m: f"{m}: " if m else "") + named
    points = points.sort_values(["panel", "arm", "animal", "value"], kind="mergesort")
    points = points[points["panel"].isin(sorted(set(points["panel"]))[:12])].assign(shown="animal")
    middle = points.groupby(["panel", "arm"], sort=True)["value"].mean().reset_index().assign(shown="mean")
    data = pd.concat([points[["panel", "arm", "animal", "value", "shown"]], middle], ignore_index=True)
    arms = arm_order(list(data["arm"]))
    base = alt.Chart(data).encode(
        alt.X("arm:N", sort=arms, title=None, axis=alt.Axis(labelAngle=-45)),
        alt.Y("value:Q", title="Value (unit in the title)", scale=alt.Scale(zero=True)),
        tooltip=["arm:N", "animal:N", "value:Q"],
    )
    chart = alt.layer(
        base.transform_filter("datum.shown === 'mean'").mark_tick(orient="horizontal", thickness=1.2, size=14),
        base.transform_filter("datum.shown === 'animal'").mark_point(size=14, filled=False),
    ).properties(width=max(60, 18 * len(arms)), height=85)
    count = data["panel"].nunique()
    return sized(facets(chart, data, "panel", columns=min(4, count), independent_y=True), DOUBLE)


@figure(
    title="Power by animals per arm",
    caption="Probability of finding the planned effect (a fraction of the control's growth rate, in the source data) "
    f"by animals per arm, from each model's own variances; dashed line 80 %. The first {ARMS} models are shown.",
)
def power_curves(tumour_power: pd.DataFrame) -> Any:
    """Power over the number of animals."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, MUTED, SINGLE, facets, sized

    if tumour_power.empty:
        return None
    data = tumour_power[tumour_power["model"].isin(sorted(set(tumour_power["model"]))[:ARMS])].copy()
    data["model"] = data["model"].where(data["model"] != "", "tumours")
    data = data[["contrast", "model", "n_per_arm", "power", "effect", "fraction_of_control_rate", "detectable"]]
    base = alt.Chart(data).encode(
        alt.X("n_per_arm:Q", title="Animals per arm", scale=alt.Scale(zero=False)),
        alt.Y("power:Q", title="Power", scale=alt.Scale(domain=[0, 1])),
        alt.Color("model:N", title="Model"),
    )
    wanted = alt.Chart(pd.DataFrame({"_draw_wanted": [0.8]})).mark_rule(strokeDash=[2, 2], strokeWidth=0.5, color=MUTED)
    chart = alt.layer(wanted.encode(y="_draw_wanted:Q"), base.mark_line(strokeWidth=1), base.mark_point(size=6))
    count = data["contrast"].nunique()
    return sized(
        facets(chart.properties(width=120, height=90), data, "contrast", columns=count), DOUBLE if count > 1 else SINGLE
    )
