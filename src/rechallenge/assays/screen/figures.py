"""Figures of a screen: windows and pictures of plates, interactions, compounds alone and with the anchor, classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import figure
from rechallenge.assays.screen.classes import KINDS, NOTHING
from rechallenge.assays.screen.contract import each
from rechallenge.assays.screen.hits import ANTAGONISES, KILLS, LEFT_OUT, SENSITISES, TOXIC_TOO, UNTESTED
from rechallenge.assays.screen.hits import NOTHING as NO_INTERACTION

#: plates pictured, screens (model and anchor dose) drawn, names in a plot, classes in a plot
PLATES, SCREENS, NAMED, CLASSES = 4, 4, 10, 15
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def arm_of(anchor: Any, um: Any) -> str:
    """`without anchor`, or `with sorafenib 5 µM`."""
    return f"with {anchor} {um:g} µM" if anchor else "without anchor"


@figure(
    title="Assay window of the screening plates",
    caption="Z' of every plate (vehicle against positive control, else blank wells), as a point; 0.5 or more is a good "
    "window, below 0 the controls overlap. Open points: robust Z' (medians).",
)
def screen_window(screen_plates: pd.DataFrame) -> Any:
    """Z' and robust Z' of every plate, by arm and replicate."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, MUTED, SINGLE, facets, sized

    table = screen_plates[screen_plates["z_prime"].notna()].copy()
    if table.empty:
        return None
    table["arm"] = [arm_of(a, u) for a, u in zip(table["anchor"], table["anchor_um"], strict=True)]
    table["place"] = table["arm"] + ", " + table["replicate"]
    long = table.melt(
        ["model", "plate", "arm", "replicate", "place"], ["z_prime", "robust_z_prime"], "measure", "window"
    )
    long["measure"] = long["measure"].map({"z_prime": "Z'", "robust_z_prime": "robust Z'"})
    long = long[np.isfinite(long["window"])]
    low = float(max(long["window"].min(), -1.5))
    of = alt.Chart(long).encode(
        alt.X("replicate:N", title="Replicate", axis=alt.Axis(labelAngle=0)),
        alt.Y(
            "window:Q",
            title="Z' (1 = perfect window)",
            scale=alt.Scale(domain=[min(0.0, low) - 0.05, 1.0], nice=False, clamp=True),
        ),
        alt.XOffset("arm:N"),
        alt.Color("arm:N", title="Arm"),
        tooltip=["model:N", "plate:N", "arm:N", "replicate:N", "measure:N", "window:Q"],
    )
    lines = alt.Chart(pd.DataFrame({"_draw_limit": [0.0, 0.5]})).mark_rule(color=MUTED, strokeDash=[2, 2])
    chart = alt.layer(
        lines.encode(alt.Y("_draw_limit:Q")),
        of.transform_filter("datum.measure === 'Z\\''").mark_point(size=14),
        of.transform_filter("datum.measure !== 'Z\\''").mark_point(size=14, filled=False),
    ).properties(width=110, height=90)
    count = long["model"].nunique()
    return sized(facets(chart, long, "model", columns=min(3, count)), DOUBLE if count > 1 else SINGLE)


