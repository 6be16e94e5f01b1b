"""Wells to viability: what is divided by what, what is averaged, and what is left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dose_response_examples import plate

from rechallenge.assays.dose_response import responses
from rechallenge.assays.dose_response.normalise import growth_rate_value
from rechallenge.faults import NotApplicable
from rechallenge.tables.normalise import join_rows


def test_blank_off_then_divided_by_the_vehicle_of_the_plate() -> None:
    raw = plate(
        {"B1": ("d", 1.0, 0.9), "B2": ("d", 10.0, 0.5)},
        vehicle={"A1": 1.0, "A2": 1.2},
        blank={"H1": 0.09, "H2": 0.11},
    )
    out = responses(raw).set_index("dose_um")["response"]
    assert out[1.0] == pytest.approx((0.9 - 0.1) / (1.1 - 0.1))
    assert out[10.0] == pytest.approx((0.5 - 0.1) / (1.1 - 0.1))
    assert out[0.0] == pytest.approx(1.0)


def test_plates_do_not_share_their_vehicle() -> None:
    a = plate({"B1": ("d", 1.0, 0.5)}, vehicle={"A1": 1.0}, plate="p1", replicate="e1")
    b = plate({"B1": ("d", 1.0, 0.5)}, vehicle={"A1": 2.0}, plate="p2", replicate="e2")
    out = responses(pd.concat([a, b]))
    out = out[out["dose_um"] > 0].set_index("plate")["response"]
    assert out.to_dict() == pytest.approx({"p1": 0.5, "p2": 0.25})


@pytest.mark.parametrize(("vehicle", "expected"), [("plate", 0.5), ("row", 0.4), ("column", 1.0)])
def test_vehicle_of_the_same_row_or_column(vehicle: str, expected: float) -> None:
    raw = plate({"B2": ("d", 1.0, 0.6)}, vehicle={"B1": 1.5, "C2": 0.6, "D7": 1.5})
    out = responses(raw, vehicle=vehicle)  # type: ignore[arg-type]
    assert out.loc[out["dose_um"] > 0, "response"].item() == pytest.approx(expected)


def test_median_of_vehicle_wells_withstands_one_that_went_wrong() -> None:
    raw = plate({"B2": ("d", 1.0, 0.5)}, vehicle={"A1": 1.0, "A2": 1.0, "A3": 10.0})
    assert responses(raw, centre="median").query("dose_um > 0")["response"].item() == pytest.approx(0.5)
    assert responses(raw, centre="mean").query("dose_um > 0")["response"].item() == pytest.approx(0.125)


def test_vehicle_of_the_same_condition_comes_first() -> None:
    """Cells with a knock-down grow less: their drug effect is read against their own vehicle."""
    cells = [
        plate({"B1": ("d", 1.0, 0.5)}, vehicle={"A1": 1.0}, perturbation="siNC"),
        plate({"B2": ("d", 1.0, 0.25)}, vehicle={"A2": 0.5}, perturbation="siX"),
        plate({"B3": ("d", 1.0, 0.3)}, vehicle={}, perturbation="siY"),
    ]
    out = responses(pd.concat(cells)).query("dose_um > 0").set_index("perturbation")
    assert out.loc["siNC", "response"] == out.loc["siX", "response"] == pytest.approx(0.5)
    assert out.loc["siY", "response"] == pytest.approx(0.3 / 0.75)
    assert out.loc["siX", "reference"] == "same condition"
    assert out.loc["siY", "reference"] == "same model, another condition"


def test_another_model_is_no_reference() -> None:
    two = pd.concat(
        [
            plate({"B1": ("d", 1.0, 0.5)}, vehicle={"A1": 1.0}, model="P"),
            plate({"B2": ("d", 1.0, 0.5)}, vehicle={}, model="LR"),
        ]
    )
    out = responses(two).query("dose_um > 0").set_index("model")
    assert out.loc["LR", "excluded"] == "no vehicle wells to compare with"
    assert np.isnan(out.loc["LR", "response"])
    assert out.loc["P", "response"] == pytest.approx(0.5)


def test_vehicle_wells_on_another_plate() -> None:
    lender = plate({}, vehicle={"A1": 2.0, "A2": 2.0}, plate="v")
    raw = plate({"A1": ("d", 1.0, 1.0)}, vehicle={}, plate="p", vehicle_plate="v")
    out = responses(pd.concat([lender, raw]))
    assert out.query("dose_um > 0")["response"].item() == pytest.approx(0.5)


def test_positive_control_as_zero() -> None:
    raw = plate({"B1": ("d", 1.0, 0.6)}, vehicle={"A1": 1.0}, positive={"H1": 0.2})
    assert responses(raw, positive="floor").query("dose_um > 0")["response"].item() == pytest.approx(0.5)


def test_technical_wells_are_averaged_within_a_biological_replicate() -> None:
    table = pd.DataFrame(
        {
            "model": "P",
            "drug": "d",
            "dose_um": 1.0,
            "replicate": ["e1"] * 3 + ["e2"],
            "viability": [0.4, 0.5, 0.6, 0.9],
            "_file": "v.csv",
            "_row": [2, 3, 4, 9],
        }
    )
    out = responses(table).set_index("replicate")
    assert out.loc["e1", ["response", "n_wells"]].tolist() == pytest.approx([0.5, 3])
    assert out.loc["e1", "sd_wells"] == pytest.approx(0.1)
    assert out["source_rows"].to_dict() == {"e1": "v.csv:2-4", "e2": "v.csv:9"}
    assert out["source_table"].eq("viability").all()


def test_what_is_left_out_stays_listed_with_its_reason() -> None:
    raw = plate(
        {"B1": ("d", 1.0, 0.5), "B2": ("d", 1.0, 9.0), "B3": ("d", 3.0, np.nan)},
        vehicle={"A1": 1.0},
    )
    raw["exclude"] = ["", "air bubble", "", ""]
    out = responses(raw)
    assert out.query("dose_um == 1 and excluded == ''")["response"].item() == pytest.approx(0.5)
    assert set(out["excluded"]) == {"", "left out: air bubble", "no signal"}
    assert out["n_wells"].sum() == 4


def test_a_vehicle_at_background_level_excludes_its_plate() -> None:
    raw = plate({"B1": ("d", 1.0, 0.5)}, vehicle={"A1": 0.1}, blank={"H1": 0.1})
    assert (responses(raw)["excluded"] == "the vehicle signal is not above the background").all()


def test_sample_wells_at_dose_zero_are_vehicle() -> None:
    raw = plate({"B1": ("d", 1.0, 0.5), "B2": ("d", 0.0, 2.0)}, vehicle={})
    assert responses(raw).query("dose_um > 0")["response"].item() == pytest.approx(0.25)


def test_a_bare_table_is_enough() -> None:
    table = pd.DataFrame({"cell_line": "P", "compound": "d", "dose": [1, 10], "viability": [0.9, 0.2]})
    out = responses(table)
    assert out["replicate"].eq("1").all() and out["perturbation"].eq("none").all()
    with pytest.raises(ValueError, match="lacks the columns drug, dose_um, viability"):
        responses(pd.DataFrame({"model": ["P"]}))
    with pytest.raises(ValueError, match="centre must be one of mean, median"):
        responses(table, centre="mode")  # type: ignore[arg-type]
    with pytest.raises(NotApplicable):
        responses(None, None)


def test_viability_and_plates_are_joined() -> None:
    tidy = pd.DataFrame({"model": "P", "drug": "d", "dose_um": [1.0], "viability": [0.9], "replicate": "e1"})
    raw = plate({"B1": ("d", 1.0, 0.5)}, vehicle={"A1": 1.0}, replicate="e2")
    out = responses(tidy, raw).query("dose_um > 0")
    assert sorted(out["source_table"]) == ["plates", "viability"]


def test_row_order_does_not_matter() -> None:
    raw = plate(
        {f"B{i}": ("d", float(i), 1.0 / i) for i in range(1, 9)}, vehicle={"A1": 1.0, "A2": 1.1}, blank={"H1": 0.05}
    )
    pd.testing.assert_frame_equal(responses(raw), responses(raw.sample(frac=1, random_state=1)))


def test_growth_rate_value_by_its_definition() -> None:
    # two doublings in the vehicle (time zero is a quarter of its end); the drug leaves one of them: GR = 2^(1/2) - 1
    fraction, time0 = pd.Series([1.0, 0.5, 0.25, 0.125, 0.0, 0.5]), pd.Series([0.25] * 5 + [1.2])
    value = growth_rate_value(fraction, time0)
    assert value[:5].tolist() == pytest.approx([1.0, 2**0.5 - 1, 0.0, 2**-0.5 - 1, -1.0])
    assert np.isnan(value[5]), "cells that did not grow have no growth-rate value"


def test_growth_rate_values_of_the_reference_software(shared: Path) -> None:
    """datarail/gr_metrics: the R package GRmetrics on its toy data."""
    table = pd.read_csv(shared / "data" / "pharmacology" / "GR_toy" / "R_input1_GRvalues.tsv", sep="\t")
    value = growth_rate_value(
        table["cell_count"] / table["cell_count__ctrl"], table["cell_count__time0"] / table["cell_count__ctrl"]
    )
    assert np.abs(value - table["GR"]).max() < 1e-9


def test_time_zero_signal_goes_through_the_same_blank() -> None:
    raw = plate({"B1": ("d", 1.0, 0.6)}, vehicle={"A1": 1.1}, blank={"H1": 0.1}).assign(time0_signal=0.35)
    row = responses(raw).query("dose_um > 0").iloc[0]
    assert row["response"] == pytest.approx(0.5)
    assert row["gr"] == pytest.approx(2**0.5 - 1)


def test_joined_origins() -> None:
    assert join_rows(["a.csv:2-4", "a.csv:5,9;b.csv:3", ""]) == "a.csv:2-5,9;b.csv:3"
