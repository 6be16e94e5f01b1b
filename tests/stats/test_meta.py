"""Meta-analysis: metafor, rows together as one by one, coverage of Hartung and Knapp."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rechallenge.stats import meta

#: log hazard ratios per SD and standard errors of one fixed score in six liver-cancer cohorts (GSE14520, LIRI-JP,
#: GSE76427, GSE10143, GSE27150, TCGA)
SIX = (
    [0.810057822, 0.498623740, -0.089498494, 0.062404550, 0.367062770, 0.214661],
    [0.127763929, 0.167634888, 0.223634249, 0.170598500, 0.183513160, 0.066288],
)


def test_six_cohorts_disagree() -> None:
    """metafor 3.8-1: I2 79 % (Q), pooled HR 1.39 (0.99 to 1.94) by REML and Hartung-Knapp; prediction 0.63 to 3.04."""
    got = meta.pool(*SIX)
    np.testing.assert_allclose(np.exp([got.effect[0], got.ci_low[0], got.ci_high[0]]), [1.387, 0.993, 1.938], atol=1e-3)
    np.testing.assert_allclose([got.i2_q[0], got.i2[0]], [0.792, 0.801], atol=1e-3)
    np.testing.assert_allclose(np.exp([got.pi_low[0], got.pi_high[0]]), [0.633, 3.040], atol=2e-3)
    assert got.k[0] == 6 and got.same_sign[0] == 5 and got.p[0] == pytest.approx(0.0533, abs=1e-4)


def test_metafor(shared: Path) -> None:
    """To 1e-6: metafor stops its own iterations at 1e-5 of tau2."""
    want: dict[str, Any] = json.loads((shared / "oracles/clinical/oracle_R.json").read_text())["meta_hcc"]
    d = pd.read_csv(shared / "oracles/clinical/hcc_meta_in.csv")
    for method in ("FE", "DL", "REML"):
        got = meta.pool(d["b"], d["se"], method=method, hartung_knapp=False)
        mine = [got.effect[0], got.se[0], got.tau2[0], 100 * got.i2[0], got.q[0], got.q_p[0], got.p[0]]
        theirs = [want[method][k] for k in ("b", "se", "tau2", "I2", "Q", "Qp", "p")]
        np.testing.assert_allclose(mine, theirs, rtol=2e-6, atol=1e-9)
    got = meta.pool(d["b"], d["se"])
    hk = want["REML_HK"]
    np.testing.assert_allclose([got.effect[0], got.se[0], got.p[0]], [hk["b"], hk["se"], hk["p"]], rtol=1e-6)
    np.testing.assert_allclose([got.ci_low[0], got.ci_high[0]], hk["ci"], rtol=1e-4)
    np.testing.assert_allclose([got.pi_low[0], got.pi_high[0]], want["pred_interval"], rtol=1e-5)


def test_rows_together_are_rows_one_by_one_and_missing_studies_are_left_out() -> None:
    rng = np.random.default_rng(1)
    y, s = rng.normal(0, 0.4, (40, 5)), rng.uniform(0.1, 0.4, (40, 5))
    y[rng.random(y.shape) < 0.3] = np.nan
    together = meta.pool(y, s)
    for i in range(40):
        there = np.isfinite(y[i])
        alone = meta.pool(y[i, there], s[i, there])
        for field in ("effect", "se", "tau2", "p", "pi_low", "i2"):
            np.testing.assert_allclose(getattr(together, field)[i], getattr(alone, field)[0], rtol=1e-9)
    assert (together.k == np.isfinite(y).sum(axis=1)).all()


def test_the_restricted_likelihood_is_at_its_top() -> None:
    rng = np.random.default_rng(6)
    y, s = rng.normal(0, 0.5, (20, 6)), rng.uniform(0.1, 0.3, (20, 6))
    tau2 = meta.pool(y, s).tau2

    def likelihood(i: int, t: float) -> float:
        w = 1 / (s[i] ** 2 + t)
        mu = (w * y[i]).sum() / w.sum()
        return float(0.5 * np.log(w).sum() - 0.5 * np.log(w.sum()) - 0.5 * (w * (y[i] - mu) ** 2).sum())

    for i in range(20):
        top = likelihood(i, tau2[i])
        assert all(likelihood(i, t) <= top + 1e-9 for t in np.linspace(0, 2, 200))


def test_one_study_and_none() -> None:
    got = meta.pool([[0.5, np.nan], [np.nan, np.nan]], [[0.2, 0.1], [0.1, 0.1]])
    assert got.k.tolist() == [1, 0] and got.p[0] == pytest.approx(0.0124, abs=1e-4)
    assert np.isnan(got.tau2[0]) and np.isnan(got.effect[1]) and np.isnan(got.pi_low[0])


def test_agreement_by_chance_does_not_make_it_exact() -> None:
    """Three studies that agree: the plain Hartung-Knapp error all but vanishes, the floor is the usual one."""
    y, s = [[0.42, 0.40, 0.41]], [[0.09, 0.09, 0.09]]
    plain, held, usual = meta.pool(y, s), meta.pool(y, s, floor=True), meta.pool(y, s, hartung_knapp=False)
    assert plain.se[0] < 0.2 * usual.se[0] and held.se[0] == usual.se[0] and held.ci_low[0] < usual.ci_low[0]


def test_leaving_one_out() -> None:
    y, s = np.array([[0.8, 0.1, 0.1]]), np.array([[0.1, 0.1, 0.1]])
    loo = meta.leave_one_out(y, s)
    assert loo[0].effect[0] == pytest.approx(0.1) and loo[1].effect[0] == pytest.approx(0.45)


@pytest.mark.slow
def test_coverage_and_null_rate_with_few_studies() -> None:
    """Hartung and Knapp hold 95 % with five heterogeneous studies; the normal interval does not, and the prediction
    interval falls short, as metafor's does, because the variance between five studies is hardly known."""
    rng = np.random.default_rng(9)
    s = rng.uniform(0.1, 0.3, (6000, 5))
    y = 0.3 + rng.normal(0, 0.25, s.shape) + rng.normal(size=s.shape) * s
    got, normal = meta.pool(y, s), meta.pool(y, s, hartung_knapp=False)
    inside = (got.ci_low < 0.3) & (got.ci_high > 0.3)
    assert abs(inside.mean() - 0.95) < 0.015
    assert ((normal.ci_low < 0.3) & (normal.ci_high > 0.3)).mean() < 0.92
    again = 0.3 + rng.normal(0, 0.25, len(y))
    assert 0.84 < ((got.pi_low < again) & (again < got.pi_high)).mean() < 0.97
