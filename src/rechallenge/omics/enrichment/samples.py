"""Programmes by samples: a score in every sample, and gene sets tested by exchanging samples where there are enough."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge import contrasts as groups
from rechallenge.analysis import analysis
from rechallenge.faults import NotApplicable
from rechallenge.levels import Levels, by_gene
from rechallenge.moderated_contrasts import blocks_of
from rechallenge.omics.enrichment import permutation, testing
from rechallenge.omics.enrichment.analyses import COLUMNS, RANKED
from rechallenge.omics.enrichment.sets import INSTALLABLE, PROGRAMMES, collections
from rechallenge.stats.single_sample import single_sample

SUBRAMANIAN = "doi:10.1073/pnas.0506580102"
GOEMAN = "doi:10.1093/bioinformatics/btm051"
SSGSEA, GSVA = "doi:10.1038/nature08460", "doi:10.1186/1471-2105-14-7"
PERMUTED = "sample-permutation GSEA"
CHOICE = (
    "dataset", "layer", "contrast", "kind", "model", "n_group", "n_reference", "design", "relabellings", "used",
    "reason",
)  # fmt: skip
SCORES = (
    "dataset", "sample", "model", "treatment", "stage", "replicate", "collection", "term", "size", "score", "method",
)  # fmt: skip


def _methods(result: dict[str, pd.DataFrame], n_permutations: int, least_relabellings: int, **_: Any) -> str:
    choice = result["enrichment_choice"]
    if not (choice["used"] == PERMUTED).any():
        return ""
    return (
        f"In contrasts whose samples can be parted in at least {least_relabellings:,} ways, gene sets were also tested "
        f"by {n_permutations:,} permutations of samples, within blocks where there are any ({SUBRAMANIAN}), since "
        f"genes of a set are not independent ({GOEMAN}); genes were ranked by moderated t anew in each."
    )


@analysis(
    title="Enriched programmes by permutation of samples",
    gives=("sample_enrichment", "enrichment_choice"),
    reference=(SUBRAMANIAN, GOEMAN),
    methods=_methods,
    formula=(
        "ES of moderated t, against the ES of the same data with samples parted otherwise; p = (b + 1) / (m + "
        "1), two-sided"
    ),
    oracle=("No outside reference: 4.0 % of nulls at 5 %, planted sets found (tests/omics/test_enrichment_samples.py)"),
    limits="Needs seven against seven, or ten pairs. Smallest p is 1 / (n_permutations + 1).",
)
def sample_enrichment(
    models: pd.DataFrame,
    contrasts: pd.DataFrame,
    expression: pd.DataFrame | None = None,
    expression_samples: pd.DataFrame | None = None,
    proteins: pd.DataFrame | None = None,
    proteins_samples: pd.DataFrame | None = None,
    gene_sets: pd.DataFrame | None = None,
    *,
    collections_used: tuple[str, ...] = (PROGRAMMES, *INSTALLABLE),
    smallest: int = 10,
    smallest_programme: int = 5,
    largest: int = 500,
    least_relabellings: int = 1000,
    n_permutations: int = 2000,
    alpha: float = 0.05,
    seed: int = 0,
) -> dict[str, pd.DataFrame]:
    """`sample_enrichment`: the columns of `gene_enrichment` for every contrast of two groups with enough samples;
    `enrichment_choice`: one row per contrast, which test its claims rest on (`used`) and why (`CHOICE`).

    Enough is `least_relabellings` different ways to part the samples (seven against seven have 3,432, six against six
    924; within ten pairs 1,024): below, the least possible p is too large for several sets. p is two-sided and at least
    1 / (`n_permutations` + 1). Raises NotApplicable where no data set has two groups that the study compares.
    """
    sets = collections(gene_sets, collections_used)
    tables, choices = [], []
    for layer, source, matrix, sheet in (
        ("rna", "expression", expression, expression_samples),
        ("protein", "proteins", proteins, proteins_samples),
    ):
        if matrix is None or sheet is None or not len(matrix):
            continue
        for data in by_gene(matrix, sheet):
            for one in groups.of(data.units, models, contrasts):
                at, group, block, design = _parted(data, one)
                ways = permutation.relabellings(group, block)
                n = (int(group.sum()), int((~group).sum()))
                enough = ways >= least_relabellings and len(group) - len(np.unique(block)) > 1
                reason = f"samples can be parted in {ways:,} ways"
                if not enough:
                    reason += f", fewer than {least_relabellings:,}: genes are permuted, as if they were independent"
                key = (data.name, layer, one.contrast, one.kind, one.model)
                choices.append((*key, *n, design, ways, PERMUTED if enough else RANKED, reason))
                if not enough:
                    continue
                for name, members in sets.items():
                    made = permutation.gsea(
                        data.values[:, at], data.genes, group, block, members, largest=largest, seed=seed,
                        smallest=smallest_programme if name == PROGRAMMES else smallest, n_permutations=n_permutations,
                    )  # fmt: skip
                    if len(made):
                        tables.append(_rows(made, key, name, sum(n), alpha, source))
    if not choices:
        raise NotApplicable("no data set has two groups of samples that the study compares")
    whole = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(COLUMNS))
    by = ["dataset", "layer", "contrast", "collection", "term"]
    return {
        "sample_enrichment": whole.sort_values(by, kind="mergesort", ignore_index=True).reindex(columns=list(COLUMNS)),
        "enrichment_choice": pd.DataFrame(choices, columns=list(CHOICE)),
    }


def _parted(
    data: Levels, one: groups.Comparison
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64], str]:
    """Positions of the units of both groups, which of them are of the first, their blocks, and the design in words."""
    first, second = (groups.members(data.units, g) for g in (one.group, one.reference))
    at = np.flatnonzero(first | second)
    units = data.units.iloc[at].reset_index(drop=True)
    if "batch" not in units:
        units["batch"] = ""
    units["batch"] = units["batch"].fillna("").astype(str)
    number, words = blocks_of(units, "batch")
    block = np.zeros(len(at), dtype=np.int64) if number is None else number
    return at, first[at], block, words


def _rows(made: pd.DataFrame, key: tuple[str, ...], collection: str, n: int, alpha: float, source: str) -> pd.DataFrame:
    out = made.copy()
    out["stands_for"] = testing.representatives(out, alpha)
    for name, value in zip(("dataset", "layer", "contrast", "kind", "model"), key, strict=True):
        out[name] = value
    out["collection"], out["method"], out["status"], out["n"] = collection, PERMUTED, "estimated", float(n)
    out["direction"] = np.sign(out["nes"]).astype(int)
    out["source_table"] = source
    return out


@analysis(
    title="Programmes in every sample",
    reference=(SSGSEA, GSVA),
    methods=lambda result, method, **_: (
        f"Programmes were scored in every sample by single-sample GSEA ({SSGSEA}) on ranks within the sample."
        if method == "ssgsea"
        else f"Programmes were scored in every sample by gene set variation analysis ({GSVA}) with Gaussian kernels."
    ),
    formula=(
        "ssGSEA: sum of the difference of weighted and plain rank distributions; GSVA: the same after each "
        "gene's kernel distribution over samples"
    ),
    oracle=(
        "R GSVA 1.46 on airway: ssGSEA r above .999, GSVA within .0008 (tests/omics/test_enrichment.py, "
        "tests/omics/test_enrichment_samples.py)"
    ),
    limits=(
        "Scores compare samples, not sets, and say nothing of direction within a set. GSVA scores change with "
        "the other samples of the table."
    ),
)
def programme_scores(
    expression: pd.DataFrame,
    expression_samples: pd.DataFrame,
    gene_sets: pd.DataFrame | None = None,
    *,
    collections_used: tuple[str, ...] = (PROGRAMMES,),
    smallest: int = 5,
    method: str = "ssgsea",
) -> pd.DataFrame:
    """Single-sample scores, one row per biological replicate and set: `SCORES`; `sample` names one of its samples.

    `method` is `ssgsea` (ranks within the sample alone: a sample's score does not depend on the others) or `gsva` (each
    gene first compared over the samples of the data set, which needs at least three of them). Scores compare samples,
    not sets. Sets with fewer than `smallest` genes in the data are left out. Raises ValueError for another `method`.
    """
    if method not in ("ssgsea", "gsva"):
        raise ValueError(f"method is ssgsea or gsva, got {method!r}")
    rows = []
    for data in by_gene(expression, expression_samples):
        names = data.units["sample"].astype(str).tolist()
        known = data.units[["model", "treatment", "stage", "replicate"]].astype(str).to_numpy()
        for name, members in collections(gene_sets, collections_used).items():
            for term, scores, size in _scored(data, members, smallest, method):
                rows += [
                    (data.name, s, *k, name, term, size, v, method)
                    for s, k, v in zip(names, known, scores, strict=True)
                ]
    return pd.DataFrame(rows, columns=list(SCORES))


def _scored(data: Levels, sets: testing.Sets, smallest: int, method: str) -> list[tuple[str, Any, int]]:
    if method == "ssgsea":
        return single_sample(data.values, np.array(data.genes), sets, smallest)
    return variation(data.values, data.genes, sets, smallest)


def variation(values: Any, genes: list[str], sets: testing.Sets, smallest: int) -> list[tuple[str, Any, int]]:
    """GSVA of ``values`` [genes, samples] in log2, ``genes`` unique: (term, scores [samples], size) per set
    (Hänzelmann et al. 2013, Gaussian kernel, difference of the largest deviations)."""
    varies = np.ptp(values, axis=1) > 0
    named = [g for g, v in zip(genes, varies, strict=True) if v]
    kept = testing.within(sets, named, smallest, len(named) - 1)
    if not kept or values.shape[1] < 3:
        return []
    import gseapy

    table = pd.DataFrame(values[varies], index=named, columns=[f"s{j:05d}" for j in range(values.shape[1])])
    made = gseapy.gsva(
        table, {k: list(v) for k, v in kept.items()}, kcdf="Gaussian", mx_diff=True, min_size=1, max_size=len(named),
        threads=1, seed=0, outdir=None, verbose=False,
    ).res2d  # fmt: skip
    wide = made.pivot_table(index="Term", columns="Name", values="ES", aggfunc="first")
    return [(t, wide.loc[t, table.columns].to_numpy(dtype=float), len(kept[t])) for t in sorted(kept)]
