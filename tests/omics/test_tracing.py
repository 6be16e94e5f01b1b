"""Tracing: correction against two reference programs, fractions, routes, contrasts, claims and figures."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rechallenge.evidence import check
from rechallenge.faults import NotApplicable
from rechallenge.omics.tracing import contract, contrasts, elmaven, findings, fractions
from rechallenge.omics.tracing.correction import corrected, matrix
from rechallenge.omics.tracing.isotopes import ISOTOPES, parse_formula, parse_tracer
from rechallenge.omics.tracing.routes import ROUTES, metabolite, routes_of
from rechallenge.report.theme import export
from rechallenge.study import TableSource
from rechallenge.tables.reading import TableRead, read_table

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


def accucor_isotopes() -> dict[str, tuple[tuple[float, float], ...]]:
    """The masses and abundances in AccuCor's R code: rounded to five decimals, sulfur without 36S."""
    return {
        **ISOTOPES, "S": ((31.97207, 0.95), (32.97146, 0.0075), (33.96787, 0.0425)),
        "H": ((1.00783, 0.999885), (2.0141, 0.000115)), "C": ((12.0, 0.9893), (13.00335, 0.0107)),
        "N": ((14.00307, 0.99636), (15.00011, 0.00364)),
        "O": ((15.99491, 0.99757), (16.99913, 0.00038), (17.99916, 0.00205)),
    }  # fmt: skip


def test_masses_and_abundances_are_those_of_the_tables() -> None:
    """AccuCor's masses are these, rounded to five decimals; its sulfur lacks 36S and gives its share to 32S. The 2009
    table of IUPAC (doi:10.1351/PAC-REP-10-06-02) has 32S .9499(26), 33S .0075(2), 34S .0425(24), 36S .0001(1)."""
    theirs = accucor_isotopes()
    for element in ("H", "C", "N", "O", "S"):
        for (mass, share), (rounded, other) in zip(ISOTOPES[element], theirs[element], strict=False):
            assert abs(mass - rounded) <= 5.1e-6, element
            assert abs(share - other) <= (1e-4 + 1e-12 if element == "S" else 1e-12), element
    assert len(ISOTOPES["S"]) == len(theirs["S"]) + 1 and ISOTOPES["S"][3][1] == 0.0001
    assert all(sum(share for _, share in isotopes) == pytest.approx(1, abs=1e-9) for isotopes in ISOTOPES.values())


@pytest.mark.parametrize(
    ("formula", "least", "most"),
    [("C6H13O9P", 0, 1e-4), ("C3H6O3", 0, 1e-4), ("C5H11NO2S", 1e-8, 1e-3), ("C10H17N3O6S", 1e-8, 1e-3)],
)
def test_what_rounding_and_the_table_of_sulfur_change(formula: str, least: float, most: float) -> None:
    """Fractions by either table: with sulfur they differ, by less than 1e-3; else a pair at the limit of resolution."""
    for resolution in (0.0, 100_000.0):
        ours, theirs = (matrix(formula, "13C", purity=0.99, resolution=resolution, abundances=a)
                        for a in (ISOTOPES, accucor_isotopes()))  # fmt: skip
        mid = np.full(len(ours), 1 / len(ours))
        got = corrected(ours @ mid, theirs)[0]
        gap = np.abs(got / got.sum() - mid).max()
        assert gap < most and (resolution or gap >= least)


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
    abundances = accucor_isotopes()
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


