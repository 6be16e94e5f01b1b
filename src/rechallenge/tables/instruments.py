"""Exports of plate readers that the `allotropy` library knows, turned into reads of plates.

The maker is told from what the file says, never from its name. allotropy (Benchling, MIT licence) turns the export
into the Allotrope Simple Model; here every measurement of every well is taken from that model, with its error marks,
and traced back to the row of the file it stands in. allotropy is heavy and imported only when a file needs it.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any

from rechallenge.tables.raw_cells import Sheet
from rechallenge.tables.wells import Cell, PlateRead, Well, number, parse_well, row_number


@dataclass(frozen=True)
class Instrument:
    """A program that writes exports: its name in words, allotropy's name for it, and how its files are known."""

    name: str
    vendor: str
    knows: Callable[[Sequence[Sheet]], bool]


class NotReadable(Exception):
    """The export has the marks of an instrument's program but not its form; the text says what is wrong."""


def _cells(sheets: Sequence[Sheet], rows: int = 60, ends: bool = True) -> Iterator[str]:
    """Cells that hold anything in the first and (`ends`) last rows of every sheet, where programs leave their marks."""
    for sheet in sheets:
        for row in [*sheet.rows[:rows], *(sheet.rows[rows:][-rows:] if ends else [])]:
            yield from (x for x in row if x)


def _starts(sheets: Sequence[Sheet], *texts: str, rows: int = 60) -> bool:
    """Whether for each text some cell near the top begins with it."""
    found = list(_cells(sheets, rows, ends=False))
    return all(any(cell.startswith(text) for cell in found) for text in texts)


def _kaleido(sheets: Sequence[Sheet]) -> bool:
    return any(
        c.startswith(("EnSight Results from", "Exported with Kaleido"))
        or (c.startswith("Kaleido ") and c[8:9].isdecimal())
        for c in _cells(sheets)
    )


def _magellan(sheets: Sequence[Sheet]) -> bool:
    return any("magellan" in s.name.lower() for s in sheets) or any(
        c.lower().endswith(".mth") or "\\magellan\\" in c.lower() for c in _cells(sheets)
    )


def _skanit(sheets: Sequence[Sheet]) -> bool:
    return any(c.endswith(".skax") or c.startswith("SkanIt Software") for c in _cells(sheets, 12, ends=False))


INSTRUMENTS = (
    Instrument(
        "Agilent BioTek Gen5", "AGILENT_GEN5", lambda s: _starts(s, "Software Version", "Protocol File Path")
    ),
    Instrument("Molecular Devices SoftMax Pro", "MOLDEV_SOFTMAX_PRO", lambda s: _starts(s, "##BLOCKS", rows=3)),
    Instrument("BMG Labtech MARS", "BMG_MARS", lambda s: _starts(s, "User", "Test name", "Test run no", rows=4)
               or _starts(s, "User", "Path", "Test name", rows=4)),
    Instrument("Revvity Kaleido (EnSight)", "REVVITY_KALEIDO", _kaleido),
    Instrument("Tecan Magellan", "TECAN_MAGELLAN", _magellan),
    Instrument("Thermo SkanIt", "THERMO_SKANIT", _skanit),
)  # fmt: skip


def instrument_of(sheets: Sequence[Sheet]) -> Instrument | None:
    """The program that wrote an export, told from its content, or None."""
    return next((i for i in INSTRUMENTS if i.knows(sheets)), None)


def read(instrument: Instrument, name: str, data: bytes, sheets: Sequence[Sheet]) -> tuple[list[PlateRead], list[str]]:
    """Every read of every plate of an export, and what allotropy remarked on (in words).

    Raises NotReadable where the export is cut off, edited or of a kind that is not an end-point read.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside allotropy's dependencies; nothing about the data
        from allotropy.exceptions import AllotropyError
        from allotropy.parser_factory import Vendor
        from allotropy.to_allotrope import allotrope_from_io

        vendor = Vendor[instrument.vendor]
        with _Remarks() as remarks:
            try:
                model = allotrope_from_io(BytesIO(data), _suffixed(name, vendor.supported_extensions), vendor)
            except AllotropyError as e:
                raise NotReadable(_sentence(e)) from e
            except Exception as e:  # a foreign parser fails on a damaged file in any way; the user gets a sentence
                raise NotReadable(f"{type(e).__name__}: {_sentence(e)}") from e
    reads = _reads(model)
    if not reads:
        raise NotReadable("no well holds an end-point measurement (a kinetic or spectrum export?)")
    _trace(reads, sheets)
    return reads, remarks.texts


def _suffixed(name: str, extensions: Any) -> str:
    """The file's name with an ending that allotropy accepts for this maker."""
    known = [x.strip() for x in str(extensions).split(",")] if isinstance(extensions, str) else list(extensions)
    ending = PurePosixPath(name).suffix.lstrip(".").lower()
    return name if ending in known or not known else f"{name}.{known[0]}"


