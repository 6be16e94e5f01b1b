"""Which gene drives: recall, false calls and speed of the candidates' statistic beside peers.

Usage: python -m benchmarks.evidence [N] [--full] [--workers W]

Studies are simulated (`rechallenge.simulate.evidence`), N per scenario (default 10; --full 100), each with a seed of
its own. The first table is the share of studies in which the planted driver is among the first ten genes (median rank
in brackets); the peers are told
that the driver is high in resistance, `candidates` is not: it looks in both directions, and is shown once more with the
direction known. The second is the share of studies with any gene called, where nothing drives (N0 nothing at all, N1
passengers, N2 passengers and confounders) and where a driver is planted, with the share of calls that are false.
Peers call at BH 5 %; `candidates` by tier.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext
from itertools import islice
from multiprocessing import Pool

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from rechallenge.integration.candidates import FAMILIES, Judged, family_of, judge
from rechallenge.simulate.evidence import NULLS, SCENARIOS, STREAMS, Streams, streams
from rechallenge.stats import weight
from rechallenge.stats.multiplicity import bh

Floats = NDArray[np.float64]
MEMBER = [
    [f.name for f in FAMILIES].index(family_of(stream, level, analysis))
    for stream, level, _, analysis in STREAMS.values()
]
OURS, KNOWN, TIER1, TIER2 = "candidates", "candidates, direction known", "candidates, tier 1", "candidates, tier 1 or 2"


def _one_sided(z: Floats) -> Floats:
    return np.asarray(np.where(np.isfinite(z), special.ndtr(-z), np.nan))


def fisher(s: Streams) -> Floats:
    """-log p of Fisher's sum of the one-sided p-values of all streams."""
    p = np.clip(_one_sided(s.z), 1e-300, 1)
    return np.asarray(-stats.chi2.logsf(np.nansum(-2 * np.log(p), axis=1), 2 * np.isfinite(p).sum(axis=1)))


def stouffer(s: Streams) -> Floats:
    """Sum of z over the root of their number, as if streams were independent."""
    return np.asarray(np.nansum(s.z, axis=1) / np.sqrt(np.isfinite(s.z).sum(axis=1)))


def acat(s: Streams) -> Floats:
    """Mean of Cauchy transforms of one-sided p (doi:10.1080/01621459.2018.1554485)."""
    p = np.clip(_one_sided(s.z), 1e-15, 1 - 1e-15)
    return np.asarray(np.nanmean(np.tan((0.5 - p) * np.pi), axis=1))


def rra(s: Streams) -> Floats:
    """-log of robust rank aggregation's rho, Bonferroni-corrected (doi:10.1093/bioinformatics/btr709)."""
    rank = np.full(s.z.shape, np.nan)
    for j in range(s.z.shape[1]):
        there = np.isfinite(s.z[:, j])
        if there.any():
            rank[there, j] = stats.rankdata(-s.z[there, j]) / there.sum()
    ordered, n = np.sort(rank, axis=1), np.isfinite(rank).sum(axis=1)
    best = np.ones(len(n))
    for k in range(1, s.z.shape[1] + 1):
        at = n >= k
        best[at] = np.minimum(best[at], special.betainc(k, n[at] - k + 1, ordered[at, k - 1]))
    return np.asarray(-np.log(np.clip(best * n, 1e-300, 1)))


def harmonic(s: Streams) -> Floats:
    """Harmonic sum of scores between 0 and 1 (as the Open Targets platform sums, doi:10.1093/nar/gkw1055)."""
    score = np.clip(np.where(np.isfinite(s.z), s.z, 0), 0, 6) / 6
    ordered = -np.sort(-score, axis=1)
    return np.asarray((ordered / np.arange(1, score.shape[1] + 1) ** 2).sum(axis=1))


def intersection(s: Streams) -> Floats:
    """Up by half and p < .05 in both lines, then by log2 change: what papers do."""
    both = (s.log2fc > np.log2(1.5)).all(axis=1) & (s.z[:, :2] > 1.96).all(axis=1)
    return np.asarray(np.where(both, 100, 0) + s.log2fc.min(axis=1))


