"""What a file is, from its first bytes, and how its text is encoded."""

from __future__ import annotations

import codecs
import re
import zipfile
import zlib
from io import BytesIO

from rechallenge.faults import Fault, InputFaults

#: (first bytes, what that is, what to do)
_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"\x89PNG\r\n", "a picture (PNG)", "Give the table itself, not a picture of it."),
    (b"\xff\xd8\xff", "a picture (JPEG)", "Give the table itself, not a picture of it."),
    (b"GIF8", "a picture (GIF)", "Give the table itself, not a picture of it."),
    (b"II*\0", "a picture (TIFF)", "Give the table itself, not a picture of it."),
    (b"MM\0*", "a picture (TIFF)", "Give the table itself, not a picture of it."),
    (b"%PDF", "a PDF document", "Export the table as CSV or Excel; a PDF holds no cells."),
    (b"MIME-Version:", "a web page archive", "Open it in a spreadsheet and save it as .xlsx or .csv."),
    (b"{\\rtf", "a rich-text document", "Copy the table into a spreadsheet and save it as CSV or Excel."),
    (b"\x1f\x8b", "a compressed file (gzip)", "Unpack it and name the table inside."),
    (b"BZh", "a compressed file (bzip2)", "Unpack it and name the table inside."),
    (b"\xfd7zXZ\0", "a compressed file (xz)", "Unpack it and name the table inside."),
    (b"7z\xbc\xaf'\x1c", "a compressed archive (7z)", "Unpack it and name the table inside."),
    (b"Rar!", "a compressed archive (rar)", "Unpack it and name the table inside."),
    (b"\x89HDF", "an HDF5 file (.h5, .h5ad)", "Name it under `cells`, or export the table as CSV."),
    (b"SQLite format 3\0", "a database (SQLite)", "Export the table as CSV."),
    (b"ARROW1", "an Arrow (Feather) file", "Save it as Parquet or CSV."),
    (b"FEA1", "a Feather file", "Save it as Parquet or CSV."),
    (b"RDX", "an R workspace", "Write the table from R with write.csv."),
    (b"\x7fELF", "a program", "Name the file that holds the table."),
    (b"MZ\x90", "a program", "Name the file that holds the table."),
    (
        b"version https://git-lfs.github.com/spec/",
        "a pointer of Git LFS, not the table itself",
        "Fetch the content with `git lfs pull`.",
    ),
)
_HTML = re.compile(rb"^\s*(<!--.*?-->\s*)?<(!doctype\s+html|html|head|table|meta|body)\b", re.I | re.S)
_JSON = re.compile(rb"^\s*(\{\s*\"|\[\s*[\[{])")
_TEXT_CONTROL = bytes(set(range(32)) - {9, 10, 11, 12, 13, 27, 26})
_BOMS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def refuse(code: str, message: str, remedy: str, **place: object) -> InputFaults:
    """An `InputFaults` of one fault; the caller fills in the file."""
    return InputFaults([Fault(code, message, remedy, **place)])  # type: ignore[arg-type]


def kind_of(data: bytes) -> str:
    """'xlsx', 'xlsb', 'ods', 'xls', 'parquet' or 'text'. Raises InputFaults that say what else it is."""
    if data.startswith(b"PK\x03\x04") or data.startswith(b"PK\x05\x06"):
        return _in_zip(data)
    if data.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return "xls"
    if data.startswith(b"PAR1"):
        return "parquet"
    for magic, what, remedy in _MAGIC:
        if data.startswith(magic):
            raise refuse("wrong-format", f"this is {what}, whatever its name says.", remedy)
    head = data[:4096].removeprefix(codecs.BOM_UTF8)
    if _HTML.match(head):
        raise refuse(
            "wrong-format",
            "this is a web page (HTML), as some instruments and web sites save 'Excel' files.",
            "Open it in a spreadsheet and save it as .xlsx or .csv.",
        )
    if _JSON.match(head):
        raise refuse("wrong-format", "this is a JSON file.", "Write the table as CSV, one row per observation.")
    if head.lstrip().startswith(b"<?xml") or head.lstrip().startswith(b"<Workbook"):
        what = "an Excel 2003 XML file" if b"schemas-microsoft-com:office:spreadsheet" in head else "an XML file"
        raise refuse(
            "wrong-format",
            f"this is {what}, not a table that can be read.",
            "Open it in a spreadsheet and save it as .xlsx.",
        )
    return "text"


