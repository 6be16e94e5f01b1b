"""The growth model of one set of tumours: an exponential growth rate per arm, random intercept and slope per animal.

    log volume ~ 1 + day:arm + (1 + day | animal), REML

Arms share the intercept at the start (animals were assigned at random) unless it is asked per arm; or volumes are taken
relative to each animal's first one, log (volume / first) ~ 0 + day:arm + (0 + day | animal). With arms vehicle,
A, B and A + B this is log volume ~ day + day:A + day:B + day:A:B + (1 + day | animal), and the A x B slope is the
departure from Bliss independence in growth-rate terms (doi:10.1371/journal.pone.0224137).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge.assays.tumours.data import NAN, Floats
from rechallenge.stats import mixed

Zeros = Literal["floor", "exclude"]
Baseline = Literal["common", "arm", "relative"]
#: what a contrast of growth rates is without data
NOTHING = mixed.Estimate(NAN, NAN, NAN, NAN, NAN, NAN, NAN)


@dataclass(frozen=True)
class Growth:
    """The fitted tumours of one model.

    `arms` have a slope; `animals` and `rates` (per-animal least squares slopes) are by arm; `fit` is None where the
    mixed model cannot be fitted, for `reason`. `zeros` volumes of 0 were set to `floor` or left out. `left_out` are
    arms without an animal that was measured twice.
    """

    model: str
    table: pd.DataFrame
    arms: tuple[str, ...]
    animals: Mapping[str, int]
    rates: Mapping[str, tuple[float, ...]]
    fit: mixed.Fit | None
    reason: str
    zeros: int
    floor: float
    left_out: tuple[str, ...]

    def contrast(self, weights: Mapping[str, float], confidence: float) -> tuple[mixed.Estimate, mixed.Estimate]:
        """A weighted sum of growth rates (per day): by the mixed model, and by Welch's test of per-animal slopes."""
        missing = [a for a in weights if a not in self.arms]
        if missing:
            return NOTHING, NOTHING
        groups = [self.rates[a] for a in weights]
        two = mixed.welch(groups, list(weights.values()), confidence)
        if self.fit is None:
            return NOTHING, two
        w = np.zeros(len(self.fit.beta))
        for a, value in weights.items():
            w[len(w) - len(self.arms) + self.arms.index(a)] = value
        return self.fit.contrast(w, confidence), two

    def n(self, arms: Sequence[str]) -> int:
        """Animals of these arms."""
        return sum(self.animals.get(a, 0) for a in arms)


def log_volumes(part: pd.DataFrame, zeros: Zeros, detection: float) -> tuple[pd.DataFrame, int, float]:
    """The table with a column `y` = ln volume, the number of zero volumes and what they were set to (mm³).

    No tumour to be felt means a volume below what can be measured: the smallest volume seen in the model, or
    `detection` where that is above 0. The first zero of a run is set to it, and the last where the tumour came back;
    the zeros between say nothing of a growth rate and are left out. `exclude` leaves out all of them.
    """
    volume = part["volume"].to_numpy(dtype=float)
    zero = volume <= 0
    positive = volume[~zero]
    floor = detection if detection > 0 else float(positive.min()) if len(positive) else NAN
    keep = ~zero
    if zeros == "floor":
        subject = part["subject"].to_numpy()
        before = np.r_[False, (subject[1:] == subject[:-1]) & zero[:-1]]
        after = np.r_[(subject[1:] == subject[:-1]), False]
        again = after & ~np.r_[zero[1:], False]
        keep |= zero & (~before | again)
    out = part[keep].copy()
    out["y"] = np.log(np.maximum(out["volume"], floor)) if len(positive) else NAN
    return out, int(zero.sum()), floor if zeros == "floor" else NAN


