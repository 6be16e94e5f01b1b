"""The page that lists every fact of the four studies names only what exists, and leaves out no fact."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pytest

from rechallenge import knowledge
from rechallenge.analysis import discover
from rechallenge.cli import app
from rechallenge.study import Model, StudyFile, StudyInfo

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "four_studies.md"
FACTS = ROOT.parent / "shared" / "data" / "seed_facts.csv"


def rows() -> list[list[str]]:
    """Cells of the rows of the page's tables: facts, what the study says, where, the same data here."""
    text = PAGE.read_text("utf-8")
    lines = [line.strip().strip("|") for line in text.splitlines() if re.match(r"\| ?S\d{3}-", line)]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)] for line in lines]


def facts(cell: str) -> list[str]:
    """The facts of a first cell: `S001-055, 056 (trap)`, `S001-001 to 040`."""
    study, numbers = re.sub(r"\(.*\)", "", cell).strip().split("-", 1)
    out: list[str] = []
    for part in numbers.split(","):
        first, _, last = (p.strip() for p in part.partition(" to "))
        out += [f"{study}-{n:03d}" for n in range(int(first), int(last or first) + 1)]
    return out


def known_names() -> set[str]:
    registry = discover()
    commands = {c.name or c.callback.__name__ for c in app.registered_commands if c.callback}
    keys = {*StudyInfo.model_fields, *Model.model_fields, *StudyFile.model_fields, "study.toml"}
    tables = {path.stem for path in Path(knowledge.__file__).parent.glob("data/*.csv")}
    analyses = {name for name, step in registry.steps.items() if step.kind == "analysis"}
    keys |= {option for name in analyses for option in registry.steps[name].options}
    return analyses | set(registry.contracts) | tables | commands | keys


def test_ranges_of_facts_are_read() -> None:
    assert facts("S001-009 to 011") == ["S001-009", "S001-010", "S001-011"]
    assert facts("S000-111, 115") == ["S000-111", "S000-115"]
    assert facts("S002-135, 140 to 141 (trap)") == ["S002-135", "S002-140", "S002-141"]


def test_the_page_names_only_what_exists() -> None:
    known = known_names()
    assert {"curves", "viability", "exposure", "check", "stage"} <= known
    table = rows()
    assert len(table) > 50
    assert {len(row) for row in table} == {4}
    named = [(row[0], name) for row in table for name in re.findall(r"`([^`]+)`", row[2])]
    assert named
    assert not [f"{at}: {name}" for at, name in named if name not in known]


def test_no_fact_is_listed_twice() -> None:
    listed = Counter(fact for row in rows() for fact in facts(row[0]))
    assert not [fact for fact, n in listed.items() if n > 1]
    assert len(listed) == 170


@pytest.mark.skipif(not FACTS.is_file(), reason="the table of facts is not part of the repository")
def test_every_fact_is_on_the_page() -> None:
    with FACTS.open(encoding="utf-8", newline="") as file:
        known = {row["fact_id"] for row in csv.DictReader(file)}
    assert {fact for row in rows() for fact in facts(row[0])} == known
