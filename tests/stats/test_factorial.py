"""Contrasts and ratios over biological replicates: against scipy, by simulation, and what cannot be tested."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rechallenge.stats.factorial import contrast, log2_contrast, ratio

E = ("e1", "e2", "e3", "e4")
INTERACTION = [1, -1, -1, 1]


def arm(values: list[float], prefix: str = "e") -> dict[str, float]:
    return {f"{prefix}{i + 1}": v for i, v in enumerate(values)}


A, B = [1.0, 1.4, 0.9, 1.7], [0.2, 0.9, 0.3, 0.8]


def test_shared_labels_give_the_paired_test() -> None:
    out, known = contrast([arm(A), arm(B)], [1, -1]), stats.ttest_rel(A, B)
    limits = known.confidence_interval()
    assert (out.effect, out.p_value, out.n, out.df) == pytest.approx((np.mean(A) - np.mean(B), known.pvalue, 4, 3))
    assert (out.ci_low, out.ci_high) == pytest.approx((limits.low, limits.high))
    assert out.design == "replicate as block" and out.status == "estimated"


def test_other_labels_give_welch() -> None:
    out, known = contrast([arm(A), arm(B[:3], "x")], [1, -1]), stats.ttest_ind(A, B[:3], equal_var=False)
    assert (out.statistic, out.p_value, out.df, out.n) == pytest.approx((known.statistic, known.pvalue, known.df, 7))
    assert out.design == "independent arms (Welch)"


def test_blocks_within_groups_are_kept() -> None:
    """Two arms of one set of experiments against two of another is Welch's test of the differences."""
    c, d = [0.1, 0.2, 0.15], [0.3, 0.2, 0.6]
    out = contrast([arm(A), arm(B), arm(c, "x"), arm(d, "x")], INTERACTION)
    known = stats.ttest_ind(np.subtract(A, B), np.subtract(c, d), equal_var=False)
    assert (out.p_value, out.df, out.n) == pytest.approx((known.pvalue, known.df, 7))
    assert out.design.startswith("blocks within groups")


def test_a_replicate_that_is_not_in_every_arm_is_left_out_and_said() -> None:
    out = contrast([arm(A), arm(B[:3])], [1, -1])
    assert out.p_value == pytest.approx(stats.ttest_rel(A[:3], B[:3]).pvalue)
    assert out.n == 3 and "without 1 replicate that is not in every arm" in out.design


def test_replicates_that_overlap_once_are_no_blocks() -> None:
    out = contrast([{"a": 1.0, "b": 1.2, "c": 1.1}, {"c": 0.2, "d": 0.4, "e": 0.1}], [1, -1])
    assert out.n == 6 and "overlap in part" in out.design


@pytest.mark.parametrize(
    ("arms", "status", "reason"),
    [
        ([{"e1": 1.0}, {"e1": 0.5}], "not_testable", "one biological replicate"),
        ([arm(A), {"x": 0.5}], "not_testable", "an arm with one biological replicate"),
        ([arm([1.0, 1.0]), arm([0.5, 0.5])], "not_testable", "do not differ at all"),
        ([arm(A), {}], "not_estimable", "no measurement of control"),
        ([arm(A), {"e1": float("nan")}], "not_estimable", "no measurement of control"),
    ],
)
def test_what_cannot_be_tested_is_typed(arms: list[dict[str, float]], status: str, reason: str) -> None:
    out = contrast(arms, [1, -1], names=["drug", "control"])
    assert out.status == status and reason in out.reason
    assert np.isnan([out.p_value, out.se, out.ci_low, out.statistic]).all()
    assert np.isnan(out.effect) == (status == "not_estimable")


def test_an_arm_without_weight_is_not_looked_at() -> None:
    assert contrast([arm(A), arm(B), {}], [1, -1, 0]) == contrast([arm(A), arm(B)], [1, -1])


def test_impossible_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="as many weights"):
        contrast([arm(A)], [1, -1])
    with pytest.raises(ValueError, match="as many names"):
        contrast([arm(A)], [1], names=["a", "b"])
    with pytest.raises(ValueError, match="confidence"):
        contrast([arm(A)], [1], confidence=95)
    with pytest.raises(ValueError, match="finite"):
        contrast([arm(A)], [float("nan")])
    with pytest.raises(ValueError, match="floor"):
        log2_contrast([arm(A)], [1], floor=0)
    with pytest.raises(ValueError, match="n_boot"):
        ratio([arm(A)], [1], [1], n_boot=-1)


def test_nothing_left_gives_a_bound_on_the_side_where_it_stands() -> None:
    high, low = arm([0.8, 0.9, 0.7]), arm([0.0, 0.02, -0.01])
    falls = log2_contrast([low, high], [1, -1], floor=0.01)
    rises = log2_contrast([high, low], [1, -1], floor=0.01)
    assert falls.status == rises.status == "censored"
    assert falls.ci_low == -np.inf and falls.ci_high < 0 and rises.ci_high == np.inf
    assert rises.ci_low == pytest.approx(-falls.ci_high)
    assert np.isnan([falls.effect, falls.p_value, falls.se]).all() and "at or below 0.01 in arm 1" in falls.reason
    both = log2_contrast([low, arm([0.0, 0.3, 0.2])], [1, -1], floor=0.01)
    assert both.status == "not_estimable" and np.isnan(both.ci_high)


