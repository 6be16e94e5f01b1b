"""qPCR tables as labs have them: tidy, or the export of an instrument with a sheet of samples beside it.

What an export calls 'Undetermined', 'N/A' or 'No Ct' was measured and not detected: the well is kept with
`undetermined` = yes. Omitted wells, wells without a sample name and no-template controls are left out and listed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from rechallenge.assays.qpcr.contract import ROLES
from rechallenge.faults import Fault, InputFaults
from rechallenge.study import TableSource
from rechallenge.tables import files as _files
from rechallenge.tables.contract import Contract, plain
from rechallenge.tables.convert import convert
from rechallenge.tables.grid import Cells, Grid
from rechallenge.tables.headings import Recogniser
from rechallenge.tables.reading import EXCLUDED, TableRead, empty_frame, grids, read_table
from rechallenge.tables.sniff import kind_of
from rechallenge.tables.workbook import sheets_of

_UNDETERMINED = re.compile(r"^\s*(?:undeter\w*|no\s*(?:ct|cq|amp\w*)|not\s*detected|n/?d|>\s*\d+(?:\.\d+)?)\s*$", re.I)
#: in exports of instruments an empty Ct says the same
_EMPTY = re.compile(r"^\s*(?:n/?a|nan|-|–|)\s*$", re.I)
_ROLES = {"unknown": "", "unkn": "", "target": "", "endogenouscontrol": "reference", "ref": "reference",
          "endogenous": "reference", "housekeeping": "reference", "ntc": "no template",
          "notemplatecontrol": "no template",
          "std": "standard", "standard": "standard", "positivecontrol": "", "mtdna": "mitochondrial",
          "ndna": "nuclear", "chip": "ip", **{plain(r): r for r in ROLES}}  # fmt: skip
#: sheets of an export that hold the wells
_SHEETS = ("Results", "Quantification Cq Results", "0", "Raw Data", "qPCR")


def read_qpcr(source: TableSource, folder: Path, contract: Contract, models: pd.DataFrame) -> TableRead:
    """A source of the kind `qpcr`. `samples` names a table sample, model, group, replicate (and any other column of
    the contract) for exports that know sample names only; other keys give one value for all rows."""
    names = {c.name for c in contract.columns}
    given = {k: str(v) for k, v in source.extra.items() if k in names and isinstance(v, str | int | float)}
    out = TableRead(empty_frame(contract))
    out.faults += [
        Fault("study-key", "a table of kind qpcr does not use this key.", "Remove it, or name a column of the table.",
              file="study.toml", column=f"tables.qpcr.{k}")
        for k in source.extra if k not in given
    ]  # fmt: skip
    sheet = _sample_sheet(source, folder, contract, models, out)
    found, faults = _files.find(source.values, folder)
    out.faults += faults
    know = Recogniser(contract)
    frames = []
    for one in found:
        try:
            content = _files.load(one)
            out.files.append(content.record)
            for grid in _grids(content.data, know, source.sheet, list(given)):
                ready, left = _prepared(grid, know, sheet, given)
                part = convert(ready, contract, file=one.name, unit="", given=given,
                               models=[str(m) for m in models["model"]] if models is not None else [])  # fmt: skip
                frames.append(part.frame)
                out.faults += part.faults
                lost = [("qpcr", one.name, part.sheet, *e) for e in [*left, *part.excluded]]
                if lost:
                    more = pd.DataFrame(lost, columns=list(EXCLUDED))
                    out.excluded = pd.concat([out.excluded, more], ignore_index=True) if len(out.excluded) else more
        except InputFaults as e:
            out.faults += [f if f.file else f.at(file=one.name) for f in e.faults]
    filled = [f for f in frames if len(f)]
    if filled:
        out.frame = pd.concat(filled, ignore_index=True)
    return out


def _sample_sheet(
    source: TableSource, folder: Path, contract: Contract, models: pd.DataFrame, out: TableRead
) -> dict[str, dict[str, str]]:
    """Sample name -> column -> value, from the table that `samples` names."""
    if not source.samples:
        return {}
    columns = [
        replace(c, required=c.name == "sample", measured=False, default=None, choices=(), empty_where=None, kind="text")
        for c in contract.columns
        if c.name not in ("ct", "undetermined", "well", "target")
    ]
    sheet = Contract("qpcr samples", "Which model, group and replicate a sample is.", tuple(columns), key=("sample",))
    read = read_table(sheet, source.samples, folder=folder, models=models)
    out.faults += read.faults
    out.files += read.files
    rows: dict[str, dict[str, str]] = {}
    for record in read.frame.to_dict("records"):
        values = {k: str(v) for k, v in record.items() if not str(k).startswith("_") and str(v) not in ("", "nan")}
        if values.get("sample"):
            rows[values["sample"].strip()] = {str(k): v for k, v in values.items() if k != "sample"}
    return rows


def _grids(data: bytes, know: Recogniser, sheet: str, given: list[str]) -> list[Grid]:
    kind = kind_of(data)
    if not sheet and kind not in ("text", "parquet"):
        names, _ = sheets_of(data, kind)
        sheet = next((n for n in _SHEETS if n in names and len(names) > 1), "")
    return grids(data, know, sheet, given)


def _prepared(
    grid: Grid, know: Recogniser, sheet: Mapping[str, Mapping[str, str]], given: Mapping[str, str]
) -> tuple[Grid, list[tuple[int, str, str, str]]]:
    """The grid with one column per meaning, a column `undetermined`, and what the sheet of samples says.

    Also what was left out: (row, column, value, reason).
    """
    where = {plain(h): i for i, h in enumerate(grid.headings) if h.strip()}
    at: dict[str, int] = {}
    for i, h in enumerate(grid.headings):
        meaning = know(h)
        if meaning is not None and not meaning.of_units:
            known = at.get(meaning.column.name)
            better = known is None or plain(h) in ("wellposition", "targetname", "samplename") or meaning.exact
            at[meaning.column.name] = i if better else int(known or 0)
    vendor = bool({"reporter", "quencher", "fluor", "thresholdct", "cqmean", "ctmean", "ctsd", "include"} & set(where))
    n = len(grid)
    text = {name: [grid.columns[i].at(r) for r in range(n)] for name, i in at.items()}
    keep = np.ones(n, dtype=bool)
    left: list[tuple[int, str, str, str]] = []

    def leave(rows: list[int], column: str, reason: str) -> None:
        said = text.get(column, [""] * n)
        left.extend((int(grid.rows[r]), column, said[r][:60], reason) for r in rows if keep[r])
        keep[rows] = False

    if "omit" in where:
        omitted = [grid.columns[where["omit"]].at(r) for r in range(n)]
        leave(
            [r for r, v in enumerate(omitted) if plain(v) in ("true", "yes", "1")], "omit", "omitted in the instrument"
        )
    roles = [_ROLES.get(plain(v), v) for v in text.get("role", [""] * n)]
    leave([r for r in range(n) if roles[r] == "no template"], "role", "no-template control")
    if vendor:
        gone = [r for r in range(n) if not text.get("target", [""] * n)[r].strip()]
        leave(gone, "target", "no target named")
        bare = [r for r in range(n) if "sample" in text and not text["sample"][r].strip()]
        leave(bare, "sample", "no sample named")
    ct = text.get("ct", [""] * n)
    unseen = [bool(_UNDETERMINED.match(v)) or (vendor and bool(_EMPTY.match(v))) for v in ct]
    columns: dict[str, Cells] = {name: grid.columns[i] for name, i in at.items()}
    if "ct" in at:
        columns["ct"] = _cells(["" if u else v for u, v in zip(unseen, ct, strict=True)])
        said = text.get("undetermined", [""] * n)
        columns["undetermined"] = _cells(["yes" if u or s else "" for u, s in zip(unseen, said, strict=True)])
    if "role" in at:
        columns["role"] = _cells(roles)
    samples = text.get("sample", [""] * n)
    for name in dict.fromkeys(k for row in sheet.values() for k in row):
        columns[name] = _cells([sheet.get(s.strip(), {}).get(name, "") for s in samples])
    if sheet:
        leave([r for r in range(n) if samples[r].strip() not in sheet], "sample", "not in the sheet of samples")
    elif vendor:
        # the export of an instrument knows its samples only: each is a group of its own, its wells are technical
        if "group" not in columns and "group" not in given:
            columns["group"] = _cells(samples)
        if "replicate" not in columns and "replicate" not in given:
            columns["replicate"] = _cells(["1"] * n)
    extra = {} if vendor else {h: grid.columns[i] for i, h in enumerate(grid.headings) if h.strip() and know(h) is None}
    columns |= extra
    taken = {name: c.take(keep) for name, c in columns.items() if name not in given}
    ready = replace(
        grid,
        headings=tuple(taken),
        columns=tuple(taken.values()),
        rows=grid.rows[keep],
        ragged=() if vendor else grid.ragged,
    )
    return ready, left


def _cells(values: list[str]) -> Cells:
    return Cells(pa.array(values, pa.string()))
