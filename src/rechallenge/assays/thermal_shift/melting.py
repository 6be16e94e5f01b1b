"""Melting curves of a proteome: F test with empirical degrees of freedom, shift of the curve, Tm.

The test and the effect are separate on purpose: the F test (NPARC) sees any change of the curve, whereas a melting
point needs a curve that crosses one half within the tested range in every replicate; Tm is descriptive.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge.assays.thermal_shift.prepare import Comparison
from rechallenge.stats.melt import FTest, Melts, f_test, fit_melts, melting_point, refine
from rechallenge.stats.moderated import fit, moderate
from rechallenge.stats.pooled_null import pooled_p

Floats = NDArray[np.float64]
#: a replicate's melting point is believed where its curve explains this much
MIN_R2 = 0.5
#: fewest proteins with the same number of measurements from which degrees of freedom are learnt
MIN_GROUP = 100
#: most exchanges of runs that make the null distribution
MAX_EXCHANGES = 4


@dataclass(frozen=True)
class Curves:
    """Complete curves of runs: ``values`` [p, r, t] (nan where a run is incomplete), ``treated`` [r], ``replicate``
    [r] and the temperatures [t] that all runs share."""

    values: Floats
    treated: NDArray[np.bool_]
    replicate: tuple[str, ...]
    temperature: Floats


def curves_of(one: Comparison) -> Curves:
    """Runs over the temperatures that all of them share; a run with a missing value is left out for that protein."""
    runs, t = one.runs, one.temperature
    names = np.unique(runs)
    shared = sorted(set.intersection(*(set(t[runs == r].tolist()) for r in names)))
    values = np.stack(
        [np.stack([one.values[:, (runs == r) & (t == level)][:, 0] for level in shared], axis=1) for r in names], axis=1
    )
    values[~np.isfinite(values).all(axis=2)] = np.nan
    first = [int(np.flatnonzero(runs == r)[0]) for r in names]
    labels = tuple(str(one.samples["replicate"].iloc[i]) for i in first)
    return Curves(values, one.treated[first], labels, np.array(shared))


def melting(one: Comparison, *, min_replicates: int, confidence: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Results per protein (in the order of `one.proteins`) and fitted curves per protein and arm."""
    data = curves_of(one)
    p, _, m = data.values.shape
    there = np.isfinite(data.values[:, :, 0])
    n_vehicle, n_treated = there[:, ~data.treated].sum(axis=1), there[:, data.treated].sum(axis=1)
    flat = data.values.reshape(p, -1)
    t = np.tile(data.temperature, len(data.treated))
    arm = np.repeat(data.treated, m)
    null = fit_melts(flat, t)
    arms, alternative = _two_curves(flat, t, arm, null)
    out = pd.DataFrame({"protein": one.proteins, "gene": one.genes})
    out["n_vehicle"], out["n_treated"] = n_vehicle, n_treated
    out["n"] = n_vehicle + n_treated
    out["rss_null"], out["rss_alternative"] = null.rss, alternative
    enough = (n_vehicle >= min_replicates) & (n_treated >= min_replicates)
    for name in ("f_statistic", "df1", "df2", "p_value"):
        out[name] = np.nan
    out["status"], out["reason"] = "not_testable", ""
    few = f"fewer than {min_replicates} complete curves in an arm"
    out.loc[~enough, "reason"] = few
    out.loc[(n_vehicle == 0) | (n_treated == 0), ["status", "reason"]] = [
        "not_estimable",
        "no complete curve in an arm",
    ]
    points = null.n
    for size in np.unique(points[enough]):
        group = enough & (points == size)
        found: FTest | None = None
        if group.sum() >= MIN_GROUP or group.sum() == enough.sum():
            try:
                found = f_test(null.rss[group], alternative[group])
            except ValueError as e:
                out.loc[group, "reason"] = str(e)
        else:
            out.loc[group, "reason"] = (
                f"only {int(group.sum())} proteins have {int(size)} measurements: too few to learn degrees of freedom"
            )
        if found is not None:
            out.loc[group, "f_statistic"], out.loc[group, "p_value"] = found.statistic, found.p_value
            out.loc[group, ["df1", "df2"]] = [found.df1, found.df2]
            tested = group & np.isfinite(out["p_value"].to_numpy())
            out.loc[tested, ["status", "reason"]] = ["estimated", ""]
    _exchanged(out, data, flat, t, null)
    _shift(out, data, confidence)
    _points(out, data, confidence)
    for a, name in ((False, "vehicle"), (True, "treated")):
        out[f"r2_{name}"] = arms[a].r2
    return out, _arms(one, arms)


