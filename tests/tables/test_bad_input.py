"""Every way in which a lab's table is wrong, what is said about it, and that nothing else is said."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from bad_tables import BAD, GENE_HEAD, HEAD, ROW, Bad, H, row, xls, xlsx
from reading_examples import CONTRACTS, GOOD, VIABILITY, read_one, said, serious, study

from rechallenge.faults import InputFaults
from rechallenge.study import Study, TableSource
from rechallenge.tables import files as files_module
from rechallenge.tables import read, read_study, read_table
from rechallenge.tables import text as text_module
from rechallenge.tables import xlsx as xlsx_module


@pytest.mark.parametrize("bad", BAD, ids=lambda b: b.name)
def test_bad_table_is_named(bad: Bad, tmp_path: Path) -> None:
    data = bad.data
    tables = read_one(tmp_path, data, bad.file, bad.kind)
    errors = serious(tables)
    assert {f.code for f in errors} == {bad.code}, "\n".join(map(str, errors))
    fault = errors[0]
    assert (fault.file, fault.row, fault.column) == (bad.file, bad.row, bad.column), str(fault)
    text = str(fault)
    for words in bad.words:
        assert words in text
    assert fault.remedy, "a fault says what to do"
    if bad.value is not None:
        assert fault.value == bad.value
    if bad.count is not None:
        assert fault.count == bad.count
    assert (tmp_path / bad.file).read_bytes() == data, "the input is never changed"


def test_there_are_many_named_faults() -> None:
    assert len({b.name for b in BAD}) == len(BAD) >= 90
    assert len({b.code for b in BAD}) >= 35


def test_every_fault_of_every_table_at_once(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text(H + row("-1") + row("x") + row(model="HepG2", drug=""))
    (tmp_path / "g.csv").write_text(GENE_HEAD + "1-Mar,inf\n")
    tables = read_study(study(tmp_path, viability="v.csv", genes="g.csv", wells="w.csv"), CONTRACTS)
    found = {(f.file, f.row, f.code) for f in serious(tables)}
    assert found == {
        ("v.csv", 2, "negative"),
        ("v.csv", 3, "not-a-number"),
        ("v.csv", 4, "empty-cell"),
        ("v.csv", 4, "unknown-model"),
        ("g.csv", 2, "gene-date"),
        ("g.csv", 2, "infinite"),
        ("w.csv", None, "missing-file"),
    }


def test_equal_faults_are_one_fault_with_its_first_places(tmp_path: Path) -> None:
    tables = read_one(tmp_path, H + row(viability="n.d.") * 12 + row())
    (fault,) = serious(tables)
    assert (fault.count, fault.row) == (12, 2)
    assert "Also in rows 3, 4, 5, 6, 7, 8, 9, 10 and 3 more." in fault.message


def test_a_thousand_different_values_do_not_make_a_thousand_faults(tmp_path: Path) -> None:
    tables = read_one(tmp_path, H + "".join(row(f"dose {i}") for i in range(1000)))
    faults = serious(tables)
    assert len(faults) == 21
    assert sum(f.count for f in faults) == 1000
    assert any("980 more values" in f.message for f in faults)


def test_exact_copies_are_only_a_warning_where_wells_are_repeated(tmp_path: Path) -> None:
    tables = read_one(tmp_path, H + row() + row(viability="0.8") + row("2") + row("2"))
    (fault,) = said(tables, "duplicate-row")
    assert (fault.severity, fault.row) == ("warning", 5)
    assert not serious(tables)


def test_wells_and_rows_without_wells_are_told_apart(tmp_path: Path) -> None:
    tables = read_one(tmp_path, "drug,well,signal\nx,A1,1\nx,A1,2\ny,,3\ny,,3\n", kind="reads")
    assert [(f.code, f.row, f.severity) for f in serious(tables)] == [
        ("duplicate-well", 3, "error"),
        ("duplicate-row", 5, "error"),
    ]
    tables = read_one(tmp_path, "drug,well,signal\nx,A1,1\ny,,3\ny,,3\ny,,4\n", kind="reads")
    assert [(f.code, f.row, f.severity) for f in said(tables, "duplicate-row")] == [("duplicate-row", 4, "warning")]


def test_faulty_rows_are_not_called_copies_of_each_other(tmp_path: Path) -> None:
    tables = read_one(tmp_path, H + row(viability="<0.1") + row(viability="<0.2"))
    assert {f.code for f in serious(tables)} == {"detection-limit"}


# ----------------------------------------------------------------------------------------------- files and folders


def test_files_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "viability.csv").write_text(GOOD)
    tables = read_study(study(tmp_path, viability=["viabilty.csv", "plates/*.csv", ""]), CONTRACTS)
    missing, empty = said(tables, "missing-file")
    assert "Did you mean 'viability.csv'?" in (str(missing) + str(empty))
    (glob,) = said(tables, "no-match")
    assert glob.file == "plates/*.csv"
    nothing = Study(folder=tmp_path, title="t", tables={"viability": ()})
    (fault,) = serious(read_study(nothing, CONTRACTS))
    assert (fault.code, fault.column) == ("no-match", "tables.viability")


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    (tmp_path / "plates").mkdir()
    (fault,) = serious(read_study(study(tmp_path, viability="plates"), CONTRACTS))
    assert fault.code == "not-a-file"
    assert "plates/*.csv" in fault.remedy


def test_pipes_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (fault,) = serious(read_study(study(tmp_path, viability="pipe.csv"), CONTRACTS))
    assert (fault.code, "pipe or a device" in fault.message) == ("not-a-file", True)


def test_devices_are_refused(tmp_path: Path) -> None:
    faults = read_table(VIABILITY, "/dev/null").faults
    assert [f.code for f in faults] == ["not-a-file"]


def test_loops_of_links(tmp_path: Path) -> None:
    (tmp_path / "a.csv").symlink_to(tmp_path / "b.csv")
    (tmp_path / "b.csv").symlink_to(tmp_path / "a.csv")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "again").symlink_to(tmp_path)
    (fault,) = serious(read_study(study(tmp_path, viability="a.csv"), CONTRACTS))
    assert fault.code == "link-loop"
    tables = read_study(study(tmp_path, viability="**/*.csv"), CONTRACTS)
    assert {f.code for f in serious(tables)} == {"link-loop"}


def test_links_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").symlink_to(tmp_path / "gone.csv")
    (fault,) = serious(read_study(study(tmp_path, viability="a.csv"), CONTRACTS))
    assert (fault.code, "not there" in fault.message) == ("missing-file", True)


@pytest.mark.parametrize("name", ["../outside.csv", "/etc/passwd", "~/table.csv", "a/../../outside.csv", "C:\\t.csv"])
def test_names_must_not_leave_the_study(name: str, tmp_path: Path) -> None:
    (tmp_path / "outside.csv").write_text(GOOD)
    (tmp_path / "study").mkdir()
    (fault,) = serious(read_study(study(tmp_path / "study", viability=name), CONTRACTS))
    assert fault.code == "outside-study"


def test_links_must_not_leave_the_study(tmp_path: Path) -> None:
    (tmp_path / "outside.csv").write_text(GOOD)
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "in.csv").symlink_to(tmp_path / "outside.csv")
    tables = read_study(study(tmp_path / "study", viability="in.csv"), CONTRACTS)
    (fault,) = serious(tables)
    assert (fault.code, fault.file) == ("outside-study", "in.csv")
    assert not tables.inputs


def test_links_inside_the_study_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text(GOOD)
    (tmp_path / "in.csv").symlink_to(tmp_path / "real.csv")
    tables = read_study(study(tmp_path, viability="in.csv"), CONTRACTS)
    assert not serious(tables)
    assert set(tables.tables["viability"]["_file"]) == {"in.csv"}


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.csv").write_text(GOOD)

    def locked(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", locked)  # the test may run as a user whom no permission stops
    (fault,) = serious(read_study(study(tmp_path, viability="t.csv"), CONTRACTS))
    assert (fault.code, "permission" in fault.message) == ("unreadable", True)


def test_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_module, "MAX_BYTES", 10)
    (fault,) = serious(read_one(tmp_path, GOOD))
    assert (fault.code, fault.file) == ("too-large", "table.csv")


def test_a_line_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "MAX_LINE", 1 << 20)
    (fault,) = serious(read_one(tmp_path, GOOD + "x" * (3 << 20)))
    assert (fault.code, fault.row) == ("long-line", 6)


def test_a_heading_without_end(tmp_path: Path) -> None:
    (fault,) = serious(read_one(tmp_path, "x," * (6 << 20)))
    assert fault.code == "long-line"


def test_workbook_that_unpacks_to_more_than_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx_module, "MAX_INFLATED", 1000)
    (fault,) = serious(read_one(tmp_path, xlsx([HEAD, ROW]), "t.xlsx"))
    assert fault.code == "zip-bomb"


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(GOOD)
    tables = read_study(study(tmp_path, viability=["a.csv", "*.csv"]), CONTRACTS)
    assert not serious(tables)
    assert [f.severity for f in said(tables, "named-twice")] == ["warning"]
    assert len(tables.tables["viability"]) == 4
    assert len(tables.inputs) == 1


def test_the_same_content_under_two_names(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(GOOD)
    (tmp_path / "b.csv").write_text(GOOD)
    (fault,) = serious(read_study(study(tmp_path, viability="*.csv"), CONTRACTS))
    assert (fault.code, fault.file) == ("same-content", "b.csv")
    assert "a.csv" in fault.message


def test_unknown_kinds_keys_and_sheets(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(GOOD)
    (tmp_path / "b.xlsx").write_bytes(xlsx([HEAD, ROW]))
    s = study(tmp_path, viabilty="a.csv", viability=TableSource(values=["b.xlsx"], sheet="Dat", huors=72))
    faults = {f.code: f for f in serious(read_study(s, CONTRACTS))}
    assert set(faults) == {"unknown-table", "study-key", "no-sheet"}
    assert "Did you mean 'viability'?" in faults["unknown-table"].remedy
    assert "Did you mean 'hours'?" in faults["study-key"].remedy
    assert "Did you mean 'Data'?" in faults["no-sheet"].remedy


def test_password_protected_workbook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import python_calamine

    def locked(*_: object, **__: object) -> object:
        raise python_calamine.PasswordError("Workbook is password protected")

    monkeypatch.setattr(python_calamine, "load_workbook", locked)
    (fault,) = serious(read_one(tmp_path, xls([HEAD, ROW]), "t.xls"))
    assert (fault.code, "password" in fault.message) == ("password", True)


def test_a_study_without_models_says_so_once(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(H + row() + row(model="HepG2"))
    s = Study(folder=tmp_path, title="t", tables={"viability": (TableSource(values=["t.csv"]),)})
    (fault,) = serious(read_study(s, CONTRACTS))
    assert (fault.code, fault.count) == ("unknown-model", 2)
    assert '"Huh-7 P" = { role = "parental" }' in fault.remedy


def test_entrez_identifiers_are_not_dates(tmp_path: Path) -> None:
    assert not serious(read_one(tmp_path, GENE_HEAD + "7157,1\n44256,2\n1956,3\n", kind="genes"))


def test_a_defect_of_reading_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rechallenge.tables import reading

    def broken(*_: object, **__: object) -> object:
        raise ZeroDivisionError("inside")

    monkeypatch.setattr(reading, "convert", broken)
    (fault,) = serious(read_one(tmp_path, GOOD))
    assert (fault.code, fault.file) == ("unreadable", "table.csv")
    assert "ZeroDivisionError: inside" in fault.message


def test_library_users_get_an_exception_with_every_fault(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(H + row("-1") + row("x"))
    with pytest.raises(InputFaults, match="2 faults in the input") as caught:
        read(VIABILITY, path)
    assert {f.code for f in caught.value.faults} >= {"negative", "not-a-number"}
    path.write_text(GOOD)
    assert len(read(VIABILITY, path)) == 4
