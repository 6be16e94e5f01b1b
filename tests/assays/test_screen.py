"""Library screens: planted compounds and classes told back, error rates, typed cases, real plates."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rechallenge.assays import screen as assay
from rechallenge.assays.screen import hits as words
from rechallenge.assays.screen.annotate import annotate, excluded
from rechallenge.assays.screen.classes import normal_scores
from rechallenge.evidence import check
from rechallenge.faults import NotApplicable
from rechallenge.report.theme import export
from rechallenge.simulate import library
from rechallenge.tables.reading import read_table

MODELS = pd.DataFrame({"model": ["HepG2 SR", "L02"], "role": ["resistant", "normal"]})


def placed(wells: pd.DataFrame) -> pd.DataFrame:
    return wells.reset_index(drop=True).assign(_file="s.csv", _sheet="", _row=np.arange(2, len(wells) + 2))


def run(wells: pd.DataFrame, normalise: Any = "auto", **options: Any) -> pd.DataFrame:
    return assay.screen_hits(assay.screen_wells(placed(wells), normalise=normalise), **options)


def shuffled(wells: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The same wells with the labels of the two arms swapped for a random half of compounds and replicates."""
    rng = np.random.default_rng(seed)
    out = wells.copy()
    sample = out[out["well_type"] == "sample"].sort_values(["compound", "dose_um", "replicate", "background_um"])
    pairs = sample.index.to_numpy().reshape(-1, 2)
    swap = pairs[rng.random(len(pairs)) < 0.5]
    # whole plates are compared, so a compound moves with its value relative to the other wells of its plate
    middle = out[out["well_type"] == "sample"].groupby("plate")["signal"].median()
    ratio = out["signal"] / out["plate"].map(middle)
    ratio.loc[swap.ravel()] = ratio.loc[swap[:, ::-1].ravel()].to_numpy()
    out["signal"] = ratio * out["plate"].map(middle)
    return out


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    return library.library(400, seed=1, class_size=8)


@pytest.fixture(scope="module")
def wells(truth: pd.DataFrame) -> pd.DataFrame:
    return placed(library.wells(truth, seed=1))


@pytest.fixture(scope="module")
def normalised(wells: pd.DataFrame) -> pd.DataFrame:
    return assay.screen_wells(wells)


@pytest.fixture(scope="module")
def hits(normalised: pd.DataFrame) -> pd.DataFrame:
    return assay.screen_hits(normalised)


def test_planted_compounds_are_told_back(hits: pd.DataFrame, truth: pd.DataFrame) -> None:
    """Planted interactions are eight standard errors strong, so any seed finds them."""
    both = hits.merge(truth, on="compound", suffixes=("", "_planted"))
    planted = both["interaction_planted"] != 0
    assert (both.loc[planted, "direction"] == np.sign(both.loc[planted, "interaction_planted"])).all()
    assert (both.loc[~planted, "direction"] != 0).sum() <= 3
    inside = both["interaction_planted"].between(both["ci_low"], both["ci_high"])
    assert inside.mean() > 0.9
    kills = both["alone_planted"] < 0.6
    assert (both.loc[kills, "toxicity"] == "kills by itself").all()
    assert (both.loc[both["alone_planted"] == 1, "toxicity"] == "none shown").mean() > 0.97
    assert both["anchor_alone"].between(0.7, 0.9).all() and both["n"].eq(3).all() and both["n_wells"].eq(6).all()
    assert hits["source_rows"].str.match(r"s\.csv:[\d,-]+$").all()
    assert hits["rank"].is_monotonic_increasing


def test_the_planted_class_ranks_first(hits: pd.DataFrame, normalised: pd.DataFrame) -> None:
    found = assay.screen_classes(hits, normalised)
    first = found.iloc[0]
    assert (first["name"], first["size"], first["direction"], first["n_hits"]) == (library.PLANTED_CLASS, 3, -1, 3)
    assert found["q_value"].ge(found["p_value"]).all() and found["size"].ge(2).all()
    assert "lefamulin" in first["members"] and first["verdict"] == "sensitises as a class"


