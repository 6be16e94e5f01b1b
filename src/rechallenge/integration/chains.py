"""Chains drug -> target -> regulator -> effector -> response -> patients, each link with what is known of it.

A chain is a way to tell the case of one candidate: the drug that reaches it (or what controls it, or what it controls),
how it is controlled, that it differs in resistant cells, that changing it changes the response, and that it matters in
patients. The state of a link says who knows it; a chain is as strong as its weakest measured link. Curated edges may
complete a chain and never make it stronger.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.faults import NotApplicable
from rechallenge.integration import links
from rechallenge.integration.links import CONTRADICTED, HERE, MEASURED, UNTESTED, Link
from rechallenge.integration.network import DOWNSTREAM, ITSELF, UPSTREAM, edge, names, naming, neighbours

#: kinds of links, in the order in which a chain is read
ENGAGES, CONTROLS, CHANGES, MATTERS, IN_PATIENTS, RESTORES = (
    "drug reaches target", "regulator moves effector", "differs in resistant cells", "changes the response",
    "matters in patients", "drug restores sensitivity",
)  # fmt: skip
RESPONSE, PATIENTS, CELLS, NO_DRUG = "resistance", "patients", "resistant cells", "no drug known"
COLUMNS = (
    "chain", "candidate", "candidate_rank", "tier", "drug", "link", "kind", "source", "target", "sign", "action",
    "state", "strength", "p_value", "n_for", "n_against", "claims", "weakest", "chain_strength", "said", "summary",
)  # fmt: skip


@analysis(
    title="Chains from drug to patient",
    methods="Chains were built for the first {most} candidates from claims and curated edges; the strength of a chain "
    "is that of its weakest measured link (z of its surest claim), and curated or inferred links do not add to it.",
    formula=("No formula: links of one candidate with their claims; strength = the smallest z of its measured links"),
    oracle="No outside reference: planted chains of four designs (tests/integration/test_chains.py)",
    limits=(
        "A way to tell a case and no test of it. Curated links may be wrong and never add strength. Metabolites"
        " and modified proteins are no links."
    ),
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
    the z of the surest claim that supports it (missing where no test was made); `weakest` is yes for the measured link
    with the lowest strength, which is the `chain_strength`. The drug is the one that most links measured here speak
    for, then the most useful one of `repurposing`. `sign` of a drug's link is what the target needs; `action` is what
    the drug is known to do to it, empty where binding alone was seen. Raises NotApplicable without a candidate.
    """
    first = candidates.sort_values("rank", kind="mergesort")
    first = first[(first["entity_type"] == "gene") & (first["score"] > 0)].head(most)
    if first.empty:
        raise NotApplicable("no candidate gene to build a chain for")
    rows: list[dict[str, Any]] = []
    for number, c in enumerate(first.to_dict("records"), start=1):
        mine = _about(evidence, str(c["entity"]))
        controller = _controller(mine, str(c["entity"]))
        options = [_build(mine, c, option, controller) for option in _options(mine, c, repurposing, drugs)]
        best = max(enumerate(options), key=lambda pair: (*_known(pair[1]), -pair[0]))[1]
        rows += _finished(number, best)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _about(evidence: pd.DataFrame, gene: str) -> pd.DataFrame:
    """Claims of the gene, of its neighbours, of regulators and of drugs; the rows keep their place in the evidence."""
    near = {n.name for n in neighbours(gene)}
    kept = evidence["entity_type"].isin(["drug", "pair", "regulator"]) | evidence["entity"].isin(near)
    return evidence[kept]


