"""Which drugs act on a gene, and on what a drug acts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rechallenge.knowledge import installing, tables
from rechallenge.knowledge.questions.facts import approvals_text, liver_text, one_drug, one_gene, status_of

if TYPE_CHECKING:
    import pandas as pd

#: order of usefulness for repurposing; `unknown` = reaches the gene, but no approval was verified here
ORDER = {"approved": 0, "investigational": 1, "unknown": 2, "withdrawn": 3, "tool": 4}
COLUMNS = ("drug", "status", "approvals", "action", "potency_nm", "potency_type", "primary", "liver", "source")


def drugs_for(gene: str, action: str | Sequence[str] | None = None) -> pd.DataFrame:
    """Drugs that act on a gene: approved first, then investigational, then unknown, withdrawn and laboratory compounds.

    Within a status: mechanism of action first, then by potency (nM, unknown last), then by name. `action` keeps one
    action or several (inhibitor, agonist, antagonist, antibody, modulator, binder). Columns: drug, status, approvals,
    action, potency_nm, potency_type, primary, liver, source. Where `drugcentral` is installed, its further drugs whose
    mechanism is this gene are added. KnowledgeError where the gene's name is unknown or ambiguous.
    """
    import pandas as pd

    symbol = one_gene(gene)
    targets = tables.table("drug_targets")
    rows: list[dict[str, Any]] = [
        {
            "drug": r["drug"],
            "action": r["action"],
            "potency_nm": r["potency_nm"],
            "potency_type": r["potency_type"],
            "primary": r["primary"],
            "source": r["source"],
        }
        for r in targets[targets["target"] == symbol].to_dict("records")
    ]
    known = {r["drug"] for r in rows}
    inhibitors = tables.starter_text("enzyme_inhibitors")
    for _, drug, source in inhibitors[inhibitors["gene"] == symbol][["gene", "drug", "source"]].itertuples(index=False):
        if drug not in known:
            rows.append(_bare(drug, "inhibitor", source))
            known.add(drug)
    rows += _drugcentral(symbol, known)
    for r in rows:
        r["status"] = r.pop("listed", "") or status_of(r["drug"]) or "unknown"
        r["approvals"] = approvals_text(r["drug"])
        r["liver"] = liver_text(r["drug"])
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    if action is not None:
        wanted = [action] if isinstance(action, str) else list(action)
        frame = frame[frame["action"].isin(wanted)]
    order = pd.DataFrame(
        {
            "rank": frame["status"].map(ORDER),
            "secondary": frame["primary"] != "yes",
            "potency": frame["potency_nm"].astype("float64"),
            "drug": frame["drug"],
        }
    ).sort_values(["rank", "secondary", "potency", "drug"], na_position="last", kind="stable")
    return frame.loc[order.index].reset_index(drop=True)


def targets_of(drug: str, primary: bool = False) -> pd.DataFrame:
    """Targets of a drug: mechanism of action first, then by potency (nM). Columns: target, action, potency_nm,
    potency_type, primary, source. `primary` keeps the mechanism of action only."""
    frame = tables.table("drug_targets")
    frame = frame[frame["drug"] == one_drug(drug)]
    if primary:
        frame = frame[frame["primary"] == "yes"]
    frame = frame.assign(_order=frame["primary"] != "yes").sort_values(
        ["_order", "potency_nm", "target"], na_position="last", kind="stable"
    )
    columns = ["target", "action", "potency_nm", "potency_type", "primary", "source"]
    return frame[columns].reset_index(drop=True)


def _bare(drug: str, action: str, source: str, listed: str = "") -> dict[str, Any]:
    return {
        "drug": drug,
        "action": action,
        "potency_nm": float("nan"),
        "potency_type": "",
        "primary": "yes",
        "source": source,
        "listed": listed,
    }


def _drugcentral(symbol: str, known: set[str]) -> list[dict[str, Any]]:
    """Drugs of an installed DrugCentral whose mechanism of action is the gene and that are not among the known."""
    record = installing.provenance("drugcentral")
    if record is None:
        return []
    frame = tables.table("drugcentral")
    frame = frame[frame["mechanism"] == "yes"]
    frame = frame[frame["gene"].map(lambda genes: symbol in genes)]
    approved = {}
    if installing.provenance("drugcentral_approvals") is not None:
        agencies = tables.table("drugcentral_approvals")
        approved = agencies.groupby("drug")["agency"].agg(", ".join).to_dict()
    rows = []
    for r in frame.to_dict("records"):
        drug = r["drug"].lower()
        if drug in known:
            continue
        known.add(drug)
        listed = "approved" if r["drug"] in approved else ""
        source = f"DrugCentral {record['version']} (installed)"
        if listed:
            source += f"; listed by {approved[r['drug']]}"
        row = _bare(drug, r["action"], source, listed)
        row["potency_nm"], row["potency_type"] = r["potency_nm"], r["potency_type"]
        rows.append(row)
    return rows
