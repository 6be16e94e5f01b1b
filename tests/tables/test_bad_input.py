"""Every way in which a lab's table is wrong, what is said about it, and that nothing else is said."""

from __future__ import annotations

import gzip
import os
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
import xlwt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reading_examples import CONTRACTS, GOOD, MODELS, VIABILITY, digest, read_one, said, serious, study

from rechallenge.faults import InputFaults
from rechallenge.study import Study, TableSource, problems
from rechallenge.tables import read, read_study, read_table
from rechallenge.tables import files as files_module
from rechallenge.tables import text as text_module
from rechallenge.tables import xlsx as xlsx_module

H = "model,drug,dose_um,replicate,viability\n"
R = "Huh-7 P,lenvatinib,1,1,0.9\n"


@dataclass(frozen=True)
class Bad:
    """One bad table: its content, and the one kind of fault that must come of it."""

    name: str
    content: str | bytes | Callable[[], bytes]
    code: str
    row: int | None
    column: str
    words: tuple[str, ...]
    file: str = "table.csv"
    kind: str = "viability"
    value: str | None = None
    count: int | None = None

    @property
    def data(self) -> bytes:
        content = self.content() if callable(self.content) else self.content
        return content if isinstance(content, bytes) else content.encode()


def row(dose: str = "1", viability: str = "0.9", model: str = "Huh-7 P", drug: str = "lenvatinib", rep: str = "1") -> str:
    return f"{model},{drug},{dose},{rep},{viability}\n"


