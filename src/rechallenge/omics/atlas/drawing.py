"""The drawn map: coordinates, arrows and marks of the reprogramming map as tables.

The layout is data (`map_nodes.csv`, `map_edges.csv`, `map_titles.csv`, in per cent of the page); which enzyme stands on
which arrow follows the enzyme table, and a test compares the two.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from io import StringIO
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

#: points per unit of the layout
X_SCALE, Y_SCALE = 4.75, 4.3
WIDTH, HEIGHT = 103, 100
#: an arrow ends this far (points) from the middle of a metabolite
_CLEAR = 6.0
#: distance between enzymes of one arrow, and of an enzyme from its arrow (points)
_PITCH, _BESIDE = 6.2, 6.0
#: states of a mark
CALLED, MEASURED, MISSING = "q ≤ 0.1", "measured", "not measured"
#: beyond this signed z colours do not change
LIMIT = 5.0


@lru_cache(maxsize=4)
def _csv(name: str) -> pd.DataFrame:
    text = (files("rechallenge") / "omics" / "atlas" / f"{name}.csv").read_text(encoding="utf-8")
    return pd.read_csv(StringIO(text), keep_default_na=False)


def layout() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """(metabolites, arrows, headings) of the map: what `map_nodes.csv`, `map_edges.csv`, `map_titles.csv` hold."""
    return _csv("map_nodes").copy(), _csv("map_edges").copy(), _csv("map_titles").copy()


def signed_z(statistic: Any, p_value: Any) -> Any:
    """Signed normal quantile of two-sided p-values, within +-37."""
    p = np.clip(np.asarray(p_value, float), 1e-300, 1.0)
    return np.sign(np.asarray(statistic, float)) * -special.ndtri(p / 2)


def metabolite_marks(enzyme_metabolites: pd.DataFrame, proxies: dict[str, str]) -> pd.DataFrame:
    """One row per metabolite of the map: place, label, signed z, q and whether it was measured.

    Where an acyl-CoA was not measured and its free acid is not on the map itself, the acid stands in (`proxies`); the
    name then bears a star.
    """
    nodes = layout()[0]
    known = enzyme_metabolites.set_index("metabolite")
    seen = set(known.index[known["status"] == "estimated"])
    stands = {m: p for m, p in proxies.items() if m not in seen and p in seen and p not in set(nodes["metabolite"])}
    taken = [stands.get(m, m) for m in nodes["metabolite"]]
    found = known.reindex(taken).reset_index(drop=True)
    out = pd.DataFrame(
        {
            "_draw_x": nodes["x"] * X_SCALE,
            "_draw_y": nodes["y"] * Y_SCALE,
            "_draw_side": nodes["side"],
            "name": nodes["label"] + nodes["metabolite"].isin(list(stands)).map({True: "*", False: ""}),
            "kind": "metabolite",
            "measured_as": found["feature"].fillna(""),
            "log2fc": found["log2fc"],
            "z": signed_z(found["statistic"], found["p_value"]),
            "q_value": found["q_value"],
        }
    )
    return _state(out)


def enzyme_marks(enzymes: pd.DataFrame) -> pd.DataFrame:
    """One row per enzyme and arrow of the map: place, signed z of its RNA, q over the enzymes shown, verdict."""
    from rechallenge.stats.multiplicity import bh

    known = enzymes[enzymes["kind"] == "concordant"].set_index("gene")
    q = pd.Series(bh(known["rna_p"]), index=known.index)
    rows = []
    arrow: Any
    for arrow in arrows().itertuples():
        genes = [g for g in arrow.genes.split("|") if g]
        for k, gene in enumerate(genes):
            x, y, align = _beside(arrow, k, len(genes))
            one = known.loc[gene] if gene in known.index else None
            rows.append(
                {
                    "_draw_x": x, "_draw_y": y, "_draw_side": align, "name": gene, "kind": "enzyme",
                    "measured_as": "RNA" if one is not None and np.isfinite(one["rna_z"]) else "",
                    "log2fc": one["rna_log2fc"] if one is not None else np.nan,
                    "z": one["rna_z"] if one is not None else np.nan, "q_value": q.get(gene, np.nan),
                    "verdict": one["verdict"] if one is not None else "not tested",
                }
            )  # fmt: skip
    return _state(pd.DataFrame(rows))


def _state(marks: pd.DataFrame) -> pd.DataFrame:
    measured = np.isfinite(marks["z"].astype(float))
    called = measured & (marks["q_value"].astype(float) <= 0.1)
    return marks.assign(state=np.select([called, measured], [CALLED, MEASURED], MISSING))


def legend() -> pd.DataFrame:
    """What circles, squares, dashes, outlines and type mean: marks and words below the map."""
    rows = [
        ("metabolite", "metabolite", MEASURED, "plain", 0), ("enzyme", "enzyme (RNA)", MEASURED, "plain", 13),
        ("metabolite", "not measured", MISSING, "plain", 28), ("metabolite", "q ≤ 0.1", CALLED, "plain", 43),
        ("", "bold: concordant", MEASURED, "bold", 54), ("", "italic: discordant", MEASURED, "italic", 71),
    ]  # fmt: skip
    return pd.DataFrame(
        {
            "_draw_x": [at * X_SCALE for *_, at in rows], "_draw_y": 98 * Y_SCALE, "_draw_side": "right",
            "_draw_word": [word for _, word, *_ in rows], "_draw_style": [style for *_, style, _ in rows],
            "kind": [kind for kind, *_ in rows], "state": [state for _, _, state, *_ in rows], "z": 0.0,
        }
    )  # fmt: skip


def words(marks: pd.DataFrame) -> pd.DataFrame:
    """The names of marks: place (points), alignment, style (bold: concordant, italic: discordant) and state."""
    metabolite = marks["kind"] == "metabolite"
    side = marks["_draw_side"]
    along, across = np.where(metabolite, 5.5, 4.4), np.where(side.isin(["top", "bottom"]), 8.5, 0.0)
    verdict = marks["verdict"].fillna("") if "verdict" in marks else pd.Series("", index=marks.index)
    style = np.select(
        [verdict == "concordant", verdict.isin(["discordant", "layers disagree"])], ["bold", "italic"], "plain"
    )
    return pd.DataFrame(
        {
            "_draw_x": marks["_draw_x"] + np.select([side == "left", side == "right"], [-along, along], 0.0),
            "_draw_y": marks["_draw_y"] + np.where(side == "top", -across, across),
            "_draw_word": marks["_draw_word"].fillna(marks["name"]),
            "_draw_align": side.map({"left": "right", "right": "left"}).fillna("center"),
            "_draw_style": marks["_draw_style"].fillna(pd.Series(style, index=marks.index)),
            "state": marks["state"],
        }
    )


def arrows() -> pd.DataFrame:
    """Arrows in points: from (x, y) to (x2, y2), clear of the metabolites, with the place (mx, my) of its
    enzymes and the angle of the head in degrees."""
    nodes, edges, _ = layout()
    place = {m: (x * X_SCALE, y * Y_SCALE) for m, x, y in zip(nodes["metabolite"], nodes["x"], nodes["y"], strict=True)}
    start = np.array([place[m] for m in edges["from"]])
    end = np.array([place[m] for m in edges["to"]])
    way = end - start
    unit = way / np.linalg.norm(way, axis=1, keepdims=True)
    both = {(a, b) for a, b in zip(edges["from"], edges["to"], strict=True)}
    # two enzymes that run against each other have arrows side by side
    aside = np.array([2.0 if (b, a) in both else 0.0 for a, b in zip(edges["from"], edges["to"], strict=True)])
    shift = aside[:, None] * np.column_stack([-unit[:, 1], unit[:, 0]]) * -1
    a, b = start + _CLEAR * unit + shift, end - _CLEAR * unit + shift
    at = edges["at"].to_numpy(float)
    return edges.assign(
        x=a[:, 0], y=a[:, 1], x2=b[:, 0], y2=b[:, 1],
        mx=a[:, 0] + at * (b[:, 0] - a[:, 0]), my=a[:, 1] + at * (b[:, 1] - a[:, 1]),
        angle=np.degrees(np.arctan2(unit[:, 0], -unit[:, 1])),
    )  # fmt: skip


def _beside(arrow: Any, k: int, n: int) -> tuple[float, float, str]:
    """Where the k-th of n enzymes of an arrow is drawn, and on which side of its mark the name stands."""
    down = (k - (n - 1) / 2) * _PITCH
    if arrow.side == "right":
        return arrow.mx + _BESIDE, arrow.my + down, "right"
    if arrow.side == "left":
        return arrow.mx - _BESIDE, arrow.my + down, "left"
    if arrow.side == "bottom":
        return arrow.mx - 9, arrow.my + _BESIDE + k * _PITCH, "right"
    return arrow.mx - 9, arrow.my - _BESIDE - (n - 1 - k) * _PITCH, "right"
