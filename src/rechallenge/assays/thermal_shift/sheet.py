"""The sheet that says what each TMT label or column of a wide export holds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.faults import Fault
from rechallenge.tables.contract import Column, Contract
from rechallenge.tables.reading import TableRead, read_table

#: a TMT label
LABEL = r"(1[23]\d)([NCLH]?)"


@lru_cache(maxsize=1)
def samples_form() -> Contract:
    """The sheet that says what each label or column of an export holds."""
    return Contract(
        "thermal_shift",
        "What each label or column of an export holds.",
        (
            Column("column", "heading of the column in the export", also=("heading",)),
            Column("label", "TMT label, or number of the channel", also=("channel", "tmt", "tag")),
            Column("experiment", "file or plex that the label belongs to", also=("file", "plex", "run", "exp")),
            Column("treatment", "drug; vehicle for the control", required=True, also=("condition", "compound", "drug")),
            Column("dose_um", "concentration", "number", unit="µM", low=0.0, also=("conc", "concentration")),
            Column("temperature_c", "temperature", "number", unit="°C", also=("temperature", "temp")),
            Column("range_c", "temperatures pooled", also=("temperature range",)),
            Column("replicate", "biological replicate", required=True),
            Column("model", "cells, as named in study.toml", also=("cell_line", "cells")),
        ),
        either=(("column",), ("label",)),
    )  # fmt: skip


def label_name(text: str) -> str:
    """A TMT label in one spelling: 127L and 127N are one, 127H and 127C; 126 and 131 stand alone.

    >>> label_name("127L"), label_name("tmt 128H"), label_name("131N"), label_name("3")
    ('127N', '128C', '131', '3')
    """
    found = re.search(LABEL, text.upper())
    if found is None:
        return text.strip()
    name = found[1] + found[2].replace("L", "N").replace("H", "C")
    return "131" if name == "131N" else name


def read_samples(name: str, folder: Path) -> tuple[pd.DataFrame, TableRead]:
    """The sheet of labels, one row per label and experiment; sheets of the TPP package are turned into that form."""
    read = read_table(samples_form(), name, folder=folder)
    broken = any(f.severity == "error" for f in read.faults)
    headings = [str(c) for c in read.frame.columns]
    if not broken and not any(re.fullmatch(LABEL, h) for h in headings):
        return read.frame, read
    tpp = Contract(
        "thermal_shift",
        "configuration of TPP",
        (Column("experiment", "experiment", required=True), Column("condition", "condition", also=("compound",)),
         Column("replicate", "replicate"), Column("temperature", "temperature", "number")),
    )  # fmt: skip
    other = read_table(tpp, name, folder=folder)
    labels = [c for c in other.frame.columns if re.fullmatch(LABEL, str(c))]
    if any(f.severity == "error" for f in other.faults) or len(labels) < 4:
        return read.frame, read
    other.faults = [f for f in other.faults if f.code != "extra-columns"]
    rows = []
    for at, row in enumerate(other.frame.to_dict("records"), start=1):
        if not np.isfinite(row["temperature"]) and _cold(row, labels):
            other.faults.append(
                Fault(
                    "no-temperature",
                    "the numbers of the labels are no temperatures (one is below 4 °C): they seem to be doses, and the "
                    "sheet does not say at which temperature.",
                    "Add a column Temperature; where experiments are repeats of one another, a column Replicate too.",
                    file=name,
                    row=int(row["_row"]),
                    column="Temperature",
                )
            )
            return read.frame, other
        drug = str(row["condition"])
        run = str(row["experiment"])
        number = re.search(r"(\d+)\D*$", run)
        for label in labels:
            cell = str(row[label]).strip()
            if cell in ("", "-", "NA"):
                continue
            value = float(cell.replace(",", "."))
            doses = np.isfinite(row["temperature"])
            rows.append(
                {
                    "column": "",
                    "label": str(label),
                    "experiment": run,
                    "treatment": "vehicle" if drug.casefold() in ("", "vehicle") else drug,
                    "dose_um": value if doses else np.nan,
                    "temperature_c": float(row["temperature"]) if doses else value,
                    "range_c": "",
                    "replicate": str(row["replicate"]) or ("1" if doses else number[1] if number else str(at)),
                    "model": "",
                    "_row": row["_row"],
                }
            )
    return pd.DataFrame(rows), other


def _cold(row: Mapping[Any, Any], labels: Sequence[str]) -> bool:
    """Whether a label of a row has a number below 4."""
    cells = [str(row[c]).strip().replace(",", ".") for c in labels]
    return any(float(c) < 4 for c in cells if c not in ("", "-", "NA"))
