"""Tracing: correction against two reference programs, fractions, routes, contrasts, claims and figures."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rechallenge.evidence import check
from rechallenge.faults import NotApplicable
from rechallenge.omics.tracing import contract, contrasts, findings, fractions
from rechallenge.omics.tracing.correction import corrected, matrix
from rechallenge.omics.tracing.isotopes import ISOTOPES, parse_formula, parse_tracer
from rechallenge.omics.tracing.routes import ROUTES, metabolite, routes_of
from rechallenge.report.theme import export
from rechallenge.tables.reading import read_table

MODELS = pd.DataFrame({"model": ["P", "R"], "role": ["parental", "resistant"], "parent": ["", "P"]}, dtype=object)
#: true distributions: lactate falls and citrate is as before in R
TRUE = {
    ("P", "lactate"): [0.35, 0.03, 0.02, 0.60], ("R", "lactate"): [0.75, 0.03, 0.02, 0.20],
    ("P", "citrate"): [0.5, 0.1, 0.2, 0.1, 0.05, 0.03, 0.02], ("R", "citrate"): [0.5, 0.1, 0.2, 0.1, 0.05, 0.03, 0.02],
}  # fmt: skip
FORMULA = {"lactate": "C3H6O3", "citrate": "C6H8O7"}


def experiment(seed: int = 0, n: int = 4, noise: float = 0.01, tms: bool = False) -> pd.DataFrame:
    """Raw areas of a [U-13C]glucose experiment with natural abundance and 99 % purity mixed in."""
    rng = np.random.default_rng(seed)
    rows = []
    for (model, name), mid in TRUE.items():
        system = matrix(FORMULA[name], "13C", purity=0.99, derivative="C3H9Si" if tms else "")
        for r in range(n):
            true = np.clip(np.array(mid) + rng.normal(0, noise, len(mid)), 1e-4, None)
            areas = 1e6 * rng.lognormal(0, 0.1) * (system @ (true / true.sum()))
            for k, area in enumerate(areas):
                rows.append({"sample": f"{model}{r}", "model": model, "treatment": "DMSO", "replicate": f"e{r}",
                             "stage": "", "hours": 24.0, "tracer": "[U-13C]glucose", "metabolite": name,
                             "formula": FORMULA[name], "derivative": "C3H9Si" if tms else "",
                             "isotopologue": f"M+{k}", "area": area, "corrected": "no",
                             "normaliser": np.nan})  # fmt: skip
    table = pd.DataFrame(rows).assign(_file="mids.csv", _sheet="")
    table["_row"] = range(2, len(table) + 2)
    return table


@pytest.fixture(scope="module")
def result() -> pd.DataFrame:
    return fractions.isotopologues(experiment())


@pytest.fixture(scope="module")
def compared(result: pd.DataFrame) -> pd.DataFrame:
    return contrasts.tracing(result, MODELS)


# correction ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "options"),
    [("LR_noNA_purity1", {"natural_tracer": False}), ("LR_NA_purity1", {}), ("LR_NA_purity0.99", {"purity": 0.99}),
     ("HR_orbitrap70k_NA", {"resolution": 70000, "at": 400})],
)  # fmt: skip
def test_isocor_is_reproduced(shared: Path, setting: str, options: dict[str, float]) -> None:
    folder = shared / "data" / "metabolism" / "isotope" / "isocor"
    formulas = pd.read_csv(folder / "Metabolites.dat", sep="\t").set_index("name")["formula"]
    wanted = pd.read_csv(folder / f"expected_{setting}.tsv", sep="\t")
    wanted["derivative"] = wanted["derivative"].fillna("")
    seen = 0
    for (_, name, extra), part in wanted.groupby(["sample", "metabolite", "derivative"]):
        part = part.sort_values("isotopologue")
        system = matrix(formulas[name], "13C", derivative="C3H9Si" if extra else "", **options)
        areas, _ = corrected(part["area"].to_numpy(), system)
        if part["area"].sum() == 0:
            assert np.isnan(areas).all()
            continue
        share = areas / areas.sum()
        assert np.abs(share - part["isotopologue_fraction"].to_numpy()).max() < 1e-9, (name, extra)
        assert np.abs(areas - part["corrected_area"].to_numpy()).max() < 1e-9 * areas.sum()
        assert share @ np.arange(len(share)) / (len(share) - 1) == pytest.approx(part["mean_enrichment"].iloc[0])
        seen += 1
    assert seen >= 15


@pytest.mark.parametrize(
    ("file", "isotope", "resolution", "purity"),
    [("C", "13C", 100000, 0.99), ("N", "15N", 140000, 0.99), ("D", "2H", 100000, 0.98)],
)
def test_accucor_is_reproduced(shared: Path, file: str, isotope: str, resolution: float, purity: float) -> None:
    """With its own rounded masses and sulfur, and its purity, which lets impure positions have natural isotopes."""
    folder = shared / "data" / "metabolism" / "isotope" / "accucor"
    raw = pd.read_excel(folder / f"{file}_Sample_Input_Simple.xlsx", engine="calamine")
    book = folder / f"{file}_Sample_Input_Simple_corrected.xlsx"
    wanted = pd.read_excel(book, sheet_name="Corrected", engine="calamine")
    abundances = {
        **ISOTOPES, "S": ((31.97207, 0.95), (32.97146, 0.0075), (33.96787, 0.0425)),
        "H": ((1.00783, 0.999885), (2.0141, 0.000115)), "C": ((12.0, 0.9893), (13.00335, 0.0107)),
        "N": ((14.00307, 0.99636), (15.00011, 0.00364)),
        "O": ((15.99491, 0.99757), (16.99913, 0.00038), (17.99916, 0.00205)),
    }  # fmt: skip
    element = {"13C": "C", "15N": "N", "2H": "H"}[isotope]
    natural = abundances[element][1][1]
    samples = list(raw.columns[3:])
    for (name, formula), part in raw.groupby(["Compound", "Formula"], sort=False):
        system = matrix(formula, isotope, purity=purity + (1 - purity) * natural, resolution=resolution, at=200,
                        abundances=abundances)  # fmt: skip
        areas = np.zeros((len(system), len(samples)))
        shifts = [0 if "PARENT" in x else int(re.search(r"\d+$", x)[0]) for x in part["IsotopeLabel"]]  # type: ignore[index]
        areas[shifts] = part[samples].to_numpy()
        expected = wanted[wanted["Compound"] == name][samples].to_numpy()
        for k in range(len(samples)):
            got = np.nan_to_num(corrected(areas[:, k], system)[0])
            assert np.abs(got - expected[:, k]).max() <= 1e-6 * max(expected[:, k].sum(), 1), name


def test_columns_are_distributions_that_lose_only_what_lies_beyond() -> None:
    for formula, isotope in (("C6H12O6", "13C"), ("C5H10N2O3", "15N"), ("C3H6O3", "2H"), ("C5H11NO2S", "13C")):
        system = matrix(formula, isotope, purity=0.98)
        assert (system >= 0).all() and (system.sum(axis=0) <= 1 + 1e-12).all()
        assert np.trace(matrix(formula, isotope, natural_tracer=False)) > np.trace(system)


def test_a_known_distribution_is_recovered_with_a_derivative() -> None:
    mid = np.array([0.4, 0.1, 0.2, 0.3])
    for options in ({}, {"derivative": "C3H9Si", "purity": 0.97}, {"resolution": 1e5}):
        system = matrix("C3H6O3", "13C", **options)  # type: ignore[arg-type]
        areas, residual = corrected(1e5 * system @ mid, system)
        assert np.allclose(areas / areas.sum(), mid) and np.abs(residual).max() < 1e-9


def test_high_resolution_leaves_out_what_is_resolved() -> None:
    """At a resolution without limit no isotope of another element hides under the label."""
    finest = matrix("C5H11NO2S", "13C", resolution=1e12)
    bare = matrix("C5", "13C")
    light = np.prod([ISOTOPES[e][0][1] ** n for e, n in (("H", 11), ("N", 1), ("O", 2), ("S", 1))])
    assert np.allclose(finest, bare * light)
    assert np.allclose(matrix("C5H11NO2S", "13C", resolution=1.0), matrix("C5H11NO2S", "13C"), atol=1e-12)


def test_unreadable_input_is_refused() -> None:
    for text in ("C6H12X", "glucose", ""):
        with pytest.raises(ValueError, match=r"sum formula|not listed"):
            parse_formula(text)
    for text in ("glucose", "13C15N-glutamine"):
        with pytest.raises(ValueError, match=r"no isotope|more than one"):
            parse_tracer(text)
    with pytest.raises(ValueError, match="purity"):
        matrix("C3H6O3", "13C", purity=0)
    with pytest.raises(ValueError, match="has no N"):
        matrix("C3H6O3", "15N")


# fractions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tms", [False, True])
def test_fractions_are_the_planted_ones(tms: bool) -> None:
    out = fractions.isotopologues(experiment(noise=0.0, tms=tms))
    for (model, name), mid in TRUE.items():
        part = out[(out["model"] == model) & (out["metabolite"] == name) & (out["sample"] == f"{model}0")]
        assert np.allclose(part["fraction"], mid, atol=1e-9)
        assert part["mean_enrichment"].iloc[0] == pytest.approx(np.arange(len(mid)) @ np.array(mid) / (len(mid) - 1))
        assert part["labelled_pool"].iloc[0] == pytest.approx(part["pool"].iloc[0] * part["mean_enrichment"].iloc[0])
    assert (out["status"] == "estimated").all() and (out["unexplained"] < 1e-9).all()
    assert out["source_rows"].iloc[0] == "mids.csv:34-40"


def test_typed_cases_of_measurements() -> None:
    table = experiment(n=1)
    table.loc[(table["model"] == "P") & (table["metabolite"] == "lactate"), "area"] = 0.0
    table = table[~((table["model"] == "R") & (table["isotopologue"] == "M+0") & (table["metabolite"] == "lactate"))]
    table = table[~((table["model"] == "R") & (table["isotopologue"] == "M+6"))]
    out = fractions.isotopologues(table).groupby(["model", "metabolite"]).first()
    assert out.loc[("P", "lactate"), "reason"] == "no signal"
    assert "M+0 was not measured" in out.loc[("R", "lactate"), "reason"]
    assert out.loc[("R", "lactate"), "status"] == "not_estimable"
    assert out.loc[("R", "citrate"), "reason"] == "M+6 not in the table: shares of those that are"
    with pytest.raises(NotApplicable):
        fractions.isotopologues(table.iloc[:0])


def test_corrected_tables_are_taken_as_they_are() -> None:
    table = experiment(n=1).assign(corrected="yes")
    table["area"] = [TRUE[m, x][int(k[2:])] for m, x, k in table[["model", "metabolite", "isotopologue"]].to_numpy()]
    out = fractions.isotopologues(table)
    assert np.allclose(out["fraction"], out["area"]) and set(out["correction"]) == {"given as corrected"}


# contract -----------------------------------------------------------------------------------------------------


def test_the_example_keeps_the_contract_and_faults_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "i.csv").write_text(contract.ISOTOPOLOGUES.example, encoding="utf-8")
    read = read_table(contract.ISOTOPOLOGUES, "i.csv", folder=tmp_path)
    assert not [f for f in read.faults if f.severity == "error"] and len(read.frame) == 4
    bad = contract.ISOTOPOLOGUES.example.replace("M+3,650000", "M+4,-5").replace("M+2,", "what,")
    (tmp_path / "i.csv").write_text(bad.replace("C3H6O3,M+1", "C3Q6,M+1"), encoding="utf-8")
    codes = {f.code for f in read_table(contract.ISOTOPOLOGUES, "i.csv", folder=tmp_path).faults}
    assert {"isotopologue", "formula", "low"} <= codes
    (tmp_path / "i.csv").write_text(contract.ISOTOPOLOGUES.example + "P_1,Huh-7 P,vehicle,1,24,[U-13C]glucose,lactate,"
                                    "C3H6O3,M3,1\n", encoding="utf-8")  # fmt: skip
    assert "twice" in {f.code for f in read_table(contract.ISOTOPOLOGUES, "i.csv", folder=tmp_path).faults}


# routes and contrasts -----------------------------------------------------------------------------------------


def test_routes_are_those_laid_down() -> None:
    glucose = parse_tracer("13C6-D-glucose")
    declared = {
        (r.metabolite, r.shifts): r.pathway for r in routes_of(glucose, "Lactic acid") + routes_of(glucose, "cit")
    }
    assert declared[("lactate", (3,))] == "glycolysis" and declared[("citrate", (2,))] == "pyruvate dehydrogenase"
    assert {r.shifts for r in routes_of(glucose, "UDP-GlcNAc")} == {(5,), (6,)}
    assert routes_of(glucose, "GSH")[0].shifts == (2, 3, 4, 5) and routes_of(glucose, "R5P")[0].shifts == (5,)
    assert all(metabolite(r.metabolite) == r.metabolite for r in ROUTES)
    assert len({(r.tracer, r.metabolite, r.shifts) for r in ROUTES}) == len(ROUTES)


def test_the_planted_change_is_found_and_the_flat_one_is_not(compared: pd.DataFrame) -> None:
    row = compared.set_index(["metabolite", "measure", "isotopologue"])
    lactate = row.loc[("lactate", contrasts.SHARE, "M+3")]
    assert lactate["ci_low"] < -0.4 < lactate["ci_high"] and lactate["direction"] == -1
    assert lactate["contrast"] == "R vs P" and lactate["n"] == 4 and lactate["design"] == "replicate as block"
    assert row.loc[("lactate", contrasts.WHOLE, "")]["p_value"] < 0.02
    assert row.loc[("citrate", contrasts.ENRICHMENT, "")]["direction"] == 0
    assert (compared["q_value"].dropna() >= compared["p_value"].dropna() - 1e-12).all()
    assert row.loc[("citrate", contrasts.SHARE, "M+2")]["pathway"] == "pyruvate dehydrogenase"


def test_rows_have_no_order(compared: pd.DataFrame) -> None:
    again = contrasts.tracing(fractions.isotopologues(experiment().sample(frac=1, random_state=3)), MODELS)
    pd.testing.assert_frame_equal(again, compared)


def test_one_replicate_is_not_tested_and_no_groups_are_refused(result: pd.DataFrame) -> None:
    one = contrasts.tracing(fractions.isotopologues(experiment(n=1)), MODELS)
    assert one["p_value"].isna().all() and set(one["status"]) <= {"not_testable", "not_estimable"}
    with pytest.raises(NotApplicable):
        contrasts.tracing(result[result["model"] == "P"], MODELS)


def test_claims_and_figures(result: pd.DataFrame, compared: pd.DataFrame) -> None:
    out = check(findings.tracing_claims(compared))
    glycolysis = out[out["entity"] == "glycolysis"].iloc[0]
    assert glycolysis["direction"] == -1 and "M+3 of lactate (lactate from glucose)" in glycolysis["claim"]
    assert set(out["entity_type"]) == {"pathway", "metabolite"} and set(out["stream"]) == {"tracing"}
    for chart in (findings.tracing_distributions(result, compared), findings.tracing_named(result, compared),
                  findings.tracing_forest(compared)):  # fmt: skip
        assert export("f", chart)["pdf"].startswith(b"%PDF")
    routes = contrasts.tracing_routes(result)
    assert routes.set_index(["metabolite", "isotopologue"]).loc[("lactate", "M+3"), "measured"]
    assert not routes.set_index(["metabolite", "isotopologue"]).loc[("sorbitol", "M+6"), "measured"]


def test_enzymes_of_the_labelled_steps(compared: pd.DataFrame) -> None:
    out = check(findings.tracing_gene_claims(compared)).set_index("entity")
    assert set(out["entity_type"]) == {"gene"} and set(out["level"]) == {"association"}
    assert out.loc["LDHA", "direction"] == -1 and "not how fast" in out.loc["LDHA", "claim"]
    assert "M+3 of lactate" in out.loc["LDHA", "claim"] and out.loc["LDHA", "q_value"] < 0.05
    assert out.loc["PDHA1", "direction"] == 0 and out.loc["PC", "direction"] == 0
    raised = compared.assign(direction=1, genes=compared["genes"].replace("LDHA", "GLS, GLS2"))
    two = check(findings.tracing_gene_claims(raised)).set_index("entity")
    assert (two.loc[["GLS", "GLS2"], "direction"] == 0).all() and "isozymes" in two.loc["GLS", "claim"]
    assert two.loc["PC", "direction"] == 1
    mixed = compared[compared["genes"] == "PC"]
    other = mixed.assign(metabolite="malate", direction=-1)
    disagree = check(findings.tracing_gene_claims(pd.concat([mixed.assign(direction=1), other])))
    assert (disagree["direction"] == 0).all() and disagree["claim"].str.contains("disagree").all()


def test_enzymes_of_routes_are_those_of_the_reactions() -> None:
    """Each makes the metabolite by the table of enzymes, or the label's last common precursor on the way to it."""
    from rechallenge import knowledge

    table = knowledge.table("enzymes").set_index("gene")
    upstream = {"PC", "PDHA1", "ACLY", "PHGDH", "GFPT1", "GFPT2", "ALDH18A1", "G6PD", "IDH1", "IDH2"}
    absent = {"GPD1L", "ALDH18A1"}
    for route in ROUTES:
        for gene in route.genes:
            assert gene in table.index or gene in absent, gene
            if gene not in upstream | absent:
                row = table.loc[gene]
                made = row["products"] + (row["substrates"] if row["reversible"] == "yes" else [])
                assert route.metabolite in made, (gene, route.metabolite)
    assert {g for r in ROUTES for g in r.genes} >= {"LDHA", "PC", "PDHA1", "AKR1B1", "SORD", "ASNS", "GLS"}


