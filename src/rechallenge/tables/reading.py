"""Lab tables in, frames and faults out: forgiving in form, strict in meaning.

Nothing here changes a file, and nothing but `read` raises for what a file holds: every fault of every table comes
back at once, each with its place and what to do.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.faults import Fault, InputFaults, by_place, errors
from rechallenge.record import InputRecord
from rechallenge.study import STUDY_FILE, Study, TableSource, nearest
from rechallenge.tables import files as _files
from rechallenge.tables import units
from rechallenge.tables.checks import check
from rechallenge.tables.contract import ORIGIN, Contract
from rechallenge.tables.convert import Part, convert
from rechallenge.tables.grid import Grid
from rechallenge.tables.headings import Recogniser
from rechallenge.tables.sniff import kind_of
from rechallenge.tables.text import grid_of_text
from rechallenge.tables.workbook import grid_of_parquet, grids_of_workbook

_log = logging.getLogger(__name__)

#: what follows the name of a matrix in the name of its sheet of samples
SAMPLES = "_samples"
EXCLUDED = ("kind", "file", "sheet", "row", "column", "value", "reason")

#: Ways to read a table kind other than row by row: `Contract.reader` -> "module:function". Such a function takes
#: (source: TableSource, study_folder: Path, contract: Contract, models: DataFrame) and returns a TableRead.
#: `Contract.reader` may also be such an address itself. Names, duplicates and the contract's rules are checked here,
#: over all sources of the kind.
READERS: dict[str, str] = {
    "plates": "rechallenge.tables.plates:read_plates",
    "matrix": "rechallenge.tables.matrix:read_matrix",
}


def no_exclusions() -> pd.DataFrame:
    """An empty table of exclusions: kind, file, sheet, row, column, value, reason."""
    return pd.DataFrame({n: pd.Series(dtype="int64" if n == "row" else object) for n in EXCLUDED})


@dataclass
class TableRead:
    """One table kind as read.

    `frame` has every column of the contract in its order (text '' and number NaN where absent), then `_file`
    (relative to the study folder), `_sheet` and `_row` (as the spreadsheet numbers it), then columns that only the
    user's file has. `faults` are of every severity. `excluded` lists what was left out: kind, file, sheet, row,
    column, value, reason. `files` are (name, bytes, sha256). Of a matrix (see `tables.matrix`) `frame` is the sheet of
    samples and `matrix` the values.
    """

    frame: pd.DataFrame
    faults: list[Fault] = field(default_factory=list)
    excluded: pd.DataFrame = field(default_factory=no_exclusions)
    files: list[tuple[str, int, str]] = field(default_factory=list)
    matrix: pd.DataFrame | None = None


@dataclass
class StudyTables:
    """All tables of a study: frames, exclusions and input files by kind, and every fault of all of them."""

    tables: dict[str, pd.DataFrame]
    faults: list[Fault]
    excluded: pd.DataFrame
    inputs: tuple[InputRecord, ...]
    rows_read: dict[str, int]


def read(kind: str | Contract, files: str | Path | list[str | Path], **options: Any) -> pd.DataFrame:
    """Read one table for use in a notebook: the frame that keeps the contract.

    `kind` is the name of a table kind (`viability`) or a Contract; `options` are those of `read_table`. Raises
    InputFaults, with all faults, where the table has errors, and KeyError for an unknown kind.
    """
    if isinstance(kind, str):
        from rechallenge.analysis import discover

        contracts = discover().contracts
        if kind not in contracts:
            raise KeyError(f"no table kind is called {kind!r}.{nearest(kind, contracts)}")
        kind = contracts[kind]
    out = read_table(kind, files, **options)
    if errors(out.faults):
        raise InputFaults(out.faults)
    return out.frame


def read_table(
    contract: Contract,
    files: str | Path | Sequence[str | Path],
    *,
    folder: Path | None = None,
    models: pd.DataFrame | None = None,
    sheet: str = "",
    unit: str = "",
    given: Mapping[str, str] | None = None,
) -> TableRead:
    """Read the files (or globs) of one table kind and check them as one table. Never raises for what they hold.

    `folder` is the study folder that names are relative to and that files must not leave; None takes names as they
    are. `models` is the study's table of models, against which model names are checked. `sheet` names the sheet of a
    workbook (`*` in it stands for several), `unit` the unit of its doses, and `given` one value for all rows of
    columns that the files lack.
    """
    names = [files] if isinstance(files, str | Path) else list(files)
    parts, out = _read_files(contract, names, folder, models, sheet, unit, given or {})
    return _joined(contract, parts, out, models)


def read_study(study: Study, contracts: Mapping[str, Contract]) -> StudyTables:
    """Read every table that a study names. Never raises for bad input: all faults of all tables come back."""
    models = study.models_table()
    tables: dict[str, pd.DataFrame] = {}
    faults: list[Fault] = []
    excluded = [no_exclusions()]
    inputs: list[InputRecord] = []
    rows_read: dict[str, int] = {}
    for kind, sources in study.tables.items():
        contract = contracts.get(kind)
        if contract is None:
            faults.append(
                Fault(
                    "unknown-table",
                    "there is no table kind of this name.",
                    f"Known kinds: {', '.join(contracts)}.{nearest(kind, contracts)}",
                    file=STUDY_FILE,
                    column=f"tables.{kind}",
                )
            )
            continue
        if not sources:
            faults.append(
                Fault(
                    "no-match",
                    "no file is named.",
                    "Name the file, or remove the line.",
                    file=STUDY_FILE,
                    column=f"tables.{kind}",
                )
            )
        result = _read_sources(study, contract, sources, models)
        if result.matrix is not None:
            tables[kind], tables[f"{kind}{SAMPLES}"] = result.matrix, result.frame
        else:
            tables[kind] = result.frame
        faults += result.faults
        excluded.append(result.excluded)
        inputs += [InputRecord(name, kind, size, digest) for name, size, digest in result.files]
        left_out = result.excluded[["file", "sheet", "row"]].drop_duplicates()
        rows_read[kind] = len(tables[kind]) + len(left_out)
    return StudyTables(tables, by_place(faults), _stack(excluded), tuple(inputs), rows_read)


def _read_sources(study: Study, contract: Contract, sources: Iterable[TableSource], models: pd.DataFrame) -> TableRead:
    parts: list[Part] = []
    out = TableRead(empty_frame(contract))
    tidy = contract.reader == "tidy"
    matrices: dict[str, pd.DataFrame] = {}
    for source in sources:
        if tidy:
            given, sheet_faults = _given(source, contract)
            out.faults += sheet_faults
            some, more = _read_files(contract, source.values, study.folder, models, source.sheet, source.unit, given)
            parts += some
        else:
            try:
                more = _reader(contract)(source, study.folder, contract, models)
            except InputFaults as e:
                more = TableRead(empty_frame(contract), list(e.faults))
            except Exception as e:  # noqa: BLE001  the user gets a sentence, the log the traceback
                more = TableRead(empty_frame(contract), [_unexpected(e, ", ".join(source.values))])
            parts.append(Part(more.frame, "", [], [], np.zeros(len(more.frame), dtype=bool)))
            if more.matrix is not None:
                name = str(more.matrix["dataset"].iloc[0]) if len(more.matrix) else ""
                if name in matrices:
                    more.faults.append(_same_name(contract.name, name))
                matrices[name] = more.matrix
        out.faults += more.faults
        out.excluded = _stack([out.excluded, more.excluded])
        seen = {name for name, _, _ in out.files}
        out.files += [f for f in more.files if f[0] not in seen]
    if contract.reader == "matrix":
        from rechallenge.tables.matrix import stacked

        out.matrix = stacked(list(matrices.values()))
        contract = replace(contract, columns=tuple(c for c in contract.columns if c.name != "feature"))
    return _joined(contract, parts, out, models)


def _same_name(kind: str, name: str) -> Fault:
    return Fault(
        "same-name",
        "two data sets have this name.",
        'Give each a name of its own: name = "...".',
        file=STUDY_FILE,
        column=f"tables.{kind}",
        value=name,
    )


def _reader(contract: Contract) -> Callable[..., TableRead]:
    module, _, name = READERS.get(contract.reader, contract.reader).partition(":")
    found: Callable[..., TableRead] = getattr(importlib.import_module(module), name)
    return found


def _given(source: TableSource, contract: Contract) -> tuple[dict[str, str], list[Fault]]:
    """Keys of a source that name columns give their value for every row; other unknown keys are faults."""
    names = [c.name for c in contract.columns]
    given: dict[str, str] = {}
    faults: list[Fault] = []
    unused = {k: getattr(source, k) for k in ("samples", "map", "layout") if getattr(source, k)}
    for key, value in {**unused, **source.extra}.items():
        if key in names and isinstance(value, str | int | float) and not isinstance(value, bool):
            given[key] = str(value)
        else:
            faults.append(
                Fault(
                    "study-key",
                    f"a table of kind {contract.name} does not use this key.",
                    f"Remove it, or name a column of the table.{nearest(key, names)}",
                    file=STUDY_FILE,
                    column=f"tables.{contract.name}.{key}",
                    value=str(value)[:80],
                )
            )
    return given, faults


def _read_files(
    contract: Contract,
    names: Sequence[str | Path],
    folder: Path | None,
    models: pd.DataFrame | None,
    sheet: str,
    unit: str,
    given: Mapping[str, str],
) -> tuple[list[Part], TableRead]:
    """Every file of one source, one by one; faults of one file do not keep others from being read."""
    out = TableRead(empty_frame(contract))
    if unit and not _unit_fits(unit, contract):
        message, remedy = units.why_not(unit)
        out.faults.append(
            Fault("unit", message, remedy, file=STUDY_FILE, column=f"tables.{contract.name}.unit", value=unit)
        )
        unit = ""
    found, faults = _files.find(names, folder)
    out.faults += faults
    known = [] if models is None else [str(m) for m in models["model"]]
    parts: list[Part] = []
    excluded: list[tuple[str, str, str, int, str, str, str]] = []
    digests: dict[str, str] = {}
    for one in found:
        try:
            content = _files.load(one)
            out.files.append(content.record)
            if content.sha256 in digests:
                raise InputFaults(
                    [
                        Fault(
                            "same-content",
                            f"the file has exactly the same content as {digests[content.sha256]}.",
                            "Remove one of the two, or export the right table again.",
                        )
                    ]
                )
            digests[content.sha256] = one.name
            for part in _parts(content.data, contract, one.name, sheet, unit, given, known):
                parts.append(part)
                out.faults += part.faults
                excluded += [(contract.name, one.name, part.sheet, *e) for e in part.excluded]
        except InputFaults as e:
            out.faults += [f if f.file else f.at(file=one.name) for f in e.faults]
        except Exception as e:  # noqa: BLE001  the user gets a sentence, the log the traceback
            out.faults.append(_unexpected(e, one.name))
    if excluded:
        out.excluded = pd.DataFrame(excluded, columns=list(EXCLUDED))
    return parts, out


def _unit_fits(unit: str, contract: Contract) -> bool:
    has_unit = any(c.name == "unit" for c in contract.columns)
    return has_unit or units.find(unit, "concentration") is not None


def _parts(
    data: bytes, contract: Contract, name: str, sheet: str, unit: str, given: Mapping[str, str], models: Sequence[str]
) -> list[Part]:
    know = Recogniser(contract)
    return [
        convert(grid, contract, file=name, unit=unit, given=given, models=models)
        for grid in grids(data, know, sheet, list(given))
    ]


def grids(data: bytes, know: Recogniser, sheet: str = "", given: Sequence[str] = ()) -> list[Grid]:
    """The sheets of cells in the bytes of a file, whatever format it has. Raises InputFaults (without file)."""
    kind = kind_of(data)
    if kind == "text":
        return [grid_of_text(data, know)]
    if kind == "parquet":
        return [grid_of_parquet(data)]
    return grids_of_workbook(data, kind, know, sheet, given)


def _unexpected(e: Exception, name: str) -> Fault:
    _log.debug("reading %s failed", name, exc_info=e)
    if isinstance(e, MemoryError):
        return Fault("too-large", "the table does not fit in memory.", "Split it, or use a larger machine.", file=name)
    return Fault(
        "unreadable",
        f"the file could not be read as a table ({type(e).__name__}: {str(e).strip()[:200] or 'no reason given'}).",
        "Open it in a spreadsheet and save it as CSV UTF-8; if it still fails, report it with the file.",
        file=name,
    )


def _joined(contract: Contract, parts: list[Part], out: TableRead, models: pd.DataFrame | None) -> TableRead:
    """All parts as one frame, checked as one table."""
    filled = [p for p in parts if len(p.frame)]
    frame = pd.concat([p.frame for p in filled], ignore_index=True) if filled else out.frame
    doubtful = np.concatenate([p.doubtful for p in filled]) if filled else np.zeros(0, dtype=bool)
    head = [c.name for c in contract.columns] + list(ORIGIN)
    frame = frame.reindex(columns=head + [n for n in frame.columns if n not in head])
    for name in frame.columns[len(head) :]:
        if frame[name].dtype == object and frame[name].isna().any():
            frame[name] = frame[name].fillna("")
    out.frame = _typed(frame, contract)
    try:
        headed = np.concatenate([np.full(len(p.frame), p.headed) for p in filled]) if filled else doubtful
        out.faults += check(out.frame, contract, models, doubtful=doubtful, headed=headed, known=out.faults)
    except Exception as e:  # noqa: BLE001  the user gets a sentence, the log the traceback
        out.faults.append(_unexpected(e, contract.name))
    out.faults = by_place(dict.fromkeys(out.faults))
    return out


def _typed(frame: pd.DataFrame, contract: Contract) -> pd.DataFrame:
    """Whole numbers that every row has as int64; all other numbers as float64."""
    for c in contract.columns:
        if c.kind == "integer" and (c.required or c.default is not None):
            values = frame[c.name].to_numpy(dtype=float)
            if len(values) == 0 or (np.isfinite(values).all() and (values == np.floor(values)).all()):
                frame[c.name] = values.astype(np.int64)
    return frame


def empty_frame(contract: Contract) -> pd.DataFrame:
    """A frame without rows that has every column of the contract and the origin columns."""
    columns: dict[str, Any] = {
        c.name: pd.Series(dtype=object if c.kind == "text" else "float64") for c in contract.columns
    }
    columns |= {"_file": pd.Series(dtype=object), "_sheet": pd.Series(dtype=object), "_row": pd.Series(dtype="int64")}
    return _typed(pd.DataFrame(columns), contract)


def _stack(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    filled = [f for f in frames if len(f)]
    return pd.concat(filled, ignore_index=True) if filled else frames[0]
