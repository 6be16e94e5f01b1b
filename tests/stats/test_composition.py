"""Compositions: closure, zeros, log ratios, and the rotation test of a difference."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rechallenge.stats import composition as c


def test_parts_add_to_one_and_zeros_are_lifted() -> None:
    x = c.closed([[2.0, 2.0, 0.0], [0.0, 0.0, 0.0]])
    assert x[0].tolist() == [0.5, 0.5, 0.0] and np.isnan(x[1]).all()
    y = c.replaced([[0.5, 0.5, 0.0]], 0.01)
    assert y.sum() == pytest.approx(1) and y[0, 2] == 0.01 and y[0, 0] == y[0, 1]
    assert c.clr(y).sum() == pytest.approx(0, abs=1e-12)


def test_log_ratios_do_not_depend_on_the_total() -> None:
    x = np.array([[1.0, 2.0, 7.0]])
    assert np.allclose(c.clr(c.closed(x)), c.clr(c.closed(55 * x)))


def test_one_column_gives_the_p_value_of_the_t_test() -> None:
    rng = np.random.default_rng(3)
    y, group = rng.normal(size=10) + np.repeat([0.8, 0.0], 5), np.repeat([1.0, 0.0], 5)
    found = c.rotation_test(y[:, None], group, np.ones((10, 1)), n_rotations=20000, seed=1)
    wanted = stats.ttest_ind(y[:5], y[5:])
    assert found.statistic == pytest.approx(wanted.statistic**2)
    assert found.p_value == pytest.approx(wanted.pvalue, abs=4 * np.sqrt(wanted.pvalue / 20000)) and found.df == 8


def test_blocks_are_taken_out() -> None:
    rng = np.random.default_rng(5)
    block = np.repeat(np.eye(4), 1, axis=0)
    y = np.vstack([rng.normal(size=(4, 3)) * 0.01 + 1.0, rng.normal(size=(4, 3)) * 0.01])
    y = y + np.tile(rng.normal(size=(4, 1)) * 50, (2, 1))
    group = np.repeat([1.0, 0.0], 4)
    assert c.rotation_test(y, group, np.vstack([block, block]), seed=0).p_value < 0.01
    assert c.rotation_test(y, group, np.ones((8, 1)), seed=0).p_value > 0.5


def test_what_cannot_be_tested_has_no_p() -> None:
    assert np.isnan(c.rotation_test(np.ones((2, 2)) * [[1], [2]], np.array([1.0, 0.0]), np.ones((2, 1))).p_value)
    confounded = c.rotation_test(np.random.default_rng(0).normal(size=(6, 2)), np.ones(6), np.ones((6, 1)))
    assert np.isnan(confounded.p_value)
    with pytest.raises(ValueError, match="shape"):
        c.rotation_test(np.ones((4, 2)), np.ones(3), np.ones((4, 1)))


def test_level_under_the_null() -> None:
    """Three against three with five strongly correlated parts: 5 % within binomial error, any seed."""
    rng = np.random.default_rng(11)
    mix = rng.normal(size=(5, 5))
    group, ones = np.repeat([1.0, 0.0], 3), np.ones((6, 1))
    p = [c.rotation_test(rng.normal(size=(6, 5)) @ mix, group, ones, n_rotations=199, seed=i).p_value
         for i in range(600)]  # fmt: skip
    for level in (0.05, 0.2):
        low, high = stats.binom.ppf([0.0005, 0.9995], len(p), level)
        assert low <= np.less_equal(p, level).sum() <= high
