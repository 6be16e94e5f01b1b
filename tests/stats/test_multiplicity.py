"""Benjamini-Hochberg and Holm: the definitions, published numbers, and the properties that every q must have."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rechallenge.stats.multiplicity import bh, holm

P_LISTS = arrays(
    np.float64,
    st.integers(0, 40),
    elements=st.one_of(st.floats(0, 1), st.just(float("nan")), st.sampled_from([0.0, 1.0, 0.05])),
)


def test_bh_is_its_definition() -> None:
    # q_(i) = min over j >= i of m p_(j) / j
    p = np.array([0.01, 0.04, 0.03, 0.005, 0.5])
    assert bh(p) == pytest.approx([0.025, 0.05, 0.05, 0.025, 0.5])


def test_holm_is_its_definition() -> None:
    # max over j <= i of (m - j + 1) p_(j)
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_first_example_of_benjamini_and_hochberg() -> None:
    # fifteen p-values of their section 3.3; four are rejected at 5 %, Hochberg's and Bonferroni's steps reject three
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240]
    p += [0.4262, 0.5719, 0.6528, 0.7590, 1.0000]
    assert int((bh(p) <= 0.05).sum()) == 4
    assert int((holm(p) <= 0.05).sum()) == 3


def test_not_tested_is_not_a_test() -> None:
    q = bh([0.01, np.nan, 0.02])
    assert np.isnan(q[1])
    assert q[[0, 2]] == pytest.approx(bh([0.01, 0.02]))
    assert np.isnan(holm([np.nan])).all()


def test_outside_zero_to_one_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        bh([0.1, 1.2])
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([-0.1])


@given(P_LISTS)
def test_adjusted_values_are_never_below_and_follow_the_order(p: np.ndarray) -> None:
    for adjust in (bh, holm):
        q = adjust(p)
        assert q.shape == p.shape
        assert np.array_equal(np.isnan(q), np.isnan(p))
        made = ~np.isnan(p)
        assert np.all(q[made] >= p[made])
        assert np.all(q[made] <= 1)
        order = np.argsort(p[made], kind="mergesort")
        assert np.all(np.diff(q[made][order]) >= 0)


@given(P_LISTS)
def test_bh_never_adjusts_more_than_holm(p: np.ndarray) -> None:
    made = ~np.isnan(p)
    assert np.all(bh(p)[made] <= holm(p)[made] + 1e-12)
