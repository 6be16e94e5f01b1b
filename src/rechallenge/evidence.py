"""The Evidence table: one row per claim, the same columns from every analysis.

Every stream writes its claims in this form and nothing downstream knows anything else of the streams. `check`
is applied on every write; `claim_table` builds a table from partly filled rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

#: entity and its kind; what was done, where and to what contrast; the estimate; where it comes from; the sentence
COLUMNS = (
    "entity",
    "entity_type",
    "stream",
    "level",
    "model",
    "contrast",
    "direction",
    "effect",
    "effect_unit",
    "se",
    "ci_low",
    "ci_high",
    "statistic",
    "p_value",
    "q_value",
    "n",
    "status",
    "analysis",
    "source_table",
    "source_rows",
    "claim",
)
NUMBERS = ("effect", "se", "ci_low", "ci_high", "statistic", "p_value", "q_value", "n")
ENTITY_TYPES = ("gene", "metabolite", "drug", "pair", "pathway", "regulator")
#: the kind of design behind a claim
LEVELS = {
    "association": "differs between groups that were not assigned",
    "gradient": "follows the stage of resistance",
    "intervention": "a knock-down, over-expression, inhibitor or drug changes the response",
    "engagement": "the drug binds it",
    "transmission": "carried by medium or exosomes",
    "in_vivo": "shown in animals",
    "clinical": "shown in patients",
    "knowledge": "a database says so; never changes a p-value",
}
STATUSES = {
    "estimated": "a number with its interval",
    "censored": "beyond the tested doses: a bound, not a number",
    "not_estimable": "the data do not determine it",
    "not_testable": "estimated or seen, but no test is possible",
}
#: how the unit of an effect on the amount of a gene's product begins; such a claim says what moves the gene, not what
#: the gene does to the response, so its direction is 0
AMOUNT = "change of amount"
DIRECTIONS = {1: "promotes resistance", -1: "restores sensitivity", 0: "neither, or not known"}


def empty() -> pd.DataFrame:
    """An Evidence table without rows."""
    return _typed(pd.DataFrame({c: [] for c in COLUMNS}))


def claim_table(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Evidence from rows that name only what they have; missing text is empty, missing numbers are NaN.

    Raises ValueError where a row names a column that Evidence does not have or the result breaks the vocabulary.
    """
    rows = list(rows)
    unknown = sorted({k for r in rows for k in r} - set(COLUMNS))
    if unknown:
        raise ValueError(f"evidence has no column {', '.join(unknown)}")
    if not rows:
        return empty()
    return check(_typed(pd.DataFrame(rows).reindex(columns=list(COLUMNS))))


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    out = frame.loc[:, list(COLUMNS)].copy()
    for c in COLUMNS:
        if c in NUMBERS:
            out[c] = pd.to_numeric(out[c]).astype("float64")
        elif c == "direction":
            out[c] = pd.to_numeric(out[c]).fillna(0).astype("int64")
        else:
            out[c] = out[c].astype(object).where(out[c].notna(), "").astype(str)
    return out.reset_index(drop=True)


def check(frame: pd.DataFrame) -> pd.DataFrame:
    """The same table if it keeps the schema and the vocabulary; ValueError that lists every breach otherwise."""
    if tuple(frame.columns) != COLUMNS:
        missing = [c for c in COLUMNS if c not in frame.columns]
        extra = [c for c in frame.columns if c not in COLUMNS]
        raise ValueError(f"evidence columns differ: missing {missing}, unknown {extra}, or in another order")
    breaches: list[str] = []

    def need(ok: Any, what: str) -> None:
        bad = frame.index[~np.asarray(ok, bool)]
        if len(bad):
            breaches.append(f"{what} (rows {', '.join(str(i) for i in bad[:5])}{', ...' if len(bad) > 5 else ''})")

    need(frame["entity"] != "", "entity is empty")
    need(frame["claim"] != "", "claim is empty")
    need(frame["stream"] != "", "stream is empty")
    need(frame["entity_type"].isin(ENTITY_TYPES), f"entity_type is not one of {', '.join(ENTITY_TYPES)}")
    need(frame["level"].isin(list(LEVELS)), f"level is not one of {', '.join(LEVELS)}")
    need(frame["status"].isin(list(STATUSES)), f"status is not one of {', '.join(STATUSES)}")
    need(frame["direction"].isin(list(DIRECTIONS)), "direction is not -1, 0 or 1")
    estimated = frame["status"] == "estimated"
    need(~estimated | np.isfinite(frame["effect"]), "an estimated claim has no effect")
    need(
        frame["status"].isin(["estimated", "not_testable"]) | frame["p_value"].isna(),
        "a claim that is not estimated has a p-value",
    )
    need(
        frame["status"].isin(["estimated", "not_testable"]) | frame["effect"].isna(),
        "a claim that is not estimated has an effect",
    )
    for c in ("p_value", "q_value"):
        need(frame[c].isna() | frame[c].between(0, 1), f"{c} is outside 0 to 1")
    need(
        frame["q_value"].isna() | frame["p_value"].isna() | (frame["q_value"] >= frame["p_value"] - 1e-12),
        "q_value is below p_value",
    )
    need(frame["p_value"].isna() | (frame["n"] > 0), "a p-value has no n")
    need((frame["level"] != "knowledge") | frame["p_value"].isna(), "a knowledge claim has a p-value")
    inside = (frame["ci_low"] <= frame["effect"] + 1e-9) & (frame["effect"] <= frame["ci_high"] + 1e-9)
    has_ci = frame["ci_low"].notna() & frame["ci_high"].notna() & frame["effect"].notna()
    need(~has_ci | inside, "the effect lies outside its interval")
    if breaches:
        raise ValueError("evidence breaks its schema: " + "; ".join(breaches))
    return frame


def join(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """All claims in one table, in an order that does not depend on the order of the inputs."""
    kept = [check(t) for t in tables if len(t)]
    if not kept:
        return empty()
    order = [
        "stream",
        "entity_type",
        "entity",
        "level",
        "model",
        "contrast",
        "analysis",
        "source_rows",
        "claim",
    ]
    return _typed(pd.concat(kept, ignore_index=True)).sort_values(order, kind="mergesort").reset_index(drop=True)
