"""Single cells with a known answer, in memory and in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from rechallenge.omics.cells import CELLS
from rechallenge.omics.cells.reading import read
from rechallenge.study import TableSource

MODELS = pd.DataFrame(
    [
        ("P", "parental", "", "", "", "", ""),
        ("R", "resistant", "P", "lenvatinib", "", "", ""),
    ],
    columns=["model", "role", "parent", "selected_with", "stage", "cell_line", "note"],
)


def simulated(
    kind: str, n: int = 600, *, genes: int = 600, depth: int = 2000, seed: int = 0, changed: int = 100,
    size: float = 1.0, ratio: float = 1.0, cycle: float = 0.0, noise: float = 0.1,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """Counts [n, genes], group (0 parental, 1 resistant), and the true place of each cell from 0 to 1.

    kind: `path` (cells of both groups spread over the way), `apart` (two homogeneous groups), `one` (no difference).
    `size` is the standard deviation of the log fold changes of `changed` genes, `ratio` the depth of group 1 over that
    of group 0, `cycle` the size of a programme that differs within both groups and shares genes with the change,
    `noise` the overdispersion of counts.
    """
    rng = np.random.default_rng(seed)
    base = np.exp(rng.normal(0, 1.2, genes))
    way = np.zeros(genes)
    way[rng.choice(genes, changed, replace=False)] = rng.normal(0, size, changed)
    group = np.repeat([0, 1], n // 2)
    if kind == "path":
        place = np.where(group == 0, 0.8 * rng.beta(1, 2, n), 0.2 + 0.8 * rng.beta(2, 1, n))
    else:
        place = group.astype(float) if kind == "apart" else np.full(n, 0.5)
    programme = 0.3 * way
    programme[rng.choice(genes, genes // 16, replace=False)] += rng.normal(0, 1, genes // 16)
    phase = cycle * rng.random(n) ** 2
    mean = np.exp(np.log(base) + place[:, None] * way + phase[:, None] * programme)
    mean *= (depth * np.exp(rng.normal(0, 0.4, n)) * np.where(group == 1, ratio, 1) / mean.sum(axis=1))[:, None]
    counts = rng.poisson(mean * rng.gamma(1 / noise, noise, mean.shape) if noise else mean)
    return counts.astype(np.float32), group, place


def names_of(n: int) -> list[str]:
    """Names of genes: some that every data set has, three mitochondrial, and made-up ones."""
    known = ["ACTB", "GAPDH", "MT-CO1", "MT-CO2", "MT-ND1", "CAV1", "KRT19"]
    return [*known, *(f"GENE{i}" for i in range(n - len(known)))][:n]


def write_h5ad(
    path: Path, counts: Any, genes: list[str], obs: pd.DataFrame, layers: dict[str, Any] | None = None
) -> Path:
    """An AnnData file, written by anndata."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import anndata

        data = anndata.AnnData(sparse.csr_matrix(counts), obs=obs, var=pd.DataFrame(index=genes), layers=layers or {})
        data.write_h5ad(path)
    return path


def study(folder: Path, counts: np.ndarray, group: np.ndarray, samples: int = 1) -> pd.DataFrame:
    """The table `cells` of counts in an .h5ad file of the folder; `samples` per group."""
    n = len(counts)
    obs = pd.DataFrame(
        {
            "sample": [f"{'PR'[g]}{i % samples + 1}" for i, g in enumerate(group)],
            "model": ["PR"[g] for g in group],
            "replicate": [str(i % samples + 1) for i in range(n)],
        },
        index=[f"c{i}" for i in range(n)],
    )
    write_h5ad(folder / "cells.h5ad", counts, names_of(counts.shape[1]), obs)
    return table(folder, "cells.h5ad")


def table(folder: Path, *files: str, **keys: Any) -> pd.DataFrame:
    """The table `cells` of some files; fails where reading finds an error."""
    out = read(TableSource(values=list(files), **keys), folder, CELLS, MODELS)
    assert not [f for f in out.faults if f.severity == "error"], out.faults
    return out.frame