def _sentence(e: BaseException) -> str:
    return " ".join(str(e).split())[:300] or type(e).__name__


class _Remarks(logging.Handler):
    """Collects what the parser logs while it runs, so that it reaches the report and not the terminal."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(" ".join(record.getMessage().split()))

    def __enter__(self) -> _Remarks:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *exc: object) -> None:
        logging.getLogger().removeHandler(self)


# ---- the Allotrope Simple Model --------------------------------------------------------------------------------


@dataclass
class _Collected:
    reads: dict[tuple[str, str, int, bool], dict[str, tuple[str, str]]] = field(default_factory=dict)
    where: dict[str, tuple[str, str]] = field(default_factory=dict)  # measurement -> plate, well

    def add(self, plate: str, well: str, label: str, text: str, error: str = "", calculated: bool = False) -> None:
        again = 1
        while well in self.reads.setdefault((plate, label, again, calculated), {}):
            again += 1
        self.reads[plate, label, again, calculated][well] = (text, error)


def _reads(model: dict[str, Any]) -> list[PlateRead]:
    root: dict[str, Any] = next((v for k, v in model.items() if k.endswith("aggregate document")), {})
    got = _Collected()
    for document in root.get("plate reader document", []):
        _document(got, document.get("measurement aggregate document", {}))
    for entry in root.get("calculated data aggregate document", {}).get("calculated data document", []):
        _calculated(got, entry)
    out = []
    for (plate, label, again, calculated), wells in got.reads.items():
        cells = {w: Cell(error or text, 0) for w, text, error in _placed(wells)}
        if cells:
            digits = plate.lower().removeprefix("plate").strip()
            names = (plate, digits) if digits.isdecimal() and digits != plate else (plate,)
            out.append(PlateRead(tuple(n for n in names if n), label, cells, "", again, calculated))
    return out


def _document(got: _Collected, document: dict[str, Any]) -> None:
    for m in document.get("measurement document", []):
        sample = m.get("sample document", {})
        plate, well = str(sample.get("well plate identifier", "")), str(sample.get("location identifier", ""))
        got.where[str(m.get("measurement identifier", ""))] = (plate, well)
        control = m.get("device control aggregate document", {}).get("device control document", [{}])[0]
        failures = m.get("error aggregate document", {}).get("error document", [])
        for key in ("absorbance", "fluorescence", "luminescence", "transmittance"):
            if isinstance(m.get(key), dict):
                error = next((str(x.get("error")) for x in failures if x.get("error feature", key) == key), "")
                got.add(plate, well, f"{key}{_wavelengths(control)}", _text(m[key].get("value")), error)
    measurements = document.get("measurement document", [])
    for part in document.get("processed data aggregate document", {}).get("processed data document", []):
        for feature in part.get("image feature aggregate document", {}).get("image feature document", []):
            sample = measurements[0].get("sample document", {}) if measurements else {}
            got.add(
                str(sample.get("well plate identifier", "")),
                str(sample.get("location identifier", "")),
                " ".join(str(feature.get("image feature name", "image feature")).split()),
                _text(feature.get("image feature result", {}).get("value")),
            )


def _calculated(got: _Collected, entry: dict[str, Any]) -> None:
    sources = entry.get("data source aggregate document", {}).get("data source document", [])
    places = {got.where.get(str(s.get("data source identifier", ""))) for s in sources}
    if len(places) == 1 and (place := places.pop()) is not None:
        name = " ".join(str(entry.get("calculated data name", "calculated")).split())
        got.add(*place, name, _text(entry.get("calculated result", {}).get("value")), calculated=True)


def _wavelengths(control: dict[str, Any]) -> str:
    """` 450 nm`, ` 485/520 nm` (excitation/emission) or nothing."""
    shown = []
    for key in ("excitation wavelength setting", "detector wavelength setting"):
        value = control.get(key)
        if isinstance(value, dict) and isinstance(value.get("value"), int | float):
            shown.append(f"{value['value']:g}")
    return f" {'/'.join(shown)} nm" if shown else ""


def _text(value: Any) -> str:
    """A value as text. allotropy writes minus zero for what the instrument could not measure."""
    if isinstance(value, float) and value == 0 and math.copysign(1, value) < 0:
        return "NaN"
    return repr(float(value)) if isinstance(value, int | float) and not isinstance(value, bool) else str(value or "")


def _placed(wells: dict[str, tuple[str, str]]) -> Iterator[tuple[Well, str, str]]:
    """Wells by row and column. Where both cases occur, a to f are the rows after Z (some 1536-well exports)."""
    letters = {w[:1] for w in wells}
    mixed = any(x.islower() for x in letters) and any(x.isupper() for x in letters)
    for name, (text, error) in wells.items():
        place = parse_well(name)
        if place and mixed and name[:1].islower() and (row := row_number(name[:1])):
            place = (row + 26, place[1])
        if place:
            yield place, text, error


# ---- back to the rows of the file ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Line:
    """A row of the file: its sheet, its number, the numbers in it and the wells that it names."""

    sheet: str
    row: int
    values: list[float]
    wells: frozenset[Well]


def _trace(reads: list[PlateRead], sheets: Sequence[Sheet]) -> None:
    """Find the row of the file that every read stands in, and put it into its cells.

    A row of a list is known by the name of its well and the value, a row of a grid by its values in order. Rows of
    grids are given out in the order of the file, so that plates with equal values stay apart. A well whose row cannot
    be found keeps the first row of the file.
    """
    lines = [
        _Line(
            s.name,
            n,
            [v for v in map(_value, row) if v is not None],
            frozenset(w for x in row if x[:1].isalpha() and (w := parse_well(x)) is not None),
        )
        for s in sheets
        for n, row in enumerate(s.rows, start=1)
        if any(row)
    ]
    holding: dict[float, list[int]] = {}
    for i, line in enumerate(lines):
        for value in set(line.values):
            holding.setdefault(value, []).append(i)
    used: dict[str, int] = {}
    for read in sorted(reads, key=lambda r: r.calculated):
        for row in sorted({w[0] for w in read.wells}):
            wells = [w for w in sorted(read.wells) if w[0] == row]
            at = _listed(read, wells, lines, holding) or _in_grid(read, wells, lines, holding, used)
            for well in wells:
                cell = read.wells[well]
                if well in at:
                    read.sheet = at[well].sheet
                read.wells[well] = Cell(cell.text, at[well].row if well in at else 1, cell.flag)


def _listed(
    read: PlateRead, wells: Sequence[Well], lines: Sequence[_Line], holding: dict[float, list[int]]
) -> dict[Well, _Line]:
    """Rows that name the well and hold its value."""
    found = {}
    for well in wells:
        value = _value(read.wells[well].text)
        places = holding.get(value, []) if value is not None else []
        at = next((i for i in places if well in lines[i].wells), None)
        if at is not None:
            found[well] = lines[at]
    return found


def _in_grid(
    read: PlateRead,
    wells: Sequence[Well],
    lines: Sequence[_Line],
    holding: dict[float, list[int]],
    used: dict[str, int],
) -> dict[Well, _Line]:
    """The next row, after those already given out under this label, that holds the values one after the other."""
    values = [v for w in wells if (v := _value(read.wells[w].text)) is not None]
    hits = [i for i in holding.get(values[0], []) if _within(values, lines[i].values)] if values else []
    at = next((i for i in hits if i > used.get(read.label, -1)), next(iter(hits), None))
    if at is None:
        return {}
    used[read.label] = at
    return dict.fromkeys(wells, lines[at])


def _value(text: str) -> float | None:
    got = number(text)
    return got if got is not None else number(text, ",")


def _within(values: list[float], line: list[float]) -> bool:
    """Whether `values` stand in `line` one after the other."""
    n = len(values)
    return any(line[k : k + n] == values for k in range(len(line) - n + 1))
