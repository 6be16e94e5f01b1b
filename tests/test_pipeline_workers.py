"""The same bytes whoever runs the steps; workers that die, runs that are killed, two runs at once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import pytest

import toy_study
from rechallenge import outputs, pipeline
from rechallenge.faults import RechallengeError
from rechallenge.pipeline import Event, workers
from rechallenge.record import RunRecord
from toy_study import Toy

SUMMARIES = ("evidence.csv", "candidates.csv", "drugs.csv", "combinations.csv")


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return toy_study.make(tmp_path)


def run(toy: Toy, **more: Any) -> RunRecord:
    return pipeline.run(toy.study, registry=toy.registry, **more)


def written(record: RunRecord) -> dict[str, bytes]:
    """All files of a run but those that tell the time."""
    files = outputs.write(record, pages={})
    return {n: p.read_bytes() for n, p in files.items() if p.suffix in (".csv", ".parquet")}


def started(toy: Toy, *arguments: str) -> subprocess.Popen[bytes]:
    """A run of the toy study in a process of its own (and its own process group)."""
    code = (
        "import signal, sys\n"
        # a shell that runs tests in the background has its children ignore Ctrl-C
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "sys.path[:0] = [sys.argv[1], sys.argv[2]]\n"
        "from pathlib import Path\n"
        "import toy_study\n"
        "from rechallenge import pipeline\n"
        "if __name__ == '__main__':\n"
        "    study = Path(sys.argv[4])\n"
        "    toy = toy_study.Toy(Path(sys.argv[2]), sys.argv[3], study, Path(sys.argv[5]))\n"
        "    record = pipeline.run(study, registry=toy.registry, jobs=int(sys.argv[6]))\n"
        "    print(sorted(s.name for s in record.steps if s.state == 'done'))\n"
    )
    script = toy.plugin.parent / "script.py"
    script.write_text(code)
    where = [str(Path(toy_study.__file__).parent), str(toy.plugin), toy.name, str(toy.study), str(toy.log)]
    return subprocess.Popen([sys.executable, str(script), *where, *(arguments or ("1",))], start_new_session=True)


def until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.02)


def gone(process: subprocess.Popen[bytes]) -> bool:
    """Has every process of that group ended?"""
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return True
    return False


def logged(toy: Toy) -> list[str]:
    return toy.log.read_text().splitlines() if toy.log.exists() else []


def test_the_same_bytes_for_one_job_and_two(toy: Toy, tmp_path: Path) -> None:
    one = written(run(toy, out=tmp_path / "one"))
    toy.calls()
    two = written(run(toy, out=tmp_path / "two", jobs=2))
    assert toy.calls() == ["doubled", "fragile", "means", "totals:g0,g1", "totals:g2,g3", "totals:g4"]
    assert one == two
    assert set(SUMMARIES) < set(one)
    assert b"g0" in one["evidence.csv"]


@pytest.mark.slow
def test_a_step_that_kills_its_worker_fails_alone(toy: Toy) -> None:
    toy.names = (*toy.names, "deadly")
    toy.options(deadly={"die": "true"})
    record = run(toy, jobs=2)
    states = {s.name: s.state for s in record.steps}
    assert states.pop("deadly") == "failed"
    assert set(states.values()) == {"done", "skipped"}
    reason = next(s.reason for s in record.steps if s.name == "deadly")
    assert reason.startswith("its worker process died twice, most often for lack of memory.")
    toy.options()
    assert next(s.state for s in run(toy, jobs=2).steps if s.name == "deadly") == "done"


@pytest.mark.slow
def test_a_worker_that_dies_once_costs_nothing(toy: Toy) -> None:
    toy.options(doubled={"wait": 2})
    killed: list[int] = []

    def watch(event: Event) -> None:
        if event.what == "started" and event.name == "totals" and not killed:
            import multiprocessing

            until(lambda: "doubled" in logged(toy), "the first step")
            for child in multiprocessing.active_children():
                killed.append(child.pid or 0)
                os.kill(child.pid or 0, signal.SIGKILL)

    record = run(toy, jobs=2, progress=watch)
    assert killed
    assert not record.failed


def test_a_killed_run_goes_on_where_it_was(toy: Toy) -> None:
    toy.options(totals={"wait": 30})
    process = started(toy)
    until(lambda: any(c.startswith("totals") for c in logged(toy)), "the long step")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert "doubled" in toy.calls()
    toy.options()
    record = run(toy)
    assert toy.calls() == ["totals:g0,g1", "totals:g2,g3", "totals:g4"]
    assert {s.name: s.state for s in record.steps}["doubled"] == "cached"


def test_a_run_killed_between_parts_does_the_others_only(toy: Toy) -> None:
    toy.options(totals={"wait": 0.5})
    process = started(toy)
    until(lambda: "totals:g2,g3" in logged(toy), "the second part")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    toy.calls()
    run(toy)
    parts = [c for c in toy.calls() if c.startswith("totals")]
    assert "totals:g0,g1" not in parts
    assert "totals:g4" in parts


def test_workers_end_with_the_run_that_made_them(toy: Toy) -> None:
    toy.options(doubled={"wait": 60}, totals={"wait": 60})
    process = started(toy, "2")
    until(lambda: len(logged(toy)) >= 2, "both workers")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()

    until(lambda: gone(process), "the end of the workers")


def test_ctrl_c_ends_a_run_with_workers_at_once(toy: Toy) -> None:
    toy.options(doubled={"wait": 60}, totals={"wait": 60})
    process = started(toy, "2")
    until(lambda: len(logged(toy)) >= 2, "both workers")
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=30) != 0
    until(lambda: gone(process), "the end of the workers")


def test_two_runs_at_once_on_one_store_do_no_harm(toy: Toy) -> None:
    toy.options(doubled={"wait": 0.3}, totals={"wait": 0.3})
    both = [started(toy), started(toy)]
    assert [p.wait(timeout=120) for p in both] == [0, 0]
    toy.calls()
    record = run(toy)
    assert toy.calls() == []
    assert not record.failed
    assert not list((record.out / ".store").rglob(".tmp-*"))


def test_workers_with_other_code_are_found_out(toy: Toy) -> None:
    from rechallenge.pipeline.execute import execute
    from rechallenge.pipeline.keys import key_of

    step = toy.registry.steps["doubled"]
    record = run(toy)
    root = str(record.out / ".store")
    key = key_of(step, {"measure": "0" * 64}, {})
    answer = execute(step.ref, root, key, {"measure": "1" * 64}, {})
    assert answer.state == "failed"
    assert "other code or other library versions" in answer.reason
    answer = execute("no_such_plugin.steps:doubled", root, key, {}, {})
    assert answer.reason.startswith("no_such_plugin.steps:doubled cannot be loaded here")


def test_asking_for_no_workers_or_an_absent_cluster_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RechallengeError, match="--jobs is a whole number from 1; 0 is not"):
        workers.make(0, None)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(RechallengeError, match="--dask needs the package distributed"):
        workers.make(1, "tcp://127.0.0.1:1")


def test_a_lost_scheduler_stops_the_run_with_a_sentence(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    class Lost(workers.Inline):
        def submit(self, f: Callable[..., Any], /, *arguments: Any) -> Any:
            raised = super().submit(lambda: None)
            raised._result = None
            raised._exception = CancelledError("gone")
            return raised

        def lost(self, e: BaseException) -> str:
            return workers.Dask.lost(self, e)  # type: ignore[arg-type]

    monkeypatch.setattr(workers, "make", lambda jobs, dask: Lost())
    with pytest.raises(RechallengeError, match=r"the connection to the Dask scheduler was lost \(gone\)"):
        run(toy)


@pytest.fixture
def cluster(toy: Toy, tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Address of a separately started scheduler on loopback, and its two workers."""
    distributed = pytest.importorskip("distributed")
    program = shutil.which("dask", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        pytest.skip("needs the program dask, which comes with distributed")
    paths = [str(toy.plugin), str(Path(toy_study.__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    note = tmp_path / "scheduler.json"

    def begin(*arguments: str) -> subprocess.Popen[bytes]:
        with (tmp_path / f"{arguments[0]}.log").open("ab") as log:
            return subprocess.Popen(
                [program, *arguments, "--scheduler-file", str(note)],
                env=environment,
                cwd=tmp_path,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    processes = [begin("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")]
    try:
        until(note.exists, "the scheduler")
        options = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(tmp_path))
        processes += [begin("worker", "--host", "127.0.0.1", *options) for _ in range(2)]
        address = json.loads(note.read_text())["address"]
        with distributed.Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        yield address, processes[1:]
    finally:
        for p in processes:
            p.kill()
        for p in processes:
            p.wait()


@pytest.mark.slow
def test_a_dask_cluster_that_loses_a_worker_gives_the_same_bytes(
    toy: Toy, cluster: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path
) -> None:
    address, processes = cluster
    toy.options(totals={"wait": 1})
    one = written(run(toy, out=tmp_path / "one"))
    toy.calls()
    killed: list[int] = []

    def watch(event: Event) -> None:
        if event.what == "part" and event.part == 1 and not killed:
            killed.append(processes[0].pid)
            os.kill(processes[0].pid, signal.SIGKILL)

    record = run(toy, out=tmp_path / "dask", dask=address, progress=watch)
    assert killed
    assert processes[0].wait(timeout=10) != 0
    assert not record.failed
    assert written(record) == one
    assert set(toy.calls()) == {"doubled", "fragile", "means", "totals:g0,g1", "totals:g2,g3", "totals:g4"}


@pytest.mark.slow
def test_an_address_where_no_scheduler_answers_is_a_sentence() -> None:
    pytest.importorskip("distributed")
    with pytest.raises(RechallengeError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9 .*dask scheduler"):
        workers.make(1, "tcp://127.0.0.1:9")


@pytest.mark.parametrize("address", ["foo", "tcp://host", "host:port", "ht tp://x:1", ""])
def test_an_address_that_is_none_is_refused_at_once(address: str) -> None:
    if not address:
        assert workers.make(1, address).limit == 1
        return
    with pytest.raises(RechallengeError, match="is no address of a Dask scheduler"):
        workers.make(1, address)


@pytest.mark.slow
def test_a_local_cluster_whose_worker_is_killed_at_work_gives_the_same_bytes(toy: Toy, tmp_path: Path) -> None:
    """The worker that dies has a part in its hands: that part is begun twice, all others once."""
    distributed = pytest.importorskip("distributed")
    toy.options(totals={"wait": 2})
    one = written(run(toy, out=tmp_path / "one"))
    parts = {"totals:g0,g1", "totals:g2,g3", "totals:g4"}
    assert parts < set(toy.calls())
    killed: list[int] = []
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, local_directory=tmp_path
    ) as cluster:

        def kill() -> None:
            """Once two parts have begun, kill the worker that holds one of them."""
            with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
                pids = client.run(os.getpid)
                until(lambda: sum(c in parts for c in logged(toy)) >= 2, "two parts at work")
                busy = next(address for address, tasks in client.processing().items() if tasks)
                os.kill(pids[busy], signal.SIGKILL)
                killed.append(pids[busy])

        killer = threading.Thread(target=kill)
        killer.start()
        record = run(toy, out=tmp_path / "dask", dask=cluster.scheduler_address)
        killer.join(timeout=60)
    assert len(killed) == 1
    assert not record.failed
    assert written(record) == one
    began = [c for c in toy.calls() if c in parts]
    assert set(began) == parts
    assert len(began) == len(parts) + 1
