"""Files of counts as matrices of cells x genes that are read piece by piece.

AnnData `.h5ad` and 10x `.h5` are read through HDF5 itself: numbers and text, nothing that is executed; links and data
that lead to other files are refused. A 10x matrix of three files and a text of genes x cells have no order that allows
reading by cell: they are turned once into a sparse matrix, which is kept in the user's cache folder under the digest of
the file (`RECHALLENGE_DATA`, else the cache folder of the platform; it may be deleted at any time).
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import re
import zlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from rechallenge.knowledge.places import data_folder
from rechallenge.omics.cells import hdf5
from rechallenge.omics.cells.matrices import ENSEMBL, Held, Matrix, kept_or, refuse

#: the endings under which one of the three files of a 10x matrix is known
TRIPLE = {
    "matrix": re.compile(r"^(.*)matrix\.mtx(?:\.gz)?$", re.I),
    "barcodes": re.compile(r"^(.*)barcodes\.tsv(?:\.gz)?$", re.I),
    "features": re.compile(r"^(.*)(?:features|genes)\.tsv(?:\.gz)?$", re.I),
}
#: characters of the longest line that is read
LINE = 2**28
#: genes that nearly every human or mouse data set has: they tell rows of genes from rows of cells
_COMMON = {"ACTB", "GAPDH", "MALAT1", "B2M", "EEF1A1", "TMSB4X", "RPLP0", "RPL13", "FTH1", "FTL", "TPT1", "RPS2"}


@contextmanager
def opened(path: Path, layer: str = "", digest: str = "") -> Iterator[Matrix]:
    """The matrix of a file, open for reading. `digest` is the file's SHA-256 (found out where not given).

    Raises InputFaults, without the file's name, for what is not such a file.
    """
    with path.open("rb") as f:
        head = f.read(8)
    if head == b"\x89HDF\r\n\x1a\n":
        import h5py

        try:
            with h5py.File(path, "r") as file:
                yield hdf5.matrix(file, layer, digest or digest_of(path))
        except (OSError, KeyError, RuntimeError) as e:
            reason = str(e).strip().split("\n")[0][:160]
            raise refuse("not-cells", f"the file cannot be read as single cells ({reason}).",
                         "Write it again with AnnData (write_h5ad).") from None  # fmt: skip
        return
    yield _whole(str(path), digest or digest_of(path), str(data_folder().parent))


def digest_of(path: Path) -> str:
    """SHA-256 of the file; of a 10x matrix over the digests of its three files."""
    return joined([sha256_of(p) for p in members(path)])


def joined(parts: list[str]) -> str:
    """One digest from those of the files of a matrix."""
    return parts[0] if len(parts) == 1 else hashlib.sha256("".join(parts).encode()).hexdigest()


def members(path: Path) -> list[Path]:
    """The files that belong to the matrix at this path: itself, or the three of a 10x matrix."""
    found = TRIPLE["matrix"].match(path.name)
    if not found:
        return [path]
    others = []
    for part in ("barcodes", "features"):
        hits = sorted(
            p for p in path.parent.iterdir() if (m := TRIPLE[part].match(p.name)) is not None and m[1] == found[1]
        )
        if len(hits) != 1:
            raise refuse("no-triple", f"beside this matrix lie {len(hits)} files of {part}; one is needed.",
                         "Name all three files of the matrix: matrix.mtx, barcodes.tsv and features.tsv.")  # fmt: skip
        others += hits
    return [path, *others]


def sha256_of(path: Path) -> str:
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


# text and 10x triples ------------------------------------------------------------------------------------------


@lru_cache(maxsize=2)
def _whole(path: str, digest: str, cache: str) -> Held:
    """A file without an order by cell, from the kept copy where there is one. `cache` tells one folder from another."""
    where = Path(path)
    if TRIPLE["matrix"].match(where.name):
        return kept_or(digest, lambda: _triple(where), None, None)
    return kept_or(digest, lambda: _text(where), None, None)


def _open_text(path: Path) -> Any:
    with path.open("rb") as f:
        packed = f.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rt", encoding="utf-8-sig") if packed else path.open(encoding="utf-8-sig")


def _bounded(f: Any) -> Iterator[str]:
    """The lines of a text; ValueError for one that no table has, before it fills the memory."""
    while line := f.readline(LINE):
        if len(line) == LINE:
            raise ValueError(f"a line of more than {LINE // 2**20} MB")
        yield line


def _triple(path: Path) -> tuple[sparse.csr_array, list[str], list[str]]:
    from scipy.io import mminfo, mmread

    _, barcodes, features = members(path)
    try:
        with _open_text(barcodes) as f:
            cells = [line.split("\t")[0].strip() for line in _bounded(f) if line.strip()]
        with _open_text(features) as f:
            rows = [line.rstrip("\n").split("\t") for line in _bounded(f) if line.strip()]
    except (ValueError, EOFError, OSError, zlib.error) as e:
        raise refuse("damaged", f"the names beside the matrix cannot be read ({str(e)[:120]}).",
                     "Copy or download barcodes and features again.") from None  # fmt: skip
    genes = [r[1] if len(r) > 1 and r[1] else r[0] for r in rows]
    try:
        tall, wide, entries, form = mminfo(path)[:4]
        # room is made for what the heading declares: an entry takes 4 bytes at least, packed a thousandth of that
        if {tall, wide} != {len(genes), len(cells)} or entries > 300 * path.stat().st_size or form != "coordinate":
            raise refuse("damaged", f"the matrix declares {tall} x {wide} with {entries:,} values ({form}), but there "
                         f"are {len(genes)} genes and {len(cells)} barcodes.",
                         "Take the three files from one folder.")  # fmt: skip
        read = mmread(path)
    except (ValueError, OSError, EOFError, OverflowError, MemoryError, zlib.error) as e:
        raise refuse("damaged", f"the matrix cannot be read ({str(e)[:120]}).", "Copy or download it again.") from None
    if not sparse.issparse(read) or read.shape not in ((len(genes), len(cells)), (len(cells), len(genes))):
        raise refuse("damaged", f"the matrix is {' x '.join(map(str, read.shape))}, but there are {len(genes)} "
                     f"genes and {len(cells)} barcodes.", "Take the three files from one folder.")  # fmt: skip
    by_cell = read.T if read.shape == (len(genes), len(cells)) else read
    matrix = sparse.csr_array(by_cell.astype(np.float32))
    keep = np.array([len(r) < 3 or r[2].strip() in ("", "Gene Expression") for r in rows], dtype=bool)
    if not keep.all():
        matrix, genes = (
            sparse.csr_array(matrix[:, np.flatnonzero(keep)]),
            [g for g, k in zip(genes, keep, strict=True) if k],
        )
    return matrix, genes, cells


def _text(path: Path) -> tuple[sparse.csr_array, list[str], list[str]]:
    """A text of genes x cells (or cells x genes, told by the names), read some rows at a time."""
    try:
        with _open_text(path) as f:
            first, second = f.readline(LINE), f.readline(LINE)
            mark = max("\t,;", key=second.count)
            head, body = (next(csv.reader([line], delimiter=mark)) for line in (first, second))
            if len(body) < 3 or len(head) not in (len(body), len(body) - 1):
                raise refuse("not-cells", "the file is no table of genes and cells.", "The first row names the "
                             "cells, the first column the genes.")  # fmt: skip
            columns = [h.strip() for h in head[-(len(body) - 1) :]]
            table, names = _lines(f, second, mark, len(columns))
    except (ValueError, EOFError, OSError, csv.Error, StopIteration, zlib.error) as e:
        raise refuse("not-cells", f"the file cannot be read as a table of genes and cells ({str(e).strip()[:160]}).",
                     "Every cell of the table but the names has to be a number.") from None  # fmt: skip
    if _genelike(columns) > _genelike(names):
        return table, columns, names
    return sparse.csr_array(table.T.tocsr()), names, columns


def _lines(f: Any, second: str, mark: str, n: int) -> tuple[sparse.csr_array, list[str]]:
    """Rows of numbers below a heading. Nearly all cells are a lone 0, so only the others are turned into numbers."""
    names: list[str] = []
    values, where, at = array("f"), array("i"), array("q", [0])
    for line in chain([second], _bounded(f)):
        text = line.rstrip("\r\n")
        if not text:
            continue
        name, _, body = text.partition(mark)
        if name.startswith('"') and not name.endswith('"'):  # a name with the delimiter in it
            name, *cells = next(csv.reader([text], delimiter=mark))
            body = mark.join(cells)
        names.append(name.strip().strip('"'))
        signs = np.frombuffer(body.encode("ascii", "replace"), dtype=np.uint8)
        ends = np.append(np.flatnonzero(signs == ord(mark)), len(signs))
        if len(ends) != n:
            raise ValueError(f"the row {names[-1]} has {len(ends)} numbers, not {n}")
        starts = np.append(0, ends[:-1] + 1)
        empty = ends == starts
        if empty.any():
            raise ValueError(f"the row {names[-1]} has an empty cell")
        some = np.flatnonzero((ends - starts > 1) | (signs[starts] != ord("0")))
        where.extend(some.tolist())
        values.extend([float(body[a:b].strip('"')) for a, b in zip(starts[some], ends[some], strict=True)])
        at.append(len(values))
    numbers = np.frombuffer(values, dtype=np.float32) if values else np.zeros(0, dtype=np.float32)
    indices = np.frombuffer(where, dtype=np.int32) if where else np.zeros(0, dtype=np.int32)
    table = sparse.csr_array((numbers, indices, np.frombuffer(at, dtype=np.int64)), shape=(len(names), n))
    return table, names


def _genelike(names: list[str]) -> int:
    return sum(n.upper() in _COMMON or bool(ENSEMBL.match(n)) for n in names)
