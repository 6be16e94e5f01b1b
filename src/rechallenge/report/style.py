"""Sizes, type and colours of every figure."""

from __future__ import annotations

from typing import Any, Literal

#: points (1/72 inch) in a millimetre; one unit of a chart is one point
PT_PER_MM = 72 / 25.4
#: width of a figure of one column (89 mm) and of two columns (183 mm), in points
SINGLE, DOUBLE = 89 * PT_PER_MM, 183 * PT_PER_MM
#: every text is set in this list: where the first font is missing the next is taken. A lone missing font would
#: make the text vanish from the exported files without a word.
FONT = "Arial, Liberation Sans, sans-serif"
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
SEQUENTIAL: Literal["viridis"] = "viridis"
DIVERGING: Literal["blueorange"] = "blueorange"


#: widest text in points before it is cut with an ellipsis; the full text stays in the source data
LONGEST_LABEL, LONGEST_TITLE, LONGEST_TEXT = 110, 230, 160


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
    limits = {"labelLimit": LONGEST_LABEL, "titleLimit": LONGEST_TITLE}
    return {
        "font": FONT,
        "background": "white",
        "padding": 2,
        "aria": False,
        "tooltipFormat": {"numberFormat": ".4~g"},
        "view": {"stroke": None, "continuousWidth": 160, "continuousHeight": 110, "step": 10},
        "axis": {**line, **text, "grid": False, "titlePadding": 3, "labelPadding": 2, **limits},
        "axisQuantitative": {"tickCount": 5},
        "legend": {
            **text,
            "symbolSize": 25,
            "symbolStrokeWidth": 0.75,
            "rowPadding": 1,
            "padding": 0,
            "offset": 6,
            **limits,
            "titleLimit": LONGEST_LABEL,
            "gradientThickness": 6,
            "gradientLength": 60,
            "titlePadding": 3,
        },
        "header": {**text, "labelFontSize": LABEL, "labelPadding": 3, "titlePadding": 3, **limits, "labelLimit": 150},
        "title": {
            "font": FONT,
            "subtitleFont": FONT,
            "fontSize": TITLE,
            "subtitleFontSize": LABEL,
            "fontWeight": "bold",
            "anchor": "start",
            "color": "black",
            "limit": LONGEST_TITLE,
            "offset": 4,
        },
        "text": {"font": FONT, "fontSize": LABEL, "limit": LONGEST_TEXT},
        "mark": {"color": WONG["blue"]},
        "point": {"size": 12, "filled": True, "opacity": 1, "strokeWidth": 0.75},
        "circle": {"size": 12, "opacity": 1},
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
