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
#: a family of few items is drawn as though it had seen so many more that have no part in this
FOLLOWED = 20
#: draws held in memory at once; an item that so many of the first reach is settled by them
CHUNK, SETTLED = 100_000, 200
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


#: items that somebody chose to follow: a tenth has an effect for other reasons
UNSELECTED = Null(0.1, 4.0)


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


def chance(
    up: Weighed,
    kinds: Sequence[Family],
    *,
    draws: int,
    seed: int,
    both: bool = True,
    handicap: float = 0.0,
) -> Floats:
    """p [items] of a score as high where families agree only by chance, (b + 1) / (draws + 1) where b draws reach it
    (of the first `CHUNK` draws where `SETTLED` of these do); NaN with one family.

    ``up`` is what `weigh` gave. Every family is drawn by itself from the items that it covers, and scores are compared
    with those of the same families drawn together: items that are covered alike share one null, however few they are.
    A family that covers fewer than `ENOUGH` items is drawn as though it had seen `FOLLOWED` more that have no part in
    this, spread as `UNSELECTED`: what was followed for one item alone can then still agree with the rest. With ``both``
    the opposite direction is scored as well and the better one counts, after ``handicap`` nats are taken from it.
    """
    rng = np.random.default_rng(seed)
    covered = up.terms != 0
    used = [f for f in range(covered.shape[1]) if covered[:, f].any()]
    down = np.column_stack([term(-up.z[:, f], k, up.nulls[f]) for f, k in enumerate(kinds)])
    sides = ((up.terms, 1.0, 0.0), (down, -1.0, handicap)) if both else ((up.terms, 1.0, 0.0),)
    observed = np.max([score_of(t) - price for t, _, price in sides], axis=0)
    pattern = covered @ (1 << np.arange(covered.shape[1]))
    groups = [(c, np.flatnonzero(pattern == c)) for c in np.unique(pattern)]
    groups = [(c, at) for c, at in groups if int(c).bit_count() > 1]
    beaten, seen = np.zeros((2, len(observed)), dtype=np.int64)
    asked = np.ones(len(observed), dtype=bool)
    for start in range(0, draws, CHUNK):
        n = min(CHUNK, draws - start)
        drawn = {f: _drawn(up.z[covered[:, f], f], n, rng) for f in used}
        terms = [{f: term(s * z, kinds[f], up.nulls[f]) for f, z in drawn.items()} for _, s, _ in sides]
        for c, every in groups:
            at = every[asked[every]]
            if not at.size:
                continue
            mine = [f for f in used if int(c) >> f & 1]
            null = np.max(
                [_score([t[f] for f in mine]) - price for t, (_, _, price) in zip(terms, sides, strict=True)], axis=0
            )
            # equal sums may differ in their last bits
            least = observed[at] - 1e-9
            high = np.sort(null[null >= least.min()])
            beaten[at] += len(high) - np.searchsorted(high, least, side="left")
            seen[at] += n
        if start == 0:
            asked = beaten < SETTLED
    return np.where(covered.sum(axis=1) > 1, (beaten + 1) / (seen + 1), np.nan)


def _drawn(z: Floats, n: int, rng: np.random.Generator) -> Floats:
    """``n`` z of one family where nothing is the matter with an item, from the ``z`` [items] that it covers."""
    out = z[rng.integers(0, len(z), n)]
    if len(z) < ENOUGH:
        other = rng.random(n) < FOLLOWED / (FOLLOWED + len(z))
        wide = rng.random(n) < UNSELECTED.share
        out = np.where(other, rng.normal(size=n) * np.where(wide, np.sqrt(UNSELECTED.variance), 1.0), out)
    return out


def _score(terms: Sequence[Floats]) -> Floats:
    """`score_of` of terms given family by family, without a table of them all."""
    total, best = terms[0].copy(), np.maximum(terms[0], 0.0)
    for t in terms[1:]:
        total += t
        np.maximum(best, t, out=best)
    return np.asarray(total - LEFT_OUT * best)


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
