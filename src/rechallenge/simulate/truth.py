"""Planted parameters of simulated dose-response studies.

`HUH7` holds the published IC50 (µM, mean ± SD) of eight drugs in parental, lenvatinib-resistant and
sorafenib-resistant Huh-7 cells (CCK-8, 48 h; Table 1 of the study of AKR1B1 and epalrestat in these lines), the IC50
of epalrestat in the same lines (its Fig. S45) and of lenvatinib and sorafenib along the stages of dose escalation
(its Fig. 3). What no paper gives (slopes, plateaus, the effect of a knock-down) is planted by us and named so.
"""

from __future__ import annotations

import pandas as pd

PARENTAL, LENVATINIB_RESISTANT, SORAFENIB_RESISTANT = "Huh-7 P", "Huh-7 LR", "Huh-7 SR"

# drug: (IC50, SD) in the parental, the lenvatinib-resistant and the sorafenib-resistant line
_TABLE = {
    "lenvatinib": ((13.02, 0.73), (50.61, 4.62), (33.52, 2.10)),
    "sorafenib": ((6.78, 0.13), (21.06, 0.66), (16.70, 1.15)),
    "regorafenib": ((6.40, 0.24), (8.53, 0.59), (10.31, 0.40)),
    "gefitinib": ((13.78, 0.55), (25.37, 2.70), (22.43, 1.37)),
    "lapatinib": ((14.13, 0.51), (18.78, 0.75), (25.47, 1.15)),
    "5-fluorouracil": ((25.19, 1.64), (42.74, 3.58), (37.31, 2.61)),
    "irinotecan": ((24.54, 1.44), (22.00, 1.43), (40.76, 3.72)),
    "oxaliplatin": ((39.98, 1.60), (59.25, 4.59), (79.75, 4.39)),
}
_EPALRESTAT = ((85.01, 1.01), (53.96, 0.98), (67.22, 0.99))
_STAGES = {
    "lenvatinib": (LENVATINIB_RESISTANT, (13.02, 19.15, 36.40, 50.61)),
    "sorafenib": (SORAFENIB_RESISTANT, (6.77, 9.46, 13.53, 19.46)),
}
#: planted by us: a knock-down of AKR1B1 divides the resistant lines' IC50 of the selecting drug by this factor
KNOCKDOWN_FOLD = 2.0
#: planted by us: a drug without effect on these cells within the tested doses
INACTIVE = "valproate"

COLUMNS = ["model", "drug", "perturbation", "stage", "ic50_um", "ic50_sd", "hill", "einf", "top_um", "origin"]
#: planted by us: slope and bottom of every active curve
HILL, EINF = 1.6, 0.06


def huh7() -> pd.DataFrame:
    """Planted curves, one row each: model, drug, perturbation, stage, ic50_um (inf = inactive), ic50_sd, hill, einf,
    top_um (highest dose on the plates) and origin (`published` or `planted`)."""
    lines = (PARENTAL, LENVATINIB_RESISTANT, SORAFENIB_RESISTANT)
    rows: list[tuple[object, ...]] = []
    for drug, values in _TABLE.items():
        rows += [
            (m, drug, "none", "", v, sd, HILL, EINF, 200.0, "published")
            for m, (v, sd) in zip(lines, values, strict=True)
        ]
    rows += [
        (m, "epalrestat", "none", "", v, sd, HILL, EINF, 400.0, "published")
        for m, (v, sd) in zip(lines, _EPALRESTAT, strict=True)
    ]
    rows += [(m, INACTIVE, "none", "", float("inf"), 0.0, HILL, 1.0, 100.0, "planted") for m in lines]
    for drug, (model, stages) in _STAGES.items():
        rows += [(model, drug, "none", f"S{i}", v, 0.0, HILL, EINF, 200.0, "published") for i, v in enumerate(stages)]
    for drug, (model, _) in _STAGES.items():
        ic50 = _TABLE[drug][lines.index(model)][0]
        for perturbation, fold in (("siNC", 1.0), ("siAKR1B1", KNOCKDOWN_FOLD)):
            rows.append((model, drug, perturbation, "", ic50 / fold, 0.0, HILL, EINF, 200.0, "planted"))
    return pd.DataFrame(rows, columns=COLUMNS)


def huh7_ic50() -> dict[str, tuple[float, ...]]:
    """Published IC50 (µM) of every drug in the parental, lenvatinib- and sorafenib-resistant lines."""
    return {d: tuple(v for v, _ in values) for d, values in (*_TABLE.items(), ("epalrestat", _EPALRESTAT))}


def resistance_indices(truth: pd.DataFrame) -> pd.DataFrame:
    """Planted resistance index per resistant model and drug: model, parent, drug, ri (NaN where a line is unaffected
    by the drug, so that no ratio exists)."""
    base = truth[(truth["perturbation"] == "none") & (truth["stage"] == "")].set_index(["drug", "model"])["ic50_um"]
    finite = base.where(base < float("inf"))
    rows = [
        {"model": m, "parent": PARENTAL, "drug": d, "ri": finite[d, m] / finite[d, PARENTAL]}
        for m in (LENVATINIB_RESISTANT, SORAFENIB_RESISTANT)
        for d in base.index.get_level_values("drug").unique()
    ]
    return pd.DataFrame(rows)
