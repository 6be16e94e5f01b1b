"""Estimation plots: every replicate above, the difference with its interval below; read-outs beside IC50s."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import figure
from rechallenge.assays.measurements.contract import replicate_means
from rechallenge.assays.measurements.gradient import stage_ic50s, stage_values

#: read-outs that are drawn; those that moved most clearly come first
MOST = 8


@figure(
    title="Bench read-outs",
    caption="Above: every biological replicate (technical measurements averaged) and the mean of its group; "
    "logarithmic where the read-out is a ratio or amount. Below: the difference from the control with its interval, "
    "as a ratio on logarithmic read-outs; the line is no difference. Of many read-outs the eight with the smallest "
    "adjusted p-values are drawn; all are in the table of comparisons.",
)
def estimation_plots(measurements_table: pd.DataFrame, comparisons: pd.DataFrame) -> Any:
    """One chart per read-out and model: points above, effects with their intervals below."""
    means = replicate_means(measurements_table)
    shown = comparisons[comparisons["kind"].isin(["group", "stage", "model"]) & (comparisons["control"] != "")]
    if shown.empty:
        return None
    rank = shown.groupby(["assay", "family"], sort=True)["p_adjusted"].min().fillna(2.0)
    chosen = rank.sort_values(kind="mergesort").index[:MOST]
    charts: dict[str, Any] = {}
    for assay, family in chosen:
        rows = shown[(shown["assay"] == assay) & (shown["family"] == family)].reset_index(drop=True)
        charts[f"{assay} {family}"] = _estimation(means[means["assay"] == assay], rows)
    return charts


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


def _estimation(means: pd.DataFrame, rows: pd.DataFrame) -> Any:
    import altair as alt

    from rechallenge.report.theme import MUTED, SINGLE, WONG, log_ticks, sized

    points, order, labels = _arms(means, rows)
    log = rows["scale"].iloc[0] == "log"
    unit = rows["unit"].iloc[0] or ("fold" if log else "as given")
    middle = points.assign(value=np.log2(points["value"]) if log else points["value"]).groupby("arm")["value"].mean()
    bars = pd.DataFrame({"arm": middle.index, "value": np.exp2(middle) if log else middle, "part": "mean"})
    top = pd.concat([points[["arm", "replicate", "block", "value"]].assign(part="replicate"), bars], ignore_index=True)
    low = ("fold", "fold_ci_low", "fold_ci_high") if log else ("effect", "ci_low", "ci_high")
    below = rows[[*low, "p_adjusted", "p_value", "n", "test", "status", "reason"]].copy()
    below.columns = pd.Index(["difference", "low", "high", *below.columns[3:]])
    below.insert(0, "arm", labels)
    own = labels if _all_pairs(rows) else order
    below["part"] = "difference"
    data = pd.concat([top, below], ignore_index=True)
    data["p"] = ["" if p != p else f"p = {p:.2g}" if p >= 0.0001 else "p < 0.0001" for p in data["p_adjusted"]]
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
    assay = rows["assay"].iloc[0]
    y = alt.Y("value:Q", title=f"{assay} ({unit})", scale=scale, axis=y_axis)
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
        lower_base.mark_text(align="left", dx=4, fontSize=5).encode(d("difference"), text="p:N"),
    ).properties(width=wide, height=60)  # fmt: skip
    where = rows["family"].iloc[0].partition(":")[0]
    return sized(
        alt.vconcat(upper, lower, spacing=4)
        .resolve_scale(x="independent")
        .properties(title=alt.TitleParams(where, subtitle=rows["test"].iloc[0])),
        SINGLE,
    )


@figure(
    title="Read-outs beside the IC50",
    caption="Every stage of resistance as a point: the mean read-out of untreated cells over the IC50, both as they "
    "were correlated. One panel per read-out, line and drug (the nine strongest correlations where there are more); "
    "n is the number of stages.",
)
def stage_read_outs(
    stage_correlation: pd.DataFrame,
    measurements_table: pd.DataFrame,
    curves: pd.DataFrame,
    models: pd.DataFrame | None = None,
) -> Any:
    """Mean read-out over IC50, stages as labels."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, SINGLE, facets, sized

    values, ic50s = stage_values(measurements_table, models), stage_ic50s(curves, models)
    table = stage_correlation.assign(size=stage_correlation["rho"].abs().fillna(-1))
    table = table.sort_values("size", ascending=False, kind="mergesort").head(9)
    parts = []
    for row in table.itertuples():
        one = values[(values["assay"] == row.assay) & (values["line"] == row.model)]
        both = one.merge(ic50s[(ic50s["line"] == row.model) & (ic50s["drug"] == row.drug)], on="number")
        rho = "not tested" if row.p_value != row.p_value else f"rho {row.rho:.2f}, p = {row.p_value:.2g}"
        panel = f"{row.assay}, {row.model}, {row.drug} ({rho}, n = {row.n:.0f})"
        parts.append(
            both[["number", "value", "ic50_um"]].assign(panel=panel, stage=[f"S{v:g}" for v in both["number"]])
        )
    data = pd.concat(parts, ignore_index=True)
    base = alt.Chart(data).encode(
        alt.X("ic50_um:Q", title="IC50 (µM)", scale=alt.Scale(type="log", nice=False, padding=8)),
        alt.Y("value:Q", title="Read-out", scale=alt.Scale(zero=False, padding=6)),
    )
    chart = alt.layer(
        base.mark_line(strokeWidth=0.5, color="#bbbbbb").encode(order="number:Q"),
        base.mark_point(size=18),
        base.mark_text(dx=5, dy=-4, align="left", fontSize=5).encode(text="stage:N"),
    ).properties(width=140, height=90)
    count = data["panel"].nunique()
    return sized(
        facets(chart, data, "panel", columns=min(2, count), independent_y=True), DOUBLE if count > 1 else SINGLE
    )
