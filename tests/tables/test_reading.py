"""Reading is forgiving in form: the same table, however a lab saved it, gives the same frame."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Callable
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import openpyxl
import pandas as pd
import pytest
import xlwt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reading_examples import CONTRACTS, GOOD, VIABILITY, frame_of, read_one, said, serious, study

from rechallenge.faults import Fault, InputFaults
from rechallenge.study import TableSource
from rechallenge.tables import read, read_study, read_table
from rechallenge.tables import text as text_module
from rechallenge.tables.contract import ORIGIN, Contract
from rechallenge.tables.grid import Grid
from rechallenge.tables.headings import Recogniser
from rechallenge.tables.text import grid_of_text

TABLE = pd.DataFrame(
    {
        "model": ["Huh-7 P", "Huh-7 LR", "Huh-7 P", "Huh-7 LR"],
        "drug": ["lenvatinib", "sorafenib, µ-grade", "lenvatinib", "sorafenib"],
        "dose_um": [0.0, 0.1, 12.5, 1e-4],
        "replicate": ["1", "2", "1", "2"],
        "viability": [1.0, 0.987, 0.0625, 1.25],
        "medium": ["DMEM", "", "DMEM", "CM Huh-7 LR"],
        "hours": [72.0, 72.0, 72.0, 72.0],
    }
)


def text(table: pd.DataFrame, delimiter: str = ",", decimal: str = ".", encoding: str = "utf-8") -> bytes:
    out = StringIO()
    table.to_csv(out, sep=delimiter, decimal=decimal, index=False)
    return out.getvalue().encode(encoding)


def xlsx(table: pd.DataFrame, start: int = 0) -> bytes:
    book = openpyxl.Workbook()
    page = book.active
    for j, name in enumerate(table.columns):
        page.cell(start + 1, j + 1, name)
        for i, v in enumerate(table[name].tolist()):
            if v != "":
                page.cell(start + 2 + i, j + 1, v)
    out = BytesIO()
    book.save(out)
    return out.getvalue()


def xls(table: pd.DataFrame) -> bytes:
    book = xlwt.Workbook()
    page = book.add_sheet("Sheet")
    for j, name in enumerate(table.columns):
        page.write(0, j, name)
        for i, v in enumerate(table[name].tolist()):
            if v != "":
                page.write(1 + i, j, v)
    out = BytesIO()
    book.save(out)
    return out.getvalue()


def parquet(table: pd.DataFrame) -> bytes:
    out = BytesIO()
    table.to_parquet(out)
    return out.getvalue()


WRITERS: dict[str, Callable[[pd.DataFrame], bytes]] = {
    "csv": text,
    "csv with BOM": lambda t: text(t, encoding="utf-8-sig"),
    "semicolons, decimal comma, cp1252": lambda t: text(t, ";", ",", "cp1252"),
    "tabs, UTF-16 with BOM": lambda t: text(t, "\t", encoding="utf-16"),
    "tabs, UTF-16 LE without BOM": lambda t: text(t, "\t", encoding="utf-16-le"),
    "tabs, UTF-16 BE without BOM": lambda t: text(t, "\t", encoding="utf-16-be"),
    "pipes, CR LF": lambda t: text(t, "|").replace(b"\n", b"\r\n"),
    "tabs, CR": lambda t: text(t, "\t").replace(b"\n", b"\r"),
    "sep= line": lambda t: b"sep=;\n" + text(t, ";", ","),
    "xlsx": xlsx,
    "xls": xls,
    "parquet": parquet,
}


@pytest.mark.parametrize("how", WRITERS)
def test_the_same_table_in_every_format_gives_the_same_frame(how: str, tmp_path: Path) -> None:
    expected = frame_of(text(TABLE), tmp_path)
    got = frame_of(WRITERS[how](TABLE), tmp_path)
    shift = 1 if how == "sep= line" else 0
    assert list(got["_row"]) == [2 + shift, 3 + shift, 4 + shift, 5 + shift]
    columns = [c for c in expected.columns if c not in ("_row", "_sheet")]
    pd.testing.assert_frame_equal(got[columns], expected[columns], check_exact=True)
    assert list(expected["dose_um"]) == [0.0, 0.1, 12.5, 1e-4]
    assert list(expected["drug"]) == list(TABLE["drug"])


# letters beyond ASCII stand alone: two of them in a row may be UTF-8 and Windows-1252 alike
NAMES = st.text("abcXYZ019 .,;:|'\"+-_/()%#µéü", min_size=1, max_size=8).filter(lambda s: not re.search("[µéü]{2}", s))
NUMBERS = st.floats(0, 1e9, allow_subnormal=False).map(lambda v: float(f"{v:.12g}"))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(NAMES, NUMBERS, st.integers(1, 9), st.integers(0, 2000).map(lambda v: v / 1000)),
        min_size=1,
        max_size=6,
    )
)
def test_any_table_survives_every_format(tmp_path: Path, rows: list[tuple[str, float, int, float]]) -> None:
    table = pd.DataFrame(
        {
            "model": "Huh-7 P",
            "drug": [f"drug {r[0]}" for r in rows],
            "dose_um": [r[1] for r in rows],
            "replicate": [f"r{r[2]}.{i}" for i, r in enumerate(rows)],
            "viability": [r[3] for r in rows],
        }
    )
    for how, write in WRITERS.items():
        got = frame_of(write(table), tmp_path)
        assert got["dose_um"].tolist() == table["dose_um"].tolist(), how
        assert got["viability"].tolist() == table["viability"].tolist(), how
        assert [d.split() for d in got["drug"]] == [d.split() for d in table["drug"]], how


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.lists(st.text(alphabet="ab1 .,;\t\"#é'\n", max_size=4), min_size=3, max_size=3), min_size=1, max_size=6
    ),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, None]),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_the_quick_reader_and_the_exact_reader_agree(
    rows: list[list[str]], delimiter: str, quoting: int | None, end: str
) -> None:
    out = StringIO()
    if quoting is None:
        out.write(end.join(delimiter.join(r) for r in [["model", "drug", "note"], *rows]))
    else:
        writer = csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=end)  # type: ignore[arg-type]
        writer.writerows([["model", "drug", "note"], *rows])
    data = out.getvalue().encode()
    quick = _grid(data)
    with mock.patch.object(text_module, "_quick", return_value=None):
        exact = _grid(data)
    if isinstance(quick, list) or isinstance(exact, list):
        assert quick == exact
        return
    assert quick.headings == exact.headings
    n = min(len(quick), len(exact))  # blank last lines are no rows for the one and empty rows for the other
    assert quick.rows[:n].tolist() == exact.rows[:n].tolist()
    for a, b in zip(quick.columns, exact.columns, strict=True):
        assert a.text.to_pylist()[:n] == b.text.to_pylist()[:n]
        assert not any(t.strip() for c in (a, b) for t in c.text.to_pylist()[n:])


def _grid(data: bytes) -> Grid | list[Fault]:
    try:
        return grid_of_text(data, Recogniser(VIABILITY))
    except InputFaults as e:
        return e.faults


def test_the_frame_keeps_the_contract(tmp_path: Path) -> None:
    frame = frame_of(GOOD.encode(), tmp_path, "plate.csv")
    assert list(frame.columns) == [*(c.name for c in VIABILITY.columns), *ORIGIN]
    assert frame["medium"].tolist() == [""] * 4
    assert frame["perturbation"].tolist() == ["none"] * 4
    assert frame["hours"].isna().all()
    assert frame["dose_um"].dtype == np.float64
    assert set(frame["_file"]) == {"plate.csv"}
    assert frame["_row"].tolist() == [2, 3, 4, 5]


def test_an_empty_table_keeps_the_contract_too(tmp_path: Path) -> None:
    frame = read_one(tmp_path, "").tables["viability"]
    assert list(frame.columns) == [*(c.name for c in VIABILITY.columns), *ORIGIN]
    assert (len(frame), frame["dose_um"].dtype, frame["_row"].dtype) == (0, np.float64, np.int64)


def test_how_a_file_was_read_is_echoed_in_one_note(tmp_path: Path) -> None:
    data = text(TABLE, ";", ",", "cp1252")
    (note,) = said(read_one(tmp_path, data), "read-as")
    assert note.severity == "note"
    assert "Windows-1252, columns parted by semicolons, decimal comma (as in '0,0')" in note.message


def test_mac_roman_only_where_nothing_else_fits(tmp_path: Path) -> None:
    table = "model,drug,dose_um,replicate,viability\nHuh-7 P,préfixé ç,1,1,0.9\n"
    tables = read_one(tmp_path, table.encode("mac_roman"))
    assert tables.tables["viability"]["drug"].tolist() == ["préfixé ç"]
    assert "Mac Roman" in said(tables, "read-as")[0].message
    tables = read_one(tmp_path, table.encode("cp1252"))
    assert tables.tables["viability"]["drug"].tolist() == ["préfixé ç"]


def test_rows_keep_their_numbers(tmp_path: Path) -> None:
    table = (
        "# measured by Ana\n\nmodel,drug,dose_um,replicate,viability\n\nHuh-7 P,x,1,1,0.9\n"
        "# well lost\n,,,,\nHuh-7 P,x,2,1,0.8\n"
    )
    assert frame_of(table.encode(), tmp_path)["_row"].tolist() == [5, 8]


def test_cells_with_line_ends_count_as_one_row(tmp_path: Path) -> None:
    table = 'model,drug,dose_um,replicate,viability,note\nHuh-7 P,x,1,1,0.9,"two\nlines"\nHuh-7 P,x,2,1,0.8,\n'
    frame = frame_of(table.encode(), tmp_path)
    assert frame["_row"].tolist() == [2, 3]
    assert frame["note"].tolist() == ["two\nlines", ""]


def test_a_title_above_the_heading_is_passed_over_and_told(tmp_path: Path) -> None:
    table = "Experiment 12;;\nviability after 72 h;;\n\nmodel;drug;dose_um;replicate;viability\nHuh-7 P;x;0,5;1;0,9\n"
    tables = read_one(tmp_path, table)
    assert tables.tables["viability"]["_row"].tolist() == [5]
    assert "heading in row 4, above it: Experiment 12" in said(tables, "read-as")[0].message


def test_a_workbook_whose_table_begins_further_down(tmp_path: Path) -> None:
    assert frame_of(xlsx(TABLE, start=3), tmp_path)["_row"].tolist() == [5, 6, 7, 8]


def test_white_space_as_delimiter(tmp_path: Path) -> None:
    table = "model     drug   dose_um  replicate  viability\nHuh-7 P   x      0.5      1          0.9\n"
    frame = frame_of(table.encode(), tmp_path)
    assert frame.loc[0, ["model", "dose_um"]].tolist() == ["Huh-7 P", 0.5]
    tables = read_table(VIABILITY, _write(tmp_path, "w.txt", "model drug dose_um replicate viability\nA x 1 1 0.5\n"))
    assert tables.frame["viability"].tolist() == [0.5]


def test_row_names_of_r_and_pandas_are_passed_over(tmp_path: Path) -> None:
    for first, start in (('""', 1), ("Unnamed: 0", 0)):
        heading = f"{first},model,drug,dose_um,replicate,viability\n"
        table = heading + f"{start},Huh-7 P,x,1,1,0.9\n{start + 1},Huh-7 P,x,2,1,0.8\n"
        frame = frame_of(table.encode(), tmp_path)
        assert "Huh-7 P" in frame["model"].tolist()


# -------------------------------------------------------------------------------------------- headings and columns


def test_other_headings_are_known(tmp_path: Path) -> None:
    frame = frame_of(b"Cell Line,COMPOUND,Dose_uM,Rep.,Viability,Time (h)\nHuh-7 P,x,1,2,0.9,48\n", tmp_path)
    assert frame.loc[0, ["model", "drug", "dose_um", "replicate", "hours"]].tolist() == ["Huh-7 P", "x", 1.0, "2", 48.0]


def test_the_canonical_heading_wins_over_another(tmp_path: Path) -> None:
    frame = frame_of(b"line,model,drug,dose_um,replicate,viability\nB,Huh-7 P,x,1,1,0.9\n", tmp_path)
    assert (frame["model"].tolist(), frame["line"].tolist()) == (["Huh-7 P"], ["B"])


def test_other_columns_are_kept_and_told(tmp_path: Path) -> None:
    table = "model,drug,dose_um,replicate,viability,Operator,perturbaton,_row\nHuh-7 P,x,1,1,0.9,Ana,siA,7\n"
    tables = read_one(tmp_path, table)
    frame = tables.tables["viability"]
    assert list(frame.columns[-2:]) == ["Operator", "perturbaton"]
    assert frame["_row"].tolist() == [2]
    by_severity = {f.severity: f for f in said(tables, "extra-columns")}
    assert "Did you mean 'perturbation'?" in by_severity["warning"].remedy
    assert "'Operator'" in by_severity["note"].message


def test_values_given_in_the_study_file_fill_columns(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("model,drug,dose_um,viability\nHuh-7 P,x,1,0.9\n")
    s = study(tmp_path, viability=TableSource(values=["t.csv"], replicate=3, hours=72, medium="DMEM"))
    tables = read_study(s, CONTRACTS)
    assert not serious(tables), tables.faults
    assert tables.tables["viability"].loc[0, ["replicate", "hours", "medium"]].tolist() == ["3", 72.0, "DMEM"]
    s = study(tmp_path, viability=TableSource(values=["t.csv"], replicate=3, drug="y"))
    assert {f.code for f in serious(read_study(s, CONTRACTS))} == {"given-twice"}


def test_choices_are_known_in_any_case(tmp_path: Path) -> None:
    heading = "model,drug,dose_um,replicate,signal,well_type,plate\n"
    table = heading + "Huh-7 P,x,1,1,500,Vehicle ,P1\nHuh-7 P,x,1,1,510,SAMPLE,P1\n"
    assert frame_of(table.encode(), tmp_path)["well_type"].tolist() == ["vehicle", "sample"]


def test_names_are_trimmed_and_composed(tmp_path: Path) -> None:
    table = "model,drug,dose_um,replicate,viability\n\u00a0Huh-7\u00a0P ,cafe\u0301,1,1,0.9\n"
    frame = frame_of(table.encode(), tmp_path)
    assert frame.loc[0, ["model", "drug"]].tolist() == ["Huh-7 P", "caf\u00e9"]


# ----------------------------------------------------------------------------------------------- what is left out


def test_rows_without_a_measurement_are_excluded_and_listed(tmp_path: Path) -> None:
    rows = [f"Huh-7 P,x,{i},1,{v}\n" for i, v in enumerate(("0.9", "", "NA", "NaN"))]
    table = "model,drug,dose_um,replicate,viability\n" + "".join(rows)
    tables = read_one(tmp_path, table, "t.csv")
    assert not serious(tables)
    assert tables.tables["viability"]["_row"].tolist() == [2]
    assert tables.excluded.to_dict("list") == {
        "kind": ["viability"] * 3,
        "file": ["t.csv"] * 3,
        "sheet": [""] * 3,
        "row": [3, 4, 5],
        "column": ["viability"] * 3,
        "value": ["", "NA", "NaN"],
        "reason": ["not measured (empty cell)", "not measured", "not measured"],
    }
    assert tables.rows_read == {"viability": 4}


def test_a_row_stays_when_one_of_two_measurements_is_there(tmp_path: Path) -> None:
    table = (
        "model,drug,dose_um,replicate,viability,signal,well_type,plate\nHuh-7 P,x,1,1,,500,sample,P1\n"
        "Huh-7 P,x,2,1,0.5,,,\nHuh-7 P,x,3,1,,,sample,P1\n"
    )
    tables = read_one(tmp_path, table)
    assert not serious(tables), tables.faults
    assert tables.tables["viability"]["_row"].tolist() == [2, 3]
    assert tables.excluded["row"].unique().tolist() == [4]
    assert tables.rows_read == {"viability": 3}


# -------------------------------------------------------------------------------------------------- files and sheets


def test_files_of_one_kind_are_one_table(tmp_path: Path) -> None:
    for i in (2, 1, 10):
        (tmp_path / f"plate {i}.csv").write_text(GOOD.replace("lenvatinib", f"drug {i}"))
    (tmp_path / "~$plate 1.csv").write_bytes(b"locked")
    tables = read_study(study(tmp_path, viability="plate*.csv"), CONTRACTS)
    assert not serious(tables), tables.faults
    frame = tables.tables["viability"]
    assert frame["_file"].drop_duplicates().tolist() == ["plate 1.csv", "plate 10.csv", "plate 2.csv"]
    record = tables.inputs[0]
    data = (tmp_path / "plate 1.csv").read_bytes()
    assert (record.path, record.kind, record.bytes) == ("plate 1.csv", "viability", len(data))
    assert record.sha256 == hashlib.sha256(data).hexdigest()


def test_copies_across_files_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(GOOD)
    (tmp_path / "b.csv").write_text(GOOD + "Huh-7 LR,lenvatinib,1.5,1,0.99\n")
    faults = serious(read_study(study(tmp_path, viability=["a.csv", "b.csv"]), CONTRACTS))
    assert [(f.code, f.file, f.row, f.count) for f in faults] == [("duplicate-row", "b.csv", 2, 4)]
    assert "row 2 of a.csv" in faults[0].message


def test_windows_paths_are_understood(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "t.csv").write_text(GOOD)
    tables = read_study(study(tmp_path, viability="raw\\t.csv"), CONTRACTS)
    assert tables.inputs[0].path == "raw/t.csv"


def test_file_names_may_hold_brackets(tmp_path: Path) -> None:
    (tmp_path / "t [1].csv").write_text(GOOD)
    assert not serious(read_study(study(tmp_path, viability="t [1].csv"), CONTRACTS))


def _book(**sheets: list[list[Any]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        page = book.create_sheet(name)
        for r in rows:
            page.append(r)
    out = BytesIO()
    book.save(out)
    return out.getvalue()


ROWS = [[*TABLE.columns], *TABLE.to_numpy().tolist()]


def test_the_sheet_that_fits_is_found(tmp_path: Path) -> None:
    data = _book(Notes=[["read me"], ["done by Ana"]], Data=ROWS, Empty=[])
    tables = read_one(tmp_path, data, "t.xlsx")
    assert set(tables.tables["viability"]["_sheet"]) == {"Data"}
    assert "sheet 'Data'" in said(tables, "read-as")[0].message


def test_named_sheets_and_all_sheets(tmp_path: Path) -> None:
    other = [ROWS[0], *([r[0], "other", *r[2:]] for r in ROWS[1:])]
    (tmp_path / "t.xlsx").write_bytes(_book(P1=ROWS, P2=other, Notes=[["x"]]))
    s = study(tmp_path, viability=TableSource(values=["t.xlsx"], sheet="P2"))
    assert set(read_study(s, CONTRACTS).tables["viability"]["_sheet"]) == {"P2"}
    s = study(tmp_path, viability=TableSource(values=["t.xlsx"], sheet="P*"))
    tables = read_study(s, CONTRACTS)
    assert tables.tables["viability"]["_sheet"].drop_duplicates().tolist() == ["P1", "P2"]
    assert not serious(tables)


def test_error_cells_of_old_workbooks_are_not_taken_for_empty(tmp_path: Path) -> None:
    book = xlwt.Workbook()
    page = book.add_sheet("Größe")
    for i, r in enumerate([ROWS[0][:5], ["Huh-7 P", "x", 1, 1, 0.9], ["Huh-7 P", "x", 2, 1]]):
        for j, v in enumerate(r):
            page.write(i, j, v)
    page.row(2).set_cell_error(4, "#DIV/0!")
    out = BytesIO()
    book.save(out)
    (fault,) = serious(read_one(tmp_path, out.getvalue(), "t.xls"))
    assert (fault.code, fault.row, fault.column, fault.value) == ("spreadsheet-error", 3, "viability", "#DIV/0!")


def test_names_that_a_spreadsheet_holds_as_numbers(tmp_path: Path) -> None:
    data = _book(Data=[[*ROWS[0][:5], "plate"], ["Huh-7 P", 5, 1, 2, 0.9, 12.5]])
    frame = frame_of(data, tmp_path, "t.xlsx")
    assert frame.loc[0, ["drug", "replicate", "plate"]].tolist() == ["5", "2", "12.5"]


def test_dates_in_plain_text_columns_are_iso_dates(tmp_path: Path) -> None:
    data = _book(Data=[[*ROWS[0][:5], "plate"], ["Huh-7 P", "x", 1, 2, 0.9, pd.Timestamp("2024-03-01")]])
    assert frame_of(data, tmp_path, "t.xlsx")["plate"].tolist() == ["2024-03-01"]


def test_reading_for_a_notebook(tmp_path: Path) -> None:
    path = _write(tmp_path, "t.csv", GOOD)
    frame = read(VIABILITY, path)
    assert frame["viability"].tolist() == [1.02, 0.81, 0.4, 0.85]
    assert read(VIABILITY, [str(path)], unit="nM")["dose_um"].tolist() == [0.0, 0.0015, 0.015, 0.015]
    with pytest.raises(KeyError, match="no table kind"):
        read("no such kind", path)


def test_rules_of_the_contract_are_asked(tmp_path: Path) -> None:
    from rechallenge.tables.contract import place

    def no_nines(frame: pd.DataFrame, models: pd.DataFrame) -> list[Fault]:
        assert models["model"].tolist() == ["Huh-7 P", "Huh-7 LR"]
        bad = frame.index[frame["dose_um"] == 15]
        return [Fault("nine", "no.", column="dose_um", **place(frame, bad[0]))]

    def broken(frame: pd.DataFrame, models: pd.DataFrame) -> list[Fault]:
        raise LookupError("a defect")

    contract = Contract("viability", "x", VIABILITY.columns, VIABILITY.key, VIABILITY.either, (no_nines, broken))
    (tmp_path / "t.csv").write_text(GOOD)
    tables = read_study(study(tmp_path, viability="t.csv"), {"viability": contract})
    assert {(f.code, f.row) for f in serious(tables)} == {("nine", 4), ("rule-failed", None)}


def test_other_readers_are_called_and_their_defects_are_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rechallenge.tables import reading

    contract = Contract("raw", "x", VIABILITY.columns, reader="plates")
    s = study(tmp_path, raw="a.xls")

    def fine(source: TableSource, folder: Path, contract: Contract, models: pd.DataFrame) -> reading.TableRead:
        frame = pd.DataFrame({"model": ["Huh-7 P"], "_file": [source.values[0]], "_sheet": [""], "_row": [4]})
        return reading.TableRead(frame, [], files=[("a.xls", 3, "0")])

    monkeypatch.setattr(reading, "_reader", lambda contract: fine)
    tables = read_study(s, {"raw": contract})
    assert tables.tables["raw"]["_row"].tolist() == [4]
    assert [i.path for i in tables.inputs] == ["a.xls"]

    def failing(*_: object) -> reading.TableRead:
        raise ValueError("wells")

    monkeypatch.setattr(reading, "_reader", lambda contract: failing)
    (fault,) = serious(read_study(s, {"raw": contract}))
    assert (fault.code, "ValueError: wells" in fault.message) == ("unreadable", True)


def _write(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content)
    return path


@pytest.mark.slow
def test_a_million_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    n = 1_000_000
    table = pd.DataFrame(
        {
            "model": rng.choice(["Huh-7 P", "Huh-7 LR"], n),
            "drug": rng.choice([f"drug {i}" for i in range(200)], n),
            "dose_um": rng.choice([0.1, 0.3, 1.0, 3.0], n),
            "replicate": np.arange(n),
            "viability": rng.random(n),
        }
    )
    for delimiter, decimal in ((",", "."), (";", ",")):
        path = tmp_path / "t.csv"
        table.to_csv(path, sep=delimiter, decimal=decimal, index=False)
        frame = read(VIABILITY, path)
        assert np.array_equal(frame["viability"].to_numpy(), table["viability"].to_numpy())
        assert frame["_row"].iloc[-1] == n + 1
