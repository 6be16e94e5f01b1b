"""The case for and against one name, from the files of a run."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from rechallenge.evidence import empty
from rechallenge.faults import InputFaults, RechallengeError
from rechallenge.report.explain import case, explain, read_evidence, renderables


@pytest.fixture(scope="module")
def out(tmp_path_factory, record) -> Path:
    folder = tmp_path_factory.mktemp("results")
    (folder / "tables").mkdir()
    record.evidence.to_csv(folder / "evidence.csv", index=False)
    for name, frame in record.tables.items():
        frame.to_parquet(folder / "tables" / f"{name}.parquet")
        frame.to_csv(folder / "tables" / f"{name}.csv", index=False)
    return folder


def test_a_gene_is_argued_in_the_sense_of_resistance(out):
    found = case(out, "AKR1B1")
    assert found.entity_type == "gene"
    assert found.supports["level"].tolist() == ["intervention"]
    assert found.opposes["level"].tolist() == ["association"]
    assert found.not_shown["level"].tolist() == ["gradient"]
    assert found.undetermined["level"].tolist() == ["engagement"]


def test_a_drug_or_pair_is_argued_in_the_sense_of_sensitivity(out):
    assert case(out, "lenvatinib").opposes["claim"].str.contains("resists lenvatinib").tolist() == [True]
    assert len(case(out, "lenvatinib + epalrestat").supports) == 1


def test_a_bound_that_tells_a_direction_is_an_argument(out):
    found = case(out, "sorafenib")
    assert found.opposes["status"].tolist() == ["censored"]


def test_the_text_has_numbers_n_interval_and_rows(out):
    text = explain(out, "lenvatinib")
    assert "1 claim from 1 kind of experiment: 1 against." in text
    assert "effect 3.89 fold; interval 3.25 to 4.66 fold; n = 3; p = 4.0 × 10⁻⁴; q = 0.0016" in text
    assert "rows: viability.csv, rows 2 to 4 and 7" in text
    assert "In the table curves" in text and "IC50 (µM) 13" in text


def test_text_of_each_group_stands_under_its_heading(out):
    text = explain(out, "akr1b1")
    order = ["For: it promotes resistance", "Against: it restores", "Not shown", "Not determined"]
    places = [text.index(h) for h in order]
    assert places == sorted(places)
    assert "bound > 14.8 fold" in explain(out, "sorafenib")


@pytest.mark.parametrize(
    "name", ["epalrestat + lenvatinib", "Lenvatinib/Epalrestat", "lenvatinib and epalrestat", " LENVATINIB+EPALRESTAT"]
)
def test_a_pair_has_many_spellings(out, name):
    assert case(out, name).name == "lenvatinib + epalrestat"


def test_a_name_that_only_the_tables_know(out):
    text = explain(out, "cabozantinib")
    assert "No claim was made about it" in text
    assert "not estimable: the parental curve is flat" in text


def test_a_misspelt_name_is_answered_with_the_nearest(out):
    with pytest.raises(InputFaults, match="Did you mean AKR1B1") as caught:
        explain(out, "AKR1B")
    assert [f.code for f in caught.value.faults] == ["unknown_name"]
    with pytest.raises(RechallengeError, match="Did you mean lenvatinib"):
        explain(out, "Lenvatinip")
    with pytest.raises(RechallengeError, match="Claims were made about"):
        explain(out, "xyzzy-42")


def test_a_folder_without_results_is_said(tmp_path):
    with pytest.raises(InputFaults, match=r"no evidence\.csv") as caught:
        explain(tmp_path, "x")
    assert len(caught.value.faults) == 1 and str(tmp_path) in caught.value.faults[0].message
    (tmp_path / "evidence.csv").write_text("a,b\n1,2\n")
    with pytest.raises(RechallengeError, match="cannot be read as evidence"):
        explain(tmp_path, "x")
    empty().to_csv(tmp_path / "evidence.csv", index=False)
    with pytest.raises(RechallengeError, match="No claims were made"):
        explain(tmp_path, "x")


def test_evidence_survives_its_file_and_names_like_NA_stay_names(tmp_path, record):
    odd = record.evidence.assign(entity=["NA", "nan", "None", "null", "1", "-", "TRUE"])
    odd.to_csv(tmp_path / "evidence.csv", index=False)
    read = read_evidence(tmp_path)
    assert read["entity"].tolist() == odd["entity"].tolist()
    assert read["ci_high"].tolist()[1] == float("inf")
    assert case(tmp_path, "NA").entity_type == "drug"


def test_rich_output_never_reads_names_as_markup(tmp_path, record):
    odd = record.evidence.assign(claim="[bold red]x[/] [link=file:///etc]y[/link]")
    odd.to_csv(tmp_path / "evidence.csv", index=False)
    console = Console(file=io.StringIO(), width=200)
    for one in renderables(case(tmp_path, "AKR1B1")):
        console.print(one)
    assert "[bold red]x[/] [link=file:///etc]y[/link]" in console.file.getvalue()


def test_only_rows_about_the_name_count_and_no_single_measurements(tmp_path, record):
    (tmp_path / "tables").mkdir()
    record.evidence.to_csv(tmp_path / "evidence.csv", index=False)
    index = pd.DataFrame({"model": "Huh-7 LR", "drug": ["lenvatinib", "sorafenib"], "selected_with": "lenvatinib"})
    index.to_csv(tmp_path / "tables" / "resistance_index.csv", index=False)
    index.to_csv(tmp_path / "tables" / "responses.csv", index=False)
    found = case(tmp_path, "lenvatinib")
    assert found.counts == {"resistance_index": 1}
    assert found.mentions["resistance_index"]["drug"].tolist() == ["lenvatinib"]
    assert case(tmp_path, "huh-7 lr").counts == {"resistance_index": 2}