def gls(z: Floats) -> Floats:
    """Sum of family z over its standard deviation under their correlation, the smallest when one is left out."""
    used = [f for f in range(z.shape[1]) if np.isfinite(z[:, f]).any()]
    z = z[:, used]
    r = weight.correlation(z)
    left = np.full(z.shape, np.inf)
    for f in range(z.shape[1]):
        rest = [k for k in range(z.shape[1]) if k != f]
        without = weight.average(z[:, rest], r[np.ix_(rest, rest)])
        left[:, f] = np.where(np.isfinite(z[:, f]), without, np.inf)
    return np.where(np.isfinite(z).sum(axis=1) >= 2, left.min(axis=1), -9.0)


def conjunction(z: Floats) -> Floats:
    """Partial conjunction: at least three families (doi:10.1111/j.1541-0420.2007.00984.x)."""
    p = np.sort(np.where(np.isfinite(z), special.ndtr(-z), 2), axis=1)
    n = np.isfinite(z).sum(axis=1)
    third = np.where(n >= 3, np.clip((n - 2) * p[:, 2], 0, 1), 1)
    return np.asarray(-np.log(third + 1e-300) + 1e-3 * np.nan_to_num(weight.average(z, np.eye(z.shape[1]))))


def best_left_out(z: Floats) -> Floats:
    """Weight of evidence against a standard normal null, the best family left out wholly, direction known."""
    normal = [weight.Null()] * len(FAMILIES)
    terms = weight.weigh(z, FAMILIES, ((2, 3),), nulls=normal).terms
    return np.asarray(terms.sum(axis=1) - np.maximum(terms.max(axis=1), 0))


PEERS: Mapping[str, Callable[[Streams], Floats]] = {
    "padj rank, first line": lambda s: np.abs(s.z[:, 0]),
    "|log2FC| rank, first line": lambda s: np.abs(s.log2fc[:, 0]),
    "intersection, by log2FC": intersection,
    "RRA": rra,
    "Stouffer": stouffer,
    "Fisher": fisher,
    "ACAT": acat,
    "harmonic sum": harmonic,
}
#: methods that begin with the z of families, as `candidates` does
FAMILY_PEERS: Mapping[str, Callable[[Floats], Floats]] = {
    "partial conjunction, 3": conjunction,
    "GLS, least family left out": gls,
    "best family left out, N(0,1)": best_left_out,
}
#: score of a peer -> one-sided p
CALLS: Mapping[str, Callable[[Floats], Floats]] = {
    "RRA": lambda x: np.exp(-x),
    "Stouffer": lambda x: special.ndtr(-x),
    "Fisher": lambda x: np.exp(-x),
    "ACAT": lambda x: 0.5 - np.arctan(x) / np.pi,
    "GLS, least family left out": lambda x: special.ndtr(-x),
}


def rank(score: Floats, driver: int) -> float:
    """Rank of the driver, the middle one among equals."""
    own = score[driver]
    return float(1 + (score > own).sum() + ((score == own).sum() - 1) / 2)


def ours(s: Streams, n_permutations: int) -> tuple[Judged, Floats]:
    """What `candidates` finds, and its score where the direction is known."""
    found = judge(s.z, MEMBER, n_permutations)
    return found, found.up.score


def study(s: Streams, n_permutations: int = 1000) -> tuple[dict[str, float], dict[str, list[int]]]:
    """(rank of the driver by method, genes called by method) in one simulated study."""
    ranks: dict[str, float] = {}
    found, known = ours(s, n_permutations)
    scores = {name: method(s) for name, method in PEERS.items()}
    scores |= {name: method(found.z) for name, method in FAMILY_PEERS.items()}
    if s.driver >= 0:
        ranks = {name: rank(score, s.driver) for name, score in {**scores, OURS: found.score, KNOWN: known}.items()}
    called: dict[str, list[int]] = {
        name: np.flatnonzero(bh(np.clip(p(scores[name]), 0, 1)) < 0.05).tolist() for name, p in CALLS.items()
    }
    called[TIER1] = np.flatnonzero(found.tier == 1).tolist()
    called[TIER2] = np.flatnonzero(found.tier <= 2).tolist()
    return ranks, called


