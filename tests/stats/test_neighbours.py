"""Neighbours, weights, communities and diffusion on graphs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from rechallenge.stats import neighbours


def _line(n: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    t = rng.random(n)
    return np.column_stack([10 * t, 3 * np.sin(3 * t), *rng.normal(0, 0.3, (3, n))]), t


def test_neighbours_are_the_nearest_and_oneself_is_first() -> None:
    x, _ = _line(100)
    x[7] = x[3]  # a copy
    near = neighbours.nearest(x, 6)
    distance = np.linalg.norm(x[:, None] - x[None], axis=2)
    assert (near.index[:, 0] == np.arange(100)).all()
    np.testing.assert_allclose(near.distance, np.sort(distance, axis=1)[:, :6], atol=1e-5)
    other = neighbours.nearest_of(x, x[:5] + 0.01, 1)
    assert other.index[:, 0].tolist() == [0, 1, 2, 3, 4] or set(other.index[:, 0]) <= {0, 1, 2, 3, 4, 7}


def test_weights_are_symmetric_and_add_up_as_asked() -> None:
    x, _ = _line(200)
    near = neighbours.nearest(x, 10)
    graph = neighbours.weights(near)
    assert abs(graph - graph.T).max() < 1e-12
    assert graph.data.min() > 0 and graph.data.max() <= 1
    assert graph.diagonal().sum() == 0


@pytest.mark.slow
def test_weights_and_pseudotime_are_those_of_scanpy() -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import anndata
        import scanpy

        x, _ = _line(800)
        data = anndata.AnnData(x.astype(np.float32))
        scanpy.pp.neighbors(data, n_neighbors=15, use_rep="X")
        scanpy.tl.diffmap(data, n_comps=11)
        data.uns["iroot"] = 5
        scanpy.tl.dpt(data, n_dcs=11)
    graph = neighbours.weights(neighbours.nearest(x, 15))
    assert abs(graph - data.obsp["connectivities"]).max() < 1e-4
    mine = neighbours.diffusion(graph, 10).distances(5)
    np.testing.assert_allclose(mine / mine.max(), data.obs["dpt_pseudotime"], atol=1e-4)


def test_communities_are_numbered_by_size_and_the_same_again() -> None:
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(c, 0.3, (n, 4)) for c, n in ((0, 60), (5, 100), (10, 40))])
    graph = neighbours.weights(neighbours.nearest(x, 10))
    found = neighbours.communities(graph, 0.1, seed=3)
    assert np.bincount(found).tolist() == [100, 60, 40]
    assert (found == neighbours.communities(graph, 0.1, seed=3)).all()
    assert len(set(neighbours.pieces(graph))) == 3


def test_pseudotime_follows_a_curve_from_its_end() -> None:
    x, t = _line(600)
    walk = neighbours.diffusion(neighbours.weights(neighbours.nearest(x, 15)), 10)
    assert spearmanr(walk.distances(int(t.argmin())), t).statistic > 0.97
    with pytest.raises(ValueError, match="three"):
        neighbours.diffusion(neighbours.weights(neighbours.nearest(x[:2], 2)))
