"""Excess per combination, the test of the whole surface, the map of its sign, isoboles."""

from __future__ import annotations

import numpy as np
import pytest

from rechallenge.stats.multiplicity import bh
from rechallenge.stats.synergy import (
    Hill,
    bliss,
    cell_tests,
    collect,
    excess,
    isobole,
    loewe,
    sign_map,
    surface_test,
    within,
)
from rechallenge.stats.synergy.cells import moderate

DOSES = np.array([0.0, 0.25, 1.0, 4.0, 16.0])
A, B = (m.ravel() for m in np.meshgrid(DOSES, DOSES, indexing="ij"))
BOTH = (A > 0) & (B > 0)
DRUG_A = Hill(np.float64(1.0), np.float64(2.0), np.float64(1.2))
DRUG_B = Hill(np.float64(1.0), np.float64(1.0), np.float64(1.0))


def study(replicates=3, shift=0.0, seed=1, sd=0.02):
    rng = np.random.default_rng(seed)
    mean = bliss([DRUG_A.effect(A), DRUG_B.effect(B)]) + shift * BOTH
    y = mean + rng.normal(0, sd, (replicates, A.size))
    return collect(
        [np.tile(A, replicates), np.tile(B, replicates)], y.ravel(), np.repeat(np.arange(replicates), A.size)
    )


def mixed(replicates=4, seed=2):
    low = (A < 1) & (B < 1)
    high = (A > 3) & (B < 3)
    return study(replicates, np.where(low, -0.12, np.where(high, 0.1, 0.0)), seed, sd=0.015)


def test_one_row_per_combination_with_its_own_numbers():
    surface = study()
    cells = cell_tests(surface, "bliss")
    assert cells.row.size == BOTH.sum()
    np.testing.assert_allclose(cells.excess, 100 * excess(surface, "bliss").excess[0, cells.row])
    np.testing.assert_allclose(cells.observed - cells.reference, cells.excess)
    np.testing.assert_allclose(cells.q_value, bh(cells.p_value))
    assert np.all((cells.ci_low < cells.excess) & (cells.excess < cells.ci_high))
    assert set(cells.status) == {"estimated"}


def test_one_replicate_is_not_testable():
    cells = cell_tests(study(1), "hsa")
    assert set(cells.status) == {"not_testable"}
    assert np.isnan(cells.p_value).all()
    assert np.isfinite(cells.excess).all()
    whole = surface_test(cells)
    assert whole.status == "not_testable"
    assert np.isnan(whole.p_value)
    assert sign_map(cells) == []


def test_a_combination_of_one_replicate_is_not_testable_among_others_that_are():
    surface = study()
    y = surface.response.copy()
    at = int(np.flatnonzero(BOTH)[3])
    y[:2, at] = np.nan
    cells = cell_tests(collect([np.tile(A, 3), np.tile(B, 3)], y.ravel(), np.repeat(np.arange(3), A.size)), "bliss")
    assert cells.status[cells.row == at].tolist() == ["not_testable"]
    assert np.isnan(cells.q_value[cells.row == at]).all()
    assert (cells.status == "estimated").sum() == cells.row.size - 1


def test_moderation_of_equal_variances_is_their_pool():
    rng = np.random.default_rng(3)
    df = np.full(400, 2.0)
    variance = rng.chisquare(2, 400) / 2
    moved, prior = moderate(variance, df)
    assert prior > 20
    assert moved.mean() == pytest.approx(1.0, abs=0.15)
    assert moved.std() < 0.2


def test_moderation_recovers_the_prior_of_unequal_variances():
    """Variances from a scaled inverse chi-squared distribution with 6 degrees of freedom around 2."""
    rng = np.random.default_rng(4)
    truth = 2.0 * 6 / rng.chisquare(6, 5000)
    moved, prior = moderate(truth * rng.chisquare(4, 5000) / 4, np.full(5000, 4.0))
    assert prior == pytest.approx(6, rel=0.2)
    assert np.corrcoef(np.log(moved), np.log(truth))[0, 1] > 0.6


def test_moderation_leaves_few_cells_alone():
    variance, prior = moderate(np.array([1.0, 2.0]), np.array([2.0, 2.0]))
    assert variance.tolist() == [1.0, 2.0]
    assert prior == 0.0


def test_both_signs_on_one_surface_are_named():
    cells = cell_tests(mixed(), "bliss")
    found = sign_map(cells)
    assert {r.sign for r in found} == {"synergy", "antagonism"}
    synergy = next(r for r in found if r.sign == "synergy")
    antagonism = next(r for r in found if r.sign == "antagonism")
    assert synergy.excess > 0 > antagonism.excess
    assert antagonism.high.max() < 1
    assert synergy.low[0] >= 4


