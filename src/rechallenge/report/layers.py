"""Layers that every assay needs: dose axis, points with intervals, forest plot, heat map, small multiples."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from rechallenge.report.style import DIVERGING, MUTED, SEQUENTIAL, SMALL, TITLE
from rechallenge.report.words import even

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

#: widest words in place of an interval, in points
NOTE = 90
#: how numbers are written on a dose axis: 0.01, 0.1, 1, 10, 1,000 (never 1e-2)
_PLAIN = "format(datum.value, datum.value >= 1 ? ',.4~r' : '.4~r')"


def log_ticks(low: float, high: float) -> list[float]:
    """Where to put the ticks of a logarithmic axis: decades, or 1-2-5 where there are few of them."""
    span = math.log10(high / low)
    steps = (1,) if span > 3 else (1, 3) if span > 1.7 else (1, 2, 5) if span > 0.6 else (1, 1.2, 1.5, 2, 3, 5, 7)
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    every = [float(f"{m}e{k}") for k in decades for m in steps]
    return [v for v in every if low * (1 - 1e-9) <= v <= high * (1 + 1e-9)]


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
        at = "NaN" if self.vehicle is None else repr(self.vehicle)
        column = f"datum[{json.dumps(dose)}]"
        return chart.transform_calculate(dose_x=f"{column} > 0 ? {column} : {at}")

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

    def break_mark(self) -> list[alt.LayerChart]:
        """A layer with the two strokes of an axis break, as a list: empty where there is no vehicle."""
        if self.vehicle is None:
            return []
        import altair as alt
        import pandas as pd

        at = alt.Chart(pd.DataFrame({"_draw_gap": [self.gap]})).encode(x=self.x("_draw_gap"), y=alt.value("height"))
        gap = at.mark_point(shape="square", color="white", size=12)
        strokes = at.mark_text(text="//", fontSize=TITLE, baseline="middle", color="black")
        return [_layered(gap, strokes)]


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


def _layered(*layers: Any) -> alt.LayerChart:
    import altair as alt

    return cast("alt.LayerChart", alt.layer(*layers))


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
    import pandas as pd

    encoding: dict[str, Any] = {"x": x}
    if color is not None:
        encoding["color"] = color
    scale = alt.Scale(type="log", nice=False) if log else alt.Scale(zero=False)
    axis = alt.Axis(labelExpr=_PLAIN) if log else alt.Axis()
    if log:
        numbers = pd.concat([pd.to_numeric(data[c]) for c in (y, low, high)])
        numbers = numbers[(numbers > 0) & (numbers < float("inf"))]
        values = log_ticks(float(numbers.min()), float(numbers.max())) if len(numbers) else []
        if len(values) > 1:
            axis = alt.Axis(labelExpr=_PLAIN, values=values)
    base = alt.Chart(data).encode(**encoding)
    rules = base.mark_rule().encode(alt.Y(f"{low}:Q", title=title, scale=scale, axis=axis), alt.Y2(high))
    points = base.mark_point().encode(
        alt.Y(f"{y}:Q", title=title, scale=scale, axis=axis), tooltip=list(tooltip) or [y, low, high]
    )
    return _layered(rules, points)


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

    A finite estimate is a point with its interval. A limit that is infinite (or 0 on a log scale) runs to the edge of
    the plot and ends in an arrow head; a row without estimate but with one finite limit is thereby shown as a bound
    ("at least", "at most"), with a tick at the limit. A row with neither carries the text of column `note` (default
    'not estimable'), cut with an ellipsis where it is long. The source data say so in a column `limits`. `reference`
    is the line of no effect (default 1 on a log scale, else 0).
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
        _draw_from=np.where(nothing, np.nan, np.where(np.isfinite(lo), lo, np.where(np.isnan(lo), est, left))),
        _draw_to=np.where(nothing, np.nan, np.where(np.isfinite(hi), hi, np.where(np.isnan(hi), est, right))),
        _draw_left=np.where(~nothing & np.isneginf(lo), left, np.nan),
        _draw_right=np.where(~nothing & np.isposinf(hi), right, np.nan),
        _draw_bound=np.where(bound, np.where(np.isfinite(lo), lo, hi), np.nan),
    )
    words = frame[note].fillna("not estimable").tolist() if note else ["not estimable"] * len(frame)
    drawn["_draw_note"] = [word if none else None for word, none in zip(words, nothing, strict=True)]
    drawn["limits"] = np.select(
        [nothing, np.isposinf(hi) & np.isneginf(lo), np.isposinf(hi), np.isneginf(lo)],
        ["not estimable", "none", "no upper", "no lower"],
        "",
    )
    for c in (estimate, low, high):
        drawn[c] = pd.to_numeric(drawn[c]).replace([np.inf, -np.inf], np.nan)
    scale = alt.Scale(type="log" if log else "linear", domain=[left, right], nice=False)
    axis = alt.Axis(values=log_ticks(left, right), labelExpr=_PLAIN) if log else alt.Axis()

    def x(field: str) -> alt.X:
        return alt.X(f"{field}:Q", title=title, scale=scale, axis=axis)

    order = list(dict.fromkeys(frame[label].tolist()))
    y = alt.Y(
        f"{label}:N",
        title=None,
        scale=alt.Scale(domain=order),
        axis=alt.Axis(domain=False, ticks=False, labelLimit=170, labelPadding=6),
    )
    given: dict[str, Any] = {"color": alt.value("black") if color is None else color}
    base = alt.Chart(drawn).encode(y)
    shown = list(tooltip) or [label, estimate, low, high]

    def heads(field: str, shape: str) -> alt.Chart:
        return cast("alt.Chart", base.mark_point(shape=shape, size=14).encode(x(field), **given))

    layers = [
        alt.Chart(pd.DataFrame({"_draw_reference": [ref]}))
        .mark_rule(color=MUTED, strokeDash=[2, 2], strokeWidth=0.5)
        .encode(x("_draw_reference")),
        base.mark_rule().encode(x("_draw_from"), alt.X2("_draw_to"), tooltip=shown, **given),
    ]
    if np.isneginf(lo[~nothing]).any():
        layers.append(heads("_draw_left", "triangle-left"))
    if np.isposinf(hi[~nothing]).any():
        layers.append(heads("_draw_right", "triangle-right"))
    if bound.any():
        layers.append(base.mark_tick(orient="vertical", height=5).encode(x("_draw_bound"), tooltip=shown, **given))
    layers.append(base.mark_point(size=18).encode(x(estimate), tooltip=shown, **given))
    if nothing.any():
        middle = (math.log10(left) + math.log10(right)) / 2 if log else (left + right) / 2
        beyond = (math.log10(ref) if log else ref) > middle  # then the words run to the left, inside the plot
        layers.append(
            base.transform_filter("isValid(datum._draw_note)")
            .mark_text(
                fontSize=SMALL,
                color=MUTED,
                align="right" if beyond else "left",
                dx=-3 if beyond else 3,
                limit=NOTE,
            )
            .encode(alt.X(datum=ref), text="_draw_note:N")
        )
    return _layered(*layers).properties(width=width, height=alt.Step(row))


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
        domainMid=alt.Undefined if mid is None else mid,
    )
    drawn = data.assign(**{value: np.where(np.isfinite(numbers), numbers, np.nan)})
    if text:
        drawn[text] = even(drawn[text])
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
            base.mark_text(fontSize=SMALL, limit=3 * cell).encode(
                text=f"{text}:N", color=alt.when(dark).then(alt.value("white")).otherwise(alt.value("black"))
            )
        )
    return _layered(*layers).properties(width=alt.Step(cell), height=alt.Step(row))


def facets(
    chart: Any, data: pd.DataFrame, by: str, *, columns: int = 3, title: str | None = None, independent_y: bool = False
) -> Any:
    """Small multiples of `chart` by one column, in the order of the data.

    Layers of `chart` that draw from `data` (the same object) show their part of it in each panel; layers with a
    table of their own are repeated in every panel.
    """
    import altair as alt

    def without(part: Any) -> Any:
        """A layer that holds `data` itself would show all of it in every panel."""
        part = part.copy(deep=False)
        if part.data is data:
            part.data = alt.Undefined
        if isinstance(part, alt.LayerChart):
            part.layer = [without(one) for one in part.layer]
        return part

    order = list(dict.fromkeys(data[by].tolist()))
    faceted = without(chart).facet(
        facet=alt.Facet(f"{by}:N", sort=order, title=title, header=alt.Header(labelFontWeight="bold")),
        columns=columns,
        data=data,
    )
    faceted = faceted.resolve_axis(x="independent")
    return faceted.resolve_scale(y="independent") if independent_y else faceted
