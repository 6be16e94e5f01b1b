"""Simulated metabolomes: what was planted is there, and nothing else is the same in both lines."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rechallenge.simulate import metabolism


def lines(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Mean log2 change of every metabolite in the two lines."""
    values = tables["metabolite_values"].merge(tables["metabolites_samples"][["sample", "model"]], on="sample")
    mean = values.groupby(["feature", "model"])["value"].mean().unstack()  # noqa: PD010
    return mean.drop(columns="Huh-7 P").sub(mean["Huh-7 P"], axis=0)


def test_the_chain_is_planted_in_both_lines() -> None:
    changes = lines(metabolism.tables("driver", n=60, seed=0))
    for compound, size in metabolism.CHAIN.items():
        assert changes.loc[compound].to_numpy() == pytest.approx([size, size], abs=0.4), compound
    flat = lines(metabolism.tables("flat", n=60, seed=0))
    assert np.abs(flat.loc[list(metabolism.CHAIN)].to_numpy()).max() < 0.4
    opposed = lines(metabolism.tables("opposed", n=60, seed=0))
    assert (opposed.loc["sorbitol"] < -0.8).all()


def test_rna_of_the_key_enzyme_and_names_of_contrasts() -> None:
    for scenario, size in (("driver", metabolism.KEY_LOG2FC), ("flat", metabolism.KEY_LOG2FC), ("null", 0.0)):
        rna = metabolism.tables(scenario, seed=2)["differential"]  # type: ignore[arg-type]
        row = rna[rna["feature"] == metabolism.KEY]
        assert row["log2fc"].to_numpy() == pytest.approx([size, size], abs=1.0)
        assert set(rna["contrast"]) == {"Huh-7 LR vs Huh-7 P", "Huh-7 SR vs Huh-7 P"}


def test_same_seed_same_tables() -> None:
    one, same, other = (metabolism.tables("driver", seed=s) for s in (4, 4, 5))
    for name, frame in one.items():
        pd.testing.assert_frame_equal(frame, same[name])
    assert not one["metabolite_values"].equals(other["metabolite_values"])


def test_noise_is_shared_within_pathways() -> None:
    """Compounds of one pathway move together; 400 samples make any seed do."""
    names = metabolism.panel()
    y = metabolism.noise(np.random.default_rng(0), 400, names, metabolism.Noise(shared=0.8))
    r = np.corrcoef(y.T)
    tca = [names.index(n) for n in ("succinate", "fumarate", "malate", "citrate")]
    assert r[np.ix_(tca, tca)][np.triu_indices(4, 1)].mean() > 0.2
    assert abs(r[np.triu_indices(len(names), 1)].mean()) < 0.1
