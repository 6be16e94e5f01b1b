"""The results store: what goes in comes out, what is damaged is noticed, what is killed leaves nothing behind."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rechallenge import parquet, store
from rechallenge.faults import StoreError
from rechallenge.store import Absent, Manifest, Store, StoredFiles, StoredTables


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "model": ["Huh-7 P", None, "µ-line", ""],
            "dose_um": [0.1, np.nan, np.inf, -np.inf],
            "replicate": [1, 2, 3, 4],
            "hook": [True, False, True, False],
            "maybe": [True, None, False, True],
            "count": pd.array([1, None, 2**60 + 1, 4], dtype="Int64"),
            "status": pd.Categorical(["a", "b", None, "a"], categories=["b", "a"], ordered=True),
            "day": pd.to_datetime(["2024-01-01", None, "2024-01-03", "2024-01-04"]),
            "empty": [None, None, None, None],
        }
    )


@pytest.fixture
def kept(tmp_path: Path) -> Store:
    made = Store(tmp_path / ".store")
    made.prepare()
    return made


def test_a_table_comes_back_as_it_was(kept: Store) -> None:
    stored = kept.put_table(frame())
    assert (stored.kind, stored.rows) == ("table", 4)
    pd.testing.assert_frame_equal(kept.table(stored.sha256), frame())


def test_equal_tables_have_equal_bytes_whatever_their_index_and_history() -> None:
    plain = frame()
    shuffled = frame().iloc[::-1].iloc[::-1]
    shuffled.attrs["note"] = "from elsewhere"
    shifted = frame().set_index(pd.Index([5, 6, 7, 9]))
    assert parquet.encode(plain) == parquet.encode(shuffled) == parquet.encode(shifted)


def test_a_named_index_becomes_columns() -> None:
    grouped = pd.DataFrame({"model": ["a", "b", "a"], "v": [1.0, 2.0, 3.0]}).groupby("model").mean()
    assert list(parquet.decode(parquet.encode(grouped)).columns) == ["model", "v"]


def test_a_decoded_table_may_be_written_to() -> None:
    back = parquet.decode(parquet.encode(pd.DataFrame({"x": [1.0, 2.0]})))
    back["x"].to_numpy()[0] = 5.0
    assert back["x"].tolist() == [5.0, 2.0]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x": ["a", 1]}, "column 'x' holds mixed"),
        ({"x": [{"a": 1}, {"b": 2}]}, "column 'x' holds mixed"),
        ({"x": np.array([1j, 2j])}, "column 'x' of dtype complex128"),
        ({"x": pd.period_range("2024", periods=2, freq="D")}, "column 'x' is of dtype period"),
        ({1: [1, 2]}, "column names are text"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(columns: dict[object, object], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        parquet.encode(pd.DataFrame(columns))


def test_a_column_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="column 'x' is there twice"):
        parquet.encode(pd.DataFrame([[1, 2]], columns=["x", "x"]))


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]))),
            st.floats(allow_nan=True),
            st.integers(-(2**63), 2**63 - 1),
        ),
        max_size=20,
    ),
    st.integers(0, 20),
)
def test_joined_parts_are_the_whole(rows: list[tuple[object, ...]], at: int) -> None:
    whole = pd.DataFrame(rows, columns=["text", "number", "integer"]).astype(
        {"text": object, "number": "float64", "integer": "int64"}
    )
    parts = [parquet.encode(whole.iloc[:at]), parquet.encode(whole.iloc[at:])]
    assert parquet.encode(parquet.join(parts)) == parquet.encode(whole)


def test_parts_that_differ_in_type_join_where_that_loses_nothing() -> None:
    a = parquet.encode(pd.DataFrame({"n": [1, 2], "t": [None, None], "z": [1.5, 2.5]}))
    b = parquet.encode(pd.DataFrame({"z": [np.nan], "t": ["x"], "n": [0.5]}))
    joined = parquet.join([a, b])
    assert joined["n"].tolist() == [1.0, 2.0, 0.5]
    assert joined["t"].tolist() == [None, None, "x"]
    with pytest.raises(ValueError, match="differ in their columns: q"):
        parquet.join([a, parquet.encode(pd.DataFrame({"n": [1], "t": ["a"], "z": [1.0], "q": [1]}))])
    with pytest.raises(ValueError, match="differ in the type of column 'n'"):
        parquet.join([a, parquet.encode(pd.DataFrame({"n": ["x"], "t": ["a"], "z": [1.0]}))])


def test_objects_are_named_by_their_digest_and_written_once(kept: Store) -> None:
    stored = kept.put_blob(b"abc")
    path = kept.root / "objects" / stored.sha256[:2] / stored.sha256
    assert path.read_bytes() == b"abc"
    before = path.stat().st_mtime_ns
    assert kept.put_blob(b"abc") == stored
    assert path.stat().st_mtime_ns == before
    assert not list(kept.root.rglob(".tmp-*"))


@pytest.mark.parametrize("damage", [b"", b"ab", b"abd", b"abcd"])
def test_damaged_objects_count_as_absent_and_are_mended(kept: Store, damage: bytes) -> None:
    stored = kept.put_blob(b"abc")
    manifest = kept.keep(Manifest("k" * 64, "a_step", "done", outputs={"x": stored}))
    assert kept.manifest(manifest.key) == manifest
    path = kept.root / "objects" / stored.sha256[:2] / stored.sha256
    path.write_bytes(damage)
    os.utime(path, ns=(1, 1))
    fresh = Store(kept.root)
    with pytest.raises(Absent, match="damaged"):
        fresh.get(stored.sha256)
    assert fresh.manifest(manifest.key) is None
    assert fresh.notes == ["the stored result x of a_step was missing or damaged; it was computed again"]
    fresh.put_blob(b"abc")
    assert fresh.get(stored.sha256) == b"abc"
    assert fresh.manifest(manifest.key) == manifest


def test_damage_after_a_first_look_is_noticed_too(kept: Store) -> None:
    stored = kept.put_blob(b"abc")
    kept.keep(Manifest("k", "a_step", "done", outputs={"x": stored}))
    assert kept.manifest("k") is not None
    (kept.root / "objects" / stored.sha256[:2] / stored.sha256).write_bytes(b"abX")
    assert kept.manifest("k") is None


def test_a_missing_object_is_absent(kept: Store) -> None:
    stored = kept.put_blob(b"abc")
    (kept.root / "objects" / stored.sha256[:2] / stored.sha256).unlink()
    with pytest.raises(Absent, match="missing"):
        kept.get(stored.sha256)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": 1}', '{"outputs": {"a": 1}}', "\x00\x01"])
def test_a_damaged_manifest_counts_as_absent(kept: Store, text: str) -> None:
    kept.keep(Manifest("k", "a_step", "done", outputs={"x": kept.put_blob(b"abc")}))
    (kept.root / "keys" / "k.json").write_text(text)
    assert kept.manifest("k") is None
    assert "damaged" in kept.notes[0]


def test_only_finished_work_is_kept(kept: Store) -> None:
    with pytest.raises(ValueError, match="failed is not kept"):
        kept.keep(Manifest("k", "a_step", "failed"))
    assert kept.manifest("k") is None


def test_a_manifest_comes_back_whole(kept: Store) -> None:
    manifest = Manifest(
        "k",
        "a_step",
        "skipped",
        reason="no control",
        outputs={"plates_9": kept.put_json([1, 2]), "plates_10": kept.put_blob(b"")},
        seconds=0.5,
        warnings=("UserWarning: x",),
        methods="Sentence.",
        inputs={"a": "b"},
        options={"level": 0.5},
        versions={"numpy": "2"},
        parts=("p",),
    )
    kept.keep(manifest)
    back = kept.manifest("k")
    assert back == manifest
    assert list(back.outputs) == ["plates_9", "plates_10"], "in the order of making"
    assert json.loads((kept.root / "keys" / "k.json").read_text())["reason"] == "no control"


def test_temporary_files_of_killed_runs_are_removed_when_old(kept: Store) -> None:
    kept.put_blob(b"abc")
    folder = next((kept.root / "objects").iterdir())
    old, young = folder / ".tmp-1-old", folder / ".tmp-1-young"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 2 * store.LEFTOVER_AGE,) * 2)
    kept.prepare()
    assert not old.exists()
    assert young.exists()


def test_a_writer_that_is_killed_leaves_no_object(tmp_path: Path) -> None:
    """Between the temporary file and its name: the process dies without any clean-up."""
    code = (
        "import os, pathlib, sys\n"
        "from rechallenge.store import Store\n"
        "pathlib.Path.replace = lambda *a: os._exit(9)\n"
        "Store(sys.argv[1]).put(b'abc')\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path / "s")], check=False)
    assert ended.returncode == 9
    fresh = Store(tmp_path / "s")
    left = list((tmp_path / "s").rglob(".tmp-*"))
    assert len(left) == 1
    with pytest.raises(Absent):
        fresh.get(store.sha256(b"abc"))
    fresh.put(b"abc")
    assert fresh.get(store.sha256(b"abc")) == b"abc"


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "the disk is full. Free some space"),
        (errno.EACCES, "this is not permitted. Choose a folder that you may write to"),
        (errno.EROFS, "this is not permitted"),
        (errno.EIO, "Input/output error. Check the disk"),
    ],
)
def test_trouble_with_the_disk_is_a_sentence(
    kept: Store, monkeypatch: pytest.MonkeyPatch, number: int, sentence: str
) -> None:
    def refuse(fd: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StoreError, match=sentence):
        kept.put(b"abc")
    assert not list(kept.root.rglob(".tmp-*"))


def test_a_store_in_a_file_s_place_or_behind_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot make the results store"):
        Store(tmp_path / "file" / ".store").prepare()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="is a link"):
        Store(tmp_path / "link").prepare()


def test_lazy_tables_and_files_read_what_is_asked_for(kept: Store) -> None:
    tables = StoredTables(kept, {"a": kept.put_table(frame()), "gone": store.Stored("0" * 64, "table", 1)})
    assert list(tables) == ["a", "gone"]
    assert "gone" in tables
    assert tables["a"] is tables["a"]
    assert parquet.encode(tables["a"]) == tables.data("a")
    with pytest.raises(Absent):
        tables["gone"]
    files = StoredFiles(kept, {"svg": kept.put_blob(b"<svg/>")})
    assert dict(files) == {"svg": b"<svg/>"}
    assert len(files) == 1


def test_canonical_json_is_one_form() -> None:
    assert store.canonical({"b": (1, 2.0), "a": "µ"}) == '{"a":"µ","b":[1,2.0]}'.encode()
