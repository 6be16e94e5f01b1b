"""Is there a way from one group of cells to another, or are they merely apart?

The question is whether cells lie between the two groups that truly are between, not made so by the few molecules that
are counted of each. Every count is split at random in two (binomial halves of a Poisson count are independent: Neufeld
et al. 2022, doi:10.1093/biostatistics/kxac047). One half chooses the direction from group to group and places the cells
on it; the other half places the same cells anew. In two homogeneous groups a cell that lay in the middle by chance in
one half is back at its own group in the other: the halves are independent within group, sample and depth. Cells that
are in the middle in both halves more often than so are there in truth. A way needs such cells in every stretch of the
middle, and not too few: doublets and foreign RNA put some cells there as well.

Places are linear in the share of each gene, so that depth changes their spread and not where they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: stretches of the middle; 0 is the mean of the first group, 1 that of the second
STRETCHES = ((0.2, 0.4), (0.4, 0.6), (0.6, 0.8))
#: what is looked at instead where places are too noisy to tell stretches apart
COARSE = ((0.3, 0.7),)
#: noise of a place above which stretches cannot be told apart, and above which nothing can, in units of the distance
#: between the groups
BLUNT, BLIND = 0.25, 0.6
#: a stretch is passed where cells lie in it at least so densely, relative to the same cells spread evenly over the way
#: from 0 to 1: a few cells in the middle are made by doublets, foreign RNA and cells of one group that differ a little
DENSE = 0.25
#: depth is one of the things within which halves are independent
DEPTHS = 5


@dataclass(frozen=True)
class Middle:
    """`separation`: area under the curve of places of one group over the other's; `noise` of a place; for each of the
    `stretches` the cells found in it by both halves, those `expected` where halves are independent, one-sided p, and
    how densely cells truly lie there (1: as if all were spread evenly from 0 to 1); `p_value` is the largest; `share`
    of all cells that is in the middle beyond independence (nothing and NaN where noise is too large)."""

    separation: float
    noise: float
    stretches: tuple[tuple[float, float], ...]
    both: Floats
    expected: Floats
    p_values: Floats
    p_value: float
    share: float
    density: Floats

    def gaps(self, alpha: float = 0.05) -> tuple[tuple[float, float], ...]:
        """Stretches that hold no or few cells."""
        passed = (self.p_values < alpha) & (self.density >= DENSE)
        return tuple(s for s, ok in zip(self.stretches, passed, strict=True) if not ok)


def split(counts: sparse.csr_array, seed: int) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Two independent halves of counts [cells, genes]: a binomial half of each and the rest."""
    rng = np.random.default_rng([seed, 23])
    first = sparse.csr_array(counts, copy=True).astype(np.float64)
    first.data = rng.binomial(np.rint(counts.data).astype(np.int64), 0.5).astype(np.float64)
    second = sparse.csr_array(counts, copy=True).astype(np.float64)
    second.data = second.data - first.data
    return first, second


def middle(counts: sparse.csr_array, total: Floats, group: Ints, strata: Ints, seed: int = 0) -> Middle:
    """The test for counts [cells, genes] of cells with `total` counts in `group` 0 or 1, or 2 for what may lie between.

    `strata` numbers the samples; they are crossed with group and fifths of depth.
    """
    first, second = split(counts, seed)
    a, b = (_shares(half, total) for half in (first, second))
    weight = _direction(a, group)
    places = []
    for half in (a, b):
        raw = np.asarray(half @ weight, dtype=np.float64)
        ends = [raw[group == g].mean() for g in (0, 1)]
        width = ends[1] - ends[0]
        places.append((raw - ends[0]) / width if width > 0 else np.full(len(raw), np.nan))
    if not np.isfinite(places[1]).all():
        none = np.zeros(0)
        return Middle(0.5, np.inf, (), none, none, none, np.nan, np.nan, none)
    return between(places[0], places[1], group, cells_alike(group, strata, total))


def _shares(half: sparse.csr_array, total: Floats) -> sparse.csr_array:
    out = sparse.csr_array(half, copy=True)
    out.data = out.data / np.repeat(np.maximum(total, 1) / 2, np.diff(out.indptr))
    return out


def _direction(share: sparse.csr_array, group: Ints) -> Floats:
    """Weights of the genes: difference of the groups over the variance within them."""
    means, within = [], np.zeros(share.shape[1])
    for g in (0, 1):
        mine = share[group == g]
        mean = np.asarray(mine.mean(axis=0)).ravel()
        square = np.asarray(mine.multiply(mine).mean(axis=0)).ravel()
        within += (square - mean**2) * mine.shape[0] / len(group)
        means.append(mean)
    seen = within > 0
    # a gene seen in a cell or two has no variance to speak of
    floor = np.quantile(within[seen], 0.1) if seen.any() else 1.0
    return np.asarray(np.where(seen, (means[1] - means[0]) / np.maximum(within, floor), 0.0))


