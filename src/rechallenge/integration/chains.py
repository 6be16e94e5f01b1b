"""Chains drug -> target -> regulator -> effector -> response -> patients, each link with what is known of it.

A chain is a way to tell the case of one candidate: the drug that reaches it (or what controls it, or what it controls),
how it is controlled, that it differs in resistant cells, what it moves, that changing it changes the response, and that
it matters in patients. The state of a link says who knows it; a chain is as strong as its weakest measured link.
Curated edges may complete a chain and never make it stronger.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.evidence import AMOUNT
from rechallenge.faults import NotApplicable
from rechallenge.integration import links
from rechallenge.integration.drugs import DISPUTED, UNKNOWN
from rechallenge.integration.drugs import RESTORES as RESTORING
from rechallenge.integration.links import CONTRADICTED, HERE, INFERRED, MEASURED, UNTESTED, Claims, Link
from rechallenge.integration.network import DOWNSTREAM, is_mirna, neighbours, products
from rechallenge.integration.patients import patients
from rechallenge.integration.routes import (
    MOVES_IT,
    Route,
    effect_route,
    named_regulators,
    own_drugs,
    routes,
    target_text,
)

#: kinds of links, in the order in which a chain is read
ENGAGES, MOVES, SECOND, CONTROLS, CHANGES, PRODUCES, MATTERS, IN_PATIENTS, RESTORES = (
    "drug reaches target", "drug moves effector", "regulator moves regulator", "regulator moves effector",
    "differs in resistant cells", "moves a product", "changes the response", "matters in patients",
    "drug restores sensitivity",
)  # fmt: skip
RESPONSE, PATIENTS, CELLS, NO_DRUG = "resistance", "patients", "resistant cells", "no drug known"
#: actions of drugs that lower what the target does
LOWERS = ("inhibitor", "antagonist", "antibody")
#: metabolites and modified proteins that a chain shows at most; chains of drugs that reach no candidate
PRODUCTS, DRUGS = 2, 2
#: relation of a chain that has no candidate, and the tier that it bears
NO_CANDIDATE, NO_TIER = "no candidate", 4
COLUMNS = (
    "chain", "candidate", "candidate_rank", "tier", "drug", "link", "kind", "source", "target", "sign", "action",
    "state", "strength", "p_value", "n_for", "n_against", "claims", "weakest", "chain_strength", "said", "summary",
    "relation", "source_kind", "target_kind",
)  # fmt: skip


@analysis(
    title="Chains from drug to patient",
    methods="Chains were built for the first {most} candidates from claims and curated edges, at most two steps "
    "upstream; the strength of a chain is that of its weakest measured link (z of its surest claim; in patients of all "
    "cohorts together, Stouffer), and curated or inferred links do not add to it. What a regulator or drug does was "
    "read with its sign.",
    formula=("No formula: links of one candidate with their claims; strength = the smallest z of its measured links"),
    oracle="No outside reference: planted chains of four designs (tests/integration/test_chains.py)",
    limits=("A way to tell a case and no test of it. Curated links may be wrong and never add strength."),
)
def chains(
    evidence: pd.DataFrame,
    candidates: pd.DataFrame,
    repurposing: pd.DataFrame | None = None,
    drugs: pd.DataFrame | None = None,
    *,
    most: int = 5,
) -> pd.DataFrame:
    """One row per link of a chain, one chain per candidate with a score above 0: `COLUMNS`.

    `state` is one of `links.STATES`. `claims` are rows of evidence.csv behind the link, the surest first; `strength` is
    the z of the surest claim that supports it (missing where no test was made), in patients that of all cohorts;
    `weakest` is yes for the measured link with the lowest strength, which is the `chain_strength`. The drug is the one
    that most links measured here speak for, then the most useful one of `repurposing`. `sign` of a drug's link is what
    the target needs; `action` is what the drug is known to do to it, empty where binding alone was seen. `relation` is
    how what the drug reaches relates to the candidate ("effect": no target of it is in the case, but it moved the
    candidate). `source_kind` and `target_kind` say what a node is.

    Drugs that restored sensitivity here, of which no target is known and that are in no chain yet, follow: to the first
    candidate that they were seen to move, else with an empty `candidate`, `candidate_rank` 0 and `tier` 4. Raises
    NotApplicable where there is neither.
    """
    first = candidates.sort_values("rank", kind="mergesort")
    first = first[(first["entity_type"] == "gene") & (first["score"] > 0)].head(most)
    rows: list[dict[str, Any]] = []
    number = 0
    for number, c in enumerate(first.to_dict("records"), start=1):
        mine = Claims(_about(evidence, str(c["entity"])))
        ways = list(routes(mine, c, repurposing, drugs))
        told = [_build(mine, c, way) for way in ways]
        best = max(enumerate(told), key=lambda pair: (*_known(pair[1]), -pair[0]))[1]
        rows += _finished(number, best)
    used = {str(r["drug"]).casefold() for r in rows}
    for place, drug in enumerate(_targetless(drugs, used), start=number + 1):
        rows += _finished(place, _by_effect(evidence, first, drug))
    if not rows:
        raise NotApplicable("no candidate gene to build a chain for")
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _about(evidence: pd.DataFrame, gene: str) -> pd.DataFrame:
    """Claims of the gene, of its neighbours and theirs, of what it moves, of regulators, metabolites and drugs; the
    rows keep their place in the evidence."""
    near = {n.name for n in neighbours(gene)} | set(named_regulators(evidence, gene))
    kept = evidence["entity_type"].isin(["drug", "pair", "regulator"]) | evidence["entity"].isin(near)
    made = {p.name for p in products(gene)}
    kept |= (evidence["entity_type"] == "metabolite") & evidence["entity"].isin(made)
    amounts = evidence["effect_unit"].str.startswith(AMOUNT)
    kept |= amounts & evidence["contrast"].str.contains(gene, regex=False)
    return evidence[kept]


def _build(claims: Claims, candidate: Mapping[Any, Any], way: Route) -> list[dict[str, Any]]:
    """The links of one way to reach a candidate."""
    gene, direction = str(candidate["entity"]), int(candidate["direction"])
    path, at = way.nodes, way.nodes.index(gene)
    # which way each node of the path moves in resistance
    moved = {gene: direction}
    for a, b in reversed(list(pairwise(path[: at + 1]))):
        moved[a] = moved[b] * way.sign(a, b)
    for a, b in pairwise(path[at:]):
        moved[b] = moved[a] * way.sign(a, b)
    effector = path[-1]
    found: list[tuple[str, str, str, int, Link]] = []
    if not way.drug:
        found.append((ENGAGES, NO_DRUG, gene, -direction, Link(UNTESTED)))
    elif way.relation == MOVES_IT:
        found.append((ENGAGES, way.drug, way.hit, 0, Link(UNTESTED)))
    else:
        reached = claims(links.engagement, way.drug, way.hit, way.curated)
        found.append((ENGAGES, way.drug, way.hit, -moved[way.hit], reached))
    if way.drug:
        found += _moved(claims, way, gene, moved)
    for k, (a, b) in enumerate(pairwise(path)):
        kind = SECOND if k + 2 <= at else CONTROLS
        found.append((kind, a, b, way.sign(a, b), claims(links.control, a, b, way.sign(a, b), moved[b])))
    found.append((CHANGES, gene, CELLS, direction, claims(links.change, gene, direction)))
    found += _products(claims, gene, direction, path)
    found.append((MATTERS, effector, RESPONSE, moved[effector], claims(links.function, effector, moved[effector])))
    if effector != gene:
        found.append((MATTERS, gene, RESPONSE, direction, claims(links.function, gene, direction)))
    found.append((IN_PATIENTS, gene, PATIENTS, direction, claims(patients, gene, direction)))
    if way.drug:
        found.append((RESTORES, way.drug, RESPONSE, -1, claims(links.restoration, way.drug)))
    common = {"candidate": gene, "candidate_rank": int(candidate["rank"]), "tier": int(candidate["tier"]),
              "drug": way.drug, "relation": way.relation}  # fmt: skip
    return _rows(found, common, way.curated, _kinds(path, gene, way, found))


def _moved(claims: Claims, way: Route, gene: str, moved: Mapping[str, int]) -> list[tuple[Any, ...]]:
    """What the drug was seen to do to the amount of the effector or the candidate, where that was measured."""
    for node in dict.fromkeys((way.nodes[-1], gene)):
        if node == way.hit:  # an inhibitor need not change how much there is of its target
            continue
        link = claims(links.moves, way.drug, node, -moved[node])
        if link.state != UNTESTED or way.relation == MOVES_IT:
            return [(MOVES, way.drug, node, -moved[node], link)]
    return []


def _products(
    claims: Claims, gene: str, direction: int, path: tuple[str, ...]
) -> list[tuple[str, str, str, int, Link]]:
    """Metabolites of the enzyme and read-outs of other proteins that it moves, the surest first."""
    found = []
    for p in products(gene):
        link = claims(links.metabolite, gene, p.name, p.sign, direction)
        if link.state in (HERE, INFERRED, CONTRADICTED):
            found.append((PRODUCES, gene, p.name, p.sign, link))
    for name, sign, link in claims(links.modified, gene):
        if name.split()[0] not in path:
            found.append((PRODUCES, gene, name, sign, link))
    order = {state: k for k, state in enumerate(links.STATES)}
    sure = sorted(found, key=lambda f: (order[f[4].state], -f[4].strength if f[4].strength == f[4].strength else 0.0))
    metabolites = [f for f in sure if any(f[2] == p.name for p in products(gene))]
    # one of each kind before a second of one
    return list(dict.fromkeys([*metabolites[:1], *(f for f in sure if f not in metabolites)]))[:PRODUCTS]


def _rows(
    found: list[tuple[str, str, str, int, Link]], common: Mapping[str, Any], curated: str, kinds: Mapping[str, str]
) -> list[dict[str, Any]]:
    return [
        {
            **common, "kind": kind, "source": source, "target": target, "sign": way,
            "action": curated if kind == ENGAGES else "", "state": link.state,
            "strength": link.strength, "p_value": link.p_value, "n_for": link.n_for, "n_against": link.n_against,
            "claims": ", ".join(map(str, link.claims)), "said": link.said,
            "source_kind": kinds.get(source, ""), "target_kind": kinds.get(target, ""),
        }
        for kind, source, target, way, link in found
    ]  # fmt: skip


def _kinds(
    path: tuple[str, ...], gene: str, way: Route, found: list[tuple[str, str, str, int, Link]]
) -> dict[str, str]:
    """What each node is, in a word or two."""
    at = path.index(gene)
    made = {p.name for p in products(gene)}
    out = {t: "metabolite" if t in made else "protein" for kind, _, t, _, _ in found if kind == PRODUCES}
    for k, node in enumerate(path):
        out[node] = "candidate" if k == at else "effector" if k > at else "regulator" if k == at - 1 else "2 steps up"
        if is_mirna(node):
            out[node] = "microRNA"
    out.setdefault(way.hit, "target")
    return out | {way.drug or NO_DRUG: "drug"}


def _targetless(drugs: pd.DataFrame | None, used: set[str]) -> list[str]:
    """The study's drugs that restored sensitivity, of which no target is known and that are in no chain yet."""
    if drugs is None or drugs.empty:
        return []
    mine = drugs[drugs["finding"].isin([RESTORING, DISPUTED]) & drugs["targets"].isin(["", UNKNOWN])]
    own = {d.casefold() for d in own_drugs(drugs)}
    mine = mine.sort_values("rank", kind="mergesort")
    return [d for d in mine["drug"].astype(str) if d.casefold() in own and d.casefold() not in used][:DRUGS]


