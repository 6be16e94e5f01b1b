"""Negative-binomial regression: R's DESeq2 on real counts, error rates, and what single counts may do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rechallenge.stats import counts as nb
from rechallenge.stats.counts import analyse, dispersion, glm


def groups(n: int, *more: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(2 * n), np.repeat([0.0, 1.0], n), *more])


def simulated(seed: int, n: int, features: int, change: np.ndarray | float = 0.0) -> np.ndarray:
    """Counts [features, 2 n] with a dispersion trend; `change` in log2 between the groups."""
    rng = np.random.default_rng(seed)
    mean = np.exp(rng.normal(5, 1.3, features))
    a = (0.03 + 2 / mean) * np.exp(rng.normal(0, 0.5, features))
    mu = np.repeat(mean[:, None], 2 * n, axis=1) * rng.uniform(0.7, 1.4, 2 * n)
    mu[:, n:] *= 2.0 ** np.broadcast_to(np.asarray(change, float), (features,))[:, None]
    r = (1 / a)[:, None]
    return rng.negative_binomial(r, r / (r + mu)).astype(float)


# --- R's DESeq2 1.38.3 on the airway counts (Himes et al. 2014, GSE52778) ---


@pytest.fixture(scope="module")
def airway(shared: Path) -> tuple[pd.DataFrame, pd.DataFrame, Path]:
    folder = shared / "data/omics/airway"
    return (
        pd.read_csv(folder / "airway_rawcounts.csv.gz", index_col=0),
        pd.read_csv(folder / "airway_metadata.csv", index_col=0),
        folder,
    )


@pytest.fixture(scope="module")
def paired(airway) -> tuple[nb.CountFit, pd.Index]:
    table, sheet, _ = airway
    table = table.loc[table.sum(axis=1) >= 10, sheet.index]
    donors = pd.get_dummies(sheet["celltype"], drop_first=True).to_numpy(float)
    design = np.column_stack([np.ones(8), donors, (sheet["dex"] == "treated").to_numpy(float)])
    return nb.fit_counts(table.to_numpy(float), design), table.index


def jaccard(test: nb.CountTest, index: pd.Index, reference: pd.DataFrame) -> float:
    ours = test.q_value < 0.05
    theirs = (reference["padj"].reindex(index) < 0.05).to_numpy()
    return float((ours & theirs).sum() / (ours | theirs).sum())


def test_size_factors_are_those_of_r(airway, paired):
    reference = pd.read_csv(airway[2] / "airway_R_sizefactors.csv", index_col=0).iloc[:, 0]
    np.testing.assert_allclose(paired[0].sizes, reference, rtol=1e-12)


@pytest.mark.parametrize(("file", "calls"), [("1.38.3_full", 4000), ("LRT", 3979)])
def test_the_paired_design_calls_what_r_calls(airway, paired, file, calls):
    fit, index = paired
    reference = pd.read_csv(airway[2] / f"airway_R_DESeq2_{file}.csv.gz", index_col=0)
    test = nb.likelihood_ratio(fit, [4]) if file == "LRT" else nb.wald(fit, [0, 0, 0, 0, 1])
    assert (reference["padj"] < 0.05).sum() == calls
    assert jaccard(test, index, reference) > 0.95
    effect = reference["log2FoldChange"].reindex(index).to_numpy()
    assert np.corrcoef(test.effect, effect)[0, 1] > 0.9999


def test_two_against_two_calls_what_r_calls(airway):
    table, sheet, folder = airway
    reference = pd.read_csv(folder / "airway_R_DESeq2_n2_N61311_N052611.csv.gz", index_col=0)
    samples = ["SRR1039508", "SRR1039509", "SRR1039512", "SRR1039513"]
    design = np.column_stack([np.ones(4), (sheet.loc[samples, "dex"] == "treated").to_numpy(float)])
    fit = nb.fit_counts(table.loc[reference.index, samples].to_numpy(float), design)
    assert (reference["padj"] < 0.05).sum() == 840
    assert jaccard(nb.wald(fit, [0, 1]), reference.index, reference) > 0.93
    # R: .7447 by simulation and a smoother; its trend is .02521 + 6.1216 / mean
    assert fit.dispersions.prior_var == pytest.approx(0.745, abs=0.1)
    assert fit.dispersions.coefficients == pytest.approx((0.02521, 6.1216), rel=0.03)


def test_genes_that_dexamethasone_raises(airway, paired):
    """DUSP1, KLF15, PER1 and FKBP5, as Himes et al. report (doi:10.1371/journal.pone.0099625)."""
    test = nb.wald(paired[0], [0, 0, 0, 0, 1])
    at = [paired[1].get_loc(g) for g in ("ENSG00000120129", "ENSG00000163884", "ENSG00000179094", "ENSG00000096060")]
    assert (test.q_value[at] < 1e-6).all() and (test.effect[at] > 1).all()


def test_hypoxic_fibroblasts_as_r_has_them(shared: Path):
    """Lung fibroblasts, 0.5 % against 21 % oxygen, and molidustat (Copeland et al. 2023, eLife): R calls 6,875 genes
    and 2,549."""
    folder = shared / "data/metabolism/hypoxia_lf"
    counts = pd.read_csv(folder / "rnaseq_counts.tsv.gz", sep="\t", index_col=0)
    sheet = pd.read_csv(folder / "rnaseq_samples.tsv", sep="\t")
    counts = counts.loc[counts.sum(axis=1) > 1, sheet["id"]]
    group = sheet["oxygen"] + " " + sheet["treatment"]
    levels = sorted(group.unique())
    blocks = sorted(sheet["experiment"].unique())[1:]
    x = np.column_stack([*[group == g for g in levels], *[sheet["experiment"] == b for b in blocks]]).astype(float)
    fit = nb.fit_counts(counts.to_numpy(float), x)
    for file, one, calls in (("H.DMSO", "0.5% DMSO", 6875), ("N.BAY", "21% BAY", 2549)):
        reference = pd.read_csv(folder / f"expected_DESeq2_{file}_vs_N.DMSO.tsv.gz", sep="\t", index_col=0)
        reference.index = reference.index.astype(str)
        weights = np.zeros(x.shape[1])
        weights[levels.index(one)], weights[levels.index("21% DMSO")] = 1, -1
        assert (reference["padj"] < 0.05).sum() == calls
        assert jaccard(nb.wald(fit, weights), counts.index.astype(str), reference) > 0.95


# --- what does not need reference data ---


def test_known_size_factors_are_recovered():
    rng = np.random.default_rng(0)
    mean = np.exp(rng.normal(5, 1, 2000))
    depth = np.array([0.5, 1.0, 2.0, 1.0])
    sizes = nb.size_factors(rng.poisson(mean[:, None] * depth))
    np.testing.assert_allclose(sizes / sizes[1], depth, rtol=0.02)
    with pytest.raises(ValueError, match="no counts"):
        nb.size_factors(np.array([[1.0, 0.0], [2.0, 0.0]]))


def test_size_factors_where_no_feature_is_in_every_sample():
    x = np.array([[10.0, 0, 20], [0, 5, 10], [8, 4, 0]])
    sizes = nb.size_factors(x)
    assert np.isfinite(sizes).all() and (sizes > 0).all()


def test_poisson_counts_are_fitted_as_by_a_generalised_linear_model():
    import statsmodels.api as sm

    rng = np.random.default_rng(1)
    x, k = groups(4), rng.poisson(50, (5, 8)).astype(float)
    made = glm.fit(k, x, np.ones(8), np.full(5, 1e-8))
    for i in range(5):
        ref = sm.GLM(k[i], x, family=sm.families.Poisson()).fit()
        np.testing.assert_allclose(made.coef[i], ref.params, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(np.sqrt(np.diag(made.cov[i])), ref.bse, rtol=1e-3)


def test_dispersions_are_recovered():
    counts = simulated(2, 8, 3000)
    mean = counts.mean(axis=1)
    made = dispersion.estimate(counts, groups(8), nb.size_factors(counts))
    ratio = np.log(made.final / (0.03 + 2 / mean))
    assert abs(np.median(ratio)) < 0.15
    assert made.prior_var == pytest.approx(0.25 + 0.1, abs=0.15)  # true variance .25, and .25 is the least


@pytest.mark.parametrize("n", [2, 3, 4, 8])
def test_nothing_there(n):
    counts = simulated(3, n, 4000)
    test = nb.wald(nb.fit_counts(counts, groups(n)), [0, 1])
    assert np.nanmean(test.p_value < 0.05) < 0.065
    assert np.nansum(test.q_value < 0.1) <= 20
    assert np.nanmean(test.p_value < 0.05) > 0.02


def test_planted_changes_are_found_and_their_size_is_right():
    change = np.zeros(3000)
    change[:300] = 1.5
    counts = simulated(4, 4, 3000, change)
    test = nb.wald(nb.fit_counts(counts, groups(4)), [0, 1])
    strong = counts[:300].mean(axis=1) > 50
    assert np.mean(test.q_value[:300][strong] < 0.05) > 0.9
    assert np.median(test.effect[:300][strong]) == pytest.approx(1.5, abs=0.1)
    called = test.q_value < 0.05
    assert called[300:].sum() / called.sum() < 0.1


def test_an_interaction_by_likelihood_ratio_and_by_wald():
    """A gene that answers only in the second group of models: both tests see it, and neither sees main effects."""
    rng = np.random.default_rng(5)
    n = 4
    x = np.column_stack(
        [np.ones(4 * n), np.tile(np.repeat([0.0, 1.0], n), 2), np.repeat([0.0, 1.0], 2 * n), np.zeros(4 * n)]
    )
    x[:, 3] = x[:, 1] * x[:, 2]
    mu = np.full((600, 4 * n), 200.0)
    mu[:, x[:, 1] == 1] *= 2
    mu[:60, x[:, 3] == 1] *= 3
    k = rng.negative_binomial(20, 20 / (20 + mu)).astype(float)
    fit = nb.fit_counts(k, x, np.ones(4 * n))
    ratio, wald = nb.likelihood_ratio(fit, [3]), nb.wald(fit, [0, 0, 0, 1])
    assert ratio.df == 1
    assert (ratio.q_value[:60] < 0.05).mean() > 0.9 and (wald.q_value[:60] < 0.05).mean() > 0.9
    assert np.mean(ratio.p_value[60:] < 0.05) < 0.1
    both = np.corrcoef(np.sqrt(ratio.statistic), np.abs(wald.statistic))[0, 1]
    assert both > 0.98


def three(n: int, batch: bool = False) -> np.ndarray:
    """One column per group of three, and two experiments."""
    x = np.eye(3)[np.repeat([0, 1, 2], n)]
    return np.column_stack([x, np.tile(np.arange(n) % 2, 3)]) if batch else x


EQUAL = np.array([[-1.0, -1.0], [1.0, 0.0], [0.0, 1.0]])


def three_groups(seed: int, n: int, features: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mean = np.exp(rng.normal(5, 1.3, features))
    r = (1 / ((0.03 + 2 / mean) * np.exp(rng.normal(0, 0.5, features))))[:, None]
    mu = mean[:, None] * rng.uniform(0.7, 1.4, 3 * n)
    return rng.negative_binomial(r, r / (r + mu)).astype(float)


def test_contrasts_that_are_dropped_are_the_columns_that_are_dropped():
    """Equal means of three groups: the same test whether groups or differences are the coefficients."""
    counts = three_groups(21, 4, 300)
    means = nb.likelihood_ratio(nb.fit_counts(counts, three(4)), EQUAL)
    x = three(4)
    x[:, 0] = 1.0
    differences = nb.likelihood_ratio(nb.fit_counts(counts, x), [1, 2])
    assert means.df == differences.df == 2
    np.testing.assert_allclose(means.p_value, differences.p_value, rtol=1e-4, atol=1e-8)
    one = nb.likelihood_ratio(nb.fit_counts(counts, x), np.array([[0.0], [1.0], [0.0]]))
    column = nb.likelihood_ratio(nb.fit_counts(counts, x), [1])
    np.testing.assert_allclose(one.effect, column.effect, rtol=1e-8)
    np.testing.assert_allclose(one.p_value, column.p_value, rtol=1e-4, atol=1e-8)
    with pytest.raises(ValueError, match="depend on each other"):
        nb.likelihood_ratio(nb.fit_counts(counts, x), np.array([[0.0, 0.0], [1.0, 2.0], [0.0, 0.0]]))


@pytest.mark.parametrize(("n", "batch"), [(2, False), (3, False), (4, True), (8, False)])
def test_three_equal_groups(n, batch):
    counts = three_groups(22, n, 3000)
    x = three(n, batch)
    equal = np.vstack([EQUAL, np.zeros((x.shape[1] - 3, 2))])
    test = nb.likelihood_ratio(nb.fit_counts(counts, x), equal)
    assert 0.02 < np.nanmean(test.p_value < 0.05) < 0.065
    assert np.nansum(test.q_value < 0.1) <= 20


def test_one_count_that_decides_is_said_or_replaced():
    few, many = simulated(6, 3, 500), simulated(7, 8, 500)
    few[0, 4], many[0, 12] = 5e5, 5e5
    flagged = nb.fit_counts(few, groups(3))
    assert flagged.outlier[0] and np.isnan(nb.wald(flagged, [0, 1]).p_value[0])
    mended = nb.fit_counts(many, groups(8))
    assert mended.replaced[0] and not mended.outlier[0]
    assert abs(nb.wald(mended, [0, 1]).effect[0]) < 1.5
    assert mended.counts[0, 12] < 1e4


def test_weak_features_are_left_out_of_the_adjustment_and_named():
    rng = np.random.default_rng(8)
    mean = np.concatenate([rng.uniform(500, 1000, 2000), rng.uniform(0.1, 1, 6000)])
    p = np.concatenate([rng.uniform(0, 0.02, 500), rng.uniform(0, 1, 7500)])
    q, filtered, threshold = analyse.filter_and_adjust(p, mean)
    assert 0.1 < threshold < 700
    assert (np.isnan(q) == filtered).all() and (filtered == (mean < threshold)).all()
    kept = ~filtered
    assert (q[kept] >= p[kept]).all()
    from rechallenge.stats.multiplicity import bh

    assert (q[kept] < 0.1).sum() > (bh(p) < 0.1).sum()


def test_shrinkage_spares_what_is_well_measured():
    rng = np.random.default_rng(9)
    true = np.where(rng.uniform(size=4000) < 0.1, rng.normal(0, 2, 4000), 0)
    se = rng.choice([0.1, 1.0], 4000)
    b = true + se * rng.normal(size=4000)
    small = nb.shrink(b, se)
    assert np.mean((small - true) ** 2) < 0.4 * np.mean((b - true) ** 2)
    sure = (se == 0.1) & (np.abs(true) > 2)
    np.testing.assert_allclose(small[sure], b[sure], atol=0.15)
    assert (np.abs(small) <= np.abs(b) + 1e-9).all() and (np.sign(small) * np.sign(b) >= 0).all()


def test_order_of_features_and_samples_does_not_matter():
    counts = simulated(10, 3, 400)
    rng = np.random.default_rng(0)
    rows, columns = rng.permutation(400), rng.permutation(6)
    a = nb.wald(nb.fit_counts(counts, groups(3)), [0, 1])
    b = nb.wald(nb.fit_counts(counts[np.ix_(rows, columns)], groups(3)[columns]), [0, 1])
    np.testing.assert_allclose(a.p_value[rows], b.p_value, rtol=1e-5)


def test_bad_designs_are_refused():
    counts = simulated(11, 2, 20)
    with pytest.raises(ValueError, match="full rank"):
        nb.fit_counts(counts, np.ones((4, 2)))
    with pytest.raises(ValueError, match="residual"):
        nb.fit_counts(counts[:, :2], np.eye(2))
    with pytest.raises(ValueError, match="not negative"):
        nb.fit_counts(-counts, groups(2))


def test_the_matched_prior_finds_the_spread_of_the_dispersions():
    """Two residual degrees of freedom: log chi-square plus normal of known variance."""
    rng = np.random.default_rng(12)
    for variance in (0.5, 1.0, 2.0):
        residual = np.log(rng.chisquare(2, 20_000) / 2) + rng.normal(0, np.sqrt(variance), 20_000)
        spread = stats.median_abs_deviation(residual, scale="normal") ** 2
        assert dispersion.prior_variance(residual, spread, 2) == pytest.approx(variance, rel=0.15)


# --- labels that mean nothing, on real counts ---


def parted(counts: np.ndarray, side: list[int], other: list[int], *more: np.ndarray) -> int:
    """Calls at q < .05 between two sets of samples of one kind, all of them false; ``more`` are covariates."""
    at = [*side, *other]
    kept = counts[:, at][counts[:, at].sum(axis=1) >= 10]
    x = np.column_stack([groups(len(side)), *(m[at] for m in more)])
    return int(np.nansum(nb.wald(nb.fit_counts(kept, x), np.eye(x.shape[1])[1]).q_value < 0.05))


@pytest.mark.slow
def test_two_against_two_of_one_kind_may_call_many_and_four_against_four_hardly_any(airway, shared: Path):
    """Why two replicates a side are warned of: airway cells of one treatment, donors parted two against two, and
    fibroblasts of one condition, experiments parted likewise (up to 2,300 calls there). With four a side, the treatment
    or condition balanced and no donor or experiment twice on a side, calls are few."""
    table, sheet, _ = airway
    values = table[sheet.index].to_numpy(float)
    treated = (sheet["dex"] == "treated").to_numpy()
    two = []
    for kind in (~treated, treated):
        a, b, c, d = np.flatnonzero(kind).tolist()
        two += [parted(values, [a, w], [v for v in (b, c, d) if v != w]) for w in (b, c, d)]
    assert max(two) > 20 and max(two) < 0.03 * len(values)
    donor = sheet["celltype"].to_numpy(str)
    names = sorted(set(donor))
    four = []
    for w in names[1:]:
        first = np.isin(donor, [names[0], w]) != treated
        four.append(parted(values, *(np.flatnonzero(s).tolist() for s in (first, ~first)), treated.astype(float)))
    assert max(four) <= 10 < np.mean(two)
    folder = shared / "data/metabolism/hypoxia_lf"
    known = pd.read_csv(folder / "rnaseq_samples.tsv", sep="\t")
    values = pd.read_csv(folder / "rnaseq_counts.tsv.gz", sep="\t", index_col=0)[known["id"]].to_numpy(float)
    condition, run = (known["oxygen"] + known["treatment"]).to_numpy(str), known["experiment"].to_numpy()
    kinds, runs = sorted(set(condition)), sorted(set(run))
    mine = np.isin(condition, kinds[:2])
    second = (condition == kinds[1]).astype(float)
    four = []
    for w in runs[1:]:
        first = mine & (np.isin(run, [runs[0], w]) != (condition == kinds[1]))
        four.append(parted(values, *(np.flatnonzero(s).tolist() for s in (first, mine & ~first)), second))
    assert max(four) <= 10
