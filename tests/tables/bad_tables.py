"""Bad tables, one per line: content, the one kind of fault that must come of it, its place, and words of its text."""

# ruff: noqa: E501  a table is read along its lines

from __future__ import annotations

import gzip
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import openpyxl
import pandas as pd
import xlwt
from reading_examples import GOOD

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


def row(
    dose: str = "1", viability: str = "0.9", model: str = "Huh-7 P", drug: str = "lenvatinib", rep: str = "1"
) -> str:
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
    Bad("OpenDocument text", zipped("mimetype", "content.xml"), "wrong-format", None, "", ("OpenDocument text",), "table.odt"),
    Bad("web page archive", "MIME-Version: 1.0\nContent-Type: multipart/related\n", "wrong-format", None, "", ("web page archive",), "table.xls"),
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
