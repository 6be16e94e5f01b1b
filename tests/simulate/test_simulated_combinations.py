"""Simulated dose matrices hold what was planted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rechallenge.simulate import combinations
from rechallenge.simulate.combinations import Agent, inhibition, matrix, switch

A, B = Agent("alpha", 2.0, 1.2), Agent("beta", 1.0, 1.0, 0.8)


def test_without_noise_the_wells_hold_the_planted_surface() -> None:
    table = matrix(A, B, model="m", interaction=1.5, noise=0, spread=0, replicates=2, wells=1)
    planted = inhibition(table["dose_a_um"], table["dose_b_um"], A, B, interaction=1.5)
    assert 1 - table["viability"].to_numpy() == pytest.approx(planted, abs=1e-5)
    assert len(table) == 2 * 5 * 5 and list(table.columns[:6]) == [
        "model", "drug_a", "dose_a_um", "drug_b", "dose_b_um", "replicate",
    ]  # fmt: skip


def test_an_interaction_of_one_is_additive_and_others_have_their_sign() -> None:
    x, y = np.array([1.0, 0.0, 1.0]), np.array([1.0, 1.0, 0.0])
    additive = inhibition(x, y, A, B)
    e = [float(A.at().effect(1.0)), float(B.at().effect(1.0))]
    assert additive == pytest.approx([1 - (1 - e[0]) * (1 - e[1]), e[1], e[0]])
    more, less = (inhibition(x, y, A, B, interaction=p) for p in (2.0, 0.5))
    assert more[0] > additive[0] > less[0] and (more[1:] == additive[1:]).all()
    assert inhibition(x, y, A, B, reference="hsa")[0] == pytest.approx(max(e))
    turn = switch("b", 0.5, below=0.5, above=2.0)
    assert inhibition([1.0], [0.25], A, B, interaction=turn) < inhibition([1.0], [0.25], A, B)
    assert inhibition([1.0], [1.0], A, B, interaction=turn) == pytest.approx(more[0])


def test_raw_wells_give_the_viabilities_back() -> None:
    plain = matrix(A, B, model="m", noise=0, spread=0, replicates=1)
    raw = matrix(A, B, model="m", noise=0, spread=0, replicates=1, raw=True)
    blank = raw.loc[raw["well_type"] == "blank", "signal"].mean()
    vehicle = raw.loc[raw["well_type"] == "vehicle", "signal"].mean()
    wells = raw[raw["well_type"] != "blank"].drop_duplicates(["dose_a_um", "dose_b_um"])
    expected = plain.drop_duplicates(["dose_a_um", "dose_b_um"])["viability"]
    assert ((wells["signal"] - blank) / (vehicle - blank)).to_numpy() == pytest.approx(expected.to_numpy(), abs=2e-4)


def test_a_ray_has_both_single_agents_and_one_ratio() -> None:
    table = matrix(A, B, model="m", ray=True, wells=1, replicates=1)
    both = table[(table["dose_a_um"] > 0) & (table["dose_b_um"] > 0)]
    assert both["dose_a_um"].tolist() == both["dose_b_um"].tolist() and len(table) == 1 + 3 * 4


def test_the_same_seed_gives_the_same_wells() -> None:
    one, two, other = (combinations.low_dose_study(seed=s) for s in (3, 3, 4))
    pd.testing.assert_frame_equal(one, two)
    assert not one["viability"].equals(other["viability"])


def test_unknown_references_are_refused() -> None:
    with pytest.raises(ValueError, match="bliss, loewe or hsa"):
        inhibition([1.0], [1.0], A, B, reference="zip")  # type: ignore[arg-type]
