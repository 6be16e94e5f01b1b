"""Perturbations, media and stages: labels understood, controls chosen, trends tested."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from dose_response_examples import experiment, models, study

from rechallenge import dose_response
from rechallenge.assays.dose_response.perturbations import control_for, parse
from rechallenge.faults import NotApplicable

LABELS = {
    "siAKR1B1": ("AKR1B1", -1, "si"),
    "siAKR1B1-2": ("AKR1B1", -1, "si"),
    "siAKR1B1#1": ("AKR1B1", -1, "si"),
    "si-AKR1B1": ("AKR1B1", -1, "si"),
    "siRNA AKR1B1": ("AKR1B1", -1, "si"),
    "shCAV1 clone 3": ("CAV1", -1, "sh"),
    "SH-CAV1": ("CAV1", -1, "sh"),
    "sgSLC7A11": ("SLC7A11", -1, "sg"),
    "AKR1B1 KO": ("AKR1B1", -1, ""),
    "AKR1B1-KO": ("AKR1B1", -1, ""),
    "AKR1B1 knockdown": ("AKR1B1", -1, ""),
    "TP53-/-": ("TP53", -1, ""),
    "AKR1B1 OE": ("AKR1B1", 1, "oe"),
    "OE-AKR1B1": ("AKR1B1", 1, "oe"),
    "pcDNA3.1-AKR1B1": ("AKR1B1", 1, "oe"),
    "AKR1B1 overexpression": ("AKR1B1", 1, "oe"),
    "CRISPRa AKR1B1": ("AKR1B1", 1, "oe"),
    "IL6 inhibitor": ("IL6", -1, ""),
    "anti-IL6": ("IL6", -1, ""),
    "AKR1B1i": ("AKR1B1", -1, ""),
    "EGFR agonist": ("EGFR", 1, ""),
    "Akr1b3 KO": ("Akr1b3", -1, ""),
    "miR-22 mimic": ("miR-22", 1, "oe"),
    "miR-22-3p inhibitor": ("miR-22-3p", -1, ""),
    "C1orf112 KD": ("C1orf112", -1, ""),
    "HLA-A KO": ("HLA-A", -1, ""),
    "siMT-CO1": ("MT-CO1", -1, "si"),
}
CONTROLS = ["none", "", "WT", "siNC", "si-NC#2", "siCtrl", "shCtrl", "shGFP", "shNC-1", "sgNTC", "sgAAVS1", "scramble"]
CONTROLS += ["Scrambled", "vector", "empty vector", "EV", "mock", "siControl", "non-targeting", "pcDNA3.1", "pLKO.1"]
CONTROLS += ["siNT", "shLuc", "DMSO", "Untreated"]


@pytest.mark.parametrize("label", LABELS)
def test_labels_that_name_a_gene(label: str) -> None:
    read = parse(label)
    assert (read.gene, read.sign, read.family) == LABELS[label]
    assert not read.control and read.action and not read.why


@pytest.mark.parametrize("label", CONTROLS)
def test_controls(label: str) -> None:
    read = parse(label)
    assert read.control and not read.gene and read.sign == 0


@pytest.mark.parametrize("label", ["siAKR1B1 + SORD OE", "siA/siB", "AKR1B1 KO and CAV1 KO", "siAKR1B1 & siSORD"])
def test_combined_perturbations_are_not_attributed(label: str) -> None:
    assert parse(label).why == "several perturbations at once" and parse(label).gene == ""


@pytest.mark.parametrize("label", ["epalrestat", "SHP2", "SIRT1", "hypoxia", "passage 20", "KO", "OE", "si", "shock"])
def test_other_labels_are_not_understood(label: str) -> None:
    """SHP2 is a gene and no short hairpin against P2."""
    read = parse(label)
    assert read.gene == "" and not read.control and "not understood" in read.why


def test_choice_of_the_control() -> None:
    every = ["none", "scramble", "shNC", "siNC", "siX", "vector"]
    assert control_for(parse("siAKR1B1"), every) == ("siNC", True)
    assert control_for(parse("shAKR1B1"), every) == ("shNC", True)
    assert control_for(parse("AKR1B1 OE"), every) == ("vector", True)
    assert control_for(parse("siAKR1B1"), ["none", "scramble"]) == ("scramble", True)
    assert control_for(parse("siAKR1B1"), ["none", "vector"]) == ("none", False)
    assert control_for(parse("AKR1B1 KO"), ["none", "siNC"]) == ("none", True)
    assert control_for(parse("siAKR1B1"), ["siB"]) == (None, False)


@pytest.fixture(scope="module")
def curves() -> pd.DataFrame:
    return dose_response.fit_curves(study())


def test_knock_down_and_over_expression_agree_on_the_gene(curves: pd.DataFrame) -> None:
    out = dose_response.perturbation_shift(curves).set_index("perturbation")
    down, up = out.loc["siAKR1B1"], out.loc["AKR1B1 OE"]
    assert (down["control"], up["control"]) == ("siNC", "vector")
    assert down["ratio"] == pytest.approx(12 / 49, rel=0.3) and up["ratio"] == pytest.approx(48 / 13, rel=0.3)
    assert (down["verdict"], up["verdict"]) == ("lowers the IC50", "raises the IC50")
    assert down["direction"] == up["direction"] == 1
    assert down["ci_low"] < 12 / 49 < down["ci_high"] and down["p_value"] <= down["q_value"] < 0.05


def test_labels_not_understood_stay_in_the_table(curves: pd.DataFrame) -> None:
    row = dose_response.perturbation_shift(curves).set_index("perturbation").loc["something else"]
    assert row["gene"] == "" and row["direction"] == 0 and "not understood" in row["reason"]
    assert row["control"] == "none" and row["ratio"] == pytest.approx(1.0, rel=0.4)


def test_a_gene_that_opposes_resistance() -> None:
    rng = np.random.default_rng(1)
    parts = [experiment(rng, "P", "d", v, perturbation=p) for v, p in ((10.0, "siNC"), (50.0, "siTXNIP"))]
    row = dose_response.perturbation_shift(dose_response.fit_curves(pd.concat(parts))).iloc[0]
    assert row["direction"] == -1 and row["verdict"] == "raises the IC50"


def test_an_untreated_control_is_said_and_none_is_said() -> None:
    rng = np.random.default_rng(2)
    parts = [experiment(rng, "P", "d", 10.0), experiment(rng, "P", "d", 5.0, perturbation="siX1")]
    parts += [experiment(rng, "P", "e", 5.0, perturbation="siX1")]
    table = pd.concat(parts).fillna({"perturbation": "none"})
    out = dose_response.perturbation_shift(dose_response.fit_curves(table)).set_index("drug")
    assert not out.loc["d", "matched_control"] and "untreated, not a control transfection" in out.loc["d", "reason"]
    assert out.loc["e", "status"] == "not_testable" and out.loc["e", "reason"].startswith("no control cells")
    assert out.loc["e", "verdict"] == "not tested"


def test_medium_shift(curves: pd.DataFrame) -> None:
    row = dose_response.medium_shift(curves).iloc[0]
    assert (row["model"], row["medium"], row["reference"]) == ("P", "conditioned by LR", "")
    assert row["ratio"] == pytest.approx(40 / 13, rel=0.3) and row["verdict"] == "raises the IC50"


def test_the_reference_medium_may_be_named() -> None:
    rng = np.random.default_rng(3)
    parts = [experiment(rng, "P", "d", v, medium=m) for v, m in ((10.0, "CM P"), (30.0, "CM LR"))]
    fitted = dose_response.fit_curves(pd.concat(parts))
    unnamed = dose_response.medium_shift(fitted)
    assert (unnamed["status"] == "not_testable").all() and unnamed["reason"].str.contains("option reference").all()
    named = dose_response.medium_shift(fitted, reference="CM P")
    assert named["medium"].tolist() == ["CM LR"] and named["ratio"].item() == pytest.approx(3.0, rel=0.3)


def test_trend_over_stages(curves: pd.DataFrame) -> None:
    out = dose_response.stage_trend(curves, models())
    assert len(out) == 1
    row = out.iloc[0]
    assert (row["model"], row["parent"], row["stages"], row["n"]) == ("LR", "P", "S0 < S1 < S2 < S3", 4)
    assert row["fold_per_stage"] == pytest.approx((50.6 / 13) ** (1 / 3), rel=0.15)
    assert row["monotone"] and row["verdict"] == "IC50 rises with the stage" and row["df"] == 2


def test_trend_is_the_plain_regression(curves: pd.DataFrame) -> None:
    from scipy.stats import linregress

    row = dose_response.stage_trend(curves, models()).iloc[0]
    plain = curves.query("drug == 'lenvatinib' and perturbation == 'none' and medium == ''").set_index(
        ["model", "stage"]
    )
    ic50 = [plain.loc[("P", ""), "ic50_um"], *(plain.loc[("LR", s), "ic50_um"] for s in ("S1", "S2", "S3"))]
    expected = linregress(range(4), np.log2(ic50))
    assert row["log2_per_stage"] == pytest.approx(expected.slope)
    assert row["se"] == pytest.approx(expected.stderr) and row["p_value"] == pytest.approx(expected.pvalue)


def test_stages_as_models_of_their_own() -> None:
    rng = np.random.default_rng(4)
    lines = pd.DataFrame(
        [
            {"model": "P", "role": "parental", "parent": "", "selected_with": "", "stage": ""},
            *(
                {"model": f"R{i}", "role": "resistant", "parent": "P", "selected_with": "d", "stage": f"S{i}"}
                for i in (1, 2, 3)
            ),
        ]
    )
    parts = [experiment(rng, m, "d", v) for m, v in (("P", 5.0), ("R1", 10.0), ("R2", 20.0), ("R3", 40.0))]
    row = dose_response.stage_trend(dose_response.fit_curves(pd.concat(parts)), lines).iloc[0]
    assert (row["model"], row["n"]) == ("R3", 4) and row["fold_per_stage"] == pytest.approx(2.0, rel=0.15)


def test_trend_without_models_and_with_bounds() -> None:
    rng = np.random.default_rng(5)
    values = (("S0", 10.0), ("S1", 20.0), ("S2", 40.0), ("S3", 1e9))
    parts = [experiment(rng, "LR", "d", v, stage=s) for s, v in values]
    row = dose_response.stage_trend(dose_response.fit_curves(pd.concat(parts))).iloc[0]
    assert row["n"] == 3 and "1 stage without an IC50 left out" in row["reason"] and "S3: > 100" in row["ic50s"]
    short = dose_response.stage_trend(dose_response.fit_curves(pd.concat(parts[:2]))).iloc[0]
    assert short["status"] == "not_testable" and "fewer than 3 stages" in short["reason"]
    assert short["verdict"] == "not determined"


def test_studies_without_these_things_are_passed_over() -> None:
    fitted = dose_response.fit_curves(experiment(np.random.default_rng(6), "P", "d", 10.0))
    for step in (dose_response.perturbation_shift, dose_response.medium_shift, dose_response.stage_trend):
        with pytest.raises(NotApplicable):
            step(fitted)
