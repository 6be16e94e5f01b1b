"""Claims about programmes, and their figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import claims, figure
from rechallenge.evidence import claim_table
from rechallenge.omics.enrichment.analyses import RANKED, ranking
from rechallenge.omics.enrichment.samples import PERMUTED
from rechallenge.omics.enrichment.sets import PROGRAMMES, collections, titles
from rechallenge.omics.enrichment.testing import running_sum
from rechallenge.report.words import equals, number

CALLED = 0.05
RESISTANCE = "resistance"
SOURCES = {RANKED: "gene_enrichment", PERMUTED: "sample_enrichment"}
#: terms of one contrast drawn at most, and running sums
TERMS, CURVES = 34, 4


@claims(title="Programmes that change with resistance")
def enrichment_claims(gene_enrichment: pd.DataFrame, sample_enrichment: pd.DataFrame | None = None) -> pd.DataFrame:
    """One claim per set and resistant line: every built-in programme, and other sets that are called and stand for
    themselves. Contrasts with enough samples rest on the permutation of samples, the others on the preranked test."""
    table = _chosen(gene_enrichment, sample_enrichment)
    table = table[(table["kind"] == RESISTANCE) & (table["n"] > 0)]  # fold changes alone make no claim
    own = table["collection"] == PROGRAMMES
    kept = table[own | ((table["q_value"] < CALLED) & (table["stands_for"] == table["term"]))]
    names = titles()
    rows = []
    for row in kept.to_dict("records"):
        called = row["q_value"] < CALLED
        how = ("higher" if row["nes"] > 0 else "lower") if called else "not shown to differ"
        leading = str(row["leading_edge"]).split(";")
        genes = ", ".join(leading[:5]) + (f" and {len(leading) - 5} more" if len(leading) > 5 else "")
        title = names.get(row["term"], row["term"]) if row["collection"] == PROGRAMMES else row["term"]
        rows.append(
            {
                "entity": title,
                "entity_type": "pathway",
                "stream": "enrichment",
                "level": "association",
                "model": row["model"],
                "contrast": f"{row['contrast']} ({row['dataset']})",
                "direction": int(np.sign(row["nes"])) if called else 0,
                "effect": row["nes"],
                "effect_unit": "normalised enrichment score",
                "p_value": row["p_value"],
                "q_value": row["q_value"],
                "n": row["n"],
                "status": "estimated",
                "analysis": SOURCES[row["method"]],
                "source_table": SOURCES[row["method"]],
                "claim": f"{title} ({row['layer']}) is {how} in {row['contrast']} ({row['dataset']}): enrichment "
                f"score {number(row['nes'])}, {equals('p', row['p_value'])}, {equals('q', row['q_value'])} "
                f"({'samples' if row['method'] == PERMUTED else 'genes'} permuted), "
                f"{int(row['size'])} genes" + (f", led by {genes}." if called else "."),
            }
        )
    return claim_table(rows)


def _chosen(ranked: pd.DataFrame, permuted: pd.DataFrame | None) -> pd.DataFrame:
    """The preranked test of every contrast, but where samples were permuted that."""
    table = ranked[ranked["method"] == RANKED]
    if permuted is None or permuted.empty:
        return table
    keys = ["dataset", "layer", "contrast"]
    done = set(permuted[keys].itertuples(index=False, name=None))
    rest = table[[k not in done for k in table[keys].itertuples(index=False, name=None)]]
    return pd.concat([t for t in (permuted, rest) if len(t)], ignore_index=True)


@figure(
    title="Programmes of resistance",
    caption="Normalised enrichment scores of the built-in programmes in every contrast of genes; numbers are those "
    "with q < 0.05, an outlined cell was not tested. Orange: higher in the first group.",
)
def programme_panel(gene_enrichment: pd.DataFrame) -> Any:
    """Heat map of programmes by contrasts."""
    from rechallenge.report.theme import DOUBLE, SINGLE, matrix, sized

    table = gene_enrichment[(gene_enrichment["method"] == RANKED) & (gene_enrichment["collection"] == PROGRAMMES)]
    if table.empty:
        return None
    several = len(set(table["dataset"])) > 1
    names = titles()
    data = pd.DataFrame(
        {
            "programme": table["term"].map(lambda t: names.get(t, t)),
            "contrast": table["contrast"] + (" (" + table["dataset"] + ")" if several else ""),
            "nes": table["nes"],
            "called": np.where(table["q_value"] < CALLED, table["nes"].map(lambda v: f"{v:.1f}".replace("-", "−")), ""),
            "q_value": table["q_value"],
            "kind": table["kind"],
        }
    )
    data["_k"] = data["kind"].map({RESISTANCE: 0, "treatment": 1}).fillna(2)
    columns = list(dict.fromkeys(data.sort_values(["_k", "kind", "contrast"])["contrast"]))[:14]
    data = data[data["contrast"].isin(columns)]
    strongest = data.groupby("programme")["nes"].agg(lambda v: float(np.abs(v).max())).nlargest(TERMS).index
    data = data[data["programme"].isin(strongest)]
    order = data.groupby("programme")["nes"].mean().sort_values(ascending=False).index.tolist()
    data["_o"] = data["programme"].map({p: i for i, p in enumerate(order)})
    data["_c"] = data["contrast"].map({c: i for i, c in enumerate(columns)})
    data = data.sort_values(["_o", "_c"])[["programme", "contrast", "nes", "called", "q_value"]]
    drawn = matrix(data, "contrast", "programme", "nes", text="called", title="NES", mid=0.0, cell=22, row=9)
    return sized(drawn, DOUBLE if len(columns) > 4 else SINGLE)


@figure(
    title="Genes permuted and samples permuted",
    caption="p of every set by permutation of samples against that of the preranked test (genes permuted), for "
    "contrasts with enough samples (at most six). Below the line the preranked test is surer: genes of a set that move "
    "together in any sample look like a finding to it. Coloured: q < 0.05 in which of the two.",
)
def permuted_and_ranked(gene_enrichment: pd.DataFrame, sample_enrichment: pd.DataFrame) -> Any:
    """Both p-values of each set, one panel per contrast."""
    import altair as alt

    from rechallenge.report.style import MUTED
    from rechallenge.report.theme import DOUBLE, SINGLE, facets, sized

    keys = ["dataset", "layer", "contrast", "collection", "term"]
    ranked = gene_enrichment[gene_enrichment["method"] == RANKED]
    both = ranked.merge(sample_enrichment, on=keys, suffixes=("_genes", "_samples"))
    if both.empty:
        return None
    both["panel"] = both["contrast"] + np.where(len(set(both["dataset"])) > 1, " (" + both["dataset"] + ")", "")
    panels = list(dict.fromkeys(both["panel"]))[:6]
    data = both[both["panel"].isin(panels)][["panel", "collection", "term"]].copy()
    calls = [both.loc[data.index, f"q_value_{w}"] < CALLED for w in ("genes", "samples")]
    words = ["both", "samples alone", "genes alone", "neither"]
    data["called"] = np.select([calls[0] & calls[1], calls[1], calls[0]], words[:3], words[3])
    for w in ("genes", "samples"):
        data[w] = -np.log10(np.maximum(both.loc[data.index, f"p_value_{w}"], 1e-20))
    end = float(data["samples"].max())
    line = pd.DataFrame({"genes": [0.0, end], "samples": [0.0, end]})
    x = alt.X("genes:Q", title="-log10 p, genes permuted")
    y = alt.Y("samples:Q", title="-log10 p, samples permuted")
    colour = alt.Color("called:N", title="q < 0.05 by", sort=words,
                       scale=alt.Scale(domain=words, range=["#D55E00", "#009E73", "#56B4E9", MUTED]))  # fmt: skip
    points = alt.Chart(data).mark_circle(size=14, opacity=0.8).encode(x, y, colour, tooltip=["term:N", "called:N"])
    rule = alt.Chart(line).mark_line(color="black", strokeWidth=0.5, strokeDash=[2, 2]).encode(x, y)
    chart = alt.layer(rule, points).properties(width=120, height=100)
    return sized(facets(chart, data, "panel", columns=min(3, len(panels))), DOUBLE if len(panels) > 1 else SINGLE)


@figure(
    title="Programmes in every sample",
    caption="Score of each built-in programme in every biological replicate of the first data set, less its mean and "
    "over its standard deviation; the programmes that vary most (at most 34), samples by model, stage and treatment. "
    "Orange: higher.",
)
def sample_programmes(programme_scores: pd.DataFrame) -> Any:
    """Heat map of programme scores by samples."""
    from rechallenge.report.theme import DOUBLE, SINGLE, matrix, sized

    table = programme_scores[programme_scores["collection"] == PROGRAMMES]
    if table.empty:
        return None
    table = table[table["dataset"] == table["dataset"].iloc[0]]
    order = table.sort_values(["model", "stage", "treatment", "replicate"])["sample"].drop_duplicates().tolist()
    wide = table.pivot_table(index="term", columns="sample", values="score", aggfunc="first")[order]
    spread = wide.std(axis=1)
    wide = wide[spread > 0].loc[spread[spread > 0].nlargest(TERMS).index]
    if wide.shape[0] < 2 or not 3 <= wide.shape[1] <= 60:
        return None
    z = wide.sub(wide.mean(axis=1), axis=0).div(wide.std(axis=1), axis=0)
    first = z.to_numpy()[0]
    rows = np.argsort(-(z.to_numpy() @ first), kind="stable")
    names = titles()
    data = pd.DataFrame(
        [
            {"programme": names.get(str(z.index[i]), str(z.index[i])), "sample": s, "score": float(z.to_numpy()[i, j])}
            for i in rows
            for j, s in enumerate(order)
        ]
    )
    drawn = matrix(data, "sample", "programme", "score", title="Score (SD from the mean)", mid=0.0, cell=12, row=9)
    return sized(drawn, DOUBLE if len(order) > 5 else SINGLE)


@figure(
    title="Running sums",
    caption="Running enrichment score over the ranking of all tested genes for the surest programmes of resistance "
    "(at most four); ticks are the set's genes.",
)
def running_sums(
    gene_enrichment: pd.DataFrame, differential: pd.DataFrame, gene_sets_table: pd.DataFrame | None = None
) -> Any:
    """Running sums of the surest sets."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, facets, sized

    table = gene_enrichment[(gene_enrichment["method"] == RANKED) & (gene_enrichment["q_value"] < CALLED)]
    first = table[table["kind"] == RESISTANCE]
    table = (first if len(first) else table).sort_values(["p_value", "term"]).drop_duplicates("term").head(CURVES)
    if table.empty:
        return None
    sets = collections(gene_sets_table, tuple(dict.fromkeys(table["collection"])))
    names = titles()
    parts = []
    for row in table.to_dict("records"):
        mine = (differential["dataset"] == row["dataset"]) & (differential["contrast"] == row["contrast"])
        genes = ranking(differential[mine & (differential["layer"] == row["layer"])])
        curve = running_sum(genes, sets.get(row["collection"], {}).get(row["term"], []))
        if curve.empty:
            continue
        thin = curve["hit"] | (curve["rank"] % max(1, len(curve) // 300) == 0)
        title = f"{names.get(row['term'], row['term'])}: {row['contrast']}"
        parts.append(curve[thin].assign(panel=title, _tick=curve["score"].min() - 0.05))
    if not parts:
        return None
    data = pd.concat(parts, ignore_index=True)
    base = alt.Chart(data).encode(alt.X("rank:Q", title="Rank (highest in the first group at the left)"))
    line = base.mark_line().encode(alt.Y("score:Q", title="Running score"))
    ticks = base.transform_filter("datum.hit").mark_tick(thickness=0.4, height=5).encode(alt.Y("_tick:Q"))
    count = len(set(data["panel"]))
    chart = alt.layer(line, ticks).properties(width=170, height=70)
    return sized(facets(chart, data, "panel", columns=min(2, count), independent_y=True), DOUBLE)
