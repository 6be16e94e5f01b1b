"""Best cut-points: the statistic and approximations of R's maxstat, permutation, and honest rates under the null."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_cox import lung

from rechallenge.stats import cox, maxstat, survival


@pytest.fixture(scope="module")
def oracle(shared: Path) -> dict[str, Any]:
    return json.loads((shared / "oracles/clinical/oracle_R.json").read_text())


def data(folder: Path, name: str) -> tuple[Any, Any, Any]:
    if name == "maxstat_DLBCL_MGE":
        t = pd.read_csv(folder / "dlbcl_maxstat.csv").dropna(subset=["time"])
        return t["time"], t["cens"], t["MGE"]
    if name == "maxstat_lung_age":
        t = lung()
        return t["time"], t["event"], t["age"]
    if name == "maxstat_gbsg2_noise":
        t = pd.read_csv(folder / "gbsg2_noise.csv")
        return t["time"], t["cens"], t["noise"]
    if name.startswith("maxstat_gbsg2"):
        t = pd.read_csv(folder / "gbsg2.csv")
        return t["time"], t["cens"], t[name.removeprefix("maxstat_gbsg2_")]
    t = pd.read_csv(folder / "myeloma_survminer.csv")
    return t["time"], t["event"], t[name.removeprefix("maxstat_myeloma_")]


@pytest.mark.parametrize(
    "name",
    ["maxstat_DLBCL_MGE", "maxstat_lung_age", "maxstat_gbsg2_progrec", "maxstat_gbsg2_age", "maxstat_gbsg2_noise",
     "maxstat_myeloma_DEPDC1", "maxstat_myeloma_WHSC1", "maxstat_myeloma_CRIM1"],
)  # fmt: skip
def test_agrees_with_r(name: str, oracle: dict[str, Any], shared: Path) -> None:
    """R's maxstat 0.7-25: statistic, cut-point and Gaussian approximations to 1e-6, bounds above 1 cut there;
    the permutation p within four standard errors of both simulations."""
    time, event, x = data(shared / "oracles/clinical", name)
    got = maxstat.best_cut(time, event, x, draws=1999)
    want = oracle[name]
    np.testing.assert_allclose([got.statistic, got.cut], [want["Lau92"]["stat"], want["Lau92"]["cut"]], rtol=1e-8)
    np.testing.assert_allclose([got.p_lau92, got.p_lau94], [want["Lau92"]["p"], min(1, want["Lau94"]["p"])], rtol=1e-6)
    p = want["condMC"]["p"]
    assert abs(got.p_permutation - p) < 4 * np.sqrt((p * (1 - p) + 1e-3) * (1 / 1999 + 1 / 9999)) + 1e-3


@pytest.mark.parametrize("gene", ["DEPDC1", "WHSC1", "CRIM1"])
def test_what_would_be_claimed_without_correction(gene: str, oracle: dict[str, Any], shared: Path) -> None:
    t = pd.read_csv(shared / "oracles/clinical/myeloma_survminer.csv")
    cut = maxstat.best_cut(t["time"], t["event"], t[gene], draws=0)
    there = oracle["survminer_cutpoint_myeloma"]
    assert cut.cut == there["cut"][there["vars"].index(gene)]
    np.testing.assert_allclose(cut.statistic, there["stat"][there["vars"].index(gene)], rtol=1e-8)
    want = oracle[f"naive_myeloma_{gene}"]
    best = survival.log_rank(t["time"], t["event"], t[gene] > cut.cut).p
    half = survival.log_rank(t["time"], t["event"], t[gene] > t[gene].median()).p
    np.testing.assert_allclose([best, half], [want["best_naive_p"], want["median_p"]], rtol=1e-8)
    slope = cox.fit(cox.risk(t["time"], t["event"]), t[gene].to_numpy(float)[None] / t[gene].std())
    np.testing.assert_allclose(slope.p[0], want["cox_p"], rtol=1e-6)


def test_the_bound_beside_rs_hl(oracle: dict[str, Any], shared: Path) -> None:
    """R's HL: statistic and cut-point of its integer scores to 1e-9, its p-value to 1e-9 where what it leaves out is
    left out; our own bound lies between the permutation p of the same scores (20,000 draws) and theirs."""
    time, event, x = data(shared / "oracles/clinical", "maxstat_DLBCL_MGE")
    got, want = maxstat.bounded_cut(time, event, x), oracle["maxstat_DLBCL_MGE"]["HL"]
    np.testing.assert_allclose([got.statistic, got.cut], [want["stat"], want["cut"]], rtol=1e-9)
    z, sizes = maxstat.integer_scores(maxstat.log_rank_scores(time, event)), np.arange(4, 37)
    assert maxstat.hothorn_lausen(got.statistic, z, sizes, like_r=True) == pytest.approx(want["p"], rel=1e-9)
    whole = maxstat.hothorn_lausen(got.statistic, z, sizes)
    p = simulated(got.statistic, z, sizes)
    assert p - 4 * np.sqrt(p / 20_000) < got.p < want["p"] < whole
    assert [got.p, whole] == pytest.approx([0.015406, 0.022519], abs=1e-6)


def test_the_bound_of_hothorn_and_lausen_lies_between_ours_and_bonferroni() -> None:
    """Nine subjects, every order counted: what R leaves out makes its p-value fall below the truth here and there."""
    rng = np.random.default_rng(2)
    m, below = np.arange(1, 9), 0
    for _ in range(6):
        z = maxstat.integer_scores(maxstat.log_rank_scores(rng.integers(1, 12, 9), rng.random(9) < 0.7))
        rows = np.array(list(set(permutations(z))))
        away = np.abs(np.cumsum(rows, axis=1)[:, m - 1] - m * z.mean()) / np.sqrt(m * (9 - m) / 9 * z.var(ddof=1))
        for b in np.unique(np.round(away.max(axis=1), 9))[-4:]:
            there = away >= b - 1e-8
            theirs = maxstat.hothorn_lausen(b - 1e-8, z, m)
            assert there.any(axis=1).mean() - 1e-12 <= theirs <= min(1, there.mean(axis=0).sum()) + 1e-12
            assert maxstat.conditional_bound(b - 1e-8, z, m) <= theirs + 1e-12
            below += maxstat.hothorn_lausen(b - 1e-8, z, m, like_r=True) < there.any(axis=1).mean() - 1e-12
    assert below > 0


def simulated(b: float, scores: Any, sizes: Any, draws: int = 20_000) -> float:
    """The share of random orders whose largest statistic reaches b, written out on its own."""
    n = len(scores)
    rows = np.random.default_rng(0).permuted(np.tile(scores, (draws, 1)), axis=1)
    away = np.abs(np.cumsum(rows, axis=1)[:, sizes - 1] - sizes * scores.mean())
    return float((away / np.sqrt(sizes * (n - sizes) / n * scores.var(ddof=1)) >= b - 1e-9).any(axis=1).mean())


@pytest.mark.parametrize("sizes", [[1, 2, 3, 4, 5, 6], [2, 3, 4, 5], [1, 3, 4, 6], [2, 5], [3]])
def test_the_bound_is_what_counting_all_orders_gives(sizes: list[int]) -> None:
    """Seven subjects, 5,040 orders, every value that the largest statistic takes: the sum of the bound equals the count
    where cut-points are neighbours, lies above it where ties part them, and never falls below P(max >= b)."""
    rng = np.random.default_rng(5)
    m = np.array(sizes)
    for _ in range(4):
        z = maxstat.integer_scores(maxstat.log_rank_scores(rng.integers(1, 9, 7), rng.random(7) < 0.7))
        rows = np.array(list(permutations(z)))
        away = np.abs(np.cumsum(rows, axis=1)[:, m - 1] - m * z.mean()) / np.sqrt(m * (7 - m) / 7 * z.var(ddof=1))
        for b in np.unique(np.round(away.max(axis=1), 9)):
            there = away >= b - 1e-8
            new = there[:, 1:] & ~there[:, :-1]
            counted = min(1.0, there[:, 0].mean() + new.mean(axis=0).sum())
            got = maxstat.conditional_bound(b - 1e-8, z, m)
            assert got >= there.any(axis=1).mean() - 1e-12
            if (np.diff(m) == 1).all():
                assert got == pytest.approx(counted, abs=1e-12)
            else:
                assert counted - 1e-12 <= got <= there.mean(axis=0).sum() + 1e-12


def test_the_bound_is_above_simulation_and_does_not_depend_on_the_order_of_subjects() -> None:
    rng = np.random.default_rng(3)
    for n, digits in ((25, 6), (40, 6), (40, 0)):  # without and with ties between markers
        x = np.round(3 * rng.normal(size=n), digits)
        time, event = rng.exponential(size=n), rng.random(n) < 0.7
        got = maxstat.bounded_cut(time, event, x)
        again = rng.permutation(n)
        assert maxstat.bounded_cut(time[again], event[again], x[again]).p == got.p
        z = maxstat.integer_scores(maxstat.log_rank_scores(time, event))
        sizes = np.unique(np.searchsorted(np.sort(x), x, side="right"))
        p = simulated(got.statistic, z, sizes[(sizes >= np.floor(0.1 * n)) & (sizes <= np.floor(0.9 * n))])
        assert got.p > p - 4 * np.sqrt(p * (1 - p) / 20_000)


def test_a_bound_that_cannot_be_computed_is_refused() -> None:
    with pytest.raises(ValueError, match="too many"):
        maxstat.bounded_cut(np.arange(201), np.ones(201), np.arange(201))
    with pytest.raises(ValueError, match="same score"):
        maxstat.bounded_cut(np.arange(9), np.zeros(9), np.arange(9))


def test_scores_sum_to_observed_minus_expected() -> None:
    """One group against the other without ties: the sum of scores is the log-rank numerator."""
    rng = np.random.default_rng(2)
    time, event, x = rng.exponential(size=80), rng.random(80) < 0.7, rng.random(80) < 0.5
    scores = maxstat.log_rank_scores(time, event)
    test = survival.log_rank(time, event, x)
    np.testing.assert_allclose(scores[x].sum(), test.observed[1] - test.expected[1], atol=1e-10)
    assert abs(scores.sum()) < 1e-9


def test_a_planted_cut_is_found_and_missing_values_are_refused() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=300)
    time = rng.exponential(np.where(x > 0.8, 0.25, 1.0))
    got = maxstat.best_cut(time, np.ones(300), x)
    assert abs(got.cut - 0.8) < 0.35 and got.p_permutation == 1 / 2000
    assert got.uncorrected < got.p_lau92
    with pytest.raises(ValueError, match="leave out"):
        maxstat.best_cut(time, np.ones(300), np.where(x > 2, np.nan, x))
    with pytest.raises(ValueError, match="no cut-point"):
        maxstat.best_cut(time, np.ones(300), np.zeros(300))


@pytest.mark.slow
def test_null_rates() -> None:
    """With 200 patients: permutation at 5 %, the approximations below, the uncorrected best cut far above."""
    rng = np.random.default_rng(8)
    found = []
    for k in range(400):
        time, event = rng.exponential(size=200), rng.random(200) < 0.7
        found.append(maxstat.best_cut(time, event, rng.normal(size=200), draws=499, seed=k))
    rate = {p: np.mean([getattr(f, p) < 0.05 for f in found]) for p in
            ("p_permutation", "p_lau92", "p_lau94", "uncorrected")}  # fmt: skip
    assert abs(rate["p_permutation"] - 0.05) < 0.04 and rate["p_lau92"] < 0.06 and rate["p_lau94"] < 0.08
    assert rate["uncorrected"] > 0.3
