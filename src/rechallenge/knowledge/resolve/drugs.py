"""Drugs by name, synonym, brand, code, salt, CAS number or InChIKey."""

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

COLUMNS = ("status", "drug", "candidates", "note", "source")
_INCHIKEY = re.compile(r"^[A-Z]{14}-[A-Z]{10}-[A-Z]$")
_BLOCK = re.compile(r"^[A-Z]{14}$")
_CAS = re.compile(r"^\d{2,7}-\d{2}-\d$")
_LAST_WORD = re.compile(r"([a-z0-9]+)[^a-z0-9]*$")
#: Words for a counter-ion or for water that may follow a drug's name. Esters and pro-drugs (acetate, phosphate,
#: medoxomil, ...) are left out: they may be another compound.
SALT_WORDS = frozenset({
    "salt", "hydrochloride", "dihydrochloride", "hcl", "2hcl", "hydrobromide", "hbr", "mesylate", "mesilate",
    "dimesylate", "methanesulfonate", "tosylate", "tosilate", "ditosylate", "besylate", "besilate", "esylate",
    "camsylate", "maleate", "malate", "tartrate", "citrate", "lactate", "sulfate", "sulphate", "nitrate",
    "sodium", "disodium", "potassium", "calcium", "hydrate", "monohydrate", "dihydrate", "trihydrate",
    "hemihydrate", "anhydrous", "freebase", "base", "free",
})  # fmt: skip


@dataclass
class Layer:
    """Names of one table. `names`: folded name -> {drug: how}; `keys`: InChIKey or its first block -> drugs."""

    source: str
    names: dict[str, dict[str, str]] = field(default_factory=dict)
    keys: dict[str, list[str]] = field(default_factory=dict)
    cas: dict[str, list[str]] = field(default_factory=dict)

    def say(self, drug: str, name: str, how: str) -> None:
        """`name` is a name of `drug`; the first of exact, synonym, salt is kept."""
        folded = fold(name)
        if folded:
            self.names.setdefault(folded, {}).setdefault(drug, how)

    def identify(self, drug: str, inchikey: str = "", cas: str = "") -> None:
        for mapping, key in ((self.keys, inchikey), (self.keys, inchikey[:14]), (self.cas, cas)):
            if key and drug not in mapping.setdefault(key, []):
                mapping[key].append(drug)


def drugs(names: Iterable[Any]) -> pd.DataFrame:
    """One row per name: name, status, drug, candidates, note, source.

    status: `exact`, `synonym` (brand, code, CAS number), `salt`, `inchikey`, `ambiguous`, `unknown`. Case and
    punctuation are ignored. An InChIKey whose first block alone matches gives the drug with a caution, since
    stereoisomers and charge states share that block. `drug` is '' where the name is ambiguous or unknown.
    """
    layers = _layers(state("drugcentral_structures", "open_targets_drugs"))
    return answers(names, COLUMNS, lambda name: _find(name, layers))


def _find(name: str, layers: tuple[Layer, ...]) -> tuple[Any, ...]:
    for layer in layers:
        answer = _in_layer(name, layer)
        if answer is not None:
            return answer
    return "unknown", "", [], "" if name else "no name", ""


def _in_layer(name: str, layer: Layer) -> tuple[Any, ...] | None:
    if not name:
        return None
    if _INCHIKEY.match(name) or _BLOCK.match(name):
        if len(name) > 14 and name in layer.keys:
            return _answer(dict.fromkeys(layer.keys[name], "inchikey"), layer, "")
        if name[:14] in layer.keys:
            caution = "first block of the InChIKey only: another stereoisomer or charge state has the same"
            return _answer(dict.fromkeys(layer.keys[name[:14]], "inchikey"), layer, caution)
    if _CAS.match(name):
        return _answer(dict.fromkeys(layer.cas[name], "synonym"), layer, "CAS number") if name in layer.cas else None
    folded = fold(name)
    if folded in layer.names:
        return _answer(layer.names[folded], layer, "")
    last = _LAST_WORD.search(name.lower())
    if last is None or last[1] not in SALT_WORDS:
        return None
    words = re.findall(r"[a-z0-9]+", name.lower())
    kept = len(words)
    while kept > 1 and words[kept - 1] in SALT_WORDS:
        kept -= 1
    if kept < len(words) and (stem := "".join(words[:kept])) in layer.names:
        dropped = " ".join(words[kept:])
        return _answer(dict.fromkeys(layer.names[stem], "salt"), layer, f"without {dropped!r}")
    return None


def _answer(found: dict[str, str], layer: Layer, note: str) -> tuple[Any, ...]:
    exact = [d for d, how in found.items() if how == "exact"]
    if len(exact) == 1:
        others = sorted(set(found) - set(exact))
        return "exact", exact[0], [], note or (f"also a synonym of {', '.join(others)}" if others else ""), layer.source
    if len(found) == 1:
        drug, how = next(iter(found.items()))
        return how, drug, [], note, layer.source
    return "ambiguous", "", sorted(found), note or "a name of several compounds", layer.source


@lru_cache(maxsize=4)
def _layers(digests: tuple[str, ...]) -> tuple[Layer, ...]:
    starter = _starter()
    layers = [starter]
    if digests[0]:
        layers.append(_drugcentral(starter))
    if digests[1]:
        layers.append(_open_targets(starter))
    return tuple(layers)


def _starter() -> Layer:
    layer = Layer("starter")
    frame = tables.table("drugs")
    for drug in frame["drug"]:
        layer.say(drug, drug, "exact")
    for how, column in (("synonym", "synonyms"), ("salt", "salts")):
        for drug, names in zip(frame["drug"], frame[column], strict=True):
            for name in names:
                layer.say(drug, name, how)
    for drug, inchikey, cas in zip(frame["drug"], frame["inchikey"], frame["cas"], strict=True):
        layer.identify(drug, inchikey, cas)
    return layer


def _same_compound(inchikey: str, name: str, starter: Layer) -> str:
    """The starter's name of a compound: by full InChIKey, then by name; else its own name in lower case."""
    by_key = starter.keys.get(inchikey, []) if len(inchikey) > 14 else []
    if len(by_key) == 1:
        return by_key[0]
    by_name = starter.names.get(fold(name), {})
    return next(iter(by_name)) if len(by_name) == 1 else name.lower()


def _drugcentral(starter: Layer) -> Layer:
    layer = Layer("drugcentral_structures")
    frame = tables.table("drugcentral_structures")
    for drug, inchikey, cas in zip(frame["drug"], frame["inchikey"], frame["cas"], strict=True):
        own = _same_compound(inchikey, drug, starter)
        layer.say(own, drug, "exact")
        layer.identify(own, inchikey, cas)
    return layer


def _open_targets(starter: Layer) -> Layer:
    layer = Layer("open_targets_drugs")
    frame = tables.table("open_targets_drugs")
    rows = frame.to_dict("records")
    named = {r["chembl_id"]: _same_compound(r["inchikey"], r["drug"], starter) for r in rows}
    for r in rows:
        parent = named.get(r["parent"], "")
        drug, how = (parent, "salt") if parent else (named[r["chembl_id"]], "exact")
        layer.say(drug, r["drug"], how)
        layer.say(drug, r["chembl_id"], "salt" if parent else "synonym")
        for name in (*r["synonyms"], *r["trade_names"]):
            layer.say(drug, name, "salt" if parent else "synonym")
        if not parent:
            layer.identify(drug, r["inchikey"])
    return layer
