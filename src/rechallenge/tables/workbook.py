"""Spreadsheet workbooks (XLSX, XLSB, XLS, ODS) and Parquet files to grids of cells."""

from __future__ import annotations

import contextlib
import datetime as dt
import fnmatch
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rechallenge.study import nearest
from rechallenge.tables.grid import Cells, DateLike, Grid, cells_of, show_date
from rechallenge.tables.headings import Recogniser
from rechallenge.tables.sniff import refuse
from rechallenge.tables.text import LOOK_AHEAD, MAX_COLUMNS, heading_row
from rechallenge.tables.xlsx import Flaws, survey

#: Cells of a Parquet file, which may declare more than any memory holds.
MAX_CELLS = 1_000_000_000
#: Cells that it may declare whatever its size, cells for each of its bytes beyond that, and bytes of its texts.
MAX_EMPTY, MAX_PACKED, MAX_TEXT = 20_000_000, 50, 4 * 2**30
_NAMES = {
    "xlsx": "Excel workbook",
    "xlsb": "Excel binary workbook",
    "xls": "Excel 97 workbook",
    "ods": "OpenDocument sheet",
}


def grids_of_workbook(
    data: bytes, kind: str, know: Recogniser, sheet: str = "", given: Sequence[str] = ()
) -> list[Grid]:
    """The sheet (or, where `sheet` holds `*`, the sheets) of a workbook that the contract `know` is about.

    The named sheet; else the only one that holds anything; else the only one whose headings fit the contract.
    Hidden sheets are used only when named. Raises InputFaults (without file) that name the sheets otherwise.
    """
    flaws = survey(data, kind)
    sheets, hidden = sheets_of(data, kind, surveyed=True)
    chosen = _choose(sheets, hidden, know, sheet, given)
    return [_grid(name, *sheets[name], flaws.get(name), know, kind, len(sheets)) for name in chosen]