def test_normal_scores_agree_with_every_possible_class() -> None:
    """The p-value of a class of 3 in 20 against all 1,140 classes of 3 (an exact permutation test)."""
    rng = np.random.default_rng(0)
    score = normal_scores(rng.standard_t(2, 20))
    means = np.array([score[list(c)].mean() for c in itertools.combinations(range(20), 3)])
    z = means / np.sqrt((1 - 3 / 20) / 3)
    p = 2 * stats.norm.sf(np.abs(z))
    for level in (0.2, 0.1, 0.05, 0.02):
        assert np.mean(p <= level) == pytest.approx(level, rel=0.25)
    assert np.isnan(normal_scores([1.0, np.nan, 2.0])[1])


def test_shuffled_anchor_labels_give_uniform_p(wells: pd.DataFrame, truth: pd.DataFrame) -> None:
    quiet = truth.assign(interaction=0.0)
    p = run(shuffled(library.wells(quiet, seed=5), 5))["p_value"].dropna()
    assert stats.kstest(p, "uniform").pvalue > 1e-4
    assert (p < 0.05).sum() <= stats.binom.ppf(0.9999, len(p), 0.05)


def test_position_is_taken_off(truth: pd.DataFrame) -> None:
    """Plates with edges that lose 40 % of the signal, differently in each plate, cost no hit; vehicle wells alone
    do."""
    dirty = library.wells(truth, edge=0.4, seed=2)
    planted = set(truth.loc[truth["interaction"] != 0, "compound"])
    found = {how: set(run(dirty, how).query("direction != 0")["compound"]) for how in ("auto", "controls")}
    assert planted <= found["auto"] and len(found["auto"] - planted) <= 3
    assert len(found["controls"] & planted) < len(planted)
    plates = assay.screen_plates(assay.screen_wells(dirty))
    assert -0.55 < plates["edge_effect"].median() < -0.25 and plates["remarks"].str.contains("taken off").any()


def test_plate_quality_is_the_textbook_one(normalised: pd.DataFrame, wells: pd.DataFrame) -> None:
    out = assay.screen_plates(normalised).set_index("plate")
    name = out.index[0]
    signal = wells[wells["plate"] == name].groupby("well_type")["signal"]
    mean, sd = signal.mean(), signal.std()
    expected = 1 - 3 * (sd["vehicle"] + sd["positive"]) / (mean["vehicle"] - mean["positive"])
    assert out.loc[name, "z_prime"] == pytest.approx(expected)
    assert out["verdict"].isin(["good", "usable"]).all() and out["n_positive"].eq(16).all()
    bare = wells[~wells["well_type"].isin(["positive", "blank"])]
    poor = assay.screen_plates(assay.screen_wells(bare))
    assert poor["status"].eq("not_estimable").all() and poor["verdict"].eq("unknown").all()


def test_one_replicate_is_said_to_be_one(truth: pd.DataFrame) -> None:
    once = run(library.wells(truth, replicates=1, seed=3))
    assert set(once["status"]) <= {"not_testable", "not_estimable"} and once["design"].eq(words.ONCE).all()
    assert once["reason"].str.contains("one biological replicate").any()
    planted = set(truth.loc[truth["interaction"] < 0, "compound"])
    assert planted <= set(once.head(len(planted) + 6)["compound"])
    claims = check(assay.screen_claims(once))
    leads = claims[claims["direction"] == -1]
    assert len(leads) and leads["status"].eq("not_testable").all()
    assert leads["claim"].str.contains("against the library p").all()
    few = run(library.wells(truth.head(40), replicates=1, seed=3))
    assert few["p_value"].isna().all() and few["verdict"].isin([words.UNTESTED, words.KILLS]).all()


