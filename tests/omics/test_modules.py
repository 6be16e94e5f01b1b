"""Interaction modules: node scores, planted modules, the null of connectedness, tables as labs export them."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rechallenge import knowledge
from rechallenge.analysis import step_of
from rechallenge.faults import NotApplicable
from rechallenge.knowledge.errors import NotInstalled
from rechallenge.omics.modules import INTERACTIONS, module_network, modules, network
from rechallenge.omics.modules.analyses import COMMUNITY, CORE, MCODE
from rechallenge.omics.modules.contract import links
from rechallenge.omics.modules.figures import NAME, NODES, layout
from rechallenge.study import Study, TableSource
from rechallenge.tables.reading import read_study

GENES = [f"G{i:03d}" for i in range(400)]
TABLES = ("modules", "module_connectedness", "module_genes", "module_links")


def contrast(called: list[str], name: str = "R vs P", kind: str = "resistance", genes: list[str] = GENES) -> Any:
    """All genes tested, `called` of them up by 2 with q = 1e-6."""
    hit = np.isin(genes, called)
    return pd.DataFrame(
        {
            "dataset": "own", "layer": "rna", "contrast": name, "kind": kind, "model": "R", "feature": genes,
            "gene": genes, "log2fc": np.where(hit, 2.0, 0.1), "p_value": np.where(hit, 1e-8, 0.5),
            "q_value": np.where(hit, 1e-6, 0.9), "n": 6,
        }
    )  # fmt: skip


def table(pairs: list[tuple[str, str]], score: float = 0.9) -> pd.DataFrame:
    out = pd.DataFrame(pairs, columns=["protein_a", "protein_b"]).assign(score=score, _file="net.tsv")
    return out.assign(_row=range(2, len(out) + 2))


def random_pairs(seed: int, n: int = 400, degree: float = 12.0) -> list[tuple[str, str]]:
    """A random network in which some genes have many more partners than others."""
    rng = np.random.default_rng(seed)
    pull = rng.pareto(2.5, n) + 0.5
    pull /= pull.mean()
    a, b = np.triu_indices(n, 1)
    there = rng.random(len(a)) < np.minimum(1, pull[a] * pull[b] * degree / n)
    return [(GENES[i], GENES[j]) for i, j in zip(a[there], b[there], strict=True)]


def clique(names: list[str]) -> list[tuple[str, str]]:
    return list(combinations(names, 2))


def test_nodes_of_a_complete_graph_of_16_score_15():
    whole = network.graph(16, combinations(range(16), 2))
    assert network.node_scores(whole).tolist() == [15.0] * 16
    made = modules(contrast(GENES[:16]), table(clique(GENES[:16])))["modules"]
    core = made[made["method"] == CORE].iloc[0]
    assert core["top_node_score"] == 15 and core["n_genes"] == 16 and core["n_edges"] == 120
    assert core["density"] == 1 and core["score"] == 16  # density x size, as in the paper


def test_node_scores_of_small_graphs_by_hand():
    # a triangle with a tail: the triangle is a 2-core of density 1; the tail's neighbourhood is one link
    tailed = network.graph(4, [(0, 1), (0, 2), (1, 2), (2, 3)])
    assert network.node_scores(tailed).tolist() == [2.0, 2.0, 2.0, 1.0]
    # a square without diagonals: each neighbourhood is a path of three, a 1-core of density 2/3
    square = network.graph(5, [(0, 1), (1, 2), (2, 3), (3, 0)])
    assert network.node_scores(square) == pytest.approx([2 / 3] * 4 + [0.0])


def test_cores_agree_with_networkx():
    rng = np.random.default_rng(0)
    for _ in range(20):
        made = nx.gnp_random_graph(25, 0.3, seed=int(rng.integers(1 << 30)))
        whole = network.graph(25, made.edges)
        for k in range(1, 8):
            assert set(network.k_core(whole, k)) == set(nx.k_core(made, k))


def test_a_dense_core_leaves_out_its_tails():
    edges = [*combinations(range(6), 2), (5, 6), (6, 7), *combinations(range(8, 12), 2)]
    whole = network.graph(12, edges)
    found = network.dense_cores(whole, network.node_scores(whole))
    assert found == [[0, 1, 2, 3, 4, 5], [8, 9, 10, 11]]


def test_planted_modules_are_found_in_a_random_network():
    """Two cliques of 10 among 40 called genes in a random network of 400: cliques so dense that no seed matters."""
    for seed in range(5):
        pairs = sorted({*random_pairs(seed, degree=6), *clique(GENES[:10]), *clique(GENES[10:20])})
        made = modules(contrast(GENES[:40]), table(pairs), seed=seed, n_permutations=199)
        both = {";".join(GENES[:10]), ";".join(GENES[10:20])}
        for method in (COMMUNITY, CORE):
            first = made["modules"][made["modules"]["method"] == method].head(2)
            for genes in both:
                found = max((len(set(g.split(";")) & set(genes.split(";"))) for g in first["genes"]), default=0)
                assert found >= 9, (seed, method)
        row = made["module_connectedness"].iloc[0]
        assert row["p_value"] == 1 / 200 and row["observed"] > row["null_high"] and row["ratio"] > 1.5
        assert 30 < row["n"] <= 40 == row["n_called"]  # one without a link is not in the network


def test_communities_hang_together_and_come_again():
    """Leiden's promise: no community falls apart inside; the same seed gives the same, whatever order links have."""
    at = {g: i for i, g in enumerate(GENES)}
    weights = {(at[a], at[b]): 0.9 for a, b in random_pairs(9, degree=4)}
    whole = network.graph(len(GENES), weights)
    made = network.communities(whole, weights, resolution=1.0, smallest=3, seed=0)
    assert len(made) > 5 and len({i for g in made for i in g}) == sum(map(len, made))
    drawn = nx.Graph(list(weights))
    assert all(nx.is_connected(drawn.subgraph(g)) for g in made)
    turned = dict(reversed(list(weights.items())))
    assert network.communities(whole, turned, resolution=1.0, smallest=3, seed=0) == made
    finer = network.communities(whole, weights, resolution=4.0, smallest=1, seed=0)
    assert max(map(len, finer)) < max(map(len, made))
    # at least as good as greedy joining
    all_parts = network.communities(whole, weights, resolution=1.0, smallest=1, seed=0)
    ours = nx.community.modularity(drawn, [set(g) for g in all_parts])
    assert ours >= nx.community.modularity(drawn, nx.community.louvain_communities(drawn, seed=0)) - 1e-9
    assert network.communities(network.graph(5, []), {}, resolution=1.0, smallest=1, seed=0) == []


