"""Drug sensitivity score and growth-rate metrics against their definitions and the reference software."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad

from rechallenge.assays.dose_response import drug_sensitivity_score, growth_rate_metrics

CURVES = [(1.0, 0.0, 5.0, 1.2), (1.0, 0.3, 20.0, 2.5), (0.9, 0.1, 0.5, 0.8), (1.0, 0.0, 300.0, 1.0)]


@pytest.mark.parametrize(("e0", "einf", "ec50", "h"), CURVES)
def test_score_is_the_area_above_the_threshold(e0: float, einf: float, ec50: float, h: float) -> None:
    low, high, threshold = 0.1, 100.0, 10.0

    def inhibition(u: float) -> float:
        return 100 * (1 - (einf + (e0 - einf) / (1 + (10**u / ec50) ** h)) / e0)

    area = quad(lambda u: max(inhibition(u) - threshold, 0.0), -1, 2, limit=200)[0]
    top = 100 * (1 - einf / e0)
    one = 100 * area / ((100 - threshold) * 3)
    active = quad(lambda u: float(inhibition(u) > threshold), -1, 2, limit=500)[0]
    expected = {1: one, 2: one / np.log10(top), 3: one / np.log10(top) * active / 3}
    for kind, value in expected.items():
        found = drug_sensitivity_score(low, high, e0, einf, ec50, h, kind=kind)  # type: ignore[arg-type]
        assert float(found) == pytest.approx(value, rel=2e-3), kind


def test_score_by_the_closed_form_of_the_paper() -> None:
    """The formula of the authors' R function for a top of 100, an IC50 of 1 and a slope of 1 over 0.01 to 100."""
    x1 = 0 - np.log10((100 - 10) / 10)
    area = (
        (100 * np.log10(1 + 10 ** (0 - 2)) + 100 * 2) - (100 * np.log10(1 + 10 ** (0 - x1)) + 100 * x1) - 10 * (2 - x1)
    )
    expected = 100 * area / (4 * 90) / np.log10(100)
    assert float(drug_sensitivity_score(0.01, 100, 1, 0, 1, 1)) == pytest.approx(expected, rel=1e-12)


def test_inactive_drug_scores_zero_and_unknown_curve_nothing() -> None:
    assert drug_sensitivity_score(0.1, 100, 1, 0.95, 5, 1) == 0
    assert np.isnan(drug_sensitivity_score(0.1, 100, 1, np.nan, np.nan, np.nan))
    with pytest.raises(ValueError, match="kind must be"):
        drug_sensitivity_score(0.1, 100, 1, 0, 5, 1, kind=4)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="threshold"):
        drug_sensitivity_score(0.1, 100, 1, 0, 5, 1, threshold=0)


def test_growth_rate_metrics_of_a_known_curve() -> None:
    x = np.geomspace(0.001, 10, 13)
    gr = -0.2 + 1.2 / (1 + (x / 0.05) ** 1.4)
    out = growth_rate_metrics(np.zeros(x.size, int), x, gr + 1e-4 * np.sin(np.arange(13)))
    assert out.gec50_um[0] == pytest.approx(0.05, rel=1e-3)
    assert out.gr_inf[0] == pytest.approx(-0.2, abs=1e-3)
    assert out.h_gr[0] == pytest.approx(1.4, rel=1e-2)
    assert out.gr50_um[0] == pytest.approx(0.05 * (0.5 / 0.7) ** (1 / 1.4), rel=2e-3)
    assert out.gr50_bound[0] == ""


def test_growth_rate_bounds_are_typed() -> None:
    x = np.tile(np.geomspace(0.01, 10, 7), 3)
    curve = np.repeat([0, 1, 3], 7)
    wobble = 0.01 * np.cos(np.arange(21))
    gr = np.concatenate([np.full(7, 0.97), np.full(7, 0.1), 0.55 + 0.45 / (1 + (x[:7] / 1) ** 2)]) + wobble
    out = growth_rate_metrics(curve, x, gr, n_curves=5)
    assert out.gr50_bound.tolist() == ["above", "below", "", "above", ""]
    assert out.gr_flat.tolist() == [True, True, False, False, False]
    assert np.isnan(out.gr50_um).all(), "a bound is never a number"
    assert np.isnan(out.gr_max[[2, 4]]).all() and np.isnan(out.gr_p_value[[2, 4]]).all()
    assert out.gr_max[0] == pytest.approx(0.97, abs=0.01)


def test_reference_software_agrees(shared: Path) -> None:
    """GRmetrics (R) and its Python port on 112 toy curves; R and Python agree on GR50 within 0.3 %."""
    folder = shared / "data" / "pharmacology" / "GR_toy"
    keys = ["cell_line", "agent", "perturbation", "replicate", "time"]
    values = pd.read_csv(folder / "R_input1_GRvalues.tsv", sep="\t")
    group = values.groupby(keys)
    out = growth_rate_metrics(group.ngroup(), values["concentration"], values["GR"])
    ours = (
        group.size()
        .index.to_frame(index=False)
        .assign(
            **{n: getattr(out, n) for n in ("gr50_um", "gr50_bound", "gec50_um", "gr_inf", "h_gr", "gr_max", "gr_aoc")},
            flat=out.gr_flat,
        )
    )
    theirs = pd.read_csv(folder / "R_input1_GRmetrics.tsv", sep="\t")
    both = ours.merge(theirs, on=keys)
    assert len(both) == 112
    assert (both["flat"] == (both["fit"] == "flat")).all()
    assert np.abs(both["gr_max"] - both["GRmax"]).max() < 1e-12
    assert np.abs(both["gr_aoc"] - both["GR_AOC"]).max() < 1e-12
    fitted = both[~both["flat"]]
    names = {"gec50_um": "GEC50", "gr_inf": "GRinf", "h_gr": "Hill"}
    near = np.all([np.isclose(fitted[a], fitted[b], rtol=1e-3, atol=1e-3) for a, b in names.items()], axis=0)
    assert (~near).sum() <= 1
    for row in fitted[~near].itertuples():  # a better optimum than R's, not another answer

        def rss(ec50: float, floor: float, h: float, row: tuple = row) -> float:
            own = values[np.all([values[k] == getattr(row, k) for k in keys], axis=0)]
            fit = floor + (1 - floor) / (1 + (own["concentration"] / ec50) ** h)
            return float(((own["GR"] - fit) ** 2).sum())

        assert rss(row.gec50_um, row.gr_inf, row.h_gr) < rss(row.GEC50, row.GRinf, row.Hill)
    inside = fitted["gr50_um"].notna()
    assert inside.sum() == 94
    assert np.abs(fitted["gr50_um"] / fitted["GR50"] - 1)[inside].max() < 1e-4
    # what R extrapolates beyond the highest dose (10) is a bound here
    beyond = fitted[~inside]
    assert (beyond["GR50"] > 10).all() and (beyond["gr50_bound"] == "above").all()
    flat = both[both["flat"]]
    assert (np.isinf(flat["GR50"]) & (flat["gr50_bound"] == "above") & flat["gr50_um"].isna()).all()
