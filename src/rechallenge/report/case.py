"""The case on the first screen: chains link by link, and what speaks for and against the first candidates.

Every statement carries the claims behind it as links to where the page prints them, with their rows in evidence.csv.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from rechallenge.record import RunRecord
from rechallenge.report import words

#: the row of evidence.csv that holds its first claim; claims that one statement links to
FIRST_ROW, LINKED = 2, 4
#: candidates whose reasons are told
TOLD = 3
#: figures of the whole study -> the table on the first screen that they belong to
FIGURES = {"chain_figure": "chains", "candidate_figure": "candidates"}


def cited(record: RunRecord) -> set[int]:
    """Places in the evidence (from 0) of the claims that the case links to."""
    texts: list[str] = []
    for table in (record.tables.get("chains"), _terms(record)):
        if table is not None and "claims" in table.columns:
            texts += table["claims"].astype(str).tolist()
    return {n - FIRST_ROW for text in texts for n in _numbers(text)[:LINKED]}


def chain_views(record: RunRecord, anchors: Mapping[int, tuple[str, str]]) -> list[dict[str, Any]]:
    """Each chain: its summary and its links, every link with its state and the claims behind it."""
    table = record.tables.get("chains")
    if table is None or table.empty or "kind" not in table.columns:
        return []
    made: list[dict[str, Any]] = []
    told: set[str] = set()
    if "tier" in table.columns and table["tier"].min() <= 2:
        table = table[table["tier"] == table["tier"].min()]
    for _, part in table.groupby("chain", sort=True):
        links = [
            {
                "text": _sentence(row) + _beside(row), "state": row["state"],
                "css": str(row["state"]).replace(",", "").replace(" ", "-"),
                "strength": "" if words.is_missing(row["strength"]) else f"z {words.number(row['strength'], 2)}",
                "weakest": row["weakest"] == "yes", "claims": _claims(str(row["claims"]), anchors),
                "said": words.plain(str(row["said"])) if _told(row) else "",
            }
            for row in part.to_dict("records")
        ]  # fmt: skip
        first = part.iloc[0]
        title = f"{int(first['candidate_rank'])}. {first['candidate']}" if first["candidate"] else str(first["drug"])
        if first["candidate"] in told and first["drug"]:
            title += f", by {first['drug']}"
        told.add(str(first["candidate"]))
        made.append({"title": title, "summary": first["summary"],
                     "links": links})  # fmt: skip
    return made


def reasons(record: RunRecord, anchors: Mapping[int, tuple[str, str]]) -> list[dict[str, Any]]:
    """For and against each of the first candidates: a line per family with its term and the claims behind it."""
    table, terms = record.tables.get("candidates"), _terms(record)
    if table is None or terms is None or not {"entity", "rank", "score", "tier"} <= set(table.columns):
        return []
    made = []
    for row in table.sort_values("rank").head(TOLD).to_dict("records"):
        mine = terms[terms["entity"] == row["entity"]].sort_values("term", ascending=False)
        parts = [
            {
                "family": t["family"], "for": t["term"] > 0, "term": f"{t['term']:+.2f}".replace("-", "−"),
                "z": words.number(t["z"], 2), "claims": _claims(str(t.get("claims", "")), anchors),
            }
            for t in mine.to_dict("records")
        ]  # fmt: skip
        made.append(
            {"title": f"{int(row['rank'])}. {row['entity']}", "summary": row.get("summary", ""), "parts": parts}
        )
    return made


def _terms(record: RunRecord) -> pd.DataFrame | None:
    """Terms of the candidates whose reasons are told."""
    terms, table = record.tables.get("candidate_terms"), record.tables.get("candidates")
    if terms is None or table is None or terms.empty or "rank" not in table.columns:
        return None
    first = table.sort_values("rank").head(TOLD)["entity"]
    return terms[terms["entity"].isin(first)]


def _claims(text: str, anchors: Mapping[int, tuple[str, str]]) -> dict[str, Any]:
    """Links to the first claims, and how many more rows of evidence.csv there are."""
    numbers = _numbers(text)
    shown = [(*anchors[n - FIRST_ROW], n) for n in numbers[:LINKED] if n - FIRST_ROW in anchors]
    return {"links": shown, "rows": numbers, "more": len(numbers) - len(shown)}


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(", ") if part.isdigit()]


def _beside(row: Mapping[Any, Any]) -> str:
    """What speaks against a link that is held to be measured."""
    against = row.get("n_against", 0)
    measured = str(row["state"]).startswith("measured") and not words.is_missing(against) and against > 0
    return f" ({int(row['n_for'])} claims for it, {int(against)} against it)" if measured else ""


def _told(row: Mapping[Any, Any]) -> bool:
    """Whether a link says more than its state: who knows it, what speaks against it, and in which cohorts."""
    return row["state"] in ("curated", "inferred", "contradicted") or row["kind"] == "matters in patients"


def _sentence(row: Mapping[Any, Any]) -> str:
    """A link as a phrase."""
    source, target, way = row["source"], row["target"], int(row["sign"])
    kind = row["kind"]
    if kind == "drug reaches target":
        if not way:
            return f"what {source} acts on is not known in this case ({target})"
        acts = str(row.get("action", "")).startswith(("inhibitor", "antagonist", "antibody", "agonist"))
        known = "" if acts else "; what it does to it is not known"
        return f"{source} reaches {target}, which has to be {'lowered' if way < 0 else 'raised'}{known}"
    if kind in ("drug moves effector", "regulator moves effector", "moves a product"):
        return f"{source} {'raises' if way > 0 else 'lowers'} {target}"
    if kind == "regulator moves regulator":
        return f"a second step up: {source} {'raises' if way > 0 else 'lowers'} {target}"
    if kind == "differs in resistant cells":
        return f"{source} is {'higher' if way > 0 else 'lower'} in resistant cells"
    if kind == "changes the response":
        return f"changing {source} changes the response to therapy"
    if kind == "matters in patients":
        return f"patients with {'more' if way > 0 else 'less'} {source} do worse or respond less"
    return f"{source} restores sensitivity"
