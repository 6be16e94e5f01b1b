"""Tables of patients as hospitals and repositories write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rechallenge.clinical.cohorts import words
from rechallenge.clinical.cohorts.contract import BIOMARKERS, PATIENT_CELLS, PATIENT_EXPRESSION, PATIENTS
from rechallenge.clinical.cohorts.expression import cohorts
from rechallenge.clinical.cohorts.people import extras, long
from rechallenge.faults import errors
from rechallenge.study import Study
from rechallenge.tables.reading import read_study, read_table


def read(text: str, tmp_path: Path) -> tuple[pd.DataFrame, list[str]]:
    (tmp_path / "p.csv").write_text(text)
    out = read_table(PATIENTS, tmp_path / "p.csv")
    return out.frame, [str(f) for f in errors(out.faults)]


def test_a_hospital_table_with_other_headings_and_words(tmp_path: Path) -> None:
    frame, faults = read(
        "Case ID;Study;Survival time;Vital status;Best response;Drug;Age\n"
        "P1;own;12,5;Dead;PR;sorafenib;61\nP2;own;30;Alive;SD;sorafenib;\n",
        tmp_path,
    )
    assert not faults
    table = long(frame)
    assert table["event"].tolist() == [1, 0] and table["time"].tolist() == [12.5, 30]
    assert table["responded"].tolist() == [1, 0] and table["endpoint"].tolist() == ["OS", "OS"]
    assert extras(frame) == ["Age"]


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    _, faults = read(
        "patient,cohort,time,event\nP1,A,10,maybe\nP1,A,11,1\nP2,A,-3,0\nP3,,5,1\n",
        tmp_path,
    )
    text = "\n".join(faults)
    assert len(faults) == 4
    for words_ in (
        "row 2, column event: 'maybe'",
        "row 3, column patient",
        "row 4, column time",
        "row 5, column cohort",
    ):
        assert words_ in text, text


def test_warnings_say_what_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text(
        "patient,cohort,time,event,response,treatment,treatment_start\nP1,A,,1,wonderful,sorafenib,\n"
        "P2,A,10,1,CR,sorafenib,12\n"
    )
    out = read_table(PATIENTS, tmp_path / "p.csv")
    assert not errors(out.faults)
    assert {"event-without-time", "response", "treatment-after-end"} <= {f.code for f in out.faults}


@pytest.mark.parametrize("contract", [PATIENTS, BIOMARKERS, PATIENT_CELLS], ids=lambda c: c.name)
def test_the_example_of_a_table_reads_without_fault(contract: object, tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text(contract.example)  # type: ignore[attr-defined]
    assert not errors(read_table(contract, tmp_path / "e.csv").faults)  # type: ignore[arg-type]


def test_words() -> None:
    assert [words.event_of(w) for w in ("1:DECEASED", "0:LIVING", "Recurred", "no", "?")] == [1, 0, 1, 0, None]
    assert [words.response_of(w) for w in ("Partial response", "Progressive Disease", "Non-Responder", "x")] == [
        1,
        0,
        0,
        None,
    ]
    assert words.patient_of("TCGA-2Y-A9GS-01A-11R") == "TCGA-2Y-A9GS" and words.patient_of("S1", "P9") == "P9"
    assert words.is_normal("", "TCGA-2Y-A9GS-11A") and not words.is_normal("", "TCGA-2Y-A9GS-01A")
    assert words.is_normal("Adjacent non-tumor", "S") and not words.is_normal("Primary Tumor", "S")
    assert (
        words.is_control_arm("Placebo") and not words.is_control_arm("sorafenib") and words.missing("[Not Available]")
    )


def test_counts_are_normalised_and_barcodes_sorted_into_tumour_and_normal(tmp_path: Path) -> None:
    """Counts of a sample sequenced ten times deeper rank as the others; two samples of a patient are averaged."""
    (tmp_path / "p.csv").write_text(
        "patient,cohort,time,event\n" + "".join(f"TCGA-AA-000{i},LIHC,{10 + i},1\n" for i in range(4))
    )
    names = ["TCGA-AA-0000-01A", "TCGA-AA-0001-01A", "TCGA-AA-0001-01B", "TCGA-AA-0002-01A", "TCGA-AA-0002-11A",
             "TCGA-AA-0009-01A"]  # fmt: skip
    base = np.array([[10, 20, 20, 40, 5, 1], [990, 980, 980, 960, 995, 999]])
    depth = np.array([1, 10, 1, 1, 1, 1])
    lines = ["gene," + ",".join(names)]
    lines += [g + "," + ",".join(map(str, row * depth)) for g, row in zip(("KDR", "ACTB"), base, strict=True)]
    (tmp_path / "m.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "study.toml").write_text(
        '[study]\ntitle = "t"\n[tables]\npatients = "p.csv"\n'
        'patient_expression = { values = "m.csv", unit = "counts", name = "lihc" }\n'
    )
    read = read_study(Study.load(tmp_path), {"patients": PATIENTS, "patient_expression": PATIENT_EXPRESSION})
    assert not errors(read.faults), read.faults
    tables = read.tables
    found = cohorts(tables["patient_expression"], tables["patient_expression_samples"], long(tables["patients"]))
    one = found["LIHC"]
    assert one.patients.tolist() == ["TCGA-AA-0000", "TCGA-AA-0001", "TCGA-AA-0002"]
    assert one.normal_patients.tolist() == ["TCGA-AA-0002"] and one.averaged == 1 and one.unknown == 1
    kdr = one.values[one.genes.tolist().index("KDR")]
    np.testing.assert_allclose(kdr, np.log2(np.array([10000, 20000, 40000]) + 1), rtol=1e-9)