def _in_zip(data: bytes) -> str:
    try:
        with zipfile.ZipFile(BytesIO(data)) as z:
            names = set(z.namelist())
            mimetype = z.read("mimetype") if "mimetype" in names and z.getinfo("mimetype").file_size < 1000 else b""
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, EOFError, RuntimeError, zlib.error) as e:
        raise refuse(
            "corrupt",
            "the workbook (or archive) is damaged or was cut off.",
            "Open it in a spreadsheet and save it again, or copy it again.",
        ) from e
    if "xl/workbook.xml" in names:
        return "xlsx"
    if "xl/workbook.bin" in names:
        return "xlsb"
    if "content.xml" in names and b"spreadsheet" in mimetype:
        return "ods"
    inside = "a zip archive"
    if "content.xml" in names and mimetype:
        inside = "an OpenDocument text or drawing"
    elif any(n.startswith("word/") for n in names):
        inside = "a Word document"
    elif any(n.startswith("ppt/") for n in names):
        inside = "a presentation"
    elif any(n.endswith(".iwa") for n in names):
        inside = "an Apple Numbers document"
    raise refuse(
        "wrong-format",
        f"this is {inside}, not a table.",
        "Unpack it and name the table inside." if inside == "a zip archive" else "Export the table as .xlsx or .csv.",
    )


def decode(data: bytes) -> tuple[str, str]:
    """Text and the name of its encoding, as detected. Raises InputFaults where no encoding fits.

    A byte-order mark decides; then UTF-16 by its zero bytes; then UTF-8 if all of it is valid; then Windows-1252,
    unless the bytes are only sensible as Mac Roman. Nothing is replaced by a question mark.
    """
    for bom, name in _BOMS:
        if data.startswith(bom):
            try:
                return data.decode(name), {"utf-8-sig": "UTF-8", "utf-16": "UTF-16", "utf-32": "UTF-32"}[name]
            except UnicodeDecodeError as e:
                raise _garbled(
                    data, e.start, f"it begins as {name.removesuffix('-sig').upper()} but does not stay so"
                ) from None
    wide = _utf16(data)
    if wide:
        return wide
    try:
        return data.decode("utf-8"), "ASCII" if data.isascii() else "UTF-8"
    except UnicodeDecodeError as e:
        problem = e
    if data.translate(None, _TEXT_CONTROL) != data:
        raise refuse(
            "wrong-format",
            "this is not text and not a kind of file that can be read as a table.",
            "Save the table as .csv or .xlsx.",
        )
    if re.search(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}", data[: problem.start]):
        raise _garbled(data, problem.start, "it mixes UTF-8 with another encoding") from None
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError as e:
        mac = data.decode("mac_roman")
        odd = {c for c in mac if ord(c) > 127}
        if all(c.isalpha() or c in "µ°±–—’‘“”²³" for c in odd):
            return mac, "Mac Roman"
        raise _garbled(
            data, e.start, "its letters fit no encoding that is known here (UTF-8, UTF-16, Windows-1252, Mac Roman)"
        ) from None
    return text, "Windows-1252"


def _utf16(data: bytes) -> tuple[str, str] | None:
    """UTF-16 without a byte-order mark: every second byte of its plain letters is zero."""
    head = data[:4096]
    if len(data) < 4 or len(data) % 2 or b"\0" not in head:
        return None
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = len(head) / 2
    for zeros, others, name in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
        if zeros > 0.7 * half and others < 0.05 * half:
            try:
                return data.decode(name), name.upper()
            except UnicodeDecodeError:
                return None
    return None


def _garbled(data: bytes, at: int, why: str) -> InputFaults:
    row = data[:at].count(b"\n") + 1
    return refuse(
        "encoding",
        f"the text cannot be decoded: {why}.",
        "Save the table as CSV UTF-8 (in Excel: 'CSV UTF-8 (comma delimited)').",
        row=row,
        value=data[max(0, at - 10) : at + 10].decode("ascii", "backslashreplace"),
    )
