"""Ways to reach a candidate: which drug, at which gene, and what lies between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pandas as pd

from rechallenge.integration import links
from rechallenge.integration.drugs import DISPUTED, RESTORES, UNKNOWN
from rechallenge.integration.links import CONTRADICTED, HERE, INFERRED, STATES, UNTESTED, Claims
from rechallenge.integration.network import (
    DOWNSTREAM,
    ITSELF,
    SECOND,
    UPSTREAM,
    edge,
    is_mirna,
    names,
    naming,
    neighbours,
    second_steps,
)

#: how a drug acts of which no target in the chain is known: by what it was seen to do
MOVES_IT = "effect"
#: ways that are tried from curated drugs
MOST = 16


@dataclass(frozen=True)
class Route:
    """One way: ``drug`` ('' where none is known) reaches ``hit`` (a gene of ``nodes``, or what is said of its targets);
    ``nodes`` lead from the most upstream one to the effector, the candidate among them."""

    drug: str
    hit: str
    nodes: tuple[str, ...]
    relation: str
    curated: str = ""
    signs: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def sign(self, one: str, other: str) -> int:
        """The sign of one step between neighbours; +1 where it is not known."""
        return self.signs.get((one, other), 1)


def routes(
    claims: Claims, candidate: Mapping[Any, Any], repurposing: pd.DataFrame | None, drugs: pd.DataFrame | None
) -> Iterator[Route]:
    """Ways to reach the candidate, the likeliest first and the one without a drug last."""
    gene, direction = str(candidate["entity"]), int(candidate["direction"])
    nodes = {n.name: n for n in neighbours(gene)}
    evidence = claims.evidence
    for regulator in claims(named_regulators, gene):
        nodes.setdefault(regulator, neighbours(regulator)[0])
    own = own_drugs(drugs)
    bound = evidence[(evidence["level"] == "engagement") & evidence["entity"].isin(list(nodes))]
    said = " ".join(bound["contrast"] + " " + bound["claim"])
    curated = _curated(repurposing, gene, own)
    acts = {(o[0].casefold(), o[1]): o[2] for o in reversed(curated)}
    found: list[tuple[str, str, str, str]] = []
    for drug in own:
        if names(said, drug):
            found += [
                (drug, name, acts.get((drug.casefold(), name), ""), "")
                for name in nodes
                if name in set(bound["entity"]) and links.engagement(bound, drug, name, "").state == HERE
            ]
    found += [(*o, "") for o in curated[:MOST]]
    reached = {drug.casefold() for drug, *_ in found}
    found += [(drug, text, "", MOVES_IT) for drug, text in _by_effect(claims, gene, drugs, reached)]
    seen: set[tuple[str, str, str]] = set()
    for drug, hit, action, how in found:
        if (drug.casefold(), hit, how) in seen:
            continue
        seen.add((drug.casefold(), hit, how))
        for path in _paths(claims, gene, hit, nodes, how, direction):
            relation = how or relation_of(path, gene, hit)
            yield Route(drug, hit, path, relation, action, _signs(claims, path))
    path = _paths(claims, gene, gene, nodes, "", direction)[0]
    yield Route("", gene, path, ITSELF, "", _signs(claims, path))


def effect_route(claims: Claims, gene: str, drug: str, targets: str) -> Route:
    """The way of a drug that moved the candidate though no target of it is in the case."""
    path = _paths(claims, gene, gene, {}, MOVES_IT, 0)[0]
    return Route(drug, targets, path, MOVES_IT, "", _signs(claims, path))


def relation_of(path: tuple[str, ...], gene: str, hit: str) -> str:
    """How what is hit relates to the candidate in this path."""
    step = path.index(gene) - path.index(hit)
    return ITSELF if step == 0 else DOWNSTREAM if step < 0 else UPSTREAM if step == 1 else SECOND


def own_drugs(drugs: pd.DataFrame | None) -> list[str]:
    """The study's drugs other than those that its models resist."""
    if drugs is None:
        return []
    return [str(d) for d in drugs.loc[drugs["therapy"] != "yes", "drug"]]


def _curated(repurposing: pd.DataFrame | None, gene: str, own: list[str]) -> list[tuple[str, str, str]]:
    """(drug, gene that it acts on, how that is known) of drugs that push the right way and may be had."""
    if repurposing is None:
        return []
    mine = repurposing[(repurposing["candidate"] == gene) & (repurposing["drug"] != "")]
    mine = mine[
        (mine["right_direction"] != "no") & ~mine["marks"].str.contains("withdrawn|resist|opposes the therapies")
    ]
    known = _own_names(own)
    return [
        (known.get(str(r["drug"]), str(r["drug"])), str(r["acts_on"]), f"{r['action']} ({r['source']})")
        for r in mine.to_dict("records")
    ]


