"""Wave workbooks: the sheet Rate, the injections of the protocol and the wells that were unselected.

Wave writes one row per well and measurement into `Rate`; `Assay Configuration` holds the protocol (names of the phases
and their cycles) and the plate layout, in which an unselected well is coloured as the legend's "Unselected Well".
Files of any other form are read as tidy tables.
"""

from __future__ import annotations

import datetime as dt
import re
import zipfile
import zlib
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from rechallenge.faults import Fault, InputFaults
from rechallenge.study import TableSource
from rechallenge.tables import files as _files
from rechallenge.tables.contract import Contract
from rechallenge.tables.reading import EXCLUDED, TableRead, empty_frame, read_table
from rechallenge.tables.sniff import kind_of
from rechallenge.tables.workbook import sheets_of

RATE, NORMALISED, LAYOUT = "Rate", "Normalized Rate", "Assay Configuration"
_HEADINGS = {"measurement": "measurement", "well": "well", "group": "group", "time": "minutes", "ocr": "ocr",
             "ecar": "ecar", "per": "per"}  # fmt: skip
#: a plate layout takes some kilobytes
_LAYOUT_BYTES = 32 * 2**20
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


def read_seahorse(
    source: TableSource, study_folder: Path, contract: Contract, models: pd.DataFrame | None = None
) -> TableRead:
    """Read Wave workbooks and tidy tables of one source into the columns of `contract`. All faults are returned.

    A plate has the name of its workbook. `sheet = "Normalized Rate"` in study.toml takes Wave's normalised rates.
    """
    out = TableRead(empty_frame(contract))
    found, out.faults = _files.find(source.values, study_folder)
    frames: list[pd.DataFrame] = []
    tidy: list[str] = []
    for one in found:
        try:
            content = _files.load(one)
            book = sheets_of(content.data, "xlsx")[0] if kind_of(content.data) == "xlsx" else {}
            if LAYOUT not in book and not _is_rate(book.get(source.sheet or RATE, ([], None))[0]):
                tidy.append(one.name)
                continue
            out.files.append(content.record)
            frame, faults, gone = _workbook(book, content.data, one.name, source, contract)
        except InputFaults as e:
            out.faults += [f if f.file else f.at(file=one.name) for f in e.faults]
            continue
        frames.append(frame)
        out.faults += faults
        if gone:
            lost = pd.DataFrame(gone, columns=list(EXCLUDED))
            out.excluded = pd.concat([out.excluded, lost], ignore_index=True) if len(out.excluded) else lost
    if tidy:
        names = {c.name for c in contract.columns}
        given = {k: str(v) for k, v in source.extra.items() if k in names}
        read = read_table(contract, tidy, folder=study_folder, models=models, sheet=source.sheet, given=given)
        frames.append(read.frame)
        out.faults += read.faults
        out.files += read.files
        if len(read.excluded):
            both = [out.excluded, read.excluded] if len(out.excluded) else [read.excluded]
            out.excluded = pd.concat(both, ignore_index=True)
    if frames:
        out.frame = pd.concat(frames, ignore_index=True)
    return out


def _is_rate(rows: list[list[Any]]) -> bool:
    head = {str(c).strip().lower() for c in rows[0]} if rows else set()
    return {"measurement", "well", "group", "time"} <= head


