"""Groups of samples compared feature by feature: replicates, blocks, design and moderated t tests of a matrix.

What the metabolome, lipids and any other matrix of log2 values with a sheet of samples have in common. Technical
samples of one biological replicate are averaged, all groups of a data set share one linear model, batches or shared
replicates are blocks, and missing values are never filled in.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge import contrasts as groups
from rechallenge.contrasts import Comparison
from rechallenge.stats import moderated

Floats = NDArray[np.float64]
SMYTH = "doi:10.2202/1544-6115.1027"
BLOCKS = ("auto", "batch", "replicate", "none")
KEYS = ["model", "treatment", "stage", "replicate", "batch"]


def biological(values: pd.DataFrame, sheet: pd.DataFrame) -> tuple[Floats, list[str], pd.DataFrame]:
    """Values [features, units], features, and the sheet of units: technical samples averaged.

    `values` is long (feature, sample, value), `sheet` names the biological samples alone; those without a model are
    left out. Units and features are in the order of their names.
    """
    own = groups.grouped(sheet)
    own["batch"] = own["batch"].fillna("").astype(str).str.strip() if "batch" in own else ""
    own = own[own["model"] != ""].sort_values([*KEYS, "sample"], kind="mergesort")
    wide = values.set_index(["feature", "sample"])["value"].unstack().sort_index()  # noqa: PD010
    own = own[own["sample"].isin(wide.columns)]
    matrix, units = joined(wide[own["sample"].tolist()].to_numpy(dtype=float), own)
    return matrix, wide.index.astype(str).tolist(), units[KEYS]


def joined(values: Floats, sheet: pd.DataFrame, *, add: bool = False) -> tuple[Floats, pd.DataFrame]:
    """Values [features, units] and the rows of the sheet that stand for them, from values [features, samples].

    A unit is a biological replicate: samples of the same model, treatment, stage, replicate and batch are averaged, or
    added up where they are counts (`add`), over those that are there. Units are in the order of these names.
    """
    keys = [c for c in KEYS if c in sheet.columns]
    unit = sheet.groupby(keys, sort=True, dropna=False).ngroup().to_numpy()
    first = np.unique(unit, return_index=True)[1]
    member = np.eye(len(first))[unit]
    there = np.isfinite(values)
    found = there.astype(float) @ member
    total = np.where(there, values, 0.0) @ member
    with np.errstate(invalid="ignore", divide="ignore"):
        out = np.where(found > 0, total if add else total / found, np.nan)
    return out, sheet.iloc[first].reset_index(drop=True)


def blocks_of(units: pd.DataFrame, block: str) -> tuple[NDArray[np.int64] | None, str]:
    """Block number of every unit, and the design in words; None where there is none.

    `auto`: the batch where it has several levels and one of them holds two groups; else replicate labels where every
    group shares at least two of them with another (equal labels mean the same experiment).
    """
    group = units[["model", "treatment", "stage"]].agg("\x1f".join, axis=1)
    batch = units["batch"]
    if block in ("auto", "batch") and len(set(batch)) > 1 and group.groupby(batch).nunique().max() > 1:
        return pd.factorize(batch, sort=True)[0].astype(np.int64), "batch as block"
    if block in ("auto", "replicate") and (units["replicate"] != "").all():
        sets = [frozenset(r) for _, r in units["replicate"].groupby(group, sort=True)]
        shared = all(any(len(a & b) >= 2 for j, b in enumerate(sets) if j != i) for i, a in enumerate(sets))
        if len(sets) > 1 and shared:
            return pd.factorize(units["replicate"], sort=True)[0].astype(np.int64), "replicate as block"
    return None, "independent samples"


def design_of(units: pd.DataFrame, block: str) -> tuple[Floats, dict[tuple[str, str, str], int], str]:
    """Design [units, groups + blocks - 1]: one column per group, then blocks but the first; group -> its column."""
    keys = [tuple(k) for k in units[["model", "treatment", "stage"]].to_numpy()]
    column = {k: i for i, k in enumerate(sorted(set(keys)))}
    x = np.zeros((len(units), len(column)))
    x[np.arange(len(units)), [column[k] for k in keys]] = 1.0
    number, words = blocks_of(units, block)
    if number is not None:
        x = np.hstack([x, np.eye(number.max() + 1)[number][:, 1:]])
    return x, column, words


def tested(
    y: Floats,
    features: Sequence[str],
    units: pd.DataFrame,
    found: Sequence[Comparison],
    *,
    block: str = "auto",
    trend: bool = False,
    least: int = 2,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Moderated t of every feature (rows of `y`) in every comparison of the groups of `units`.

    Columns: contrast, kind, model, treatment, stage, against, against_treatment, against_stage, feature, log2fc, se,
    statistic, p_value, ci_low, ci_high, df, n, n_group, n_reference, level, design, status, reason. `least` is the
    number of replicates that a side needs for a test; `trend` lets the prior variance follow the level. Raises
    ValueError for an unknown `block`.
    """
    if block not in BLOCKS:
        raise ValueError(f"block is one of {', '.join(BLOCKS)}, got {block!r}")
    x, column, words = design_of(units, block)
    weights = np.zeros((x.shape[1], len(found)))
    for j, one in enumerate(found):
        weights[column[one.group.model, one.group.treatment, one.group.stage], j] += 1
        weights[column[one.reference.model, one.reference.treatment, one.reference.stage], j] -= 1
    fitted = moderated.fit(y, x)
    try:
        result: moderated.Moderated | None = moderated.moderate(fitted, weights, trend=trend, confidence=confidence)
    except ValueError:  # fewer than three features with a variance: no prior, so no moderated test
        result = None
    parts = []
    for j, one in enumerate(found):
        sides = [groups.members(units, g) for g in (one.group, one.reference)]
        n = [np.isfinite(y[:, s]).sum(axis=1) for s in sides]
        with np.errstate(all="ignore"):
            plain = [np.where(k > 0, np.nansum(y[:, s], axis=1) / np.maximum(k, 1), np.nan)
                     for s, k in zip(sides, n, strict=True)]  # fmt: skip
        effect = result.effect[:, j] if result is not None else plain[0] - plain[1]
        enough = (n[0] >= least) & (n[1] >= least)
        made = enough & (np.isfinite(result.p_value[:, j]) if result is not None else False)
        seen = (n[0] > 0) & (n[1] > 0) & np.isfinite(effect)
        reason = [
            "" if t else _why(a, b, one, least, s, result is not None, len(features))
            for t, s, a, b in zip(made, seen, n[0], n[1], strict=True)
        ]
        frame = pd.DataFrame({"feature": list(features), "log2fc": np.where(seen, effect, np.nan)})
        for key in ("se", "statistic", "p_value", "ci_low", "ci_high"):
            frame[key] = np.where(made, getattr(result, key)[:, j], np.nan) if result is not None else np.nan
        frame["df"] = np.where(made, result.df, np.nan) if result is not None else np.nan
        frame["n_group"], frame["n_reference"], frame["n"] = n[0], n[1], n[0] + n[1]
        frame["level"], frame["reason"] = fitted.level, reason
        frame["status"] = np.where(made, "estimated", np.where(seen, "not_testable", "not_estimable"))
        frame["contrast"], frame["kind"], frame["design"] = one.contrast, one.kind, words
        for side, group in (("", one.group), ("against_", one.reference)):
            frame[f"{side}treatment"], frame[f"{side}stage"] = group.treatment, group.stage
        frame["model"], frame["against"] = one.model, one.reference.model
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)


def _why(a: int, b: int, one: Comparison, least: int, seen: bool, fitted: bool, features: int) -> str:
    if a == 0 or b == 0:
        if a == b:
            return "found in neither group"
        there, gone, k = (one.reference, one.group, b) if a == 0 else (one.group, one.reference, a)
        return f"found in {there.label} ({k} replicates) and not in {gone.label}: present or absent, no ratio"
    if not seen:
        return "the groups and the blocks cannot be told apart"
    if min(a, b) < least:
        return f"fewer than {least} biological replicates on a side ({a} and {b}): no test"
    if not fitted or features < 3:
        return "too few features with replicates for a moderated test"
    return "no residual degree of freedom: no test"
