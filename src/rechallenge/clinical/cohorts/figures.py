"""Figures of survival: curves with risk table, forest over cohorts, shape, place among all genes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import figure
from rechallenge.clinical.cohorts.display import HIGH, LOW, drawn
from rechallenge.clinical.cohorts.people import ALL, each, order_of
from rechallenge.report.words import number

#: panels of one figure, genes of one forest
PANELS, FORESTS = 6, 4
SD = "Expression (standard deviations)"


def _colour(title: str | None = None) -> Any:
    import altair as alt

    from rechallenge.report.theme import WONG

    scale = alt.Scale(domain=[HIGH, LOW], range=[WONG["vermillion"], WONG["blue"]])
    return alt.Color(
        "group:N", title=title, scale=scale, legend=alt.Legend(orient="top", symbolType="stroke", symbolOpacity=1)
    )


@figure(
    title="Survival by expression",
    caption="Kaplan-Meier curves of patients above and below the median, for display only: nothing is scored by this "
    "split. Bands are 95 % intervals, ticks censored patients; below, patients at risk. The hazard ratio per standard "
    "deviation and its likelihood-ratio p are from the continuous Cox model. Shown are at most six panels, genes named "
    "beforehand first, cohorts by size.",
)
def kaplan_meier(survival_curves: pd.DataFrame, survival: pd.DataFrame, clinical_candidates: pd.DataFrame) -> Any:
    """Curves with a risk table, one panel per gene and cohort."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, SINGLE, sized

    order = {g: i for i, g in enumerate(drawn(clinical_candidates))}
    size = survival.groupby("cohort")["n"].max()
    panels = survival_curves[["gene", "cohort", "endpoint"]].drop_duplicates()
    panels = panels.assign(_g=panels["gene"].map(order), _c=-panels["cohort"].map(size)).sort_values(
        ["_g", "_c"], kind="mergesort"
    )
    charts = []
    for gene, cohort, endpoint in panels.head(PANELS)[["gene", "cohort", "endpoint"]].itertuples(index=False):
        own = survival_curves[(survival_curves["gene"] == gene) & (survival_curves["cohort"] == cohort)]
        fit = survival[
            (survival["gene"] == gene) & (survival["cohort"] == cohort) & (survival["endpoint"] == endpoint)
            & (survival["subset"] == ALL)
        ]  # fmt: skip
        charts.append(_panel(own, gene, cohort, endpoint, fit))
    if not charts:
        return None
    columns = min(3, len(charts))
    whole = alt.concat(*charts, columns=columns, spacing=14).resolve_scale(x="independent")
    return sized(whole, DOUBLE if columns > 1 else SINGLE)


