"""A result table as it is shown on the page: chosen columns, formatted cells, bounds as bounds, reasons in words."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.report import words

#: characters that a row may take on the page before further columns are hidden (they open on request)
WIDTH = 132
#: text longer than this is for machines (covariances and the like) and stays in the file
LONGEST = 160
#: text up to this length is kept on one line
SHORT = 24
#: text longer than this is a sentence, and its column is wide enough to read it
LONG = 120
_ALWAYS = ("p_value", "q_value", "status", "verdict", "n", "n_replicates", "claim", "summary", "reason")
_VARY = ("p_value", "q_value", "claim", "summary")
_SENTENCES = ("claim", "summary", "reason", "note")
#: tables of which a reader compares these columns, side by side; all others open on request
_SHOWN = {
    "repurposing": ("rank", "candidate", "acts_on", "relation", "drug", "right_direction", "status", "marks",
                    "tested_here", "synergistic", "achievable", "liver", "use"),
}  # fmt: skip
_COUNTS = ("row", "n", "rank", "day", "df")


@dataclass(frozen=True)
class Column:
    """One column on the page: its name in the file, its heading, whether numbers, whether hidden at first."""

    name: str
    heading: str
    numeric: bool
    more: bool

    @property
    def css(self) -> str:
        """Classes of the heading."""
        return " ".join(c for c in ("num" * self.numeric, "more" * self.more) if c)


@dataclass(frozen=True)
class Cell:
    """Formatted text, what to sort by (empty: the text itself; `NaN` sorts last) and the kind of value."""

    text: str
    sort: str = ""
    kind: str = ""

    def css(self, column: Column) -> str:
        """Classes of the cell."""
        number = column.numeric and self.kind != "missing"
        return " ".join(c for c in ("num" * number, "more" * column.more, self.kind) if c)


@dataclass(frozen=True)
class TableView:
    """A table ready to be printed.

    `order` says which rows of a longer table are shown, `same` what is the same in all rows, `left_out` which columns
    are not shown, and why.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: int
    order: str = ""
    same: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def more(self) -> int:
        """How many columns are hidden at first."""
        return sum(c.more for c in self.columns)

    def pairs(self, row: tuple[Cell, ...]) -> Iterable[tuple[Column, Cell]]:
        """The cells of a row, each with its column."""
        return zip(self.columns, row, strict=True)


def view(name: str, frame: pd.DataFrame, *, title: str = "", most: int = 100, width: int = WIDTH) -> TableView:
    """The first `most` rows of a table (of a longer one: those with the smallest p), formatted column by column."""
    total = len(frame)
    frame, order = _first(frame, most)
    folded = _Folded(frame)
    made: list[tuple[str, str, list[Cell]]] = []
    left_out: list[str] = []
    for c in [str(c) for c in frame.columns if not str(c).startswith("_") and str(c) not in folded.hidden]:
        if c not in _SHOWN.get(name, ()) and _for_machines(c, frame[c]):
            left_out.append(f"{c} (long)")
            continue
        head, cells = _column(c, frame, folded)
        if cells and all(cell.kind == "missing" for cell in cells):
            left_out.append(f"{c} (empty)")
            continue
        made.append((c, head, cells))
    same = {c: f"{head} {cells[0].text}" for c, head, cells in made[1:] if _constant(c, cells)}
    same = {c: text for c, text in same.items() if c not in folded.first}
    rest = [(c, head, cells) for c, head, cells in made if c not in same]
    names = itertools.takewhile(lambda c: not _is_number(frame[c]), (c for c, _, _ in rest if c not in _ALWAYS))
    hidden = (
        {c for c, _, _ in made if c not in _SHOWN[name]}
        if name in _SHOWN
        else _hidden(rest, (*itertools.islice(names, 3), *folded.first), width)
    ) | set(same)
    columns = tuple(
        Column(c, head, _is_number(frame[c]) and c not in folded.interval, c in hidden) for c, head, _ in made
    )
    rows = tuple(zip(*[cells for _, _, cells in made], strict=True)) if made else ()
    return TableView(
        name, title or words.title(name), columns, rows, total, order, tuple(same.values()), tuple(left_out)
    )


