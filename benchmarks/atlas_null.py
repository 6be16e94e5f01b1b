"""Enzyme-metabolite concordance: speed of the rotation, its null behaviour, and what it finds at which n.

Usage: python -m benchmarks.atlas_null [N] [--full]

Null: random splits of one group of a simulated tissue metabolome (correlated, heavy-tailed, unequal variances; see
`rechallenge.simulate.metabolism`), N splits per row (default 60; --full 1,000). Shown are the share of enzymes at
p < 0.05 and the share of splits with any enzyme at q < 0.1: for the call (concordance of RNA and metabolites, where
the RNA of 30 % of the enzymes does change), for the metabolite layer alone by rotation and, as a warning, by shuffling
metabolites. Benjamini and Hochberg at 0.1 allow any call in up to 10 % of splits.

Power: AKR1B1 in a study of two resistant lines, by samples per group and size of the effect (1 = the planted log2
changes of `CHAIN`, at a median SD of 0.35).
"""

from __future__ import annotations

import sys
import time

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from rechallenge.omics.atlas.concordance import enzymes
from rechallenge.omics.atlas.footprints import weights
from rechallenge.omics.atlas.keys import SUPPORTED, key_enzymes
from rechallenge.simulate import metabolism
from rechallenge.stats.conjunction import conjunction
from rechallenge.stats.multiplicity import bh
from rechallenge.stats.rotation import Projected, project, rotate

Floats = NDArray[np.float64]
#: tissue of different people: more variable and more correlated than replicates of a cell line
TISSUE = metabolism.Noise(sd=0.8, shared=0.7)


def speed(seed: int = 0) -> float:
    """Seconds for 9,999 rotations of 150 enzymes over 140 metabolites in 40 samples."""
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((40, 140))
    sets = np.zeros((150, 140))
    for row in sets:
        row[rng.choice(140, 3, replace=False)] = (1.0, 1.0, 0.5)
    design = np.column_stack([np.ones(40), np.repeat([0.0, 1.0], 20)])
    start = time.perf_counter()
    rotate(project(y, design, [0.0, 1.0]), sets, n_rotations=9999, seed=seed)
    return time.perf_counter() - start


def footprints() -> Floats:
    """Footprints of all enzymes with a measured product on the simulated panel, length 1."""
    names = metabolism.panel()
    w, _ = weights({name: i for i, name in enumerate(names)})
    w = np.pad(w, ((0, 0), (0, len(names) - w.shape[1])))
    w = w[w.any(axis=1)]
    return np.asarray(w / np.linalg.norm(w, axis=1, keepdims=True))


def split(n: int, rng: np.random.Generator) -> Projected:
    """A random split of 2 n samples of one group."""
    names = metabolism.panel()
    y = metabolism.noise(rng, 2 * n, names, TISSUE)
    design = np.column_stack([np.ones(2 * n), rng.permutation(np.repeat([0.0, 1.0], n))])
    return project(y, design, [0.0, 1.0])


def shuffled(data: Projected, w: Floats, rng: np.random.Generator, n: int = 999) -> Floats:
    """Two-sided p-values by shuffling metabolites over the footprints: not valid, shown for comparison."""
    t = data.statistic
    score = np.abs(w @ t)
    draws = np.column_stack([rng.permutation(t) for _ in range(n)])
    return np.asarray(((np.abs(w @ draws) >= score[:, None]).sum(axis=1) + 1) / (n + 1))


