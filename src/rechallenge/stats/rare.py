"""How many things carry a mark that is seen only now and then: a mixture of background and carriers, with depth.

Thing i (a cell) of group s (a sample) has depth N (all its counts) and y counts of the mark. With background rate a_s
(soup, leakage; of every group, drawn to what the groups have in common) and carriers of rate r with gamma scatter of
shape k, the same in all groups,

    y ~ (1 - f_s) Poisson(a_s N) + f_s NB(mean r N, size k)

so a carrier without counts is reckoned with (dropout), and so is a count in a thing that is no carrier (ambient), both
as its depth has it. f_s and a_s are found by EM for every (r, k) of a grid, on counts collapsed over depths within ten
per cent; f_s is their mean over the grid, weighted by likelihood (rates evenly spread on a log scale), and intervals
are by profile likelihood over the grid, so that both hold what is not known of r and k. Whether
there are carriers at all is tested by the likelihood ratio against background alone, with its distribution from counts
drawn from that background at the same depths: the usual chi-square does not hold at the edge f = 0 (McLachlan 1987,
doi:10.2307/2347790).
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: carriers have a rate of at least so many times the background: what is nearer is not told apart
DISTINCT = 10.0
#: shapes of the scatter of carriers that are tried (below 1 most would have next to nothing), numbers of rates and,
#: for the test, of steps of EM: a statistic that is made in the same way from every draw need not be at its maximum
SHAPES = (1.0, 2.0, 5.0)
RATES, COARSE, FEW = 20, 8, 80
#: background rates of groups are alike: each is drawn to their middle as by so many counts (scatter of about 40 %)
ALIKE = 5.0
#: draws as large as the observed that end the drawing
ENOUGH = 10
#: depths within this log distance count as one
BIN = 0.1


@dataclass(frozen=True)
class Rare:
    """Carriers in each group [s] and the test of whether there are any.

    ``frequency`` with ``ci_low`` and ``ci_high``; ``background`` rate per count; ``rate`` and ``shape`` of carriers;
    ``naive`` share of things with any count; ``n`` things; ``statistic`` likelihood ratio of the grid, its ``p_value``
    over ``draws`` draws; ``distinct``: the carriers' rate is ten times the background or more; ``dispersion`` of the
    background.
    """

    frequency: Floats
    ci_low: Floats
    ci_high: Floats
    background: Floats
    naive: Floats
    n: Ints
    rate: float
    shape: float
    statistic: float
    p_value: float
    draws: int
    distinct: bool
    dispersion: float

    def posterior(self, y: ArrayLike, depth: ArrayLike, group: ArrayLike) -> Floats:
        """Chance that each thing with these counts, depth and group is a carrier."""
        y, depth, s = np.asarray(y, float), np.asarray(depth, float), np.asarray(group, int)
        one = _log_nb(y, self.rate * depth, self.shape)
        none = _log_background(y, self.background[s] * depth, self.dispersion)
        with np.errstate(divide="ignore"):
            odds = np.log(self.frequency[s]) - np.log1p(-self.frequency[s]) + one - none
        return np.asarray(special.expit(odds))


def _log_nb(y: Floats, mean: Floats, size: float) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(
            special.gammaln(y + size) - special.gammaln(size) - special.gammaln(y + 1)
            - size * np.log1p(mean / size) + special.xlogy(y, mean / (mean + size))
        )  # fmt: skip


def _log_background(y: Floats, mean: Floats, dispersion: float) -> Floats:
    if dispersion > 0:
        return _log_nb(y, mean, 1 / dispersion)
    return np.asarray(special.xlogy(y, mean) - mean - special.gammaln(y + 1))


@nb.njit(cache=True, error_model="numpy")
def _em(y, depth, weight, group, n_groups, one, const, fixed, dispersion, steps, start, share, rate, loglik):
    """EM of all groups at once, at most ``steps`` of it; with fixed >= 0 the share is that. Rates begin at ``start``,
    where it has any.

    ``one`` is the log chance of carriers, ``const`` what of the background's log chance holds no rate.
    """
    some = np.zeros(n_groups)
    total = np.zeros(n_groups)
    for i in range(y.size):
        some[group[i]] += weight[i] * y[i]
        total[group[i]] += weight[i] * depth[i]
    n = np.zeros(n_groups)
    for i in range(y.size):
        n[group[i]] += weight[i]
    for s in range(n_groups):
        some[s] = max(0.5 * some[s], 0.01)
        rate[s] = start[s] if start.size else some[s] / total[s]
        share[s] = fixed if fixed >= 0 else 0.02
        loglik[s] = -np.inf
    middle = some.sum() / total.sum()
    size = 1.0 / dispersion if dispersion > 0 else 0.0
    part = np.zeros(y.size)
    now = np.zeros(n_groups)
    yes = np.zeros(n_groups)
    no = np.zeros(n_groups)
    for step in range(steps):
        for s in range(n_groups):
            now[s] = 0.0
            yes[s] = math.log(share[s]) if share[s] > 0 else -np.inf
            no[s] = math.log1p(-share[s]) if share[s] < 1 else -np.inf
        for i in range(y.size):
            s = group[i]
            mean = rate[s] * depth[i]
            if dispersion > 0:
                base = const[i] - size * math.log1p(mean / size)
                if y[i] > 0:
                    base += y[i] * math.log(mean / (mean + size))
            else:
                base = const[i] - mean
                if y[i] > 0:
                    base += y[i] * math.log(mean)
            u = yes[s] + one[i]
            v = no[s] + base
            if u > v:
                small = math.exp(v - u)
                part[i] = 1.0 / (1.0 + small)
                whole = u + math.log1p(small)
            else:
                small = math.exp(u - v)
                part[i] = small / (1.0 + small)
                whole = v + math.log1p(small)
            now[s] += weight[i] * whole
        change = 0.0
        for s in range(n_groups):
            now[s] += ALIKE * (math.log(rate[s] / middle) - rate[s] / middle + 1)
            change = max(change, abs(now[s] - loglik[s]))
            loglik[s] = now[s]
        if step > 3 and change < 1e-4:
            break
        for s in range(n_groups):
            some[s] = 0.01
            total[s] = 0.0
            now[s] = 0.0
        for i in range(y.size):
            s = group[i]
            some[s] += weight[i] * (1 - part[i]) * y[i]
            total[s] += weight[i] * (1 - part[i]) * depth[i]
            now[s] += weight[i] * part[i]
        middle = some.sum() / total.sum()
        for s in range(n_groups):
            rate[s] = (some[s] + ALIKE) / (total[s] + ALIKE / middle)
            if fixed < 0:
                share[s] = now[s] / n[s]


@dataclass(frozen=True)
class _Collapsed:
    """Counts ``y``, depth and number of things (``weight``) of every kind that occurs, by group."""

    y: Floats
    depth: Floats
    weight: Floats
    group: Ints
    groups: int


def _collapse(y: Floats, depth: Floats, group: Ints, groups: int) -> _Collapsed:
    bins = np.rint(np.log(depth) / BIN).astype(np.int64)
    keys, n = np.unique(np.column_stack([group, bins, y.astype(np.int64)]), axis=0, return_counts=True)
    return _Collapsed(keys[:, 2].astype(float), np.exp(keys[:, 1] * BIN), n.astype(float), keys[:, 0], groups)


def _fit(
    d: _Collapsed, rate: float, shape: float, dispersion: float, steps: int = 400
) -> tuple[Floats, Floats, Floats]:
    """Shares, backgrounds and log likelihoods [groups] for one rate and shape of carriers."""
    return _fit_of(d, *_terms(d, rate, shape, dispersion), dispersion, -1.0, steps, np.empty(0))


def _terms(d: _Collapsed, rate: float, shape: float, dispersion: float) -> tuple[Floats, Floats]:
    """What of the log chances of carriers and of background no step of EM changes."""
    const = -special.gammaln(d.y + 1)
    if dispersion > 0:
        const = const + special.gammaln(d.y + 1 / dispersion) - special.gammaln(1 / dispersion)
    return _log_nb(d.y, rate * d.depth, shape), np.asarray(const)


def _fit_of(
    d: _Collapsed, one: Floats, const: Floats, dispersion: float, fixed: float, steps: int, start: Floats
) -> tuple[Floats, Floats, Floats]:
    share, background, loglik = np.empty(d.groups), np.empty(d.groups), np.empty(d.groups)
    _em(
        d.y,
        d.depth,
        d.weight,
        d.group,
        d.groups,
        one,
        const,
        fixed,
        dispersion,
        steps,
        start,
        share,
        background,
        loglik,
    )
    return share, background, loglik


def _alone(d: _Collapsed, dispersion: float) -> tuple[Floats, Floats]:
    """Rates and log likelihoods [groups] of background alone."""
    count = np.bincount(d.group, d.weight * d.y, d.groups) + 0.01
    total = np.bincount(d.group, d.weight * d.depth, d.groups)
    middle = count.sum() / total.sum()
    rate = (count + ALIKE) / (total + ALIKE / middle)
    each = _log_background(d.y, rate[d.group] * d.depth, dispersion)
    prior = ALIKE * (np.log(rate / middle) - rate / middle + 1)
    return np.asarray(rate), np.asarray(np.bincount(d.group, d.weight * each, d.groups) + prior, dtype=float)


def _rates(d: _Collapsed, many: int) -> Floats:
    seen = d.y > 0
    order = np.argsort(d.depth, kind="stable")
    middle = d.depth[order][np.searchsorted(np.cumsum(d.weight[order]), d.weight.sum() / 2)]
    high = 2 * float((d.y[seen] / d.depth[seen]).max()) if seen.any() else 1.0 / middle
    return np.geomspace(min(0.05 / middle, high / 2), high, many)


def _ratio(d: _Collapsed, dispersion: float) -> float:
    """Twice the gain in log likelihood by carriers, over a coarse grid of rates; never below 0."""
    null = _alone(d, dispersion)[1].sum()
    best = max(_fit(d, r, 1.0, dispersion, steps=FEW)[2].sum() for r in _rates(d, COARSE))
    return max(0.0, 2 * float(best - null))


def _drawn(d: _Collapsed, rate: Floats, dispersion: float, rng: np.random.Generator) -> _Collapsed:
    """Counts of background alone for the same things."""
    keys, inverse = np.unique(np.column_stack([d.group, np.rint(np.log(d.depth) / BIN)]), axis=0, return_inverse=True)
    n = np.bincount(inverse.ravel(), d.weight).astype(np.int64)
    s, depth = keys[:, 0].astype(np.int64), np.exp(keys[:, 1] * BIN)
    mean = rate[s] * depth
    top = int(stats.poisson.isf(1e-9, mean.max()) * (1 + 20 * dispersion)) + 3
    y = np.arange(top + 1.0)
    chance = np.exp(_log_background(y[None, :], mean[:, None], dispersion))
    chance[:, -1] = np.maximum(0, 1 - chance[:, :-1].sum(axis=1))
    drawn = rng.multinomial(n, chance / chance.sum(axis=1, keepdims=True))
    at, count = np.nonzero(drawn)
    return _Collapsed(y[count], depth[at], drawn[at, count].astype(float), s[at], d.groups)


def estimate(
    counts: ArrayLike, depth: ArrayLike, group: ArrayLike, *, dispersion: float = 0.0, confidence: float = 0.95,
    draws: int = 199, seed: int = 0,
) -> Rare:  # fmt: skip
    """Carriers of a mark with ``counts`` [things] among things of ``depth`` [things] in ``group`` [things] (0, 1, ...).

    ``dispersion`` of the background (variance m + dispersion m^2) where it scatters more than Poisson. Raises
    ValueError for depths that are not above 0 and counts below 0 or above the depth.
    """
    y, n, s = np.rint(np.asarray(counts, float)), np.asarray(depth, float), np.asarray(group, np.int64)
    if not (n > 0).all() or (y < 0).any() or (y > n).any():
        raise ValueError("depths must be above 0, and counts neither below 0 nor above the depth")
    groups = int(s.max()) + 1 if s.size else 0
    d = _collapse(y, n, s, groups)
    found = [(r, k, *_fit(d, r, k, dispersion)) for r in _rates(d, RATES) for k in SHAPES]
    things = np.bincount(s, minlength=groups)
    apart = [f for f in found if f[0] >= DISTINCT * np.average(f[3], weights=things)]
    best = max(apart or found, key=lambda f: float(f[4].sum()))
    rate, shape, _, background, _ = best
    # the share is the mean over the grid by likelihood: where depth is low, rate and share trade against each other
    # and the likeliest pair alone would be far off
    gain = np.array([f[4].sum() for f in apart or found])
    weight = np.exp(gain - gain.max())
    share = np.asarray((weight[:, None] * np.array([f[2] for f in apart or found])).sum(axis=0) / weight.sum())
    observed = _ratio(d, dispersion)
    alone = _alone(d, dispersion)[0]
    rng = np.random.default_rng(seed)
    p = _chance(observed, lambda: _ratio(_drawn(d, alone, dispersion, rng), dispersion), draws)
    low, high = _intervals(d, apart or found, share, dispersion, confidence)
    return Rare(
        share, low, high, background, np.bincount(s, y > 0, groups) / np.maximum(things, 1), things, float(rate),
        float(shape), observed, p, draws, bool(apart), dispersion,
    )  # fmt: skip


def _chance(observed: float, draw: Callable[[], float], draws: int) -> float:
    """p-value of a statistic by at most ``draws`` draws; drawing ends early once ``ENOUGH`` are as large (Besag and
    Clifford 1991, doi:10.1093/biomet/78.2.301)."""
    if draws < 1:
        return float("nan")
    if not observed > 0:
        return 1.0
    above = 0
    for i in range(1, draws + 1):
        above += draw() >= observed - 1e-9
        if above == ENOUGH:
            return ENOUGH / i
    return (above + 1) / (draws + 1)


def _intervals(
    d: _Collapsed, found: list[Any], share: Floats, dispersion: float, confidence: float
) -> tuple[Floats, Floats]:
    """Profile-likelihood limits of every group's share over all rates and shapes that remain likely."""
    drop = stats.chi2.ppf(confidence, 1) / 2
    loglik = np.array([f[4] for f in found])
    total = loglik.sum(axis=1)
    top = total.max()
    likely = [i for i in range(len(found)) if total[i] > top - drop]
    grid = np.concatenate([[0.0], np.geomspace(1e-5, 0.99, 45)])
    best = np.full((grid.size, d.groups), -np.inf)
    for i in likely:
        terms = _terms(d, found[i][0], found[i][1], dispersion)
        background = np.empty(0)
        for j, f in enumerate(grid):  # from the background of the share before, which is near
            _, background, here = _fit_of(d, *terms, dispersion, float(f), 400, background)
            best[j] = np.maximum(best[j], here + total[i] - loglik[i])
    low, high = np.empty(d.groups), np.empty(d.groups)
    for s in range(d.groups):
        inside = np.flatnonzero(best[:, s] >= top - drop)
        low[s] = high[s] = share[s]
        if inside.size:
            low[s] = min(share[s], _edge(grid, best[:, s], top - drop, int(inside[0]), -1))
            high[s] = max(share[s], _edge(grid, best[:, s], top - drop, int(inside[-1]), 1))
    return low, high


def _edge(grid: Floats, value: Floats, cut: float, at: int, step: int) -> float:
    """Where the profile crosses the cut beside the grid point ``at``, linear between the two."""
    other = at + step
    if other < 0 or other >= grid.size:
        return float(grid[at])
    share = (value[at] - cut) / (value[at] - value[other]) if np.isfinite(value[other]) else 0.0
    return float(grid[at] + share * (grid[other] - grid[at]))


def likeness(counts: Floats, depth: Floats, means: Floats, wanted: float, many: int = 50) -> float:
    """Dispersion of features with a mean like ``wanted``: the median of the moment estimates of the nearest ``many``.

    ``counts`` [things, features] of those features alone, ``depth`` [things], ``means`` [features] share of all counts.
    """
    order = np.argsort(np.abs(np.log(means) - math.log(wanted)), kind="stable")[:many]
    out = []
    for j in order:
        mu = means[j] * depth
        out.append(float((((counts[:, j] - mu) ** 2) - counts[:, j]).sum() / (mu**2).sum()))
    return max(0.0, float(np.median(out))) if out else 0.0
