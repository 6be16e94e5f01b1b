"""The measured surface of a drug combination, and how wells become one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Kind = Literal["inhibition", "viability"]

#: A dose of zero in ``Surface.alone``: the drug is absent and has no single-agent cell.
ABSENT = -1
#: The drug alone was not measured at this dose.
NOT_MEASURED = -2


@dataclass(frozen=True)
class Surface:
    """Mean inhibition per biological replicate and dose combination; k drugs, m combinations, R replicates.

    ``doses`` [m, k]: every dose combination that was measured, sorted, zeros included; any unit per drug.
    ``response`` [R, m]: inhibition as a fraction (0 without effect, 1 for a complete one), the mean of the wells of
    one replicate; nan where the replicate lacks the combination. ``wells`` [R, m]: how many wells that mean is of.
    ``labels`` [R]: the replicates as they were named. ``alone`` [m, k]: the row of ``doses`` with drug d alone at the
    dose it has in this combination, ``ABSENT`` or ``NOT_MEASURED``.
    """

    doses: Floats
    response: Floats
    wells: Ints
    labels: NDArray[Any]
    alone: Ints

    @property
    def n_replicates(self) -> int:
        return int(self.response.shape[0])

    @property
    def n_drugs(self) -> int:
        return int(self.doses.shape[1])

    @property
    def combined(self) -> Bools:
        """[m]: at least two drugs are present."""
        return np.asarray((self.doses > 0).sum(axis=1) >= 2)

    def single(self, drug: int) -> Ints:
        """Rows with this drug alone, by ascending dose."""
        only = (self.doses[:, drug] > 0) & ((self.doses > 0).sum(axis=1) == 1)
        rows = np.flatnonzero(only)
        return np.asarray(rows[np.argsort(self.doses[rows, drug], kind="stable")], dtype=np.int64)

    def weighted(self, weights: Floats) -> tuple[Floats, Floats]:
        """Means over replicates [B, m] for rows of replicate weights [B, R], and the weight behind each mean."""
        given = np.isfinite(self.response)
        total = weights @ given.astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = (weights @ np.where(given, self.response, 0.0)) / total
        return np.where(total > 0, mean, np.nan), total

    @property
    def mean(self) -> Floats:
        """[m]: mean over biological replicates, each counted once."""
        return np.asarray(self.weighted(np.ones((1, self.n_replicates)))[0][0])


def collect(
    doses: Sequence[ArrayLike], response: ArrayLike, replicate: ArrayLike | None = None, *, kind: Kind = "inhibition"
) -> Surface:
    """Surface from wells: matrices, rays or scattered combinations.

    ``doses``: one array [n] per drug, two or more drugs, 0 where absent. ``response`` [n]: inhibition as a fraction,
    or viability (1 without effect) where ``kind`` says so. ``replicate`` [n]: biological replicate; without it all
    wells are of one. Wells whose response is not a number are left out. Raises ValueError for arrays of unequal
    length, for fewer than two drugs, for negative or non-finite doses, and where nothing is left.
    """
    columns = [np.asarray(d, dtype=np.float64) for d in doses]
    values = np.asarray(response, dtype=np.float64)
    if len(columns) < 2:
        raise ValueError(f"a combination needs the doses of at least two drugs, got {len(columns)}")
    if values.ndim != 1 or any(c.shape != values.shape for c in columns):
        raise ValueError(f"doses and response must be arrays of one length, got {[c.shape for c in columns]}")
    if kind not in ("inhibition", "viability"):
        raise ValueError(f"kind must be 'inhibition' or 'viability', got {kind!r}")
    table = np.column_stack(columns)
    if not np.all(np.isfinite(table)) or np.any(table < 0):
        raise ValueError("doses must be finite and not negative")
    names = np.zeros(values.size, np.int64) if replicate is None else np.asarray(replicate)
    if names.shape != values.shape:
        raise ValueError(f"replicate has shape {names.shape} where response has {values.shape}")
    used = np.isfinite(values)
    if not used.any():
        raise ValueError("no well has a response")
    if kind == "viability":
        values = 1.0 - values
    unique, cell = np.unique(table[used], axis=0, return_inverse=True)
    labels, row = np.unique(names[used], return_inverse=True)
    flat = row.ravel() * len(unique) + cell.ravel()
    size = labels.size * len(unique)
    wells = np.bincount(flat, minlength=size).reshape(labels.size, -1)
    total = np.bincount(flat, values[used], minlength=size).reshape(labels.size, -1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(wells > 0, total / wells, np.nan)
    return Surface(unique, mean, wells.astype(np.int64), labels, _alone(unique))


def _alone(doses: Floats) -> Ints:
    rows = {tuple(row): i for i, row in enumerate(doses.tolist())}
    out = np.full(doses.shape, ABSENT, dtype=np.int64)
    for i, j in zip(*np.nonzero(doses), strict=True):
        only = [0.0] * doses.shape[1]
        only[j] = float(doses[i, j])
        out[i, j] = rows.get(tuple(only), NOT_MEASURED)
    return out
