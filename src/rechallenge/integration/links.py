"""One link of a chain: which claims speak of it, and what they and the knowledge tables make of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from scipy import stats

from rechallenge.evidence import AMOUNT
from rechallenge.integration.candidates import FIRST_ROW
from rechallenge.integration.network import edge, naming, of, perturbed

HERE, PUBLIC, CURATED, INFERRED, CONTRADICTED, NOT_SHOWN, UNTESTED = (
    "measured here", "measured in public cohort", "curated", "inferred", "contradicted", "tested, not shown",
    "not tested",
)  # fmt: skip
STATES = (HERE, PUBLIC, CURATED, INFERRED, NOT_SHOWN, CONTRADICTED, UNTESTED)
MEASURED = (HERE, PUBLIC)
ALPHA = 0.05
T = TypeVar("T")


@dataclass(frozen=True)
class Link:
    """``state`` of `STATES`; ``claims`` rows of evidence.csv behind it, the surest first; ``strength`` the z of the
    surest claim that supports it, of patients that of all cohorts together (NaN where none is tested); ``n_for`` and
    ``n_against`` claims that show it or its opposite; ``said`` the claim or source that says most."""

    state: str
    claims: tuple[int, ...] = ()
    strength: float = float("nan")
    p_value: float = float("nan")
    n_for: int = 0
    n_against: int = 0
    said: str = ""
    levels: tuple[str, ...] = field(default=())


class Claims:
    """The claims about one candidate; what is asked of them is judged once."""

    def __init__(self, evidence: pd.DataFrame) -> None:
        self.evidence = evidence
        self._known: dict[tuple[Any, ...], Any] = {}

    def __call__(self, judge: Callable[..., T], *about: Any) -> T:
        """``judge(evidence, *about)``."""
        key = (judge, *about)
        if key not in self._known:
            self._known[key] = judge(self.evidence, *about)
        found: T = self._known[key]
        return found


def engagement(evidence: pd.DataFrame, drug: str, target: str, curated: str) -> Link:
    """Whether the drug reaches the target: engagement claims of it that name the drug, else a curated target."""
    rows = evidence[(evidence["level"] == "engagement") & of(evidence["entity"], target)]
    rows = rows[naming(rows["contrast"] + " " + rows["claim"], drug)]
    q = rows["q_value"].fillna(rows["p_value"])
    # an affinity is estimated without a test: the binding was seen
    found = judged(
        rows, shown=(rows["status"] == "estimated") & ((q < ALPHA) | q.isna()), against=None, two_sided=False
    )
    if found.state == UNTESTED:
        docked = evidence[of(evidence["entity"], target) & (evidence["level"] == "knowledge")]
        docked = docked[(docked["stream"] == "binding") & naming(docked["contrast"], drug)]
        return _known(curated, docked)
    return found


def control(evidence: pd.DataFrame, regulator: str, gene: str, sign: int, direction: int = 0) -> Link:
    """Whether the regulator moves the gene with that sign (+1 raises it, -1 lowers it).

    Claims of a reporter, a transcript or a protein after the regulator was lowered or raised are read with their sign:
    a gene that falls when its repressor is lowered speaks against it. Where there are none, the regulator's activity in
    resistant cells, where the gene moves in `direction` (0: not known): an activator has to move with it, a repressor
    against it. Else a curated edge of the same sign, or a site in the promoter or UTR.
    """
    rows = _acts_on(evidence, regulator, gene)
    way, clear = _ways(rows, regulator), _clear(rows)
    known = edge(regulator, gene)
    curated = "" if known is None or known.sign != sign else f"{known.known} ({known.source})"
    found = _towards(rows, way, sign)
    if found.state != UNTESTED:
        return found
    about = evidence[of(evidence["entity"], regulator)]
    about = about[naming(about["contrast"] + " " + about["claim"], gene)]
    activity = about[(about["stream"] == "tf_activity") & (about["analysis"] == "regulators")]
    sites = about[about["level"] == "knowledge"]
    unsigned = rows[clear & (way == 0)]
    if len(activity):
        clear = _clear(activity)
        expected = direction * sign
        other = clear & (expected != 0) & (activity["direction"] == -expected)
        seen = judged(activity, shown=clear & ~other, against=other)
        if seen.state == CONTRADICTED:
            return seen
        return Link(CURATED if curated else INFERRED, seen.claims, n_for=seen.n_for, n_against=seen.n_against,
                    said=curated or seen.said)  # fmt: skip
    return _known(curated, pd.concat([unsigned, sites]))


def measured_sign(evidence: pd.DataFrame, regulator: str, gene: str) -> int:
    """The sign of the surest claim that shows which way the regulator moves the gene; 0 where none does."""
    rows = _acts_on(evidence, regulator, gene)
    rows = rows[_clear(rows)].sort_values(["p_value", "claim"], kind="mergesort")
    return next((int(w) for w in _ways(rows, regulator) if w), 0)


def _ways(rows: pd.DataFrame, by: str, *, drug: bool = False) -> pd.Series[int]:
    """For each claim +1 where more of `by` raises what was measured, -1 where it lowers it, 0 where the contrast does
    not say."""
    did = [perturbed(str(c), by, drug=drug) for c in rows["contrast"]]
    moved: pd.Series[int] = (np.sign(rows["effect"].fillna(0.0)) * pd.Series(did, index=rows.index)).astype(int)
    return moved


def _towards(rows: pd.DataFrame, way: pd.Series[int], sign: int) -> Link:
    """The claims that say which way something moves, for and against one sign."""
    told = way != 0
    rows, way = rows[told], way[told]
    clear = _clear(rows)
    return judged(rows, shown=clear & (way == sign), against=clear & (way == -sign))


def _acts_on(evidence: pd.DataFrame, by: str, gene: str) -> pd.DataFrame:
    """Claims of the amount of a gene's product (or of its promoter) under what names `by`."""
    named = evidence["contrast"] + " " + evidence["claim"]
    own = of(evidence["entity"], gene) & (
        evidence["effect_unit"].str.startswith(AMOUNT) | (evidence["analysis"] == "reversal")
    )
    promoter = (evidence["stream"] == "reporter") & (evidence["level"] != "knowledge") & of(evidence["entity"], by)
    own &= naming(named.where(own, ""), by)
    promoter &= naming(named.where(promoter, ""), gene)
    return evidence[own | promoter]


