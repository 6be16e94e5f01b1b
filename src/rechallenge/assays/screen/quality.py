"""Is each plate of the screen good enough to be read? Window, scatter of controls, and what position does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.stats.plates import MAD_SD, median_polish, ssmd, z_prime

ZHANG_1999 = "doi:10.1177/108705719900400206"
ZHANG_2007 = "doi:10.1177/1087057107300645"
B_SCORE = "doi:10.1177/1087057103258285"
COLUMNS = (
    "model", "plate", "replicate", "anchor", "anchor_um", "n_sample", "n_vehicle", "n_positive", "n_blank",
    "n_excluded",
    "vehicle_mean", "vehicle_cv", "sample_median", "library_shift", "sample_sd", "signal_to_background",
    "window_against", "z_prime", "robust_z_prime", "ssmd", "edge_effect", "row_effect", "column_effect", "position",
    "normalised_by", "verdict", "remarks", "status", "reason",
)  # fmt: skip


@analysis(
    title="Plate quality of the screen",
    reference=(ZHANG_1999, ZHANG_2007, B_SCORE),
    methods="Screening plates were judged by Z' and robust Z' of vehicle against positive control, else blank wells "
    "(doi:10.1177/108705719900400206), the strictly standardised mean difference (doi:10.1177/1087057107300645), the "
    "scatter of vehicle wells, and edge, row and column effects among the compounds (median polish, "
    "doi:10.1177/1087057103258285).",
    formula=(
        "Z' = 1 - 3 (sd_vehicle + sd_control) / |mean_vehicle - mean_control|; row and column effects by median polish"
    ),
    oracle="No outside reference: the textbook definitions (tests/assays/test_screen.py)",
    limits="Z' of few control wells in two edge columns judges these columns.",
)
def screen_plates(screen_wells: pd.DataFrame, *, cv_limit: float = 0.2, position_limit: float = 0.2) -> pd.DataFrame:
    """One row per plate (and arm, where both share a plate): numbers of wells, window, position effects, a verdict.

    Window: Z', robust Z' and SSMD of the vehicle wells against positive controls, else blank wells (`window_against`).
    `vehicle_cv` is a fraction. `library_shift` is log2 of the median compound over the vehicle wells, `sample_sd` the
    robust SD (log2) of the compounds after correction. `edge_effect` is the median signal of compounds in the outermost
    rows and columns of the plate over that inside, less 1; `row_effect` and `column_effect` are ranges between rows and
    columns as fractions, before any correction. What a layout cannot show is NaN, with the reason in `position`.
    `verdict`: good (Z' at least 0.5), usable (above 0), poor, unknown; a plate is marked down for a vehicle scatter
    above `cv_limit` or, where position was not corrected for, a position effect above `position_limit`.
    """
    rows = []
    edges = screen_wells.groupby("model")[["row", "column"]].max()
    extent = {str(m): (float(r), float(c)) for m, r, c in zip(edges.index, edges["row"], edges["column"], strict=True)}
    keys = ["model", "plate", "replicate", "anchor", "anchor_um"]
    for key, every in screen_wells.groupby(keys, sort=True):
        plate = every[every["excluded"] == ""]
        kinds = {k: plate[plate["well_type"] == k] for k in ("sample", "vehicle", "positive", "blank")}
        raw = {k: v["signal"].to_numpy(dtype="float64") for k, v in kinds.items()}
        low, against = (raw["positive"], "positive control") if raw["positive"].size >= 2 else (raw["blank"], "blank")
        net = kinds["vehicle"]["net"]
        level = np.log2(kinds["sample"]["net"].where(kinds["sample"]["net"] > 0))
        row: dict[str, Any] = {
            **dict(zip(keys, key, strict=True)),
            **{f"n_{k}": len(v) for k, v in kinds.items()},
            "n_excluded": len(every) - len(plate),
            "vehicle_mean": float(raw["vehicle"].mean()) if raw["vehicle"].size else np.nan,
            "vehicle_cv": float(net.std() / net.mean()) if len(net) > 1 and net.mean() > 0 else np.nan,
            "sample_median": float(np.median(raw["sample"])) if raw["sample"].size else np.nan,
            "library_shift": float(level.median() - np.log2(net.median())) if len(net) and net.median() > 0 else np.nan,
            "sample_sd": MAD_SD * float((kinds["sample"]["score"] - kinds["sample"]["score"].median()).abs().median()),
            "signal_to_background": _over(raw["vehicle"], raw["blank"]),
            "window_against": against if min(low.size, raw["vehicle"].size) >= 2 else "",
            "z_prime": z_prime(raw["vehicle"], low),
            "robust_z_prime": z_prime(raw["vehicle"], low, robust=True),
            "ssmd": ssmd(raw["vehicle"], low),
            "normalised_by": str(every["normalised_by"].iloc[0]),
            **_position(kinds["sample"], level, extent[str(key[0])]),
        }
        known = not np.isnan(row["z_prime"])
        row["status"] = "estimated" if known else "not_estimable"
        row["reason"] = "" if known else "the window needs two vehicle wells and two positive or blank wells"
        row["verdict"], row["remarks"] = _verdict(row, cv_limit, position_limit)
        rows.append(row)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _over(high: Any, low: Any) -> float:
    return float(high.mean() / low.mean()) if high.size and low.size and low.mean() > 0 else float("nan")


def _position(sample: pd.DataFrame, level: pd.Series, extent: tuple[float, float]) -> dict[str, Any]:
    """Edge, row and column effects among the compounds (mostly inert, so their medians show position)."""
    out: dict[str, Any] = {"edge_effect": np.nan, "row_effect": np.nan, "column_effect": np.nan, "position": ""}
    placed = sample["row"].notna() & level.notna()
    sample, level = sample[placed], level[placed]
    if len(sample) < 24 or sample["compound"].nunique() < 0.5 * len(sample):
        return out | {"position": "too few different compounds to tell position from effect"}
    edge = sample["row"].isin([1, extent[0]]) | sample["column"].isin([1, extent[1]])
    said = []
    if min(edge.sum(), (~edge).sum()) >= 8:
        out["edge_effect"] = float(2 ** (level[edge].median() - level[~edge].median()) - 1)
    else:
        said.append("edge: compounds lie only at the edge or only inside")
    table = sample.assign(level=level).pivot_table(index="row", columns="column", values="level", aggfunc="mean")
    if min(table.shape) >= 4:
        _, rows, columns, _ = median_polish(table.to_numpy())
        out["row_effect"] = float(2 ** (np.nanmax(rows) - np.nanmin(rows)) - 1)
        out["column_effect"] = float(2 ** (np.nanmax(columns) - np.nanmin(columns)) - 1)
    else:
        said.append("rows and columns: fewer than four of either")
    return out | {"position": "; ".join(said)}


def _verdict(row: dict[str, Any], cv_limit: float, position_limit: float) -> tuple[str, str]:
    remarks = []
    if np.isnan(row["z_prime"]):
        word = "unknown"
        remarks.append("no positive control or blank (at least 2 wells), so the assay window is not known")
    else:
        word = "good" if row["z_prime"] >= 0.5 else "usable" if row["z_prime"] > 0 else "poor"
        if word != "good":
            remarks.append(f"Z' {row['z_prime']:.2f} (0.5 or more is a good window)")
    if row["vehicle_cv"] > cv_limit:
        remarks.append(f"vehicle wells vary by {100 * row['vehicle_cv']:.0f} %")
        word = {"good": "usable", "usable": "poor"}.get(word, word)
    corrected = row["normalised_by"] in ("polish", "smooth")
    for name in ("edge", "row", "column"):
        effect = row[f"{name}_effect"]
        if abs(effect) > position_limit:
            remarks.append(f"{name} effect of {100 * effect:.0f} %, {'taken off' if corrected else 'not taken off'}")
            word = {"good": "usable"}.get(word, word) if not corrected else word
    return word, "; ".join(remarks)
