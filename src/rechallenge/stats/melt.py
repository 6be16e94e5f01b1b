"""Melting curves of many proteins at once, and the F test of one curve against one curve per condition.

    y = (1 - Pl) / (1 + exp(b - a / T)) + Pl

fraction soluble y at temperature T (deg C), plateau Pl (Savitski et al. 2014, doi:10.1126/science.1255784). Values at
one temperature collapse to their mean and number, which is exact for least squares; every curve starts from the best
point of a grid on which Pl has a closed form, and all are refined together by Levenberg-Marquardt within bounds.

The test is that of nonparametric analysis of response curves (NPARC, Childs et al. 2019,
doi:10.1074/mcp.TIR119.001481): residual sums of squares of the null (one curve) and of the alternative (one per
condition), with degrees of freedom estimated from all proteins, because points of one curve are not independent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

#: bounds of Pl, a, b
LOW, HIGH = np.array([0.0, 1e-5, 1e-5]), np.array([1.5, 15000.0, 250.0])
#: points of the grid from which curves are refined: temperatures of the inflection as places within and beyond the
#: tested range, and values of b
_PLACES = np.linspace(-0.15, 1.4, 24)
_STEEPNESS = np.array([2.0, 5.0, 8.0, 11.0, 15.0, 20.0, 30.0, 45.0, 80.0, 160.0])
_CHUNK = 4000


@dataclass(frozen=True)
class Melts:
    """Fitted curves; c curves. ``params`` [c, 3] are Pl, a, b; ``rss`` [c]; ``n`` [c] values used; ``r2`` [c].

    Curves with fewer than four different temperatures are nan.
    """

    params: Floats
    rss: Floats
    n: NDArray[np.int64]
    r2: Floats


@dataclass(frozen=True)
class FTest:
    """F statistics [p], p-values [p], degrees of freedom and the scale of the residuals, over p proteins."""

    statistic: Floats
    p_value: Floats
    df1: float
    df2: float
    scale: float


def curve(params: Floats, temperature: Floats) -> Floats:
    """Fraction soluble [c, t] of curves ``params`` [c, 3] at ``temperature`` [t] (deg C, above 0)."""
    z = np.clip(params[:, 2:3] - params[:, 1:2] / temperature, -500, 500)
    return np.asarray((1 - params[:, :1]) / (1 + np.exp(z)) + params[:, :1])


def melting_point(params: Floats) -> Floats:
    """Temperature [c] at which half is soluble (y = 0.5); nan where a curve never gets there."""
    pl, a, b = params.T
    with np.errstate(invalid="ignore", divide="ignore"):
        tm = a / (b + np.log((0.5 - pl) / 0.5))
    return np.asarray(np.where((pl < 0.5) & np.isfinite(tm) & (tm > 0), tm, np.nan))


def collapse(y: Floats, temperature: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Values ``y`` [c, m] (nan = missing) at ``temperature`` [m] as: levels [t], means [c, t], counts [c, t], and the
    sum of squares within temperatures [c]."""
    levels, at = np.unique(temperature, return_inverse=True)
    given = np.isfinite(y)
    member = np.eye(len(levels))[at]
    count = given @ member
    total = np.where(given, y, 0.0) @ member
    mean = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    within = np.where(given, (np.where(given, y, 0.0) - mean[:, at]) ** 2, 0.0).sum(axis=1)
    return levels, mean, count, within


def fit_melts(y: ArrayLike, temperature: ArrayLike, *, starts: int = 2) -> Melts:
    """Least-squares melting curves of each row of ``y`` [c, m] (nan = missing) at ``temperature`` [m] in deg C.

    ``starts`` best points of the grid are refined for every curve and the best result kept. Raises ValueError for
    shapes that do not fit or temperatures that are not above 0.
    """
    values = np.atleast_2d(np.asarray(y, np.float64))
    t = np.asarray(temperature, np.float64)
    if t.ndim != 1 or values.shape[1] != t.size:
        raise ValueError(f"{values.shape[1]} values in a curve and {t.size} temperatures")
    if not (np.isfinite(t).all() and (t > 0).all()):
        raise ValueError("temperatures are in deg C and above 0")
    levels, mean, count, within = collapse(values, t)
    params, rss = np.full((len(values), 3), np.nan), np.full(len(values), np.nan)
    enough = np.flatnonzero((count > 0).sum(axis=1) >= 4)
    for k in range(0, len(enough), _CHUNK):
        rows = enough[k : k + _CHUNK]
        params[rows], rss[rows] = _best(levels, mean[rows], count[rows], starts)
    rss = rss + within
    n = count.sum(axis=1).astype(np.int64)
    grand = np.divide((mean * count).sum(axis=1), n, out=np.full(len(values), np.nan), where=n > 0)
    total = (count * (mean - grand[:, None]) ** 2).sum(axis=1) + within
    r2 = 1 - np.divide(rss, total, out=np.full(len(values), np.nan), where=total > 0)
    return Melts(params, rss, n, r2)