def test_a_region_is_contiguous():
    cells = cell_tests(mixed(), "bliss")
    grid = np.array([[0.25, 0.25], [0.25, 1.0], [4.0, 4.0], [1.0, 16.0]])
    at = [int(np.flatnonzero((cells.doses == g).all(axis=1))[0]) for g in grid]
    q, e = np.ones(cells.row.size), np.full(cells.row.size, 5.0)
    q[at] = 0.001
    found = sign_map(type(cells)(**{**cells.__dict__, "q_value": q, "excess": e}))
    assert [r.cells.size for r in found] == [2, 1, 1]
    assert sign_map(type(cells)(**{**cells.__dict__, "q_value": q, "excess": e}), minimum=6.0) == []


def test_surface_test_finds_a_departure_and_its_direction():
    up, down = (surface_test(cell_tests(study(4, s), "bliss"), seed=1) for s in (0.06, -0.06))
    assert up.p_value < 0.05
    assert up.p_synergy < 0.05 < up.p_antagonism
    assert down.p_antagonism < 0.05 < down.p_synergy


def test_surface_test_finds_both_signs_where_the_mean_is_nearly_zero():
    cells = cell_tests(mixed(6), "bliss")
    assert surface_test(cells).p_value < 0.01


def test_surface_test_is_reproducible_and_never_zero():
    cells = cell_tests(study(6, 0.2), "bliss")
    first, second = surface_test(cells, n_rotations=199, seed=3), surface_test(cells, n_rotations=199, seed=3)
    assert first == second
    assert first.p_value >= 1 / 200
    with pytest.raises(ValueError, match="n_rotations"):
        surface_test(cells, n_rotations=10)


def test_window_tests_only_its_combinations():
    surface = study()
    cells = cell_tests(surface, "bliss", mask=within(surface, [1.0, 1.0]))
    assert cells.row.size == 4
    assert cells.doses.max() == 1.0


def test_bounded_references_never_claim_synergy():
    weak = Hill(np.float64(0.3), np.float64(2.0), np.float64(1.2))
    rng = np.random.default_rng(5)
    mean = bliss([weak.effect(A), DRUG_B.effect(B)]) + 0.1 * BOTH
    y = mean + rng.normal(0, 0.01, (4, A.size))
    cells = cell_tests(collect([np.tile(A, 4), np.tile(B, 4)], y.ravel(), np.repeat(np.arange(4), A.size)), "loewe")
    bound = cells.status == "bound"
    assert bound.any()
    assert np.all(np.isneginf(cells.ci_low[bound]))
    rows = {int(i) for r in sign_map(cells) if r.sign == "synergy" for i in r.cells}
    assert not rows & set(np.flatnonzero(bound).tolist())


def test_isobole_of_an_additive_matrix_lies_on_the_line():
    levels = np.concatenate([[0.0], 0.125 * 2.0 ** np.arange(9)])
    a, b = (m.ravel() for m in np.meshgrid(levels, levels, indexing="ij"))
    copy = Hill(np.float64(1.0), np.float64(1.0), np.float64(1.2))
    found = isobole(collect([a, b], loewe(a, b, DRUG_A, copy)[0]), 0.5)
    np.testing.assert_allclose(found.alone, [2.0, 1.0], rtol=1e-5)
    inside = found.dose_b < 0.9
    assert inside.sum() == 3
    assert set(found.status[inside]) == {"estimated"}
    # the rows of a Loewe surface are not Hill curves to the last per cent
    np.testing.assert_allclose(found.index[inside], 1.0, atol=0.02)


def test_isobole_of_synergy_bends_inwards():
    levels = np.concatenate([[0.0], 0.125 * 2.0 ** np.arange(9)])
    a, b = (m.ravel() for m in np.meshgrid(levels, levels, indexing="ij"))
    mean = loewe(a, b, DRUG_A, DRUG_B)[0]
    found = isobole(collect([a, b], np.where((a > 0) & (b > 0), 1 - (1 - mean) ** 1.6, mean)), 0.5)
    assert np.nanmax(found.index) < 0.95


def test_isobole_points_outside_the_doses_are_bounds():
    found = isobole(study(1, 0.4), 0.5)
    assert "censored_below" in set(found.status)
    assert np.isnan(found.index[found.status == "censored_below"]).all()
    with pytest.raises(ValueError, match="between 0 and 1"):
        isobole(study(1), 1.5)
