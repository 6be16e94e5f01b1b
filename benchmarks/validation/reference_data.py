"""What needs the reference data folder: real experiments beside the output of the reference software.

Every check takes the folder. The data are not distributed with the project; each has its tests too, which skip without.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.validation.rows import Row, agrees, number


def compared(what: str, source: str, expected: str, got: str, n: int, held: bool, repeat: str, known: str = "") -> Row:
    return Row("oracle", "full", what, source, expected, got, n, "yes" if held else "no", repeat, known)


def ryegrass(shared: Path) -> list[Row]:
    from rechallenge.stats.hill import fit_hill, lack_of_fit

    data = np.genfromtxt(shared / "data/pharmacology/drc/ryegrass.csv", delimiter=",", names=True)
    fit = fit_hill(np.zeros(data.size, int), data["conc"], data["rootl"], covariance="observed")
    got = [fit.h[0], fit.einf[0], fit.e0[0], fit.ec50[0], *fit.se[0, :3], fit.se_ec50[0]]
    want = [2.982219, 0.481413, 7.792958, 3.057955, 0.465062, 0.212192, 0.188567, 0.185731]
    test = lack_of_fit(fit_hill(np.zeros(data.size, int), data["conc"], data["rootl"]))
    return [
        agrees("Ryegrass: slope, bottom, top, EC50 and their standard errors", "R drc 3.0-1", want,
               [float(g) for g in got], 1e-4, "tests/stats/test_hill_fit.py", kind="full"),
        agrees("Ryegrass: lack of fit, F and p", "R drc 3.0-1", [0.24106, 0.86648],
               [float(test.statistic[0]), float(test.p_value[0])], 1e-4, "tests/stats/test_hill_nulls.py", kind="full"),
    ]  # fmt: skip


def real_curves(shared: Path) -> list[Row]:
    from benchmarks import agreement

    rows = []
    for name, both, least in (
        ("CTRP, EC50 of 1,211 curves", agreement.ctrp(shared), 0.98),
        ("GDSC liver lines, IC50 of 112 curves, two parameters", agreement.gdsc(shared), 0.99),
    ):
        found = agreement.summary(name, both)
        r, n = float(str(found["Pearson r"])), int(str(found["both give a number"]))
        peer = "CurveCurator" if name.startswith("CTRP") else "gdscIC50"
        rows.append(compared(f"{name}: correlation of log10 where both give a number", peer, f"r at least {least:g}",
                             f"{r:.4f}", n, r >= least, "python -m benchmarks agreement"))  # fmt: skip
    return rows


def published_screen(shared: Path) -> list[Row]:
    from rechallenge.stats.synergy.inference import score
    from rechallenge.stats.synergy.types import collect

    data = pd.read_csv(shared / "data/pharmacology/mathews_screening_data.csv")
    got = []
    for method in ("hsa", "bliss"):
        for block in (1, 2):
            part = data[data["block_id"] == block]
            made = collect([part["conc_r"], part["conc_c"]], part["response"] / 100, kind="viability")
            got.append(float(score(made, method).score))  # type: ignore[arg-type]
    return [agrees("Mean HSA and Bliss excess of two published blocks, per cent", "SynergyFinder+ and synergy 1.0",
                   [20.195, -41.418, 10.856, -13.073], got, 1e-4, "tests/stats/test_synergy_scores.py", kind="full",
                   digits=5)]  # fmt: skip


def airway(shared: Path) -> list[Row]:
    from rechallenge.stats import counts as nb

    folder = shared / "data/omics/airway"
    counts = pd.read_csv(folder / "airway_rawcounts.csv.gz", index_col=0)
    sheet = pd.read_csv(folder / "airway_metadata.csv", index_col=0)
    r = pd.read_csv(folder / "airway_R_DESeq2_n2_N61311_N052611.csv.gz", index_col=0)
    samples = ["SRR1039508", "SRR1039509", "SRR1039512", "SRR1039513"]
    x = np.column_stack([np.ones(4), (sheet.loc[samples, "dex"] == "treated").to_numpy(float)])
    two = nb.wald(nb.fit_counts(counts.loc[r.index, samples].to_numpy(float), x), [0, 1])
    rows = [_calls("Airway, two against two", r, two.q_value, r.index, 840, 0.93)]
    r = pd.read_csv(folder / "airway_R_DESeq2_1.38.3_full.csv.gz", index_col=0)
    table = counts.loc[counts[sheet.index].sum(axis=1) >= 10, sheet.index]
    donors = pd.get_dummies(sheet["celltype"], drop_first=True).to_numpy(float)
    x = np.column_stack([np.ones(len(sheet)), donors, (sheet["dex"] == "treated").to_numpy(float)])
    paired = nb.wald(nb.fit_counts(table.to_numpy(float), x), [0, 0, 0, 0, 1])
    return [*rows, _calls("Airway, four pairs", r, paired.q_value, table.index, 4000, 0.95)]


def _calls(what: str, r: pd.DataFrame, q: np.ndarray, index: pd.Index, calls: int, least: float) -> Row:
    theirs = set(r.index[r["padj"] < 0.05])
    ours = set(index[q < 0.05])
    share = len(theirs & ours) / len(theirs | ours)
    return compared(f"{what}: calls at q < .05 (Jaccard index)", "R DESeq2 1.38.3",
                    f"{calls:,} calls; at least {least:g}", f"{len(ours):,} calls; {share:.3f}",
                    len(r), share >= least, "tests/stats/test_counts.py")  # fmt: skip


def hallmark(shared: Path) -> list[Row]:
    from rechallenge.omics.enrichment import testing

    folder = shared / "data/omics"
    values = pd.read_csv(folder / "airway/airway_rank_stat.csv.gz", index_col=0)["stat"]
    r = pd.read_csv(folder / "airway/airway_fgsea1.39.4_hallmark.csv").set_index("pathway")
    lines = (folder / "genesets/h.all.v7.0.symbols.gmt").read_text("utf-8").splitlines()
    sets = {line.split("\t")[0]: line.split("\t")[2:] for line in lines}
    made = testing.gsea(values, sets, smallest=15, largest=500, sample_size=101, seed=1).set_index("term").loc[r.index]
    together = float(np.corrcoef(made["nes"], r["NES"])[0, 1])
    called = int((made["q_value"] < 0.05).sum())
    return [compared("Hallmark sets of airway: correlation of scores; sets at q < .05", "fgsea 1.39.4, over its seeds",
                     "r at least .999; 14 to 20", f"{together:.5f}; {called}", len(made),
                     together > 0.999 and 14 <= called <= 20, "tests/omics/test_enrichment.py")]  # fmt: skip


def clinic(shared: Path) -> list[Row]:
    from rechallenge.stats import maxstat, meta, roc

    folder = shared / "oracles/clinical"
    want = json.loads((folder / "oracle_R.json").read_text("utf-8"))
    lymphoma = pd.read_csv(folder / "dlbcl_maxstat.csv").dropna(subset=["time"])
    cut = maxstat.best_cut(lymphoma["time"], lymphoma["cens"], lymphoma["MGE"], draws=1999)
    lau = want["maxstat_DLBCL_MGE"]["Lau92"]
    bleeding = pd.read_csv(folder / "asah_pROC.csv")
    area = roc.areas(bleeding[["s100b"]].to_numpy().T, bleeding["outcome"] == "Poor")
    studies = pd.read_csv(folder / "hcc_meta_in.csv")
    pool = meta.pool(studies["b"], studies["se"])
    hk = want["meta_hcc"]["REML_HK"]
    return [
        agrees("Best cut-point of MGE in lymphoma: statistic, cut, p", "R maxstat 0.7-25",
               [lau["stat"], lau["cut"], lau["p"]],
               [cut.statistic, cut.cut, cut.p_lau92], 1e-6, "tests/stats/test_maxstat.py", kind="full"),
        agrees("Area of S100b and DeLong's limits", "pROC 1.18", want["pROC_aSAH_s100b"]["ci_delong"],
               [float(area.ci_low[0]), float(area.auc[0]), float(area.ci_high[0])], 1e-8, "tests/stats/test_roc.py",
               kind="full"),
        agrees("Six liver-cancer cohorts, REML with Hartung-Knapp: effect, error, p; limits", "R metafor 3.8-1",
               [hk["b"], hk["se"], hk["p"], *hk["ci"]],
               [float(v[0]) for v in (pool.effect, pool.se, pool.p, pool.ci_low, pool.ci_high)], 1e-4,
               "tests/stats/test_meta.py", kind="full"),
    ]  # fmt: skip


def parole(shared: Path) -> list[Row]:
    from rechallenge.stats import cox

    folder = shared / "oracles/clinical"
    want = json.loads((folder / "oracle_R.json").read_text("utf-8"))["rossi_multi"]
    data = pd.read_csv(folder / "rossi.csv")
    names = ["fin", "age", "race", "wexp", "mar", "paro", "prio"]
    at = cox.risk(data["week"].to_numpy(float), data["arrest"].to_numpy(float))
    got = cox.fit(at, data[names].to_numpy(float)[None])
    expected = [*want["coef"].values(), *want["se"].values(), *want["loglik"]]
    found = [*got.coef[0], *got.se[0], got.loglik0[0], got.loglik[0]]
    away = float(np.max(np.abs(np.array(found) / np.array(expected) - 1)))
    return [compared("Cox model of seven covariates: coefficients, errors, likelihoods", "R survival 3.5-3",
                     "relative difference below 1e-6", number(away, 2), len(expected), away < 1e-6,
                     "tests/stats/test_cox.py")]  # fmt: skip


def xenografts(shared: Path) -> list[Row]:
    from rechallenge.stats import mixed

    want = {"LS_1034": -0.0242, "SNU-81": -0.0275, "SW837": -0.0181}
    got = []
    for name in want:
        wide = pd.read_csv(shared / "data/in_vivo" / f"invivosyn_{name}.csv")
        long = wide.melt(["Treatment", "Mouse"], var_name="day", value_name="volume").dropna()
        long = long[long["volume"] > 0]
        t = long["day"].astype(float).to_numpy()
        t = t - t.min()
        parts = [{p.strip() for p in a.split("+")} for a in long["Treatment"]]
        first, second = sorted({p for s in parts for p in s} - {"Vehicle"})
        a, b = (np.array([drug in s for s in parts], float) for drug in (first, second))
        one = np.ones_like(t)
        subject = (long["Treatment"] + long["Mouse"].astype(str)).to_numpy()
        x = np.column_stack([one, t, t * a, t * b, t * a * b])
        fit = mixed.fit(np.log(long["volume"]), x, np.column_stack([one, t]), subject)
        got.append(float(fit.contrast([0, 0, 0, 0, 1]).effect))
    return [agrees("A x B slope of three xenograft models", "R lme4 with pbkrtest", list(want.values()), got, 0.01,
                   "tests/stats/test_mixed.py", kind="full", digits=3)]  # fmt: skip


def staurosporine(shared: Path) -> list[Row]:
    from rechallenge.stats.melt import f_test, fit_melts
    from rechallenge.stats.multiplicity import bh

    folder = shared / "data/target/nparc"
    long = pd.read_csv(folder / "stauro_tidy_filtered.csv.gz")
    wide = long.pivot_table(
        index="uniqueID", columns=["compoundConcentration", "replicate", "temperature"], values="relAbundance"
    )
    t = wide.columns.get_level_values("temperature").to_numpy(float)
    dose = wide.columns.get_level_values("compoundConcentration").to_numpy()
    y = wide.to_numpy()
    apart = sum(fit_melts(y[:, dose == d], t[dose == d]).rss for d in (0, 20))
    test = f_test(fit_melts(y, t).rss, apart)
    r = pd.read_csv(folder / "nparc_R_empirical.csv").set_index("id")
    theirs, ours = set(r.index[r["pAdj"] <= 0.01]), set(wide.index[bh(test.p_value) <= 0.01])
    return [compared("Melting curves with staurosporine: degrees of freedom; hits at 1 %", "R NPARC",
                     "2.360, 17.63; 78 hits", f"{test.df1:.3f}, {test.df2:.2f}; {len(ours)} hits with "
                     f"{len(theirs & ours)} of them",
                     len(wide), theirs <= ours and len(ours) <= 81, "tests/stats/test_melt.py")]  # fmt: skip


def isotopes(shared: Path) -> list[Row]:
    from rechallenge.omics.tracing.correction import corrected, matrix

    folder = shared / "data/metabolism/isotope/isocor"
    formulas = pd.read_csv(folder / "Metabolites.dat", sep="\t").set_index("name")["formula"]
    wanted = pd.read_csv(folder / "expected_LR_NA_purity0.99.tsv", sep="\t")
    wanted["derivative"] = wanted["derivative"].fillna("")
    worst, n = 0.0, 0
    for (_, name, extra), part in wanted.groupby(["sample", "metabolite", "derivative"]):
        rows = part.sort_values("isotopologue")
        if rows["area"].sum() > 0:
            system = matrix(formulas[name], "13C", derivative="C3H9Si" if extra else "", purity=0.99)
            areas, _ = corrected(rows["area"].to_numpy(), system)
            share = areas / areas.sum()
            worst, n = max(worst, float(np.abs(share - rows["isotopologue_fraction"]).max())), n + 1
    return [compared("Isotopologue fractions, natural abundance and purity .99: largest difference", "IsoCor 2.2.4",
                     "below 1e-9", number(worst, 2), n, worst < 1e-9, "tests/omics/test_tracing.py")]  # fmt: skip


def gen5(shared: Path) -> list[Row]:
    from rechallenge.assays import elisa
    from rechallenge.study import TableSource

    source = TableSource.model_validate({"values": ["gen5_fluorescamine.txt"]})
    models = pd.DataFrame({"model": []}, dtype=object)
    frame = elisa.read_elisa(source, shared / "data/bench/vendor", elisa.ELISA, models).frame
    curve = elisa.elisa(frame, curve="4pl", weights="none")["elisa_curves"].iloc[0]
    return [agrees("ELISA curve: A, B, C, D", "Gen5 export", [1929.2, 1.3105, 675.79, 147776],
                   [float(curve[c]) for c in "abcd"], 1e-4, "tests/assays/test_elisa.py", kind="full")]  # fmt: skip


CHECKS: tuple[Callable[[Path], list[Row]], ...] = (
    ryegrass, real_curves, published_screen, airway, hallmark, parole, clinic, xenografts, staurosporine, isotopes,
    gen5,
)  # fmt: skip
