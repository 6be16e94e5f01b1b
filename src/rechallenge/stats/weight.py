"""Weight of evidence over families of evidence, with half of the best family left out.

Many streams give each item a signed z (positive supports, missing is missing). Streams that share samples form one
family and are averaged with their correlation; each family's z becomes a log ratio of two explanations, a true driver
against an item like all others, which allows that a true driver is silent in that family:

    w_f = log[(1 - e_f) N(z; mu_f, 1 + tau2) / f0(z) + e_f],    f0 = (1 - pi) N(0, 1) + pi N(0, s2)

so a contradiction costs and never vetoes, and a family that says nothing counts 0. pi and s2 are fitted to the z of all
items: where many items are far from 0 for other reasons (passengers, prognostic genes), being far from 0 says little.
The score is the sum over families less half of the largest positive term: an item that one family alone speaks for
stays behind one that several agree on. Items are compared with the same families paired at random.

The mixture is that of two groups (doi:10.1214/07-STS236), fitted by expectation and maximisation
(doi:10.1111/j.2517-6161.1977.tb01600.x).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

#: fewer items than this say nothing of a stream's null or of the correlation of two streams
ENOUGH = 100
STREAM_CLIP, FAMILY_CLIP = 6.0, 4.0
#: how much of the best family's term is left out of the score
LEFT_OUT = 0.5
#: z at which terms are tabulated, symmetric and fine enough that interpolation is exact to 1e-4 nats
_GRID = np.linspace(-FAMILY_CLIP, FAMILY_CLIP, 1601)


@dataclass(frozen=True)
class Family:
    """What a true driver looks like in a family: silent with probability `silent`, else z about `mu`."""

    name: str
    silent: float
    mu: float = 2.0
    tau2: float = 1.0


@dataclass(frozen=True)
class Null:
    """How z of items like all others is spread: N(0, 1), and a share of them N(0, ``variance``)."""

    share: float = 0.0
    variance: float = 2.0


@dataclass(frozen=True)
class Weighed:
    """``terms`` [items, families] in nats (0 where a family is missing), ``total`` [items] their sum, ``score`` [items]
    with half of the best family left out, ``dropped`` [items] which family that was (-1: none), ``z`` [items,
    families], ``nulls`` what each family was weighed against."""

    terms: Floats
    total: Floats
    score: Floats
    dropped: NDArray[np.int64]
    z: Floats
    nulls: tuple[Null, ...]


def empirical_null(z: Floats) -> Floats:
    """z [items] centred on its median and, where it is wider than a standard normal, shrunk to its width."""
    there = np.isfinite(z)
    if there.sum() < ENOUGH:
        return z
    low, middle, high = np.quantile(z[there], [0.25, 0.5, 0.75])
    return np.asarray((z - middle) / max(1.0, (high - low) / 1.349))


def correlation(z: Floats) -> Floats:
    """Spearman's correlation of streams [s, s], never below 0; 0 where too few items have both."""
    s = z.shape[1]
    r = np.eye(s)
    for i in range(s):
        for j in range(i + 1, s):
            both = np.isfinite(z[:, i]) & np.isfinite(z[:, j])
            if both.sum() >= ENOUGH:
                found = float(stats.spearmanr(z[both, i], z[both, j]).statistic)
                r[i, j] = r[j, i] = max(0.0, found) if np.isfinite(found) else 0.0
    return r


def average(z: Floats, r: Floats) -> Floats:
    """Streams [items, s] of one family as one z [items]: their sum over its standard deviation under ``r`` [s, s]."""
    there = np.isfinite(z)
    weight = there.astype(np.float64)
    var = np.einsum("gi,ij,gj->g", weight, r, weight)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(there, z, 0.0).sum(axis=1) / np.sqrt(var)
    return np.asarray(np.where(var > 0, mean, np.nan), dtype=np.float64)


def families(z: Floats, member: Sequence[int], n: int) -> Floats:
    """Family z [items, n] from streams [items, s], ``member`` [s] saying to which family each belongs."""
    clean = np.column_stack([np.clip(empirical_null(z[:, j]), -STREAM_CLIP, STREAM_CLIP) for j in range(z.shape[1])])
    which = np.asarray(member)
    out = np.full((z.shape[0], n), np.nan)
    for f in range(n):
        mine = np.flatnonzero(which == f)
        if mine.size:
            part = clean[:, mine]
            out[:, f] = empirical_null(part[:, 0] if mine.size == 1 else average(part, correlation(part)))
    return np.asarray(np.clip(out, -FAMILY_CLIP, FAMILY_CLIP), dtype=np.float64)


