"""Simulated data with a known answer: how often does each 95 % interval hold it?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.coverage_curves import SCENARIOS as CURVES
from benchmarks.coverage_curves import _pair
from benchmarks.coverage_curves import simulate as curves
from benchmarks.synergy import SCENARIOS as SURFACES
from benchmarks.synergy import simulate as surface
from benchmarks.synergy import true_score
from benchmarks.validation.rows import Row, rate


def half_maximal() -> list[Row]:
    from rechallenge.stats.hill import ic50_interval

    rows = []
    for at, name in ((0, "steep"), (1, "shallow"), (2, "IC50 at .4 of the top dose")):
        for replicates in (3, 6) if at == 0 else (3,):
            n = 1500
            fits, truth = curves(CURVES[at], replicates, 0.15, 1, n, np.random.default_rng([1, at, replicates]))
            methods = {"coverage": {}, "naive": {"method": "bootstrap"}, "delta": {"method": "delta"}}
            for kind, options in methods.items():
                if kind != "coverage" and (at, replicates) != (0, 3):
                    continue
                made = ic50_interval(fits, 0.5, **options)  # type: ignore[arg-type]
                held = int(((made.log10_lo <= truth) & (truth <= made.log10_hi)).sum())
                said = {"coverage": "", "naive": ", percentile bootstrap", "delta": ", delta method on pooled wells"}[
                    kind
                ]
                rows.append(rate("coverage" if kind == "coverage" else "naive",
                                 f"IC50, {name}, {replicates} replicates that differ{said}", held, n, 0.95,
                                 "`curves`" if kind == "coverage" else "not the default",
                                 "python -m benchmarks.coverage_curves", slack=0.005))  # fmt: skip
    return rows


def indices() -> list[Row]:
    from rechallenge.stats.hill import log_ratio

    n, rng = 1500, np.random.default_rng([2, 3])
    a, one = curves(CURVES[2], 3, 0.15, 1, n, rng)
    b, other = curves(CURVES[0], 3, 0.15, 1, n, rng)
    made = log_ratio(_pair(a, b), np.arange(n), n + np.arange(n), 0.5)
    held = int(((made.log10_lo <= one - other) & (one - other <= made.log10_hi)).sum())
    return [rate("coverage", "Resistance index of 6.7, three replicates a side", held, n, 0.95, "`resistance_index`",
                 "python -m benchmarks.coverage_curves", slack=0.02)]  # fmt: skip


def synergy() -> list[Row]:
    from rechallenge.stats.synergy.inference import score

    n, rows = 200, []
    for at in (4, 5):
        scenario = SURFACES[at]
        truth = true_score(scenario, "bliss")
        found = [score(surface(scenario, 3, np.random.default_rng([7, at, i])), "bliss", seed=i) for i in range(n)]
        held = sum(f.ci_low <= truth <= f.ci_high for f in found)
        rows.append(rate("coverage", f"Excess over Bliss of {truth:+.1f} %, three replicates", held, n, 0.95,
                         "`synergy`", "python -m benchmarks.synergy"))  # fmt: skip
    return rows


def rescued() -> list[Row]:
    from rechallenge.stats.factorial import ratio

    n, held = 300, 0
    for seed in range(n):
        rng = np.random.default_rng([3, seed])
        arms = [dict(zip("abcd", m + rng.normal(0, 0.04, 4), strict=True)) for m in (0.6, 0.3, 0.9)]
        made = ratio(arms, [1, -1, 0], [0, -1, 1], n_boot=0)
        held += made.ci_low <= 0.5 <= made.ci_high
    return [rate("coverage", "Half of the killing taken back, four replicates (Fieller)", held, n, 0.95, "`rescue`",
                 "tests/stats/test_factorial.py")]  # fmt: skip


def features() -> list[Row]:
    from rechallenge.stats import moderated

    rng, n = np.random.default_rng(7), 20_000
    y = rng.normal(size=(n, 6)) * np.sqrt(4 / rng.chisquare(4, n))[:, None]
    y[:, 3:] += 1.0
    x = np.column_stack([np.ones(6), np.repeat([0.0, 1.0], 3)])
    made = moderated.moderate(moderated.fit(y, x), [0, 1])
    held = int(((made.ci_low <= 1) & (made.ci_high >= 1)).sum())
    return [rate("coverage", "A difference of 1 by moderated t, three against three", held, n, 0.95,
                 "`metabolite_differential`, `protein_differential`", "tests/stats/test_moderated.py")]  # fmt: skip


def pooled() -> list[Row]:
    from rechallenge.stats import meta

    rng, n = np.random.default_rng(9), 4000
    s = rng.uniform(0.1, 0.3, (n, 5))
    y = 0.3 + rng.normal(0, 0.25, s.shape) + rng.normal(size=s.shape) * s
    made, normal = meta.pool(y, s), meta.pool(y, s, hartung_knapp=False)
    further = 0.3 + rng.normal(0, 0.25, n)
    test = "tests/stats/test_meta.py"
    return [
        rate("coverage", "Pooled effect of five cohorts that differ (Hartung and Knapp)",
             int(((made.ci_low < 0.3) & (made.ci_high > 0.3)).sum()), n, 0.95, "`survival_meta`, `concordance`", test),
        rate("naive", "Pooled effect of five cohorts that differ, normal interval",
             int(((normal.ci_low < 0.3) & (normal.ci_high > 0.3)).sum()), n,
             0.95, "not used", test),
        rate("coverage", "Prediction interval for a sixth cohort",
             int(((made.pi_low < further) & (further < made.pi_high)).sum()), n, 0.95, "`survival_meta`, `concordance`",
             test, known="The variance between five cohorts is hardly known; metafor's interval falls short alike. The "
             "tables and the report say so."),
    ]  # fmt: skip


def areas() -> list[Row]:
    from rechallenge.stats import roc

    rng, n = np.random.default_rng(6), 2000
    case = np.arange(60) < 25
    made = roc.areas(rng.normal(size=(n, 60)) + 0.7 * case, case)
    held = int(((made.ci_low < 0.68969) & (made.ci_high > 0.68969)).sum())  # Phi(.7 / sqrt 2)
    return [rate("coverage", "Area of .69, 25 responders of 60 (DeLong)", held, n, 0.95, "`response`",
                 "tests/stats/test_roc.py", slack=0.01)]  # fmt: skip


def affinity() -> list[Row]:
    from rechallenge.stats.langmuir import fit_affinity

    c, n, held = np.repeat([0.1, 0.3, 1, 3, 10, 30.0], 2), 300, 0
    for seed in range(n):
        y = 80 * c / (2 + c) + np.random.default_rng([5, seed]).normal(0, 3, c.size)
        made = fit_affinity(c, y)
        held += made.ci_low < 2 < made.ci_high
    return [rate("coverage", "KD of 2 µM at equilibrium, six concentrations in duplicate", held, n, 0.95, "`binding`",
                 "tests/stats/test_langmuir.py")]  # fmt: skip


CHECKS: tuple[Callable[[], list[Row]], ...] = (
    half_maximal, indices, synergy, rescued, features, pooled, areas, affinity,
)  # fmt: skip
