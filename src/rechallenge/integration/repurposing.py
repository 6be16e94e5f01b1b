"""Drugs that could act on the case: on a candidate, on what controls it or on what it controls, in the right direction.

Usefulness is a second axis and is never multiplied into a score: an undruggable winner stays a winner and leads to its
neighbours. Every property is a column of its own, and what nobody knows is `unknown`, which is not `no`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.integration.drugs import ITSELF as RESISTED_ITSELF
from rechallenge.integration.drugs import OPPOSES, RESISTED, resisted_drugs
from rechallenge.integration.network import DOWNSTREAM, ITSELF, SECOND, UPSTREAM, Neighbour, neighbours

UNKNOWN, UNTESTED, NONE = "unknown", "not tested", "no drug known"
OWN = "own screen"
THERAPY = "resisted here: a therapy in question, no sensitiser"
RESISTED_TOO = "resistant models resist it here"
#: what a drug does to its target -> the sign of it; binders and modulators may do either
ACTIONS: Mapping[str, int] = {"inhibitor": -1, "antagonist": -1, "antibody": -1, "agonist": 1}
STATUS = ("approved", "investigational", UNKNOWN, "tool", "withdrawn", "")
RELATIONS = (ITSELF, UPSTREAM, DOWNSTREAM, SECOND, OWN)
DIRECTIONS = ("yes", UNKNOWN, "no")
#: what was found here that counts before anything on record
FOUND = ("restores sensitivity", "restores sensitivity in some experiments, opposes it in others", "a lead")
COLUMNS = (
    "rank",
    "candidate",
    "candidate_rank",
    "acts_on",
    "relation",
    "path",
    "needed",
    "drug",
    "action",
    "right_direction",
    "status",
    "marks",
    "approvals",
    "potency_nm",
    "tested_here",
    "synergistic",
    "selective",
    "dose_um",
    "cmax_um",
    "cmax_free_um",
    "achievable",
    "liver",
    "edge",
    "source",
    "summary",
    "use",
)
TOPICAL, VETERINARY, LABORATORY = (
    "topical only: no systemic exposure", "veterinary medicine, not for people", "laboratory compound, not a medicine",
)  # fmt: skip  # fmt: skip


@analysis(
    title="Drugs to repurpose",
    methods="Drugs were listed that act on one of the first {most} candidates, on its curated regulators or on what it "
    "controls, with the direction in which the target must be moved, and the drugs of the study's own experiments; "
    "approval, exposure, liver safety and results in combination are shown beside each other and do not enter any "
    "score.",
    formula="No formula: order by candidate, direction, distance, approval, potency",
    oracle="No outside reference: a listing by rules (tests/integration/test_chains.py)",
    limits=(
        "Drug tables are incomplete and lean to well-studied targets. Nothing listed was tested unless it says so."
    ),
)
def repurposing(
    candidates: pd.DataFrame,
    drugs: pd.DataFrame | None = None,
    exposures: pd.DataFrame | None = None,
    therapies: pd.DataFrame | None = None,
    models: pd.DataFrame | None = None,
    *,
    most: int = 8,
) -> pd.DataFrame:
    """One row per candidate, node of its neighbourhood and drug, `COLUMNS`; a node that no drug is known for has a row
    with an empty `drug`.

    Order: candidates by rank; within one, drugs that act in the right direction and can be had by a patient (no
    withdrawn, laboratory, veterinary or merely topical ones) first, the candidate itself before its regulators, these
    before what it controls and the regulators of its regulators, then by approval and potency. The therapies in
    question come last whatever they act on: the models resist them. `right_direction`: yes, no, or unknown (binders and
    modulators). `tested_here` is the finding of the study's own experiments, `use` who is given the drug and how. Drugs
    that restored sensitivity here and act on no candidate come at the end (`own screen`).
    """
    own = _own(drugs)
    for name in sorted(resisted_drugs(therapies, models)):
        given = own.setdefault(name, {"finding": RESISTED_ITSELF})
        given["therapy"] = "yes"
    first = candidates.sort_values("rank", kind="mergesort").head(most)
    first = first[first["entity_type"] == "gene"]
    rows: list[dict[str, Any]] = []
    for gene, rank, direction in zip(first["entity"], first["rank"], first["direction"], strict=True):
        mine: list[dict[str, Any]] = []
        for node in neighbours(str(gene)):
            mine += _rows(str(gene), int(rank), int(direction), node, own, exposures)
        rows += sorted(mine, key=_usefulness)
    reached = {r["drug"].casefold() for r in rows}
    for name, found in own.items():
        if name not in reached and found["finding"] in FOUND and found["therapy"] != "yes":
            rows.append(_from_screen(found))
    for place, row in enumerate(rows, start=1):
        row["rank"] = place
        row["summary"] = _summary(row)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _own(drugs: pd.DataFrame | None) -> dict[str, dict[str, Any]]:
    """The study's own findings by drug, as it is written and as the knowledge tables call it."""
    from rechallenge.knowledge.resolve import drugs as resolve

    if drugs is None or drugs.empty:
        return {}
    known = resolve(drugs["drug"].astype(str).tolist())["drug"]
    rows = drugs.to_dict("records")
    return {(name or str(row["drug"])).casefold(): {str(k): v for k, v in row.items()}
            for name, row in zip(known, rows, strict=True)}  # fmt: skip