def _options(
    evidence: pd.DataFrame, candidate: Mapping[Any, Any], repurposing: pd.DataFrame | None, drugs: pd.DataFrame | None
) -> Iterator[dict[str, Any]]:
    """Ways to reach the candidate: (drug, node, relation, curated), at most twelve, the likeliest first."""
    gene = str(candidate["entity"])
    nodes = {n.name: n for n in neighbours(gene)}
    for regulator in _regulators(evidence, gene):
        nodes.setdefault(regulator, neighbours(regulator)[0])
    # drugs of this study that a claim of engagement names
    own = [] if drugs is None else drugs.loc[drugs["therapy"] != "yes", "drug"].astype(str).tolist()
    bound = evidence[(evidence["level"] == "engagement") & evidence["entity"].isin(list(nodes))]
    said = " ".join(bound["contrast"] + " " + bound["claim"])
    acts: dict[tuple[str, str], str] = {}
    curated: list[dict[str, Any]] = []
    if repurposing is not None:
        mine = repurposing[(repurposing["candidate"] == gene) & (repurposing["drug"] != "")]
        mine = mine[(mine["right_direction"] != "no") & ~mine["marks"].str.contains("withdrawn|therapy in question")]
        curated = [
            {"drug": _own_name(r["drug"], own), "node": r["acts_on"], "curated": f"{r['action']} ({r['source']})"}
            for r in mine.to_dict("records")
        ]
        acts = {(o["drug"].casefold(), o["node"]): o["curated"] for o in reversed(curated)}
    found: list[dict[str, Any]] = [
        {"drug": drug, "node": name, "curated": acts.get((drug.casefold(), name), "")}
        for drug in own
        if names(said, drug)
        for name in nodes
        if name in set(bound["entity"]) and links.engagement(bound, drug, name, "").state == HERE
    ]
    found += curated[:12]
    seen: set[tuple[str, str]] = set()
    for option in found:
        key = (option["drug"].casefold(), option["node"])
        if key in seen:
            continue
        seen.add(key)
        known = nodes.get(option["node"])
        relation = known.relation if known is not None and option["node"] != gene else ITSELF
        if option["node"] != gene and relation == ITSELF:
            relation = UPSTREAM
        yield {**option, "relation": relation, "sign": known.sign if known else 1}
    yield {"drug": "", "node": gene, "relation": ITSELF, "curated": "", "sign": 1}


def _own_name(drug: str, own: list[str]) -> str:
    """A drug as the study writes it."""
    from rechallenge.knowledge.resolve import drugs as resolve

    if not own:
        return drug
    known = resolve(own)["drug"].tolist()
    return next((mine for mine, name in zip(own, known, strict=True) if name == drug), drug)


def _regulators(evidence: pd.DataFrame, gene: str) -> list[str]:
    """Regulators that a claim of this study names with the gene."""
    rows = evidence[(evidence["entity_type"] == "regulator") & (evidence["entity"] != gene)]
    rows = rows[naming(rows["contrast"] + " " + rows["claim"], gene)]
    return sorted(set(rows["entity"]))


def _build(
    evidence: pd.DataFrame, candidate: Mapping[Any, Any], option: Mapping[str, Any], controller: str
) -> list[dict[str, Any]]:
    """The links of one way to reach a candidate; `controller` is what controls one that is reached itself."""
    gene, direction = str(candidate["entity"]), int(candidate["direction"])
    drug, node, relation = str(option["drug"]), str(option["node"]), str(option["relation"])
    effector, regulator = gene, ""
    if relation == UPSTREAM:
        regulator = node
    elif relation == DOWNSTREAM:
        effector, regulator = node, gene
    else:
        regulator = controller
    sign = _sign(evidence, regulator, effector) if regulator else 1
    common = {"candidate": gene, "candidate_rank": int(candidate["rank"]), "tier": int(candidate["tier"]), "drug": drug}
    towards = direction * sign if relation == DOWNSTREAM else direction
    found: list[tuple[str, str, str, int, Link]] = []
    if drug:
        needed = -direction * (int(option["sign"]) if relation != ITSELF else 1)
        found.append((ENGAGES, drug, node, needed, links.engagement(evidence, drug, node, str(option["curated"]))))
    else:
        found.append((ENGAGES, NO_DRUG, gene, -direction, Link(UNTESTED)))
    if regulator:
        found.append((CONTROLS, regulator, effector, sign, links.control(evidence, regulator, effector, sign)))
    found.append((CHANGES, gene, CELLS, direction, links.change(evidence, gene, direction)))
    found.append((MATTERS, effector, RESPONSE, towards, links.function(evidence, effector, towards)))
    if effector != gene:
        found.append((MATTERS, gene, RESPONSE, direction, links.function(evidence, gene, direction)))
    found.append((IN_PATIENTS, gene, PATIENTS, direction, links.patients(evidence, gene, direction)))
    if drug:
        found.append((RESTORES, drug, RESPONSE, -1, links.restoration(evidence, drug)))
    return [
        {
            **common, "kind": kind, "source": source, "target": target, "sign": way,
            "action": str(option["curated"]) if kind == ENGAGES else "", "state": link.state,
            "strength": link.strength, "p_value": link.p_value, "n_for": link.n_for, "n_against": link.n_against,
            "claims": ", ".join(map(str, link.claims)), "said": link.said,
        }
        for kind, source, target, way, link in found
    ]  # fmt: skip


