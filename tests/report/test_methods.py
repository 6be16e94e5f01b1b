"""The methods text: sentences of what ran, numbered references, settings, versions, what was not done."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rechallenge.record import StepRecord
from rechallenge.report.methods import doi_of, methods, reference_text, render


@pytest.fixture(autouse=True)
def _known_steps(monkeypatch):
    """Options as declared by the analyses, independent of which analyses the package holds."""
    from types import SimpleNamespace

    import rechallenge.analysis as module

    steps = {
        "curves": SimpleNamespace(options={"level": 0.5, "seed": 0}),
        "resistance_index": SimpleNamespace(options={}),
    }
    monkeypatch.setattr(module, "discover", lambda: SimpleNamespace(steps=steps))


def test_references_are_numbered_once_whatever_the_spelling(record):
    m = methods(record)
    assert m.references == ("doi:10.1371/journal.pone.0146021", "doi:10.1038/srep05193")
    assert m.paragraphs[1] == (
        "Curves were fitted by least squares [1, 2]. Ratios of IC50 were tested on the log scale [1]. "
        "Plates were judged by Z'."
    )


def step(sentence: str, *references: str) -> StepRecord:
    return StepRecord("s", "analysis", "x", "S", "done", methods=sentence, reference=references)


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("By A (doi:10.1/a, doi:10.1/b) and B (doi:10.1/a).", "By A (doi:10.1/a, doi:10.1/b) and B (doi:10.1/a)."),
        ("By A (doi:10.1000/a, doi:10.1000/b) and B (doi:10.1000/a).", "By A [1, 2] and B [1]."),
        ("A ratio (doi:10.1000/a; 95 % intervals) was taken.", "A ratio ([1]; 95 % intervals) was taken."),
        ("See doi:10.1000/a for it.", "See [1] for it."),
        ("Old (doi:10.1016/0022-1236(87)90001-1).", "Old [1]."),
        ("no stop", "no stop."),
    ],
)
def test_dois_in_a_sentence_become_numbers(build_record, sentence, said):
    assert methods(build_record(steps=(step(sentence),))).paragraphs[-1] == said


def test_a_step_without_a_doi_in_its_sentence_cites_its_references_at_the_end(build_record):
    made = methods(build_record(steps=(step("Growth was modelled.", "Smith 2020, doi:10.1000/z", "A book, 1999"),)))
    assert made.paragraphs[-1] == "Growth was modelled [1, 2]."
    assert made.references == ("Smith 2020, doi:10.1000/z", "A book, 1999")


def test_settings_that_differ_and_seeds_are_named_and_defaults_are_not(record):
    assert methods(record).options[0] == "Dose-response curves: level 0.4 (default 0.5), seed 11"
    changed = replace(record.steps[0], options={"level": 0.5, "seed": 0})
    assert methods(replace(record, steps=(changed,))).options == (
        "Dose-response curves: seed 0",
        "Seed of the study: 11",
    )


def test_what_did_not_run_is_not_described_but_named(record):
    text = render(record)
    assert "- Synergy: failed (singular matrix in the surface fit)" in text
    assert "- Ranked combinations: not run (needs synergy, which failed)" in text
    assert "- Trend over stages: not applicable (No model has a stage)" in text
    assert "192 rows of viability" in text and "3 rows or cells were left out" in text


def test_markdown_has_versions_and_addresses(record):
    text = render(record)
    assert "rechallenge 0.1.0, python 3.11.7, numpy 2.4.0." in text
    assert "1. https://doi.org/10.1371/journal.pone.0146021" in text
    assert text == render(record)


def test_names_of_a_study_stay_text(build_record, record):
    hostile = replace(record.study, title="<script>x</script> *a* [b](javascript:c)\n# Methods 2")
    text = render(build_record(study=hostile))
    assert "<script" not in text.replace("\\<script", "")
    assert "\n# Methods 2" not in text


def test_references_as_given():
    assert doi_of("Wong 2011, doi:10.1038/nmeth.1618.") == "10.1038/nmeth.1618"
    assert doi_of("no identifier") == ""
    assert reference_text("Wong, doi:10.1038/nmeth.1618") == "Wong, https://doi.org/10.1038/nmeth.1618"
    assert reference_text("https://doi.org/10.1038/nmeth.1618") == "https://doi.org/10.1038/nmeth.1618"
    assert reference_text("A book, 1999") == "A book, 1999"


def test_what_was_not_done_names_an_analysis_once_and_no_figure_without_data(build_record):
    def not_run(kind: str, state: str, reason: str) -> StepRecord:
        return StepRecord(kind, kind, "x", "Shift by the medium", state, reason=reason)

    made = methods(
        build_record(
            steps=(
                not_run("analysis", "skipped", "No line was tested in two media"),
                not_run("figure", "skipped", "nothing to draw"),
                not_run("analysis", "skipped", "No line was tested in two media"),
                not_run("figure", "failed", "no font"),
            )
        )
    )
    assert made.not_done == (
        "Shift by the medium: not applicable (No line was tested in two media)",
        "Shift by the medium: failed (no font)",
    )


def test_empty_settings_and_numbers_of_a_computer_are_said_in_words(build_record):
    one = replace(step("Doses from 1.0000000000000001e-07 µM."), options={"only": (), "floor": 0.30000000000000004})
    made = methods(build_record(steps=(one,)))
    assert made.options[0] == "S: floor 0.3, only none"
    assert made.paragraphs[-1] == "Doses from 1 × 10⁻⁷ µM."
