"""The layers that every assay uses: what they draw where an estimate has no number or a limit is open."""

from __future__ import annotations

import io
import math
import re

import altair as alt
import numpy as np
import pandas as pd
import pytest

from rechallenge.report import theme


def texts(chart) -> list[str]:
    svg = theme.export("f", theme.sized(chart, theme.SINGLE))["svg"].decode()
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def drawn(chart) -> pd.DataFrame:
    spec = theme.specification(chart)
    return pd.concat([pd.DataFrame(v) for v in spec["datasets"].values()], ignore_index=True)


def test_colours_are_wongs():
    # doi:10.1038/nmeth.1618, RGB values of the figure
    assert theme.WONG["vermillion"] == f"#{213:02X}{94:02X}{0:02X}"
    assert theme.WONG["sky blue"] == f"#{86:02X}{180:02X}{233:02X}"
    assert sorted(theme.CATEGORY) == sorted(theme.WONG.values())


def dose_chart(doses: list[float]) -> alt.LayerChart:
    data = pd.DataFrame({"dose_um": doses, "viability": np.linspace(1, 0, len(doses))})
    axis = theme.dose_axis(doses)
    points = axis.place(alt.Chart(data)).mark_point().encode(axis.x(), y="viability")
    return alt.layer(points, *axis.break_mark())


def test_a_dose_axis_prints_plain_decades_and_vehicle_as_zero_behind_a_break():
    labels = texts(dose_chart([0, 0.01, 0.1, 1, 10]))
    assert {"0", "0.01", "0.1", "1", "10"} <= set(labels)
    assert "//" in labels
    assert not [t for t in labels if "e" in t and any(c.isdigit() for c in t)]
    assert "Dose (µM)" in labels


def test_a_dose_axis_without_vehicle_has_no_break():
    axis = theme.dose_axis([0.1, 1, 1000])
    assert axis.vehicle is None and axis.break_mark() == []
    labels = texts(dose_chart([0.1, 1, 1000]))
    assert "//" not in labels and "1,000" in labels


def test_vehicle_is_drawn_left_of_the_lowest_dose_and_keeps_dose_zero_in_the_data():
    axis = theme.dose_axis([0, 0.1, 1, 10])
    assert axis.low < axis.vehicle < axis.gap < 0.1
    read = pd.read_csv(io.BytesIO(theme.export("f", dose_chart([0, 0.1, 1, 10]))["csv"]))
    assert read["dose_um"].tolist() == [0, 0.1, 1, 10]
    assert list(read.columns) == ["dose_um", "viability"]


@pytest.mark.parametrize("doses", [[], [0, 0], [float("nan")]])
def test_a_dose_axis_needs_a_dose(doses):
    with pytest.raises(ValueError, match="a dose above zero"):
        theme.dose_axis(doses)


def test_log_ticks_include_one_and_stay_inside():
    assert theme.log_ticks(0.3, 6) == [0.5, 1.0, 2.0, 5.0]
    for low, high in [(0.24, 6.3), (0.001, 1000), (0.9, 1.3), (0.02, 3)]:
        ticks = theme.log_ticks(low, high)
        assert 1.0 in ticks
        assert all(low <= t <= high for t in ticks)
        assert ticks == sorted(ticks)


def limits() -> pd.DataFrame:
    nan, inf = math.nan, math.inf
    rows = [
        ("both", 3.9, 3.1, 4.8),
        ("above", nan, 5.0, inf),
        ("below", nan, 0.0, 0.4),
        ("open", 0.5, 0.3, inf),
        ("none", nan, nan, nan),
        ("point", 2.0, nan, nan),
    ]
    return pd.DataFrame(rows, columns=["drug", "ri", "low", "high"])


def test_a_forest_shows_bounds_as_bounds():
    frame = drawn(theme.forest(limits(), "drug", "ri", "low", "high", title="RI (fold)")).dropna(subset=["drug"])
    frame = frame.set_index("drug")
    assert frame["limits"].to_dict() == {
        "both": "",
        "above": "no upper",
        "below": "no lower",
        "open": "no upper",
        "none": "not estimable",
        "point": "",
    }
    # an arrow head at the edge, to the open side and there alone
    assert frame["_draw_right"].notna().to_dict() == {k: k in ("above", "open") for k in frame.index}
    assert frame["_draw_left"].notna().to_dict() == {k: k == "below" for k in frame.index}
    assert frame["_draw_bound"].dropna().to_dict() == {"above": 5.0, "below": 0.4}
    # bounds carry no point
    assert frame["ri"].dropna().index.tolist() == ["both", "open", "point"]
    assert frame.loc["none", ["_draw_from", "_draw_to"]].isna().all()