def refine(y: ArrayLike, temperature: ArrayLike, params: Floats, rss: Floats | None = None) -> tuple[Floats, Floats]:
    """The curves that least squares reaches from given ``params`` [c, 3], with their residual sums of squares; where
    ``rss`` is given, only results that are better replace the given ones."""
    levels, mean, count, within = collapse(np.atleast_2d(np.asarray(y, np.float64)), np.asarray(temperature, float))
    usable = np.isfinite(params).all(axis=1) & ((count > 0).sum(axis=1) >= 4)
    out, best = params.copy(), np.full(len(params), np.nan)
    found, cost = _marquardt(levels, mean[usable], count[usable], params[usable])
    out[usable], best[usable] = found, cost + within[usable]
    if rss is not None:
        keep = ~(best < rss)
        out[keep], best[keep] = params[keep], rss[keep]
    return out, best


def _best(t: Floats, y: Floats, w: Floats, starts: int) -> tuple[Floats, Floats]:
    """Best of several refined starts for curves [c, t] with weights."""
    place = t.min() + _PLACES * (t.max() - t.min())
    b = np.repeat(_STEEPNESS[None], len(place), 0).ravel()
    a = np.minimum(b * np.repeat(place, len(_STEEPNESS)), HIGH[1])
    s = 1 / (1 + np.exp(np.clip(b[:, None] - a[:, None] / t, -500, 500)))  # [g, t]
    # rss(Pl) = sum w (y - s - Pl (1 - s))^2 is a parabola in Pl, whose coefficients are matrix products
    u = 1 - s
    top = (w * y) @ u.T - w @ (s * u).T
    bottom = w @ (u * u).T
    pl = np.clip(np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 1e-12), LOW[0], HIGH[0])
    cost = (w * y * y).sum(1)[:, None] - 2 * (w * y) @ s.T + w @ (s * s).T - 2 * pl * top + pl * pl * bottom
    order = np.argpartition(cost, min(starts, cost.shape[1] - 1), axis=1)[:, :starts]
    rows = np.repeat(np.arange(len(y)), starts)
    picks = order.ravel()
    begin = np.column_stack([pl[rows, picks], a[picks], b[picks]])
    found, rss = _marquardt(t, y[rows], w[rows], begin)
    pick = rss.reshape(-1, starts).argmin(axis=1) + starts * np.arange(len(y))
    return found[pick], rss[pick]