def sheets_of(
    data: bytes, kind: str, *, surveyed: bool = False
) -> tuple[dict[str, tuple[list[list[Any]], Any]], set[str]]:
    """Rows and merged ranges by sheet name, and which sheets are hidden. Raises InputFaults (without file).

    What would not fit in memory is refused first, unless the caller has made the `survey` itself.
    """
    from python_calamine import CalamineError, PasswordError, SheetTypeEnum, SheetVisibleEnum, load_workbook

    if not surveyed:
        survey(data, kind)
    sheets: dict[str, tuple[list[list[Any]], Any]] = {}
    hidden: set[str] = set()
    try:
        with _silence(), load_workbook(BytesIO(data)) as book:
            for i, meta in enumerate(book.sheets_metadata):
                if meta.typ != SheetTypeEnum.WorkSheet:
                    continue
                page = book.get_sheet_by_index(i)
                sheets[meta.name] = (page.to_python(skip_empty_area=False), page.merged_cell_ranges)
                if meta.visible != SheetVisibleEnum.Visible:
                    hidden.add(meta.name)
    except PasswordError:
        raise refuse(
            "password",
            "the workbook is protected by a password.",
            "Save a copy without a password, or export the sheet as CSV.",
        ) from None
    except (CalamineError, zipfile.BadZipFile, OSError, ValueError, OverflowError) as e:
        raise _corrupt(kind, e) from e
    except BaseException as e:
        # A defect inside the Rust reader arrives as PanicException, which is no Exception; the file is at fault.
        if type(e).__name__ == "PanicException":
            raise _corrupt(kind, e) from e
        raise
    return sheets, hidden


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep the Rust reader from writing to the terminal: it reports a defect there before it raises."""
    try:
        kept = os.dup(2)
    except OSError:  # no such stream, as in a program without a console
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _corrupt(kind: str, e: BaseException) -> Exception:
    text = str(e)
    if kind == "xls" and ("Workbook" in text or "stream" in text.lower()):
        return refuse(
            "wrong-format",
            "this is an Office file of the old kind, but not a workbook.",
            "Open it, and save the table as .xlsx or .csv.",
        )
    return refuse(
        "corrupt",
        f"the {_NAMES.get(kind, 'file')} is damaged or was cut off ({text.strip()[:160] or type(e).__name__}).",
        "Open it in a spreadsheet and save it again, or copy it again.",
    )


def _choose(
    sheets: Mapping[str, tuple[list[list[Any]], Any]],
    hidden: set[str],
    know: Recogniser,
    sheet: str,
    given: Sequence[str],
) -> list[str]:
    filled = [n for n, (rows, _) in sheets.items() if any(c != "" and c is not None for r in rows for c in r)]
    names = ", ".join(repr(n) for n in filled)
    if sheet:
        if sheet in sheets:
            return [sheet]
        if set("*?[") & set(sheet):
            fits = [n for n in filled if fnmatch.fnmatchcase(n, sheet) and n not in hidden]
            if fits:
                return fits
        raise refuse(
            "no-sheet",
            f"the workbook has no sheet of this name; it has {names or 'no filled sheet'}.",
            f"Name one of them.{nearest(sheet, sheets)}",
            sheet=sheet,
        )
    if not filled:
        raise refuse("empty-file", "every sheet of the workbook is empty.", "Export the table again.")
    visible = [n for n in filled if n not in hidden] or filled
    if len(visible) == 1:
        return visible
    fits = [n for n in visible if _fits(sheets[n][0], know, given)]
    if len(fits) == 1:
        return fits
    which = f"{len(fits)} of them fit this table" if fits else "none of them has the headings of this table"
    raise refuse(
        "which-sheet",
        f"the workbook has several sheets ({', '.join(repr(n) for n in visible)}) and {which}.",
        'Name the one to read in study.toml: { file = "...", sheet = "NAME" }; sheet = "*" reads all of them.',
    )


def _fits(rows: list[list[Any]], know: Recogniser, given: Sequence[str]) -> bool:
    head = [_texts(r) for r in rows[:LOOK_AHEAD]]
    at = heading_row(head, know)
    return at is not None and know.complete(head[at], given)


def _texts(row: Sequence[Any]) -> list[str]:
    return ["" if v is None else v if isinstance(v, str) else str(v) for v in row]


def _grid(
    name: str, rows: list[list[Any]], merged: Any, flaws: Flaws | None, know: Recogniser, kind: str, n_sheets: int
) -> Grid:
    head = [_texts(r) for r in rows[:LOOK_AHEAD]]
    at = heading_row(head, know)
    if at is None:
        raise refuse("empty-file", "the sheet is empty.", "Name the sheet that holds the table.", sheet=name)
    width = max((len(r) for r in rows), default=0)
    used = max(
        (i + 1 for i in range(width) if any(i < len(r) and r[i] not in ("", None) for r in rows[at:])), default=0
    )
    if used > MAX_COLUMNS:
        raise refuse(
            "huge-heading",
            f"the sheet has {used} columns; more than {MAX_COLUMNS} is not a lab table.",
            "Check that rows and columns are not swapped.",
            sheet=name,
        )
    body = [[*r[:used], *([""] * (used - len(r)))] for r in rows[at + 1 :]]
    if flaws is not None:
        for (r, c), text in flaws.cells.items():
            if at < r < len(rows) and c < used and body[r - at - 1][c] in ("", None):
                body[r - at - 1][c] = text
    columns = list(zip(*body, strict=True)) if body else [()] * used
    spans = {
        c for (r0, c0), (r1, c1) in merged or () if r0 <= at <= r1 and c1 > c0 for c in range(c0, c1 + 1) if c < used
    }
    headings = [" ".join(h.split()) for h in head[at][:used]]
    return Grid(
        headings=tuple(headings + [""] * (used - len(headings))),
        columns=tuple(cells_of(c) for c in columns),
        rows=np.arange(at + 2, at + 2 + len(body)),
        header_row=at + 1,
        sheet=name,
        above=tuple(" ".join(c for c in r if c.strip()) for r in head[:at] if any(c.strip() for c in r)),
        merged=tuple(sorted(spans)),
        how=(_NAMES[kind], f"sheet {name!r}" if n_sheets > 1 else ""),
    )


def grid_of_parquet(data: bytes) -> Grid:
    """A Parquet file as a grid. Rows are numbered as if it were written out as text below one heading."""
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        rows, width = file.metadata.num_rows, file.metadata.num_columns
        if rows * width > min(MAX_CELLS, max(MAX_EMPTY, MAX_PACKED * len(data))):
            raise refuse(
                "too-large",
                f"the file declares {rows:,} rows and {width:,} columns, which would not fit in memory.",
                "Split it, or check that this is the right file.",
            )
        texts = [f.name for f in file.schema_arrow if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
        table = pq.ParquetFile(pa.BufferReader(data), read_dictionary=texts).read()
        table.validate(full=True)
        if sum(_spelled(c) for c in table.columns if pa.types.is_dictionary(c.type)) > MAX_TEXT:
            raise refuse(
                "zip-bomb",
                f"the texts of the file would unpack to more than {MAX_TEXT / 2**30:g} GB.",
                "Check where the file comes from.",
            )
        columns = {n: _arrow(table[i]) for i, n in enumerate(table.column_names) if i < MAX_COLUMNS}
    except (pa.ArrowException, OSError, ValueError) as e:
        raise refuse(
            "corrupt",
            f"the Parquet file is damaged or was cut off ({str(e).splitlines()[0][:160]}).",
            "Write or copy it again.",
        ) from e
    if table.num_columns > MAX_COLUMNS:
        raise refuse(
            "huge-heading", f"the file has {table.num_columns} columns.", "Check that rows and columns are not swapped."
        )
    names = [n for n in table.column_names if not n.startswith("__index_level_")]
    return Grid(
        headings=tuple(names),
        columns=tuple(columns[n] for n in names),
        rows=np.arange(2, 2 + table.num_rows),
        how=("Parquet",),
    )


def _spelled(column: Any) -> int:
    """Bytes of a column of texts when each row has its own copy."""
    total = 0
    for chunk in column.chunks:
        if pa.types.is_string(chunk.type.value_type) or pa.types.is_large_string(chunk.type.value_type):
            lengths = pc.cast(pc.binary_length(chunk.dictionary), pa.int64())
            total += pc.sum(lengths.take(chunk.indices)).as_py() or 0
    return total


def _arrow(column: Any) -> Cells:
    """One Arrow column as cells: numbers stay numbers, dates are marked, everything else is text."""
    column = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        values = np.asarray(pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False), dtype=float)
        text = (
            ["inf" if v == np.inf else "-inf" if v == -np.inf else "" for v in values]
            if np.isinf(values).any()
            else None
        )
        shown = pa.array(text, pa.string()) if text else pa.array(np.full(len(values), "", dtype=object), pa.string())
        return Cells(shown, np.where(np.isinf(values), np.nan, values))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return Cells(pc.fill_null(pc.cast(column, pa.string()), ""))
    if pa.types.is_temporal(kind):
        values = column.to_pylist()
        dates: dict[int, DateLike] = {
            i: v for i, v in enumerate(values) if isinstance(v, dt.date | dt.time | dt.timedelta)
        }
        return Cells(pa.array([show_date(v) if v is not None else "" for v in values], pa.string()), None, dates)
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return Cells(pa.array(["" if v is None else repr(v)[:200] for v in column.to_pylist()], pa.string()))
    return cells_of(column.to_pylist())
