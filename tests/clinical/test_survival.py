"""Survival: what is planted is told back, what is not is not, and TCGA liver cancer gives its known numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import patients_examples as examples
import pytest

from rechallenge.clinical.cohorts import claims, fits, scan, verdicts
from rechallenge.clinical.cohorts.candidates import NAMED, clinical_candidates
from rechallenge.clinical.cohorts.expression import percentiles, proliferation, rank_normal
from rechallenge.clinical.cohorts.people import as_covariate, design, groups, long
from rechallenge.evidence import check
from rechallenge.faults import NotApplicable

GENES = ("DRIVER", "FOLLOWER", "G1", "G2")


@pytest.fixture(scope="module")
def three() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Three cohorts of 300 with 130 events; effects so large that any seed tells them (z near 6 and 8)."""
    tables = examples.several([1, 2, 3], driver=2.2, proliferation=1.7)
    return examples.judged(tables, GENES, confounders=("age", "sex"))


def test_the_driver_is_supported_and_the_follower_of_proliferation_is_not(
    three: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame],
) -> None:
    table, pooled, _ = three
    said = table.drop_duplicates("gene").set_index("gene")
    assert said.loc["DRIVER", "verdict"] == verdicts.SUPPORTED, said.loc["DRIVER", "verdict_reason"]
    follower = said.loc["FOLLOWER"]
    assert follower["verdict"] == verdicts.NOT and "lost after adjustment" in follower["verdict_reason"]
    raw = pooled[pooled["gene"] == "FOLLOWER"].iloc[0]
    assert raw["hr_per_sd"] > 1.2 and raw["p_value"] < 0.05, "without adjustment it would have passed"
    driver = pooled[pooled["gene"] == "DRIVER"].iloc[0]
    assert driver["k"] == 3 and driver["loo_low"] > 1 and driver["percentile"] > 99
    rows = table[table["gene"] == "DRIVER"]
    assert rows["confounder_hr"].gt(1).all() and rows["events_per_variable"].gt(40).all()
    assert (rows["proliferation_genes"] == 30).all()


def test_one_cohort_is_never_supported() -> None:
    table, _, _ = examples.judged(examples.cohort(1, driver=1.7), ("DRIVER",))
    assert table["verdict"].tolist() == [verdicts.SUGGESTIVE]
    assert "one cohort is no replication" in table["verdict_reason"].iloc[0]


def test_two_cohorts_must_both_show_it() -> None:
    """Hartung and Knapp have one degree of freedom with two cohorts, so each must show it by itself."""
    table, _, _ = examples.judged(examples.several([4, 5], driver=1.8), ("DRIVER",))
    assert set(table["verdict"]) == {verdicts.SUPPORTED}
    one = examples.cohort(4, "A", driver=2.0)
    other = examples.cohort(5, "B", driver=0.5)
    tables = tuple(pd.concat([a, b], ignore_index=True) for a, b in zip(one, other, strict=True))
    table, _, _ = examples.judged(tables, ("DRIVER",))  # type: ignore[arg-type]
    assert set(table["verdict"]) == {verdicts.NOT}
    assert "opposite directions" in table["verdict_reason"].iloc[0]


def test_few_events_are_described_and_not_tested() -> None:
    table, pooled, _ = None, None, None
    tables = examples.cohort(6, n=80, events=15)
    of = scan.survival_scan(*tables)
    assert set(of["status"]) == {"not_testable"} and of["p_value"].isna().all() and of["hr_per_sd"].notna().all()
    chosen = clinical_candidates(of, genes=("DRIVER",), top=0)
    own = fits.survival_fits(tables[0], chosen, tables[1], tables[2], draws=99)
    with pytest.raises(NotApplicable, match="20 events"):
        scan.survival_meta(of, own)
    table = verdicts.survival(own, chosen, of)
    assert table["verdict"].tolist() == [verdicts.UNTESTED]
    evidence = check(claims.survival_claims(table, None, tables[0]))
    assert evidence["status"].tolist() == ["not_testable"] and evidence["direction"].tolist() == [0]
    assert "15 events" in evidence["claim"].iloc[0]
    assert pooled is None


def test_claims_carry_direction_verdict_and_origin(
    three: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame],
) -> None:
    table, pooled, _ = three
    tables = examples.several([1, 2, 3], driver=2.2, proliferation=1.7)
    out = check(claims.survival_claims(table, pooled, tables[0])).set_index("entity")
    assert set(out["level"]) == {"clinical"}
    assert out.loc["DRIVER", "direction"] == 1 and out.loc["FOLLOWER", "direction"] == 0
    said = out.loc["DRIVER", "claim"]
    assert said.startswith("DRIVER: supported in patients; high expression goes with shorter survival")
    assert "900 patients, 390 events" in said and NAMED in said and "prediction interval" in said
    assert out.loc["DRIVER", "source_rows"] == "patients.csv:2-301"
    assert (out["q_value"] >= out["p_value"]).all()


