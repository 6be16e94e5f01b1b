"""Rates over many simulated experiments: level, coverage, power (all random states from 0 on)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from tumour_examples import ADDITIVE, SYNERGY, experiment

from rechallenge.assays import tumours as assay
from rechallenge.assays.tumours.arms import arm_order, parse_arms
from rechallenge.assays.tumours.contrasts import BLISS, plans
from rechallenge.assays.tumours.data import volumes
from rechallenge.assays.tumours.endpoint import log_rank_scores
from rechallenge.assays.tumours.exact import permuted
from rechallenge.assays.tumours.model import grow
from rechallenge.stats.mixed import Estimate

pytestmark = pytest.mark.slow


def interactions(trials: int, **settings: object) -> tuple[list[Estimate], list[Estimate]]:
    """Bliss contrasts by the mixed model and by per-animal slopes."""
    mixed, two = [], []
    for seed in range(trials):
        table = volumes(experiment(seed, **settings))  # type: ignore[arg-type]
        arms = parse_arms(list(table["arm"]))
        plan = next(p for p in plans(arms) if p.kind == BLISS)
        a, b = grow(table, arm_order(list(arms))).contrast(plan.weights, 0.95)
        mixed.append(a)
        two.append(b)
    return mixed, two


def within(count: int, trials: int, rate: float) -> bool:
    """Inside the central 99.99 % of the binomial distribution."""
    return bool(stats.binom.ppf(5e-5, trials, rate) <= count <= stats.binom.ppf(1 - 5e-5, trials, rate))


@pytest.mark.parametrize("n", [4, 6, 8])
def test_no_interaction_is_found_at_the_stated_rate(n: int) -> None:
    for found in interactions(250, n=n, rates=ADDITIVE):
        rejected = sum(e.p_value < 0.05 for e in found)
        covered = sum(e.ci_low <= 0 <= e.ci_high for e in found)
        assert within(rejected, 250, 0.05) and within(covered, 250, 0.95)


def test_a_planted_interaction_is_found_as_often_as_planned() -> None:
    """`tumour_power` from one large study of the same kind says how often 6 animals an arm find it."""
    settings = {"rates": SYNERGY, "sd_slope": 0.03}
    study = experiment(10_000, n=60, **settings)  # type: ignore[arg-type]
    plan = assay.tumour_power(study, effect=0.06 / 0.10, largest=6)
    planned = plan[plan["contrast"].str.startswith("interaction")].set_index("n_per_arm").loc[6]
    assert planned["effect"] == pytest.approx(0.06, abs=0.01)
    found, _ = interactions(250, n=6, **settings)
    shift = planned["power"]
    assert 0.4 < shift < 0.9
    assert abs(sum(e.p_value < 0.05 for e in found) / 250 - shift) < 0.12
    assert within(sum(e.ci_low <= -0.06 <= e.ci_high for e in found), 250, 0.95)
    assert np.mean([e.effect for e in found]) == pytest.approx(-0.06, abs=0.01)


def test_removal_at_a_burden_limit_leaves_the_level() -> None:
    """Animals leave after the first volume above the limit: missing at random given the volumes seen."""
    found, _ = interactions(250, n=6, rates=ADDITIVE, burden=600)
    assert within(sum(e.p_value < 0.05 for e in found), 250, 0.05)


@pytest.mark.parametrize("draw", [np.random.Generator.exponential, np.random.Generator.weibull])
def test_log_rank_with_eight_animals_an_arm(draw: Callable[..., np.ndarray]) -> None:
    """The permutation p of the log-rank statistic keeps its level (chi-squared: 6.5 to 7 % at 5 %)."""
    rejected = 0
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        time = draw(rng, 1.5, 16)
        data = np.column_stack([np.minimum(time, 2.5), time <= 2.5]).astype(float)
        scores = log_rank_scores(data)
        rejected += permuted(scores[:8], scores[8:], 99, 0, "")[0] < 0.05
    assert within(rejected, 1000, 0.05)
