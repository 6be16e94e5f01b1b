"""Raw exports with a plate map and a layout: tidy wells, what is left out, and every fault."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from rechallenge.faults import Fault
from rechallenge.study import Study, TableSource
from rechallenge.tables.checks import check
from rechallenge.tables.plates import PLATES, read_plates
from rechallenge.tables.reading import TableRead, read_study
from rechallenge.tables.wells import row_letters

MODELS = pd.DataFrame({"model": ["P", "LR"]}, dtype=object)
MAP = """\
well,drug,dose_um,well_type
A01,DMSO,0,vehicle
B01,DMSO,0,vehicle
C01,DMSO,0,vehicle
A02,lenvatinib,10,sample
A03,lenvatinib,1,sample
B02,sorafenib,5,
H12,,,blank
"""
LAYOUT = "plate,model,replicate,hours\n1,P,1,72\n2,LR,1,72\n"


def signal(row: int, column: int, plate: int = 0) -> float:
    return 1000.0 * plate + 10.0 * column + row + 0.5


def grid(plate: int = 0, rows: int = 8, columns: int = 12, **cells: str) -> str:
    """A labelled grid; `cells` replaces wells by text (B03="OVRFLW")."""
    lines = ["," + ",".join(map(str, range(1, columns + 1)))]
    for r in range(1, rows + 1):
        row = [cells.get(f"{row_letters(r)}{c:02d}", str(signal(r, c, plate))) for c in range(1, columns + 1)]
        lines.append(",".join([row_letters(r), *row]))
    return "\n".join(lines) + "\n"


def plates(*names: str, **cells: str) -> str:
    return "\n".join(f"Plate: {n}\n{grid(k, **cells)}" for k, n in enumerate(names, start=1))


class Lab:
    """A study folder in the making."""

    def __init__(self, folder: Path):
        self.folder = folder

    def write(self, **files: str | bytes) -> Lab:
        for name, data in files.items():
            path = self.folder / name.replace("__", ".")
            path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return self

    def read(self, models: pd.DataFrame | None = MODELS, **source: Any) -> TableRead:
        keys = {"values": ["run.csv"], "map": "map.csv", **source}
        return read_plates(TableSource.model_validate(keys), self.folder, PLATES, models)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path).write(run__csv=plates("1", "2"), map__csv=MAP, layout__csv=LAYOUT)


def found(read: TableRead, code: str) -> Fault:
    """The one fault of this code."""
    faults = [f for f in read.faults if f.code == code]
    assert len(faults) == 1, [str(f) for f in read.faults]
    return faults[0]


def errors(read: TableRead, models: pd.DataFrame | None = MODELS) -> list[str]:
    """Codes of the errors, those of the contract's rules included."""
    every = [*read.faults, *check(read.frame, PLATES, models)]
    return sorted({f.code for f in every if f.severity == "error"})


# ---- wells -----------------------------------------------------------------------------------------------------


def test_a_map_for_every_plate_and_a_layout_with_what_differs(lab: Lab) -> None:
    read = lab.read(layout="layout.csv")
    assert errors(read) == []
    frame = read.frame
    assert list(frame.columns) == [*(c.name for c in PLATES.columns), "_file", "_sheet", "_row", "flag"]
    assert len(frame) == 14
    one = frame[(frame["plate"] == "run:2") & (frame["well"] == "A02")].iloc[0]
    assert one[["model", "drug", "dose_um", "replicate", "hours", "well_type", "perturbation"]].to_list() == [
        "LR",
        "lenvatinib",
        10.0,
        "1",
        72.0,
        "sample",
        "none",
    ]
    assert one["signal"] == signal(1, 2, 2)
    assert one[["_file", "_row"]].to_list() == ["run.csv", 14]
    assert set(frame.loc[frame["well"] == "B02", "well_type"]) == {"sample"}  # the default
    kinds = frame[frame["well_type"].isin(["vehicle", "blank"])]
    assert (kinds["dose_um"] == 0).all()
    assert [f[0] for f in read.files] == ["run.csv", "map.csv", "layout.csv"]
    assert read.files[0][2] == hashlib.sha256((lab.folder / "run.csv").read_bytes()).hexdigest()


