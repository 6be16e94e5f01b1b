"""Simulated experiments in animals with planted growth rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

#: growth rates (ln volume per day): no interaction (0.10 - 0.02 - 0.03 = 0.05)
ADDITIVE = {"vehicle": 0.10, "lenvatinib": 0.08, "epalrestat": 0.07, "lenvatinib + epalrestat": 0.05}
#: the combination slower by 0.06 per day than Bliss independence says
SYNERGY = {**ADDITIVE, "lenvatinib + epalrestat": -0.01}
DAYS = (0, 3, 7, 10, 14, 17, 21)


def experiment(
    seed: int = 0,
    n: int = 6,
    rates: Mapping[str, float] | None = None,
    *,
    model: str = "Huh-7 LR",
    days: Sequence[float] = DAYS,
    sd_start: float = 0.3,
    sd_slope: float = 0.012,
    sd: float = 0.12,
    burden: float = np.inf,
) -> pd.DataFrame:
    """A table of kind `tumours`; animals leave after the first volume above `burden` (mm³)."""
    rng = np.random.default_rng(seed)
    rows = []
    for arm, rate in (rates or ADDITIVE).items():
        for i in range(n):
            start, slope = rng.normal(np.log(120), sd_start), rng.normal(rate, sd_slope)
            for day in days:
                volume = float(np.exp(start + slope * day + rng.normal(0, sd)))
                rows.append({"animal": f"{arm[:3]}{len(arm)}-{i}", "arm": arm, "day": float(day), "volume_mm3": volume})
                if volume > burden:
                    break
    table = pd.DataFrame(rows).assign(model=model, _file="tumours.csv", _sheet="")
    table["_row"] = range(2, len(table) + 2)
    return table


LINES = pd.DataFrame(
    [
        {"model": "Huh-7 P", "role": "parental", "parent": "", "selected_with": ""},
        {"model": "Huh-7 LR", "role": "resistant", "parent": "Huh-7 P", "selected_with": "lenvatinib"},
    ],
    dtype=object,
)
