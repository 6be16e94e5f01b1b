"""Groups compared on indices and on single lipids."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge import contrasts as groups
from rechallenge.analysis import analysis
from rechallenge.faults import NotApplicable
from rechallenge.moderated_contrasts import SMYTH, biological, tested
from rechallenge.omics.fatty_acids.indices import amounts
from rechallenge.stats.factorial import contrast, log2_contrast
from rechallenge.stats.multiplicity import bh
from rechallenge.tables.contract import source_rows

WELCH = "doi:10.1093/biomet/34.1-2.28"
COLUMNS = (
    "dataset", "contrast", "kind", "model", "treatment", "pool", "index", "pathway", "group_value", "reference_value",
    "effect", "effect_unit", "se", "df", "ci_low", "ci_high", "statistic", "p_value", "q_value", "n", "design",
    "direction", "status", "reason", "source_table", "source_rows",
)  # fmt: skip
LIPIDS = (
    "dataset", "contrast", "feature", "log2fc", "se", "statistic", "p_value", "q_value", "layer", "kind", "model",
    "treatment", "lipid", "lipid_class", "carbons", "double_bonds", "ci_low", "ci_high", "df", "n", "n_group",
    "n_reference", "level", "design", "status", "reason", "source_table", "source_rows",
)  # fmt: skip
_NUMBERS = ("effect", "se", "df", "ci_low", "ci_high", "statistic", "p_value", "n", "design", "status", "reason")


def _methods(fatty_acid_contrasts: pd.DataFrame, confidence: float, **_: Any) -> str:
    designs = sorted({d.split(";")[0] for d in fatty_acid_contrasts["design"] if d})
    return (
        "Indices were compared between groups by t tests (ratios and totals as log2) with the biological replicate "
        f"as the unit ({'; '.join(designs) or 'no design complete'}; {WELCH} where independent) and "
        f"{100 * confidence:g} % intervals, adjusted by Benjamini and Hochberg "
        "(doi:10.1111/j.2517-6161.1995.tb02031.x)."
    )


@analysis(
    title="Fatty acids between groups",
    reference=WELCH,
    methods=_methods,
    formula="difference of indices, log2 ratio of ratios and totals; Welch t or paired t",
    oracle="No outside reference: a planted desaturation (tests/omics/test_fatty_acids.py)",
    limits="Serum lipids reach cells; a change may be the medium's.",
)
def fatty_acid_contrasts(
    fatty_acid_indices: pd.DataFrame,
    fatty_acids: pd.DataFrame,
    models: pd.DataFrame,
    contrasts: pd.DataFrame | None = None,
    *,
    confidence: float = 0.95,
    alpha: float = 0.05,
) -> pd.DataFrame:
    """One row per data set, contrast and index: `COLUMNS`.

    Means and shares are compared as a difference, ratios and totals as a log2 ratio; technical samples of a replicate
    are averaged. `direction` is +1 or -1 where a resistant model differs from its parent at q < `alpha`. Raises
    NotApplicable where no two groups can be compared.
    """
    rows: list[dict[str, Any]] = []
    for dataset, part in fatty_acid_indices.groupby("dataset", sort=True):
        sheet = groups.grouped(part)
        origin = ""
        if "_row" in fatty_acids:
            mine = fatty_acids[fatty_acids["dataset"] == dataset]
            origin = source_rows(mine["_file"], mine["_row"])
        for one in groups.of(sheet, models, contrasts):
            sides = [sheet[groups.members(sheet, g)] for g in (one.group, one.reference)]
            names = [one.group.label, one.reference.label]
            for (pool, index), _ in part.groupby(["pool", "index"], sort=True):
                found = [s[(s["pool"] == pool) & (s["index"] == index)] for s in sides]
                arms = [_arm(f) for f in found]
                head = found[0].iloc[0]
                values = [float(np.mean(list(a.values()))) if a else np.nan for a in arms]
                if head["kind"] == "mean":
                    result, unit = contrast(arms, [1, -1], confidence=confidence, names=names), head["unit"]
                else:
                    low = min((v for a in arms for v in a.values() if v > 0), default=1.0)
                    result = log2_contrast(arms, [1, -1], floor=low / 2, confidence=confidence, names=names)
                    unit = "log2 ratio"
                rows.append({**{k: getattr(result, k) for k in _NUMBERS}, "dataset": dataset, "contrast": one.contrast,
                             "kind": one.kind, "model": one.model, "treatment": one.group.treatment, "pool": pool,
                             "index": index, "pathway": head["pathway"], "group_value": values[0],
                             "reference_value": values[1], "effect_unit": unit,
                             "tells": groups.direction(one, models), "source_rows": origin})  # fmt: skip
    if not rows:
        raise NotApplicable("no two groups of samples can be compared: name a resistant model's parent, or a vehicle")
    out = pd.DataFrame(rows)
    out["q_value"] = out.groupby(["dataset", "contrast"])["p_value"].transform(lambda p: bh(p.to_numpy()))
    sign = np.sign(out["effect"]).where(out["q_value"] < alpha, 0).fillna(0)
    out["direction"] = (sign * out.pop("tells")).astype(int)
    out = out.assign(source_table="fatty_acids").sort_values(
        ["dataset", "kind", "contrast", "pool", "index"], kind="mergesort"
    )
    return out.reset_index(drop=True).loc[:, list(COLUMNS)]


def _arm(rows: pd.DataFrame) -> dict[str, float]:
    """Mean value of each biological replicate."""
    means = rows.dropna(subset=["value"]).groupby("replicate")["value"].mean()
    return {str(k): float(v) for k, v in means.items()}


def _lipid_methods(lipid_differential: pd.DataFrame, normalise: str, confidence: float, **_: Any) -> str:
    how = {"auto": "expressed as a share of the total measured where not given as log2, ", "none": "",
           "total": "expressed as a share of the total measured, "}[normalise]  # fmt: skip
    return (
        f"Single lipids were {how}log2-transformed and compared by moderated t tests ({SMYTH}) with "
        f"{100 * confidence:g} % intervals, adjusted by Benjamini and Hochberg within each contrast."
    )


@analysis(
    title="Lipids between groups",
    reference=SMYTH,
    methods=_lipid_methods,
    formula="moderated t = b / (s_post sqrt(v)) of log2 shares",
    oracle=(
        "No outside reference for whole tables: the moderated t is limma's formula "
        "(tests/stats/test_moderated.py, tests/omics/test_fatty_acids.py)"
    ),
    limits="Shares add up to one: what rises makes others fall.",
)
def lipid_differential(
    fatty_acids: pd.DataFrame,
    fatty_acids_samples: pd.DataFrame,
    lipid_species: pd.DataFrame,
    models: pd.DataFrame,
    contrasts: pd.DataFrame | None = None,
    *,
    normalise: str = "auto",
    block: str = "auto",
    trend: bool = False,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """One row per data set, contrast and lipid: `LIPIDS` (the columns of `differential`, layer "lipid").

    `normalise` is "total" (share of all measured amounts of a sample), "none", or "auto" (total, but none for log2
    values). A lipid that is missing in one group is not tested. Raises NotApplicable where no groups can be compared,
    ValueError for an unknown normalisation.
    """
    if normalise not in ("auto", "total", "none"):
        raise ValueError(f"normalise is auto, total or none, got {normalise!r}")
    known = lipid_species.set_index("feature")[["lipid", "lipid_class", "carbons", "double_bonds"]]
    parts = []
    for dataset, sheet in fatty_acids_samples.groupby("dataset", sort=True):
        mine = fatty_acids[fatty_acids["dataset"] == dataset]
        unit = str(sheet["unit"].iloc[0]) if "unit" in sheet else ""
        samples = sheet["sample"].tolist()
        amount = amounts(mine[samples].to_numpy(dtype=float), unit)
        if normalise == "total" or (normalise == "auto" and unit != "log2"):
            total = amount.sum(axis=0)
            amount = np.divide(amount, total, out=np.zeros_like(amount), where=total > 0)
        with np.errstate(divide="ignore"):
            logs = np.where(amount > 0, np.log2(np.where(amount > 0, amount, 1.0)), np.nan)
        long = pd.DataFrame(logs, columns=samples).assign(feature=mine["feature"].astype(str).to_numpy())
        long = long.melt("feature", var_name="sample", value_name="value")
        y, features, units = biological(long, sheet)
        found = groups.of(units, models, contrasts)
        if not found:
            continue
        made = tested(y, features, units, found, block=block, trend=trend, confidence=confidence)
        made["dataset"] = dataset
        if "_row" in mine:
            where = {str(f): source_rows([a], [b])
                     for f, a, b in zip(mine["feature"], mine["_file"], mine["_row"], strict=True)}  # fmt: skip
            made["source_rows"] = made["feature"].map(where)
        else:
            made["source_rows"] = ""
        parts.append(made)
    if not parts:
        raise NotApplicable("no two groups of samples can be compared: name a resistant model's parent, or a vehicle")
    out = pd.concat(parts, ignore_index=True).join(known, on="feature")
    out["q_value"] = out.groupby(["dataset", "contrast"])["p_value"].transform(lambda p: bh(p.to_numpy()))
    out = out.assign(layer="lipid", source_table="fatty_acids")
    for c in ("lipid", "lipid_class"):
        out[c] = out[c].fillna("")
    return out.sort_values(["dataset", "kind", "contrast", "feature"], kind="mergesort").reset_index(drop=True)[
        list(LIPIDS)
    ]
