"""Quality, maps, composition and pseudotime of single cells, drawn.

Histograms are binned before drawing and maps show at most `DRAWN` cells: a page does not grow with the number of cells.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import figure
from rechallenge.omics.cells.embedding import on_a_map

#: cells drawn on a map, samples drawn apart on a page, and bins of a histogram
DRAWN, SAMPLES, BINS = 3000, 24, 40
_MANY = "other"


def _colours(names: list[str]) -> Any:
    """Colours of categories in their order; more than there are colours go round again in a lighter shade."""
    import altair as alt

    from rechallenge.report.theme import CATEGORY

    pale = ["#7FB3D9", "#EAA57A", "#7FC8B3", "#E2B7CD", "#A9D9F2", "#F0CE7A", "#8A8A8A", "#F5EDA0"]
    shades = [*CATEGORY, *pale]
    return alt.Scale(domain=names, range=[shades[i % len(shades)] for i in range(len(names))])


@figure(
    title="Quality of single cells by sample",
    caption="Barcodes by counts, genes and mitochondrial share in each sample; blue: kept, orange: left out. Barcodes "
    f"with no counts are not drawn. At most {SAMPLES} samples, in alphabetical order.",
)
def cell_quality_by_sample(cell_quality: pd.DataFrame) -> Any:
    """Histograms of three measures, one row of panels per sample."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, WONG, sized

    judged = cell_quality[cell_quality["n_counts"] > 0]
    measures = (
        ("n_counts", "Counts", True), ("n_genes", "Genes", True), ("mito_fraction", "Mitochondrial share", False),
    )  # fmt: skip
    samples = sorted(judged["sample"].unique())[:SAMPLES]
    rows = []
    for column, title, log in measures:
        values = judged[column].to_numpy(dtype=float)
        ok = np.isfinite(values) & ((values > 0) | (not log))
        if not ok.any():
            continue
        scaled = np.log10(values[ok]) if log else values[ok]
        edges = np.linspace(scaled.min(), max(float(scaled.max()), float(scaled.min()) + 1e-6), BINS + 1)
        part = judged[ok]
        for sample in samples:
            for kept in (True, False):
                mine = ((part["sample"] == sample) & (part["kept"] == kept)).to_numpy()
                n, _ = np.histogram(scaled[mine], edges)
                ends = 10**edges if log else edges
                rows.append(pd.DataFrame({
                    "measure": title, "sample": sample, "cells": "kept" if kept else "left out", "from": ends[:-1],
                    "to": ends[1:], "n": n,
                })[n > 0])  # fmt: skip
    if not rows:
        return None
    data = pd.concat(rows, ignore_index=True)
    titles = [t for _, t, _ in measures if (data["measure"] == t).any()]
    columns = []
    for title, log in ((t, log) for _, t, log in measures if t in titles):
        own = data[data["measure"] == title]
        scale = alt.Scale(type="log", nice=False) if log else alt.Scale(zero=True)
        axis = alt.Axis(format="~s" if log else "%", tickCount=4)
        bars = (
            alt.Chart()
            .mark_rect(opacity=0.65)
            .encode(
                alt.X("from:Q", title=title, scale=scale, axis=axis),
                alt.X2("to:Q"),
                alt.Y("n:Q", title="Barcodes", axis=alt.Axis(tickCount=3)),
                alt.Y2(datum=0),
                alt.Color("cells:N", title=None, scale=alt.Scale(domain=["kept", "left out"],
                                                                 range=[WONG["blue"], WONG["orange"]])),
            )
            .properties(width=110, height=48)
        )  # fmt: skip
        header = alt.Header(labelAngle=0, labelAlign="left") if title == titles[-1] else alt.Header(labels=False)
        by = alt.Row("sample:N", title=None, sort=samples, header=header)
        columns.append(bars.facet(row=by, data=own).resolve_scale(y="independent"))
    return sized(alt.hconcat(*columns), DOUBLE)


