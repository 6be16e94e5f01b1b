"""Sizes of particles: summaries per preparation, the preparation as the unit, figures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rechallenge.assays import sizes as assay
from rechallenge.faults import NotApplicable
from rechallenge.report.theme import specification
from rechallenge.tables.reading import read_table


def particles(medians: dict[str, float], n: int = 3, each: int = 400, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for group, median in medians.items():
        for r in range(n):
            size = median * np.exp(rng.normal(0, 0.05)) * np.exp(rng.normal(0, 0.3, each))
            rows.append(pd.DataFrame({"model": "LR", "group": group, "replicate": f"{group}{r}", "size": size}))
    return pd.concat(rows, ignore_index=True)


def test_summaries_of_a_known_distribution() -> None:
    out = assay.summary(np.arange(1.0, 1002.0), np.ones(1001), (100.0, 300.0))
    assert (out["median"], out["mean"]) == pytest.approx((501, 501))
    assert (out["d10"], out["d90"]) == pytest.approx((101, 901), abs=0.5)
    assert out["span"] == pytest.approx(800 / 501, abs=0.005) and out["share_in_window"] == pytest.approx(201 / 1001)
    lognormal = 100 * np.exp(np.random.default_rng(1).normal(0, 0.3, 20000))
    assert assay.summary(lognormal, np.ones(20000), assay.SMALL)["mode"] == pytest.approx(100, rel=0.06)


def test_a_histogram_says_the_same_as_its_particles() -> None:
    size, count = np.array([50.0, 100.0, 150.0, 200.0]), np.array([1.0, 5.0, 3.0, 1.0])
    one, many = (assay.summary(s, w, assay.SMALL) for s, w in
                 ((size, count), (np.repeat(size, count.astype(int)), np.ones(10))))  # fmt: skip
    for name in ("mean", "sd", "share_in_window"):
        assert one[name] == pytest.approx(many[name])


def test_preparations_are_the_unit() -> None:
    out = assay.size_distribution(particles({"vehicle": 100.0, "drug": 150.0}))
    assert len(out["size_distribution"]) == 6 and set(out["size_distribution"]["n_particles"]) == {400.0}
    row = out["size_comparisons"].iloc[0]
    assert (row["parameter"], row["n"], row["test"]) == ("median", 6, "Welch's t test")
    assert row["fold"] == pytest.approx(1.5, rel=0.15) and len(out["size_comparisons"]) == 1
    single = assay.size_distribution(particles({"vehicle": 100.0, "drug": 150.0}, n=1))["size_comparisons"]
    assert single["status"].tolist() == ["not_testable"]
    with pytest.raises(NotApplicable):
        assay.size_distribution(particles({"vehicle": 100.0}).iloc[:0])


def test_amounts_are_compared_where_they_are_counted() -> None:
    frame = particles({"vehicle": 100.0, "GW4869": 100.0}).assign(
        count=lambda t: np.where(t["group"] == "vehicle", 4.0, 1.0)
    )
    out = assay.size_distribution(frame)["size_comparisons"].set_index("parameter")
    assert out.loc["concentration", "log2_ratio"] == pytest.approx(-2.0)


def test_rows_have_no_order() -> None:
    frame = particles({"vehicle": 100.0, "drug": 150.0})
    back = assay.size_distribution(frame.sample(frac=1, random_state=1))
    for name, out in assay.size_distribution(frame).items():
        pd.testing.assert_frame_equal(out, back[name])


def test_the_example_keeps_the_contract(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(assay.SIZES.example, encoding="utf-8")
    read = read_table(assay.SIZES, "s.csv", folder=tmp_path)
    assert not [f for f in read.faults if f.severity in ("error", "warning")]
    assert assay.size_distribution(read.frame)["size_comparisons"]["status"].tolist() == ["not_testable"] * 2


def test_every_replicate_is_drawn() -> None:
    text = json.dumps(specification(assay.size_curves(particles({"vehicle": 100.0, "drug": 150.0}))))
    assert all(f'"drug{r}"' in text for r in range(3)) and "Size (nm)" in text


@pytest.mark.slow
def test_null_and_power_over_preparations() -> None:
    """Preparations differ by 5 %. Four a group: no more than 5 % of p below .05 where the medians are the same, and
    nearly all where one is 1.25 times the other; particles, of which there are hundreds, do not count as n."""

    def p(fold: float, seed: int) -> float:
        frame = particles({"vehicle": 100.0, "drug": 100.0 * fold}, n=4, each=150, seed=seed)
        return float(assay.size_distribution(frame)["size_comparisons"]["p_value"].iloc[0])

    null = np.mean([p(1.0, seed) < 0.05 for seed in range(300)])
    assert abs(null - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 300)
    assert np.mean([p(1.25, seed) < 0.05 for seed in range(60)]) > 0.9
