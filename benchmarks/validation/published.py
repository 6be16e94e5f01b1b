"""Published numbers that need no file: worked examples of papers, tables of books, and exact counts."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pandas as pd

from benchmarks.validation.rows import Row, agrees

#: Ct of six wells each (Livak and Schmittgen 2001, table of c-myc and GAPDH in brain and kidney)
LIVAK = {
    ("brain", "c-myc"): [30.72, 30.34, 30.58, 30.34, 30.50, 30.43],
    ("brain", "GAPDH"): [23.70, 23.56, 23.47, 23.65, 23.69, 23.68],
    ("kidney", "c-myc"): [27.06, 27.03, 27.03, 27.10, 26.99, 26.94],
    ("kidney", "GAPDH"): [22.76, 22.61, 22.62, 22.60, 22.61, 22.76],
}


def livak() -> Row:
    from rechallenge.assays import qpcr

    wells = [
        {"sample": g, "model": "m", "group": g, "target": t, "ct": c, "replicate": "1"}
        for (g, t), cts in LIVAK.items()
        for c in cts
    ]
    row = qpcr.qpcr(pd.DataFrame(wells), control=("brain",))["qpcr"].iloc[0]
    got = [float(row[c]) for c in ("log2fc", "fold", "fold_sd_low", "fold_sd_high")]
    return agrees("ddCt of c-myc in kidney and brain: log2, fold and its range", "doi:10.1006/meth.2001.1262",
                  [2.495, 5.637, 5.28, 6.02], got, 1e-3, "tests/assays/test_qpcr.py", digits=4)  # fmt: skip


def chou() -> Row:
    from rechallenge.stats.synergy.chou import combination_index
    from rechallenge.stats.synergy.types import collect

    d = 0.25 * 2.0 ** np.arange(7)

    def affected(dose: np.ndarray, dm: float, m: float) -> np.ndarray:
        return 1 / (1 + (dm / dose) ** m)

    zero = np.zeros_like(d)
    doses_a = np.concatenate([[0.0], d, zero, d / 2])
    doses_b = np.concatenate([[0.0], zero, d, d / 2])
    effect = np.concatenate([[0.0], affected(d, 2.0, 1.2), affected(d, 5.0, 1.5), affected(d, 1.5, 1.4)])
    found = combination_index(collect([doses_a, doses_b], effect), effects=[0.5, 0.75, 0.9, 0.95])
    return agrees("Combination index at 50, 75, 90 and 95 %: Dm 2, 5 and 1.5 (1:1), m 1.2, 1.5 and 1.4",
                  "the formula of doi:10.1016/0065-2571(84)90007-4", [0.525, 0.4870828, 0.4552344, 0.4366970],
                  [float(v) for v in found.ci], 1e-5, "tests/stats/test_synergy_chou.py")  # fmt: skip


def benjamini() -> Row:
    from rechallenge.stats.multiplicity import bh, holm

    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240]
    p += [0.4262, 0.5719, 0.6528, 0.7590, 1.0000]
    got = [float((bh(p) <= 0.05).sum()), float((holm(p) <= 0.05).sum())]
    return agrees("Fifteen p-values: rejected at 5 % by false-discovery rate and by family error",
                  "doi:10.1111/j.2517-6161.1995.tb02031.x, section 3.3", [4, 3], got, 0,
                  "tests/stats/test_multiplicity.py")  # fmt: skip


def dunnett() -> Row:
    from rechallenge.stats import simultaneous

    got = [simultaneous.dunnett_critical(0.95, [0.5**0.5] * 3, df) for df in (5, 12)]
    got += [simultaneous.tukey_critical(0.95, k, df) for k, df in ((3, 6), (4, 20))]
    return agrees("Critical values, two-sided 5 %: Dunnett (3 arms; 5, 12 df), studentised range (3, 6), (4, 20)",
                  "Dunnett 1964, Biometrics 20, 482; tables of the studentised range", [3.29, 2.68, 4.339, 3.958],
                  [float(v) for v in got], 2e-3, "tests/stats/test_groups.py", digits=4)  # fmt: skip


def leukaemia() -> Row:
    from rechallenge.stats import survival

    maintained = [9, 13, 13, 18, 23, 28, 31, 34, 45, 48, 161], [1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0]
    others = [5, 5, 8, 8, 12, 16, 23, 27, 30, 33, 43, 45], [1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1]
    got: list[float] = []
    for time, event in (maintained, others):
        got += survival.quantile(survival.kaplan_meier(time, event, limits="log"))
    return agrees("Median survival with limits, two arms of the leukaemia data", "R survival, survfit of aml",
                  [31, 18, np.inf, 23, 8, np.inf], got, 0, "tests/stats/test_survival_curves.py")  # fmt: skip


def cut_point() -> Row:
    """The sum of joint probabilities beside a count over all orders of seven subjects."""
    from rechallenge.stats import maxstat

    rng = np.random.default_rng(5)
    m = np.arange(1, 7)
    z = maxstat.integer_scores(maxstat.log_rank_scores(rng.integers(1, 9, 7), rng.random(7) < 0.7))
    rows = np.array(list(permutations(z)))
    away = np.abs(np.cumsum(rows, axis=1)[:, m - 1] - m * z.mean()) / np.sqrt(m * (7 - m) / 7 * z.var(ddof=1))
    counted, got = [], []
    for b in np.unique(np.round(away.max(axis=1), 9))[-3:]:
        there = away >= b - 1e-8
        new = there[:, 1:] & ~there[:, :-1]
        counted.append(float(min(1.0, there[:, 0].mean() + new.mean(axis=0).sum())))
        got.append(float(maxstat.conditional_bound(b - 1e-8, z, m)))
    return agrees("Best cut-point: bound of p for its three largest statistics, seven subjects",
                  "all 5,040 orders, counted", counted, got, 1e-9, "tests/stats/test_maxstat.py", n=5040)  # fmt: skip


def fosl2() -> Row | None:
    from rechallenge.regulators import motifs

    if "MA0478.2" not in motifs.matrices():
        return None
    _, counts = motifs.matrices()["MA0478.2"]
    bits = motifs.weights(counts)
    sequence = "A" * 1000 + "CAGTGACTCAT" + "A" * 1189
    promoter = pd.DataFrame({"name": ["AKR1B1"], "sequence": [sequence], "tss": [2001.0], "about": [""]})
    hit = motifs.motifs(promoter, factors=("MA0478.2",)).query("strand == '+'").iloc[0]
    got = [float(np.nanmax(motifs.scan("CAGTGACTCAT", bits))), float(hit["p_value"])]
    return agrees("FOSL2 (MA0478.2) at CAGTGACTCAT: bits, and p", "all 4^10 sequences, counted: 11 score as high",
                  [14.765, 11 / 4**10], got, 1e-4, "tests/regulators/test_motifs.py")  # fmt: skip


def clique() -> Row:
    from rechallenge.omics.modules import network

    got = network.node_scores(network.graph(16, combinations(range(16), 2)))
    return agrees("Node score in a complete graph of 16 genes", "doi:10.1186/1471-2105-4-2", [15.0], [float(got[0])], 0,
                  "tests/omics/test_modules.py")  # fmt: skip


def optimum() -> Row:
    """Curves beside the lowest of nine starts of scipy's optimiser on the same noise."""
    from scipy.optimize import curve_fit

    from rechallenge.stats.hill import fit_hill

    rng = np.random.default_rng(2)
    doses = np.repeat(20 / 3.0 ** np.arange(9), 3)
    n = 20
    y = np.empty((n, doses.size))
    for i in range(n):
        h, low, mid = np.exp(rng.normal(0.2, 0.4)), rng.uniform(0, 0.5), 10 ** rng.uniform(-1.5, 0.5)
        y[i] = low + (1 - low) / (1 + (doses / mid) ** h) + rng.normal(0, 0.05, doses.size)
    fits = fit_hill(np.repeat(np.arange(n), doses.size), np.tile(doses, n), y.ravel())
    bottom, top = np.log(doses.min()), np.log(doses.max())
    reach = 2 * np.log(10)
    box = ([np.log(0.1), -np.inf, -np.inf, bottom - reach], [np.log(10), np.inf, np.inf, top + reach])

    def curve(x: np.ndarray, log_h: float, einf: float, e0: float, log_mid: float) -> np.ndarray:
        return einf + (e0 - einf) / (1 + np.exp(np.exp(log_h) * (np.log(x) - log_mid)))

    at_optimum = 0
    for i in range(n):
        best = np.inf
        for log_h in (-1.0, 0.3, 1.8):
            for centre in np.linspace(bottom, top, 3):
                try:
                    p, _ = curve_fit(curve, doses, y[i], p0=[log_h, 0.2, 1.0, centre], bounds=box, maxfev=300)
                except RuntimeError:
                    continue
                best = min(best, float(((y[i] - curve(doses, *p)) ** 2).sum()))
        at_optimum += fits.rss[i] <= best * (1 + 1e-6)
    return agrees("Curves at or below the lowest sum of squares of nine starts of scipy", "scipy, in this run",
                  [float(n)], [float(at_optimum)], 0, "tests/stats/test_hill_fit.py", n=n)  # fmt: skip


CHECKS = (livak, chou, benjamini, dunnett, leukaemia, cut_point, fosl2, clique, optimum)
