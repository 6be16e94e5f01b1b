"""Claims and figures of genes over data sets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import claims, figure
from rechallenge.evidence import claim_table
from rechallenge.omics.concordance.analyses import KINDS, estimates
from rechallenge.report.words import equals, number

CALLED = 0.05
#: genes in the forest plot
SHOWN = 8
#: I2 from which data sets are said to disagree
DISAGREE = 0.75


@claims(title="Genes that data sets agree on")
def concordance_claims(concordance: pd.DataFrame) -> pd.DataFrame:
    """One claim per gene that is called over data sets, or that is strong in some and contradicted in others (I2 of .75
    or more with both signs): those have no direction."""
    table = concordance[concordance["layer"].isin(["rna", "protein"]) & (concordance["status"] == "estimated")]
    split = (table["i2"] >= DISAGREE) & (table["same_sign"] < table["n_datasets"])
    kept = table[(table["q_value"] < CALLED) | (split & (table["rank_p_value"] < CALLED))]
    rows = []
    for row in kept.to_dict("records"):
        called = row["q_value"] < CALLED
        agree = f"{int(row['same_sign'])} of {int(row['n_datasets'])} data sets have one sign"
        pi = "" if row["prediction_low"] != row["prediction_low"] else (
            f", a further data set is expected between {number(row['prediction_low'])} and "
            f"{number(row['prediction_high'])}"
        )  # fmt: skip
        how = ("higher" if row["effect"] > 0 else "lower") + " in resistant lines" if called else "not the same in all"
        rows.append(
            {
                "entity": row["gene"],
                "entity_type": "gene",
                "stream": "concordance",
                "level": "association",
                "contrast": "resistant vs parental, over data sets",
                "direction": int(np.sign(row["effect"])) if called else 0,
                "effect": row["effect"],
                "effect_unit": "log2 fold change, pooled",
                "se": row["se"],
                "ci_low": row["ci_low"],
                "ci_high": row["ci_high"],
                "statistic": row["statistic"],
                "p_value": row["p_value"],
                "q_value": row["q_value"],
                "n": row["n_tested"],
                "status": "estimated",
                "analysis": "concordance",
                "source_table": "concordance",
                "claim": f"{row['gene']} ({row['layer']}) is {how}: pooled log2 fold change {number(row['effect'])} "
                f"[{number(row['ci_low'])}, {number(row['ci_high'])}], {equals('p', row['p_value'])}, "
                f"{equals('q', row['q_value'])}; {agree}, I2 {100 * row['i2']:.0f} %{pi} ({row['datasets']}).",
            }
        )
    return claim_table(rows)


@figure(
    title="Agreement of data sets",
    caption="Spearman's correlation of the effects of resistance between every two data sets, over their common genes.",
)
def agreement_map(dataset_agreement: pd.DataFrame) -> Any:
    """Correlation of every two data sets."""
    from rechallenge.report.theme import SINGLE, matrix, sized

    table = dataset_agreement.dropna(subset=["spearman"])
    layer = table["layer"].iloc[0] if len(table) else ""
    table = table[table["layer"] == layer]
    if table.empty:
        return None
    mirrored = table.rename(columns={"dataset_a": "dataset_b", "dataset_b": "dataset_a"})
    data = pd.concat([table, mirrored], ignore_index=True)[["dataset_a", "dataset_b", "spearman", "n_genes"]]
    data["text"] = data["spearman"].map(lambda v: f"{v:.2f}")
    data = data.sort_values(["dataset_a", "dataset_b"], ignore_index=True)
    chart = matrix(data, "dataset_a", "dataset_b", "spearman", text="text", title="Spearman's rho", mid=0.0,
                   limits=(-1, 1), cell=22, row=12)  # fmt: skip
    return sized(chart, SINGLE)


@figure(
    title="Surest genes over data sets",
    caption="Log2 fold change in each data set (interval where it gives one) and pooled by random effects (orange), "
    "for the eight genes surest over data sets.",
)
def concordance_forest(concordance: pd.DataFrame, differential: pd.DataFrame) -> Any:
    """Forest plot of the surest genes."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, forest, sized

    table = concordance[concordance["status"] == "estimated"].sort_values(["p_value", "gene"]).head(SHOWN)
    if table.empty:
        return None
    layer = table["layer"].iloc[0]
    part = differential[differential["kind"].isin(KINDS) & (differential["layer"] == layer)]
    sets = estimates(part[part["log2fc"].notna()])
    rows = []
    for row in table[table["layer"] == layer].to_dict("records"):
        for name, effects in sets.items():
            if row["gene"] in effects.index:
                mine = effects.loc[[row["gene"]]].to_numpy(dtype=float)[0]
                e, s = float(mine[0]), float(mine[1])
                half = 1.96 * s if s == s else 0.0
                rows.append((row["gene"], name, e, e - half, e + half, "data set"))
        rows.append((row["gene"], "pooled", row["effect"], row["ci_low"], row["ci_high"], "pooled"))
    data = pd.DataFrame(rows, columns=["gene", "label", "effect", "ci_low", "ci_high", "what"])
    colour = alt.Color(
        "what:N", title=None, scale=alt.Scale(domain=["data set", "pooled"], range=["#666666", "#D55E00"])
    )
    charts = [
        forest(part.reset_index(drop=True), "label", "effect", "ci_low", "ci_high", title="Log2 fold change", log=False,
               color=colour, width=90).properties(title=str(gene))
        for gene, part in data.groupby("gene", sort=False)
    ]  # fmt: skip
    return sized(alt.concat(*charts, columns=2), DOUBLE)