def grow(
    part: pd.DataFrame,
    arms: list[str],
    *,
    zeros: Zeros = "floor",
    detection: float = 0.0,
    baseline: Baseline = "common",
) -> Growth:
    """Fit one model's volumes (columns model, arm, subject, t, volume; sorted by subject and day)."""
    model = str(part["model"].iloc[0])
    table, n_zero, floor = log_volumes(part, zeros, detection)
    twice = table.groupby("subject")["t"].transform("nunique") > 1
    able = [a for a in arms if (twice & (table["arm"] == a)).any()]
    left_out = tuple(a for a in arms if a not in able)
    table = table[table["arm"].isin(able)]
    rates: dict[str, tuple[float, ...]] = {}
    for arm, rows in table.groupby("arm", sort=True):
        found = mixed.slopes(rows["y"], rows["t"], rows["subject"].to_numpy())
        rates[str(arm)] = tuple(found[s] for s in sorted(found))
    animals = {str(a): int(n) for a, n in table.groupby("arm")["subject"].nunique().items()}
    fit, reason = None, ""
    if not able:
        reason = "no animal was measured twice"
    elif max(animals.values()) < 2:
        reason = "one animal an arm: how animals differ is not known"
    else:
        used = table
        if baseline == "relative":
            first = table.groupby("subject")[["t", "y"]].transform("first")
            used = table.assign(t=table["t"] - first["t"], y=table["y"] - first["y"])
            used = used[used["t"] > 0]
        try:
            x, z = design(used["t"].to_numpy(dtype=float), used["arm"].to_numpy(), able, baseline)
            fit = mixed.fit(used["y"], x, z, used["subject"].to_numpy())
        except (ValueError, np.linalg.LinAlgError) as e:
            reason = str(e)
    return Growth(model, table, tuple(able), animals, rates, fit, reason, n_zero, floor, left_out)


def design(t: Floats, arm: NDArray[np.object_], arms: Sequence[str], baseline: Baseline) -> tuple[Floats, Floats]:
    """Fixed effects (intercept, one per arm, or none; then a slope per arm) and random effects (intercept, slope)."""
    is_arm = (arm[:, None] == np.array(arms, dtype=object)[None, :]).astype(float)
    rates, time, one = is_arm * t[:, None], t[:, None], np.ones((len(t), 1))
    if baseline == "relative":
        return rates, time
    return np.hstack([one if baseline == "common" else is_arm, rates]), np.hstack([one, time])


def last_common(part: pd.DataFrame) -> float:
    """The last time (days since the start) up to which every animal was followed."""
    return float(part.groupby("subject")["t"].max().min())


def starts_differ(part: pd.DataFrame) -> float:
    """p of one-way analysis of variance of log volumes at each animal's first day over arms; NaN where not testable."""
    from scipy.stats import f_oneway

    first = part[part["volume"] > 0].drop_duplicates("subject")
    groups = [np.log(g.to_numpy(dtype=float)) for _, g in first.groupby("arm")["volume"] if len(g) > 1]
    if len(groups) < 2 or not any(np.ptp(g) > 0 for g in groups):
        return NAN
    return float(f_oneway(*groups).pvalue)


def spread_differs(g: Growth) -> tuple[float, float, float]:
    """Smallest and largest standard deviation of per-animal slopes over arms, and Levene's p (about the medians)."""
    from scipy.stats import levene

    groups = [np.array(v) for v in g.rates.values() if len(v) > 2]
    if len(groups) < 2 or not any(np.ptp(v) > 0 for v in groups):
        return NAN, NAN, NAN
    sds = [float(v.std(ddof=1)) for v in groups]
    return min(sds), max(sds), float(levene(*groups, center="median").pvalue)


def curvature(g: Growth) -> tuple[float, float]:
    """Mean per-animal quadratic coefficient of log volume over days (per day²; below 0: growth slows down), and the p
    of its t test over animals. NaN with fewer than three animals that were measured on four days."""
    from scipy.stats import ttest_1samp

    bends = [
        float(np.polyfit(rows["t"], rows["y"], 2)[0])
        for _, rows in g.table.groupby("subject", sort=True)
        if rows["t"].nunique() > 3
    ]
    if len(bends) < 3 or not np.ptp(bends) > 0:
        return NAN, NAN
    return float(np.mean(bends)), float(ttest_1samp(bends, 0).pvalue)
