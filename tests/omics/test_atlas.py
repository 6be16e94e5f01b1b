"""Atlas: footprints, layers, concordance, discordance, key enzymes, isozymes, claims."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from atlas_examples import MODELS, hypoxia, levels, rna

from rechallenge.analysis import step_of
from rechallenge.evidence import check
from rechallenge.faults import NotApplicable
from rechallenge.knowledge import resolve
from rechallenge.omics import atlas
from rechallenge.omics.atlas import footprints as fp
from rechallenge.omics.atlas import layers
from rechallenge.omics.atlas.concordance import AGREES, ALONE, COLUMNS, METABOLITES, NOTHING, OPPOSED, UNTESTED
from rechallenge.omics.atlas.names import compounds, mapped
from rechallenge.simulate import metabolism

POLYOL = {"sorbitol": 1.5, "fructose": 1.5, "fructose-1-phosphate": 0.0, "glucose": 0.0}
ROT = {"n_rotations": 1999, "n_permutations": 99}


def run(changes: dict[str, float], genes: pd.DataFrame | None, **more: Any) -> dict[str, pd.DataFrame]:
    options = {k: more.pop(k) for k in list(more) if k in ("n", "seed", "sd")}
    table, sheet = levels(changes, **options)
    return atlas.enzymes(table, sheet, MODELS, genes, **{**ROT, **more})


def of(table: pd.DataFrame, gene: str, kind: str = "concordant") -> pd.Series:
    return table[(table["gene"] == gene) & (table["kind"] == kind)].iloc[0]


# ---------------------------------------------------------------------------------------------------- footprints
def test_footprints_follow_the_reactions() -> None:
    everything = {name: i for i, name in enumerate(sorted(compounds()))}
    enzyme = {e.gene: e for e in fp.enzymes()}
    assert fp.footprint(enzyme["AKR1B1"], everything) == {"sorbitol": 1.0, "fructose": 0.5}
    assert fp.footprint(enzyme["SORD"], everything) == {"fructose": 1.0, "fructose-1-phosphate": 0.5}
    assert "glutamate" not in fp.footprint(enzyme["GFPT1"], everything), "a shared partner is no main product"
    assert fp.footprint(enzyme["GLS"], everything)["glutamate"] == 1.0, "unless it is the only one"
    assert fp.footprint(enzyme["LDHA"], everything) == {"lactate": 1.0}
    for e in fp.enzymes():
        found = fp.footprint(e, everything)
        assert not set(found) & set(e.all_substrates), f"{e.gene} is scored by its own substrate"
        assert set(found.values()) <= {1.0, 0.5}


def test_the_acid_stands_in_where_the_acyl_coa_was_not_measured() -> None:
    scd = next(e for e in fp.enzymes() if e.gene == "SCD")
    assert fp.footprint(scd, {"oleate": 0, "stearate": 1}) == {"oleate": 1.0}
    assert fp.footprint(scd, {"oleate": 0, "oleoyl-CoA": 1}) == {"oleoyl-CoA": 1.0}


def test_isomers_that_share_a_feature_count_once_and_never_against_themselves() -> None:
    enzyme = {e.gene: e for e in fp.enzymes()}
    columns = {"citrate": 0, "isocitrate": 0, "2-oxoglutarate": 1}
    assert fp.footprint(enzyme["ACO2"], columns) == {"2-oxoglutarate": 0.5}, "substrate and product in one peak"
    ours, against = fp.weights(columns)
    row = [e.gene for e in fp.enzymes()].index("CS")
    assert ours[row].tolist() == [1.0, 0.0], "citrate and isocitrate of one peak are one product of CS"
    assert against[row].tolist() == [1.0, 0.0]


def test_downstream_is_nearer_forward_than_back() -> None:
    enzyme = {e.gene: e for e in fp.enzymes()}
    for later in ("SORD", "KHK", "ALDOB", "AGPAT2", "DGAT1"):
        assert fp.is_downstream(enzyme[later], enzyme["AKR1B1"]), later
        assert not fp.is_downstream(enzyme["AKR1B1"], enzyme[later]), later


@pytest.mark.parametrize(
    ("written", "meant"),
    [("G6P", ("glucose-6-phosphate",)), ("D-Fructose 6-phosphate", ("fructose-6-phosphate",)),
     ("GSH", ("glutathione",)),
     ("L-Lactic acid", ("lactate",)), ("citrate/isocitrate", ("citrate", "isocitrate")),
     ("α-Ketoglutarate", ("2-oxoglutarate",)),
     ("HMDB0000247", ("sorbitol",)), ("C00031", ("glucose",)),
     ("UDP-GlcNAc", ("UDP-N-acetylglucosamine",)),
     ("L-glucose", ()), ("D-alanine", ()), ("caffeine", ()), ("citrate/caffeine", ())],
)  # fmt: skip
def test_names_of_metabolites(written: str, meant: tuple[str, ...]) -> None:
    assert mapped([written])[written] == meant


def test_the_panel_of_a_targeted_platform_is_named(shared: Path) -> None:
    """138 metabolites as a laboratory wrote them (Copeland 2023): by the tables that come with the package, seven have
    no name, none of which is a compound of the enzyme table."""
    panel = pd.read_csv(shared / "data/metabolism/hypoxia_lf/metabolomics_peakarea_wide.tsv", sep="\t")["metabolite"]
    answer = resolve.metabolites(panel)
    assert set(answer.loc[answer["metabolite"] == "", "name"]) == {
        "1-methyladenosine", "acetylalanine", "acetylglutamine", "aconitate", "methionine sulfoxide", "pseudouridine",
        "valine-d8",
    }  # fmt: skip
    assert sum(len(v) for v in mapped(panel).values()) >= 75


def test_genes_by_symbol_older_symbol_and_number() -> None:
    assert layers.genes_of(["AKR1B1", "ENSG00000085662.12", "231", "G6PC", "TP53"]) == {
        "AKR1B1": "AKR1B1", "ENSG00000085662.12": "AKR1B1", "231": "AKR1B1", "G6PC": "G6PC1",
    }  # fmt: skip


# ---------------------------------------------------------------------------------------------------- concordance
def test_enzyme_and_products_up_together_are_concordant() -> None:
    out = run(POLYOL, rna({"AKR1B1": 1.9, "KHK": 0.0, "LDHA": 2.0}))
    row = of(out["enzymes"], "AKR1B1")
    assert row["verdict"] == AGREES and row["direction"] == 1 and row["resistance"] == 1
    assert row["layers"] == "rna, metabolite" and row["n"] == 12 and row["df"] == 10
    assert row["p_value"] == pytest.approx(max(row["rna_p"], row["metabolite_p"])), "u = L = 2: the larger p"
    assert row["product_ci_low"] < 1.5 < row["product_ci_high"]
    assert row["footprint"].startswith("sorbitol +1.") and "fructose +1." in row["footprint"]
    assert row["source_rows"] == "m.csv:2-3"
    assert of(out["enzymes"], "AKR1B1", "discordant")["p_value"] > 0.5
    assert tuple(out["enzymes"].columns) == COLUMNS


def test_score_is_the_weighted_sum_of_moderated_t() -> None:
    out = run(POLYOL, rna({"AKR1B1": 1.9}))
    t = out["enzyme_metabolites"].set_index("metabolite")["statistic"]
    expected = (t["sorbitol"] + 0.5 * t["fructose"]) / np.sqrt(1.25)
    assert of(out["enzymes"], "AKR1B1")["metabolite_score"] == pytest.approx(expected)


def test_mrna_up_and_products_down_is_discordant() -> None:
    out = run({**POLYOL, "sorbitol": -1.5, "fructose": -1.5}, rna({"AKR1B1": 1.9}))
    row = of(out["enzymes"], "AKR1B1", "discordant")
    assert row["verdict"] == OPPOSED and row["direction"] == 1 and row["opposed"] == "metabolite"
    assert of(out["enzymes"], "AKR1B1")["p_value"] > 0.5


def test_mrna_up_and_products_flat_is_the_enzyme_alone() -> None:
    """Effects of nothing: whatever the seed, the flat case is not called concordant unless its p is small."""
    out = run({**POLYOL, "sorbitol": 0.0, "fructose": 0.0}, rna({"AKR1B1": 1.9}), seed=5)
    row = of(out["enzymes"], "AKR1B1")
    assert row["p_value"] == pytest.approx(1.0) or row["p_value"] == pytest.approx(row["metabolite_p"])
    assert row["verdict"] == (ALONE if row["q_value"] > 0.1 else AGREES)


def test_pools_alone_are_called_only_where_anything_is_sure_to_change() -> None:
    """Benjamini and Hochberg find something in up to a tenth of all data without effects; the joint test does not."""
    genes = rna({"AKR1B1": 0.0, "SORD": 0.0}, p=0.9)
    sure = run(POLYOL, genes)
    never = run(POLYOL, genes, any_alpha=0.0)
    row = of(sure["enzymes"], "AKR1B1")
    assert row["metabolite_any_p"] <= 0.03 and row["verdict"] == METABOLITES
    assert of(never["enzymes"], "AKR1B1")["verdict"] == NOTHING
    same = [c for c in COLUMNS if c != "verdict"]
    pd.testing.assert_frame_equal(sure["enzymes"][same], never["enzymes"][same])
    called = run(POLYOL, rna({"AKR1B1": 1.9}), any_alpha=0.0)
    assert of(called["enzymes"], "AKR1B1")["verdict"] == AGREES, "the joint call has a test of its own"
    assert set(sure["enzymes"]["metabolite_any_p"]) == {row["metabolite_any_p"]}, "one test of the whole contrast"


def test_protein_does_not_stand_in_for_metabolites() -> None:
    both = pd.concat([rna({"AKR1B1": 1.9}), rna({"AKR1B1": 1.2}, layer="protein")])
    out = run({**POLYOL, "sorbitol": 0.0, "fructose": 0.0}, both)
    row = of(out["enzymes"], "AKR1B1")
    assert row["layers"] == "rna, protein, metabolite"
    assert row["p_value"] >= min(1.0, row["metabolite_p"]) - 1e-12


def test_flux_and_label_stand_in_the_tracers_place() -> None:
    flux = rna({"LDHA": -0.5}, p=1e-4, layer="flux")
    label = pd.DataFrame(
        {"contrast": "R vs P", "metabolite": ["lactate", "sorbitol", "citrate"], "measure": "isotopologue share",
         "isotopologue": ["M+3", "M+6", "M+5"], "pathway": ["glycolysis", "polyol pathway", "reductive carboxylation"],
         "effect": [0.2, 0.3, 0.4], "p_value": 1e-4}
    )  # fmt: skip
    genes = pd.concat([rna({"LDHA": 2.0, "AKR1B1": 1.9, "CS": 1.0}), flux])
    table, sheet = levels({**POLYOL, "lactate": 0.0, "citrate": 0.0})
    out = atlas.enzymes(table, sheet, MODELS, genes, label, **ROT)["enzymes"]
    ldha, akr = of(out, "LDHA", "discordant"), of(out, "AKR1B1")
    assert ldha["tracer_basis"] == "flux" and ldha["tracer_effect"] == -0.5
    assert ldha["opposed"] == "tracer" and ldha["verdict"] == OPPOSED
    assert ldha["p_value"] == pytest.approx(2 * 2 * 1e-4 / 2)
    assert akr["tracer_basis"] == "sorbitol M+6" and akr["layers"] == "rna, metabolite, tracer"
    assert of(out, "CS")["tracer_basis"] == "", "a route that runs against the enzyme says nothing of it"


def test_stages_are_a_layer_of_their_own() -> None:
    rng = np.random.default_rng(0)
    table, sheet = levels(POLYOL, n=4)
    more = []
    for stage in (0, 1, 2, 3):
        for r in range(3):
            name = f"S{stage}_{r}"
            table[name] = 18 + 0.3 * rng.standard_normal(len(table))
            table.loc[:1, name] += stage
            more.append(
                {**sheet.iloc[0].to_dict(), "sample": name, "model": "R", "stage": f"S{stage}", "replicate": name}
            )
    both = pd.concat([sheet, pd.DataFrame(more)], ignore_index=True)
    out = atlas.enzymes(table, both, MODELS, rna({"AKR1B1": 1.9}), **ROT)["enzymes"]
    row = of(out[out["contrast"] == "R vs P"], "AKR1B1")
    assert row["stage_p"] < 0.01 and row["stage_z"] > 0 and "stage" in row["layers"]
    assert {"R S3 vs P"} <= set(out["contrast"])


def test_what_is_not_tested_says_why() -> None:
    out = run(POLYOL, rna({"AKR1B1": 1.9, "SORD": 1.0}, p=np.nan))["enzymes"]
    assert (out["status"] == "not_testable").all() and (out["verdict"] == UNTESTED).all()
    assert of(out, "AKR1B1")["reason"] == "RNA of AKR1B1 has no p-value"
    assert of(out, "LDHA")["reason"].startswith("not measured: lactate")
    assert of(out, "KHK")["reason"] == "RNA of KHK not measured"
    none = run(POLYOL, None)["enzymes"]
    assert of(none, "AKR1B1")["reason"] == "no contrast of RNA" and np.isfinite(of(none, "AKR1B1")["metabolite_p"])
    other = run(POLYOL, rna({"AKR1B1": 1.9}, contrast="X vs Y"))["enzymes"]
    assert "is called 'R vs P'" in of(other, "AKR1B1")["reason"]
    few = run(POLYOL, rna({"AKR1B1": 1.9}), n=1)["enzymes"]
    assert "residual degrees of freedom" in of(few, "AKR1B1")["reason"] and few["p_value"].isna().all()
    table, sheet = levels(POLYOL)
    with pytest.raises(NotApplicable, match="no two groups"):
        atlas.enzymes(table, sheet[sheet["model"] == "P"], MODELS, None, **ROT)


def test_batches_and_shared_replicates_are_blocks() -> None:
    table, sheet = levels(POLYOL)
    day = np.tile([0.0, 0.0, 0.0, 4.0, 4.0, 4.0], 2)
    sheet["batch"] = np.where(day > 0, "two", "one")
    moved = table.copy()
    moved[list(sheet["sample"])] += day
    known = of(atlas.enzymes(moved, sheet, MODELS, rna({"AKR1B1": 1.9}), **ROT)["enzymes"], "AKR1B1")
    blind = of(atlas.enzymes(moved, sheet, MODELS, rna({"AKR1B1": 1.9}), block="none", **ROT)["enzymes"], "AKR1B1")
    assert known["df"] == 9 and blind["df"] == 10 and known["metabolite_p"] < 0.01 < blind["metabolite_p"]
    sheet["replicate"], sheet["batch"] = "", sheet["model"].where(sheet["sample"] != "R0", "P")
    sheet.loc[sheet["sample"] == "R0", "model"] = "other"
    apart = atlas.enzymes(table, sheet, MODELS, rna({"AKR1B1": 1.9}), block="batch", **ROT)["enzymes"]
    assert of(apart, "AKR1B1")["reason"].startswith("the groups that are compared lie in different blocks")
    table, sheet = levels(POLYOL)
    sheet["batch"], sheet["replicate"] = "", [str(i % 6) for i in range(12)]
    shift = (0, 3, -3, 6, -6, 9)
    shifted = table.copy()
    for i, name in enumerate(sheet["sample"]):
        shifted[name] = shifted[name] + shift[i % 6]
    paired = of(atlas.enzymes(shifted, sheet, MODELS, rna({"AKR1B1": 1.9}), **ROT)["enzymes"], "AKR1B1")
    single = of(atlas.enzymes(shifted, sheet, MODELS, rna({"AKR1B1": 1.9}), block="none", **ROT)["enzymes"], "AKR1B1")
    assert paired["df"] == 5 and single["df"] == 10 and paired["metabolite_p"] < 0.01 < single["metabolite_p"]


def test_missing_values_and_technical_repeats() -> None:
    table, sheet = levels(POLYOL)
    gap = table.copy()
    gap.loc[0, "R0"], gap.loc[1, ["R0", "R1", "R2", "R3"]] = np.nan, np.nan
    data = layers.samples(gap, sheet, 0.2)
    assert data.incomplete == 1 and "fructose" not in data.columns
    filled = data.y[list(data.sheet["sample"]).index("R0"), data.columns["sorbitol"]]
    assert filled == pytest.approx(gap.loc[0, sheet["sample"]].astype(float).mean())
    again = table.copy()
    again["R0 again"] = again["R0"] + 2
    twice = pd.concat([sheet, sheet[sheet["sample"] == "R0"].assign(sample="R0 again")], ignore_index=True)
    data = layers.samples(again, twice, 0.2)
    assert len(data.y) == 12
    row = list(data.sheet["sample"]).index("R0")
    assert data.y[row, data.columns["sorbitol"]] == pytest.approx(table.loc[0, "R0"] + 1)


def test_long_values_of_the_quality_step_are_the_same_data() -> None:
    table, sheet = levels(POLYOL)
    names = list(sheet["sample"])
    long = table.melt(["dataset", "feature"], names, var_name="sample").assign(sample_type="sample")
    pooled = long[long["sample"] == "P0"].assign(sample="QC", sample_type="qc")
    long = pd.concat([long, pooled], ignore_index=True)
    genes = rna({"AKR1B1": 1.9})
    one = atlas.enzymes(table, sheet, MODELS, genes, **ROT)["enzymes"]
    other = atlas.enzymes(long, sheet, MODELS, genes, metabolites=table, **ROT)["enzymes"]
    pd.testing.assert_frame_equal(one, other)
    assert of(atlas.enzymes(long, sheet, MODELS, genes, **ROT)["enzymes"], "AKR1B1")["source_rows"] == ""


def test_rows_and_samples_have_no_order() -> None:
    table, sheet = levels(POLYOL)
    genes = rna({"AKR1B1": 1.9, "SORD": 0.4, "LDHA": -1.0})
    one = atlas.enzymes(table, sheet, MODELS, genes, **ROT)
    other = atlas.enzymes(
        table.sample(frac=1, random_state=1),
        sheet.sample(frac=1, random_state=2),
        MODELS,
        genes.sample(frac=1, random_state=3),
        **ROT,
    )
    for name, frame in one.items():
        pd.testing.assert_frame_equal(frame, other[name])


def test_pathways_count_their_products_once() -> None:
    out = run(POLYOL, rna({"AKR1B1": 1.9, "SORD": 1.0}))["enzyme_pathways"]
    row = out[out["pathway"] == "polyol/fructose"].iloc[0]
    assert row["n_measured"] == 3 and row["p_value"] < 0.01 and row["statistic"] > 0
    assert row["n_rna"] == 2 and "AKR1B1" in row["concordant"]
    assert out.loc[out["n_measured"] == 0, "reason"].eq("none of its products was measured").all()


def test_metabolites_that_were_not_measured_are_typed() -> None:
    out = run(POLYOL, None)["enzyme_metabolites"]
    assert len(out) == len(compounds())
    measured = out["status"] == "estimated"
    assert set(out.loc[measured, "metabolite"]) == set(POLYOL)
    assert out.loc[~measured, "p_value"].isna().all()
    assert (out.loc[measured, "ci_low"] < out.loc[measured, "log2fc"]).all()


# ---------------------------------------------------------------------------------------------------- key enzymes
def test_key_enzyme_is_first_with_its_evidence_and_druggability_moves_no_number() -> None:
    t = metabolism.tables("driver", n=8, seed=1, size=1.5)
    out = atlas.enzymes(
        t["metabolite_values"], t["metabolites_samples"], t["models"], t["differential"], n_permutations=99
    )
    keys = atlas.key_enzymes(out["enzymes"])
    first = keys.iloc[0]
    assert first["gene"] == "AKR1B1" and first["rank"] == 1 and first["verdict"] == "supported"
    assert first["n_concordant"] == 2 and first["replication_p"] < 0.05 and first["direction"] == 1
    assert first["rate_limiting"] == "yes" and "epalrestat (approved)" in first["inhibitors"]
    assert (
        first["inhibitor_approved"] == "yes" and first["tracer"] == "not measured" and first["expressed"] == "unknown"
    )
    assert (keys["q_value"] >= keys["p_value"]).all()
    claims = check(atlas.enzyme_claims(out["enzymes"]))
    mine = claims[claims["entity"] == "AKR1B1"]
    assert mine["direction"].tolist() == [1, 1] and (mine["level"] == "association").all()
    assert "mRNA log2 change" in mine["claim"].iloc[0] and "sorbitol +" in mine["claim"].iloc[0]
    assert mine["contrast"].tolist() == ["Huh-7 LR vs Huh-7 P", "Huh-7 SR vs Huh-7 P"]
    known = check(atlas.inhibitor_claims(keys))
    assert (known["level"] == "knowledge").all() and known["p_value"].isna().all()
    text = known.set_index("entity").loc["epalrestat", "claim"]
    assert "inhibits AKR1B1" in text and "plasma concentration 12.2 µM" in text


def test_the_same_study_with_flat_metabolites_lists_the_enzyme_as_unsupported() -> None:
    """The twin of the study above: mRNA up, pools flat (of many seeds see the slow test)."""
    t = metabolism.tables("flat", n=8, seed=1, size=1.5)
    out = atlas.enzymes(t["metabolite_values"], t["metabolites_samples"], t["models"], t["differential"], **ROT)
    keys = atlas.key_enzymes(out["enzymes"]).set_index("gene")
    assert keys.loc["AKR1B1", "verdict"] in ("discordant", "unsupported by metabolites")
    assert keys.loc["AKR1B1", "q_value"] > 0.1


def test_expression_floor_and_isozymes() -> None:
    genes = rna({"LDHA": 2.0, "LDHB": 0.1, "AKR1B1": 1.9})
    genes.loc[genes["feature"] == "LDHB", "p_value"] = 0.6
    table, sheet = levels({**POLYOL, "lactate": 1.5})
    out = atlas.enzymes(table, sheet, MODELS, genes, **ROT)["enzymes"]
    samples = ["P0", "P1", "R0", "R1"]
    expression = pd.DataFrame(
        {"dataset": "e", "feature": ["LDHA", "LDHB", "AKR1B1", "other"], "P0": [100, 300, 0, 999_600],
         "P1": [100, 300, 0, 999_600],
         "R0": [400, 310, 0, 999_290], "R1": [400, 310, 0, 999_290]}
    )  # fmt: skip
    design = pd.DataFrame(
        {"dataset": "e", "unit": "counts", "sample": samples, "model": ["P", "P", "R", "R"], "treatment": ""}
    )
    keys = atlas.key_enzymes(out, expression, design).set_index("gene")
    assert keys.loc["AKR1B1", "expressed"] == "no" and keys.loc["LDHA", "expressed"] == "yes"
    assert keys.loc["LDHA", "expression_level"] == pytest.approx(400) and keys.loc["LDHA", "expression_unit"] == "CPM"
    found = atlas.isozymes(out, expression, design).set_index("gene")
    assert found["carries"].to_dict() == {"LDHA": "yes", "LDHB": "no"}
    assert found.loc["LDHA", "share_of_change"] == pytest.approx(300 / 310)
    assert found.loc["LDHB", "share_reference"] == pytest.approx(0.75)
    bare = atlas.isozymes(out).set_index("gene")
    assert bare["carries"].to_dict() == {"LDHA": "yes", "LDHB": "no"} and (bare["status"] == "not_estimable").all()
    with pytest.raises(NotApplicable):
        atlas.isozymes(out[out["gene"] == "AKR1B1"])


def test_nothing_tested_means_no_key_enzyme() -> None:
    with pytest.raises(NotApplicable, match="one name"):
        atlas.key_enzymes(run(POLYOL, None)["enzymes"])


def test_methods_say_what_it_cannot_do() -> None:
    out = run(POLYOL, rna({"AKR1B1": 1.9}), n=4)
    step = step_of(atlas.enzymes)
    text = step.methods(out, **step.options)  # type: ignore[operator]
    assert "usually missed" in text and "proves no flux" in text and "9,999 rotations" in text


@pytest.mark.slow
@pytest.mark.parametrize(("scenario", "asked"), [("driver", 0.9), ("flat", 0.0), ("opposed", 0.0)])
def test_planted_studies_over_many_seeds(scenario: Any, asked: float) -> None:
    """30 studies at 8 against 8: the planted enzyme comes first, and not where its metabolites do not follow it."""
    first, verdicts = [], []
    for seed in range(30):
        t = metabolism.tables(scenario, n=8, seed=seed)
        out = atlas.enzymes(
            t["metabolite_values"],
            t["metabolites_samples"],
            t["models"],
            t["differential"],
            n_permutations=0,
            seed=seed,
        )["enzymes"]
        keys = atlas.key_enzymes(out)
        first.append(keys["gene"].iloc[0] == metabolism.KEY)
        verdicts.append(keys.set_index("gene").loc[metabolism.KEY, "verdict"])
    if scenario == "driver":
        assert np.mean(first) >= asked
        assert np.mean([v in ("supported", "suggestive") for v in verdicts]) >= asked
    else:
        assert np.mean([v in ("discordant", "unsupported by metabolites") for v in verdicts]) >= 0.9
        assert np.mean(first) <= 0.05


# ---------------------------------------------------------------------------------------------------- real data
@pytest.fixture(scope="module")
def fibroblasts(shared: Path) -> dict[str, pd.DataFrame]:
    return hypoxia(shared)


def test_hypoxic_fibroblasts_statistics_agree_with_the_reference(fibroblasts: Any, shared: Path) -> None:
    """Log2 changes of 129 metabolites as in the reference analysis of the same data (PQN, log2)."""
    t = fibroblasts
    out = atlas.enzymes(t["metabolite_values"], t["metabolites_samples"], MODELS, t["rna"], block="none", **ROT)
    found = out["enzyme_metabolites"]
    found = found[(found["contrast"] == "LF: 0.5% O2 vs vehicle") & (found["status"] == "estimated")]
    folder = shared / "data" / "metabolism" / "hypoxia_lf"
    lab = pd.read_csv(folder / "lab_metabolite_contrast_H.DMSO_vs_N.DMSO.tsv", sep="\t").set_index("metabolite")
    both = found.set_index("feature").join(lab, how="inner", rsuffix="_lab")
    assert len(both) > 60
    assert np.corrcoef(both["log2fc"], both["log2FC"])[0, 1] > 0.99
    assert np.abs(both["log2fc"] - both["log2FC"]).median() < 0.05


def test_hypoxic_fibroblasts_ldha_is_discordant_and_with_molidustat_concordant(fibroblasts: Any) -> None:
    """Copeland 2023: in hypoxia LDHA mRNA rises fourfold and the flux falls (0.89); with BAY both rise (1.62).

    Pools alone show neither: lactate is flat in both.
    """
    t = fibroblasts
    pools = atlas.enzymes(t["metabolite_values"], t["metabolites_samples"], MODELS, t["rna"], **ROT)["enzymes"]
    for contrast in ("LF: 0.5% O2 vs vehicle", "LF: BAY vs vehicle"):
        row = of(pools[pools["contrast"] == contrast], "LDHA")
        assert row["rna_log2fc"] > 1.9 and row["verdict"] in (ALONE, NOTHING)
    both = pd.concat([t["rna"], t["flux"]])
    out = atlas.enzymes(t["metabolite_values"], t["metabolites_samples"], MODELS, both, **ROT)["enzymes"]
    low, bay = (out[out["contrast"] == c] for c in ("LF: 0.5% O2 vs vehicle", "LF: BAY vs vehicle"))
    row = of(low, "LDHA", "discordant")
    assert row["verdict"] == OPPOSED and row["direction"] == 1 and row["opposed"] == "tracer" and row["q_value"] < 0.01
    assert row["tracer_effect"] == pytest.approx(np.log2(0.891926), abs=1e-3)
    for gene in ("HK2", "PFKL", "PFKP"):
        assert of(low, gene, "discordant")["verdict"] == OPPOSED, gene
    row = of(bay, "LDHA")
    assert row["verdict"] == AGREES and row["direction"] == 1 and row["q_value"] < 0.01
    assert row["tracer_effect"] == pytest.approx(np.log2(1.6232), abs=1e-3)
    assert of(bay, "HK2")["verdict"] == AGREES
    text = atlas.enzyme_claims(out).set_index(["contrast", "entity"]).loc[("LF: 0.5% O2 vs vehicle", "LDHA"), "claim"]
    assert "changes against its metabolites" in text and "flux change −0.165" in text
