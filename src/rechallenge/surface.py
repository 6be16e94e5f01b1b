"""From the results of a run to the interactive page of one combination: `rechallenge surface`."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any

import pandas as pd

from rechallenge.assays.combination.drawing import drawn
from rechallenge.assays.combination.scores import NAMES
from rechallenge.assays.combination.surface_page import GENERATOR, surface_page
from rechallenge.assays.combination.wells import each
from rechallenge.faults import Fault, InputFaults, RechallengeError
from rechallenge.report import words
from rechallenge.store import explained, write_atomic


def write_page(out: Path, *, model: str = "", pair: str = "", method: str = "bliss", to: Path | None = None) -> Path:
    """Write the page of one surface of the run in `out`, by default there as surface_MODEL_A_B.html; gives its path.

    Names are compared without case; a pair may be written with +, /, & or `and`, in either order. Where several
    surfaces are meant, it is the one with the clearest departure. Raises InputFaults where there are no results, no
    combination, no such surface or method, or where `to` is another file.
    """
    tables = {name: _table(out, name) for name in ("combination_responses", "synergy", "synergy_cells")}
    synergy = tables["synergy"]
    found = synergy[synergy["drug_c"] == ""]
    if found.empty:
        raise InputFaults([Fault("no_pair", f"{out} holds combinations of three drugs only.", "Draw a pair of them.")])
    for what, wanted, spelled in (("model", model, _model), ("pair", pair, _spellings)):
        if wanted:
            names = {str(r.model) if what == "model" else f"{r.drug_a} + {r.drug_b}" for r in each(found)}
            found = found[[_squeezed(wanted) in spelled(r) for r in each(found)]]
            if found.empty:
                raise InputFaults([_unknown(what, wanted, sorted(names))])
    known = [m for m in NAMES if (found["method"] == m).any()]
    if method not in known:
        raise InputFaults([Fault("method", f"{method} was not computed.", f"Choose among {', '.join(known)}.")])
    row = drawn(found, two=True)[0]
    page = surface_page(
        tables["synergy_cells"], tables["combination_responses"], row.model, row.drug_a, row.drug_b, method
    )
    path = to or out / (words.file_name(f"surface {row.model} {row.drug_a} {row.drug_b} {method}") + ".html")
    _write(path, page)
    return path


def _table(out: Path, name: str) -> pd.DataFrame:
    path = out / "tables" / f"{name}.parquet"
    if path.is_file():
        try:
            return pd.read_parquet(path)
        except (ValueError, OSError) as e:
            raise RechallengeError(f"{path} cannot be read: {e}. Run the study again.") from e
    if not (out / "tables").is_dir():
        remedy = "Name the results folder of a run (by default STUDY/results)."
        raise InputFaults(
            [Fault("no_results", f"{out} holds no results: there is no folder {out / 'tables'}.", remedy)]
        )
    message = f"The study has no combination of drugs: {path} is not there."
    raise InputFaults([Fault("no_combination", message, "Name a table combination in study.toml and run the study.")])


def _squeezed(name: str) -> str:
    return re.sub(r"\s*([+/&])\s*", r"\1", " ".join(name.casefold().split()))


def _model(row: Any) -> set[str]:
    return {_squeezed(row.model)}


def _spellings(row: Any) -> set[str]:
    """Every way to write a pair; a drug's own name may hold a + or a /."""
    pair = _squeezed(row.drug_a), _squeezed(row.drug_b)
    return {sign.join(order) for sign in ("+", "/", "&", " and ") for order in (pair, pair[::-1])}


def _unknown(what: str, wanted: str, known: list[str]) -> Fault:
    near = difflib.get_close_matches(wanted, known, n=1)
    remedy = f"Did you mean {near[0]!r}?" if near else f"It has {words.listed(known, 6)}."
    return Fault(f"unknown_{what}", f"The study has no surface of the {what} {wanted!r}.", remedy)


def _write(path: Path, page: str) -> None:
    """Write the page; over an earlier page, never over another file."""
    remedy = "Choose another name with --to, ending in .html."
    if path.suffix.casefold() not in (".html", ".htm") or path.is_dir():
        raise InputFaults([Fault("not_html", f"{path} is not the name of a page.", remedy)])
    with explained("write", path):
        if path.exists() and GENERATOR not in path.read_bytes()[:2000].decode("utf-8", "replace"):
            raise InputFaults([Fault("taken", f"{path} is another file, and is left as it is.", remedy)])
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, page.encode())
