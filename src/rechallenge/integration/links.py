"""One link of a chain: which claims speak of it, and what they and the knowledge tables make of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import stats

from rechallenge.integration.candidates import FIRST_ROW
from rechallenge.integration.network import edge, naming

HERE, PUBLIC, CURATED, INFERRED, CONTRADICTED, NOT_SHOWN, UNTESTED = (
    "measured here", "measured in public cohort", "curated", "inferred", "contradicted", "tested, not shown",
    "not tested",
)  # fmt: skip
STATES = (HERE, PUBLIC, CURATED, INFERRED, NOT_SHOWN, CONTRADICTED, UNTESTED)
MEASURED = (HERE, PUBLIC)
ALPHA = 0.05
#: names by which public cohorts and data sets go
_PUBLIC = re.compile(
    r"\b(?:TCGA|ICGC|CPTAC|GEO|GSE\d+|E-MTAB-?\d+|LIHC|LIRI|HRA\d+|PRJ\w+|EGA\w+|GEPIA)\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Link:
    """``state`` of `STATES`; ``claims`` rows of evidence.csv behind it, the surest first; ``strength`` the z of the
    surest claim that supports it (NaN where none is tested); ``n_for`` and ``n_against`` claims that show it or its
    opposite; ``said`` the claim or source that says most."""

    state: str
    claims: tuple[int, ...] = ()
    strength: float = float("nan")
    p_value: float = float("nan")
    n_for: int = 0
    n_against: int = 0
    said: str = ""
    levels: tuple[str, ...] = field(default=())


def engagement(evidence: pd.DataFrame, drug: str, target: str, curated: str) -> Link:
    """Whether the drug reaches the target: engagement claims of it that name the drug, else a curated target."""
    rows = evidence[(evidence["level"] == "engagement") & (evidence["entity"] == target)]
    rows = rows[naming(rows["contrast"] + " " + rows["claim"], drug)]
    q = rows["q_value"].fillna(rows["p_value"])
    # an affinity is estimated without a test: the binding was seen
    found = _judged(
        rows, shown=(rows["status"] == "estimated") & ((q < ALPHA) | q.isna()), against=None, two_sided=False
    )
    if found.state == UNTESTED:
        docked = evidence[(evidence["entity"] == target) & (evidence["level"] == "knowledge")]
        docked = docked[(docked["stream"] == "binding") & naming(docked["contrast"], drug)]
        return _known(curated, docked)
    return found


def control(evidence: pd.DataFrame, regulator: str, gene: str, sign: int) -> Link:
    """Whether the regulator moves the gene: reporter, expression after its perturbation and activity claims that name
    both, else a curated edge or a site in the promoter or UTR."""
    about = evidence[evidence["entity"].isin([regulator, gene])]
    other = np.where(about["entity"] == regulator, gene, regulator)
    said = about["contrast"] + " " + about["claim"]
    both = [bool(naming(pd.Series([t]), str(o)).iloc[0]) for t, o in zip(said, other, strict=True)]
    about = about[np.array(both, dtype=bool)]
    direct = about[
        about["stream"].isin(["reporter", "qpcr", "measurements", "western"]) & (about["level"] != "knowledge")
    ]
    direct = direct[(direct["stream"] == "reporter") | (direct["entity"] == gene)]
    p = direct["q_value"].fillna(direct["p_value"])
    found = _judged(direct, shown=(direct["status"] == "estimated") & (p < ALPHA), against=None)
    if found.state != UNTESTED:
        return found
    activity = about[(about["stream"] == "tf_activity") & (about["analysis"] == "regulators")]
    sites = about[about["level"] == "knowledge"]
    known = edge(regulator, gene)
    curated = "" if known is None or known.sign != sign else f"{known.known} ({known.source})"
    if len(activity):
        p = activity["q_value"].fillna(activity["p_value"])
        seen = _judged(activity, shown=(activity["status"] == "estimated") & (p < ALPHA), against=None)
        return Link(CURATED if curated else INFERRED, seen.claims, n_for=seen.n_for, said=curated or seen.said)
    return _known(curated, sites)


def function(evidence: pd.DataFrame, gene: str, direction: int) -> Link:
    """Whether changing the gene changes the response."""
    rows = evidence[
        (evidence["entity"] == gene)
        & evidence["level"].isin(["intervention", "in_vivo", "transmission"])
        & ~evidence["stream"].isin(["reporter", "reversal"])
    ]
    return _signed(rows, direction)


def change(evidence: pd.DataFrame, gene: str, direction: int) -> Link:
    """Whether the gene, its protein or its activity differs in resistant cells in that direction."""
    rows = evidence[(evidence["entity"] == gene) & evidence["level"].isin(["association", "gradient"])]
    return _signed(rows, direction)


def patients(evidence: pd.DataFrame, gene: str, direction: int) -> Link:
    """Whether patients whose tumours have more (less) of it do worse or respond less."""
    rows = evidence[(evidence["entity"] == gene) & (evidence["level"] == "clinical")]
    rows = rows[rows["stream"].isin(["survival", "response"]) | (rows["direction"] != 0)]
    found = _signed(rows, direction)
    if found.state != HERE:
        return found
    behind = rows.loc[[r - FIRST_ROW for r in found.claims if r - FIRST_ROW in rows.index]]
    public = (behind["model"] + " " + behind["contrast"] + " " + behind["claim"]).str.contains(_PUBLIC)
    return found if not public.all() else Link(**{**found.__dict__, "state": PUBLIC})


def restoration(evidence: pd.DataFrame, drug: str) -> Link:
    """Whether the drug restores sensitivity: interventions and animals, alone or with a therapy."""
    rows = evidence[
        evidence["entity_type"].isin(["drug", "pair"]) & evidence["level"].isin(["intervention", "in_vivo"])
    ]
    parts = rows["entity"].str.split(" + ", regex=False)
    mine = [any(p.strip().casefold() == drug.casefold() for p in names) for names in parts]
    rows = rows[np.array(mine, dtype=bool)]
    rows = rows[~rows["contrast"].str.startswith("selectivity")]
    return _signed(rows, -1)


def _signed(rows: pd.DataFrame, direction: int) -> Link:
    """Claims with a direction: those that show it, and those that show the opposite."""
    p = rows["q_value"].fillna(rows["p_value"])
    told = ((rows["status"] == "estimated") & ((p < ALPHA) | p.isna())) | (rows["status"] == "censored")
    told &= rows["direction"] != 0
    return _judged(
        rows, shown=told & (rows["direction"] == direction), against=told & (rows["direction"] == -direction)
    )


def _judged(
    rows: pd.DataFrame, *, shown: pd.Series[bool], against: pd.Series[bool] | None, two_sided: bool = True
) -> Link:
    """State and strength from claims. Contradicted: as much shown against it as for it, by the sum of z."""
    tested = rows[rows["status"].isin(["estimated", "censored"])]
    if tested.empty:
        return Link(UNTESTED, tuple(_ids(rows)[:5]), said=str(rows["claim"].iloc[0]) if len(rows) else "")
    opposed = against if against is not None else shown & False
    p = rows["p_value"].clip(1e-300, 1.0)
    z = pd.Series(stats.norm.isf(p / 2 if two_sided else p), index=rows.index)
    order = z.where(shown, -1.0).fillna(1.0).sort_values(ascending=False, kind="mergesort").index
    n_for, n_against = int(shown.sum()), int(opposed.sum())
    if n_against and z[opposed].fillna(1.96).sum() >= z[shown].fillna(1.96).sum():
        worst = rows.loc[z.where(opposed).fillna(1.96).where(opposed).idxmax()]
        ids = _ids(rows.loc[[i for i in order if opposed[i] or shown[i]]])
        return Link(CONTRADICTED, tuple(ids[:8]), float("nan"), float("nan"), n_for, n_against, str(worst["claim"]))
    if not n_for:
        best = rows.loc[p.where(rows["status"] == "estimated").fillna(1.0).idxmin()]
        return Link(NOT_SHOWN, tuple(_ids(tested)[:8]), said=str(best["claim"]))
    kept = rows.loc[[i for i in order if shown[i] or opposed[i]]]
    best = rows.loc[next(i for i in order if shown[i])]
    strength = float(z[shown].max()) if z[shown].notna().any() else float("nan")
    least = float(rows.loc[shown, "p_value"].min())
    levels = tuple(dict.fromkeys(kept["level"]))
    return Link(HERE, tuple(_ids(kept)[:8]), strength, least, n_for, n_against, str(best["claim"]), levels)


def _known(curated: str, inferred: pd.DataFrame) -> Link:
    """A link that nobody measured here: curated, inferred from sites or docking, or not tested."""
    if curated:
        return Link(CURATED, tuple(_ids(inferred)[:5]), said=curated)
    if len(inferred):
        return Link(INFERRED, tuple(_ids(inferred)[:5]), said=str(inferred["claim"].iloc[0]))
    return Link(UNTESTED)


def _ids(rows: pd.DataFrame) -> list[int]:
    return [int(i) + FIRST_ROW for i in rows.index]
