"""Inhibition, response calls, time to the end point, tolerability, organs, power: values by hand and refusals."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from tumour_examples import ADDITIVE, LINES, SYNERGY, experiment

from rechallenge.assays import tumours as assay
from rechallenge.assays.tumours.endpoint import median_time
from rechallenge.assays.tumours.power import t_power
from rechallenge.assays.tumours.tolerability import kind_of
from rechallenge.evidence import check
from rechallenge.faults import NotApplicable


def series(arms: dict[str, list[list[float | None]]], days: tuple[float, ...] = (0, 7, 14)) -> pd.DataFrame:
    """Volumes by arm: a list per animal; None where it was gone."""
    rows = [
        {"animal": f"{arm}{i}", "arm": arm, "day": day, "volume_mm3": value, "model": "", "removed": ""}
        for arm, animals in arms.items()
        for i, values in enumerate(animals)
        for day, value in zip(days, values, strict=True)
        if value is not None
    ]
    return pd.DataFrame(rows)


def test_inhibition_by_its_three_definitions() -> None:
    table = series({"vehicle": [[100, 200, 500], [200, 400, 700]], "A": [[100, 150, 200], [100, 150, 250]]})
    last = assay.tumour_tgi(table).set_index(["arm", "day"]).loc[("A", 14)]
    assert last["tgi_percent"] == pytest.approx(100 * (1 - 125 / 450))
    assert last["volume_percent"] == pytest.approx(100 * (1 - 225 / 600))
    assert last["relative_percent"] == pytest.approx(100 * (1 - 2.25 / 4.25))
    assert last["all_there"] == "yes" and last["n"] == last["n_control"] == 2
    assert last["ci_low"] <= last["tgi_percent"] <= last["ci_high"]


def test_inhibition_names_the_animals_that_are_gone() -> None:
    table = series({"vehicle": [[100, 200, None], [200, 400, 700], [100, 300, 600]], "A": [[100, 150, 200]] * 2})
    found = assay.tumour_tgi(table).set_index(["arm", "day"])
    last = found.loc[("A", 14)]
    assert (last["n_control"], last["n_control_start"], last["all_there"]) == (2, 3, "no")
    assert last["remark"] == "1 of 3 animals of vehicle are gone"
    assert found.loc[("A", 7), "all_there"] == "yes"
    assert found.loc[("vehicle", 7), "status"] == "not_estimable" and found.loc[("vehicle", 14), "n"] == 2
    flat = assay.tumour_tgi(series({"vehicle": [[100, 90, 80]] * 2, "A": [[100, 50, 20]] * 2}))
    assert flat.loc[flat["arm"] == "A", "reason"].eq("the control tumours did not grow").all()
    single = assay.tumour_tgi(series({"vehicle": [[100, 200, 300]], "A": [[100, 50, 20]] * 2}))
    one = single[single["arm"] == "A"].iloc[0]
    assert one["status"] == "not_testable" and np.isfinite(one["tgi_percent"]) and np.isnan(one["ci_low"])


@pytest.mark.parametrize(
    ("best", "average", "call"),
    [(-96, -41, "CR"), (-96, -39, "PR"), (-51, -21, "PR"), (-51, -19, "SD"), (34, 29, "SD"), (34, 31, "PD"),
     (36, 10, "PD"), (float("nan"), 0, "")],
)  # fmt: skip
def test_response_criteria(best: float, average: float, call: str) -> None:
    assert assay.call(best, average) == call


def test_responses_of_animals_and_their_rates() -> None:
    table = series(
        {"vehicle": [[100, 300, 900]] * 5, "A": [[100, 20, 2]] * 4 + [[100, 120, 125]], "B": [[100, 40, None]] * 2}
    )
    found = assay.tumour_response(table)
    animals = found["tumour_response"].set_index("animal")
    assert animals.loc["A0", "call"] == "CR" and animals.loc["A4", "call"] == "SD"
    assert animals.loc["A0", "best_percent"] == -98 and animals.loc["A0", "best_average_percent"] == pytest.approx(
        -59.3, abs=0.1
    )
    assert animals.loc["vehicle0", "doubling_days"] == pytest.approx(np.log(2) / (np.log(9) / 14))
    assert animals.loc["B0", "status"] == "not_estimable" and "day 10" in animals.loc["B0", "reason"]
    rates = found["tumour_response_rates"].set_index("arm")
    assert rates.loc["A", ["cr", "sd", "objective_fraction"]].tolist() == [4, 1, 0.8]
    exact = stats.binomtest(4, 5).proportion_ci(method="exact")
    assert (rates.loc["A", "ci_low"], rates.loc["A", "ci_high"]) == pytest.approx((exact.low, exact.high))
    assert rates.loc["A", "p_value"] == pytest.approx(stats.fisher_exact([[4, 1], [0, 5]]).pvalue)
    assert rates.loc["B", "not_called"] == 2 and np.isnan(rates.loc["B", "p_value"])


def test_response_over_models_has_the_model_as_unit() -> None:
    tables = [
        series({"vehicle": [[100, 300, 900]], "A": [[100, 20, 2 if k < 6 else 400]]}).assign(model=f"P{k}")
        for k in range(8)
    ]
    rates = assay.tumour_response(pd.concat(tables))["tumour_response_rates"]
    over = rates[(rates["unit"] == "model") & (rates["arm"] == "A")].iloc[0]
    assert (over["n"], over["cr"], over["model"]) == (8, 6, "")
    assert over["p_value"] == pytest.approx(2 * 0.5**6) and over["test"] == "McNemar, exact, 8 models"


def test_times_are_interpolated_and_reasons_for_leaving_count() -> None:
    table = series({"vehicle": [[100, 200, 800], [100, 120, None]], "A": [[100, 110, 120], [100, 90, None]]})
    table.loc[(table["animal"] == "vehicle1") & (table["day"] == 7), "removed"] = "ulcer"
    table.loc[(table["animal"] == "A1") & (table["day"] == 7), "removed"] = "end of study"
    times = assay.tumour_endpoint(table)["tumour_times"].set_index("animal")
    assert times.loc["vehicle0", "time"] == pytest.approx(7 + 7 * np.log(2) / np.log(4))
    assert times["event"].to_dict() == {"A0": 0, "A1": 0, "vehicle0": 1, "vehicle1": 1}
    assert times.loc["A1", "time"] == 7
    volume = assay.tumour_endpoint(table, endpoint_mm3=150.0)["tumour_times"].set_index("animal")
    assert volume.loc["vehicle0", "time"] == pytest.approx(7 * np.log(1.5) / np.log(2))
    high = assay.tumour_endpoint(series({"vehicle": [[100, 200, 800], [900, 999, None]]}), endpoint_mm3=500.0)
    assert "at the end point on the first day" in high["tumour_times"]["reason"].tolist()
    with pytest.raises(NotApplicable):
        assay.tumour_endpoint(series({"vehicle": [[100, None, None]]}))


def test_curves_and_log_rank_agree_with_lifelines() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifelines import KaplanMeierFitter
        from lifelines.statistics import logrank_test

    rng = np.random.default_rng(3)
    a, b = (np.column_stack([rng.exponential(s, 12).round(1), rng.random(12) < 0.7]).astype(float) for s in (10, 25))
    curve = assay.kaplan_meier(a)
    fitter = KaplanMeierFitter().fit(a[:, 0], a[:, 1])
    assert curve[:, 3] == pytest.approx(fitter.survival_function_["KM_estimate"].to_numpy())
    inside = np.isfinite(curve[:, 4])
    limits = fitter.confidence_interval_.to_numpy()[inside]
    assert curve[inside, 4:6] == pytest.approx(limits)
    assert median_time(a)[0] == fitter.median_survival_time_
    other = logrank_test(a[:, 0], b[:, 0], a[:, 1], b[:, 1])
    excess, variance, p = assay.log_rank(a, b)
    table = series({"vehicle": [[100, 800, 900]] * 3, "A": [[100, 110, 120]] * 3})
    exact = assay.tumour_endpoint(table)["tumour_endpoint"].set_index("arm").loc["A"]
    assert exact["p_value"] == pytest.approx(2 / 20) and exact["test"] == "log-rank, permutation, all 20"
    assert p == pytest.approx(other.p_value) and excess**2 / variance == pytest.approx(other.test_statistic)


def test_the_end_point_is_delayed_by_what_slows_growth() -> None:
    table = experiment(3, n=8, rates=SYNERGY, days=tuple(range(0, 43, 3)), sd_slope=0.004)
    found = assay.tumour_endpoint(table)["tumour_endpoint"].set_index("arm")
    both = found.loc["lenvatinib + epalrestat"]
    assert both["status"] == "censored" and np.isnan(both["median_days"]) and both["ci_high"] == np.inf
    assert both["hazard_ratio"] < 0.3 and both["p_value"] < 0.001
    assert found.loc["vehicle", "median_days"] == pytest.approx(np.log(4) / 0.10, abs=3)
    claims = check(assay.tumour_endpoint_claims(found.reset_index(), LINES)).set_index("entity")
    assert claims.loc["epalrestat + lenvatinib", "direction"] == -1
    assert "median not reached against" in claims.loc["epalrestat + lenvatinib", "claim"]


def weighed(**arms: list[list[float]]) -> pd.DataFrame:
    rows = [
        {"animal": f"{arm}{i}", "arm": arm, "day": 3.0 * k, "weight_g": w, "model": ""}
        for arm, animals in arms.items()
        for i, values in enumerate(animals)
        for k, w in enumerate(values)
    ]
    return pd.DataFrame(rows)


def test_body_weight_nadir_and_losses() -> None:
    table = weighed(vehicle=[[20, 21, 22], [20, 19.6, 21], [25, 25, 25]], A=[[20, 15, 19], [20, 17, 16], [20, 19, 20]])
    found = assay.tolerability(table).set_index("arm")
    a = found.loc["A"]
    assert a["nadir_percent"] == pytest.approx((-25 - 20 - 5) / 3) and a["worst_percent"] == -25
    assert (a["n_loss"], a["n"], a["nadir_day"]) == (2, 3, 3)
    welch = stats.ttest_ind([-25, -20, -5], [5, -2, 0], equal_var=False)
    assert a["p_value"] == pytest.approx(welch.pvalue)
    heavy = experiment(1, n=3, rates={"vehicle": 0.1, "A": 0.0}, model="", days=(0, 3, 6))
    heavy["animal"] = heavy["arm"] + heavy["animal"].str[-1]
    net = assay.tolerability(table, heavy).set_index("arm")
    assert net.loc["vehicle", "net_nadir_percent"] < net.loc["vehicle", "nadir_percent"]
    claims = check(assay.tolerability_claims(found.reset_index()))
    assert claims["direction"].tolist() == [0] and "2 of 3 animals lost 20 % or more" in claims["claim"].iloc[0]
    with pytest.raises(NotApplicable):
        assay.tolerability(table[table["day"] == 0])


def organs(readout: str, unit: str, model: str = "Huh-7 LR", **arms: list[float]) -> pd.DataFrame:
    rows = [
        {
            "animal": f"{arm}{i}",
            "arm": arm,
            "readout": readout,
            "value": float(v),
            "unit": unit,
            "kind": "",
            "model": model,
        }
        for arm, values in arms.items()
        for i, v in enumerate(values)
    ]
    return pd.DataFrame(rows)


def test_nodules_are_counts_with_an_exact_test() -> None:
    table = organs("lung nodules", "", vehicle=[14, 9, 22, 11], A=[3, 0, 5, 2], B=[0, 0, 0, 0])
    found = assay.organ_effects(table).set_index("arm")
    assert set(found["kind"]) == {"count"}
    assert found.loc["A", "effect"] == pytest.approx(np.log2(2.5 / 14)) and found.loc["A", "dispersion"] >= 1
    assert found.loc["A", "p_value"] == pytest.approx(2 / 70), "the most extreme of 70 arrangements, both ways"
    assert found.loc["B", "status"] == "not_testable" and np.isnan(found.loc["B", "effect"])
    claims = check(assay.organ_claims(found.reset_index(), LINES))
    assert (
        claims.set_index("entity").loc["A", "claim"].startswith("A: fewer lung nodules in Huh-7 LR tumours; mean 2.50")
    )
    assert claims["direction"].tolist() == [-1, -1]


def test_weights_are_compared_as_ratios_and_liver_values_make_no_claim() -> None:
    table = pd.concat(
        [organs("tumour weight", "g", vehicle=[1.0, 1.2, 0.9], A=[0.4, 0.5, 0.3]),
         organs("ALT", "U/L", vehicle=[30, 31, 35], A=[60, 70, 80])]
    )  # fmt: skip
    found = assay.organ_effects(table).set_index("readout")
    welch = stats.ttest_ind(np.log2([0.4, 0.5, 0.3]), np.log2([1.0, 1.2, 0.9]), equal_var=False)
    assert found.loc["tumour weight", "p_value"] == pytest.approx(welch.pvalue)
    assert found["kind"].to_dict() == {"ALT": "level", "tumour weight": "weight"}
    assert check(assay.organ_claims(found.reset_index(), LINES))["contrast"].tolist() == ["tumour weight: A vs vehicle"]
    with pytest.raises(NotApplicable):
        assay.organ_effects(table[table["arm"] == "A"])
    many = organs("nodules", "", vehicle=list(range(10, 22)), A=list(range(4, 16)))
    drawn = assay.organ_effects(many)
    assert "9,999 drawn" in drawn["test"].iloc[0] and drawn["p_value"].iloc[0] > 0
    pd.testing.assert_frame_equal(assay.organ_effects(many.sample(frac=1, random_state=1)), drawn)


@pytest.mark.parametrize(
    ("readout", "unit", "kind"),
    [("lung nodules", "", "count"), ("liver", "g", "weight"), ("ALT", "U/L", "level"), ("tumour weight", "", "weight"),
     ("metastases", "number", "count")],
)  # fmt: skip
def test_kinds_of_readouts(readout: str, unit: str, kind: str) -> None:
    assert kind_of(readout, unit, pd.Series([1.0, 2.0])) == kind
    assert kind_of("lung nodules", "", pd.Series([1.5])) == "level", "counts are whole"


def test_power_grows_with_animals_and_needs_a_model() -> None:
    found = assay.tumour_power(experiment(1, sd_slope=0.02), largest=12)
    bliss = found[found["contrast"].str.startswith("interaction")]
    assert bliss["power"].is_monotonic_increasing and bliss["detectable"].is_monotonic_decreasing
    assert bliss["n_animals"].tolist() == [4 * n for n in range(3, 13)]
    enough = bliss[bliss["power"] >= 0.8]
    assert bliss["n_needed"].iloc[0] == (enough["n_per_arm"].min() if len(enough) else np.nan)
    two = found[found["contrast"].str.startswith("against")]
    assert (two["power"].to_numpy() > bliss["power"].to_numpy()).all()
    assert t_power(0, 10) == pytest.approx(0.05) and t_power(40, 3) == pytest.approx(1, abs=1e-6)
    at = bliss.iloc[3]
    assert t_power(at["detectable"] / at["se"], at["df"]) == pytest.approx(0.8, abs=1e-3)
    with pytest.raises(NotApplicable):
        assay.tumour_power(experiment(1, n=1, rates=ADDITIVE))


def test_every_table_is_the_same_whatever_the_order_of_rows() -> None:
    table = experiment(2, n=4, burden=700)
    mixed = table.sample(frac=1, random_state=5)
    for run in (assay.tumour_tgi, assay.tumour_power):
        pd.testing.assert_frame_equal(run(table), run(mixed))
    for run in (assay.tumour_response, assay.tumour_endpoint):
        one, other = run(table), run(mixed)
        for name in one:
            pd.testing.assert_frame_equal(one[name], other[name])
