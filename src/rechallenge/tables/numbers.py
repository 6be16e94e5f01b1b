"""Text that people write for numbers, read in bulk; what is not a number is told apart by what it is.

Whether a comma is a decimal mark or parts thousands is decided once for a file, from the numbers that leave no
doubt ('0,5', '12.25', '1.234,5'); numbers that could be either ('1,234') follow that decision.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rechallenge.tables.grid import Cells

Mark = Literal[".", ","]

#: Cells that say "nothing here" in a number column (lower case).
BLANK = frozenset({"", "na", "n/a", "n.a.", "nan", "#n/a", "#nv", "null", "<na>"})
#: The same for a text column, where 'n.a.' may be a name.
BLANK_TEXT = frozenset({"", "na", "n/a", "nan", "#n/a", "#nv", "null", "<na>"})

_EXP = r"(?:[eE][+-]?[0-9]+)?"
_POINT = rf"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+){_EXP}$"
_COMMA = rf"^[+-]?(?:[0-9]+,[0-9]*|[0-9]*,[0-9]+){_EXP}$"
_EITHER_COMMA = r"^[+-]?[1-9][0-9]{0,2},[0-9]{3}$"
_EITHER_POINT = r"^[+-]?[1-9][0-9]{0,2}\.[0-9]{3}$"
_BOTH_COMMA = rf"^[+-]?[0-9]{{1,3}}(?:\.[0-9]{{3}})+,[0-9]*{_EXP}$|^[+-]?[0-9]{{1,3}}(?:\.[0-9]{{3}}){{2,}}$"
_BOTH_POINT = rf"^[+-]?[0-9]{{1,3}}(?:,[0-9]{{3}})+\.[0-9]*{_EXP}$|^[+-]?[0-9]{{1,3}}(?:,[0-9]{{3}}){{2,}}$"

_SPACES = re.compile(r"(?<=\d)[\u00a0\u2007\u2009\u202f '\u2019](?=\d{3}(?!\d))")
_MONTH = "jan|feb|mar|mär|mrz|apr|may|mai|jun|jul|aug|sep|sept|oct|okt|nov|dec|dez"
DATE = re.compile(
    rf"^\d{{1,2}}[-./ ]{{1,2}}(?:{_MONTH})[a-zä]*\.?(?:[-./ ]+\d{{2,4}})?$|^(?:{_MONTH})[a-zä]*\.?[-./ ]\d{{1,4}}$"
    r"|^\d{4}[-/]\d{1,2}[-/]\d{1,2}(?:[ T]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?)?$|^\d{1,2}[./-]\d{1,2}[./-]\d{2,4}$",
    re.I,
)
_LIMIT = re.compile(r"^(?:<|>|≤|≥|<=|>=|~|≈|ca\.?)\s*[+-]?[\d.,]+.*$")
_OVERFLOW = re.compile(
    r"^(?:ovr?flw|ovrflw|over(?:flow|range)?|ovf|sat(?:urated)?|out of range|>+\s*max|max|inf\+|#+sat)$", re.I
)
_SPREADSHEET = re.compile(r"^#(?:DIV/0|VALUE|REF|NAME|NUM|NULL|WERT|BEZUG|ZAHL|SPILL|CALC)[!?]*$", re.I)
_NOT_DETECTED = re.compile(
    r"^(?:n\.?\s*d\.?|not det(?:ected|ermined)\.?|bdl|blq|lod|loq|<lod|<loq|b\.?d\.?l?\.?)$", re.I
)
_INFINITE = re.compile(r"^[+-]?(?:inf|infinity|∞)$", re.I)
_SPREAD = re.compile(r"^[+-]?[\d.,]+\s*(?:±|\+/-|\+-)\s*[\d.,]+$")
_RANGE = re.compile(r"^\d[\d.,]*\s*[-–—]\s*\d[\d.,]*$")
_UNIT = re.compile(
    r"^(?P<number>[+-]?[\d.,]+(?:[eE][+-]?\d+)?)\s*(?P<unit>[a-zA-Zµμ°/][\w/µμ°^³²·.-]*(?:\s*/\s*\w+)?)$"
)
_PERCENT = re.compile(r"^(?P<number>[+-]?[\d.,]+)\s*%$")


@dataclass(frozen=True)
class Decision:
    """The decimal mark of a file and why: `mark` None where two marks contradict each other."""

    mark: Mark | None
    why: str = ""
    certain: bool = True
    examples: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Numbers:
    """One column as numbers.

    `values` (n,) is NaN where `blank` (nothing there) or where `odd` says what is there instead; `odd` maps
    (what, text) to positions. `forms` are the unusual ways of writing that were understood, `percent` the positions
    whose cell itself carried a % sign.
    """

    values: NDArray[np.float64]
    blank: NDArray[np.bool_]
    odd: dict[tuple[str, str], NDArray[np.int64]] = field(default_factory=dict)
    forms: dict[str, tuple[str, float]] = field(default_factory=dict)
    percent: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


def _matches(text: Any, pattern: str) -> NDArray[np.bool_]:
    found = pc.match_substring_regex(text, pattern).to_numpy(zero_copy_only=False)
    return np.asarray(found, dtype=bool)


def decide(columns: Sequence[Cells], delimiter: str) -> Decision:
    """The decimal mark of a file from all of its number columns.

    Without a number that leaves no doubt: a file parted by semicolons has decimal commas (programs part by
    semicolons where the comma is taken), in one parted by commas a quoted comma parts thousands, and anywhere else
    a number such as '1,234' is left undecided (`certain` is false).
    """
    comma = point = unsure = ""
    for cells in columns:
        text = pc.utf8_trim_whitespace(cells.text)
        has_comma = np.asarray(pc.match_substring(text, ",").to_numpy(zero_copy_only=False), dtype=bool)
        if not comma or not unsure:
            strings = text.filter(pa.array(has_comma))
            if len(strings):
                comma = comma or _first(strings, _COMMA, _EITHER_COMMA) or _first(strings, _BOTH_COMMA)
                point = point or _first(strings, _BOTH_POINT)
                unsure = unsure or _first(strings, _EITHER_COMMA)
        if not point or not comma:
            strings = text.filter(pa.array(~has_comma))
            dotted = strings.filter(pc.match_substring(strings, "."))
            if len(dotted):
                point = point or _first(dotted, _POINT, _EITHER_POINT)
                comma = comma or _first(dotted, _BOTH_COMMA)
    examples = {",": comma, ".": point, "?": unsure}
    if comma and point:
        return Decision(None, f"{comma!r} has a decimal comma and {point!r} a decimal point", examples=examples)
    if comma:
        return Decision(",", f"as in {comma!r}", examples=examples)
    if point:
        return Decision(".", f"as in {point!r}", examples=examples)
    if unsure and delimiter == ";":
        return Decision(",", "the columns are parted by semicolons", examples=examples)
    if unsure and delimiter == ",":
        return Decision(".", "the columns are parted by commas", examples=examples)
    return Decision(".", "", certain=not unsure, examples=examples)


def _first(text: Any, pattern: str, unless: str = "") -> str:
    hit = _matches(text, pattern)
    if unless:
        hit &= ~_matches(text, unless)
    i = int(hit.argmax()) if len(hit) else 0
    return str(text[i].as_py()) if len(hit) and hit[i] else ""


def parse(cells: Cells, decision: Decision) -> Numbers:
    """Read a column of cells as numbers under the decimal mark of its file."""
    n = len(cells)
    values = np.full(n, np.nan)
    text = pc.utf8_trim_whitespace(cells.text)
    todo = ~np.asarray(pc.equal(text, "").to_numpy(zero_copy_only=False), dtype=bool)
    blank = ~todo
    if cells.number is not None:
        native = ~np.isnan(cells.number)
        values[native] = cells.number[native]
        todo &= ~native
        blank &= ~native
    odd: dict[tuple[str, str], list[int]] = {}
    for i, date in cells.dates.items():
        todo[i] = False
        odd.setdefault(("date", str(text[i].as_py()) or str(date)), []).append(i)
    _bulk(text, todo, values, decision)
    out = Numbers(values, blank)
    if todo.any():
        _rest(text, np.flatnonzero(todo), decision, out, odd)
    out.odd = {k: np.asarray(v, dtype=np.int64) for k, v in odd.items()}
    return out


def _bulk(text: Any, todo: NDArray[np.bool_], values: NDArray[np.float64], decision: Decision) -> None:
    """Plainly written numbers, all at once; exactly rounded. What it reads is taken off `todo`."""
    if not todo.any():
        return
    plain = todo & _matches(text, _POINT)
    if decision.mark == ",":
        plain &= ~_matches(text, _EITHER_POINT)
    if plain.any():
        values[plain] = pc.cast(text.filter(pa.array(plain)), pa.float64()).to_numpy(zero_copy_only=False)
        todo &= ~plain
    if decision.mark == "," and todo.any():
        comma = todo & _matches(text, _COMMA)
        if comma.any():
            pointed = pc.replace_substring(text.filter(pa.array(comma)), ",", ".")
            values[comma] = pc.cast(pointed, pa.float64()).to_numpy(zero_copy_only=False)
            todo &= ~comma
    infinite = np.isinf(values)
    if infinite.any():  # 1e400
        values[infinite] = np.nan
        todo |= infinite


def _rest(
    text: Any, at: NDArray[np.int64], decision: Decision, out: Numbers, odd: dict[tuple[str, str], list[int]]
) -> None:
    coded = text.take(pa.array(at)).dictionary_encode()
    codes = coded.indices.to_numpy(zero_copy_only=False)
    order = np.argsort(codes, kind="stable")
    groups = np.split(at[order], np.flatnonzero(np.diff(codes[order])) + 1)
    percent: list[NDArray[np.int64]] = []
    for string, places in zip(coded.dictionary.to_pylist(), groups, strict=True):
        what, value, form = read_one(string, decision)
        if what == "number":
            out.values[places] = value
            if form:
                out.forms.setdefault(form, (string, value))
        elif what == "percent":
            out.values[places] = value
            percent.append(places)
        elif what == "blank":
            out.blank[places] = True
        else:
            odd.setdefault((what, string), []).extend(places.tolist())
    if percent:
        out.percent = np.concatenate(percent)


def read_one(string: str, decision: Decision) -> tuple[str, float, str]:
    """One written number: (what it is, its value, the unusual form it has).

    `what` is number, percent, blank, or a kind of fault: ambiguous, mixed, unit, limit, overflow, spreadsheet,
    not-detected, infinite, spread, range, date, formula, narrow, text.
    """
    nan = math.nan
    s = string.strip().strip("\u200b\ufeff")
    if s.lower() in BLANK:
        return "blank", nan, ""
    form = ""
    if "\u2212" in s or "\u2013" in s[:1]:
        s, form = s.replace("\u2212", "-").replace("\u2013", "-"), "a typographic minus"
    grouped = _SPACES.sub("", s)
    if grouped != s and re.match(r"^[+-]?\d{1,3}(?:[\u00a0\u2007\u2009\u202f '\u2019]\d{3})+(?:[.,]\d*)?$", s):
        s, form = grouped, "thousands parted by spaces or apostrophes"
    value = _number(s, decision)
    if isinstance(value, float):
        if math.isinf(value):
            return "infinite", nan, ""
        if not form and decision.mark == "," and re.match(_EITHER_POINT, s):
            form = "thousands parted by points"
        elif not form and decision.mark == "." and "," in s:
            form = "thousands parted by commas"
        return "number", value, form
    if value:
        return value, nan, ""
    percent = _PERCENT.match(s)
    if percent:
        inner = _number(percent["number"], decision)
        if isinstance(inner, float):
            return "percent", inner, ""
    return _what(s), nan, ""


def _number(s: str, decision: Decision) -> float | str:
    """The number, or 'ambiguous' or 'mixed', or '' where it is no number."""
    if re.match(_EITHER_COMMA, s):
        if decision.mark is None or not decision.certain:
            return "ambiguous"
        return float(s.replace(",", "." if decision.mark == "," else ""))
    if re.match(_EITHER_POINT, s):
        if decision.mark is None:
            return "ambiguous"
        return float(s.replace(".", "") if decision.mark == "," else s)
    has_comma = bool(re.match(_COMMA, s) or re.match(_BOTH_COMMA, s))
    has_point = bool(("." in s and re.match(_POINT, s)) or re.match(_BOTH_POINT, s))
    if has_comma:
        if decision.mark != ",":
            return "mixed"
        return float(s.replace(".", "").replace(",", "."))
    if has_point:
        if decision.mark != ".":
            return "mixed"
        return float(s.replace(",", ""))
    if re.match(_POINT, s):
        return float(s)
    return ""


def _what(s: str) -> str:
    if _INFINITE.match(s):
        return "infinite"
    if s.startswith("="):
        return "formula"
    if _SPREADSHEET.match(s):
        return "spreadsheet"
    if re.match(r"^#+$", s):
        return "narrow"
    if _NOT_DETECTED.match(s):
        return "not-detected"
    if _OVERFLOW.match(s):
        return "overflow"
    if _LIMIT.match(s):
        return "limit"
    if DATE.match(s):
        return "date"
    if _SPREAD.match(s):
        return "spread"
    if _RANGE.match(s):
        return "range"
    if _UNIT.match(s):
        return "unit"
    return "text"


def unit_in(s: str) -> tuple[str, str]:
    """The number and the unit of a cell such as '10 uM' ('' and '' where it is not of that form)."""
    found = _UNIT.match(s.strip())
    return (found["number"], found["unit"]) if found else ("", "")
