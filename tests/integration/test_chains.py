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
from rechallenge.integration.chains import (
    CHANGES,
    CONTROLS,
    ENGAGES,
    IN_PATIENTS,
    MATTERS,
    MOVES,
    PRODUCES,
    RESTORES,
    SECOND,
    chains,
)
from rechallenge.integration.drugs import drugs
from rechallenge.integration.network import neighbours
from rechallenge.integration.next_experiment import next_experiment
from rechallenge.integration.patients import patients
from rechallenge.integration.perturbations import perturbation
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
    assert list(mine.index) == [ENGAGES, SECOND, CONTROLS, CHANGES, MATTERS, IN_PATIENTS, RESTORES]
    assert mine.loc[ENGAGES, ["source", "target"]].tolist() == ["lefamulin", "ILF3"]
    assert mine.loc[CONTROLS, ["source", "target", "sign"]].tolist() == ["ILF3", "MRPL12", 1]
    assert (mine.drop(index=SECOND)["state"].isin(links.MEASURED)).all()
    assert mine.loc[SECOND, ["source", "target", "state"]].tolist() == ["CREBBP", "ILF3", links.CURATED]
    assert (mine["weakest"] == "yes").sum() == 1
    assert mine["chain_strength"].iloc[0] == pytest.approx(mine["strength"].min())
    assert mine["summary"].iloc[0].startswith("lefamulin → ILF3 → MRPL12 → resistance → patients: 6 of 7 links")
    assert mine["summary"].iloc[0].endswith("; above ILF3: CREBBP.")


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
    assert mine.loc[ENGAGES, "state"] == links.HERE
    matters = mine.loc[[MATTERS]].set_index("source")["state"].to_dict()  # its effector is in its chain
    assert matters == {"MRPL12": links.HERE, "ILF3": links.HERE}
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
    turned = links.function(claims, "AKR1B1", 1)
    assert turned.state == links.CONTRADICTED and turned.said.startswith("0 for it, 1 against it")
    assert links.function(claims[~at], "AKR1B1", 1).state == links.UNTESTED


def test_public_cohorts_are_told_from_own_patients():
    claims = case("epalrestat")["evidence"]
    public = claims[claims["model"] == "TCGA-LIHC"]
    assert patients(public, "AKR1B1", 1).state == links.PUBLIC
    assert patients(claims[claims["model"] != "TCGA-LIHC"], "AKR1B1", 1).state == links.HERE


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


def test_every_inhibitor_of_every_enzyme_can_be_listed():
    """Some drugs are named by the table of inhibitors alone: what else there is to know of them is unknown."""
    from rechallenge.knowledge import tables

    genes = sorted({str(g) for g in tables.table("enzyme_inhibitors")["gene"]})
    assert "HMGCR" in genes
    found = pd.concat([repurposing(one(gene)) for gene in genes], ignore_index=True)
    row = found[(found["drug"] == "bezafibrate") & (found["candidate"] == "HMGCR")].iloc[0]
    assert row["achievable"] == "unknown" and np.isnan(row["cmax_um"])


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


def amount(entity: str, z: float, contrast: str, *, stream: str = "qpcr", what: str = "qPCR") -> dict[str, object]:
    """A claim of the amount of a gene's product under something."""
    row = made.one(entity, stream, "intervention", z, direction=0, contrast=contrast, claim=f"{entity}: {contrast}")
    return {**row, "effect_unit": f"{evidence.AMOUNT} (log2), {what}", "analysis": "comparisons"}


def table(*rows: dict[str, object]) -> pd.DataFrame:
    return evidence.claim_table(list(rows))


@pytest.mark.parametrize(
    ("z", "contrast", "sign", "state"),
    [
        (-5.0, "siFOSL2 vs siNC", 1, links.HERE),  # an activator that was lowered: its gene falls
        (5.0, "FOSL2 OE vs vector", 1, links.HERE),
        (5.0, "siFOSL2 vs siNC", 1, links.CONTRADICTED),  # the gene rises: it is a repressor
        (5.0, "siFOSL2 vs siNC", -1, links.HERE),
        (-5.0, "FOSL2 OE vs vector", -1, links.HERE),
        (-5.0, "siFOSL2 vs siNC", -1, links.CONTRADICTED),
        (-0.5, "siFOSL2 vs siNC", 1, links.NOT_SHOWN),
    ],
)
def test_a_regulator_is_read_with_the_sign_of_what_was_done_and_seen(z, contrast, sign, state):
    rows = table(amount("AKR1B1", z, contrast))
    assert links.control(rows, "FOSL2", "AKR1B1", sign).state == state
    assert links.measured_sign(rows, "FOSL2", "AKR1B1") == (0 if state == links.NOT_SHOWN else int(
        np.sign(z)) * (1 if "OE" in contrast else -1))  # fmt: skip


