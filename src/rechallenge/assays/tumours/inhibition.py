"""Tumour growth inhibition per day, with the animals that it rests on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.assays.tumours.arms import arm_order, control_of, parse_arms
from rechallenge.assays.tumours.data import NAN, Floats, Origins, rng_of, volumes
from rechallenge.faults import NotApplicable

COLUMNS = (
    "model", "arm", "control", "day", "n", "n_start", "n_control", "n_control_start", "mean_mm3", "mean_control_mm3",
    "tgi_percent", "ci_low", "ci_high", "volume_percent", "volume_ci_low", "volume_ci_high",
    "relative_percent", "relative_ci_low", "relative_ci_high", "confidence", "all_there", "status", "reason", "remark",
    "source_table", "source_rows",
)  # fmt: skip
DEFINITIONS = ("tgi", "volume", "relative")


def _methods(tumour_tgi: pd.DataFrame, confidence: float, n_boot: int, **_: Any) -> str:
    return (
        "Tumour growth inhibition (TGI) is 100 (1 - mean change of treated / mean change of control tumours) in volume "
        "since each animal's first day, over the animals measured on that day; the same for volumes (1 - T/C) and for "
        f"volumes relative to the start stands beside it. Intervals ({100 * confidence:g} %) are percentiles of "
        f"{n_boot:,} bootstrap samples of animals within arms, expanded for few animals "
        "(doi:10.1080/00031305.2015.1089789); days on which animals are missing are marked, because large tumours "
        "leave first."
    )


@analysis(
    title="Tumour growth inhibition by day",
    methods=_methods,
    formula="TGI = 100 (1 - dT / dC), change from the start; also by volume and by relative volume",
    oracle="DRAP Tumor_1: 23.3, 54.4, 82.8, 91.6 % (tests/assays/test_tumours_shared.py)",
    limits=("Depends on the day and the definition, both of which are given. Not defined where controls do not grow."),
)
def tumour_tgi(tumours: pd.DataFrame, *, confidence: float = 0.95, n_boot: int = 2000, seed: int = 0) -> pd.DataFrame:
    """TGI (per cent) by model, arm and day after the first; columns `COLUMNS`. Control arms have rows too.

    `n` of `n_start` animals were measured on that day (and `n_control` of `n_control_start`); `all_there` is "yes"
    where none is missing. `tgi_percent` compares changes from the start, `volume_percent` volumes, `relative_percent`
    volumes relative to the start. 'not_estimable' without a control or where control tumours do not grow;
    'not_testable' (no interval) with fewer than two animals on a side. Raises NotApplicable without a second day.
    """
    table = volumes(tumours)
    rows: list[dict[str, Any]] = []
    for model, part in table.groupby("model", sort=True):
        arms = parse_arms(list(part["arm"]))
        wide = part.set_index(["subject", "day"])["volume"].unstack("day")  # noqa: PD010  nothing is aggregated
        of = part.drop_duplicates("subject").set_index("subject")["arm"].reindex(wide.index)
        values = wide.to_numpy(dtype=float)
        first = np.array([v[np.isfinite(v)][0] for v in values]) if len(values) else np.zeros(0)
        by_arm = {a: np.flatnonzero(of.to_numpy() == a) for a in arm_order(list(arms))}
        for arm, mine in by_arm.items():
            control = control_of(arms[arm], arms) if arms[arm].parts else ""
            theirs = by_arm.get(control, np.zeros(0, dtype=int))
            for at, day in enumerate(wide.columns):
                if at and np.isfinite(values[mine, at]).any():
                    key = (model, arm, day)
                    rows.append(
                        {
                            "model": model, "arm": arm, "control": control, "day": float(day),
                            **_day(values[:, at], first, mine, theirs, control, confidence, n_boot, seed, key),
                        }
                    )  # fmt: skip
    if not rows:
        raise NotApplicable("no tumour was measured on a second day")
    out = pd.DataFrame(rows)
    out["confidence"] = confidence
    origins = Origins(tumours)
    found = {(m, a, c): origins(m, [a, c]) for m, a, c in out[["model", "arm", "control"]].drop_duplicates().to_numpy()}
    out["source_table"] = "tumours"
    out["source_rows"] = [found[k] for k in zip(out["model"], out["arm"], out["control"], strict=True)]
    return out.loc[:, list(COLUMNS)]


def _inhibition(now: Floats, start: Floats, control_now: Floats, control_start: Floats) -> list[Floats]:
    """TGI by its three definitions, in per cent; the last axis is animals."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = [
            (now - start).mean(-1) / (control_now - control_start).mean(-1),
            now.mean(-1) / control_now.mean(-1),
            (now / start).mean(-1) / (control_now / control_start).mean(-1),
        ]
    return [100 * (1 - r) for r in ratios]


