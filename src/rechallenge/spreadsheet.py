"""Tables as CSV that a spreadsheet shows and does not run.

UTF-8 with LF line ends (within cells too), numbers in the shortest form that reads back to the same value, `inf` for
infinite and nothing for missing. Spreadsheets take text that begins with = + - @ (or their full-width forms, or a tab
or line end before them) for a formula. Such a text gets an apostrophe in front, unless it is a number: -1.5 stays -1.5.
The same is done behind a semicolon, tab or line end within a text, because a spreadsheet set to these as separators
begins a new cell there. Characters that hide what a text says (`rechallenge.hidden`) are left out. The Parquet table
beside each CSV of a run holds the text as it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from rechallenge import hidden

if TYPE_CHECKING:
    import pandas as pd

_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20"
#: a formula at the start of a text, or where a semicolon, tab or line end starts a cell in some spreadsheets; a
#: quotation mark that opens there belongs to the separator
_START = re.compile(rf"(?:\A|(?<=[;\t\n]))([ \"\u00a0]*)(?=[{_SIGNS}\t])")
_SUSPECT = re.compile(rf"[{_SIGNS}\t\r{hidden.CHARACTERS}]")
#: what stays as it is: a number up to the end of its cell
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf", re.IGNORECASE)
_INNER = re.compile(r"[+-](\d+\.?\d*|\.\d+)([eE][+-]?\d+)?(?=\s*(?:[;\t\n]|\Z))")


def csv_text(frame: pd.DataFrame) -> str:
    """A table as CSV (see the top of this module for the form)."""
    import pandas as pd

    safe = frame.rename(columns={c: cell(str(c)) for c in frame.columns})
    for position, dtype in enumerate(safe.dtypes):
        if not pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_datetime64_any_dtype(dtype):
            column = safe.iloc[:, position]
            text = column.astype(object)
            suspect = text.map(lambda v: isinstance(v, str) and bool(_SUSPECT.search(v)))
            if suspect.any():
                safe = safe.copy(deep=False)
                safe.isetitem(position, text.where(~suspect, text.map(cell)).to_numpy())
    made: str = safe.to_csv(None, index=False, lineterminator="\n", na_rep="")
    return made


def cell(value: Any) -> Any:
    """A text cell that no spreadsheet runs, without characters that hide what it says; other values as they are."""
    if not isinstance(value, str) or not _SUSPECT.search(value) or _NUMBER.fullmatch(value):
        return value
    value = hidden.without(value)
    return _START.sub(lambda m: m[0] if _INNER.match(value, m.end()) else f"'{m[1]}", value)
