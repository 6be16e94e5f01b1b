"""Figures of animals hold every animal and can be exported."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
from tumour_examples import SYNERGY, experiment

from rechallenge.assays import tumours as assay
from rechallenge.report.theme import export, specification


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return experiment(1, n=4, rates=SYNERGY, burden=700)


def text(chart: Any) -> str:
    return json.dumps(specification(chart), ensure_ascii=False)


def test_growth_curves_hold_every_volume_and_the_fit(table: pd.DataFrame) -> None:
    result = assay.tumour_growth(table, assay.tumour_tgi(table, n_boot=50))
    fits = result["tumour_fits"]
    assert (fits["ci_low"] <= fits["fitted_mm3"]).all() and (fits["fitted_mm3"] <= fits["ci_high"]).all()
    drawn = text(assay.tumour_curves(table, fits))
    assert drawn.count('"shown": "animal"') == len(table) and "Tumour volume (mm³)" in drawn
    ended = table.groupby(["arm", "animal"])["day"].max() < table["day"].max()
    assert drawn.count('"shown": "ended early"') == ended.sum() > 0
    out = export("f", assay.tumour_forest(result["tumour_growth"]))
    assert b"interaction (Bliss)" in out["csv"] and out["pdf"].startswith(b"%PDF")
    two = pd.concat([table, experiment(2, n=3, model="Huh-7 P")])
    assert set(assay.tumour_curves(two, fits)) == {"tumour_curves_huh_7_lr", "tumour_curves_huh_7_p"}


def test_waterfall_and_curves_of_the_end_point(table: pd.DataFrame) -> None:
    responses = assay.tumour_response(table)["tumour_response"]
    called = int(responses["best_percent"].notna().sum())
    drawn = text(assay.tumour_waterfall(responses))
    assert drawn.count('"best_percent":') == called and f"Animals (n = {called})" in drawn
    times = assay.tumour_endpoint(table)["tumour_times"]
    chart = assay.tumour_survival(times)
    censored = int((times["event"] == 0).sum())
    assert text(chart).count('"shown": "censored"') == censored
    out = export("km", chart)
    assert b"at_risk" in out["csv"] and out["png"].startswith(b"\x89PNG")
    one_each = pd.concat([experiment(k, n=1, model=f"P{k}") for k in range(5)])
    assert assay.tumour_waterfall(assay.tumour_response(one_each)["tumour_response"]) is not None
    assert assay.tumour_survival(assay.tumour_endpoint(one_each)["tumour_times"]) is None


def test_weights_organs_and_power(table: pd.DataFrame) -> None:
    weights = table.rename(columns={"volume_mm3": "weight_g"}).assign(weight_g=lambda t: 20 + t["day"] / 10)
    drawn = text(assay.weight_curves(weights))
    assert drawn.count('"shown": "animal"') == len(table) and "Change of body weight (%)" in drawn
    organs = pd.DataFrame(
        {"animal": list("abcd"), "arm": ["vehicle", "vehicle", "A", "A"], "readout": "liver", "unit": "g", "model": "",
         "value": [1.0, 1.1, 1.2, 1.3]}
    )  # fmt: skip
    assert text(assay.organ_values(organs)).count('"shown": "animal"') == 4
    assert export("p", assay.power_curves(assay.tumour_power(table, largest=5)))["svg"]
    assert assay.organ_values(organs.assign(value=float("nan"))) is None
