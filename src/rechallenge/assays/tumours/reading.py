"""Tables with a row per animal and a column per day, as most labs keep them; tidy tables are read as they are.

A heading is a day where it is a number, bare or as `Day 7`, `D7`, `d 7`, `7 d` or R's `X7` (`X.1` for -1). Days on
which an animal has no value (empty, NA) are no rows: the animal was not measured, or removed.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from rechallenge.faults import Fault, InputFaults
from rechallenge.study import TableSource
from rechallenge.tables.contract import Contract
from rechallenge.tables.convert import convert
from rechallenge.tables.grid import Cells, Grid, show
from rechallenge.tables.headings import Recogniser
from rechallenge.tables.reading import EXCLUDED, TableRead, empty_frame, grids

_DAY = re.compile(r"(?i)(?:days?|d|x|t|volume[_ ]d(?:ay)?)?[\s_.]*(?P<day>[-−]?\d+(?:[.,]\d+)?)\s*(?:d|days?)?")
_NOTHING = frozenset(("", "na", "n/a", "nan", "nd", "n.d.", "-", "–", ".", "x", "dead", "removed", "†"))


def day_of(heading: str) -> float | None:
    """The day that a heading names, or None.

    >>> day_of("Day 7"), day_of("X33"), day_of("-1"), day_of("X.1"), day_of("volume")
    (7.0, 33.0, -1.0, -1.0, None)
    """
    text = heading.strip()
    if re.fullmatch(r"X\.\d+", text):
        return -float(text[2:])
    found = _DAY.fullmatch(text)
    return float(found["day"].replace(",", ".").replace("−", "-")) if found else None


def wide_days(headings: tuple[str, ...], know: Recogniser) -> dict[int, float]:
    """Position -> day of the columns that are days, where the table is wide; empty where it is tidy."""
    if any(m is not None and m.column.name == "day" for m in map(know, headings)):
        return {}
    found = {i: d for i, h in enumerate(headings) if know(h) is None and (d := day_of(h)) is not None}
    return found if len(found) > 1 else {}


def melt(grid: Grid, days: dict[int, float], value: str) -> tuple[Grid, int]:
    """The same cells with one row per animal and day, and how many were empty."""
    kept = [i for i in range(len(grid.headings)) if i not in days]
    ids: dict[int, list[Cells]] = {i: [] for i in kept}
    values: list[Cells] = []
    numbers, rows, empty = [], [], 0
    for i, day in days.items():
        cells = grid.columns[i]
        blank = np.array([t.strip().casefold() in _NOTHING for t in cells.shown().to_pylist()], dtype=bool)
        empty += int(blank.sum())
        keep = ~blank
        values.append(cells.take(keep))
        for k in kept:
            ids[k].append(grid.columns[k].take(keep))
        numbers += [show(day)] * int(keep.sum())
        rows.append(grid.rows[keep])
    columns = tuple(_stacked(ids[k]) for k in kept)
    long = replace(
        grid,
        headings=(*(grid.headings[k] for k in kept), "day", value),
        columns=(*columns, Cells(pa.array(numbers, pa.string())), _stacked(values)),
        rows=np.concatenate(rows),
        merged=tuple(kept.index(p) for p in grid.merged if p in kept),
    )
    return long, empty


def _stacked(parts: list[Cells]) -> Cells:
    number = None
    if any(p.number is not None for p in parts):
        number = np.concatenate([p.number if p.number is not None else np.full(len(p), np.nan) for p in parts])
    return Cells(pa.concat_arrays([_flat(p.text) for p in parts]), number)


def _flat(text: pa.Array | pa.ChunkedArray) -> pa.Array:
    return text.combine_chunks() if isinstance(text, pa.ChunkedArray) else text.cast(pa.string())


def read_days(source: TableSource, folder: Path, contract: Contract, models: pd.DataFrame) -> TableRead:
    """Read tumour volumes or body weights, tidy or wide, into the columns of the contract. Raises nothing."""
    from rechallenge.tables.files import find, load

    know = Recogniser(contract)
    value = "weight_g" if contract.name == "body_weight" else "volume_mm3"
    given = {k: str(v) for k, v in source.extra.items() if k in {c.name for c in contract.columns}}
    out = TableRead(empty_frame(contract))
    found, out.faults = find(source.values, folder)
    frames, excluded = [], []
    known = [str(m) for m in models["model"]] if "model" in models else []
    for one in found:
        try:
            content = load(one)
            out.files.append(content.record)
            for grid in grids(content.data, know, source.sheet, list(given)):
                days = wide_days(grid.headings, know)
                if days:
                    grid, empty = melt(grid, days, value)
                    out.faults.append(_said(one.name, grid, days, empty))
                part = convert(grid, contract, file=one.name, given=given, models=known)
                frames.append(part.frame)
                out.faults += part.faults
                excluded += [(contract.name, one.name, part.sheet, *e) for e in part.excluded]
        except InputFaults as e:
            out.faults += [f if f.file else f.at(file=one.name) for f in e.faults]
    filled = [f for f in frames if len(f)]
    if filled:
        out.frame = pd.concat(filled, ignore_index=True)
    if excluded:
        out.excluded = pd.DataFrame(excluded, columns=list(EXCLUDED))
    return out


def _said(file: str, grid: Grid, days: dict[int, float], empty: int) -> Fault:
    return Fault(
        "wide-table",
        f"read as a row per animal with {len(days)} columns of days ({show(min(days.values()))} to "
        f"{show(max(days.values()))}); {empty} empty cells are days on which an animal was not measured.",
        file=file,
        sheet=grid.sheet,
        severity="note",
    )
