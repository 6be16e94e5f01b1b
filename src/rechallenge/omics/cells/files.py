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
import os
import re
import secrets
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from rechallenge.faults import Fault, InputFaults
from rechallenge.knowledge.places import data_folder

Ints = NDArray[np.int64]
#: rises with the form of the kept matrices
FORM = 1
#: the endings under which one of the three files of a 10x matrix is known
TRIPLE = {
    "matrix": re.compile(r"^(.*)matrix\.mtx(?:\.gz)?$", re.I),
    "barcodes": re.compile(r"^(.*)barcodes\.tsv(?:\.gz)?$", re.I),
    "features": re.compile(r"^(.*)(?:features|genes)\.tsv(?:\.gz)?$", re.I),
}
_ENSEMBL = re.compile(r"^ENS[A-Z]*G\d{11}")
#: genes that nearly every human or mouse data set has: they tell rows of genes from rows of cells
_COMMON = {"ACTB", "GAPDH", "MALAT1", "B2M", "EEF1A1", "TMSB4X", "RPLP0", "RPL13", "FTH1", "FTL", "TPT1", "RPS2"}
_SYMBOLS = ("feature_name", "gene_symbols", "gene_symbol", "gene_names", "gene_name", "symbol", "symbols", "genename")


class Matrix(Protocol):
    """Values of one file: `genes` as named there, `cells` (barcodes), `obs` (may lack columns), and rows of cells."""

    genes: list[str]
    cells: list[str]
    obs: pd.DataFrame
    layer: str

    def rows(self, start: int, stop: int) -> sparse.csr_array:
        """The cells from start to stop as float32 [cells, genes]."""
        ...


def refuse(code: str, message: str, remedy: str) -> InputFaults:
    return InputFaults([Fault(code, message, remedy)])


@dataclass
class Held:
    """A matrix in memory."""

    matrix: sparse.csr_array
    genes: list[str]
    cells: list[str]
    obs: pd.DataFrame = field(default_factory=pd.DataFrame)
    layer: str = ""

    def rows(self, start: int, stop: int) -> sparse.csr_array:
        return sparse.csr_array(self.matrix[start:stop])


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
                yield _hdf5(file, layer, digest or digest_of(path))
        except (OSError, KeyError, RuntimeError) as e:
            reason = str(e).strip().split("\n")[0][:160]
            raise refuse("not-cells", f"the file cannot be read as single cells ({reason}).",
                         "Write it again with AnnData (write_h5ad).") from None  # fmt: skip
        return
    yield _whole(str(path), digest or digest_of(path), str(data_folder().parent))


def digest_of(path: Path) -> str:
    """SHA-256 of the file; of a 10x matrix over the digests of its three files."""
    parts = [sha256_of(p) for p in members(path)]
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


# HDF5 -----------------------------------------------------------------------------------------------------------


def _item(group: Any, name: str) -> Any:
    """A member of a group that lies in the same file. KeyError where there is none."""
    import h5py

    link = group.get(name, getlink=True)
    if link is None:
        raise KeyError(name)
    one = group[name] if isinstance(link, h5py.HardLink) else None
    if one is None or (isinstance(one, h5py.Dataset) and (one.external or one.is_virtual)):
        raise refuse("linked-data", f"{name} is a link that may lead to another file; such data are not read.",
                     "Write the data into one file: adata.write_h5ad(...).")  # fmt: skip
    return one


def _texts(data: Any, name: str) -> list[str]:
    """A column of text or numbers as text. Objects of another kind are refused."""
    import h5py

    if isinstance(data, h5py.Group):
        if "codes" in data and "categories" in data:
            codes = np.asarray(_item(data, "codes")[:], dtype=np.int64)
            labels = np.array([*_texts(_item(data, "categories"), name), ""], dtype=object)
            return [str(v) for v in labels[np.where((codes < 0) | (codes >= len(labels) - 1), len(labels) - 1, codes)]]
        if "values" in data:
            values = np.array(_texts(_item(data, "values"), name), dtype=object)
            if "mask" in data:
                values[np.asarray(_item(data, "mask")[:], dtype=bool)] = ""
            return [str(v) for v in values]
        raise refuse("not-cells", f"the column {name} has a form that is not read.", "Write it as text or numbers.")
    if h5py.check_string_dtype(data.dtype) is not None:
        return [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in data[:]]
    if data.dtype.kind in "biuf":
        numbers = data[:]
        return ["" if v != v else f"{v:g}" if data.dtype.kind == "f" else str(v) for v in numbers.tolist()]
    raise refuse("not-cells", f"the column {name} holds objects, not text or numbers; they are not read.",
                 "Turn the column into text and write the file again.")  # fmt: skip


