"""Volcano and MA plots, principal components and distances of samples, heat map, overlap of lines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import figure
from rechallenge.omics.expression.design import KINDS, RESISTANCE
from rechallenge.omics.expression.estimate import data_sets, logs
from rechallenge.omics.expression.samples import informative

#: contrasts drawn at most, resistance first; genes named in each; genes of a heat map
CONTRASTS, NAMED, ROWS = 6, 10, 40
#: features drawn without a call and with one, thinned evenly over their rank so that a page stays light
DRAWN, DRAWN_CALLED = 700, 1200
CALLED, FOLD = 0.05, 1.0


def _shown(table: pd.DataFrame) -> list[tuple[str, str]]:
    order = {k: i for i, k in enumerate(KINDS)}
    names = table[["dataset", "contrast", "kind"]].drop_duplicates()
    names = names.assign(_o=names["kind"].map(order).fillna(9)).sort_values(["_o", "dataset", "contrast"])
    return [(str(d), str(c)) for d, c in zip(names["dataset"], names["contrast"], strict=True)][:CONTRASTS]


def _points(table: pd.DataFrame) -> pd.DataFrame:
    """The called features of the contrasts shown (the strongest and an even sample of many) and an even sample of the
    rest."""
    several = len(set(table["dataset"])) > 1
    parts = []
    for dataset, contrast in _shown(table):
        part = table[(table["dataset"] == dataset) & (table["contrast"] == contrast) & table["p_value"].notna()].copy()
        if part.empty:
            continue
        called = (part["q_value"] < CALLED) & (part["log2fc"].abs() >= FOLD)
        part["call"] = np.select([called & (part["log2fc"] > 0), called], ["higher", "lower"], "not called")
        part["strength"] = -np.log10(np.maximum(part["p_value"], 1e-300))
        rest = _even(part[~called], DRAWN)
        top = part[called].nlargest(8 * NAMED, "strength")
        chosen = pd.concat([rest, _even(part[called].drop(top.index), DRAWN_CALLED), top])
        chosen["panel"] = f"{contrast} ({dataset})" if several else contrast
        parts.append(chosen)
    columns = ["panel", "feature", "gene", "log2fc", "level", "strength", "p_value", "q_value", "call"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _even(part: pd.DataFrame, most: int) -> pd.DataFrame:
    """About `most` rows, evenly over their rank by p."""
    return part.sort_values(["strength", "feature"]).iloc[:: max(1, -(-len(part) // most))]


def _named(data: pd.DataFrame, x: str, y: str) -> list[str]:
    """The names of the surest called features of each panel that leave each other room, '' for the rest."""
    names = pd.Series("", index=data.index)
    for _, part in data.groupby("panel", sort=False):
        wide, high = (max(float(np.ptp(part[c])), 1e-9) for c in (x, y))
        taken: list[tuple[float, float]] = []
        surest = part[part["call"] != "not called"].nlargest(8 * NAMED, "strength")
        for at, gene, *place in surest[["gene", x, y]].itertuples(name=None):
            here = (float(place[0]) / wide, float(place[1]) / high)
            if len(taken) < NAMED and all(abs(here[0] - a) > 0.3 or abs(here[1] - b) > 0.06 for a, b in taken):
                taken.append(here)
                names[at] = str(gene)
    return names.tolist()


def _scatter(data: pd.DataFrame, x: Any, y: Any) -> Any:
    import altair as alt

    from rechallenge.report.style import MUTED, SMALL
    from rechallenge.report.theme import DOUBLE, SINGLE, facets, sized

    order = ["higher", "lower", "not called"]
    colour = alt.Color("call:N", title=f"q < {CALLED:g}, twofold", scale=alt.Scale(domain=order,
                       range=["#D55E00", "#0072B2", MUTED]))  # fmt: skip
    base = alt.Chart(data).encode(x, y)
    points = base.mark_circle(size=6, opacity=0.7).encode(colour, tooltip=["feature:N", "log2fc:Q", "q_value:Q"])
    names = (
        base.transform_filter("datum.name !== ''")
        .mark_text(fontSize=SMALL, align="left", dx=2, dy=-2)
        .encode(text="name:N")
    )
    count = data["panel"].nunique()
    chart = alt.layer(points, names).properties(width=130, height=110)
    return sized(
        facets(chart, data, "panel", columns=min(3, count), independent_y=True), DOUBLE if count > 1 else SINGLE
    )


@figure(
    title="Volcano plots",
    caption="Log2 fold change against -log10 p, resistance first, at most six contrasts. Coloured: q < 0.05 and at "
    "least twofold; the surest are named, ten at most and as far as there is room. Of many features an even "
    "sample over p is drawn.",
)
def volcano(differential: pd.DataFrame) -> Any:
    """Volcano plot of each contrast."""
    import altair as alt

    data = _points(differential[differential["layer"] != "metabolite"])
    if data.empty:
        return None
    x = alt.X("log2fc:Q", title="Log2 fold change")
    data = data.assign(name=_named(data, "log2fc", "strength"))
    return _scatter(data, x, alt.Y("strength:Q", title="-log10 p"))


@figure(
    title="Mean and difference",
    caption="Log2 fold change against the mean log2 level, same contrasts and colours as the volcano plots.",
)
def mean_difference(differential: pd.DataFrame) -> Any:
    """MA plot of each contrast."""
    import altair as alt

    table = differential[(differential["layer"] != "metabolite") & differential["level"].notna()]
    data = _points(table)
    if data.empty:
        return None
    data = data.assign(name=_named(data, "level", "log2fc"))
    x = alt.X("level:Q", title="Mean level (log2)", scale=alt.Scale(zero=False))
    return _scatter(data, x, alt.Y("log2fc:Q", title="Log2 fold change"))


@figure(
    title="Samples in principal components",
    caption="Each point is a sample; axes give the share of variance of the thousand most variable features. Samples "
    "with a remark in the table of samples are named.",
)
def sample_components(expression_quality: pd.DataFrame) -> Any:
    """First two principal components, one panel per data set."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, SINGLE, sized

    table = expression_quality.dropna(subset=["pc1", "pc2"])
    if table.empty:
        return None
    charts = []
    for dataset, part in table.groupby("dataset", sort=True):
        part = part.assign(name=part["sample"].where(part["verdict"] != "", ""))
        stage = part["stage"].fillna("").astype(str)
        part["group"] = part["model"].astype(str) + np.where(stage != "", " " + stage, "")
        shares = part[["pc1_percent", "pc2_percent"]].iloc[0]
        base = alt.Chart(part[["sample", "group", "treatment", "name", "pc1", "pc2"]]).encode(
            alt.X("pc1:Q", title=f"PC1 ({shares.iloc[0]:.0f} %)"), alt.Y("pc2:Q", title=f"PC2 ({shares.iloc[1]:.0f} %)")
        )
        points = base.mark_point(size=24).encode(alt.Color("group:N", title="Model"), tooltip=["sample:N"])
        if len(set(part["treatment"])) > 1:
            points = points.encode(alt.Shape("treatment:N", title="Treatment"))
        text = base.mark_text(dy=-6).encode(text="name:N")
        charts.append(alt.layer(points, text).properties(width=120, height=110, title=str(dataset)))
    return sized(alt.concat(*charts, columns=2), DOUBLE if len(charts) > 1 else SINGLE)