@figure(
    title="Plates of the screen",
    caption="Log2 signal of compound wells over the median compound of their plate and arm, before (left) and after "
    "(right) what position does was taken off. Shown are the four plates with the largest position effects; "
    "all plates are in the table of plate quality. Colours end at half and twice the median.",
)
def screen_plate_maps(screen_wells: pd.DataFrame, screen_plates: pd.DataFrame) -> Any:
    """Heat maps of the plates on which position does most, before and after correction."""
    import altair as alt

    from rechallenge.report.theme import DIVERGING, DOUBLE, sized

    keys = ["model", "plate", "replicate", "anchor", "anchor_um"]
    worst = screen_plates[["edge_effect", "row_effect", "column_effect"]].abs().max(axis=1)
    order = screen_plates.assign(_worst=worst.fillna(-1.0)).sort_values(
        ["_worst", *keys], ascending=[False] + [True] * 5
    )
    chosen = order.head(PLATES)[keys]
    here = chosen.merge(screen_wells, on=keys, how="left")
    here = here[(here["well_type"] == "sample") & here["row"].notna() & here["score"].notna()].copy()
    if here.empty:
        return None
    here["before"] = here["score"] + here["position_effect"]
    here["after"] = here["score"]
    several = len(set(here["model"])) > 1
    arms = [arm_of(a, u) for a, u in zip(here["anchor"], here["anchor_um"], strict=True)]
    known = [m in p for m, p in zip(here["model"], here["plate"], strict=True)]
    here["panel"] = here["plate"].where(np.array(known) | (not several), here["model"] + ", " + here["plate"])
    doubled = here.groupby("panel")["anchor"].transform("nunique") > 1
    here["panel"] = here["panel"].where(~doubled, here["panel"] + ", " + pd.Series(arms, index=here.index))
    here["row_name"] = [_letter(int(r)) for r in here["row"]]
    here["column"] = here["column"].astype(int)
    columns = ["panel", "well", "row_name", "column", "compound", "dose_um"]
    long = here[[*columns, "before", "after"]].melt(columns, ["before", "after"], "state", "log2_signal")
    wide, high = int(here["column"].max()), int(here["row"].max())
    step = max(3.0, min(9.0, 190 / wide))
    rows = [_letter(i) for i in range(1, high + 1)]
    chart = (
        alt.Chart(long)
        .mark_rect()
        .encode(
            alt.X("column:O", title="Column", axis=alt.Axis(labelAngle=0, labelOverlap=True)),
            alt.Y("row_name:O", title="Row", scale=alt.Scale(domain=rows), axis=alt.Axis(labelOverlap=True)),
            alt.Color(
                "log2_signal:Q",
                title="log2 signal / median",
                scale=alt.Scale(scheme=DIVERGING, domain=[-1, 1], domainMid=0, clamp=True),
            ),
            tooltip=["panel:N", "well:N", "compound:N", "dose_um:Q", "log2_signal:Q"],
        )
        .properties(width=step * wide, height=step * high * 0.9)
        .facet(
            column=alt.Column("state:N", title=None, sort=["before", "after"]),
            row=alt.Row("panel:N", title=None, sort=list(dict.fromkeys(here["panel"])),
                        header=alt.Header(labelAngle=0, labelAnchor="start", labelOrient="top")),
        )
    )  # fmt: skip
    return sized(chart, DOUBLE)


def _letter(number: int) -> str:
    return LETTERS[number - 1] if number <= 26 else "A" + LETTERS[number - 27]


def _screens(table: pd.DataFrame) -> pd.DataFrame:
    """The first screens (model and anchor dose) with a panel label each."""
    panels = table["model"] + ", " + table["anchor"] + table["anchor_um"].map(lambda v: f" {v:g} µM")
    keep = list(dict.fromkeys(panels))[:SCREENS]
    return table.assign(panel=panels)[panels.isin(keep)]


def _paint() -> dict[str, str]:
    from rechallenge.report.theme import MUTED, WONG

    return {
        SENSITISES: WONG["blue"],
        TOXIC_TOO: WONG["reddish purple"],
        ANTAGONISES: WONG["vermillion"],
        KILLS: WONG["orange"],
        NO_INTERACTION: "#b0b0b0",
        UNTESTED: "#d8d8d8",
        LEFT_OUT: MUTED,
    }


def _colour(verdicts: pd.Series) -> Any:
    import altair as alt

    paint = _paint()
    there = [v for v in paint if v in set(verdicts)]
    return alt.Color(
        "verdict:N",
        title="Verdict",
        scale=alt.Scale(domain=there, range=[paint[v] for v in there]),
        legend=alt.Legend(labelLimit=170),
    )


def _named(table: pd.DataFrame, by: str = "panel") -> pd.Series:
    """The names written into a plot: the surest hits of each panel, one dose of each compound."""
    hits = table[table["direction"] != 0].assign(_s=lambda t: -t["statistic"].abs())
    hits = hits.sort_values([by, "_s", "compound"], kind="mergesort").drop_duplicates([by, "compound"])
    top = hits.groupby(by).head(NAMED).index
    return table["compound"].where(table.index.isin(top), "")


def _spread(values: pd.Series, named: pd.Series, group: pd.Series, gap: float) -> pd.Series:
    """Where to write names beside points so that those of one group lie at least `gap` apart."""
    out = values.copy()
    for _, at in values[named].groupby(group[named]):
        order = at.sort_values(kind="mergesort")
        place = order.to_numpy().copy()
        for _ in range(60):
            short = gap - np.diff(place)
            if not (short > 1e-9).any():
                break
            push = np.maximum(short, 0) / 2
            place[:-1] -= push
            place[1:] += push
        out[order.index] = place
    return out