def _index(frame: Any, name: str) -> list[str]:
    import h5py

    if not isinstance(frame, h5py.Group):
        raise refuse("old-h5ad", f"{name} is a table in the form of AnnData before 0.7.",
                     "Read and write the file once with a current anndata.")  # fmt: skip
    key = frame.attrs.get("_index", "_index")
    return _texts(_item(frame, key if isinstance(key, str) else str(key)), f"{name} names")


def _hdf5(file: Any, layer: str, digest: str) -> Matrix:
    if "obs" in file and "var" in file:
        return _anndata(file, layer, digest)
    if "matrix" in file and "barcodes" in file["matrix"]:
        return _tenx(_item(file, "matrix"))
    groups = [k for k in file if "barcodes" in file[k]]
    if len(groups) == 1:
        return _tenx(_item(file, groups[0]))
    raise refuse("not-cells", "the file is HDF5, but neither AnnData nor a 10x matrix.",
                 "Give .h5ad, or filtered_feature_bc_matrix.h5.")  # fmt: skip


def _anndata(file: Any, layer: str, digest: str) -> Matrix:
    obs, var = _item(file, "obs"), _item(file, "var")
    cells = _index(obs, "obs")
    frame = pd.DataFrame(index=range(len(cells)))
    for name in obs:
        if name not in (obs.attrs.get("_index", "_index"), "__categories"):
            with suppress(InputFaults):  # a column of a form that nothing here asks for
                values = _texts(_item(obs, name), name)
                if len(values) == len(cells):
                    frame[str(name)] = pd.Series(values, dtype=object)
    options = [layer] if layer else ["layers/counts", "X", "raw/X"]
    refused: Matrix | None = None
    for option in options:
        top, _, below = option.partition("/")
        group = file if not below else _item(file, top) if top in file else {}
        name = below or top
        if name not in group:
            if layer and f"layers/{layer}" in file:
                return _anndata(file, f"layers/{layer}", digest)
            if layer:
                known = ["X", *(f"layers/{k}" for k in file.get("layers", {})), *(["raw/X"] if "raw" in file else [])]
                raise refuse("no-layer", f"the file has no matrix {layer}.", f"It has {', '.join(known)}.")
            continue
        about = _item(_item(file, "raw"), "var") if top == "raw" else var
        one = _stored(_item(group, name), cells, _gene_names(about), frame, option, f"{digest}-{option}")
        if layer or whole(one):
            return one
        refused = refused or one
    if refused is None:
        raise refuse("not-cells", "the file has no matrix of values.", "Give the counts in X or in layers/counts.")
    return refused


def _gene_names(var: Any) -> list[str]:
    names = _index(var, "var")
    if sum(bool(_ENSEMBL.match(n)) for n in names[:200]) > min(100, len(names) / 2):
        columns = {str(k).lower(): str(k) for k in var}
        for key in _SYMBOLS:
            if key in columns:
                symbols = _texts(_item(var, columns[key]), key)
                return [s or n for s, n in zip(symbols, names, strict=True)]
    return names


