"""Sparse scores against their definitions on dense matrices, and counts drawn to one depth."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rechallenge.stats import depth, networks, sparse_activity


def data(seed: int = 0, cells: int = 30, genes: int = 120, density: float = 0.3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.poisson(2.0, (cells, genes)) * (rng.random((cells, genes)) < density).astype(float)


def net(genes: int = 120, sources: int = 12, seed: int = 1) -> tuple[networks.Network, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    rows = [(f"T{k:02d}", f"G{g}", rng.choice([-1.0, 1.0, 0.5])) for k in range(sources)
            for g in rng.choice(genes, rng.integers(3, 15), replace=False)]  # fmt: skip
    known = pd.DataFrame(rows, columns=["tf", "target", "weight"])
    return networks.network(known, pd.Index([f"G{g}" for g in range(genes)])), known


def test_ulm_is_the_t_of_a_regression_of_every_cell():
    x = data()
    made, _ = net()
    w, names = sparse_activity.weights(made, x.shape[1], smallest=5)
    found = sparse_activity.ulm(sp.csr_array(x), w)
    dense = w.toarray()
    for i, j in itertools.product(range(0, len(x), 7), range(len(names))):
        fit = stats.linregress(dense[:, j], x[i])
        assert found[i, j] == pytest.approx(fit.slope / fit.stderr, rel=1e-9)
    sizes = (dense != 0).sum(axis=0)
    assert sizes.min() >= 5 and len(names) < 12
    # the network form on one vector is the same score
    at = [made.factors.index(n) for n in names]
    np.testing.assert_allclose(networks.ulm(x[0], made)[at], found[0], rtol=1e-9)


def test_ulm_of_what_does_not_vary_is_no_number():
    x = np.zeros((2, 30))
    x[1] = 3.0
    w = sp.csr_array(np.r_[np.ones((6, 1)), np.zeros((24, 1))])
    assert np.isnan(sparse_activity.ulm(sp.csr_array(x), w)).all()
    with pytest.raises(ValueError, match="features"):
        sparse_activity.ulm(sp.csr_array(x), w[:10])


def recovery(order: list[int], genes: set[int], upper: int) -> float:
    """AUCell by its definition: area under the steps of the recovery curve below the upper ranks."""

    def area(ranks: list[int]) -> int:
        steps = [*sorted(r for r in ranks if r < upper), upper]
        return sum((b - a) * k for k, (a, b) in enumerate(itertools.pairwise(steps), start=1))

    found = [r for r, g in enumerate(order, start=1) if g in genes]
    return area(found) / area(list(range(1, len(genes) + 1)))


def test_aucell_without_ties_is_the_area_of_the_recovery_curve():
    rng = np.random.default_rng(3)
    x = rng.permuted(np.arange(1.0, 101.0)[None, :].repeat(5, axis=0), axis=1)
    sets = {"a": list(range(10)), "b": list(range(40, 80, 3))}
    m, names = sparse_activity.members({k: [str(g) for g in v] for k, v in sets.items()}, [str(i) for i in range(100)])
    found = sparse_activity.aucell(sp.csr_array(x), m, 0.2)
    for i, (j, name) in itertools.product(range(5), enumerate(names)):
        order = list(np.argsort(-x[i]))
        assert found[i, j] == pytest.approx(recovery(order, set(sets[name]), 20))


def test_aucell_with_ties_is_the_mean_over_all_their_orders():
    x = np.array([[3.0, 3.0, 1.0, 0.0, 0.0, 0.0]])
    genes = {1, 3}
    m = sp.csr_array(np.isin(np.arange(6), list(genes)).astype(float)[:, None])
    found = sparse_activity.aucell(sp.csr_array(x), m, 5 / 6)[0, 0]
    orders = [[*a, 2, *b] for a in itertools.permutations([0, 1]) for b in itertools.permutations([3, 4, 5])]
    assert found == pytest.approx(np.mean([recovery(o, genes, 5) for o in orders]))


@given(st.integers(0, 50))
@settings(max_examples=15, deadline=None)
def test_scores_do_not_depend_on_the_order_of_genes(seed: int):
    x = data(seed, cells=4, genes=60)
    order = np.random.default_rng(seed).permutation(60)
    sets = {f"s{k}": [str(g) for g in range(5 * k, 5 * k + 9)] for k in range(8)}
    names = [str(i) for i in range(60)]
    m, _ = sparse_activity.members(sets, names)
    other, _ = sparse_activity.members(sets, [names[i] for i in order])
    np.testing.assert_allclose(
        sparse_activity.aucell(sp.csr_array(x), m, 0.2), sparse_activity.aucell(sp.csr_array(x[:, order]), other, 0.2)
    )
    a, b = sparse_activity.ulm(sp.csr_array(x), m), sparse_activity.ulm(sp.csr_array(x[:, order]), other)
    np.testing.assert_allclose(a, b, rtol=1e-9)


def test_drawn_counts_are_hypergeometric_and_exact_in_number():
    x = sp.csr_array(np.tile([40.0, 0.0, 20.0, 4.0], (4000, 1)))
    drawn = depth.downsampled(x, 16, seed=3)
    assert set(np.asarray(drawn.sum(axis=1)).ravel()) == {16.0}
    first = np.asarray(drawn[:, [0]].todense()).ravel()
    expected = stats.hypergeom(64, 40, 16)
    assert first.mean() == pytest.approx(expected.mean(), abs=4 * expected.std() / np.sqrt(4000))
    assert first.var() == pytest.approx(expected.var(), rel=0.12)
    assert (drawn != depth.downsampled(x, 16, seed=3)).nnz == 0
    with pytest.raises(ValueError, match="4000 rows have fewer than 65"):
        depth.downsampled(x, 65)


def test_diversity_follows_what_is_detected_and_not_depth_once_drawn_to_one():
    rng = np.random.default_rng(0)
    base = rng.dirichlet(np.full(800, 0.3))
    totals = np.r_[np.full(150, 1000), np.full(150, 6000)]
    x = sp.csr_array(np.array([rng.multinomial(t, base) for t in totals]).astype(float))
    deep = depth.diversity(x)
    assert deep[150:].mean() - deep[:150].mean() > 0.4  # the artefact: depth alone
    even = depth.diversity(depth.downsampled(x, 1000, seed=1))
    assert abs(even[150:].mean() - even[:150].mean()) < 0.1
    assert np.isnan(depth.diversity(x[:2])).all()
