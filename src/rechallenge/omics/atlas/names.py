"""Which compounds of the enzyme table a measured feature stands for.

A feature is looked up as written: abbreviations and trivial names (`synonyms.csv`: G6P, GSH, citicoline), then the
knowledge tables (name, HMDB, KEGG or ChEBI number). `L-` and `D-` are dropped where they name the form that cells
make (amino and hydroxy acids, sugars). `citrate/isocitrate` stands for both and counts once. Everything else is
listed as unmapped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files
from io import StringIO

import pandas as pd

from rechallenge import knowledge
from rechallenge.knowledge import resolve
from rechallenge.knowledge.resolve.names import fold

_SUGAR = re.compile(r"(ose|itol|phosphate|gluconate|glucuronate|glycerate|glyceraldehyde)s?\b", re.I)
_NATURAL = re.compile(r"^(?:l-|\(s\)-|d-|\(r\)-|alpha-d-|beta-d-|α-d-|β-d-)", re.I)
_JOINT = re.compile(r"\s*(?:/|;|\||\bor\b|\s\+\s)\s*")


@lru_cache(maxsize=1)
def compounds() -> frozenset[str]:
    """Every substrate, product and proxy of the enzyme table."""
    table = knowledge.table("enzymes")
    columns = ("substrates", "products", "substrate_proxy", "product_proxy")
    return frozenset(name for c in columns for names in table[c] for name in names if name)


@lru_cache(maxsize=1)
def _synonyms() -> dict[str, str]:
    text = (files("rechallenge") / "omics" / "atlas" / "synonyms.csv").read_text(encoding="utf-8")
    table = pd.read_csv(StringIO(text), dtype=str, keep_default_na=False)
    known = {fold(name): name for name in sorted(compounds())}
    return {**{fold(n): m for n, m in zip(table["name"], table["metabolite"], strict=True)}, **known}


def mapped(features: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Feature -> compounds of the enzyme table that it stands for; an unmapped feature has none."""
    wanted = sorted(set(map(str, features)))
    out = {name: _look_up(name) for name in wanted}
    rest = [name for name in wanted if not out[name]]
    answer = resolve.metabolites(rest)
    for name, found in zip(answer["name"], answer["metabolite"], strict=True):
        if found in compounds():
            out[str(name)] = (str(found),)
    return out


def _look_up(name: str) -> tuple[str, ...]:
    one = _one(name)
    if one:
        return (one,)
    parts = [_one(p) for p in _JOINT.split(name.strip()) if p]
    return tuple(dict.fromkeys(p for p in parts if p)) if len(parts) > 1 and all(parts) else ()


def _one(name: str) -> str:
    text = name.strip()
    known = _synonyms()
    for form in (text, _plain_form(text)):
        for spelling in (form, re.sub(r"ic acid$", "ate", form, flags=re.I)):
            if spelling and fold(spelling) in known:
                return known[fold(spelling)]
    return ""


def _plain_form(text: str) -> str:
    """The name without the mark of the form that cells make; '' where it names the other form."""
    found = _NATURAL.match(text)
    if not found:
        return ""
    rest, mark = text[found.end() :], found[0].lower()
    sugar = bool(_SUGAR.search(rest))
    return rest if sugar == (mark not in ("l-", "(s)-")) else ""
