"""Joins reads of plates with their map and layout: every mapped well with its signal, and what was left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.faults import Fault
from rechallenge.study import nearest
from rechallenge.tables.contract import Contract, place
from rechallenge.tables.plate_map import FIELD_NAMES
from rechallenge.tables.plate_match import NUMBERS, Plate, WellMap, laid_out, map_of, unknown_plate
from rechallenge.tables.reading import EXCLUDED, no_exclusions
from rechallenge.tables.wells import SHAPES, Well, not_a_read, number, well_name


@dataclass
class Joined:
    """The wells that a map speaks of, the rows that were left out and why, and everything found on the way."""

    frame: pd.DataFrame
    excluded: pd.DataFrame
    faults: list[Fault] = field(default_factory=list)


@dataclass
class _Gathered:
    """Columns of the wells in the making."""

    at: list[int] = field(default_factory=list)  # row of the map
    layout: list[int] = field(default_factory=list)  # row of the layout, or -1
    own: list[dict[str, Any]] = field(default_factory=list)
    excluded: list[dict[str, Any]] = field(default_factory=list)


def join(plates: Sequence[Plate], maps: WellMap, layout: pd.DataFrame | None, contract: Contract) -> Joined:
    """Every mapped well of every plate with its signal, and the columns of the contract."""
    faults = list(maps.faults)
    rows: dict[str, int] = {}
    if layout is not None:
        rows, more = laid_out(plates, layout)
        faults += more
    got = _Gathered()
    idle: list[Plate] = []
    unmapped: dict[str, int] = {}
    for plate in plates:
        row = rows.get(plate.name, -1)
        if layout is not None and row < 0:
            idle.append(plate)
            continue
        wanted, where = "", {}
        if layout is not None:
            wanted, where = str(layout["map"][row]), place(layout, row)
        mapped, more = map_of(plate, maps, wanted, where)
        faults += more
        if not mapped:
            if not more:
                idle.append(plate)
            continue
        faults += _wells(plate, mapped, maps.frame, row, got)
        left = sum(bool(c.text) and w not in mapped for w, c in plate.read.wells.items())
        if left:
            unmapped[plate.name] = left
    faults += _idle(idle, "layout" if layout is not None else "map")
    if unmapped:
        some = ", ".join(f"{n} of {name}" for name, n in list(unmapped.items())[:6])
        faults.append(
            Fault(
                "well-not-in-map",
                f"wells with a signal that the map does not list were left out: {some}"
                f"{' and more' if len(unmapped) > 6 else ''}.",
                "List them if they belong to the study.",
                file=plates[0].export.file,
                count=sum(unmapped.values()),
                severity="note",
            )
        )
    faults += _unused(plates, maps)
    frame, more = _frame(got, maps.frame, layout, contract)
    faults += more
    if len(frame):
        faults += _lenders(frame, plates)
    excluded = pd.DataFrame(got.excluded, columns=list(EXCLUDED)) if got.excluded else no_exclusions()
    return Joined(frame, excluded, faults)


def _unused(plates: Sequence[Plate], maps: WellMap) -> list[Fault]:
    """Rows of maps that no plate takes: no export holds the plate, or the layout names another map."""
    out = []
    for (_, plate, file), wells in ((k, w) for k, w in maps.groups.items() if w and k not in maps.used):
        first = next(iter(wells.values()))
        where = place(maps.frame, first)
        if plate and not any(p.called(plate, file) for p in plates):
            out.append(unknown_plate(plates, str(maps.frame["plate"][first]), "map", len(wells), where))
        else:
            out.append(
                Fault(
                    "unused-map",
                    f"no plate takes these {len(wells)} wells of the map {maps.frame['map'][first]!r}.",
                    "Remove them, or name the map in the layout.",
                    column="map",
                    value=str(maps.frame["map"][first]),
                    count=len(wells),
                    severity="warning",
                    **where,
                )
            )
    return out


def _idle(idle: Sequence[Plate], what: str) -> list[Fault]:
    if not idle:
        return []
    names = ", ".join(p.name for p in idle[:8]) + (" and more" if len(idle) > 8 else "")
    wells = sum(bool(c.text) for p in idle for c in p.read.wells.values())
    one = len(idle) == 1
    return [
        Fault(
            f"plate-not-in-{what}",
            f"{len(idle)} plate{'' if one else 's'} of the exports ({names}; {wells} wells) {'is' if one else 'are'} "
            f"not in the {what} and {'was' if one else 'were'} left out.",
            f"Add {'it' if one else 'them'} to the {what} if {'it belongs' if one else 'they belong'} to the study.",
            file=idle[0].export.file,
            column="plate",
            value=idle[0].name,
            count=len(idle),
            severity="warning",
        )
    ]


def _wells(plate: Plate, mapped: dict[Well, int], frame: pd.DataFrame, layout_row: int, got: _Gathered) -> list[Fault]:
    """Signals of one plate's mapped wells; wells without one go to the excluded."""
    faults: list[Fault] = []
    rows, columns = SHAPES[plate.size]
    beyond = [w for w in mapped if w[0] > rows or w[1] > columns]
    text: list[tuple[Well, str, int]] = []
    flags: Counter[str] = Counter()
    missing: list[tuple[str, Well, dict[str, Any], str]] = []
    for well, map_row in sorted(mapped.items()):
        if well in beyond:
            continue
        cell = plate.read.wells.get(well)
        reason = ""
        value = number(cell.text, plate.export.decimal) if cell else None
        if value is None and cell and plate.export.decimal == ",":
            value = number(cell.text)
        if cell is None or not cell.text:
            reason = "in the map, but the export has no signal for it"
        elif value is None:
            reason = not_a_read(cell.text)
            if not reason:
                text.append((well, cell.text, cell.row))
                continue
        if value is None or cell is None:
            where = place(frame, map_row)
            if cell is not None:
                where = {"file": plate.export.file, "sheet": plate.read.sheet, "row": cell.row}
            said = f"well {well_name(well)} of plate {plate.name}: {reason}"
            entry = {"column": "signal", "value": cell.text if cell else "", "reason": said}
            got.excluded.append({"kind": "plates", **where, **entry})
            missing.append((reason, well, where, entry["value"]))
            continue
        if cell.flag and cell.flag.upper() not in ("0", "OK", "M", "FALSE", "NO", "-"):
            flags[cell.flag] += 1
        got.at.append(map_row)
        got.layout.append(layout_row)
        got.own.append(
            {
                "plate": plate.name,
                "well": well_name(well),
                "signal": value,
                "flag": cell.flag,
                "_file": plate.export.file,
                "_sheet": plate.read.sheet,
                "_row": cell.row,
            }
        )
    if beyond:
        first = mapped[min(beyond)]
        faults.append(
            Fault(
                "well-beyond-plate",
                f"plate {plate.name} has {plate.size} wells and no well {well_name(min(beyond))}.",
                "Mend the map, or name the plate that it is meant for.",
                column="well",
                value=str(frame.loc[first, "well"]),
                count=len(beyond),
                **place(frame, first),
            )
        )
    if text:
        well, what, row = text[0]
        faults.append(
            Fault(
                "not-a-number",
                f"well {well_name(well)} of plate {plate.name} holds text where its signal should be.",
                "Export the plate again; a well that was not read stays empty.",
                file=plate.export.file,
                sheet=plate.read.sheet,
                row=row,
                column="signal",
                value=what[:80],
                count=len(text),
            )
        )
    if flags:
        faults.append(
            Fault(
                "flagged-wells",
                f"plate {plate.name}: the reader flagged wells "
                f"({', '.join(f'{k}: {n}' for k, n in flags.most_common(4))}); they are kept.",
                "Give a reason in a column exclude of the map to leave a well out.",
                file=plate.export.file,
                sheet=plate.read.sheet,
                count=sum(flags.values()),
                severity="note",
            )
        )
    for reason, n in Counter(m[0] for m in missing).items():
        _, well, where, shown = next(m for m in missing if m[0] == reason)
        faults.append(
            Fault(
                "well-excluded",
                f"plate {plate.name}: {n} well{'s' if n > 1 else ''} left out, {reason} (first {well_name(well)}).",
                column="signal",
                value=shown,
                count=n,
                severity="note",
                **where,
            )
        )
    return faults