@figure(
    title="Map of single cells",
    caption=f"UMAP of at most {DRAWN:,} cells of a data set, drawn evenly, by state (numbered from the largest) and by "
    "sample. Distances on the map have no scale; states that hold one sample alone may be a batch.",
)
def cell_map(cell_states: pd.DataFrame) -> Any:
    """One pair of maps per data set, by state and by sample."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, FONT, LABEL, sized

    out = {}
    for dataset, part in cell_states.groupby("dataset", sort=True):
        placed = part[part["umap1"].notna()]
        if placed.empty:
            continue
        shown = placed.iloc[on_a_map(len(placed), DRAWN, 0)]
        bare, free = alt.Axis(labels=False, ticks=False), alt.Scale(zero=False)
        maps = []
        # cells of the rare states and samples lie above those of the common ones
        for by, title in (("state", "State"), ("sample", "Sample")):
            names = shown[by].value_counts()
            order = sorted(names.index, key=(lambda s: int(s)) if by == "state" else str)
            top = set(names.sort_values(ascending=False, kind="stable").index[:16])
            data = pd.DataFrame({
                "umap1": shown["umap1"].round(2), "umap2": shown["umap2"].round(2), "cell": shown["cell"],
                by: [s if s in top else _MANY for s in shown[by]],
            })  # fmt: skip
            domain = [s for s in order if s in top] + ([_MANY] if len(top) < len(order) else [])
            rank = data[by].map(names).fillna(0)
            data = data.iloc[np.argsort(-rank.to_numpy(), kind="stable")]
            maps.append(
                alt.Chart(data)
                .mark_circle(size=5, opacity=0.75)
                .encode(
                    alt.X("umap1:Q", title="UMAP 1", axis=bare, scale=free),
                    alt.Y("umap2:Q", title="UMAP 2", axis=bare, scale=free),
                    alt.Color(f"{by}:N", title=title, scale=_colours(domain), sort=domain),
                    tooltip=["cell:N", f"{by}:N"],
                )
                .properties(width=180, height=170)
            )  # fmt: skip
        said = f"{len(shown):,} of {len(part):,} cells drawn"
        head = alt.TitleParams(str(dataset), subtitle=said, subtitleFont=FONT, subtitleFontSize=LABEL, anchor="start")
        out[f"cell map {dataset}"] = sized(
            alt.hconcat(*maps).resolve_scale(color="independent").properties(title=head), DOUBLE
        )
    return out or None


@figure(
    title="States in each sample",
    caption="Share of each state in every sample; the numbers on the right are cells of the sample.",
)
def state_composition_bars(state_composition: pd.DataFrame) -> Any:
    """One stacked bar per sample."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, SMALL, sized

    if state_composition.empty:
        return None
    out = {}
    for dataset, part in state_composition.groupby("dataset", sort=True):
        who = part["model"].where(part["model"] != "", part["patient"])
        plain = part["treatment"].isin(["", "none", "vehicle"])
        group = who.where(plain, who + " + " + part["treatment"])
        label = group.where(group == "", group + ": ") + part["sample"]
        data = part.assign(label=label, order=part["state"].astype(int))
        data = data[["label", "state", "order", "n_cells", "n_sample", "fraction"]]
        states = sorted(data["state"].unique(), key=int)
        rows = sorted(data["label"].unique())
        base = alt.Chart(data).encode(alt.Y("label:N", title=None, sort=rows))
        bars = base.mark_bar().encode(
            alt.X("fraction:Q", title="Share of the cells", axis=alt.Axis(format="%"), stack="zero",
                  scale=alt.Scale(domain=[0, 1])),
            alt.Color("state:N", title="State", scale=_colours(states), sort=states, legend=alt.Legend(offset=28)),
            alt.Order("order:Q"),
            tooltip=["label:N", "state:N", "n_cells:Q", "fraction:Q"],
        )  # fmt: skip
        one = data.drop_duplicates("label")[["label", "n_sample"]]
        text = (
            alt.Chart(one.assign(end=1.0, cells=[f"{n:,}" for n in one["n_sample"]]))
            .mark_text(align="left", dx=3, fontSize=SMALL)
            .encode(alt.Y("label:N", sort=rows), alt.X("end:Q"), alt.Text("cells:N"))
        )
        chart = alt.layer(bars, text).properties(width=230, height=alt.Step(13))
        out[f"states by sample {dataset}"] = sized(chart, DOUBLE)
    return out


