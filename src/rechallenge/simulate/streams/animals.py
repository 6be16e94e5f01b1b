"""Xenografts of the first resistant line: therapy, drug and both, and the driver lowered; weights and organs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rechallenge.simulate.plan import Made, Plan

DAYS = (0, 3, 7, 10, 14, 17, 21)


def tumours(plan: Plan) -> Made:
    """Volumes (with animals that leave at the burden), body weights, and end-point organs."""
    story, rng, links = plan.story, plan.rng(40), plan.links
    line = story.lines[0]
    therapy = story.resistant[line]
    low, control = f"sh{story.driver}", "shNC"
    partner = story.partner(therapy)
    a, b = (story.arms.get(d, d) for d in (therapy, partner))
    works = links.intervention * links.engagement
    arms = {
        "vehicle": (0.110, ""), a: (0.090, ""), b: (0.100, ""), f"{a} + {b}": (0.080 - 0.065 * works, ""),
        f"{a} + {control}": (0.090, control), f"{a} + {low}": (0.090 - 0.060 * links.intervention, low),
        control: (0.110, control), low: (0.108, low),
    }  # fmt: skip
    volumes, weights, organs = [], [], []
    number = 0
    for arm, (rate, _) in arms.items():
        for _ in range(plan.size.animals):
            number += 1
            start, slope = rng.normal(np.log(110), 0.25), rng.normal(rate, 0.010)
            grams = rng.normal(21.5, 1.0)
            loss = 0.03 if therapy in arm else 0.0
            last = ""
            for day in DAYS:
                volume = float(np.exp(start + slope * day + rng.normal(0, 0.10)))
                last = "burden" if volume > 2000 else "end of study" if day == DAYS[-1] else ""
                volumes.append((number, arm, day, round(volume, 1), line, last))
                weights.append((number, arm, day, round(grams * (1 + 0.004 * day / 3 - loss * day / 21)
                                                        * rng.lognormal(0, 0.012), 2), line))  # fmt: skip
                if last:
                    break
            organs.append((number, arm, "tumour weight", round(volume / 1000 * rng.lognormal(0, 0.1), 3), "g", line))
            organs.append((number, arm, "liver weight", round(1.25 * rng.lognormal(0, 0.06), 3), "g", line))
            organs.append((number, arm, "ALT", round(34 * rng.lognormal(0, 0.2), 1), "U/L", line))
    files: dict[str, pd.DataFrame | str] = {
        "tumours.csv": pd.DataFrame(
            volumes, columns=["animal", "arm", "day", "volume_mm3", "model", "removed"]
        ),
        "body_weight.csv": pd.DataFrame(weights, columns=["animal", "arm", "day", "weight_g", "model"]),
        "organs.csv": pd.DataFrame(organs, columns=["animal", "arm", "readout", "value", "unit", "model"]),
    }  # fmt: skip
    return Made(files, tuple(f'{name[:-4]} = "{name}"' for name in files))
