"""Which programmes change, per contrast and per sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.faults import NotApplicable
from rechallenge.omics.enrichment import testing
from rechallenge.omics.enrichment.sets import INSTALLABLE, PROGRAMMES, collections

GSEA = ("doi:10.1073/pnas.0506580102", "doi:10.1101/060012")
COLUMNS = (
    "dataset", "layer", "contrast", "kind", "model", "collection", "term", "size", "es", "nes", "statistic", "hits",
    "p_value", "q_value", "n", "direction", "leading_edge", "stands_for", "method", "ranked_by", "status",
    "source_table",
)  # fmt: skip
RANKED, LISTED = "preranked GSEA", "over-representation"
#: statistics beyond this carry no further rank weight
CLIP = 40.0


def ranked_by(part: pd.DataFrame) -> str:
    """What ranks the genes of one contrast: their statistic, or the fold change where a contrast of others gives no
    more; '' where it gives neither."""
    return next((c for c in ("statistic", "log2fc") if c in part and part[c].notna().any()), "")


def ranking(part: pd.DataFrame) -> pd.Series:
    """Statistic (or fold change) per gene of one contrast, by symbol; of a gene that is there twice the surer one."""
    by = ranked_by(part) or "statistic"
    there = part[part[by].notna()]
    name = symbol(there)
    order = there.assign(_a=there[by].abs(), _g=name).sort_values(["_a", "_g"], ascending=[False, True])
    unique = order.drop_duplicates("_g").set_index("_g")[by].astype(float).rename_axis(None)
    return unique.clip(-CLIP, CLIP)


def symbol(table: pd.DataFrame) -> pd.Series:
    """The symbol of each row's gene, or its feature where the table has none."""
    return table["gene"].astype(str) if "gene" in table.columns else table["feature"].astype(str)


def _methods(result: pd.DataFrame, alpha: float, fold: float, sample_size: int, **_: Any) -> str:
    if result.empty:
        return ""
    used = ", ".join(sorted(set(result["collection"])))
    return (
        f"Gene sets ({used}) were tested on the ranking of all tested genes by their statistic (preranked GSEA, "
        f"{GSEA[0]}; p-values by multilevel splitting, {GSEA[1]}, sample size {sample_size}) and, as a list of those "
        f"called at q < {alpha:g} and |log2 fold change| >= {fold:g}, by the hypergeometric test, in both cases with "
        "the tested genes as universe; q-values are by Benjamini and Hochberg within contrast, collection and method."
    )


@analysis(
    title="Enriched programmes",
    reference=GSEA,
    methods=_methods,
    formula=(
        "NES = ES / mean ES of random sets of that size, ES = largest deviation of the running sum; p by "
        "multilevel splitting; lists: hypergeometric"
    ),
    oracle="fgsea 1.39.4 on Hallmark sets of airway, r above .999 (tests/omics/test_enrichment.py)",
    limits=(
        "Permutes genes: sets whose genes move together are called in 64 % of nulls with seven samples a side. "
        "Claims rest on sample_enrichment where samples allow it."
    ),
)
def gene_enrichment(
    differential: pd.DataFrame,
    gene_sets: pd.DataFrame | None = None,
    *,
    collections_used: tuple[str, ...] = (PROGRAMMES, *INSTALLABLE),
    smallest: int = 10,
    smallest_programme: int = 5,
    largest: int = 500,
    sample_size: int = 301,
    alpha: float = 0.05,
    fold: float = 1.0,
    seed: int = 0,
) -> pd.DataFrame:
    """One row per contrast, collection, set and method: `COLUMNS`.

    `nes` is positive where the set is higher in the first group; `statistic` of a list is an odds ratio. `stands_for`
    is the surer set that shares most of its leading genes (itself where there is none). Sets are cut to the tested
    genes and then need `smallest` (built-in programmes `smallest_programme`) to `largest` of them. `ranked_by` is
    "statistic", or "log2fc" where a contrast of others gives fold changes alone: such a ranking is coarser, its p-value
    is that of the order of the genes, and no claim is made of it by itself. Raises NotApplicable where no contrast of
    genes was tested.
    """
    ranks = differential[["statistic", "log2fc"]].notna().any(axis=1)
    table = differential[differential["layer"].isin(["rna", "protein"]) & ranks]
    if table.empty:
        raise NotApplicable("no contrast of genes or proteins was tested")
    sets = collections(gene_sets, collections_used)
    out = []
    for key, part in table.groupby(["dataset", "layer", "contrast", "kind", "model"], sort=True):
        genes = ranking(part)
        for name, members in sets.items():
            least = smallest_programme if name == PROGRAMMES else smallest
            ranked = testing.gsea(genes, members, smallest=least, largest=largest, sample_size=sample_size, seed=seed)
            out.append(_rows(ranked, key, name, RANKED, part, alpha))
            for sign in (1, -1) if part["q_value"].notna().any() else ():
                called = symbol(part[(part["q_value"] < alpha) & (sign * part["log2fc"] >= fold)])
                listed = testing.over_representation(
                    called.tolist(), list(genes.index), members, smallest=least, largest=largest
                )
                out.append(_rows(listed, key, name, LISTED, part, alpha, sign))
    filled = [t for t in out if len(t)]
    if not filled:
        return pd.DataFrame(columns=list(COLUMNS))
    whole = pd.concat(filled, ignore_index=True)
    by = ["dataset", "layer", "contrast", "collection", "method", "term", "direction"]
    return whole.sort_values(by, kind="mergesort", ignore_index=True).reindex(columns=list(COLUMNS))


def _rows(
    table: pd.DataFrame, key: Any, collection: str, method: str, part: pd.DataFrame, alpha: float, sign: int = 0
) -> pd.DataFrame:
    if table.empty:
        return table
    out = table.copy()
    out["stands_for"] = testing.representatives(out, alpha)
    for name, value in zip(("dataset", "layer", "contrast", "kind", "model"), key, strict=True):
        out[name] = value
    out["collection"], out["method"], out["status"] = collection, method, "estimated"
    out["n"] = float(part["n"].median()) if part["n"].notna().any() else np.nan
    out["ranked_by"] = ranked_by(part) if method == RANKED else ""
    out["direction"] = np.sign(out["nes"]).astype(int) if method == RANKED else sign
    out["source_table"] = "differential"
    return out


@analysis(
    title="Enriched sets of all layers",
    formula="No formula: joins the sets of genes and of metabolites",
    oracle="No outside reference: it computes nothing (tests/omics/test_enrichment.py)",
    limits="The limits are those of the tables it joins.",
)
def enrichment(
    gene_enrichment: pd.DataFrame | None = None,
    metabolite_enrichment: pd.DataFrame | None = None,
    sample_enrichment: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Sets of genes and of metabolites in one table, `layer` and `method` saying which; columns of each are kept."""
    parts = [t for t in (gene_enrichment, metabolite_enrichment, sample_enrichment) if t is not None and len(t)]
    if not parts:
        return pd.DataFrame(columns=list(COLUMNS))
    columns = list(dict.fromkeys([*COLUMNS, *(c for t in parts for c in t.columns)]))
    return pd.concat([t.dropna(axis=1, how="all") for t in parts], ignore_index=True).reindex(columns=columns)