def test_a_forest_keeps_the_order_of_its_rows_and_says_what_is_missing():
    labels = texts(theme.forest(limits(), "drug", "ri", "low", "high", title="RI (fold)"))
    rows = [t for t in labels if t in set(limits()["drug"])]
    assert rows == limits()["drug"].tolist()
    assert "not estimable" in labels
    assert "RI (fold)" in labels and "1" in labels


def test_a_forest_takes_the_words_for_what_is_missing_from_a_column():
    noted = limits().assign(reason=["", "", "", "", "the parental curve is flat", ""])
    assert "the parental curve is flat" in texts(
        theme.forest(noted, "drug", "ri", "low", "high", title="RI (fold)", note="reason")
    )


def test_a_forest_on_a_linear_axis_centres_on_zero():
    frame = pd.DataFrame({"g": ["a", "b"], "d": [-1.0, 2.0], "l": [-2.0, 1.0], "h": [-0.1, 3.0]})
    chart = theme.forest(frame, "g", "d", "l", "h", title="Change (%)", log=False)
    assert drawn(chart)["_draw_reference"].dropna().tolist() == [0.0]
    theme.export("f", chart)


def test_a_matrix_keeps_order_shows_its_text_and_leaves_missing_cells_empty():
    cells = pd.DataFrame(
        {"line": ["z", "a", "z", "a"], "drug": ["q", "q", "b", "b"], "v": [1.0, -2.0, np.nan, 9.0], "t": list("wxyz")}
    )
    chart = theme.matrix(cells, "line", "drug", "v", text="t", title="log2 RI", mid=0, limits=(-3, 3))
    labels = texts(chart)
    assert labels.index("z") < labels.index("a") and labels.index("q") < labels.index("b")
    assert {"w", "x", "y"} <= set(labels)
    svg = theme.export("f", chart)["svg"].decode()
    filled = re.findall(r'fill="(rgb[^"]*|#[0-9a-f]{6})" stroke="white"', svg)
    assert len(filled) == 3


def test_points_and_intervals():
    frame = pd.DataFrame({"x": list("abc"), "y": [1.0, 10.0, 100.0], "lo": [0.5, 5, np.nan], "hi": [2.0, 20, np.nan]})
    labels = texts(theme.points_and_interval(frame, "x", "y", "lo", "hi", title="IC50 (µM)", log=True))
    assert {"IC50 (µM)", "1", "10", "100"} <= set(labels)


def test_facets_show_each_part_in_its_own_panel():
    data = pd.DataFrame({"drug": ["b", "b", "a"], "dose_um": [1.0, 10, 1], "v": [1, 0.5, 1]})
    axis = theme.dose_axis([0, *data["dose_um"]])
    layers = alt.layer(axis.place(alt.Chart(data)).mark_point().encode(axis.x(), y="v"), *axis.break_mark())
    chart = theme.facets(layers.properties(width=60, height=50), data, "drug", columns=2)
    svg = theme.export("f", theme.sized(chart, theme.SINGLE))["svg"].decode()
    labels = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert [t for t in labels if t in ("a", "b")] == ["b", "a"]
    assert labels.count("//") == 2
    # three points in all: a panel that showed every row would give six
    assert len(re.findall(rf'fill="{theme.WONG["blue"]}"', svg, re.IGNORECASE)) == 3


def test_words_in_the_cells_of_a_matrix_have_the_same_digits():
    table = pd.DataFrame({"a": ["p", "q"], "b": ["r", "r"], "v": [1.6, 1.2], "said": ["3", "2.3"]})
    drawn = theme.matrix(table, "a", "b", "v", text="said", title="log2").to_dict()
    (rows,) = drawn["datasets"].values()
    assert [r["said"] for r in rows] == ["3.0", "2.3"]
