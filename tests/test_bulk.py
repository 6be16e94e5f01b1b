"""Large screens and libraries of studies: cut by the data, spread over workers that may die, the same bytes again."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rechallenge import bulk, cli, dose_response, simulate
from rechallenge.assays.dose_response.rules import CURVE
from rechallenge.bulk import curves as bulk_curves
from rechallenge.bulk.cutting import Counted, parts
from rechallenge.faults import InputFaults, RechallengeError
from rechallenge.pipeline import Event, workers

DOSES = 20 / 3.0 ** np.arange(7)


def screen(n: int = 12, replicates: int = 3, seed: int = 0) -> pd.DataFrame:
    """`n` curves with replicates that differ, rows of all curves mixed."""
    rng = np.random.default_rng(seed)
    rows = [
        (f"line {i % 2}", f"drug {i // 2}", dose, r, 1 / (1 + (dose / ec50 / np.exp(0.2 * r)) ** 1.3))
        for i, ec50 in enumerate(10 ** rng.uniform(-1, 0.8, n))
        for r in range(1, replicates + 1)
        for dose in DOSES
    ]
    table = pd.DataFrame(rows, columns=["model", "drug", "dose_um", "replicate", "viability"])
    table["viability"] = (table["viability"] + rng.normal(0, 0.04, len(table))).round(4)
    return table.sample(frac=1, random_state=seed).reset_index(drop=True)


def saved(table: pd.DataFrame, folder: Path, name: str = "screen.csv") -> Path:
    path = folder / name
    if name.endswith(".parquet"):
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False, sep="\t" if ".tsv" in name else ",")
    return path


# -- calls over workers ----------------------------------------------------------------------------------------------


def squared(x: int) -> int:
    return x * x


def dies(x: int, marks: str, always: bool) -> int:
    """Kills its process at 3: the first time, or always."""
    mark = Path(marks) / f"{x}-{time.monotonic_ns()}"
    mark.touch()
    if x == 3 and (always or len(list(Path(marks).glob("3-*"))) == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    return x * x


def fails(x: int) -> int:
    if x == 1:
        raise ValueError("one is odd")
    return x


def test_every_call_is_answered_and_what_goes_wrong_is_an_answer() -> None:
    assert dict(bulk.spread(squared, [(i,) for i in range(5)], workers.Inline())) == {0: 0, 1: 1, 2: 4, 3: 9, 4: 16}
    answers = dict(bulk.spread(fails, [(i,) for i in range(3)], workers.Inline()))
    assert answers == {0: 0, 1: bulk.Lost("ValueError: one is odd"), 2: 2}


def test_calls_are_made_while_others_are_answered() -> None:
    seen: list[str] = []

    def calls() -> Iterator[tuple[int]]:
        for i in range(3):
            seen.append(f"made {i}")
            yield (i,)

    for number, _ in bulk.spread(squared, calls(), workers.Inline()):
        seen.append(f"answered {number}")
    assert seen == ["made 0", "answered 0", "made 1", "answered 1", "made 2", "answered 2"]


@pytest.mark.slow
@pytest.mark.parametrize("always", [False, True])
def test_a_call_that_kills_its_process_is_given_up_alone(tmp_path: Path, always: bool) -> None:
    crew = workers.Processes(2)
    try:
        answers = dict(bulk.spread(dies, [(i, str(tmp_path), always) for i in range(6)], crew))
    finally:
        crew.close(now=False)
    tried = len(list(tmp_path.glob("3-*")))
    assert tried == 2, "once more after the first death"
    lost = answers.pop(3)
    assert (isinstance(lost, bulk.Lost) and "died twice" in lost.reason) if always else lost == 9
    assert answers == {i: i * i for i in range(6) if i != 3}


# -- cutting ---------------------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), rows=st.integers(1, 80), form=st.sampled_from(["a.csv", "a.tsv.gz", "a.parquet"]))
def test_parts_hold_whole_curves_and_every_row_once(
    tmp_path_factory: pytest.TempPathFactory, seed: int, rows: int, form: str
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    table, counted = screen(5, 2, seed), Counted()
    made = list(parts(saved(table, folder, form), folder, rows, counted))
    owners = pd.concat([p.assign(part=i) for i, p in enumerate(made)])
    assert not owners[[*CURVE, "part"]].drop_duplicates().duplicated(list(CURVE)).any()
    assert all(len(p) <= rows or p["drug"].nunique() == p["model"].nunique() == 1 for p in made)
    back = owners.sort_values("_row")
    assert back["_row"].tolist() == list(range(2, len(table) + 2))
    np.testing.assert_array_equal(back["viability"], table["viability"])
    assert counted.rows == len(table) and counted.empty == 0
    assert [p.name for p in folder.iterdir()] == [form], "intermediate files are gone"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.rename(columns={"viability": "signal"}), "loses its vehicle wells"),
        (lambda t: t.drop(columns="drug"), "lacks drug"),
        (lambda t: t.assign(viability=t["viability"].astype(str).str.replace(".", ",")), "this is no number"),
        (lambda t: t.assign(replicate=t["replicate"].where(t.index > 3)), "4 rows name no biological replicate"),
        (lambda t: t.head(0), "no rows"),
    ],
)
def test_a_table_that_cannot_be_used_is_a_sentence(tmp_path: Path, change: object, says: str) -> None:
    path = saved(change(screen(2)), tmp_path)  # type: ignore[operator]
    with pytest.raises(InputFaults, match=says):
        bulk.fit_table(path, tmp_path / "out")


def test_a_file_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"nothing")
    for name, says in (("x.parquet", "cannot be read"), ("y.csv", "no such file"), ("z.docx", "only .csv")):
        if name == "z.docx":
            (tmp_path / name).touch()
        with pytest.raises(InputFaults, match=says):
            bulk.fit_table(tmp_path / name, tmp_path / "out")


# -- curves ----------------------------------------------------------------------------------------------------------


def test_the_table_is_that_of_one_fit_of_everything_however_it_was_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = screen()
    path = saved(table, tmp_path)
    whole = bulk.fit_table(path, tmp_path / "whole")
    assert (whole.n_parts, whole.n_curves, len(whole.left_out)) == (1, 12, 0)
    reread = pd.read_csv(path)
    direct = dose_response.fit_curves(reread.assign(_file="screen.csv", _row=np.arange(2, len(reread) + 2)))
    pd.testing.assert_frame_equal(whole.curves, direct, check_dtype=False)
    monkeypatch.setattr(bulk_curves, "MOST_ROWS", 50)
    cut = bulk.fit_table(path, tmp_path / "cut")
    assert cut.n_parts == 6
    assert (cut.out / "curves.parquet").read_bytes() == (whole.out / "curves.parquet").read_bytes()
    again = bulk.fit_table(path, tmp_path / "cut")
    assert (again.computed, again.n_curves) == (0, 12)


def test_intervals_from_resamples_are_those_that_were_asked_for(tmp_path: Path) -> None:
    path = saved(screen(4, replicates=7), tmp_path, "screen.parquet")
    few, more = (bulk.fit_table(path, tmp_path / str(b), bootstraps=b).curves for b in (20, 400))
    direct = dose_response.fit_curves(pd.read_parquet(path), interval="bootstrap", n_boot=400)
    np.testing.assert_array_equal(more["ic50_ci_low"], direct["ic50_ci_low"])
    assert (few["ic50_ci_low"] != more["ic50_ci_low"]).any()
    with pytest.raises(ValueError, match="0 or at least 20"):
        bulk.fit_table(path, tmp_path / "x", bootstraps=5)
    with pytest.raises(ValueError, match="unknown option levle"):
        bulk.fit_table(path, tmp_path / "x", levle=0.5)


def test_methods_name_the_interval_that_was_used() -> None:
    from rechallenge.analysis import step_of

    step = step_of(dose_response.curves)
    table = screen(1, replicates=7)
    said = {}
    for interval in ("auto", "bootstrap", "profile"):
        options = {**step.options, "interval": interval, "n_boot": 200}
        said[interval] = step.methods(dose_response.fit_curves(table, **options), **options)  # type: ignore[operator]
    assert "does not differ from 0.5" in said["auto"] and "resamples" not in said["auto"]
    assert "percentiles of 200 resamples" in said["bootstrap"] and "does not differ" not in said["bootstrap"]
    assert "profile likelihood" in said["profile"]


def test_curves_without_a_result_and_rows_without_numbers_are_counted(tmp_path: Path) -> None:
    table = screen(4)
    gone = (table["model"] == "line 1") & (table["drug"] == "drug 0")
    table.loc[gone, "viability"] = np.nan
    made = bulk.fit_table(saved(table, tmp_path), tmp_path / "out")
    assert (made.n_curves, made.empty) == (3, int(gone.sum()))
    assert made.left_out[["model", "drug"]].to_numpy().tolist() == [["line 1", "drug 0"]]
    assert "no dose above 0" in (made.out / "left_out.csv").read_text()


@pytest.mark.parametrize(("text", "size"), [("2GB", 2e9), ("800 mb", 8e8), ("1.5G", 1.5e9), ("64", 64), (10, 10)])
def test_an_amount_of_memory_is_read(text: str | int, size: float) -> None:
    assert bulk.parse_memory(text) == size


@pytest.mark.parametrize("text", ["much", "-1GB", "0", "2 GB 3", ""])
def test_what_is_no_amount_of_memory_is_refused(text: str) -> None:
    with pytest.raises(RechallengeError, match="is no amount of memory"):
        bulk.parse_memory(text)


def test_less_memory_means_smaller_parts_and_too_little_is_a_sentence() -> None:
    assert bulk_curves.rows_within(2_000_000_000, 0) == bulk_curves.MOST_ROWS
    assert 2_000 < bulk_curves.rows_within(600_000_000, 1000) < bulk_curves.rows_within(600_000_000, 0)
    with pytest.raises(RechallengeError, match=r"0\.30 GB is too little .* 0\.5 GB or more with --memory"):
        bulk_curves.rows_within(300_000_000, 0)


@pytest.mark.slow
def test_killed_workers_cost_nothing_and_memory_stays_within_what_was_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk_curves, "MOST_ROWS", 2_000)
    path = saved(screen(800), tmp_path, "screen.parquet")
    one = bulk.fit_table(path, tmp_path / "one", bootstraps=100)
    killed: list[int] = []

    def watch(event: Event) -> None:
        if event.what == "finished" and not killed:
            # the other worker has a part in hands
            for child in multiprocessing.active_children():
                killed.append(child.pid or 0)
                os.kill(child.pid or 0, signal.SIGKILL)

    two = bulk.fit_table(path, tmp_path / "two", bootstraps=100, jobs=2, memory="1GB", progress=watch)
    assert len(killed) == 2
    assert (two.n_parts, two.computed, two.failed) == (one.n_parts, one.n_parts, 0)
    assert one.n_parts >= 9
    assert (two.out / "curves.parquet").read_bytes() == (one.out / "curves.parquet").read_bytes()
    assert 0 < two.peak < two.budget


@pytest.mark.slow
def test_a_dask_cluster_fits_the_same_curves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(bulk_curves, "MOST_ROWS", 300)
    path = saved(screen(40), tmp_path)
    one = bulk.fit_table(path, tmp_path / "one")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, local_directory=tmp_path
    ) as cluster:
        two = bulk.fit_table(path, tmp_path / "two", dask=cluster.scheduler_address)
    assert two.computed == one.n_parts > 2
    assert (two.out / "curves.parquet").read_bytes() == (one.out / "curves.parquet").read_bytes()


def test_the_command_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(screen(4), tmp_path)
    with pytest.raises(SystemExit) as end:
        cli.main(["curves", str(path), "--out", str(tmp_path / "out"), "--csv"])
    out = capsys.readouterr().out
    assert not end.value.code
    assert "4 curves of 84 rows in 1 parts (1 computed, 0 up to date, 0 failed)" in out
    assert len(pd.read_csv(tmp_path / "out" / "curves.csv")) == 4


# -- studies ---------------------------------------------------------------------------------------------------------


def test_a_folder_without_studies_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputFaults, match=r"holds a study\.toml"):
        bulk.run_library(tmp_path)


@pytest.mark.slow
def test_studies_run_alone_and_one_table_says_how_they_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    studies = tmp_path / "studies"
    simulate.write_study(studies / "b good", raw=False, replicates=2)
    simulate.write_study(studies / "a faulty", raw=False, mess=["per_cent"])
    (studies / "c broken").mkdir()
    (studies / "c broken" / "study.toml").write_text("[study\n")
    (studies / "no study").mkdir()
    with pytest.raises(SystemExit) as end:
        cli.main(["library", str(studies), "--out", str(tmp_path / "out")])
    said = capsys.readouterr()
    assert end.value.code == 1
    assert "3 studies: 2 faults, 1 done" in said.out and "faults: a faulty:" in said.err
    table = pd.read_csv(tmp_path / "out" / "library.csv")
    assert table["study"].tolist() == ["a faulty", "b good", "c broken"]
    assert table["state"].tolist() == ["faults", "done", "faults"]
    assert table["computed"][1] > 5 and table["computed"][0] == 0
    assert (tmp_path / "out" / "b good" / "report.html").exists()
    assert not (studies / "b good" / "results").exists()
    again = bulk.run_library(studies, tmp_path / "out").table
    assert again["computed"].tolist() == [0, 0, 0]
    assert again["up_to_date"][1] == table["computed"][1]


def test_a_study_that_raises_or_is_lost_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rechallenge import pipeline

    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("by zero")

    for name in ("one", "two"):
        simulate.write_study(tmp_path / name, raw=False, replicates=2)
    monkeypatch.setattr(pipeline, "run", broken)
    table = bulk.run_library(tmp_path).table
    assert table["state"].tolist() == ["failed", "failed"]
    assert table["reason"].tolist() == ["ZeroDivisionError: by zero"] * 2
    assert pd.read_csv(tmp_path / "library.csv")["reason"].tolist() == table["reason"].tolist()