def _stored(data: Any, cells: list[str], genes: list[str], obs: pd.DataFrame, layer: str, name: str) -> Matrix:
    """A matrix of an h5ad: sparse rows and dense ones stay in the file, sparse columns are turned."""
    import h5py

    shape = (len(cells), len(genes))
    if isinstance(data, h5py.Dataset):
        if data.shape != shape or data.dtype.kind not in "biuf":
            raise _misshapen(layer)
        return _Dense(data, genes, cells, obs, layer)
    form = str(data.attrs.get("encoding-type", data.attrs.get("h5sparse_format", "")))
    parts = tuple(_item(data, k) for k in ("data", "indices", "indptr"))
    if "csc" in form:
        turned = _kept_or(name, lambda: _columns(parts, shape, layer), [], [])
        return Held(turned.matrix, genes, cells, obs, layer)
    return _Rows(*_sound(parts, shape[0], layer), genes, cells, obs, layer)


def _misshapen(layer: str) -> InputFaults:
    return refuse("damaged", f"the matrix {layer} is damaged: its shape is not that of cells x genes.",
                  "Write or download the file again.")  # fmt: skip


def _sound(parts: tuple[Any, Any, Any], n: int, layer: str) -> tuple[Any, Any, Ints]:
    data, indices, indptr = parts
    at = np.asarray(indptr[:], dtype=np.int64)
    sound = len(at) == n + 1 and len(data) == len(indices) and at[0] == 0 and at[-1] == len(data)
    if not sound or (np.diff(at) < 0).any() or data.dtype.kind not in "biuf":
        raise _misshapen(layer)
    return data, indices, at


def _columns(
    parts: tuple[Any, Any, Any], shape: tuple[int, int], layer: str
) -> tuple[sparse.csr_array, list[str], list[str]]:
    data, indices, at = _sound(parts, shape[1], layer)
    where = np.asarray(indices[:], dtype=np.int64)
    if len(where) and (where.min() < 0 or where.max() >= shape[0]):
        raise _misshapen(layer)
    csc = sparse.csc_array((np.asarray(data[:], dtype=np.float32), where, at), shape=shape)
    return sparse.csr_array(csc), [], []


@dataclass
class _Rows:
    data: Any
    indices: Any
    indptr: Ints
    genes: list[str]
    cells: list[str]
    obs: pd.DataFrame
    layer: str
    #: columns of the file that are genes, where others lie between them
    keep: Ints | None = None

    def rows(self, start: int, stop: int) -> sparse.csr_array:
        a, b = int(self.indptr[start]), int(self.indptr[stop])
        where = np.asarray(self.indices[a:b], dtype=np.int32)
        width = len(self.genes) if self.keep is None else len(self.keep)
        if len(where) and (where.min() < 0 or where.max() >= width):
            raise _misshapen(self.layer)
        values = np.asarray(self.data[a:b], dtype=np.float32)
        at = (self.indptr[start : stop + 1] - a).astype(np.int64)
        out = sparse.csr_array((values, where, at), shape=(stop - start, width))
        if self.keep is not None:
            out = sparse.csr_array(out[:, np.flatnonzero(self.keep)])
        out.sort_indices()
        return out


@dataclass
class _Dense:
    data: Any
    genes: list[str]
    cells: list[str]
    obs: pd.DataFrame
    layer: str

    def rows(self, start: int, stop: int) -> sparse.csr_array:
        return sparse.csr_array(np.asarray(self.data[start:stop], dtype=np.float32))


def _tenx(group: Any) -> Matrix:
    """Cell Ranger's matrix, version 3 (`features`) or 2 (`genes`, `gene_names`): columns are cells."""
    cells = _texts(_item(group, "barcodes"), "barcodes")
    keep = None
    if "features" in group:
        features = _item(group, "features")
        genes = _texts(_item(features, "name"), "features")
        if "feature_type" in features:
            kinds = np.array(_texts(_item(features, "feature_type"), "feature_type"), dtype=object)
            keep = (kinds == "Gene Expression").astype(np.int64)
            genes = [g for g, k in zip(genes, keep, strict=True) if k]
            keep = None if keep.all() else keep
    else:
        genes = _texts(_item(group, "gene_names"), "gene_names")
    parts = _sound(tuple(_item(group, k) for k in ("data", "indices", "indptr")), len(cells), "matrix")
    return _Rows(*parts, genes, cells, pd.DataFrame(index=range(len(cells))), "matrix", keep)


