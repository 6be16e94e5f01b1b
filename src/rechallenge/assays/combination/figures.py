"""Figures of the combinations: matrix and excess map, single rows, Chou-Talalay, scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import figure
from rechallenge.assays.combination.drawing import (
    MOST,
    by_replicate,
    dose_text,
    drawn,
    median_points,
    of,
    slug,
    titled,
)
from rechallenge.assays.combination.scores import NAMES, PERCENT
from rechallenge.assays.combination.wells import each

REGIONS = {"matrix": "all doses", "window": "within total plasma conc.", "window_free": "within free plasma conc."}
#: rows of the forest
ROWS = 40


def _pages(charts: dict[str, Any]) -> Any:
    return charts or None


@figure(
    title="Dose matrix",
    caption="Left: mean inhibition over biological replicates (per cent of vehicle lost), single agents in the first "
    "row and column. Middle: excess over Bliss independence (per cent of inhibition), * where it differs from 0 at a "
    "false-discovery rate of 5 % within the surface, ≤ where it is an upper bound; framed: dose pairs within total "
    f"plasma concentrations. Right: all replicates (points) and their means (lines). At most {MOST} surfaces, those "
    "with the clearest departure.",
)
def dose_matrices(combination_responses: pd.DataFrame, synergy: pd.DataFrame, synergy_cells: pd.DataFrame) -> Any:
    """One figure per surface of two drugs: matrix, excess map with significance, and every replicate."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, sized

    every = by_replicate(combination_responses)
    charts = {}
    for row in drawn(synergy, two=True):
        points = of(every, row)
        cells = of(synergy_cells, row)
        parts = [_matrix(points, row), _excess(cells[cells["method"] == row.method], row), _lines(points, row)]
        chart = alt.hconcat(*parts, spacing=18).resolve_scale(color="independent", shape="independent")
        charts[f"matrix_{slug(titled(row))}"] = sized(chart.properties(title=titled(row)), DOUBLE)
    return _pages(charts)


def _axes(data: pd.DataFrame) -> pd.DataFrame:
    """Doses as text, in the order of the axes: A rising to the right, B rising upwards."""
    out = data.sort_values(["dose_b_um", "dose_a_um"], ascending=[False, True], kind="mergesort").copy()
    out["dose_a"], out["dose_b"] = out["dose_a_um"].map(dose_text), out["dose_b_um"].map(dose_text)
    return out.reset_index(drop=True)


def _cell_size(data: pd.DataFrame) -> float:
    return float(np.clip(130 / max(data["dose_a"].nunique(), 1), 9, 22))


def _matrix(points: pd.DataFrame, row: Any) -> Any:
    from rechallenge.report.theme import matrix

    mean = points.groupby(["dose_a_um", "dose_b_um"])["inhibition"].mean().reset_index()
    data = _axes(mean)
    data["text"] = data["inhibition"].map(lambda v: f"{v:.0f}".replace("-0", "0").replace("-", "−"))
    size = _cell_size(data)
    return matrix(
        data, "dose_a", "dose_b", "inhibition", text="text", title="Inhibition (%)", limits=(0.0, 100.0), cell=size,
        row=max(10.0, min(size, 14.0)), x_title=f"{row.drug_a} (µM)", y_title=f"{row.drug_b} (µM)",
    )  # fmt: skip


def _excess(cells: pd.DataFrame, row: Any) -> Any:
    import altair as alt

    from rechallenge.report.theme import matrix

    data = _axes(cells.assign(value=cells["excess"].fillna(cells["bound"])))
    text = data["value"].map(lambda v: "" if np.isnan(v) else f"{v:.0f}".replace("-0", "0").replace("-", "−"))
    data["text"] = np.where(data["status"] == "censored", "≤", "") + text + np.where(data["sign"] != "", "*", "")
    keep = ["dose_a", "dose_b", "value", "text", "q_value", "ci_low", "ci_high", "in_window"]
    data = data[keep].replace([np.inf, -np.inf], np.nan)
    size = _cell_size(data)
    title = f"Excess over {NAMES.get(row.method, row.method)} (%)"
    chart = matrix(
        data, "dose_a", "dose_b", "value", text="text", title=title, mid=0.0, cell=size,
        row=max(10.0, min(size, 14.0)), x_title=f"{row.drug_a} (µM)", y_title=f"{row.drug_b} (µM)",
        tooltip=["dose_a:N", "dose_b:N", "value:Q", "ci_low:Q", "ci_high:Q", "q_value:Q"],
    )  # fmt: skip
    inside = data[data["in_window"] == "yes"]
    if inside.empty:
        return chart
    frame = (
        alt.Chart(data)
        .transform_filter("datum.in_window === 'yes'")
        .mark_rect(fill=None, stroke="black", strokeWidth=0.9)
        .encode(alt.X("dose_a:N", sort=None), alt.Y("dose_b:N", sort=None))
    )
    return alt.layer(chart, frame).properties(width=chart.width, height=chart.height)


