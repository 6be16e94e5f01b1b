"""What moves a gene's product, as claims: with the sign that was measured, and without a word on the response."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rechallenge.assays import elisa, measurements, qpcr
from rechallenge.assays.measurements.findings import product_of
from rechallenge.evidence import AMOUNT, check
from rechallenge.integration import links
from rechallenge.simulate import celastrol
from rechallenge.simulate.streams import readouts

MODELS = pd.DataFrame({"model": ["LR"], "role": ["resistant"], "parent": [""], "selected_with": ["sorafenib"]})


def neutral(claims: pd.DataFrame) -> pd.DataFrame:
    """The claims, which say nothing of the response."""
    assert check(claims)["direction"].eq(0).all() and claims["effect_unit"].str.startswith(AMOUNT).all()
    assert links.function(claims, str(claims["entity"].iloc[0]), 1).state == links.UNTESTED
    return claims


def test_a_transcript_under_the_knock_down_of_its_regulator() -> None:
    arms = {("LR", "siNC"): {"AKR1B1": 0.0, "FOSL2": 0.0}, ("LR", "siFOSL2"): {"AKR1B1": -1.0, "FOSL2": -2.0}}
    table = readouts.cycles(arms, 4, np.random.default_rng(1)).assign(_file="q.csv", _row=1)
    claims = neutral(qpcr.qpcr_moved_claims(qpcr.qpcr(table, MODELS)["qpcr"]))
    assert claims["entity"].tolist() == ["AKR1B1"]  # that a knock-down lowers its own gene is no finding
    assert "AKR1B1 transcript: falls with siFOSL2 against siNC" in claims["claim"].iloc[0]
    assert links.control(claims, "FOSL2", "AKR1B1", 1).state == links.HERE
    assert links.control(claims, "FOSL2", "AKR1B1", -1).state == links.CONTRADICTED


def test_a_secreted_factor_under_a_drug_beside_the_therapy() -> None:
    table = celastrol.elisa(seed=0, replicates=4).assign(_file="e.csv", _sheet="")
    table["_row"] = range(2, len(table) + 2)
    made = elisa.elisa(table, MODELS)["elisa_comparisons"]
    claims = neutral(elisa.elisa_moved_claims(made)).set_index("contrast")
    low, high = (claims.loc[f"sorafenib 4 µM + {dose} vs sorafenib 4 µM"] for dose in (celastrol.LOW, celastrol.HIGH))
    assert "falls" in low["claim"] and "no change shown" in high["claim"]
    both = claims.reset_index()
    assert links.moves(both, "celastrol", "IL6", -1).state == links.HERE
    assert links.moves(both, "sorafenib", "IL6", 1).state == links.HERE


def test_a_phosphoprotein_under_a_knock_down() -> None:
    rng = np.random.default_rng(2)
    arms = [("p-STAT3", "ratio to STAT3", "", {"siNC": 1.0, "siCAV1": 0.4}),
            ("ROS", "fold of untreated", "", {"siNC": 1.0, "siCAV1": 2.0})]  # fmt: skip
    table = readouts.table_of(readouts.groups_of(arms, "LR", "CAV1", 4, rng)).assign(_file="m.csv", _row=1)
    claims = neutral(measurements.moved_claims(measurements.comparisons(table, MODELS)["comparisons"]))
    assert claims["entity"].tolist() == ["STAT3"] and "p-STAT3: falls" in claims["claim"].iloc[0]
    name, sign, link = links.modified(claims, "CAV1")[0]
    assert (name, sign, link.state) == ("p-STAT3", 1, links.HERE)
    assert links.control(claims, "CAV1", "STAT3", 1).state == links.HERE


@pytest.mark.parametrize(
    ("assay", "gene"),
    [("p-STAT3", "STAT3"), ("p-P70S6K", "RPS6KB1"), ("MRPL12 western", "MRPL12"), ("ILF3 K100 acetylation", "ILF3"),
     ("ROS", ""), ("GSH", ""), ("Annexin V positive", ""), ("Lipid droplets per cell", ""), ("p-value", "")],
)  # fmt: skip
def test_read_outs_that_are_a_gene_s_product(assay: str, gene: str) -> None:
    assert product_of(assay) == gene
