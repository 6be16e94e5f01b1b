"""Exported figures: readable text, the width of a printed column, the numbers drawn, the same bytes every time."""

from __future__ import annotations

import io
import json
import re
import struct

import altair as alt
import numpy as np
import pandas as pd
import pytest
import vl_convert as vlc
from pypdf import PdfReader

from rechallenge.report import theme


def scatter(n: int = 40) -> alt.Chart:
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"x": rng.normal(size=n), "y": rng.normal(size=n), "line": ["a", "b"] * (n // 2)})
    return (
        alt.Chart(data)
        .mark_point()
        .encode(
            alt.X("x", title="Dose (µM)"), alt.Y("y", title="Viability (fraction)"), alt.Color("line", title="Line")
        )
    )


def grid() -> alt.ConcatChart:
    chart = scatter().properties(width=100, height=60)
    return alt.concat(chart, chart, chart, columns=2)


def svg_of(files: dict[str, bytes]) -> str:
    return files["svg"].decode()


def png_width(png: bytes) -> int:
    return int(struct.unpack(">I", png[16:20])[0])


@pytest.mark.parametrize(("width", "millimetres"), [(theme.SINGLE, 89), (theme.DOUBLE, 183)])
@pytest.mark.parametrize("make", [scatter, grid])
def test_a_figure_is_as_wide_as_its_column_whatever_its_parts(make, width, millimetres):
    files = theme.export("f", theme.sized(make(), width))
    root = re.match(r"<svg[^>]*>", svg_of(files))[0]
    assert f'width="{millimetres}mm"' in root
    page = PdfReader(io.BytesIO(files["pdf"])).pages[0].mediabox
    assert float(page.width) / 72 * 25.4 == pytest.approx(millimetres, abs=0.1)
    assert png_width(files["png"]) / 300 * 25.4 == pytest.approx(millimetres, abs=0.2)
    # the drawing fills its column: nothing ends more than a few points before the edge, nothing beyond it
    spec = json.loads(files["json"])
    drawn = float(re.search(r'<svg[^>]* width="([\d.]+)"', vlc.vegalite_to_svg(spec))[1])
    assert width - 6 <= drawn <= width


def test_without_a_given_width_the_narrower_column_is_taken_where_it_fits():
    small = scatter().properties(width=80, height=60)
    assert 'width="89mm"' in svg_of(theme.export("f", small))
    assert 'width="183mm"' in svg_of(theme.export("f", scatter().properties(width=300, height=60)))
    assert 'width="183mm"' in svg_of(theme.export("f", scatter().properties(width=1200, height=60)))


def drawn_width(files: dict[str, bytes]) -> str:
    return re.match(r'<svg[^>]* width="([\d.]+mm)"', svg_of(files))[1]


def test_text_without_limit_takes_the_wide_column_and_is_cut_there():
    data = pd.DataFrame({"v": [1.0], "g": ["w" * 300]})
    wide = alt.Chart(data).mark_bar().encode(x="v", y=alt.Y("g", axis=alt.Axis(labelLimit=2000)))
    files = theme.export("f", theme.sized(wide, theme.SINGLE))
    assert drawn_width(files) == "183mm"
    assert json.loads(files["json"])["usermeta"]["figure_width"] == pytest.approx(theme.DOUBLE, abs=0.01)
    assert "…</text>" in svg_of(files)
    assert pd.read_csv(io.BytesIO(files["csv"]))["g"].tolist() == ["w" * 300]


def test_a_drawing_that_cannot_be_cut_is_made_smaller_as_a_whole():
    data = pd.DataFrame({"v": [1.0] * 90, "g": [f"c{i}" for i in range(90)]})
    many = alt.hconcat(*[alt.Chart(data).mark_bar().encode(x="v", y="g").properties(width=21) for _ in range(30)])
    files = theme.export("f", theme.sized(many, theme.SINGLE))
    assert drawn_width(files) == "183mm"
    assert '<g transform="scale(0.' in svg_of(files)
    page = PdfReader(io.BytesIO(files["pdf"])).pages[0].mediabox
    assert float(page.width) / 72 * 25.4 == pytest.approx(183, abs=0.1)


@pytest.mark.parametrize("where", ["forest", "forest left", "matrix", "legend", "facet", "title"])
def test_a_drug_name_of_220_characters_and_a_long_reason_are_cut_and_kept_in_the_source_data(where):
    name = ("2-(4-" + "methylphenoxy" * 20)[:220]
    reason = "the viability of the resistant line stays above half of its vehicle at every tested dose " * 3
    drug = [name, "lenvatinib"]
    if where.startswith("forest"):
        ratio = [np.nan, 0.1 if where == "forest left" else 3.0]
        table = pd.DataFrame({"drug": drug, "ri": ratio, "low": [np.nan, ratio[1] / 2], "high": [np.nan, ratio[1] * 2]})
        table["why"] = [reason, ""]
        chart = theme.forest(table, "drug", "ri", "low", "high", title="Resistance index (fold)", note="why")
    elif where == "matrix":
        table = pd.DataFrame({"drug": drug, "line": ["a", "a"], "v": [1.0, 2.0], "said": [reason, "2"]})
        chart = theme.matrix(table, "drug", "line", "v", text="said", title=name)
    else:
        table = scatter(20).data.assign(drug=drug * 10)
        chart = alt.Chart(table).mark_point().encode(alt.X("x", title=name), alt.Y("y", title=name))
        if where == "legend":
            chart = chart.encode(alt.Color("drug", title=name))
        elif where == "facet":
            chart = theme.facets(chart.properties(width=90, height=60), table, "drug", columns=2, title=name)
        else:
            chart = chart.properties(title=name)
    files = theme.export("f", theme.sized(chart, theme.SINGLE))
    assert drawn_width(files) == "89mm" if where == "title" else drawn_width(files) in ("89mm", "183mm")
    assert '<g transform="scale(' not in svg_of(files)
    assert "…</text>" in svg_of(files)
    assert name not in svg_of(files)
    assert name in files["csv"].decode()
    assert where != "forest" or reason in files["csv"].decode()


def test_pdf_and_svg_hold_their_text_as_text_in_the_right_font():
    files = theme.export("f", theme.sized(scatter(), theme.SINGLE))
    page = PdfReader(io.BytesIO(files["pdf"])).pages[0]
    text = page.extract_text()
    for title in ("Dose (µM)", "Viability (fraction)", "Line"):
        assert title in text
        assert f">{title}</text>" in svg_of(files)
    fonts = [str(f.get_object()["/BaseFont"]) for f in page["/Resources"]["/Font"].values()]
    assert fonts and all("Sans" in f or "Arial" in f for f in fonts)
    assert set(re.findall(r'font-family="([^"]*)"', svg_of(files))) == {theme.FONT}
    sizes = {float(s) for s in re.findall(r'font-size="([\d.]+)px"', svg_of(files))}
    assert sizes and min(sizes) >= 5 and max(sizes) <= 7


def test_a_lone_missing_font_would_make_text_vanish_and_is_refused():
    spec = scatter().to_dict()
    spec["config"] = {"font": "No Such Font"}
    assert not PdfReader(io.BytesIO(vlc.vegalite_to_pdf(spec))).pages[0].extract_text().strip()
    with pytest.raises(theme.FigureError, match="No Such Font"):
        theme.export("f", scatter().configure_axis(labelFont="No Such Font"))


@pytest.mark.parametrize("size", [4, 12])
def test_text_too_small_or_too_large_for_print_is_refused(size):
    with pytest.raises(theme.FigureError, match="use 5 to 7 pt"):
        theme.export("f", scatter().configure_axis(labelFontSize=size))


def test_data_elsewhere_are_refused():
    with pytest.raises(theme.FigureError, match="its data lie elsewhere"):
        theme.export("f", alt.Chart("https://example.org/data.csv").mark_point().encode(x="a:Q"))


def test_bytes_are_the_same_on_every_export():
    def chart() -> alt.HConcatChart:
        moving = scatter().add_params(alt.selection_interval(bind="scales")).properties(width=90, height=60)
        shades = theme.matrix(
            pd.DataFrame({"a": ["p", "q"], "b": ["r", "r"], "v": [-1.0, 2.0]}), "a", "b", "v", title="log2", mid=0
        )
        return alt.hconcat(moving, shades)

    first = theme.export("f", theme.sized(chart(), theme.DOUBLE))
    second = theme.export("f", theme.sized(chart(), theme.DOUBLE))
    assert {k: first[k] == second[k] for k in first} == dict.fromkeys(("svg", "pdf", "png", "csv", "json"), True)


def test_the_reordered_pdf_is_sound():
    titled = theme.sized(scatter().properties(title="Bold and plain"), theme.SINGLE)
    reader = PdfReader(io.BytesIO(theme.export("f", titled)["pdf"]), strict=True)
    assert "Bold and plain" in reader.pages[0].extract_text()
    assert len(reader.pages[0]["/Resources"]["/Font"]) == 2
    assert reader.pages[0]["/Contents"].get_object().get_data()


def test_source_data_are_the_numbers_drawn_in_named_columns():
    chart = scatter()
    read = pd.read_csv(io.BytesIO(theme.export("f", chart)["csv"]))
    pd.testing.assert_frame_equal(read, chart.data, check_exact=False)


def test_source_data_of_several_tables_are_all_there_and_drawing_positions_are_not():
    other = pd.DataFrame({"dose": [1.0, 2.0], "fit": [0.5, 0.25]})
    mark = pd.DataFrame({"_draw_at": [0.0]})
    chart = alt.layer(
        scatter(),
        alt.Chart(other).mark_line().encode(x="dose", y="fit"),
        alt.Chart(mark).mark_rule().encode(x="_draw_at"),
    )
    read = pd.read_csv(io.BytesIO(theme.export("f", chart)["csv"]))
    assert list(read.columns) == ["part", "x", "y", "line", "dose", "fit"]
    assert read["part"].value_counts().to_dict() == {1: 40, 2: 2}
    assert read.loc[read["part"] == 2, "fit"].tolist() == [0.5, 0.25]


def test_infinity_and_nan_do_not_break_the_specification():
    data = pd.DataFrame({"x": [1.0, np.inf, np.nan], "y": [1.0, 2.0, 3.0]})
    files = theme.export("f", alt.Chart(data).mark_point().encode(x="x", y="y"))
    values = next(iter(json.loads(files["json"])["datasets"].values()))
    assert [v["x"] for v in values] == [1.0, None, None]


@pytest.mark.slow
def test_fifty_thousand_points_are_exported():
    files = theme.export("f", theme.sized(scatter(50_000), theme.SINGLE))
    assert len(pd.read_csv(io.BytesIO(files["csv"]))) == 50_000
    assert ">Dose (µM)</text>" in svg_of(files)
    page = PdfReader(io.BytesIO(files["pdf"])).pages[0]
    assert page["/Resources"]["/Font"]
    assert png_width(files["png"]) == pytest.approx(89 / 25.4 * 300, abs=2)


def test_more_rows_than_altair_allows_by_default():
    files = theme.export("f", scatter(6000))
    assert len(pd.read_csv(io.BytesIO(files["csv"]))) == 6000
    with pytest.raises(alt.MaxRowsError):  # and stays in force for everyone else
        scatter(6000).to_dict()
