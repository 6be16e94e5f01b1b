"""States, their activity, courses along pseudotime, stemness and rare cells, drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import figure
from rechallenge.knowledge.questions.collections import PROGRAMMES, set_titles
from rechallenge.omics.cells.activity import METABOLISM, PATHWAY, REGULATOR
from rechallenge.omics.cells.pseudobulk import ALL
from rechallenge.omics.cells.rare import NONE
from rechallenge.omics.cells.trends import GENE

#: rows of a heat map, markers of a state, genes and drivers that are drawn at most
TERMS, MARKERS, COURSES, DRIVERS = 14, 3, 6, 4
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#999999"


def _by_state(state: pd.Series) -> pd.Series:
    """States in the order of their numbers."""
    return pd.to_numeric(state, errors="coerce").fillna(1e9)


@figure(
    title="Pathways and regulators of states",
    caption="Mean score over samples of every state, standardised over states; the pathways and regulators that differ "
    "most between states for the scatter between samples. Cells without colour: no sample with enough cells.",
)
def state_activity_map(state_activity: pd.DataFrame) -> Any:
    """A heat map per data set: terms against states."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, matrix, sized

    titles = set_titles()
    charts = []
    for dataset, part in state_activity[state_activity["state"] != ALL].groupby("dataset", sort=True):
        if part["state"].nunique() < 2:
            continue
        for kinds, name in (((PATHWAY, METABOLISM), "pathways"), ((REGULATOR,), "regulators")):
            data = _standard(part[part["kind"].isin(kinds)], titles)
            if data.empty:
                continue
            chart = matrix(data, "state", "term", "z", title="Score (SD)", mid=0.0, x_title="State", cell=16, row=9,
                           tooltip=["term", "state", "score", "z", "n_samples"])  # fmt: skip
            charts.append(chart.properties(title=f"{dataset}: {name}"))
    if not charts:
        return None
    return sized(alt.hconcat(*charts[:2], spacing=12), DOUBLE)


def _standard(part: pd.DataFrame, titles: dict[str, str]) -> pd.DataFrame:
    """term, state, score, z, n_samples of the terms with the largest ratio of scatter between to within states."""
    if part.empty:
        return pd.DataFrame()
    own = part.copy()
    built_in = own["collection"] == PROGRAMMES
    own["term"] = np.where(built_in, own["term"].map(titles).fillna(own["term"]), own["term"])
    own.loc[own["kind"] == METABOLISM, "term"] = "enzymes: " + own["term"]
    means = own.groupby(["term", "state"])["score"].agg(["mean", "size"]).reset_index()
    wide = means.pivot_table(index="term", columns="state", values="mean").dropna()
    between = wide.std(axis=1, ddof=0)
    within = own.groupby(["term", "state"])["score"].std(ddof=1).groupby("term").mean().reindex(wide.index)
    floor = within.median() if within.notna().any() else 0.0
    ratio = between / (within.fillna(floor) + max(float(floor), 1e-9))
    chosen = ratio.sort_values(ascending=False, kind="mergesort").head(TERMS).index
    z = wide.loc[chosen].sub(wide.loc[chosen].mean(axis=1), axis=0).div(between.loc[chosen].replace(0, np.nan), axis=0)
    columns = sorted((str(c) for c in z.columns), key=lambda s: (not s.isdigit(), int(s) if s.isdigit() else 0, s))
    # terms that are high in the same state stand together
    highest = [columns.index(str(c)) for c in z[columns].idxmax(axis=1)]
    order = [str(z.index[i]) for i in np.argsort(highest, kind="stable")]
    rows = [(t, c, z[c][t]) for t in order for c in columns]
    out = pd.DataFrame(rows, columns=["term", "state", "z"])
    return out.merge(means.rename(columns={"mean": "score", "size": "n_samples"}), on=["term", "state"], how="left")


