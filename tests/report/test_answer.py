"""The first screen: the sentence and what is said below it."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from rechallenge.evidence import empty
from rechallenge.report.answer import answer, verdict
from rechallenge.report.dossier import render


def points(record) -> dict[str, tuple[str, tuple[str, ...]]]:
    return {p.label: (p.text, p.items) for p in answer(record).points}


def test_the_sentence_names_line_drug_fold_and_uncertainty(record):
    assert answer(record).sentence == "Huh-7 LR resists lenvatinib 3.89-fold (95 % CI 3.25 to 4.66; q = 0.0016)."


def test_cross_resistance_collateral_sensitivity_and_what_could_not_be_told(record):
    said = points(record)
    assert said["Cross-resistance"][0].startswith("Shown in 1 of 5 comparisons")
    assert said["Cross-resistance"][1] == ("Huh-7 LR: sorafenib > 14.8",)
    assert said["Collateral sensitivity"][1] == ("Huh-7 LR: doxorubicin 0.250 (0.160 to 0.390), cisplatin < 0.4",)
    assert said["No difference shown"][1] == ("Huh-7 LR: regorafenib 1.05 (0.820 to 1.34)",)
    assert said["Could not be told"][1] == ("Huh-7 LR, cabozantinib: not estimable: the parental curve is flat",)
    assert said["Failures"] == (
        "1 step failed and 1 could not run for it.",
        ("Synergy: singular matrix in the surface fit",),
    )


def test_interventions_are_counted_for_and_against(record):
    """Genes come before pairs, whatever their q."""
    items = points(record)["Interventions"][1]
    assert items[0] == "AKR1B1 promotes resistance: 1 of 1 test, smallest q 0.0060"
    assert items[1] == "lenvatinib + epalrestat restores sensitivity: 1 of 1 test, smallest q 0.0020"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"ri": 2.0, "ci_low": 1.2, "ci_high": 3.0, "q_value": 0.01, "status": "estimated"}, "resistant"),
        ({"ri": 2.0, "ci_low": 1.2, "ci_high": 3.0, "q_value": 0.20, "status": "estimated"}, "alike"),
        ({"ri": 2.0, "ci_low": 0.9, "ci_high": 3.0, "q_value": 0.01, "status": "estimated"}, "alike"),
        ({"ri": 0.5, "ci_low": 0.3, "ci_high": 0.8, "q_value": math.nan, "status": "estimated"}, "sensitive"),
        ({"ri": math.nan, "ci_low": 1.5, "ci_high": math.inf, "status": "censored"}, "resistant"),
        ({"ri": math.nan, "ci_low": 0.5, "ci_high": math.inf, "status": "censored"}, "untold"),
        ({"ri": math.nan, "ci_low": 0.0, "ci_high": 0.7, "status": "censored"}, "sensitive"),
        ({"ri": math.nan, "ci_low": math.nan, "ci_high": math.nan, "status": "not_estimable"}, "untold"),
        ({"ri": 3.0, "ci_low": 2.0, "ci_high": 4.0, "status": "not_testable"}, "untold"),
    ],
)
def test_a_verdict_rests_on_interval_and_status(row, said):
    assert verdict(pd.Series(row)) == said


def index(rows) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["model", "drug", "stage", "perturbation", "ri", "ci_low", "ci_high"])
    return frame.assign(parent="P", q_value=0.01, status="estimated")


def test_of_several_stages_the_line_itself_or_its_last_stage_counts(build_record):
    table = index(
        [
            ("Huh-7 LR", "lenvatinib", "S2", "", 2.0, 1.5, 2.5),
            ("Huh-7 LR", "lenvatinib", "S10", "", 5.0, 4.0, 6.0),
            ("Huh-7 LR", "sorafenib", "S10", "", 9.0, 8.0, 10.0),
            ("Huh-7 LR", "sorafenib", "", "", 3.0, 2.0, 4.0),
            ("Huh-7 LR", "lenvatinib", "S10", "siAKR1B1", 1.0, 0.5, 2.0),
        ]
    )
    record = build_record(tables={"resistance_index": table})
    assert "Huh-7 LR resists lenvatinib (stage S10) 5.00-fold" in answer(record).sentence
    assert points(record)["Cross-resistance"][1] == ("Huh-7 LR: sorafenib 3.00 (2.00 to 4.00)",)


def test_no_resistance_is_said_as_such(build_record):
    table = index([("Huh-7 LR", "lenvatinib", "", "", 1.1, 0.8, 1.4)])
    sentence = answer(build_record(tables={"resistance_index": table})).sentence
    assert sentence == "No line was shown to be resistant to any drug."


def test_many_lines_are_summed_up(build_record):
    table = index([(f"L{i}", "lenvatinib", "", "", 2.0 + i, 1.5, 9.0) for i in range(6)])
    sentence = answer(build_record(tables={"resistance_index": table})).sentence
    assert sentence.startswith(
        "Resistance was shown in 6 of 6 comparisons, 2.00- to 7.00-fold: L0, L1, L2, L3 and 2 more"
    )


def test_candidates_come_first_when_there_are_any(build_record, record):
    ranked = pd.DataFrame(
        {"rank": [2, 1], "entity": ["CAV1", "AKR1B1"], "tier": [2, 1], "q_value": [0.2, 0.01], "summary": ["", "up."]}
    )
    made = answer(build_record(tables={**record.tables, "candidates": ranked}))
    assert made.sentence == "AKR1B1 is the likeliest driver of resistance: the evidence converges (q = 0.010)."
    assert made.points[0].label == "Resistance"


def test_the_sentence_says_how_sure_what_speaks_against_and_which_drug_reaches_the_gene(build_record):
    ranked = pd.DataFrame(
        {"rank": [1.0], "entity": ["MRPL12"], "direction": [1], "tier": [1], "q_value": [0.01], "rank_low": [1.0],
         "rank_high": [3.2], "streams_for": ["resistant cells, response, intervention"],
         "streams_against": ["survival"], "status": ["estimated"]}
    )  # fmt: skip
    chains = pd.DataFrame(
        {"candidate": "MRPL12", "drug": "lefamulin", "kind": ["drug reaches target", "drug restores sensitivity"],
         "target": ["ILF3", "resistance"], "state": ["measured here", "not tested"]}
    )  # fmt: skip
    tables = {"candidates": ranked, "chains": chains.assign(chain=1)[:0]}
    assert answer(build_record(tables=tables)).sentence == (
        "MRPL12, high in resistance, is the likeliest driver of resistance: 3 independent kinds of evidence converge "
        "(q = 0.010; rank 1 to 4 in 90 % of resamplings), against it survival."
    )
    said = answer(build_record(tables={"candidates": ranked, "chains": chains})).sentence
    assert said.endswith("; lefamulin reaches ILF3 (measured here); that it restores sensitivity is not tested.")
    unsure = answer(build_record(tables={"candidates": ranked.assign(tier=3)})).sentence
    assert unsure.startswith("No gene is sure enough to be called; MRPL12, high in resistance, ranks first")


def test_curves_alone_and_nothing_at_all(build_record, record):
    alone = build_record(tables={"curves": record.tables["curves"]}, evidence=empty())
    assert answer(alone).sentence.startswith("8 dose-response curves were fitted; 7 have an IC50.")
    nothing = build_record(tables={}, evidence=empty())
    assert answer(nothing).sentence.startswith("No analysis could say anything")


def test_of_many_drugs_the_strongest_are_named_and_the_others_counted(build_record):
    rows = [("Huh-7 LR", f"d{i}", "", "", 2.0 + i, 1.5, 900.0) for i in range(268)]
    record = build_record(
        tables={"resistance_index": index([("Huh-7 LR", "lenvatinib", "", "", 2.0, 1.5, 9.0), *rows])}
    )
    point = next(p for p in answer(record).points if p.label == "Cross-resistance")
    ((line, more),) = point.lines
    assert line.startswith("Huh-7 LR: d267 269 (1.50 to 900), d266 268")
    assert line.count(" to ") == 8 and more == 260
    page = render(record)
    assert '<a href="#table-resistance_index">260 more</a>' in page
