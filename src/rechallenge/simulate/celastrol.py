"""A simulated study of low-dose celastrol beside sorafenib: five tables with a known story.

The story, its doses and its signs are those of a published study (celastrol in plasma 0.05 to 0.2 µM after oral dosing,
sorafenib 0.8 to 4 µM): in co-treatment a low dose takes away from sorafenib and a high one adds to it, killing normal
cells too; pretreated for a day and washed off, the low dose and not the high one gives resistant cells their
sensitivity back; the medium of resistant cells protects, no longer so after freeze-thaw, without exosomes or with an
antibody to IL-6, and again with IL-6 added back, also where the donor had the low dose; sorafenib raises the IL-6 of
the medium, which the low dose and not the high one takes back. All sizes of effects, and which inhibitors take back the
killing by the high dose, are planted by us (`TRUTH`, `SECRETED`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.simulate import combinations
from rechallenge.simulate.streams.bench import conditions

PARENTAL, RESISTANT, NORMAL = "HepG2", "HepG2 SR", "L02"
LOW, HIGH, SORAFENIB = "celastrol 0.2 µM", "celastrol 8 µM", 4.0
#: viability after pretreatment and challenge (dose of sorafenib in µM), fraction of vehicle
SCHEDULE = {
    ("vehicle", 0.0): 1.0, ("vehicle", SORAFENIB): 0.8,
    (LOW, 0.0): 0.97, (LOW, SORAFENIB): 0.42,
    (HIGH, 0.0): 0.35, (HIGH, SORAFENIB): 0.28,
}  # fmt: skip
#: survival of parental cells under sorafenib in a medium (donor and its treatment, modifier)
TRANSFER = {
    (PARENTAL, "none"): 0.35,
    (RESISTANT, "none"): 0.70,
    (RESISTANT, "freeze-thaw"): 0.37,
    (RESISTANT, "freeze-thaw +IL6"): 0.68,
    (RESISTANT, "exosome-depleted"): 0.44,
    (RESISTANT, "IgG"): 0.70,
    (RESISTANT, "anti-IL6"): 0.40,
    (f"{RESISTANT} + {LOW}", "none"): 0.38,
    (f"{RESISTANT} + {LOW}", "+IL6"): 0.66,
    (f"{RESISTANT} + {HIGH}", "none"): 0.69,
}
#: viability of resistant cells with the high dose and sorafenib, by inhibitor (fraction of vehicle)
RESCUE = {"none": 0.25, "NAC": 0.62, "Z-VAD-FMK": 0.92, "Ferrostatin-1": 0.25, "Necrosulfonamide": 0.25}
#: IL-6 in the medium of resistant cells, pg/mL: sorafenib raises it, the low dose of celastrol takes that back and the
#: high one does not (S003-157, S003-158; the amounts are planted)
SECRETED = {
    "vehicle": 60.0, f"sorafenib {SORAFENIB:g} µM": 190.0, f"sorafenib {SORAFENIB:g} µM + {LOW}": 75.0,
    f"sorafenib {SORAFENIB:g} µM + {HIGH}": 185.0,
}  # fmt: skip
#: what must be told back: (table, what) -> sign or word
TRUTH = {
    ("schedule", LOW): "restores sensitivity",
    ("schedule", HIGH): "toxic by itself, no restoration shown",
    ("transfer", f"{RESISTANT} vs {PARENTAL}"): 1,
    ("transfer", f"{RESISTANT} freeze-thaw vs unmodified"): 1,
    ("transfer", f"{RESISTANT} exosome-depleted vs unmodified"): 1,
    ("transfer", f"{RESISTANT} anti-IL6 vs IgG"): 1,
    ("transfer", f"{RESISTANT} freeze-thaw +IL6 vs freeze-thaw"): 1,
    ("transfer", f"{RESISTANT} + {LOW} +IL6 vs unmodified"): 1,
    ("transfer", f"{RESISTANT} + {LOW} vs {RESISTANT}"): -1,
    ("transfer", f"{RESISTANT} + {HIGH} vs {RESISTANT}"): 0,
    ("rescue", "apoptosis"): -1,
    ("rescue", "ROS"): -1,
    ("rescue", "ferroptosis"): 0,
    ("rescue", "necroptosis"): 0,
}

_STUDY = """\
# A simulated study of low-dose celastrol beside sorafenib; nothing here was measured.
[study]
title = "Simulated: low-dose celastrol and acquired resistance to sorafenib"
therapies = ["sorafenib"]
seed = {seed}

