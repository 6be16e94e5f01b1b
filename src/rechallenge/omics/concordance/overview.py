"""How far data sets agree at all: said before any single gene is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

#: I2 from which data sets are said to disagree on a gene
DISAGREE = 0.75
#: data sets with at least this share of the genes of the largest are asked what all of them raise or lower
WIDE = 0.5
OVERVIEW = (
    "layer", "n_datasets", "n_genes", "n_tested", "rho_median", "rho_low", "rho_high", "sign_agreement", "i2_median",
    "share_disagree", "share_predicted", "n_wide", "wide", "n_common", "fold", "up_in_all", "up_expected",
    "down_in_all", "down_expected", "status", "reason", "said",
)  # fmt: skip


def overview(
    sets: Mapping[str, pd.DataFrame], pooled: pd.DataFrame, agreement: pd.DataFrame, layer: str, fold: float
) -> dict[str, Any]:
    """One row of `OVERVIEW`.

    `rho_*` over all pairs of data sets; `share_disagree` of the genes with an I2 of `DISAGREE` or more and
    `share_predicted` of those whose next data set is expected on one side of 0, both of the genes with a test;
    `up_in_all` genes that change `fold` or more in every wide data set, `up_expected` that number if data sets were
    independent. Genes are not independent, so no p-value is given.
    """
    rho = agreement["spearman"].dropna()
    tested = pooled[pooled["status"] == "estimated"]
    predicted = tested.dropna(subset=["prediction_low"])
    aside = (predicted["prediction_low"] > 0) | (predicted["prediction_high"] < 0)
    folds = {name: t for name, t in sets.items() if not t["z_only"].all()}
    most = max((len(t) for t in folds.values()), default=0)
    wide = sorted(name for name, t in folds.items() if len(t) >= WIDE * most)
    common = sorted(set.intersection(*(set(folds[n].index) for n in wide))) if wide else []
    effect = np.column_stack([sets[n].loc[common, "effect"] for n in wide]) if common else np.zeros((0, len(wide)))
    moved = {sign: sign * effect >= np.log2(fold) for sign in (1, -1)}
    seen = {sign: int(m.all(axis=1).sum()) for sign, m in moved.items()}
    chance = {sign: float(len(common) * np.prod(m.mean(axis=0))) if common else 0.0 for sign, m in moved.items()}
    row: dict[str, Any] = {
        "layer": layer, "n_datasets": len(sets), "n_genes": len(pooled), "n_tested": len(tested),
        "rho_median": rho.median(), "rho_low": rho.min(), "rho_high": rho.max(),
        "sign_agreement": agreement["sign_agreement"].median(), "i2_median": tested["i2"].median(),
        "share_disagree": float((tested["i2"] >= DISAGREE).mean()) if len(tested) else np.nan,
        "share_predicted": float(aside.mean()) if len(predicted) else np.nan, "n_wide": len(wide),
        "wide": ", ".join(wide), "n_common": len(common), "fold": fold, "up_in_all": seen[1], "up_expected": chance[1],
        "down_in_all": seen[-1], "down_expected": chance[-1], "status": "not_testable",
        "reason": "genes are not independent, so no p-value is given",
    }  # fmt: skip
    return {**row, "said": _said(row)}


def _said(row: Mapping[str, Any]) -> str:
    """One plain sentence."""
    parts = []
    if np.isfinite(row["rho_median"]):
        parts.append(
            f"rank correlation of {row['n_datasets']} data sets: median {row['rho_median']:.2f} "
            f"({row['rho_low']:.2f} to {row['rho_high']:.2f}), {100 * row['sign_agreement']:.0f} % of signs agree"
        )
    if np.isfinite(row["i2_median"]):
        parts.append(f"median I2 {100 * row['i2_median']:.0f} %")
    if np.isfinite(row["share_predicted"]):
        parts.append(
            f"the next data set is expected on one side of 0 for {100 * row['share_predicted']:.1f} % of genes"
        )
    if row["n_wide"] > 1:
        parts.append(
            f"of {row['n_common']:,} genes of the {row['n_wide']} widest, up {row['fold']:g}-fold in all: "
            f"{row['up_in_all']} ({row['up_expected']:.1f} by chance); "
            f"down: {row['down_in_all']} ({row['down_expected']:.1f})"
        )
    return "; ".join(parts).replace(" -", " −").replace("(-", "(−")
