"""Components of a matrix seen in pieces are those of the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from rechallenge.stats.streamed_pca import components


@settings(max_examples=15, deadline=None)
@given(st.integers(3, 40), st.integers(2, 25), st.integers(1, 6), st.integers(0, 1000))
def test_pieces_give_the_components_of_the_whole(n: int, width: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, width)) * (rng.random((n, width)) < 0.5)
    cut = int(rng.integers(1, n))
    found = components(lambda: [sparse.csr_array(x[:cut]), x[cut:]], k)
    centred = x - x.mean(axis=0)
    s = np.linalg.svd(centred, compute_uv=False)
    k = len(found.variance)
    np.testing.assert_allclose(found.variance, s[:k] ** 2 / (n - 1), atol=1e-9)
    np.testing.assert_allclose(found.total, centred.var(axis=0, ddof=1).sum(), atol=1e-9)
    # equal variances share their axes: the plane is compared
    np.testing.assert_allclose(found.scores, centred @ found.axes.T, atol=1e-8)
    np.testing.assert_allclose(found.axes @ found.axes.T, np.eye(k), atol=1e-8)


def test_many_columns_by_iteration_agree_with_all_of_them() -> None:
    x = sparse.random_array((300, 200), density=0.2, random_state=0, format="csr")
    found = components(lambda: [x[:100], x[100:]], 5)
    dense = x.toarray() - x.toarray().mean(axis=0)
    _, s, axes = np.linalg.svd(dense, full_matrices=False)
    np.testing.assert_allclose(found.variance, s[:5] ** 2 / 299, rtol=1e-8)
    np.testing.assert_allclose(np.abs(found.axes), np.abs(axes[:5]), atol=1e-6)
    again = components(lambda: [x], 5)
    np.testing.assert_allclose(again.scores, found.scores, atol=1e-8)


def test_one_row_has_no_components() -> None:
    with pytest.raises(ValueError, match="two rows"):
        components(lambda: [np.ones((1, 3))], 2)
