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


def test_medians_of_curves_that_end_at_zero_as_r_gives_them() -> None:
    """R's survfit on its own aml data (default limits, log): Maintained 31 (18 to NA), Nonmaintained 23 (8 to NA). The
    latter ends at 0, where R has no limits: its upper limit is open, and is not the last day."""
    maintained = [9, 13, 13, 18, 23, 28, 31, 34, 45, 48, 161], [1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0]
    others = [5, 5, 8, 8, 12, 16, 23, 27, 30, 33, 43, 45], [1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1]
    for (time, event), want in ((maintained, (31, 18, np.inf)), (others, (23, 8, np.inf))):
        assert survival.quantile(survival.kaplan_meier(time, event, limits="log")) == want
    curve = survival.kaplan_meier(*others)
    assert curve.survival[-1] == 0 and np.isnan(curve.high[-1]) and np.isnan(curve.low[-1])


def test_the_upper_limit_of_a_median_is_open_where_the_curve_gives_none() -> None:
    """Five events in five: the upper limit at the last step but one is .2 ** exp(-1.96 * .8944 / 1.6094) = .58."""
    curve = survival.kaplan_meier([1, 2, 3, 4, 5], [1] * 5)
    assert curve.high[3] == pytest.approx(0.582, abs=0.001)
    assert survival.quantile(curve)[0] == 3 and survival.quantile(curve)[2] == np.inf
