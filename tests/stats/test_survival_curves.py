"""Kaplan-Meier, medians, restricted means, log-rank: R's survival, and small cases by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cox import lung

from rechallenge.stats import survival


@pytest.fixture(scope="module")
def oracle(shared: Path) -> dict[str, Any]:
    return json.loads((shared / "oracles/clinical/oracle_R.json").read_text())


def test_r_on_the_lung_data(oracle: dict[str, Any]) -> None:
    table = lung()
    got = survival.log_rank(table["time"], table["event"], table["sex"])
    want = oracle["lung_sex_survdiff"]
    np.testing.assert_allclose(got.observed, want["obs"])
    np.testing.assert_allclose(got.expected, want["exp"], rtol=1e-9)
    np.testing.assert_allclose([got.chi2, got.p], [want["chisq"], want["p"]], rtol=1e-8)
    medians = oracle["lung_sex_median_loglog"]
    for i, sex in enumerate((1, 2)):
        rows = table[table["sex"] == sex]
        found = survival.quantile(survival.kaplan_meier(rows["time"], rows["event"]))
        assert found == (medians["median"][i], medians["lcl"][i], medians["ucl"][i])
        mean, se = survival.rmst(rows["time"], rows["event"], 365)
        np.testing.assert_allclose(mean, oracle["lung_rmst365"][f"sex={sex}"], rtol=1e-9)
        assert 5 < se < 15


def test_by_hand() -> None:
    """Times 1, 2+, 3, 4: survival 3/4, 3/4, 3/8, 0."""
    c = survival.kaplan_meier([1, 2, 3, 4], [1, 0, 1, 1])
    np.testing.assert_allclose(c.survival, [0.75, 0.75, 0.375, 0])
    assert c.at_risk.tolist() == [4, 3, 2, 1] and survival.quantile(c)[0] == 3
    assert survival.rmst([1, 2, 3, 4], [1, 0, 1, 1], 4)[0] == pytest.approx(1 + 0.75 * 2 + 0.375)
    assert survival.follow_up([5, 6, 7], [1, 0, 0])[0] == 6.5  # level at one half from 6 to 7: the middle, as R


def test_late_entry_keeps_the_risk_set() -> None:
    c = survival.kaplan_meier([2, 3, 4], [1, 1, 1], [0, 2.5, 0])
    assert c.at_risk.tolist() == [2, 2, 1]
    np.testing.assert_allclose(c.survival, [0.5, 0.25, 0])