def _lines(points: pd.DataFrame, row: Any) -> Any:
    """Inhibition over the dose of the first drug, one line per dose of the second, every replicate as a point."""
    import altair as alt

    from rechallenge.report.theme import dose_axis

    data = points[["dose_a_um", "dose_b_um", "replicate", "inhibition"]].copy()
    data["dose_b"] = data["dose_b_um"].map(dose_text)
    order = [dose_text(v) for v in sorted(data["dose_b_um"].unique())]
    axis = dose_axis(data["dose_a_um"], title=f"{row.drug_a} (µM)")
    colour = alt.Color(
        "dose_b:O", title=f"{row.drug_b} (µM)", sort=order, scale=alt.Scale(scheme="viridis", reverse=True),
        legend=alt.Legend(symbolType="stroke"),
    )  # fmt: skip
    base = axis.place(alt.Chart(data), "dose_a_um")
    y = "Inhibition (%)"
    layers = [
        base.mark_line(strokeWidth=0.8).encode(axis.x(), alt.Y("mean(inhibition):Q", title=y), colour),
        base.mark_point(size=6, filled=False, strokeWidth=0.5).encode(
            axis.x(),
            alt.Y("inhibition:Q", title=y),
            colour,
            tooltip=["dose_a_um:Q", "dose_b:N", "replicate:N", "inhibition:Q"],
        ),
        *axis.break_mark(),
    ]
    return alt.layer(*layers).properties(width=130, height=95)


