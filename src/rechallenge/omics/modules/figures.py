"""The network, drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge.analysis import figure
from rechallenge.omics.modules.analyses import KEY
from rechallenge.report.words import number

#: genes and contrasts drawn at most
NODES, CONTRASTS = 70, 3
#: size of a drawing, and the room that the name of a gene takes (points)
WIDTH, HEIGHT, NAME = 390, 280, (26.0, 13.0)


def _shown(genes: pd.DataFrame) -> pd.DataFrame:
    """The communities with the highest scores, whole while there is room, then their genes with the most links."""
    there = genes[genes["community"].notna()]
    order = there.sort_values(["community", "degree", "gene"], ascending=[True, False, True], kind="mergesort")
    return order.head(NODES)


def layout(names: list[str], pairs: list[tuple[str, str]], group: dict[str, int]) -> pd.DataFrame:
    """gene, x, y in points: every module by itself (short ways between its linked genes), modules in rows with room
    by their size, and all moved apart until names can be read."""
    import networkx as nx  # type: ignore[import-untyped,unused-ignore]

    order: list[str] = []
    parts = []
    left = low = tall = 0.0
    across = WIDTH / HEIGHT * np.sqrt(len(names))
    for k in sorted(set(group.values())):
        mine = sorted(n for n in names if group[n] == k)
        number_of = {n: i for i, n in enumerate(mine)}
        part = nx.Graph()
        part.add_nodes_from(range(len(mine)))
        part.add_edges_from((number_of[a], number_of[b]) for a, b in sorted(pairs) if a in number_of and b in number_of)
        ways = dict(nx.all_pairs_shortest_path_length(part))
        # a module that is cut may fall apart; its pieces stay near each other
        far = 1 + max(max(w.values()) for w in ways.values())
        steps = {i: {j: ways[i].get(j, far) for j in part} for i in part}
        found = nx.kamada_kawai_layout(part, dist=steps) if len(mine) > 2 else {i: (i, 0.0) for i in part}
        at = np.array([found[i] for i in range(len(mine))], dtype=float)
        room = max(1.0, np.sqrt(len(mine)))
        if left and left + room > across:
            left, low, tall = 0.0, low + tall + 0.6, 0.0
        at = (at - at.min(axis=0)) / (np.ptp(at, axis=0).max() or 1.0) * room
        parts.append(at + np.array([left, low]))
        order += mine
        left, tall = left + room + 0.8, max(tall, room)
    at = np.concatenate(parts)
    span = np.ptp(at, axis=0)
    at = (at - at.min(axis=0)) / np.where(span > 0, span, 1) * [WIDTH, HEIGHT]
    at = apart(at)
    return pd.DataFrame({"gene": order, "x": at[:, 0], "y": at[:, 1]}).round(2)


def apart(at: NDArray[np.float64], rounds: int = 200) -> NDArray[np.float64]:
    """Points pushed from each other until none shares the room of another's name (as far as there is room)."""
    at = at.copy()
    first, second = np.triu_indices(len(at), 1)
    for _ in range(rounds):
        away = at[second] - at[first]
        short = np.array(NAME) - np.abs(away)
        near = (short > 1e-9).all(axis=1)
        if not near.any():
            break
        # along the way that is shorter; points in one place part by their order
        axis = np.argmin(short[near] / np.array(NAME), axis=1)
        sign = np.where(away[near, axis] < 0, -1.0, 1.0)
        push = 0.5 * short[near, axis] * sign
        np.add.at(at, (first[near], axis), -push)
        np.add.at(at, (second[near], axis), push)
    return at


@figure(
    title="Network of the genes that change with resistance",
    caption="Called genes in communities, the most densely joined first, with the links among them: at most "
    f"{NODES} genes of each of at most {CONTRASTS} contrasts (those joined most beyond chance); genes in no community "
    f"are not drawn. Colour: log2 fold change, orange where higher in the first group (beyond the ends of the scale as "
    "at its end); size: links among all called genes. Above: their links in all against the mean of random "
    "genes with as many partners. Genes stand near those of their community; place has no other meaning.",
)
def module_network(modules: pd.DataFrame, module_connectedness: pd.DataFrame, module_genes: pd.DataFrame,
                   module_links: pd.DataFrame) -> Any:  # fmt: skip
    """One network per contrast."""
    tested = module_connectedness[module_connectedness["status"] == "estimated"]
    tested = tested.sort_values(["p_value", "ratio", *KEY], ascending=[True, False] + [True] * len(KEY))
    out = {}
    for row in tested.to_dict("records"):
        mine = _of(module_genes, row)
        shown = _shown(mine)
        if shown.empty:
            continue
        out[f"module network {row['contrast']} ({row['dataset']}, {row['layer']})"] = _draw(
            shown, _of(module_links, row), mine, row
        )
        if len(out) == CONTRASTS:
            break
    return out or None


