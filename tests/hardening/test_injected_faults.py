"""Runs that are cut off anywhere, disks that fill up, clocks that jump, results that are damaged: nothing is lost.

Each time the next undisturbed run gives, byte for byte, what a run without trouble gives.
"""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import reader_cases as rc

sys.path.append(str(Path(__file__).parents[1]))
import toy_study
from rechallenge import cli, outputs, pipeline, store
from rechallenge.faults import RechallengeError, StoreError
from rechallenge.record import RunRecord
from rechallenge.report.explain import explain
from rechallenge.store import Store
from toy_study import Toy


class Killed(BaseException):
    """The process ends here, without a chance to tidy up."""


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return toy_study.make(tmp_path)


def run(toy: Toy, out: Path, **more: Any) -> RunRecord:
    record = pipeline.run(toy.study, out, registry=toy.registry, **more)
    outputs.write(record, pages={})
    return record


def results(out: Path) -> dict[str, bytes]:
    """All files of a run but those that tell the time."""
    files = [p for p in out.rglob("*") if p.is_file() and ".store" not in p.parts and p.suffix != ".json"]
    return {str(p.relative_to(out)): p.read_bytes() for p in files}


def disturbed(monkeypatch: pytest.MonkeyPatch, at: int, trouble: Callable[[Path, bytes], None]) -> Callable[[], int]:
    """Let the write number `at` (from 0) end in trouble; gives how many writes there were."""
    count = [0]
    real = store.write_atomic

    def write(path: Path, data: bytes, *, durable: bool = True) -> None:
        count[0] += 1
        if count[0] - 1 == at:
            trouble(path, data)
        real(path, data, durable=False)

    monkeypatch.setattr(store, "write_atomic", write)
    monkeypatch.setattr(outputs, "write_atomic", write)
    return lambda: count[0]


def half_written(path: Path, data: bytes) -> None:
    path.with_name(f".tmp-1-{os.urandom(4).hex()}").write_bytes(data[: len(data) // 2])
    raise Killed


def full(path: Path, data: bytes) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))


def forbidden(path: Path, data: bytes) -> None:
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def places(toy: Toy, tmp_path: Path) -> tuple[int, dict[str, bytes]]:
    """How often a run writes, and what it leaves."""
    with pytest.MonkeyPatch.context() as patch:
        written = disturbed(patch, -1, full)
        run(toy, tmp_path / "calm")
        return written(), results(tmp_path / "calm")


@pytest.mark.parametrize(
    ("trouble", "raises", "says"),
    [
        (half_written, Killed, ""),
        (full, StoreError, "the disk is full. Free some space"),
        (forbidden, StoreError, "this is not permitted"),
    ],
    ids=["killed", "disk full", "no permission"],
)
@pytest.mark.parametrize("stride", [9, pytest.param(1, marks=pytest.mark.slow)])
def test_trouble_at_any_write_costs_nothing(
    toy: Toy, tmp_path: Path, stride: int, trouble: Any, raises: type[BaseException], says: str
) -> None:
    """One folder for all: each run goes on where the one before was stopped."""
    n, expected = places(toy, tmp_path)
    assert n > 20
    out = tmp_path / "stopped"
    stops = 0
    for number, at in enumerate(range(0, n, stride)):
        if number % 7 == 0 or stride > 1:
            shutil.rmtree(out, ignore_errors=True)
        with pytest.MonkeyPatch.context() as patch:
            written = disturbed(patch, at, trouble)
            try:
                run(toy, out)
            except raises as e:
                assert says in str(e)
                stops += 1
        assert written() <= n + 1
        for path, data in results(out).items():
            if ".tmp-" not in path:
                assert data == expected[path], "what is there is whole"
    assert stops >= n // stride // 3
    run(toy, out)
    left = {p: d for p, d in results(out).items() if ".tmp-" not in p}
    assert left == expected


