"""Simulated data in which nothing is there: how often does each test say p < .05?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats

from benchmarks.coverage_curves import SCENARIOS as CURVES
from benchmarks.coverage_curves import _pair
from benchmarks.coverage_curves import simulate as curves
from benchmarks.synergy import SCENARIOS as SURFACES
from benchmarks.synergy import simulate as surface
from benchmarks.validation.rows import Row, rate

PAIRED = [1, -1, -1, 1]


def flat_curves() -> list[Row]:
    from rechallenge.stats.hill import fit_hill, flat_test

    n, doses = 4000, np.repeat(20 / 3.0 ** np.arange(9), 3)
    y = 1 + np.random.default_rng(1).normal(0, 0.05, (n, doses.size))
    p = flat_test(fit_hill(np.repeat(np.arange(n), doses.size), np.tile(doses, n), y.ravel()), seed=2).p_value
    hits = int((p < 0.05).sum())
    return [rate("null", "A drug that does nothing: F test of the curve, nine doses in triplicate", hits, n, 0.05,
                 "calibrated F of `curves`", "tests/stats/test_hill_nulls.py")]  # fmt: skip


def same_line() -> list[Row]:
    from rechallenge.stats.hill import log_ratio

    rows = []
    for replicates in (3, 6):
        n, rng = 1500, np.random.default_rng([3, replicates])
        a, _ = curves(CURVES[0], replicates, 0.15, 1, n, rng)
        b, _ = curves(CURVES[0], replicates, 0.15, 1, n, rng)
        p = log_ratio(_pair(a, b), np.arange(n), n + np.arange(n), 0.5).p_value
        hits = int((p < 0.05).sum())
        rows.append(rate("null", f"Two lines with one IC50: resistance index, {replicates} replicates a side", hits, n,
                         0.05, "`resistance_index`", "tests/stats/test_hill_ratio.py", at_most=True))  # fmt: skip
    return rows


def additive() -> list[Row]:
    from rechallenge.stats.synergy.inference import score

    n = 300
    scenario = SURFACES[1]
    found = [score(surface(scenario, 3, np.random.default_rng([8, i])), "bliss", seed=i) for i in range(n)]
    hits = sum(f.p_value <= 0.05 for f in found)
    return [rate("null", "Bliss-additive matrices: mean excess, three replicates", hits, n, 0.05, "`synergy`",
                 "tests/stats/test_synergy_simulated.py")]  # fmt: skip


def interaction() -> list[Row]:
    from rechallenge.stats.factorial import contrast

    rng, n, hits = np.random.default_rng(5), 2000, 0
    for _ in range(n):
        day = rng.normal(0, 0.2, 4)
        arms = [dict(zip("abcd", day + rng.normal(0, s, 4), strict=True)) for s in (0.1, 0.2, 0.1, 0.4)]
        hits += contrast(arms, PAIRED).p_value < 0.05
    return [rate("null", "Pretreatment x challenge, four experiments, arms that scatter unlike", hits, n, 0.05,
                 "`schedule`, `transfer`", "tests/stats/test_factorial.py")]  # fmt: skip


def groups() -> list[Row]:
    from rechallenge.stats.groups import compare

    rng, n, hits = np.random.default_rng(17), 400, 0
    group = [g for g in "abcd" for _ in range(4)]
    for _ in range(n):
        hits += any(r.p_adjusted < 0.05 for r in compare(group, rng.normal(size=16), control="a").rows)
    return [rate("null", "Three arms beside a control, four replicates: any p < .05 (family error)", hits, n, 0.05,
                 "`comparisons`", "tests/stats/test_groups.py", at_most=True)]  # fmt: skip


def moderated_t() -> list[Row]:
    from rechallenge.stats import moderated

    rng, n = np.random.default_rng(6), 20_000
    y = rng.normal(size=(n, 6)) * np.sqrt(4 / rng.chisquare(4, n))[:, None]
    x = np.column_stack([np.ones(6), np.repeat([0.0, 1.0], 3)])
    p = moderated.moderate(moderated.fit(y, x), [0, 1]).p_value
    hits = int((p < 0.05).sum())
    return [rate("null", "Moderated t, three against three, 20,000 features", hits, n, 0.05,
                 "`metabolite_differential`, `protein_differential`", "tests/stats/test_moderated.py")]  # fmt: skip


def negative_binomial() -> list[Row]:
    from rechallenge.stats import counts as nb

    rows = []
    for k in (2, 3, 8):
        rng, n = np.random.default_rng([3, k]), 4000
        mean = np.exp(rng.normal(5, 1.3, n))
        a = (0.03 + 2 / mean) * np.exp(rng.normal(0, 0.5, n))
        mu = mean[:, None] * rng.uniform(0.7, 1.4, 2 * k)
        r = (1 / a)[:, None]
        counts = rng.negative_binomial(r, r / (r + mu)).astype(float)
        x = np.column_stack([np.ones(2 * k), np.repeat([0.0, 1.0], k)])
        p = nb.wald(nb.fit_counts(counts, x), [0, 1]).p_value
        hits, tested = int((p < 0.05).sum()), int(np.isfinite(p).sum())
        rows.append(rate("null", f"Counts, {k} against {k}, {tested:,} features", hits, tested, 0.05,
                         "`rna_differential`", "tests/stats/test_counts.py", at_most=True))  # fmt: skip
    return rows


def rotated_sets() -> list[Row]:
    from rechallenge.stats.rotation import project, rotate

    shapes, n, hits = np.random.default_rng(1), 250, 0
    w = np.zeros((1, 40))
    w[0, shapes.choice(40, 3, replace=False)] = (1, 1, 0.5)
    for seed in range(n):
        rng = np.random.default_rng([4, seed])
        y = rng.standard_normal((8, 40)) + rng.standard_normal((8, 3)) @ rng.standard_normal((3, 40))
        x = np.column_stack([np.ones(8), np.repeat([0.0, 1.0], 4)])
        hits += rotate(project(y, x, np.array([0.0, 1.0])), w, n_rotations=499, seed=seed).p_value[0] <= 0.05
    return [rate("null", "Metabolites of an enzyme by rotation, four against four, correlated features", hits, n, 0.05,
                 "`enzymes`", "tests/stats/test_rotation.py")]  # fmt: skip


def labelled_parts() -> list[Row]:
    from rechallenge.stats import composition

    rng, n = np.random.default_rng(11), 400
    mix = rng.normal(size=(5, 5))
    group, ones = np.repeat([1.0, 0.0], 3), np.ones((6, 1))
    p = [
        composition.rotation_test(rng.normal(size=(6, 5)) @ mix, group, ones, n_rotations=199, seed=i).p_value
        for i in range(n)
    ]
    return [rate("null", "All isotopologues at once, three against three", int(np.less_equal(p, 0.05).sum()), n, 0.05,
                 "`tracing`", "tests/stats/test_composition.py")]  # fmt: skip


def hazards() -> list[Row]:
    from rechallenge.stats import cox

    rng = np.random.default_rng(11)
    n, m = 150, 4000
    got = cox.fit(cox.risk(rng.exponential(size=n), rng.random(n) < 0.6), rng.normal(size=(m, n)))
    return [rate("null", "Cox model per gene, 150 patients, about 90 events", int((got.lrt_p < 0.05).sum()), m, 0.05,
                 "`survival_scan`", "tests/stats/test_cox.py", slack=0.006)]  # fmt: skip


def cut_points() -> list[Row]:
    from rechallenge.stats import maxstat

    rng, n, hits, naive = np.random.default_rng(8), 250, 0, 0
    for k in range(n):
        time, event = rng.exponential(size=120), rng.random(120) < 0.7
        found = maxstat.best_cut(time, event, rng.normal(size=120), draws=299, seed=k)
        hits += found.p_permutation < 0.05
        naive += found.uncorrected < 0.05
    test = "tests/stats/test_maxstat.py"
    return [
        rate("null", "Best cut-point, permuted, 120 patients", hits, n, 0.05, "`survival_fits`", test),
        rate("naive", "Best cut-point, log-rank p as it stands", naive, n, 0.05, "not used", test),
    ]


def responders() -> list[Row]:
    from rechallenge.stats import roc

    rng, n = np.random.default_rng(5), 2000
    p = roc.areas(rng.normal(size=(n, 60)), np.arange(60) < 25).p
    return [rate("null", "Area under the ROC curve, 25 responders of 60", int((p < 0.05).sum()), n, 0.05,
                 "`response_scan`", "tests/stats/test_roc.py", slack=0.01)]  # fmt: skip


def patients_not_cells() -> list[Row]:
    """Shares of rare cells that scatter between patients, six against six, 1,500 cells each, same mean share."""
    from rechallenge.stats import fractions

    rng, n, hits, naive = np.random.default_rng(21), 600, 0, 0
    for _ in range(n):
        share = np.clip(0.01 * np.exp(rng.normal(0, 1, 12)), 0, 0.5)
        positive = rng.binomial(1500, share)
        x = fractions.logs(positive, np.full(12, 1500))
        hits += fractions.compare(x[:6], x[6:]).p_value <= 0.05
        a, b = positive[:6].sum(), positive[6:].sum()
        naive += stats.fisher_exact([[a, 9000 - a], [b, 9000 - b]]).pvalue <= 0.05
    test = "tests/omics/test_cells_rare.py"
    return [
        rate("null", "Rare cells, six patients against six, by patient", hits, n, 0.05, "`rare_association`", test,
             at_most=True),
        rate("naive", "Rare cells, six patients against six, Fisher's test on cells", naive, n, 0.05, "not used", test),
    ]  # fmt: skip


def animals() -> list[Row]:
    from rechallenge.stats import mixed

    n, hits, k = 200, 0, 5
    days = np.arange(0, 18, 3.0)
    t = np.tile(days, 4 * k)
    subject = np.repeat(np.arange(4 * k), days.size)
    arm = subject // k
    a, b = np.isin(arm, (1, 3)).astype(float), np.isin(arm, (2, 3)).astype(float)
    x = np.column_stack([np.ones_like(t), t, t * a, t * b, t * a * b])
    z = np.column_stack([np.ones_like(t), t])
    for seed in range(n):
        rng = np.random.default_rng([9, seed])
        start, slope = rng.normal(5, 0.3, 4 * k), rng.normal(0.1, 0.02, 4 * k)
        y = start[subject] + (slope[subject] - 0.02 * a - 0.03 * b) * t + rng.normal(0, 0.1, t.size)
        hits += mixed.fit(y, x, z, subject).contrast([0, 0, 0, 0, 1]).p_value < 0.05
    return [rate("null", "A x B in growth rates, five animals an arm", hits, n, 0.05, "`tumour_growth`",
                 "tests/assays/test_tumours_calibration.py")]  # fmt: skip


def drivers() -> list[Row]:
    from rechallenge.stats import weight
    from rechallenge.stats.weight import Family

    kinds = (Family("a", 0.15), Family("b", 0.35), Family("c", 0.55), Family("d", 0.25, mu=2.5))
    rng, n = np.random.default_rng(0), 3000
    z = rng.normal(size=(n, 4))
    z[rng.uniform(size=z.shape) < 0.3] = np.nan
    p = weight.chance(weight.weigh(z, kinds), kinds, draws=60_000, seed=1)
    tested = p[np.isfinite(p)]
    return [rate("null", "Genes whose families of evidence agree by chance", int((tested < 0.05).sum()), len(tested),
                 0.05, "`candidates`", "tests/stats/test_weight.py", slack=0.005)]  # fmt: skip


CHECKS: tuple[Callable[[], list[Row]], ...] = (
    flat_curves, same_line, additive, interaction, groups, moderated_t, negative_binomial, rotated_sets, labelled_parts,
    hazards, cut_points, responders, patients_not_cells, animals, drivers,
)  # fmt: skip
