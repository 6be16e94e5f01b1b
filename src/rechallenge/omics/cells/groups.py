"""What the patients of single cells are compared on."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rechallenge.contrasts import treatments

RECURRED, FREE = "recurred", "not recurred"
RESPONDER, NON_RESPONDER = "responder", "non-responder"
#: endpoints whose event is that the tumour came back or grew
ENDPOINTS = ("RFS", "DFS", "PFS", "TTR", "TTP", "EFS")
_YES = ("1", "1.0", "true", "yes", "recurred", "recurrence", "relapse", "progressed", "progression", "event")
_NO = ("0", "0.0", "false", "no", "none", "censored", "not recurred", "disease free", "no event")
#: what comes first where none did badly: the reference of a pair
_FIRST = (
    "before", "pre", "pretreatment", "pre-treatment", "before treatment", "baseline", "naive", "treatment-naive",
    "untreated", "vehicle", "primary", "diagnosis", "parental", "sensitive", "control",
)  # fmt: skip
_GOOD, _BAD = ("cr", "pr", "responder", "response", "r"), ("sd", "pd", "non-responder", "nonresponder", "nr")


def groups_of(of: pd.DataFrame, patients: pd.DataFrame | None) -> pd.Series:
    """What the patient of every row is compared on; '' where it is not known.

    The column `group` of the cells where it is filled in; else recurrence by the table of patients (an event of `RFS`,
    `DFS`, `PFS`, `TTR`, `TTP` or `EFS`), else response by it, else the treatment where a patient has cells under two.
    """
    if "group" in of and of["group"].fillna("").astype(str).str.strip().ne("").any():
        return of["group"].fillna("").astype(str).str.strip()
    if "patient" not in of:
        return pd.Series("", index=of.index)
    name = of["patient"].fillna("").astype(str)
    found = _by_table(name, patients)
    return found if len(set(found) - {""}) > 1 or "treatment" not in of else _by_treatment(of, name, found)


def _by_treatment(of: pd.DataFrame, name: pd.Series, otherwise: pd.Series) -> pd.Series:
    given = treatments(of["treatment"]).where(name != "", "")
    several = given[name != ""].groupby(name[name != ""]).nunique()
    return given if (several > 1).any() else otherwise


def _by_table(name: pd.Series, patients: pd.DataFrame | None) -> pd.Series:
    if patients is None or not len(patients):
        return pd.Series("", index=name.index)
    recurrence = _words(patients[patients.get("endpoint", pd.Series("", patients.index)).astype(str).str.upper().isin(
        ENDPOINTS)], "event", _YES, _NO, RECURRED, FREE)  # fmt: skip
    found = name.map(recurrence).fillna("")
    if len(set(found) - {""}) > 1:
        return found
    return name.map(_words(patients, "response", _BAD, _GOOD, NON_RESPONDER, RESPONDER)).fillna("")


def _words(
    table: pd.DataFrame, column: str, bad: tuple[str, ...], good: tuple[str, ...], is_bad: str, is_good: str
) -> dict[str, str]:
    if column not in table:
        return {}
    said = table[column].fillna("").astype(str).str.strip().str.casefold()
    word = np.select([said.isin(bad), said.isin(good)], [is_bad, is_good], "")
    return {p: w for p, w in zip(table["patient"].astype(str), word, strict=True) if w}


def rank(group: str) -> int:
    """1 for a group that did badly, -1 for one that comes first (before treatment, parental), else 0."""
    return did_badly(group) or -int(group.strip().casefold() in _FIRST)


def did_badly(group: str) -> int:
    """1 for a group of patients whose tumour came back or did not respond, by its name, else 0."""
    text = group.strip().casefold()
    return int(text in _YES or text in _BAD or text.startswith(("recur", "relaps", "non-respon", "resist", "progress")))
