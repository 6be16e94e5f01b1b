"""Questions about several groups at once: any difference between stages, between treatments, in the answer to drugs.

A contrast of two groups misses a gene that rises at the second stage and falls again; a trend misses it too. Here the
whole design is compared with a smaller one in which the groups concerned have one mean (stages, treatments) or in which
effects add up (interactions): counts by likelihood ratio, everything else by moderated F.

- *stages*: the stages of a line and its parent, as a factor;
- *treatments*: everything that one line was given, vehicle included;
- *interaction*: vehicle, two drugs and both: whether the two together do what the sum of their log changes says;
- *response*: whether a resistant line answers the treatments as its parent does, all treatments at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from rechallenge.analysis import analysis
from rechallenge.contrasts import VEHICLE, Group
from rechallenge.faults import NotApplicable
from rechallenge.levels import symbols
from rechallenge.omics.expression import design as plan
from rechallenge.omics.expression.design import INTERACTION, Design, Question
from rechallenge.omics.expression.estimate import DataSet, biological, data_sets, logs, measured
from rechallenge.stats import counts as nb
from rechallenge.stats import moderated
from rechallenge.stats.multiplicity import bh

Floats = NDArray[np.float64]
DESEQ = "doi:10.1186/s13059-014-0550-8"
SMYTH = "doi:10.2202/1544-6115.1027"
STAGES, TREATMENTS, RESPONSE = "stages", "treatments", "response"
RATIO, F = "negative-binomial regression, likelihood ratio", "moderated F"
COLUMNS = (
    "dataset", "layer", "question", "kind", "model", "groups", "feature", "gene", "statistic", "df", "df_residual",
    "p_value", "q_value", "n", "log2fc", "ci_low", "ci_high", "range", "highest", "lowest", "level", "expressed",
    "method", "status", "reason", "source_table", "source_rows",
)  # fmt: skip


@dataclass(frozen=True)
class Several:
    """`weights` [groups, k]: sums of group means that are all zero if there is nothing; `groups` in order."""

    label: str
    kind: str
    model: str
    weights: Floats
    groups: tuple[Group, ...]


def asked(sheet: pd.DataFrame, design: Design, models: pd.DataFrame) -> list[Several]:
    """Every question about three or more groups that the samples allow, in a fixed order."""
    single = plan.questions(sheet, design, models)
    out = _stages(design, models)
    by_line: dict[tuple[str, str], list[Group]] = {}
    for g in design.groups:
        by_line.setdefault((g.model, g.stage), []).append(g)
    for (model, stage), groups in by_line.items():
        if len(groups) > 2:
            groups.sort(key=lambda g: (g.treatment != VEHICLE, len(plan.parts(g.treatment)), g.treatment))
            name = f"{model} {stage}".strip()
            out.append(_equal(f"{name}: any treatment", TREATMENTS, model, tuple(groups), design))
    answers: dict[tuple[Group, Group], list[Question]] = {}
    for q in single:
        if q.kind != INTERACTION:
            continue
        if q.groups[0].model == q.groups[2].model:
            out.append(Several(q.label, INTERACTION, q.model, q.weights[:, None], tuple(reversed(q.groups))))
        else:
            answers.setdefault((q.groups[1], q.groups[3]), []).append(q)
    for (mine, theirs), found in answers.items():
        label = found[0].label if len(found) == 1 else f"{mine.label} vs {theirs.label}: response to any treatment"
        both = (theirs, *(q.groups[2] for q in found), mine, *(q.groups[0] for q in found))
        out.append(Several(label, RESPONSE, mine.model, np.column_stack([q.weights for q in found]), both))
    order = {k: i for i, k in enumerate((STAGES, TREATMENTS, INTERACTION, RESPONSE))}
    return sorted(out, key=lambda q: (order[q.kind], q.label))


def _stages(design: Design, models: pd.DataFrame) -> list[Several]:
    """The stages of each line, after its parent where that has none."""
    parent = dict(zip(models["model"].astype(str), models["parent"].astype(str), strict=True))
    out = []
    for model in sorted({g.model for g in design.groups}):
        mine = [g for g in design.groups if g.model == model and g.treatment == VEHICLE and g.stage]
        mine.sort(key=lambda g: (np.nan_to_num(plan.stage_number(g.stage), nan=np.inf), g.stage))
        start = [Group(parent.get(model, ""))] if mine else []
        groups = (*(g for g in start if g in design.groups), *mine)
        if len(groups) > 2:
            out.append(_equal(f"{model}: any stage", STAGES, model, groups, design))
    return out


def _equal(label: str, kind: str, model: str, groups: tuple[Group, ...], design: Design) -> Several:
    at = [design.groups.index(g) for g in groups]
    weights = np.zeros((len(design.groups), len(groups) - 1))
    weights[at[0]] = -1
    weights[at[1:], np.arange(len(groups) - 1)] = 1
    return Several(label, kind, model, weights, groups)


def _methods(result: pd.DataFrame, alpha: float, **_: Any) -> str:
    if result.empty:
        return ""
    used = set(result["method"])
    how = [f"by likelihood ratio in negative-binomial regression ({DESEQ})"] * (RATIO in used)
    how += [f"by moderated F on log2 values ({SMYTH})"] * (F in used)
    return (
        "Differences between several groups at once (stages as a factor, treatments, interactions of two drugs, "
        f"answers of a resistant line and of its parent) were tested {' and '.join(how)} against the design without "
        "them; q-values are by Benjamini and Hochberg within question."
    )


@analysis(
    title="Differences between several groups",
    reference=(DESEQ, SMYTH),
    methods=_methods,
    formula="counts: 2 (logL_full - logL_reduced) ~ chi-square; other scales: moderated F",
    oracle=(
        "R DESeq2's likelihood ratio on airway, 3,979 genes (tests/stats/test_counts.py); questions on planted "
        "profiles (tests/omics/test_expression_several.py)"
    ),
    limits=(
        "The chi-square takes dispersions as known: it rejects 5.1 to 6.3 % at 5 %. That groups differ says "
        "nothing about resistance, so its claims have direction 0."
    ),
)
def group_tests(
    models: pd.DataFrame,
    expression: pd.DataFrame | None = None,
    expression_samples: pd.DataFrame | None = None,
    proteins: pd.DataFrame | None = None,
    proteins_samples: pd.DataFrame | None = None,
    *,
    batch: bool = True,
    trend: bool = True,
    alpha: float = 0.1,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """One row per feature and question about three or more groups: `COLUMNS`.

    `statistic` is the likelihood ratio (chi-square on `df`) or F (on `df` and `df_residual`). `range` is the difference
    between the groups that are `highest` and `lowest` (log2). `log2fc` with its interval is given where the question is
    one number (an interaction of two drugs, the answer to one treatment). `n` are the biological replicates of the
    groups concerned. `batch`, `trend` and `alpha` as in `rna_differential`. Raises NotApplicable where no data set has
    three groups that belong together.
    """
    tables = []
    options: dict[str, Any] = {"batch": batch, "trend": trend, "alpha": alpha, "confidence": confidence}
    for layer, source, matrix, sheet in (
        ("rna", "expression", expression, expression_samples),
        ("protein", "proteins", proteins, proteins_samples),
    ):
        if matrix is not None and sheet is not None and len(matrix):
            made = [_tables(d, layer, models, **options) for d in data_sets(matrix, sheet)]
            tables += [t.assign(source_table=source) for t in made if len(t)]
    if not tables:
        raise NotApplicable("no data set has three or more groups (stages, treatments) that belong together")
    out = pd.concat(tables, ignore_index=True).reindex(columns=list(COLUMNS))
    return out.sort_values(["dataset", "layer", "kind", "question", "feature"], kind="mergesort", ignore_index=True)


def _tables(
    data: DataSet, layer: str, models: pd.DataFrame, *, batch: bool, trend: bool, alpha: float, confidence: float
) -> pd.DataFrame:
    data = biological(data)
    design = plan.make(data.sheet, batch=batch)
    questions = asked(data.sheet, design, models) if design.df > 0 else []
    if not questions:
        return pd.DataFrame(columns=list(COLUMNS))
    kept, expressed, level = measured(data, design)
    data = replace(
        data,
        features=[f for f, k in zip(data.features, kept, strict=True) if k],
        values=data.values[kept],
        origin=[o for o, k in zip(data.origin, kept, strict=True) if k] if data.origin else [],
    )
    levels = logs(data)
    if data.unit == "counts":
        made = _ratios(data.values, design, questions, alpha, confidence)
    else:
        made = _fs(levels, design, questions, trend and data.unit != "zscore", confidence)
    means = np.column_stack([_mean(levels[:, design.which == i]) for i in range(len(design.groups))])
    named = symbols(data.features)
    for question, frame in zip(questions, made, strict=True):
        at = [design.groups.index(g) for g in question.groups]
        labels = np.array([g.label for g in question.groups], dtype=object)
        part = means[:, at]
        there = np.isfinite(part).all(axis=1)
        frame["range"] = np.where(there, part.max(axis=1) - part.min(axis=1), np.nan)
        frame["highest"] = np.where(there, labels[np.nan_to_num(part).argmax(axis=1)], "")
        frame["lowest"] = np.where(there, labels[np.nan_to_num(part).argmin(axis=1)], "")
        frame["feature"], frame["gene"], frame["level"] = data.features, named, level[kept]
        frame["expressed"], frame["source_rows"] = expressed[kept], data.origin or ""
        frame["question"], frame["kind"], frame["model"] = question.label, question.kind, question.model
        frame["groups"] = "; ".join(labels)
        frame["n"] = sum(design.size(g) for g in question.groups)
    return pd.concat(made, ignore_index=True).assign(dataset=data.name, layer=layer)


def _mean(values: Floats) -> Floats:
    there = np.isfinite(values)
    count = there.sum(axis=1)
    return np.where(count > 0, np.where(there, values, 0).sum(axis=1) / np.maximum(count, 1), np.nan)


def _weights(question: Several, design: Design) -> Floats:
    """The weights over all columns of the matrix, batches included."""
    more = np.zeros((design.matrix.shape[1] - len(design.groups), question.weights.shape[1]))
    return np.vstack([question.weights, more])


def _ratios(
    values: Floats, design: Design, questions: list[Several], alpha: float, confidence: float
) -> list[pd.DataFrame]:
    fit = nb.fit_counts(values, design.matrix)
    z = float(stats.norm.ppf((1 + confidence) / 2))
    out = []
    for question in questions:
        test = nb.likelihood_ratio(fit, _weights(question, design), alpha)
        frame = pd.DataFrame({"statistic": test.statistic, "p_value": test.p_value, "q_value": test.q_value})
        frame["df"], frame["df_residual"], frame["method"] = test.df, float(design.df), RATIO
        frame["log2fc"], frame["ci_low"] = test.effect, test.effect - z * test.se
        frame["ci_high"] = test.effect + z * test.se
        frame["status"] = np.where(fit.outlier, "not_testable", "estimated")
        frame["reason"] = np.select(
            [fit.outlier, test.filtered],
            [
                "a single sample decides the fit (Cook's distance)",
                f"mean count below {test.threshold:.3g}: left out of the adjustment, no chance of a finding",
            ],
            "",
        )
        out.append(frame)
    return out


def _fs(levels: Floats, design: Design, questions: list[Several], trend: bool, confidence: float) -> list[pd.DataFrame]:
    fitted = moderated.fit(levels, design.matrix)
    out = []
    for question in questions:
        weights = _weights(question, design)
        frame = pd.DataFrame(index=range(len(levels)))
        frame["df"], frame["method"] = question.weights.shape[1], F
        try:
            test = moderated.moderated_f(fitted, weights, trend=trend)
        except ValueError as e:  # too few features with a variance for a prior
            frame["status"], frame["reason"] = "not_testable", str(e)
            frame[["statistic", "p_value", "q_value", "df_residual", "log2fc", "ci_low", "ci_high"]] = np.nan
            out.append(frame)
            continue
        frame["statistic"], frame["df_residual"], frame["p_value"] = test.statistic, test.df2, test.p_value
        frame["q_value"] = bh(test.p_value)
        frame[["log2fc", "ci_low", "ci_high"]] = np.nan
        if question.weights.shape[1] == 1:
            one = moderated.moderate(fitted, weights, trend=trend, confidence=confidence)
            frame["log2fc"], frame["ci_low"], frame["ci_high"] = one.effect[:, 0], one.ci_low[:, 0], one.ci_high[:, 0]
        tested = np.isfinite(test.p_value)
        frame["status"] = np.where(tested, "estimated", "not_testable")
        frame["reason"] = np.where(tested, "", "not measured in one of the groups, or too few values")
        out.append(frame)
    return out
