"""States compared over samples: planted genes are found, copies of one group are not, one sample a side is no test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cell_examples import MODELS, states, tables
from scipy import stats

from rechallenge.faults import NotApplicable
from rechallenge.omics.cells import groups, pseudobulk, reading
from rechallenge.simulate import cells as simulated

QUICK = simulated.Spec(genes=600)


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, object]:
    data = simulated.lines("apart", samples=3, cells=120, seed=1, spec=QUICK)
    cells, obs = tables(data, tmp_path_factory.mktemp("apart"))
    return cells, states(cells, obs, 2), obs, data


def test_counts_of_states_are_the_sums_of_their_cells(apart):
    cells, of, _, _ = apart
    sheet = pseudobulk.units(of)
    names, values, mine = pseudobulk.matrix(cells, of, sheet, "cells")
    whole = reading.counts(cells)
    assert names == whole.genes
    row = mine[(mine["state"] == "2") & (mine["model"] == "Huh-7 LR")].index[0]
    take = ((of["state"] == "2") & (of["sample"] == mine["sample"][row])).to_numpy()
    np.testing.assert_allclose(values[:, row], np.asarray(whole.matrix[take].sum(axis=0)).ravel())
    total = mine["state"] == pseudobulk.ALL
    assert values[:, total.to_numpy()].sum() == pytest.approx(whole.matrix.sum())
    assert mine.loc[total, "n_cells"].sum() == len(cells)


def test_planted_genes_are_found_with_the_sample_as_unit(apart):
    cells, of, _, data = apart
    found = pseudobulk.cell_contrasts(cells, of, MODELS)
    table = found["cell_contrasts"]
    table = table[table["state"] == pseudobulk.ALL].set_index("gene")
    assert set(table["n"]) == {6} and set(table["kind"]) == {"resistance"} and set(table["direction"]) == {1}
    planted = data.var["planted_log_fold"].reindex(table.index) / np.log(2)
    strong, called = planted.abs() > 1.5, table["q_value"] < 0.05
    seen = table["level"] > 6
    assert called[strong & seen].mean() > 0.9
    assert np.corrcoef(planted[strong & seen], table.loc[strong & seen, "log2fc"])[0, 1] > 0.95
    assert called[planted == 0].mean() < 0.1
    sheet = found["state_samples"]
    assert tuple(sheet.columns) == pseudobulk.SAMPLES and sheet["used"].all()
    # each line is a state of its own here: within a state nothing can be compared
    assert set(found["cell_contrasts"]["state"]) == {pseudobulk.ALL}


def test_no_treatment_has_many_names(apart):
    """A sheet without treatments says `none`: the lines are compared as with a vehicle."""
    cells, of, _, _ = apart
    bare = of.assign(treatment="none")
    ours, theirs = (pseudobulk.cell_contrasts(cells, t, MODELS)["cell_contrasts"] for t in (bare, of))
    assert len(ours)
    pd.testing.assert_frame_equal(ours, theirs)
    sheet = pseudobulk.units(bare)
    sheet = sheet[sheet["state"] == pseudobulk.ALL].reset_index(drop=True)
    values = np.arange(4.0 * len(sheet)).reshape(4, -1) ** 2
    assert set(pseudobulk.compared(values, list("abcd"), sheet, MODELS, None)["contrast"]) == {"Huh-7 LR vs Huh-7 P"}


@pytest.mark.parametrize("scatter", [0.08, 0.25])
def test_copies_of_one_group_are_not_called(tmp_path: Path, scatter: float):
    spec = simulated.Spec(genes=600, sample_sd=scatter)
    rejected = []
    for seed in range(3):
        data = simulated.lines("same", samples=3, cells=80, seed=seed, spec=spec)
        cells, obs = tables(data, tmp_path / str(seed))
        table = pseudobulk.cell_contrasts(cells, states(cells, obs), MODELS)["cell_contrasts"]
        table = table[table["state"] == pseudobulk.ALL]
        assert (table["q_value"] < 0.05).sum() <= 2
        rejected += list(table["p_value"].dropna() < 0.05)
    low, high = stats.binom.interval(0.999, len(rejected), 0.05)
    # where samples hardly differ beyond counting, the engine of counts is on the safe side
    assert (low if scatter > 0.2 else 0) <= sum(rejected) <= high


def test_one_sample_a_side_is_a_difference_and_no_test(tmp_path: Path):
    data = simulated.lines("apart", samples=1, cells=80, seed=0, spec=QUICK)
    cells, obs = tables(data, tmp_path)
    table = pseudobulk.cell_contrasts(cells, states(cells, obs), MODELS)["cell_contrasts"]
    assert len(table) and set(table["status"]) == {"not_testable"} and table["p_value"].isna().all()
    assert table["reason"].str.contains("exploratory").all() and table["log2fc"].notna().all()


def test_tumours_are_compared_by_patient(tmp_path: Path):
    data = simulated.patients(recurred=3, free=4, cells=60, seed=0)
    cells, obs = tables(data, tmp_path)
    of = states(cells, obs)
    table = pseudobulk.cell_contrasts(cells, of, MODELS)["cell_contrasts"]
    assert set(table["contrast"]) == {"recurred vs not recurred"} and set(table["kind"]) == {pseudobulk.PATIENTS}
    assert set(table["n"]) == {7} and set(table["direction"]) == {1}
    # the same from a table of patients
    people = pd.DataFrame({"patient": [f"P{i:02d}" for i in range(1, 8)], "endpoint": "RFS", "event": list("1110000")})
    other = pseudobulk.cell_contrasts(cells, of.drop(columns="group"), MODELS, None, people)["cell_contrasts"]
    pd.testing.assert_frame_equal(table, other)
    assert groups.did_badly("recurred") and not groups.did_badly("not recurred")


def test_values_that_are_no_counts_cannot_be_added(apart):
    cells, of, _, _ = apart
    with pytest.raises(NotApplicable, match="holds counts"):
        pseudobulk.cell_contrasts(cells.assign(values="log"), of, MODELS)


def test_few_cells_are_left_out_and_said(apart):
    cells, of, _, _ = apart
    one = of["sample"].iloc[0]
    few = pd.concat([of[of["sample"] != one], of[of["sample"] == one].head(4)], ignore_index=True)
    found = pseudobulk.cell_contrasts(cells, few, MODELS)
    sheet = found["state_samples"].set_index(["state", "sample"])
    assert not sheet.loc[(pseudobulk.ALL, one), "used"] and sheet.loc[(pseudobulk.ALL, one), "reason"] != ""
    assert set(found["cell_contrasts"]["n"]) == {5}
