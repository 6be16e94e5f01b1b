"""Fold changes of every target between groups, stages, and resistant and parental lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.assays.qpcr.expression import (
    UNIT,
    amounts,
    efficiencies,
    per_replicate,
    stability,
    wells,
    with_roles,
)
from rechallenge.designs import Planned, contrasts
from rechallenge.designs.labels import each
from rechallenge.faults import NotApplicable
from rechallenge.stats.multiplicity import bh
from rechallenge.tables.contract import source_rows

LIVAK, PFAFFL, GENORM = "doi:10.1006/meth.2001.1262", "doi:10.1093/nar/29.9.e45", "doi:10.1186/gb-2002-3-7-research0034"
BH = "doi:10.1111/j.2517-6161.1995.tb02031.x"
COLUMNS = (
    "model", "group", "control", "target", "contrast", "kind", "method", "log2fc", "se", "df", "ci_low", "ci_high",
    "fold", "fold_ci_low", "fold_ci_high", "statistic", "p_value", "p_adjusted", "q_value", "n", "n_group", "n_control",
    "mean_group", "mean_control", "unit", "technical_se", "fold_sd_low", "fold_sd_high", "design", "test", "adjustment",
    "interval", "confidence", "family", "references", "direction", "verdict", "status", "reason", "remark",
    "source_table", "source_rows",
)  # fmt: skip
REPLICATE_COLUMNS = (
    *UNIT, "target", "method", "unit", "log2_amount", "amount", "bound", "technical_se", "technical_sd", "n_samples",
    "n_wells", "status", "reason",
)  # fmt: skip


def _methods(made: Mapping[str, pd.DataFrame], confidence: float, alpha: float, max_ct: float, **_: Any) -> str:
    qpcr = made["qpcr"]
    used = sorted({str(m) for m in qpcr["method"]})
    tests = sorted({f"{r.test} ({r.design})" for r in each(qpcr) if r.test})
    refs = sorted({r for r in qpcr["references"] if r})
    return (
        f"qPCR amounts ({', '.join(used)}) were computed from Ct with the amplification factor of each target "
        f"({PFAFFL}; 2 where none was given or measured) and the geometric mean of the references "
        f"({'; '.join(refs) or 'none'}; {GENORM}), on the log2 scale ({LIVAK}); technical wells were averaged first "
        "and the biological replicate is the unit. A target that came up in at most half of its wells by cycle "
        f"{max_ct:g} has an upper bound and no Ct. Groups were compared by {'; '.join(tests) or 'no test'}, intervals "
        f"at {100 * confidence:g} %, called at an adjusted p below {alpha:g}; q-values ({BH}) are over all contrasts."
    )


@analysis(
    title="Expression by qPCR",
    reference=(LIVAK, PFAFFL, GENORM),
    methods=_methods,
    gives=("qpcr", "qpcr_replicates", "qpcr_references", "qpcr_efficiencies"),
    formula="log2fc = -(ddCt) = log2(efficiency^dCt) of target less the mean of references; fold = 2^log2fc",
    oracle=(
        "Livak and Schmittgen 2001 (5.637-fold, 5.28 to 6.02), a QuantStudio RNase P export, Yuan et al. "
        "(tests/assays/test_qpcr.py)"
    ),
    limits=(
        "As steady as its references; one that moves is said. Efficiency 2 is assumed where none is given or "
        "measured. Transcript is not protein."
    ),
)
def qpcr(
    qpcr: pd.DataFrame,
    models: pd.DataFrame | None = None,
    *,
    references: tuple[str, ...] = (),
    max_ct: float = 40.0,
    confidence: float = 0.95,
    alpha: float = 0.05,
    variances: Literal["auto", "equal", "unequal"] = "auto",
    control: tuple[str, ...] = (),
    independent: bool = False,
) -> dict[str, pd.DataFrame]:
    """Fold changes (`COLUMNS`), amounts of every replicate, steadiness of the references, efficiencies of standards.

    `references` names reference targets beyond those with that role. `log2fc` with `ci_low`, `ci_high` is on the log2
    scale, `fold` the same as a factor; equal replicate labels in two groups are one experiment unless `independent`.
    `fold_sd_low`, `fold_sd_high` is Livak's range (fold at plus and minus one SD of the group's delta Ct: over
    biological replicates, else over wells), not an interval. `technical_se` is the standard error of the group's log2
    amount from its wells alone. A target that was not detected gives a bound ('censored'). `direction` is the sign of
    the difference of a resistant line from its parent. Raises NotApplicable where no target can be compared.
    """
    table = with_roles(qpcr, references)
    curves = efficiencies(table, confidence)
    known = curves[curves["status"] == "estimated"]
    averaged = wells(table, max_ct, dict(zip(known["target"], known["efficiency"], strict=True)))
    samples = amounts(averaged)
    if samples.empty:
        raise NotApplicable("no target besides references is in the table of qPCR")
    means = per_replicate(samples)
    refs = ", ".join(sorted(set(averaged.loc[averaged["role"].isin(["reference", "nuclear"]), "target"])))
    tables = []
    for (target, kind), part in means.groupby(["target", "kind"], sort=True):
        found, planned = _contrasted(part, models, independent, variances, confidence, alpha, frozenset(control))
        if found.empty:
            continue
        found["target"], found["references"] = str(target), refs if kind != "ip" else "input"
        found["method"], found["unit"] = part["method"].iloc[0], part["unit"].iloc[0]
        found = found.join(pd.DataFrame([_spread(part, p) for p in planned], index=found.index))
        found["source_rows"] = [_origin(qpcr, table, part, p) for p in planned]
        tables.append(found)
    tables += _antibodies(means, confidence=confidence, alpha=alpha, variances=variances,
                          independent=independent, qpcr=qpcr, table=table)  # fmt: skip
    if not tables:
        raise NotApplicable("no target was measured in two groups, stages or related models")
    out = pd.concat(tables, ignore_index=True).rename(columns={"effect": "log2fc"})
    out["fold_sd_low"], out["fold_sd_high"] = (np.exp2(out["log2fc"] + s * out["_spread"]) for s in (-1, 1))
    out["confidence"], out["source_table"], out["q_value"] = confidence, "qpcr", bh(out["p_value"])
    called = np.where(out["p_adjusted"] < alpha, np.sign(out["log2fc"].fillna(0)), 0)
    bound = (out["status"] == "censored") & ((out["ci_low"] > 0) | (out["ci_high"] < 0))  # a bound beyond no change
    called = np.where(bound, np.where(out["ci_low"] > 0, 1, -1), called)
    out["direction"] = np.where(out["kind"] == "model", called, 0).astype(int)
    return {
        "qpcr": out.loc[:, list(COLUMNS)],
        "qpcr_replicates": _replicates(samples, means),
        "qpcr_references": stability(averaged),
        "qpcr_efficiencies": curves,
    }


def _contrasted(
    part: pd.DataFrame, models: pd.DataFrame | None, independent: bool, variances: Any, confidence: float, alpha: float,
    declared: frozenset[str],
) -> tuple[pd.DataFrame, list[Planned]]:  # fmt: skip
    found, planned, _ = contrasts(
        part, models, log=True, independent=independent, variances=variances, confidence=confidence, alpha=alpha,
        declared=declared,
    )  # fmt: skip
    return found, planned


def _antibodies(
    means: pd.DataFrame, qpcr: pd.DataFrame, table: pd.DataFrame, independent: bool, variances: Any, confidence: float,
    alpha: float,
) -> list[pd.DataFrame]:  # fmt: skip
    """Antibodies against IgG (or one another) on one locus, within each group."""
    chip = means[means["kind"] == "ip"]
    if chip.empty:
        return []
    split = chip["target"].str.partition(", ")
    chip = chip.assign(locus=split[0], antibody=split[2])
    out = []
    for (model, group, locus), part in chip[chip["antibody"] != ""].groupby(["model", "group", "locus"], sort=True):
        found, planned = _contrasted(
            part.assign(group=part["antibody"]), None, independent, variances, confidence, alpha, frozenset()
        )
        if found.empty:
            continue
        found = found.assign(kind="antibody", target=str(locus), references="input", method=part["method"].iloc[0])
        found["unit"], found["contrast"] = part["unit"].iloc[0], found["contrast"] + f", {group}"
        found["family"] = f"{model}, {group}, {locus}: antibodies"
        mine = part.assign(group=part["antibody"])
        found = found.join(pd.DataFrame([_spread(mine, p) for p in planned], index=found.index))
        used = table[(table["model"] == model) & (table["group"] == group) & (table["target"] == locus)]
        found["source_rows"] = source_rows(used["_file"], used["_row"]) if "_row" in qpcr.columns else ""
        out.append(found)
    return out


def _arm(part: pd.DataFrame, arm: Any) -> pd.DataFrame:
    time = part["time"].isna() if arm[2] is None else part["time"] == arm[2]
    out: pd.DataFrame = part[(part["model"] == arm[0]) & (part["stage"] == arm[1]) & time & (part["group"] == arm[3])]
    return out


def _spread(part: pd.DataFrame, plan: Planned) -> dict[str, float]:
    """SD and technical standard error of the treated arm's log2 amount."""
    if len(plan.weights) != 2:
        return {"_spread": np.nan, "technical_se": np.nan}
    mine = _arm(part, plan.treated)
    spread = float(mine["y"].std(ddof=1)) if len(mine) > 1 else float(mine["technical_sd"].iloc[0])
    return {"_spread": spread, "technical_se": float(mine["technical_se"].mean())}


