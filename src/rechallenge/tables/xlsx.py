"""What a workbook declares, looked at before its cells are inflated into memory (XLSX, XLSB, ODS; XLS in `xls`).

The reader of cells gives an empty cell for a formula whose result was never saved and for an error such as
#DIV/0!, and makes room for every cell up to the last one, so that one stray cell in the bottom right corner asks
for 500 GB. Both are seen here first, from the XML, piece by piece.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from xml.etree import ElementTree

from rechallenge.tables.sniff import refuse
from rechallenge.tables.xls import flawed_cells

MAX_INFLATED = 2 * 2**30
MAX_RATIO = 200
#: Below this inflated size a high ratio does no harm (a small sheet of equal rows packs very well).
HARMLESS = 10 * 2**20
#: Cells between the first and the last filled one of a sheet.
MAX_AREA = 40_000_000

_CHUNK = 1 << 22
# An attribute in either kind of quotation mark, elements with or without a prefix such as x:
_AT = rb"""\sr\s*=\s*["']([A-Za-z]{1,3})(\d{1,9})["']"""
_NO_RESULT = rb"(?:/>|>([^<]*)</(?:\w+:)?f\s*>)\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v\s*>\s*</(?:\w+:)?v\s*>)?\s*</"
_CELL = re.compile(rb"<(?:\w+:)?c\b[^<>]*?" + _AT + rb"[^<>]*(?<!/)>")
#: A cell far enough out to matter: without one, a sheet has fewer than 10,000 rows of 702 columns.
_FAR = re.compile(rb"""\sr\s*=\s*["'](?:[A-Za-z]{3}\d|[A-Za-z]{1,3}\d{5})""")
_FORMULA = re.compile(rb"<(?:\w+:)?c\b[^<>]*?" + _AT + rb"[^<>]*>\s*<(?:\w+:)?f\b[^<>]*?" + _NO_RESULT)
_ERROR = re.compile(
    rb"<(?:\w+:)?c\b(?=[^<>]*\st\s*=\s*[\"']e[\"'])[^<>]*?" + _AT + rb"[^<>]*>"
    rb"(?:\s*<(?:\w+:)?f\b[^<>]*?(?:/>|>[^<]*</(?:\w+:)?f\s*>))?\s*<(?:\w+:)?v\s*>([^<]*)<"
)
_ODS_CELL = re.compile(rb"<table:(?:covered-)?table-cell\b([^<>]*?)(/?)>")
_ODS_ROWS = re.compile(rb'table:number-rows-repeated="(\d{1,9})"')
_ODS_COLUMNS = re.compile(rb'table:number-columns-repeated="(\d{1,9})"')
_NS = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


@dataclass
class Flaws:
    """By (row, column), both from 0: the text that stands for a cell which has no value (an error, a formula)."""

    cells: dict[tuple[int, int], str] = field(default_factory=dict)


def survey(data: bytes, kind: str) -> dict[str, Flaws]:
    """Refuse a workbook that would not fit in memory; otherwise the flawed cells of each sheet by name (XLSX, XLS).

    Raises InputFaults (without file) with the codes `zip-bomb`, `stray-cell` and `corrupt`.
    """
    if kind == "xls":
        return {name: Flaws(cells) for name, cells in flawed_cells(data).items()}
    try:
        with zipfile.ZipFile(BytesIO(data)) as book:
            _refuse_bombs(book)
            names = _sheet_files(book) if kind == "xlsx" else {}
            by_file = {file: name for name, file in names.items()}
            found: dict[str, Flaws] = {}
            for info in book.infolist():
                if info.is_dir():
                    continue
                if kind == "xlsx" and re.match(r"xl/worksheets/[^/]+\.xml$", info.filename):
                    sheet = by_file.get(info.filename, info.filename)
                    found[sheet] = _scan_xml(book, info, sheet)
                elif kind == "ods" and info.filename == "content.xml":
                    _scan_ods(book, info)
                elif kind == "xlsb" and re.match(r"xl/worksheets/[^/]+\.bin$", info.filename):
                    _scan_binary(book, info)
                else:
                    _drain(book, info)
            return found
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        ValueError,
        KeyError,
        NotImplementedError,
        RuntimeError,
    ) as e:
        raise refuse(
            "password" if "encrypted" in str(e) else "corrupt",
            f"the workbook is damaged or was cut off ({str(e)[:160]}).",
            "Open it in a spreadsheet and save it again, or copy it again.",
        ) from e


def _refuse_bombs(book: zipfile.ZipFile) -> None:
    inflated = sum(i.file_size for i in book.infolist())
    packed = max(1, sum(i.compress_size for i in book.infolist()))
    if inflated > MAX_INFLATED or (inflated > HARMLESS and inflated / packed > MAX_RATIO):
        raise refuse(
            "zip-bomb",
            f"the workbook would unpack from {packed / 2**20:.1f} MB to {inflated / 2**20:,.0f} MB; it was not opened.",
            "Check where the file comes from. A sheet that is really so large is better exported as CSV.",
        )


