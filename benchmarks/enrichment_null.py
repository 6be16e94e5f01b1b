"""Pathways that random lists of metabolites seem to be enriched in, by the universe that they are judged on.

Usage: python -m benchmarks.enrichment_null [N] [--sets TABLE [--sort CLASS]] [--panel NAMES]

N lists (default 1,000) of 10, 20 and 30 metabolites are drawn at random from those that a platform measured; shown is
the share of lists with at least one pathway at q < 0.05 (Benjamini and Hochberg), with the measured metabolites as
universe, as `metabolite_enrichment` has it, and with all compounds of the library. Without options: the pathways of
the core enzymes and the panel of the simulated studies. --sets names a long table of pathways (columns pathway, class,
kind, hmdb, kegg), such as the primary pathways of SMPDB (--sort Metabolic for its metabolic ones), --panel a table
whose first column names the metabolites.
"""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter

import numpy as np
import pandas as pd
from scipy.stats import hypergeom

from rechallenge.knowledge import resolve
from rechallenge.omics.metabolome.enrichment import members, pathway_sets
from rechallenge.omics.metabolome.names import metabolite_names
from rechallenge.simulate.metabolism import panel
from rechallenge.stats.multiplicity import bh

Sets = dict[str, frozenset[str]]
#: pathways with fewer measured members are not tested, as in `metabolite_enrichment`
SMALLEST = 3


def library(path: str, sort: str) -> tuple[Sets, list[frozenset[str]]]:
    """(pathways of a long table as KEGG and HMDB numbers, every compound of it once); of pathways of one class alone
    where `sort` is given."""
    table = pd.read_csv(path, sep=None, engine="python", dtype=str, keep_default_na=False)
    table = table[table["kind"] == "metabolite"] if "kind" in table else table
    table = table[table["class"].str.split(";").str[0] == sort] if sort else table
    ids = table.assign(both=table["kegg"] + "|" + table["hmdb"]).groupby("pathway")["both"]
    terms = {str(k): frozenset(x for text in v for x in text.split("|") if x) for k, v in ids}
    every = {frozenset(x for x in (k, h) if x) for k, h in zip(table["kegg"], table["hmdb"], strict=True)}
    return terms, sorted(every, key=sorted)


def share(lists: list[frozenset[str]], universe: frozenset[str], terms: Sets) -> float:
    """Share of lists with any pathway at q < 0.05, by the p-values of `over_representation`."""
    order = sorted(universe)
    inside = [t & universe for t in terms.values() if len(t & universe) >= SMALLEST]
    member = np.array([[c in t for c in order] for t in inside])
    called = 0
    for hits in lists:
        found = member[:, [c in hits for c in order]].sum(axis=1)
        p = hypergeom.sf(found - 1, len(order), member.sum(axis=1), len(hits))
        called += bool((bh(np.minimum(p, 1.0)) < 0.05).any())
    return called / len(lists)


def rates(
    measured: Sets, library: Sets, names: list[str], everything: frozenset[str], n: int, size: int, seed: int = 1
) -> tuple[float, float]:
    """(with the measured universe, with the library) for `n` random lists of `size` of the measured compounds `names`;
    `measured` and `library` are the pathways over the one and the other universe, `everything` the library."""
    rng = np.random.default_rng([seed, size])
    lists = [frozenset(map(str, rng.choice(names, size, replace=False))) for _ in range(n)]
    return share(lists, frozenset(names), measured), share(lists, everything, library)


def universes(
    features: list[str], sets: Sets, all_compounds: list[frozenset[str]]
) -> tuple[list[str], Sets, Sets, frozenset[str]]:
    """(measured compounds of the library, pathways over them, pathways over the library, library)."""
    named = metabolite_names(pd.DataFrame({"feature": features, "kept": True}))
    mine = members(named[named["metabolite"] != ""], sets)
    groups = sorted(set().union(*mine.values()))
    numbers = {
        str(r["isomer_group"]): {k for c in ("kegg", "hmdb") for k in str(r[c]).split("|") if k}
        | {str(r["metabolite"])}
        for r in named.to_dict("records")
        if r["isomer_group"] in groups
    }
    taken = set().union(*numbers.values())
    others = {f"library {i}": ids for i, ids in enumerate(all_compounds) if not ids & taken}
    library = {k: frozenset(set(mine[k]) | {name for name, ids in others.items() if ids & v}) for k, v in sets.items()}
    return groups, mine, library, frozenset(groups) | frozenset(others)


def main(n: int = 1000, sets: str = "", names: str = "", sort: str = "") -> None:
    """Print the shares."""
    if sets:
        terms, every = library(sets, sort)
    else:
        terms = pathway_sets()
        core = sorted({x for v in terms.values() for x in v if not x.startswith(("C0", "C1", "C2", "HMDB"))})
        answer = resolve.metabolites(core)
        every = [frozenset({m, *h, *k}) for m, h, k in zip(core, answer["hmdb"], answer["kegg"], strict=True)]
    features = list(pd.read_csv(names, sep=None, engine="python").iloc[:, 0].astype(str)) if names else panel()
    groups, mine, whole, everything = universes(features, terms, every)
    print(
        f"{len(features)} features, {len(groups)} of them in a pathway; library of {len(everything)} compounds, "
        f"{len(terms)} pathways"
    )
    print(
        f"{'list':>6s}{'measured universe':>20s}{'library universe':>20s}   (per cent of {n} lists with any q < 0.05)"
    )
    for size in (10, 20, 30):
        own, other = rates(mine, whole, groups, everything, n, size)
        print(f"{size:6d}{100 * own:20.1f}{100 * other:20.1f}", flush=True)


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("n", nargs="?", type=int, default=1000, help="lists per row")
    parser.add_argument("--sets", default="", help="a long table of pathways")
    parser.add_argument("--panel", default="", help="a table whose first column names metabolites")
    parser.add_argument("--sort", default="", help="first word of the column class of the pathways that are meant")
    given = parser.parse_args()
    main(given.n, given.sets, given.panel, given.sort)