def rna(g: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """One-sided p-values (up, down) of the RNA of g enzymes, of which some change."""
    spec = metabolism.Noise()
    se = np.sqrt(2) * spec.rna_se
    change = np.where(rng.random(g) < spec.passengers, spec.passenger_sd, 0.0) * rng.standard_normal(g)
    z = change / se + rng.standard_normal(g)
    return norm.sf(z), norm.sf(-z)


def null(n: int, splits: int, seed: int, n_rotations: int = 9999) -> dict[str, tuple[float, float]]:
    """(share of enzymes at p < 0.05, share of splits with any q < 0.1) where no metabolite changes."""
    w = footprints()
    rng = np.random.default_rng([seed, n])
    found: dict[str, list[Floats]] = {"call": [], "metabolites": [], "shuffled": []}
    for k in range(splits):
        data = split(n, rng)
        turned = rotate(data, w, n_rotations=n_rotations, seed=k)
        up, down = rna(len(w), rng)
        both = np.column_stack([up, turned.p_up]), np.column_stack([down, turned.p_down])
        found["call"].append(conjunction(*both, 2, ["enzyme", "metabolites"]).p_value)
        found["metabolites"].append(turned.p_value)
        found["shuffled"].append(shuffled(data, w, rng))
    return {
        name: (float(np.mean([np.mean(p < 0.05) for p in ps])), float(np.mean([bh(p).min() < 0.1 for p in ps])))
        for name, ps in found.items()
    }


def study(scenario: metabolism.Scenario, n: int, seed: int, size: float = 1.0) -> tuple[int, str, int, float]:
    """(rank of AKR1B1, its verdict, other enzymes supported, its smallest metabolite p) in one simulated study."""
    t = metabolism.tables(scenario, n=n, seed=seed, size=size)
    found = enzymes(
        t["metabolite_values"], t["metabolites_samples"], t["models"], t["differential"], n_permutations=0, seed=seed
    )["enzymes"]
    keys = key_enzymes(found)
    row = keys[keys["gene"] == metabolism.KEY].iloc[0]
    others = int(((keys["verdict"] == SUPPORTED) & (keys["gene"] != metabolism.KEY)).sum())
    p = float(found.loc[found["gene"] == metabolism.KEY, "metabolite_p"].min())
    return int(row["rank"]), str(row["verdict"]), others, p


def main(splits: int = 60, *, full: bool = False, seed: int = 1) -> None:
    """Print speed, null rates and power."""
    times = [speed(k) for k in range(3)]
    print(f"9,999 rotations x 150 enzymes x 40 samples x 140 metabolites: {min(times):.2f} s (best of 3)")
    w = footprints()
    print(f"\nrandom splits of one group, {splits} a row; {len(w)} enzymes with a measured product")
    names = ("call", "metabolites", "shuffled")
    print(f"{'n':>8s}" + "".join(f"{name + ': p<.05':>20s}{'any q<.1':>10s}" for name in names) + "   (per cent)")
    for n in (4, 8, 20):
        rates = null(n, splits, seed)
        print(f"{f'{n}v{n}':>8s}" + "".join(f"{100 * p:20.1f}{100 * q:10.1f}" for p, q in rates.values()), flush=True)
    studies = 200 if full else max(10, splits // 10)
    print(f"\nstudies of two resistant lines with AKR1B1 planted, {studies} a row")
    heads = (
        ("scenario", 10),
        ("size", 6),
        ("n", 8),
        ("first", 8),
        ("supported", 11),
        ("or suggestive", 15),
        ("others", 8),
    )
    print("".join(f"{name:>{width}s}" for name, width in heads) + "   verdicts")
    rows = [("driver", size, n) for size in (0.5, 1.0) for n in (4, 8, 20)]
    rows += [("flat", 1.0, 8), ("opposed", 1.0, 8), ("null", 1.0, 8)]
    for scenario, size, n in rows:
        found = [study(scenario, n, seed + k, size) for k in range(studies)]  # type: ignore[arg-type]
        verdicts = [v for _, v, _, _ in found]
        counts = ", ".join(f"{v} {verdicts.count(v)}" for v in sorted(set(verdicts)))
        first = np.mean([r == 1 for r, *_ in found])
        print(
            f"{scenario:>10s}{size:6.1f}{f'{n}v{n}':>8s}{100 * first:8.0f}"
            f"{100 * np.mean([v == SUPPORTED for v in verdicts]):11.0f}"
            f"{100 * np.mean([v in (SUPPORTED, 'suggestive') for v in verdicts]):15.0f}"
            f"{np.mean([o for _, _, o, _ in found]):8.2f}   {counts}",
            flush=True,
        )


if __name__ == "__main__":
    arguments = [a for a in sys.argv[1:] if a != "--full"]
    whole = "--full" in sys.argv
    main(int(arguments[0]) if arguments else (1000 if whole else 60), full=whole)
