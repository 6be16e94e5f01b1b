"""Cells sorted into states: Leiden communities of a graph of neighbours on principal components.

States are found over all samples of a data set at once; of each it is said which samples it lies in and how well it is
found again in part of the cells. Cells are not replicates: what a state is compared over is its share in each sample.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge.analysis import analysis
from rechallenge.faults import NotApplicable
from rechallenge.omics.cells import embedding
from rechallenge.omics.cells.reading import kept
from rechallenge.stats import neighbours

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LEIDEN = "doi:10.1038/s41598-019-41695-z"
SILHOUETTE = "doi:10.1016/0377-0427(87)90125-7"
HENNIG = "doi:10.1016/j.csda.2006.11.025"
#: principal components that are kept in the table
PCS = 30
WHO = (
    "dataset", "cell", "sample", "model", "patient", "treatment", "stage", "replicate", "batch", "group", "cell_type",
)  # fmt: skip
COLUMNS = (*WHO, "state", *(f"pc{i}" for i in range(1, PCS + 1)), "umap1", "umap2", "tsne1", "tsne2", "doublet_score")
SUMMARY = (
    "dataset", "state", "n_cells", "share", "n_samples", "top_sample", "top_share", "stability", "stability_low",
    "verdict", "resolution", "silhouette", "n_total",
)  # fmt: skip
GENES = ("dataset", "gene", "mean", "variance", "excess", "chosen")
#: resolutions of which the one with the best silhouette is taken, and the silhouette below which there is one state
RESOLUTIONS, APART = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0), 0.05
#: fewer cells are not sorted; cells that the silhouette and the resampling look at
FEW, LOOKED_AT = 50, 3000
RESAMPLED, PART = 10, 0.8
#: a Jaccard index below this is no stable state (Hennig 2007)
STABLE = 0.6


def _methods(cell_states: dict[str, pd.DataFrame] | pd.DataFrame, n_genes: int, n_pcs: int, n_neighbours: int,
             resolution: float, **_: Any) -> str:  # fmt: skip
    how = f"at resolution {resolution:g}" if resolution else (
        f"at the resolution of {', '.join(f'{r:g}' for r in RESOLUTIONS)} with the best mean silhouette ({SILHOUETTE})"
    )  # fmt: skip
    return (
        f"Counts were scaled to the median depth and log1p-transformed; the {n_genes:,} genes with the largest "
        f"variance above the trend, within batches where named ({embedding.LUN}), gave {n_pcs} exact principal "
        f"components and a graph of {n_neighbours} nearest neighbours weighted as in UMAP ({embedding.UMAP}), in which "
        f"states are Leiden communities ({LEIDEN}) {how}. Stability is the Jaccard index with the best match in "
        f"{RESAMPLED} samples of {100 * PART:g} % of the cells ({HENNIG}). UMAP shows at most "
        f"{embedding.ON_UMAP:,} cells and t-SNE ({embedding.TSNE}) at most {embedding.ON_TSNE:,}, drawn evenly."
    )


@analysis(
    title="States of single cells",
    reference=(LEIDEN, embedding.LUN, embedding.UMAP, embedding.TSNE, SILHOUETTE, HENNIG),
    gives=("cell_states", "state_summary", "variable_genes"),
    methods=_methods,
    formula=(
        "log(1 + counts at the median depth), variable genes, principal components, weighted neighbours, "
        "Leiden; resolution by silhouette"
    ),
    oracle=(
        "scanpy 1.11 for neighbours and components; sc_mixology, three lines (tests/stats/test_neighbours.py, "
        "tests/stats/test_streamed_pca.py, tests/omics/cells/test_cells_states.py)"
    ),
    limits=(
        "Discrete states are a choice where cells form a continuum. Batches are not integrated: a state of one "
        "sample cannot be told from a batch. 1,000 variable genes were chosen after seeing RNAmix."
    ),
)
def cell_states(
    cells: pd.DataFrame,
    cell_quality: pd.DataFrame,
    *,
    n_genes: int = 1000,
    n_pcs: int = 30,
    n_neighbours: int = 15,
    resolution: float = 0.0,
    maps: bool = True,
    seed: int = 0,
) -> dict[str, pd.DataFrame]:
    """`cell_states`: one row per cell that quality control kept (`COLUMNS`); `state_summary`: one per state
    (`SUMMARY`); `variable_genes`: one per gene (`GENES`).

    `state` is '1', '2', ... from the largest; components beyond `n_pcs` and places on maps of cells that were not drawn
    (or with `maps` false) are NaN. `resolution` 0 takes the one with the best silhouette, and one state where none
    parts the cells. A state of one sample alone cannot be told from a batch; `verdict` says so. Raises NotApplicable
    where no data set has enough cells.
    """
    tables: dict[str, list[pd.DataFrame]] = {"cell_states": [], "state_summary": [], "variable_genes": []}
    left = cell_quality[cell_quality["kept"]]
    for dataset, judged in left.groupby("dataset", sort=True):
        if len(judged) < FEW:
            continue
        mine = kept(cells, judged)
        # in the order of the files, whatever the order of the table
        order = mine.sort_values(["_file", "_row"], kind="stable").index.to_numpy()
        if (order != np.arange(len(order))).any():
            mine, judged = mine.iloc[order].reset_index(drop=True), judged.iloc[order]
        chosen = embedding.variable_genes(mine, n_genes)
        points = embedding.principal(mine, list(chosen["gene"][chosen["chosen"]]), min(n_pcs, PCS)).scores
        near = neighbours.nearest(points, n_neighbours, seed)
        graph = neighbours.weights(near)
        taken, silhouette, state = sorted_cells(points, graph, resolution, seed)
        two = embedding.umap(points, near, graph, seed) if maps else np.full((len(points), 2), np.nan)
        three = embedding.tsne(points, seed) if maps else np.full((len(points), 2), np.nan)
        found = stability(points, state, n_neighbours, taken, seed)
        del near, graph  # the largest things that are held
        frame = mine[list(WHO)].reset_index(drop=True)
        frame["state"] = (state + 1).astype(str)
        columns = {f"pc{i + 1}": points[:, i] if i < points.shape[1] else np.nan for i in range(PCS)}
        columns |= {"umap1": two[:, 0], "umap2": two[:, 1], "tsne1": three[:, 0], "tsne2": three[:, 1]}
        frame = pd.concat([frame, pd.DataFrame(columns)], axis=1)
        frame["doublet_score"] = judged["doublet_score"].to_numpy()
        tables["cell_states"].append(frame[list(COLUMNS)])
        tables["state_summary"].append(_summary(str(dataset), frame, found, taken, silhouette))
        tables["variable_genes"].append(chosen.assign(dataset=dataset)[list(GENES)])
    if not tables["cell_states"]:
        raise NotApplicable(f"no data set has {FEW} cells that quality control kept")
    return {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}


def sorted_cells(points: Floats, graph: Any, resolution: float, seed: int) -> tuple[float, float, Ints]:
    """Resolution taken, mean silhouette (NaN for one state), and the state of each cell from 0."""
    from sklearn.metrics import silhouette_score  # type: ignore[import-untyped,unused-ignore]

    looked = embedding.on_a_map(len(points), LOOKED_AT, seed)
    best: tuple[float, float, Ints] = (0.0, -np.inf, np.zeros(len(points), dtype=np.int64))
    for one in (resolution,) if resolution else RESOLUTIONS:
        state = neighbours.communities(graph, one, seed)
        some = state[looked]
        value = float(silhouette_score(points[looked], some)) if 1 < len(np.unique(some)) < len(some) else -np.inf
        if resolution or value > best[1]:
            best = (one, value, state)
    if not resolution and best[1] < APART:
        return 0.0, best[1] if np.isfinite(best[1]) else np.nan, np.zeros(len(points), dtype=np.int64)
    return best[0], best[1] if np.isfinite(best[1]) else np.nan, best[2]


def stability(points: Floats, state: Ints, k: int, resolution: float, seed: int) -> Floats:
    """Jaccard index of each state with its best match in parts of the cells [RESAMPLED, states]; 1 for a lone state.

    More than `LOOKED_AT` cells are thinned first, as the states of a part are sought anew.
    """
    groups = int(state.max()) + 1
    out = np.ones((RESAMPLED, groups))
    if groups == 1 or not resolution:
        return out
    pool = embedding.on_a_map(len(points), LOOKED_AT, seed)
    for r in range(RESAMPLED):
        rng = np.random.default_rng([seed, 11, r])
        part = pool[np.sort(rng.choice(len(pool), max(int(PART * len(pool)), 2), replace=False))]
        found = neighbours.communities(neighbours.weights(neighbours.nearest(points[part], k, seed)), resolution, seed)
        both = np.zeros((groups, int(found.max()) + 1))
        np.add.at(both, (state[part], found), 1)
        union = both.sum(axis=1)[:, None] + both.sum(axis=0)[None, :] - both
        best = np.divide(both, union, out=np.zeros_like(both), where=union > 0).max(axis=1)
        out[r] = np.where(both.sum(axis=1) > 0, best, np.nan)
    return out


def _summary(dataset: str, frame: pd.DataFrame, found: Floats, resolution: float, silhouette: float) -> pd.DataFrame:
    rows = []
    samples = frame["sample"].nunique()
    for state, part in frame.groupby("state", sort=False):
        j = found[:, int(str(state)) - 1]
        j = j[np.isfinite(j)]
        by = part["sample"].value_counts(sort=False)
        top = sorted(by.items(), key=lambda i: (-i[1], str(i[0])))[0]
        middle = float(np.median(j)) if len(j) else np.nan
        said = []
        if len(by) == 1 and samples > 1:
            said.append("its cells are of one sample alone: a batch cannot be told from a state")
        elif top[1] > 0.9 * len(part) and samples > 1:
            said.append(f"{100 * top[1] / len(part):.0f} % of its cells are of one sample")
        if not len(j):
            said.append("too rare to be sought again in part of the cells")
        elif middle < STABLE:
            said.append(f"not stable: in part of the cells it is found again with a Jaccard index of {middle:.2f}")
        rows.append({
            "dataset": dataset, "state": str(state), "n_cells": len(part), "share": len(part) / len(frame),
            "n_samples": len(by), "top_sample": str(top[0]), "top_share": top[1] / len(part), "stability": middle,
            "stability_low": float(np.min(j)) if len(j) else np.nan, "verdict": "; ".join(said),
            "resolution": resolution if resolution else np.nan, "silhouette": silhouette, "n_total": len(frame),
        })  # fmt: skip
    out = pd.DataFrame(rows)
    return out.iloc[np.argsort(out["state"].astype(int), kind="stable")][list(SUMMARY)]