def _by_effect(evidence: pd.DataFrame, candidates: pd.DataFrame, drug: str) -> list[dict[str, Any]]:
    """The chain of a drug without a known target: what it was seen to do, and what is missing."""
    target = target_text(UNKNOWN)
    for c in candidates.to_dict("records"):
        gene = str(c["entity"])
        mine = Claims(_about(evidence, gene))
        if mine(links.moves, drug, gene, -int(c["direction"])).state != UNTESTED:
            return _build(mine, c, effect_route(mine, gene, drug, target))
    found = [
        (ENGAGES, drug, target, 0, Link(UNTESTED)),
        (RESTORES, drug, RESPONSE, -1, links.restoration(evidence, drug)),
    ]
    common = {"candidate": "", "candidate_rank": 0, "tier": NO_TIER, "drug": drug, "relation": NO_CANDIDATE}
    return _rows(found, common, "", {drug: "drug", target: "target"})


def _known(chain: list[dict[str, Any]]) -> tuple[int, bool, int, bool]:
    """How much of a chain is measured and how little contradicted, whether anything of its drug was measured here, how
    much is otherwise known; what the candidate moves and what lies two steps above it is the same in most of its chains
    and does not count."""
    gene = chain[0]["candidate"]
    beside = chain[0]["relation"] == DOWNSTREAM  # what controls the candidate is no step of a way that lies below it
    states = [
        row["state"]
        for row in chain
        if row["kind"] not in (PRODUCES, SECOND) and not (beside and row["kind"] == CONTROLS and row["target"] == gene)
    ]
    return (
        sum(s in MEASURED for s in states) - sum(s == CONTRADICTED for s in states),
        any(row["kind"] in (ENGAGES, MOVES, RESTORES) and row["state"] in MEASURED for row in chain),
        sum(s in (links.CURATED, INFERRED) for s in states),
        chain[0]["drug"] != "",
    )


