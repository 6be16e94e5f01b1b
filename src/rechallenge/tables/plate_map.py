"""Plate maps and layouts: which well holds what, and which map belongs to which plate.

A map is tidy (one row per well) or drawn as plates: one grid per field (drug, dose, well_type, ...), each on a sheet
of that name or under a line or corner cell with that name. A layout has one row per plate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from rechallenge.faults import InputFaults
from rechallenge.tables.checks import check
from rechallenge.tables.contract import Column, Contract
from rechallenge.tables.convert import convert
from rechallenge.tables.files import Content, find, load
from rechallenge.tables.grid import Grid, cells_of
from rechallenge.tables.headings import Recogniser
from rechallenge.tables.plate_blocks import Block, blocks
from rechallenge.tables.raw_cells import raw_sheets
from rechallenge.tables.reading import TableRead, empty_frame, read_table
from rechallenge.tables.sniff import refuse
from rechallenge.tables.wells import Cell, Well, well_name

WELL_TYPES = ("sample", "vehicle", "blank", "positive")

PLATE = Column("plate", "plate: name, barcode or number in the export, `*` allowed; empty = every plate", also=(
    "plate_id", "barcode", "plate name", "plate number", "plate barcode"))  # fmt: skip
WELL = Column("well", "well, e.g. B03", required=True, also=("well_id", "well position", "well name", "position"))
MAP_NAME = Column("map", "name of the map, by which a layout refers to it; default: the name of the file", also=(
    "map name", "plate map", "platemap", "template"))  # fmt: skip
FILE = Column("file", "export that holds the plate, where plates of several exports have the same name", also=(
    "export", "file name"))  # fmt: skip

#: What a map or a layout can say about a well.
FIELDS = (
    Column("model", "cell line or organoid, as named in study.toml", refers="model",
           also=("cell_line", "cells", "cell", "line", "cell model", "cell name")),
    Column("drug", "drug or compound; empty in vehicle and blank wells", refers="drug",
           also=("compound", "agent", "drug_name", "compound_name", "inhibitor name", "treatment")),
    Column("dose_um", "nominal concentration; 0 in vehicle and blank wells", "number", unit="µM", low=0.0,
           also=("dose", "conc", "concentration", "conc_um", "concentration_um", "drug concentration", "dosage")),
    Column("replicate", "biological replicate: an experiment of its own, not a well",
           also=("biological replicate", "bio_replicate", "biorep", "rep", "experiment")),
    Column("well_type", "what is in the well; default sample", choices=(*WELL_TYPES, "empty"),
           also=("type", "well kind", "content")),
    Column("perturbation", "what was done to the cells: siAKR1B1, AKR1B1 OE, siNC; none",
           also=("genetic perturbation", "knockdown", "transfection", "sirna", "shrna", "sgrna")),
    Column("medium", "medium where it differs; empty = the usual one", also=("culture medium", "media",
           "conditioned medium")),
    Column("stage", "stage of dose escalation: S0, S1, ...", also=("resistance stage", "passage stage")),
    Column("hours", "hours of exposure", "number", unit="h", low=0.0, low_open=True,
           also=("time", "exposure", "exposure hours", "duration", "time h")),
    Column("block", "experimental block (batch, day) of the plate or well", also=("batch", "run", "day")),
    Column("time0_signal", "signal of untreated cells when the drug was added", "number", low=0.0, low_open=True,
           also=("time0", "t0_signal", "signal at time 0", "day0 signal")),
    Column("vehicle_plate", "plate that holds the vehicle wells of this one, where it has none",
           also=("control_plate", "reference_plate")),
    Column("exclude", "reason to leave the well out (empty = use it)", also=("excluded", "omit", "strike",
           "reason excluded")),
)  # fmt: skip
FIELD_NAMES: tuple[str, ...] = tuple(c.name for c in FIELDS)

MAP = Contract(
    "plate map",
    "What each well of a plate holds: one row per well, or one grid per field.",
    (PLATE, MAP_NAME, FILE, WELL, *FIELDS),
    example="plate,well,drug,dose_um,well_type\n,A01,DMSO,0,vehicle\n,A02,lenvatinib,10,sample\n",
)
LAYOUT = Contract(
    "plate layout",
    "One row per plate: its map and what holds for all of its wells.",
    (replace(PLATE, required=True), MAP_NAME, FILE, *FIELDS),
    example="plate,map,model,replicate,hours\n1,drugs,Huh-7 P,1,72\n2,drugs,Huh-7 LR,1,72\n",
)


def read_maps(pattern: str, folder: Path, models: pd.DataFrame | None, sheet: str = "") -> TableRead:
    """Read every map that a name or glob stands for. Maps without a name take that of their file."""
    found, faults = find([pattern], folder)
    out = TableRead(empty_frame(MAP), faults)
    frames: list[pd.DataFrame] = []
    for one in found:
        try:
            content = load(one)
            grid = drawn(content, sheet)
        except InputFaults as e:
            out.faults += [f if f.file else f.at(file=one.name) for f in e.faults]
            continue
        if grid is None:
            read = read_table(MAP, one.name, folder=folder, models=models, sheet=sheet)
            frame = read.frame
            out.faults += read.faults
        else:
            names = [] if models is None else [str(m) for m in models["model"]]
            part = convert(grid, MAP, file=one.name, models=names)
            frame = part.frame
            out.faults += [*part.faults, *check(frame, MAP, models)]
        out.files.append(content.record)
        frame["map"] = frame["map"].replace("", PurePosixPath(one.name).stem)
        frames.append(frame)
    if frames:
        out.frame = pd.concat(frames, ignore_index=True)
    return out


def read_layout(name: str, folder: Path, models: pd.DataFrame | None) -> TableRead:
    """Read a layout: one row per plate."""
    return read_table(LAYOUT, name, folder=folder, models=models)


def drawn(content: Content, sheet: str = "") -> Grid | None:
    """A map drawn as plates, as a table with one row per well; None where the file is a tidy table (or nothing known).

    The name of a field stands in the corner of its grid, on the line above it, or is the name of its sheet; a unit in
    brackets (`Dose (nM)`) holds for the grid. A sheet that is named after a field and has neither row letters nor
    column numbers is read from its first cell, which is A1.
    """
    know = Recogniser(MAP)
    sheets = [s for s in raw_sheets(content) if not sheet or s.name == sheet]
    if any({"well"} < _known(know, row) for s in sheets for row in s.rows[:60]):
        return None
    fields: dict[str, tuple[str, dict[Well, tuple[str, int]]]] = {}
    twice: list[tuple[str, int]] = []
    for one in sheets:
        found, _ = blocks(one.rows, one.padded)
        named = [(_field(know, b, one.name), b) for b in found]
        named = [(name, b) for name, b in named if name]
        if not named and _means(know, one.name):
            named = [(one.name, _bare_sheet(one.rows))]
        for name, block in named:
            column = _means(know, name)
            if column in fields:
                twice.append((name, block.first_row))
            elif column:
                fields[column] = (name, {w: (c.text, c.row) for w, c in block.wells.items()})
    if not fields:
        return None
    if twice:
        raise refuse(
            "map-grid",
            f"two grids of this map are named {twice[0][0]!r}.",
            "Draw one grid per field; write each map into a file of its own.",
            row=twice[0][1],
        )
    wells = sorted({w for _, cells in fields.values() for w, (text, _) in cells.items() if text})
    first = {w: next(cells[w][1] for _, cells in fields.values() if w in cells) for w in wells}
    columns = [[well_name(w) for w in wells]]
    columns += [[cells.get(w, ("", 0))[0] for w in wells] for _, cells in fields.values()]
    return Grid(
        headings=("well", *(name for name, _ in fields.values())),
        columns=tuple(cells_of(c) for c in columns),
        rows=np.array([first[w] for w in wells], dtype=np.int64),
        sheet=sheets[0].name if len(sheets) == 1 else "",
        how=(f"a map drawn as plates ({', '.join(name for name, _ in fields.values())})",),
    )


def _known(know: Recogniser, row: Sequence[str]) -> set[str]:
    return {m.column.name for m in (know(x) for x in row if x) if m is not None and not m.of_units}


def _means(know: Recogniser, name: str) -> str:
    """The field that a name means, or the empty string."""
    meaning = know(name) if name.strip() else None
    return next((field for field in FIELD_NAMES if meaning is not None and meaning.column.name == field), "")


def _field(know: Recogniser, block: Block, sheet: str) -> str:
    """The name of a grid as written: in its corner, on the line above it, or on the tab of its sheet."""
    above = [x for _, row in block.above[-1:] for x in row if x]
    candidates: list[str] = [block.corner, *(above if len(above) == 1 else []), sheet]
    return next((name for name in candidates if _means(know, name)), "")


def _bare_sheet(rows: Sequence[Sequence[str]]) -> Block:
    wells = {
        (r, c): Cell(text, r) for r, row in enumerate(rows[:32], start=1) for c, text in enumerate(row[:48], start=1)
    }
    return Block(wells, 1, len(rows))
