"""Single cells of the lines: parental cells at the start of a course of change, resistant cells spread along it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rechallenge.simulate import cells as simulated
from rechallenge.simulate.plan import OTHER, Made, Plan

#: cells of a sample and genes that are carried, by the number of genes of the study
FEW, MANY = (60, 500), (150, 1000)


def cells(plan: Plan) -> Made:
    """Counts of every line, a sample for each replicate. A resistant cell has gone its part of the way (even between a
    tenth and the whole) of all that its line changed; parental cells are at the start (at most a fifth)."""
    story, rng = plan.story, plan.rng(40)
    each, carried = MANY if plan.size.genes >= 1500 else FEW
    genome = plan.genome
    # what is planted, then others by level: cells see the strongly expressed genes
    planted = genome["role"] != OTHER
    order = np.lexsort((-genome["level"].to_numpy(), ~planted.to_numpy()))[:carried]
    part = genome.iloc[np.sort(order)].reset_index(drop=True)
    level = part["level"].to_numpy() * np.log(2)
    spec = simulated.Spec(depth=3000.0)
    blocks, obs = [], []
    for k, model in enumerate((story.parental, *story.lines)):
        change = part[f"change {max(k - 1, 0)}"].to_numpy() * np.log(2)
        for r in range(1, plan.size.omics + 1):
            own = level + spec.sample_sd * rng.standard_normal(len(part))
            time = rng.uniform(0.1, 1.0, each) if k else 0.2 * rng.random(each)
            depth = spec.depth * np.exp(rng.normal(0, spec.sample_depth_sd) + rng.normal(0, spec.depth_sd, each))
            blocks.append(simulated.draw(rng, own + time[:, None] * change, depth, spec))
            obs.append(
                pd.DataFrame(
                    {"sample": f"{model} {r}".replace(" ", "_"), "model": model, "treatment": "none",
                     "replicate": str(r), "planted_time": time}
                )
            )  # fmt: skip
    data = simulated.as_anndata(blocks, obs, part["gene"].tolist(), part["change 0"].to_numpy())
    return Made({"cells.h5ad": data}, ('cells = "cells.h5ad"',))
