"""Simulated cells as tables: read from a file as a study has them, with states in place of a clustering."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.omics.cells.contract import CELLS
from rechallenge.omics.cells.reading import read
from rechallenge.simulate import cells as simulated
from rechallenge.study import TableSource

MODELS = simulated.models_table()
KEYS = ["dataset", "cell", "sample", "model", "patient", "treatment", "stage", "replicate", "batch"]


def tables(data: Any, folder: Path, name: str = "cells") -> tuple[pd.DataFrame, pd.DataFrame]:
    """`cells` as read from a file, and the obs of the simulation in the same order."""
    folder.mkdir(parents=True, exist_ok=True)
    simulated.write(data, folder / f"{name}.h5ad")
    found = read(TableSource(values=[f"{name}.h5ad"]), folder, CELLS, MODELS)
    assert not [f for f in found.faults if f.severity == "error"], found.faults
    obs = data.obs.reindex(found.frame["cell"].str.rsplit(":").str[-1]).reset_index(drop=True)
    return found.frame, obs


def states(cells: pd.DataFrame, obs: pd.DataFrame, parts: int = 3) -> pd.DataFrame:
    """`cell_states` with the planted time cut into `parts` states (one state where nothing was planted)."""
    out = cells[KEYS].copy()
    if "planted_time" in obs and obs["planted_time"].max() > 0:
        out["state"] = (1 + np.minimum((obs["planted_time"].clip(0, 1) * parts).astype(int), parts - 1)).astype(str)
    else:
        out["state"] = "1"
    out["group"] = obs["recurrence"].astype(str).to_numpy() if "recurrence" in obs else ""
    return out.reset_index(drop=True)


def pseudotime(of: pd.DataFrame, obs: pd.DataFrame, status: str = "path") -> tuple[pd.DataFrame, pd.DataFrame]:
    """`pseudotime` and `trajectory` as the trajectory gives them, from the planted time."""
    out = of[["dataset", "cell", "sample", "model", "treatment", "state"]].copy()
    out["contrast"] = "Huh-7 LR vs Huh-7 P"
    time = obs["planted_time"].to_numpy(float)
    out["pseudotime"] = (time - time.min()) / (time.max() - time.min())
    out["pseudotime_sd"], out["status"] = 0.05, status
    ways = pd.DataFrame(
        [(out["dataset"].iloc[0], "Huh-7 LR vs Huh-7 P", "resistance", "Huh-7 P", "Huh-7 LR", status)],
        columns=["dataset", "contrast", "kind", "parental", "resistant", "status"],
    )
    return (out if status == "path" else out.head(0)), ways
