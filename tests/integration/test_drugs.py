"""The table of drugs: what claims of which kind make of a drug, in which order, and what stays unknown."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from rechallenge.evidence import claim_table, empty
from rechallenge.faults import NotApplicable
from rechallenge.integration import drugs as module
from rechallenge.integration.drugs import drugs
from rechallenge.outputs import SUMMARIES

THERAPIES = pd.DataFrame({"therapy": ["sorafenib"]})


def claim(entity: str, direction: int, **more: Any) -> dict[str, Any]:
    q = more.pop("q", 0.001)
    return {
        "entity": entity, "entity_type": "pair" if " + " in entity else "drug", "stream": "schedule",
        "level": "intervention", "model": "HepG2 SR", "contrast": f"{entity} vs vehicle", "direction": direction,
        "effect": float(direction), "p_value": q, "q_value": q, "n": 4, "status": "estimated",
        "claim": f"{entity} does {direction}.", **more,
    }  # fmt: skip


def table(*rows: dict[str, Any], **more: Any) -> pd.DataFrame:
    return drugs(claim_table(rows), THERAPIES, **more).set_index("drug")


def test_findings_and_their_order() -> None:
    out = table(
        claim("zileuton", -1),
        claim("lefamulin", -1), claim("lefamulin", -1, stream="screen", contrast="synergy: lefamulin 10 µM"),
        claim("celastrol", -1), claim("celastrol + sorafenib", 1, stream="combination", contrast="antagonism: low"),
        claim("epalrestat", -1, level="association", stream="dose_response"),
        claim("aspirin", 0, q=0.8),
        claim("gefitinib", 1, level="association", stream="dose_response"),
        claim("metformin", 1),
        claim("sorafenib", 1, level="association", stream="dose_response"),
        claim("AKR1B1", 1) | {"entity_type": "gene"},
    )  # fmt: skip
    assert out["finding"].to_dict() == {
        "lefamulin": module.RESTORES, "zileuton": module.RESTORES, "celastrol": module.DISPUTED,
        "epalrestat": module.LEAD, "aspirin": module.NOTHING, "gefitinib": module.RESISTED,
        "metformin": module.OPPOSES, "sorafenib": module.RESISTED,
    }  # fmt: skip
    assert out.index[0] == "lefamulin" and out.index[-1] == "sorafenib", "the therapy itself comes last"
    assert out["rank"].tolist() == list(range(1, 9)) and out.loc["sorafenib", "therapy"] == "yes"
    assert set(SUMMARIES["drugs"]) <= {*out.columns, "drug"}


def test_an_untested_lead_is_no_restoration() -> None:
    out = table(claim("a", -1, status="not_testable", q=0.001), claim("b", -1, q=0.2))
    assert out["finding"].eq(module.LEAD).all()
    bound = claim("c", -1, status="censored", effect=None, p_value=None, q_value=None)
    assert table(bound).loc["c", "finding"] == module.RESTORES


def test_properties_stay_apart() -> None:
    out = table(
        claim("celastrol", -1, contrast="celastrol 0.2 µM vs vehicle before sorafenib 4 µM"),
        claim("celastrol + sorafenib", -1, stream="combination", contrast="synergy: celastrol at 2 to 8 µM"),
        claim("celastrol + sorafenib", 0, stream="combination", contrast="selectivity: HepG2 vs L02", effect=-8.0,
              effect_unit="% of inhibition, gain over HSA", claim="adds less (toxic to normal cells)"),
        exposures=pd.DataFrame({"drug": ["celastrol"], "quantity": ["cmax_total"], "value": ["0.2"]}),
    ).loc["celastrol"]  # fmt: skip
    assert (out["reverses"], out["synergistic"], out["selective"]) == ("yes", "yes", "no")
    assert (out["dose_um"], out["achievable"], out["cmax_um"]) == (0.2, "total only", 0.2)
    assert out["toxicity"] == "toxic to normal cells here (selectivity: HepG2 vs L02)" or "liver" in out["toxicity"]
    bare = table(claim("some new compound", -1)).iloc[0]
    assert bare[["targets", "approved", "achievable", "toxicity"]].eq("unknown").all()
    assert (bare["synergistic"], bare["selective"]) == ("not tested", "not tested")
    assert pd.isna(bare["cmax_um"]) and pd.isna(bare["dose_um"])


def test_one_drug_in_several_spellings_is_one() -> None:
    out = table(claim("Epalrestat", -1), claim("epalrestat", -1, stream="combination"))
    assert len(out) == 1 and out.iloc[0]["n_claims"] == 2 and out.iloc[0]["targets"] == "AKR1B1"
    assert out.iloc[0]["approved"].startswith("approved")


def test_nothing_about_drugs_is_not_applicable() -> None:
    with pytest.raises(NotApplicable):
        drugs(empty(), THERAPIES)
    with pytest.raises(NotApplicable):
        drugs(claim_table([claim("AKR1B1", 1) | {"entity_type": "gene"}]), THERAPIES)


def test_rows_have_no_order() -> None:
    rows = [claim("b", -1), claim("a", -1), claim("a", 1, stream="combination"), claim("c", 0)]
    one, two = (drugs(claim_table(r), THERAPIES) for r in (rows, rows[::-1]))
    pd.testing.assert_frame_equal(one, two)
