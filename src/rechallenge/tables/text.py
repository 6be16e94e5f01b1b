"""Delimited text to a grid of cells: CSV, semicolons, tabs, pipes, white space."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv

from rechallenge.faults import InputFaults
from rechallenge.tables.grid import Cells, Grid
from rechallenge.tables.headings import Recogniser
from rechallenge.tables.sniff import decode, refuse

#: More headings than this, or a longer line, is not a table that a person made.
MAX_COLUMNS = 10_000
MAX_LINE = 10 * 2**20
#: How far down the heading is looked for.
LOOK_AHEAD = 60

#: Delimiters in the order in which ties are decided; two spaces stand for "two or more".
DELIMITERS = ("\t", ";", ",", "|", "  ", " ")
NAMES = {"\t": "tabs", ";": "semicolons", ",": "commas", "|": "pipes", "  ": "spaces", " ": "spaces", "": ""}
_SEP = re.compile(r'^"?sep=(.)"?$', re.I)


def grid_of_text(data: bytes, know: Recogniser) -> Grid:
    """Read delimited text. Raises InputFaults (without file) where it is not a table."""
    text, encoding = decode(data)
    refuse_monsters(text)
    delimiter, told = _delimiter(text, know)
    head = list(islice(_records(text, delimiter), LOOK_AHEAD))
    at = heading_row(head, know, after=1 if told else 0)
    if at is None:
        raise refuse("empty-file", "the file holds nothing but blank lines.", "Export the table again.", row=1)
    headings = _heading_cells(head[at])
    if len(headings) > MAX_COLUMNS:
        raise refuse(
            "huge-heading",
            f"the heading has {len(headings)} cells; more than {MAX_COLUMNS} is not a lab table.",
            "Check that rows and columns are not swapped, and that this is the right file.",
            row=at + 1,
        )
    one_line = not any("\n" in c for r in head[: at + 1] for c in r)
    utf8 = data if encoding in ("ASCII", "UTF-8") and not data.startswith(codecs.BOM_UTF8) else None
    columns, rows, ragged = _body(text, utf8, delimiter, at, len(headings), one_line)
    above = tuple(
        " ".join(c for c in r if c.strip()) for r in head[:at] if not is_comment(r) and any(c.strip() for c in r)
    )
    shown = "UTF-8" if encoding == "ASCII" else encoding
    return Grid(
        headings=tuple(headings),
        columns=columns,
        rows=rows,
        header_row=at + 1,
        delimiter=delimiter.strip(" ") or " " if len(headings) > 1 else "",
        ragged=ragged,
        above=above if not told else above[1:],
        how=(shown, f"columns parted by {NAMES[delimiter]}" if len(headings) > 1 else "one column"),
    )


def refuse_monsters(text: str) -> None:
    nul = text.find("\0")
    if nul >= 0:
        raise refuse(
            "nul-bytes",
            "the text holds NUL characters, which no table has; the file is damaged or not text.",
            "Export or copy the file again.",
            row=text.count("\n", 0, nul) + 1,
        )
    end, start = len(text), 0
    while end - start > MAX_LINE:
        newline = max(text.rfind("\n", start, start + MAX_LINE), text.rfind("\r", start, start + MAX_LINE))
        if newline < 0:
            raise refuse(
                "long-line",
                f"a line has more than {MAX_LINE // 2**20} MB.",
                "Check that this is the right file and that its line ends were not lost.",
                row=text.count("\n", 0, start) + 1,
            )
        start = newline + 1


def _records(text: str, delimiter: str) -> Iterator[list[str]]:
    """Rows of cells; a row is what a spreadsheet would show as a row (quoted cells may hold line ends)."""
    lines = io.StringIO(text, newline=None)
    if delimiter in (" ", "  "):
        split: Callable[[str], list[str]] = str.split if delimiter == " " else re.compile(r"\s{2,}").split
        for line in lines:
            yield split(line.strip())
        return
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    row = 0
    while True:
        row += 1
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error as e:
            raise refuse(
                "quotes",
                f"this row cannot be taken apart ({e}); most often a quotation mark opens and never closes.",
                "Look for a stray quotation mark in this row; nothing may follow the mark that closes a cell.",
                row=row,
            ) from None


def _delimiter(text: str, know: Recogniser) -> tuple[str, bool]:
    """The delimiter, and whether the file itself names it (`sep=;` in its first line)."""
    first = text[:MAX_LINE].lstrip("\ufeff").split("\n", 1)[0].strip()
    told = _SEP.match(first)
    if told and told[1] in DELIMITERS:
        return told[1], True
    sample = text[: 1 << 18]
    if len(text) > len(sample):
        sample = sample[: max(sample.rfind("\n"), sample.rfind("\r")) + 1] or text[:MAX_LINE]
    best: tuple[float, float, int] = (-1.0, -1.0, 0)
    chosen = ","
    for rank, delimiter in enumerate(DELIMITERS):
        records = [r for r in _head(sample, delimiter) if any(c.strip() for c in r)]
        if not records:
            continue
        score = max(know.score(r) for r in records)
        widths = Counter(len(r) for r in records)
        width, times = max(widths.items(), key=lambda w: (w[1], w[0]))
        steady = times / len(records) if width > 1 else 0.0
        here = (float(score), round(steady, 2), -rank)
        if here > best:
            best, chosen = here, delimiter
    return chosen, False


def _head(text: str, delimiter: str) -> list[list[str]]:
    """The first rows, as far as they can be taken apart (a wrong delimiter breaks quotation marks)."""
    records = []
    try:
        for record in islice(_records(text, delimiter), LOOK_AHEAD):
            records.append(record)  # noqa: PERF402  what came before a broken row is kept
    except InputFaults:
        pass
    return records


def is_comment(record: Sequence[str]) -> bool:
    """Whether a row is a comment: it begins with # and has nothing in other cells, or is prose."""
    first = record[0].lstrip() if record else ""
    return first.startswith("#") and not first.startswith(("#DIV", "#N/A", "#VALUE", "#REF", "#NAME", "#NUM", "#NULL"))


