"""Areas under the ROC curve with DeLong's interval, for one marker or for all genes at once.

AUC is P(marker of a case > marker of a control), ties count half: below 0.5 where cases are lower; it is never turned
round to look better. DeLong, DeLong and Clarke-Pearson 1988, doi:10.2307/2531595; by ranks after Sun and Xu 2014,
doi:10.1109/LSP.2014.2337313.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Areas:
    """One row per marker (G,): area, DeLong variance, limits, test against 0.5 (`z`, two-sided `p`)."""

    auc: Floats
    variance: Floats
    ci_low: Floats
    ci_high: Floats
    z: Floats
    p: Floats
    n_cases: int
    n_controls: int


def _placements(x: Floats, case: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Placement values of cases (G, n1) and of controls (G, n0)."""
    n1, n0 = int(case.sum()), int((~case).sum())
    together = stats.rankdata(x, axis=1)
    of_cases = (together[:, case] - stats.rankdata(x[:, case], axis=1)) / n0
    of_controls = 1 - (together[:, ~case] - stats.rankdata(x[:, ~case], axis=1)) / n1
    return of_cases, of_controls


def areas(x: ArrayLike, case: ArrayLike, *, confidence: float = 0.95) -> Areas:
    """AUC of every row of `x` (G, n) for `case` (n,; true = case). Needs two cases and two controls (ValueError).

    The interval is DeLong's on the logit scale where the area is inside 0 to 1 only if it would leave that range;
    else symmetric, cut at 0 and 1. Without any spread (perfect separation) there is no interval and no test by DeLong.
    """
    values = np.atleast_2d(np.asarray(x, dtype=np.float64))
    is_case = np.asarray(case, dtype=bool)
    n1, n0 = int(is_case.sum()), int((~is_case).sum())
    if n1 < 2 or n0 < 2:
        raise ValueError(f"an ROC curve needs two cases and two controls; there are {n1} and {n0}")
    of_cases, of_controls = _placements(values, is_case)
    auc = of_cases.mean(axis=1)
    variance = of_cases.var(axis=1, ddof=1) / n1 + of_controls.var(axis=1, ddof=1) / n0
    se = np.sqrt(variance)
    reach = special.ndtri(0.5 + confidence / 2) * se
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(se > 0, (auc - 0.5) / se, np.nan)
    low, high = np.clip(auc - reach, 0, 1), np.clip(auc + reach, 0, 1)
    low, high = (np.where(se > 0, v, np.nan) for v in (low, high))
    return Areas(auc, variance, low, high, z, 2 * special.ndtr(-np.abs(z)), n1, n0)


def compare(x: ArrayLike, y: ArrayLike, case: ArrayLike) -> tuple[float, float, float]:
    """Two markers on the same subjects: difference of areas, its standard error, two-sided p (paired DeLong)."""
    is_case = np.asarray(case, dtype=bool)
    both = np.stack([np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)])
    of_cases, of_controls = _placements(both, is_case)
    d1, d0 = of_cases[0] - of_cases[1], of_controls[0] - of_controls[1]
    difference = float(d1.mean())
    se = float(np.sqrt(d1.var(ddof=1) / len(d1) + d0.var(ddof=1) / len(d0)))
    if not se:
        return difference, 0.0, float("nan")
    return difference, se, float(2 * special.ndtr(-abs(difference / se)))


def permuted(x: ArrayLike, case: ArrayLike, *, draws: int = 9999, seed: int = 0) -> Floats:
    """Two-sided p (G,) of |AUC - 0.5| by permuting the labels, (b + 1) / (m + 1); the same draws for every row."""
    values = np.atleast_2d(np.asarray(x, dtype=np.float64))
    is_case = np.asarray(case, dtype=bool)
    n1, n = int(is_case.sum()), len(is_case)
    ranks = stats.rankdata(values, axis=1) - (n + 1) / 2
    seen = np.abs(ranks[:, is_case].sum(axis=1))
    rng = np.random.default_rng(seed)
    beyond = np.zeros(len(values), dtype=np.int64)
    done = 0
    while done < draws:
        block = min(1000, draws - done)
        labels = rng.permuted(np.tile(np.arange(n) < n1, (block, 1)), axis=1).astype(np.float64)
        beyond += (np.abs(ranks @ labels.T) >= seen[:, None] - 1e-9).sum(axis=1)
        done += block
    return np.asarray((beyond + 1) / (draws + 1), dtype=np.float64)


@dataclass(frozen=True)
class Point:
    """A threshold with what it gives: positive is above it."""

    threshold: float
    sensitivity: float
    specificity: float


def curve(x: ArrayLike, case: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Thresholds (between neighbouring values, -inf and inf), sensitivity and specificity; positive is above."""
    values, is_case = np.asarray(x, dtype=np.float64), np.asarray(case, dtype=bool)
    at = np.unique(values)
    thresholds = np.concatenate([[-np.inf], (at[:-1] + at[1:]) / 2, [np.inf]])
    cases, controls = np.sort(values[is_case]), np.sort(values[~is_case])
    sensitivity = 1 - np.searchsorted(cases, thresholds, side="right") / len(cases)
    specificity = np.searchsorted(controls, thresholds, side="right") / len(controls)
    return thresholds, sensitivity, specificity


def youden(x: ArrayLike, case: ArrayLike) -> Point:
    """The threshold of the largest sensitivity + specificity - 1 (doi:10.1002/1097-0142(1950)3:1<32::AID-
    CNCR2820030106>3.0.CO;2-3). Chosen on the data, so both numbers are optimistic."""
    thresholds, sensitivity, specificity = curve(x, case)
    at = int(np.argmax(sensitivity + specificity))
    return Point(float(thresholds[at]), float(sensitivity[at]), float(specificity[at]))
