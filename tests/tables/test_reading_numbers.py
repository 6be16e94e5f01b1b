"""Numbers and units as people write them, and what reading makes of them."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from reading_examples import CONTRACTS, frame_of, read_one, said, serious, study

from rechallenge.study import TableSource
from rechallenge.tables import read_study

NUMBER = "model;drug;dose_um;replicate;viability\n"


@pytest.mark.parametrize(
    ("cell", "evidence", "value"),
    [
        ("1.5e-3", "0.5", 0.0015),
        ("1,5E-3", "0,5", 0.0015),
        ("+2", "0.5", 2.0),
        (" 3 ", "0.5", 3.0),
        ("\u00a04\u00a0", "0.5", 4.0),
        ("1,234", "0,5", 1.234),
        ("1.234", "0,5", 1234.0),
        ("1,234", "0.5", 1234.0),
        ("1.234", "0.5", 1.234),
        ("1.234,5", "1", 1234.5),
        ("1,234.5", "1", 1234.5),
        ("1 234", "0.5", 1234.0),
        ("1\u202f234,5", "0,5", 1234.5),
        ("1'234.5", "0.5", 1234.5),
        ("1,234,567", "0.5", 1234567.0),
        (".5", "0.5", 0.5),
        ("5.", "0.5", 5.0),
        ("1,234", "1", 1.234),  # nothing else to go by than the semicolons
    ],
)
def test_ways_to_write_numbers(cell: str, evidence: str, value: float, tmp_path: Path) -> None:
    table = NUMBER + f"Huh-7 P;x;{cell};1;{evidence}\n"
    assert frame_of(table.encode(), tmp_path)["dose_um"].tolist() == [value]


def test_a_typographic_minus_is_a_minus(tmp_path: Path) -> None:
    tables = read_one(tmp_path, NUMBER + "Huh-7 P;x;1;1;\u22120.05\n")
    assert tables.tables["viability"]["viability"].tolist() == [-0.05]
    assert "typographic minus" in said(tables, "number-form")[0].message


def test_the_reading_of_an_ambiguous_number_is_explained(tmp_path: Path) -> None:
    tables = read_one(tmp_path, NUMBER + "Huh-7 P;x;1.234;1;0,9\n")
    (note,) = said(tables, "number-form")
    assert "'1.234' was read as 1234 because the decimal mark of this file is the comma (as in '0,9')" in note.message
    tables = read_one(tmp_path, 'model,drug,dose_um,replicate,viability\nHuh-7 P,x,"1,234",1,1\n')
    (note,) = said(tables, "number-form")
    assert "'1,234' was read as 1234" in note.message
    assert "parted by commas" in note.message


def test_bulk_conversion_is_exactly_rounded(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    values = rng.random(2000) * 10.0 ** rng.integers(-12, 3, 2000)
    table = "plate,well,signal\n" + "".join(f"P{i},A1,{v!r}\n" for i, v in enumerate(values.tolist()))
    assert frame_of(table.encode(), tmp_path, kind="wells")["signal"].tolist() == values.tolist()
    comma = table.replace(",", ";").replace(".", ",")
    assert frame_of(comma.encode(), tmp_path, kind="wells")["signal"].tolist() == values.tolist()


def test_integer_columns(tmp_path: Path) -> None:
    frame = frame_of(b"gene,value,count\nTP53,1,3\nEGFR,2,\n", tmp_path, kind="genes")
    assert (frame["count"].tolist(), frame["count"].dtype) == ([3, 1], np.int64)


# ----------------------------------------------------------------------------------------------------------- units


@pytest.mark.parametrize(
    ("heading", "cell", "micromolar"),
    [
        ("dose_um", "5", 5.0),
        ("Dose (nM)", "50", 0.05),
        ("Dose [mM]", "0.5", 500.0),
        ("DOSE (µM)", "5", 5.0),
        ("dose (μmol/L)", "5", 5.0),
        ("Concentration (pM)", "7", 7e-6),
        ("conc_nM", "300", 0.3),
        ("Dose, mM", "0.003", 3.0),
        ("dose (M)", "1e-6", 1.0),
        ("dose_uM", "5", 5.0),
    ],
)
def test_units_in_headings(heading: str, cell: str, micromolar: float, tmp_path: Path) -> None:
    table = f'model,drug,"{heading}",replicate,viability\nHuh-7 P,x,{cell},1,0.9\n'
    tables = read_one(tmp_path, table.encode("cp1252") if "μ" not in heading else table)
    assert not serious(tables), tables.faults
    assert tables.tables["viability"]["dose_um"].tolist() == [micromolar]
    assert not said(tables, "unit-assumed")
    assert bool(said(tables, "converted")) == (micromolar != float(cell))


def test_unit_columns_convert_row_by_row(tmp_path: Path) -> None:
    for heading in ("dose_unit", "unit", "Dose units"):
        table = f"model,drug,dose,{heading},replicate,viability\n" + "".join(
            f"Huh-7 P,x,{dose},{unit},1,0.9\n" for dose, unit in (("50", "nM"), ("2", "uM"), ("0", ""), ("1", "mmol/L"))
        )
        tables = read_one(tmp_path, table)
        assert tables.tables["viability"]["dose_um"].tolist() == [0.05, 2.0, 0.0, 1000.0]
        notes = [n.message for n in said(tables, "converted")]
        assert any("from nM to µM, as the unit column says: 50 nM is 0.05 µM" in n for n in notes)


def test_a_dose_without_unit_is_taken_as_micromolar_and_told(tmp_path: Path) -> None:
    tables = read_one(tmp_path, "model,drug,dose,replicate,viability\nHuh-7 P,x,5,1,0.9\n")
    (warning,) = said(tables, "unit-assumed")
    assert (warning.severity, tables.tables["viability"]["dose_um"].tolist()) == ("warning", [5.0])


def test_the_unit_of_the_study_file(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("model,drug,dose,replicate,viability\nHuh-7 P,x,500,1,0.9\n")
    s = study(tmp_path, viability=TableSource(values=["t.csv"], unit="nM"))
    assert read_study(s, CONTRACTS).tables["viability"]["dose_um"].tolist() == [0.5]
    s = study(tmp_path, viability=TableSource(values=["t.csv"], unit="ng/mL"))
    (fault,) = serious(read_study(s, CONTRACTS))
    assert (fault.file, fault.column, "molar mass" in fault.message) == ("study.toml", "tables.viability.unit", True)
    (tmp_path / "w.csv").write_text("plate,well,signal\nP1,A1,5\n")
    s = study(tmp_path, wells=TableSource(values=["w.csv"], unit="RLU"))
    assert read_study(s, CONTRACTS).tables["wells"]["unit"].tolist() == ["RLU"]


@pytest.mark.parametrize("heading", ["viability (%)", "Viability [% of vehicle]", "% viability", "viability_percent"])
def test_per_cent_that_says_so_is_converted(heading: str, tmp_path: Path) -> None:
    tables = read_one(tmp_path, f"model,drug,dose_um,replicate,{heading}\nHuh-7 P,x,1,1,90\nHuh-7 P,x,2,1,12.5\n")
    assert not serious(tables), tables.faults
    assert tables.tables["viability"]["viability"].tolist() == [0.9, 0.125]


def test_cells_with_a_per_cent_sign(tmp_path: Path) -> None:
    tables = read_one(tmp_path, "model,drug,dose_um,replicate,viability\nHuh-7 P,x,1,1,90%\nHuh-7 P,x,2,1,12.5 %\n")
    assert tables.tables["viability"]["viability"].tolist() == [0.9, 0.125]
    assert said(tables, "converted")


def test_other_units_in_headings(tmp_path: Path) -> None:
    table = "model,drug,dose_um,replicate,viability,time (d)\nHuh-7 P,x,1,1,0.9,3\n"
    assert frame_of(table.encode(), tmp_path)["hours"].tolist() == [72.0]


def test_cells_formatted_as_per_cent_are_numbers(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for r in (["model", "drug", "dose_um", "replicate", "viability"], ["Huh-7 P", "x", 1, 1, 0.9]):
        book.active.append(r)
    book.active["E2"].number_format = "0%"
    out = BytesIO()
    book.save(out)
    assert frame_of(out.getvalue(), tmp_path)["viability"].tolist() == [0.9]
