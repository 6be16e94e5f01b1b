"""Raw exports of plate readers: from the bytes of a file to reads of plates.

The form is told from the content: an export that `allotropy` knows (`instruments`), plate sections as PerkinElmer
programs write them (EnVision, VICTOR: `Plate information` and a grid, or a list Plate, Repeat, Well, value), any other
list of wells, or grids (`plate_blocks`). Which form was found is echoed as a note.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from rechallenge.faults import Fault, InputFaults
from rechallenge.study import nearest
from rechallenge.tables.contract import plain
from rechallenge.tables.files import Content
from rechallenge.tables.instruments import NotReadable, instrument_of, read
from rechallenge.tables.plate_blocks import Block, blocks, split_flag
from rechallenge.tables.plate_headings import heading
from rechallenge.tables.plate_lists import WellList, well_list
from rechallenge.tables.raw_cells import Sheet, raw_sheets
from rechallenge.tables.wells import Cell, PlateRead, decimal_sign, number, plate_size

FORMATS = ("auto", "grid", "list")


@dataclass
class Export:
    """What one raw export holds: reads in the order of the file, its decimal sign, and what was noted on reading."""

    file: str
    form: str
    reads: list[PlateRead] = field(default_factory=list)
    decimal: str = "."
    faults: list[Fault] = field(default_factory=list)


def read_export(content: Content, form: str = "auto", decimal: str = "", sheet: str = "") -> Export:
    """Read one raw export.

    `form`: "auto", or "grid" or "list" to read the cells as such whatever program wrote them. `decimal`: the decimal
    sign, where it cannot be told. `sheet`: the one sheet of a workbook to read. Raises InputFaults where no plate can
    be read.
    """
    try:
        sheets = raw_sheets(content)
    except InputFaults as e:
        raise InputFaults(f.at(file=content.name) for f in e.faults) from None
    if sheet:
        names = [s.name for s in sheets]
        sheets = [s for s in sheets if s.name == sheet]
        if not sheets:
            message = f"the workbook has no sheet of this name; it has {', '.join(map(repr, names))}."
            raise InputFaults(
                [Fault("no-sheet", message, nearest(sheet, names).strip(), file=content.name, sheet=sheet)]
            )
    instrument = instrument_of(sheets) if form == "auto" else None
    if instrument is not None:
        try:
            reads, remarks = read(instrument, content.name, content.data, sheets)
        except NotReadable as e:
            raise InputFaults(
                [
                    Fault(
                        "plate-export",
                        f"this export of {instrument.name} cannot be read: {e}",
                        "Export it again, whole and unedited; if its grids or lists of wells are sound, add "
                        'format = "grid" or format = "list" to the source in study.toml.',
                        file=content.name,
                    )
                ]
            ) from None
        out = Export(content.name, instrument.name, reads)
        for text in remarks[:5]:
            out.faults.append(Fault("instrument-remark", f"{text}.", file=content.name, severity="note"))
    else:
        out = _own(content, sheets, form)
        tokens = (c.text for r in out.reads for c in r.wells.values() if c.text)
        out.decimal = decimal or decimal_sign(tokens)
        if out.decimal == "?":
            raise InputFaults(
                [
                    Fault(
                        "decimal-sign",
                        "numbers such as 12,345 may have a decimal comma or groups of three digits.",
                        'Add decimal = "," or export the file without grouping.',
                        file=content.name,
                    )
                ]
            )
        if out.decimal == "," and not decimal:
            out.faults.append(
                Fault("decimal-comma", "the numbers have a decimal comma.", file=content.name, severity="note")
            )
    _named(out, content.name)
    out.faults.append(_echo(out))
    return out


# ---- own forms -------------------------------------------------------------------------------------------------


def _own(content: Content, sheets: Sequence[Sheet], form: str) -> Export:
    if form in ("auto", "list"):
        listed = [(s, got) for s in sheets if (got := well_list(s.rows)) is not None and got.reads]
        if listed:
            return _from_lists(content.name, listed)
    grids: list[tuple[Sheet, list[Block]]] = []
    odd: list[str] = []
    if form in ("auto", "grid"):
        for sheet in sheets:
            found, complaints = blocks(sheet.rows, sheet.padded)
            odd += [f"{c} (sheet {sheet.name})" if sheet.name else c for c in complaints]
            found = [b for b in found if _is_signal(b, sheet.name)]
            if found:
                grids.append((sheet, found))
    if not grids:
        why = odd[0] if odd else "there is neither a list of wells nor a grid of 8 x 12, 16 x 24 or 32 x 48 wells"
        raise InputFaults(
            [
                Fault(
                    "plate-export",
                    f"no plate can be found in this file: {why}.",
                    "Export the plate as a grid with row letters and column numbers, or as a list with a column Well.",
                    file=content.name,
                )
            ]
        )
    return _from_grids(content.name, grids)


#: Grids under these names say what is in the wells.
_NOT_SIGNALS = {
    "dose", "dosenm", "doseum", "doses", "concentration", "concentrations", "conc", "dilution", "dilutions", "layout",
    "platelayout", "map", "platemap", "replicate", "replicates",
}  # fmt: skip


def _is_signal(block: Block, sheet: str) -> bool:
    """A grid of numbers; not of sample names or dashes, and not one that is named as doses or as a layout."""
    above = [x for x in (block.above[-1][1] if block.above else []) if x]
    if _NOT_SIGNALS & {plain(x) for x in (block.corner, sheet, *(above if len(above) == 1 else []))}:
        return False
    filled = [split_flag(c.text)[0] for c in block.wells.values() if c.text]
    numbers = sum(number(t) is not None or number(t, ",") is not None for t in filled)
    return numbers >= 1 and numbers >= 0.5 * len(filled)


def _from_lists(file: str, listed: Sequence[tuple[Sheet, WellList]]) -> Export:
    out = Export(file, "list of wells")
    for sheet, got in listed:
        for (plate, running, repeat, label), wells in got.reads.items():
            names = tuple(dict.fromkeys(x for x in (plate, running) if x))
            out.reads.append(PlateRead(names, label, wells, sheet.name, repeat))
        out.faults += [
            Fault(
                "not-a-well",
                "this is not a well of any plate.",
                "Wells are written as A1 to H12 (96 wells), P24 (384) or AF48 (1536).",
                file=file,
                sheet=sheet.name,
                row=row,
                column=column,
                value=text,
            )
            for row, column, text in got.not_wells
        ]
        out.faults += [
            Fault(
                "well-twice",
                "this well is listed twice for one plate and read; which value holds cannot be known.",
                "Keep one of the two rows.",
                file=file,
                sheet=sheet.name,
                row=row,
                value=text,
            )
            for row, text in got.twice
        ]
    return out


def _from_grids(file: str, grids: Sequence[tuple[Sheet, list[Block]]]) -> Export:
    out = Export(file, "grid")
    heads = [[heading(b.above, b.corner) for b in found] for _, found in grids]
    broken = next((h.fault for hs in heads for h in hs if h.fault), "")
    if broken:
        raise InputFaults(
            [
                Fault(
                    "plate-export",
                    f"this export is damaged: {broken}.",
                    "Export it again, whole and unedited.",
                    file=file,
                )
            ]
        )
    if any(h.sections for hs in heads for h in hs):
        out.form = "plate sections (PerkinElmer EnVision, VICTOR)"
    by_sheet = len(grids) > 1 and all(len(found) == 1 for _, found in grids)
    for (sheet, found), hs in zip(grids, heads, strict=True):
        lone = [h.lone for h in hs]
        distinct = len(set(lone)) == len(lone) and all(lone)
        for block, h in zip(found, hs, strict=True):
            names = list(h.names)
            if not names and h.lone and (distinct or len(found) == 1):
                names = [h.lone]
            if by_sheet and sheet.name:
                names.insert(0, sheet.name)
            wells = {w: Cell(*_flagged(c)) for w, c in block.wells.items()}
            out.reads.append(
                PlateRead(
                    tuple(dict.fromkeys(names)),
                    block.label or h.label or (h.lone if h.names else ""),
                    wells,
                    sheet.name,
                    h.repeat,
                    h.calculated,
                )
            )
    return out


def _flagged(cell: Cell) -> tuple[str, int, str]:
    text, mark = split_flag(cell.text)
    return text, cell.row, mark or cell.flag


# ---- names of plates -------------------------------------------------------------------------------------------


def _named(out: Export, file: str) -> None:
    """Give every plate a name that no other plate of the study has: the file, and within it the plate.

    Reads without a name are numbered in the order of the file; a second read under a label that a plate already has
    begins the next plate.
    """
    stem = str(PurePosixPath(file).with_suffix(""))
    base = PurePosixPath(stem).name
    seen: Counter[tuple[str, int, bool]] = Counter()
    for r in out.reads:
        if not r.names:
            seen[r.label, r.repeat, r.calculated] += 1
            r.names = (str(seen[r.label, r.repeat, r.calculated]),)
    order = list(dict.fromkeys(r.name for r in out.reads))
    for r in out.reads:
        own = r.name
        ordinal = str(order.index(own) + 1)
        full = stem if len(order) == 1 and (own in ("1", base) or own == r.sheet) else f"{stem}:{own}"
        also = [*r.names]
        if not any(n.isdecimal() for n in also):
            also.append(ordinal)
        if len(order) == 1:
            also += [stem, base, file]
        r.names = tuple(dict.fromkeys([full, *also]))


def _echo(out: Export) -> Fault:
    plates: dict[str, set[tuple[int, int]]] = {}
    for r in out.reads:
        plates.setdefault(r.name, set()).update(w for w, c in r.wells.items() if c.text)
    sizes = Counter(plate_size(wells) or 0 for wells in plates.values())
    shown = ", ".join(f"{n} plate{'s' if n > 1 else ''} of {size} wells" for size, n in sorted(sizes.items()))
    filled = sum(map(len, plates.values()))
    labels = list(dict.fromkeys(r.label for r in out.reads if r.label))
    said = f"; reads: {'; '.join(labels[:6])}" if labels else ""
    text = f"read as {out.form}: {shown}, {filled} wells with a signal{said}."
    return Fault("plate-form", text, file=out.file, severity="note")


def choose(out: Export, label: str, repeat: int | None) -> tuple[list[PlateRead], list[Fault]]:
    """One read per plate; where it has several, that of `label` (or a part of it) and `repeat`, else a fault."""
    chosen: list[PlateRead] = []
    faults: list[Fault] = []
    plates: dict[str, list[PlateRead]] = {}
    for r in out.reads:
        plates.setdefault(r.name, []).append(r)
    for name, reads in plates.items():
        kept = _with_label(reads, label) if label else [r for r in reads if not r.calculated] or reads
        if not kept:
            faults.append(
                Fault(
                    "read-label",
                    f"plate {name} has no read called {label!r}; it has {_list(r.label for r in reads)}.",
                    "Mend `label` in study.toml.",
                    file=out.file,
                    column="label",
                    value=label,
                )
            )
            continue
        labels = list(dict.fromkeys(r.label for r in kept))
        if len(labels) > 1:
            faults.append(
                Fault(
                    "read-label",
                    f"plate {name} was read in {len(labels)} ways: {_list(labels)}.",
                    f'Say which is the signal: label = "{labels[0]}" in the source in study.toml.',
                    file=out.file,
                    column="label",
                )
            )
            continue
        repeats = sorted({r.repeat for r in kept})
        if len(kept) > 1:
            match = [r for r in kept if r.repeat == repeat]
            if len(match) != 1:
                faults.append(
                    Fault(
                        "read-repeat",
                        f"plate {name} was read {len(kept)} times (reads {', '.join(map(str, repeats))}).",
                        "Say which read is the signal: read = 1 in the source in study.toml; if these are "
                        "different plates, give them different names in the export.",
                        file=out.file,
                        column="read",
                    )
                )
                continue
            kept = match
        chosen.append(kept[0])
    return chosen, faults


def _with_label(reads: Sequence[PlateRead], label: str) -> list[PlateRead]:
    """Reads whose label is `label`, else those whose label holds it, raw reads before calculated results."""
    wanted = _folded(label)
    for raw in (True, False):
        mine = [r for r in reads if raw is not r.calculated]
        for match in (
            [r for r in mine if _folded(r.label) == wanted],
            [r for r in mine if wanted in _folded(r.label)],
        ):
            if match:
                return match
    return []


def _folded(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().casefold()


def _list(texts: Iterable[str]) -> str:
    return ", ".join(repr(t) for t in dict.fromkeys(texts)) or "none with a name"
