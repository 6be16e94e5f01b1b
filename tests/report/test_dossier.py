"""The dossier: one file, nothing from outside, every text escaped, a structure that a screen reader can walk."""

from __future__ import annotations

import base64
import hashlib
import html
import itertools
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from rechallenge.evidence import empty
from rechallenge.faults import Fault
from rechallenge.record import FigureRecord, InputRecord
from rechallenge.report import dossier
from rechallenge.study import Model

VOID = {"meta", "img", "input", "br", "link", "hr", "area", "base", "col", "embed", "source", "track", "wbr"}


class Page(HTMLParser):
    """Every element with its attributes and text, and whether tags close in order."""

    def __init__(self, text: str):
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: dict[int, str] = {}
        self.stack: list[int] = []
        self.parents: list[int | None] = []
        self.unbalanced: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.parents.append(self.stack[-1] if self.stack else None)
        self.elements.append((tag, {k: v or "" for k, v in attrs}))
        if tag not in VOID:
            self.stack.append(len(self.elements) - 1)

    def handle_endtag(self, tag):
        if not self.stack or self.elements[self.stack[-1]][0] != tag:
            self.unbalanced.append(f"</{tag}> at {self.getpos()}")
            return
        self.stack.pop()

    def handle_data(self, data):
        if self.stack:
            self.text[self.stack[-1]] = self.text.get(self.stack[-1], "") + data

    def all(self, tag: str) -> list[tuple[dict[str, str], str]]:
        return [(a, self.text.get(i, "")) for i, (t, a) in enumerate(self.elements) if t == tag]

    def under(self, i: int, tag: str) -> bool:
        at = self.parents[i]
        while at is not None:
            if self.elements[at][0] == tag:
                return True
            at = self.parents[at]
        return False


@pytest.fixture(scope="module")
def text(record, lab_rows) -> str:
    return dossier.render(record, source={"viability": lab_rows})


@pytest.fixture(scope="module")
def page(text) -> Page:
    return Page(text)


# one file, offline ------------------------------------------------------------------------------------------------


def fetched(page: Page) -> list[str]:
    """Whatever a browser would load: addresses in src, srcset, poster, data, link, url() and @import."""
    found = []
    for tag, attributes in page.elements:
        loading = ("src", "srcset", "poster", "data", "background", "xlink:href", "action", "formaction")
        found += [attributes[name] for name in loading if name in attributes]
        if tag in ("link", "base", "use"):
            found.append(attributes.get("href", ""))
        if tag in ("iframe", "object", "embed", "frame"):
            found.append(tag)
        found += re.findall(r"url\(([^)]*)\)", attributes.get("style", ""))
    for _, css in page.all("style"):
        found += re.findall(r"url\(([^)]*)\)|@import\s+(\S+)", css)
    return [f for f in found if f]


def test_nothing_is_loaded_from_anywhere(page):
    loaded = fetched(page)
    assert loaded, "the figures carry pictures"
    assert all(f.startswith("data:image/") for f in loaded)