def test_a_compound_that_leaves_nothing_is_typed(truth: pd.DataFrame) -> None:
    table = library.wells(truth.head(320), seed=4)
    sample = table["well_type"] == "sample"
    killer, strong = (sample & (table["compound"] == f"compound {i:04d}") for i in (100, 200))
    table.loc[killer, "signal"] = 1000.0
    table.loc[strong & (table["background_um"] > 0), "signal"] = 1000.0
    out = run(table).set_index("compound")
    dead, bound = out.loc["compound 0100"], out.loc["compound 0200"]
    assert dead["status"] == "not_estimable" and dead["verdict"] == words.KILLS and np.isnan(dead["p_value"])
    assert bound["status"] == "censored" and bound["direction"] == -1 and np.isnan(bound["interaction"])
    assert bound["ci_high"] < -2 and bound["ci_low"] == -np.inf and bound["q_value"] < 0.05
    claim = check(assay.screen_claims(out.reset_index())).set_index(["entity", "entity_type"])
    said = claim.loc[("compound 0200", "drug")]
    said = said if isinstance(said, pd.Series) else said.iloc[0]
    assert said["status"] == "censored" and np.isnan(said["p_value"]) and "at most" in said["claim"]


def test_normal_cells_decide_selectivity(truth: pd.DataFrame, wells: pd.DataFrame) -> None:
    spared = library.wells(truth, seed=6, model="L02", normal=True)
    both = pd.concat([wells, spared], ignore_index=True)
    out = assay.screen_hits(assay.screen_wells(placed(both)), MODELS)
    mine = out[out["model"] == "HepG2 SR"].set_index("compound")
    assert mine.loc["lefamulin", ["selective", "normal_model", "toxicity"]].tolist() == ["yes", "L02", "none shown"]
    as_well = library.wells(truth, seed=6, model="L02")  # the same interactions in normal cells
    out = assay.screen_hits(assay.screen_wells(placed(pd.concat([wells, as_well], ignore_index=True))), MODELS)
    mine = out[out["model"] == "HepG2 SR"].set_index("compound")
    assert mine.loc["lefamulin", "selective"] == "no"
    claims = check(assay.screen_claims(out))
    assert not claims["model"].eq("L02").any(), "normal cells are no tumour to make sensitive"
    told = claims[(claims["entity"] == "lefamulin") & claims["contrast"].str.startswith("selectivity")]
    assert told["direction"].tolist() == [0] and "in normal cells as well" in told["claim"].iloc[0]
    assert "HeLa" in told["claim"].iloc[0], "the register says that this line is no hepatocyte"
    killed = truth.assign(alone=np.where(truth["compound"] == "lefamulin", 0.3, truth["alone"]))
    toxic = library.wells(killed, seed=7, model="L02", normal=True)
    out = assay.screen_hits(assay.screen_wells(placed(pd.concat([wells, toxic], ignore_index=True))), MODELS)
    row = out[(out["model"] == "HepG2 SR") & (out["compound"] == "lefamulin")].iloc[0]
    assert (row["toxicity"], row["selective"]) == ("kills normal cells", "no")


def test_excluded_compounds_stay_in_the_table(truth: pd.DataFrame) -> None:
    names = truth.assign(compound=truth["compound"].replace({"compound 0001": "doxorubicin", "compound 0002": "5-FU"}))
    table = placed(library.wells(names, seed=1))
    normal = assay.screen_wells(table)
    out = assay.screen_hits(normal, exclude=("anticancer", library.PLANTED_CLASS, "Compound 0005"))
    left = out[out["excluded"] != ""].set_index("compound")
    assert {"doxorubicin", "5-FU", "lefamulin", "compound 0005"} <= set(left.index)
    assert left["verdict"].eq(words.LEFT_OUT).all() and left["q_value"].isna().all() and left["p_value"].notna().any()
    assert len(out) == len(names)
    assert library.PLANTED_CLASS not in set(assay.screen_classes(out, normal)["name"])
    assert not set(check(assay.screen_claims(out))["entity"]) & set(left.index)
    about = annotate(normal)
    assert excluded(about, ["L01"]).keys() >= {"doxorubicin", "5-FU"}
    assert excluded(about, []) == {}


def test_several_doses_count_once_per_compound(truth: pd.DataFrame) -> None:
    table = library.wells(truth.head(200), doses_um=(1.0, 10.0), seed=8)
    out = run(table)
    assert len(out) == 400 and set(out["dose_um"]) == {1.0, 10.0}
    per = out.groupby("compound")["p_compound"]
    assert np.allclose(per.min(), per.max())
    assert np.allclose(per.first(), np.minimum(1, 2 * out.groupby("compound")["p_value"].min()))
    claims = check(assay.screen_claims(out))
    drugs = claims[(claims["entity_type"] == "drug") & claims["contrast"].str.startswith("synergy")]
    assert drugs["entity"].is_unique and "10 µM" in drugs.set_index("entity").loc["lefamulin", "claim"]


