"""Metabolites by name, HMDB (five or seven digits), KEGG or ChEBI identifier."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rechallenge.knowledge import tables
from rechallenge.knowledge.resolve.names import answers, fold, state

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("status", "metabolite", "hmdb", "kegg", "chebi", "candidates", "note", "source")
_HMDB = re.compile(r"^HMDB(\d{5}|\d{7})$", re.I)
_KEGG = re.compile(r"^(?:cpd:)?(C\d{5})$", re.I)
_CHEBI = re.compile(r"^CHEBI:?\s*(\d+)$", re.I)


@dataclass
class Layer:
    """Compounds of one table: name -> identifiers, and folded names and identifiers -> names."""

    source: str
    compounds: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)
    ids: dict[str, list[str]] = field(default_factory=dict)

    def add(self, name: str, **identifiers: Iterable[str]) -> None:
        known = self.compounds.setdefault(name, {"hmdb": [], "kegg": [], "chebi": []})
        _append(self.names, fold(name), name)
        for kind, values in identifiers.items():
            for value in filter(None, values):
                if value not in known[kind]:
                    known[kind].append(value)
                _append(self.ids, value, name)


def metabolites(names: Iterable[Any]) -> pd.DataFrame:
    """One row per name: name, status, metabolite, hmdb, kegg, chebi (lists), candidates, note, source.

    status: `exact` (case, spaces and punctuation aside), `conjugate` (an acid for its anion or the other way), `hmdb`,
    `kegg`, `chebi`, `ambiguous`, `unknown`. The starter's enzymes are asked first, then `humangem_metabolites` where
    it is installed; ChEBI numbers are known only with the latter. D and L forms are never merged.
    """
    layers = _layers(state("humangem_metabolites"))
    return answers(names, COLUMNS, lambda name: _find(name, layers))


def _find(name: str, layers: tuple[Layer, ...]) -> tuple[Any, ...]:
    identifier, kind = _identifier(name)
    for layer in layers:
        if kind:
            found = layer.ids.get(identifier, [])
            status = kind
        else:
            found, status = layer.names.get(fold(name), []), "exact"
        if not found and not kind:
            found = [n for other in _conjugates(name) for n in layer.names.get(fold(other), [])]
            status = "conjugate"
        if len(found) == 1:
            one = layer.compounds[found[0]]
            note = "the acid and its anion are one compound at the pH of a cell" if status == "conjugate" else ""
            return status, found[0], one["hmdb"], one["kegg"], one["chebi"], [], note, layer.source
        if found:
            return "ambiguous", "", [], [], [], sorted(found), "a name of several compounds", layer.source
    partial = (
        ""
        if len(layers) > 1
        else "only the starter's enzymes were asked; for more: knowledge fetch humangem_metabolites"
    )
    return "unknown", "", [], [], [], [], partial if name else "no name", ""


def _identifier(name: str) -> tuple[str, str]:
    """(identifier in today's form, kind) or ('', '')."""
    if found := _HMDB.match(name):
        return f"HMDB{int(found[1]):07d}", "hmdb"
    if found := _KEGG.match(name):
        return found[1].upper(), "kegg"
    if found := _CHEBI.match(name):
        return f"CHEBI:{found[1]}", "chebi"
    return "", ""


def _conjugates(name: str) -> list[str]:
    """The anion of an acid and the acid of an anion, as their names are formed (lactic acid, lactate)."""
    text = name.strip()
    if text.lower().endswith("ic acid"):
        return [text[: -len("ic acid")] + "ate"]
    if text.lower().endswith("ate") and len(text) > 5:
        return [text[:-3] + "ic acid"]
    return []


@lru_cache(maxsize=4)
def _layers(digests: tuple[str, ...]) -> tuple[Layer, ...]:
    starter = Layer("starter")
    frame = tables.table("enzymes")
    for side in ("substrate", "product"):
        columns = (frame[f"{side}s"], frame[f"{side}_hmdb"], frame[f"{side}_kegg"])
        for names, hmdb, kegg in zip(*columns, strict=True):
            for i, name in enumerate(names):
                starter.add(name, hmdb=_at(hmdb, i), kegg=_at(kegg, i))
    layers = [starter]
    if digests[0]:
        model = Layer("humangem_metabolites")
        for row in tables.table("humangem_metabolites").to_dict("records"):
            model.add(row["name"], hmdb=row["hmdb"], kegg=row["kegg"], chebi=row["chebi"])
        _borrow_chebi(starter, model)
        layers.append(model)
    return tuple(layers)


def _borrow_chebi(starter: Layer, model: Layer) -> None:
    """ChEBI numbers of the starter's compounds, where the model has exactly one compound with the same HMDB or KEGG."""
    for name, one in starter.compounds.items():
        same = {n for i in (*one["hmdb"], *one["kegg"]) for n in model.ids.get(i, [])}
        if len(same) == 1:
            for value in model.compounds[same.pop()]["chebi"]:
                one["chebi"].append(value)
                _append(starter.ids, value, name)


def _at(values: list[str], i: int) -> list[str]:
    return [values[i]] if i < len(values) else []


def _append(mapping: dict[str, list[str]], key: str, value: str) -> None:
    known = mapping.setdefault(key, [])
    if value not in known:
        known.append(value)