def _workbook(
    book: dict[str, tuple[list[list[Any]], Any]], data: bytes, name: str, source: TableSource, contract: Contract
) -> tuple[pd.DataFrame, list[Fault], list[tuple[Any, ...]]]:
    """One plate. Raises InputFaults (without file) where the sheet of rates is missing or empty."""
    sheet = source.sheet or RATE
    rows = book.get(sheet, ([], None))[0]
    if not _is_rate(rows) or len(rows) < 2:
        other = RATE if sheet != RATE else NORMALISED
        has = len(book.get(other, ([], None))[0]) > 1
        raise InputFaults(
            [
                Fault(
                    "no-rates",
                    f"the sheet {sheet} of this Wave workbook {'is empty' if sheet in book else 'is missing'}.",
                    f"Use the sheet {other}, which is filled." if has else "Export it from Wave again, with rates.",
                    sheet=sheet,
                )
            ]
        )
    head = [_HEADINGS.get(str(c).strip().lower(), "") for c in rows[0]]
    at = {h: i for i, h in enumerate(head) if h}
    table = pd.DataFrame({h: [r[i] if i < len(r) else "" for r in rows[1:]] for h, i in at.items()})
    table["_row"] = np.arange(2, len(table) + 2)
    filled = table["well"].astype(str).str.strip() != ""
    table = table[filled].copy()
    faults: list[Fault] = []
    gone: list[tuple[Any, ...]] = []
    table["minutes"] = [_minutes(v) for v in table["minutes"]]
    for column in ("measurement", "ocr", "ecar", "per"):
        given = table[column] if column in table else pd.Series("", index=table.index)
        table[column] = pd.to_numeric(given.where(given.astype(str).str.strip() != ""), errors="coerce")
    bad = ~np.isfinite(table["measurement"]) | ~np.isfinite(table["minutes"])
    for _, row in table[bad].iterrows():
        gone.append((contract.name, name, sheet, int(row["_row"]), "measurement", "", "no measurement number or time"))
    table = table[~bad]
    table["group"] = [f"{g:g}" if isinstance(g, float) else str(g).strip() for g in table["group"]]
    table["well"] = table["well"].astype(str).str.strip().str.upper()
    phases = protocol(book.get(LAYOUT, ([], None))[0])
    number = table["measurement"].to_numpy(dtype=int)
    table["injection"] = [phases[n - 1] if 0 < n <= len(phases) else "" for n in number]
    unselected = flagged_wells(data)
    table["flagged"] = np.where(table["well"].isin(unselected), "yes", "no")
    table["plate"] = source.name or PurePosixPath(name).stem
    names = {c.name for c in contract.columns}
    for column in names - set(table.columns):
        numeric = contract.column(column).kind != "text"
        table[column] = source.extra.get(column, np.nan if numeric else "")
    table["_file"], table["_sheet"] = name, sheet
    if sheet == RATE and len(book.get(NORMALISED, ([], None))[0]) > 1:
        faults.append(
            Fault("normalised-there", "the workbook also holds rates normalised in Wave; the plain rates were taken.",
                  f'For the normalised ones say sheet = "{NORMALISED}" in study.toml.', file=name, sheet=NORMALISED,
                  severity="note")
        )  # fmt: skip
    if unselected:
        wells = ", ".join(sorted(unselected))
        faults.append(
            Fault("unselected", f"{len(unselected)} wells were unselected in Wave and are left out: {wells}.",
                  file=name, sheet=LAYOUT, severity="note")
        )  # fmt: skip
    order = [c.name for c in contract.columns]
    return table[[*order, "_file", "_sheet", "_row"]], faults, gone


def _minutes(value: Any) -> float:
    """A time of Wave in minutes: a number of minutes, a clock time, or text such as 01:05:30."""
    if isinstance(value, dt.timedelta):
        return value.total_seconds() / 60
    if isinstance(value, dt.datetime | dt.time):
        return value.hour * 60 + value.minute + value.second / 60
    found = re.fullmatch(r"\s*(\d+):(\d{2}):(\d{2}(?:\.\d+)?)\s*", str(value))
    if found:
        return int(found[1]) * 60 + int(found[2]) + float(found[3]) / 60
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def protocol(rows: list[list[Any]]) -> list[str]:
    """What was injected last before each measurement, from the protocol summary; '' for the basal phase."""
    for i, row in enumerate(rows):
        if str(row[0]).strip() != "Protocol Summary":
            continue
        block = [[str(c).strip() for c in r] for r in rows[i + 1 : i + 10]]
        names = block[0] if block else []
        cycles = next((r for r in block if any(c.startswith("Cycles:") for c in r)), [])
        ports = next((r for r in block if any(c.startswith("Port(s)") for c in r)), [])
        out: list[str] = []
        for column, text in enumerate(cycles):
            found = re.fullmatch(r"Cycles:\s*(\d+)", text)
            if found:
                injected = column < len(ports) and ports[column].startswith("Port(s)")
                out += [names[column] if injected else ""] * int(found[1])
        return out
    return []


