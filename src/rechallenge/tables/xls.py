"""What an XLS workbook (Excel 97 to 2003) declares, looked at before its cells are read.

The reader of cells gives an empty cell for an error such as #DIV/0!, and makes room for every cell up to the last
one, which a damaged file can put anywhere. Both are seen here first, in the records of the workbook stream
([MS-CFB] for the container, [MS-XLS] for the records).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from rechallenge.tables.sniff import refuse

_END = 0xFFFFFFFA  # larger sector numbers are marks, not sectors
_ERRORS = {0x00: "#NULL!", 0x07: "#DIV/0!", 0x0F: "#VALUE!", 0x17: "#REF!", 0x1D: "#NAME?", 0x24: "#NUM!", 0x2A: "#N/A"}
_BOF, _SHEET, _PASSWORD, _STRINGS, _CONTINUE, _EXTENT = 0x809, 0x85, 0x2F, 0xFC, 0x3C, 0x200
_FORMULA, _ERROR, _MANY = 0x06, 0x205, 0xBD
_CELLS = {_FORMULA, _ERROR, _MANY, 0x203, 0x27E, 0xFD, 0x204, 0xD6}
#: Rows and columns of a sheet in this format.
_ROWS, _COLUMNS = 65536, 256


def flawed_cells(data: bytes) -> dict[str, dict[tuple[int, int], str]]:
    """By sheet name and (row, column) from 0: the error that a cell holds.

    Raises InputFaults (without file): `password`, `wrong-format` for other Office files, `corrupt` for a container or
    a record that cannot be.
    """
    try:
        streams = _Container(data)
        book = streams.read("Workbook") or streams.read("Book")
        if not book:
            raise _not_a_workbook(streams.names)
        return _scan(book)
    except (struct.error, IndexError, ValueError, RecursionError) as e:
        raise refuse(
            "corrupt",
            f"the Excel 97 workbook is damaged or was cut off ({e}).",
            "Open it in a spreadsheet and save it again, or copy it again.",
        ) from e


def _not_a_workbook(names: set[str]) -> Exception:
    if "EncryptedPackage" in names:
        return _protected()
    what = "a Word document" if "WordDocument" in names else "a file of another Office program"
    return refuse("wrong-format", f"this is {what}, not a workbook.", "Open it, and save the table as .xlsx or .csv.")


def _protected() -> Exception:
    return refuse(
        "password",
        "the workbook is protected by a password.",
        "Save a copy without a password, or export the sheet as CSV.",
    )


class _Container:
    """The streams of a compound file, by name."""

    def __init__(self, data: bytes):
        self._data = data
        self._size = 1 << self._u16(30)
        self._small = 1 << self._u16(32)
        if self._size not in (512, 4096) or self._small != 64:
            raise ValueError("impossible sector size")
        self._most = len(data) // self._size + 1
        if max(self._u32(at) for at in (40, 44, 64, 72)) > self._most:
            raise ValueError("more sectors than the file has")
        fat_sectors = [s for s in struct.unpack_from("<109I", data, 76) if s < _END]
        at, left = self._u32(68), self._u32(72)
        while at < _END and left > 0 and len(fat_sectors) <= self._most:
            more = struct.unpack(f"<{self._size // 4}I", self._sector(at))
            fat_sectors += [s for s in more[:-1] if s < _END]
            at, left = more[-1], left - 1
        fat = b"".join(self._sector(s) for s in fat_sectors)
        self._fat = struct.unpack(f"<{len(fat) // 4}I", fat)
        mini = self._chain(self._u32(60)) if self._u32(60) < _END else b""
        self._mini_fat = struct.unpack(f"<{len(mini) // 4}I", mini)
        self._entries: dict[str, tuple[int, int]] = {}
        self._mini_stream = b""
        directory = self._chain(self._u32(48))
        for i in range(0, len(directory) - 127, 128):
            entry = directory[i : i + 128]
            length, kind = struct.unpack_from("<HB", entry, 64)
            start, size = struct.unpack_from("<II", entry, 116)
            if kind == 5:
                self._mini_stream = self._chain(start)[:size] if start < _END else b""
            elif kind == 2:
                if size > len(data):
                    raise ValueError("a stream larger than the file")
                self._entries.setdefault(entry[: max(0, length - 2)].decode("utf-16-le", "replace"), (start, size))

    @property
    def names(self) -> set[str]:
        return set(self._entries)

    def read(self, name: str) -> bytes:
        """The bytes of a stream; empty where there is none of that name."""
        if name not in self._entries:
            return b""
        start, size = self._entries[name]
        if size >= self._u32(56):
            return self._chain(start)[:size]
        chain = self._follow(start, self._mini_fat, len(self._mini_stream) // self._small + 1)
        return b"".join(self._mini_stream[at * self._small : (at + 1) * self._small] for at in chain)[:size]

    def _u16(self, at: int) -> int:
        return int(struct.unpack_from("<H", self._data, at)[0])

    def _u32(self, at: int) -> int:
        return int(struct.unpack_from("<I", self._data, at)[0])

    def _sector(self, number: int) -> bytes:
        sector = self._data[(number + 1) * self._size : (number + 2) * self._size]
        if not sector:
            raise ValueError("a sector beyond the end of the file")
        return sector.ljust(self._size, b"\0")

    def _chain(self, start: int) -> bytes:
        return b"".join(self._sector(at) for at in self._follow(start, self._fat, self._most))

    @staticmethod
    def _follow(start: int, fat: tuple[int, ...], most: int) -> Iterator[int]:
        at, steps = start, 0
        while at < _END:
            steps += 1
            if steps > most:
                raise ValueError("a chain of sectors without end")
            yield at
            at = fat[at]


def _records(book: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(position, kind, content) of every record."""
    at = 0
    while at + 4 <= len(book):
        kind, size = struct.unpack_from("<HH", book, at)
        yield at, kind, book[at + 4 : at + 4 + size]
        at += 4 + size


