"""Result tables as they stand on the page."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from rechallenge.report.tabular import view


def cells(shown, column: str) -> list[str]:
    at = [c.name for c in shown.columns].index(column)
    return [row[at].text for row in shown.rows]


def test_bounds_stand_where_the_estimate_would_and_reasons_beside_the_status():
    frame = pd.DataFrame(
        {
            "model": ["a", "b", "c", "d"],
            "ic50_um": [13.02, math.nan, math.nan, math.nan],
            "ic50_ci_low": [12.1, 80.0, 0.0, math.nan],
            "ic50_ci_high": [14.0, math.inf, 0.2, math.nan],
            "ic50_bound": ["", "above", "below", ""],
            "ic50_bound_um": [math.nan, 100.0, 0.01, math.nan],
            "status": ["estimated", "censored", "censored", "not_estimable"],
            "reason": ["", "stays above 0.5", "below 0.5 at the lowest dose", "one dose only"],
        }
    )
    shown = view("curves", frame)
    assert [c.name for c in shown.columns] == ["model", "ic50_um", "ic50_ci_low", "status"]
    assert cells(shown, "ic50_um") == ["13.0", "> 100", "< 0.01", "–"]
    assert cells(shown, "ic50_ci_low") == ["12.1 to 14.0", "80 to ∞", "0 to 0.2", "–"]
    assert cells(shown, "status")[3] == "not estimable: one dose only"
    assert "bound" in cells(shown, "status")[1]


def test_a_bound_without_a_column_of_its_own_comes_from_the_open_limit():
    frame = pd.DataFrame({"ri": [math.nan, math.nan], "ci_low": [5.0, 0.0], "ci_high": [math.inf, 0.4]})
    assert cells(view("resistance_index", frame), "ri") == ["> 5", "< 0.4"]


def test_sorting_keys_are_full_numbers_and_missing_values_sort_last():
    frame = pd.DataFrame({"name": list("abc"), "effect": [1234.5678, math.nan, -math.inf]})
    rows = view("t", frame).rows
    assert [row[1].sort for row in rows] == ["1234.5678", "NaN", "-Infinity"]
    assert rows[1][1].kind == "missing"


def test_counts_are_whole_and_estimates_are_not():
    frame = pd.DataFrame({"n": [3.0, 3.0], "n_doses": [1430, 9], "dose_um": [0.5, 10.0], "slope": [1.23456, 2.0]})
    shown = view("t", frame)
    assert cells(shown, "n") == ["3", "3"]
    assert cells(shown, "n_doses") == ["1,430", "9"]
    assert cells(shown, "dose_um") == ["0.5", "10"]
    assert cells(shown, "slope") == ["1.23", "2.00"]


def test_a_long_table_shows_the_smallest_p_and_says_so():
    frame = pd.DataFrame({"gene": [f"G{i}" for i in range(500)], "p_value": np.linspace(1, 0.001, 500)})
    shown = view("differential", frame, most=50)
    assert (len(shown.rows), shown.total, shown.order) == (50, 500, "with the smallest p")
    assert cells(shown, "gene")[0] == "G499"
    plain = view("t", frame[["gene"]], most=50)
    assert plain.order == "in the order of the file" and cells(plain, "gene")[0] == "G0"


def test_what_is_the_same_everywhere_or_empty_or_for_machines_is_said_once():
    frame = pd.DataFrame(
        {
            "model": list("abcd"),
            "parent": ["P"] * 4,
            "medium": [""] * 4,
            "covariance": ["0.1 " * 60] * 4,
            "q_value": [0.01] * 4,
            "_file": ["x.csv"] * 4,
        }
    )
    shown = view("t", frame)
    assert shown.same == ("parent P",)
    assert shown.left_out == ("medium (empty)", "covariance (long)")
    assert [(c.name, c.more) for c in shown.columns] == [("model", False), ("parent", True), ("q_value", False)]


def test_a_wide_table_hides_columns_but_never_its_names_estimate_or_test():
    names = {f"extra_{i}": np.arange(5.0) * math.pi * i for i in range(1, 30)}
    frame = pd.DataFrame(
        {"model": list("abcde"), **names, "ri": np.arange(5) * 1.1, "ci_low": np.arange(5.0), "ci_high": 9.5}
    )
    frame["q_value"] = [0.01, 0.02, 0.03, 0.04, 0.05]
    frame["status"] = ["estimated", "censored", "estimated", "estimated", "estimated"]
    shown = view("t", frame)
    visible = {c.name for c in shown.columns if not c.more}
    assert {"model", "ri", "ci_low", "q_value", "status"} <= visible
    assert 0 < shown.more < 30


def test_an_empty_table_has_no_rows():
    shown = view("t", pd.DataFrame({"a": [], "b": []}))
    assert (shown.rows, shown.total) == ((), 0)
    assert view("t", pd.DataFrame()).columns == ()


def test_odd_values_are_shown_and_do_not_break():
    frame = pd.DataFrame({"a": [["x", "y"], {"k": 1}, None], "b": [True, False, True], "c": [pd.NA, "x", np.nan]})
    shown = view("t", frame)
    assert cells(shown, "a") == ["['x', 'y']", "{'k': 1}", "–"]
    assert cells(shown, "b") == ["yes", "no", "yes"]
    assert cells(shown, "c") == ["–", "x", "–"]


def test_drugs_to_repurpose_stand_beside_what_limits_their_use() -> None:
    """Approval, marks, exposure, liver and use are compared at once, however long the label's note is."""
    from rechallenge.integration.repurposing import repurposing

    gene = pd.DataFrame([{"rank": 1, "entity": "ILF3", "entity_type": "gene", "direction": 1, "score": 1.0}])
    shown = view("repurposing", repurposing(gene))
    hidden = {c.name: c.more for c in shown.columns}
    assert not any(hidden[c] for c in ("drug", "status", "marks", "liver", "use"))
    assert hidden["path"] and hidden["edge"]
