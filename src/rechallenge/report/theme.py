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
'blueorange' do not rest on the difference between red and green.
"""

from rechallenge.report.export import FigureError, export, sized, specification
from rechallenge.report.layers import DoseAxis, dose_axis, facets, forest, log_ticks, matrix, points_and_interval
from rechallenge.report.style import (
    CATEGORY,
    DIVERGING,
    DOUBLE,
    FONT,
    LABEL,
    MUTED,
    PT_PER_MM,
    SEQUENTIAL,
    SINGLE,
    SMALL,
    TITLE,
    WONG,
    theme,
)

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
    "FigureError",
    "dose_axis",
    "export",
    "facets",
    "forest",
    "log_ticks",
    "matrix",
    "points_and_interval",
    "sized",
    "specification",
    "theme",
]
