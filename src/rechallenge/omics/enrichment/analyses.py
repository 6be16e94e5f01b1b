"""Which programmes change, per contrast and per sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.faults import NotApplicable
from rechallenge.omics.enrichment import testing
from rechallenge.omics.enrichment.sets import INSTALLABLE, PROGRAMMES, collections
from rechallenge.stats.single_sample import single_sample

GSEA = ("doi:10.1073/pnas.0506580102", "doi:10.1101/060012")
SSGSEA = "doi:10.1038/nature08460"
COLUMNS = (
    "dataset", "layer", "contrast", "kind", "model", "collection", "term", "size", "es", "nes", "statistic", "hits",
    "p_value", "q_value", "n", "direction", "leading_edge", "stands_for", "method", "status", "source_table",
)  # fmt: skip
RANKED, LISTED = "preranked GSEA", "over-representation"
#: statistics beyond this carry no further rank weight
CLIP = 40.0


def ranking(part: pd.DataFrame) -> pd.Series:
    """Statistic per gene of one contrast, by symbol; of a gene that is there twice the surer one."""
    there = part[part["statistic"].notna()]
    name = symbol(there)
    order = there.assign(_a=there["statistic"].abs(), _g=name).sort_values(["_a", "_g"], ascending=[False, True])
    unique = order.drop_duplicates("_g").set_index("_g")["statistic"].astype(float).rename_axis(None)
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


@analysis(title="Enriched programmes", reference=GSEA, methods=_methods)
def gene_enrichment(
    differential: pd.DataFrame,
    gene_sets: pd.DataFrame | None = None,
    *,
    collections_used: tuple[str, ...] = (PROGRAMMES, *INSTALLABLE),
    smallest: int = 10,
    largest: int = 500,
    sample_size: int = 301,
    alpha: float = 0.05,
    fold: float = 1.0,
    seed: int = 0,
) -> pd.DataFrame:
    """One row per contrast, collection, set and method: `COLUMNS`.

    `nes` is positive where the set is higher in the first group; `statistic` of a list is an odds ratio. `stands_for`
    is the surer set that shares most of its leading genes (itself where there is none). Sets are cut to the tested
    genes and then need `smallest` to `largest` of them. Raises NotApplicable where no contrast of genes was tested.
    """
    table = differential[differential["layer"].isin(["rna", "protein"]) & differential["statistic"].notna()]
    if table.empty:
        raise NotApplicable("no contrast of genes or proteins was tested")
    sets = collections(gene_sets, collections_used)
    out = []
    for key, part in table.groupby(["dataset", "layer", "contrast", "kind", "model"], sort=True):
        genes = ranking(part)
        for name, members in sets.items():
            ranked = testing.gsea(
                genes, members, smallest=smallest, largest=largest, sample_size=sample_size, seed=seed
            )
            out.append(_rows(ranked, key, name, RANKED, part, alpha))
            for sign in (1, -1):
                called = symbol(part[(part["q_value"] < alpha) & (sign * part["log2fc"] >= fold)])
                listed = testing.over_representation(
                    called.tolist(), list(genes.index), members, smallest=smallest, largest=largest
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
    out["n"] = float(part["n"].median())
    out["direction"] = np.sign(out["nes"]).astype(int) if method == RANKED else sign
    out["source_table"] = "differential"
    return out


@analysis(title="Enriched sets of all layers")
def enrichment(
    gene_enrichment: pd.DataFrame | None = None, metabolite_enrichment: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Sets of genes and of metabolites in one table, `layer` saying which; columns of each are kept."""
    parts = [t for t in (gene_enrichment, metabolite_enrichment) if t is not None and len(t)]
    if not parts:
        return pd.DataFrame(columns=list(COLUMNS))
    columns = list(dict.fromkeys([*COLUMNS, *(c for t in parts for c in t.columns)]))
    return pd.concat([t.dropna(axis=1, how="all") for t in parts], ignore_index=True).reindex(columns=columns)


@analysis(
    title="Programmes in every sample",
    reference=SSGSEA,
    methods=f"Programmes were scored in every sample by single-sample GSEA ({SSGSEA}) on ranks within the sample.",
)
def programme_scores(
    expression: pd.DataFrame,
    expression_samples: pd.DataFrame,
    gene_sets: pd.DataFrame | None = None,
    *,
    collections_used: tuple[str, ...] = (PROGRAMMES,),
    smallest: int = 10,
) -> pd.DataFrame:
    """Single-sample scores: dataset, sample, model, treatment, stage, replicate, collection, term, size, score.

    Scores compare samples, not sets. Sets with fewer than `smallest` genes in the data are left out.
    """
    columns = ["dataset", "sample", "model", "treatment", "stage", "replicate", "collection", "term", "size", "score"]
    rows = []
    for dataset, sheet in expression_samples.groupby("dataset", sort=True):
        samples = sorted(sheet["sample"].astype(str))
        part = expression[expression["dataset"] == dataset].sort_values("feature", kind="mergesort")
        values = part[samples].to_numpy(dtype=float)
        genes = part["feature"].astype(str).to_numpy()
        there = np.isfinite(values).all(axis=1)
        for name, members in collections(gene_sets, collections_used).items():
            for term, scores, size in single_sample(values[there], genes[there], members, smallest):
                rows += [(dataset, s, name, term, size, v) for s, v in zip(samples, scores, strict=True)]
    made = pd.DataFrame(rows, columns=["dataset", "sample", "collection", "term", "size", "score"])
    keep = ["dataset", "sample", "model", "treatment", "stage", "replicate"]
    known = expression_samples.reindex(columns=keep).fillna("")
    return made.merge(known, on=["dataset", "sample"], how="left", sort=False)[columns]
