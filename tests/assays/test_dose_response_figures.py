"""Figures: every point drawn, bounds as bounds, axis titles with units, nothing drawn from nothing."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from dose_response_examples import experiment, models, plate, study

from rechallenge import dose_response
from rechallenge.assays.dose_response.drawing import band, lines, marks
from rechallenge.report.theme import export, specification


@pytest.fixture(scope="module")
def responses() -> pd.DataFrame:
    return dose_response.responses(study())


@pytest.fixture(scope="module")
def curves(responses: pd.DataFrame) -> pd.DataFrame:
    return dose_response.curves(responses)


@pytest.fixture(scope="module")
def index(curves: pd.DataFrame) -> pd.DataFrame:
    return dose_response.resistance_index(curves, models())


def _text(chart: Any) -> str:
    return json.dumps(specification(chart), ensure_ascii=False)


def _source(chart: Any) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(export("f", chart)["csv"]), keep_default_na=True)


def test_band_is_the_delta_method() -> None:
    from scipy.optimize import approx_fprime

    shape = np.array([1.3, 0.1, 1.0, np.log(8.0)])
    root = np.random.default_rng(0).normal(size=(4, 4)) * 0.05
    covariance = root @ root.T
    x = np.array([0.5, 8.0, 60.0])

    def value(p: np.ndarray, at: float) -> float:
        return float(p[1] + (p[2] - p[1]) / (1 + (at / np.exp(p[3])) ** p[0]))

    fit, low, high = band(x, shape, covariance, 2.0)
    for i, at in enumerate(x):
        gradient = approx_fprime(shape, value, 1e-7, at)
        assert fit[i] == pytest.approx(value(shape, at))
        assert (high[i] - low[i]) / 4 == pytest.approx(np.sqrt(gradient @ covariance @ gradient), rel=1e-4)


def test_lines_pass_through_the_ic50_and_flat_ones_are_flat(curves: pd.DataFrame) -> None:
    drawn = lines(curves)
    keys = ["model", "drug", "perturbation", "medium", "stage"]
    for key, rows in drawn.groupby(keys):
        own = curves[(curves[keys] == list(key)).all(axis=1)].iloc[0]
        if own["status"] == "estimated":
            at = np.interp(np.log(own["ic50_um"]), np.log(rows["dose_um"]), rows["fitted"])
            assert at == pytest.approx(0.5, abs=5e-3)
            inside = (rows["fitted_low"] <= rows["fitted"]) & (rows["fitted"] <= rows["fitted_high"])
            assert inside.all()
    flat = drawn[(drawn["drug"] == "inactive") & (drawn["model"] == "P")]
    assert (flat["fitted"] == flat["fitted"].iloc[0]).all() and flat["fitted_low"].isna().all()


def test_marks_stay_inside_the_tested_doses(curves: pd.DataFrame) -> None:
    out = marks(curves)
    assert out["dose_um"].between(0.3, 100).all()
    assert out.loc[out["bound"] == "above", "dose_um"].eq(100).all()
    known = out[out["bound"] == ""]
    assert (known["ic50_low"] >= 0.3).all() and (known["ic50_high"] <= 100).all()


def test_every_replicate_point_is_drawn(curves: pd.DataFrame, responses: pd.DataFrame) -> None:
    charts = dose_response.dose_response_curves(curves, responses, models())
    assert list(charts) == ["dose_response"]
    source = _source(charts["dose_response"])
    points = source[source["part"] == "replicate"]
    assert len(points) == 6 * 3 * 6 * 3, "six drugs, three lines, six doses, three replicates"
    assert set(points["replicate"]) == {"e1", "e2", "e3"}
    one = points.query("panel == 'lenvatinib' and curve == 'P' and dose_um == 10")["viability"]
    given = study().query(
        "model == 'P' and drug == 'lenvatinib' and dose_um == 10 and perturbation == 'none' and medium == ''"
    )["viability"]
    assert sorted(one) == pytest.approx(sorted(given))
    assert set(source["part"]) == {"replicate", "fit", "IC50"}


def test_axis_titles_carry_units(curves: pd.DataFrame, responses: pd.DataFrame, index: pd.DataFrame) -> None:
    shifted = dose_response.perturbation_shift(curves)
    charts = {
        **dose_response.dose_response_curves(curves, responses),
        **dose_response.resistance_forest(index),
        **dose_response.perturbation_forest(shifted),
        **dose_response.stage_trend_figure(curves, models()),
    }
    titles = {
        "dose_response": ["Dose (µM)", "Viability (fraction of vehicle)"],
        "resistance_index": ["Resistance index (fold)"],
        "perturbation_shift": ["IC50 perturbed / control (fold)"],
        "stage_trend": ["IC50 (µM)"],
    }
    for name, words in titles.items():
        svg = export(name, charts[name])["svg"].decode()
        for word in words:
            assert word in svg, (name, word)


def test_bounds_are_written_in_the_panel(curves: pd.DataFrame, responses: pd.DataFrame) -> None:
    svg = export("f", dose_response.dose_response_curves(curves, responses)["dose_response"])["svg"].decode()
    assert svg.count("IC50 &gt;") == 4, "the inactive drug in three lines, and the one that a line lost"


def test_wells_left_out_are_drawn_as_left_out() -> None:
    table = experiment(np.random.default_rng(0), "P", "d", 10.0)
    table["exclude"] = ["pipetting"] + [""] * (len(table) - 1)
    viability = dose_response.responses(table)
    chart = dose_response.dose_response_curves(dose_response.curves(viability), viability)["dose_response"]
    source = _source(chart)
    out = source[source["part"] == "excluded"]
    assert len(out) == 1 and out["excluded"].item() == "left out: pipetting"
    assert (source["part"] == "replicate").sum() == len(table) - 1


def test_a_line_at_s0_is_drawn_where_it_has_no_other_curve() -> None:
    rng = np.random.default_rng(3)
    both = [experiment(rng, "LR", "d", 20.0), experiment(rng, "LR", "d", 10.0, stage="S0")]
    alone = [experiment(rng, "P", "d", 10.0, stage="S0"), experiment(rng, "P", "d", 30.0, stage="S2")]
    viability = dose_response.responses(pd.concat([*both, *alone]).fillna({"stage": ""}))
    source = _source(dose_response.dose_response_curves(dose_response.curves(viability), viability)["dose_response"])
    assert set(source["curve"]) == {"LR", "P, S0"}


def test_many_drugs_go_on_pages() -> None:
    rng = np.random.default_rng(1)
    table = pd.concat([experiment(rng, "P", f"drug {i:02d}", 10.0) for i in range(11)])
    viability = dose_response.responses(table)
    charts = dose_response.dose_response_curves(dose_response.curves(viability), viability)
    assert list(charts) == ["dose_response_1", "dose_response_2"]


def test_parental_line_has_the_first_colour(curves: pd.DataFrame, responses: pd.DataFrame) -> None:
    lines_first = models().iloc[::-1]
    text = _text(dose_response.dose_response_curves(curves, responses, lines_first)["dose_response"])
    assert '"sort": ["SR", "LR", "P"]' in text


def test_perturbation_medium_and_stage_panels(curves: pd.DataFrame, responses: pd.DataFrame) -> None:
    perturbed = _source(dose_response.perturbation_curves(curves, responses)["perturbation_curves"])
    assert set(perturbed["panel"]) == {"LR, lenvatinib", "P, lenvatinib"}
    assert {"siAKR1B1", "siNC", "AKR1B1 OE", "vector", "none"} <= set(perturbed["curve"])
    media = _source(dose_response.medium_curves(curves, responses)["medium_curves"])
    assert set(media["curve"]) == {"usual medium", "conditioned by LR"}
    stages = _source(dose_response.stage_curves(curves, responses)["stage_curves"])
    assert {"S1", "S2", "S3"} <= set(stages["curve"])


def test_forest_shows_bounds_and_reasons(index: pd.DataFrame) -> None:
    source = _source(dose_response.resistance_forest(index)["resistance_index"])
    lost = source[source["label"].str.startswith("LR, lost")].iloc[0]
    assert np.isnan(lost["ri"]) and lost["limits"] == "no upper"
    assert "both IC50s lie above" in source.loc[source["label"].str.startswith("LR, inactive"), "note"].item()


def test_matrix_has_every_cell(index: pd.DataFrame) -> None:
    source = _source(dose_response.cross_resistance_matrix(dose_response.cross_resistance(index))["cross_resistance"])
    assert len(source) == 12 and set(source["line"]) == {"LR", "SR"}
    cells = source.set_index(["line", "drug"])["cell"]
    assert cells["LR", "lost"].startswith(">") and cells["SR", "inactive"] == "n.d."


def test_plate_maps_show_raw_and_normalised() -> None:
    raw = plate(
        {f"{r}{c}": ("d", float(c), 0.1 * c) for r in "BCD" for c in range(2, 8)},
        vehicle={"A1": 1.0, "B1": 1.2},
        blank={"H12": 0.0},
    )
    charts = dose_response.plate_maps(raw)
    source = _source(charts["plates"])
    assert len(source) == 21 and source["viability"].max() == pytest.approx(1.2 / 1.1)
    svg = export("plates", charts["plates"])["svg"].decode()
    assert "Signal (raw)" in svg and "Viability (fraction)" in svg
    pages = pd.concat([raw.assign(plate=f"p{i}") for i in range(14)])
    assert list(dose_response.plate_maps(pages)) == ["plates_1", "plates_2"]


def test_nothing_to_draw_is_none() -> None:
    plain = experiment(np.random.default_rng(2), "P", "d", 10.0)
    viability = dose_response.responses(plain)
    fitted = dose_response.curves(viability)
    assert dose_response.perturbation_curves(fitted, viability) is None
    assert dose_response.medium_curves(fitted, viability) is None
    assert dose_response.stage_curves(fitted, viability) is None
    assert dose_response.stage_trend_figure(fitted) is None
    assert dose_response.plate_maps(plain) is None
    assert dose_response.plate_maps() is None
