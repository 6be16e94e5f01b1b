"""Every reader with small sound files to start from: what the fuzzers of `tests/hardening` and `fuzz/` damage.

A case is one file of one table kind, with whatever the kind needs beside it. `reads` is the promise that is tested:
a reader gives a table or faults that say what to do. It never raises, and what it gives can be stored and written.
"""

# ruff: noqa: E501  a table is read along its lines

from __future__ import annotations

import base64
import gzip
import io
import os
import struct
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import openpyxl
import pandas as pd
import tifffile
import xlwt
from PIL import Image
from scipy import io as mm
from scipy import sparse

from rechallenge import parquet
from rechallenge.analysis import discover
from rechallenge.faults import InputFaults, RechallengeError, errors
from rechallenge.outputs import csv_bytes
from rechallenge.study import Model, Study, TableSource
from rechallenge.tables import reading

MODELS = {
    "P": Model(role="parental"),
    "R": Model(role="resistant", parent="P", selected_with="lenvatinib"),
    "Huh-7 P": Model(role="parental"),
    "Huh-7 LR": Model(role="resistant", parent="Huh-7 P", selected_with="lenvatinib"),
    "HepG2": Model(role="parental"),
    "HepG2 SR": Model(role="resistant", parent="HepG2", selected_with="sorafenib"),
}


@dataclass(frozen=True)
class Case:
    """One file of a table kind: its name, sound contents, other keys of its source, and the files beside it."""

    name: str
    kind: str
    file: str
    seeds: Callable[[], list[bytes]]
    source: Mapping[str, Any] = field(default_factory=dict)
    beside: Callable[[], Mapping[str, bytes]] = dict