def test_an_activator_has_to_rise_with_its_gene_and_a_repressor_to_fall():
    def rises(direction: int) -> pd.DataFrame:
        row = made.one("TFX", "tf_activity", "association", 4.0 * direction, kind="regulator", analysis="regulators",
                       contrast="LR vs P (rna), GENEX")  # fmt: skip
        return table(row)

    # the gene is high in resistant cells (direction +1)
    assert links.control(rises(1), "TFX", "GENEX", 1, 1).state == links.INFERRED
    assert links.control(rises(-1), "TFX", "GENEX", 1, 1).state == links.CONTRADICTED
    assert links.control(rises(-1), "TFX", "GENEX", -1, 1).state == links.INFERRED
    assert links.control(rises(1), "TFX", "GENEX", -1, 1).state == links.CONTRADICTED


def built(gene: str, *rows: dict[str, object], found: pd.DataFrame | None = None) -> pd.DataFrame:
    """The chain of one gene that is held to be high in resistance."""
    first = one(gene).assign(tier=3)
    return chains(table(*rows), first, repurposing(first), found)


def test_a_microrna_is_a_link_whatever_the_study_calls_it():
    seed = made.one("hsa-miR-7-5p", "mirna", "association", 1.0, kind="regulator", contrast="UTR of CAV1",
                    claim="hsa-miR-7-5p has a seed site in the UTR of CAV1: rarer than chance.")  # fmt: skip
    seed |= {"level": "knowledge", "p_value": np.nan, "q_value": np.nan, "status": "not_testable", "direction": 0}
    chain = built("CAV1", seed)
    step = chain[(chain["kind"] == CONTROLS) & (chain["target"] == "CAV1")].iloc[0]
    assert (step["source"], step["sign"], step["source_kind"]) == ("hsa-miR-7-5p", -1, "microRNA")
    assert step["state"] == links.CURATED and step["claims"] == "2"
    assert "hsa-miR-7-5p ⊣ CAV1" in chain["summary"].iloc[0]
    mimic = built("CAV1", seed, amount("CAV1", -5.0, "miR-7 mimic vs control mimic"))
    step = mimic[(mimic["kind"] == CONTROLS) & (mimic["target"] == "CAV1")].iloc[0]
    assert step["state"] == links.HERE and step["source"] == "hsa-miR-7-5p"
    other = built("CAV1", seed, amount("CAV1", -5.0, "miR-71 mimic vs control mimic"))
    assert other[(other["kind"] == CONTROLS) & (other["target"] == "CAV1")].iloc[0]["state"] == links.CURATED


def test_metabolites_and_phosphoproteins_are_links_that_make_no_chain_stronger_or_weaker():
    sorbitol = made.one("sorbitol", "metabolome", "association", 3.0, kind="metabolite", contrast="LR vs P")
    rows = [
        made.one("AKR1B1", "expression", "association", 6.0, analysis="rna_differential"),
        sorbitol,
        amount("STAT3", -2.5, "siAKR1B1 vs siNC", stream="measurements", what="p-STAT3"),
    ]
    chain = built("AKR1B1", *rows)
    made_ = chain[chain["kind"] == PRODUCES].set_index("target")
    assert made_.loc["sorbitol", ["state", "target_kind"]].tolist() == [links.INFERRED, "metabolite"]
    assert made_.loc["p-STAT3", ["state", "sign", "target_kind"]].tolist() == [links.HERE, 1, "protein"]
    assert chain["chain_strength"].iloc[0] == pytest.approx(6.0, abs=1e-6)  # not the 2.5 of p-STAT3
    tracer = dict(sorbitol, level="intervention", effect=-1.0, contrast="siAKR1B1 vs siNC")
    assert links.metabolite(table(tracer), "AKR1B1", "sorbitol", 1, 1).state == links.HERE
    falls = dict(sorbitol, effect=-1.0, direction=-1)
    assert links.metabolite(table(falls), "AKR1B1", "sorbitol", 1, 1).state == links.CONTRADICTED


def test_a_second_step_upstream_is_marked_and_has_the_sign_of_both():
    two = {n.name: n for n in neighbours("AKR1B1")}["CTNNB1"]
    assert (two.relation, two.via, two.sign) == ("regulator of a regulator", "FOSL2", 1)
    assert two.path == "CTNNB1 → FOSL2 → AKR1B1"
    assert [n.relation for n in neighbours("MRPL12") if n.name == "KAT2A"] == ["regulator"]  # it is a direct one too
    chain = built("AKR1B1", made.one("AKR1B1", "expression", "association", 6.0, analysis="rna_differential"))
    step = chain[chain["kind"] == SECOND].iloc[0]
    assert (step["source"], step["target"], step["state"]) == ("CTNNB1", "FOSL2", links.CURATED)
    measured = built(
        "AKR1B1",
        made.one("AKR1B1", "expression", "association", 6.0, analysis="rna_differential"),
        amount("FOSL2", -2.2, "siCTNNB1 vs siNC"),
    )
    assert measured[measured["kind"] == SECOND].iloc[0]["state"] == links.HERE
    assert measured["chain_strength"].iloc[0] == pytest.approx(2.2, abs=1e-6)  # never above its weakest link


