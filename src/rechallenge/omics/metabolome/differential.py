"""Moderated t tests between groups of samples, metabolite by metabolite."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge import contrasts as groups
from rechallenge.analysis import analysis
from rechallenge.faults import NotApplicable
from rechallenge.moderated_contrasts import SMYTH, biological, tested
from rechallenge.omics.metabolome.contract import SAMPLE, sample_type
from rechallenge.stats.multiplicity import bh
from rechallenge.tables.contract import source_rows

COLUMNS = (
    "dataset", "contrast", "feature", "log2fc", "se", "statistic", "p_value", "q_value", "layer", "kind", "model",
    "treatment", "stage", "against", "against_treatment", "against_stage", "ci_low", "ci_high", "df", "n", "n_group",
    "n_reference", "level", "design", "direction", "status", "reason", "source_table", "source_rows",
)  # fmt: skip


def _methods(metabolite_differential: pd.DataFrame, confidence: float, **_: Any) -> str:
    designs = sorted({d for d in metabolite_differential["design"] if d})
    return (
        "Metabolites were compared between groups by moderated t tests on log2 values over all samples of a data set "
        f"({SMYTH}; {', '.join(designs)}), technical measurements averaged first, with {100 * confidence:g} % "
        "intervals; q values after Benjamini and Hochberg (doi:10.1111/j.2517-6161.1995.tb02031.x) within each "
        "contrast. A metabolite that was not found in one of the groups was not tested."
    )


@analysis(
    title="Metabolites between groups",
    reference=SMYTH,
    methods=_methods,
    formula="moderated t = b / (s_post sqrt(v)) of log2 values, blocks as covariates",
    oracle=(
        "log2 fold changes of hypoxic fibroblasts as the laboratory has them, to 1.7e-4 "
        "(tests/omics/test_metabolome.py)"
    ),
    limits=("Missing values are never filled in, so what vanishes in one group is not tested. A pool proves no flux."),
)
def metabolite_differential(
    metabolite_values: pd.DataFrame,
    metabolites: pd.DataFrame,
    metabolites_samples: pd.DataFrame,
    models: pd.DataFrame,
    contrasts: pd.DataFrame | None = None,
    *,
    confidence: float = 0.95,
    alpha: float = 0.05,
    block: str = "auto",
    trend: bool = False,
    least: int = 2,
) -> pd.DataFrame:
    """One row per data set, contrast and metabolite: `COLUMNS`.

    `log2fc` is group minus reference, with a moderated standard error; `df` is residual plus prior. `block` is one of
    auto (batch, else shared replicates), batch, replicate, none; `trend` lets the prior variance follow the level,
    `least` is the number of replicates that each side needs for a test (missing values are never filled in).
    `direction` is +1 or -1 where a resistant model differs from its parent at q < `alpha`. Raises NotApplicable where
    no two groups can be compared.
    """
    parts = []
    for name, values in metabolite_values.groupby("dataset", sort=True):
        sheet = metabolites_samples[metabolites_samples["dataset"] == name]
        if "sample_type" in sheet:
            sheet = sheet[sheet["sample_type"].map(sample_type) == SAMPLE]
        y, features, units = biological(values, sheet)
        found = groups.of(units, models, contrasts)
        if not found:
            continue
        made = tested(y, features, units, found, block=block, trend=trend, least=least, confidence=confidence)
        tells = {c.contrast: groups.direction(c, models) for c in found}
        parts.append(made.assign(dataset=str(name), tells=made["contrast"].map(tells)))
    if not parts:
        raise NotApplicable("no two groups of samples can be compared: name a resistant model's parent, or a vehicle")
    out = pd.concat(parts, ignore_index=True)
    out["q_value"] = out.groupby(["dataset", "contrast"])["p_value"].transform(lambda p: bh(p.to_numpy()))
    sign = np.where(out["q_value"] < alpha, np.sign(out["log2fc"].fillna(0)), 0)
    out["direction"] = (sign * out.pop("tells")).astype(int)
    out["layer"], out["source_table"] = "metabolite", "metabolites"
    where = {}
    if "_row" in metabolites:
        for (d, f), rows in metabolites.groupby(["dataset", "feature"]):
            where[str(d), str(f)] = source_rows(rows["_file"], rows["_row"])
    out["source_rows"] = [where.get((d, f), "") for d, f in zip(out["dataset"], out["feature"], strict=True)]
    return out.sort_values(["dataset", "kind", "contrast", "feature"], kind="mergesort").reset_index(drop=True)[
        list(COLUMNS)
    ]
