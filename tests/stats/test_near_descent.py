"""Approximate neighbours are nearly the nearest, and the same on any number of threads."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from rechallenge.stats import near_descent, neighbours


def _points(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (n, 13)).astype(np.float32)
    x[:, :3] += rng.normal(0, 5, (5, 3))[rng.integers(0, 5, n)]
    return x


def test_most_of_the_nearest_are_found() -> None:
    x = _points(5000)
    exact = neighbours.nearest(x, 15)
    index, distance = near_descent.nearest(x, 15)
    assert (index[:, 0] == np.arange(len(x))).all() and (distance[:, 0] == 0).all()
    assert (np.diff(distance, axis=1) >= 0).all()
    found = np.mean([len(set(a) & set(b)) for a, b in zip(index, exact.index, strict=True)]) / 15
    assert found > 0.95
    np.testing.assert_allclose(
        distance, np.linalg.norm(x[index] - x[:, None], axis=2), atol=1e-5
    )  # each distance is that of its pair
    assert all(len(set(row)) == 15 for row in index[::97])


def test_threads_do_not_change_it(monkeypatch: pytest.MonkeyPatch) -> None:
    x = _points(9000, 1)
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 1)
    one = near_descent.nearest(x, 10, seed=3)
    monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", 4)
    four = near_descent.nearest(x, 10, seed=3)
    np.testing.assert_array_equal(one[0], four[0])
    np.testing.assert_array_equal(one[1], four[1])


def test_copies_of_one_point() -> None:
    x = np.ones((300, 3), dtype=np.float32)
    index, distance = near_descent.nearest(x, 5)
    assert (distance == 0).all() and all(len(set(row)) == 5 for row in index)
