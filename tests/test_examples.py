"""The example studies: the generator writes what is kept, byte for byte, each runs as a copy and answers as it says."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from rechallenge import checks, demonstration, pipeline
from rechallenge.faults import errors
from rechallenge.record import RunRecord
from rechallenge.simulate import studies

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "examples"
NUMBER = re.compile(r"(?<![A-Za-z0-9])-?(?:\d+\.?\d*|\.\d+)(?:e-?\d+)?")


@pytest.fixture(scope="module")
def make() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_examples", FOLDER / "make.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def copied(name: str, tmp_path: Path) -> Path:
    return shutil.copytree(FOLDER / name, tmp_path / name, ignore=shutil.ignore_patterns("results"))


def kept(name: str) -> dict[str, Path]:
    return {p.name: p for p in (FOLDER / name).iterdir() if p.is_file()}


@pytest.mark.parametrize("name", list(studies.ABOUT))
def test_the_generator_writes_what_is_kept(make: ModuleType, name: str, tmp_path: Path) -> None:
    made = {p.name: p for p in make.write(name, tmp_path / name).iterdir()}
    here = kept(name)
    assert set(here) - {"README.md"} == set(made)
    assert "planted.csv" in made and "README.md" in here
    assert not [n for n in made if made[n].read_bytes() != here[n].read_bytes()]


@pytest.mark.parametrize("name", list(studies.ABOUT))
def test_an_example_is_in_order(name: str, tmp_path: Path) -> None:
    assert not errors(checks.check(copied(name, tmp_path)).faults)
    text = (FOLDER / name / "README.md").read_text("utf-8")
    assert "nothing here was measured" in text
    assert re.search(r"doi|PMC\d+", text, re.I), "the work is cited, or its DOI is said to be unknown"


def test_the_examples_are_small_and_text() -> None:
    files = [p for name in studies.ABOUT for p in kept(name).values()]
    assert sum(p.stat().st_size for p in files) < 3e6
    for path in files:
        path.read_text("utf-8")


def alike(kept: str, said: str) -> list[str]:
    """Lines whose words differ, or a number by more than one in twenty (and more than its last digit)."""
    out = []
    for old, new in zip(kept.splitlines(), said.splitlines(), strict=True):
        numbers = [[float(v) for v in NUMBER.findall(line)] for line in (old, new)]
        words = [" ".join(NUMBER.sub("#", line).split()) for line in (old, new)]
        far = [a for a, b in zip(*numbers, strict=False) if abs(a - b) > max(0.05 * abs(a), 0.011)]
        if words[0] != words[1] or far:
            out.append(f"{old}\n  now: {new}")
    return out


def test_lines_that_differ_are_seen() -> None:
    assert not alike("IC50  0.40 (0.31 to 0.52)", "IC50 0.41 (0.31 to 0.51)")
    assert alike("IC50  0.40 (0.31 to 0.52)", "IC50 0.60 (0.31 to 0.51)")
    assert alike("survival: supported", "survival: not supported")


def ran(name: str, tmp_path: Path, only: tuple[str, ...] = ()) -> RunRecord:
    record = pipeline.run(copied(name, tmp_path), only=only)
    assert not record.failed, [(s.name, s.reason) for s in record.failed]
    return record


def test_celastrol_answers_as_it_says(make: ModuleType, tmp_path: Path) -> None:
    record = ran("celastrol", tmp_path, only=("schedule", "transfer", "rescue"))
    assert not alike(make.kept(FOLDER / "celastrol"), demonstration.compare(record))
    assert "told as planted" in make.kept(FOLDER / "celastrol")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "gene"), [("akr1b1", "AKR1B1"), ("ilf3", "ILF3"), ("cav1", "CAV1")])
def test_an_example_answers_as_it_says(make: ModuleType, name: str, gene: str, tmp_path: Path) -> None:
    record = ran(name, tmp_path)
    assert not alike(make.kept(FOLDER / name), demonstration.compare(record))
    candidates = record.tables["candidates"].set_index("entity")
    assert candidates.loc[gene, "rank"] <= 3
    if name == "ilf3":
        kd = record.tables["binding"].query("method == 'kinetic' and status == 'estimated'").set_index("variant")
        for variant, planted in (("wild type", 25.02), ("V575A", 20.16)):
            assert kd.loc[variant, "ci_low"] < planted < kd.loc[variant, "ci_high"]
        assert "A99E" not in kd.index
