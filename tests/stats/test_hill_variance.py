"""Cluster-robust variance over biological replicates, against a dense computation of its definition."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rechallenge.stats.hill import HillFits, fit_hill, ic50_interval
from rechallenge.stats.hill.intervals import locate

Floats = NDArray[np.float64]
DOSES = 20 / 3.0 ** np.arange(9)


def data(groups: int, seed: int, keep: float = 1.0) -> tuple[Floats, Floats, NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    ec50 = 10 ** rng.normal(0, 0.1, (groups, 1))
    x, replicate = np.tile(np.repeat(DOSES, 2), groups), np.repeat(np.arange(groups) * 7 + 3, 18)
    y = (0.1 + 0.9 / (1 + (np.repeat(DOSES, 2) / ec50) ** 1.3)).ravel() + rng.normal(0, 0.03, x.size)
    kept = rng.random(x.size) < keep
    return x[kept], y[kept], replicate[kept]


def gradient(fit: HillFits, x: Floats) -> Floats:
    """[n, 4] derivatives of the response in (h, einf, e0, log EC50)."""
    h, einf, e0, c = fit.h[0], fit.einf[0], fit.e0[0], np.log(fit.ec50[0])
    u = np.log(x) - c
    s = 1 / (1 + np.exp(h * u))
    q = (e0 - einf) * s * (1 - s)
    return np.column_stack([-q * u, 1 - s, s, q * h])


def dense(fit: HillFits, x: Floats, y: Floats, label: NDArray[np.int64], c: Floats) -> tuple[Floats, float]:
    """CR2 covariance and Satterthwaite degrees of freedom of c'beta from n x n matrices."""
    j, residual = gradient(fit, x), y - fit.predict(x[None, :])[0]
    bread = np.linalg.inv(j.T @ j)
    hat = j @ bread @ j.T
    influence, rows = [], []
    for g in np.unique(label):
        own = label == g
        values, vectors = np.linalg.eigh(np.eye(own.sum()) - hat[np.ix_(own, own)])
        root = vectors @ np.diag(np.where(values > 1e-8, np.maximum(values, 1e-8) ** -0.5, 0)) @ vectors.T
        influence.append(bread @ j[own].T @ root @ residual[own])
        rows.append((np.eye(x.size) - hat)[own].T @ root @ j[own] @ bread @ c)
    p = np.array(rows) @ np.array(rows).T
    return np.sum([np.outer(v, v) for v in influence], axis=0), float(np.trace(p) ** 2 / (p**2).sum())


@pytest.mark.parametrize(("groups", "keep"), [(3, 1.0), (3, 0.7), (4, 0.6), (6, 0.8)])
def test_variance_is_cr2_and_df_is_satterthwaite(groups: int, keep: float) -> None:
    x, y, label = data(groups, seed=groups, keep=keep)
    fit = fit_hill(np.zeros(x.size, int), x, y, replicate=label)
    at, influence = locate(fit, 0.5, scale=0, variance="replicate")
    slope = gradient(fit, np.exp(at.log_dose))[0]
    expected, df = dense(fit, x, y, label, slope)
    assert at.v[0] == pytest.approx(expected, rel=1e-5)
    assert at.df[0] == pytest.approx(df, rel=1e-5)
    assert at.se[0] == pytest.approx(np.sqrt(slope @ expected @ slope) / slope[3], rel=1e-5)
    assert np.sqrt((influence.value**2).sum()) == pytest.approx(at.se[0], rel=1e-9)


@pytest.mark.parametrize("groups", [2, 3, 5])
def test_balanced_replicates_have_one_df_less_than_their_number(groups: int) -> None:
    x, y, label = data(groups, seed=1)
    fit = fit_hill(np.zeros(x.size, int), x, y, replicate=label)
    assert ic50_interval(fit, 0.5).df[0] == pytest.approx(groups - 1)


def test_balanced_variance_is_that_of_per_replicate_estimates() -> None:
    """With little noise the curve is close to linear, and both roads give the variance of the mean over replicates."""
    rng = np.random.default_rng(2)
    ec50 = 10 ** rng.normal(0, 0.01, (5, 1))
    y = 0.1 + 0.9 / (1 + (DOSES / ec50) ** 1.3) + rng.normal(0, 0.002, (5, 9))
    joint = fit_hill(np.zeros(45, int), np.tile(DOSES, 5), y.ravel(), replicate=np.repeat(np.arange(5), 9))
    single = fit_hill(np.repeat(np.arange(5), 9), np.tile(DOSES, 5), y.ravel()).inverse(0.5)
    interval = ic50_interval(joint, 0.5, method="replicate")
    assert interval.log10_dose[0] == pytest.approx(single.mean(), abs=1e-3)
    assert interval.se[0] == pytest.approx(single.std(ddof=1) / np.sqrt(5), rel=0.02)


def test_a_dose_range_of_one_replicate_falls_back_to_its_residuals() -> None:
    """Only replicate 0 saw the low doses: between-replicate spread of E0 is unknown, but not nothing."""
    rng = np.random.default_rng(3)
    x = np.concatenate([DOSES, DOSES[:4], DOSES[:4]])
    label = np.concatenate([np.zeros(9, int), np.ones(4, int), np.full(4, 2)])
    y = 0.1 + 0.9 / (1 + x**1.3) + rng.normal(0, 0.02, x.size)
    fit = fit_hill(np.zeros(x.size, int), x, y, replicate=label)
    at, _ = locate(fit, 0.5, scale=0, variance="replicate")
    residual, _ = locate(fit, 0.5, scale=0, variance="residual")
    assert at.v[0, 2, 2] > 0.3 * residual.v[0, 2, 2]
    interval = ic50_interval(fit, 0.5)
    assert interval.lo[0] < interval.dose[0] < interval.hi[0]


def test_labels_of_replicates_are_only_names() -> None:
    x, y, label = data(4, seed=5, keep=0.8)
    one = ic50_interval(fit_hill(np.zeros(x.size, int), x, y, replicate=label))
    two = ic50_interval(fit_hill(np.zeros(x.size, int), x, y, replicate=100 - label))
    assert (one.lo[0], one.hi[0]) == pytest.approx((two.lo[0], two.hi[0]), rel=1e-9)