def _own_names(own: list[str]) -> dict[str, str]:
    """Drugs as the knowledge tables call them -> as the study writes them."""
    from rechallenge.knowledge.resolve import drugs as resolve

    return {} if not own else dict(zip(resolve(own)["drug"].tolist(), own, strict=True))


def _by_effect(claims: Claims, gene: str, drugs: pd.DataFrame | None, reached: set[str]) -> Iterator[tuple[str, str]]:
    """Drugs that restored sensitivity here and moved the candidate, or whose effect the candidate took away, though no
    target of theirs is in the case: (drug, what is said of its targets)."""
    if drugs is None:
        return
    about = claims.evidence[claims.evidence["entity"] == gene]
    said = " ".join(about["contrast"] + " " + about["claim"])
    for r in drugs.to_dict("records"):
        drug = str(r["drug"])
        if r["therapy"] == "yes" or r["finding"] not in (RESTORES, DISPUTED) or drug.casefold() in reached:
            continue
        if not names(said, drug):
            continue
        states = {claims(links.moves, drug, gene, sign).state for sign in (-1, 1)}
        if states & {HERE, INFERRED, links.NOT_SHOWN}:
            yield drug, target_text(str(r["targets"]))


def target_text(targets: str) -> str:
    """What a box says of targets that are not in the chain."""
    first = targets.split(",")[0].strip()
    return "target unknown" if first in ("", UNKNOWN) else f"{first} (not linked)"


def _paths(
    claims: Claims, gene: str, hit: str, nodes: Mapping[str, Any], how: str, direction: int
) -> list[tuple[str, ...]]:
    """Chains of genes that hold the candidate and what is hit, at most three, upstream ones first."""
    if how == MOVES_IT or hit == gene:
        below = "" if how == MOVES_IT else effector(claims, gene, direction)
        first = controller(claims, gene, besides=(below,))
        above = controller(claims, first, besides=(gene, below)) if first and not below else ""
        return [tuple(n for n in (above, first, gene, below) if n)]
    known = nodes.get(hit)
    found = []
    if known is None or known.relation not in (DOWNSTREAM, SECOND):
        above = controller(claims, hit, besides=(gene,))
        found.append(tuple(n for n in (above, hit, gene) if n))
    if known is not None and known.relation == DOWNSTREAM:
        above = controller(claims, gene, besides=(hit,))
        found.append(tuple(n for n in (above, gene, hit) if n))
    found += [(hit, step.via, gene) for step in second_steps(gene) if step.name == hit]
    return found or [(hit, gene)]


def controller(claims: Claims, gene: str, besides: tuple[str, ...] = ()) -> str:
    """What controls a gene: the regulator of which most is known, '' where none is."""
    if is_mirna(gene):
        return ""
    curated = {n.name: n.sign for n in neighbours(gene) if n.relation == UPSTREAM}
    named = sorted({*curated, *claims(named_regulators, gene)} - {gene, *besides})
    order = {state: i for i, state in enumerate(STATES)}
    judged = [(claims(links.control, r, gene, claims(sign_of, r, gene)), r) for r in named]
    judged = [(link, r) for link, r in judged if link.state not in (UNTESTED, CONTRADICTED)]
    # of two that are known alike the one whose seed site or motif was found here too goes first
    return min(judged, key=lambda p: (order[p[0].state], -p[0].n_for, not p[0].claims, p[1]))[1] if judged else ""


def effector(claims: Claims, gene: str, direction: int) -> str:
    """What the gene was measured to move and what was measured to change the response itself; '' where nothing was."""
    found = []
    for n in neighbours(gene):
        if n.relation != DOWNSTREAM:
            continue
        link = claims(links.control, gene, n.name, n.sign, direction * n.sign)
        if link.state == HERE and claims(links.function, n.name, direction * n.sign).state == HERE:
            found.append((-link.n_for, n.name))
    return min(found)[1] if found else ""


def named_regulators(evidence: pd.DataFrame, gene: str) -> list[str]:
    """Regulators that a claim of this study names with the gene."""
    rows = evidence[(evidence["entity_type"] == "regulator") & (evidence["entity"] != gene)]
    # a seed site or motif that chance gives says nothing
    rows = rows[~((rows["level"] == "knowledge") & rows["claim"].str.contains("chance alone", regex=False))]
    rows = rows[naming(rows["contrast"] + " " + rows["claim"], gene)]
    return sorted(set(rows["entity"]))


def sign_of(evidence: pd.DataFrame, regulator: str, gene: str) -> int:
    """The sign of the curated edge, else that of the surest claim; a miRNA lowers, else +1 where nothing is known."""
    known = edge(regulator, gene)
    if known is not None:
        return known.sign
    return links.measured_sign(evidence, regulator, gene) or (-1 if is_mirna(regulator) else 1)


def _signs(claims: Claims, path: tuple[str, ...]) -> dict[tuple[str, str], int]:
    return {(a, b): claims(sign_of, a, b) for a, b in pairwise(path)}
