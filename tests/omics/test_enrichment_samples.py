"""Gene sets by permutation of samples, scores of single samples, and that both agree with what they must."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rechallenge import evidence, levels
from rechallenge.faults import NotApplicable
from rechallenge.omics import enrichment as en
from rechallenge.omics.enrichment import findings, permutation, samples, testing
from rechallenge.omics.enrichment.sets import PROGRAMMES, collections
from rechallenge.report.theme import export
from rechallenge.stats import moderated

GENES = [f"G{i:04d}" for i in range(600)]
MODELS = pd.DataFrame([("P", "parental", ""), ("R", "resistant", "P")], columns=["model", "role", "parent"])
NONE = pd.DataFrame({"name": []}, dtype=object)
SMALL = {"smallest": 10, "largest": 500}


def two(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(2 * n) < n, np.zeros(2 * n, dtype=np.int64)


def sets_of(*sizes: int) -> dict[str, list[str]]:
    start = np.cumsum([0, *sizes])
    return {f"s{i}": GENES[start[i] : start[i + 1]] for i in range(len(sizes))}


def together(rng: np.random.Generator, n: int, sets: dict[str, list[str]], strength: float = 1.0) -> np.ndarray:
    """Levels in which the genes of each set move together and nothing differs between groups."""
    y = rng.normal(size=(len(GENES), n))
    for genes in sets.values():
        y[[GENES.index(g) for g in genes]] += strength * rng.normal(size=n)
    return y


def study(y: np.ndarray, group: np.ndarray, unit: str = "log2", batch: list[str] | None = None):
    """The tables of a study from levels [genes, samples]."""
    names = [f"{'R' if g else 'P'}{i}" for i, g in enumerate(group)]
    matrix = pd.DataFrame(y, columns=names)
    matrix.insert(0, "dataset", "own")
    matrix.insert(1, "feature", GENES[: len(y)])
    sheet = pd.DataFrame({"dataset": "own", "unit": unit, "sample": names, "model": np.where(group, "R", "P")})
    sheet["treatment"], sheet["stage"], sheet["replicate"] = "none", "", [str(i) for i in range(len(group))]
    sheet["batch"] = batch or ""
    return matrix, sheet


def own(sets: dict[str, list[str]]) -> pd.DataFrame:
    return pd.DataFrame([("own", s, g) for s, v in sets.items() for g in v], columns=["collection", "set", "gene"])


# --- permutation of samples ---


def test_the_statistic_is_moderated_t_with_blocks():
    rng = np.random.default_rng(0)
    group, _ = two(4)
    block = np.array([0, 0, 1, 1] * 2)
    y = rng.normal(size=(400, 8)) * rng.gamma(2, 1, 400)[:, None] + 3 * block
    x = np.column_stack([np.ones(8), block, group]).astype(float)
    expected = moderated.moderate(moderated.fit(y, x), [0, 0, 1]).statistic[:, 0]
    np.testing.assert_allclose(permutation.moderated_t(y, group[None], block)[0], expected, rtol=1e-9)


def test_scores_are_the_farthest_deviation_of_the_running_sum():
    rng = np.random.default_rng(1)
    values = pd.Series(rng.normal(size=len(GENES)), index=GENES)
    sets = sets_of(20, 40, 80)
    members = np.array([GENES.index(g) for v in sets.values() for g in v])
    starts = np.cumsum([0, 20, 40, 80]).astype(np.int64)
    made = permutation.scores(values.to_numpy()[None], members, starts)[0]
    for score, genes in zip(made, sets.values(), strict=True):
        curve = testing.running_sum(values, genes)["score"]
        top, low = curve.max(), curve.min()
        assert score == pytest.approx(top if top > -low else low)
    assert permutation.leading(values.to_numpy(), GENES, sets["s0"], 1.0).count(";") < 20


def test_ways_to_part_the_samples():
    group, block = two(7)
    assert permutation.relabellings(group, block) == 3432
    assert permutation.relabellings(np.tile([True, False], 10), np.repeat(np.arange(10), 2)) == 1024
    labels = permutation.relabelled(
        np.tile([True, False], 10), np.repeat(np.arange(10), 2), 50, np.random.default_rng(0)
    )
    assert (labels.reshape(50, 10, 2).sum(axis=2) == 1).all()


def test_sets_whose_genes_move_together_are_called_by_genes_and_not_by_samples():
    """Nothing differs: permuting samples keeps its level, permuting genes calls a set in many studies."""
    rng = np.random.default_rng(2)
    sets = sets_of(25, 25, 25, 25)
    group, block = two(7)
    by_samples, by_genes = [], []
    for seed in range(60):
        y = together(rng, 14, sets)
        made = permutation.gsea(y, GENES, group, block, sets, n_permutations=199, seed=seed, **SMALL)
        by_samples += made["p_value"].tolist()
        if seed < 12:
            ranking = pd.Series(permutation.moderated_t(y, group[None], block)[0], index=GENES)
            by_genes += testing.gsea(ranking, sets, sample_size=51, seed=seed, **SMALL)["p_value"].tolist()
    # 240 p-values: binomial standard error 1.4 %
    assert np.mean(np.array(by_samples) <= 0.05) == pytest.approx(0.05, abs=0.042)
    assert np.mean(np.array(by_genes) <= 0.05) > 0.3


@pytest.mark.slow
def test_the_level_of_the_permutation_of_samples_in_blocks():
    rng = np.random.default_rng(3)
    sets = sets_of(25, 25, 25, 25)
    group, block = np.tile([True, False], 10), np.repeat(np.arange(10), 2)
    p = []
    for seed in range(300):
        y = together(rng, 20, sets) + 2 * rng.normal(size=(len(GENES), 10))[:, block]
        made = permutation.gsea(y, GENES, group, block, sets, n_permutations=199, seed=seed, **SMALL)
        p += made["p_value"].tolist()
    assert np.mean(np.array(p) <= 0.05) == pytest.approx(0.05, abs=0.02)


def test_a_planted_set_is_found_and_the_result_does_not_depend_on_order():
    rng = np.random.default_rng(4)
    sets = sets_of(30, 30, 30)
    group, block = two(8)
    y = together(rng, 16, sets, 0.5)
    y[:30, group] += 1.5
    one = permutation.gsea(y, GENES, group, block, sets, n_permutations=499, seed=0, **SMALL).set_index("term")
    assert one.loc["s0", "p_value"] == pytest.approx(1 / 500) and one.loc["s0", "nes"] > 1.5
    assert set(one.loc["s0", "leading_edge"].split(";")) <= set(sets["s0"])
    assert (one["q_value"] >= one["p_value"]).all()
    order = rng.permutation(len(GENES))
    two_ = permutation.gsea(
        y[order], [GENES[i] for i in order], group, block, dict(reversed(sets.items())), n_permutations=499, seed=0,
        **SMALL,
    )  # fmt: skip
    np.testing.assert_allclose(two_.set_index("term").loc[one.index, "es"], one["es"])
    np.testing.assert_allclose(two_.set_index("term").loc[one.index, "p_value"], one["p_value"])


def test_contrasts_with_enough_samples_rest_on_samples_and_others_say_why_not():
    rng = np.random.default_rng(5)
    sets = sets_of(30, 30)
    group, _ = two(7)
    y = rng.normal(8, 1, (len(GENES), 14))
    y[:30, group] += 2
    matrix, sheet = study(y, group)
    options = {"collections_used": (), "n_permutations": 199}
    out = en.sample_enrichment(MODELS, NONE, matrix, sheet, None, None, own(sets), **options)
    choice = out["enrichment_choice"].iloc[0]
    assert choice["used"] == samples.PERMUTED and choice["relabellings"] == 3432
    table = out["sample_enrichment"]
    assert table.set_index("term").loc["s0", "p_value"] == pytest.approx(1 / 200)
    again = en.sample_enrichment(
        MODELS, NONE, matrix.sample(frac=1, random_state=0), sheet.sample(frac=1, random_state=1), None, None,
        own(sets), **options,
    )  # fmt: skip
    pd.testing.assert_frame_equal(table, again["sample_enrichment"])
    ranked = en.gene_enrichment(_differential(y, group), own(sets), collections_used=(), sample_size=101)
    claims = findings.enrichment_claims(ranked, table)
    evidence.check(claims)
    assert "samples permuted" in claims["claim"].iloc[0] and set(claims["source_table"]) == {"sample_enrichment"}
    svg = export("permuted", findings.permuted_and_ranked(ranked, table))["svg"].decode()
    assert "-log10 p, samples permuted" in svg and "R vs P" in svg
    assert findings.permuted_and_ranked(ranked, table[:0]) is None
    assert "genes permuted" in findings.enrichment_claims(ranked)["claim"].iloc[0]
    few, sheet_few = study(y[:, [0, 1, 2, 7, 8, 9]], group[[0, 1, 2, 7, 8, 9]])
    out = en.sample_enrichment(MODELS, NONE, few, sheet_few, None, None, own(sets), **options)
    assert out["sample_enrichment"].empty
    choice = out["enrichment_choice"].iloc[0]
    assert choice["used"] == "preranked GSEA" and "20 ways, fewer than 1,000" in choice["reason"]
    with pytest.raises(NotApplicable):
        en.sample_enrichment(MODELS[:1], NONE, few, sheet_few.assign(model="P"), None, None, own(sets), **options)


def _differential(y: np.ndarray, group: np.ndarray) -> pd.DataFrame:
    t = permutation.moderated_t(y, group[None], np.zeros(len(group), dtype=np.int64))[0]
    return pd.DataFrame(
        {
            "dataset": "own", "layer": "rna", "contrast": "R vs P", "kind": "resistance", "model": "R",
            "feature": GENES, "log2fc": t, "statistic": t, "p_value": 0.5, "q_value": 0.5, "n": len(group),
        }
    )  # fmt: skip


def test_batches_are_blocks():
    group, _ = two(10)
    matrix, sheet = study(np.random.default_rng(6).normal(size=(300, 20)), group, batch=["a", "b"] * 10)
    out = en.sample_enrichment(MODELS, NONE, matrix, sheet, None, None, own(sets_of(20)), collections_used=(),
                               n_permutations=49)["enrichment_choice"].iloc[0]  # fmt: skip
    assert out["design"] == "batch as block" and out["relabellings"] == 252**2


# --- scores of samples ---


@pytest.fixture(scope="module")
def hallmark(shared: Path) -> tuple[pd.DataFrame, dict[str, list[str]], Path]:
    folder = shared / "data/omics"
    lines = (folder / "genesets/h.all.v7.0.symbols.gmt").read_text().splitlines()
    table = pd.read_csv(folder / "airway/airway_logcpm.csv.gz", index_col=0)
    return table, {n.split("\t")[0]: n.split("\t")[2:] for n in lines}, folder / "airway"


def test_variation_scores_are_those_of_gsva(hallmark):
    """R GSVA 1.46 on the airway samples: equal to .002."""
    table, sets, folder = hallmark
    reference = pd.read_csv(folder / "airway_GSVA1.46_gsva_hallmark.csv", index_col=0)
    made = samples.variation(table.to_numpy(float), [str(g) for g in table.index], sets, 15)
    scores = pd.DataFrame({t: s for t, s, _ in made}, index=table.columns).T
    assert set(reference.index) == set(scores.index)
    np.testing.assert_allclose(scores.loc[reference.index, reference.columns], reference, atol=0.002)


@pytest.mark.parametrize("method", ["ssgsea", "gsva"])
def test_scores_of_samples_follow_the_set(method):
    rng = np.random.default_rng(7)
    group, _ = two(4)
    y = rng.normal(8, 1, (len(GENES), 8))
    y[:30, group] += 2
    matrix, sheet = study(y, group)
    out = en.programme_scores(matrix, sheet, own(sets_of(30, 30)), collections_used=(), method=method)
    assert set(out["method"]) == {method} and len(out) == 16
    first = out[out["term"] == "s0"].set_index("model")["score"]
    assert first.loc["R"].min() > first.loc["P"].max()
    again = en.programme_scores(
        matrix.sample(frac=1, random_state=0), sheet.sample(frac=1, random_state=1), own(sets_of(30, 30)),
        collections_used=(), method=method,
    )  # fmt: skip
    pd.testing.assert_frame_equal(out, again)
    with pytest.raises(ValueError, match="ssgsea or gsva"):
        en.programme_scores(matrix, sheet, method="other")


def test_scores_of_samples_are_drawn():
    sets = collections(None, (PROGRAMMES,))[PROGRAMMES]
    genes = sorted({g for v in sets.values() for g in v})
    group, _ = two(3)
    names = [f"{'R' if g else 'P'}{i}" for i, g in enumerate(group)]
    y = np.random.default_rng(9).normal(8, 1, (len(genes), 6))
    matrix = pd.DataFrame(y, columns=names).assign(dataset="own", feature=genes)
    _, sheet = study(y[:2], group)
    svg = export("scores", findings.sample_programmes(en.programme_scores(matrix, sheet)))["svg"].decode()
    assert "Oxidative phosphorylation" in svg and "P5" in svg


def test_technical_samples_and_identifiers_give_one_score_a_replicate():
    """Counts of Ensembl identifiers, every library in two runs: scored once, by symbol."""
    rng = np.random.default_rng(8)
    known = ["ENSG00000141510", "ENSG00000146648", "ENSG00000133703"]  # TP53, EGFR, KRAS
    group, _ = two(2)
    y = rng.poisson(100, (60, 4)).astype(float)
    matrix, sheet = study(y, group, unit="counts")
    matrix["feature"] = [*known, *GENES[3:60]]
    twice = pd.concat([sheet, sheet.assign(sample=sheet["sample"] + "b")], ignore_index=True)
    doubled = matrix.assign(**{f"{s}b": matrix[s] for s in sheet["sample"]})
    sets = {"a": ["TP53", "EGFR", "KRAS", *GENES[3:12]]}
    out = en.programme_scores(doubled, twice, own(sets), collections_used=())
    assert len(out) == 4 and set(out["size"]) == {12}


def test_levels_hold_each_gene_once_by_its_highest_feature():
    matrix, sheet = study(np.array([[1.0, 1, 1, 1], [5, 5, 5, 5], [3, np.nan, 3, 3], [2, 2, 2, 2]]), two(2)[0])
    matrix["feature"] = ["TP53", "ENSG00000141510", "X", "Y"]
    data = next(iter(levels.by_gene(matrix, sheet)))
    assert data.genes == ["TP53", "Y"] and data.values[0].tolist() == [5, 5, 5, 5]