def test_wells_are_matched_however_they_are_written(lab: Lab) -> None:
    wells = ["A1", "A01", "a1", "A:1", "Well A1"]
    for k, well in enumerate(wells):
        lab.write(map__csv=f"well,drug,dose_um,model,replicate\n{well},x,1,P,1\n")
        frame = lab.read().frame
        assert frame["well"].to_list() == ["A01", "A01"], (k, well)


def test_a_layout_gives_each_plate_its_map(lab: Lab) -> None:
    lab.write(
        map__csv="map,well,drug,dose_um\nfirst,A01,x,1\nsecond,A01,y,2\n",
        layout__csv="plate,map,model,replicate\n1,second,P,1\n2,first,P,1\n",
    )
    frame = lab.read(layout="layout.csv").frame
    assert frame[["plate", "drug", "dose_um"]].to_numpy().tolist() == [["run:1", "y", 2.0], ["run:2", "x", 1.0]]


def test_maps_of_several_files_have_the_names_of_their_files(lab: Lab) -> None:
    lab.write(
        map_a__csv="well,drug,dose_um\nA01,x,1\n",
        map_b__csv="well,drug,dose_um\nA01,y,2\n",
        layout__csv="plate,map,model,replicate\n1,map_b,P,1\n2,map_a,P,1\n",
    )
    assert lab.read(map="map_*.csv", layout="layout.csv").frame["drug"].to_list() == ["y", "x"]
    lab.write(layout__csv="plate,model,replicate\n1,P,1\n2,P,1\n")
    fault = next(f for f in lab.read(map="map_*.csv", layout="layout.csv").faults if f.code == "which-map")
    assert "map_a, map_b" in fault.message


def test_an_exact_plate_goes_before_a_pattern_and_a_pattern_before_none(lab: Lab) -> None:
    lab.write(
        run__csv=plates("T1", "T2", "U1"),
        map__csv="plate,well,drug,dose_um,model,replicate\n,A01,any,1,P,1\nT*,A01,pattern,1,P,1\nT2,A01,exact,1,P,1\n",
    )
    read = lab.read()
    assert dict(zip(read.frame["plate"], read.frame["drug"], strict=True)) == {
        "run:T1": "pattern",
        "run:T2": "exact",
        "run:U1": "any",
    }


def test_a_plate_may_be_called_by_number_name_or_with_its_file(lab: Lab) -> None:
    lab.write(run__csv=plates("P-one", "P-two"))
    for first, second in (("1", "2"), ("P-one", "p-TWO"), ("run:P-one", "run:P-two"), ("Plate 1", "plate 2")):
        lab.write(layout__csv=f"plate,model,replicate\n{first},P,1\n{second},LR,1\n")
        assert lab.read(layout="layout.csv").frame.groupby("plate")["model"].first().to_list() == ["P", "LR"]


def test_plates_of_the_same_name_in_two_files_are_told_apart_by_the_file(lab: Lab) -> None:
    lab.write(other__csv=plates("1"), layout__csv="file,plate,model,replicate\nrun,1,P,1\nrun.csv,2,P,1\noth*,1,LR,1\n")
    frame = lab.read(values=["run.csv", "other.csv"], layout="layout.csv").frame
    assert frame.groupby("plate")["model"].first().to_dict() == {"run:1": "P", "run:2": "P", "other": "LR"}
    lab.write(layout__csv="plate,model,replicate\n1,P,1\n2,P,1\n")
    fault = found(lab.read(values=["run.csv", "other.csv"], layout="layout.csv"), "plate-name")
    assert (fault.severity, fault.value) == ("warning", "1")


def test_a_plate_may_borrow_the_vehicle_wells_of_another(lab: Lab) -> None:
    lab.write(
        map__csv="plate,well,drug,dose_um,well_type\n1,A01,,,vehicle\n1,A02,,,vehicle\n1,A03,,,vehicle\n,B01,x,1,\n",
        layout__csv="plate,model,replicate,vehicle_plate\n1,P,1,\n2,P,1,1\n",
    )
    read = lab.read(layout="layout.csv")
    assert errors(read) == []
    assert set(read.frame.loc[read.frame["plate"] == "run:2", "vehicle_plate"]) == {"run:1"}
    lab.write(layout__csv="plate,model,replicate,vehicle_plate\n1,P,1,\n2,P,1,7\n")
    assert found(lab.read(layout="layout.csv"), "vehicle-plate").value == "7"


