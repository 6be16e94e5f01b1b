"""qPCR: published examples, undetected targets, references, mtDNA, ChIP, exports of instruments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rechallenge.assays import qpcr as assay
from rechallenge.evidence import check
from rechallenge.faults import NotApplicable
from rechallenge.report.theme import export
from rechallenge.study import TableSource
from rechallenge.tables.reading import read_table

MODELS = pd.DataFrame({"model": ["P", "LR"], "role": ["parental", "resistant"], "parent": ["", "P"],
                       "selected_with": ["", "lenvatinib"], "stage": ["", ""]})  # fmt: skip
#: Ct of six wells each (Livak and Schmittgen 2001, table of c-myc and GAPDH in brain and kidney)
LIVAK = {
    ("brain", "c-myc"): [30.72, 30.34, 30.58, 30.34, 30.50, 30.43],
    ("brain", "GAPDH"): [23.70, 23.56, 23.47, 23.65, 23.69, 23.68],
    ("kidney", "c-myc"): [27.06, 27.03, 27.03, 27.10, 26.99, 26.94],
    ("kidney", "GAPDH"): [22.76, 22.61, 22.62, 22.60, 22.61, 22.76],
}


def rows(ct: dict[tuple[str, str], list[float]], model: str = "LR", **more: Any) -> list[dict[str, Any]]:
    return [{"sample": g, "model": model, "group": g, "target": t, "ct": c, "replicate": "1", **more}
            for (g, t), cts in ct.items() for c in cts]  # fmt: skip


def experiment(
    arms: dict[tuple[str, str], dict[str, float]], n: int = 4, seed: int = 0, noise: float = 0.1, **more: Any
) -> pd.DataFrame:
    """(model, group) -> target -> log2 amount; two references, two wells, loading and day vary."""
    rng = np.random.default_rng(seed)
    day = {t: rng.normal(0, 0.3, n) for t in sorted({t for a in arms.values() for t in a})}
    out = []
    for (model, group), targets in arms.items():
        for r in range(n):
            load = rng.normal(0, 0.5)
            cts = {"GAPDH": 18.0, "ACTB": 19.0} | {t: 25 - v - day[t][r] for t, v in targets.items()}
            for target, ct in cts.items():
                well = ct + load + rng.normal(0, noise)
                base = {"sample": f"{model} {group} {r}", "model": model, "group": group, "replicate": f"e{r}", **more}
                out += [{**base, "target": target, "ct": well + d} for d in (-0.02, 0.02)]
    frame = pd.DataFrame(out).assign(_file="q.csv", _sheet="")
    frame["_row"] = range(2, len(frame) + 2)
    return frame


def test_livak() -> None:
    row = assay.qpcr(pd.DataFrame(rows(LIVAK)), control=("brain",))["qpcr"].iloc[0]
    assert row["log2fc"] == pytest.approx(2.495, abs=5e-4), "delta delta Ct of -2.495"
    assert row["fold"] == pytest.approx(5.637, abs=5e-4)
    assert (row["fold_sd_low"], row["fold_sd_high"]) == pytest.approx((5.28, 6.02), abs=5e-3)
    assert row["status"] == "not_testable" and np.isnan(row["p_value"]), "six wells are one replicate"


def test_livak_is_what_the_file_says(shared: Path) -> None:
    table = pd.read_csv(shared / "data/bench/qpcr/pcr_ct1.csv")
    assert table["c_myc"].tolist() == LIVAK["brain", "c-myc"] + LIVAK["kidney", "c-myc"]
    assert table["GAPDH"].tolist() == LIVAK["brain", "GAPDH"] + LIVAK["kidney", "GAPDH"]


def wide(path: Path, groups: str, replicate: str, pairs: dict[str, str]) -> pd.DataFrame:
    """A table with a column per target as rows per well."""
    table = pd.read_csv(path, encoding="utf-8-sig")
    parts = [pd.DataFrame({
        "sample": table[groups] + table[replicate].astype(str), "model": "m", "group": table[groups],
        "replicate": table[groups] + table[replicate].astype(str), "target": target, "ct": table[column]})
        for column, target in pairs.items()]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def test_yuan_and_heffer(shared: Path) -> None:
    folder = shared / "data/bench/qpcr"
    cts = wide(folder / "rtpcr_data_Yuan2006PMCBioinf.csv", "condition", "rep", {"Ct_target": "x", "Ct_ref": "GAPDH"})
    row = assay.qpcr(cts)["qpcr"].iloc[0]
    # the published table calls the reference target; its delta delta Ct is -0.6848 (-0.956, -0.414)
    assert -row["log2fc"] == pytest.approx(-0.6848, abs=5e-5) or row["log2fc"] == pytest.approx(-0.6848, abs=5e-5)
    assert sorted([abs(row["ci_low"]), abs(row["ci_high"])]) == pytest.approx([0.414, 0.956], abs=5e-4)
    cts = wide(folder / "rtpcr_data_Heffer2020PlosOne.csv", "Treatment", "rep", {"Ct.Fn1": "Fn1", "Ct.Gapdh": "Gapdh"})
    out = assay.qpcr(cts)["qpcr"].set_index("group")
    assert set(out["adjustment"]) == {"Dunnett"}
    assert out["p_adjusted"].to_dict() == pytest.approx(
        {"DMSORPE": 0.0058, "SNConly": 0.568, "SNCRPE": 0.752}, abs=1e-3
    )


def test_rnase_p_of_a_quantstudio(shared: Path) -> None:
    source = TableSource.model_validate({"values": ["quantstudio7_RQ_example11.xlsx"], "model": "P"})
    read = assay.read_qpcr(source, shared / "data/bench/vendor", assay.QPCR, MODELS)
    assert not [f for f in read.faults if f.severity == "error"]
    assert read.excluded.groupby("reason").size().to_dict() == {"no sample named": 3, "no-template control": 3}
    out = assay.qpcr(read.frame, references=("IPC",), control=("1600",))["qpcr"].set_index("group")
    vendor = {"400": 0.2885, "800": 0.4928, "3200": 1.9809, "6400": 3.6893}
    assert out["fold"].to_dict() == pytest.approx(vendor, abs=5e-5)
    errors = {"400": 0.0580, "800": 0.0348, "3200": 0.0931, "6400": 0.1236}
    assert out["technical_se"].to_dict() == pytest.approx(errors, abs=5e-5)
    assert set(out["status"]) == {"not_testable"}


def test_a_sheet_of_samples_names_groups(tmp_path: Path) -> None:
    export_text = (
        "Block Type\t96well\n\nWell\tSample Name\tTarget Name\tTask\tReporter\tCт\n"
        "A1\tr1\tAKR1B1\tUNKNOWN\tFAM\t22.1\nA2\tr1\tGAPDH\tENDOGENOUS\tFAM\t17.0\n"
        "A3\tr2\tAKR1B1\tUNKNOWN\tFAM\tUndetermined\nA4\tr2\tGAPDH\tENDOGENOUS\tFAM\t17.2\n"
        "A5\t\tGAPDH\tNTC\tFAM\tUndetermined\nA6\tr9\tGAPDH\tUNKNOWN\tFAM\t18\n"
    )
    (tmp_path / "run.txt").write_text(export_text, encoding="utf-8")
    (tmp_path / "s.csv").write_text(
        "sample,model,group,replicate\nr1,LR,vehicle,1\nr2,LR,siAKR1B1,1\n", encoding="utf-8"
    )
    source = TableSource.model_validate({"values": ["run.txt"], "samples": "s.csv"})
    read = assay.read_qpcr(source, tmp_path, assay.QPCR, MODELS)
    assert not [f for f in read.faults if f.severity == "error"]
    shown = read.frame[["sample", "group", "target", "role", "undetermined"]].to_numpy().tolist()
    assert shown == [
        ["r1", "vehicle", "AKR1B1", "", ""], ["r1", "vehicle", "GAPDH", "reference", ""],
        ["r2", "siAKR1B1", "AKR1B1", "", "yes"], ["r2", "siAKR1B1", "GAPDH", "reference", ""]]  # fmt: skip
    assert read.excluded["reason"].tolist() == ["no-template control", "not in the sheet of samples"]
    assert [name for name, _, _ in read.files] == ["s.csv", "run.txt"]


@pytest.mark.parametrize("word", ["Undetermined", "undeterminned", "No Ct", "ND", "> 40"])
def test_undetermined_in_a_tidy_table_is_kept(tmp_path: Path, word: str) -> None:
    (tmp_path / "q.csv").write_text(assay.QPCR.example.replace("26.0", word), encoding="utf-8")
    read = assay.read_qpcr(
        TableSource.model_validate({"values": ["q.csv"]}), tmp_path, assay.QPCR, pd.DataFrame({"model": ["Huh-7 LR"]})
    )
    assert not [f for f in read.faults if f.severity == "error"]
    assert read.frame["undetermined"].tolist().count("yes") == 1 and len(read.frame) == 8


def test_fold_changes_by_experiment_with_two_references() -> None:
    out = assay.qpcr(experiment({("LR", "vehicle"): {"X": 0}, ("LR", "drug"): {"X": 2.0}}))
    row = out["qpcr"].iloc[0]
    assert row["log2fc"] == pytest.approx(2.0, abs=0.4) and row["test"] == "paired t test" and row["df"] == 3
    assert row["ci_low"] < row["log2fc"] < row["ci_high"] and row["references"] == "ACTB, GAPDH"
    refs = out["qpcr_references"].set_index("target")
    assert (refs["m_value"] < 0.5).all() and set(refs["verdict"]) == {"steady"}
    assert row["source_rows"] == "q.csv:2-49"


def test_a_reference_that_moves_is_said() -> None:
    frame = experiment({("LR", "vehicle"): {"X": 0}, ("LR", "drug"): {"X": 0}}, n=6)
    jump = (frame["target"] == "ACTB") & (frame["group"] == "drug")
    frame.loc[jump, "ct"] -= 6
    refs = assay.qpcr(frame)["qpcr_references"]
    assert set(refs["verdict"]) == {"not steady"} and refs["m_value"].min() > 1.5


def test_resistant_line_against_parent_makes_a_claim() -> None:
    out = assay.qpcr(experiment({("P", "vehicle"): {"AKR1B1": 0}, ("LR", "vehicle"): {"AKR1B1": 3.0}}), MODELS)["qpcr"]
    claim = check(assay.qpcr_claims(out)).iloc[0]
    assert (claim["entity"], claim["direction"], claim["level"]) == ("AKR1B1", 1, "association")
    assert claim["claim"].startswith("AKR1B1: higher in LR (LR vs P, vehicle) by qPCR, ")
    low = assay.qpcr(experiment({("P", "vehicle"): {"X": 0}, ("LR", "vehicle"): {"X": -3.0}}), MODELS)["qpcr"]
    assert assay.qpcr_claims(low)["direction"].tolist() == [-1]


def test_a_target_that_is_not_detected_is_a_bound() -> None:
    frame = experiment({("P", "vehicle"): {"X": 0}, ("LR", "vehicle"): {"X": -8.0}})
    gone = (frame["target"] == "X") & (frame["model"] == "LR")
    frame.loc[gone, "ct"] = np.nan
    frame["undetermined"] = np.where(gone, "yes", "")
    out = assay.qpcr(frame, MODELS)
    row = out["qpcr"].iloc[0]
    assert row["status"] == "censored" and np.isnan(row["log2fc"]) and np.isnan(row["p_value"])
    assert np.isneginf(row["ci_low"]) and -16 < row["ci_high"] < -12, "25 against more than 40 cycles"
    assert "below" in check(assay.qpcr_claims(out["qpcr"]))["claim"].iloc[0]
    assert set(out["qpcr_replicates"]["status"]) == {"censored", "estimated"}
    both = frame.assign(ct=frame["ct"].where(frame["target"] != "X"))
    assert assay.qpcr(both, MODELS)["qpcr"]["status"].tolist() == ["not_estimable"]
    shorter = assay.qpcr(frame, MODELS, max_ct=35.0)["qpcr"].iloc[0]
    assert shorter["ci_high"] > row["ci_high"] + 3, "a shorter run says less"


def test_wells_some_of_which_came_up() -> None:
    cts = {("a", "X"): [30.0, 30.2, np.nan], ("a", "GAPDH"): [18.0] * 3, ("b", "X"): [31.0, np.nan, np.nan],
           ("b", "GAPDH"): [18.0] * 3}  # fmt: skip
    out = assay.qpcr(pd.DataFrame(rows(cts)))["qpcr_replicates"].set_index("group")
    assert out["status"].to_dict() == {"a": "estimated", "b": "censored"}
    assert out.loc["a", "log2_amount"] == pytest.approx(18 - 30.1) and "1 of 3 wells" in out.loc["a", "reason"]


def test_efficiencies_are_given_or_measured() -> None:
    assert [assay.factor(v) for v in (2.0, 1.9, 0.9)] == [2.0, 1.9, 1.9]
    frame = pd.DataFrame(rows(LIVAK))
    slow = assay.qpcr(frame.assign(efficiency=np.where(frame["target"] == "c-myc", 1.9, 2.0)), control=("brain",))[
        "qpcr"
    ]
    expected = (30.485 - 27.025) * np.log2(1.9) - (23.625 - 22.66)
    assert slow["log2fc"].iloc[0] == pytest.approx(expected, abs=1e-6)
    curve = [{"sample": "std", "model": "LR", "group": "std", "target": "c-myc", "replicate": "1", "role": "standard",
              "quantity": 10.0**k, "ct": 40 - k / np.log10(1.9)} for k in range(1, 6)]  # fmt: skip
    out = assay.qpcr(pd.concat([frame, pd.DataFrame(curve)], ignore_index=True), control=("brain",))
    assert out["qpcr_efficiencies"]["efficiency"].iloc[0] == pytest.approx(1.9)
    assert out["qpcr"]["log2fc"].iloc[0] == pytest.approx(expected, abs=1e-6)


def test_standards_of_the_published_dilution(shared: Path) -> None:
    table = pd.read_csv(shared / "data/bench/qpcr/pcr_ct3.csv")
    amount = np.repeat([1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01], 3)
    frame = pd.concat(
        [pd.DataFrame({"target": t, "ct": table[t], "quantity": amount, "role": "standard"}) for t in table]
    )
    out = assay.efficiencies(frame).set_index("target")
    for target in table:
        slope, _ = np.polyfit(np.log10(amount), table[target], 1)
        assert out.loc[target, "slope"] == pytest.approx(slope)
        assert out.loc[target, "ci_low"] < out.loc[target, "efficiency"] < out.loc[target, "ci_high"]
    assert (out["r2"] > 0.99).all()


def test_mitochondrial_copies_and_chromatin() -> None:
    base = {"model": "LR", "time": np.nan}
    mito = []
    for g, d in (("vehicle", 10.0), ("drug", 9.0)):
        for r in range(3):
            s = {**base, "sample": f"{g}{r}", "group": g, "replicate": str(r)}
            mito += [{**s, "target": "MT-ND1", "role": "mitochondrial", "ct": 15.0 + 0.1 * r},
                     {**s, "target": "HBB", "role": "nuclear", "ct": 15.0 + d + 0.05 * r * (g == "drug")}]  # fmt: skip
    out = assay.qpcr(pd.DataFrame(mito))
    first = out["qpcr_replicates"].iloc[0]
    assert first["method"] == "copies per cell" and out["qpcr"]["log2fc"].iloc[0] == pytest.approx(-0.95)
    assert out["qpcr_replicates"]["amount"].max() == pytest.approx(2 * 2**10)
    chip = []
    for g, d in (("vehicle", 0.0), ("drug", 2.0)):
        for r in range(3):
            s = {**base, "sample": f"{g}{r}", "group": g, "replicate": str(r), "target": "AKR1B1 -200"}
            chip += [{**s, "role": "input", "input_fraction": 0.01, "ct": 22.0},
                     {**s, "role": "ip", "antibody": "FOSL2", "ct": 24.0 - d + 0.1 * r},
                     {**s, "role": "ip", "antibody": "IgG", "ct": 29.0 + 0.2 * r}]  # fmt: skip
    out = assay.qpcr(pd.DataFrame(chip))
    table = out["qpcr"].set_index("contrast")
    assert out["qpcr_replicates"]["amount"].max() == pytest.approx(1.0), "two cycles less than 1 % input, two more"
    assert table.loc["FOSL2 vs IgG, drug", "log2fc"] == pytest.approx(29.2 - 22.1)
    moved = table[(table["target"] == "AKR1B1 -200, FOSL2")]
    assert moved["status"].tolist() == ["not_testable"] and moved["log2fc"].tolist() == pytest.approx([2.0])
    assert set(table["unit"]) == {"% of input"}


def test_no_reference_no_amount() -> None:
    bare = pd.DataFrame(rows({k: v for k, v in LIVAK.items() if k[1] != "GAPDH"}))
    with pytest.raises(NotApplicable):
        assay.qpcr(bare)


def test_rows_have_no_order() -> None:
    frame = experiment({("P", "vehicle"): {"X": 0, "Y": 1}, ("LR", "vehicle"): {"X": 2.0, "Y": 1}})
    for name, out in assay.qpcr(frame.sample(frac=1, random_state=3), MODELS).items():
        pd.testing.assert_frame_equal(out, assay.qpcr(frame, MODELS)[name])


def test_the_example_keeps_the_contract(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text(assay.QPCR.example, encoding="utf-8")
    read = read_table(assay.QPCR, "q.csv", folder=tmp_path)
    assert not [f for f in read.faults if f.severity in ("error", "warning")]
    wrong = assay.QPCR.example.replace("25.2", "40").replace("26.0", "40")
    (tmp_path / "q.csv").write_text(wrong, encoding="utf-8")
    assert "ct-limit" in {f.code for f in read_table(assay.QPCR, "q.csv", folder=tmp_path).faults}


def test_figures() -> None:
    out = assay.qpcr(experiment({("LR", "vehicle"): {"X": 0}, ("LR", "drug"): {"X": 2.0}}))
    charts = assay.qpcr_fold_changes(out["qpcr"], out["qpcr_replicates"])
    made = export("x", charts["X LR: groups"])
    assert made["csv"].decode().count("replicate") >= 8
    assert assay.qpcr_standards(experiment({("LR", "a"): {"X": 0}}).assign(role=""), out["qpcr_efficiencies"]) is None


@pytest.mark.slow
def test_null_and_power() -> None:
    def p(seed: int, effect: float) -> float:
        frame = experiment({("LR", "vehicle"): {"X": 0}, ("LR", "drug"): {"X": effect}}, n=3, seed=seed, noise=0.15)
        return float(assay.qpcr(frame)["qpcr"]["p_value"].iloc[0])

    null = [p(s, 0.0) < 0.05 for s in range(200)]
    assert np.mean(null) <= stats.binom.ppf(0.9995, len(null), 0.05) / len(null)
    assert np.mean([p(s, 2.0) < 0.05 for s in range(40)]) > 0.8
