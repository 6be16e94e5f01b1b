"""Moderated t: agreement with its parts, its prior, and its error rate."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from rechallenge.stats import moderated as m


def two_groups(n: int) -> np.ndarray:
    return np.column_stack([np.ones(2 * n), np.repeat([0.0, 1.0], n)])


def test_trigamma_inverse_inverts():
    y = np.array([1e-3, 0.1, 1.0, 5.0, 300.0])
    np.testing.assert_allclose(m.trigamma_inverse(special.polygamma(1, y)), y, rtol=1e-6)


def test_prior_is_recovered_from_many_features():
    rng = np.random.default_rng(1)
    d0, s0, d = 6.0, 0.25, 4
    true = s0 * d0 / rng.chisquare(d0, 20_000)
    prior = m.prior_of(true * rng.chisquare(d, 20_000) / d, d)
    assert prior.df == pytest.approx(d0, rel=0.1)
    assert prior.var[0] == pytest.approx(s0, rel=0.05)


def test_equal_variances_give_an_infinite_prior_and_a_z_test():
    y = np.tile(np.array([[0.0, 2.0, 1.0, 3.0]]), (50, 1)) + np.arange(50)[:, None]
    made = m.moderate(m.fit(y, two_groups(2)), [0, 1])
    assert np.isinf(made.prior.df)
    np.testing.assert_allclose(made.effect[:, 0], 1.0)
    np.testing.assert_allclose(made.var, 2.0)


def test_without_moderation_the_t_is_students():
    rng = np.random.default_rng(2)
    y = rng.normal(size=(30, 8))
    f = m.fit(y, two_groups(4))
    t = f.coef[:, 1] / np.sqrt(f.var * f.unscaled[0, 1, 1])
    expected = stats.ttest_ind(y[:, 4:], y[:, :4], axis=1).statistic
    np.testing.assert_allclose(t, expected)


def test_missing_samples_equal_a_fit_without_them():
    rng = np.random.default_rng(3)
    y = rng.normal(size=(40, 8))
    y[3, [0, 5]] = np.nan
    whole, part = m.fit(y, two_groups(4)), m.fit(y[3:4, [1, 2, 3, 4, 6, 7]], two_groups(4)[[1, 2, 3, 4, 6, 7]])
    np.testing.assert_allclose(whole.coef[3], part.coef[0])
    assert whole.var[3] == pytest.approx(part.var[0])
    assert whole.df[3] == 4 and whole.df[0] == 6 and whole.n[3] == 6


def test_a_group_without_samples_is_not_a_number():
    rng = np.random.default_rng(4)
    y = rng.normal(size=(40, 6))
    y[7, 3:] = np.nan
    made = m.moderate(m.fit(y, two_groups(3)), [0, 1])
    assert np.isnan(made.effect[7, 0]) and np.isnan(made.p_value[7, 0])
    assert np.isfinite(np.delete(made.p_value[:, 0], 7)).all()


def test_one_replicate_a_group_has_no_variance():
    with pytest.raises(ValueError, match="residual degrees of freedom"):
        m.moderate(m.fit(np.random.default_rng(0).normal(size=(10, 2)), two_groups(1)), [0, 1])


def test_weights_count_as_copies():
    y = np.array([[1.0, 2.0, 4.0]])
    once = m.fit(y, np.ones((3, 1)), [1.0, 1.0, 2.0])
    assert once.coef[0, 0] == pytest.approx((1 + 2 + 8) / 4)


def test_order_of_features_does_not_matter():
    rng = np.random.default_rng(5)
    y = rng.normal(size=(200, 6)) * rng.gamma(2, 1, 200)[:, None]
    order = rng.permutation(200)
    a = m.moderate(m.fit(y, two_groups(3)), [0, 1], trend=True)
    b = m.moderate(m.fit(y[order], two_groups(3)), [0, 1], trend=True)
    np.testing.assert_allclose(a.p_value[order], b.p_value, rtol=1e-8)


@pytest.mark.parametrize("trend", [False, True])
def test_null_p_values_are_uniform_and_intervals_cover(trend: bool):
    rng = np.random.default_rng(6)
    level = rng.uniform(4, 14, 20_000)
    sd = np.sqrt(4 / rng.chisquare(4, 20_000)) * (np.exp(-0.15 * (level - 4)) if trend else 1.0)
    y = level[:, None] + sd[:, None] * rng.normal(size=(20_000, 6))
    made = m.moderate(m.fit(y, two_groups(3)), [0, 1], trend=trend)
    assert np.mean(made.p_value < 0.05) == pytest.approx(0.05, abs=0.006)
    assert np.mean(made.p_value < 0.01) == pytest.approx(0.01, abs=0.003)
    assert np.mean((made.ci_low <= 0) & (made.ci_high >= 0)) == pytest.approx(0.95, abs=0.006)


def test_moderation_finds_more_than_students_t():
    rng = np.random.default_rng(7)
    sd = np.sqrt(0.3 * 4 / rng.chisquare(4, 5000))
    y = sd[:, None] * rng.normal(size=(5000, 6))
    y[:500, 3:] += 1.5
    made = m.moderate(m.fit(y, two_groups(3)), [0, 1])
    plain = stats.ttest_ind(y[:, 3:], y[:, :3], axis=1).pvalue
    assert (made.p_value[:500, 0] < 0.01).sum() > 1.3 * (plain[:500] < 0.01).sum()


def test_f_of_one_contrast_is_the_square_of_t_and_without_moderation_that_of_analysis_of_variance():
    rng = np.random.default_rng(8)
    y = rng.normal(size=(400, 9)) * rng.gamma(2, 1, 400)[:, None]
    y[3, 0] = np.nan
    x = np.eye(3)[np.repeat([0, 1, 2], 3)]
    fitted = m.fit(y, x)
    t, f = m.moderate(fitted, [-1, 1, 0], trend=True), m.moderated_f(fitted, [-1, 1, 0], trend=True)
    np.testing.assert_allclose(f.statistic, t.statistic[:, 0] ** 2)
    np.testing.assert_allclose(f.p_value, t.p_value[:, 0])
    equal = np.array([[-1, -1, 0], [1, 0, -1], [0, 1, 1]])  # the third follows from the others
    both = m.moderated_f(fitted, equal)
    assert both.df1 == 2
    post, _, _ = m.squeeze_var(fitted.var, fitted.df)
    plain = both.statistic * post / fitted.var
    np.testing.assert_allclose(plain[10:], stats.f_oneway(*np.split(y[10:].T, 3)).statistic)


def test_f_of_a_feature_without_a_group_is_not_a_number():
    y = np.random.default_rng(9).normal(size=(50, 9))
    y[2, :3] = np.nan
    fitted = m.fit(y, np.eye(3)[np.repeat([0, 1, 2], 3)])
    f = m.moderated_f(fitted, [[-1, -1], [1, 0], [0, 1]])
    assert np.isnan(f.p_value[2]) and np.isfinite(np.delete(f.p_value, 2)).all()


@pytest.mark.parametrize("n", [2, 3, 6])
def test_null_p_values_of_f_are_uniform_and_a_group_that_differs_is_found(n: int):
    rng = np.random.default_rng(10)
    sd = np.sqrt(4 / rng.chisquare(4, 10_000))
    y = sd[:, None] * rng.normal(size=(10_000, 3 * n))
    x = np.eye(3)[np.repeat([0, 1, 2], n)]
    equal = [[-1, -1], [1, 0], [0, 1]]
    made = m.moderated_f(m.fit(y, x), equal)
    assert np.mean(made.p_value < 0.05) == pytest.approx(0.05, abs=0.008)
    y[:, :n] += 4 * sd[:, None]
    found = m.moderated_f(m.fit(y, x), equal)
    assert np.mean(found.p_value < 0.05) > 0.8
