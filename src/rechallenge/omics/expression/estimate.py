"""One data set to one table of contrasts: counts by negative-binomial regression, everything else by moderated t."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from rechallenge import contrasts
from rechallenge.levels import log2, symbols
from rechallenge.moderated_contrasts import joined
from rechallenge.omics.expression import design as plan
from rechallenge.omics.expression.design import Design, Question
from rechallenge.stats import counts as nb
from rechallenge.stats import moderated
from rechallenge.stats.multiplicity import bh

Floats = NDArray[np.float64]

COLUMNS = (
    "dataset", "layer", "contrast", "kind", "model", "treatment", "stage", "against", "against_treatment",
    "against_stage", "feature", "gene", "log2fc", "log2fc_shrunk", "se", "ci_low", "ci_high", "statistic", "p_value",
    "q_value", "n", "n_test", "n_reference", "df", "level", "expressed", "method", "direction", "status", "reason",
    "source_table", "source_rows",
)  # fmt: skip
COUNTS, MODERATED, MEANS = "negative-binomial regression, Wald test", "moderated t", "difference of means"
#: features with fewer counts than this over all samples are not estimated
LEAST_COUNTS = 10
#: counts per million from which a gene counts as expressed, in as many samples as the smallest group has
EXPRESSED_CPM = 1.0


@dataclass(frozen=True)
class DataSet:
    """One data set: ``values`` [features, samples] in ``unit``, the sheet of its samples, where each row came from."""

    name: str
    unit: str
    features: list[str]
    values: Floats
    sheet: pd.DataFrame
    origin: list[str]


def data_sets(matrix: pd.DataFrame, samples: pd.DataFrame) -> list[DataSet]:
    """The data sets of a matrix kind, by name."""
    out = []
    for name, sheet in samples.groupby("dataset", sort=True):
        sheet = contrasts.grouped(sheet.sort_values("sample", kind="mergesort")).reset_index(drop=True)
        rows = matrix[matrix["dataset"] == name].sort_values("feature", kind="mergesort")
        origin = [f"{f}:{r}" for f, r in zip(rows["_file"], rows["_row"], strict=True)] if "_row" in rows else []
        values = rows[sheet["sample"].astype(str).tolist()].to_numpy(dtype=np.float64)
        unit = str(sheet["unit"].iloc[0])
        out.append(DataSet(str(name), unit, rows["feature"].astype(str).tolist(), values, sheet, origin))
    return out


def biological(data: DataSet) -> DataSet:
    """The data set with one column per biological replicate: counts of technical samples are added, the rest averaged.

    The order of the samples is that of model, treatment, stage, replicate and batch where any were joined."""
    values, sheet = joined(data.values, data.sheet, add=data.unit == "counts")
    return data if len(sheet) == len(data.sheet) else replace(data, values=values, sheet=sheet)


def logs(data: DataSet) -> Floats:
    """Values on a log2 scale, as for figures and moderated t; what is not there is nan. Counts become log2 CPM."""
    return log2(data.values, data.unit)


def contrast_table(
    data: DataSet,
    layer: str,
    models: pd.DataFrame,
    declared: pd.DataFrame | None,
    *,
    batch: bool,
    trend: bool,
    alpha: float,
    confidence: float,
) -> pd.DataFrame:
    """Every contrast of one data set: `COLUMNS`; no rows where there is none; `n` are biological replicates."""
    data = biological(data)
    design = plan.make(data.sheet, batch=batch)
    asked = plan.questions(data.sheet, design, models, declared)
    if not asked:
        return pd.DataFrame(columns=list(COLUMNS))
    kept, expressed, level = measured(data, design)
    frames = _tests(data, kept, design, asked, trend, alpha, confidence)
    named = symbols(data.features)
    origin = np.array(data.origin or [""] * len(data.features), dtype=object)
    out = []
    for question, frame in zip(asked, frames, strict=True):
        frame.insert(0, "feature", data.features)
        frame["gene"] = named
        frame["level"], frame["expressed"], frame["source_rows"] = level, expressed, origin
        frame["contrast"], frame["kind"], frame["direction"] = question.label, question.kind, question.direction
        for column, text in question.said.items():
            frame[column] = text
        frame["n_test"], frame["n_reference"] = _sizes(design, question)
        frame["n"] = sum(design.size(g) for g in question.groups)
        out.append(frame[kept | frame["log2fc"].notna()])
    table = pd.concat(out, ignore_index=True)
    table["dataset"], table["layer"] = data.name, layer
    return table.reindex(columns=list(COLUMNS))


def measured(data: DataSet, design: Design) -> tuple[NDArray[np.bool_], NDArray[np.bool_], Floats]:
    """Which features [f] hold enough to say anything (ten counts, or two values), which are expressed at all (in as
    many samples as the smallest group has: one count per million, a TPM, FPKM or CPM of one, or any value), and mean
    log2 levels."""
    smallest = max(1, min(int((design.which == i).sum()) for i in range(len(design.groups))))
    levels = logs(data)
    there = np.isfinite(levels)
    with np.errstate(invalid="ignore"):
        mean = np.where(there, levels, 0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    mean = np.where(there.any(axis=1), mean, np.nan)
    found = np.isfinite(data.values)
    kept = np.nansum(data.values, axis=1) >= LEAST_COUNTS if data.unit == "counts" else found.sum(axis=1) >= 2
    seen = there
    if data.unit == "counts":
        seen = data.values / data.values.sum(axis=0) * 1e6 >= EXPRESSED_CPM
    elif data.unit in ("tpm", "fpkm", "cpm"):
        seen = data.values >= EXPRESSED_CPM
    return np.asarray(kept), np.asarray(seen.sum(axis=1) >= smallest), mean


def _sizes(design: Design, question: Question) -> tuple[int, int]:
    plus = [g for g, w in zip(design.groups, question.weights, strict=True) if w > 0]
    minus = [g for g, w in zip(design.groups, question.weights, strict=True) if w < 0]
    return sum(map(design.size, plus)), sum(map(design.size, minus))


def _tests(
    data: DataSet,
    kept: NDArray[np.bool_],
    design: Design,
    asked: list[Question],
    trend: bool,
    alpha: float,
    confidence: float,
) -> list[pd.DataFrame]:
    if design.df < 1:
        return [_untested(logs(data), design, q, "no group has two biological replicates") for q in asked]
    if data.unit == "counts":
        return _by_counts(data.values, kept, design, asked, alpha, confidence)
    return _by_moderated(logs(data), design, asked, trend and data.unit != "zscore", confidence)


def _untested(levels: Floats, design: Design, question: Question, reason: str) -> pd.DataFrame:
    """Differences of means without any test."""
    fitted = moderated.fit(levels, design.matrix)
    effect = fitted.coef @ design.coefficients(question)
    return _frame(len(levels), log2fc=effect, method=MEANS, status=np.where(np.isfinite(effect), "not_testable",
                  "not_estimable"), reason=reason)  # fmt: skip


def _by_counts(
    values: Floats,
    kept: NDArray[np.bool_],
    design: Design,
    asked: list[Question],
    alpha: float,
    confidence: float,
) -> list[pd.DataFrame]:
    fit = nb.fit_counts(values[kept], design.matrix)
    z = float(stats.norm.ppf((1 + confidence) / 2))
    out = []
    for question in asked:
        test = nb.wald(fit, design.coefficients(question), alpha)
        n = len(values)

        def spread(part: Any, n: int = n) -> Floats:
            whole = np.full(n, np.nan)
            whole[kept] = part
            return whole

        status = np.full(n, "not_estimable", dtype=object)
        reason = np.full(n, f"fewer than {LEAST_COUNTS} counts over all samples", dtype=object)
        status[kept], reason[kept] = "estimated", ""
        single = np.zeros(n, dtype=bool)
        single[kept] = fit.outlier
        status[single], reason[single] = "not_testable", "a single sample decides the fit (Cook's distance)"
        low = np.zeros(n, dtype=bool)
        low[kept] = test.filtered
        reason[low] = f"mean count below {test.threshold:.3g}: left out of the adjustment, no chance of a finding"
        effect, se = spread(test.effect), spread(test.se)
        out.append(
            _frame(n, log2fc=effect, log2fc_shrunk=spread(nb.shrink(test.effect, test.se)), se=se,
                   ci_low=effect - z * se, ci_high=effect + z * se, statistic=spread(test.statistic),
                   p_value=spread(test.p_value), q_value=spread(test.q_value), df=float(design.df), method=COUNTS,
                   status=status, reason=reason)
        )  # fmt: skip
    return out


def _by_moderated(
    levels: Floats, design: Design, asked: list[Question], trend: bool, confidence: float
) -> list[pd.DataFrame]:
    weights = np.column_stack([design.coefficients(q) for q in asked])
    fitted = moderated.fit(levels, design.matrix)
    try:
        test = moderated.moderate(fitted, weights, trend=trend, confidence=confidence)
    except ValueError as e:
        return [_untested(levels, design, q, str(e)) for q in asked]
    out = []
    for j in range(len(asked)):
        effect, se, p = test.effect[:, j], test.se[:, j], test.p_value[:, j]
        tested = np.isfinite(p)
        status = np.select([tested, np.isfinite(effect)], ["estimated", "not_testable"], "not_estimable")
        reason = np.select([tested, np.isfinite(effect)], ["", "too few values to judge the scatter"],
                           "not measured in one of the groups")  # fmt: skip
        out.append(
            _frame(len(levels), log2fc=effect, log2fc_shrunk=nb.shrink(effect, se), se=se, ci_low=test.ci_low[:, j],
                   ci_high=test.ci_high[:, j], statistic=test.statistic[:, j], p_value=p, q_value=bh(p), df=test.df,
                   method=MODERATED, status=status, reason=reason)
        )  # fmt: skip
    return out


def _frame(n: int, **columns: Any) -> pd.DataFrame:
    out = pd.DataFrame(index=range(n))
    for name in ("log2fc", "log2fc_shrunk", "se", "ci_low", "ci_high", "statistic", "p_value", "q_value", "df"):
        out[name] = np.asarray(columns.get(name, np.nan), dtype=float)
    for name in ("method", "status", "reason"):
        out[name] = columns[name]
    return out
