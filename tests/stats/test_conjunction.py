"""Directional partial conjunction: formula, sides, discordance, null behaviour."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rechallenge.stats.conjunction import conjunction, one_sided, opposition, partial_conjunction

P = st.floats(1e-6, 1.0)


def test_two_of_two_layers_give_the_larger_p_and_three_a_factor() -> None:
    assert partial_conjunction([[0.01, 0.2]], 2) == pytest.approx([0.2])
    assert partial_conjunction([[0.01, 0.2, 0.03]], 2) == pytest.approx([0.06])
    assert partial_conjunction([[0.01, 0.2, 0.03]], 1) == pytest.approx([0.03])
    assert partial_conjunction([[0.5, 0.9, 0.7]], 1) == pytest.approx([1.0])
    assert np.isnan(partial_conjunction([[0.01, np.nan]], 2)).all()
    with pytest.raises(ValueError, match="u >= 1"):
        partial_conjunction([[0.1]], 0)


@settings(max_examples=60, deadline=None)
@given(st.lists(P, min_size=2, max_size=5), st.integers(1, 2))
def test_more_is_asked_with_larger_u_and_a_missing_layer_changes_nothing(p: list[float], u: int) -> None:
    values = np.array([p])
    assert partial_conjunction(values, u)[0] >= np.sort(p)[u - 1] - 1e-12
    assert partial_conjunction(values, u) == pytest.approx(
        partial_conjunction(np.column_stack([values, [[np.nan]]]), u)
    )
    if len(p) - u == 0:
        assert partial_conjunction(values, u)[0] == pytest.approx(max(p))


def test_one_sided_p_values_add_up() -> None:
    up, down = one_sided([0.04, 0.04, 0.3, np.nan, 0.2], [2.0, -1.0, 0.0, 1.0, np.nan])
    assert up[:3] == pytest.approx([0.02, 0.98, 0.5]) and down[:3] == pytest.approx([0.98, 0.02, 0.5])
    assert np.isnan(up[3:]).all() and np.isnan(down[3:]).all()


def test_direction_and_two_sided_p() -> None:
    up, down = one_sided(np.array([[0.01, 0.03], [0.01, 0.03], [0.02, 0.04]]), [[1, 1], [-1, -1], [1, -1]])
    found = conjunction(up, down, 2, ["gene", "product"])
    assert found.p_value == pytest.approx([0.03, 0.03, 1.0])
    assert found.direction.tolist()[:2] == [1, -1]


def test_both_sides_must_show_an_effect() -> None:
    up = np.array([[0.001, 0.001, 0.4]])
    sides = ["gene", "gene", "product"]
    assert conjunction(up, 1 - up, 2).p_value[0] == pytest.approx(0.004), "without sides two layers of the gene suffice"
    assert conjunction(up, 1 - up, 2, sides).p_value[0] == pytest.approx(0.8)
    up[0, 2] = np.nan
    assert np.isnan(conjunction(up, 1 - up, 2, sides).p_value[0])
    with pytest.raises(ValueError, match="sides"):
        conjunction(up, up, 2, ["gene"])


def test_opposition_names_the_layer_that_points_the_other_way() -> None:
    up = np.array([[0.001, 0.4, 0.999], [0.001, 0.999, np.nan], [0.999, 0.002, 0.3], [0.001, np.nan, np.nan]])
    found, which = opposition(up, 1 - up, ["gene", "product", "product"], "gene")
    assert found.p_value[:3] == pytest.approx([0.004, 0.002, 0.008])
    assert found.direction.tolist() == [1, 1, -1, 0]
    assert which.tolist() == [2, 1, 1, -1]
    alone, none = opposition(up[:, :1], up[:, :1], ["gene"], "gene")
    assert np.isnan(alone.p_value).all() and (none == -1).all()


def test_rates_under_the_null_and_where_only_one_layer_moves() -> None:
    """Independent of the seed: 20,000 items, four standard errors. The composite null is where the rate is largest."""
    rng = np.random.default_rng(0)
    n = 20_000
    slack = 4 * np.sqrt(0.05 * 0.95 / n)
    sides = ["gene", "product", "product"]
    up = rng.random((n, 3))
    assert np.mean(conjunction(up, 1 - up, 2, sides).p_value < 0.05) < 0.05
    assert np.mean(opposition(up, 1 - up, sides, "gene")[0].p_value < 0.05) < 0.05
    moved = up.copy()
    moved[:, 0] = 1e-8
    assert np.mean(conjunction(moved, 1 - moved, 2, sides).p_value < 0.05) < 0.05 + slack
    assert np.mean(opposition(moved, 1 - moved, sides, "gene")[0].p_value < 0.05) < 0.05 + slack
    two = moved[:, :2]
    rate = np.mean(conjunction(two, 1 - two, 2, sides[:2]).p_value < 0.05)
    assert abs(rate - 0.025) < slack, "the larger of two one-sided p-values, twice, where only one sign is possible"