def test_a_file_taken_away_while_it_is_written_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that jumps makes the temporary file of a run look left behind to another."""
    kept = Store(tmp_path / ".store")
    kept.prepare()
    real, taken = Path.replace, []

    def replace(self: Path, target: Any) -> Path:
        if not taken:
            taken.append(self)
            self.unlink()
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    digest = kept.put(b"abc")
    assert taken and kept.get(digest) == b"abc"


@pytest.mark.parametrize("when", [0.0, 4e9], ids=["1970", "2096"])
def test_dates_of_files_and_of_the_day_change_nothing(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: float
) -> None:
    _, expected = places(toy, tmp_path)
    out = tmp_path / "out"
    run(toy, out)
    toy.calls()

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.fromtimestamp(when, UTC)

    monkeypatch.setattr(sys.modules["rechallenge.pipeline.run"], "datetime", Clock)
    monkeypatch.setattr(time, "time", lambda: when)
    for path in [toy.study / "measure.csv", toy.study / "study.toml", *out.rglob("*")]:
        os.utime(path, (4e9 - when, 4e9 - when))
    record = run(toy, out)
    assert toy.calls() == [] and {s.state for s in record.steps} <= {"cached", "skipped"}
    assert results(out) == expected
    assert json.loads((out / "run.json").read_text())["started"][:4] in ("1970", "2096")
    # the table changes; its date and size do not
    at = (toy.study / "measure.csv").stat()
    text = (toy.study / "measure.csv").read_text()
    (toy.study / "measure.csv").write_text(text.replace("g0,1,1.125", "g0,1,9.125"))
    os.utime(toy.study / "measure.csv", ns=(at.st_atime_ns, at.st_mtime_ns))
    assert (toy.study / "measure.csv").stat().st_size == at.st_size
    run(toy, out)
    assert "doubled" in toy.calls()
    assert results(out) != expected


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "removed", "another", "folder"])
def test_any_damaged_part_of_the_store_is_made_anew(toy: Toy, tmp_path: Path, damage: str) -> None:
    """Every object and every record of the store, each in its turn."""
    _, expected = places(toy, tmp_path)
    out = tmp_path / "calm"
    parts = sorted(p for p in (out / ".store").rglob("*") if p.is_file() and p.name != "CACHEDIR.TAG")
    assert len(parts) > 15
    for path in random.Random(damage).sample(parts, 6):
        data = path.read_bytes()
        if damage == "cut":
            path.write_bytes(data[: len(data) // 2])
        elif damage == "empty":
            path.write_bytes(b"")
        elif damage == "flipped":
            path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        elif damage == "another":
            path.write_bytes(parts[(parts.index(path) + 1) % len(parts)].read_bytes())
        else:
            path.unlink()
            if damage == "folder":
                path.mkdir()
    try:
        record = run(toy, out)
    except RechallengeError as e:
        assert damage == "folder" and "Remove" in str(e)
        return
    assert not record.failed
    assert results(out) == expected


RUN = """
import resource, signal, sys
sys.path[:0] = [sys.argv[1], sys.argv[2]]
from pathlib import Path
import toy_study
from rechallenge import outputs, pipeline
if __name__ == "__main__":
    toy = toy_study.Toy(Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]), Path(sys.argv[5]))
    if int(sys.argv[8]):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[8]),) * 2)
    print("go", flush=True)
    record = pipeline.run(toy.study, sys.argv[6], registry=toy.registry, jobs=int(sys.argv[7]))
    outputs.write(record, pages={})
