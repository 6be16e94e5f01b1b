"""Phase of the cell cycle of every cell, from the genes of S and of G2/M.

The score of a set is the mean log-normalised level of its genes less that of genes of like mean level (Tirosh et al.
2016, doi:10.1126/science.aad0501); all genes of a bin of like level serve as control, so that nothing is drawn at
random. A cell is in the phase of the higher score where that is above 0, else in G1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge import knowledge
from rechallenge.omics.cells import reading

Floats = NDArray[np.float64]
TIROSH = "doi:10.1126/science.aad0501"
G1, S, G2M = "G1", "S", "G2M"
#: genes of a phase that have to be measured; bins of like level
LEAST, BINS = 5, 25


def members(genes: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    """Places of the genes of S and of G2/M among `genes`."""
    sets = knowledge.table("gene_sets")
    at = {g: i for i, g in enumerate(genes)}
    return {
        name: np.array(sorted({at[g] for g in sets.loc[sets["set"] == term, "gene"] if g in at}), dtype=np.int64)
        for name, term in ((S, "cell_cycle_s"), (G2M, "cell_cycle_g2m"))
    }


def phases(cells: pd.DataFrame, genes: Sequence[str]) -> tuple[NDArray[np.object_] | None, dict[str, int]]:
    """Phase of every cell, in the order of ``cells``, and how many genes tell each; None where fewer than five do.

    Cells are read twice, piece by piece: for the mean level of every gene, then for the scores.
    """
    inside = members(genes)
    sizes = {k: len(v) for k, v in inside.items()}
    if min(sizes.values()) < LEAST or not len(cells):
        return None, sizes
    total = np.zeros(len(genes))
    for part in reading.chunks(cells):
        total += np.asarray(logged(part.matrix).sum(axis=0)).ravel()
    weights = np.column_stack([weight(total / len(cells), inside[k]) for k in (S, G2M)])
    score = np.empty((len(cells), 2))
    for part in reading.chunks(cells):
        score[part.rows] = logged(part.matrix) @ weights
    best = np.where(score[:, 0] >= score[:, 1], S, G2M).astype(object)
    return np.where(score.max(axis=1) > 0, best, G1).astype(object), sizes


def logged(counts: Any) -> Any:
    """log(1 + 10,000 share) of counts [cells, genes], sparse."""
    import scipy.sparse as sp

    x = sp.csr_array(counts)
    total = np.maximum(np.asarray(x.sum(axis=1)).ravel(), 1)
    share = x.data.astype(np.float64) / np.repeat(total, np.diff(x.indptr))
    return sp.csr_array((np.log1p(1e4 * share), x.indices, x.indptr), shape=x.shape)


def weight(mean: Floats, inside: NDArray[np.int64]) -> Floats:
    """Weights [genes] that make the mean of the set less the mean of its controls."""
    order = np.argsort(np.argsort(mean, kind="stable"), kind="stable")
    bins = order * min(BINS, len(mean)) // len(mean)
    control = np.isin(bins, np.unique(bins[inside]))
    control[inside] = False
    out = np.zeros(len(mean))
    out[inside] = 1 / len(inside)
    # every bin counts as often as the set has genes in it
    for b in np.unique(bins[inside]):
        there = control & (bins == b)
        if there.any():
            out[there] -= (bins[inside] == b).mean() / there.sum()
    return out
