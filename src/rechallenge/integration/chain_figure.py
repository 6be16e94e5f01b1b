"""The chains drawn: drug, genes from the most upstream one, resistance and patients in a row, arrows by their state."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from rechallenge.analysis import figure
from rechallenge.integration import chains as chain
from rechallenge.integration import links

#: chains drawn in one figure
DRAWN = 3
#: points on paper of one step between columns and between rows; half the size of a box in steps
STEP_X, STEP_Y, HALF_X, HALF_Y = 86.0, 36.0, 0.34, 0.28
ROWS = 4.4
#: heights in steps: of what stands below the row, of the arrow below all, of the arrows above
BELOW, LOW, ABOVE = -1.15, -1.75, (0.56, 0.82, 1.08, 1.34)
#: state -> colour (doi:10.1038/nmeth.1618) and dashes
COLOURS: Mapping[str, str] = {
    links.HERE: "#0072B2", links.PUBLIC: "#009E73", links.CURATED: "#000000", links.INFERRED: "#E69F00",
    links.NOT_SHOWN: "#CC79A7", links.CONTRADICTED: "#D55E00", links.UNTESTED: "#767676",
}  # fmt: skip
DASHED = (links.CURATED, links.INFERRED, links.NOT_SHOWN, links.UNTESTED)
#: words beside an arrow of which no z is known; the legend says the others by colour
WORDS = {links.HERE: "seen", links.PUBLIC: "seen", links.NOT_SHOWN: "not shown"}


@figure(
    title="From drug to patient",
    caption="One chain for each of the first candidates (of the surest tier, where any is called), and drugs without a "
    "known target where there is room. Read a row from left to right: what controls the candidate, the candidate, what "
    "it controls, resistance, patients; below it where it differs and what else it moves. The colour of an arrow says "
    "who knows the link, dashed ones were not measured or not shown; a bar instead of an arrow head means that it "
    "lowers. z is that of the surest claim behind the link (in patients of all cohorts together), a star marks the "
    "weakest measured link.",
)
def chain_figure(chains: pd.DataFrame) -> Any:
    """Up to `DRAWN` chains below each other, those of called candidates where there are any; None without a chain."""
    import altair as alt

    if chains.empty:
        return None
    called = chains[chains["tier"] == chains["tier"].min()] if chains["tier"].min() <= 2 else chains
    shown = called.groupby("chain", sort=True)
    parts = [_placed(part, k) for k, (_, part) in enumerate(shown) if k < DRAWN]
    boxes, lines, heads, notes = (pd.DataFrame([row for p in parts for row in p[i]]) for i in range(4))
    n, columns = len(parts), int(boxes["_draw_mid"].max()) + 1
    bottom = -ROWS * n + 2.0

    def across(field: str) -> Any:
        return alt.X(f"{field}:Q", axis=None, scale=alt.Scale(domain=[-0.5, columns - 0.5], nice=False))

    def upwards(field: str) -> Any:
        return alt.Y(f"{field}:Q", axis=None, scale=alt.Scale(domain=[bottom, 2.0], nice=False))

    x, y = across("_draw_x"), upwards("_draw_y")
    here = [s for s in links.STATES if s in set(lines["state"])]
    colour = alt.Color("state:N", title=None, sort=here,
                       legend=alt.Legend(orient="top", symbolType="stroke", columns=7),
                       scale=alt.Scale(domain=here, range=[COLOURS[s] for s in here]))  # fmt: skip
    told = ["source", "target", "kind", "state", "z", "claims", "said"]
    base = alt.Chart(lines).encode(x, y, alt.X2("_draw_x2"), alt.Y2("_draw_y2"), colour)
    layers = [
        base.transform_filter(alt.FieldOneOfPredicate("state", [s for s in here if (s in DASHED) == dashed] or [""]))
        .mark_rule(strokeWidth=1.5, strokeDash=[3, 2] if dashed else [1, 0])
        .encode(tooltip=told)
        for dashed in (False, True)
    ]
    for bar in (False, True):
        some = heads[heads["bar"] == bar]
        if len(some):
            layers.append(
                alt.Chart(some)
                .mark_point(shape="stroke" if bar else "triangle", filled=not bar, size=60 if bar else 30, opacity=1,
                            strokeWidth=2 if bar else 0)
                .encode(x, y, alt.Angle("_draw_angle:Q", scale=None), colour)
            )  # fmt: skip
    middle = {"x": across("_draw_mid"), "y": upwards("_draw_height")}
    layers.append(
        alt.Chart(boxes)
        .mark_rect(stroke="black", cornerRadius=3)
        .encode(x, y, alt.X2("_draw_x2"), alt.Y2("_draw_y2"), alt.Fill("_draw_fill:N", scale=None),
                alt.StrokeWidth("_draw_edge:Q", scale=None))
    )  # fmt: skip
    for plain in (True, False):
        some = boxes[(boxes["role"] == "") == plain]
        if len(some):
            mark = alt.Chart(some).mark_text(fontSize=7, fontWeight="bold", limit=2 * HALF_X * STEP_X - 2,
                                             dy=0 if plain else -3)  # fmt: skip
            layers.append(mark.encode(**middle, text="node:N"))
            if not plain:
                role = alt.Chart(some).mark_text(fontSize=5, dy=6, color="#555555")
                layers.append(role.encode(**middle, text="role:N"))
    for beside in (False, True):
        some = lines[(lines["label"] != "") & (lines["beside"] == beside)]
        if len(some):
            layers.append(
                alt.Chart(some)
                .mark_text(fontSize=5, dy=0 if beside else -4, align="right" if beside else "center")
                .encode(across("_draw_label_x"), upwards("_draw_label_y"), colour, text="label:N", tooltip=told)
            )
    layers.append(
        alt.Chart(notes).mark_text(fontSize=7, align="left", fontWeight="bold", limit=500).encode(x, y, text="chain:N")
    )
    drawn = alt.layer(*layers).properties(width=columns * STEP_X, height=ROWS * n * STEP_Y)
    return drawn.configure_view(stroke=None).properties(usermeta={"figure_width": 183 * 72 / 25.4})


def _placed(part: pd.DataFrame, k: int) -> tuple[list[dict[str, Any]], ...]:
    """Boxes, lines, heads and the heading of one chain, the k-th from the top."""
    rows = [{str(c): v for c, v in r.items()} for r in part.to_dict("records")]
    first = rows[0]
    gene, y = str(first["candidate"]), -ROWS * k
    at = _places(rows, gene, y)
    roles = {str(r[end]): str(r[f"{end}_kind"]) for r in rows for end in ("source", "target")}
    roles |= {chain.NO_DRUG: "", chain.RESPONSE: "", chain.PATIENTS: "", chain.CELLS: ""}
    boxes = [
        {"node": node, "role": "" if node.startswith("target ") else roles.get(node, ""), "_draw_x": x - HALF_X,
         "_draw_x2": x + HALF_X, "_draw_y": h - HALF_Y, "_draw_y2": h + HALF_Y, "_draw_mid": x, "_draw_height": h,
         "_draw_fill": "#F0F0F0" if node == gene else "white", "_draw_edge": 1.5 if node == gene else 0.75}
        for node, (x, h) in at.items()
    ]  # fmt: skip
    lines: list[dict[str, Any]] = []
    heads: list[dict[str, Any]] = []
    heights = _heights(rows, at, y)
    for place, row in enumerate(rows):
        path = _path(row, at, heights.get(place))
        z = row["strength"]
        words = f"z {z:.1f}" if z == z else WORDS.get(row["state"], row["state"])
        if row["state"] in links.MEASURED and row["n_against"] > 0:
            words += f", {row['n_against']} against"
        label = words + (" *" if row["weakest"] else "")
        middle = max(range(len(path) - 1), key=lambda i: abs(path[i + 1][0] - path[i][0]))
        # words would cross an upright arrow; they stand beside it, near its end
        beside = path[0][1] != path[1][1] and len(path) == 2
        # and on a long one nearer its start, where fewer others cross it
        share = 0.5 if len(path) == 2 or row["kind"] == chain.RESTORES else 0.3
        if row["kind"] == chain.PRODUCES:
            share = 0.5 if abs(path[0][0] - path[-1][0]) < 1.2 else 0.75
        for i, (a, b) in enumerate(itertools.pairwise(path)):
            lines.append(
                {"source": row["source"], "target": row["target"], "kind": row["kind"], "state": row["state"],
                 "z": "" if z != z else f"{z:.2f}", "claims": row["claims"], "said": str(row["said"])[:160],
                 "label": label if i == middle else "", "_draw_x": a[0], "_draw_y": a[1], "_draw_x2": b[0],
                 "_draw_y2": b[1], "beside": beside,
                 "_draw_label_x": a[0] + share * (b[0] - a[0]) - 0.05 * beside,
                 "_draw_label_y": b[1] + 0.1 if beside else a[1] + share * (b[1] - a[1])}
            )  # fmt: skip
        (xa, ya), (xb, yb) = path[-2:]
        angle = math.degrees(math.atan2((xb - xa) * STEP_X, (yb - ya) * STEP_Y))
        lowers = int(row["sign"]) < 0 and row["kind"] not in (chain.CHANGES, chain.IN_PATIENTS)
        if row["kind"] == chain.ENGAGES:  # that a drug binds does not say what it does
            lowers = lowers and chain.action_lowers(str(row["action"]))
        heads.append({"state": row["state"], "bar": lowers, "_draw_x": xb, "_draw_y": yb, "_draw_angle": angle})
    by = f", by {first['drug']}" if first["drug"] else ""
    title = f"{int(first['candidate_rank'])}. {gene}{by}" if gene else f"{first['drug']}, of no known target"
    least = first["chain_strength"]
    weak = next((r for r in rows if r["weakest"]), None)
    title += f": weakest measured link z {least:.1f}" if weak is not None else ": no link tested here"
    return boxes, lines, heads, [{"chain": title, "_draw_x": -0.45, "_draw_y": y + 1.75}]


def _places(rows: list[dict[str, Any]], gene: str, y: float) -> dict[str, tuple[float, float]]:
    """Where each node stands: drug, genes, resistance and patients in a row; what the candidate moves below it."""
    row = chain.way_of(rows)
    at = {node: (float(x), y) for x, node in enumerate(row)}
    if not gene:
        return {**at, chain.RESPONSE: (float(len(row)), y)}
    x = at[gene][0]
    made = [str(r["target"]) for r in rows if r["kind"] == chain.PRODUCES]
    # below the row, to the right of the candidate before its left; the drug's arrow to resistance runs at both ends
    free = [*range(int(x) + 1, len(row)), *range(int(x) - 1, 0, -1)]
    free += range(len(row), len(row) + len(made) - len(free))
    end = float(max([len(row), *(k + 1 for k in free[: len(made)])]))
    at |= {chain.RESPONSE: (end, y), chain.PATIENTS: (end + 1, y), chain.CELLS: (x, y + BELOW)}
    return at | {name: (float(k), y + BELOW) for name, k in zip(made, free, strict=False)}


def _heights(rows: list[dict[str, Any]], at: Mapping[str, tuple[float, float]], y: float) -> dict[int, float]:
    """Arrows that pass over other boxes, each at its own height, the shortest lowest: place of the row -> height."""
    over = []
    for place, row in enumerate(rows):
        (xa, ya), (xb, yb) = at[str(row["source"])], at[str(row["target"])]
        if row["kind"] != chain.RESTORES and ya == yb == y and abs(xb - xa) > 1:
            over.append((abs(xb - xa), place))
    return {place: y + ABOVE[min(k, len(ABOVE) - 1)] for k, (_, place) in enumerate(sorted(over))}


def _path(
    row: Mapping[str, Any], at: Mapping[str, tuple[float, float]], height: float | None
) -> list[tuple[float, float]]:
    """The corners of an arrow from box to box."""
    (xa, ya), (xb, yb) = at[str(row["source"])], at[str(row["target"])]
    gap, over = 0.06, 0.13
    if row["kind"] == chain.RESTORES:
        low = ya + LOW
        return [(xa, ya - HALF_Y), (xa, low), (xb, low), (xb, yb - HALF_Y - over)]
    if height is not None:
        # arrows from one box, and to one box, do not fall together
        side = {chain.IN_PATIENTS: 0.2, chain.MATTERS: 0.08, chain.MOVES: 0.1}.get(str(row["kind"]), -0.1)
        end = {chain.MATTERS: -0.15, chain.MOVES: -0.2}.get(
            str(row["kind"]), -0.1 if row["kind"] == chain.ENGAGES else 0.0
        )
        return [(xa + side, ya + HALF_Y), (xa + side, height), (xb + end, height), (xb + end, yb + HALF_Y + over)]
    if ya > yb and xb != xa:  # to what the candidate moves: from its lower edge over the box below
        side, far = (1 if xb > xa else -1), abs(xb - xa) - 1
        start, turn = xa + side * (0.22 - 0.1 * far), ya - HALF_Y - 0.16 - 0.12 * far
        return [(start, ya - HALF_Y), (start, turn), (xb, turn), (xb, yb + HALF_Y + over)]
    if xa == xb:
        sign = 1 if yb > ya else -1
        return [(xa, ya + sign * HALF_Y), (xb, yb - sign * (HALF_Y + over))]
    return [(xa + HALF_X, ya), (xb - HALF_X - gap, yb)]
