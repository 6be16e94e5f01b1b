"""The simulated studies of evidence, and a small version of the benchmark of the candidates' statistic."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from benchmarks import evidence as benchmark

from rechallenge.integration.candidates import candidates
from rechallenge.simulate.evidence import NULLS, SCENARIOS, STREAMS, Scenario, evidence_table, streams


def recall(method: str, scenario: str, seeds: range) -> float:
    """Share of studies in which the driver is among the first ten."""
    hits = []
    for seed in seeds:
        s = streams(SCENARIOS[scenario], seed=seed)
        if method == benchmark.OURS:
            score = benchmark.ours(s, 1)[0].score
        else:
            score = benchmark.PEERS[method](s)
        hits.append(benchmark.rank(score, s.driver) <= 10)
    return float(np.mean(hits))


def test_same_seed_same_study_and_the_planted_driver_stands_out():
    one, two = (streams(Scenario(), seed=4) for _ in range(2))
    np.testing.assert_array_equal(one.z, two.z)
    z = np.array([s.z[s.driver] for s in (streams(Scenario(), seed=k) for k in range(40))])
    assert (np.nanmean(z, axis=0) > 1.8).all() and z.shape[1] == len(STREAMS)
    quiet = np.array([s.z[s.driver] for s in (streams(SCENARIOS["no mRNA"], seed=k) for k in range(40))])
    assert (np.abs(np.nanmean(quiet[:, :4], axis=0)) < 0.6).all() and np.nanmean(quiet[:, 6]) > 2
    wrong = [streams(SCENARIOS["survival wrong sign"], seed=k) for k in range(20)]
    assert np.mean([s.z[s.driver, 6] for s in wrong]) < -2


def test_nothing_is_planted_in_the_complete_null():
    z = np.concatenate([streams(NULLS["N0"], seed=k).z for k in range(4)])
    far = [float((np.abs(z[np.isfinite(z[:, j]), j]) > 1.96).mean()) for j in range(z.shape[1])]
    # metabolites share their compounds, so the standard error of their share is larger than binomial
    assert far[5] == pytest.approx(0.05, abs=0.005) and far[6] == pytest.approx(0.05, abs=0.005)
    assert far[4] == pytest.approx(0.05, abs=0.02) and far[7] == pytest.approx(0.05, abs=0.015)
    # variances are drawn to a common one with fewer degrees of freedom than they have: cells are conservative
    assert all(share < 0.055 for share in far[:4])


def test_the_benchmark_scores_as_the_analysis_does():
    small = Scenario(genes=1500)
    s = streams(small, seed=11)
    table = candidates(evidence_table(s), n_permutations=5, n_draws=2)["candidates"].set_index("entity")
    found = benchmark.ours(s, 5)[0]
    score = pd.Series(found.score, index=[f"G{i}" for i in range(1500)])
    np.testing.assert_allclose(table["score"], score.reindex(table.index), atol=1e-3)


def test_candidates_find_the_driver_where_peers_do_not():
    seeds = range(900, 912)
    assert recall(benchmark.OURS, "base", seeds) >= 0.75
    assert recall("|log2FC| rank, first line", "base", seeds) == 0
    ours = recall(benchmark.OURS, "no mRNA", seeds)
    for peer in ("RRA", "Stouffer", "harmonic sum", "intersection, by log2FC"):
        assert ours > recall(peer, "no mRNA", seeds)


def test_passengers_and_confounders_alone_are_not_called():
    called = [benchmark.ours(streams(NULLS["N2"], seed=k), 30)[0].tier.min() == 1 for k in range(6)]
    assert sum(called) <= 1


@pytest.mark.slow
def test_acceptance(capsys: pytest.CaptureFixture[str]):
    benchmark.main(4, timed=False)
    printed = capsys.readouterr().out
    assert "recall@10" in printed and "candidates, tier 1" in printed
