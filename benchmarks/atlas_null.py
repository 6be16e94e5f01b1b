"""Enzyme-metabolite concordance: speed of the rotation, its null behaviour, and what it finds at which n.

Usage: python -m benchmarks.atlas_null [N] [--full] [--tissue TABLE [LABEL]]

Null: random splits of one group, N splits per row (default 60; --full 1,000), of a simulated tissue metabolome
(correlated, heavy-tailed, unequal variances; see `rechallenge.simulate.metabolism`) and, with --tissue, of a measured
one: a table with a row per metabolite and a column per sample, whose first row says of each sample what it is (LABEL,
by default Normal), such as KIRC_metdata.csv of the pan-cancer collection at github.com/dfci/pancanmet_analysis
(138 normal kidneys of Hakimi et al. 2016, doi:10.1016/j.ccell.2015.12.004). Shown are the share of enzymes at p < 0.05
and the share of splits with any enzyme at q < 0.1: for the call (concordance of RNA and metabolites, where the RNA of
30 %, and of all, of the enzymes does change), for the metabolite layer alone by rotation, the same where all
footprints together show that anything changes (p <= 0.03), and, as a warning, by shuffling metabolites. Benjamini and
Hochberg at 0.1 allow any call in up to 10 % of splits.

Power: AKR1B1 in a study of two resistant lines, by samples per group and size of the effect (1 = the planted log2
changes of `CHAIN`, at a median SD of 0.35).
"""

from __future__ import annotations

import time
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from rechallenge.omics.atlas.concordance import enzymes
from rechallenge.omics.atlas.footprints import weights
from rechallenge.omics.atlas.keys import SUGGESTED, SUPPORTED, key_enzymes
from rechallenge.omics.atlas.names import mapped
from rechallenge.simulate import metabolism
from rechallenge.stats.conjunction import conjunction
from rechallenge.stats.multiplicity import bh
from rechallenge.stats.rotation import Projected, any_effect, project, rotate

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


def footprints(columns: dict[str, int], m: int) -> Floats:
    """Footprints of all enzymes with a measured product over m features, length 1."""
    w, _ = weights(columns)
    w = np.pad(w, ((0, 0), (0, m - w.shape[1])))
    w = w[w.any(axis=1)]
    return np.asarray(w / np.linalg.norm(w, axis=1, keepdims=True))


Tissue = tuple[Callable[[int, np.random.Generator], Floats], Floats]


def simulated() -> Tissue:
    """(a function that draws so many samples of a simulated tissue, footprints)."""
    names = metabolism.panel()
    w = footprints({name: i for i, name in enumerate(names)}, len(names))
    return lambda n, rng: metabolism.noise(rng, n, names, TISSUE), w


