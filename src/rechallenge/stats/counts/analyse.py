"""From a matrix of counts and a design to tests: fit once, ask many questions.

`fit_counts` estimates sizes, dispersions and coefficients; `wald` tests a contrast, `likelihood_ratio` drops columns
of the design (an interaction, several levels at once), `shrink` draws noisy effects to zero. A single count that
carries a fit is replaced where a group has seven or more replicates, and the feature is not tested where it has three
to six.

Sources: Love et al. 2014 (doi:10.1186/s13059-014-0550-8); independent filtering: Bourgon et al. 2010
(doi:10.1073/pnas.0914005107); shrinkage with a Cauchy prior: Zhu et al. 2019 (doi:10.1093/bioinformatics/bty895).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, stats
from scipy.linalg import null_space

from rechallenge.stats.counts import dispersion, glm
from rechallenge.stats.counts.dispersion import Dispersions
from rechallenge.stats.counts.glm import LN2, NBFit
from rechallenge.stats.counts.sizes import size_factors
from rechallenge.stats.multiplicity import bh

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: replicates of one row of the design from which an outlying count is replaced
REPLACE = 7
#: replicates from which it can be told at all
FLAG = 3


@dataclass(frozen=True)
class CountFit:
    """Counts [f, n] as fitted (outlying ones replaced) with everything estimated; features without any count are not in
    ``used`` and stay nan.

    ``sizes`` [n]; ``base_mean`` [f] mean of normalised counts; ``coef`` [f, p] natural log; ``cov`` [f, p, p];
    ``dispersion`` [f]; ``log_likelihood`` [f]; ``outlier`` [f] a single count decides the fit and could not be
    replaced; ``replaced`` [f] features with replaced counts; ``dispersions`` of the used features.
    """

    counts: Floats
    design: Floats
    sizes: Floats
    used: Bools
    base_mean: Floats
    coef: Floats
    cov: Floats
    dispersion: Floats
    log_likelihood: Floats
    outlier: Bools
    replaced: Bools
    dispersions: Dispersions


@dataclass(frozen=True)
class CountTest:
    """One question of every feature [f]: ``effect`` and ``se`` in log2 (nan for likelihood ratios of several columns),
    ``statistic`` (Wald z or likelihood-ratio chi-square), ``df``, ``p_value``, ``q_value`` and ``filtered`` (mean too
    low to have a chance; not counted among the tests). ``threshold`` is the mean below which that is so."""

    effect: Floats
    se: Floats
    statistic: Floats
    df: int
    p_value: Floats
    q_value: Floats
    filtered: Bools
    threshold: float


def fit_counts(counts: ArrayLike, design: ArrayLike, sizes: ArrayLike | None = None) -> CountFit:
    """Fit ``counts`` [f, n] (whole or estimated) on ``design`` [n, p].

    Raises ValueError where the design is not of full rank, has no residual degree of freedom, or a count is negative or
    missing.
    """
    x, k = np.asarray(design, np.float64), np.asarray(np.round(np.asarray(counts, np.float64)), np.float64)
    if not np.isfinite(k).all() or (k < 0).any():
        raise ValueError("counts must be there and not negative")
    n, p = x.shape
    if k.shape[1] != n:
        raise ValueError(f"design has {n} rows for {k.shape[1]} samples")
    if np.linalg.matrix_rank(x) < p:
        raise ValueError("the design is not of full rank: two effects cannot be told apart")
    if n <= p:
        raise ValueError("no residual degree of freedom: nothing tells how replicates scatter")
    s = size_factors(k) if sizes is None else np.asarray(sizes, np.float64)
    used = k.sum(axis=1) > 0
    there, base = k[used], (k / s).mean(axis=1)
    disp = dispersion.estimate(there, x, s)
    fitted = glm.fit(there, x, s, disp.final)
    final = disp.final.copy()
    far, which = _cooks(there, x, s, fitted)
    replaced, outlier = np.zeros(len(there), bool), np.zeros(len(there), bool)
    sizes_of = _replicates(x)
    if (sizes_of >= REPLACE).any():
        new = _replace(there, x, s, far & (sizes_of >= REPLACE))
        replaced = (new != there).any(axis=1)
        k[used] = new
        if replaced.any():
            fitted, final = _refit(new, x, s, replaced, disp, fitted, final)
    else:
        outlier = which & ~_many_as_large(there, far)
    f = len(k)
    out = CountFit(
        k, x, s, used, base, np.full((f, p), np.nan), np.full((f, p, p), np.nan), np.full(f, np.nan),
        np.full(f, np.nan), np.zeros(f, bool), np.zeros(f, bool), disp,
    )  # fmt: skip
    out.coef[used], out.cov[used], out.dispersion[used] = fitted.coef, fitted.cov, final
    out.log_likelihood[used], out.outlier[used], out.replaced[used] = fitted.log_likelihood, outlier, replaced
    return out


def wald(fit: CountFit, contrast: ArrayLike, alpha: float = 0.1) -> CountTest:
    """Wald test of a linear combination ``contrast`` [p] of the coefficients; effects in log2.

    ``alpha`` is the false-discovery rate for which independent filtering is set.
    """
    c = np.asarray(contrast, np.float64)
    effect = fit.coef @ c
    se = np.sqrt(np.einsum("p,fpq,q->f", c, fit.cov, c))
    absent = _absent(fit, c)
    effect = np.where(absent, 0.0, effect)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = effect / se
    z = np.where(absent, 0.0, z)
    p = np.where(absent, 1.0, 2 * stats.norm.sf(np.abs(z)))
    p = np.where(fit.used & ~fit.outlier, p, np.nan)
    q, filtered, threshold = filter_and_adjust(p, fit.base_mean, alpha)
    return CountTest(effect / LN2, se / LN2, z, 1, p, q, filtered, threshold)


def likelihood_ratio(fit: CountFit, without: ArrayLike, alpha: float = 0.1) -> CountTest:
    """Likelihood-ratio test of the design against a smaller one.

    ``without`` names the columns that are dropped (positions [k]), or holds the contrasts [p, k] of the coefficients
    that are all zero in the smaller design (equal group means: differences of their columns). Where one column or
    contrast is dropped, ``effect`` and ``se`` are its own. Raises ValueError for contrasts that depend on each other.
    """
    given = np.asarray(without)
    c = np.asarray(given, np.float64) if given.ndim == 2 else np.eye(fit.design.shape[1])[:, np.atleast_1d(given)]
    df = c.shape[1]
    if np.linalg.matrix_rank(c) < df:
        raise ValueError("the contrasts depend on each other")
    if given.ndim == 2:
        x = fit.design @ null_space(c.T)
    else:
        x = np.delete(fit.design, np.atleast_1d(given), axis=1)
    reduced = glm.fit(fit.counts[fit.used], x, fit.sizes, fit.dispersion[fit.used])
    statistic = np.full(len(fit.counts), np.nan)
    statistic[fit.used] = np.maximum(2 * (fit.log_likelihood[fit.used] - reduced.log_likelihood), 0.0)
    p = np.where(fit.used & ~fit.outlier, stats.chi2.sf(statistic, df), np.nan)
    q, filtered, threshold = filter_and_adjust(p, fit.base_mean, alpha)
    effect = se = np.full(len(p), np.nan)
    if df == 1:
        effect = fit.coef @ c[:, 0] / LN2
        se = np.sqrt(np.einsum("p,fpq,q->f", c[:, 0], fit.cov, c[:, 0])) / LN2
    return CountTest(effect, se, statistic, df, p, q, filtered, threshold)


def filter_and_adjust(p: Floats, mean: Floats, alpha: float = 0.1) -> tuple[Floats, Bools, float]:
    """q-values over features whose mean gives them a chance: q [f], filtered [f], the mean below which p is left out.

    The threshold is the lowest that comes near the most rejections at ``alpha``, found on a smooth curve.
    """
    tested = np.isfinite(p)
    start = float(np.mean(mean == 0))
    thetas = np.linspace(start, 0.95 if start < 0.95 else 1.0, 50)
    cuts = np.quantile(mean, thetas)
    hits = np.array([np.sum(bh(np.where(mean >= c, p, np.nan)) < alpha) for c in cuts], dtype=float)
    chosen = 0
    if hits.max() > 10:
        from statsmodels.nonparametric.smoothers_lowess import lowess

        smooth = lowess(hits, thetas, frac=0.2, return_sorted=False)
        if not np.isfinite(smooth).all():  # robust rounds divide by a median residual that can be zero
            smooth = lowess(hits, thetas, frac=0.2, it=0, return_sorted=False)
        there = hits > 0
        residual = hits[there] - smooth[there]
        limit = float(smooth.max()) - float(np.sqrt(np.mean(residual**2)))
        above = np.flatnonzero(hits > limit)
        chosen = int(above[0]) if above.size else int(hits.argmax())
    threshold = float(cuts[chosen])
    kept = tested & (mean >= threshold)
    return bh(np.where(kept, p, np.nan)), tested & ~kept, threshold


def shrink(effect: Floats, se: Floats) -> Floats:
    """Effects [f] drawn to zero by a Cauchy prior whose scale all effects together give; well-measured ones stay.

    The mode of normal likelihood times Cauchy prior. The scale is that of the true effects: the variance of the
    estimates beyond their standard errors, by matching each squared estimate to its expectation.
    """
    there = np.isfinite(effect) & np.isfinite(se) & (se > 0)
    out = np.full(effect.shape, np.nan)
    if not there.any():
        return out
    b, v = effect[there], se[there] ** 2

    def surplus(a: float) -> float:
        return float(np.sum((b**2 - v - a) / (a + v) ** 2))

    a = 0.0 if surplus(0.0) <= 0 else optimize.brentq(surplus, 0.0, float(np.max(b**2)) + 1.0)
    scale2 = max(a, 1e-8)
    # mode: (x - b) / v + 2 x / (scale2 + x^2) = 0, the root nearest b in the direction of zero, by bisection on |b|
    low, high = np.zeros_like(b), np.abs(b)
    grid = np.linspace(0.0, 1.0, 65)[:, None] * np.abs(b)
    height = -((grid - np.abs(b)) ** 2) / (2 * v) - np.log1p(grid**2 / scale2)
    k = height.argmax(axis=0)
    step = np.abs(b) / 64
    low, high = np.maximum((k - 1) * step, 0.0), np.minimum((k + 1) * step, np.abs(b))
    for _ in range(60):
        middle = (low + high) / 2
        slope = -(middle - np.abs(b)) / v - 2 * middle / (scale2 + middle**2)
        low, high = np.where(slope > 0, middle, low), np.where(slope > 0, high, middle)
    out[there] = np.sign(b) * (low + high) / 2
    return out


def _replicates(x: Floats) -> NDArray[np.int64]:
    """How many samples share each sample's row of the design [n]."""
    _, which, size = np.unique(x, axis=0, return_inverse=True, return_counts=True)
    return np.asarray(size[which.ravel()], dtype=np.int64)


