"""Rare driver-positive cells by patient: planted ones are found, none are not, and the patient is the unit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cell_examples import MODELS, states, tables
from scipy import stats

from rechallenge import evidence
from rechallenge.faults import NotApplicable
from rechallenge.omics.cells import figures_states as figures
from rechallenge.omics.cells import findings, patients, rare
from rechallenge.simulate import cells as simulated


@pytest.fixture(scope="module")
def tumours(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    depth = [1500, 3000, 6000, 12000] * 2
    data = simulated.patients(
        recurred=4, free=4, cells=600, frequency=0.01, fold=8.0, spread=0.3, depth=depth, seed=3
    )  # fmt: skip
    cells, obs = tables(data, tmp_path_factory.mktemp("tumours"))
    return cells, states(cells, obs), obs


@pytest.fixture(scope="module")
def found(tumours) -> dict[str, pd.DataFrame]:
    cells, of, _ = tumours
    return rare.rare_cells(cells, of, drivers=("CAV1", "VIM", "NOT_A_GENE"), draws=39)


def test_planted_cells_are_called_whatever_the_depth(found, tumours):
    _, _, obs = tumours
    table = found["rare_cells"]
    cav = table[table["driver"] == "CAV1"].set_index("sample")
    assert set(cav["population"]) == {rare.RARE} and set(cav["status"]) == {"estimated"}
    planted = obs.groupby("sample", observed=True)["planted_positive"].mean()
    planted.index = planted.index.astype(str)
    inside = (cav["ci_low"] <= planted[cav.index]) & (planted[cav.index] <= cav["ci_high"])
    assert inside.mean() >= 0.85
    assert cav["frequency"].sum() == pytest.approx(planted.sum(), rel=0.4)
    vim = table[table["driver"] == "VIM"]
    assert set(vim["population"]) == {rare.COMMON} and vim["frequency"].isna().all()
    calls = found["rare_cell_calls"]
    assert set(calls["driver"]) == {"CAV1"} and (calls["probability"] > 0.5).all()
    true = obs.set_index(tumours[0]["cell"])["planted_positive"].reindex(calls["cell"])
    assert true.mean() > 0.7


def test_more_positive_cells_in_patients_who_recurred(found):
    table = patients.rare_association(found["rare_cells"], MODELS)
    row = table[table["driver"] == "CAV1"].iloc[0]
    assert row["contrast"] == "recurred vs not recurred" and row["n"] == 8
    assert row["ratio"] > 2 and row["p_value"] == pytest.approx(2 / 70)  # exact: four against four, all apart
    assert 0 < row["power_fourfold"] <= 1
    claims = evidence.check(findings.rare_cell_claims(table, found["rare_cells"]))
    claim = claims[claims["entity"] == "CAV1"].iloc[0]
    assert claim["level"] == "clinical" and claim["direction"] == 1
    assert "power for a fourfold difference" in claim["claim"] and "patients" in claim["claim"]
    vim = claims[claims["entity"] == "VIM"]
    assert vim["p_value"].isna().all() and not (vim["direction"] != 0).any()  # common: no claim is tested
    assert figures.rare_cell_shares(found["rare_cells"]) is not None


def test_without_rare_cells_none_are_called(tmp_path: Path):
    data = simulated.patients(recurred=3, free=3, cells=400, frequency=0.0, depth=[1500, 4000, 10000] * 2, seed=5)
    cells, obs = tables(data, tmp_path)
    out = rare.rare_cells(cells, states(cells, obs), drivers=("CAV1",), draws=39)
    assert set(out["rare_cells"]["population"]) == {rare.NONE} and out["rare_cell_calls"].empty
    # yet a rule of counts above 0 would see them, and more of them in deep samples
    seen = out["rare_cells"].sort_values("median_umi")["fraction_seen"]
    assert seen.iloc[-2:].mean() > seen.iloc[:2].mean()
    table = patients.rare_association(out["rare_cells"], MODELS)
    assert set(table["status"]) == {"not_testable"} and table["p_value"].isna().all()
    assert table["reason"].str.contains("no population").all()


def test_cells_of_other_types_are_left_out(tumours):
    cells, of, _ = tumours
    typed = cells.assign(cell_type=np.where(np.arange(len(cells)) % 2, "malignant", "T cell"))
    out = rare.rare_cells(typed, of, drivers=("CAV1",), among=("Malignant",), draws=9)["rare_cells"]
    assert out["n_cells"].sum() == len(cells) // 2
    with pytest.raises(NotApplicable, match="NOT_A_GENE"):
        rare.rare_cells(cells, of, drivers=("NOT_A_GENE",))


def shares(rng: np.random.Generator, n: int, fold: float, cells: int = 1500) -> pd.DataFrame:
    """Shares of positive cells of n patients, half of them recurred, that differ between patients by log SD 1."""
    group = np.repeat(["recurred", "not recurred"], n // 2)
    share = 0.01 * np.where(group == "recurred", fold, 1.0) * np.exp(rng.standard_normal(n))
    k = rng.binomial(cells, np.minimum(share, 0.9))
    return pd.DataFrame({"group": group, "positive": k, "cells": cells, "frequency": k / cells})


def as_result(table: pd.DataFrame) -> pd.DataFrame:
    name = [f"P{i}" for i in range(len(table))]
    return table.assign(
        dataset="d", driver="CAV1", sample=name, patient=name, model="", treatment="vehicle", stage="", replicate="",
        batch="", n_cells=table["cells"], population=rare.RARE,
    )  # fmt: skip


@pytest.mark.parametrize("n", [8, 12])
def test_the_patient_is_the_unit(n: int):
    """The null at the level of patients, where Fisher's test on cells is far off; power grows with patients."""
    rng = np.random.default_rng(n)
    ours, cells = 0, 0
    for _ in range(60):
        table = shares(rng, n, 1.0)
        ours += patients.rare_association(as_result(table), MODELS)["p_value"].iloc[0] < 0.05
        k = table.groupby("group")[["positive", "cells"]].sum()
        cells += stats.fisher_exact([k["positive"], k["cells"] - k["positive"]]).pvalue < 0.05
    assert ours <= stats.binom.ppf(0.999, 60, 0.05)
    assert cells > 20


@pytest.mark.slow
def test_power_for_a_fourfold_difference():
    rng = np.random.default_rng(0)
    seen, said = {}, {}
    for n in (8, 12, 20):
        tables_ = [patients.rare_association(as_result(shares(rng, n, 4.0)), MODELS) for _ in range(300)]
        seen[n] = np.mean([t["p_value"].iloc[0] < 0.05 for t in tables_])
        said[n] = np.mean([t["power_fourfold"].iloc[0] for t in tables_])
    assert seen[8] < seen[12] < seen[20] and seen[20] > 0.7
    assert all(abs(seen[n] - said[n]) < 0.15 for n in (8, 12, 20)), (seen, said)
