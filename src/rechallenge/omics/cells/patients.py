"""Whether rare driver-positive cells go with recurrence, patient by patient.

Cells of one patient are no replicates: Fisher's test on cells calls 35 to 84 % of nulls at 5 %. The share of each
patient (or of each sample of a line) is one value, and groups of patients are compared by ranks, as marker-positive
cells of a table of patients are. The power that so few patients have for a fourfold difference stands beside the
result.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge import contrasts as groups
from rechallenge.analysis import analysis
from rechallenge.faults import NotApplicable
from rechallenge.omics.cells.pseudobulk import GROUPS, PATIENTS, asked, direction_of
from rechallenge.omics.cells.rare import NONE
from rechallenge.stats import fractions
from rechallenge.stats.multiplicity import bh

MANN = "doi:10.1214/aoms/1177730491"
COLUMNS = (
    "dataset", "driver", "contrast", "kind", "model", "group_a", "group_b", "n_a", "n_b", "n", "median_a", "median_b",
    "ratio", "ci_low", "ci_high", "statistic", "p_value", "q_value", "power_fourfold", "n_cells", "direction", "status",
    "reason", "source_table",
)  # fmt: skip


def by_unit(rare_cells: pd.DataFrame) -> pd.DataFrame:
    """Share of each patient in each group, or of each sample that is no patient's: several samples are added up."""
    table = rare_cells[rare_cells["frequency"].notna()].copy()
    table["unit"] = np.where(table["patient"].astype(str) != "", table["patient"], table["sample"])
    table["carriers"] = table["frequency"] * table["n_cells"]
    table["group"] = table["group"].fillna("").astype(str)
    keys = ["dataset", "driver", "unit", "group"]
    rest = ["sample", "patient", "model", "treatment", "stage", "replicate", "batch", "population"]
    out = table.groupby(keys, sort=True).agg(
        **{c: (c, "first") for c in rest}, carriers=("carriers", "sum"), n_cells=("n_cells", "sum")
    ).reset_index()  # fmt: skip
    out["log"] = fractions.logs(out["carriers"], out["n_cells"])
    return out


@analysis(
    title="Driver-positive cells and recurrence, by patient",
    reference=MANN,
    methods=f"Shares of driver-positive cells were compared between groups of patients by the rank-sum test ({MANN}), "
    "the patient being the unit; the power of so many patients for a fourfold difference is given beside it.",
    formula="rank-sum test over patients; ratio = median of all ratios (Hodges-Lehmann)",
    oracle=(
        "No outside reference: 5 % with 8 and 12 patients where Fisher's test on cells rejects over a third "
        "(tests/omics/test_cells_rare.py)"
    ),
    limits="Power for a fourfold difference is .22 to .27 with 8 patients and .49 with 12.",
)
def rare_association(
    rare_cells: pd.DataFrame,
    models: pd.DataFrame,
    contrasts: pd.DataFrame | None = None,
    *,
    confidence: float = 0.95,
    fold: float = 4.0,
) -> pd.DataFrame:
    """One row per data set, driver and pair of groups: `COLUMNS`.

    `ratio` is the median of all ratios of shares between the groups (Hodges and Lehmann) with its interval. Groups are
    those of patients (recurrence, response) and of models and treatments. Drivers without a population, and fewer than
    three patients in a group: `not_testable`. Raises NotApplicable where no two groups are there.
    """
    rows: list[dict[str, Any]] = []
    for (dataset, driver), part in by_unit(rare_cells).groupby(["dataset", "driver"], sort=True):
        own, found = asked(groups.grouped(part.reset_index(drop=True)), models, contrasts)
        for one in found:
            sides = [groups.members(own, g) for g in (one.group, one.reference)]
            if not all(s.any() for s in sides):
                continue
            x, y = (own.loc[s, "log"].to_numpy(float) for s in sides)
            made = fractions.compare(x, y, confidence=confidence, fold=fold)._asdict()
            made["ratio"] = made.pop("difference")
            row = {
                "dataset": dataset, "driver": driver, "contrast": one.contrast, "kind": one.kind,
                "group_a": one.group.label, "group_b": one.reference.label, "n": len(x) + len(y),
                "model": "" if one.kind in (PATIENTS, GROUPS) else one.model, "direction": direction_of(one, models),
                "n_cells": int(own.loc[sides[0] | sides[1], "n_cells"].sum()), "source_table": "cells", **made,
            }  # fmt: skip
            if (own["population"] == NONE).all():
                row |= dict.fromkeys(("p_value", "statistic", "ci_low", "ci_high"), np.nan)
                row |= {"status": "not_testable", "reason": f"no population of cells with {driver} was shown"}
            rows.append(row)
    if not rows:
        raise NotApplicable("driver-positive cells need patients (or samples) of two groups")
    out = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    out["q_value"] = bh(out["p_value"])
    return out
