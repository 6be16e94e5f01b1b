"""Raw exports without a map: every form in which plates stand in a file."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from rechallenge.faults import InputFaults
from rechallenge.tables.exports import Export, choose, read_export
from rechallenge.tables.files import Content
from rechallenge.tables.wells import (
    PlateRead,
    decimal_sign,
    not_a_read,
    number,
    parse_well,
    plate_size,
    row_letters,
    row_number,
    well_name,
)


def export(data: str | bytes, name: str = "run.csv", **options: str) -> Export:
    raw = data.encode("utf-8") if isinstance(data, str) else data
    return read_export(Content(name, raw, hashlib.sha256(raw).hexdigest()), **options)


def refused(data: str | bytes, name: str = "run.csv", **options: str) -> InputFaults:
    with pytest.raises(InputFaults) as e:
        export(data, name, **options)
    assert all(f.file == name for f in e.value.faults)
    return e.value


def signal(row: int, column: int, plate: int = 0) -> float:
    """A value that is different in every well and plate."""
    return 1000.0 * plate + 10.0 * column + row + 0.5


def grid(
    rows: int,
    columns: int,
    plate: int = 0,
    letters: bool = True,
    heading: bool = True,
    show: Callable[[float], str] = str,
    sep: str = ",",
) -> str:
    lines = []
    if heading:
        lines.append(sep.join(["", *map(str, range(1, columns + 1))] if letters else map(str, range(1, columns + 1))))
    for r in range(1, rows + 1):
        cells = [show(signal(r, c, plate)) for c in range(1, columns + 1)]
        lines.append(sep.join([row_letters(r), *cells] if letters else cells))
    return "\n".join(lines) + "\n"


def values(read: PlateRead, decimal: str = ".") -> dict[tuple[int, int], float | None]:
    return {w: number(c.text, decimal) for w, c in read.wells.items()}


def expected(rows: int, columns: int, plate: int = 0) -> dict[tuple[int, int], float]:
    return {(r, c): signal(r, c, plate) for r in range(1, rows + 1) for c in range(1, columns + 1)}


def workbook(sheets: dict[str, Sequence[Sequence[object]]]) -> bytes:
    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        page = book.create_sheet(name)
        for row in rows:
            page.append(list(row))
    out = BytesIO()
    book.save(out)
    return out.getvalue()


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


# ---- real exports ----------------------------------------------------------------------------------------------

REFUSED = {
    "bmg_mars_file_with_no_delimiter_malformed.csv": "BMG Labtech MARS",
    "perkin_elmer_envision_example01_missing_header_error.csv": "lost its 'Plate information' line",
    "tecan_magellan_no_well_positions.xlsx": "Tecan Magellan",
}
#: file -> (plates, wells with a number, label or None where there are several)
READ = {
    "agilent_gen5_240411_172731_BNCH2345883_abs450_96well_non_numeric_values.txt": (1, 83, "absorbance 450 nm"),
    "agilent_gen5_endpoint_singleplate.txt": (1, 96, "luminescence"),
    "agilent_gen5_endpoint_stdcurve_singleplate.txt": (1, 96, "absorbance 630 nm"),
    "bmg_mars_16-02-29_14-34-46_Transcreener_ADP2_FI.csv": (1, 302, "fluorescence 580/620 nm"),
    "bmg_mars_16-03-03_13-25-45_472_QC_384_FI.csv": (1, 68, "fluorescence 485/520 nm"),
    "bmg_mars_16-03-03_16-54-03_472_ABS_384_QC.csv": (1, 99, "absorbance 484 nm"),
    "bmg_mars_24-10-16_15-09-52_Luminescence_1536.csv": (1, 288, "luminescence"),
    "bmg_mars_MARS_V3.40_V2_Output_Missing_line_end_separators.csv": (1, 302, "fluorescence 580/620 nm"),
    "moldev_softmax_pro_MD_SMP_absorbance_endpoint_example01.txt": (2, 192, "absorbance 450 nm"),
    "perkin_elmer_envision_PE_Envision_absorbance_A450_example.csv": (2, 192, "A450(1) - channel 1 (A)"),
    "perkin_elmer_envision_PE_Envision_absorbance_example01.csv": (2, 768, None),
    "perkin_elmer_envision_PE_Envision_extra_espaces.csv": (1, 96, None),
    "perkin_elmer_envision_PE_Envision_fluorescence_example01.csv": (1, 96, None),
    "perkin_elmer_envision_PE_Envision_fluorescence_example02.csv": (5, 416, "Alexa-488(1)"),
    "perkin_elmer_envision_PE_Envision_fluorescence_example03.csv": (1, 384, "GENE - HTS Screen 384 Plate(1)"),
    "perkin_elmer_envision_PE_Envision_fluorescence_example04.csv": (2, 768, None),
    "perkin_elmer_envision_PE_Envision_luminescence_example01.csv": (2, 192, "0_1 US LUM 384(1) - channel 0 (CPS)"),
    "perkin_elmer_envision_PE_Envision_missing_plate_maps.csv": (2, 768, "0_1 US LUM 384(1) - channel 0 (CPS)"),
    "revvity_kaleido_absorbance_endpoint_single_plate_example_01.csv": (1, 96, "absorbance 450 nm"),
    "revvity_kaleido_fluorescence_endpoint_single_plate_example_01.csv": (1, 384, "fluorescence 485/535 nm"),
    "revvity_kaleido_fluorescence_v3.5_pure_csv_format_example.csv": (1, 96, "fluorescence 550/580 nm"),
    "revvity_kaleido_luminescence_endpoint_single_plate_example_01.csv": (1, 96, "luminescence"),
    "revvity_kaleido_luminescence_v3.5_pure_csv_format_example.csv": (1, 96, "luminescence"),
    "revvity_kaleido_optical_imaging_endpoint_single_plate_example_01.csv": (1, None, None),
    "revvity_kaleido_optical_imaging_endpoint_single_plate_example_02.csv": (1, None, None),
    "revvity_kaleido_optical_imaging_endpoint_single_plate_example_03.csv": (1, 144, None),
    "tecan_magellan_SLA01P01_ELISA.xlsx": (1, 768, None),
    "tecan_magellan_SLA01P01_OD.xlsx": (1, 96, "absorbance 595 nm"),
    "tecan_magellan_SLA01P01_assay.xlsx": (1, 768, None),
    "thermo_skanit_luciferase_assay_example.xlsx": (1, 96, "luminescence"),
    "thermo_skanit_multi-plate_example01.xlsx": (5, 268, None),
    "thermo_skanit_skanit_different_plate_pattern.xlsx": (2, 2, "absorbance 260 nm"),
}


def content(path: Path) -> Content:
    data = path.read_bytes()
    return Content(path.name, data, hashlib.sha256(data).hexdigest())


def raw_rows(path: Path) -> dict[str, list[list[str]]]:
    """The cells of a file, read without anything of this package: sheet -> rows of text."""
    if path.suffix in (".xlsx", ".xls"):
        from python_calamine import CalamineWorkbook

        book = CalamineWorkbook.from_path(path)
        return {
            s: [[str(x) for x in row] for row in book.get_sheet_by_name(s).to_python(skip_empty_area=False)]
            for s in book.sheet_names
        }
    data = path.read_bytes()
    text = data.decode("utf-16") if data[:2] == b"\xff\xfe" else data.decode("utf-8-sig")
    sep = "\t" if text.count("\t") > text.count(",") else ","
    return {"": [line.split(sep) for line in text.replace("\r\n", "\n").split("\n")]}


def as_numbers(row: list[str]) -> list[float]:
    out = []
    for x in row:
        try:
            out.append(float(x.strip().strip('"')))
        except ValueError:
            continue
    return out


def test_the_table_of_real_exports_names_every_file(shared: Path) -> None:
    folder = shared / "data" / "pharmacology" / "plate_readers"
    assert {p.name for p in folder.iterdir()} == set(READ) | set(REFUSED)


@pytest.mark.parametrize("name", READ)
def test_real_exports_are_read_and_traced_to_their_rows(shared: Path, name: str) -> None:
    path = shared / "data" / "pharmacology" / "plate_readers" / name
    got = read_export(content(path))
    plates, wells, label = READ[name]
    assert len({r.name for r in got.reads}) == plates
    raw = [r for r in got.reads if not r.calculated]
    filled = [(r, w, c, v) for r in raw for w, c in r.wells.items() if (v := number(c.text)) is not None]
    if wells is not None:
        assert len(filled) == wells
    if label is not None:
        assert {r.label for r in raw} == {label}
    rows = raw_rows(path)
    for r, w, c, v in filled:
        line = rows[r.sheet][c.row - 1]
        assert v in as_numbers(line), (name, r.label, w)
        letter = row_number(line[0])
        if letter is not None:  # a grid with row letters: the well must be the place that is written
            assert w[0] == letter + (26 if line[0].islower() else 0)
            assert float(line[w[1]]) == v


@pytest.mark.parametrize("name", REFUSED)
def test_malformed_real_exports_are_refused_by_name(shared: Path, name: str) -> None:
    with pytest.raises(InputFaults, match=r"cannot be read|is damaged") as e:
        read_export(content(shared / "data" / "pharmacology" / "plate_readers" / name))
    assert REFUSED[name] in str(e.value)


def test_rows_of_a_1536_well_plate_in_small_letters_come_after_z(shared: Path) -> None:
    name = "bmg_mars_24-10-16_15-09-52_Luminescence_1536.csv"
    (read,) = read_export(content(shared / "data" / "pharmacology" / "plate_readers" / name)).reads
    assert sorted({w[0] for w in read.wells}) == [1, 7, 13, 19, 25, 31]  # A G M S Y e
    assert (read.wells[31, 1].text, read.wells[31, 1].row) == ("36809.0", 15)


ENVISION = [n for n in READ if n.startswith("perkin_elmer_envision_PE")]


@pytest.mark.slow
@pytest.mark.parametrize("name", ENVISION)
def test_plate_sections_agree_with_allotropy(shared: Path, name: str) -> None:
    """Read by this package's own reader of plate sections; allotropy's values are the reference.

    One export holds the rows A, E, I and M only. allotropy 0.1.150 counts them as A, B, C and D; here the letters that
    are written hold, so for that file the rows are compared by their order.
    """
    import warnings

    path = shared / "data" / "pharmacology" / "plate_readers" / name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from allotropy.parser_factory import Vendor
        from allotropy.to_allotrope import allotrope_from_file

        model = allotrope_from_file(str(path), Vendor.PERKIN_ELMER_ENVISION)
    theirs = []
    for document in model["plate reader aggregate document"]["plate reader document"]:
        for m in document["measurement aggregate document"]["measurement document"]:
            value = next(m[k]["value"] for k in ("absorbance", "fluorescence", "luminescence") if k in m)
            theirs.append((parse_well(m["sample document"]["location identifier"]), value))
    ours = [
        (w, number(c.text))
        for r in read_export(content(path)).reads
        if not r.calculated
        for w, c in r.wells.items()
        if c.text
    ]
    if name.endswith("luminescence_example01.csv"):
        assert {w[0] for w, _ in ours} == {1, 5, 9, 13}
        ours = [((1 + (w[0] - 1) // 4, w[1]), v) for w, v in ours]
    assert sorted(ours) == sorted(theirs)


@pytest.mark.parametrize("name", ["RawData_day0.xlsx", "RawData_day7.xlsx"])
def test_gdr_envision_workbooks_match_the_reference(shared: Path, name: str) -> None:
    import pandas as pd

    folder = shared / "data" / "pharmacology" / "gDRimport" / "data1"
    ref = pd.read_csv(folder / "ref_RawData_day0_day7_xlsx.csv", sep=";", dtype={"Barcode": str})
    wanted = {
        (b, row_number(r), c): v
        for b, r, c, v in ref[["Barcode", "WellRow", "WellColumn", "ReadoutValue"]].itertuples(index=False)
    }
    got = read_export(content(folder / name))
    assert len(got.reads) == 6
    for read in got.reads:
        barcode = read.names[1]
        assert len(read.wells) == 384
        for (r, c), cell in read.wells.items():
            assert number(cell.text) == wanted[barcode, r, c]


def test_gdr_tecan_workbook(shared: Path) -> None:
    path = shared / "data" / "pharmacology" / "gDRimport" / "data2" / "RawData_Tecan_96_well_plates.xlsx"
    got = read_export(content(path))
    assert {r.names[1] for r in got.reads} == {"H2122-2", "H358-2", "H358-1", "H2122-1"}
    rows = raw_rows(path)
    for read in got.reads:
        assert len(read.wells) == 60
        for (r, c), cell in read.wells.items():
            line = rows[read.sheet][cell.row - 1]
            assert line[0] == row_letters(r)
            assert float(line[c - 1]) == number(cell.text)


def test_gdr_envision_text_files_with_empty_edges(shared: Path) -> None:
    files = sorted((shared / "data" / "pharmacology" / "gDRimport" / "data4").glob("*.csv"))
    assert len(files) == 28
    for path in files:
        got = read_export(content(path))
        (read,) = got.reads
        assert read.name == path.stem
        grid = [line.split(",") for line in path.read_text().splitlines()[4:20]]
        assert values(read) == {
            (r, c): float(grid[r - 1][c - 1]) if grid[r - 1][c - 1] else None
            for r in range(1, 17)
            for c in range(1, 25)
        }


def test_gdr_long_list(shared: Path) -> None:
    import pandas as pd

    path = shared / "data" / "pharmacology" / "gDRimport" / "data5" / "RawData.tsv"
    ref = pd.read_csv(path, sep="\t")
    got = {r.names[1]: r for r in read_export(content(path)).reads}
    assert sum(len(r.wells) for r in got.values()) == len(ref)
    for plate, r, c, v in ref[["Barcode", "WellRow", "WellColumn", "ReadoutValue"]].itertuples(index=False):
        assert number(got[plate].wells[row_number(r), c].text) == v
