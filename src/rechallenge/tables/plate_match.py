"""Which plate a map or a layout means, and which row of a map holds for which well."""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.faults import Fault
from rechallenge.study import nearest
from rechallenge.tables.contract import place
from rechallenge.tables.exports import Export
from rechallenge.tables.plate_map import FIELD_NAMES, FIELDS
from rechallenge.tables.wells import PlateRead, Well, parse_well, plate_size

NUMBERS = frozenset(c.name for c in FIELDS if c.kind != "text")


@dataclass(frozen=True)
class Plate:
    """One read of one plate with the export it comes from and its size."""

    export: Export
    read: PlateRead
    size: int

    @property
    def name(self) -> str:
        return self.read.name

    @cached_property
    def folded(self) -> tuple[str, ...]:
        """All names as they are compared."""
        return tuple(_fold(n) for n in self.read.names)

    def called(self, pattern: str, file: str = "") -> int:
        """How well a name fits: 3 the full name of this plate, 2 another of its names, 1 a pattern, 0 not at all."""
        if file and not _file_fits(self.export.file, file):
            return 0
        wanted = _fold(pattern)
        names = self.folded
        if wanted in names:
            return 3 if names[0] == wanted else 2
        running = wanted.removeprefix("plate").strip(" #")
        if running.isdecimal() and int(running) in [int(n) for n in names if n.isdecimal()]:
            return 2
        return int(any(fnmatch.fnmatchcase(n, wanted) for n in names) if set("*?[") & set(wanted) else False)


def _fold(text: str) -> str:
    return " ".join(str(text).split()).casefold()


def _file_fits(name: str, wanted: str) -> bool:
    names = {name, PurePosixPath(name).name, str(PurePosixPath(name).with_suffix("")), PurePosixPath(name).stem}
    return any(_fold(wanted) == _fold(n) or fnmatch.fnmatchcase(_fold(n), _fold(wanted)) for n in names)


def plates_of(exports: Iterable[tuple[Export, Sequence[PlateRead]]]) -> list[Plate]:
    """The chosen reads as plates, sized by the wells that hold text."""
    out = []
    for export, reads in exports:
        for read in reads:
            filled = [w for w, c in read.wells.items() if c.text]
            out.append(Plate(export, read, plate_size(filled) or 1536))
    return out


# ---- maps ------------------------------------------------------------------------------------------------------

Group = tuple[str, str, str]  # map name, plate, file: as written, folded


@dataclass
class WellMap:
    """The wells of all maps: rows of `frame` by group (map, plate pattern, file) and well."""

    frame: pd.DataFrame
    groups: dict[Group, dict[Well, int]]
    faults: list[Fault]
    used: set[Group] = field(default_factory=set)

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys(str(m) for m in self.frame["map"]))


def well_map(frame: pd.DataFrame) -> WellMap:
    """Index the rows of the maps. Rows that name a well and nothing else are empty wells and are left aside."""
    faults: list[Fault] = []
    frame = frame.reset_index(drop=True)
    for name in ("plate", "map", "file", "well", *FIELD_NAMES):
        if name not in frame.columns:
            frame[name] = np.nan if name in NUMBERS else ""
        elif name not in NUMBERS:
            frame[name] = frame[name].astype(object).where(frame[name].notna(), "").astype(str).str.strip()
    said = [n for n in ("drug", "well_type") if n in frame.columns]
    empty = (frame["well_type"].str.casefold() == "empty") | (
        (frame[said] == "").all(axis=1) & frame["dose_um"].isna() & (frame["model"] == "")
    )
    faults += _typed(frame, ~empty)
    groups: dict[Group, dict[Well, int]] = {}
    not_wells: list[int] = []
    same: list[int] = []
    differ: list[int] = []
    wells = {text: parse_well(text) for text in frame["well"].unique()}
    keys = frame[["map", "plate", "file"]].map(_fold)
    for i, (text, key, skip) in enumerate(
        zip(frame["well"], keys.itertuples(index=False, name=None), empty, strict=True)
    ):
        well = wells[text]
        if well is None:
            not_wells.append(i)
            continue
        if skip:
            groups.setdefault(key, {})
            continue
        here = groups.setdefault(key, {})
        if well in here:
            if not _same(frame, here[well], i):
                differ.append(i)
            elif frame["well"][i] != frame["well"][here[well]]:  # exact copies are refused on reading
                same.append(i)
        else:
            here[well] = i
    for rows, code, message, remedy in (
        (not_wells, "not-a-well", "this is not a well of any plate.",
         "Wells are written as A1 to H12 (96 wells), P24 (384) or AF48 (1536)."),
        (same, "map-twice", "the map lists this well twice with the same content.", "Remove one of the two rows."),
        (differ, "map-twice", "the map lists this well twice with different contents.", "Keep the row that is right."),
    ):  # fmt: skip
        if rows:
            faults.append(
                Fault(
                    code,
                    message,
                    remedy,
                    column="well",
                    value=str(frame.loc[rows[0], "well"]),
                    count=len(rows),
                    **place(frame, rows[0]),
                )
            )
    return WellMap(frame, groups, faults)


def _same(frame: pd.DataFrame, a: int, b: int) -> bool:
    one, other = frame[list(FIELD_NAMES)].take([a]).iloc[0], frame[list(FIELD_NAMES)].take([b]).iloc[0]
    return bool(((one == other) | (one.isna() & other.isna())).all())


