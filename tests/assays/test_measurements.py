"""Bench read-outs: designs told from tables, scales, evidence, stages, GraphPad files, figures."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rechallenge.assays import measurements as assay
from rechallenge.assays.measurements import comparing
from rechallenge.evidence import check
from rechallenge.faults import InputFaults, NotApplicable
from rechallenge.report.theme import export, specification
from rechallenge.stats.correlation import correlation
from rechallenge.study import TableSource
from rechallenge.tables.reading import read_table

MODELS = pd.DataFrame({
    "model": ["P", "LR", "SR"], "role": ["parental", "resistant", "resistant"], "parent": ["", "P", "P"],
    "selected_with": ["", "lenvatinib", "sorafenib"], "stage": ["", "", ""],
})  # fmt: skip
BLANK: dict[str, Any] = {
    "unit": "fold", "block": "", "time": np.nan, "stage": "", "control": "", "scale": "", "meaning": "", "gene": "",
    "drug": "", "signal": np.nan, "reference": np.nan,
}  # fmt: skip


def table(
    arms: dict[tuple[str, str], float], n: int = 4, seed: int = 0, noise: float = 0.1, **more: Any
) -> pd.DataFrame:
    """Log-normal read-outs with two wells a replicate and an effect of the experiment; arms: (model, group) -> mean."""
    rng = np.random.default_rng(seed)
    day = rng.normal(0, 0.5, n)
    rows = []
    for (model, group), mean in arms.items():
        extra = more.get("by_group", {}).get(group, {})
        for r in range(n):
            value = mean * 2 ** (day[r] + rng.normal(0, noise))
            row = {**BLANK, "assay": "ROS", "model": model, "group": group, "replicate": f"e{r}"}
            row |= {k: v for k, v in more.items() if k != "by_group"} | extra
            rows += [{**row, "value": value * w} for w in (0.99, 1.01)]
    out = pd.DataFrame(rows).assign(_file="m.csv", _sheet="")
    out["_row"] = range(2, len(out) + 2)
    return out


def results(frame: pd.DataFrame, models: pd.DataFrame | None = None, **options: Any) -> pd.DataFrame:
    return assay.comparisons(frame, models, **options)["comparisons"].set_index("contrast")


FOUR = {("LR", "vehicle"): 1.0, ("LR", "sorafenib"): 3.0, ("LR", "NAC"): 1.0, ("LR", "sorafenib + NAC"): 1.1}


def test_combined_groups_are_a_factorial() -> None:
    out = results(table(FOUR))
    assert out["kind"].to_dict() == {
        "NAC vs vehicle": "group", "sorafenib vs vehicle": "group", "sorafenib + NAC vs vehicle": "group",
        "sorafenib + NAC vs sorafenib": "within", "sorafenib + NAC vs NAC": "within", "NAC x sorafenib": "interaction",
    }  # fmt: skip
    taken = out.loc["sorafenib + NAC vs sorafenib"]
    assert taken["verdict"] == comparing.BLOCKED and taken["taken_back"] == pytest.approx(0.92, abs=0.25)
    assert taken["taken_back_low"] < taken["taken_back"] < taken["taken_back_high"]
    crossed = out.loc["NAC x sorafenib"]
    assert crossed["effect"] == pytest.approx(np.log2(1.1) - np.log2(3.0), abs=0.5)
    assert crossed["verdict"] == comparing.FALLS
    assert out["n"].to_dict()["NAC x sorafenib"] == 16 and taken["n_group"] == 4, "wells are not replicates"
    unmoved = out.loc["NAC vs vehicle", "verdict"] == comparing.UNCHANGED
    assert np.isnan(out.loc["sorafenib + NAC vs NAC", "taken_back"]) == unmoved, "of nothing nothing is taken back"
    assert (out["q_value"] >= out["p_value"] - 1e-15).all()


def test_the_design_names_the_test() -> None:
    frame = table(FOUR)
    designs = assay.comparisons(frame)["comparison_designs"].set_index("family")
    assert designs.loc["LR: groups", "test"] == "Dunnett's test on the block model"
    assert designs.loc["LR: groups", "f_df2"] == 9
    free = assay.comparisons(frame, independent=("ROS",))["comparison_designs"].set_index("family")
    assert free.loc["LR: groups", ["design", "test", "f_df2"]].tolist() == [
        "independent groups against a control", "Dunnett's test", 12.0]  # fmt: skip
    apart = frame.assign(replicate=frame["group"] + frame["replicate"])
    assert results(apart).loc["sorafenib vs vehicle", "test"] == "Dunnett's test"
    two = frame[frame["group"].isin(["vehicle", "sorafenib"])]
    assert results(two)["test"].tolist() == ["paired t test"]
    pairs = frame.assign(
        group=frame["group"].map({"vehicle": "a", "sorafenib": "b", "NAC": "c", "sorafenib + NAC": "d"})
    )
    assert set(results(pairs)["adjustment"]) == {"Tukey"} and len(results(pairs)) == 6
    assert set(results(pairs, independent=("*",))["adjustment"]) == {"Games-Howell"}
    assert set(results(pairs, control=("b",))["control"]) == {"b"}


def test_the_block_column_is_the_experiment() -> None:
    frame = table({("LR", "vehicle"): 1.0, ("LR", "drug"): 2.0})
    moved = frame.assign(block=frame["replicate"], replicate=frame["group"] + "-1")
    assert results(moved).loc["drug vs vehicle", "p_value"] == pytest.approx(
        results(frame).loc["drug vs vehicle", "p_value"]
    )


def test_a_control_of_its_kind_for_knock_downs() -> None:
    arms = {("LR", g): m for g, m in (("vehicle", 1.0), ("siNC", 1.0), ("siAKR1B1", 2.0), ("sorafenib", 1.5))}
    assert set(results(table(arms)).index) == {"siAKR1B1 vs siNC", "siNC vs vehicle", "sorafenib vs vehicle"}


def test_resistant_lines_against_their_parent() -> None:
    arms = {(m, g): v for m, g, v in (("P", "vehicle", 1), ("LR", "vehicle", 4), ("SR", "vehicle", 1),
                                      ("P", "drug", 3), ("LR", "drug", 4.1), ("SR", "drug", 3))}  # fmt: skip
    out = results(table(arms, gene="AKR1B1", meaning="rise promotes resistance"), MODELS)
    assert out.loc["LR vs P, vehicle", "verdict"] == comparing.RISES
    assert out.loc["LR vs P, vehicle", ["entity", "direction"]].tolist() == ["AKR1B1", 1]
    assert out.loc["SR vs P, vehicle", "effect"] == pytest.approx(0, abs=0.4)
    crossed = out.loc["drug vs vehicle, LR vs P"]
    assert crossed["kind"] == "model x group" and crossed["effect"] == pytest.approx(np.log2(4.1 / 4 / 3), abs=0.5)
    claims = check(assay.comparison_claims(out.reset_index()))
    assert (
        set(claims["level"]) == {"association"}
        and "AKR1B1: promotes resistance by ROS in LR" in claims["claim"].iloc[0]
    )


@pytest.mark.parametrize(
    ("group", "gene", "drug", "mean", "meaning", "entity", "direction"),
    [
        ("siAKR1B1", "AKR1B1", "", 3.0, "rise restores sensitivity", "AKR1B1", 1),
        ("siAKR1B1", "", "", 3.0, "rise promotes resistance", "AKR1B1", -1),
        ("AKR1B1 OE", "", "", 3.0, "rise promotes resistance", "AKR1B1", 1),
        ("epalrestat", "", "epalrestat", 0.3, "rise promotes resistance", "epalrestat", -1),
        ("epalrestat", "", "epalrestat", 3.0, "rise promotes resistance", "epalrestat", 1),
    ],
)
def test_signs_of_claims(
    group: str, gene: str, drug: str, mean: float, meaning: str, entity: str, direction: int
) -> None:
    frame = table(
        {("LR", "control"): 1.0, ("LR", group): mean}, meaning=meaning, by_group={group: {"gene": gene, "drug": drug}}
    )
    claims = check(assay.comparison_claims(results(frame).reset_index()))
    assert claims[["entity", "direction", "level"]].to_numpy().tolist() == [[entity, direction, "intervention"]]
    assert claims["source_rows"].iloc[0] == "m.csv:2-17"
    quiet = frame.assign(meaning="")
    assert assay.comparison_claims(results(quiet).reset_index()).empty
    told = results(quiet, rise={"ROS": meaning}).reset_index()
    assert assay.comparison_claims(told)["direction"].tolist() == [direction]


def test_repeated_measures_compare_times_within_units() -> None:
    frames = [table({("LR", "vehicle"): v, ("LR", "drug"): d}, seed=int(t), time=t)
              for t, v, d in ((0.0, 1.0, 1.0), (24.0, 1.0, 2.0), (48.0, 1.0, 4.0))]  # fmt: skip
    out = results(pd.concat(frames, ignore_index=True))
    kinds = out.groupby("kind").size().to_dict()
    assert kinds == {"group": 3, "group x time": 2, "time": 4}
    change = out.loc["drug vs vehicle, change from time 0 to 48"]
    assert change["effect"] == pytest.approx(2, abs=0.5) and change["test"] == "paired t tests within experiments"
    assert change["df"] == 3 and out.loc["drug, time 48 vs 0", "df"] == 3


@pytest.mark.parametrize(
    ("unit", "values", "log", "why"),
    [
        ("fold", [1.0, 1.2], True, "a ratio or amount"), ("%", [1.0, 90.0], False, "a share"),
        ("", [1.0, 2.0], False, "no ratio"), ("", [1.0, 20.0], True, "spanning"), ("pg/mL", [1.0, 2.0], True, "amount"),
        ("fold", [0.0, 2.0], False, "at or below 0"), ("mV", [-1.0, 2.0], False, "at or below 0"),
    ],
)  # fmt: skip
def test_the_scale_is_chosen_without_looking_at_groups(unit: str, values: list[float], log: bool, why: str) -> None:
    rows = pd.DataFrame({"assay": "x", "unit": [unit] * 2, "scale": [""] * 2, "value": values})
    assert assay.scale_of(rows, rows["value"])[0] is log and why in assay.scale_of(rows, rows["value"])[1]
    assert assay.scale_of(rows.assign(scale="log" if not log else "linear"), rows["value"])[1] in (
        "declared",
        "values at or below 0",
    )


def test_signal_over_reference_is_taken_well_by_well() -> None:
    frame = table({("LR", "vehicle"): 1.0, ("LR", "drug"): 2.0})
    stain = np.random.default_rng(1).uniform(0.5, 2, len(frame))
    wells = frame.assign(signal=frame["value"] * stain, reference=stain, value=np.nan)
    assert results(wells)["effect"].iloc[0] == pytest.approx(results(frame)["effect"].iloc[0])


def test_values_divided_by_their_control_give_the_same_answer() -> None:
    frame = table({("LR", "vehicle"): 1.0, ("LR", "a"): 2.0, ("LR", "b"): 1.2})
    base = frame[frame["group"] == "vehicle"].groupby("replicate")["value"].mean()
    ratio = frame.assign(value=frame["value"] / frame["replicate"].map(base))
    pd.testing.assert_series_equal(results(frame)["p_adjusted"], results(ratio)["p_adjusted"], rtol=1e-3)


def test_typed_cases() -> None:
    one = results(table(FOUR, n=1))
    assert set(one["status"]) == {"not_testable"} and one["p_value"].isna().all() and one["effect"].notna().all()
    with pytest.raises(NotApplicable):
        assay.comparisons(table({("LR", "vehicle"): 1.0}))
    check(assay.comparison_claims(results(table(FOUR, n=1, meaning="rise promotes resistance")).reset_index()))


def test_rows_have_no_order() -> None:
    frame = table(FOUR)
    for name, out in assay.comparisons(frame.sample(frac=1, random_state=3), MODELS).items():
        pd.testing.assert_frame_equal(out, assay.comparisons(frame, MODELS)[name])


def test_the_example_keeps_the_contract(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(assay.MEASUREMENTS.example, encoding="utf-8")
    read = read_table(assay.MEASUREMENTS, "m.csv", folder=tmp_path)
    assert not [f for f in read.faults if f.severity in ("error", "warning")]
    text = assay.MEASUREMENTS.example.replace("rise restores sensitivity", "who knows")
    (tmp_path / "m.csv").write_text(text, encoding="utf-8")
    assert "meaning" in {f.code for f in read_table(assay.MEASUREMENTS, "m.csv", folder=tmp_path).faults}


CURVES = pd.DataFrame({
    "model": "LR", "drug": "lenvatinib", "stage": [f"S{i}" for i in range(6)], "perturbation": "",
    "ic50_um": [5.0, 7.0, 12.0, 20.0, 40.0, 90.0], "status": "estimated",
})  # fmt: skip


def staged(values: list[float]) -> pd.DataFrame:
    frames = [
        table({("LR", "vehicle"): v}, seed=i, stage=f"S{i}", gene="AKR1B1", noise=0.02) for i, v in enumerate(values)
    ]
    return pd.concat(frames, ignore_index=True)


def test_stages_are_the_unit_of_the_correlation() -> None:
    out = assay.stage_correlation(staged([1, 2, 4, 8, 16, 33]), CURVES)
    row = out.iloc[0]
    assert (row["n"], row["rho"], row["verdict"]) == (6, pytest.approx(1.0), "follows the IC50")
    assert row["p_value"] == pytest.approx(2 / 720) and row["smallest_p"] == pytest.approx(2 / 720)
    claim = check(assay.gradient_claims(out)).iloc[0]
    assert (claim["entity"], claim["level"], claim["direction"], claim["n"]) == ("AKR1B1", "gradient", 1, 6)
    down = assay.stage_correlation(staged([33, 16, 8, 4, 2, 1]), CURVES).iloc[0]
    assert down["verdict"] == "opposes the IC50" and down["ci_low"] == -1
    three = assay.stage_correlation(staged([1, 2, 4]), CURVES).iloc[0]
    assert three["status"] == "not_testable" and "3 stages" in three["reason"] and np.isnan(three["p_value"])
    four = assay.stage_correlation(staged([1, 2, 4, 8]), CURVES).iloc[0]
    assert four["verdict"] == "no correlation shown" and "cannot give a p-value below 0.083" in four["reason"]
    with pytest.raises(NotApplicable):
        assay.stage_correlation(staged([1, 2]).assign(model="P"), CURVES)


def test_models_may_be_the_stages() -> None:
    models = pd.DataFrame({
        "model": ["P", "A", "B", "C"], "role": ["parental"] + ["resistant"] * 3, "parent": ["", "P", "P", "P"],
        "selected_with": ["", *["lenvatinib"] * 3], "stage": ["", "S1", "S2", "S3"],
    })  # fmt: skip
    arms = {(m, "vehicle"): v for m, v in zip("PABC", (1.0, 2.0, 4.0, 8.0), strict=True)}
    curves = pd.DataFrame({"model": list("PABC"), "drug": "lenvatinib", "stage": "", "perturbation": "none",
                           "ic50_um": [1.0, 2.0, 3.0, 9.0], "status": "estimated"})  # fmt: skip
    row = assay.stage_correlation(table(arms, noise=0.02), curves, models).iloc[0]
    assert (row["model"], row["stages"], row["n"]) == ("C", "S0 < S1 < S2 < S3", 4)


def test_correlation_agrees_with_scipy() -> None:
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=5), rng.normal(size=5)
    for rank, other in ((True, stats.spearmanr), (False, stats.pearsonr)):
        found = correlation(x, y, rank=rank)
        assert found.estimate == pytest.approx(other(x, y).statistic)
        every = [abs(other(x, list(v)).statistic) for v in permutations(y)]
        assert found.p_value == pytest.approx(np.mean(np.array(every) >= abs(found.estimate) - 1e-12))
    limits = stats.pearsonr(x, y).confidence_interval()
    assert (found.ci_low, found.ci_high) == pytest.approx((limits.low, limits.high))
    many = correlation(np.arange(20), np.arange(20) % 7, n_draws=999)
    assert not many.exact and many.p_value >= 1 / 1000
    for bad in (([1, 2, 3], [1, 2, 3]), ([1, 1, 1, 1], [1, 2, 3, 4]), ([1, 2, 3, np.inf], [1, 2, 3, 4])):
        with pytest.raises(ValueError, match=r"pairs|vary|finite"):
            correlation(*bad)


PZFX = """<?xml version="1.0" encoding="UTF-8"?>
<GraphPadPrismFile xmlns="http://graphpad.com/prism/Prism.htm" PrismXMLVersion="5.00">
<Table ID="Table0" XFormat="none" TableType="OneWay" EVFormat="AsteriskAfterNumber"><Title>ROS</Title>
<YColumn Width="81" Subcolumns="1"><Title>vehicle</Title>
<Subcolumn><d>1.0</d><d>1,1</d><d>0.9</d></Subcolumn></YColumn>
<YColumn Width="81" Subcolumns="1"><Title>siAKR1B1</Title>
<Subcolumn><d>2.0</d><d Excluded="1">9</d><d>2.2</d></Subcolumn></YColumn>
</Table></GraphPadPrismFile>"""


def test_graphpad_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "x.pzfx").write_text(PZFX, encoding="utf-8")
    source = TableSource.model_validate({"values": ["x.pzfx"], "model": "LR", "meaning": "rise restores sensitivity"})
    read = assay.read_measurements(source, tmp_path, assay.MEASUREMENTS, MODELS)
    assert not [f for f in read.faults if f.severity == "error"]
    assert read.frame[["assay", "model", "group", "replicate", "value"]].to_numpy().tolist() == [
        ["ROS", "LR", "vehicle", "1", 1.0], ["ROS", "LR", "vehicle", "2", 1.1], ["ROS", "LR", "vehicle", "3", 0.9],
        ["ROS", "LR", "siAKR1B1", "1", 2.0], ["ROS", "LR", "siAKR1B1", "3", 2.2]]  # fmt: skip
    assert read.excluded[["row", "value", "reason"]].to_numpy().tolist() == [[2, "9", "struck out in Prism"]]
    bare = TableSource.model_validate({"values": ["x.pzfx"]})
    faults = assay.read_measurements(bare, tmp_path, assay.MEASUREMENTS, MODELS).faults
    assert any(f.column == "model" and "does not say which model" in f.message for f in faults)
    for text in ("not xml", "<a><b></a>", PZFX.replace("OneWay", "Survival"), '<!DOCTYPE x [<!ENTITY a "b">]><x/>'):
        with pytest.raises(InputFaults):
            assay.read_pzfx(text.encode())


def test_every_graphpad_table_form_is_read_or_refused(shared: Path) -> None:
    folder = shared / "data/bench/prism/pzfx/inst/testdata"
    readable = {"column", "column_empty", "column_unequal_lengths", "column_hugetable"}
    for file in sorted(folder.glob("*.pzfx")):
        try:
            rows, _, _ = assay.read_pzfx(file.read_bytes())
        except InputFaults:
            assert file.stem not in readable
            continue
        expected = pd.read_csv(file.with_suffix(".tab"), sep="\t", header=None, skiprows=1)
        mine = sorted(r["value"] for r in rows)
        theirs = sorted(v for v in pd.to_numeric(expected.to_numpy().ravel(), errors="coerce") if v == v)
        assert mine == pytest.approx(theirs), file.stem


def test_figures_draw_every_replicate() -> None:
    frame = table(FOUR)
    out = assay.comparisons(frame)["comparisons"]
    charts = assay.estimation_plots(frame, out)
    assert list(charts) == ["ROS LR: groups"]
    made = export("x", charts["ROS LR: groups"])
    assert made["csv"].decode().count("replicate") >= 16 and made["pdf"].startswith(b"%PDF")
    values = staged([1, 2, 4, 8, 16, 33])
    chart = assay.stage_read_outs(assay.stage_correlation(values, CURVES), values, CURVES)
    assert json.dumps(specification(chart)).count('"S5"') == 1


@pytest.mark.slow
def test_null_and_power_of_stage_correlation() -> None:
    rng = np.random.default_rng(8)
    runs = 1500
    null = np.mean([correlation(rng.normal(size=6), rng.normal(size=6)).p_value < 0.05 for _ in range(runs)])
    assert null <= stats.binom.ppf(0.9995, runs, 0.05) / runs
    power = np.mean(
        [correlation(np.arange(6), np.arange(6) + rng.normal(0, 0.3, 6)).p_value < 0.05 for _ in range(300)]
    )
    assert power > 0.9


@pytest.mark.slow
def test_families_keep_their_error_rate_through_the_whole_analysis() -> None:
    arms = {("LR", g): 1.0 for g in ("vehicle", "a", "b", "c")}
    wrong = [(results(table(arms, n=3, seed=s))["p_adjusted"] < 0.05).any() for s in range(150)]
    assert np.mean(wrong) <= stats.binom.ppf(0.9995, len(wrong), 0.05) / len(wrong)
    arms["LR", "a"] = 1.6
    found = [results(table(arms, n=3, seed=s)).loc["a vs vehicle", "p_adjusted"] < 0.05 for s in range(30)]
    assert np.mean(found) > 0.9
