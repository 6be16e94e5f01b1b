"""Median effect, combination index, dose reduction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rechallenge.stats.hill import fit_hill
from rechallenge.stats.synergy import cell_index, collect, combination_index, median_effect, rays
from rechallenge.stats.synergy.chou import index, index_se, relative_dose

D = np.array([0.25, 0.5, 1.0, 2.0, 4.0, 8.0])
EFFECTS = [0.5, 0.75, 0.9, 0.95]


def fa(dose, dm, m):
    with np.errstate(divide="ignore"):
        return 1 / (1 + (dm / np.asarray(dose, dtype=float)) ** m)


def ray(replicates=1, sd=0.0, seed=1, flat=False, mix=1.5):
    rng = np.random.default_rng(seed)
    a, b = np.r_[D, 0 * D, D / 2], np.r_[0 * D, D, D / 2]
    one = np.r_[0 * D if flat else fa(D, 2, 1.2), fa(D, 5, 1.5), fa(D, mix, 1.4)]
    y = one + rng.normal(0, sd, (replicates, one.size)) if sd else np.tile(one, (replicates, 1))
    n = replicates
    return collect([np.tile(a, n), np.tile(b, n)], y.ravel(), np.repeat(np.arange(n), one.size))


@pytest.mark.parametrize("fit", ["curve", "linear"])
def test_analytic_combination_index(fit):
    """Dm 2 and 5, mixture 1.5 (1:1), m 1.2, 1.5 and 1.4."""
    found = combination_index(ray(), effects=EFFECTS, fit=fit)
    np.testing.assert_allclose(found.ci, [0.525, 0.4870828, 0.4552344, 0.4366970], atol=1e-6)
    np.testing.assert_allclose(found.dri[:, 0], [2.6666667, 3.0392672, 3.4639294, 3.7861804], rtol=1e-6)
    np.testing.assert_allclose(found.dri[:, 1], [6.6666667, 6.3268667, 6.0043862, 5.7944966], rtol=1e-6)
    assert found.ratio == pytest.approx(1.0)
    assert found.status == "not_testable"
    assert np.isnan(found.ci_low).all()


def test_isobologram_points():
    found = combination_index(ray(), effects=0.5)
    np.testing.assert_allclose(found.dose_alone, [[2.0, 5.0]], rtol=1e-6)
    np.testing.assert_allclose(found.dose_mix, [[0.75, 0.75]], rtol=1e-6)
    assert (found.dose_mix / found.dose_alone).sum() == pytest.approx(float(found.ci[0]))


def test_effects_beyond_the_tested_doses_are_marked():
    found = combination_index(ray(), effects=[0.5, 0.95])
    assert found.extrapolated.tolist() == [False, True]


def test_published_table_from_its_own_median_effects():
    """PMC20982, table 3, P388 and doxorubicin: CI .232, .166, .119, .095 and dose reduction 5.0 and 31.4.

    From its rounded Dm (2.1 and 66 alone, .42 and 2.1 in the mixture) and m (1.0, .88, 1.4); published .23, .17, .12,
    .099 and 5.14, 31.7.

    Another row, Dm .23, 44, .084, .42 and m 1.5, .87, 1.9: .375, .318, .271, .243 and 2.74, 104.8 (published .41, .36,
    .31, .28 and 2.71, 104).
    """
    logit = np.log(np.array(EFFECTS) / (1 - np.array(EFFECTS)))
    for (da, ma), (db, mb), (xa, xb), m, ci, dri in (
        ((2.1, 1.0), (66, 0.88), (0.42, 2.1), 1.4, [0.232, 0.166, 0.119, 0.095], [5.0, 31.428571]),
        ((0.23, 1.5), (44, 0.87), (0.084, 0.42), 1.9, [0.375, 0.318, 0.271, 0.243], [2.7380952, 104.7619]),
    ):
        alone = np.stack([np.log(da) + logit / ma, np.log(db) + logit / mb], axis=-1)
        log_ci, log_dri = index(np.log(xa + xb) + logit / m, alone, xb / xa)
        np.testing.assert_allclose(np.exp(log_ci), ci, atol=5.1e-4)
        np.testing.assert_allclose(np.exp(log_dri[0]), dri, rtol=1e-6)


def test_combination_index_with_standard_error_as_drc(shared: Path):
    """R drc 3.0-1, CIcompX(0.5, ...) on acidiq: CI and its standard error at 10, 20, 50 and 70 %."""
    table = pd.read_csv(shared / "data/pharmacology/drc/acidiq.csv")
    parts = [table[table.pct.isin([p, 999])] for p in (50, 100, 0)]
    curve = np.concatenate([np.full(len(p), i) for i, p in enumerate(parts)])
    fits = fit_hill(
        curve, np.concatenate([p.dose for p in parts]), np.concatenate([p.rgr for p in parts]), covariance="observed"
    )
    for effect, ci, se in (
        (0.1, 2.2763585, 0.36363186), (0.2, 1.9010347, 0.20536711), (0.5, 1.4803732, 0.12057188),
        (0.7, 1.3186279, 0.14421432),
    ):  # fmt: skip
        log_dose, log_se = relative_dose(fits, effect)
        log_ci, log_dri = index(log_dose[0], log_dose[1:], 1.0)
        assert float(np.exp(log_ci)) == pytest.approx(ci, rel=5e-5)
        assert float(np.exp(log_ci) * index_se(log_dri, log_se[0], log_se[1:])) == pytest.approx(se, rel=5e-5)


def test_delta_standard_error_is_that_of_simulated_studies():
    values, errors = [], []
    for seed in range(60):
        found = combination_index(ray(1, 0.02, seed), effects=0.5, interval="delta")
        assert found.status == "estimated"
        values.append(np.log(found.ci[0]))
        errors.append(found.se_log[0])
    assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.3)


@pytest.mark.parametrize("interval", ["jackknife", "bootstrap", "delta"])
def test_replicates_give_an_interval(interval):
    found = combination_index(ray(4, 0.02), effects=[0.5, 0.75], interval=interval)
    assert np.all((found.ci_low < found.ci) & (found.ci < found.ci_high))
    # percentiles over four replicates are too narrow to promise it
    truth = np.array([0.525, 0.4870828])
    assert interval == "bootstrap" or np.all((found.ci_low < truth) & (truth < found.ci_high))
    assert np.all(found.p_value < 0.01)
    assert np.all(found.dri_low < found.dri_high)


def test_linear_fit_says_how_many_points_it_cannot_show():
    fit = median_effect(D, [-0.02, 0.2, 0.4, 0.6, 0.8, 1.01], fit="linear")
    assert fit.n_excluded.tolist() == [2]
    assert 0.9 < fit.r[0] <= 1
    assert median_effect(D, fa(D, 2.0, 1.2), fit="linear").r[0] == pytest.approx(1.0)


def test_linear_covariance_is_that_of_the_regression():
    rng = np.random.default_rng(3)
    logit = 1.5 * np.log(D / 2.0) + rng.normal(0, 0.2, (4000, D.size))
    fit = median_effect(D, 1 / (1 + np.exp(-logit)), fit="linear")
    spread = np.cov(fit.log_dm, fit.m)
    np.testing.assert_allclose(fit.cov.mean(axis=0), spread, rtol=0.1, atol=2e-4)


def test_flat_single_agent_has_no_combination_index():
    found = combination_index(ray(3, 0.02, flat=True))
    assert found.status == "not_estimable"
    assert "drug 1" in found.reason
    assert np.isnan(found.ci).all()
    cells = cell_index(ray(3, 0.02, flat=True))
    assert set(cells.status) == {"not_estimable"}


def test_rays_of_a_matrix_are_its_diagonals():
    a, b = (m.ravel() for m in np.meshgrid(D[:4], D[:4], indexing="ij"))
    found = rays(collect([a, b], np.zeros(a.size)))
    assert found[0][0] == pytest.approx(1.0)
    assert [rows.size for _, rows in found] == [4, 3, 3, 2, 2, 1, 1]


def test_a_ratio_that_was_not_tested_is_refused():
    with pytest.raises(ValueError, match="no combination has the ratio"):
        combination_index(ray(), ratio=3.0)


def test_a_short_ray_is_not_estimable():
    a, b = np.r_[D, 0 * D, 1.0, 2.0], np.r_[0 * D, D, 1.0, 2.0]
    found = combination_index(collect([a, b], np.r_[fa(D, 2, 1.2), fa(D, 5, 1.5), 0.4, 0.6]))
    assert found.status == "not_estimable"
    assert "2 combinations" in found.reason


def test_cell_index_of_an_additive_matrix_is_one():
    levels = np.r_[0.0, D]
    a, b = (m.ravel() for m in np.meshgrid(levels, levels, indexing="ij"))
    cells = cell_index(collect([a, b], fa(np.maximum(a + b / 2, 1e-12), 2.0, 1.3)))
    assert set(cells.status) == {"estimated"}
    np.testing.assert_allclose(cells.ci, 1.0, atol=1e-4)


def test_cell_index_beyond_a_maximum_is_a_bound():
    levels = np.r_[0.0, D]
    a, b = (m.ravel() for m in np.meshgrid(levels, levels, indexing="ij"))
    alone = 0.5 * fa(np.maximum(a, 1e-12), 1.0, 1.3)
    y = 1 - (1 - alone) * (1 - 0.95 * fa(np.maximum(b, 1e-12), 1.0, 1.0))
    cells = cell_index(collect([a, b], y))
    assert {"bound", "estimated"} == set(cells.status)
    assert np.all(np.isfinite(cells.ci))


@pytest.mark.parametrize(
    ("options", "match"),
    [({"effects": [0.0]}, "between 0 and 1"), ({"interval": "t"}, "interval"), ({"fit": "x"}, "fit")],
)
def test_unknown_options_are_refused(options, match):
    with pytest.raises(ValueError, match=match):
        combination_index(ray(), **options)


def test_a_median_effect_plot_has_no_dose_zero():
    with pytest.raises(ValueError, match="above 0"):
        median_effect([0.0, 1.0], [0.1, 0.2])
