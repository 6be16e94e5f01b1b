"""Numbers, bounds and names as a reader sees them."""

from __future__ import annotations

import doctest
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rechallenge.report import words


def test_the_examples_in_the_module_hold():
    assert doctest.testmod(words).failed == 0


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (3.8912, "3.89"),
        (0.0999951, "0.100"),
        (999.6, "1,000"),
        (-0.00052, "−5.20 × 10⁻⁴"),
        (1234567.0, "1.23 × 10⁶"),
        (0.0, "0"),
        (math.nan, "–"),
        (None, "–"),
        (-math.inf, "−∞"),
        (48, "48"),
        (-1430, "−1,430"),
    ],
)
def test_numbers_have_three_significant_digits(value, said):
    assert words.number(value) == said


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=1e-12, max_value=1e12))
def test_a_printed_number_is_within_half_a_unit_of_its_third_digit(value):
    text = words.number(value).replace(",", "").replace("−", "-")
    if "×" in text:
        mantissa, _, power = text.partition(" × 10")
        exponent = power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
        back = float(mantissa) * 10.0 ** int(exponent)
    else:
        back = float(text)
    assert abs(back - value) <= 0.00501 * value


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (100, math.inf, "> 100"),
        (100, math.nan, "> 100"),
        (0, 0.01, "< 0.01"),
        (-math.inf, 0.01, "< 0.01"),
        (1, 2, ""),
        (math.nan, math.nan, ""),
        (0, math.inf, ""),
    ],
)
def test_bounds_are_bounds_and_never_numbers(low, high, said):
    assert words.bound(low, high) == said


def test_rows_of_the_labs_table_in_words_and_as_spans():
    text = "viability.csv:2-28,31;odd:name.csv:4;no rows here"
    assert words.rows_in_words(text) == "viability.csv, rows 2 to 28 and 31; odd:name.csv, row 4; no rows here"
    assert words.row_numbers(text) == {"viability.csv": [[2, 28], [31, 31]], "odd:name.csv": [[4, 4]]}


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("ic50_um", "IC50 (µM)"),
        ("gr50_um", "GR50 (µM)"),
        ("p_value", "p"),
        ("f_q_value", "f q"),
        ("mean_volume_mm3", "mean volume (mm³)"),
        ("um", "um"),
        ("c", "c"),
    ],
)
def test_headings(column, said):
    assert words.heading(column) == said


def test_lists():
    assert words.listed([]) == ""
    assert words.listed(["a"]) == "a"
    assert words.listed(["a", "b", "c"]) == "a, b and c"
    assert words.listed("abcdef", most=2) == "a, b and 4 more"
