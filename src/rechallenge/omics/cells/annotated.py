"""Cells with their counts and results as one AnnData, for use beyond this project."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.omics.cells.counting import counts, kept


def annotated(cells: pd.DataFrame, cell_states: pd.DataFrame, pseudotime: pd.DataFrame | None = None) -> Any:
    """An AnnData of the cells of `cell_states`: counts in `X`, what is known of a cell in `obs`, components and maps in
    `obsm`; with `pseudotime` one column of `obs` per contrast (NaN for cells that it has none of).

    The study's own files are never written to: `annotated(...).write_h5ad("copy.h5ad")` makes a new one. All counts are
    held in memory (about 8 bytes for each that is not zero). Raises ValueError for more than one data set.
    """
    if len(cell_states["dataset"].unique()) > 1:
        raise ValueError("one data set at a time: choose one with cell_states[cell_states['dataset'] == ...]")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import anndata
        from scipy import sparse

        held = counts(kept(cells, cell_states))
        plain = [c for c in cell_states.columns if not c.startswith(("pc", "umap", "tsne")) and c != "cell"]
        obs = cell_states[plain].copy()
        obs.index = pd.Index(cell_states["cell"].astype(str).to_numpy())
        if pseudotime is not None:
            for contrast, own in pseudotime.groupby("contrast", sort=True):
                obs[f"pseudotime {contrast}".replace("/", " per ")] = own.set_index("cell")["pseudotime"].reindex(
                    obs.index
                )
        data = anndata.AnnData(sparse.csr_matrix(held.matrix), obs=obs, var=pd.DataFrame(index=held.genes))
    for name, start in (("X_pca", "pc"), ("X_umap", "umap"), ("X_tsne", "tsne")):
        names = [str(c) for c in cell_states.columns if str(c).startswith(start) and str(c)[len(start) :].isdigit()]
        values = cell_states[names].to_numpy(dtype=float)
        values = values[:, ~np.isnan(values).all(axis=0)]
        if values.size:
            data.obsm[name] = values
    return data
