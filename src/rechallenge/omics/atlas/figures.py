"""Figures of the atlas: the map, the ranked enzymes with their layers, and RNA against metabolites."""

from __future__ import annotations

from typing import Any

import pandas as pd

from rechallenge.analysis import figure
from rechallenge.omics.atlas import drawing, footprints
from rechallenge.omics.atlas.concordance import (
    AGREES,
    ALONE,
    BOTH,
    CONCORDANT,
    METABOLITES,
    NOTHING,
    OPPOSED,
    SUGGESTIVE,
)

#: contrasts drawn, and enzymes in a ranked figure
MOST_CONTRASTS, MOST_ENZYMES = 2, 20
_LAYER_NAMES = {"rna": "RNA", "protein": "protein", "metabolite": "metabolites", "tracer": "tracer", "stage": "stages"}


def shown_contrasts(enzymes: pd.DataFrame) -> list[tuple[str, str]]:
    """(data set, contrast) of the contrasts that are drawn: resistant models first, then those with most tests."""
    count = (
        enzymes.assign(tested=enzymes["status"] == "estimated", first=-enzymes["resistance"])
        .groupby(["first", "dataset", "contrast"])["tested"]
        .sum()
        .reset_index()
        .sort_values(["first", "tested", "dataset", "contrast"], ascending=[True, False, True, True], kind="mergesort")
    )
    return list(count[["dataset", "contrast"]].head(MOST_CONTRASTS).itertuples(index=False, name=None))


def _of(table: pd.DataFrame, dataset: str, contrast: str) -> pd.DataFrame:
    return table[(table["dataset"] == dataset) & (table["contrast"] == contrast)]


@figure(
    title="Metabolic reprogramming map",
    caption="Circles are metabolites, coloured by their own signed z (from moderated t); squares beside an arrow are "
    "its enzymes, coloured by the signed z of their RNA contrast, each by its own statistic. A dark outline: q ≤ 0.1 "
    "(Benjamini-Hochberg over what is measured). Dashed and empty: not measured. Bold enzyme: concordant with its "
    "metabolites at the called rate; italic: discordant. *: the free acid stands in for an acyl-CoA that was not "
    "measured. Arrows run in the physiological direction and show no flux; the way back from the pentose phosphates "
    "to glycolysis is not drawn. At most two contrasts are drawn, those of resistant models first.",
)
def atlas_map(enzymes: pd.DataFrame, enzyme_metabolites: pd.DataFrame) -> Any:
    """One map per contrast: name -> chart."""
    proxies = {k: v for e in footprints.enzymes() for k, v in e.proxy.items()}
    found = {}
    for dataset, contrast in shown_contrasts(enzymes):
        circles = drawing.metabolite_marks(_of(enzyme_metabolites, dataset, contrast), proxies)
        squares = drawing.enzyme_marks(_of(enzymes, dataset, contrast))
        if (circles["state"] == "not measured").all() and (squares["state"] == "not measured").all():
            continue
        found[f"atlas_map {contrast}"] = _map(circles, squares, contrast)
    return found or None