def decorrelate(z: Floats, pairs: Sequence[tuple[int, int]]) -> Floats:
    """Family z with, for each pair (given, of), the part of the second that the first explains removed."""
    out = z.copy()
    for given, of in pairs:
        r = correlation(z[:, [given, of]])[0, 1]
        both = np.isfinite(z[:, given]) & np.isfinite(z[:, of])
        out[both, of] = (z[both, of] - r * z[both, given]) / np.sqrt(max(1 - r * r, 1e-6))
    return out


def null_of(z: Floats) -> Null:
    """The spread of z [items] around 0; a standard normal where fewer than `ENOUGH` items are there.

    Fitted to |z|, so that it is the same for both directions; in bins of 0.02, which moves no term by 0.001 nats.
    """
    size = np.abs(z[np.isfinite(z)])
    if size.size < ENOUGH:
        return Null()
    counts, edges = np.histogram(np.minimum(size, FAMILY_CLIP), bins=200, range=(0.0, FAMILY_CLIP))
    square = ((edges[1:] + edges[:-1]) / 2) ** 2
    share, variance = 0.1, 6.0
    for _ in range(100):
        wide = share * np.exp(-square / 2 / variance) / np.sqrt(variance)
        part = wide / (wide + (1 - share) * np.exp(-square / 2)) * counts
        share = min(0.5, float(part.sum() / counts.sum()))
        variance = max(1.5, float((part * square).sum() / max(part.sum(), 1e-12)))
    return Null(share, variance)


