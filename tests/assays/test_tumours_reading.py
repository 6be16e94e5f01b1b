"""Tables of animals: labels of arms, wide and tidy files, what is warned of."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from rechallenge.assays import tumours as assay
from rechallenge.assays.tumours.arms import combinations, control_of
from rechallenge.assays.tumours.data import volumes, weights
from rechallenge.assays.tumours.reading import day_of, read_days
from rechallenge.study import TableSource
from rechallenge.tables.contract import Contract
from rechallenge.tables.reading import TableRead, read_table

NO_MODELS = pd.DataFrame({"model": []}, dtype=object)


@pytest.mark.parametrize(
    ("label", "names"),
    [("Vehicle", []), ("control", []), ("vehicle + lenvatinib", ["lenvatinib"]), ("A + B", ["A", "B"]),
     ("A and B", ["A", "B"]), ("A/B", ["A", "B"]), ("A & B", ["A", "B"]), ("A plus B", ["A", "B"]),
     ("lenvatinib 10 mg/kg/d po + epalrestat (50 mg/kg)", ["epalrestat", "lenvatinib"]),
     ("gemcitabine-50mpk", ["gemcitabine"]), ("5-FU", ["5-FU"]), ("shAKR1B1 + lenvatinib", ["AKR1B1", "lenvatinib"]),
     ("shNC + lenvatinib", ["lenvatinib"]), ("AKR1B1 KO", ["AKR1B1"]), ("OE-ILF3", ["ILF3"]),
     ("sgRNA-CAV1", ["CAV1"]), ("SHP099", ["SHP099"]), ("a + b + c", ["a", "b", "c"])],
)  # fmt: skip
def test_labels_say_what_an_arm_was_given(label: str, names: list[str]) -> None:
    assert [p.name for p in assay.parse_arm(label).parts] == names


def test_genes_have_their_action_and_their_control() -> None:
    assert [p.action for p in assay.parse_arm("shAKR1B1").parts] == [-1]
    assert [p.action for p in assay.parse_arm("AKR1B1 OE").parts] == [1]
    arms = assay.parse_arms(["vehicle", "shNC", "L", "shNC + L", "shAKR1B1", "shAKR1B1 + L"])
    (one,) = combinations(arms)
    assert (one.singles, one.control) == (("shAKR1B1", "shNC + L"), "shNC")
    assert control_of(arms["L"], arms) == "vehicle"


def test_doses_find_the_single_arms_of_their_own() -> None:
    arms = assay.parse_arms(["vehicle", "L 5 mg/kg", "L 10 mg/kg", "E", "L 10 mg/kg + E 50 mg/kg", "L + E"])
    found = {c.arm: c.singles for c in combinations(arms)}
    assert found["L 10 mg/kg + E 50 mg/kg"] == ("E", "L 10 mg/kg")
    assert found["L + E"] == ("E", ""), "which of two doses was combined is not known"


def test_a_bare_combination_is_that_of_the_two_single_arms() -> None:
    (one,) = combinations(assay.parse_arms(["Control", "DrugA", "DrugB", "Combination"]))
    assert one.singles == ("DrugA", "DrugB")
    assert not list(combinations(assay.parse_arms(["Control", "A", "B", "C", "Combination"])))


def read(folder: Path, text: str, contract: Contract = assay.TUMOURS, **extra: str) -> TableRead:
    (folder / "t.csv").write_text(text, encoding="utf-8")
    return read_days(TableSource(values=["t.csv"], **extra), folder, contract, NO_MODELS)


def test_wide_tables_are_read_as_tidy_ones(tmp_path: Path) -> None:
    wide = read(tmp_path, "Treatment,Mouse,-1,Day 2,D9\nVehicle,1,100,150.5,NA\nA,2,90,,80\n", model="Huh-7 LR")
    rows = wide.frame[["animal", "arm", "day", "volume_mm3", "model", "_row"]].to_numpy().tolist()
    assert rows == [
        ["1", "Vehicle", -1.0, 100.0, "Huh-7 LR", 2], ["2", "A", -1.0, 90.0, "Huh-7 LR", 3],
        ["1", "Vehicle", 2.0, 150.5, "Huh-7 LR", 2], ["2", "A", 9.0, 80.0, "Huh-7 LR", 3],
    ]  # fmt: skip
    assert not [f for f in wide.faults if f.severity == "error"]
    assert "3 columns of days (-1 to 9); 2 empty cells" in "".join(map(str, wide.faults))
    tidy = read(tmp_path, "Group;Mouse ID;Time;Tumor Volume (mm3)\nVehicle;1;0;100,5\nVehicle;1;3;120,25\n")
    assert tidy.frame["volume_mm3"].tolist() == [100.5, 120.25]


def test_a_bad_cell_of_a_wide_table_is_named(tmp_path: Path) -> None:
    found = read(tmp_path, "arm,animal,0,3\nvehicle,1,100,big\nvehicle,2,-5,90\n")
    errors = [f for f in found.faults if f.severity == "error"]
    assert {(f.row, f.column) for f in errors} == {(2, "volume_mm3"), (3, "volume_mm3")}
    weight = read(tmp_path, "arm,animal,0,3\nvehicle,1,20.1,20.4\n", assay.BODY_WEIGHT)
    assert weight.frame["weight_g"].tolist() == [20.1, 20.4]


@pytest.mark.parametrize(
    ("heading", "day"),
    [("33", 33), ("-1", -1), ("Day 7", 7), ("day_7", 7), ("D7", 7), ("X33", 33), ("X.1", -1), ("7 d", 7), ("3.5", 3.5),
     ("volume", None), ("A1", None)],
)  # fmt: skip
def test_headings_that_are_days(heading: str, day: float | None) -> None:
    assert day_of(heading) == day


def test_volumes_from_diameters_and_several_tumours() -> None:
    table = pd.DataFrame(
        {"animal": ["1", "1", "1"], "arm": "vehicle", "day": [0.0, 0.0, 3.0], "model": "",
         "volume_mm3": [float("nan"), 300.0, float("nan")], "length_mm": [10.0, 0, 6.0], "width_mm": [8.0, 0, 12.0]}
    )  # fmt: skip
    assert volumes(table)["volume"].tolist() == [(320 + 300) / 2, 12 * 36 / 2]


def test_the_examples_keep_their_contracts(tmp_path: Path) -> None:
    for contract in (assay.TUMOURS, assay.BODY_WEIGHT, assay.ORGANS):
        (tmp_path / "e.csv").write_text(contract.example, encoding="utf-8")
        found = read_table(contract, "e.csv", folder=tmp_path)
        assert not [f for f in found.faults if f.severity != "note"], contract.name


def rules(contract: Contract, table: pd.DataFrame, models: pd.DataFrame = NO_MODELS) -> set[str]:
    base = {"model": "", "_file": "t.csv", "_sheet": ""}
    table = table.assign(**{k: v for k, v in base.items() if k not in table.columns}, _row=range(2, len(table) + 2))
    return {f.code for rule in contract.rules for f in rule(table, models)}


def test_what_is_warned_of() -> None:
    nan = float("nan")
    table = pd.DataFrame(
        {"animal": ["1", "1", "2", "2"], "arm": ["A", "A", "B", "A"], "day": [0.0, 3.0, 0.0, 0.0],
         "volume_mm3": [0.4, 0.9, 0.5, 0.3], "length_mm": [nan] * 3 + [3.0], "width_mm": [nan] * 3 + [4.0]}
    )  # fmt: skip
    expected = {"no-control", "animal-in-two-arms", "cubic-centimetres", "width-over-length"}
    assert rules(assay.TUMOURS, table) == expected
    gone = table.assign(arm="vehicle", volume_mm3=[300.0, 0.0, 500.0, 400.0], width_mm=nan)
    assert rules(assay.TUMOURS, gone) == {"gone-at-once"}
    several = pd.DataFrame({"animal": list("12345"), "arm": ["vehicle", "A", "B", "C", "combo"], "day": 0.0,
                            "volume_mm3": 90.0, "length_mm": nan, "width_mm": nan, "model": "x"})  # fmt: skip
    known = pd.DataFrame({"model": ["y"]})
    assert rules(assay.TUMOURS, several, known) == {"combination-of-what", "unknown-model"}
    weight = pd.DataFrame({"animal": ["1", "1"], "arm": "A", "day": [0.0, 3.0], "weight_g": [20.0, 0.0]})
    assert rules(assay.BODY_WEIGHT, weight) == {"zero-weight"}
    assert rules(assay.BODY_WEIGHT, weight.assign(weight_g=[100.0, 95.0]) * 1) == set()
    assert weights(weight)["weight"].tolist() == [20.0], "a weight of 0 is none"
