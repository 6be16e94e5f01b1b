"""Wells to inhibition: divided by the vehicle wells of the plate, technical wells averaged."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.assays.combination.wells import CONDITION, DOSES, SURFACE, by_pair, tidy
from rechallenge.faults import NotApplicable
from rechallenge.tables.normalise import Centre, origins, reference_signal

COLUMNS = (
    *SURFACE, *DOSES, "replicate", "plate", "inhibition", "sd_wells", "n_wells", "reference", "excluded",
    "source_table", "source_rows",
)  # fmt: skip


def _methods(combination_responses: pd.DataFrame, centre: str) -> str:
    raw = combination_responses["reference"].ne("given as viability").any() if len(combination_responses) else False
    text = ""
    if raw:
        text = (
            f"Signals of combinations were corrected for the blank wells of the plate and divided by the {centre} of "
            "its vehicle wells. "
        )
    return text + (
        "The effect of a combination is the fraction of the vehicle's signal that is lost; technical wells were "
        "averaged within each biological replicate."
    )


@analysis(
    title="Inhibition by combinations",
    methods=_methods,
    formula="inhibition = 1 - (signal - blank) / (vehicle - blank)",
    oracle=("No outside reference: raw wells give what viabilities give (tests/assays/test_combination_scores.py)"),
    limits="As good as the vehicle wells of its plate. Position effects are not taken out.",
)
def combination_responses(combination: pd.DataFrame, *, centre: Centre = "mean") -> pd.DataFrame:
    """Inhibition (fraction of vehicle lost), one row per surface, dose combination, replicate and plate.

    A surface is a model with its two or three drugs, perturbation and hours; a single agent whose row names no partner
    stands once in every surface of its model that holds the drug. `centre`: mean or median of the vehicle and blank
    wells. `sd_wells` and `n_wells` describe the technical wells. Wells that are not used stay with the reason in
    `excluded`. Raises NotApplicable where no well names two drugs, ValueError for an unknown option or a missing
    column.
    """
    if centre not in ("mean", "median"):
        raise ValueError(f"centre must be mean or median, not {centre!r}")
    if combination.empty:
        raise NotApplicable("The table has no rows.")
    wells = tidy(combination)
    wells["row"] = wells["column"] = np.nan
    found = reference_signal(wells, CONDITION, centre=centre)
    given = wells["viability"].notna()
    value = wells["viability"].where(given, found["net"] / found["vehicle"].where(found["why"] == ""))
    wells["reference"] = found["reference"].mask(given, "given as viability")
    why = wells["exclude"].where(wells["exclude"] == "", "left out: " + wells["exclude"])
    why = why.mask((why == "") & ~given & wells["signal"].isna(), "no signal")
    why = why.mask((why == "") & ~given & (found["why"] != ""), found["why"])
    why = why.mask((why == "") & ~np.isfinite(value), "not a finite number")
    wells["excluded"] = why
    wells["value"] = (1.0 - value).mask((why != "") & (wells["exclude"] == ""))
    kept = by_pair(wells)
    kept = kept[kept["well_type"].isin(["sample", "vehicle"])]
    # vehicle wells may leave the replicate to their plate; they have done their work as the reference
    kept = kept[kept["replicate"] != ""]
    if kept.empty:
        raise NotApplicable("No well names two drugs.")
    keys = [*SURFACE, *DOSES, "replicate", "plate", "reference", "excluded"]
    groups = kept.groupby(keys, dropna=False, sort=True)
    out = groups.agg(inhibition=("value", "mean"), sd_wells=("value", "std"), n_wells=("value", "size")).reset_index()
    out["source_table"] = "combination"
    out["source_rows"] = origins(kept, groups.ngroup(), len(out))
    return out.loc[:, list(COLUMNS)]
