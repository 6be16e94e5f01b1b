"""From surfaces to intervals: the biological replicate is the unit.

Every estimate is a function of the mean surface. Leaving out one replicate at a time gives pseudo-values
n theta - (n - 1) theta(-r), one per replicate, that behave like independent observations of theta (Tukey's jackknife),
so the interval is a t interval with n - 1 degrees of freedom, centred on the estimate of all replicates. For Bliss it
is almost, for a mean exactly, the t interval over per-replicate scores; for HSA, Loewe and ZIP the references are made
from all replicates together, where a single replicate's largest or fitted effect would be biased by its own noise.

Coverage of 95 % intervals over 3, 4 and 6 replicates in 300 simulated studies each (`benchmarks/synergy.py`, additive
surfaces): jackknife 93 to 97 %; single-replicate scores 91 to 96 %; percentile bootstrap 73 to 77, 75 to 81, 88 to
90 %; studentised bootstrap 100 (open intervals), 93 to 94, 94 to 96 %. Hence the default. On synergistic and
antagonistic surfaces the jackknife covers 93 to 98 %, but 90 % for ZIP with six replicates and strong antagonism, where
its smoothing is off by 0.3 per cent of inhibition.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import stats

from rechallenge.stats.synergy.excess import Excess, Margin, Method, excess
from rechallenge.stats.synergy.types import Bools, Floats, Surface

Interval = Literal["jackknife", "replicate", "bootstrap", "bootstrap_t"]
INTERVALS: tuple[Interval, ...] = ("jackknife", "replicate", "bootstrap", "bootstrap_t")
#: Scores are given in per cent of inhibition.
PERCENT = 100.0
#: a spread below this (fraction of inhibition) is rounding, not scatter
ROUNDING = 1e-10
_N_BOOT = 999


def leave_one_out(n: int) -> Floats:
    """Replicate weights [n + 1, n]: all replicates, then all but one; only the first row where n = 1."""
    ones = np.ones((1, n))
    return ones if n == 1 else np.vstack([ones, 1.0 - np.eye(n)])


def pseudo_values(theta: Floats) -> Floats:
    """Jackknife pseudo-values [n, ...] from estimates [n + 1, ...] in the order of ``leave_one_out``."""
    n = len(theta) - 1
    return np.asarray(n * theta[:1] - (n - 1) * theta[1:])


@dataclass(frozen=True)
class TInterval:
    """Estimates with t intervals; fields broadcast, nan where fewer than two replicates are behind an estimate."""

    estimate: Floats
    se: Floats
    df: Floats
    lo: Floats
    hi: Floats
    p_value: Floats


def t_interval(estimate: Floats, values: Floats, confidence: float = 0.95, null: float = 0.0) -> TInterval:
    """t interval about ``estimate`` [...] from independent (pseudo-)values [n, ...]; p for estimate = ``null``."""
    n = np.isfinite(values).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(values, axis=0) / n
        ss = np.nansum((values - mean) ** 2, axis=0)
        se = np.where(n > 1, np.sqrt(ss / (n - 1) / n), np.nan)
        df = np.where(n > 1, n - 1.0, np.nan)
        gap = np.asarray(estimate - null)
        t = np.where((se == 0) & (gap == 0), 0.0, gap / se)
    p = 2.0 * stats.t.sf(np.abs(t), df)
    half = stats.t.ppf(0.5 + confidence / 2, df) * se
    return TInterval(np.asarray(estimate), se, df, estimate - half, estimate + half, p)


@dataclass(frozen=True)
class Score:
    """Mean excess over a reference model in a region, in per cent of inhibition; positive is synergy.

    ``ci_low``, ``ci_high``, ``se``, ``df``, ``p_value``: nan with one replicate. ``n_cells``: combinations averaged;
    ``n_bound`` of them with a bounded reference; ``n_missing``: combinations of the region without an estimate.
    ``status``: 'estimated'; 'bound' (the score is at most this: some references are lower bounds, and p is one-sided
    for antagonism, the only thing such a score can show); 'not_testable' (one replicate: a score without interval);
    'not_estimable', with ``reason``.
    """

    method: str
    region: str
    score: float
    se: float
    df: float
    ci_low: float
    ci_high: float
    p_value: float
    n_replicates: int
    n_cells: int
    n_bound: int
    n_missing: int
    interval: str
    status: str
    reason: str


def region_mean(values: Floats, cells: Bools) -> Floats:
    """Mean over the chosen cells of [B, m] surfaces, without those that a version of the surface lacks."""
    chosen = values[:, cells]
    count = np.isfinite(chosen).sum(axis=1)
    return np.where(count > 0, np.nansum(chosen, axis=1) / np.maximum(count, 1), np.nan)


def region_cells(surface: Surface, mask: Bools | None) -> Bools:
    """[m]: combinations in the region; ``mask`` [m] further restricts them. Raises ValueError for a wrong length."""
    if mask is None:
        return surface.combined
    chosen = np.asarray(mask, dtype=bool)
    if chosen.shape != surface.combined.shape:
        raise ValueError(f"the mask has shape {chosen.shape}, the surface has {surface.doses.shape[0]} combinations")
    return np.asarray(surface.combined & chosen)


def within(surface: Surface, limits: Floats | list[float] | tuple[float, ...]) -> Bools:
    """Mask [m] of the combinations in which no dose exceeds its drug's limit, such as a reachable concentration."""
    top = np.asarray(limits, dtype=np.float64)
    if top.shape != (surface.n_drugs,):
        raise ValueError(f"one limit per drug is needed ({surface.n_drugs}), got shape {top.shape}")
    return np.asarray(np.all(surface.doses <= top, axis=1))


