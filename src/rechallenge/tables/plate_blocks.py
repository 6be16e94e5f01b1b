"""Grids of wells (rows A to H by columns 1 to 12, and larger) in the cells of an export.

No instrument is assumed. A grid is recognised by its column numbers and row letters, by its row letters alone, or,
where neither is there, by being exactly as large as a 96-, 384- or 1536-well plate. Stacked grids are several plates,
or several reads of one plate, told apart by the lines above them (`plate_headings`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from rechallenge.tables.wells import SHAPES, Cell, Well, not_a_read, number, row_number

Rows = Sequence[Sequence[str]]


@dataclass
class Block:
    """One grid as it stands in a sheet: wells, the lines above it, and the rows it takes (from 1).

    `labelled`: with row letters or column numbers; `label`: a name that stands after its values; `columns`: the last
    column it could hold.
    """

    wells: dict[Well, Cell]
    first_row: int
    last_row: int
    above: list[tuple[int, list[str]]] = field(default_factory=list)
    corner: str = ""
    label: str = ""
    labelled: bool = True
    columns: int = 0


def is_value(text: str) -> bool:
    """Whether a cell can stand in a grid of signals: empty, a number, or a mark of a well that was not read."""
    return not text or number(text) is not None or number(text, ",") is not None or bool(not_a_read(bare(text)))


def is_number(text: str) -> bool:
    """Whether a cell holds a number, with a decimal point or comma, flagged or not."""
    return bool(text) and (number(bare(text)) is not None or number(bare(text), ",") is not None)


def bare(text: str) -> str:
    """The value without the mark (`*`, `#`) by which some readers flag it."""
    return text.rstrip("*#").strip() if re.fullmatch(r"[-+\d.,eE]+\s*[*#]", text) else text


def split_flag(text: str) -> tuple[str, str]:
    """A cell as (value, flag): `0.812*` is flagged, `****` is a value that was not read."""
    value = bare(text)
    return (value, text[len(value) :].strip()) if value != text else (text, "")


def filled_in(row: Sequence[str]) -> list[int]:
    """Positions of the cells that hold anything."""
    return [i for i, text in enumerate(row) if text]


def _column_numbers(row: Sequence[str]) -> tuple[int, int, int] | None:
    """Where a heading row of column numbers begins, its first number and how many follow one another."""
    filled = filled_in(row)
    for at in filled[:3]:
        run = 0
        while at + run < len(row) and row[at + run].isdecimal() and int(row[at + run]) == int(row[at]) + run:
            run += 1
        if run >= 3 and 1 <= int(row[at]) <= 49 - run:
            after = [i for i in filled if i >= at + run]
            before = [i for i in filled if i < at]
            return (at, int(row[at]), run) if len(before) <= 2 and len(after) <= 2 else None
    return None


def blocks(rows: Rows, padded: bool) -> tuple[list[Block], list[str]]:
    """Every grid of a sheet in order, and what looked like a grid but was not one (in words).

    `padded` says that all rows have the same length whether they hold anything or not (a workbook), so that an
    empty row ends a grid; in a text file a row of separators alone is a row of empty wells.
    """
    found: list[Block] = []
    odd: list[str] = []
    i, previous_end = 0, 0
    while i < len(rows):
        many = _numbered(rows, i) or _lettered(rows, i)
        if not many:
            many, skip, complaint = _bare_grid(rows, i, padded)
            if complaint:
                odd.append(complaint)
            if not many:
                i += max(skip, 1)
                continue
        above = [(n + 1, list(rows[n])) for n in range(previous_end, many[0].first_row - 1) if any(rows[n])]
        for block in many:
            block.above = above
        found += many
        i = previous_end = max(b.last_row for b in many)
    return found, odd


def _numbered(rows: Rows, i: int) -> list[Block]:
    """A grid under a row of column numbers, with row letters or, if it is as tall as a plate, without."""
    heading = _column_numbers(rows[i])
    if heading is None:
        return []
    at, first, count = heading
    corner = " ".join(rows[i][k] for k in filled_in(rows[i]) if k < at)
    reads: dict[int, Block] = {}
    current, nth, lower, t = 0, 0, False, i + 1

    def add(row_of_plate: int, which: int, line: Sequence[str]) -> None:
        block = reads.setdefault(which, Block({}, i + 1, t + 1, corner=corner, columns=first + count - 1))
        trailing = [x for x in line[at + count :] if x]
        if trailing and not block.label and not is_number(trailing[0]):
            block.label = trailing[0]
        for k in range(count):
            if at + k < len(line):
                block.wells[(row_of_plate, first + k)] = Cell(line[at + k], t + 1)
        block.last_row = t + 1

    while t < len(rows):
        line = rows[t]
        letters = [x for x in line[:at] if x]
        row = row_number(letters[-1]) if letters else None
        if row is not None and letters and (lower or row <= current) and letters[-1].islower() and current >= 16:
            row, lower = row + 26, True  # a-f follow Z on 1536-well plates of some readers
        if row is not None and row > current:
            current, nth = row, 0
            add(row, 0, line)
        elif current and not letters and any(is_number(x) for x in line[at : at + count]):
            nth += 1  # a second read of the same row, below the first
            add(current, nth, line)
        else:
            break
        t += 1
    if reads:
        return [reads[k] for k in sorted(reads)]
    height = next((r for r, c in SHAPES.values() if c == count >= 6 and first == 1), 0)
    body = rows[i + 1 : i + 1 + height]
    if len(body) < height or not height:
        return []
    if not all(any(is_number(x) for x in line[at : at + count]) for line in body):
        return []
    for row in range(1, height + 1):
        t = i + row
        add(row, 0, body[row - 1])
    return [reads[0]]


def _lettered(rows: Rows, i: int) -> list[Block]:
    """A grid with row letters and no column numbers: the cells after the letter are columns 1, 2, 3, ..."""

    def letter(n: int) -> tuple[int, int] | None:
        if n >= len(rows) or not (filled := filled_in(rows[n])):
            return None
        row = row_number(rows[n][filled[0]])
        values = rows[n][filled[0] + 1 :]
        if row is None or sum(map(is_number, values)) < 2 or not all(map(is_value, values[:-1])):
            return None
        return row, filled[0]

    first = letter(i)
    if first is None or first[0] != 1 or letter(i + 1) != (2, first[1]):
        return []
    block = Block({}, i + 1, i + 1)
    t = i
    while (now := letter(t)) == (t - i + 1, first[1]):
        line = rows[t][now[1] + 1 :]
        width = len(line)
        while width and not line[width - 1]:
            width -= 1
        for column, text in enumerate(line[:width], start=1):
            if column <= 48:
                block.wells[(now[0], column)] = Cell(text, t + 1)
                block.columns = max(block.columns, column)
        block.last_row = t + 1
        t += 1
    return [block]


def _bare_grid(rows: Rows, i: int, padded: bool) -> tuple[list[Block], int, str]:
    """Grids without letters and numbers: one plate high, or several plates stacked without a line between them."""

    def like(row: Sequence[str]) -> bool:
        filled = filled_in(row)
        if not filled:
            return not padded and len(row) >= 12
        return all(map(is_value, (row[k] for k in filled))) and any(is_number(row[k]) for k in filled)

    end = i
    while end < len(rows) and like(rows[end]):
        end += 1
    body = rows[i:end]
    if not any(any(row) for row in body):
        return [], end - i, ""
    first = min(min(filled_in(row)) for row in body if any(row))
    last = max(max(filled_in(row)) for row in body if any(row))
    longest = max(len(row) for row in body)
    for height, width in (SHAPES[96], SHAPES[384], SHAPES[1536]):
        if len(body) % height:
            continue
        if not padded and longest in (width, width + 1) and last < width:
            offset = 0
        elif last - first + 1 == width:
            offset = first
        else:
            continue
        many = []
        for top in range(0, len(body), height):
            wells = {
                (r + 1, c + 1): Cell(
                    body[top + r][offset + c] if offset + c < len(body[top + r]) else "", i + top + r + 1
                )
                for r in range(height)
                for c in range(width)
            }
            many.append(Block(wells, i + top + 1, i + top + height, labelled=False, columns=width))
        return many, end - i, ""
    if len(body) >= 4 and last - first + 1 >= 4:
        return (
            [],
            end - i,
            (
                f"{len(body)} rows of up to {last - first + 1} numbers from row {i + 1} on are not as large as a plate "
                "(8 x 12, 16 x 24, 32 x 48) and have neither row letters nor column numbers"
            ),
        )
    return [], end - i, ""
