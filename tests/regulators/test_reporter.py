"""Reporters: planted pieces and sites are found, nothing is found where there is nothing, and names are understood."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rechallenge import evidence
from rechallenge.faults import NotApplicable
from rechallenge.regulators import reporter as m
from rechallenge.report.theme import specification
from rechallenge.tables.reading import read_table

#: construct -> (start, end, mutated, activity under vector, response to FOSL2)
PLANTED = {
    "-2000/+200": (-2000, 200, "", 4.0, 4.0), "-1000/+200": (-1000, 200, "", 4.0, 4.0),
    "-500/+200": (-500, 200, "", 1.0, 1.0), "-2000/+200 mut": (-2000, 200, "AP-1", 4.0, 1.0),
}  # fmt: skip


def experiment(seed: int = 1, n: int = 4, noise: float = 0.06, planted=PLANTED) -> pd.DataFrame:
    rng, rows = np.random.default_rng(seed), []
    for r in range(n):
        day = np.exp(rng.normal(0, 0.3))
        for name, (start, end, site, basal, response) in planted.items():
            for p, factor in (("vector", 1.0), ("FOSL2 OE", response)):
                value = day * basal * factor * np.exp(rng.normal(0, noise))
                rows += [(name, start, end, site, p, f"e{r}", value * w) for w in (0.98, 1.02)]
    names = ["construct", "start", "end", "mutated", "perturbation", "replicate", "luciferase_ratio"]
    table = pd.DataFrame(rows, columns=names).assign(gene="AKR1B1", model="HepG2", _file="r.csv", _sheet="")
    table["_row"] = range(2, len(table) + 2)
    return table


@pytest.fixture(scope="module")
def result() -> pd.DataFrame:
    return m.reporter(experiment())


def one(table: pd.DataFrame, kind: str, **where: str) -> pd.Series:
    found = table[table["kind"] == kind]
    for column, value in where.items():
        found = found[found[column] == value]
    assert len(found) == 1
    return found.iloc[0]


def test_the_piece_that_carries_activity_and_response(result):
    carries, idle = (one(result, m.PIECE, construct=c) for c in ("-1000/+200", "-2000/+200"))
    assert carries["piece"] == "−1000 to −501" and carries["verdict"] == m.RISES
    assert carries["effect"] == pytest.approx(2.0, abs=0.3)
    assert idle["piece"] == "−2000 to −1001" and idle["ci_low"] < 0.3 and abs(idle["effect"]) < 0.3
    through = one(result, m.PIECE_RESPONSE, construct="-1000/+200")
    assert through["verdict"] == m.ABOLISHED and through["remaining_high"] < 0.25
    assert through["ci_low"] < 2.0 < through["ci_high"] or through["effect"] == pytest.approx(2.0, abs=0.3)


def test_a_mutated_site_abolishes_the_response_and_not_the_activity(result):
    through = one(result, m.SITE_RESPONSE)
    assert through["site"] == "AP-1" and through["verdict"] == m.ABOLISHED
    assert through["n"] == 4 and through["design"].startswith("replicate as block")
    assert through["entity"] == "FOSL2" and through["entity_type"] == "regulator" and through["control"] == "vector"
    assert abs(one(result, m.SITE)["effect"]) < 0.3


def test_half_a_response_is_reduced_and_not_abolished():
    planted = {**PLANTED, "-2000/+200 mut": (-2000, 200, "AP-1", 4.0, 2.0)}
    through = one(m.reporter(experiment(3, 5, planted=planted)), m.SITE_RESPONSE)
    assert through["verdict"] == m.REDUCED and through["remaining"] == pytest.approx(0.5, abs=0.15)


def test_a_factor_taken_away_reads_alike():
    table = experiment(planted={k: (*v[:4], 1 / v[4]) for k, v in PLANTED.items()}).replace(
        {"perturbation": {"vector": "siNC", "FOSL2 OE": "siFOSL2"}}
    )
    through = one(m.reporter(table), m.SITE_RESPONSE)
    assert through["verdict"] == m.ABOLISHED and through["action"] == -1 and through["effect"] < 0


def test_values_are_those_of_paired_differences(result):
    """The interaction is the t test of replicate-wise differences of differences of log2 means."""
    from scipy import stats

    means = m.replicate_means(experiment())
    wide = means.set_index(["replicate", "construct", "perturbation"])["luciferase_ratio"].unstack([1, 2])  # noqa: PD010
    logs = np.log2(wide)
    response = {c: logs[c, "FOSL2 OE"] - logs[c, "vector"] for c in ("-2000/+200", "-2000/+200 mut")}
    test = stats.ttest_1samp(response["-2000/+200"] - response["-2000/+200 mut"], 0)
    row = one(result, m.SITE_RESPONSE)
    assert row["p_value"] == pytest.approx(test.pvalue) and row["statistic"] == pytest.approx(test.statistic)


def test_nothing_is_found_where_there_is_nothing():
    """Ten contrasts of five kinds in 60 experiments without any effect: at most one in ten has a call in a family."""
    planted = {k: (*v[:3], 2.0, 1.0) for k, v in PLANTED.items()}
    calls = tests = 0
    for seed in range(60):
        out = m.reporter(experiment(seed, 3, 0.2, planted))
        called = ~out["verdict"].isin([m.UNCHANGED])
        calls += int(called.groupby(out["family"]).any().sum())
        tests += out["family"].nunique()
    assert calls / tests < 0.1


def test_claims_keep_the_schema(result):
    claims = evidence.check(m.reporter_claims(result))
    assert set(claims["entity"]) == {"FOSL2"} and set(claims["level"]) == {"intervention"}
    assert set(claims["direction"]) == {0}
    text = claims[claims["contrast"].str.contains("mut")]["claim"].iloc[0]
    assert "AP-1 site mutated: response abolished" in text and "n = 4" in text
    assert claims["source_rows"].str.startswith("r.csv:").all()


def test_one_replicate_is_not_tested():
    out = m.reporter(experiment(n=1))
    assert set(out["status"]) == {"not_testable"} and out["p_value"].isna().all()
    evidence.check(m.reporter_claims(out))


def test_no_signal_gives_a_bound():
    table = experiment()
    table.loc[table["construct"] == "-500/+200", "luciferase_ratio"] = 0.0
    row = one(m.reporter(table), m.PIECE, construct="-1000/+200")
    assert row["status"] == "censored" and np.isnan(row["effect"])
    evidence.check(m.reporter_claims(m.reporter(table)))


def test_ends_from_the_name_and_rows_in_any_order(result, tmp_path):
    table = experiment().drop(columns=["start", "end"])
    assert m.reporter(table)["piece"].tolist() == result["piece"].tolist()
    shuffled = experiment().sample(frac=1, random_state=0)
    pd.testing.assert_frame_equal(m.reporter(shuffled), result)
    (tmp_path / "r.csv").write_text(m.REPORTER.example)
    read = read_table(m.REPORTER, ["r.csv"], folder=tmp_path)
    assert not [f for f in read.faults if f.severity == "error"], read.faults
    assert len(m.reporter(read.frame))


def test_one_name_with_and_without_the_mutation(result):
    table = experiment().replace({"construct": {"-2000/+200 mut": "-2000/+200"}})
    through = one(m.reporter(table), m.SITE_RESPONSE)
    assert through["comparator"] == "-2000/+200 mut AP-1"
    assert through["p_value"] == pytest.approx(one(result, m.SITE_RESPONSE)["p_value"])


def test_nothing_to_compare():
    with pytest.raises(NotApplicable):
        m.reporter(experiment(planted={"-500/+200": PLANTED["-500/+200"]}).query("perturbation == 'vector'"))


def test_figure_draws():
    assert specification(m.reporter_activity(experiment()))
    assert m.reporter_activity(experiment().iloc[:0]) is None
