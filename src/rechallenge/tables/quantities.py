"""Columns of numbers: written numbers to values in the unit of the column, and whether they can be true."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge.tables import units
from rechallenge.tables.contract import Column, Contract
from rechallenge.tables.grid import Cells, show
from rechallenge.tables.headings import Headings
from rechallenge.tables.ledger import Ledger
from rechallenge.tables.numbers import BLANK_TEXT, Decision, parse
from rechallenge.tables.remarks import remark


@dataclass
class SheetTable:
    """What converting the columns of one sheet needs to know."""

    contract: Contract
    heads: Headings
    columns: tuple[Cells, ...]
    rows: NDArray[np.int64]
    decision: Decision
    unit: str
    book: Ledger
    doubtful: NDArray[np.bool_]

    def cells(self, name: str) -> Cells | None:
        p = self.heads.columns.get(name)
        return None if p is None else self.columns[p]


def clean(text: str) -> str:
    """Text as it is compared: trimmed, ordinary spaces, composed letters, no invisible characters."""
    text = text.replace("\u00a0", " ").replace("\u202f", " ").replace("\u200b", "").replace("\ufeff", "")
    return " ".join(unicodedata.normalize("NFC", text).split(" ")).strip()


def texts(cells: Cells) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Cleaned texts as an object array, and which of them say nothing."""
    if not len(cells):
        return np.zeros(0, dtype=object), np.zeros(0, dtype=bool)
    coded = cells.shown().dictionary_encode()
    words = [clean(w) for w in coded.dictionary.to_pylist()]
    nothing = np.array([w.lower() in BLANK_TEXT for w in words], dtype=bool)
    array = np.array(["" if b else w for w, b in zip(words, nothing, strict=True)], dtype=object)
    codes = coded.indices.to_numpy(zero_copy_only=False)
    return array[codes], nothing[codes]