def test_the_policy_allows_these_scripts_and_this_style_and_nothing_else(page):
    policy = next(a["content"] for a, _ in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    rules = dict(r.strip().split(" ", 1) for r in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    assert rules["base-uri"] == rules["form-action"] == "'none'"
    assert "unsafe" not in policy and "http" not in policy

    def digest(source: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"

    run = [s for a, s in page.all("script") if a.get("type") != "application/json"]
    assert {digest(s) for s in run} == set(rules["script-src"].split())
    assert [digest(s) for _, s in page.all("style")] == rules["style-src"].split()


def test_the_policy_comes_before_anything_it_governs(text):
    assert text.index("Content-Security-Policy") < text.index("<style") < text.index("<script")


def test_no_inline_styles_or_handlers(page):
    for tag, attributes in page.elements:
        assert "style" not in attributes, tag
        assert not [a for a in attributes if a.startswith("on")], tag


def test_the_drawing_library_is_there_once_and_only_with_figures(text, build_record):
    assert text.count("window.vegaEmbed = ") + text.count("window.vegaEmbed=") == 1
    bare = dossier.render(build_record(figures=()))
    assert len(bare) < 150_000
    assert len(text) < 1_300_000


def test_the_same_record_gives_the_same_bytes(record, lab_rows, text):
    assert dossier.render(record, source={"viability": lab_rows}) == text


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_the_process():
    code = (
        "import sys, hashlib; sys.path.insert(0, sys.argv[1]); from conftest import build;"
        "from rechallenge.report import dossier;"
        "print(hashlib.sha256(dossier.render(build()).encode()).hexdigest())"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-c", code, str(Path(__file__).parent)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert runs[0] == runs[1] and len(runs[0].strip()) == 64


# structure --------------------------------------------------------------------------------------------------------


def test_tags_are_balanced_and_ids_unique(page):
    assert page.unbalanced == [] and page.stack == []
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[A-Za-z][\w-]*", i) for i in ids)


def test_links_within_the_page_have_a_target(page):
    ids = {a["id"] for _, a in page.elements if "id" in a}
    inside = [a["href"][1:] for a, _ in page.all("a") if a["href"].startswith("#")]
    assert len(inside) > 10
    assert set(inside) <= ids
    labelled = [i for _, a in page.elements for i in a.get("aria-labelledby", "").split()]
    assert labelled and set(labelled) <= ids


def test_landmarks_headings_and_language(page):
    names = [t for t, _ in page.elements]
    assert page.all("html")[0][0]["lang"] == "en"
    for landmark in ("header", "nav", "main"):
        assert names.count(landmark) == 1
    assert page.all("nav")[0][0]["aria-label"] == "Contents"
    levels = [int(t[1]) for t, _ in page.elements if re.fullmatch("h[1-6]", t)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b <= a + 1 for a, b in itertools.pairwise(levels)), "no heading level is skipped"
    first_link = page.all("a")[0]
    assert first_link[0]["href"] == "#main" and "Skip" in first_link[1]


def test_every_section_is_named_and_in_the_contents(page):
    sections = [a for a, _ in page.all("section")]
    assert all("aria-labelledby" in a for a in sections)
    for wanted in ("answer", "study", "quality", "left-out", "not-done", "methods", "provenance"):
        assert wanted in {a.get("id") for a in sections}


def test_tables_have_captions_and_scopes_and_sortable_headings(page):
    tables = [i for i, (t, _) in enumerate(page.elements) if t == "table"]
    captions = [i for i, (t, _) in enumerate(page.elements) if t == "caption"]
    assert len(tables) == len(captions) > 5
    heads = [a for a, _ in page.all("th")]
    assert heads and all(a.get("scope") in ("col", "row") for a in heads)
    data = [i for i in tables if page.elements[i][1].get("class") == "data"]
    assert data
    scrolls = [a for t, a in page.elements if a.get("class") == "scroll"]
    assert all(a["tabindex"] == "0" and a["aria-label"] for a in scrolls)


def test_figures_have_words_for_those_who_do_not_see_them(page):
    pictures = [a for a, _ in page.all("img")]
    assert len(pictures) == 2
    assert all(len(a["alt"]) > 20 for a in pictures)
    assert len(page.all("figcaption")) == 2
    assert "Dose-response curves" in pictures[0]["alt"]


def test_inputs_have_labels(page):
    for i, (tag, _) in enumerate(page.elements):
        if tag == "input":
            assert page.under(i, "label")


def test_colours_contrast_enough():
    css = dossier._asset("dossier.css")
    colours = dict(re.findall(r"--(ink|soft|accent|warn|bad): (#[0-9a-f]{6})", css))
    assert len(colours) == 5

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for name, colour in colours.items():
        assert 1.05 / (luminance(colour) + 0.05) >= 4.5, name  # WCAG 2.2, 1.4.3


# content ----------------------------------------------------------------------------------------------------------


def words_of(text: str) -> str:
    """Everything a reader could read, outside scripts."""
    body = re.sub(r"<(script|style)\b.*?</\1>", "", text, flags=re.DOTALL)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)))


def test_the_first_thing_said_is_the_answer(text):
    said = words_of(text[text.index("<main") :])
    assert said.index("resists lenvatinib 3.89-fold (95 % CI 3.25 to 4.66") < said.index("Study at a glance")


def test_everything_a_run_did_is_there(text):
    said = words_of(text)
    for part in (
        "Huh-7 P",
        "192",  # rows read
        "> 100",  # a bound as a bound
        "not estimable: the parental curve is flat",
        "Plate quality",
        "values above 2 in a fraction.",
        "read as UTF-8",
        "n = 2 for one line",
        "not a number",  # a reason for leaving out
        "singular matrix in the surface fit",
        "LinAlgError",
        "needs synergy, which failed",
        "No model has a stage.",
        "Curves were fitted by least squares [1, 2]",
        "numpy 2.4.0",
        "ab" * 32,
        "Columns not shown: medium (empty), covariance (long)",
    ):
        assert part in said, part


def test_files_beside_the_page_are_linked(page):
    links = {a["href"] for a, _ in page.all("a")}
    for form in ("svg", "pdf", "png"):
        assert f"figures/ri_forest.{form}" in links
    assert {"source_data/ri_forest.csv", "tables/curves.csv", "evidence.csv", "run.json"} <= links
    outside = {h for h in links if "://" in h}
    assert outside and all(h.startswith("https://doi.org/10.") for h in outside)


def test_a_claim_opens_to_its_numbers_its_figure_and_its_rows(text):
    block = re.search(r'<li id="claim-dose_response-1".*?</li>', text, re.DOTALL)[0]
    said = words_of(block)
    for part in (
        "Huh-7 LR resists lenvatinib",
        "3.25 to 4.66 fold",
        "n 3",
        "p 4.0 × 10⁻⁴",
        "q 0.0016",
        "viability.csv, rows 2 to 4 and 7",
    ):
        assert part in said, part
    assert 'data-rows="viability.csv:2-4,7"' in block
    assert re.search(r'href="#figure-ri_forest">Figure \d</a>', block)
    assert 'href="#table-resistance_index"' in block


def test_the_rows_of_the_labs_table_are_carried_once_and_only_those_cited(page, lab_rows):
    carried = json.loads(next(t for a, t in page.all("script") if a.get("id") == "lab-rows"))
    cited = {*range(2, 5), 7, *range(30, 41), *range(50, 61)}
    assert {int(r) for r in carried["viability.csv"]["rows"]} == cited
    assert carried["viability.csv"]["columns"] == ["model", "drug", "dose_um", "replicate", "viability"]
    row = lab_rows[lab_rows["_row"] == 7].iloc[0]
    assert carried["viability.csv"]["rows"]["7"][1] == row["drug"]


def test_many_claims_and_long_tables_are_cut_and_say_so(build_record, record):
    many = pd.concat([record.evidence.head(1)] * 500, ignore_index=True)
    long = pd.DataFrame({"gene": [f"G{i}" for i in range(5000)], "p_value": [i / 5000 for i in range(5000)]})
    said = words_of(dossier.render(build_record(evidence=many, tables={"differential": long}, figures=())))
    assert f"Shown: the {dossier.CLAIMS} surest of 500 claims" in said
    assert "Shown: 100 of 5,000 rows, with the smallest p" in said


def test_tables_of_the_whole_study_come_right_below_the_answer(build_record, record):
    ranked = pd.DataFrame({"rank": [1], "entity": ["AKR1B1"], "tier": [1], "summary": ["up in both lines"]})
    text = dossier.render(build_record(tables={**record.tables, "candidates": ranked}, figures=()))
    assert text.index('id="table-candidates"') < text.index('id="study"')
    assert 'href="candidates.csv"' in text


def test_a_study_with_nothing_in_it_still_has_a_page(build_record, record):
    nothing = build_record(
        study=replace(record.study, models={}, therapies=(), authors=()),
        steps=(),
        tables={},
        figures=(),
        evidence=empty(),
        faults=(),
        excluded=pd.DataFrame(),
        inputs=(),
        rows_read={},
        versions={},
        settings={},
    )
    page = Page(dossier.render(nothing))
    assert page.unbalanced == []
    assert "Every step that this study allows was run." in " ".join(page.text.values())


def test_a_heavy_figure_is_shown_as_a_bitmap_and_not_drawn_anew(build_record, record):
    one = record.figures[0]
    heavy = replace(
        one,
        files={**one.files, "svg": one.files["svg"] + b" " * dossier.HEAVY_PICTURE},
        spec={**one.spec, "description": "x" * dossier.HEAVY_SPEC},
    )
    page = Page(dossier.render(build_record(figures=(heavy,))))
    assert page.all("img")[0][0]["src"].startswith("data:image/png;base64,")
    assert [a for a, _ in page.all("script") if a.get("type") == "application/json"] == []


def test_figures_of_plates_stand_under_quality_and_repeated_captions_are_said_once(build_record, record):
    one = record.figures[0]
    caption = "Raw signal and viability of every well; look for gradients and for edges that differ."
    plates = [replace(one, name=f"plates_{i}", step="plate_maps", title="Plates", caption=caption) for i in (1, 2)]
    text = dossier.render(build_record(figures=(*plates, *record.figures)))
    assert text.index('id="figure-ri_forest"') < text.index('id="quality"') < text.index('id="figure-plates_1"')
    said = words_of(text)
    assert "Figure 3. Plates (1 of 2). " + caption in said
    assert "Figure 4. Plates (2 of 2). As in Figure 3." in said


# hostile content --------------------------------------------------------------------------------------------------

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=http://evil.example/x onerror=alert(1)>',
    "</script></style></title><script>alert(2)</script>",
    "<!--<script>",
    "javascript:alert(3)",
    "{{ 7*7 }}{% raw %}",
    "' onmouseover='alert(4)",
    "&lt;b&gt; \u2028\u2029 \u202e",
)


