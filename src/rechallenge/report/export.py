"""One Altair chart -> SVG, PDF, PNG, its numbers as CSV, and its specification, at the width of a printed column.

The same chart gives the same bytes on every run: random identifiers are renumbered, nothing carries a date.
"""

from __future__ import annotations

import json
import math
import re
from functools import lru_cache
from typing import Any
from xml.sax.saxutils import unescape

from rechallenge import hidden
from rechallenge.report.pdf import stable_pdf
from rechallenge.report.style import DOUBLE, FONT, PT_PER_MM, SINGLE, theme
from rechallenge.spreadsheet import csv_text

PNG_DPI = 300
#: a fitted figure may be so many points narrower than its column; the rest is white
SLACK = 3.0
#: a plot is no narrower than this, and text that leaves no room is cut to no less than that (points)
NARROWEST, SHORTEST = 20.0, 70.0
#: columns of a chart's data whose name begins so are positions on the page and no part of the source data
DRAWING = "_draw_"
#: sizes of type that a printed figure may have, in points
SIZES = (5.0, 8.0)


class FigureError(ValueError):
    """A figure that cannot be printed as it is; the text says what to change."""


def sized(chart: Any, width: float) -> Any:
    """The chart marked for a figure of this total width in points (`SINGLE`, `DOUBLE`), axes and legends included.

    Widths set inside the chart then only say how wide its parts are relative to one another.
    """
    known = chart.usermeta if isinstance(getattr(chart, "usermeta", None), dict) else {}
    marked = chart.copy(deep=False)
    marked.usermeta = {**known, "figure_width": round(float(width), 3)}
    return marked


def export(name: str, chart: Any) -> dict[str, bytes]:
    """The files of one figure: `svg` (editable text), `pdf`, `png` (300 dpi), `csv` (the numbers drawn), `json`.

    `name` is used in messages alone. The chart may be an Altair chart or a Vega-Lite specification; its data must be
    inside it. Long text is cut with an ellipsis in the drawing alone; where it still leaves no room for the plot, the
    figure is drawn wider. Raises FigureError where the chart refers to data elsewhere, or sets text outside 5 to 8 pt
    or in a font of its own.
    """
    spec = specification(chart)
    try:
        svg, width, height = _fitted(spec)
        _check_text(svg)
    except FigureError as e:
        raise FigureError(f"figure {name}: {e}") from None
    import vl_convert as vlc

    _fonts_are_there()
    inner = svg[svg.index(">", svg.index("<svg")) + 1 :]
    inner = re.sub(r'^<rect width="[\d.]+"', f'<rect width="{width:.3f}"', inner)  # white to the edge of the page
    points = _root(f"{width:.3f}", f"{height:g}", width, height) + inner
    wide, high = (f"{round(length / PT_PER_MM, 2):g}mm" for length in (width, height))
    return {
        "svg": (_root(wide, high, width, height) + inner + "\n").encode(),
        "pdf": stable_pdf(vlc.svg_to_pdf(points)),
        "png": vlc.svg_to_png(points, ppi=PNG_DPI),
        "csv": source_data(spec).encode(),
        "json": (json.dumps(spec, ensure_ascii=False, separators=(",", ":"), sort_keys=True) + "\n").encode(),
    }


def specification(chart: Any) -> dict[str, Any]:
    """The self-contained Vega-Lite specification of a chart, theme included, without anything random in it.

    Raises FigureError where the chart refers to data that it does not hold.
    """
    if isinstance(chart, dict):
        spec = json.loads(json.dumps(chart))
    else:
        import altair as alt
        from altair.utils import schemapi

        with alt.data_transformers.enable("default", max_rows=None):
            spec = chart.to_dict(validate=schemapi.DEBUG_MODE)
    spec = _renumbered(_plain(spec))
    spec["config"] = _merged(theme(), _without_altair_default(spec.get("config", {})))
    for holder in _walk(spec):
        data = holder.get("data")
        if isinstance(data, dict) and "url" in data:
            raise FigureError(f"its data lie elsewhere ({data['url']}); a figure carries its own numbers")
    return spec