def _marquardt(t: Floats, y: Floats, w: Floats, begin: Floats, iterations: int = 200) -> tuple[Floats, Floats]:
    """Levenberg-Marquardt of all curves [c, t] at once within the bounds; parameters [c, 3], weighted rss [c]."""
    p = np.clip(begin, LOW, HIGH)
    damp = np.full(len(p), 1e-3)

    def rss(q: Floats, rows: NDArray[np.int64]) -> Floats:
        return np.asarray((w[rows] * (curve(q, t) - y[rows]) ** 2).sum(axis=1))

    every = np.arange(len(p))
    cost = rss(p, every)
    left = every
    inverse = 1 / t
    for _ in range(iterations):
        if not left.size:
            break
        now = p[left]
        z = np.clip(now[:, 2:3] - now[:, 1:2] * inverse, -500, 500)
        s = 1 / (1 + np.exp(z))
        residual = (1 - now[:, :1]) * s + now[:, :1] - y[left]
        slope = (1 - now[:, :1]) * s * (1 - s)
        jacobian = np.stack([1 - s, slope * inverse, -slope], axis=2)
        weighted = jacobian * w[left][:, :, None]
        normal = np.matmul(weighted.transpose(0, 2, 1), jacobian)
        gradient = np.matmul(weighted.transpose(0, 2, 1), residual[:, :, None])[:, :, 0]
        # a parameter at its bound whose gradient points outwards stays there
        held = ((now <= LOW) & (gradient > 0)) | ((now >= HIGH) & (gradient < 0))
        size = np.einsum("cii->ci", normal) + 1e-12
        normal = normal + (damp[left][:, None] * size)[:, :, None] * np.eye(3)
        both = held[:, :, None] | held[:, None, :]
        normal = np.where(both, np.eye(3), normal)
        step = -np.linalg.solve(normal, np.where(held, 0.0, gradient)[:, :, None])[:, :, 0]
        tried = np.clip(now + step, LOW, HIGH)
        new = rss(tried, left)
        better = new < cost[left]
        gain = (cost[left] - new) / np.maximum(cost[left], 1e-300)
        over = (better & (gain < 1e-9)) | (~better & (damp[left] > 1e7))
        p[left[better]], cost[left[better]] = tried[better], new[better]
        damp[left] = np.where(better, np.maximum(damp[left] / 6, 1e-10), damp[left] * 5)
        left = left[~over]
    return p, cost


def chi2_df(x: Floats) -> float:
    """Maximum-likelihood degrees of freedom of a chi-squared distribution from positive values ``x``.

    The likelihood is largest where digamma(k / 2) + log 2 is the mean of log x. Raises ValueError without values.
    """
    from scipy.optimize import brentq
    from scipy.special import digamma

    if not x.size or not (x > 0).all():
        raise ValueError("degrees of freedom are estimated from values above 0")
    target = float(np.mean(np.log(x)) - np.log(2))
    return float(2 * brentq(lambda k: float(digamma(k)) - target, 1e-6, 1e7))


def f_test(null_rss: ArrayLike, alternative_rss: ArrayLike) -> FTest:
    """F test of residual sums of squares [p] with empirical degrees of freedom.

    With D = null - alternative: sigma0^2 = (MAD of D)^2 / (2 median of D) (MAD scaled for the normal distribution);
    D / sigma0^2 and alternative / sigma0^2 are taken as chi-squared, whose degrees of freedom d1, d2 are estimated by
    maximum likelihood over all proteins; F = (D / d1) / (alternative / d2). Proteins without a finite positive D and
    alternative do not count and are nan; one that fits perfectly either way has nothing to test. Raises ValueError
    where fewer than 20 proteins count.

    Its level. Vehicle against vehicle of a real experiment (4,505 proteins, one run each): 4.2 % of p below 0.05. In
    simulated proteomes without any effect (two runs an arm): 6 to 11 %, and none to three of 4,000 proteins at
    q < 0.01. The causes: for a chi-squared D the scale from the MAD is below sigma0^2 (0.73 of it for d1 = 2), so both
    degrees of freedom come out too high; and where the curves of a protein differ between runs, or proteins scatter
    unlike, D and the alternative are no chi-squared with degrees of freedom common to all proteins. A null distribution
    from the experiment itself keeps its level (`rechallenge.stats.pooled_null`).
    """
    from scipy.stats import f as f_distribution

    alternative = np.asarray(alternative_rss, np.float64)
    gain = np.asarray(null_rss, np.float64) - alternative
    known = np.isfinite(gain) & np.isfinite(alternative) & (alternative > 0)
    used = known & (gain > 0)
    if used.sum() < 20:
        raise ValueError(f"empirical degrees of freedom need 20 proteins with both fits, got {int(used.sum())}")
    middle = float(np.median(gain[used]))
    mad = 1.4826 * float(np.median(np.abs(gain[used] - middle)))
    scale = 0.5 * mad**2 / middle
    d1, d2 = chi2_df(gain[used] / scale), chi2_df(alternative[used] / scale)
    statistic = np.full(gain.shape, np.nan)
    statistic[known] = (np.maximum(gain[known], 0.0) / d1) / (alternative[known] / d2)
    p = np.where(known, f_distribution.sf(statistic, d1, d2), np.nan)
    return FTest(statistic, p, d1, d2, scale)
