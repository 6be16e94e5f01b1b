"""Tables of read-outs, and GraphPad Prism files (.pzfx) as they are saved.

A data table of a .pzfx file is a read-out named by its title. In a column table the columns are groups and the rows
replicates; in a grouped table the columns are groups, the row titles go into the label of the group, and the
subcolumns are replicates. Values that were struck out in Prism are left out and listed. Tables that hold a mean with SD
or SEM in place of the values, XY tables, survival and contingency tables are not read, and that is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd

from rechallenge.faults import Fault, InputFaults
from rechallenge.study import TableSource
from rechallenge.tables import files as _files
from rechallenge.tables.contract import Contract
from rechallenge.tables.reading import EXCLUDED, TableRead, empty_frame, read_table

_TABLES = {"OneWay": "column", "TwoWay": "grouped", "XY": "XY", "Survival": "survival", "Contingency": "contingency",
           "PartsOfWhole": "parts of whole"}  # fmt: skip


def read_measurements(source: TableSource, folder: Path, contract: Contract, models: pd.DataFrame) -> TableRead:
    """A source of the kind `measurements`: .pzfx files by `read_pzfx`, everything else as a tidy table.

    Keys of the source that are columns (model, block, unit, meaning, control, gene, ...) hold for all of its rows;
    `assay` given there names the read-out, and `sheet` chooses a data table of a .pzfx file by its title.
    """
    names = {c.name for c in contract.columns}
    given = {k: str(v) for k, v in source.extra.items() if k in names and isinstance(v, str | int | float)}
    wrong = [k for k in source.extra if k not in given]
    prism: list[_files.Found] = []
    tidy: list[_files.Found] = []
    found, faults = _files.find(source.values, folder)
    for one in found:
        (prism if one.name.lower().endswith((".pzfx", ".pzf", ".prism")) else tidy).append(one)
    out = TableRead(empty_frame(contract), faults)
    out.faults += [
        Fault(
            "study-key",
            "a table of kind measurements does not use this key.",
            f"Remove it, or name a column: {', '.join(c.name for c in contract.columns)}.",
            file="study.toml",
            column=f"tables.measurements.{k}",
        )
        for k in wrong
    ]
    frames = []
    if tidy:
        read = read_table(
            contract,
            [o.name for o in tidy],
            folder=folder,
            models=models,
            sheet=source.sheet,
            unit=source.unit,
            given=given,
        )
        frames.append(read.frame)
        out.faults += read.faults
        out.excluded = read.excluded
        out.files += read.files
    for one in prism:
        try:
            content = _files.load(one)
            out.files.append(content.record)
            rows, left_out, said = read_pzfx(content.data, source.sheet)
        except InputFaults as e:
            out.faults += [f if f.file else f.at(file=one.name) for f in e.faults]
            continue
        out.faults += [f.at(file=one.name) for f in said]
        if left_out:
            lost = pd.DataFrame([("measurements", one.name, *e) for e in left_out], columns=list(EXCLUDED))
            out.excluded = pd.concat([out.excluded, lost], ignore_index=True) if len(out.excluded) else lost
        if "model" not in given and rows:
            out.faults.append(
                Fault(
                    "missing-column",
                    "a GraphPad file does not say which model was measured.",
                    'Name it beside the file: { file = "x.pzfx", model = "Huh-7" }, one entry per model.',
                    file=one.name,
                    column="model",
                )
            )
            continue
        frames.append(_framed(rows, contract, one.name, given, source.unit))
    filled = [f for f in frames if len(f)]
    if filled:
        out.frame = pd.concat(filled, ignore_index=True)
    return out


def _framed(
    rows: list[dict[str, Any]], contract: Contract, file: str, given: dict[str, str], unit: str
) -> pd.DataFrame:
    empty = empty_frame(contract)
    frame = pd.DataFrame(rows).reindex(columns=empty.columns)
    for c in contract.columns:
        if c.name in given:
            frame[c.name] = given[c.name] if c.kind == "text" else float(given[c.name])
        elif c.kind == "text":
            frame[c.name] = frame[c.name].astype(object).where(frame[c.name].notna(), c.default or "")
        else:
            frame[c.name] = pd.to_numeric(frame[c.name])
    if unit:
        frame["unit"] = unit
    frame["_file"] = file
    return frame


def read_pzfx(
    data: bytes, title: str = ""
) -> tuple[list[dict[str, Any]], list[tuple[str, int, str, str, str]], list[Fault]]:
    """Rows of all readable data tables of a .pzfx file, what was struck out, and what was not read.

    Rows hold assay, group, replicate, value, `_sheet` (the title) and `_row` (the row in the table, from 1); `title`
    chooses one table. Raises InputFaults where the file is no .pzfx file or holds no readable table.
    """
    if not data.lstrip()[:200].lstrip(b"\xef\xbb\xbf").startswith(b"<"):
        raise InputFaults(
            [
                Fault(
                    "not-pzfx",
                    "this is not a GraphPad file in the XML form.",
                    "In Prism choose File, Save as, type 'Prism file (*.pzfx)', or export the table as CSV.",
                )
            ]
        )
    if b"<!ENTITY" in data:
        raise InputFaults(
            [Fault("not-pzfx", "the file defines XML entities, which Prism never does.", "Save it again.")]
        )
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as e:
        raise InputFaults(
            [Fault("not-pzfx", f"the file is damaged: it is not sound XML ({e}).", "Save it again.")]
        ) from None
    rows: list[dict[str, Any]] = []
    excluded: list[tuple[str, int, str, str, str]] = []
    faults: list[Fault] = []
    names: list[str] = []
    for table in (e for e in root.iter() if _tag(e) in ("Table", "HugeTable")):
        name = _text(next((c for c in table if _tag(c) == "Title"), None)) or "untitled"
        names.append(name)
        if title and name != title:
            continue
        form = _TABLES.get(table.get("TableType", ""), table.get("TableType", "") or "unknown")
        why = _unreadable(table, form)
        if why:
            faults.append(
                Fault(
                    "pzfx-table",
                    f"{why}; it was not read.",
                    "Give the values of every replicate in a column table, or in a tidy table.",
                    sheet=name,
                    severity="warning",
                )
            )
            continue
        some, struck = _values(table, name, form)
        rows += some
        excluded += struck
    if not rows:
        wanted = (
            f"no data table is called {title!r}; there are {', '.join(names)}." if title and title not in names else ""
        )
        raise InputFaults(
            [
                *faults,
                Fault(
                    "pzfx-table",
                    wanted or "the file holds no column or grouped table with values.",
                    "Save a table with one value per replicate.",
                ),
            ]
        )
    return rows, excluded, faults


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rsplit("}", 1)[-1]


def _text(element: ElementTree.Element | None) -> str:
    return "" if element is None else " ".join("".join(element.itertext()).split())


def _unreadable(table: ElementTree.Element, form: str) -> str:
    kind = table.get("YFormat", "replicates")
    if form not in ("column", "grouped"):
        return f"the table is of the form {form}, which has no groups with replicates"
    if kind not in ("replicates", ""):
        return f"the table holds summaries ({kind}) in place of the values"
    return ""


def _cells(column: ElementTree.Element) -> Iterator[list[tuple[str, bool]]]:
    """The subcolumns of a column: (text, struck out) per row."""
    for sub in (c for c in column if _tag(c) == "Subcolumn"):
        yield [(_text(d), d.get("Excluded") == "1") for d in sub if _tag(d) == "d"]


def _values(
    table: ElementTree.Element, name: str, form: str
) -> tuple[list[dict[str, Any]], list[tuple[str, int, str, str, str]]]:
    titles: list[str] = []
    for column in table:
        if _tag(column) == "RowTitlesColumn":
            titles = [t for t, _ in next(iter(_cells(column)), [])]
    columns = [c for c in table if _tag(c) == "YColumn"]
    rows: list[dict[str, Any]] = []
    excluded = []
    for number, column in enumerate(columns, start=1):
        group = _text(next((c for c in column if _tag(c) == "Title"), None)) or f"column {number}"
        for s, cells in enumerate(_cells(column), start=1):
            for r, (text, struck) in enumerate(cells, start=1):
                value = _number(text)
                if np.isnan(value):
                    continue
                if struck:
                    excluded.append((name, r, group, text, "struck out in Prism"))
                    continue
                row = titles[r - 1] if r <= len(titles) and titles[r - 1] else ""
                grouped = form == "grouped"
                label = f"{row} + {group}" if grouped and row else group
                replicate = str(s) if grouped else row or str(r)
                rows.append(
                    {"assay": name, "group": label, "replicate": replicate, "value": value, "_sheet": name, "_row": r}
                )
    return rows, excluded


def _number(text: str) -> float:
    text = text.strip().rstrip("*")
    if re.fullmatch(r"[+-]?\d+,\d+", text):
        text = text.replace(",", ".")
    try:
        return float(text)
    except ValueError:
        return float("nan")
