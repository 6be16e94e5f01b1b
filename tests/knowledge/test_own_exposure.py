"""A study's own plasma concentrations mean the same to every stream that asks."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from rechallenge.assays.combination.windows import limits_of
from rechallenge.assays.screen.annotate import reachable
from rechallenge.knowledge.questions.own import TOTAL, own_limits, verdict


def said(**values: str) -> pd.DataFrame:
    return pd.DataFrame({"drug": "X-17", "quantity": list(values), "value": list(values.values())})


@pytest.mark.parametrize("quantity", TOTAL)
def test_every_way_to_say_total_reaches_combinations_screens_and_drugs(quantity):
    own = said(**{quantity: "2.0"}, fraction_unbound="0.1")
    assert own_limits(own, "x 17") == (2.0, pytest.approx(0.2))
    window = limits_of("X-17", own)
    assert (window["total_um"], window["free_um"]) == (2.0, pytest.approx(0.2))
    row = reachable({}, [("X-17", 1.0)], own).iloc[0]
    assert (row["achievable"], row["cmax_um"], row["cmax_free_um"]) == ("total only", 2.0, pytest.approx(0.2))


def test_what_is_not_said_stays_unknown():
    assert own_limits(said(hours="3"), "X-17") is None and own_limits(None, "X-17") is None
    assert own_limits(said(cmax="2"), "another") is None
    total, free = own_limits(said(cmax="2", cmax_total="many"), "X-17") or (0.0, 0.0)
    assert total == 2.0 and math.isnan(free)


@pytest.mark.parametrize(
    ("dose", "expected"), [(0.1, "yes"), (1, "total only"), (10, "above"), (100, "no"), (0, "unknown")]
)
def test_verdicts(dose, expected):
    assert verdict(dose, 2.0, 0.2) == expected
    assert verdict(1.0, float("nan"), 0.2) == "unknown"
