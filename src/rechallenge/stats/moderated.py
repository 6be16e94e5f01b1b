"""Linear models on many features at once with moderated variances (empirical Bayes).

Each feature has its own residual variance, known badly from few samples; all features together say what variances are
like. Smyth's conjugate prior turns both into a posterior variance with more degrees of freedom:

    s2_post = (d0 s2_0 + d s2) / (d0 + d),    t = effect / sqrt(s2_post v),    df = d0 + d

d0 and s2_0 come from the moments of log s2; with `trend` s2_0 follows a covariate (mean level). Missing values are left
out feature by feature, so features may differ in degrees of freedom.

Sources: Smyth 2004 (doi:10.2202/1544-6115.1027); trend: Law et al. 2014 (doi:10.1186/gb-2014-15-2-r29).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

Floats = NDArray[np.float64]

#: residual variances below this share of the median are lifted to it before the prior is estimated: a feature that is
#: constant by rounding (or by a floor) would otherwise decide it
_FLOOR = 1e-5


@dataclass(frozen=True)
class Prior:
    """Prior of the residual variance: `df` (may be infinite: all features share one variance) and `var` [features]."""

    df: float
    var: Floats


@dataclass(frozen=True)
class LinearFit:
    """Least squares of every feature on one design; f features, p coefficients.

    ``coef`` [f, p], nan where the feature's samples do not determine it; ``var`` [f] residual variance, nan without
    residual degrees of freedom; ``df`` [f]; ``n`` [f] samples used; ``unscaled`` [u, p, p] unscaled covariances of the
    u patterns of missing samples, ``pattern`` [f] which of them is the feature's; ``level`` [f] mean of the feature.
    """

    coef: Floats
    var: Floats
    df: Floats
    n: NDArray[np.int64]
    unscaled: Floats
    pattern: NDArray[np.int64]
    level: Floats


@dataclass(frozen=True)
class Moderated:
    """Contrasts with moderated t; f features, k contrasts.

    ``effect``, ``se``, ``statistic``, ``p_value``, ``ci_low``, ``ci_high`` [f, k]; ``df`` [f] total degrees of freedom
    (residual plus prior); ``var`` [f] posterior variance; ``prior``. nan where a contrast is not determined or no
    variance is known.
    """

    effect: Floats
    se: Floats
    statistic: Floats
    p_value: Floats
    ci_low: Floats
    ci_high: Floats
    df: Floats
    var: Floats
    prior: Prior


@dataclass(frozen=True)
class ModeratedF:
    """Several contrasts at once: ``statistic`` [f] is F on ``df1`` and ``df2`` [f] degrees of freedom."""

    statistic: Floats
    df1: int
    df2: Floats
    p_value: Floats


def trigamma_inverse(x: ArrayLike) -> Floats:
    """y > 0 with trigamma(y) = x for x > 0, by Newton's method on 1 / trigamma (which is convex)."""
    x = np.asarray(x, dtype=np.float64)
    y = 0.5 + 1.0 / x
    for _ in range(50):
        tri = special.polygamma(1, y)
        step = tri * (1.0 - tri / x) / special.polygamma(2, y)
        y = y + step
        if np.max(-step / y, initial=0.0) < 1e-10:
            break
    return np.asarray(np.where(x > 1e7, 1.0 / np.sqrt(x), np.where(x < 1e-6, 1.0 / x, y)))


