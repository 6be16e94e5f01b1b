"""The cells of a raw export as text, sheet by sheet and row by row, before anything is known about them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

from rechallenge.tables import workbook
from rechallenge.tables.files import Content
from rechallenge.tables.grid import cells_of
from rechallenge.tables.sniff import decode, kind_of, refuse
from rechallenge.tables.text import refuse_monsters
from rechallenge.tables.wells import number, unquoted
from rechallenge.tables.xlsx import survey


@dataclass(frozen=True)
class Sheet:
    """The cells of one sheet as text, row by row. `padded`: every row has the same length (a workbook)."""

    name: str
    rows: list[list[str]]
    padded: bool = False


def raw_sheets(content: Content) -> list[Sheet]:
    """Every sheet of a file as rows of text. Text files are one sheet; the delimiter is the one that gives numbers."""
    kind = kind_of(content.data)
    if kind == "parquet":
        raise refuse(
            "wrong-format", "a Parquet file is not the export of a plate reader.", "Name it under `viability`."
        )
    if kind == "text":
        text, _ = decode(content.data)
        refuse_monsters(text)
        return [Sheet("", _rows(text))]
    return _workbook(content.data, kind)


def _rows(text: str) -> list[list[str]]:
    """Rows of cells as a spreadsheet would show them (a quoted cell may hold line ends)."""
    lines = io.StringIO(text, newline=None).read().split("\n")
    best = max(("\t", ";", ",", "|"), key=lambda d: _numbers(lines, d))
    if _numbers(lines, " ") > 2 * _numbers(lines, best):
        return [line.split() for line in lines]
    reader = csv.reader(io.StringIO("\n".join(lines), newline=""), delimiter=best)
    try:
        return [[unquoted(x) for x in row] for row in reader]
    except csv.Error as e:
        message = f"this row cannot be taken apart ({e}); most often a quotation mark opens and never closes."
        raise refuse("quotes", message, "Export the plate again.", row=reader.line_num) from None


def _numbers(lines: Sequence[str], delimiter: str) -> int:
    """How many cells of the file are numbers when it is split so; rows of one cell do not count."""
    total = 0
    for line in lines[:5000]:
        cells = line.split(delimiter) if delimiter != " " else line.split()
        if len(cells) > 1:
            values = [x.strip().strip('"') for x in cells]
            total += sum(number(x) is not None or number(x, ",") is not None for x in values)
    return total


def _workbook(data: bytes, kind: str) -> list[Sheet]:
    flaws = survey(data, kind)
    sheets, _ = workbook.sheets_of(data, kind, surveyed=True)
    out = []
    for name, (rows, _) in sheets.items():
        texts = [[unquoted(x) for x in cells_of(row).shown().to_pylist()] for row in rows]
        for (r, c), text in (flaws[name].cells if name in flaws else {}).items():
            if r < len(texts) and c < len(texts[r]) and not texts[r][c]:
                texts[r][c] = text
        out.append(Sheet(name, texts, padded=True))
    return out
