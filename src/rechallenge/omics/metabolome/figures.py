"""Samples by principal components, QC scatter, volcano and heat map."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge import contrasts as groups
from rechallenge.analysis import figure
from rechallenge.omics.metabolome.contract import QC, sample_type

#: metabolites named in the volcano, rows of the heat map, data sets and contrasts in one figure
NAMED, ROWS, PANELS = 8, 30, 4


def _groups(sheet: pd.DataFrame) -> dict[str, str]:
    out = {}
    table = groups.grouped(sheet)
    kinds = table["sample_type"].map(sample_type) if "sample_type" in table else "sample"
    for s, m, t, g, k in zip(table["sample"], table["model"], table["treatment"], table["stage"],
                             np.broadcast_to(kinds, len(table)), strict=True):  # fmt: skip
        out[str(s)] = "pooled QC" if k == QC else groups.Group(m, t, g).label
    return out


@figure(
    title="Samples of the metabolome",
    caption="Principal components of the normalised log2 values (metabolites found in every sample, each scaled), "
    f"pooled QC samples included: they lie together where the measurement is steady. At most {PANELS} data sets.",
)
def metabolite_samples(metabolite_values: pd.DataFrame, metabolites_samples: pd.DataFrame) -> Any:
    """Every sample in the plane of the first two principal components."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, SINGLE, sized

    charts = []
    for name, part in list(metabolite_values.groupby("dataset", sort=True))[:PANELS]:
        wide = part.set_index(["sample", "feature"])["value"].unstack().dropna(axis=1)  # noqa: PD010
        if wide.shape[0] < 3 or wide.shape[1] < 3:
            continue
        x = wide.to_numpy() - wide.to_numpy().mean(axis=0)
        x = x / np.maximum(x.std(axis=0, ddof=1), 1e-12)
        u, s, _ = np.linalg.svd(x, full_matrices=False)
        scores = u * s
        scores = scores * np.where(np.take_along_axis(u, np.abs(u).argmax(axis=0)[None], 0)[0] < 0, -1.0, 1.0)
        share = 100 * s**2 / (s**2).sum()
        of = _groups(metabolites_samples[metabolites_samples["dataset"] == name])
        data = pd.DataFrame({"sample": wide.index, "group": [of.get(i, "") for i in wide.index],
                             "pc1": scores[:, 0], "pc2": scores[:, 1], "dataset": name})  # fmt: skip
        charts.append(
            alt.Chart(data, title=str(name))
            .mark_point(size=22)
            .encode(
                alt.X("pc1:Q", title=f"PC 1 ({share[0]:.0f} % of the variance)"),
                alt.Y("pc2:Q", title=f"PC 2 ({share[1]:.0f} % of the variance)"),
                alt.Color("group:N", title="Group"),
                tooltip=["dataset:N", "sample:N", "group:N", "pc1:Q", "pc2:Q"],
            )
            .properties(width=130, height=110)
        )
    if not charts:
        return None
    if len(charts) == 1:
        return sized(charts[0], SINGLE)
    return sized(alt.concat(*charts, columns=2).resolve_scale(color="independent"), DOUBLE)


@figure(
    title="Quality of the metabolome",
    caption="Relative standard deviation of every metabolite in the pooled QC samples, sorted, before and after "
    "correction of the drift over the run; the dashed line is the largest one that is kept.",
)
def metabolite_rsd(metabolite_quality: pd.DataFrame, *, rsd: float = 0.3) -> Any:
    """Sorted RSD of all features, one panel per data set."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, MUTED, SINGLE, facets, sized

    table = metabolite_quality[metabolite_quality["rsd"].notna()]
    table = table[table["dataset"].isin(sorted(set(table["dataset"]))[:PANELS])]
    if table.empty:
        return None
    long = table.melt(["dataset", "feature", "kept"], ["rsd_raw", "rsd"], var_name="state", value_name="value")
    long["state"] = long["state"].map({"rsd_raw": "as measured", "rsd": "after correction"})
    if np.allclose(table["rsd"], table["rsd_raw"], equal_nan=True):
        long = long[long["state"] == "as measured"]
    long["percent"] = 100 * long["value"]
    long["rank"] = long.groupby(["dataset", "state"])["value"].rank(method="first", pct=True) * 100
    data = long.sort_values(["dataset", "state", "rank"])[["dataset", "feature", "state", "rank", "percent", "kept"]]
    top = float(min(100, max(40, data["percent"].quantile(0.98))))
    points = (
        alt.Chart(data)
        .mark_point(size=6, clip=True)
        .encode(
            alt.X("rank:Q", title="Metabolites (%)"),
            alt.Y("percent:Q", title="RSD in pooled QC (%)", scale=alt.Scale(domain=[0, top])),
            alt.Color("state:N", title=None),
            tooltip=["feature:N", "state:N", "percent:Q"],
        )
    )
    line = alt.Chart(data).mark_rule(color=MUTED, strokeDash=[2, 2], strokeWidth=0.5).encode(y=alt.datum(100 * rsd))
    count = data["dataset"].nunique()
    chart = facets(alt.layer(line, points).properties(width=140, height=90), data, "dataset", columns=2)
    return sized(chart, DOUBLE if count > 1 else SINGLE)


@figure(
    title="Metabolites between groups",
    caption="Moderated t tests, one panel per contrast: log2 fold change and p. Coloured where q < 0.05; the "
    f"{NAMED} with the smallest p whose names do not cover another are named. At most {PANELS} "
    "contrasts, those of resistance first.",
)
def metabolite_volcano(metabolite_differential: pd.DataFrame) -> Any:
    """Volcano plots."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, MUTED, SINGLE, SMALL, WONG, facets, sized

    table = metabolite_differential[metabolite_differential["p_value"].notna()].copy()
    if table.empty:
        return None
    table["panel"] = table["contrast"]
    if len(set(table["dataset"])) > 1:
        table["panel"] += " (" + table["dataset"] + ")"
    order = table.sort_values(["kind", "dataset", "contrast"], key=lambda c: c.map(
        {"resistance": 0, "declared": 1, "treatment": 2}) if c.name == "kind" else c)["panel"]  # fmt: skip
    kept = list(dict.fromkeys(order))[:PANELS]
    table = table[table["panel"].isin(kept)]
    table["minus_log10_p"] = -np.log10(np.maximum(table["p_value"], 1e-300))
    table["verdict"] = np.select([(table["q_value"] < 0.05) & (table["log2fc"] > 0), table["q_value"] < 0.05],
                                 ["higher", "lower"], "q ≥ 0.05")  # fmt: skip
    table["name"] = ""
    for _, part in table.groupby("panel", sort=True):
        table.loc[_apart(part), "name"] = part["feature"]
    table["_panel"] = table["panel"].map({p: i for i, p in enumerate(kept)})
    columns = ["panel", "feature", "log2fc", "minus_log10_p", "p_value", "q_value", "verdict", "name"]
    data = table.sort_values(["_panel", "feature"])[columns]
    colours = {"higher": WONG["vermillion"], "lower": WONG["blue"], "q ≥ 0.05": MUTED}
    there = [v for v in colours if v in set(data["verdict"])]
    base = alt.Chart(data).encode(
        alt.X("log2fc:Q", title="log2 fold change"), alt.Y("minus_log10_p:Q", title="−log10 p")
    )
    points = base.mark_point(size=12).encode(
        alt.Color("verdict:N", title=None, scale=alt.Scale(domain=there, range=[colours[v] for v in there])),
        tooltip=["panel:N", "feature:N", "log2fc:Q", "p_value:Q", "q_value:Q"],
    )
    named = base.mark_text(fontSize=SMALL, align="left", dx=3, limit=70).encode(text="name:N")
    chart = alt.layer(points, named).properties(width=150, height=120)
    return sized(facets(chart, data, "panel", columns=2, independent_y=True), DOUBLE if len(kept) > 1 else SINGLE)