def test_arms_without_common_replicates_and_arms_on_one_plate(truth: pd.DataFrame) -> None:
    table = library.wells(truth, seed=9)
    apart = table.assign(replicate=table["replicate"] + table["background_drug"])
    out = run(apart)
    assert out["design"].eq(words.INDEPENDENT).all() and out["n"].eq(6).all()
    assert set(truth.loc[truth["interaction"] < 0, "compound"]) <= set(out[out["direction"] == -1]["compound"])
    same = table.assign(plate=table["plate"].str.replace(" (sorafenib|none)", "", regex=True))
    pd.testing.assert_frame_equal(
        run(same).drop(columns=["source_rows"]), run(table).drop(columns=["source_rows"]), check_exact=False
    )


def test_targets_of_inhibitors_become_claims_of_genes(truth: pd.DataFrame) -> None:
    """Three aldose reductase inhibitors planted as sensitisers: the gene promotes resistance."""
    others = dict(zip(library.PLANTED, ("epalrestat", "ranirestat", "tolrestat"), strict=True))
    named = truth.assign(
        compound=truth["compound"].replace(others),
        **{"class": truth["class"].where(truth["class"] != library.PLANTED_CLASS, "")},
    )  # fmt: skip
    normal = assay.screen_wells(placed(library.wells(named, seed=1)))
    found = assay.screen_classes(assay.screen_hits(normal), normal)
    claims = check(assay.screen_target_claims(found))
    gene = claims[claims["entity"] == "AKR1B1"].iloc[0]
    assert (gene["direction"], gene["entity_type"], gene["level"]) == (1, "gene", "intervention")
    assert "AKR1B1: promotes resistance to sorafenib" in gene["claim"] and gene["source_rows"]


def test_the_dose_is_set_beside_what_patients_reach(wells: pd.DataFrame) -> None:
    own = pd.DataFrame({"drug": ["lefamulin", "lefamulin", "valnemulin"], "value": ["12", "0.5", "2"],
                        "quantity": ["cmax_total", "cmax_free", "cmax_um"]})  # fmt: skip
    out = assay.screen_hits(assay.screen_wells(wells), exposures=own).set_index("compound")
    assert out.loc["lefamulin", ["achievable", "cmax_um", "cmax_free_um"]].tolist() == ["total only", 12.0, 0.5]
    assert out.loc["valnemulin", "achievable"] == "above" and out.loc["compound 0001", "achievable"] == "unknown"
    claims = check(assay.screen_claims(out.reset_index()))
    told = claims[(claims["level"] == "knowledge") & (claims["entity"] == "lefamulin")].iloc[0]
    assert told["contrast"] == "achievable: lefamulin 10 µM" and "within the total plasma" in told["claim"]


def test_rows_have_no_order(wells: pd.DataFrame, hits: pd.DataFrame) -> None:
    mixed = assay.screen_hits(assay.screen_wells(wells.sample(frac=1, random_state=0)))
    pd.testing.assert_frame_equal(mixed, hits)


def test_not_my_data(wells: pd.DataFrame, hits: pd.DataFrame, normalised: pd.DataFrame) -> None:
    with pytest.raises(NotApplicable, match="no well"):
        assay.screen_wells(wells[wells["well_type"] != "sample"])
    with pytest.raises(NotApplicable, match="with and without"):
        assay.screen_hits(normalised[normalised["anchor"] == ""])
    bare = wells.assign(**{"class": ""})
    with pytest.raises(NotApplicable, match="no class"):
        again = assay.screen_wells(bare[bare["compound"].str.startswith("compound") | (bare["compound"] == "")])
        assay.screen_classes(assay.screen_hits(again), again)
    with pytest.raises(ValueError, match="floor"):
        assay.screen_wells(wells, floor=0.0)