def test_a_gene_chosen_by_the_scan_passes_on_q_alone() -> None:
    tables = examples.cohort(8, driver=1.0, proliferation=1.0)
    table, _, chosen = examples.judged(tables, (), top=5)
    assert chosen["selected"].all() and chosen["why"].str.contains("rank").all()
    assert table["p_value"].lt(0.05).all(), "the five strongest of 332 null genes have small p-values"
    assert (table["verdict"].ne(verdicts.NOT) <= table["q_value"].lt(0.05)).all(), "none passes by its p alone"
    assert (table["verdict"] == verdicts.NOT).sum() >= 4
    assert table["verdict_reason"].str.contains("chosen from the scan").all()


def test_row_order_does_not_matter() -> None:
    tables = examples.cohort(9, background=60)
    mixed = tuple(t.sample(frac=1, random_state=1).reset_index(drop=True) for t in tables)
    a, b = scan.survival_scan(*tables), scan.survival_scan(*mixed)
    pd.testing.assert_frame_equal(a, b, rtol=1e-9)


def test_missing_values_of_a_gene_leave_out_its_patients_alone() -> None:
    people, matrix, sheet = examples.cohort(10, background=40)
    samples = sheet["sample"].tolist()
    at = matrix.index[matrix["feature"] == "DRIVER"][0]
    matrix.loc[at, samples[:20]] = np.nan
    matrix.loc[matrix["feature"] == "G3", samples[:150]] = np.nan
    out = scan.survival_scan(people, matrix, sheet).set_index("gene")
    assert out.loc["DRIVER", "n"] == 280 and out.loc["G1", "n"] == 300 and "G3" not in out.index
    chosen = clinical_candidates(out.reset_index(), genes=("DRIVER", "G1"), top=0)
    own = fits.survival_fits(people, chosen, matrix, sheet, draws=99).set_index("gene")
    np.testing.assert_allclose(own.loc["DRIVER", "coef"], out.loc["DRIVER", "coef"])


def test_late_treatment_enters_late() -> None:
    """Patients treated late have lived so long: their own time counts from the start of treatment."""
    people, matrix, sheet = examples.cohort(11, background=40, events=250)
    treated = people["time"] > people["time"].median()
    people.loc[treated, "treatment"] = "sorafenib"
    people.loc[treated, "treatment_start"] = people["time"].median() * 0.9
    found = {g.subset: g for g in groups(long(people))}
    late = found["treated with sorafenib"]
    assert late.delayed and late.n == treated.sum() and (late.rows["entry"] > 0).all()
    out = scan.survival_scan(people, matrix, sheet)
    assert set(out["subset"]) == {"all patients", "treated with sorafenib"}


def test_endpoints_side_by_side_become_rows() -> None:
    wide = pd.DataFrame(
        {"patient": ["P1", "P2"], "cohort": "C", "OS": ["1", "0"], "OS.time": ["10", "20"], "DFS_STATUS":
         ["1:Recurred/Progressed", "0:DiseaseFree"], "DFS_MONTHS": ["5", "20"], "age": ["60", "70"]}
    )  # fmt: skip
    out = long(wide)
    assert out.groupby("endpoint")["event"].apply(list).to_dict() == {"DFS": [1.0, 0.0], "OS": [1.0, 0.0]}
    assert out[out["endpoint"] == "DFS"]["time_unit"].tolist() == ["months", "months"]
    assert "age" in out and "OS" not in out


def test_covariates() -> None:
    age = as_covariate(pd.Series(["60", "61", "[Not Available]", "64", "66", "70", "71", "75"] * 2))
    assert age.dtype.kind == "f" and age.isna().sum() == 2
    assert as_covariate(pd.Series([str(i) for i in range(40, 60)])).dtype.kind == "f", "whole numbers are numbers"
    rows = pd.DataFrame({"stage": ["I", "II", "I", "", "III", "I"], "age": [str(50 + i) for i in range(6)]})
    columns, complete = design(rows, ("stage",))
    assert list(columns.columns) == ["stage: II", "stage: III"] and complete.sum() == 5