def flagged_wells(data: bytes) -> set[str]:
    """Wells of a Wave workbook that were unselected: in the layout they have the fill of the legend's entry.

    An empty set where the workbook holds no layout or no such legend.
    """
    try:
        with zipfile.ZipFile(BytesIO(data)) as book:
            sheet = _sheet_file(book, LAYOUT)
            if not sheet or book.getinfo(sheet).file_size > _LAYOUT_BYTES:
                return set()
            fills = _fills(book)
            texts = _shared(book)
            cells = _cells(book.read(sheet), texts)
    except (KeyError, ValueError, OSError, zipfile.BadZipFile, zlib.error, ElementTree.ParseError):
        return set()
    corner = next((at for at, (text, _) in cells.items() if text == "Group Layout"), None)
    legend = next((style for text, style in cells.values() if text == "Unselected Well"), None)
    if corner is None or legend is None or legend >= len(fills):
        return set()
    rows = {at[0]: text for at, (text, _) in cells.items()
            if at[1] == corner[1] + 1 and re.fullmatch("[A-H]", text) and 0 < at[0] - corner[0] <= 8}  # fmt: skip
    return {
        f"{rows[r]}{c - corner[1] - 1:02d}"
        for (r, c), (_, style) in cells.items()
        if r in rows and 2 <= c - corner[1] <= 13 and style < len(fills) and fills[style] == fills[legend]
    }


def _sheet_file(book: zipfile.ZipFile, name: str) -> str:
    listed = ElementTree.fromstring(book.read("xl/workbook.xml")).iter(f"{_MAIN}sheet")
    key = next((s.get(_ID, "") for s in listed if s.get("name") == name), "")
    links = ElementTree.fromstring(book.read("xl/_rels/workbook.xml.rels"))
    target = next((r.get("Target", "") for r in links if r.get("Id") == key), "")
    return target.lstrip("/") if target.startswith("/xl") else f"xl/{target}" if target else ""


def _fills(book: zipfile.ZipFile) -> list[str]:
    """The fill of every cell style, as the number of the fill."""
    styles = ElementTree.fromstring(book.read("xl/styles.xml")).find(f"{_MAIN}cellXfs")
    return [] if styles is None else [x.get("fillId", "0") for x in styles]


def _shared(book: zipfile.ZipFile) -> list[str]:
    if "xl/sharedStrings.xml" not in book.namelist():
        return []
    root = ElementTree.fromstring(book.read("xl/sharedStrings.xml"))
    return ["".join(t.text or "" for t in item.iter(f"{_MAIN}t")) for item in root]


def _cells(xml: bytes, texts: list[str]) -> dict[tuple[int, int], tuple[str, int]]:
    """(row, column) from 1 -> (text, style) of the cells of a sheet."""
    out = {}
    for cell in ElementTree.fromstring(xml).iter(f"{_MAIN}c"):
        found = re.fullmatch(r"([A-Z]+)(\d+)", cell.get("r", ""))
        if not found:
            continue
        column = 0
        for letter in found[1]:
            column = 26 * column + ord(letter) - 64
        value = cell.find(f"{_MAIN}v")
        text = (value.text or "") if value is not None else "".join(t.text or "" for t in cell.iter(f"{_MAIN}t"))
        if cell.get("t") == "s" and text.isdigit() and int(text) < len(texts):
            text = texts[int(text)]
        out[int(found[2]), column] = (text, int(cell.get("s", "0")))
    return out
