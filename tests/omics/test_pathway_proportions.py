"""Programmes counted over data sets: against chance, with exact limits, data sets that are one counted once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rechallenge import evidence
from rechallenge.faults import NotApplicable
from rechallenge.omics import concordance as co
from rechallenge.omics.concordance.pathways import clopper_pearson, net_at_least
from rechallenge.report.theme import specification

TERMS = [f"S{i:02d}" for i in range(80)]


def enriched(dataset: str, up: set[str], down: set[str] = frozenset(), contrast: str = "R vs P", kind="resistance"):  # type: ignore[assignment]
    called = np.isin(TERMS, list(up | down))
    sign = np.where(np.isin(TERMS, list(down)), -1.0, 1.0)
    return pd.DataFrame(
        {
            "dataset": dataset, "layer": "rna", "contrast": contrast, "kind": kind, "model": "", "collection": "own",
            "term": TERMS, "size": 30, "nes": sign * np.where(called, 2.0, 0.5), "p_value": np.where(called, 1e-4, 0.5),
            "q_value": np.where(called, 1e-3, 0.7), "n": 6, "method": "preranked GSEA",
        }
    )  # fmt: skip


def drawn(seed: int, datasets: int = 6, share: float = 0.3) -> pd.DataFrame:
    """Data sets that call sets at random; large sets are called twice as often as small ones."""
    rng = np.random.default_rng(seed)
    size = np.repeat([15, 60, 200], [27, 27, 26])
    rate = share * np.repeat([0.6, 1.0, 1.4], [27, 27, 26])
    parts = []
    for i in range(datasets):
        hit, up = rng.random(80) < rate, rng.random(80) < 0.5
        part = enriched(f"D{i}", set(np.array(TERMS)[hit & up]), set(np.array(TERMS)[hit & ~up]))
        parts.append(part.assign(size=size))
    return pd.concat(parts, ignore_index=True)


def test_the_distribution_and_the_limits_are_those_of_the_books():
    assert net_at_least(3, [0.2] * 7, [0.0] * 7) == pytest.approx(stats.binom.sf(2, 7, 0.2))
    assert net_at_least(1, [0.1, 0.5, 0.25], [0.0] * 3) == pytest.approx(1 - 0.9 * 0.5 * 0.75)
    # two trials, each up .2 and down .3: a net of 0 or more is all but (-2, -1)
    assert net_at_least(0, [0.2, 0.2], [0.3, 0.3]) == pytest.approx(1 - 0.3**2 - 2 * 0.3 * 0.5)
    for seen in range(6):
        exact = stats.binomtest(seen, 5).proportion_ci(0.95, method="exact")
        assert clopper_pearson(seen, 5, 0.95) == pytest.approx((exact.low, exact.high))


def test_a_set_that_all_data_sets_raise_is_found_and_one_they_dispute_is_not():
    rng = np.random.default_rng(3)
    parts = []
    for i in range(5):
        more = set(rng.choice(TERMS[2:], 6, replace=False))
        parts.append(enriched(f"D{i}", more | {"S00"} | ({"S01"} if i % 2 else set()), set() if i % 2 else {"S01"}))
    out = co.pathway_proportions(pd.concat(parts)).set_index("term")
    row = out.loc["S00"]
    assert (row["n_up"], row["n_datasets"], row["proportion"], row["direction"]) == (5, 5, 1.0, 1)
    assert row["q_value"] < 0.01 and row["expected"] < 1 and (row["ci_low"], row["ci_high"]) == (
        pytest.approx(0.478, abs=1e-3), 1.0,
    )  # fmt: skip
    split = out.loc["S01"]
    assert (split["n_up"], split["n_down"], split["direction"]) == (2, 3, -1) and split["q_value"] > 0.2
    claims = evidence.check(co.pathway_claims(out.reset_index()))
    said = claims.set_index("entity").loc["S00", "claim"]
    assert "5 of 5 data sets" in said and "expected if data sets were independent" in said


def test_where_much_is_enriched_a_call_says_little():
    """Two data sets that call nine sets in ten: that a set is called in both is no news."""
    both = pd.concat([enriched("A", set(TERMS[:72])), enriched("B", set(TERMS[4:76]))])
    out = co.pathway_proportions(both)
    assert out["p_value"].min() > 0.5 and out["expected"].max() > 1.7


def test_random_calls_are_rarely_called():
    """Forty draws of 80 sets: p is discrete, so fewer than 5 % lie below .05; any set called in at most 6 of 40."""
    below, any_called = [], 0
    for seed in range(40):
        out = co.pathway_proportions(drawn(seed))
        below.append((out["p_value"] < 0.05).mean())
        any_called += bool((out["q_value"] < 0.05).any())
    assert 0.005 < np.mean(below) < 0.055 and any_called <= 6


@pytest.mark.slow
def test_error_rates_and_power_over_data_sets():
    """Null: some set called in 5 % of 400 draws at most (binomial error); a set that 5 of 6 data sets raise where each
    calls 30 % in both directions is found in most."""
    wrong = sum(bool((co.pathway_proportions(drawn(s))["q_value"] < 0.05).any()) for s in range(400))
    assert wrong <= stats.binom.ppf(0.999, 400, 0.05)
    found = 0
    for seed in range(100):
        table = drawn(seed, share=0.15)
        five = table["dataset"].isin([f"D{i}" for i in range(5)]) & (table["term"] == "S40")
        table.loc[five, ["nes", "q_value"]] = [2.0, 1e-3]
        found += co.pathway_proportions(table).set_index("term").loc["S40", "q_value"] < 0.05
    assert found >= 80


def test_data_sets_that_are_one_have_one_voice():
    parts = [enriched("A", {"S00"}), enriched("A2", {"S00", "S01"}), enriched("B", {"S00"}), enriched("C", set())]
    groups = pd.DataFrame(
        {"layer": "rna", "dataset": ["A", "A2", "B", "C"], "counts_as": ["A + A2", "A + A2", "B", "C"]}
    )
    out = co.pathway_proportions(pd.concat(parts), groups).set_index("term")
    assert (out.loc["S00", "n_datasets"], out.loc["S00", "n_up"]) == (3, 2)
    assert out.loc["S01", "n_up"] == 0  # one of two measurements of the same samples calls it: no voice
    assert "A + A2 +2.00*" in out.loc["S00", "datasets"]
    with pytest.raises(NotApplicable):
        co.pathway_proportions(pd.concat(parts[:2]), groups)


def test_treatments_are_no_resistance_and_order_does_not_matter():
    table = pd.concat([enriched("A", {"S00"}), enriched("B", {"S00"}), enriched("C", {"S00"}, kind="treatment")])
    out = co.pathway_proportions(table)
    assert set(out["n_datasets"]) == {2}
    pd.testing.assert_frame_equal(out, co.pathway_proportions(table.sample(frac=1, random_state=1)))


def test_the_figure_draws():
    table = drawn(1)
    out = co.pathway_proportions(table)
    assert specification(co.pathway_panel(out, table))
    assert co.pathway_panel(out.iloc[:0], table) is None