def test_scores_and_percentiles() -> None:
    rng = np.random.default_rng(0)
    z = rank_normal(np.vstack([rng.exponential(size=50), np.zeros(50)]))
    assert abs(z[0].mean()) < 1e-12 and z[0].std(ddof=1) == pytest.approx(1) and (z[1] == 0).all()
    strength, level = rng.random(4000), rng.uniform(0, 10, 4000)
    share, matched = percentiles(strength + (level > 9) * 10, level)
    assert matched.all() and abs(share[level > 9.8].mean() - 50) < 8, "compared with genes as highly expressed"
    all_, unmatched = percentiles(strength, np.zeros(4000))
    assert not unmatched.any() and all_.max() == 100
    score = proliferation(examples.PROLIFERATION, rng.normal(size=(30, 50)))
    assert score.n == 30
    without = score.without(examples.PROLIFERATION[0])
    assert without is not None and np.corrcoef(without, score.scores[1:].mean(axis=0))[0, 1] == pytest.approx(1)


def test_tcga_liver_cancer(shared: Path) -> None:
    """PORPOISE's 1,550 genes in 333 patients, 115 deaths: HR per SD PLK1 1.59, AURKB 1.38, KDR .76, AXL .95, IL6 1.01;
    about a fifth of all genes has p < .05, so AXL, FGFR4 and IL6 are no findings. PLK1's association stays beside a
    score of ten cell-cycle genes that correlates with it by .9; AURKB's is lost."""
    tables = examples.tcga(shared)
    genes = ("PLK1", "AURKB", "KDR", "AXL", "IL6", "FGFR4")
    table, _, _ = examples.judged(tables, genes, confounders=("age", "gender", "stage"))
    own = table[table["subset"] == "all patients"].set_index("gene")
    assert own.loc["PLK1", ["n", "events"]].tolist() == [333, 115]
    want = {"PLK1": 1.59, "AURKB": 1.38, "KDR": 0.76, "AXL": 0.95, "IL6": 1.01}
    for gene, hr in want.items():
        assert own.loc[gene, "hr_per_sd"] == pytest.approx(hr, abs=0.006), gene
    assert own.loc[["AXL", "IL6", "FGFR4"], "verdict"].eq(verdicts.NOT).all()
    assert own.loc["PLK1", "verdict"] == verdicts.SUGGESTIVE
    assert "kept after adjustment" in own.loc["PLK1", "verdict_reason"]
    assert "lost after adjustment" in own.loc["AURKB", "verdict_reason"]
    assert own.loc["PLK1", "ph_p_value"] < 0.01 and own.loc["PLK1", "rmst_difference"] < 0
    assert own.loc["PLK1", "cut_uncorrected"] < own.loc["PLK1", "cut_p_value"]
    assert own["confounder_missing"].eq(20).all()
    of = scan.survival_scan(*tables)
    share = (of[of["subset"] == "all patients"]["p_value"] < 0.05).mean()
    assert 0.15 < share < 0.22
    late = of[of["subset"] == "treated with sorafenib"]
    assert set(late["status"]) == {"not_testable", "not_estimable"} and late["p_value"].isna().all(), (
        "20 treated patients with a start, 10 deaths"
    )


def test_one_score_in_five_cohorts_disagrees(shared: Path) -> None:
    people = examples.six_cohorts(shared)
    of = scan.survival_scan(people, markers=("risk_score",))
    own = of.set_index("cohort")
    sd = {"GSE14520": 2.25, "LIRI-JP": 1.65, "GSE76427": 0.91, "GSE10143": 1.06, "GSE27150": 1.44}
    for cohort, hr in sd.items():  # per SD of the score there, of its normal scores here
        assert own.loc[cohort, "hr_per_sd"] == pytest.approx(hr, abs=0.025), cohort
    pooled = scan.survival_meta(of).iloc[0]
    assert 0.7 < pooled["i2_q"] < 0.85 and pooled["pi_low"] < 1 < pooled["pi_high"]
    chosen = clinical_candidates(of, markers=("risk_score",), top=0)
    fitted = fits.survival_fits(people, chosen, draws=99)
    table = verdicts.survival(fitted, chosen, of, scan.survival_meta(of, fitted))
    assert set(table["verdict"]) == {verdicts.NOT}, "the interval of the pooled hazard ratio holds 1"


def test_nothing_to_do_is_said() -> None:
    people, matrix, sheet = examples.cohort(1, background=10)
    with pytest.raises(NotApplicable, match="time and event"):
        scan.survival_scan(people.assign(time=np.nan), matrix, sheet)
    with pytest.raises(NotApplicable):
        scan.survival_scan(people)
