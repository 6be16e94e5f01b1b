"""Cox models: R's survival to the digits it prints, lifelines where no reference data lie, and properties."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import special

from rechallenge.stats import cox, survival

#: tolerances of each item against R 4.2.2, survival 3.5-3 (R stops at a relative change of 1e-9 in the likelihood)
CLOSE = {"coef": 1e-7, "se": 1e-7, "loglik": 1e-8, "test": 1e-8, "concordance": 1e-8, "ph": 1e-6}


def lifelines_data(name: str) -> pd.DataFrame:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifelines import datasets

        return getattr(datasets, f"load_{name}")()


def lung() -> pd.DataFrame:
    table = lifelines_data("lung")
    return table.assign(event=table["status"] - (table["status"].max() == 2))


@pytest.fixture(scope="module")
def oracle(shared: Path) -> dict[str, Any]:
    return json.loads((shared / "oracles/clinical/oracle_R.json").read_text())


def cases(folder: Path) -> dict[str, tuple[Any, Any, Any, Any]]:
    """Name -> times, events, covariates (n, p), entry."""
    rossi = pd.read_csv(folder / "rossi.csv")
    breast = pd.read_csv(folder / "gbsg2.csv").assign(htx=lambda t: (t["horTh"] == "yes").astype(float))
    heart, jasa = pd.read_csv(folder / "heart_stanford.csv"), pd.read_csv(folder / "jasa.csv")
    complete = lung().dropna(subset=["ph.ecog"])
    pr = np.log(breast["progrec"] + 1)
    product = np.column_stack([breast["htx"], pr, breast["htx"] * pr])

    def of(t: pd.DataFrame, time: str, event: str, *columns: str, entry: str = "") -> tuple[Any, Any, Any, Any]:
        return t[time].to_numpy(float), t[event].to_numpy(float), t[list(columns)].to_numpy(float), (
            t[entry].to_numpy(float) if entry else None)  # fmt: skip

    return {
        "rossi_multi": of(rossi, "week", "arrest", "fin", "age", "race", "wexp", "mar", "paro", "prio"),
        "gbsg2_multi": of(breast, "time", "cens", "htx", "age", "pnodes", "progrec", "estrec", "tsize"),
        "lung_multi": of(complete, "time", "event", "age", "sex", "ph.ecog"),
        "lung_sex_coxhr": of(lung(), "time", "event", "sex"),
        "heart_timedep": of(heart, "stop", "event", "transplant", "age", "surgery", entry="start"),
        "heart_naive_ever_transplant": of(jasa.assign(t=jasa["futime"] + 0.5), "t", "fustat", "tx", "age", "surgery"),
        "gbsg2_interaction_htx_logPR": (breast["time"].to_numpy(float), breast["cens"].to_numpy(float), product, None),
    }


@pytest.mark.parametrize(
    "name",
    ["rossi_multi", "gbsg2_multi", "lung_multi", "lung_sex_coxhr", "heart_timedep", "heart_naive_ever_transplant",
     "gbsg2_interaction_htx_logPR"],
)  # fmt: skip
def test_fits_agree_with_r(name: str, oracle: dict[str, Any], shared: Path) -> None:
    time, event, x, entry = cases(shared / "oracles/clinical")[name]
    want = oracle[name]
    at = cox.risk(time, event, entry)
    got = cox.fit(at, x[None])
    assert (at.n, at.n_events) == (want["n"], want["nevent"])
    np.testing.assert_allclose(got.coef[0], list(want["coef"].values()), rtol=CLOSE["coef"], atol=1e-8)
    np.testing.assert_allclose(got.se[0], list(want["se"].values()), rtol=CLOSE["se"])
    np.testing.assert_allclose(got.p[0], list(want["p"].values()), rtol=1e-6, atol=1e-14)
    np.testing.assert_allclose([got.loglik0[0], got.loglik[0]], want["loglik"], rtol=CLOSE["loglik"])
    np.testing.assert_allclose([got.lrt[0], got.lrt_p[0]], [want["lrt"][0], want["lrt"][2]], rtol=CLOSE["test"])
    np.testing.assert_allclose([got.score[0], got.score_p[0]], [want["score"][0], want["score"][2]], rtol=CLOSE["test"])
    c = survival.concordance(time, event, x @ got.coef[0], entry)
    np.testing.assert_allclose(c, want["concordance"], rtol=CLOSE["concordance"])
    for transform in ("km", "rank", "identity", "log"):
        if f"zph_{transform}" not in want:
            continue
        ph = cox.proportional(at, x[None], got.coef, transform=transform)  # type: ignore[arg-type]
        table = want[f"zph_{transform}"]
        np.testing.assert_allclose([*ph.chi2[0], ph.chi2_global[0]], table["chisq"], rtol=CLOSE["ph"], atol=1e-6)
        np.testing.assert_allclose([*ph.p[0], ph.p_global[0]], table["p"], rtol=CLOSE["ph"], atol=1e-7)


def test_a_spline_against_a_line_agrees_with_r(oracle: dict[str, Any]) -> None:
    table = lung()
    at = cox.risk(table["time"], table["event"])
    age = table["age"].to_numpy(float)
    line, curve = cox.fit(at, age[None]), cox.fit(at, cox.natural_spline(age, 3)[None])
    want = oracle["lung_age_ns3_lrt_vs_linear"]
    chi2, df = 2 * (curve.loglik[0] - line.loglik[0]), curve.coef.shape[1] - line.coef.shape[1]
    assert df == want["df"]
    np.testing.assert_allclose([chi2, special.chdtrc(df, chi2)], [want["chisq"], want["p"]], rtol=1e-7)


def test_an_interaction_against_none_agrees_with_r(oracle: dict[str, Any], shared: Path) -> None:
    """Hormone therapy times log progesterone receptor: likelihood ratio with one degree of freedom."""
    time, event, x, _ = cases(shared / "oracles/clinical")["gbsg2_interaction_htx_logPR"]
    at = cox.risk(time, event)
    chi2 = 2 * (cox.fit(at, x[None]).loglik[0] - cox.fit(at, x[None, :, :2]).loglik[0])
    want = oracle["gbsg2_interaction_htx_logPR"]
    np.testing.assert_allclose([chi2, special.chdtrc(1, chi2)], [want["chisq"], want["lrt_p"]], rtol=1e-6)


def test_published_values_without_reference_files() -> None:
    """R's coxph(Surv(time, status) ~ sex, lung): HR .588, z -3.176, p .00149, likelihood ratio 10.63."""
    table = lung()
    at = cox.risk(table["time"], table["event"])
    got = cox.fit(at, table["sex"].to_numpy(float)[None])
    np.testing.assert_allclose(np.exp(got.coef[0, 0]), 0.588, atol=5e-4)
    np.testing.assert_allclose([got.z[0, 0], got.lrt[0]], [-3.176, 10.63], atol=5e-3)
    assert got.status[0] == cox.ESTIMATED