def heading_row(records: Sequence[Sequence[str]], know: Recogniser, after: int = 0) -> int | None:
    """Position of the heading among the first rows: the row that names most columns of the contract.

    Comments and blank rows do not count, and a row further down must name at least two columns more than the
    first row does; where none does, the first row with text is the heading.
    """
    candidates = [i for i, r in enumerate(records) if i >= after and any(c.strip() for c in r) and not is_comment(r)]
    commented = [i for i, r in enumerate(records) if i >= after and r and is_comment(r)]
    for i in commented:  # "#model,drug,dose_um": a heading behind a hash
        stripped = [records[i][0].lstrip("# "), *records[i][1:]]
        if know.score(stripped) >= 2 and not any(know.score(records[j]) >= 2 for j in candidates):
            return i
    if not candidates:
        return None
    first = candidates[0]
    best = max(candidates, key=lambda i: (know.score(records[i]), -i))
    enough = know.score(records[best]) >= max(2, know.score(records[first]) + 1)
    return best if enough else first


def _heading_cells(record: Sequence[str]) -> list[str]:
    cells = [c.strip().lstrip("\ufeff") for c in record]
    if cells and is_comment(cells):
        cells[0] = cells[0].lstrip("# ")
    return cells


def _body(
    text: str, utf8: bytes | None, delimiter: str, at: int, width: int, one_line: bool
) -> tuple[tuple[Cells, ...], Any, tuple[tuple[int, str], ...]]:
    """Columns below the heading, the numbers of their rows, and the cells beyond the last heading."""
    if len(delimiter) == 1 and delimiter != " " and one_line:
        quick = _quick(text, utf8, delimiter, at, width)
        if quick is not None:
            return tuple(Cells(c) for c in quick), np.arange(at + 2, at + 2 + len(quick[0])), ()
    kept: list[list[str]] = []
    ragged: list[tuple[int, str]] = []
    for number, record in enumerate(_records(text, delimiter), start=1):
        if number <= at + 1:
            continue
        if len(record) > width:
            beyond = [c for c in record[width:] if c.strip()]
            if beyond:
                ragged.append((number, " ".join(beyond)[:80]))
            record = record[:width]
        elif len(record) < width:
            record = record + [""] * (width - len(record))
        kept.append(record)
    columns = list(zip(*kept, strict=True)) if kept else [()] * width
    return (
        tuple(Cells(pa.array(c, pa.string())) for c in columns),
        np.arange(at + 2, at + 2 + len(kept)),
        tuple(ragged),
    )


def _quick(text: str, utf8: bytes | None, delimiter: str, at: int, width: int) -> list[Any] | None:
    """The columns by Arrow's reader, for text whose rows all have the width of the heading.

    None where a row has another width, or where quotation marks stand elsewhere than around whole cells (readers
    differ on those): then the slow and exact way is taken.
    """
    data = utf8 if utf8 is not None else text.encode("utf-8")
    start = _offset(data, at + 1)
    quoted = data.find(b'"', start) >= 0
    if quoted and not _regular(delimiter).fullmatch(data, start):
        return None
    kind = pa.string() if len(data) < 2**31 - 1 else pa.large_string()
    body = memoryview(data)[start:]
    if not len(body):
        return [pa.array([], kind)] * width
    names = [str(i) for i in range(width)]
    try:
        table = pacsv.read_csv(
            pa.BufferReader(pa.py_buffer(body)),
            read_options=pacsv.ReadOptions(column_names=names, block_size=MAX_LINE + 2**20),
            parse_options=pacsv.ParseOptions(
                delimiter=delimiter,
                quote_char='"' if quoted else False,
                newlines_in_values=quoted,
                ignore_empty_lines=False,
            ),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(names, kind), strings_can_be_null=False, check_utf8=False
            ),
        )
    except pa.ArrowInvalid:
        return None
    return [table[n].combine_chunks() for n in names]


def _regular(delimiter: str) -> re.Pattern[bytes]:
    """Text whose quotation marks all stand around whole cells (or doubled inside them)."""
    d = re.escape(delimiter.encode())
    return re.compile(rb'(?:(?:[^"\r\n' + d + rb']*+|"(?:[^"]++|"")*+")(?:' + d + rb"|\r\n|\n|\r|\Z))*+")


def _offset(data: bytes, lines: int) -> int:
    """Position after that many lines (ends: LF, CR LF or CR)."""
    at = 0
    ends = re.compile(rb"\r\n|\n|\r")
    for _ in range(lines):
        found = ends.search(data, at)
        if found is None:
            return len(data)
        at = found.end()
    return at
