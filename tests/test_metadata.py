"""Every analysis says what it computes, after whom, what it was checked against, and what it cannot tell."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rechallenge.analysis import Analysis, discover

ROOT = Path(__file__).resolve().parents[1]
ANALYSES = [s for s in discover().steps.values() if s.kind == "analysis" and s.module.startswith("rechallenge.")]
#: steps that list, join or rank by rules: no publication stands behind them, and their pages say so
NO_REFERENCE = {
    "chains", "clinical_candidates", "combination_responses", "combination_windows", "combinations",
    "cross_resistance", "differential", "drugs", "enrichment", "expression_quality", "isozymes", "line_intersections",
    "metabolite_names", "metabolite_unmapped", "regulator_hints", "repurposing", "response_points", "spline_effects",
    "survival", "synergy_regions", "tumour_tgi",
}  # fmt: skip


@pytest.mark.parametrize("step", ANALYSES, ids=lambda s: s.name)
def test_an_analysis_says_what_it_is(step: Analysis) -> None:
    assert step.formula, "what is computed, or 'No formula: ...'"
    assert len(step.limits) > 20, "what it cannot tell, in a sentence"
    assert step.limits.endswith("."), "limits are sentences"
    assert step.oracle, "what it was checked against, or 'No outside reference: ...'"


@pytest.mark.parametrize("step", ANALYSES, ids=lambda s: s.name)
def test_the_check_that_an_analysis_names_exists(step: Analysis) -> None:
    named = re.findall(r"(?:tests|benchmarks)/[\w/]+\.py", step.oracle)
    assert named, "the test that shows the agreement"
    for path in named:
        assert (ROOT / path).is_file(), path


def test_where_no_reference_exists_that_is_said_and_known() -> None:
    assert {s.name for s in ANALYSES if not s.reference} == NO_REFERENCE


def test_references_are_dois_or_preprints() -> None:
    for step in ANALYSES:
        for reference in step.reference:
            assert re.match(r"doi:10\.\d{4,}/\S+$|arXiv:\d{4}\.\d{4,}$", reference), f"{step.name}: {reference}"


def test_an_analysis_without_outside_reference_says_so_on_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import generate

    registry = discover()
    page = generate.analysis_page(registry.steps["combinations"], registry)
    assert "No outside reference" in page
    for heading in ("## Formula", "## References", "## Checked against", "## Limits"):
        assert heading in page
    assert "doi.org/10.1371/journal.pone.0146021" in generate.analysis_page(registry.steps["curves"], registry)
