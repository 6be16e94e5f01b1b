"""Faults of single cells gathered into few: the same fault on many rows is one fault with its first places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rechallenge.faults import Fault, Severity

#: Different values of one column with one kind of fault that are named singly; the rest are summed up.
MAX_VALUES = 20
#: Rows named in the text of a fault.
MAX_ROWS = 8


@dataclass
class Ledger:
    """The faults of one table: add them cell by cell, take them grouped."""

    file: str = ""
    sheet: str = ""
    faults: list[Fault] = field(default_factory=list)
    _values: dict[tuple[str, str, str], int] = field(default_factory=dict)
    _more: dict[tuple[str, str, str], list[tuple[str, list[int], str]]] = field(default_factory=dict)

    def say(self, code: str, message: str, remedy: str = "", **place: object) -> None:
        """A fault of the whole table or of one place."""
        place.setdefault("sheet", self.sheet)
        place.setdefault("file", self.file)
        self.faults.append(Fault(code, message, remedy, **place))  # type: ignore[arg-type]

    def cells(
        self,
        code: str,
        message: str,
        remedy: str,
        *,
        column: str,
        rows: Sequence[int],
        value: str = "",
        severity: Severity = "error",
    ) -> None:
        """The same fault in the same column at these rows (`rows` as the spreadsheet numbers them)."""
        key = (code, column, severity)
        self._values[key] = self._values.get(key, 0) + 1
        if self._values[key] > MAX_VALUES:
            self._more.setdefault(key, []).append((value, [int(r) for r in rows], remedy))
            return
        self.faults.append(
            Fault(
                code,
                message + also_in(rows),
                remedy,
                file=self.file,
                sheet=self.sheet,
                row=int(min(rows)),
                column=column,
                value=value[:80],
                severity=severity,
                count=len(rows),
            )
        )

    def all(self) -> list[Fault]:
        """Every fault, with those beyond the first of a kind summed up."""
        out = list(self.faults)
        for (code, column, severity), more in self._more.items():
            rows = sorted(r for _, some, _ in more for r in some)
            values = ", ".join(repr(v) for v, _, _ in more[:3])
            out.append(
                Fault(
                    code,
                    f"{len(more)} more values of this column have the same fault: {values} ...{also_in(rows)}",
                    more[0][2],
                    file=self.file,
                    sheet=self.sheet,
                    row=rows[0],
                    column=column,
                    severity=severity,  # type: ignore[arg-type]
                    count=len(rows),
                )
            )
        return out


def also_in(rows: Sequence[int]) -> str:
    """` Also in rows 5, 9 and 3 more.` for all rows but the first; '' for one row."""
    rest = sorted({int(r) for r in rows})[1:]
    if not rest:
        return ""
    shown = ", ".join(map(str, rest[:MAX_ROWS]))
    more = f" and {len(rest) - MAX_ROWS} more" if len(rest) > MAX_ROWS else ""
    return f" Also in row{'s' if len(rest) > 1 else ''} {shown}{more}."