def prior_of(var: ArrayLike, df: ArrayLike, covariate: ArrayLike | None = None) -> Prior:
    """Prior from residual variances ``var`` [f] on ``df`` [f] degrees of freedom.

    With ``covariate`` [f] (mean level) the prior variance is a smooth function of it (natural spline, at most four
    degrees of freedom). Features without a variance or without degrees of freedom do not count. Raises ValueError
    where fewer than three features have one.
    """
    v, d = np.asarray(var, np.float64), np.broadcast_to(np.asarray(df, np.float64), np.shape(var))
    used = np.isfinite(v) & (d > 0) & (v >= 0)
    x = None if covariate is None else np.asarray(covariate, np.float64)
    if x is not None:
        used &= np.isfinite(x)
    if used.sum() < 3:
        raise ValueError("a prior variance needs at least three features with residual degrees of freedom")
    middle = float(np.median(v[used]))
    if middle <= 0:
        positive = v[used][v[used] > 0]
        if not positive.size:
            raise ValueError("no feature varies within its groups")
        middle = float(np.median(positive))
    z = np.log(np.maximum(v[used], _FLOOR * middle))
    half = d[used] / 2
    e = z - special.digamma(half) + np.log(half)
    if x is None:
        centre = np.full(v.shape, e.mean())
        fitted, terms = np.full(e.shape, e.mean()), 1
    else:
        basis = _spline(x[used], x, min(4, max(1, int(used.sum()) // 20)))
        weights, *_ = np.linalg.lstsq(basis[used], e, rcond=None)
        centre, terms = basis @ weights, basis.shape[1]
        fitted = centre[used]
    spread = float(np.sum((e - fitted) ** 2) / max(e.size - terms, 1) - np.mean(special.polygamma(1, half)))
    if spread > 0:
        d0 = float(2 * trigamma_inverse(spread))
        return Prior(d0, np.exp(centre + special.digamma(d0 / 2) - np.log(d0 / 2)))
    return Prior(np.inf, np.exp(centre) if x is not None else np.full(v.shape, float(np.mean(v[used]))))


def squeeze_var(var: ArrayLike, df: ArrayLike, covariate: ArrayLike | None = None) -> tuple[Floats, Floats, Prior]:
    """Posterior variances [f], their degrees of freedom [f] (residual plus prior) and the prior.

    A feature without residual degrees of freedom takes the prior variance. The total degrees of freedom never exceed
    the sum over all features.
    """
    prior = prior_of(var, df, covariate)
    v = np.asarray(var, np.float64)
    d = np.where(np.isfinite(v), np.broadcast_to(np.asarray(df, np.float64), v.shape), 0.0)
    if np.isinf(prior.df):
        post = prior.var.copy()
    else:
        post = (prior.df * prior.var + d * np.where(d > 0, v, 0.0)) / (prior.df + d)
    return post, np.minimum(d + prior.df, d.sum()), prior


def fit(y: ArrayLike, design: ArrayLike, weights: ArrayLike | None = None) -> LinearFit:
    """Least squares of each row of ``y`` [f, n] on ``design`` [n, p]; nan in ``y`` is a missing sample.

    ``weights`` [n] or [f, n] are inverse relative variances. Coefficients that the samples of a feature do not
    determine are nan. Raises ValueError for shapes that do not fit.
    """
    values = np.atleast_2d(np.asarray(y, np.float64))
    x = np.asarray(design, np.float64)
    if x.ndim != 2 or x.shape[0] != values.shape[1]:
        raise ValueError(f"design has shape {x.shape} for {values.shape[1]} samples")
    f, p = values.shape[0], x.shape[1]
    given = np.isfinite(values)
    w = None if weights is None else np.broadcast_to(np.asarray(weights, np.float64), values.shape)
    coef, var, df = np.full((f, p), np.nan), np.full(f, np.nan), np.zeros(f)
    keys = given if w is None else np.hstack([given, w])
    patterns, pattern = np.unique(keys, axis=0, return_inverse=True)
    pattern = pattern.ravel()
    unscaled = np.full((len(patterns), p, p), np.nan)
    for u in range(len(patterns)):
        rows = np.flatnonzero(pattern == u)
        here = given[rows[0]]
        if not here.any():
            continue
        root = np.ones(int(here.sum())) if w is None else np.sqrt(w[rows[0], here])
        xw, yw = x[here] * root[:, None], values[np.ix_(rows, here)] * root
        solved, unscaled[u], rank = _solve(xw, yw)
        coef[rows] = solved
        residual = yw - np.where(np.isnan(solved), 0.0, solved) @ xw.T
        df[rows] = int(here.sum()) - rank
        if here.sum() > rank:
            var[rows] = (residual**2).sum(axis=1) / (here.sum() - rank)
    with np.errstate(invalid="ignore", divide="ignore"):
        level = np.where(given, values, 0.0).sum(axis=1) / given.sum(axis=1)
    return LinearFit(coef, var, df, given.sum(axis=1).astype(np.int64), unscaled, pattern.astype(np.int64), level)


def moderate(fitted: LinearFit, contrasts: ArrayLike, *, trend: bool = False, confidence: float = 0.95) -> Moderated:
    """Moderated t of ``contrasts`` [p, k] (or [p]) of the coefficients of every feature, with intervals.

    With ``trend`` the prior variance follows the mean level. Raises ValueError where the variances of fewer than three
    features are known.
    """
    c = np.asarray(contrasts, np.float64)
    c = c[:, None] if c.ndim == 1 else c
    post, df, prior = squeeze_var(fitted.var, fitted.df, fitted.level if trend else None)
    used = c != 0
    effect = np.where(np.isnan(fitted.coef), 0.0, fitted.coef) @ c
    effect[(np.isnan(fitted.coef).astype(float) @ used.astype(float)) > 0] = np.nan
    scale = np.einsum("pk,upq,qk->uk", c, np.nan_to_num(fitted.unscaled), c)[fitted.pattern]
    se = np.sqrt(np.where(scale > 0, scale, np.nan) * post[:, None])
    se = np.where(np.isnan(effect), np.nan, se)
    t = effect / se
    tail = df[:, None]
    p = 2 * np.where(np.isinf(tail), stats.norm.sf(np.abs(t)), stats.t.sf(np.abs(t), np.where(tail > 0, tail, np.nan)))
    reach = stats.t.ppf((1 + confidence) / 2, tail) * se
    return Moderated(effect, se, t, p, effect - reach, effect + reach, df, post, prior)


def moderated_f(fitted: LinearFit, contrasts: ArrayLike, *, trend: bool = False) -> ModeratedF:
    """Moderated F of several ``contrasts`` [p, k] at once: whether any of them differs from zero.

        F = (C'b)' (C' V C)^-1 (C'b) / (k s2_post)   on k and d0 + d degrees of freedom

    (Smyth 2004, doi:10.2202/1544-6115.1027); k is the number of independent contrasts. Features whose samples do not
    determine every contrast are nan. With one contrast F is the square of the moderated t.
    """
    c = np.asarray(contrasts, np.float64)
    c = c[:, None] if c.ndim == 1 else c
    k = int(np.linalg.matrix_rank(c))
    post, df, _ = squeeze_var(fitted.var, fitted.df, fitted.level if trend else None)
    used = (c != 0).any(axis=1)
    known = np.asarray(np.isfinite(fitted.coef[:, used]).all(axis=1))
    effect = np.where(np.isnan(fitted.coef), 0.0, fitted.coef) @ c
    inverse = np.stack([np.linalg.pinv(c.T @ np.nan_to_num(v) @ c) for v in fitted.unscaled])[fitted.pattern]
    f = np.einsum("fj,fjk,fk->f", effect, inverse, effect) / (k * post)
    f = np.where(known & (df > 0), f, np.nan)
    p = np.where(np.isinf(df), stats.chi2.sf(k * f, k), stats.f.sf(f, k, np.where(df > 0, df, np.nan)))
    return ModeratedF(f, k, df, p)


def _solve(x: Floats, y: Floats) -> tuple[Floats, Floats, int]:
    """Coefficients [rows, p] (nan where not determined), unscaled covariance [p, p], rank."""
    p = x.shape[1]
    rank = int(np.linalg.matrix_rank(x)) if x.size else 0
    inverse = np.asarray(np.linalg.pinv(x.T @ x), dtype=np.float64)
    solved: Floats = y @ x @ inverse
    if rank < p:
        # a coefficient is determined where its unit vector lies in the row space of the design
        outside = np.abs(np.eye(p) - np.linalg.pinv(x) @ x).max(axis=0) > 1e-8
        solved[:, outside] = np.nan
    return solved, inverse, rank


def _spline(known: Floats, x: Floats, df: int) -> Floats:
    """Natural cubic spline basis with intercept at ``x``; knots at quantiles of ``known``. nan stays nan."""
    low, high = float(known.min()), float(known.max())
    if high <= low or df < 2:
        return np.column_stack([np.ones_like(x), x - low]) if high > low else np.ones((x.size, 1))
    knots = np.unique(np.quantile(known, np.linspace(0, 1, df + 1)))
    at = (np.clip(x, low, high) - low) / (high - low)
    k = (knots - low) / (high - low)
    if k.size < 3:
        return np.column_stack([np.ones_like(at), at])

    def d(j: int) -> Floats:
        top = np.maximum(at - k[j], 0) ** 3 - np.maximum(at - k[-1], 0) ** 3
        return np.asarray(top / (k[-1] - k[j]))

    last = d(k.size - 2)
    return np.column_stack([np.ones_like(at), at, *(d(j) - last for j in range(k.size - 2))])
