"""What is known of the compounds of a library: class, targets, ATC code, exposure; and which of them to leave out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

#: first letters of ATC codes, and words in the name of a class, that make a compound an anticancer drug
ANTICANCER_ATC = ("L01", "L02")
ANTICANCER_WORDS = ("antineoplastic", "anticancer", "cytotoxic", "chemotherap", "anti-tumor", "antitumo")
ANTICANCER = "anticancer"
COLUMNS = ("compound", "drug", "class", "class_source", "target", "target_source", "atc", "atc_source", "inhibits")


def annotate(wells: pd.DataFrame) -> pd.DataFrame:
    """One row per compound: drug (name in the knowledge tables, '' where unknown), class, target (joined by |), atc,
    each from the table of the screen where it is given there, else from the knowledge tables (`..._source`).

    `inhibits` holds the targets (joined by |) that the knowledge tables say the compound inhibits.
    """
    from rechallenge.knowledge.resolve import drugs
    from rechallenge.knowledge.tables import starter_text

    given = wells[wells["well_type"] == "sample"]
    names = sorted(set(given["compound"]))
    own = {c: given[given[c] != ""].groupby("compound")[c].first() for c in ("class", "target", "atc")}
    resolved = dict(zip(names, drugs(names)["drug"], strict=True)) if names else {}
    table = starter_text("drugs").set_index("drug")
    targets = starter_text("drug_targets")
    acting = targets.groupby("drug")["target"].agg(lambda t: "|".join(dict.fromkeys(t)))
    inhibiting = targets[targets["action"].isin(["inhibitor", "antagonist", "antibody"])]
    inhibits = inhibiting.groupby("drug")["target"].agg(lambda t: "|".join(dict.fromkeys(t)))
    known = {"class": table["drug_class"], "atc": table["atc"], "target": acting}
    rows = []
    for name in names:
        drug = resolved[name]
        row: dict[str, Any] = {"compound": name, "drug": drug, "inhibits": inhibits.get(drug, "")}
        for column in ("class", "target", "atc"):
            said = str(own[column].get(name, ""))
            value = said or (str(known[column].get(drug, "")) if drug else "")
            row[column] = "|".join(split(value)) if column == "target" else value
            row[f"{column}_source"] = "given" if said else "knowledge tables" if value else ""
        rows.append(row)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def split(text: str) -> list[str]:
    """The parts of a cell that lists several targets or classes.

    >>> split("EGFR; ERBB2|EGFR")
    ['EGFR', 'ERBB2']
    """
    return list(dict.fromkeys(p.strip() for part in text.split(";") for p in part.split("|") if p.strip()))


def excluded(about: pd.DataFrame, exclude: Iterable[str]) -> dict[str, str]:
    """compound -> why it is left out, for entries that name compounds, classes, ATC codes (or their beginning) or the
    word `anticancer` (ATC L01 and L02, or a class that says so)."""
    wanted = [str(e).strip() for e in exclude if str(e).strip()]
    if not wanted:
        return {}
    from rechallenge.knowledge.resolve import drugs

    resolved = dict(zip(wanted, drugs(wanted)["drug"], strict=True))
    found: dict[str, str] = {}
    for row in about.to_dict("records"):
        name, named = str(row["compound"]), str(row["class"]).casefold()
        atc = str(row["atc"]).upper()
        for entry in wanted:
            low = entry.casefold()
            if low == ANTICANCER:
                hit = atc.startswith(ANTICANCER_ATC) or any(w in named for w in ANTICANCER_WORDS)
            else:
                same = bool(row["drug"]) and resolved[entry] == row["drug"]
                hit = low in (name.casefold(), named) or same or (_is_atc(entry) and atc.startswith(entry.upper()))
            if hit:
                found[name] = f"excluded on request: {entry}"
                break
    return found


def _is_atc(text: str) -> bool:
    """Whether a text has the form of an ATC code or its beginning of at least three characters (`L01`, `J01XX12`)."""
    return bool(re.fullmatch(r"[A-Za-z]\d{2}([A-Za-z]([A-Za-z](\d{2})?)?)?", text))


def reachable(drugs: Mapping[str, str], doses: Iterable[tuple[str, float]], own: pd.DataFrame | None) -> pd.DataFrame:
    """Whether patients have each dose: compound, dose_um, achievable (a key of exposure's verdicts), cmax_um,
    cmax_free_um. The study's own concentrations (`own`: drug, quantity, value) go before the knowledge tables."""
    from rechallenge.knowledge.errors import KnowledgeError
    from rechallenge.knowledge.questions.exposure import achievable
    from rechallenge.knowledge.questions.own import own_limits
    from rechallenge.knowledge.questions.own import verdict as judged

    rows = []
    for compound, dose in sorted(set(doses)):
        total = free = float("nan")
        verdict = "unknown"
        said = own_limits(own, compound, drugs.get(compound, ""))
        if said is not None:
            total, free = said
            verdict = judged(dose, total, free)
        elif drugs.get(compound) and dose > 0:
            try:
                found = achievable(drugs[compound], dose)
                verdict, total, free = found.verdict, found.total_um, found.free_um
            except KnowledgeError:
                pass
        rows.append((compound, dose, verdict, total, free))
    return pd.DataFrame(rows, columns=["compound", "dose_um", "achievable", "cmax_um", "cmax_free_um"])
