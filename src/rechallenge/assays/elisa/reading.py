"""ELISA tables as labs have them: tidy, or the text export of a plate reader with a sheet of samples beside it."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from rechallenge.assays.elisa.exports import gen5, is_gen5, is_softmax, softmax
from rechallenge.faults import Fault, InputFaults
from rechallenge.study import TableSource
from rechallenge.tables import files as _files
from rechallenge.tables.contract import Contract
from rechallenge.tables.reading import EXCLUDED, TableRead, empty_frame, read_table
from rechallenge.tables.sniff import decode, kind_of

_OF_WELLS = ("plate", "well", "well_type", "absorbance", "absorbance_reference", "concentration", "sample")


def read_elisa(source: TableSource, folder: Path, contract: Contract, models: pd.DataFrame) -> TableRead:
    """A source of the kind `elisa`. Keys: `samples` (a table sample, model, group, replicate, cell_number, ...),
    `label` (which reading of an export), and columns that hold for all rows."""
    names = {c.name for c in contract.columns}
    extra = {k: str(v) for k, v in source.extra.items() if isinstance(v, str | int | float)}
    label = extra.pop("label", "")
    given = {k: v for k, v in extra.items() if k in names}
    out = TableRead(empty_frame(contract))
    out.faults += [
        Fault("study-key", "a table of kind elisa does not use this key.", "Remove it, or name a column of the table.",
              file="study.toml", column=f"tables.elisa.{k}")
        for k in source.extra if k not in given and k != "label"
    ]  # fmt: skip
    sheet = _samples(source, folder, contract, models, out)
    found, faults = _files.find(source.values, folder)
    out.faults += faults
    frames, tidy = [], []
    for one in found:
        try:
            content = _files.load(one)
            text = decode(content.data)[0] if kind_of(content.data) == "text" else ""
            if not (is_gen5(text) or is_softmax(text)):
                tidy.append(one.name)
                continue
            out.files.append(content.record)
            stem = PurePosixPath(one.name).stem
            wells = gen5(text, stem, label) if is_gen5(text) else softmax(text, stem)
        except InputFaults as e:
            out.faults += [f if f.file else f.at(file=one.name) for f in e.faults]
            continue
        out.faults += [f.at(file=one.name) for f in wells.faults]
        if wells.excluded:
            lost = pd.DataFrame([("elisa", one.name, "", *e) for e in wells.excluded], columns=list(EXCLUDED))
            out.excluded = pd.concat([out.excluded, lost], ignore_index=True) if len(out.excluded) else lost
        frames.append(
            _framed(wells.rows, contract, one.name, {**given, **({"unit": source.unit} if source.unit else {})})
        )
    if tidy:
        read = read_table(
            contract, tidy, folder=folder, models=models, sheet=source.sheet, unit=source.unit, given=given
        )
        frames.append(read.frame)
        out.faults += read.faults
        out.files += read.files
        if len(read.excluded):
            out.excluded = (
                pd.concat([out.excluded, read.excluded], ignore_index=True) if len(out.excluded) else read.excluded
            )
    filled = [f for f in frames if len(f)]
    if filled:
        out.frame = _named(pd.concat(filled, ignore_index=True), sheet)
    return out


def _framed(rows: list[dict[str, Any]], contract: Contract, file: str, given: dict[str, str]) -> pd.DataFrame:
    """Wells of an export as a frame that keeps the contract."""
    frame = pd.DataFrame(rows).reindex(columns=empty_frame(contract).columns)
    for c in contract.columns:
        if c.name in given:
            frame[c.name] = given[c.name] if c.kind == "text" else float(given[c.name])
        elif c.kind == "text":
            frame[c.name] = frame[c.name].astype(object).where(frame[c.name].notna(), "")
        else:
            frame[c.name] = pd.to_numeric(frame[c.name]).astype("float64")
    frame["dilution"] = frame["dilution"].fillna(1.0)
    unit = next((u for u in frame["unit"] if u), "")
    frame["unit"] = frame["unit"].where(frame["unit"] != "", unit)
    frame["_file"], frame["_sheet"] = file, ""
    return frame


def _samples(
    source: TableSource, folder: Path, contract: Contract, models: pd.DataFrame, out: TableRead
) -> pd.DataFrame:
    """The sheet of samples, without rows where there is none."""
    if not source.samples:
        return pd.DataFrame()
    from dataclasses import replace

    mine = [contract.column("sample"), *(c for c in contract.columns if c.name not in _OF_WELLS)]
    columns = tuple(replace(c, required=c.name == "sample", measured=False) for c in mine)
    sheet = Contract("elisa samples", "What a sample is.", columns, key=("sample",))
    read = read_table(sheet, source.samples, folder=folder, models=models)
    out.faults += read.faults
    out.files += read.files
    return read.frame


def _named(frame: pd.DataFrame, sheet: pd.DataFrame) -> pd.DataFrame:
    """The wells with what the sheet says of their samples; a dilution in the sheet multiplies that of the well."""
    if sheet.empty:
        return frame
    known = sheet.drop_duplicates("sample").set_index("sample")
    for name in [c for c in known.columns if not c.startswith("_") and c in frame.columns]:
        told = frame["sample"].map(known[name])
        if name == "dilution":
            frame[name] = frame[name] * told.fillna(1.0)
        else:
            filled = told.notna() & (told.astype(str) != "")
            frame[name] = told.where(filled, frame[name])
    return frame
