"""Ratio of two doses on the log scale: intervals, p-values, bounds and pairing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student

from rechallenge.stats.hill import HillFits, fit_hill, ic50_interval, log_ratio

DOSES = 20 / 3.0 ** np.arange(9)


def lines(
    n: int, groups: int, seed: int, *, ratio: float = 4.0, own: float = 0.05, common: float = 0.0, top: float = 20.0
) -> HillFits:
    """2 n curves: n sensitive ones (IC50 1) and n that need ``ratio`` times the dose; replicates partly in common."""
    rng = np.random.default_rng(seed)
    shift = rng.normal(0, common, (1, n, groups, 1)) + rng.normal(0, own, (2, n, groups, 1))
    ic50 = np.array([1.0, ratio]).reshape(2, 1, 1, 1) * 10**shift
    doses = DOSES * top / 20
    y = 0.1 + 0.9 / (1 + (doses / ic50 * 1.25 ** (1 / 1.4)) ** 1.4) + rng.normal(0, 0.04, (2, n, groups, 9))
    curve, replicate, x = (a.ravel() for a in np.meshgrid(np.arange(2 * n), np.arange(groups), doses, indexing="ij"))
    return fit_hill(curve, x, y.ravel(), replicate=replicate)


def test_estimate_error_and_df_are_those_of_the_two_doses() -> None:
    fits = lines(5, 4, seed=1)
    single, ratio = ic50_interval(fits, 0.5), log_ratio(fits, np.arange(5, 10), np.arange(5), method="delta")
    a, b = single.log10_dose[5:], single.log10_dose[:5]
    va, vb = single.se[5:] ** 2, single.se[:5] ** 2
    assert ratio.log10_ratio == pytest.approx(a - b)
    assert ratio.se == pytest.approx(np.sqrt(va + vb))
    assert ratio.df == pytest.approx((va + vb) ** 2 / (va**2 / 3 + vb**2 / 3))
    half = student.ppf(0.975, ratio.df) * ratio.se
    assert ratio.log10_hi - ratio.log10_ratio == pytest.approx(half)
    assert ratio.p_value == pytest.approx(2 * student.sf(np.abs(a - b) / ratio.se, ratio.df))
    assert (ratio.status == "estimated").all()


def test_mover_recovers_the_two_intervals() -> None:
    """With the same df on either side, limits are the root of summed squares of the single limits' distances."""
    fits = lines(6, 4, seed=2)
    ratio = log_ratio(fits, np.arange(6, 12), np.arange(6))
    for i in range(6):
        # Single intervals at the t of the pair: confidence chosen so that t with 3 df is that t.
        t = student.ppf(0.975, ratio.df[i])
        single = ic50_interval(fits, 0.5, confidence=1 - 2 * student.sf(t, 3))
        a, b = single.log10_dose[[6 + i, i]]
        lo = a - b - np.hypot(a - single.log10_lo[6 + i], single.log10_hi[i] - b)
        hi = a - b + np.hypot(single.log10_hi[6 + i] - a, b - single.log10_lo[i])
        assert (ratio.log10_lo[i], ratio.log10_hi[i]) == pytest.approx((lo, hi), rel=1e-6)


@pytest.mark.parametrize("method", ["mover", "delta"])
@pytest.mark.parametrize("paired", [False, True])
def test_p_value_and_interval_agree_and_swapping_turns_them_round(method: str, paired: bool) -> None:
    fits = lines(40, 3, seed=3, ratio=1.5)
    one = log_ratio(fits, np.arange(40, 80), np.arange(40), method=method, paired=paired)  # type: ignore[arg-type]
    two = log_ratio(fits, np.arange(40), np.arange(40, 80), method=method, paired=paired)  # type: ignore[arg-type]
    outside = (one.log10_lo > 0) | (one.log10_hi < 0)
    assert outside.any()
    assert not outside.all()
    np.testing.assert_array_equal(one.p_value < 0.05, outside)
    assert two.log10_lo == pytest.approx(-one.log10_hi)
    assert two.log10_hi == pytest.approx(-one.log10_lo)
    assert two.p_value == pytest.approx(one.p_value, rel=1e-6)


