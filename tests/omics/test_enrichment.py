"""Gene sets: agreement with fgsea, the null in the tested universe, planted programmes, redundancy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rechallenge import evidence
from rechallenge.omics import enrichment as en
from rechallenge.omics.enrichment import findings, testing
from rechallenge.omics.enrichment.samples import single_sample
from rechallenge.omics.enrichment.sets import GENE_SETS, PROGRAMMES, collections
from rechallenge.study import Study, TableSource
from rechallenge.tables.reading import read_study

GENES = [f"G{i:04d}" for i in range(1000)]
QUICK = {"smallest": 10, "largest": 500, "sample_size": 101, "seed": 0}


def ranked(seed: int, up: list[str] = (), shift: float = 1.5) -> pd.Series:
    rng = np.random.default_rng(seed)
    values = pd.Series(rng.normal(size=len(GENES)), index=GENES)
    values[list(up)] += shift
    return values


def table(values: pd.Series, contrast: str = "R vs P", kind: str = "resistance") -> pd.DataFrame:
    p = 2 * stats.norm.sf(np.abs(values))
    from rechallenge.stats.multiplicity import bh

    return pd.DataFrame(
        {
            "dataset": "own", "layer": "rna", "contrast": contrast, "kind": kind, "model": "R",
            "feature": values.index, "log2fc": values.to_numpy(), "statistic": values.to_numpy(), "p_value": p,
            "q_value": bh(p), "n": 6,
        }
    )  # fmt: skip


def own(**sets: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        [("own", s, g) for s, genes in sets.items() for g in genes], columns=["collection", "set", "gene"]
    )


def test_scores_are_those_of_fgsea(shared: Path):
    folder = shared / "data/omics"
    values = pd.read_csv(folder / "airway/airway_rank_stat.csv.gz", index_col=0)["stat"]
    reference = pd.read_csv(folder / "airway/airway_fgsea1.39.4_hallmark.csv").set_index("pathway")
    sets = {
        line.split("\t")[0]: line.split("\t")[2:]
        for line in (folder / "genesets/h.all.v7.0.symbols.gmt").read_text().splitlines()
    }
    made = testing.gsea(values, sets, smallest=15, largest=500, sample_size=101, seed=1).set_index("term")
    both = reference.index.intersection(made.index)
    assert len(both) == 50
    assert np.corrcoef(made.loc[both, "nes"], reference.loc[both, "NES"])[0, 1] > 0.999
    # fgsea itself calls 14 to 20 over seeds
    assert 14 <= (made["q_value"] < 0.05).sum() <= 20
    assert made["p_value"].gt(0).all() and (made["q_value"] >= made["p_value"]).all()


def test_a_planted_set_is_first_and_the_order_of_genes_does_not_matter():
    up = GENES[100:140]
    values = ranked(0, up)
    sets = {"planted": up, **{f"random{i}": GENES[200 + 30 * i : 230 + 30 * i] for i in range(10)}}
    made = testing.gsea(values, sets, **QUICK)
    assert made.sort_values("p_value")["term"].iloc[0] == "planted"
    assert made.set_index("term").loc["planted", "nes"] > 2
    again = testing.gsea(values.sample(frac=1, random_state=3), dict(reversed(sets.items())), **QUICK)
    pd.testing.assert_frame_equal(made, again)


def test_ties_do_not_make_the_result_depend_on_order():
    values = ranked(1).round(1)
    sets = {"a": GENES[:40], "b": GENES[40:80]}
    one = testing.gsea(values, sets, **QUICK)
    two = testing.gsea(values.iloc[::-1], sets, **QUICK)
    pd.testing.assert_frame_equal(one, two)


def test_random_lists_in_the_tested_universe_call_nothing():
    """At most about 1 in 20 of random lists have any set with q < .05; with a universe of far more genes most would."""
    rng = np.random.default_rng(2)
    sets = {f"s{i}": list(rng.choice(GENES, 30, replace=False)) for i in range(40)}
    narrow = wide = 0
    beyond = [f"X{i}" for i in range(20_000)]
    for _ in range(100):
        called = list(rng.choice(GENES, 80, replace=False))
        narrow += bool(
            (testing.over_representation(called, GENES, sets, smallest=5, largest=500)["q_value"] < 0.05).any()
        )
        other = testing.over_representation(called, GENES + beyond, sets, smallest=5, largest=500)
        wide += bool((other["q_value"] < 0.05).any())
    assert narrow <= 8 and wide > 50


@pytest.mark.slow
def test_null_rankings_give_uniform_p():
    rng = np.random.default_rng(3)
    p = []
    for seed in range(20):
        sets = {f"s{i}": list(rng.choice(GENES, 40, replace=False)) for i in range(30)}
        p += testing.gsea(ranked(100 + seed), sets, **QUICK)["p_value"].tolist()
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.025)


def test_the_hypergeometric_test():
    sets = {"all": GENES[:50]}
    out = testing.over_representation(GENES[:20], GENES, sets, smallest=5, largest=500).iloc[0]
    assert out["hits"] == 20 and out["p_value"] == pytest.approx(stats.hypergeom.sf(19, 1000, 50, 20))


def test_a_set_with_the_same_leading_genes_is_represented_by_the_surer_one():
    up = GENES[:40]
    sets = {"whole": up, "half": [*up[:25], *GENES[500:510]], "other": GENES[600:640]}
    made = testing.gsea(ranked(4, up, 2.0), sets, **QUICK)
    stands = dict(zip(made["term"], testing.representatives(made, 0.05), strict=True))
    assert stands == {"whole": "whole", "half": "whole", "other": "other"}


def test_the_analysis_tests_every_contrast_and_both_directions():
    up, down = GENES[:40], GENES[40:80]
    values = ranked(5, up, 3.0)
    values[down] -= 3.0
    sets = own(up=up, down=down, none=GENES[500:540])
    made = en.gene_enrichment(table(values), sets, collections_used=(), sample_size=101)
    gsea = made[made["method"] == "preranked GSEA"].set_index("term")
    assert gsea.loc["up", "nes"] > 0 > gsea.loc["down", "nes"]
    assert gsea.loc["up", "direction"] == 1 and gsea.loc["down", "direction"] == -1
    listed = made[made["method"] == "over-representation"].set_index(["term", "direction"])
    assert listed.loc[("up", 1), "q_value"] < 1e-6 < listed.loc[("up", -1), "q_value"]
    assert (made["q_value"] >= made["p_value"] - 1e-15).all()
    evidence.check(findings.enrichment_claims(made))


def test_fold_changes_alone_are_ranked_and_claim_nothing_by_themselves():
    """A published contrast without statistics: the planted set is first by fold change, beside one with statistics."""
    values = ranked(8, GENES[:40])
    bare = table(values, "theirs").assign(statistic=np.nan, p_value=np.nan, q_value=np.nan, n=np.nan)
    both = pd.concat([table(values, "ours"), bare], ignore_index=True)
    made = en.gene_enrichment(both, own(planted=GENES[:40], other=GENES[500:540]), collections_used=(), sample_size=101)
    theirs = made[made["contrast"] == "theirs"].set_index("term")
    assert set(theirs["ranked_by"]) == {"log2fc"} and set(theirs["method"]) == {"preranked GSEA"}
    assert theirs.loc["planted", "q_value"] < 1e-4 < theirs.loc["other", "q_value"] and theirs["n"].isna().all()
    said = evidence.check(findings.enrichment_claims(made))
    assert len(said) and not said["contrast"].str.contains("theirs").any()


def test_built_in_programmes_are_there_and_one_that_rises_is_told():
    sets = collections(None, (PROGRAMMES,))[PROGRAMMES]
    genes = sorted({g for v in sets.values() for g in v}) + [f"X{i}" for i in range(500)]
    rng = np.random.default_rng(6)
    values = pd.Series(rng.normal(size=len(genes)), index=genes)
    values[list(sets["mitochondrial_ribosome"])] += 1.5
    made = en.gene_enrichment(table(values), None, sample_size=101)
    claims = findings.enrichment_claims(made)
    row = claims[claims["entity"] == "Mitochondrial ribosome"].iloc[0]
    assert row["direction"] == 1 and "higher in R vs P" in row["claim"] and "MRPL" in row["claim"]
    assert findings.programme_panel(made) is not None
    assert findings.running_sums(made, table(values)) is not None


def test_single_sample_scores_follow_the_set(shared: Path):
    folder = shared / "data/omics"
    levels = pd.read_csv(folder / "airway/airway_logcpm.csv.gz", index_col=0)
    reference = pd.read_csv(folder / "airway/airway_GSVA1.46_ssgsea_hallmark.csv", index_col=0)
    sets = {
        line.split("\t")[0]: line.split("\t")[2:]
        for line in (folder / "genesets/h.all.v7.0.symbols.gmt").read_text().splitlines()
    }
    made = single_sample(levels.to_numpy(float), levels.index.to_numpy(str), sets, 15)
    scores = pd.DataFrame({t: s for t, s, _ in made}, index=levels.columns).T
    both = reference.index.intersection(scores.index)
    ours, theirs = scores.loc[both, reference.columns], reference.loc[both]
    spread = float(np.nanmax(theirs) - np.nanmin(theirs))  # R divides by the range over all sets and samples
    scaled = ours / (float(ours.to_numpy().max() - ours.to_numpy().min()))
    assert np.corrcoef(scaled.to_numpy().ravel(), theirs.to_numpy().ravel() / spread)[0, 1] > 0.999


def test_single_sample_scores_are_higher_where_the_set_is():
    rng = np.random.default_rng(7)
    values = rng.normal(size=(1000, 4))
    values[:30, 2:] += 2
    ((term, scores, size),) = single_sample(values, np.array(GENES), {"a": GENES[:30]}, 10)
    assert term == "a" and size == 30 and scores[2:].min() > scores[:2].max()


def test_gene_sets_of_a_study_as_gmt_and_as_a_table(tmp_path):
    (tmp_path / "mine.gmt").write_text("one\tabout\tAKR1B1\tSORD\ntwo\t\tCAV1\n")
    (tmp_path / "more.csv").write_text("set,gene\nthree,IL6\n")
    study = Study(folder=tmp_path, title="t", tables={"gene_sets": (TableSource(values=["mine.gmt", "more.csv"]),)})
    read = read_study(study, {"gene_sets": GENE_SETS})
    assert not [f for f in read.faults if f.severity == "error"]
    sets = collections(read.tables["gene_sets"], ())
    assert sets == {"mine": {"one": ["AKR1B1", "SORD"], "two": ["CAV1"]}, "own": {"three": ["IL6"]}}
    (tmp_path / "mine.gmt").write_text("broken\n")
    assert [f.code for f in read_study(study, {"gene_sets": GENE_SETS}).faults if f.severity == "error"] == [
        "not-a-set"
    ]
