"""Files made to do harm: what swells, what points elsewhere, what would be run. Nothing of it happens."""

# ruff: noqa: E501  files are read along their lines

from __future__ import annotations

import gzip
import io
import pickle
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import reader_cases as rc
import tifffile
from PIL import Image

from rechallenge.assays.images.decoding import load
from rechallenge.faults import InputFaults
from rechallenge.knowledge.errors import FormatError
from rechallenge.knowledge.parsing.reading import content
from rechallenge.omics.cells import files as cell_files
from rechallenge.study import Study, TableSource
from rechallenge.tables import workbook
from rechallenge.tables.files import Found
from rechallenge.tables.reading import read_study

#: what would show that a file was obeyed
RUNS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "pickle.find_class", "ctypes.dlopen",
        "socket.connect", "socket.getaddrinfo", "urllib.Request"}  # fmt: skip
_watched: list[list[tuple[str, str]]] = []


def _hook(event: str, details: tuple[Any, ...]) -> None:
    if _watched and (event in RUNS or event == "open"):
        _watched[-1].append((event, str(details[0]) if details else ""))


sys.addaudithook(_hook)


@contextmanager
def watched(secret: Path | None = None) -> Iterator[None]:
    """Nothing is run, nobody is called, and the secret file is not opened meanwhile."""
    _watched.append([])
    try:
        yield
    finally:
        seen = _watched.pop()
    assert not [s for s in seen if s[0] in RUNS]
    assert secret is None or not [s for s in seen if str(secret) in s[1] or s[1].endswith(secret.name)]


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECHALLENGE_DATA", str(tmp_path_factory.mktemp("data") / "knowledge"))


def codes(case: str, folder: Path, data: bytes, secret: Path | None = None) -> set[str]:
    """The faults of a case whose file has these bytes."""
    one = rc.by_name(case)
    rc.place(one, folder)
    with watched(secret):
        return {f.code for f in rc.reads(one, folder, data).faults if f.severity == "error"}


# what swells ------------------------------------------------------------------------------------------------------