def _map(circles: pd.DataFrame, squares: pd.DataFrame, contrast: str) -> Any:
    import altair as alt

    from rechallenge.report.theme import DIVERGING, DOUBLE, LABEL, MUTED, SMALL, sized

    wide = alt.Scale(domain=[-2 * drawing.X_SCALE, drawing.WIDTH * drawing.X_SCALE], nice=False)
    high = alt.Scale(domain=[drawing.HEIGHT * drawing.Y_SCALE, -3 * drawing.Y_SCALE], nice=False)
    x, y = alt.X("_draw_x:Q", axis=None, scale=wide), alt.Y("_draw_y:Q", axis=None, scale=high)
    arrows = drawing.arrows().rename(columns={"x": "_draw_x", "y": "_draw_y", "x2": "_draw_x2", "y2": "_draw_y2"})
    arrows["_draw_angle"] = arrows["angle"]
    base = alt.Chart(arrows[["from", "to", "_draw_x", "_draw_y", "_draw_x2", "_draw_y2", "_draw_angle"]])
    tail = base.mark_rule(color=_LINE, strokeWidth=0.7).encode(x, y, alt.X2("_draw_x2"), alt.Y2("_draw_y2"))
    head = base.mark_point(shape="triangle", color=_LINE, size=9, filled=True).encode(
        alt.X("_draw_x2:Q", axis=None, scale=wide),
        alt.Y("_draw_y2:Q", axis=None, scale=high),
        angle=alt.Angle("_draw_angle:Q", scale=None),
    )
    legend = drawing.legend()
    marks = pd.concat([circles, squares, legend[legend["kind"] != ""]], ignore_index=True)
    missing, called = alt.datum["state"] == drawing.MISSING, alt.datum["state"] == drawing.CALLED
    fill = alt.Color(
        "z:Q",
        title="Signed z",
        scale=alt.Scale(scheme=DIVERGING, domain=[-drawing.LIMIT, drawing.LIMIT], domainMid=0, clamp=True),
        legend=alt.Legend(orient="bottom", direction="horizontal", gradientLength=90, titleOrient="left"),
    )
    points = (
        alt.Chart(marks)
        .mark_point(filled=True, invalid=None)
        .encode(
            x,
            y,
            shape=alt.Shape("kind:N", legend=None, scale=alt.Scale(domain=["metabolite", "enzyme"], range=_SHAPES)),
            size=alt.when(alt.datum["kind"] == "enzyme").then(alt.value(24)).otherwise(alt.value(42)),
            fill=alt.when(missing).then(alt.value("white")).otherwise(fill),
            stroke=alt.when(called).then(alt.value("black")).otherwise(alt.value(_LINE)),
            strokeWidth=alt.when(called).then(alt.value(1)).otherwise(alt.value(0.5)),
            strokeDash=alt.when(missing).then(alt.value([1.5, 1.5])).otherwise(alt.value([1, 0])),
            tooltip=["name:N", "kind:N", "measured_as:N", "log2fc:Q", "z:Q", "q_value:Q", "state:N", "verdict:N"],
        )
    )
    titles = drawing.layout()[2]
    titles = titles.assign(_draw_x=titles["x"] * drawing.X_SCALE, _draw_y=titles["y"] * drawing.Y_SCALE)
    headings = alt.Chart(titles[["pathway", "_draw_x", "_draw_y"]]).mark_text(
        fontSize=LABEL, fontWeight="bold", color=MUTED
    )
    layers = [tail, head, headings.encode(x, y, text="pathway:N"), points]
    words = drawing.words(pd.concat([circles, squares, legend], ignore_index=True))
    grey = alt.when(missing).then(alt.value(MUTED)).otherwise(alt.value("black"))
    for (align, style), part in words.groupby(["_draw_align", "_draw_style"], sort=True):
        text = alt.Chart(part.drop(columns=["_draw_align", "_draw_style"]))
        look = {"align": align, "baseline": "middle", **_STYLES[str(style)]}
        layers.append(text.mark_text(fontSize=SMALL, limit=120, **look).encode(x, y, text="_draw_word:N", color=grey))
    width = (drawing.WIDTH + 2) * drawing.X_SCALE
    chart = alt.layer(*layers).properties(width=width, height=(drawing.HEIGHT + 3) * drawing.Y_SCALE, title=contrast)
    return sized(chart, DOUBLE)


_LINE = "#9a9a9a"
_SHAPES = ["circle", "square"]
#: how a name is set
_STYLES: dict[str, dict[str, Any]] = {"plain": {}, "bold": {"fontWeight": "bold"}, "italic": {"fontStyle": "italic"}}


