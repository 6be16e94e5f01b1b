"""`rechallenge new`: a commented study file and empty tables; `rechallenge contract`: what a table kind holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rechallenge.analysis import discover
from rechallenge.faults import Fault, InputFaults
from rechallenge.study import STUDY_FILE, nearest
from rechallenge.tables.contract import Contract

_TOML = """\
# A study: this file and the tables that it names. Text goes in quotes; lines that begin with # are comments.

[study]
title = "What this study is about"
therapies = ["drug A"]            # the drugs whose resistance is in question
# description = "One paragraph for the report."
# authors = ["First Last"]
# seed = 0                        # of everything that draws random numbers; recorded with the results

[models]                          # cell lines, organoids, xenograft donors; names as in the tables, in quotes
# role: parental, resistant, normal, patient or other
# parent: the model that a resistant one was derived from
# selected_with: the drug that it was made resistant to
# cell_line: the line's registered name, where the model's name is the lab's own
"Line P" = {{ role = "parental" }}
"Line R" = {{ role = "resistant", parent = "Line P", selected_with = "drug A" }}

[tables]                          # table kind = "file", "glob*.csv" or a list; names relative to this folder
{tables}
# [options.dose_response]         # any option of any analysis; `rechallenge list` names the analyses
# level = 0.5                     # the viability at which the absolute IC50 is read
"""

_PLATES = (
    'plates = {{ files = "{kind}/*.csv", map = "{kind}_map.csv" }}   # raw reader exports and what is in each well'
)


def contract(kind: str) -> Contract:
    """The contract of a table kind; InputFaults with the known kinds where there is none of that name."""
    known = discover().contracts
    if kind not in known:
        raise InputFaults(
            [
                Fault(
                    "unknown-kind",
                    "there is no table kind of this name.",
                    f"Known: {', '.join(known)}.{nearest(kind, known)}",
                    value=kind,
                )
            ]
        )
    return known[kind]


def contract_rows(one: Contract) -> list[tuple[str, ...]]:
    """Column, whether it is needed, unit, meaning: one tuple per column of the contract."""
    rows: list[tuple[str, ...]] = []
    for c in one.columns:
        needed = "required" if c.required else ("either" if any(c.name in g for g in one.either) else "optional")
        about = c.about
        if c.choices:
            about += f" One of: {', '.join(c.choices)}."
        if c.also:
            about += f" Also read as: {', '.join(c.also)}."
        if c.default not in (None, ""):
            about += f" Default: {c.default}."
        rows.append((c.name, needed, c.unit, about))
    return rows


def write(folder: Path, kinds: Sequence[str]) -> list[Path]:
    """Write `study.toml` and an empty table per kind into `folder`; returns the files. Overwrites nothing."""
    wanted = [contract(k) for k in dict.fromkeys(kinds)]
    lines, files = [], {}
    for c in wanted:
        if c.reader == "plates":
            lines.append(_PLATES.format(kind=c.name))
            files[f"{c.name}_map.csv"] = "plate,well,model,drug,dose_um,replicate,well_type\n"
        elif c.reader == "matrix":
            lines.append(f'{c.name} = {{ values = "{c.name}.csv", samples = "{c.name}_samples.csv", unit = "" }}')
            files[f"{c.name}.csv"] = "feature\n"
            files[f"{c.name}_samples.csv"] = ",".join(x.name for x in c.columns if x.name != "feature") + "\n"
        elif c.example.startswith("file,"):  # files of another form, and a sheet that says what they are
            lines.append(f'{c.name} = {{ values = "{c.name}/*", samples = "{c.name}_samples.csv" }}')
            files[f"{c.name}_samples.csv"] = c.example.splitlines()[0] + "\n"
        else:
            lines.append(f'{c.name} = "{c.name}.csv"')
            files[f"{c.name}.csv"] = ",".join(x.name for x in c.columns) + "\n"
    files[STUDY_FILE] = _TOML.format(tables="\n".join(lines))
    faults = [
        Fault("exists", "this file is already there.", "Name another folder, or move it.", file=str(folder / name))
        for name in files
        if (folder / name).exists()
    ]
    if folder.exists() and not folder.is_dir():
        faults = [Fault("not-a-folder", "this is a file, not a folder.", "Name a folder.", file=str(folder))]
    if faults:
        raise InputFaults(faults)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return [folder / name for name in files]
