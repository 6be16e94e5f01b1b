"""Matrices of genes and samples on one scale and under one name, the same for every stream that reads them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge import contrasts
from rechallenge.moderated_contrasts import joined
from rechallenge.stats.counts import size_factors

Floats = NDArray[np.float64]
#: what is added to counts, TPM, FPKM and CPM per million before logarithms are taken
OFFSET = 0.5


def log2(values: Floats, unit: str) -> Floats:
    """Values [features, samples] on a log2 scale; what is not there is nan. Counts become log2 CPM by size factors,
    intensities are set to equal medians of their samples (they differ by how much was loaded)."""
    if unit in ("log2", "zscore"):
        return values
    if unit == "counts":
        sizes = size_factors(values)
        scale = np.exp(np.log(values.sum(axis=0)).mean()) / 1e6
        return np.asarray(np.log2(values / sizes / scale + OFFSET))
    if unit in ("tpm", "fpkm", "cpm"):
        return np.asarray(np.log2(values + OFFSET))
    with np.errstate(divide="ignore"):
        levels = np.log2(np.where(values > 0, values, np.nan))
    middle = np.nanmedian(levels, axis=0)
    return np.asarray(levels - middle + np.median(middle))


def symbols(features: list[str]) -> list[str]:
    """The approved symbol of every feature that is an identifier or earlier symbol of one gene, else its own name."""
    from rechallenge.knowledge.resolve import genes

    found = genes(features)
    sure = found["status"].isin(["exact", "ensembl", "entrez", "hgnc", "uniprot", "previous"])
    return [str(g) if s else str(f) for f, g, s in zip(features, found["gene"], sure, strict=True)]


@dataclass(frozen=True)
class Levels:
    """One data set by gene and biological replicate: ``values`` [genes, units] in log2, complete rows alone, ``genes``
    each once (of several features of a gene the one with the highest mean), ``units`` as `moderated_contrasts.joined`
    gives them, with a column `sample` that names one of the samples of each."""

    name: str
    unit: str
    genes: list[str]
    values: Floats
    units: pd.DataFrame


def by_gene(matrix: pd.DataFrame, samples: pd.DataFrame) -> Iterator[Levels]:
    """The data sets of a matrix kind, by name."""
    for name, sheet in samples.groupby("dataset", sort=True):
        known = contrasts.grouped(sheet.sort_values("sample", kind="mergesort"))
        part = matrix[matrix["dataset"] == name].sort_values("feature", kind="mergesort")
        unit = str(sheet["unit"].iloc[0]) if "unit" in sheet else "log2"
        raw = part[known["sample"].astype(str).tolist()].to_numpy(dtype=float)
        values, units = joined(raw, known, add=unit == "counts")
        there = np.isfinite(values).all(axis=1)
        if unit == "counts":
            there &= values.sum(axis=1) > 0
        levels = log2(values, unit)[there] if there.any() else values[there]
        genes = np.array(symbols(part["feature"].astype(str).tolist()), dtype=object)[there]
        kept = np.isfinite(levels).all(axis=1)
        levels, genes = levels[kept], genes[kept]
        order = np.lexsort((-levels.mean(axis=1), genes.astype(str)))
        first = order[np.unique(genes[order].astype(str), return_index=True)[1]] if len(order) else order
        yield Levels(str(name), unit, [str(g) for g in genes[first]], levels[first], units)