@pytest.mark.parametrize(
    ("tracer", "isotope", "name", "formula", "mid", "pathway"),
    [("15N2-glutamine", "15N", "asparagine", "C4H8N2O3", [0.5, 0.2, 0.3], "asparagine synthesis"),
     ("[amide-15N]glutamine", "15N", "asparagine", "C4H8N2O3", [0.6, 0.35, 0.05], "asparagine synthesis"),
     ("D2O", "2H", "alanine", "C3H7NO2", [0.6, 0.2, 0.1, 0.05, 0.03, 0.02, 0.0, 0.0], "")],
)  # fmt: skip
def test_other_tracers_and_elements(
    tracer: str, isotope: str, name: str, formula: str, mid: list[float], pathway: str
) -> None:
    """Planted distributions of nitrogen and hydrogen come back, and named isotopologues are those of the tracer."""
    system = matrix(formula, isotope, purity=0.99)
    rows = [
        {"sample": f"{model}{r}", "model": model, "treatment": "", "stage": "", "replicate": f"e{r}", "hours": np.nan,
         "tracer": tracer, "metabolite": name, "formula": formula, "derivative": "", "isotopologue": f"M+{k}",
         "area": area, "corrected": "no", "normaliser": np.nan}
        for model in ("P", "R") for r in range(3)
        for k, area in enumerate(1e6 * (1 + 0.1 * r) * (system @ np.array(mid)))
    ]  # fmt: skip
    out = fractions.isotopologues(pd.DataFrame(rows))
    first = out[out["sample"] == "P0"].sort_values("shift")
    assert first["fraction"].to_numpy() == pytest.approx(mid, abs=1e-8) and set(first["isotope"]) == {isotope}
    assert first["mean_enrichment"].iloc[0] == pytest.approx(np.dot(mid, range(len(mid))) / (len(mid) - 1))
    found = contrasts.tracing(out, MODELS)
    assert set(found.loc[found["measure"] == contrasts.SHARE, "pathway"]) == ({pathway} if pathway else set())


# exports of El-MAVEN ------------------------------------------------------------------------------------------

EXPORT = (
    "label,metaGroupId,groupId,goodPeakCount,medMz,medRt,maxQuality,isotopeLabel,compound,compoundId,formula,"
    "expectedRtDiff,ppmDiff,parent,blk,s1,s2\n"
    ",,,,,,,,,,,,,,,,\n"
    ",0,1,9,89.02,6.4,.8,C12 PARENT,lactate,lactate,C3H6O3,3.2,.4,89.02,12,9e5,8.0e+005\n"
    ",0,2,9,90.02,6.4,.8,C13-label-1,lactate,lactate,C3H6O3,3.3,.7,89.02,0,30000,28000\n"
    ",0,3,2,92.03,6.4,.6,C13-label-3,lactate,lactate,C3H6O3,3.3,3.7,89.02,0,500000,100000\n"
    ",0,4,2,93.03,6.4,.6,C13N15-label-3-1,lactate,lactate,C3H6O3,3.3,3.7,89.02,0,50,10\n"
    "b,1,5,2,133.01,6.1,.1,C12 PARENT,malate,malate,C4H6O5,3.3,3.7,133.01,0,50,10\n"
    ",2,6,2,133.01,6.4,.9,C12 PARENT,malate,malate,C4H6O5,3.3,3.7,133.01,0,60,70\n"
    ",2,7,2,135.01,6.4,.9,C13-label-2,malate,malate,C4H6O5,3.3,3.7,133.01,0,20,30\n"
    ",2,8,2,134.01,6.4,.9,D-label-1,malate,malate,C4H6O5,3.3,3.7,133.01,0,20,30\n"
)  # fmt: skip
SHEET = "sample,model,treatment,replicate,tracer\ns1,P,,1,[U-13C]glucose\ns2,R,,1,[U-13C]glucose\n"


def read_export(tmp_path: Path, text: str, sheet: str = SHEET, **keys: str) -> TableRead:
    (tmp_path / "e.csv").write_text(text, encoding="utf-8")
    (tmp_path / "s.csv").write_text(sheet, encoding="utf-8")
    source = TableSource(values=["e.csv"], samples="s.csv" if sheet else "", **keys)
    return elmaven.read_isotopologues(source, tmp_path, contract.ISOTOPOLOGUES, MODELS)


def test_exports_of_elmaven_are_read_with_their_samples(tmp_path: Path) -> None:
    read = read_export(tmp_path, EXPORT)
    assert [f for f in read.faults if f.severity == "error"] == []
    assert any(f.code == "not-found" and f.severity == "note" for f in read.faults)
    lactate = read.frame[(read.frame["metabolite"] == "lactate") & (read.frame["sample"] == "s2")]
    assert list(lactate["isotopologue"]) == ["M+0", "M+1", "M+2", "M+3"]
    assert list(lactate["area"]) == [800000.0, 28000.0, 0.0, 100000.0]
    assert list(lactate["_row"]) == [3, 4, 3, 5], "what was not found is told with the row of its compound"
    assert set(lactate["model"]) == {"R"} and set(lactate["tracer"]) == {"[U-13C]glucose"}
    malate = read.frame[(read.frame["metabolite"] == "malate") & (read.frame["sample"] == "s1")]
    assert list(malate["area"]) == [60.0, 0.0, 20.0, 0.0, 0.0]
    why = read.excluded.set_index("row")["reason"].to_dict()
    assert why[1] == "not in the sheet of samples" and "more than one" in why[6]
    assert why[7] == "the peak group was marked as bad" and why[10] == "labelled with 2H, the tracer is 13C"