def xlsx(rows: list[list[Any]], edit: Callable[[Any], None] | None = None, **sheets: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    page = book.active
    page.title = "Data"
    for r in rows:
        page.append(r)
    for name, more in sheets.items():
        extra = book.create_sheet(name)
        for r in more:
            extra.append(r)
    if edit:
        edit(page)
    out = BytesIO()
    book.save(out)
    return out.getvalue()


HEAD = H.strip().split(",")
ROW = ["Huh-7 P", "lenvatinib", 1, 1, 0.9]


def stray_cell() -> bytes:
    def edit(page: Any) -> None:
        page["XFD1048576"] = "x"

    return xlsx([HEAD, ROW], edit)


def with_cell(address: str, value: Any, kind: str = "") -> Callable[[], bytes]:
    def make() -> bytes:
        def edit(page: Any) -> None:
            page[address] = value
            if kind:
                page[address].data_type = kind

        return xlsx([HEAD, ROW, ["Huh-7 P", "lenvatinib", 2, 1, 0.8]], edit)

    return make


def merged_heading() -> bytes:
    def edit(page: Any) -> None:
        page.merge_cells("A1:B1")

    return xlsx([["model", "drug", *HEAD[2:]], ROW], edit)


def bomb() -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(BytesIO(xlsx([HEAD, ROW]))) as good, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for info in good.infolist():
            z.writestr(info.filename, good.read(info))
        z.writestr("xl/media/image1.bin", b"\0" * (20 * 2**20))
    return out.getvalue()


def zipped(*names: str) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for name in names:
            z.writestr(name, "x")
    return out.getvalue()


def broken_inside() -> bytes:
    data = bytearray(xlsx([HEAD, *([ROW] * 200)]))
    at = data.find(b"xl/worksheets/sheet1.xml") + 60
    data[at : at + 40] = random.Random(1).randbytes(40)
    return bytes(data)


def xls(rows: list[list[Any]]) -> bytes:
    book = xlwt.Workbook()
    page = book.add_sheet("Data")
    for i, r in enumerate(rows):
        for j, v in enumerate(r):
            page.write(i, j, v)
    out = BytesIO()
    book.save(out)
    return out.getvalue()


def parquet(**columns: list[Any]) -> bytes:
    out = BytesIO()
    pd.DataFrame(columns).to_parquet(out)
    return out.getvalue()


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
GENE_HEAD = "gene,value\n"

BAD: list[Bad] = [
    # the file
    Bad("empty file", "", "empty-file", None, "", ("0 bytes", "Export it again")),
    Bad("only blank lines", "\n \n\t\n", "empty-file", 1, "", ("blank lines",)),
    Bad("only a heading", H, "no-rows", None, "", ("no rows of data",)),
    Bad("only blank rows", H + ",,,,\n , ,,,\n", "no-rows", None, "", ("no rows of data",)),
    Bad("only comments below", H + "# nothing yet\n", "no-rows", None, "", ("no rows of data",)),
    Bad("PNG", b"\x89PNG\r\n\x1a\n" + bytes(50), "wrong-format", None, "", ("PNG", "not a picture")),
    Bad("JPEG", b"\xff\xd8\xff\xe0" + bytes(50), "wrong-format", None, "", ("JPEG",)),
    Bad("PDF as CSV", b"%PDF-1.7\n1 0 obj\n", "wrong-format", None, "", ("PDF", "CSV or Excel")),
    Bad("HTML as XLS", b"<html><table><tr><td>model</td></tr></table></html>", "wrong-format", None, "", ("HTML", "save it as .xlsx"), "plate.xls"),
    Bad("HTML with BOM", b"\xef\xbb\xbf <!DOCTYPE HTML>\n<body>", "wrong-format", None, "", ("HTML",), "plate.xls"),
    Bad("Excel 2003 XML", b"<?xml version='1.0'?><Workbook xmlns='urn:schemas-microsoft-com:office:spreadsheet'/>", "wrong-format", None, "", ("Excel 2003 XML",), "plate.xls"),
    Bad("JSON", '{"model": ["Huh-7 P"]}', "wrong-format", None, "", ("JSON",)),
    Bad("rich text", rb"{\rtf1\ansi model}", "wrong-format", None, "", ("rich-text",), "table.txt"),
    Bad("gzip", gzip.compress(GOOD.encode()), "wrong-format", None, "", ("gzip", "Unpack"), "table.csv.gz"),
    Bad("HDF5", b"\x89HDF\r\n\x1a\n" + bytes(80), "wrong-format", None, "", ("HDF5",), "cells.h5ad"),
    Bad("Git LFS pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", "wrong-format", None, "", ("Git LFS", "git lfs pull")),
    Bad("Word document", zipped("word/document.xml"), "wrong-format", None, "", ("Word",), "table.docx"),
    Bad("Apple Numbers", zipped("Index/Document.iwa"), "wrong-format", None, "", ("Apple Numbers",), "table.numbers"),
    Bad("zip archive", zipped("table.csv"), "wrong-format", None, "", ("zip archive", "Unpack"), "table.zip"),
    Bad("random bytes", random.Random(7).randbytes(3000), "wrong-format", None, "", ("not text",)),
    Bad("cut-off workbook", lambda: xlsx([HEAD, ROW])[:900], "corrupt", None, "", ("cut off",), "table.xlsx"),
    Bad("damaged workbook", broken_inside, "corrupt", None, "", ("damaged",), "table.xlsx"),
    Bad("old Office, no workbook", OLE + bytes(1500), "corrupt", None, "", ("damaged",), "table.xls"),
    Bad("cut-off Parquet", lambda: parquet(model=["a"])[:-20], "corrupt", None, "", ("Parquet", "cut off"), "table.parquet"),
    Bad("zip bomb", bomb, "zip-bomb", None, "", ("unpack", "not opened"), "table.xlsx"),
    Bad("stray cell far away", stray_cell, "stray-cell", None, "", ("XFD1048576", "Delete the stray cells"), "table.xlsx"),
    Bad("NUL characters", H + "Huh-7 P,len\0vatinib,1,1,0.9\n", "nul-bytes", 2, "", ("NUL",)),
    Bad("two encodings", H.encode() + "Huh-7 P,é,1,1,0.9\n".encode() + b"Huh-7 P,\xb5x,2,1,0.9\n", "encoding", 3, "", ("mixes UTF-8", "CSV UTF-8")),
    Bad("no known encoding", H.encode() + b"Huh-7 P,\x81\xa9\x8d\xd5,2,1,0.9\n", "encoding", 2, "", ("fit no encoding",)),
    Bad("broken UTF-16", b"\xff\xfe" + "model\tdrug\n".encode("utf-16-le") + b"\x00\xd8\n", "encoding", 2, "", ("UTF-16",)),
    Bad("too many columns", ",".join(f"c{i}" for i in range(10_001)) + "\n", "huge-heading", 1, "", ("10001", "swapped")),
    Bad("open quotation mark", H + R + 'Huh-7 P,"lenvatinib,1,1,0.9\n' + R, "quotes", 3, "", ("quotation mark",)),
    # the heading
    Bad("required column missing", "model,drug,replicate,viability\nHuh-7 P,x,1,0.9\n", "missing-column", 1, "dose_um", ("required", "dose_um in µM")),
    Bad("required column misspelt", "model,drug,dose_um,replicat,viability\n" + R, "missing-column", 1, "replicate", ("Is it 'replicat'?",)),
    Bad("neither way of measuring", "model,drug,dose_um,replicate,signal\nHuh-7 P,x,1,1,500\n", "missing-column", 1, "viability", ("viability, or signal with well_type and plate", "signal without well_type and plate")),
    Bad("two headings for one column", "line,cell line,drug,dose_um,replicate,viability\nHuh-7 P,Huh-7 P,x,1,1,1\n", "two-headings", 1, "model", ("'line' and 'cell line' both mean model",)),
    Bad("duplicate heading", "model,drug,drug,dose_um,replicate,viability\nHuh-7 P,x,x,1,1,1\n", "duplicate-heading", 1, "drug", ("B and C",)),
    Bad("empty heading over data", "model,drug,dose_um,replicate,viability,\nHuh-7 P,x,1,1,1,dead\n", "empty-heading", 1, "F", ("no heading",), value="dead"),
    Bad("no heading row", row() + row("2"), "no-heading", 1, "", ("heading row is missing", "model, drug, dose_um")),
    Bad("merged heading", merged_heading, "merged-heading", 1, "", ("Unmerge",), "table.xlsx"),
    Bad("several sheets", lambda: xlsx([HEAD, ROW], Plate2=[HEAD, ROW]), "which-sheet", None, "", ("'Data', 'Plate2'", "sheet ="), "table.xlsx"),
    Bad("empty workbook", lambda: xlsx([]), "empty-file", None, "", ("sheet of the workbook is empty",), "table.xlsx"),
    # the rows
    Bad("more cells than headings", H + row() + "Huh-7 P,x,1,1,0.9,extra\n", "ragged", 3, "", ("more cells than there are headings",), value="extra"),
    Bad("decimal commas in a comma file", H + "Huh-7 P,x,0,5,1,0,9\n", "ragged", 2, "", ("decimal comma", "semicolons")),
    Bad("row names without a heading", H + "1," + row() + "2," + row("2"), "ragged", 2, "", ("row names",), count=2),
    Bad("unit row", H + ",,µM,,%\n" + row(), "unit-row", 2, "dose_um", ("units, not data", "dose (µM)")),
    Bad("mean at the bottom", H + row() + "Mean,,,,0.9\nSD,,,,0.1\n", "summary-row", 3, "", ("Mean, SD", "Also in row 4")),
    Bad("mean among the replicates", H + row() + row(rep="mean"), "summary-row", 3, "", ("sums up others",), value="mean"),
    # the cells
    Bad("empty required cell", H + row() + row(drug=""), "empty-cell", 3, "drug", ("every row needs drug",)),
    Bad("NA in a name", H + row(model="NA"), "empty-cell", 2, "model", ("every row needs model",)),
    Bad("name once per block", H + row() + row("2", model="") + row("3", model=""), "empty-cell", 3, "model", ("merged cells", "Also in row 4"), count=2),
    Bad("empty well type beside a signal", "model,drug,dose_um,replicate,signal,well_type,plate\nHuh-7 P,x,1,1,500,,P1\n", "empty-cell", 2, "well_type", ("needed here",)),
    Bad("text in a number", H + row("high"), "not-a-number", 2, "dose_um", ("number (µM) belongs here",), value="high"),
    Bad("n.d.", H + row(viability="n.d."), "not-detected", 2, "viability", ("not detected", "Leave the cell empty")),
    Bad("overflow", H + row(viability="OVRFLW"), "overflow", 2, "viability", ("beyond its range", "lower gain")),
    Bad("below a limit", H + row(viability="<0.1"), "detection-limit", 2, "viability", ("a bound, not a number",)),
    Bad("failed formula", H + row(viability="#DIV/0!"), "spreadsheet-error", 2, "viability", ("formula in this cell failed",)),
    Bad("failed formula, German", H + row(viability="#WERT!"), "spreadsheet-error", 2, "viability", ("formula in this cell failed",)),
    Bad("hash signs", H + row(viability="#######"), "spreadsheet-error", 2, "viability", ("too narrow", "Widen")),
    Bad("error cell in a workbook", with_cell("E3", "#DIV/0!", "e"), "spreadsheet-error", 3, "viability", ("failed",), "table.xlsx", value="#DIV/0!"),
    Bad("formula without result", with_cell("C3", "=C2*2"), "formula", 3, "dose_um", ("result was not saved", "paste the values"), "table.xlsx", value="=C2*2"),
    Bad("formula as text", H + row("=C1*2"), "formula", 2, "dose_um", ("result was not saved",)),
    Bad("infinite", H + row("inf"), "infinite", 2, "dose_um", ("infinity",)),
    Bad("beyond the largest number", H + row("1e999"), "infinite", 2, "dose_um", ("infinity",)),
    Bad("mean and spread in a cell", H + row(viability="0.9 ± 0.1"), "two-numbers", 2, "viability", ("one row per replicate",)),
    Bad("range in a cell", H + row("1-3"), "two-numbers", 2, "dose_um", ("two numbers",)),
    Bad("date in a number", H + row("01-Mar"), "date", 2, "dose_um", ("turned what was typed", "1.3")),
    Bad("date cell in a number", with_cell("C3", pd.Timestamp("2024-03-01")), "date", 3, "dose_um", ("into a date",), "table.xlsx", value="2024-03-01"),
    Bad("date cell in a drug", with_cell("B3", pd.Timestamp("2024-03-01")), "date", 3, "drug", ("name of a drug",), "table.xlsx"),
    Bad("negative dose", H + row() + row("2") + row("-3"), "negative", 4, "dose_um", ("cannot be negative", "sign"), value="-3"),
    Bad("logarithms of doses", H + row("-6") + row("-5"), "negative", 2, "dose_um", ("logarithms",)),
    Bad("hours of zero", "model,drug,dose_um,replicate,viability,hours\nHuh-7 P,x,1,1,1,0\n", "out-of-range", 2, "hours", ("above 0 h",)),
    Bad("per cent for a fraction", H + row(viability="98") + row("2", "51.5") + row("3", "0.9"), "percent", 2, "viability", ("from 0.9 to 98", "viability (%)")),
    Bad("fraction under a per cent heading", "model,drug,dose_um,replicate,viability (%)\n" + row() + row("2", "0.5"), "percent", 2, "viability", ("Take the % out",)),
    Bad("one value in per cent", H + row() + row("2", "0.8") + row("3", "40"), "out-of-range", 4, "viability", ("is it per cent?",), value="40"),
    Bad("number with its unit", H + row("10 µM"), "number-with-unit", 2, "dose_um", ("Write 10 alone",)),
    Bad("number with another unit", H + row("10 nM"), "number-with-unit", 2, "dose_um", ("dose (nM)", "dose_unit")),
    Bad("number with a mass unit", H + row("10 ng/mL"), "unit", 2, "dose_um", ("molar mass",)),
    Bad("heading in a mass unit", "model,drug,Dose (µg/mL),replicate,viability\n" + R, "unit", None, "dose_um", ("molar mass",), value="µg/mL"),
    Bad("heading in logarithms", "model,drug,Dose (log10 M),replicate,viability\n" + R, "unit", None, "dose_um", ("logarithms",)),
    Bad("unit column with nonsense", "model,drug,dose,dose_unit,replicate,viability\nHuh-7 P,x,1,spoons,1,1\n", "unit", 2, "dose_um", ("not a unit of concentration",), value="spoons"),
    Bad("unit column with a gap", "model,drug,dose,unit,replicate,viability\nHuh-7 P,x,1,nM,1,1\nHuh-7 P,x,2,,1,1\n", "unit", 3, "dose_um", ("no unit in this row",)),
    Bad("heading against unit column", "model,drug,dose (mM),dose_unit,replicate,viability\nHuh-7 P,x,1,nM,1,1\n", "unit", 2, "dose_um", ("heading says mM",)),
    Bad("mixed decimal marks", "model;drug;dose_um;replicate;viability\nHuh-7 P;x;0,5;1;0.95\n", "mixed-decimal", 2, "dose_um", ("two decimal marks",), value="0,5"),
    Bad("comma that may be either", "model\tdrug\tdose_um\treplicate\tviability\nHuh-7 P\tx\t1,234\t1\t1\n", "ambiguous-number", 2, "dose_um", ("1.234 or 1234",)),
    Bad("not a choice", "model,drug,dose_um,replicate,signal,well_type,plate\nHuh-7 P,x,1,1,500,vehicel,P1\n", "not-a-choice", 2, "well_type", ("sample, vehicle, blank, positive", "Did you mean 'vehicle'?")),
    Bad("part of a whole", "gene,value,count\nTP53,1,2.5\n", "not-whole", 2, "count", ("whole number",), kind="genes"),
    # names and duplicates
    Bad("unknown model", H + row(model="HepG2"), "unknown-model", 2, "model", ("no model of this name", "[models]")),
    Bad("misspelt model", H + row(model="Huh-7 RL"), "unknown-model", 2, "model", ("Did you mean 'Huh-7 LR'?",)),
    Bad("model in another case", H + row(model="huh-7 p"), "model-spelling", 2, "model", ("only case or spaces differ", "Write Huh-7 P")),
    Bad("model without its space", H + row(model="Huh-7P"), "model-spelling", 2, "model", ("only case or spaces differ",)),
    Bad("model without its hyphen", H + row(model="Huh7 P"), "model-spelling", 2, "model", ("only punctuation differs",)),
    Bad("gene as day and month", GENE_HEAD + "TP53,1\n1-Sep,2\n", "gene-date", 3, "gene", ("SEPTIN1 (SEPT1)",), kind="genes", value="1-Sep"),
    Bad("gene as month and year", GENE_HEAD + "Mar-01,2\n", "gene-date", 2, "gene", ("MARCHF1 (MARCH1) or MTARC1 (MARC1)",), kind="genes"),
    Bad("gene as day and month, other order", GENE_HEAD + "2-Mar,2\n", "gene-date", 2, "gene", ("MARCHF2",), kind="genes"),
    Bad("gene as ISO date", GENE_HEAD + "2001-03-01,2\n", "gene-date", 2, "gene", ("MARCHF1",), kind="genes"),
    Bad("gene as serial number", GENE_HEAD + "TP53,1\n44256,2\nEGFR,1\nMYC,1\nKRAS,2\nAKT1,3\n", "gene-date", 3, "gene", ("serial number", "MARCHF1"), kind="genes"),
    Bad("gene as German date", GENE_HEAD + "7. Mrz,2\n", "gene-date", 2, "gene", ("MARCHF7",), kind="genes"),
    Bad("gene as a date cell", lambda: xlsx([["gene", "value"], [pd.Timestamp("2023-09-07"), 1.5]]), "gene-date", 2, "gene", ("SEPTIN7",), "g.xlsx", "genes"),
    Bad("the same well twice", "plate,well,signal\nP1,A1,5\nP1,A2,6\nP1,A1,7\n", "duplicate-well", 4, "well", ("same well", "repeats row 2"), kind="wells", value="P1 A1"),
    Bad("exact copy of a row", H + row() + row("2") + row(), "duplicate-row", 4, "", ("exact copy of row 2",)),
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=lambda b: b.name)
def test_bad_table_is_named(bad: Bad, tmp_path: Path) -> None:
    tables = read_one(tmp_path, bad.data, bad.file, bad.kind)
    errors = serious(tables)
    assert {f.code for f in errors} == {bad.code}, "\n".join(map(str, errors))
    fault = errors[0]
    assert (fault.file, fault.row, fault.column) == (bad.file, bad.row, bad.column), str(fault)
    text = str(fault)
    for words in bad.words:
        assert words in text
    assert fault.remedy, "a fault says what to do"
    if bad.value is not None:
        assert fault.value == bad.value
    if bad.count is not None:
        assert fault.count == bad.count
    assert (tmp_path / bad.file).read_bytes() == bad.data, "the input is never changed"


def test_there_are_many_named_faults() -> None:
    assert len({b.name for b in BAD}) == len(BAD) >= 90
    assert len({b.code for b in BAD}) >= 35


def test_every_fault_of_every_table_at_once(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text(H + row("-1") + row("x") + row(model="HepG2", drug=""))
    (tmp_path / "g.csv").write_text(GENE_HEAD + "1-Mar,inf\n")
    tables = read_study(study(tmp_path, viability="v.csv", genes="g.csv", wells="w.csv"), CONTRACTS)
    found = {(f.file, f.row, f.code) for f in serious(tables)}
    assert found == {
        ("v.csv", 2, "negative"),
        ("v.csv", 3, "not-a-number"),
        ("v.csv", 4, "empty-cell"),
        ("v.csv", 4, "unknown-model"),
        ("g.csv", 2, "gene-date"),
        ("g.csv", 2, "infinite"),
        ("w.csv", None, "missing-file"),
    }


def test_equal_faults_are_one_fault_with_its_first_places(tmp_path: Path) -> None:
    tables = read_one(tmp_path, H + row(viability="n.d.") * 12 + row())
    (fault,) = serious(tables)
    assert (fault.count, fault.row) == (12, 2)
    assert "Also in rows 3, 4, 5, 6, 7, 8, 9, 10 and 3 more." in fault.message


def test_a_thousand_different_values_do_not_make_a_thousand_faults(tmp_path: Path) -> None:
    tables = read_one(tmp_path, H + "".join(row(f"dose {i}") for i in range(1000)))
    faults = serious(tables)
    assert len(faults) == 21
    assert sum(f.count for f in faults) == 1000
    assert any("980 more values" in f.message for f in faults)


def test_exact_copies_are_only_a_warning_where_wells_are_repeated(tmp_path: Path) -> None:
    tables = read_one(tmp_path, H + row() + row(viability="0.8") + row("2") + row("2"))
    (fault,) = said(tables, "duplicate-row")
    assert (fault.severity, fault.row) == ("warning", 5)
    assert not serious(tables)


def test_faulty_rows_are_not_called_copies_of_each_other(tmp_path: Path) -> None:
    tables = read_one(tmp_path, H + row(viability="<0.1") + row(viability="<0.2"))
    assert {f.code for f in serious(tables)} == {"detection-limit"}


# ----------------------------------------------------------------------------------------------- files and folders


def test_files_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "viability.csv").write_text(GOOD)
    tables = read_study(study(tmp_path, viability=["viabilty.csv", "plates/*.csv", ""]), CONTRACTS)
    missing, empty = said(tables, "missing-file")
    assert "Did you mean 'viability.csv'?" in (str(missing) + str(empty))
    (glob,) = said(tables, "no-match")
    assert glob.file == "plates/*.csv"


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    (tmp_path / "plates").mkdir()
    (fault,) = serious(read_study(study(tmp_path, viability="plates"), CONTRACTS))
    assert fault.code == "not-a-file"
    assert "plates/*.csv" in fault.remedy


def test_pipes_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (fault,) = serious(read_study(study(tmp_path, viability="pipe.csv"), CONTRACTS))
    assert (fault.code, "pipe or a device" in fault.message) == ("not-a-file", True)


def test_devices_are_refused(tmp_path: Path) -> None:
    faults = read_table(VIABILITY, "/dev/null").faults
    assert [f.code for f in faults] == ["not-a-file"]


def test_loops_of_links(tmp_path: Path) -> None:
    (tmp_path / "a.csv").symlink_to(tmp_path / "b.csv")
    (tmp_path / "b.csv").symlink_to(tmp_path / "a.csv")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "again").symlink_to(tmp_path)
    (fault,) = serious(read_study(study(tmp_path, viability="a.csv"), CONTRACTS))
    assert fault.code == "link-loop"
    tables = read_study(study(tmp_path, viability="**/*.csv"), CONTRACTS)
    assert {f.code for f in serious(tables)} == {"link-loop"}


