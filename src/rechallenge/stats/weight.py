"""Weight of evidence over families of evidence, with the best family left out.

Many streams give each item a signed z (positive supports, missing is missing). Streams that share samples form one
family and are averaged with their correlation; each family's z becomes a log ratio of two explanations, a true driver
against nothing there, which allows that a true driver is silent in that family:

    w_f = log[(1 - e_f) N(z; mu_f, 1 + tau2) / N(z; 0, 1) + e_f]

so a contradiction costs and never vetoes, and a family that says nothing counts 0. The score is the sum over families
less the largest positive term: no single family can carry an item. Items are compared with the same families paired at
random.
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


@dataclass(frozen=True)
class Family:
    """What a true driver looks like in a family: silent with probability `silent`, else z about `mu`."""

    name: str
    silent: float
    mu: float = 2.0
    tau2: float = 1.0


@dataclass(frozen=True)
class Weighed:
    """``terms`` [items, families] in nats (0 where a family is missing), ``total`` [items] their sum, ``score`` [items]
    with the best family left out, ``dropped`` [items] which family that was (-1: none), ``z`` [items, families]."""

    terms: Floats
    total: Floats
    score: Floats
    dropped: NDArray[np.int64]
    z: Floats


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


def term(z: Floats, family: Family) -> Floats:
    """Weight of evidence of one family in nats, 0 where z is missing; rises with z.

    z is cut at -mu / tau2, where the Gaussian ratio would turn round and a stronger contradiction cost less.
    """
    v = 1 + family.tau2
    cut = np.clip(z, -family.mu / family.tau2, FAMILY_CLIP)
    ratio = -0.5 * np.log(v) - (cut - family.mu) ** 2 / (2 * v) + cut**2 / 2
    weighed = np.log((1 - family.silent) * np.exp(ratio) + family.silent)
    return np.asarray(np.where(np.isfinite(z), weighed, 0.0), dtype=np.float64)


def weigh(z: Floats, kinds: Sequence[Family], pairs: Sequence[tuple[int, int]] = ()) -> Weighed:
    """Terms and score of family z [items, families]; ``pairs`` of families to be decorrelated, in order."""
    clean = decorrelate(z, pairs)
    terms = np.column_stack([term(clean[:, f], k) for f, k in enumerate(kinds)])
    best = terms.max(axis=1)
    total = terms.sum(axis=1)
    dropped = np.where(best > 0, terms.argmax(axis=1), -1)
    return Weighed(terms, total, total - np.maximum(best, 0.0), dropped.astype(np.int64), clean)


def chance(up: Floats, down: Floats | None, *, n_permutations: int, seed: int) -> Floats:
    """p [items] of a score as high where families agree only by chance, (b + 1) / (m + 1) over all permuted items.

    ``up`` [items, families] are terms; ``down`` the terms of the opposite direction where both are asked (the higher
    score counts). Each family is permuted among the items that it covers, so items keep how much is known of them.
    """
    rng = np.random.default_rng(seed)
    observed = _score(up) if down is None else np.maximum(_score(up), _score(down))
    order = np.sort(observed)
    covered = [np.flatnonzero(up[:, f] != 0) for f in range(up.shape[1])]
    beaten = np.zeros(len(order) + 1, dtype=np.int64)
    mixed, other = up.copy(), None if down is None else down.copy()
    for _ in range(n_permutations):
        for f, at in enumerate(covered):
            moved = rng.permutation(at)
            mixed[at, f] = up[moved, f]
            if down is not None and other is not None:
                other[at, f] = down[moved, f]
        null = _score(mixed) if other is None else np.maximum(_score(mixed), _score(other))
        # how many observed scores each permuted one reaches
        beaten += np.bincount(np.searchsorted(order, null, side="right"), minlength=len(order) + 1)
    as_high = beaten[::-1].cumsum()[::-1][1:]  # permuted scores that reach the i-th observed one
    p = (as_high + 1) / (n_permutations * len(observed) + 1)
    out = np.empty(len(observed))
    out[np.argsort(observed, kind="stable")] = p
    return out


def _score(terms: Floats) -> Floats:
    return np.asarray(terms.sum(axis=1) - np.maximum(terms.max(axis=1), 0.0))


def rank_interval(
    z: Floats, kinds: Sequence[Family], rows: NDArray[np.intp], *, draws: int, seed: int, both: bool = True
) -> tuple[Floats, Floats, Floats]:
    """5 and 95 % rank and P(among the first ten) [rows] of chosen items: each family left out in turn, and family z
    drawn again about what was seen (standard deviation 1)."""
    rng = np.random.default_rng(seed)
    signs = (1.0, -1.0) if both else (1.0,)
    ranks: list[NDArray[np.float64]] = []
    places: Mapping[int, Floats] = {f: np.where(np.arange(z.shape[1]) == f, np.nan, 1.0) for f in range(z.shape[1])}
    used = [f for f in range(z.shape[1]) if np.isfinite(z[:, f]).any()]
    for d in range(draws):
        drawn = z + rng.normal(size=z.shape)
        if len(used) > 1 and d % 2:
            drawn = drawn * places[used[(d // 2) % len(used)]]
        score = np.max([weigh(s * drawn, kinds).score for s in signs], axis=0)
        ordered = np.sort(-score)
        ranks.append(np.searchsorted(ordered, -score[rows], side="left") + 1.0)
    table = np.array(ranks)
    return np.quantile(table, 0.05, axis=0), np.quantile(table, 0.95, axis=0), (table <= 10).mean(axis=0)


__all__: Sequence[str] = (
    "Family", "Weighed", "average", "chance", "correlation", "decorrelate", "empirical_null", "families",
    "rank_interval", "term", "weigh",
)  # fmt: skip