def clinic(stream: str, z: float, model: str, *, settled: bool = True, **more: object) -> dict[str, object]:
    """A clinical claim: a positive z is more of the gene with the worse outcome."""
    row = made.one("CAV1", stream, "clinical", z, model=model, analysis=stream, **more)
    effect = z if stream == "survival" else -z  # log hazard ratio; AUC - 0.5, higher in responders
    return {**row, "effect": effect, "direction": int(np.sign(z)) if settled else 0}


def test_all_cohorts_and_outcomes_count_and_what_speaks_against_is_said():
    one_only = patients(table(clinic("response", 4.0, "A")), "CAV1", 1)
    assert one_only.state == links.HERE and one_only.strength == pytest.approx(4.0, abs=1e-6)
    both = patients(table(clinic("response", 4.0, "A"), clinic("survival", 3.0, "B, C")), "CAV1", 1)
    assert both.strength == pytest.approx(7.0 / np.sqrt(2), abs=1e-6) and both.n_for == 2
    # one cohort speaks once, whatever was asked of it
    same = patients(table(clinic("response", 4.0, "A"), clinic("survival", 3.0, "A, C")), "CAV1", 1)
    assert same.strength == pytest.approx(3.5, abs=1e-6)
    weak = patients(table(clinic("response", 4.0, "A"), clinic("survival", -1.0, "B", settled=False)), "CAV1", 1)
    assert weak.state == links.HERE and weak.strength == pytest.approx(3.0 / np.sqrt(2), abs=1e-6)
    assert "survival" in weak.said and "not shown in B" in weak.said
    turned = patients(table(clinic("response", 3.0, "A"), clinic("survival", -4.0, "B")), "CAV1", 1)
    assert turned.state == links.CONTRADICTED and (turned.n_for, turned.n_against) == (1, 1)
    assert "against it in B" in turned.said
    cells = made.one("CAV1", "cell_association", "clinical", 2.0, direction=0, model="patients",
                     contrast="recurrence vs no recurrence")  # fmt: skip
    mixed = patients(table(clinic("response", 4.0, "A"), {**cells, "effect": 1.0}), "CAV1", 1)
    assert mixed.strength == pytest.approx(3.0, abs=1e-6)  # they may be patients of A
    nothing = patients(table(clinic("response", 1.0, "A", settled=False)), "CAV1", 1)
    assert nothing.state == links.NOT_SHOWN


@pytest.mark.parametrize(
    ("contrast", "effect", "state"),
    [("recurrence vs no recurrence", 1.0, links.HERE), ("no recurrence vs recurrence", -1.0, links.HERE),
     ("recurrence vs no recurrence", -1.0, links.NOT_SHOWN), ("HBV vs HCV", 1.0, links.UNTESTED)],
)  # fmt: skip
def test_recurrence_counts_where_the_groups_say_which_is_the_worse(contrast, effect, state):
    row = made.one("CAV1", "cell_association", "clinical", 3.0, direction=0, model="patients", contrast=contrast)
    found = patients(table({**row, "effect": effect}), "CAV1", 1)
    if state == links.NOT_SHOWN:  # shown the other way
        assert found.state == links.CONTRADICTED
    else:
        assert found.state == state


def test_a_drug_of_unknown_target_has_a_chain_by_what_it_was_seen_to_do():
    rows = [
        made.one("IL6", "transfer", "transmission", 3.5, contrast="SR freeze-thaw +IL6 vs freeze-thaw"),
        made.one("celastrol", "schedule", "intervention", -4.0, kind="drug", contrast="celastrol vs vehicle before X"),
        amount("IL6", -3.0, "sorafenib + celastrol 0.2 µM vs sorafenib", stream="elisa", what="ELISA"),
    ]
    claims = table(*rows)
    found = drugs(claims, THERAPIES)
    chain = built("IL6", *rows, found=found)
    mine = chain[chain["drug"] == "celastrol"].set_index("kind")
    assert mine.loc[ENGAGES, ["target", "state"]].tolist() == ["target unknown", links.UNTESTED]
    assert mine.loc[MOVES, ["target", "sign", "state"]].tolist() == ["IL6", -1, links.HERE]
    assert mine.loc[RESTORES, "state"] == links.HERE
    assert mine["summary"].iloc[0].startswith("celastrol (target unknown) ⊣ IL6 → resistance → patients")
    back = made.one("IL6", "transfer", "transmission", 3.0, contrast="SR + celastrol 0.2 µM +IL6 vs unmodified")
    assert links.moves(table(back), "celastrol", "IL6", -1).state == links.INFERRED
    alone = chains(claims, one("IL6").head(0).assign(tier=3), None, found)  # no candidate at all
    assert alone["candidate"].tolist() == ["", ""] and alone["kind"].tolist() == [ENGAGES, RESTORES]
    assert chain_figure(alone) is not None and chain_figure(chain) is not None


