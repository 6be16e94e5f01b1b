"""Figures that compare curves: forests of ratios, the cross-resistance matrix, stages, plates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rechallenge.analysis import figure
from rechallenge.assays.dose_response.drawing import condition, differing
from rechallenge.assays.dose_response.normalise import wells
from rechallenge.assays.dose_response.resistance import COLLATERAL, CROSS, PLAIN, SELECTING, filled
from rechallenge.assays.dose_response.rules import CONDITION
from rechallenge.assays.dose_response.shifts import LOWERS, RAISES, groups
from rechallenge.assays.dose_response.trend import series
from rechallenge.faults import NotApplicable
from rechallenge.tables.normalise import reference_signal

if TYPE_CHECKING:
    import altair as alt

#: rows of a forest and plates of a figure on one page
ROWS, PLATES_A_PAGE = 40, 12


def _colours(order: tuple[str, ...], present: pd.Series, title: str) -> alt.Color:
    """A colour per verdict, the same in every figure; grey where nothing is shown."""
    import altair as alt

    from rechallenge.report.theme import MUTED, WONG

    paint = {
        SELECTING: WONG["vermillion"],
        CROSS: WONG["orange"],
        PLAIN: WONG["vermillion"],
        COLLATERAL: WONG["blue"],
        RAISES: WONG["vermillion"],
        LOWERS: WONG["blue"],
    }
    there = [v for v in (*order, *sorted(set(present) - set(order))) if v in set(present)]
    return alt.Color(
        "verdict:N", title=title, scale=alt.Scale(domain=there, range=[paint.get(v, MUTED) for v in there])
    )


def _forest(table: pd.DataFrame, estimate: str, title: str, colour: alt.Color, stem: str) -> Any:
    """Forests of ratios with `label`, limits and a note where there is nothing to draw; pages of `ROWS` rows."""
    from rechallenge.report.theme import SINGLE, forest, sized

    charts = {}
    for page, start in enumerate(range(0, len(table), ROWS)):
        part = table.iloc[start : start + ROWS]
        shown = part[
            ["label", "drug", "model", estimate, "ci_low", "ci_high", "verdict", "status", "q_value", "n", "note"]
        ]
        chart = forest(
            shown,
            "label",
            estimate,
            "ci_low",
            "ci_high",
            title=title,
            color=colour,
            note="note",
            tooltip=["label", estimate, "ci_low", "ci_high", "q_value", "verdict"],
        )
        charts[stem if len(table) <= ROWS else f"{stem}_{page + 1}"] = sized(chart, SINGLE)
    return charts or None


def _unique(labels: pd.Series) -> pd.Series:
    """Labels that differ, by a number where they would not."""
    again = labels.groupby(labels).cumcount()
    return labels.where(again == 0, labels + " (" + (again + 1).astype(str) + ")")


@figure(
    title="Resistance index",
    caption="IC50 of the resistant line over that of its parent, with confidence intervals, on a logarithmic axis; the "
    "dashed line is 1. Arrows run to the side on which a limit is open (an IC50 outside the tested doses). Left of 1: "
    "collateral sensitivity.",
)
def resistance_forest(resistance_index: pd.DataFrame) -> Any:
    """Forest of resistance indices, grouped by line."""
    if resistance_index.empty:
        return None
    table = resistance_index.copy()
    extra = differing(table, ("medium", "stage", "hours"))
    table["label"] = _unique(table.apply(condition, axis=1, names=("model", "drug", *extra)))
    table["note"] = table["reason"].where(table["reason"] != "", table["status"])
    colour = _colours((SELECTING, CROSS, PLAIN, COLLATERAL), table["verdict"], "Verdict")
    return _forest(table, "ri", "Resistance index (fold)", colour, "resistance_index")


@figure(
    title="Shift by a perturbation",
    caption="IC50 of perturbed cells over that of their control, with confidence intervals, on a logarithmic axis; the "
    "dashed line is 1. Arrows run to the side on which a limit is open.",
)
def perturbation_forest(perturbation_shift: pd.DataFrame) -> Any:
    """Forest of the ratios of IC50 of perturbed over control cells."""
    if perturbation_shift.empty:
        return None
    table = perturbation_shift.copy()
    extra = differing(table, ("medium", "stage", "hours"))
    names = table.apply(condition, axis=1, names=("model", "drug", *extra))
    control = table["control"].where(table["control"] != "", "no control")
    table["label"] = _unique(table["perturbation"] + " / " + control + ", " + names)
    table["note"] = table["reason"].where(table["reason"] != "", table["status"])
    colour = _colours((RAISES, LOWERS), table["verdict"], "Verdict")
    return _forest(table, "ratio", "IC50 perturbed / control (fold)", colour, "perturbation_shift")


@figure(
    title="Shift by the medium",
    caption="IC50 in another medium over that in the reference medium, with confidence intervals, on a logarithmic "
    "axis; the dashed line is 1.",
)
def medium_forest(medium_shift: pd.DataFrame) -> Any:
    """Forest of the ratios of IC50 between media."""
    if medium_shift.empty:
        return None
    table = medium_shift.copy()
    extra = differing(table, ("perturbation", "stage", "hours"))
    table["label"] = _unique(table.apply(condition, axis=1, names=("medium", "model", "drug", *extra)))
    table["note"] = table["reason"].where(table["reason"] != "", table["status"])
    colour = _colours((RAISES, LOWERS), table["verdict"], "Verdict")
    return _forest(table, "ratio", "IC50 other / reference medium (fold)", colour, "medium_shift")


@figure(
    title="Cross-resistance",
    caption="Resistance index of every line and drug. Colour: log2 of the index (orange: more resistant than the "
    "parent, blue: more sensitive). > and < are bounds, where an IC50 lies outside the tested doses; n.d.: not "
    "determined; n.t.: not tested, or not on the parent (empty cells).",
)
def cross_resistance_matrix(cross_resistance: pd.DataFrame) -> Any:
    """Heat map of drug x line with typed cells; only lines compared with their parent have a column."""
    from rechallenge.report.theme import SINGLE, matrix, sized

    if cross_resistance.empty:
        return None
    table = cross_resistance.copy()
    extra = differing(table, ("medium", "hours"))
    table["line"] = table.apply(condition, axis=1, names=("model", *extra))
    columns, drugs = list(dict.fromkeys(table["line"])), list(dict.fromkeys(table["drug"]))
    every = pd.MultiIndex.from_product([drugs, columns], names=["drug", "line"]).to_frame(index=False)
    cells = every.merge(
        table[["drug", "line", "cell", "log2_shown", "status", "verdict"]], on=["drug", "line"], how="left"
    )
    cells["cell"] = cells["cell"].fillna("n.t.")
    cells = cells.fillna({"status": "not_testable", "verdict": "not tested"})
    chart = matrix(
        cells,
        "line",
        "drug",
        "log2_shown",
        text="cell",
        title="log2 resistance index",
        mid=0.0,
        tooltip=["drug", "line", "cell", "verdict", "status"],
    )
    return {"cross_resistance": sized(chart, SINGLE)}


@figure(
    title="IC50 over stages of resistance",
    caption="IC50 with its interval at every stage of dose escalation, on a logarithmic axis; triangles are bounds "
    "(an IC50 outside the tested doses).",
)
def stage_trend_figure(curves: pd.DataFrame, models: pd.DataFrame | None = None) -> Any:
    """IC50 against stage, one panel per series and drug."""
    import altair as alt

    from rechallenge.report.layers import log_ticks
    from rechallenge.report.theme import DOUBLE, SINGLE, facets, sized

    table = series(filled(curves), models)
    parts = []
    for rows in groups(table, ("line", "drug", "medium", "hours")):
        ordered = rows.sort_values("number", kind="mergesort").drop_duplicates("number")
        if len(ordered) > 1:
            parts.append(ordered)
    if not parts:
        return None
    data = pd.concat(parts, ignore_index=True)
    extra = differing(data, ("medium", "hours"))
    data["panel"] = data.apply(condition, axis=1, names=("line", "drug", *extra))
    data["stage"] = [f"S{v:g}" for v in data["number"]]
    data["shown_um"] = data["ic50_um"].where(data["status"] == "estimated", data["ic50_bound_um"])
    data = data[data["shown_um"].notna()]
    if data.empty:
        return None
    inside = data["status"] == "estimated"
    low = data["ic50_ci_low"].clip(lower=data["dose_min_um"]).where(inside)
    high = data["ic50_ci_high"].clip(upper=data["dose_max_um"]).where(inside)
    data = data.assign(low_um=low, high_um=high)
    data = data[["panel", "stage", "shown_um", "low_um", "high_um", "ic50_bound", "status", "n_replicates"]]
    numbers = data[["shown_um", "low_um", "high_um"]].to_numpy(dtype="float64")
    ends = [float(np.nanmin(numbers)) / 1.2, float(np.nanmax(numbers)) * 1.2]
    scale = alt.Scale(type="log", domain=ends, nice=False)
    axis = alt.Axis(values=log_ticks(*ends))
    x = alt.X("stage:O", title="Stage of dose escalation", axis=alt.Axis(labelAngle=0))

    def y(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", title="IC50 (µM)", scale=scale, axis=axis)

    base = alt.Chart(data)
    shape = alt.Shape(
        "ic50_bound:N",
        legend=None,
        scale=alt.Scale(domain=["", "above", "below"], range=["circle", "triangle-up", "triangle-down"]),
    )
    chart = alt.layer(
        base.mark_line(strokeWidth=0.6, color="#999999").encode(x, y("shown_um")),
        base.mark_rule().encode(x, y("low_um"), alt.Y2("high_um")),
        base.mark_point(size=22).encode(x, y("shown_um"), shape, tooltip=["panel", "stage", "shown_um", "ic50_bound"]),
    ).properties(width=110, height=80)
    names = data["panel"].nunique()
    return {"stage_trend": sized(facets(chart, data, "panel", columns=min(3, names)), DOUBLE if names > 1 else SINGLE)}


@figure(
    title="Plates",
    caption="Raw signal and viability (fraction of the plate's vehicle) of every well. Look for gradients and for "
    "edges that differ.",
)
def plate_maps(viability: pd.DataFrame | None = None, plates: pd.DataFrame | None = None) -> Any:
    """Heat maps of the plates, raw above normalised; None where no well has a place on a plate."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, SEQUENTIAL, sized

    try:
        every = wells(viability, plates)
    except NotApplicable:
        return None
    raw = every[every["signal"].notna() & every["row"].notna()]
    if raw.empty:
        return None
    reference = reference_signal(every, CONDITION).loc[raw.index]
    data = pd.DataFrame(
        {
            "plate": raw["plate"],
            "well": raw["well"],
            "row": [_row_name(int(r)) for r in raw["row"]],
            "column": raw["column"].astype(int),
            "well_type": raw["well_type"],
            "drug": raw["drug"],
            "dose_um": raw["dose_um"],
            "signal": raw["signal"],
            "viability": np.where(reference["why"] == "", reference["net"] / reference["vehicle"], np.nan),
        }
    )
    names = sorted(data["plate"].unique())
    order = [_row_name(i) for i in range(1, 33)]
    charts = {}
    for page, start in enumerate(range(0, len(names), PLATES_A_PAGE)):
        here = data[data["plate"].isin(names[start : start + PLATES_A_PAGE])]
        wide, high = int(here["column"].max()), len(set(here["row"]))
        step = max(3.0, min(9.0, 150 / wide))

        def heat(field: str, title: str, scale: alt.Scale, data: pd.DataFrame = here) -> Any:
            return (
                alt.Chart(data)
                .mark_rect(stroke="white", strokeWidth=0.3)
                .encode(
                    alt.X("column:O", title="Column", axis=alt.Axis(labelAngle=0, labelOverlap=True)),
                    alt.Y("row:O", title="Row", sort=order, axis=alt.Axis(labelOverlap=True)),
                    alt.Color(f"{field}:Q", title=title, scale=scale),
                    tooltip=["plate", "well", "well_type", "drug", "dose_um", "signal", "viability"],
                )
                .properties(width=step * wide, height=step * high)  # noqa: B023  drawn within this turn of the loop
                .facet(facet=alt.Facet("plate:N", title=None), columns=3)
            )

        both = alt.vconcat(
            heat("signal", "Signal (raw)", alt.Scale(scheme=SEQUENTIAL)),
            heat("viability", "Viability (fraction)", alt.Scale(scheme=SEQUENTIAL, domain=[0, 1.2], clamp=True)),
        ).resolve_scale(color="independent")
        charts["plates" if len(names) <= PLATES_A_PAGE else f"plates_{page + 1}"] = sized(both, DOUBLE)
    return charts


def _row_name(number: int) -> str:
    from rechallenge.tables.wells import row_letters

    return row_letters(number)
