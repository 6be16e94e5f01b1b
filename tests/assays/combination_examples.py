"""Tables of combinations for the tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.assays import combination as assay
from rechallenge.simulate.combinations import Agent, matrix

A = Agent("alpha", 2.0, 1.3, 1.0, (0.5, 1.0, 2.0, 4.0, 8.0))
B = Agent("beta", 1.0, 1.0, 1.0, (0.25, 0.5, 1.0, 2.0, 4.0))
FLAT = Agent("inert", 1.0, 1.0, 0.0, (0.25, 0.5, 1.0, 2.0, 4.0))
MODELS = pd.DataFrame(
    {
        "model": ["tumour", "L02", "Chang"],
        "role": ["resistant", "normal", "normal"],
        "cell_line": ["", "", "Chang liver"],
    }
)


def with_origin(table: pd.DataFrame, name: str = "c.csv") -> pd.DataFrame:
    """The table as reading gives it: every row with the file and row that it came from."""
    out = table.reset_index(drop=True).assign(_file=name, _sheet="")
    out["_row"] = np.arange(2, len(out) + 2)
    return out


def experiment(a: Agent = A, b: Agent = B, *, model: str = "tumour", seed: int = 1, **options: Any) -> pd.DataFrame:
    """A combination experiment of one model with origins; options of `matrix`."""
    return with_origin(matrix(a, b, model=model, seed=seed, **options))


def windows(**limits: tuple[float, float]) -> pd.DataFrame:
    """Achievable concentrations: drug = (total, free); NaN where unknown."""
    rows = [
        {"drug": d, "total_um": t, "free_um": f, "reason": "" if t == t else f"no sourced plasma concentration of {d}"}
        for d, (t, f) in limits.items()
    ]
    return pd.DataFrame(rows)


def run(
    table: pd.DataFrame,
    *,
    limits: pd.DataFrame | None = None,
    models: pd.DataFrame = MODELS,
    therapies: tuple[str, ...] = ("alpha",),
    **options: Any,
) -> dict[str, pd.DataFrame]:
    """All result tables of a study, as the pipeline would make them."""
    out: dict[str, pd.DataFrame] = {"responses": assay.combination_responses(table)}
    out |= assay.synergy(out["responses"], limits, **options)
    out["regions"] = assay.synergy_regions(out["synergy_cells"], models)
    out["selectivity"] = pd.DataFrame()
    normal = set(models.loc[models["role"] == "normal", "model"])
    if normal & set(table["model"]):
        out["selectivity"] = assay.combination_selectivity(out["responses"], models, limits, out["synergy_cells"])
    healthy = out["selectivity"] if len(out["selectivity"]) else None
    out["combinations"] = assay.combinations(out["synergy"], out["regions"], healthy, models)
    out["claims"] = assay.combination_claims(
        out["combinations"], out["synergy"], out["synergy_cells"], out["regions"], healthy,
        pd.DataFrame({"therapy": list(therapies)}),
    )  # fmt: skip
    return out