@figure(
    title="Markers of states",
    caption="The strongest markers of every state, then the genes that were asked after (named in the study, or "
    "drivers of which a population was found). Size: share of the state's cells in which the gene is seen; colour: "
    "log2 fold change against the other states.",
)
def state_marker_dots(state_markers: pd.DataFrame) -> Any:
    """The strongest markers of every state as dots, per data set."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, sized

    charts = []
    for dataset, part in state_markers.groupby("dataset", sort=True):
        # one marker list per state, each gene once
        best = part[(part["log2fc"] > 0) & (part["rank"] > 0)].sort_values(
            ["log2fc", "gene"], ascending=[False, True], kind="mergesort"
        )
        best = best.assign(_o=_by_state(best["state"])).groupby("state", sort=True).head(MARKERS)
        genes = list(dict.fromkeys(best.sort_values(["_o"], kind="mergesort")["gene"]))
        # then those that were asked after, in every state
        genes += [g for g in dict.fromkeys(part.loc[part["named"], "gene"].sort_values()) if g not in genes]
        data = part[part["gene"].isin(genes)].assign(_o=lambda t: _by_state(t["state"])).sort_values("_o")
        if not genes or data["state"].nunique() < 2:
            continue
        states = list(dict.fromkeys(data["state"].astype(str)))
        chart = (
            alt.Chart(data[["state", "gene", "log2fc", "detected_in", "detected_out"]])
            .mark_circle(opacity=1)
            .encode(
                alt.X("gene:N", sort=genes, title=None, axis=alt.Axis(labelAngle=-45)),
                alt.Y("state:N", sort=states, title="State"),
                alt.Size(
                    "detected_in:Q",
                    title="Cells with it",
                    scale=alt.Scale(domain=[0, 1], range=[1, 60]),
                    legend=alt.Legend(values=[0.25, 0.5, 1]),
                ),
                alt.Color("log2fc:Q", title="log2 fold", scale=alt.Scale(scheme="viridis", zero=True)),
                tooltip=["gene", "state", "log2fc", "detected_in", "detected_out"],
            )
            .properties(width=alt.Step(12), height=alt.Step(11), title=str(dataset))
        )
        charts.append(chart)
    return sized(alt.vconcat(*charts), DOUBLE) if charts else None


@figure(
    title="Driver-positive cells per patient",
    caption="Share of driver-positive cells in every patient (or sample) with its 95 % interval, by mixture of "
    "background and carriers with the depth of every cell; crosses: share of cells in which the gene is seen at all. "
    "Shares below 1 in 10,000 are drawn at the edge.",
)
def rare_cell_shares(rare_cells: pd.DataFrame) -> Any:
    """Shares by patient, grouped by what patients are compared on; drivers with a population first."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, facets, sized

    data = rare_cells[rare_cells["frequency"].notna()].copy()
    if data.empty:
        return None
    shown = data.assign(_n=data["population"] == NONE).sort_values(["_n", "p_value", "driver"], kind="mergesort")
    data = data[data["driver"].isin(list(dict.fromkeys(shown["driver"]))[:DRIVERS])]
    floor = 1e-4
    data["unit"] = np.where(data["patient"].astype(str) != "", data["patient"], data["sample"])
    data["of"] = np.where(data["group"].astype(str) != "", data["group"], data["model"])
    for c in ("frequency", "ci_low", "ci_high", "fraction_seen"):
        data[f"{c}_percent"] = 100 * data[c].clip(lower=floor)
    keep = ["driver", "unit", "of", "n_cells", "median_umi", "population"]
    numbers = [f"{c}_percent" for c in ("frequency", "ci_low", "ci_high", "fraction_seen")]
    data = data.sort_values(["driver", "of", "unit"], kind="mergesort")[[*keep, *numbers]]
    order = list(dict.fromkeys(data.sort_values(["of", "unit"])["unit"]))
    data["panel"] = data["driver"] + " (" + data["population"] + ")"
    base = alt.Chart(data).encode(alt.X("unit:N", sort=order, title=None, axis=alt.Axis(labelAngle=-45)))
    scale = alt.Scale(type="log", domainMin=100 * floor, nice=False)
    axis = alt.Axis(values=[0.01, 0.1, 1, 10, 100], format="~g")
    groups = list(dict.fromkeys(data["of"]))
    colour = alt.Color(
        "of:N", title=None, sort=groups, scale=alt.Scale(domain=groups, range=[BLUE, ORANGE, GREY, "#009E73"])
    )
    low = alt.Y("ci_low_percent:Q", scale=scale, axis=axis, title="Driver-positive cells (%)")
    tip = [*keep, *numbers]
    layers = [
        base.mark_rule().encode(low, alt.Y2("ci_high_percent"), color=colour),
        base.mark_point(filled=True, size=22, opacity=1).encode(
            alt.Y("frequency_percent:Q", scale=scale, axis=axis, title="Driver-positive cells (%)"), color=colour,
            tooltip=tip,
        ),
        base.mark_point(shape="cross", size=14, color="#555555").encode(
            alt.Y("fraction_seen_percent:Q", scale=scale, axis=axis, title="Driver-positive cells (%)"), tooltip=tip
        ),
    ]  # fmt: skip
    chart = alt.layer(*layers).properties(width=alt.Step(9), height=90)
    return sized(facets(chart, data, "panel", columns=2), DOUBLE)


