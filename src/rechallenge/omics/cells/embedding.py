"""Cells in a space of few dimensions: normalised, on their most variable genes, by exact principal components.

Values are log1p of counts scaled to the median depth. A gene counts as variable by its variance above the trend of
variance on mean (Lun et al. 2016, doi:10.12688/f1000research.9501.2), averaged over batches where the study names any:
within, so that a difference between lanes does not choose the genes. Everything is read chunk by chunk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from rechallenge.omics.cells.quality import mitochondrial
from rechallenge.omics.cells.reading import chunks, genes
from rechallenge.stats import neighbours

if TYPE_CHECKING:
    from rechallenge.stats.streamed_pca import Components

Floats = NDArray[np.float64]
LUN = "doi:10.12688/f1000research.9501.2"
UMAP = "arXiv:1802.03426"
TSNE = "doi:10.1038/s41467-019-13056-x"
#: of the chosen genes, so many values are held in memory instead of being read twice (8 bytes each)
HELD = 60_000_000
#: cells that are placed on the maps of two dimensions, drawn evenly from all where there are more
ON_UMAP, ON_TSNE = 50_000, 10_000


@dataclass
class LogValues:
    """Log-normalised values of some cells, chunk by chunk, in the order of the files (see `rows`)."""

    cells: pd.DataFrame
    names: Sequence[str] | None = None
    scale: Floats = field(init=False)
    rows: NDArray[np.int64] = field(init=False)
    _held: list[sparse.csr_array] = field(default_factory=list, init=False)
    _whole: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        total = self.cells["n_counts"].to_numpy(dtype=float)
        middle = float(np.median(total[total > 0])) if (total > 0).any() else 1.0
        self.scale = np.divide(middle, total, out=np.ones(len(total)), where=total > 0)
        # logarithms stay as they are
        self._logs = (self.cells["values"] == "log").to_numpy()
        self.rows = np.zeros(0, dtype=np.int64)

    def blocks(self) -> Iterator[sparse.csr_array]:
        """Blocks of cells [some, genes]; `rows` says whose they are once all have been given."""
        if self._whole:
            yield from self._held
            return
        rows: list[NDArray[np.int64]] = []
        held: list[sparse.csr_array] = []
        size = 0
        for part in chunks(self.cells, names=self.names):
            block = self.log(part.matrix, part.rows)
            rows.append(part.rows)
            size += block.nnz
            if size <= HELD and self.names is not None:
                held.append(block)
            else:
                held.clear()
            yield block
        self.rows = np.concatenate(rows) if rows else self.rows
        if len(held) == len(rows):
            self._held, self._whole = held, True

    def log(self, block: sparse.csr_array, rows: NDArray[np.int64]) -> sparse.csr_array:
        size = np.diff(block.indptr)
        data = block.data.astype(np.float32) * np.repeat(self.scale[rows].astype(np.float32), size)
        np.log1p(data, out=data)
        if self._logs[rows].any():
            data = np.where(np.repeat(self._logs[rows], size), block.data, data).astype(np.float32)
        out = sparse.csr_array((data, block.indices, block.indptr), shape=block.shape)
        out.has_sorted_indices = block.has_sorted_indices
        return out


def variable_genes(cells: pd.DataFrame, n: int = 2000) -> pd.DataFrame:
    """gene, mean, variance (of log-normalised values), excess (variance above the trend), chosen (the `n` largest).

    Genes seen in fewer than three cells and mitochondrial genes are not chosen.
    """
    from rechallenge.stats.sparse_columns import add_moments

    names = genes(cells)
    batch, labels = pd.factorize(cells["batch"].astype(str), sort=True)
    groups = max(len(labels), 1)
    source = LogValues(cells)
    total, square, seen = (np.zeros((groups, len(names))) for _ in range(3))
    size = np.bincount(batch, minlength=groups).astype(float)
    for part in chunks(cells):
        block = source.log(part.matrix, part.rows)
        add_moments(block.indptr, block.indices, block.data, batch[part.rows], total, square, seen)
    used = size >= 10 if (size >= 10).any() else size > 0
    mean = total / np.maximum(size, 1)[:, None]
    variance = (
        np.maximum(square / np.maximum(size, 1)[:, None] - mean**2, 0) * (size / np.maximum(size - 1, 1))[:, None]
    )
    excess = np.full((groups, len(names)), np.nan)
    for g in np.flatnonzero(used):
        excess[g] = variance[g] - _trend(mean[g], variance[g])
    weight = size[used] / size[used].sum()
    out = pd.DataFrame({"gene": names, "mean": weight @ mean[used], "variance": weight @ variance[used],
                        "excess": weight @ excess[used]})  # fmt: skip
    barred = (seen.sum(axis=0) < 3) | mitochondrial(names)
    order = np.lexsort((np.array(names), -np.where(barred, -np.inf, out["excess"].to_numpy())))
    chosen = np.zeros(len(names), dtype=bool)
    chosen[order[: min(n, int((~barred).sum()))]] = True
    out["chosen"] = chosen
    return out


def _trend(mean: Floats, variance: Floats) -> Floats:
    """Variance that genes of such a mean usually have: medians over bins of equally many genes, joined by lines."""
    some = np.flatnonzero((mean > 0) & (variance > 0))
    out = np.zeros(len(mean))
    if len(some) < 10:
        return out
    order = some[np.argsort(mean[some], kind="stable")]
    bins = np.array_split(order, max(min(len(order) // 50, 60), 2))
    x = np.array([np.log(mean[b]).mean() for b in bins])
    y = np.array([np.median(np.log(variance[b])) for b in bins])
    # beyond the ends as a Poisson count would go on: the variance rises with the mean
    logs = np.log(mean[some])
    fitted = np.interp(logs, x, y) + np.where(logs < x[0], logs - x[0], 0)
    out[some] = np.exp(fitted)
    return out


def principal(cells: pd.DataFrame, names: Sequence[str], k: int = 30) -> Components:
    """Principal components of the cells on these genes; `scores` in the order of `cells`."""
    from rechallenge.stats import streamed_pca

    source = LogValues(cells, list(names))
    found = streamed_pca.components(source.blocks, k)
    scores = np.empty_like(found.scores)
    scores[source.rows] = found.scores
    return streamed_pca.Components(scores, found.axes, found.variance, found.total, found.mean)


def on_a_map(n: int, most: int, seed: int) -> NDArray[np.int64]:
    """Which of n cells are placed on a map: all, or `most` drawn evenly, in order."""
    if n <= most:
        return np.arange(n, dtype=np.int64)
    return np.sort(np.random.default_rng([seed, 5]).choice(n, most, replace=False)).astype(np.int64)


def umap(points: Floats, near: neighbours.Near, graph: sparse.csr_array, seed: int) -> Floats:
    """UMAP coordinates [n, 2]; NaN for the cells that were not drawn."""
    out = np.full((len(points), 2), np.nan)
    chosen = on_a_map(len(points), ON_UMAP, seed)
    if len(chosen) < 10:
        return out
    if len(chosen) < len(points):
        near = neighbours.nearest(points[chosen], near.index.shape[1], seed)
        graph = neighbours.weights(near)
    library = neighbours.quietly("umap.umap_")
    start = _start(points[chosen])
    a, b = library.find_ab_params(1.0, 0.5)
    found, _ = library.simplicial_set_embedding(
        points[chosen].astype(np.float32), sparse.coo_matrix(graph), 2, 1.0, a, b, 1.0, 5,
        500 if len(chosen) <= 10_000 else 200, start, np.random.RandomState(seed), "euclidean", {}, False, {},
        False, parallel=False,
    )  # fmt: skip
    out[chosen] = found
    return out


def _start(points: Floats) -> NDArray[np.float32]:
    """The first two components, as wide as UMAP wants its start (doi:10.1038/s41587-020-00809-z)."""
    two = points[:, :2] if points.shape[1] > 1 else np.column_stack([points, np.zeros(len(points))])
    widest = float(np.abs(two).max()) or 1.0
    return np.asarray(10 * two / widest, dtype=np.float32)


def tsne(points: Floats, seed: int) -> Floats:
    """t-SNE coordinates [n, 2]; NaN for the cells that were not drawn."""
    from sklearn.manifold import TSNE as Tsne  # type: ignore[import-untyped,unused-ignore]
    from threadpoolctl import threadpool_limits

    out = np.full((len(points), 2), np.nan)
    chosen = on_a_map(len(points), ON_TSNE, seed)
    if len(chosen) < 10:
        return out
    some = points[chosen]
    two = some[:, :2] if some.shape[1] > 1 else np.column_stack([some, np.zeros(len(some))])
    start = 1e-4 * two / (float(two[:, 0].std()) or 1.0)
    model = Tsne(2, perplexity=min(30.0, (len(chosen) - 1) / 3), init=start.astype(np.float32), random_state=seed,
                 learning_rate=max(len(chosen) / 12 / 4, 50.0), n_jobs=1)  # fmt: skip
    # several threads wait for each other longer than they work, and sums would depend on how many there are
    with threadpool_limits(1, user_api="openmp"):
        out[chosen] = model.fit_transform(some.astype(np.float32))
    return out