@figure(
    title="Chou-Talalay",
    caption="Left: median-effect plot, every replicate with an effect between 0 and 1 (others cannot be shown there) "
    "and the fitted lines. Middle: combination index over the fraction affected with its interval over biological "
    "replicates; below 1 is synergy; the dashed part needs doses outside those tested. Right: isobologram, doses that "
    "give the stated effect; lines join the doses of the drugs alone (additivity), points below them are synergy; "
    "squares are from the ray, circles from the rows of the matrix, hollow ones are bounds. At most "
    f"{MOST} pairs, those with the clearest departure.",
)
def chou_talalay_plots(
    combination_responses: pd.DataFrame,
    synergy: pd.DataFrame,
    chou_talalay: pd.DataFrame,
    median_effects: pd.DataFrame,
    isoboles: pd.DataFrame,
) -> Any:
    """Median-effect plot, Fa-CI plot and isobologram of every pair whose combination index can be given."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, sized

    charts = {}
    for row in drawn(synergy, two=True):
        index = of(chou_talalay, row)
        index = index[index["status"] != "not_estimable"]
        if index.empty:
            continue
        fits = of(median_effects, row)
        points = pd.DataFrame(median_points(combination_responses, row, float(index["ratio"].iloc[0])))
        parts = [_median_effect(points, fits), _fa_ci(index), _isobologram(of(isoboles, row), row)]
        chart = alt.hconcat(*parts, spacing=18).resolve_scale(color="independent", shape="independent")
        charts[f"chou_{slug(titled(row))}"] = sized(chart.properties(title=titled(row)), DOUBLE)
    return _pages(charts)


def _median_effect(points: pd.DataFrame, fits: pd.DataFrame) -> Any:
    import altair as alt

    from rechallenge.report.theme import log_ticks

    names = dict(zip(fits["curve"], fits["drug"], strict=True))
    lines = []
    for fit in each(fits[np.isfinite(fits["dm_um"]) & np.isfinite(fits["m"])]):
        mine = points[points["curve"] == fit.curve] if len(points) else points
        if mine.empty:
            continue
        dose = np.geomspace(mine["dose_um"].min(), mine["dose_um"].max(), 20)
        lines.append(pd.DataFrame({"curve": fit.curve, "dose_um": dose, "fit": (dose / fit.dm_um) ** fit.m}))
    data = pd.concat(
        [points.assign(shown_as="replicate"), *(f.assign(shown_as="fit") for f in lines)], ignore_index=True
    )
    data["drug"] = data["curve"].map(names)
    data["replicate"] = [None if pd.isna(v) else v for v in data["replicate"]]
    ends = float(data["dose_um"].min()), float(data["dose_um"].max())
    plain = "format(datum.value, datum.value >= 1 ? ',.4~r' : '.4~r')"
    x = alt.X(
        "dose_um:Q", title="Dose (µM)",
        scale=alt.Scale(type="log", nice=False, domain=[ends[0] / 1.25, ends[1] * 1.25]),
        axis=alt.Axis(values=log_ticks(*ends), labelExpr=plain, labelOverlap=True),
    )  # fmt: skip
    values = [0.001, 0.01, 0.1, 1, 10, 100, 1000]
    axis = alt.Axis(values=values, labelExpr=plain)
    colour = alt.Color("drug:N", title=None, sort=list(names.values()), legend=alt.Legend(orient="bottom", columns=1))
    base = alt.Chart(data)
    y: dict[str, Any] = {"title": "fa / (1 − fa)", "scale": alt.Scale(type="log", nice=False), "axis": axis}
    return alt.layer(
        base.transform_filter("datum.shown_as === 'fit'")
        .mark_line(strokeWidth=0.9)
        .encode(x, alt.Y("fit:Q", **y), colour),
        base.transform_filter("datum.shown_as === 'replicate'")
        .mark_point(size=9, filled=False, strokeWidth=0.6)
        .encode(x, alt.Y("odds:Q", **y), colour, tooltip=["drug:N", "dose_um:Q", "odds:Q", "replicate:N"]),
    ).properties(width=110, height=95)


def _fa_ci(index: pd.DataFrame) -> Any:
    import altair as alt

    from rechallenge.report.theme import MUTED, log_ticks

    data = index[
        ["effect", "combination_index", "ci_low", "ci_high", "chosen", "extrapolated", "dri_a", "dri_b"]
    ].copy()
    data = data.replace([np.inf, -np.inf], np.nan).sort_values("effect")
    limits = pd.concat([data["ci_low"], data["ci_high"], data["combination_index"]]).dropna()
    low, high = float(np.clip(limits.min(), 0.01, 0.5)), float(np.clip(limits.max(), 2.0, 100.0))
    plain = "format(datum.value, datum.value >= 1 ? ',.4~r' : '.4~r')"
    scale = alt.Scale(type="log", nice=False, domain=[low / 1.1, high * 1.1], clamp=True)
    y: dict[str, Any] = {
        "title": "Combination index",
        "scale": scale,
        "axis": alt.Axis(values=log_ticks(low, high), labelExpr=plain),
    }
    x = alt.X("effect:Q", title="Fraction affected", scale=alt.Scale(domain=[0, 1]))
    base = alt.Chart(data)
    rule = alt.Chart(pd.DataFrame({"_draw_one": [1.0]})).mark_rule(color=MUTED, strokeDash=[2, 2], strokeWidth=0.5)
    inside = data.loc[~data["extrapolated"], "effect"]
    reach = f"datum.effect >= {inside.min()} && datum.effect <= {inside.max()}" if len(inside) else "false"
    layers = [
        rule.encode(alt.Y("_draw_one:Q", **y)),
        base.mark_area(opacity=0.15).encode(x, alt.Y("ci_low:Q", **y), alt.Y2("ci_high")),
        base.mark_line(strokeDash=[2, 2], strokeWidth=0.8).encode(x, alt.Y("combination_index:Q", **y)),
        base.transform_filter(reach).mark_line(strokeWidth=1.1).encode(x, alt.Y("combination_index:Q", **y)),
        base.transform_filter("datum.chosen")
        .mark_point(size=14)
        .encode(
            x, alt.Y("combination_index:Q", **y),
            tooltip=["effect:Q", "combination_index:Q", "ci_low:Q", "ci_high:Q", "dri_a:Q", "dri_b:Q"],
        ),
    ]  # fmt: skip
    return alt.layer(*layers).properties(width=110, height=95)


def _isobologram(points: pd.DataFrame, row: Any) -> Any:
    import altair as alt

    data = points[points["status"] != "not_estimable"].copy()
    data["effect_at"] = (100 * data["effect"]).map(lambda v: f"{v:.0f} %")
    data["bound"] = data["status"].str.startswith("censored")
    lines = []
    for effect, part in data.groupby("effect_at", sort=True):
        ends = part.iloc[0]
        if np.isfinite(ends["dose_a_alone_um"]) and np.isfinite(ends["dose_b_alone_um"]):
            lines += [
                {"effect_at": effect, "line_a": ends["dose_a_alone_um"], "line_b": 0.0},
                {"effect_at": effect, "line_a": 0.0, "line_b": ends["dose_b_alone_um"]},
            ]
    kinds = ["ray", "matrix"]
    both = pd.concat([data.assign(shown_as="point"), pd.DataFrame(lines).assign(shown_as="line")], ignore_index=True)
    keep = ["shown_as", "effect_at", "kind", "dose_a_um", "dose_b_um", "index", "bound", "line_a", "line_b"]
    both = both.reindex(columns=keep)
    both["bound"] = [bool(v) if v == v else None for v in both["bound"]]
    both["kind"] = [None if pd.isna(v) else v for v in both["kind"]]
    top = [
        float(np.nanmax([*both[p].dropna(), *both[q].dropna(), 1e-9]))
        for p, q in (("dose_a_um", "line_a"), ("dose_b_um", "line_b"))
    ]
    x: dict[str, Any] = {"title": f"{row.drug_a} (µM)", "scale": alt.Scale(domain=[0, 1.05 * top[0]], nice=False)}
    y: dict[str, Any] = {"title": f"{row.drug_b} (µM)", "scale": alt.Scale(domain=[0, 1.05 * top[1]], nice=False)}
    colour = alt.Color("effect_at:N", title="Effect")
    shape = alt.Shape("kind:N", title=None, scale=alt.Scale(domain=kinds, range=["square", "circle"]))
    base = alt.Chart(both)
    layers = [
        base.transform_filter("datum.shown_as === 'line'")
        .mark_line(strokeWidth=0.8)
        .encode(alt.X("line_a:Q", **x), alt.Y("line_b:Q", **y), colour),
        base.transform_filter("datum.shown_as === 'point' && !datum.bound")
        .mark_point(size=16)
        .encode(
            alt.X("dose_a_um:Q", **x), alt.Y("dose_b_um:Q", **y), colour, shape,
            tooltip=["effect_at:N", "kind:N", "dose_a_um:Q", "dose_b_um:Q", "index:Q"],
        ),
        base.transform_filter("datum.shown_as === 'point' && datum.bound")
        .mark_point(size=16, filled=False, strokeWidth=0.7)
        .encode(alt.X("dose_a_um:Q", **x), alt.Y("dose_b_um:Q", **y), colour, shape),
    ]  # fmt: skip
    return alt.layer(*layers).properties(width=110, height=95)


@figure(
    title="Synergy scores",
    caption="Mean excess over the reference with its interval over biological replicates, over all dose pairs and "
    "within plasma concentrations; an arrow marks a score that is only bounded. Four reference models where at most "
    f"five surfaces were tested, Bliss alone beyond; at most {ROWS} rows, those with the largest scores.",
)
def synergy_forest(synergy: pd.DataFrame) -> Any:
    """Forest of the scores, regions as colours."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, forest, sized

    table = synergy[synergy["unit"] == PERCENT].copy()
    table = table[(table["region"] == "matrix") | (table["status"] != "not_estimable")]
    if table.empty:
        return None
    table["surface"] = [titled(r) for r in each(table)]
    if table["surface"].nunique() > 5:
        table = table[table["method"] == ("bliss" if (table["method"] == "bliss").any() else table["method"].iloc[0])]
    size = table["score"].fillna(table["bound"]).abs().fillna(-1.0)
    keep = size.sort_values(ascending=False, kind="mergesort").index[:ROWS]
    table = table[table.index.isin(keep)]
    table["reference"] = table["method"].map(NAMES)
    table["doses"] = table["region"].map(REGIONS)
    short = table["region"].map({"matrix": "all", "window": "total", "window_free": "free"})
    table["label"] = table["surface"] + ": " + table["reference"] + ", " + short
    table["note"] = table["status"].str.replace("_", " ")
    names = ["label", "doses", "score", "ci_low", "ci_high", "p_value", "q_value", "n", "note"]
    colour = alt.Color("doses:N", title="Dose pairs", sort=list(REGIONS.values()))
    chart = forest(
        table[names], "label", "score", "ci_low", "ci_high", title=f"Mean excess ({PERCENT})", log=False, color=colour,
        note="note",
    )  # fmt: skip
    return sized(chart, DOUBLE)
