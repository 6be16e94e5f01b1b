"""Whatever a file holds, reading gives a frame or faults; it never raises, and it never changes the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bad_tables import HEAD, OLE, ROW, parquet, xls, xlsx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reading_examples import CONTRACTS, VIABILITY, digest, said, serious, study

from rechallenge.faults import InputFaults
from rechallenge.study import Study, problems
from rechallenge.tables import read_study

QUIET = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
HEADS = [b"", b"PK\x03\x04", OLE, b"PAR1", b"\xff\xfe", b"\xef\xbb\xbf", b"model,drug\n", b"\x1f\x8b"]
HEADINGS = st.sampled_from([*VIABILITY.column("dose_um").headings, *HEAD, "Dose (nM)", "signal", "unit", "x", ""])
CELLS = st.one_of(
    st.sampled_from(["", "Huh-7 P", "1", "0,5", "1.234", "1,234", "n.d.", "#N/A", "5 nM", "1-Mar", "-1", "98%", '"']),
    st.sampled_from(["\t", "Mean", "#", "44256", "=A1", "1e999", "µM", "model"]),
    st.text(max_size=6),
    st.floats().map(repr),
)


@QUIET
@given(st.sampled_from(HEADS), st.binary(max_size=400))
def test_any_bytes_give_faults_or_a_frame(tmp_path: Path, head: bytes, body: bytes) -> None:
    _reads(tmp_path, head + body)


@QUIET
@given(
    st.lists(HEADINGS, max_size=8),
    st.lists(st.lists(CELLS, max_size=8), max_size=8),
    st.sampled_from([",", ";", "\t", "|", " "]),
    st.sampled_from(["utf-8", "utf-16", "cp1252"]),
)
def test_any_table_of_text_gives_faults_or_a_frame(
    tmp_path: Path, heads: list[str], rows: list[list[str]], delimiter: str, encoding: str
) -> None:
    text = "\n".join(delimiter.join(r) for r in [heads, *rows])
    _reads(tmp_path, text.encode(encoding, "replace"))


@QUIET
@given(st.binary(min_size=1, max_size=30), st.integers(0, 5000))
def test_damaged_workbooks_give_faults_or_a_frame(tmp_path: Path, noise: bytes, at: int) -> None:
    for data in (_XLSX, _XLS, _PARQUET):
        start = at % len(data)
        _reads(tmp_path, data[:start] + noise + data[start + len(noise) :])


_XLSX = xlsx([HEAD, *([ROW] * 5)])
_XLS = xls([HEAD, *([ROW] * 5)])
_PARQUET = parquet(**{h: [v] for h, v in zip(HEAD, ROW, strict=True)})


def _reads(folder: Path, data: bytes) -> None:
    path = folder / "table.csv"
    path.write_bytes(data)
    before = digest(folder)
    tables = read_study(study(folder, viability="table.csv"), CONTRACTS)
    assert digest(folder) == before
    assert len(tables.tables["viability"]) or serious(tables) or len(tables.excluded)
    assert not said(tables, "unreadable"), "nothing unforeseen happened"


TOML_KEYS = st.sampled_from(
    ["study", "title", "models", "tables", "viability", "role", "values", "file", "options", "x y", ""]
)
TOML_VALUES = st.recursive(
    st.one_of(st.text(max_size=5), st.integers(-(2**62), 2**62), st.floats(allow_nan=False), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TOML_KEYS, inner, max_size=3)),
    max_leaves=6,
)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_quoted(k)} = {_toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return _quoted(value) if isinstance(value, str) else repr(value)


def _quoted(text: str) -> str:
    return '"' + "".join(c if c.isalnum() or c == " " else f"\\u{ord(c) % 0xD800:04x}" for c in text) + '"'


@QUIET
@given(st.dictionaries(TOML_KEYS, TOML_VALUES, max_size=5))
def test_any_study_file_loads_or_names_its_faults(tmp_path: Path, data: dict[str, Any]) -> None:
    _loads(tmp_path, "\n".join(f"{_quoted(k)} = {_toml(v)}" for k, v in data.items()).encode())


@QUIET
@given(st.one_of(st.binary(max_size=200), st.text(alphabet='[]{}="\n.,#abc 1', max_size=200).map(str.encode)))
def test_any_bytes_as_study_file_load_or_are_faults(tmp_path: Path, data: bytes) -> None:
    _loads(tmp_path, data)


def _loads(folder: Path, data: bytes) -> None:
    (folder / "study.toml").write_bytes(data)
    before = digest(folder)
    try:
        loaded = Study.load(folder)
    except InputFaults as e:
        assert e.faults
        assert problems(folder)
    else:
        read_study(loaded, CONTRACTS)
    assert digest(folder) == before
