"""The BRAID response surface."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rechallenge.stats.synergy import Hill, braid, collect, fit_braid, loewe

DOSES = np.concatenate([[0.0], 0.125 * 2.0 ** np.arange(7)])
A, B = (m.ravel() for m in np.meshgrid(DOSES, DOSES, indexing="ij"))


def study(kappa, replicates=1, sd=0.0, seed=1, ends=(1.0, 0.9)):
    rng = np.random.default_rng(seed)
    mean = braid(A, B, 1.0, 0.7, 1.5, 2.0, kappa, 0.0, *ends)
    y = mean + (rng.normal(0, sd, (replicates, A.size)) if sd else np.zeros((replicates, A.size)))
    return collect(
        [np.tile(A, replicates), np.tile(B, replicates)], y.ravel(), np.repeat(np.arange(replicates), A.size)
    )


def test_single_agents_of_the_surface_are_hill_curves():
    a = Hill(np.float64(0.6), np.float64(1.0), np.float64(1.5))
    np.testing.assert_allclose(braid(DOSES, 0.0, 1.0, 0.7, 1.5, 2.0, 3.0, 0.0, 0.6, 0.9), a.effect(DOSES), atol=1e-12)


def test_kappa_zero_is_loewe_additive_where_slopes_and_maxima_agree():
    a, b = (Hill(np.float64(0.9), np.float64(e), np.float64(1.4)) for e in (1.0, 0.3))
    both = (A > 0) & (B > 0)
    ours = braid(A, B, 1.0, 0.3, 1.4, 1.4, 0.0, 0.0, 0.9, 0.9)
    np.testing.assert_allclose(ours[both], loewe(A, B, a, b)[0][both], atol=1e-9)


def test_kappa_raises_the_surface():
    surfaces = [braid(2.0, 0.5, 1.0, 0.7, 1.5, 2.0, k, 0.0, 1.0, 1.0) for k in (-1.5, -0.5, 0.0, 1.0, 5.0)]
    assert np.all(np.diff(surfaces) > 0)


@pytest.mark.parametrize("kappa", [-1.0, 0.0, 2.5])
def test_noiseless_surfaces_return_their_parameters(kappa):
    fit = fit_braid(study(kappa))
    np.testing.assert_allclose(fit.parameters, [1.0, 0.7, 1.5, 2.0, kappa, 0.0, 1.0, 0.9], atol=1e-4)
    np.testing.assert_allclose(fit.predict(A, B), braid(A, B, 1.0, 0.7, 1.5, 2.0, kappa, 0.0, 1.0, 0.9), atol=1e-5)
    assert fit.status == "not_testable"
    assert np.isnan(fit.p_value)


@pytest.mark.parametrize(("kappa", "sign"), [(-1.0, -1), (2.0, 1)])
def test_replicates_give_kappa_an_interval(kappa, sign):
    fit = fit_braid(study(kappa, 4, 0.04))
    assert fit.status == "estimated"
    assert fit.ci_low < kappa < fit.ci_high
    assert sign * fit.kappa > 0
    assert fit.p_value < 0.05
    assert fit.r2 > 0.95


def test_flat_single_agent_has_no_kappa():
    fit = fit_braid(study(0.0, 3, 0.03, ends=(1e-6, 0.9)))
    assert fit.status == "not_estimable"
    assert "drug 1" in fit.reason
    assert np.isnan(fit.kappa)


def test_kappa_at_its_limit_is_a_bound():
    y = np.where((A > 0) & (B > 0), 0.01, braid(A, B, 1.0, 0.7, 1.5, 2.0, 0.0, 0.0, 1.0, 1.0))
    fit = fit_braid(collect([A, B], y), source="residual")
    assert "kappa" in fit.at_bound
    assert fit.status == "bound"
    assert np.isnan(fit.p_value)


def test_unknown_options_are_refused():
    with pytest.raises(ValueError, match="source"):
        fit_braid(study(0.0), source="wells")
    with pytest.raises(ValueError, match="two drugs"):
        fit_braid(collect([[1.0], [1.0], [1.0]], [0.5]))


@pytest.mark.parametrize(
    ("name", "kappa", "low", "high", "ids", "slopes", "ends"),
    [
        ("additive", -0.2071, -0.4508, 0.0950, (0.8036, 0.9536), (2.4200, 2.6070), (0.0029, 0.9948, 1.0020)),
        ("synergistic", 2.1258, 1.6835, 2.6481, (1.0398, 1.0259), (2.9116, 2.4990), (-0.0300, 1.0080, 0.9848)),
        ("antagonistic", -1.0137, -1.1326, -0.8849, (0.9963, 0.9926), (2.8385, 2.8984), (-0.0102, 0.9908, 0.9768)),
    ],
)
def test_braidrm_fits(shared: Path, name, kappa, low, high, ids, slopes, ends):
    """braidrm 1.0.6, model kappa2, on its own examples. It shrinks kappa a little towards 0 by default, ours does not:
    the other parameters agree to three digits, kappa to 0.015; its limits are a bootstrap of residuals."""
    table = pd.read_csv(shared / f"data/pharmacology/braid/braid_{name}Example.csv")
    fit = fit_braid(collect([table.concA, table.concB], table.measure), e0=None, source="residual")
    assert fit.status == "estimated"
    assert fit.kappa == pytest.approx(kappa, abs=0.015)
    np.testing.assert_allclose(fit.parameters[:4], [*ids, *slopes], rtol=3e-3)
    np.testing.assert_allclose(fit.parameters[5:], ends, atol=1e-3)
    width = np.log1p(high / 2) - np.log1p(low / 2)
    assert np.log1p(fit.ci_high / 2) - np.log1p(fit.ci_low / 2) == pytest.approx(width, rel=0.35)


@pytest.mark.parametrize("name", ["oppositional", "coactive", "incomplete"])
def test_examples_with_a_drug_that_inhibits_nothing_are_not_estimable(shared: Path, name):
    """Here braidrm prints a kappa whose interval runs over most of its range, or does not hold the estimate."""
    table = pd.read_csv(shared / f"data/pharmacology/braid/braid_{name}Example.csv")
    fit = fit_braid(collect([table.concA, table.concB], table.measure), e0=None, source="residual")
    assert fit.status == "not_estimable"
