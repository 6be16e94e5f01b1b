"""What is said and drawn of genes that a treatment moves back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import claims, figure
from rechallenge.evidence import claim_table
from rechallenge.omics.expression.figures import _named
from rechallenge.omics.expression.reversal import PARENT, VITRO, VIVO
from rechallenge.report.words import equals, number

WHAT = {"rna": "mRNA", "protein": "protein"}
LEVEL = {VITRO: "association", VIVO: "in_vivo"}
#: q below which a gene is said to be moved back; pairs of contrasts and other genes of a panel drawn
CALLED, PAIRS, DRAWN = 0.05, 6, 1200
WHERE = {VITRO: "in cells", VIVO: "in animals"}


@claims(title="Genes that a treatment moves back")
def reversal_claims(reversal: pd.DataFrame, reversal_systems: pd.DataFrame | None = None) -> pd.DataFrame:
    """One claim per feature that resistance moved and a treatment moves back (q < .05), its direction that of the
    change in resistance: association in cells, in_vivo in animals. One more per gene that one agent moves back in both
    (q < .05); its p-value stands in the sentence and in `reversal_systems` alone, since both sides count already."""
    kept = reversal[(reversal["q_value"] < CALLED) & reversal["layer"].isin(list(WHAT))]
    rows = [_one(row) for row in kept.to_dict("records")]
    if reversal_systems is not None and len(reversal_systems):
        joint = reversal_systems[(reversal_systems["q_value"] < CALLED) & reversal_systems["layer"].isin(list(WHAT))]
        rows += [_joint(row) for row in joint.to_dict("records")]
    return claim_table(rows)


def _one(row: dict[Any, Any]) -> dict[str, Any]:
    sign = int(np.sign(row["log2fc_resistance"]))
    of = f" ({row['resistance_dataset']})" if row["resistance_dataset"] != row["dataset"] else ""
    parent = "; the parent was treated, not the resistant line" if row["treated"] == PARENT else ""
    return {
        "entity": row["gene"],
        "entity_type": "gene",
        "stream": "reversal",
        "level": LEVEL[str(row["system"])],
        "model": str(row["treatment"]).split(":")[0],
        "contrast": f"{row['resistance']}{of}, then {row['treatment']} ({row['dataset']})",
        "direction": sign,
        "effect": row["log2fc_treatment"],
        "effect_unit": "log2 fold change by the treatment",
        "p_value": row["p_value"],
        "q_value": row["q_value"],
        "n": row["n"],
        "status": "estimated",
        "analysis": "reversal",
        "source_table": "reversal",
        "claim": f"{row['gene']} {WHAT[str(row['layer'])]}, {'raised' if sign > 0 else 'lowered'} in "
        f"{row['resistance']}{of} ({number(row['log2fc_resistance'])} log2), is moved back in {row['treatment']} "
        f"{WHERE[str(row['system'])]} ({number(row['log2fc_treatment'])} log2; intersection-union "
        f"{equals('p', row['p_value'])}, {equals('q', row['q_value'])}, n = {int(row['n'])}){parent}.",
    }


def _joint(row: dict[Any, Any]) -> dict[str, Any]:
    sides = [row["log2fc_in_vitro"], row["log2fc_in_vivo"]]
    moved = "raised" if row["direction"] > 0 else "lowered"
    return {
        "entity": row["gene"],
        "entity_type": "gene",
        "stream": "reversal",
        "level": "in_vivo",
        "contrast": f"moved back by {row['agent']} in cells and in animals",
        "direction": int(row["direction"]),
        "effect": min(sides, key=abs),
        "effect_unit": "log2 fold change by the treatment, the smaller of both",
        "n": row["n"],
        "status": "estimated",
        "analysis": "reversal",
        "source_table": "reversal_systems",
        "claim": f"{row['gene']} {WHAT[str(row['layer'])]}, {moved} by resistance, is moved back by {row['agent']} in "
        f"cells ({number(sides[0])} log2, {row['treatment_in_vitro']}, {equals('p', row['p_in_vitro'])}) and in "
        f"animals ({number(sides[1])} log2, {row['treatment_in_vivo']}, {equals('p', row['p_in_vivo'])}); both by an "
        f"intersection-union test {equals('p', row['p_value'])}, {equals('q', row['q_value'])}, n = {int(row['n'])}.",
    }


@figure(
    title="Resistance and what moves it back",
    caption="Log2 fold change in resistance against that by the treatment, in cells and in animals. Orange: moved back "
    "(intersection-union q < 0.05), the surest named as far as there is room, first those that one agent moves back in "
    "both; of the others an even sample over p is drawn. Score: minus the rank correlation after what shared samples "
    "alone induce is removed. At most six pairs of contrasts, those with the highest scores of each system.",
)
def reversal_map(
    reversal: pd.DataFrame, connectivity: pd.DataFrame, reversal_systems: pd.DataFrame | None = None
) -> Any:
    """Quadrants of resistance and treatment, one panel per pair."""
    import altair as alt

    from rechallenge.report.style import MUTED, SMALL
    from rechallenge.report.theme import DOUBLE, SINGLE, facets, sized

    joint = reversal.iloc[:0] if reversal_systems is None else reversal_systems
    both = set(joint.loc[joint["q_value"] < CALLED, "gene"])
    key = ["layer", "resistance_dataset", "resistance", "dataset", "treatment"]
    table = connectivity[connectivity["layer"].isin(list(WHAT))]
    ranked = table.sort_values(["score", *key], ascending=[False] + [True] * len(key), kind="mergesort")
    ranked = ranked.assign(_k=ranked.groupby("system").cumcount()).sort_values(["_k", "system"], kind="mergesort")
    panels: list[pd.DataFrame] = []
    told: set[str] = set()
    shown = ranked.head(PAIRS)
    best = shown.groupby("agent")["score"].transform("max")  # one agent in cells and in animals, side by side
    shown = shown.assign(_b=-best).sort_values(["_b", "agent", "system", "_k"], kind="mergesort")
    for pair in shown.to_dict("records"):
        mine = np.ones(len(reversal), dtype=bool)
        for c in key:
            mine &= (reversal[c] == pair[c]).to_numpy()
        part = reversal[mine].sort_values(["p_value", "feature"], kind="mergesort")
        called = part["q_value"] < CALLED
        part["call"] = np.where(called, "moved back", "not called")
        part["strength"] = -np.log10(np.maximum(part["p_value"], 1e-300)) + 400.0 * part["gene"].isin(both)
        rest = part[~called]
        part = pd.concat([rest.iloc[:: max(1, len(rest) // DRAWN)], part[called]])
        model = str(pair["treatment"]).split(":")[0]
        title = f"{pair['agent']} {WHERE[str(pair['system'])]}, score {number(pair['score'], 2)}: {model}"
        part["panel"] = title if title not in told else f"{title} ({pair['dataset']}, {pair['resistance']})"
        told.add(title)
        panels.append(part)
    if not panels:
        return None
    columns = ["panel", "feature", "name", "log2fc_resistance", "log2fc_treatment", "p_value", "q_value", "call"]
    data = pd.concat(panels, ignore_index=True)
    data = data.assign(name=_named(data, "log2fc_resistance", "log2fc_treatment"))[columns]
    base = alt.Chart(data).encode(
        alt.X("log2fc_resistance:Q", title="Log2 fold change in resistance"),
        alt.Y("log2fc_treatment:Q", title="Log2 fold change by the treatment"),
    )
    colour = alt.Color(
        "call:N",
        title=f"q < {CALLED:g}",
        scale=alt.Scale(domain=["moved back", "not called"], range=["#D55E00", MUTED]),
    )
    points = base.mark_circle(size=6, opacity=0.7).encode(colour, tooltip=["feature:N", "q_value:Q"])
    names = (
        base.transform_filter("datum.name !== ''")
        .mark_text(fontSize=SMALL, align="left", dx=2, dy=-2)
        .encode(text="name:N")
    )
    count = data["panel"].nunique()
    chart = alt.layer(points, names).properties(width=150 if count > 1 else 190, height=120)
    return sized(
        facets(chart, data, "panel", columns=min(2, count), independent_y=True), DOUBLE if count > 1 else SINGLE
    )
