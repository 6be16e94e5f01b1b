"""The curve itself: value, inverse and area, against direct computation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from rechallenge.stats.hill import fit_hill
from rechallenge.stats.hill.curve import auc, inverse, predict

CURVES = [(1.0, 0.1, 2.0, 1.4), (0.9, 0.0, 0.03, 0.4), (0.2, 1.3, 5.0, 6.0), (1.0, -0.5, 900.0, 0.9)]


@pytest.mark.parametrize(("e0", "einf", "ec50", "h"), CURVES)
def test_value_is_the_formula(e0: float, einf: float, ec50: float, h: float) -> None:
    x = np.array([0.0, 1e-3, 0.5, ec50, 40.0, 1e6])
    assert predict(x, e0, einf, ec50, h) == pytest.approx(einf + (e0 - einf) / (1 + (x / ec50) ** h), rel=1e-9)
    assert predict(0.0, e0, einf, ec50, h) == e0
    assert predict(ec50, e0, einf, ec50, h) == pytest.approx(0.5 * (e0 + einf))


@pytest.mark.parametrize(("e0", "einf", "ec50", "h"), CURVES)
def test_inverse_undoes_the_value(e0: float, einf: float, ec50: float, h: float) -> None:
    for dose in np.array([0.3, 1.0, 4.0]) * ec50:
        level = float(predict(dose, e0, einf, ec50, h))
        assert inverse(level, e0, einf, ec50, h) == pytest.approx(np.log10(dose), abs=1e-6)
    outside = max(e0, einf) + 0.1
    assert np.isnan(inverse([outside, e0, einf], e0, einf, ec50, h)).all()


@pytest.mark.parametrize(("e0", "einf", "ec50", "h"), CURVES)
def test_area_is_the_integral_over_log_dose(e0: float, einf: float, ec50: float, h: float) -> None:
    lo, hi = 0.004, 70.0
    expected, _ = quad(lambda u: float(predict(10**u, e0, einf, ec50, h)), np.log10(lo), np.log10(hi), limit=200)
    assert auc(lo, hi, e0, einf, ec50, h, normalised=False) == pytest.approx(expected, rel=1e-8)
    width = np.log10(hi / lo)
    assert auc(lo, hi, e0, einf, ec50, h, normalised=True) == pytest.approx(expected / width, rel=1e-8)


def test_area_needs_two_doses_above_zero() -> None:
    with pytest.raises(ValueError, match="0 < lo < hi"):
        auc(0.0, 1.0, 1.0, 0.0, 1.0, 1.0, normalised=True)
    with pytest.raises(ValueError, match="0 < lo < hi"):
        auc(2.0, 1.0, 1.0, 0.0, 1.0, 1.0, normalised=True)


def test_methods_of_the_fits_broadcast() -> None:
    x = np.tile(10.0 / 3.0 ** np.arange(8), 2)
    curve = np.repeat([0, 1], 8)
    y = np.where(curve == 0, predict(x, 1.0, 0.1, 1.0, 1.2), predict(x, 0.8, 0.3, 0.2, 2.0))
    y += 1e-4 * np.cos(np.arange(16))
    fits = fit_hill(curve, x, y)
    grid = np.array([[0.1, 1.0, 5.0], [0.2, 0.4, 0.9]])
    assert fits.predict(grid).shape == (2, 3)
    assert fits.predict(1.0).shape == (2,)
    assert fits.predict(grid)[1, 2] == pytest.approx(fits.predict(0.9)[1])
    assert fits.emax_at(fits.x_max) == pytest.approx(fits.predict(10.0))
    assert fits.inverse(0.5)[0] == pytest.approx(np.log10((0.5 / 0.4) ** (1 / 1.2)), abs=1e-2)
    assert np.isnan(fits.inverse(0.2)[1])
    assert fits.auc(0.01, 10.0, normalised=True) == pytest.approx(fits.auc(0.01, 10.0) / 3.0)
