"""Time until a tumour reaches the end point: Kaplan-Meier curves and the log-rank test."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.assays.tumours.arms import arm_order, control_of, parse_arms
from rechallenge.assays.tumours.data import NAN, Floats, Origins, volumes
from rechallenge.assays.tumours.exact import permuted
from rechallenge.faults import NotApplicable
from rechallenge.stats.multiplicity import bh

#: in `removed`: the animal reached the end point (as against the end of the study, or a tissue taken)
EVENTS = ("burden", "dead", "died", "death", "moribund", "ulcer", "humane", "end point", "endpoint")
TIMES = ("model", "arm", "animal", "time", "event", "threshold_mm3", "status", "reason")
COLUMNS = (
    "model", "arm", "control", "n", "events", "median_days", "ci_low", "ci_high", "control_median_days",
    "hazard_ratio", "hr_ci_low", "hr_ci_high", "statistic", "p_value", "q_value", "test", "end_point", "confidence",
    "status", "reason", "source_table", "source_rows",
)  # fmt: skip


@analysis(
    title="Time to the end point",
    reference=("doi:10.1080/01621459.1958.10501452", "doi:10.1002/pbc.21078"),
    gives=("tumour_endpoint", "tumour_times"),
    methods=lambda tables, **_: (
        f"The end point was {'; '.join(sorted(set(tables['tumour_endpoint']['end_point'])))}, its day interpolated on "
        "the log scale between measurements (growth to a multiple of the start as in doi:10.1002/pbc.21078); animals "
        "that did not reach it were censored at their last measurement. Curves and medians are those of Kaplan and "
        "Meier (doi:10.1080/01621459.1958.10501452; log-log limits); the log-rank statistic against "
        "control has a permutation p (all arrangements of the animals up to 20,000, else drawn ones), because its "
        "chi-squared distribution is rough with few animals; hazard ratios are exp((O - E) / V)."
    ),
    formula="Kaplan-Meier: S(t) = prod (1 - d_i / n_i); log-rank statistic with permutation p against control",
    oracle=(
        "lifelines; R survival for medians and limits (tests/assays/test_tumours_outcomes.py, "
        "tests/stats/test_survival_curves.py)"
    ),
    limits="The end point is a volume that was chosen. With few animals the log-rank test is coarse.",
)
def tumour_endpoint(
    tumours: pd.DataFrame,
    *,
    endpoint_fold: float = 4.0,
    endpoint_mm3: float = 0.0,
    confidence: float = 0.95,
    n_permutations: int = 9999,
    seed: int = 0,
) -> dict[str, pd.DataFrame]:
    """Two tables: `tumour_endpoint` by arm (`COLUMNS`) and `tumour_times` by animal (`TIMES`: `event` 1 or 0).

    The end point is a volume of `endpoint_mm3` where that is above 0, else `endpoint_fold` times the animal's first
    volume; an animal whose `removed` says burden, dead, ulcer, moribund or humane reached it on its last day. Days
    count from the animal's first. `median_days` is censored where the curve stays above one half ('censored': a lower
    bound is the last day followed). Raises NotApplicable where no animal was followed.
    """
    table = volumes(tumours)
    times = pd.DataFrame(
        [_time(part, endpoint_fold, endpoint_mm3) for _, part in table.groupby("subject", sort=True)]
    ).reindex(columns=list(TIMES))
    followed = times[times["status"] == "estimated"]
    if followed.empty:
        raise NotApplicable("no animal was followed until a second day")
    origins, rows = Origins(tumours), []
    for model, part in followed.groupby("model", sort=True):
        arms = parse_arms(list(part["arm"]))
        for arm in arm_order(list(arms)):
            control = control_of(arms[arm], arms) if arms[arm].parts else ""
            mine, theirs = (part[part["arm"] == a][["time", "event"]].to_numpy(dtype=float) for a in (arm, control))
            rows.append(
                {"model": model, "arm": arm, "control": control,
                 **_arm(mine, theirs, confidence, n_permutations, seed, f"{model}|{arm}"),
                 "source_rows": origins(str(model), [a for a in (arm, control) if a])}
            )  # fmt: skip
    out = pd.DataFrame(rows)
    what = f"a volume of {endpoint_mm3:g} mm³" if endpoint_mm3 > 0 else f"{endpoint_fold:g} times the first volume"
    out["end_point"], out["confidence"], out["source_table"] = what, confidence, "tumours"
    out["q_value"] = bh(out["p_value"])
    return {"tumour_endpoint": out.reindex(columns=list(COLUMNS)), "tumour_times": times}


def _time(part: pd.DataFrame, fold: float, volume: float) -> dict[str, Any]:
    first = part.iloc[0]
    day, seen = part["day"].to_numpy() - first["day"], part["volume"].to_numpy(dtype=float)
    threshold = volume if volume > 0 else fold * seen[0]
    row: dict[str, Any] = {
        "model": first["model"], "arm": first["arm"], "animal": first["animal"], "time": NAN, "event": NAN,
        "threshold_mm3": threshold, "status": "not_estimable", "reason": "",
    }  # fmt: skip
    reached = np.flatnonzero(seen >= threshold)
    if seen[0] <= 0 or (len(reached) and reached[0] == 0):
        return {**row, "reason": "its first volume is 0" if seen[0] <= 0 else "at the end point on the first day"}
    if len(seen) < 2:
        return {**row, "reason": "measured on one day"}
    row["status"] = "estimated"
    if len(reached):
        at = reached[0]
        low = max(seen[at - 1], 1e-3 * threshold)  # a tumour that was not there the time before
        part_of = np.log(threshold / low) / np.log(seen[at] / low)
        return {**row, "time": float(day[at - 1] + part_of * (day[at] - day[at - 1])), "event": 1.0}
    why = " ".join(part["removed"])
    return {**row, "time": float(day[-1]), "event": float(any(word in why for word in EVENTS))}


def kaplan_meier(values: Floats, confidence: float = 0.95) -> Floats:
    """Survival curve of (time, event) [n, 2]: rows of time, at risk, events, survival, low, high, from time 0 on.

    Limits are on the log(-log) scale (Greenwood's variance); NaN where the curve is 1 or 0.
    """
    from rechallenge.stats import survival

    c = survival.kaplan_meier(values[:, 0], values[:, 1], confidence=confidence)
    start = [[0.0, float(len(values)), 0.0, 1.0, NAN, NAN]]
    return np.vstack([start, np.column_stack([c.time, c.at_risk, c.events, c.survival, c.low, c.high])])


def median_time(values: Floats, confidence: float = 0.95) -> tuple[float, float, float]:
    """Median of (time, event) [n, 2] and its limits as R's survfit gives them (conf.type "log-log"): infinite where the
    curve or a limit of it does not fall to one half. A curve that ends at 0 has no limits there, so the upper limit of
    the median is open unless the curve's own reached one half before."""
    from rechallenge.stats import survival

    return survival.quantile(survival.kaplan_meier(values[:, 0], values[:, 1], confidence=confidence))


def log_rank_scores(values: Floats) -> Floats:
    """Observed minus expected events of each subject of (time, event) [n, 2], all in one group: event minus the
    Nelson-Aalen hazard up to its time. Their sum over a group is that group's observed minus expected events."""
    curve = kaplan_meier(values)
    hazard = np.cumsum(curve[:, 2] / curve[:, 1])
    return values[:, 1] - hazard[np.searchsorted(curve[:, 0], values[:, 0], side="right") - 1]


def log_rank(a: Floats, b: Floats) -> tuple[float, float, float]:
    """Observed minus expected events in `a`, its (hypergeometric) variance and the chi-squared p-value, for two groups
    of (time, event)."""
    from rechallenge.stats import survival

    both = np.vstack([a, b])
    found = survival.log_rank(both[:, 0], both[:, 1], np.repeat([0, 1], [len(a), len(b)]))
    excess = float(found.observed[0] - found.expected[0])
    variance = float(found.variance)
    return excess, variance, found.p if variance > 0 else NAN


def _arm(mine: Floats, theirs: Floats, confidence: float, n_draws: int, seed: int, key: str) -> dict[str, Any]:
    from scipy.special import ndtri

    median, low, high = median_time(mine, confidence)
    row: dict[str, Any] = {
        "n": len(mine), "events": int(mine[:, 1].sum()), "median_days": median if np.isfinite(median) else NAN,
        "ci_low": low if np.isfinite(low) else float(mine[:, 0].max()), "ci_high": high,
        "control_median_days": NAN, "hazard_ratio": NAN, "hr_ci_low": NAN, "hr_ci_high": NAN, "statistic": NAN,
        "p_value": NAN, "test": "", "status": "estimated" if np.isfinite(median) else "censored",
        "reason": "" if np.isfinite(median) else "half of the animals or more did not reach the end point",
    }  # fmt: skip
    if len(theirs):
        other = median_time(theirs, confidence)[0]
        row["control_median_days"] = other if np.isfinite(other) else NAN
    if len(mine) > 1 and len(theirs) > 1:
        excess, variance, _ = log_rank(mine, theirs)
        if variance > 0:
            z = float(ndtri(0.5 + confidence / 2)) / np.sqrt(variance)
            ratio = excess / variance
            scores = log_rank_scores(np.vstack([mine, theirs]))
            p, how = permuted(scores[: len(mine)], scores[len(mine) :], n_draws, seed, key)
            row |= {"statistic": excess**2 / variance, "p_value": p, "test": f"log-rank, {how}"}
            row |= {"hazard_ratio": float(np.exp(ratio)), "hr_ci_low": float(np.exp(ratio - z)),
                    "hr_ci_high": float(np.exp(ratio + z))}  # fmt: skip
    return row
