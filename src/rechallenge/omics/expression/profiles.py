"""Genes over several groups, every sample drawn: stages, treatments, two drugs together, a line beside its parent."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import figure
from rechallenge.contrasts import Group
from rechallenge.omics.expression import design as plan
from rechallenge.omics.expression.design import INTERACTION
from rechallenge.omics.expression.estimate import DataSet, biological, data_sets, logs
from rechallenge.omics.expression.several import RESPONSE, STAGES, Several, asked

#: genes drawn of each question
GENES = 6
CALLED = 0.05


def _place(kind: str, group: Group) -> tuple[str, str]:
    """Where a group is drawn and what its colour says."""
    if kind == RESPONSE:
        return group.treatment, f"{group.model} {group.stage}".strip()
    if kind == STAGES:
        return group.stage or group.model, ""
    return group.treatment, ""


def _levels(data: DataSet, question: Several, features: list[str]) -> pd.DataFrame:
    """One row per sample and gene: place, line, level; rows of `sample` '' are the means of groups, of `expected` those
    that two drugs would have if their changes added up."""
    levels, at = logs(data), {f: i for i, f in enumerate(data.features)}
    sheet = data.sheet
    rows = []
    for feature in features:
        means = {}
        for group in question.groups:
            there = (
                (sheet["model"] == group.model)
                & (sheet["treatment"] == group.treatment)
                & (sheet["stage"] == group.stage)
            ).to_numpy()
            place, line = _place(question.kind, group)
            values = levels[at[feature], there]
            names = sheet.loc[there, "sample"].astype(str)
            rows += [(feature, place, line, n, "sample", v) for n, v in zip(names, values, strict=True)]
            means[group] = float(np.nanmean(values)) if np.isfinite(values).any() else np.nan
            rows.append((feature, place, line, "", "mean", means[group]))
        if question.kind == INTERACTION:
            bare, a, b = (means[g] for g in question.groups[:3])
            rows.append((feature, question.groups[3].treatment, "", "", "expected", a + b - bare))
    return pd.DataFrame(rows, columns=["gene", "group", "line", "sample", "what", "level"])


@figure(
    title="Genes over several groups",
    caption="The six genes surest to differ (q < 0.05) between the stages of a line, between treatments, beyond the "
    "sum of two drugs (orange bars: both together if their log changes added up), or in the answer of a resistant line "
    "and of its parent. Points are biological replicates, lines join means; log2 levels, counts as log2 per million.",
)
def group_profiles(
    group_tests: pd.DataFrame, expression_table: pd.DataFrame, expression_samples: pd.DataFrame, models: pd.DataFrame
) -> Any:
    """Levels of the surest genes, one chart per question."""
    table = group_tests[(group_tests["layer"] == "rna") & (group_tests["q_value"] < CALLED)]
    charts = {}
    for data in data_sets(expression_table, expression_samples):
        data = biological(data)
        for question in asked(data.sheet, plan.make(data.sheet), models):
            mine = table[(table["dataset"] == data.name) & (table["question"] == question.label)]
            best = mine.sort_values(["p_value", "feature"])["feature"].astype(str).head(GENES).tolist()
            if best:
                name = f"{data.name} {question.label}"
                charts[name] = _chart(_levels(data, question, best), question)
    return charts or None


def _chart(data: pd.DataFrame, question: Several) -> Any:
    import altair as alt

    from rechallenge.report.style import MUTED
    from rechallenge.report.theme import DOUBLE, facets, sized

    order = list(dict.fromkeys(data["group"]))
    lines = list(dict.fromkeys(data["line"]))
    x = alt.X("group:N", title="Stage" if question.kind == STAGES else "Treatment", sort=order,
              axis=alt.Axis(labelAngle=-40))  # fmt: skip
    y = alt.Y("level:Q", title="Level (log2)", scale=alt.Scale(zero=False))
    base = alt.Chart(data).encode(x, y)
    colour: dict[str, Any] = {}
    if len(lines) > 1:
        colour["color"] = alt.Color("line:N", title="Model", sort=lines)
    means = base.transform_filter("datum.what === 'mean'")
    points = base.transform_filter("datum.what === 'sample'").mark_circle(size=12, opacity=0.8)
    layers: list[Any] = [means.mark_line(strokeWidth=0.7, color=MUTED).encode(**colour)]
    layers.append(points.encode(tooltip=["sample:N", "level:Q"], **colour))
    if question.kind == INTERACTION:
        expected = base.transform_filter("datum.what === 'expected'")
        layers.append(expected.mark_tick(color="#D55E00", thickness=1.5, width=12, orient="horizontal"))
    chart = alt.layer(*layers).properties(width=max(60, 16 * len(order)), height=70)
    return sized(facets(chart, data, "gene", columns=3, title=None, independent_y=True), DOUBLE)
