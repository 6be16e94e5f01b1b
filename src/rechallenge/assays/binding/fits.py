"""From rows to fits: one experiment at a time, by kinetics and at equilibrium, with what a fit is worth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.stats.langmuir import Affinity, Cycle, Kinetics, fit_affinity, fit_kinetics

KINETIC, STEADY = "kinetic", "steady_state"
NAN, INF = float("nan"), float("inf")
#: share of the association, at its end, that is averaged for a response at equilibrium
LAST = 0.1
#: a fit that explains less than this is not of the 1:1 model: mass transport, two sites, a surface that is not clean
MIN_R2 = {KINETIC: 0.8, STEADY: 0.5}
#: with at least so many half-lives of the approach the end of an association is an equilibrium
SETTLED = 3.0


@dataclass(frozen=True)
class Experiment:
    """Rows of one protein, variant, ligand and replicate, blank-subtracted: cycles over time, responses at equilibrium
    (``doses`` in µM and ``levels``), and names of the cycles."""

    cycles: tuple[Cycle, ...]
    names: tuple[str, ...]
    doses: np.ndarray[Any, np.dtype[np.float64]]
    levels: np.ndarray[Any, np.dtype[np.float64]]
    reason: str


def flowing(part: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    """Concentration that flows up to each row of one cycle (sorted by time); None where the rows do not say."""
    dose = part["concentration_um"].to_numpy(dtype=np.float64)
    start, end = part["association_start"].to_numpy(dtype=float), part["association_end"].to_numpy(dtype=float)
    t = part["seconds"].to_numpy(dtype=np.float64)
    if np.isfinite(start).all():
        last = np.where(np.isfinite(end), end, INF)
        return np.where((t > start) & (t <= last), dose, 0.0)
    phase = part["phase"].fillna("").astype(str).str.strip().str.casefold()
    if (phase == "").any():
        return None
    return np.where(phase.str.startswith(("assoc", "on", "inject", "sample")), dose, 0.0)


def experiment(rows: pd.DataFrame, *, subtract_blank: bool) -> Experiment:
    """The cycles and equilibrium responses of one experiment; blanks (concentration 0) are subtracted by time."""
    timed = rows[rows["seconds"].notna()]
    cycles: list[Cycle] = []
    blanks: list[Cycle] = []
    names: list[str] = []
    reason = ""
    for name, part in timed.groupby("cycle", sort=True):
        # replicate readings of one time are averaged; an instrument's phases are kept apart
        part = part.sort_values("seconds", kind="mergesort")
        conc = flowing(part)
        if conc is None:
            reason = "the rows do not say when the ligand flows"
            continue
        t, y = part["seconds"].to_numpy(dtype=np.float64), part["response"].to_numpy(dtype=np.float64)
        one = Cycle(t, y, conc, float(t[0]))
        if part["concentration_um"].max() > 0:
            cycles.append(one)
            names.append(str(name))
        else:
            blanks.append(one)
    if subtract_blank and blanks:
        cycles = [_without(c, blanks) for c in cycles]
    order = sorted(range(len(cycles)), key=lambda i: (float(cycles[i].concentration.max()), names[i]))
    cycles, names = [cycles[i] for i in order], [names[i] for i in order]
    still = rows[rows["seconds"].isna()]
    doses, levels = still["concentration_um"].to_numpy(dtype=float), still["response"].to_numpy(dtype=float)
    if len(still) and subtract_blank and (doses == 0).any():
        levels = levels - levels[doses == 0].mean()
        doses, levels = doses[doses > 0], levels[doses > 0]
    if not len(still):
        doses, levels = _plateaus(cycles)
    return Experiment(tuple(cycles), tuple(names), doses, levels, reason)


def _without(cycle: Cycle, blanks: list[Cycle]) -> Cycle:
    zero = np.mean([np.interp(cycle.time, b.time, b.response) for b in blanks], axis=0)
    return Cycle(cycle.time, cycle.response - zero, cycle.concentration, cycle.start)


def _plateaus(cycles: list[Cycle]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Concentration and mean response over the end of each injection, above what was there before the first."""
    doses, levels = [], []
    for c in cycles:
        before = c.response[: max(int(np.argmax(c.concentration > 0)), 1)]
        for dose in dict.fromkeys(c.concentration[c.concentration > 0].tolist()):
            t, y = c.time[c.concentration == dose], c.response[c.concentration == dose]
            late = t >= t[-1] - LAST * (t[-1] - t[0])
            doses.append(dose)
            levels.append(float(y[late].mean() - before.mean()))
    return np.array(doses, dtype=float), np.array(levels, dtype=float)


def verdict(method: str, kd: float, low: float, high: float, top: float, p: float, r2: float) -> dict[str, Any]:
    """KD with its limits, status and reason: a number only inside what was tested and where the data bound it.

    ``top`` is the highest concentration (µM).
    """
    nothing = {"kd_um": NAN, "ci_low": NAN, "ci_high": NAN, "status": "not_estimable"}
    if not p < 0.05:
        return {**nothing, "reason": f"no binding seen up to {top:.3g} µM"}
    if r2 < MIN_R2[method]:
        return {**nothing, "reason": f"a 1:1 model explains {100 * max(r2, 0):.0f} % of the signal"}
    if kd > top or not np.isfinite(high):
        share = f"{100 * top / (top + kd):.0f} % saturation" if np.isfinite(kd) else "no saturation"
        why = f"the highest concentration, {top:.3g} µM, reaches {share}: a lower bound"
        bound = low if low > 0 else NAN
        if bound != bound:
            return {**nothing, "reason": f"neither side of KD is bounded by concentrations up to {top:.3g} µM"}
        return {"kd_um": NAN, "ci_low": bound, "ci_high": INF, "status": "censored", "reason": why}
    if low <= 0:
        why = "dissociation is too slow, or saturation too complete, to measure: an upper bound"
        return {"kd_um": NAN, "ci_low": 0.0, "ci_high": high, "status": "censored", "reason": why}
    return {"kd_um": kd, "ci_low": low, "ci_high": high, "status": "estimated", "reason": ""}


