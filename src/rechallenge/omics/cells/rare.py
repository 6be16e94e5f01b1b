"""Rare cells that carry a driver, against ambient RNA, dropout and depth.

Counting cells with any transcript of a gene counts depth: for a true share of 1 % it gives .6 % at 1,500 UMI and 3.3 %
at 12,000, because shallow cells lose the transcript and deep ones take it up from the soup. Here every sample has a
background rate of its own and carriers have one rate, both per UMI of the cell (`stats.rare`). The share of a sample or
patient comes with an interval; whether there are carriers at all is tested against background alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge import knowledge
from rechallenge.analysis import analysis
from rechallenge.faults import NotApplicable
from rechallenge.omics.cells import reading
from rechallenge.omics.cells.groups import groups_of
from rechallenge.omics.cells.pseudobulk import counted
from rechallenge.stats.multiplicity import bh

if TYPE_CHECKING:
    from rechallenge.stats.rare import Rare

Floats = NDArray[np.float64]
MCLACHLAN = "doi:10.2307/2347790"
RARE, COMMON, NONE = "rare", "common", "none shown"
COLUMNS = (
    "dataset", "driver", "sample", "patient", "model", "treatment", "stage", "replicate", "batch", "group", "n_cells",
    "median_umi", "n_seen", "fraction_seen", "frequency", "ci_low", "ci_high", "background_per_10000",
    "expected_by_background", "carrier_per_10000", "p_value", "q_value", "population", "status", "reason",
    "source_table",
)  # fmt: skip
CALLS = ("dataset", "driver", "cell", "sample", "state", "counts", "umi", "probability")
#: cells that a sample needs; cells and genes on which the scatter of background is judged
LEAST, JUDGED, ALIKE = 20, 4000, 50
#: share of cells that show a gene from which it is expressed at large
WIDE = 0.5


def _methods(results: dict[str, pd.DataFrame], draws: int, **_: Any) -> str:
    rare_cells = results["rare_cells"]
    genes = ", ".join(sorted(set(rare_cells["driver"]))[:8])
    return (
        f"Cells that carry {genes} were estimated from their UMI by a mixture of background and carriers with the "
        "depth of every cell as exposure, with a background rate for every sample; shares carry profile-likelihood "
        f"intervals, and the presence of carriers was tested by a likelihood ratio against {draws} draws of background "
        f"alone ({MCLACHLAN})."
    )


@analysis(
    title="Rare driver-positive cells",
    reference=MCLACHLAN,
    gives=("rare_cells", "rare_cell_calls"),
    methods=_methods,
    formula=(
        "y ~ (1 - f_s) Poisson(a_s N) + f_s NB(r N, k), EM; intervals by profile likelihood, presence by "
        "parametric bootstrap"
    ),
    oracle=(
        "No outside reference: planted shares at four depths, nulls 5.0 % (tests/stats/test_rare.py, "
        "tests/omics/test_cells_rare.py)"
    ),
    limits=(
        "All samples share one carrier rate: a driver that cells express in degrees is no population. At 3,000 "
        "UMI a true 1 % is read as 1.4 to 1.7 %."
    ),
)
def rare_cells(
    cells: pd.DataFrame,
    cell_states: pd.DataFrame,
    patients: pd.DataFrame | None = None,
    *,
    drivers: tuple[str, ...] = (),
    among: tuple[str, ...] = (),
    most: float = 0.2,
    alpha: float = 0.05,
    draws: int = 199,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, pd.DataFrame]:
    """`rare_cells`: one row per data set, driver and sample (`COLUMNS`); `rare_cell_calls`: cells that are carriers
    rather than not (`CALLS`).

    `drivers` are genes; without them the regulators of resistance of the built-in table. `among` keeps cells of these
    types (column cell_type), as in "CAV1-positive cancer cells". `p_value` asks whether the data set has carriers at
    all, over all of its samples; `population` is `rare`, `common` (a share above `most`: no rare population) or `none
    shown`. Raises NotApplicable where no driver was measured as counts.
    """
    from rechallenge.stats import rare

    wanted = list(drivers) or _known()
    out, calls = [], []
    for dataset in counted(cells, cell_states):
        own = cell_states[cell_states["dataset"] == dataset].sort_values("cell", kind="mergesort", ignore_index=True)
        kept = reading.kept(cells, own)
        if among:
            inside = kept["cell_type"].astype(str).str.strip().str.casefold().isin([a.casefold() for a in among])
            own, kept = own[inside.to_numpy()].reset_index(drop=True), kept[inside.to_numpy()].reset_index(drop=True)
        size = own.groupby("sample")["cell"].transform("size") if len(own) else pd.Series(dtype=int)
        enough = (size >= LEAST).to_numpy()
        own, kept = own[enough].reset_index(drop=True), kept[enough].reset_index(drop=True)
        there = [g for g in wanted if g in set(reading.genes(kept))] if len(kept) else []
        if not there:
            continue
        own["group"] = groups_of(own, patients)
        depth = kept["n_counts"].to_numpy(float)
        counts = np.asarray(reading.counts(kept, there).matrix.todense(), dtype=float)
        scatter = _scatter(kept, there)
        labels, code = np.unique(own["sample"].astype(str).to_numpy(), return_inverse=True)
        for j, gene in enumerate(there):
            y = np.minimum(counts[:, j], depth)
            if (y > 0).mean() > WIDE:
                out.append(_wide(dataset, gene, own, labels, code, y, depth))
                continue
            found = rare.estimate(
                y, depth, code, dispersion=scatter[gene], confidence=confidence, draws=draws, seed=seed
            )
            out.append(_rows(dataset, gene, own, labels, code, y, depth, found))
            chance = found.posterior(y, depth, code)
            likely = np.flatnonzero((chance > 0.5) & (found.p_value < alpha))
            calls.append(
                pd.DataFrame(
                    {"dataset": dataset, "driver": gene, "cell": own["cell"].to_numpy()[likely],
                     "sample": own["sample"].to_numpy()[likely], "state": own["state"].to_numpy()[likely],
                     "counts": y[likely], "umi": depth[likely], "probability": chance[likely]}
                )
            )  # fmt: skip
    if not out:
        raise NotApplicable(f"none of {', '.join(wanted[:8])} was measured in counts of single cells")
    table = pd.concat(out, ignore_index=True)
    first = table.drop_duplicates(["dataset", "driver"]).copy()
    first["q"] = bh(first["p_value"].astype(float))
    q = first.set_index(["dataset", "driver"])["q"]
    table["q_value"] = q.reindex(pd.MultiIndex.from_frame(table[["dataset", "driver"]])).to_numpy()
    table["population"] = _population(table, most, alpha)
    table["source_table"] = "cells"
    found_calls = [c for c in calls if len(c)]
    return {
        "rare_cells": table.reindex(columns=list(COLUMNS)),
        "rare_cell_calls": pd.concat(found_calls, ignore_index=True)
        if found_calls
        else pd.DataFrame(columns=list(CALLS)),
    }


def _known() -> list[str]:
    """Genes that act as regulators of resistance in the built-in table."""
    table = knowledge.table("regulators")
    return sorted(g for g in set(table["regulator"]) if not str(g).startswith("hsa-"))


def _scatter(kept: pd.DataFrame, drivers: Sequence[str]) -> dict[str, float]:
    """Dispersion of background of each driver: that of the genes of like level, on at most so many cells."""
    from rechallenge.stats import rare

    step = max(1, len(kept) // JUDGED)
    some = kept.iloc[::step].reset_index(drop=True)
    read = reading.counts(some)
    depth = some["n_counts"].to_numpy(float)
    means = np.asarray(read.matrix.sum(axis=0)).ravel() / depth.sum()
    out = {}
    for gene in drivers:
        own = read.genes.index(gene)
        others = np.flatnonzero((means > 0) & (np.arange(len(means)) != own))
        if means[own] <= 0 or not others.size:
            out[gene] = 0.0
            continue
        near = others[np.argsort(np.abs(np.log(means[others] / means[own])), kind="stable")[:ALIKE]]
        dense = np.asarray(read.matrix[:, near].todense(), dtype=float)
        out[gene] = rare.likeness(dense, depth, means[near], float(means[own]), ALIKE)
    return out


def _rows(
    dataset: str, gene: str, own: pd.DataFrame, labels: Any, code: Any, y: Floats, depth: Floats, found: Rare
) -> pd.DataFrame:
    sheet, n = _sheet(own, labels), len(labels)
    none = -np.expm1(-found.background[code] * depth)
    sheet["dataset"], sheet["driver"], sheet["n_cells"] = dataset, gene, found.n
    sheet["median_umi"] = [float(np.median(depth[code == s])) for s in range(n)]
    sheet["n_seen"] = np.bincount(code, y > 0, n).astype(int)
    sheet["fraction_seen"] = found.naive
    sheet["frequency"], sheet["ci_low"], sheet["ci_high"] = found.frequency, found.ci_low, found.ci_high
    sheet["background_per_10000"] = found.background * 1e4
    sheet["expected_by_background"] = np.bincount(code, none, n)
    sheet["carrier_per_10000"], sheet["p_value"] = found.rate * 1e4, found.p_value
    sheet["status"] = "estimated" if found.distinct else "not_estimable"
    sheet["reason"] = "" if found.distinct else "carriers and background have too like rates to be told apart"
    if not found.distinct:
        sheet[["frequency", "ci_low", "ci_high"]] = np.nan
    return sheet


def _wide(dataset: str, gene: str, own: pd.DataFrame, labels: Any, code: Any, y: Floats, depth: Floats) -> pd.DataFrame:
    """A gene that half of all cells show: there is no rare population to look for."""
    n = len(labels)
    sheet = _sheet(own, labels)
    sheet["dataset"], sheet["driver"], sheet["n_cells"] = dataset, gene, np.bincount(code, minlength=n)
    sheet["median_umi"] = [float(np.median(depth[code == s])) for s in range(n)]
    sheet["n_seen"] = np.bincount(code, y > 0, n).astype(int)
    sheet["fraction_seen"] = sheet["n_seen"] / sheet["n_cells"]
    blank = ["frequency", "ci_low", "ci_high", "background_per_10000", "expected_by_background", "carrier_per_10000"]
    sheet[[*blank, "p_value"]] = np.nan
    sheet["status"] = "not_estimable"
    return sheet.assign(reason="seen in more than half of all cells: expressed at large, no rare population")


def _sheet(own: pd.DataFrame, labels: Any) -> pd.DataFrame:
    keys = ["patient", "model", "treatment", "stage", "replicate", "batch", "group"]
    return own.drop_duplicates("sample").set_index("sample").reindex(labels)[keys].reset_index(names="sample")


def _population(table: pd.DataFrame, most: float, alpha: float) -> list[str]:
    n = table["frequency"] * table["n_cells"]
    keys = [table["dataset"], table["driver"]]
    share = n.groupby(keys).transform("sum") / table["n_cells"].groupby(keys).transform("sum")
    called = (table["q_value"] < alpha) & (table["status"] == "estimated")
    wide = table["p_value"].isna()
    return [
        COMMON if w else (COMMON if s > most else RARE) if c else NONE
        for s, c, w in zip(share, called, wide, strict=True)
    ]
