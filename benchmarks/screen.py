"""A library screen of 1,430 compounds, two arms, three replicates: seconds per step, and where the planted class ranks.

Usage: python -m benchmarks.screen [SEEDS]
"""

from __future__ import annotations

import sys
import time

import numpy as np

from rechallenge.assays import screen
from rechallenge.simulate import library


def main(seeds: int = 5) -> None:
    rows = []
    for seed in range(seeds):
        made = library.simulate(seed=seed)
        at = [time.perf_counter()]
        wells = screen.screen_wells(made.wells)
        at.append(time.perf_counter())
        plates = screen.screen_plates(wells)
        at.append(time.perf_counter())
        hits = screen.screen_hits(wells)
        at.append(time.perf_counter())
        classes = screen.screen_classes(hits, wells)
        at.append(time.perf_counter())
        both = hits.merge(made.truth, on="compound", suffixes=("", "_planted"))
        planted = both["interaction_planted"] != 0
        held = both["interaction_planted"].between(both["ci_low"], both["ci_high"])
        rank = int(classes.loc[classes["name"] == library.PLANTED_CLASS, "rank"].iloc[0])
        share = float((both.loc[planted, "direction"] != 0).mean())
        wrong = int((both.loc[~planted, "direction"] != 0).sum())
        rows.append([*np.diff(at), at[-1] - at[0], rank, share, wrong, float(held.mean()), len(plates)])
    names = ("wells", "plates", "hits", "classes", "total")
    middle = np.median([r[:5] for r in rows], axis=0)
    print(f"{len(made.wells):,} wells on {rows[0][-1]} plates, median of {seeds} seeds (s):")
    print("  " + ", ".join(f"{n} {v:.2f}" for n, v in zip(names, middle, strict=True)))
    print(f"rank of the planted class of three: {[r[5] for r in rows]}")
    found, false, inside = (float(np.mean([r[i] for r in rows])) for i in (6, 7, 8))
    print(f"planted interactions found: {found:.3f}; false calls per screen: {false:.2f}")
    print(f"95 % intervals that hold the truth: {inside:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