def replicate_values(
    surface: Surface, method: Method | None, cells: Bools, *, margin: Margin = "measured", seed: int = 0
) -> Floats:
    """The mean over the combinations ``cells`` [m], one value per replicate [R] (fractions), nan where unknown.

    For a reference model the pseudo-values of its mean excess (the excess itself where R = 1), for None the mean
    inhibition of every replicate: what two surfaces, such as those of two models, are compared by.
    """
    if method is None:
        return region_mean(surface.response, cells)
    theta = region_mean(
        excess(surface, method, leave_one_out(surface.n_replicates), margin=margin, seed=seed).excess, cells
    )
    return theta if surface.n_replicates == 1 else pseudo_values(theta)


def _bootstrap(
    surface: Surface, method: Method, cells: Bools, margin: Margin, confidence: float, seed: int
) -> tuple[float, float, float]:
    """Percentile limits and the spread of the score over resampled replicates (enumerated where they are few)."""
    from rechallenge.stats.hill.bootstrap import resamples, weighted_quantile

    counts, weights = resamples(surface.n_replicates, _N_BOOT, seed)
    score = region_mean(excess(surface, method, counts, margin=margin, seed=seed).excess, cells)
    low, high = (float(weighted_quantile(score[None], weights, q)[0]) for q in _tails(confidence))
    mean = float(weights @ score)
    return low, high, float(np.sqrt(weights @ (score - mean) ** 2))


def _bootstrap_t(estimate: float, values: Floats, confidence: float, seed: int) -> tuple[float, float, float]:
    """Studentised limits from pseudo-values; open where a tail is made of resamples without any spread."""
    from rechallenge.stats.hill.bootstrap import resamples, weighted_quantile

    n = values.size
    counts, weights = resamples(n, _N_BOOT, seed)
    mean = counts @ values / n
    spread = np.sqrt(np.maximum(counts @ values**2 / n - mean**2, 0.0) / (n - 1))
    degenerate = counts.max(axis=1) == n
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(degenerate, np.inf * np.sign(mean - values.mean()), (mean - values.mean()) / spread)
    t = np.nan_to_num(t, nan=0.0, posinf=np.inf, neginf=-np.inf)
    se = float(np.std(values, ddof=1) / np.sqrt(n))
    low, high = (float(weighted_quantile(t[None], weights, q)[0]) for q in _tails(confidence))
    return estimate - high * se, estimate - low * se, se


def _tails(confidence: float) -> tuple[float, float]:
    return (1 - confidence) / 2, (1 + confidence) / 2


def score(
    surface: Surface,
    method: Method,
    *,
    mask: Bools | None = None,
    region: str = "matrix",
    interval: Interval = "jackknife",
    confidence: float = 0.95,
    margin: Margin = "measured",
    seed: int = 0,
    known: Excess | None = None,
) -> Score:
    """Mean excess over a reference model with an interval over biological replicates.

    ``mask`` [m]: the combinations of the region (see ``within``), all by default; ``region``: its name. ``interval``:
    'jackknife' (default), 'replicate' (t interval over the scores of single replicates), 'bootstrap' (percentiles
    over resampled replicates, about 75 to 80 % coverage with three of them) or 'bootstrap_t'. p is for a score of 0;
    for the two bootstrap methods it is the jackknife's. ``known``: the excess for ``leave_one_out`` weights where it
    was computed before. Raises ValueError for unknown options and a mask of the wrong length.
    """
    if interval not in INTERVALS:
        raise ValueError(f"interval must be one of {INTERVALS}, got {interval!r}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    n = surface.n_replicates
    region_ = region_cells(surface, mask)
    result = excess(surface, method, leave_one_out(n), margin=margin, seed=seed) if known is None else known
    judged = region_ & np.isin(result.status, ("estimated", "bound"))
    n_bound = int((judged & (result.status == "bound")).sum())
    missing = int(region_.sum() - judged.sum())
    nan = float("nan")
    made = Score(
        method, region, nan, nan, nan, nan, nan, nan, n, int(judged.sum()), n_bound, missing, interval, "not_estimable",
        result.reason or "the region holds no combination that can be judged",
    )  # fmt: skip
    if not judged.any():
        return made
    theta = region_mean(result.excess, judged)
    if n == 1:
        reason = "one biological replicate: no interval and no test"
        return replace(made, score=float(theta[0]) * PERCENT, status="not_testable", reason=reason)
    if interval == "replicate":
        values = region_mean(excess(surface, method, np.eye(n), margin=margin, seed=seed).excess, judged)
        centre = float(np.nanmean(values)) if np.isfinite(values).any() else nan
    else:
        values, centre = pseudo_values(theta), float(theta[0])
    fit = t_interval(np.asarray(centre), values, confidence)
    low, high, se, p = float(fit.lo), float(fit.hi), float(fit.se), float(fit.p_value)
    if interval == "bootstrap":
        low, high, se = _bootstrap(surface, method, judged, margin, confidence, seed)
    elif interval == "bootstrap_t":
        low, high, se = _bootstrap_t(centre, values, confidence, seed)
    if float(fit.se) <= ROUNDING:
        reason = "the replicates do not differ at all: no interval and no test"
        return replace(made, score=centre * PERCENT, status="not_testable", reason=reason)
    status, reason = "estimated", ""
    if n_bound:
        status, reason = "bound", f"{n_bound} references are lower bounds: the score is at most this"
        low = -np.inf
        p = p / 2 if centre < 0 else 1 - p / 2
    return replace(
        made, score=centre * PERCENT, se=se * PERCENT, df=float(fit.df), ci_low=low * PERCENT, ci_high=high * PERCENT,
        p_value=p, status=status, reason=reason,
    )  # fmt: skip
