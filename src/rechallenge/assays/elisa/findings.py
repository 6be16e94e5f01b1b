"""What ELISA says of secreted factors, and its figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import claims, figure
from rechallenge.assays.elisa.concentrations import calibrate, filled
from rechallenge.designs.labels import each
from rechallenge.designs.moved import moved_claim
from rechallenge.designs.plots import estimation_plot
from rechallenge.evidence import claim_table
from rechallenge.report.words import equals, interval, number

MOST_PLATES, MOST = 6, 6


@claims(title="Factors that resistant lines make more or less of")
def elisa_claims(elisa_comparisons: pd.DataFrame) -> pd.DataFrame:
    """One claim per gene of an analyte and resistant line: more (+1) or less (-1) than its parent, or nothing shown."""
    rows = []
    mine = elisa_comparisons[(elisa_comparisons["kind"] == "model") & (elisa_comparisons["gene"] != "")]
    for row in each(mine):
        word = {1: "more", -1: "less"}.get(row.direction, "no difference shown")
        value = _numbers(row)
        why = f" [{row.reason}]" if row.reason else ""
        rows.append(
            {
                "entity": row.gene,
                "entity_type": "gene",
                "stream": "elisa",
                "level": "association",
                **{c: getattr(row, c) for c in ("model", "contrast", "direction", "se", "ci_low", "ci_high", "n")},
                **{c: getattr(row, c) for c in ("statistic", "p_value", "q_value", "status", "source_rows")},
                "effect": row.log2fc,
                "effect_unit": "log2 ratio of concentrations, ELISA",
                "analysis": "elisa",
                "source_table": row.source_table,
                "claim": f"{row.gene}: {word} in {row.model} ({row.contrast}) by ELISA ({row.unit}), {value}{why}.",
            }
        )
    return claim_table(rows)


def _numbers(row: Any) -> str:
    """The ratio with its interval, test and n."""
    n = f"n = {row.n_group:.0f} and {row.n_control:.0f} biological replicates"
    if row.status == "censored":
        below = np.isneginf(row.ci_low)
        return f"ratio {'below' if below else 'above'} {number(row.fold_ci_high if below else row.fold_ci_low)} ({n})"
    if row.status == "estimated":
        family = "" if row.adjustment == "none" else f", {equals(f'{row.adjustment} p', row.p_adjusted)}"
        limits = interval(row.fold_ci_low, row.fold_ci_high)
        return (
            f"{number(row.fold)}-fold ({100 * row.confidence:g} % interval {limits}; {row.test}, "
            f"t = {row.statistic:.2f}, df = {row.df:.1f}, {equals('p', row.p_value)}{family}, "
            f"{equals('q', row.q_value)}; {n})"
        )
    return f"{number(row.fold)}-fold (not tested; {n})" if row.log2fc == row.log2fc else "ratio not determined"


@claims(title="What moves a secreted factor")
def elisa_moved_claims(elisa_comparisons: pd.DataFrame) -> pd.DataFrame:
    """One claim per gene of an analyte and group that got one thing more than its control: which way the amount moved.
    The direction is 0, since that says nothing of the response."""
    rows = []
    mine = elisa_comparisons[elisa_comparisons["kind"].isin(["group", "within"]) & (elisa_comparisons["gene"] != "")]
    for row in each(mine):
        if row.status not in ("estimated", "censored"):
            continue
        why = f" [{row.reason}]" if row.reason else ""
        rows.append(
            moved_claim(
                row, row.gene, effect=row.log2fc, stream="elisa", analysis="elisa", unit="(log2), ELISA",
                sure=row.p_adjusted < 1 - row.confidence or row.status == "censored", named=f"{row.gene} in medium",
                told=f" by ELISA ({row.unit}), {_numbers(row)}{why}",
            )
        )  # fmt: skip
    return claim_table([r for r in rows if r])


@figure(
    title="Standard curves",
    caption="Signal (blank subtracted) over concentration: standards as circles, the fitted curve, samples as crosses "
    "(vermillion triangles: outside the working range, given as bounds). The vertical lines are the ends of the "
    "working range. A plate without a curve was refused; its title says "
    "why. The first six plates are drawn.",
)
def elisa_standard_curves(elisa_table: pd.DataFrame, elisa_curves: pd.DataFrame, elisa_wells: pd.DataFrame) -> Any:
    """Standards, curve, samples and working range, one panel per plate and analyte."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, MUTED, SINGLE, WONG, facets, sized

    table = filled(elisa_table)
    parts = []
    for row in each(elisa_curves.head(MOST_PLATES)):
        part = table[(table["plate"] == row.plate) & (table["analyte"] == row.analyte)]
        wells = elisa_wells[(elisa_wells["plate"] == row.plate) & (elisa_wells["analyte"] == row.analyte)]
        if row.n_wells == 0:
            continue
        name = ", ".join(filter(None, (str(row.plate), str(row.analyte))))
        said = f"{row.model.upper()}, R² {row.r2:.3f}" if row.status == "estimated" else f"refused: {row.reason}"
        panel = f"{name} ({said})"
        standard = wells[wells["well_type"] == "standard"]
        positive = standard.loc[standard["nominal"] > 0, "nominal"]
        zero = float(positive.min()) / 3
        points = pd.DataFrame({"x": standard["nominal"].where(standard["nominal"] > 0, zero), "y": standard["signal"]})
        made = [points.assign(part="standard")]
        if isinstance(row.model, str) and row.status == "estimated":
            same = {"linear": "linear", "4pl": "4pl", "5pl": "5pl"}[row.model]
            curve = calibrate(part, same, row.weights, 0.2, 0.0, bool(row.blank)).curve
            along = np.geomspace(zero, float(positive.max()) * 1.1, 60)
            if curve is not None:
                made.append(pd.DataFrame({"x": along, "y": curve.predict(along), "part": "fit"}))
        if row.status == "estimated":
            ends = [row.range_low, row.range_high]
            made.append(pd.DataFrame({"x": ends, "y": np.nan, "part": "range"}))
            sample = wells[wells["well_type"] == "sample"]
            inside = sample["status"] == "estimated"
            at = sample["concentration"].where(
                inside, np.where(sample["reason"].str.startswith("above"), ends[1], ends[0])
            )
            made.append(pd.DataFrame({"x": at, "y": sample["signal"], "part": np.where(inside, "sample", "outside")}))
        parts += [m.assign(panel=panel) for m in made]
    if not parts:
        return None
    data = pd.concat(parts, ignore_index=True)
    units = sorted({str(u) for u in elisa_curves["unit"] if u})
    unit = units[0] if len(units) == 1 else "unit of the plate's kit"
    x = alt.X("x:Q", title=f"Concentration ({unit})", scale=alt.Scale(type="log", nice=False, padding=6))
    base = alt.Chart(data).encode(
        x,
        alt.Y("y:Q", title="Signal (blank subtracted)"),
    )

    def of(part: str) -> alt.Chart:
        return base.transform_filter(f"datum.part === '{part}'")

    chart = alt.layer(
        alt.Chart(data)
        .transform_filter("datum.part === 'range'")
        .mark_rule(color=MUTED, strokeDash=[2, 2], strokeWidth=0.6)
        .encode(x),
        of("fit").mark_line(strokeWidth=0.9, color="black"),
        of("sample").mark_point(shape="cross", size=14, filled=False, color=WONG["blue"], strokeWidth=0.6),
        of("outside").mark_point(shape="triangle-right", size=16, color=WONG["vermillion"]),
        of("standard").mark_point(size=18, filled=False, color="black", strokeWidth=0.8),
    ).properties(width=150, height=100)
    count = data["panel"].nunique()
    small = facets(chart, data, "panel", columns=min(3, count), independent_y=True).resolve_scale(
        x="independent", y="independent"
    )
    return sized(small, DOUBLE if count > 1 else SINGLE)