def term(z: Floats, family: Family, null: Null | None = None) -> Floats:
    """Weight of evidence of one family in nats, 0 where z is missing; never falls as z rises.

    Where the ratio of the densities turns round (far out, where the null is wider than the driver's density), the term
    keeps its extreme: a stronger contradiction never costs less, a stronger support never counts less.
    """
    null = null or Null()
    v = 1 + family.tau2
    driver = np.exp(-((_GRID - family.mu) ** 2) / (2 * v)) / np.sqrt(v)
    wide = null.share * np.exp(-(_GRID**2) / (2 * null.variance)) / np.sqrt(null.variance)
    other = (1 - null.share) * np.exp(-(_GRID**2) / 2) + wide
    weighed = np.log((1 - family.silent) * driver / other + family.silent)
    lowest = int(weighed[: len(_GRID) // 2 + 1].argmin())
    weighed[:lowest] = weighed[lowest]
    weighed = np.maximum.accumulate(weighed)
    # the grid is even, so the place of z in it needs no search
    there = np.isfinite(z)
    place = (np.clip(np.where(there, z, 0.0), -FAMILY_CLIP, FAMILY_CLIP) + FAMILY_CLIP) / (_GRID[1] - _GRID[0])
    low = np.minimum(place.astype(np.int64), len(_GRID) - 2)
    value = weighed[low] + (place - low) * (weighed[low + 1] - weighed[low])
    return np.asarray(np.where(there, value, 0.0), dtype=np.float64)


def weigh(
    z: Floats, kinds: Sequence[Family], pairs: Sequence[tuple[int, int]] = (), nulls: Sequence[Null] | None = None
) -> Weighed:
    """Terms and score of family z [items, families]; ``pairs`` of families to be decorrelated, in order; ``nulls`` of
    the families where they are known, else fitted."""
    clean = decorrelate(z, pairs)
    known = tuple(null_of(clean[:, f]) for f in range(len(kinds))) if nulls is None else tuple(nulls)
    terms = np.column_stack([term(clean[:, f], k, known[f]) for f, k in enumerate(kinds)])
    best = terms.max(axis=1)
    dropped = np.where(best > 0, terms.argmax(axis=1), -1)
    return Weighed(terms, terms.sum(axis=1), score_of(terms), dropped.astype(np.int64), clean, known)


def score_of(terms: Floats) -> Floats:
    """Score [items] of terms [items, families]: their sum less `LEFT_OUT` of the largest positive one."""
    return np.asarray(terms.sum(axis=1) - LEFT_OUT * np.maximum(terms.max(axis=1), 0.0))


def chance(up: Floats, down: Floats | None, *, n_permutations: int, seed: int, handicap: float = 0.0) -> Floats:
    """p [items] of a score as high where families agree only by chance, (b + 1) / (m + 1) over the permuted items of
    which as many families speak.

    ``up`` [items, families] are terms; ``down`` the terms of the opposite direction where both are asked (the higher
    score counts, after ``handicap`` nats are taken from that of the opposite direction). Each family is permuted among
    the items that it covers, so items keep how much is known of them; they are compared with items of equal coverage,
    as more families make larger sums by chance.
    """
    rng = np.random.default_rng(seed)
    both = [np.asarray(t) for t in ((up,) if down is None else (up, down))]
    price = np.array([[0.0], [handicap]])[: len(both)]
    observed = np.max(np.array([score_of(t) for t in both]) - price, axis=0)
    parts = [(at, [t[at, f] for t in both]) for f in range(up.shape[1]) if (at := np.flatnonzero(up[:, f] != 0)).size]
    spoken = (up != 0).sum(axis=1)
    strata = [np.flatnonzero(spoken == k) for k in np.unique(spoken)]
    orders = [np.sort(observed[at]) for at in strata]
    beaten = [np.zeros(at.size + 1, dtype=np.int64) for at in strata]
    total = np.zeros((len(both), len(observed)))
    best = np.zeros_like(total)
    for _ in range(n_permutations):
        total[:], best[:] = 0.0, 0.0
        for at, values in parts:
            moved = rng.permutation(at.size)
            for k, value in enumerate(values):
                drawn = value[moved]
                total[k, at] += drawn
                best[k, at] = np.maximum(best[k, at], drawn)
        null = (total - LEFT_OUT * best - price).max(axis=0)
        for at, order, count in zip(strata, orders, beaten, strict=True):
            # how many observed scores each permuted one reaches; equal sums may differ in their last bits
            reached = np.searchsorted(order, np.sort(null[at]) + 1e-9, side="right")
            count += np.bincount(reached, minlength=at.size + 1)
    out = np.empty(len(observed))
    for at, count in zip(strata, beaten, strict=True):
        as_high = count[::-1].cumsum()[::-1][1:]  # permuted scores that reach the i-th observed one
        out[at[np.argsort(observed[at], kind="stable")]] = (as_high + 1) / (n_permutations * at.size + 1)
    return out


def rank_interval(
    z: Floats,
    kinds: Sequence[Family],
    rows: NDArray[np.intp],
    nulls: Sequence[Null],
    *,
    draws: int,
    seed: int,
    both: bool = True,
    handicap: float = 0.0,
) -> tuple[Floats, Floats, Floats]:
    """5 and 95 % rank and P(among the first ten) [rows] of chosen items: each family left out in turn, and family z
    drawn again about what was seen (standard deviation 1). The opposite direction costs ``handicap`` nats."""
    rng = np.random.default_rng(seed)
    signs = ((1.0, 0.0), (-1.0, handicap)) if both else ((1.0, 0.0),)
    ranks: list[NDArray[np.float64]] = []
    places: Mapping[int, Floats] = {f: np.where(np.arange(z.shape[1]) == f, np.nan, 1.0) for f in range(z.shape[1])}
    used = [f for f in range(z.shape[1]) if np.isfinite(z[:, f]).any()]
    for d in range(draws):
        drawn = z + rng.normal(size=z.shape)
        if len(used) > 1 and d % 2:
            drawn = drawn * places[used[(d // 2) % len(used)]]
        score = np.max([weigh(s * drawn, kinds, nulls=nulls).score - less for s, less in signs], axis=0)
        ordered = np.sort(-score)
        ranks.append(np.searchsorted(ordered, -score[rows], side="left") + 1.0)
    table = np.array(ranks)
    return np.quantile(table, 0.05, axis=0), np.quantile(table, 0.95, axis=0), (table <= 10).mean(axis=0)


__all__: Sequence[str] = (
    "Family", "Null", "Weighed", "average", "chance", "correlation", "decorrelate", "empirical_null", "families",
    "null_of", "rank_interval", "score_of", "term", "weigh",
)  # fmt: skip
