"""The page of oracles, nulls and coverage says what its command computes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from benchmarks.validation import coverage, nulls, page, published, reference_data
from benchmarks.validation.rows import Row, agrees, rate

ROOT = Path(__file__).resolve().parents[1]


def test_the_page_is_that_of_its_table() -> None:
    assert (page.DOCS / "validation.md").read_text("utf-8") == page.render(page.record())


def test_what_does_not_hold_says_why() -> None:
    made = page.record()
    assert made.loc[made["held"] == "no", "known"].ne("").all()
    assert set(made["set"]) == {"quick", "full"}


def test_every_row_names_what_repeats_it() -> None:
    for repeat in page.record()["repeat"]:
        name = repeat.removeprefix("python -m ").replace(" ", ".") if repeat.startswith("python") else ""
        path = ROOT / (name.replace(".", "/") + ".py" if name else repeat)
        assert path.is_file(), repeat


@pytest.mark.parametrize("check", published.CHECKS, ids=lambda c: c.__name__)
def test_published_numbers_come_out_as_on_the_page(check) -> None:
    made = check()
    if made is None:
        pytest.skip("needs JASPAR matrices")
    kept = page.record().set_index("what").loc[made.what]
    assert (made.held, made.expected, made.got) == ("yes", kept["expected"], kept["got"])


@pytest.mark.slow
@pytest.mark.parametrize("check", [*nulls.CHECKS, *coverage.CHECKS], ids=lambda c: c.__name__)
def test_rates_come_out_as_on_the_page(check) -> None:
    """Seeds are fixed; a share may move by a few data sets where numeric libraries differ."""
    kept = page.record().set_index("what")
    for row in check():
        assert row.held == kept.loc[row.what, "held"]
        was, now = (float(re.sub(" %", "", text)) for text in (kept.loc[row.what, "got"], row.got))
        assert abs(was - now) <= 100 * 3 / row.n + 0.1


@pytest.mark.slow
@pytest.mark.parametrize("check", reference_data.CHECKS, ids=lambda c: c.__name__)
def test_reference_data_come_out_as_on_the_page(check, shared: Path) -> None:
    kept = page.record().set_index("what")
    for row in check(shared):
        assert row.held == kept.loc[row.what, "held"] == "yes"


def test_a_wrong_number_and_a_wrong_rate_do_not_hold() -> None:
    assert agrees("x", "s", [1.0, float("inf")], [1.0 + 1e-7, float("inf")], 1e-6, "t").held == "yes"
    assert agrees("x", "s", [1.0], [1.01], 1e-6, "t").held == "no"
    assert agrees("x", "s", [1.0], [float("nan")], 1e-6, "t").held == "no"
    assert rate("null", "x", 100, 1000, 0.05, "s", "t").held == "no"
    assert rate("null", "x", 52, 1000, 0.05, "s", "t").held == "yes"
    assert rate("null", "x", 1, 1000, 0.05, "s", "t").held == "no"
    assert rate("null", "x", 1, 1000, 0.05, "s", "t", at_most=True).held == "yes"
    assert rate("naive", "x", 400, 1000, 0.05, "s", "t").held == "shown"


def test_without_the_reference_data_their_rows_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "validation.csv").write_bytes(page.RECORD.read_bytes())
    before = page.record()
    monkeypatch.setattr(page, "DOCS", tmp_path)
    monkeypatch.setattr(page, "RECORD", tmp_path / "validation.csv")
    monkeypatch.setattr(page, "SHARED", tmp_path / "nowhere")
    monkeypatch.setattr(page, "quick", lambda: [Row("null", "quick", "x", "s", "5 %", "5.0 %", 10, "yes", "t")])
    page.main()
    after = page.record()
    assert len(after) == 1 + (before["set"] == "full").sum()
    assert (tmp_path / "validation.md").read_text("utf-8").startswith("# Validation")