@pytest.mark.parametrize("heading", ["Dose (nM)", "dose_nM"])
def test_doses_in_other_units_are_converted(lab: Lab, heading: str) -> None:
    lab.write(map__csv=f"well,drug,{heading},model,replicate\nA01,x,500,P,1\n")
    assert lab.read().frame["dose_um"].to_list() == [0.5, 0.5]


def test_a_unit_column_of_the_map(lab: Lab) -> None:
    lab.write(map__csv="well,drug,dose,unit,model,replicate\nA01,x,500,nM,P,1\nA02,x,2,mM,P,1\n")
    assert lab.read().frame["dose_um"].to_list() == [0.5, 2000.0, 0.5, 2000.0]


def test_without_well_types_vehicle_is_told_by_its_name_and_said(lab: Lab) -> None:
    lab.write(map__csv="well,drug,dose_um,model,replicate\nA01,DMSO,0,P,1\nA02,x,1,P,1\nA03,blank,,P,1\n")
    read = lab.read()
    assert read.frame["well_type"].to_list()[:3] == ["vehicle", "sample", "blank"]
    assert {f.severity for f in read.faults if f.code == "well-type-guess"} == {"note"}
    lab.write(map__csv="well,drug,dose_um,well_type,model,replicate\nA01,DMSO,1,sample,P,1\n")
    assert lab.read().frame["well_type"].to_list() == ["sample", "sample"]


def test_empty_wells_are_no_wells(lab: Lab) -> None:
    lab.write(map__csv="well,drug,dose_um,well_type\nA01,x,1,\nA02,,,\nA03,,,empty\n", layout__csv=LAYOUT)
    assert lab.read(layout="layout.csv").frame["well"].to_list() == ["A01", "A01"]


def test_wells_to_leave_out_stay_with_their_reason(lab: Lab) -> None:
    lab.write(map__csv="well,drug,dose_um,model,replicate,exclude\nA01,x,1,P,1,spilled\nA02,x,1,P,1,\n")
    assert lab.read().frame["exclude"].to_list() == ["spilled", "", "spilled", ""]


def test_no_models_of_a_study_leave_names_unchecked(lab: Lab) -> None:
    assert errors(lab.read(models=None, layout="layout.csv"), models=None) == []


# ---- maps drawn as plates --------------------------------------------------------------------------------------


def drawn(field: str, cells: dict[str, str], corner: bool = False) -> str:
    lines = [",".join([field if corner else "", *map(str, range(1, 13))])]
    for r in range(1, 9):
        row = [cells.get(f"{row_letters(r)}{c}", "") for c in range(1, 13)]
        lines.append(",".join([row_letters(r), *row]))
    return ("" if corner else field + "\n") + "\n".join(lines) + "\n"


DRAWN = {
    "drug": {"A1": "DMSO", "A2": "x", "A3": "x"},
    "Dose (nM)": {"A1": "0", "A2": "500", "A3": "50"},
    "well type": {"A1": "vehicle", "A2": "sample", "A3": "sample"},
}


@pytest.mark.parametrize("corner", [True, False])
def test_a_map_drawn_as_stacked_grids(lab: Lab, corner: bool) -> None:
    lab.write(map__csv="\n".join(drawn(field, cells, corner) for field, cells in DRAWN.items()))
    read = lab.read(layout="layout.csv")
    first = read.frame[read.frame["plate"] == "run:1"]
    assert first["well"].to_list() == ["A01", "A02", "A03"]
    assert first["dose_um"].to_list() == [0.0, 0.5, 0.05]
    assert first["well_type"].to_list() == ["vehicle", "sample", "sample"]
    assert "drawn as plates" in next(f.message for f in read.faults if f.code == "read-as" and f.file == "map.csv")


