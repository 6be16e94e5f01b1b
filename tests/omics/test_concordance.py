"""Genes over data sets: pooling, heterogeneity, ranks, and six real contrasts that hardly agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rechallenge import evidence
from rechallenge.analysis import step_of
from rechallenge.faults import NotApplicable
from rechallenge.omics import concordance as co

GENES = [f"G{i}" for i in range(300)]


def contrast(dataset: str, effects: np.ndarray, se: float | None = 0.3, seed: int = 0, name: str = "R vs P"):
    rng = np.random.default_rng([seed, *dataset.encode()])
    noise = 0.3 if se is None else se
    estimate = effects + noise * rng.normal(size=len(effects))
    z = estimate / noise if se is not None else np.full(len(effects), np.nan)
    return pd.DataFrame(
        {
            "dataset": dataset, "layer": "rna", "contrast": name, "kind": "resistance", "feature": GENES, "gene": GENES,
            "log2fc": estimate, "se": np.nan if se is None else se, "statistic": z,
            "p_value": 2 * stats.norm.sf(np.abs(z)), "n": 6,
        }
    )  # fmt: skip


def planted() -> pd.DataFrame:
    """G0 up in all four, G1 up in two and down in two, the rest nothing."""
    parts = []
    for k, name in enumerate("ABCD"):
        effects = np.zeros(len(GENES))
        effects[0], effects[1] = 2.0, 3.0 if k < 2 else -3.0
        parts.append(contrast(name, effects))
    return pd.concat(parts, ignore_index=True)


def test_a_gene_that_all_data_sets_raise_is_called_and_one_that_they_dispute_is_not():
    out = co.concordance(planted())["concordance"].set_index("gene")
    assert out.loc["G0", "q_value"] < 0.05 and out.loc["G0", "i2"] < 0.8
    assert out.loc["G0", "effect"] == pytest.approx(2, abs=0.5) and out.loc["G0", "same_sign"] == 4
    assert out.loc["G0", "prediction_low"] <= out.loc["G0", "ci_low"] + 1e-9
    assert out.loc["G1", "q_value"] > 0.2 and out.loc["G1", "i2"] > 0.9
    assert abs(out.loc["G1", "weakest_without"]) < 3
    claims = co.concordance_claims(co.concordance(planted())["concordance"])
    evidence.check(claims)
    assert claims.loc[claims["entity"] == "G0", "direction"].tolist() == [1]


def test_nothing_there_is_rarely_called():
    below = []
    for seed in range(6):
        parts = [contrast(n, np.zeros(len(GENES)), seed=seed) for n in "ABCDE"]
        out = co.concordance(pd.concat(parts, ignore_index=True))["concordance"]
        below.append([(out["p_value"] < 0.05).mean(), (out["rank_p_value"] < 0.05).mean()])
    assert np.mean(below, axis=0) == pytest.approx([0.05, 0.05], abs=0.025)


def test_without_standard_errors_ranks_are_what_is_left():
    parts = [contrast(n, np.r_[4.0, np.zeros(len(GENES) - 1)], se=None) for n in "ABC"]
    out = co.concordance(pd.concat(parts, ignore_index=True))["concordance"].set_index("gene")
    assert out["p_value"].isna().all() and set(out["status"]) == {"not_testable"}
    assert out["rank_p_value"].idxmin() == "G0" and out.loc["G0", "rank_q_value"] < 0.05


def test_two_lines_with_one_control_are_one_data_set():
    effects = np.zeros(len(GENES))
    two = [contrast("A", effects, name="R1 vs P"), contrast("A", effects, name="R2 vs P", seed=1)]
    table = pd.concat([*two, contrast("B", effects)], ignore_index=True)
    out = co.concordance(table)["concordance"]
    assert (out["n_datasets"] == 2).all()
    from rechallenge.omics.concordance.analyses import estimates

    mean = estimates(table)["A"]
    assert mean["se"].iloc[0] == pytest.approx(0.3 * np.sqrt(0.75))  # not 0.3 / sqrt(2): the control is shared


def test_one_data_set_is_none_to_compare():
    with pytest.raises(NotApplicable):
        co.concordance(contrast("A", np.zeros(len(GENES))))


def test_figures_draw():
    table = planted()
    out = co.concordance(table)
    assert co.agreement_map(out["dataset_agreement"]) is not None
    assert co.concordance_forest(out["concordance"], table) is not None


# --- data sets that are one ---


def test_one_line_on_two_platforms_is_one_data_set():
    """The same resistant line in two data sets: one estimate, whose error is not made smaller."""
    effects = np.zeros(len(GENES))
    effects[0] = 2.0
    parts = [contrast(n, effects).assign(model=m) for n, m in {"array": "LR", "seq": "LR", "other": "SR"}.items()]
    out = co.concordance(pd.concat(parts, ignore_index=True))
    groups = out["dataset_groups"].set_index("dataset")
    assert groups["counts_as"].to_dict() == {"array": "array + seq", "other": "other", "seq": "array + seq"}
    assert "the same line (LR) as seq" in groups.loc["array", "why"]
    assert set(out["concordance"]["n_datasets"]) == {2} and len(out["dataset_agreement"]) == 1
    from rechallenge.omics.concordance.analyses import estimates
    from rechallenge.omics.concordance.duplicates import joined

    whole = joined(estimates(pd.concat(parts)), out["dataset_groups"])["array + seq"]
    assert whole["se"].iloc[0] == pytest.approx(0.3)  # measured twice is not replicated
    both = [p["log2fc"].iloc[0] for p in parts[:2]]
    assert whole.loc["G0", "effect"] == pytest.approx(np.mean(both))


def test_a_declared_source_or_the_same_numbers_make_data_sets_one():
    rng = np.random.default_rng(0)
    effects = rng.normal(size=len(GENES))
    parts = [contrast("A", effects), contrast("B", rng.normal(size=len(GENES))), contrast("C", np.zeros(len(GENES)))]
    again = parts[0].assign(dataset="A again", log2fc=parts[0]["log2fc"] * 1.1 + 0.01)
    out = co.concordance(pd.concat([*parts, again], ignore_index=True))
    groups = out["dataset_groups"].set_index("dataset")
    assert groups.loc["A", "counts_as"] == "A + A again" and "rank correlation 1.00" in groups.loc["A", "why"]
    assert groups.loc["B", "n_joined"] == 1
    declared = pd.DataFrame({"dataset": ["B", "C"], "source": ["GSE0", "GSE0"]})
    two = co.concordance(pd.concat([*parts, again], ignore_index=True), declared)
    assert two["dataset_groups"]["counts_as"].nunique() == 2
    assert "the same source (GSE0)" in two["dataset_groups"].set_index("dataset").loc["C", "why"]
    with pytest.raises(NotApplicable, match="the same source"):
        co.concordance(pd.concat(parts[1:], ignore_index=True), declared)
    step = step_of(co.concordance)
    assert "counted as one (1 such group)" in step.methods(out, **step.options)
    assert "counted as one" not in step.methods(co.concordance(planted()), **step.options)


def test_duplicates_that_count_twice_would_be_called_too_often():
    """Nothing there and one data set given three times: p < .05 in 5 % of genes, not in many more."""
    below, naive = [], []
    for seed in range(5):
        one = contrast("A", np.zeros(len(GENES)), seed=seed)
        parts = [one, one.assign(dataset="A2"), one.assign(dataset="A3"),
                 *(contrast(n, np.zeros(len(GENES)), seed=seed) for n in "BC")]  # fmt: skip
        table = pd.concat(parts, ignore_index=True)
        below.append((co.concordance(table)["concordance"]["rank_p_value"] < 0.05).mean())
        naive.append((co.concordance(table, duplicate=1.1)["concordance"]["rank_p_value"] < 0.05).mean())
    assert np.mean(below) == pytest.approx(0.05, abs=0.02) and np.mean(naive) > 0.1


# --- what is said first ---


def test_the_overview_says_how_far_data_sets_agree():
    rng = np.random.default_rng(1)
    common = rng.normal(size=len(GENES))
    alike = co.concordance(pd.concat([contrast(n, common) for n in "ABC"], ignore_index=True))
    apart = co.concordance(
        pd.concat([contrast(n, 1.5 * rng.normal(size=len(GENES))) for n in "ABC"], ignore_index=True)
    )
    one, two = (o["concordance_overview"].iloc[0] for o in (alike, apart))
    assert one["n_datasets"] == 3 and one["rho_median"] > 0.8 and one["up_in_all"] > 3 * one["up_expected"]
    assert abs(two["rho_median"]) < 0.2 and two["i2_median"] > 0.8 and two["share_predicted"] < 0.05
    assert two["up_expected"] == pytest.approx(two["up_in_all"], abs=12)
    assert "rank correlation of 3 data sets" in two["said"] and "by chance" in two["said"]


def test_genes_asked_for_are_spoken_of_whatever_happens_to_them():
    out = co.concordance(planted())
    claims = evidence.check(co.concordance_claims(out["concordance"], genes=["G1", "G7"])).set_index("entity")
    assert "not the same in all" in claims.loc["G1", "claim"] and claims.loc["G7", "direction"] == 0
    ranks = co.concordance(pd.concat([contrast(n, np.zeros(300), se=None) for n in "ABC"], ignore_index=True))
    said = evidence.check(co.concordance_claims(ranks["concordance"], genes=["G7"]))["claim"].iloc[0]
    assert "judged by ranks" in said
    chart = co.concordance_forest(ranks["concordance"], pd.concat([contrast(n, np.zeros(300), se=None) for n in "ABC"]))
    assert chart is not None


def test_leaving_one_out_by_ranks_shows_what_one_data_set_carries():
    effects = [np.r_[9.0, 3.0, np.zeros(298)], np.r_[0.0, 3.0, np.zeros(298)], np.r_[0.0, 3.0, np.zeros(298)]]
    parts = [contrast(n, e, se=None) for n, e in zip("ABC", effects, strict=True)]
    out = co.concordance(pd.concat(parts, ignore_index=True))["concordance"].set_index("gene")
    assert out.loc["G1", "rank_p_without"] < 0.01  # two are left that agree
    assert out.loc["G0", "rank_p_without"] > out.loc["G0", "rank_p_value"]


def test_real_contrasts_of_resistance_hardly_agree(shared: Path):
    """Five public data sets of HCC lines resistant to sorafenib or lenvatinib (GSE322742, GSE200098, GSE186191)."""
    parts = []
    for name, dataset in {
        "hepg2_sorafenib": "hepg2", "huh7_sorafenib": "huh7", "gse200098_huh7_sr1": "gse200098",
        "gse200098_huh7_sr2": "gse200098", "gse186191_huh7_lenvatinib": "gse186191_huh7",
        "gse186191_hep3b_lenvatinib": "gse186191_hep3b",
    }.items():  # fmt: skip
        file = shared / f"data/omics/hcc_resistance/{name}_delta_y_star.tsv.gz"
        table = pd.read_csv(file, sep="\t")
        table.columns = ["feature", "log2fc", *table.columns[2:]]
        parts.append(table[["feature", "log2fc"]].drop_duplicates("feature").assign(dataset=dataset, contrast=name))
    frame = pd.concat(parts, ignore_index=True).assign(
        layer="rna", kind="resistance", se=np.nan, statistic=np.nan, p_value=np.nan, n=6
    )
    out = co.concordance(frame)
    rho = out["dataset_agreement"]["spearman"]
    assert abs(rho.median()) < 0.06 and rho.min() > -0.3 and rho.max() < 0.3
    genes = out["concordance"].set_index("gene")
    assert (genes["rank_q_value"] < 0.05).sum() == 0
    akr = genes.loc["AKR1B1", "datasets"]
    assert "+1.97" in akr and "-1.92" in akr  # up in one resistant Huh-7, down in another
    assert genes.loc["CAV1", "same_sign"] == 2 and genes.loc["CAV1", "n_datasets"] == 3
