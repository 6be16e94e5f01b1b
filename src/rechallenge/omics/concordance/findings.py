"""Claims and figures of genes over data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import claims, figure
from rechallenge.evidence import claim_table
from rechallenge.omics.concordance.analyses import estimates, spoken
from rechallenge.omics.concordance.duplicates import joined
from rechallenge.omics.concordance.overview import DISAGREE
from rechallenge.report.words import equals, number

CALLED = 0.05
#: genes in the forest plot
SHOWN = 8


@claims(title="Genes that data sets agree on")
def concordance_claims(concordance: pd.DataFrame, *, genes: Sequence[str] = ()) -> pd.DataFrame:
    """One claim per gene that is called over data sets, or that is strong in some and contradicted in others (I2 of .75
    or more with both signs): those have no direction. `genes` are spoken of whatever happens to them."""
    table = concordance[concordance["layer"].isin(["rna", "protein"])]
    estimated = table["status"] == "estimated"
    split = (table["i2"] >= DISAGREE) & (table["same_sign"] < table["n_datasets"])
    told = estimated & ((table["q_value"] < CALLED) | (split & (table["rank_p_value"] < CALLED)))
    kept = table[told | table["gene"].isin(list(genes))]
    return claim_table([_claim(row) for row in kept.to_dict("records")])


def _claim(row: Mapping[Any, Any]) -> dict[str, Any]:
    tested = row["status"] == "estimated"
    called = tested and row["q_value"] < CALLED
    how = "not the same in all" if row["same_sign"] < row["n_datasets"] else "not shown to differ"
    if called:
        how = ("higher" if row["effect"] > 0 else "lower") + " in resistant lines"
    agree = f"{int(row['same_sign'])} of {int(row['n_datasets'])} data sets have one sign"
    if tested:
        pi = "" if row["prediction_low"] != row["prediction_low"] else (
            f", a further data set is expected between {number(row['prediction_low'])} and "
            f"{number(row['prediction_high'])}"
        )  # fmt: skip
        numbers = (
            f"pooled log2 fold change {number(row['effect'])} [{number(row['ci_low'])}, {number(row['ci_high'])}], "
            f"{equals('p', row['p_value'])}, {equals('q', row['q_value'])}; {agree}, I2 {100 * row['i2']:.0f} %{pi}"
        )
    else:
        numbers = (
            f"no two data sets give a standard error, so it is judged by ranks: mean normal score "
            f"{number(row['rank_score'])} ({equals('p', row['rank_p_value'])}, {equals('q', row['rank_q_value'])}); "
            f"{agree}"
        )
    estimate = ("effect", "se", "ci_low", "ci_high", "statistic", "p_value", "q_value")
    return {
        "entity": row["gene"],
        "entity_type": "gene",
        "stream": "concordance",
        "level": "association",
        "contrast": "resistant vs parental, over data sets",
        "direction": int(np.sign(row["effect"])) if called else 0,
        **({c: row[c] for c in estimate} if tested else {}),
        "effect_unit": "log2 fold change, pooled" if tested else "",
        "n": row["n_tested"] if tested else row["n_datasets"],
        "status": row["status"],
        "analysis": "concordance",
        "source_table": "concordance",
        "claim": f"{row['gene']} ({row['layer']}) is {how}: {numbers} ({row['datasets']}).",
    }


@figure(
    title="Agreement of data sets",
    caption="Spearman's correlation of the effects of resistance between every two data sets, over their common genes.",
)
def agreement_map(dataset_agreement: pd.DataFrame, concordance_overview: pd.DataFrame | None = None) -> Any:
    """Correlation of every two data sets, under what they say together."""
    import altair as alt

    from rechallenge.report.theme import FONT, LABEL, SINGLE, matrix, sized

    table = dataset_agreement.dropna(subset=["spearman"])
    layer = table["layer"].iloc[0] if len(table) else ""
    table = table[table["layer"] == layer]
    if table.empty:
        return None
    mirrored = table.rename(columns={"dataset_a": "dataset_b", "dataset_b": "dataset_a"})
    itself = pd.DataFrame({"dataset_a": sorted({*table["dataset_a"], *table["dataset_b"]})})
    itself["dataset_b"] = itself["dataset_a"]  # an empty cell, so that rows and columns have one order
    data = pd.concat([table, mirrored, itself], ignore_index=True)[["dataset_a", "dataset_b", "spearman", "n_genes"]]
    data["text"] = data["spearman"].map(lambda v: "" if np.isnan(v) else f"{v:.2f}".replace("-", "\u2212"))
    data = data.sort_values(["dataset_a", "dataset_b"], ignore_index=True)
    chart = matrix(data, "dataset_a", "dataset_b", "spearman", text="text", title="Spearman's rho", mid=0.0,
                   limits=(-1, 1), cell=22, row=12)  # fmt: skip
    views = () if concordance_overview is None else concordance_overview.to_dict("records")
    said = next((str(v["said"]) for v in views if v["layer"] == layer), "")
    if said:
        # one clause a line: a figure of one column is narrow
        lines = [line for part in said.split("; ") for line in _wrapped(part)]
        chart = chart.properties(
            title=alt.TitleParams(
                lines[0],
                subtitle=lines[1:],
                font=FONT,
                fontSize=LABEL,
                fontWeight="normal",
                subtitleFont=FONT,
                subtitleFontSize=LABEL,
                anchor="start",
                frame="bounds",
            )
        )
    return sized(chart, SINGLE)


def _wrapped(text: str, width: int = 90) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width)


@figure(
    title="Surest genes over data sets",
    caption="Log2 fold change in each data set (interval where it gives one) and pooled by random effects (orange; "
    "where two data sets give standard errors), for the eight genes surest over data sets, or for those asked for.",
)
def concordance_forest(concordance: pd.DataFrame, differential: pd.DataFrame,
                       dataset_groups: pd.DataFrame | None = None, *, genes: Sequence[str] = ()) -> Any:  # fmt: skip
    """Forest plot of the surest genes, or of those asked for."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, forest, sized

    tested = concordance["status"] == "estimated"
    p = concordance["p_value"].where(tested, 1 + concordance["rank_p_value"])  # ranks where nothing is pooled
    table = concordance.assign(_p=p).sort_values(["_p", "gene"], kind="mergesort")
    if asked := list(genes):
        table = table[table["gene"].isin(asked)]
        table = table.assign(_at=table["gene"].map(asked.index)).sort_values("_at", kind="mergesort")
    elif tested.any():
        table = table[table["status"] == "estimated"]
    if table.empty:
        return None
    layer = table["layer"].iloc[0]
    table = table[table["layer"] == layer].head(max(SHOWN, len(asked)))
    part = spoken(differential)
    sets = estimates(part[part["layer"] == layer])
    if dataset_groups is not None:
        sets = joined(sets, dataset_groups[dataset_groups["layer"] == layer])
    sets = {name: t for name, t in sets.items() if not t["z_only"].all()}  # a z is no fold change
    rows = []
    for row in table.to_dict("records"):
        for name, effects in sets.items():
            if row["gene"] in effects.index:
                mine = effects.loc[[row["gene"]]].to_numpy(dtype=float)[0]
                e, s = float(mine[0]), float(mine[1])
                half = 1.96 * s if s == s else 0.0
                rows.append((row["gene"], name, e, e - half, e + half, "data set"))
        if np.isfinite(row["effect"]):
            rows.append((row["gene"], "pooled", row["effect"], row["ci_low"], row["ci_high"], "pooled"))
    data = pd.DataFrame(rows, columns=["gene", "label", "effect", "ci_low", "ci_high", "what"])
    legend = alt.Legend(title=None) if (data["what"] == "pooled").any() else None
    scale = alt.Scale(domain=["data set", "pooled"], range=["#666666", "#D55E00"])
    colour = alt.Color("what:N", title=None, scale=scale, legend=legend)
    charts = [
        forest(part.reset_index(drop=True), "label", "effect", "ci_low", "ci_high", title="Log2 fold change", log=False,
               color=colour, width=90).properties(title=str(gene))
        for gene, part in data.groupby("gene", sort=False)
    ]  # fmt: skip
    return sized(alt.concat(*charts, columns=2), DOUBLE)
