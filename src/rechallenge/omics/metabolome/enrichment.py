"""Pathways in which changed metabolites gather, judged on the metabolites that were measured.

Over-representation among the measured metabolites: with all compounds of a library as universe, random lists of
measured metabolites look enriched, because what is measured is no random part of metabolism. Isomer groups count once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.faults import NotApplicable
from rechallenge.stats.multiplicity import bh

#: over-representation and its universe
KHATRI = "doi:10.1371/journal.pcbi.1002375"
COLLECTION = "core metabolism"
COLUMNS = (
    "dataset", "contrast", "collection", "term", "size", "statistic", "p_value", "q_value", "leading_edge", "layer",
    "list", "n_hits", "n_list", "n_universe", "expected", "ci_low", "ci_high", "n", "status", "reason",
)  # fmt: skip
LISTS = {"changed": 0, "up": 1, "down": -1}


def pathway_sets() -> dict[str, frozenset[str]]:
    """Pathway -> identifiers (KEGG, HMDB, names) of its main substrates and products, from the core enzymes."""
    from rechallenge.knowledge import tables

    frame = tables.table("enzymes")
    out: dict[str, set[str]] = {}
    for row in frame.to_dict("records"):
        mine = out.setdefault(str(row["pathway"]), set())
        for side in ("substrate", "product"):
            for i, name in enumerate(row[f"{side}s"]):
                mine.add(name)
                mine.update(v for v in (_at(row[f"{side}_kegg"], i), _at(row[f"{side}_hmdb"], i)) if v)
    return {k: frozenset(v) for k, v in sorted(out.items())}


def _at(values: list[str], i: int) -> str:
    return values[i] if i < len(values) else ""


def members(names: pd.DataFrame, sets: dict[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Pathway -> isomer groups (as `metabolite_names` gives them) of the measured metabolites that belong to it."""
    out: dict[str, set[str]] = {k: set() for k in sets}
    for row in names.to_dict("records"):
        keys = {k for c in ("kegg", "hmdb") for k in str(row[c]).split("|") if k}
        keys |= set(str(row["metabolite"]).split("/")) - {""}
        for term, compounds in sets.items():
            if keys & compounds:
                out[term].add(str(row["isomer_group"]))
    return {k: frozenset(v) for k, v in out.items()}


def over_representation(hits: frozenset[str], universe: frozenset[str], term: frozenset[str]) -> dict[str, float]:
    """Fisher's exact test (one-sided, more than expected) of a term among hits, and the log2 odds ratio with interval.

    The interval is Woolf's with half a count added to each cell.
    """
    from scipy.stats import hypergeom

    inside = term & universe
    a, k, n, size = len(hits & inside), len(hits), len(universe), len(inside)
    cells = np.array([a, k - a, size - a, n - k - size + a], dtype=float) + 0.5
    log_or = float(np.log2(cells[0] * cells[3] / (cells[1] * cells[2])))
    reach = float(1.959963984540054 * np.sqrt((1 / cells).sum()) / np.log(2))
    return {"n_hits": a, "expected": k * size / n, "statistic": log_or, "ci_low": log_or - reach,
            "ci_high": log_or + reach, "p_value": float(min(1.0, hypergeom.sf(a - 1, n, size, k)))}  # fmt: skip


def _methods(metabolite_enrichment: pd.DataFrame, hits: float, smallest: int, **_: Any) -> str:
    n = int(metabolite_enrichment["n_universe"].max()) if len(metabolite_enrichment) else 0
    return (
        f"Pathways (main substrates and products of the core enzymes, at least {smallest} of them measured) were "
        f"tested for over-representation among metabolites with q < {hits:g} by Fisher's exact test ({KHATRI}), the "
        f"{n} measured metabolites with a known name being the universe and isomers counting once; adjusted by "
        "Benjamini and Hochberg (doi:10.1111/j.2517-6161.1995.tb02031.x) within each list."
    )


@analysis(
    title="Pathways among the measured metabolites",
    reference=KHATRI,
    methods=_methods,
    formula="hypergeometric p of hits in a pathway, universe = measured and named metabolites",
    oracle=(
        "No outside reference: Fisher's exact test; random lists find a pathway in about 1 % of draws "
        "(tests/omics/test_metabolome.py)"
    ),
    limits=(
        "A targeted panel holds few members of a pathway. Neighbours in a pathway move together, so a small p "
        "shows where changes gather and not how sure each is."
    ),
)
def metabolite_enrichment(
    metabolite_differential: pd.DataFrame, metabolite_names: pd.DataFrame, *, hits: float = 0.05, smallest: int = 3
) -> pd.DataFrame:
    """One row per data set, contrast, list (changed, up, down) and pathway: `COLUMNS`.

    Hits are isomer groups with a metabolite at q < `hits`; the universe are the tested metabolites with a resolved
    name. `statistic` is the log2 odds ratio, `leading_edge` the hits in the pathway, `n` the size of the universe.
    Pathways with fewer than `smallest` measured members are left out. A contrast without hits is "not_testable".
    The test takes metabolites as independent, which neighbours in a pathway are not: a small p shows where the changes
    gather, not how sure each of them is. Raises NotApplicable where no pathway has enough measured members.
    """
    named = metabolite_names[metabolite_names["metabolite"] != ""]
    group_of = dict(zip(named["feature"], named["isomer_group"], strict=True))
    terms = members(named, pathway_sets())
    rows: list[dict[str, Any]] = []
    tested = metabolite_differential[metabolite_differential["p_value"].notna()]
    for (dataset, contrast), part in tested.groupby(["dataset", "contrast"], sort=True):
        known = part[part["feature"].isin(list(group_of))].assign(group=lambda p: p["feature"].map(group_of))
        universe = frozenset(known["group"])
        for label, sign in LISTS.items():
            strong = known[(known["q_value"] < hits) & ((np.sign(known["log2fc"]) == sign) | (sign == 0))]
            chosen = frozenset(strong["group"])
            for term, compounds in terms.items():
                inside = compounds & universe
                if len(inside) < smallest:
                    continue
                row: dict[str, Any] = {
                    "dataset": dataset, "contrast": contrast, "collection": COLLECTION, "term": term, "list": label,
                    "size": len(inside), "n_list": len(chosen), "n_universe": len(universe), "n": len(universe),
                    "leading_edge": "|".join(sorted(chosen & inside)), "layer": "metabolite",
                }  # fmt: skip
                if chosen and len(chosen) < len(universe):
                    row |= over_representation(chosen, universe, inside) | {"status": "estimated", "reason": ""}
                else:
                    which = "every" if chosen else "no"
                    row |= {"status": "not_testable", "reason": f"{which} metabolite is {label} at q < {hits:g}"}
                    row |= {"n_hits": len(chosen & inside)}
                rows.append(row)
    if not rows:
        raise NotApplicable(f"no pathway has {smallest} measured metabolites with a known name")
    out = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    out["q_value"] = out.groupby(["dataset", "contrast", "list"])["p_value"].transform(lambda p: bh(p.to_numpy()))
    keys = ["dataset", "contrast", "list", "p_value", "term"]
    return out.sort_values(keys, kind="mergesort").reset_index(drop=True)