def test_the_therapy_that_is_resisted_is_marked_and_never_a_lead():
    claims = table(made.one("sorafenib", "dose_response", "association", -3.0, kind="drug", contrast="SR vs P"))
    found = drugs(claims, THERAPIES)
    assert found["finding"].tolist() == ["a therapy in question, which the models resist"]
    selected = pd.DataFrame({"model": ["SR"], "selected_with": ["Nexavar"]})  # a brand name of sorafenib
    assert drugs(claims, None, None, selected)["therapy"].tolist() == ["yes"]
    useful = repurposing(one("AKR1B1"), None, None, THERAPIES)  # it has no claim of its own
    row = useful.set_index("drug").loc["sorafenib"]
    assert row["path"] == "AKR1B1 → SLC7A11" and "resisted here" in row["marks"]
    assert row["tested_here"] != "a lead"
    named = useful[useful["drug"] != ""]
    assert (
        named.iloc[-1]["marks"].startswith("DILIrank most concern; resisted here")
        or "resisted here" in (named.iloc[-1]["marks"])
    )
    assert "sorafenib" not in set(chains(claims, one("AKR1B1").assign(tier=3), useful, found)["drug"])


def test_use_and_route_are_told_and_a_topical_drug_is_not_achievable():
    claims = table(
        *(made.one(f"{d} + sorafenib", "combination", "intervention", -4.0, kind="pair", contrast=f"{d} 5 µM")
          for d in ("retapamulin", "valnemulin", "lefamulin"))
    )  # fmt: skip
    found = drugs(claims, THERAPIES).set_index("drug")
    assert found["use"].to_dict() == {
        "retapamulin": "human, topical only", "valnemulin": "veterinary", "lefamulin": "human, oral or intravenous",
    }  # fmt: skip
    assert found.loc["retapamulin", "achievable"] == "no" and found.loc["lefamulin", "achievable"] == "unknown"
    assert found.loc["valnemulin", "approved"].endswith("(veterinary use)")
    assert found.loc["retapamulin", "summary"].count("topical only") == 1
    screen = repurposing(one("CAV1"), found.reset_index()).set_index("drug")
    assert "topical only" in screen.loc["retapamulin", "marks"]
    assert "veterinary" in screen.loc["valnemulin", "marks"]
    assert repurposing(one("AKR1B1")).set_index("drug").loc["tolrestat", "use"] == "unknown"


def test_the_next_experiment_pushes_the_way_that_can_change_the_case():
    up = made.one("G1", "expression", "association", 5.0, analysis="rna_differential")
    down = made.one("G1", "expression", "association", -5.0, analysis="rna_differential")
    low = made.one("G1", "measurements", "intervention", 5.0, contrast="siG1 vs siNC")

    plan = perturbation(table(up), "G1", 1)
    assert (plan.sign, plan.line, plan.tests) == (-1, "resistant", "necessity")
    plan = perturbation(table(up, low), "G1", 1)  # that was shown: is it enough?
    assert (plan.sign, plan.line, plan.tests) == (1, "parental", "sufficiency")
    assert "empty vector" in plan.words("G1")["guards"] and plan.words("G1")["lowered"] == "knock-down"
    plan = perturbation(table(up), "G1", -1)  # held to drive by being low, and high in resistant cells
    assert (plan.sign, plan.line) == (-1, "resistant")
    assert "high G1 would drive it" in plan.expects("G1", -1)
    plan = perturbation(table(down), "G1", -1)
    assert (plan.sign, plan.line) == (1, "resistant") and plan.words("G1")["change"].startswith("Give back")
    assert perturbation(table(), "IL6", 1).words("IL6")["change"] == "Neutralise or knock down"
    assert "scrambled" in perturbation(table(), "hsa-miR-7-5p", -1).words("hsa-miR-7-5p")["guards"]
    for found in (case("epalrestat")["next"], case("lefamulin")["next"]):
        mine = found[found["family"] == "intervention"]
        assert len(mine) and not found["controls"].str.contains("{", regex=False).any()
        raised = mine["experiment"].str.startswith("Over-express")
        assert (mine.loc[raised, "line"] == "parental").all()
