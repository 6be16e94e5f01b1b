"""Regulators of a gene: edge or motif, activity and own change, each of which may be missing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rechallenge import evidence, knowledge
from rechallenge.faults import NotApplicable
from rechallenge.knowledge.errors import NotInstalled
from rechallenge.regulators import tf_activity as m
from rechallenge.report.theme import specification


@pytest.fixture(autouse=True)
def _no_collectri(monkeypatch):
    real = knowledge.table

    def table(name):
        if name == "collectri":
            raise NotInstalled(name)
        return real(name)

    monkeypatch.setattr(knowledge, "table", table)


def changes(**genes: tuple[float, float]) -> pd.DataFrame:
    """Gene = (log2 fold change, p)."""
    rows = [
        {"dataset": "own", "layer": "rna", "contrast": "LR vs P", "kind": "resistance", "model": "LR", "feature": g,
         "gene": g, "log2fc": fc, "statistic": 3 * np.sign(fc), "p_value": p, "q_value": p, "n": 6}
        for g, (fc, p) in genes.items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def active(**factors: tuple[float, float]) -> pd.DataFrame:
    """Factor = (z, p)."""
    return pd.DataFrame(
        [{"dataset": "own", "contrast": "LR vs P", "tf": t, "z": z, "p_value": p, "q_value": p}
         for t, (z, p) in factors.items()]
    )  # fmt: skip


EDGES = pd.DataFrame({"tf": ["A", "B", "C", "D"], "target": ["GENE"] * 4, "weight": [1.0, 1.0, -1.0, 1.0]})
TABLE = changes(GENE=(2.0, 1e-6), A=(1.0, 1e-4), B=(-1.0, 1e-4), C=(-1.5, 1e-5), OTHER=(3.0, 1e-9))


def test_three_things_are_wanted_together():
    out = m.regulators(
        TABLE, active(A=(4, 1e-4), B=(4, 1e-4), C=(-3, 1e-3), D=(4, 1e-4)), regulons=EDGES, genes=["GENE"]
    )
    out = out.set_index("tf")
    assert out["verdict"].to_dict() == {
        "A": "supported", "B": "not supported", "C": "supported", "D": "in part",
    }  # fmt: skip
    assert out.loc["A", "p_value"] == 1e-4 and out.loc["B", "p_value"] == 1.0 and out.loc["C", "p_value"] == 1e-3
    assert out.loc["B", "own_change"] == "opposite" and out.loc["D", "own_change"] == "not measured"
    assert out.loc["D", "status"] == "not_testable" and np.isnan(out.loc["D", "p_value"])
    assert set(out["motif"]) == {"not measured"} and set(out["chosen"]) == {"asked for"}
    claims = evidence.check(m.regulator_claims(out.reset_index())).set_index("entity")
    assert claims.loc["C", "direction"] == -1 and "represses it" in claims.loc["C", "claim"]
    assert specification(m.regulator_table(out.reset_index()))


def test_fosl2_and_akr1b1_from_the_built_in_edge_and_a_motif():
    """CollecTRI has no edge from FOSL2 to AKR1B1; the built-in one and the promoter make it a candidate."""
    motifs = pd.DataFrame(
        {
            "gene": ["AKR1B1"] * 2, "motif": ["MA0478.2", "MA1138.2"], "tf": ["FOSL2", "FOSL2::JUNB"],
            "p_any": [0.05, 0.02], "verdict": ["rarer than chance"] * 2,
        }
    )  # fmt: skip
    table = changes(AKR1B1=(2.0, 1e-6), FOSL2=(1.2, 1e-4))
    out = m.regulators(table, active(FOSL2=(3.5, 1e-3)), motifs, genes=["AKR1B1"]).set_index("tf")
    assert out.loc["FOSL2", "edge_source"] == "starter" and out.loc["FOSL2", "motif"] == "rarer than chance"
    assert out.loc["FOSL2", "verdict"] == "supported"
    assert out.loc["JUNB", "own_change"] == "not measured" and np.isnan(out.loc["JUNB", "edge"])
    without = m.regulators(table, genes=["AKR1B1"]).set_index("tf").loc["FOSL2"]
    assert without["activity"] == "not measured" and without["motif"] == "not measured"
    assert without["verdict"] == "in part" and without["status"] == "not_testable"


def test_genes_are_chosen_and_said():
    out = m.regulators(TABLE, regulons=EDGES)
    assert set(out["gene"]) == {"GENE"} and "most surely in resistance" in out["chosen"].iloc[0]
    shared = pd.DataFrame({"layer": "rna", "feature": ["GENE", "OTHER"], "q_value": [0.01, 0.5], "direction": 1,
                           "least": 1.0})  # fmt: skip
    assert "share" in m.regulators(TABLE, shared_genes=shared, regulons=EDGES)["chosen"].iloc[0]
    with pytest.raises(NotApplicable, match="no gene changed"):
        m.regulators(changes(GENE=(1.0, 0.5)), regulons=EDGES)
    with pytest.raises(NotApplicable, match="no factor"):
        m.regulators(TABLE, genes=["OTHER"])


def test_idle_candidates_are_rarely_supported():
    """A changed gene, 30 factors with an edge whose activity and own change are noise, 60 times: under 5 % have a
    call (signs agree in a quarter, and the larger of two p-values counts)."""
    rng, called = np.random.default_rng(0), 0
    names = [f"T{i}" for i in range(30)]
    net = pd.DataFrame({"tf": names, "target": "GENE", "weight": 1.0})
    for _ in range(60):
        own = {t: (float(rng.normal()), float(rng.uniform())) for t in names}
        act = {t: (float(rng.normal()), float(rng.uniform())) for t in names}
        out = m.regulators(changes(GENE=(2.0, 1e-8), **own), active(**act), regulons=net, genes=["GENE"])
        called += (out["verdict"] == "supported").any()
    assert called <= 3


def test_order_of_rows_does_not_matter():
    act = active(A=(4, 1e-4), B=(4, 1e-4))
    one = m.regulators(TABLE, act, regulons=EDGES, genes=["GENE"])
    two = m.regulators(TABLE.iloc[::-1], act.iloc[::-1], regulons=EDGES.iloc[::-1], genes=["GENE"])
    pd.testing.assert_frame_equal(one, two)
