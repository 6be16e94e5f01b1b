"""From all claims to ranked genes: which one drives the resistance, how sure is that, and what speaks against it.

Every tested claim about a gene is a signed z, positive where a high gene promotes resistance. Claims of one stream,
model and contrast are one stream of evidence; streams that share samples or cells are one family (`FAMILIES`). The
score, its calibration and the ranks are those of `stats.weight`. Knowledge never enters: what drugs act on a gene
stands beside it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from rechallenge.analysis import analysis
from rechallenge.evidence import AMOUNT
from rechallenge.faults import NotApplicable
from rechallenge.stats import weight
from rechallenge.stats.multiplicity import bh
from rechallenge.stats.weight import Family, Weighed

Floats = NDArray[np.float64]

CELLS, METABOLISM, RESPONSE, SURVIVAL, INTERVENTION, ANIMALS = (
    "resistant cells", "metabolism", "response", "survival", "intervention", "animals",
)  # fmt: skip
#: how often a true driver is silent in each family, and how strong it is there; judgements, not fits
FAMILIES: tuple[Family, ...] = (
    Family(CELLS, 0.25),
    Family(METABOLISM, 0.35),
    Family(RESPONSE, 0.35),
    Family(SURVIVAL, 0.5),
    Family(INTERVENTION, 0.25, mu=2.5),
    Family(ANIMALS, 0.55, mu=2.0),
)
#: survival is judged after what response already says: both come from tumours
DECORRELATED = ((2, 3),)
#: streams whose family their level does not tell
STREAMS: Mapping[str, str] = {
    "atlas": METABOLISM, "metabolome": METABOLISM, "tracing": METABOLISM, "fatty_acids": METABOLISM,
    "bioenergetics": METABOLISM, "reversal": INTERVENTION,
}  # fmt: skip
LEVELS: Mapping[str, str] = {
    "association": CELLS, "gradient": CELLS, "intervention": INTERVENTION, "engagement": INTERVENTION,
    "transmission": INTERVENTION, "in_vivo": ANIMALS,
}  # fmt: skip
TIERS = {1: "convergent", 2: "suggestive", 3: "ranked only"}
COLUMNS = (
    "rank", "entity", "entity_type", "direction", "score", "p_value", "q_value", "tier", "streams_for",
    "streams_against", "drugs", "summary", "total", "dropped", "n_families", "rank_low", "rank_high", "p_top10",
    "conflict", "status", "reason",
)  # fmt: skip
#: the row of evidence.csv that holds its first claim
FIRST_ROW = 2
#: a family below this while the score is above 2 is said to conflict
AGAINST = -0.5
#: how often a driver is held to act by being low
LOW_DRIVES = 0.2
#: draws of chance for each of `n_permutations`
DRAWS = 1000
#: families that must each support a gene (one-sided p < .05) before its case is called convergent
CONVERGING = 4
#: families that must support a gene before its case is called suggestive; two where an intervention is among them:
#: to change in cells and to go with patients can have one common cause
AGREEING = 3
TRIED = [i for i, f in enumerate(FAMILIES) if f.name in (INTERVENTION, ANIMALS)]


@analysis(
    title="Candidate genes",
    gives=("candidates", "candidate_terms"),
    methods="Genes were ranked by weight of evidence over families of evidence that share no samples (resistant cells, "
    "metabolism, response, survival, intervention, animals), each a log ratio that allows a true driver to be silent "
    "in it and weighs against the spread of all genes, with half of the best family of each gene left out; a driver "
    "was held to act by being low with probability {low_drives:g}; p-values compare with {n_permutations} thousand "
    "draws in which families agree by chance alone, of genes that the same families cover; q-values are by Benjamini "
    "and Hochberg. A gene is called convergent at q < {alpha:g} with at least four families that each support it "
    "(one-sided p < .05), suggestive at half that q with three, or two of which one is an intervention.",
    reference="doi:10.1214/07-STS236",
    formula=(
        "w_f = log[(1 - e_f) N(z; mu_f, 1 + tau^2) / f0(z) + e_f]; score = sum w_f - max(w_f, 0) / 2; p against"
        " families drawn each by itself"
    ),
    oracle=(
        "No outside reference: simulated studies with and without a driver, beside RRA, Stouffer, Fisher and "
        "others (benchmarks/evidence.py, tests/stats/test_weight.py, tests/integration/test_candidates.py)"
    ),
    limits=(
        "Finds what several families agree on: a driver seen in one family has a score and no p. Convergent calls "
        "found a planted driver in .02 to .57 of simulated studies and 17 of 194 were false; of suggestive calls about "
        "half are. Effect sizes of its simulations are assumed."
    ),
)
def candidates(
    evidence: pd.DataFrame,
    *,
    n_permutations: int = 1000,
    n_draws: int = 60,
    alpha: float = 0.1,
    low_drives: float = LOW_DRIVES,
    seed: int = 0,
) -> dict[str, pd.DataFrame]:
    """`candidates`: one row per gene with a tested claim (`COLUMNS`); `candidate_terms`: the term of every gene and
    family in nats with its z and the claims behind it (`claims`: their rows in evidence.csv); the terms of a gene add
    up to its `total` exactly.

    `direction` +1: high promotes resistance, -1: low does; the direction with the higher score is taken, in the draws
    of chance too. `score` leaves half of the best family (`dropped`) out. `low_drives` is how often a driver is held to
    act by being low; that direction costs log((1 - low_drives) / low_drives) nats (1.4 by default: what is high can be
    inhibited, what is low can rarely be given back; 0.5 costs nothing). A gene with one family has a score and no p:
    nothing can agree with it, and `status` is "not_testable".

    Raises NotApplicable without a tested claim about a gene.
    """
    streams, names, claims = _streams(evidence)
    member = [_position(n) for n in names]
    found = judge(streams.to_numpy(dtype=float), member, n_permutations, alpha, seed, low_drives)
    up, sign, pick, z = found.up, found.sign, found.terms, found.z
    score, total, dropped, covered = found.score, found.total, found.dropped, found.covered
    p, q, tier = found.p, found.q, found.tier
    # rounded, so that equal scores are equal whatever the order of their sums; where limits of z make genes equal, the
    # surest single stream goes first
    surest = np.nanmax(np.abs(streams.to_numpy(dtype=float)), axis=1)
    order = np.lexsort((streams.index.to_numpy(str), -surest, -np.round(total, 9), -np.round(score, 9)))
    top = order[: min(len(order), 50)]
    low, high, ten = (np.full(len(streams), np.nan) for _ in range(3))
    if (covered > 1).any():
        low[top], high[top], ten[top] = weight.rank_interval(
            up.z, FAMILIES, top, up.nulls, draws=n_draws, seed=seed, handicap=handicap(low_drives)
        )
    rows = []
    for place, i in enumerate(order, start=1):
        gene = str(streams.index[i])
        shares = {FAMILIES[f].name: pick[i, f] for f in range(len(FAMILIES)) if covered[i] and pick[i, f] != 0}
        rows.append(
            {
                "rank": place, "entity": gene, "entity_type": "gene", "direction": int(sign[i]), "score": score[i],
                "p_value": p[i], "q_value": q[i], "tier": int(tier[i]), "total": total[i],
                "dropped": FAMILIES[dropped[i]].name if dropped[i] >= 0 else "", "n_families": int(covered[i]),
                "rank_low": low[i], "rank_high": high[i], "p_top10": ten[i],
                "conflict": bool(score[i] > 2 and min(shares.values(), default=0.0) < AGAINST),
                "streams_for": ", ".join(k for k, v in shares.items() if v > 0),
                "streams_against": ", ".join(k for k, v in shares.items() if v < 0),
                "status": "estimated" if covered[i] > 1 else "not_testable",
                "reason": "" if covered[i] > 1 else "one family of evidence: nothing can agree with it",
                "drugs": _drugs(gene) if place <= 100 else "",
            }
        )  # fmt: skip
    out = pd.DataFrame(rows)
    out["summary"] = [_summary(r, len(out)) for r in out.to_dict("records")]
    return {"candidates": out[list(COLUMNS)], "candidate_terms": _terms(streams, z, up, pick, sign, claims, out)}


@dataclass(frozen=True)
class Judged:
    """What `judge` finds of each gene. ``z`` [genes, families]; ``up`` the weights of the direction +1; ``sign`` the
    direction taken and ``terms`` [genes, families], ``total``, ``score``, ``dropped`` in it; ``covered`` how many
    families speak; ``p``, ``q`` (NaN with one family) and ``tier``."""

    z: Floats
    up: Weighed
    sign: NDArray[np.int64]
    terms: Floats
    total: Floats
    score: Floats
    dropped: NDArray[np.int64]
    covered: NDArray[np.int64]
    p: Floats
    q: Floats
    tier: NDArray[np.int64]


def handicap(low_drives: float) -> float:
    """What the direction -1 costs in nats: the log odds that a driver acts by being high."""
    if not 0 < low_drives < 1:
        raise ValueError(f"low_drives must lie between 0 and 1, not {low_drives:g}")
    return math.log((1 - low_drives) / low_drives)


def judge(
    streams: Floats,
    member: Sequence[int],
    n_permutations: int,
    alpha: float = 0.1,
    seed: int = 0,
    low_drives: float = LOW_DRIVES,
) -> Judged:
    """Score, direction, calibration and tier of genes from signed z [genes, streams]; ``member`` gives each stream's
    place in `FAMILIES`. The better direction is taken, in the draws of chance too."""
    z = weight.families(streams, member, len(FAMILIES))
    up = weight.weigh(z, FAMILIES, DECORRELATED)
    down = weight.weigh(-up.z, FAMILIES, nulls=up.nulls)
    less = handicap(low_drives)
    better = _better(up, down, less)
    covered = (up.terms != 0).sum(axis=1)
    p = weight.chance(up, FAMILIES, draws=n_permutations * DRAWS, seed=seed, handicap=less)
    q = bh(p)
    sign = np.where(better, 1, -1)
    support = (sign[:, None] * np.where(np.isfinite(up.z), up.z, 0)) > stats.norm.isf(0.05)
    number, tried = support.sum(axis=1), support[:, TRIED].any(axis=1)
    tier = np.where(
        (q < alpha) & (number >= CONVERGING), 1,
        np.where((q < alpha / 2) & ((number >= AGREEING) | ((number >= 2) & tried)), 2, 3),
    )  # fmt: skip
    return Judged(
        z, up, sign, np.where(better[:, None], up.terms, down.terms), np.where(better, up.total, down.total),
        np.where(better, up.score, down.score - less), np.where(better, up.dropped, down.dropped), covered, p, q, tier,
    )  # fmt: skip


def family_of(stream: str, level: str, analysis_name: str) -> str:
    """The family that a claim belongs to; '' for knowledge, which never counts."""
    if level == "knowledge":
        return ""
    if level == "clinical":
        return RESPONSE if "response" in f"{stream} {analysis_name}" else SURVIVAL
    return STREAMS.get(stream, LEVELS.get(level, ""))


def _position(name: tuple[str, ...]) -> int:
    return [f.name for f in FAMILIES].index(name[0])


def _streams(evidence: pd.DataFrame) -> tuple[pd.DataFrame, list[tuple[str, ...]], pd.DataFrame]:
    """Signed z, genes x streams; the streams' names (family, stream, analysis, model, contrast); the claims used."""
    table = evidence[
        evidence["entity_type"].isin(["gene", "regulator"])
        & evidence["p_value"].notna()
        & (evidence["status"] == "estimated")
    ].assign(_row=lambda t: t.index + FIRST_ROW)
    bound = _bound(table, evidence)
    table = table[(table["direction"] != 0) | bound].copy()
    bound = bound[table.index]
    table.loc[bound, "direction"] = 1
    table["family"] = [
        family_of(str(s), str(v), str(a))
        for s, v, a in zip(table["stream"], table["level"], table["analysis"], strict=True)
    ]
    table = table[table["family"] != ""]
    if table.empty:
        raise NotApplicable("no tested claim says in which direction a gene acts")
    given = np.clip(table["p_value"].to_numpy(dtype=float), 1e-300, 1.0)
    # whether a drug engages a protein has no sign: its p is already that of one side
    tail = np.where(bound.to_numpy(), np.clip(given, 1e-300, 1 - 1e-15), given / 2)
    table["z"] = table["direction"].to_numpy(dtype=float) * stats.norm.isf(tail)
    keys = ["family", "stream", "analysis", "model", "contrast"]
    table = pd.concat([table, _not_shown(evidence, table)])
    # several claims of one gene in one stream (isoforms, probes, doses): the surest
    table["strength"] = table["z"].abs()
    table = table.sort_values([*keys, "entity", "strength", "claim"], ascending=[True] * 6 + [False, True])
    table = table.drop_duplicates([*keys, "entity"])
    wide = table.pivot_table(index="entity", columns=keys, values="z", aggfunc="first", sort=True)
    return wide, [tuple(map(str, c)) for c in wide.columns], table