def quantity(c: Column, n: int, t: SheetTable) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Values in the unit of the column, and which cells are blank; what is not a number goes into the ledger."""
    default = np.nan if c.default is None else float(c.default)
    cells = t.cells(c.name)
    if cells is None:
        return np.full(n, default), np.ones(n, dtype=bool)
    numbers = parse(cells, t.decision)
    values, blank = numbers.values, numbers.blank
    fraction = units.base_of(c.unit)
    is_fraction = fraction is not None and fraction.name == "fraction"
    for (what, text), at in numbers.odd.items():
        t.doubtful[at] = True
        code, message, remedy = remark(what, text, c, t.decision, t.heads.meanings[c.name].unit)
        t.book.cells(code, message, remedy, column=c.name, rows=t.rows[at].tolist(), value=text)
    if len(numbers.percent) and not is_fraction:
        values[numbers.percent] = np.nan
        at = numbers.percent
        t.doubtful[at] = True
        code, message, remedy = remark("percent", "", c, t.decision)
        t.book.cells(code, message, remedy, column=c.name, rows=t.rows[at].tolist(), value=cells.at(int(at[0])))
    for form, (text, value) in numbers.forms.items():
        why = f" because the decimal mark of this file is the {'comma' if t.decision.mark == ',' else 'point'}" + (
            f" ({t.decision.why})" if t.decision.why else ""
        )
        t.book.say(
            "number-form",
            f"{form}: {text!r} was read as {show(value)}{why if 'commas' in form or 'points' in form else ''}.",
            column=c.name,
            severity="note",
        )
    values = _in_unit(c, values, blank, numbers.percent if is_fraction else None, t)
    if c.default is not None and blank.any():
        values[blank] = default
        blank = np.zeros(n, dtype=bool)
    _bounds(c, values, cells, is_fraction, t)
    return values, blank


def _in_unit(
    c: Column, values: NDArray[np.float64], blank: NDArray[np.bool_], percent: NDArray[np.int64] | None, t: SheetTable
) -> NDArray[np.float64]:
    """Convert to the unit of the column from what the heading, a unit column, the study file or the cells declare."""
    base = units.base_of(c.unit) or (units.find("um", "concentration") if c.name.endswith("_um") else None)
    if base is None:
        return values
    meaning = t.heads.meanings[c.name]
    heading = meaning.unit
    if c.name in t.heads.unit_columns and base.dimension == "concentration":
        return _by_unit_column(c, values, blank, base, heading, t)
    said, where = heading, f"the heading {t.heads.written[c.name]!r}"
    if not said and t.unit and base.dimension == "concentration":
        said, where = t.unit, "study.toml"
    if said:
        unit = units.find(said, base.dimension)
        if unit is None:
            if base.dimension == "concentration":
                message, remedy = units.why_not(said)
                t.book.say("unit", message, remedy, column=c.name, value=said)
                return values
            t.book.say(
                "unit",
                f"values in {base.name} belong here.",
                f"Convert them to {base.name}.",
                column=c.name,
                value=said,
            )
            return values
        if unit.name != base.name:
            converted = unit.to(base, values)
            _say_converted(c, values, converted, unit, base, where, t)
            return converted
        return values
    if meaning.assumed and base.dimension == "concentration":
        t.book.say(
            "unit-assumed",
            f"the heading {t.heads.written[c.name]!r} names no unit; {base.name} was assumed.",
            f"Head the column {c.name}, or write the unit in brackets.",
            column=c.name,
            severity="warning",
        )
    if percent is not None and len(percent):
        values = values.copy()
        first = show(values[percent[0]])
        values[percent] = values[percent] / 100
        t.book.say(
            "converted",
            f"cells with a % sign were read as fractions: {first}% as {show(values[percent[0]])}.",
            column=c.name,
            severity="note",
        )
    return values


def _by_unit_column(
    c: Column,
    values: NDArray[np.float64],
    blank: NDArray[np.bool_],
    base: units.Unit,
    heading: str,
    t: SheetTable,
) -> NDArray[np.float64]:
    said, _ = texts(t.columns[t.heads.unit_columns[c.name]])
    values = values.copy()
    codes, words = pd.factorize(said)
    from_heading = units.find(heading, base.dimension) if heading else None
    for k, word in enumerate(words):
        at = codes == k
        if word == "":
            bare = at & ~blank & ~(values == 0) & ~np.isnan(values)
            if bare.any():
                t.doubtful[bare] = True
                t.book.cells(
                    "unit",
                    "the dose has no unit in this row, while other rows have one.",
                    "Fill in the unit.",
                    column=c.name,
                    rows=t.rows[bare].tolist(),
                )
            continue
        unit = units.find(word, base.dimension)
        if unit is None:
            t.doubtful[at] = True
            message, remedy = units.why_not(word)
            t.book.cells("unit", message, remedy, column=c.name, rows=t.rows[at].tolist(), value=word)
            continue
        if from_heading is not None and from_heading.name != unit.name:
            t.book.cells(
                "unit",
                f"the heading says {from_heading.name} and the unit column says {unit.name}.",
                "Keep the unit in one place.",
                column=c.name,
                rows=t.rows[at].tolist(),
                value=word,
            )
            continue
        if unit.name != base.name:
            before = values[at]
            values[at] = unit.to(base, before)
            _say_converted(c, before, values[at], unit, base, "the unit column", t)
    return values


def _say_converted(
    c: Column,
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    unit: units.Unit,
    base: units.Unit,
    where: str,
    t: SheetTable,
) -> None:
    filled = np.flatnonzero(~np.isnan(before) & (before != 0))
    example = f": {show(before[filled[0]])} {unit.name} is {show(after[filled[0]])} {base.name}" if len(filled) else ""
    t.book.say(
        "converted",
        f"converted from {unit.name} to {base.name}, as {where} says{example}.",
        column=c.name,
        severity="note",
    )


def _bounds(c: Column, values: NDArray[np.float64], cells: Cells, is_fraction: bool, t: SheetTable) -> None:
    finite = ~np.isnan(values)
    count = int(finite.sum())
    if not count:
        return
    if is_fraction and (values[finite] > 3).sum() > count / 2:
        low, high = np.nanmin(values), np.nanmax(values)
        t.book.say(
            "percent",
            f"per cent where a fraction belongs: the values run from {low:.4g} to {high:.4g}, and most are above 3 "
            "(1 is the vehicle).",
            f"Divide the column by 100, or head it '{c.name} (%)'.",
            column=c.name,
            value=cells.at(int(np.nanargmax(values))),
            row=int(t.rows[int(np.nanargmax(values))]),
        )
        return
    if is_fraction and t.heads.meanings[c.name].unit and 0 < np.nanmax(values) <= 0.015:
        t.book.say(
            "percent",
            "the heading says per cent, but the values are fractions (none is above 1.5).",
            "Take the % out of the heading.",
            column=c.name,
            value=cells.at(int(np.nanargmax(values))),
            row=int(t.rows[int(np.nanargmax(values))]),
        )
        return
    below = finite & ((values <= c.low) if c.low_open else (values < c.low))
    above = finite & (values > c.high)
    unit = f" {c.unit}" if c.unit and not is_fraction else ""
    if below.any():
        negative = c.low == 0 and not (c.low_open and (values[below] == 0).all())
        logs = c.name.endswith("_um") and (values[finite] < 0).sum() > count / 2
        remedy = "Check the value and its sign."
        if logs:
            remedy = "These look like logarithms of doses: write the doses themselves, in µM."
        elif negative and is_fraction:
            remedy = "Subtracting the blank can give this: check the blank wells."
        bound = f"above {show(c.low)}" if c.low_open else f"at least {show(c.low)}"
        _singly(
            "negative" if negative else "out-of-range",
            f"{c.name} cannot be negative." if negative and not c.low_open else f"{c.name} must be {bound}{unit}.",
            remedy,
            below, c, values, cells, t,
        )  # fmt: skip
    if above.any():
        remedy = (
            "Check the value; is it per cent? 1 is the vehicle." if is_fraction else "Check the value and its unit."
        )
        _singly(
            "out-of-range", f"{c.name} above {show(c.high)}{unit} makes no sense.", remedy, above, c, values, cells, t
        )
    if c.kind == "integer":
        part = finite & (values != np.floor(values))
        if part.any():
            _singly("not-whole", f"{c.name} is a whole number.", "Check the value.", part, c, values, cells, t)


def _singly(
    code: str,
    message: str,
    remedy: str,
    at: NDArray[np.bool_],
    c: Column,
    values: NDArray[np.float64],
    cells: Cells,
    t: SheetTable,
) -> None:
    """One fault per value (as written), its rows gathered."""
    where = np.flatnonzero(at)
    codes, _ = pd.factorize(values[where])
    for k in range(int(codes.max()) + 1):
        rows = where[codes == k]
        t.book.cells(
            code, message, remedy, column=c.name, rows=t.rows[rows].tolist(), value=cells.at(int(rows[0])).strip()
        )
