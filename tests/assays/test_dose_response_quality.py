"""Plate quality from control wells: formulas on small numbers, and what a layout cannot show."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from dose_response_examples import plate

from rechallenge.assays.dose_response import plate_quality
from rechallenge.assays.dose_response.quality import median_polish, ssmd, z_prime
from rechallenge.faults import NotApplicable

HIGH, LOW = np.array([9.0, 10.0, 11.0]), np.array([1.0, 2.0, 3.0])


def test_window_by_its_definitions() -> None:
    assert z_prime(HIGH, LOW) == pytest.approx(1 - 3 * (1 + 1) / 8)
    assert z_prime(HIGH, LOW, robust=True) == pytest.approx(1 - 3 * 2 * 1.4826 / 8)
    assert ssmd(HIGH, LOW) == pytest.approx(8 / np.sqrt(2))
    assert np.isnan(z_prime(HIGH[:1], LOW)) and np.isnan(ssmd(HIGH, HIGH[:1]))
    assert np.isnan(z_prime(HIGH, HIGH)) and np.isnan(ssmd(np.ones(3), np.zeros(3)))


def test_median_polish_finds_rows_and_columns() -> None:
    rows, columns = np.array([-1.0, 0.0, 2.0]), np.array([0.0, 3.0, -3.0, 0.0])
    table = 10 + rows[:, None] + columns
    table[0, 1] += 50  # one well that went wrong stays in the residuals
    overall, by_row, by_column, rest = median_polish(table)
    assert overall == pytest.approx(10)
    assert by_row == pytest.approx(rows) and by_column == pytest.approx(columns)
    assert rest[0, 1] == pytest.approx(50) and np.abs(np.delete(rest.ravel(), 1)).max() < 1e-9


def test_median_polish_with_gaps() -> None:
    table = np.array([[1.0, 2.0, np.nan], [2.0, 3.0, np.nan], [np.nan, np.nan, np.nan]])
    _, rows, columns, _ = median_polish(table)
    assert np.isnan(rows[2]) and np.isnan(columns[2])
    assert rows[1] - rows[0] == pytest.approx(1) and columns[1] - columns[0] == pytest.approx(1)


def _whole(vehicle: dict[str, float], **more: object) -> pd.Series:
    return plate_quality(plate({"D6": ("d", 1.0, 0.5)}, vehicle=vehicle, **more)).iloc[0]  # type: ignore[arg-type]


def test_a_good_plate() -> None:
    vehicle = {f"{r}{c}": 1.0 + 0.01 * ((i + c) % 3) for i, r in enumerate("ADEH") for c in (1, 6, 12)}
    row = _whole(vehicle, blank={"B2": 0.05, "C2": 0.06, "D2": 0.05})
    assert row["verdict"] == "good" and row["remarks"] == ""
    assert row["window_against"] == "blank" and row["z_prime"] > 0.9
    assert row["n_vehicle"] == 12 and row["n_blank"] == 3 and row["status"] == "estimated"
    assert row["signal_to_background"] == pytest.approx(np.mean(list(vehicle.values())) / (0.16 / 3))


def test_an_edge_that_dries_out() -> None:
    vehicle = {f"{r}{c}": (0.7 if r in "AH" or c in (1, 12) else 1.0) for r in "ABCDEFGH" for c in (1, 3, 9, 12)}
    row = _whole(vehicle, blank={"B2": 0.0, "C2": 0.002})
    assert row["edge_effect"] == pytest.approx(-0.3, abs=0.01)
    assert "edge effect of -30 %" in row["remarks"] and row["verdict"] != "good"


def test_a_gradient_over_columns() -> None:
    vehicle = {f"{r}{c}": 1.0 + 0.05 * (c - 1) for r in "BCD" for c in (2, 5, 8)}
    row = _whole(vehicle)
    assert row["column_effect"] == pytest.approx(0.3 / 1.2)
    assert row["row_effect"] == pytest.approx(0)
    assert row["verdict"] == "unknown" and "window is not known" in row["remarks"]


def test_what_one_vehicle_column_cannot_show() -> None:
    row = _whole({"A1": 1.0, "B1": 1.1, "C1": 0.9})
    assert np.isnan(row["column_effect"]) and row["row_effect"] == pytest.approx(0.2)
    assert "vehicle wells share one column" in row["position"] and np.isnan(row["edge_effect"])


def test_poor_and_noisy_plates_say_why() -> None:
    row = _whole({"A1": 1.0, "B1": 0.4, "C1": 1.6}, positive={"H1": 0.5, "H2": 0.6})
    assert row["verdict"] == "poor" and row["window_against"] == "positive control"
    assert "Z'" in row["remarks"] and "vary by 60 %" in row["remarks"]
    lonely = _whole({"A1": 1.0})
    assert lonely["status"] == "not_estimable" and "1 vehicle well" in lonely["remarks"]
    assert _whole({})["verdict"] == "poor"


def test_excluded_wells_do_not_count() -> None:
    raw = plate({"D6": ("d", 1.0, 0.5)}, vehicle={"A1": 1.0, "B1": 1.0, "C1": 9.0})
    raw["exclude"] = np.where(raw["well"] == "C1", "spilled", "")
    row = plate_quality(raw).iloc[0]
    assert row["n_vehicle"] == 2 and row["n_excluded"] == 1 and row["vehicle_mean"] == pytest.approx(1.0)


def test_viabilities_without_wells_are_not_this_analysis() -> None:
    table = pd.DataFrame({"model": "P", "drug": "d", "dose_um": [1.0], "viability": [0.5]})
    with pytest.raises(NotApplicable, match="without raw signals"):
        plate_quality(table)