def test_excluded_wells_are_listed(wells: pd.DataFrame) -> None:
    marked = wells.assign(exclude="")
    at = marked.index[marked["compound"] == "lefamulin"][0]
    marked.loc[at, "exclude"] = "bubble"
    marked.loc[marked.index[marked["compound"] == "valnemulin"][0], "signal"] = np.nan
    out = assay.screen_wells(marked)
    assert set(out["excluded"]) == {"", "left out: bubble", "no signal"} and len(out) == len(wells)
    found = assay.screen_hits(out).set_index("compound")
    assert found.loc["lefamulin", "n"] == 2 and found.loc["valnemulin", "n"] == 2


def test_the_example_and_a_messy_table_are_read(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(assay.SCREEN.example, encoding="utf-8")
    read = read_table(assay.SCREEN, "s.csv", folder=tmp_path)
    assert not [f for f in read.faults if f.severity == "error"]
    messy = (
        "Cell line;Barcode;Well position;Product name;Conc (nM);Anchor drug;Anchor dose (µM);Run;RLU;Content;Pathway\n"
        "HepG2;P1;A01;;;;0;1;98110,5;Vehicle;\nHepG2;P1;A02;lefamulin;10000;;0;1;95400;Sample;protein synthesis\n"
        "HepG2;P2;A01;;;sorafenib;5;1;80110;Vehicle;\nHepG2;P2;A02;lefamulin;10000;sorafenib;5;1;30400;Sample;x\n"
    )
    (tmp_path / "m.csv").write_text(messy, encoding="utf-8")
    table = read_table(assay.SCREEN, "m.csv", folder=tmp_path)
    assert not [f for f in table.faults if f.severity == "error"], table.faults
    sample = table.frame[table.frame["well_type"] == "sample"]
    assert sample["dose_um"].tolist() == [10.0, 10.0] and sample["signal"].tolist() == [95400.0, 30400.0]
    bad = assay.SCREEN.example.replace("sorafenib,5", "none,5").replace("B03", "row B")
    (tmp_path / "b.csv").write_text(bad, encoding="utf-8")
    codes = {f.code for f in read_table(assay.SCREEN, "b.csv", folder=tmp_path).faults}
    assert {"anchor-without-name", "well-unknown", "few-replicates"} <= codes


def test_figures_are_drawn(hits: pd.DataFrame, normalised: pd.DataFrame) -> None:
    plates = assay.screen_plates(normalised)
    classes = assay.screen_classes(hits, normalised)
    charts = {
        "volcano": assay.screen_volcano(hits),
        "alone": assay.screen_alone_both(hits),
        "window": assay.screen_window(plates),
        **assay.screen_class_members(classes, hits),
    }
    for name, chart in charts.items():
        out = export(name, chart)
        assert out["pdf"].startswith(b"%PDF"), name
    assert b"lefamulin" in export("volcano", charts["volcano"])["csv"]
    assert assay.screen_plate_maps(normalised, plates) is not None
    assert assay.screen_volcano(hits.iloc[:0]) is None and assay.screen_window(plates.iloc[:0]) is None


def breeze(shared: Path) -> pd.DataFrame:
    """Two runs of one line in real 384-well plates of 130 drugs at five doses, the second labelled as if it had an
    anchor drug: nothing was given, so there is nothing to find."""
    raw = pd.read_excel(
        shared / "data/pharmacology/screens/breeze_Raw_Data_Demo_FULL.xlsx", engine="calamine"
    )  # fmt: skip
    pair = raw[raw["SCREEN_NAME"].isin(["Cell_Line1_160122", "Cell_Line1_160414"])]
    kind = pair["DRUG_NAME"].str.casefold().map({"dmso": "vehicle", "bzcl": "positive"}).fillna("sample")
    second = pair["SCREEN_NAME"].str.endswith("160414")
    out = pd.DataFrame({
        "model": "line 1", "plate": pair["PLATE"].astype(str) + " " + pair["SCREEN_NAME"], "well": pair["WELL"],
        "compound": pair["DRUG_NAME"].where(kind == "sample", ""), "dose_um": pair["CONCENTRATION"] / 1000,
        "background_drug": np.where(second, "sham", "none"), "background_um": second * 1.0, "replicate": "1",
        "signal": pair["WELL_SIGNAL"], "well_type": kind,
    })  # fmt: skip
    return out[(out["compound"] != "cells") & out["signal"].notna()]


def test_real_plates_without_an_anchor_show_next_to_nothing(shared: Path) -> None:
    table = breeze(shared)
    normal = assay.screen_wells(table)
    assert set(normal["normalised_by"]) == {"controls"}, "five doses of a drug share a plate: no library layout"
    plates = assay.screen_plates(normal)
    assert plates["z_prime"].gt(0.3).all() and plates["n_positive"].gt(10).all()
    out = assay.screen_hits(normal)
    tested = out["p_value"].notna()
    assert out["status"].isin(["not_testable", "not_estimable"]).all() and tested.sum() > 400


@pytest.mark.slow
def test_error_rates_without_any_effect() -> None:
    """Rejections at 5 % and 0.5 % over seeds, for one to four replicates, within binomial error or below."""
    for replicates in (1, 2, 3, 4):
        p: list[float] = []
        called = []
        for seed in range(12):
            quiet = library.library(320, interaction=0.0, lone_hits=0, seed=seed)
            out = run(library.wells(quiet, replicates=replicates, seed=seed))
            p += out["p_value"].dropna().tolist()
            called.append((out["q_value"] < 0.05).any())
        for level in (0.05, 0.005):
            assert np.less(p, level).sum() <= stats.binom.ppf(0.9995, len(p), level), (replicates, level)
        assert np.less(p, 0.05).mean() > 0.02
        assert sum(called) <= stats.binom.ppf(0.9995, 12, 0.05)


@pytest.mark.slow
def test_power_grows_with_effect_and_replicates() -> None:
    """Share of planted interactions found at q < 0.05 in libraries of 320."""
    power = {}
    for replicates in (2, 3):
        for effect in (-0.3, -0.6, -1.0):
            found = []
            for seed in range(6):
                truth = library.library(320, interaction=effect, seed=seed)
                out = run(library.wells(truth, replicates=replicates, seed=seed)).merge(truth, on="compound")
                found.append((out.loc[out["interaction_y"] != 0, "direction"] != 0).mean())
            power[replicates, effect] = float(np.mean(found))
    assert power[3, -1.0] > 0.97 and power[3, -0.3] < 0.6
    for replicates in (2, 3):
        assert power[replicates, -0.3] <= power[replicates, -0.6] <= power[replicates, -1.0]
    assert power[2, -0.6] <= power[3, -0.6] + 0.05


@pytest.mark.slow
def test_realised_false_discovery_rate() -> None:
    false, made = 0, 0
    for seed in range(12):
        truth = library.library(640, interaction=-0.7, lone_hits=30, seed=seed)
        out = run(library.wells(truth, seed=seed)).merge(truth, on="compound")
        called = out[out["direction"] != 0]
        false += int((called["interaction_y"] == 0).sum())
        made += len(called)
    assert made > 250 and false / made < 0.08


@pytest.mark.slow
def test_the_class_of_three_ranks_first_in_libraries_of_1430() -> None:
    ranks, sides = [], []
    for seed in range(20):
        made = library.simulate(seed=seed)
        normal = assay.screen_wells(placed(made.wells))
        found = assay.screen_classes(assay.screen_hits(normal), normal).set_index("name")
        ranks.append(int(found.loc[library.PLANTED_CLASS, "rank"]))
        sides.append(int(found.loc[library.PLANTED_CLASS, "direction"]))
    assert ranks.count(1) >= 19 and set(sides) == {-1}, ranks


@pytest.mark.slow
def test_classes_of_a_library_without_effects_are_calibrated() -> None:
    p: list[float] = []
    for seed in range(12):
        quiet = library.library(400, interaction=0.0, lone_hits=0, seed=seed)
        normal = assay.screen_wells(placed(library.wells(quiet, replicates=2, seed=seed)))
        p += assay.screen_classes(assay.screen_hits(normal), normal)["p_value"].tolist()
    assert len(p) > 700 and np.less(p, 0.05).sum() <= stats.binom.ppf(0.9995, len(p), 0.05)