def _clear(rows: pd.DataFrame) -> pd.Series[bool]:
    q = rows["q_value"].fillna(rows["p_value"])
    return (rows["status"] == "estimated") & (q < ALPHA)


def moves(evidence: pd.DataFrame, drug: str, gene: str, sign: int) -> Link:
    """Whether the drug lowers (-1) or raises (+1) the gene's product; else whether the gene, added back to cells or
    medium that had the drug, takes its effect away, from which a way through the gene is inferred."""
    rows = _acts_on(evidence, drug, gene)
    rows = rows[of(rows["entity"], gene)]
    found = _towards(rows, _ways(rows, drug, drug=True), sign)
    if found.state != UNTESTED:
        return found
    back = evidence[(evidence["entity"] == gene) & (evidence["level"] == "transmission")]
    back = back[naming(back["contrast"], drug) & back["contrast"].str.contains(f"+{gene}", regex=False)]
    shown = back[_clear(back) & (np.sign(back["effect"]) == -sign)]
    if len(shown):
        return Link(INFERRED, tuple(_ids(shown)[:5]), n_for=len(shown), said=str(shown["claim"].iloc[0]))
    if len(back):
        return Link(NOT_SHOWN, tuple(_ids(back)[:5]), said=str(back["claim"].iloc[0]))
    return Link(UNTESTED)


