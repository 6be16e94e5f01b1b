"""Reference models against their own definitions and against other programs' output."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rechallenge.stats.synergy import Hill, bliss, collect, excess, hsa, identifiable, loewe

DOSES = np.array([0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0])
A, B = (m.ravel() for m in np.meshgrid(DOSES, DOSES, indexing="ij"))
BOTH = (A > 0) & (B > 0)


def curve(einf: float, ec50: float, h: float) -> Hill:
    return Hill(np.float64(einf), np.float64(ec50), np.float64(h))


def test_hsa_and_bliss_are_their_formulas_for_any_number_of_drugs():
    singles = np.array([[0.2, 0.5], [0.5, 0.5], [0.1, -0.2]])
    np.testing.assert_allclose(hsa(singles), [0.5, 0.5])
    np.testing.assert_allclose(bliss(singles), [1 - 0.8 * 0.5 * 0.9, 1 - 0.5 * 0.5 * 1.2])


def test_loewe_solves_its_own_equation():
    a, b = curve(1.0, 2.0, 1.3), curve(0.9, 0.7, 0.8)
    effect, bound = loewe(A[BOTH], B[BOTH], a, b)
    inside = ~bound
    assert inside.sum() > 25
    share = A[BOTH] / a.dose(effect) + B[BOTH] / b.dose(effect)
    np.testing.assert_allclose(share[inside], 1.0, atol=1e-9)


def test_a_drug_combined_with_itself_is_loewe_additive():
    a = curve(0.8, 1.5, 1.7)
    effect, bound = loewe(A, B, a, a)
    np.testing.assert_allclose(effect, a.effect(A + B), atol=1e-12)
    assert not bound.any()


def test_a_diluted_copy_is_loewe_additive_too():
    a, b = curve(1.0, 1.5, 0.9), curve(1.0, 15.0, 0.9)
    np.testing.assert_allclose(loewe(A, B, a, b)[0], a.effect(A + B / 10), atol=1e-12)


def test_beyond_the_weaker_drugs_maximum_loewe_is_a_bound_at_the_stronger_drug():
    weak, strong = curve(0.3, 1.0, 1.0), curve(1.0, 1.0, 2.0)
    effect, bound = loewe(np.array([8.0, 8.0]), np.array([0.1, 4.0]), weak, strong)
    assert bound.tolist() == [False, True]
    assert effect[1] == pytest.approx(float(strong.effect(4.0)))


def test_the_dose_of_an_effect_is_infinite_at_the_maximum_and_zero_at_none():
    a = curve(0.6, 2.0, 1.4)
    np.testing.assert_array_equal(a.dose([0.6, 0.7, 0.0, -0.1]), [np.inf, np.inf, 0.0, 0.0])
    assert float(a.effect(a.dose(0.25))) == pytest.approx(0.25)
    assert np.isnan(a.dose(np.nan))


@pytest.mark.parametrize("method", ["bliss", "zip"])
def test_independent_drugs_have_no_excess(method):
    a, b = curve(0.9, 2.0, 1.3), curve(0.8, 0.7, 0.9)
    surface = collect([A, B], bliss([a.effect(A), b.effect(B)]))
    found = excess(surface, method)
    assert set(found.status[surface.combined]) == {"estimated"}
    np.testing.assert_allclose(found.excess[0, surface.combined], 0.0, atol=1e-6)


def test_the_better_drug_alone_has_no_excess_over_hsa():
    a, b = curve(0.9, 2.0, 1.3), curve(0.8, 0.7, 0.9)
    surface = collect([A, B], np.maximum(a.effect(A), b.effect(B)))
    assert np.abs(excess(surface, "hsa").excess[0, surface.combined]).max() == 0.0


def test_a_loewe_additive_matrix_has_no_loewe_excess_but_a_sham_is_not_bliss_additive():
    a = curve(1.0, 1.5, 1.7)
    surface = collect([A, B], a.effect(A + B))
    np.testing.assert_allclose(excess(surface, "loewe").excess[0, surface.combined], 0.0, atol=1e-6)
    assert np.nanmax(np.abs(excess(surface, "bliss").excess)) > 0.05


def test_zip_sees_a_shift_of_potency():
    a, b = curve(1.0, 2.0, 1.3), curve(1.0, 0.7, 0.9)
    stronger = curve(1.0, 0.5, 1.3)
    surface = collect(
        [A, B], np.where(BOTH, bliss([stronger.effect(A), b.effect(B)]), bliss([a.effect(A), b.effect(B)]))
    )
    assert np.nanmean(excess(surface, "zip").excess) > 0.05


def test_zip_fits_two_parameters_where_a_row_has_three_doses():
    keep = np.isin(A, DOSES[[0, 2, 3, 4]]) & np.isin(B, DOSES[[0, 2, 3, 4]])
    a, b = curve(1.0, 1.0, 1.3), curve(1.0, 0.7, 0.9)
    surface = collect([A[keep], B[keep]], bliss([a.effect(A), b.effect(B)])[keep])
    np.testing.assert_allclose(excess(surface, "zip").excess[0, surface.combined], 0.0, atol=1e-6)


@pytest.mark.parametrize("method", ["loewe", "zip"])
def test_loewe_and_zip_say_so_when_there_are_three_drugs(method):
    surface = collect([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1]], [0.1, 0.2, 0.3, 0.4])
    with pytest.raises(ValueError, match="two drugs"):
        excess(surface, method)


def test_flat_drug_has_no_ec50():
    rng = np.random.default_rng(5)
    b = curve(0.95, 1.0, 1.2)
    replicate = np.repeat(np.arange(3), A.size)
    mean = np.tile(b.effect(B), 3)
    surface = collect([np.tile(A, 3), np.tile(B, 3)], mean + rng.normal(0, 0.03, mean.size), replicate)
    ok, why = identifiable(surface, 0)
    assert not ok
    assert "drug 1" in why
    assert identifiable(surface, 1) == (True, "")
    assert set(excess(surface, "loewe").status[surface.combined]) == {"not_estimable"}
    assert set(excess(surface, "bliss").status[surface.combined]) == {"estimated"}


@pytest.mark.parametrize("level", [0.0, 0.4])
def test_zip_of_an_exactly_flat_drug_is_that_of_its_level(level):
    effect = bliss([np.where(A > 0, level, 0.0), curve(0.9, 1.0, 1.2).effect(B)])
    surface = collect([A, B], effect)
    np.testing.assert_allclose(excess(surface, "zip").excess[0, surface.combined], 0.0, atol=1e-5)
    assert not identifiable(surface, 0)[0]


def test_a_drug_that_is_at_its_maximum_at_every_dose_has_no_ec50():
    surface = collect([A, B], np.where(A > 0, 0.5, 0.0) + 0.4 * curve(1.0, 1.0, 1.0).effect(B))
    ok, why = identifiable(surface, 0)
    assert not ok
    assert why


def test_too_few_doses_have_no_ec50():
    surface = collect([[1, 2, 0, 0, 1], [0, 0, 1, 2, 1]], [0.1, 0.2, 0.1, 0.2, 0.3])
    assert identifiable(surface, 0) == (False, "drug 1 alone has 2 doses, an EC50 needs three")


def test_bigl_reference_surfaces(shared: Path):
    """BIGL 1.9.3, experiment 4: mean predicted cell count with its own rounded marginals (three to four digits).

    HSA and Loewe are defined alike (beyond the weaker drug's maximum BIGL lets the stronger act alone, which is our
    bound). Its Bliss scales both effects to the larger of the two maxima; ours takes effects as shares of all cells,
    and the two agree only on that scale.
    """
    table = pd.read_csv(shared / "data/pharmacology/BIGL/BIGL_directAntivirals.csv")
    off = table[(table.experiment == 4) & (table.d1 > 0) & (table.d2 > 0)]
    x, y = off.d1.to_numpy(), off.d2.to_numpy()
    base = 3979.458
    a = curve(1 - 214.310 / base, 10**0.457, 1.223)
    b = curve(1 - 462.322 / base, 10**-1.639, 1.008)
    singles = np.stack([a.effect(x), b.effect(y)])
    assert np.mean(base * (1 - hsa(singles))) == pytest.approx(1179.4724676, rel=2e-3)
    assert np.mean(base * (1 - loewe(x, y, a, b)[0])) == pytest.approx(1121.9262657, rel=2e-3)
    most = float(a.einf)
    assert np.mean(base * (1 - most * bliss(singles / most))) == pytest.approx(1061.8995753, rel=2e-3)
    assert np.mean(base * (1 - bliss(singles))) < 1061.8995753 - 20
