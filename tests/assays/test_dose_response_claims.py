"""Claims: the vocabulary of Evidence, one plain sentence with its numbers, and nothing beyond the status."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from dose_response_examples import models, study

from rechallenge import dose_response
from rechallenge.evidence import check


@pytest.fixture(scope="module")
def curves() -> pd.DataFrame:
    table = study().assign(_file="viability.csv")
    table["_row"] = range(2, len(table) + 2)
    return dose_response.fit_curves(table)


@pytest.fixture(scope="module")
def resistance(curves: pd.DataFrame) -> pd.DataFrame:
    return dose_response.resistance_claims(dose_response.resistance_index(curves, models()))


def test_claims_keep_the_schema(curves: pd.DataFrame, resistance: pd.DataFrame) -> None:
    stages = dose_response.stage_claims(dose_response.stage_trend(curves, models()))
    genes = dose_response.perturbation_claims(dose_response.perturbation_shift(curves))
    for table, level, kind in (
        (resistance, "association", "drug"),
        (stages, "gradient", "drug"),
        (genes, "intervention", "gene"),
    ):
        check(table)
        assert len(table) and set(table["level"]) == {level} and set(table["entity_type"]) == {kind}
        assert set(table["stream"]) == {"dose_response"} and set(table["source_table"]) == {"viability"}
        assert table["source_rows"].str.startswith("viability.csv:").all()
        assert table["claim"].str.endswith(".").all()


def test_a_resistant_drug(resistance: pd.DataFrame) -> None:
    row = resistance.query("entity == 'lenvatinib' and model == 'LR' and not claim.str.contains('stage')").iloc[0]
    assert (row["direction"], row["status"], row["contrast"], row["n"]) == (1, "estimated", "LR vs P", 6)
    assert row["ci_low"] < row["effect"] < row["ci_high"] and row["effect"] == pytest.approx(
        np.log2(50.6 / 13), abs=0.3
    )
    for part in ("resistance to the selecting drug", "95 % interval", "t = ", "p = ", "q = ", "n = 3 and 3", "µM"):
        assert part in row["claim"], part


def test_collateral_sensitivity_is_the_other_direction(resistance: pd.DataFrame) -> None:
    row = resistance.query("entity == 'epalrestat' and model == 'LR'").iloc[0]
    assert row["direction"] == -1 and row["effect"] < 0 and "collateral sensitivity" in row["claim"]


def test_no_change_claims_no_direction(resistance: pd.DataFrame) -> None:
    row = resistance.query("entity == 'irinotecan' and model == 'LR'").iloc[0]
    assert row["direction"] == 0 and "no change shown" in row["claim"]


def test_a_bound_has_a_direction_and_no_number(resistance: pd.DataFrame) -> None:
    row = resistance.query("entity == 'lost' and model == 'LR'").iloc[0]
    assert (row["status"], row["direction"]) == ("censored", 1)
    assert row[["effect", "p_value", "q_value", "se"]].isna().all() and row["ci_low"] > 4 and row["ci_high"] == np.inf
    assert "resistance index above" in row["claim"] and "> 100" in row["claim"]


def test_what_cannot_be_said_is_said(resistance: pd.DataFrame) -> None:
    row = resistance.query("entity == 'inactive' and model == 'LR'").iloc[0]
    assert row["status"] == "not_estimable" and row["direction"] == 0
    assert "not determined [both IC50s lie above the highest dose]." in row["claim"]


def test_gene_claims(curves: pd.DataFrame) -> None:
    out = dose_response.perturbation_claims(dose_response.perturbation_shift(curves))
    assert out["entity"].tolist() == ["AKR1B1", "AKR1B1"] and (out["direction"] == 1).all()
    assert sorted(out["effect"] > 0) == [False, True], "knock-down lowers, over-expression raises"
    down = out[out["effect"] < 0].iloc[0]
    assert down["contrast"] == "siAKR1B1 vs siNC, lenvatinib"
    assert "AKR1B1: promotes resistance to lenvatinib in LR; siAKR1B1 (knock-down) against siNC" in down["claim"]


def test_stage_claim(curves: pd.DataFrame) -> None:
    row = dose_response.stage_claims(dose_response.stage_trend(curves, models())).iloc[0]
    assert (row["direction"], row["n"], row["contrast"]) == (1, 4, "S0 < S1 < S2 < S3")
    assert "n = 4 stages" in row["claim"] and "-fold per stage" in row["claim"]


def test_one_experiment_keeps_its_estimate_without_a_test() -> None:
    table = study().query("replicate == 'e1' and medium == '' and stage == '' and perturbation == 'none'")
    index = dose_response.compare(dose_response.fit_curves(table), {"LR": "P"})
    out = check(dose_response.resistance_claims(index))
    row = out.query("entity == 'lenvatinib'").iloc[0]
    assert row["status"] == "not_testable" and row["effect"] > 1 and np.isnan(row["p_value"]) and row["direction"] == 0
    assert "not determined in LR against P" in row["claim"] and "no test; n = 1 and 1" in row["claim"]


def test_p_and_q_are_written_alike(resistance: pd.DataFrame) -> None:
    from rechallenge.report.words import equals

    assert not resistance["claim"].str.contains("p <|e-0", regex=True).any()
    tested = resistance[resistance["p_value"].notna()]
    for row in tested.itertuples():
        assert f"{equals('p', row.p_value)}, {equals('q', row.q_value)}" in row.claim
