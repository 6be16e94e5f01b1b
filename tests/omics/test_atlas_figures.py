"""The drawn map and the figures of the atlas: what stands where, and that nothing unmeasured is coloured."""

from __future__ import annotations

import io
import json

import numpy as np
import pandas as pd
import pytest
from atlas_examples import MODELS, levels, rna

from rechallenge.omics import atlas
from rechallenge.omics.atlas import drawing
from rechallenge.omics.atlas.footprints import enzymes as enzyme_table
from rechallenge.omics.atlas.names import compounds
from rechallenge.report.theme import export, specification


@pytest.fixture(scope="module")
def result() -> dict[str, pd.DataFrame]:
    table, sheet = levels({"sorbitol": 1.5, "fructose": 1.5, "oleate": 1.0, "lactate": -1.2, "glucose": 0.0})
    genes = rna({"AKR1B1": 1.9, "SORD": 0.1, "LDHA": 2.0, "SCD": 1.0})
    return atlas.enzymes(table, sheet, MODELS, genes, n_rotations=1999, n_permutations=99)


def test_the_layout_follows_the_enzyme_table() -> None:
    nodes, edges, _ = drawing.layout()
    assert set(nodes["metabolite"]) <= compounds()
    assert not nodes["metabolite"].duplicated().any() and not nodes[["x", "y"]].duplicated().any()
    assert set(edges["from"]) | set(edges["to"]) == set(nodes["metabolite"]), "no metabolite without an arrow"
    known = {e.gene: e for e in enzyme_table()}
    for row in edges.to_dict("records"):
        for gene in filter(None, row["genes"].split("|")):
            enzyme = known[gene]
            assert row["from"] in enzyme.all_substrates, (gene, row["from"])
            assert row["to"] in {*enzyme.products, "glutamate", "S-adenosylhomocysteine"}, (gene, row["to"])
    drawn = {g for genes in edges["genes"] for g in genes.split("|")}
    assert {
        "AKR1B1",
        "SORD",
        "KHK",
        "HK2",
        "PFKP",
        "LDHA",
        "G6PD",
        "GFPT1",
        "IDH2",
        "GSR",
        "PHGDH",
        "FASN",
        "DGAT1",
    } <= drawn


def test_names_on_the_map_do_not_cover_each_other() -> None:
    """Boxes of all names at 5 pt (0.56 em a letter) are clear of each other and of all marks."""
    everything = pd.DataFrame({"metabolite": sorted(compounds()), "status": "not_estimable"})
    for column in ("feature", "log2fc", "statistic", "p_value", "q_value"):
        everything[column] = np.nan
    circles = drawing.metabolite_marks(everything, {})
    empty = pd.DataFrame({"gene": [e.gene for e in enzyme_table()], "kind": "concordant", "verdict": "not tested"})
    for column in ("rna_p", "rna_z", "rna_log2fc"):
        empty[column] = np.nan
    squares = drawing.enzyme_marks(empty)
    boxes = []
    for marks, gap in ((circles, 5.5), (squares, 4.4)):
        for r in marks.to_dict("records"):
            x, y, wide = r["_draw_x"], r["_draw_y"], 2.8 * len(r["name"])
            left = {"left": x - gap - wide, "right": x + gap}.get(r["_draw_side"], x - wide / 2)
            top = {"top": y - 6 - 5, "bottom": y + 6}.get(r["_draw_side"], y - 2.5)
            boxes.append((r["name"], left, left + wide, top, top + 5))
    clashes = [
        (a[0], b[0])
        for i, a in enumerate(boxes)
        for b in boxes[i + 1 :]
        if a[1] < b[2] and b[1] < a[2] and a[3] < b[4] and b[3] < a[4]
    ]
    assert clashes == []
    assert min(b[1] for b in boxes) > -3 * drawing.X_SCALE
    assert max(b[2] for b in boxes) < drawing.WIDTH * drawing.X_SCALE


def test_what_was_not_measured_has_no_colour(result: dict[str, pd.DataFrame]) -> None:
    proxies = {k: v for e in enzyme_table() for k, v in e.proxy.items()}
    circles = drawing.metabolite_marks(result["enzyme_metabolites"], proxies).set_index("name")
    assert circles.loc["Sorbitol", "state"] == "q ≤ 0.1" and circles.loc["Sorbitol", "z"] > 3
    assert circles.loc["Lactate", "z"] < 0
    assert circles.loc["G6P", "state"] == "not measured" and np.isnan(circles.loc["G6P", "z"])
    assert circles.loc["Oleoyl-CoA*", "measured_as"] == "oleate", "the acid stands in, and the star says so"
    squares = drawing.enzyme_marks(result["enzymes"]).set_index("name")
    assert squares.loc["AKR1B1", "state"] == "q ≤ 0.1" and squares.loc["HK2", "state"] == "not measured"


def test_figures_export_with_their_numbers(result: dict[str, pd.DataFrame]) -> None:
    maps = atlas.atlas_map(result["enzymes"], result["enzyme_metabolites"])
    assert list(maps) == ["atlas_map R vs P"]
    out = export("map", maps["atlas_map R vs P"])
    data = pd.read_csv(io.BytesIO(out["csv"]))
    row = data[(data["name"] == "AKR1B1") & (data["kind"] == "enzyme")].iloc[0]
    assert row["log2fc"] == pytest.approx(1.9) and row["verdict"] == "concordant"
    assert not [c for c in data.columns if c.startswith("_draw")]
    ranks = atlas.enzyme_ranks(result["enzymes"])["enzyme_ranks R vs P"]
    text = json.dumps(specification(ranks), ensure_ascii=False)
    assert "AKR1B1" in text and "sorbitol +1." in text
    scatter = atlas.enzyme_discordance(result["enzymes"])["enzyme_discordance R vs P"]
    assert b"LDHA" in export("scatter", scatter)["csv"]


def test_nothing_to_draw_is_none(result: dict[str, pd.DataFrame]) -> None:
    untested = result["enzymes"].assign(status="not_testable", rna_z=np.nan)
    assert atlas.enzyme_ranks(untested) is None and atlas.enzyme_discordance(untested) is None
    metabolites = result["enzyme_metabolites"].assign(status="not_estimable", statistic=np.nan, p_value=np.nan)
    assert atlas.atlas_map(untested, metabolites) is None
