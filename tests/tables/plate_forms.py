"""Synthetic exports in every form, and what must come out of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from io import BytesIO

import pytest
from openpyxl import Workbook

from rechallenge.faults import InputFaults
from rechallenge.tables.exports import Export, read_export
from rechallenge.tables.files import Content
from rechallenge.tables.wells import PlateRead, number, row_letters


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
