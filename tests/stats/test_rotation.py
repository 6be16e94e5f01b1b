"""Rotation tests: moderated t as by least squares, exchangeability, null behaviour, what cannot be tested."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rechallenge.stats.moderated import fit, moderate
from rechallenge.stats.multiplicity import bh
from rechallenge.stats.rotation import any_effect, project, rotate


def two_groups(n: int, m: int = 40, seed: int = 0, extra: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Correlated data [2n, m], design (mean, group, blocks) and the contrast of the group."""
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((2 * n, m)) + rng.standard_normal((2 * n, 3)) @ rng.standard_normal((3, m))
    y *= np.exp(0.4 * rng.standard_normal(m))
    columns = [np.ones(2 * n), np.repeat([0.0, 1.0], n)]
    if extra:
        columns += [np.tile(np.arange(n) % 2, 2).astype(float)]
    design = np.column_stack(columns)
    c = np.zeros(design.shape[1])
    c[1] = 1
    return y, design, c


def sets(m: int, g: int, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    w = np.zeros((g, m))
    for row in w:
        row[rng.choice(m, 3, replace=False)] = (1, 1, 0.5)
    return w


@pytest.mark.parametrize("extra", [0, 1])
def test_statistics_are_those_of_the_moderated_linear_model(extra: int) -> None:
    y, design, c = two_groups(5, extra=extra)
    ours, theirs = project(y, design, c), moderate(fit(y.T, design), c)
    assert ours.effect == pytest.approx(theirs.effect[:, 0])
    assert ours.se == pytest.approx(theirs.se[:, 0])
    assert ours.statistic == pytest.approx(theirs.statistic[:, 0])


def test_a_set_of_one_feature_has_the_p_value_of_its_t_test() -> None:
    """Without moderation the rotation test of one normal feature is the t test (Langsrud 2005)."""
    rng = np.random.default_rng(3)
    y = rng.standard_normal((12, 2))
    y[6:, 0] += 1.2
    design = np.column_stack([np.ones(12), np.repeat([0.0, 1.0], 6)])
    found = rotate(project(y, design, [0, 1]), np.eye(2), n_rotations=200_000, seed=1)
    exact = stats.ttest_ind(y[6:], y[:6])
    assert found.score == pytest.approx(exact.statistic)
    assert found.p_value == pytest.approx(exact.pvalue, rel=0.05)


def test_the_order_of_samples_changes_no_p_value_beyond_chance_and_sets_do_not_touch_each_other() -> None:
    y, design, c = two_groups(6)
    w = sets(40, 30)
    one = rotate(project(y, design, c), w, n_rotations=4999, seed=2)
    order = np.random.default_rng(0).permutation(12)
    other = rotate(project(y[order], design[order], c), w, n_rotations=4999, seed=2)
    assert one.score == pytest.approx(other.score)
    assert np.abs(one.p_value - other.p_value).max() < 0.06
    assert np.array_equal(rotate(project(y, design, c), w[:4], n_rotations=4999, seed=2).p_up, one.p_up[:4])
    assert np.array_equal(rotate(project(y, design, c), w, n_rotations=4999, seed=2).p_up, one.p_up)


def test_signs_and_the_smallest_p_value() -> None:
    y, design, c = two_groups(8)
    y[8:, :3] += 30.0
    w = np.zeros((3, 40))
    w[0, :3], w[1, :3] = 1.0, -1.0
    found = rotate(project(y, design, c), w, n_rotations=999, seed=0)
    assert found.score[0] > 0 > found.score[1]
    assert found.p_up[0] == found.p_down[1] == 1 / 1000 and found.p_down[0] == found.p_up[1] == 1.0
    assert np.isnan(found.score[2]) and np.isnan(found.p_value[2]), "an empty set has no score"


def test_what_cannot_be_rotated_is_said() -> None:
    y, design, c = two_groups(4)
    with pytest.raises(ValueError, match="complete data"):
        project(np.where(y > 1, np.nan, y), design, c)
    with pytest.raises(ValueError, match="does not determine"):
        project(y, np.column_stack([design, design[:, 1]]), [0, 1, 0])
    with pytest.raises(ValueError, match="no residual"):
        project(y[[0, 4]], design[[0, 4]], c)
    with pytest.raises(ValueError, match="do not fit"):
        project(y, design[:-1], c)
    with pytest.raises(ValueError, match="empty"):
        project(y, design, [0, 0])


def test_few_features_and_constant_ones_need_no_prior() -> None:
    y, design, c = two_groups(4, m=2)
    assert project(y, design, c).prior_df == 0
    y, design, c = two_groups(4)
    y[:, 0] = 7.0
    found = rotate(project(y, design, c), np.eye(40)[:2], n_rotations=99)
    assert np.isfinite(found.score).all() and found.p_value[0] == 1.0


@pytest.mark.slow
@pytest.mark.parametrize("n", [3, 6])
def test_null_rates_hold_for_correlated_features(n: int) -> None:
    w = sets(40, 60)
    p = []
    for seed in range(150):
        y, design, c = two_groups(n, seed=seed)
        p.append(rotate(project(y, design, c), w, n_rotations=999, seed=seed).p_value)
    rate = np.mean(np.array(p) < 0.05)
    # sets of one data set are correlated: the standard error is taken over data sets
    se = np.std([np.mean(x < 0.05) for x in p]) / np.sqrt(len(p))
    assert rate < 0.05 + 3 * se
    assert rate > 0.03


def correlated_scores(n: int, seed: int, shared: float) -> tuple[np.ndarray, np.ndarray]:
    """Data of nothing [2n, 30] with a common factor of that share of the variance, and 25 sets."""
    rng = np.random.default_rng(seed)
    y = np.sqrt(1 - shared) * rng.standard_normal((2 * n, 30))
    y += np.sqrt(shared) * rng.standard_normal((2 * n, 2)) @ rng.standard_normal((2, 30))
    return y, sets(30, 25, seed=seed)


@pytest.mark.parametrize("shared", [0.0, 0.6])
def test_whether_anything_changes_keeps_its_level_whatever_the_correlation(shared: float) -> None:
    design = np.column_stack([np.ones(8), np.repeat([0.0, 1.0], 4)])
    ps = []
    for seed in range(400):
        y, w = correlated_scores(4, seed, shared)
        ps.append(any_effect(project(y, design, [0, 1]), w, n_rotations=499, seed=seed))
    for level in (0.03, 0.1):
        reach = 3 * np.sqrt(level * (1 - level) / len(ps))
        assert abs(np.mean(np.array(ps) <= level) - level) < reach


def test_whether_anything_changes_orders_data_as_benjamini_and_hochberg_do() -> None:
    """With independent sets its p-value is that of Simes, the smallest q-value."""
    y, design, c = two_groups(10)
    y[10:, 3] += 2.5
    data = project(y, design, c)
    w = np.eye(40)
    q = bh(rotate(data, w, n_rotations=4999, seed=1).p_value).min()
    assert q / 4 < any_effect(data, w, n_rotations=4999, seed=1) < 2 * q < 0.1
    assert any_effect(data, w, n_rotations=4999, seed=1) == any_effect(data, w, n_rotations=4999, seed=1)


def test_constant_features_and_empty_sets_change_nothing() -> None:
    y, design, c = two_groups(6)
    y[:, :2] = 1.0
    w = np.zeros((3, 40))
    w[0, :2], w[1, 5] = 1.0, 1.0
    data = project(y, design, c)
    alone = any_effect(data, w[1:2], n_rotations=999, seed=0)
    assert alone <= any_effect(data, w, n_rotations=999, seed=0) <= 1.0
    assert any_effect(data, w[:1], n_rotations=999, seed=0) == 1.0
    assert np.isnan(any_effect(data, w[2:], n_rotations=999, seed=0))