def _first(frame: pd.DataFrame, most: int) -> tuple[pd.DataFrame, str]:
    """At most `most` rows, and how they were chosen."""
    if len(frame) <= most:
        return frame.reset_index(drop=True), ""
    by = next((c for c in ("rank", "q_value", "p_value") if c in frame.columns), "")
    if not by:
        return frame.iloc[:most].reset_index(drop=True), "in the order of the file"
    values = pd.to_numeric(frame[by], errors="coerce").fillna(np.inf)
    second = pd.to_numeric(frame["p_value"], errors="coerce").fillna(np.inf) if "p_value" in frame.columns else values
    chosen = frame.iloc[np.lexsort((second, values))[:most]].reset_index(drop=True)
    return chosen, "by rank" if by == "rank" else f"with the smallest {words.heading(by)}"


def _constant(name: str, cells: list[Cell]) -> bool:
    """The same in every row of a table of some length, and nothing that a reader looks for in each row."""
    return len(cells) > 3 and name not in _VARY and len({cell.text for cell in cells}) == 1


def _hidden(columns: list[tuple[str, str, list[Cell]]], first: tuple[str, ...], width: int) -> set[str]:
    """Columns that do not fit into a row of `width` characters; `first` and those always shown are counted first."""
    need = {}
    for c, head, cells in columns:
        longest = max((len(cell.text) for cell in cells), default=0)
        need[c] = 3 + max(min(longest, SHORT), *(len(w) for w in head.split()))
    always = {*_ALWAYS, *first}
    left = width - sum(need[c] for c in need if c in always)
    out = set()
    for c in [c for c in need if c not in always]:
        if c == "source_rows" or need[c] > left:
            out.add(c)
        else:
            left -= need[c]
    return out


def _is_number(values: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)


def _for_machines(name: str, values: pd.Series[Any]) -> bool:
    if _is_number(values) or name in (*_ALWAYS, "source_rows"):
        return False
    return max((len(str(v)) for v in values), default=0) > LONGEST


def _column(name: str, frame: pd.DataFrame, folded: _Folded) -> tuple[str, list[Cell]]:
    """Heading and formatted cells of one column."""
    values = frame[name].tolist()
    if name in folded.interval:
        low, high = folded.interval[name]
        stem = low[: -len("ci_low")].rstrip("_")
        limits = zip(frame[low], frame[high], strict=True)
        return (f"{words.heading(stem)} CI" if stem else "CI"), [_interval(a, b) for a, b in limits]
    if name == "status":
        reasons = frame["reason"].tolist() if "reason" in frame.columns else [""] * len(frame)
        return "status", [_status(a, b) for a, b in zip(values, reasons, strict=True)]
    if name == "source_rows":
        return "rows of the lab's table", [_text(words.rows_in_words(str(v))) for v in values]
    if _is_number(frame[name]):
        rows = [frame.iloc[i] for i in range(len(frame))] if name in folded.bounds else []
        return words.heading(name), _numbers(name, values, [folded.bound(name, row) for row in rows])
    if name == "cell":
        values = words.even(values)
    elif name in _SENTENCES:
        values = [words.plain(v) if isinstance(v, str) else v for v in values]
    cells = [_text(v) for v in values]
    longest = max((len(cell.text) for cell in cells), default=0)
    kind = "short" if longest <= SHORT else "long" if longest > LONG else ""
    if kind:
        cells = [Cell(cell.text, cell.sort, cell.kind or kind) for cell in cells]
    return words.heading(name), cells


