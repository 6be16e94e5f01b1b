"""Matrices of features and samples with a sheet that says what the samples are.

    expression = { values = "counts.tsv", samples = "samples.csv", unit = "counts", name = "own RNA-seq" }

or a list of such tables. `values` is a matrix with the features in its first column and one column per sample (or the
transpose, which is noticed); several files of one source are joined by feature. `samples` is the sheet; without it the
samples are known by name alone. `name` names the data set (default: the file's name). Reading gives two tables: the
matrix `<kind>` with the columns `dataset`, `feature`, `_file`, `_row` and one per sample (missing where a sample
belongs to another data set), and the sheet `<kind>_samples` with `dataset`, `unit` and the columns of the contract.

A contract of this kind lists the columns of the sheet, and under the name `feature` what heads the first column of the
matrix.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from rechallenge.faults import Fault, InputFaults, errors
from rechallenge.study import STUDY_FILE, TableSource
from rechallenge.tables import files as _files
from rechallenge.tables import genes
from rechallenge.tables.contract import Column, Contract
from rechallenge.tables.grid import Cells, Grid
from rechallenge.tables.headings import Recogniser
from rechallenge.tables.ledger import Ledger
from rechallenge.tables.matrix_sheet import matched, read_sheet, sample_key, sheet_contract, sheet_of_names
from rechallenge.tables.matrix_values import UNITS, doubts, guess, unit_of, unite
from rechallenge.tables.numbers import decide, parse
from rechallenge.tables.reading import EXCLUDED, TableRead, empty_frame, grids
from rechallenge.tables.sniff import decode, kind_of
from rechallenge.tables.xlsx import HARMLESS, MAX_RATIO

#: columns of a matrix that are no sample
_OWN = ("dataset", "feature", "_file", "_row")
#: what heads the first column of a matrix
FEATURE = Column(
    "feature",
    "name of the gene, protein or metabolite",
    required=True,
    also=("gene", "genes", "gene symbol", "symbol", "gene name", "gene id", "id", "name", "protein", "protein id",
          "metabolite", "compound", "lipid", "probe", "ensembl", "ensembl id", "hugo symbol", "index", "row names"),
)  # fmt: skip
#: the usual columns of a sheet of samples
SAMPLE = Column("sample", "name of the sample, as in the matrix", required=True, also=("sample id", "sample name",
                "run", "column", "id", "file"))  # fmt: skip
SHEET: tuple[Column, ...] = (
    SAMPLE,
    Column("model", "as named in study.toml", required=True, refers="model", also=("cell line", "line", "cells")),
    Column("treatment", "what was given; vehicle or none for the control", default="none",
           also=("drug", "condition", "compound")),
    Column("stage", "stage of dose escalation: S0, S1, ...", default=""),
    Column("replicate", "biological replicate", required=True, also=("rep", "biological replicate", "experiment")),
    Column("batch", "run, day or plate that samples share", default="", also=("run batch", "day", "block")),
    Column("system", "where the sample grew: cells, organoid, xenograft (in animals); empty: as the model's name says",
           default="", also=("material", "tissue", "sample type", "grown as")),
)  # fmt: skip
_GZIP = b"\x1f\x8b"
_MISSING = ("not-detected", "limit")


@dataclass
class _Matrix:
    """One file of values: features, samples, numbers, rows of the file, faults."""

    features: list[str]
    samples: list[str]
    values: np.ndarray
    rows: np.ndarray
    sheet: str
    faults: list[Fault]


def read_matrix(
    source: TableSource, study_folder: Path, contract: Contract, models: pd.DataFrame | None = None
) -> TableRead:
    """Read one data set: `TableRead.frame` is the sheet of samples, `TableRead.matrix` the values.

    `source` has `values`, `samples`, `unit`, `name`, `sheet`; further keys that name columns of the sheet give their
    value for all samples. All faults are returned, none raised.
    """
    out = TableRead(empty_frame(sheet_contract(contract)))
    name = source.name.strip() or re.sub(r"\.(gz|csv|tsv|txt|xlsx|xls|parquet)$", "", Path(source.values[0]).stem)
    sheet = read_sheet(source, study_folder, contract, models, out)
    wanted = [] if sheet is None else [str(s) for s in sheet["sample"]]
    found, faults = _files.find(source.values, study_folder)
    out.faults += faults
    parts: list[pd.DataFrame] = []
    for one in found:
        try:
            content = _files.load(one)
            out.files.append(content.record)
            read = _values(_unpacked(content.data), contract, source.sheet, wanted)
        except InputFaults as e:
            out.faults += [f if f.file else f.at(file=one.name) for f in e.faults]
            continue
        out.faults += [f if f.file else f.at(file=one.name, sheet=read.sheet) for f in read.faults]
        part = pd.DataFrame(read.values, columns=read.samples)
        repeated = part.columns.duplicated() | part.columns.isin(_OWN)
        keys = {sample_key(w) for w in wanted}
        twice = next((s for s in part.columns[repeated] if not wanted or sample_key(s) in keys), None)
        if twice in _OWN:
            out.faults.append(
                Fault("sample-name", "a sample cannot have this name, which the matrix itself uses.",
                      "Give the sample another name.", file=one.name, sheet=read.sheet, value=str(twice))
            )  # fmt: skip
        elif twice is not None:
            out.faults.append(
                Fault("sample-twice", "two columns have the name of this sample.",
                      "Give every sample one column, with a name of its own.", file=one.name, sheet=read.sheet,
                      value=str(twice))
            )  # fmt: skip
        part = part.loc[:, ~repeated]
        part.insert(0, "feature", read.features)
        part.insert(1, "_file", one.name)
        part.insert(2, "_row", read.rows)
        parts.append(part)
    if not parts or errors(out.faults):
        return out
    joined = _joined(parts, out)
    if sheet is None:
        sheet = sheet_of_names(joined, contract, source, out)
    joined, sheet = matched(joined, sheet, contract.name, source.samples, out)
    _set_unit(joined, sheet, source, contract.name, out)
    unit = str(sheet["unit"].iloc[0]) if len(sheet) else ""
    samples = [c for c in joined.columns if c not in ("feature", "_file", "_row")]
    _named(joined, contract, out)
    whole, left = unite(joined[joined["feature"] != ""], samples, unit)
    if len(left) or len(whole) < int((joined["feature"] != "").sum()):
        _say_twice(joined, left, unit, contract.name, out)
    whole.insert(0, "dataset", name)
    sheet["dataset"] = name
    out.frame, out.matrix = sheet, whole
    return out


def _unpacked(data: bytes) -> bytes:
    """The content of a gzip file, of bearable size; other bytes as they are."""
    if not data.startswith(_GZIP):
        return data
    most = min(_files.MAX_BYTES, max(HARMLESS, MAX_RATIO * len(data)))
    try:
        with gzip.open(io.BytesIO(data)) as f:
            out = f.read(most + 1)
    except (OSError, EOFError, zlib.error) as e:
        raise InputFaults(
            [Fault("corrupt", f"the compressed file is damaged ({e}).", "Copy or download it again.")]
        ) from None
    if len(out) > most:
        raise InputFaults(
            [
                Fault(
                    "zip-bomb",
                    f"the file would unpack from {len(data) / 2**20:.1f} MB to more than {most / 2**20:,.0f} MB; it "
                    "was not read further.",
                    "Check where the file comes from. A table that is really so large is to be given unpacked.",
                )
            ]
        )
    return out


def _values(data: bytes, contract: Contract, sheet: str, wanted: Sequence[str]) -> _Matrix:
    """The numbers of one file. Raises InputFaults (without file)."""
    feature = next((c for c in contract.columns if c.name == "feature"), FEATURE)
    alone = Contract("matrix", "", (feature,))
    if kind_of(data) == "text":
        data = _with_corner(data)
    grid = grids(data, Recogniser(alone), sheet)[0]
    headings = [h.strip() for h in grid.headings]
    first = _feature_column(headings, alone, wanted)
    names, columns = _columns(grid, headings, first, wanted)
    book = Ledger("", grid.sheet)
    features = [str(v).strip() for v in grid.columns[first].shown().to_pylist()]
    if wanted and _loosely(names, wanted) == 0 and _loosely(features, wanted) > 0:
        return _transposed(grid, features, names, columns, first, book)
    keys = {sample_key(w) for w in wanted}
    values = _numbers([c if not wanted or sample_key(n) in keys else None for n, c in zip(names, columns, strict=True)],
                      names, grid, book)  # fmt: skip
    return _Matrix(features, names, values, grid.rows, grid.sheet, book.all())


def _with_corner(data: bytes) -> bytes:
    """The text with a heading over the first column, where R left it out (one heading less than cells)."""
    text, _ = decode(data)
    lines = [line for line in text[: 1 << 20].splitlines()[:3] if line.strip()]
    if len(lines) < 2:
        return data
    for mark in "\t;,":
        head, body = lines[0].count(mark), lines[1].count(mark)
        if body and head + 1 == body:
            return f"feature{mark}{text.lstrip()}".encode()
        if body and head == body:
            return data
    return data


def _feature_column(headings: Sequence[str], alone: Contract, wanted: Sequence[str]) -> int:
    """The column of the features: the one headed so, else the first that is no sample."""
    know = Recogniser(alone)
    named = [i for i, h in enumerate(headings) if h and h not in wanted and know(h) is not None]
    if named:
        return named[0]
    return next((i for i, h in enumerate(headings) if h not in wanted), 0)


def _columns(grid: Grid, headings: Sequence[str], first: int, wanted: Sequence[str]) -> tuple[list[str], list[Cells]]:
    """Names and cells of the columns that may hold samples: all but the features and unheaded empty ones."""
    names, columns = [], []
    for i, cells in enumerate(grid.columns):
        if i == first or (not headings[i] and cells.empty().all()):
            continue
        if headings[i] not in wanted and not wanted and not _numeric(cells):
            continue
        names.append(headings[i])
        columns.append(cells)
    return names, columns


def _numeric(cells: Cells) -> bool:
    """Whether a column holds numbers, going by its first filled cells."""
    head = Cells(cells.text[:200], None if cells.number is None else cells.number[:200])
    read = parse(head, decide([head], ""))
    return bool(np.isfinite(read.values).sum() > 0.5 * max(1, (~read.blank).sum()))


def _loosely(names: Sequence[str], wanted: Sequence[str]) -> int:
    there = {sample_key(n) for n in names}
    return sum(sample_key(w) in there for w in wanted)


def _numbers(columns: Sequence[Cells | None], names: Sequence[str], grid: Grid, book: Ledger) -> np.ndarray:
    """Columns as numbers; one that is None is no sample and stays empty."""
    decision = decide([c for c in columns if c is not None], grid.delimiter)
    out = np.full((len(grid), len(columns)), np.nan)
    for j, (cells, name) in enumerate(zip(columns, names, strict=True)):
        if cells is None:
            continue
        read = parse(cells, decision)
        out[:, j] = read.values
        for (what, text), at in read.odd.items():
            rows = grid.rows[at].tolist()
            if what in _MISSING:
                book.cells("not-detected", "this says that nothing was found; it is taken as not measured.",
                           "Write nothing there, or the value.", column=name, rows=rows, value=text,
                           severity="warning")  # fmt: skip
            else:
                book.cells("not-a-number", "this is not a number.", "Write the number, or nothing where none was "
                           "measured; a column that is no sample needs no place in the sheet of samples.",
                           column=name, rows=rows, value=text)  # fmt: skip
    return out


def _transposed(
    grid: Grid, samples: list[str], names: Sequence[str], columns: Sequence[Cells], first: int, book: Ledger
) -> _Matrix:
    """A matrix with the samples in its rows."""
    kept = [(n, c) for n, c in zip(names, columns, strict=True) if _numeric(c)]
    values = _numbers([c for _, c in kept], [n for n, _ in kept], grid, book)
    book.say("transposed", "the samples stand in the rows of this matrix; it was turned.", severity="note")
    twice = pd.Series(samples)[pd.Series(samples).duplicated()]
    if len(twice):
        book.say("sample-twice", "two rows have the name of this sample.", "Give every sample one row.",
                 value=str(twice.iloc[0]))  # fmt: skip
        return _Matrix([], [], np.zeros((0, 0)), np.zeros(0, int), grid.sheet, book.all())
    row = np.full(len(kept), grid.header_row)
    return _Matrix([n for n, _ in kept], samples, values.T, row, grid.sheet, book.all())


def _joined(parts: list[pd.DataFrame], out: TableRead) -> pd.DataFrame:
    """All files of a data set side by side, by feature."""
    whole = parts[0]
    for part in parts[1:]:
        name, twice = str(part["_file"].iloc[0]), sorted(set(part.columns[3:]) & set(whole.columns[3:]))
        if twice or whole["feature"].duplicated().any() or part["feature"].duplicated().any():
            what = f"sample {twice[0]}" if twice else "a feature"
            out.faults.append(
                Fault("cannot-join", f"the files of this data set cannot be joined: {what} is named twice.",
                      "Give every sample one column, and every feature one row, in all files.", file=name)
            )  # fmt: skip
            continue
        odd = len(set(whole["feature"]) ^ set(part["feature"]))
        if odd:
            out.faults.append(
                Fault("other-features", f"{odd} features are in some files of this data set and not in others.",
                      "They count as not measured where they lack.", file=name, severity="warning")
            )  # fmt: skip
        merged = whole.merge(part, on="feature", how="outer", sort=False, suffixes=("", "_b"))
        merged["_file"] = merged["_file"].fillna(merged["_file_b"])
        merged["_row"] = merged["_row"].fillna(merged["_row_b"]).astype(np.int64)
        whole = merged.drop(columns=["_file_b", "_row_b"])
    return whole


def _set_unit(joined: pd.DataFrame, sheet: pd.DataFrame, source: TableSource, kind: str, out: TableRead) -> None:
    """The unit, as said or guessed, into the sheet; faults where the values contradict it."""
    values = joined.iloc[:, 3:].to_numpy(dtype=float)
    file = str(joined["_file"].iloc[0]) if len(joined) else source.values[0]
    unit = unit_of(source.unit) if source.unit else ""
    if source.unit and not unit:
        out.faults.append(
            Fault("unit", "this is not a unit of a matrix.", f"Known: {', '.join(UNITS)}.", file=STUDY_FILE,
                  column=f"tables.{kind}.unit", value=source.unit)
        )  # fmt: skip
    elif not source.unit:
        unit = guess(values)
        out.faults.append(
            Fault("unit-guessed", f"no unit is given; the values look like {unit} and are taken as such.",
                  f'Say unit = "{unit}" if this is right, or another of {", ".join(UNITS)}.', file=file,
                  severity="warning")
        )  # fmt: skip
    sheet["unit"] = unit
    out.faults += [f.at(file=file) for f in doubts(values, unit, bool(source.unit))]


def _named(joined: pd.DataFrame, contract: Contract, out: TableRead) -> None:
    """Rows without a name are left out and listed; symbols that became dates are faults."""
    bare = joined[joined["feature"] == ""]
    if len(bare):
        rows = [
            (contract.name, str(f), "", int(r), "feature", "", "a row without a name")
            for f, r in zip(bare["_file"], bare["_row"], strict=True)
        ]
        gone = pd.DataFrame(rows, columns=list(EXCLUDED))
        out.excluded = pd.concat([out.excluded, gone], ignore_index=True) if len(out.excluded) else gone
    feature = next((c for c in contract.columns if c.name == "feature"), FEATURE)
    if feature.refers != "gene":
        return
    digits = float(joined["feature"].str.fullmatch(r"\d+").mean()) if len(joined) else 0.0
    for name, file, row in zip(joined["feature"], joined["_file"], joined["_row"], strict=True):
        date = genes.date_of(name, digits < 0.2) if name[:1].isdigit() or "-" in name else None
        if date is not None:
            gene = genes.likely(*date)
            out.faults.append(
                Fault("gene-date", "a spreadsheet turned a gene symbol into a date"
                      + (f"; it was probably {gene}." if gene else "; which gene it was cannot be told."),
                      "Write the symbol as in the original list; format the column as text before pasting.",
                      file=str(file), row=int(row), column="feature", value=name)
            )  # fmt: skip


def _say_twice(joined: pd.DataFrame, left: pd.DataFrame, unit: str, kind: str, out: TableRead) -> None:
    twice = joined["feature"][joined["feature"].duplicated()]
    twice = twice[twice != ""]
    what = "their counts were added" if unit == "counts" else "the row with the highest mean was kept"
    out.faults.append(
        Fault("feature-twice", f"{twice.nunique()} features stand in more than one row; {what}.",
              "Use identifiers that are unique if the rows should stay apart.", file=str(joined["_file"].iloc[0]),
              column="feature", value=str(twice.iloc[0]), severity="warning")
    )  # fmt: skip
    if len(left):
        rows = [
            (kind, str(f), "", int(r), "feature", str(n), "another row of this feature has a higher mean")
            for n, f, r in zip(left["feature"], left["_file"], left["_row"], strict=True)
        ]
        gone = pd.DataFrame(rows, columns=list(EXCLUDED))
        out.excluded = pd.concat([out.excluded, gone], ignore_index=True) if len(out.excluded) else gone


def stacked(matrices: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The matrices of all data sets of a kind as one frame: dataset, feature, _file, _row, then every sample."""
    head = ["dataset", "feature", "_file", "_row"]
    if not matrices:
        return pd.DataFrame({c: pd.Series(dtype="int64" if c == "_row" else object) for c in head})
    whole = pd.concat(matrices, ignore_index=True)
    return whole[[*head, *(c for c in whole.columns if c not in head)]]
