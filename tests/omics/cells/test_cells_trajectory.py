"""A way from parental to resistant is found where there is one and not where there is none."""

from __future__ import annotations

from pathlib import Path

import cells_examples as ex
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import binomtest, spearmanr

from rechallenge.faults import NotApplicable
from rechallenge.omics.cells import cell_quality, cell_states, paths, trajectory
from rechallenge.omics.cells.trajectory import ordered


def _middle(kind: str, seed: int, **how: float) -> paths.Middle:
    counts, group, _ = ex.simulated(kind, seed=seed, **how)  # type: ignore[arg-type]
    nothing = np.zeros(len(group), dtype=np.int64)
    return paths.middle(sparse.csr_array(counts), counts.sum(axis=1), group, nothing, seed)


def _all(folder: Path, kind: str, samples: int = 2, **how: float) -> tuple[dict[str, pd.DataFrame], np.ndarray]:
    counts, group, place = ex.simulated(kind, **how)  # type: ignore[arg-type]
    cells = ex.study(folder, counts, group, samples)
    found = cell_states(cells, cell_quality(cells), maps=False, resolution=0.3)
    return trajectory(cells, found["cell_states"], found["variable_genes"], ex.MODELS), place


def test_a_planted_way_is_found_and_followed(tmp_path: Path) -> None:
    found, place = _all(tmp_path, "path", n=800, seed=3)
    row = found["trajectory"].iloc[0]
    assert row["status"] == "path" and not row["exploratory"], row["verdict"]
    assert "lead from P to R" in row["verdict"]
    assert row["root_agreement"] > 0.8 and row["stability"] > 0.8
    time = found["pseudotime"]
    true = place[time["cell"].str[1:].astype(int)]
    assert spearmanr(time["pseudotime"], true).statistic > 0.85
    assert time["pseudotime"].between(0, 1).all()
    states = found["trajectory_states"]
    assert states["order"].tolist() == list(range(1, len(states) + 1))
    assert ((states["ci_low"] <= states["ci_high"]) & states["pseudotime"].is_monotonic_increasing).all()


def test_two_lines_that_are_apart_have_no_trajectory(tmp_path: Path) -> None:
    found, _ = _all(tmp_path, "apart", samples=1, n=400)
    row = found["trajectory"].iloc[0]
    assert row["status"] == "no_path" and row["exploratory"]
    assert "no trajectory" in row["verdict"] and "are apart" in row["verdict"] and "exploratory" in row["verdict"]
    assert found["pseudotime"].empty and found["trajectory_states"].empty
    assert list(found["pseudotime"].columns) == list(_columns())


def _columns() -> tuple[str, ...]:
    from rechallenge.omics.cells.trajectory import PSEUDOTIME

    return PSEUDOTIME


def test_one_population_has_no_trajectory(tmp_path: Path) -> None:
    found, _ = _all(tmp_path, "one", n=400)
    row = found["trajectory"].iloc[0]
    assert row["status"] == "no_path" and "not apart" in row["verdict"]


def test_without_counts_or_cells_it_is_not_testable(tmp_path: Path) -> None:
    counts, group, _ = ex.simulated("apart", 300)
    cells = ex.study(tmp_path, counts, group)
    found = cell_states(cells, cell_quality(cells), maps=False, resolution=0.3)
    rest = (found["cell_states"], found["variable_genes"], ex.MODELS)
    row = trajectory(cells.assign(values="log"), *rest)["trajectory"].iloc[0]
    assert row["status"] == "not_testable" and "without counts" in row["verdict"]
    few = pd.concat([g.head(20) for _, g in found["cell_states"].groupby("model")])
    row = trajectory(cells, few, *rest[1:])["trajectory"].iloc[0]
    assert row["status"] == "not_testable" and "fewer than 50" in row["verdict"]
    with pytest.raises(NotApplicable):
        trajectory(cells, few[few["model"] == "P"], *rest[1:])


