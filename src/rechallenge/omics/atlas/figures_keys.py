"""The evidence for the key enzymes, drawn as a table: what was tested beside what databases say."""

from __future__ import annotations

from typing import Any

import pandas as pd

from rechallenge.analysis import figure
from rechallenge.omics.atlas.keys import CONTRADICTED, SUGGESTED, SUPPORTED, UNSUPPORTED
from rechallenge.report.words import number

#: enzymes shown
MOST = 15
#: heading -> place on the page (points)
_COLUMNS = {
    "Verdict": 52, "q": 142, "Lines": 172, "mRNA": 197, "Products": 227, "Tracer": 262, "Stages": 310,
    "Specificity": 358, "Rate-limiting": 402, "Approved inhibitor": 450,
}  # fmt: skip


@figure(
    title="Key enzymes with their evidence",
    caption="The fifteen enzymes that rank first over all contrasts of resistant models with their parents (or, "
    "without such, over all contrasts). q: concordance of the enzyme and its metabolites. Lines: contrasts in which "
    "both agree at p ≤ 0.05, of those tested. mRNA, products: log2 change in the best contrast. Tracer, stages: "
    "whether they agree. Specificity: share of footprints laid over other metabolites that score as far. Grey columns "
    "come from databases and moved neither rank nor q.",
)
def key_enzyme_evidence(key_enzymes: pd.DataFrame) -> Any:
    """One row per enzyme, one column per piece of evidence, as text."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, LABEL, MUTED, SMALL, WONG, sized

    if key_enzymes.empty:
        return None
    top = key_enzymes.sort_values("rank").head(MOST)
    paint = {SUPPORTED: "blue", SUGGESTED: "sky blue", CONTRADICTED: "vermillion", UNSUPPORTED: "orange"}
    cells = []
    for _, row in top.iterrows():
        arrow = {1: "up", -1: "down"}.get(int(row["direction"]), "")
        change = f"{row['verdict']}, {arrow}" if arrow and row["verdict"] in (SUPPORTED, SUGGESTED) else row["verdict"]
        approved = [d.removesuffix(" (approved)") for d in str(row["inhibitors"]).split(", ") if "(approved)" in d]
        drugs = ", ".join(approved[:2]) + (f" and {len(approved) - 2} more" if len(approved) > 2 else "")
        said = {
            "Verdict": change, "q": number(row["q_value"], 2),
            "Lines": f"{row['n_concordant']} of {row['n_contrasts']}",
            "mRNA": number(row["rna_log2fc"]), "Products": number(row["product_log2fc"]), "Tracer": row["tracer"],
            "Stages": row["stage"], "Specificity": number(row["specificity"], 2), "Rate-limiting": row["rate_limiting"],
            "Approved inhibitor": drugs or "–",
        }  # fmt: skip
        cells += [
            {"gene": row["gene"], "evidence": k, "value": v, "_draw_x": _COLUMNS[k], "_draw_verdict": row["verdict"]}
            for k, v in said.items()
        ]
    data = pd.DataFrame(cells)
    order = list(top["gene"])
    axis = alt.Axis(domain=False, ticks=False, labelPadding=4)
    y = alt.Y("gene:N", sort=order, title=None, axis=axis)
    x = alt.X("_draw_x:Q", axis=None, scale=alt.Scale(domain=[45, 530], nice=False))
    of = alt.Chart(data).encode(x, y)
    known = "datum.evidence === 'Rate-limiting' || datum.evidence === 'Approved inhibitor'"
    there = [v for v in paint if v in set(data["_draw_verdict"])]
    colour = alt.Color(
        "_draw_verdict:N", legend=None, scale=alt.Scale(domain=there, range=[WONG[paint[v]] for v in there])
    )
    layers = [
        of.transform_filter("datum.evidence === 'Verdict'").mark_point(shape="circle", size=20).encode(color=colour)
        if there
        else of.transform_filter("false").mark_point(),
        of.transform_filter(f"!({known}) && datum.evidence !== 'Verdict'")
        .mark_text(align="left", fontSize=SMALL)
        .encode(text="value:N"),
        of.transform_filter("datum.evidence === 'Verdict'")
        .mark_text(align="left", fontSize=SMALL, dx=6)
        .encode(text="value:N"),
        of.transform_filter(known)
        .mark_text(align="left", fontSize=SMALL, color=MUTED, limit=95)
        .encode(text="value:N"),
    ]
    heads = pd.DataFrame({"_draw_head": list(_COLUMNS), "_draw_x": list(_COLUMNS.values())})
    top_row = (
        alt.Chart(heads)
        .mark_text(align="left", baseline="bottom", fontSize=LABEL, fontWeight="bold")
        .encode(x, alt.Y(value=-4), text="_draw_head:N")
    )
    return sized(alt.layer(*layers, top_row).properties(width=470, height=alt.Step(10)), DOUBLE)