def test_many_partners_alone_do_not_make_a_list_connected():
    """The 40 genes with most partners have many links among them; that is expected of them."""
    pairs = random_pairs(7)
    degree = pd.Series([g for p in pairs for g in p]).value_counts().sort_index().sort_values(ascending=False)
    rng = np.random.default_rng(1)
    hubs = list(rng.choice(degree.index[:100], 40, replace=False))
    row = modules(contrast(hubs), table(pairs), n_permutations=499)["module_connectedness"].iloc[0]
    plain = row["n"] * (row["n"] - 1) / 2 * len(pairs) / (400 * 399 / 2)
    assert row["observed"] > 1.3 * plain and row["expected"] > 1.3 * plain
    assert row["p_value"] > 0.001


def _null(seeds: range, n_permutations: int) -> list[float]:
    whole = table(random_pairs(3))
    out = []
    for seed in seeds:
        called = list(np.random.default_rng(1000 + seed).choice(GENES, 60, replace=False))
        made = modules(contrast(called), whole, n_permutations=n_permutations, seed=seed)
        out.append(float(made["module_connectedness"]["p_value"].iloc[0]))
    return out


def test_random_lists_are_seldom_called_connected():
    """60 random lists: p < .05 in at most 10 (binomial(60, .05) exceeds 10 less than once in 10,000)."""
    p = np.array(_null(range(60), 99))
    assert (p < 0.05).sum() <= 10 and 0.35 < p.mean() < 0.68


@pytest.mark.slow
def test_the_null_of_connectedness_is_uniform():
    p = np.array(_null(range(500), 199))
    assert stats.kstest(p, "uniform").statistic < 0.09  # ties of whole numbers of links make p a little too large
    assert np.mean(p <= 0.05) == pytest.approx(0.05, abs=0.025)


@pytest.mark.slow
def test_half_as_many_links_again_are_seen_and_twice_as_many_hardly_missed():
    """60 genes with some 55 links among them by chance, 30 or 60 more put in at random: power over 100 lists."""
    base, found = random_pairs(3), {30: 0, 60: 0}
    for extra in found:
        for seed in range(100):
            rng = np.random.default_rng(seed)
            called = sorted(rng.choice(GENES, 60, replace=False))
            could = clique(called)
            more = [could[i] for i in rng.choice(len(could), extra, replace=False)]
            made = modules(contrast(called), table(sorted({*base, *more})), n_permutations=199)
            found[extra] += bool(made["module_connectedness"]["p_value"].iloc[0] < 0.05)
    assert found[30] >= 60 and found[60] >= 95


