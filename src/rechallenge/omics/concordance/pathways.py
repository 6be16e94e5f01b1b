"""In how many data sets is a programme enriched in one direction, and is that more than chance gives?

A data set calls a set up or down where most of its contrasts of resistance do and none calls the opposite; data sets
that count as one (`dataset_groups`) have one voice. Chance: every data set calls as many sets of like size up and down
as it does, but which ones is independent of the other data sets. What is tested is the net number of calls (up less
down), whose distribution is that of a sum of independent trials with three outcomes, exact by convolution (a
Poisson-binomial distribution with a third outcome). A data set in which much is enriched therefore says little about
one set, and a set that is raised in some and lowered in others agrees with nothing. The proportion has the exact
interval of Clopper and Pearson.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from rechallenge.analysis import analysis, claims, figure
from rechallenge.evidence import claim_table
from rechallenge.faults import NotApplicable
from rechallenge.omics.concordance.analyses import KINDS
from rechallenge.report.words import equals, number
from rechallenge.stats.multiplicity import bh

Floats = NDArray[np.float64]
CLOPPER_PEARSON = "doi:10.1093/biomet/26.4.404"
POISSON_BINOMIAL = "doi:10.1016/j.csda.2012.10.006"
RANKED = "preranked GSEA"
#: sets of like size that share a rate of calls, at least; groups of size at most
LIKE, SIZES = 20, 3
#: q below which a set is said to be enriched in more data sets than chance gives; rows of the figure
CALLED, SHOWN = 0.05, 25
KEY = ["layer", "collection", "term"]
COLUMNS = (
    *KEY, "n_datasets", "n_up", "n_down", "direction", "n_same", "proportion", "ci_low", "ci_high", "expected",
    "p_value", "q_value", "mean_nes", "nes_low", "nes_high", "size", "n", "datasets", "status", "reason",
    "source_table",
)  # fmt: skip


@analysis(
    title="Programmes over data sets",
    reference=(CLOPPER_PEARSON, POISSON_BINOMIAL),
    methods="For every gene set the data sets were counted in which it is enriched in one direction (q < {alpha:g}; "
    "data sets that share samples or lines count once), with the exact interval of the proportion "
    f"({CLOPPER_PEARSON}). The p-value is twice that of as many net calls (up less down) or more in its direction if "
    "each data set called as many sets of like size at random (exact, as for the Poisson-binomial distribution, "
    f"{POISSON_BINOMIAL}).",
    formula=(
        "P(net calls >= observed): convolution of independent trials with three outcomes; Clopper-Pearson "
        "limits of the proportion"
    ),
    oracle=(
        "No outside reference: the distributions of the books; null and power (tests/omics/test_pathway_proportions.py)"
    ),
    limits="Few data sets make p coarse. Sets share genes.",
)
def pathway_proportions(
    gene_enrichment: pd.DataFrame,
    dataset_groups: pd.DataFrame | None = None,
    *,
    alpha: float = 0.05,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """One row per layer, collection and set that two or more data sets tested: `COLUMNS`.

    `n_up` and `n_down` of `n_datasets` call it (q < `alpha` by preranked enrichment); `direction` is the one with more
    calls (0 for a tie), `n_same` their number, `proportion` its share with limits, `expected` the number by chance in
    that direction. `mean_nes` with `nes_low` and `nes_high` are over data sets. `dataset_groups` says which data sets
    count as one. Raises NotApplicable with fewer than two data sets.
    """
    table = gene_enrichment[(gene_enrichment["method"] == RANKED) & gene_enrichment["kind"].isin(KINDS)]
    table = table[table["q_value"].notna()].assign(voice=_voices(table, dataset_groups))
    parts = []
    for (layer, collection), part in table.groupby(["layer", "collection"], sort=True):
        votes = _votes(part, alpha)
        if votes["voice"].nunique() < 2:
            continue
        parts.append(_counted(votes, confidence).assign(layer=str(layer), collection=str(collection)))
    if not parts:
        raise NotApplicable("sets were tested in only one data set of resistance")
    out = pd.concat(parts, ignore_index=True)
    out["q_value"] = out.groupby(["layer", "collection"])["p_value"].transform(lambda p: bh(p.to_numpy()))
    out["status"], out["reason"], out["source_table"] = "estimated", "", "gene_enrichment"
    return out.reindex(columns=list(COLUMNS)).sort_values(KEY, kind="mergesort", ignore_index=True)


def _voices(table: pd.DataFrame, groups: pd.DataFrame | None) -> list[str]:
    """What the data set of every row counts as."""
    known: dict[tuple[str, str], str] = {}
    if groups is not None:
        known = {(r["layer"], r["dataset"]): r["counts_as"] for r in groups.to_dict("records")}
    return [known.get((la, d), str(d)) for la, d in zip(table["layer"], table["dataset"], strict=True)]


def _votes(part: pd.DataFrame, alpha: float) -> pd.DataFrame:
    """One row per set and data set: nes (mean over its contrasts), vote (1, -1, 0), size, n."""
    call = np.where(part["q_value"] < alpha, np.sign(part["nes"]), 0).astype(int)
    by = part.assign(up=call == 1, down=call == -1).groupby(["term", "voice"], sort=True)
    out = by.agg(nes=("nes", "mean"), up=("up", "sum"), down=("down", "sum"), k=("nes", "size"), size=("size", "max"),
                 n=("n", "max")).reset_index()  # fmt: skip
    most = [(2 * out[a] > out["k"]) & (out[b] == 0) for a, b in (("up", "down"), ("down", "up"))]
    out["vote"] = np.where(most[0], 1, np.where(most[1], -1, 0))
    return out


def _counted(votes: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """Every set that two or more data sets tested."""
    votes = votes.assign(stratum=votes["term"].map(_strata(votes.groupby("term")["size"].median())))
    rates = {sign: _rates(votes, sign) for sign in (1, -1)}
    rows = []
    for term, mine in votes.groupby("term", sort=True):
        n = len(mine)
        if n < 2:
            continue
        seen = {sign: int((mine["vote"] == sign).sum()) for sign in (1, -1)}
        where = list(zip(mine["voice"], mine["stratum"], strict=True))
        chance = {s: [rates[s][k] for k in where] for s in (1, -1)}
        expected = {s: float(np.sum(chance[s])) for s in (1, -1)}
        sign = 1 if seen[1] >= seen[-1] else -1
        net = abs(seen[1] - seen[-1])
        # a set that is called as often up as down, or never, agrees with nothing
        p = 2 * net_at_least(net, chance[sign], chance[-sign]) if net else 1.0
        low, high = clopper_pearson(seen[sign], n, confidence)
        rows.append(
            {
                "term": term, "n_datasets": n, "n_up": seen[1], "n_down": seen[-1],
                "direction": 0 if seen[1] == seen[-1] else sign, "n_same": seen[sign], "proportion": seen[sign] / n,
                "ci_low": low, "ci_high": high, "expected": expected[sign], "p_value": min(1.0, p),
                "mean_nes": mine["nes"].mean(), "nes_low": mine["nes"].min(), "nes_high": mine["nes"].max(),
                "size": int(mine["size"].max()), "n": n,
                "datasets": ", ".join(
                    f"{v} {x:+.2f}{'*' if c else ''}"
                    for v, x, c in zip(mine["voice"], mine["nes"], mine["vote"], strict=True)
                ),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def _strata(size: pd.Series) -> dict[Any, int]:
    """Set -> group of like size: at most `SIZES` of at least `LIKE` sets each; equal sizes are together."""
    many = int(np.clip(len(size) // LIKE, 1, SIZES))
    rank = size.rank(method="min", pct=True)
    return {k: int(min(many - 1, np.floor(v * many - 1e-12))) for k, v in rank.items()}


def _rates(votes: pd.DataFrame, sign: int) -> dict[tuple[str, int], float]:
    """(Data set, stratum) -> share of its sets that it calls in a direction, half a call added."""
    by = votes.assign(hit=votes["vote"] == sign).groupby(["voice", "stratum"])["hit"]
    share = ((by.sum() + 0.5) / (by.size() + 1)).rename("share").reset_index()
    return {(str(r["voice"]), int(r["stratum"])): float(r["share"]) for r in share.to_dict("records")}


def net_at_least(net: int, ups: Sequence[float], downs: Sequence[float]) -> float:
    """P of `net` or more ups less downs in independent trials that go up or down with these chances, by convolution.

    >>> round(net_at_least(2, [0.5, 0.5], [0, 0]), 3), round(net_at_least(1, [0.2], [0.3]), 3)
    (0.25, 0.2)
    """
    mass = np.ones(1)
    for up, down in zip(ups, downs, strict=True):
        stay = max(0.0, 1 - up - down)
        mass = np.convolve(mass, np.array([down, stay, up]) / (down + stay + up))
    # mass runs from -n to n
    return float(min(1.0, mass[max(0, net + len(ups)) :].sum()))


def clopper_pearson(seen: int, of: int, confidence: float) -> tuple[float, float]:
    """Exact limits of a proportion.

    >>> tuple(round(v, 3) for v in clopper_pearson(4, 5, 0.95))
    (0.284, 0.995)
    """
    tail = (1 - confidence) / 2
    low = 0.0 if seen == 0 else float(stats.beta.ppf(tail, seen, of - seen + 1))
    high = 1.0 if seen == of else float(stats.beta.ppf(1 - tail, seen + 1, of - seen))
    return low, high


def _titles(table: pd.DataFrame) -> list[str]:
    """Names to read: those of the built-in programmes from their table."""
    from rechallenge import knowledge

    info = knowledge.starter("gene_set_info")
    names = dict(zip(info["set"], info["title"], strict=True))
    own = table["collection"] == "programmes"
    return [names.get(t, t) if mine else t for t, mine in zip(table["term"], own, strict=True)]


def _short(title: str) -> str:
    """A name as it is drawn: without the collection in front and without underscores."""
    if "_" not in title:
        return title
    return re.sub(r"^(?:HALLMARK|REACTOME|KEGG|WP|GOBP|GO)_", "", title).replace("_", " ").strip() or title


@claims(title="Programmes that data sets agree on")
def pathway_claims(pathway_proportions: pd.DataFrame) -> pd.DataFrame:
    """One claim per set that more data sets call in one direction than chance gives (q < .05)."""
    kept = pathway_proportions[(pathway_proportions["q_value"] < CALLED) & (pathway_proportions["direction"] != 0)]
    rows = []
    for title, row in zip(_titles(kept), kept.to_dict("records"), strict=True):
        against = row["n_down"] if row["direction"] > 0 else row["n_up"]
        other = f", {int(against)} the other way" if against else ""
        how = "higher" if row["direction"] > 0 else "lower"
        rows.append(
            {
                "entity": title,
                "entity_type": "pathway",
                "stream": "concordance",
                "level": "association",
                "contrast": "resistant vs parental, over data sets",
                "direction": row["direction"],
                "effect": row["proportion"],
                "effect_unit": "share of data sets",
                **{c: row[c] for c in ("ci_low", "ci_high", "p_value", "q_value", "n", "status", "source_table")},
                "analysis": "pathway_proportions",
                "claim": f"{title} ({row['layer']}) is enriched and {how} in {int(row['n_same'])} of {int(row['n'])} "
                f"data sets [{number(row['ci_low'])}, {number(row['ci_high'])}]{other}; {number(row['expected'])} "
                f"expected if data sets were independent ({equals('p', row['p_value'])}, "
                f"{equals('q', row['q_value'])}); mean NES {number(row['mean_nes'])} ({row['datasets']}).",
            }
        )
    return claim_table(rows)


@figure(
    title="Programmes over data sets",
    caption="Left: normalised enrichment score in each data set (orange: higher in resistant lines), * where the data "
    "set calls it. Right: share of data sets that call it in the direction of most, with its exact interval; the tick "
    "is what chance gives. The surest sets of one collection, at most twenty-five.",
)
def pathway_panel(pathway_proportions: pd.DataFrame, gene_enrichment: pd.DataFrame,
                  dataset_groups: pd.DataFrame | None = None) -> Any:  # fmt: skip
    """Scores by data set beside the proportion."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, matrix, sized

    table = pathway_proportions.assign(_own=pathway_proportions["collection"] != "programmes")
    if table.empty:
        return None
    order = table.sort_values(["layer", "_own", "p_value", "term"], kind="mergesort")
    first = order.iloc[0]
    order = order[(order["layer"] == first["layer"]) & (order["collection"] == first["collection"])].head(SHOWN)
    order = order.sort_values(["mean_nes", "term"], ascending=[False, True], kind="mergesort")
    order["programme"] = [_short(t) for t in _titles(order)]
    part = gene_enrichment[(gene_enrichment["method"] == RANKED) & gene_enrichment["kind"].isin(KINDS)]
    part = part[(part["layer"] == first["layer"]) & (part["collection"] == first["collection"])]
    part = part[part["q_value"].notna()]
    votes = _votes(part.assign(voice=_voices(part, dataset_groups)), 0.05)
    names = dict(zip(order["term"], order["programme"], strict=True))
    data = votes[votes["term"].isin(list(names))].assign(programme=lambda t: t["term"].map(names))
    data["called"] = np.where(data["vote"] != 0, "*", "")
    at = {p: i for i, p in enumerate(order["programme"])}
    data = data.assign(_o=data["programme"].map(at)).sort_values(["_o", "voice"], kind="mergesort")
    data = data.rename(columns={"voice": "dataset"})[["programme", "dataset", "nes", "called"]]
    left = matrix(data, "dataset", "programme", "nes", text="called", title="NES", mid=0.0, cell=24, row=10)
    share = order[["programme", "proportion", "ci_low", "ci_high", "expected", "n_same", "n_datasets", "q_value"]]
    share = share.assign(chance=share["expected"] / share["n_datasets"])
    y = alt.Y("programme:N", sort=None, title=None, axis=None)
    x = alt.Scale(domain=[0, 1])
    base = alt.Chart(share).encode(y)
    right = alt.layer(
        base.mark_rule().encode(alt.X("ci_low:Q", title="Share of data sets", scale=x), x2="ci_high:Q"),
        base.mark_point(filled=True, size=22).encode(
            alt.X("proportion:Q", scale=x), tooltip=["programme:N", "n_same:Q", "n_datasets:Q", "q_value:Q"]
        ),
        base.mark_tick(color="#D55E00", thickness=1.2, size=8).encode(alt.X("chance:Q", scale=x)),
    ).properties(width=110, height=alt.Step(10))
    return sized(alt.hconcat(left, right, spacing=12), DOUBLE)
