"""Intervals of the dose at a level: against their definitions, and their coverage on simulated curves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import brentq, least_squares
from scipy.stats import f as fisher
from scipy.stats import t as student

from rechallenge.stats.hill import AT_BOUND, HillFits, ec50_interval, fit_hill, ic50_interval, log_ratio
from rechallenge.stats.hill.bootstrap import resamples, weighted_quantile

Floats = NDArray[np.float64]
DOSES = 20 / 3.0 ** np.arange(9)


def replicated(
    n: int, groups: int, seed: int, *, spread: float = 0.1, ic50: float = 1.2, h: float = 1.4, noise: float = 0.05
) -> HillFits:
    """Curves from 1 to 0.1 whose replicates differ in log10 IC50."""
    rng = np.random.default_rng(seed)
    ec50 = ic50 / (0.5 / 0.4) ** (1 / h) * 10 ** rng.normal(0, spread, (n, groups, 1))
    y = 0.1 + 0.9 / (1 + (DOSES / ec50) ** h) + rng.normal(0, noise, (n, groups, 9))
    curve, replicate, x = (a.ravel() for a in np.meshgrid(np.arange(n), np.arange(groups), DOSES, indexing="ij"))
    return fit_hill(curve, x, y.ravel(), replicate=replicate)


def log10_dose(p: Floats, level: float) -> float:
    h, einf, e0, log_ec50 = p
    return float((log_ec50 + np.log((e0 - level) / (level - einf)) / h) / np.log(10))


def test_delta_uses_the_full_gradient() -> None:
    fits = replicated(6, 3, seed=1)
    interval = ic50_interval(fits, 0.5, method="delta")
    for i in range(6):
        p = np.array([fits.h[i], fits.einf[i], fits.e0[i], np.log(fits.ec50[i])])
        gradient = [(log10_dose(p + d, 0.5) - log10_dose(p - d, 0.5)) / 2e-6 for d in 1e-6 * np.eye(4)]
        se = np.sqrt(gradient @ fits.cov[i] @ gradient)
        assert interval.log10_dose[i] == pytest.approx(log10_dose(p, 0.5))
        assert interval.se[i] == pytest.approx(se, rel=1e-5)
        half = student.ppf(0.975, 23) * se
        assert interval.log10_hi[i] - interval.log10_dose[i] == pytest.approx(half, rel=1e-5)
        assert interval.log10_dose[i] - interval.log10_lo[i] == pytest.approx(half, rel=1e-5)
    assert (interval.df == 23).all()
    assert (interval.variance == "residual").all()


def test_inverted_limits_are_where_the_band_meets_the_level() -> None:
    fits = replicated(6, 4, seed=2)
    for variance in ("residual", "replicate"):
        interval = ic50_interval(fits, 0.5, method="inverted", variance=variance)  # type: ignore[arg-type]
        delta = ic50_interval(fits, 0.5, method="delta", variance=variance)  # type: ignore[arg-type]
        for i in range(6):
            assert interval.lo[i] < interval.dose[i] < interval.hi[i]
            assert np.log10(interval.hi[i] / interval.lo[i]) == pytest.approx(
                np.log10(delta.hi[i] / delta.lo[i]), rel=0.35
            )
            if variance == "replicate":
                continue
            for limit in (interval.lo[i], interval.hi[i]):
                p = np.array([fits.h[i], fits.einf[i], fits.e0[i], np.log(fits.ec50[i])])

                def response(q: Floats, x: float = limit) -> float:
                    return float(q[1] + (q[2] - q[1]) / (1 + np.exp(q[0] * (np.log(x) - q[3]))))

                gradient = [(response(p + d) - response(p - d)) / 2e-6 for d in 1e-6 * np.eye(4)]
                se = np.sqrt(gradient @ fits.cov[i] @ gradient)
                assert abs(response(p) - 0.5) == pytest.approx(student.ppf(0.975, 32) * se, rel=1e-4)


def test_ryegrass_absolute_dose_is_that_of_drc_but_not_its_standard_error(shared: Path) -> None:
    """drc 3.0-1, ED(m, 4, type = "absolute"): 3.135926. Its standard error (0.191399) leaves out terms."""
    data = np.genfromtxt(shared / "data/pharmacology/drc/ryegrass.csv", delimiter=",", names=True)
    fit = fit_hill(np.zeros(data.size, int), data["conc"], data["rootl"], covariance="observed")
    absolute = ic50_interval(fit, 4.0, method="delta")
    assert absolute.dose[0] == pytest.approx(3.135926, rel=1e-6)
    assert absolute.se[0] * np.log(10) * absolute.dose[0] < 0.191399
    for effect, dose, se in ((0.1, 1.463706, 0.186770), (0.5, 3.057955, 0.185731), (0.9, 6.388640, 0.845097)):
        relative = ec50_interval(fit, effect, method="delta")
        assert relative.dose[0] == pytest.approx(dose, rel=1e-5)
        # drc's is on the scale of the dose and from the Hessian.
        assert relative.se[0] * np.log(10) * relative.dose[0] == pytest.approx(se, rel=0.05)


def test_profile_limits_are_those_of_the_likelihood() -> None:
    fits = replicated(3, 3, seed=3, spread=0.0, h=1.0)
    interval = ic50_interval(fits, 0.5, method="profile")
    data = fits.data
    for i in range(3):
        rows = slice(data.start[i], data.start[i + 1])
        x, w, m = data.x[rows], data.weight[rows], data.mean[rows]

        def excess(log10_ic50: float, i: int = i, x: Floats = x, w: Floats = w, m: Floats = m) -> float:
            """Profile sum of squares minus what the F quantile allows; E0 follows from the constraint."""

            def residuals(q: Floats) -> Floats:
                h, einf, log_ec50 = q
                s0 = 1 / (1 + np.exp(h * (log10_ic50 * np.log(10) - log_ec50)))
                amplitude = (0.5 - einf) / s0
                return np.sqrt(w) * (m - einf - amplitude / (1 + np.exp(h * (np.log(x) - log_ec50))))

            starts = ([fits.h[i] * k, fits.einf[i], np.log(fits.ec50[i])] for k in (0.7, 1.0, 1.4))
            box = ([0.1, -5, -10], [10, 0.5, 10])
            best = min(2 * least_squares(residuals, q, bounds=box, xtol=1e-12, ftol=1e-12).cost for q in starts)
            return best + fits.pure_ss[i] - fits.rss[i] - fisher.ppf(0.95, 1, fits.df[i]) * fits.s[i] ** 2

        centre = interval.log10_dose[i]
        assert interval.log10_lo[i] == pytest.approx(brentq(excess, centre - 0.8, centre, xtol=1e-5), abs=1e-3)
        assert interval.log10_hi[i] == pytest.approx(brentq(excess, centre, centre + 0.8, xtol=1e-5), abs=1e-3)


def test_profile_of_the_ec50_holds_its_parameter() -> None:
    fits = replicated(4, 3, seed=4, spread=0.0)
    profile, delta = ec50_interval(fits, method="profile"), ec50_interval(fits, method="delta", variance="residual")
    assert np.log10(profile.hi / profile.lo) == pytest.approx(np.log10(delta.hi / delta.lo), rel=0.3)
    with pytest.raises(ValueError, match="EC50 only"):
        ec50_interval(fits, 0.1, method="profile")


def test_resamples_are_all_multisets_with_their_probabilities() -> None:
    for groups, count in ((2, 3), (3, 10), (4, 35), (5, 126), (6, 462)):
        counts, weights = resamples(groups, 1000, seed=0)
        assert counts.shape == (count, groups)
        assert (counts.sum(axis=1) == groups).all()
        assert weights.sum() == pytest.approx(1)
        assert weights @ counts == pytest.approx(np.ones(groups))
    counts, weights = resamples(9, 500, seed=3)
    assert counts.shape == (500, 9)
    np.testing.assert_array_equal(counts, resamples(9, 500, seed=3)[0])


def test_bootstrap_is_that_of_refitted_resamples() -> None:
    fits = replicated(2, 3, seed=5)
    interval = ic50_interval(fits, 0.5, method="bootstrap")
    counts, weights = resamples(3, 1000, seed=0)
    data = fits.data
    for i in range(2):
        cells = slice(data.cell_start[i], data.cell_start[i + 1])
        mean, label = data.cell_mean[cells], data.cell_replicate[cells]
        x = data.x[data.start[i] + data.cell_dose[cells]]
        values = []
        for row in counts:
            again = fit_hill(np.zeros(x.size, int), x, mean, weights=row[label])
            values.append(float(again.inverse(0.5)[0]))
        lo = weighted_quantile(np.array([values]), weights, 0.025)[0]
        hi = weighted_quantile(np.array([values]), weights, 0.975)[0]
        assert (interval.log10_lo[i], interval.log10_hi[i]) == pytest.approx((lo, hi), abs=1e-4)


@pytest.mark.parametrize("method", ["auto", "delta", "replicate", "inverted", "bootstrap", "profile"])
def test_what_was_not_reached_is_a_bound(method: str) -> None:
    rng = np.random.default_rng(6)
    x, replicate = np.tile(DOSES, 3), np.repeat(np.arange(3), 9)
    shapes = {"above": (200.0, 1.0, 0.0), "below": (1e-4, 1.0, 0.0), "inside": (1.0, 1.0, 0.0)}
    y = [einf + (e0 - einf) / (1 + (x / c) ** 1.2) + rng.normal(0, 0.02, 27) for c, e0, einf in shapes.values()]
    fits = fit_hill(np.repeat(np.arange(3), 27), np.tile(x, 3), np.concatenate(y), replicate=np.tile(replicate, 3))
    interval = ic50_interval(fits, 0.5, method=method)  # type: ignore[arg-type]
    assert interval.status.tolist() == ["censored_above", "censored_below", "estimated"]
    assert np.isnan(interval.log10_dose[:2]).all()
    assert interval.hi[0] == np.inf
    assert DOSES.min() < interval.lo[0] <= DOSES.max() * (1 + 1e-12)
    assert interval.lo[1] == 0
    assert DOSES.min() * (1 - 1e-12) <= interval.hi[1] < DOSES.max()
    assert interval.lo[2] < interval.dose[2] < interval.hi[2] < DOSES.max()


def test_a_level_not_excluded_at_the_top_leaves_the_interval_open() -> None:
    fits = replicated(40, 3, seed=7, ic50=0.9 * DOSES.max())
    interval = ic50_interval(fits, 0.5)
    met = interval.status == "estimated"
    assert met.any()
    assert np.isinf(interval.hi).mean() > 0.5
    assert (interval.lo[met] < interval.dose[met]).all()
    assert (interval.lo <= DOSES.max() * (1 + 1e-12)).all()


def test_rising_responses_need_to_be_asked_for() -> None:
    rng = np.random.default_rng(8)
    x = np.repeat(DOSES, 3)
    fit = fit_hill(np.zeros(27, int), x, 0.1 + 0.9 / (1 + (1.0 / x) ** 1.4) + rng.normal(0, 0.02, 27))
    falling, rising = ic50_interval(fit, 0.5), ic50_interval(fit, 0.5, direction="rising")
    assert falling.status[0] == "not_estimable"
    assert "other direction" in falling.reason[0]
    assert rising.status[0] == "estimated"
    assert rising.lo[0] < rising.dose[0] < rising.hi[0]
    assert ec50_interval(fit).status[0] == "estimated"


def test_one_replicate_falls_back_to_residuals_and_says_so() -> None:
    rng = np.random.default_rng(9)
    y = 0.1 + 0.9 / (1 + DOSES**1.4) + rng.normal(0, 0.03, 9)
    fit = fit_hill(np.zeros(9, int), DOSES, y, replicate=np.zeros(9, int))
    automatic = ic50_interval(fit, 0.5)
    assert (automatic.variance[0], automatic.df[0]) == ("residual", 5)
    for method in ("replicate", "bootstrap"):
        refused = ic50_interval(fit, 0.5, method=method)  # type: ignore[arg-type]
        assert refused.status[0] == "not_estimable"
        assert refused.reason[0] == "fewer than two biological replicates"
        assert np.isnan(refused.lo[0])


def test_curves_without_a_fit_have_no_interval() -> None:
    fits = fit_hill([0, 0, 1, 1, 1, 1, 1, 1], [1, 2, 1, 2, 3, 4, 5, 6], [1, 0.5, 1, 1, 1, 1, 1, 1])
    interval = ic50_interval(fits, 0.5)
    assert interval.status.tolist() == ["not_estimable"] * 2
    assert np.isnan(interval.lo).all()
    assert "distinct doses" in interval.reason[0]
    assert "identical" in interval.reason[1]


def test_impossible_questions_are_refused() -> None:
    fits = replicated(1, 3, seed=10)
    with pytest.raises(ValueError, match="confidence"):
        ic50_interval(fits, 0.5, confidence=95)
    with pytest.raises(ValueError, match="unknown interval method"):
        ic50_interval(fits, 0.5, method="wald")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="direction"):
        ic50_interval(fits, 0.5, direction="down")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="fraction"):
        ec50_interval(fits, 1.5)
    with pytest.raises(ValueError, match="n_boot"):
        ic50_interval(fits, 0.5, method="bootstrap", n_boot=5)


@pytest.mark.parametrize(
    ("ic50", "h", "spread"), [(1.2, 1.4, 0.0), (1.2, 1.4, 0.15), (1.2, 0.6, 0.15), (16.0, 1.4, 0.15)]
)
def test_default_interval_covers_95_percent(ic50: float, h: float, spread: float) -> None:
    """Three replicates, with and without spread between them, shallow, and with the IC50 at 0.8 of the top dose."""
    fits = replicated(1500, 3, seed=11, spread=spread, ic50=ic50, h=h)
    interval = ic50_interval(fits, 0.5)
    covered = np.mean((interval.lo <= ic50) & (ic50 <= interval.hi))
    assert 0.93 < covered < 0.97
    assert np.mean(interval.lo > ic50) < 0.04
    assert np.mean(interval.hi < ic50) < 0.04


def test_residual_and_bootstrap_intervals_fall_short_where_replicates_differ() -> None:
    """Why they are not the default: both are far from 95 % with three replicates."""
    fits = replicated(600, 3, seed=12, spread=0.15)
    for method in ("delta", "bootstrap"):
        interval = ic50_interval(fits, 0.5, method=method)  # type: ignore[arg-type]
        assert np.mean((interval.lo <= 1.2) & (interval.hi >= 1.2)) < 0.85


def test_a_step_between_two_doses_is_not_taken_for_a_known_slope() -> None:
    """With the slope at its bound the linear interval covered 2 % of such curves, and 80 % over all."""
    rng = np.random.default_rng(4)
    doses, true, n, groups = 100 / 10 ** (np.arange(9) / 2), 5.0, 400, 4
    y = 1 / (1 + (doses / true) ** 5) + rng.normal(0, 0.05, (n, groups, doses.size))
    curve, replicate, which = np.indices(y.shape).reshape(3, -1)
    fits = fit_hill(curve, doses[which], y.ravel(), replicate=replicate, e0=1.0)
    steep = (fits.at_bound & AT_BOUND["h"]) != 0
    assert 0.05 < steep.mean() < 0.6
    for method in ("auto", "delta", "profile"):
        found = ic50_interval(fits, 0.5, method=method)  # type: ignore[arg-type]
        holds = (found.lo <= true) & (true <= found.hi)
        assert holds[steep].mean() > 0.9
        assert holds.mean() > 0.92
    pairs = rng.permutation(n).reshape(2, -1)
    p = log_ratio(fits, pairs[0], pairs[1], 0.5).p_value
    assert (p < 0.05).mean() < 0.08