def test_late_entry_agrees_with_lifelines() -> None:
    rng = np.random.default_rng(3)
    n = 200
    x = rng.normal(size=n)
    entry = np.round(rng.uniform(0, 4, n), 1)
    time = entry + np.ceil(10 * rng.exponential(np.exp(-0.5 * x))) / 10  # tied times
    event = rng.random(n) < 0.7
    got = cox.fit(cox.risk(time, event, entry), x[None])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lifelines import CoxPHFitter

        frame = pd.DataFrame({"x": x, "t": time, "e": event, "w": entry})
        other = CoxPHFitter().fit(frame, "t", "e", entry_col="w")
    np.testing.assert_allclose(
        [got.coef[0, 0], got.se[0, 0]], [other.params_["x"], other.standard_errors_["x"]], rtol=1e-4
    )


def simulated(seed: int, n: int = 120, ties: bool = False) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(8, n))
    t = rng.exponential(np.exp(-0.6 * x[0]))
    return np.ceil(t * 4) if ties else t, rng.random(n) < 0.6, x


@pytest.mark.parametrize("ties", [False, True])
def test_a_batch_is_the_models_one_by_one_and_order_and_scale_do_not_matter(ties: bool) -> None:
    time, event, x = simulated(1, ties=ties)
    together = cox.fit(cox.risk(time, event), x, x[1])
    one = [cox.fit(cox.risk(time, event), x[[i]], x[1]) for i in range(len(x))]
    np.testing.assert_allclose(together.coef, np.concatenate([o.coef for o in one]), equal_nan=True, rtol=1e-10)
    order = np.random.default_rng(0).permutation(len(time))
    mixed = cox.fit(cox.risk(time[order], event[order]), x[:, order] * 1000 + 7, x[1, order])
    np.testing.assert_allclose(mixed.coef[:, 0] * 1000, together.coef[:, 0], rtol=1e-7, equal_nan=True)
    assert together.status[1] == "covariates that say the same (collinear)"


def test_what_cannot_be_estimated_has_no_number() -> None:
    time, event, _ = np.arange(1.0, 21), np.r_[np.ones(10), np.zeros(10)], None
    separated = np.r_[np.ones(10), np.zeros(10)]
    got = cox.fit(cox.risk(time, event), np.stack([np.ones(20), separated, np.arange(20.0)]))
    assert list(got.status[:2]) == [cox.CONSTANT, cox.SEPARATED]
    assert np.isnan(got.coef[:2]).all() and np.isnan(got.p[:2]).all()
    none = cox.fit(cox.risk(time, np.zeros(20)), np.arange(20.0)[None])
    assert none.status[0] == cox.FEW and np.isnan(none.lrt_p[0])
    with pytest.raises(ValueError, match="must lie after its entry"):
        cox.risk(time, event, time)
    with pytest.raises(ValueError, match="leave out subjects"):
        cox.fit(cox.risk(time, event), np.full((1, 20), np.nan))


def test_the_detectable_effect() -> None:
    """exp((1.960 + 0.842) / sqrt(130)) = 1.279 (Schoenfeld's formula for one standard deviation)."""
    assert survival.detectable_hr(130) == pytest.approx(1.2786, abs=1e-3)
    assert survival.detectable_hr(0) == float("inf")


@pytest.mark.slow
def test_null_rates_of_all_tests() -> None:
    rng = np.random.default_rng(11)
    n, m = 150, 4000
    time, event = rng.exponential(size=n), rng.random(n) < 0.6
    at = cox.risk(time, event)
    x = rng.normal(size=(m, n))
    got = cox.fit(at, x)
    reach = 3.5 * np.sqrt(0.05 * 0.95 / m)
    ph = cox.proportional(at, x, got.coef)
    for p in (got.lrt_p, got.p[:, 0], ph.p[:, 0]):
        assert abs((p < 0.05).mean() - 0.05) < reach + 0.006, "the tests are asymptotic: 90 events"
