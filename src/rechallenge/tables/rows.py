"""Which rows of a sheet are data: blank rows, comments, repeated headings, unit rows and summary rows are not."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from rechallenge.tables import units
from rechallenge.tables.contract import Contract, plain
from rechallenge.tables.grid import Cells, Grid
from rechallenge.tables.headings import Headings
from rechallenge.tables.ledger import Ledger, also_in
from rechallenge.tables.text import is_comment

#: First cells of rows that sum up others (compared through `plain`).
_SUMMARY = frozenset(
    ("mean", "average", "avg", "sd", "stdev", "std", "stddev", "standarddeviation", "sem", "se", "stderr",
     "standarderror", "median", "total", "sum", "cv", "variance", "var", "meansd", "meansem", "mittelwert", "stabw",
     "moyenne", "media", "geomean", "geometricmean")
)  # fmt: skip


@dataclass(frozen=True)
class DataRows:
    """The columns of the data rows and the numbers of those rows."""

    columns: tuple[Cells, ...]
    numbers: NDArray[np.int64]


def data_rows(grid: Grid, heads: Headings, contract: Contract, models: Collection[str], book: Ledger) -> DataRows:
    """The rows that hold data. What is passed over and matters goes into `book`."""
    n = len(grid)
    blank = np.ones(n, dtype=bool)
    for cells in grid.columns:
        blank &= cells.empty()
        if not blank.any():
            break
    keep = ~blank
    _comments(grid, keep)
    _repeated(grid, heads, keep, book)
    _unit_row(grid, heads, contract, keep, book)
    _summaries(grid, heads, contract, models, keep, book)
    ragged = dict(grid.ragged)
    if ragged:
        keep &= ~np.isin(grid.rows, list(ragged))
        _ragged(grid, ragged, keep, book)
    columns, numbers = grid.take(keep)
    return DataRows(columns, numbers)


def row_names(grid: Grid) -> bool:
    """Whether the first column is a running number without a heading, as R and pandas write it."""
    if len(grid.headings) < 2 or len(grid) == 0 or grid.headings[0].strip() not in ("", "Unnamed: 0"):
        return False
    n = len(grid)
    texts = grid.columns[0].shown()
    for start in (0, 1):
        ends = {texts[0].as_py().strip(): str(start), texts[n - 1].as_py().strip(): str(start + n - 1)}
        if all(a == b for a, b in ends.items()):
            return [t.strip() for t in texts.to_pylist()] == [str(i) for i in range(start, start + n)]
    return False


def _comments(grid: Grid, keep: NDArray[np.bool_]) -> None:
    if not grid.columns:
        return
    starts = np.asarray(pc.starts_with(grid.columns[0].text, "#").to_numpy(zero_copy_only=False), dtype=bool)
    for i in np.flatnonzero(starts & keep):
        texts = [c.at(int(i)) for c in grid.columns]
        if is_comment(texts) and not any(t.strip() for t in texts[1:]):
            keep[i] = False


def _repeated(grid: Grid, heads: Headings, keep: NDArray[np.bool_], book: Ledger) -> None:
    """Rows that repeat the heading, as in files put together one below the other."""
    if not heads.columns:
        return
    positions = list(heads.columns.values())
    first = positions[0]
    same = np.asarray(
        pc.equal(pc.utf8_trim_whitespace(grid.columns[first].text), grid.headings[first].strip()).to_numpy(
            zero_copy_only=False
        ),
        dtype=bool,
    )
    rows = [
        int(i)
        for i in np.flatnonzero(same & keep)
        if all(grid.columns[p].at(int(i)).strip() == grid.headings[p].strip() for p in positions)
    ]
    if rows:
        keep[rows] = False
        numbers = [int(grid.rows[i]) for i in rows]
        book.say(
            "repeated-heading",
            "this row repeats the heading; it was passed over." + also_in(numbers),
            "Remove it, or name the files separately.",
            row=numbers[0],
            severity="warning",
            count=len(numbers),
        )


def _unit_row(grid: Grid, heads: Headings, contract: Contract, keep: NDArray[np.bool_], book: Ledger) -> None:
    """A row of units below the heading."""
    filled = np.flatnonzero(keep)
    numeric = [c for c in contract.columns if c.kind != "text" and c.name in heads.columns]
    if not len(filled) or not numeric:
        return
    i = int(filled[0])
    texts = {c.name: grid.columns[heads.columns[c.name]].at(i).strip().strip("()[]") for c in numeric}
    written = {n: t for n, t in texts.items() if t and t not in ("-", "–")}
    if not written or not all(units.is_unit(t) or t.startswith("%") for t in written.values()):
        return
    keep[i] = False
    column, unit = next(iter(written.items()))
    book.say(
        "unit-row",
        "this row holds units, not data.",
        f"Write the unit into the heading, for example '{column.removesuffix('_um')} ({unit})', and delete this row.",
        row=int(grid.rows[i]),
        column=column,
        value=unit,
    )


def _summaries(
    grid: Grid, heads: Headings, contract: Contract, models: Collection[str], keep: NDArray[np.bool_], book: Ledger
) -> None:
    """Rows such as 'Mean' or 'SD' that sum up the rows above.

    In the column of replicates such a word always marks one; in the first column and in names only where the row also
    lacks a name that every row needs (a group may rightly be called 'total').
    """
    if not len(grid) or not grid.columns:
        return
    known = {plain(m) for m in models}
    names = [c for c in contract.columns if c.name in heads.columns and not c.choices]
    replicate = {heads.columns[c.name] for c in names if c.name == "replicate"}
    places = {0} | replicate | {heads.columns[c.name] for c in names if c.kind == "text" and c.refers in ("", "model")}
    bare = np.zeros(len(grid), dtype=bool)
    for c in names:
        if c.required and not c.measured:
            bare |= grid.columns[heads.columns[c.name]].empty()
    hits: dict[int, str] = {}
    for p in sorted(places):
        coded = grid.columns[p].text.dictionary_encode()
        words = coded.dictionary.to_pylist()
        summary = [k for k, w in enumerate(words) if plain(w) in _SUMMARY and plain(w) not in known]
        if not summary:
            continue
        codes = coded.indices.to_numpy(zero_copy_only=False)
        for i in np.flatnonzero(np.isin(codes, summary) & keep & (bare if p not in replicate else True)):
            hits.setdefault(int(i), words[codes[i]])
    if not hits:
        return
    keep[list(hits)] = False
    numbers = sorted(int(grid.rows[i]) for i in hits)
    first = min(hits)
    book.say(
        "summary-row",
        "this row sums up others ("
        + ", ".join(sorted(set(hits.values())))[:80]
        + ") and is no observation."
        + also_in(numbers),
        "Delete such rows; means and spreads are computed from the replicates.",
        row=numbers[0],
        value=hits[first],
        count=len(numbers),
    )


def _ragged(grid: Grid, ragged: dict[int, str], keep: NDArray[np.bool_], book: Ledger) -> None:
    numbers = sorted(ragged)
    n = int(keep.sum()) + len(numbers)
    remedy = "Check the row: a cell that holds the delimiter must stand in quotation marks."
    first = [grid.columns[0].at(int(i)).strip() for i in np.flatnonzero(np.isin(grid.rows, numbers))]
    if len(numbers) == n and n > 1 and first in ([str(i) for i in range(n)], [str(i + 1) for i in range(n)]):
        remedy = "Every row has one cell too many: most often the first column (row names) has no heading. Write one."
    elif grid.delimiter == ",":
        remedy = (
            "A comma inside a cell (a decimal comma, or a name with a comma) makes two cells of one: put the cell in "
            "quotation marks, or save the file with semicolons or tabs."
        )
    book.say(
        "ragged",
        f"the row has more cells than there are headings ({len(grid.headings)})." + also_in(numbers),
        remedy,
        row=numbers[0],
        value=re.sub(r"\s+", " ", ragged[numbers[0]]),
        count=len(numbers),
    )


def merged_fault(grid: Grid, book: Ledger) -> None:
    """A heading under a merged cell has no name of its own."""
    if grid.merged:
        names = ", ".join(repr(grid.headings[p]) for p in grid.merged if grid.headings[p])
        book.say(
            "merged-heading",
            f"the heading row has merged cells ({names or 'without text'}): columns below them have no own heading.",
            "Unmerge the cells and give every column its own heading in one row.",
            row=grid.header_row,
        )
