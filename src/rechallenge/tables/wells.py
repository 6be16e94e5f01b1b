"""Wells of a microplate and what a reader writes into them.

Rows and columns count from 1: row 1 is A, column 1 is the first. The name of a well is its row letter and its
column with at least two digits (`A01`, `P24`, `AF48`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

#: wells on a plate -> (rows, columns)
SHAPES: dict[int, tuple[int, int]] = {
    6: (2, 3),
    12: (3, 4),
    24: (4, 6),
    48: (6, 8),
    96: (8, 12),
    384: (16, 24),
    1536: (32, 48),
}
Well = tuple[int, int]

_LETTER_FIRST = re.compile(r"^(?:well\s*)?([A-Za-z]{1,2})\s*[:\-_, ]?\s*0*(\d{1,2})$", re.IGNORECASE)
_DIGIT_FIRST = re.compile(r"^0*(\d{1,2})([A-Za-z])$")
_NUMBERS = re.compile(r"^(?:\(\s*)?(?:r|row)?\s*0*(\d{1,2})\s*(?:[,:;/]|c|col|column)\s*0*(\d{1,2})(?:\s*\))?$", re.I)


def row_number(letters: str) -> int | None:
    """1 for A, 26 for Z, 27 for AA; None for anything that is not a row letter of a plate (up to AF).

    >>> row_number("H"), row_number("AF"), row_number("AG"), row_number("7")
    (8, 32, None, None)
    """
    text = letters.strip().upper()
    if not re.fullmatch(r"[A-Z]{1,2}", text):
        return None
    number = 0
    for letter in text:
        number = number * 26 + ord(letter) - 64
    return number if number <= 32 else None


def row_letters(number: int) -> str:
    """`A` for 1, `AF` for 32."""
    return chr(64 + number) if number <= 26 else "A" + chr(64 + number - 26)


@lru_cache(maxsize=16384)
def parse_well(text: str) -> Well | None:
    """Row and column of a well however it is written, or None.

    >>> [parse_well(t) for t in ("A1", "a01", "A:1", "Well A1", "1,1", "R1C1", "1A")] == [(1, 1)] * 7
    True
    >>> parse_well("AG1"), parse_well("A49"), parse_well("A0"), parse_well("DMSO")
    (None, None, None, None)
    """
    text = unquoted(text)
    row: int | None
    if m := _LETTER_FIRST.match(text):
        row, column = row_number(m[1]), int(m[2])
    elif m := _NUMBERS.match(text):
        row, column = int(m[1]), int(m[2])
    elif m := _DIGIT_FIRST.match(text):
        row, column = row_number(m[2]), int(m[1])
    else:
        return None
    return (row, column) if row is not None and 1 <= row <= 32 and 1 <= column <= 48 else None


def well_name(well: Well) -> str:
    """`A01` for (1, 1)."""
    return f"{row_letters(well[0])}{well[1]:02d}"


def plate_size(wells: Iterable[Well], rows: int = 0, columns: int = 0) -> int | None:
    """The smallest plate of 96 wells or more that holds these wells (or that many rows and columns)."""
    for row, column in wells:
        rows, columns = max(rows, row), max(columns, column)
    for size in (96, 384, 1536):
        if rows <= SHAPES[size][0] and columns <= SHAPES[size][1]:
            return size
    return None


def unquoted(text: str) -> str:
    """The text of a cell without the `="..."` that some programs put around it.

    >>> unquoted('="H0109"'), unquoted(' A1 ')
    ('H0109', 'A1')
    """
    text = text.strip()
    if '"' not in text and not text.startswith("="):
        return text
    if text.startswith("="):
        text = text[1:]
    return text.strip().strip('"').strip()


_POINT = re.compile(r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
_COMMA = re.compile(r"^[+-]?(\d+,\d*|,\d+|\d+)([eE][+-]?\d+)?$")
_GROUPED = re.compile(r"^[+-]?[1-9]\d{0,2}([,.  '])\d{3}(\1\d{3})*$")


def number(token: str, decimal: str = ".") -> float | None:
    """The number in a cell, written with `decimal` as its decimal sign and without grouping, or None."""
    text = token.strip().replace("−", "-")
    if decimal == ",":
        return float(text.replace(",", ".")) if _COMMA.match(text) else None
    return float(text) if _POINT.match(text) else None


def decimal_sign(tokens: Iterable[str]) -> str:
    """`.` or `,` as these cells use it; `?` where commas may be decimal signs or groups of three digits.

    >>> decimal_sign(["0,81", "1"]), decimal_sign(["0.81"]), decimal_sign(["12,345", "1,204"])
    (',', '.', '?')
    """
    comma = [t for t in tokens if "," in t and _COMMA.match(t.strip())]
    if not comma:
        return "."
    return "?" if all(_GROUPED.match(t.strip()) for t in comma) else ","


_ABOVE = re.compile(
    r"^(ovrflw|ovf|over|overflow|over\s*range|overrange|saturated|sat\.?|out\s*of\s*range|out|max|high|\*{2,}|\+{2,}"
    r"|#{2,}|[>≥]=?\s*[\d.,]+|inf|\+inf)$",
    re.IGNORECASE,
)
_BELOW = re.compile(r"^(underflow|under|undrflw|low|<=?\s*-?[\d.,]+|-inf)$", re.IGNORECASE)
_MISSED = re.compile(
    r"^(missed|missing|n\.?/?a\.?|#n/a|n\.?d\.?|nan|null|none|-+|\?+|no\s*read|not\s*read|lost|skipped"
    r"|error|err|invalid|failed|#value!|#num!|#div/0!|#ref!|empty)$",
    re.IGNORECASE,
)


def not_a_read(token: str) -> str:
    """Why the reader gave no number for a well, in words, or the empty string for any other text.

    >>> not_a_read("OVRFLW"), not_a_read("MISSED")[:4], not_a_read("SPL1")
    ('above the range of the instrument', 'not ', '')
    """
    text = token.strip()
    if _ABOVE.match(text):
        return "above the range of the instrument"
    if _BELOW.match(text):
        return "below the range of the instrument"
    if _MISSED.match(text):
        return "not read by the instrument"
    return ""


@dataclass(frozen=True)
class Cell:
    """What stands in one well: its text, the row of the file (from 1) and a flag of the instrument, if any."""

    text: str
    row: int
    flag: str = ""


@dataclass
class PlateRead:
    """One read of one plate: every well's text under one label (wavelength, filter) and repeat.

    `names` are the names by which the export knows the plate, the best first. `calculated` marks results that the
    instrument's program worked out from reads (blank-corrected, ratios, cross-talk); they are taken only by name.
    """

    names: tuple[str, ...]
    label: str
    wells: dict[Well, Cell]
    sheet: str = ""
    repeat: int = 1
    calculated: bool = False

    @property
    def name(self) -> str:
        return self.names[0] if self.names else ""
