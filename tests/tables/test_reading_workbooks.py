"""Workbooks of every kind, the traps that spreadsheets set, and files made to break a reader."""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bad_tables import HEAD, OLE, ROW, parquet, xls, xlsx
from reading_examples import frame_of, read_one, said, serious

from rechallenge.tables import genes, units
from rechallenge.tables import workbook as workbook_module
from rechallenge.tables.grid import letter, show

ROWS: list[list[Any]] = [HEAD, ROW, ["Huh-7 LR", "sorafenib", 2.5, 2, 0.75]]
_OFFICE = "urn:oasis:names:tc:opendocument:xmlns"


def ods(rows: list[list[Any]], extra: str = "") -> bytes:
    """An OpenDocument sheet as LibreOffice writes it, with the million empty rows at its end."""

    def cell(v: Any) -> str:
        if isinstance(v, str):
            return f'<table:table-cell office:value-type="string"><text:p>{v}</text:p></table:table-cell>'
        return f'<table:table-cell office:value-type="float" office:value="{v}"><text:p>{v}</text:p></table:table-cell>'

    body = "".join(f"<table:table-row>{''.join(map(cell, r))}</table:table-row>" for r in rows)
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content xmlns:office="{_OFFICE}:office:1.0" '
        f'xmlns:table="{_OFFICE}:table:1.0" xmlns:text="{_OFFICE}:text:1.0" office:version="1.2"><office:body>'
        f'<office:spreadsheet><table:table table:name="Data">{body}{extra}'
        '<table:table-row table:number-rows-repeated="1048000"><table:table-cell table:number-columns-repeated="1024"/>'
        "</table:table-row></table:table></office:spreadsheet></office:body></office:document-content>"
    )
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        z.writestr("META-INF/manifest.xml", f'<manifest:manifest xmlns:manifest="{_OFFICE}:manifest:1.0"/>')
        z.writestr("content.xml", content)
    return out.getvalue()


