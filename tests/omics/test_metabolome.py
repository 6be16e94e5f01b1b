"""Metabolome: quality, drift, normalisation, moderated tests, names, enrichment, claims and figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rechallenge.evidence import check
from rechallenge.faults import NotApplicable
from rechallenge.omics.metabolome import contract, differential, enrichment, figures, findings, names, quality
from rechallenge.report.theme import export
from rechallenge.study import TableSource
from rechallenge.tables.matrix import read_matrix

MODELS = pd.DataFrame({"model": ["P", "R"], "role": ["parental", "resistant"], "parent": ["", "P"]}, dtype=object)
KNOWN = ("glucose", "sorbitol", "fructose", "glucose 6-phosphate", "fructose 6-phosphate", "pyruvate", "lactate",
         "citrate", "malate", "fumarate", "succinate", "2-oxoglutarate", "glutamate", "glutamine", "aspartate",
         "asparagine", "serine", "glycine", "methionine", "cysteine", "GSH", "GSSG", "ornithine", "arginine",
         "citrulline", "proline", "creatine", "palmitate", "choline", "taurine")  # fmt: skip


def experiment(
    seed: int = 0, n: int = 6, effect: float = 2.0, drift: float = 0.0, qc: int = 8, dilution: float = 0.3
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Areas of 30 known and 30 unknown metabolites; sorbitol and fructose are up in R by `effect` (log2)."""
    rng = np.random.default_rng(seed)
    features = [*KNOWN, *(f"unknown {i:02d}" for i in range(30))]
    level = rng.normal(20, 2, len(features))
    rows, columns = [], {}
    kinds = ["blank"] * 2 + ["qc", *["sample"] * 3] * (2 * n // 3) + ["qc"] * 2
    groups = iter([(m, r) for r in range(n) for m in "PR"])
    total = 0
    for order, kind in enumerate(kinds):
        name = f"{kind}{order}"
        trend = drift * order / len(kinds)
        model, rep = ("", "")
        if kind == "sample":
            model, r = next(groups)
            rep = f"r{r}"
            y = level + rng.normal(0, 0.35, len(features)) + rng.normal(0, dilution) + trend
            y[[1, 2]] += effect * (model == "R")
        elif kind == "qc":
            total += 1
            if total > qc:
                continue
            y = level + rng.normal(0, 0.1, len(features)) + trend
        else:
            y = level - 8 + rng.normal(0, 0.5, len(features))
        columns[name] = 2.0**y
        rows.append({"sample": name, "model": model, "treatment": "", "stage": "", "replicate": rep, "batch": "",
                     "sample_type": kind, "order": float(order), "amount": np.nan, "unit": "area",
                     "dataset": "d"})  # fmt: skip
    matrix = pd.DataFrame(columns)
    head = {"dataset": "d", "feature": features, "_file": "areas.csv", "_row": range(2, len(features) + 2)}
    return pd.concat([pd.DataFrame(head), matrix], axis=1), pd.DataFrame(rows)


@pytest.fixture(scope="module")
def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    return experiment()


@pytest.fixture(scope="module")
def checked(tables: tuple[pd.DataFrame, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    return quality.metabolite_quality(*tables)


@pytest.fixture(scope="module")
def compared(tables: tuple[pd.DataFrame, pd.DataFrame], checked: dict[str, pd.DataFrame]) -> pd.DataFrame:
    return differential.metabolite_differential(checked["metabolite_values"], *tables, MODELS)


@pytest.fixture(scope="module")
def named(checked: dict[str, pd.DataFrame]) -> pd.DataFrame:
    return names.metabolite_names(checked["metabolite_quality"])


# quality ------------------------------------------------------------------------------------------------------


def test_bad_features_are_left_out_with_their_reason(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    matrix, sheet = (t.copy() for t in tables)
    qc = sheet.loc[sheet["sample_type"] == "qc", "sample"].tolist()
    own = sheet.loc[sheet["sample_type"] == "sample", "sample"].tolist()
    empty = sheet.loc[sheet["sample_type"] == "blank", "sample"].tolist()
    matrix.loc[30, qc] *= np.where(np.arange(len(qc)) % 2, 5.0, 0.2)
    matrix.loc[31, empty] = matrix.loc[31, own].median()
    matrix.loc[32, own[2:]] = 0.0
    matrix.loc[33, "feature"] = "valine-d8"
    out = quality.metabolite_quality(matrix, sheet)["metabolite_quality"].set_index("feature")
    assert "RSD of the pooled QC" in out.loc["unknown 00", "reason"] and not out.loc["unknown 00", "kept"]
    assert "blank at" in out.loc["unknown 01", "reason"]
    assert "found in at most 17 % of the samples of a group" in out.loc["unknown 02", "reason"]
    assert out.loc["valine-d8", "reason"] == "internal standard"
    assert out["kept"].sum() == 56 and (out.loc[out["kept"], "reason"] == "").all()


def test_drift_is_taken_out_where_it_helps_and_left_where_not() -> None:
    matrix, sheet = experiment(drift=2.0, dilution=0.0)
    with_, without = (quality.metabolite_quality(matrix, sheet, drift=d, rsd=9.0, normalise="none")
                      for d in (True, False))  # fmt: skip
    q = with_["metabolite_quality"]
    assert q["drift"].mean() > 0.9 and q["rsd"].median() < 0.5 * q["rsd_raw"].median()
    order = sheet.set_index("sample")["order"]

    def slope(values: pd.DataFrame) -> float:
        own = values[values["sample_type"] == "sample"]
        mean = own.groupby("sample")["value"].mean()
        return float(np.polyfit(order.loc[mean.index], mean, 1)[0])

    assert abs(slope(with_["metabolite_values"])) < 0.2 * abs(slope(without["metabolite_values"]))
    still = quality.metabolite_quality(*experiment(drift=0.0))["metabolite_quality"]
    assert np.allclose(still.loc[~still["drift"], "rsd"], still.loc[~still["drift"], "rsd_raw"])
    assert still["rsd"].median() < 1.1 * still["rsd_raw"].median()


@pytest.mark.parametrize("how", ["pqn", "median", "standard", "amount"])
def test_normalisation_takes_out_dilution(how: str) -> None:
    matrix, sheet = experiment(dilution=0.0, effect=0.0)
    own = sheet.loc[sheet["sample_type"] == "sample", "sample"].tolist()
    factor = pd.Series(2.0 ** np.linspace(-2, 2, len(own)), own)
    sheet["amount"] = sheet["sample"].map(factor)
    plain = quality.metabolite_quality(matrix, sheet, normalise="none")["metabolite_values"]
    matrix[own] = matrix[own] * factor
    matrix.loc[30, own] = 1e6 * factor  # an internal standard feels the dilution alone
    out = quality.metabolite_quality(matrix, sheet, normalise=how, standard="unknown 00")["metabolite_values"]

    def spread(values: pd.DataFrame) -> float:
        mine = values[(values["sample_type"] == "sample") & (values["feature"] != "unknown 00")]
        return float(mine.groupby("sample")["value"].median().std())

    assert (
        spread(out)
        < 0.15
        < 1.0
        < spread(quality.metabolite_quality(matrix, sheet, normalise="none")["metabolite_values"])
    )
    assert abs(spread(out) - spread(plain)) < 0.15


def test_options_that_cannot_be_met_are_refused(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    with pytest.raises(ValueError, match="normalise is one of"):
        quality.metabolite_quality(*tables, normalise="sum")
    with pytest.raises(NotApplicable, match="needs the column amount"):
        quality.metabolite_quality(*tables, normalise="amount")
    with pytest.raises(NotApplicable, match="no feature is called"):
        quality.metabolite_quality(*tables, normalise="standard", standard="x")
    matrix, sheet = tables
    with pytest.raises(NotApplicable):
        quality.metabolite_quality(matrix, sheet.assign(sample_type="qc"))


# differential -------------------------------------------------------------------------------------------------


def test_planted_metabolites_are_found(compared: pd.DataFrame) -> None:
    row = compared.set_index("feature")
    for name in ("sorbitol", "fructose"):
        assert abs(row.loc[name, "log2fc"] - 2.0) < 5 * row.loc[name, "se"]
        assert row.loc[name, "direction"] == 1 and row.loc[name, "q_value"] < 0.01
    rest = row.drop(["sorbitol", "fructose"])
    assert (rest["q_value"] < 0.05).sum() <= 3 and set(row["layer"]) == {"metabolite"}
    assert row.loc["sorbitol", "source_rows"] == "areas.csv:3" and row.loc["sorbitol", "n"] == 12
    assert (compared["q_value"] >= compared["p_value"]).all()


def test_rows_and_columns_have_no_order(tables: tuple[pd.DataFrame, pd.DataFrame], compared: pd.DataFrame) -> None:
    matrix, sheet = (t.sample(frac=1, random_state=2) for t in tables)
    values = quality.metabolite_quality(matrix, sheet)["metabolite_values"]
    pd.testing.assert_frame_equal(differential.metabolite_differential(values, matrix, sheet, MODELS), compared)


def test_missing_values_are_never_filled_in(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    matrix, sheet = (t.copy() for t in tables)
    parent = sheet.loc[sheet["model"] == "P", "sample"].tolist()
    matrix.loc[1, parent] = 0.0
    values = quality.metabolite_quality(matrix, sheet)["metabolite_values"]
    row = differential.metabolite_differential(values, matrix, sheet, MODELS).set_index("feature").loc["sorbitol"]
    assert row["status"] == "not_estimable" and np.isnan(row["p_value"]) and "not in P" in row["reason"]


def test_the_published_contrast_of_hypoxic_fibroblasts(shared: Path) -> None:
    """PQN on the pooled QC: the log2 fold changes of the reference but for two metabolites with zero areas."""
    folder = shared / "data" / "metabolism" / "hypoxia_lf"
    areas = pd.read_csv(folder / "metabolomics_peakarea_wide.tsv", sep="\t")
    runs = pd.read_csv(folder / "metabolomics_runs.tsv", sep="\t")
    runs["label"] = "run" + runs["run"].astype(str)
    areas.columns = ["feature", *(f"run{c}" for c in areas.columns[1:])]
    parts = runs["sample"].str.split(".")
    sheet = pd.DataFrame({
        "sample": runs["label"], "dataset": "lf", "unit": "area", "order": runs["run"].astype(float),
        "sample_type": np.select([runs["sample"] == "water", parts.str[0] == "mix"], ["blank", "qc"], "sample"),
        "model": parts.str[0].map({"norm": "P", "hyp": "R"}).fillna(""), "stage": "", "batch": "",
        "treatment": parts.str[1].map({"dmso": "DMSO", "bay": "BAY"}).fillna(""), "replicate": parts.str[2].fillna(""),
    })  # fmt: skip
    made = quality.metabolite_quality(areas.assign(dataset="lf"), sheet, drift=False, rsd=0.2, blank=9, detection=0,
                                      normalise="pqn")  # fmt: skip
    kept = int(made["metabolite_quality"]["kept"].sum())
    assert abs(kept - 129) <= 1 and made["metabolite_quality"].set_index("feature").loc["valine-d8", "kept"] == False  # noqa: E712
    out = differential.metabolite_differential(made["metabolite_values"], areas.assign(dataset="lf"), sheet, MODELS,
                                               block="none")  # fmt: skip
    for contrast, file in (("R vs P", "H.DMSO_vs_N.DMSO"), ("P: BAY vs vehicle", "N.BAY_vs_N.DMSO")):
        wanted = pd.read_csv(folder / f"lab_metabolite_contrast_{file}.tsv", sep="\t").set_index("metabolite")
        both = out[out["contrast"] == contrast].set_index("feature").join(wanted, how="inner")
        gap = (both["log2fc"] - both["log2FC"]).abs()
        assert len(both) == 116 and (gap < 0.01).sum() >= 113
        assert np.corrcoef(both["statistic"], both["modt"])[0, 1] > 0.98
    row = out[out["contrast"] == "R vs P"].set_index("feature")
    for name, value in (("sedoheptulose 7-phosphate", 1.55), ("argininosuccinate", -2.15), ("sorbitol", -0.33),
                        ("aspartate", -0.93), ("palmitate", 1.61)):  # fmt: skip
        assert row.loc[name, "log2fc"] == pytest.approx(value, abs=0.01)


# names and enrichment -----------------------------------------------------------------------------------------


def test_names_are_resolved_and_the_rest_is_listed(named: pd.DataFrame) -> None:
    row = named.set_index("feature")
    assert row.loc["glucose", "kegg"] == "C00031" and row.loc["GSH", "metabolite"] == "glutathione"
    assert row.loc["GSH", "status"] == "synonym"
    left = names.metabolite_unmapped(named)
    assert sum(f.startswith("unknown") for f in left["feature"]) == 30 and "sorbitol" not in set(left["feature"])


def test_isomers_count_once() -> None:
    table = pd.DataFrame({"feature": ["leucine/isoleucine", "glucose", "D-Glucose", "hexose"], "kept": True})
    row = names.metabolite_names(table).set_index("feature")
    assert row.loc["leucine/isoleucine", "status"] == "isomers" and row.loc["leucine/isoleucine", "group_size"] == 1
    assert set(row.loc["leucine/isoleucine", "kegg"].split("|")) == {"C00123", "C00407"}
    assert row.loc["hexose", "status"] == "isomers"


def test_the_planted_pathway_leads(compared: pd.DataFrame, named: pd.DataFrame) -> None:
    out = enrichment.metabolite_enrichment(compared, named, smallest=2)
    up = out[out["list"] == "up"]
    assert up.iloc[0]["term"] == "polyol/fructose" and up.iloc[0]["leading_edge"] == "fructose|sorbitol"
    assert (out["status"] == "estimated").any() and set(out.loc[out["list"] == "down", "status"]) <= {
        "not_testable",
        "estimated",
    }
    measured = named.loc[named["metabolite"] != "", "isomer_group"].nunique()
    assert (out["n_universe"] == measured).all() and measured == 30 < len(named), "the measured ones with a name"


def test_fishers_exact_test() -> None:
    universe = frozenset(str(i) for i in range(20))
    hits, term = frozenset(["0", "1", "2", "3", "4"]), frozenset(["0", "1", "2", "15", "99"])
    found = enrichment.over_representation(hits, universe, term)
    table = [[3, 2], [1, 14]]
    assert found["p_value"] == pytest.approx(stats.fisher_exact(table, "greater").pvalue)
    assert found["expected"] == 1.0 and found["ci_low"] < found["statistic"] < found["ci_high"]


def test_random_lists_are_rarely_enriched_on_the_measured_universe(named: pd.DataFrame) -> None:
    """Lists of measured metabolites drawn at random: a pathway at BH < .05 in at most 5 % of draws; any seed."""
    from rechallenge.stats.multiplicity import bh

    rng = np.random.default_rng(0)
    known = named[named["metabolite"] != ""]
    terms = enrichment.members(known, enrichment.pathway_sets())
    universe = sorted(set(known["isomer_group"]))
    called = 0
    for _ in range(400):
        hits = frozenset(rng.choice(universe, 6, replace=False))
        p = [enrichment.over_representation(hits, frozenset(universe), t & frozenset(universe))["p_value"]
             for t in terms.values() if len(t & frozenset(universe)) >= 3]  # fmt: skip
        called += bool((bh(p) < 0.05).any())
    assert called <= stats.binom.ppf(0.9995, 400, 0.05)


def test_the_library_as_universe_makes_random_lists_look_enriched(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """138 measured metabolites, metabolic pathways of SMPDB: a third of random lists of ten find a pathway where all
    compounds of the library are the universe, one or two in a hundred where the measured ones are."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    from benchmarks import enrichment_null

    folder = shared / "data" / "metabolism"
    sets, every = enrichment_null.library(str(folder / "pathways" / "smpdb_primary_sets.tsv"), "Metabolic")
    panel = pd.read_csv(folder / "hypoxia_lf" / "metabolomics_peakarea_wide.tsv", sep="\t")["metabolite"]
    groups, mine, whole, everything = enrichment_null.universes(list(panel), sets, every)
    assert 100 < len(groups) < len(everything) / 5
    own, other = enrichment_null.rates(mine, whole, groups, everything, 200, 10)
    assert own <= stats.binom.ppf(0.9995, 200, 0.05) / 200 and other > 0.15


def test_the_benchmarks_test_is_that_of_the_analysis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    from benchmarks import enrichment_null

    universe = frozenset(str(i) for i in range(40))
    terms = {"a": frozenset(str(i) for i in range(6)), "b": frozenset(str(i) for i in range(20, 30))}
    for hits in (frozenset(str(i) for i in range(5)), frozenset(["1", "22", "33", "34", "39"])):
        p = [enrichment.over_representation(hits, universe, t)["p_value"] for t in terms.values()]
        assert enrichment_null.share([hits], universe, terms) == float((np.array(p) * [2, 1] < 0.05).any())


# claims, figures, contract ------------------------------------------------------------------------------------


def test_claims(compared: pd.DataFrame, named: pd.DataFrame) -> None:
    out = check(findings.metabolite_claims(compared, named))
    sorbitol = out[out["entity"] == "sorbitol"].iloc[0]
    assert sorbitol["direction"] == 1 and sorbitol["level"] == "association" and "-fold higher" in sorbitol["claim"]
    assert "n = 6 against 6 biological replicates" in sorbitol["claim"] and sorbitol["source_rows"] == "areas.csv:3"
    check(findings.metabolite_pathway_claims(enrichment.metabolite_enrichment(compared, named, smallest=2)))


def test_figures(
    tables: tuple[pd.DataFrame, pd.DataFrame], checked: dict[str, pd.DataFrame], compared: pd.DataFrame
) -> None:
    values, sheet = checked["metabolite_values"], tables[1]
    for chart in (figures.metabolite_samples(values, sheet), figures.metabolite_rsd(checked["metabolite_quality"]),
                  figures.metabolite_volcano(compared),
                  figures.metabolite_heatmap(values, compared, sheet)):  # fmt: skip
        assert export("f", chart)["pdf"].startswith(b"%PDF")


def test_a_sheet_with_pooled_and_blank_samples_is_read(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(contract.METABOLITES.example, encoding="utf-8")
    (tmp_path / "a.csv").write_text(
        "compound,P_1,R_1,QC_1,B_1\nglucose,5,6,5.5,0\nlactate,7,9,8,0.1\n", encoding="utf-8"
    )
    source = TableSource(values=["a.csv"], samples="s.csv", unit="area")
    read = read_matrix(source, tmp_path, contract.METABOLITES, None)
    assert not [f for f in read.faults if f.severity == "error"] and len(read.frame) == 4
    assert contract.sample_type("Pooled QC") == "qc" and contract.sample_type("solvent") == "blank"


@pytest.mark.slow
def test_whole_path_calls_nothing_where_nothing_is_there() -> None:
    """Sixty metabolites, six against six, no effect: p < .05 at 5 %, any q < .05 in few studies."""
    small, any_ = [], 0
    for seed in range(60):
        matrix, sheet = experiment(seed, effect=0.0)
        values = quality.metabolite_quality(matrix, sheet)["metabolite_values"]
        out = differential.metabolite_differential(values, matrix, sheet, MODELS)
        small.append((out["p_value"] < 0.05).mean())
        any_ += bool((out["q_value"] < 0.05).any())
    assert 0.03 < np.mean(small) < 0.07 and any_ <= stats.binom.ppf(0.9995, 60, 0.05)
