"""The chains drawn: boxes for drug, target, regulator, effector, resistance and patients, arrows coloured by state."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from rechallenge.analysis import figure
from rechallenge.integration import chains as chain
from rechallenge.integration import links

#: actions of drugs that lower what the target does
LOWERS = ("inhibitor", "antagonist", "antibody")
#: chains drawn in one figure
DRAWN = 3
#: points on paper of one step between columns and between rows; half the size of a box in steps
STEP_X, STEP_Y, HALF_X, HALF_Y = 100.0, 36.0, 0.28, 0.23
ROWS = 3.9
#: state -> colour (doi:10.1038/nmeth.1618) and dashes
COLOURS: Mapping[str, str] = {
    links.HERE: "#0072B2", links.PUBLIC: "#009E73", links.CURATED: "#000000", links.INFERRED: "#E69F00",
    links.NOT_SHOWN: "#CC79A7", links.CONTRADICTED: "#D55E00", links.UNTESTED: "#767676",
}  # fmt: skip
DASHED = (links.CURATED, links.INFERRED, links.NOT_SHOWN, links.UNTESTED)


@figure(
    title="From drug to patient",
    caption="One chain for each of the first candidates (of the surest tier, where any is called). The colour of an "
    "arrow says who knows the link, dashed ones were not measured or not shown; a bar instead of an arrow head means "
    "that it lowers. z is that of the surest claim behind the link, a star marks the weakest measured link.",
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
    n = len(parts)

    def across(field: str) -> Any:
        return alt.X(f"{field}:Q", axis=None, scale=alt.Scale(domain=[-0.5, 4.5], nice=False))

    def upwards(field: str) -> Any:
        return alt.Y(f"{field}:Q", axis=None, scale=alt.Scale(domain=[-ROWS * n + 2.0, 2.0], nice=False))

    x, y = across("_draw_x"), upwards("_draw_y")
    here = [s for s in links.STATES if s in set(lines["state"])]
    colour = alt.Color("state:N", title=None, sort=here,
                       legend=alt.Legend(orient="top", symbolType="stroke", columns=7),
                       scale=alt.Scale(domain=here, range=[COLOURS[s] for s in here]))  # fmt: skip
    told = ["source", "target", "state", "z", "claims", "said"]
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
    box = alt.Chart(boxes).encode(x, y)
    layers += [
        box.mark_rect(fill="white", stroke="black", strokeWidth=0.75, cornerRadius=3).encode(
            alt.X2("_draw_x2"), alt.Y2("_draw_y2")
        ),
        alt.Chart(boxes).mark_text(fontSize=7, fontWeight="bold", limit=58).encode(
            across("_draw_mid"), upwards("_draw_height"), text="node:N"
        ),
        alt.Chart(boxes[boxes["role"] != ""]).mark_text(fontSize=5, dy=-13, color="#555555").encode(
            across("_draw_mid"), upwards("_draw_height"), text="role:N"
        ),
        *(
            alt.Chart(lines[(lines["label"] != "") & (lines["beside"] == beside)])
            .mark_text(fontSize=5, dy=0 if beside else -5, align="left" if beside else "center")
            .encode(across("_draw_label_x"), upwards("_draw_label_y"), colour, text="label:N", tooltip=told)
            for beside in (False, True)
        ),
        alt.Chart(notes).mark_text(fontSize=7, align="left", fontWeight="bold", limit=480).encode(x, y, text="chain:N"),
    ]  # fmt: skip
    drawn = alt.layer(*layers).properties(width=5 * STEP_X, height=ROWS * n * STEP_Y)
    return drawn.configure_view(stroke=None).properties(usermeta={"figure_width": 183 * 72 / 25.4})


def _placed(part: pd.DataFrame, k: int) -> tuple[list[dict[str, Any]], ...]:
    """Boxes, lines, heads and the heading of one chain, the k-th from the top."""
    rows = [{str(c): v for c, v in r.items()} for r in part.to_dict("records")]
    first = rows[0]
    gene = str(first["candidate"])
    at = _places(rows, gene, -ROWS * k)
    control = next((r for r in rows if r["kind"] == chain.CONTROLS), first)
    roles = {str(control["target"]): "effector", str(control["source"]): "regulator", str(first["source"]): "drug"}
    roles |= {gene: "candidate", chain.CELLS: "", chain.RESPONSE: "", chain.PATIENTS: ""}
    boxes = [
        {"node": node, "role": roles.get(node, "target"), "_draw_x": x - HALF_X, "_draw_x2": x + HALF_X,
         "_draw_y": y - HALF_Y, "_draw_y2": y + HALF_Y, "_draw_mid": x, "_draw_height": y}
        for node, (x, y) in at.items()
    ]  # fmt: skip
    lines: list[dict[str, Any]] = []
    heads: list[dict[str, Any]] = []
    for row in rows:
        path = _path(row, at)
        z = row["strength"]
        words = (
            f"z {z:.1f}"
            if z == z
            else {links.HERE: "seen", links.PUBLIC: "seen", links.NOT_SHOWN: "not shown"}.get(
                row["state"], row["state"]
            )
        )
        label = words + (" *" if row["weakest"] else "")
        middle = max(range(len(path) - 1), key=lambda i: abs(path[i + 1][0] - path[i][0]))
        # words would cross an upright or slanting arrow; they stand beside it
        beside = path[0][1] != path[1][1] and len(path) == 2
        for i, (a, b) in enumerate(itertools.pairwise(path)):
            lines.append(
                {"source": row["source"], "target": row["target"], "kind": row["kind"], "state": row["state"],
                 "z": "" if z != z else f"{z:.2f}", "claims": row["claims"], "said": str(row["said"])[:160],
                 "label": label if i == middle else "", "_draw_x": a[0], "_draw_y": a[1], "_draw_x2": b[0],
                 "_draw_y2": b[1], "beside": beside,
                 "_draw_label_x": (a[0] + b[0]) / 2 + 0.05 * beside, "_draw_label_y": (a[1] + b[1]) / 2}
            )  # fmt: skip
        (xa, ya), (xb, yb) = path[-2:]
        angle = math.degrees(math.atan2((xb - xa) * STEP_X, (yb - ya) * STEP_Y))
        lowers = int(row["sign"]) < 0 and row["kind"] not in (chain.CHANGES, chain.IN_PATIENTS)
        if row["kind"] == chain.ENGAGES:  # that a drug binds does not say what it does
            lowers = lowers and str(row["action"]).startswith(LOWERS)
        heads.append({"state": row["state"], "bar": lowers, "_draw_x": xb, "_draw_y": yb, "_draw_angle": angle})
    title = f"{int(first['candidate_rank'])}. {gene}"
    least = first["chain_strength"]
    title += f": weakest measured link z {least:.1f}" if least == least else ": no link tested here"
    return boxes, lines, heads, [{"chain": title, "_draw_x": -0.45, "_draw_y": -ROWS * k + 1.75}]


def _places(rows: list[dict[str, Any]], gene: str, y: float) -> dict[str, tuple[float, float]]:
    """Where each node stands: drug, target and effector, resistance and patients in a row; what stands aside above."""
    drug, target = str(rows[0]["source"]), str(rows[0]["target"])
    control = next((r for r in rows if r["kind"] == chain.CONTROLS), None)
    at = {drug: (0.0, y)}
    if control is None:
        at[target] = (2.0, y)
    else:
        regulator, effector = str(control["source"]), str(control["target"])
        at[effector] = (2.0, y)
        at[regulator] = (1.0, y if regulator == target else y + 1.0)
    at[chain.RESPONSE] = (3.0, y)
    at[chain.PATIENTS] = (4.0, y)
    x, height = at[gene]
    at[chain.CELLS] = (x, height - 0.95) if height == y else (x - 1.0, height)
    return at


def _path(row: Mapping[str, Any], at: Mapping[str, tuple[float, float]]) -> list[tuple[float, float]]:
    """The corners of an arrow from box to box."""
    (xa, ya), (xb, yb) = at[str(row["source"])], at[str(row["target"])]
    gap = 0.06
    if row["kind"] == chain.RESTORES:
        low = ya - 1.45
        return [(xa, ya - HALF_Y), (xa, low), (xb, low), (xb, yb - HALF_Y - 0.12)]
    if row["kind"] == chain.IN_PATIENTS and ya == yb:
        high = ya + 0.75
        return [(xa + 0.2, ya + HALF_Y), (xa + 0.2, high), (xb, high), (xb, yb + HALF_Y + 0.12)]
    if ya > yb and xb > xa + 1:  # from a gene that stands aside
        high = ya + (0.14 if row["kind"] == chain.IN_PATIENTS else -0.12)
        return [(xa + HALF_X, high), (xb, high), (xb, yb + HALF_Y + 0.12)]
    if xb < xa:
        return [(xa - HALF_X, ya), (xb + HALF_X + gap, yb)]
    if xa == xb:
        sign = 1 if yb > ya else -1
        return [(xa, ya + sign * HALF_Y), (xb, yb - sign * (HALF_Y + 0.12))]
    return [(xa + HALF_X, ya), (xb - HALF_X - gap, yb)]
