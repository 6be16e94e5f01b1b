"""Coverage and false positives on simulated studies with known truth, within binomial error."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rechallenge.stats.synergy import (
    Hill,
    bliss,
    cell_tests,
    collect,
    combination_index,
    hsa,
    loewe,
    score,
    surface_test,
)

DOSES = np.concatenate([[0.0], 0.125 * 4.0 ** np.arange(5)])
A, B = (m.ravel() for m in np.meshgrid(DOSES, DOSES, indexing="ij"))
BOTH = (A > 0) & (B > 0)
RNG_SEED = 20


def drugs(shift=(0.0, 0.0)):
    return (
        Hill(np.float64(1.0), np.float64(2.0 * 10 ** shift[0]), np.float64(1.3)),
        Hill(np.float64(1.0), np.float64(10 ** shift[1]), np.float64(1.0)),
    )


SURFACES = {
    "hsa": lambda a, b: hsa([a.effect(A), b.effect(B)]),
    "bliss": lambda a, b: bliss([a.effect(A), b.effect(B)]),
    "zip": lambda a, b: bliss([a.effect(A), b.effect(B)]),
    "loewe": lambda a, b: loewe(A, B, a, b)[0],
}


def study(method, replicates, seed, power=1.0):
    """Additive by one model; biological replicates differ in both EC50; ``power`` > 1 is synergy."""
    rng = np.random.default_rng([RNG_SEED, replicates, seed])
    y = np.empty((replicates, A.size))
    for r in range(replicates):
        mean = SURFACES[method](*drugs(tuple(rng.normal(0, 0.08, 2))))
        y[r] = 1 - (1 - mean) ** np.where(BOTH, power, 1.0) + rng.normal(0, 0.03, A.size)
    return collect(
        [np.tile(A, replicates), np.tile(B, replicates)], y.ravel(), np.repeat(np.arange(replicates), A.size)
    )


def binomial_limits(n, p):
    """Counts between which a share of ``p`` stays in 99.9 % of experiments."""
    return stats.binom.ppf(0.0005, n, p), stats.binom.ppf(0.9995, n, p)


@pytest.mark.slow
@pytest.mark.parametrize("replicates", [3, 4, 6])
@pytest.mark.parametrize("method", ["hsa", "bliss", "loewe", "zip"])
def test_false_positives_at_additivity(method, replicates):
    n = 120
    found = [score(study(method, replicates, s), method, seed=s) for s in range(n)]
    assert all(f.status == "estimated" for f in found)
    low, high = binomial_limits(n, 0.05)
    assert low <= sum(f.p_value <= 0.05 for f in found) <= high
    assert abs(np.mean([f.score for f in found])) < 0.8


@pytest.mark.slow
@pytest.mark.parametrize("replicates", [3, 4, 6])
def test_the_interval_covers_a_synergistic_truth(replicates):
    a, b = drugs()
    mean = SURFACES["bliss"](a, b)
    truth = 100 * np.mean((mean - (1 - (1 - mean) ** 1.5))[BOTH]) * -1
    n = 150
    found = [score(study("bliss", replicates, s, power=1.5), "bliss") for s in range(n)]
    low, high = binomial_limits(n, 0.95)
    assert low <= sum(f.ci_low <= truth <= f.ci_high for f in found) <= high


@pytest.mark.slow
def test_percentile_bootstrap_over_three_replicates_does_not_cover():
    n = 80
    found = [score(study("bliss", 3, s), "bliss", interval="bootstrap", seed=s) for s in range(n)]
    assert sum(f.ci_low <= 0 <= f.ci_high for f in found) < binomial_limits(n, 0.95)[0]


@pytest.mark.slow
@pytest.mark.parametrize("replicates", [3, 6])
def test_surface_test_and_cells_at_additivity(replicates):
    n = 150
    cells = [cell_tests(study("bliss", replicates, s), "bliss") for s in range(n)]
    p = [surface_test(c, n_rotations=199, seed=s).p_value for s, c in enumerate(cells)]
    low, high = binomial_limits(n, 0.05)
    assert low <= np.sum(np.array(p) <= 0.05) <= high
    # under the global null the share of studies with any call is at most the FDR level
    assert sum(bool(np.any(c.q_value <= 0.05)) for c in cells) <= high


@pytest.mark.slow
def test_combination_index_of_loewe_additive_rays():
    n = 120
    found = [combination_index(study("loewe", 4, s), effects=0.5) for s in range(n)]
    low, high = binomial_limits(n, 0.05)
    assert low <= sum(bool(f.p_value[0] <= 0.05) for f in found) <= high


def test_flat_drug_gives_numbers_only_where_they_mean_something():
    """In a hundredth of studies noise passes for a curve; HSA and Bliss are estimable always."""
    seeds = range(12)
    _, b = drugs()
    typed = 0
    for s in seeds:
        rng = np.random.default_rng(s)
        y = b.effect(B) + rng.normal(0, 0.03, (3, A.size))
        surface = collect([np.tile(A, 3), np.tile(B, 3)], y.ravel(), np.repeat(np.arange(3), A.size))
        assert score(surface, "bliss").status == score(surface, "hsa").status == "estimated"
        typed += score(surface, "loewe").status == "not_estimable"
    assert typed >= 11
