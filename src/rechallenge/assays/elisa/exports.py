"""Text exports of Gen5 (BioTek) and SoftMax Pro (Molecular Devices): from their layout and readings to wells."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rechallenge.faults import Fault, InputFaults

_ROW = re.compile(r"^[A-P]$|^A[A-F]$")
#: results that Gen5 computes from the readings
_DERIVED = re.compile(r"^(?:blank |log |.*\[concentration\]|conc\b|mean\b|std\b|cv\b|count\b|.*\[.*\])", re.I)


@dataclass
class Wells:
    """Wells of one export: rows for the table, what was left out (row, column, value, reason), and remarks."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    excluded: list[tuple[int, str, str, str]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def is_gen5(text: str) -> bool:
    """Whether a text is an export of Gen5."""
    return "Software Version" in text[:400] and "Experiment File Path" in text[:2000]


def is_softmax(text: str) -> bool:
    """Whether a text is an export of SoftMax Pro."""
    return text.lstrip("\ufeff").startswith("##BLOCKS=")


def gen5(text: str, stem: str, label: str = "") -> Wells:
    """Wells of a Gen5 export with a layout of standards (STD), samples (SPL) and blanks (BLK).

    `label` chooses the reading where there are several (its name, or a part of it). Raises InputFaults where the
    layout or the readings are missing.
    """
    lines = [line.rstrip("\r").split("\t") for line in text.replace("\r\n", "\n").split("\n")]
    starts = [i for i, cells in enumerate(lines) if cells[0] == "Plate Number"] or [0]
    out = Wells()
    for k, start in enumerate(starts):
        end = starts[k + 1] if k + 1 < len(starts) else len(lines)
        name = lines[start][1].strip() if len(lines[start]) > 1 else ""
        plate = stem if len(starts) == 1 else f"{stem}:{name or k + 1}"
        _gen5_plate(lines, start, end, plate, label, out)
    return out


def _gen5_plate(lines: list[list[str]], start: int, end: int, plate: str, label: str, out: Wells) -> None:
    layout: dict[str, tuple[str, str]] = {}
    readings: dict[str, dict[str, tuple[str, int]]] = {}
    for title, rows in _matrices(lines, start, end):
        for at, letter, cells, what in rows:
            for c, cell in enumerate(cells, start=1):
                well, cell = f"{letter}{c}", cell.strip()
                if title == "Layout":
                    kind, conc = layout.get(well, ("", ""))
                    layout[well] = (cell, conc) if what == "Well ID" else (kind, cell)
                elif cell:
                    readings.setdefault(what, {})[well] = (cell, at + 1)
    raw = {k: v for k, v in readings.items() if not _DERIVED.match(k)}
    if label:
        raw = {k: v for k, v in raw.items() if label.casefold() in k.casefold()}
    if not any(kind for kind, _ in layout.values()) or not raw:
        what = (
            f"no reading called {label!r}"
            if label and readings
            else "no layout of standards and samples, or no reading"
        )
        raise InputFaults(
            [
                Fault("plate-export", f"plate {plate}: the export holds {what}.",
                      "Export it from Gen5 with the layout and the raw readings, or write a tidy table.")
            ]
        )  # fmt: skip
    chosen = next(iter(raw))
    if len(raw) > 1:
        out.faults.append(
            Fault("read-label", f"plate {plate} was read in {len(raw)} ways ({', '.join(raw)}); {chosen} was used.",
                  f'Say which: label = "{chosen}" in the source in study.toml.', severity="note")
        )  # fmt: skip
    for well, (text, row) in raw[chosen].items():
        kind, conc = layout.get(well, ("", ""))
        if not kind:
            continue
        if text.startswith("*") or not re.fullmatch(r"[+-]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?", text):
            why = "masked in the instrument" if text.startswith("*") else "no number in the export"
            out.excluded.append((row, well, text, why))
            continue
        made = _gen5_well(kind, conc)
        if made is not None:
            out.rows.append(
                {"plate": plate, "well": well, "absorbance": float(text.replace(",", ".")), "_row": row, **made}
            )