def with_member(book: bytes, name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as good, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for info in good.infolist():
            if info.filename != name:
                z.writestr(info.filename, good.read(info))
        z.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize("case", ["workbook", "plate-books", "expression-book", "wave", "biacore", "qpcr-table"])
def test_a_workbook_that_swells_is_refused_by_every_reader(case: str, tmp_path: Path) -> None:
    book = rc.xlsx({"Results": [["x"]], "Other": [["y"]]}) if case == "qpcr-table" else rc.by_name(case).seeds()[0]
    assert "zip-bomb" in codes(case, tmp_path, with_member(book, "xl/media/image1.bin", bytes(20 * 2**20)))


@pytest.mark.parametrize("case", ["wave", "biacore"])
def test_a_stray_cell_makes_no_reader_allocate_the_sheet(case: str, tmp_path: Path) -> None:
    sheet = "xl/worksheets/sheet1.xml"
    with zipfile.ZipFile(io.BytesIO(rc.by_name(case).seeds()[0])) as z:
        xml = z.read(sheet)
    xml = xml.replace(b"</sheetData>", b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>')
    assert codes(case, tmp_path, with_member(rc.by_name(case).seeds()[0], sheet, xml)) == {"stray-cell"}


def test_a_zip_in_a_zip_is_not_opened(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("0.csv", bytes(2**20))
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w") as z:
        z.writestr("inner.zip", inner.getvalue())
    assert codes("workbook", tmp_path, outer.getvalue()) == {"wrong-format"}


LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("case", ["pzfx", "octet"])
def test_entities_are_not_unfolded(case: str, encoding: str, tmp_path: Path) -> None:
    text = (
        rc.by_name(case)
        .seeds()[0]
        .decode()
        .replace('encoding="UTF-8"?>', f'?><!DOCTYPE x [<!ENTITY l0 "lol">{LAUGHS}]>')
    )
    assert codes(case, tmp_path, text.replace("AKR1B1", "&l9;").replace("vehicle", "&l9;").encode(encoding))


def test_entities_in_a_workbook_are_not_unfolded(tmp_path: Path) -> None:
    book = rc.by_name("wave").seeds()[0]
    for name in ("xl/workbook.xml", "xl/sharedStrings.xml", "xl/styles.xml", "xl/worksheets/sheet1.xml"):
        with zipfile.ZipFile(io.BytesIO(book)) as z:
            xml = z.read(name) if name in z.namelist() else b"<sst/>"
        _, _, rest = xml.decode().rpartition("?>") if xml.startswith(b"<?xml") else ("", "", xml.decode())
        bad = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "lol">{LAUGHS}<!ENTITY f SYSTEM "file:///etc/passwd">]>{rest}'
        codes("wave", tmp_path, with_member(book, name, bad.replace("Basal", "&l9;").encode()))


@pytest.mark.parametrize(
    ("case", "data"),
    [
        ("expression", lambda: gzip.compress(bytes(40 * 2**20))),
        ("cell-text", lambda: gzip.compress(b"gene,c1,c2,c3\n" + b"0" * (2 * 2**20), 1)),
    ],
    ids=["matrix", "cells"],
)
def test_gzip_that_swells_is_not_read_to_its_end(
    case: str, data: Callable[[], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell_files, "LINE", 2**20)
    assert codes(case, tmp_path, data()) & {"zip-bomb", "not-cells"}


def test_published_tables_that_swell_are_not_read_to_their_end(tmp_path: Path) -> None:
    (tmp_path / "x.gz").write_bytes(gzip.compress(bytes(80 * 2**20)))
    with pytest.raises(FormatError, match="unpacks to more than"), content(tmp_path / "x.gz") as stream:
        while stream.read(1 << 20):
            pass


@pytest.mark.parametrize(
    "heading",
    [
        b"%%MatrixMarket matrix array real general\n5 6000000000\n1\n",
        b"%%MatrixMarket matrix coordinate integer general\n5 6 900000000000\n1 1 1\n",
        b"%%MatrixMarket matrix coordinate integer general\n2000000000 2000000000 1\n1 1 1\n",
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_matrix_makes_no_room_for_what_its_heading_claims(heading: bytes, packed: bool, tmp_path: Path) -> None:
    case, data = ("mtx-packed", gzip.compress(heading)) if packed else ("mtx", heading)
    assert codes(case, tmp_path, data) == {"damaged"}


def hdf5(edit: Callable[[Any], None], form: str = "csr") -> bytes:
    out = io.BytesIO(rc.h5ad(form))
    with h5py.File(out, "r+") as f:
        edit(f)
    return out.getvalue()


@pytest.mark.parametrize("name", ["obs/_index", "var/_index", "X/data", "X/indptr", "X"])
def test_hdf5_makes_no_room_for_what_was_never_written(name: str, tmp_path: Path) -> None:
    def edit(f: Any) -> None:
        kind = "S1" if name.endswith("_index") else "f4"
        del f[name]
        f.create_dataset(name, shape=(10**11,) if name != "X" else (10**6, 10**6), dtype=kind, chunks=True)

    assert codes("h5ad", tmp_path, hdf5(edit)) <= {"too-large", "damaged", "not-cells"} != set()


def test_parquet_makes_no_room_for_what_packs_too_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def of(table: Any) -> bytes:
        out = io.BytesIO()
        pq.write_table(table, out, compression="zstd")
        return out.getvalue()

    monkeypatch.setattr(workbook, "MAX_EMPTY", 10_000)
    many = of(pa.table({"model": pa.DictionaryArray.from_arrays(np.zeros(1_000_000, np.int8), ["P"])}))
    assert len(many) < 4_000
    assert codes("viability", tmp_path, many) == {"too-large"}
    monkeypatch.setattr(workbook, "MAX_TEXT", 2**24)
    long = of(pa.table({"model": ["x" * 2**20] * 100, "drug": ["a"] * 100}))
    assert codes("viability", tmp_path, long) == {"zip-bomb"}


def deflated(inside: int) -> bytes:
    """A TIFF of 32 x 32 pixels whose only strip unpacks to more than that."""
    strip = zlib.compress(bytes(inside))
    tags = [(256, 3, 32), (257, 3, 32), (258, 3, 8), (259, 3, 8), (262, 3, 1), (273, 4, 8), (277, 3, 1), (278, 3, 32),
            (279, 4, len(strip))]  # fmt: skip
    at = 8 + len(strip) + len(strip) % 2
    ifd = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", t, k, 1, v) for t, k, v in tags) + bytes(4)
    return b"II*\0" + struct.pack("<I", at) + strip.ljust(at - 8, b"\0") + ifd


def test_images_that_swell(tmp_path: Path) -> None:
    png = bytearray(rc.picture("PNG"))
    png[16:24] = struct.pack(">II", 60_000, 60_000)
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    wide = bytearray(deflated(1024))
    at = wide.index(struct.pack("<HHII", 256, 3, 1, 32))
    wide[at : at + 24] = struct.pack("<HHII", 256, 4, 1, 300_000) + struct.pack("<HHII", 257, 4, 1, 300_000)
    for data, code in ((bytes(png), "too-large"), (bytes(wide), "too-large"), (deflated(64 * 2**20), "zip-bomb")):
        assert codes("tiff", tmp_path, data) == {code}
    (tmp_path / "ok.tif").write_bytes(deflated(1024))
    assert load(Found(tmp_path / "ok.tif", "ok.tif")).shape == (32, 32)


# what points elsewhere --------------------------------------------------------------------------------------------


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A picture outside the study that no study may show."""
    (tmp_path / "study").mkdir()
    out = tmp_path / "secret.tif"
    tifffile.imwrite(out, np.full((24, 24), 199, np.uint8))
    return out


@pytest.mark.parametrize("name", ["../secret.tif", "{absolute}"])
def test_an_image_does_not_fetch_its_neighbours(name: str, secret: Path) -> None:
    planes = "".join(
        f'<TiffData FirstC="{c}" FirstT="0" FirstZ="0" IFD="0" PlaneCount="1"><UUID FileName="{f}">urn:uuid:{c}</UUID></TiffData>'
        for c, f in enumerate(("field.tif", name.format(absolute=secret)))
    )
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:0"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeX="24" SizeY="24" SizeC="2" SizeZ="1" SizeT="1">'
        f'<Channel ID="Channel:0:0"/><Channel ID="Channel:0:1"/>{planes}</Pixels></Image></OME>'
    )
    path = secret.parent / "study" / "field.tif"
    tifffile.imwrite(path, np.full((24, 24), 7, np.uint8), description=xml, metadata=None)
    with tifffile.TiffFile(path) as tif:
        assert 199 in tif.series[0].asarray(), "the library itself does fetch it"
    with watched(secret):
        assert set(np.unique(load(Found(path, "field.tif")))) == {7}


def test_images_that_are_programs_are_not_run(tmp_path: Path) -> None:
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n(/tmp/owned) (w) file closefile showpage\n%%EOF\n"
    assert codes("tiff", tmp_path, eps) == {"not-an-image"}
    assert codes("tiff", tmp_path, b"\xc5\xd0\xd3\xc6" + struct.pack("<II", 12, len(eps)) + eps) == {"not-an-image"}


def links(kind: str, other: str) -> Callable[[Any], None]:
    def edit(f: Any) -> None:
        if kind == "external link":
            del f["X"]
            f["X"] = h5py.ExternalLink(other, "X")
        elif kind == "external names":
            del f["obs"]
            f["obs"] = h5py.ExternalLink(other, "obs")
        elif kind == "soft link":
            del f["X"]
            f["elsewhere"] = h5py.ExternalLink(other, "/")
            f["X"] = h5py.SoftLink("/elsewhere/X")
        elif kind == "virtual":
            del f["X"]
            layout = h5py.VirtualLayout(shape=(6, 5), dtype="f4")
            layout[:] = h5py.VirtualSource(other, "X", shape=(6, 5))
            f.create_virtual_dataset("X", layout)
        elif kind == "raw bytes":
            del f["X"]
            f.create_dataset("X", shape=(6, 5), dtype="f4", external=[(other, 0, 120)])
        elif kind == "another group":
            for name in list(f):
                del f[name]
            f["matrix"] = h5py.ExternalLink(other, "matrix")
            f["GRCh38"] = h5py.ExternalLink(other, "matrix")

    return edit


@pytest.mark.parametrize(
    "kind", ["external link", "external names", "soft link", "virtual", "raw bytes", "another group"]
)
def test_hdf5_does_not_lead_to_another_file(kind: str, tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    other = tmp_path / "secret.h5"
    other.write_bytes(rc.h5ad("10x" if kind == "another group" else "dense"))
    found = codes("h5ad", tmp_path / "study", hdf5(links(kind, str(other)), "dense"))
    assert found <= {"linked-data", "not-cells"} != set()


def test_hdf5_in_circles_ends(tmp_path: Path) -> None:
    def edit(f: Any) -> None:
        f["obs/sample/categories_"] = f["obs/sample"]
        del f["obs/sample/categories"]
        f["obs/sample/categories"] = f["obs/sample"]
        f["obs/self"] = f["obs"]

    codes("h5ad", tmp_path, hdf5(edit))

    def names(f: Any) -> None:
        del f["obs/_index"]
        f["obs/_index/codes"] = np.zeros(6, np.int8)
        f["obs/_index/categories"] = f["obs/_index"]

    assert codes("h5ad", tmp_path, hdf5(names)) == {"not-cells"}


class Bad:
    """Says when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, ("import pathlib; pathlib.Path('/tmp/owned-by-pickle').write_text('x')",))


def test_pickles_are_not_opened(tmp_path: Path) -> None:
    owned = Path("/tmp/owned-by-pickle")
    owned.unlink(missing_ok=True)
    objects = io.BytesIO()
    np.save(objects, np.array([Bad()], dtype=object), allow_pickle=True)
    for data in (pickle.dumps(Bad()), objects.getvalue()):
        for case in ("viability", "expression", "cell-text", "tiff", "pzfx", "gmt"):
            codes(case, tmp_path, data)

    def edit(f: Any) -> None:
        f["obs/blob"] = np.void(pickle.dumps(Bad()))
        f["uns/blob"] = np.void(pickle.dumps(Bad()))
        f["obs"].attrs["blob"] = np.void(pickle.dumps(Bad()))

    assert codes("h5ad", tmp_path, hdf5(edit)) == set()
    assert not owned.exists()


@pytest.mark.parametrize("key", ["values", "samples", "map", "layout"])
@pytest.mark.parametrize("name", ["../out.csv", "{absolute}", "~/out.csv", "a/../../out.csv", "..\\out.csv", "link.csv", "dir/out.csv",
                                  "../*.csv", "dir/*.csv", "**/../../*.csv"])  # fmt: skip
def test_no_file_outside_the_study_is_read(key: str, name: str, tmp_path: Path) -> None:
    """Whichever key names it, of whichever kind of reader."""
    folder = tmp_path / "study"
    folder.mkdir()
    secret = tmp_path / "out.csv"
    secret.write_text("sample,model,replicate,secret\nP1,P,1,classified\n")
    (folder / "link.csv").symlink_to(secret)
    (folder / "dir").symlink_to(tmp_path, target_is_directory=True)
    (folder / "counts.tsv").write_text(rc.COUNTS)
    named = name.format(absolute=secret)
    for kind in ("expression", "plates", "cells", "images", "elisa"):
        source = {"values": ["counts.tsv"], key: [named] if key == "values" else named}
        study = Study(folder=folder, title="t", models=rc.MODELS, tables={kind: (TableSource.model_validate(source),)})
        with watched(secret):
            found = read_study(study, rc.discover().contracts)
        assert "classified" not in "".join(map(str, found.faults))
        assert all("classified" not in f.to_csv() for f in found.tables.values())
        assert not [i for i in found.inputs if i.path.endswith("out.csv") or i.path == "link.csv"]


def test_bytes_and_pictures_of_other_programs_are_refused(tmp_path: Path) -> None:
    for form in ("TGA", "ICO", "PCX"):
        out = io.BytesIO()
        Image.fromarray(np.zeros((32, 32), np.uint8)).convert("RGB").save(out, form)
        assert codes("tiff", tmp_path, out.getvalue()) == {"not-an-image"}
    with pytest.raises(InputFaults):
        load(Found(tmp_path / "none.tif", "none.tif"))


@pytest.mark.parametrize("name", ["a;b.csv", "a\nb.csv", "a\u202ecsv.exe", "a\x1b[2J.csv"])
def test_file_names_that_results_could_not_cite_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(rc.VIABILITY)
    for named in (name, "*.*"):
        study = Study(
            folder=tmp_path, title="t", models=rc.MODELS, tables={"viability": (TableSource(values=[named]),)}
        )
        faults = read_study(study, rc.discover().contracts).faults
        assert [f.code for f in faults if f.severity == "error"] == ["file-name"]
        assert "Rename the file" in str(faults[0])


@pytest.mark.parametrize("sheet", [True, False])
def test_two_columns_of_one_sample_are_a_fault(sheet: bool, tmp_path: Path) -> None:
    one = rc.by_name("expression")
    case = one if sheet else rc.Case("x", "patient_expression", "counts.tsv", one.seeds, {"unit": "counts"})
    rc.place(case, tmp_path)
    faults = rc.reads(case, tmp_path, rc.COUNTS.replace("P2", "P1").encode()).faults
    assert ("sample-twice", "P1") in {(f.code, f.value) for f in faults if f.severity == "error"}
    for name in ("dataset", "feature", "_file", "_row"):
        faults = rc.reads(case, tmp_path, rc.COUNTS.replace("P2", name).encode()).faults
        assert sheet or "sample-name" in {f.code for f in faults if f.severity == "error"}
    other = rc.COUNTS.replace("gene\t", "gene\tnote\tnote\t").replace("AKR1B1\t", "AKR1B1\t1\t2\t")
    rc.reads(one, rc.place(one, tmp_path), other.encode())