@pytest.mark.parametrize("labelled", [True, False])
def test_a_map_with_a_sheet_per_field(lab: Lab, labelled: bool) -> None:
    book = Workbook()
    book.remove(book.active)
    for field, cells in DRAWN.items():
        page = book.create_sheet(field)
        for well, text in cells.items():
            value: str | float = float(text) if text[:1].isdigit() else text
            page.cell(ord(well[0]) - 64 + labelled, int(well[1:]) + labelled).value = value
        if labelled:
            for c in range(1, 13):
                page.cell(1, c + 1).value = c
            for r in range(1, 9):
                page.cell(r + 1, 1).value = row_letters(r)
    book.save(lab.folder / "map.xlsx")
    frame = lab.read(map="map.xlsx", layout="layout.csv").frame
    first = frame[frame["plate"] == "run:1"]
    assert first["well"].to_list() == ["A01", "A02", "A03"]
    assert first["dose_um"].to_list() == [0.0, 0.5, 0.05]
    assert first["drug"].to_list() == ["DMSO", "x", "x"]


def test_a_field_drawn_twice_is_refused(lab: Lab) -> None:
    lab.write(map__csv=drawn("drug", {"A1": "x"}) + "\n" + drawn("drug", {"A1": "y"}))
    assert found(lab.read(layout="layout.csv"), "map-grid").file == "map.csv"


# ---- what is left out ------------------------------------------------------------------------------------------


def test_wells_that_were_not_read_are_listed_with_the_reason(lab: Lab) -> None:
    lab.write(run__csv=grid(A01="OVRFLW", A02="*****", A03="MISSED", B01="", B02="<0.0"))
    lab.write(layout__csv="plate,model,replicate\n1,P,1\n")
    read = lab.read(layout="layout.csv")
    assert read.frame["well"].to_list() == ["C01", "H12"]
    listed = read.excluded
    assert len(listed) == 5
    assert set(listed["kind"]) == {"plates"}
    reasons = dict(zip(listed["value"], listed["reason"], strict=True))
    assert reasons["OVRFLW"] == "well A01 of plate run: above the range of the instrument"
    assert reasons["*****"].endswith("above the range of the instrument")
    assert reasons["MISSED"].endswith("not read by the instrument")
    assert reasons["<0.0"].endswith("below the range of the instrument")
    assert reasons[""].endswith("the export has no signal for it")
    assert listed.loc[listed["value"] == "OVRFLW", ["file", "row"]].to_numpy().tolist() == [["run.csv", 2]]
    assert sum(f.count for f in read.faults if f.code == "well-excluded") == 5


def test_wells_with_a_signal_and_no_place_in_the_map_are_counted(lab: Lab) -> None:
    fault = found(lab.read(layout="layout.csv"), "well-not-in-map")
    assert (fault.severity, fault.count) == ("note", 2 * (96 - 7))


def test_flagged_wells_are_kept_and_said(lab: Lab) -> None:
    lab.write(
        run__csv="Plate,Well,Signal,Flag\n1,A1,1.5,outlier\n1,A2,2.5,\n",
        map__csv="well,drug,dose_um,model,replicate\nA1,x,1,P,1\nA2,x,1,P,1\n",
    )
    read = lab.read()
    assert read.frame["flag"].to_list() == ["outlier", ""]
    fault = found(read, "flagged-wells")
    assert (fault.severity, fault.count) == ("note", 1)
    assert "outlier: 1" in fault.message


def test_a_decimal_comma_in_export_and_map(lab: Lab) -> None:
    lab.write(
        run__csv="Well;OD\nA1;0,812\nA2;1,25\n",
        map__csv="well;drug;dose_um;model;replicate\nA1;x;0,5;P;1\nA2;x;1,5;P;1\n",
    )
    frame = lab.read().frame
    assert frame["signal"].to_list() == [0.812, 1.25]
    assert frame["dose_um"].to_list() == [0.5, 1.5]


def test_text_in_the_place_of_a_signal_is_a_fault(lab: Lab) -> None:
    lab.write(run__csv=grid(A02="spilled"), layout__csv="plate,model,replicate\n1,P,1\n")
    fault = found(lab.read(layout="layout.csv"), "not-a-number")
    assert (fault.file, fault.row, fault.value, fault.severity) == ("run.csv", 2, "spilled", "error")


# ---- faults ----------------------------------------------------------------------------------------------------

