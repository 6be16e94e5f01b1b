"""Estimation plots (doi:10.1038/s41592-019-0470-3): every replicate above, the differences with intervals below."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

#: with more groups than these, only differences at p < .05 carry their p: the others would lie on each other
MANY = 10


def _arms(means: pd.DataFrame, rows: pd.DataFrame) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Replicates of the arms of a family with the label under which they are drawn, and the labels in order."""
    kind, first = rows["kind"].iloc[0], rows.iloc[0]
    column = {"group": "group", "stage": "stage", "model": "model"}[kind]
    text = rows["contrast"].str.split(" vs ", n=1)
    if kind == "group":
        some = means[(means["model"] == first["model"]) & _context(means, rows)]
        pairs = _all_pairs(rows)
        order = [*rows["control"], *rows["group"]] if pairs else [first["control"], *rows["group"]]
        labels = (
            [f"{g} – {c}" for g, c in zip(rows["group"], rows["control"], strict=True)] if pairs else [*rows["group"]]
        )
    else:
        labels = text.str[0].tolist()
        control = text.str[1].iloc[0].rpartition(f", {first['group']}")[0] or text.str[1].iloc[0]
        order = [control, *labels]
        some = means[means["group"].isin({first["group"], first["control"]})]
        some = some[some["model"] == first["model"]] if kind == "stage" else some
    order = list(dict.fromkeys(order))
    some = some[some[column].isin(order)]
    return some.assign(arm=some[column]), order, labels


def _all_pairs(rows: pd.DataFrame) -> bool:
    """Whether a family has no control."""
    return rows["kind"].iloc[0] == "group" and len(set(rows["control"])) > 1


def _context(means: pd.DataFrame, rows: pd.DataFrame) -> pd.Series:
    """Rows of the stage and time that the family's name tells."""
    family = rows["family"].iloc[0]
    stage = np.array([f", {s}" in family if s else True for s in means["stage"]])
    time = np.array([f", time {t:g}:" in family if t == t else True for t in means["time"]])
    return pd.Series(stage & time, index=means.index)