def test_no_difference_is_rejected_at_the_nominal_rate() -> None:
    fits = lines(1500, 3, seed=4, ratio=1.0)
    for method in ("mover", "delta"):
        p = log_ratio(fits, np.arange(1500, 3000), np.arange(1500), method=method).p_value  # type: ignore[arg-type]
        assert 0.025 < np.mean(p < 0.05) < 0.065
        assert np.mean(p < 0.01) < 0.017


def test_interval_covers_and_pairing_pays_where_replicates_move_together() -> None:
    fits = lines(1200, 3, seed=5, ratio=4.0, common=0.15)
    truth, width = np.log10(4), {}
    for paired in (False, True):
        ratio = log_ratio(fits, np.arange(1200, 2400), np.arange(1200), paired=paired)
        assert np.mean((ratio.log10_lo <= truth) & (truth <= ratio.log10_hi)) > 0.925
        width[paired] = np.median(ratio.log10_hi - ratio.log10_lo)
    assert ratio.df == pytest.approx(np.full(1200, 2.0))
    assert width[True] < 0.75 * width[False]


def test_pairing_needs_the_same_replicates_on_either_side() -> None:
    rng = np.random.default_rng(6)
    x, label = np.tile(DOSES, 3), np.repeat(np.arange(3), 9)
    y = [0.1 + 0.9 / (1 + (x / c) ** 1.4) + rng.normal(0, 0.03, 27) for c in (1.0, 3.0)]
    curve = np.repeat([0, 1], 27)
    apart = fit_hill(curve, np.tile(x, 2), np.concatenate(y), replicate=np.concatenate([label, label + 5]))
    free = log_ratio(apart, [1], [0])
    asked = log_ratio(apart, [1], [0], paired=True)
    assert asked.se == pytest.approx(free.se)
    assert asked.df == pytest.approx(free.df)


def test_a_dose_that_was_not_reached_gives_a_bound() -> None:
    fits = lines(3, 3, seed=7, ratio=400.0)
    above = log_ratio(fits, [3, 4, 5], [0, 1, 2])
    assert above.numerator.tolist() == ["censored_above"] * 3
    assert above.status.tolist() == ["censored_above"] * 3
    assert np.isnan(above.log10_ratio).all()
    assert (above.hi == np.inf).all()
    assert (above.lo > 1).all()
    assert (above.lo < 30).all()
    assert (above.p_value < 0.05).all()
    below = log_ratio(fits, [0, 1, 2], [3, 4, 5])
    assert below.status.tolist() == ["censored_below"] * 3
    assert below.hi == pytest.approx(1 / above.lo)
    assert (below.lo == 0).all()
    neither = log_ratio(fits, [3], [4])
    assert neither.status[0] == "not_estimable"
    assert np.isnan([neither.lo[0], neither.hi[0], neither.p_value[0]]).all()


def test_a_bound_that_cannot_tell_has_no_p_value() -> None:
    """The numerator was tested up to 20 only, the denominator has its IC50 at 60."""
    rng = np.random.default_rng(8)
    label = np.repeat(np.arange(3), 9)
    x = [np.tile(DOSES, 3), np.tile(DOSES * 100, 3)]
    y = [0.1 + 0.9 / (1 + (d / 60.0) ** 1.4) + rng.normal(0, 0.03, 27) for d in x]
    curve = np.repeat([0, 1], 27)
    fits = fit_hill(curve, np.concatenate(x), np.concatenate(y), replicate=np.tile(label, 2))
    ratio = log_ratio(fits, [0], [1])
    assert ratio.status[0] == "censored_above"
    assert ratio.lo[0] < 1
    assert np.isnan(ratio.p_value[0])


def test_relative_ratio_is_that_of_the_ec50() -> None:
    fits = lines(4, 3, seed=9)
    ratio = log_ratio(fits, [4, 5, 6, 7], [0, 1, 2, 3], 0.5, relative=True)
    assert ratio.ratio == pytest.approx(fits.ec50[4:] / fits.ec50[:4])


def test_impossible_questions_are_refused() -> None:
    fits = lines(1, 3, seed=10)
    with pytest.raises(ValueError, match="curve numbers"):
        log_ratio(fits, [2], [0])
    with pytest.raises(ValueError, match="numerator has"):
        log_ratio(fits, [0, 1], [0])
    with pytest.raises(ValueError, match="method"):
        log_ratio(fits, [0], [1], method="fieller")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="relative level"):
        log_ratio(fits, [0], [1], 1.5, relative=True)