@figure(
    title="Enzymes by concordance",
    caption="The twenty enzymes with the smallest p-values of concordance in a contrast (at most two contrasts). Each "
    "point is one layer's signed z: RNA, protein, metabolites (rotation test of the footprint), tracer, stages. An "
    "enzyme is concordant where layers of the enzyme and of its metabolites lie on the same side of 0; q is that of "
    "the concordance.",
)
def enzyme_ranks(enzymes: pd.DataFrame) -> Any:
    """One panel per contrast, one row per enzyme, one point per layer."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, MUTED, SMALL, WONG, sized

    paint = {
        "RNA": "blue",
        "protein": "sky blue",
        "metabolites": "vermillion",
        "tracer": "bluish green",
        "stages": "reddish purple",
    }
    charts = {}
    for dataset, contrast in shown_contrasts(enzymes):
        part = _of(enzymes, dataset, contrast)
        part = part[(part["kind"] == CONCORDANT) & (part["status"] == "estimated")]
        part = part.assign(_size=-part["metabolite_score"].abs())
        part = part.sort_values(["p_value", "_size", "gene"], kind="mergesort").head(MOST_ENZYMES)
        if part.empty:
            continue
        order = list(part["gene"])
        long = pd.concat(
            [
                pd.DataFrame(
                    {"gene": part["gene"], "layer": name, "z": part[f"{k}_z"].clip(-10, 10), "p": part[f"{k}_p"]}
                )
                for k, name in _LAYER_NAMES.items()
            ]
        ).dropna()
        there = [n for n in paint if n in set(long["layer"])]
        words = part[["gene", "q_value", "footprint"]].assign(_draw_q=[f"q = {q:.2g}" for q in part["q_value"]])
        axis_y = alt.Y(
            "gene:N", sort=order, title=None, axis=alt.Axis(grid=True, gridColor="#eeeeee", domain=False, ticks=False)
        )
        reach = float(max(5.0, long["z"].abs().max()) + 0.5)
        scale = alt.Scale(domain=[-reach, reach], nice=False)
        points = (
            alt.Chart(long)
            .mark_point(size=22)
            .encode(
                alt.X("z:Q", title="Signed z (beyond ±10 drawn at 10)", scale=scale),
                axis_y,
                alt.Color(
                    "layer:N",
                    title="Layer",
                    legend=alt.Legend(orient="bottom", direction="horizontal"),
                    scale=alt.Scale(domain=there, range=[WONG[paint[n]] for n in there]),
                ),
                tooltip=["gene:N", "layer:N", "z:Q", "p:Q"],
            )
        )
        zero = alt.Chart(pd.DataFrame({"_draw_zero": [0.0]})).mark_rule(color=MUTED, strokeDash=[2, 2], strokeWidth=0.5)
        zero = zero.encode(alt.X("_draw_zero:Q", scale=scale, title="Signed z (beyond ±10 drawn at 10)"))
        left = alt.layer(zero, points).properties(width=170, height=alt.Step(10), title=contrast)
        side = alt.Chart(words).encode(alt.Y("gene:N", sort=order, axis=None))
        q = side.mark_text(align="left", fontSize=SMALL).encode(alt.X(value=0), text="_draw_q:N")
        seen = side.mark_text(align="left", fontSize=SMALL, color=MUTED, limit=230).encode(
            alt.X(value=34), text="footprint:N"
        )
        right = alt.layer(q, seen).properties(
            width=265, height=alt.Step(10), title="Metabolites of the footprint (log2 change)"
        )
        charts[f"enzyme_ranks {contrast}"] = sized(alt.hconcat(left, right, spacing=4), DOUBLE)
    return charts or None


@figure(
    title="RNA against metabolites",
    caption="Every enzyme with an RNA contrast and a measured footprint: signed z of its RNA against the score of its "
    "metabolites (weighted sum of moderated t over the length of the weights). Upper right and lower left: both "
    "change the same way; upper left and lower right: discordant. Called enzymes are named as far as names do not "
    "overlap; RNA z beyond ±10 is drawn at 10. At most two contrasts are drawn.",
)
def enzyme_discordance(enzymes: pd.DataFrame) -> Any:
    """One scatter per contrast."""
    import altair as alt

    from rechallenge.report.theme import MUTED, SINGLE, SMALL, WONG, sized

    paint = {
        AGREES: WONG["blue"], OPPOSED: WONG["vermillion"], BOTH: WONG["reddish purple"], SUGGESTIVE: WONG["sky blue"],
        ALONE: "#9a9a9a",
        METABOLITES: "#bdbdbd", NOTHING: "#d9d9d9",
    }  # fmt: skip
    charts = {}
    for dataset, contrast in shown_contrasts(enzymes):
        part = _of(enzymes, dataset, contrast)
        part = part[(part["kind"] == CONCORDANT) & part["rna_z"].notna() & part["metabolite_z"].notna()]
        part = part[part["status"] == "estimated"]
        if part.empty:
            continue
        data = pd.DataFrame(
            {
                "gene": part["gene"], "rna_z": part["rna_z"].clip(-10, 10), "footprint_score": part["metabolite_score"],
                "verdict": part["verdict"], "p_value": part["p_value"],
            }
        )  # fmt: skip
        reach = float(max(3.0, data["footprint_score"].abs().max()) * 1.08)
        data["_draw_name"] = _names(data, reach)
        there = [v for v in paint if v in set(data["verdict"])]
        x = alt.X("rna_z:Q", title="RNA of the enzyme (signed z)", scale=alt.Scale(domain=[-13, 13], nice=False))
        y = alt.Y(
            "footprint_score:Q", title="Score of its metabolites", scale=alt.Scale(domain=[-reach, reach], nice=False)
        )
        of = alt.Chart(data).encode(x, y)
        points = of.mark_point(size=16).encode(
            alt.Color(
                "verdict:N",
                title=None,
                legend=alt.Legend(orient="bottom", columns=3),
                scale=alt.Scale(domain=there, range=[paint[v] for v in there]),
            ),
            tooltip=["gene:N", "rna_z:Q", "footprint_score:Q", "verdict:N"],
        )
        named = of.transform_filter("datum._draw_name !== ''")
        names = [
            named.transform_filter("datum.rna_z >= 0").mark_text(fontSize=SMALL, align="left", dx=4),
            named.transform_filter("datum.rna_z < 0").mark_text(fontSize=SMALL, align="right", dx=-4),
        ]
        names = [n.encode(text="_draw_name:N") for n in names]
        rules = [
            alt.Chart(pd.DataFrame({"_draw_zero": [0.0]}))
            .mark_rule(color=MUTED, strokeDash=[2, 2], strokeWidth=0.5)
            .encode(**{axis: alt.datum(0)})
            for axis in ("x", "y")
        ]
        chart = alt.layer(*rules, points, *names).properties(width=190, height=170, title=contrast)
        charts[f"enzyme_discordance {contrast}"] = sized(chart, SINGLE)
    return charts or None


def _names(data: pd.DataFrame, reach: float) -> list[str]:
    """Names of called enzymes, the most extreme first, as long as their boxes (points) stay clear of each other."""
    called = data[data["verdict"].isin([AGREES, OPPOSED, BOTH])]
    order = (called["rna_z"].abs() / 10 + called["footprint_score"].abs() / reach).sort_values(
        ascending=False, kind="mergesort"
    )
    boxes: list[tuple[float, float, float, float]] = []
    kept = set()
    for index in order.index:
        row = data.loc[index]
        x, y = (row["rna_z"] + 13) / 26 * 190, (row["footprint_score"] + reach) / (2 * reach) * 170
        wide = 3.1 * len(row["gene"]) + 5
        left = x if row["rna_z"] >= 0 else x - wide
        box = (left, left + wide, y - 3, y + 3)
        if all(box[1] < b[0] or box[0] > b[1] or box[3] < b[2] or box[2] > b[3] for b in boxes):
            boxes.append(box)
            kept.add(index)
    return [g if i in kept else "" for i, g in data["gene"].items()]