def _controller(evidence: pd.DataFrame, gene: str) -> str:
    """What controls a gene that is reached itself: the regulator of which most is known, '' where none is."""
    curated = {n.name: n.sign for n in neighbours(gene) if n.relation == UPSTREAM}
    named = sorted({*curated, *_regulators(evidence, gene)})
    order = {state: i for i, state in enumerate(links.STATES)}
    judged = [(links.control(evidence, r, gene, curated.get(r, 1)), r) for r in named]
    judged = [(link, r) for link, r in judged if link.state not in (UNTESTED, CONTRADICTED)]
    return min(judged, key=lambda pair: (order[pair[0].state], -pair[0].n_for, pair[1]))[1] if judged else ""


def _sign(evidence: pd.DataFrame, regulator: str, gene: str) -> int:
    """The sign of the curated edge; +1 where it is not known."""
    known = edge(regulator, gene)
    return known.sign if known is not None else 1


def _known(chain: list[dict[str, Any]]) -> tuple[int, int, int]:
    """How much of a chain is measured, how little contradicted, how much otherwise known."""
    states = [row["state"] for row in chain]
    return (
        sum(s in MEASURED for s in states) - sum(s == CONTRADICTED for s in states),
        sum(s in (links.CURATED, links.INFERRED) for s in states),
        int(chain[0]["drug"] != ""),
    )


def _finished(number: int, chain: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A chain with its number, its weakest link and its summary."""
    tested = [r["strength"] for r in chain if r["state"] in MEASURED and not math.isnan(r["strength"])]
    least = min(tested) if tested else math.nan
    said = _summary(chain, least)
    weakest = next((i for i, r in enumerate(chain) if r["strength"] == least), -1)
    return [
        {**row, "chain": number, "link": i + 1, "weakest": "yes" if i == weakest else "", "chain_strength": least,
         "summary": said if i == 0 else ""}
        for i, row in enumerate(chain)
    ]  # fmt: skip


def _summary(chain: list[dict[str, Any]], least: float) -> str:
    """The chain in a sentence: the way, how many links are measured, which is the weakest, what is missing."""
    nodes = [str(chain[0]["drug"] or NO_DRUG), str(chain[0]["target"])]
    for row in chain:
        if row["kind"] == CONTROLS and row["source"] == nodes[-1]:
            nodes.append(str(row["target"]))
    text = " → ".join([*nodes, RESPONSE, PATIENTS])
    measured = [r for r in chain if r["state"] in MEASURED]
    text += f": {len(measured)} of {len(chain)} links measured"
    weak = next((r for r in measured if r["strength"] == least), None)
    if weak is not None:
        text += f", the weakest “{weak['source']} {_verb(weak)}” (z = {least:.1f})"
    for state, words in (
        (CONTRADICTED, "contradicted"),
        (links.NOT_SHOWN, "tested and not shown"),
        (UNTESTED, "not tested"),
    ):
        rest = [f"“{r['source']} {_verb(r)}”" for r in chain if r["state"] == state]
        text += f"; {words}: {', '.join(rest)}" if rest else ""
    return text + "."


def _verb(row: Mapping[str, Any]) -> str:
    """A link in words, without its source."""
    kind, target = row["kind"], row["target"]
    if kind == ENGAGES:
        return f"reaches {target}"
    if kind == CONTROLS:
        return f"{'raises' if row['sign'] > 0 else 'lowers'} {target}"
    if kind == CHANGES:
        return f"is {'higher' if row['sign'] > 0 else 'lower'} in resistant cells"
    if kind == IN_PATIENTS:
        return "matters in patients"
    return "restores sensitivity" if kind == RESTORES else "changes the response"