@figure(
    title="Pseudotime from parental to resistant",
    caption="Cells along pseudotime by model and treatment (share of the cells of each in bins of 0.05), of contrasts "
    "in which cells lead from one group to the other. Below: states at their median, with the range of 95 % of parts "
    "of the cells. Exploratory: one sample on a side.",
)
def pseudotime_by_model(pseudotime: pd.DataFrame, trajectory: pd.DataFrame, trajectory_states: pd.DataFrame) -> Any:
    """One panel per contrast with a way: histograms by group above, states below."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, FONT, LABEL, sized

    out = {}
    ways = trajectory[trajectory["status"] == "path"]
    for row in ways.to_dict("records"):
        mine = pseudotime[(pseudotime["dataset"] == row["dataset"]) & (pseudotime["contrast"] == row["contrast"])]
        mine = mine[mine["pseudotime"].notna()]
        states = trajectory_states[
            (trajectory_states["dataset"] == row["dataset"]) & (trajectory_states["contrast"] == row["contrast"])
        ]
        group = mine["model"] + mine["treatment"].map(lambda t: "" if t in ("", "none", "vehicle") else f" + {t}")
        edges = np.linspace(0, 1, 21)
        bins = []
        for name, own in mine.groupby(group, sort=True):
            n, _ = np.histogram(own["pseudotime"], edges)
            bins.append(
                pd.DataFrame({"group": name, "from": edges[:-1], "to": edges[1:], "share": n / len(own), "n": n})
            )
        data = pd.concat(bins, ignore_index=True)
        names = sorted(data["group"].unique())
        x = alt.X("from:Q", title="Pseudotime", scale=alt.Scale(domain=[0, 1]))
        above = (
            alt.Chart(data).mark_rect(opacity=0.55)
            .encode(x, alt.X2("to:Q"), alt.Y("share:Q", title="Share of the cells", axis=alt.Axis(format="%")),
                    alt.Y2(datum=0), alt.Color("group:N", title=None, scale=_colours(names), sort=names),
                    tooltip=["group:N", "n:Q", "share:Q"])
            .properties(width=300, height=100)
        )  # fmt: skip
        base = alt.Chart(states[["state", "order", "pseudotime", "ci_low", "ci_high", "n_cells"]]).encode(
            alt.Y("state:N", title="State", sort=states["state"].tolist())
        )
        lines = base.mark_rule().encode(alt.X("ci_low:Q", title="Pseudotime", scale=alt.Scale(domain=[0, 1])),
                                        alt.X2("ci_high:Q"))  # fmt: skip
        dots = base.mark_point(filled=True, size=22, color="black", opacity=1).encode(alt.X("pseudotime:Q"))
        below = alt.layer(lines, dots).properties(width=300, height=alt.Step(12))
        said = f"{len(mine):,} cells, {int(row['n_roots'])} roots, median rho {row['root_agreement']:.2f}" + (
            "; exploratory" if row["exploratory"] else ""
        )
        head = alt.TitleParams(f"{row['contrast']} ({row['dataset']})", subtitle=said, subtitleFont=FONT,
                               subtitleFontSize=LABEL, anchor="start")  # fmt: skip
        out[f"pseudotime {row['contrast']} ({row['dataset']})"] = sized(
            alt.vconcat(above, below).properties(title=head), DOUBLE
        )
    return out or None