@pytest.fixture(scope="module")
def hostile(build_record, record) -> str:
    bad = " ".join(HOSTILE)
    frame = pd.DataFrame({bad: [bad, bad], "status": [bad, "estimated"], "reason": [bad, ""], "value": [1.0, 2.0]})
    one = record.figures[0]
    spec = {
        **{k: v for k, v in one.spec.items() if k != "datasets"},
        "datasets": {"d": [{"a": bad, "image": "http://evil.example/x.png"}]},
        "description": bad,
    }
    figure = FigureRecord(bad, bad, "dose_response", bad, bad, spec, one.files)
    claims = record.evidence.assign(claim=bad, entity=bad, model=bad, contrast=bad, source_rows=bad, source_table=bad)
    step = replace(
        record.steps[0], title=bad, methods=bad, reference=(bad, "doi:10.1000/x"), options={bad: bad}, warnings=(bad,)
    )
    failed = replace(record.steps[4], title=bad, reason=bad, traceback=bad)
    return dossier.render(
        build_record(
            study=replace(
                record.study,
                title=bad,
                description=bad,
                authors=(bad,),
                therapies=(bad,),
                models={bad: Model(role="other", note=bad)},
            ),
            steps=(step, failed),
            tables={bad: frame, "curves": frame},
            figures=(figure, one),
            evidence=claims,
            faults=(Fault("x", bad, bad, file=bad, sheet=bad, column=bad, value=bad, severity="warning"),),
            excluded=pd.DataFrame({"kind": [bad], "reason": [bad], "value": [bad]}),
            inputs=(InputRecord(bad, bad, 1, bad),),
            rows_read={bad: 1},
            versions={bad: bad},
            settings={bad: bad},
        ),
        source={"viability": pd.DataFrame({"_file": ["f.csv"], "_row": [2], bad: [bad]})},
    )


