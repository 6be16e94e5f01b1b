"""What the contrasts of media say, as rows of Evidence and as figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import claims, figure
from rechallenge.assays.transfer.contrasts import PROTECTS, SENSITISES, UNCHANGED, UNTESTED, each, replicate_means
from rechallenge.assays.transfer.labels import FRESH
from rechallenge.evidence import claim_table
from rechallenge.report.words import equals, interval, number


@claims(title="What conditioned medium carries")
def transfer_claims(transfer: pd.DataFrame) -> pd.DataFrame:
    """One claim per contrast that names a factor: promotes resistance (+1), opposes it (-1), nothing shown (0)."""
    rows = []
    for row in each(transfer[transfer["entity"] != ""]):
        role = {1: "promote resistance", -1: "oppose resistance"}.get(row.direction, "no effect on resistance shown")
        if row.entity_type in ("gene", "drug"):
            role = role.replace("promote ", "promotes ").replace("oppose ", "opposes ")
        through = ", through the medium of treated cells" if row.kind == "donor treatment" else ""
        why = "; ".join(filter(None, (row.reason, row.remark)))
        rows.append(
            {
                **{c: getattr(row, c) for c in ("entity", "entity_type", "model", "contrast", "direction", "effect")},
                **{c: getattr(row, c) for c in ("se", "ci_low", "ci_high", "statistic", "p_value", "q_value", "n")},
                **{c: getattr(row, c) for c in ("status", "source_table", "source_rows")},
                "stream": "transfer",
                "level": "transmission",
                "effect_unit": row.effect_unit,
                "analysis": "transfer",
                "claim": f"{row.entity}: {role} to {row.drug} in {row.model}{through}; {_done(row)}, {_numbers(row)}"
                + (f" [{why}]" if why else "")
                + ".",
            }
        )
    return claim_table(rows)


def _done(row: Any) -> str:
    """What was seen, in the words of the experiment."""
    if row.kind in ("medium", "donor treatment"):
        return f"medium {row.medium} against {row.reference or 'no reference medium'} {row.verdict}"
    against = "the same unmodified" if row.comparator == "none" else f"the same with {row.comparator}"
    changed = {PROTECTS: "survival rose", SENSITISES: "survival fell"}.get(row.verdict, row.verdict)
    word = ""
    if row.verdict == SENSITISES and row.action < 0:
        word = "protection blocked, " if row.kind == "blocked" else "protection lost, "
    elif row.verdict == PROTECTS and row.kind == "restored":
        word = "protection restored, "
    return f"medium {row.medium} with {row.modifier} against {against}: {word}{changed}"


def _numbers(row: Any) -> str:
    n = f"n = {row.n} biological replicates, {row.design.split(';')[0]}" if row.n else ""
    what = "IC50" if row.effect_unit == "log2 IC50" else "survival under the drug"
    at = "" if what == "IC50" or not row.doses_um else f" at {row.doses_um.replace(' ', ', ')} µM"
    if row.status == "censored":
        side = f"below {number(row.fold_ci_high)}" if row.ci_high < np.inf else f"above {number(row.fold_ci_low)}"
        return f"{what}{at} changed by a factor {side} ({n})"
    if row.effect != row.effect:
        return f"change of {what} not determined"
    text = f"{what}{at} {number(row.fold)}-fold"
    if row.status != "estimated":
        return f"{text} (not tested; {n})"
    test = f"t = {row.statistic:.2f}, df = {row.df:.1f}, {equals('p', row.p_value)}, {equals('Holm p', row.p_holm)}"
    limits = f"{100 * row.confidence:g} % interval {interval(row.fold_ci_low, row.fold_ci_high)}"
    return f"{text} ({limits}; {test}, {equals('q', row.q_value)}; {n})"


@figure(
    title="Viability in conditioned medium",
    caption="Viability over dose in every medium, one panel per recipient and drug. Points are biological replicates "
    "(technical wells averaged), bars their means.",
)
def transfer_viability(transfer_table: pd.DataFrame) -> Any:
    """Every replicate of every medium over the doses."""
    import altair as alt

    from rechallenge.report.theme import CATEGORY, DOUBLE, SINGLE, facets, sized

    means = replicate_means(transfer_table)
    drugs = means[means["drug"] != ""][["recipient", "drug"]].drop_duplicates()
    parts = [
        means[(means["recipient"] == r) & means["drug"].isin(["", d])].assign(panel=f"{r}, {d}")
        for r, d in zip(drugs["recipient"], drugs["drug"], strict=True)
    ]
    if not parts:
        return None
    points = pd.concat(parts, ignore_index=True).assign(part="replicate")
    points["condition"] = points["medium"] + points["modifier"].map(lambda m: "" if m == "none" else f", {m}")
    arm = ["panel", "condition", "dose_um"]
    middle = points.groupby(arm, sort=False)["viability"].mean().reset_index().assign(part="mean")
    data = pd.concat([points[[*arm, "replicate", "viability", "part"]], middle], ignore_index=True)
    order = sorted(set(data["condition"]), key=lambda c: (not c.startswith(FRESH), c))
    count = data["panel"].nunique()
    if len(order) > len(CATEGORY):
        return sized(facets(_by_condition(data, order), data, "panel", columns=1), DOUBLE)
    of = alt.Chart(data).encode(
        alt.X("dose_um:O", title="Dose (µM)", axis=alt.Axis(labelAngle=0)),
        alt.Y("viability:Q", title="Viability (fraction of vehicle)"),
        alt.Color("condition:N", title="Medium", sort=order, legend=alt.Legend(labelLimit=180)),
        tooltip=["panel:N", "condition:N", "dose_um:Q", "replicate:N", "viability:Q"],
    )
    beside = alt.XOffset("condition:N", sort=order)
    chart = alt.layer(
        of.transform_filter("datum.part === 'mean'").mark_tick(orient="horizontal", size=6).encode(beside),
        of.transform_filter("datum.part === 'replicate'").mark_point(size=14).encode(beside),
    ).properties(width=max(130, 8 * len(order) * data["dose_um"].nunique()), height=90)
    return sized(facets(chart, data, "panel", columns=1 if len(order) > 4 else min(3, count)),
                 DOUBLE if count > 1 or len(order) > 3 else SINGLE)  # fmt: skip


def _by_condition(data: pd.DataFrame, order: list[str]) -> Any:
    """One row per medium with doses as colours, where there are more media than colours."""
    import altair as alt

    doses = sorted(set(data["dose_um"]))
    of = alt.Chart(data).encode(
        alt.Y("condition:N", title=None, sort=order, axis=alt.Axis(labelLimit=200)),
        alt.X("viability:Q", title="Viability (fraction of vehicle)"),
        alt.Color("dose_um:O", title="Dose (µM)", sort=doses, scale=alt.Scale(scheme="viridis")),
        tooltip=["panel:N", "condition:N", "dose_um:Q", "replicate:N", "viability:Q"],
    )
    return alt.layer(
        of.transform_filter("datum.part === 'mean'").mark_tick(orient="vertical", size=8, thickness=1.2),
        of.transform_filter("datum.part === 'replicate'").mark_point(size=14, filled=False),
    ).properties(width=190, height=alt.Step(12))


@figure(
    title="What conditioned medium carries",
    caption="Fold change of IC50, or of survival under the drug, between media, with confidence intervals, on a "
    "logarithmic axis; the dashed line is 1. Right of it the recipient is protected.",
)
def transfer_forest(transfer: pd.DataFrame) -> Any:
    """Forest of all contrasts."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, MUTED, WONG, forest, sized

    if transfer.empty:
        return None
    table = transfer.copy()
    where = table["model"] + ", " + table["drug"]
    table["label"] = table["contrast"] if len(set(where)) == 1 else where + ": " + table["contrast"]
    again = table.groupby("label").cumcount()
    table["label"] = table["label"].where(again == 0, table["label"] + " (" + (again + 1).astype(str) + ")")
    table["note"] = table["status"].str.replace("_", " ")
    paint = {PROTECTS: WONG["vermillion"], SENSITISES: WONG["blue"], UNCHANGED: MUTED, UNTESTED: MUTED}
    there = [v for v in paint if v in set(table["verdict"])]
    colour = alt.Color("verdict:N", title="Verdict", scale=alt.Scale(domain=there, range=[paint[v] for v in there]))
    columns = [
        "label",
        "fold",
        "fold_ci_low",
        "fold_ci_high",
        "effect_unit",
        "p_holm",
        "q_value",
        "n",
        "verdict",
        "note",
    ]
    limits = ("fold", "fold_ci_low", "fold_ci_high")
    title = "Fold change of IC50 or survival"
    return sized(forest(table[columns], "label", *limits, title=title, color=colour, note="note"), DOUBLE)