def test_links_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").symlink_to(tmp_path / "gone.csv")
    (fault,) = serious(read_study(study(tmp_path, viability="a.csv"), CONTRACTS))
    assert (fault.code, "not there" in fault.message) == ("missing-file", True)


@pytest.mark.parametrize("name", ["../outside.csv", "/etc/passwd", "~/table.csv", "a/../../outside.csv", "C:\\t.csv"])
def test_names_must_not_leave_the_study(name: str, tmp_path: Path) -> None:
    (tmp_path / "outside.csv").write_text(GOOD)
    (tmp_path / "study").mkdir()
    (fault,) = serious(read_study(study(tmp_path / "study", viability=name), CONTRACTS))
    assert fault.code == "outside-study"


def test_links_must_not_leave_the_study(tmp_path: Path) -> None:
    (tmp_path / "outside.csv").write_text(GOOD)
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "in.csv").symlink_to(tmp_path / "outside.csv")
    tables = read_study(study(tmp_path / "study", viability="in.csv"), CONTRACTS)
    (fault,) = serious(tables)
    assert (fault.code, fault.file) == ("outside-study", "in.csv")
    assert not tables.inputs


def test_links_inside_the_study_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text(GOOD)
    (tmp_path / "in.csv").symlink_to(tmp_path / "real.csv")
    tables = read_study(study(tmp_path, viability="in.csv"), CONTRACTS)
    assert not serious(tables)
    assert set(tables.tables["viability"]["_file"]) == {"in.csv"}


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.csv").write_text(GOOD)

    def locked(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", locked)  # the test may run as a user whom no permission stops
    (fault,) = serious(read_study(study(tmp_path, viability="t.csv"), CONTRACTS))
    assert (fault.code, "permission" in fault.message) == ("unreadable", True)


def test_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_module, "MAX_BYTES", 10)
    (fault,) = serious(read_one(tmp_path, GOOD))
    assert (fault.code, fault.file) == ("too-large", "table.csv")


