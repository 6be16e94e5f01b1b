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


# --- what the bench adds ---


def chip(effect: float, p: float, group: str = "anti-ILF3", assay: str = "ChIP MRPL12 promoter") -> pd.DataFrame:
    row = {"assay": assay, "model": "HepG2", "contrast": f"{group} vs IgG", "kind": "group", "group": group,
           "control": "IgG", "effect": effect, "fold": 2.0**effect, "p_adjusted": p, "p_value": p, "n": 6,
           "status": "estimated", "entity": ""}  # fmt: skip
    return pd.DataFrame([row])


def reporter(response: str, site: str, effect: float = 1.5, action: int = 1) -> pd.DataFrame:
    common = {"model": "", "gene": "MRPL12", "entity": "ILF3", "entity_type": "regulator", "perturbation": "ILF3 OE",
              "control": "vector", "action": action, "effect": effect, "fold": 2.0**effect, "p_holm": 0.001, "n": 3,
              "status": "estimated"}  # fmt: skip
    return pd.DataFrame(
        [
            {**common, "kind": "response", "construct": "-500/+200", "contrast": "a", "site": "", "verdict": response},
            {**common, "kind": "response through a site", "construct": "-500/+200", "contrast": "b", "site": "CTGTT",
             "verdict": site},
        ]
    )  # fmt: skip


ILF3 = changes(MRPL12=(1.6, 1e-6), ILF3=(0.1, 0.6), KAT2A=(0.4, 0.02))


def test_ilf3_and_mrpl12_chip_reporter_and_site_stand_beside_an_unchanged_factor():
    """The published shape: the short motif says nothing, ILF3 does not change, ChIP and the mutated site speak."""
    motifs = pd.DataFrame({"gene": ["MRPL12"], "motif": ["CTGTT"], "tf": [""], "p_any": [0.74],
                           "verdict": ["expected by chance"]})  # fmt: skip
    out = m.regulators(
        ILF3, active(ILF3=(3.0, 1e-3)), motifs, comparisons=chip(2.0, 0.002),
        reporter=reporter("higher", "response abolished"), genes=["MRPL12"],
    )  # fmt: skip
    row = out.set_index("tf").loc["ILF3"]
    assert (row["own_change"], row["chip"], row["reporter"], row["site"]) == ("no change shown", "yes", "yes", "yes")
    assert row["protein"] == "not measured" and row["ptm"] == "known" and "K100" in row["ptm_said"]
    assert row["p_value"] == 0.6 and row["verdict"] == "in part"  # the bench and the hint change no p-value
    measured = m.regulators(ILF3, comparisons=chip(2.0, 0.002), genes=["MRPL12"]).set_index("tf")["verdict"]
    assert measured["ILF3"] == "in part"
    assert m.regulators(ILF3, genes=["MRPL12"]).set_index("tf").loc["ILF3", "verdict"] == "not supported"
    said = evidence.check(m.regulator_claims(out)).set_index("entity").loc["ILF3", "claim"]
    assert "ChIP: yes (ChIP MRPL12 promoter, anti-ILF3 against IgG: 4.00-fold" in said
    assert "needs the site: yes (CTGTT mutated: response abolished" in said and "its protein: not measured" in said
    assert "modification (knowledge, not measured here)" in said and "its level need not change" in said
    assert specification(m.regulator_table(out))


