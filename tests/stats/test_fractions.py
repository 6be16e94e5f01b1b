"""Fractions of units compared by ranks: the power that is printed is the power that the test has."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rechallenge.stats import fractions


@pytest.mark.parametrize(("n_a", "n_b"), [(3, 3), (4, 4), (3, 7), (6, 6), (10, 10)])
def test_the_critical_value_is_that_of_the_exact_test(n_a: int, n_b: int) -> None:
    least = fractions._critical(n_a, n_b, 0.05)
    for u in range(n_a * n_b // 2 + 1):
        # u pairs in which the first group is higher: the second group placed accordingly
        x, y = _with_statistic(u, n_a, n_b)
        p = stats.mannwhitneyu(x, y, method="exact")
        assert p.statistic == u and (p.pvalue <= 0.05) == (u <= least)


def _with_statistic(u: int, n_a: int, n_b: int) -> tuple[np.ndarray, np.ndarray]:
    """Two groups without ties in which u pairs have the first group higher."""
    above = [min(n_b, max(0, u - i * n_b)) for i in range(n_a)]  # how many of the second group each unit exceeds
    return np.array([a - 0.5 + 0.01 * i for i, a in enumerate(above)]), np.arange(n_b, dtype=float)


@pytest.mark.parametrize(("n", "spread"), [(3, 0.5), (4, 1.0), (6, 1.0), (10, 1.0), (10, 2.0)])
def test_power_is_what_another_simulation_gives(n: int, spread: float) -> None:
    rng = np.random.default_rng(7)
    found = [
        stats.mannwhitneyu(np.log(4) + spread * rng.standard_normal(n), spread * rng.standard_normal(n),
                           method="exact").pvalue < 0.05
        for _ in range(1500)
    ]  # fmt: skip
    share = float(np.mean(found))
    error = np.sqrt(share * (1 - share) * (1 / 1500 + 1 / fractions.DRAWS)) + 1e-3
    assert fractions.power(n, n, spread) == pytest.approx(share, abs=4 * error)


def test_power_grows_with_units_and_falls_with_scatter_and_meets_the_formula() -> None:
    assert fractions.power(4, 4, 1.0) < fractions.power(6, 6, 1.0) < fractions.power(10, 10, 1.0)
    assert fractions.power(10, 10, 2.0) < fractions.power(10, 10, 1.0)
    assert np.isnan(fractions.power(1, 5, 1.0)) and np.isnan(fractions.power(5, 5, 0.0))
    # on both sides of the bound between simulation and formula
    assert fractions.power(50, 50, 2.5) == pytest.approx(fractions.power(51, 50, 2.5), abs=0.05)
    assert fractions.power(2, 2, 0.1) == 0.0  # two against two can never be called
