"""Error rates by simulation: identical lines are called different as often as promised, planted indices are found."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from dose_response_examples import DOSES
from scipy.stats import binom

from rechallenge import dose_response
from rechallenge.assays.dose_response.pairs import compare

DESIGNS = {"good": (8.0, 1.3), "shallow": (8.0, 0.7), "partly censored": (60.0, 1.0)}


def many(
    rng: np.random.Generator,
    n: int,
    model: str,
    ic50: float,
    slope: float,
    *,
    replicates: int = 3,
    between: float = 0.15,
) -> pd.DataFrame:
    """n curves of one line: noise 4 %, replicates that differ in IC50 (`between`, SD of ln) and in level (2 %)."""
    x = np.asarray(DOSES)
    own = ic50 * np.exp(rng.normal(0, between, (n, replicates, 1)))
    level = np.exp(rng.normal(0, 0.02, (n, replicates, 1)))
    y = level / (1 + (x / own) ** slope) + rng.normal(0, 0.04, (n, replicates, x.size))
    drug, replicate, dose = np.indices(y.shape)
    return pd.DataFrame(
        {
            "model": model,
            "drug": np.char.add("d", np.char.zfill(drug.ravel().astype(str), 5)),
            "dose_um": x[dose.ravel()],
            "replicate": replicate.ravel().astype(str),
            "viability": y.ravel(),
        }
    )


def pairs(rng: np.random.Generator, n: int, first: float, second: float, slope: float, **more: float) -> tuple:
    """Curves of two lines and the ratio of every pair."""
    table = pd.concat([many(rng, n, "A", first, slope, **more), many(rng, n, "B", second, slope, **more)])  # type: ignore[arg-type]
    curves = dose_response.fit_curves(table)
    rows = [curves.index[curves["model"] == m] for m in "AB"]
    assert (curves.loc[rows[0], "drug"].to_numpy() == curves.loc[rows[1], "drug"].to_numpy()).all()
    return curves, compare(curves, *rows)


def at_most(n: int, rate: float) -> int:
    """The largest count that a true rate still explains (1 in 10,000)."""
    return int(binom.ppf(0.9999, n, rate))


def test_identical_lines_are_rarely_called_different() -> None:
    n = 400
    _, out = pairs(np.random.default_rng(1), n, 8.0, 8.0, 1.3)
    assert out["status"].eq("estimated").all()
    assert (out["p_value"] < 0.05).sum() <= at_most(n, 0.05)
    assert (out["auc_p_value"] < 0.05).sum() <= at_most(n, 0.05)
    assert 0.4 < out["p_value"].median() < 0.6


def test_a_planted_index_is_found() -> None:
    _, out = pairs(np.random.default_rng(2), 200, 31.1, 8.0, 1.3, between=0.05)
    assert (out["p_value"] < 0.05).mean() > 0.95
    assert out["log2_ratio"].median() == pytest.approx(np.log2(31.1 / 8), abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("replicates", [3, 4, 6])
@pytest.mark.parametrize("design", DESIGNS)
def test_p_is_uniform_and_intervals_cover(design: str, replicates: int) -> None:
    n, (ic50, slope) = 2000, DESIGNS[design]
    curves, out = pairs(np.random.default_rng(replicates), n, ic50, ic50, slope, replicates=replicates)
    told = curves[curves["status"] != "not_estimable"]
    assert len(told) > 0.98 * 2 * n
    cover = ((told["ic50_ci_low"] <= ic50) & (ic50 <= told["ic50_ci_high"])).mean()
    assert 0.93 < cover < 0.97
    known = out[out["status"] != "not_estimable"]
    assert 0.93 < ((known["ci_low"] <= 1) & (known["ci_high"] >= 1)).mean() < 0.98
    tested = out["p_value"].dropna()
    for level in (0.01, 0.05, 0.2):
        assert (tested < level).sum() <= at_most(len(tested), level), level
    assert (tested < 0.05).mean() > 0.02, "not needlessly cautious"


@pytest.mark.slow
def test_bounds_hold_their_promise() -> None:
    """Where one line's IC50 may lie outside the doses, the stated limit holds as often as it says."""
    _, out = pairs(np.random.default_rng(7), 2000, 140.0, 8.0, 1.3)
    known = out[out["status"].isin(["estimated", "censored"])]
    assert (known["status"] == "censored").mean() > 0.5
    ratio = 140.0 / 8.0
    wrong = (known["ci_low"] > ratio) | (known["ci_high"] < ratio)
    assert wrong.mean() < 0.06


@pytest.mark.slow
def test_inactive_drugs_get_no_number() -> None:
    rng = np.random.default_rng(8)
    curves = dose_response.fit_curves(many(rng, 2000, "A", 1e9, 1.3))
    assert (curves["status"] == "estimated").sum() == 0
    assert (curves["f_p_value"] < 0.05).sum() <= at_most(len(curves), 0.05)
