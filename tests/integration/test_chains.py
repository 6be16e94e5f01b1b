"""Chains, drugs to repurpose and the next experiment from the claims of two small studies."""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rechallenge import evidence
from rechallenge.faults import NotApplicable
from rechallenge.integration import links
from rechallenge.integration import next_experiment as planning
from rechallenge.integration.candidates import candidates
from rechallenge.integration.chain_figure import chain_figure
from rechallenge.integration.chains import CHANGES, CONTROLS, ENGAGES, IN_PATIENTS, MATTERS, RESTORES, chains
from rechallenge.integration.drugs import drugs
from rechallenge.integration.next_experiment import next_experiment
from rechallenge.integration.repurposing import repurposing
from rechallenge.report.theme import export

_spec = importlib.util.spec_from_file_location("integration_claims", Path(__file__).with_name("claims.py"))
assert _spec is not None and _spec.loader is not None
made = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(made)
THERAPIES = pd.DataFrame({"therapy": ["sorafenib", "lenvatinib"]})


@lru_cache(maxsize=4)
def case(name: str) -> dict[str, pd.DataFrame]:
    """Everything from the claims of a small study."""
    return told(getattr(made, name)())


def told(claims: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Everything from claims."""
    ranked = candidates(claims, n_permutations=50, n_draws=4)
    found = drugs(claims, THERAPIES)
    useful = repurposing(ranked["candidates"], found)
    return {
        "evidence": claims, **ranked, "drugs": found, "repurposing": useful,
        "chains": chains(claims, ranked["candidates"], useful, found),
        "next": next_experiment(claims, ranked["candidates"], ranked["candidate_terms"]),
    }  # fmt: skip


def one(gene: str, direction: int = 1) -> pd.DataFrame:
    """A table of candidates with a single gene."""
    return pd.DataFrame([{"rank": 1, "entity": gene, "entity_type": "gene", "direction": direction, "score": 1.0}])


def chain_of(tables: dict[str, pd.DataFrame], gene: str) -> pd.DataFrame:
    """The links of one candidate's chain by kind."""
    found = tables["chains"]
    return found[found["candidate"] == gene].set_index("kind")


def test_lefamulin_reaches_mrpl12_through_ilf3():
    tables = case("lefamulin")
    mine = chain_of(tables, "MRPL12")
    assert list(mine.index) == [ENGAGES, CONTROLS, CHANGES, MATTERS, IN_PATIENTS, RESTORES]
    assert mine.loc[ENGAGES, ["source", "target"]].tolist() == ["lefamulin", "ILF3"]
    assert mine.loc[CONTROLS, ["source", "target", "sign"]].tolist() == ["ILF3", "MRPL12", 1]
    assert (mine["state"].isin(links.MEASURED)).all()
    assert (mine["weakest"] == "yes").sum() == 1
    assert mine["chain_strength"].iloc[0] == pytest.approx(mine["strength"].min())
    assert mine["summary"].iloc[0].startswith("lefamulin → ILF3 → MRPL12 → resistance → patients: 6 of 6 links")


def test_every_claim_behind_a_link_is_a_row_of_the_evidence_about_it():
    tables = case("lefamulin")
    for row in tables["chains"].to_dict("records"):
        for number in filter(None, row["claims"].split(", ")):
            claim = tables["evidence"].loc[int(number) - 2]
            text = f"{claim['entity']} {claim['contrast']} {claim['claim']}"
            assert row["source"] in text or row["target"] in text


def test_a_driver_whose_expression_does_not_change_wins_through_intervention_and_engagement():
    tables = case("lefamulin")
    first = tables["candidates"].head(2)
    assert set(first["entity"]) == {"MRPL12", "ILF3"}
    mine = chain_of(tables, "ILF3")
    assert mine.loc[CHANGES, "state"] == links.NOT_SHOWN
    assert mine.loc[ENGAGES, "state"] == mine.loc[MATTERS, "state"] == links.HERE
    terms = tables["candidate_terms"].set_index(["entity", "family"])["term"]
    assert terms["ILF3", "intervention"] > 1 > terms["ILF3", "resistant cells"]


def test_engagement_counts_only_for_a_drug_that_restores_sensitivity():
    claims = case("lefamulin")["evidence"]
    without = claims[claims["entity_type"] != "pair"].reset_index(drop=True)
    before = case("lefamulin")["candidate_terms"].set_index(["entity", "family"])["n_claims"]
    after = candidates(without, n_permutations=5, n_draws=2)["candidate_terms"].set_index(["entity", "family"])
    assert before["ILF3", "intervention"] == after["n_claims"]["ILF3", "intervention"] + 1


def test_epalrestat_reaches_akr1b1_that_fosl2_controls():
    mine = chain_of(case("epalrestat"), "AKR1B1")
    assert mine["drug"].iloc[0] == "epalrestat"
    assert mine.loc[ENGAGES, "state"] == links.CURATED
    assert mine.loc[CONTROLS, ["source", "target", "state"]].tolist() == ["FOSL2", "AKR1B1", links.CURATED]
    assert mine.loc[RESTORES, "state"] == links.HERE
    assert np.isnan(mine.loc[ENGAGES, "strength"])  # a curated link has no strength


def test_a_link_that_is_shown_the_other_way_is_contradicted():
    claims = case("epalrestat")["evidence"].copy()
    at = (claims["entity"] == "AKR1B1") & (claims["stream"] == "measurements")
    claims.loc[at, "direction"] = -1
    assert links.function(claims, "AKR1B1", 1).state == links.CONTRADICTED
    assert links.function(claims[~at], "AKR1B1", 1).state == links.UNTESTED


def test_public_cohorts_are_told_from_own_patients():
    claims = case("epalrestat")["evidence"]
    public = claims[claims["model"] == "TCGA-LIHC"]
    assert links.patients(public, "AKR1B1", 1).state == links.PUBLIC
    assert links.patients(claims[claims["model"] != "TCGA-LIHC"], "AKR1B1", 1).state == links.HERE


def test_the_figure_draws_each_link_and_can_be_exported():
    tables = case("lefamulin")
    files = export("chains", chain_figure(tables["chains"]))
    drawn = pd.read_csv(pd.io.common.BytesIO(files["csv"]))
    assert {"lefamulin", "ILF3", "MRPL12"} <= set(drawn["source"].dropna())
    assert b"resistant cells" in files["svg"]
    assert chain_figure(tables["chains"].head(0)) is None


def test_no_candidate_no_chain():
    with pytest.raises(NotApplicable):
        chains(evidence.empty(), one("AKR1B1").head(0))
    with pytest.raises(NotApplicable):
        next_experiment(evidence.empty(), one("AKR1B1").head(0), pd.DataFrame())


def test_the_approved_inhibitor_comes_before_the_withdrawn_one():
    found = repurposing(one("AKR1B1"))
    order = found.set_index("drug")["rank"]
    assert order["epalrestat"] < order["tolrestat"]
    row = found.set_index("drug").loc["tolrestat"]
    assert row["right_direction"] == "yes" and "withdrawn" in row["marks"]
    assert found.iloc[0]["drug"] == "epalrestat" and found.iloc[0]["status"] == "approved"


@pytest.mark.parametrize(
    ("gene", "expected"),
    [
        ("CAV1", {"AXL", "FGFR4", "hsa-miR-7-5p"}),
        ("MRPL12", {"ILF3", "KAT2A", "CREBBP"}),
    ],
)
def test_a_gene_that_no_drug_reaches_leads_to_its_neighbours(gene: str, expected: set[str]):
    found = repurposing(one(gene))
    assert expected <= set(found["acts_on"])
    reached = set(found.loc[found["drug"] != "", "acts_on"])
    assert expected - {"hsa-miR-7-5p"} <= reached
    own = found[found["acts_on"] == gene]
    assert own["drug"].tolist() == [""] and own["summary"].iloc[0].endswith("no drug is known to these tables.")


def test_the_way_to_push_follows_the_direction_of_the_candidate_and_of_the_edge():
    found = repurposing(one("CAV1")).drop_duplicates("acts_on").set_index("acts_on")["needed"]
    assert found["AXL"] == "lower" and found["hsa-miR-7-5p"] == "raise"
    low = repurposing(one("AKR1B1", direction=-1))
    assert (low.loc[low["drug"] == "epalrestat", "right_direction"] == "no").all()


def test_what_nobody_knows_is_unknown_and_not_no():
    row = repurposing(one("CAV1")).set_index("drug").loc["bemcentinib"]
    assert row["achievable"] == "unknown" and row["tested_here"] == "not tested"
    assert repurposing(one("MRPL12")).set_index("drug").loc["lefamulin", "right_direction"] == "unknown"


def test_drugs_of_the_study_that_reach_no_candidate_are_listed_last():
    tables = case("lefamulin")
    found = repurposing(one("CAV1"), tables["drugs"])
    last = found.iloc[-1]
    assert last["drug"] == "lefamulin" and last["relation"] == "own screen" and last["candidate"] == ""
    assert last["tested_here"] == "restores sensitivity"


def test_the_next_experiment_is_on_an_untested_or_weakest_link_and_has_a_design():
    tables = case("epalrestat")
    found = tables["next"]
    assert found["expected_change"].is_monotonic_decreasing
    first = found[found["status"] == "estimated"].iloc[0]
    assert first["n_per_group"] >= 3 and first["controls"] and first["rank_if_shown"] <= first["rank_if_not"]
    assert (found["score_if_shown"] >= found["score_if_not"]).all()
    typed = found[found["status"] == "not_estimable"]
    assert len(typed) and typed["n_per_group"].isna().all() and (typed["reason"] != "").all()
    measured = set(tables["candidate_terms"].query("entity == 'AKR1B1' and z > 3")["family"])
    assert not measured & set(found.loc[(found["candidate"] == "AKR1B1") & (found["state"] == "weak"), "family"])


def test_numbers_per_group_give_the_power_they_promise():
    rng = np.random.default_rng(0)
    sd, effect = 1.0, 1.2
    n = 8  # an earlier experiment: four against four
    se = sd * np.sqrt(2 / 4)
    from rechallenge.integration.next_experiment import _total

    group = int(np.ceil(_total(effect, se, n, 0.8, 0.05) / 2))
    a = rng.normal(0, sd, (4000, group))
    b = rng.normal(effect, sd, (4000, group))
    from scipy import stats

    power = float((stats.ttest_ind(a, b, axis=1).pvalue < 0.05).mean())
    assert 0.77 < power < 0.90


def test_all_of_it_is_deterministic_and_ignores_the_order_of_claims():
    claims = case("lefamulin")["evidence"]
    again = told(evidence.join([claims.sample(frac=1, random_state=1)]))
    for name in ("chains", "repurposing", "next"):
        pd.testing.assert_frame_equal(again[name], case("lefamulin")[name])


def test_a_study_without_a_claim_of_a_drug_has_links_not_tested() -> None:
    """No claim at all about drugs or regulators is no fault: those links are not tested."""
    none = evidence.empty()
    assert links.restoration(none, "epalrestat").state == links.UNTESTED
    assert links.control(none, "FOSL2", "AKR1B1", 1).state in (links.CURATED, links.UNTESTED)
    assert links.engagement(none, "epalrestat", "AKR1B1", "").state == links.UNTESTED


def test_an_experiment_on_the_response_is_sized_by_shifts_of_the_response() -> None:
    """Thermal shifts and reporters are effects too, and say nothing of how many replicates a dose response needs."""
    row = {
        "level": "intervention",
        "entity_type": "gene",
        "status": "estimated",
        "p_value": 1e-4,
        "q_value": 1e-3,
        "n": 6,
    }
    made_up = pd.DataFrame(
        [
            {**row, "stream": "dose_response", "analysis": "perturbation_shift", "effect": -1.2, "se": 0.3,
             "effect_unit": "log2 ratio of IC50"},
            {**row, "stream": "thermal_shift", "analysis": "thermal_shift", "level": "engagement",
             "effect": 0.08, "se": 0.01, "effect_unit": "fraction soluble"},
            {**row, "stream": "reporter", "analysis": "reporter", "effect": 1.5, "se": 0.2,
             "effect_unit": "log2 luciferase ratio"},
        ]
    )  # fmt: skip
    assert planning._alike(made_up, "intervention")["effect_unit"].tolist() == ["log2 ratio of IC50"]
    bare = planning._alike(made_up[made_up["stream"] != "dose_response"], "intervention")
    assert bare.empty
    assert len(planning._alike(made_up, "resistant cells")) == 3


def test_binding_alone_does_not_say_what_a_drug_does() -> None:
    """Epalrestat is known to inhibit AKR1B1; of lefamulin it is known that it binds ILF3."""
    assert chain_of(case("epalrestat"), "AKR1B1").loc[ENGAGES, "action"].startswith("inhibitor")
    assert chain_of(case("lefamulin"), "ILF3").loc[ENGAGES, "action"].startswith("binder")