def _frame(
    got: _Gathered, maps: pd.DataFrame, layout: pd.DataFrame | None, contract: Contract
) -> tuple[pd.DataFrame, list[Fault]]:
    """The wells as a frame: values of the map, then of the layout, then the defaults of the contract."""
    faults: list[Fault] = []
    own = pd.DataFrame(got.own, columns=["plate", "well", "signal", "flag", "_file", "_sheet", "_row"])
    taken = maps.iloc[got.at].reset_index(drop=True)
    where = pd.Series(got.layout, dtype="int64")
    defaults = {c.name: c.default for c in contract.columns}
    out = own[["plate", "well"]].copy()
    kind = taken["well_type"].astype(object)
    for name in ("well_type", *(n for n in FIELD_NAMES if n != "well_type")):
        value = taken[name].astype("float64" if name in NUMBERS else object).copy()
        blank = value.isna() if name in NUMBERS else value == ""
        if layout is not None and name in layout.columns and len(where):
            given = layout[name].reindex(where).reset_index(drop=True)
            there = given.notna() & (given.astype(str).str.strip() != "")
            if name in ("drug", "dose_um"):
                there &= ~kind.isin(["vehicle", "blank"])
            differ = there & ~blank & (given != value)
            if differ.any():
                faults += _conflicts(name, own, value, given, differ, layout, where)
            value = value.mask(blank & there, given).astype(value.dtype)
            blank = blank & ~there
        default = defaults.get(name)
        if default is not None:
            value = value.mask(blank, default).astype(value.dtype)
        if name == "well_type":
            kind = value = value.str.casefold()
        out[name] = value
    if len(out):
        out.loc[out["well_type"].isin(["vehicle", "blank"]) & out["dose_um"].isna(), "dose_um"] = 0.0
    out["signal"] = own["signal"].astype("float64")
    for c in contract.columns:
        if c.name not in out.columns:
            out[c.name] = (np.nan if c.kind != "text" else "") if c.default is None else c.default
    out = out[[c.name for c in contract.columns]]
    for name in ("_file", "_sheet", "_row", "flag"):
        out[name] = own[name]
    return out, faults


