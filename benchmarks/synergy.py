"""Bias, coverage and false positives of combination scores on simulated surfaces with known truth.

Usage: python -m benchmarks.synergy [N] [--intervals]

N simulated studies per row (default 60). A matrix of 5 x 5 combinations in 4-fold steps with both single agents, wells
with SD 0.04 of the control in duplicate, biological replicates that differ in log10 EC50 with SD 0.08 (both drugs
independently). Truth is the excess of the surface without noise and spread. 'bias': mean score - truth, per cent of
inhibition; 'cover': share of 95 % intervals that hold the truth; 'rejects': share of p <= 0.05 for the score;
'surface': the same for the surface test; 'cells': share of combinations with q <= 0.05; all among studies with an
estimate. 'no number': share typed not estimable or a bound. Where truth is 0, 'rejects', 'surface' and 'cells' are
false positives. Method 'ci': log CI at 50 % effect on the diagonal ray; 'braid': log(1 + kappa / 2); both have truth
and bias on their log scale, 0 at additivity. Without a truth it is nan.
--intervals adds the other interval methods.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rechallenge.stats.synergy.braid import braid, fit_braid
from rechallenge.stats.synergy.cells import cell_tests, surface_test
from rechallenge.stats.synergy.chou import combination_index
from rechallenge.stats.synergy.excess import Method
from rechallenge.stats.synergy.inference import INTERVALS, Interval, score
from rechallenge.stats.synergy.reference import Hill, loewe
from rechallenge.stats.synergy.types import Surface, collect

Floats = NDArray[np.float64]
Truth = Callable[[Floats, Floats, Hill, Hill], Floats]
STEPS = np.concatenate([[0.0], 0.125 * 4.0 ** np.arange(5)])
A, B = np.meshgrid(STEPS, STEPS, indexing="ij")
DOSE_A, DOSE_B = A.ravel(), B.ravel()


def as_bliss(x: Floats, y: Floats, a: Hill, b: Hill) -> Floats:
    return 1 - (1 - a.effect(x)) * (1 - b.effect(y))


def as_hsa(x: Floats, y: Floats, a: Hill, b: Hill) -> Floats:
    return np.maximum(a.effect(x), b.effect(y))


def as_loewe(x: Floats, y: Floats, a: Hill, b: Hill) -> Floats:
    return loewe(x, y, a, b)[0]


def _shifted(x: Floats, y: Floats, a: Hill, b: Hill, power: Floats) -> Floats:
    """Bliss with the surviving share of combinations raised to a power: above 1 synergy, below 1 antagonism."""
    both = (x > 0) & (y > 0)
    return 1 - (1 - as_bliss(x, y, a, b)) ** np.where(both, power, 1.0)


def synergy(x: Floats, y: Floats, a: Hill, b: Hill) -> Floats:
    return _shifted(x, y, a, b, np.asarray(1.5))


def antagonism(x: Floats, y: Floats, a: Hill, b: Hill) -> Floats:
    return _shifted(x, y, a, b, np.asarray(0.6))


def mixed(x: Floats, y: Floats, a: Hill, b: Hill) -> Floats:
    return _shifted(x, y, a, b, np.where(x * y > 1.0, 1.8, 0.4))


@dataclass(frozen=True)
class Scenario:
    name: str
    truth: Truth
    methods: tuple[Method, ...]
    einf: tuple[float, float] = (1.0, 1.0)


ALL: tuple[Method, ...] = ("hsa", "bliss", "loewe", "zip")
SCENARIOS = (
    Scenario("HSA-additive", as_hsa, ("hsa",)),
    Scenario("Bliss-additive", as_bliss, ("bliss", "zip")),
    Scenario("Loewe-additive", as_loewe, ("loewe",)),
    Scenario("Bliss, Einf 0.7, 0.8", as_bliss, ("bliss", "zip"), (0.7, 0.8)),
    Scenario("synergistic", synergy, ALL),
    Scenario("antagonistic", antagonism, ALL),
    Scenario("mixed sign", mixed, ("bliss", "zip")),
    Scenario("drug A flat", as_bliss, ALL, (0.0, 0.9)),
)


def curves(scenario: Scenario, shift: tuple[float, float] = (0.0, 0.0)) -> tuple[Hill, Hill]:
    one = np.float64(1.0)
    return (
        Hill(scenario.einf[0] * one, 2.0 * 10 ** shift[0] * one, 1.3 * one),
        Hill(scenario.einf[1] * one, 1.0 * 10 ** shift[1] * one, 1.0 * one),
    )


def simulate(
    scenario: Scenario, replicates: int, rng: np.random.Generator, *, sd: float = 0.04, spread: float = 0.08
) -> Surface:
    """One study: wells in duplicate of every combination in every biological replicate."""
    doses_a, doses_b, effects, labels = [], [], [], []
    for r in range(replicates):
        a, b = curves(scenario, tuple(rng.normal(0, spread, 2)) if spread else (0.0, 0.0))
        mean = scenario.truth(DOSE_A, DOSE_B, a, b)
        for _ in range(2):
            doses_a.append(DOSE_A)
            doses_b.append(DOSE_B)
            effects.append(mean + rng.normal(0, sd, mean.size))
            labels.append(np.full(mean.size, r))
    return collect([np.concatenate(doses_a), np.concatenate(doses_b)], np.concatenate(effects), np.concatenate(labels))


def braid_surface(kappa: float) -> Truth:
    def truth(x: Floats, y: Floats, a: Hill, b: Hill) -> Floats:
        ends = float(a.einf), float(b.einf)
        return braid(x, y, float(a.ec50), float(b.ec50), float(a.h), float(b.h), kappa, 0.0, *ends)

    return truth


PARAMETRIC = (
    (Scenario("Loewe-additive", as_loewe, ()), "ci", 0.0),
    (Scenario("drug A flat", as_bliss, (), (0.0, 0.9)), "ci", np.nan),
    *(
        (Scenario(f"BRAID, kappa {k:g}", braid_surface(k), ()), "braid", float(np.log1p(k / 2)))
        for k in (0.0, 2.0, -1.0)
    ),
    (Scenario("drug A flat", as_bliss, (), (0.0, 0.9)), "braid", np.nan),
)


def parametric_row(scenario: Scenario, kind: str, truth: float, replicates: int, n: int, seed: int) -> str:
    covered, bias, rejected, typed = [], [], [], 0
    for i in range(n):
        study = simulate(scenario, replicates, np.random.default_rng([seed, replicates, i]))
        if kind == "ci":
            c = combination_index(study, effects=0.5, seed=i)
            status, found = c.status, (c.ci[0], c.ci_low[0], c.ci_high[0])
            p = float(c.p_value[0])
        else:
            f = fit_braid(study, seed=i)
            status, found, p = f.status, tuple(1 + v / 2 for v in (f.kappa, f.ci_low, f.ci_high)), f.p_value
        if status in ("not_estimable", "bound"):
            typed += 1
            continue
        value, low, high = np.log(found)
        if np.isfinite(truth):
            bias.append(value - truth)
            covered.append(low <= truth <= high)
        rejected.append(p <= 0.05)
    known = f"{np.mean(bias):+7.3f} {100 * np.mean(covered):7.1f}" if bias else f"{'-':>7} {'-':>7}"
    tested = f"{100 * np.mean(rejected):7.1f}" if rejected else f"{'-':>7}"
    line = f"{scenario.name:<22}{kind:<7}{replicates:>2}  {'jackknife':<12}{truth:>7.2f} {known} {tested}"
    return f"{line} {'-':>7} {'-':>7} {100 * typed / n:9.1f}"


def true_score(scenario: Scenario, method: Method) -> float:
    """Mean excess of the surface itself, per cent; the ZIP surface is fitted to noiseless data."""
    from rechallenge.stats.synergy.excess import excess

    a, b = curves(scenario)
    mean = scenario.truth(DOSE_A, DOSE_B, a, b)
    if method == "loewe":
        both = (DOSE_A > 0) & (DOSE_B > 0)
        return float(100 * np.mean((mean - as_loewe(DOSE_A, DOSE_B, a, b))[both]))
    exact = collect([DOSE_A, DOSE_B], mean)
    return float(100 * np.nanmean(excess(exact, method).excess[0][exact.combined]))


def row(scenario: Scenario, method: Method, replicates: int, n: int, interval: Interval, seed: int) -> str:
    truth = true_score(scenario, method)
    covered, bias, rejected, surface, flagged, typed = [], [], [], [], [], 0
    for i in range(n):
        study = simulate(scenario, replicates, np.random.default_rng([seed, replicates, i]))
        s = score(study, method, interval=interval, seed=i)
        if s.status in ("not_estimable", "bound"):
            typed += 1
            continue
        bias.append(s.score - truth)
        if replicates == 1:
            continue
        covered.append(s.ci_low <= truth <= s.ci_high)
        rejected.append(s.p_value <= 0.05)
        if interval == "jackknife":
            tests = cell_tests(study, method, seed=i)
            surface.append(surface_test(tests, n_rotations=399, seed=i).p_value <= 0.05)
            flagged.append(float(np.mean(tests.q_value <= 0.05)))

    def share(values: list[bool] | list[float]) -> str:
        return f"{100 * np.mean(values):7.1f}" if values else "      -"

    mean = f"{np.mean(bias):+7.2f}" if bias else "      -"
    return (
        f"{scenario.name:<22}{method:<7}{replicates:>2}  {interval:<12}{truth:>7.2f} {mean} {share(covered)} "
        f"{share(rejected)} {share(surface)} {share(flagged)} {100 * typed / n:9.1f}"
    )


def main(n: int = 60, intervals: bool = False) -> None:
    print(
        f"{'surface':<22}{'method':<7}{'n':>2}  {'interval':<12}{'truth':>7} {'bias':>7} {'cover':>7} "
        f"{'rejects':>7} {'surface':>7} {'cells':>7} {'no number':>9}"
    )
    for scenario in SCENARIOS:
        for method in scenario.methods:
            for replicates in (1, 2, 3, 4):
                for interval in INTERVALS if intervals and replicates > 1 else INTERVALS[:1]:
                    print(row(scenario, method, replicates, n, interval, seed=7), flush=True)
    for scenario, kind, truth in PARAMETRIC:
        for replicates in (2, 3, 4):
            print(parametric_row(scenario, kind, truth, replicates, n, seed=7), flush=True)


if __name__ == "__main__":
    arguments = [a for a in sys.argv[1:] if not a.startswith("--")]
    main(int(arguments[0]) if arguments else 60, "--intervals" in sys.argv)
