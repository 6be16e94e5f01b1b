"""Figures of the dose-response stream. Every figure draws every replicate point; bounds are drawn as bounds."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rechallenge.analysis import figure
from rechallenge.assays.dose_response.drawing import condition, differing, lines, marks
from rechallenge.assays.dose_response.perturbations import UNTREATED, parse
from rechallenge.assays.dose_response.resistance import filled
from rechallenge.assays.dose_response.rules import CURVE

if TYPE_CHECKING:
    import altair as alt

#: panels in one figure; more drugs go on further pages
PANELS = 9
VIABILITY, DOSE = "Viability (fraction of vehicle)", "Dose (µM)"


def slug(text: str) -> str:
    """A name for a file: letters, digits and underscores."""
    return re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_") or "unnamed"


def _pages(charts: dict[str, Any]) -> Any:
    """None for nothing to draw, one chart, or all of them by name."""
    return charts or None


def _plain(table: pd.DataFrame) -> pd.Series:
    """Curves of untouched cells in the usual medium, without a stage (or at S0 where a line has no other)."""
    usual = table["perturbation"].str.casefold().isin(UNTREATED) & (table["medium"] == "")
    staged = table["stage"] != ""
    unstaged = (usual & ~staged).groupby([table[c] for c in ("model", "drug", "hours")], dropna=False).transform("any")
    return usual & (~staged | (table["stage"].str.fullmatch(r"(?i)s?0") & ~unstaged))


def panels(
    curves: pd.DataFrame,
    responses: pd.DataFrame,
    panel: pd.Series,
    colour: pd.Series,
    title: str,
    colours: list[str],
) -> Any:
    """Small multiples of fitted curves with all their points.

    `panel` and `colour` name, row by row of `curves`, the panel and the colour of each curve; `title` is that of the
    colour and `colours` their order. Points are biological replicates (technical wells averaged), told apart by
    shape; those left out are grey crosses. The band is the confidence band of the line, the bar at the level of the
    IC50 its interval, `IC50 >` at the last dose a bound.
    """
    import altair as alt

    from rechallenge.report.theme import DOUBLE, LABEL, MUTED, SINGLE, SMALL, dose_axis, facets, sized

    keys = list(CURVE)
    named = curves.assign(panel=panel, curve=colour)[[*keys, "panel", "curve"]]
    fits, ic50s = (t.merge(named, on=keys) for t in (lines(curves), marks(curves)))
    seen = filled(responses).merge(named, on=keys)
    seen = seen[seen["response"].notna() & ((seen["dose_um"] > 0) | _varies(seen))]
    by = [*keys, "panel", "curve", "dose_um", "replicate", "excluded"]
    seen = seen.groupby(by, dropna=False, sort=True, as_index=False).agg(
        viability=("response", "mean"), n_wells=("n_wells", "sum")
    )
    order = list(dict.fromkeys(named["panel"]))
    crowd = ic50s.groupby(["panel", "bound"]).cumcount()
    ic50s["_draw_mark"] = ic50s["level"] - 0.075 * crowd.where(ic50s["bound"] != "", 0)
    seen["part"] = np.where(seen["excluded"] == "", "replicate", "excluded")
    parts = [seen, fits.assign(part="fit"), ic50s.assign(part="IC50")]
    keep = ["part", "panel", "curve", "dose_um", "replicate", "viability", "n_wells", "fitted", "fitted_low"]
    keep += ["fitted_high", "level", "ic50_low", "ic50_high", "bound", "excluded", "_draw_mark"]
    data = pd.concat([p for p in parts if len(p)], ignore_index=True).reindex(columns=keep)
    data["_draw_order"] = data["panel"].map({p: i for i, p in enumerate(order)})
    data = data.sort_values("_draw_order", kind="mergesort").drop(columns="_draw_order").reset_index(drop=True)
    for name in ("replicate", "bound", "excluded"):
        data[name] = [None if pd.isna(v) else v for v in data[name]]
    axis = dose_axis(seen["dose_um"], title=DOSE)
    top = float(np.nanmax(np.concatenate([seen["viability"], [1.0]])))
    scale = alt.Scale(domain=[0, max(1.2, 1.05 * top)], nice=False, clamp=True)
    legend = alt.Legend(symbolOpacity=1, symbolType="stroke")
    paint = alt.Color("curve:N", title=title, sort=list(dict.fromkeys(colours)), legend=legend)
    base = axis.place(alt.Chart(data))

    def of(part: str, extra: str = "") -> alt.Chart:
        return base.transform_filter(f"datum.part === '{part}'{extra}")

    def y(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", title=VIABILITY, scale=scale)

    x, detail = axis.x(), ["replicate:N", "n_wells:Q"]
    layers = [
        of("fit").mark_area(opacity=0.15).encode(x, y("fitted_low"), alt.Y2("fitted_high"), paint),
        of("fit").mark_line(strokeWidth=0.9).encode(x, y("fitted"), paint),
        of("replicate")
        .mark_point(size=9, filled=False, strokeWidth=0.6)
        .encode(
            x,
            y("viability"),
            paint,
            alt.Shape("replicate:N", title="Replicate"),
            tooltip=["panel:N", "curve:N", "dose_um:Q", "viability:Q", *detail],
        ),
        of("excluded")
        .mark_text(text="×", fontSize=LABEL, baseline="middle", color=MUTED)
        .encode(x, y("viability"), tooltip=["panel:N", "curve:N", "dose_um:Q", "viability:Q", "excluded:N", *detail]),
        of("IC50", " && !datum.bound")
        .mark_rule(strokeWidth=1.6)
        .encode(axis.x("ic50_low"), alt.X2("ic50_high"), y("level"), paint),
        of("IC50", " && !datum.bound")
        .mark_point(shape="diamond", size=22, filled=True)
        .encode(x, y("level"), paint, tooltip=["curve:N", "dose_um:Q", "ic50_low:Q", "ic50_high:Q"]),
        of("IC50", " && datum.bound === 'above'")
        .mark_text(text="IC50 >", fontSize=SMALL, align="right", dx=4, fontWeight="bold")
        .encode(x, y("_draw_mark"), paint),
        of("IC50", " && datum.bound === 'below'")
        .mark_text(text="< IC50", fontSize=SMALL, align="left", dx=-4, fontWeight="bold")
        .encode(x, y("_draw_mark"), paint),
        *axis.break_mark(),
    ]
    half = alt.Chart(pd.DataFrame({"_draw_level": [float(curves["level"].iloc[0])]}))
    rule = half.mark_rule(color=MUTED, strokeDash=[2, 2], strokeWidth=0.4).encode(
        alt.Y("_draw_level:Q", title=VIABILITY, scale=scale)
    )
    chart = alt.layer(rule, *layers).properties(width=120, height=90)
    return sized(facets(chart, data, "panel", columns=min(3, len(order))), DOUBLE if len(order) > 1 else SINGLE)


def _varies(seen: pd.DataFrame) -> pd.Series:
    """Points at dose 0 that say something: not those that were divided by themselves."""
    return (seen["response"] - 1.0).abs() > 1e-6


def _named_drugs(table: pd.DataFrame, colour: pd.Series, responses: pd.DataFrame, title: str, stem: str) -> Any:
    """One panel per drug, pages of `PANELS` panels."""
    drugs = list(dict.fromkeys(table["drug"]))
    charts = {}
    for page, start in enumerate(range(0, len(drugs), PANELS)):
        on_page = table["drug"].isin(drugs[start : start + PANELS])
        name = stem if len(drugs) <= PANELS else f"{stem}_{page + 1}"
        charts[name] = panels(table[on_page], responses, table["drug"][on_page], colour[on_page], title, list(colour))
    return _pages(charts)


@figure(
    title="Dose-response curves",
    caption="Viability over dose, one panel per drug. Points are biological replicates (technical wells averaged; the "
    "shape tells the replicate), lines the fitted curves with their confidence bands. The diamond and bar at the "
    "dashed level are the IC50 and its interval; 'IC50 >' marks an IC50 above the tested doses.",
)
def dose_response_curves(curves: pd.DataFrame, responses: pd.DataFrame, models: pd.DataFrame | None = None) -> Any:
    """Curves of the unperturbed lines, models as colours in the order of the study."""
    table = filled(curves)
    if models is not None:
        place = {m: i for i, m in enumerate(models["model"])}
        table["_at"] = table["model"].map(place).fillna(len(place))
        table = table.sort_values(["drug", "_at", "model"], kind="mergesort")
    chosen = table[_plain(table)]
    if chosen.empty:
        chosen = table[[parse(p).control for p in table["perturbation"]]]
    if chosen.empty:
        return None
    extra = differing(chosen, ("hours", "medium", "stage", "perturbation"))
    colour = chosen.apply(condition, axis=1, names=("model", *extra))
    return _named_drugs(chosen, colour, responses, "Model", "dose_response")


@figure(
    title="Dose-response of perturbed cells",
    caption="Viability over dose of perturbed and control cells, one panel per line and drug; marks as in the figure "
    "of the dose-response curves.",
)
def perturbation_curves(curves: pd.DataFrame, responses: pd.DataFrame) -> Any:
    """Curves of perturbed cells beside their controls, perturbations as colours."""
    table = filled(curves)
    moved = table[[not parse(p).control for p in table["perturbation"]]]
    keys = ["model", "drug", "medium", "stage", "hours"]
    chosen = table.merge(moved[keys].drop_duplicates(), on=keys)
    if chosen.empty:
        return None
    return _conditions(chosen, responses, "perturbation", "Perturbation", "perturbation_curves")


@figure(
    title="Dose-response in other media",
    caption="Viability over dose in different media, one panel per line and drug; marks as in the figure of the "
    "dose-response curves.",
)
def medium_curves(curves: pd.DataFrame, responses: pd.DataFrame) -> Any:
    """Curves of lines that were tested in several media, media as colours."""
    table = filled(curves)
    keys = ["model", "drug", "perturbation", "stage", "hours"]
    many = table.groupby(keys, dropna=False)["medium"].nunique().loc[lambda n: n > 1].reset_index()
    chosen = table.merge(many[keys], on=keys)
    if chosen.empty:
        return None
    chosen["medium_name"] = chosen["medium"].where(chosen["medium"] != "", "usual medium")
    return _conditions(chosen, responses, "medium_name", "Medium", "medium_curves")


@figure(
    title="Dose-response by stage",
    caption="Viability over dose at the stages of dose escalation, one panel per line and drug; marks as in the "
    "figure of the dose-response curves.",
)
def stage_curves(curves: pd.DataFrame, responses: pd.DataFrame) -> Any:
    """Curves of a line at its stages, stages as colours."""
    table = filled(curves)
    table = table[table["perturbation"].str.casefold().isin(UNTREATED)]
    keys = ["model", "drug", "medium", "hours"]
    many = table.groupby(keys, dropna=False)["stage"].nunique().loc[lambda n: n > 1].reset_index()
    chosen = table.merge(many[keys], on=keys)
    if chosen.empty:
        return None
    chosen["stage_name"] = chosen["stage"].where(chosen["stage"] != "", "no stage given")
    return _conditions(chosen, responses, "stage_name", "Stage", "stage_curves")


def _conditions(chosen: pd.DataFrame, responses: pd.DataFrame, colour: str, title: str, stem: str) -> Any:
    """One panel per line and drug, one colour per value of a column."""
    extra = differing(chosen, tuple(c for c in ("medium", "stage", "hours") if not colour.startswith(c)))
    chosen = chosen.reset_index(drop=True)
    panel = chosen.apply(condition, axis=1, names=("model", "drug", *extra))
    names = list(dict.fromkeys(panel))
    charts = {}
    for page, start in enumerate(range(0, len(names), PANELS)):
        here = panel.isin(names[start : start + PANELS])
        name = stem if len(names) <= PANELS else f"{stem}_{page + 1}"
        # controls first, so that they have the same colour on every page
        order = sorted(dict.fromkeys(chosen[colour]), key=lambda v: (not parse(str(v)).control, str(v)))
        charts[name] = panels(chosen[here], responses, panel[here], chosen[colour][here], title, order)
    return _pages(charts)