def source_data(spec: dict[str, Any]) -> str:
    """The numbers of a specification as CSV, columns as the figure function named them.

    Layers that share a table share its rows; where a figure draws from several tables a first column `part`
    numbers them in the order of drawing, and each has its own columns filled. Columns named `_draw_...` are positions
    on the page, not data, and left out.
    """
    import pandas as pd

    stored = spec.get("datasets", {})
    tables: list[list[dict[str, Any]]] = []
    seen: set[str] = set()
    for holder in _walk(spec):
        data = holder.get("data")
        if not isinstance(data, dict):
            continue
        values = data.get("values")
        if values is None and data.get("name") in stored:
            if data["name"] in seen:
                continue
            seen.add(data["name"])
            values = stored[data["name"]]
        if isinstance(values, list) and values:
            tables.append([v if isinstance(v, dict) else {"data": v} for v in values])
    if not tables:
        return ""
    frames = [f.loc[:, [not str(c).startswith(DRAWING) for c in f.columns]] for f in map(pd.DataFrame, tables)]
    frames = [f for f in frames if len(f.columns)]
    if not frames:
        return ""
    if len(frames) > 1:
        for i, f in enumerate(frames, start=1):
            f.insert(0, "part", i)
    joined = pd.concat([f.astype(object) for f in frames], ignore_index=True)
    return csv_text(joined)


def _walk(node: Any) -> Any:
    """Every dict of a specification outside its data, outer ones first, in the order of drawing."""
    if isinstance(node, dict):
        yield node
        for key, value in node.items():
            if key not in ("data", "datasets", "config", "usermeta"):
                yield from _walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from _walk(value)