def edited(data: bytes, name: str, change: Callable[[bytes], bytes]) -> bytes:
    """A workbook with one file inside it changed."""
    out = BytesIO()
    with zipfile.ZipFile(BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            content = old.read(info)
            new.writestr(info.filename, change(content) if info.filename == name else content)
    return out.getvalue()


def test_open_document_sheets(tmp_path: Path) -> None:
    frame = frame_of(ods(ROWS), tmp_path, "t.ods")
    assert frame["drug"].tolist() == ["lenvatinib", "sorafenib"]
    assert frame["replicate"].tolist() == ["1", "2"]
    assert (frame["_sheet"].tolist(), frame["_row"].tolist()) == (["Data"] * 2, [2, 3])


def test_open_document_sheet_that_would_fill_memory(tmp_path: Path) -> None:
    filled = '<table:table-cell table:number-columns-repeated="16000" office:value-type="float" office:value="1"/>'
    huge = f'<table:table-row table:number-rows-repeated="1000000">{filled}</table:table-row>'
    (fault,) = serious(read_one(tmp_path, ods(ROWS, huge), "t.ods"))
    assert (fault.code, "1,000,003 rows and 16,000 columns" in fault.message) == ("stray-cell", True)


SHEET = "xl/worksheets/sheet1.xml"


@pytest.mark.parametrize(
    "change",
    [
        lambda xml: xml.replace(b'r="A2"', b'r="XFD1048576"'),
        lambda xml: xml.replace(b'r="A2"', b"r='ZZZ999999'"),
        lambda xml: xml.replace(b'<c r="A2"', b"<c\n  r = 'xfd1048576'"),
        lambda xml: re.sub(rb"<(/?)(\w+)", rb"<\1x:\2", xml.replace(b'r="A2"', b'r="XFD1048576"')).replace(
            b"xmlns=", b"xmlns:x="
        ),
    ],
    ids=["plain", "single quotes", "white space, lower case", "prefix"],
)
def test_stray_cells_however_they_are_written(change: Callable[[bytes], bytes], tmp_path: Path) -> None:
    tables = read_one(tmp_path, edited(xlsx(ROWS), SHEET, change), "t.xlsx")
    assert [f.code for f in serious(tables)] == ["stray-cell"]


def test_a_false_extent_does_no_harm(tmp_path: Path) -> None:
    data = edited(xlsx(ROWS), SHEET, lambda xml: re.sub(rb'ref="[^"]*"', b'ref="A1:XFD1048576"', xml))
    assert len(frame_of(data, tmp_path, "t.xlsx")) == 2


def test_a_workbook_whose_declared_sizes_are_false_is_damaged(tmp_path: Path) -> None:
    data = bytearray(xlsx(ROWS))
    at = data.rfind(SHEET.encode()) - 46  # entry of the sheet in the central directory
    assert data[at : at + 4] == b"PK\x01\x02"
    data[at + 24 : at + 28] = struct.pack("<I", 10)
    assert [f.code for f in serious(read_one(tmp_path, bytes(data), "t.xlsx"))] == ["corrupt"]


def test_truth_values_are_text(tmp_path: Path) -> None:
    data = xlsx([[*HEAD, "plate"], [*ROW, True]])
    assert frame_of(data, tmp_path, "t.xlsx")["plate"].tolist() == ["TRUE"]


def test_hidden_sheets_are_passed_over(tmp_path: Path) -> None:
    def hide(xml: bytes) -> bytes:
        return xml.replace(b'name="Old"', b'name="Old" state="hidden"').replace(
            b'state="visible" state="hidden"', b'state="hidden"'
        )

    both = xlsx(ROWS, Old=ROWS)
    assert [f.code for f in serious(read_one(tmp_path, both, "t.xlsx"))] == ["which-sheet"]
    hidden = edited(both, "xl/workbook.xml", lambda xml: hide(xml.replace(b' state="visible"', b"")))
    assert set(frame_of(hidden, tmp_path, "t.xlsx")["_sheet"]) == {"Data"}


# ------------------------------------------------------------------------------------- the format of Excel 97 to 2003


def _record(data: bytes, kind: int, size: int) -> int:
    """Position of the content of the first record of that kind and size."""
    at = data.find(struct.pack("<HH", kind, size))
    assert at > 0
    return at + 4


def test_old_workbook_with_an_impossible_extent(tmp_path: Path) -> None:
    data = bytearray(xls(ROWS))
    at = _record(data, 0x200, 14)
    data[at + 4 : at + 8] = struct.pack("<I", 0xFFFFFFF0)
    (fault,) = serious(read_one(tmp_path, bytes(data), "t.xls"))
    assert (fault.code, "which this format does not have" in fault.message) == ("corrupt", True)


def test_old_workbook_with_a_cell_beyond_its_last_column(tmp_path: Path) -> None:
    data = bytearray(xls(ROWS))
    at = _record(data, 0xFD, 10)
    data[at : at + 4] = struct.pack("<HH", 65535, 65535)
    (fault,) = serious(read_one(tmp_path, bytes(data), "t.xls"))
    assert (fault.code, "column 65536" in fault.message) == ("corrupt", True)


def test_old_workbook_with_more_texts_than_it_can_hold(tmp_path: Path) -> None:
    data = bytearray(xls(ROWS))
    at = data.find(b"\xfc\x00", 512)
    while struct.unpack_from("<H", data, at + 2)[0] > 4000 or data[at + 4 : at + 8] == bytes(4):
        at = data.find(b"\xfc\x00", at + 1)
    data[at + 8 : at + 12] = struct.pack("<I", 0x7FFFFFFF)
    (fault,) = serious(read_one(tmp_path, bytes(data), "t.xls"))
    assert (fault.code, "more texts" in fault.message) == ("corrupt", True)


def test_old_workbook_protected_by_a_password(tmp_path: Path) -> None:
    data = bytearray(xls(ROWS))
    at = _record(data, 0x42, 2) - 4  # the code page gives way to the mark of encryption
    data[at : at + 2] = struct.pack("<H", 0x2F)
    (fault,) = serious(read_one(tmp_path, bytes(data), "t.xls"))
    assert (fault.code, "without a password" in fault.remedy) == ("password", True)


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [("WordDocument", "wrong-format", "a Word document"), ("EncryptedPackage", "password", "protected by a password")],
)
def test_other_files_in_the_same_container(name: str, code: str, words: str, tmp_path: Path) -> None:
    data = bytearray(xls(ROWS))
    at = data.find("Workbook\0".encode("utf-16-le"))
    data[at : at + 64] = name.encode("utf-16-le").ljust(64, b"\0")
    data[at + 64 : at + 66] = struct.pack("<H", 2 * len(name) + 2)
    (fault,) = serious(read_one(tmp_path, bytes(data), "t.xls"))
    assert (fault.code, words in fault.message) == (code, True)


def test_old_workbook_whose_sectors_form_a_loop(tmp_path: Path) -> None:
    data = bytearray(xls(ROWS))
    fat = struct.unpack_from("<I", data, 76)[0]
    at = (fat + 1) * 512
    data[at : at + 8] = struct.pack("<II", 1, 0)
    (fault,) = serious(read_one(tmp_path, bytes(data), "t.xls"))
    assert fault.code == "corrupt"
    assert data.startswith(OLE)


# ------------------------------------------------------------------------------------------------------------ Parquet


