"""Opening published files: plain, gzip or zip by content, whatever the name says; spreadsheets; columns by heading."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rechallenge.knowledge.downloading import looks_like_html
from rechallenge.knowledge.errors import FormatError

if TYPE_CHECKING:
    import pandas as pd

#: a packed file may unpack to this many bytes, or to this many times its size, whichever is more
HARMLESS, MAX_RATIO = 64 * 2**20, 200


@contextmanager
def content(path: Path, member: str = "") -> Iterator[IO[bytes]]:
    """The uncompressed bytes of a file; of a zip archive its first member whose name ends in `member`.

    FormatError where the file ends too early, is damaged, is empty or is a web page.
    """
    damaged = (
        f"{path.name} ends too early or is damaged. Fetch it again: rechallenge knowledge fetch --again NAME "
        "(or add a whole copy)."
    )
    try:
        with path.open("rb") as raw:
            magic = raw.read(512)
            raw.seek(0)
            if not magic:
                raise FormatError(f"{path.name} is empty.")
            if looks_like_html(magic):
                raise FormatError(f"{path.name} is a web page, not data. Download the data file itself.")
            if magic.startswith(b"\x1f\x8b"):
                with gzip.GzipFile(fileobj=raw) as stream:
                    yield _bounded(stream, path)
            elif magic.startswith(b"PK\x03\x04") and not path.name.lower().endswith((".xlsx", ".xlsm")):
                with zipfile.ZipFile(raw) as archive:
                    inside = [n for n in archive.namelist() if n.endswith(member) and not n.endswith("/")]
                    if not inside:
                        raise FormatError(f"{path.name} holds no file that ends in {member!r}.")
                    with archive.open(inside[0]) as packed:
                        yield _bounded(packed, path)
            else:
                yield raw
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, NotImplementedError) as e:
        raise FormatError(damaged) from e
    except (OSError, RuntimeError, ValueError) as e:
        if isinstance(e, OSError) and e.filename is not None:  # it is the disk and not the file's content
            raise
        raise FormatError(damaged) from e


class _Bounded(io.RawIOBase):
    """A stream that refuses to unpack to far more than any published table does."""

    def __init__(self, stream: Any, path: Path):
        self._stream, self._name = stream, path.name
        self._left = max(HARMLESS, MAX_RATIO * path.stat().st_size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise FormatError(
                f"{self._name} unpacks to more than {MAX_RATIO} times its size; it was not read further. Check where "
                "it comes from."
            )
        buffer[: len(data)] = data
        return len(data)


def _bounded(stream: Any, path: Path) -> IO[bytes]:
    return io.BufferedReader(_Bounded(stream, path))


@contextmanager
def lines(path: Path, member: str = "") -> Iterator[IO[str]]:
    """The text of a file, line by line (UTF-8, a byte-order mark dropped, other bytes replaced)."""
    with content(path, member) as stream, io.TextIOWrapper(stream, "utf-8-sig", errors="replace", newline=None) as text:
        yield text


def heading(text: object) -> str:
    """A heading as it is compared: letters and digits only, lower case."""
    return re.sub(r"[^a-z0-9]+", "", str(text).lower())


def pick(
    frame: pd.DataFrame, columns: Mapping[str, Sequence[str]], what: str, optional: Sequence[str] = ()
) -> pd.DataFrame:
    """Rename a frame's columns: new name -> headings under which it is known.

    FormatError names every column that is missing and not `optional`; an optional one is then empty.
    """
    import pandas as pd

    at: dict[str, int] = {}
    for i, name in enumerate(frame.columns):
        at.setdefault(heading(name), i)
    out: dict[str, Any] = {}
    missing: list[str] = []
    for new, known in columns.items():
        found_at = [at[heading(k)] for k in known if heading(k) in at]
        if found_at:
            out[new] = frame.iloc[:, found_at[0]]
        elif new in optional:
            out[new] = pd.Series("", index=frame.index, dtype=object)
        else:
            missing.append(known[0])
    if missing:
        found = ", ".join(map(str, frame.columns[:12])) + (", ..." if len(frame.columns) > 12 else "")
        raise FormatError(
            f"{what}: the format has changed. Missing column{'s' if len(missing) > 1 else ''}: {', '.join(missing)}. "
            f"Found: {found}. Until the parser is mended, add an older file: rechallenge knowledge add NAME FILE",
            missing=tuple(missing),
        )
    return pd.DataFrame(out, index=frame.index)


def delimited(path: Path, sep: str = "\t", *, quoted: bool = True, member: str = "", comment: str = "") -> pd.DataFrame:
    """A delimited table, every value as text. `comment` starts lines that are not data (only before the heading)."""
    import pandas as pd

    with lines(path, member) as stream:
        start = stream.readline()
        while comment and start.startswith(comment) and sep not in start:
            start = stream.readline()
        if not start.strip():
            raise FormatError(f"{path.name} has no heading line.")
        names = next(csv.reader([start.rstrip("\n")], delimiter=sep)) if quoted else start.rstrip("\n").split(sep)
        try:
            return pd.read_csv(
                stream,
                sep=sep,
                header=None,
                names=names if len(set(names)) == len(names) else [f"{n}.{i}" for i, n in enumerate(names)],
                dtype=str,
                keep_default_na=False,
                quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
                index_col=False,
                low_memory=False,
            )
        except (pd.errors.ParserError, pd.errors.EmptyDataError) as e:
            raise FormatError(f"{path.name} is not the table that was expected: {e}") from e


def sniffed(path: Path, *, quoted: bool = True) -> pd.DataFrame:
    """A delimited table whose separator (tab, comma, semicolon) is the commonest one in its heading."""
    with lines(path) as stream:
        start = stream.readline()
    return delimited(path, max("\t,;", key=start.count), quoted=quoted)


def sheets(path: Path) -> list[tuple[str, list[list[Any]]]]:
    """(name, rows of cells) of every sheet of a spreadsheet. FormatError where it cannot be read."""
    from python_calamine import CalamineError, CalamineWorkbook

    from rechallenge.faults import InputFaults
    from rechallenge.tables.xlsx import survey

    with path.open("rb") as stream:
        if looks_like_html(stream.read(512)):
            raise FormatError(f"{path.name} is a web page, not a spreadsheet.")
    data = path.read_bytes()
    try:
        survey(data, "xls" if data.startswith(b"\xd0\xcf\x11\xe0") else "xlsx")
    except InputFaults as e:
        raise FormatError(f"{path.name} cannot be read as a spreadsheet: {e.faults[0].message}") from e
    try:
        book = CalamineWorkbook.from_path(str(path))
        found = [(n, book.get_sheet_by_name(n).to_python(skip_empty_area=False)) for n in book.sheet_names]
        book.close()
    except (CalamineError, zipfile.BadZipFile, OSError) as e:
        raise FormatError(f"{path.name} cannot be read as a spreadsheet: {e}") from e
    return found


def table_in(rows: list[list[Any]], key: str) -> pd.DataFrame | None:
    """The table of a sheet whose heading row holds `key`, every value as text; None where no row does."""
    import pandas as pd

    for at, row in enumerate(rows[:200]):
        if any(heading(cell) == heading(key) for cell in row):
            names = [str(c).strip() or f"column {i}" for i, c in enumerate(row)]
            body = [[_text(c) for c in r] for r in rows[at + 1 :]]
            frame = pd.DataFrame(body, columns=names, dtype=object)
            return frame[(frame != "").any(axis=1)]
    return None


def is_spreadsheet(path: Path) -> bool:
    """Whether a file is an Excel workbook, by content."""
    with path.open("rb") as stream:
        start = stream.read(4)
    if start == b"\xd0\xcf\x11\xe0":
        return True
    if start != b"PK\x03\x04":
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return any(n.startswith("xl/") for n in archive.namelist())
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as e:
        raise FormatError(f"{path.name} ends too early or is damaged.") from e


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def joined(values: pd.Series[Any], sep: str) -> pd.Series[Any]:
    """Lists written with another separator, rewritten with `|` and without empty items."""
    pattern = re.compile(rf"\s*{re.escape(sep)}\s*")
    return values.map(lambda text: "|".join(filter(None, pattern.split(str(text).strip()))))
