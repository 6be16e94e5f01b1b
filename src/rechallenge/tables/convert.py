"""From a grid of cells to the columns of a contract: numbers, units, names, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from rechallenge.faults import Fault
from rechallenge.study import nearest
from rechallenge.tables.contract import Column, Contract, plain
from rechallenge.tables.grid import Cells, Grid, letter
from rechallenge.tables.headings import Headings, understand
from rechallenge.tables.ledger import Ledger
from rechallenge.tables.numbers import Decision, decide, parse
from rechallenge.tables.quantities import SheetTable, clean, quantity, texts
from rechallenge.tables.rows import data_rows, merged_fault, row_names


@dataclass
class Part:
    """One sheet of one file, converted.

    `excluded` lists (row, column, value, reason) of what is left out; `doubtful` marks rows of the frame that have a
    faulty cell (all of them where a required column is missing), which are not compared with other rows. `headed` is
    false where the headings themselves have faults.
    """

    frame: pd.DataFrame
    sheet: str
    faults: list[Fault]
    excluded: list[tuple[int, str, str, str]]
    doubtful: NDArray[np.bool_]
    headed: bool = True


def convert(
    grid: Grid,
    contract: Contract,
    *,
    file: str,
    unit: str = "",
    given: Mapping[str, str] | None = None,
    models: Collection[str] = (),
) -> Part:
    """Convert one sheet.

    `unit` is the unit that the study file declares for the doses of this file; `given` maps columns that the file
    lacks to the one value that the study file gives for all of its rows.
    """
    given = dict(given or {})
    book = Ledger(file, grid.sheet)
    running = row_names(grid)
    filled = ["" if i == 0 and running else _first_filled(c) for i, c in enumerate(grid.columns)]
    heads = understand(grid.headings, contract, filled, list(given))
    merged = {letter(p) for p in grid.merged}
    book.faults += [
        f.at(file=file, sheet=grid.sheet, row=grid.header_row)
        for f in heads.faults
        if not (merged and (f.code == "missing-column" or (f.code == "empty-heading" and f.column in merged)))
    ]
    merged_fault(grid, book)
    broken = any(f.severity == "error" for f in book.faults)
    data = data_rows(grid, heads, contract, models, book)
    n = len(data.numbers)
    if n == 0 and not any(f.code in ("summary-row", "ragged", "unit-row") for f in book.faults):
        book.say("no-rows", "the table has a heading but no rows of data.", "Fill it, or take it out of study.toml.")
    numeric = [c for c in contract.columns if c.kind != "text" and c.name in heads.columns]
    decision = decide([data.columns[heads.columns[c.name]] for c in numeric], grid.delimiter)
    doubtful = np.full(n, broken, dtype=bool)
    table = SheetTable(contract, heads, data.columns, data.numbers, decision, unit, book, doubtful)
    values: dict[str, Any] = {}
    missing: dict[str, NDArray[np.bool_]] = {}
    for c in contract.columns:
        if c.name in given:
            values[c.name] = _given(c, given[c.name], n, table)
        elif c.kind == "text":
            values[c.name], missing[c.name] = _text(c, n, table)
        else:
            values[c.name], missing[c.name] = quantity(c, n, table)
    for c in contract.columns:
        if c.empty_where is not None and c.name in missing:
            other, words = c.empty_where
            missing[c.name] = missing[c.name] & ~np.isin(values[other].astype(str), words)
    keep, excluded = _complete(contract, heads, set(given), missing, table)
    frame = pd.DataFrame(values, columns=[c.name for c in contract.columns], copy=False)
    frame["_file"] = np.full(n, file, dtype=object)
    frame["_sheet"] = np.full(n, grid.sheet, dtype=object)
    frame["_row"] = data.numbers
    for heading, p in heads.extra.items():
        frame[heading] = texts(data.columns[p])[0]
    if not keep.all():
        frame = frame[keep].reset_index(drop=True)
    _echo(grid, table)
    return Part(frame, grid.sheet, book.all(), excluded, doubtful[keep], not broken)


def _first_filled(cells: Cells) -> str:
    empty = cells.empty()
    return "" if empty.all() else cells.at(int(np.argmin(empty)))[:80]


def _text(c: Column, n: int, t: SheetTable) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    default = "" if c.default is None else str(c.default)
    if c.name == "unit" and t.unit and c.name not in t.heads.columns:
        return np.full(n, t.unit, dtype=object), np.zeros(n, dtype=bool)
    cells = t.cells(c.name)
    if cells is None:
        return np.full(n, default, dtype=object), np.ones(n, dtype=bool)
    values, blank = texts(cells)
    if default and blank.any():
        values = np.where(blank, default, values).astype(object)
        blank = np.zeros(n, dtype=bool)
    if c.choices:
        values = _choices(c, values, t)
    if cells.dates and c.refers in ("drug", "model"):
        at = sorted(cells.dates)
        t.book.cells(
            "date",
            f"a spreadsheet turned the name of a {c.refers} into a date.",
            "Format the column as text and type the name again.",
            column=c.name,
            rows=[int(t.rows[i]) for i in at],
            value=cells.at(at[0]),
        )
    return values, blank


def _choices(c: Column, values: NDArray[Any], t: SheetTable) -> NDArray[Any]:
    codes, words = pd.factorize(values)
    known = {plain(w): w for w in c.choices}
    out = []
    for k, word in enumerate(words):
        if word == "" or word in c.choices:
            out.append(word)
        elif plain(word) in known and plain(word):
            out.append(known[plain(word)])
        else:
            out.append(word)
            t.book.cells(
                "not-a-choice",
                f"this is not one of {', '.join(c.choices)}.",
                f"Write one of them.{nearest(word, c.choices)}",
                column=c.name,
                rows=t.rows[codes == k].tolist(),
                value=word,
            )
    return np.array(out, dtype=object)[codes] if len(words) else values


def _given(c: Column, value: str, n: int, t: SheetTable) -> NDArray[Any]:
    """A column filled with the one value that the study file gives."""
    if c.name in t.heads.columns:
        t.book.say(
            "given-twice",
            "the table has this column, and study.toml gives a value for it as well.",
            "Remove one of the two.",
            column=c.name,
            value=value,
        )
    if c.kind == "text":
        values = np.full(n, clean(value), dtype=object)
        return _choices(c, values, t) if c.choices else values
    numbers = parse(Cells(pa.array([value], pa.string())), Decision("."))
    if np.isnan(numbers.values[0]):
        t.book.say("not-a-number", "study.toml must give a number here.", "Write a number.", column=c.name, value=value)
    return np.full(n, numbers.values[0])


def _complete(
    contract: Contract,
    heads: Headings,
    given: set[str],
    missing: Mapping[str, NDArray[np.bool_]],
    t: SheetTable,
) -> tuple[NDArray[np.bool_], list[tuple[int, str, str, str]]]:
    """Which rows stay, and what is left out: a row without its measurement is excluded, any other gap is a fault."""
    n = len(t.rows)
    keep = np.ones(n, dtype=bool)
    excluded: list[tuple[int, str, str, str]] = []

    def leave_out(at: NDArray[np.bool_], name: str) -> None:
        cells = t.columns[heads.columns[name]]
        for i in np.flatnonzero(at & keep):
            text = cells.at(int(i)).strip()
            excluded.append((int(t.rows[i]), name, text, "not measured" + ("" if text else " (empty cell)")))
        keep[at] = False

    def empty(at: NDArray[np.bool_], c: Column) -> None:
        rows = t.rows[at & keep].tolist()
        if not rows:
            return
        once = c.kind == "text" and not missing[c.name][0] and len(rows) >= 0.3 * n
        t.book.cells(
            "empty-cell",
            f"the cell is empty, and every row needs {c.name}."
            if c.required
            else f"the cell is empty, and {c.name} is needed here.",
            "The name seems to stand once for a block of rows (merged cells): unmerge them and fill every row."
            if once
            else "Fill it in, or delete the row.",
            column=c.name,
            rows=rows,
        )

    there = set(heads.columns) | given
    groups = [g for g in contract.either if set(g) <= there]
    in_groups = {name for g in contract.either for name in g}
    for c in contract.columns:
        if c.required and c.measured and c.name in heads.columns and c.name not in in_groups:
            leave_out(missing[c.name], c.name)
    if groups:
        gaps = [{name: missing[name] for name in g if name in missing} for g in groups]
        short = np.ones(n, dtype=bool)
        for group in gaps:
            short &= np.logical_or.reduce(list(group.values())) if group else np.zeros(n, dtype=bool)
        if short.any():
            for group in gaps:
                for name, gap in group.items():
                    c = contract.column(name)
                    if not c.measured:
                        others = [m for other, m in group.items() if contract.column(other).measured]
                        empty(short & gap & ~np.logical_or.reduce([*others, np.zeros(n, dtype=bool)]), c)
            for group in gaps:
                for name, gap in group.items():
                    if contract.column(name).measured:
                        leave_out(short & gap, name)
    for c in contract.columns:
        if c.required and not c.measured and c.name in missing and c.name in heads.columns and c.name not in in_groups:
            empty(missing[c.name], c)
    return keep, excluded


def _echo(grid: Grid, t: SheetTable) -> None:
    """One note on how the file was read."""
    parts = [h for h in grid.how if h]
    if t.decision.why and t.decision.mark:
        parts.append(f"decimal {'comma' if t.decision.mark == ',' else 'point'} ({t.decision.why})")
    if grid.header_row > 1:
        parts.append(f"heading in row {grid.header_row}")
    if grid.above:
        parts.append("above it: " + "; ".join(a[:40] for a in grid.above[:3]))
    t.book.say("read-as", "read as " + ", ".join(parts) + ".", severity="note")
