"""Matrices of cells in HDF5, AnnData and 10x: numbers and text alone, nothing is executed and no link is followed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from rechallenge.faults import InputFaults
from rechallenge.omics.cells.matrices import ENSEMBL, Held, Ints, Matrix, kept_or, refuse, whole

#: bytes that a dataset may unpack to whatever it takes in the file, and for each byte in the file beyond that
HARMLESS, PACKED = 2**28, 5000
_SYMBOLS = ("feature_name", "gene_symbols", "gene_symbol", "gene_names", "gene_name", "symbol", "symbols", "genename")


def _item(group: Any, name: str) -> Any:
    """A member of a group that lies in the same file. KeyError where there is none."""
    import h5py

    if not isinstance(group, h5py.Group):
        raise _misshapen(name)
    link = group.get(name, getlink=True)
    if link is None:
        raise KeyError(name)
    one = group[name] if isinstance(link, h5py.HardLink) else None
    if one is None or (isinstance(one, h5py.Dataset) and (one.external or one.is_virtual)):
        raise refuse("linked-data", f"{name} is a link that may lead to another file; such data are not read.",
                     "Write the data into one file: adata.write_h5ad(...).")  # fmt: skip
    # what was never written takes no room in the file, but all of it in memory
    if isinstance(one, h5py.Dataset) and one.nbytes > max(HARMLESS, PACKED * one.id.get_storage_size()):
        raise refuse("too-large", f"{name} declares {one.size:,} values, far more than the file holds.",
                     "Check where the file comes from, and write or download it again.")  # fmt: skip
    return one


def _list(data: Any, name: str) -> Any:
    """A dataset of one dimension. InputFaults for anything else."""
    import h5py

    if not isinstance(data, h5py.Dataset) or data.ndim != 1:
        raise _misshapen(name)
    return data


def _texts(data: Any, name: str) -> list[str]:
    """A column of text or numbers as text. Objects of another kind are refused."""
    import h5py

    if isinstance(data, h5py.Group):
        inner = next((_item(data, k) for k in ("categories", "values") if k in data), None)
        if isinstance(inner, h5py.Group) and (
            "codes" in inner or "codes" not in data
        ):  # a list of lists, or in circles
            raise refuse("not-cells", f"the column {name} holds columns.", "Write it as text or numbers.")
        if "codes" in data and "categories" in data:
            codes = np.asarray(_list(_item(data, "codes"), name)[:], dtype=np.int64)
            labels = np.array([*_texts(_item(data, "categories"), name), ""], dtype=object)
            return [str(v) for v in labels[np.where((codes < 0) | (codes >= len(labels) - 1), len(labels) - 1, codes)]]
        if "values" in data:
            values = np.array(_texts(_item(data, "values"), name), dtype=object)
            if "mask" in data:
                mask = np.asarray(_list(_item(data, "mask"), name)[:], dtype=bool)
                if len(mask) != len(values):
                    raise _misshapen(name)
                values[mask] = ""
            return [str(v) for v in values]
        raise refuse("not-cells", f"the column {name} has a form that is not read.", "Write it as text or numbers.")
    _list(data, name)
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


def matrix(file: Any, layer: str, digest: str) -> Matrix:
    """The matrix of an open file. Raises InputFaults (without file) for what is neither AnnData nor 10x, or damaged."""
    try:
        return _matrix(file, layer, digest)
    except (ValueError, TypeError, IndexError, AttributeError, OverflowError) as e:
        raise refuse("damaged", f"the file is damaged ({str(e).strip()[:160]}).", "Write or download it again.") from e


def _matrix(file: Any, layer: str, digest: str) -> Matrix:
    if "obs" in file and "var" in file:
        return _anndata(file, layer, digest)
    if "matrix" in file and _has(file, "matrix", "barcodes"):
        return _tenx(_item(file, "matrix"))
    groups = [k for k in file if _has(file, k, "barcodes")]
    if len(groups) == 1:
        return _tenx(_item(file, groups[0]))
    raise refuse("not-cells", "the file is HDF5, but neither AnnData nor a 10x matrix.",
                 "Give .h5ad, or filtered_feature_bc_matrix.h5.")  # fmt: skip


def _has(file: Any, group: str, name: str) -> bool:
    """Whether a group of this very file has a member; no link is followed."""
    import h5py

    here = isinstance(file.get(group, getlink=True), h5py.HardLink)
    return here and isinstance(file[group], h5py.Group) and name in file[group]


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
    if sum(bool(ENSEMBL.match(n)) for n in names[:200]) > min(100, len(names) / 2):
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
    parts = tuple(_list(_item(data, k), layer) for k in ("data", "indices", "indptr"))
    if "csc" in form:
        turned = kept_or(name, lambda: _columns(parts, shape, layer), [], [])
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
    parts = _sound(tuple(_list(_item(group, k), "matrix") for k in ("data", "indices", "indptr")), len(cells), "matrix")
    return _Rows(*parts, genes, cells, pd.DataFrame(index=range(len(cells))), "matrix", keep)