class _Folded:
    """Which columns of a table are told together with another one: limits as an interval, bounds in the estimate."""

    def __init__(self, frame: pd.DataFrame):
        names = [str(c) for c in frame.columns]
        self.interval: dict[str, tuple[str, str]] = {}
        self.bounds: dict[str, tuple[str, str, str]] = {}
        #: the first estimate with its interval, which is what a table is about
        self.first: tuple[str, ...] = ()
        self.hidden: set[str] = {"reason"} if "status" in names and "reason" in names else set()
        for low in [n for n in names if n.endswith("ci_low")]:
            high = low[: -len("low")] + "high"
            if high not in names or not all(pd.api.types.is_numeric_dtype(frame[c]) for c in (low, high)):
                continue
            self.interval[low] = (low, high)
            self.hidden.add(high)
            stem = low[: -len("ci_low")]
            before = names[: names.index(low)]
            close = [n for n in before if n.startswith(stem) and pd.api.types.is_numeric_dtype(frame[n])]
            close = [n for n in close if n not in ("se", "p_value", "q_value", "n", "df") and not n.endswith("_se")]
            if close:
                estimate = close[0] if stem else close[-1]
                side = f"{stem}bound" if f"{stem}bound" in names else ""
                self.bounds[estimate] = (low, high, side)
                self.first = self.first or (estimate, low)
                self.hidden.update(n for n in (f"{stem}bound", f"{stem}bound_um", f"{stem}bound_value") if n in names)

    def bound(self, estimate: str, row: Any) -> str:
        """`> 10` where the estimate is missing and one side is known."""
        low, high, side = self.bounds[estimate]
        if not words.is_missing(row[estimate]):
            return ""
        if side:
            limit = next((row[n] for n in (f"{side}_um", f"{side}_value") if n in row.index), None)
            sign = {"above": ">", "below": "<", ">": ">", "<": "<"}.get(str(row[side]), "")
            if sign and not words.is_missing(limit):
                return f"{sign} {words.number(limit, trim=True)}"
        return words.bound(row[low], row[high])


def _interval(low: Any, high: Any) -> Cell:
    text = words.interval(low, high)
    return Cell(text, _sortable(low), "interval") if text else Cell(words.MISSING, "NaN", "missing")


def _status(value: Any, reason: Any) -> Cell:
    kind = str(value) if str(value) in words.STATUS_WORDS else ""
    return Cell(words.plain(words.status(value, reason)), "", kind and f"status {kind}")


def _numbers(name: str, values: list[Any], bounds: list[str]) -> list[Cell]:
    known = [float(v) for v in values if not words.is_missing(v)]
    whole = all(math.isfinite(v) and v == int(v) and abs(v) < 1e15 for v in known)
    count = whole and (name in _COUNTS or name.startswith("n_") or all(isinstance(v, int) for v in values))
    trim = all(not math.isfinite(v) or float(f"{v:.3g}") == v for v in known)
    limits = bounds or [""] * len(values)
    cells = []
    for v, limit in zip(values, limits, strict=True):
        if limit:
            cells.append(Cell(limit, _sortable(limit[1:].replace(",", "")), "bound"))
        elif words.is_missing(v):
            cells.append(Cell(words.MISSING, "NaN", "missing"))
        elif count:
            cells.append(Cell(words.number(int(v)), _sortable(v)))
        elif name.endswith(("p_value", "q_value")) or name in ("p", "q", "lack_of_fit_p"):
            cells.append(Cell(words.p_value(v), _sortable(v)))
        else:
            cells.append(Cell(words.number(v, trim=trim), _sortable(v)))
    return cells


def _text(value: Any) -> Cell:
    if words.is_missing(value):
        return Cell(words.MISSING, "", "missing")
    if isinstance(value, bool | np.bool_):
        return Cell("yes" if value else "no")
    if isinstance(value, float):
        return Cell(words.number(value), _sortable(value))
    return Cell(str(value))


def _sortable(value: Any) -> str:
    try:
        v = float(value)
    except (TypeError, ValueError):
        return "NaN"
    return "NaN" if math.isnan(v) else repr(v).replace("inf", "Infinity")
