"""What speaks for and against each of the first candidates, family by family."""

from __future__ import annotations

from typing import Any

import pandas as pd

from rechallenge.analysis import figure
from rechallenge.integration.candidates import FAMILIES

#: genes drawn
DRAWN = 12
#: one colour per family (doi:10.1038/nmeth.1618)
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")


@figure(
    title="For and against the first candidates",
    caption="Weight of evidence of each family in nats, right of 0 for the gene and left of 0 against it; a family "
    "that says nothing of a gene has no bar. The diamond is the score: the sum, less half of the best family. The sign "
    "behind the name says whether high (+) or low (−) promotes resistance.",
)
def candidate_figure(candidates: pd.DataFrame, candidate_terms: pd.DataFrame) -> Any:
    """Bars of terms by gene and family; None where no gene has more than one family."""
    import altair as alt

    first = candidates[candidates["status"] == "estimated"].sort_values("rank", kind="mergesort").head(DRAWN)
    if first.empty:
        return None
    names = {
        str(r["entity"]): f"{int(r['rank'])}. {r['entity']} ({'+' if r['direction'] > 0 else '−'})"
        for r in first.to_dict("records")
    }
    order = list(names.values())
    bars = candidate_terms[candidate_terms["entity"].isin(list(names))].copy()
    bars["gene"] = bars["entity"].map(names)
    bars["place"] = bars["family"].map({f.name: i for i, f in enumerate(FAMILIES)})
    used = [f.name for f in FAMILIES if f.name in set(bars["family"])]
    scores = pd.DataFrame({"gene": order, "score": first["score"].tolist()})
    y = alt.Y("gene:N", sort=order, title=None)
    colours = [COLOURS[[f.name for f in FAMILIES].index(name)] for name in used]
    drawn = (
        alt.Chart(bars)
        .mark_bar(height=8)
        .encode(
            alt.X("term:Q", title="Weight of evidence (nats)", stack="zero"),
            y,
            alt.Color("family:N", title=None, sort=used, scale=alt.Scale(domain=used, range=colours),
                      legend=alt.Legend(orient="top", columns=6)),
            alt.Order("place:Q"),
            tooltip=["entity", "family", "z", "term", "streams", "n_claims", "claims"],
        )
    )  # fmt: skip
    zero = alt.Chart(pd.DataFrame({"term": [0.0]})).mark_rule(strokeWidth=0.5).encode(alt.X("term:Q"))
    marks = (
        alt.Chart(scores)
        .mark_point(shape="diamond", filled=True, size=30, color="black", opacity=1)
        .encode(alt.X("score:Q"), y, tooltip=["gene", "score"])
    )
    chart = alt.layer(drawn, zero, marks).properties(width=380, height=alt.Step(14))
    return chart.properties(usermeta={"figure_width": 183 * 72 / 25.4})
