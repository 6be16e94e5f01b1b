"""Resistance index: what is compared with what, and every cell typed and named."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from dose_response_examples import experiment, models, study

from rechallenge import dose_response
from rechallenge.assays.dose_response.resistance import stage_number
from rechallenge.faults import NotApplicable
from rechallenge.stats.multiplicity import bh


@pytest.fixture(scope="module")
def curves() -> pd.DataFrame:
    return dose_response.fit_curves(study())


@pytest.fixture(scope="module")
def index(curves: pd.DataFrame) -> pd.DataFrame:
    return dose_response.resistance_index(curves, models())


def cell(index: pd.DataFrame, model: str, drug: str, stage: str = "") -> pd.Series:
    found = index[(index["model"] == model) & (index["drug"] == drug) & (index["stage"] == stage)]
    assert len(found) == 1
    return found.iloc[0]


def test_planted_index_lies_in_the_interval(index: pd.DataFrame) -> None:
    planted = {
        ("LR", "lenvatinib"): 50.6 / 13,
        ("SR", "lenvatinib"): 33.5 / 13,
        ("LR", "sorafenib"): 21.0 / 6.8,
        ("SR", "sorafenib"): 16.7 / 6.8,
        ("LR", "irinotecan"): 1.0,
        ("SR", "irinotecan"): 60 / 24.5,
        ("LR", "epalrestat"): 8 / 30,
    }
    inside = [row["ci_low"] <= ri <= row["ci_high"] for (m, d), ri in planted.items() for row in [cell(index, m, d)]]
    assert sum(inside) >= len(planted) - 1
    lenvatinib = cell(index, "LR", "lenvatinib")
    assert lenvatinib["ri"] == pytest.approx(50.6 / 13, rel=0.25)
    assert lenvatinib["log2_ri"] == pytest.approx(np.log2(lenvatinib["ri"]))
    assert (lenvatinib["n"], lenvatinib["n_resistant"], lenvatinib["n_parental"]) == (6, 3, 3)


def test_verdicts_name_the_kind_of_change(index: pd.DataFrame) -> None:
    expected = {
        ("LR", "lenvatinib"): "resistance to the selecting drug",
        ("LR", "sorafenib"): "cross-resistance",
        ("SR", "sorafenib"): "resistance to the selecting drug",
        ("LR", "irinotecan"): "no change shown",
        ("LR", "epalrestat"): "collateral sensitivity",
        ("LR", "lost"): "cross-resistance",
        ("LR", "inactive"): "not determined",
    }
    assert {k: cell(index, *k)["verdict"] for k in expected} == expected


def test_bounds_are_bounds(index: pd.DataFrame) -> None:
    lost = cell(index, "LR", "lost")
    assert (lost["status"], lost["ri_bound"], lost["ci_high"]) == ("censored", "above", np.inf)
    assert np.isnan(lost["ri"]) and lost["ci_low"] > 20 and lost["q_value"] < 0.05
    assert lost["ic50_resistant"] == "> 100" and float(lost["ic50_parental"]) == pytest.approx(2, rel=0.2)
    both = cell(index, "LR", "inactive")
    assert both["status"] == "not_estimable" and np.isnan(both["p_value"]) and "both IC50s" in both["reason"]


def test_q_counts_the_tests_made(index: pd.DataFrame) -> None:
    tested = index["p_value"].notna()
    assert index.loc[tested, "q_value"].to_numpy() == pytest.approx(bh(index.loc[tested, "p_value"]))
    assert index.loc[~tested, "q_value"].isna().all() and (~tested).any()


def test_perturbed_cells_and_other_media_are_not_compared_here(index: pd.DataFrame) -> None:
    assert set(index["perturbation"]) == {"none"} and set(index["medium"]) == {""}


def test_stages_are_compared_with_the_parent_without_a_stage(index: pd.DataFrame) -> None:
    series = [cell(index, "LR", "lenvatinib", s)["ri"] for s in ("S1", "S2", "S3")]
    assert series == sorted(series) and series[-1] == pytest.approx(50.6 / 13, rel=0.25)


def test_the_parent_at_the_same_stage_comes_first_then_the_earliest() -> None:
    rng = np.random.default_rng(1)
    parts = [
        experiment(rng, "P", "d", 10.0, stage="S0"),
        experiment(rng, "P", "d", 20.0, stage="S2"),
        experiment(rng, "LR", "d", 40.0, stage="S1"),
        experiment(rng, "LR", "d", 80.0, stage="S2"),
    ]
    out = dose_response.resistance_index(dose_response.fit_curves(pd.concat(parts)), models())
    assert out.set_index("stage")["ri"].to_dict() == pytest.approx({"S1": 4.0, "S2": 4.0}, rel=0.3)
    assert [float(v) for v in out["ic50_parental"]] == pytest.approx([10, 20], rel=0.2)


def test_a_control_transfection_stands_in_for_untouched_cells() -> None:
    rng = np.random.default_rng(2)
    parts = [experiment(rng, m, "d", v, perturbation="siNC") for m, v in (("P", 10.0), ("LR", 30.0))]
    out = dose_response.resistance_index(dose_response.fit_curves(pd.concat(parts)), models())
    assert out["perturbation"].tolist() == ["siNC"] and out["ri"].item() == pytest.approx(3.0, rel=0.3)


def test_a_missing_parent_curve_is_said() -> None:
    table = study().query("not (model == 'P' and drug == 'sorafenib')")
    out = dose_response.resistance_index(dose_response.fit_curves(table), models())
    rows = out[out["drug"] == "sorafenib"]
    assert (rows["status"] == "not_testable").all() and (rows["verdict"] == "not tested").all()
    assert rows["reason"].str.startswith("not tested on P").all() and rows["p_value"].isna().all()
    cells = dose_response.cross_resistance(out).query("drug == 'sorafenib'")
    assert (cells["cell"] == "n.t.").all() and (cells["pattern"] == "not tested").all()
    claims = dose_response.resistance_claims(out).query("entity == 'sorafenib'")["claim"]
    assert claims.str.contains("no resistance index [not tested on P under the same conditions].", regex=False).all()
    assert not claims.str.contains("n.d.", regex=False).any()


def test_exposures_are_not_mixed() -> None:
    rng = np.random.default_rng(3)
    parts = [experiment(rng, "P", "d", 10.0, hours=72.0), experiment(rng, "LR", "d", 40.0, hours=48.0)]
    out = dose_response.resistance_index(dose_response.fit_curves(pd.concat(parts)), models())
    assert out["status"].tolist() == ["not_testable"]


def test_one_experiment_is_an_estimate_without_a_test() -> None:
    rng = np.random.default_rng(4)
    parts = [experiment(rng, m, "d", v, replicates=("e1",)) for m, v in (("P", 10.0), ("LR", 40.0))]
    row = dose_response.compare(dose_response.fit_curves(pd.concat(parts)), {"LR": "P"}).iloc[0]
    assert row["status"] == "not_testable" and row["ri"] == pytest.approx(4.0, rel=0.3)
    assert np.isnan(row["p_value"]) and row["verdict"] == "not determined" and "fewer than two" in row["reason"]


def test_without_a_study(curves: pd.DataFrame, index: pd.DataFrame) -> None:
    out = dose_response.compare(curves, {"LR": "P"})
    whole = index[index["model"] == "LR"].reset_index(drop=True)
    assert out["ri"].to_numpy() == pytest.approx(whole["ri"].to_numpy(), nan_ok=True)
    assert cell(out, "LR", "lenvatinib")["verdict"] == "resistance"
    named = dose_response.compare(curves, {"LR": "P"}, selected_with={"LR": "Lenvatinib + X"})
    assert cell(named, "LR", "lenvatinib")["verdict"] == "resistance to the selecting drug"
    with pytest.raises(ValueError, match="no curve of HepG2; there are curves of LR, P, SR"):
        dose_response.compare(curves, {"LR": "HepG2"})


def test_studies_without_a_pair(curves: pd.DataFrame) -> None:
    with pytest.raises(NotApplicable, match="No resistant model with a parent"):
        dose_response.resistance_index(curves, models().query("role == 'parental'"))


def test_a_common_factor_on_all_doses_changes_no_index(curves: pd.DataFrame, index: pd.DataFrame) -> None:
    table = study()
    other = dose_response.resistance_index(
        dose_response.fit_curves(table.assign(dose_um=table["dose_um"] * 7.5)), models()
    )
    for column in ("ri", "ci_low", "ci_high", "p_value"):
        assert np.allclose(other[column], index[column], rtol=1e-4, equal_nan=True)


def test_cross_resistance_cells(index: pd.DataFrame) -> None:
    out = dose_response.cross_resistance(index)
    assert not out.duplicated(["drug", "model"]).any()
    cells = out.set_index(["model", "drug"])
    assert cells.loc[("LR", "lost"), "cell"].startswith(">")
    assert cells.loc[("LR", "inactive"), "cell"] == "n.d." and np.isnan(cells.loc[("LR", "inactive"), "log2_shown"])
    assert float(cells.loc[("LR", "lenvatinib"), "cell"]) == pytest.approx(50.6 / 13, rel=0.25)
    assert cells.loc[("LR", "lenvatinib"), "pattern"] == "resistant in all 2 lines tested"
    assert cells.loc[("LR", "epalrestat"), "pattern"] == "collaterally sensitive in 1 of 2 lines"
    assert cells.loc[("LR", "inactive"), "pattern"] == "not determined"
    assert cells.loc[("LR", "lost"), "n_resistant"] == 1


def test_matrix_takes_the_last_stage_where_there_is_no_other() -> None:
    rng = np.random.default_rng(5)
    parts = [experiment(rng, "P", "d", 10.0)]
    parts += [experiment(rng, "LR", "d", v, stage=s) for v, s in ((20.0, "S1"), (60.0, "S10"), (40.0, "S2"))]
    out = dose_response.cross_resistance(
        dose_response.resistance_index(dose_response.fit_curves(pd.concat(parts)), models())
    )
    assert out["stage"].tolist() == ["S10"]


@pytest.mark.parametrize(("text", "number"), [("S0", 0), ("stage 3", 3), ("12", 12), ("S1.5", 1.5)])
def test_numbers_of_stages(text: str, number: float) -> None:
    assert stage_number(text) == number
    assert np.isnan(stage_number("late")) and np.isnan(stage_number("S1 to S2"))


@pytest.mark.parametrize(
    ("parental", "resistant", "printed"), [(13.02, 50.61, 3.89), (6.78, 21.06, 3.11), (85.01, 53.96, 0.635)]
)
def test_published_indices_from_simulated_experiments(parental: float, resistant: float, printed: float) -> None:
    """Huh-7 and its lenvatinib-resistant line: published IC50s of lenvatinib, sorafenib and epalrestat.

    Forty studies of four experiments each: the index is found without bias, and its interval holds it.
    """
    rng = np.random.default_rng(6)
    doses = tuple(300 / 2.0 ** np.arange(10))
    parts = [
        experiment(rng, m, f"{i:02d}", v, doses=doses, noise=0.02, replicates=("e1", "e2", "e3", "e4"))
        for i in range(40)
        for m, v in (("P", parental), ("LR", resistant))
    ]
    out = dose_response.compare(dose_response.fit_curves(pd.concat(parts)), {"LR": "P"})
    assert out["ri"].median() == pytest.approx(printed, rel=0.03)
    assert ((out["ci_low"] <= printed) & (printed <= out["ci_high"])).sum() >= 34
    assert (out["verdict"] == ("resistance" if printed > 1 else "collateral sensitivity")).mean() > 0.9
