"""What a run leaves in OUT, byte for byte, and what it leaves alone."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import toy_study
from rechallenge import outputs, pipeline, rocrate, runfile
from rechallenge.faults import InputFaults, RechallengeError, StoreError
from rechallenge.outputs import Page, csv_bytes
from rechallenge.record import FigureRecord, RunRecord
from toy_study import Toy

SUMMARIES = ("evidence.csv", "candidates.csv", "drugs.csv", "combinations.csv")


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return toy_study.make(tmp_path)


@pytest.fixture
def rendered() -> Iterator[tuple[list[str], dict[str, Page]]]:
    """Pages that say when they are rendered, and the list in which they do."""
    calls: list[str] = []

    def page(name: str) -> Page:
        def render(record: RunRecord) -> str:
            calls.append(name)
            return f"{name}: {record.study.title}, {len(record.steps)} steps\n"

        return Page(render, ("toy_study",))

    yield calls, {"methods.md": page("methods"), "report.html": page("report")}


def run(toy: Toy, **more: Any) -> RunRecord:
    return pipeline.run(toy.study, registry=toy.registry, **more)


def with_figure(record: RunRecord) -> RunRecord:
    files = {"svg": b"<svg/>", "pdf": b"%PDF", "png": b"\x89PNG", "csv": b"x,y\n1,2\n", "json": b"{}"}
    return replace(record, figures=(FigureRecord("curves_a", "curves", "toy", "Curves", "", {}, files),))


def below(folder: Path) -> dict[str, bytes]:
    return {
        p.relative_to(folder).as_posix(): p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file() and ".store" not in p.parts
    }


def test_everything_is_written_and_listed(toy: Toy, rendered: tuple[list[str], dict[str, Page]]) -> None:
    record = with_figure(run(toy))
    files = outputs.write(record, pages=rendered[1])
    assert set(files) == set(below(record.out))
    tables = ("after", "candidates", "doubled", "fragile", "means", "spreads", "totals")
    assert set(files) == {
        *SUMMARIES,
        *(f"tables/{t}.{e}" for t in tables for e in ("csv", "parquet")),
        *(f"figures/curves_a.{e}" for e in ("svg", "pdf", "png")),
        "source_data/curves_a.csv",
        "methods.md",
        "report.html",
        "run.json",
        "ro-crate-metadata.json",
    }
    assert files["source_data/curves_a.csv"].read_bytes() == b"x,y\n1,2\n"
    assert files["report.html"].read_text() == "report: Toy, 9 steps\n"
    assert files["tables/means.csv"].read_text() == "group,value\ng0,2.5\ng1,4.5\ng2,6.5\ng3,8.5\ng4,10.5\n"
    pd.testing.assert_frame_equal(pd.read_parquet(files["tables/means.parquet"]), record.tables["means"])


def test_the_summaries_have_their_exact_columns_with_or_without_content(toy: Toy) -> None:
    toy.names = tuple(n for n in toy.names if n not in ("rank_claims", "claim_means"))
    files = outputs.write(run(toy), pages={})
    for name, columns in {
        "candidates": "rank,entity,entity_type,direction,score,p_value,q_value,tier,streams_for,streams_against,drugs,"
        "summary",
        "drugs": "rank,drug,targets,approved,cmax_um,cmax_free_um,achievable,toxicity,best_evidence,summary",
        "combinations": "rank,drug_a,drug_b,model,score,ci_low,ci_high,in_window,selective,verdict",
        "evidence": "entity,entity_type,stream,level,model,contrast,direction,effect,effect_unit,se,ci_low,ci_high,"
        "statistic,p_value,q_value,n,status,analysis,source_table,source_rows,claim",
    }.items():
        assert files[f"{name}.csv"].read_text() == columns + "\n"
    toy.names = toy_study.ALL
    files = outputs.write(run(toy), pages={})
    assert files["candidates.csv"].read_text().splitlines()[1] == "1,g0,,,,,,,,,,"
    with pytest.raises(ValueError, match="the table drugs has no column rank, "):
        outputs.summary("drugs", pd.DataFrame({"drug": ["a"]}))


def test_an_unchanged_run_writes_and_renders_nothing_again(
    toy: Toy, rendered: tuple[list[str], dict[str, Page]]
) -> None:
    calls, pages = rendered
    files = outputs.write(run(toy), pages=pages)
    assert calls == ["methods", "report"]
    before = {n: p.stat().st_mtime_ns for n, p in files.items()}
    again = outputs.write(run(toy), pages=pages)
    after = {n: p.stat().st_mtime_ns for n, p in again.items()}
    assert calls == ["methods", "report"]
    assert {n for n in after if after[n] != before[n]} <= {"run.json", "ro-crate-metadata.json"}


@pytest.mark.parametrize("file", ["tables/means.csv", "tables/means.parquet", "evidence.csv", "report.html"])
def test_what_was_damaged_or_edited_since_is_written_again(
    toy: Toy, rendered: tuple[list[str], dict[str, Page]], file: str
) -> None:
    files = outputs.write(run(toy), pages=rendered[1])
    good = files[file].read_bytes()
    files[file].write_bytes(good + b" ")
    outputs.write(run(toy), pages=rendered[1])
    assert files[file].read_bytes() == good
    files[file].unlink()
    outputs.write(run(toy), pages=rendered[1])
    assert files[file].read_bytes() == good


def test_a_changed_result_renders_the_pages_anew(toy: Toy, rendered: tuple[list[str], dict[str, Page]]) -> None:
    calls, pages = rendered
    outputs.write(run(toy), pages=pages)
    toy.options(fragile={"fail": "true"})
    outputs.write(run(toy), pages=pages)
    assert calls == ["methods", "report"] * 2


def test_files_that_a_run_no_longer_makes_go_and_others_stay(toy: Toy) -> None:
    record = with_figure(run(toy))
    files = outputs.write(record, pages={})
    (record.out / "notes.txt").write_text("mine")
    (record.out / "tables" / "mine.csv").write_text("mine")
    files["tables/after.csv"].write_text("edited by hand")
    toy.options(fragile={"fail": "true"})
    outputs.write(run(toy), pages={})
    left = below(record.out)
    assert left["notes.txt"] == left["tables/mine.csv"] == b"mine"
    assert left["tables/after.csv"] == b"edited by hand"
    gone = {"tables/after.parquet", "tables/fragile.csv", "tables/fragile.parquet", "figures/curves_a.svg"}
    assert not gone & set(left)
    assert "tables/means.csv" in left


@pytest.mark.parametrize("name", ["../study/measure.csv", "/etc/hostname", "tables/../../study/measure.csv", "link/x"])
def test_a_run_file_cannot_make_anything_outside_out_go_away(toy: Toy, name: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    outputs.write(run(toy, out=out), pages={})
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x").write_text("x")
    (out / "link").symlink_to(tmp_path / "other")
    listed = json.loads((out / "run.json").read_text())
    target = Path(os.path.normpath(out / name))
    digest = outputs.sha256(target.read_bytes()) if target.is_file() else "0"
    listed["outputs"][name] = {"sha256": digest, "bytes": 1, "of": ""}
    (out / "run.json").write_text(json.dumps(listed))
    outputs.write(run(toy, out=out), pages={})
    assert not target.parent.is_dir() or target.exists() or digest == "0"
    assert (tmp_path / "other" / "x").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"outputs": []}', '{"outputs": {"a": 1}}'])
def test_a_broken_run_file_is_no_obstacle(toy: Toy, text: str) -> None:
    record = run(toy)
    outputs.write(record, pages={})
    (record.out / "run.json").write_text(text)
    files = outputs.write(record, pages={})
    assert json.loads(files["run.json"].read_text())["format"] == 1


def test_a_link_that_leads_outside_is_refused(toy: Toy, tmp_path: Path) -> None:
    record = run(toy)
    (tmp_path / "elsewhere").mkdir()
    (record.out / "tables").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="is a link that leads out of"):
        outputs.write(record, pages={})
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_linked_file_is_replaced_and_what_it_leads_to_stays(toy: Toy, tmp_path: Path) -> None:
    record = run(toy)
    (tmp_path / "precious.csv").write_text("precious")
    (record.out / "evidence.csv").symlink_to(tmp_path / "precious.csv")
    files = outputs.write(record, pages={})
    assert (tmp_path / "precious.csv").read_text() == "precious"
    assert not files["evidence.csv"].is_symlink()


def test_results_are_not_written_over_the_study(toy: Toy) -> None:
    record = replace(run(toy), out=toy.study)
    with pytest.raises(InputFaults, match="the folder is the study itself"):
        outputs.write(record, pages={})


def test_a_page_that_fails_costs_nothing_but_itself(toy: Toy, rendered: tuple[list[str], dict[str, Page]]) -> None:
    def fail(record: RunRecord) -> str:
        raise KeyError("ri")

    record = run(toy)
    outputs.write(record, pages=rendered[1])
    pages = {**rendered[1], "report.html": Page(fail, ("json",))}
    with pytest.raises(RechallengeError, match=r"report\.html could not be rendered \(KeyError: 'ri'\)"):
        outputs.write(record, pages=pages)
    left = below(record.out)
    assert "report.html" not in left, "an old report must not be taken for the new one"
    assert {"run.json", "methods.md", *SUMMARIES} <= set(left)


def test_run_json_says_what_was_done_without_naming_this_machine(toy: Toy, tmp_path: Path) -> None:
    toy.options(fragile={"fail": "true"}, means={"digits": 2})
    (toy.study / "study.toml").write_text((toy.study / "study.toml").read_text().replace(repr(str(toy.log)), "''"))
    files = outputs.write(run(toy), pages={})
    told = json.loads(files["run.json"].read_text())
    steps = {s["name"]: s for s in told["steps"]}
    assert steps["means"]["options"] == {"digits": 2, "log": ""}
    assert steps["fragile"]["state"] == "failed"
    assert "ValueError: the sum is odd" in steps["fragile"]["traceback"]
    assert steps["idle"]["reason"] == "no group is called control"
    assert told["inputs"][1]["path"] == "measure.csv"
    assert len(told["inputs"][1]["sha256"]) == 64
    assert told["versions"]["rechallenge"]
    assert told["reading"]["measure"]["state"] == "done"
    assert set(told["outputs"]) == set(files) - {"run.json"}
    for name in ("run.json", "ro-crate-metadata.json"):
        assert str(tmp_path) not in files[name].read_text()


def test_what_lasts_of_a_run_is_the_same_when_it_is_taken_from_the_store(toy: Toy) -> None:
    first, again = run(toy), run(toy)
    assert runfile.run_file(first, {}) != runfile.run_file(again, {})
    assert runfile.run_file(first, {}, lasting=True) == runfile.run_file(again, {}, lasting=True)


def test_values_become_json() -> None:
    value = {"a": (1, np.float64(0.5), np.int64(3)), "b": [np.nan, np.inf, -np.inf, None, pd.NA, np.bool_(True)]}
    assert runfile.plain(value) == {"a": [1, 0.5, 3], "b": [None, "inf", "-inf", None, None, True]}


def test_the_crate_links_inputs_run_and_outputs(toy: Toy) -> None:
    toy.options(fragile={"fail": "true"})
    record = run(toy)
    files = outputs.write(record, pages={})
    crate = json.loads(files["ro-crate-metadata.json"].read_text())
    assert crate["@context"][0] == "https://w3id.org/ro/crate/1.1/context"
    entities = {e["@id"]: e for e in crate["@graph"]}
    assert len(entities) == len(crate["@graph"]), "every entity is there once"
    assert entities["ro-crate-metadata.json"]["about"] == {"@id": "./"}
    root, action = entities["./"], entities["#run"]
    assert root["name"] == "Toy"
    assert entities[root["author"][0]["@id"]]["name"] == "A. Author"
    parts = {p["@id"] for p in root["hasPart"]}
    assert parts == {r["@id"] for r in [*action["result"], *action["object"]]}
    for reference in _references(crate["@graph"]):
        assert reference in entities or reference.startswith(("https://w3id.org/ro/", "http://schema.org/"))
    for name, path in files.items():
        if name not in ("run.json", "ro-crate-metadata.json"):
            assert entities[name]["sha256"] == outputs.sha256(path.read_bytes())
            assert entities[name]["contentSize"] == str(path.stat().st_size)
    assert entities["tables/means.csv"]["encodingFormat"] == "text/csv"
    inputs = [entities[o["@id"]] for o in action["object"]]
    assert [i["name"] for i in inputs] == ["study.toml", "measure.csv"]
    assert action["actionStatus"] == {"@id": "http://schema.org/FailedActionStatus"}
    assert action["error"] == "These analyses failed or were blocked: fragile, after."
    assert action["startTime"] <= action["endTime"]
    assert entities[action["instrument"]["@id"]]["softwareVersion"]


def _references(node: Any) -> Iterator[str]:
    for entity in node:
        for value in entity.values():
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, dict) and set(one) == {"@id"}:
                    yield one["@id"]


def test_digest_names_follow_rfc_6920() -> None:
    """The example of RFC 6920, section 8.2: the digest of "Hello World!"."""
    assert (
        rocrate.name_of(outputs.sha256(b"Hello World!")) == "ni:///sha-256;f4OxZX_x_FO5LcGBSKHWXfwtSx-j1ncoSt3SABJtkGk"
    )


def test_csv_is_plain_and_safe_to_open() -> None:
    frame = pd.DataFrame(
        {
            "text": ["=1+1", "+IL6", "-1.5", "@x", "\tx", "-", 'µ, "q"\nnew', None, ""],
            "number": [0.1, 1e-300, np.inf, -np.inf, np.nan, 3.0, 1 / 3, 1e22, -0.0],
            "flag": [True, False] * 4 + [True],
            "whole": range(9),
        }
    )
    made = csv_bytes(frame)
    assert b"\r" not in made
    rows = list(csv.reader(io.StringIO(made.decode())))
    assert [r[0] for r in rows] == ["text", "'=1+1", "'+IL6", "-1.5", "'@x", "'\tx", "'-", 'µ, "q"\nnew', "", ""]
    assert [r[1] for r in rows[1:]] == [
        "0.1", "1e-300", "inf", "-inf", "", "3.0", "0.3333333333333333", "1e+22", "-0.0"
    ]  # fmt: skip
    assert rows[1][2:] == ["True", "0"]
    assert csv_bytes(pd.DataFrame({"=cmd": [1]})) == b"'=cmd\n1\n"
    assert frame["text"][0] == "=1+1", "the table itself is left alone"


def test_csv_of_categories_and_dates() -> None:
    frame = pd.DataFrame(
        {"status": pd.Categorical(["=a", None, "b"]), "day": pd.to_datetime(["2024-01-02", None, "2024-01-03"])}
    )
    assert csv_bytes(frame) == b"status,day\n'=a,2024-01-02\n,\nb,2024-01-03\n"


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(), st.floats())))
def test_every_number_reads_back_to_itself(rows: list[tuple[str, float]]) -> None:
    frame = pd.DataFrame(rows, columns=["text", "number"]).astype({"text": object, "number": float})
    back = list(csv.reader(io.StringIO(csv_bytes(frame).decode(), newline="")))[1:]
    assert len(back) == len(rows)
    for (_, number), (text, read) in zip(rows, back, strict=True):
        assert float(read or "nan") == number or np.isnan(number)
        assert not text or text[0] not in "=@\t"


def test_numbers_of_things_are_whole() -> None:
    frame = pd.DataFrame({"n": [3.0, np.nan], "n_wells": [2.0, 4.0], "n_eff": [1.5, 2.0], "se": [1.0, 2.0]})
    assert outputs.csv_bytes(frame).decode().splitlines() == ["n,n_wells,n_eff,se", "3,2,1.5,1.0", ",4,2.0,2.0"]
