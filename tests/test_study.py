"""The study file: what it may say, and what is said about one that is wrong."""

# ruff: noqa: E501  the table of wrong files is read along its lines

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rechallenge.faults import Fault, InputFaults, by_place, errors
from rechallenge.study import Study, nearest, problems

GOOD = """\
[study]
title = " Acquired resistance in Huh-7 "
therapies = ["lenvatinib", "sorafenib"]
seed = 7

[models]
"Huh-7 P"  = { role = "parental" }
"Huh-7 LR" = { role = "resistant", parent = "Huh-7 P", selected_with = "lenvatinib", stage = "S5" }
L02 = { role = "normal" }

[tables]
viability = "viability.csv"
combination = ["combo_1.csv", "combo_*.xlsx"]
expression = { values = "rnaseq/counts.tsv", samples = "rnaseq/samples.csv", unit = "counts" }
plates = [{ file = "a.xls", plate_map = "map.csv", label = "570" }, { files = ["b.xls", "c.xls"], map = "map.csv" }]

[options.dose_response]
level = 0.5
"""


def write(folder: Path, text: str | bytes) -> Path:
    (folder / "study.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def test_a_study_is_loaded_with_all_ways_to_name_files(tmp_path: Path) -> None:
    study = Study.load(write(tmp_path, GOOD))
    assert (study.title, study.therapies, study.seed) == (
        "Acquired resistance in Huh-7",
        ("lenvatinib", "sorafenib"),
        7,
    )
    assert study.folder == tmp_path.resolve()
    assert list(study.models) == ["Huh-7 P", "Huh-7 LR", "L02"]
    assert study.options == {"dose_response": {"level": 0.5}}
    files = {kind: [s.values for s in sources] for kind, sources in study.tables.items()}
    assert files == {
        "viability": [["viability.csv"]],
        "combination": [["combo_1.csv", "combo_*.xlsx"]],
        "expression": [["rnaseq/counts.tsv"]],
        "plates": [["a.xls"], ["b.xls", "c.xls"]],
    }
    assert (study.tables["expression"][0].samples, study.tables["expression"][0].unit) == (
        "rnaseq/samples.csv",
        "counts",
    )
    assert [s.map for s in study.tables["plates"]] == ["map.csv", "map.csv"]
    assert study.tables["plates"][0].extra == {"label": "570"}
    assert problems(tmp_path) == []


def test_the_file_itself_may_be_named(tmp_path: Path) -> None:
    assert Study.load(write(tmp_path, GOOD) / "study.toml").folder == tmp_path.resolve()


def test_tables_that_every_study_has(tmp_path: Path) -> None:
    study = Study.load(write(tmp_path, GOOD))
    models = study.models_table()
    assert models.columns.tolist() == ["model", "role", "parent", "selected_with", "stage", "cell_line", "note"]
    assert models.loc[1].tolist() == ["Huh-7 LR", "resistant", "Huh-7 P", "lenvatinib", "S5", "", ""]
    assert study.therapies_table()["therapy"].tolist() == ["lenvatinib", "sorafenib"]
    bare = Study.load(write(tmp_path, "[study]\ntitle = 't'\n"))
    assert (len(bare.models_table()), len(bare.therapies_table())) == (0, 0)


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    assert Study.load(write(tmp_path, b"\xef\xbb\xbf" + GOOD.encode())).seed == 7


S = "[study]\ntitle = 't'\n"

WRONG = [
    ("no title", "[study]\n", "study-key", "study.title", ("missing", "Add it")),
    ("no study", "[models]\n", "study-key", "study", ("missing",)),
    ("empty title", "[study]\ntitle = ' '\n", "study-key", "study.title", ("at least 1 character",)),
    ("misspelt key", "[study]\ntitle = 't'\ntherapy = ['x']\n", "study-key", "study.therapy", ("Did you mean 'therapies'?",)),
    ("misspelt table", S + "[modles]\nA = { role = 'normal' }\n", "study-key", "modles", ("Did you mean 'models'?",)),
    ("misspelt model key", S + "[models]\nA = { role = 'normal', cel_line = 'x' }\n", "study-key", "models.A.cel_line", ("Did you mean 'cell_line'?",)),
    ("role that is none", S + "[models]\nA = { role = 'resistent' }\n", "study-key", "models.A.role", ("Did you mean 'resistant'?", "'parental'")),
    ("number for text", "[study]\ntitle = 5\n", "study-key", "study.title", ("in quotes",)),
    ("negative seed", S + "seed = -1\n", "study-key", "study.seed", ("greater than or equal to 0",)),
    ("therapy twice", S + "therapies = ['a', 'a ']\n", "study-key", "study.therapies", ("named twice",)),
    ("therapy without name", S + "therapies = ['']\n", "study-key", "study.therapies", ("no name",)),
    ("table whose files are numbers", S + "[tables]\nviability = [1]\n", "study-key", "tables.viability", ()),
    ("table that is a number", S + "[tables]\nviability = 5\n", "study-key", "tables.viability", ()),
    ("options that are no table", S + "[options]\ndose_response = 5\n", "study-key", "options.dose_response", ("dictionary",)),
    ("resistant without parent", S + "[models]\nA = { role = 'resistant' }\n", "no-parent", "models.A", ("parent = ",)),
    ("unknown parent", S + "[models]\n'Huh-7 P' = { role = 'parental' }\nA = { role = 'resistant', parent = 'Huh7 P' }\n", "unknown-parent", "models.A.parent", ("Did you mean 'Huh-7 P'?",)),
    ("own parent", S + "[models]\nA = { role = 'resistant', parent = 'A' }\n", "own-parent", "models.A.parent", ("own parent",)),
    ("name with a space at its end", S + "[models]\n'A ' = { role = 'normal' }\n", "model-name", "models.A ", ("Remove the space",)),
    ("absolute path", S + "[tables]\nviability = '/data/v.csv'\n", "outside-study", "tables.viability", ("outside the study folder",)),
    ("path upwards", S + "[tables]\nviability = 'a/../../v.csv'\n", "outside-study", "tables.viability", ("outside the study folder",)),
    ("map upwards", S + "[tables]\nplates = { file = 'a.xls', map = '../map.csv' }\n", "outside-study", "tables.plates", ("outside the study folder",)),
    ("empty file name", S + "[tables]\nviability = ''\n", "file-name", "tables.viability", ("empty",)),
    ("no TOML", "title: t\n", "toml", "", ("not valid TOML", "line 1")),
    ("model name without quotes", S + "[models]\nHuh-7 P = { role = 'parental' }\n", "toml", "", ("in quotes",)),
    ("key twice", S + "title = 'u'\n", "toml", "", ("not valid TOML",)),
    ("nested too deeply", "a = " + "[" * 100_000, "toml", "", ("nested too deeply",)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "code", "column", "words"), WRONG, ids=[w[0] for w in WRONG])
def test_wrong_study_files(
    name: str, text: str, code: str, column: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    write(tmp_path, text)
    with pytest.raises(InputFaults) as caught:
        Study.load(tmp_path)
    faults = errors(caught.value.faults)
    assert [f.code for f in faults] == [code], name
    assert faults[0].file == "study.toml"
    assert faults[0].column.startswith(column)
    for word in words:
        assert word in str(faults[0])
    assert faults[0] in problems(tmp_path)


def test_all_faults_of_a_study_file_at_once(tmp_path: Path) -> None:
    text = "[study]\nseed = 'x'\nfoo = 1\n[models]\nA = { role = 'none' }\n[tables]\nviability = 3\n"
    found = {f.column.split(".")[0]: f for f in problems(write(tmp_path, text))}
    assert set(found) == {"study", "models", "tables"}
    assert len(problems(tmp_path)) == 5


def test_a_loop_of_parents(tmp_path: Path) -> None:
    text = S + "".join(
        f"[models.{a}]\nrole = 'resistant'\nparent = '{b}'\n" for a, b in (("A", "B"), ("B", "C"), ("C", "A"))
    )
    assert {f.code for f in problems(write(tmp_path, text))} == {"parent-loop"}


def test_a_drug_that_is_no_therapy_is_a_warning(tmp_path: Path) -> None:
    write(tmp_path, GOOD.replace('selected_with = "lenvatinib"', 'selected_with = "lenvatinb"'))
    (fault,) = problems(tmp_path)
    assert (fault.severity, fault.code) == ("warning", "not-a-therapy")
    assert "Did you mean 'lenvatinib'?" in fault.remedy
    assert Study.load(tmp_path).models["Huh-7 LR"].selected_with == "lenvatinb"


def test_folders_that_are_no_studies(tmp_path: Path) -> None:
    for folder, words in ((tmp_path / "gone", "does not exist"), (tmp_path, "no study.toml")):
        with pytest.raises(InputFaults, match=words):
            Study.load(folder)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputFaults, match="not a folder"):
        Study.load(tmp_path / "file")
    (tmp_path / "study.toml").mkdir()
    with pytest.raises(InputFaults, match="cannot be read"):
        Study.load(tmp_path)


def test_a_study_file_that_links_to_itself(tmp_path: Path) -> None:
    (tmp_path / "study.toml").symlink_to(tmp_path / "study.toml")
    with pytest.raises(InputFaults) as caught:
        Study.load(tmp_path)
    assert caught.value.faults[0].code in ("unreadable", "no-study")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="a superuser may read every file")