def speed() -> dict[str, float]:
    """Seconds of each part for 20,000 genes, 30 streams, 1,000 permutations in both directions."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(20000, 30))
    z[rng.random(z.shape) < 0.2] = np.nan
    start = time.perf_counter()
    found = judge(z, [i % len(FAMILIES) for i in range(30)], 1000)
    middle = time.perf_counter()
    weight.rank_interval(found.z, FAMILIES, np.arange(50), found.up.nulls, draws=60, seed=0)
    return {"score and permutations": middle - start, "rank intervals": time.perf_counter() - middle}


def _one(task: tuple[str, int]) -> tuple[dict[str, float], dict[str, tuple[int, int, bool]]]:
    """(rank of the driver by method, calls, wrong calls and whether the driver is called by method)."""
    scenario, seed = task
    simulated = streams(SCENARIOS.get(scenario) or NULLS[scenario], seed=seed)
    ranks, called = study(simulated)
    return ranks, {
        name: (len(genes), len(set(genes) - {simulated.driver}), simulated.driver in genes)
        for name, genes in called.items()
    }


def _progress(
    scenario: str,
    n: int,
    ranks: Mapping[str, Mapping[str, list[float]]],
    called: Mapping[str, Mapping[str, list[tuple[int, int, bool]]]],
) -> None:
    own = {name: f"{np.mean(np.array(by[scenario]) <= 10):.2f}" for name, by in ranks.items() if scenario in by}
    some = {name: f"{np.mean([a > 0 for a, _, _ in by[scenario]]):.2f}" for name, by in called.items()}
    print(f"  {scenario}: {n} studies; recall@10 {own or '-'}; any call {some}", flush=True)


def main(
    n: int = 10,
    *,
    full: bool = False,
    seed: int = 40_000,
    timed: bool = True,
    only: Collection[str] = (),
    workers: int = 1,
) -> None:
    """Print recall, calls and speed; the numbers do not depend on ``workers``."""
    n = 100 if full else n
    planted_in = [s for s in SCENARIOS if s in only or not only]
    none_in = [s for s in NULLS if s in only or not only]
    names = [*planted_in, *none_in]
    ranks: dict[str, dict[str, list[float]]] = {}
    called: dict[str, dict[str, list[tuple[int, int, bool]]]] = {}
    tasks = [(scenario, seed + 1000 * i + k) for i, scenario in enumerate(names) for k in range(n)]
    with Pool(workers) if workers > 1 else nullcontext() as pool:
        done = iter(pool.imap(_one, tasks) if pool else map(_one, tasks))
        for scenario in names:
            for place, calls in islice(done, n):
                for name, value in place.items():
                    ranks.setdefault(name, {}).setdefault(scenario, []).append(value)
                for name, row in calls.items():
                    called.setdefault(name, {}).setdefault(scenario, []).append(row)
            _progress(scenario, n, ranks, called)
    print(f"\nrecall@10 (median rank), {n} studies a scenario")
    print(" " * 30 + "".join(f"{s:>21s}" for s in planted_in))
    for name, by in ranks.items():
        cells = [f"{np.mean(np.array(by[s]) <= 10):.2f} ({np.median(by[s]):.0f})" for s in planted_in]
        print(f"{name:30s}" + "".join(f"{c:>21s}" for c in cells))
    print(f"\nany call; driver called and false share of calls where one is planted, {n} studies a scenario")
    print(" " * 30 + "".join(f"    {s}" for s in none_in) + "".join(f"{s:>21s}" for s in planted_in))
    for name, rows in called.items():
        line = "".join(f"{np.mean([a > 0 for a, _, _ in rows[s]]):>{len(s) + 4}.2f}" for s in none_in)
        for s in planted_in:
            total, wrong = sum(a for a, _, _ in rows[s]), sum(w for _, w, _ in rows[s])
            hit = np.mean([h for _, _, h in rows[s]])
            line += f"{hit:.2f}, {wrong / total if total else 0:.2f}".rjust(21)
        print(f"{name:30s}{line}")
    if timed:
        for what, seconds in speed().items():
            print(f"\n20,000 genes x 30 streams x 1,000 permutations, {what}: {seconds:.1f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="benchmarks.evidence")
    parser.add_argument("n", type=int, nargs="?", default=10)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--workers", type=int, default=1)
    chosen = parser.parse_args()
    main(chosen.n, full=chosen.full, workers=chosen.workers)
