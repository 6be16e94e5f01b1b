"""Cell lines: Cellosaurus and the ICLAC register of misidentified lines."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from rechallenge.knowledge.errors import FormatError
from rechallenge.knowledge.parsing.reading import lines, pick, sheets, table_in

if TYPE_CHECKING:
    import pandas as pd

_VERSION = re.compile(r"^\s*(?:Version|Release):?\s*([\d.]+)")
_PROBLEM = "Problematic cell line: "


def cellosaurus(paths: list[Path]) -> tuple[pd.DataFrame, str]:
    """cellosaurus.txt: one row per line, human ones and those with a problem of identity.

    Entries are two-letter tagged lines that end in `//` (Bairoch 2018, doi:10.7171/jbt.18-2902-002).
    """
    import pandas as pd

    rows: list[dict[str, str]] = []
    version, started = "", False
    entry: dict[str, list[str]] = {}
    with lines(paths[0]) as stream:
        for line in stream:
            if not started and (found := _VERSION.match(line)):
                version = found[1]
            tag, text = line[:2], line[5:].rstrip()
            if line.startswith("//"):
                row = _line_of(entry)
                if row["accession"] and (row["species"].startswith("Homo sapiens") or row["problem"]):
                    rows.append(row)
                entry = {}
            elif line.startswith("ID   ") or started:
                started = True
                entry.setdefault(tag, []).append(text)
    if not rows:
        raise FormatError("Cellosaurus: no entry of the form ID/AC/.../ was found; the format has changed.")
    if entry:
        raise FormatError(f"{paths[0].name} ends in the middle of an entry: it is not whole.")
    return pd.DataFrame(rows), version


def _line_of(entry: dict[str, list[str]]) -> dict[str, str]:
    def one(tag: str) -> str:
        return entry.get(tag, [""])[0]

    comments = entry.get("CC", [])
    problem = next((c.removeprefix(_PROBLEM) for c in comments if c.startswith(_PROBLEM)), "")
    register = next((c.partition("ICLAC-")[2] for c in comments if "ICLAC-" in c), "")
    return {
        "cell_line": one("ID"),
        "accession": one("AC"),
        "synonyms": "|".join(s.strip() for s in one("SY").split(";") if s.strip()),
        "problem": problem.partition(".")[0].lower(),
        "problem_note": problem,
        "iclac": f"ICLAC-{register.rstrip('.')}" if register else "",
        "diseases": "|".join(d.rpartition(";")[2].strip() for d in entry.get("DI", [])),
        "species": one("OX").partition("!")[2].strip() or one("OX"),
        "parent": one("HI").partition("!")[2].strip(),
        "sex": one("SX"),
        "age": one("AG"),
        "category": one("CA"),
        "derived_from": next((c.partition(": ")[2] for c in comments if c.startswith("Derived from site")), ""),
    }


def iclac(paths: list[Path]) -> tuple[pd.DataFrame, str]:
    """The register's workbook: table 1 (no authentic stock known) and table 2 (authentic stock exists), by sheet.

    The heading row is sought: a title and notes stand above it.
    """
    import pandas as pd

    columns = {
        "cell_line": ("Misidentified Cell Line",),
        "accession": ("Misidentified Cell Line, Cellosaurus AC",),
        "claimed_species": ("Claimed Species",),
        "claimed": ("Claimed Cell Type",),
        "actual_line": ("Contaminating Cell Line",),
        "actual_accession": ("Contaminating Cell Line, Cellosaurus AC",),
        "actual_species": ("Actual Species",),
        "actual": ("Actual Cell Type",),
        "reported_by": ("Misidentification Reported By",),
        "pmids": ("Reference PubMed ID",),
    }
    optional = ("accession", "actual_accession", "actual_species", "claimed_species", "reported_by", "pmids")
    parts: list[pd.DataFrame] = []
    for _, rows in sheets(paths[0]):
        raw = table_in(rows, columns["cell_line"][0])
        if raw is None:
            continue
        part = pick(raw, columns, "ICLAC register", optional=optional)
        part["stock"] = "none known" if not parts else "authentic stock exists"
        parts.append(part[part["cell_line"] != ""])
    if not parts:
        raise FormatError(
            'ICLAC register: no sheet has a column "Misidentified Cell Line"; the format has changed.',
            missing=("Misidentified Cell Line",),
        )
    frame = pd.concat(parts, ignore_index=True)
    frame["pmids"] = frame["pmids"].str.findall(r"\d{4,9}").str.join("|")
    found = re.search(r"[_-]v(\d+(?:[._]\d+)?)", paths[0].name)
    return frame, found[1].replace("_", ".") if found else ""