def _drain(book: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    """Inflate to nowhere: a size or check sum that is not as declared raises BadZipFile."""
    with book.open(info) as stream:
        while stream.read(_CHUNK):
            pass


def _sheet_files(book: zipfile.ZipFile) -> dict[str, str]:
    """Sheet name -> file inside the workbook."""
    try:
        rels = ElementTree.fromstring(book.read("xl/_rels/workbook.xml.rels"))
        root = ElementTree.fromstring(book.read("xl/workbook.xml"))
    except (ElementTree.ParseError, KeyError):
        return {}
    target = {r.get("Id"): (r.get("Target") or "") for r in rels}
    files = {}
    for sheet in root.iter():
        if sheet.tag.endswith("}sheet"):
            file = target.get(sheet.get(_NS), "")
            files[sheet.get("name") or ""] = file.lstrip("/") if file.startswith("/") else "xl/" + file
    return files


def _pieces(
    book: zipfile.ZipFile, info: zipfile.ZipInfo, tags: tuple[bytes, ...] = (b"<c ", b":c ")
) -> Iterator[bytes]:
    """The XML of a sheet in pieces that end before one of these tags."""
    rest = b""
    with book.open(info) as stream:
        while chunk := stream.read(_CHUNK):
            rest += chunk
            cut = rest.rfind(b"<", 0, max(rest.rfind(tag) for tag in tags) + 1)
            if cut > 0:
                yield rest[:cut]
                rest = rest[cut:]
            elif len(rest) > 16 * _CHUNK:
                raise ValueError("a row or cell of more than 64 MB")
    yield rest


def _scan_xml(book: zipfile.ZipFile, info: zipfile.ZipInfo, sheet: str) -> Flaws:
    flaws = Flaws()
    rows = (1 << 30, 0)
    columns: set[bytes] = set()
    stray = ("", 0)
    for piece in _pieces(book, info):
        cells = _CELL.findall(piece) if columns or _FAR.search(piece) else []
        if cells:
            numbers = [int(n) for _, n in cells]
            columns.update(c for c, _ in cells)
            low, high = min(numbers), max(numbers)
            if high > rows[1]:
                at = numbers.index(high)
                stray = (cells[at][0].decode(), high)
            rows = (min(rows[0], low), max(rows[1], high))
        if b"<f" in piece or b":f" in piece:
            for column, row, formula in _FORMULA.findall(piece):
                flaws.cells[int(row) - 1, _column(column)] = "=" + formula.decode("utf-8", "replace")[:80]
        if b't="e"' in piece or b"t='e'" in piece:
            for column, row, text in _ERROR.findall(piece):
                flaws.cells[int(row) - 1, _column(column)] = text.decode("utf-8", "replace")[:20]
    if columns:
        positions = [_column(c) for c in columns]
        _refuse_area(rows[1], max(positions) + 1, sheet, f"{stray[0]}{stray[1]}")
    return flaws


def _scan_ods(book: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    """Rows and columns of the sheets of an OpenDocument file, where one element may stand for many rows or cells."""
    row = last_row = last_column = 0
    for piece in _pieces(book, info, (b"<table:table-row",)):
        for part in re.split(rb"(?=<table:table-row\b)", piece):
            if not part.startswith(b"<table:table-row"):
                continue
            row += _repeated(_ODS_ROWS, part[: part.find(b">")])
            column = used = 0
            for cell, closed in _ODS_CELL.findall(part):
                column += _repeated(_ODS_COLUMNS, cell)
                if not closed or b"office:value" in cell:
                    used = column
            if used:
                last_row, last_column = max(last_row, row), max(last_column, used)
            if b"</table:table>" in part:
                _refuse_area(last_row, last_column, "", f"row {last_row}")
                row = last_row = last_column = 0


def _repeated(pattern: re.Pattern[bytes], element: bytes) -> int:
    found = pattern.search(element)
    return int(found[1]) if found else 1


def _scan_binary(book: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
    """Rows and columns of a binary sheet: records 0 (row) and 2 to 11 (cells that hold something)."""
    row = last_row = last_column = 0
    data = book.read(info)
    at, end = 0, len(data)
    while at + 2 <= end:
        kind = data[at]
        at += 1
        if kind & 0x80:
            kind = (kind & 0x7F) | (data[at] << 7)
            at += 1
        size = shift = 0
        while at < end:
            byte = data[at]
            at += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80 or shift > 21:
                break
        if kind == 0:
            row = int.from_bytes(data[at : at + 4], "little")
        elif 2 <= kind <= 11:
            last_row = max(last_row, row)
            last_column = max(last_column, int.from_bytes(data[at : at + 4], "little"))
        at += size
    _refuse_area(last_row + 1, last_column + 1, info.filename, f"row {last_row + 1}")


def _refuse_area(rows: int, columns: int, sheet: str, last: str) -> None:
    if rows * columns > MAX_AREA:
        raise refuse(
            "stray-cell",
            f"the sheet reaches over {rows:,} rows and {columns:,} columns (last cell {last}); so large a sheet is not "
            "read.",
            "Delete the stray cells far from the table (select the empty rows and columns and delete them), or export "
            "the table as CSV.",
            sheet=sheet,
        )


def _column(letters: bytes) -> int:
    n = 0
    for b in letters.upper():
        n = n * 26 + b - 64
    return n - 1
