"""Curves: planted values found, and everything that cannot be said typed instead of numbered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dose_response_examples import DOSES, experiment, hill, study

from rechallenge import dose_response
from rechallenge.analysis import step_of
from rechallenge.assays.dose_response.curves import COLUMNS, finish_curves
from rechallenge.assays.dose_response.rules import CURVE
from rechallenge.faults import NotApplicable

NUMBERS_OF_A_CURVE = ["ic50_um", "log10_ic50", "log10_ic50_se"]


def one(seed: int, ic50: float, **options: object) -> pd.Series:
    """The row of one simulated curve; options named `fit_...` go to the fit."""
    chosen = {k.removeprefix("fit_"): options.pop(k) for k in list(options) if k.startswith("fit_")}
    table = experiment(np.random.default_rng(seed), "P", "d", ic50, **options)  # type: ignore[arg-type]
    return dose_response.fit_curves(table, **chosen).iloc[0]


@pytest.fixture(scope="module")
def curves() -> pd.DataFrame:
    return dose_response.fit_curves(study())


def test_noiseless_curve_is_recovered() -> None:
    row = one(0, 12.0, einf=0.2, noise=1e-6, between=0.0)
    assert row["status"] == "estimated" and row["reason"] == ""
    assert row["ic50_um"] == pytest.approx(12.0, rel=1e-4)
    assert row["ec50_um"] == pytest.approx(12.0 * 0.6 ** (1 / 1.3), rel=1e-4)
    assert row["hill"] == pytest.approx(1.3, rel=1e-3) and row["einf"] == pytest.approx(0.2, abs=1e-4)
    assert row["e0"] == 1.0 and not row["e0_free"]
    assert row["emax"] == pytest.approx(hill(100.0, 12.0, 1.3, 0.2), abs=1e-4)
    assert (row["n_replicates"], row["n_doses"], row["n"]) == (3, 6, 18)
    assert (row["dose_min_um"], row["dose_max_um"], row["level"]) == (0.3, 100.0, 0.5)
    x = np.geomspace(0.3, 100, 20001)
    mean = np.trapezoid(hill(x, 12.0, 1.3, 0.2), np.log10(x)) / np.log10(100 / 0.3)
    assert row["auc_normalised"] == pytest.approx(mean, abs=1e-4)
    assert row["auc"] == pytest.approx(mean * np.log10(100 / 0.3), abs=1e-4)


def test_absolute_and_relative_are_not_confused() -> None:
    """A drug that leaves 40 %: EC50 lies well below the dose at which viability is a half."""
    row = one(1, 20.0, einf=0.4, noise=0.005, between=0.0)
    assert row["ic50_um"] == pytest.approx(20.0, rel=0.1)
    assert row["ec50_um"] < 10
    assert row["ec50_ci_low"] < row["ec50_um"] < row["ec50_ci_high"]


def test_the_level_is_the_one_asked_for() -> None:
    row = one(2, 10.0, noise=0.005, between=0.0, fit_level=0.8)
    assert row["ic50_um"] == pytest.approx(10.0 * 0.25 ** (1 / 1.3), rel=0.05) and row["level"] == 0.8


def test_columns_and_order(curves: pd.DataFrame) -> None:
    assert tuple(curves.columns) == COLUMNS
    assert not curves.duplicated(list(CURVE)).any()
    keys = list(zip(curves["model"], curves["drug"], curves["perturbation"], strict=True))
    assert keys == sorted(keys)
    assert set(curves["status"]) <= {"estimated", "censored", "not_estimable"}


def test_intervals_hold_the_estimate(curves: pd.DataFrame) -> None:
    known = curves[curves["status"] == "estimated"]
    assert ((known["ic50_ci_low"] <= known["ic50_um"]) & (known["ic50_um"] <= known["ic50_ci_high"])).all()
    assert (known["interval_from"] == "biological replicates").all()
    assert (known["f_p_value"] > 0).all(), "a p-value is never 0"
    assert (curves["f_q_value"] >= curves["f_p_value"]).all()


def test_no_number_where_there_is_none(curves: pd.DataFrame) -> None:
    rest = curves[curves["status"] != "estimated"]
    assert len(rest) and rest[NUMBERS_OF_A_CURVE].isna().all(axis=None)
    assert (rest["reason"] != "").all()
    for column in ("ic50_um", "ec50_um", "hill", "gr50_um"):
        assert not np.isin(curves[column], [0, -1, 999, 1e9, np.inf]).any()


def test_an_inactive_drug_is_a_bound_and_flat() -> None:
    row = one(3, 1e9)
    assert (row["status"], row["ic50_bound"], row["ic50_bound_um"]) == ("censored", "above", 100.0)
    assert "no effect of the drug is shown" in row["reason"] and "not distinguishable from flat" in row["fit_note"]
    assert row[["hill", "ec50_um", "einf"]].isna().all()
    assert row["emax"] == pytest.approx(1.0, abs=0.05) and row["auc_normalised"] == pytest.approx(1.0, abs=0.05)
    assert row["dss"] == 0 and row["ic50_ci_high"] == np.inf


def test_a_weak_drug_is_a_bound_and_not_flat() -> None:
    row = one(4, 400.0, noise=0.02)
    assert (row["status"], row["ic50_bound"]) == ("censored", "above")
    assert row["reason"] == "viability stays above 0.5 up to the highest dose" and row["f_p_value"] < 0.01
    assert row["ic50_ci_low"] > 50


def test_a_drug_that_kills_at_every_dose_is_a_bound_from_below() -> None:
    row = one(5, 0.003, noise=0.01)
    assert (row["status"], row["ic50_bound"], row["ic50_bound_um"]) == ("censored", "below", 0.3)
    assert row["ic50_ci_low"] == 0 and row["ic50_ci_high"] == pytest.approx(0.3)


def test_hopeless_scatter_is_not_estimable() -> None:
    table = experiment(np.random.default_rng(6), "P", "d", 10.0, doses=(1, 10, 100))
    table["viability"] = np.tile([0.3, 0.9, 0.5], 3) + np.random.default_rng(1).normal(0, 0.35, 9)
    row = dose_response.fit_curves(table).iloc[0]
    assert row["status"] == "not_estimable" and row["reason"] and np.isnan(row["ic50_ci_low"])


def test_too_few_doses_fall_back_and_say_so() -> None:
    row = one(7, 10.0, doses=(3.0, 30.0))
    assert row["fit_model"] == "3p" and "too few doses for 4p" in row["fit_note"]
    single = one(8, 10.0, doses=(10.0,))
    assert single["status"] == "not_estimable" and "fewer than two doses" in single["reason"]


@pytest.mark.parametrize("value", [0.0, 0.5, 0.7, 1.0])
def test_identical_responses_give_no_number(value: float) -> None:
    table = experiment(np.random.default_rng(0), "P", "d", 10.0)
    table["viability"] = value
    row = dose_response.fit_curves(table).iloc[0]
    assert row["status"] != "estimated" and row["reason"] and np.isnan(row["ic50_um"])


def test_one_biological_replicate_is_said() -> None:
    row = one(9, 10.0, replicates=("e1",))
    assert row["status"] == "estimated" and row["interval_from"] == "residuals"
    assert "one biological replicate" in row["fit_note"] and np.isnan(row["auc_se"])


def test_technical_wells_do_not_make_n() -> None:
    table = experiment(np.random.default_rng(10), "P", "d", 10.0)
    wells = pd.concat([table.assign(viability=table["viability"] + e) for e in (-0.02, 0.0, 0.02)])
    once, often = (dose_response.fit_curves(t).iloc[0] for t in (table, wells))
    assert once["n"] == often["n"] == 18
    assert often["log10_ic50_se"] == pytest.approx(once["log10_ic50_se"], rel=1e-6)


def test_a_curve_that_does_not_start_at_vehicle_gets_a_free_start() -> None:
    """Vehicle wells at the edge of the plate read 20 % high: the plateau of the low doses says so."""
    x = np.geomspace(0.05, 100, 9)
    table = experiment(np.random.default_rng(11), "P", "d", 8.0, doses=tuple(x), noise=0.02)
    table["viability"] *= 0.8
    row = dose_response.fit_curves(table).iloc[0]
    assert row["e0_free"] and row["e0"] == pytest.approx(0.8, abs=0.03)
    assert "response without drug fitted" in row["fit_note"]
    fixed = dose_response.fit_curves(table, e0=1.0).iloc[0]
    assert not fixed["e0_free"] and fixed["e0"] == 1.0


def test_start_stays_fixed_where_the_data_start_at_one() -> None:
    rng = np.random.default_rng(100)
    table = pd.concat([experiment(rng, "P", f"{i:03d}", 10.0) for i in range(200)])
    assert dose_response.fit_curves(table)["e0_free"].sum() <= 8


def test_points_at_dose_zero_are_used_where_they_say_something() -> None:
    rng = np.random.default_rng(12)
    table = experiment(rng, "P", "d", 10.0)
    own = table.drop_duplicates("replicate").assign(dose_um=0.0, viability=1.0)
    assert not dose_response.fit_curves(pd.concat([table, own])).iloc[0]["e0_free"]
    varying = own.assign(viability=1.0 + rng.normal(0, 0.03, 3))
    row = dose_response.fit_curves(pd.concat([table, varying])).iloc[0]
    assert row["e0_free"] and row["n_doses"] == 7


def test_a_hook_and_a_hump_are_flagged() -> None:
    table = experiment(np.random.default_rng(13), "P", "d", 3.0, noise=0.01)
    hook = table.assign(viability=table["viability"].mask(table["dose_um"] == 100.0, 0.6))
    row = dose_response.fit_curves(hook).iloc[0]
    assert row["hook"] == "up" and "rises again at high doses" in row["fit_note"]
    hump = table.assign(viability=table["viability"].mask(table["dose_um"] == 1.0, 1.5))
    row = dose_response.fit_curves(hump).iloc[0]
    assert row["hook"] == "down" and "rises before it falls" in row["fit_note"]
    assert one(13, 3.0, noise=0.01)["hook"] == ""


def test_a_robust_fit_withstands_a_well_that_went_wrong() -> None:
    table = experiment(np.random.default_rng(14), "P", "d", 10.0, noise=0.01, between=0.0)
    table.loc[1, "viability"] = 0.2
    plain, robust = (dose_response.fit_curves(table, robust=r).iloc[0] for r in ("", "tukey"))
    assert abs(np.log(robust["ic50_um"] / 10)) < abs(np.log(plain["ic50_um"] / 10)) / 2
    assert np.isfinite(robust["f_p_value"])


def test_growth_rate_columns_appear_with_a_time_zero_signal() -> None:
    table = experiment(np.random.default_rng(15), "P", "d", 10.0, noise=0.01).assign(time0_signal=0.3)
    row = dose_response.fit_curves(table).iloc[0]
    assert row["gr50_um"] > 0 and row["gr_max"] < 0 and row["h_gr"] > 0 and 0 < row["gr_aoc"] < 2
    assert one(15, 10.0)[["gr50_um", "gr_max", "gr_aoc"]].isna().all()


def test_spread_of_areas_is_that_of_the_replicates() -> None:
    table = pd.DataFrame(
        {
            "model": "P",
            "drug": "d",
            "dose_um": [1.0, 10.0, 100.0] * 3,
            "replicate": np.repeat(["a", "b", "c"], 3),
            "viability": [1.0, 0.6, 0.2, 1.0, 0.5, 0.2, 0.9, 0.4, 0.1],
        }
    )
    row = dose_response.fit_curves(table).iloc[0]
    areas = [(1.0 / 2 + 0.6 + 0.2 / 2) / 2, (1.0 / 2 + 0.5 + 0.2 / 2) / 2, (0.9 / 2 + 0.4 + 0.1 / 2) / 2]
    assert row["auc_se"] == pytest.approx(np.std(areas, ddof=1) / 3**0.5)
    assert row["auc_df"] == 2


def test_doses_in_another_unit_scale_the_ic50() -> None:
    table = study(3).query("drug == 'lenvatinib'")
    base = dose_response.fit_curves(table)
    scaled = dose_response.fit_curves(table.assign(dose_um=table["dose_um"] / 1000))
    for column in ("ic50_um", "ic50_ci_low", "ic50_ci_high", "ec50_um", "dose_max_um"):
        assert scaled[column].to_numpy() * 1000 == pytest.approx(base[column].to_numpy(), rel=1e-5)
    for column in ("hill", "auc_normalised", "log10_ic50_se", "dss"):
        assert scaled[column].to_numpy() == pytest.approx(base[column].to_numpy(), rel=1e-5)


def test_row_order_does_not_matter() -> None:
    table = study(4)
    a, b = (dose_response.fit_curves(t) for t in (table, table.sample(frac=1, random_state=0)))
    pd.testing.assert_frame_equal(a, b, rtol=1e-6, check_exact=False)


def test_parts_joined_are_the_whole(curves: pd.DataFrame) -> None:
    """The split that lets several workers fit one study changes nothing."""
    step = step_of(dose_response.curves)
    assert step.split is not None and step.split.table == "responses" and step.split.by == CURVE
    viability = dose_response.responses(study())
    number = viability.groupby(list(CURVE), dropna=False).ngroup()
    parts = [dose_response.curves(viability[number % 3 == k]) for k in range(3)]
    joined = finish_curves(pd.concat(parts, ignore_index=True))
    pd.testing.assert_frame_equal(joined, curves, rtol=1e-9, check_exact=False)


def test_curves_that_differ_in_medium_stage_or_hours_are_different_curves() -> None:
    rng = np.random.default_rng(16)
    parts = [experiment(rng, "P", "d", v, hours=h) for v, h in ((30.0, 24.0), (10.0, 72.0))]
    out = dose_response.fit_curves(pd.concat(parts))
    assert out["hours"].tolist() == [24.0, 72.0] and out["ic50_um"].is_monotonic_decreasing


def test_unknown_options_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown option levle; known are .*level"):
        dose_response.fit_curves(study(), levle=0.5)
    for bad in ({"model": "5p"}, {"e0": "none"}, {"robust": "lasso"}):
        with pytest.raises(ValueError, match="must be"):
            dose_response.fit_curves(study(), **bad)


def test_nothing_to_fit_is_not_applicable() -> None:
    table = pd.DataFrame({"model": "P", "drug": "d", "dose_um": [0.0, 1.0], "viability": [1.0, np.nan]})
    with pytest.raises(NotApplicable):
        dose_response.fit_curves(table)


def test_origin_of_the_rows_is_kept() -> None:
    table = experiment(np.random.default_rng(17), "P", "d", 10.0).assign(_file="v.csv")
    table["_row"] = range(2, 20)
    row = dose_response.fit_curves(table).iloc[0]
    assert (row["source_table"], row["source_rows"]) == ("viability", "v.csv:2-19")


def test_the_input_is_not_changed() -> None:
    table = study(5)
    before = table.copy(deep=True)
    dose_response.fit_curves(table)
    pd.testing.assert_frame_equal(table, before)


def test_hepg2_plates_of_a_real_laboratory(shared: Path) -> None:
    """Raw MTT plates: 33 compounds and doxorubicin over 12 plates, vehicle in one column of one block.

    The laboratory's own fit of doxorubicin has ED50 0.029 (SE 0.007) and a hand-read CC50 of 0.04; most others have
    no usable value. Compounds without an effect there (CC50 set to the top dose, 100) get no number here either.
    """
    folder = shared / "data" / "pharmacology" / "hcc_perkin_mtt"
    names = pd.read_excel(folder / "names_2_MTT.xlsx", engine="calamine")
    names.columns = [str(c).strip() for c in names.columns]
    stock = pd.read_excel(folder / "concentrations_2.xlsx", engine="calamine").set_index("Drug")["C_mM"]
    lab = pd.read_excel(folder / "HepG2_results_merged.xlsx", engine="calamine").set_index("Drug")
    raw = pd.read_excel(folder / "HepG2_1-12.xls", engine="calamine")
    raw.columns = ["Plate", "Repeat", "Well", "Type", "Time", "signal"]
    block, repeat = (raw["Plate"] - 1) // 3, (raw["Plate"] - 1) % 3 + 1
    column, row = raw["Well"].str[1:].astype(int) - 1, raw["Well"].str[0].map("ABCDEFGH".index)
    grid = names.reindex(range(12)).to_numpy(dtype=object)
    drug = pd.Series([grid[c, b] for c, b in zip(column, block, strict=True)])
    wells = pd.DataFrame(
        {
            "model": "HepG2",
            "drug": drug,
            "dose_um": 1000 * drug.map(stock) / 200 / 3.0**row,
            "signal": pd.to_numeric(raw["signal"]),
            "well": raw["Well"],
            "plate": raw["Plate"].astype(str),
            "replicate": repeat.astype(str),
            "well_type": np.where(drug == "DMSO", "vehicle", "sample"),
            "vehicle_plate": repeat.astype(str),
        }
    )[drug.notna()]
    curves = dose_response.fit_curves(wells, vehicle="row", centre="median").set_index("drug")
    assert len(curves) == 34
    dox = curves.loc["Dox"]
    assert dox["ec50_um"] == pytest.approx(0.029, abs=0.007)
    assert dox["ic50_um"] == pytest.approx(lab.loc["Dox", "CC50.x"], abs=0.01)
    assert curves.loc["AC111", "ic50_um"] == pytest.approx(lab.loc["AC111", "CC50.x"], rel=0.1)
    idle = lab.index[(lab["CC50.x"] == 100) & lab.index.isin(curves.index)]
    typed = curves.loc[idle]
    numbered = typed[typed["status"] == "estimated"]
    assert len(numbered) <= 3, "what the laboratory saw no effect of"
    assert (curves.loc[curves["status"] != "estimated", "reason"] != "").all()
    assert curves.loc[curves["status"] != "estimated", "ic50_um"].isna().all()


def shaped(values: tuple[float, ...], noise: float = 0.03, replicates: int = 3) -> pd.Series:
    """The curve of given mean responses at the usual doses."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        [
            {"model": "P", "drug": "d", "dose_um": x, "replicate": f"e{r}", "viability": v + rng.normal(0, noise)}
            for r in range(replicates)
            for x, v in zip(DOSES, values, strict=True)
        ]
    )
    return dose_response.fit_curves(table).iloc[0]


