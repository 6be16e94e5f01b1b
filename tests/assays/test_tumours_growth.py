"""Growth rates: planted rates are told back; Bliss, HSA, drop-out, zeros, designs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tumour_examples import ADDITIVE, DAYS, LINES, SYNERGY, experiment

from rechallenge.assays import tumours as assay
from rechallenge.evidence import check
from rechallenge.faults import NotApplicable

QUIET = {"sd_slope": 0.004, "sd": 0.05}


def growth(table: pd.DataFrame, models: pd.DataFrame | None = None, **options: object) -> pd.DataFrame:
    return assay.tumour_growth(table, assay.tumour_tgi(table, n_boot=200), models, **options)["tumour_growth"]


def row(table: pd.DataFrame, kind: str, arm: str = "lenvatinib + epalrestat", model: str = "Huh-7 LR") -> pd.Series:
    found = table[(table["kind"] == kind) & (table["arm"] == arm) & (table["model"] == model)]
    assert len(found) == 1
    return found.iloc[0]


@pytest.fixture(scope="module")
def synergy() -> pd.DataFrame:
    return growth(experiment(1, rates=SYNERGY, **QUIET), LINES)


def test_planted_rates_and_interaction_are_told_back(synergy: pd.DataFrame) -> None:
    for arm, rate in SYNERGY.items():
        assert row(synergy, "growth rate", arm)["estimate"] == pytest.approx(rate, abs=0.01)
    bliss, hsa = row(synergy, "bliss"), row(synergy, "hsa")
    assert bliss["estimate"] == pytest.approx(-0.06, abs=0.02) and bliss["ci_low"] < -0.06 < bliss["ci_high"]
    assert bliss["p_value"] < 1e-4 and bliss["n"] == 24 and bliss["method"] == "mixed model"
    assert hsa["reference"] == "epalrestat" and hsa["p_value"] < 1e-4 and hsa["n"] == 18
    assert bliss["two_stage_estimate"] == pytest.approx(bliss["estimate"], abs=0.005)
    control = row(synergy, "against control")
    assert control["tgi_day"] == 21 and 90 < control["tgi_percent"] < 115
    assert control["tgi_ci_low"] < control["tgi_percent"] < control["tgi_ci_high"]
    assert control["rate_inhibition_percent"] == pytest.approx(110, abs=8)
    tested = synergy["p_value"].notna()
    assert (synergy.loc[tested, "q_value"] >= synergy.loc[tested, "p_value"]).all()
    assert synergy.loc[synergy["kind"] == "growth rate", "p_value"].isna().all()


def test_hsa_needs_both_parts_to_be_beaten() -> None:
    """The combination grows as epalrestat alone: far slower than lenvatinib alone, and no HSA."""
    table = growth(experiment(2, rates={**SYNERGY, "lenvatinib + epalrestat": SYNERGY["epalrestat"]}, **QUIET))
    hsa = row(table, "hsa")
    singles = table[table["kind"] == "against single"].set_index("reference")["p_value"]
    assert hsa["reference"] == "epalrestat" and singles["lenvatinib"] < 0.05
    assert hsa["p_value"] > 0.01 and hsa["p_value"] >= singles["lenvatinib"] / 2


def test_rows_have_no_order_and_origins_are_kept(synergy: pd.DataFrame) -> None:
    table = experiment(1, rates=SYNERGY, **QUIET)
    again = growth(table.sample(frac=1, random_state=3), LINES)
    pd.testing.assert_frame_equal(again, synergy)
    rows = len(table)
    assert row(synergy, "bliss")["source_rows"] == f"tumours.csv:2-{rows + 1}"
    assert row(synergy, "growth rate", "vehicle")["source_rows"] == f"tumours.csv:2-{6 * len(DAYS) + 1}"


def test_early_leaving_is_said_and_compared_with_the_common_follow_up() -> None:
    table = growth(experiment(3, rates=SYNERGY, burden=600))
    bliss = row(table, "bliss")
    assert bliss["n_early"] > 5 and bliss["common_day"] < bliss["last_day"] == 21
    assert np.isfinite(bliss["common_estimate"]) and bliss["common_ci_low"] < bliss["common_ci_high"]
    assert "animals end early, at a median of" in bliss["remark"]
    whole = growth(experiment(3, rates=SYNERGY))
    assert row(whole, "bliss")["common_day"] == 21 and whole["common_estimate"].isna().all()


def test_volumes_of_zero_are_set_to_the_smallest_and_said() -> None:
    table = experiment(4, rates=SYNERGY, **QUIET)
    combination = table["arm"] == "lenvatinib + epalrestat"
    gone = combination & table["animal"].str.endswith("-0") & (table["day"] >= 14)
    table.loc[gone, "volume_mm3"] = 0.0
    found, without = growth(table), growth(table, zeros="exclude")
    text = row(found, "bliss")["remark"]
    smallest = table.loc[table["volume_mm3"] > 0, "volume_mm3"].min()
    assert f"3 volumes of 0 (complete regression) set to {smallest:.3g} mm³" in text
    assert "left out" in row(without, "bliss")["remark"]
    assert row(found, "growth rate")["estimate"] < row(without, "growth rate")["estimate"]
    lower = growth(table, detection_mm3=1.0)
    assert row(lower, "growth rate")["estimate"] < row(found, "growth rate")["estimate"]


def test_relative_volumes_and_arm_intercepts() -> None:
    table = experiment(5, rates=SYNERGY, **QUIET)
    heavier = table.copy()
    heavier.loc[heavier["arm"] == "vehicle", "volume_mm3"] *= 3
    common, own = growth(heavier), growth(heavier, baseline="arm")
    relative = growth(heavier, baseline="relative")
    assert "arms differ at the start" in row(common, "bliss")["remark"]
    for found in (own, relative):
        assert row(found, "growth rate", "vehicle")["estimate"] == pytest.approx(0.10, abs=0.01)


def test_unequal_scatter_and_bending_growth_are_said() -> None:
    wild = experiment(6, n=10, **QUIET)
    spread = experiment(7, n=10, sd_slope=0.08, sd=0.05)
    mixed = pd.concat([wild[wild["arm"] != "vehicle"], spread[spread["arm"] == "vehicle"]])
    assert "slopes scatter unequally" in row(growth(mixed), "bliss")["remark"]
    bent = experiment(8, **QUIET)
    bent["volume_mm3"] *= np.exp(-0.004 * bent["day"] ** 2)
    assert "growth slows down with time" in row(growth(bent), "bliss")["remark"]


def test_resistant_against_parental_tumours() -> None:
    parental = {**ADDITIVE, "lenvatinib": 0.02}
    table = pd.concat([experiment(9, **QUIET), experiment(10, rates=parental, model="Huh-7 P", **QUIET)])
    found = growth(table, LINES)
    between = row(found, "between models", "lenvatinib")
    assert between["estimate"] == pytest.approx(0.06, abs=0.02) and between["p_value"] < 0.001
    assert between["reference"] == "Huh-7 P" and between["n"] == 24
    assert (
        row(found, "between models", "epalrestat")["ci_low"] < 0 < row(found, "between models", "epalrestat")["ci_high"]
    )
    claims = check(assay.tumour_growth_claims(found, LINES))
    mine = claims[claims["contrast"].str.contains("lenvatinib: effect in")].iloc[0]
    assert mine["direction"] == 1 and "acts less on Huh-7 LR tumours than on Huh-7 P" in mine["claim"]


def test_one_animal_an_arm_is_compared_over_models() -> None:
    table = pd.concat([experiment(20 + k, n=1, rates=SYNERGY, model=f"PDX{k}") for k in range(12)])
    found = growth(table)
    alone = found[(found["model"] == "PDX3") & (found["kind"] == "against control")]
    assert set(alone["status"]) == {"not_testable"} and alone["reason"].str.contains("one animal an arm").all()
    assert alone["p_value"].isna().all()
    over = found[(found["kind"] == "across models") & found["remark"].str.startswith("bliss")].iloc[0]
    assert over["n"] == over["n_models"] == 12 and over["ci_low"] < -0.06 < over["ci_high"] and over["p_value"] < 0.01
    claims = check(assay.tumour_growth_claims(found))
    assert claims.loc[claims["model"] == "", "claim"].str.contains("n = 12 models").any()


def test_two_days_fall_back_to_slopes_per_animal() -> None:
    table = experiment(11, rates=SYNERGY, days=(0, 21))
    bliss = row(growth(table), "bliss")
    assert bliss["method"] == "per-animal slopes" and bliss["test"] == "t, Welch" and bliss["status"] == "estimated"
    assert bliss["estimate"] == bliss["two_stage_estimate"] and "mixed model not fitted" in bliss["remark"]


def test_what_is_missing_is_typed() -> None:
    table = experiment(12)
    lacking = row(growth(table[table["arm"] != "lenvatinib"]), "bliss")
    assert lacking["status"] == "not_estimable" and lacking["reason"] == "no arm of lenvatinib alone"
    assert np.isnan(lacking["estimate"]) and np.isnan(lacking["p_value"])
    bare = growth(table[table["arm"] != "vehicle"])
    assert row(bare, "bliss")["reason"] == "no control arm" and row(bare, "hsa")["status"] == "estimated"
    once = table[(table["arm"] != "epalrestat") | (table["day"] == 0)]
    lost = row(growth(once), "bliss")
    assert lost["status"] == "not_estimable" and "no animal of epalrestat was measured twice" in lost["reason"]
    check(assay.tumour_growth_claims(growth(once)))
    with pytest.raises(NotApplicable):
        assay.tumour_tgi(table[table["day"] == 0])


def test_gene_knock_down_with_a_drug_is_about_the_gene() -> None:
    rates = {"shNC": 0.1, "shNC + lenvatinib": 0.09, "shAKR1B1": 0.1, "shAKR1B1 + lenvatinib": 0.02}
    found = growth(experiment(13, rates=rates, **QUIET), LINES)
    bliss = row(found, "bliss", "shAKR1B1 + lenvatinib")
    assert (bliss["entity"], bliss["entity_type"], bliss["action"]) == ("AKR1B1", "gene", -1)
    claims = check(assay.tumour_growth_claims(found, LINES)).set_index("contrast")
    gene = claims.loc["shAKR1B1 + lenvatinib: interaction (Bliss)"]
    assert gene["entity"] == "AKR1B1" and gene["direction"] == 1, "its knock-down makes the drug act"
    assert "shAKR1B1 + lenvatinib vs shNC" not in claims.index, "both at once say nothing of the gene alone"


def test_claims_have_numbers_and_signs(synergy: pd.DataFrame) -> None:
    claims = check(assay.tumour_growth_claims(synergy, LINES))
    assert set(claims["level"]) == {"in_vivo"} and set(claims["stream"]) == {"tumours"}
    pair = claims[(claims["entity"] == "epalrestat + lenvatinib") & claims["contrast"].str.contains("Bliss")].iloc[0]
    assert pair["entity_type"] == "pair" and pair["direction"] == -1
    assert "synergy (Bliss, growth rate) in Huh-7 LR tumours; interaction −0.0" in pair["claim"]
    assert "n = 24 animals" in pair["claim"] and "per-animal slopes" in pair["claim"]
    unknown = check(assay.tumour_growth_claims(synergy))
    assert set(unknown["direction"]) == {0}, "whether the tumours are resistant is not known"
    empty = assay.tumour_growth_claims(synergy.iloc[:0], LINES)
    assert len(empty) == 0
