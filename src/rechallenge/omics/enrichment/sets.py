"""Collections of gene sets: those of the study, the built-in programmes of resistance, and installed ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from rechallenge.faults import Fault, InputFaults
from rechallenge.knowledge.questions.collections import INSTALLABLE, PROGRAMMES
from rechallenge.knowledge.questions.collections import gene_sets as collections
from rechallenge.knowledge.questions.collections import set_titles as titles
from rechallenge.study import TableSource
from rechallenge.tables.contract import Column, Contract

__all__ = ["GENE_SETS", "INSTALLABLE", "OWN", "PROGRAMMES", "collections", "read_sets", "titles"]

OWN = "own"


def read_sets(source: TableSource, folder: Path, contract: Contract, models: pd.DataFrame | None = None) -> Any:
    """Gene sets as GMT (a name, a description, genes, parted by tabs) or as a tidy table of set and gene."""
    from rechallenge.tables import files
    from rechallenge.tables.reading import TableRead, empty_frame, read_table

    found, faults = files.find(source.values, folder)
    out = TableRead(empty_frame(contract), faults)
    rows: list[tuple[str, str, str, str, int]] = []
    tidy = []
    for one in found:
        if not one.name.lower().endswith(".gmt"):
            tidy.append(one.name)
            continue
        try:
            content = files.load(one)
        except InputFaults as e:
            out.faults += e.faults
            continue
        out.files.append(content.record)
        name = source.name or Path(one.name).stem
        for n, line in enumerate(content.data.decode("utf-8", errors="replace").splitlines(), start=1):
            cells = line.split("\t")
            if len(cells) < 3 and line.strip():
                out.faults.append(
                    Fault("not-a-set", "this line is no gene set: a name, a description and genes between tabs.",
                          "Export the file as GMT again.", file=one.name, row=n)
                )  # fmt: skip
            rows += [(name, cells[0].strip(), g.strip(), one.name, n) for g in dict.fromkeys(cells[2:]) if g.strip()]
    frames = []
    if rows:
        frame = pd.DataFrame(rows, columns=["collection", "set", "gene", "_file", "_row"])
        frames.append(frame.assign(_sheet="").reindex(columns=[*out.frame.columns]))
    if tidy:
        read = read_table(contract, tidy, folder=folder, models=models)
        out.faults += read.faults
        out.files += read.files
        out.excluded = read.excluded
        frames.append(read.frame)
    if frames:
        out.frame = pd.concat(frames, ignore_index=True)
    return out


GENE_SETS = Contract(
    name="gene_sets",
    about="The study's own gene sets: GMT files, or one row per set and gene.",
    columns=(
        Column("set", "name of the set", required=True, also=("term", "pathway", "gene set", "gene_set")),
        Column("gene", "gene symbol, as in the expression table", required=True, refers="gene",
               also=("symbol", "gene symbol", "feature")),
        Column("collection", "which collection it belongs to", default=OWN),
    ),
    reader=f"{__name__}:read_sets",
    example="set,gene,collection\nmy signature,AKR1B1,own\nmy signature,SORD,own\n",
)  # fmt: skip