def _tail(confidence: float, n: int, m: int) -> float:
    """Fraction of the bootstrap below the lower limit, expanded for two small groups of n and m animals: percentiles
    of resampled animals are too near by the factor of n - 1 over n, and by Student's t against the normal."""
    from scipy.special import ndtr, stdtrit

    least = min(n, m)
    return float(ndtr(-np.sqrt(least / (least - 1)) * stdtrit(n + m - 2, 0.5 + confidence / 2)))


def _day(
    now: Floats,
    first: Floats,
    mine: np.ndarray[Any, Any],
    theirs: np.ndarray[Any, Any],
    control: str,
    confidence: float,
    n_boot: int,
    seed: int,
    key: tuple[Any, ...],
) -> dict[str, Any]:
    a, c = (at[np.isfinite(now[at])] for at in (mine, theirs))
    found: dict[str, Any] = {
        "n": len(a), "n_start": len(mine), "n_control": len(c), "n_control_start": len(theirs),
        "mean_mm3": float(now[a].mean()), "mean_control_mm3": float(now[c].mean()) if len(c) else NAN,
        "all_there": "yes" if len(a) == len(mine) and len(c) == len(theirs) else "no", "remark": "",
    }  # fmt: skip
    for name in DEFINITIONS:
        stem = "" if name == "tgi" else f"{name}_"
        found |= {f"{name}_percent": NAN, f"{stem}ci_low": NAN, f"{stem}ci_high": NAN}
    if not len(c):
        why = "no control animal was measured on that day" if control else "there is no control arm, or this is it"
        return {**found, "status": "not_estimable", "reason": why}
    grown = now[c] - first[c]
    if not grown.mean() > 0:
        return {**found, "status": "not_estimable", "reason": "the control tumours did not grow"}
    point = _inhibition(now[a], first[a], now[c], first[c])
    for name, value in zip(DEFINITIONS, point, strict=True):
        found[f"{name}_percent"] = float(value) if np.isfinite(value) else NAN
    gone = [
        f"{len(at) - len(left)} of {len(at)} animals of {name} are gone"
        for at, left, name in ((mine, a, key[1]), (theirs, c, control))
        if len(left) < len(at)
    ]
    found["remark"] = "; ".join(gone)
    if min(len(a), len(c)) < 2:
        return {**found, "status": "not_testable", "reason": "fewer than two animals on a side: no interval"}
    rng = rng_of(seed, *key)
    ia, ic = rng.integers(len(a), size=(n_boot, len(a))), rng.integers(len(c), size=(n_boot, len(c)))
    drawn = _inhibition(now[a][ia], first[a][ia], now[c][ic], first[c][ic])
    tail = 100 * _tail(confidence, len(a), len(c))
    for name, value, draws in zip(DEFINITIONS, point, drawn, strict=True):
        stem = "" if name == "tgi" else f"{name}_"
        good = draws[np.isfinite(draws)]
        if np.isfinite(value) and len(good) > n_boot / 2:
            low, high = np.percentile(good, [tail, 100 - tail])
            found[f"{stem}ci_low"], found[f"{stem}ci_high"] = min(float(low), value), max(float(high), value)
    return {**found, "status": "estimated", "reason": ""}
