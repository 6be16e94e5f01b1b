"""A table contract like that of viability, a study to read it in, and ways to write tables as labs do."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd

from rechallenge.faults import Fault
from rechallenge.study import Model, Study, TableSource
from rechallenge.tables.contract import Column, Contract
from rechallenge.tables.reading import StudyTables, read_study

VIABILITY = Contract(
    name="viability",
    about="Viability after treatment, one row per well or replicate.",
    columns=(
        Column("model", "the model treated", required=True, refers="model", also=("cell line", "line")),
        Column("drug", "the drug", required=True, refers="drug", also=("compound",)),
        Column("dose_um", "dose", "number", required=True, unit="µM", low=0, also=("concentration", "conc")),
        Column("replicate", "biological replicate", required=True, also=("rep", "experiment")),
        Column("viability", "viability", "number", unit="fraction", low=-0.5, high=2.5, measured=True),
        Column("signal", "raw signal", "number", measured=True, low=0, also=("absorbance", "luminescence")),
        Column("well_type", "what the well holds", choices=("sample", "vehicle", "blank", "positive")),
        Column("plate", "plate"),
        Column("perturbation", "genetic change", default="none"),
        Column("medium", "medium"),
        Column("stage", "stage of dose escalation"),
        Column("hours", "hours of treatment", "number", unit="h", low=0, low_open=True, also=("time",)),
    ),
    key=("model", "drug", "dose_um", "replicate", "perturbation", "medium", "stage", "hours"),
    either=(("viability",), ("signal", "well_type", "plate")),
)

GENES = Contract(
    name="genes",
    about="One value per gene.",
    columns=(
        Column("gene", "gene symbol", required=True, refers="gene", also=("symbol",)),
        Column("value", "value", "number", required=True, measured=True),
        Column("count", "how many", "integer", default=1, low=1),
    ),
    key=("gene",),
)

WELLS = Contract(
    name="wells",
    about="One value per well.",
    columns=(
        Column("plate", "plate", required=True),
        Column("well", "well", required=True),
        Column("signal", "raw signal", "number", required=True, measured=True),
        Column("unit", "unit of the signal", default="AU"),
    ),
    key=("plate", "well"),
)

#: No key of its own, and wells that may be left out.
READS = Contract(
    name="reads",
    about="One reading per well, or per dose.",
    columns=(
        Column("drug", "the drug", required=True),
        Column("well", "well"),
        Column("signal", "raw signal", "number", required=True, measured=True),
    ),
)

CONTRACTS = {c.name: c for c in (VIABILITY, GENES, WELLS, READS)}
MODELS = {
    "Huh-7 P": Model(role="parental"),
    "Huh-7 LR": Model(role="resistant", parent="Huh-7 P", selected_with="lenvatinib"),
}
GOOD = """\
model,drug,dose_um,replicate,viability
Huh-7 P,lenvatinib,0,1,1.02
Huh-7 P,lenvatinib,1.5,1,0.81
Huh-7 P,lenvatinib,15,1,0.4
Huh-7 LR,lenvatinib,15,1,0.85
"""


def study(folder: Path, **tables: str | list[str] | TableSource) -> Study:
    """A study in that folder with these tables, as `Study.load` would give it."""
    sources = {
        kind: (s if isinstance(s, TableSource) else TableSource(values=[s] if isinstance(s, str) else s),)
        for kind, s in tables.items()
    }
    return Study(folder=folder.resolve(), title="Test", models=MODELS, tables=sources)


def read_one(folder: Path, content: bytes | str, name: str = "table.csv", kind: str = "viability") -> StudyTables:
    """Write one file, read the study that names it."""
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_study(study(folder, **{kind: name}), CONTRACTS)


def frame_of(data: bytes, folder: Path, name: str = "t", kind: str = "viability") -> pd.DataFrame:
    """The frame of a table that has no faults."""
    tables = read_one(folder, data, name, kind)
    assert not serious(tables), tables.faults
    return tables.tables[kind]


def serious(tables: StudyTables) -> list[Fault]:
    """The faults that stop a run."""
    return [f for f in tables.faults if f.severity == "error"]


def said(tables: StudyTables, code: str) -> list[Fault]:
    """The faults with that code, of every severity."""
    return [f for f in tables.faults if f.code == code]


def digest(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in a folder."""
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }
