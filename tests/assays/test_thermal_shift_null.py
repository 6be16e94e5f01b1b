"""Thermal shift: normalisation as the package TPP does it, and what is found where nothing is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_thermal_shift import MODELS, panobinostat, proteome

from rechallenge.assays import thermal_shift as assay
from rechallenge.assays.thermal_shift.melting import exchanges
from rechallenge.assays.thermal_shift.prepare import comparisons, fractions, matrix, normalised, tidied
from rechallenge.assays.thermal_shift.reading import read
from rechallenge.stats.melt import f_test, fit_melts
from rechallenge.stats.multiplicity import bh
from rechallenge.study import TableSource


def test_normalisation_is_that_of_the_package_tpp(shared: Path, tmp_path: Path) -> None:
    """TPP 3.23.0 under R on its 508 proteins (`hdacTR_resultTable`): the factors of all forty samples, from 22
    proteins that have four spectra or more in every run and melt within the run with most of them."""
    folder = shared / "data" / "target" / "tpp"
    runs = ["Vehicle_1", "Vehicle_2", "Panobinostat_1", "Panobinostat_2"]
    for run in runs:
        (tmp_path / f"{run}.csv").write_bytes((folder / f"hdacTR_{run}.csv").read_bytes())
    config = (folder / "hdacTR_config.csv").read_text("utf-8").replace("Treatment", "panobinostat")
    (tmp_path / "config.csv").write_text(config, encoding="utf-8")
    source = TableSource(values=[f"{run}.csv" for run in runs], samples="config.csv")
    frame = read(source, tmp_path, assay.THERMAL_SHIFT, MODELS).frame
    ((model, drug, rows),) = comparisons(tidied(frame))
    one, _ = fractions(matrix(model, drug, rows, "melting curves"))
    after, quality = normalised(one)
    assert quality["n_proteins"].eq(22).all() and "4 or more spectra" in quality["by"].iloc[0]
    tpp = pd.read_csv(folder / "hdacTR_resultTable.csv").set_index("Protein_ID").reindex(list(one.proteins))
    labels = {67: "126", 63: "127L", 59: "127H", 56: "128L", 53: "128H", 50: "129L", 47: "129H", 44: "130L", 41: "130H",
              37: "131L"}  # fmt: skip
    for j, sample in enumerate(one.samples.itertuples()):
        arm = "Panobinostat" if sample.treated else "Vehicle"
        want = tpp[f"norm_rel_fc_{labels[int(sample.temperature_c)]}_{arm}_{sample.replicate}"].to_numpy(dtype=float)
        known = np.isfinite(want) & np.isfinite(after.values[:, j])
        assert known.sum() > 480
        np.testing.assert_allclose(after.values[known, j], want[known], rtol=1e-6)


@pytest.fixture(scope="module")
def panobinostat_result(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return assay.thermal_shift(panobinostat(shared, tmp_path_factory.mktemp("tpp")))["thermal_shift"]


def test_panobinostat_and_its_histone_deacetylases(panobinostat_result: pd.DataFrame) -> None:
    """Franken et al. 2015 (doi:10.1038/nprot.2015.101): HDAC1/2/6/8/10, TTC38, ZFYVE28, H2AFV|Z stabilised."""
    out = panobinostat_result
    tested = out[out["p_value"].notna()].set_index("protein")
    assert len(tested) == 3649
    assert tested["df1"].iloc[0] == pytest.approx(2.223, abs=0.1) and tested["df2"].iloc[0] == pytest.approx(
        22.01, abs=0.8
    )
    known = ["HDAC1", "HDAC2", "HDAC6", "HDAC8", "HDAC10", "TTC38", "ZFYVE28", "H2AFV|H2AFZ"]
    assert (tested.loc[known, "q_value"] < 0.01).all() and (tested.loc[known, "effect"] > 0).all()
    assert set(known) == set(tested.index[:8]), "they are the eight with the smallest p"
    shifts = {"HDAC1": 14.8, "HDAC2": 10.4, "HDAC6": 3.8, "HDAC8": 2.6, "HDAC10": 7.3}
    for name, delta in shifts.items():
        assert tested.loc[name, "delta_tm_c"] == pytest.approx(delta, abs=0.5), name


def test_panobinostats_hits_in_order(panobinostat_result: pd.DataFrame) -> None:
    """With TPP's normalisation the eleven proteins of the reference are the eleven with the smallest p. Sixteen have
    q < 0.01 here: the five more, at q .007 to .01, lie beyond the eight known targets as do three of the reference.
    When runs are exchanged between the arms (batches kept), six of the known eight stand at q < 0.05 and nothing else;
    the split into two mixed arms alone gives four F as large as the sixteenth, so one in four of sixteen is chance."""
    table = panobinostat_result
    tested = table[table["p_value"].notna()].set_index("protein")
    reference = {"HDAC1", "TTC38", "HDAC6", "HDAC2", "H2AFV|H2AFZ", "ZFYVE28", "HDAC8", "HDAC10", "GNB1L", "C5orf51",
                 "SMTN"}  # fmt: skip
    assert len(tested) == 3649 and set(tested.index[:11]) == reference
    hits = tested[tested["q_value"] <= 0.01]
    assert len(hits) == 16 and hits["q_value"].iloc[11:].between(0.005, 0.01).all()
    known = ["HDAC1", "TTC38", "HDAC6", "HDAC2", "H2AFV|H2AFZ", "ZFYVE28"]
    assert set(tested.index[tested["q_exchanged"] < 0.05]) == set(known)
    claims = assay.thermal_shift_claims(table)
    assert claims["claim"].str.contains("with runs exchanged q").all()


def test_partings_of_runs() -> None:
    paired = [tuple(np.flatnonzero(a)) for a in exchanges(np.array([0, 0, 1, 1], bool), ("1", "2", "1", "2"))]
    assert paired == [(0, 3)], "treatment is exchanged within one replicate; the other parting is its mirror image"
    free = [tuple(np.flatnonzero(a)) for a in exchanges(np.array([0, 0, 1, 1], bool), ("a", "b", "c", "d"))]
    assert sorted(free) == [(0, 2), (0, 3)]
    assert list(exchanges(np.array([0, 1], bool), ("1", "1"))) == []
    three = list(exchanges(np.array([0, 0, 0, 1, 1, 1], bool), tuple("123123")))
    assert len(three) == 3 and all(a.sum() == 3 for a in three)
    uneven = list(exchanges(np.array([0, 0, 1, 1, 1], bool), tuple("abcde")))
    assert len(uneven) == 4 and all(a.sum() == 3 and 1 <= a[2:].sum() <= 2 for a in uneven)


def test_exchanged_runs_keep_the_level() -> None:
    """Nothing is shifted and runs differ (0.2 deg C and a factor at each temperature): 5 % of p below 0.05."""
    out = assay.thermal_shift(proteome(n=900, shifted=0, seed=8))["thermal_shift"]
    assert out["p_exchanged"].notna().all()
    assert abs((out["p_exchanged"] < 0.05).mean() - 0.05) < 3 * np.sqrt(2 * 0.05 * 0.95 / 900)
    assert (out["q_exchanged"] >= out["p_exchanged"]).all()
    assert (out["q_exchanged"] < 0.05).sum() <= 2, "any at all in one experiment of twenty"


def test_planted_shifts_are_found_with_exchanged_runs() -> None:
    out = assay.thermal_shift(proteome(n=600, shifted=6, seed=1), test="exchanged")["thermal_shift"]
    hits = set(out.loc[out["q_value"] < 0.05, "protein"])
    assert {f"P{i:03d}" for i in range(6)} <= hits and len(hits) <= 8
    assert out["status"].eq("estimated").all()


def test_where_no_runs_can_be_exchanged() -> None:
    one = proteome(n=150)
    one = one[one["replicate"] == "1"]
    out = assay.thermal_shift(one, min_replicates=1)["thermal_shift"]
    assert out["p_exchanged"].isna().all() and out["p_value"].notna().all()
    out = assay.thermal_shift(one, min_replicates=1, test="exchanged")["thermal_shift"]
    assert out["p_value"].isna().all() and out["reason"].str.contains("no runs to exchange").all()
    with pytest.raises(ValueError, match="exchanged"):
        assay.thermal_shift(one, test="t")


@pytest.mark.slow
@pytest.mark.parametrize(("run", "unlike"), [(0.0, 0.0), (0.4, 0.0), (1.0, 0.0), (0.4, 0.5)])
def test_exchanged_runs_keep_the_level_where_runs_and_proteins_differ(run: float, unlike: float) -> None:
    """3,000 proteins; curves of a run differ by `run` deg C, scatter of proteins by `unlike` (SD of its logarithm)."""
    from melt_examples import T, unshifted

    values = unshifted(3000, 5, run=run, unlike=unlike)
    frame = pd.DataFrame(values.reshape(3000, 4, 10).reshape(-1, 10), columns=[f"{t:g}" for t in T])
    frame["protein"] = np.repeat([f"P{i}" for i in range(3000)], 4)
    frame["treatment"], frame["replicate"] = (
        np.tile(["vehicle", "vehicle", "drug", "drug"], 3000),
        np.tile(list("1212"), 3000),
    )
    long = frame.melt(["protein", "treatment", "replicate"], var_name="temperature_c", value_name="abundance")
    long["temperature_c"] = long["temperature_c"].astype(float)
    out = assay.thermal_shift(long.assign(gene="", model="", dose_um=np.nan, peptides=np.nan), normalise="none")
    p = out["thermal_shift"]["p_exchanged"]
    for level in (0.05, 0.01):
        # the pool is itself a sample of as many values
        assert abs((p < level).mean() - level) < 3.5 * np.sqrt(2 * level * (1 - level) / 3000), level
    assert (out["thermal_shift"]["q_exchanged"] < 0.05).sum() <= 1


def test_staurosporine_with_runs_exchanged(shared: Path) -> None:
    """Of the 80 proteins that NPARC calls at 1 %: F of eight are as large when one vehicle and one drug run are
    exchanged (a null with the batches kept), so about one in ten is chance, not one in a hundred."""
    long = pd.read_csv(shared / "data" / "target" / "nparc" / "stauro_tidy_filtered.csv.gz")
    wide = long.pivot_table(
        index="uniqueID", columns=["compoundConcentration", "replicate", "temperature"], values="relAbundance"
    )
    t = wide.columns.get_level_values("temperature").to_numpy(dtype=float)
    run = wide.columns.get_level_values("compoundConcentration") * 10 + wide.columns.get_level_values("replicate")
    y = wide.to_numpy()
    null = fit_melts(y, t).rss

    def alternative(first: list[float]) -> np.ndarray:
        arm = np.isin(run.to_numpy(dtype=float), first)
        return np.minimum(fit_melts(y[:, arm], t[arm]).rss + fit_melts(y[:, ~arm], t[~arm]).rss, null)

    found = f_test(null, alternative([1, 2]))
    limit = null / alternative([1, 2])
    called = bh(found.p_value) <= 0.01
    mixed = null / alternative([1, 202])
    assert called.sum() == 80 and 4 <= (mixed >= np.sort(limit)[-80]).sum() <= 12


def test_panobinostat_over_dose_and_temperature(shared: Path, tmp_path: Path) -> None:
    """Twelve temperatures by five doses (the 492 proteins of Becher et al. 2016, doi:10.1038/nchembio.2185, that the
    package TPP brings): HDAC1, HDAC2, HDAC6 and HDAC10 are found, and two others."""
    folder = shared / "data" / "target" / "tpp"
    config = pd.read_csv(folder / "pano2D_config.csv", dtype=str, keep_default_na=False)
    names = [f"pano2D_{run}.csv" for run in dict.fromkeys(config["Experiment"])]
    for name in names:
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    config.drop(columns=["RefCol", "Path"]).to_csv(tmp_path / "config.csv", index=False)
    frame = read(TableSource(values=names, samples="config.csv"), tmp_path, assay.THERMAL_SHIFT, MODELS).frame
    table = assay.thermal_shift(frame)["thermal_shift"]
    assert len(table) == 492 and set(table["condition"]) == {"4 doses x 12 temperatures"}
    hits = table[table["q_value"] < 0.05].set_index("gene")
    assert set(hits.index) == {"HDAC1", "HDAC2", "HDAC6", "HDAC10", "PIR", "MIER1"} and (hits["effect"] > 0).all()
    assert hits.loc[["HDAC1", "HDAC2"], "pec50"].between(5.3, 6.5).all()
    assert hits.loc["PIR", "pec50_status"] == "censored" and hits["n"].eq(1).all()


def test_panobinostat_over_dose_at_one_temperature(shared: Path, tmp_path: Path) -> None:
    """Nine doses and vehicle at 55 °C in two experiments (Franken et al. 2015; about 500 proteins that the package TPP
    brings): HDAC1, HDAC2, TTC38 and HDAC6 have the smallest p, all stabilised, each with a pEC50."""
    folder = shared / "data" / "target" / "tpp"
    config = pd.read_csv(folder / "hdacCCR_config.csv", dtype=str)
    config = config.assign(Condition="panobinostat", Temperature="55", Replicate=["1", "2"])
    config.to_csv(tmp_path / "config.csv", index=False)
    names = ["Panobinostat_1.csv", "Panobinostat_2.csv"]
    for name in names:
        (tmp_path / name).write_bytes((folder / f"hdacCCR_{name}").read_bytes())
    frame = read(TableSource(values=names, samples="config.csv"), tmp_path, assay.THERMAL_SHIFT, MODELS).frame
    table = assay.thermal_shift(frame)["thermal_shift"]
    assert set(table["condition"]) == {"9 doses x 1 temperature"}
    best = table.head(4).set_index("protein")
    assert set(best.index) == {"HDAC1", "HDAC2", "TTC38", "HDAC6"} and (best["q_value"] < 0.001).all()
    assert (best["effect"] > 1).all() and best["n"].eq(2).all() and best["pec50_status"].eq("estimated").all()
    assert (best.loc[["HDAC1", "HDAC2"], "pec50"] > best.loc["HDAC6", "pec50"]).all()


@pytest.mark.slow
def test_power_of_pooled_temperatures_grows_with_the_effect() -> None:
    """PISA, three replicates, scatter .15 (log2): of 40 proteins among 400 that change by .3, .6 and 1."""
    from test_thermal_shift import located

    found = []
    for size in (0.3, 0.6, 1.0):
        rng = np.random.default_rng(1)
        parts = [
            pd.DataFrame(
                {"protein": [f"P{i}" for i in range(400)], "treatment": t, "replicate": r, "range_c": "44-58",
                 "abundance": 2.0 ** (20 + rng.normal(0, 0.3) + rng.normal(0, 0.15, 400)
                                      + (t == "drug") * (np.arange(400) < 40) * size)}
            )
            for t in ("vehicle", "drug") for r in "123"
        ]  # fmt: skip
        out = assay.thermal_shift(located(pd.concat(parts, ignore_index=True)))["thermal_shift"]
        hits = set(out.loc[out["q_value"] < 0.05, "protein"])
        found.append(len(hits & {f"P{i}" for i in range(40)}) / 40)
        assert len(hits - {f"P{i}" for i in range(40)}) <= 6
    assert found[0] < found[1] <= found[2] and found[2] > 0.9