def _panel(own: pd.DataFrame, gene: str, cohort: str, endpoint: str, fit: pd.DataFrame) -> Any:
    import altair as alt

    from rechallenge.report.theme import SMALL

    unit = next((u for u in own["unit"] if u), "")
    title = f"Time ({unit})" if unit else "Time (unit not given)"
    longest = float(own["time"].max())
    ends = own.loc[own["part"] == "table", "time"].unique().tolist()
    scale = alt.Scale(domain=[0, max(longest, max(ends, default=longest))], nice=False)
    curve = own[own["part"] == "curve"].drop(columns=["part"])
    said = f"{gene}, {cohort}"
    below = ""
    if len(fit):
        r = fit.iloc[0]
        below = f"HR per SD {number(r['hr_per_sd'])} ({number(r['ci_low'])} to {number(r['ci_high'])})"
        below += f", {plain_p(r['p_value'])}"
    censored = curve[(curve["time"] > 0)].assign(lost=lambda t: t["at_risk"] - t["at_risk"].shift(-1) > t["events"])
    censored = censored[censored["events"] == 0]
    axis = alt.Axis(values=ends, title=title)
    x = alt.X("time:Q", scale=scale, axis=axis)
    y = alt.Y("survival:Q", title=f"{endpoint} (fraction)", scale=alt.Scale(domain=[0, 1], nice=False))
    base = alt.Chart(curve)
    top = alt.layer(
        base.mark_area(opacity=0.15, interpolate="step-after").encode(x, alt.Y("low:Q", scale=alt.Scale(domain=[0, 1])),
                                                                      alt.Y2("high"), _colour()),
        base.mark_line(strokeWidth=1, interpolate="step-after").encode(x, y, _colour()),
        alt.Chart(censored.drop(columns=["lost"])).mark_tick(orient="vertical", height=3, thickness=0.5).encode(
            x, y, _colour()),
    ).properties(width=110, height=80, title=alt.TitleParams(said, subtitle=below or " "))  # fmt: skip
    table = own[own["part"] == "table"][["time", "group", "at_risk"]]
    risk = (
        alt.Chart(table)
        .mark_text(fontSize=SMALL, baseline="middle")
        .encode(
            alt.X("time:Q", scale=scale, axis=None),
            alt.Y("group:N", sort=[HIGH, LOW], title="At risk", scale=alt.Scale(domain=[HIGH, LOW]),
                  axis=alt.Axis(domain=False, ticks=False, titleAngle=0, titleAlign="right", titleAnchor="start",
                                titleY=-4, titleX=-9, labelPadding=9)),
            alt.Text("at_risk:Q", format=",.0f"),
            _colour(),
        )
        .properties(width=110, height=20)
    )  # fmt: skip
    return alt.vconcat(top, risk, spacing=4)


def plain_p(p: float, name: str = "p") -> str:
    """A p-value in a figure: `p = 0.031`, `p < 0.0001` (superscripts are missing from many fonts)."""
    if p != p:
        return "not tested"
    return f"{name} < 0.0001" if p < 1e-4 else f"{name} = {p:.2g}"


def _pooled_rows(own: pd.DataFrame, pooled: Any) -> pd.DataFrame:
    """Rows of a forest: cohorts by size, then the pooled effect and its prediction interval."""
    own = own.sort_values(["n", "cohort"], ascending=[False, True], kind="mergesort")
    table = own[["cohort", "hr_per_sd", "ci_low", "ci_high", "p_value", "n", "events"]].rename(
        columns={"cohort": "row"}
    )
    table["row"] = [f"{r} ({int(e)} of {int(n)})" for r, e, n in zip(table["row"], table["events"], table["n"],
                                                                      strict=True)]  # fmt: skip
    table["what"] = "cohort"
    if pooled is None or pooled.k < 2:
        return table
    i2 = f"I² {100 * pooled.i2:.0f} %"
    more = [{"row": f"Pooled ({pooled.k} cohorts, {i2})", "hr_per_sd": pooled.hr_per_sd, "ci_low": pooled.ci_low,
             "ci_high": pooled.ci_high, "p_value": pooled.p_value, "n": pooled.n, "events": pooled.events,
             "what": "pooled"}]  # fmt: skip
    if pooled.pi_low == pooled.pi_low:
        more.append({"row": "Prediction interval", "hr_per_sd": np.nan, "ci_low": pooled.pi_low,
                     "ci_high": pooled.pi_high, "what": "prediction"})  # fmt: skip
    return pd.concat([table, pd.DataFrame(more)], ignore_index=True)


