"""Kaplan-Meier curves, medians, restricted means, the log-rank test, concordance and detectable effects.

The risk set at t is entry < t <= time. Source: Kaplan and Meier, doi:10.1080/01621459.1958.10501452; intervals on the
log(-log) scale; the reverse Kaplan-Meier for follow-up after Schemper and Smith, doi:10.1016/0197-2456(96)00075-X.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """A survival curve at the times where it steps or subjects are censored: survival with log(-log) limits (1 and
    NaN limits at the start), subjects at risk just before, events and censored at each time."""

    time: Floats
    survival: Floats
    low: Floats
    high: Floats
    at_risk: Floats
    events: Floats
    censored: Floats
    greenwood: Floats


def _arrays(time: ArrayLike, event: ArrayLike, entry: ArrayLike | None) -> tuple[Floats, NDArray[np.bool_], Floats]:
    t = np.asarray(time, dtype=np.float64)
    e = np.asarray(event, dtype=np.float64) > 0
    start = np.full(len(t), -np.inf) if entry is None else np.asarray(entry, dtype=np.float64)
    return t, e, start


def kaplan_meier(
    time: ArrayLike,
    event: ArrayLike,
    entry: ArrayLike | None = None,
    *,
    confidence: float = 0.95,
    limits: Literal["log-log", "log"] = "log-log",
) -> Curve:
    """The curve of one group; times (n,), events (n,), entry (n,) for delayed entry, in one unit.

    ``limits`` are on the scale of log (-log S), or on that of log S, as R's survfit has them by default. Where the
    curve is 1 or 0 they are nan (R: NA).
    """
    t, e, start = _arrays(time, event, entry)
    at, inverse = np.unique(t, return_inverse=True)
    deaths = np.bincount(inverse, weights=e, minlength=len(at))
    lost = np.bincount(inverse, weights=~e, minlength=len(at))
    within = len(t) - np.searchsorted(np.sort(t), at, side="left")
    waiting = len(t) - np.searchsorted(np.sort(start), at, side="left")
    at_risk = (within - waiting).astype(np.float64)
    survival = np.cumprod(1 - deaths / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = np.cumsum(deaths / (at_risk * (at_risk - deaths)))
        reach = special.ndtri(0.5 + confidence / 2) * np.sqrt(variance)
        if limits == "log":
            low, high = survival * np.exp(-reach), np.minimum(survival * np.exp(reach), 1.0)
        else:
            reach = reach / np.log(survival)
            low, high = survival ** np.exp(-reach), survival ** np.exp(reach)
    unknown = (survival == 1) | (survival == 0)
    low[unknown], high[unknown] = np.nan, np.nan
    parts = (at, survival, low, high, at_risk, deaths, lost, variance)
    return Curve(*(np.asarray(v, dtype=np.float64) for v in parts))


def quantile(curve: Curve, p: float = 0.5) -> tuple[float, float, float]:
    """The time by which survival has fallen to 1 - p, with its limits (those of the curve at that height).

    Infinite where the curve (or its limit) does not fall so far. A curve that runs level exactly at that height gives
    the middle of the level part, as R does.
    """
    level = 1 - p
    return _reach(curve.time, curve.survival, level), _reach(curve.time, curve.low, level), _reach(
        curve.time, curve.high, level
    )  # fmt: skip


def _reach(time: Floats, survival: Floats, level: float) -> float:
    known = np.flatnonzero(~np.isnan(survival))
    below = known[survival[known] <= level + 1e-12]
    if not len(below):
        return float("inf")
    first = below[0]
    if abs(survival[first] - level) <= 1e-12:
        beyond = below[survival[below] < level - 1e-12]
        if len(beyond):
            return float((time[first] + time[beyond[0]]) / 2)
    return float(time[first])


def follow_up(time: ArrayLike, event: ArrayLike, entry: ArrayLike | None = None) -> tuple[float, float, float]:
    """Median follow-up with limits by the reverse Kaplan-Meier (censoring is the event)."""
    _, e, _ = _arrays(time, event, entry)
    return quantile(kaplan_meier(time, ~e, entry))


def rmst(time: ArrayLike, event: ArrayLike, horizon: float, entry: ArrayLike | None = None) -> tuple[float, float]:
    """Mean survival time restricted to `horizon`, and its standard error (Greenwood type)."""
    c = kaplan_meier(time, event, entry)
    inside = c.time < horizon
    edges = np.concatenate([[0.0], c.time[inside], [horizon]])
    height = np.concatenate([[1.0], c.survival[inside]])
    area = np.diff(edges) * height
    rest = np.cumsum(area[::-1])[::-1][1:]  # area under the curve after each step
    d, r = c.events[inside], c.at_risk[inside]
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(r > d, rest**2 * d / (r * (r - d)), 0.0)
    return float(area.sum()), float(np.sqrt(terms.sum()))


@dataclass(frozen=True)
class LogRank:
    """Observed and expected events per group, chi-square, degrees of freedom, p, and the (hypergeometric) variance of
    observed minus expected events in the first group."""

    observed: Floats
    expected: Floats
    chi2: float
    df: int
    p: float
    variance: float


def log_rank(time: ArrayLike, event: ArrayLike, group: Sequence[object] | ArrayLike) -> LogRank:
    """The log-rank test between groups, in the order of their sorted labels (doi:10.1093/jnci/22.4.719)."""
    t, e, _ = _arrays(time, event, None)
    labels, which = np.unique(np.asarray(group), return_inverse=True)
    k = len(labels)
    times = np.unique(t[e])
    alive = np.stack(
        [(which == g).sum() - np.searchsorted(np.sort(t[which == g]), times, side="left") for g in range(k)]
    ).astype(np.float64)
    at = np.searchsorted(times, t[e])
    dead = np.stack([np.bincount(at, weights=which[e] == g, minlength=len(times)) for g in range(k)])
    n, d = alive.sum(axis=0), dead.sum(axis=0)
    share = alive / n
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(n > 1, d * (n - d) / (n - 1), 0.0)
    spread = np.diag((factor * share).sum(axis=1)) - (factor * share) @ share.T
    observed, expected = dead.sum(axis=1), (share * d).sum(axis=1)
    away = (observed - expected)[:-1]
    chi2 = float(away @ np.linalg.pinv(spread[:-1, :-1]) @ away) if k > 1 else float("nan")
    p = float(special.chdtrc(k - 1, chi2)) if k > 1 else float("nan")
    return LogRank(observed, expected, chi2, k - 1, p, float(spread[0, 0]))


def concordance(
    time: ArrayLike, event: ArrayLike, score: ArrayLike, entry: ArrayLike | None = None
) -> tuple[float, float]:
    """Harrell's concordance of a risk score (higher = earlier event) and its standard error (infinitesimal jackknife).

    A pair counts where one has an event at t and the other is at risk at t and stays event-free beyond it (doi:
    10.1002/(SICI)1097-0258(19960229)15:4<361::AID-SIM168>3.0.CO;2-4); ties of the score count half. n x n memory.
    """
    t, e, s = np.asarray(time, float), np.asarray(event, float) > 0, np.asarray(score, float)
    after = (t[None, :] > t[:, None]) | ((t[None, :] == t[:, None]) & ~e[None, :])
    pairs = e[:, None] & after
    if entry is not None:
        pairs &= np.asarray(entry, float)[None, :] < t[:, None]
    value = np.where(s[:, None] > s[None, :], 1.0, np.where(s[:, None] == s[None, :], 0.5, 0.0))
    agree = np.where(pairs, value, 0.0)
    total = pairs.sum()
    if not total:
        return float("nan"), float("nan")
    c = agree.sum() / total
    mine = (agree.sum(axis=0) + agree.sum(axis=1)) - c * (pairs.sum(axis=0) + pairs.sum(axis=1))
    return float(c), float(np.sqrt(((mine / total) ** 2).sum()))


def detectable_hr(events: float, *, alpha: float = 0.05, power: float = 0.8, sd: float = 1.0) -> float:
    """The hazard ratio per standard deviation that so many events find (Schoenfeld, doi:10.2307/2531021; for a
    continuous covariate Hsieh and Lavori, doi:10.1016/S0197-2456(00)00104-5): exp((z_a + z_b) / (sd sqrt(events)))."""
    if events <= 0:
        return float("inf")
    reach = special.ndtri(1 - alpha / 2) + special.ndtri(power)
    return float(np.exp(reach / (sd * np.sqrt(events))))