def kinetic(
    one: Experiment, *, drift: bool, shared_rmax: bool, confidence: float
) -> tuple[dict[str, Any], Kinetics | None]:
    """The kinetic fit of an experiment as a row, and the fit."""
    base = {"method": KINETIC, "n_cycles": len(one.cycles)}
    doses = [float(d) for c in one.cycles for d in c.concentration[c.concentration > 0]]
    if not doses:
        return {**base, **_failed(one.reason or "no association phase with ligand")}, None
    try:
        fit = fit_kinetics(one.cycles, drift=drift, shared_rmax=shared_rmax, confidence=confidence)
    except ValueError as e:
        return {**base, **_failed(str(e))}, None
    top, bottom = max(doses), min(doses)
    row = {
        **base,
        **verdict(KINETIC, fit.kd_um, fit.ci_low, fit.ci_high, top, fit.p_binding, fit.r2),
        "ka_per_um_s": fit.ka, "kd_per_s": fit.kd, "se_log_ka": fit.se_log_ka, "se_log_kd": fit.se_log_kd,
        "half_life_s": np.log(2) / fit.kd, "rmax": max(fit.rmax), "drift_per_s": float(np.mean(fit.drift)),
        "r2": fit.r2, "n_points": fit.n, "n_effective": fit.n_effective, "p_value": fit.p_binding,
        "c_low_um": bottom, "c_high_um": top, "saturation": top / (top + fit.kd_um),
    }  # fmt: skip
    if row["status"] != "estimated":
        row |= {"ka_per_um_s": NAN, "kd_per_s": NAN, "half_life_s": NAN, "rmax": NAN}
    return row, fit


def steady(
    one: Experiment, fit: Kinetics | None, *, offset: bool, confidence: float, equilibrium: bool = True
) -> tuple[dict[str, Any], Affinity | None]:
    """The fit at equilibrium as a row, and the fit; says where the injections were too short for an equilibrium.

    With ``equilibrium`` such a row has no KD and says what the hyperbola of the responses as they are would give;
    without, the row has that KD, and the reason still says what it is.
    """
    base = {"method": STEADY, "n_cycles": len(one.cycles) or len(one.doses)}
    if len(one.doses) == 0:
        return {**base, **_failed(one.reason or "no response at equilibrium")}, None
    top, bottom = float(one.doses.max()), float(one.doses[one.doses > 0].min(initial=INF))
    try:
        found = fit_affinity(one.doses, one.levels, offset=offset, confidence=confidence)
    except ValueError as e:
        return {**base, **_failed(str(e)), "c_low_um": bottom, "c_high_um": top}, None
    row = {
        **base,
        **verdict(STEADY, found.kd_um, found.ci_low, found.ci_high, top, found.p_binding, found.r2),
        "rmax": found.rmax, "r2": found.r2, "n_points": found.n, "n_effective": float(found.n),
        "p_value": found.p_binding, "c_low_um": bottom, "c_high_um": top, "saturation": top / (top + found.kd_um),
    }  # fmt: skip
    if row["status"] != "estimated":
        row["rmax"] = NAN
    elif fit is not None and one.cycles:
        lasting = min(_association(c) for c in one.cycles)
        halves = lasting * (fit.ka * bottom + fit.kd)
        if halves < SETTLED:
            share = 100 * (1 - np.exp(-halves))
            why = (
                f"the injections of {lasting:.3g} s end before equilibrium: {share:.0f} % of it is reached at the "
                "lowest concentration"
            )
            if equilibrium:
                row |= {"kd_um": NAN, "ci_low": NAN, "ci_high": NAN, "status": "not_estimable"}
                why += f"; the responses as they are would give {found.kd_um:.3g} µM"
            else:
                why += ", so that KD comes out too high"
            row["reason"] = why
    return row, found


def _association(cycle: Cycle) -> float:
    t = cycle.time[cycle.concentration > 0]
    return float(np.ptp(t)) if t.size else 0.0


def _failed(reason: str) -> dict[str, Any]:
    return {"kd_um": NAN, "ci_low": NAN, "ci_high": NAN, "status": "not_estimable", "reason": reason}


def curves(one: Experiment, fit: Kinetics | None, found: Affinity | None) -> Iterator[pd.DataFrame]:
    """Points and fits for drawing, at most 120 a cycle."""
    for i, c in enumerate(one.cycles):
        step = max(1, c.time.size // 120)
        at = slice(None, None, step)
        yield pd.DataFrame(
            {
                "part": KINETIC, "cycle": one.names[i], "concentration_um": float(c.concentration.max()),
                "seconds": c.time[at] - c.start, "response": c.response[at],
                "fitted": fit.fitted[i][at] if fit is not None else NAN,
            }
        )  # fmt: skip
    if len(one.doses):
        level = found.rmax * one.doses / (found.kd_um + one.doses) + found.offset if found is not None else NAN
        yield pd.DataFrame(
            {"part": STEADY, "cycle": "", "concentration_um": one.doses, "seconds": NAN, "response": one.levels,
             "fitted": level}
        )  # fmt: skip
