"""Transcriptomes: designs from the study, tests, samples, shared genes and reversal."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rechallenge import contrasts, evidence
from rechallenge.faults import NotApplicable
from rechallenge.omics import expression as ex
from rechallenge.omics.expression import contract, design, figures, findings, shared
from rechallenge.study import Study, TableSource
from rechallenge.tables.reading import read_study

MODELS = pd.DataFrame(
    [("P", "parental", ""), ("LR", "resistant", "P"), ("SR", "resistant", "P")], columns=["model", "role", "parent"]
)
NONE = pd.DataFrame({"name": []}, dtype=object)


def sheet(groups: dict[tuple[str, str, str], int], unit: str = "counts", dataset: str = "own") -> pd.DataFrame:
    rows = [
        (f"{m}_{t}_{s}_{k}".replace(" ", ""), m, t, s, str(k), "")
        for (m, t, s), n in groups.items()
        for k in range(1, n + 1)
    ]
    out = pd.DataFrame(rows, columns=["sample", "model", "treatment", "stage", "replicate", "batch"])
    return out.assign(unit=unit, dataset=dataset, _file="samples.csv", _row=range(2, len(rows) + 2))


def counts(samples: pd.DataFrame, effects: dict[str, dict[str, float]], features: int = 600, seed: int = 0):
    """Counts with `effects`: gene -> {text found in the sample's name: log2 change}."""
    rng = np.random.default_rng(seed)
    names = [*effects, *(f"G{i}" for i in range(features - len(effects)))]
    mean = np.exp(rng.normal(6, 1, features))
    mean[: len(effects)] = 400
    mu = np.repeat(mean[:, None], len(samples), axis=1)
    for i, (_, change) in enumerate(effects.items()):
        for text, log2 in change.items():
            mu[i, samples["sample"].str.contains(text, regex=False).to_numpy()] *= 2.0**log2
    values = rng.negative_binomial(20, 20 / (20 + mu)).astype(float)
    out = pd.DataFrame(values, columns=samples["sample"])
    out.insert(0, "dataset", samples["dataset"].iloc[0])
    out.insert(1, "feature", names)
    out.insert(2, "_file", "counts.csv")
    out.insert(3, "_row", range(2, features + 2))
    return out


THREE = {("P", "vehicle", ""): 4, ("LR", "vehicle", ""): 4, ("SR", "DMSO", ""): 4, ("LR", "lefamulin", ""): 4}
EFFECTS = {
    "MRPL12": {"LR_vehicle": 2.0, "SR_": 1.8, "LR_lefamulin": 0.2},
    "CAV1": {"LR_": 2.0},
    "LOSS": {"LR_": -2.0, "SR_": -2.0},
}


@pytest.fixture(scope="module")
def made() -> pd.DataFrame:
    samples = sheet(THREE)
    return ex.rna_differential(counts(samples, EFFECTS), samples, MODELS, NONE)


def at(table: pd.DataFrame, contrast: str, feature: str) -> pd.Series:
    rows = table[(table["contrast"] == contrast) & (table["feature"] == feature)]
    assert len(rows) == 1
    return rows.iloc[0]


# --- designs ---


def test_contrasts_follow_from_models_treatments_and_stages():
    groups = {
        ("P", "vehicle", ""): 2, ("P", "sorafenib", ""): 2, ("LR", "none", ""): 2, ("LR", "sorafenib", ""): 2,
        ("LR", "lefamulin", ""): 2, ("LR", "sorafenib + lefamulin", ""): 2,
    }  # fmt: skip
    samples = contrasts.grouped(sheet(groups))
    asked = {q.label: q for q in design.questions(samples, design.make(samples), MODELS)}
    assert asked["LR vs P"].kind == design.RESISTANCE and asked["LR vs P"].direction == 1
    assert asked["LR: sorafenib vs vehicle"].kind == design.TREATMENT
    assert asked["LR: sorafenib + lefamulin vs sorafenib"].kind == design.COMBINATION
    assert asked["LR: sorafenib x lefamulin"].kind == design.INTERACTION
    assert asked["LR vs P: response to sorafenib"].kind == design.INTERACTION
    for q in asked.values():
        assert q.weights.sum() == pytest.approx(0)


def test_a_trend_over_stages_counts_the_parent_as_stage_0():
    samples = contrasts.grouped(sheet({("P", "", ""): 2, ("LR", "", "S1"): 2, ("LR", "", "S3"): 2}))
    asked = {q.label: q for q in design.questions(samples, design.make(samples), MODELS)}
    trend = asked["LR: per stage"]
    assert len(trend.groups) == 3 and trend.kind == design.TREND
    levels = np.array([{"": 0.0, "S1": 1.0, "S3": 3.0}[g.stage] for g in design.make(samples).groups])
    assert trend.weights @ (2.0 * levels) == pytest.approx(2.0)


def test_a_batch_that_is_the_group_is_not_a_covariate():
    samples = contrasts.grouped(sheet({("P", "", ""): 2, ("LR", "", ""): 2}))
    confounded = design.make(samples.assign(batch=["a", "a", "b", "b"]))
    assert confounded.notes and not confounded.batches and confounded.df == 2
    crossed = design.make(samples.assign(batch=["a", "b", "a", "b"]))
    assert crossed.batches == ["b"] and crossed.df == 1


def test_declared_contrasts():
    declared = pd.DataFrame([{"name": "mine", "model": "SR", "against": "LR"}])
    samples = contrasts.grouped(sheet({("LR", "", ""): 2, ("SR", "", ""): 2}))
    asked = design.questions(samples, design.make(samples), MODELS, declared)
    assert [q.label for q in asked] == ["mine"]


# --- tests ---


def test_planted_genes_are_found(made):
    assert at(made, "LR vs P", "CAV1")["q_value"] < 1e-6
    assert at(made, "LR vs P", "CAV1")["log2fc"] == pytest.approx(2, abs=0.5)
    assert at(made, "SR vs P", "CAV1")["q_value"] > 0.01
    assert at(made, "LR: lefamulin vs vehicle", "MRPL12")["log2fc"] < -1
    called = made[(made["contrast"] == "SR vs P") & (made["q_value"] < 0.05)]["feature"]
    assert {"MRPL12", "LOSS"} <= set(called) and len(called) <= 12
    row = at(made, "LR vs P", "CAV1")
    assert row["ci_low"] < row["log2fc"] < row["ci_high"] and row["n"] == 8 and row["source_rows"] == "counts.csv:3"


@pytest.mark.parametrize("unit", ["log2", "intensity", "tpm"])
def test_other_units_find_the_same(unit):
    samples = sheet(THREE, unit=unit)
    values = counts(samples, EFFECTS)
    columns = samples["sample"].tolist()
    if unit == "log2":
        values[columns] = np.log2(values[columns] + 1)
    values.loc[5, columns[0]] = np.nan if unit != "tpm" else 0.0
    table = ex.rna_differential(values, samples, MODELS, NONE)
    assert at(table, "LR vs P", "CAV1")["q_value"] < 1e-4
    assert at(table, "LR vs P", "CAV1")["log2fc"] == pytest.approx(2, abs=0.5)
    assert set(table["method"]) == {"moderated t"}


def test_without_replicates_there_is_no_p_value():
    samples = sheet({("P", "", ""): 1, ("LR", "", ""): 1})
    table = ex.rna_differential(counts(samples, EFFECTS), samples, MODELS, NONE)
    assert table["p_value"].isna().all() and set(table["status"]) == {"not_testable"}
    assert np.isfinite(table["log2fc"]).all()
    claims = findings.rna_claims(table)
    assert claims["p_value"].isna().all() and len(claims) > 100


@pytest.mark.parametrize("unit", ["counts", "log2"])
def test_technical_samples_are_one_biological_replicate(unit):
    """Every library measured twice: the tests are those of the replicates, with their n, not of twice as many."""
    samples = sheet({("P", "", ""): 3, ("LR", "", ""): 3}, unit=unit)
    values = counts(samples, EFFECTS)
    names = samples["sample"].tolist()
    if unit == "log2":
        values[names] = np.log2(values[names] + 1)
    twice = pd.concat([samples, samples.assign(sample=samples["sample"] + "_b")], ignore_index=True)
    doubled = values.join(values[names].add_suffix("_b"))
    whole = values.copy()
    if unit == "counts":
        whole[names] = 2 * values[names]
    one = ex.rna_differential(whole, samples, MODELS, NONE)
    two = ex.rna_differential(doubled, twice, MODELS, NONE)
    assert set(two["n"]) == {6}
    pd.testing.assert_frame_equal(one, two)
    single = twice[twice["replicate"] == "1"]
    none = ex.rna_differential(doubled, single, MODELS, NONE)
    assert none["p_value"].isna().all()  # two measurements of one replicate are no replication


def test_nothing_to_compare_is_said():
    samples = sheet({("P", "", ""): 3})
    with pytest.raises(NotApplicable):
        ex.rna_differential(counts(samples, {}), samples, MODELS, NONE)


def test_row_order_does_not_matter(made):
    samples = sheet(THREE)
    shuffled = counts(samples, EFFECTS).sample(frac=1, random_state=1)
    again = ex.rna_differential(shuffled, samples.sample(frac=1, random_state=2), MODELS, NONE)
    pd.testing.assert_frame_equal(made, again, rtol=1e-6)


def test_contrasts_of_others_are_completed():
    table = pd.DataFrame(
        {
            "dataset": "GSE0", "contrast": "a vs b", "layer": "rna", "feature": ["A", "B", "C"], "model": "",
            "log2fc": [2.0, -1.0, 0.5], "se": [0.5, np.nan, np.nan], "statistic": np.nan,
            "p_value": [np.nan, 0.0455, np.nan], "n": 6, "_file": "g.csv", "_row": [2, 3, 4],
        }
    )  # fmt: skip
    out = ex.given_differential(table).set_index("feature")
    assert out.loc["A", "statistic"] == pytest.approx(4)
    assert out.loc["B", "statistic"] == pytest.approx(-2, abs=0.01) and out.loc["B", "se"] == pytest.approx(
        0.5, abs=0.01
    )
    assert out.loc["C", "status"] == "not_testable" and np.isnan(out.loc["C", "p_value"])
    joined = ex.differential(None, None, None, ex.given_differential(table))
    assert len(joined) == 3


def test_treatments_and_stages_of_a_contrast_are_columns():
    samples = sheet({
        ("P", "", ""): 2, ("P", "drug", ""): 2, ("LR", "", "S1"): 2, ("LR", "", "S10"): 2, ("LR", "drug", "S10"): 2,
    })  # fmt: skip
    table = ex.rna_differential(counts(samples, {}, features=150), samples, MODELS, NONE)
    said = table.drop_duplicates("contrast").set_index("contrast")[["treatment", "against_treatment", "stage"]]
    assert said.loc["LR S10 vs P"].tolist() == ["vehicle", "vehicle", "S10"]
    assert said.loc["LR S10 vs P, drug"].tolist() == ["drug", "drug", "S10"]
    assert said.loc["LR S10: drug vs vehicle"].tolist() == ["drug", "vehicle", "S10"]
    lines = shared.own_lines(table[table["kind"] == design.RESISTANCE])
    assert set(lines["contrast"]) == {"LR S10 vs P"}


def test_the_own_line_does_not_depend_on_how_long_its_name_is():
    """Only the treated comparison has a short name here (a declared name may be any)."""
    table = pd.DataFrame(
        {
            "dataset": "own", "layer": "rna", "model": "LR", "contrast": ["LR vs the parental line", "short"],
            "treatment": ["vehicle", "drug"], "stage": "",
        }
    )  # fmt: skip
    assert shared.own_lines(table)["contrast"].tolist() == ["LR vs the parental line"]
    assert shared.own_lines(table[1:])["contrast"].tolist() == ["short"]


def test_contrasts_of_others_may_give_statistics_alone(tmp_path):
    (tmp_path / "g.csv").write_text("dataset,contrast,feature,z\nGSE0,R vs P,A,3.1\nGSE0,R vs P,B,-2\nGSE0,R vs P,C,\n")
    study = Study(folder=tmp_path, title="t", tables={"contrast_results": (TableSource(values=["g.csv"]),)})
    found = read_study(study, {"contrast_results": ex.CONTRAST_RESULTS})
    assert not [f for f in found.faults if f.severity == "error"], found.faults
    out = ex.given_differential(found.tables["contrast_results"]).set_index("feature")
    assert out["log2fc"].isna().all() and out.loc["A", "p_value"] == pytest.approx(0.0019, abs=1e-4)
    assert "C" not in out.index and len(found.excluded) == 1


# --- samples ---


def test_a_swapped_and_a_copied_sample_are_named():
    samples = sheet({("P", "", ""): 4, ("LR", "", ""): 4})
    strong = {f"X{i}": {"LR_": 2.0} for i in range(100)}
    values = counts(samples, strong, features=800)
    values[["P___1", "LR___1"]] = values[["LR___1", "P___1"]].to_numpy()
    values["P___3"] = values["P___2"]
    table = ex.expression_quality(values, samples).set_index("sample")
    assert "swapped" in table.loc["P___1", "verdict"] and "swapped" in table.loc["LR___1", "verdict"]
    assert "same measurement as P___3" in table.loc["P___2", "verdict"]
    assert table.loc["LR___3", "verdict"] == ""


def test_an_outlier_and_a_shallow_sample_are_named():
    samples = sheet({("P", "", ""): 4, ("LR", "", ""): 4})
    strong = {f"X{i}": {"LR_": 2.0} for i in range(100)}
    values = counts(samples, strong, features=800)
    rng = np.random.default_rng(5)
    values["P___4"] = np.round(values["P___4"] * np.exp(rng.normal(0, 1.0, len(values))))
    values["LR___2"] = np.round(values["LR___2"] / 20)
    table = ex.expression_quality(values, samples).set_index("sample")
    assert "far from its own group" in table.loc["P___4", "verdict"]
    assert "shallow" in table.loc["LR___2", "verdict"]
    clean = table.drop(["P___4", "LR___2"])
    assert (clean["verdict"] == "").all() and (clean["depth"] > 0).all()


def test_a_batch_that_is_the_group_is_said_of_its_samples():
    samples = sheet({("P", "", ""): 3, ("LR", "", ""): 3}).assign(batch=["a"] * 3 + ["b"] * 3)
    table = ex.expression_quality(counts(samples, {}), samples).set_index("sample")
    assert "cannot be told apart from the groups" in table.loc["LR___1", "verdict"]


def test_a_sample_or_a_line_of_another_sex_is_named():
    male = {"RPS4Y1": {"P_": 8.0, "SR_": 8.0, "LR___1": 8.0}, "DDX3Y": {"P_": 8.0, "SR_": 8.0, "LR___1": 8.0}}
    samples = sheet({("P", "", ""): 3, ("LR", "", ""): 3, ("SR", "", ""): 3})
    values = counts(samples, male)
    low = values["feature"].isin(list(male))
    values.loc[low, samples["sample"]] = np.round(values.loc[low, samples["sample"]] / 400)
    table = ex.expression_quality(values, samples, models=MODELS).set_index("sample")["verdict"]
    assert "unlike the other samples of its model" in table["LR___1"]
    assert (table.drop("LR___1") == "").all()
    samples = samples[samples["sample"] != "LR___1"]
    table = ex.expression_quality(values, samples, models=MODELS).set_index("sample")["verdict"]
    assert "unlike its parent P" in table["LR___2"] and "lost Y chromosome" in table["LR___3"]
    assert (table[[n for n in table.index if "LR" not in n]] == "").all()


def test_good_samples_get_no_remark():
    """Five studies without a fault: hardly any sample is found odd."""
    odd = 0
    for seed in range(5):
        samples = sheet({("P", "", ""): 3, ("LR", "", ""): 3})
        strong = {f"X{i}": {"LR_": 1.5} for i in range(60)}
        table = ex.expression_quality(counts(samples, strong, seed=seed), samples, models=MODELS)
        odd += int((table["verdict"] != "").sum())
    assert odd <= 1


# --- shared and reversed ---


def test_shared_genes_are_those_changed_in_both_lines(made):
    out = ex.shared_genes(made)
    table = out["shared_genes"].set_index("feature")
    assert table.loc["MRPL12", "q_value"] < 0.01 and table.loc["MRPL12", "direction"] == 1
    assert table.loc["LOSS", "q_value"] < 0.01 and table.loc["LOSS", "direction"] == -1
    assert table.loc["CAV1", "q_value"] > 0.05
    overlap = out["overlap"]
    assert overlap["correlation_by_design"].iloc[0] == pytest.approx(0.5)
    assert (overlap["expected_shared_control"] >= overlap["expected_independent"]).all()


def test_reversal_finds_the_gene_that_the_treatment_moves_back(made):
    out = ex.reversal(made, n_permutations=200)
    table = out["reversal"].set_index("feature")
    assert table.loc["MRPL12", "q_value"] < 0.01
    assert table.loc["MRPL12", "moved_back"] == pytest.approx(0.9, abs=0.3)
    assert table.loc["CAV1", "q_value"] > 0.05
    claims = ex.reversal_claims(out["reversal"])
    assert claims.loc[claims["entity"] == "MRPL12", "direction"].tolist() == [1]
    evidence.check(claims)


def test_shared_parental_noise_is_neither_sharing_nor_reversal():
    """Nothing planted: correlated estimates give no calls and, after the design's part is removed, no connectivity."""
    scores, p_shared, rejected = [], [], 0
    for seed in range(6):
        samples = sheet({("P", "", ""): 2, ("LR", "", ""): 2, ("SR", "", ""): 2, ("LR", "drug", ""): 2})
        table = ex.rna_differential(counts(samples, {}, features=1500, seed=seed), samples, MODELS, NONE)
        out = ex.reversal(table, n_permutations=200)
        row = out["connectivity"].iloc[0]
        assert row["correlation"] < -0.3  # what the shared samples make of noise
        scores.append(row["score"])
        rejected += int((out["reversal"]["q_value"] < 0.05).sum())
        p_shared.append((ex.shared_genes(table)["shared_genes"]["p_value"] < 0.05).mean())
    assert np.max(np.abs(scores)) < 0.12
    assert rejected <= 2 and np.mean(p_shared) < 0.05


def test_overlap_expected_of_a_shared_control_is_right():
    """Two null contrasts with one control: the copula's expectation against a simulation."""
    rng = np.random.default_rng(0)
    control, a, b = rng.normal(size=(3, 200_000)) / np.sqrt(2)
    up = [(x - control) > 1.6 for x in (a, b)]
    expected = shared._both(up[0].mean(), up[1].mean(), 0.5)
    assert (up[0] & up[1]).mean() == pytest.approx(expected, rel=0.1)
    assert expected > 3 * up[0].mean() * up[1].mean()


# --- claims and figures ---


def test_claims_say_direction_and_numbers(made):
    claims = findings.rna_claims(made)
    evidence.check(claims)
    row = claims[(claims["entity"] == "CAV1") & claims["contrast"].str.startswith("LR vs P")].iloc[0]
    assert row["direction"] == 1 and row["level"] == "association" and "higher in LR vs P" in row["claim"]
    loss = claims[(claims["entity"] == "LOSS") & claims["contrast"].str.startswith("SR vs P")].iloc[0]
    assert loss["direction"] == -1
    assert not claims["contrast"].str.contains("lefamulin").any()


def test_two_samples_a_group_are_warned_of_on_reading_and_in_every_claim():
    samples = sheet({("P", "", ""): 2, ("LR", "", ""): 2})
    said = [f.message for f in contract.replicates_enough(samples, MODELS)]
    assert len(said) == 2 and all("up to hundreds of false calls" in t for t in said)
    table = ex.rna_differential(counts(samples, EFFECTS), samples, MODELS, NONE)
    assert findings.rna_claims(table)["claim"].str.contains("two samples a group are few").all()
    three = sheet({("P", "", ""): 3, ("LR", "", ""): 3})
    assert not list(contract.replicates_enough(three, MODELS))


def test_figures_draw(made):
    samples = sheet(THREE)
    values = counts(samples, EFFECTS)
    quality = ex.expression_quality(values, samples)
    overlap = ex.shared_genes(made)["overlap"]
    charts = [
        figures.volcano(made), figures.mean_difference(made), figures.sample_components(quality),
        figures.gene_heat_map(values, samples, made), figures.sample_correlation(values, samples),
        figures.line_overlap(overlap),
    ]  # fmt: skip
    assert all(c is not None and c.to_dict() for c in charts)
    assert figures.volcano(made.iloc[:0]) is None