def estimation_plot(values: pd.DataFrame, rows: pd.DataFrame, *, name: str, unit: str, log: bool) -> Any:
    """Every biological replicate above, the differences from the control with their intervals below.

    `values`: model, stage, time, group, block, replicate and `value` (in `unit`) of one read-out; `rows`: the contrasts
    of one of its families as `contrasts` gives them (kind group, stage or model). Returns an Altair chart.
    """
    import altair as alt

    from rechallenge.report.theme import MUTED, SINGLE, WONG, log_ticks, sized

    points, order, labels = _arms(values, rows)
    middle = points.assign(value=np.log2(points["value"]) if log else points["value"]).groupby("arm")["value"].mean()
    bars = pd.DataFrame({"arm": middle.index, "value": np.exp2(middle) if log else middle, "part": "mean"})
    top = pd.concat([points[["arm", "replicate", "block", "value"]].assign(part="replicate"), bars], ignore_index=True)
    low = ("fold", "fold_ci_low", "fold_ci_high") if log else ("effect", "ci_low", "ci_high")
    below = rows[[*low, "p_adjusted", "p_value", "n", "test", "status", "reason"]].copy()
    below.columns = pd.Index(["difference", "low", "high", *below.columns[3:]])
    below.insert(0, "arm", labels)
    own = labels if _all_pairs(rows) else order
    below["part"] = "difference"
    below["bound"] = np.select(
        [np.isposinf(below["high"]), np.isneginf(below["low"]) | (below["low"] == 0)], ["above", "below"], ""
    )
    below.loc[below["status"] != "censored", "bound"] = ""
    data = pd.concat([top, below], ignore_index=True)
    data["p"] = ["" if p != p else f"p = {p:.2g}" if p >= 0.0001 else "p < 0.0001" for p in data["p_adjusted"]]
    untested = (data["part"] == "difference") & data["p_adjusted"].isna() & data["difference"].notna()
    data.loc[untested, "p"] = "not tested"
    rng = np.random.default_rng(0)  # sideways, so that equal values are seen
    data["_draw_shift"] = rng.uniform(-1, 1, len(data))
    wide = max(90, 26 * len(order))
    axis = alt.Axis(labelAngle=0 if max(map(len, own)) <= 6 else -40, labelLimit=110)
    head = alt.Axis(labels=False, ticks=False) if own is order else axis
    x = alt.X("arm:N", sort=order, scale=alt.Scale(domain=order), title=None)
    known = points["value"][points["value"] > 0]
    reach = [float(known.min()) / 1.15, float(known.max()) * 1.15] if log else [0.0, 0.0]
    scale = (
        alt.Scale(type="log", nice=False, domain=reach) if log else alt.Scale(zero=bool((points["value"] >= 0).all()))
    )
    ticks = log_ticks(*reach) if log else []
    y_axis = alt.Axis(values=ticks) if len(ticks) > 1 else alt.Axis()
    y = alt.Y("value:Q", title=f"{name} ({unit})", scale=scale, axis=y_axis)
    base = alt.Chart(data).encode(x.axis(head))
    upper = alt.layer(
        base.transform_filter("datum.part === 'mean'").mark_tick(orient="horizontal", size=16, thickness=1.2).encode(y),
        base.transform_filter("datum.part === 'replicate'")
        .mark_point(size=14)
        .encode(y, alt.XOffset("_draw_shift:Q", scale=alt.Scale(domain=[-4, 4])),
                tooltip=["arm:N", "replicate:N", "block:N", "value:Q"]),
    ).properties(width=wide, height=80)  # fmt: skip
    ref = 1.0 if log else 0.0
    finite = pd.concat([below[c] for c in ("difference", "low", "high")])
    finite = pd.concat([finite[np.isfinite(finite.astype(float))], pd.Series([ref])])
    if log:
        ends = [float(finite.min()) / 1.1, float(finite.max()) * 1.1]
        d_ticks = log_ticks(*ends)
        d_scale = alt.Scale(type="log", nice=False, domain=ends)
        d_axis = alt.Axis(values=d_ticks) if len(d_ticks) > 1 else alt.Axis()
    else:
        d_scale, d_axis = alt.Scale(zero=True), alt.Axis()
    # a bound runs from its limit to the edge of the plot and ends in an arrow head
    edge = ends if log else [float(finite.min()), float(finite.max())]
    for name, side, limit in (("high", "above", edge[1]), ("low", "below", edge[0])):
        data.loc[(data["part"] == "difference") & (data["bound"] == side), name] = limit
    data["head"] = np.select([data["bound"] == "above", data["bound"] == "below"], [data["high"], data["low"]], np.nan)
    title = "Ratio to control" if log else "Difference"

    def d(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", title=title, scale=d_scale, axis=d_axis)

    lower_base = (
        alt.Chart(data)
        .transform_filter("datum.part === 'difference'")
        .encode(alt.X("arm:N", sort=own, scale=alt.Scale(domain=own), title=None, axis=axis))
    )
    lower = alt.layer(
        alt.Chart(pd.DataFrame({"_draw_reference": [ref]})).mark_rule(color=MUTED, strokeDash=[2, 2], strokeWidth=0.5)
        .encode(d("_draw_reference")),
        lower_base.mark_rule().encode(d("low"), alt.Y2("high")),
        lower_base.mark_point(size=20, color=WONG["vermillion"]).encode(
            d("difference"), tooltip=["arm:N", "difference:Q", "low:Q", "high:Q", "p_adjusted:Q", "test:N", "n:Q"]
        ),
        lower_base.transform_filter("datum.bound === 'above'")
        .mark_point(shape="triangle-up", size=20, color=WONG["vermillion"]).encode(d("head")),
        lower_base.transform_filter("datum.bound === 'below'")
        .mark_point(shape="triangle-down", size=20, color=WONG["vermillion"]).encode(d("head")),
        (lower_base.transform_filter("datum.p_adjusted < 0.05") if len(own) > MANY else lower_base)
        .mark_text(align="left", dx=4, fontSize=5).encode(d("difference"), text="p:N"),
    ).properties(width=wide, height=60)  # fmt: skip
    where = rows["family"].iloc[0].partition(":")[0]
    return sized(
        alt.vconcat(upper, lower, spacing=4)
        .resolve_scale(x="independent")
        .properties(title=alt.TitleParams(where, subtitle=rows["test"].iloc[0])),
        SINGLE,
    )
