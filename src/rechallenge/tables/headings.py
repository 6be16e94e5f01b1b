"""Which heading of a table means which column of a contract."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from rechallenge.faults import Fault
from rechallenge.study import nearest
from rechallenge.tables import units
from rechallenge.tables.contract import ORIGIN, Column, Contract, plain
from rechallenge.tables.grid import letter

_BRACKET = re.compile(r"[\(\[]([^\)\]]*)[\)\]]")
_PERCENT = re.compile(r"^(?:%\s*|(?:percent|pct)[\s_]+)(?P<a>.+)$|^(?P<b>.+?)[\s_,]*(?:%|[\s_](?:percent|pct))$", re.I)


@dataclass(frozen=True)
class Meaning:
    """What one heading means: a column, or the column of units that belongs to it.

    `unit` is the unit that the heading declares ('' where it declares none); `assumed` says that the heading names
    a quantity with a unit without naming the unit.
    """

    column: Column
    unit: str = ""
    of_units: bool = False
    exact: bool = False
    assumed: bool = False


class Recogniser:
    """Knows every heading of a contract, alternative headings and headings with units included."""

    def __init__(self, contract: Contract):
        self.contract = contract
        self._exact = {c.name: c for c in contract.columns}
        self._plain = {plain(h): c for c in contract.columns for h in c.headings}
        self._stems: dict[str, Column] = {}
        self._units: dict[str, Column] = {}
        micromolar = [c for c in contract.columns if c.name.endswith("_um")]
        for c in micromolar:
            stem = c.name.removesuffix("_um")
            for h in (stem, *c.also):
                if self._plain.get(plain(h), c) is c:
                    self._stems.setdefault(plain(h), c)
            for h in (stem, *c.headings):
                for word in ("unit", "units"):
                    if plain(h + word) not in self._plain:
                        self._units.setdefault(plain(h + word), c)
        if len(micromolar) == 1 and "unit" not in self._exact:
            for word in ("unit", "units"):
                if word not in self._plain:
                    self._units.setdefault(word, micromolar[0])

    def __call__(self, heading: str) -> Meaning | None:
        """The meaning of a heading, or None where the contract does not know it."""
        heading = heading.strip()
        if heading in self._exact:
            return Meaning(self._exact[heading], exact=True)
        inside = " ".join(_BRACKET.findall(heading)).strip()
        key = plain(heading)
        column = self._plain.get(key)
        if column is not None and column.name.endswith("_um"):
            says_um = key.endswith("um") or key.endswith("micromolar")
            unit = inside if units.is_unit(inside) else ""
            return Meaning(column, unit=unit, assumed=not says_um and not unit)
        if column is not None:
            percent = "%" in heading
            return Meaning(column, unit="%" if percent else inside if units.is_unit(inside) else "")
        if key in self._stems:
            unit = inside if units.is_unit(inside) else ""
            return Meaning(self._stems[key], unit=unit, assumed=not unit)
        if key in self._units:
            return Meaning(self._units[key], of_units=True)
        return self._suffixed(heading)

    def _suffixed(self, heading: str) -> Meaning | None:
        """`dose_nM`, `Dose, mM`, `% viability`, `viability_percent`."""
        found = units.CONCENTRATION_SUFFIX.match(heading)
        if found and plain(found["stem"]) in self._stems:
            return Meaning(self._stems[plain(found["stem"])], unit=found["unit"])
        percent = _PERCENT.match(heading)
        if percent:
            column = self._plain.get(plain(percent["a"] or percent["b"]))
            if column is not None and units.dimension_of(column.unit) == "fraction":
                return Meaning(column, unit="%")
        return None

    def score(self, headings: Sequence[str]) -> int:
        """How many different columns of the contract these cells name."""
        found = (self(h) for h in headings if h.strip())
        return len({m.column.name for m in found if m is not None and not m.of_units})

    def complete(self, headings: Sequence[str], given: Sequence[str] = ()) -> bool:
        """Whether these headings hold everything that the contract requires."""
        there = {m.column.name for m in map(self, headings) if m is not None and not m.of_units} | set(given)
        required = all(c.name in there or c.default is not None for c in self.contract.columns if c.required)
        either = self.contract.either
        return required and (not either or any(set(group) <= there for group in either))


@dataclass
class Headings:
    """The headings of one table, understood: positions by column name."""

    columns: dict[str, int] = field(default_factory=dict)
    meanings: dict[str, Meaning] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    unit_columns: dict[str, int] = field(default_factory=dict)
    extra: dict[str, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def understand(headings: Sequence[str], contract: Contract, filled: Sequence[str], given: Sequence[str]) -> Headings:
    """Match the headings of a table to a contract.

    `filled` says for each heading the first text below it ('' where the whole column is empty), `given` names
    columns whose value comes from the study file. Faults have their column but not yet their file.
    """
    know = Recogniser(contract)
    out = Headings()
    claims: dict[str, list[tuple[int, Meaning]]] = {}
    seen: dict[str, int] = {}
    unknown: list[int] = []
    for i, raw in enumerate(headings):
        heading = " ".join(raw.split())
        if not heading:
            if filled[i]:
                out.faults.append(
                    Fault(
                        "empty-heading",
                        f"column {letter(i)} holds values but has no heading.",
                        "Write a heading above it, or empty the column.",
                        column=letter(i),
                        value=filled[i],
                    )
                )
            continue
        meaning = know(heading)
        if heading in seen and (filled[i] or meaning is not None):
            out.faults.append(
                Fault(
                    "duplicate-heading",
                    f"two columns ({letter(seen[heading])} and {letter(i)}) have this heading.",
                    "Rename or remove one of them.",
                    column=heading,
                    severity="error" if meaning is not None else "warning",
                )
            )
            continue
        seen.setdefault(heading, i)
        if meaning is None:
            unknown.append(i)
        elif meaning.of_units:
            out.unit_columns.setdefault(meaning.column.name, i)
        else:
            claims.setdefault(meaning.column.name, []).append((i, meaning))
    for name, those in claims.items():
        exact = [c for c in those if c[1].exact]
        chosen = exact[0] if exact else those[0]
        out.columns[name], out.meanings[name] = chosen
        out.written[name] = " ".join(headings[chosen[0]].split())
        rest = [headings[i].strip() for i, _ in those if i != chosen[0]]
        if rest and exact:
            unknown += [i for i, _ in those if i != chosen[0]]
        elif rest:
            names = " and ".join(repr(h) for h in (headings[chosen[0]].strip(), *rest))
            out.faults.append(
                Fault(
                    "two-headings",
                    f"the headings {names} both mean {name}.",
                    f"Head the right one {name} and rename or remove the other.",
                    column=name,
                )
            )
    if not out.columns and sum(_is_number(h) for h in headings) >= max(1, len(headings) / 4):
        out.faults = [
            Fault(
                "no-heading",
                "the first row holds data; a heading row is missing.",
                f"Write a first row with the names of the columns: {', '.join(c.name for c in contract.columns)}.",
                value=", ".join(h.strip() for h in headings)[:80],
            )
        ]
        return out
    _missing(out, contract, [" ".join(headings[i].split()) for i in unknown], given)
    _extra(out, contract, headings, sorted(unknown))
    return out


def _is_number(text: str) -> bool:
    return bool(re.match(r"^\s*[+-]?[\d.,]*\d[\d.,]*(?:[eE][+-]?\d+)?\s*%?\s*$", text))


def _missing(out: Headings, contract: Contract, unknown: list[str], given: Sequence[str]) -> None:
    there = set(out.columns) | set(given)
    for c in contract.columns:
        if c.required and c.name not in there and c.default is None:
            hints = (nearest(h, unknown).replace("Did you mean", "Is it") for h in c.headings)
            hint = next((h for h in hints if h), "")
            unit = f" in {c.unit}" if c.unit else ""
            out.faults.append(
                Fault(
                    "missing-column",
                    f"this column is required and is not in the table: {c.about.rstrip('.')}.",
                    f"Add a column headed {c.name}{unit}.{hint}",
                    column=c.name,
                )
            )
    if contract.either and not any(set(group) <= there for group in contract.either):
        groups = ", or ".join(_and(group, " with ") for group in contract.either)
        begun = [
            f"{_and([n for n in group if n in there])} without {_and([n for n in group if n not in there])}"
            for group in contract.either
            if there & set(group)
        ]
        out.faults.append(
            Fault(
                "missing-column",
                f"the table needs {groups}; it has {', and '.join(begun) if begun else 'none of them'}.",
                f"Add {', or '.join(_and([n for n in group if n not in there]) for group in contract.either)}.",
                column=contract.either[0][0],
            )
        )


def _extra(out: Headings, contract: Contract, headings: Sequence[str], unknown: Sequence[int]) -> None:
    if not unknown:
        return
    absent = {c.name: c.required for c in contract.columns if c.name not in out.columns}
    notes: list[tuple[str, str]] = []
    typos: list[tuple[str, str]] = []
    for i in unknown:
        heading = " ".join(headings[i].split())
        if heading not in ORIGIN and heading not in {c.name for c in contract.columns}:
            out.extra[heading] = i
        close = difflib.get_close_matches(heading, absent, n=1, cutoff=0.75)
        # where a required column is meant, the fault of that missing column says so
        typo = bool(close) and not absent[close[0]]
        (typos if typo else notes).append((heading, nearest(heading, close)))
    for heading, hint in typos:
        out.faults.append(
            Fault(
                "extra-columns",
                "this heading is not known; the column is kept but no analysis reads it.",
                f"{hint.strip()} Rename it if so.",
                column=heading,
                severity="warning",
            )
        )
    if notes:
        names = ", ".join(repr(h) for h, _ in notes[:20]) + (" and more" if len(notes) > 20 else "")
        out.faults.append(
            Fault(
                "extra-columns",
                f"kept, and read only where an option names them: {names}.",
                f"Columns of this table: {', '.join(c.name for c in contract.columns)}.",
                severity="note",
            )
        )


def _and(names: Sequence[str], first: str = ", ") -> str:
    """`a`, `a and b`, `a, b and c`; with another word after the first name where one is given."""
    if len(names) > 1 and first != ", ":
        return names[0] + first + _and(names[1:])
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
