"""Single facts: approval, liver, identity of a line, and what is unknown of a drug."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from rechallenge.knowledge import resolve, tables
from rechallenge.knowledge.errors import KnowledgeError

if TYPE_CHECKING:
    import pandas as pd

AGENCIES = ("FDA", "EMA", "PMDA", "NMPA")


@dataclass(frozen=True)
class Answer:
    """`verdict` is yes, no or unknown; `text` says why in a sentence; `source` where that is written."""

    verdict: str
    text: str
    source: str = ""


def one_drug(name: str) -> str:
    """The drug that a name stands for. KnowledgeError where it is unknown or ambiguous."""
    return _one(resolve.drugs([name]), "drug", name)


def one_gene(name: str) -> str:
    """The gene symbol that a name stands for. KnowledgeError where it is unknown or ambiguous."""
    return _one(resolve.genes([name]), "gene", name)


def _one(answer: pd.DataFrame, kind: str, name: str) -> str:
    row = answer.iloc[0]
    if row[kind]:
        return str(row[kind])
    if row["candidates"]:
        raise KnowledgeError(f"{name!r} could be {' or '.join(row['candidates'])}: {row['note']}.")
    extra = f" ({row['note']})" if row["note"] else ""
    raise KnowledgeError(f"No {kind} named {name!r} is in the knowledge tables{extra}.")


def rows_of(table: str, column: str, value: str) -> list[dict[str, Any]]:
    """Rows of a starter table, as text, whose column holds a value."""
    return [dict(row) for row in _by_value(table, column).get(value, ())]


@lru_cache(maxsize=64)
def _by_value(table: str, column: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in tables.starter_text(table).to_dict("records"):
        found.setdefault(row[column], []).append({str(k): v for k, v in row.items()})
    return found


def status_of(drug: str) -> str:
    """approved, investigational, withdrawn, tool; '' where the drug is not in the starter set."""
    found = rows_of("drugs", "drug", drug)
    return str(found[0]["status"]) if found else ""


def approvals_of(drug: str) -> pd.DataFrame:
    """What agencies decided: agency, state, year, indication, source. A missing agency is not a refusal."""
    frame = tables.table("approvals")
    return frame[frame["drug"] == one_drug(drug)].drop(columns="drug").reset_index(drop=True)


def approvals_text(drug: str) -> str:
    """One phrase, e.g. "approved: PMDA 1992; not FDA, EMA; NMPA unknown"."""
    by_state: dict[str, list[str]] = {}
    for row in rows_of("approvals", "drug", drug):
        agency = "other agency" if row["agency"] == "other" else row["agency"]
        year = f" {row['year']}" if row["year"] and row["state"] == "approved" else ""
        by_state.setdefault(row["state"], []).append(agency + year)
    parts = []
    for state, words in (("approved", "approved: "), ("withdrawn", "withdrawn: "), ("never", "not "), ("unknown", "")):
        if state in by_state:
            tail = " unknown" if state == "unknown" else ""
            parts.append(words + ", ".join(by_state[state]) + tail)
    return "; ".join(parts)


def hepatic(drug: str) -> pd.DataFrame:
    """What is said of a drug's liver toxicity: dili_class, severity, label_note, withdrawn_for_liver, source."""
    frame = tables.table("hepatic_safety")
    return frame[frame["drug"] == one_drug(drug)].drop(columns="drug").reset_index(drop=True)


def liver_text(drug: str) -> str:
    """One phrase on the liver, '' where nothing is known."""
    rows = rows_of("hepatic_safety", "drug", drug)
    parts = ["withdrawn for liver toxicity"] if any(r["withdrawn_for_liver"] == "yes" for r in rows) else []
    parts += [
        f"DILIrank {r['dili_class']} concern, severity {r['severity'] or 'unknown'}" for r in rows if r["dili_class"]
    ]
    return "; ".join(parts)