def _two_curves(flat: Floats, t: Floats, arm: NDArray[np.bool_], null: Melts) -> tuple[dict[bool, Melts], Floats]:
    """One curve per arm of columns, and the sum of their residual sums of squares [p]."""
    arms = {a: fit_melts(flat[:, arm == a], t[arm == a]) for a in (False, True)}
    total = np.zeros(len(flat))
    for a in (False, True):
        # the null's curve is one that the alternative may take: it can never fit worse
        params, rss = refine(flat[:, arm == a], t[arm == a], null.params)
        better = ~(arms[a].rss <= rss) & np.isfinite(rss)
        arms[a].params[better], arms[a].rss[better] = params[better], rss[better]
        total = total + arms[a].rss
    return arms, total


def exchanges(treated: NDArray[np.bool_], replicate: tuple[str, ...]) -> Iterator[NDArray[np.bool_]]:
    """Other ways to part the runs into two arms of the same sizes, each with its share of treated and vehicle runs.

    Where every treated run has the vehicle run of its replicate, treatment is exchanged within replicates (so batches
    stay balanced); else between any runs. The most balanced partings come first, each once and not with its mirror
    image, at most `MAX_EXCHANGES`. None with one run an arm: their exchange is the mirror image.
    """
    t, v = ([int(i) for i in np.flatnonzero(treated == a)] for a in (True, False))
    labels = [replicate[i] for i in t], [replicate[i] for i in v]
    paired = sorted(labels[0]) == sorted(labels[1]) and len(set(labels[0])) == len(t)
    found: list[tuple[float, tuple[int, ...]]] = []
    wanted = len(t) ** 2 / len(treated)  # treated runs in the first arm when both arms have their share
    for k in range(1, min(len(t), len(v)) + 1):
        if paired:
            partner = {i: int(v[labels[1].index(replicate[i])]) for i in t}
            sets = [tuple(sorted({*t} - {*s} | {partner[i] for i in s})) for s in combinations(t, k)]
        else:
            sets = [tuple(sorted({*t} - {*a} | {*b})) for a in combinations(t, k) for b in combinations(v, k)]
        found += [(abs(len(t) - k - wanted), s) for s in sets]
    seen = {tuple(t), tuple(v)}
    given = 0
    for _, first in sorted(found):
        mirror = tuple(i for i in range(len(treated)) if i not in first)
        if first in seen or (len(first) == len(mirror) and mirror in seen):
            continue
        seen.add(first)
        arm = np.zeros(len(treated), dtype=bool)
        arm[list(first)] = True
        yield arm
        given += 1
        if given == MAX_EXCHANGES:
            return


def _exchanged(out: pd.DataFrame, data: Curves, flat: Floats, t: Floats, null: Melts) -> None:
    """p of the same F against the F of the same proteins with runs exchanged between the arms, over all proteins.

    It takes the distribution of F from the experiment itself: points of one run are correlated and runs differ, which
    an F distribution with degrees of freedom common to all proteins does not hold (see `f_test`).
    """
    out["p_exchanged"] = np.nan
    whole = np.isfinite(flat).all(axis=1) & out["p_value"].notna().to_numpy()
    if whole.sum() < MIN_GROUP:
        return
    part = Melts(null.params[whole], null.rss[whole], null.n[whole], null.r2[whole])
    size = data.values.shape[2]
    pool = [
        np.log(part.rss / _two_curves(flat[whole], t, np.repeat(arm, size), part)[1])
        for arm in exchanges(data.treated, data.replicate)
    ]
    if pool:
        f = np.log(out["rss_null"].to_numpy() / out["rss_alternative"].to_numpy())[whole]
        out.loc[whole, "p_exchanged"] = pooled_p(f, np.concatenate(pool))


