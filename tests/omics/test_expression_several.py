"""Several groups at once (stages, treatments, interactions) and the sets of lines in which genes are called."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_expression import MODELS, NONE, counts, sheet

from rechallenge import evidence
from rechallenge.faults import NotApplicable
from rechallenge.omics import expression as ex
from rechallenge.omics.expression import findings, intersections, profiles
from rechallenge.report.theme import export

SORAFENIB, LEFAMULIN, BOTH = "sorafenib", "lefamulin", "sorafenib + lefamulin"
FULL = {
    ("P", "", ""): 3, ("P", SORAFENIB, ""): 3, ("LR", "", "S1"): 3, ("LR", "", "S2"): 3, ("LR", "", "S3"): 3,
    ("LR", SORAFENIB, "S3"): 3, ("LR", LEFAMULIN, "S3"): 3, ("LR", BOTH, "S3"): 3,
}  # fmt: skip
#: BUMP rises at two stages and falls again, ADDS answers both drugs by the sum, MORE beyond it, LOST only in P
PLANTED = {
    "BUMP": {"LR__S1": 2.0, "LR__S2": 2.0},
    "ADDS": {"LR_sorafenib_": 1.5, "LR_lefamulin_": 1.5, "LR_sorafenib+": 3.0},
    "MORE": {"LR_sorafenib+": 2.5},
    "LOST": {"P_sorafenib": 2.5},
}


@pytest.fixture(scope="module", params=["counts", "log2"])
def made(request) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    samples = sheet(FULL, unit=request.param)
    values = counts(samples, PLANTED)
    if request.param == "log2":
        names = samples["sample"].tolist()
        values[names] = np.log2(values[names] + 1)
    return ex.group_tests(MODELS, values, samples), values, samples


def called(table: pd.DataFrame, question: str) -> set[str]:
    return set(table.loc[(table["question"] == question) & (table["q_value"] < 0.01), "feature"])


def test_each_question_finds_what_it_asks_for(made):
    table = made[0]
    assert set(table["question"]) == {
        "LR: any stage", "LR S3: any treatment", "LR S3: sorafenib x lefamulin", "LR S3 vs P: response to sorafenib",
    }  # fmt: skip
    planted = {
        "LR: any stage": {"BUMP"}, "LR S3: any treatment": {"ADDS", "MORE"}, "LR S3: sorafenib x lefamulin": {"MORE"},
        "LR S3 vs P: response to sorafenib": {"LOST"},
    }  # fmt: skip
    others = 0
    for question, genes in planted.items():
        assert genes <= called(table, question) and not (called(table, question) & set(PLANTED)) - {*genes, "ADDS"}
        others += len(called(table, question) - set(PLANTED))
    assert others <= 1  # of 2,400 tests, five of them planted
    assert "ADDS" not in called(table, "LR S3: sorafenib x lefamulin")


def test_a_bump_is_no_trend(made):
    """What a trend over the stages cannot see: up at the first stages, back at the third."""
    _, values, samples = made
    trend = ex.rna_differential(values, samples, MODELS, NONE)
    row = trend[(trend["contrast"] == "LR: per stage") & (trend["feature"] == "BUMP")].iloc[0]
    assert row["q_value"] > 0.05
    bump = made[0].set_index(["question", "feature"]).loc[("LR: any stage", "BUMP")]
    assert bump["highest"] in ("LR S1", "LR S2") and (bump["df"], bump["n"]) == (3, 12)
    assert bump["range"] == pytest.approx(2, abs=0.6) and np.isnan(bump["log2fc"])


def test_an_interaction_of_one_number_is_that_of_the_contrast(made):
    table, values, samples = made
    wald = ex.rna_differential(values, samples, MODELS, NONE)
    wald = wald[wald["contrast"] == "LR S3: sorafenib x lefamulin"].set_index("feature")
    ratio = table[table["question"] == "LR S3: sorafenib x lefamulin"].set_index("feature")
    np.testing.assert_allclose(ratio["log2fc"], wald.loc[ratio.index, "log2fc"], rtol=1e-6)
    more = ratio.loc["MORE"]
    assert more["ci_low"] < 2.5 < more["ci_high"] and more["df"] == 1
    assert (ratio["q_value"].dropna() >= ratio.loc[ratio["q_value"].notna(), "p_value"] - 1e-15).all()


def test_several_answers_of_a_line_are_one_question():
    samples = sheet({(m, t, ""): 3 for m in ("P", "LR") for t in ("", "a", "b")})
    table = ex.group_tests(MODELS, counts(samples, {"X": {"LR_b": 3.0}}, features=300), samples)
    row = table[(table["question"] == "LR vs P: response to any treatment") & (table["feature"] == "X")].iloc[0]
    assert row["df"] == 2 and row["q_value"] < 1e-4
    assert row["groups"] == "P; P + a; P + b; LR; LR + a; LR + b"


@pytest.mark.parametrize("unit", ["counts", "log2"])
def test_nothing_there(unit):
    samples = sheet(FULL, unit=unit)
    values = counts(samples, {}, features=1500, seed=3)
    if unit == "log2":
        names = samples["sample"].tolist()
        values[names] = np.log2(values[names] + 1)
    table = ex.group_tests(MODELS, values, samples)
    for _, part in table.groupby("question"):
        assert 0.025 < (part["p_value"] < 0.05).mean() < 0.07
    assert (table["q_value"] < 0.05).sum() <= 4


def test_two_groups_are_no_such_question():
    samples = sheet({("P", "", ""): 3, ("LR", "", ""): 3})
    with pytest.raises(NotApplicable):
        ex.group_tests(MODELS, counts(samples, {}, features=50), samples)


def test_claims_and_profiles(made):
    table, values, samples = made
    claims = findings.group_claims(table)
    evidence.check(claims)
    said = claims[(claims["entity"] == "MORE") & claims["contrast"].str.contains(" x ")]["claim"].iloc[0]
    assert "otherwise than the two alone add up to" in said and "degree" in said and "n = 12" in said
    assert set(claims["direction"]) == {0}
    charts = profiles.group_profiles(table, values, samples, MODELS)
    assert len(charts) >= 3
    name = next(n for n in charts if " x " in n)
    svg = export(name, charts[name])["svg"].decode()
    assert "Level (log2)" in svg and "MORE" in svg


# --- sets of lines ---


def lines(n: int, models: int = 3, features: int = 800, effects: dict | None = None, seed: int = 0) -> pd.DataFrame:
    names = [f"R{k}" for k in range(models)]
    known = pd.DataFrame([("P", "parental", ""), *((m, "resistant", "P") for m in names)], columns=MODELS.columns)
    samples = sheet({("P", "", ""): n, **{(m, "", ""): n for m in names}})
    return ex.rna_differential(counts(samples, effects or {}, features, seed), samples, known, NONE)


def test_features_are_counted_in_exactly_the_lines_that_call_them():
    planted = {"ALL": {"R0_": 3.0, "R1_": 3.0, "R2_": 3.0}, "TWO": {"R0_": -3.0, "R2_": -3.0}, "ONE": {"R1_": 3.0}}
    table = ex.line_intersections(lines(4, effects=planted)).set_index(["direction", "lines"])
    assert "ALL" in table.loc[("up", "R0 vs P; R1 vs P; R2 vs P"), "features"].split(";")
    assert "TWO" in table.loc[("down", "R0 vs P; R2 vs P"), "features"].split(";")
    assert "ONE" in table.loc[("up", "R1 vs P"), "features"].split(";")
    assert (table["expected_shared_control"] >= 0).all()
    assert (table.loc[table["n_lines"] == 3, "observed"] <= 2).all()
    svg = export("line_sets", intersections.line_sets(table.reset_index()))["svg"].decode()
    assert "Features called (count)" in svg and "R2 vs P" in svg


def test_chance_with_a_shared_control_is_that_of_simulated_lines():
    """Three lines with one control and one with its own: every pattern's chance against a simulation."""
    rng = np.random.default_rng(0)
    m = 400_000
    noise = rng.normal(size=(6, m)) / np.sqrt(2)
    z = np.stack([noise[0] - noise[3], noise[1] - noise[3], noise[2] - noise[3], noise[4] - noise[5]])
    call = z > np.array([1.3, 1.5, 1.7, 1.4])[:, None]
    share = call.mean(axis=1)
    controls, loads = ["a", "a", "a", "b"], [np.sqrt(0.5)] * 4
    total = 0.0
    for pattern in [(i & 1 > 0, i & 2 > 0, i & 4 > 0, i & 8 > 0) for i in range(16)]:
        seen = float((call == np.array(pattern)[:, None]).all(axis=0).mean())
        chance = intersections.probability(pattern, share, controls, loads)
        assert chance == pytest.approx(seen, abs=4 * np.sqrt(max(seen, 1e-5) / m) + 2e-5)
        total += chance
    assert total == pytest.approx(1)


def test_null_lines_meet_as_often_as_their_shared_control_says():
    """Nothing planted and a lenient call: the joint count is far above independence and about what is expected."""
    seen, alone, joint = 0, 0.0, 0.0
    for seed in range(4):
        table = lines(2, features=1500, seed=20 + seed)
        table["q_value"] = table["p_value"]  # calls by p, so that there are some
        out = ex.line_intersections(table, fold=0.0)
        whole = out[out["n_lines"] == 3]
        seen += int(whole["observed"].sum())
        alone += float(whole["expected_independent"].sum())
        joint += float(whole["expected_shared_control"].sum())
    assert seen > 8 * alone
    assert seen == pytest.approx(joint, abs=3 * np.sqrt(joint) + 0.25 * joint)


def test_one_line_has_no_sets():
    samples = sheet({("P", "", ""): 3, ("LR", "", ""): 3})
    with pytest.raises(NotApplicable):
        ex.line_intersections(ex.rna_differential(counts(samples, {}, 100), samples, MODELS, NONE))
