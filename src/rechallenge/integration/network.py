"""The neighbours of a gene: what controls it, what controls that, what it controls and what it makes.

Edges come from the knowledge tables (`regulators`, targets named beside a miRNA's seed, reactions of enzymes) and from
claims of regulators that name the gene. They say where to look and which way to push; they never enter a score.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

ITSELF, UPSTREAM, DOWNSTREAM, SECOND = "itself", "regulator", "downstream", "regulator of a regulator"
#: how a curated edge is known that names no assay of its own
_SEED_EDGE = "published target of the miRNA"
_MIRNA = re.compile(r"(?:hsa-)?(?:miR|mir|microRNA)-?(\d+[a-z]?(?:-\d)?)(?:-([35]p))?", re.IGNORECASE)


@dataclass(frozen=True)
class Neighbour:
    """A gene (or miRNA) to act on: how it relates to the candidate, ``sign`` of its effect on the candidate (or of the
    candidate's on it), how that is known and from where; ``via`` the regulator between, two steps upstream."""

    name: str
    relation: str
    path: str
    sign: int
    known: str
    source: str
    via: str = ""


@dataclass(frozen=True)
class Product:
    """A metabolite of an enzyme: ``sign`` +1 where it is made, -1 where it is used up."""

    name: str
    sign: int
    source: str


def neighbours(gene: str) -> list[Neighbour]:
    """The gene itself, its curated regulators, what it controls, and the regulators of its regulators, each once, in
    that order and by name."""
    up, down = [], []
    for regulator, target, sign, kind, source in _edges():
        if target == gene:
            up.append(Neighbour(regulator, UPSTREAM, f"{regulator} → {gene}", sign, kind, source))
        if regulator == gene:
            down.append(Neighbour(target, DOWNSTREAM, f"{gene} → {target}", sign, kind, source))
    own = Neighbour(gene, ITSELF, gene, 1, "", "")
    near = [own, *sorted(up, key=lambda n: n.name), *sorted(down, key=lambda n: n.name)]
    names_ = {n.name for n in near}
    far: dict[str, Neighbour] = {}
    for step in second_steps(gene):
        if step.name not in names_:
            far.setdefault(step.name, step)
    return [*near, *far.values()]


def second_steps(gene: str) -> list[Neighbour]:
    """Curated regulators of the gene's curated regulators, by name; one that is a direct regulator too is among them.
    Its sign is the product of both steps."""
    edges = _edges()
    found = []
    for via, target, sign, kind, source in edges:
        if target != gene:
            continue
        for regulator, middle, first, how, where in edges:
            if middle != via or regulator in (gene, via):
                continue
            known = f"{regulator} on {via}: {how}; {via} on {gene}: {kind}"
            sources = "; ".join(dict.fromkeys((where, source)))
            path = f"{regulator} → {via} → {gene}"
            found.append(Neighbour(regulator, SECOND, path, first * sign, known, sources, via))
    return sorted(found, key=lambda n: (n.name, n.via))


def edge(regulator: str, target: str) -> Neighbour | None:
    """The curated edge between two, None where there is none."""
    for one, other, sign, kind, source in _edges():
        if other == target and same(one, regulator):
            return Neighbour(one, UPSTREAM, f"{one} → {target}", sign, kind, source)
    return None


def products(gene: str) -> list[Product]:
    """Metabolites that an enzyme makes or uses (not its cofactors), products first; nothing for a gene that is none."""
    return list(_metabolites().get(gene, ()))


@lru_cache(maxsize=1)
def _metabolites() -> dict[str, tuple[Product, ...]]:
    from rechallenge.knowledge import tables

    found: dict[str, dict[str, Product]] = {}
    for r in tables.starter_text("enzymes").to_dict("records"):
        mine = found.setdefault(r["gene"], {})
        for column, sign in (("products", 1), ("substrates", -1)):
            for name in filter(None, r[column].split("|")):
                mine.setdefault(name, Product(name, sign, r["source"]))
    return {gene: tuple(mine.values()) for gene, mine in found.items()}


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


# names ----------------------------------------------------------------------------------------------------------


def is_mirna(name: str) -> bool:
    """Whether a name is that of a microRNA."""
    return _MIRNA.fullmatch(name.strip()) is not None


def same(one: str, other: str) -> bool:
    """Whether two names stand for one gene or miRNA: miR-7 is hsa-miR-7-5p, but not miR-7-3p.

    >>> same("miR-7", "hsa-miR-7-5p"), same("miR-7-3p", "hsa-miR-7-5p"), same("AXL", "axl")
    (True, False, False)
    """
    if one == other:
        return True
    a, b = _MIRNA.fullmatch(one.strip()), _MIRNA.fullmatch(other.strip())
    if a is None or b is None or a[1].lower() != b[1].lower():
        return False
    return not a[2] or not b[2] or a[2].lower() == b[2].lower()


def of(entities: pd.Series, name: str) -> pd.Series[bool]:
    """Rows of a gene, or of a miRNA under any of its names."""
    if not is_mirna(name):
        return entities == name
    return entities.map({e: same(str(e), name) for e in entities.unique()}).astype(bool)


def names(text: str, name: str) -> bool:
    """Whether a text names a gene or drug as a word of its own, also as siNAME, shNAME or sgNAME."""
    if is_mirna(name):
        return re.search(_pattern(name), text, re.I) is not None
    # the name is looked for as it is first: few texts hold it, and only there do its neighbours matter
    return bool(name) and name.lower() in text.lower() and re.search(_pattern(name), text, re.I) is not None


def naming(texts: pd.Series, name: str) -> pd.Series[bool]:
    """`names` for every text of a column."""
    return texts.astype(str).str.contains(_pattern(name), case=False, regex=True)


def _pattern(name: str) -> str:
    if found := _MIRNA.fullmatch(name.strip()):
        arm = rf"(?:-{found[2]})?" if found[2] else "(?:-[35]p)?"
        return rf"(?<![A-Za-z0-9])(?:anti-)?(?:hsa-)?mi(?:cro)?R(?:NA)?-?{found[1]}{arm}(?!-?[A-Za-z0-9])"
    return rf"(?<![A-Za-z0-9])(?:si|sh|sg)?{re.escape(name)}(?![A-Za-z0-9])"


def perturbed(contrast: str, name: str, *, drug: bool = False) -> int:
    """What a contrast did to a gene, miRNA or drug: +1 it was raised or given, -1 it was lowered or blocked, 0 where
    the contrast does not say, or did it in both arms.

    >>> [perturbed(c, "FOSL2") for c in ("siFOSL2 vs siNC", "FOSL2 OE vs vector", "LR vs P", "siFOSL2 vs siFOSL2")]
    [-1, 1, 0, 0]
    >>> perturbed("-400/+200 vs -400/+200 mut: response to FOSL2 OE", "FOSL2")
    1
    >>> perturbed("sorafenib + MB-3 vs sorafenib", "mb-3", drug=True), perturbed("miR-7 mimic vs NC", "hsa-miR-7-5p")
    (1, 1)
    """
    # a piece or site of a promoter against none of it: the contrast is of the response to what follows
    contrast = contrast.rpartition(": response to ")[2]
    treated, _, reference = contrast.partition(" vs ")
    if drug:
        did, beside = int(names(treated, name)), int(names(reference, name))
    else:
        did, beside = _done(treated, name), _done(reference, name)
    return 0 if did == beside else did


def _done(text: str, name: str) -> int:
    from rechallenge.designs.labels import done

    for part in re.split(r"\s+\+\s*|[:;,(){}]\s*", text):
        label = done(part.strip())
        if label.sign and same(label.gene, name):
            return label.sign
        if names(part, name) and re.search(
            r"\b(?:inhibitor|antagomir|antagonist|blocked|neutrali[sz]\w+)\b", part, re.I
        ):
            return -1
    # a protein that was added: +IL6
    return 1 if re.search(rf"\+{re.escape(name)}(?![A-Za-z0-9])", text) else 0