"""


def started(toy: Toy, out: Path, jobs: int, most: int = 0) -> subprocess.Popen[str]:
    script = toy.plugin.parent / "run.py"
    script.write_text(RUN)
    arguments = [Path(toy_study.__file__).parent, toy.plugin, toy.name, toy.study, toy.log, out, jobs, most]
    return subprocess.Popen(
        [sys.executable, str(script), *map(str, arguments)], start_new_session=True, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def killed_at_random(toy: Toy, tmp_path: Path, seeds: range) -> None:
    _, expected = places(toy, tmp_path)
    out = tmp_path / "out"
    for seed in seeds:
        rng = random.Random(seed)
        if rng.random() < 0.3:
            shutil.rmtree(out, ignore_errors=True)
        process = started(toy, out, jobs=rng.choice([1, 2]))
        assert process.stdout is not None and process.stdout.readline() == "go\n"
        time.sleep(rng.uniform(0, 4))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        for path, data in results(out).items():
            assert ".tmp-" in path or data == expected[path]
    run(toy, out, jobs=2)
    assert {p: d for p, d in results(out).items() if ".tmp-" not in p} == expected


def test_a_run_killed_at_a_random_moment(toy: Toy, tmp_path: Path) -> None:
    killed_at_random(toy, tmp_path, range(1))


@pytest.mark.slow
def test_runs_killed_at_random_moments(toy: Toy, tmp_path: Path) -> None:
    toy.options(doubled={"wait": 0.3}, totals={"wait": 0.3})
    killed_at_random(toy, tmp_path, range(1, 21))


@pytest.mark.slow
def test_a_disk_that_takes_no_file_of_some_size(toy: Toy, tmp_path: Path) -> None:
    """The real thing, by the limit of the system on the size of a file."""
    _, expected = places(toy, tmp_path)
    out = tmp_path / "out"
    process = started(toy, out, 1, most=1500)
    text = process.communicate()[1]
    assert (
        process.returncode == 1
        and "StoreError: cannot write a result to" in text
        and "What was finished is kept" in text
    )
    assert not list(out.rglob(".tmp-*"))
    run(toy, out)
    assert results(out) == expected


@pytest.mark.slow
def test_a_disk_that_is_really_full(toy: Toy, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    if mount is None or subprocess.run([mount, "-t", "tmpfs", "-o", "size=64k", "none", disk], check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        _, expected = places(toy, tmp_path)
        with pytest.raises(StoreError, match="the disk is full"):
            run(toy, disk / "out")
        subprocess.run([mount, "-o", "remount,size=64m", disk], check=True)
        run(toy, disk / "out")
        assert results(disk / "out") == expected
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.slow
def test_two_runs_at_once_give_what_one_gives(toy: Toy, tmp_path: Path) -> None:
    _, expected = places(toy, tmp_path)
    both = [started(toy, tmp_path / "out", 1), started(toy, tmp_path / "out", 1)]
    said = [p.communicate(timeout=300) for p in both]
    assert [p.returncode for p in both] == [0, 0], said
    assert results(tmp_path / "out") == expected


#: what writes, by the events of the interpreter's audit (PEP 578)
_WRITES = {
    "os.mkdir",
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
    "os.utime",
}
_guarded: list[str] = []


def _guard(event: str, details: tuple[Any, ...]) -> None:
    if not _guarded or not details or not isinstance(details[0], str | os.PathLike):
        return
    writes = event in _WRITES or (
        event == "open" and len(details) > 2 and bool((details[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    )
    if writes and str(Path(details[0]).absolute()).startswith(_guarded[0]):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(details[0]))


sys.addaudithook(_guard)


def test_a_study_that_cannot_be_written_to(toy: Toy, tmp_path: Path) -> None:
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in toy.study.rglob("*") if p.is_file()}
    _guarded.append(str(toy.study))
    try:
        with pytest.raises(StoreError, match=r"this is not permitted.*--out"):
            run(toy, toy.study / "results")
        run(toy, tmp_path / "out")
    finally:
        _guarded.clear()
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in toy.study.rglob("*") if p.is_file()} == before
    assert results(tmp_path / "out")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_other_commands_say_what_the_disk_did(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number), "some/file")

    monkeypatch.setattr("rechallenge.scaffold.write", refuse)
    with pytest.raises(SystemExit) as end:
        cli.main(["new", str(tmp_path / "x")])
    said = capsys.readouterr().err
    assert end.value.code == 1
    assert said.startswith("error: some/file: ") and os.strerror(number) in said and "run again" in said


def test_the_unexpected_is_said_where_not_even_a_log_can_be_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full_disk(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    def explode(*_: Any) -> None:
        raise RuntimeError("the moon is in the wrong house")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", full_disk)
    monkeypatch.setattr("rechallenge.checks.check", explode)
    with pytest.raises(SystemExit):
        cli.main(["check", "."])
    said = capsys.readouterr().err
    assert "the moon is in the wrong house" in said and "could not be kept" in said and "Traceback" not in said


def changes(rng: random.Random) -> list[tuple[str, int, int, bytes]]:
    kinds = ("cut", "drop", "repeat", "put", "over", "number")
    pieces = (b'"', b"{", b"]", b"null", b"-1", b"1e999", b"../../..", b"\xff", b"[[[[", rng.randbytes(4))
    return [(rng.choice(kinds), rng.randrange(1 << 16), rng.choice((1, 4, 30)), rng.choice(pieces)) for _ in range(3)]


@pytest.mark.parametrize("seeds", [range(4), pytest.param(range(4, 300), marks=pytest.mark.slow)], ids=["few", "many"])
def test_damaged_records_are_never_believed(toy: Toy, tmp_path: Path, seeds: range) -> None:
    """Records of the store and the list of files of the run before, damaged within; nothing beside them is touched."""
    _, expected = places(toy, tmp_path)
    out = tmp_path / "calm"
    (tmp_path / "bystander").write_text("mine")
    for seed in seeds:
        rng = random.Random(seed)
        for path in (*rng.sample(sorted((out / ".store" / "keys").iterdir()), 3), out / "run.json"):
            path.write_bytes(rc.damaged(path.read_bytes(), changes(rng)))
        record = run(toy, out)
        assert not record.failed
        assert results(out) == expected
        assert (tmp_path / "bystander").read_text() == "mine"


def test_a_record_cannot_name_a_file_elsewhere(toy: Toy, tmp_path: Path) -> None:
    _, expected = places(toy, tmp_path)
    out = tmp_path / "calm"
    for path in (out / ".store" / "keys").iterdir():
        record = json.loads(path.read_text())
        for one in record["outputs"].values():
            one["sha256"] = "../../../secret"
        path.write_text(json.dumps(record))
    listed = json.loads((out / "run.json").read_text())
    mine = tmp_path / "mine.csv"
    mine.write_bytes(b"x")
    for name in ("../mine.csv", str(mine), "tables/../../mine.csv", ".store/CACHEDIR.TAG"):
        listed["outputs"][name] = {"sha256": store.sha256(b"x"), "bytes": 1, "of": ""}
    (out / "run.json").write_text(json.dumps(listed))
    run(toy, out)
    assert results(out) == expected and mine.read_bytes() == b"x"


def test_a_stored_result_of_another_form_is_said(tmp_path: Path) -> None:
    kept = Store(tmp_path / ".store")
    digest = kept.put(b"no table")
    for read in (kept.table, kept.json):
        with pytest.raises(StoreError, match=r"Delete the folder \.store"):
            read(digest)


@pytest.mark.parametrize("seeds", [range(8), pytest.param(range(8, 400), marks=pytest.mark.slow)], ids=["few", "many"])
def test_damaged_results_are_explained_or_refused(toy: Toy, tmp_path: Path, seeds: range) -> None:
    out = tmp_path / "out"
    run(toy, out)
    sound = {p: p.read_bytes() for p in (out / "evidence.csv", out / "candidates.csv", *(out / "tables").iterdir())}
    for seed in seeds:
        rng = random.Random(seed)
        path = rng.choice(sorted(sound))
        path.write_bytes(rc.damaged(sound[path], changes(rng)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                assert explain(out, "g0").strip()
            except RechallengeError as e:
                assert str(e).strip()
        path.write_bytes(sound[path])
