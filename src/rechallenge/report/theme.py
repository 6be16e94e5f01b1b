"""One look for every figure: sizes, type and colours of a printed page, and the layers that every assay needs.

A figure function returns an ordinary Altair chart; nothing has to be registered. `sized(chart, SINGLE)` says which
column of a page it is for, and `export` applies the theme, fits the whole figure (axes and legends included) to that
width and writes it. One unit of a chart is one point on paper (1/72 inch), so `fontSize=6` is 6 pt.

::

    axis = dose_axis(points["dose_um"])
    chart = alt.layer(
        axis.place(alt.Chart(points)).mark_point().encode(axis.x(), alt.Y("viability", title="Viability (fraction)")),
        *axis.break_mark(),
    ).properties(width=110, height=90)
    return sized(facets(chart, points, "drug", columns=3), DOUBLE)

Colours: B. Wong, Nature Methods 8, 441 (2011), doi:10.1038/nmeth.1618; sequential 'viridis' and diverging
'blueorange' keep their order under the common colour-vision deficiencies.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rechallenge.report.export import DOUBLE, FONT, PT_PER_MM, SINGLE, export, sized

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

__all__ = [
    "CATEGORY",
    "DIVERGING",
    "DOUBLE",
    "FONT",
    "LABEL",
    "MUTED",
    "PT_PER_MM",
    "SEQUENTIAL",
    "SINGLE",
    "SMALL",
    "TITLE",
    "WONG",
    "DoseAxis",
    "dose_axis",
    "export",
    "facets",
    "forest",
    "matrix",
    "points_and_interval",
    "sized",
    "theme",
]

#: type sizes in points: annotations, axis and legend labels, titles
SMALL, LABEL, TITLE = 5, 6, 7
WONG = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky blue": "#56B4E9",
    "bluish green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "reddish purple": "#CC79A7",
}
#: order of use for categories; yellow, weak on white paper, comes last
CATEGORY = [
    WONG[c]
    for c in (
        "blue",
        "vermillion",
        "bluish green",
        "reddish purple",
        "sky blue",
        "orange",
        "black",
        "yellow",
    )
]
MUTED = "#767676"
SEQUENTIAL, DIVERGING = "viridis", "blueorange"
#: how numbers are written on a dose axis: 0.01, 0.1, 1, 10, 1,000 (never 1e-2)
_PLAIN = "format(datum.value, datum.value >= 1 ? ',.4~r' : '.4~r')"


def theme() -> dict[str, Any]:
    """The Vega-Lite `config` of every figure."""
    line = {"domainColor": "black", "tickColor": "black", "domainWidth": 0.5, "tickWidth": 0.5, "tickSize": 3}
    text = {
        "labelFont": FONT,
        "titleFont": FONT,
        "labelFontSize": LABEL,
        "titleFontSize": TITLE,
        "titleFontWeight": "normal",
        "labelColor": "black",
        "titleColor": "black",
    }
    return {
        "font": FONT,
        "background": "white",
        "padding": 2,
        "view": {"stroke": None, "continuousWidth": 160, "continuousHeight": 110, "step": 10},
        "axis": {**line, **text, "grid": False, "titlePadding": 3, "labelPadding": 2, "labelLimit": 110},
        "axisQuantitative": {"tickCount": 5},
        "legend": {
            **text,
            "symbolSize": 25,
            "symbolStrokeWidth": 0.75,
            "rowPadding": 1,
            "padding": 0,
            "offset": 6,
            "labelLimit": 110,
            "gradientThickness": 6,
            "gradientLength": 60,
            "titlePadding": 3,
        },
        "header": {**text, "labelFontSize": LABEL, "labelPadding": 3, "titlePadding": 3, "labelLimit": 150},
        "title": {
            "font": FONT,
            "subtitleFont": FONT,
            "fontSize": TITLE,
            "subtitleFontSize": LABEL,
            "fontWeight": "bold",
            "anchor": "start",
            "color": "black",
            "offset": 4,
        },
        "text": {"font": FONT, "fontSize": LABEL},
        "point": {"size": 12, "filled": True, "opacity": 0.9, "strokeWidth": 0.75},
        "circle": {"size": 12},
        "line": {"strokeWidth": 1},
        "rule": {"strokeWidth": 0.75},
        "tick": {"thickness": 0.75},
        "bar": {"strokeWidth": 0},
        "area": {"opacity": 0.2},
        "errorbar": {"ticks": False},
        "range": {
            "category": CATEGORY,
            "ordinal": {"scheme": SEQUENTIAL},
            "heatmap": {"scheme": SEQUENTIAL},
            "ramp": {"scheme": SEQUENTIAL},
            "diverging": {"scheme": DIVERGING},
        },
        "facet": {"spacing": 10},
        "concat": {"spacing": 10},
    }


@dataclass(frozen=True)
class DoseAxis:
    """A logarithmic dose axis with a place for vehicle (dose 0), left of the lowest dose behind a break mark.

    `low` and `high` are the ends of the scale in the unit of the doses; `vehicle` is where dose 0 is drawn, or None
    where no dose is 0. Data keep their true doses: `place` adds the drawing position as a column `dose_x`.
    """

    low: float
    high: float
    vehicle: float | None
    gap: float
    title: str = "Dose (µM)"

    def place(self, chart: alt.Chart, dose: str = "dose_um") -> alt.Chart:
        """The chart with the column `dose_x` from the column `dose`."""
        import altair as alt

        at = "NaN" if self.vehicle is None else repr(self.vehicle)
        dose_of = alt.datum[dose]
        return chart.transform_calculate(dose_x=alt.expr.if_(dose_of > 0, dose_of, alt.expr(at)))

    def x(self, field: str = "dose_x", **axis: Any) -> alt.X:
        """The x encoding: log scale, decades printed as plain numbers, vehicle as 0."""
        import altair as alt

        lowest = math.ceil(math.log10(self.gap if self.vehicle is not None else self.low) - 1e-9)
        decades = [10.0**k for k in range(lowest, math.floor(math.log10(self.high) + 1e-9) + 1)]
        values = ([] if self.vehicle is None else [self.vehicle]) + decades
        label = _PLAIN if self.vehicle is None else f"datum.value < {self.gap!r} ? '0' : {_PLAIN}"
        return alt.X(
            f"{field}:Q",
            title=axis.pop("title", self.title),
            scale=alt.Scale(type="log", domain=[self.low, self.high], nice=False),
            axis=alt.Axis(values=values, labelExpr=label, labelOverlap=True, **axis),
        )

    def break_mark(self) -> list[alt.Chart]:
        """A layer with the two strokes of an axis break (a list of one chart; empty where there is no vehicle)."""
        if self.vehicle is None:
            return []
        import altair as alt
        import pandas as pd

        return [
            alt.Chart(pd.DataFrame({"dose_x": [self.gap]}))
            .mark_text(text="//", fontSize=TITLE, baseline="middle", color="black")
            .encode(x=self.x(), y=alt.value("height"))
        ]


def dose_axis(doses: Iterable[float], title: str = "Dose (µM)") -> DoseAxis:
    """The dose axis for these doses (µM or any one unit; 0 is vehicle, missing and negative values are ignored).

    Raises ValueError where no dose is above zero.
    """
    known = [float(d) for d in doses if d is not None and math.isfinite(float(d)) and float(d) >= 0]
    above = [d for d in known if d > 0]
    if not above:
        raise ValueError("a dose axis needs a dose above zero")
    low, high = min(above), max(above)
    pad = 10 ** (0.05 * max(1.0, math.log10(high / low)))
    if len(above) == len(known):
        return DoseAxis(low / pad, high * pad, None, low / pad, title)
    step = 10 ** max(0.5, 0.18 * math.log10(high / low))
    vehicle = low / step
    return DoseAxis(vehicle / pad, high * pad, vehicle, low / step**0.5, title)


def points_and_interval(
    data: pd.DataFrame,
    x: Any,
    y: str,
    low: str,
    high: str,
    *,
    title: str,
    color: Any = None,
    log: bool = False,
    tooltip: Sequence[str] = (),
) -> alt.LayerChart:
    """Estimates as points with their intervals as thin vertical rules.

    `x` is an Altair x encoding or a column name; `y`, `low`, `high` are columns in one unit, named in `title`.
    Rows without an interval show the point alone.
    """
    import altair as alt

    encoding: dict[str, Any] = {"x": x}
    if color is not None:
        encoding["color"] = color
    scale = alt.Scale(type="log") if log else alt.Scale(zero=False)
    axis = alt.Axis(labelExpr=_PLAIN) if log else alt.Axis()
    base = alt.Chart(data).encode(**encoding)
    rules = base.mark_rule().encode(alt.Y(f"{low}:Q", title=title, scale=scale, axis=axis), alt.Y2(high))
    points = base.mark_point().encode(
        alt.Y(f"{y}:Q", title=title, scale=scale, axis=axis), tooltip=list(tooltip) or [y, low, high]
    )
    return alt.layer(rules, points)


def forest(
    data: pd.DataFrame,
    label: str,
    estimate: str,
    low: str,
    high: str,
    *,
    title: str,
    log: bool = True,
    reference: float | None = None,
    color: Any = None,
    note: str | None = None,
    row: float = 10,
    width: float = 120,
    tooltip: Sequence[str] = (),
) -> alt.LayerChart:
    """A forest plot, one row per value of `label` in the order given (labels must differ between rows).

    A finite estimate is a point with its interval. A limit that is infinite (or 0 on a log scale) runs to the edge
    of the plot and ends in an arrow head; a row without estimate but with one finite limit is thereby shown as a
    bound ("at least", "at most"), with a tick at the limit. A row with neither carries the text of column `note`
    (default 'not estimable'). `reference` is the line of no effect (default 1 on a log scale, else 0).
    """
    import altair as alt
    import numpy as np
    import pandas as pd

    frame = data.reset_index(drop=True)
    ref = reference if reference is not None else (1.0 if log else 0.0)
    est, lo, hi = (pd.to_numeric(frame[c]).to_numpy(dtype=float) for c in (estimate, low, high))
    if log:
        est = np.where(est > 0, est, np.nan)
        lo = np.where(lo <= 0, -np.inf, lo)
    numbers = np.concatenate([est, lo, hi, [ref]])
    numbers = numbers[np.isfinite(numbers) & ((numbers > 0) | (not log))]
    span = np.log10(numbers) if log else numbers
    pad = 0.08 * max(float(span.max() - span.min()), 0.5 if log else 1e-9)
    edges = [float(span.min() - pad), float(span.max() + pad)]
    left, right = (10.0**e for e in edges) if log else edges
    bound = np.isnan(est) & (np.isfinite(lo) | np.isfinite(hi))
    nothing = np.isnan(est) & ~bound
    drawn = frame.assign(
        _from=np.where(nothing, np.nan, np.where(np.isfinite(lo), lo, np.where(np.isnan(lo), est, left))),
        _to=np.where(nothing, np.nan, np.where(np.isfinite(hi), hi, np.where(np.isnan(hi), est, right))),
        _left=np.where(~nothing & np.isneginf(lo), left, np.nan),
        _right=np.where(~nothing & np.isposinf(hi), right, np.nan),
        _bound=np.where(bound, np.where(np.isfinite(lo), lo, hi), np.nan),
    )
    for c in (estimate, low, high):
        drawn[c] = pd.to_numeric(drawn[c]).replace([np.inf, -np.inf], np.nan)
    scale = alt.Scale(type="log" if log else "linear", domain=[left, right], nice=False, zero=False)
    axis = alt.Axis(labelExpr=_PLAIN, labelOverlap=True) if log else alt.Axis()

    def x(field: str) -> alt.X:
        return alt.X(f"{field}:Q", title=title, scale=scale, axis=axis)

    y = alt.Y(
        f"{label}:N", sort=None, title=None, axis=alt.Axis(domain=False, ticks=False, labelLimit=170)
    )
    given: dict[str, Any] = {} if color is None else {"color": color}
    base = alt.Chart(drawn).encode(y)
    shown = list(tooltip) or [label, estimate, low, high]

    def heads(field: str, shape: str) -> alt.Chart:
        return base.mark_point(shape=shape, size=14).encode(x(field), **given)

    layers = [
        alt.Chart(pd.DataFrame({"reference": [ref]}))
        .mark_rule(color=MUTED, strokeDash=[2, 2], strokeWidth=0.5)
        .encode(x("reference")),
        base.mark_rule().encode(x("_from"), alt.X2("_to"), tooltip=shown, **given),
    ]
    if np.isneginf(lo[~nothing]).any():
        layers.append(heads("_left", "triangle-left"))
    if np.isposinf(hi[~nothing]).any():
        layers.append(heads("_right", "triangle-right"))
    if bound.any():
        layers.append(base.mark_tick(orient="vertical", height=5).encode(x("_bound"), tooltip=shown, **given))
    layers.append(base.mark_point(size=18).encode(x(estimate), tooltip=shown, **given))
    if nothing.any():
        words = (
            frame[note].astype(object).where(frame[note].notna(), "not estimable") if note else "not estimable"
        )
        missing = frame.assign(_note=words, _at=ref)[nothing]
        layers.append(
            alt.Chart(missing)
            .mark_text(fontSize=SMALL, color=MUTED, align="left", dx=3)
            .encode(x("_at"), y, text="_note:N")
        )
    return alt.layer(*layers).properties(width=width, height=alt.Step(row))


def matrix(
    data: pd.DataFrame,
    x: str,
    y: str,
    value: str,
    *,
    text: str | None = None,
    title: str,
    mid: float | None = None,
    limits: tuple[float, float] | None = None,
    cell: float = 22,
    x_title: str | None = None,
    y_title: str | None = None,
    row: float = 12,
    tooltip: Sequence[str] = (),
) -> alt.LayerChart:
    """A heat map with one rectangle per row of `data` and, where `text` names a column, its words in the cells.

    Columns `x` and `y` keep the order of the data. With `mid` the colours diverge from there (blue below, orange
    above) over symmetric limits; without it they run from dark to light. Values beyond `limits` take the end
    colour; a missing value is an empty, outlined cell. `title` names the value with its unit.
    """
    import altair as alt
    import numpy as np
    import pandas as pd

    numbers = pd.to_numeric(data[value]).to_numpy(dtype=float)
    finite = numbers[np.isfinite(numbers)]
    if limits is None:
        limits = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
        if mid is not None:
            reach = max(abs(limits[0] - mid), abs(limits[1] - mid)) or 1.0
            limits = (mid - reach, mid + reach)
        elif limits[0] == limits[1]:
            limits = (limits[0] - 0.5, limits[1] + 0.5)
    low, high = limits
    scale = alt.Scale(
        scheme=SEQUENTIAL if mid is None else DIVERGING,
        domain=[low, high],
        clamp=True,
        **({} if mid is None else {"domainMid": mid}),
    )
    drawn = data.assign(**{value: np.where(np.isfinite(numbers), numbers, np.nan)})
    base = alt.Chart(drawn).encode(
        alt.X(f"{x}:N", sort=None, title=x_title, axis=alt.Axis(labelAngle=-45, domain=False, ticks=False)),
        alt.Y(f"{y}:N", sort=None, title=y_title, axis=alt.Axis(domain=False, ticks=False)),
    )
    shown = list(tooltip) or [y, x, *([text] if text else []), value]
    layers = [
        base.mark_rect(fill=None, stroke="#bbbbbb", strokeWidth=0.5).encode(tooltip=shown),
        base.transform_filter(alt.FieldValidPredicate(field=value, valid=True))
        .mark_rect(stroke="white", strokeWidth=0.5)
        .encode(alt.Color(f"{value}:Q", title=title, scale=scale), tooltip=shown),
    ]
    if text:
        position = (alt.datum[value] - low) / (high - low)
        if mid is None:
            dark = alt.expr.isValid(alt.datum[value]) & (position < 0.55)
        else:
            dark = alt.expr.isValid(alt.datum[value]) & ((position < 0.22) | (position > 0.85))
        layers.append(
            base.mark_text(fontSize=SMALL).encode(
                text=f"{text}:N", color=alt.when(dark).then(alt.value("white")).otherwise(alt.value("black"))
            )
        )
    return alt.layer(*layers).properties(width=alt.Step(cell), height=alt.Step(row))


def facets(
    chart: Any, data: pd.DataFrame, by: str, *, columns: int = 3, title: str | None = None, independent_y: bool = False
) -> Any:
    """Small multiples of `chart` by one column, in the order of the data. Layers must draw from `data` or own none."""
    import altair as alt

    order = list(dict.fromkeys(data[by].tolist()))
    faceted = chart.facet(
        facet=alt.Facet(f"{by}:N", sort=order, title=title, header=alt.Header(labelFontWeight="bold")),
        columns=columns,
        data=data,
    )
    return faceted.resolve_scale(y="independent") if independent_y else faceted
