"""What must hold for any data: scale, shift and order, types for what cannot be estimated, and no exception."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from rechallenge.stats.hill import (
    Bounds,
    HillFits,
    Reason,
    ec50_interval,
    fit_hill,
    flat_test,
    hook_flag,
    ic50_interval,
    lack_of_fit,
    log_ratio,
)

Floats = NDArray[np.float64]
DOSES = 20 / 3.0 ** np.arange(8)
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
nasty = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, 1.0, -1.0, 1e300, -1e300, 1e-300, np.nan, np.inf]),
    st.floats(0.0, 2.0),
)
# Mostly usable values, so that odd ones meet curves that can be fitted.
plate_dose = st.one_of(st.sampled_from([0.0, 0.1, 0.3, 1.0, 3.0, 10.0]), st.sampled_from([0.1, 1.0, 10.0, 30.0]), nasty)
plate_response = st.one_of(st.floats(0.0, 1.2), st.sampled_from([0.0, 0.5, 1.0]), st.floats(0.2, 0.8), nasty)
plate_weight = st.one_of(st.just(1.0), st.floats(0.1, 3.0), nasty)


@st.composite
def designs(draw: st.DrawFn) -> tuple[NDArray[np.int64], Floats, Floats, NDArray[np.int64]]:
    """Three replicated curves with wells missing here and there."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    noise = draw(st.sampled_from([0.01, 0.05, 0.2]))
    curve, replicate, x = (a.ravel() for a in np.meshgrid(np.arange(3), np.arange(3), DOSES, indexing="ij"))
    ec50, h, einf = 10 ** rng.uniform(-1.5, 1, 3), rng.uniform(0.5, 3, 3), rng.uniform(0, 0.5, 3)
    y = einf[curve] + (1 - einf[curve]) / (1 + (x / ec50[curve]) ** h[curve]) + rng.normal(0, noise, x.size)
    kept = rng.random(x.size) < draw(st.sampled_from([1.0, 0.85]))
    return curve[kept], x[kept], y[kept], replicate[kept]


def close(a: Floats, b: Floats, tolerance: float = 1e-4) -> None:
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def determined(fits: HillFits) -> NDArray[np.bool_]:
    """Curves whose parameters are pinned down well enough to compare them between two arrangements of the sums."""
    return np.asarray((fits.reason == Reason.NONE) & (fits.at_bound == 0) & (fits.se[:, 3] < 1))


@quick
@given(designs(), st.floats(1e-3, 1e3))
def test_doses_in_another_unit_scale_the_ec50(design: Any, factor: float) -> None:
    curve, x, y, replicate = design
    one, two = fit_hill(curve, x, y, replicate=replicate), fit_hill(curve, x * factor, y, replicate=replicate)
    np.testing.assert_allclose(one.rss, two.rss, rtol=1e-6)
    clear = determined(one)
    close(two.ec50[clear] / factor, one.ec50[clear])
    close(two.h[clear], one.h[clear])
    a, b = ic50_interval(one), ic50_interval(two)
    clear &= a.status == "estimated"
    close(b.dose[clear] / factor, a.dose[clear])


@quick
@given(designs(), st.floats(-5, 5), st.floats(0.1, 10))
def test_responses_in_another_unit_move_and_scale_e0_and_einf(design: Any, shift: float, factor: float) -> None:
    curve, x, y, _ = design
    one, two = fit_hill(curve, x, y), fit_hill(curve, x, shift + factor * y)
    np.testing.assert_allclose(two.rss, factor**2 * one.rss, rtol=1e-5)
    clear = determined(one)
    close(two.e0[clear], shift + factor * one.e0[clear], 1e-3)
    close(two.einf[clear], shift + factor * one.einf[clear], 1e-3)
    close(two.ec50[clear], one.ec50[clear], 1e-3)


@quick
@given(designs(), st.integers(0, 1000))
def test_the_order_of_rows_does_not_matter(design: Any, seed: int) -> None:
    curve, x, y, replicate = design
    mixed = np.random.default_rng(seed).permutation(x.size)
    one = fit_hill(curve, x, y, replicate=replicate)
    two = fit_hill(curve[mixed], x[mixed], y[mixed], replicate=replicate[mixed])
    np.testing.assert_allclose(one.rss, two.rss, rtol=1e-9)
    clear = determined(one)
    close(one.h[clear], two.h[clear])
    a, b = ic50_interval(one), ic50_interval(two)
    np.testing.assert_array_equal(a.status[clear], b.status[clear])
    close(np.nan_to_num(a.log10_lo)[clear], np.nan_to_num(b.log10_lo)[clear], 1e-3)