def _conflicts(
    name: str,
    own: pd.DataFrame,
    value: pd.Series[Any],
    given: pd.Series[Any],
    differ: pd.Series[bool],
    layout: pd.DataFrame,
    where: pd.Series[int],
) -> list[Fault]:
    out = []
    for plate, rows in own[differ].groupby("plate", sort=False):
        at = rows.index[0]
        out.append(
            Fault(
                "map-layout-conflict",
                f"plate {plate}: the map says {name} {value[at]} (well {own.loc[at, 'well']}), the layout {given[at]}.",
                f"Give {name} in one of the two.",
                column=name,
                value=str(given[at]),
                count=len(rows),
                **place(layout, int(where[at])),
            )
        )
    return out


def _lenders(frame: pd.DataFrame, plates: Sequence[Plate]) -> list[Fault]:
    """Turn the names in `vehicle_plate` into full names of plates, those of the same export first."""
    faults: list[Fault] = []
    full: dict[tuple[str, str], str] = {}
    read = set(frame["plate"])
    for (file, name), rows in frame[frame["vehicle_plate"] != ""].groupby(["_file", "vehicle_plate"], sort=True):
        tests: tuple[Callable[[Plate], bool], ...] = (lambda p, f=file: p.export.file == f, lambda p: True)  # type: ignore[misc]
        hits: list[Plate] = []
        for test in tests:
            hits = hits or [p for p in plates if test(p) and p.called(str(name)) >= 2 and p.name in read]
        if len(hits) == 1:
            full[str(file), str(name)] = hits[0].name
            continue
        faults.append(
            Fault(
                "vehicle-plate",
                "vehicle_plate names no plate with mapped wells."
                if not hits
                else f"vehicle_plate fits {len(hits)} plates ({', '.join(p.name for p in hits[:4])}).",
                f"Name one plate.{nearest(str(name), [n for p in plates for n in p.read.names[:2]])}",
                column="vehicle_plate",
                value=str(name),
                count=len(rows),
                **place(frame, rows.index[0]),
            )
        )
    if full:
        keys = pd.Series(list(zip(frame["_file"], frame["vehicle_plate"], strict=True)), index=frame.index)
        frame["vehicle_plate"] = keys.map(lambda k: full.get(k, k[1]))
    return faults
