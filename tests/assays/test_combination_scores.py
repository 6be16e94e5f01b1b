"""Scores through the assay: published numbers, analytic values, regions, statuses, and what must not matter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from combination_examples import FLAT, A, B, experiment, run, windows, with_origin

from rechallenge.assays import combination as assay
from rechallenge.faults import NotApplicable
from rechallenge.simulate.combinations import Agent, inhibition, matrix, switch


@pytest.fixture(scope="module")
def synergistic() -> dict[str, pd.DataFrame]:
    limits = windows(alpha=(2.0, 0.1), beta=(1.0, float("nan")))
    return run(experiment(interaction=1.8, replicates=4, noise=0.02), limits=limits)


def one(table: pd.DataFrame, **where: object) -> pd.Series:
    for name, value in where.items():
        table = table[table[name] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_published_screen_agrees_with_two_programs(shared: Path) -> None:
    """SynergyFinder+ and `synergy` agree on these means over 25 dose pairs (per cent of inhibition)."""
    raw = pd.read_csv(shared / "data/pharmacology/mathews_screening_data.csv")
    table = pd.DataFrame(
        {
            "model": "line", "drug_a": raw["drug_row"], "dose_a_um": raw["conc_r"] / 1000, "drug_b": raw["drug_col"],
            "dose_b_um": raw["conc_c"] / 1000, "replicate": "1", "viability": raw["response"] / 100,
        }
    )  # fmt: skip
    scores = run(with_origin(table), n_rotations=99)["synergy"]
    published = {
        ("ispinesib", "hsa"): 20.195, ("canertinib", "hsa"): -41.418, ("ispinesib", "bliss"): 10.856,
        ("canertinib", "bliss"): -13.073,
    }  # fmt: skip
    for (drug, method), value in published.items():
        row = one(scores, drug_a=drug, method=method, region="matrix")
        assert row["score"] == pytest.approx(value, abs=1e-3)
        assert row["status"] == "not_testable" and np.isnan(row["p_value"]) and np.isnan(row["ci_low"])
    loewe = scores[(scores["method"] == "loewe") & (scores["region"] == "matrix")]
    assert set(loewe["status"]) == {"not_estimable"} and loewe["score"].isna().all()
    assert loewe["reason"].str.startswith("canertinib alone").any(), "the drug is named, not numbered"


def test_hsa_and_bliss_are_the_means_of_their_formulas() -> None:
    table = experiment(interaction=1.4, noise=0, spread=0, replicates=1, wells=1)
    scores = run(table, n_rotations=99)["synergy"]
    grid = table[(table["dose_a_um"] > 0) & (table["dose_b_um"] > 0)]
    seen = 1 - grid["viability"].to_numpy()
    a, b = A.at().effect(grid["dose_a_um"]), B.at().effect(grid["dose_b_um"])
    expected = {"hsa": seen - np.maximum(a, b), "bliss": seen - (1 - (1 - a) * (1 - b))}
    for method, excess in expected.items():
        assert one(scores, method=method, region="matrix")["score"] == pytest.approx(100 * excess.mean(), abs=2e-3)


def test_analytic_combination_indices() -> None:
    """Chou: Dm 2, 5 and 1.5 (1:1), m 1.2, 1.5, 1.4 give CI50/75/90/95 = .525, .4870828, .4552344, .4366970."""
    dose = np.array([0.25, 0.5, 1.0, 2.0, 4.0, 8.0])
    none = np.zeros(6)

    def fa(x: np.ndarray, dm: float, m: float) -> np.ndarray:
        return 1 / (1 + (dm / x) ** m)

    parts = [(dose, none, fa(dose, 2, 1.2)), (none, dose, fa(dose, 5, 1.5)), (dose / 2, dose / 2, fa(dose, 1.5, 1.4))]
    table = pd.concat(
        [pd.DataFrame({"dose_a_um": x, "dose_b_um": y, "inhibition": e}) for x, y, e in parts], ignore_index=True
    ).assign(model="line", drug_a="alpha", drug_b="beta", replicate="1")
    out = run(with_origin(table), margin="auto", n_rotations=99)
    found = out["chou_talalay"][out["chou_talalay"]["chosen"]].set_index("effect")
    published = {0.5: 0.525, 0.75: 0.4870828, 0.9: 0.4552344, 0.95: 0.4366970}
    for effect, value in published.items():
        odds = effect / (1 - effect)
        mix = 1.5 * odds ** (1 / 1.4)
        exact = mix / 2 / (2 * odds ** (1 / 1.2)) + mix / 2 / (5 * odds ** (1 / 1.5))
        assert found.loc[effect, "ci"] == pytest.approx(exact, abs=1e-8)
        assert found.loc[effect, "ci"] == pytest.approx(value, abs=1.1e-6), "as printed"
    assert found.loc[0.5, ["dri_a", "dri_b"]].tolist() == pytest.approx([2 / 0.75, 5 / 0.75], abs=1e-6)
    curves = out["median_effects"].set_index("curve")
    assert curves["dm_um"].tolist() == pytest.approx([2, 5, 1.5], abs=1e-6)
    assert curves["m"].tolist() == pytest.approx([1.2, 1.5, 1.4], abs=1e-6)
    shown = one(out["synergy"], method="chou_talalay", effect=0.5)
    assert shown["score"] == pytest.approx(0.525, abs=1e-6) and shown["unit"] == "CI" and shown["region"] == "ray"
    assert one(out["synergy"], method="bliss", region="matrix")["margin"] == "fitted", "doses were not tested alone"


def test_every_method_sees_the_planted_synergy(synergistic: dict[str, pd.DataFrame]) -> None:
    scores = synergistic["synergy"]
    for method in ("hsa", "bliss", "loewe", "zip"):
        row = one(scores, method=method, region="matrix")
        assert row["status"] == "estimated" and row["ci_low"] > 0 and row["q_value"] < 0.05 and row["n"] == 4
        assert row["p_value"] <= row["q_value"] and row["ci_low"] < row["score"] < row["ci_high"]
        assert row["surface_p"] < 0.05 and row["n_cells"] == 25
    truth = inhibition(*_grid(), A, B, interaction=1.8) - inhibition(*_grid(), A, B)
    bliss = one(scores, method="bliss", region="matrix")
    assert bliss["ci_low"] < 100 * truth.mean() < bliss["ci_high"]
    assert one(scores, method="braid", region="matrix")["ci_low"] > 0
    assert one(scores, method="chou_talalay", effect=0.5)["ci_high"] < 1


def _grid() -> tuple[np.ndarray, np.ndarray]:
    x, y = np.meshgrid(A.doses, B.doses, indexing="ij")
    return x.ravel(), y.ravel()


def test_the_window_is_scored_beside_the_matrix(synergistic: dict[str, pd.DataFrame]) -> None:
    scores, cells = synergistic["synergy"], synergistic["synergy_cells"]
    inside = cells[(cells["method"] == "bliss") & (cells["dose_a_um"] <= 2.0) & (cells["dose_b_um"] <= 1.0)]
    window = one(scores, method="bliss", region="window")
    assert window["score"] == pytest.approx(inside["excess"].mean()) and window["n_cells"] == len(inside) == 9
    assert (window["limit_a_um"], window["limit_b_um"]) == (2.0, 1.0)
    assert set(inside["in_window"]) == {"yes"} and set(cells["in_window_free"]) == {"unknown"}
    free = one(scores, method="bliss", region="window_free")
    assert free["status"] == "not_estimable" and "unknown" in free["reason"] and np.isnan(free["score"])


def test_a_window_below_every_dose_says_so() -> None:
    scores = run(experiment(replicates=2), limits=windows(alpha=(0.1, 0.01), beta=(1.0, 0.1)), n_rotations=99)[
        "synergy"
    ]
    row = one(scores, method="hsa", region="window")
    assert (
        row["status"] == "not_estimable"
        and "no combination was tested within 0.1 µM alpha and 1 µM beta" in row["reason"]
    )


def test_a_flat_single_agent_has_no_number_where_its_potency_is_needed() -> None:
    out = run(experiment(b=FLAT, interaction=1.5, replicates=3), n_rotations=99)
    scores = out["synergy"]
    for method in ("loewe", "chou_talalay", "braid"):
        rows = scores[scores["method"] == method]
        assert set(rows["status"]) == {"not_estimable"} and rows["score"].isna().all() and rows["p_value"].isna().all()
        assert rows["reason"].str.contains("inert alone").all()
    assert one(scores, method="bliss", region="matrix")["status"] == "estimated"
    assert out["isoboles"]["index"].isna().all()


def test_one_replicate_is_not_testable() -> None:
    out = run(experiment(replicates=1), n_rotations=99)
    numbers = out["synergy"][out["synergy"]["region"] == "matrix"]
    assert set(numbers["status"]) == {"not_testable"} and numbers["score"].notna().all()
    assert numbers[["p_value", "q_value", "ci_low", "surface_p"]].isna().all(axis=None)
    assert out["combinations"]["verdict"].str.startswith("not tested").all()
    assert set(out["synergy_cells"]["status"]) == {"not_testable"}
    claims = out["claims"]
    assert "estimated" not in set(claims["status"]) and (claims["direction"] == 0).all()


def test_three_drugs_have_hsa_and_bliss() -> None:
    rng = np.random.default_rng(4)
    c = Agent("gamma", 1.5)
    doses = np.array([0.0, 0.5, 2.0])
    x, y, z = (v.ravel() for v in np.meshgrid(doses, doses, doses, indexing="ij"))
    left = (1 - A.at().effect(x)) * (1 - B.at().effect(y)) * (1 - c.at().effect(z))
    parts = [
        pd.DataFrame(
            {
                "model": "tumour", "drug_a": "alpha", "dose_a_um": x, "drug_b": "beta", "dose_b_um": y,
                "drug_c": "gamma", "dose_c_um": z, "replicate": str(r),
                "viability": left ** np.where((x > 0) & (y > 0) & (z > 0), 1.5, 1.0) + rng.normal(0, 0.01, x.size),
            }
        )
        for r in range(3)
    ]  # fmt: skip
    out = run(with_origin(pd.concat(parts, ignore_index=True)), n_rotations=99)
    assert set(out["synergy"]["method"]) == {"hsa", "bliss"}
    cells = out["synergy_cells"][out["synergy_cells"]["method"] == "bliss"]
    triple = (cells[["dose_a_um", "dose_b_um", "dose_c_um"]] > 0).all(axis=1)
    assert cells.loc[triple, "excess"].min() > 0 and cells.loc[triple, "sign"].eq("synergy").mean() > 0.5
    assert cells.loc[~triple, "excess"].abs().max() < 5
    assert out["claims"]["entity"].eq("alpha + beta + gamma").any()


def test_raw_wells_give_what_viabilities_give() -> None:
    plain = run(experiment(interaction=1.5, noise=0.0), n_rotations=99)["synergy"]
    raw = run(experiment(interaction=1.5, noise=0.0, raw=True), n_rotations=99)
    assert set(raw["responses"]["reference"]) == {"same condition"} and (raw["responses"]["excluded"] == "").all()
    at = [one(t, method="bliss", region="matrix") for t in (plain, raw["synergy"])]
    assert at[0]["score"] == pytest.approx(at[1]["score"], abs=0.05) and at[0]["n"] == at[1]["n"] == 3


def test_wells_without_vehicle_are_kept_with_the_reason() -> None:
    raw = experiment(raw=True, replicates=2)
    raw = raw[(raw["well_type"] != "vehicle") | (raw["plate"] != "tumour r2")]
    found = assay.combination_responses(raw)
    lost = found[found["replicate"] == "2"]
    assert set(lost["excluded"]) == {"no vehicle wells to compare with"} and lost["inhibition"].isna().all()
    assert assay.synergy(found, n_rotations=99)["synergy"]["n"].eq(1).all()


def test_order_of_rows_labels_of_replicates_and_orientation_do_not_matter() -> None:
    table = experiment(interaction=1.5)
    first = run(table, n_rotations=199)
    mixed = table.sample(frac=1.0, random_state=3)
    again = run(mixed, n_rotations=199)
    for name in ("synergy", "synergy_cells", "chou_talalay", "response_surfaces", "combinations", "claims"):
        pd.testing.assert_frame_equal(first[name], again[name])
    turned = table.copy()
    some = turned["replicate"] == "2"
    names = ["drug_a", "dose_a_um", "drug_b", "dose_b_um"]
    turned.loc[some, names] = turned.loc[some, ["drug_b", "dose_b_um", "drug_a", "dose_a_um"]].to_numpy()
    turned = turned.astype({"dose_a_um": float, "dose_b_um": float})
    same = run(turned, n_rotations=199)["synergy"]
    pd.testing.assert_frame_equal(first["synergy"], same)


def test_single_agents_without_partner_serve_every_pair() -> None:
    other = Agent("gamma", 3.0, doses=B.doses)
    tables = [experiment(seed=1), experiment(b=other, seed=1)]
    single = [(t["dose_a_um"] > 0) & (t["dose_b_um"] == 0) for t in tables]
    both = pd.concat([tables[0], tables[1][~single[1]]], ignore_index=True)
    bare = (both["dose_a_um"] > 0) & (both["dose_b_um"] == 0)
    both.loc[bare, "drug_b"] = "none"
    scores = run(with_origin(both), n_rotations=99)["synergy"]
    assert set(scores["drug_b"]) == {"beta", "gamma"}
    rows = scores[(scores["method"] == "bliss") & (scores["region"] == "matrix")]
    assert set(rows["status"]) == {"estimated"} and rows["n_missing"].eq(0).all()
    alone = run(tables[0], n_rotations=99)["synergy"]
    assert one(rows, drug_b="beta")["score"] == pytest.approx(one(alone, method="bliss", region="matrix")["score"])


def test_a_sham_combination_is_loewe_additive() -> None:
    twin = Agent("alpha", A.ec50_um, A.hill, 1.0, A.doses)
    table = with_origin(matrix(A, twin, model="tumour", reference="loewe", noise=0, spread=0, replicates=2, wells=1))
    out = run(table, n_rotations=99)["synergy"]
    assert one(out, method="loewe", region="matrix")["score"] == pytest.approx(0, abs=1e-3)
    assert abs(one(out, method="bliss", region="matrix")["score"]) > 1


def test_false_discovery_is_over_all_pairs_and_models() -> None:
    tables = [
        experiment(Agent(f"drug{i}", 2.0, doses=A.doses), seed=i, interaction=1.6 if i < 2 else 1.0) for i in range(6)
    ]
    scores = run(with_origin(pd.concat(tables, ignore_index=True)), n_rotations=99)["synergy"]
    rows = scores[(scores["method"] == "bliss") & (scores["region"] == "matrix")]
    order = rows.sort_values("p_value")
    adjusted = order["p_value"].to_numpy() * len(order) / np.arange(1, len(order) + 1)
    expected = np.minimum.accumulate(adjusted[::-1])[::-1]
    assert order["q_value"].to_numpy() == pytest.approx(expected)


def test_every_number_traces_to_its_rows(synergistic: dict[str, pd.DataFrame]) -> None:
    table = experiment(interaction=1.8, replicates=4, noise=0.02)
    cell = one(synergistic["synergy_cells"], method="bliss", dose_a_um=2.0, dose_b_um=1.0)
    rows = table.loc[(table["dose_a_um"] == 2.0) & (table["dose_b_um"] == 1.0), "_row"]
    spans = cell["source_rows"].removeprefix("c.csv:").split(",")
    named = {n for s in spans for n in range(int(s.split("-")[0]), int(s.split("-")[-1]) + 1)}
    assert named == set(rows)
    assert one(synergistic["synergy"], method="hsa", region="matrix")["source_rows"] == f"c.csv:2-{len(table) + 1}"


def test_both_signs_make_two_regions() -> None:
    turning = switch("b", 0.5, below=0.3, above=2.0)
    out = run(experiment(interaction=turning, replicates=4, noise=0.02), n_rotations=199)
    bliss = out["regions"][out["regions"]["method"] == "bliss"].drop_duplicates("sign").set_index("sign")
    assert bliss.loc["antagonism", "dose_b_high"] <= 0.5 < bliss.loc["synergy", "dose_b_low"]
    row = out["combinations"].iloc[0]
    assert row["signs"] == "antagonistic at beta 0.25 to 0.5 µM, synergistic at beta 1 to 4 µM"
    assert "sign depends on the doses" in row["verdict"]


def test_unknown_options_and_empty_tables_are_refused() -> None:
    responses = assay.combination_responses(experiment(replicates=1, wells=1))
    for options, match in (
        ({"methods": ("loewe", "musyc")}, "'musyc'"), ({"margin": "guess"}, "auto, measured or fitted"),
        ({"surface_model": "x"}, "braid or none"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=match):
            assay.synergy(responses, **options)  # type: ignore[arg-type]
    with pytest.raises(NotApplicable):
        assay.combination_responses(experiment().iloc[:0])
    alone = experiment()
    alone = alone[(alone["dose_b_um"] == 0) | (alone["dose_a_um"] == 0)]
    with pytest.raises(NotApplicable, match="two drugs"):
        assay.synergy(assay.combination_responses(alone))
    with pytest.raises(ValueError, match="dose_a_um"):
        assay.combination_responses(alone.drop(columns="dose_a_um"))
