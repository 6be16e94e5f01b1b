"""Published numbers on real animals; needs the reference data beside the checkout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rechallenge.assays import tumours as assay
from rechallenge.assays.tumours.reading import read_days
from rechallenge.study import TableSource

NO_MODELS = pd.DataFrame({"model": []}, dtype=object)


def table(shared: Path, name: str, **given: str) -> pd.DataFrame:
    source = TableSource(values=[name], **given)
    found = read_days(source, shared / "data" / "in_vivo", assay.TUMOURS, NO_MODELS)
    assert not [f for f in found.faults if f.severity == "error"]
    return found.frame


def interaction(volumes: pd.DataFrame, **options: object) -> pd.Series:
    found = assay.tumour_growth(volumes, assay.tumour_tgi(volumes, n_boot=50), **options)["tumour_growth"]
    return found[found["kind"] == "bliss"].iloc[0]


#: lme4 and pbkrtest on the tables of invivoSyn (Mao and Guo 2023): A x B slope and its p; n animals
LME4 = {
    "LS_1034": (-0.0242, 0.250, 41),
    "SNU-81": (-0.0275, 0.250, 26),
    "SW837": (-0.0181, 0.057, 24),
    "CR1197": (-0.0276, 0.180, 37),
}


@pytest.mark.parametrize("name", sorted(LME4))
def test_interactions_of_lme4_and_pbkrtest(shared: Path, name: str) -> None:
    found = interaction(table(shared, f"invivosyn_{name}.csv", model=name), zeros="exclude")
    estimate, p, n = LME4[name]
    assert found["estimate"] == pytest.approx(estimate, rel=0.01)
    assert found["p_value"] == pytest.approx(p, abs=0.01)
    assert (found["n"], found["model"]) == (n, name)
    assert found["two_stage_estimate"] == pytest.approx(estimate, rel=0.15), "the cross-check is near"


def test_synergylmm_on_relative_volumes(shared: Path) -> None:
    """SynergyLMM's own simulated data and model: Bliss -0.024558 (SE 0.006454), Kenward-Roger p 7.07e-4."""
    found = interaction(table(shared, "synergylmm_grwth_data.csv"), baseline="relative")
    assert found["estimate"] == pytest.approx(-0.024558, abs=1e-6)
    assert found["se"] == pytest.approx(0.006454, abs=1e-6)
    assert found["p_value"] == pytest.approx(7.07e-4, abs=1e-6)


def test_inhibition_of_drap(shared: Path) -> None:
    """DRAP's Tumor_1 on day 21: 23.3, 54.4, 82.8, 91.6 % of the change of control tumours."""
    volumes = table(shared, "drap_TAN.volume.data.csv")
    found = assay.tumour_tgi(volumes[volumes["model"] == "Tumor_1"], n_boot=200)
    last = found[(found["day"] == 21) & (found["control"] != "")].sort_values("arm")
    assert last["tgi_percent"].round(1).tolist() == [23.3, 54.4, 82.8, 91.6]
    assert (last["all_there"] == "yes").all()


def test_animals_that_died_as_zeros_are_warned_of(shared: Path) -> None:
    """DRAP writes volumes and weights of 0 for animals that were gone."""
    volumes = table(shared, "drap_oneAN.volume.data.csv")
    assert "gone-at-once" in {f.code for rule in assay.TUMOURS.rules for f in rule(volumes, NO_MODELS)}


@pytest.fixture(scope="module")
def xeva(shared: Path) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    folder = shared / "data" / "in_vivo"
    long = pd.read_csv(folder / "xeva_brca_long.csv.gz")
    known = pd.read_csv(folder / "xeva_brca_sensitivity_model.csv").set_index("model.id")
    volumes = pd.DataFrame(
        {"animal": long["model"], "arm": long["drug"], "day": long["time"].astype(float), "model": "BRCA",
         "volume_mm3": long["volume"].astype(float)}
    )  # fmt: skip
    return assay.tumour_response(volumes), known


def test_response_calls_of_xeva(xeva: tuple[dict[str, pd.DataFrame], pd.DataFrame]) -> None:
    """Gao 2015 (PDXE) breast tumours: Xeva's calls on 847 of 849; the other two were not followed to day 10."""
    result, known = xeva
    both = result["tumour_response"].set_index("animal").join(known)
    called = both[both["call"] != ""]
    assert len(both) == 849 and len(called) == 847
    assert (called["call"] == called["mRECIST"]).all()
    for mine, theirs in (("best_percent", "best.response"), ("best_average_percent", "best.average.response")):
        # this tumour's first volume is of day 16, which Xeva takes for a response on a day after the tenth
        given = called.drop(index="X.2524.LF27.evus")
        assert np.allclose(given[mine], given[theirs]), mine
    assert (both.loc[both["call"] == "", "last_day"] < 10).all()


def test_published_calls_of_gao(xeva: tuple[dict[str, pd.DataFrame], pd.DataFrame]) -> None:
    """Published calls name the later course too (`SD-->PD`); all 20 complete responses agree, and no call is off by
    two steps. 140 tumours published as PD are SD here and in Xeva (their volumes after the last treatment are lost)."""
    result, known = xeva
    both = result["tumour_response"].set_index("animal").join(known)
    both = both[both["call"] != ""]
    first = both["mRECIST_published"].str.split("-->").str[0]
    steps = {"CR": 0, "PR": 1, "SD": 2, "PD": 3}
    assert (both.loc[first == "CR", "call"] == "CR").all() and (first == "CR").sum() == 20
    assert (first.map(steps) - both["call"].map(steps)).abs().max() == 1
    assert (first == both["call"]).mean() > 0.83


@pytest.mark.slow
def test_one_animal_an_arm_over_many_models(shared: Path) -> None:
    """277 models, 62 arms, 4,711 animals (Gao 2015): everything runs, single animals are never tested alone."""
    long = pd.read_csv(shared / "data" / "in_vivo" / "drap_TAone.volume.data.csv.gz")
    volumes = pd.DataFrame(
        {"animal": long["ID"].astype(str), "arm": long["Arms"], "day": long["Times"].astype(float),
         "model": long["Tumor"], "volume_mm3": long["Volume"].astype(float)}
    )  # fmt: skip
    growth = assay.tumour_growth(volumes, assay.tumour_tgi(volumes, n_boot=50))["tumour_growth"]
    over = growth[growth["kind"] == "across models"]
    assert len(over) > 40 and (over["n_models"] >= 3).all() and over["p_value"].notna().all()
    rates = assay.tumour_response(volumes)["tumour_response_rates"]
    assert (rates["unit"] == "model").sum() > 40