def _finished(number: int, chain: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A chain with its number, its weakest link and its summary."""
    # what the candidate moves besides is no step from the drug to the patients
    steps = [r for r in chain if r["kind"] != PRODUCES]
    tested = [r["strength"] for r in steps if r["state"] in MEASURED and not math.isnan(r["strength"])]
    least = min(tested) if tested else math.nan
    said = _summary(chain, least)
    weakest = next((i for i, r in enumerate(chain) if r["kind"] != PRODUCES and r["strength"] == least), -1)
    return [
        {**row, "chain": number, "link": i + 1, "weakest": "yes" if i == weakest else "", "chain_strength": least,
         "summary": said if i == 0 else ""}
        for i, row in enumerate(chain)
    ]  # fmt: skip


def way_of(chain: list[dict[str, Any]]) -> list[str]:
    """The nodes of a chain in the order in which it is read: drug, genes from the most upstream one, resistance."""
    drug, hit = str(chain[0]["source"]), str(chain[0]["target"])
    steps = [(str(r["source"]), str(r["target"])) for r in chain if r["kind"] in (SECOND, CONTROLS)]
    path = [steps[0][0], *(b for _, b in steps)] if steps else [str(chain[0]["candidate"] or hit)]
    return [drug, *([] if hit in path else [hit]), *path]


def _summary(chain: list[dict[str, Any]], least: float) -> str:
    """The chain in a sentence: the way, how many links are measured, which is the weakest, what is missing."""
    nodes = way_of(chain)
    hit, downstream = str(chain[0]["target"]), chain[0]["relation"] == DOWNSTREAM
    lowers = {(r["source"], r["target"]) for r in chain if r["kind"] in (SECOND, CONTROLS) and r["sign"] < 0}
    lowers |= {(r["source"], r["target"]) for r in chain if r["kind"] == ENGAGES and action_lowers(str(r["action"]))}
    # what stands above the drug's target is told at the end: the drug does not act there
    above = [] if downstream else nodes[1 : nodes.index(hit)]
    told = nodes[1:] if downstream else [nodes[0], *nodes[nodes.index(hit) :]]
    if chain[0]["relation"] == MOVES_IT:
        gene = str(chain[0]["candidate"])
        moves = next(r for r in chain if r["kind"] == MOVES)
        told, above = [f"{nodes[0]} ({hit})", *nodes[nodes.index(gene) :]], nodes[2 : nodes.index(gene)]
        lowers |= {(told[0], gene)} if moves["sign"] < 0 else set()
        hit = gene
    text = told[0]
    for a, b in pairwise(told):
        text += f" {'⊣' if (a, b) in lowers else '→'} {b}"
    text += f" → {RESPONSE}" + (f" → {PATIENTS}" if chain[0]["candidate"] else "")
    text += f", {nodes[0]} {'⊣' if (nodes[0], hit) in lowers else '→'} {hit}" if downstream else ""
    measured = [r for r in chain if r["state"] in MEASURED]
    text += f": {len(measured)} of {len(chain)} links measured"
    weak = next((r for r in measured if r["kind"] != PRODUCES and r["strength"] == least), None)
    if weak is not None:
        text += f", the weakest “{weak['source']} {_verb(weak)}” (z = {least:.1f})"
    for state, words in (
        (CONTRADICTED, "contradicted"),
        (links.NOT_SHOWN, "tested and not shown"),
        (UNTESTED, "not tested"),
    ):
        rest = [f"“{r['source']} {_verb(r)}”" for r in chain if r["state"] == state]
        text += f"; {words}: {', '.join(rest)}" if rest else ""
    return text + (f"; above {hit}: {', then '.join(above)}" if above else "") + "."


def action_lowers(action: str) -> bool:
    """Whether what is known of a drug's action lowers what its target does."""
    return action.startswith(LOWERS)


def _verb(row: Mapping[str, Any]) -> str:
    """A link in words, without its source."""
    kind, target = row["kind"], row["target"]
    if kind == ENGAGES:
        return f"reaches {target}" if row["sign"] else "reaches a known target of this case"
    if kind in (CONTROLS, SECOND, MOVES, PRODUCES):
        return f"{'raises' if row['sign'] > 0 else 'lowers'} {target}"
    if kind == CHANGES:
        return f"is {'higher' if row['sign'] > 0 else 'lower'} in resistant cells"
    if kind == IN_PATIENTS:
        return "matters in patients"
    return "restores sensitivity" if kind == RESTORES else "changes the response"
