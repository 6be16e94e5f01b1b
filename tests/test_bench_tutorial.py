"""The tutorial for the bench quotes what the program says of the files that come with it."""

from __future__ import annotations

import filecmp
import re
import shutil
from pathlib import Path

import pytest

import rechallenge
from rechallenge.checks import check
from rechallenge.faults import by_place

ROOT = Path(__file__).resolve().parents[1]
STUDY = ROOT / "docs" / "examples" / "bench"
PAGE = (ROOT / "docs" / "tutorials" / "bench.md").read_text("utf-8")
QUOTED = [line for block in re.findall(r"^```text\n(.*?)^```", PAGE, re.M | re.S) for line in block.splitlines()]


def said(folder: Path) -> list[str]:
    return [f"{f.severity}: {f}" for f in by_place(check(folder).faults)]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    return Path(shutil.copytree(STUDY, tmp_path / "my_study"))


def test_the_files_are_those_that_the_command_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import generate_bench

    generate_bench.write(tmp_path / "bench")
    names = sorted(str(p.relative_to(STUDY)) for p in STUDY.rglob("*") if p.is_file())
    assert names == sorted(str(p.relative_to(tmp_path / "bench")) for p in (tmp_path / "bench").rglob("*.*"))
    same, other, missing = filecmp.cmpfiles(STUDY, tmp_path / "bench", names, shallow=False)
    assert not other and not missing and len(same) == 9


def test_passages_of_files_are_in_the_files() -> None:
    shown = re.findall(r"^```csv\n(.*?)^```", PAGE, re.M | re.S)
    for block, file in zip(shown, ("reader/P_experiment_1", "plate_map", "layout"), strict=True):
        lines = (STUDY / f"{file}.csv").read_text("utf-8").splitlines()
        for line in block.splitlines():
            assert line in lines, line
    toml = re.findall(r"^```toml\n(.*?)^```", PAGE, re.M | re.S)[0]
    assert (STUDY / "study.toml").read_text("utf-8") == toml


def test_quoted_faults_are_those_of_the_check(study: Path) -> None:
    assert [q for q in QUOTED if q.startswith("warning")] == [s for s in said(study) if s.startswith("warning")]
    for name, right, wrong in (
        ("layout.csv", "Huh-7 LR,1", "Huh7-LR,1"),
        ("plate_map.csv", "B03,lenvatinib,100", "B03,lenvatinib,100 uM"),
    ):
        path = study / name
        path.write_text(path.read_text("utf-8").replace(right, wrong), "utf-8")
    assert {q for q in QUOTED if q.startswith("error")} <= set(said(study))


def test_the_quoted_sentence_is_the_claim_and_the_truth_lies_in_its_interval(study: Path) -> None:
    record = rechallenge.run(study, only=("resistance_index", "resistance_claims"))
    claims = record.evidence["claim"].tolist()
    sentence = next(q for q in QUOTED if q.startswith("lenvatinib: "))
    assert sentence in claims
    row = record.tables["resistance_index"].set_index("drug").loc["lenvatinib"]
    assert row["ci_low"] < 50.61 / 13.02 < row["ci_high"]


def test_pictures_are_there_and_small() -> None:
    for name in re.findall(r"\]\(\.\./img/(.+?)\)", PAGE):
        assert (ROOT / "docs" / "img" / name).is_file()
    assert sum(p.stat().st_size for p in (ROOT / "docs" / "img").iterdir()) < 1_500_000