def test_the_fractions_of_an_export_are_those_of_the_tidy_table(tmp_path: Path) -> None:
    out = fractions.isotopologues(read_export(tmp_path, EXPORT).frame)
    tidy = EXPORT.splitlines()[2:5]
    areas = [float(tidy[0].split(",")[15]), float(tidy[1].split(",")[15]), 0.0, float(tidy[2].split(",")[15])]
    expected = corrected(areas, matrix("C3H6O3", "13C", purity=0.99))[0]
    mine = out[(out["metabolite"] == "lactate") & (out["sample"] == "s1")].sort_values("shift")
    assert mine["fraction"].to_numpy() == pytest.approx(expected / expected.sum())


def test_faults_of_an_export_are_told(tmp_path: Path) -> None:
    bare = read_export(tmp_path, EXPORT, sheet="")
    assert [f.code for f in bare.faults if f.severity == "error"][:1] == ["samples"] and "samples.csv" in str(
        bare.faults
    )
    two = read_export(tmp_path, EXPORT.replace("b,1,5", ",1,5"))
    assert [f.value for f in two.faults if f.code == "peak-groups"] == ["malate"]
    assert set(two.frame["metabolite"]) == {"lactate"}
    other = read_export(tmp_path, EXPORT, sheet=SHEET.replace("s1", "x1").replace("s2", "x2"))
    assert any(f.code == "samples" and "s1" in f.remedy for f in other.faults) and other.frame.empty
    given = read_export(tmp_path, EXPORT, sheet="sample,model,replicate\ns1,P,1\n", tracer="13C6-glucose", hours="24")
    assert set(given.frame["tracer"]) == {"13C6-glucose"} and set(given.frame["hours"]) == {24.0}
    key = read_export(tmp_path, EXPORT, colour="red")
    assert any(f.code == "study-key" for f in key.faults)


def test_a_tidy_table_is_read_beside_them(tmp_path: Path) -> None:
    (tmp_path / "i.csv").write_text(contract.ISOTOPOLOGUES.example, encoding="utf-8")
    models = MODELS.assign(model=["Huh-7 P", "R"], parent=["", "Huh-7 P"])
    source = TableSource(values=["i.csv"])
    read = elmaven.read_isotopologues(source, tmp_path, contract.ISOTOPOLOGUES, models)
    assert len(read.frame) == 4 and not [f for f in read.faults if f.severity == "error"]


def test_the_exports_of_accucor_are_read_and_corrected_as_it_does(shared: Path, tmp_path: Path) -> None:
    """elmaven_export.csv at a resolution of 140,000 (the expected values lie elsewhere at other resolutions)."""
    folder = shared / "data" / "metabolism" / "isotope" / "accucor"
    samples = list(pd.read_csv(folder / "elmaven_export.csv", nrows=0).columns[15:])
    sheet = "sample,model,replicate,tracer\n" + "".join(f"{s},P,{k},[U-13C]glucose\n" for k, s in enumerate(samples))
    read = read_export(tmp_path, (folder / "elmaven_export.csv").read_text(encoding="utf-8"), sheet)
    assert not [f for f in read.faults if f.severity == "error"]
    wanted = pd.read_excel(folder / "elmaven_export_corrected.xlsx", sheet_name="Corrected", engine="calamine")
    assert set(read.frame["metabolite"]) == {"malate", "Compound-C5H10O5"}
    for name, part in read.frame.groupby("metabolite"):
        part = part.assign(shift=part["isotopologue"].str[2:].astype(int)).sort_values("shift")
        theirs = wanted[wanted["Compound"] == name].sort_values("C_Label")
        for abundances in (accucor_isotopes(), ISOTOPES):  # no sulfur here: the same with either
            system = matrix(part["formula"].iloc[0], "13C", purity=0.99 + 0.01 * 0.0107, resolution=140_000,
                            abundances=abundances)  # fmt: skip
            for sample in samples:
                areas = part.loc[part["sample"] == sample, "area"].to_numpy()
                got = np.nan_to_num(corrected(areas, system)[0])
                expected = theirs[sample].to_numpy()
                assert np.abs(got - expected).max() <= 1e-9 * max(expected.sum(), 1.0), (name, sample)
