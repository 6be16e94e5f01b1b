"""Gene sets: the preranked test here beside gseapy's default permutation and blitzGSEA, on the ranks of airway.

R is not installed where this was run: fgsea stands by its stored result (`airway_fgsea1.39.4_hallmark.csv`, computed
once with fgsea 1.39.4), which has no time.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pandas as pd

from rechallenge.omics.enrichment import testing
from rechallenge.stats.multiplicity import bh

Sets = dict[str, list[str]]
SMALLEST, LARGEST = 15, 500


def gmt(file: Path) -> Sets:
    """Set -> genes."""
    lines = [line.split("\t") for line in file.read_text().splitlines() if line.strip()]
    return {cells[0]: [g for g in cells[2:] if g] for cells in lines}


def ours(ranking: pd.Series, sets: Sets, seed: int = 0, sample_size: int = 301) -> pd.DataFrame:
    """nes, p, q by term."""
    made = testing.gsea(ranking, sets, smallest=SMALLEST, largest=LARGEST, sample_size=sample_size, seed=seed)
    return made.set_index("term")[["nes", "p_value", "q_value"]]


def permutation(ranking: pd.Series, sets: Sets, seed: int = 0) -> pd.DataFrame:
    """gseapy's default: 1,000 permutations of genes."""
    import gseapy

    made = gseapy.prerank(
        rnk=ranking, gene_sets=sets, min_size=SMALLEST, max_size=LARGEST, permutation_num=1000, threads=1, seed=seed,
        outdir=None, no_plot=True, verbose=False,
    ).res2d.set_index("Term")  # fmt: skip
    p = made["NOM p-val"].astype(float)
    return pd.DataFrame({"nes": made["NES"].astype(float), "p_value": p, "q_value": bh(p)}, index=made.index)


def blitz(ranking: pd.Series, sets: Sets, seed: int = 0) -> pd.DataFrame:
    """blitzGSEA with its defaults, on two processes (1.3.54 stops with an error on one)."""
    import blitzgsea

    signature = ranking.rename_axis("i").reset_index(name="v")
    made = blitzgsea.gsea(
        signature, sets, min_size=SMALLEST, max_size=LARGEST, processes=2, seed=seed, progress=False, verbose=False
    )
    return pd.DataFrame({"nes": made["nes"], "p_value": made["pval"], "q_value": made["fdr"]}, index=made.index)


def timed(run: Callable[..., pd.DataFrame], *args: object) -> tuple[float, pd.DataFrame]:
    """Seconds and result."""
    start = time.perf_counter()
    made = run(*args)
    return time.perf_counter() - start, made


def row(name: str, seconds: float, made: pd.DataFrame, reference: pd.Series | None) -> None:
    """Print one line."""
    r = float("nan")
    if reference is not None:
        both = made.index.intersection(reference.index)
        there = np.isfinite(made.loc[both, "nes"].astype(float))
        r = float(np.corrcoef(made.loc[both[there], "nes"].astype(float), reference.loc[both[there]])[0, 1])
    p = made["p_value"].astype(float)
    broken = int((~np.isfinite(made[["nes", "q_value"]].astype(float))).any(axis=1).sum())
    print(
        f"{name:<26} {len(made):>5} {seconds:>8.1f} {(made['q_value'].astype(float) < 0.05).sum():>6} "
        f"{(p == 0).sum():>6} {p[p > 0].min():>9.1e} {broken:>7} {r:>8.4f}",
        flush=True,
    )


def main(shared: Path) -> None:
    """Print time, sets called at 5 %, p of zero, the least p, results that are no number, agreement with fgsea."""
    folder = shared / "data/omics"
    ranking = pd.read_csv(folder / "airway/airway_rank_stat.csv.gz", index_col=0)["stat"]
    reference = pd.read_csv(folder / "airway/airway_fgsea1.39.4_hallmark.csv").set_index("pathway")
    runs: list[tuple[str, Callable[..., pd.DataFrame]]] = [("here", ours), ("gseapy, permutation", permutation)]
    try:
        runs.append((f"blitzgsea {version('blitzgsea')}", blitz))
    except PackageNotFoundError:
        print("blitzgsea is not installed")
    ours(ranking, dict(list(gmt(folder / "genesets/h.all.v7.0.symbols.gmt").items())[:2]))  # first use
    for title, file, nes in (
        ("Hallmark", "h.all.v7.0.symbols.gmt", reference["NES"]),
        ("GO biological process", "GO_Biological_Process_2021.gmt", None),
    ):
        sets = gmt(folder / "genesets" / file)
        print(f"{title:<26} {'sets':>5} {'seconds':>8} {'called':>6} {'p = 0':>6} {'least p':>9} {'no num.':>7} "
              f"{'r fgsea':>8}")  # fmt: skip
        if nes is not None:
            row("fgsea 1.39.4 (stored)", float("nan"), reference.rename(
                columns={"NES": "nes", "pval": "p_value", "padj": "q_value"}), None)  # fmt: skip
        for name, run in runs:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                row(name, *timed(run, ranking, sets), nes)
    hallmark = gmt(folder / "genesets/h.all.v7.0.symbols.gmt")
    for size in (101, 301, 1001):
        called = [int((ours(ranking, hallmark, s, size)["q_value"] < 0.05).sum()) for s in range(10)]
        print(f"Hallmark sets called over ten seeds, sample size {size}: {min(called)} to {max(called)}", flush=True)


if __name__ == "__main__":
    main(Path(__file__).resolve().parents[2] / "shared")