FAULTY: dict[str, tuple[dict[str, str], str, dict[str, Any]]] = {
    "unknown plate in the layout": (
        {"layout": "plate,model,replicate\n1,P,1\n2,P,1\n3,P,1\n"},
        "unknown-plate",
        {"file": "layout.csv", "row": 4, "value": "3", "severity": "error"},
    ),
    "unknown plate in the map": (
        {"map": "plate,well,drug,dose_um\n1,A1,x,1\n2,A1,x,1\nX9,A1,x,1\n"},
        "unknown-plate",
        {"file": "map.csv", "row": 4, "value": "X9"},
    ),
    "plate that the layout leaves out": (
        {"layout": "plate,model,replicate\n1,P,1\n"},
        "plate-not-in-layout",
        {"file": "run.csv", "value": "run:2", "severity": "warning"},
    ),
    "two rows for one plate": (
        {"layout": "plate,model,replicate\n1,P,1\n2,P,1\n2,P,2\n"},
        "layout-twice",
        {"file": "layout.csv", "row": 4},
    ),
    "unknown map": (
        {"layout": "plate,map,model,replicate\n1,mpa,P,1\n2,map,P,1\n"},
        "unknown-map",
        {"row": 2, "value": "mpa"},
    ),
    "map never used": (
        {
            "map": "map,well,drug,dose_um\na,A1,x,1\nb,A1,y,1\n",
            "layout": "plate,map,model,replicate\n1,a,P,1\n2,a,P,1\n",
        },
        "unused-map",
        {"row": 3, "value": "b", "severity": "warning"},
    ),
    "two contents for one well": (
        {"map": "well,drug,dose_um\nA1,x,1\nA01,y,1\n"},
        "map-twice",
        {"file": "map.csv", "row": 3, "value": "A01"},
    ),
    "two names for one well": ({"map": "well,drug,dose_um\nA1,x,1\nA01,x,1\n"}, "map-twice", {"row": 3}),
    "two patterns for one well": (
        {"map": "plate,well,drug,dose_um\n*,A1,x,1\n?,A1,y,1\n"},
        "map-twice",
        {"row": 3},
    ),
    "exact copy of a row": ({"map": "well,drug,dose_um\nA1,x,1\nA1,x,1\n"}, "duplicate-well", {"row": 3}),
    "map against layout": (
        {"map": "well,drug,dose_um,model\nA1,x,1,P\n"},
        "map-layout-conflict",
        {"file": "layout.csv", "row": 3, "value": "LR", "column": "model"},
    ),
    "number of the map against the layout": (
        {"map": "well,drug,dose_um,hours\nA1,x,1,48\n", "layout": "plate,model,replicate,hours\n*,P,1,72\n"},
        "map-layout-conflict",
        {"column": "hours", "value": "72.0", "count": 1},
    ),
    "well that no plate has": (
        {"map": "well,drug,dose_um\nA1,x,1\nAG1,x,1\n"},
        "not-a-well",
        {"row": 3, "value": "AG1"},
    ),
    "well beyond this plate": (
        {"map": "well,drug,dose_um\nA1,x,1\nP24,x,1\n"},
        "well-beyond-plate",
        {"row": 3, "value": "P24", "severity": "error"},
    ),
    "unknown model": (
        {"layout": "plate,model,replicate\n1,P,1\n2,Q,1\n"},
        "unknown-model",
        {"file": "layout.csv", "row": 3, "value": "Q"},
    ),
    "unknown model in the map": (
        {"map": "well,drug,dose_um,model\nA1,x,1,Q\n", "layout": "plate,replicate\n1,1\n2,1\n"},
        "unknown-model",
        {"file": "map.csv", "row": 2},
    ),
    "negative dose": (
        {"map": "well,drug,dose_um\nA1,x,-1\n"},
        "negative",
        {"file": "map.csv", "row": 2, "column": "dose_um"},
    ),
    "dose in mass": ({"map": "well,drug,dose,unit\nA1,x,1,mg/mL\n"}, "unit", {"file": "map.csv"}),
    "unknown well type": (
        {"map": "well,drug,dose_um,well_type\nA1,x,1,smaple\n"},
        "not-a-choice",
        {"row": 2, "value": "smaple"},
    ),
    "no column well": ({"map": "drug,dose_um\nx,1\n"}, "missing-column", {"file": "map.csv", "column": "well"}),
    "no column plate in the layout": (
        {"layout": "model,replicate\nP,1\n"},
        "missing-column",
        {"file": "layout.csv", "column": "plate"},
    ),
    "unreadable export": ({"run": "nothing\n"}, "plate-export", {"file": "run.csv"}),
    "empty export": ({"run": ""}, "empty-file", {"file": "run.csv"}),
    "empty map": ({"map": ""}, "empty-file", {"file": "map.csv"}),
    "two reads": ({"run": "Well,450,620\nA1,1.5,0.5\n"}, "read-label", {"file": "run.csv", "column": "label"}),
}


