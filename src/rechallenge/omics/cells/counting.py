"""From rows of the table of cells to their counts, which stay in their files: whole, or a few cells at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from rechallenge.faults import RechallengeError
from rechallenge.knowledge.places import data_folder
from rechallenge.knowledge.resolve.genes import genes as resolve
from rechallenge.omics.cells import files as cell_files

Ints = NDArray[np.int64]
#: cells read at a time
SIZE = 8192


@dataclass(frozen=True)
class Chunk:
    """Some cells: `rows` are their positions in the table of cells, `matrix` is csr float32 [rows, genes]."""

    rows: Ints
    matrix: sparse.csr_array


@dataclass(frozen=True)
class Counts:
    """All cells of a table in its order: `matrix` is csr float32 [cells, genes]."""

    matrix: sparse.csr_array
    genes: list[str]


def genes(cells: pd.DataFrame) -> list[str]:
    """Columns of `counts` and `chunks`: genes by approved symbol where it is known, in alphabetical order.

    A gene that only some of the files have is left out where one of the others lists genes without counts (there it
    was not measured), and is a count of zero where the others list only genes that they saw.
    """
    names, _ = _plan(_keys(cells))
    return list(names)


def counts(cells: pd.DataFrame, names: Sequence[str] | None = None) -> Counts:
    """All cells of a table at once, in its order; with `names` only those genes, in that order.

    Memory is about 8 bytes for every value that is not zero. Raises KeyError for a gene that is not there and
    RechallengeError where a file is gone or has changed.
    """
    held = list(chunks(cells, names=names))
    own = list(names) if names is not None else genes(cells)
    if not held:
        return Counts(sparse.csr_array((len(cells), len(own)), dtype=np.float32), own)
    order = np.argsort(np.concatenate([c.rows for c in held]), kind="stable")
    stacked = sparse.vstack([c.matrix for c in held], format="csr") if len(held) > 1 else held[0].matrix
    if (order == np.arange(len(order))).all():
        return Counts(sparse.csr_array(stacked), own)
    return Counts(sparse.csr_array(stacked[order]), own)


def chunks(cells: pd.DataFrame, size: int = SIZE, names: Sequence[str] | None = None) -> Iterator[Chunk]:
    """The cells of a table a few at a time, file by file in the order of the files; no more than `size` are in memory.

    Every chunk has all of the genes (or those of `names`, in that order). Raises as `counts`.
    """
    from rechallenge.stats import sparse_columns

    every, maps = _plan(_keys(cells))
    chosen: NDArray[np.int64] | None = None
    if names is not None:
        at = {g: i for i, g in enumerate(every)}
        unknown = [n for n in names if n not in at]
        if unknown:
            raise KeyError(f"no gene of these cells is called {', '.join(unknown[:5])}")
        chosen = np.array([at[n] for n in names], dtype=np.int64)
    frame = cells.reset_index(drop=True)
    for path, digest, layer, _ in _keys(cells):
        mine = np.flatnonzero(((frame["path"] == path) & (frame["layer"] == layer)).to_numpy())
        rows = frame["_row"].to_numpy(dtype=np.int64)[mine] - 1
        order = np.argsort(rows, kind="stable")
        mine, rows = mine[order], rows[order]
        to = maps[(path, layer)]
        width = len(every)
        if chosen is not None:
            # a gene that is not asked for goes nowhere (the last place stands for those that are in no column)
            turn = np.full(len(every) + 1, -1, dtype=np.int32)
            turn[chosen] = np.arange(len(chosen), dtype=np.int32)
            to, width = turn[to], len(chosen)
        with _reopened(path, layer, digest) as m:
            for start in range(0, len(m.cells), size):
                a, b = np.searchsorted(rows, [start, start + size])
                if a == b:
                    continue
                first, last = int(rows[a]), int(rows[b - 1]) + 1
                block = m.rows(first, last)
                if b - a < last - first or (np.diff(rows[a:b]) != 1).any():
                    block = sparse.csr_array(block[rows[a:b] - first])
                yield Chunk(mine[a:b].astype(np.int64), sparse_columns.moved(block, to, width))


def kept(cells: pd.DataFrame, of: pd.DataFrame) -> pd.DataFrame:
    """The rows of `cells` for the cells of another table (dataset, cell), in its order. KeyError where one lacks."""
    if len(of) == len(cells) and all((of[c].to_numpy() == cells[c].to_numpy()).all() for c in ("dataset", "cell")):
        return cells.reset_index(drop=True)
    at = pd.Series(np.arange(len(cells)), index=pd.MultiIndex.from_frame(cells[["dataset", "cell"]]))
    rows = at.reindex(pd.MultiIndex.from_frame(of[["dataset", "cell"]])).to_numpy(dtype=float)
    if not np.isfinite(rows).all():
        raise KeyError("a cell of the result is not in the table of cells")
    return cells.iloc[rows.astype(np.int64)].reset_index(drop=True)


_Key = tuple[str, str, str, str]


def _keys(cells: pd.DataFrame) -> tuple[_Key, ...]:
    """The files behind some cells: (path, digest, layer, absent), in the order of their names."""
    columns = ["path", "sha256", "layer", "absent"]
    rows = cells.assign(_file=cells["_file"])[["_file", *columns]].drop_duplicates().sort_values(["_file", *columns])
    return tuple(tuple(str(v) for v in r) for r in rows[columns].itertuples(index=False, name=None))  # type: ignore[misc]


@lru_cache(maxsize=64)
def _checked(path: str, digest: str, size: int, changed: int) -> None:
    """A file has to be what it was when the study was read. Its bytes are looked at once per state of the file."""
    if cell_files.digest_of(Path(path)) != digest:
        raise RechallengeError(f"{path} has changed since the study was read. Run again.")


def _reopened(path: str, layer: str, digest: str) -> Any:
    at = Path(path)
    try:
        status = at.stat()
        _checked(path, digest, status.st_size, status.st_mtime_ns)
    except OSError as e:
        raise RechallengeError(f"the counts of the cells cannot be read from {path} ({e.strerror or e}). Put the file "
                               "back, or run again; a worker on another machine needs the folder.") from e  # fmt: skip
    return cell_files.opened(at, layer, digest)


@lru_cache(maxsize=8)
def _names_of(path: str, digest: str, layer: str) -> tuple[str, ...]:
    with _reopened(path, layer, digest) as m:
        return tuple(m.genes)


def _plan(keys: tuple[_Key, ...]) -> tuple[tuple[str, ...], dict[tuple[str, str], NDArray[np.int32]]]:
    return _planned(keys, str(data_folder()))


@lru_cache(maxsize=4)
def _planned(
    keys: tuple[_Key, ...], knowledge: str
) -> tuple[tuple[str, ...], dict[tuple[str, str], NDArray[np.int32]]]:
    """Names of all genes, and for each file the place of each of its genes among them, -1 for none (two of one symbol
    are added)."""
    named = {(path, layer): symbols(_names_of(path, digest, layer)) for path, digest, layer, _ in keys}
    every: set[str] = set().union(*(set(n) for n in named.values())) if named else set()
    for path, _, layer, absent in keys:
        if absent != "zero":
            every &= set(named[(path, layer)])
    names = tuple(sorted(every))
    at = {g: i for i, g in enumerate(names)}
    return names, {key: np.array([at.get(g, -1) for g in own], dtype=np.int32) for key, own in named.items()}


def symbols(names: Sequence[str]) -> tuple[str, ...]:
    """Approved symbols where knowledge has them, else the name as given (Ensembl identifiers without version).

    A previous symbol or alias is replaced only where no gene of the file bears the approved symbol itself.
    """
    answers = resolve(names)
    found = dict(zip(answers["name"].astype(str), answers[["status", "gene"]].to_numpy(dtype=object), strict=True))
    own = set(names)
    out = []
    for name in names:
        status, gene = found.get(name, ("unknown", ""))
        plainly = name.partition(".")[0] if name.startswith("ENS") else name
        if status in ("exact", "ensembl", "entrez", "hgnc") or (
            status in ("previous", "alias", "case") and gene not in own
        ):
            out.append(str(gene) or plainly)
        else:
            out.append(plainly)
    return tuple(out)
