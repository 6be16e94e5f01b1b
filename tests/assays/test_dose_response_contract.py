"""The viability table as labs write it: what is understood, what is refused, what is said."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from rechallenge import dose_response
from rechallenge.assays.dose_response import VIABILITY
from rechallenge.faults import Fault
from rechallenge.tables.reading import read_table

GOOD = [f"P,d,{dose},{rep},{value}" for rep in (1, 2) for dose, value in ((1, 0.9), (3, 0.7), (10, 0.4), (30, 0.1))]


_SERIES = (("A", 1, 0.9), ("B", 3, 0.7), ("C", 10, 0.4), ("D", 30, 0.1))


def _read(tmp_path: Path, lines: list[str], models: pd.DataFrame | None = None) -> tuple[pd.DataFrame, list[Fault]]:
    file = tmp_path / "v.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    read = read_table(VIABILITY, file.name, folder=tmp_path, models=models)
    return read.frame, read.faults


def _said(faults: list[Fault], code: str) -> Fault:
    found = [f for f in faults if f.code == code]
    assert len(found) == 1, [str(f) for f in faults]
    return found[0]


def _wells(*rows: str) -> list[str]:
    return ["model,drug,dose_um,replicate,signal,well_type,plate,well", *rows]


def test_wells_without_drug_need_not_name_one(tmp_path: Path) -> None:
    wells = [f"P,d,{dose},{rep},{v},sample,x,{row}{rep}" for rep in (1, 2) for row, dose, v in _SERIES]
    wells += [f"P,,,,1.0,vehicle,x,H{k}" for k in range(1, 7)] + [",,,,0.05,blank,x,H7", ",,,,0.05,blank,x,H8"]
    frame, faults = _read(tmp_path, _wells(*wells))
    assert [str(f) for f in faults if f.severity != "note"] == []
    table = dose_response.responses(viability=frame)
    assert len(table[table["dose_um"] > 0]) == 8
    assert table["source_rows"].str.startswith("v.csv:").all()


def test_a_sample_well_without_drug_is_a_fault(tmp_path: Path) -> None:
    wells = [f"P,d,{dose},1,{v},sample,x,{row}1" for row, dose, v in _SERIES] + [
        f"P,,,,1.0,vehicle,x,H{k}" for k in range(1, 7)
    ]
    _, faults = _read(tmp_path, _wells(*wells, "P,,3,1,0.6,sample,x,E1"))
    fault = _said(faults, "empty-cell")
    assert (fault.row, fault.column) == (12, "drug")


def test_headings_of_other_labs(tmp_path: Path) -> None:
    lines = ["Cell line;Compound;Concentration (nM);Biological replicate;Relative viability;Time (h)"]
    lines += [f"P;d;{dose};{rep};0,{v};48" for rep in (1, 2) for dose, v in ((100, 9), (300, 7), (1000, 4), (3000, 1))]
    frame, faults = _read(tmp_path, lines)
    assert [f for f in faults if f.severity != "note"] == []
    assert frame["dose_um"].tolist()[:4] == pytest.approx([0.1, 0.3, 1.0, 3.0])
    assert frame["viability"].iloc[0] == pytest.approx(0.9)
    assert frame["perturbation"].eq("none").all() and frame["hours"].eq(48).all()


def test_a_good_table_has_no_faults(tmp_path: Path) -> None:
    frame, faults = _read(tmp_path, ["model,drug,dose_um,replicate,viability", *GOOD])
    assert len(frame) == 8 and [f for f in faults if f.severity != "note"] == []


def test_the_example_keeps_the_contract(tmp_path: Path) -> None:
    _, faults = _read(tmp_path, VIABILITY.example.splitlines())
    assert not [f for f in faults if f.severity == "error"]


def test_a_table_without_any_measurement_is_refused(tmp_path: Path) -> None:
    _, faults = _read(tmp_path, ["model,drug,dose_um,replicate", "P,d,1,1"])
    assert any(f.severity == "error" and f.code == "missing-column" for f in faults)


def test_signals_without_vehicle_name_the_plate(tmp_path: Path) -> None:
    rows = [f"P,d,{x},1,0.5,sample,plate 7,{w}" for x, w in ((1, "A1"), (3, "A2"), (10, "A3"))]
    _, faults = _read(tmp_path, _wells(*rows))
    fault = _said(faults, "no-vehicle")
    assert fault.severity == "error" and "plate 7" in fault.message and fault.row == 2
    assert "vehicle_plate" in fault.remedy


def test_vehicle_wells_may_lie_on_a_named_plate(tmp_path: Path) -> None:
    head = "model,drug,dose_um,replicate,signal,well_type,plate,well,vehicle_plate"
    rows = [f"P,d,{x},1,0.5,sample,p2,A{i},p1" for i, x in enumerate((1, 3, 10), 1)]
    rows += [f"P,DMSO,0,1,1.0,vehicle,p1,A{i}," for i in range(1, 4)]
    _, faults = _read(tmp_path, [head, *rows])
    assert not [f for f in faults if f.code in ("no-vehicle", "few-vehicle")]


def test_few_vehicle_wells_are_mentioned(tmp_path: Path) -> None:
    rows = ["P,DMSO,0,1,1.0,vehicle,p1,A1", *(f"P,d,{x},1,0.5,sample,p1,B{x}" for x in (1, 3, 10))]
    fault = _said(_read(tmp_path, _wells(*rows))[1], "few-vehicle")
    assert fault.severity == "warning" and "only 1 vehicle well:" in fault.message


def test_dose_zero_is_taken_as_vehicle_and_said(tmp_path: Path) -> None:
    rows = ["P,d,0,1,1.0,sample,p1,A1", *(f"P,d,{x},1,0.5,sample,p1,B{x}" for x in (1, 3, 10))]
    faults = _read(tmp_path, _wells(*rows))[1]
    assert _said(faults, "zero-dose").severity == "note"
    assert not [f for f in faults if f.code == "no-vehicle"]


def test_too_few_doses(tmp_path: Path) -> None:
    lines = ["model,drug,dose_um,replicate,viability", "P,d,1,1,0.9", "P,d,3,1,0.5", "P,d,1,2,0.9", "P,d,3,2,0.5"]
    fault = _said(_read(tmp_path, lines)[1], "few-doses")
    assert fault.severity == "warning" and "P, d: 2 doses above 0" in fault.message and fault.row == 2


def test_technical_wells_are_n_of_one(tmp_path: Path) -> None:
    lines = ["model,drug,dose_um,replicate,viability"]
    lines += [f"P,d,{dose},1,0.{v}" for dose in (1, 3, 10, 30) for v in (5, 6, 7)]
    fault = _said(_read(tmp_path, lines)[1], "technical-wells")
    assert "3 wells a dose share one replicate label" in fault.message and "n = 1" in fault.message


def test_one_replicate_cannot_be_tested(tmp_path: Path) -> None:
    lines = ["model,drug,dose_um,replicate,viability", *GOOD[:4]]
    assert "nothing can be tested" in _said(_read(tmp_path, lines)[1], "one-replicate").message


def test_wells(tmp_path: Path) -> None:
    rows = [f"P,DMSO,0,1,1.{i},vehicle,p1,A{i}" for i in range(1, 4)]
    rows += ["P,d,1,1,0.5,sample,p1,B1", "P,d,3,1,0.4,sample,p1,B01", "P,d,10,1,0.3,sample,p1,ZZ99"]
    faults = _read(tmp_path, _wells(*rows))[1]
    assert _said(faults, "well-twice").row == 6 and _said(faults, "well-twice").severity == "error"
    assert _said(faults, "well-name").value == "ZZ99"


def test_doses_that_look_like_another_unit(tmp_path: Path) -> None:
    lines = ["model,drug,dose_um,replicate,viability"]
    lines += [f"P,d,{dose},{rep},0.5" for rep in (1, 2) for dose in (1000, 3000, 10000)]
    assert "look like nM" in _said(_read(tmp_path, lines)[1], "dose-unit").message


def test_pairs_of_models(tmp_path: Path) -> None:
    models = pd.DataFrame({"model": ["P", "R"], "role": ["parental", "resistant"], "parent": ["", "P"]})
    lines = ["model,drug,dose_um,replicate,viability"]
    lines += [f"R,d,{x},{r},0.5" for r in (1, 2) for x in (100, 200, 300)]
    lines += [f"P,d,{x},{r},0.5" for r in (1, 2) for x in (1, 2, 3)]
    lines += [f"R,e,{x},{r},0.5" for r in (1, 2) for x in (1, 2, 3)]
    faults = _read(tmp_path, lines, models)[1]
    assert "do not overlap" in _said(faults, "no-dose-overlap").message
    assert "e was tested on R but not on its parent P" in _said(faults, "no-parental-curve").message


def test_per_cent_is_refused_with_the_row(tmp_path: Path) -> None:
    lines = ["model,drug,dose_um,replicate,viability", *(g.replace("0.9", "90") for g in GOOD)]
    faults = [f for f in _read(tmp_path, lines)[1] if f.severity == "error"]
    assert faults and all(f.column == "viability" for f in faults)


def test_excluded_wells_are_read_with_their_reason(tmp_path: Path) -> None:
    lines = ["model,drug,dose_um,replicate,viability,exclude", *(f"{g}," for g in GOOD)]
    lines[1] += "bubble"
    frame, _ = _read(tmp_path, lines)
    assert frame["exclude"].tolist() == ["bubble", *[""] * 7]


def test_viabilities_slightly_below_zero_are_kept_and_said_once(tmp_path: Path) -> None:
    lines = ["model,drug,dose_um,replicate,viability", *(g.replace("0.1", "-0.0026") for g in GOOD)]
    frame, faults = _read(tmp_path, lines)
    assert not [f for f in faults if f.severity == "error"] and frame["viability"].min() == -0.0026
    fault = _said(faults, "negative-viability")
    assert fault.severity == "warning" and fault.message.startswith("2 viabilities are slightly below 0")
    assert dose_response.fit_curves(frame).iloc[0]["status"] == "estimated"
    _, faults = _read(tmp_path, [lines[0], *(g.replace("0.1", "-0.26") for g in GOOD)])
    assert [f.column for f in faults if f.severity == "error"]


def _plate_lines(blank: float, vehicle: float = 1.0) -> list[str]:
    wells = [f"P,d,{dose},{rep},{v},sample,x,{row}{rep}" for rep in (1, 2) for row, dose, v in _SERIES]
    wells += [f"P,,,,{vehicle},vehicle,x,H{k}" for k in range(1, 7)]
    return _wells(*wells, f",,,,{blank},blank,x,H7", f",,,,{blank},blank,x,H8")


def test_a_blank_at_or_above_the_vehicle_is_an_error(tmp_path: Path) -> None:
    fault = _said(_read(tmp_path, _plate_lines(1.0, 0.05))[1], "blank-above-vehicle")
    assert fault.severity == "error" and "swapped" in fault.remedy
    for part in ("plate x", "vehicle wells of P", "mean 1)", "mean 0.05)"):
        assert part in fault.message, part
    assert _said(_read(tmp_path, _plate_lines(1.0))[1], "blank-above-vehicle").severity == "error"
    assert not [f for f in _read(tmp_path, _plate_lines(0.05))[1] if f.code in ("blank-above-vehicle", "no-blank")]


def test_no_blank_wells_are_mentioned(tmp_path: Path) -> None:
    lines = [line for line in _plate_lines(0.05) if "blank" not in line]
    fault = _said(_read(tmp_path, lines)[1], "no-blank")
    assert fault.severity == "note" and "no blank wells for plate x: the background is not subtracted" in fault.message


def test_viability_beside_signal_is_the_one_used(tmp_path: Path) -> None:
    lines = ["model,drug,dose_um,replicate,viability,signal", *(f"{g},5000" for g in GOOD)]
    frame, faults = _read(tmp_path, lines)
    fault = _said(faults, "viability-and-signal")
    assert fault.severity == "note" and "8 rows have both" in fault.message
    assert dose_response.responses(frame)["response"].max() == pytest.approx(0.9)


def test_one_drug_under_two_names(tmp_path: Path) -> None:
    models = pd.DataFrame({"model": ["P", "R"], "role": ["parental", "resistant"], "parent": ["", "P"]})
    lines = ["model,drug,dose_um,replicate,viability"]
    lines += [f"{m},{d},{x},{r},0.5" for m, d in (("P", "drugA"), ("R", "DRUGA.")) for r in (1, 2) for x in (1, 2, 3)]
    faults = _read(tmp_path, lines, models)[1]
    fault = _said(faults, "drug-name")
    assert fault.severity == "warning" and "DRUGA. and drugA: the same drug?" in fault.message
    assert fault.remedy == "Write one name." and fault.row == 8
    assert not [f for f in faults if f.code == "no-parental-curve"]


def test_what_holds_for_many_curves_is_said_once(tmp_path: Path) -> None:
    models = pd.DataFrame({"model": ["P", "R"], "role": ["parental", "resistant"], "parent": ["", "P"]})
    lines = ["model,drug,dose_um,replicate,viability", *(f"P,z,{x},1,0.5" for x in (1, 2, 3))]
    lines += [f"R,d{i},{x},1,0.5" for i in range(5) for x in (1, 2, 3)]
    faults = _read(tmp_path, lines, models)[1]
    one = _said(faults, "one-replicate")
    assert one.count == 6 and one.message.startswith("P, z; R, d0; R, d1 and 3 more: one biological replicate.")
    alone = _said(faults, "no-parental-curve")
    assert alone.count == 5 and "d0; d1; d2 and 2 more were tested on R but not on its parent P" in alone.message