def test_halves_add_up_and_are_independent() -> None:
    rng = np.random.default_rng(0)
    counts = sparse.csr_array(rng.poisson(3.0, (400, 50)).astype(np.float32))
    first, second = paths.split(counts, 1)
    np.testing.assert_array_equal((first + second).toarray(), counts.toarray())
    r = np.corrcoef(first.toarray().ravel(), second.toarray().ravel())[0, 1]
    assert abs(r) < 0.02


@pytest.mark.parametrize("how", [{}, {"size": 0.5}, {"cycle": 1.0}, {"ratio": 0.4}])
def test_no_cells_between_two_lines(how: dict[str, float]) -> None:
    """Also where they hardly differ, divide, or one is sequenced less deeply."""
    found = _middle("apart", 1, **how)
    assert found.separation > 0.9
    assert found.gaps()


@pytest.mark.slow
@pytest.mark.parametrize("how", [{}, {"size": 0.5}, {"size": 0.35, "noise": 0.0}, {"cycle": 1.0}, {"ratio": 0.4}])
def test_nulls_are_not_called(how: dict[str, float]) -> None:
    """Two homogeneous groups, also with a programme of its own in both: of 60 no more are called than 5 % allow.

    The density that is asked keeps them out: counts that vary more than Poisson's make halves depend on each other.
    """
    called = sum(not f.gaps() and bool(f.stretches) for f in (_middle("apart", s, **how) for s in range(60)))
    assert binomtest(called, 60, 0.05, alternative="greater").pvalue > 0.01


@pytest.mark.slow
def test_the_halves_test_holds_its_level() -> None:
    """p of the middle stretch alone, where nothing is between and counts are Poisson."""
    rejected = 0
    for seed in range(200):
        found = _middle("apart", seed, size=0.3, noise=0.0, n=400, genes=300)
        rejected += bool(len(found.p_values) and found.p_values[len(found.p_values) // 2] < 0.05)
    assert binomtest(rejected, 200, 0.05, alternative="greater").pvalue > 0.01


@pytest.mark.slow
def test_planted_ways_are_found() -> None:
    called = sum(not f.gaps() for f in (_middle("path", s, n=1000) for s in range(20)))
    assert called >= 14


@pytest.mark.slow
def test_mixtures_of_rna_are_ordered(shared: Path) -> None:
    """RNAmix CEL-seq2, HCC827 to the other two (Tian et al. 2019, doi:10.1038/s41592-019-0425-8)."""
    folder = shared / "data" / "cells"
    cells = ex.table(folder, "sc_mixology_RNAmix_celseq2.count.csv.gz")
    about = pd.read_csv(folder / "sc_mixology_RNAmix_celseq2.metadata.csv.gz").set_index("cell_name")
    states = cell_states(cells, cell_quality(cells), maps=False)["cell_states"]
    share = about.loc[states["cell"], "HCC827_prop"].to_numpy()
    points = states[[f"pc{i}" for i in range(1, 31)]].to_numpy()
    found = ordered(points, np.flatnonzero(share > 0.6), 10, 0)
    assert found.agreement > 0.9
    assert spearmanr(found.time, 1 - share).statistic > 0.92


@pytest.mark.slow
def test_two_replicates_of_one_treatment_have_no_trajectory(shared: Path) -> None:
    """PC9, day 11 of erlotinib twice (Aissa et al. 2021, doi:10.1038/s41467-021-21884-z); the file names mislead."""
    folder = shared / "data" / "cells"
    parts = [
        ex.table(folder, f"GSE147405_Day11_{file}.txt.gz", name="pc9", model=model, sample=model)
        for file, model in (("control", "P"), ("Erlotinib", "R"))
    ]
    cells = pd.concat(parts, ignore_index=True)
    found = cell_states(cells, cell_quality(cells, min_genes=500), maps=False)
    for seed in range(3):
        row = trajectory(cells, found["cell_states"], found["variable_genes"], ex.MODELS, seed=seed)["trajectory"].iloc[
            0
        ]
        assert row["status"] == "no_path" and row["exploratory"], row["verdict"]
        assert "no trajectory" in row["verdict"]