def test_hostile_names_stay_text(hostile, page):
    read = Page(hostile)
    assert read.unbalanced == []
    run = [s for a, s in read.all("script") if a.get("type") != "application/json"]
    expected = [s for a, s in page.all("script") if a.get("type") != "application/json"]
    assert run == expected, "no script but the two of the page"
    assert len(read.all("title")) == 1 and len(read.all("style")) == 1
    assert all(f.startswith("data:image/") for f in fetched(read))
    for tag, attributes in read.elements:
        assert not [a for a in attributes if a.startswith("on")], tag
        href = attributes.get("href", "")
        assert not re.match(r"\s*(javascript|data|vbscript):", href, re.IGNORECASE)
        assert not href.startswith("//")
    assert "<script>alert(1)</script>" in read.all("h1")[0][1], "and it is still readable"
    assert "49" not in read.all("h1")[0][1]


def test_hostile_json_cannot_leave_its_script(hostile):
    blocks = re.findall(r'<script type="application/json" id="[^"]*">(.*?)</script>', hostile, re.DOTALL)
    assert len(blocks) >= 2
    for block in blocks:
        assert "<" not in block and "\u2028" not in block
        json.loads(block)
    assert any("evil.example" in block for block in blocks)


def test_links_to_files_cannot_leave_the_results_folder(build_record, record):
    one = replace(record.figures[0], name="../../etc/passwd?x#y")
    page = Page(dossier.render(build_record(figures=(one,), tables={"../../x": record.tables["curves"]})))
    for a, _ in page.all("a"):
        assert ".." not in a["href"].split("/")
        assert a["href"].startswith(("#", "https://doi.org/", "figures/", "source_data/", "tables/")) or a["href"] in (
            "evidence.csv",
            "run.json",
        )


