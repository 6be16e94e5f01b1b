"""Two curves compared from table columns: the same answer as from the fits themselves, and typed bounds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from dose_response_examples import DOSES, experiment

from rechallenge import dose_response
from rechallenge.assays.dose_response.pairs import compare, covariances, pulls, unpacked
from rechallenge.stats.hill import Bounds, fit_hill, log_ratio


def fitted(*parts: pd.DataFrame) -> pd.DataFrame:
    return dose_response.fit_curves(pd.concat(parts, ignore_index=True), e0=1.0)


def two(ic50s: tuple[float, float], seed: int = 0, **options: object) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.concat([experiment(rng, m, "d", v, **options) for m, v in zip("AB", ic50s, strict=True)])  # type: ignore[arg-type]


@pytest.mark.parametrize("paired", [False, True])
@pytest.mark.parametrize("ic50s", [(10.0, 30.0), (10.0, 10.0), (80.0, 20.0), (60.0, 90.0), (5.0, 600.0), (900.0, 4.0)])
def test_columns_give_what_the_fits_give(ic50s: tuple[float, float], paired: bool) -> None:
    """Everything that the ratio needs is in the table: checked against `log_ratio` on the fits."""
    table = two(ic50s, seed=int(sum(ic50s)))
    curve = (table["model"] == "B").astype(int)
    replicate = table["replicate"].str[1:].astype(int)
    fits = fit_hill(
        curve, table["dose_um"], table["viability"], replicate=replicate, e0=1.0, bounds=Bounds(einf=(0.0, 10.0))
    )
    expected = log_ratio(fits, [0], [1], paired=paired)
    row = compare(fitted(table), [0], [1], paired=paired).iloc[0]
    assert row["status"] == str(expected.status[0]).removesuffix("_above").removesuffix("_below")
    assert np.allclose(row["ci_low"], expected.lo[0], rtol=1e-5)
    assert np.allclose(row["ci_high"], expected.hi[0], rtol=1e-5)
    if row["status"] == "estimated":
        assert row["ratio"] == pytest.approx(expected.ratio[0], rel=1e-7)
        assert row["se"] == pytest.approx(expected.se[0] * np.log2(10), rel=1e-5)
        assert row["df"] == pytest.approx(expected.df[0], rel=1e-5)
        assert row["p_value"] == pytest.approx(expected.p_value[0], rel=1e-4)
    else:
        assert row["ratio_bound"] == ("above" if str(expected.status[0]).endswith("above") else "below")
        assert np.isnan(row["ratio"]) and np.isnan(row["log2_ratio"])


def test_the_other_way_round_is_the_inverse() -> None:
    curves = fitted(two((10.0, 25.0)))
    there, back = compare(curves, [0], [1]).iloc[0], compare(curves, [1], [0]).iloc[0]
    assert there["ratio"] == pytest.approx(1 / back["ratio"])
    assert there["ci_low"] == pytest.approx(1 / back["ci_high"]) and there["p_value"] == pytest.approx(back["p_value"])
    assert there["statistic"] == pytest.approx(-back["statistic"])
    assert there["auc_difference"] == pytest.approx(-back["auc_difference"])


def test_p_agrees_with_the_interval() -> None:
    curves = fitted(two((10.0, 16.0), seed=3))
    p = compare(curves, [0], [1]).iloc[0]["p_value"]
    just = compare(curves, [0], [1], confidence=1 - p).iloc[0]
    assert just["ci_high"] == pytest.approx(1.0, rel=1e-6)


def test_pairing_takes_out_what_experiments_share() -> None:
    rng = np.random.default_rng(4)
    x, parts = np.array(DOSES), []
    for i in range(4):
        shift = np.exp(rng.normal(0, 0.5))
        for model, ic50 in (("A", 10.0), ("B", 13.0)):
            y = 1 / (1 + (x / (ic50 * shift)) ** 1.3) + rng.normal(0, 0.01, x.size)
            parts.append(
                pd.DataFrame({"model": model, "drug": "d", "dose_um": x, "viability": y, "replicate": f"e{i}"})
            )
    curves = fitted(*parts)
    alone, paired = (compare(curves, [0], [1], paired=p).iloc[0] for p in (False, True))
    assert paired["se"] < alone["se"] / 3 and paired["p_value"] < 0.05 < alone["p_value"]
    assert (paired["n"], alone["n"]) == (4, 8)
    renamed = curves.assign(replicate_pull=[curves["replicate_pull"][0], curves["replicate_pull"][1].replace("e", "f")])
    assert compare(renamed, [0], [1], paired=True).iloc[0]["se"] == pytest.approx(alone["se"])


def test_a_bound_gives_a_bound() -> None:
    curves = fitted(two((1e9, 5.0)))
    row = compare(curves, [0], [1]).iloc[0]
    assert (row["status"], row["ratio_bound"], row["ci_high"]) == ("censored", "above", np.inf)
    assert 15 < row["ci_low"] <= 100 / 5.0 * 1.2 and row["p_value"] < 0.05
    both = compare(fitted(two((1e9, 1e9), seed=2)), [0], [1]).iloc[0]
    assert both["status"] == "not_estimable" and "both IC50s lie above the highest dose" in both["reason"]
    assert np.isnan(both["p_value"]) and np.isnan(both["ci_low"])
    assert both["auc_p_value"] > 0.01, "areas can be compared even so"


def test_one_replicate_is_not_tested() -> None:
    rng = np.random.default_rng(5)
    curves = fitted(experiment(rng, "A", "d", 10.0, replicates=("e1",)), experiment(rng, "B", "d", 40.0))
    row = compare(curves, [0], [1]).iloc[0]
    assert row["status"] == "not_testable" and "fewer than two biological replicates" in row["reason"]
    assert row["ratio"] == pytest.approx(0.25, rel=0.3) and np.isnan(row["p_value"]) and np.isnan(row["auc_p_value"])


def test_areas_need_the_same_doses() -> None:
    rng = np.random.default_rng(6)
    curves = fitted(experiment(rng, "A", "d", 10.0), experiment(rng, "B", "d", 10.0, doses=(1.0, 5.0, 20.0, 80.0)))
    assert np.isnan(compare(curves, [0], [1]).iloc[0]["auc_difference"])


def test_welch_on_the_areas() -> None:
    from scipy.stats import ttest_ind_from_stats

    curves = fitted(two((10.0, 14.0), seed=7))
    row = compare(curves, [0], [1]).iloc[0]
    sd = curves["auc_se"] * np.sqrt(3)
    expected = ttest_ind_from_stats(
        curves["auc_normalised"][0], sd[0], 3, curves["auc_normalised"][1], sd[1], 3, equal_var=False
    )
    assert row["auc_p_value"] == pytest.approx(expected.pvalue)
    assert row["auc_ci_low"] < row["auc_difference"] < row["auc_ci_high"]


def test_bare_columns_are_enough() -> None:
    """IC50s with standard errors from elsewhere: symmetric on the log scale, Welch degrees of freedom."""
    table = pd.DataFrame(
        {
            "model": ["A", "B"],
            "drug": "d",
            "status": "estimated",
            "ic50_um": [20.0, 5.0],
            "log10_ic50_se": [0.05, 0.05],
            "df": [2.0, 2.0],
            "n_replicates": [3, 3],
        }
    )
    from scipy.stats import t

    row = compare(table, [0], [1]).iloc[0]
    se = 0.05 * 2**0.5
    assert row["ratio"] == pytest.approx(4.0) and row["df"] == pytest.approx(4.0)
    assert row["p_value"] == pytest.approx(2 * t.sf(np.log10(4) / se, 4), rel=1e-6)
    assert row["ci_low"] == pytest.approx(10 ** (np.log10(4) - t.ppf(0.975, 4) * se))


def test_different_levels_are_refused() -> None:
    curves = fitted(two((10.0, 20.0))).assign(level=[0.5, 0.3])
    with pytest.raises(ValueError, match=r"different levels \(0.3, 0.5\)"):
        compare(curves, [0], [1])


def test_no_pairs_give_no_rows() -> None:
    assert len(compare(fitted(two((10.0, 20.0))), [], [])) == 0


def test_cells_that_hold_numbers() -> None:
    assert unpacked("1 2.5 -3", 3).tolist() == [1.0, 2.5, -3.0]
    assert np.isnan(unpacked("", 4)).all() and np.isnan(unpacked("1 2", 4)).all()
    matrix = covariances([" ".join(map(str, range(10)))])[0]
    assert matrix[2].tolist() == [3, 4, 5, 8] and (matrix == matrix.T).all()
    assert pulls("day 1=+0.01; a=b=-0.02") == {"day 1": 0.01, "a=b": -0.02}