def _of(table: pd.DataFrame, row: Mapping[Any, Any]) -> pd.DataFrame:
    same = np.ones(len(table), dtype=bool)
    for k in KEY:
        same &= (table[k].astype(str) == str(row[k])).to_numpy()
    return table[same]


def _draw(shown: pd.DataFrame, links: pd.DataFrame, every: pd.DataFrame, row: Mapping[Any, Any]) -> Any:
    import altair as alt

    from rechallenge.report.theme import DIVERGING, DOUBLE, FONT, LABEL, MUTED, SMALL, sized

    names = shown["gene"].tolist()
    kept = links[links["gene_a"].isin(names) & links["gene_b"].isin(names)]
    group = {g: int(c) for g, c in zip(shown["gene"], shown["community"], strict=True)}
    places = layout(names, list(zip(kept["gene_a"], kept["gene_b"], strict=True)), group)
    nodes = places.merge(shown[["gene", "log2fc", "degree", "community", "node_score"]], on="gene")
    nodes["community"] = nodes["community"].astype(int)
    at = places.set_index("gene")
    lines = pd.DataFrame(
        {
            "x": at.loc[kept["gene_a"], "x"].to_numpy(), "y": at.loc[kept["gene_a"], "y"].to_numpy(),
            "x2": at.loc[kept["gene_b"], "x"].to_numpy(), "y2": at.loc[kept["gene_b"], "y"].to_numpy(),
            "within": kept["gene_a"].map(group).to_numpy() == kept["gene_b"].map(group).to_numpy(),
        }
    )  # fmt: skip
    end = max(1.0, float(np.quantile(nodes["log2fc"].abs(), 0.9)))
    x = alt.X("x:Q", axis=None, scale=alt.Scale(zero=False, padding=14))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(zero=False, padding=12, reverse=True))
    faint = alt.Opacity("within:N", legend=None, scale=alt.Scale(domain=[True, False], range=[0.6, 0.2]))
    edges = alt.Chart(lines).mark_rule(strokeWidth=0.4, color=MUTED).encode(x, y, faint, x2="x2:Q", y2="y2:Q")
    key = alt.Legend(values=_sizes(nodes["degree"]))
    of = alt.Chart(nodes).encode(x, y)
    dots = of.mark_circle(opacity=1, stroke=MUTED, strokeWidth=0.4).encode(
        alt.Color(
            "log2fc:Q", title="log2 fold change", scale=alt.Scale(scheme=DIVERGING, domain=[-end, end], clamp=True),
        ),
        alt.Size("degree:Q", title="Links", legend=key, scale=alt.Scale(range=[14, 130])),
        tooltip=["gene:N", "log2fc:Q", "degree:Q", "node_score:Q", "community:N"],
    )  # fmt: skip
    text = of.mark_text(fontSize=SMALL, dy=-7).encode(text="gene:N")
    said = (
        f"{len(nodes)} of {len(every)} called genes in the network; all: {int(row['observed']):,} links, "
        f"{number(row['expected'])} expected, p = {row['p_value']:.2g}"
    )
    head = f"{row['contrast']} ({row['dataset']})"
    title = alt.TitleParams(head, subtitle=said, subtitleFont=FONT, subtitleFontSize=LABEL)
    chart = alt.layer(edges, dots, text, title=title).properties(width=WIDTH, height=HEIGHT)
    return sized(chart, DOUBLE)


def _sizes(degree: pd.Series) -> list[int]:
    """Whole numbers of links for the key: least, middle, most."""
    low, high = int(degree.min()), int(degree.max())
    return sorted({low, (low + high) // 2, high})
