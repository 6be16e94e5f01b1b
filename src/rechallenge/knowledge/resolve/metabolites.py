"""Metabolites by name, abbreviation, HMDB (five or seven digits), KEGG or ChEBI identifier.

Names of the starter's enzymes come first, then its table of metabolites, then Human-GEM where it is installed. What a
lab calls a compound (`G6P`, `citicoline`) is in `metabolite_synonyms`. `L-` and `D-` are dropped only where they name
the form that cells make (L of amino and hydroxy acids, D of sugars): `D-alanine` is not alanine.
"""

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
_SUGAR = re.compile(r"(ose|itol|phosphate|gluconate|glucuronate|glycerate|glyceraldehyde)s?\b", re.I)
_NATURAL = re.compile(r"^(?:l-|\(s\)-|d-|\(r\)-|alpha-d-|beta-d-|α-d-|β-d-)", re.I)
_NOTES = {
    "conjugate": "the acid and its anion are one compound at the pH of a cell",
    "natural": "named without the mark of the form that cells make",
}


@dataclass
class Layer:
    """Compounds of one table: name -> identifiers, and folded names and identifiers -> names."""

    source: str
    compounds: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)
    synonyms: dict[str, list[str]] = field(default_factory=dict)
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

    status: `exact` (case, spaces and punctuation aside), `synonym` (an abbreviation or trivial name), `conjugate` (an
    acid for its anion or the other way), `natural` (the mark of the natural form left out), `hmdb`, `kegg`, `chebi`,
    `ambiguous`, `unknown`. The starter is asked first, then `humangem_metabolites` where it is installed.
    """
    layers = _layers(state("humangem_metabolites"))
    return answers(names, COLUMNS, lambda name: _find(name, layers))


def _find(name: str, layers: tuple[Layer, ...]) -> tuple[Any, ...]:
    identifier, kind = _identifier(name)
    for layer in layers:
        found, status = (layer.ids.get(identifier, []), kind) if kind else _named(name, layer)
        if len(found) == 1:
            one = layer.compounds[found[0]]
            note = _NOTES.get(status, "")
            return status, found[0], one["hmdb"], one["kegg"], one["chebi"], [], note, layer.source
        if found:
            return "ambiguous", "", [], [], [], sorted(found), "a name of several compounds", layer.source
    partial = (
        ""
        if len(layers) > 1
        else "only the starter's metabolites were asked; for more: knowledge fetch humangem_metabolites"
    )
    return "unknown", "", [], [], [], [], partial if name else "no name", ""


def _named(name: str, layer: Layer) -> tuple[list[str], str]:
    """Compounds of a layer that a name may mean, and how: exact, synonym, conjugate, natural."""
    for form, given in ((name, ""), (_plain_form(name), "natural")):
        if not form:
            continue
        ways = [("exact", layer.names, form), ("synonym", layer.synonyms, form)]
        ways += [("conjugate", known, other) for other in _conjugates(form) for known in (layer.names, layer.synonyms)]
        for status, known, spelling in ways:
            if found := known.get(fold(spelling), []):
                return found, given or status
    return [], "unknown"


def _plain_form(name: str) -> str:
    """The name without the mark of the form that cells make; '' where it has none or names the other form.

    >>> _plain_form("L-lactic acid"), _plain_form("D-Glucose"), _plain_form("D-alanine")
    ('lactic acid', 'Glucose', '')
    """
    text = name.strip()
    found = _NATURAL.match(text)
    if not found:
        return ""
    rest, mark = text[found.end() :], found[0].lower()
    sugar = bool(_SUGAR.search(rest))
    return rest if sugar == (mark not in ("l-", "(s)-")) else ""


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
    for side in ("substrate", "product"):
        for names in frame[f"{side}_proxy"]:
            for name in filter(None, names):
                starter.add(name)
    for row in tables.table("metabolites").to_dict("records"):
        starter.add(row["metabolite"], hmdb=row["hmdb"], kegg=row["kegg"], chebi=row["chebi"])
    synonyms = tables.table("metabolite_synonyms")
    for name, metabolite in zip(synonyms["name"], synonyms["metabolite"], strict=True):
        _append(starter.synonyms, fold(name), metabolite)
    layers = [starter]
    if digests[0]:
        model = Layer("humangem_metabolites")
        for row in tables.table("humangem_metabolites").to_dict("records"):
            model.add(row["name"], hmdb=row["hmdb"], kegg=row["kegg"], chebi=row["chebi"])
        layers.append(model)
    return tuple(layers)


def _at(values: list[str], i: int) -> list[str]:
    return [values[i]] if i < len(values) else []


def _append(mapping: dict[str, list[str]], key: str, value: str) -> None:
    known = mapping.setdefault(key, [])
    if value not in known:
        known.append(value)
