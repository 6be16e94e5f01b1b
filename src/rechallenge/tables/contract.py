"""What a table of a study must hold, said in the lab's words.

A `Contract` is data: a name, columns, a key, and rules that look at the whole table. Reading
(`rechallenge.tables.reading`) turns a file into a frame that keeps the contract, or into faults.
An assay declares its contract in a few lines beside its analyses; discovery finds it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from rechallenge.faults import Fault

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["text", "number", "integer"]
Refers = Literal["", "model", "drug", "gene"]

#: columns that reading adds to every table: where the row came from
ORIGIN = ("_file", "_sheet", "_row")


@dataclass(frozen=True)
class Column:
    """One column of a table.

    `also` lists other headings that labs use; headings are compared without case, spaces, punctuation and the
    unit in brackets. `unit` is the unit of the stored number; a column named `<stem>_um` may instead be given as
    `<stem>` (or `<stem>_um`) with a unit column `<stem>_unit`, and is converted to µM on reading.
    `measured` marks a column whose empty cells mean "not measured": such rows are excluded and listed, whereas an
    empty cell in any other required column is a fault. `default` fills the column where the table lacks it or a
    cell is empty. `low` and `high` bound the values (`low_open`: the bound itself is outside).
    A `unit` of "fraction" (or "fraction of ...") makes per cent in its place a fault, and "%" in the heading a unit.
    `refers` says what a text names: a model of the study, a drug or a gene.
    `empty_where` names another column and values of it where this required cell may stay empty: `("well_type",
    ("blank",))` for what a blank well has none of.
    """

    name: str
    about: str
    kind: Kind = "text"
    required: bool = False
    unit: str = ""
    low: float = -float("inf")
    high: float = float("inf")
    low_open: bool = False
    choices: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    default: Any = None
    measured: bool = False
    refers: Refers = ""
    empty_where: tuple[str, tuple[str, ...]] | None = None

    @property
    def headings(self) -> tuple[str, ...]:
        """Every heading under which this column is recognised."""
        return (self.name, *self.also)


#: A rule looks at the whole table (canonical columns plus ORIGIN) and the study's models; it yields faults whose
#: file and row it takes from the row's origin columns.
Rule = Callable[["pd.DataFrame", "pd.DataFrame"], Iterable[Fault]]


@dataclass(frozen=True)
class Contract:
    """A table kind.

    `key` names the columns that identify one observation: exact copies of a row are refused.
    `either` lists alternative groups of columns of which one whole group must be there, e.g.
    `(("viability",), ("signal", "well_type", "plate"))`.
    `reader` is another way to read files of this kind than 'tidy' (default): 'plates', 'matrix' (see `tables.matrix`),
    or the address "module:function" of a function as `tables.reading.READERS` describes.
    """

    name: str
    about: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    either: tuple[tuple[str, ...], ...] = ()
    rules: tuple[Rule, ...] = ()
    reader: str = "tidy"
    example: str = field(default="", repr=False)  # a few CSV lines for `rechallenge new` and the docs

    def __post_init__(self) -> None:
        seen: dict[str, str] = {}
        for c in self.columns:
            if self.reader == "matrix" and c.name == "feature":
                continue  # it heads the matrix, the other columns are of the sheet
            for h in c.headings:
                other = seen.setdefault(plain(h), c.name)
                if other != c.name:
                    raise ValueError(f"contract {self.name}: heading {h!r} names both {other} and {c.name}")
        names = {c.name for c in self.columns}
        unknown = [n for group in (self.key, *self.either) for n in group if n not in names]
        if unknown:
            raise ValueError(f"contract {self.name}: key or either names unknown columns {unknown}")

    def column(self, name: str) -> Column:
        """The column of that canonical name; KeyError where there is none."""
        for c in self.columns:
            if c.name == name:
                return c
        raise KeyError(name)

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.columns if c.required)


def plain(heading: str) -> str:
    """A heading as it is compared: without case, unit in brackets, spaces and punctuation.

    >>> plain("Dose (µM)") == plain("dose")
    True
    """
    text = re.sub(r"[\(\[].*?[\)\]]", "", str(heading)).replace("µ", "u").replace("μ", "u")
    return re.sub(r"[^a-z0-9]+", "", text.lower())


def place(frame: pd.DataFrame, index: Any) -> dict[str, Any]:
    """Where a row of a read table came from, as keyword arguments for `Fault`."""
    row = frame.loc[index]
    return {
        "file": str(row.get("_file", "")),
        "sheet": str(row.get("_sheet", "") or ""),
        "row": int(row["_row"]) if "_row" in frame.columns else None,
    }


_SPANS = re.compile(r"([^;]+):([0-9]+(?:-[0-9]+)?(?:,[0-9]+(?:-[0-9]+)?)*)(?:;|\Z)")


def spans_of(text: str) -> list[tuple[str, int, int]]:
    """(file, first row, last row) of every span of a `source_rows` text; what does not follow that form is left out.

    >>> spans_of("a.csv:2-4,7;b.csv:9")
    [('a.csv', 2, 4), ('a.csv', 7, 7), ('b.csv', 9, 9)]
    """
    found = []
    for one in _SPANS.finditer(text):
        for span in one[2].split(","):
            first, _, last = span.partition("-")
            found.append((one[1], int(first), int(last or first)))
    return found


def source_rows(files: Iterable[str], rows: Iterable[int]) -> str:
    """Origins written briefly and in order: `viability.csv:2-28,31;plate2.csv:2-9`.

    >>> source_rows(["a.csv"] * 4, [2, 3, 4, 7])
    'a.csv:2-4,7'
    """
    by_file: dict[str, list[int]] = {}
    for f, r in zip(files, rows, strict=True):
        by_file.setdefault(str(f), []).append(int(r))
    parts = []
    for f in sorted(by_file):
        spans: list[list[int]] = []
        for r in sorted(set(by_file[f])):
            if spans and r == spans[-1][1] + 1:
                spans[-1][1] = r
            else:
                spans.append([r, r])
        parts.append(f"{f}:" + ",".join(str(a) if a == b else f"{a}-{b}" for a, b in spans))
    return ";".join(parts)
