"""Quality, states and their composition: known answers, nulls, real data."""

from __future__ import annotations

from pathlib import Path

import cells_examples as ex
import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest

from rechallenge.faults import NotApplicable
from rechallenge.omics.cells import (
    annotated,
    cell_quality,
    cell_states,
    kept,
    state_composition,
    state_markers,
    state_shifts,
)
from rechallenge.omics.cells.embedding import principal, variable_genes


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """Two groups of two samples each, and what the steps make of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECHALLENGE_DATA", str(tmp_path_factory.mktemp("data")))
        counts, group, _ = ex.simulated("apart", 400)
        cells = ex.study(tmp_path_factory.mktemp("study"), counts, group, samples=2)
        judged = cell_quality(cells)
        return {"cells": cells, "cell_quality": judged, **cell_states(cells, judged, maps=False)}


def test_two_kinds_of_cells_are_two_states(apart: dict[str, pd.DataFrame]) -> None:
    states = apart["cell_states"]
    table = pd.crosstab(states["model"], states["state"]).to_numpy()
    assert table.shape == (2, 2)
    assert table.max(axis=1).sum() >= 0.99 * len(states)
    assert (apart["state_summary"]["stability"] > 0.9).all()
    again = cell_states(apart["cells"], apart["cell_quality"], maps=False)
    pd.testing.assert_frame_equal(again["cell_states"], states)


def test_the_order_of_rows_does_not_matter(apart: dict[str, pd.DataFrame]) -> None:
    mixed = apart["cells"].sample(frac=1, random_state=3).reset_index(drop=True)
    found = cell_states(mixed, cell_quality(mixed), maps=False)["cell_states"].set_index("cell")
    first = apart["cell_states"].set_index("cell").loc[found.index]
    assert (found["state"] == first["state"]).mean() > 0.99


def test_composition_and_shifts_count_samples_and_not_cells(apart: dict[str, pd.DataFrame]) -> None:
    shares = state_composition(apart["cell_states"])
    assert shares.groupby("sample")["fraction"].sum().to_numpy() == pytest.approx(1)
    assert (shares["ci_low"] <= shares["fraction"]).all() and (shares["fraction"] <= shares["ci_high"]).all()
    lone = state_shifts(apart["cell_states"].query("replicate == '1'"), apart["cells"], ex.MODELS)
    assert set(lone["status"]) == {"not_testable"} and lone["p_value"].isna().all()
    with pytest.raises(NotApplicable):
        state_shifts(apart["cell_states"].query("model == 'P'"), apart["cells"], ex.MODELS)


def _shares(shares: dict[tuple[str, str], float], n: int = 200) -> pd.DataFrame:
    """Cells in two states, with the share of state 2 in each (model, replicate)."""
    rows = [
        ("cells", f"{m}{r}{i}", f"{m}{r}", m, "", "none", "", r, "", "2" if i < round(share * n) else "1")
        for (m, r), share in shares.items()
        for i in range(n)
    ]
    names = ["dataset", "cell", "sample", "model", "patient", "treatment", "stage", "replicate", "batch", "state"]
    return pd.DataFrame(rows, columns=names)


def test_shifts_are_tested_over_samples(apart: dict[str, pd.DataFrame]) -> None:
    far = {("P", "a"): 0.1, ("P", "b"): 0.12, ("P", "c"): 0.08, ("R", "d"): 0.5, ("R", "e"): 0.6, ("R", "f"): 0.55}
    found = state_shifts(_shares(far), apart["cells"], ex.MODELS).set_index("state")
    assert found.loc["2", "effect"] > 2 and found.loc["2", "q_value"] < 0.01 and found.loc["2", "n"] == 6
    assert found.loc["1", "effect"] == pytest.approx(-found.loc["2", "effect"])
    # ten times the cells are no more samples
    more = state_shifts(_shares(far, 2000), apart["cells"], ex.MODELS).set_index("state")
    assert more.loc["2", "p_value"] == pytest.approx(found.loc["2", "p_value"], rel=0.5)


def test_shifts_between_samples_of_one_kind_are_not_called(apart: dict[str, pd.DataFrame]) -> None:
    """Samples differ far more than their cells say; p below .05 in at most so many as 5 % allow."""
    rng = np.random.default_rng(0)
    called = 0
    for _ in range(60):
        share = 1 / (1 + np.exp(-rng.normal(-1, 0.8, 6)))
        keys = [("P", "a"), ("P", "b"), ("P", "c"), ("R", "d"), ("R", "e"), ("R", "f")]
        one = state_shifts(_shares(dict(zip(keys, share, strict=True)), 100), apart["cells"], ex.MODELS)
        called += bool(one["p_value"].iloc[0] < 0.05)
    assert binomtest(called, 60, 0.05, alternative="greater").pvalue > 0.01


def test_markers_have_no_p_value(apart: dict[str, pd.DataFrame]) -> None:
    markers = state_markers(apart["cells"], apart["cell_states"])
    assert set(markers["status"]) == {"not_testable"} and "p_value" not in markers
    assert (markers["log2fc"] > 0).all() and (markers["reason"] != "").all()


def test_results_beside_the_counts_as_anndata(apart: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    states = apart["cell_states"]
    time = states[["dataset", "cell"]].head(10).assign(contrast="R vs P", pseudotime=0.5)
    data = annotated(apart["cells"], states, time)
    assert data.obs_names.tolist() == states["cell"].tolist() and data.obs["state"].tolist() == states["state"].tolist()
    assert data.X.sum() == apart["cells"]["n_counts"].sum()
    assert data.obsm["X_pca"].shape == (len(states), 30) and "X_umap" not in data.obsm
    assert data.obs["pseudotime R vs P"].notna().sum() == 10
    data.write_h5ad(tmp_path / "copy.h5ad")
    again = ex.table(tmp_path, "copy.h5ad")
    assert again["n_counts"].tolist() == kept(apart["cells"], states)["n_counts"].tolist()


def test_scores_of_every_cell_beside_the_counts(apart: dict[str, pd.DataFrame]) -> None:
    states = apart["cell_states"]
    markers = state_markers(apart["cells"], states)
    sets = {f"of {s}": part["gene"].head(20).tolist() for s, part in markers.groupby("state")} | {"few": ["GENE1"]}
    net = pd.DataFrame([("TF", g, 1.0) for g in sets["of 1"]], columns=["tf", "target", "weight"])
    data = annotated(apart["cells"], states, sets=sets, regulons=net)
    inside = (states["state"] == "1").to_numpy()
    for name, column in (("aucell", "of 1"), ("ulm", "TF")):
        table = data.obsm[name]
        assert "few" not in table and table.index.equals(data.obs_names)
        assert table.loc[inside, column].median() > table.loc[~inside, column].quantile(0.9)


def test_one_population_is_one_state(tmp_path: Path) -> None:
    counts, group, _ = ex.simulated("one", 400, seed=2)
    cells = ex.study(tmp_path, counts, group)
    found = cell_states(cells, cell_quality(cells), maps=False)
    assert set(found["cell_states"]["state"]) == {"1"}
    with pytest.raises(NotApplicable):
        state_markers(cells, found["cell_states"])


def test_a_state_of_one_sample_is_said_to_be_perhaps_a_batch(apart: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    counts, group, _ = ex.simulated("apart", 300)
    cells = ex.study(tmp_path, counts, group)
    found = cell_states(cells, cell_quality(cells), maps=False)["state_summary"]
    assert found["verdict"].str.contains("one sample").all()
    assert not apart["state_summary"]["verdict"].str.contains("alone").any()


def test_bad_cells_are_left_out_with_a_reason(tmp_path: Path) -> None:
    counts, group, _ = ex.simulated("one", 300, seed=4)
    names = ex.names_of(counts.shape[1])
    counts[:5] = 0
    counts[:5, 0] = 3  # three molecules
    mito = [i for i, n in enumerate(names) if n.startswith("MT-")]
    counts[5:9, mito] += 600
    counts[9] *= 200
    cells = ex.study(tmp_path, counts, group)
    judged = cell_quality(cells)
    assert judged["cell"].tolist() == cells["cell"].tolist()
    why = judged["why"].tolist()
    assert all("fewer than 200" in w for w in why[:5])
    assert all("mitochondrial" in w for w in why[5:9])
    assert "above" in why[9]
    assert judged["kept"].mean() > 0.95
    assert (judged["kept"] == (judged["why"] == "")).all()
    other = cells.assign(values="log")
    assert set(cell_quality(other)["status"]) == {"not_testable"} and cell_quality(other)["kept"].all()


def test_few_cells_are_not_sorted(apart: dict[str, pd.DataFrame]) -> None:
    with pytest.raises(NotApplicable, match="50"):
        cell_states(apart["cells"].head(30), apart["cell_quality"].head(30))


def test_variable_genes_are_those_that_vary_within_batches(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    mean = np.exp(rng.normal(0, 1, 300))
    x = rng.poisson(mean, (400, 300)).astype(np.float32)
    half = np.arange(400) % 2 == 0
    lane = np.arange(400) < 200
    x[half, 20:30] = rng.poisson(4 * mean[20:30] + 3, (200, 10))  # biology in every batch
    x[lane, 40:50] = rng.poisson(4 * mean[40:50] + 3, (200, 10))  # a lane alone
    obs = pd.DataFrame(
        {"sample": "s", "model": "P", "lane": np.where(lane, "a", "b")}, index=[f"c{i}" for i in range(400)]
    )
    ex.write_h5ad(tmp_path / "x.h5ad", x, ex.names_of(300), obs)
    cells = ex.table(tmp_path, "x.h5ad")
    names = np.array(ex.names_of(300))
    chosen = set(variable_genes(cells, 10).query("chosen")["gene"])
    assert chosen == set(names[20:30])
    whole = set(variable_genes(cells.assign(batch=""), 20).query("chosen")["gene"])
    assert whole == set(names[20:30]) | set(names[40:50])
    scores = principal(cells, sorted(chosen), 2).scores
    assert abs(np.corrcoef(scores[:, 0], half)[0, 1]) > 0.9


@pytest.mark.slow
def test_three_lines_are_three_states(shared: Path, tmp_path: Path) -> None:
    """sc_mixology CEL-seq2 (Tian et al. 2019, doi:10.1038/s41592-019-0425-8)."""
    from sklearn.metrics import adjusted_rand_score

    folder = shared / "data" / "cells"
    cells = ex.table(folder, "sc_mixology_sc_celseq2.count.csv.gz")
    truth = pd.read_csv(folder / "sc_mixology_sc_celseq2.metadata.csv.gz", index_col=0)["cell_line"]
    found = cell_states(cells, cell_quality(cells), maps=False)["cell_states"]
    assert set(found["state"]) == {"1", "2", "3"}
    assert adjusted_rand_score(truth.loc[found["cell"]], found["state"]) > 0.93


@pytest.mark.slow
def test_maps_are_the_same_again(apart: dict[str, pd.DataFrame]) -> None:
    first = cell_states(apart["cells"], apart["cell_quality"])["cell_states"]
    pd.testing.assert_frame_equal(cell_states(apart["cells"], apart["cell_quality"])["cell_states"], first)
    assert first[["umap1", "umap2", "tsne1", "tsne2"]].notna().all().all()


@pytest.mark.slow
def test_planted_doublets_are_found(tmp_path: Path) -> None:
    counts, group, _ = ex.simulated("apart", 1200, seed=5, size=1.5)
    rng = np.random.default_rng(0)
    a, b = rng.choice(np.flatnonzero(group == 0), 60), rng.choice(np.flatnonzero(group == 1), 60)
    both = np.concatenate([counts, counts[a] + counts[b]])
    cells = ex.study(tmp_path, both, np.concatenate([group, np.zeros(60, dtype=int)])).assign(sample="s", replicate="1")
    judged = cell_quality(cells)
    doubled = np.arange(len(both)) >= 1200
    assert judged["doublet_score"].notna().sum() > 1000
    assert judged.loc[doubled, "doublet"].mean() > 0.6
    assert judged.loc[~doubled, "doublet"].mean() < 0.03