def test_a_lowered_gene_is_compared_with_its_own_control() -> None:
    table = experiment()
    line = table[table["model"] == "R"]
    both = [line.assign(treatment=t, sample=line["sample"] + t) for t in ("siNC", "siLDHA")]
    out = contrasts.tracing(fractions.isotopologues(pd.concat([table, *both], ignore_index=True)), MODELS)
    assert "R: siLDHA vs siNC" in set(out["contrast"])


def test_hypoxic_fibroblasts_make_less_lactate_of_glucose(shared: Path) -> None:
    """Copeland et al. 2023, eLife: [U-13C]glucose for 72 h; lactate M+3 .63 in 21 % oxygen, .25 in 0.5 %."""
    file = shared / "data" / "metabolism" / "hypoxia_lf" / "mids.tsv.gz"
    mids = pd.read_csv(file, sep="\t", keep_default_na=False)
    mine = mids[(mids["method"] == "fs") & (mids["cell_type"] == "lf") & (mids["tracer"] == "glc6")
                & (mids["time"].astype(str) == "72") & (mids["treatment"] == "None")
                & mids["metabolite"].isin(["lactate", "citrate"])]  # fmt: skip
    table = pd.DataFrame({
        "sample": mine["oxygen"] + mine["date"], "model": mine["oxygen"].map({"21%": "P", "0.5%": "R"}),
        "treatment": "", "replicate": mine["date"], "hours": 72.0, "tracer": "[U-13C]glucose",
        "metabolite": mine["metabolite"], "formula": mine["metabolite"].map(FORMULA), "isotopologue": mine["isotope"],
        "area": mine["mid"].astype(float), "corrected": "yes",
    })  # fmt: skip
    out = contrasts.tracing(fractions.isotopologues(table), MODELS)
    row = out[out["measure"] == contrasts.SHARE].set_index(["metabolite", "isotopologue"])
    assert row.loc[("lactate", "M+3"), "reference_value"] == pytest.approx(0.630, abs=0.002)
    assert row.loc[("lactate", "M+3"), "group_value"] == pytest.approx(0.245, abs=0.002)
    assert row.loc[("lactate", "M+3"), "direction"] == -1
    assert row.loc[("citrate", "M+2"), "effect"] < 0
