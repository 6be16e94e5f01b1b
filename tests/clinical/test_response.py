"""Response, audit, subgroups, treatment, tissues, biomarkers, cells, REMARK: planted answers and their absence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import patients_examples as examples
import pytest

from rechallenge.clinical.cohorts import audit, candidates, claims, display, remark, response, subgroups, tissues
from rechallenge.clinical.cohorts.verdicts import NOT, SUGGESTIVE, UNTESTED
from rechallenge.evidence import check
from rechallenge.faults import NotApplicable


def answered(tables: examples.Tables, genes: tuple[str, ...]) -> pd.DataFrame:
    of = response.response_scan(*tables)
    chosen = candidates.clinical_candidates(None, of, genes=genes, top=0)
    return response.response(tables[0], chosen, of, tables[1], tables[2], draws=499)


def test_a_predictive_gene_needs_the_placebo_arm() -> None:
    """PRED separates under the drug alone; PROG in both arms (effects of 2.5 and 3 log odds per SD, 60 a side)."""
    pred = answered(examples.trial(1, n=180), ("PRED", "G250")).set_index("gene")
    row = pred.loc["PRED"]
    assert row["auc"] > 0.8 and row["interaction_p_value"] < 0.01 and abs(row["control_auc"] - 0.5) < 0.2
    assert row["verdict"] == SUGGESTIVE and "one cohort is no replication" in row["verdict_reason"]
    assert row["permutation_p_value"] == 1 / 500 and row["percentile"] > 95
    assert pred.loc["G250", "verdict"] == NOT
    prog = answered(examples.trial(2, n=180, predictive=0.0, prognostic=3.0), ("PROG", "G5")).set_index("gene")
    row = prog.loc["PROG"]
    assert row["auc"] > 0.8 and row["control_auc"] > 0.75
    assert row["verdict"] == NOT and "not predictive" in row["verdict_reason"]
    assert row["separated"] and row["component"] == 1 and "already separates the labels" in row["verdict_reason"]
    out = check(claims.response_claims(pred.reset_index()))
    assert out.set_index("entity").loc["PRED", "direction"] == -1, "high in responders restores sensitivity"


def test_few_responders_are_not_tested() -> None:
    people, matrix, sheet = examples.trial(3, n=40)
    drug = people.index[people["treatment"] == "sorafenib"]
    people["response"] = "PD"
    people.loc[drug[:3], "response"] = "PR"
    table = answered((people, matrix, sheet), ("PRED",))
    assert table["status"].tolist() == ["not_testable"] and table["verdict"].tolist() == [UNTESTED]
    assert table[["p_value", "permutation_p_value", "interaction_p_value"]].isna().all(axis=None)
    out = check(claims.response_claims(table))
    assert out["p_value"].isna().all() and "3 responders of 20" in out["claim"].iloc[0]


def test_the_logistic_likelihood_agrees_with_a_2_by_2_table() -> None:
    """One binary covariate: the likelihood is that of the two proportions; separated labels reach 0."""
    x = np.repeat([0.0, 1.0], 20)
    y = np.r_[np.arange(20) < 5, np.arange(20) < 14]
    want = 5 * np.log(0.25) + 15 * np.log(0.75) + 14 * np.log(0.7) + 6 * np.log(0.3)
    assert response.logistic(y, x[:, None]) == pytest.approx(want, abs=1e-6)
    assert response.logistic(x > 0, x[:, None]) == pytest.approx(0, abs=1e-3)


def test_the_audit_says_what_the_data_cannot_show() -> None:
    people, matrix, sheet = examples.cohort(1, n=120, events=15)
    people["time_unit"] = ""
    people["hbv_risk"] = ["yes", "no"] * 60
    people["hbv_core"] = ["yes", "no"] * 40 + ["no", "yes"] * 10 + [""] * 20
    people.loc[:5, "time"] = 0.0
    out = audit.clinical_audit(people, matrix, sheet, confounders=("age", "grade"))
    item = out.set_index("item")
    assert item.loc["patients left out", "value"] == 6
    assert (
        "described, not tested" in item.loc["events", "flag"] and "unit of time" in item.loc["median follow-up", "flag"]
    )
    assert (
        item.loc["detectable hazard ratio per SD", "value"] > 2
        and "does not have" in item.loc["missing: grade", "flag"]
    )
    conflicts = audit.definition_conflicts(people)
    assert conflicts["subject"].tolist() == ["HBV"]
    row = conflicts.iloc[0]
    assert {"hbv_core", "hbv_risk"} == {row["definition_a"], row["definition_b"]}
    assert row["only_a"] + row["only_b"] == 20 and row["kappa"] == pytest.approx(0.6) and row["flag"]


def test_three_definitions_of_hepatitis_b_in_tcga(shared: Path) -> None:
    """19 of the 44 patients that the consensus calls positive are negative by risk factor (all 377 patients)."""
    core = pd.read_csv(shared / "data/clinical/tcga_lihc_clinical.tsv", sep="\t", dtype=str, keep_default_na=False)
    core["cohort"] = "TCGA-LIHC"
    out = audit.definition_conflicts(core)
    hbv = out[out["subject"] == "HBV"]
    named = set(hbv["definition_a"]) | set(hbv["definition_b"])
    assert named == {"HBV_consensus", "risk_hbv", "serology_field_lists_HBsAg_or_HBVDNA"}
    row = hbv[(hbv["definition_a"] == "HBV_consensus") & (hbv["definition_b"] == "risk_hbv")].iloc[0]
    assert row["only_a"] == 19 and row["both_yes"] + row["only_a"] <= 44 and row["flag"]
    events = audit.clinical_audit(core).set_index(["endpoint", "item"])["value"]
    assert events["OS", "patients"] == 371 and events["OS", "events"] == 132
    named = audit.definition_conflicts(core, definitions={"virus": ("risk_hbv", "risk_hcv")})
    assert named["subject"].tolist() == ["virus"]


def test_subgroups_are_claimed_by_interaction_alone() -> None:
    """DRIVER matters in women only: strong in one level, absent in the other."""
    people, matrix, sheet = examples.cohort(12, n=400, events=300, driver=1.0, proliferation=1.0)
    rng = np.random.default_rng(0)
    x = matrix.loc[matrix["feature"] == "DRIVER", sheet["sample"]].to_numpy(float)[0]
    x = (x - x.mean()) / x.std()
    women = (people["sex"] == "female").to_numpy()
    people["time"] = rng.exponential(np.exp(-1.0 * x * women)) + 0.01
    people["event"] = "1"
    people["arm_of_no_meaning"] = np.where(rng.random(400) < 0.5, "a", "b")
    of = pd.DataFrame({"gene": ["DRIVER", "G1"], "kind": "gene", "why": "x", "selected": False, "measured": True})
    out = subgroups.subgroups(people, of, matrix, sheet, factors=("sex", "arm_of_no_meaning", "age"))
    one = out[out["gene"] == "DRIVER"].set_index(["factor", "level"])
    assert one.loc[("sex", "female"), "hr_per_sd"] > 2 and abs(np.log(one.loc[("sex", "male"), "hr_per_sd"])) < 0.4
    assert one.loc[("sex", "female"), "verdict"] == "the levels differ"
    rest = out[(out["gene"] == "G1") | out["factor"].eq("age")]
    assert (rest["verdict"] == "the levels differ").mean() < 0.5
    assert {"lower half", "upper half"} <= set(out["level"])
    said = check(claims.subgroup_claims(out, people))
    assert (said["direction"] == 0).all() and said["p_value"].isna().all() and len(said) == len(out)
    women_say = said.loc[said["contrast"].str.endswith("sex = female") & said["entity"].eq("DRIVER"), "claim"].item()
    assert "the levels differ (interaction p" in women_say and "400" not in women_say
    with pytest.raises(NotApplicable, match="factors"):
        subgroups.subgroups(people, of, matrix, sheet)


def test_stanford_hearts(shared: Path) -> None:
    """R: transplant as it happened 1.016 (.03 not adjusted here), ever transplanted 0.18 with age and surgery."""
    jasa = pd.read_csv(shared / "oracles/clinical/jasa.csv")
    people = pd.DataFrame(
        {"patient": [f"H{i}" for i in range(len(jasa))], "cohort": "Stanford", "time": jasa["futime"] + 0.5,
         "event": jasa["fustat"].astype(str), "treatment": np.where(jasa["tx"] == 1, "transplant", ""),
         "treatment_start": jasa["wait.time"].where(jasa["tx"] == 1)}
    )  # fmt: skip
    people["endpoint"], people["time_unit"] = "OS", "days"
    row = subgroups.treatment_survival(people).iloc[0]
    assert row["naive_hr"] < 0.35 and 0.6 < row["hr"] < 1.8 and row["ci_low"] < 1 < row["ci_high"]
    assert row["n"] == 103 and row["events"] == 75 and row["immortal_time"] > 2000


def test_simulated_immortal_time() -> None:
    """Treatment does nothing and begins in whoever lives long enough: naive far below 1, ours near 1."""
    rng = np.random.default_rng(1)
    n = 3000
    time, start = rng.exponential(20, n), rng.exponential(15, n)
    people = pd.DataFrame(
        {"patient": [f"P{i}" for i in range(n)], "cohort": "C", "endpoint": "OS", "time": time, "event": "1",
         "treatment": np.where(start < time, "drug", ""), "treatment_start": np.where(start < time, start, np.nan)}
    )  # fmt: skip
    row = subgroups.treatment_survival(people).iloc[0]
    assert row["naive_hr"] < 0.6 and 0.88 < row["hr"] < 1.14
    said = check(claims.treatment_survival_claims(row.to_frame().T.infer_objects(), people)).iloc[0]
    assert said["entity"] == "drug" and said["direction"] == 0 and "not assigned" in said["claim"]
    assert said["ci_low"] < 0 < said["ci_high"] and said["n"] == n


def test_tumour_against_normal_tissue_of_the_same_patients() -> None:
    people, matrix, sheet = examples.cohort(13, n=30, background=200)
    rng = np.random.default_rng(3)
    normal = [f"{p}-N" for p in people["patient"][:12]]
    for s, p in zip(normal, people["patient"][:12], strict=True):
        matrix[s] = matrix[p] + rng.normal(0, 0.5, len(matrix))
    matrix.loc[matrix["feature"] == "DRIVER", normal] -= 3.0
    more = pd.DataFrame({"dataset": "A", "unit": "log2", "sample": normal, "patient": people["patient"][:12],
                         "tissue": "adjacent normal", "batch": ""})  # fmt: skip
    sheet = pd.concat([sheet, more], ignore_index=True)
    of = pd.DataFrame({"gene": ["DRIVER", "G1"], "kind": "gene", "why": "x", "selected": False, "measured": True})
    out = tissues.tumour_normal(people, of, matrix, sheet).set_index("gene")
    assert out.loc["DRIVER", "log2fc"] == pytest.approx(3, abs=0.6) and out.loc["DRIVER", "q_value"] < 0.01
    assert out.loc["DRIVER", "design"] == "12 pairs of one patient" and out.loc["DRIVER", "percentile"] > 99
    assert abs(out.loc["G1", "log2fc"]) < 0.6
    said = check(claims.tumour_normal_claims(out.reset_index()))
    assert set(said["direction"]) == {0} and "no sign of resistance" in said["claim"].iloc[0]


def serum(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    group = np.array(["HCC"] * 60 + ["cirrhosis"] * 50)
    hidden = (group == "HCC") * 1.6
    rows = []
    for marker, signal in (("AFP", 0.5), ("AKR1B10", 1.0), ("noise", 0.0)):
        value = np.exp(signal * hidden + rng.normal(size=110))
        rows.append(pd.DataFrame({"subject": [f"S{i}" for i in range(110)], "group": group, "marker": marker,
                                  "value": value, "cohort": "", "unit": "ng/mL"}))  # fmt: skip
    table = pd.concat(rows, ignore_index=True)
    return table.assign(_file="serum.csv", _row=np.arange(2, len(table) + 2))


def test_serum_biomarkers() -> None:
    """Two normal distributions 1.6 SD apart have an area of Phi(1.6 / sqrt 2) = .871, .8 apart .714."""
    out = tissues.biomarkers(serum(), draws=499).set_index("marker")
    for marker, area in (("AKR1B10", 0.871), ("AFP", 0.714), ("noise", 0.5)):
        assert out.loc[marker, "ci_low"] - 0.03 < area < out.loc[marker, "ci_high"] + 0.03
    assert out.loc["AKR1B10", "reference"] == "AFP" and out.loc["AKR1B10", "difference_p_value"] < 0.05
    assert out.loc["AKR1B10", "n_compared"] == 110 and out.loc["AKR1B10", "p_value"] < 1e-6
    assert out.loc["noise", "q_value"] >= out.loc["noise", "p_value"]
    said = check(claims.biomarker_claims(out.reset_index()))
    assert "AKR1B10" in set(said["entity"]) and "noise" not in set(said["entity"])
    with pytest.raises(NotApplicable, match="no group is called"):
        tissues.biomarkers(serum(), cases="melanoma")


def test_cells_are_counted_per_patient() -> None:
    """Cell-level counts of thousands with patients that differ: the test is on patients."""
    rng = np.random.default_rng(4)
    rows = []
    for i in range(12):
        rate = np.exp(rng.normal(-4, 0.6)) * (6 if i < 6 else 1)
        cells = int(rng.integers(1500, 3000))
        rows.append({"patient": f"P{i}", "group": "recurred" if i < 6 else "free", "marker": "AKR1B1",
                     "positive": rng.binomial(cells, min(rate, 0.5)), "cells": cells})  # fmt: skip
    out = tissues.cell_association(pd.DataFrame(rows)).iloc[0]
    assert out["n_a"] == out["n_b"] == 6 and 0 < out["power_fourfold"] <= 1
    assert out["ci_low"] < out["difference"] < out["ci_high"] and out["p_value"] > 2 / 924 - 1e-9
    said = check(claims.cell_association_claims(tissues.cell_association(pd.DataFrame(rows))))
    assert "the patient being the unit" in said["claim"].iloc[0]
    assert out["group_a"] == "recurred" and out["difference"] > 1, "the group with more of them is named first"
    assert "(recurred against free" in said["claim"].iloc[0]
    few = tissues.cell_association(pd.DataFrame(rows).iloc[[0, 1, 6, 7]]).iloc[0]
    assert few["status"] == "not_testable" and np.isnan(few["p_value"])


def test_remark_is_filled_as_far_as_a_program_can_know() -> None:
    tables = examples.cohort(14, background=60)
    table, pooled, chosen = examples.judged(tables, ("DRIVER",), confounders=("age", "sex"))
    of = audit.clinical_audit(*tables)
    out = remark.remark(tables[0], chosen, table, pooled, of).set_index("item")
    assert out.index.tolist() == list(range(1, 21))
    assert "130 events" in out.loc[12, "content"] and "DRIVER" in out.loc[16, "content"]
    assert out.loc[4, "status"] == remark.AUTHORS and "hazard ratio per SD" in out.loc[9, "content"]
    bare = remark.remark(tables[0])
    assert (bare["status"] == remark.AUTHORS).sum() > 5


def test_display_tables_end_where_the_patients_end() -> None:
    tables = examples.cohort(15, background=40)
    _, _, chosen = examples.judged(tables, ("DRIVER",))
    curves = display.survival_curves(tables[0], chosen, tables[1], tables[2])
    at_zero = curves[(curves["part"] == "table") & (curves["time"] == 0)]
    assert at_zero["at_risk"].tolist() == [150, 150]
    assert curves.loc[curves["part"] == "curve", "survival"].between(0, 1).all()
    shape = display.spline_effects(tables[0], chosen, tables[1], tables[2])
    middle = shape.iloc[(shape["x"].abs()).argsort()[:1]]
    assert middle["hr"].iloc[0] == pytest.approx(1, abs=0.1)
    assert display.ticks(120) == [0, 25, 50, 75, 100] and len(display.ticks(7.3)) in (4, 5, 6, 7)