def test_what_the_bench_did_not_measure_is_not_measured_and_what_it_refutes_is_said():
    bare = m.regulators(ILF3, genes=["MRPL12"]).set_index("tf").loc["ILF3"]
    assert (bare["chip"], bare["reporter"], bare["site"], bare["protein"]) == ("not measured",) * 4
    seen = m.regulators(
        ILF3, comparisons=chip(-1.0, 0.01), reporter=reporter("lower", "no change shown", -1.5), genes=["MRPL12"]
    ).set_index("tf")
    assert (seen.loc["ILF3", "chip"], seen.loc["ILF3", "reporter"]) == ("opposite", "opposite")
    assert seen.loc["ILF3", "site"] == "no change shown"
    # a knock-down that lowers the promoter follows the factor
    down = m.regulators(ILF3, reporter=reporter("lower", "response reduced", -1.5, -1), genes=["MRPL12"])
    assert down.set_index("tf").loc["ILF3", "reporter"] == "yes"
    weak = m.regulators(ILF3, comparisons=chip(0.4, 0.3), genes=["MRPL12"]).set_index("tf")
    assert weak.loc["ILF3", "chip"] == "no change shown"
    other = m.regulators(ILF3, comparisons=chip(2.0, 0.01, assay="ChIP AKR1B1 promoter"), genes=["MRPL12"])
    assert other.set_index("tf").loc["ILF3", "chip"] == "not measured"
    ros = m.regulators(ILF3, comparisons=chip(2.0, 0.01, assay="MRPL12 western"), genes=["MRPL12"])
    assert ros.set_index("tf").loc["ILF3", "chip"] == "not measured"


def test_a_factor_that_the_bench_asked_about_is_a_candidate_without_an_edge():
    table = changes(GENE=(2.0, 1e-6), A=(1.0, 1e-4), SP1=(0.2, 0.5))
    net = pd.DataFrame({"tf": ["SP1"], "target": ["OTHER"], "weight": [1.0]})
    out = m.regulators(
        table,
        regulons=net,
        comparisons=chip(1.5, 0.01, group="anti-SP1", assay="CUT&RUN GENE promoter"),
        genes=["GENE"],
    ).set_index("tf")
    assert np.isnan(out.loc["SP1", "edge"]) and out.loc["SP1", "chip"] == "yes"


def test_the_protein_of_a_factor_is_a_change_of_its_own_that_is_shown():
    protein = changes(ILF3=(0.9, 1e-3)).assign(layer="protein", dataset="proteome")
    out = m.regulators(pd.concat([ILF3, protein], ignore_index=True), genes=["MRPL12"]).set_index("tf")
    assert out.loc["ILF3", "protein"] == "yes" and out.loc["ILF3", "own_change"] == "no change shown"
    low = m.regulators(pd.concat([ILF3, protein.assign(log2fc=-0.9)]), genes=["MRPL12"]).set_index("tf")
    assert low.loc["ILF3", "protein"] == "opposite"


def test_what_a_published_edge_rests_on_is_said():
    """FOSL2 to AKR1B1 rests on a motif, predictions and its own change; ILF3 to MRPL12 on ChIP, EMSA and a reporter."""
    table = pd.concat([ILF3, changes(FOSL2=(1.0, 1e-3), AKR1B1=(2.0, 1e-6))], ignore_index=True)
    out = m.regulators(table, genes=["MRPL12", "AKR1B1"])
    said = m.regulator_claims(out).set_index("entity")["claim"]
    assert (
        "(starter: promoter motif (CAGTGACTCAT); target predictions; regulator up in resistant lines)" in said["FOSL2"]
    )
    assert "(starter: ChIP; EMSA; luciferase reporter" in said["ILF3"]
    own = m.regulators(table, regulons=pd.DataFrame({"tf": ["ILF3"], "target": ["MRPL12"], "weight": [1.0]}),
                       genes=["MRPL12"]).set_index("tf")  # fmt: skip
    assert (own.loc["ILF3", "edge_source"], own.loc["ILF3", "edge_basis"]) == ("own", "")


def test_regulons_alone_cannot_name_fosl2_as_a_regulator_of_akr1b1(shared):
    """CollecTRI knows ten regulators of AKR1B1 and not FOSL2, which is there for what a study published."""
    known = pd.read_csv(shared / "data/omics/networks/collectri.csv.gz")
    mine = known.loc[known["target"] == "AKR1B1", "source"]
    assert mine.nunique() == 10 and "FOSL2" not in set(mine)
    net = known.rename(columns={"source": "tf"})[["tf", "target", "weight"]]
    own = changes(**dict.fromkeys([*mine, "FOSL2"], (0.5, 0.01)))
    out = m.regulators(pd.concat([own, changes(AKR1B1=(2.0, 1e-6))]), regulons=net, genes=["AKR1B1"]).set_index("tf")
    assert len(out) == 11 and set(out["edge_source"].drop("FOSL2")) == {"own"}
    assert out.loc["FOSL2", "edge_source"] == "starter" and "promoter motif" in out.loc["FOSL2", "edge_basis"]


