"""The sheet of samples of a matrix: read, made from names, and matched to the columns of the matrix."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from rechallenge.faults import Fault
from rechallenge.study import STUDY_FILE, TableSource, nearest
from rechallenge.tables.contract import Contract, plain
from rechallenge.tables.reading import EXCLUDED, TableRead, read_table


def sheet_contract(contract: Contract) -> Contract:
    """The contract of the sheet alone."""
    return replace(contract, columns=tuple(c for c in contract.columns if c.name != "feature"), reader="tidy")


def read_sheet(
    source: TableSource, folder: Path, contract: Contract, models: pd.DataFrame | None, out: TableRead
) -> pd.DataFrame | None:
    if not source.samples:
        return None
    names = [c.name for c in contract.columns]
    given = {k: str(v) for k, v in source.extra.items() if k in names}
    for key in source.extra:
        if key not in names:
            out.faults.append(
                Fault(
                    "study-key",
                    f"a table of kind {contract.name} does not use this key.",
                    f"Remove it, or name a column of the sheet of samples.{nearest(key, names)}",
                    file=STUDY_FILE,
                    column=f"tables.{contract.name}.{key}",
                )
            )
    read = read_table(sheet_contract(contract), source.samples, folder=folder, models=models, given=given)
    out.faults += read.faults
    out.excluded = read.excluded
    out.files += read.files
    twice = read.frame["sample"][read.frame["sample"].duplicated()]
    if len(twice):
        row = read.frame.loc[twice.index[0]]
        out.faults.append(
            Fault("sample-twice", "the sheet names this sample twice.", "Give every sample a name of its own.",
                  file=str(row["_file"]), row=int(row["_row"]), column="sample", value=str(twice.iloc[0]))
        )  # fmt: skip
    return read.frame


def sheet_of_names(joined: pd.DataFrame, contract: Contract, source: TableSource, out: TableRead) -> pd.DataFrame:
    """A sheet made from the names of the samples, where the contract needs no more than those."""
    names = [c for c in joined.columns if c not in ("feature", "_file", "_row")]
    columns = [c for c in contract.columns if c.name != "feature"]
    lacking = [c.name for c in columns if c.required and c.name != "sample" and c.name not in source.extra]
    if lacking:
        out.faults.append(
            Fault(
                "no-samples",
                f"the matrix does not say what its samples are ({', '.join(lacking)}).",
                f'Name a sheet: {contract.name} = {{ values = "...", samples = "samples.csv" }}.',
                file=str(joined["_file"].iloc[0]) if len(joined) else source.values[0],
            )
        )
    made = pd.DataFrame({"sample": names}, dtype=object)
    for c in columns:
        if c.name != "sample":
            empty = np.nan if c.kind != "text" else ("" if c.default is None else c.default)
            made[c.name] = source.extra.get(c.name, empty)
    made["_file"] = str(joined["_file"].iloc[0]) if len(joined) else ""
    made["_sheet"], made["_row"] = "", 1
    return made


def sample_key(name: str) -> str:
    """A sample's name as it is compared: R writes Huh-7 as Huh.7 and puts X before a digit."""
    return plain(name).removeprefix("x")


def matched(
    joined: pd.DataFrame, sheet: pd.DataFrame, kind: str, file: str, out: TableRead
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The columns of the matrix that the sheet names, under the sheet's names; the rest is listed as left out."""
    there = [str(c) for c in joined.columns if c not in ("feature", "_file", "_row")]
    loose: dict[str, list[str]] = {}
    for name in there:
        loose.setdefault(sample_key(name), []).append(name)
    taken: dict[str, str] = {}
    for i, sample in zip(sheet.index, sheet["sample"].astype(str), strict=True):
        near = [sample] if sample in there else loose.get(sample_key(sample), [])
        if len(near) == 1 and near[0] not in taken:
            taken[near[0]] = sample
        else:
            out.faults.append(
                Fault("no-column", "the matrix has no column for this sample.",
                      f"Mend the name here or there, or remove the row.{nearest(sample, there)}",
                      file=str(sheet.loc[i, "_file"]), row=int(sheet.loc[i, "_row"]), column="sample", value=sample)
            )  # fmt: skip
    renamed = {a: b for a, b in taken.items() if a != b}
    if renamed:
        a, b = next(iter(renamed.items()))
        out.faults.append(
            Fault("renamed", f"{len(renamed)} columns were matched to samples by name without punctuation: {a} is {b}.",
                  file=file, severity="note")
        )  # fmt: skip
    left = [c for c in there if c not in taken]
    if left and len(joined):
        name = str(joined["_file"].iloc[0])
        rows = [(kind, name, "", 1, c, "", "a column that the sheet of samples does not name") for c in left]
        gone = pd.DataFrame(rows, columns=list(EXCLUDED))
        out.excluded = pd.concat([out.excluded, gone], ignore_index=True) if len(out.excluded) else gone
        shown = ", ".join(left[:5]) + (", ..." if len(left) > 5 else "")
        out.faults.append(
            Fault("left-out", f"{len(left)} columns are not in the sheet of samples and were left out: {shown}.",
                  "Add them to the sheet if they are samples.", file=name, severity="warning")
        )  # fmt: skip
    kept = ["feature", "_file", "_row", *taken]
    return joined[kept].rename(columns=renamed), sheet.reset_index(drop=True)
