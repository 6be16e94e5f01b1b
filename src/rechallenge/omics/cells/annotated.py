"""Cells with their counts and results as one AnnData, for use beyond this project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.omics.cells import cycle
from rechallenge.omics.cells.counting import Counts, counts, kept
from rechallenge.stats import networks


def annotated(
    cells: pd.DataFrame,
    cell_states: pd.DataFrame,
    pseudotime: pd.DataFrame | None = None,
    sets: Mapping[str, Sequence[str]] | None = None,
    regulons: pd.DataFrame | None = None,
) -> Any:
    """An AnnData of the cells of `cell_states`: counts in `X`, what is known of a cell in `obs`, components and maps in
    `obsm`; with `pseudotime` one column of `obs` per contrast (NaN for cells that it has none of).

    With `sets` (name: genes) every cell has its AUCell scores (doi:10.1038/nmeth.4463) in `obsm["aucell"]`, with
    `regulons` (tf, target, weight) its t of a univariate linear model (doi:10.1093/bioadv/vbac016) in `obsm["ulm"]`,
    both as tables with the names as columns; sets of fewer than five genes are left out. They are for maps: a test of
    them over cells would take cells for replicates, and none is made here.

    The study's own files are never written to: `annotated(...).write_h5ad("copy.h5ad")` makes a new one. All counts are
    held in memory (about 8 bytes for each that is not zero). Raises ValueError for more than one data set.
    """
    if len(cell_states["dataset"].unique()) > 1:
        raise ValueError("one data set at a time: choose one with cell_states[cell_states['dataset'] == ...]")
    import anndata
    from scipy import sparse

    held = counts(kept(cells, cell_states))
    plain = [c for c in cell_states.columns if not c.startswith(("pc", "umap", "tsne")) and c != "cell"]
    obs = cell_states[plain].copy()
    obs.index = pd.Index(cell_states["cell"].astype(str).to_numpy())
    if pseudotime is not None:
        for contrast, own in pseudotime.groupby("contrast", sort=True):
            obs[f"pseudotime {contrast}".replace("/", " per ")] = own.set_index("cell")["pseudotime"].reindex(obs.index)
    data = anndata.AnnData(sparse.csr_matrix(held.matrix), obs=obs, var=pd.DataFrame(index=held.genes))
    for name, start in (("X_pca", "pc"), ("X_umap", "umap"), ("X_tsne", "tsne")):
        names = [str(c) for c in cell_states.columns if str(c).startswith(start) and str(c)[len(start) :].isdigit()]
        values = cell_states[names].to_numpy(dtype=float)
        values = values[:, ~np.isnan(values).all(axis=0)]
        if values.size:
            data.obsm[name] = values
    for name, table in _scores(held, sets, regulons).items():
        data.obsm[name] = table.set_axis(data.obs_names)
    return data


def _scores(
    held: Counts, sets: Mapping[str, Sequence[str]] | None, regulons: pd.DataFrame | None
) -> dict[str, pd.DataFrame]:
    """Scores of every cell by what was asked for."""
    from rechallenge.stats import sparse_activity

    out = {}
    if sets:
        member, names = sparse_activity.members(sets, held.genes)
        if names:
            out["aucell"] = pd.DataFrame(sparse_activity.aucell(held.matrix, member), columns=names)
    if regulons is not None and len(regulons):
        weight, names = sparse_activity.weights(networks.network(regulons, pd.Index(held.genes)), len(held.genes))
        if names:
            out["ulm"] = pd.DataFrame(sparse_activity.ulm(cycle.logged(held.matrix), weight), columns=names)
    return out
