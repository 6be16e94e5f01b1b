"""A matrix of cells x genes as every file gives it, and matrices kept beside files that have no order by cell."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
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
ENSEMBL = re.compile(r"^ENS[A-Z]*G\d{11}")


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


def whole(matrix: Matrix, most: int = 2000) -> bool:
    """Whether the first cells have whole, non-negative values."""
    values = matrix.rows(0, min(most, len(matrix.cells))).data
    return bool((values >= 0).all() and (values == np.round(values)).all())


def kept_or(name: str, make: Any, genes: list[str] | None, cells: list[str] | None) -> Held:
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