def test_log2_of_positive_values_is_the_plain_contrast() -> None:
    one, two = arm([0.8, 0.9, 0.7]), arm([0.2, 0.3, 0.25])
    logs = [{k: float(np.log2(v)) for k, v in a.items()} for a in (one, two)]
    assert log2_contrast([one, two], [1, -1], floor=0.01) == contrast(logs, [1, -1])


def three(n: int = 4, seed: int = 0, fraction: float = 0.5) -> list[dict[str, float]]:
    rng = np.random.default_rng(seed)
    return [arm((m + rng.normal(0, 0.04, n)).tolist()) for m in (0.3 + fraction * 0.6, 0.3, 0.9)]


def test_fieller_is_the_closed_form_in_blocks() -> None:
    arms = three()
    out = ratio(arms, [1, -1, 0], [0, -1, 1])
    n, d = (np.array([a[e] - arms[1][e] for e in E]) for a in (arms[0], arms[2]))
    (vn, c), (_, vd) = np.cov(n, d) / 4
    t2 = stats.t.ppf(0.975, 3) ** 2
    # |N - rD|^2 <= t^2 (vn - 2 r c + r^2 vd) at its two ends
    a, b, e = d.mean() ** 2 - t2 * vd, n.mean() * d.mean() - t2 * c, n.mean() ** 2 - t2 * vn
    ends = (b + np.array([-1, 1]) * np.sqrt(b**2 - a * e)) / a
    assert (out.ci_low, out.ci_high) == pytest.approx(tuple(ends))
    assert out.effect == pytest.approx(n.mean() / d.mean()) and out.p_value == pytest.approx(
        stats.ttest_1samp(n, 0).pvalue
    )
    assert out.ci_low < out.boot_low < out.effect < out.boot_high < out.ci_high


def test_a_ratio_is_deterministic_and_scale_free() -> None:
    one = ratio(three(), [1, -1, 0], [0, -1, 1], seed=3, key="k")
    assert one == ratio(three(), [1, -1, 0], [0, -1, 1], seed=3, key="k")
    few = [ratio(three(8), [1, -1, 0], [0, -1, 1], n_boot=50, seed=s, key="k").boot_low for s in (3, 4)]
    assert few[0] != few[1]
    large = [{k: 1000 * v for k, v in a.items()} for a in three()]
    assert ratio(large, [1, -1, 0], [0, -1, 1]).ci_high == pytest.approx(one.ci_high)


def test_a_ratio_needs_its_denominator() -> None:
    flat = [arm([0.9, 1.0, 0.95]), arm([0.98, 0.9, 1.01]), arm([0.97, 0.99, 0.96])]
    out = ratio(flat, [1, -1, 0], [0, -1, 1])
    assert out.status == "not_estimable" and "denominator is not shown" in out.reason and np.isnan(out.effect)
    assert out.denominator.status == "estimated"
    single = ratio([{"e1": 0.6}, {"e1": 0.3}, {"e1": 0.9}], [1, -1, 0], [0, -1, 1])
    assert single.status == "not_testable" and single.effect == pytest.approx(0.5) and np.isnan(single.p_value)
    missing = ratio([arm(A), {}, arm(B)], [1, -1, 0], [0, -1, 1], names=["a", "drug alone", "c"])
    assert missing.status == "not_estimable" and missing.reason == "no measurement of drug alone"


def _within(hits: int, n: int, rate: float) -> bool:
    """Inside the central 99.9 % of a binomial."""
    low, high = stats.binom.ppf([0.0005, 0.9995], n, rate)
    return bool(low <= hits <= high)


@pytest.mark.slow
@pytest.mark.parametrize("blocks", [True, False])
@pytest.mark.parametrize("n", [3, 5])
def test_the_interaction_holds_its_level_with_unequal_scatter(n: int, blocks: bool) -> None:
    rng, runs, hits, covered = np.random.default_rng(5), 1500, 0, 0
    for _ in range(runs):
        common = rng.normal(0, 0.2, n)
        scatter = [common * blocks + rng.normal(0, s, n) for s in (0.1, 0.2, 0.1, 0.4)]
        arms = [arm(v.tolist(), "e" if blocks else f"{i}-") for i, v in enumerate(scatter)]
        out = contrast(arms, INTERACTION)
        hits, covered = hits + (out.p_value < 0.05), covered + (out.ci_low <= 0 <= out.ci_high)
    assert _within(hits, runs, 0.05) and _within(covered, runs, 0.95)


@pytest.mark.slow
@pytest.mark.parametrize("fraction", [0.0, 0.5])
def test_fieller_covers_the_fraction(fraction: float) -> None:
    runs, covered, hits = 300, 0, 0
    for seed in range(runs):
        out = ratio(three(4, seed, fraction), [1, -1, 0], [0, -1, 1], n_boot=0)
        covered, hits = covered + (out.ci_low <= fraction <= out.ci_high), hits + (out.p_value < 0.05)
    assert _within(covered, runs, 0.95)
    assert _within(hits, runs, 0.05) if fraction == 0 else hits > 0.9 * runs
