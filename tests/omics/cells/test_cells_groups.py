"""Groups of patients and of cells without a model: pairs, shares of states, genes that are asked after."""

from __future__ import annotations

from pathlib import Path

import cells_examples as ex
import numpy as np
import pandas as pd

from rechallenge import evidence
from rechallenge.omics.cells import state_markers, state_shifts
from rechallenge.omics.cells.figures_states import state_marker_dots
from rechallenge.omics.cells.findings import state_shift_claims
from rechallenge.omics.cells.groups import groups_of, rank
from rechallenge.omics.cells.pseudobulk import GROUPS, PATIENTS, asked, compared
from rechallenge.omics.cells.sides import PAIR, sides

NO_MODELS = pd.DataFrame({"model": pd.Series(dtype=str), "parent": pd.Series(dtype=str), "role": pd.Series(dtype=str)})


def _sheet(people: int = 5) -> pd.DataFrame:
    rows = [
        {"sample": f"P{p}{g}", "model": "", "patient": f"P{p}", "treatment": "none" if g == "before" else "lenvatinib",
         "stage": "", "replicate": f"P{p}{g}", "batch": "", "group": g}
        for p in range(1, people + 1) for g in ("before", "after")
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_before_and_after_of_a_patient_are_a_pair() -> None:
    """Patients differ far more than before and after: only pairs can tell."""
    sheet = _sheet()
    rng = np.random.default_rng(0)
    of_patient = np.repeat(rng.normal(0, 5, (20, 5)), 2, axis=1)
    values = of_patient + rng.normal(0, 0.2, (20, 10)) + np.where(sheet["group"] == "after", 1.0, 0.0)
    _, found = asked(sheet, NO_MODELS, None)
    assert [(c.kind, c.contrast) for c in found] == [(PATIENTS, "after vs before")]
    table = compared(values, [f"T{i}" for i in range(20)], sheet, NO_MODELS, None)
    assert (table["p_value"] < 0.01).all() and table["log2fc"].between(0.5, 1.5).all()
    assert (table["direction"] == 0).all()


def test_a_patient_under_two_treatments_needs_no_group() -> None:
    sheet = _sheet().drop(columns="group")
    assert set(groups_of(sheet, None)) == {"vehicle", "lenvatinib"}
    own = sheet.assign(group=groups_of(sheet, None))
    assert [c.contrast for c in asked(own, NO_MODELS, None)[1]] == ["lenvatinib vs vehicle"]
    alone = sheet[sheet["treatment"] == "none"]
    assert set(groups_of(alone, None)) == {""}


def test_groups_without_patients_are_no_clinical_evidence() -> None:
    sheet = _sheet().assign(patient="", group=lambda t: np.where(t["group"] == "after", "resistant", "parental"))
    _, found = asked(sheet, NO_MODELS, None)
    assert [(c.kind, c.contrast) for c in found] == [(GROUPS, "resistant vs parental")]
    assert [rank(g) for g in ("resistant", "parental", "after", "before", "recurred")] == [1, -1, 0, -1, 1]


def test_a_way_leads_within_a_patient_only() -> None:
    sheet, found = sides(_sheet(2), NO_MODELS, None)
    assert [(c.kind, c.contrast) for c in found] == [
        (PAIR, "P1 after vs P1 before"), (PAIR, "P2 after vs P2 before"),
    ]  # fmt: skip
    assert set(sheet["model"]) == {"P1 after", "P1 before", "P2 after", "P2 before"}
    _, lines = sides(_sheet(2).assign(patient=""), NO_MODELS, None)
    assert [(c.kind, c.contrast) for c in lines] == [("groups", "after vs before")]


def test_recurrence_in_obs_is_the_group(tmp_path: Path) -> None:
    obs = pd.DataFrame(
        {"sample": "s", "patient": "P1", "recurrence": ["recurred"] * 60}, index=[f"c{i}" for i in range(60)]
    )
    ex.write_h5ad(tmp_path / "x.h5ad", np.ones((60, 5), dtype=np.float32), ex.names_of(5), obs)
    assert set(ex.table(tmp_path, "x.h5ad")["group"]) == {"recurred"}


def _states() -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(1)
    sheet = _sheet(6)
    own = sheet.loc[sheet.index.repeat(200)].reset_index(drop=True)
    share = np.where(own["group"] == "after", 0.6, 0.3) + 0.02 * rng.normal(size=len(own))
    own["state"] = np.where(rng.random(len(own)) < share, "2", "1")
    own["dataset"], own["cell"] = "d", [f"c{i}" for i in range(len(own))]
    cells = own[["dataset"]].assign(_file="x.h5ad", _row=np.arange(1, len(own) + 1))
    return own, cells


def test_shares_of_states_are_compared_in_pairs_and_make_claims() -> None:
    own, cells = _states()
    table = state_shifts(own, cells, NO_MODELS)
    assert set(table["design"]) == {"replicate as block"} and set(table["kind"]) == {PATIENTS}
    assert (table["q_value"] < 0.05).all() and set(table["n_group"]) == {6}
    markers = pd.DataFrame({"dataset": "d", "state": "2", "rank": [1, 2, 0], "gene": ["A", "B", "C"]})
    made = state_shift_claims(table, markers)
    assert len(evidence.check(made)) == 2 and set(made["level"]) == {"clinical"}
    two = made[made["contrast"].str.contains("state 2")].iloc[0]
    assert "State 2 (A, B) takes more of the cells" in two["claim"] and "6 and 6 samples" in two["claim"]
    # one patient a side: seen, and no test
    few = own[own["patient"] == "P1"]
    one = state_shift_claims(state_shifts(few, cells, NO_MODELS))
    assert set(one["status"]) == {"not_testable"} and one["p_value"].isna().all()


def test_genes_that_are_asked_after_are_in_every_state_and_drawn(tmp_path: Path) -> None:
    counts, group, _ = ex.simulated("apart", 200)
    cells = ex.study(tmp_path, counts, group)
    own = cells[["dataset", "cell", "sample", "model"]].assign(state=(group + 1).astype(str))
    plain = state_markers(cells, own, most=5)
    quiet = next(g for g in ex.names_of(counts.shape[1])[::-1] if g not in set(plain["gene"]))
    driver = next(g for g in ex.names_of(counts.shape[1]) if g not in {quiet, *plain["gene"]})
    rare = pd.DataFrame({"dataset": cells["dataset"].iloc[0], "driver": [driver, plain["gene"][0]],
                         "population": ["rare", "none shown"], "p_value": 0.01})  # fmt: skip
    markers = state_markers(cells, own, rare, named=(quiet,), most=5)
    asked_after = markers[markers["gene"].isin([quiet, driver])]
    assert len(asked_after) == 4 and asked_after["named"].all() and (asked_after["rank"] == 0).all()
    assert not markers.loc[markers["rank"] > 0, "named"].any()
    pd.testing.assert_frame_equal(markers[markers["rank"] > 0].reset_index(drop=True), plain)
    drawn = state_marker_dots(markers).to_dict()
    assert quiet in str(drawn) and driver in str(drawn)