def _cooks(counts: Floats, x: Floats, s: Floats, fitted: NBFit) -> tuple[Bools, Bools]:
    """Counts [f, n] with a Cook's distance above the limit, and features [f] with one in a group of three or more."""
    n, p = x.shape
    size = _replicates(x)
    a = _robust_dispersion(counts / s, x, s)
    v = fitted.mu + a[:, None] * fitted.mu**2
    hat = np.minimum(fitted.hat, 1 - 1e-9)
    distance = (counts - fitted.mu) ** 2 / v / p * hat / (1 - hat) ** 2
    far = distance > stats.f.ppf(0.99, p, n - p)
    return far, (far & (size >= FLAG)).any(axis=1)


def _robust_dispersion(normal: Floats, x: Floats, s: Floats) -> Floats:
    """Dispersions by moments with trimmed variances, which a single outlier does not move."""
    _, which, size = np.unique(x, axis=0, return_inverse=True, return_counts=True)
    which = which.ravel()
    if (size >= FLAG).any():
        parts = []
        for g in np.flatnonzero(size >= FLAG):
            part = normal[:, which == g]
            middle = _trimmed(part, _share(size[g]))
            wide = (part - middle[:, None]) ** 2
            parts.append(_trimmed(wide, _share(size[g])) * (2.04, 1.86, 1.51)[_band(size[g])])
        variance = np.max(parts, axis=0)
    else:
        middle = _trimmed(normal, 1 / 8)
        variance = _trimmed((normal - middle[:, None]) ** 2, 1 / 8) * 1.51
    mean = normal.mean(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        a = (variance - mean * np.mean(1 / s)) / mean**2
    return np.asarray(np.maximum(np.nan_to_num(a), 0.04))


def _band(size: int) -> int:
    """Which of three sizes of group the corrections of trimmed variances are for: 3, 4 to 23, more."""
    return 0 if size <= 3 else 1 if size <= 23 else 2


def _share(size: int) -> float:
    return (1 / 3, 1 / 4, 1 / 8)[_band(size)]


def _trimmed(x: Floats, share: float) -> Floats:
    return np.asarray(stats.trim_mean(x, share, axis=1))


def _many_as_large(counts: Floats, far: Bools) -> Bools:
    """Features [f] where three or more samples have at least the outlying count: no single count decides them."""
    top = np.where(far, counts, -np.inf).max(axis=1)
    return np.asarray(((counts > top[:, None]).sum(axis=1) >= 3) & np.isfinite(top))


def _replace(counts: Floats, x: Floats, s: Floats, which: Bools) -> Floats:
    """Counts with the marked ones replaced by the trimmed mean of the feature at the depth of the sample."""
    middle = _trimmed(counts / s, 0.2)
    return np.where(which, np.floor(middle[:, None] * s), counts)


def _refit(
    new: Floats, x: Floats, s: Floats, changed: Bools, disp: Dispersions, fitted: NBFit, final: Floats
) -> tuple[NBFit, Floats]:
    empty = changed & (new.sum(axis=1) == 0)
    at = changed & ~empty
    trend = disp.trend[at]
    if disp.coefficients is not None:
        trend = disp.coefficients[0] + disp.coefficients[1] / (new[at] / s).mean(axis=1)
    residual = np.log(disp.own) - np.log(disp.trend)
    spread = float(stats.median_abs_deviation(residual[disp.own >= 100 * dispersion.LOWEST], scale="normal") ** 2)
    final = final.copy()
    final[at] = dispersion.again(new[at], x, s, disp, trend, spread)
    part = glm.fit(new[at], x, s, final[at])
    coef, cov, mu = fitted.coef.copy(), fitted.cov.copy(), fitted.mu.copy()
    hat, like = fitted.hat.copy(), fitted.log_likelihood.copy()
    coef[at], cov[at], mu[at], hat[at], like[at] = part.coef, part.cov, part.mu, part.hat, part.log_likelihood
    return NBFit(coef, cov, mu, hat, like, fitted.converged), final


def _absent(fit: CountFit, contrast: Floats) -> Bools:
    """Features without a count in any sample that the contrast speaks of: no difference, whatever the fit says."""
    rows = fit.design[:, contrast != 0]
    concerned = (rows != 0).any(axis=1) & ~(rows != 0).all(axis=1)
    intercept = (fit.design == 1).all(axis=0)
    if concerned.all() or not concerned.any() or intercept.any():
        return np.zeros(len(fit.counts), dtype=bool)
    return np.asarray(fit.counts[:, concerned].sum(axis=1) == 0)