@figure(
    title="Interaction of every compound with the anchor drug",
    caption="Interaction (log2 of viability with both over that expected of both alone) against its p-value, one point "
    "per compound and dose. Left: the compound sensitises. Named are at most ten of the surest hits of a screen; at "
    "most four screens are drawn. A p-value below 10⁻¹⁵ is drawn there. With one replicate p is against the scatter of "
    "the library.",
)
def screen_volcano(screen_hits: pd.DataFrame) -> Any:
    """Interaction against -log10 p with the names of hits."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, MUTED, SINGLE, SMALL, facets, sized

    table = _screens(screen_hits)
    table = table.assign(shown=table["interaction"].fillna(table["ci_high"].where(table["status"] == "censored")))
    table = table[table["shown"].notna() & table["p_value"].notna() & np.isfinite(table["shown"])].copy()
    if table.empty:
        return None
    table["log10_p"] = -np.log10(table["p_value"].clip(lower=1e-15))
    table["name"] = _named(table)
    columns = ["panel", "compound", "dose_um", "shown", "log10_p", "p_value", "q_value", "verdict", "status", "name"]
    data = table[columns].rename(columns={"shown": "interaction"}).reset_index(drop=True)
    side = data["panel"] + (data["interaction"] < 0).map({True: " left", False: " right"})
    data["_draw_label"] = _spread(data["log10_p"], data["name"] != "", side, 0.042 * float(data["log10_p"].max()))
    reach = 1.12 * float(data["interaction"].abs().max())
    base = alt.Chart(data).encode(
        alt.X("interaction:Q", title="Interaction (log2)", scale=alt.Scale(domain=[-reach, reach], nice=False)),
        alt.Y("log10_p:Q", title="−log10 p"),
    )
    tips = ["panel:N", "compound:N", "dose_um:Q", "interaction:Q", "p_value:Q", "q_value:Q", "verdict:N", "status:N"]
    zero = alt.Chart(pd.DataFrame({"_draw_zero": [0.0]})).mark_rule(color=MUTED, strokeDash=[2, 2], strokeWidth=0.5)
    text = base.transform_filter("datum.name !== ''")
    chart = alt.layer(
        zero.encode(alt.X("_draw_zero:Q")),
        base.mark_point(size=9).encode(_colour(data["verdict"]), tooltip=tips),
        text.transform_filter("datum.interaction < 0")
        .mark_text(align="left", dx=4, fontSize=SMALL)
        .encode(alt.Y("_draw_label:Q"), text="name:N"),
        text.transform_filter("datum.interaction >= 0")
        .mark_text(align="right", dx=-4, fontSize=SMALL)
        .encode(alt.Y("_draw_label:Q"), text="name:N"),
    ).properties(width=190, height=140)
    count = data["panel"].nunique()
    return sized(facets(chart, data, "panel", columns=2), DOUBLE if count > 1 else SINGLE)


@figure(
    title="Compounds alone and with the anchor drug",
    caption="Viability with the compound and the anchor over that with the anchor alone, against viability with the "
    "compound alone, both on logarithmic axes; one point per compound and dose. On the line the compound does the same "
    "with and without the anchor; below it, it sensitises. At most four screens are drawn and ten hits of each named.",
)
def screen_alone_both(screen_hits: pd.DataFrame) -> Any:
    """Scatter of viability alone against viability beside the anchor."""
    import altair as alt

    from rechallenge.report.layers import log_ticks
    from rechallenge.report.theme import DOUBLE, MUTED, SINGLE, SMALL, facets, sized

    table = _screens(screen_hits)
    table = table.assign(beside=table["both"] / table["anchor_alone"].where(table["anchor_alone"] > 0))
    table = table[(table["alone"] > 0) & (table["beside"] > 0)].copy()
    if table.empty:
        return None
    table["name"] = _named(table)
    columns = ["panel", "compound", "dose_um", "alone", "beside", "interaction", "q_value", "verdict", "name"]
    data = table[columns].reset_index(drop=True)
    both = pd.concat([data["alone"], data["beside"]])
    ends = [float(both.min()) / 1.15, float(both.max()) * 1.15]
    scale = alt.Scale(type="log", domain=ends, nice=False)
    # room for names right of the points
    wide = alt.Scale(type="log", domain=[ends[0], ends[1] * (ends[1] / ends[0]) ** 0.3], nice=False)
    axis = alt.Axis(values=log_ticks(*ends), format="~g")
    gap = 0.042 * float(np.log(ends[1] / ends[0]))
    data["_draw_label"] = np.exp(_spread(np.log(data["beside"]), data["name"] != "", data["panel"], gap))
    base = alt.Chart(data).encode(
        alt.X("alone:Q", title="Compound alone (fraction of vehicle)", scale=wide, axis=axis),
        alt.Y("beside:Q", title="With the anchor (fraction of anchor alone)", scale=scale, axis=axis),
    )
    line = alt.Chart(pd.DataFrame({"_draw_x": ends, "_draw_y": ends})).mark_line(
        color=MUTED, strokeDash=[2, 2], strokeWidth=0.5
    )
    tips = ["panel:N", "compound:N", "dose_um:Q", "alone:Q", "beside:Q", "interaction:Q", "q_value:Q", "verdict:N"]
    chart = alt.layer(
        line.encode(alt.X("_draw_x:Q", scale=wide), alt.Y("_draw_y:Q", scale=scale)),
        base.mark_point(size=9).encode(_colour(data["verdict"]), tooltip=tips),
        base.transform_filter("datum.name !== ''")
        .mark_text(align="left", dx=4, fontSize=SMALL)
        .encode(alt.Y("_draw_label:Q", scale=scale), text="name:N"),
    ).properties(width=195, height=150)
    count = data["panel"].nunique()
    return sized(facets(chart, data, "panel", columns=2), DOUBLE if count > 1 else SINGLE)


@figure(
    title="Classes of compounds",
    caption="Interaction with the anchor drug (log2) of every member of the fifteen surest classes of each screen, in "
    "order of their p-value; circles are compounds, bars the mean of the class. Left of 0: the class sensitises. Dark: "
    "shifted against the library (q below the level called). At most four screens are drawn.",
)
def screen_class_members(screen_classes: pd.DataFrame, screen_hits: pd.DataFrame) -> Any:
    """Members of the surest classes as points, one row per class."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, MUTED, WONG, sized

    table = _screens(screen_classes)
    table = table[table["rank"] <= CLASSES]
    charts = {}
    for number, (panel, part) in enumerate(table.groupby("panel", sort=False), start=1):
        first = part.iloc[0]
        mine = screen_hits[
            (screen_hits["model"] == first["model"])
            & (screen_hits["anchor"] == first["anchor"])
            & (screen_hits["anchor_um"] == first["anchor_um"])
        ]
        mean = mine.groupby("compound")["interaction"].mean()
        rows: list[dict[str, Any]] = []
        for row in each(part):
            kind = "" if row.kind == "class" else f" ({KINDS[row.kind]})"
            label = f"{row.name}{kind}, n = {row.size}"
            label = label if label not in {r["label"] for r in rows} else f"{label} [{row.rank}]"
            shared = {"label": label, "called": "no shift shown" if row.verdict == NOTHING else row.verdict,
                      "p_value": row.p_value, "q_value": row.q_value}  # fmt: skip
            for member in row.members.split("; "):
                compound = member.rsplit(" (", 1)[0]
                rows.append({**shared, "compound": compound, "interaction": mean.get(compound), "part": "compound"})
            rows.append({**shared, "compound": "", "interaction": row.effect, "part": "mean"})
        data = pd.DataFrame(rows)
        order = list(dict.fromkeys(data["label"]))
        there = list(dict.fromkeys(data["called"]))
        paint = {"no shift shown": "#b0b0b0", "sensitises as a class": WONG["blue"]}
        base = alt.Chart(data).encode(
            alt.Y("label:N", sort=order, title=None, axis=alt.Axis(domain=False, ticks=False, labelLimit=230)),
            alt.X("interaction:Q", title="Interaction (log2)"),
            alt.Color(
                "called:N",
                title=str(panel),
                scale=alt.Scale(domain=there, range=[paint.get(c, WONG["vermillion"]) for c in there]),
            ),
            tooltip=["label:N", "compound:N", "interaction:Q", "p_value:Q", "q_value:Q"],
        )
        zero = alt.Chart(pd.DataFrame({"_draw_zero": [0.0]})).mark_rule(color=MUTED, strokeDash=[2, 2], strokeWidth=0.5)
        chart = alt.layer(
            zero.encode(alt.X("_draw_zero:Q")),
            base.transform_filter("datum.part === 'mean'").mark_tick(orient="vertical", thickness=1.4, size=9),
            base.transform_filter("datum.part === 'compound'").mark_point(size=14, filled=False),
        ).properties(width=170, height=alt.Step(11))
        charts["screen_classes" if len(set(table["panel"])) == 1 else f"screen_classes_{number}"] = sized(chart, DOUBLE)
    return charts or None
