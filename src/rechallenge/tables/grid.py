"""A sheet of cells as read from a file, before anything is known about what it means."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

#: What a spreadsheet hands over for a cell formatted as a date or time.
DateLike = dt.date | dt.time | dt.timedelta  # datetime is a date


@dataclass(frozen=True)
class Cells:
    """One column of cells, n of them.

    `text` (pyarrow string array without nulls) holds what is written, '' where a cell is empty or holds a native
    number; `number` holds native numbers (NaN elsewhere; None where the format knows only text); `dates` holds by
    position what the file itself says is a date or time.
    """

    text: Any
    number: NDArray[np.float64] | None = None
    dates: Mapping[int, DateLike] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.text)

    def empty(self) -> NDArray[np.bool_]:
        """Which cells hold nothing (spaces count as nothing)."""
        blank = pc.equal(pc.utf8_trim_whitespace(self.text), "").to_numpy(zero_copy_only=False)
        if self.number is not None:
            blank = blank & np.isnan(self.number)
        return np.asarray(blank, dtype=bool)

    def take(self, keep: NDArray[np.bool_]) -> Cells:
        """The cells for which `keep` is true."""
        if keep.all():
            return self
        new = np.cumsum(keep) - 1
        return Cells(
            self.text.filter(pa.array(keep)),
            None if self.number is None else self.number[keep],
            {int(new[i]): d for i, d in self.dates.items() if keep[i]},
        )

    def shown(self) -> Any:
        """All cells as text (pyarrow string array), native numbers as a person would write them."""
        if self.number is None:
            return self.text
        values = self.text.to_pylist()
        for i in np.flatnonzero(~np.isnan(self.number)):
            values[i] = show(self.number[i])
        return pa.array(values, pa.string())

    def at(self, i: int) -> str:
        """One cell as text."""
        if self.number is not None and not math.isnan(self.number[i]):
            return show(self.number[i])
        return str(self.text[i].as_py())


@dataclass(frozen=True)
class Grid:
    """A heading and the cells below it.

    `rows` numbers the rows as the user's spreadsheet does. `ragged` lists (row, text) of cells beyond the last
    heading; `above` are the texts of the rows before the heading that were passed over; `merged` the positions of
    headings under a merged cell.
    """

    headings: tuple[str, ...]
    columns: tuple[Cells, ...]
    rows: NDArray[np.int64]
    header_row: int = 1
    sheet: str = ""
    delimiter: str = ""
    ragged: tuple[tuple[int, str], ...] = ()
    above: tuple[str, ...] = ()
    merged: tuple[int, ...] = ()
    how: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, keep: NDArray[np.bool_]) -> tuple[tuple[Cells, ...], NDArray[np.int64]]:
        """Columns and row numbers of the rows for which `keep` is true."""
        return tuple(c.take(keep) for c in self.columns), self.rows[keep]


def show(value: float) -> str:
    """A number as a person writes it: 3 for 3.0, otherwise the shortest text that gives the same number.

    >>> show(3.0), show(0.1)
    ('3', '0.1')
    """
    if math.isfinite(value) and value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return repr(float(value))


def cells_of(values: Sequence[Any]) -> Cells:
    """One column from native values of a spreadsheet: text, numbers, truth values, dates, None."""
    kinds = set(map(type, values))
    if kinds == {str}:
        return Cells(pa.array(values, pa.string()))
    if kinds and kinds <= {float, int}:
        number = np.asarray(values, dtype=float)
        if np.isfinite(number).all():
            return Cells(pa.array(np.full(len(values), "", dtype=object), pa.string()), number)
    text = [""] * len(values)
    number = np.full(len(values), np.nan)
    dates: dict[int, DateLike] = {}
    for i, v in enumerate(values):
        if isinstance(v, str):
            text[i] = v
        elif isinstance(v, bool | np.bool_):
            text[i] = "TRUE" if v else "FALSE"
        elif isinstance(v, int | float | np.number):
            if math.isinf(v):
                text[i] = "inf" if v > 0 else "-inf"
            else:
                number[i] = float(v)
        elif isinstance(v, dt.date | dt.time | dt.timedelta):
            dates[i] = v
            text[i] = show_date(v)
        elif v is not None:
            text[i] = str(v)
    return Cells(pa.array(text, pa.string()), number if not np.isnan(number).all() else None, dates)


def show_date(value: DateLike) -> str:
    """A date as text: ISO, without a midnight that nobody typed."""
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat(sep=" ")
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)


def letter(position: int) -> str:
    """The letter of a spreadsheet column, counted from 0.

    >>> letter(0), letter(26)
    ('A', 'AA')
    """
    name = ""
    position += 1
    while position:
        position, rest = divmod(position - 1, 26)
        name = chr(65 + rest) + name
    return name
