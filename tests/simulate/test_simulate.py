"""Simulated studies: what was planted is what lies in the wells, and the mess is what it says."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rechallenge import simulate
from rechallenge.faults import InputFaults
from rechallenge.simulate import plates, truth


def test_published_resistance_indices() -> None:
    """Table 1 of the study of AKR1B1 and epalrestat prints these ratios of IC50."""
    printed = {
        ("Huh-7 LR", "lenvatinib"): 3.89,
        ("Huh-7 SR", "lenvatinib"): 2.57,
        ("Huh-7 LR", "sorafenib"): 3.11,
        ("Huh-7 SR", "sorafenib"): 2.46,
        ("Huh-7 LR", "regorafenib"): 1.33,
        ("Huh-7 SR", "regorafenib"): 1.61,
        ("Huh-7 LR", "gefitinib"): 1.84,
        ("Huh-7 SR", "gefitinib"): 1.63,
        ("Huh-7 LR", "lapatinib"): 1.32,
        ("Huh-7 SR", "lapatinib"): 1.80,
        ("Huh-7 LR", "5-fluorouracil"): 1.70,
        ("Huh-7 SR", "5-fluorouracil"): 1.48,
        ("Huh-7 LR", "irinotecan"): 0.90,
        ("Huh-7 SR", "irinotecan"): 1.66,
        ("Huh-7 LR", "oxaliplatin"): 1.48,
        ("Huh-7 SR", "oxaliplatin"): 1.99,
    }
    planted = truth.resistance_indices(truth.huh7()).set_index(["model", "drug"])["ri"]
    for key, value in printed.items():
        assert planted[key] == pytest.approx(value, abs=0.01)
    assert np.isnan(planted["Huh-7 LR", truth.INACTIVE])


def test_response_is_half_at_the_ic50() -> None:
    ic50 = np.array([0.3, 5.0, 80.0])
    assert plates.response(ic50, ic50, np.array([0.7, 1.4, 3.0]), np.array([0.0, 0.1, 0.4])) == pytest.approx(0.5)
    assert plates.response(np.array([1.0, 1e6]), np.inf, 1.0, 1.0) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="no absolute IC50"):
        plates.response(np.array([1.0]), 1.0, 1.0, 0.6)


def test_noiseless_wells_hold_the_planted_curve() -> None:
    planted = truth.huh7()
    raw = plates.wells(planted, noise=0.0, replicate_sd=0.0, plate_effects=False)
    tidy = plates.fractions(raw).merge(planted, on=["model", "drug", "perturbation", "stage"])
    expected = plates.response(*(tidy[c].to_numpy(float) for c in ("dose_um", "ic50_um", "hill", "einf")))
    assert np.abs(tidy["viability"] - expected).max() < 2e-4  # four decimals of the signal


def test_same_seed_same_wells_and_other_seed_other_wells() -> None:
    a, b, c = (plates.wells(truth.huh7(), seed=s) for s in (3, 3, 4))
    pd.testing.assert_frame_equal(a, b)
    assert not a["signal"].equals(c["signal"])


def test_every_plate_has_vehicle_and_blank_and_no_well_twice() -> None:
    raw = plates.wells(truth.huh7())
    kinds = raw.groupby("plate")["well_type"].agg(set)
    assert (kinds == {"sample", "vehicle", "blank"}).all()
    assert not raw.duplicated(["plate", "well"]).any()


@pytest.mark.parametrize("kind", [*simulate.FORGIVEN, *simulate.REFUSED])
def test_mess_changes_the_bytes_and_nothing_else(kind: str) -> None:
    tidy = plates.fractions(plates.wells(truth.huh7().iloc[:3]))
    before = tidy.copy()
    clean, messy = simulate.table_bytes(tidy), simulate.table_bytes(tidy, [kind])
    pd.testing.assert_frame_equal(tidy, before)
    if kind == "cp1252":
        messy.decode("cp1252")
    else:
        assert messy != clean
    assert simulate.table_bytes(tidy, [kind], seed=1) == simulate.table_bytes(tidy, [kind], seed=1)


def test_decimal_commas_can_be_read_back() -> None:
    tidy = plates.fractions(plates.wells(truth.huh7().iloc[:3]))
    back = pd.read_csv(io.BytesIO(simulate.table_bytes(tidy, ["decimal_comma"])), sep=";", decimal=",")
    assert back["viability"].to_numpy() == pytest.approx(tidy["viability"].to_numpy())


def test_unknown_mess_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown mess chaos"):
        simulate.table_bytes(pd.DataFrame({"dose_um": [1.0], "viability": [1.0]}), ["chaos"])


def test_write_study_never_overwrites_a_study_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text("mine")
    with pytest.raises(InputFaults, match="already holds a study"):
        simulate.write_study(tmp_path)
    assert (tmp_path / "study.toml").read_text() == "mine"