def test_rows_in_another_order_and_pairs_the_other_way_round_change_nothing():
    pairs = random_pairs(5)
    one = modules(contrast(GENES[:60]), table(pairs), n_permutations=99)
    turned = table([(b, a) for a, b in pairs]).sample(frac=1, random_state=4)
    two = modules(contrast(GENES[:60]).sample(frac=1, random_state=3), pd.concat([turned, turned]), n_permutations=99)
    for name in TABLES:
        pd.testing.assert_frame_equal(one[name], two[name])
    charts = [module_network(*(t[n] for n in TABLES)) for t in (one, two)]
    first, second = ({k: c.to_dict() for k, c in made.items()} for made in charts)
    assert first == second and list(first) == ["module network R vs P (own, rna)"]


def test_a_contrast_does_not_depend_on_the_others():
    pairs = table(random_pairs(5))
    alone = modules(contrast(GENES[:60], "b"), pairs, n_permutations=99)["module_connectedness"]
    both = pd.concat([contrast(GENES[:60], "b"), contrast(GENES[200:240], "a"), contrast(GENES[:9], "c", "treatment")])
    made = modules(both, pairs, n_permutations=99)["module_connectedness"]
    assert made["contrast"].tolist() == ["a", "b"]  # a treatment does not speak of resistance
    assert made.set_index("contrast").loc["b", "p_value"] == alone["p_value"].iloc[0]
    assert (made["q_value"] >= made["p_value"]).all()


def test_too_few_genes_are_not_tested_and_too_many_are_cut_to_the_surest():
    pairs = table(random_pairs(5))
    few = modules(contrast([*GENES[:3], "not there"]), pairs)
    row = few["module_connectedness"].iloc[0]
    assert row["status"] == "not_testable" and "5 are needed" in row["reason"] and np.isnan(row["p_value"])
    assert few["modules"].empty and module_network(*(few[n] for n in TABLES)) is None
    many = contrast(GENES[:60])
    many.loc[many["gene"].isin(GENES[:20]), "p_value"] = 1e-12
    made = modules(many, pairs, at_most=20, n_permutations=99)
    row = made["module_connectedness"].iloc[0]
    assert row["n"] == 20 and row["n_called"] == 60 and row["reason"].startswith("the 20 surest of")
    assert set(made["module_genes"]["gene"]) == set(GENES[:20])


def test_genes_without_a_test_are_no_universe():
    pairs = table(random_pairs(5))
    part = contrast(GENES[:60])
    part.loc[part["gene"].isin(GENES[300:]), "p_value"] = np.nan
    assert modules(part, pairs, n_permutations=99)["module_connectedness"]["n_universe"].iloc[0] <= 300


def test_without_a_network_or_a_contrast_there_is_nothing_to_do(monkeypatch: pytest.MonkeyPatch):
    def absent(name: str) -> pd.DataFrame:
        raise NotInstalled(name)

    monkeypatch.setattr(knowledge, "table", absent)
    with pytest.raises(NotApplicable, match="knowledge fetch string_links"):
        modules(contrast(GENES[:9]))
    with pytest.raises(NotApplicable, match="no contrast"):
        modules(contrast(GENES[:9], kind="treatment"), table(clique(GENES[:9])))


def test_installed_links_are_used_where_the_study_has_none(monkeypatch: pytest.MonkeyPatch):
    known = pd.DataFrame(clique(GENES[:9]), columns=["gene_a", "gene_b"]).assign(score=[900, 500] * 18)
    monkeypatch.setattr(knowledge, "table", lambda name: known if name == "string_links" else None)
    made = modules(contrast(GENES[:9]), n_permutations=99)
    assert set(made["module_links"]["network"]) == {"string_links"} and len(made["module_links"]) == 18
    assert (made["module_links"]["score"] == 0.9).all()


def read(folder: Path, text: str) -> Any:
    (folder / "net.tsv").write_text(text)
    study = Study(folder=folder, title="t", tables={"interactions": (TableSource(values=["net.tsv"]),)})
    return read_study(study, {"interactions": INTERACTIONS})


def codes(found: Any) -> list[str]:
    return [f.code for f in found.faults if f.severity == "error"]


def test_exports_of_string_are_read_on_either_scale(tmp_path: Path):
    found = read(
        tmp_path,
        "#node1\tnode2\tnode1_string_id\tcombined_score\nCAV1\tEGFR\t9606.ENSP1\t0.991\nIL6\tSTAT3\t9606.ENSP2\t0.4\n"
        "EGFR\tCAV1\t9606.ENSP3\t0.991\nIL6\tIL6\t9606.ENSP3\t0.9\n",
    )
    assert not codes(found)
    one = links(found.tables["interactions"])
    assert one.to_dict("list") == {"gene_a": ["CAV1", "IL6"], "gene_b": ["EGFR", "STAT3"], "score": [0.991, 0.4]}
    found = read(tmp_path, "protein1\tprotein2\tcombined_score\nCAV1\tEGFR\t991\nIL6\tSTAT3\t400\n")
    assert not codes(found)
    pd.testing.assert_frame_equal(links(found.tables["interactions"]), one)


