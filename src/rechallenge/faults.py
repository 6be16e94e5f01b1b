"""What is wrong with an input, said so that the person who made the table can mend it.

Exception tree::

    RechallengeError           everything this package raises on purpose
    ├── InputFaults            the study or its tables have faults; carries all of them (exit status 2)
    ├── NotApplicable          "not my data": an analysis has nothing to work on and says why
    └── StoreError             the results store cannot be read or written
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

Severity = Literal["error", "warning", "note"]
_ORDER = {"error": 0, "warning": 1, "note": 2}


@dataclass(frozen=True)
class Fault:
    """One thing to mend or to know about an input.

    `row` is the row as the user's spreadsheet numbers it (the heading is row 1 where the table starts at the
    top). `code` is stable and machine readable; `message` says what is wrong and why it matters; `remedy` what
    to do about it. An `error` stops the run, a `warning` is repeated in the report, a `note` echoes a guess
    that reading had to make (delimiter, decimal comma, encoding, unit).
    """

    code: str
    message: str
    remedy: str = ""
    file: str = ""
    sheet: str = ""
    row: int | None = None
    column: str = ""
    value: str = ""
    severity: Severity = "error"
    count: int = 1

    def __str__(self) -> str:
        place = [self.file + (f" [{self.sheet}]" if self.sheet else "")] if self.file else []
        if self.row is not None:
            place.append(f"row {self.row}")
        if self.column:
            place.append(f"column {self.column}")
        text = ", ".join(place)
        if self.value:
            text += f": {self.value!r}" if text else repr(self.value)
        text += (": " if text else "") + self.message
        if self.count > 1:
            text += f" ({self.count} times)"
        if self.remedy:
            text += f" {self.remedy}"
        return text

    def at(self, **place: Any) -> Fault:
        """The same fault with its place (file, sheet, row, column, value, ...) filled in."""
        return replace(self, **place)

    def record(self) -> dict[str, Any]:
        """A plain dict for `run.json`."""
        return asdict(self)


def by_place(faults: Iterable[Fault]) -> list[Fault]:
    """Errors first, then by file, row and column; ties keep their order."""
    return sorted(
        faults,
        key=lambda f: (_ORDER[f.severity], f.file, f.sheet, f.row if f.row is not None else 0, f.column),
    )


def errors(faults: Iterable[Fault]) -> list[Fault]:
    """Only the faults that stop a run."""
    return [f for f in faults if f.severity == "error"]


class RechallengeError(Exception):
    """Base of everything this package raises on purpose; its text is a sentence for the user."""


class InputFaults(RechallengeError):
    """The input has faults; nothing was run. `faults` holds all of them."""

    def __init__(self, faults: Iterable[Fault]):
        self.faults = by_place(faults)
        n = len(errors(self.faults))
        super().__init__(
            f"{n} fault{'s' if n != 1 else ''} in the input:\n" + "\n".join(f"  {f}" for f in errors(self.faults))
        )


class NotApplicable(RechallengeError):
    """An analysis has nothing to work on in this study; the text says what it would need."""


class StoreError(RechallengeError):
    """The results store cannot be read or written; the text says where and what to do."""
