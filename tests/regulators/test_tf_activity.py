"""Activity of factors: the formula, planted activity, calibration where hubs move, and a real contrast."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rechallenge import evidence, knowledge
from rechallenge.faults import NotApplicable
from rechallenge.knowledge.errors import NotInstalled
from rechallenge.regulators import tf_activity as m
from rechallenge.report.theme import specification

GENES = [f"G{i:04d}" for i in range(2000)]


@pytest.fixture(autouse=True)
def _no_collectri(monkeypatch):
    """Tests do not depend on what is installed."""
    real = knowledge.table

    def table(name):
        if name == "collectri":
            raise NotInstalled(name)
        return real(name)

    monkeypatch.setattr(knowledge, "table", table)


def regulons(seed: int = 0, factors: int = 60) -> pd.DataFrame:
    """Factors with 8 to 60 targets, drawn so that a few genes are targets of very many."""
    rng = np.random.default_rng(seed)
    weight = 1 / (1 + np.arange(len(GENES)) / 40)
    rows = []
    for f in range(factors):
        drawn = rng.choice(len(GENES), int(rng.integers(8, 60)), replace=False, p=weight / weight.sum())
        rows += [(f"TF{f:02d}", GENES[g], 1.0 if rng.random() < 0.85 else -1.0) for g in drawn]
    return pd.DataFrame(rows, columns=["tf", "target", "weight"])


def differential(statistic: np.ndarray, genes: list[str] = GENES) -> pd.DataFrame:
    p = 2 * stats.norm.sf(np.abs(statistic))
    return pd.DataFrame(
        {
            "dataset": "own", "layer": "rna", "contrast": "LR vs P", "kind": "resistance", "model": "LR",
            "feature": genes, "gene": genes, "log2fc": statistic / 3, "statistic": statistic, "p_value": p,
            "q_value": p, "n": 6,
        }
    )  # fmt: skip


def hubs(seed: int, net: pd.DataFrame) -> np.ndarray:
    """No factor acts, but genes with many factors move up."""
    degree = net.groupby("target").size().reindex(GENES).fillna(0).to_numpy()
    return np.random.default_rng(seed).normal(0, 1, len(GENES)) + 0.25 * np.sqrt(degree)


def test_the_score_is_the_t_of_a_regression():
    net, x = regulons(), np.random.default_rng(1).normal(size=len(GENES))
    made = m.network(net, pd.Index(GENES))
    scores = m.ulm(x, made)
    for tf in ("TF00", "TF31"):
        w = net[net["tf"] == tf].set_index("target")["weight"].reindex(GENES).fillna(0)
        fit = stats.linregress(w, x)
        assert scores[made.factors.index(tf)] == pytest.approx(fit.slope / fit.stderr)


def test_permuted_networks_keep_every_degree_and_differ():
    net = m.network(regulons(), pd.Index(GENES))
    ends = m.permuted(net, len(GENES), 5, 0)
    for gene in ends:
        np.testing.assert_array_equal(np.bincount(gene, minlength=2000), np.bincount(net.gene, minlength=2000))
        assert len(set(zip(net.factor.tolist(), gene.tolist(), strict=True))) == gene.size
        assert (gene != net.gene).mean() > 0.8
    assert (ends[1] != ends[0]).mean() > 0.6


def test_planted_activity_is_found():
    net = regulons()
    x = np.random.default_rng(5).normal(size=len(GENES))
    for tf, shift in (("TF03", 1.6), ("TF40", -1.6)):
        mine = net[net["tf"] == tf]
        x[[GENES.index(g) for g in mine["target"]]] += shift * mine["weight"].to_numpy()
    out = m.tf_activity(differential(x), net)
    called = out[out["q_value"] < 0.05].set_index("tf")["direction"]
    assert called["TF03"] == 1 and called["TF40"] == -1
    claims = evidence.check(m.tf_claims(out)).set_index("entity")
    assert set(claims.index) == set(out["tf"]) and set(claims["level"]) == {"association"}
    assert "are shifted up" in claims.loc["TF03", "claim"] and claims.loc["TF40", "direction"] == -1
    assert specification(m.tf_activities(out))


def test_moving_hubs_make_nobody_active():
    """Textbook p-values call far more than 5 % of idle factors where shared targets move; permuted regulons do not."""
    nominal, mine = [], []
    for seed in range(12):
        net = regulons(seed)
        out = m.tf_activity(differential(hubs(seed, net)), net, n_permutations=60)
        nominal.append((out["p_nominal"] < 0.05).mean())
        mine.append((out["p_value"] < 0.05).mean())
    assert np.mean(nominal) > 0.15
    assert np.mean(mine) < 0.075


def test_few_regulons_are_scored_and_not_tested():
    net = regulons(factors=5)
    out = m.tf_activity(differential(hubs(0, net)), net)
    assert set(out["status"]) == {"not_testable"} and out["p_value"].isna().all() and out["score"].notna().all()
    assert m.tf_claims(out).empty and m.tf_activities(out) is None


def test_nothing_to_say():
    with pytest.raises(NotApplicable, match="collectri"):
        m.tf_activity(differential(np.random.default_rng(0).normal(size=len(GENES))))
    with pytest.raises(NotApplicable, match="transcripts"):
        m.tf_activity(differential(np.zeros(len(GENES))).assign(layer="protein"), regulons())


def test_order_of_rows_does_not_matter():
    net = regulons()
    table = differential(hubs(2, net))
    one = m.tf_activity(table, net, n_permutations=20)
    two = m.tf_activity(table.sample(frac=1, random_state=1), net.sample(frac=1, random_state=2), n_permutations=20)
    pd.testing.assert_frame_equal(one, two)


def test_glucocorticoid_receptor_is_active_in_airway_cells(shared):
    """Dexamethasone on airway smooth muscle (GSE52778): NR3C1 up, and permuted regulons are rarely active."""
    folder = shared / "data" / "omics"
    for file in (folder / "networks" / "collectri.csv.gz", folder / "airway" / "airway_rank_stat.csv.gz"):
        if not file.is_file():
            pytest.skip(f"needs {file.name}")
    net = pd.read_csv(folder / "networks" / "collectri.csv.gz").rename(columns={"source": "tf"})
    rank = pd.read_csv(folder / "airway" / "airway_rank_stat.csv.gz")
    table = differential(rank["stat"].to_numpy(float), rank["gene"].tolist())
    out = m.tf_activity(table, net).set_index("tf")
    assert out.loc["NR3C1", "z"] > 3 and out.loc["NR3C1", "q_value"] < 0.05
    # regulons permuted once and taken for real: textbook p-values are too small, the calibrated ones are not
    x = m.ranking(table)
    edges = m.network(net.sort_values(["tf", "target"]), x.index)
    false = net.sort_values(["tf", "target"])
    false = pd.DataFrame({"tf": np.array(edges.factors)[edges.factor], "weight": edges.weight,
                          "target": x.index.to_numpy()[m.permuted(edges, x.size, 1, 99)[0]]})  # fmt: skip
    null = m.tf_activity(table, false, n_permutations=100)
    assert (null["p_value"] < 0.05).mean() < 0.08
    assert (null["p_nominal"] < 0.05).mean() > (null["p_value"] < 0.05).mean()