@pytest.mark.parametrize("name", FAULTY)
def test_faults_have_their_place(lab: Lab, name: str) -> None:
    files, code, place = FAULTY[name]
    lab.write(**{f"{k}__csv": v for k, v in files.items()})
    read = lab.read(layout="layout.csv")
    fault = next((f for f in read.faults if f.code == code), None)
    assert fault is not None, [str(f) for f in read.faults]
    assert {k: getattr(fault, k) for k in place} == place
    assert fault.message
    assert fault.remedy


RULES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "no vehicle": (
        "well,drug,dose_um,well_type\nA2,x,1,sample\n",
        "no-vehicle",
        {"file": "run.csv", "row": 3, "value": "run:1"},
    ),
    "few vehicle": (
        "well,drug,dose_um,well_type\nA1,,,vehicle\nA2,x,1,sample\n",
        "few-vehicle",
        {"severity": "warning"},
    ),
    "vehicle with a dose": (
        MAP + "D1,DMSO,3,vehicle\n",
        "vehicle-dose",
        {"value": "run:1 D01", "count": 2, "row": 6},
    ),
    "no drug": (MAP + "D1,,3,sample\n", "no-drug", {"value": "run:1 D01", "count": 2}),
    "no dose": (MAP + "D1,x,,sample\n", "no-dose", {"value": "run:1 D01", "count": 2}),
}


@pytest.mark.parametrize("name", RULES)
def test_rules_of_the_contract(lab: Lab, name: str) -> None:
    wells, code, place = RULES[name]
    read = lab.write(map__csv=wells).read(layout="layout.csv")
    fault = next(f for f in check(read.frame, PLATES, MODELS) if f.code == code)
    assert {k: getattr(fault, k) for k in place} == place
    assert fault.remedy


@pytest.mark.parametrize(("column", "code"), [("model", "no-model"), ("replicate", "no-replicate")])
def test_model_and_replicate_must_come_from_somewhere(lab: Lab, column: str, code: str) -> None:
    other = {"model": "replicate\n*,1\n", "replicate": "model\n*,P\n"}[column]
    read = lab.write(layout__csv=f"plate,{other}").read(layout="layout.csv")
    assert errors(read) == [code]


def test_excluded_wells_need_no_drug_and_no_dose(lab: Lab) -> None:
    read = lab.write(map__csv=MAP.replace("well_type\n", "well_type,exclude\n") + "D1,,,sample,unnamed\n").read(
        layout="layout.csv"
    )
    assert errors(read) == []


def test_a_dose_of_the_layout_is_not_given_to_vehicle_wells(lab: Lab) -> None:
    lab.write(
        map__csv="well,well_type\nA1,vehicle\nB1,vehicle\nC1,vehicle\nA2,sample\n",
        layout__csv="plate,model,replicate,drug,dose_um\n1,P,1,x,5\n2,P,1,x,7\n",
    )
    read = lab.read(layout="layout.csv")
    assert errors(read) == []
    frame = read.frame[read.frame["plate"] == "run:2"]
    assert dict(zip(frame["well"], frame["drug"], strict=True)) == {"A01": "", "B01": "", "C01": "", "A02": "x"}
    assert dict(zip(frame["well"], frame["dose_um"], strict=True)) == {"A01": 0.0, "B01": 0.0, "C01": 0.0, "A02": 7.0}


def test_no_map_is_a_fault_and_the_exports_are_still_looked_at(lab: Lab) -> None:
    lab.write(bad__csv="nothing\n")
    read = lab.read(values=["run.csv", "bad.csv"], map="")
    assert {f.code for f in read.faults if f.severity == "error"} == {"no-map", "plate-export"}
    assert len(read.frame) == 0
    assert list(read.frame.columns)[: len(PLATES.columns)] == [c.name for c in PLATES.columns]


