"""Whether a gene matters in patients: response, survival and recurrence over all cohorts, each cohort once."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from scipy import stats

from rechallenge.integration.candidates import FIRST_ROW
from rechallenge.integration.links import ALPHA, CONTRADICTED, HERE, NOT_SHOWN, PUBLIC, UNTESTED, Link
from rechallenge.integration.network import of

#: names by which public cohorts and data sets go
_PUBLIC = re.compile(
    r"\b(?:TCGA|ICGC|CPTAC|GEO|GSE\d+|E-MTAB-?\d+|LIHC|LIRI|HRA\d+|PRJ\w+|EGA\w+|GEPIA)\b", re.IGNORECASE
)
_BAD = re.compile(r"recur|relaps|progress|metasta|non-?respon|resistan|dead|died", re.IGNORECASE)
_NO = re.compile(r"^(?:no|not|non|without|free)\b|-free\b|^non-", re.IGNORECASE)
_RESPONSE = re.compile(r"^(?:non-?respon|resistan)", re.IGNORECASE)
#: the cohort of patients of whom it is not said which they are
UNNAMED = "patients"
STREAMS = ("survival", "response", "cell_association")


def patients(evidence: pd.DataFrame, gene: str, direction: int) -> Link:
    """Whether patients whose tumours have more (less) of it do worse or respond less.

    Claims of response, survival and of marker-positive cells at recurrence count, with the sign of their effect whether
    or not it is shown. Claims that share a cohort are averaged, and cohorts that share no patients are joined by
    Stouffer's method; `strength` is that z. Shown is what a verdict of the cohorts says; where as much is shown against
    it as for it, or all together point the other way, the link is contradicted.
    """
    rows = evidence[of(evidence["entity"], gene) & (evidence["level"] == "clinical")]
    kept: list[dict[str, Any]] = []
    for place, row in zip(rows.index, rows.to_dict("records"), strict=True):
        sign = _sign(row)
        if row["stream"] not in STREAMS and not row["direction"]:
            continue
        z = _z(row) * sign * direction if sign else math.nan
        told = row["direction"] * direction
        if row["stream"] == "cell_association":
            told = sign * direction if _p(row) < ALPHA else 0
        shown = (told > 0) - (told < 0) if row["status"] in ("estimated", "censored") and _sure(row) else 0
        kept.append({"row": place, "z": z, "shown": shown, "what": _what(row), "cohorts": _cohorts(row),
                     "claim": str(row["claim"]), "tested": row["status"] == "estimated" and z == z})  # fmt: skip
    tested = [k for k in kept if k["tested"]]
    ids = [int(k["row"]) + FIRST_ROW for k in sorted(tested or kept, key=lambda k: (-k["shown"], -_size(k), k["row"]))]
    if not tested:
        return Link(UNTESTED, tuple(ids[:5]), said=kept[0]["claim"] if kept else "")
    for_, against = ([k for k in tested if k["shown"] == side] for side in (1, -1))
    joint = _joint(tested)
    said = _said(tested, joint) if len(tested) > 1 else tested[0]["claim"]
    counts = (len(for_), len(against))
    if against and (sum(map(_size, against)) >= sum(map(_size, for_)) or joint <= 0):
        return Link(CONTRADICTED, tuple(ids[:8]), math.nan, math.nan, *counts, said)
    if not for_ or joint <= 0:
        return Link(CONTRADICTED if for_ else NOT_SHOWN, tuple(ids[:8]), math.nan, math.nan, *counts, said)
    behind = rows.loc[[k["row"] for k in for_]]
    public = (behind["model"] + " " + behind["contrast"] + " " + behind["claim"]).str.contains(_PUBLIC).all()
    return Link(PUBLIC if public else HERE, tuple(ids[:8]), joint, float(2 * stats.norm.sf(joint)), *counts, said,
                ("clinical",))  # fmt: skip


def _p(row: Mapping[Any, Any]) -> float:
    """q, else p; 1 where neither is known."""
    p = row["q_value"] if row["q_value"] == row["q_value"] else row["p_value"]
    return float(p) if p == p else 1.0


def _sure(row: Mapping[Any, Any]) -> bool:
    known = row["q_value"] == row["q_value"] or row["p_value"] == row["p_value"]
    return row["status"] == "censored" or not known or _p(row) < ALPHA


def _z(row: Mapping[Any, Any]) -> float:
    p = row["p_value"] if row["p_value"] == row["p_value"] else row["q_value"]
    return float(stats.norm.isf(min(max(p, 1e-300), 1.0) / 2)) if p == p else math.nan


def _sign(row: Mapping[Any, Any]) -> int:
    """+1 where more of the gene goes with the worse outcome, -1 with the better one, 0 where that cannot be said."""
    if row["direction"]:
        return int(row["direction"])
    effect = row["effect"]
    if effect != effect or effect == 0:
        return 0
    way = 1 if effect > 0 else -1
    if row["stream"] == "survival":  # log hazard ratio of high expression
        return way
    if row["stream"] == "response":  # AUC - 0.5: higher in responders
        return -way
    first, _, second = str(row["contrast"]).partition(" vs ")
    bad = [bool(_BAD.search(t)) and (not _NO.search(t.strip()) or bool(_RESPONSE.search(t.strip())))
           for t in (first, second)]  # fmt: skip
    return 0 if bad[0] == bad[1] else way if bad[0] else -way


def _what(row: Mapping[Any, Any]) -> str:
    if row["stream"] == "survival":
        return f"survival ({str(row['contrast']).partition(',')[0]})"
    return "positive cells" if row["stream"] == "cell_association" else str(row["stream"]).replace("_", " ")


def _cohorts(row: Mapping[Any, Any]) -> frozenset[str]:
    named = frozenset(c.strip() for c in str(row["model"]).split(",") if c.strip())
    return named - {UNNAMED} or frozenset({UNNAMED})


def _size(one: Mapping[Any, Any]) -> float:
    return abs(one["z"]) if one["z"] == one["z"] else 1.96


def _joint(tested: Iterable[Mapping[Any, Any]]) -> float:
    """Stouffer's z over groups of claims that share no cohort, of the mean z in each: a mean of correlated z varies no
    more than one of them. Patients of no named cohort may be among those of any, so that theirs is averaged with the
    z of all others."""
    tested = list(tested)
    apart = [one for one in tested if UNNAMED not in one["cohorts"]]
    if apart and len(apart) < len(tested):
        return (_joint(apart) + _joint(one for one in tested if UNNAMED in one["cohorts"])) / 2
    groups: list[tuple[frozenset[str], list[float]]] = []
    for one in tested:
        shared = [g for g in groups if g[0] & one["cohorts"]]
        names = one["cohorts"].union(*(g[0] for g in shared))
        groups = [g for g in groups if g not in shared]
        groups.append((names, [one["z"], *(z for g in shared for z in g[1])]))
    means = [math.fsum(z) / len(z) for _, z in groups]
    return math.fsum(sorted(means)) / math.sqrt(len(means))


def _where(cohorts: set[str]) -> str:
    return f" in {', '.join(sorted(cohorts))}" if cohorts != {UNNAMED} else ""


def _said(tested: list[dict[str, Any]], joint: float) -> str:
    """What each kind of outcome says, in how many cohorts."""
    parts = []
    for what in sorted({k["what"] for k in tested}):
        mine = [k for k in tested if k["what"] == what]
        told = [words + _where({c for k in mine if k["shown"] == side for c in k["cohorts"]})
                for side, words in ((1, "for it"), (-1, "against it"), (0, "not shown"))
                if any(k["shown"] == side for k in mine)]  # fmt: skip
        parts.append(f"{what}: {'; '.join(told)}")
    return f"{' | '.join(parts)} (all cohorts together z = {joint:.1f})"
