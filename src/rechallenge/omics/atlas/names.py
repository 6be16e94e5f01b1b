"""Which compounds of the enzyme table a measured feature stands for.

A feature is looked up in the knowledge tables as written (name, abbreviation, HMDB, KEGG or ChEBI number).
`citrate/isocitrate` stands for both and counts once. Everything else is listed as unmapped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from rechallenge import knowledge
from rechallenge.knowledge import resolve

_JOINT = re.compile(r"\s*(?:/|;|\||\bor\b|\s\+\s)\s*")


@lru_cache(maxsize=1)
def compounds() -> frozenset[str]:
    """Every substrate, product and proxy of the enzyme table."""
    table = knowledge.table("enzymes")
    columns = ("substrates", "products", "substrate_proxy", "product_proxy")
    return frozenset(name for c in columns for names in table[c] for name in names if name)


def mapped(features: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Feature -> compounds of the enzyme table that it stands for; an unmapped feature has none."""
    wanted = sorted(set(map(str, features)))
    parts = {name: [p for p in _JOINT.split(name.strip()) if p] for name in wanted}
    asked = sorted({*wanted, *(p for ps in parts.values() for p in ps)})
    answer = resolve.metabolites(asked)
    known = {str(n): str(m) for n, m in zip(asked, answer["metabolite"], strict=True) if m in compounds()}
    out: dict[str, tuple[str, ...]] = {}
    for name in wanted:
        several = parts[name] if len(parts[name]) > 1 and all(p in known for p in parts[name]) else []
        found = [known[name]] if name in known else [known[p] for p in several]
        out[name] = tuple(dict.fromkeys(found))
    return out
