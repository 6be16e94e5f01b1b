"""Thermal shift: designs, melting curves, amounts, bands, proteases, claims and figures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rechallenge.assays import thermal_shift as assay
from rechallenge.assays.thermal_shift.melting import melting
from rechallenge.assays.thermal_shift.prepare import comparisons, design_of, fractions, matrix, normalised, tidied
from rechallenge.assays.thermal_shift.reading import read
from rechallenge.evidence import check
from rechallenge.faults import NotApplicable
from rechallenge.report.theme import export, specification
from rechallenge.stats.melt import curve
from rechallenge.study import TableSource
from rechallenge.tables.reading import read_table

T = np.array([37.0, 41, 44, 47, 50, 53, 56, 59, 63, 67])
MODELS = pd.DataFrame({"model": ["Huh-7 LR"]})


def located(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(_file="t.csv", _sheet="", _row=range(2, len(table) + 2))


def proteome(
    n: int = 120, shifted: int = 6, shift: float = 6.0, seed: int = 0, temperatures: np.ndarray = T
) -> pd.DataFrame:
    """Melting curves of `n` proteins, two runs an arm, of which the first `shifted` melt `shift` deg C higher;
    runs differ by a factor at every temperature, which is what normalisation is for."""
    rng = np.random.default_rng(seed)
    tm, b, pl = rng.normal(51, 3, n), rng.uniform(10, 22, n), rng.uniform(0, 0.1, n)
    parts = []
    for treatment in ("DMSO", "drug"):
        for replicate in "12":
            factor = np.r_[1.0, rng.uniform(0.85, 1.15, len(temperatures) - 1)]
            up = (np.arange(n) < shifted) * (shift if treatment == "drug" else 0.0) + rng.normal(0, 0.2, n)
            y = curve(np.column_stack([pl, b * (tm + up), b]), temperatures) * factor
            y = np.abs(y + rng.normal(0, 0.03, y.shape)) * 1e6
            parts.append(
                pd.DataFrame(
                    {
                        "protein": np.repeat([f"P{i:03d}" for i in range(n)], len(temperatures)),
                        "treatment": treatment,
                        "temperature_c": np.tile(temperatures, n),
                        "replicate": replicate,
                        "abundance": y.ravel(),
                    }
                )
            )
    return located(
        pd.concat(parts, ignore_index=True).assign(gene="", model="Huh-7 LR", dose_um=np.nan, peptides=np.nan)
    )


@pytest.fixture(scope="module")
def result() -> dict[str, pd.DataFrame]:
    return assay.thermal_shift(proteome())


def test_planted_shifts_are_found_with_their_size(result: dict[str, pd.DataFrame]) -> None:
    out = result["thermal_shift"]
    assert set(out["design"]) == {"melting curves"} and len(out) == 120 and out["status"].eq("estimated").all()
    hits = out[out["q_value"] < 0.01]
    planted = {f"P{i:03d}" for i in range(6)}
    assert planted <= set(hits["protein"]) and len(hits) <= 8
    six = out[out["protein"].isin(planted)]
    assert six["delta_tm_c"].dropna().between(5, 7).all() and six["delta_tm_c"].notna().sum() >= 4
    assert (six["ci_low"] > 0).all() and six["n"].eq(4).all()
    assert six["source_rows"].str.match(r"t\.csv:\d+-\d+,").all()
    assert (out["q_value"].dropna() >= out.loc[out["q_value"].notna(), "p_value"]).all()


def test_normalisation_takes_the_factors_of_runs_out(result: dict[str, pd.DataFrame]) -> None:
    quality = result["thermal_shift_quality"]
    assert len(quality) == 40 and quality["r2"].between(0.9, 1).all()
    raw = assay.thermal_shift(proteome(), normalise="none")
    assert raw["thermal_shift_quality"].empty
    ((model, treatment, rows),) = comparisons(tidied(proteome()))
    one, _ = fractions(matrix(model, treatment, rows, "melting curves"))
    after, _ = normalised(one)

    def between_runs(values: np.ndarray) -> float:
        medians = np.median(values, axis=0)
        return max(float(np.ptp(medians[one.temperature == t])) for t in T[1:7])

    assert between_runs(after.values) < 0.4 * between_runs(one.values)
    with pytest.raises(ValueError, match="median_curve"):
        assay.thermal_shift(proteome(), normalise="vsn")


def test_methods_are_told(result: dict[str, pd.DataFrame]) -> None:
    from rechallenge.analysis import step_of

    step = step_of(assay.thermal_shift)
    said = step.methods(result, **step.options) if callable(step.methods) else ""
    assert "nonparametric analysis of response curves" in said and "95 %" in said
    said = step.methods(assay.thermal_shift(blots()), **step.options) if callable(step.methods) else ""
    assert "Band densities" in said and "Melting curves" not in said


def test_rows_have_no_order(result: dict[str, pd.DataFrame]) -> None:
    again = assay.thermal_shift(proteome().sample(frac=1, random_state=1))
    for name, table in result.items():
        pd.testing.assert_frame_equal(again[name], table, check_exact=False, rtol=1e-9)


def test_a_melting_point_beyond_the_range_is_a_bound() -> None:
    out = assay.thermal_shift(proteome(shift=25.0))["thermal_shift"].set_index("protein")
    bounds = out.loc[[f"P{i:03d}" for i in range(6)]]
    assert bounds["tm_status"].eq("censored").all() and np.isinf(bounds["delta_tm_high"]).all()
    assert bounds["delta_tm_c"].isna().all() and (bounds["delta_tm_low"] > 8).all()


def test_what_cannot_be_tested_says_why() -> None:
    table = proteome()
    gone = (table["protein"] == "P050") & (table["treatment"] == "drug") & (table["replicate"] == "2")
    absent = (table["protein"] == "P051") & (table["treatment"] == "drug")
    table.loc[table["protein"] == "P052", "peptides"] = 0
    out = assay.thermal_shift(table[~gone & ~absent])["thermal_shift"].set_index("protein")
    assert out.loc["P050", "status"] == "not_testable" and "complete curves" in out.loc["P050", "reason"]
    assert out.loc["P051", "status"] == "not_estimable" and np.isnan(out.loc["P051", "p_value"])
    assert out.loc["P052", "reason"] == "fewer than 1 unique peptides" and np.isnan(out.loc["P052", "q_value"])
    with pytest.raises(NotApplicable):
        assay.thermal_shift(table[table["treatment"] == "drug"])


def test_single_temperatures_and_pools_are_compared_by_amount() -> None:
    rng = np.random.default_rng(5)
    n = 150
    base = rng.normal(20, 2, n)
    rows = []
    for treatment in ("vehicle", "drug"):
        for replicate in "123":
            y = base + rng.normal(0, 0.15, n) + (treatment == "drug") * (np.arange(n) < 5) * 1.2 + rng.normal(0, 0.5)
            rows.append(pd.DataFrame({"protein": [f"P{i}" for i in range(n)], "treatment": treatment,
                                      "replicate": replicate, "abundance": 2.0**y}))  # fmt: skip
    table = pd.concat(rows, ignore_index=True)
    pooled = assay.thermal_shift(located(table.assign(range_c="44-58")))["thermal_shift"]
    assert set(pooled["design"]) == {"integral (PISA)"} and pooled["condition"].iloc[0] == "pooled 44-58"
    assert set(pooled.loc[pooled["q_value"] < 0.05, "protein"]) >= {f"P{i}" for i in range(5)}
    assert (pooled["q_value"] < 0.05).sum() <= 7 and pooled["block"].eq("replicate").all()
    single = assay.thermal_shift(located(table.assign(temperature_c=52.0)))["thermal_shift"]
    assert set(single["design"]) == {"one temperature"} and single["temperature_c"].eq(52).all()
    np.testing.assert_allclose(single["p_value"], pooled["p_value"])


def blots(seed: int = 0, gain: float = 0.4, n: int = 3, noise: float = 0.03) -> pd.DataFrame:
    """Bands of one target that the drug keeps soluble at 52 and 56 deg C, and of one that it does not."""
    rng = np.random.default_rng(seed)
    left = {37: 1.0, 48: 0.8, 52: 0.4, 56: 0.15, 60: 0.05}
    rows = [
        {"protein": p, "treatment": t, "temperature_c": c, "replicate": f"e{r}", "loading": amount,
         "abundance": amount * scale * max(left[c] + (gain if p == "AKR1B1" and t == "drug" and c in (52, 56) else 0)
                                           + rng.normal(0, noise) * (c > 37), 0.001)}
        for r in range(n)
        for p in ("AKR1B1", "ACTB")
        for t in ("vehicle", "drug")
        for scale in [rng.uniform(0.5, 2)]
        for c in left
        for amount in [rng.uniform(0.8, 1.2)]
    ]  # fmt: skip
    return located(pd.DataFrame(rows))


def test_bands_of_a_western_blot_by_replicate() -> None:
    out = assay.thermal_shift(blots())
    table = out["thermal_shift"]
    overall = table[table["overall"]].set_index("protein")
    assert set(table["design"]) == {"bands (CETSA)"} and overall["n"].eq(3).all()
    assert overall.loc["AKR1B1", "p_value"] < 0.01 and overall.loc["AKR1B1", "effect"] == pytest.approx(0.2, abs=0.05)
    assert overall.loc["ACTB", "ci_low"] < 0 < overall.loc["ACTB", "ci_high"]
    levels = table[~table["overall"] & (table["protein"] == "AKR1B1")].set_index("temperature_c")
    assert levels.loc[52.0, "p_holm"] < 0.05 and levels.loc[60.0, "p_holm"] > 0.05
    assert overall.loc["AKR1B1", "delta_tm_c"] > 2 and overall.loc["AKR1B1", "tm_status"] == "estimated"
    claims = check(assay.thermal_shift_claims(table)).set_index("entity")
    assert claims.loc["AKR1B1", "level"] == "engagement" and claims.loc["AKR1B1", "direction"] == 0
    assert "AKR1B1 is stabilised by drug (bands)" in claims.loc["AKR1B1", "claim"]
    assert "no engagement shown by drug" in claims.loc["ACTB", "claim"]


def test_a_different_amount_of_protein_is_no_shift() -> None:
    """The drug doubles the protein; relative to its own unheated lane nothing changes."""
    table = blots(gain=0.0)
    table.loc[table["treatment"] == "drug", "abundance"] *= 2
    overall = assay.thermal_shift(table)["thermal_shift"].query("overall")
    assert (overall["ci_low"] < 0).all() and (overall["ci_high"] > 0).all()


def test_arms_without_a_common_temperature_are_not_compared() -> None:
    table = blots()
    table.loc[table["treatment"] == "vehicle", "temperature_c"] += 1
    out = assay.thermal_shift(table)["thermal_shift"]
    assert out["status"].eq("not_estimable").all() and out["reason"].str.contains("share no temperature").all()
    assert "not determined" in assay.thermal_shift_claims(out)["claim"].iloc[0]
    one = assay.thermal_shift(blots(n=1))["thermal_shift"]
    assert one["status"].eq("not_testable").all() and one["p_value"].isna().all()


def dosed(n: int = 60, hits: int = 3, replicates: str = "12", seed: int = 0) -> pd.DataFrame:
    """Four temperatures and five doses; the first proteins are stabilised above 45 deg C with an EC50 of 0.2 µM, and
    every sample has a factor of its own."""
    rng = np.random.default_rng(seed)
    parts = []
    for r in replicates:
        for t in (42.0, 48.0, 54.0, 58.0):
            for dose in (0.0, 0.01, 0.1, 1.0, 10.0):
                gain = (np.arange(n) < hits) * (t > 45) * 1.5 * dose / (0.2 + dose)
                y = rng.normal(0, 0.3) + rng.normal(0, 0.1, n) + gain + 20 + np.arange(n) / 10
                part = pd.DataFrame({"protein": [f"P{i}" for i in range(n)], "abundance": 2.0**y})
                parts.append(part.assign(treatment="drug", dose_um=dose, temperature_c=t, replicate=r))
    return located(pd.concat(parts, ignore_index=True))


def test_doses_by_temperature_make_one_curve() -> None:
    out = assay.thermal_shift(dosed())
    table = out["thermal_shift"].set_index("protein")
    assert set(table["design"]) == {"dose x temperature"} and len(table) == 60
    assert set(table.index[table["q_value"] < 0.05]) == {"P0", "P1", "P2"}
    assert set(table["condition"]) == {"4 doses x 4 temperatures"} and table["n"].eq(2).all()
    hits = table.loc[["P0", "P1", "P2"]]
    assert (hits["ci_low"] > 0.7).all() and (hits["ci_high"] < 1.6).all() and hits["change"].eq("stability").all()
    assert hits["pec50_status"].eq("estimated").all()
    assert ((hits["pec50_low"] < 6.7) & (hits["pec50_high"] > 6.7)).all() and hits["pec50"].between(6.3, 7.1).all()
    assert table["pec50"].drop(index=hits.index).isna().all()
    claims = check(assay.thermal_shift_claims(out["thermal_shift"])).set_index("entity")
    assert set(claims.index) == {"P0", "P1", "P2"} and "pEC50" in claims.loc["P0", "claim"]
    assert "n = 2 experiments" in claims.loc["P0", "claim"]
    drawn = out["thermal_shift_doses"]
    assert len(set(drawn["protein"])) == 12 and np.corrcoef(drawn["value"], drawn["fitted"])[0, 1] > 0.8
    figure = assay.thermal_shift_doses_figure(out["thermal_shift"], drawn)
    assert b"P0" in export("d", figure)["csv"]
    assert assay.thermal_shift_doses_figure(out["thermal_shift"], drawn.iloc[:0]) is None


def test_doses_have_no_order_of_rows() -> None:
    table = dosed(n=25, hits=1, replicates="1")
    first, again = (assay.thermal_shift(x)["thermal_shift"] for x in (table, table.sample(frac=1, random_state=2)))
    pd.testing.assert_frame_equal(again, first, check_exact=False, rtol=1e-8)
    assert first["n"].eq(1).all() and first["status"].eq("estimated").all()


def test_doses_without_a_vehicle_at_each_temperature_are_compared_at_the_highest() -> None:
    table = dosed()
    table = table[(table["dose_um"] > 0.05) | ((table["dose_um"] == 0) & (table["temperature_c"] > 50))]
    table = table[(table["dose_um"] != 0.1) | (table["temperature_c"] < 50)]
    out = assay.thermal_shift(table)["thermal_shift"]
    assert out["pec50_status"].eq("").all() and out["effect_unit"].str.contains("treated / vehicle").all()
    found = set(out.loc[out["q_value"] < 0.05, "protein"])
    assert {"P0", "P1", "P2"} <= found and len(found) <= 6


def test_protection_from_protease() -> None:
    table = blots().rename(columns={"temperature_c": "protease"})
    table["protease"] = table["protease"].map({37: "none", 48: "1:3000", 52: "1:1000", 56: "1:300", 60: "1:100"})
    out = assay.thermal_shift(table)["thermal_shift"]
    assert set(out["design"]) == {"protease (DARTS)"}
    conditions = list(out.loc[out["protein"].eq("AKR1B1") & ~out["overall"], "condition"])
    assert sorted(conditions) == sorted(f"protease 1:{k}" for k in (3000, 1000, 300, 100))
    assert "protected from protease" in assay.thermal_shift_claims(out).set_index("entity").loc["AKR1B1", "claim"]


def test_claims_of_a_proteome_name_hits_alone(result: dict[str, pd.DataFrame]) -> None:
    claims = check(assay.thermal_shift_claims(result["thermal_shift"]))
    assert {f"P{i:03d}" for i in range(6)} <= set(claims["entity"]) and len(claims) < 20
    assert claims["contrast"].eq("drug vs vehicle").all()
    assert claims["claim"].str.contains("F = ").all()


def test_figures(result: dict[str, pd.DataFrame]) -> None:
    melts = assay.thermal_shift_melting(
        result["thermal_shift"], result["thermal_shift_points"], result["thermal_shift_curves"]
    )
    text = json.dumps(specification(melts), ensure_ascii=False)
    assert text.count('"part": "measured"') == 12 * 40 and "Fraction soluble" in text
    volcano = export("v", assay.thermal_shift_volcano(result["thermal_shift"]))
    assert b"P003" in volcano["csv"] and volcano["pdf"].startswith(b"%PDF")
    assert export("q", assay.thermal_shift_normalisation(result["thermal_shift_quality"]))["png"]
    out = assay.thermal_shift(blots())
    bands = assay.thermal_shift_melting(out["thermal_shift"], out["thermal_shift_points"], out["thermal_shift_curves"])
    assert "Band density" in json.dumps(specification(bands))
    assert assay.thermal_shift_volcano(out["thermal_shift"]) is None


def test_the_example_keeps_the_contract(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(assay.THERMAL_SHIFT.example, encoding="utf-8")
    found = read_table(assay.THERMAL_SHIFT, "t.csv", folder=tmp_path)
    assert not [f for f in found.faults if f.severity == "error"]
    assert {f.code for f in found.faults if f.severity == "warning"} == {"few-replicates"}


def wide(tmp_path: Path, files: dict[str, pd.DataFrame], samples: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    for name, frame in files.items():
        frame.to_csv(tmp_path / name, index=False, sep="\t")
    samples.to_csv(tmp_path / "labels.csv", index=False)
    source = TableSource(values=list(files), samples="labels.csv")
    out = read(source, tmp_path, assay.THERMAL_SHIFT, MODELS)
    return out.frame, [f.code for f in out.faults if f.severity != "note"] + list(out.excluded["reason"])


def labels(names: list[str], experiment: str, treatment: str, replicate: str) -> pd.DataFrame:
    return pd.DataFrame({"label": names, "experiment": experiment, "treatment": treatment, "replicate": replicate,
                         "temperature_c": T[: len(names)]})  # fmt: skip


def test_proteome_discoverer_proteins(tmp_path: Path) -> None:
    channels = ["126", "127N", "127C", "128N"]
    frame = pd.DataFrame({"Master": "IsMasterProtein", "Accession": ["P04637", "P15121"], "Description": "x",
                          "Contaminant": ["False", "True"],
                          "# Unique Peptides": [4, 9], "Gene Symbol": ["TP53", "AKR1B1"]})  # fmt: skip
    for f, scale in (("F1", 1.0), ("F2", 2.0)):
        for i, c in enumerate(channels):
            frame[f"Abundance: {f}: {c}, Sample"] = scale * np.array([100.0 - i, 50.0 - i])
            frame[f"Abundances (Normalized): {f}: {c}, Sample"] = 1.0
    samples = pd.concat([labels(channels, "F1", "vehicle", "1"), labels(channels, "F2", "drug", "1")])
    out, said = wide(tmp_path, {"pd.txt": frame}, samples)
    assert said == ["decoy, contaminant or site only"] and len(out) == 8
    assert out["gene"].eq("TP53").all() and out["peptides"].eq(4).all()
    assert out.query("treatment == 'drug' and temperature_c == 44")["abundance"].tolist() == [196.0]
    only = frame[[c for c in frame.columns if not c.startswith("Abundance:")]]
    assert wide(tmp_path, {"pd.txt": only}, samples)[1] == ["normalised-abundance"]


def test_maxquant_protein_groups(tmp_path: Path) -> None:
    frame = pd.DataFrame({"Protein IDs": ["P1;P2", "REV__P3"], "Majority protein IDs": ["P1", "REV__P3"],
                          "Gene names": ["TP53", ""], "Reverse": ["", "+"], "Potential contaminant": ""})  # fmt: skip
    for i in range(1, 5):
        frame[f"Reporter intensity corrected {i}"] = 7.0
        frame[f"Reporter intensity {i} vehicle_1"] = 1.0
        frame[f"Reporter intensity corrected {i} vehicle_1"] = [10.0 * i, 1.0]
        frame[f"Reporter intensity corrected {i} drug_1"] = [0.0 if i == 4 else 20.0 * i, 1.0]
    frame = frame.drop(columns="Protein IDs")
    samples = pd.concat(
        [
            labels(["126", "127N", "127C", "128N"], "vehicle_1", "vehicle", "1"),
            labels(list("1234"), "drug_1", "drug", "1"),
        ]
    )
    out, said = wide(tmp_path, {"proteinGroups.txt": frame}, samples)
    assert len(out) == 7 and set(said) == {"decoy, contaminant or site only", "1 cells not quantified"}
    assert out.query("treatment == 'drug' and temperature_c == 44")["abundance"].tolist() == [60.0]
    assert out.query("treatment == 'vehicle' and temperature_c == 41")["abundance"].tolist() == [20.0]


def test_any_columns_and_sheets_that_do_not_fit(tmp_path: Path) -> None:
    frame = pd.DataFrame({"Protein": ["A", "B"], "veh 37": [1.0, 1.0], "veh 41": [0.9, np.nan]})
    sheet = pd.DataFrame(
        {"column": ["veh 37", "veh 41"], "treatment": "vehicle", "replicate": 1, "temperature_c": [37, 41]}
    )
    out, said = wide(tmp_path, {"a.txt": frame}, sheet)
    assert len(out) == 3 and said == ["1 cells not quantified"]
    sheet.loc[2] = ["veh 99", "vehicle", 1, 44]
    assert "unused-sample" in wide(tmp_path, {"a.txt": frame}, sheet)[1]
    sheet["column"] = ["x", "y", "z"]
    assert wide(tmp_path, {"a.txt": frame}, sheet)[1] == ["no-label-columns"]
    lone = read(TableSource(values=["a.txt"]), tmp_path, assay.THERMAL_SHIFT, MODELS)
    assert "no-samples" in {f.code for f in lone.faults}


def panobinostat(shared: Path, tmp_path: Path) -> pd.DataFrame:
    folder = shared / "data" / "target" / "tpp"
    names = []
    for path in sorted((folder / "TR_example_data").glob("*.txt")):
        (tmp_path / path.name).write_bytes(path.read_bytes())
        names.append(path.name)
    config = (folder / "hdacTR_config.csv").read_text("utf-8").replace("Treatment", "panobinostat")
    (tmp_path / "config.csv").write_text(config, encoding="utf-8")
    read_ = read(TableSource(values=names, samples="config.csv"), tmp_path, assay.THERMAL_SHIFT, MODELS)
    assert not [f for f in read_.faults if f.severity == "error"]
    return read_.frame


def test_melting_points_as_the_package_tpp_gives_them(shared: Path) -> None:
    """Melting points of TPP 3.23.0 from its own normalised values, run by run."""
    table = pd.read_csv(shared / "data" / "target" / "tpp" / "hdacTR_resultTable.csv").set_index("Protein_ID")
    from rechallenge.stats.melt import fit_melts, melting_point

    names = ["131L", "130H", "130L", "129H", "129L", "128H", "128L", "127H", "127L", "126"]
    for run in ("Vehicle_1", "Vehicle_2", "Panobinostat_1", "Panobinostat_2"):
        y = table[[f"norm_rel_fc_{n}_{run}" for n in names]].to_numpy(dtype=float)
        fitted = fit_melts(y, T)
        good = (table[f"R_sq_{run}"] > 0.9).to_numpy() & table[f"meltPoint_{run}"].notna().to_numpy()
        gap = np.abs(melting_point(fitted.params)[good] - table.loc[good, f"meltPoint_{run}"])
        assert good.sum() > 300 and np.nanmedian(gap) < 0.001 and np.nanquantile(gap, 0.98) < 0.05, run


@pytest.mark.slow
def test_no_band_shifts_where_nothing_does() -> None:
    p = [
        assay.thermal_shift(blots(seed, gain=0.0))["thermal_shift"].query("overall")["p_value"].to_numpy()
        for seed in range(100)
    ]
    assert np.mean(np.concatenate(p) < 0.05) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


@pytest.mark.slow
def test_a_shifted_band_is_seen_with_three_replicates() -> None:
    """A gain of 0.25 at two of four temperatures, bands scattering by 0.05: seen in four of five experiments (49 of 60
    measured); 40 experiments leave an error of 0.06."""
    found = [
        assay.thermal_shift(blots(seed, gain=0.25, noise=0.05))["thermal_shift"].query("overall").set_index("protein")
        .loc["AKR1B1", "p_value"] < 0.05 for seed in range(40)
    ]  # fmt: skip
    assert np.mean(found) > 0.8 - 3 * np.sqrt(0.8 * 0.2 / 40)


def test_the_null_of_a_proteome_is_kept_by_the_interval_over_replicates() -> None:
    """The moderated interval of the shift holds 0 for 95 % of proteins that do not shift."""
    out = assay.thermal_shift(proteome(n=400, shifted=0, seed=3))["thermal_shift"]
    held = ((out["ci_low"] < 0) & (out["ci_high"] > 0)).mean()
    assert held > 0.95 - 3.5 * np.sqrt(0.05 * 0.95 / 400)


def test_designs_are_read_off_the_rows() -> None:
    table = tidied(proteome(n=30))
    ((model, treatment, rows),) = comparisons(table)
    assert (model, treatment, design_of(rows)) == ("Huh-7 LR", "drug", "melting curves")
    one = matrix(model, treatment, rows, "melting curves")
    assert one.values.shape == (30, 40) and len(one.samples) == 40
    assert normalised(one)[1]["n_proteins"].iloc[0] == 30
    assert melting(one, min_replicates=2, confidence=0.95)[0]["n"].eq(4).all()
    assert design_of(rows[rows["temperature_c"] > 60]) == "one temperature"
    assert design_of(rows[rows["protein"] < "P010"]) == "bands (CETSA)"


@pytest.mark.slow
def test_no_amount_shifts_where_nothing_does() -> None:
    """Pooled designs of 400 proteins, three replicates as blocks, scatter that differs between proteins: 5 % of p."""
    p = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        scatter = 0.15 * np.sqrt(4 / rng.chisquare(4, 400))
        parts = [
            pd.DataFrame({"protein": [f"P{i}" for i in range(400)], "treatment": t, "replicate": r, "range_c": "44-58",
                          "abundance": 2.0 ** (20 + rng.normal(0, 0.3) + rng.normal(0, scatter))})
            for t in ("vehicle", "drug") for r in "123"
        ]  # fmt: skip
        p.append(assay.thermal_shift(located(pd.concat(parts, ignore_index=True)))["thermal_shift"]["p_value"])
    assert abs(np.mean(np.concatenate(p) < 0.05) - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 2400)


def test_of_rows_of_one_name_the_one_on_most_peptides_counts(tmp_path: Path) -> None:
    """ACTN4 has rows of 9, 1 and 1 unique peptides in a real export: they are isoforms, no repeated measurements."""
    frame = pd.DataFrame({"gene_name": ["ACTN4", "ACTN4", "PKLR"], "qssm": [3, 37, 45], "qupm": [1, 9, 14]})
    for c, v in (("rel_fc_126", [0.9, 1.0, 1.0]), ("rel_fc_127N", [0.1, 0.5, 0.4])):
        frame[c] = v
    out, said = wide(tmp_path, {"a.txt": frame}, labels(["126", "127N"], "", "vehicle", "1"))
    assert said == ["another row of this name rests on more unique peptides"]
    assert out.query("protein == 'ACTN4'")["abundance"].tolist() == [1.0, 0.5] and set(out["spectra"]) == {37.0, 45.0}
    out, said = wide(tmp_path, {"a.txt": frame.drop(columns="qupm")}, labels(["126", "127N"], "", "vehicle", "1"))
    assert not said and len(out) == 6


def test_proteins_on_few_spectra_do_not_set_the_normalisation() -> None:
    table = proteome(n=300)
    table["spectra"] = np.where(table["protein"] < "P200", 10.0, 1.0)
    quality = assay.thermal_shift(table)["thermal_shift_quality"]
    every = assay.thermal_shift(table, min_spectra=0)["thermal_shift_quality"]
    assert 20 <= quality["n_proteins"].iloc[0] < every["n_proteins"].iloc[0]
    other = assay.thermal_shift(table, full_melt=[(6, 0.4, 0.6)])["thermal_shift_quality"]
    assert other["n_proteins"].iloc[0] != quality["n_proteins"].iloc[0]


def test_a_sheet_of_doses_without_their_temperature_is_refused(tmp_path: Path) -> None:
    """TPP's sheet of a dose response has the doses where that of melting curves has temperatures."""
    frame = pd.DataFrame(
        {"gene_name": ["A", "B"], **{f"rel_fc_{c}": [1.0, 1.0] for c in ("126", "127N", "127C", "128N")}}
    )
    sheet = pd.DataFrame({"Experiment": ["drug_1"], "Condition": ["drug"], "126": [10.0], "127N": [1.0], "127C": [0.1],
                          "128N": [0.0]})  # fmt: skip
    assert "no-temperature" in wide(tmp_path, {"drug_1.txt": frame}, sheet)[1]
    out, said = wide(tmp_path, {"drug_1.txt": frame}, sheet.assign(Temperature=55))
    assert not said and set(out["temperature_c"]) == {55.0} and set(out["dose_um"]) == {0.0, 0.1, 1.0, 10.0}
