"""The Evidence table keeps its schema and its vocabulary, and joins in one order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rechallenge import evidence, parquet


def row(**changes: Any) -> dict[str, Any]:
    return {
        "entity": "AKR1B1",
        "entity_type": "gene",
        "stream": "dose_response",
        "level": "intervention",
        "model": "Huh-7 LR",
        "contrast": "siAKR1B1 vs none",
        "direction": 1,
        "effect": -0.8,
        "effect_unit": "log2",
        "se": 0.2,
        "ci_low": -1.2,
        "ci_high": -0.4,
        "p_value": 0.001,
        "q_value": 0.01,
        "n": 3,
        "status": "estimated",
        "analysis": "perturbation_shift",
        "source_table": "viability",
        "source_rows": "viability.csv:2-28",
        "claim": "Knock-down of AKR1B1 lowers the IC50.",
        **changes,
    }


def test_a_claim_may_name_only_what_it_has() -> None:
    table = evidence.claim_table([{k: row()[k] for k in ("entity", "entity_type", "stream", "level", "claim")}
                                  | {"status": "not_testable"}])  # fmt: skip
    assert tuple(table.columns) == evidence.COLUMNS
    assert table.loc[0, "model"] == ""
    assert np.isnan(table.loc[0, "effect"])
    assert table["direction"].dtype == np.int64


def test_no_claims_are_a_table_too() -> None:
    for table in (evidence.claim_table([]), evidence.empty(), evidence.join([])):
        assert tuple(table.columns) == evidence.COLUMNS
        assert len(table) == 0
        assert evidence.check(table) is table


def test_an_unknown_column_is_refused() -> None:
    with pytest.raises(ValueError, match="no column pvalue"):
        evidence.claim_table([row(pvalue=0.1)])
    with pytest.raises(ValueError, match="unknown \\['extra'\\]"):
        evidence.check(evidence.empty().assign(extra=1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"entity": ""}, "entity is empty"),
        ({"claim": ""}, "claim is empty"),
        ({"stream": ""}, "stream is empty"),
        ({"entity_type": "protein"}, "entity_type is not one of"),
        ({"level": "strong"}, "level is not one of"),
        ({"status": "fitted"}, "status is not one of"),
        ({"direction": 2}, "direction is not -1, 0 or 1"),
        ({"effect": np.inf}, "an estimated claim has no effect"),
        ({"effect": None}, "an estimated claim has no effect"),
        ({"status": "censored", "effect": None}, "a claim that is not estimated has a p-value"),
        ({"status": "not_estimable", "p_value": None, "q_value": None}, "not estimated has an effect"),
        ({"p_value": 1.2, "q_value": None}, "p_value is outside 0 to 1"),
        ({"q_value": -0.1}, "q_value is outside 0 to 1"),
        ({"q_value": 0.0001}, "q_value is below p_value"),
        ({"n": 0}, "a p-value has no n"),
        ({"n": None}, "a p-value has no n"),
        ({"level": "knowledge"}, "a knowledge claim has a p-value"),
        ({"ci_low": -0.5}, "the effect lies outside its interval"),
    ],
)
def test_every_breach_of_the_vocabulary_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evidence.claim_table([row(), row(**changes)])


def test_all_breaches_are_named_at_once_with_their_rows() -> None:
    with pytest.raises(ValueError, match=r"entity is empty \(rows 1\); .*level is not one of .* \(rows 0\)"):
        evidence.claim_table([row(level="x"), row(entity="")])


def test_a_bound_is_a_claim_without_a_number() -> None:
    bound = row(status="censored", effect=None, se=None, ci_high=None, p_value=None, q_value=None)
    assert evidence.claim_table([bound]).loc[0, "ci_low"] == -1.2


@settings(deadline=None, max_examples=25)
@given(st.permutations(range(6)))
def test_the_order_of_the_joined_table_is_that_of_its_content(order: list[int]) -> None:
    rows = [row(entity=f"G{i % 3}", model=f"m{i}", claim=f"claim {i}") for i in range(6)]
    straight = evidence.join([evidence.claim_table(rows[:3]), evidence.claim_table(rows[3:])])
    mixed = evidence.join([evidence.claim_table([rows[i]]) for i in order] + [evidence.empty()])
    pd.testing.assert_frame_equal(straight, mixed)
    assert parquet.encode(straight) == parquet.encode(mixed)


def test_a_stored_table_is_still_evidence() -> None:
    table = evidence.claim_table([row(), row(status="not_testable", p_value=None, q_value=None)])
    back = parquet.decode(parquet.encode(table))
    pd.testing.assert_frame_equal(evidence.check(back), table)