@pytest.mark.parametrize("replicates", [1, 3])
@pytest.mark.parametrize("values", [(0.3, 0.3, 0.35, 0.6, 0.9, 1.0), (1.0, 1.0, 1.05, 1.4, 1.9, 2.1)])
def test_a_response_that_rises_with_dose_gives_no_bound(values: tuple[float, ...], replicates: int) -> None:
    row = shaped(values, replicates=replicates)
    assert (row["status"], row["reason"], row["ic50_bound"]) == ("not_estimable", "viability rises with dose", "")
    assert row[["ic50_um", "ic50_bound_um", "ic50_ci_low", "ic50_ci_high"]].isna().all()


def test_a_response_that_comes_back_above_the_level_is_not_above_it() -> None:
    row = shaped((0.9, 0.4, 0.3, 0.4, 0.8, 1.0))
    assert row["status"] == "not_estimable" and "above it again at higher ones" in row["reason"]


def test_a_small_rise_keeps_its_bound_and_is_noted() -> None:
    row = shaped((1.0, 1.0, 1.0, 1.05, 1.1, 1.15))
    assert (row["status"], row["ic50_bound"]) == ("censored", "above") and "rises with dose" in row["fit_note"]
    assert "rises" not in shaped((1.0,) * 6)["fit_note"]


def test_identical_responses_off_the_level_are_a_bound() -> None:
    above, below = shaped((0.7,) * 6, 0.0), shaped((0.0,) * 6, 0.0)
    assert (above["status"], above["ic50_bound"], above["ic50_bound_um"]) == ("censored", "above", 100.0)
    assert above["auc_normalised"] == pytest.approx(0.7)
    assert (below["status"], below["ic50_bound"], below["ic50_bound_um"]) == ("censored", "below", 0.3)
    assert shaped((0.5,) * 6, 0.0)["status"] == "not_estimable"


def test_without_replicates_plates_are_no_replicates() -> None:
    table = experiment(np.random.default_rng(2), "P", "d", 10.0).rename(columns={"replicate": "plate"})
    row = dose_response.fit_curves(table).iloc[0]
    assert row["n_replicates"] == 1 and "one biological replicate" in row["fit_note"]


def test_a_table_without_rows_is_said_to_have_none() -> None:
    with pytest.raises(NotApplicable, match="The table has no rows"):
        dose_response.fit_curves(experiment(np.random.default_rng(0), "P", "d", 1.0).head(0))
