"""Files of single cells to one row per cell, and from those rows to the counts.

    cells = "cells.h5ad"
    cells = { values = ["*.h5"], samples = "samples.csv", name = "own 10x" }
    cells = [ { values = "p.h5ad", model = "Huh-7 P", sample = "P1" }, { values = "r.h5ad", model = "Huh-7 LR" } ]

The table has the names and what a cell is; the counts stay in their file, which every step opens again (`counts`,
`chunks`) and whose digest is part of the table, so that a changed file is noticed. Several sources of one `name` are
one data set. Sample and the like come from the sheet first, then from study.toml, then from the `obs` of the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge.faults import Fault, InputFaults, errors
from rechallenge.omics.cells import files as cell_files
from rechallenge.omics.cells.contract import GIVEN, sheet_form
from rechallenge.omics.cells.counting import SIZE, Chunk, Counts, chunks, counts, genes, kept
from rechallenge.omics.cells.matrices import Matrix, refuse
from rechallenge.study import STUDY_FILE, TableSource, nearest
from rechallenge.tables import files as _files
from rechallenge.tables.contract import Contract, plain
from rechallenge.tables.reading import TableRead, empty_frame, read_table

__all__ = ["Chunk", "Counts", "chunks", "counts", "genes", "kept", "read"]
#: read piece by piece, so that no size is too large
_STREAMED = (".h5ad", ".h5")
_ENDINGS = (".gz", ".h5ad", ".h5", ".mtx", ".csv", ".tsv", ".txt")


def read(source: TableSource, folder: Path, contract: Contract, models: pd.DataFrame) -> TableRead:
    """Cells of one source; faults are returned, never raised."""
    out = TableRead(empty_frame(contract))
    given, layer = _given(source, contract, out)
    sheet = None
    if source.samples:
        read_sheet = read_table(sheet_form(), source.samples, folder=folder, models=models)
        out.faults += read_sheet.faults
        out.files += read_sheet.files
        out.excluded = read_sheet.excluded
        sheet = read_sheet.frame
    found, faults = _files.find(source.values, folder, _STREAMED)
    out.faults += faults
    if errors(out.faults):
        return out
    parts: list[pd.DataFrame] = []
    for one in _matrices(found, out):
        try:
            parts.append(_cells(one, layer, given, out))
        except InputFaults as e:
            out.faults += [f if f.file else f.at(file=one.name) for f in e.faults]
    if not parts:
        return out
    frame = pd.concat(parts, ignore_index=True)
    frame["dataset"] = source.name.strip() or _stem(frame["_file"].iloc[0])
    if sheet is not None:
        frame = _with_sheet(frame, sheet, source.samples, out)
    frame["sample"] = frame["sample"].where(frame["sample"] != "", frame["_file"].map(_stem))
    frame["replicate"] = frame["replicate"].where(frame["replicate"] != "", frame["sample"])
    frame["treatment"] = frame["treatment"].where(frame["treatment"] != "", "none")
    if len(parts) > 1 or source.name.strip():  # barcodes repeat from lane to lane
        frame["cell"] = frame["_file"].map(_stem) + ":" + frame["cell"]
    out.frame = frame[[*out.frame.columns]].reset_index(drop=True)
    return out


def _given(source: TableSource, contract: Contract, out: TableRead) -> tuple[dict[str, str], str]:
    """What study.toml says of all cells of a source, and the layer that it names."""
    given: dict[str, str] = {}
    layer = ""
    unused = {k: getattr(source, k) for k in ("map", "layout", "unit", "sheet") if getattr(source, k)}
    for key, value in {**unused, **source.extra}.items():
        if key == "layer" and isinstance(value, str):
            layer = value.strip()
        elif key in GIVEN and isinstance(value, str | int | float) and not isinstance(value, bool):
            given[key] = str(value).strip()
        else:
            out.faults.append(
                Fault(
                    "study-key",
                    "single cells do not use this key.",
                    f"Keys: layer, {', '.join(GIVEN)}.{nearest(key, GIVEN)}",
                    file=STUDY_FILE,
                    column=f"tables.{contract.name}.{key}",
                    value=str(value)[:80],
                )
            )
    return given, layer


def _stem(name: str) -> str:
    stem = Path(str(name)).name
    while stem.lower().endswith(_ENDINGS):
        stem = stem[: stem.rindex(".")]
    # every run of Cell Ranger calls its matrix the same: then the folder has the name
    if plain(stem) in ("matrix", "filteredfeaturebcmatrix") and Path(str(name)).parent.name:
        return Path(str(name)).parent.name
    return stem


def _matrices(found: Sequence[_files.Found], out: TableRead) -> list[_files.Found]:
    """The files that are matrices; the names of cells and genes of a 10x matrix have to be named with it."""
    named = {f.path.resolve() for f in found}
    matrices = []
    beside: set[Path] = set()
    for one in found:
        with suppress(InputFaults):
            beside |= {p.resolve() for p in cell_files.members(one.path)[1:]}
    for one in found:
        if one.path.resolve() in beside:
            continue
        try:
            lacking = [p.name for p in cell_files.members(one.path) if p.resolve() not in named]
            if lacking:
                raise refuse(
                    "no-triple", f"the study does not name what belongs to this matrix: {', '.join(lacking)}.",
                    'Name all files of the folder: values = "folder/*".',
                )  # fmt: skip
        except InputFaults as e:
            out.faults += [f.at(file=one.name) for f in e.faults]
            continue
        matrices.append(one)
    if found and not matrices and not errors(out.faults):
        out.faults.append(Fault("no-matrix", "there is no matrix among these files.", "Name matrix.mtx(.gz) as well.",
                                file=found[0].name))  # fmt: skip
    return matrices


def _cells(one: _files.Found, layer: str, given: dict[str, str], out: TableRead) -> pd.DataFrame:
    """Rows of one file: names, what obs and study.toml say of the cells, depth, and what the values are."""
    parts = {p: cell_files.sha256_of(p) for p in cell_files.members(one.path)}
    digest = cell_files.joined(list(parts.values()))
    for part, sha256 in parts.items():
        name = one.name if part == one.path else one.name.rpartition("/")[0] + "/" * ("/" in one.name) + part.name
        out.files.append((name, part.stat().st_size, sha256))
    with cell_files.opened(one.path, layer, digest) as m:
        n = len(m.cells)
        if not n or not m.genes:
            raise refuse("no-cells", "the file has no cells or no genes.", "Export it again.")
        frame = pd.DataFrame({"cell": pd.Series(m.cells, dtype=object)})
        columns = {plain(c): c for c in m.obs.columns}
        for column in sheet_form().columns:
            if column.name in GIVEN:
                hit = next((columns[plain(h)] for h in column.headings if plain(h) in columns), None)
                frame[column.name] = "" if hit is None else m.obs[hit].astype(str).str.strip()
        total, seen, kind, gene_seen = _scan(m, n)
        layer_read = m.layer
        genes = m.genes
    for key, value in given.items():
        frame[key] = value
    if frame["cell"].duplicated().any():
        twice = str(frame["cell"][frame["cell"].duplicated()].iloc[0])
        raise InputFaults([Fault("cell-twice", "two cells of the file have this name.", "Give every cell a name of its "
                                 "own: adata.obs_names_make_unique().", value=twice)])  # fmt: skip
    if kind != "counts":
        what = "logarithms of normalised values" if kind == "log" else "normalised values"
        out.faults.append(
            Fault(
                "not-counts",
                f"the values are not whole numbers: {what}. Depth, doublets, pseudobulk and rare cells cannot be "
                "judged from them.",
                "Give the raw counts (in layers/counts or raw, or by `layer`).",
                file=one.name, severity="warning",
            )
        )  # fmt: skip
    frame["n_counts"], frame["n_genes"], frame["values"] = total, seen, kind
    frame["absent"] = "zero" if gene_seen == len(genes) else "unknown"
    frame["layer"], frame["path"], frame["sha256"] = layer_read, str(one.path.resolve()), digest
    frame["_file"], frame["_sheet"], frame["_row"] = one.name, "", np.arange(1, n + 1, dtype=np.int64)
    return frame


def _scan(m: Matrix, n: int) -> tuple[NDArray[np.float64], NDArray[np.float64], str, int]:
    """Sum and genes of every cell, what the values are, and how many genes have any. One pass, chunk by chunk."""
    total, seen = np.zeros(n), np.zeros(n)
    any_of = np.zeros(len(m.genes), dtype=bool)
    round_, highest = True, 0.0
    for start in range(0, n, SIZE):
        block = m.rows(start, min(start + SIZE, n))
        if block.data.size:
            if not np.isfinite(block.data).all() or block.data.min() < 0:
                raise refuse("negative", "the matrix has values that are negative or not finite: "
                                        "it was "
                    "scaled or corrected.", "Give the raw counts, for example in layers/counts.")  # fmt: skip
            round_ = round_ and bool((block.data == np.round(block.data)).all())
            highest = max(highest, float(block.data.max()))
        total[start : start + block.shape[0]] = block.sum(axis=1)
        there = block.data > 0
        seen[start : start + block.shape[0]] = np.add.reduceat(
            np.append(there, False), block.indptr[:-1], dtype=np.int64
        ) * (np.diff(block.indptr) > 0)
        any_of[block.indices[there]] = True
    kind = "counts" if round_ else "log" if highest < 20 else "real"
    return total, seen, kind, int(any_of.sum())


def _with_sheet(frame: pd.DataFrame, sheet: pd.DataFrame, name: str, out: TableRead) -> pd.DataFrame:
    """What the sheet says of files, samples or cells; rows that meet no cell and cells without a row are said."""
    by = [c for c in ("file", "sample", "cell") if (sheet[c] != "").any()]
    key = "cell" if "cell" in by else "file" if "file" in by else "sample"
    if not by:
        out.faults.append(Fault("no-key", "the sheet says neither file, sample nor cell.", "Add the column file.",
                                file=name, column="file"))  # fmt: skip
        return frame
    files = frame["_file"].astype(str)
    if "file" in by:
        wanted = sheet["file"].str.replace("\\", "/", regex=False)
        known = {f: f for f in files.unique()}
        for f in files.unique():
            for short in (Path(f).name, _stem(f)):
                known[short] = f if known.get(short, f) == f else ""
        place = wanted.map(lambda w: known.get(w, known.get(Path(w).name, known.get(_stem(w), ""))))
    else:
        place = pd.Series("", index=sheet.index)
    own = {"file": files, "sample": frame["sample"], "cell": (files if "file" in by else "") + "\t" + frame["cell"]}[
        key
    ]
    theirs = {"file": place, "sample": sheet["sample"], "cell": place + "\t" + sheet["cell"]}[key]
    twice = theirs.duplicated() & (theirs != "")
    lost = ~theirs.isin(set(own))
    for code, bad, message, remedy in (
        ("sheet-twice", twice, f"the sheet has two rows for this {key}.", "Remove one of them."),
        ("no-cells", lost, f"no cell belongs to this {key}.", "Mend the name, or the files that study.toml names."),
    ):
        for row in sheet[bad].head(20).to_dict("records"):
            out.faults.append(
                Fault(code, message, remedy, file=name, row=int(row["_row"]), column=key, value=str(row[key]),
                      count=1 if bad.sum() <= 20 else int(bad.sum()))
            )  # fmt: skip
    at = pd.Series(np.arange(len(sheet)), index=theirs)[~twice.to_numpy()].reindex(own).to_numpy(dtype=float)
    met = np.isfinite(at)
    if not met.all():
        files_of = sorted(files[~met].unique())
        out.faults.append(
            Fault("unlisted-cells", f"{int((~met).sum())} cells are in no row of the sheet "
                  f"({', '.join(files_of[:3])}); they "
                  "are kept with what their file says.", "Add their rows.", file=name, severity="warning")
        )  # fmt: skip
    rows = at[met].astype(np.int64)
    for column in GIVEN:
        said = sheet[column].to_numpy(dtype=object)[rows]
        held = frame[column].to_numpy(dtype=object).copy()
        held[met] = np.where(said != "", said, held[met])
        frame[column] = held
    return frame