def cells_alike(group: Ints, samples: Ints, total: Floats) -> Ints:
    """Number of the stratum of each cell: group, sample and fifth of the depth within them."""
    own = np.unique(np.column_stack([group, samples]), axis=0, return_inverse=True)[1].ravel()
    out = np.zeros(len(group), dtype=np.int64)
    for i in range(int(own.max()) + 1):
        mine = np.flatnonzero(own == i)
        order = np.argsort(np.argsort(total[mine], kind="stable"), kind="stable")
        fifths = DEPTHS if len(mine) >= 20 * DEPTHS else 1
        out[mine] = i * DEPTHS + order * fifths // len(mine)
    return out


def between(first: Floats, second: Floats, group: Ints, strata: Ints) -> Middle:
    """The test on two independent places of the same cells; see `Middle`."""
    from scipy.stats import rankdata

    ends = group < 2
    n1, n0 = int((group == 1).sum()), int((group == 0).sum())
    ranks = rankdata(second[ends])[group[ends] == 1]
    separation = float((ranks.sum() - n1 * (n1 + 1) / 2) / (n0 * n1))
    noise = float(np.sqrt(np.median((first - second) ** 2) / 0.4549 / 2))  # median of chi-square with one degree
    stretches = STRETCHES if noise <= BLUNT else COARSE if noise <= BLIND else ()
    found = np.array([_within(first, second, strata, *s) for s in stretches]).reshape(-1, 3)
    both, expected, p = found.T
    if not stretches:
        return Middle(separation, noise, (), both, expected, p, np.nan, np.nan, np.zeros(0))
    seen, chance, _ = _within(first, second, strata, stretches[0][0], stretches[-1][1])
    share = (seen - chance) / len(first)
    dense = density(first, second, strata, stretches)
    return Middle(separation, noise, stretches, both, expected, p, float(p.max()), share, dense)


def density(
    first: Floats, second: Floats, strata: Ints, stretches: tuple[tuple[float, float], ...], rounds: int = 1000
) -> Floats:
    """How densely cells truly lie in each stretch, freed of the noise (1: as if all were spread evenly from 0 to 1).

    True places are a mixture of the two ends and of even spreads over each stretch and over pieces as wide on either
    side; its most likely weights (Kiefer and Wolfowitz 1956, doi:10.1214/aoms/1177728066) come by expectation and
    maximisation. The noise is that of the cell's stratum, by which its halves differ. At most 4,000 cells, evenly.
    """
    from scipy.special import ndtr

    step = max(len(first) // 4000, 1)
    first, second, strata = first[::step], second[::step], strata[::step]
    middle = (first + second) / 2
    noise = np.ones(len(middle))
    for stratum in np.unique(strata):
        mine = strata == stratum
        noise[mine] = np.sqrt(np.median((first[mine] - second[mine]) ** 2) / 0.4549) / 2
    noise = np.maximum(noise, 0.02)[:, None]
    low, high = stretches[0][0], stretches[-1][1]
    wide = stretches[0][1] - stretches[0][0]
    reach = int(np.ceil(max(float(middle.max()) - high, low - float(middle.min()), wide) / wide))
    edges = np.array([low - wide * (reach - i) for i in range(reach)] + [a for a, _ in stretches]
                     + [high + wide * i for i in range(reach + 1)])  # fmt: skip
    below = ndtr((edges - middle[:, None]) / noise)
    at_ends = [np.exp(-0.5 * ((middle[:, None] - end) / noise) ** 2) / (noise * np.sqrt(2 * np.pi)) for end in (0, 1)]
    likely = np.column_stack([np.diff(below, axis=1) / np.diff(edges), *at_ends]) + 1e-300
    mass = np.full(likely.shape[1], 1 / likely.shape[1])
    for _ in range(rounds):
        mass = mass * (likely / (likely @ mass)[:, None]).mean(axis=0)
    own = mass[reach : reach + len(stretches)] / np.diff(edges)[reach : reach + len(stretches)]
    return np.asarray(own / mass.sum())


def _within(first: Floats, second: Floats, strata: Ints, low: float, high: float) -> tuple[float, float, float]:
    return _together((first >= low) & (first < high), (second >= low) & (second < high), strata)


def _together(a: NDArray[np.bool_], b: NDArray[np.bool_], strata: Ints) -> tuple[float, float, float]:
    """Cells with both marks, those expected where the marks are independent within strata, and one-sided p (Cochran,
    Mantel, Haenszel with a correction for continuity)."""
    from scipy.special import ndtr

    k = int(strata.max()) + 1
    n = np.bincount(strata, minlength=k).astype(float)
    na = np.bincount(strata, a, minlength=k)
    nb = np.bincount(strata, b, minlength=k)
    seen = float((a & b).sum())
    used = n > 1
    chance = float((na[n > 0] * nb[n > 0] / n[n > 0]).sum())
    na, nb, n = na[used], nb[used], n[used]
    variance = float((na * (n - na) * nb * (n - nb) / (n**2 * (n - 1))).sum())
    if variance <= 0:
        return seen, chance, 1.0
    return seen, chance, float(ndtr((chance + 0.5 - seen) / np.sqrt(variance)))
