"""Tests of no effect, of fit and of a turning response: their size under the null, and their power."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import f as fisher

from rechallenge.stats.hill import Bounds, HillFits, fit_hill, flat_test, hook_flag, lack_of_fit

Floats = NDArray[np.float64]
DOSES = 20 / 3.0 ** np.arange(9)


def fits_of(mean: Floats, n: int, seed: int, *, wells: int = 3, noise: float = 0.05, **options: object) -> HillFits:
    """``n`` noisy copies of nine dose means."""
    rng = np.random.default_rng(seed)
    y = np.repeat(mean, wells) + rng.normal(0, noise, (n, 9 * wells))
    x = np.tile(np.repeat(DOSES, wells), n)
    return fit_hill(np.repeat(np.arange(n), 9 * wells), x, y.ravel(), **options)  # type: ignore[arg-type]


def rate(p: Floats, alpha: float) -> tuple[float, float]:
    """Share below ``alpha`` and four binomial standard errors, with the simulation of the null itself allowed for."""
    return float(np.mean(p < alpha)), 4 * np.sqrt(alpha * (1 - alpha) * (1 / p.size + 1 / 5000))


@pytest.mark.parametrize(
    ("wells", "options"),
    [
        (3, {}),
        (1, {}),
        (3, {"e0": 1.0}),
        (3, {"model": "3p"}),
        (3, {"model": "2p"}),
        (2, {"bounds": Bounds(e0=(0.5, 1.5), einf=(0.0, 1.2))}),
    ],
)
def test_flat_data_are_rejected_at_the_nominal_rate(wells: int, options: dict[str, object]) -> None:
    fits = fits_of(np.ones(9), 4000, seed=1, wells=wells, **options)
    test = flat_test(fits, seed=2)
    assert (test.status == "tested").mean() > 0.995
    p = test.p_value[test.status == "tested"]
    assert p.min() > 0
    assert p.max() <= 1
    for alpha in (0.05, 0.01):
        found, allowed = rate(p, alpha)
        assert abs(found - alpha) < allowed
    # What the calibration is for: the textbook distribution is far off in this design.
    textbook, allowed = rate(fisher.sf(test.statistic, test.df1, test.df2), 0.05)
    assert abs(textbook - 0.05) > allowed


def test_a_planted_effect_is_found() -> None:
    weak = 0.85 + 0.15 / (1 + (DOSES / 1.0) ** 1.4)
    test = flat_test(fits_of(weak, 400, seed=3))
    assert np.mean(test.p_value < 0.01) > 0.95
    strong = flat_test(fits_of(0.1 + 0.9 / (1 + DOSES**1.4), 50, seed=4))
    assert (strong.p_value < 1e-12).all()
    assert (strong.p_value > 0).all()


def test_dead_at_every_dose_is_an_effect_where_e0_is_known() -> None:
    fixed = flat_test(fits_of(np.full(9, 0.1), 20, seed=5, e0=1.0))
    assert (fixed.p_value < 1e-6).all()
    free = flat_test(fits_of(np.full(9, 0.1), 200, seed=5))
    assert np.mean(free.p_value < 0.05) < 0.12


def test_flat_test_is_monotone_reproducible_and_per_design() -> None:
    one, two = (
        fits_of(np.linspace(1, 0.9, 9)[::-1], 60, seed=6),
        fits_of(np.linspace(1, 0.9, 9)[::-1], 60, seed=7, wells=1),
    )
    test = flat_test(one)
    order = np.argsort(test.statistic)
    assert (np.diff(test.p_value[order]) <= 1e-15).all()
    np.testing.assert_array_equal(test.p_value, flat_test(one).p_value)
    x = np.concatenate([np.tile(np.repeat(DOSES, 3), 60), np.tile(DOSES, 60)])
    rng = np.random.default_rng(8)
    curve = np.concatenate([np.repeat(np.arange(60), 27), np.repeat(np.arange(60, 120), 9)])
    y = 1 + rng.normal(0, 0.05, x.size)
    mixed = flat_test(fit_hill(curve, x, y))
    alone = flat_test(fit_hill(curve[curve < 60], x[curve < 60], y[curve < 60]))
    np.testing.assert_allclose(mixed.p_value[:60], alone.p_value, rtol=1e-9)
    assert len(two) == 60


def test_lack_of_fit_is_that_of_drc(shared: Path) -> None:
    """R drc 3.0-1: modelFit of ryegrass, F 0.24106 on 3 and 17 df, p 0.86648."""
    data = np.genfromtxt(shared / "data/pharmacology/drc/ryegrass.csv", delimiter=",", names=True)
    test = lack_of_fit(fit_hill(np.zeros(data.size, int), data["conc"], data["rootl"]))
    assert (test.df1[0], test.df2[0]) == (3, 17)
    assert test.statistic[0] == pytest.approx(0.24106, rel=1e-4)
    assert test.p_value[0] == pytest.approx(0.86648, rel=1e-4)


def test_lack_of_fit_has_its_size_and_power() -> None:
    curve = 0.1 + 0.9 / (1 + DOSES**1.4)
    p = lack_of_fit(fits_of(curve, 3000, seed=9)).p_value
    assert abs(np.mean(p < 0.05) - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 3000)
    two_steps = 0.1 + 0.45 / (1 + (DOSES / 0.05) ** 3) + 0.45 / (1 + (DOSES / 5) ** 3)
    assert (lack_of_fit(fits_of(two_steps, 50, seed=10, noise=0.03)).p_value < 0.01).all()
    single = lack_of_fit(fits_of(curve, 5, seed=11, wells=1))
    assert (single.status == "not_testable").all()
    assert np.isnan(single.p_value).all()


@pytest.mark.parametrize("shape", ["flat", "plateau", "steep", "rising"])
def test_monotone_responses_are_not_called_hooks(shape: str) -> None:
    mean = {
        "flat": np.ones(9),
        "plateau": 0.1 + 0.9 / (1 + (DOSES / 0.02) ** 3),
        "steep": 0.1 + 0.9 / (1 + (DOSES / 5) ** 2),
        "rising": 0.1 + 0.9 / (1 + (0.05 / DOSES) ** 3),
    }[shape]
    test = hook_flag(fits_of(mean, 3000, seed=12), alpha=0.05)
    assert np.mean(test.flag) < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 3000)


def test_a_response_that_turns_back_is_flagged_with_its_dose() -> None:
    falling = 0.2 + 0.8 / (1 + (DOSES / 0.05) ** 2)
    hook = np.where(DOSES > 5, falling + 0.25, falling)
    test = hook_flag(fits_of(hook, 100, seed=13))
    assert test.flag.mean() > 0.95
    assert np.median(test.turning_dose) == pytest.approx(np.sort(DOSES)[-3])
    bump = hook_flag(fits_of(2 - hook, 100, seed=13))
    np.testing.assert_allclose(bump.statistic > 3, test.statistic > 3)
    single = hook_flag(fits_of(hook, 3, seed=14, wells=1))
    assert (single.status == "not_testable").all()
    assert not single.flag.any()


def test_robust_fits_and_impossible_options_are_refused() -> None:
    fits = fits_of(np.ones(9), 2, seed=15, robust="tukey")
    for test in (flat_test, lack_of_fit, hook_flag):
        with pytest.raises(ValueError, match="least-squares"):
            test(fits)
    plain = fits_of(np.ones(9), 2, seed=15)
    with pytest.raises(ValueError, match="n_sim"):
        flat_test(plain, n_sim=10)
    with pytest.raises(ValueError, match="alpha"):
        hook_flag(plain, alpha=5)


def test_curves_without_a_fit_are_not_testable() -> None:
    fits = fit_hill([0, 0, 1, 1, 1, 1, 1], [1, 2, 1, 2, 3, 4, 5], [1, 0.5, 1, 1, 1, 1, 1])
    for test in (flat_test(fits), lack_of_fit(fits), hook_flag(fits)):
        assert (test.status == "not_testable").all()
        assert np.isnan(test.p_value).all()