@figure(
    title="Trends from parental to resistant cells",
    caption="Mean log expression along pseudotime in every sample (one line each), of the genes with the smallest "
    "p-values over samples.",
)
def pseudotime_lines(pseudotime_courses: pd.DataFrame, pseudotime_trends: pd.DataFrame) -> Any:
    """One line per sample and gene, coloured by model."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, facets, sized

    if pseudotime_courses.empty:
        return None
    first = ["dataset", "contrast"]
    ways = pseudotime_trends[[*first, "contrast_kind", "parental", "resistant"]].drop_duplicates()
    pair = ways.sort_values(["contrast_kind", *first], kind="mergesort").iloc[0]
    mine = (pseudotime_courses[first] == pair[first]).all(axis=1)
    genes = pseudotime_trends[(pseudotime_trends[first] == pair[first]).all(axis=1)]
    genes = genes[genes["kind"] == GENE]
    order = genes.sort_values(["p_value", "term"], kind="mergesort")[["term", "q_value", "slope"]]
    order = order[order["term"].isin(set(pseudotime_courses.loc[mine, "term"]))].head(COURSES)
    data = pseudotime_courses[mine & pseudotime_courses["term"].isin(order["term"])].drop(columns=["kind"])
    if data.empty:
        return None
    models = [m for m in (pair["parental"], pair["resistant"]) if m in set(data["model"])]
    models += sorted(set(data["model"]) - set(models))
    rank = {t: i for i, t in enumerate(order["term"])}
    data = data.assign(_r=data["term"].map(rank)).sort_values(["_r", "sample", "pseudotime"], kind="mergesort")
    data = data.drop(columns="_r")
    chart = (
        alt.Chart(data)
        .mark_line(point=alt.OverlayMarkDef(size=10), strokeWidth=0.8)
        .encode(
            alt.X("pseudotime:Q", title="Pseudotime", scale=alt.Scale(domain=[0, 1])),
            alt.Y("level:Q", title="Log expression", scale=alt.Scale(zero=False)),
            alt.Color("model:N", title=None, scale=alt.Scale(domain=models, range=[BLUE, ORANGE, GREY])),
            alt.Detail("sample:N"),
            tooltip=["term", "sample", "model", "pseudotime", "level", "n_cells"],
        )
        .properties(width=105, height=62)
    )
    return sized(facets(chart, data, "term", columns=3, independent_y=True), DOUBLE)


@figure(
    title="Stemness with and without equal depth",
    caption="Median diversity of transcripts of every sample (all cells), on all counts and on counts drawn to one "
    "depth: what differs on the left alone was depth.",
)
def stemness_pair(stemness: pd.DataFrame) -> Any:
    """Samples as points, at all counts beside equal depth."""
    import altair as alt

    from rechallenge.report.theme import SINGLE, facets, sized

    part = stemness[(stemness["state"] == ALL) & stemness["used"]]
    if part.empty:
        return None
    part = part.assign(of=np.where(part["model"].astype(str) != "", part["model"], part["group"]))
    part["of"] = part["of"].where(part["of"].astype(str) != "", part["sample"])
    at = f"{part['umi'].iloc[0]:,.0f} UMI in every cell"
    long = pd.concat(
        [part.assign(panel="All counts", value=part["score_all_counts"]), part.assign(panel=at, value=part["score"])]
    )
    data = long[["dataset", "sample", "of", "panel", "value", "median_umi", "n_scored"]]
    data = data[data["value"].notna()]
    chart = (
        alt.Chart(data)
        .mark_point(filled=False, size=22, strokeWidth=1.4)
        .encode(
            alt.X("of:N", title=None, axis=alt.Axis(labelAngle=-45)),
            alt.Y("value:Q", title="Diversity of transcripts (rank)", scale=alt.Scale(domain=[0, 1])),
            alt.Color("median_umi:Q", title="Median UMI", scale=alt.Scale(scheme="viridis", zero=False)),
            tooltip=["sample", "of", "value", "median_umi", "n_scored"],
        )
        .properties(width=alt.Step(24), height=95)
    )
    return sized(facets(chart, data, "panel", columns=2), SINGLE)
