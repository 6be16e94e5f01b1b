"""Rare carriers: close to the truth at every depth, none where there are none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rechallenge.stats import rare

DEPTHS = (1500, 3000, 6000, 12000)


def things(seed: int, share: float, n: int = 2500, depths=DEPTHS, rate: float = 2e-4, background: float = 2e-6):
    rng = np.random.default_rng(seed)
    depth = np.concatenate([m * np.exp(0.35 * rng.standard_normal(n)) for m in depths])
    group = np.repeat(np.arange(len(depths)), n)
    carrier = rng.random(depth.size) < share
    y = rng.poisson(depth * (background + np.where(carrier, rate * rng.gamma(2.0, 0.5, depth.size), 0.0)))
    return y.astype(float), np.rint(depth) + y, group, carrier


def test_the_share_does_not_drift_with_depth_where_counting_positives_does():
    found = [rare.estimate(*things(i, 0.01)[:3], draws=0) for i in range(8)]
    mean = np.mean([f.frequency for f in found], axis=0)
    naive = np.mean([f.naive for f in found], axis=0)
    assert naive[0] < 0.0075 and naive[-1] > 0.028
    assert (mean > 0.007).all() and (mean < 0.014).all()
    covered = np.mean([(f.ci_low <= 0.01) & (f.ci_high >= 0.01) for f in found])
    assert covered > 0.85


def test_carriers_are_called_where_they_are_and_told_cell_by_cell():
    y, depth, group, carrier = things(3, 0.01)
    found = rare.estimate(y, depth, group, draws=39)
    assert found.p_value == pytest.approx(1 / 40) and found.distinct
    assert found.rate == pytest.approx(2e-4, rel=0.5)
    there = np.bincount(group, carrier) / np.bincount(group)
    assert ((found.ci_low <= there) & (there <= found.ci_high)).all()
    chance = found.posterior(y, depth, group)
    assert chance.sum() == pytest.approx((found.frequency * found.n).sum(), rel=0.25)
    assert carrier[chance > 0.9].mean() > 0.85
    # a lone count in a deep cell is likelier background than in a shallow one
    one = found.posterior([1.0, 1.0], [1000.0, 20000.0], [0, 0])
    assert one[0] > one[1]


@pytest.mark.slow
def test_without_carriers_the_test_rejects_as_often_as_it_says():
    p = np.array([rare.estimate(*things(i, 0.0, n=600)[:3], draws=39, seed=i).p_value for i in range(80)])
    assert (p <= 0.05).sum() <= stats.binom.ppf(0.999, len(p), 0.05)


def test_no_carriers_no_call():
    p = [rare.estimate(*things(i, 0.0, n=500)[:3], draws=19, seed=i).p_value for i in range(4)]
    assert sum(v <= 0.05 for v in p) <= 1
    none = rare.estimate(np.zeros(50), np.full(50, 1000.0), np.repeat([0, 1], 25), draws=9)
    assert none.p_value > 0.3 and (none.ci_low == 0).all() and (none.frequency < 0.05).all()


def test_what_scatters_more_than_poisson_is_no_population_of_its_own():
    right, wrong = 0, 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        depth = 4000 * np.exp(0.3 * rng.standard_normal(3000))
        y = rng.poisson(depth * 2e-5 * rng.gamma(1.0, 1.0, 3000)).astype(float)
        group = np.repeat([0, 1], 1500)
        right += rare.estimate(y, depth, group, dispersion=1.0, draws=19, seed=seed).p_value <= 0.05
        wrong += rare.estimate(y, depth, group, draws=19, seed=seed).p_value <= 0.05
    # by chance three of eight happen in .6 %; as Poisson most are called
    assert right <= 2 and wrong >= 4


def test_the_dispersion_is_that_of_features_alike():
    rng = np.random.default_rng(0)
    depth = 3000 * np.exp(0.3 * rng.standard_normal(3000))
    means = np.full(60, 1e-4)
    y = rng.poisson(means * depth[:, None] * rng.gamma(2.0, 0.5, (3000, 60))).astype(float)
    assert rare.likeness(y, depth, means, 1e-4) == pytest.approx(0.5, rel=0.25)
    flat = rng.poisson(means * depth[:, None]).astype(float)
    assert rare.likeness(flat, depth, means, 1e-4) < 0.15


def test_impossible_counts_are_refused():
    with pytest.raises(ValueError, match="depths"):
        rare.estimate([5.0], [3.0], [0])