def _not_shown(evidence: pd.DataFrame, shown: pd.DataFrame) -> pd.DataFrame:
    """Genes that were perturbed with no effect to be seen, and of which no other intervention says a direction: z is 0.
    What was tried in vain is not the same as what was never tried. Claims of amounts say what moves the gene, not what
    the gene does."""
    rows = evidence[
        (evidence["entity_type"] == "gene") & (evidence["level"] == "intervention") & (evidence["direction"] == 0)
        & (evidence["status"] == "estimated") & (evidence["p_value"] >= 0.05)
        & ~evidence["effect_unit"].astype(str).str.startswith(AMOUNT)
        & ~evidence["entity"].isin(shown.loc[shown["family"] == INTERVENTION, "entity"])
    ]  # fmt: skip
    return rows.assign(
        _row=rows.index + FIRST_ROW, family=INTERVENTION, z=0.0, analysis="no effect shown", model="", contrast=""
    )


def _bound(table: pd.DataFrame, evidence: pd.DataFrame) -> pd.Series[bool]:
    """Claims without a direction that a drug engages a protein, where that drug restores sensitivity here: they
    speak for the protein (the sensitiser reaches it), though not for whether it is inhibited."""
    engaged = (table["level"] == "engagement") & (table["direction"] == 0)
    if not engaged.any():
        return engaged
    drugs = evidence[evidence["entity_type"].isin(["drug", "pair"]) & (evidence["direction"] == -1)]
    q = drugs["q_value"].fillna(drugs["p_value"])
    drugs = drugs[drugs["level"].isin(["intervention", "in_vivo", "clinical"]) & ((q < 0.05) | q.isna())]
    names = sorted({part.strip() for e in drugs["entity"] for part in str(e).split(" + ")})
    if not names:
        return engaged & False
    pattern = rf"(?<!\w)(?:{'|'.join(re.escape(n) for n in names)})(?!\w)"
    return engaged & table["contrast"].str.contains(pattern, case=False, regex=True)