def whole(matrix: Matrix, most: int = 2000) -> bool:
    """Whether the first cells have whole, non-negative values."""
    values = matrix.rows(0, min(most, len(matrix.cells))).data
    return bool((values >= 0).all() and (values == np.round(values)).all())


# text and 10x triples -------------------------------------------------------------------------------------------


@lru_cache(maxsize=2)
def _whole(path: str, digest: str, cache: str) -> Held:
    """A file without an order by cell, from the kept copy where there is one. `cache` tells one folder from another."""
    where = Path(path)
    if TRIPLE["matrix"].match(where.name):
        return _kept_or(digest, lambda: _triple(where), None, None)
    return _kept_or(digest, lambda: _text(where), None, None)


def _kept_or(name: str, make: Any, genes: list[str] | None, cells: list[str] | None) -> Held:
    folder = data_folder().parent / "cells"
    kept = folder / f"{hashlib.sha256(f'{FORM} {name}'.encode()).hexdigest()}.npz"
    with suppress(OSError, ValueError, KeyError), np.load(kept, allow_pickle=False) as z:
        shape = (len(z["indptr"]) - 1, int(z["width"]))
        matrix = sparse.csr_array((z["data"], z["indices"], z["indptr"]), shape=shape)
        return Held(matrix, [str(g) for g in z["genes"]], [str(c) for c in z["cells"]])
    matrix, genes, cells = make()
    matrix.sum_duplicates()
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".tmp-{os.getpid()}-{secrets.token_hex(6)}"
        try:
            with temporary.open("xb") as f:
                np.savez(f, data=matrix.data, indices=matrix.indices, indptr=matrix.indptr, width=matrix.shape[1],
                         genes=np.array(genes, dtype=str), cells=np.array(cells, dtype=str))  # fmt: skip
            temporary.replace(kept)
        finally:
            temporary.unlink(missing_ok=True)
    return Held(matrix, list(genes), list(cells))


def _open_text(path: Path) -> Any:
    with path.open("rb") as f:
        packed = f.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rt", encoding="utf-8-sig") if packed else path.open(encoding="utf-8-sig")


def _triple(path: Path) -> tuple[sparse.csr_array, list[str], list[str]]:
    from scipy.io import mmread

    _, barcodes, features = members(path)
    with _open_text(barcodes) as f:
        cells = [line.split("\t")[0].strip() for line in f if line.strip()]
    with _open_text(features) as f:
        rows = [line.rstrip("\n").split("\t") for line in f if line.strip()]
    genes = [r[1] if len(r) > 1 and r[1] else r[0] for r in rows]
    try:
        read = mmread(path)
    except (ValueError, OSError, OverflowError) as e:
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
            first, second = f.readline(), f.readline()
            mark = max("\t,;", key=second.count)
            head, body = (next(csv.reader([line], delimiter=mark)) for line in (first, second))
            if len(body) < 3 or len(head) not in (len(body), len(body) - 1):
                raise refuse("not-cells", "the file is no table of genes and cells.", "The first row names the "
                             "cells, the first column the genes.")  # fmt: skip
            columns = [h.strip() for h in head[-(len(body) - 1) :]]
            table, names = _lines(f, second, mark, len(columns))
    except (ValueError, UnicodeDecodeError, EOFError, OSError, csv.Error, StopIteration) as e:
        raise refuse("not-cells", f"the file cannot be read as a table of genes and cells ({str(e).strip()[:160]}).",
                     "Every cell of the table but the names has to be a number.") from None  # fmt: skip
    if _genelike(columns) > _genelike(names):
        return table, columns, names
    return sparse.csr_array(table.T.tocsr()), names, columns


def _lines(f: Any, second: str, mark: str, n: int) -> tuple[sparse.csr_array, list[str]]:
    """Rows of numbers below a heading. Nearly all cells are a lone 0, so only the others are turned into numbers."""
    names: list[str] = []
    values, where, at = array("f"), array("i"), array("q", [0])
    for line in chain([second], f):
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
    return sum(n.upper() in _COMMON or bool(_ENSEMBL.match(n)) for n in names)