def _apart(part: pd.DataFrame) -> list[Any]:
    """Rows of one volcano to name: the smallest p first, none where its name would cover another."""
    wide = max(float(part["log2fc"].max() - part["log2fc"].min()), 1e-9)
    high = max(float(part["minus_log10_p"].max()), 1e-9)
    taken: list[tuple[float, float]] = []
    out: list[Any] = []
    strong = part[part["q_value"] < 0.05].sort_values(["p_value", "feature"], kind="mergesort")
    for index, x, y in zip(strong.index, strong["log2fc"] / wide, strong["minus_log10_p"] / high, strict=True):
        if len(out) < NAMED and all(abs(x - a) > 0.35 or abs(y - b) > 0.05 for a, b in taken):
            taken.append((x, y))
            out.append(index)
    return out


@figure(
    title="Metabolites that differ most",
    caption="Normalised log2 values of every biological sample, centred on the mean of each metabolite, for the "
    f"{ROWS} metabolites with the smallest q in any contrast, in the order of their change in the first contrast. One "
    "data set, that with the most samples.",
)
def metabolite_heatmap(
    metabolite_values: pd.DataFrame, metabolite_differential: pd.DataFrame, metabolites_samples: pd.DataFrame
) -> Any:
    """Heat map of samples and metabolites."""
    from rechallenge.report.theme import DOUBLE, matrix, sized

    own = metabolite_values[metabolite_values["sample_type"] == "sample"]
    tested = metabolite_differential[metabolite_differential["q_value"].notna()]
    if own.empty or tested.empty:
        return None
    count = own.groupby("dataset")["sample"].nunique()
    name = str(count[count == count.max()].index[0])
    tested = tested[tested["dataset"] == name]
    if tested.empty:
        return None
    best = tested.groupby("feature")["q_value"].min().sort_values(kind="mergesort").index[:ROWS]
    first = tested[tested["contrast"] == tested["contrast"].iloc[0]].set_index("feature")["log2fc"]
    rows = sorted(best, key=lambda f: (-float(first.get(f, 0.0)), f))
    of = _groups(metabolites_samples[metabolites_samples["dataset"] == name])
    wide = own[own["dataset"] == name].set_index(["feature", "sample"])["value"].unstack().loc[rows]  # noqa: PD010
    wide = wide.sub(wide.mean(axis=1), axis=0)
    samples = sorted(wide.columns, key=lambda s: (of.get(s, ""), s))
    long = wide[samples].reset_index().melt("feature", var_name="sample", value_name="value")
    long["feature"] = pd.Categorical(long["feature"], rows)
    long["sample"] = pd.Categorical(long["sample"], samples)
    long = long.sort_values(["feature", "sample"])
    long["feature"], long["sample"] = long["feature"].astype(str), long["sample"].astype(str)
    long["group"] = long["sample"].map(of)
    long["column"] = long["group"] + ", " + long["sample"]
    reach = float(np.nanquantile(np.abs(long["value"]), 0.98))
    chart = matrix(
        long,
        "column",
        "feature",
        "value",
        title="log2, centred",
        mid=0.0,
        limits=(-reach, reach),
        cell=12,
        row=9,
        tooltip=["feature", "sample", "group", "value"],
    )
    return sized(chart, DOUBLE)
