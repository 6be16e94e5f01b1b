"""Is a plate good enough to be read? Window, scatter and position effects from its own control wells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge.analysis import analysis
from rechallenge.assays.dose_response.normalise import wells
from rechallenge.faults import NotApplicable
from rechallenge.stats.plates import median_polish, ssmd, z_prime

ZHANG_1999 = "doi:10.1177/108705719900400206"
ZHANG_2007 = "doi:10.1177/1087057107300645"
Floats = NDArray[np.float64]


def _position(plate: pd.DataFrame, vehicle: pd.DataFrame) -> dict[str, Any]:
    """Edge, row and column effects, from vehicle wells alone (sample wells differ by drug and dose)."""
    out: dict[str, Any] = {"edge_effect": np.nan, "row_effect": np.nan, "column_effect": np.nan, "position": ""}
    known = plate[plate["row"].notna()]
    placed = vehicle[vehicle["row"].notna()]
    if placed.empty:
        return out | {"position": "the wells of the vehicle are not known"}
    middle = float(placed["net"].median())
    if not middle > 0:
        return out | {"position": "the vehicle signal is not above the background"}
    last_row, last_column = known["row"].max(), known["column"].max()
    edge = placed["row"].isin([1, last_row]) | placed["column"].isin([1, last_column])
    inside, outside = placed.loc[~edge, "net"], placed.loc[edge, "net"]
    said = []
    if min(len(inside), len(outside)) >= 2:
        out["edge_effect"] = float(outside.median() / inside.median() - 1.0)
    else:
        said.append("edge: vehicle wells lie only at the edge or only inside")
    table = placed.pivot_table(index="row", columns="column", values="net", aggfunc="mean") / middle
    if min(table.shape) >= 2:
        _, rows, columns, _ = median_polish(table.to_numpy())
        out["row_effect"] = float(np.nanmax(rows) - np.nanmin(rows))
        out["column_effect"] = float(np.nanmax(columns) - np.nanmin(columns))
    elif table.shape[0] >= 2:
        out["row_effect"] = float(table.max().iloc[0] - table.min().iloc[0])
        said.append("columns: the vehicle wells share one column")
    elif table.shape[1] >= 2:
        out["column_effect"] = float(table.max(axis=1).iloc[0] - table.min(axis=1).iloc[0])
        said.append("rows: the vehicle wells share one row")
    else:
        said.append("rows and columns: one vehicle position")
    out["position"] = "; ".join(said)
    return out


def _verdict(row: dict[str, Any], cv_limit: float) -> tuple[str, str]:
    """One word and the reasons: good, usable, poor, or unknown where the plate cannot show it."""
    remarks = []
    if np.isnan(row["z_prime"]):
        word = "unknown"
        remarks.append("no blank or positive control (at least 2 wells), so the assay window is not known")
    else:
        word = "good" if row["z_prime"] >= 0.5 else "usable" if row["z_prime"] > 0 else "poor"
        if word != "good":
            remarks.append(f"Z' {row['z_prime']:.2f} (0.5 or more is a good window)")
    if row["n_vehicle"] < 3:
        remarks.append(f"{row['n_vehicle']} vehicle well{'s' if row['n_vehicle'] != 1 else ''}")
        word = "poor" if row["n_vehicle"] == 0 else word
    if row["vehicle_cv"] > cv_limit:
        remarks.append(f"vehicle wells vary by {100 * row['vehicle_cv']:.0f} %")
        word = {"good": "usable", "usable": "poor"}.get(word, word)
    for name in ("edge", "row", "column"):
        effect = row[f"{name}_effect"]
        if abs(effect) > cv_limit:
            remarks.append(f"{name} effect of {100 * effect:.0f} % of the vehicle signal")
            word = {"good": "usable"}.get(word, word)
    return word, "; ".join(remarks)


@analysis(
    title="Plate quality",
    reference=(ZHANG_1999, ZHANG_2007, "doi:10.1177/1087057103258285"),
    methods="Plates were judged by the scatter of their vehicle wells, Z' (doi:10.1177/108705719900400206), the "
    "strictly standardised mean difference (doi:10.1177/1087057107300645) and position effects by median polish.",
    formula=(
        "Z' = 1 - 3 (sd_vehicle + sd_control) / |mean_vehicle - mean_control|; SSMD = (mean_vehicle - "
        "mean_control) / sqrt(sd_vehicle^2 + sd_control^2)"
    ),
    oracle=(
        "No outside reference: definitions, median polish and planted edge effects "
        "(tests/assays/test_dose_response_quality.py)"
    ),
    limits=(
        "With vehicle in one column or row, position and treatment cannot be told apart; then the reason stands"
        " in place of a number. A good Z' says nothing of the drug's doses."
    ),
)
def plate_quality(
    viability: pd.DataFrame | None = None, plates: pd.DataFrame | None = None, *, cv_limit: float = 0.2
) -> pd.DataFrame:
    """One row per plate: numbers of wells, scatter, window, position effects, and a verdict in words.

    `vehicle_cv` is a fraction; `signal_to_background` the ratio of mean vehicle to mean blank signal; Z', robust Z'
    and SSMD compare vehicle with the positive control where there is one, else with the blank (`window_against`).
    `edge_effect` is the median vehicle signal at the edge over that inside, less 1; `row_effect` and
    `column_effect` are ranges over rows and columns as fractions of the vehicle signal. What a layout cannot show is
    NaN with the reason in `position`. `verdict`: good (Z' >= 0.5), usable, poor, unknown; `cv_limit` is the scatter
    (and position effect) above which a plate is marked down. Raises NotApplicable where no raw signal was given.
    """
    every = wells(viability, plates)
    raw = every[every["signal"].notna() & every["viability"].isna()]
    if raw.empty:
        raise NotApplicable("Viabilities were given without raw signals, so the plates cannot be judged.")
    rows = []
    for name, all_wells in raw.groupby("plate", sort=True):
        plate = all_wells[all_wells["exclude"] == ""].copy()
        blank = plate.loc[plate["well_type"] == "blank", "signal"].to_numpy(dtype="float64")
        background = float(blank.mean()) if blank.size else 0.0
        plate["net"] = plate["signal"] - background
        vehicle = plate[plate["well_type"] == "vehicle"]
        high = vehicle["signal"].to_numpy(dtype="float64")
        positive = plate.loc[plate["well_type"] == "positive", "signal"].to_numpy(dtype="float64")
        low, against = (positive, "positive control") if positive.size >= 2 else (blank, "blank")
        net = high - background
        row: dict[str, Any] = {
            "plate": name,
            "models": ", ".join(sorted(m for m in plate["model"].unique() if m)),
            "n_sample": int((plate["well_type"] == "sample").sum()),
            "n_vehicle": int(high.size),
            "n_blank": int(blank.size),
            "n_positive": int(positive.size),
            "n_excluded": len(all_wells) - len(plate),
            "vehicle_mean": float(high.mean()) if high.size else np.nan,
            "vehicle_cv": float(net.std(ddof=1) / net.mean()) if high.size > 1 and net.mean() > 0 else np.nan,
            "blank_mean": background if blank.size else np.nan,
            "signal_to_background": float(high.mean() / background)
            if blank.size and background > 0 and high.size
            else np.nan,
            "window_against": against if low.size >= 2 and high.size >= 2 else "",
            "z_prime": z_prime(high, low),
            "robust_z_prime": z_prime(high, low, robust=True),
            "ssmd": ssmd(high, low),
            **_position(plate, vehicle),
        }
        row["status"] = "estimated" if high.size > 1 else "not_estimable"
        row["verdict"], row["remarks"] = _verdict(row, cv_limit)
        rows.append(row)
    return pd.DataFrame(rows)
