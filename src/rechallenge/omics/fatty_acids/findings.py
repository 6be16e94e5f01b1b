"""What the lipids say, as rows of Evidence and as figures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from rechallenge import contrasts as groups
from rechallenge.analysis import claims, figure
from rechallenge.evidence import claim_table
from rechallenge.report.words import equals, interval, number

#: classes and contrasts in the map of chains, rows of the forest, panels of the dot plot
CLASSES, CONTRASTS, ROWS, PANELS = 6, 2, 40, 12


def _each(frame: pd.DataFrame) -> Iterator[Any]:
    yield from frame.itertuples()


@claims(title="What fatty acids and lipids show")
def fatty_acid_claims(fatty_acid_contrasts: pd.DataFrame) -> pd.DataFrame:
    """One claim per resistance contrast and index that stands for a pathway, and per significant one of the others.

    A ratio of product to substrate is no measurement of an enzyme, so no claim names a gene. Contrasts of a treatment
    make a claim where they are significant (q < 0.05).
    """
    table = fatty_acid_contrasts
    strong = table["q_value"] < 0.05
    wanted = ((table["kind"] == "resistance") & ((table["pathway"] != "") | strong)) | strong
    return claim_table(
        {
            "entity": row.pathway or f"{row.index} of {row.pool}" if row.pool != "classes" else row.index,
            "entity_type": "pathway",
            "stream": "fatty_acids",
            "level": "intervention" if row.kind == "treatment" else "association",
            **{c: getattr(row, c) for c in ("model", "contrast", "direction", "effect", "effect_unit", "se")},
            **{c: getattr(row, c) for c in ("ci_low", "ci_high", "statistic", "p_value", "q_value", "n", "status")},
            "analysis": "fatty_acid_contrasts",
            "source_table": row.source_table,
            "source_rows": row.source_rows,
            "claim": _sentence(row),
        }
        for row in _each(table[wanted & (table["status"] != "not_estimable")])
    )


def _sentence(row: Any) -> str:
    what = f"{row.index} in {row.pool}" if row.pool != "classes" else row.index
    lead = f"{row.pathway + ': ' if row.pathway else ''}{row.contrast} in {row.dataset}: {what}"
    why = f" [{row.reason}]" if row.reason else ""
    values = f"{number(row.group_value)} against {number(row.reference_value)}"
    if row.effect != row.effect:
        return f"{lead} {values}, the difference is a bound{why}."
    n = f"n = {row.n} biological replicates, {row.design.split(';')[0]}"
    text = f"{lead} {values}, {row.effect_unit} {number(row.effect)}"
    if row.effect_unit != "log2 ratio":
        text = f"{lead} {values} {row.effect_unit}, difference {number(row.effect)}"
    if row.status != "estimated":
        return f"{text} (not tested; {n}){why}."
    test = f"t = {row.statistic:.2f}, {equals('p', row.p_value)}, {equals('q', row.q_value)}"
    return f"{text} (95 % interval {interval(row.ci_low, row.ci_high)}; {test}; {n}){why}."


@figure(
    title="Chains and double bonds",
    caption="Change of single lipids by number of carbons and double bonds; area grows with the mean amount within a "
    "class, colour is the log2 fold change (cut at 2), the edge is black where q < 0.05. At most "
    f"{CLASSES} classes, those with the most lipids, and {CONTRASTS} contrasts, those of resistance first.",
)
def lipid_map(lipid_differential: pd.DataFrame) -> Any:
    """Bubble map: carbons by double bonds, one panel per class."""
    import altair as alt

    from rechallenge.report.theme import DIVERGING, DOUBLE, facets, sized

    table = lipid_differential[lipid_differential["log2fc"].notna() & (lipid_differential["lipid_class"] != "")].copy()
    if table.empty:
        return None
    first = table.assign(_k=table["kind"].map({"resistance": 0, "declared": 1, "treatment": 2}))
    first = first.sort_values(["_k", "dataset", "contrast"], kind="mergesort")
    keys = list(dict.fromkeys(zip(first["dataset"], first["contrast"], strict=True)))[:CONTRASTS]
    charts: dict[str, Any] = {}
    for i, (dataset, contrast) in enumerate(keys):
        part = table[(table["dataset"] == dataset) & (table["contrast"] == contrast)]
        count = part["lipid_class"].value_counts()
        kept = sorted(count.index, key=lambda c: (-int(count[c]), c))[:CLASSES]
        part = part[part["lipid_class"].isin(kept)]
        if len(part) < 2:
            continue
        # several lipids of one sum composition lie on one another: the smallest is drawn last
        top = part.groupby("lipid_class")["level"].transform("max")
        part = part.assign(
            amount=2.0 ** (part["level"] - top), significant=np.where(part["q_value"] < 0.05, "yes", "no")
        )
        part["shown"] = part["log2fc"].clip(-2, 2)
        part["_c"] = part["lipid_class"].map({c: j for j, c in enumerate(kept)})
        part = part.sort_values(["_c", "amount", "feature"], ascending=[True, False, True], kind="mergesort")
        columns = ["lipid_class", "feature", "lipid", "carbons", "double_bonds", "log2fc", "shown", "amount", "p_value",
                   "q_value", "significant", "contrast"]  # fmt: skip
        data = part[columns]
        scale = alt.Scale(scheme=DIVERGING, domain=[-2, 2], domainMid=0, clamp=True)
        edge = alt.condition("datum.significant === 'yes'", alt.value("black"), alt.value("#bbbbbb"))
        chart = (
            alt.Chart(data)
            .mark_point(filled=True, strokeWidth=0.4, opacity=0.9)
            .encode(
                alt.X(
                    "carbons:Q", title="Carbons", scale=alt.Scale(zero=False, padding=5), axis=alt.Axis(tickMinStep=1)
                ),
                alt.Y("double_bonds:Q", title="Double bonds", axis=alt.Axis(tickMinStep=1)),
                alt.Size("amount:Q", title="Amount (of the largest)", scale=alt.Scale(range=[8, 110])),
                alt.Fill("shown:Q", title="log2 fold change", scale=scale),
                stroke=edge,
                tooltip=["lipid_class:N", "feature:N", "log2fc:Q", "p_value:Q", "q_value:Q"],
            )
            .properties(width=120, height=90)
        )
        name = "lipid_map" if i == 0 else f"lipid_map_{i + 1}"
        whole = facets(chart, data, "lipid_class", columns=3, independent_y=True).resolve_scale(x="independent")
        charts[name] = sized(whole.properties(title=f"{contrast}, {dataset}"), DOUBLE)
    return charts or None


@figure(
    title="Indices of fatty acids",
    caption="Chain length, unsaturation and product-to-substrate ratios of every biological sample; ticks are means. "
    f"At most {PANELS} indices: ratios first, then chain length and unsaturation.",
)
def fatty_acid_dots(fatty_acid_indices: pd.DataFrame) -> Any:
    """Every sample's indices, small multiples."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, SINGLE, facets, sized

    table = groups.grouped(fatty_acid_indices[fatty_acid_indices["value"].notna()])
    table = table[table["pool"] != "classes"]
    if table.empty:
        return None
    table["group"] = [groups.Group(m, t, s).label
                      for m, t, s in zip(table["model"], table["treatment"], table["stage"], strict=True)]  # fmt: skip
    many = len(set(table["pool"])) > 1
    table["panel"] = table["index"] + ((" (" + table["pool"] + ")") if many else "")
    if len(set(table["dataset"])) > 1:
        table["panel"] += ", " + table["dataset"]
    ranked = table.assign(_k=(table["kind"] != "ratio").astype(int)).sort_values(["_k", "dataset", "pool", "index"])
    kept = list(dict.fromkeys(ranked["panel"]))[:PANELS]
    by = ["panel", "group", "replicate"]
    points = (
        table[table["panel"].isin(kept)].groupby(by, sort=True)["value"].mean().reset_index().assign(part="replicate")
    )
    middle = points.groupby(["panel", "group"], sort=True)["value"].mean().reset_index().assign(part="mean")
    data = pd.concat([points, middle], ignore_index=True)
    data["_p"] = data["panel"].map({p: i for i, p in enumerate(kept)})
    data = data.sort_values(["_p", "group", "part"], kind="mergesort").drop(columns="_p")
    of = alt.Chart(data).encode(
        alt.X("group:N", title=None, axis=alt.Axis(labels=False, ticks=False)),
        alt.Y("value:Q", title=None, scale=alt.Scale(zero=False)),
        alt.Color("group:N", title="Group"),
        tooltip=["panel:N", "group:N", "replicate:N", "value:Q"],
    )
    chart = alt.layer(
        of.transform_filter("datum.part === 'mean'").mark_tick(orient="horizontal", size=12),
        of.transform_filter("datum.part === 'replicate'").mark_point(size=14),
    ).properties(width=90, height=70)
    count = data["panel"].nunique()
    return sized(
        facets(chart, data, "panel", columns=min(4, count), independent_y=True), DOUBLE if count > 1 else SINGLE
    )


