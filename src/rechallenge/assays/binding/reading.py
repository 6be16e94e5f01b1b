"""Binding measurements as instruments export them.

    binding = { values = "run1/*.frd", protein = "AKR1B1", molecular_weight_kda = 0.32 }
    binding = { values = "sensorgrams.csv", protein = "AKR1B1", ligand = "epalrestat", association_start = 52,
                association_end = 152 }
    binding = "biacore_insight.xlsx"

Octet `.frd` files are one sensor each: base line, association and dissociation steps are taken; what was loaded is the
protein and the sample the ligand unless the source names them; every loading is one experiment. Biacore Insight
workbooks give the reference-subtracted response late in each injection, which is an equilibrium response. A table with
a time column and headings that hold a molar concentration is a set of sensorgrams. All else is read as a tidy table.
"""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.faults import Fault, InputFaults
from rechallenge.study import STUDY_FILE, TableSource
from rechallenge.tables import files as _files
from rechallenge.tables import units
from rechallenge.tables.contract import Column, Contract
from rechallenge.tables.grid import cells_of
from rechallenge.tables.numbers import decide, parse
from rechallenge.tables.reading import TableRead, empty_frame, read_table
from rechallenge.tables.sniff import kind_of
from rechallenge.tables.workbook import sheets_of

_MOLAR = re.compile(r"(?<![A-Za-z0-9])(\d+(?:[.,]\d+)?(?:e[-+.]?\d+)?)[\s._]*(pM|nM|uM|µM|μM|mM|M)(?![A-Za-z])")
_REPORT = "Report point table"
_BIACORE = (
    "Name",
    "Sensorgram type",
    "Step purpose",
    "Analyte 1 Solution",
    "Relative response (RU)",
    "Cycle",
    "Flow cell",
)
_STEPS = {"ASSOC": "association", "DISASSOC": "dissociation", "BASELINE": "baseline"}


@lru_cache(maxsize=1)
def times_form() -> Contract:
    """Sensorgrams in columns beside a time column."""
    return Contract(
        "binding",
        "sensorgrams side by side",
        (Column("seconds", "time", "number", required=True, also=("time", "time_s", "t", "x")),),
    )


def read(source: TableSource, folder: Path, contract: Contract, models: pd.DataFrame) -> TableRead:
    """The table of one source, whatever its files are; faults are returned, never raised."""
    out = TableRead(empty_frame(contract))
    given, weight = _keys(source, contract, out.faults)
    found, faults = _files.find(source.values, folder)
    out.faults += faults
    tidy: list[str] = []
    parts: list[pd.DataFrame] = []
    for one in found:
        try:
            content = _files.load(one)
            data = content.data
            if data.lstrip()[:5] == b"<?xml" and b"<ExperimentResults" in data[:2000]:
                out.files.append(content.record)
                parts.append(_octet(data, one.name, given, weight))
            elif (kind := kind_of(data)) not in ("text", "parquet") and _REPORT in (sheets := sheets_of(data, kind)[0]):
                out.files.append(content.record)
                parts.append(biacore(sheets[_REPORT][0], one.name))
            elif (wide := side_by_side(one.name, folder, given)) is not None:
                out.files.append(content.record)
                parts.append(wide)
            else:
                tidy.append(one.name)
        except InputFaults as e:
            out.faults += [f if f.file else f.at(file=one.name) for f in e.faults]
    if tidy:
        more = read_table(
            contract, tidy, folder=folder, models=models, sheet=source.sheet, unit=source.unit, given=given
        )
        out.faults += more.faults
        out.files += more.files
        out.excluded = more.excluded
        parts.append(more.frame)
    filled = [p for p in parts if len(p)]
    if filled:
        frame = pd.concat(filled, ignore_index=True)
        for c in contract.columns:
            if c.name not in frame.columns:
                frame[c.name] = given.get(c.name, c.default) if c.kind == "text" else np.nan
            if c.kind == "text":
                frame[c.name] = frame[c.name].where(frame[c.name].notna(), c.default or "").astype(str).astype(object)
        frame["_sheet"] = frame["_sheet"].fillna("")
        for name in ("protein", "ligand"):
            if (frame[name] == "").any():
                out.faults.append(_unnamed(name, str(frame.loc[frame[name] == "", "_file"].iloc[0])))
        out.frame = frame.reindex(columns=out.frame.columns)
    return out


def _keys(source: TableSource, contract: Contract, faults: list[Fault]) -> tuple[dict[str, str], float]:
    """Columns that the source names once, and the ligand's molecular weight in kDa."""
    names = [c.name for c in contract.columns]
    given: dict[str, str] = {}
    weight = float("nan")
    for key, value in source.extra.items():
        if key == "molecular_weight_kda" and isinstance(value, int | float) and value > 0:
            weight = float(value)
        elif key in names and isinstance(value, str | int | float) and not isinstance(value, bool):
            given[key] = str(value)
        else:
            faults.append(
                Fault(
                    "study-key",
                    f"a table of kind {contract.name} does not use this key.",
                    f"Remove it, or name a column of the table ({', '.join(names)}) or molecular_weight_kda.",
                    file=STUDY_FILE,
                    column=f"tables.{contract.name}.{key}",
                    value=str(value)[:80],
                )
            )
    return given, weight


