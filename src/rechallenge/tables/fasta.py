"""Sequences in FASTA as a table: one row per sequence.

A header is `>NAME` and words after it; `key=value` words are its particulars. A promoter says where +1 (the start of
transcription) lies: `tss=2001` (position in the sequence, from 1), or its range relative to it, as in `-2000..+200`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from rechallenge.faults import Fault, InputFaults
from rechallenge.study import TableSource
from rechallenge.tables import files
from rechallenge.tables.contract import Contract
from rechallenge.tables.reading import TableRead, empty_frame
from rechallenge.tables.sniff import decode

_TSS = re.compile(r"(?:^|[\s|;])(?:tss|\+1|plus1)\s*[=:]\s*(\d+)", re.I)
_RANGE = re.compile(r"(-\d+)\s*(?:\.\.|to|:|,)\s*\+?(\d+)")
_LETTERS = set("ACGTUNRYSWKMBDHV")


def read_fasta(source: TableSource, folder: Path, contract: Contract, models: pd.DataFrame | None = None) -> TableRead:
    """Every sequence of the files: the contract's `name`, `sequence`, and `tss` (position of +1 from 1) if it has one.

    RNA is written as DNA. A letter that is no nucleotide, a name without a sequence and a range that does not fit the
    length are faults, all of which are returned.
    """
    found, faults = files.find(source.values, folder)
    out = TableRead(empty_frame(contract), faults)
    rows = []
    for one in found:
        try:
            content = files.load(one)
            out.files.append(content.record)
            text, _ = decode(content.data)
        except InputFaults as e:
            out.faults += [f if f.file else f.at(file=one.name) for f in e.faults]
            continue
        rows += _records(text, one.name, "tss" in {c.name for c in contract.columns}, out.faults)
    if rows:
        frame = pd.DataFrame(rows)
        out.frame = frame.reindex(columns=[c for c in out.frame.columns if c in frame.columns])
    return out


def _records(text: str, file: str, promoter: bool, faults: list[Fault]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    header, at = "", 0
    parts: list[str] = []

    def close() -> None:
        if not at:
            return
        sequence = "".join(parts).upper().replace("U", "T")
        name = header.split()[0] if header.split() else ""
        where: dict[str, Any] = {"file": file, "row": at, "value": name}
        odd = sorted(set(sequence) - _LETTERS)
        if not name or not sequence:
            what = "has no name" if not name else "has no sequence"
            faults.append(Fault("fasta", f"this record {what}.", "Write `>NAME` and the sequence below it.", **where))
            return
        if odd:
            faults.append(
                Fault("fasta", f"{name} holds {', '.join(odd)}, which are no nucleotides.",
                      "Give the DNA (or RNA) sequence.", **where)
            )  # fmt: skip
            return
        row = {"name": name, "sequence": sequence, "about": header, "_file": file, "_sheet": "", "_row": at}
        if promoter:
            row["tss"] = _tss(header, len(sequence), name, where, faults)
        rows.append(row)

    for n, line in enumerate(text.splitlines(), start=1):
        if line.startswith(">"):
            close()
            header, at, parts = line[1:].strip(), n, []
        elif line.strip() and not line.startswith(";"):
            if not at:
                faults.append(
                    Fault("fasta", "a sequence stands before the first name.", "Begin the file with `>NAME`.",
                          file=file, row=n)
                )  # fmt: skip
                return rows
            parts.append("".join(line.split()))
    close()
    if not rows and not faults:
        faults.append(Fault("fasta", "the file holds no sequence.", "Begin it with `>NAME`.", file=file))
    return rows


def _tss(header: str, length: int, name: str, where: dict[str, Any], faults: list[Fault]) -> float:
    """Position of +1 in the sequence, from 1."""
    said, span = _TSS.search(header), _RANGE.search(header)
    if said:
        return float(said[1])
    if span:
        start, end = int(span[1]), int(span[2])
        # there is no position 0 between -1 and +1
        if end - start != length:
            faults.append(
                Fault("range", f"{name} runs from {start} to +{end}, which is {end - start} positions (there is no 0), "
                      f"and its sequence has {length}.", "Mend the range or the sequence.", **where)
            )  # fmt: skip
        return float(-start + 1)
    faults.append(
        Fault("no-tss", f"{name} does not say where +1 is.", "Add tss=POSITION or the range, as -2000..+200.",
              **where)
    )  # fmt: skip
    return float("nan")
