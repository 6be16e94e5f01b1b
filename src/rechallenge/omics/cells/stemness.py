"""How many kinds of transcripts a cell holds, at one depth.

The idea of CytoTRACE: less differentiated cells express more genes. But the number of genes detected is first of all
depth: two replicates of one and the same treatment differed as .86 against .38, and as .60 against .44 once drawn to
equal UMI. The score is therefore made on counts drawn to one depth, and beside it, for comparison alone, on all
counts. What differs at all counts and no longer at one depth was depth, and the result says so.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge.analysis import analysis
from rechallenge.faults import NotApplicable
from rechallenge.omics.cells import reading
from rechallenge.omics.cells.pseudobulk import ALL, compared, counted, units
from rechallenge.stats.multiplicity import bh

Floats = NDArray[np.float64]
CYTOTRACE = "doi:10.1126/science.aax0249"
COLUMNS = (
    "dataset", "state", "sample", "model", "patient", "treatment", "stage", "replicate", "batch", "group", "n_cells",
    "n_scored", "umi", "median_umi", "score", "score_all_counts", "used", "reason",
)  # fmt: skip
CONTRASTS = (
    "dataset", "state", "contrast", "kind", "model", "effect", "se", "ci_low", "ci_high", "p_value", "q_value",
    "effect_all_counts", "p_all_counts", "n", "n_group", "n_reference", "umi", "direction", "status", "reason",
    "verdict", "source_table",
)  # fmt: skip
#: neighbours that smooth a score
NEAR = 15
VANISHED = "gone at equal depth"
HELD, NONE, OPEN = "differs at equal depth", "no difference shown", "exploratory"


def _methods(stemness: pd.DataFrame, least_umi: int, **_: Any) -> str:
    at = ", ".join(f"{v:g}" for v in sorted(set(stemness["umi"].dropna())))
    return (
        f"Diversity of transcripts (after CytoTRACE, {CYTOTRACE}) was scored on counts drawn without replacement to "
        f"{at} UMI in every cell; cells with fewer were left out (never below {least_umi}). Differences that are seen "
        "at all counts and not at equal depth are called depth."
    )


@analysis(
    title="Stemness at equal depth",
    reference=CYTOTRACE,
    methods=_methods,
    formula="median over cells of the rank of genes detected at equal depth, smoothed over neighbours",
    oracle=(
        "No outside reference: depth alone makes no difference (tests/omics/test_cells_activity.py, "
        "tests/stats/test_sparse_activity.py)"
    ),
    limits=(
        "Number of genes is a proxy of potency at best. Shallow samples set the depth, and most information of "
        "deep cells is thrown away."
    ),
)
def stemness(
    cells: pd.DataFrame,
    cell_states: pd.DataFrame,
    patients: pd.DataFrame | None = None,
    *,
    umi: int = 0,
    share: float = 0.8,
    least_umi: int = 500,
    least_cells: int = 10,
    most_cells: int = 50000,
    seed: int = 0,
) -> pd.DataFrame:
    """One row per data set, state (and `all`) and sample: `COLUMNS`.

    `score` is the median over cells of the rank (0 to 1 within the data set) at `umi` counts a cell, `score_all_counts`
    the same cells on all of their counts. `umi` 0: the depth that `share` of the cells of the least deep sample reach,
    and not below `least_umi`. At most `most_cells` cells of a data set are scored, every so many-th. Raises
    NotApplicable without counts, or where no cell is deep enough.
    """
    from rechallenge.stats import depth

    sheet = units(cell_states, patients, least=1)
    out = []
    for dataset in counted(cells, cell_states):
        own = cell_states[cell_states["dataset"] == dataset].sort_values("cell", kind="mergesort", ignore_index=True)
        kept = reading.kept(cells, own)
        total = kept["n_counts"].to_numpy(float)
        at = umi or _depth(total, own["sample"].astype(str).to_numpy(), share, least_umi)
        deep = np.flatnonzero(total >= at)
        deep = deep[:: max(1, int(np.ceil(len(deep) / most_cells)))]
        if len(deep) < 3:
            continue
        counts = reading.counts(kept.iloc[deep].reset_index(drop=True)).matrix
        # the whole file's counts may hold genes that the study's other files lack
        enough = np.asarray(counts.sum(axis=1)).ravel() >= at
        deep, counts = deep[enough], counts[np.flatnonzero(enough)]
        even = depth.downsampled(counts, int(at), seed)
        near = _neighbours(own.iloc[deep], seed)
        score, every = depth.diversity(even, near), depth.diversity(counts, near)
        mine = sheet[sheet["dataset"] == dataset].copy()
        state, sample = own["state"].astype(str).to_numpy()[deep], own["sample"].astype(str).to_numpy()[deep]
        for name, values in (("score", score), ("score_all_counts", every), ("median_umi", total[deep])):
            mine[name] = _medians(mine, values, state, sample)
        mine["n_scored"] = _medians(mine, np.ones(len(deep)), state, sample, "sum").fillna(0).astype(int)
        mine["umi"] = float(at)
        mine["used"] = mine["n_scored"] >= least_cells
        mine["reason"] = np.where(mine["used"], "", f"fewer than {least_cells} cells with {at:g} UMI")
        out.append(mine)
    if not out:
        raise NotApplicable(f"no data set has cells with {umi or least_umi} UMI")
    return pd.concat(out, ignore_index=True)[list(COLUMNS)]


def _depth(total: Floats, sample: NDArray[np.object_], share: float, least: int) -> int:
    """The depth that this share of the cells of every sample reaches, and not below ``least``."""
    lowest = min(float(np.quantile(total[sample == s], 1 - share)) for s in sorted(set(sample)))
    return int(max(least, np.floor(lowest)))


def _neighbours(own: pd.DataFrame, seed: int) -> Any:
    """Cells near each other in principal components [cells, cells]; None where there are none of these."""
    pcs = [c for c in own.columns if c.startswith("pc") and c[2:].isdigit()]
    if not pcs or len(own) <= NEAR:
        return None
    from rechallenge.stats import neighbours

    near = neighbours.nearest(own[pcs].to_numpy(np.float32), NEAR, seed)
    return neighbours.weights(near)


def _medians(
    sheet: pd.DataFrame, values: Floats, state: NDArray[np.object_], sample: NDArray[np.object_], how: str = "median"
) -> pd.Series:
    frame = pd.DataFrame({"state": state, "sample": sample, "value": values}).dropna()
    both = pd.concat([frame, frame.assign(state=ALL)])
    found = both.groupby(["state", "sample"])["value"].agg(how)
    made = found.reindex(pd.MultiIndex.from_frame(sheet[["state", "sample"]].astype(str)))
    return pd.Series(made.to_numpy(float), index=sheet.index)


@analysis(
    title="Stemness compared at equal depth",
    reference=CYTOTRACE,
    methods="Medians of samples were compared by Welch's test, the sample being the unit.",
    formula="difference of sample medians at equal depth, Welch t",
    oracle="No outside reference: depth is not stemness (tests/omics/test_cells_activity.py)",
    limits="As stemness. Two samples a side find large differences only.",
)
def stemness_contrasts(
    stemness: pd.DataFrame,
    models: pd.DataFrame,
    contrasts: pd.DataFrame | None = None,
    *,
    alpha: float = 0.05,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """One row per data set, state and contrast: `CONTRASTS`. `effect` is the difference of mean scores at equal depth,
    `effect_all_counts` that at all counts; `verdict` says which of the two is there. Raises NotApplicable where nothing
    is compared."""
    out = []
    for (dataset, state), part in stemness[stemness["used"]].groupby(["dataset", "state"], sort=True):
        sheet = part.sort_values("sample", ignore_index=True)
        values = sheet[["score", "score_all_counts"]].to_numpy(float).T
        table = compared(values, ["even", "every"], sheet, models, contrasts, confidence)
        if table.empty:
            continue
        one = table[table["feature"] == "even"].set_index("contrast")
        every = table[table["feature"] == "every"].set_index("contrast")
        one = one.rename(columns={"log2fc": "effect"})
        one["effect_all_counts"], one["p_all_counts"] = every["log2fc"], every["p_value"]
        one["umi"], one["dataset"], one["state"] = float(sheet["umi"].iloc[0]), str(dataset), str(state)
        out.append(one.reset_index())
    if not out:
        raise NotApplicable("no two groups of samples can be compared")
    whole = pd.concat(out, ignore_index=True)
    whole["q_value"] = whole.groupby(["dataset", "contrast"])["p_value"].transform(lambda v: bh(v.to_numpy()))
    whole["verdict"] = [_verdict(r, alpha) for r in whole.to_dict("records")]
    whole["source_table"] = "cells"
    return whole.reindex(columns=list(CONTRASTS))


def _verdict(row: dict[Any, Any], alpha: float) -> str:
    if not np.isfinite(row["p_value"]):
        smaller = abs(row["effect"]) < 0.5 * abs(row["effect_all_counts"])
        return f"{OPEN}; {'less than half of it is left at equal depth' if smaller else 'no test'}"
    if row["p_value"] < alpha:
        return HELD
    return VANISHED if row["p_all_counts"] < alpha else NONE