@figure(
    title="Hazard ratios over cohorts",
    caption="Hazard ratio per standard deviation of expression with 95 % intervals in each cohort (events of "
    "patients), "
    "pooled by REML with the Hartung-Knapp interval, and the prediction interval in which a further cohort is "
    "expected (too narrow with few cohorts: it covers 87 % with five). "
    "At most four genes or markers are shown, those named beforehand first.",
)
def survival_forest(
    survival: pd.DataFrame, clinical_candidates: pd.DataFrame, survival_meta: pd.DataFrame | None = None
) -> Any:
    """Forest of cohorts for each of the first candidates."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, SINGLE, sized

    rows = survival[survival["subset"] == ALL]
    if rows.empty:
        return None
    endpoint = min(rows["endpoint"].unique(), key=order_of)
    rows = rows[rows["endpoint"] == endpoint]
    several = len(set(rows["cohort"])) > 1
    charts = []
    for gene in [g for g in drawn(clinical_candidates, 99) if g in set(rows["gene"])][: FORESTS if several else 99]:
        pooled = None
        if survival_meta is not None:
            mine = survival_meta[survival_meta["gene"] == gene]
            mine = mine[(mine["endpoint"] == endpoint) & (mine["subset"] == ALL)]
            pooled = next(each(mine), None)
        charts.append((gene, _pooled_rows(rows[rows["gene"] == gene], pooled)))
    if not charts:
        return None
    title = f"Hazard ratio per SD, {endpoint}"
    if not several:
        return _single(charts, title)
    drawn_charts = [_forest(table, title).properties(title=gene) for gene, table in charts]
    columns = min(2, len(drawn_charts))
    return sized(alt.concat(*drawn_charts, columns=columns), DOUBLE if columns > 1 else SINGLE)


def _single(charts: list[tuple[str, pd.DataFrame]], title: str) -> Any:
    """One cohort: the candidates are the rows."""
    from rechallenge.report.theme import SINGLE, forest, sized

    table = pd.concat([t.assign(row=g) for g, t in charts[:24]], ignore_index=True)
    return sized(forest(table, "row", "hr_per_sd", "ci_low", "ci_high", title=title), SINGLE)


def _forest(table: pd.DataFrame, title: str) -> Any:
    """A forest whose pooled row is coloured; the prediction interval is a dotted line without a point."""
    import altair as alt

    from rechallenge.report.theme import MUTED, WONG, log_ticks

    shown = table.copy()
    finite = shown[["hr_per_sd", "ci_low", "ci_high"]].to_numpy(float)
    finite = finite[np.isfinite(finite) & (finite > 0)]
    left, right = float(max(finite.min(), 0.05) / 1.15), float(min(finite.max(), 20) * 1.15)
    left, right = min(left, 0.85), max(right, 1.2)
    for c in ("ci_low", "ci_high"):
        shown[f"_draw_{c}"] = shown[c].clip(left, right)
    scale = alt.Scale(type="log", domain=[left, right], nice=False)
    axis = alt.Axis(values=log_ticks(left, right), labelExpr="format(datum.value, '.4~r')")
    y = alt.Y("row:N", sort=shown["row"].tolist(), title=None,
              axis=alt.Axis(domain=False, ticks=False, labelLimit=150, labelPadding=6))  # fmt: skip
    colour = alt.Color(
        "what:N", legend=None,
        scale=alt.Scale(domain=["cohort", "pooled", "prediction"], range=["black", WONG["vermillion"], MUTED]),
    )  # fmt: skip
    tip = ["row:N", "hr_per_sd:Q", "ci_low:Q", "ci_high:Q", "p_value:Q", "n:Q", "events:Q"]
    base = alt.Chart(shown).encode(y, colour)
    rule = alt.Chart(pd.DataFrame({"_draw_one": [1.0]})).mark_rule(color=MUTED, strokeDash=[2, 2], strokeWidth=0.5)
    x = alt.X("_draw_ci_low:Q", title=title, scale=scale, axis=axis)
    return alt.layer(
        rule.encode(alt.X("_draw_one:Q", title=title, scale=scale, axis=axis)),
        base.transform_filter("datum.what !== "
        "'prediction'").mark_rule().encode(x, alt.X2("_draw_ci_high"), tooltip=tip),
        base.transform_filter("datum.what === 'prediction'").mark_rule(strokeDash=[1, 2], strokeWidth=1.4).encode(
            x, alt.X2("_draw_ci_high"), tooltip=tip),
        base.transform_filter("datum.what === 'cohort'").mark_square(opacity=1).encode(
            alt.X("hr_per_sd:Q", title=title, scale=scale, axis=axis),
            alt.Size("events:Q", legend=None, scale=alt.Scale(range=[8, 45])), tooltip=tip),
        base.transform_filter("datum.what === 'pooled'").mark_point(shape="diamond", size=45).encode(
            alt.X("hr_per_sd:Q", title=title, scale=scale, axis=axis), tooltip=tip),
    ).properties(width=110, height=alt.Step(10))  # fmt: skip


@figure(
    title="Shape of the association",
    caption="Hazard ratio against the median patient over expression: natural cubic spline with its 95 % band, "
    "dashed the "
    "straight line of the Cox model. At most six panels.",
)
def spline_shape(spline_effects: pd.DataFrame, clinical_candidates: pd.DataFrame) -> Any:
    """Spline and straight line, one panel per gene and cohort."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, MUTED, SINGLE, facets, log_ticks, sized

    order = {g: i for i, g in enumerate(drawn(clinical_candidates))}
    data = spline_effects.assign(panel=spline_effects["gene"] + ", " + spline_effects["cohort"])
    data = data.sort_values("gene", key=lambda g: g.map(order), kind="mergesort")
    kept = list(dict.fromkeys(data["panel"]))[:PANELS]
    data = data[data["panel"].isin(kept)].reset_index(drop=True)
    if data.empty:
        return None
    low, high = float(max(data["low"].min(), 0.1)), float(min(data["high"].max(), 10))
    scale = alt.Scale(type="log", domain=[low, high], nice=False, clamp=True)
    axis = alt.Axis(values=log_ticks(low, high), labelExpr="format(datum.value, '.4~r')")
    x = alt.X("x:Q", title=SD, scale=alt.Scale(nice=False))

    def y(field: str) -> Any:
        return alt.Y(f"{field}:Q", title="Hazard ratio (vs median patient)", scale=scale, axis=axis)

    base = alt.Chart(data)
    one = alt.Chart(pd.DataFrame({"_draw_one": [1.0]})).mark_rule(color=MUTED, strokeWidth=0.5)
    chart = alt.layer(
        one.encode(y("_draw_one")),
        base.mark_area(opacity=0.18).encode(x, y("low"), alt.Y2("high")),
        base.mark_line(strokeDash=[3, 2], strokeWidth=0.8, color="black").encode(x, y("straight")),
        base.mark_line(strokeWidth=1.2).encode(x, y("hr"), tooltip=["panel:N", "x:Q", "hr:Q", "low:Q", "high:Q"]),
    ).properties(width=110, height=80)
    many = len(kept) > 1
    return sized(facets(chart, data, "panel", columns=min(3, len(kept))), DOUBLE if many else SINGLE)