@dataclass(frozen=True)
class Administration:
    """Who is given a drug (`use`: human, veterinary, '' unknown), by which `routes`, and `source`."""

    use: str = ""
    routes: tuple[str, ...] = ()
    source: str = ""

    @property
    def topical(self) -> bool:
        """Whether the drug is only put on the skin, which gives a tumour none of it."""
        return self.routes == ("topical",)

    @property
    def text(self) -> str:
        """One phrase: "human, oral", "human, topical only", "veterinary", "unknown"."""
        how = " or ".join(self.routes) + (" only" if self.topical else "")
        return ", ".join(t for t in (self.use, how) if t) or "unknown"


def administration(drug: str) -> Administration:
    """Use and route of a drug as far as they were read; empty where they are unknown."""
    rows = rows_of("administration", "drug", drug)
    if not rows:
        return Administration()
    return Administration(rows[0]["use"], tuple(filter(None, rows[0]["route"].split("|"))), rows[0]["source"])


def is_hepatocyte(cell_line: str) -> Answer:
    """Whether a line may stand for hepatocytes. The tables can say no; they never vouch for a line."""
    row = resolve.cell_lines([cell_line]).iloc[0]
    if row["status"] == "ambiguous":
        return Answer("unknown", f"{cell_line} may be any of: {', '.join(row['candidates'])}.", "")
    if row["problem"]:
        claimed = f", though said to be {row['claimed']}" if row["claimed"] else ""
        problem = row["problem"].replace("_", " ")
        return Answer("no", f"No: {row['cell_line']} is {problem}: {row['actual']}{claimed}.", row["register"])
    if row["cell_line"]:
        text = f"{row['cell_line']}: no problem on record ({row['note']}); this does not vouch for it."
        return Answer("unknown", text, row["register"])
    return Answer("unknown", f"Nothing is on record about {cell_line}: {row['note']}.")


def unknowns(drug: str) -> list[str]:
    """What the starter tables cannot say of a drug, one sentence each."""
    name = one_drug(drug)
    found = []
    identity = (rows_of("drugs", "drug", name) or [{}])[0]
    if not identity.get("inchikey"):
        found.append("Structure: no InChIKey was verified (or it is a protein).")
    targets = rows_of("drug_targets", "drug", name)
    if not targets:
        found.append("Targets: no target with a source; an effect cannot be pinned to a gene.")
    elif not any(r["potency_nm"] for r in targets):
        found.append("Potency: no target has a measured potency.")
    elif not any(r["primary"] == "yes" for r in targets):
        found.append("Mechanism: none of the targets is known to be the mechanism of action.")
    agencies = {r["agency"] for r in rows_of("approvals", "drug", name) if r["state"] != "unknown"}
    silent = [a for a in AGENCIES if a not in agencies]
    if silent:
        found.append(f"Approval: nothing verified for {', '.join(silent)} (which is not a refusal).")
    found += _unknown_exposure(name)
    liver = rows_of("hepatic_safety", "drug", name)
    if not liver:
        found.append("Liver: no row; toxicity to the liver is unknown.")
    elif not any(r["dili_class"] for r in liver):
        said = [r["label_note"].rstrip(".") for r in liver if "unknown" in r["label_note"].lower()]
        found.append(" ".join(["Liver: no DILIrank class.", *(f"{text}." for text in said)]))
    return found


def _unknown_exposure(drug: str) -> list[str]:
    rows = rows_of("exposure", "drug", drug)
    if not rows:
        return ["Exposure: no row; whether a tested dose can be reached is unknown."]
    found = []
    totals = [r for r in rows if r["quantity"] in ("cmax_total", "cavg_ss", "ctrough_ss") and r["value"]]
    if not totals:
        found.append("Exposure: no sourced total plasma concentration in man.")
    if not any(r["quantity"] in ("cmax_free", "fraction_unbound") and r["value"] for r in rows):
        found.append("Exposure: the free (unbound) concentration is unknown.")
    for r in rows:
        if r["confidence"] == "unknown" and r["note"] and r["note"] != r["source"]:
            found.append(f"{r['quantity']}: {r['note']}.")
        if r["confidence"] == "contested":
            found.append(f"{r['quantity']} {r['value']} {r['unit']} is contested: {r['note']}.")
    return found