def _moderated(values: Floats, treated: NDArray[np.bool_], confidence: float) -> tuple[Floats, Floats, Floats, Floats]:
    """Treated minus vehicle of values [p, r] with moderated standard error and interval; nan where undetermined."""
    design = np.column_stack([np.ones(len(treated)), treated.astype(float)])
    fitted = fit(values, design)
    try:
        found = moderate(fitted, np.array([0.0, 1.0]), confidence=confidence)
    except ValueError:  # no protein varies between replicates, or there are none
        nothing = np.full(len(values), np.nan)
        return fitted.coef[:, 1], nothing, nothing, nothing
    # one curve an arm has a variance by the prior alone: no interval is claimed for it
    alone = fitted.df <= 0
    se, low, high = (np.where(alone, np.nan, v[:, 0]) for v in (found.se, found.ci_low, found.ci_high))
    return found.effect[:, 0], se, low, high


def _shift(out: pd.DataFrame, data: Curves, confidence: float) -> None:
    """Mean fraction soluble over the temperatures, treated minus vehicle; replicates as the unit."""
    means = data.values.mean(axis=2)
    effect, se, low, high = _moderated(means, data.treated, confidence)
    out["effect"], out["se"], out["ci_low"], out["ci_high"] = effect, se, low, high
    out["effect_unit"] = "fraction soluble, mean over temperatures"


def _points(out: pd.DataFrame, data: Curves, confidence: float) -> None:
    """Melting points of every run, their difference, and what is known of it."""
    p, r, m = data.values.shape
    runs: Melts = fit_melts(data.values.reshape(p * r, m), data.temperature)
    low, high = float(data.temperature.min()), float(data.temperature.max())
    tm = melting_point(runs.params).reshape(p, r)
    r2 = runs.r2.reshape(p, r)
    there = np.isfinite(data.values[:, :, 0])
    with np.errstate(invalid="ignore"):
        inside = there & (tm >= low) & (tm <= high) & (r2 >= MIN_R2)
        # half is still soluble at the highest temperature: the melting point lies above it
        above = there & ~inside & (data.values[:, :, -1] > 0.5)
    counted = {a: there[:, data.treated == a].sum(axis=1) for a in (False, True)}
    good = {a: (inside[:, data.treated == a].sum(axis=1) == counted[a]) & (counted[a] > 0) for a in (False, True)}
    beyond = {a: (above[:, data.treated == a].sum(axis=1) == counted[a]) & (counted[a] > 0) for a in (False, True)}
    usable = np.where(inside, tm, np.nan)
    both = good[False] & good[True]
    effect, _, ci_low, ci_high = _moderated(np.where(both[:, None], usable, np.nan), data.treated, confidence)
    mean: dict[bool, Any] = {}
    for a in (False, True):
        part = usable[:, data.treated == a]
        count = np.isfinite(part).sum(axis=1)
        mean[a] = np.divide(np.nansum(part, axis=1), count, out=np.full(p, np.nan), where=(count > 0) & good[a])
    out["tm_vehicle_c"], out["tm_treated_c"] = mean[False], mean[True]
    out["delta_tm_c"], out["delta_tm_low"], out["delta_tm_high"] = effect, ci_low, ci_high
    out["tm_status"], out["tm_reason"] = "estimated", ""
    neither = ~both
    out.loc[neither, "tm_status"] = "not_estimable"
    out.loc[neither, "tm_reason"] = f"a curve does not cross one half within {low:g} to {high:g} °C in every replicate"
    out.loc[neither, ["delta_tm_c", "delta_tm_low", "delta_tm_high"]] = np.nan
    up, down = good[False] & beyond[True], good[True] & beyond[False]
    out.loc[up, "delta_tm_low"] = high - mean[False][up]
    out.loc[up, "delta_tm_high"] = np.inf
    out.loc[down, "delta_tm_high"] = mean[True][down] - high
    out.loc[down, "delta_tm_low"] = -np.inf
    out.loc[up | down, "tm_status"] = "censored"
    out.loc[up | down, "tm_reason"] = f"half of it is still soluble at {high:g} °C in one arm: a bound"


def _arms(one: Comparison, arms: dict[bool, Melts]) -> pd.DataFrame:
    """The curve of each protein and arm: plateau, a, b, tm_c, r2."""
    parts = []
    for a, fitted in arms.items():
        part = pd.DataFrame({"protein": one.proteins, "arm": one.treatment if a else "vehicle"})
        part[["plateau", "a", "b"]] = fitted.params
        part["tm_c"], part["r2"] = melting_point(fitted.params), fitted.r2
        parts.append(part)
    return pd.concat(parts, ignore_index=True)
