"""Conditioned medium: labels understood, signs right, IC50 shifts and what cannot be told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rechallenge.assays import transfer as assay
from rechallenge.assays.transfer.contrasts import SENSITISES
from rechallenge.evidence import check
from rechallenge.faults import NotApplicable
from rechallenge.report.theme import export, specification
from rechallenge.tables.reading import read_table

MODELS = pd.DataFrame({"model": ["P", "LR"], "role": ["parental", "resistant"], "parent": ["", "P"]})
#: (medium, modifier) -> IC50 of sorafenib (µM) on the recipient: lost after freeze-thaw, IL-6 put back, exosomes idle
PLANTED = {
    ("fresh", "none"): 4.0, ("P", "none"): 4.0, ("LR", "none"): 16.0, ("LR", "freeze-thaw x3"): 4.0,
    ("LR", "freeze-thaw x3 +IL-6"): 14.0, ("LR", "exosome-depleted"): 16.0, ("LR", "anti-IL-6 1 µg/mL"): 6.0,
    ("LR", "IgG"): 16.0,
}  # fmt: skip
DOSES = (0.0, 1.0, 3.0, 6.0, 12.0, 30.0, 60.0)


def experiment(
    seed: int = 4,
    planted: dict[tuple[str, str], float] = PLANTED,
    doses: tuple[float, ...] = DOSES,
    n: int = 4,
    noise: float = 0.04,
) -> pd.DataFrame:
    rng, rows = np.random.default_rng(seed), []
    for r in range(n):
        for (medium, modifier), ic50 in planted.items():
            for dose in doses:
                value = np.exp(rng.normal(0, noise)) / (1 + (dose / ic50) ** 1.5)
                rows += [(medium, modifier, dose, f"e{r}", value * f) for f in (0.99, 1.01)]
    table = pd.DataFrame(rows, columns=["medium", "modifier", "dose_um", "replicate", "viability"])
    table = table.assign(recipient="P", drug="sorafenib", _file="t.csv", _sheet="")
    table["_row"] = range(2, len(table) + 2)
    return table


@pytest.fixture(scope="module")
def result() -> pd.DataFrame:
    return assay.transfer(experiment(), MODELS).set_index("contrast", drop=False)


def test_the_planted_story_is_told_back(result: pd.DataFrame) -> None:
    assert result["effect_unit"].eq("log2 IC50").all() and result["design"].eq("replicate as block").all()
    for contrast, one, two in (
        ("LR vs P", 16, 4), ("LR freeze-thaw x3 vs unmodified", 4, 16), ("LR exosome-depleted vs unmodified", 16, 16),
        ("LR freeze-thaw x3 +IL-6 vs freeze-thaw x3", 14, 4), ("LR anti-IL-6 1 µg/mL vs IgG", 6, 16),
    ):  # fmt: skip
        assert result.loc[contrast, "effect"] == pytest.approx(np.log2(one / two), abs=0.3), contrast
    assert result["verdict"].to_dict() == {
        "LR vs P": "protects", "P vs fresh": "no change shown", "LR IgG vs unmodified": "no change shown",
        "LR freeze-thaw x3 vs unmodified": "sensitises", "LR exosome-depleted vs unmodified": "no change shown",
        "LR freeze-thaw x3 +IL-6 vs freeze-thaw x3": "protects", "LR anti-IL-6 1 µg/mL vs IgG": "sensitises",
    }  # fmt: skip


def test_an_antibody_that_sensitises_speaks_of_a_factor_that_promotes_resistance(result: pd.DataFrame) -> None:
    claims = check(assay.transfer_claims(result)).set_index("contrast")
    anti, back = claims.loc["LR anti-IL-6 1 µg/mL vs IgG"], claims.loc["LR freeze-thaw x3 +IL-6 vs freeze-thaw x3"]
    assert anti["effect"] < 0 < back["effect"] and anti["direction"] == back["direction"] == 1
    assert anti["entity"] == back["entity"] == "IL6" and anti["entity_type"] == "gene"
    assert "IL6: promotes resistance to sorafenib" in anti["claim"] and "protection blocked" in anti["claim"]
    assert "protection restored" in back["claim"] and "n = 4" in back["claim"]
    assert set(claims["level"]) == {"transmission"} and "LR IgG vs unmodified" not in claims.index
    assert claims.loc["LR exosome-depleted vs unmodified", ["entity", "direction"]].tolist() == ["exosomes", 0]
    assert claims.loc["LR vs P", "direction"] == 1


def test_the_opposite_antibody_is_the_opposite_sign() -> None:
    planted = {("LR", "none"): 5.0, ("LR", "anti-TGFB1"): 20.0, ("LR", "+CXCL8"): 1.5, ("fresh", "none"): 5.0}
    out = check(assay.transfer_claims(assay.transfer(experiment(2, planted), MODELS))).set_index("entity")
    assert out.loc["TGFB1", "direction"] == -1 and out.loc["CXCL8", "direction"] == -1
    assert "opposes resistance" in out.loc["TGFB1", "claim"]


def test_few_doses_give_survival_with_the_effect_on_growth_taken_off() -> None:
    table = experiment(doses=(0.0, 6.0), noise=0.02)
    table.loc[table["medium"] == "LR", "viability"] *= 1.5  # the medium feeds the cells; that is no protection
    out = assay.transfer(table, MODELS).set_index("contrast")
    row = out.loc["LR vs P"]
    truth = np.log2((1 + 1.5**1.5) / (1 + (6 / 16) ** 1.5))
    assert row["effect_unit"] == "log2 survival" and row["effect"] == pytest.approx(truth, abs=0.15)
    bare = assay.transfer(experiment(doses=(6.0, 12.0)), MODELS)
    assert bare["remark"].str.contains("effect on growth is not taken off").all() and bare["doses_um"].eq("6 12").all()


def test_an_ic50_outside_the_doses_falls_back_to_survival() -> None:
    planted = {("fresh", "none"): 4.0, ("LR", "none"): 500.0}
    row = assay.transfer(experiment(0, planted), MODELS).iloc[0]
    assert row["effect_unit"] == "log2 survival" and "outside the tested doses" in row["remark"]
    assert row["verdict"] == "protects"


def test_references_are_chosen_in_order() -> None:
    planted = {("LR + sorafenib", "none"): 9.0, ("LR", "none"): 9.0, ("P + sorafenib", "none"): 9.0, ("P", "none"): 9.0}
    out = assay.transfer(experiment(0, planted), MODELS)
    by = {kind: part.set_index("medium")["reference"].to_dict() for kind, part in out.groupby("kind")}
    assert by["medium"] == {"LR + sorafenib": "P + sorafenib", "LR": "P"}, "P itself is a reference"
    assert by["donor treatment"] == {"LR + sorafenib": "LR", "P + sorafenib": "P"}
    alone = assay.transfer(experiment(0, {("LR", "none"): 9.0}), MODELS).iloc[0]
    assert alone["status"] == "not_estimable" and "no reference medium" in alone["reason"]


def test_what_the_donor_was_given_is_a_claim_about_that_drug() -> None:
    """Cells given celastrol beside sorafenib no longer protect: celastrol opposes resistance, through the medium."""
    planted = {("LR + sorafenib", "none"): 16.0, ("LR + sorafenib 4 µM + celastrol 0.2 µM", "none"): 4.0,
               ("LR + sorafenib 4 µM", "none"): 16.0}  # fmt: skip
    out = assay.transfer(experiment(0, planted), MODELS)
    row = out[out["kind"] == "donor treatment"].set_index("entity").loc["celastrol"]
    assert row["reference"] == "LR + sorafenib 4 µM" and row["direction"] == -1 and row["entity_type"] == "drug"
    claim = check(assay.transfer_claims(out)).set_index("entity").loc["celastrol"]
    assert claim["level"] == "transmission" and "celastrol: opposes resistance to sorafenib" in claim["claim"]
    assert "may still hold celastrol" in claim["claim"]


@pytest.mark.parametrize(
    ("label", "known"),
    [
        ("none", []), ("", []), ("anti-IL6", [("IL6", -1)]), ("anti-IL-6 1 µg/mL", [("IL6", -1)]),
        ("IL-6 neutralising antibody", [("IL6", -1)]), ("+IL6", [("IL6", 1)]), ("+IL-6 10 ng/mL", [("IL6", 1)]),
        ("+rhIL-6", [("IL6", 1)]), ("+TGF-β1", [("TGFB1", 1)]),
        ("freeze-thaw", [("freeze-labile secreted factors", -1)]),
        ("Freeze/thaw", [("freeze-labile secreted factors", -1)]),
        ("exosome-depleted", [("exosomes", -1)]), ("GW4869", [("exosomes", -1)]),
        ("+exosomes", [("exosomes", 1)]), ("freeze-thaw, +IL6", [("freeze-labile secreted factors", -1), ("IL6", 1)]),
        ("celastrol", [("", 0)]), ("IgG", [("", 0)]),
    ],
)  # fmt: skip
def test_modifiers(label: str, known: list[tuple[str, int]]) -> None:
    assert [(p.entity, p.action) for p in assay.parse_modifier(label)] == known


@pytest.mark.parametrize(
    ("label", "donor", "treatment"),
    [("fresh medium", "", ""), ("CM Huh-7 LR", "Huh-7 LR", ""), ("Huh-7 LR + sorafenib", "Huh-7 LR", "sorafenib"),
     ("conditioned by Huh-7 P", "Huh-7 P", ""), ("fibroblasts", "fibroblasts", "")],
)  # fmt: skip
def test_media(label: str, donor: str, treatment: str) -> None:
    found = assay.parse_medium(label, ["Huh-7", "Huh-7 P", "Huh-7 LR"])
    assert (found.donor, found.treatment) == (donor, treatment)


def test_typed_cases() -> None:
    one = assay.transfer(experiment(n=1), MODELS)
    assert one["status"].eq("not_testable").all() and one["p_value"].isna().all() and one["direction"].eq(0).all()
    check(assay.transfer_claims(one))
    table = experiment(doses=(0.0, 6.0))
    table.loc[(table["modifier"] == "freeze-thaw x3") & (table["dose_um"] == 6), "viability"] = 0.0
    out = assay.transfer(table, MODELS).set_index("contrast", drop=False)
    row = out.loc["LR freeze-thaw x3 vs unmodified"]
    assert (row["status"], row["verdict"], row["direction"]) == ("censored", SENSITISES, 1)
    check(assay.transfer_claims(out))
    with pytest.raises(NotApplicable):
        assay.transfer(experiment(0, {("fresh", "none"): 4.0}), MODELS)


def test_rows_have_no_order_and_adjustments_hold(result: pd.DataFrame) -> None:
    again = assay.transfer(experiment().sample(frac=1, random_state=3), MODELS).set_index("contrast", drop=False)
    pd.testing.assert_frame_equal(again, result)
    assert (result["q_value"] >= result["p_value"]).all() and (result["p_holm"] >= result["p_value"]).all()
    rows = experiment().query("medium in ['P', 'LR'] and modifier == 'none'")["_row"]
    said = result.loc["LR vs P", "source_rows"].removeprefix("t.csv:").split(",")
    spans = [[int(v) for v in s.split("-")] for s in said]
    assert sum(b - a + 1 for a, b in spans) == len(rows)


def test_the_example_keeps_the_contract(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(assay.TRANSFER.example, encoding="utf-8")
    read = read_table(assay.TRANSFER, "t.csv", folder=tmp_path)
    assert {f.code for f in read.faults if f.severity != "note"} == {"few-replicates"}
    lines = [x for x in assay.TRANSFER.example.splitlines() if "LR,none" not in x]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    codes = {f.code for f in read_table(assay.TRANSFER, "t.csv", folder=tmp_path).faults}
    assert "no-unmodified" in codes


def test_figures_hold_every_point(result: pd.DataFrame) -> None:
    text = json.dumps(specification(assay.transfer_viability(experiment())), ensure_ascii=False)
    assert text.count('"part": "replicate"') == 4 * len(PLANTED) * len(DOSES)
    assert "Viability (fraction of vehicle)" in text and "Dose (µM)" in text
    out = export("f", assay.transfer_forest(result))
    assert b"anti-IL-6" in out["csv"] and out["pdf"].startswith(b"%PDF")


@pytest.mark.slow
def test_level_of_ic50_and_survival_contrasts() -> None:
    null = {("fresh", "none"): 8.0, ("LR", "none"): 8.0}
    for doses in (DOSES, (0.0, 6.0)):
        p = [assay.transfer(experiment(s, null, doses, n=3), MODELS)["p_value"].iloc[0] for s in range(200)]
        assert np.less(p, 0.05).sum() <= stats.binom.ppf(0.9995, len(p), 0.05)
