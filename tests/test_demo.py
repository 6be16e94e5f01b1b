"""The demonstration of dose-response recovers what was planted; the same study gives the same bytes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from rechallenge import demonstration, outputs, pipeline, simulate
from rechallenge.record import RunRecord

EXACT = ("candidates.csv", "drugs.csv", "combinations.csv", "evidence.csv", "tables/curves.csv")


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    folder = demonstration.write(tmp_path_factory.mktemp("demo") / "study", study="viability")
    made = pipeline.run(folder)
    outputs.write(made)
    return made


def test_nothing_failed(record: RunRecord) -> None:
    assert not record.failed, [s.reason for s in record.failed]


def test_planted_resistance_is_recovered(record: RunRecord) -> None:
    table = demonstration.recovered(record).set_index(["model", "drug"])
    tested = table["inside"].dropna()
    assert len(tested) == 18
    assert tested.sum() >= 15, "about 95 % of the intervals hold the planted value"
    for model in ("Huh-7 LR", "Huh-7 SR"):
        for drug in ("lenvatinib", "sorafenib"):
            assert table.loc[(model, drug), "ci_low"] > 1
    assert table.loc[("Huh-7 LR", "epalrestat"), "ci_high"] < 1, "collateral sensitivity"
    inactive = table.xs(simulate.truth.INACTIVE, level="drug")
    assert set(inactive["status"]) <= {"censored", "not_testable", "not_estimable"}
    assert inactive["ri"].isna().all()


def test_the_planted_gene_is_claimed_with_the_right_sign(record: RunRecord) -> None:
    gene = record.evidence[record.evidence["entity"] == "AKR1B1"]
    assert set(gene["level"]) == {"intervention"}
    assert set(gene["direction"]) == {1}, "lowering it restores sensitivity: it promotes resistance"
    assert gene["claim"].str.contains("siAKR1B1").all()


def test_claims_lead_back_to_rows_of_the_table(record: RunRecord) -> None:
    resistance = record.evidence[record.evidence["source_table"] == "resistance_index"]
    assert resistance["source_rows"].str.contains("viability.csv:").all()


def test_comparison_is_printed(record: RunRecord) -> None:
    text = demonstration.compare(record)
    assert "lenvatinib" in text
    assert "of 18 intervals hold the planted value" in text


def test_same_study_same_bytes(record: RunRecord, tmp_path: Path) -> None:
    folder = demonstration.write(tmp_path / "again", study="viability")
    outputs.write(pipeline.run(folder))
    for name in EXACT:
        assert (folder / "results" / name).read_bytes() == (record.out / name).read_bytes(), name


def test_forgiven_mess_means_the_same(record: RunRecord, tmp_path: Path) -> None:
    folder = simulate.write_study(tmp_path / "messy", mess=["decimal_comma", "cp1252", "headings", "nanomolar"])
    again = pipeline.run(folder, only=("curves",))
    columns = ["model", "drug", "perturbation", "stage", "ic50_um", "hill", "status"]
    pd.testing.assert_frame_equal(again.tables["curves"][columns], record.tables["curves"][columns], rtol=1e-3)