def test_parquet_of_every_type(tmp_path: Path) -> None:
    table = pa.table(
        {
            "model": pa.array(["Huh-7 P", "Huh-7 P", "Huh-7 P"]).dictionary_encode(),
            "drug": pa.array(["x", "y", "z"], pa.large_string()),
            "dose_um": pa.array([1, 2, None], pa.int8()),
            "replicate": pa.array([1, 2, 3]),
            "viability": pa.array([0.5, None, 0.25], pa.float32()),
            "plate": pa.array([pd.Timestamp("2024-03-01"), None, pd.Timestamp("2024-03-02 05:00")]),
            "flag": pa.array([True, False, None]),
            "list": pa.array([[1], [2], None]),
        }
    )
    out = BytesIO()
    pq.write_table(table, out)
    tables = read_one(tmp_path, out.getvalue(), "t.parquet")
    (fault,) = serious(tables)
    assert (fault.code, fault.row, fault.column) == ("empty-cell", 4, "dose_um")
    assert tables.excluded["row"].tolist() == [3]
    frame = tables.tables["viability"]
    assert frame["plate"].tolist() == ["2024-03-01", "2024-03-02 05:00:00"]
    assert frame["flag"].tolist() == ["TRUE", ""]
    assert frame["viability"].tolist() == [0.5, 0.25]


def test_parquet_with_infinite_values(tmp_path: Path) -> None:
    columns = dict(zip(HEAD, ([v] for v in ROW), strict=True)) | {"dose_um": [float("inf")]}
    (fault,) = serious(read_one(tmp_path, parquet(**columns), "t.parquet"))
    assert (fault.code, fault.column) == ("infinite", "dose_um")


def test_parquet_that_declares_more_than_memory_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook_module, "MAX_CELLS", 4)
    (fault,) = serious(read_one(tmp_path, parquet(**{h: [v] for h, v in zip(HEAD, ROW, strict=True)}), "t.parquet"))
    assert (fault.code, "1 rows and 5 columns" in fault.message) == ("too-large", True)


# ----------------------------------------------------------------------------------------------- names, units, letters


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("1-Mar", "MARCHF1"),
        ("Mar-01", "MARCHF1"),
        ("01/03/2001", "MARCHF1"),
        ("01/02/2001", ""),
        ("3/1/2001", "MARCHF1"),
        ("01.03.2001", "MARCHF1"),
        ("2-Sep", "SEPTIN2"),
        ("15-Sep", "SELENOF"),
        ("4-Okt", "POU5F1"),
        ("1-Dez", "DELEC1"),
        ("2006-09-07 00:00:00", "SEPTIN7"),
        ("44256", "MARCHF1"),
    ],
)
def test_dates_that_were_genes(text: str, symbol: str) -> None:
    found = genes.date_of(text)
    assert found is not None
    assert genes.likely(*found).split(" ")[0] == symbol


@pytest.mark.parametrize(
    "text", ["TP53", "MARCHF1", "SEPTIN2", "DEC1", "7157", "A-1", "1-Foo", "31", "HLA-A", "99/99/01"]
)
def test_symbols_that_are_no_dates(text: str) -> None:
    assert genes.date_of(text) is None


def test_serial_numbers_of_days() -> None:
    assert genes.date_of("36951") == (3, 1)  # 1 March 2001
    assert genes.date_of("36951", serial=False) is None


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("uM", "µM"),
        ("µM", "µM"),
        ("μM", "µM"),
        ("umol / L", "µM"),
        ("nM", "nM"),
        ("M", "M"),
        ("mmol/l", "mM"),
        ("pM", "pM"),
    ],
)
def test_units_of_concentration(text: str, name: str) -> None:
    unit = units.find(text, "concentration")
    assert unit is not None
    assert unit.name == name


@pytest.mark.parametrize("text", ["m", "ng/mL", "mg/kg", "log M", "", "h", "x IC50"])
def test_what_is_no_unit_of_concentration(text: str) -> None:
    assert units.find(text, "concentration") is None


def test_small_things() -> None:
    assert [letter(i) for i in (0, 25, 26, 701, 702)] == ["A", "Z", "AA", "ZZ", "AAA"]
    assert [show(v) for v in (3.0, -2.0, 0.1, 1e20, float("nan"))] == ["3", "-2", "0.1", "1e+20", "nan"]
    assert units.dimension_of("µM") == "concentration"
    assert units.dimension_of("fraction of vehicle") == "fraction"
    assert units.dimension_of("RLU") == ""


def test_percent_of_a_column_that_is_no_fraction(tmp_path: Path) -> None:
    tables = read_one(tmp_path, "drug,well,signal\nx,A1,5%\n", kind="reads")
    assert [f.code for f in serious(tables)] == ["number-with-unit"]
    assert said(tables, "read-as")