def test_a_study_file_without_permission(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    (tmp_path / "study.toml").chmod(0)
    with pytest.raises(InputFaults, match="permissions"):
        Study.load(tmp_path)


def test_other_encodings_are_named_with_their_row(tmp_path: Path) -> None:
    (fault,) = problems(write(tmp_path, "[study]\ntitle = 'µ'\n".encode("cp1252")))
    assert (fault.code, fault.row) == ("encoding", 2)


def test_nearest_names() -> None:
    assert nearest("viabilty", ["viability", "plates"]) == " Did you mean 'viability'?"
    assert nearest("xyz", ["viability"]) == ""


def test_faults_read_as_sentences() -> None:
    fault = Fault("negative", "dose_um cannot be negative.", "Check the sign.", file="v.csv", sheet="P1", row=4)
    assert str(fault.at(column="dose_um", value="-3", count=2)) == (
        "v.csv [P1], row 4, column dose_um: '-3': dose_um cannot be negative. (2 times) Check the sign."
    )
    assert str(Fault("x", "A sentence.")) == "A sentence."
    assert fault.record()["row"] == 4


def test_faults_are_ordered_by_severity_and_place() -> None:
    faults = [
        Fault("d", "", file="b", severity="note"),
        Fault("c", "", file="a", severity="warning"),
        Fault("b", "", file="b", row=10),
        Fault("a", "", file="b", row=9),
        Fault("0", "", file="b"),
    ]
    assert [f.code for f in by_place(faults)] == ["0", "a", "b", "c", "d"]
    error = InputFaults(faults)
    assert str(error).startswith("3 faults in the input:")
    assert len(error.faults) == 5
