"""Wide tables of isotopologues: exports of El-MAVEN and the input tables of AccuCor, one column per sample.

A row is one isotopologue (`C12 PARENT`, `C13-label-2`) of one compound, the areas stand below the names of the samples.
What a sample is comes from a sheet of samples (sample, model, treatment, replicate, hours, tracer, normaliser) or from
study.toml. El-MAVEN lists what it found: an isotopologue of a compound that has no row was looked for and not seen, so
its area is 0, as AccuCor takes it. Tidy tables are read as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from rechallenge.faults import Fault, InputFaults
from rechallenge.omics.tracing.contract import shift_of
from rechallenge.omics.tracing.isotopes import TRACERS, parse_formula, parse_tracer
from rechallenge.study import TableSource
from rechallenge.tables import files as _files
from rechallenge.tables.contract import Contract, plain
from rechallenge.tables.convert import convert
from rechallenge.tables.grid import Cells, Grid
from rechallenge.tables.headings import Recogniser
from rechallenge.tables.reading import EXCLUDED, TableRead, empty_frame, grids, read_table

#: headings of these tables that are no sample, as `plain` writes them
_NOT_SAMPLES = frozenset({
    "label", "metagroupid", "groupid", "goodpeakcount", "medmz", "medrt", "maxquality", "isotopelabel", "compound",
    "compoundid", "formula", "expectedrtdiff", "ppmdiff", "parent", "adductname", "note", "category",
    "uniquemetagroupid", "pathway", "mz", "rt", "derivative", "metabolite",
})  # fmt: skip
_ISOTOPES = {"c13": "13C", "n15": "15N", "d": "2H", "h2": "2H"}
#: columns of the contract that the export itself tells
_OF_ROWS = ("metabolite", "formula", "derivative", "isotopologue", "area")


def read_isotopologues(source: TableSource, folder: Path, contract: Contract, models: pd.DataFrame) -> TableRead:
    """A source of the kind `isotopologues`: tidy tables, and wide ones with `samples` beside them. Other keys give one
    value for all rows (`tracer`, `model`, `hours`, ...). All faults are returned."""
    names = {c.name for c in contract.columns}
    given = {k: str(v) for k, v in source.extra.items() if k in names and isinstance(v, str | int | float)}
    out = TableRead(empty_frame(contract))
    out.faults += [
        Fault("study-key", "a table of kind isotopologues does not use this key.",
              "Remove it, or name a column of the table.", file="study.toml", column=f"tables.isotopologues.{k}")
        for k in source.extra if k not in given
    ]  # fmt: skip
    sheet = _sample_sheet(source, folder, contract, models, out)
    found, faults = _files.find(source.values, folder)
    out.faults += faults
    know = Recogniser(contract)
    frames: list[pd.DataFrame] = []
    tidy: list[str] = []
    for one in found:
        try:
            content = _files.load(one)
            some = grids(content.data, know, source.sheet, list(given))
            if not some or not all(_is_wide(grid) for grid in some):
                tidy.append(one.name)
                continue
            out.files.append(content.record)
            for grid in some:
                ready, left, notes = _tidied(grid, sheet, given)
                out.faults += [f.at(file=one.name) for f in notes]
                part = convert(ready, contract, file=one.name, given=given,
                               models=[str(m) for m in models["model"]])  # fmt: skip
                frames.append(part.frame)
                out.faults += part.faults
                _leave_out(out, [(contract.name, one.name, part.sheet, *e) for e in [*left, *part.excluded]])
        except InputFaults as e:
            out.faults += [f if f.file else f.at(file=one.name) for f in e.faults]
    if tidy:
        read = read_table(contract, tidy, folder=folder, models=models, sheet=source.sheet, given=given)
        frames.append(read.frame)
        out.faults += read.faults
        out.files += read.files
        _leave_out(out, list(read.excluded.itertuples(index=False, name=None)))
    filled = [f for f in frames if len(f)]
    if filled:
        out.frame = pd.concat(filled, ignore_index=True)
    return out


def _leave_out(out: TableRead, lost: list[tuple[Any, ...]]) -> None:
    if lost:
        more = pd.DataFrame(lost, columns=list(EXCLUDED))
        out.excluded = pd.concat([out.excluded, more], ignore_index=True) if len(out.excluded) else more


def _is_wide(grid: Grid) -> bool:
    """Whether a table has a row per isotopologue and a column per sample."""
    heads = {plain(h) for h in grid.headings}
    return {"compound", "formula", "isotopelabel"} <= heads and not heads & {"sample", "area", "replicate"}


def _sample_sheet(
    source: TableSource, folder: Path, contract: Contract, models: pd.DataFrame, out: TableRead
) -> dict[str, dict[str, str]]:
    """Sample name -> column -> value, from the table that `samples` names."""
    if not source.samples:
        return {}
    columns = [
        replace(c, required=c.name == "sample", measured=False, default=None, choices=(), kind="text")
        for c in contract.columns
        if c.name not in _OF_ROWS
    ]
    about = "Which model, treatment, replicate and tracer a sample is."
    read = read_table(
        Contract("isotopologues samples", about, tuple(columns), key=("sample",)), source.samples, folder=folder,
        models=models,
    )  # fmt: skip
    out.faults += read.faults
    out.files += read.files
    rows = {}
    for record in read.frame.to_dict("records"):
        values = {str(k): str(v) for k, v in record.items() if not str(k).startswith("_") and str(v) not in ("", "nan")}
        if "sample" in values:
            rows[values.pop("sample").strip()] = values
    return rows


def _label(text: str) -> tuple[str, int | None]:
    """(isotope, mass shift) of an isotope label; isotope '' for the unlabelled; shift None where it cannot be told.

    >>> _label("C13-label-2"), _label("C12 PARENT"), _label("C13N15-label-2-1"), _label("D-label-3")
    (('13C', 2), ('', 0), ('', None), ('2H', 3))
    """
    found = re.fullmatch(r"\s*(C13|N15|D|H2)-?label-?(\d+)\s*", text, flags=re.IGNORECASE)
    if found:
        return _ISOTOPES[found[1].lower()], int(found[2])
    shift = shift_of(text)
    return "", shift if shift == 0 else None


def _tidied(
    grid: Grid, sheet: Mapping[str, Mapping[str, str]], given: Mapping[str, str]
) -> tuple[Grid, list[tuple[int, str, str, str]], list[Fault]]:
    """The grid with one row per sample and isotopologue, what was left out (row, column, value, reason), and notes."""
    at = {plain(h): i for i, h in enumerate(grid.headings) if plain(h) in _NOT_SAMPLES}
    samples = {h.strip(): i for i, h in enumerate(grid.headings) if h.strip() and plain(h) not in _NOT_SAMPLES}
    left: list[tuple[int, str, str, str]] = []
    notes: list[Fault] = []
    if sheet:
        unknown = [s for s in samples if s not in sheet]
        left += [(grid.header_row, s, "", "not in the sheet of samples") for s in unknown]
        if len(unknown) == len(samples):
            notes.append(
                Fault("samples", "no column of this table is a sample of the sheet of samples.",
                      f"Write the names as the columns have them: {', '.join(list(samples)[:5])}.")
            )  # fmt: skip
        samples = {s: i for s, i in samples.items() if s in sheet}
    elif missing := [c for c in ("model", "replicate", "tracer") if c not in given]:
        notes.append(
            Fault("samples", f"this export names its samples only; nothing says their {', '.join(missing)}.",
                  'Name a table with the columns sample, model, treatment, replicate, tracer: samples = "samples.csv".')
        )  # fmt: skip
        return replace(grid, headings=("sample",), columns=(_cells([]),), rows=grid.rows[:0], ragged=()), left, notes

    def text(name: str, r: int) -> str:
        return grid.columns[at[name]].at(r).strip() if name in at else ""

    rows: list[tuple[int, str, str, str, int, list[str]]] = []
    group: dict[tuple[str, str], set[str]] = {}
    for r in range(len(grid)):
        compound, formula = text("compound", r) or text("compoundid", r), text("formula", r)
        label = text("isotopelabel", r)
        if not (compound or formula or label):
            continue
        isotope, shift = _label(label)
        number = int(grid.rows[r])
        if plain(text("label", r)) in ("b", "bad"):
            left.append((number, "label", text("label", r), "the peak group was marked as bad"))
        elif shift is None:
            left.append((number, "isotopeLabel", label, "more than one labelled element, or no isotopologue"))
        else:
            group.setdefault((compound, isotope or "parent"), set()).add(text("metagroupid", r))
            rows.append((number, compound, formula, isotope, shift, [grid.columns[i].at(r) for i in samples.values()]))
    several = sorted({c for (c, _), ids in group.items() if len(ids) > 1})
    notes += [
        Fault("peak-groups", f"{compound} has several groups of peaks.",
              "Mark the wrong ones as bad in El-MAVEN (b in the column label), or delete their rows.",
              column="compound", value=compound)
        for compound in several
    ]  # fmt: skip
    rows = [row for row in rows if row[1] not in several]
    columns, numbers, filled = _melted(rows, list(samples), sheet, given, left)
    if filled:
        notes.append(
            Fault("not-found", f"{filled} isotopologues have no row in this export: they were looked for and not "
                  "found, and are taken as 0.", severity="note")
        )  # fmt: skip
    cells = {name: _cells(values) for name, values in columns.items() if name not in given}
    ready = replace(
        grid, headings=tuple(cells), columns=tuple(cells.values()), rows=np.array(numbers, np.int64), ragged=()
    )
    return ready, left, notes


def _melted(
    rows: list[tuple[int, str, str, str, int, list[str]]],
    samples: list[str],
    sheet: Mapping[str, Mapping[str, str]],
    given: Mapping[str, str],
    left: list[tuple[int, str, str, str]],
) -> tuple[dict[str, list[str]], list[int], int]:
    """Tidy columns, the row of each value, and how many isotopologues were filled in."""
    more = sorted({k for s in samples for k in sheet.get(s, {})} - {"sample"})
    columns: dict[str, list[str]] = {n: [] for n in ("sample", "metabolite", "formula", "isotopologue", "area", *more)}
    numbers: list[int] = []
    filled: set[tuple[str, int]] = set()
    refused: set[tuple[int, str]] = set()
    by_compound: dict[tuple[str, str], list[tuple[int, str, int, list[str]]]] = {}
    for number, compound, formula, isotope, shift, areas in rows:
        by_compound.setdefault((compound, formula), []).append((number, isotope, shift, areas))
    for k, sample in enumerate(samples):
        try:
            tracer = parse_tracer(sheet.get(sample, {}).get("tracer", given.get("tracer", ""))).isotope
        except ValueError:
            tracer = ""  # the contract tells the fault of the tracer itself
        for (compound, formula), found in by_compound.items():
            found_shifts = {}
            for number, isotope, shift, areas in found:
                if isotope and tracer and isotope != tracer:
                    if (number, isotope) not in refused:
                        refused.add((number, isotope))
                        left.append(
                            (number, "isotopeLabel", isotope, f"labelled with {isotope}, the tracer is {tracer}")
                        )
                    continue
                found_shifts[shift] = (number, areas[k])
            if not found_shifts:
                continue
            try:
                most = parse_formula(formula).get(TRACERS[tracer], 0) if tracer else max(found_shifts)
            except ValueError:
                most = max(found_shifts)  # the contract tells the fault of the formula itself
            first = min(found_shifts.values())[0]
            for shift in sorted({*range(most + 1), *found_shifts}):
                number, area = found_shifts.get(shift, (first, "0"))
                if shift not in found_shifts:
                    filled.add((compound, shift))
                values = {"sample": sample, "metabolite": compound, "formula": formula, "isotopologue": f"M+{shift}",
                          "area": area, **{c: sheet.get(sample, {}).get(c, "") for c in more}}  # fmt: skip
                for name, value in values.items():
                    columns[name].append(value)
                numbers.append(number)
    return columns, numbers, len(filled)


def _cells(values: list[str]) -> Cells:
    return Cells(pa.array(values, pa.string()))
