"""Lists of wells in the cells of an export: one row per well under a heading row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rechallenge.tables.contract import plain
from rechallenge.tables.plate_blocks import Rows, bare, filled_in, is_number, is_value, split_flag
from rechallenge.tables.wells import Cell, Well, parse_well, row_number

_WELL = {"well", "wellid", "wellname", "wellno", "wellnumber", "wellposition", "wellpositions", "wellpos", "position",
         "wells", "wellcoordinate", "wellindex"}  # fmt: skip
_ROW = {"wellrow", "row", "platerow"}
_COLUMN = {"wellcolumn", "wellcol", "column", "col", "platecolumn", "platecol"}
_PLATE = {"barcode", "platebarcode", "plateid", "platename", "plate", "platenumber", "plateno", "assayplate"}
_NUMBER = {"plate", "platenumber", "plateno"}
_REPEAT = {"repeat", "repeatno", "cycle", "read", "readno"}
_FLAG = {"flag", "flags", "flagged", "outlier", "status", "qc", "comment", "remark", "warning"}
_ASIDE = {
    *_WELL, *_ROW, *_COLUMN, *_PLATE, *_REPEAT, *_FLAG, "type", "welltype", "time", "times", "meastime", "timestamp",
    "date", "datetime", "temperature", "temp", "group", "sample", "samplename", "sampleid", "name", "content", "id",
    "measurementdate", "measinfo", "concentration", "conc", "dose", "dilution", "background", "backgroundvalue",
    "wavelength", "label", "unit", "flashes", "gain",
}  # fmt: skip


@dataclass(frozen=True)
class WellList:
    """A list of wells: (plate, plate number, repeat, label) -> wells; wells beyond a plate; repeated wells."""

    heading_row: int
    reads: dict[tuple[str, str, int, str], dict[Well, Cell]]
    not_wells: list[tuple[int, str, str]]  # row, column heading, text
    twice: list[tuple[int, str]]  # row, well


def well_list(rows: Rows) -> WellList | None:
    """The list of wells of a sheet, or None where there is no heading row with wells under it."""
    for i, row in enumerate(rows[:200]):
        names = [plain(text) for text in row]
        well = _first(names, _WELL)
        pair = (_first(names, _ROW), _first(names, _COLUMN))
        if well is None and None in pair:
            continue
        if len(filled_in(row)) >= 2 and any(_well_at(r, well, pair) for r in rows[i + 1 : i + 6]):
            return _read_list(rows, i, names, well, pair)
    return None


def _first(names: Sequence[str], wanted: set[str]) -> int | None:
    return next((k for k, name in enumerate(names) if name in wanted), None)


def _well_text(row: Sequence[str], well: int | None, pair: tuple[int | None, int | None]) -> str:
    def at(k: int | None) -> str:
        return row[k] if k is not None and k < len(row) else ""

    if well is not None:
        return at(well)
    return f"{at(pair[0])}{at(pair[1])}" if row_number(at(pair[0])) else f"{at(pair[0])},{at(pair[1])}".strip(",")


def _well_at(row: Sequence[str], well: int | None, pair: tuple[int | None, int | None]) -> Well | None:
    return parse_well(_well_text(row, well, pair))


def _value_columns(rows: Rows, names: Sequence[str], taken: set[int]) -> list[int]:
    """Columns that hold the signal: numbers (or marks of wells not read) and not a known side column."""
    out = []
    for k, name in enumerate(names):
        if k in taken or name in _ASIDE:
            continue
        texts = [row[k] for row in rows if k < len(row) and row[k]]
        numbers = sum(map(is_number, texts))
        if numbers and sum(is_value(bare(t)) for t in texts) >= 0.5 * len(texts):
            out.append(k)
    return out


def _read_list(
    rows: Rows, i: int, names: Sequence[str], well: int | None, pair: tuple[int | None, int | None]
) -> WellList:
    heading = list(rows[i])
    body: list[tuple[int, Sequence[str]]] = []
    not_wells: list[tuple[int, str, str]] = []
    place = heading[well] if well is not None else f"{heading[pair[0] or 0]}, {heading[pair[1] or 0]}"
    for n, row in enumerate(rows[i + 1 :], start=i + 2):
        if not any(row):
            continue
        if _well_at(row, well, pair):
            body.append((n, row))
            continue
        text = _well_text(row, well, pair)
        if any(is_number(x) for k, x in enumerate(row) if k not in (well, *pair)) and len(filled_in(row)) >= 2:
            not_wells.append((n, place, text))
    plate = [k for k, name in enumerate(names) if name in _PLATE]
    plate.sort(key=lambda k: names[k] in _NUMBER)  # a barcode before a running number
    numbered, repeat, flag = _first(names, _NUMBER), _first(names, _REPEAT), _first(names, _FLAG)
    taken = {k for k in (well, *pair, numbered, repeat, flag, *plate) if k is not None}
    values = _value_columns([r for _, r in body], names, taken)
    reads: dict[tuple[str, str, int, str], dict[Well, Cell]] = {}
    twice: list[tuple[int, str]] = []
    for n, row in body:

        def at(k: int | None, line: Sequence[str] = row) -> str:
            return line[k] if k is not None and k < len(line) else ""

        name = next((t for t in map(at, plate) if t and t.upper() not in ("N/A", "NA")), "")
        again = int(at(repeat)) if at(repeat).isdecimal() else 1
        here = _well_at(row, well, pair)
        for k in values:
            wells = reads.setdefault((name, at(numbered), again, heading[k]), {})
            value, mark = split_flag(at(k))
            if here in wells:
                twice.append((n, _well_text(row, well, pair)))
            elif here is not None:
                wells[here] = Cell(value, n, "; ".join(x for x in (at(flag), mark) if x))
    return WellList(i + 1, reads, not_wells, twice)
