"""What the lines above a grid say: the plate's names, what was read, which repeat, whether it was calculated."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from rechallenge.tables.contract import plain
from rechallenge.tables.plate_blocks import is_number
from rechallenge.tables.wells import row_number, unquoted

_NAME = re.compile(
    r"^(?:assay\s*)?(?:plate[\s_-]*(?:id|name|barcode|label)?(?:\s*\(stacker\))?|barcode|id1|name)\s*[:=]\s*(.+)$", re.I
)
_NAME_KEY = {"plate", "plateid", "platename", "platebarcode", "barcode", "platenumber", "plateno", "platelabel", "name",
             "assayplate"}  # fmt: skip
_PLATE_N = re.compile(r"^plate\s*(?:no\.?|number|#)?\s*(\d+)(?:\s*\(\d+\))?$", re.I)
_LABEL = re.compile(
    r"^(?:label|wavelength|calculated results|results? for|raw data|read|reading|measurement|filter)\b\s*[:=]?\s*(.*)$",
    re.I,
)
_SIGNAL = re.compile(r"^(?:od|abs|absorbance|lum|luminescence|fluor|fluorescence|rlu|rfu)[\d\s_]|\b\d{3}\s*nm\b", re.I)


@dataclass
class Heading:
    """What the lines above a grid say: names of the plate, what was read, which repeat, whether it was calculated."""

    names: list[str] = field(default_factory=list)
    label: str = ""
    repeat: int = 1
    calculated: bool = False
    lone: str = ""
    sections: bool = False
    fault: str = ""


def heading(above: Sequence[tuple[int, list[str]]], corner: str = "") -> Heading:
    """Read the lines above a grid. The line nearest to the grid wins."""
    out = Heading()
    skip = -1
    for k, (n, row) in enumerate(above):
        if k == skip:
            continue
        cells = [unquoted(x) for x in row]
        filled = [x for x in cells if x]
        keys = [plain(x) for x in cells]
        if {"plate", "repeat"} <= set(keys) and k + 1 < len(above):
            _plate_information(out, keys, [unquoted(x) for x in above[k + 1][1]])
            skip = k + 1
            before = plain(above[k - 1][1][0]) if k else ""
            if before != "plateinformation" and "scanx" in keys:
                out.fault = f"the section at row {n} has lost its 'Plate information' line"
            continue
        if not filled:
            continue
        _line(out, cells, filled)
    if corner and not row_number(corner) and corner not in ("<>", "Temperature"):
        out.label = out.label or corner
    return out


def _plate_information(out: Heading, keys: Sequence[str], values: Sequence[str]) -> None:
    """EnVision and VICTOR: a heading row Plate, Repeat, ..., Barcode, ..., Label and one row of values under it."""
    entry = {key: value for key, value in zip(keys, values, strict=False) if key and value}
    barcode = entry.get("barcode", "")
    out.names = [x for x in (barcode if barcode.upper() not in ("N/A", "NA") else "", entry.get("plate", "")) if x]
    out.repeat = int(entry["repeat"]) if entry.get("repeat", "").isdecimal() else 1
    out.calculated = "formula" in entry
    out.sections = True
    out.label = entry.get("formula") or entry.get("label") or ""


def _line(out: Heading, cells: Sequence[str], filled: Sequence[str]) -> None:
    first = filled[0]
    if m := _PLATE_N.match(first):
        out.names = [first, m[1]] if len(filled) == 1 else out.names
    elif plain(first) in _NAME_KEY and len(filled) == 2 and not _is_long(filled[1]):
        out.names.insert(0, filled[1])
    elif (m := _LABEL.match(first)) and plain(first) not in ("measurementinformation", "measurementsequence"):
        text = m[1].strip()
        text = text[1:-1] if text.startswith("(") and text.endswith(")") else text
        text = text or (filled[1] if len(filled) > 1 else "")
        if text:
            out.calculated = first.lower().startswith("calculated")
            out.label = text
    else:
        for part in filled:
            if m := _NAME.match(part):
                out.names.insert(0, re.split(r",\s*\w+\s*:", m[1])[0].strip())
                break
        else:
            if len(filled) == 1 and not is_number(first) and len(first) <= 60:
                if _SIGNAL.search(first + " "):
                    out.label = first
                else:
                    out.lone = first


def _is_long(text: str) -> bool:
    return len(text) > 60
