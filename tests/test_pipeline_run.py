"""A run from a study folder to a record: what is computed, what is not, and what happens when a step fails."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import toy_study
from rechallenge import parquet, pipeline
from rechallenge.faults import InputFaults, RechallengeError, StoreError
from rechallenge.pipeline import Event, PlanError
from rechallenge.record import RunRecord
from toy_study import Toy

EVERYTHING = ["doubled", "fragile", "means", "totals:g0,g1", "totals:g2,g3", "totals:g4"]


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return toy_study.make(tmp_path)


def run(toy: Toy, **more: Any) -> RunRecord:
    return pipeline.run(toy.study, registry=toy.registry, **more)


def states(record: RunRecord) -> dict[str, str]:
    return {s.name: s.state for s in record.steps}


def step(record: RunRecord, name: str) -> Any:
    return next(s for s in record.steps if s.name == name)


def test_a_run_records_what_it_read_did_and_found(toy: Toy) -> None:
    record = run(toy)
    assert toy.calls() == EVERYTHING
    assert record.out == toy.study / "results"
    assert states(record) == {
        "doubled": "done",
        "means": "done",
        "fragile": "done",
        "after": "done",
        "idle": "skipped",
        "after_idle": "skipped",
        "totals": "done",
        "claim_means": "done",
        "rank_claims": "done",
    }
    assert sorted(record.tables) == ["after", "candidates", "doubled", "fragile", "means", "spreads", "totals"]
    assert record.tables["means"]["value"].tolist() == [2.5, 4.5, 6.5, 8.5, 10.5]
    assert record.tables["candidates"]["entity"].tolist() == ["g0", "g1", "g2", "g3", "g4"]
    assert record.evidence["claim"].tolist()[0] == "g0 is 2.5"
    assert [(i.path, i.kind) for i in record.inputs] == [("study.toml", "study"), ("measure.csv", "measure")]
    assert record.rows_read == {"measure": 15}
    assert list(record.excluded.columns) == ["kind", "file", "sheet", "row", "column", "value", "reason"]
    assert record.failed == ()
    assert record.started.endswith("+00:00")


def test_a_step_s_record_says_what_a_reader_must_know(toy: Toy) -> None:
    toy.options(doubled={"plus": 1})
    record = run(toy)
    doubled, means = step(record, "doubled"), step(record, "means")
    assert doubled.methods == "Values were multiplied and 1.0 was added."
    assert doubled.options == {"plus": 1.0, "log": str(toy.log), "wait": 0.0}
    assert (means.methods, means.inputs, means.outputs) == ("5 means.", ("doubled",), ("means", "spreads"))
    assert means.warnings == ("UserWarning: few replicates",)
    assert step(record, "idle").reason == "no group is called control"
    assert step(record, "after_idle").reason == "needs idle, which is not there: no group is called control"
    assert len(means.key) == 64


def test_an_unchanged_run_reads_and_computes_nothing(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    from rechallenge.tables import reading

    def read_study(study: Any, contracts: Any) -> Any:
        raise AssertionError("parsed again")

    first = run(toy)
    toy.calls()
    monkeypatch.setattr(reading, "read_study", read_study)
    again = run(toy)
    assert toy.calls() == []
    assert set(states(again).values()) == {"cached", "skipped"}
    assert again.reading["measure"]["state"] == "cached"
    assert again.tables.stored == first.tables.stored  # type: ignore[attr-defined]
    assert step(again, "means").warnings == ("UserWarning: few replicates",)
    assert step(again, "doubled").methods == step(first, "doubled").methods


def test_dates_of_files_do_not_matter_and_bytes_do(toy: Toy) -> None:
    run(toy)
    toy.calls()
    os.utime(toy.study / "measure.csv", (1, 1))
    os.utime(toy.study / "study.toml", (1, 1))
    run(toy)
    assert toy.calls() == []
    toy.measure(first=2.0)
    record = run(toy)
    assert toy.calls() == EVERYTHING
    assert record.tables["means"]["value"].tolist() == [4.5, 6.5, 8.5, 10.5, 12.5]


def test_the_same_table_written_otherwise_is_read_again_but_computed_once(toy: Toy) -> None:
    first = run(toy)
    toy.calls()
    path = toy.study / "measure.csv"
    path.write_text(path.read_text().replace("\n", "\r\n"))
    again = run(toy)
    assert again.reading["measure"]["state"] == "done"
    assert toy.calls() == []
    assert again.inputs != first.inputs


def test_an_option_concerns_the_steps_that_have_it(toy: Toy) -> None:
    run(toy)
    toy.calls()
    toy.options(means={"digits": 1})
    record = run(toy)
    assert toy.calls() == ["means"]
    assert states(record)["claim_means"] == "cached" or record.tables["means"]["value"].tolist()[0] == 2.5


def test_a_changed_part_of_a_table_recomputes_that_part_alone(toy: Toy) -> None:
    run(toy)
    toy.calls()
    text = (toy.study / "measure.csv").read_text().replace("g4,3,", "g4,3,1")
    (toy.study / "measure.csv").write_text(text)
    run(toy)
    assert [c for c in toy.calls() if c.startswith("totals")] == ["totals:g4"]


def test_a_step_in_parts_gives_what_it_gives_in_one(toy: Toy) -> None:
    parts = run(toy)
    assert [c for c in toy.calls() if c.startswith("totals")] == ["totals:g0,g1", "totals:g2,g3", "totals:g4"]
    source = (toy.plugin / toy.name / "steps.py").read_text().replace("groups=2", "groups=5")
    whole_toy = toy_study.make(toy.study.parent / "whole")
    (whole_toy.plugin / whole_toy.name / "steps.py").write_text(source)
    whole = run(whole_toy)
    assert [c for c in whole_toy.calls() if c.startswith("totals")] == ["totals:g0,g1,g2,g3,g4"]
    assert parts.tables["totals"]["rank"].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert parquet.encode(parts.tables["totals"]) == parquet.encode(whole.tables["totals"])


def test_a_result_with_the_name_of_its_table_hides_it_from_other_steps(toy: Toy) -> None:
    toy.names = (*toy_study.ALL, "measure", "both")
    record = run(toy)
    assert states(record)["measure"] == states(record)["both"] == "done"
    both = record.tables["both"]
    assert both["result"].tolist() == (10 * both["read"]).tolist()
    assert record.tables["measure"]["value"].tolist() == both["result"].tolist()


def test_a_failed_step_stops_only_what_needs_it(toy: Toy) -> None:
    toy.options(fragile={"fail": "true"})
    record = run(toy)
    assert states(record) | {"fragile": "failed", "after": "blocked"} == states(record)
    assert states(record)["rank_claims"] == "done"
    assert [s.name for s in record.failed] == ["fragile", "after"]
    fragile = step(record, "fragile")
    assert fragile.reason == "ValueError: the sum is odd"
    assert f"{toy.name}/steps.py" in fragile.traceback
    assert str(toy.plugin) not in fragile.traceback
    assert step(record, "after").reason == "needs fragile, but fragile failed"
    assert "fragile" not in record.tables
    toy.calls()
    assert states(run(toy))["fragile"] == "failed"
    assert toy.calls() == ["fragile"], "a failure is tried again"
    toy.options()
    assert states(run(toy))["after"] == "done"


WRONG = """
from __future__ import annotations
import pandas as pd
from rechallenge import evidence
from rechallenge.analysis import Split, analysis, claims


