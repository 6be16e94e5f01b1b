"""What qPCR says of genes, and its figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import claims, figure
from rechallenge.designs.labels import each
from rechallenge.designs.moved import moved_claim
from rechallenge.designs.plots import estimation_plot
from rechallenge.evidence import claim_table
from rechallenge.report.words import equals, interval, number

#: targets that are drawn; those that moved most clearly come first
MOST = 6


@claims(title="Genes that differ in resistant lines")
def qpcr_claims(qpcr: pd.DataFrame) -> pd.DataFrame:
    """One claim per gene and resistant line: higher (+1) or lower (-1) than in its parent, or no difference shown (0).

    Amounts of mitochondrial DNA and of precipitated chromatin stay in the table.
    """
    rows = []
    mine = qpcr[(qpcr["kind"] == "model") & (qpcr["method"] == "relative to references")]
    for row in each(mine):
        word = {1: "higher", -1: "lower"}.get(row.direction, "no difference shown")
        why = f" [{row.reason}]" if row.reason else ""
        rows.append(
            {
                "entity": row.target,
                "entity_type": "gene",
                "stream": "qpcr",
                "level": "association",
                **{c: getattr(row, c) for c in ("model", "contrast", "direction", "se", "ci_low", "ci_high", "n")},
                **{c: getattr(row, c) for c in ("statistic", "p_value", "q_value", "status", "source_rows")},
                "effect": row.log2fc,
                "effect_unit": "log2 fold change, qPCR",
                "analysis": "qpcr",
                "source_table": row.source_table,
                "claim": f"{row.target}: {word} in {row.model} ({row.contrast}) by qPCR, {_numbers(row)}{why}.",
            }
        )
    return claim_table(rows)


@claims(title="What moves a transcript")
def qpcr_moved_claims(qpcr: pd.DataFrame) -> pd.DataFrame:
    """One claim per target and group that got one thing more than its control, tested or a bound: which way the target
    moved. The direction is 0, since that says nothing of the response; a gene's own knock-down is left out."""
    rows = []
    for row in each(qpcr[qpcr["kind"].isin(["group", "within"]) & (qpcr["method"] == "relative to references")]):
        if row.status not in ("estimated", "censored"):
            continue
        why = f" [{row.reason}]" if row.reason else ""
        rows.append(
            moved_claim(
                row, row.target, effect=row.log2fc, stream="qpcr", analysis="qpcr", unit="(log2), qPCR",
                sure=row.p_adjusted < 1 - row.confidence or row.status == "censored", named=f"{row.target} transcript",
                told=f", {_numbers(row)}{why}",
            )
        )  # fmt: skip
    return claim_table([r for r in rows if r])


def _numbers(row: Any) -> str:
    n = f"n = {row.n_group:.0f} and {row.n_control:.0f} biological replicates, references {row.references}"
    if row.status == "censored":
        side = f"below {number(row.fold_ci_high)}" if np.isneginf(row.ci_low) else f"above {number(row.fold_ci_low)}"
        return f"fold change {side} ({n})"
    if row.log2fc != row.log2fc:
        return "fold change not determined"
    if row.status != "estimated":
        return f"{number(row.fold)}-fold (not tested; {n})"
    family = "" if row.adjustment == "none" else f", {equals(f'{row.adjustment} p', row.p_adjusted)}"
    test = f"{row.test}, t = {row.statistic:.2f}, df = {row.df:.1f}, {equals('p', row.p_value)}{family}"
    limits = f"{100 * row.confidence:g} % interval {interval(row.fold_ci_low, row.fold_ci_high)}"
    return f"{number(row.fold)}-fold ({limits}; {test}, {equals('q', row.q_value)}; {n})"


@figure(
    title="Expression by qPCR",
    caption="Above: amount of the target in every biological replicate (wells averaged; relative to the mean of the "
    "control group, or as copies per cell or per cent of input) and the mean of its group. Below: the fold change with "
    "its interval, on a logarithmic axis. Targets that were not detected have no point. Of many targets the six with "
    "the smallest adjusted p-values are drawn; all are in the table.",
)
def qpcr_fold_changes(qpcr: pd.DataFrame, qpcr_replicates: pd.DataFrame) -> Any:
    """One chart per target and family of comparisons."""
    shown = qpcr[qpcr["kind"].isin(["group", "stage", "model"]) & (qpcr["control"] != "")]
    if shown.empty:
        return None
    rank = shown.groupby(["target", "family"], sort=True)["p_adjusted"].min().fillna(2.0)
    charts: dict[str, Any] = {}
    for target, family in rank.sort_values(kind="mergesort").index[:MOST]:
        rows = shown[(shown["target"] == target) & (shown["family"] == family)].reset_index(drop=True)
        values = qpcr_replicates[(qpcr_replicates["target"] == target) & (qpcr_replicates["status"] == "estimated")]
        unit = rows["unit"].iloc[0]
        base = rows["mean_control"].iloc[0] if unit == "relative" else 1.0
        if not base > 0 or values.empty:
            continue
        points = values.assign(value=values["amount"] / base)
        unit = f"relative to {rows['control'].iloc[0]}" if unit == "relative" else unit
        charts[f"{target} {family}"] = estimation_plot(points, rows, name=str(target), unit=unit, log=True)
    return charts or None


@figure(
    title="qPCR standard curves",
    caption="Ct of the standard wells over their amount, with the regression line from which the amplification factor "
    "was taken.",
)
def qpcr_standards(qpcr_table: pd.DataFrame, qpcr_efficiencies: pd.DataFrame) -> Any:
    """Ct over log amount, one panel per target."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, SINGLE, facets, sized

    known = qpcr_efficiencies[qpcr_efficiencies["status"] == "estimated"].head(9)
    if known.empty:
        return None
    wells = qpcr_table[(qpcr_table["role"] == "standard") & qpcr_table["ct"].notna() & (qpcr_table["quantity"] > 0)]
    parts = []
    for row in each(known):
        mine = wells[wells["target"] == row.target][["quantity", "ct"]].assign(part="well")
        ends = pd.DataFrame({"quantity": [mine["quantity"].min(), mine["quantity"].max()]}).assign(part="fit")
        ends["ct"] = row.intercept + row.slope * np.log10(ends["quantity"])
        label = f"{row.target} (factor {row.efficiency:.2f} per cycle, R² {row.r2:.3f})"
        parts += [mine.assign(panel=label), ends.assign(panel=label)]
    data = pd.concat(parts, ignore_index=True)
    base = alt.Chart(data).encode(
        alt.X("quantity:Q", title="Amount (relative)", scale=alt.Scale(type="log", nice=False, padding=8)),
        alt.Y("ct:Q", title="Ct (cycles)", scale=alt.Scale(zero=False)),
    )
    chart = alt.layer(
        base.transform_filter("datum.part === 'fit'").mark_line(strokeWidth=0.8),
        base.transform_filter("datum.part === 'well'").mark_point(size=14),
    ).properties(width=130, height=80)
    count = len(known)
    return sized(facets(chart, data, "panel", columns=min(3, count)), DOUBLE if count > 1 else SINGLE)
