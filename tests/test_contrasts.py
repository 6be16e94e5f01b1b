"""Which groups of samples are compared."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rechallenge import contrasts as groups
from rechallenge import moderated_contrasts as matrix

MODELS = pd.DataFrame(
    {"model": ["P", "R", "N"], "role": ["parental", "resistant", "normal"], "parent": ["", "P", ""]}, dtype=object
)


def sheet(rows: list[tuple[str, str, str]], n: int = 3) -> pd.DataFrame:
    return groups.grouped(
        pd.DataFrame(
            [{"model": m, "treatment": t, "stage": s, "replicate": str(r)} for m, t, s in rows for r in range(n)]
        )
    )


def said(found: list[groups.Comparison]) -> list[str]:
    return [c.contrast for c in found]


def test_resistance_and_treatment_are_inferred() -> None:
    table = sheet([("P", "DMSO", ""), ("R", "vehicle", ""), ("P", "drug", ""), ("R", "drug", ""), ("N", "drug", "")])
    assert said(groups.of(table, MODELS)) == ["R vs P", "R vs P, drug", "P: drug vs vehicle", "R: drug vs vehicle"]
    assert [c.kind for c in groups.of(table, MODELS)] == ["resistance"] * 2 + ["treatment"] * 2


def test_stages_are_compared_with_the_parent() -> None:
    table = sheet([("P", "", "S0"), ("R", "", "S1"), ("R", "", "S2")])
    assert said(groups.of(table, MODELS)) == ["R S1 vs P S0", "R S2 vs P S0"]


def test_declared_contrasts_and_strata() -> None:
    table = sheet([("P", "", ""), ("R", "", ""), ("N", "", "")])
    table["tracer"] = "glc"
    own = pd.DataFrame([{"name": "R against normal", "model": "R", "against": "N"}], dtype=object)
    found = groups.of(table, MODELS, own, within=("tracer",))
    assert said(found) == ["R vs P", "R against normal"] and found[0].stratum == (("tracer", "glc"),)
    assert groups.members(table, found[0].group, found[0].stratum).sum() == 3


def test_order_of_rows_does_not_matter() -> None:
    table = sheet([("P", "DMSO", ""), ("R", "", ""), ("R", "drug", "")])
    assert said(groups.of(table, MODELS)) == said(groups.of(table.sample(frac=1, random_state=1), MODELS))


def long(y: np.ndarray, units: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    names = [f"s{i}" for i in range(len(units))]
    values = pd.DataFrame(y, columns=names).assign(feature=[f"f{i:03d}" for i in range(len(y))])
    return values.melt("feature", var_name="sample", value_name="value"), units.assign(sample=names)


def test_technical_samples_are_averaged_and_gaps_are_kept() -> None:
    units = sheet([("P", "", ""), ("R", "", "")], n=2)
    units = pd.concat([units, units], ignore_index=True)
    y = np.arange(24.0).reshape(3, 8)
    y[0, 0] = np.nan
    y[1, [0, 4]] = np.nan
    values, bare = long(y, units)
    found, features, kept = matrix.biological(values, bare)
    assert found.shape == (3, 4) and features == ["f000", "f001", "f002"] and len(kept) == 4
    assert found[0, 0] == 4 and np.isnan(found[1, 0]) and found[2, 0] == 18


def test_shared_replicates_are_blocks_and_others_are_not() -> None:
    assert matrix.blocks_of(sheet([("P", "", ""), ("R", "", "")]).assign(batch=""), "auto")[1] == "replicate as block"
    own = sheet([("P", "", ""), ("R", "", "")]).assign(batch="")
    own["replicate"] = [f"x{i}" for i in range(6)]
    assert matrix.blocks_of(own, "auto")[1] == "independent samples"
    own["batch"] = ["a", "b", "c"] * 2
    assert matrix.blocks_of(own, "auto")[1] == "batch as block"
    own["batch"] = ["a"] * 3 + ["b"] * 3  # batch and group are one and the same: no block can be made of it
    assert matrix.blocks_of(own, "auto")[1] == "independent samples"


def test_absent_in_one_group_is_said_and_not_tested() -> None:
    units = sheet([("P", "", ""), ("R", "", "")]).assign(batch="")
    y = np.random.default_rng(0).normal(10, 1, (20, 6))
    y[0, :3] = np.nan
    y[1, :2] = np.nan
    y[2, :] = np.nan
    out = matrix.tested(y, [f"f{i}" for i in range(20)], units, groups.of(units, MODELS), block="none")
    row = out.set_index("feature")
    assert (
        row.loc["f0", "status"] == "not_estimable"
        and "found in R (3 replicates) and not in P" in row.loc["f0", "reason"]
    )
    assert row.loc["f1", "status"] == "not_testable" and np.isfinite(row.loc["f1", "log2fc"])
    assert np.isnan(row.loc["f1", "p_value"]) and row.loc["f2", "reason"] == "found in neither group"
    assert (row.loc["f3":, "status"] == "estimated").all()
    with pytest.raises(ValueError, match="block is one of"):
        matrix.tested(y, list("abc"), units, [], block="days")


def test_p_values_are_uniform_where_nothing_is_there() -> None:
    units = sheet([("P", "", ""), ("R", "", "")], n=4).assign(batch="")
    rng = np.random.default_rng(7)
    shape = np.sqrt(1 / rng.chisquare(6, 3000))[:, None]
    y = rng.normal(size=(3000, 8)) * shape
    for block in ("none", "replicate"):
        p = matrix.tested(y, [f"f{i}" for i in range(3000)], units, groups.of(units, MODELS), block=block)["p_value"]
        from scipy import stats

        assert stats.kstest(p, "uniform").pvalue > 1e-4, block


def test_a_perturbed_group_is_compared_with_the_control_of_its_kind() -> None:
    labels = ("vehicle", "siNC", "siAKR1B1", "AKR1B1 OE", "sorafenib", "sorafenib + siNC", "sorafenib + siAKR1B1",
              "siAKR1B1 + siSORD")  # fmt: skip
    table = groups.grouped(pd.DataFrame({"model": "R", "treatment": labels}))
    found = {one.group.treatment: (one.contrast, gene, sense) for one, gene, sense in groups.perturbed(table)}
    assert found["siAKR1B1"] == ("R: siAKR1B1 vs siNC", "AKR1B1", -1)
    assert found["AKR1B1 OE"] == ("R: AKR1B1 OE vs vehicle", "AKR1B1", 1)
    assert found["sorafenib + siAKR1B1"][0].startswith("R: sorafenib + siAKR1B1 vs sorafenib")
    assert "siAKR1B1 + siSORD" not in found, "two genes at once are not attributed"