def _unnamed(name: str, file: str) -> Fault:
    return Fault(
        f"no-{name}",
        f"the file does not say the {name}.",
        f'Name it in study.toml: binding = {{ values = "{file}", {name} = "..." }}.',
        file=file,
        column=name,
    )


# tables side by side --------------------------------------------------------------------------------------------


def molar(heading: str) -> float:
    """The concentration in µM that a heading names; nan where it names none.

    >>> molar("Conc. 50 nM"), molar("Conc..6.17e.1.nM."), molar("Sample A")
    (0.05, 0.000617, nan)
    """
    found = _MOLAR.search(heading.replace("Conc..", " ").replace("Conc.", " "))
    if found is None:
        return float("nan")
    number = float(re.sub(r"e\.", "e-", found[1]).replace(",", "."))
    return round(number * _um(found[2].replace("μ", "µ")), 15)


def _um(unit: str) -> float:
    """How many µM one of a molar unit is; nan for any other unit."""
    found = units.find(unit, "concentration")
    return float("nan") if found is None else found.times / found.over


def side_by_side(name: str, folder: Path, given: Mapping[str, str]) -> pd.DataFrame | None:
    """Sensorgrams in columns beside a time column, or None where the file is no such table."""
    table = read_table(times_form(), name, folder=folder)
    if any(f.severity == "error" for f in table.faults):
        return None
    columns = [str(c) for c in table.frame.columns if c not in ("seconds", "_file", "_sheet", "_row")]
    doses = {c: molar(c) for c in columns}
    known = [c for c, d in doses.items() if d == d]
    if not known and "concentration_um" in given and len(columns) == 1:
        known, doses = columns, {columns[0]: float(given["concentration_um"])}
    if not known:
        return None
    cells = {c: cells_of(table.frame[c].astype(str).tolist()) for c in known}
    decision = decide(list(cells.values()), "")
    parts = []
    for c in known:
        part = table.frame[["seconds", "_file", "_sheet", "_row"]].copy()
        part["response"], part["concentration_um"], part["cycle"] = parse(cells[c], decision).values, doses[c], c
        for key, value in given.items():
            if key != "concentration_um":
                part[key] = float(value) if key.startswith("association_") else value
        parts.append(part[part["response"].notna()])
    return pd.concat(parts, ignore_index=True)


# Octet ----------------------------------------------------------------------------------------------------------


def _octet(data: bytes, name: str, given: Mapping[str, str], weight: float) -> pd.DataFrame:
    """`octet`, where damage inside a step is a fault too."""
    try:
        return octet(data, name, given, weight)
    except (ValueError, IndexError, OverflowError) as e:
        raise InputFaults(
            [Fault("corrupt", f"the Octet file is damaged ({str(e)[:120]}).", "Export it again.")]
        ) from None


def octet(data: bytes, name: str, given: Mapping[str, str], weight: float) -> pd.DataFrame:
    """The base line, association and dissociation steps of one Octet sensor. Raises InputFaults."""
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise InputFaults([Fault("unreadable", "this is no Octet file: it declares entities.", "Export it again.")])
    try:
        root = ET.fromstring(data)
    except ET.ParseError as e:
        raise InputFaults(
            [Fault("unreadable", f"the Octet file is cut off or damaged ({e}).", "Export it again.")]
        ) from None
    sensor = root.findtext("ExperimentInfo/SensorName") or Path(name).stem
    protein, block = "", 0
    rows: list[pd.DataFrame] = []
    held: pd.DataFrame | None = None
    current: dict[str, Any] = {}
    blocks: dict[tuple[str, str], int] = {}
    for step in root.iter("Step"):
        kind = str(step.findtext("StepType") or "")
        if "LOADING" in kind:
            protein = str(step.findtext("CommonData/SampleID") or "")
            held = None
            continue
        phase = _STEPS.get(kind.removeprefix("K"))
        if phase is None:
            held = None
            continue
        time, signal = (_numbers(step.findtext(f"Assay{axis}Data") or "") for axis in "XY")
        # the time axis leaves out the sensor's way from well to well
        part = pd.DataFrame({"time": time, "response": signal, "phase": phase})
        if phase == "baseline":
            held = part
            continue
        if phase == "association":
            block += 1
            ligand = str(step.findtext("CommonData/SampleID") or "")
            key = (given.get("protein", protein), given.get("ligand", ligand))
            blocks[key] = blocks.get(key, 0) + 1
            current = {
                "protein": key[0],
                "ligand": key[1],
                "concentration_um": _concentration(step, weight),
                "cycle": f"{sensor} {block}",
                "replicate": given.get("replicate", str(blocks[key])),
            }
            if held is not None:
                rows.append(held[held["time"] > held["time"].iloc[-1] - 10].assign(**current))
            rows.append(part.assign(**current))
        elif current:
            rows.append(part.assign(**current))
            current = {}
    if not rows:
        raise InputFaults([Fault("no-rows", "the Octet file holds no association step.", "Name the assay's files.")])
    out = pd.concat(rows, ignore_index=True)
    out["seconds"] = out["time"] - out.groupby("cycle")["time"].transform("min")
    out["method"], out["_file"], out["_sheet"], out["_row"] = "bli", name, "", np.arange(1, len(out) + 1)
    out["variant"] = given.get("variant", "wild type")
    return out.drop(columns="time")


