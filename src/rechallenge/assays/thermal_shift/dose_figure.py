"""The figure of doses by temperature: measured changes and the fitted curves of the strongest proteins."""

from __future__ import annotations

from typing import Any

import pandas as pd

from rechallenge.analysis import figure
from rechallenge.report.words import equals

#: proteins that are drawn
SHOWN = 8


@figure(
    title="Stability over dose and temperature",
    caption="Up to eight proteins with the smallest p of the first comparison over doses: log2 change of soluble "
    "protein from the fitted level without drug, every measurement as a point, temperature as colour; lines join the "
    "fitted values at the doses given. The leftmost points are without drug.",
)
def thermal_shift_doses_figure(thermal_shift: pd.DataFrame, thermal_shift_doses: pd.DataFrame) -> Any:
    """Small multiples over dose, one colour per temperature."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, dose_axis, facets, sized

    if thermal_shift_doses.empty:
        return None
    first = thermal_shift_doses.iloc[0]
    same = (thermal_shift_doses["model"] == first["model"]) & (thermal_shift_doses["treatment"] == first["treatment"])
    data = thermal_shift_doses[same].copy()
    table = thermal_shift[
        (thermal_shift["model"] == first["model"])
        & (thermal_shift["treatment"] == first["treatment"])
        & thermal_shift["protein"].isin(data["protein"])
    ].sort_values(["p_value", "protein"])
    order = list(table["protein"])[:SHOWN]
    q = dict(zip(table["protein"], table["q_value"], strict=True))
    gene = dict(zip(table["protein"], table["gene"].where(table["gene"] != "", table["protein"]), strict=True))
    label = {p: f"{gene[p]} ({equals('q', q[p]) if q[p] >= 0.001 else 'q < 0.001'})" for p in order}
    data = data[data["protein"].isin(order)]
    data["panel"] = data["protein"].map(label)
    data["place"] = data["protein"].map({p: i for i, p in enumerate(order)})
    data = data.sort_values(["place", "temperature_c", "dose_um", "replicate"], kind="mergesort").reset_index(drop=True)
    axis = dose_axis(data["dose_um"], title="Dose (µM)")
    of = axis.place(alt.Chart(data), "dose_um").encode(
        axis.x(),
        alt.Color("temperature_c:Q", title="°C", scale=alt.Scale(scheme="viridis")),
        alt.Detail("temperature_c:N"),
    )
    y = "Log2 change of soluble protein"
    chart = alt.layer(
        of.mark_line(strokeWidth=0.8).encode(alt.Y("fitted:Q", title=y)),
        of.mark_point(size=9).encode(
            alt.Y("value:Q", title=y), tooltip=["temperature_c:Q", "dose_um:Q", "value:Q", "fitted:Q", "replicate:N"]
        ),
    ).properties(width=95, height=75)  # fmt: skip
    return sized(facets(chart, data, "panel", columns=4, independent_y=True), DOUBLE)
