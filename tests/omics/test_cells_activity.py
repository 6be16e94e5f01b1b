"""Activity of states: planted programmes and regulators are found, permuted regulons are not, depth is no stemness."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cell_examples import MODELS, pseudotime, states, tables
from scipy import stats

from rechallenge import evidence
from rechallenge.faults import NotApplicable
from rechallenge.omics.cells import (
    activity,
    cell_quality,
    cell_states,
    cycle,
    findings,
    hypotheses,
    pseudobulk,
    stemness,
    trajectory,
    trends,
)
from rechallenge.omics.cells import figures_states as figures
from rechallenge.simulate import cells as simulated
from rechallenge.stats import networks

SPEC = simulated.Spec(genes=1500)


def regulons(names: list[str], seed: int = 0) -> pd.DataFrame:
    """Thirty factors with targets drawn at random and one that activates the rising programmes."""
    rng = np.random.default_rng(seed)
    rows = [(f"TF{k:02d}", g, 1.0) for k in range(30) for g in rng.choice(names, 15, replace=False)]
    rising = [names[i] for i in simulated._members(names, simulated.RISING)]
    rows += [("RISE", g, 1.0) for g in rng.choice(rising, 20, replace=False)]
    return pd.DataFrame(rows, columns=["tf", "target", "weight"])


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    data = simulated.lines("path", samples=3, cells=150, seed=0, spec=SPEC)
    cells, obs = tables(data, tmp_path_factory.mktemp("path"))
    of = states(cells, obs, 3)
    net = regulons(list(data.var_names))
    time, ways = pseudotime(of, obs)
    contrasts = pseudobulk.cell_contrasts(cells, of, MODELS)["cell_contrasts"]
    scores = activity.state_activity(cells, of, None, net)
    return {
        "cells": cells, "of": of, "obs": obs, "net": net, "contrasts": contrasts, "scores": scores,
        "compared": activity.activity_contrasts(scores, contrasts, MODELS, None, net), "var": data.var,
        **trends.pseudotime_trends(cells, time, ways, None, net, n_permutations=100),
    }  # fmt: skip


def test_planted_programmes_and_regulators_are_found_over_samples(path):
    table = path["compared"]
    whole = table[table["state"] == pseudobulk.ALL].set_index(["kind", "term"])
    for term, sign in (("emt", 1), ("drug_metabolism", 1), ("epithelial", -1), ("fatty_acid_oxidation", -1)):
        row = whole.loc[("pathway", term)]
        assert row["q_value"] < 0.05 and np.sign(row["effect"]) == sign and row["n"] == 6
        assert row["ci_low"] <= row["effect"] <= row["ci_high"]
    rise = whole.loc[("regulator", "RISE")]
    assert rise["p_value"] == max(rise["p_samples"], rise["p_permuted"]) and rise["q_value"] < 0.05
    others = whole.loc["regulator"].drop("RISE")
    assert (others["q_value"] < 0.05).sum() <= 1
    # over samples alone, many of the random ones would be called
    assert (others["p_samples"] < 0.05).mean() > (others["p_value"] < 0.05).mean()


def test_permuted_regulons_are_called_as_often_as_the_level_says():
    """Hubs that many factors share move: the textbook p calls their regulons, the calibrated one does not."""
    rng = np.random.default_rng(1)
    names = [f"G{i:04d}" for i in range(1500)]
    chance = np.r_[np.full(60, 12.0), np.full(1440, 1.0)]
    known = pd.DataFrame(
        [(f"TF{k:03d}", names[g], 1.0) for k in range(120)
         for g in rng.choice(1500, 20, replace=False, p=chance / chance.sum())],
        columns=["tf", "target", "weight"],
    )  # fmt: skip
    net = networks.network(known, pd.Index(names))
    gene = networks.permuted(net, len(names), 1, seed=5)[0]
    fake = pd.DataFrame({"tf": [net.factors[i] for i in net.factor], "target": [names[g] for g in gene],
                         "weight": net.weight})  # fmt: skip
    calibrated, textbook = [], []
    for seed in range(6):
        x = np.random.default_rng(seed).normal(size=1500)
        x[:60] += 1.5
        made = activity.permuted_scores(pd.Series(x, index=names), fake, times=60, seed=seed)
        calibrated += list(made["p"] < 0.05)
        textbook += list(made["p_nominal"] < 0.05)
    low, high = stats.binom.interval(0.999, len(calibrated), 0.05)
    assert low <= sum(calibrated) <= high
    assert np.mean(textbook) > 0.15


def test_phases_are_those_that_were_planted(path):
    cells, obs = path["cells"], path["obs"]
    from rechallenge.omics.cells import reading

    found, sizes = cycle.phases(cells, reading.genes(cells))
    assert found is not None and min(sizes.values()) > 30
    planted = obs["planted_phase"].astype(str).to_numpy()
    # cells at the start of a phase hardly differ from G1: told late, but not as the other phase
    assert (found == planted).mean() > 0.75
    assert (found[planted == cycle.S] == cycle.G2M).mean() < 0.05
    assert (found[planted == cycle.G2M] == cycle.S).mean() < 0.05
    shares = path["scores"].query("kind == 'cycle' and state == 'all'").groupby("term")["score"].mean()
    assert shares.between(0.08, 0.25).all()


def test_what_follows_the_course_is_found_in_every_sample(path):
    table = path["pseudotime_trends"]
    genes = table[table["kind"] == "gene"].set_index("term")
    planted = path["var"]["planted_log_fold"].reindex(genes.index)
    strong = planted.abs() > 1
    assert (genes.loc[strong, "q_value"] < 0.05).mean() > 0.85
    called = strong & (genes["q_value"] < 0.05)
    assert (np.sign(genes["slope"]) == np.sign(planted))[called].all()
    assert (genes.loc[planted == 0, "q_value"] < 0.05).mean() < 0.03
    assert set(genes["n"]) == {6} and (genes["told"] > 0.9).all()
    sets = table[table["kind"] == "pathway"].set_index("term")
    assert sets.loc["emt", "q_value"] < 0.05 and sets.loc["emt", "direction"] == 1
    assert sets.loc["epithelial", "n_rising"] == 0
    regulators = table[table["kind"] == "regulator"].set_index("term")
    assert regulators.loc["RISE", "q_value"] < 0.05
    assert (regulators.drop("RISE")["q_value"] < 0.05).sum() <= 1


def test_a_course_that_follows_the_cycle_in_part_calls_no_still_genes(path):
    """Dividing cells are put later: what they give to the genes of the cycle is no fall of all others."""
    time, ways = pseudotime(path["of"], path["obs"])
    late = time["pseudotime"] + 0.3 * (path["obs"]["planted_phase"] != "G1").to_numpy()
    time["pseudotime"] = (late - late.min()) / (late.max() - late.min())
    table = trends.pseudotime_trends(path["cells"], time, ways, n_permutations=2)["pseudotime_trends"]
    genes = table[table["kind"] == "gene"].set_index("term")
    planted = path["var"]["planted_log_fold"].reindex(genes.index)
    dividing = set(np.array(list(path["var"].index))[simulated._members(list(path["var"].index), simulated.CYCLE)])
    still = (planted == 0) & ~genes.index.isin(dividing)
    assert (genes.loc[still, "p_value"] < 0.05).mean() < 0.08
    assert (genes.loc[still, "q_value"] < 0.05).mean() < 0.02
    assert (genes.loc[planted.abs() > 1, "q_value"] < 0.05).mean() > 0.85


@pytest.mark.slow
def test_the_whole_chain_follows_the_path_and_not_the_cycle(tmp_path: Path):
    """States and pseudotime from the counts: the order is that of the planted path, and trends hold their level."""
    data = simulated.lines("path", samples=3, cells=250, seed=0, spec=SPEC)
    cells, obs = tables(data, tmp_path)
    found = cell_states(cells, cell_quality(cells, doublets=False), maps=False)
    way = trajectory(cells, found["cell_states"], found["variable_genes"], MODELS)
    time = way["pseudotime"].set_index("cell")["pseudotime"].reindex(cells["cell"]).to_numpy()
    there = np.isfinite(time)
    assert stats.spearmanr(time[there], obs["planted_time"].to_numpy()[there]).statistic > 0.9
    table = trends.pseudotime_trends(cells, way["pseudotime"], way["trajectory"], n_permutations=2)
    genes = table["pseudotime_trends"].query("kind == 'gene'").set_index("term")
    planted = data.var["planted_log_fold"].reindex(genes.index)
    assert (genes.loc[planted == 0, "p_value"] < 0.05).mean() < 0.08
    assert (genes.loc[planted == 0, "q_value"] < 0.05).mean() < 0.02
    assert (genes.loc[planted.abs() > 1, "q_value"] < 0.05).mean() > 0.85


def test_two_lines_without_a_path_have_no_trends(path):
    time, ways = pseudotime(path["of"], path["obs"], "no_path")
    with pytest.raises(NotApplicable, match="no path"):
        trends.pseudotime_trends(path["cells"], time, ways)


def test_genes_that_do_not_follow_the_course_are_not_called(tmp_path: Path):
    """A course that nothing but its own few genes follows: the others reject at about the level."""
    data = simulated.lines(
        "path", samples=3, cells=120, seed=4, spec=simulated.Spec(genes=1500, moving=0.0, programme=1.0)
    )
    cells, obs = tables(data, tmp_path)
    time, ways = pseudotime(states(cells, obs), obs)
    table = trends.pseudotime_trends(cells, time, ways)["pseudotime_trends"]
    genes = table[table["kind"] == "gene"].set_index("term")
    still = data.var["planted_log_fold"].reindex(genes.index) == 0
    assert (genes.loc[still, "p_value"] < 0.05).mean() < 0.08
    assert (genes.loc[still, "q_value"] < 0.05).mean() < 0.02


def test_a_trend_of_two_samples_is_no_test(tmp_path: Path):
    data = simulated.lines("path", samples=1, cells=120, seed=0, spec=simulated.Spec(genes=500))
    cells, obs = tables(data, tmp_path)
    time, ways = pseudotime(states(cells, obs), obs)
    table = trends.pseudotime_trends(cells, time, ways)["pseudotime_trends"]
    assert set(table["status"]) == {"not_testable"} and table["p_value"].isna().all()
    assert table["reason"].str.contains("three are needed").all()
    assert findings.pseudotime_claims(table).empty


def test_depth_is_not_stemness(tmp_path: Path):
    """The same cells, one line sequenced three times as deeply: different at all counts, gone at equal depth."""
    deep = simulated.lines("same", samples=3, cells=100, seed=2, spec=simulated.Spec(genes=800, depth=5000))
    thin = simulated.lines("same", samples=3, cells=100, seed=2, spec=simulated.Spec(genes=800, depth=1600))
    import anndata as ad

    both = ad.concat([deep[deep.obs["model"] == "Huh-7 P"], thin[thin.obs["model"] == "Huh-7 LR"]], merge="first")
    both.obs_names = [f"cell{i:05d}" for i in range(both.n_obs)]
    cells, obs = tables(both, tmp_path)
    table = stemness.stemness(cells, states(cells, obs))
    assert (table["umi"] <= table["median_umi"]).all() and table["score"].between(0, 1).all()
    row = stemness.stemness_contrasts(table, MODELS).query("state == 'all'").iloc[0]
    assert row["p_all_counts"] < 0.05 and abs(row["effect_all_counts"]) > 0.3
    assert abs(row["effect"]) < 0.2 and row["verdict"] == stemness.VANISHED
    claim = findings.stemness_claims(stemness.stemness_contrasts(table, MODELS))
    assert stemness.VANISHED in claim["claim"].iloc[0]
    assert figures.stemness_pair(table) is not None


@pytest.mark.slow
def test_two_replicates_of_one_treatment_make_no_claim(shared: Path, tmp_path: Path):
    """PC9 cells of day 11, labelled control and erlotinib where they were found, are two replicates of erlotinib
    (Aissa et al. 2021, doi:10.1038/s41467-021-21884-z): cells as replicates gave 1,058 "differential genes"."""
    import scipy.sparse as sp
    from anndata import AnnData

    blocks, obs = [], []
    for name, model in (("control", "Huh-7 P"), ("Erlotinib", "Huh-7 LR")):
        table = pd.read_csv(shared / f"data/cells/GSE147405_Day11_{name}.txt.gz", sep="\t", index_col=0)
        table = table.loc[:, (table > 0).sum() >= 500]
        blocks.append(table)
        obs.append(pd.DataFrame({"sample": name, "model": model, "treatment": "vehicle"}, index=table.columns))
    genes = blocks[0].index.intersection(blocks[1].index)
    x = sp.csr_matrix(np.vstack([b.loc[genes].to_numpy(np.float32).T for b in blocks]))
    sheet = pd.concat(obs)
    sheet.index = pd.Index([f"cell{i:05d}" for i in range(len(sheet))], dtype=object)
    cells, _ = tables(AnnData(x, obs=sheet, var=pd.DataFrame(index=pd.Index(genes, dtype=object))), tmp_path)
    of = states(cells, pd.DataFrame(index=range(len(cells))))
    found = pseudobulk.cell_contrasts(cells, of, MODELS)["cell_contrasts"]
    assert len(found) and found["p_value"].isna().all() and set(found["status"]) == {"not_testable"}
    claims = findings.cell_gene_claims(found)
    assert claims["p_value"].isna().all() and not claims["claim"].str.contains(" is higher| is lower").any()
    scores = stemness.stemness(cells, of).query("state == 'all'").set_index("sample")
    apart = (scores["score_all_counts"].max() - scores["score_all_counts"].min(),
             scores["score"].max() - scores["score"].min())  # fmt: skip
    assert apart[1] < apart[0]
    row = stemness.stemness_contrasts(stemness.stemness(cells, of), MODELS).query("state == 'all'").iloc[0]
    assert np.isnan(row["p_value"]) and row["verdict"].startswith(stemness.OPEN)


def test_claims_keep_the_schema_and_figures_can_be_drawn(path):
    from rechallenge.report.theme import export

    drugs = hypotheses.state_drugs(path["contrasts"])
    assert set(drugs["status"]) <= {"not_testable"}
    tables_of_claims = [
        findings.cell_gene_claims(path["contrasts"]),
        findings.cell_activity_claims(path["compared"]),
        findings.pseudotime_claims(path["pseudotime_trends"]),
        findings.state_drug_claims(drugs),
    ]
    for table in tables_of_claims[:3]:
        assert len(evidence.check(table)) and set(table["stream"]) == {"cells"}
    assert set(tables_of_claims[2]["level"]) == {"gradient"} and set(tables_of_claims[0]["level"]) == {"association"}
    # chosen claims of single states weigh nothing
    single = tables_of_claims[1][tables_of_claims[1]["contrast"].str.contains("state ")]
    assert (single["direction"] == 0).all()
    for name, chart in (
        ("map", figures.state_activity_map(path["scores"])),
        ("lines", figures.pseudotime_lines(path["pseudotime_courses"], path["pseudotime_trends"])),
    ):
        assert export(name, chart)["png"].startswith(b"\x89PNG")


def test_a_drug_that_blocks_what_is_up_and_a_treatment_against_it_are_hypotheses():
    genes = ["EGFR", *[f"GENE{i:05d}" for i in range(300)]]
    x = np.linspace(3, -3, 301)
    base = pd.DataFrame(
        {"dataset": "d", "state": "1", "contrast": "R vs P", "kind": "resistance", "model": "R", "gene": genes,
         "log2fc": x, "statistic": x, "q_value": np.where(np.abs(x) > 1, 0.001, 0.5), "direction": 1}
    )  # fmt: skip
    bulk = pd.DataFrame({"dataset": "bulk", "layer": "rna", "contrast": "R: drug X vs vehicle", "kind": "treatment",
                         "gene": genes, "statistic": -x})  # fmt: skip
    found = hypotheses.state_drugs(base, bulk)
    assert "erlotinib" in set(found.loc[found["basis"] == hypotheses.TARGET, "drug"])
    reversal = found[found["basis"] == hypotheses.REVERSAL].iloc[0]
    assert reversal["drug"] == "drug X" and reversal["score"] == pytest.approx(1.0)
    claims = evidence.check(findings.state_drug_claims(found))
    assert set(claims["level"]) == {"knowledge"} and claims["p_value"].isna().all()
