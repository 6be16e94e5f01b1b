"""Matrices of features and samples: forms in which they come, and what is wrong with them."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rechallenge.study import Model, Study, TableSource
from rechallenge.tables import matrix_values
from rechallenge.tables.contract import Column, Contract
from rechallenge.tables.matrix import FEATURE, SHEET
from rechallenge.tables.reading import read_study

EXPRESSION = Contract(
    "expression", "genes x samples", (Column(**{**FEATURE.__dict__, "refers": "gene"}), *SHEET), reader="matrix"
)
PATIENTS = Contract("patient_expression", "genes x patients", (FEATURE, SHEET[0]), reader="matrix")
SAMPLES = "sample,model,replicate,batch\nP1,P,1,a\nP2,P,2,b\nR1,R,1,a\nR2,R,2,b\n"
COUNTS = "gene\tP1\tP2\tR1\tR2\nAKR1B1\t10\t120\t1300\t1400\nCAV1\t5\t6\t70\t8\n"


def study(tmp_path: Path, *sources: dict, kind: str = "expression", **files: str | bytes):
    for name, text in files.items():
        path = tmp_path / name.replace("__", ".")
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    made = Study(
        folder=tmp_path,
        title="t",
        models={"P": Model(role="parental"), "R": Model(role="resistant", parent="P")},
        tables={kind: tuple(TableSource(**{**s, "values": [s["values"]]}) for s in sources)},
    )
    return read_study(made, {"expression": EXPRESSION, "patient_expression": PATIENTS})


def codes(read, severity: str = "error") -> set[str]:
    return {f.code for f in read.faults if f.severity == severity}


ONE = {"values": "counts.tsv", "samples": "samples.csv", "unit": "raw counts"}


def test_values_and_sheet(tmp_path):
    read = study(tmp_path, ONE, counts__tsv=COUNTS, samples__csv=SAMPLES)
    assert not codes(read) and not codes(read, "warning")
    wide, sheet = read.tables["expression"], read.tables["expression_samples"]
    assert list(wide.columns) == ["dataset", "feature", "_file", "_row", "P1", "P2", "R1", "R2"]
    assert wide["R1"].tolist() == [1300.0, 70.0]
    assert wide["_row"].tolist() == [2, 3]
    assert sheet["unit"].unique().tolist() == ["counts"]
    assert sheet["dataset"].unique().tolist() == ["counts"]
    assert sheet["model"].tolist() == ["P", "P", "R", "R"]
    assert read.rows_read["expression"] == 2


@pytest.mark.parametrize(
    "text",
    [
        COUNTS.replace("gene\t", ""),  # R's write.table leaves the corner out
        COUNTS.replace("gene", ""),
        COUNTS.replace("\t", ";"),
        COUNTS.replace("\t", ","),
        "sample,AKR1B1,CAV1\nP1,10,5\nP2,120,6\nR1,1300,70\nR2,1400,8\n",
        gzip.compress(COUNTS.encode()),
        COUNTS.encode("utf-16"),
    ],
    ids=["no corner", "empty corner", "semicolons", "commas", "transposed", "gzip", "utf-16"],
)
def test_forms(tmp_path, text):
    read = study(tmp_path, ONE, counts__tsv=text, samples__csv=SAMPLES)
    assert not codes(read), read.faults
    wide = read.tables["expression"].set_index("feature")
    assert wide.loc["AKR1B1", ["P1", "P2", "R1", "R2"]].tolist() == [10, 120, 1300, 1400]


def test_decimal_commas_and_missing_values(tmp_path):
    text = "gene;P1;P2;R1;R2\nAKR1B1;1,5;2,25;NA;3\nCAV1;0,5;;n.d.;1\n"
    read = study(tmp_path, {**ONE, "unit": "log2"}, counts__tsv=text, samples__csv=SAMPLES)
    assert not codes(read), read.faults
    assert "not-detected" in codes(read, "warning")
    wide = read.tables["expression"].set_index("feature")
    assert wide.loc["AKR1B1", "P2"] == 2.25
    assert wide.loc["CAV1", ["P2", "R1"]].isna().all()


def test_two_data_sets(tmp_path):
    second = "gene,a,b\nCAV1,1.5,2.5\nIL6,3,4\n"
    read = study(
        tmp_path,
        ONE,
        {"values": "b.csv", "samples": "b_samples.csv", "unit": "log2", "name": "public"},
        counts__tsv=COUNTS,
        samples__csv=SAMPLES,
        b__csv=second,
        b_samples__csv="sample,model,replicate\na,P,1\nb,R,1\n",
    )
    assert not codes(read), read.faults
    wide, sheet = read.tables["expression"], read.tables["expression_samples"]
    assert wide["dataset"].tolist() == ["counts", "counts", "public", "public"]
    assert wide.loc[wide["dataset"] == "public", "P1"].isna().all()
    assert dict(zip(sheet["sample"], sheet["unit"], strict=True))["b"] == "log2"
    assert sheet["batch"].tolist() == ["a", "b", "a", "b", "", ""]


def test_names_that_r_mangled_are_matched(tmp_path):
    sheet = SAMPLES.replace("P1", "Huh-7 1").replace("R2", "2-R")
    read = study(tmp_path, ONE, counts__tsv=COUNTS.replace("P1", "Huh.7.1").replace("R2", "X2.R"), samples__csv=sheet)
    assert not codes(read), read.faults
    assert {"Huh-7 1", "2-R"} <= set(read.tables["expression"].columns)
    assert "renamed" in codes(read, "note")


def test_columns_that_are_no_samples_are_left_out_and_listed(tmp_path):
    text = COUNTS.replace("gene\t", "gene\tChr\tLength\t").replace("AKR1B1\t", "AKR1B1\tchr7\t900\t")
    text = text.replace("CAV1\t", "CAV1\tchr7\t800\t")
    read = study(tmp_path, ONE, counts__tsv=text, samples__csv=SAMPLES)
    # Chr holds words: they are faults of a column only where the sheet names it
    assert "left-out" in codes(read, "warning")
    assert set(read.excluded["column"]) == {"Chr", "Length"}
    assert not codes(read), read.faults


@pytest.mark.parametrize(
    ("unit", "text", "code"),
    [
        ("log2", COUNTS, "scale"),
        ("counts", "gene,P1,P2,R1,R2\nA,1.5,2.5,3.5,4.25\nB,7.1,8,9,10\n", "scale"),
        ("counts", "gene,P1,P2,R1,R2\nA,-1,2,3,4\nB,700,8,9,10\n", "scale"),
        ("furlongs", COUNTS, "unit"),
        ("counts", COUNTS.replace("AKR1B1", "1-Mar"), "gene-date"),
        ("counts", COUNTS.replace("1300", "many"), "not-a-number"),
        ("counts", COUNTS.replace("R2", "R9"), "no-column"),
    ],
)
def test_faults(tmp_path, unit, text, code):
    read = study(tmp_path, {**ONE, "unit": unit}, counts__tsv=text, samples__csv=SAMPLES)
    assert code in codes(read), read.faults


def test_tpm_called_counts(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.gamma(0.3, 1, (300, 4))
    frame = pd.DataFrame(x / x.sum(axis=0) * 1e6, columns=["P1", "P2", "R1", "R2"])
    frame.insert(0, "gene", [f"G{i}" for i in range(300)])
    read = study(tmp_path, ONE, counts__tsv=frame.to_csv(index=False), samples__csv=SAMPLES)
    assert any("one million" in f.message for f in read.faults if f.code == "scale")
    guessed = study(tmp_path, {**ONE, "unit": ""}, counts__tsv=frame.to_csv(index=False), samples__csv=SAMPLES)
    assert guessed.tables["expression_samples"]["unit"].unique().tolist() == ["tpm"]
    assert "unit-guessed" in codes(guessed, "warning")


def test_a_feature_named_twice(tmp_path):
    text = COUNTS + "CAV1\t1\t1\t1\t1\n"
    read = study(tmp_path, ONE, counts__tsv=text, samples__csv=SAMPLES)
    assert read.tables["expression"].set_index("feature").loc["CAV1", "R1"] == 71
    logs = "gene,P1,P2,R1,R2\nCAV1,1,1,1,1\nCAV1,2,2,2,2\nA,1,2,3,4\n"
    read = study(tmp_path, {**ONE, "unit": "log2"}, counts__tsv=logs, samples__csv=SAMPLES)
    assert read.tables["expression"].set_index("feature").loc["CAV1", "R1"] == 2
    assert read.excluded["row"].tolist() == [2]


def test_samples_by_name_alone(tmp_path):
    read = study(
        tmp_path, {"values": "p.csv", "unit": "zscore", "name": "cohort"}, kind="patient_expression",
        p__csv="gene,TCGA-1,TCGA-2\nA,0.5,-1\nB,1,2\n",
    )  # fmt: skip
    assert not codes(read), read.faults
    assert read.tables["patient_expression_samples"]["sample"].tolist() == ["TCGA-1", "TCGA-2"]
    read = study(tmp_path, {"values": "counts.tsv", "unit": "counts"}, counts__tsv=COUNTS)
    assert "no-samples" in codes(read)


def test_unknown_model_and_sample_named_twice(tmp_path):
    sheet = SAMPLES.replace("R2,R", "R2,Q")
    assert "unknown-model" in codes(study(tmp_path, ONE, counts__tsv=COUNTS, samples__csv=sheet))
    sheet = SAMPLES.replace("R2,R", "R1,R")
    assert "sample-twice" in codes(study(tmp_path, ONE, counts__tsv=COUNTS, samples__csv=sheet))


def test_units_are_told_apart():
    for unit, also in matrix_values.UNITS.items():
        assert matrix_values.unit_of(unit) == unit
        assert all(matrix_values.unit_of(a) == unit for a in also)
