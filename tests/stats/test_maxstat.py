"""Best cut-points: the statistic and approximations of R's maxstat, permutation, and honest rates under the null."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from test_cox import lung

from rechallenge.stats import maxstat, survival


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
    the permutation p within four standard errors of both simulations. Its HL p-value is not computed here."""
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
    assert cut.cut == oracle["survminer_cutpoint_myeloma"]["cut"][("DEPDC1", "WHSC1", "CRIM1").index(gene)]
    want = oracle[f"naive_myeloma_{gene}"]
    best = survival.log_rank(t["time"], t["event"], t[gene] > cut.cut).p
    half = survival.log_rank(t["time"], t["event"], t[gene] > t[gene].median()).p
    np.testing.assert_allclose([best, half], [want["best_naive_p"], want["median_p"]], rtol=1e-8)


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
