"""Cell lines by name, synonym or Cellosaurus accession, with known problems of identity."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rechallenge.knowledge import tables
from rechallenge.knowledge.resolve.names import answers, fold, state

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("status", "cell_line", "problem", "actual", "claimed", "register", "candidates", "note", "source")
_ACCESSION = re.compile(r"CVCL_[A-Z0-9]{4}")
_ABSENT = "not among the problem lines asked; a line that is absent is not thereby authentic"

Line = dict[str, str]


def cell_lines(names: Iterable[Any]) -> pd.DataFrame:
    """One row per name: name, status, cell_line, problem, actual, claimed, register, candidates, note, source.

    status: `exact`, `synonym`, `accession`, `ambiguous`, `unknown`. `problem` is '' where none is known. The starter's
    problem lines are asked first, then `iclac` and `cellosaurus` where they are installed.
    """
    layers = _layers(state("iclac", "cellosaurus"))
    return answers(names, COLUMNS, lambda name: _find(name, layers))


def _find(name: str, layers: tuple[tuple[str, dict[str, list[tuple[str, Line]]]], ...]) -> tuple[Any, ...]:
    for source, index in layers:
        found = index.get(name.upper() if _ACCESSION.fullmatch(name.upper()) else fold(name), [])
        exact = [(how, line) for how, line in found if how == "exact"]
        chosen = exact if exact else found
        if len(chosen) == 1:
            how, one = chosen[0]
            return (
                how, one["cell_line"], one["problem"], one["actual"], one["claimed"], one["register"],
                [], one["note"], source,
            )  # fmt: skip
        if chosen:
            several = sorted({line["cell_line"] for _, line in chosen})
            return "ambiguous", "", "", "", "", "", several, "a name of several lines", source
    return "unknown", "", "", "", "", "", [], _ABSENT if name else "no name", ""


@lru_cache(maxsize=4)
def _layers(digests: tuple[str, ...]) -> tuple[tuple[str, dict[str, list[tuple[str, Line]]]], ...]:
    layers = [("starter", _starter())]
    if digests[0]:
        layers.append(("iclac", _iclac()))
    if digests[1]:
        layers.append(("cellosaurus", _cellosaurus()))
    return tuple(layers)


def _say(index: dict[str, list[tuple[str, Line]]], key: str, how: str, line: Line) -> None:
    known = index.setdefault(key, [])
    if key and all(other is not line for _, other in known):
        known.append((how, line))


def _starter() -> dict[str, list[tuple[str, Line]]]:
    index: dict[str, list[tuple[str, Line]]] = {}
    for row in tables.table("cell_lines").to_dict("records"):
        line = {"cell_line": row["name"], **{k: row[k] for k in ("problem", "actual", "claimed", "register", "note")}}
        _say(index, fold(row["name"]), "exact", line)
        for name in row["synonyms"]:
            _say(index, fold(name), "synonym", line)
        for accession in _ACCESSION.findall(row["register"]):
            _say(index, accession, "accession", line)
    return index


def _iclac() -> dict[str, list[tuple[str, Line]]]:
    index: dict[str, list[tuple[str, Line]]] = {}
    for row in tables.table("iclac").to_dict("records"):
        line = {
            "cell_line": row["cell_line"],
            "problem": "misidentified",
            "actual": ", ".join(filter(None, (row["actual_line"], row["actual_species"], row["actual"]))),
            "claimed": ", ".join(filter(None, (row["claimed_species"], row["claimed"]))),
            "register": "; ".join(filter(None, ("ICLAC register", row["accession"]))),
            "note": f"stock: {row['stock']}",
        }
        _say(index, fold(row["cell_line"]), "exact", line)
        if row["accession"]:
            _say(index, row["accession"], "accession", line)
    return index


def _cellosaurus() -> dict[str, list[tuple[str, Line]]]:
    index: dict[str, list[tuple[str, Line]]] = {}
    for row in tables.table("cellosaurus").to_dict("records"):
        line = {
            "cell_line": row["cell_line"],
            "problem": row["problem"],
            "actual": row["problem_note"],
            "claimed": "",
            "register": "; ".join(filter(None, (f"Cellosaurus {row['accession']}", row["iclac"]))),
            "note": "; ".join(filter(None, (row["category"], *row["diseases"], row["species"]))),
        }
        _say(index, fold(row["cell_line"]), "exact", line)
        _say(index, row["accession"], "accession", line)
        for name in row["synonyms"]:
            _say(index, fold(name), "synonym", line)
    return index
