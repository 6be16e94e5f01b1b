"""Contrasts of transcriptomes and proteomes, joined with those of metabolites and of other laboratories."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from rechallenge.analysis import analysis
from rechallenge.faults import NotApplicable
from rechallenge.levels import symbols
from rechallenge.omics.expression.estimate import (
    COLUMNS,
    COUNTS,
    EXPRESSED_CPM,
    LEAST_COUNTS,
    MEANS,
    MODERATED,
    contrast_table,
    data_sets,
)
from rechallenge.stats.multiplicity import bh

DESEQ = "doi:10.1186/s13059-014-0550-8"
LIMMA = "doi:10.2202/1544-6115.1027"
TREND = "doi:10.1186/gb-2014-15-2-r29"
ELSEWHERE = "analysed elsewhere"


def _methods(layer: str) -> Any:
    def say(result: pd.DataFrame, alpha: float, **_: Any) -> str:
        text = []
        used = set(result["method"])
        what = {"rna": "Transcripts", "protein": "Proteins"}[layer]
        if COUNTS in used:
            text.append(
                f"{what} were counted and tested by negative-binomial regression with dispersions drawn to their trend "
                f"({DESEQ}); with three or fewer residual degrees of freedom the spread of the prior was found by "
                "matching the distribution of log dispersions. Wald tests of log2 fold changes were adjusted by "
                "Benjamini and Hochberg over features whose mean count gives them a chance (doi:10.1073/pnas."
                f"0914005107), set for {alpha:g}; features with fewer than {LEAST_COUNTS} counts in all were "
                "left out; shrunken fold changes use a Cauchy prior "
                "(doi:10.1093/bioinformatics/bty895)."
            )
        text[:0] = ["Technical samples of one biological replicate were added (counts) or averaged."]
        if MODERATED in used:
            text.append(
                f"{what} on a log2 scale were tested by linear models with variances moderated over all features "
                f"({LIMMA}), the prior following the mean level ({TREND})."
            )
        text.append(
            f"A feature counts as expressed with {EXPRESSED_CPM:g} per million (counts; TPM, FPKM or CPM likewise; any "
            "value on other scales) in as many samples as the smallest group has."
        )
        if MEANS in used:
            text.append(f"{what} of data sets without biological replicates are given as differences, without a test.")
        return " ".join(text)

    return say


def _layer(
    matrix: pd.DataFrame,
    samples: pd.DataFrame,
    models: pd.DataFrame,
    declared: pd.DataFrame,
    layer: str,
    **options: Any,
) -> pd.DataFrame:
    tables = [contrast_table(d, layer, models, declared, **options) for d in data_sets(matrix, samples)]
    tables = [t for t in tables if len(t)]
    if not tables:
        raise NotApplicable("no data set has two groups of samples that the study compares")
    out = pd.concat(tables, ignore_index=True)
    out["source_table"] = {"rna": "expression", "protein": "proteins"}[layer]
    return out.sort_values(["dataset", "kind", "contrast", "feature"], kind="mergesort", ignore_index=True)


@analysis(
    title="Differential transcripts",
    reference=(DESEQ, LIMMA, TREND),
    methods=_methods("rna"),
    formula=(
        "counts: K ~ NB(mean s q, dispersion a), log q = X b, Wald z = b / SE(b); other scales: moderated t = b"
        " / (s_post sqrt(v))"
    ),
    oracle=(
        "R DESeq2 1.38.3 on airway (4,000, 3,979 and 840 genes) and on hypoxic fibroblasts; limma's formulas "
        "(tests/stats/test_counts.py, tests/stats/test_moderated.py, tests/omics/test_expression.py)"
    ),
    limits=(
        "Two samples a side can give hundreds of false calls at q < .05 where nothing differs (median 48 on "
        "airway, up to 2,300 on fibroblasts); three are no warrant. Calls agree with DESeq2 by Jaccard .95 to "
        ".98, not exactly."
    ),
)
def rna_differential(
    expression: pd.DataFrame,
    expression_samples: pd.DataFrame,
    models: pd.DataFrame,
    contrasts: pd.DataFrame,
    *,
    batch: bool = True,
    trend: bool = True,
    alpha: float = 0.1,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Every contrast of every transcriptome: one row per feature and contrast, `estimate.COLUMNS`.

    Contrasts come from the models (resistant against parent), treatments (against vehicle, combinations against their
    drugs), stages (trend) and `[[contrasts]]`; `batch` is a covariate where it can be told apart from the groups.
    `alpha` is the false-discovery rate for which weak features are left out of the adjustment; `trend` lets the prior
    variance of log data follow the mean level. `n` are samples of all groups concerned. Raises NotApplicable where
    there is nothing to compare.
    """
    options = {"batch": batch, "trend": trend, "alpha": alpha, "confidence": confidence}
    return _layer(expression, expression_samples, models, contrasts, "rna", **options)