def measured(path: str, label: str) -> Tissue:
    """The same of the samples of a table that bear a label: log2 values of the metabolites measured in all of them."""
    text = Path(path).read_text(encoding="utf-8", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    table = pd.read_csv(StringIO(text), index_col=0, low_memory=False)
    values = table.iloc[1:, np.flatnonzero(table.iloc[0].astype(str) == label)].apply(pd.to_numeric, errors="coerce")
    values = np.log2(values[(values > 0).all(axis=1)])
    columns: dict[str, int] = {}
    for i, compounds in enumerate(mapped(values.index)[str(f)] for f in values.index):
        for compound in compounds:
            columns.setdefault(compound, i)
    y = values.T.to_numpy(float)
    print(
        f"{Path(path).name}: {len(y)} samples, {y.shape[1]} metabolites, {len(columns)} compounds of the enzyme table"
    )
    return lambda n, rng: y[rng.permutation(len(y))[:n]], footprints(columns, y.shape[1])


def split(draw: Callable[[int, np.random.Generator], Floats], w: Floats, n: int, rng: np.random.Generator) -> tuple[
    Projected, Floats
]:  # fmt: skip
    """A random split of 2 n samples of one group, and the footprints; features that are constant in it left out."""
    y = draw(2 * n, rng)
    varies = np.std(y, axis=0) > 1e-9
    w = w[:, varies][w[:, varies].any(axis=1)]
    design = np.column_stack([np.ones(2 * n), rng.permutation(np.repeat([0.0, 1.0], n))])
    return project(y[:, varies], design, [0.0, 1.0]), np.asarray(w / np.linalg.norm(w, axis=1, keepdims=True))


def shuffled(data: Projected, w: Floats, rng: np.random.Generator, n: int = 999) -> Floats:
    """Two-sided p-values by shuffling metabolites over the footprints: not valid, shown for comparison."""
    t = data.statistic
    score = np.abs(w @ t)
    draws = np.column_stack([rng.permutation(t) for _ in range(n)])
    return np.asarray(((np.abs(w @ draws) >= score[:, None]).sum(axis=1) + 1) / (n + 1))


def rna(g: int, share: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """One-sided p-values (up, down) of the RNA of g enzymes, of which a share changes."""
    spec = metabolism.Noise()
    se = np.sqrt(2) * spec.rna_se
    change = np.where(rng.random(g) < share, spec.passenger_sd, 0.0) * rng.standard_normal(g)
    z = change / se + rng.standard_normal(g)
    return norm.sf(z), norm.sf(-z)


NULLS = ("call", "call, all RNA", "metabolites", "metabolites *", "shuffled")


def null(tissue: Tissue, n: int, splits: int, seed: int, n_rotations: int = 9999) -> dict[str, tuple[float, float]]:
    """(share of enzymes at p < 0.05, share of splits with any q < 0.1) where no metabolite changes; the last but one
    with the joint test at 0.03 before it."""
    draw, footprint = tissue
    rng = np.random.default_rng([seed, n])
    found: dict[str, list[Floats]] = {name: [] for name in NULLS}
    for k in range(splits):
        data, w = split(draw, footprint, n, rng)
        turned = rotate(data, w, n_rotations=n_rotations, seed=k)
        for name, share in (("call", metabolism.Noise().passengers), ("call, all RNA", 1.0)):
            up, down = rna(len(w), share, rng)
            both = np.column_stack([up, turned.p_up]), np.column_stack([down, turned.p_down])
            found[name].append(conjunction(*both, 2, ["enzyme", "metabolites"]).p_value)
        found["metabolites"].append(turned.p_value)
        something = any_effect(data, w, n_rotations=n_rotations, seed=k) <= 0.03
        found["metabolites *"].append(turned.p_value if something else np.ones(len(w)))
        found["shuffled"].append(shuffled(data, w, rng))
    return {
        name: (float(np.mean([np.mean(p < 0.05) for p in ps])), float(np.mean([bh(p).min() < 0.1 for p in ps])))
        for name, ps in found.items()
    }


@dataclass(frozen=True)
class Study:
    """What one simulated study says of AKR1B1: rank, verdict, other enzymes supported; whether its metabolites reach
    q < 0.1 in a line, and whether they do where all footprints together show a change (p <= 0.03)."""

    rank: int
    verdict: str
    others: int
    pools: bool
    surely: bool


def study(scenario: metabolism.Scenario, n: int, seed: int, size: float = 1.0) -> Study:
    """One simulated study."""
    t = metabolism.tables(scenario, n=n, seed=seed, size=size)
    found = enzymes(
        t["metabolite_values"], t["metabolites_samples"], t["models"], t["differential"], n_permutations=0, seed=seed
    )["enzymes"]
    keys = key_enzymes(found)
    row = keys[keys["gene"] == metabolism.KEY].iloc[0]
    others = int(((keys["verdict"] == SUPPORTED) & (keys["gene"] != metabolism.KEY)).sum())
    key = found[found["gene"] == metabolism.KEY]
    pools = key["metabolite_q"] < 0.1
    surely = pools & (key["metabolite_any_p"] <= 0.03)
    return Study(int(row["rank"]), str(row["verdict"]), others, bool(pools.any()), bool(surely.any()))


def main(splits: int = 60, *, full: bool = False, seed: int = 1, tissue: tuple[str, str] | None = None) -> None:
    """Print speed, null rates and power."""
    times = [speed(k) for k in range(3)]
    print(f"9,999 rotations x 150 enzymes x 40 samples x 140 metabolites: {min(times):.2f} s (best of 3)")
    for name, source in (("simulated", simulated()), ("measured", measured(*tissue) if tissue else None)):
        if source is None:
            continue
        print(
            f"\nrandom splits of one group of a {name} tissue, {splits} a row; {len(source[1])} enzymes with a product"
        )
        print(f"{'n':>8s}" + "".join(f"{n + ': p<.05':>22s}{'any q<.1':>10s}" for n in NULLS) + "   (per cent)")
        for n in (4, 8, 20):
            rates = null(source, n, splits, seed)
            print(
                f"{f'{n}v{n}':>8s}" + "".join(f"{100 * p:22.1f}{100 * q:10.1f}" for p, q in rates.values()), flush=True
            )
    print("* where all footprints together show that anything changes, p <= 0.03")
    studies = 200 if full else max(10, splits // 10)
    print(f"\nstudies of two resistant lines with AKR1B1 planted, {studies} a row (per cent)")
    heads = (
        ("scenario", 10), ("size", 6), ("n", 8), ("first", 8), ("supported", 11), ("or suggestive", 15),
        ("pools q<.1", 12), ("pools *", 9), ("others", 8),
    )  # fmt: skip
    print("".join(f"{name:>{width}s}" for name, width in heads) + "   verdicts")
    rows = [("driver", size, n) for size in (0.5, 1.0) for n in (4, 8, 20)]
    rows += [("flat", 1.0, 8), ("opposed", 1.0, 8), ("null", 1.0, 8)]
    for scenario, size, n in rows:
        found = [study(scenario, n, seed + k, size) for k in range(studies)]  # type: ignore[arg-type]
        verdicts = [f.verdict for f in found]
        counts = ", ".join(f"{v} {verdicts.count(v)}" for v in sorted(set(verdicts)))
        shares = (
            [f.rank == 1 for f in found], [v == SUPPORTED for v in verdicts],
            [v in (SUPPORTED, SUGGESTED) for v in verdicts], [f.pools for f in found], [f.surely for f in found],
        )  # fmt: skip
        widths = (8, 11, 15, 12, 9)
        print(
            f"{scenario:>10s}{size:6.1f}{f'{n}v{n}':>8s}"
            + "".join(f"{100 * np.mean(x):{width}.0f}" for x, width in zip(shares, widths, strict=True))
            + f"{np.mean([f.others for f in found]):8.2f}   {counts}",
            flush=True,
        )


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("splits", nargs="?", type=int, help="splits per row")
    parser.add_argument("--full", action="store_true", help="1,000 splits and 200 studies a row")
    parser.add_argument("--tissue", nargs="+", help="a measured table, and the label of its samples")
    given = parser.parse_args()
    table = (given.tissue[0], (given.tissue[1:] or ["Normal"])[0]) if given.tissue else None
    main(given.splits or (1000 if given.full else 60), full=given.full, tissue=table)
