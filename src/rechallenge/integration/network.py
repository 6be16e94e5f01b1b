"""The neighbours of a gene: what controls it and what it controls, from curated edges and from the study's claims.

Edges come from the knowledge tables (`regulators`, targets named beside a miRNA's seed) and from claims of regulators
that name the gene. They say where to look and which way to push; they never enter a score.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

ITSELF, UPSTREAM, DOWNSTREAM = "itself", "regulator", "downstream"
#: how a curated edge is known that names no assay of its own
_SEED_EDGE = "published target of the miRNA"


@dataclass(frozen=True)
class Neighbour:
    """A gene (or miRNA) to act on: how it relates to the candidate, ``sign`` of its effect on the candidate (or of the
    candidate's on it), how that is known and from where."""

    name: str
    relation: str
    path: str
    sign: int
    known: str
    source: str


def neighbours(gene: str) -> list[Neighbour]:
    """The gene itself, its curated regulators, and what it controls, each once, in that order and by name."""
    up, down = [], []
    for regulator, target, sign, kind, source in _edges():
        if target == gene:
            up.append(Neighbour(regulator, UPSTREAM, f"{regulator} → {gene}", sign, kind, source))
        if regulator == gene:
            down.append(Neighbour(target, DOWNSTREAM, f"{gene} → {target}", sign, kind, source))
    own = Neighbour(gene, ITSELF, gene, 1, "", "")
    return [own, *sorted(up, key=lambda n: n.name), *sorted(down, key=lambda n: n.name)]


def edge(regulator: str, target: str) -> Neighbour | None:
    """The curated edge between two, None where there is none."""
    return next((n for n in neighbours(target) if n.relation == UPSTREAM and n.name == regulator), None)


@lru_cache(maxsize=1)
def _edges() -> tuple[tuple[str, str, int, str, str], ...]:
    from rechallenge.knowledge import tables

    found: dict[tuple[str, str], tuple[str, str, int, str, str]] = {}
    for r in tables.starter_text("regulators").to_dict("records"):
        key = (r["regulator"], r["target"])
        found[key] = (*key, -1 if r["effect"].startswith("-") else 1, r["evidence_kind"], r["source"])
    for r in tables.starter_text("mirna_seeds").to_dict("records"):
        for target in filter(None, r["targets_of_interest"].split("|")):
            key = (r["mirna"], target)
            found.setdefault(key, (*key, -1, _SEED_EDGE, r["source"]))
    return tuple(found[k] for k in sorted(found))


def names(text: str, name: str) -> bool:
    """Whether a text names a gene or drug as a word of its own, also as siNAME, shNAME or sgNAME."""
    # the name is looked for as it is first: few texts hold it, and only there do its neighbours matter
    return bool(name) and name.lower() in text.lower() and re.search(_pattern(name), text, re.I) is not None


def naming(texts: pd.Series, name: str) -> pd.Series[bool]:
    """`names` for every text of a column."""
    return texts.astype(str).str.contains(_pattern(name), case=False, regex=True)


def _pattern(name: str) -> str:
    return rf"(?<![A-Za-z0-9])(?:si|sh|sg)?{re.escape(name)}(?![A-Za-z0-9])"
