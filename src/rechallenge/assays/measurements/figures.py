"""Estimation plots: every replicate above, the difference with its interval below; read-outs beside IC50s."""

from __future__ import annotations

from typing import Any

import pandas as pd

from rechallenge.analysis import figure
from rechallenge.assays.measurements.contract import replicate_means
from rechallenge.assays.measurements.gradient import stage_ic50s, stage_values
from rechallenge.designs.labels import each
from rechallenge.designs.plots import estimation_plot

#: read-outs that are drawn; those that moved most clearly come first
MOST = 6


@figure(
    title="Bench read-outs",
    caption="Above: every biological replicate (technical measurements averaged) and the mean of its group; "
    "logarithmic where the read-out is a ratio or amount. Below: the difference from the control with its interval, "
    "as a ratio on logarithmic read-outs; the line is no difference. Of many read-outs the six with the smallest "
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
        log = rows["scale"].iloc[0] == "log"
        unit = rows["unit"].iloc[0] or ("relative" if log else "as given")
        charts[f"{assay} {family}"] = estimation_plot(
            means[means["assay"] == assay], rows, name=str(assay), unit=unit, log=log
        )
    return charts


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
    for row in each(table):
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