@analysis(
    title="Differential proteins",
    reference=(LIMMA, TREND),
    methods=_methods("protein"),
    formula="log2 intensity, medians equal; moderated t = b / (s_post sqrt(v)), prior variance by level",
    oracle=(
        "No outside reference for whole tables: the moderated t is limma's formula "
        "(tests/stats/test_moderated.py, tests/omics/test_expression.py)"
    ),
    limits=(
        "Missing intensities are not filled in, so a protein seen in one group alone is not tested. Peptides "
        "are not modelled: bring protein-level tables."
    ),
)
def protein_differential(
    proteins: pd.DataFrame,
    proteins_samples: pd.DataFrame,
    models: pd.DataFrame,
    contrasts: pd.DataFrame,
    *,
    batch: bool = True,
    trend: bool = True,
    alpha: float = 0.1,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Every contrast of every proteome, as `rna_differential`. Intensities are put on log2 and set to equal medians."""
    options = {"batch": batch, "trend": trend, "alpha": alpha, "confidence": confidence}
    return _layer(proteins, proteins_samples, models, contrasts, "protein", **options)


@analysis(
    title="Contrasts analysed elsewhere",
    methods="Contrasts that were analysed elsewhere were taken as given.",
    reference="doi:10.1111/j.2517-6161.1995.tb02031.x",
    formula="statistic = log2fc / se; p = 2 Phi(-|statistic|) where it is missing; q by Benjamini and Hochberg",
    oracle="No outside reference: completed by definition (tests/omics/test_expression.py)",
    limits="Taken as given: how others filtered, paired or normalised is not known here.",
)
def given_differential(contrast_results: pd.DataFrame) -> pd.DataFrame:
    """Contrasts of other laboratories in the same columns: what is missing of se, statistic and p follows from what is
    there; q is by Benjamini and Hochberg within data set and contrast. Rows with none of the three are not testable."""
    table = contrast_results
    effect = table["log2fc"].to_numpy(dtype=float)
    se, z, p = (table[c].to_numpy(dtype=float) for c in ("se", "statistic", "p_value"))
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.where(np.isnan(z) & np.isfinite(se) & (se > 0), effect / se, z)
        from_p = np.sign(effect) * stats.norm.isf(np.clip(p, 1e-300, 1) / 2)
        z = np.where(np.isnan(z) & np.isfinite(p), from_p, z)
        p = np.where(np.isnan(p) & np.isfinite(z), 2 * stats.norm.sf(np.abs(z)), p)
        se = np.where(np.isnan(se) & np.isfinite(z) & (z != 0), np.abs(effect / z), se)
    out = pd.DataFrame(index=table.index)
    for c in ("dataset", "contrast", "layer", "feature", "model"):
        out[c] = table[c].astype(str)
    for c in ("treatment", "stage", "against", "against_treatment", "against_stage"):
        out[c] = ""  # not said by whoever gave them
    out["gene"] = symbols(out["feature"].tolist())
    out["kind"], out["method"], out["expressed"], out["direction"] = ELSEWHERE, ELSEWHERE, True, 0
    out["log2fc"], out["se"], out["statistic"], out["p_value"] = effect, se, z, p
    out["ci_low"], out["ci_high"] = effect - 1.959964 * se, effect + 1.959964 * se
    out["n"] = table["n"]
    out["q_value"] = out.groupby(["dataset", "contrast", "layer"])["p_value"].transform(lambda v: bh(v.to_numpy()))
    tested = np.isfinite(p)
    out["status"] = np.where(tested, "estimated", "not_testable")
    out["reason"] = np.where(tested, "", "neither se nor statistic nor p was given")
    out["source_table"] = "contrast_results"
    out["source_rows"] = (
        [f"{f}:{r}" for f, r in zip(table["_file"], table["_row"], strict=True)] if "_row" in table else ""
    )
    out = out.reindex(columns=list(COLUMNS))
    return out.sort_values(["dataset", "contrast", "feature"], kind="mergesort", ignore_index=True)


@analysis(
    title="Differential features of all layers",
    formula="No formula: joins the tables of all layers",
    oracle="No outside reference: it computes nothing (tests/omics/test_expression.py)",
    limits="The limits are those of the layers it joins.",
)
def differential(
    rna_differential: pd.DataFrame | None = None,
    protein_differential: pd.DataFrame | None = None,
    metabolite_differential: pd.DataFrame | None = None,
    given_differential: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """All contrasts of genes, proteins and metabolites in one table, `layer` saying which; columns of each are kept."""
    parts = [t for t in (rna_differential, protein_differential, metabolite_differential, given_differential)
             if t is not None and len(t)]  # fmt: skip
    if not parts:
        raise NotApplicable("no layer gave a contrast")
    columns = [*COLUMNS, *(c for t in parts for c in t.columns if c not in COLUMNS)]
    return pd.concat([t.dropna(axis=1, how="all") for t in parts], ignore_index=True).reindex(
        columns=list(dict.fromkeys(columns))
    )
