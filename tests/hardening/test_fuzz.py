"""Damaged files of every kind: a reader gives a table or faults, never anything else. `fuzz/fuzz.py` does more."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import reader_cases as rc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rechallenge.analysis import discover
from rechallenge.faults import InputFaults
from rechallenge.study import MAX_BYTES, Study
from rechallenge.tables import files

sys.path.append(str(Path(__file__).parents[1] / "knowledge"))
import knowledge_samples

FEW = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
MANY = settings(FEW, max_examples=3000)
NAMES = [c.name for c in rc.cases()]
#: text that has a meaning somewhere, and bytes that have none
PIECES = st.sampled_from(
    [b"=1+1", b"\xff",
      b"\0", b"1e999", b"nan", b"-1", b",", b";", b"\t", b"\n", b'"', b"9" * 12, "²".encode(), b"<", b"&"]
) | st.binary(max_size=12)  # fmt: skip
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["cut", "drop", "repeat", "put", "over", "number", "over"]),
        st.integers(0, 1 << 20), st.sampled_from([1, 2, 5, 20, 200]), PIECES,
    ), min_size=1, max_size=6,
)  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    os.environ["RECHALLENGE_DATA"] = str(tmp_path_factory.mktemp("data") / "knowledge")


@pytest.mark.parametrize("name", NAMES)
def test_the_sound_files_are_read(name: str, tmp_path: Path) -> None:
    case = rc.by_name(name)
    rc.place(case, tmp_path)
    found = rc.reads(case, tmp_path, case.seeds()[0])
    assert not [f for f in found.faults if f.severity == "error"], found.faults
    assert all(len(t) for t in found.tables.values())


def test_every_table_kind_is_damaged_somewhere() -> None:
    kinds = set(discover().contracts) - {"patient_expression"}  # read as expression is
    assert {c.kind for c in rc.cases()} == kinds


@FEW
@given(st.sampled_from(NAMES), st.integers(0, 9), CHANGES)
def test_damaged_files_give_faults_or_a_table(tmp_path_factory, name, seed, changes) -> None:  # type: ignore[no-untyped-def]
    _damaged(tmp_path_factory.mktemp("s"), name, seed, changes)


@pytest.mark.slow
@MANY
@given(st.sampled_from(NAMES), st.integers(0, 9), CHANGES)
def test_many_damaged_files(tmp_path_factory, name, seed, changes) -> None:  # type: ignore[no-untyped-def]
    _damaged(tmp_path_factory.mktemp("s"), name, seed, changes)


def _damaged(folder: Path, name: str, seed: int, changes: list[tuple[str, int, int, bytes]]) -> None:
    case = rc.by_name(name)
    rc.place(case, folder)
    seeds = case.seeds()
    rc.reads(case, folder, rc.damaged(seeds[seed % len(seeds)], changes))


@settings(FEW, max_examples=60)
@given(st.sampled_from(list(knowledge_samples.SAMPLES)), CHANGES)
def test_damaged_published_tables_are_tables_or_errors(tmp_path_factory, name, changes) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("k")
    paths = knowledge_samples.write(folder, name)
    rc.knowledge_file(folder, name, rc.damaged(paths[0].read_bytes(), changes))


@pytest.mark.slow
@MANY
@given(st.sampled_from(list(knowledge_samples.SAMPLES)), CHANGES)
def test_many_damaged_published_tables(tmp_path_factory, name, changes) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("k")
    paths = knowledge_samples.write(folder, name)
    rc.knowledge_file(folder, name, rc.damaged(paths[0].read_bytes(), changes))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_keys_of_a_source_that_make_no_sense(name: str, tmp_path: Path) -> None:
    """Every column given as a key beside the files, with values of every kind."""
    case = rc.by_name(name)
    rc.place(case, tmp_path)
    columns = [c.name for c in discover().contracts[case.kind].columns]
    for value in ("abc", "../x", "x" * 300, "a\0b", -1e308, float("nan"), True, [1, "a"], {"a": {"b": 1}}, 2**62):
        for key in {*columns[:4], "label", "nonsense", "sheet", "unit", "name"}:
            if key in ("sheet", "unit", "name") and not isinstance(value, str):
                continue
            other = rc.Case(case.name, case.kind, case.file, case.seeds, {**case.source, key: value}, case.beside)
            rc.reads(other, tmp_path, case.seeds()[0])


# study.toml -------------------------------------------------------------------------------------------------------

DEEP = ".".join(["a"] * 3000)
ODD = {
    "a seed of 5,000 digits": ("seed = 3", "seed = 0x" + "f" * 5000),
    "an exposure of 5,000 digits": ("cmax_total = 0.5", "cmax_total = 0x" + "f" * 5000),
    "a key of 5,000 digits": ("hours = 72", "hours = 0x" + "f" * 5000),
    "a date": ("hours = 72", "hours = 1979-05-27T07:32:00Z"),
    "a number in an option without end": ('interval = "delta"', "alpha = nan"),
    "deep tables": ("hours = 72", f"{DEEP} = 1"),
    "deep options": ('interval = "delta"', f"{DEEP} = 1"),
    "deep exposure": ("cmax_total = 0.5", f"{DEEP} = 1"),
    "deep contrasts": ('name = "a"', f"{DEEP} = 1"),
    "deep arrays": ("hours = 72", "hours = " + "[" * 5000 + "]" * 5000),
    "quoted parts": ("hours = 72", ".".join(['"a"'] * 3000) + " = 1"),
    "a name that no disk takes": ("hours = 72", 'model = "' + "x" * 5000 + '"'),
    "a file that no disk takes": ('"*.csv"', '"' + "x" * 5000 + '"'),
    "a file with NUL": ('"*.csv"', '"a\\u0000b"'),
    "a column with NUL": ("hours = 72", 'model = "a\\u0000b"'),
    "a pattern of 200 folders": ('"*.csv"', '"' + "**/" * 200 + '*"'),
    "a pattern that multiplies": ('"*.csv"', '"' + "**/*/" * 20 + '*"'),
    "half a bracket": ('"*.csv"', '"[!"'),
    "half a bracket as sheet": ('sheet = "Data"', 'sheet = "[["'),
}


@pytest.mark.parametrize("what", ODD)
def test_study_files_that_ask_for_too_much(what: str, tmp_path: Path) -> None:
    old, new = ODD[what]
    assert old in rc.STUDY
    (tmp_path / "t.csv").write_text(rc.VIABILITY)
    rc.study_file(tmp_path, rc.STUDY.replace(old, new).encode())


@settings(FEW, max_examples=25)
@given(CHANGES)
def test_damaged_study_files_load_or_name_their_faults(tmp_path_factory, changes) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("t")
    (folder / "t.csv").write_text("model,drug\n")
    rc.study_file(folder, rc.damaged(rc.STUDY.encode(), changes))


def test_a_study_file_without_end_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "study.toml").open("wb") as f:
        f.truncate(MAX_BYTES + 1)
    with pytest.raises(InputFaults, match="which no study file has"):
        Study.load(tmp_path)
    (tmp_path / "study.toml").unlink()
    (tmp_path / "study.toml").symlink_to("/dev/zero")
    with pytest.raises(InputFaults, match="it is not a file"):
        Study.load(tmp_path)


def test_patterns_stay_in_bounds(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * 12)
    deep.mkdir(parents=True)
    (deep / "a.csv").write_text("x")
    found, faults = files.find(["**/" * 30 + "*.csv"], tmp_path)
    assert [f.name for f in found] == ["/".join([*["d"] * 12, "a.csv"])] and not faults
    found, faults = files.find(["**/d/" * 4 + "*.csv"], tmp_path)
    assert not found and "no more than 3 times" in faults[0].message
