"""From claims to ranked genes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rechallenge import evidence
from rechallenge.faults import NotApplicable
from rechallenge.integration.candidates import FAMILIES, candidates, family_of


def claims(z: dict[tuple[str, str, str], dict[str, float]]) -> pd.DataFrame:
    """Claims from (stream, level, model) -> gene -> signed z."""
    rows = [
        {
            "entity": gene, "entity_type": "gene", "stream": stream, "level": level, "model": model, "contrast": model,
            "direction": int(np.sign(value)), "effect": value, "effect_unit": "z", "statistic": value,
            "p_value": 2 * stats.norm.sf(abs(value)), "n": 6, "status": "estimated",
            "analysis": "response" if "response" in stream else stream, "claim": f"{gene} {value:.2f}",
        }
        for (stream, level, model), genes in z.items()
        for gene, value in genes.items()
    ]  # fmt: skip
    return evidence.claim_table(rows)


STREAMS = (
    ("expression", "association", "LR"), ("expression", "association", "SR"), ("atlas", "association", "LR"),
    ("clinical_response", "clinical", "cohort"), ("clinical", "clinical", "cohort"), ("screen", "intervention", "LR"),
)  # fmt: skip


def study(seed: int, driver: float = 3.0, genes: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    z = {}
    for stream in STREAMS:
        values = dict(zip([f"G{i}" for i in range(genes)], rng.normal(size=genes), strict=True))
        values["G0"] = driver + 0.3 * rng.normal()
        z[stream] = values
    return claims(z)


def test_a_driver_that_every_family_supports_is_first_and_convergent():
    out = candidates(study(0), n_permutations=100)["candidates"]
    first = out.iloc[0]
    assert first["entity"] == "G0" and first["direction"] == 1 and first["tier"] == 1
    assert first["q_value"] < 0.1 and first["n_families"] == 5
    assert "resistant cells" in first["streams_for"] and first["streams_against"] == ""
    assert first["summary"].startswith("G0, high in resistance: convergent, rank 1 of 400")


def test_a_gene_whose_loss_resists_has_the_other_direction():
    out = candidates(study(1, driver=-3.0), n_permutations=50)["candidates"]
    assert out.iloc[0]["entity"] == "G0" and out.iloc[0]["direction"] == -1


def test_being_low_costs_what_the_option_says():
    """Two genes with the same evidence, turned: the one that is low loses log 4 nats by default, nothing at 0.5."""
    high, low = (study(1, driver=d) for d in (3.0, -3.0))
    low["entity"] = low["entity"].replace({"G0": "H0"})
    both = pd.concat([high, low[low["entity"] == "H0"]], ignore_index=True)
    scores = {}
    for prior in (0.2, 0.5):
        out = candidates(both, n_permutations=10, low_drives=prior)["candidates"].set_index("entity")
        assert out.loc["G0", "direction"] == 1 and out.loc["H0", "direction"] == -1
        scores[prior] = out["score"]
    paid = scores[0.5] - scores[0.2]
    assert paid["G0"] == pytest.approx(0.0) and paid["H0"] == pytest.approx(np.log(4))
    assert scores[0.2]["G0"] > scores[0.2]["H0"]
    with pytest.raises(ValueError, match="between 0 and 1"):
        candidates(both, low_drives=1.0)


def test_terms_add_up_to_the_total():
    out = candidates(study(2), n_permutations=10)
    total = out["candidates"].set_index("entity")["total"]
    summed = out["candidate_terms"].groupby("entity")["term"].sum()
    np.testing.assert_allclose(summed.reindex(total.index), total, atol=1e-9)
    assert set(out["candidate_terms"]["family"]) <= {f.name for f in FAMILIES}


def test_no_driver_is_called_where_there_is_none():
    called = [
        (candidates(study(seed, driver=0.0), n_permutations=50, n_draws=2)["candidates"]["tier"] == 1).any()
        for seed in range(8)
    ]
    assert sum(called) <= 1


def test_one_family_can_rank_and_cannot_call():
    genes = {f"G{i}": v for i, v in enumerate(np.linspace(-3, 9, 50))}
    out = candidates(claims({("dose_response", "intervention", "LR"): genes}), n_permutations=10)["candidates"]
    assert set(out["status"]) == {"not_testable"} and out["p_value"].isna().all()
    assert out.iloc[0]["entity"] == "G49" and (out["tier"] == 3).all()


def test_untested_and_known_things_do_not_count():
    table = study(3)
    known = evidence.claim_table(
        [{"entity": "G5", "entity_type": "gene", "stream": "atlas", "level": "knowledge", "direction": 1,
          "effect": 9.0, "status": "not_testable", "claim": "a database says so"}]
    )  # fmt: skip
    one = candidates(table, n_permutations=20)["candidates"]
    two = candidates(evidence.join([table, known]), n_permutations=20)["candidates"]
    pd.testing.assert_frame_equal(one, two)
    with pytest.raises(NotApplicable):
        candidates(known)


def test_what_was_perturbed_in_vain_counts_against_a_gene():
    table = study(5)
    none = table[(table["entity"] == "G0") & (table["stream"] == "screen")].index
    never = table.drop(none)
    tried = table.copy()
    tried.loc[none, ["direction", "p_value"]] = [0, 0.6]
    without, vain, shown = (
        candidates(t, n_permutations=2, n_draws=2)["candidates"].set_index("entity").loc["G0"]
        for t in (never, tried, table)
    )
    assert vain["score"] < without["score"] < shown["score"]
    assert "intervention" in vain["streams_against"] and "intervention" not in without["streams_against"]


def test_a_gene_that_alone_was_followed_can_be_called():
    rng = np.random.default_rng(7)
    genes = [f"G{i}" for i in range(3000)]
    z = {s: dict(zip(genes, rng.normal(size=3000), strict=True)) for s in STREAMS[:5]}
    for stream in z.values():
        stream["G0"] = 3.0
    alone = {("measurements", "intervention", "LR"): {"G0": 4.0}, ("tumours", "in_vivo", "LR"): {"G0": 3.0}}
    first = candidates(claims(z | alone), n_permutations=300, n_draws=2)["candidates"].iloc[0]
    assert first["entity"] == "G0" and first["tier"] == 1 and first["n_families"] == 6
    quiet = {s: {g: v for g, v in genes.items() if g != "G0"} | {"G0": 0.1} for s, genes in z.items()}
    table = candidates(claims(quiet | alone), n_permutations=300, n_draws=2)["candidates"].set_index("entity")
    assert table.loc["G0", "tier"] == 3 and table.loc["G0", "q_value"] > 0.1


def test_order_of_claims_does_not_matter():
    table = study(4)
    one = candidates(table, n_permutations=20)
    two = candidates(table.sample(frac=1, random_state=0), n_permutations=20)
    pd.testing.assert_frame_equal(one["candidates"], two["candidates"])


def test_families_of_claims():
    assert family_of("clinical", "clinical", "response") == "response"
    assert family_of("clinical", "clinical", "survival") == "survival"
    assert family_of("expression", "gradient", "x") == "resistant cells"
    assert family_of("thermal_shift", "engagement", "x") == "intervention"
    assert family_of("atlas", "association", "x") == "metabolism"
    assert family_of("expression", "knowledge", "x") == ""
