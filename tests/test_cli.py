"""The command line: what it prints, where it writes and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rechallenge import cli, simulate


def call(*args: object) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main([str(a) for a in args])
    return int(end.value.code or 0)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small study, run once."""
    folder = simulate.write_study(tmp_path_factory.mktemp("cli") / "study")
    assert call("run", folder) == 0
    return folder


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("--version") == 0
    assert "rechallenge 0." in capsys.readouterr().out
    assert call("--help") == 0
    out = capsys.readouterr().out
    assert all(
        c in out
        for c in (
            "demo",
            "new",
            "check",
            "run",
            "library",
            "curves",
            "explain",
            "surface",
            "list",
            "contract",
            "knowledge",
        )
    )


def test_new_then_check_then_refuse_to_overwrite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "mine"
    assert call("new", folder, "--table", "viability") == 0
    text = (folder / "study.toml").read_text()
    assert text.count("#") > 8, "every key is explained"
    assert (folder / "viability.csv").read_text().startswith("model,drug,dose_um")
    capsys.readouterr()
    assert call("check", folder) == 2, "an empty table is a fault"
    assert "viability.csv" in capsys.readouterr().err
    assert call("new", folder) == 2
    assert (folder / "study.toml").read_text() == text


def test_new_with_an_unknown_kind_names_the_nearest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("new", tmp_path / "x", "--table", "viabilty") == 2
    assert "Did you mean 'viability'?" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("option", "value", "known"),
    [("--study", "all", "whole, viability"), ("--scenario", "none", "driver, no_driver"), ("--size", "big", "small")],
)
def test_a_demonstration_that_does_not_exist(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str, known: str
) -> None:
    assert call("demo", tmp_path / "x", option, value) == 2
    assert known in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_faults_end_with_2_and_run_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = simulate.write_study(tmp_path / "s", raw=False, mess=["per_cent"])
    assert call("run", folder) == 2
    err = capsys.readouterr().err
    assert "per cent" in err
    assert "nothing was run" in err
    assert not (folder / "results" / "report.html").exists()


@pytest.mark.parametrize("args", [("run", "nowhere"), ("check", "nowhere"), ("explain", "nowhere", "AKR1B1")])
def test_a_missing_folder_is_a_sentence(args: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*args) in (1, 2)
    err = capsys.readouterr().err
    assert "nowhere" in err
    assert "Traceback" not in err


def test_run_writes_the_outputs(finished: Path) -> None:
    out = finished / "results"
    for name in (
        "report.html",
        "candidates.csv",
        "drugs.csv",
        "combinations.csv",
        "evidence.csv",
        "methods.md",
        "run.json",
        "ro-crate-metadata.json",
        "tables/curves.csv",
        "tables/curves.parquet",
        "tables/resistance_index.csv",
    ):
        assert (out / name).stat().st_size > 0, name
    for suffix in ("svg", "pdf", "png"):
        assert list((out / "figures").glob(f"*.{suffix}"))
    assert list((out / "source_data").glob("*.csv"))
    run = json.loads((out / "run.json").read_text())
    assert run["inputs"]


def test_explain_gives_the_case(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("explain", finished / "results", "AKR1B1") == 0
    text = capsys.readouterr().out
    assert "AKR1B1" in text
    assert "viability.csv" in text
    assert call("explain", finished / "results", "AKR1B2") == 2
    both = capsys.readouterr()
    assert "AKR1B1" in both.out + both.err, "a near miss is named"


def test_a_surface_needs_a_combination(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted((finished / "results").iterdir())
    assert call("surface", finished / "results") == 2
    assert "no combination of drugs" in capsys.readouterr().err
    assert sorted((finished / "results").iterdir()) == before
    asked: dict[str, object] = {}
    monkeypatch.setattr(
        "rechallenge.surface.write_page",
        lambda out, **options: asked.update(options, out=out) or tmp_path / "s.html",
    )
    assert call("surface", tmp_path, "--model", "M", "--pair", "A + B", "--to", tmp_path / "s.html") == 0
    assert "s.html" in capsys.readouterr().out
    assert asked == {"out": tmp_path, "model": "M", "pair": "A + B", "method": "bliss", "to": tmp_path / "s.html"}


def test_list_and_contract(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("list") == 0
    assert "resistance_index" in capsys.readouterr().out
    assert call("contract", "viability") == 0
    assert "dose_um" in capsys.readouterr().out
    assert call("contract", "nonsense") == 2


def test_the_unexpected_is_a_sentence_and_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def explode(*_: object) -> None:
        raise RuntimeError("the moon is in the wrong house")

    monkeypatch.setattr("rechallenge.checks.check", explode)
    assert call("check", ".") == 1
    err = capsys.readouterr().err
    assert "the moon is in the wrong house" in err
    assert "Traceback" not in err
    log = Path(err.rsplit(" in ", 1)[1].strip().rstrip("."))
    assert "Traceback" in log.read_text()
    log.unlink()