@quick
@given(designs())
def test_fits_are_a_minimum_with_h_above_zero_and_the_same_every_time(design: Any) -> None:
    curve, x, y, replicate = design
    one, two = fit_hill(curve, x, y, replicate=replicate), fit_hill(curve, x, y, replicate=replicate)
    np.testing.assert_array_equal(one.h, two.h)
    np.testing.assert_array_equal(one.cov, two.cov)
    assert (one.h > 0).all()
    assert (one.rss <= one.tss * (1 + 1e-9)).all()
    assert (one.rss >= one.pure_ss * (1 - 1e-9)).all()
    for boot in (ic50_interval(one, method="bootstrap", n_boot=50), ic50_interval(two, method="bootstrap", n_boot=50)):
        np.testing.assert_array_equal(boot.log10_lo, ic50_interval(one, method="bootstrap", n_boot=50).log10_lo)


@quick
@given(designs(), st.sampled_from(["delta", "replicate", "inverted", "profile", "auto"]), st.floats(0.3, 0.99))
def test_intervals_hold_their_estimate_and_grow_with_confidence(design: Any, method: Any, confidence: float) -> None:
    curve, x, y, replicate = design
    fits = fit_hill(curve, x, y, replicate=replicate)
    narrow = ic50_interval(fits, method=method, confidence=confidence)
    wide = ic50_interval(fits, method=method, confidence=0.5 * (1 + confidence))
    met = narrow.status == "estimated"
    slack = 1e-9
    assert (narrow.log10_lo[met] <= narrow.log10_dose[met] + slack).all()
    assert (narrow.log10_dose[met] <= narrow.log10_hi[met] + slack).all()
    known = narrow.status != "not_estimable"
    assert (wide.log10_lo[known] <= narrow.log10_lo[known] + 1e-6).all()
    assert (wide.log10_hi[known] >= narrow.log10_hi[known] - 1e-6).all()


@quick
@given(
    st.integers(0, 40).flatmap(
        lambda n: st.tuples(
            hnp.arrays(np.int64, n, elements=st.integers(0, 3)),
            hnp.arrays(np.float64, n, elements=plate_dose),
            hnp.arrays(np.float64, n, elements=plate_response),
            hnp.arrays(np.float64, n, elements=plate_weight),
            hnp.arrays(np.int64, n, elements=st.integers(0, 2)),
        )
    ),
    st.sampled_from(
        [
            {},
            {"model": "3p"},
            {"model": "2p"},
            {"e0": 1.0},
            {"robust": "tukey"},
            {"robust": "huber"},
            {"covariance": "observed"},
            {"bounds": Bounds(e0=(0.0, 2.0), einf=(-0.5, 1.0))},
        ]
    ),
    st.booleans(),
)
def test_any_numbers_are_typed_and_never_raise(data: Any, options: Any, weighted: bool) -> None:
    curve, x, y, weights, replicate = data
    fits = fit_hill(curve, x, y, replicate=replicate, weights=weights if weighted else None, n_curves=4, **options)
    lost = (fits.reason != Reason.NONE) & (fits.reason != Reason.SINGULAR)
    for name in ("h", "e0", "einf", "ec50", "rss", "s"):
        assert np.isnan(getattr(fits, name)[lost]).all()
        assert not np.isnan(getattr(fits, name)[~lost & (fits.reason == Reason.NONE)]).any()
    assert (fits.h[~lost] > 0).all()
    for method in ("auto", "delta", "replicate", "bootstrap", "profile"):
        interval = ic50_interval(fits, method=method, n_boot=20)  # type: ignore[arg-type]
        told = interval.status != "not_estimable"
        assert not np.isnan(interval.log10_lo[told]).any()
        assert not np.isnan(interval.log10_hi[told]).any()
        assert np.isnan(interval.log10_lo[~told]).all()
        assert (interval.reason[~told] != "").all()
    ec50_interval(fits)
    ratio = log_ratio(fits, [0, 1], [2, 3])
    told = ratio.status != "not_estimable"
    assert not np.isnan(ratio.log10_lo[told]).any()
    if fits.robust is None:
        for test in (flat_test(fits, n_sim=199), lack_of_fit(fits), hook_flag(fits, n_sim=200)):
            p = test.p_value[test.status == "tested"]
            assert ((p >= 0) & (p <= 1)).all()
            assert np.isnan(test.p_value[test.status == "not_testable"]).all()