def test_scores_on_no_scale_or_on_two_are_faults(tmp_path: Path):
    found = read(tmp_path, "node1\tnode2\tcombined_score\nCAV1\tEGFR\t0.000991\nIL6\tSTAT3\t0.0004\n")
    (fault,) = [f for f in found.faults if f.code == "score-scale"]
    assert fault.severity == "error" and fault.row == 2 and "Multiply the column by 1,000" in fault.remedy
    assert "score-scale" in codes(read(tmp_path, "node1\tnode2\tscore\nCAV1\tEGFR\t991\nIL6\tSTAT3\t0.4\n"))
    assert codes(read(tmp_path, "node1\tnode2\tscore\nCAV1\tEGFR\t1991\nIL6\tSTAT3\t900\n"))


def test_partners_by_identifiers_of_string_are_a_fault(tmp_path: Path):
    text = "protein1\tprotein2\tscore\n9606.ENSP00000339191\t9606.ENSP00000275493\t0.991\n"
    assert codes(read(tmp_path, text)) == ["string-identifier", "string-identifier"]


def test_a_published_export_divided_too_often_is_refused_with_the_remedy(shared: Path, tmp_path: Path):
    path = shared / "data/omics/networks/string_interactions_hcc_degs.tsv"
    found = read(tmp_path, path.read_text())
    (fault,) = [f for f in found.faults if f.code == "score-scale"]
    assert "0.000999" in fault.message and "Multiply the column by 1,000" in fault.remedy


def test_genes_that_dexamethasone_moves_are_joined(shared: Path):
    """Airway cells (GSE52778) under dexamethasone, called by R's DESeq2, in STRING links of 900 and more."""
    folder = shared / "data/omics"
    full = pd.read_csv(folder / "airway/airway_R_DESeq2_1.38.3_full.csv.gz", index_col=0).dropna(subset=["stat"])
    symbols = pd.read_csv(folder / "airway/airway_rank_stat.csv.gz")
    both = full.assign(k=full["stat"].round(9)).merge(symbols.assign(k=symbols["stat"].round(9))[["gene", "k"]], on="k")
    given = pd.DataFrame(
        {
            "dataset": "airway", "layer": "rna", "contrast": "dexamethasone vs control", "kind": "analysed elsewhere",
            "model": "", "feature": both["gene"], "gene": both["gene"], "log2fc": both["log2FoldChange"],
            "p_value": both["pvalue"], "q_value": both["padj"], "n": 8,
        }
    )  # fmt: skip
    net = pd.read_csv(folder / "networks/string_human_ge900_Rtpca.csv.gz")
    net = net.rename(columns={"x": "protein_a", "y": "protein_b", "combined_score": "score"})
    made = modules(given, net, n_permutations=499)
    row = made["module_connectedness"].iloc[0]
    assert row["n"] == 500 and row["n_called"] > 800 and row["p_value"] == 1 / 500 and row["ratio"] > 1.5
    genes = made["modules"].query("method == @CORE")["genes"].str.split(";")
    assert any({"COL1A1", "COL4A1", "COL11A1"} <= set(g) for g in genes)  # collagens
    assert module_network(*(made[n] for n in TABLES)) is not None


def test_the_methods_say_which_network_and_which_numbers():
    made = modules(contrast(GENES[:60]), table(random_pairs(5)), n_permutations=99)
    step = step_of(modules)
    said = step.methods(made, **{**step.options, "n_permutations": 99})
    assert "interactions given with the study" in said and "99 random sets" in said and MCODE in said


def test_drawn_genes_do_not_cover_each_other_nor_run_away():
    names = GENES[:NODES]
    group = {g: 1 + i // 35 for i, g in enumerate(names)}
    pairs = [*clique(names[:30]), *clique(names[35:60])]  # five and ten genes without a link
    made = layout(names, pairs, group)
    assert sorted(made["gene"]) == names
    near = sum(
        abs(x - u) < NAME[0] - 0.1 and abs(y - v) < NAME[1] - 0.1
        for (x, y), (u, v) in combinations(made[["x", "y"]].to_numpy().tolist(), 2)
    )
    assert near <= 3
    pd.testing.assert_frame_equal(made, layout(names, pairs[::-1], group))