def reads(case: Case, folder: Path, data: bytes) -> reading.StudyTables:
    """Read `data` as the file of the case, in the folder; AssertionError where the promise is broken."""
    path = folder / case.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    source = {"values": [case.file], **case.source}
    study = Study(folder=folder, title="t", models=MODELS, tables={case.kind: (TableSource.model_validate(source),)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = reading.read_study(study, discover().contracts)
        for fault in found.faults:
            assert "could not be read as a table (" not in fault.message, str(fault)
            assert fault.message.strip() and (fault.remedy or fault.severity != "error"), str(fault)
        for frame in found.tables.values():
            assert parquet.decode(parquet.encode(frame)).shape == frame.shape
            csv_bytes(frame)
        csv_bytes(found.excluded)
    assert path.read_bytes() == data, "the input is never changed"
    return found


def place(case: Case, folder: Path) -> Path:
    """The folder with the files beside the case written."""
    for name, data in case.beside().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


# sound files ------------------------------------------------------------------------------------------------------


def xlsx(sheets: Mapping[str, list[list[Any]]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        page = book.create_sheet(name)
        for row in rows:
            page.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def xls(rows: list[list[Any]]) -> bytes:
    book = xlwt.Workbook()
    page = book.add_sheet("Data")
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            page.write(i, j, value)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _rows(text: str) -> list[list[Any]]:
    return [[_value(c) for c in line.split(",")] for line in text.strip().splitlines()]


def _value(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


VIABILITY = "model,drug,dose_um,replicate,viability,hours\n" + "".join(
    f"{m},lenvatinib,{d},{r},{0.9 - 0.05 * i},72\n"
    for m in ("Huh-7 P", "Huh-7 LR") for r in (1, 2) for i, d in enumerate((0, 0.5, 5))
)  # fmt: skip


def _viability() -> list[bytes]:
    rows = _rows(VIABILITY)
    frame = pd.DataFrame(rows[1:], columns=rows[0])
    text = VIABILITY.encode()
    return [
        text, VIABILITY.replace(",", ";").replace(".", ",").encode(), VIABILITY.replace(",", "\t").encode("utf-16"),
        VIABILITY.replace("dose_um", "dose (µM)").encode("cp1252"),
        parquet.encode(frame),
    ]  # fmt: skip


def _viability_books() -> list[bytes]:
    rows = _rows(VIABILITY)
    return [xlsx({"Data": rows}), xls(rows), xlsx({"Data": rows, "Notes": [["x"]]})]


def _tidy(kind: str) -> list[bytes]:
    return [discover().contracts[kind].example.encode()]


def plate_text() -> str:
    head = "Plate: 1\n," + ",".join(map(str, range(1, 13))) + "\n"
    return head + "".join(f"{'ABCDEFGH'[r]}," + ",".join(f"{1000 + 10 * c + r}.5" for c in range(12)) + "\n"
                          for r in range(8))  # fmt: skip


def _plates() -> list[bytes]:
    listed = "Well,Signal\n" + "".join(f"{r}{c:02d},{c}.5\n" for r in "ABCDEFGH" for c in range(1, 13))
    envision = "Plate information\nPlate,Repeat,Barcode,Measured height,Chamber temperature at start\n1,1,P1,0,23\n\n"
    return [
        plate_text().encode(),
        plate_text().encode("utf-16"),
        listed.encode(),
        (envision + plate_text()).encode(),
        plate_text().replace(",", "\t").encode(),
    ]


def _plate_books() -> list[bytes]:
    rows = [[_value(c) for c in line.split(",")] for line in plate_text().splitlines()]
    return [xlsx({"Plate 1": rows}), xls(rows)]


PLATE_MAP = b"well,drug,dose_um,well_type,model,replicate\nA01,DMSO,0,vehicle,P,1\nA02,lenvatinib,10,sample,P,1\n"
COUNTS = "gene\tP1\tP2\tR1\tR2\nAKR1B1\t10\t120\t1300\t1400\nCAV1\t5\t6\t70\t8\nIL6\t0\t1\t2\t3\n"
SHEET = b"sample,model,replicate,batch\nP1,P,1,a\nP2,P,2,b\nR1,R,1,a\nR2,R,2,b\n"
EXPORT = (
    "label,metaGroupId,groupId,goodPeakCount,medMz,medRt,maxQuality,isotopeLabel,compound,compoundId,formula,"
    "expectedRtDiff,ppmDiff,parent,s1,s2\n"
    ",0,1,9,89.02,6.4,.8,C12 PARENT,lactate,lactate,C3H6O3,3.2,.4,89.02,9e5,8.0e+005\n"
    ",0,2,9,90.02,6.4,.8,C13-label-1,lactate,lactate,C3H6O3,3.3,.7,89.02,30000,28000\n"
    "b,1,5,2,133.01,6.1,.1,C12 PARENT,malate,malate,C4H6O5,3.3,3.7,133.01,50,10\n"
    ",2,8,2,134.01,6.4,.9,D-label-1,malate,malate,C4H6O5,3.3,3.7,133.01,20,30\n"
)


def _matrix() -> list[bytes]:
    text = COUNTS.encode()
    return [
        text,
        gzip.compress(text),
        COUNTS.replace("\t", ";").encode("utf-16"),
        COUNTS.replace("gene\t", "").encode(),
    ]


def _max_quant() -> list[bytes]:
    head = ["Protein IDs", "Gene names", "Peptides", "Reverse", "Potential contaminant", "LFQ intensity P1",
            "LFQ intensity P2", "LFQ intensity R1", "LFQ intensity R2"]  # fmt: skip
    rows = [["P15121;B2R", "AKR1B1", "12", "", "", "1e7", "2e7", "3e8", "4e8"],
            ["REV__P1", "", "1", "+", "", "0", "0", "0", "0"], ["Q03135", "CAV1", "5", "", "", "1e6", "0", "2e6", "3e6"]]  # fmt: skip
    text = "\n".join("\t".join(r) for r in [head, *rows]) + "\n"
    return [text.encode()]


def _reporter() -> list[bytes]:
    head = ["Majority protein IDs", "Gene names", "Peptides", "Reverse"]
    head += [f"Reporter intensity corrected {i} {e}_1" for e in ("vehicle", "drug") for i in range(1, 5)]
    rows = [["P15121", "AKR1B1", "9", ""] + [str(1000 - 100 * i) for i in range(8)],
            ["Q03135", "CAV1", "4", "+"] + [str(2000 - 100 * i) for i in range(8)]]  # fmt: skip
    return ["\n".join("\t".join(r) for r in [head, *rows]).encode() + b"\n"]


def _reporter_sheet() -> Mapping[str, bytes]:
    lines = ["label,experiment,treatment,dose_um,temperature_c,replicate"]
    lines += [f"{i},{e}_1,{'vehicle' if e == 'vehicle' else 'epalrestat'},{0 if e == 'vehicle' else 10},{37 + 5 * i},1"
              for e in ("vehicle", "drug") for i in range(1, 5)]  # fmt: skip
    return {"samples.csv": ("\n".join(lines) + "\n").encode()}


def pzfx() -> bytes:
    return (
        b'<?xml version="1.0" encoding="UTF-8"?><GraphPadPrismFile xmlns="http://graphpad.com/prism/Prism.htm">'
        b'<Table ID="Table0" XFormat="none" YFormat="replicates" Replicates="2" TableType="OneWay"><Title>Caspase</Title>'
        b'<YColumn Width="1" Subcolumns="1"><Title>vehicle</Title><Subcolumn><d>1.0</d><d Excluded="1">2,5</d></Subcolumn>'
        b"</YColumn><YColumn><Title>drug</Title><Subcolumn><d>3</d><d>4</d></Subcolumn></YColumn></Table>"
        b'<Table ID="Table1" YFormat="replicates" TableType="TwoWay"><Title>Grouped</Title><RowTitlesColumn><Subcolumn>'
        b"<d>day 1</d></Subcolumn></RowTitlesColumn><YColumn><Title>drug</Title><Subcolumn><d>1</d></Subcolumn>"
        b"<Subcolumn><d>2</d></Subcolumn></YColumn></Table></GraphPadPrismFile>"
    )


def octet() -> bytes:
    def step(kind: str, sample: str, start: float) -> str:
        axis = [base64.b64encode(np.asarray(v, "<f4").tobytes()).decode() for v in
                (start + np.arange(12.0), np.linspace(0, 1, 12))]  # fmt: skip
        return (
            f"<Step><StepType>{kind}</StepType><CommonData><SampleID>{sample}</SampleID><Concentration>130</Concentration>"
            "<ConcentrationUnits>nM</ConcentrationUnits><MolarConcentration>-1</MolarConcentration><MolarConcUnits>M"
            f"</MolarConcUnits></CommonData><AssayXData>{axis[0]}</AssayXData><AssayYData>{axis[1]}</AssayYData></Step>"
        )

    steps = [("LOADING", "AKR1B1", 0), ("BASELINE", "", 20), ("KASSOC", "drug", 40), ("KDISASSOC", "", 60)]
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ExperimentResults><ExperimentInfo><SensorName>A1</SensorName>'
        f"</ExperimentInfo><KineticsData>{''.join(step(*s) for s in steps)}</KineticsData></ExperimentResults>"
    ).encode()


def biacore() -> bytes:
    head = ["Run", "Cycle", "Flow cell", "Sensorgram type", "Name", "Step purpose", "Relative response (RU)",
            "Capture 1 Solution", "Analyte 1 Solution", "Analyte 1 Concentration (nM)"]  # fmt: skip
    rows = [[1, c, 2, "Reference subtracted", "Analyte binding late_1", "Analysis", 5.0 * c, "AKR1B1", "drug", 10.0 * c]
            for c in range(1, 6)]  # fmt: skip
    return xlsx({"Report point table": [["Biacore"], head, *rows]})


def wave() -> bytes:
    rate = [["Measurement", "Well", "Group", "Time", "OCR", "ECAR", "PER"]]
    rate += [[m, f"A{w:02d}", "P", 6.5 * m, 100.0 + m + w, 20.0, 30.0] for m in range(1, 4) for w in range(1, 4)]
    layout = [["Assay Configuration", ""], ["Protocol Summary", ""], ["Basal", "Oligo"], ["Cycles: 2", "Cycles: 1"],
              ["", "Port(s) A"], ["Group Layout", ""], ["", "1"], ["A", "P"], ["Unselected Well", ""]]  # fmt: skip
    return xlsx({"Assay Configuration": layout, "Rate": rate})


def tiff() -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, _pixels(), compression=None, metadata={"axes": "YX"})
    return out.getvalue()


def ome() -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, np.stack([_pixels()] * 2), ome=True, metadata={"axes": "CYX"})
    return out.getvalue()


def _pixels() -> np.ndarray:
    image = np.full((24, 24), 20, np.uint8)
    image[6:12, 6:12] = 200
    return image


def picture(form: str) -> bytes:
    out = io.BytesIO()
    image = Image.fromarray(_pixels())
    (image if form != "JPEG" else image.convert("RGB")).save(out, form)
    return out.getvalue()


IMAGE_SHEET = (
    b"file,model,group,replicate,field,stain,pixel_size_um\nfield.tif,Huh-7 LR,vehicle,1,a,DAPI,0.5\n"
)  # fmt: skip


def h5ad(form: str = "csr") -> bytes:
    x = np.random.default_rng(0).poisson(0.8, (6, 5)).astype(np.float32)
    out = io.BytesIO()
    with h5py.File(out, "w") as f:
        if form == "10x":
            m = f.create_group("matrix")
            m["barcodes"] = np.array([f"c{i}" for i in range(6)], dtype="S")
            for k in ("data", "indices", "indptr"):
                m[k] = getattr(sparse.csr_array(x), k).astype(np.int64)
            m["shape"] = [5, 6]
            m["features/name"] = np.array(["ACTB", "GAPDH", "AKR1B1", "CAV1", "IL6"], dtype="S")
            m["features/feature_type"] = np.array(["Gene Expression"] * 5, dtype="S")
        else:
            for name, names in (
                ("obs", [f"c{i}" for i in range(6)]),
                ("var", ["ACTB", "GAPDH", "AKR1B1", "CAV1", "IL6"]),
            ):
                g = f.create_group(name)
                g.attrs["_index"] = "_index"
                g["_index"] = np.array(names, dtype=object)
            f["obs/sample/codes"] = np.array([0, 0, 0, 1, 1, 1], np.int8)
            f["obs/sample/categories"] = np.array(["P1", "R1"], dtype=object)
            if form == "dense":
                f["X"] = x
            else:
                g = f.create_group("X")
                g.attrs.update({"encoding-type": f"{form}_matrix", "shape": x.shape})
                made = sparse.csr_array(x) if form == "csr" else sparse.csc_array(x)
                for k in ("data", "indices", "indptr"):
                    g[k] = getattr(made, k)
    return out.getvalue()


def mtx() -> list[bytes]:
    out = io.BytesIO()
    x = np.random.default_rng(0).poisson(0.8, (5, 6)).astype(np.int64)
    mm.mmwrite(out, sparse.coo_array(x))
    return [out.getvalue()]


def _triple() -> Mapping[str, bytes]:
    return {
        "run/barcodes.tsv": "".join(f"c{i}\n" for i in range(6)).encode(),
        "run/features.tsv": "".join(f"ID{i}\t{g}\tGene Expression\n" for i, g in
                                    enumerate(["ACTB", "GAPDH", "AKR1B1", "CAV1", "IL6"])).encode(),
    }  # fmt: skip


def _cell_text() -> list[bytes]:
    text = "gene,c1,c2,c3\nACTB,0,1,5\nGAPDH,2,0,1\nAKR1B1,0,0,3\n"
    return [text.encode(), gzip.compress(text.encode()), text.replace(",", "\t").encode()]


def _zip(names: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in names.items():
            z.writestr(name, data)
    return out.getvalue()


DIANN = b"Protein.Group\tProtein.Ids\tGenes\tP1\tP2\tR1\tR2\nP15121\tP15121\tAKR1B1\t1e5\t2e5\t3e5\t4e5\n"
GMT = b"SET_A\thttp://example.org\tAKR1B1\tCAV1\tIL6\nSET_B\tna\tGAPDH\tACTB\n"
FASTA = b">AKR1B1 -10..+5\nACGTACGTACGTACG\n>CAV1 tss=3\nACGT\nAC\n"
PDBQT = (
    b"MODEL 1\nREMARK VINA RESULT:      -8.6      0.000      0.000\nENDMDL\n"
    b"MODEL 2\nREMARK VINA RESULT:      -7.1      1.2      2.3\nENDMDL\n"
)
#: kinds whose example is no table of the kind itself
NOT_TIDY = {"cells", "images", "plates", "promoters", "utrs"}


@lru_cache(maxsize=1)
def cases() -> tuple[Case, ...]:
    """All of them; every table kind is read by at least one."""
    found = [
        Case("viability", "viability", "t.csv", _viability),
        Case("workbook", "viability", "t.xlsx", _viability_books),
        Case("plates", "plates", "run.csv", _plates, {"map": "map.csv"}, lambda: {"map.csv": PLATE_MAP}),
        Case("plate-books", "plates", "run.xlsx", _plate_books, {"map": "map.csv"}, lambda: {"map.csv": PLATE_MAP}),
        Case("plate-map", "plates", "map.csv", lambda: [PLATE_MAP], {"values": ["run.csv"], "map": "map.csv"},
             lambda: {"run.csv": plate_text().encode()}),
        Case("expression", "expression", "counts.tsv", _matrix, {"samples": "s.csv", "unit": "counts"},
             lambda: {"s.csv": SHEET}),
        Case("expression-sheet", "expression", "s.csv", lambda: [SHEET],
             {"values": ["counts.tsv"], "samples": "s.csv", "unit": "counts"}, lambda: {"counts.tsv": COUNTS.encode()}),
        Case("expression-book", "expression", "counts.xlsx",
             lambda: [xlsx({"x": [[_value(c) for c in r.split("\t")] for r in COUNTS.splitlines()]})],
             {"samples": "s.csv", "unit": "counts"}, lambda: {"s.csv": SHEET}),
        Case("proteins", "proteins", "proteinGroups.txt", _max_quant, {"samples": "s.csv", "unit": "intensity"},
             lambda: {"s.csv": SHEET.replace(b"\nP", b"\nLFQ intensity P").replace(b"\nR", b"\nLFQ intensity R")}),
        Case("dia-nn", "proteins", "report.pg_matrix.tsv", lambda: [DIANN], {"samples": "s.csv", "unit": "intensity"},
             lambda: {"s.csv": SHEET}),
        Case("metabolites", "metabolites", "m.csv", lambda: [COUNTS.replace("gene", "metabolite").encode()],
             {"samples": "s.csv", "unit": "area"}, lambda: {"s.csv": SHEET}),
        Case("fatty_acids", "fatty_acids", "m.csv", lambda: [b"lipid,P1,P2,R1,R2\nPC 34:1,1,2,3,4\nFA 18:0,5,6,7,8\n"],
             {"samples": "s.csv", "unit": "area"}, lambda: {"s.csv": SHEET}),
        Case("isotopologues-wide", "isotopologues", "e.csv", lambda: [EXPORT.encode()], {"samples": "s.csv"},
             lambda: {"s.csv": b"sample,model,treatment,replicate,tracer\ns1,P,,1,[U-13C]glucose\ns2,R,,1,[U-13C]glucose\n"}),
        Case("gmt", "gene_sets", "sets.gmt", lambda: [GMT]),
        Case("promoters", "promoters", "p.fasta", lambda: [FASTA]),
        Case("utrs", "utrs", "u.fasta", lambda: [FASTA]),
        Case("docking-vina", "docking", "drug.pdbqt", lambda: [PDBQT], {"protein": "AKR1B1"}),
        Case("pzfx", "measurements", "m.pzfx", lambda: [pzfx()], {"model": "P"}),
        Case("octet", "binding", "a.frd", lambda: [octet()], {"protein": "AKR1B1"}),
        Case("biacore", "binding", "b.xlsx", lambda: [biacore()]),
        Case("sensorgrams", "binding", "s.csv", lambda: [b"Time,Conc. 50 nM,Conc. 5 nM\n0,0,0\n1,5,2\n2,8,3\n"],
             {"protein": "A", "ligand": "B"}),
        Case("wave", "seahorse", "w.xlsx", lambda: [wave()]),
        Case("reporter-ions", "thermal_shift", "proteinGroups.txt", _reporter, {"samples": "samples.csv"},
             _reporter_sheet),
        Case("reporter-sheet", "thermal_shift", "samples.csv", lambda: [*_reporter_sheet().values()],
             {"values": ["proteinGroups.txt"], "samples": "samples.csv"},
             lambda: {"proteinGroups.txt": _reporter()[0]}),
        Case("tiff", "images", "field.tif", lambda: [tiff(), ome()], {"samples": "images.csv"},
             lambda: {"images.csv": IMAGE_SHEET}),
        Case("picture", "images", "field.tif", lambda: [picture(f) for f in ("PNG", "JPEG", "BMP")],
             {"samples": "images.csv"}, lambda: {"images.csv": IMAGE_SHEET}),
        Case("h5ad", "cells", "c.h5ad", lambda: [h5ad(f) for f in ("csr", "csc", "dense", "10x")], {"model": "P"}),
        Case("mtx", "cells", "run/matrix.mtx", mtx, {"values": ["run/*"], "model": "P"}, _triple),
        Case("mtx-packed", "cells", "run/matrix.mtx.gz", lambda: [gzip.compress(d) for d in mtx()],
             {"values": ["run/*"], "model": "P"}, _triple),
        Case("cell-text", "cells", "c.csv", _cell_text, {"model": "P"}),
    ]  # fmt: skip
    contracts = discover().contracts
    matrices = {k for k, c in contracts.items() if c.reader == "matrix"}
    for kind, contract in contracts.items():
        if contract.example and kind not in matrices and kind not in NOT_TIDY:
            found.append(Case(f"{kind}-table", kind, "t.csv", lambda k=kind: _tidy(k)))
    return tuple(found)


def by_name(name: str) -> Case:
    return next(c for c in cases() if c.name == name)


# study files, stores and published tables --------------------------------------------------------------------------

STUDY = """\
[study]
title = "Acquired resistance"
therapies = ["lenvatinib"]
seed = 3
[models]
"Huh-7 P" = { role = "parental" }
"Huh-7 LR" = { role = "resistant", parent = "Huh-7 P", selected_with = "lenvatinib" }
[tables]
viability = { values = ["*.csv"], sheet = "Data", hours = 72 }
[options.curves]
interval = "delta"
[exposure.lenvatinib]
cmax_total = 0.5
[[contrasts]]
name = "a"
model = "Huh-7 LR"
against = "Huh-7 P"
"""


def study_file(folder: Path, data: bytes) -> None:
    """`data` as study.toml is a study that can be read and keyed, or faults."""
    from rechallenge.pipeline import options as given
    from rechallenge.store import canonical
    from rechallenge.study import problems

    (folder / "study.toml").write_bytes(data)
    try:
        study = Study.load(folder)
    except InputFaults as e:
        assert e.faults and all(f.message for f in e.faults)
        assert problems(folder)
        return
    problems(folder)
    registry = discover()
    options, faults = given.options(study, registry)
    assert all(f.message for f in faults)
    if errors(faults):
        return
    canonical({k: dict(v) for k, v in options.items()})
    found = reading.read_study(study, registry.contracts)
    for fault in found.faults:
        assert "could not be read as a table (" not in fault.message, str(fault)
    for frame in study.own_tables().values():
        parquet.encode(frame)
    for kind, spec in study.tables.items():
        canonical([kind, [s.model_dump() for s in spec]])


def knowledge_file(folder: Path, name: str, data: bytes) -> None:
    """`data` as the first published file of a knowledge table is a table or an error of this package."""
    from rechallenge.knowledge import catalogue
    from rechallenge.knowledge.installing import parse

    one = catalogue.get(name)
    path = folder / one.sources[0].file
    path.write_bytes(data)
    paths = [folder / s.file for s in one.sources]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            parse(one, paths)
        except RechallengeError as e:
            assert str(e).strip()


def scratch() -> Path:
    """A fresh folder, in memory where the machine has such a place."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix="rechallenge-fuzz-", dir=base))


def damaged(data: bytes, changes: list[tuple[str, int, int, bytes]]) -> bytes:
    """`data` after these changes, each (what, position, length, bytes): cut, drop, repeat, put, swap a number."""
    out = bytearray(data)
    for what, at, length, some in changes:
        at = at % (len(out) + 1)
        end = min(len(out), at + length)
        if what == "cut":
            del out[at:]
        elif what == "drop":
            del out[at:end]
        elif what == "repeat":
            out[at:at] = out[at:end] * 3
        elif what == "put":
            out[at:at] = some
        elif what == "over":
            out[at : at + len(some)] = some
        elif what == "number" and at + 4 <= len(out):
            out[at : at + 4] = struct.pack("<I", (length * 2654435761) & 0xFFFFFFFF)
    return bytes(out)
