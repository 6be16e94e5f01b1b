"""Frames for tests of the atlas: small hand-made studies and the hypoxic fibroblasts of the reference data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

MODELS = pd.DataFrame({"model": ["P", "R"], "role": ["parental", "resistant"], "parent": ["", "P"]})
#: others than the named compounds, so that variances can be moderated
FILLER = [f"unknown {i}" for i in range(30)]


def levels(
    changes: dict[str, float], *, n: int = 6, seed: int = 0, sd: float = 0.3, dataset: str = "m"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(metabolite_values, metabolites_samples): R against P, n replicates each, log2 changes as given."""
    rng = np.random.default_rng(seed)
    names = [*changes, *FILLER]
    y = 18 + sd * rng.standard_normal((len(names), 2 * n))
    y[: len(changes), n:] += np.array(list(changes.values()))[:, None]
    samples = [f"{m}{r}" for m in ("P", "R") for r in range(n)]
    table = pd.DataFrame(y, columns=samples)
    table.insert(0, "feature", names)
    table.insert(0, "dataset", dataset)
    table["_file"], table["_row"] = "m.csv", np.arange(2, len(table) + 2)
    sheet = pd.DataFrame(
        {"dataset": dataset, "unit": "log2", "sample": samples, "model": ["P"] * n + ["R"] * n,
         "treatment": "", "stage": "", "replicate": [f"{m}{r}" for m in "ab" for r in range(n)], "batch": ""}
    )  # fmt: skip
    return table, sheet


def rna(changes: dict[str, float], *, p: float = 1e-8, contrast: str = "R vs P", layer: str = "rna") -> pd.DataFrame:
    """Rows of `differential` with one p-value for every gene given."""
    return pd.DataFrame(
        {"dataset": "e", "contrast": contrast, "layer": layer, "feature": list(changes),
         "log2fc": list(changes.values()), "se": 0.2, "p_value": p}
    )  # fmt: skip


def hypoxia(shared: Path) -> dict[str, pd.DataFrame]:
    """Lung fibroblasts (Copeland 2023, doi:10.7554/eLife.82597): metabolites after quality control and PQN, DESeq2's
    RNA contrasts and the fluxes of the published model, as the tables that the atlas takes."""
    folder = shared / "data" / "metabolism" / "hypoxia_lf"
    wide = pd.read_csv(folder / "metabolomics_peakarea_wide.tsv", sep="\t").set_index("metabolite")
    runs = pd.read_csv(folder / "metabolomics_runs.tsv", sep="\t").set_index("run")["sample"]
    wide.columns = [runs[int(c)] for c in wide.columns]
    pooled = wide[[c for c in wide if c.startswith("mix")]]
    wide = wide[pooled.std(axis=1) / pooled.mean(axis=1) < 0.2]
    cells = wide[[c for c in wide if c.startswith(("hyp", "norm"))]].replace(0, np.nan)
    log = np.log2(cells)
    reference = np.log2(wide[pooled.columns].median(axis=1))
    whole = log.notna().all(axis=1)
    log = log - log[whole].sub(reference[whole], axis=0).median()
    names = {"normdmso": "vehicle", "hypdmso": "0.5% O2", "normbay": "BAY", "hypbay": "0.5% O2 + BAY"}
    treatment = ["".join(c.split(".")[:2]) for c in cells]
    sheet = pd.DataFrame(
        {"dataset": "lf", "unit": "area", "sample": list(cells.columns), "model": "LF",
         "treatment": [names[t] for t in treatment], "stage": "", "replicate": list(cells.columns), "batch": ""}
    )  # fmt: skip
    table = log.rename_axis("feature").reset_index()
    table.insert(0, "dataset", "lf")
    contrasts = []
    for file, label in (("H.DMSO_vs_N.DMSO", "LF: 0.5% O2 vs vehicle"), ("N.BAY_vs_N.DMSO", "LF: BAY vs vehicle")):
        r = pd.read_csv(folder / f"expected_DESeq2_{file}.tsv.gz", sep="\t")
        contrasts.append(
            pd.DataFrame({"dataset": "rna", "contrast": label, "layer": "rna", "feature": r["entrez"].astype(str),
                          "log2fc": r["log2FoldChange"], "se": r["lfcSE"], "p_value": r["pvalue"]})
        )  # fmt: skip
    fluxes = pd.read_csv(folder / "flux_differences.tsv.gz", sep="\t", keep_default_na=False)
    return {
        "metabolite_values": table,
        "metabolites_samples": sheet,
        "rna": pd.concat(contrasts, ignore_index=True),
        "flux": _fluxes(fluxes),
    }


def _fluxes(table: pd.DataFrame) -> pd.DataFrame:
    """Net fluxes of the fibroblasts as contrasts of genes; standard errors from the 95 % limits, at least 1 %."""
    from scipy import stats

    genes = {"HK": ("HK1", "HK2"), "PFK": ("PFKL", "PFKP"), "LDH": ("LDHA", "LDHB"), "PDH": ("PDHA1",), "CS": ("CS",)}
    labels = {"0.5%": "LF: 0.5% O2 vs vehicle", "BAY": "LF: BAY vs vehicle"}
    rows = []
    for r in table.to_dict("records"):
        if r["normalization"] != "none" or r["cell_type"] != "lf" or r["type"] != "net" or r["id"] not in genes:
            continue
        change = np.log2(float(r["flux_exp"]) / float(r["flux_ctl"]))
        se = np.hypot(*(max(np.log2(float(r[f"ub_{k}"]) / float(r[f"lb_{k}"])) / 3.92, 0.0144) for k in ("ctl", "exp")))
        rows += [
            {"dataset": "flux", "contrast": labels[r["exp"]], "layer": "flux", "feature": g, "log2fc": change,
             "se": se, "p_value": 2 * stats.norm.sf(abs(change / se))}
            for g in genes[r["id"]]
        ]  # fmt: skip
    return pd.DataFrame(rows)