def _numbers(text: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.frombuffer(base64.b64decode(text), dtype="<f4").astype(np.float64)


def _concentration(step: ET.Element, weight: float) -> float:
    """µM of the sample in a step; 0 in a blank. Raises InputFaults where mass per volume comes without a weight."""
    amount = float(step.findtext("CommonData/MolarConcentration") or -1)
    unit = _um(step.findtext("CommonData/MolarConcUnits") or "")
    if amount >= 0 and unit == unit:
        return amount * unit
    amount = float(step.findtext("CommonData/Concentration") or -1)
    text = step.findtext("CommonData/ConcentrationUnits") or ""
    unit = _um(text)
    if amount <= 0:
        return 0.0
    if unit == unit:
        return amount * unit
    if weight != weight:
        message = f"concentrations are in {text}, and the ligand's molecular weight is not known."
        remedy = "Add molecular_weight_kda = ... to the source in study.toml."
        raise InputFaults([Fault("no-weight", message, remedy)])
    return amount / weight  # µg/ml over kDa is µM


# Biacore Insight ------------------------------------------------------------------------------------------------


def biacore(rows: Iterable[list[Any]], name: str) -> pd.DataFrame:
    """Equilibrium responses of a Biacore Insight workbook: late in the injection, reference subtracted."""
    table = [list(r) for r in rows]
    head = next((i for i, r in enumerate(table) if "Sensorgram type" in r and "Name" in r), None)
    if head is None:
        raise InputFaults([Fault("missing-column", "the report point table has no headings.", "Export it again.")])
    headings = [str(h) for h in table[head]]
    frame = pd.DataFrame(table[head + 1 :], columns=pd.Index(headings))
    frame["_row"] = np.arange(head + 2, head + 2 + len(frame))
    lacking = [h for h in _BIACORE if h not in headings]
    if lacking:
        message = f"the report point table has no column {', '.join(lacking)}."
        raise InputFaults([Fault("missing-column", message, "Export it again with all columns.")])
    if len(set(headings)) < len(headings):
        raise InputFaults(
            [Fault("missing-column", "a heading of the report point table is there twice.", "Export it again.")]
        )
    dose = next((h for h in headings if h.startswith("Analyte 1 Concentration")), "")
    late = frame["Name"].astype(str).str.startswith("Analyte binding late")
    used = frame[late & (frame["Sensorgram type"] == "Reference subtracted") & (frame["Step purpose"] == "Analysis")]
    if not dose or used.empty:
        message = "the workbook has no reference-subtracted responses late in an injection with their concentration."
        raise InputFaults([Fault("no-rows", message, "Add the report point `Analyte binding late` and export again.")])
    unit = re.search(r"\((.+?)\)", dose)
    scale = _um(unit[1] if unit else "nM")
    captures = [h for h in headings if re.fullmatch(r"Capture \d+ Solution", h)]
    captured = (
        used[captures].astype(str).replace({"nan": "", "None": ""}) if captures else pd.DataFrame(index=used.index)
    )
    protein = captured.apply(lambda r: next((v for v in r if v), ""), axis=1) if captures else ""
    out = pd.DataFrame(
        {
            "protein": protein,
            "ligand": used["Analyte 1 Solution"].astype(str),
            "concentration_um": pd.to_numeric(used[dose], errors="coerce") * scale,
            "response": pd.to_numeric(used["Relative response (RU)"], errors="coerce"),
            "cycle": "cycle " + used["Cycle"].astype(str),
            "_row": used["_row"],
        }
    )
    flow = used["Flow cell"].astype(str)
    out["protein"] = out["protein"].where(out["protein"] != "", "flow cell " + flow)
    out = out[out["response"].notna() & out["concentration_um"].notna()].reset_index(drop=True)
    return out.assign(method="spr", variant="wild type", replicate="1", seconds=np.nan, _file=name, _sheet=_REPORT)
