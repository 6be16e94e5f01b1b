"""Simulated single cells with a known answer: a path from parental to resistant cells, and rare driver-positive cells.

`lines` gives cell lines, `patients` gives tumours; both return an AnnData of counts (cells x genes, sparse) as a
laboratory would bring it, with what was planted in columns that begin with `planted_`. Nothing here was measured:
which genes move along the path and how much, depth, ambient RNA and the scatter of samples are assumptions, named in
`Spec`. Gene names are those of the built-in programmes, so that programmes can be found again; the others are fillers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge import knowledge
from rechallenge.simulate.truth import LENVATINIB_RESISTANT, PARENTAL

if TYPE_CHECKING:
    from anndata import AnnData

Floats = NDArray[np.float64]
Scenario = Literal["path", "apart", "same"]

#: programmes that rise and fall along the planted path, and the genes that rise with them
RISING, FALLING = ("emt", "drug_metabolism"), ("epithelial", "fatty_acid_oxidation")
DRIVER = "CAV1"
CYCLE = ("cell_cycle_s", "cell_cycle_g2m")
RECURRED, FREE = "recurred", "not recurred"
#: genes of mitochondria, by which broken cells are known
MITOCHONDRIAL = ("MT-CO1", "MT-CO2", "MT-ND1", "MT-ND4", "MT-CYB", "MT-ATP6")


@dataclass(frozen=True)
class Spec:
    """`genes` in all; median `depth` (UMI) with a log SD of `depth_sd` between cells and `sample_depth_sd` between
    samples; `ambient` share of a cell's UMI that comes from the soup of its sample; `sample_sd` log SD of every gene
    between samples of one group (biological replicates); `scatter` log SD of a gene between cells beyond Poisson;
    `moving` share of the genes that move along the path, by a log fold of SD `effect` from end to end (planted
    programmes by `programme`); `cycling` share of cells in S or G2/M; `mitochondrial` median share of the UMI."""

    genes: int = 2000
    depth: float = 4000.0
    depth_sd: float = 0.35
    sample_depth_sd: float = 0.15
    ambient: float = 0.03
    sample_sd: float = 0.08
    scatter: float = 0.2
    moving: float = 0.15
    effect: float = 1.2
    programme: float = 1.5
    cycling: float = 0.3
    mitochondrial: float = 0.05


def gene_names(n: int) -> list[str]:
    """Genes of the planted programmes, of the cell cycle and of mitochondria, the driver, other genes of built-in
    programmes, then fillers: `n` names, always in the same order."""
    sets = knowledge.table("gene_sets")
    first = [g for s in (*RISING, *FALLING, *CYCLE) for g in sorted(set(sets.loc[sets["set"] == s, "gene"]))]
    rest = sorted(set(sets["gene"]))
    named = list(dict.fromkeys([DRIVER, *MITOCHONDRIAL, *first, *rest]))[:n]
    return named + [f"GENE{i:05d}" for i in range(1, n - len(named) + 1)]


def _members(names: Sequence[str], sets: Sequence[str]) -> NDArray[np.int64]:
    table = knowledge.table("gene_sets")
    wanted = set(table.loc[table["set"].isin(list(sets)), "gene"]) - {DRIVER}
    return np.flatnonzero([n in wanted for n in names]).astype(np.int64)


def _base(rng: np.random.Generator, names: Sequence[str], spec: Spec) -> Floats:
    """Log expression of every gene; genes that a test must be able to see are not among the rarest."""
    level = rng.normal(-9.5, 1.4, len(names))
    planted = _members(names, (*RISING, *FALLING, *CYCLE))
    level[planted] = rng.normal(-8.3, 0.6, planted.size)
    mito = np.flatnonzero([n.startswith("MT-") for n in names])
    level[mito] = -100.0
    level -= np.log(np.exp(level).sum() / (1 - spec.mitochondrial))
    if mito.size:
        level[mito] = np.log(spec.mitochondrial / mito.size)
    level[names.index(DRIVER)] = -100.0  # set by those who plant it
    return level


def draw(rng: np.random.Generator, log_level: Floats, depth: Floats, spec: Spec, soup: Floats | None = None) -> Any:
    """Sparse counts [cells, genes] of cells with these log levels: gamma scatter between cells, then Poisson."""
    import scipy.sparse as sp

    share = np.exp(log_level + spec.scatter * rng.standard_normal(log_level.shape))
    share /= share.sum(axis=1, keepdims=True)
    mixed = share.mean(axis=0) if soup is None else soup
    mean = depth[:, None] * ((1 - spec.ambient) * share + spec.ambient * mixed)
    return sp.csr_matrix(rng.poisson(mean).astype(np.float32))


def _cycle(rng: np.random.Generator, log_level: Floats, names: Sequence[str], spec: Spec) -> NDArray[np.object_]:
    """Raises the genes of S or G2/M in cycling cells, in place; the phase of every cell."""
    n = len(log_level)
    kind = rng.choice(3, n, p=[1 - spec.cycling, spec.cycling / 2, spec.cycling / 2])
    # cells lie all along a phase, from its first hour to its height
    height = 2.0 * rng.beta(2.0, 1.5, n)
    for k, name in enumerate(CYCLE, start=1):
        log_level[np.ix_(kind == k, _members(names, (name,)))] += height[kind == k, None]
    return np.array(["G1", "S", "G2M"], dtype=object)[kind]


def as_anndata(blocks: list[Any], obs: list[pd.DataFrame], names: Sequence[str], planted: Floats) -> AnnData:
    import anndata as ad
    import scipy.sparse as sp

    table = pd.concat(obs, ignore_index=True)
    table.index = pd.Index([f"cell{i:06d}" for i in range(len(table))], dtype=object)
    var = pd.DataFrame({"planted_log_fold": planted}, index=pd.Index(list(names), dtype=object))
    return ad.AnnData(X=sp.vstack(blocks, format="csr"), obs=table, var=var)


def lines(
    scenario: Scenario = "path",
    *,
    samples: int = 3,
    cells: int = 250,
    seed: int = 0,
    spec: Spec | None = None,
    models: tuple[str, str] = (PARENTAL, LENVATINIB_RESISTANT),
) -> AnnData:
    """A parental and a resistant line, `samples` biological replicates of `cells` cells each.

    `path`: the cells of both lines lie along one course of change (`planted_time` 0 to 1): parental cells at its start,
    resistant cells spread from its start to its end. `apart`: two tight groups with nothing between them. `same`: the
    lines do not differ. obs: sample, model, treatment, replicate, planted_time, planted_phase; var: planted_log_fold
    from the start to the end of the path.
    """
    spec = spec or Spec()
    rng = np.random.default_rng(seed)
    names = gene_names(spec.genes)
    base = _base(rng, names, spec)
    base[names.index(DRIVER)] = -9.0
    slope = np.where(rng.random(len(names)) < spec.moving, spec.effect * rng.standard_normal(len(names)), 0.0)
    quiet = np.flatnonzero([n.startswith("MT-") for n in names])
    slope[np.r_[quiet, _members(names, CYCLE)]] = 0.0
    slope[_members(names, RISING)] = spec.programme
    slope[_members(names, FALLING)] = -spec.programme
    slope[names.index(DRIVER)] = 2 * spec.programme
    blocks, obs = [], []
    for k, model in enumerate(models):
        for r in range(1, samples + 1):
            if scenario == "path":
                time = rng.beta(1.2, 5.0, cells) if k == 0 else rng.beta(1.3, 0.9, cells)
            else:
                time = np.full(cells, float(k)) + 0.01 * rng.standard_normal(cells)
            own = base + spec.sample_sd * rng.standard_normal(len(names))
            level = own + time[:, None] * (0.0 if scenario == "same" else 1.0) * slope
            phase = _cycle(rng, level, names, spec)
            middle = spec.depth * np.exp(spec.sample_depth_sd * rng.standard_normal())
            depth = middle * np.exp(spec.depth_sd * rng.standard_normal(cells))
            blocks.append(draw(rng, level, depth, spec))
            short = model.replace(" ", "-")
            obs.append(
                pd.DataFrame(
                    {"sample": f"{short}_{r}", "model": model, "treatment": "vehicle", "replicate": str(r),
                     "planted_time": time, "planted_phase": phase}
                )
            )  # fmt: skip
    return as_anndata(blocks, obs, names, np.zeros(len(names)) if scenario == "same" else slope)


def patients(
    *,
    recurred: int = 6,
    free: int = 6,
    cells: int = 1000,
    frequency: float = 0.01,
    fold: float = 4.0,
    spread: float = 0.6,
    depth: float | Sequence[float] = 4000.0,
    driver: str = DRIVER,
    rate: float = 2e-4,
    background: float = 2e-6,
    size: float = 2.0,
    seed: int = 0,
    spec: Spec | None = None,
) -> AnnData:
    """Tumours of patients in which a few cells carry a driver; one sample per patient.

    `frequency` is the median share of driver-positive cells in patients who did not recur and `fold` its ratio in those
    who did (1 = the null of the association; `frequency` 0 = no rare cells at all), `spread` the log SD between
    patients. A positive cell has `rate` driver UMI per UMI (gamma with shape `size` between cells); every cell takes up
    `background` driver UMI per UMI from the soup. `depth` is the median UMI per cell, one number or one per patient.
    obs: sample, patient, recurrence, planted_positive, planted_frequency.
    """
    spec = spec or Spec(genes=300)
    rng = np.random.default_rng(seed)
    names = gene_names(spec.genes)
    at = names.index(driver)
    base = _base(rng, names, spec)
    n = recurred + free
    middles = np.broadcast_to(np.asarray(depth, dtype=float), (n,))
    blocks, obs = [], []
    for p in range(n):
        outcome = RECURRED if p < recurred else FREE
        share = frequency * (fold if outcome == RECURRED else 1.0) * np.exp(spread * rng.standard_normal())
        share = float(min(share, 0.9))
        level = np.tile(base + spec.sample_sd * rng.standard_normal(len(names)), (cells, 1))
        _cycle(rng, level, names, spec)
        level[:, at] = -100.0
        umi = middles[p] * np.exp(spec.depth_sd * rng.standard_normal(cells))
        block = draw(rng, level, umi, spec).tolil()
        positive = rng.random(cells) < share
        mean = umi * (background + np.where(positive, rate * rng.gamma(size, 1 / size, cells), 0.0))
        block[:, at] = rng.poisson(mean).astype(np.float32)[:, None]
        blocks.append(block.tocsr())
        name = f"P{p + 1:02d}"
        obs.append(
            pd.DataFrame(
                {"sample": name, "model": "", "patient": name, "recurrence": outcome, "treatment": "vehicle",
                 "planted_positive": positive, "planted_frequency": share}
            )
        )  # fmt: skip
    return as_anndata(blocks, obs, names, np.zeros(len(names)))


def models_table() -> pd.DataFrame:
    """The study's models of `lines`."""
    return pd.DataFrame(
        {
            "model": [PARENTAL, LENVATINIB_RESISTANT],
            "role": ["parental", "resistant"],
            "parent": ["", PARENTAL],
            "selected_with": ["", "lenvatinib"],
        }
    )


def write(data: AnnData, path: str | Path) -> Path:
    """Write simulated cells as `.h5ad`; the planted truth goes with them, in columns that begin with `planted_`."""
    path = Path(path)
    data.write_h5ad(path)
    return path
