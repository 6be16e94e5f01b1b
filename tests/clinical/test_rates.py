"""Rates over many studies: how often nothing is called something, and something is found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import patients_examples as examples
import pytest

from rechallenge.clinical.cohorts import scan, subgroups, verdicts


def halves(tables: examples.Tables, seed: int, parts: int = 2) -> examples.Tables:
    """One real cohort cut at random into `parts` that stand for independent cohorts."""
    people, matrix, sheet = tables
    rng = np.random.default_rng(seed)
    label = dict(zip(people["patient"], rng.integers(0, parts, len(people)), strict=True))
    people = people.assign(cohort=[f"part {label[p]}" for p in people["patient"]])
    sheet = sheet.assign(dataset=[f"part {label[s]}" for s in sheet["sample"]])
    frames = []
    for k in range(parts):
        mine = [s for s in sheet["sample"] if label[s] == k]
        frames.append(matrix[["feature", "_file", "_row", *mine]].assign(dataset=f"part {k}"))
    return people, pd.concat(frames, ignore_index=True), sheet


@pytest.mark.slow
def test_random_genes_of_tcga_are_rarely_supported(shared: Path) -> None:
    """TCGA liver cancer in two random halves, so that associations of the whole do replicate: though every fifth gene
    has p < .05, at most 5 % of random genes may be called supported. The labels of survival shuffled: nearly none."""
    tables = examples.tcga(shared)
    genes = sorted(tables[1]["feature"])
    real, null, single = [], [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        chosen = tuple(rng.choice(genes, 60, replace=False))
        table, _, _ = examples.judged(halves(tables, seed), chosen)
        real.append((table.drop_duplicates("gene")["verdict"] == verdicts.SUPPORTED).mean())
        people = tables[0].copy()
        order = rng.permutation(len(people))
        people[["time", "event"]] = people[["time", "event"]].to_numpy()[order]
        people["treatment_start"] = np.nan
        table, _, _ = examples.judged(halves((people, *tables[1:]), seed), chosen)
        null.append((table.drop_duplicates("gene")["verdict"] == verdicts.SUPPORTED).mean())
        table, _, _ = examples.judged((people, *tables[1:]), chosen)
        single.append((table["verdict"] == verdicts.SUGGESTIVE).mean())
    print(f"supported: real halves {np.mean(real):.4f}, shuffled {np.mean(null):.4f}; suggestive {np.mean(single):.4f}")
    assert np.mean(real) < 0.05 and np.mean(null) < 0.01 and np.mean(single) < 0.08


@pytest.mark.slow
def test_a_hazard_ratio_of_one_and_a_half_with_130_events_is_found() -> None:
    """More than 95 % of single cohorts call it suggestive (more they may not), none supported."""
    said = []
    for seed in range(150):
        tables = examples.cohort(seed, driver=1.5, proliferation=1.3, background=200)
        table, _, _ = examples.judged(tables, ("DRIVER",), draws=9)
        said.append(table["verdict"].iloc[0])
    share = np.mean([s == verdicts.SUGGESTIVE for s in said])
    print(f"found in {share:.3f} of 150 cohorts")
    assert share > 0.95 and verdicts.SUPPORTED not in said


@pytest.mark.slow
def test_followers_of_proliferation_are_removed() -> None:
    """Genes that only follow a hidden proliferation, in single cohorts: by p alone most pass, after adjustment few.
    What is left is what the score cannot see: thirty genes measure the hidden state with a correlation of about .99."""
    raw, called, supported = [], [], []
    for seed in range(60):
        tables = examples.several([seed, 1000 + seed], driver=1.0, proliferation=1.7, background=150)
        table, _, _ = examples.judged(tables, ("FOLLOWER",), draws=9)
        raw.append((table["p_value"] < 0.05).all())
        called.append(table["verdict"].iloc[0] != verdicts.NOT)
        supported.append(table["verdict"].iloc[0] == verdicts.SUPPORTED)
    print(f"p < .05 in both {np.mean(raw):.2f}; still called {np.mean(called):.3f}; supported {np.mean(supported):.3f}")
    assert np.mean(raw) > 0.7 and np.mean(called) < 0.05 and np.mean(supported) < 0.05


@pytest.mark.slow
def test_null_rate_of_subgroups_and_of_treatment() -> None:
    """Interactions under the null at 5 %; immortal time: the mean log hazard ratio within .02 of 0."""
    rng = np.random.default_rng(0)
    p, logs, naive = [], [], []
    of = pd.DataFrame({"gene": [f"G{i}" for i in range(40)], "kind": "gene", "why": "x", "selected": False,
                       "measured": True})  # fmt: skip
    for seed in range(25):
        people, matrix, sheet = examples.cohort(seed, background=40, driver=1.0)
        out = subgroups.subgroups(people, of, matrix, sheet, factors=("sex",))
        p.extend(out.drop_duplicates("gene")["interaction_p_value"])
    for _ in range(60):
        time, start = rng.exponential(20, 400), rng.exponential(15, 400)
        table = pd.DataFrame(
            {"patient": [f"P{i}" for i in range(400)], "cohort": "C", "endpoint": "OS", "time": time, "event": "1",
             "treatment": np.where(start < time, "drug", ""), "treatment_start": np.where(start < time, start, np.nan)}
        )  # fmt: skip
        row = subgroups.treatment_survival(table).iloc[0]
        logs.append(np.log(row["hr"]))
        naive.append(row["naive_hr"])
    print(f"interaction {np.mean(np.array(p) < 0.05):.3f}; HR {np.exp(np.mean(logs)):.3f}, naive {np.mean(naive):.2f}")
    assert 0.03 < np.mean(np.array(p) < 0.05) < 0.08
    assert abs(np.mean(logs)) < 0.04 and np.mean(naive) < 0.6


@pytest.mark.slow
def test_null_p_values_of_the_scan_are_uniform() -> None:
    out = scan.survival_scan(*examples.cohort(3, background=3000, driver=1.0, proliferation=1.0))
    null = out[out["gene"].str.startswith("G")]["p_value"]
    assert abs((null < 0.05).mean() - 0.05) < 0.016 and (out["q_value"].dropna() >= out["p_value"].dropna()).all()
