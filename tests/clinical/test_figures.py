"""Every figure can be drawn from what the analyses give, says its units, and is absent where there is nothing."""

from __future__ import annotations

import json

import patients_examples as examples
import pytest
from test_response import serum

from rechallenge.clinical.cohorts import (
    audit,
    candidates,
    display,
    figures,
    figures_response,
    response,
    scan,
    subgroups,
    tissues,
)  # fmt: skip
from rechallenge.report.theme import export, specification

FIGURES = ("kaplan_meier", "survival_forest", "spline_shape", "place_among_genes", "subgroup_forest", "response_roc",
           "response_waterfall", "biomarker_roc", "definition_table")  # fmt: skip


@pytest.fixture(scope="module")
def drawn() -> dict[str, object]:
    tables = examples.several([1, 2, 3], driver=2.0, background=60)
    table, pooled, chosen = examples.judged(tables, ("DRIVER", "FOLLOWER"))
    of = scan.survival_scan(*tables)
    curves = display.survival_curves(tables[0], chosen, tables[1], tables[2])
    shape = display.spline_effects(tables[0], chosen, tables[1], tables[2])
    groups = subgroups.subgroups(tables[0], chosen, tables[1], tables[2], factors=("sex",))
    trial = examples.trial(1)
    answers = response.response_scan(*trial)
    named = candidates.clinical_candidates(None, answers, genes=("PRED", "PROG"), top=0)
    points = display.response_points(trial[0], named, trial[1], trial[2])
    people = tables[0].assign(hbv_a=["yes", "no"] * 450, hbv_b=["yes", "no", "no"] * 300)
    return {
        "kaplan_meier": figures.kaplan_meier(curves, table, chosen),
        "survival_forest": figures.survival_forest(table, chosen, pooled),
        "spline_shape": figures.spline_shape(shape, chosen),
        "place_among_genes": figures.place_among_genes(of, chosen, pooled),
        "subgroup_forest": figures_response.subgroup_forest(groups, chosen),
        "response_roc": figures_response.response_roc(points, answers),
        "response_waterfall": figures_response.response_waterfall(points),
        "biomarker_roc": figures_response.biomarker_roc(tissues.biomarkers(serum(), draws=99), serum()),
        "definition_table": figures_response.definition_table(audit.definition_conflicts(people)),
    }


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_holds_its_numbers_and_names_its_axes(name: str, drawn: dict[str, object]) -> None:
    spec = specification(drawn[name])
    text = json.dumps(spec)
    said = {
        "kaplan_meier": ("Time (months)", "At risk", "HR per SD"), "survival_forest": ("Prediction interval", "Pooled"),
        "spline_shape": ("Expression (standard deviations)",), "place_among_genes": ("per cent", "beyond the dashed"),
        "subgroup_forest": ("Hazard ratio per SD", "sex: female"), "response_roc": ("Sensitivity", "PRED"),
        "response_waterfall": ("Best change (per cent)", "high expression"),
        "biomarker_roc": ("AKR1B10", "HCC vs cirr"),
        "definition_table": ("hbv_a / hbv_b", "Patients (per cent)"),
    }  # fmt: skip
    for words in said[name]:
        assert words in text, words


def test_one_figure_is_exported(drawn: dict[str, object]) -> None:
    files = export("survival_forest", drawn["survival_forest"])
    assert files["csv"].decode().count("\n") > 6 and files["svg"].startswith(b"<svg")


def test_nothing_to_draw_is_no_figure() -> None:
    tables = examples.cohort(1, background=20)
    of = scan.survival_scan(*tables)
    chosen = candidates.clinical_candidates(of, genes=("ABSENT",), top=0)
    assert figures.survival_forest(of.assign(verdict="").iloc[:0], chosen) is None