def _gen5_well(kind: str, conc: str) -> dict[str, Any] | None:
    number = float(conc) if re.fullmatch(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", conc) else None
    name = re.sub(r":\d+$", "", kind)
    if kind.upper().startswith("STD"):
        return {"well_type": "standard", "concentration": number}
    if kind.upper().startswith("BLK"):
        return {"well_type": "blank"}
    if kind.upper().startswith("CTL"):
        return {"well_type": "control", "sample": name}
    # Gen5 writes the dilution of a sample as what is left of it: 0.5 for 1 in 2
    factor = 1 / number if number and number <= 1 else number or 1.0
    return {"well_type": "sample", "sample": name, "dilution": factor}


def _matrices(
    lines: list[list[str]], start: int, end: int
) -> Iterator[tuple[str, list[tuple[int, str, list[str], str]]]]:
    """Matrices of wells: title, and (line, letter, cells, what the last cell calls them)."""
    i = start
    while i < end:
        head = lines[i]
        if head[0] == "" and len(head) > 6 and head[1:4] == ["1", "2", "3"]:
            width = sum(1 for c in head[1:] if c.strip().isdigit())
            title = next((lines[j][0] for j in range(i - 1, start, -1) if lines[j][0].strip()), "")
            rows, letter, i = [], "", i + 1
            while i < end and len(lines[i]) > width:
                letter = lines[i][0] if _ROW.match(lines[i][0]) else letter
                if lines[i][0] and not _ROW.match(lines[i][0]):
                    break
                what = lines[i][width + 1].strip() if len(lines[i]) > width + 1 else ""
                rows.append((i, letter, lines[i][1 : width + 1], what))
                i += 1
            yield title, rows
        else:
            i += 1


def softmax(text: str, stem: str) -> Wells:
    """Wells of a SoftMax Pro export whose groups (Standards, unknowns) name the wells.

    Two wavelengths are read as signal and reference. Wells that are masked in a group are left out. A group belongs to
    the plate section above it. Raises InputFaults where no group of standards is found.
    """
    lines = [[c.strip().strip('"') for c in line.split("\t")] for line in text.replace("\r\n", "\n").split("\n")]
    out = Wells()
    plates = sum(1 for c in lines if c[0] == "Plate:")
    number, readings, wells = 0, {}, []  # type: int, dict[str, list[tuple[str, int]]], list[str]
    i = 0
    while i < len(lines):
        cells = lines[i]
        if cells[0] == "Plate:":
            number, readings = number + 1, {}
            plate = stem if plates == 1 else f"{stem}:{number}"
            i += 1
            wells = lines[i]
            i += 1
            while i < len(lines) and not lines[i][0].startswith("~End"):
                for c, well in enumerate(wells):
                    if re.fullmatch(r"[A-P]\d{1,2}", well) and c < len(lines[i]) and lines[i][c]:
                        readings.setdefault(well, []).append((lines[i][c], i + 1))
                i += 1
        elif cells[0].startswith("Group:"):
            group = cells[0].partition(":")[2].strip()
            head, end = lines[i + 1], i + 2
            while end < len(lines) and not lines[end][0].startswith(("~End", "Group Column", "Group Summaries")):
                end += 1
            _softmax_group(group, head, lines[i + 2 : end], i + 3, plate, readings, out)
            i = end
        else:
            i += 1
    if not any(r["well_type"] == "standard" for r in out.rows):
        raise InputFaults(
            [
                Fault("plate-export", "the export holds no group of standards with their concentrations.",
                      "Export the whole document from SoftMax Pro, groups included, or write a tidy table.")
            ]
        )  # fmt: skip
    return out


def _softmax_group(
    group: str, head: Sequence[str], body: Sequence[Sequence[str]], first: int, plate: str,
    readings: dict[str, list[tuple[str, int]]], out: Wells,
) -> None:  # fmt: skip
    at = {re.split(r"[ #]", h.casefold())[0]: c for c, h in enumerate(head) if h}
    if "wells" not in at:
        return
    unit = next((h.partition(" ")[2] for h in head if h.casefold().startswith("concentration ")), "")
    kept: dict[str, str] = {}
    standards = "concentration" in at
    for k, cells in enumerate(body):

        def cell(name: str, cells: Sequence[str] = cells) -> str:
            return cells[at[name]] if name in at and at[name] < len(cells) else ""

        well = cell("wells")
        if not re.fullmatch(r"[A-P]\d{1,2}", well) or well not in readings:
            continue
        for name in ("sample", "concentration", "dilution"):
            kept[name] = cell(name) or kept.get(name, "")
        if "masked" in (cell("value") + cell("values")).casefold():
            out.excluded.append((first + k, well, "Masked", "masked in the instrument"))
            continue
        values = readings[well]
        row: dict[str, Any] = {"plate": plate, "well": well, "absorbance": float(values[0][0]), "_row": values[0][1]}
        if len(values) > 1:
            row["absorbance_reference"] = float(values[1][0])
        if standards:
            row |= {"well_type": "standard", "concentration": float(kept["concentration"]), "unit": unit}
        else:
            control = "control" in group.casefold()
            factor = float(kept["dilution"]) if re.fullmatch(r"\d+(?:\.\d+)?", kept["dilution"]) else 1.0
            row |= {
                "well_type": "control" if control else "sample",
                "sample": kept["sample"] or group,
                "dilution": factor,
            }
        out.rows.append(row)
