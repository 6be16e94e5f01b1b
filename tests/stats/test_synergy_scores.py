"""Scores, their regions and intervals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rechallenge.stats.synergy import METHODS, Hill, bliss, collect, excess, score, within
from rechallenge.stats.synergy.inference import INTERVALS, leave_one_out, pseudo_values, t_interval

DOSES = np.array([0.0, 0.25, 1.0, 4.0, 16.0])
A, B = (m.ravel() for m in np.meshgrid(DOSES, DOSES, indexing="ij"))
BOTH = (A > 0) & (B > 0)


def hill(x, ec50, h, einf=1.0):
    return Hill(np.float64(einf), np.float64(ec50), np.float64(h)).effect(x)


def study(replicates=3, extra=0.0, seed=1, sd=0.02, einf=1.0):
    rng = np.random.default_rng(seed)
    mean = bliss([hill(A, 2.0, 1.2, einf), hill(B, 1.0, 1.0)]) + extra * BOTH
    y = mean + rng.normal(0, sd, (replicates, A.size))
    return collect(
        [np.tile(A, replicates), np.tile(B, replicates)], y.ravel(), np.repeat(np.arange(replicates), A.size)
    )


@pytest.mark.parametrize(
    ("block", "method", "value"),
    [(1, "hsa", 20.195), (2, "hsa", -41.418), (1, "bliss", 10.856), (2, "bliss", -13.073)],
)
def test_published_screen_agrees_with_two_programs(shared: Path, block, method, value):
    """SynergyFinder+ and `synergy` agree on these means over the 25 combinations (both doses above 0)."""
    table = pd.read_csv(shared / "data/pharmacology/mathews_screening_data.csv")
    part = table[table.block_id == block]
    surface = collect([part.conc_r, part.conc_c], part.response / 100, kind="viability")
    found = score(surface, method)
    assert found.score == pytest.approx(value, abs=1e-3)
    assert (found.n_cells, found.status) == (25, "not_testable")


def test_cells_of_the_published_screen(shared: Path):
    table = pd.read_csv(shared / "data/pharmacology/mathews_screening_data.csv")
    theirs = pd.read_csv(shared / "oracles/pharmacology/sf3_scores_mathews_screening_data.csv")
    for block in (1, 2):
        part = table[table.block_id == block]
        surface = collect([part.conc_r, part.conc_c], part.response / 100, kind="viability")
        rows = theirs[theirs.block_id == block].sort_values(["conc1", "conc2"])
        for method, column in (("hsa", "HSA"), ("bliss", "Bliss")):
            ours = 100 * excess(surface, method).excess[0]
            both = surface.combined
            np.testing.assert_allclose(ours[both], rows[f"{column}_synergy"].to_numpy()[both], atol=1e-4)


def test_published_screen_has_no_loewe_score(shared: Path):
    table = pd.read_csv(shared / "data/pharmacology/mathews_screening_data.csv")
    for block in (1, 2):
        part = table[table.block_id == block]
        found = score(collect([part.conc_r, part.conc_c], part.response / 100, kind="viability"), "loewe")
        assert found.status == "not_estimable"
        assert np.isnan(found.score)
        assert "drug 1" in found.reason


@pytest.mark.parametrize("method", METHODS)
def test_one_replicate_has_a_score_but_no_interval(method):
    found = score(study(1), method)
    assert found.status == "not_testable"
    assert np.isfinite(found.score)
    assert np.isnan([found.se, found.ci_low, found.ci_high, found.p_value, found.df]).all()


@pytest.mark.parametrize("method", METHODS)
def test_synergy_is_positive_in_per_cent_of_inhibition(method):
    found = score(study(4, extra=0.1), method)
    assert found.status == "estimated"
    assert found.score > score(study(4), method).score + 6
    assert found.ci_low < found.score < found.ci_high
    assert found.p_value < 0.01
    assert found.df == 3


def test_antagonism_is_negative():
    found = score(study(4, extra=-0.1), "bliss")
    assert found.ci_high < 0


def test_jackknife_of_a_mean_is_the_t_interval():
    x = np.random.default_rng(2).normal(size=5)
    theta = leave_one_out(5) @ x / leave_one_out(5).sum(axis=1)
    np.testing.assert_allclose(pseudo_values(theta), x)
    made = t_interval(theta[0], pseudo_values(theta))
    # scipy.stats.ttest_1samp on the same numbers
    from scipy import stats

    theirs = stats.ttest_1samp(x, 0)
    assert float(made.p_value) == pytest.approx(theirs.pvalue)
    assert (float(made.lo), float(made.hi)) == pytest.approx(tuple(theirs.confidence_interval()))


def test_bliss_over_replicates_is_nearly_the_t_interval_of_their_scores():
    surface = study(4)
    pooled, single = score(surface, "bliss"), score(surface, "bliss", interval="replicate")
    assert pooled.score == pytest.approx(single.score, abs=0.1)
    assert pooled.se == pytest.approx(single.se, rel=0.1)


def test_bootstrap_percentiles_are_narrower_and_studentised_limits_wider():
    surface = study(4)
    width = {i: np.subtract(*(lambda s: (s.ci_high, s.ci_low))(score(surface, "bliss", interval=i))) for i in INTERVALS}
    assert width["bootstrap"] < width["jackknife"] < width["bootstrap_t"]


def test_the_window_is_a_region_of_its_own():
    surface = study(3)
    mask = within(surface, [1.0, 4.0])
    found = score(surface, "bliss", mask=mask, region="window")
    assert (found.region, found.n_cells) == ("window", 6)
    expected = 100 * excess(surface, "bliss").excess[0][mask & surface.combined].mean()
    assert found.score == pytest.approx(expected)


def test_a_window_without_combinations_is_not_estimable():
    surface = study(3)
    found = score(surface, "bliss", mask=within(surface, [0.1, 0.1]), region="window")
    assert found.status == "not_estimable"
    assert found.reason


def test_a_weak_partner_leaves_a_loewe_bound():
    found = score(study(4, einf=0.3), "loewe")
    assert found.status == "bound"
    assert found.n_bound > 0
    assert found.ci_low == -np.inf
    assert np.isfinite(found.ci_high)


def test_a_bound_can_show_antagonism_only():
    assert score(study(4, einf=0.3, extra=-0.25), "loewe").p_value < 0.05
    assert score(study(4, einf=0.3, extra=0.2), "loewe").p_value > 0.5


def test_three_drugs():
    levels = np.array([0.0, 0.5, 2.0])
    grid = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    singles = np.stack([hill(grid[:, d], 1.0 + d, 1.0) for d in range(3)])
    surface = collect(list(grid.T), bliss(singles))
    assert surface.combined.sum() == 27 - 7
    assert score(surface, "bliss").score == pytest.approx(0.0, abs=1e-9)
    assert score(surface, "hsa").score > 5


def test_rays_need_single_agents_at_their_doses_or_their_curves():
    d = np.array([0.25, 0.5, 1.0, 2.0, 4.0, 8.0])
    a, b = np.r_[d, 0 * d, d / 3], np.r_[0 * d, d, d / 3]
    surface = collect([a, b], bliss([hill(a, 2.0, 1.2), hill(b, 1.0, 1.0)]))
    assert score(surface, "bliss").status == "not_estimable"
    fitted = score(surface, "bliss", margin="fitted")
    assert fitted.n_cells == 6
    assert fitted.score == pytest.approx(0.0, abs=1e-5)


def test_viability_is_one_minus_inhibition():
    surface = study(2)
    other = collect(
        [np.tile(A, 2), np.tile(B, 2)], (1 - surface.response).ravel(), np.repeat([0, 1], A.size), kind="viability"
    )
    np.testing.assert_allclose(other.response, surface.response)


def test_order_of_wells_and_names_of_replicates_do_not_matter():
    surface = study(3)
    rng = np.random.default_rng(4)
    order = rng.permutation(3 * A.size)
    shuffled = collect(
        [np.tile(A, 3)[order], np.tile(B, 3)[order]], surface.response.ravel()[order],
        np.repeat(["x", "y", "z"], A.size)[order],
    )  # fmt: skip
    assert replace(score(shuffled, "bliss")) == score(surface, "bliss")


def test_a_lost_well_costs_its_combination_in_that_replicate_only():
    surface = study(3)
    y = surface.response.copy()
    y[0, np.flatnonzero(BOTH)[0]] = np.nan
    lost = collect([np.tile(A, 3), np.tile(B, 3)], y.ravel(), np.repeat(np.arange(3), A.size))
    assert score(lost, "bliss").n_cells == 16
    assert score(lost, "bliss").score == pytest.approx(score(surface, "bliss").score, abs=0.3)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (([[1.0]], [0.1]), "at least two drugs"),
        (([[1.0], [1.0, 2.0]], [0.1]), "one length"),
        (([[-1.0], [1.0]], [0.1]), "not negative"),
        (([[1.0], [1.0]], [np.nan]), "no well"),
    ],
)
def test_unusable_wells_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        collect(*arguments)


def test_unknown_options_are_refused():
    surface = study(2)
    with pytest.raises(ValueError, match="method"):
        score(surface, "talalay")
    with pytest.raises(ValueError, match="interval"):
        score(surface, "bliss", interval="normal")
    with pytest.raises(ValueError, match="mask"):
        score(surface, "bliss", mask=np.ones(3, bool))
    with pytest.raises(ValueError, match="limit"):
        within(surface, [1.0])
    with pytest.raises(ValueError, match="kind"):
        collect([[1.0], [1.0]], [0.1], kind="growth")