[models]
"HepG2"    = {{ role = "parental" }}
"HepG2 SR" = {{ role = "resistant", parent = "HepG2", selected_with = "sorafenib" }}
"L02"      = {{ role = "normal" }}

[exposure.celastrol]                          # µM in plasma, as the study that this follows gives it
cmax_total = 0.2

[exposure.sorafenib]
cmax_total = 4.0

[tables]
combination = "combination.csv"
schedule = "schedule.csv"
transfer = "transfer.csv"
rescue = "rescue.csv"
elisa = "elisa.csv"
"""


def study(
    *, seed: int = 0, replicates: int = 5, wells: int = 3, noise: float = 0.05, biology: float = 0.05
) -> dict[str, pd.DataFrame]:
    """The four tables of the study by kind: combination, schedule, transfer, rescue.

    `noise` is the SD of a well's ln viability, `biology` that of a condition between biological replicates. The same
    seed gives the same tables.
    """
    rng = np.random.default_rng([seed, 3])

    def made(planted: Mapping[Any, float], *names: str) -> pd.DataFrame:
        return conditions(planted, names, replicates, rng, wells=wells, noise=noise, biology=biology)

    before = {(p, "sorafenib", d): v for (p, d), v in SCHEDULE.items()}
    pre = made(before, "pretreatment", "challenge_drug", "challenge_um")
    media = {(*k, "sorafenib", d): v if d else 1.0 for k, v in TRANSFER.items() for d in (0.0, SORAFENIB)}
    cm = made(media, "medium", "modifier", "drug", "dose_um")
    arms = {("vehicle", "none"): 1.0, **{(f"{HIGH} + sorafenib 4 µM", i): v for i, v in RESCUE.items()}}
    arms |= {("vehicle", i): 1.0 for i in RESCUE}
    back = made(arms, "treatment", "inhibitor")
    return {
        "combination": combinations.low_dose_study(seed=seed, replicates=replicates),
        "schedule": pre.assign(model=RESISTANT, hours_pre=24, hours_challenge=72),
        "transfer": cm.assign(recipient=PARENTAL),
        "rescue": back.assign(model=RESISTANT),
    }


def elisa(*, seed: int = 0, replicates: int = 5) -> pd.DataFrame:
    """One plate of IL-6 with standards, blanks and the medium of resistant cells in duplicate (`SECRETED`)."""
    rng = np.random.default_rng([seed, 4])
    wells: list[dict[str, Any]] = []

    def add(kind: str, value: float, **more: Any) -> None:
        signal = 0.05 + 3.9 * (value / 600) ** 1.1 / (1 + (value / 600) ** 1.1)
        well = f"{'ABCDEFGH'[len(wells) % 8]}{len(wells) // 8 + 1}"
        seen = round(signal * (1 + 0.02 * rng.normal()), 4)
        wells.append({"plate": "plate 1", "well": well, "well_type": kind, **more, "absorbance": seen})

    for level in (0.0, 15.6, 31.2, 62.5, 125.0, 250.0, 500.0, 1000.0):
        for _ in range(2):
            add("standard", level, concentration=level)
    for _ in range(2):
        add("blank", 0.0)
    for r in range(1, replicates + 1):
        day = rng.lognormal(0, 0.1)
        for group, mean in SECRETED.items():
            value = mean * day * rng.lognormal(0, 0.1)
            for _ in range(2):
                add(
                    "sample",
                    value / 2,
                    sample=f"{group} {r}",
                    model=RESISTANT,
                    group=group,
                    replicate=str(r),
                    dilution=2,
                )
    return pd.DataFrame(wells).assign(unit="pg/mL", gene="IL6", analyte="IL-6")


def write_study(folder: str | Path, *, seed: int = 0, replicates: int = 5) -> Path:
    """Write the study into an empty or new `folder` and return it. Raises FileExistsError where a study is there."""
    folder = Path(folder)
    if (folder / "study.toml").exists():
        raise FileExistsError(f"{folder} already holds a study")
    folder.mkdir(parents=True, exist_ok=True)
    tables = study(seed=seed, replicates=replicates) | {"elisa": elisa(seed=seed, replicates=replicates)}
    for kind, table in tables.items():
        table.to_csv(folder / f"{kind}.csv", index=False, lineterminator="\n")
    (folder / "study.toml").write_text(_STUDY.format(seed=seed), encoding="utf-8", newline="\n")
    return folder