def _better(up: Weighed, down: Weighed, less: float) -> NDArray[np.bool_]:
    """Where the positive direction has the higher score after the other one paid its price (the higher total where
    scores are equal)."""
    equal = np.isclose(up.score, down.score - less)
    return np.asarray(np.where(equal, up.total >= down.total, up.score > down.score - less))


def _terms(
    streams: pd.DataFrame,
    z: Floats,
    up: Weighed,
    pick: Floats,
    sign: NDArray[np.int64],
    claims: pd.DataFrame,
    ranked: pd.DataFrame,
) -> pd.DataFrame:
    """One row per gene and family: entity, family, z (towards the gene's direction), term, n_claims, source_tables."""
    parts = []
    for f, family in enumerate(FAMILIES):
        at = np.flatnonzero(np.isfinite(z[:, f]))
        if at.size:
            z_own = sign[at] * up.z[at, f]
            parts.append(
                pd.DataFrame({"entity": streams.index[at], "family": family.name, "z": z_own, "term": pick[at, f]})
            )
    out = pd.concat(parts, ignore_index=True)
    by = claims.groupby(["entity", "family"], sort=True)
    behind = by["stream"].agg(lambda v: ", ".join(sorted(set(v)))).rename("streams").to_frame()
    behind["n_claims"] = by.size()
    behind["claims"] = by["_row"].agg(lambda v: ", ".join(map(str, sorted(v))))
    out = out.merge(behind.reset_index(), on=["entity", "family"], how="left")
    place = dict(zip(ranked["entity"], ranked["rank"], strict=True))
    out["rank"] = out["entity"].map(place)
    order = {k.name: i for i, k in enumerate(FAMILIES)}
    out["_f"] = out["family"].map(order)
    return out.sort_values(["rank", "_f"], ignore_index=True)[
        ["rank", "entity", "family", "z", "term", "streams", "n_claims", "claims"]
    ]


