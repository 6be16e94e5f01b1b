"""Rescue: fractions of the killing, their intervals, pathways and signs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rechallenge.assays import rescue as assay
from rechallenge.evidence import check
from rechallenge.faults import NotApplicable
from rechallenge.report.theme import export, specification
from rechallenge.tables.reading import read_table

#: NAC blocks, Ferrostatin-1 and Z-VAD-FMK in part, necrosulfonamide does nothing, chloroquine makes it worse
PLANTED = {
    ("vehicle", "none"): 1.0, ("combo", "none"): 0.3, ("combo", "NAC 5 mM"): 0.97, ("combo", "Ferrostatin-1"): 0.55,
    ("combo", "Z-VAD-FMK"): 0.6, ("combo", "Necrosulfonamide"): 0.3, ("combo", "chloroquine"): 0.1,
    ("combo", "secret"): 0.6, ("vehicle", "Z-VAD-FMK"): 1.0, ("weak", "none"): 1.0, ("weak", "NAC 5 mM"): 1.0,
}  # fmt: skip


def experiment(seed: int = 0, n: int = 5, noise: float = 0.03) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = [
        {"model": "HepG2", "treatment": t, "inhibitor": i, "replicate": f"e{r}", "viability": value + e}
        for r in range(n)
        for (t, i), m in PLANTED.items()
        for value in [m + rng.normal(0, noise)]
        for e in (-0.01, 0.0, 0.01)
    ]
    table = pd.DataFrame(rows).assign(_file="r.csv", _sheet="")
    table["_row"] = range(2, len(table) + 2)
    return table


@pytest.fixture(scope="module")
def result() -> pd.DataFrame:
    return assay.rescue(experiment())


def test_the_planted_pathways_are_told_back(result: pd.DataFrame) -> None:
    combo = result[result["treatment"] == "combo"].set_index("inhibitor")
    planted = {i: (v - 0.3) / 0.7 for (t, i), v in PLANTED.items() if t == "combo" and i != "none"}
    for inhibitor, fraction in planted.items():
        row = combo.loc[inhibitor]
        assert row["ci_low"] < fraction < row["ci_high"], inhibitor
        assert row["boot_low"] <= row["effect"] <= row["boot_high"]
    assert combo["verdict"].to_dict() == {
        "NAC 5 mM": assay.ALL, "Ferrostatin-1": assay.PART, "Z-VAD-FMK": assay.PART,
        "Necrosulfonamide": assay.UNCHANGED,
        "chloroquine": assay.MORE, "secret": assay.PART,
    }  # fmt: skip
    assert combo.loc["secret", "pathway"] == "" and combo["n"].eq(5).all()


def test_no_fraction_without_killing(result: pd.DataFrame) -> None:
    row = result[result["treatment"] == "weak"].iloc[0]
    assert row["status"] == "not_estimable" and "the killing itself is not shown" in row["reason"]
    assert np.isnan(row["effect"]) and np.isnan(row["p_value"]) and row["killing_ci_low"] < 0 < row["killing_ci_high"]


def test_claims_name_pathways_with_their_sign(result: pd.DataFrame) -> None:
    out = check(assay.rescue_claims(result))
    combo = out[out["contrast"].str.startswith("combo")].set_index("entity")
    signs = {"ROS": -1, "ferroptosis": -1, "apoptosis": -1, "necroptosis": 0, "autophagy": 1}
    assert combo["direction"].to_dict() == signs, "an inhibitor outside the list makes no claim"
    assert set(out["entity_type"]) == {"pathway"} and set(out["level"]) == {"intervention"}
    assert "ROS: combo kills through it in HepG2" in combo.loc["ROS", "claim"]
    assert ", at most 0." in combo.loc["necroptosis", "claim"]
    assert combo.loc["ROS", "source_rows"].startswith("r.csv:2-10")


@pytest.mark.parametrize(
    ("name", "pathway"),
    [("NAC", "ROS"), ("n-acetyl-L-cysteine (5 mM)", "ROS"), ("Fer-1 1 µM", "ferroptosis"), ("zVAD", "apoptosis"),
     ("Z-VAD-FMK 20 µM", "apoptosis"), ("necrosulfonamide", "necroptosis"), ("Necrostatin-1", "necroptosis"),
     ("3-MA", "autophagy"), ("Chloroquine", "autophagy"), ("none", "")],
)  # fmt: skip
def test_inhibitors_stand_for_pathways(name: str, pathway: str) -> None:
    assert assay.pathway_of(name) == pathway


def test_no_inhibitor_stands_for_two_pathways() -> None:
    names = [assay._plain(n) for names in assay.INHIBITORS.values() for n in names]
    assert len(names) == len(set(names))


def test_typed_cases() -> None:
    one = assay.rescue(experiment(n=1)).set_index("contrast").loc["combo, NAC 5 mM vs none"]
    assert one["status"] == "not_testable" and one["effect"] > 0.5 and np.isnan(one["p_value"])
    bare = assay.rescue(experiment().query("not (treatment == 'combo' and inhibitor == 'none')"))
    assert bare.query("treatment == 'combo'")["reason"].str.contains("no measurement of combo alone").all()
    check(assay.rescue_claims(bare))
    with pytest.raises(NotApplicable):
        assay.rescue(experiment().query("inhibitor == 'none'"))


def test_rows_have_no_order_and_seeds_are_kept(result: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(assay.rescue(experiment().sample(frac=1, random_state=2)), result)


def test_an_inhibitor_that_acts_alone_is_said() -> None:
    table = experiment()
    own = (table["treatment"] == "vehicle") & (table["inhibitor"] == "Z-VAD-FMK")
    table.loc[own, "viability"] -= 0.4
    claims = assay.rescue_claims(assay.rescue(table)).query("entity == 'apoptosis'")
    assert "Z-VAD-FMK alone changes viability by −0." in claims["claim"].iloc[0]


def test_the_example_keeps_the_contract(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(assay.RESCUE.example, encoding="utf-8")
    read = read_table(assay.RESCUE, "r.csv", folder=tmp_path)
    assert not [f for f in read.faults if f.severity in ("error", "warning")]
    lines = [x for x in assay.RESCUE.example.splitlines() if ",none," not in x]
    (tmp_path / "r.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    codes = {f.code for f in read_table(assay.RESCUE, "r.csv", folder=tmp_path).faults}
    assert {"no-vehicle", "no-treatment-alone"} <= codes


def test_figures_hold_every_point(result: pd.DataFrame) -> None:
    text = json.dumps(specification(assay.rescue_viability(experiment())), ensure_ascii=False)
    assert text.count('"part": "replicate"') == 5 * len(PLANTED) and "Viability (fraction of vehicle)" in text
    out = export("f", assay.rescue_forest(result))
    assert b"NAC 5 mM" in out["csv"] and out["pdf"].startswith(b"%PDF")


@pytest.mark.slow
def test_nothing_is_taken_back_by_what_does_nothing() -> None:
    p = []
    for seed in range(60):
        out = assay.rescue(experiment(seed, n=4), n_boot=0).set_index("contrast")
        p.append(out.loc["combo, Necrosulfonamide vs none", "p_value"])
    assert np.less(p, 0.05).sum() <= stats.binom.ppf(0.9995, len(p), 0.05)