@analysis(title="x")
def no_table(measure: pd.DataFrame):
    return 3


@analysis(title="x", gives=("one", "two"))
def half(measure: pd.DataFrame):
    return {"one": measure}


@analysis(title="x")
def mixed(measure: pd.DataFrame):
    return pd.DataFrame({"x": [1, "a"]})


@claims()
def bad_claims(measure: pd.DataFrame):
    return evidence.empty().reindex([0])


@analysis(title="x", split=Split("measure", ("nothing",)))
def unsplittable(measure: pd.DataFrame):
    return measure


@analysis(title="x", methods="At {levl}.")
def bad_methods(measure: pd.DataFrame, *, level: float = 1.0):
    return measure


@analysis(title="x")
def leaves(measure: pd.DataFrame):
    raise SystemExit(4)


@analysis(title="x", split=Split("measure", ("group",), groups=2))
def one_part_fails(measure: pd.DataFrame):
    if "g3" in set(measure["group"]):
        raise ZeroDivisionError("g3")
    return measure


@analysis(title="x")
def optional(measure: pd.DataFrame, no_table: pd.DataFrame | None = None):
    return measure
"""


def test_what_a_step_may_not_do_is_a_failure_with_a_sentence(toy: Toy) -> None:
    (toy.plugin / toy.name / "steps.py").write_text(WRONG)
    toy.names = (
        "no_table",
        "half",
        "mixed",
        "bad_claims",
        "unsplittable",
        "bad_methods",
        "leaves",
        "one_part_fails",
        "optional",
    )
    toy.options()
    (toy.study / "study.toml").write_text('[study]\ntitle = "T"\n[tables]\nmeasure = "measure.csv"\n')
    record = run(toy)
    reasons = {s.name: s.reason for s in record.steps if s.state == "failed"}
    assert reasons["no_table"] == f"TypeError: {toy.name}.steps:no_table gives no_table but returned a int"
    assert reasons["half"] == f"TypeError: {toy.name}.steps:half gives one, two but returned tables one"
    assert reasons["mixed"].startswith("TypeError: column 'x' holds mixed")
    assert reasons["bad_claims"].startswith("ValueError: evidence breaks its schema")
    assert reasons["unsplittable"].endswith("has none of the columns nothing to be split by")
    assert reasons["bad_methods"] == "KeyError: 'levl'"
    assert reasons["leaves"] == "SystemExit: 4"
    assert reasons["one_part_fails"] == "ZeroDivisionError: g3"
    optional = step(record, "optional")
    assert optional.state == "done"
    assert optional.warnings == ("ran without the result of no_table, which failed",)
    assert len(record.evidence) == 0


def test_figures_are_exported_and_nothing_to_draw_is_no_failure(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    from rechallenge.report import theme

    def export(name: str, chart: pd.DataFrame) -> dict[str, bytes]:
        return {"svg": f"<svg>{name}</svg>".encode(), "csv": b"x\n", "json": b'{"mark": "point"}'}

    monkeypatch.setattr(theme, "export", export)
    toy.names = (*toy.names, "plot_means", "plot_nothing")
    record = run(toy)
    assert [f.name for f in record.figures] == ["a-b", "plot_means_c"]
    first = record.figures[0]
    assert (first.step, first.title, first.caption) == ("plot_means", "Means", "Mean of each group.")
    assert first.spec == {"mark": "point"}
    assert first.files["svg"] == b"<svg>a-b</svg>"
    assert step(record, "plot_means").outputs == ("a-b", "plot_means_c")
    assert (step(record, "plot_nothing").state, step(record, "plot_nothing").reason) == ("skipped", "nothing to draw")
    assert states(run(toy))["plot_means"] == "cached"


def test_figures_that_two_steps_name_alike_are_told_apart(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    from rechallenge.report import theme

    def export(name: str, chart: pd.DataFrame) -> dict[str, bytes]:
        return {"svg": b"<svg/>"}

    source = (toy.plugin / toy.name / "steps.py").read_text()
    again = '@figure(title="Again")\ndef plot_again(means: pd.DataFrame):\n    return {"PLOT_means_c": means}\n'
    (toy.plugin / toy.name / "steps.py").write_text(f"{source}\n\n{again}")
    monkeypatch.setattr(theme, "export", export)
    toy.names = (*toy.names, "plot_means", "plot_again")
    assert [f.name for f in run(toy).figures] == ["PLOT_means_c", "a-b", "plot_means_plot_means_c"]


def test_only_computes_what_is_asked_for_and_keeps_what_is_up_to_date(toy: Toy) -> None:
    record = run(toy, only=["means"])
    assert toy.calls() == ["doubled", "means"]
    assert list(states(record)) == ["doubled", "means"]
    run(toy)
    toy.calls()
    toy.options(totals={"digits": 2}, means={"digits": 1})
    record = run(toy, only=["means"])
    assert toy.calls() == ["means"]
    assert "totals" not in states(record), "its options changed and it was not asked for"
    assert states(record)["fragile"] == "cached"
    with pytest.raises(PlanError, match="no analysis and no stream is called 'meens'"):
        run(toy, only=["meens"])


def test_damaged_results_are_computed_again_and_that_is_said(toy: Toy) -> None:
    record = run(toy)
    toy.calls()
    means = record.tables.stored["means"].sha256  # type: ignore[attr-defined]
    path = toy.study / "results" / ".store" / "objects" / means[:2] / means
    path.write_bytes(path.read_bytes()[:-7])
    again = run(toy)
    assert toy.calls() == ["means"]
    assert step(again, "means").state == "done"
    assert step(again, "means").warnings == (
        "the stored result means of means was missing or damaged; it was computed again",
        "UserWarning: few replicates",
    )
    pd.testing.assert_frame_equal(again.tables["means"], record.tables["means"])
    for key in (toy.study / "results" / ".store" / "keys").iterdir():
        key.write_bytes(key.read_bytes()[: key.stat().st_size // 2])
    run(toy)
    assert toy.calls() == EVERYTHING


def test_input_faults_stop_everything_and_come_all_at_once(toy: Toy) -> None:
    (toy.study / "measure.csv").write_text("group,replicate,value\ng1,one,2\ng1,2,x\n")
    toy.options(means={"digts": 3}, nothing={"x": 1})
    with pytest.raises(InputFaults) as caught:
        run(toy)
    codes = {f.code for f in caught.value.faults if f.severity == "error"}
    assert {"unknown-option", "unknown-option-section"} < codes
    assert {f.file for f in caught.value.faults if f.severity == "error"} == {"study.toml", "measure.csv"}
    assert toy.calls() == []


def test_faults_of_tables_are_remembered_with_the_table(toy: Toy) -> None:
    text = (toy.study / "measure.csv").read_text().replace(",", ";")
    (toy.study / "measure.csv").write_text(text)
    first, again = run(toy), run(toy)
    assert first.faults == again.faults
    assert again.reading["measure"]["state"] == "cached"


def test_files_that_a_pattern_covers_are_looked_up_afresh(toy: Toy) -> None:
    toy_file = toy.study / "measure.csv"
    rows = toy_file.read_text().splitlines()
    (toy.study / "m_1.csv").write_text("\n".join([rows[0], *rows[1:8]]) + "\n")
    spec = (toy.study / "study.toml").read_text().replace('"measure.csv"', '"m_*.csv"')
    (toy.study / "study.toml").write_text(spec)
    assert run(toy).rows_read == {"measure": 7}
    (toy.study / "m_2.csv").write_text("\n".join([rows[0], *rows[8:]]) + "\n")
    record = run(toy)
    assert record.rows_read == {"measure": 15}
    assert [i.path for i in record.inputs] == ["study.toml", "m_1.csv", "m_2.csv"]


def test_a_study_without_tables_says_so(toy: Toy) -> None:
    (toy.study / "study.toml").write_text('[study]\ntitle = "T"\n')
    record = run(toy)
    assert [f.code for f in record.faults] == ["no-tables"]
    assert record.steps == ()
    assert len(record.excluded) == 0


@pytest.mark.parametrize("out", [".", "..", "../..", "nested/.."])
def test_results_never_go_over_the_study(toy: Toy, out: str) -> None:
    with pytest.raises(InputFaults, match="the folder is the study itself or holds it"):
        run(toy, out=toy.study / out)
    assert sorted(p.name for p in toy.study.iterdir()) == ["measure.csv", "study.toml"]


def test_results_never_go_where_tables_are(toy: Toy) -> None:
    (toy.study / "data").mkdir()
    (toy.study / "measure.csv").rename(toy.study / "data" / "measure.csv")
    spec = (toy.study / "study.toml").read_text().replace('"measure.csv"', '"data/measure.csv"')
    (toy.study / "study.toml").write_text(spec)
    with pytest.raises(InputFaults, match="this table lies in the folder that results are written to"):
        run(toy, out=toy.study / "data")
    with pytest.raises(InputFaults, match="it is a file"):
        run(toy, out=toy.study / "study.toml")


def test_a_study_that_cannot_be_written_to_works_with_another_out(toy: Toy, tmp_path: Path) -> None:
    before = {p: p.read_bytes() for p in toy.study.iterdir()}
    toy.study.chmod(0o555)
    try:
        record = run(toy, out=tmp_path / "elsewhere")
    finally:
        toy.study.chmod(0o755)
    assert record.out == tmp_path / "elsewhere"
    assert {p: p.read_bytes() for p in toy.study.iterdir()} == before


def test_progress_tells_what_happens_in_order(toy: Toy) -> None:
    events: list[Event] = []
    run(toy, progress=events.append)
    whats = [e.what for e in events]
    assert whats[:2] == ["reading", "planned"]
    assert events[1].total == 10
    finished = [e for e in events if e.what == "finished"]
    assert [e.done for e in finished] == list(range(1, 11))
    parts = [(e.part, e.parts) for e in events if e.what == "part" and e.name == "totals"]
    assert parts == [(0, 3), (1, 3), (2, 3), (3, 3)]
    for e in finished:
        if e.state == "done":
            assert any(s.what == "started" and s.name == e.name for s in events[: events.index(e)])


def test_ctrl_c_and_sigterm_stop_a_run_and_keep_what_is_finished(toy: Toy) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def watch(event: Event) -> None:
        if event.what == "finished" and event.name == "doubled":
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        run(toy, progress=watch)
    assert signal.getsignal(signal.SIGTERM) is before
    assert "doubled" in toy.calls()
    run(toy)
    assert "doubled" not in toy.calls()


def test_code_edited_since_it_was_loaded_is_refused(toy: Toy) -> None:
    run(toy)
    (toy.plugin / toy.name / "helper.py").write_text("SCALE = 33.0\n")
    with pytest.raises(RechallengeError, match=r"edited since it was loaded: \S+helper\. Start Python"):
        run(toy)


def test_a_full_disk_stops_the_run_with_a_sentence(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    run(toy, only=["doubled"])
    toy.calls()

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as m:
        m.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match="the disk is full"):
            run(toy)
    run(toy)
    assert "doubled" not in toy.calls()


def test_a_matrix_gives_its_values_and_its_sheet(tmp_path):
    """Two tables are kept for a matrix kind, and a second reading takes both from the store."""
    from rechallenge.pipeline.reading import read
    from rechallenge.store import Store
    from rechallenge.study import Study
    from rechallenge.tables.contract import Contract
    from rechallenge.tables.matrix import FEATURE, SHEET

    (tmp_path / "study.toml").write_text(
        '[study]\ntitle = "t"\n[models]\n"P" = { role = "parental" }\n[tables]\n'
        'levels = { values = "x.csv", samples = "s.csv", unit = "log2" }\n'
        '[exposure.lenvatinib]\ncmax_total = 1.1\n[[contrasts]]\nname = "a"\ntest = "R"\n'
    )
    (tmp_path / "x.csv").write_text("gene,a,b\nCAV1,1,2\n")
    (tmp_path / "s.csv").write_text("sample,model,replicate\na,P,1\nb,P,2\n")
    kinds = {"levels": Contract("levels", "genes x samples", (FEATURE, *SHEET), reader="matrix")}
    study, store = Study.load(tmp_path), Store(tmp_path / "results" / ".store")
    store.prepare()
    for state in ("done", "cached"):
        made = read(study, kinds, store, lambda event: None)
        assert store.table(made.tables["levels"].sha256)["b"].tolist() == [2.0]
        assert store.table(made.tables["levels_samples"].sha256)["sample"].tolist() == ["a", "b"]
        assert made.how["levels"]["state"] == state
    own = study.own_tables()
    assert own["exposures"].to_dict("records") == [{"drug": "lenvatinib", "quantity": "cmax_total", "value": "1.1"}]
    assert own["contrasts"].to_dict("records") == [{"name": "a", "test": "R"}]
