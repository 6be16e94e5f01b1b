"""From scores to verdicts: windows, selectivity, mixed signs told back, claims and figures."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from combination_examples import MODELS, A, B, experiment, run, windows, with_origin

from rechallenge.assays import combination as assay
from rechallenge.assays.combination.selectivity import LESS, MORE, problem_of
from rechallenge.assays.combination.windows import STUDY, limits_of
from rechallenge.evidence import check
from rechallenge.faults import NotApplicable
from rechallenge.report.theme import export, specification
from rechallenge.simulate.combinations import Agent, low_dose_study

REACHED = windows(alpha=(20.0, 20.0), beta=(20.0, 20.0))
LINES = pd.DataFrame({"model": ["HepG2", "L02"], "role": ["parental", "normal"], "cell_line": ["", ""]})


def low_dose(seed: int, **options: Any) -> dict[str, pd.DataFrame]:
    table = with_origin(low_dose_study(seed=seed))
    limits = windows(sorafenib=(21.7, 0.108), celastrol=(0.2, float("nan")))
    return run(table, limits=limits, models=LINES, therapies=("sorafenib",), n_rotations=199, **options)


@pytest.fixture(scope="module")
def celastrol() -> dict[str, pd.DataFrame]:
    return low_dose(3)


def selective(normal_power: float, *, normal: Agent = A) -> dict[str, pd.DataFrame]:
    tables = [
        experiment(interaction=1.8, replicates=4, noise=0.02, seed=1),
        experiment(normal, B, model="L02", interaction=normal_power, replicates=4, noise=0.02, seed=2),
    ]
    return run(with_origin(pd.concat(tables, ignore_index=True)), limits=REACHED, n_rotations=199)


# windows ----------------------------------------------------------------------------------------------------------


def test_the_study_s_own_exposure_goes_first() -> None:
    known = limits_of("sorafenib")
    assert known["total_um"] == pytest.approx(21.68, abs=0.01) and 0 < known["free_um"] < 1 and known["reason"] == ""
    own = pd.DataFrame(
        {"drug": ["Sorafenib"] * 2, "quantity": ["cmax_total", "fraction_unbound"], "value": ["8", "0.01"]}
    )
    found = limits_of("sorafenib", own)
    assert (found["total_um"], found["total_source"]) == (8.0, STUDY) and found["free_um"] == pytest.approx(0.08)
    only = limits_of("sorafenib", own.iloc[:1])
    assert only["total_um"] == 8.0 and np.isnan(only["free_um"]), "a free value of another total is not the study's"


def test_what_is_unknown_or_contested_is_no_window() -> None:
    assert "contested" in limits_of("celastrol")["reason"] and np.isnan(limits_of("celastrol")["total_um"])
    assert "not in the knowledge tables" in limits_of("wonderdrug")["reason"]
    table = experiment(Agent("sorafenib", 6.0, doses=(1, 4, 16, 64)), Agent("celastrol", 3.0), replicates=2)
    found = assay.combination_windows(assay.combination_responses(table)).set_index("drug")
    assert found.loc["celastrol", "status"] == "not_estimable" and found.loc["sorafenib", "status"] == "estimated"
    assert (found.loc["sorafenib", "n_doses"], found.loc["sorafenib", "n_doses_total"]) == (4, 3)


# selectivity ------------------------------------------------------------------------------------------------------


def test_a_combination_that_spares_normal_cells_is_selective() -> None:
    out = selective(0.6)
    rows = out["selectivity"].set_index(["region", "measure"])
    for measure in ("score", "benefit", "killing"):
        row = rows.loc[("matrix", measure)]
        assert row["verdict"] == MORE and row["ci_low"] > 0 and row["n"] == 8 and row["n_cells"] == 25
        assert row["effect"] == pytest.approx(row["tumour_value"] - row["normal_value"])
    line = out["combinations"].iloc[0]
    assert (line["selective"], line["in_window"], line["rank"]) == ("yes", "yes", 1)
    assert line["verdict"].startswith(
        "synergistic within achievable concentrations; synergistic over the matrix; selective"
    )


def test_one_that_harms_normal_cells_more_is_not() -> None:
    out = selective(2.5, normal=Agent("alpha", 1.0, 1.3, 1.0, A.doses))
    rows = out["selectivity"].set_index(["region", "measure"])
    assert rows.loc[("matrix", "killing"), "verdict"] == LESS
    assert rows.loc[("synergy", "killing"), "toxic"] == "yes"
    line = out["combinations"].iloc[0]
    assert line["selective"] == "no" and "not selective (inhibits L02 more)" in line["verdict"]


def test_the_same_surface_in_normal_cells_shows_no_selectivity() -> None:
    line = selective(1.8)["combinations"].iloc[0]
    assert line["selective"] == "not shown"


def test_a_problem_line_is_named_beside_every_claim_of_selectivity() -> None:
    out = selective(0.6)
    assert out["selectivity"]["problem"].str.contains("L-02 is a problem line").all()
    claims = out["claims"][out["claims"]["contrast"].str.startswith("selectivity")]
    assert len(claims) == 1 and claims["claim"].str.contains("it is HeLa").all() and (claims["direction"] == 0).all()
    assert "problem line" in out["combinations"].iloc[0]["verdict"]
    assert problem_of("my cells", "Chang liver") and problem_of("Huh-7 LR") == ""


def test_selectivity_is_over_the_dose_pairs_that_both_were_given_whatever_the_order_of_drugs() -> None:
    small = experiment(B, Agent("alpha", 2.0, 1.3, 1.0, (1.0, 4.0)), model="L02", replicates=3)
    table = with_origin(pd.concat([experiment(interaction=1.5), small], ignore_index=True))
    rows = assay.combination_selectivity(assay.combination_responses(table), MODELS)
    assert rows["n_cells"].eq(10).all() and rows["status"].eq("estimated").all()


def test_without_normal_cells_nothing_is_said_of_selectivity() -> None:
    responses = assay.combination_responses(experiment())
    with pytest.raises(NotApplicable, match="normal model"):
        assay.combination_selectivity(responses, MODELS)
    out = run(experiment(), n_rotations=99)
    assert out["combinations"]["selective"].eq("not tested").all()


# a study with both signs ------------------------------------------------------------------------------------------


def test_the_low_dose_study_is_told_back(celastrol: dict[str, pd.DataFrame]) -> None:
    line = celastrol["combinations"].iloc[0]
    assert (line["model"], line["in_window"], line["in_window_free"]) == ("HepG2", "antagonism", "unknown")
    assert line["score"] < 0 and line["ci_high"] < 0 and line["region"] == "window"
    assert line["signs"] == "antagonistic at celastrol 0.1 to 0.5 µM, synergistic at celastrol 2 to 8 µM"
    assert line["selective"] == "no" and "where it is synergistic it inhibits L02 by" in line["verdict"]
    regions = celastrol["regions"]
    tumour = regions[(regions["method"] == "bliss") & (regions["model"] == "HepG2")].set_index("sign")
    assert tumour.loc["synergy", "in_window"] == "none" and tumour.loc["synergy", "normal_observed"] > 40
    assert regions[(regions["method"] == "bliss") & (regions["model"] == "L02")].empty


def test_its_claims_carry_both_signs_each_with_its_place(celastrol: dict[str, pd.DataFrame]) -> None:
    claims = check(celastrol["claims"])
    pair = claims[claims["entity"] == "celastrol + sorafenib"].set_index("contrast")
    direction = pair["direction"]
    assert direction["synergy: sorafenib + celastrol vs Bliss"] == 0
    assert direction["achievable synergy (total): sorafenib + celastrol vs Bliss"] == 1
    assert pair.loc["achievable synergy (free): sorafenib + celastrol vs Bliss", "status"] == "not_estimable"
    low, high = (
        pair[pair.index.str.startswith(s)].iloc[0] for s in ("antagonism:", "synergy: sorafenib + celastrol at")
    )
    assert (low["direction"], high["direction"]) == (1, -1) and low["effect"] < 0 < high["effect"]
    assert "outside achievable concentrations" in high["claim"] and "celastrol 2 to 8 µM" in high["claim"]
    drug = claims[claims["entity_type"] == "drug"].iloc[0]
    assert drug["entity"] == "celastrol" and drug["direction"] == 1
    assert drug["claim"].startswith("celastrol: takes away from sorafenib within total plasma concentrations in HepG2")
    assert set(claims["level"]) == {"intervention"} and set(claims["model"]) == {"HepG2"}
    assert (pair["source_rows"] != "").all() and claims["claim"].str.contains("HeLa").any()


@pytest.mark.slow
def test_the_low_dose_study_is_told_back_across_seeds() -> None:
    told = []
    for seed in range(20):
        out = low_dose(100 + seed, surface_model="none", methods=("hsa", "bliss"))
        line = out["combinations"].iloc[0]
        drug = out["claims"][out["claims"]["entity_type"] == "drug"].iloc[0]
        told.append(
            line["in_window"] == "antagonism"
            and line["signs"].startswith("antagonistic at celastrol 0.1 to")
            and "synergistic at celastrol 2 to 8 µM" in line["signs"]
            and line["selective"] == "no"
            and drug["direction"] == 1
        )
    assert np.mean(told) >= 0.9


# verdicts and claims ----------------------------------------------------------------------------------------------


def test_synergy_of_an_added_drug_restores_sensitivity() -> None:
    out = run(experiment(interaction=1.8, replicates=4, noise=0.02), limits=REACHED, n_rotations=199)
    claims = check(out["claims"]).set_index(["entity", "contrast"])
    drug = claims.loc["beta"].iloc[0]
    assert drug["direction"] == -1 and drug["entity_type"] == "drug"
    assert drug["claim"].startswith("beta: adds to alpha within total plasma concentrations in tumour")
    pair = claims.loc["alpha + beta"]
    estimated = pair[~pair.index.str.startswith("selectivity")]
    assert (estimated["direction"] == -1).all() and (estimated["n"] == 4).all()
    assert pair.loc["combination index at 50 %: alpha + beta", "effect"] < 1
    assert out["combinations"].iloc[0]["in_window"] == "yes"


def test_additivity_claims_nothing() -> None:
    out = run(experiment(replicates=4, noise=0.02, spread=0.02, seed=8), limits=REACHED, n_rotations=199)
    bliss = out["claims"][out["claims"]["contrast"].str.contains("vs Bliss")]
    assert (bliss["direction"] == 0).all() and bliss["claim"].str.contains("no interaction shown").all()
    assert out["combinations"].iloc[0]["verdict"].startswith("no interaction shown within achievable concentrations")


def test_ranking_puts_achievable_synergy_first_and_antagonism_last() -> None:
    powers = {"mild": 1.0, "good": 1.9, "bad": 0.4}
    tables = [
        experiment(A, Agent(name, 1.0, 1.0, 1.0, B.doses), interaction=p, replicates=4, noise=0.02, seed=i)
        for i, (name, p) in enumerate(powers.items())
    ]
    limits = windows(alpha=(20.0, 1.0), mild=(20.0, 1.0), good=(20.0, 1.0), bad=(20.0, 1.0))
    line = run(with_origin(pd.concat(tables, ignore_index=True)), limits=limits, n_rotations=99)["combinations"]
    assert line["drug_b"].tolist() == ["good", "mild", "bad"] and line["rank"].tolist() == [1, 2, 3]
    assert list(line.columns[:10]) == [
        "rank", "drug_a", "drug_b", "model", "score", "ci_low", "ci_high", "in_window", "selective", "verdict",
    ]  # fmt: skip


def test_a_bound_is_said_as_one() -> None:
    """Beyond the maximum of the weaker drug Loewe's reference is at least the stronger drug's effect."""
    weak = Agent("beta", 1.0, 1.2, 0.4, B.doses)
    out = run(experiment(b=weak, interaction=0.3, replicates=4, noise=0.01), n_rotations=99)
    row = out["synergy"][(out["synergy"]["method"] == "loewe") & (out["synergy"]["region"] == "matrix")].iloc[0]
    assert row["status"] == "censored" and np.isnan(row["score"]) and row["bound"] < 0
    assert np.isneginf(row["ci_low"]) and row["ci_high"] < 0 and "at most" in row["reason"]
    line = assay.combinations(out["synergy"], out["regions"], method="loewe").iloc[0]
    assert line["whole"] == "antagonistic"
    line = assay.combinations(out["synergy"], out["regions"], method="loewe")
    claims = check(assay.combination_claims(line, out["synergy"], out["regions"]))
    said = claims[claims["contrast"].str.startswith("synergy: ")].iloc[0]
    assert said["status"] == "censored" and "at most" in said["claim"] and said["direction"] == 1


# figures ----------------------------------------------------------------------------------------------------------


def _values(chart: Any, name: str) -> list[Any]:
    spec = specification(chart)
    return [row[name] for rows in spec["datasets"].values() for row in rows if row.get(name) is not None]


def test_figures_hold_every_replicate_and_mark_what_departs(celastrol: dict[str, pd.DataFrame]) -> None:
    pages = assay.dose_matrices(celastrol["responses"], celastrol["synergy"], celastrol["synergy_cells"])
    assert list(pages) == ["matrix_sorafenib_celastrol_hepg2", "matrix_sorafenib_celastrol_l02"]
    chart = pages["matrix_sorafenib_celastrol_hepg2"]
    assert len(_values(chart, "replicate")) == 4 * 6 * 7
    marked = celastrol["synergy_cells"]
    marked = marked[(marked["method"] == "bliss") & (marked["model"] == "HepG2") & (marked["sign"] != "")]
    assert sum(str(t).endswith("*") for t in _values(chart, "text")) == len(marked) > 20
    out = export("m", chart)
    assert out["pdf"].startswith(b"%PDF") and b"sorafenib" in out["svg"]


def test_chou_talalay_page_and_forest(celastrol: dict[str, pd.DataFrame]) -> None:
    pages = assay.chou_talalay_plots(
        celastrol["responses"], celastrol["synergy"], celastrol["chou_talalay"], celastrol["median_effects"],
        celastrol["isoboles"],
    )  # fmt: skip
    text = json.dumps(specification(pages["chou_sorafenib_celastrol_hepg2"]), ensure_ascii=False)
    for word in ("Combination index", "Fraction affected", "fa / (1 − fa)", "sorafenib (µM)"):
        assert word in text
    assert export("c", pages["chou_sorafenib_celastrol_hepg2"])["png"]
    forest = assay.synergy_forest(celastrol["synergy"])
    assert len(_values(forest, "score")) == 16 and export("f", forest)["svg"]


def test_figures_of_what_cannot_be_estimated_are_left_out() -> None:
    flat = Agent("inert", 1.0, 1.0, 0.0, B.doses)
    out = run(experiment(b=flat, replicates=1), n_rotations=99)
    tables = [out[k] for k in ("responses", "synergy", "chou_talalay", "median_effects", "isoboles")]
    assert assay.chou_talalay_plots(*tables) is None
    pages = assay.dose_matrices(out["responses"], out["synergy"], out["synergy_cells"])
    assert export("m", next(iter(pages.values())))["svg"]
