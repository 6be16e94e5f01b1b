"""The table of patients as numbers: one row per patient, cohort and endpoint, and what covariates there are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.clinical.cohorts.words import event_of, is_control_arm, missing, response_of

#: columns that are no covariates
KNOWN = (
    "patient", "cohort", "endpoint", "time", "event", "time_unit", "time_zero", "response", "best_change", "treatment",
    "treatment_start", "_file", "_sheet", "_row", "responded", "entry",
)  # fmt: skip
#: endpoints in the order in which they are looked at
ENDPOINTS = ("OS", "DSS", "PFS", "PFI", "RFS", "DFS", "DFI", "TTP", "EFS")
ALL, TREATED = "all patients", "treated with "
#: endpoints side by side in one row: what the column of times ends in, and the unit that this says
_TIMES = ((r"(.+?)[._ ]time$", ""), (r"(.+?)[._ ]months$", "months"), (r"(.+?)[._ ]days$", "days"))
#: what the column of events has after the endpoint's name
_EVENTS = ("", ".event", "_event", " event", "_status", ".status", " status")


@dataclass(frozen=True)
class Group:
    """Subjects of one survival analysis: `rows` of the long table with usable times; `entry` where it is delayed."""

    cohort: str
    endpoint: str
    subset: str
    rows: pd.DataFrame
    delayed: bool

    @property
    def n(self) -> int:
        return len(self.rows)

    @property
    def events(self) -> int:
        return int(self.rows["event"].sum())

    @property
    def unit(self) -> str:
        return next((u for u in self.rows["time_unit"] if u), "")

    @property
    def entry(self) -> np.ndarray[Any, np.dtype[np.float64]] | None:
        return self.rows["entry"].to_numpy(float) if self.delayed else None

    def take(self, kept: Any) -> Group:
        """The same group with only some of its rows (a boolean mask)."""
        return Group(self.cohort, self.endpoint, self.subset, self.rows[kept], self.delayed)


def each(frame: pd.DataFrame) -> Iterator[Any]:
    """The rows of a table as named tuples."""
    yield from frame.itertuples()


def extras(patients: pd.DataFrame) -> list[str]:
    """Columns of the table that only this study has."""
    return [c for c in patients.columns if c not in KNOWN]


def _pairs(patients: pd.DataFrame) -> dict[str, tuple[str, str, str]]:
    """Endpoint -> (event column, time column, unit) for endpoints that stand side by side."""
    columns = extras(patients)
    found: dict[str, tuple[str, str, str]] = {}
    for column in columns:
        for pattern, unit in _TIMES:
            hit = re.fullmatch(pattern, column, re.I)
            if not hit:
                continue
            wanted = [(hit[1] + suffix).casefold() for suffix in _EVENTS]
            other = next((c for w in wanted for c in columns if c.casefold() == w and c != column), None)
            if other is not None:
                found.setdefault(hit[1].upper(), (other, column, unit))
    return found


def long(patients: pd.DataFrame) -> pd.DataFrame:
    """One row per patient, cohort and endpoint: `time`, `event` (0, 1 or NaN), `responded` (0, 1 or NaN), covariates as
    they are. Endpoints that stand side by side become rows."""
    table = patients.copy()
    for c in ("patient", "cohort", "endpoint", "event", "time_unit", "time_zero", "response", "treatment"):
        table[c] = table[c].fillna("").astype(str).str.strip() if c in table else ""
    for c in ("time", "best_change", "treatment_start"):
        table[c] = pd.to_numeric(table[c], errors="coerce") if c in table else np.nan
    table["event"] = [np.nan if (e := event_of(v)) is None else float(e) for v in table["event"]]
    table["responded"] = [np.nan if (r := response_of(v)) is None else float(r) for v in table["response"]]
    pairs = _pairs(patients)
    if not pairs:
        return table.reset_index(drop=True)
    paired = [c for p in pairs.values() for c in p[:2]]
    wide = table["time"].isna()
    parts = [table[~wide]]
    for endpoint, (event, time, unit) in pairs.items():
        part = table[wide].copy()
        part["endpoint"] = endpoint
        part["time"] = pd.to_numeric(part[time], errors="coerce")
        part["event"] = [np.nan if (e := event_of(str(v))) is None else float(e) for v in part[event]]
        if unit:
            part["time_unit"] = part["time_unit"].where(part["time_unit"] != "", unit)
        parts.append(part)
    return pd.concat(parts, ignore_index=True).drop(columns=paired)


def order_of(endpoint: str) -> tuple[int, str]:
    """Overall survival first, then as in `ENDPOINTS`, then by name."""
    upper = endpoint.upper()
    return (ENDPOINTS.index(upper) if upper in ENDPOINTS else len(ENDPOINTS), upper)


def endpoints(table: pd.DataFrame, wanted: Sequence[str]) -> list[str]:
    """Endpoints of the long table to look at, those `wanted` where any are named."""
    there = sorted({e for e in table.loc[table["time"].notna(), "endpoint"] if e}, key=order_of)
    if not wanted:
        return there
    names = {w.casefold() for w in wanted}
    return [e for e in there if e.casefold() in names]


def usable(rows: pd.DataFrame) -> pd.Series:
    """Rows with a time above zero and a known event."""
    return rows["time"].gt(0) & rows["event"].notna()


def groups(table: pd.DataFrame, wanted: Sequence[str] = ()) -> Iterator[Group]:
    """Every cohort and endpoint, then per treatment those who had it, entering when it began.

    A patient whose treatment began at time zero enters there. Controls (placebo, none) are no treated subset; nor is
    a treatment without any start, because its patients' time before it cannot be told from time under it, unless
    every patient of the cohort had it (then time zero is its start).
    """
    for endpoint in endpoints(table, wanted):
        of = table[table["endpoint"] == endpoint]
        for cohort, rows in of.groupby("cohort", sort=True):
            rows = rows[usable(rows)].sort_values("patient", kind="mergesort")
            rows = rows.drop_duplicates("patient")
            if rows.empty:
                continue
            yield Group(str(cohort), endpoint, ALL, rows.assign(entry=0.0), False)
            started = rows["treatment_start"].notna() & (rows["treatment_start"] < rows["time"])
            for treatment in sorted(set(rows.loc[started, "treatment"])):
                if not treatment or is_control_arm(treatment):
                    continue
                own = rows[started & (rows["treatment"] == treatment)]
                if len(own) < len(rows) or (own["treatment_start"] > 0).any():
                    entry = own["treatment_start"].clip(lower=0.0)
                    yield Group(str(cohort), endpoint, TREATED + treatment, own.assign(entry=entry), True)


def individuals(table: pd.DataFrame) -> pd.DataFrame:
    """One row per cohort and patient, for what does not depend on the endpoint."""
    ordered = table.assign(_order=[order_of(e)[0] for e in table["endpoint"]])
    ordered = ordered.sort_values(["cohort", "patient", "_order"], kind="mergesort")
    return ordered.drop_duplicates(["cohort", "patient"]).drop(columns="_order").reset_index(drop=True)


def as_covariate(values: pd.Series) -> pd.Series:
    """A column as numbers where nearly all of its known cells are numbers with more than six values, else as labels;
    unknown cells are missing."""
    text = values.astype(str).str.strip()
    known = ~text.map(missing)
    number = pd.to_numeric(text.where(known), errors="coerce").astype("float64")
    if known.any() and number[known].notna().mean() >= 0.9 and number.nunique() > 6:
        return number
    return text.where(known)


def design(rows: pd.DataFrame, names: Sequence[str]) -> tuple[pd.DataFrame, pd.Series]:
    """Columns of a model for the named covariates, and which rows have all of them.

    Numbers are in their standard deviation; labels become one column per level but the commonest. Raises KeyError.
    """
    parts: dict[str, Any] = {}
    complete = pd.Series(True, index=rows.index)
    columns = {name: as_covariate(rows[name]) for name in names}
    for column in columns.values():
        complete &= column.notna()
    for name, column in columns.items():
        kept = column[complete]
        if kept.dtype.kind == "f":
            spread = kept.std()
            if spread > 0:
                parts[name] = (kept - kept.mean()) / spread
            continue
        counts = {str(v): int(n) for v, n in kept.value_counts().items()}
        levels = sorted(counts, key=lambda v: (-counts[v], v))
        for level in levels[1:]:
            parts[f"{name}: {level}"] = (kept == level).astype(float)
    return pd.DataFrame(parts, index=rows.index[complete]), complete