def _scan(book: bytes) -> dict[str, dict[tuple[int, int], str]]:
    names: dict[int, str] = {}
    found: dict[str, dict[tuple[int, int], str]] = {}
    sheet = ""
    strings = room = 0
    for at, kind, content in _records(book):
        if kind == _STRINGS:
            strings, room = struct.unpack_from("<I", content, 4)[0], len(content)
        elif kind == _CONTINUE:
            room += len(content)
        if kind == _EXTENT:
            _check_extent(content)
        if kind == _PASSWORD:
            raise _protected()
        if kind == _SHEET:
            position, name = _sheet(content)
            names[position] = name
        elif kind == _BOF and at in names:
            sheet = names[at]
            found[sheet] = {}
        elif kind in _CELLS and sheet:
            row, column = struct.unpack_from("<HH", content)
            last = struct.unpack_from("<H", content, len(content) - 2)[0] if kind == _MANY else column
            if max(column, last) >= _COLUMNS:
                raise ValueError(f"a cell in column {max(column, last) + 1}, which this format does not have")
            if kind == _ERROR and len(content) >= 8 and content[7] == 1:
                found[sheet][row, column] = _ERRORS.get(content[6], "#VALUE!")
            elif kind == _FORMULA and content[12:14] == b"\xff\xff" and content[6] == 2:
                found[sheet][row, column] = _ERRORS.get(content[8], "#VALUE!")
    if strings > room / 3:
        raise ValueError("more texts than the file has room for")
    return found


def _check_extent(content: bytes) -> None:
    """The declared first and last rows and columns of a sheet; two bytes for a row before Excel 97."""
    form = "<IIHH" if len(content) >= 14 else "<HHHH"
    row, last_row, column, last_column = struct.unpack_from(form, content)
    if row > last_row or last_row > _ROWS or column > last_column or last_column > _COLUMNS:
        raise ValueError(f"a sheet of {last_row} rows and {last_column} columns, which this format does not have")


def _sheet(content: bytes) -> tuple[int, str]:
    """Position and name of a sheet."""
    position, _, length, wide = struct.unpack_from("<IHBB", content)
    raw = content[8:]
    return position, raw[: 2 * length].decode("utf-16-le", "replace") if wide & 1 else raw[:length].decode("latin-1")
