"""Re-challenge: restored sensitivity, toxicity that only looks like it, and what cannot be told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rechallenge.assays import schedule as assay
from rechallenge.evidence import check
from rechallenge.faults import NotApplicable
from rechallenge.report.theme import export, specification
from rechallenge.tables.reading import read_table

#: pretreatment -> viability without challenge, survival under challenge: reversal at the low dose, toxicity at the high
CELASTROL = {"vehicle": (1.0, 0.8), "celastrol 0.2 µM": (0.97, 0.35), "celastrol 8 µM": (0.22, 0.8)}


def experiment(
    seed: int = 3, planted: dict[str, tuple[float, float]] = CELASTROL, n: int = 4, noise: float = 0.07
) -> pd.DataFrame:
    """`n` experiments with three wells per condition; `noise` is the SD of ln viability of a condition."""
    rng, rows = np.random.default_rng(seed), []
    for r in range(n):
        for label, (alone, survival) in planted.items():
            for dose, truth in ((0.0, alone), (5.0, alone * survival)):
                value = truth * np.exp(rng.normal(0, noise))
                rows += [
                    {"model": "LR", "pretreatment": label, "challenge_drug": "sorafenib", "challenge_um": dose,
                     "replicate": f"e{r + 1}", "viability": value * np.exp(rng.normal(0, 0.02))}
                    for _ in range(3)
                ]  # fmt: skip
    table = pd.DataFrame(rows).assign(_file="s.csv", _sheet="")
    table["_row"] = range(2, len(table) + 2)
    return table


def of(out: pd.DataFrame, kind: str, label: str) -> pd.Series:
    found = out[(out["kind"] == kind) & (out["pretreatment"] == label)]
    assert len(found) == 1
    return found.iloc[0]


@pytest.fixture(scope="module")
def result() -> pd.DataFrame:
    return assay.schedule(experiment())


def test_reversal_at_the_low_dose_and_toxicity_at_the_high(result: pd.DataFrame) -> None:
    low, high = of(result, "interaction", "celastrol 0.2 µM"), of(result, "interaction", "celastrol 8 µM")
    assert low["verdict"] == assay.RESTORES and low["fold_ci_low"] < 0.35 / 0.8 < low["fold_ci_high"]
    assert low["p_holm"] < 0.05 and low["n"] == 4 and low["design"] == "replicate as block"
    assert high["verdict"] == assay.TOXIC and high["ci_low"] < 0 < high["ci_high"]
    assert (low["pretreatment_drug"], low["pretreatment_um"], high["pretreatment_um"]) == ("celastrol", 0.2, 8.0)
    assert high["alone"] == pytest.approx(0.22, rel=0.15) and high["alone_p_value"] < 0.05


def test_numbers_are_those_of_the_paired_test(result: pd.DataFrame) -> None:
    keys = ["pretreatment", "challenge_um", "replicate"]
    logs = np.log2(experiment().groupby(keys)["viability"].mean())
    c, v = (logs.loc[label, 5.0] - logs.loc[label, 0.0] for label in ("celastrol 0.2 µM", "vehicle"))
    known = stats.ttest_1samp(c - v, 0)
    row = of(result, "interaction", "celastrol 0.2 µM")
    assert (row["p_value"], row["statistic"]) == pytest.approx((known.pvalue, known.statistic))
    assert (result["q_value"] >= result["p_value"] - 1e-15).all() and (result["p_holm"] >= result["p_value"]).all()


def test_claims_have_the_sign_the_numbers_and_the_rows(result: pd.DataFrame) -> None:
    out = check(assay.schedule_claims(result)).set_index("contrast")
    low, high = (out.loc[f"celastrol {d} µM vs vehicle before sorafenib 5 µM"] for d in ("0.2", "8"))
    assert (low["entity"], low["entity_type"], low["level"], low["direction"]) == (
        "celastrol",
        "drug",
        "intervention",
        -1,
    )
    assert "restores sensitivity in LR, survival under challenge 0." in low["claim"] and "n = 4" in low["claim"]
    assert high["direction"] == 0 and "toxicity and not restoration" in high["claim"]
    assert low["source_rows"] == "s.csv:2-13,20-31,38-49,56-67"


def test_wells_are_no_replicates_and_rows_have_no_order(result: pd.DataFrame) -> None:
    table = experiment()
    means = table.groupby(["model", "pretreatment", "challenge_drug", "challenge_um", "replicate"], as_index=False)
    same = assay.schedule(means["viability"].mean())
    pd.testing.assert_frame_equal(same.drop(columns="source_rows"), result.drop(columns="source_rows"))
    shuffled = assay.schedule(table.sample(frac=1, random_state=1))
    pd.testing.assert_frame_equal(shuffled, result)


def test_other_replicates_in_the_other_arm_are_compared_by_welch() -> None:
    table = experiment(n=5)
    treated = table["pretreatment"] != "vehicle"
    table.loc[treated, "replicate"] = "x" + table.loc[treated, "replicate"]
    row = of(assay.schedule(table), "interaction", "celastrol 0.2 µM")
    assert row["design"].startswith("blocks within groups") and row["n"] == 10 and row["verdict"] == assay.RESTORES


def test_one_replicate_is_not_tested() -> None:
    out = assay.schedule(experiment(n=1))
    row = of(out, "interaction", "celastrol 0.2 µM")
    assert row["status"] == "not_testable" and row["effect"] < 0 and np.isnan(row["p_value"])
    claims = check(assay.schedule_claims(out))
    assert (claims["direction"] == 0).all() and claims["claim"].str.contains("not tested").all()


def test_a_missing_arm_is_named() -> None:
    table = experiment().query("not (pretreatment == 'vehicle' and challenge_um == 0)")
    row = of(assay.schedule(table), "interaction", "celastrol 0.2 µM")
    assert row["status"] == "not_estimable" and "no measurement of vehicle, no challenge" in row["reason"]


def test_nothing_left_gives_a_bound() -> None:
    table = experiment()
    gone = (table["pretreatment"] == "celastrol 0.2 µM") & (table["challenge_um"] == 5)
    table.loc[gone, "viability"] = 0.0
    out = assay.schedule(table)
    row = of(out, "interaction", "celastrol 0.2 µM")
    assert (row["status"], row["verdict"], row["ci_low"]) == ("censored", assay.RESTORES, -np.inf)
    assert np.isnan(row["effect"]) and np.isnan(row["p_value"]) and row["fold_ci_high"] < 0.05
    claim = check(assay.schedule_claims(out)).query("direction == -1").iloc[0]
    assert "by a factor below 0.0" in claim["claim"] and "logarithm" in claim["claim"]


def test_viability_divided_by_itself_shows_no_toxicity() -> None:
    table = experiment()
    table.loc[table["challenge_um"] == 0, "viability"] = 1.0
    out = assay.schedule(table)
    alone = of(out, "pretreatment", "celastrol 8 µM")
    assert alone["status"] == "not_testable" and "divided by itself" in alone["reason"]
    assert np.isnan(of(out, "interaction", "celastrol 8 µM")["alone"])


def test_a_pretreatment_that_protects_is_the_other_sign() -> None:
    out = assay.schedule(experiment(planted={"DMSO": (1.0, 0.3), "x 1 µM": (1.0, 0.8), "a + b": (1.0, 0.3)}))
    claims = check(assay.schedule_claims(out)).set_index("entity")
    assert claims.loc["x", "direction"] == 1 and claims.loc["a + b", ["direction", "entity_type"]].tolist() == [
        0,
        "pair",
    ]


def test_vehicle_alone_is_nothing_to_analyse() -> None:
    with pytest.raises(NotApplicable, match="no pretreatment beside vehicle"):
        assay.schedule(experiment(planted={"vehicle": (1.0, 0.8)}))


def test_the_example_keeps_the_contract_and_faults_are_said(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text(assay.SCHEDULE.example, encoding="utf-8")
    faults = read_table(assay.SCHEDULE, "s.csv", folder=tmp_path).faults
    assert not [f for f in faults if f.severity == "error"] and [f.code for f in faults].count("few-replicates") == 1
    lines = [line for line in assay.SCHEDULE.example.splitlines() if "vehicle" not in line and ",0,1," not in line]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    codes = {f.code for f in read_table(assay.SCHEDULE, "s.csv", folder=tmp_path).faults}
    assert {"no-vehicle", "no-unchallenged"} <= codes


def test_figures_hold_every_point(result: pd.DataFrame) -> None:
    chart = assay.schedule_viability(experiment())
    text = json.dumps(specification(chart), ensure_ascii=False)
    assert text.count('"part": "replicate"') == 4 * 3 * 2 and text.count('"part": "mean"') == 6
    assert "Viability (fraction of vehicle)" in text and "Challenge (µM)" in text
    forest = export("f", assay.schedule_forest(result))
    assert b"celastrol 8" in forest["csv"] and forest["pdf"].startswith(b"%PDF")


@pytest.mark.slow
def test_a_study_folder_is_run_to_its_end(tmp_path: Path) -> None:
    from rechallenge import pipeline

    experiment().drop(columns=["_file", "_sheet", "_row"]).to_csv(tmp_path / "s.csv", index=False)
    study = '[study]\ntitle = "t"\ntherapies = ["sorafenib"]\n[models]\n"LR" = { role = "parental" }\n'
    (tmp_path / "study.toml").write_text(study + '[tables]\nschedule = "s.csv"\n', encoding="utf-8")
    record = pipeline.run(tmp_path)
    assert record.failed == () and record.evidence["direction"].tolist() == [-1, 0]
    assert len(record.tables["schedule"]) == 7


@pytest.mark.slow
def test_level_without_and_power_with_a_planted_interaction() -> None:
    null = {"vehicle": (1.0, 0.6), "x": (0.8, 0.6)}
    runs = 250
    made = [of(assay.schedule(experiment(s, null, n=3)), "interaction", "x")["p_value"] for s in range(runs)]
    assert np.less(made, 0.05).sum() <= stats.binom.ppf(0.9995, runs, 0.05)
    strong = {"vehicle": (1.0, 0.8), "x": (1.0, 0.4)}
    found = [of(assay.schedule(experiment(s, strong, n=4)), "interaction", "x")["p_value"] for s in range(60)]
    assert np.less(found, 0.05).mean() > 0.9