def test_of_many_figures_the_further_ones_are_static_and_closed(build_record, record):
    one = record.figures[0]
    many = tuple(replace(one, name=f"f{i}", title=f"Plot {i}") for i in range(40))
    text = dossier.render(build_record(figures=many))
    assert text.count('<script type="application/json" id="spec-') == dossier.FIGURES
    sheet = text[text.index("Further figures") :]
    before = text[: text.index("Further figures")]
    assert before.rstrip().endswith('<details class="sheet"><summary><span class="sheet-title">')
    assert before.count("<figure id=") == before.count("data-spec=") == dossier.FIGURES
    closed = sheet[: sheet.index("</details>")]
    assert closed.count("<figure id=") == closed.count('<img class="static"') == 40 - dossier.FIGURES
    assert "data-spec=" not in closed
    assert "<strong>Figure 40. Plot 39.</strong>" in closed


def test_settings_are_said_in_words_and_references_are_addresses(build_record):
    said = words_of(dossier.render(build_record(settings={"jobs": 1, "dask": False, "only": ()})))
    assert "Settings of the run: one process." in said
    assert "dask" not in said and "()" not in said
    assert "https://doi.org/10.1371/journal.pone.0146021" in said


def test_cells_of_a_matrix_have_the_same_digits(build_record):
    table = pd.DataFrame({"drug": ["a", "b", "c"], "cell": ["3", "2.3", "> 4"]})
    text = dossier.render(build_record(tables={"cross_resistance": table}))
    assert re.findall(r"<td[^>]*>([\d.]+)</td>", text[text.index("table-cross_resistance") :])[:2] == ["3.0", "2.3"]


def test_places_in_a_picture_are_rounded_and_its_text_is_not():
    drawn = '<path d="M1.23456,7.999999L-0.5,2" transform="translate(31.9999999,3)"/><text y="2.3456">1.23456</text>'
    short = '<path d="M1.23,8L-0.5,2" transform="translate(32,3)"/><text y="2.35">1.23456</text>'
    assert dossier._rounded(drawn) == short
    assert dossier._rounded('<g transform="scale(0.123456)"/>') == '<g transform="scale(0.123456)"/>'