def _plain(spec: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN or infinity: such values become null. SVG has no control characters: they are left out."""

    def clean(node: Any) -> Any:
        if isinstance(node, str):
            return hidden.without(node)
        if isinstance(node, dict):
            return {clean(k): clean(v) for k, v in node.items()}
        if isinstance(node, list):
            return [clean(v) for v in node]
        return None if isinstance(node, float) and not math.isfinite(node) else node

    return clean(spec)  # type: ignore[no-any-return]


def _renumbered(spec: dict[str, Any]) -> dict[str, Any]:
    """Altair numbers views and parameters by a counter of the process; here they count from 1 in each figure."""
    datasets = spec.pop("datasets", None)
    text = json.dumps(spec)
    for stem in ("view", "param"):
        names = list(dict.fromkeys(re.findall(rf'"({stem}_\d+)"', text)))
        for i, old in enumerate(names, start=1):
            text = re.sub(rf"\b{old}\b", f"{stem}#{i}", text)
        text = text.replace(f"{stem}#", f"{stem}_")
    out: dict[str, Any] = json.loads(text)
    if datasets is not None:
        out["datasets"] = datasets
    return out


def _without_altair_default(config: dict[str, Any]) -> dict[str, Any]:
    """Altair writes its own default view size into every chart; the theme's sizes stand instead."""
    config = dict(config)
    if config.get("view") == {"continuousHeight": 300, "continuousWidth": 300}:
        del config["view"]
    return config


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for k, v in over.items():
        out[k] = _merged(out[k], v) if isinstance(v, dict) and isinstance(out.get(k), dict) else v
    return out


# fitting ------------------------------------------------------------------------------------------------------


def _svg(spec: dict[str, Any]) -> tuple[str, float, float]:
    """A specification as SVG text, with its width and height."""
    import vl_convert as vlc

    svg: str = vlc.vegalite_to_svg(spec, allowed_base_urls=[])
    svg = re.sub(r'<(text|line)\b[^>]* opacity="0"[^>]*>(?:[^<]*</\1>)?', "", svg)  # labels that found no place
    svg = re.sub(r'<path[^>]* d=""[^>]*/>', "", svg)
    svg = re.sub(r' (?:class|role|aria-[a-z]+|pointer-events)="[^"]*"| opacity="1"', "", svg)
    for stem in ("gradient_", "clip"):
        for i, old in enumerate(dict.fromkeys(re.findall(rf'\bid="({stem}\d+)"', svg))):
            svg = re.sub(rf'\b{old}(?=[")])', f"{stem}#{i}", svg)
        svg = svg.replace(f"{stem}#", stem)
    root = re.search(r'<svg[^>]* width="([\d.]+)" height="([\d.]+)"', svg)
    if root is None:
        raise FigureError("it could not be drawn")
    return svg, float(root[1]), float(root[2])


def _fitted(spec: dict[str, Any]) -> tuple[str, float, float]:
    """Scale the plots of `spec` (in place) until the whole figure is as wide as its column; SVG, width, height.

    Type, labels and legends keep their size, so the width of the whole is close to linear in that of the plots; it
    moves in steps of whole points. The widest drawing that fits is taken. Where text leaves no room in a narrow
    column the figure takes a wide one, then its text is cut shorter, and at last the whole drawing is made smaller:
    no figure is lost for its text.
    """
    wanted = spec.get("usermeta", {}).get("figure_width")
    drawn = _svg(spec)
    if wanted is None:
        wanted = SINGLE if drawn[1] <= SINGLE else DOUBLE
        if drawn[1] <= wanted:
            return drawn[0], wanted, drawn[2]
    plots = _plot_widths(spec)
    for width in dict.fromkeys((wanted, max(wanted, DOUBLE))):
        if (fitting := _fitted_to(spec, plots, drawn, width)) is not None:
            return _settled(spec, fitting, wanted, width)
    _cut_text(spec)
    _scale(plots, 1.0)
    drawn, width = _svg(spec), max(wanted, DOUBLE)
    if (fitting := _fitted_to(spec, plots, drawn, width)) is not None:
        return _settled(spec, fitting, wanted, width)
    _scale(plots, 1.0)
    return _settled(spec, _shrunk(drawn, width), wanted, width)


def _settled(
    spec: dict[str, Any], drawn: tuple[str, float, float], wanted: float, width: float
) -> tuple[str, float, float]:
    """The drawing with the width of its column, which is written into `spec` where it is not the one asked for."""
    if width != wanted:
        spec["usermeta"] = {**spec.get("usermeta", {}), "figure_width": round(width, 3)}
    return drawn[0], width, drawn[2]


def _fitted_to(
    spec: dict[str, Any], plots: list[tuple[dict[str, Any], str, float]], drawn: tuple[str, float, float], wanted: float
) -> tuple[str, float, float] | None:
    """The widest drawing of `spec` (its plots scaled in place) within `wanted` points, None where none is.

    `drawn` is the drawing with the plots unscaled. Plots narrower than `NARROWEST` count as not fitting.
    """
    tried = {1.0: drawn}
    while plots and len(tried) < 8:
        fits = {s: w for s, (_, w, _) in tried.items() if w <= wanted}
        if any(w >= wanted - SLACK for w in fits.values()):
            break
        scale = _next_scale({s: w for s, (_, w, _) in tried.items()}, wanted)
        if scale in tried or not 0.05 <= scale <= 20:
            break
        _scale(plots, scale)
        tried[scale] = _svg(spec)
    widths = [before for _, key, before in plots if key == "width"]
    least = min(1.0, NARROWEST / min(widths)) if widths else 0.0
    fitting = {s: one for s, one in tried.items() if one[1] <= wanted and s >= least}
    if not fitting:
        return None
    best = max(fitting, key=lambda s: (fitting[s][1], s))
    _scale(plots, best)
    return fitting[best]


def _cut_text(spec: dict[str, Any]) -> None:
    """Limit every text to `SHORTEST` points, also where the figure asks for longer text (in place)."""
    for node in (*_walk(spec), *_walk(spec["config"])):
        for key in ("limit", "labelLimit", "titleLimit"):
            if key in node:
                node[key] = min(float(node[key]) or SHORTEST, SHORTEST)


def _shrunk(drawn: tuple[str, float, float], wanted: float) -> tuple[str, float, float]:
    """A drawing that is too wide, made smaller as a whole, type included."""
    svg, width, height = drawn
    share = wanted / width
    inner = svg[svg.index(">", svg.index("<svg")) + 1 : svg.rindex("</svg>")]
    white = f'<rect width="{wanted:.3f}" height="{height * share:g}" fill="white"/>'
    root = _root(f"{wanted:.3f}", f"{height * share:g}", wanted, height * share)
    return f'{root}{white}<g transform="scale({share:.6f})">{inner}</g></svg>', wanted, height * share


def _next_scale(widths: dict[float, float], wanted: float) -> float:
    """The scale to try next, from the widths at those tried: by the line through two, or halfway between them."""
    aim = wanted - SLACK / 2
    if len(widths) == 1:
        ((scale, width),) = widths.items()
        return round(max(0.2, scale * (1 + (aim - width) / (0.8 * width))), 4)
    below = max((s for s, w in widths.items() if w <= wanted), default=None)
    above = min((s for s, w in widths.items() if w > wanted), default=None)
    if below is not None and above is not None and len(widths) > 3:
        return round((below + above) / 2, 4)
    (s0, w0), (s1, w1) = sorted(widths.items(), key=lambda sw: abs(sw[1] - aim))[:2]
    if w0 == w1:
        return round(s0 * (0.8 if w0 > wanted else 1.25), 4)
    return round(s0 + (aim - w0) * (s1 - s0) / (w1 - w0), 4)


def _scale(plots: list[tuple[dict[str, Any], str, float]], scale: float) -> None:
    for owner, key, before in plots:
        owner[key] = round(before * scale, 2)


def _plot_widths(spec: dict[str, Any]) -> list[tuple[dict[str, Any], str, float]]:
    """Every number that sets the width of a plot: (dict that holds it, key, value)."""
    found: list[tuple[dict[str, Any], str, float]] = []
    for node in _walk(spec):
        if not any(k in node for k in ("mark", "layer", "spec", "hconcat", "vconcat", "concat")):
            continue
        width = node.get("width")
        if isinstance(width, int | float):
            found.append((node, "width", float(width)))
        elif isinstance(width, dict) and isinstance(width.get("step"), int | float):
            found.append((width, "step", float(width["step"])))
    view = spec["config"].setdefault("view", {})
    for key in ("continuousWidth", "step"):
        if isinstance(view.get(key), int | float):
            holder = view if key == "continuousWidth" else view.setdefault("discreteWidth", {"step": view["step"]})
            if isinstance(holder, dict):
                inner = "continuousWidth" if key == "continuousWidth" else "step"
                found.append((holder, inner, float(holder[inner])))
    return found


# text -----------------------------------------------------------------------------------------------------------


def _check_text(svg: str) -> None:
    fonts = {unescape(f, {"&quot;": '"'}) for f in re.findall(r'font-family="([^"]*)"', svg)}
    if strange := sorted(fonts - {FONT}):
        raise FigureError(f"it sets text in {', '.join(strange)}; leave the font to the theme")
    sizes = {float(s) for s in re.findall(r'font-size="([\d.]+)px"', svg)}
    if bad := sorted(s for s in sizes if not SIZES[0] <= s <= SIZES[1]):
        raise FigureError(f"it sets text of {', '.join(f'{s:g}' for s in bad)} pt; use 5 to 7 pt")


@lru_cache(maxsize=1)
def _fonts_are_there() -> None:
    """Raise RuntimeError where text would vanish, which happens when no font of the list can be found."""
    import vl_convert as vlc

    blank = _root("40", "20", 40, 20) + "</svg>"
    text = blank.replace("</svg>", f'<text x="2" y="15" font-family="{FONT}" font-size="12px">Ag</text></svg>')
    if vlc.svg_to_png(blank) == vlc.svg_to_png(text):
        raise RuntimeError("figures cannot be drawn: no sans-serif font was found; install Liberation Sans or Arial")


def _root(width: str, height: str, points_wide: float, points_high: float) -> str:
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" version="1.1" '
        f'width="{width}" height="{height}" viewBox="0 0 {points_wide:.3f} {points_high:g}">'
    )
