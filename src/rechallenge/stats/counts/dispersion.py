"""Dispersions of counts: by feature, their trend with the mean, and the compromise of both.

The dispersion of one feature is badly known from a few samples. As in DESeq2 (Love et al. 2014,
doi:10.1186/s13059-014-0550-8) it is drawn towards a trend over all features, the more so the less the features scatter
about it beyond what sampling explains. The likelihood is adjusted for the fitted means (Cox and Reid 1987).

With three or fewer residual degrees of freedom the scatter of log dispersions is far from normal, and the spread of the
prior is found by matching the whole distribution of residuals: here the convolution of log chi-square and normal is
integrated exactly over bins, where DESeq2 simulates it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from rechallenge.stats.counts import glm
from rechallenge.stats.counts.glm import MIN_MU

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LOWEST = 1e-8
#: the prior of log dispersions is never narrower than this variance
LEAST_PRIOR = 0.25
_GRID = 24
_GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0
_MATCHED_BINS = np.arange(-20, 21) / 2.0


@dataclass(frozen=True)
class Dispersions:
    """``own`` [f] by feature, ``trend`` [f], ``final`` [f] used in tests; ``outlier`` [f] far above the trend, left as
    they are; ``prior_var`` of log dispersions; ``coefficients`` (asymptote, extra at mean 1) or None where no
    parametric trend could be fitted and the mean was taken."""

    own: Floats
    trend: Floats
    final: Floats
    outlier: Bools
    prior_var: float
    coefficients: tuple[float, float] | None


def estimate(counts: Floats, design: Floats, sizes: Floats) -> Dispersions:
    """Dispersions of ``counts`` [f, n], every feature with a count, on ``design`` [n, p], size factors [n]."""
    n, p = design.shape
    top = max(10.0, float(n))
    normal = counts / sizes
    mu = means(counts, design, sizes, top)
    own = by_feature(counts, mu, design, sizes, top)
    trend, coefficients = fit_trend(normal.mean(axis=1), own)
    used = own >= 100 * LOWEST
    residual = np.log(own[used]) - np.log(trend[used])
    spread = float((stats.median_abs_deviation(residual, scale="normal")) ** 2) if used.any() else np.inf
    prior = prior_variance(residual, spread, n - p)
    final = np.clip(maximise(counts, mu, design, np.log(LOWEST / 10), np.log(top), np.log(trend), prior), LOWEST, top)
    outlier = np.log(own) > np.log(trend) + 2 * np.sqrt(spread)
    return Dispersions(own, trend, np.where(outlier, own, final), outlier, prior, coefficients)


def again(counts: Floats, design: Floats, sizes: Floats, like: Dispersions, trend: Floats, spread: float) -> Floats:
    """Dispersions [f] of other counts under a trend [f] and a prior that are already known."""
    top = max(10.0, float(design.shape[0]))
    mu = means(counts, design, sizes, top)
    low, high = np.log(LOWEST / 10), np.log(top)
    own = by_feature(counts, mu, design, sizes, top)
    final = np.clip(maximise(counts, mu, design, low, high, np.log(trend), like.prior_var), LOWEST, top)
    return np.where(np.log(own) > np.log(trend) + 2 * np.sqrt(spread), own, final)


def means(counts: Floats, design: Floats, sizes: Floats, top: float) -> Floats:
    """Fitted counts [f, n] for the estimation of dispersions: group means where the design has as many different rows
    as coefficients, otherwise by regression with rough dispersions."""
    p = design.shape[1]
    if len(np.unique(design, axis=0)) == p:
        fitted = (counts / sizes) @ (design @ np.linalg.pinv(design)).T
        return np.maximum(fitted * sizes, MIN_MU)
    return glm.fit(counts, design, sizes, np.clip(by_moments(counts, design, sizes), LOWEST, top)).mu


def by_moments(counts: Floats, design: Floats, sizes: Floats) -> Floats:
    """The lower of two rough dispersions [f]: of residuals about a linear fit, and of the whole feature."""
    n, p = design.shape
    normal = counts / sizes
    level = np.maximum(normal @ (design @ np.linalg.pinv(design)).T, 1.0)
    rough = np.maximum((((normal - level) ** 2 - level) / level**2).sum(axis=1) / (n - p), 0.0)
    mean = normal.mean(axis=1)
    return np.asarray(np.minimum(rough, (normal.var(axis=1, ddof=1) - np.mean(1 / sizes) * mean) / mean**2))


def by_feature(counts: Floats, mu: Floats, design: Floats, sizes: Floats, top: float) -> Floats:
    """The dispersion of each feature alone [f]: the adjusted likelihood's maximum, or the lowest there is.

    Features that by moments scatter no more than Poisson are given the lowest: their likelihood is nearly flat, and a
    far-off hill of it would only distort the trend (the convention of DESeq2, whose search starts at the moments).
    """
    own = np.full(counts.shape[0], LOWEST)
    over = by_moments(counts, design, sizes) > LOWEST
    own[over] = np.clip(maximise(counts[over], mu[over], design, np.log(LOWEST / 10), np.log(top)), LOWEST, top)
    return own


def maximise(
    counts: Floats,
    mu: Floats,
    design: Floats,
    low: float,
    high: float,
    centre: Floats | None = None,
    variance: float = np.inf,
) -> Floats:
    """Dispersions [f] that maximise the adjusted likelihood, with a normal prior of log dispersions where `centre` [f]
    and `variance` are given. A grid finds the highest hill, golden sections its top."""
    out = np.empty(counts.shape[0])
    for start in range(0, counts.shape[0], glm.CHUNK):
        at = slice(start, start + glm.CHUNK)
        c = None if centre is None else centre[at]
        out[at] = _top(counts[at], mu[at], design, low, high, c, variance)
    return np.asarray(np.exp(out))


def _top(
    counts: Floats, mu: Floats, x: Floats, low: float, high: float, centre: Floats | None, variance: float
) -> Floats:
    def height(log_a: Floats) -> Floats:
        a = np.exp(log_a)
        value = _profile(counts, mu, x, a)
        return value if centre is None else value - (log_a - centre) ** 2 / (2 * variance)

    grid = np.linspace(low, high, _GRID)
    heights = np.stack([height(np.full(counts.shape[0], g)) for g in grid])
    best = heights.argmax(axis=0)
    a, b = grid[np.maximum(best - 1, 0)], grid[np.minimum(best + 1, _GRID - 1)]
    c, d = b - _GOLDEN * (b - a), a + _GOLDEN * (b - a)
    fc, fd = height(c), height(d)
    for _ in range(32):
        left = fc > fd
        a, b = np.where(left, a, c), np.where(left, d, b)
        new_c, new_d = b - _GOLDEN * (b - a), a + _GOLDEN * (b - a)
        fresh = height(np.where(left, new_c, new_d))
        fc, fd = np.where(left, fresh, fd), np.where(left, fc, fresh)
        c, d = new_c, new_d
    return np.asarray((a + b) / 2)


def _profile(counts: Floats, mu: Floats, x: Floats, a: Floats) -> Floats:
    """Log-likelihood [f] less the Cox-Reid adjustment, without the terms that do not depend on the dispersion."""
    r = 1.0 / a[:, None]
    like = special.gammaln(counts + r) - special.gammaln(r) - counts * np.log(r + mu) - r * np.log1p(mu / r)
    w = mu / (1.0 + a[:, None] * mu)
    information = np.einsum("fn,np,nq->fpq", w, x, x, optimize=True)
    return np.asarray(like.sum(axis=1) - 0.5 * np.linalg.slogdet(information)[1])


def fit_trend(mean: Floats, own: Floats) -> tuple[Floats, tuple[float, float] | None]:
    """Trend a0 + a1 / mean at every ``mean`` [f] by a gamma regression that leaves out features far from it.

    Where none can be fitted the trimmed mean of the dispersions stands for all, and the coefficients are None.
    """
    used = (own >= 100 * LOWEST) & (mean > 0)
    m, d = mean[used], own[used]
    coefficients = np.array([0.1, 1.0])
    for _ in range(10):
        if d.size < 3:
            break
        ratio = d / (coefficients[0] + coefficients[1] / m)
        good = (ratio > 1e-4) & (ratio < 15)
        new = _gamma(m[good], d[good], coefficients)
        if new is None or not np.all(new > 0):
            break
        moved = float(np.sum(np.log(new / coefficients) ** 2))
        coefficients = new
        if moved < 1e-6:
            a0, a1 = float(new[0]), float(new[1])
            return a0 + a1 / np.maximum(mean, 1e-300), (a0, a1)
    above = own[own > 10 * LOWEST]
    flat = float(stats.trim_mean(above, 0.001)) if above.size else 0.1
    return np.full(mean.shape, flat), None


def _gamma(mean: Floats, d: Floats, start: Floats) -> Floats | None:
    """Gamma regression with identity link of ``d`` on 1 and 1 / mean."""
    x = np.column_stack([np.ones_like(mean), 1.0 / mean])
    b = start.copy()
    for _ in range(50):
        fitted = x @ b
        if np.any(fitted <= 0):
            return None
        w = 1.0 / fitted**2
        new = np.asarray(np.linalg.solve((x * w[:, None]).T @ x, (x * w[:, None]).T @ d), np.float64)
        for _half in range(10):  # keep the fit positive
            if np.all(x @ new > 0):
                break
            new = (new + b) / 2
        if np.max(np.abs(new - b) / np.abs(b)) < 1e-8:
            return np.asarray(new)
        b = new
    return b


def prior_variance(residual: Floats, spread: float, df: int) -> float:
    """Variance of the prior of log dispersions from residuals about the trend, on ``df`` residual degrees of freedom.

    Above three: the robust variance of the residuals less what sampling explains. With three or fewer: the variance at
    which log chi-square plus normal comes nearest (Kullback-Leibler) to the distribution of the residuals.
    """
    if df > 3 or residual.size < 100:
        return max(spread - float(special.polygamma(1, df / 2)), LEAST_PRIOR) if np.isfinite(spread) else LEAST_PRIOR
    inside = residual[(residual > _MATCHED_BINS[0]) & (residual < _MATCHED_BINS[-1])]
    seen = np.histogram(inside, _MATCHED_BINS)[0] / inside.size
    nodes, weights = np.polynomial.hermite_e.hermegauss(64)
    weights = weights / weights.sum()

    def distance(variance: float) -> float:
        at = np.exp(np.clip(_MATCHED_BINS[:, None] - nodes * np.sqrt(variance), -700, 700)) * df
        share = np.diff(stats.chi2.cdf(at, df) @ weights)
        share = share / share.sum()
        there = seen > 0
        return float(np.sum(seen[there] * np.log(seen[there] / np.maximum(share[there], 1e-12))))

    grid = np.linspace(0, 8, 161)
    values = [distance(v) for v in grid]
    k = int(np.argmin(values))
    fine = np.linspace(grid[max(k - 1, 0)], grid[min(k + 1, len(grid) - 1)], 41)
    return max(float(fine[int(np.argmin([distance(v) for v in fine]))]), LEAST_PRIOR)