def _rows(
    gene: str,
    rank: int,
    direction: int,
    node: Neighbour,
    own: Mapping[str, Mapping[str, Any]],
    exposures: pd.DataFrame | None,
) -> list[dict[str, Any]]:
    """The drugs of one node; one row without a drug where none is known and the node is a neighbour."""
    from rechallenge.knowledge.errors import KnowledgeError
    from rechallenge.knowledge.questions import drugs_for
    from rechallenge.knowledge.questions.facts import administration

    needed = -direction * node.sign
    common = {
        "candidate": gene, "candidate_rank": rank, "acts_on": node.name, "relation": node.relation, "path": node.path,
        "needed": "lower" if needed < 0 else "raise", "edge": node.known,
    }  # fmt: skip
    try:
        table = drugs_for(node.name)
    except KnowledgeError:
        table = None
    if table is None or table.empty:
        return [{**common, **_nothing(), "source": node.source}]
    rows = []
    for r in table.to_dict("records"):
        found = own.get(str(r["drug"]).casefold(), {})
        action = ACTIONS.get(str(r["action"]), 0)
        rows.append(
            {
                **common, "drug": r["drug"], "action": r["action"] or UNKNOWN,
                "right_direction": UNKNOWN if action == 0 else "yes" if action == needed else "no",
                "status": r["status"], "approvals": r["approvals"] or UNKNOWN, "potency_nm": r["potency_nm"],
                "marks": _marks(str(r["drug"]), str(r["status"]), str(r["liver"]), found),
                "liver": _liver(str(r["drug"])), "use": administration(str(r["drug"])).text,
                **_tested(found), **_exposure(str(r["drug"]), found, exposures),
                "source": "; ".join(dict.fromkeys(s for s in (str(r["source"]), node.source) if s)),
            }
        )  # fmt: skip
    return rows


def _nothing() -> dict[str, Any]:
    return {
        "drug": "", "action": NONE, "right_direction": UNKNOWN, "status": "", "marks": "", "approvals": "",
        "potency_nm": math.nan, "tested_here": "", "synergistic": "", "selective": "", "dose_um": math.nan,
        "cmax_um": math.nan, "cmax_free_um": math.nan, "achievable": "", "liver": "", "use": "",
    }  # fmt: skip


def _tested(found: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "tested_here": found.get("finding", UNTESTED), "synergistic": found.get("synergistic", UNTESTED),
        "selective": found.get("selective", UNTESTED), "dose_um": found.get("dose_um", math.nan),
    }  # fmt: skip


def _exposure(drug: str, found: Mapping[str, Any], exposures: pd.DataFrame | None) -> dict[str, Any]:
    """Plasma concentrations, and whether the dose that worked here is reached; `unknown` where no dose was tested, no
    where the drug is only put on the skin."""
    from rechallenge.knowledge.errors import KnowledgeError
    from rechallenge.knowledge.questions.exposure import achievable
    from rechallenge.knowledge.questions.facts import administration
    from rechallenge.knowledge.questions.own import own_limits

    if "achievable" in found:
        return {c: found[c] for c in ("cmax_um", "cmax_free_um", "achievable")}
    limits = own_limits(exposures, drug, drug)
    if limits is None:
        try:
            known = achievable(drug, 1.0)
            limits = known.total_um, known.free_um
        except KnowledgeError:  # named by a table of inhibitors alone
            limits = math.nan, math.nan
    verdict = "no" if administration(drug).topical else UNKNOWN
    return {"cmax_um": limits[0], "cmax_free_um": limits[1], "achievable": verdict}


