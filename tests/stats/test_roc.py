"""ROC areas: pROC, the definition itself, coverage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rechallenge.stats import roc


def test_proc_on_subarachnoid_haemorrhage(shared: Path) -> None:
    """pROC 1.18 on its aSAH data: areas, DeLong limits, paired comparison and Youden's point to 1e-8."""
    want: dict[str, Any] = json.loads((shared / "oracles/clinical/oracle_R.json").read_text())
    t = pd.read_csv(shared / "oracles/clinical/asah_pROC.csv")
    poor = t["outcome"] == "Poor"
    got = roc.areas(t[["s100b", "ndka"]].to_numpy().T, poor)
    one = want["pROC_aSAH_s100b"]
    np.testing.assert_allclose([got.ci_low[0], got.auc[0], got.ci_high[0]], one["ci_delong"], rtol=1e-8)
    np.testing.assert_allclose([got.ci_low[0], got.ci_high[0]], np.array(one["ci_boot"])[[0, 2]], atol=0.01)
    np.testing.assert_allclose(got.auc[1], want["pROC_aSAH_compare"]["auc_ndka"], rtol=1e-8)
    np.testing.assert_allclose(
        roc.compare(t["s100b"], t["ndka"], poor)[2], want["pROC_aSAH_compare"]["delong_p"], rtol=1e-8
    )
    best = roc.youden(t["s100b"], poor)
    want_point = [one["youden"][k] for k in ("threshold", "sensitivity", "specificity")]
    np.testing.assert_allclose([best.threshold, best.sensitivity, best.specificity], want_point, rtol=1e-8)


def test_the_area_is_the_share_of_ordered_pairs() -> None:
    rng = np.random.default_rng(0)
    x, case = rng.integers(0, 6, (5, 40)).astype(float), rng.random(40) < 0.4
    got = roc.areas(x, case)
    for row, auc in zip(x, got.auc, strict=True):
        d = row[case][:, None] - row[~case][None, :]
        assert auc == pytest.approx((d > 0).mean() + 0.5 * (d == 0).mean())
    np.testing.assert_allclose(roc.areas(-x, case).auc, 1 - got.auc)
    p = roc.permuted(x, case, draws=999)
    assert ((p >= 1 / 1000) & (p <= 1)).all() and (p == roc.permuted(x, case, draws=999)).all()


def test_separated_labels_have_an_area_and_no_test() -> None:
    got = roc.areas(np.arange(10.0)[None], np.arange(10) > 4)
    assert got.auc[0] == 1 and np.isnan(got.p[0]) and np.isnan(got.ci_low[0])
    with pytest.raises(ValueError, match="two cases"):
        roc.areas(np.arange(4.0)[None], [True, False, False, False])


def test_the_curve_runs_from_corner_to_corner() -> None:
    _, sensitivity, specificity = roc.curve([1, 2, 3, 4], [False, True, False, True])
    assert (sensitivity[0], specificity[0], sensitivity[-1], specificity[-1]) == (1, 0, 0, 1)


@pytest.mark.slow
def test_coverage_and_null_rate() -> None:
    rng = np.random.default_rng(5)
    case = np.arange(60) < 25
    hits, null = [], []
    for _ in range(1500):
        got = roc.areas(np.stack([rng.normal(size=60) + 0.7 * case, rng.normal(size=60)]), case)
        hits.append(got.ci_low[0] < 0.6897 < got.ci_high[0])  # Phi(0.7 / sqrt 2)
        null.append(got.p[1] < 0.05)
    assert 0.925 < np.mean(hits) < 0.965 and 0.035 < np.mean(null) < 0.075
