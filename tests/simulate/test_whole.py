"""Whole studies: every assay, the planted chain found, nothing found where nothing is, published studies told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rechallenge import checks, demonstration, outputs, pipeline, simulate
from rechallenge.analysis import discover
from rechallenge.faults import InputFaults, errors
from rechallenge.record import RunRecord
from rechallenge.simulate import plan, studies, whole
from rechallenge.study import Study

#: kinds that no simulation makes: raw exports of readers, pictures, and sheets that lie in other files
NOT_MADE = {"plates", "images", "seahorse_injections"}


def run(folder: Path, **how: str | int) -> RunRecord:
    """The candidates of a small whole study."""
    return pipeline.run(simulate.write_whole(folder, size="small", **how), only=("candidates",))  # type: ignore[arg-type]


def place(record: RunRecord, gene: str = "AKR1B1") -> pd.Series:
    table = record.tables["candidates"].set_index("entity")
    assert gene in table.index
    return table.loc[gene]


def test_every_kind_of_table_is_there(tmp_path: Path) -> None:
    study = Study.load(simulate.write_whole(tmp_path / "s", size="small"))
    assert set(discover().contracts) - set(study.tables) <= NOT_MADE
    assert {m.role for m in study.models.values()} == {"parental", "resistant", "normal"}


@pytest.mark.parametrize("scenario", ["driver", "no_clinic"])
def test_the_tables_are_in_order(tmp_path: Path, scenario: str) -> None:
    folder = simulate.write_whole(tmp_path / "s", size="small", scenario=scenario)  # type: ignore[arg-type]
    assert not errors(checks.check(folder).faults)
    assert (folder / "patients.csv").exists() == (scenario != "no_clinic")


@pytest.mark.parametrize("name", [n for n in demonstration.STUDIES if n not in ("whole", "viability")])
def test_published_studies_are_in_order(tmp_path: Path, name: str) -> None:
    folder = demonstration.write(tmp_path / name, study=name, size="small")
    assert not errors(checks.check(folder).faults)
    assert "nothing here was measured" in (folder / "study.toml").read_text(encoding="utf-8")


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    one, again, other = (simulate.write_whole(tmp_path / n, size="small", seed=s) for n, s in
                         (("a", 1), ("b", 1), ("c", 2)))  # fmt: skip
    names = sorted(p.name for p in one.iterdir())
    assert names == sorted(p.name for p in again.iterdir())
    assert all((one / n).read_bytes() == (again / n).read_bytes() for n in names)
    assert (one / "viability.csv").read_bytes() != (other / "viability.csv").read_bytes()


def test_what_is_planted_is_stated(tmp_path: Path) -> None:
    for scenario in simulate.SCENARIOS:
        made = plan.Plan(scenario=scenario, size=plan.SIZES["small"])
        genome, truth = made.genome.set_index("gene"), whole.truth(made)
        driver = genome.loc["AKR1B1"]
        assert (driver["role"], truth["followed"]) == ("driver", "AKR1B1")
        assert truth["driver"] == (None if scenario == "no_driver" else "AKR1B1")
        assert (driver["change 0"] > 1) == (scenario not in ("no_driver", "no_expression"))
        sign = {"no_driver": 0, "no_clinic": 0, "contradicted": -1}.get(scenario, 1)
        assert np.sign(driver["hazard"]) == sign
        passengers = genome[genome["role"] == "passenger"]
        assert passengers["change 0"].corr(passengers["change 1"]) > 0.9, "the lines share them"
        confounders = genome[genome["role"] == "confounder"]
        assert (confounders["change 0"] * confounders["hazard"] > 0).mean() > 0.8, "changed and prognostic alike"


def test_a_lab_s_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text("[study]\ntitle = 'mine'\n")
    for name in ("whole", *studies.ABOUT):
        with pytest.raises(InputFaults, match="already holds a study"):
            demonstration.write(tmp_path, study=name, size="small")
    assert (tmp_path / "study.toml").read_text() == "[study]\ntitle = 'mine'\n"


def test_another_simulation_takes_the_place_of_the_first(tmp_path: Path) -> None:
    demonstration.write(tmp_path, size="small")
    assert (tmp_path / "truth.json").is_file()
    demonstration.write(tmp_path, study="viability")
    assert not (tmp_path / "truth.json").exists() and list(Study.load(tmp_path).tables) == ["viability"]


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputFaults, match="Known: whole, viability, akr1b1"):
        demonstration.write(tmp_path / "s", study="all")
    with pytest.raises(InputFaults, match="Known: driver, no_driver"):
        demonstration.write(tmp_path / "s", scenario="none")
    with pytest.raises(ValueError, match="size must be one of small, full"):
        simulate.write_whole(tmp_path / "s", size="huge")


def test_the_planted_driver_comes_first(tmp_path: Path) -> None:
    record = run(tmp_path / "s", seed=1)
    assert not record.failed, [(s.name, s.reason) for s in record.failed]
    driver = place(record)
    assert driver["rank"] == 1 and driver["tier"] == 1 and driver["direction"] == 1
    text = demonstration.compare(record)
    assert "driver AKR1B1" in text and "rank 1 of" in text
    truth = json.loads((record.study.folder / "truth.json").read_text(encoding="utf-8"))
    found = {f.what: f for f in demonstration.findings(record, truth)}
    assert found["AKR1B1 mRNA, Huh-7 LR vs Huh-7 P"].planted == "1.60 log2"
    assert found["epalrestat on AKR1B1, melting point"].planted == "5.0 °C"
    assert found["sorafenib + epalrestat in Huh-7 SR"].planted == "synergy"


@pytest.mark.slow
def test_a_whole_study_runs_to_the_end(tmp_path: Path) -> None:
    record = pipeline.run(simulate.write_whole(tmp_path / "s", size="small"))
    outputs.write(record)
    assert not record.failed, [(s.name, s.reason) for s in record.failed]
    assert (record.out / "report.html").stat().st_size > 1e6
    assert len(record.figures) > 80


@pytest.mark.slow
def test_rates_over_seeds(tmp_path: Path) -> None:
    """Six seeds a scenario: the driver first in at least five with it expressed or not, and no gene called convergent
    without a driver in at least five."""
    seeds = range(6)
    for scenario in ("driver", "no_expression"):
        ranks = [int(place(run(tmp_path / f"{scenario}{s}", scenario=scenario, seed=s))["rank"]) for s in seeds]
        assert sum(r <= 3 for r in ranks) >= 5, (scenario, ranks)
    called = [
        sum(run(tmp_path / f"none{s}", scenario="no_driver", seed=s).tables["candidates"]["tier"] == 1) for s in seeds
    ]
    assert sum(c == 0 for c in called) >= 5, called


@pytest.mark.slow
def test_patients_of_the_wrong_sign_speak_against(tmp_path: Path) -> None:
    record = run(tmp_path / "s", scenario="contradicted", seed=0)
    driver = place(record)
    assert driver["rank"] <= 3 and {"response", "survival"} & set(driver["streams_against"].split(", "))