def _liver(drug: str) -> str:
    """What is on record of the liver: a class, else the label's words, else unknown."""
    from rechallenge.knowledge.questions.facts import liver_text, rows_of

    notes = [r["label_note"] for r in rows_of("hepatic_safety", "drug", drug) if r["label_note"]]
    said = [n.rstrip(".") for n in notes if not n.startswith(("DILIrank label", "Absent from DILIrank"))]
    return liver_text(drug) or (said[0] if said else UNKNOWN)


def _marks(drug: str, status: str, liver: str, found: Mapping[str, Any]) -> str:
    """What a reader must not overlook."""
    from rechallenge.knowledge.questions.facts import administration

    given = administration(drug)
    marks = []
    if status == "withdrawn" or "withdrawn" in liver:
        marks.append("withdrawn" + (" for liver toxicity" if "withdrawn for liver" in liver else ""))
    elif "most concern" in liver:
        marks.append("DILIrank most concern")
    if given.use == "veterinary":
        marks.append(VETERINARY)
    elif status == "tool":
        marks.append(LABORATORY)
    if given.topical:
        marks.append(TOPICAL)
    if found.get("therapy") == "yes":
        marks.append(THERAPY)
    elif found.get("finding") in (RESISTED, OPPOSES):
        marks.append(RESISTED_TOO if found["finding"] == RESISTED else "opposes the therapies here")
    marks += [t.strip() for t in str(found.get("toxicity", "")).split(";") if "toxic" in t and "liver" not in t]
    return "; ".join(marks)


def _usefulness(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Sorts the drugs of one candidate, the most useful first."""
    potency = row["potency_nm"]
    return (
        row["drug"] == "",
        THERAPY in row["marks"],
        "withdrawn" in row["marks"],
        row["tested_here"] in (RESISTED, OPPOSES),
        DIRECTIONS.index(row["right_direction"]) if row["tested_here"] not in FOUND[:1] else 0,
        FOUND.index(row["tested_here"]) if row["tested_here"] in FOUND else len(FOUND),
        row["status"] == "tool" or TOPICAL in row["marks"] or VETERINARY in row["marks"],
        RELATIONS.index(row["relation"]),
        STATUS.index(row["status"]) if row["status"] in STATUS else len(STATUS),
        potency if potency == potency else math.inf,
        row["acts_on"],
        str(row["drug"]),
    )


def _from_screen(found: Mapping[str, Any]) -> dict[str, Any]:
    """A drug of the study's own experiments that acts on no candidate that is known."""
    from rechallenge.knowledge.errors import KnowledgeError
    from rechallenge.knowledge.questions.facts import one_drug, status_of

    drug = str(found["drug"])
    with suppress(KnowledgeError):
        drug = one_drug(drug)
    listed = status_of(drug)
    status = str(found["approved"])
    return {
        "candidate": "", "candidate_rank": math.nan, "acts_on": found["targets"], "relation": OWN, "path": "",
        "needed": "", "drug": found["drug"], "action": UNKNOWN, "right_direction": UNKNOWN,
        "status": listed or ("withdrawn" if status.startswith("withdrawn") else UNKNOWN),
        "marks": _marks(drug, "withdrawn" if "withdrawn" in status else listed, str(found["toxicity"]), found),
        "use": found.get("use", UNKNOWN),
        "approvals": status, "potency_nm": math.nan, **_tested(found),
        **{c: found[c] for c in ("cmax_um", "cmax_free_um", "achievable")},
        "liver": next((t.strip().removeprefix("liver: ") for t in str(found["toxicity"]).split(";") if "liver:" in t),
                      UNKNOWN),
        "edge": "", "source": "claims of this study",
    }  # fmt: skip


def _summary(row: Mapping[str, Any]) -> str:
    if row["relation"] == OWN:
        return f"{row['drug']}: {row['tested_here']} here; what it acts on: {row['acts_on']}."
    via = "" if row["relation"] == ITSELF else f" ({row['path']})"
    if not row["drug"]:
        return f"{row['needed'].capitalize()} {row['acts_on']}{via}: no drug is known to these tables."
    text = f"{row['drug']}, {row['action']} of {row['acts_on']}{via}, which has to be {_done(row['needed'])}"
    text += {"no": ": the wrong way", UNKNOWN: ": which way it pushes is unknown"}.get(row["right_direction"], "")
    text += f"; {row['status'] or UNKNOWN}" + (f" ({row['marks']})" if row["marks"] else "")
    return f"{text}; here: {row['tested_here']}."


def _done(needed: str) -> str:
    return {"lower": "lowered", "raise": "raised"}[needed]