def _replicates(samples: pd.DataFrame, means: pd.DataFrame) -> pd.DataFrame:
    """Amounts of every biological replicate, and those that could not be had with their reason."""
    out = means.rename(columns={"y": "log2_amount"}).assign(reason="")
    out["status"] = np.where(out["bound"] < 0, "censored", "estimated")
    lost = samples[samples["status"] == "not_estimable"].assign(bound=0)
    out = pd.concat([out, lost.reindex(columns=out.columns)], ignore_index=True) if len(lost) else out
    out["amount"] = np.exp2(out["log2_amount"])
    why = samples[samples["reason"] != ""].groupby([*UNIT, "target"], dropna=False)["reason"].first().reset_index()
    out = out.drop(columns="reason").merge(why, on=[*UNIT, "target"], how="left")
    out["reason"] = out["reason"].fillna("")
    return out.loc[:, list(REPLICATE_COLUMNS)].sort_values(["target", *UNIT], kind="mergesort").reset_index(drop=True)


def _origin(given: pd.DataFrame, table: pd.DataFrame, part: pd.DataFrame, plan: Planned) -> str:
    """The wells that a contrast rests on: those of the target, and of the references in the same groups."""
    if "_row" not in given.columns:
        return ""
    target = str(part["target"].iloc[0]).partition(", ")[0]
    used = pd.concat([_arm(table, a) for a in plan.weights])
    used = used[(used["target"] == target) | used["role"].isin(["reference", "nuclear", "input"])]
    return source_rows(used["_file"], used["_row"])
