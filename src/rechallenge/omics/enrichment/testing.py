"""Tests of gene sets on a ranking and on a list, always within the genes that were tested.

Ranking: gene-set enrichment analysis (Subramanian et al. 2005, doi:10.1073/pnas.0506580102) with p-values by adaptive
multilevel splitting (Korotkevich et al. 2021, doi:10.1101/060012). List: the hypergeometric test, up and down apart.
Redundancy: sets whose leading genes are mostly those of a surer set are represented by it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from rechallenge.stats.multiplicity import bh

Sets = Mapping[str, Sequence[str]]
#: share of its leading genes from which a set is represented by a surer one
SAME = 0.5


def gsea(ranking: pd.Series, sets: Sets, *, smallest: int, largest: int, sample_size: int, seed: int) -> pd.DataFrame:
    """Preranked enrichment: term, size, es, nes, p_value, q_value, leading_edge (genes parted by ;).

    `ranking` holds a statistic per gene (index unique). Ties are ordered by name, so the result does not depend on the
    order of the input. Sets are cut to the genes of the ranking and then kept from `smallest` to `largest`.
    """
    columns = ["term", "size", "es", "nes", "p_value", "q_value", "leading_edge"]
    kept = within(sets, ranking.index, smallest, largest)
    if not kept or len(ranking) < 2 * smallest:
        return pd.DataFrame(columns=columns)
    import gseapy

    # untie by name: the tool leaves the order of ties open
    ordered = ranking.sort_index().sort_values(ascending=False, kind="mergesort")
    values = ordered.to_numpy(dtype=float)
    step = np.spacing(np.max(np.abs(values))) * 4
    untied = pd.Series(values - step * np.arange(len(values)), index=ordered.index.astype(str))
    logging.getLogger("gseapy").setLevel(logging.ERROR)
    made = gseapy.prerank(
        rnk=untied, gene_sets={k: list(v) for k, v in kept.items()}, min_size=1, max_size=len(untied),
        method="multilevel", sample_size=sample_size, threads=1, seed=seed, outdir=None, no_plot=True, verbose=False,
    ).res2d  # fmt: skip
    out = pd.DataFrame(
        {
            "term": made["Term"].astype(str),
            "size": [len(kept[str(t)]) for t in made["Term"]],
            "es": made["ES"].astype(float),
            "nes": made["NES"].astype(float),
            "p_value": made["NOM p-val"].astype(float).clip(lower=1e-50),
            "leading_edge": made["Lead_genes"].astype(str),
        }
    )
    out["q_value"] = bh(out["p_value"])
    return out.sort_values("term", kind="mergesort", ignore_index=True)[columns]


def over_representation(
    called: Sequence[str], universe: Sequence[str], sets: Sets, *, smallest: int, largest: int
) -> pd.DataFrame:
    """Hypergeometric test of a list within the tested genes: term, size, hits, statistic (odds ratio, a half added),
    p_value, q_value, leading_edge."""
    columns = ["term", "size", "hits", "statistic", "p_value", "q_value", "leading_edge"]
    tested, chosen = set(universe), set(called)
    kept = within(sets, tested, smallest, largest)
    if not kept or not chosen:
        return pd.DataFrame(columns=columns)
    rows = []
    n, k = len(tested), len(chosen)
    for term, genes in kept.items():
        hits = sorted(chosen & set(genes))
        m, x = len(genes), len(hits)
        odds = (x + 0.5) * (n - m - k + x + 0.5) / ((m - x + 0.5) * (k - x + 0.5))
        rows.append((term, m, x, odds, float(stats.hypergeom.sf(x - 1, n, m, k)), ";".join(hits)))
    out = pd.DataFrame(rows, columns=["term", "size", "hits", "statistic", "p_value", "leading_edge"])
    out["q_value"] = bh(out["p_value"])
    return out.sort_values("term", kind="mergesort", ignore_index=True)[columns]


def representatives(table: pd.DataFrame, alpha: float) -> list[str]:
    """For each row the term that stands for it: itself, or a surer called term with most of its leading genes."""
    chosen: list[tuple[str, set[str], float]] = []
    out = {}
    score = table["nes"] if "nes" in table else table["statistic"]
    order = table.assign(score=score).sort_values(["p_value", "term"], kind="mergesort")
    for at, row in zip(order.index, order.to_dict("records"), strict=True):
        genes = set(str(row["leading_edge"]).split(";")) - {""}
        surer = (t for t, g, s in chosen if genes and s * row["score"] > 0 and len(genes & g) >= SAME * len(genes))
        other = next(surer, "")
        out[at] = other or str(row["term"])
        if not other and row["q_value"] < alpha:
            chosen.append((str(row["term"]), genes, float(row["score"])))
    return [out[i] for i in table.index]


def running_sum(ranking: pd.Series, genes: Sequence[str]) -> pd.DataFrame:
    """The running enrichment score over the ranking: rank, score, hit."""
    ordered = ranking.sort_index().sort_values(ascending=False, kind="mergesort")
    hit = ordered.index.isin(list(genes))
    weight = np.abs(ordered.to_numpy(dtype=float)) * hit
    total, misses = weight.sum(), (~hit).sum()
    if total == 0 or misses == 0:
        return pd.DataFrame(columns=["rank", "score", "hit"])
    score = np.cumsum(weight / total - (~hit) / misses)
    return pd.DataFrame({"rank": np.arange(1, len(ordered) + 1), "score": score, "hit": hit})


def within(sets: Sets, universe: Iterable[str], smallest: int, largest: int) -> dict[str, list[str]]:
    """The sets cut to the universe, those that then have `smallest` to `largest` genes, by name."""
    there = set(universe)
    cut = {name: [g for g in genes if g in there] for name, genes in sets.items()}
    return {name: genes for name, genes in sorted(cut.items()) if smallest <= len(genes) <= largest}
