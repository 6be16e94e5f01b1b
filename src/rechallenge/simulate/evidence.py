"""Simulated streams of evidence with a planted driver, passengers, clonal drift and prognostic confounders.

Eight streams in five families, as a study of two resistant lines brings them out: bulk RNA of both lines (they share
their parental wells), single cells of the same lines, stages of escalation, metabolites about an enzyme, responders
beside non-responders, survival, and a perturbation screen of some of the genes. Effect sizes are assumptions, named in
`Scenario`; the driver is coherent over families, which favours every method that sums.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special, stats

from rechallenge import evidence

Floats = NDArray[np.float64]

#: stream -> (stream of Evidence, its level, model, analysis)
STREAMS: Mapping[str, tuple[str, str, str, str]] = {
    "first line": ("expression", "association", "LR", "differential"),
    "second line": ("expression", "association", "SR", "differential"),
    "single cells": ("cells", "association", "LR", "cell_states"),
    "stages": ("expression", "gradient", "LR", "stages"),
    "metabolites": ("atlas", "association", "LR", "enzymes"),
    "response": ("clinical", "clinical", "cohort", "response"),
    "survival": ("clinical", "clinical", "cohort", "survival"),
    "perturbation": ("measurements", "intervention", "LR", "comparisons"),
}
#: streams of one family, by position in `STREAMS`
CELL_STREAMS = (0, 1, 2, 3)
RESPONSE, SURVIVAL, PERTURBATION = 5, 6, 7


@dataclass(frozen=True)
class Scenario:
    """What is planted. `effect` multiplies every effect of the driver; `drift` is the SD (log2) of clonal changes in
    each line; `passengers` and `confounders` (genes that are prognostic, and some that change as well, without driving)
    may be left out; `silent_rna` leaves the driver's RNA unchanged; `clinic` is "informative", "silent" (the driver
    does not show in patients, confounders do), "absent" (no cohort), "noise" (both cohorts say nothing of any gene) or
    "wrong" (the driver's hazard points the other way). With ``followed`` genes nothing is screened: that many genes
    that look best in both lines and in survival are knocked down, the driver among them in four of five studies, and a
    fifth of them has an effect that has nothing to do with resistance."""

    driver: bool = True
    effect: float = 1.0
    drift: float = 0.35
    passengers: bool = True
    confounders: bool = True
    silent_rna: bool = False
    clinic: str = "informative"
    genes: int = 8000
    replicates: int = 2
    coverage: float = 0.15
    followed: int = 0


SCENARIOS: Mapping[str, Scenario] = {
    "base": Scenario(),
    "weak": Scenario(effect=0.75),
    "drift": Scenario(drift=0.6),
    "no clinic": Scenario(clinic="silent"),
    "no mRNA": Scenario(silent_rna=True),
    "cohorts noise": Scenario(clinic="noise"),
    "survival wrong sign": Scenario(clinic="wrong"),
    "three followed": Scenario(followed=3),
}
#: no driver anywhere: nothing at all; passengers; passengers, prognostic genes and genes that are both; and the best of
#: these followed
NULLS: Mapping[str, Scenario] = {
    "N0": Scenario(driver=False, passengers=False, confounders=False, drift=0.0),
    "N1": Scenario(driver=False, confounders=False),
    "N2": Scenario(driver=False),
    "N2, three followed": Scenario(driver=False, followed=3),
}


@dataclass(frozen=True)
class Streams:
    """``z`` [genes, 8] in the order of `STREAMS`, positive where high promotes resistance, NaN where not measured;
    ``log2fc`` [genes, 2] of the bulk RNA of both lines; ``driver`` the planted gene (-1: none); ``metabolic`` whether
    it is an enzyme with measured metabolites."""

    z: Floats
    log2fc: Floats
    driver: int
    metabolic: bool


def streams(scenario: Scenario, *, seed: int) -> Streams:
    """One simulated study; the same seed gives the same numbers."""
    rng = np.random.default_rng(seed)
    s, g = scenario, scenario.genes
    sd = np.sqrt(stats.invgamma.rvs(6, scale=0.3, size=g, random_state=rng))
    enzymes = np.sort(rng.choice(g, round(g * 0.1875), replace=False))
    metabolic = bool(rng.random() < 0.5)
    others = np.setdiff1d(np.arange(g), enzymes)
    driver = int(rng.choice(enzymes if metabolic else others)) if s.driver else -1
    truth = _truth(s, driver, rng)
    z = np.full((g, len(STREAMS)), np.nan)
    log2fc = np.empty((g, 2))
    n = s.replicates
    parent = rng.normal(size=(g, n)) * sd[:, None]
    for j, line in enumerate(("first", "second")):
        resistant = truth[line][:, None] + rng.normal(size=(g, n)) * sd[:, None]
        log2fc[:, j], z[:, j] = _moderated(parent, resistant)
    wells = [rng.normal(0, 1.3, (g, 3)) * sd[:, None] for _ in range(2)]
    z[:, 2] = _moderated(wells[0], wells[1] + truth["first"][:, None])[1]
    z[:, 3] = _stages(truth["first"], sd, rng)
    z[enzymes, 4] = _metabolites(s, enzymes, driver if metabolic else -1, rng)
    # bulk tumours share a factor (tumour content): response and survival are correlated between genes
    shared = rng.normal(size=g) * (0.5 if s.passengers else 0.0)
    z[:, RESPONSE] = truth["response"] / np.sqrt(1 / 21 + 1 / 46) + rng.normal(size=g) + 0.6 * shared
    z[:, SURVIVAL] = truth["hazard"] * np.sqrt(130.0) + rng.normal(size=g) + 0.8 * shared
    if s.clinic == "absent":
        z[:, [RESPONSE, SURVIVAL]] = np.nan
    if s.followed:
        covered = _followed(s, z, driver, truth["perturbation"], rng)
    else:
        covered = rng.random(g) < s.coverage
        if driver >= 0 and rng.random() < 0.6:
            covered[driver] = True
    z[covered, PERTURBATION] = truth["perturbation"][covered] + rng.normal(size=int(covered.sum()))
    return Streams(z, log2fc, driver, metabolic and s.driver)


def evidence_table(simulated: Streams) -> pd.DataFrame:
    """The same streams as rows of Evidence, genes named G0, G1, ..."""
    parts = []
    for j, (stream, level, model, analysis) in enumerate(STREAMS.values()):
        at = np.flatnonzero(np.isfinite(simulated.z[:, j]))
        value = simulated.z[at, j]
        part = pd.DataFrame({"entity": [f"G{i}" for i in at], "effect": value, "statistic": value})
        part["p_value"] = 2 * special.ndtr(-np.abs(value))
        part["direction"] = np.where(value >= 0, 1, -1)
        parts.append(part.assign(stream=stream, level=level, model=model, analysis=analysis, contrast=analysis))
    table = pd.concat(parts, ignore_index=True)
    table = table.assign(entity_type="gene", effect_unit="z", status="estimated", n=6.0)
    table["claim"] = table["entity"] + " in " + table["analysis"]
    return evidence.check(evidence._typed(table.reindex(columns=list(evidence.COLUMNS))))


def _truth(s: Scenario, driver: int, rng: np.random.Generator) -> dict[str, Floats]:
    """True log2 changes of both lines, effect in responders (SD), log hazard per SD, effect of perturbation (z)."""
    g = s.genes

    def some(share: float) -> NDArray[np.int64]:
        return rng.choice(g, int(share * g), replace=False)

    drift = rng.normal(0, 1, (2, g)) * s.drift
    changed, hazard, response, perturbation = np.zeros((4, g))
    if s.passengers:
        at = some(0.08)
        changed[at] = rng.normal(0, 1.2, len(at))
        at = some(0.05)
        response[at] = rng.normal(0, 0.4, len(at))
        at = some(0.02)
        perturbation[at] = rng.normal(0, 2, len(at))
    if s.confounders:
        at = some(0.25)
        hazard[at] = rng.normal(0, 0.22, len(at))
        at = some(0.03)  # proliferation, dedifferentiation: they change and are prognostic, and drive nothing
        sign = rng.choice([-1, 1], len(at))
        changed[at] += sign * np.abs(rng.normal(0.8, 0.3, len(at)))
        hazard[at] += sign * np.abs(rng.normal(0.25, 0.1, len(at)))
    first, second = drift[0] + changed, drift[1] + changed
    if s.clinic == "noise":
        response[:], hazard[:] = 0.0, 0.0
    if driver >= 0:
        first[driver], second[driver] = (0.0, 0.0) if s.silent_rna else (1.3 * s.effect, 1.1 * s.effect)
        perturbation[driver] = 3.0 * s.effect
        response[driver], hazard[driver] = 0.0, 0.0
        if s.clinic not in ("noise", "silent"):
            response[driver] = 0.65 * s.effect
            hazard[driver] = 0.28 * s.effect * (-1 if s.clinic == "wrong" else 1)
    return {
        "first": first, "second": second, "response": response, "hazard": hazard, "perturbation": perturbation,
    }  # fmt: skip


def _followed(s: Scenario, z: Floats, driver: int, perturbation: Floats, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which genes [genes] are followed, chosen as papers choose; ``perturbation`` is changed in place."""
    best = np.argsort(-np.nansum(z[:, [0, 1, SURVIVAL]], axis=1))[: s.followed]
    if driver >= 0 and driver not in best and rng.random() < 0.8:
        best[-1] = driver
    for gene in best[best != driver]:
        perturbation[gene] = rng.normal(0, 2) * (rng.random() < 0.2)
    covered = np.zeros(len(z), dtype=bool)
    covered[best] = True
    return covered


def _metabolites(s: Scenario, enzymes: NDArray[np.int64], driver: int, rng: np.random.Generator) -> Floats:
    """z of each enzyme from three metabolites of 300, of which a fifth change for reasons of their own."""
    level = rng.normal(size=300)
    if s.passengers:
        at = rng.choice(300, 60, replace=False)
        level[at] += rng.normal(0, 2, 60)
    neighbours = rng.integers(0, 300, (len(enzymes), 3))
    if driver >= 0:
        level[neighbours[np.searchsorted(enzymes, driver)]] += 2.2 * s.effect
    return np.asarray(level[neighbours].sum(axis=1) / np.sqrt(3))


def _stages(change: Floats, sd: Floats, rng: np.random.Generator) -> Floats:
    """z of the slope over four stages with one sample each."""
    x = np.array([0, 0.33, 0.66, 1.0])
    y = change[:, None] * x + rng.normal(size=(len(sd), 4)) * sd[:, None]
    centred = x - x.mean()
    slope = y @ centred / (centred @ centred)
    rest = y - y.mean(axis=1, keepdims=True) - slope[:, None] * centred
    variance = (rest**2).sum(axis=1) / 2
    pooled = (4 * np.median(variance) * 1.2 + 2 * variance) / 6
    return _z(slope / np.sqrt(pooled / (centred @ centred)), 6)


def _moderated(a: Floats, b: Floats, prior: float = 4.0) -> tuple[Floats, Floats]:
    """log2 change and z of a t-test with variances drawn to a common one with ``prior`` degrees of freedom."""
    na, nb = a.shape[1], b.shape[1]
    df = na + nb - 2
    squares = ((a - a.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    squares += ((b - b.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    variance = squares / df
    common = np.exp(np.mean(np.log(variance + 1e-9)) + np.log(df / 2) - special.digamma(df / 2))
    pooled = (prior * common + df * variance) / (prior + df)
    change = b.mean(axis=1) - a.mean(axis=1)
    return change, _z(change / np.sqrt(pooled * (1 / na + 1 / nb)), prior + df)


def _z(t: Floats, df: float) -> Floats:
    """Normal deviate with the same tail as t."""
    return np.asarray(np.sign(t) * -special.ndtri_exp(stats.t.logsf(np.abs(t), df)))