def test_a_line_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "MAX_LINE", 1 << 20)
    (fault,) = serious(read_one(tmp_path, GOOD + "x" * (3 << 20)))
    assert (fault.code, fault.row) == ("long-line", 6)


def test_a_heading_without_end(tmp_path: Path) -> None:
    (fault,) = serious(read_one(tmp_path, "x," * (6 << 20)))
    assert fault.code == "long-line"


def test_workbook_that_unpacks_to_more_than_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx_module, "MAX_INFLATED", 1000)
    (fault,) = serious(read_one(tmp_path, xlsx([HEAD, ROW]), "t.xlsx"))
    assert fault.code == "zip-bomb"


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(GOOD)
    tables = read_study(study(tmp_path, viability=["a.csv", "*.csv"]), CONTRACTS)
    assert not serious(tables)
    assert [f.severity for f in said(tables, "named-twice")] == ["warning"]
    assert len(tables.tables["viability"]) == 4
    assert len(tables.inputs) == 1


def test_the_same_content_under_two_names(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(GOOD)
    (tmp_path / "b.csv").write_text(GOOD)
    (fault,) = serious(read_study(study(tmp_path, viability="*.csv"), CONTRACTS))
    assert (fault.code, fault.file) == ("same-content", "b.csv")
    assert "a.csv" in fault.message


def test_unknown_kinds_keys_and_sheets(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(GOOD)
    (tmp_path / "b.xlsx").write_bytes(xlsx([HEAD, ROW]))
    s = study(tmp_path, viabilty="a.csv", viability=TableSource(values=["b.xlsx"], sheet="Dat", huors=72))
    faults = {f.code: f for f in serious(read_study(s, CONTRACTS))}
    assert set(faults) == {"unknown-table", "study-key", "no-sheet"}
    assert "Did you mean 'viability'?" in faults["unknown-table"].remedy
    assert "Did you mean 'hours'?" in faults["study-key"].remedy
    assert "Did you mean 'Data'?" in faults["no-sheet"].remedy


def test_password_protected_workbook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import python_calamine

    def locked(*_: object, **__: object) -> object:
        raise python_calamine.PasswordError("Workbook is password protected")

    monkeypatch.setattr(python_calamine, "load_workbook", locked)
    (fault,) = serious(read_one(tmp_path, xls([HEAD, ROW]), "t.xls"))
    assert (fault.code, "password" in fault.message) == ("password", True)


def test_a_study_without_models_says_so_once(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(H + row() + row(model="HepG2"))
    s = Study(folder=tmp_path, title="t", tables={"viability": (TableSource(values=["t.csv"]),)})
    (fault,) = serious(read_study(s, CONTRACTS))
    assert (fault.code, fault.count) == ("unknown-model", 2)
    assert '"Huh-7 P" = { role = "parental" }' in fault.remedy


def test_entrez_identifiers_are_not_dates(tmp_path: Path) -> None:
    assert not serious(read_one(tmp_path, GENE_HEAD + "7157,1\n44256,2\n1956,3\n", kind="genes"))


def test_a_defect_of_reading_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rechallenge.tables import reading

    def broken(*_: object, **__: object) -> object:
        raise ZeroDivisionError("inside")

    monkeypatch.setattr(reading, "convert", broken)
    (fault,) = serious(read_one(tmp_path, GOOD))
    assert (fault.code, fault.file) == ("unreadable", "table.csv")
    assert "ZeroDivisionError: inside" in fault.message


def test_library_users_get_an_exception_with_every_fault(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(H + row("-1") + row("x"))
    with pytest.raises(InputFaults, match="2 faults in the input") as caught:
        read(VIABILITY, path)
    assert {f.code for f in caught.value.faults} >= {"negative", "not-a-number"}
    path.write_text(GOOD)
    assert len(read(VIABILITY, path)) == 4


# ------------------------------------------------------------------------------------------------------ properties

QUIET = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
HEADS = [b"", b"PK\x03\x04", OLE, b"PAR1", b"\xff\xfe", b"\xef\xbb\xbf", b"model,drug\n", b"\x1f\x8b"]
CELLS = st.one_of(
    st.sampled_from(["", "Huh-7 P", "1", "0,5", "1.234", "1,234", "n.d.", "#N/A", "5 nM", "1-Mar", "-1", "98%", '"', "\t", "Mean"]),
    st.text(max_size=6),
    st.floats().map(repr),
)  # fmt: skip


@QUIET
@given(st.sampled_from(HEADS), st.binary(max_size=400))
def test_any_bytes_give_faults_or_a_frame(tmp_path: Path, head: bytes, body: bytes) -> None:
    _reads(tmp_path, head + body)


@QUIET
@given(
    st.lists(st.sampled_from([*VIABILITY.column("dose_um").headings, *HEAD, "Dose (nM)", "signal", "unit", "x", ""]), max_size=8),
    st.lists(st.lists(CELLS, max_size=8), max_size=8),
    st.sampled_from([",", ";", "\t", "|", " "]),
    st.sampled_from(["utf-8", "utf-16", "cp1252"]),
)  # fmt: skip
def test_any_table_of_text_gives_faults_or_a_frame(
    tmp_path: Path, heads: list[str], rows: list[list[str]], delimiter: str, encoding: str
) -> None:
    text = "\n".join(delimiter.join(r) for r in [heads, *rows])
    _reads(tmp_path, text.encode(encoding, "replace"))


@QUIET
@given(st.binary(min_size=1, max_size=30), st.integers(0, 5000))
def test_damaged_workbooks_give_faults_or_a_frame(tmp_path: Path, noise: bytes, at: int) -> None:
    for data in (_XLSX, _XLS, _PARQUET):
        start = at % len(data)
        _reads(tmp_path, data[:start] + noise + data[start + len(noise) :])


_XLSX = xlsx([HEAD, *([ROW] * 5)])
_XLS = xls([HEAD, *([ROW] * 5)])
_PARQUET = parquet(**{h: [v] for h, v in zip(HEAD, ROW, strict=True)})


def _reads(folder: Path, data: bytes) -> None:
    path = folder / "table.csv"
    path.write_bytes(data)
    before = digest(folder)
    tables = read_study(study(folder, viability="table.csv"), CONTRACTS)
    assert digest(folder) == before
    assert len(tables.tables["viability"]) or serious(tables) or len(tables.excluded)
    assert not said(tables, "unreadable"), "nothing unforeseen happened"


TOML_KEYS = st.sampled_from(["study", "title", "models", "tables", "viability", "role", "values", "file", "options", "x y", ""])
TOML_VALUES = st.recursive(
    st.one_of(st.text(max_size=5), st.integers(-(2**62), 2**62), st.floats(allow_nan=False), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TOML_KEYS, inner, max_size=3)),
    max_leaves=6,
)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return _quoted(value) if isinstance(value, str) else repr(value)


def _quoted(text: str) -> str:
    return '"' + "".join(c if c.isalnum() or c == " " else f"\\u{ord(c) % 0xD800:04x}" for c in text) + '"'


@QUIET
@given(st.dictionaries(TOML_KEYS, TOML_VALUES, max_size=5))
def test_any_study_file_loads_or_names_its_faults(tmp_path: Path, data: dict[str, Any]) -> None:
    _loads(tmp_path, "\n".join(f"{_quoted(k)} = {_toml(v)}" for k, v in data.items()).encode())


@QUIET
@given(st.one_of(st.binary(max_size=200), st.text(alphabet='[]{}="\n.,#abc 1', max_size=200).map(str.encode)))
def test_any_bytes_as_study_file_load_or_are_faults(tmp_path: Path, data: bytes) -> None:
    _loads(tmp_path, data)


def _loads(folder: Path, data: bytes) -> None:
    (folder / "study.toml").write_bytes(data)
    before = digest(folder)
    try:
        loaded = Study.load(folder)
    except InputFaults as e:
        assert e.faults
        assert problems(folder)
    else:
        read_study(loaded, CONTRACTS)
    assert digest(folder) == before
    assert MODELS
