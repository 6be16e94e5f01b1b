"""Weight of evidence: what must hold for any numbers, and what chance gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rechallenge.stats import weight
from rechallenge.stats.weight import Family, Null

KINDS = (Family("a", 0.15), Family("b", 0.35), Family("c", 0.55), Family("d", 0.25, mu=2.5))
Z = hnp.arrays(np.float64, st.tuples(st.integers(1, 8), st.just(4)), elements=st.floats(-6, 6) | st.just(np.nan))


@given(Z)
def test_terms_add_up_and_half_of_the_best_family_is_left_out(z):
    made = weight.weigh(z, KINDS)
    np.testing.assert_allclose(made.terms.sum(axis=1), made.total, atol=1e-12)
    np.testing.assert_allclose(made.total - made.score, np.maximum(made.terms.max(axis=1), 0) / 2, atol=1e-12)
    assert (made.terms[np.isnan(z)] == 0).all()


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.name)
def test_a_term_rises_with_z_and_contradiction_is_bounded(kind):
    w = weight.term(np.linspace(-8, 8, 400), kind)
    assert (np.diff(w) >= -1e-12).all()
    assert np.log(kind.silent) <= w.min() < 0 < w.max()


@given(Z, st.integers(0, 3), st.floats(-6, -0.5))
def test_a_contradiction_never_raises_a_score(z, family, against):
    without = z.copy()
    without[:, family] = np.nan
    with_it = z.copy()
    with_it[:, family] = against
    lower = weight.term(np.full(1, against), KINDS[family])[0] <= 0
    if lower:
        assert (weight.weigh(with_it, KINDS).score <= weight.weigh(without, KINDS).score + 1e-12).all()


@given(Z)
def test_taking_the_best_family_away_never_raises_a_score(z):
    made = weight.weigh(z, KINDS)
    less = z.copy()
    for i, f in enumerate(made.dropped):
        if f >= 0:
            less[i, f] = np.nan
    assert (weight.weigh(less, KINDS).score <= made.score + 1e-12).all()


def test_one_family_alone_however_sure_stays_behind_several_that_agree():
    z = np.full((2, 4), np.nan)
    z[0, 1] = 5.0
    z[1] = 2.3
    alone, together = weight.weigh(z, KINDS).score
    assert alone == pytest.approx(weight.term(np.array([5.0]), KINDS[1])[0] / 2)
    assert together > alone


@given(
    st.builds(Family, st.just("f"), st.floats(0.05, 0.9), st.floats(0.5, 4), st.floats(0.2, 4)),
    st.builds(Null, st.floats(0, 0.5), st.floats(1.5, 16)),
)
def test_a_term_never_falls_as_z_rises_whatever_the_spread_of_all_items(family, null):
    w = weight.term(np.linspace(-9, 9, 700), family, null)
    assert (np.diff(w) >= -1e-12).all()
    assert w[0] > np.log(family.silent) - 1e-9


def test_families_that_are_wide_for_other_reasons_say_less():
    rng = np.random.default_rng(0)
    narrow = weight.null_of(rng.normal(size=20_000))
    wide = np.where(rng.random(20_000) < 0.3, 3.0, 1.0) * rng.normal(size=20_000)
    assert narrow.share * (narrow.variance - 1) < 0.1
    found = weight.null_of(np.clip(wide, -4, 4))
    assert 0.15 < found.share <= 0.5 and found.variance > 3
    at = np.array([3.0])
    assert weight.term(at, KINDS[0], found)[0] < weight.term(at, KINDS[0], narrow)[0] - 0.5
    assert weight.null_of(np.ones(50)) == Null()


def test_both_directions_are_weighed_against_the_same_spread():
    z = np.random.default_rng(1).normal(size=(500, 4))
    up, down = weight.weigh(z, KINDS, ((1, 2),)), weight.weigh(-z, KINDS, ((1, 2),))
    np.testing.assert_allclose(down.z, -up.z)
    assert up.nulls == down.nulls


def test_families_that_agree_by_chance_have_uniform_p():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(3000, 4))
    z[rng.uniform(size=(3000, 4)) < 0.3] = np.nan
    up = weight.weigh(z, KINDS)
    p = weight.chance(up, KINDS, draws=60_000, seed=1)
    assert np.nanmean(p < 0.05) == pytest.approx(0.05, abs=0.015)
    assert np.nanmin(p) >= 1 / 60_001
    np.testing.assert_array_equal(np.isnan(p), np.isfinite(z).sum(axis=1) < 2)
    np.testing.assert_array_equal(p, weight.chance(up, KINDS, draws=60_000, seed=1))


def test_an_item_that_all_families_support_has_the_smallest_p():
    rng = np.random.default_rng(2)
    z = rng.normal(size=(2000, 4))
    z[7] = 3.0
    up = weight.weigh(z, KINDS)
    p = weight.chance(up, KINDS, draws=100_000, seed=0)
    assert p[7] == p.min() and p[7] < 1e-3
    low, high, ten = weight.rank_interval(z, KINDS, np.array([7, 8]), up.nulls, draws=40, seed=0)
    assert low[0] <= high[0] < low[1] and ten[0] > 0.5


def test_p_counts_what_reaches_the_score():
    """By hand: in each of two families half of the items have 2, half have 0: both are 2 in one draw of four, one of
    them in three of four."""
    z = np.array([[2.0, 2.0], [2.0, 0.0], [0.0, 2.0], [0.0, 0.0]] * 50)
    up = weight.weigh(z, KINDS[:2], nulls=[Null(), Null()])
    p = weight.chance(up, KINDS[:2], draws=40_000, seed=0, both=False)
    assert p[0] == pytest.approx(0.25, abs=0.01)
    assert min(p[1], p[2]) == pytest.approx(0.5, abs=0.26) and p[3] == pytest.approx(1.0)


def test_draws_do_not_depend_on_how_many_are_held_at_once(monkeypatch: pytest.MonkeyPatch):
    z = np.random.default_rng(4).normal(size=(300, 3))
    up = weight.weigh(z, KINDS[:3])
    whole = weight.chance(up, KINDS[:3], draws=20_000, seed=0)
    monkeypatch.setattr(weight, "CHUNK", 7_000)
    np.testing.assert_allclose(weight.chance(up, KINDS[:3], draws=20_000, seed=0), whole, atol=0.02)


def followed(seed: int, own: float, alone: float, n: int = 2000) -> float:
    """p of an item with z ``own`` in three families of all items and ``alone`` in a fourth that covers it only."""
    z = np.random.default_rng(seed).normal(size=(n, 4))
    z[1:, 3] = np.nan
    z[0] = [own, own, own, alone]
    up = weight.weigh(z, KINDS)
    return float(weight.chance(up, KINDS, draws=200_000, seed=seed)[0])


def test_what_was_followed_for_one_item_alone_can_agree_with_the_rest():
    assert followed(0, 2.5, 4.0) < 2e-4 < followed(0, 2.5, 0.0)
    assert followed(0, 0.0, 4.0) > 0.01


def test_what_was_followed_for_one_item_alone_is_no_evidence_by_itself():
    """z of nothing in the family of one: p is small no more often than it says."""
    rng = np.random.default_rng(1)
    small = []
    for seed in range(100):
        z = rng.normal(size=(400, 4))
        z[1:, 3] = np.nan
        small.append(weight.chance(weight.weigh(z, KINDS), KINDS, draws=4_000, seed=seed)[0] < 0.1)
    assert np.mean(small) <= 0.1 + 3 * np.sqrt(0.09 / 100)


def test_correlated_streams_count_less_than_independent_ones():
    z = np.array([[2.0, 2.0]])
    assert weight.average(z, np.eye(2))[0] == pytest.approx(2 * np.sqrt(2))
    assert weight.average(z, np.array([[1, 1], [1, 1.0]]))[0] == pytest.approx(2.0)
    assert weight.average(np.array([[2.0, np.nan]]), np.eye(2))[0] == pytest.approx(2.0)


def test_what_one_family_explains_of_another_is_removed():
    rng = np.random.default_rng(3)
    a = rng.normal(size=5000)
    b = 0.6 * a + 0.8 * rng.normal(size=5000)
    clean = weight.decorrelate(np.column_stack([a, b]), [(0, 1)])
    assert abs(np.corrcoef(clean.T)[0, 1]) < 0.05
    assert clean[:, 1].std() == pytest.approx(1, abs=0.05)


def test_items_of_which_much_is_known_are_compared_with_their_like():
    """Where most items have one family, sums over four reach further by chance alone."""
    rng = np.random.default_rng(5)
    z = rng.normal(size=(4000, 4))
    z[800:, 1:] = np.nan
    z[800:1800, 3] = rng.normal(size=1000)
    p = weight.chance(weight.weigh(z, KINDS), KINDS, draws=60_000, seed=0)
    for part in (p[:800], p[800:1800]):
        assert np.mean(part < 0.05) == pytest.approx(0.05, abs=4 * np.sqrt(0.0475 / 800))
    assert np.isnan(p[1800:]).all()
