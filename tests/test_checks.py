"""What `check` says from what is known of the outside world."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from rechallenge import checks, simulate
from rechallenge.study import Model, Study


@pytest.mark.parametrize(
    ("name", "cell_line", "words"),
    [
        ("L02", "", "HeLa"),
        ("L-02 vector", "", "HeLa"),
        ("hepatocytes", "WRL 68", "HeLa"),
        ("SMMC-7721 SR", "", "HeLa"),
        ("SK-HEP-1", "", "endothel"),
    ],
)
def test_problem_lines_are_named(name: str, cell_line: str, words: str) -> None:
    models = {name: Model(role="normal", cell_line=cell_line)}
    (fault,) = checks.problem_lines(Study(Path(), "x", models=models))
    assert fault.severity == "warning"
    assert words in fault.message
    assert "cannot stand for normal cells" in fault.message
    assert "Cellosaurus" in fault.remedy or "ICLAC" in fault.remedy


@pytest.mark.parametrize("name", ["Huh-7 P", "Huh-7 LR", "Hep3B", "primary hepatocytes"])
def test_lines_without_a_problem_are_not_named(name: str) -> None:
    assert not list(checks.problem_lines(Study(Path(), "x", models={name: Model(role="parental")})))


def doses(drug: str, *values: float) -> dict[str, pd.DataFrame]:
    return {"viability": pd.DataFrame({"drug": drug, "dose_um": values, "_file": "v.csv"})}


def test_doses_far_above_any_plasma_level_are_named() -> None:
    (fault,) = checks.unreachable_doses(doses("Lenvatinib", 0.0, 0.1, 43.32))
    assert "43.3" in fault.message
    assert "No tested dose" not in fault.message
    (fault,) = checks.unreachable_doses(doses("lenvatinib", 10, 43.32))
    assert "No tested dose" in fault.message


def test_doses_of_a_combination_are_looked_at_too() -> None:
    both = {"drug_a": "sorafenib", "dose_a_um": [0.0, 8.9], "drug_b": "lenvatinib", "dose_b_um": [5.4, 43.32]}
    (fault,) = checks.unreachable_doses({"combination": pd.DataFrame({**both, "_file": "c.csv"})})
    assert fault.value == "lenvatinib" and fault.column == "dose_b_um" and "No tested dose" in fault.message


def test_reachable_or_unknown_doses_are_not_named() -> None:
    assert not list(checks.unreachable_doses(doses("sorafenib", 0.1, 20)))
    assert not list(checks.unreachable_doses(doses("a drug nobody knows", 1000)))


def test_lenvatinib_is_two_orders_below_the_doses_of_the_resistance_studies() -> None:
    """43 µM was used on resistant cells; the highest sourced total plasma concentration is below 1 µM."""
    assert checks.total_exposure()["lenvatinib"][0] < 1


def test_check_reports_all_at_once_and_runs_nothing(tmp_path: Path) -> None:
    folder = simulate.write_study(tmp_path / "s", raw=False, mess=["text_in_numbers", "unknown_model", "negative_dose"])
    found = checks.check(folder)
    errors = [f for f in found.faults if f.severity == "error"]
    assert len(errors) == 3
    assert {f.column for f in errors} == {"viability", "model", "dose_um"}
    assert all(f.row and f.row > 1 and f.file == "viability.csv" and f.remedy for f in errors)
    assert not (folder / "results").exists()


def test_check_of_a_clean_study_has_no_errors(tmp_path: Path) -> None:
    found = checks.check(simulate.write_study(tmp_path / "s"))
    assert not [f for f in found.faults if f.severity == "error"]
    assert found.rows["viability"] > 3000
    assert "Huh-7 LR: resistant, from Huh-7 P, selected with lenvatinib" in "\n".join(found.summary())
