"""Least-squares fits against scipy, against R's drc, and against themselves in another arrangement."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import curve_fit

from rechallenge.stats.hill import AT_BOUND, Bounds, HillFits, Reason, fit_hill

Floats = NDArray[np.float64]
DOSES = 20 / 3.0 ** np.arange(9)


def hill(x: Floats, h: float, einf: float, e0: float, ec50: float) -> Floats:
    with np.errstate(divide="ignore", over="ignore"):
        return einf + (e0 - einf) / (1 + np.exp(h * (np.log(x) - np.log(ec50))))


def simulated(
    n: int, seed: int, noise: float = 0.05, wells: int = 3
) -> tuple[NDArray[np.int64], Floats, Floats, Floats]:
    """Curve numbers, doses, responses, and the true (h, einf, e0, ec50) [n, 4]."""
    rng = np.random.default_rng(seed)
    truth = np.column_stack(
        [np.exp(rng.normal(0.2, 0.4, n)), rng.uniform(0, 0.5, n), rng.normal(1, 0.05, n), 10 ** rng.uniform(-2, 1, n)]
    )
    x = np.repeat(DOSES, wells)
    y = np.stack([hill(x, *p) for p in truth]) + rng.normal(0, noise, (n, x.size))
    return np.repeat(np.arange(n), x.size), np.tile(x, n), y.ravel(), truth


def same(a: HillFits, b: HillFits) -> None:
    for f in fields(HillFits):
        one, two = getattr(a, f.name), getattr(b, f.name)
        if isinstance(one, np.ndarray):
            np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-12, err_msg=f.name)


def test_parameters_and_standard_errors_are_those_of_scipy() -> None:
    curve, x, y, truth = simulated(12, seed=1)
    fits = fit_hill(curve, x, y)
    for i, p in enumerate(truth):
        own = curve == i
        best, cov = curve_fit(hill, x[own], y[own], p0=p, xtol=1e-14, ftol=1e-14, maxfev=20_000)
        assert [fits.h[i], fits.einf[i], fits.e0[i], fits.ec50[i]] == pytest.approx(best, rel=2e-4, abs=2e-4)
        se = np.sqrt(np.diag(cov))
        assert fits.se[i, :3] == pytest.approx(se[:3], rel=5e-3)
        assert fits.se_ec50[i] == pytest.approx(se[3], rel=5e-3)
        assert fits.rss[i] <= float(((y[own] - hill(x[own], *best)) ** 2).sum()) * (1 + 1e-9)
        assert fits.s[i] == pytest.approx(np.sqrt(fits.rss[i] / (27 - 4)))
    assert fits.converged.all()
    assert (fits.status == "estimated").all()
    assert (fits.df == 23).all()
    assert (fits.n_doses == 9).all()


@pytest.mark.parametrize(("noise", "wells"), [(0.05, 3), (0.2, 3), (0.15, 1)])
def test_no_start_of_scipy_finds_a_lower_sum_of_squares(noise: float, wells: int) -> None:
    curve, x, y, _ = simulated(25, seed=2, noise=noise, wells=wells)
    fits = fit_hill(curve, x, y)
    low, high = np.log(DOSES.min()), np.log(DOSES.max())
    margin = 2 * np.log(10)
    box = ([np.log(0.1), -np.inf, -np.inf, low - margin], [np.log(10), np.inf, np.inf, high + margin])

    def in_logs(x: Floats, log_h: float, einf: float, e0: float, log_ec50: float) -> Floats:
        return einf + (e0 - einf) / (1 + np.exp(np.exp(log_h) * (np.log(x) - log_ec50)))

    for i in range(25):
        own = curve == i
        for log_h in (-1.0, 0.3, 1.8):
            for centre in np.linspace(low, high, 4):
                try:
                    p, _ = curve_fit(in_logs, x[own], y[own], p0=[log_h, 0.2, 1.0, centre], bounds=box, maxfev=300)
                except RuntimeError:
                    continue
                assert fits.rss[i] <= float(((y[own] - in_logs(x[own], *p)) ** 2).sum()) * (1 + 1e-6)


def test_ryegrass_is_that_of_drc(shared: Path) -> None:
    """R drc 3.0-1: drm(rootl ~ conc, data = ryegrass, fct = LL.4()); its standard errors use the Hessian."""
    data = np.genfromtxt(shared / "data/pharmacology/drc/ryegrass.csv", delimiter=",", names=True)
    curve = np.zeros(data.size, dtype=int)
    fit = fit_hill(curve, data["conc"], data["rootl"], covariance="observed")
    found = [fit.h[0], fit.einf[0], fit.e0[0], fit.ec50[0]]
    assert found == pytest.approx([2.982219, 0.481413, 7.792958, 3.057955], rel=1e-4)
    errors = [*fit.se[0, :3], fit.se_ec50[0]]
    assert errors == pytest.approx([0.465062, 0.212192, 0.188567, 0.185731], rel=1e-4)
    assert fit.s[0] == pytest.approx(0.51962557, rel=1e-6)
    assert fit.rss[0] <= 5.40021463 + 1e-6
    three = fit_hill(curve, data["conc"], data["rootl"], model="3p", covariance="observed")
    assert [three.h[0], three.e0[0], three.ec50[0]] == pytest.approx([2.470327, 7.855426, 3.263358], rel=1e-4)
    assert [three.se[0, 0], three.se[0, 2], three.se_ec50[0]] == pytest.approx([0.341684, 0.204381, 0.196406], rel=1e-4)
    assert three.rss[0] == pytest.approx(6.62282, rel=1e-5)


def test_robust_ryegrass_is_near_that_of_drc(shared: Path) -> None:
    """drm(..., robust = "tukey") prints b 3.16562, c 0.52223, d 7.78867, e 2.94802; its scale is another one."""
    data = np.genfromtxt(shared / "data/pharmacology/drc/ryegrass.csv", delimiter=",", names=True)
    fit = fit_hill(np.zeros(data.size, dtype=int), data["conc"], data["rootl"], robust="tukey")
    found = [fit.h[0], fit.einf[0], fit.e0[0], fit.ec50[0]]
    assert found == pytest.approx([3.16562064, 0.52222957, 7.78867070, 2.94801688], rel=0.02)


def test_spinach_coefficients_are_those_of_drc(shared: Path) -> None:
    """Five curves of drc's spinach data; drc's standard errors differ because it pools the residual variance."""
    rows = np.genfromtxt(
        shared / "data/pharmacology/drc/spinach.csv", delimiter=",", names=True, dtype=None, encoding="utf-8"
    )
    fits = fit_hill(rows["CURVE"] - 1, rows["DOSE"], rows["SLOPE"])
    assert fits.h == pytest.approx([0.51951923, 0.80079588, 0.68191337, 1.84480940, 1.65075760], rel=2e-4)
    assert fits.e0 == pytest.approx([1.87955342, 0.94600029, 1.09032146, 2.15357805, 1.80628246], rel=1e-4)
    assert fits.ec50 == pytest.approx([1.79495485, 0.94552990, 1.37302279, 0.19732631, 0.21079348], rel=2e-4)


def test_observed_covariance_is_the_inverse_hessian() -> None:
    curve, x, y, _ = simulated(8, seed=3, noise=0.1)
    fits = fit_hill(curve, x, y, covariance="observed")
    inside = np.flatnonzero((fits.at_bound == 0) & (fits.se[:, 3] < 1))
    assert inside.size >= 5
    for i in inside:
        own = curve == i
        at = np.array([fits.h[i], fits.einf[i], fits.e0[i], np.log(fits.ec50[i])])

        def cost(p: Floats, own: NDArray[np.bool_] = own) -> float:
            return 0.5 * float(((y[own] - hill(x[own], p[0], p[1], p[2], np.exp(p[3]))) ** 2).sum())

        step = 1e-4 * np.eye(4)
        hessian = np.array(
            [
                [(cost(at + a + b) - cost(at + a - b) - cost(at - a + b) + cost(at - a - b)) / (4 * 1e-8) for b in step]
                for a in step
            ]
        )
        assert np.linalg.inv(hessian) * fits.s[i] ** 2 == pytest.approx(fits.cov[i], rel=2e-3)


def test_replicates_collapse_exactly() -> None:
    curve, x, y, _ = simulated(6, seed=4)
    fits = fit_hill(curve, x, y)
    predicted = fits.predict(np.tile(np.repeat(DOSES, 3), (6, 1)))
    assert fits.rss == pytest.approx(((y.reshape(6, 27) - predicted) ** 2).sum(axis=1), rel=1e-9)
    means = y.reshape(6, 9, 3).mean(axis=2)
    weighted = fit_hill(np.repeat(np.arange(6), 9), np.tile(DOSES, 6), means.ravel(), weights=np.full(54, 3.0))
    assert weighted.h == pytest.approx(fits.h, rel=1e-8)
    assert weighted.rss + fits.pure_ss == pytest.approx(fits.rss, rel=1e-9)


def test_weights_act_as_repeated_observations() -> None:
    curve, x, y, _ = simulated(3, seed=5, wells=1)
    times = 1 + np.arange(x.size) % 3
    again = fit_hill(np.repeat(curve, times), np.repeat(x, times), np.repeat(y, times))
    weighted = fit_hill(curve, x, y, weights=times.astype(float))
    for name in ("h", "einf", "e0", "ec50", "rss"):
        assert getattr(weighted, name) == pytest.approx(getattr(again, name), rel=1e-7)


def test_order_chunks_and_neighbours_change_nothing() -> None:
    curve, x, y, _ = simulated(9, seed=6)
    replicate = np.tile(np.arange(3), x.size // 3)
    ragged = np.random.default_rng(0).random(x.size) < 0.85
    curve, x, y, replicate = curve[ragged], x[ragged], y[ragged], replicate[ragged]
    fits = fit_hill(curve, x, y, replicate=replicate)
    mixed = np.random.default_rng(1).permutation(x.size)
    same(fits, fit_hill(curve[mixed], x[mixed], y[mixed], replicate=replicate[mixed]))
    same(fits, fit_hill(curve, x, y, replicate=replicate, chunk=2))
    alone = fit_hill(np.zeros((curve == 5).sum(), dtype=int), x[curve == 5], y[curve == 5])
    assert alone.h[0] == pytest.approx(fits.h[5], rel=1e-9)


def test_controls_at_dose_zero_belong_to_e0() -> None:
    rng = np.random.default_rng(7)
    x = np.concatenate([np.zeros(6), np.repeat(DOSES, 2)])
    y = hill(x, 1.3, 0.2, 1.0, 0.02) + rng.normal(0, 0.02, x.size)
    fit = fit_hill(np.zeros(x.size, int), x, y)
    without = fit_hill(np.zeros(18, int), x[6:], y[6:])
    assert fit.n_doses[0] == 10
    assert fit.x_min[0] == pytest.approx(DOSES.min())
    assert fit.se[0, 2] < without.se[0, 2]
    best, _ = curve_fit(hill, x, y, p0=[1.3, 0.2, 1.0, 0.02])
    assert [fit.h[0], fit.einf[0], fit.e0[0], fit.ec50[0]] == pytest.approx(best, rel=1e-4)


@pytest.mark.parametrize(
    ("options", "free"),
    [
        ({"e0": 1.0}, ("h", "einf", "ec50")),
        ({"model": "3p"}, ("h", "e0", "ec50")),
        ({"model": "3p", "einf": 0.1}, ("h", "e0", "ec50")),
        ({"model": "2p"}, ("h", "ec50")),
        ({"model": "3p", "e0": 1.0}, ("h", "ec50")),
    ],
)
def test_fixed_parameters_stay_fixed(options: dict[str, object], free: tuple[str, ...]) -> None:
    rng = np.random.default_rng(8)
    x = np.repeat(DOSES, 3)
    y = hill(x, 1.2, 0.05, 1.0, 1.0) + rng.normal(0, 0.03, x.size)
    fit = fit_hill(np.zeros(27, int), x, y, **options)  # type: ignore[arg-type]
    assert fit.df[0] == 27 - len(free)
    fixed = {"e0": fit.e0_fixed, "einf": fit.einf_fixed}
    for name, value in fixed.items():
        if value is not None:
            assert getattr(fit, name)[0] == value
    start = {"h": 1.2, "einf": 0.05, "e0": 1.0, "ec50": 1.0}

    def curve(x: Floats, *p: float) -> Floats:
        given = {k: v for k, v in fixed.items() if v is not None} | dict(zip(free, p, strict=True))
        return hill(x, given["h"], given["einf"], given["e0"], given["ec50"])

    best, cov = curve_fit(curve, x, y, p0=[start[k] for k in free])
    assert [getattr(fit, name)[0] for name in free] == pytest.approx(best, rel=1e-3)
    columns = {"h": 0, "einf": 1, "e0": 2}
    for k, name in enumerate(free):
        error = fit.se_ec50[0] if name == "ec50" else fit.se[0, columns[name]]
        assert error == pytest.approx(np.sqrt(cov[k, k]), rel=1e-2)
    for name, value in fixed.items():
        if value is not None:
            assert fit.se[0, columns[name]] == 0


def test_rising_curves_are_fitted_with_h_above_zero() -> None:
    rng = np.random.default_rng(9)
    x = np.repeat(DOSES, 3)
    fit = fit_hill(np.zeros(27, int), x, hill(x, 1.5, 2.0, 0.3, 0.8) + rng.normal(0, 0.03, 27))
    assert fit.h[0] == pytest.approx(1.5, rel=0.15)
    assert fit.einf[0] == pytest.approx(2.0, abs=0.05)
    assert fit.e0[0] == pytest.approx(0.3, abs=0.05)


def test_bounds_hold_and_are_reported() -> None:
    rng = np.random.default_rng(10)
    x = np.repeat(DOSES, 3)
    y = hill(x, 4.0, -0.2, 1.3, 1.0) + rng.normal(0, 0.02, 27)
    bounds = Bounds(h=(0.5, 2.0), e0=(0.8, 1.2), einf=(0.0, 0.5))
    fit = fit_hill(np.zeros(27, int), x, y, bounds=bounds)
    assert (fit.h[0], fit.einf[0], fit.e0[0]) == (2.0, 0.0, 1.2)
    assert fit.at_bound[0] == AT_BOUND["h"] | AT_BOUND["einf"] | AT_BOUND["e0"]
    assert (fit.cov[0, :3] == 0).all()
    assert fit.cov[0, 3, 3] > 0
    best, _ = curve_fit(
        hill, x, y, p0=[1.5, 0.1, 1.0, 1.0], bounds=([0.5, 0.0, 0.8, 1e-4], [2.0, 0.5, 1.2, 1e4]), xtol=1e-12
    )
    assert fit.rss[0] <= float(((y - hill(x, *best)) ** 2).sum()) * (1 + 1e-8)


def test_what_cannot_be_fitted_is_typed() -> None:
    x = np.array([0.0, 1.0, 2.0, 4.0, 8.0])
    good = np.array([1.0, 0.9, 0.6, 0.3, 0.15])
    cases = {
        Reason.NON_FINITE: (x, [1.0, np.inf, 0.6, 0.3, 0.1]),
        Reason.NEGATIVE_DOSE: (np.array([-1.0, 1, 2, 4, 8]), good),
        Reason.TOO_FEW_DOSES: (np.array([1.0, 1.0, 2.0, 2.0, 8.0]), good),
        Reason.TOO_FEW_OBSERVATIONS: (x, [1.0, np.nan, 0.6, 0.3, 0.1]),
        Reason.IDENTICAL: (x, np.ones(5)),
        Reason.NO_DATA: (x, np.full(5, np.nan)),
    }
    curve = np.repeat(np.arange(len(cases) + 1), 5)
    doses = np.concatenate([a for a, _ in cases.values()] + [x])
    y = np.concatenate([np.asarray(b) for _, b in cases.values()] + [good])
    fits = fit_hill(curve, doses, y, n_curves=len(cases) + 2)
    assert fits.reason.tolist() == [*cases, Reason.NONE, Reason.NO_DATA]
    assert fits.status.tolist() == ["not_estimable"] * len(cases) + ["estimated", "not_estimable"]
    bad = fits.reason != Reason.NONE
    for name in ("h", "e0", "einf", "ec50", "rss", "s", "se_ec50"):
        assert np.isnan(getattr(fits, name)[bad]).all()
        assert np.isfinite(getattr(fits, name)[~bad]).all()
    assert fits.n_missing.tolist() == [0, 0, 0, 1, 0, 5, 0, 0]


def test_a_drop_between_two_doses_is_singular_but_has_a_curve() -> None:
    """One dose on the slope, all others on the plateaus: many pairs of slope and EC50 pass through it."""
    x = np.repeat([0.001, 0.01, 0.1, 1.0, 10.0], 3)
    y = np.repeat([1.053, 0.992, 1.063, 0.831, 0.469], 3) + np.tile([-0.01, 0.0, 0.01], 5)
    fit = fit_hill(np.zeros(15, int), x, y)
    assert fit.reason[0] == Reason.SINGULAR
    assert fit.status[0] == "not_estimable"
    assert fit.predict(np.array([[0.01, 1.0, 10.0]]))[0] == pytest.approx([1.036, 0.831, 0.469], abs=1e-3)
    assert np.isnan(fit.se).all()
    assert np.isnan(fit.se_ec50).all()


def test_missing_wells_are_left_out() -> None:
    curve, x, y, _ = simulated(1, seed=12)
    y[4] = np.nan
    fit = fit_hill(curve, x, y)
    rest = np.arange(27) != 4
    clean = fit_hill(curve[rest], x[rest], y[rest])
    assert (fit.n[0], fit.n_missing[0]) == (26, 1)
    assert fit.h[0] == pytest.approx(clean.h[0], rel=1e-9)


@pytest.mark.parametrize("robust", ["huber", "tukey"])
def test_robust_fits_withstand_wells_that_went_wrong(robust: str) -> None:
    rng = np.random.default_rng(13)
    n, x = 60, np.repeat(DOSES, 3)
    curve, doses = np.repeat(np.arange(n), 27), np.tile(x, n)
    y = hill(doses, 1.4, 0.1, 1.0, 1.0) + rng.normal(0, 0.03, doses.size)
    wrong = rng.random(y.size) < 0.05
    y[wrong] += rng.choice([-0.6, 0.6], wrong.sum())
    plain, fits = fit_hill(curve, doses, y), fit_hill(curve, doses, y, robust=robust)  # type: ignore[arg-type]
    assert np.median(np.abs(np.log(fits.ec50))) < 0.6 * np.median(np.abs(np.log(plain.ec50)))
    assert np.median(fits.s) < 0.06 < np.median(plain.s)
    assert (fits.n == 27).all()
    clean = hill(doses, 1.4, 0.1, 1.0, 1.0) + rng.normal(0, 0.03, doses.size)
    assert fit_hill(curve, doses, clean, robust=robust).se[:, 3] == pytest.approx(  # type: ignore[arg-type]
        fit_hill(curve, doses, clean).se[:, 3], rel=1.0
    )


def test_impossible_options_are_refused() -> None:
    x = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    with pytest.raises(ValueError, match="entries where curve has"):
        fit_hill(np.zeros(5, int), x, x[:4])
    with pytest.raises(ValueError, match="model must be"):
        fit_hill(np.zeros(5, int), x, x, model="5p")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="both fixed"):
        fit_hill(np.zeros(5, int), x, x, model="3p", e0=0.0)
    with pytest.raises(ValueError, match="start at 0"):
        fit_hill(np.full(5, -1), x, x)
    with pytest.raises(ValueError, match="n_curves"):
        fit_hill(np.full(5, 3), x, x, n_curves=2)
    with pytest.raises(ValueError, match="0 < lower < upper"):
        Bounds(h=(0.0, 3.0))
    with pytest.raises(ValueError, match="lower < upper"):
        Bounds(e0=(2.0, 1.0))
    empty = fit_hill(np.empty(0, int), np.empty(0), np.empty(0))
    assert len(empty) == 0