def _drugs(gene: str) -> str:
    """Drugs that act on the gene and that a patient could have, best first; '' where none is known."""
    from rechallenge.knowledge.errors import KnowledgeError
    from rechallenge.knowledge.questions import drugs_for

    try:
        table = drugs_for(gene)
    except KnowledgeError:
        return ""
    shown = table[table["status"].isin(["approved", "investigational", "withdrawn"])].head(5)
    return ", ".join(f"{d} ({s})" for d, s in zip(shown["drug"], shown["status"], strict=True))


def _summary(row: Mapping[Any, Any], total: int) -> str:
    what = "high" if row["direction"] > 0 else "low"
    sure = TIERS[int(row["tier"])]
    text = f"{row['entity']}, {what} in resistance: {sure}, rank {row['rank']} of {total}"
    if row["status"] == "estimated":
        text += f" (score {row['score']:.2f}, p = {row['p_value']:.2g}, q = {row['q_value']:.2g}"
        if row["rank_low"] == row["rank_low"]:
            text += f"; 90 % of resampled ranks {row['rank_low']:.0f} to {row['rank_high']:.0f}"
        text += ")"
    else:
        text += f" ({row['reason']})"
    text += f"; for it: {row['streams_for'] or 'nothing'}"
    text += f"; against it: {row['streams_against']}" if row["streams_against"] else ""
    return text + (f"; {row['drugs']}." if row["drugs"] else ".")