# --- hints of modification ---


def test_hints_name_who_modifies_a_factor_and_unknown_stays_unknown():
    out = m.regulators(pd.concat([ILF3, changes(FOSL2=(1.0, 1e-3), AKR1B1=(2.0, 1e-6))]), genes=["MRPL12", "AKR1B1"])
    hints = m.regulator_hints(out, ILF3)
    ilf3 = hints[hints["tf"] == "ILF3"].set_index("writer")
    assert set(ilf3.index) == {"CREBBP", "KAT2A"} and set(ilf3["modification"]) == {"acetylation of K100"}
    assert ilf3.loc["KAT2A", "writer_log2fc"] == 0.4 and np.isnan(ilf3.loc["CREBBP", "writer_log2fc"])
    assert "PMC11321631" in ilf3.loc["KAT2A", "source"] and set(hints["level"]) == {"knowledge"}
    fosl2 = hints[hints["tf"] == "FOSL2"].iloc[0]
    assert (fosl2["modification"], fosl2["writer"]) == ("unknown", "") and "does not say" in fosl2["reason"]
    claims = evidence.check(m.hint_claims(hints))
    assert (
        set(claims["level"]) == {"knowledge"}
        and claims["p_value"].isna().all()
        and "FOSL2" not in set(claims["entity"])
    )
    said = claims.loc[claims["entity"] == "ILF3", "claim"].iloc[0]
    assert "not shown to change here, and need not" in said and "CREBBP not measured here" in said
    assert "was not measured" in said
    pd.testing.assert_frame_equal(hints, m.regulator_hints(out.iloc[::-1], ILF3.iloc[::-1]))


def test_fosl2_and_ilf3_are_told_with_their_very_different_weights():
    """FOSL2's matrix hit is rarer than chance; CTGTT is what chance gives, and its sentence sends for the bench."""
    from rechallenge.regulators import motifs as scan

    rng = np.random.default_rng(5)
    dna = ["".join(rng.choice(list("ACGT"), n)) for n in (2189, 695)]
    promoters = pd.DataFrame(
        {"name": ["AKR1B1", "MRPL12"], "sequence": ["CAGTGACTCAT" + dna[0], "CTGTT" + dna[1]], "tss": [2001.0, 501.0],
         "about": ["", ""]}
    )  # fmt: skip
    if "MA0478.2" not in scan.matrices():
        pytest.skip("needs JASPAR matrices")
    hits = scan.motifs(promoters, factors=("MA0478.2",), words=("CTGTT",))
    said = scan.motif_claims(hits)
    fosl2 = said[(said["entity"] == "FOSL2") & said["contrast"].str.contains("AKR1B1")]["claim"].iloc[0]
    ctgtt = said[(said["entity"] == "CTGTT") & said["contrast"].str.contains("MRPL12")]["claim"].iloc[0]
    assert "rarer than chance" in fosl2 and "says nothing by itself" not in fosl2
    assert "says nothing by itself; a mutated site in a reporter and ChIP would" in ctgtt and "0.74" in ctgtt
    site = hits[(hits["gene"] == "AKR1B1") & (hits["score"].sub(14.765).abs() < 1e-3)].iloc[0]
    assert site["verdict"] == "rarer than chance" and site["expected_by_chance"] == pytest.approx(0.05, abs=0.005)
    # only the first makes a candidate by itself
    table = changes(AKR1B1=(2.0, 1e-6), FOSL2=(1.0, 1e-3), MRPL12=(1.6, 1e-6), ILF3=(0.1, 0.6))
    out = m.regulators(table, motifs=hits, genes=["AKR1B1", "MRPL12"]).set_index(["gene", "tf"])
    assert out.loc[("AKR1B1", "FOSL2"), "motif"] == "rarer than chance"
    assert out.loc[("MRPL12", "ILF3"), "motif"] in ("no hit", "not measured")
