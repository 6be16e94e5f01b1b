"""The dossier in a real browser: figures are drawn, nothing is refused or fails, paper has everything."""

from __future__ import annotations

import html
import json
import re
import shutil
import struct
import subprocess
import zlib
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from pypdf import PdfReader

from rechallenge.report import dossier

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@pytest.fixture(scope="module")
def browser() -> str:
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("needs Chromium on the PATH")
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory, record, lab_rows) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(dossier.render(record, source={"viability": lab_rows}), encoding="utf-8")
    return path


def visit(browser: str, page: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [
        browser,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--no-first-run",
        f"--user-data-dir={page.parent / 'profile'}",
        "--enable-logging=stderr",
        "--hide-scrollbars",
        "--virtual-time-budget=10000",
        *more,
        page.as_uri(),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def console(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def drawn(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Figures that were drawn anew by the page's own script."""
    return re.findall(r'<figure id="([^"]+)" class="fig[^"]* drawn"', done.stdout)


def colours(png: bytes) -> set[bytes]:
    """The colours of the pixels of an RGB or RGBA PNG (filters undone per row)."""
    width, height, _, kind = struct.unpack(">IIBB", png[16:26])
    step = {2: 3, 6: 4}[kind]
    data, at = b"", 8
    while at < len(png):
        length, name = struct.unpack(">I4s", png[at : at + 8])
        data += png[at + 8 : at + 8 + length] if name == b"IDAT" else b""
        at += 12 + length
    raw, stride, before = zlib.decompress(data), width * step, bytes(width * step)
    found: set[bytes] = set()
    for y in range(height):
        start = y * (stride + 1)
        method, line = raw[start], bytearray(raw[start + 1 : start + 1 + stride])
        for i in range(stride):
            left = line[i - step] if i >= step else 0
            up, corner = before[i], before[i - step] if i >= step else 0
            if method == 4:
                guess = left + up - corner
                best = min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))
                add = best[2]
            else:
                add = (0, left, up, (left + up) // 2)[method]
            line[i] = (line[i] + add) & 255
        before = bytes(line)
        found.update(before[i : i + 3] for i in range(0, stride, step))
    return found


def test_figures_come_alive_and_the_console_is_silent(browser, page):
    done = visit(browser, page, "--window-size=1366,6000", "--dump-dom")
    assert console(done) == []
    assert drawn(done) == ["figure-curves_fit", "figure-ri_forest"]
    live = re.findall(r'<div class="live[^>]*>.*?</figure>', done.stdout, re.DOTALL)
    assert len(live) == 2 and all("<svg" in part and "</text>" in part for part in live)


def test_figures_wait_until_they_are_near(browser, page):
    done = visit(browser, page, "--window-size=1366,300", "--dump-dom")
    assert console(done) == []
    assert drawn(done) == []
    assert done.stdout.count(' data-spec="') == 2


def test_a_figure_that_cannot_be_drawn_stays_as_its_picture(browser, page, build_record, record, tmp_path):
    broken = replace(record.figures[0], spec={"mark": "no such mark", "encoding": 3})
    path = tmp_path / "broken.html"
    path.write_text(dossier.render(build_record(figures=(broken, record.figures[1]))), encoding="utf-8")
    done = visit(browser, path, "--window-size=1366,6000", "--dump-dom")
    assert console(done) == []
    assert drawn(done) == ["figure-ri_forest"]
    assert 'class="static" alt="Dose-response curves' in done.stdout


@pytest.mark.parametrize("size", ["1366,900", "390,844"])
def test_a_screenshot_shows_the_page(browser, page, size, tmp_path):
    shot = tmp_path / "shot.png"
    done = visit(browser, page, f"--window-size={size}", f"--screenshot={shot}")
    assert console(done) == []
    seen = colours(shot.read_bytes())
    assert b"\xff\xff\xff" in seen and b"\x1b\x1d\x21" in seen, "ink on paper"


def test_paper_has_the_figures_as_text_and_every_disclosure_open(browser, page, tmp_path):
    sheet = tmp_path / "paper.pdf"
    visit(browser, page, "--no-pdf-header-footer", f"--print-to-pdf={sheet}")
    reader = PdfReader(sheet)
    said = re.sub(r"\s+", " ", " ".join(p.extract_text() for p in reader.pages))
    for part in (
        "resists lenvatinib 3.89-fold",
        "Resistance index (fold)",  # an axis title inside a figure
        "viability.csv, rows 2 to 4 and 7",  # inside a claim
        "read as UTF-8",  # inside a closed sheet
        "What was left out",
    ):
        assert part in said, part
    width, height = (float(v) / 72 * 25.4 for v in reader.pages[0].mediabox[2:])
    assert (round(width), round(height)) == (210, 297)


def test_a_long_table_repeats_its_headings_on_every_sheet(browser, build_record, tmp_path):
    long = pd.DataFrame({"compound": [f"drug {i}" for i in range(100)], "ri": [1 + i / 7 for i in range(100)]})
    path, sheet = tmp_path / "long.html", tmp_path / "paper.pdf"
    path.write_text(dossier.render(build_record(figures=(), tables={"screen_hits": long})), encoding="utf-8")
    visit(browser, path, "--no-pdf-header-footer", f"--print-to-pdf={sheet}")
    pages = [p.extract_text() for p in PdfReader(sheet).pages]
    with_rows = [p for p in pages if re.search(r"drug \d", p)]
    assert len(with_rows) >= 2
    assert all("compound" in p for p in with_rows)


def test_hostile_names_do_nothing(browser, build_record, record, tmp_path):
    bad = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    study = replace(record.study, title=bad)
    curves = record.tables["curves"].assign(model=bad)
    path = tmp_path / "hostile.html"
    path.write_text(
        dossier.render(
            build_record(study=study, tables={"curves": curves}, evidence=record.evidence.assign(claim=bad))
        ),
        encoding="utf-8",
    )
    done = visit(browser, path, "--window-size=1366,6000", "--dump-dom")
    assert console(done) == []
    assert "<title>owned" not in done.stdout


ACT = """
<script>
addEventListener("load", function () {
  var said = {};
  function rows(id) {
    return Array.from(document.querySelectorAll("#" + id + " table.data tbody tr"));
  }
  function column(id, name) {
    var heads = Array.from(document.querySelectorAll("#" + id + " table.data thead th"));
    return heads.findIndex(function (h) { return h.querySelector("button").title === name; });
  }
  var at = column("table-resistance_index", "ri");
  var head = document.querySelectorAll("#table-resistance_index table.data thead th")[at];
  function order() { return rows("table-resistance_index").map(function (r) { return r.cells[at].textContent; }); }
  head.querySelector("button").click();
  said.up = [order(), head.getAttribute("aria-sort")];
  head.querySelector("button").click();
  said.down = [order(), head.getAttribute("aria-sort")];
  var filter = document.querySelector("#table-curves .tools input");
  filter.value = "LR sora";
  filter.dispatchEvent(new Event("input"));
  said.filtered = rows("table-curves").filter(function (r) { return !r.hidden; }).length;
  said.hits = document.querySelector("#table-curves .hits").textContent;
  var claim = document.querySelector("#claim-dose_response-1 details");
  claim.open = true;
  setTimeout(function () {
    var lines = Array.from(claim.querySelectorAll(".source tbody tr"));
    said.lines = lines.map(function (r) { return r.cells[0].textContent; });
    var sheet = document.querySelector("#table-plate_quality details.sheet");
    sheet.open = false;
    location.hash = "#table-plate_quality";
    setTimeout(function () {
      said.revealed = sheet.open;
      document.body.setAttribute("data-said", JSON.stringify(said));
    }, 200);
  }, 200);
});
</script>
"""


def test_tables_sort_and_filter_and_claims_open_to_the_labs_rows(browser, page, tmp_path):
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"<meta http-equiv[^>]*>", "", text)  # so that this test may act on the page
    end = text.rindex("</body>")
    path = tmp_path / "acted.html"
    path.write_text(text[:end] + ACT + text[end:], encoding="utf-8")
    done = visit(browser, path, "--window-size=1366,900", "--dump-dom")
    assert console(done) == []
    said = json.loads(html.unescape(re.search(r'data-said="([^"]*)"', done.stdout)[1]))
    assert said["up"] == [["0.250", "< 0.4", "1.05", "3.89", "> 14.8", "–"], "ascending"]
    assert said["down"] == [["> 14.8", "3.89", "1.05", "< 0.4", "0.250", "–"], "descending"]
    assert (said["filtered"], said["hits"]) == (1, "1 of 8")
    assert said["lines"] == ["2", "3", "4", "7"]
    assert said["revealed"] is True
