"""Claims of the Evidence table as sentences that open to their numbers and to the rows they came from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.evidence import DIRECTIONS, LEVELS
from rechallenge.report import words

#: rows of the lab's own tables that the page carries at most
SOURCE_ROWS = 5000


@dataclass(frozen=True)
class ClaimView:
    """One claim: its sentence, its particulars as (label, text), links, and where its rows are."""

    id: str
    sentence: str
    status: str
    status_text: str
    direction: int
    level: str
    facts: tuple[tuple[str, str], ...]
    figures: tuple[tuple[str, str], ...]
    table: tuple[str, str] | None
    source: str
    source_rows: str
    #: its place in the evidence, counted from 0
    place: int = -1


def ranked(evidence: pd.DataFrame) -> pd.DataFrame:
    """Claims in reading order: the surest first (q, else p), then those without a test, then what is not known."""
    kinds = {"estimated": 0, "censored": 1, "not_testable": 2, "not_estimable": 3}
    q = evidence["q_value"].fillna(evidence["p_value"])
    keyed = evidence.assign(_kind=evidence["status"].map(kinds).fillna(4), _q=q.fillna(2.0))
    return keyed.sort_values(["_kind", "_q", "entity", "claim"], kind="mergesort").drop(columns=["_kind", "_q"])


def claim_views(
    evidence: pd.DataFrame,
    figures: Mapping[str, tuple[str, set[str]]],
    tables: Mapping[str, tuple[str, str]],
    ids: Callable[[str, str], str],
    *,
    most: int,
    cited: Collection[int] = (),
) -> list[ClaimView]:
    """The first `most` claims in reading order, and those further ones whose place (index) is `cited` elsewhere.

    `figures` maps an anchor to (title, names of the steps and tables it shows), `tables` a result table to (anchor,
    title); a claim links to those that show its analysis.
    """
    out = []
    order = ranked(evidence)
    shown = order[(np.arange(len(order)) < most) | order.index.isin(list(cited))]
    for i, (place, row) in enumerate(shown.iterrows(), start=1):
        analysis = str(row["analysis"])
        names = {analysis, str(row["source_table"])} - {""}
        linked = tuple((anchor, title) for anchor, (title, shows) in figures.items() if analysis and analysis in shows)
        table = next((tables[n] for n in (analysis, str(row["source_table"])) if n in names and n in tables), None)
        out.append(
            ClaimView(
                id=ids("claim", f"{row['stream']}-{i}"),
                sentence=words.plain(str(row["claim"])),
                status=str(row["status"]),
                status_text=words.STATUS_WORDS.get(str(row["status"]), str(row["status"])),
                direction=int(row["direction"]),
                level=str(row["level"]),
                facts=tuple(facts(row)),
                figures=linked,
                table=table,
                source=_source(row),
                source_rows=str(row["source_rows"]),
                place=int(str(place)),
            )
        )
    return out


def facts(row: Any) -> Iterable[tuple[str, str]]:
    """Label and text of everything a claim states beyond its sentence; what is missing is not mentioned."""
    unit = str(row["effect_unit"])
    if not words.is_missing(row["effect"]):
        yield "effect", f"{words.number(row['effect'])} {unit}".strip()
    elif limit := words.bound(row["ci_low"], row["ci_high"]):
        yield "bound", f"{limit} {unit}".strip()
    if inside := words.interval(row["ci_low"], row["ci_high"]):
        yield "interval", f"{inside} {unit}".strip()
    if not words.is_missing(row["se"]):
        yield "standard error", words.number(row["se"])
    if not words.is_missing(row["n"]):
        yield "n", words.number(row["n"] if row["n"] % 1 else int(row["n"]))
    if not words.is_missing(row["statistic"]):
        yield "test statistic", words.number(row["statistic"])
    if not words.is_missing(row["p_value"]):
        yield "p", words.p_value(row["p_value"])
    if not words.is_missing(row["q_value"]):
        yield "q", words.p_value(row["q_value"])
    for name, label in (("model", "model"), ("contrast", "contrast")):
        if not words.is_missing(row[name]):
            yield label, str(row[name])
    yield "direction", DIRECTIONS.get(int(row["direction"]), "")
    yield "kind of design", f"{str(row['level']).replace('_', ' ')}: {LEVELS.get(str(row['level']), '')}".rstrip(": ")
    if not words.is_missing(row["analysis"]):
        yield "analysis", str(row["analysis"])


def _source(row: Any) -> str:
    rows = words.rows_in_words(str(row["source_rows"]))
    table = str(row["source_table"])
    return f"{rows} (table {table})" if rows and table else rows or (f"table {table}" if table else "")


def source_lines(claims: Iterable[ClaimView], source: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """The rows of the lab's tables that these claims cite: file -> {columns, rows: number -> values as text}.

    Empty where `source` holds none of them. At most `SOURCE_ROWS` rows in all; later claims then show numbers alone.
    """
    wanted: dict[str, set[int]] = {}
    left = SOURCE_ROWS
    for claim in claims:
        for file, spans in words.row_numbers(claim.source_rows).items():
            for first, last in spans:
                rows = set(range(first, min(last, first + left) + 1)) - wanted.get(file, set())
                if len(rows) <= left:
                    wanted.setdefault(file, set()).update(rows)
                    left -= len(rows)
    out: dict[str, Any] = {}
    for frame in source.values():
        if not {"_file", "_row"} <= set(frame.columns):
            continue
        columns = [c for c in frame.columns if not str(c).startswith("_")]
        for file, numbers in sorted(wanted.items()):
            kept = frame[(frame["_file"].astype(str) == file) & frame["_row"].isin(numbers)]
            used = [c for c in columns if not kept[c].map(words.is_missing).all()]
            if len(kept) and file not in out:
                lines = {
                    str(int(r)): ["" if words.is_missing(v) else _plain(v) for v in values]
                    for r, values in zip(kept["_row"], kept[used].itertuples(index=False, name=None), strict=True)
                }
                out[file] = {"columns": [str(c) for c in used], "rows": lines}
    return out


def _plain(value: Any) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)
