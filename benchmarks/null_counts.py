"""False calls where labels mean nothing: real counts whose samples of one condition are parted at random.

    python -m benchmarks null_counts
    python -m benchmarks.null_counts COUNTS.tsv SHEET.tsv CONDITION [BATCH]     other counts (genes x samples)

Airway smooth muscle (Himes et al. 2014, four donors, two conditions) and lung fibroblasts (Copeland et al. 2023, four
experiments, four conditions) have four replicates of each condition: two against two within one condition, and three
against three or four against four over several conditions, of which each gives as many samples to both sides (the
condition is a covariate) and no side has two samples of one donor or experiment. Every call is false. (With three and
four, both sides share donors, which makes them more alike than independent samples are.)
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from rechallenge.levels import log2
from rechallenge.stats import counts as nb
from rechallenge.stats import moderated
from rechallenge.stats.multiplicity import bh

Draw = Data = tuple[np.ndarray, np.ndarray, np.ndarray]


def draws(condition: np.ndarray, unit: np.ndarray, n: int, rng: np.random.Generator, most: int) -> Iterator[Draw]:
    """At most ``most`` ways to part samples into ``n`` against ``n``: every condition gives as many to both sides, and
    no side has a unit twice. Positions of the samples, which of them are on the first side, their conditions."""
    each = {2: 2, 3: 1, 4: 2}[n]
    pools = [np.flatnonzero(condition == c) for c in sorted(set(condition))]
    pools = [p for p in pools if len(p) >= 2 * each]
    sides = list(combinations(range(len(pools)), n // each))
    seen = set()
    for _ in range(500 * most):
        if not sides or len(seen) == most:
            return
        one, other = [], []
        for k in sides[rng.integers(len(sides))]:
            chosen = rng.permutation(pools[k])[: 2 * each]
            one += chosen[:each].tolist()
            other += chosen[each:].tolist()
        key = frozenset([frozenset(one), frozenset(other)])
        if key not in seen and len(set(unit[one])) == len(set(unit[other])) == n:
            seen.add(key)
            at = np.array([*one, *other])
            yield at, np.repeat([1.0, 0.0], n), condition[at]


def calls(counts: np.ndarray, side: np.ndarray, condition: np.ndarray) -> dict[str, tuple[int, float]]:
    """Features with q < .05 and the share with p < .05, by negative-binomial regression and by moderated t."""
    kept = counts[counts.sum(axis=1) >= 10]
    x = np.column_stack([np.ones(len(side)), side])
    for level in sorted(set(condition))[1:]:
        x = np.column_stack([x, condition == level])
    x = x.astype(float)
    weights = np.eye(x.shape[1])[1]
    test = nb.wald(nb.fit_counts(kept, x), weights)
    expressed = (kept / kept.sum(axis=0) * 1e6 >= 1).sum(axis=1) >= len(side) // 2
    levels = log2(kept[expressed], "counts")
    p = moderated.moderate(moderated.fit(levels, x), weights, trend=True).p_value[:, 0]
    return {
        "counts": (int(np.nansum(test.q_value < 0.05)), float(np.nanmean(test.p_value < 0.05))),
        "log": (int((bh(p) < 0.05).sum()), float(np.mean(p < 0.05))),
    }


def table(counts: np.ndarray, condition: np.ndarray, unit: np.ndarray, most: int = 12, seed: int = 0) -> pd.DataFrame:
    """One row per number of replicates, draw and method: n, draw, method, false_calls, share_below_5_percent."""
    rng = np.random.default_rng(seed)
    rows = []
    for n in (2, 3, 4):
        for i, (at, side, group) in enumerate(draws(condition, unit, n, rng, most)):
            for method, (found, share) in calls(counts[:, at], side, group).items():
                rows.append((n, i, method, found, share))
    return pd.DataFrame(rows, columns=["n", "draw", "method", "false_calls", "share_below_5_percent"])


def airway(shared: Path) -> Data:
    """Counts [genes, samples], the condition and the donor or experiment of each sample."""
    folder = shared / "data/omics/airway"
    sheet = pd.read_csv(folder / "airway_metadata.csv", index_col=0)
    counts = pd.read_csv(folder / "airway_rawcounts.csv.gz", index_col=0)[sheet.index]
    return counts.to_numpy(float), sheet["dex"].to_numpy(str), sheet["celltype"].to_numpy(str)


def fibroblasts(shared: Path) -> Data:
    """Counts [genes, samples], the condition and the donor or experiment of each sample."""
    folder = shared / "data/metabolism/hypoxia_lf"
    sheet = pd.read_csv(folder / "rnaseq_samples.tsv", sep="\t")
    counts = pd.read_csv(folder / "rnaseq_counts.tsv.gz", sep="\t", index_col=0)[sheet["id"]]
    condition = (sheet["oxygen"] + " " + sheet["treatment"]).to_numpy(str)
    return counts.to_numpy(float), condition, sheet["experiment"].to_numpy(str)


def show(name: str, made: pd.DataFrame) -> None:
    """Print the distribution of false calls."""
    for (n, method), part in made.groupby(["n", "method"]):
        f = part["false_calls"]
        print(
            f"{name:<14} {n:>2} {method:<7} {len(part):>6} {f.median():>7.0f} {f.mean():>7.1f} {f.max():>6} "
            f"{(f > 0).mean():>10.0%} {part['share_below_5_percent'].mean():>9.1%}"
        )


def main(shared: Path, most: int = 12) -> None:
    """Print false calls at q < .05 for two, three and four replicates."""
    print(f"{'counts':<14} {'n':>2} {'test':<7} {'draws':>6} {'median':>7} {'mean':>7} {'most':>6} {'with any':>10} "
          f"{'p < .05':>9}")  # fmt: skip
    for name, data in {"airway": airway(shared), "fibroblasts": fibroblasts(shared)}.items():
        show(name, table(*data, most))


def other(counts: Path, sheet: Path, column: str, batch: str = "", most: int = 20) -> None:
    """False calls within conditions of other counts; with a batch, within condition and batch."""
    known = pd.read_csv(sheet, sep="\t", index_col=0)
    values = pd.read_csv(counts, sep="\t", index_col=0)[known.index].to_numpy(float)
    for condition in sorted(known[column].astype(str).unique()):
        mine = np.flatnonzero(known[column].astype(str) == condition)
        rng = np.random.default_rng(0)
        rows = []
        for n in (2, 3, 4):
            for i in range(most):
                at = rng.permutation(mine)[: 2 * n]
                if batch:  # as many of each batch on both sides
                    pools = [
                        mine[known[batch].astype(str).to_numpy()[mine] == b] for b in known[batch].astype(str).unique()
                    ]
                    at = _paired([p for p in pools if len(p) >= 2], n, rng)
                side = np.repeat([1.0, 0.0], n)
                group = known[batch].astype(str).to_numpy()[at] if batch else np.full(2 * n, "")
                for method, (found, share) in calls(values[:, at], side, group).items():
                    rows.append((n, i, method, found, share))
        columns = ["n", "draw", "method", "false_calls", "share_below_5_percent"]
        show(condition, pd.DataFrame(rows, columns=columns))


def _paired(pools: list[np.ndarray], n: int, rng: np.random.Generator) -> np.ndarray:
    one, two = [], []
    left = [rng.permutation(p).tolist() for p in pools]
    while len(one) < n:
        usable = [p for p in left if len(p) >= 2]
        pool = usable[rng.integers(len(usable))]
        one.append(pool.pop())
        two.append(pool.pop())
    return np.array([*one, *two])


if __name__ == "__main__":
    if len(sys.argv) > 3:
        other(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:5])
    else:
        main(Path(__file__).resolve().parents[2] / "shared")