def _heat(expression: pd.DataFrame, samples: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Levels of the surest features of the first resistance contrasts (of any contrast where there is none), about
    their mean."""
    called = table[table["q_value"] < CALLED]
    lines = called[called["kind"] == RESISTANCE]
    if lines.empty:
        lines = called
    if lines.empty:
        return pd.DataFrame()
    dataset = str(lines["dataset"].iloc[0])
    lines = lines[lines["dataset"] == dataset].sort_values(["p_value", "feature"]).drop_duplicates("feature")
    surest = lines["feature"][:ROWS]
    names = dict(zip(lines["feature"], lines["gene"], strict=True))
    data = next(d for d in data_sets(expression, samples) if d.name == dataset)
    at = {f: i for i, f in enumerate(data.features)}
    rows = [at[f] for f in surest if f in at]
    levels = logs(data)[rows]
    centred = levels - np.nanmean(levels, axis=1, keepdims=True)
    by_change = np.argsort(centred @ np.nan_to_num(centred[0]))
    sheet = data.sheet.sort_values(["model", "treatment", "stage", "replicate"], kind="mergesort")
    out = [
        {"sample": str(sheet.loc[j, "sample"]), "feature": names[data.features[rows[i]]], "level": centred[i, j]}
        for i in by_change
        for j in sheet.index
    ]
    return pd.DataFrame(out)


@figure(
    title="Levels of the surest genes",
    caption="Log2 level about the gene's mean for at most forty genes surest to differ in a resistant line (else in "
    "any contrast) of the first data set; samples ordered by model and treatment.",
)
def gene_heat_map(
    expression_table: pd.DataFrame, expression_samples: pd.DataFrame, rna_differential: pd.DataFrame
) -> Any:
    """Heat map of the surest genes over the samples of their data set."""
    from rechallenge.report.theme import SINGLE, matrix, sized

    data = _heat(expression_table, expression_samples, rna_differential)
    if data.empty:
        return None
    return sized(matrix(data, "sample", "feature", "level", title="Log2 level about the mean", mid=0.0, cell=10, row=8),
                 SINGLE)  # fmt: skip


@figure(
    title="Distances between samples",
    caption="Pearson correlation of samples over the thousand most variable features (first data set).",
)
def sample_correlation(expression_table: pd.DataFrame, expression_samples: pd.DataFrame) -> Any:
    """Correlation of every two samples."""
    from rechallenge.report.theme import SINGLE, matrix, sized

    sets = data_sets(expression_table, expression_samples)
    if not sets:
        return None
    data = sets[0]
    chosen = informative(logs(data))
    if len(chosen) < 3 or len(data.sheet) > 60:
        return None
    r = np.atleast_2d(np.corrcoef(chosen, rowvar=False))
    order = data.sheet.sort_values(["model", "treatment", "stage", "replicate"], kind="mergesort").index
    names = data.sheet["sample"].astype(str)
    rows = [{"sample": names[i], "other": names[j], "correlation": r[i, j]} for i in order for j in order]
    return sized(matrix(pd.DataFrame(rows), "sample", "other", "correlation", title="Correlation", cell=10, row=10),
                 SINGLE)  # fmt: skip


@figure(
    title="Overlap of resistant lines",
    caption="Features called in both of two lines (bars) beside the number expected of independent lines (circles) and "
    "of lines that share their parental samples (ticks).",
)
def line_overlap(overlap: pd.DataFrame) -> Any:
    """Observed and expected overlap of every two lines."""
    import altair as alt

    from rechallenge.report.theme import SINGLE, sized

    if overlap.empty:
        return None
    data = overlap.assign(pair=overlap["contrast_a"] + " and " + overlap["contrast_b"] + ", " + overlap["direction"])
    data = data.nlargest(12, "observed")
    y = alt.Y("pair:N", title=None, sort=None, axis=alt.Axis(labelLimit=260))
    base = alt.Chart(data[["pair", "observed", "expected_independent", "expected_shared_control"]]).encode(y)
    bars = base.mark_bar(height=6, color="#56B4E9").encode(alt.X("observed:Q", title="Features called in both (count)"))
    alone = base.mark_point(color="black", size=16).encode(alt.X("expected_independent:Q"))
    shared = base.mark_tick(color="#D55E00", thickness=1.5, height=8).encode(alt.X("expected_shared_control:Q"))
    return sized(alt.layer(bars, alone, shared).properties(width=140, height=alt.Step(12)), SINGLE)
