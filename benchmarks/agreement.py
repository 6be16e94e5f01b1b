"""Agreement with published fits of real curves: CurveCurator's CTRP fits and gdscIC50's GDSC fits of liver lines.

Usage: python -m benchmarks.agreement FOLDER, where FOLDER holds `data/pharmacology` and `oracles/pharmacology`
(CTRPv2, doi:10.1016/j.cell.2013.08.003, as fitted by CurveCurator, doi:10.1038/s41467-023-43696-z; GDSC raw wells as
fitted by the mixed model of the R package gdscIC50). The data are not distributed here.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from rechallenge import dose_response

CTRP_DOSES = [
    0.0,
    0.0012,
    0.0024,
    0.0049,
    0.0097,
    0.019,
    0.039,
    0.078,
    0.16,
    0.31,
    0.62,
    1.2,
    2.5,
    5.0,
    10.0,
    20.0,
    40.0,
]


def ctrp(folder: Path) -> pd.DataFrame:
    """One row per CTRP curve that CurveCurator fitted: ours beside theirs (log10 EC50 in µM, AUC)."""
    data = folder / "data" / "pharmacology" / "ctrp_curvecurator"
    wide = pd.read_csv(data / "dose_responses_40.0.tsv", sep="\t")
    long = wide.melt("Name", var_name="channel", value_name="viability").dropna(subset="viability")
    long["dose_um"] = long["channel"].str.removeprefix("Raw ").astype(int).map(dict(enumerate(CTRP_DOSES)))
    long["model"], long["drug"] = long["Name"].str.rsplit("_", n=1).str[0], long["Name"].str.rsplit("_", n=1).str[1]
    ours = dose_response.fit_curves(long.assign(replicate="1")[["model", "drug", "dose_um", "replicate", "viability"]])
    theirs = pd.read_csv(data / "curves_40.0.txt", sep="\t")
    theirs["model"] = theirs["Name"].str.rsplit("_", n=1).str[0]
    theirs["drug"] = theirs["Name"].str.rsplit("_", n=1).str[1]
    both = ours.merge(theirs, on=["model", "drug"])
    both["ours"] = np.log10(both["ec50_um"])
    both["theirs"] = 6 - both["pEC50"]
    both["called"] = both["Curve Regulation"] == "down"
    return both


def gdsc(folder: Path, model: str = "2p") -> pd.DataFrame:
    """One row per GDSC curve of a liver line: ours (log10 IC50 in µM) beside gdscIC50's mixed-model value."""
    raw = pd.read_csv(folder / "data" / "pharmacology" / "gdsc_raw_hcc_subset.csv.gz")
    plate = raw.groupby("BARCODE")
    blank = plate.apply(lambda g: g.loc[g["TAG"] == "B", "INTENSITY"].mean(), include_groups=False)
    vehicle = plate.apply(lambda g: g.loc[g["TAG"] == "NC-1", "INTENSITY"].mean(), include_groups=False)
    drug = raw[raw["TAG"].str.match(r"L\d+-D\d+-S") & raw["DRUG_ID"].notna()].copy()
    b, v = drug["BARCODE"].map(blank), drug["BARCODE"].map(vehicle)
    # as gdscIC50 does (`trim=TRUE`): a fraction below 0 or above 1 is set to the limit
    drug["viability"] = ((drug["INTENSITY"] - b) / (v - b)).clip(0, 1)
    series = drug["TAG"].str.split("-").str[0]  # one drug may lie on a plate in two dilution series
    top = drug.groupby(["COSMIC_ID", "DRUG_ID", "BARCODE", series])["CONC"].transform("max")
    drug["drug"] = drug["DRUG_ID"].astype(int).astype(str) + "_" + top.map("{:g}".format)
    table = drug.rename(columns={"CELL_LINE_NAME": "model", "CONC": "dose_um"}).assign(
        replicate=drug["BARCODE"].astype(str)
    )[["model", "drug", "dose_um", "replicate", "viability"]]
    options = {"e0": 1.0} if model == "2p" else {}
    ours = dose_response.fit_curves(table, model=model, **options)
    theirs = pd.read_csv(folder / "oracles" / "pharmacology" / "gdsc_nlme_stats.csv")
    both = ours.merge(theirs, left_on=["model", "drug"], right_on=["CELL_LINE_NAME", "drug"])
    both["ours"] = np.log10(both["ic50_um"])
    both["theirs"] = both["IC50"] / np.log(10)
    both["called"] = both["IC50"] <= np.log(both["maxc"])
    return both


def summary(name: str, both: pd.DataFrame) -> dict[str, object]:
    """Correlation and median difference where both programs give a number inside the tested range."""
    estimated = both["ours"].notna()
    shared = both[estimated & both["called"]]
    difference = (shared["ours"] - shared["theirs"]).abs()
    return {
        "set": name,
        "curves": len(both),
        "both give a number": len(shared),
        "only ours": int((estimated & ~both["called"]).sum()),
        "only theirs": int((~estimated & both["called"]).sum()),
        "neither": int((~estimated & ~both["called"]).sum()),
        "Pearson r": round(float(shared["ours"].corr(shared["theirs"])), 4),
        "Spearman": round(float(shared["ours"].corr(shared["theirs"], method="spearman")), 4),
        "median |difference| (log10)": round(float(difference.median()), 4),
        "within 0.1": round(float((difference < 0.1).mean()), 3),
    }


def main(folder: Path) -> None:
    sets = {
        "CTRP, EC50 (CurveCurator)": ctrp(folder),
        "GDSC, IC50, 2p": gdsc(folder),
        "GDSC, IC50, 4p": gdsc(folder, "4p"),
    }
    rows = [summary(name, both) for name, both in sets.items()]
    print(pd.DataFrame(rows).T.to_string(header=False))
    for name, both in sets.items():
        both = both.assign(difference=(both["ours"] - both["theirs"]))
        worst = both[both["status"].eq("estimated") & both["called"]].sort_values("difference", key=abs).tail(5)
        print(f"\nFurthest apart, {name}:")
        print(worst[["model", "drug", "ours", "theirs", "hill", "einf", "status"]].round(3).to_string(index=False))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "../shared"))
