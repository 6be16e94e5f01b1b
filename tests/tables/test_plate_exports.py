"""Raw exports without a map: every form in which plates stand in a file."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plate_forms import expected, export, grid, refused, signal, values, workbook

from rechallenge.faults import InputFaults
from rechallenge.tables.exports import choose, read_export
from rechallenge.tables.files import Content
from rechallenge.tables.instruments import _text
from rechallenge.tables.wells import (
    decimal_sign,
    not_a_read,
    number,
    parse_well,
    plate_size,
    row_letters,
    row_number,
    well_name,
)

# ---- wells and cells -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "well"),
    [
        *[(t, (1, 1)) for t in ("A1", "A01", "a1", "A:1", "A-1", "Well A1", "A001", '="A01"', "1A", "R1C1", "r01c01")],
        *[(t, (2, 12)) for t in ("B12", "b 12", "2,12", "(2, 12)", "2;12", "2:12", "row 2 col 12")],
        ("P24", (16, 24)),
        ("AA01", (27, 1)),
        ("AF48", (32, 48)),
        *[(t, None) for t in ("AG1", "A49", "A0", "33,1", "A", "7", "", "DMSO", "A1B", "A1.5", "1.5", "AAA1")],
    ],
)
def test_well_names(text: str, well: tuple[int, int] | None) -> None:
    assert parse_well(text) == well


@given(st.integers(1, 32), st.integers(1, 48))
def test_every_well_of_the_largest_plate_has_a_name_that_reads_back(row: int, column: int) -> None:
    assert parse_well(well_name((row, column))) == (row, column)
    assert row_number(row_letters(row)) == row


def test_size_of_a_plate_is_told_from_its_wells() -> None:
    assert plate_size([(8, 12)]) == 96
    assert plate_size([(8, 13)]) == plate_size([(9, 1)]) == 384
    assert plate_size([(17, 1)]) == plate_size([(1, 25)]) == 1536
    assert plate_size([(33, 1)]) is None


@pytest.mark.parametrize("text", ["OVRFLW", "*****", ">4.0", "> 65000", "Saturated", "overflow", "####", "+++"])
def test_marks_of_wells_above_the_range(text: str) -> None:
    assert not_a_read(text) == "above the range of the instrument"
    assert number(text) is None


@pytest.mark.parametrize("text", ["MISSED", "NaN", "N/A", "-", "???", "#N/A", "lost"])
def test_marks_of_wells_not_read(text: str) -> None:
    assert not_a_read(text) == "not read by the instrument"


@pytest.mark.parametrize("text", ["<0.0", "< 5", "underflow"])
def test_marks_of_wells_below_the_range(text: str) -> None:
    assert not_a_read(text) == "below the range of the instrument"


@pytest.mark.parametrize("text", ["SPL1", "0.5", "DMSO", "A1", "12 µM"])
def test_other_text_is_no_such_mark(text: str) -> None:
    assert not_a_read(text) == ""


def test_decimal_sign() -> None:
    assert decimal_sign(["0.5", "12"]) == "."
    assert decimal_sign(["0,5", "12"]) == ","
    assert decimal_sign(["12,345", "1,234,567"]) == "?"
    assert decimal_sign(["12,345", "0,5"]) == ","


# ---- grids -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "columns"), [(8, 12), (16, 24), (32, 48)])
@pytest.mark.parametrize("letters", [True, False])
@pytest.mark.parametrize("heading", [True, False])
@pytest.mark.parametrize("sep", [",", "\t", ";"])
def test_a_grid_with_and_without_row_letters_and_column_numbers(
    rows: int, columns: int, letters: bool, heading: bool, sep: str
) -> None:
    got = export(grid(rows, columns, letters=letters, heading=heading, sep=sep))
    assert len(got.reads) == 1
    assert values(got.reads[0]) == expected(rows, columns)
    assert got.reads[0].wells[2, 1].row == 2 + heading
    assert [f.code for f in got.faults] == ["plate-form"]
    assert f"1 plate of {rows * columns} wells" in got.faults[0].message


def test_rows_beyond_z_of_a_1536_well_plate_may_be_small_letters() -> None:
    lines = grid(32, 48).splitlines()
    lines[27:] = [chr(ord("a") + k) + line[line.index(",") :] for k, line in enumerate(lines[27:])]
    got = export("\n".join(lines))
    assert values(got.reads[0]) == expected(32, 48)


def test_a_part_of_a_plate_is_placed_by_its_letters_and_numbers() -> None:
    got = export("<>,2,3,4\nB,1.5,2.5,3.5\nC,4.5,5.5,6.5\n")
    assert values(got.reads[0]) == {(2, 2): 1.5, (2, 3): 2.5, (2, 4): 3.5, (3, 2): 4.5, (3, 3): 5.5, (3, 4): 6.5}


def test_rows_that_were_not_read_may_be_missing_between_the_letters() -> None:
    got = export("," + ",".join(map(str, range(1, 25))) + "\n" + "".join(f"{x}{',1.5' * 24}\n" for x in "AEIM"))
    assert sorted({w[0] for w in got.reads[0].wells}) == [1, 5, 9, 13]
    assert "of 384 wells" in got.faults[0].message


def test_an_empty_edge_of_a_grid_without_letters_keeps_its_place() -> None:
    inner = [",".join(["", *[f"{signal(r, c)}" for c in range(2, 12)], ""]) for r in range(2, 8)]
    text = "Plate 7\n" + "," * 11 + "\n" + "\n".join(inner) + "\n" + "," * 11 + "\n\nfooter\n"
    read = export(text).reads[0]
    assert {w: v for w, v in values(read).items() if v is not None} == {
        (r, c): signal(r, c) for r in range(2, 8) for c in range(2, 12)
    }
    assert read.wells[2, 2].row == 3
    assert "7" in read.names


def test_a_trailing_separator_is_no_column() -> None:
    text = "".join(line + ",\n" for line in grid(8, 12, letters=False, heading=False).splitlines())
    assert values(export(text).reads[0]) == expected(8, 12)


def test_stacked_grids_are_plates_named_by_the_lines_above_them() -> None:
    text = "".join(f"Plate: {name}\n{grid(8, 12, k)}\n" for k, name in enumerate(("P-one", "P-two", "P-three")))
    got = export(text)
    assert [r.name for r in got.reads] == ["run:P-one", "run:P-two", "run:P-three"]
    assert [values(r) for r in got.reads] == [expected(8, 12, k) for k in range(3)]
    assert [r.wells[1, 1].row for r in got.reads] == [3, 14, 25]


def test_stacked_grids_under_lines_of_free_text_take_these_as_names() -> None:
    text = "".join(f"{name}\n{grid(8, 12, k)}" for k, name in enumerate(("HepG2 day 1", "HepG2 day 2")))
    assert [r.name for r in export(text).reads] == ["run:HepG2 day 1", "run:HepG2 day 2"]


@pytest.mark.parametrize("names", [("OD450", "OD 620"), ("absorbance at 450 nm", "620 nm"), ("Luminescence", "RFU")])
def test_stacked_grids_under_names_of_reads_are_reads_of_one_plate(names: tuple[str, str]) -> None:
    got = export("".join(f"{name}\n{grid(8, 12, k)}\n" for k, name in enumerate(names)))
    assert [(r.name, r.label) for r in got.reads] == [("run", names[0]), ("run", names[1])]
    assert choose(got, "", None)[1][0].code == "read-label"
    assert values(choose(got, names[1], None)[0][0]) == expected(8, 12, 1)


def test_stacked_grids_without_names_are_numbered() -> None:
    text = grid(8, 12, 0) + "\n" + grid(8, 12, 1)
    assert [r.names[:2] for r in export(text).reads] == [("run:1", "1"), ("run:2", "2")]


def test_stacked_grids_without_any_line_between_them() -> None:
    text = grid(8, 12, 0, False, False) + grid(8, 12, 1, False, False)
    got = export(text)
    assert [values(r) for r in got.reads] == [expected(8, 12, 0), expected(8, 12, 1)]


def test_two_reads_of_every_row_are_told_apart_by_the_name_behind_them() -> None:
    lines = ["," + ",".join(map(str, range(1, 13)))]
    for r in range(1, 9):
        lines.append(",".join([row_letters(r), *[str(signal(r, c)) for c in range(1, 13)], "OD450"]))
        lines.append(",".join(["", *[str(signal(r, c, 1)) for c in range(1, 13)], "OD620"]))
    got = export("\n".join(lines))
    assert [(r.label, r.name) for r in got.reads] == [("OD450", "run"), ("OD620", "run")]
    assert [values(r) for r in got.reads] == [expected(8, 12), expected(8, 12, 1)]
    assert choose(got, "", None)[1][0].code == "read-label"
    assert [r.label for r in choose(got, "620", None)[0]] == ["OD620"]


def test_one_grid_per_sheet_takes_the_name_of_the_sheet() -> None:
    rows = [line.split(",") for line in grid(8, 12).splitlines()]
    as_numbers = [[x if not x or x.isalpha() else float(x) for x in row] for row in rows]
    got = export(workbook({"parental": as_numbers, "resistant": as_numbers}), "two.xlsx")
    assert [r.name for r in got.reads] == ["two:parental", "two:resistant"]
    assert values(got.reads[1]) == expected(8, 12)
    assert got.reads[1].sheet == "resistant"
    assert got.reads[1].wells[1, 1].row == 2


def test_one_sheet_of_a_workbook_can_be_named() -> None:
    rows = [[signal(r, c) for c in range(1, 13)] for r in range(1, 9)]
    data = workbook({"raw": rows, "copy": rows})
    assert [r.sheet for r in export(data, "a.xlsx", sheet="raw").reads] == ["raw"]
    fault = refused(data, "a.xlsx", sheet="row").faults[0]
    assert fault.code == "no-sheet"
    assert "'raw'" in fault.remedy


def test_grids_of_names_and_doses_are_no_signals() -> None:
    names = "Layout\n" + grid(8, 12, show=lambda v: "SPL1")
    got = export(names + "\nResults\n" + grid(8, 12))
    assert len(got.reads) == 1
    assert values(got.reads[0]) == expected(8, 12)


@pytest.mark.parametrize("name", ["Dose (nM)", "concentration", "Layout"])
def test_grids_of_doses_are_no_signals(name: str) -> None:
    got = export(f"{name}\n{grid(8, 12, 5)}\nSignal\n{grid(8, 12)}")
    assert [values(r) for r in got.reads] == [expected(8, 12)]
    rows = [[signal(r, c) for c in range(1, 13)] for r in range(1, 9)]
    assert [r.sheet for r in export(workbook({name: rows, "raw": rows}), "a.xlsx").reads] == ["raw"]


def test_a_file_name_with_folders_gives_a_plate_name_that_no_other_file_has() -> None:
    a, b = export(grid(8, 12), "day1/plate.csv"), export(grid(8, 12), "day2/plate.csv")
    assert (a.reads[0].name, b.reads[0].name) == ("day1/plate", "day2/plate")
    assert "plate" in a.reads[0].names


# ---- numbers, marks, flags -------------------------------------------------------------------------------------


@pytest.mark.parametrize("sep", ["\t", ";"])
def test_decimal_commas_are_found_and_said(sep: str) -> None:
    got = export(grid(8, 12, show=lambda v: str(v).replace(".", ","), sep=sep))
    assert got.decimal == ","
    assert values(got.reads[0], ",") == expected(8, 12)
    assert "decimal-comma" in [f.code for f in got.faults]


def test_groups_of_three_digits_are_not_guessed() -> None:
    text = grid(8, 12, show=lambda v: f"{int(v) + 12000:,}", sep=";")
    fault = refused(text).faults[0]
    assert fault.code == "decimal-sign"
    assert export(text, decimal=",").decimal == ","


def test_flags_and_marks_are_kept_apart() -> None:
    text = grid(8, 12).replace("\nA,11.5,21.5,31.5", "\nA,11.5*,*****,OVRFLW")
    wells = export(text).reads[0].wells
    assert (wells[1, 1].text, wells[1, 1].flag) == ("11.5", "*")
    assert (wells[1, 2].text, wells[1, 2].flag) == ("*****", "")
    assert wells[1, 3].text == "OVRFLW"


# ---- lists -----------------------------------------------------------------------------------------------------

LIST = "Plate,Repeat,Well,Type,Time,abs555 (A)\n" + "".join(
    f"{p},1,{row_letters(r)}{c:02d},M,00:01:54,{signal(r, c, p)}\n"
    for p in (1, 2)
    for r in range(1, 9)
    for c in range(1, 13)
)


def test_a_list_of_wells() -> None:
    got = export(LIST)
    assert [(r.names[:2], r.label, r.repeat) for r in got.reads] == [
        (("run:1", "1"), "abs555 (A)", 1),
        (("run:2", "2"), "abs555 (A)", 1),
    ]
    assert [values(r) for r in got.reads] == [expected(8, 12, 1), expected(8, 12, 2)]
    assert got.reads[1].wells[1, 1].row == 98
    assert "2 plates of 96 wells" in got.faults[-1].message


def test_a_list_with_rows_and_columns_of_wells_apart_and_barcodes() -> None:
    text = "Barcode\tWellRow\tWellColumn\tReadoutValue\tBackgroundValue\nX7\tB\t3\t5.5\t1\nX7\tB\t4\t6.5\t1\n"
    got = export(text)
    assert got.reads[0].name == "run:X7"
    assert values(got.reads[0]) == {(2, 3): 5.5, (2, 4): 6.5}


def test_a_list_with_text_above_and_below() -> None:
    text = "Exported by somebody\n\n" + LIST + "\nMeasured on Monday\nLamp,old\n"
    got = export(text)
    assert len(got.reads) == 2
    assert not [f for f in got.faults if f.severity == "error"]
    assert got.reads[0].wells[1, 1].row == 4


def test_a_plate_that_was_read_twice_needs_the_number_of_the_read() -> None:
    twice = LIST + LIST.split("\n", 1)[1].replace(",1,", ",2,").replace("\n2,2,", "\n2,2,")
    got = export(twice)
    assert sorted({r.repeat for r in got.reads}) == [1, 2]
    reads, faults = choose(got, "", None)
    assert not reads
    assert {f.code for f in faults} == {"read-repeat"}
    assert {r.repeat for r in choose(got, "", 2)[0]} == {2}


def test_a_list_with_two_value_columns_needs_a_label() -> None:
    text = "Well,450 nm,620 nm\nA1,1.5,0.5\nA2,2.5,0.25\n"
    reads, faults = choose(export(text), "", None)
    assert not reads
    assert "'450 nm', '620 nm'" in faults[0].message
    assert values(choose(export(text), "620", None)[0][0]) == {(1, 1): 0.5, (1, 2): 0.25}
    assert choose(export(text), "700", None)[1][0].value == "700"


def test_wells_of_a_list_that_no_plate_has_and_wells_listed_twice_are_faults() -> None:
    text = "Well,Signal\nA1,1.5\nA2,2.5\nAG3,3.5\nA1,4.5\n"
    found = {f.code: f for f in export(text).faults if f.severity == "error"}
    assert (found["not-a-well"].row, found["not-a-well"].value) == (4, "AG3")
    assert (found["well-twice"].row, found["well-twice"].value) == (5, "A1")


def test_flags_of_a_list_are_kept() -> None:
    got = export("Well,Signal,Flag\nA1,1.5,outlier\nA2,2.5,\n")
    assert [c.flag for c in got.reads[0].wells.values()] == ["outlier", ""]


# ---- plate sections of PerkinElmer programs --------------------------------------------------------------------


def section(number: int, barcode: str, label: str, body: str, formula: str = "") -> str:
    if formula:
        head, entry = "Plate,Repeat,Barcode,Formula,Measurement date,", f"{number},1,{barcode},{formula},today,"
        title = f"Calculated results: {formula}"
    else:
        head = "Plate,Repeat,Barcode,Group,Label,ScanX,ScanY,"
        entry = f"{number},1,{barcode},1,{label},0,0,"
        title = f"Results for {label} - channel 1"
    background = "Background information\nPlate,Label,Result,Signal,\n" + f"{number},{label},0,162,\n"
    return f"Plate information\n{head}\n{entry}\n\n{background}\n{title}\n{body}\n"


def test_plate_sections_give_barcodes_labels_and_what_was_calculated() -> None:
    text = section(1, "BC1", "Lum", grid(8, 12, 1), "Ratio") + section(1, "BC1", "Lum", grid(8, 12, 0))
    text += section(2, '="BC2"', "Lum", grid(8, 12, 2))
    got = export(text)
    assert [(r.names[:3], r.label, r.calculated) for r in got.reads] == [
        (("run:BC1", "BC1", "1"), "Ratio", True),
        (("run:BC1", "BC1", "1"), "Lum - channel 1", False),
        (("run:BC2", "BC2", "2"), "Lum - channel 1", False),
    ]
    reads, faults = choose(got, "", None)
    assert not faults
    assert [values(r) for r in reads] == [expected(8, 12, 0), expected(8, 12, 2)]
    by_name, faults = choose(got, "ratio", None)
    assert values(by_name[0]) == expected(8, 12, 1)
    assert [f.code for f in faults] == ["read-label"]


def test_a_section_that_lost_its_first_line_is_refused() -> None:
    text = section(1, "BC1", "Lum", grid(8, 12)) + section(2, "BC2", "Lum", grid(8, 12)).split("\n", 1)[1]
    assert "lost its 'Plate information' line" in str(refused(text))


# ---- refusals --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("nothing here\n", "plate-export"),
        ("a,b,c\n1,2,3\n", "plate-export"),
        (grid(8, 11, letters=False, heading=False), "plate-export"),
        (grid(7, 12, letters=False, heading=False), "plate-export"),
        (grid(8, 12, show=lambda v: "x"), "plate-export"),
        (b"\x89PNG\r\n\x1a\n", "wrong-format"),
        (b"PK\x03\x04 broken", "corrupt"),
        (b"PAR1....PAR1", "wrong-format"),
        (b"A\x00B\x01\x02\x03", "nul-bytes"),
    ],
)
def test_what_holds_no_plate_is_refused_with_a_reason(data: str | bytes, code: str) -> None:
    assert [f.code for f in refused(data).faults] == [code]


def test_a_grid_of_odd_size_is_named_in_the_refusal() -> None:
    fault = refused("\n" + grid(7, 12, letters=False, heading=False)).faults[0]
    assert "7 rows of up to 12 numbers from row 2" in fault.message


def test_the_marks_of_a_program_without_its_form_are_refused_unless_the_form_is_given() -> None:
    text = "Software Version\t3.1\nProtocol File Path:\tx.prt\n\n" + grid(8, 12, sep="\t")
    fault = refused(text, "gen5.txt").faults[0]
    assert fault.code == "plate-export"
    assert "Gen5" in fault.message
    assert values(export(text, "gen5.txt", form="grid").reads[0]) == expected(8, 12)


GEN5 = (
    "Software Version\t3.12.08\n\nExperiment File Path:\t\nProtocol File Path:\tC:\\x.prt\n\n"
    "Plate Number\tPlate 1\nDate\t4/11/2024\nTime\t5:27:15 PM\nReader Type:\tSynergy H1\n"
    "Reader Serial Number:\tUnknown\nReading Type\tReader\n\nProcedure Details\n\nPlate Type\t96 WELL PLATE\n"
    "Eject plate on completion\nRead\tabs450\n\tAbsorbance Endpoint\n\tFull Plate\n\tWavelengths:  450\n"
    "\tRead Speed: Normal,  Delay: 100 msec,  Measurements/Data Point: 8\n\nResults\n"
    "\t" + "\t".join(map(str, range(1, 13))) + "\n"
)


def test_minus_zero_of_allotropy_is_no_measurement() -> None:
    """allotropy puts -0.0 in the place of what it could not read (its constant NEGATIVE_ZERO)."""
    assert not_a_read(_text(-0.0)) == "not read by the instrument"
    assert (_text(0.0), _text(0), _text(2.5), _text(None)) == ("0.0", "0.0", "2.5", "")


def test_gen5_through_allotropy_with_marks_and_rows() -> None:
    body = "".join(
        "\t".join([row_letters(r), *[f"{signal(r, c) / 100:.3f}" for c in range(1, 13)], "abs450:450"]) + "\n"
        for r in range(1, 9)
    )
    body = body.replace("C\t0.135\t0.235", "C\tOVRFLW\tMISSED")
    got = export(GEN5 + body, "export.csv")  # the ending says nothing
    assert got.form == "Agilent BioTek Gen5"
    (read,) = got.reads
    assert read.label == "absorbance 450 nm"
    assert read.names[:3] == ("export:Plate 1", "Plate 1", "1")
    found = values(read)
    assert (read.wells[3, 1].text, read.wells[3, 2].text) == ("OVRFLW", "MISSED")
    rest = {w: v for w, v in found.items() if v is not None}
    assert len(rest) == 94
    assert all(np.isclose(v, round(signal(*w) / 100, 3)) for w, v in rest.items())
    first = GEN5.count("\n") + 1
    assert all(c.row == first + w[0] - 1 for w, c in read.wells.items())


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400) | st.text(alphabet='A1,;\t\n.-"*', max_size=400).map(str.encode))
def test_no_bytes_make_anything_but_plates_or_faults(data: bytes) -> None:
    try:
        got = read_export(Content("x", data, ""))
    except InputFaults as e:
        assert e.faults
    else:
        assert got.reads