def test_everything_that_is_wrong_is_said_at_once(lab: Lab) -> None:
    lab.write(
        bad__csv="nothing\n",
        map__csv=MAP + "AG1,x,1,sample\nC2,x,-1,sample\n",
        layout__csv="plate,model,replicate\n1,Q,1\n2,P,1\n9,P,1\n",
    )
    read = lab.read(values=["run.csv", "bad.csv", "none.csv"], layout="layout.csv", lable="x")
    assert {f.code for f in read.faults if f.severity == "error"} == {
        "missing-file", "plate-export", "not-a-well", "negative", "unknown-model", "unknown-plate", "study-key",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value"),
    [("lable", "x"), ("label", True), ("read", "two"), ("read", 0), ("format", "gird"), ("decimal", ";")],
)
def test_keys_of_the_source_are_checked(lab: Lab, key: str, value: Any) -> None:
    fault = found(lab.read(layout="layout.csv", **{key: value}), "study-key")
    assert (fault.file, fault.column) == ("study.toml", f"tables.plates.{key}")


def test_label_read_format_and_decimal_are_used(lab: Lab) -> None:
    lab.write(run__csv="Plate,Repeat,Well,450,620\n1,1,A1,1.5,0.5\n1,2,A1,2.5,0.25\n")
    lab.write(map__csv="well,drug,dose_um,model,replicate\nA1,x,1,P,1\n")
    assert lab.read(label="620", read=2).frame["signal"].to_list() == [0.25]
    assert lab.read(label=450, read=1, format="list").frame["signal"].to_list() == [1.5]
    assert "plate-export" in {f.code for f in lab.read(label="620", read=2, format="grid").faults}
    lab.write(run__csv="Well;OD\nA1;12,345\n")
    assert found(lab.read(), "decimal-sign").file == "run.csv"
    assert lab.read(decimal=",").frame["signal"].to_list() == [12.345]


def test_the_input_files_are_not_changed(lab: Lab) -> None:
    before = {p.name: p.read_bytes() for p in lab.folder.iterdir()}
    lab.read(layout="layout.csv")
    assert {p.name: p.read_bytes() for p in lab.folder.iterdir()} == before


def test_the_contract_knows_its_own_example() -> None:
    assert PLATES.reader == "plates"
    assert set(PLATES.key) == {"plate", "well"}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(alphabet="plate,wdrugosmxA12*?.- \n", max_size=120),
    st.text(alphabet="plate,mdrugosxAP12*?.- \n", max_size=120),
)
def test_no_map_and_no_layout_make_anything_but_wells_or_faults(lab: Lab, wells: str, rows: str) -> None:
    lab.write(map__csv="plate,well,drug,dose_um\n" + wells, layout__csv="plate,map,model,hours\n" + rows)
    read = lab.read(layout="layout.csv")
    assert len(read.frame) or any(f.severity != "note" for f in read.faults)


# ---- a study ---------------------------------------------------------------------------------------------------


def test_plates_of_a_study_in_several_sources(tmp_path: Path) -> None:
    lab = Lab(tmp_path).write(
        a__csv=grid(1),
        b__csv=grid(2),
        map__csv=MAP,
        la__csv="plate,model,replicate\n*,P,1\n",
        lb__csv="plate,model,replicate\n*,LR,1\n",
        study__toml=(
            '[study]\ntitle = "x"\n[models]\nP = { role = "parental" }\n'
            'LR = { role = "resistant", parent = "P" }\n[tables]\n'
            'plates = [{ files = "a.csv", map = "map.csv", layout = "la.csv" }, '
            '{ files = "b.csv", plate_map = "map.csv", layout = "lb.csv" }]\n'
        ),
    )
    read = read_study(Study.load(lab.folder), {"plates": PLATES})
    assert [f for f in read.faults if f.severity == "error"] == []
    wells = read.tables["plates"]
    assert wells.groupby("plate")["model"].first().to_dict() == {"a": "P", "b": "LR"}
    assert len(wells) == 14