def metabolite(evidence: pd.DataFrame, gene: str, name: str, sign: int, direction: int) -> Link:
    """Whether an enzyme moves its metabolite (`sign` +1 made, -1 used up): measured where the enzyme was lowered or
    raised; inferred where both differ in resistant cells as the reaction says (`direction` is that of the enzyme)."""
    rows = evidence[(evidence["entity_type"] == "metabolite") & (evidence["entity"] == name)]
    found = _towards(rows, _ways(rows, gene), sign)
    if found.state != UNTESTED:
        return found
    beside = rows[rows["level"].isin(["association", "gradient"])]
    clear, seen = _clear(beside), np.sign(beside["effect"]) * direction * sign
    both = judged(beside, shown=clear & (seen > 0), against=clear & (seen < 0))
    return replace(both, state=INFERRED, strength=float("nan"), p_value=float("nan")) if both.state == HERE else both


def modified(evidence: pd.DataFrame, gene: str) -> list[tuple[str, int, Link]]:
    """Read-outs of other proteins (phosphorylated ones, say) that moved when the gene was lowered or raised, the surest
    first: (name of the read-out, sign of the gene's effect on it, link)."""
    rows = evidence[evidence["effect_unit"].str.startswith(AMOUNT) & (evidence["stream"] == "measurements")]
    rows = rows[(rows["entity"] != gene) & naming(rows["contrast"], gene)]
    found = []
    for unit, part in rows.groupby("effect_unit", sort=True):
        way = _ways(part, gene)
        surest = part[(way != 0) & _clear(part)].sort_values(["p_value", "claim"], kind="mergesort")
        if surest.empty:
            continue
        known = edge(gene, str(surest["entity"].iloc[0]))
        sign = int(known.sign if known is not None else way[surest.index[0]])
        link = _towards(part, way, sign)
        found.append((str(unit).partition(", ")[2], sign, link))
    return sorted(found, key=lambda f: (-f[2].strength if f[2].strength == f[2].strength else 0.0, f[0]))


def function(evidence: pd.DataFrame, gene: str, direction: int) -> Link:
    """Whether changing the gene changes the response."""
    rows = evidence[
        of(evidence["entity"], gene)
        & evidence["level"].isin(["intervention", "in_vivo", "transmission"])
        & ~evidence["stream"].isin(["reporter", "reversal"])
        & ~evidence["effect_unit"].str.startswith(AMOUNT)
    ]
    return _signed(rows, direction)


def change(evidence: pd.DataFrame, gene: str, direction: int) -> Link:
    """Whether the gene, its protein or its activity differs in resistant cells in that direction."""
    rows = evidence[of(evidence["entity"], gene) & evidence["level"].isin(["association", "gradient"])]
    return _signed(rows, direction)


def restoration(evidence: pd.DataFrame, drug: str) -> Link:
    """Whether the drug restores sensitivity: interventions and animals, alone or with a therapy."""
    rows = evidence[
        evidence["entity_type"].isin(["drug", "pair"]) & evidence["level"].isin(["intervention", "in_vivo"])
    ]
    parts = rows["entity"].str.split(" + ", regex=False)
    mine = [any(p.strip().casefold() == drug.casefold() for p in names) for names in parts]
    rows = rows[np.array(mine, dtype=bool)]
    rows = rows[~rows["contrast"].str.startswith("selectivity") & (rows["stream"] != "reporter")]
    # one experiment may be told of the drug and of the pair
    rows = rows[
        ~rows.duplicated(["stream", "model", "effect", "p_value", "status", "direction"]) | rows["effect"].isna()
    ]
    return _signed(rows, -1)


def _signed(rows: pd.DataFrame, direction: int) -> Link:
    """Claims with a direction: those that show it, and those that show the opposite."""
    p = rows["q_value"].fillna(rows["p_value"])
    told = ((rows["status"] == "estimated") & ((p < ALPHA) | p.isna())) | (rows["status"] == "censored")
    told &= rows["direction"] != 0
    return judged(rows, shown=told & (rows["direction"] == direction), against=told & (rows["direction"] == -direction))


def judged(
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
        said = f"{n_for} for it, {n_against} against it, of these the surest: {worst['claim']}"
        return Link(CONTRADICTED, tuple(ids[:8]), float("nan"), float("nan"), n_for, n_against, said)
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