@figure(
    title="Place among all genes",
    caption="All genes of the scan in the order of their signed statistic (square root of the likelihood ratio; "
    "several "
    "cohorts: pooled); dashed lines: |z| = 1.96, beyond which p < 0.05 for one gene. Grey: all genes (thinned for "
    "drawing); labelled: up to twelve candidates. A gene is remarkable by its place here, not by p < 0.05.",
)
def place_among_genes(
    survival_scan: pd.DataFrame, clinical_candidates: pd.DataFrame, survival_meta: pd.DataFrame | None = None
) -> Any:
    """Ranked statistics of all genes with the candidates marked."""
    import altair as alt

    from rechallenge.report.theme import LABEL, MUTED, SINGLE, SMALL, sized

    table = survival_scan[(survival_scan["kind"] == "gene") & (survival_scan["subset"] == ALL)]
    if table.empty:
        return None
    endpoint = min(table["endpoint"].unique(), key=order_of)
    table = table[(table["endpoint"] == endpoint) & table["statistic"].notna()]
    if len(set(table["cohort"])) > 1 and survival_meta is not None:
        pooled = survival_meta[(survival_meta["kind"] == "gene") & (survival_meta["subset"] == ALL)
                               & (survival_meta["endpoint"] == endpoint)]  # fmt: skip
        both = pooled.assign(z=np.log(pooled["hr_per_sd"]) / pooled["se"])[["gene", "z", "percentile", "hr_per_sd"]]
    else:
        both = table.rename(columns={"statistic": "z"})[["gene", "z", "percentile", "hr_per_sd"]]
        both = both.drop_duplicates("gene")
    both = both[both["z"].notna()].sort_values(["z", "gene"], kind="mergesort").reset_index(drop=True)
    if len(both) < 20:
        return None
    both["rank"] = 100 * (both.index + 0.5) / len(both)
    every = max(1, len(both) // 600)
    thin = both[(both.index % every == 0)]
    named = drawn(clinical_candidates, 99)
    marked = both[both["gene"].isin(named)].assign(_o=lambda t: t["gene"].map({g: i for i, g in enumerate(named)}))
    marked = marked.sort_values("_o").head(12).drop(columns="_o").sort_values("rank").reset_index(drop=True)
    marked = _spread(marked)
    x = alt.X("rank:Q", title="Genes by signed statistic (per cent)", scale=alt.Scale(domain=[0, 100], nice=False))
    y = alt.Y("z:Q", title="Statistic z (below 0: longer survival)", scale=alt.Scale(nice=True))
    lines = alt.Chart(pd.DataFrame({"_draw_z": [-1.96, 1.96]})).mark_rule(color=MUTED, strokeDash=[2, 2],
                                                                          strokeWidth=0.5)  # fmt: skip
    share = f"{100 * float((both['z'].abs() > 1.96).mean()):.0f} % of {len(both):,} genes beyond the dashed lines "
    f"({endpoint})"
    labels = alt.Chart(marked)
    return sized(
        alt.layer(
            lines.encode(alt.Y("_draw_z:Q", title="Statistic z (below 0: longer survival)")),
            alt.Chart(thin).mark_circle(size=3, color="#b5b5b5").encode(x, y),
            labels.mark_rule(strokeWidth=0.3, color=MUTED).encode(x, y, alt.X2("_draw_rank"), alt.Y2("_draw_label")),
            labels.mark_point(size=16, color="black").encode(x, y, tooltip=["gene:N", "z:Q", "percentile:Q",
                                                                           "hr_per_sd:Q"]),
            *[
                labels.transform_filter(f"datum._draw_side === '{side}'")
                .mark_text(fontSize=SMALL, align=side, baseline="middle", dx={"left": 2, "right": -2}.get(side, 0))
                .encode(alt.X("_draw_rank:Q"), alt.Y("_draw_text:Q"), text="gene:N")
                for side in ("left", "center", "right")
            ],
        ).properties(width=170, height=110, title=alt.TitleParams(share, fontWeight="normal", fontSize=LABEL)),
        SINGLE,
    )  # fmt: skip


def _spread(marked: pd.DataFrame) -> pd.DataFrame:
    """Places of labels: beside the steep ends of the curve, else above or below it, away from one another."""
    out = marked.assign(_draw_rank=marked["rank"], _draw_label=0.0, _draw_text=0.0, _draw_side="center")
    z, rank = marked["z"].to_numpy(float), marked["rank"].to_numpy(float)
    gap = 0.075 * max(float(np.ptp(z)) if len(z) else 1.0, 4.0)
    taken = {"left": -np.inf, "right": -np.inf}
    last = {True: (-99.0, -1), False: (-99.0, -1)}
    for i in np.argsort(z, kind="stable"):
        if rank[i] < 12 or rank[i] > 88:
            side = "left" if rank[i] < 12 else "right"
            at = max(z[i], taken[side] + gap)
            taken[side] = at
            out.loc[out.index[i], ["_draw_rank", "_draw_label", "_draw_text", "_draw_side"]] = [
                18.0 if side == "left" else 82.0, at, at, side,
            ]  # fmt: skip
            continue
        up = bool(z[i] < 0)
        before = last[up]
        step = (before[1] + 1) % 4 if rank[i] - before[0] < 13 else 0
        last[up] = (rank[i], step)
        height = gap * (2.0 + 1.2 * step) * (1 if up else -1)
        out.loc[out.index[i], ["_draw_label", "_draw_text"]] = [
            z[i] + height - 0.4 * gap * np.sign(height),
            z[i] + height,
        ]
    return out
