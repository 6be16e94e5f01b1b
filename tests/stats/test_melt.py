"""Melting curves and the F test with empirical degrees of freedom."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import least_squares

from rechallenge.stats.melt import chi2_df, curve, f_test, fit_melts, melting_point, refine
from rechallenge.stats.multiplicity import bh

T = np.array([37.0, 41, 44, 47, 50, 53, 56, 59, 63, 67])


def proteins(n: int, seed: int, shift: float = 0.0, noise: float = 0.04, run: float = 0.4) -> np.ndarray:
    """Fractions soluble [n, 2 arms x 2 replicates x 10 temperatures]; curves of a run differ by `run` deg C."""
    rng = np.random.default_rng(seed)
    tm, b, pl = rng.normal(51, 3.5, n), rng.uniform(8, 22, n), rng.uniform(0, 0.15, n)
    out = []
    for treated in (0.0, 0.0, 1.0, 1.0):
        at = tm + treated * shift + rng.normal(0, run, n)
        out.append(curve(np.column_stack([pl, b * at, b]), T) + rng.normal(0, noise, (n, len(T))))
    return np.stack(out, axis=1).reshape(n, -1)


def test_a_curve_without_noise_is_found_again() -> None:
    truth = np.array([[0.0, 550.0, 10.5], [0.1, 900.0, 18.0], [0.3, 2500.0, 46.0]])
    found = fit_melts(curve(truth, T), T)
    np.testing.assert_allclose(found.params, truth, rtol=1e-3, atol=1e-4)
    assert (found.rss < 1e-8).all() and (found.r2 > 0.999999).all()
    np.testing.assert_allclose(curve(found.params, melting_point(found.params))[np.arange(3), np.arange(3)], 0.5)


def test_no_start_of_a_general_optimiser_finds_less() -> None:
    values = proteins(40, 1)[:, :20]
    t = np.tile(T, 2)
    found = fit_melts(values, t)
    for y, rss in zip(values, found.rss, strict=True):
        for start in ([0.0, 550.0, 10.0], [0.1, 1000.0, 20.0], [0.3, 300.0, 5.0]):
            fit = least_squares(
                lambda p, y=y: curve(p[None], t)[0] - y, start, bounds=([0, 1e-5, 1e-5], [1.5, 15000, 250])
            )
            assert rss <= 2 * fit.cost + 1e-6


def test_missing_values_count_for_nothing_and_few_temperatures_make_no_curve() -> None:
    values = proteins(5, 2)[:, :20]
    t = np.tile(T, 2)
    holes = values.copy()
    holes[:, 10:] = np.nan
    np.testing.assert_allclose(fit_melts(holes, t).rss, fit_melts(values[:, :10], T).rss, rtol=1e-6)
    holes[0, 3:10] = np.nan
    found = fit_melts(holes, t)
    assert np.isnan(found.rss[0]) and np.isfinite(found.rss[1:]).all()
    params, rss = refine(values, t, found.params, np.zeros(5))
    np.testing.assert_array_equal(params, found.params)
    assert (rss == 0).all()


def test_a_curve_that_stays_above_one_half_has_no_melting_point() -> None:
    assert np.isnan(melting_point(np.array([[0.6, 550.0, 10.0]]))[0])


def test_degrees_of_freedom_of_chi_squared_are_found_again() -> None:
    x = np.random.default_rng(0).chisquare(5.3, 40000)
    assert chi2_df(x) == pytest.approx(5.3, rel=0.02)
    with pytest.raises(ValueError, match="above 0"):
        chi2_df(np.array([0.0, 1.0]))


def test_shifted_proteins_are_found_among_those_that_are_not() -> None:
    values = np.vstack([proteins(380, 3), proteins(20, 4, shift=4.0)])
    q = bh(_p(values))
    assert (q[380:] < 0.01).sum() >= 18 and (q[:380] < 0.01).sum() <= 3


def _p(values: np.ndarray) -> np.ndarray:
    t = np.tile(T, 4)
    null = fit_melts(values, t).rss
    alternative = fit_melts(values[:, :20], t[:20]).rss + fit_melts(values[:, 20:], t[20:]).rss
    return f_test(null, alternative).p_value


def test_too_few_proteins_teach_no_degrees_of_freedom() -> None:
    with pytest.raises(ValueError, match="20 proteins"):
        f_test(np.full(10, 2.0), np.ones(10))


def test_staurosporine_as_in_r(shared: Path) -> None:
    """NPARC (commit 8ae1dd2) under R 4.2.2 on its own data: d1 2.3598, d2 17.6306, 78 proteins at BH 1 %."""
    folder = shared / "data" / "target" / "nparc"
    long = pd.read_csv(folder / "stauro_tidy_filtered.csv.gz")
    wide = long.pivot_table(
        index="uniqueID", columns=["compoundConcentration", "replicate", "temperature"], values="relAbundance"
    )
    t = wide.columns.get_level_values("temperature").to_numpy(dtype=float)
    dose = wide.columns.get_level_values("compoundConcentration").to_numpy()
    y = wide.to_numpy()
    null = fit_melts(y, t).rss
    alternative = sum(fit_melts(y[:, dose == d], t[dose == d]).rss for d in (0, 20))
    reference = pd.read_csv(folder / "nparc_R_theoretical.csv").set_index("id").loc[wide.index]
    assert np.nanquantile(null - reference["rssNull"], 0.995) < 1e-6, "hardly any fit is worse than R's"
    assert np.nanquantile(alternative - reference["rssAlt"], 0.995) < 1e-5
    found = f_test(null, alternative)
    assert found.df1 == pytest.approx(2.35984, rel=0.01) and found.df2 == pytest.approx(17.63058, rel=0.015)
    hits = set(wide.index[bh(found.p_value) <= 0.01])
    r = pd.read_csv(folder / "nparc_R_empirical.csv").set_index("id")
    known = set(r.index[r["pAdj"] <= 0.01])
    assert len(known) == 78 and known <= hits and abs(len(hits) - 78) <= 3


@pytest.mark.slow
def test_nothing_against_nothing_is_called_little_more_often_than_the_level() -> None:
    """Ten proteomes of 600 proteins, with and without differences between runs: 6 to 10 % of p lie below 0.05 (the
    scale from the MAD is that of a normal distribution; R does the same), and hardly any protein is a hit at q < 0.01.
    """
    for run in (0.0, 0.4):
        p = np.array([_p(proteins(600, seed, run=run)) for seed in range(10)])
        assert np.mean(p < 0.05) < 0.10
        assert np.mean([(bh(one) < 0.01).sum() for one in p]) <= 0.6


def test_vehicle_against_vehicle_of_a_real_experiment(shared: Path) -> None:
    """The two vehicle runs of the staurosporine experiment against each other: at most 5 % of p below 0.05, no hit."""
    long = pd.read_csv(shared / "data" / "target" / "nparc" / "stauro_tidy_filtered.csv.gz")
    long = long[long["compoundConcentration"] == 0]
    wide = long.pivot_table(index="uniqueID", columns=["replicate", "temperature"], values="relAbundance").dropna()
    t = wide.columns.get_level_values("temperature").to_numpy(dtype=float)
    first = wide.columns.get_level_values("replicate").to_numpy() == 1
    y = wide.to_numpy()
    p = f_test(
        fit_melts(y, t).rss, fit_melts(y[:, first], t[first]).rss + fit_melts(y[:, ~first], t[~first]).rss
    ).p_value
    assert np.mean(p < 0.05) <= 0.05 and not (bh(p) < 0.05).any()


@pytest.mark.slow
def test_power_grows_with_the_shift() -> None:
    found = []
    for shift in (1.0, 2.0, 4.0):
        values = np.vstack([proteins(900, 11), proteins(100, 12, shift=shift)])
        found.append(float((bh(_p(values))[900:] < 0.05).mean()))
    assert found[0] < found[1] < found[2] + 0.01 and found[2] > 0.9