_VEHICLE = {"vehicle", "dmso", "untreated", "control", "solvent", "vehicle control", "negative control", "neg", "nc"}
_BLANK = {"blank", "no cells", "medium only", "media only", "background", "empty medium"}


def _typed(frame: pd.DataFrame, filled: pd.Series[bool]) -> list[Fault]:
    """Where a map has no well types at all, tell vehicle and blank wells by their 'drug', and say so."""
    if (frame.loc[filled, "well_type"] != "").any():
        return []
    faults = []
    drug = frame["drug"].str.casefold()
    none = frame["dose_um"].isna() | (frame["dose_um"] == 0)
    for words, kind in ((_VEHICLE, "vehicle"), (_BLANK, "blank")):
        hit = filled & none & drug.isin(words)
        if hit.any():
            frame.loc[hit, "well_type"] = kind
            shown = ", ".join(repr(x) for x in frame.loc[hit, "drug"].unique())
            faults.append(
                Fault(
                    "well-type-guess",
                    f"the map has no well types; wells with {shown} were taken as {kind}.",
                    "Add a column well_type to say it yourself.",
                    column="well_type",
                    count=int(hit.sum()),
                    severity="note",
                    **place(frame, frame.index[hit][0]),
                )
            )
    return faults


# ---- plates and layout -----------------------------------------------------------------------------------------


def laid_out(plates: Sequence[Plate], layout: pd.DataFrame) -> tuple[dict[str, int], list[Fault]]:
    """The row of the layout for every plate, by the plate's full name."""
    faults: list[Fault] = []
    found: dict[str, int] = {}
    named: dict[int, str] = dict(enumerate(layout["plate"]))
    file: dict[int, str] = dict(enumerate(layout["file"]))
    fits = dict.fromkeys(named, 0)
    for plate in plates:
        scores = {i: plate.called(named[i], file[i]) for i in named}
        best = max(scores.values(), default=0)
        rows = [i for i, s in scores.items() if s and s == best]
        for i, s in scores.items():
            fits[i] += s > 0
        if len(rows) > 1:
            faults.append(
                Fault(
                    "layout-twice",
                    f"the layout has {len(rows)} rows for plate {plate.name}.",
                    "Keep one row per plate, or add a column file.",
                    column="plate",
                    value=named[rows[1]],
                    **place(layout, rows[1]),
                )
            )
        if rows:
            found[plate.name] = rows[0]
    faults += [
        unknown_plate(plates, name, "layout", 1, place(layout, i)) for i, name in named.items() if name and not fits[i]
    ]
    for i, n in Counter(found.values()).items():
        if n > 1 and not set("*?[") & set(named[i]):
            faults.append(
                Fault(
                    "plate-name",
                    f"this row of the layout was taken for {n} plates: several exports have a plate of this name.",
                    "Add a column file that names the export, or write the plate as EXPORT:PLATE.",
                    column="plate",
                    value=named[i],
                    severity="warning",
                    **place(layout, i),
                )
            )
    return found, faults


def unknown_plate(plates: Sequence[Plate], name: str, what: str, count: int, where: dict[str, Any]) -> Fault:
    known = [n for p in plates for n in p.read.names[:2]]
    shown = ", ".join(p.name for p in plates[:8]) + (" and more" if len(plates) > 8 else "")
    return Fault(
        "unknown-plate",
        f"the {what} names a plate that no export holds; there are {shown or 'none'}.",
        f"Mend the name, or add the export.{nearest(name, known)}",
        column="plate",
        value=name,
        count=count,
        **where,
    )


def map_of(plate: Plate, maps: WellMap, wanted: str, where: dict[str, Any]) -> tuple[dict[Well, int], list[Fault]]:
    """The map row of every well of a plate: exact plate names go before patterns, patterns before no name."""
    faults: list[Fault] = []
    matching: list[tuple[int, Group]] = []
    for key in maps.groups:
        name, pattern, file = key
        if wanted and name != _fold(wanted):
            continue
        level = (
            plate.called(pattern, file) if pattern else (0 if not file or _file_fits(plate.export.file, file) else -1)
        )
        if level > 0 or (level == 0 and not pattern):
            matching.append((level, key))
    if wanted and not any(key[0] == _fold(wanted) for key in maps.groups):
        return {}, [
            Fault(
                "unknown-map",
                f"the layout names a map that is not there; there are {', '.join(map(repr, maps.names)) or 'none'}.",
                f"Mend the name.{nearest(wanted, maps.names)}",
                column="map",
                value=wanted,
                **where,
            )
        ]
    names = {key[0] for level, key in matching if level == 0}
    if len(names) > 1:
        return {}, [
            Fault(
                "which-map",
                f"{len(names)} maps would fit plate {plate.name}: {', '.join(sorted(names))}.",
                "Say which in a column map of the layout.",
                file=plate.export.file,
                column="map",
                value=plate.name,
            )
        ]
    wells: dict[Well, tuple[int, int]] = {}
    clash: list[int] = []
    for level, key in sorted(matching, key=lambda m: m[0]):
        maps.used.add(key)
        for well, row in maps.groups[key].items():
            if well in wells and wells[well][0] == level:
                clash.append(row)
            wells[well] = (level, row)
    if clash:
        faults.append(
            Fault(
                "map-twice",
                f"two rows of the map speak of this well of plate {plate.name}.",
                "Keep one of them, or name the plate exactly in one.",
                column="well",
                value=str(maps.frame.loc[clash[0], "well"]),
                count=len(clash),
                **place(maps.frame, clash[0]),
            )
        )
    return {w: row for w, (_, row) in wells.items()}, faults