@figure(
    title="Concentrations by ELISA",
    caption="Above: every biological replicate (wells and dilutions combined) and the mean of its group; replicates "
    "outside the working range have no point. Below: the ratio to the control with its interval. The six families "
    "with the smallest adjusted p-values are drawn.",
)
def elisa_groups(elisa: pd.DataFrame, elisa_comparisons: pd.DataFrame) -> Any:
    """One chart per analyte and family of comparisons."""
    shown = elisa_comparisons[elisa_comparisons["kind"].isin(["group", "stage", "model"])]
    if shown.empty:
        return None
    rank = shown.groupby(["analyte", "gene", "family"], sort=True)["p_adjusted"].min().fillna(2.0)
    charts: dict[str, Any] = {}
    for analyte, gene, family in rank.sort_values(kind="mergesort").index[:MOST]:
        mine = (shown["analyte"] == analyte) & (shown["gene"] == gene) & (shown["family"] == family)
        rows = shown[mine].reset_index(drop=True)
        values = elisa[(elisa["analyte"] == analyte) & (elisa["gene"] == gene) & (elisa["status"] == "estimated")]
        by_cell = rows["unit"].iloc[0].endswith("per million cells")
        points = values.assign(value=values["per_cell"] if by_cell else values["concentration"])
        points = points[points["value"] > 0]
        if points.empty:
            continue
        name = str(analyte or gene or "Concentration")
        unit = rows["unit"].iloc[0] or "unit of the kit"
        charts[f"{name} {family}"] = estimation_plot(points, rows, name=name, unit=unit, log=True)
    return charts or None