@figure(
    title="Fatty acids between groups",
    caption="log2 ratio of product-to-substrate ratios and of class totals between groups, with 95 % intervals; dashed "
    f"line: no difference. At most {ROWS} rows, those with the smallest p first.",
)
def fatty_acid_forest(fatty_acid_contrasts: pd.DataFrame) -> Any:
    """Forest of ratios and totals."""
    from rechallenge.report.theme import DOUBLE, forest, sized

    table = fatty_acid_contrasts[fatty_acid_contrasts["effect_unit"] == "log2 ratio"]
    table = table.sort_values(["p_value", "contrast", "pool", "index"], kind="mergesort").head(ROWS).copy()
    if table.empty:
        return None
    table = table.sort_values(["dataset", "contrast", "pool", "index"], kind="mergesort")
    many = len(set(table["dataset"])) > 1
    table["label"] = np.where(table["pool"] == "classes", table["index"], table["index"] + " (" + table["pool"] + ")")
    if len(set(table["contrast"])) > 1:
        table["label"] += ": " + table["contrast"]
    if many:
        table["label"] += ", " + table["dataset"]
    table["note"] = table["status"].str.replace("_", " ")
    table = table[["label", "effect", "ci_low", "ci_high", "p_value", "q_value", "n", "note", "pathway"]]
    limits = ("effect", "ci_low", "ci_high")
    return sized(forest(table, "label", *limits, title="log2 ratio", log=False, note="note", width=150), DOUBLE)
