"""Engagement of the driver by the drug: melting curves of a proteome, sensorgrams, docked poses."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rechallenge.simulate.plan import Made, Plan, coded

TEMPERATURES = np.array([37.0, 41, 44, 47, 50, 53, 56, 59, 63, 67])
#: degrees by which the drug raises the melting point of the driver, where engagement is planted
SHIFT = 5.0


def thermal_shift(plan: Plan) -> Made:
    """Two runs an arm of ten temperatures; the driver and one off-target melt higher with the drug."""
    story, rng, genome = plan.story, plan.rng(30), plan.genome
    first = list(story.chain)
    names = [g for g in dict.fromkeys([*first, *genome["gene"]]) if coded(str(g))][: plan.size.proteins]
    n = len(names)
    tm, slope, bottom = rng.normal(51, 3, n), rng.uniform(10, 22, n), rng.uniform(0, 0.1, n)
    tm[0] = 50.0
    up = np.zeros(n)
    up[0] = SHIFT * plan.links.engagement
    up[n - story.also_engaged :] = 3.5 * plan.links.engagement  # engaged, of no consequence
    parts = []
    for treatment in ("vehicle", story.drug):
        for replicate in "12":
            factor = np.r_[1.0, rng.uniform(0.9, 1.1, len(TEMPERATURES) - 1)]
            middle = tm + (up if treatment == story.drug else 0.0) + rng.normal(0, 0.2, n)
            t = TEMPERATURES[None, :]
            y = bottom[:, None] + (1 - bottom[:, None]) / (1 + np.exp(-slope[:, None] * (middle[:, None] / t - 1)))
            y = np.abs(y * factor + rng.normal(0, 0.03, y.shape)) * 1e6
            parts.append(
                pd.DataFrame(
                    {
                        "protein": np.repeat(names, len(TEMPERATURES)), "treatment": treatment,
                        "dose_um": story.doses[-2] if treatment == story.drug else 0.0,
                        "temperature_c": np.tile(TEMPERATURES, n), "replicate": replicate,
                        "abundance": y.ravel().round(0), "model": story.lines[0],
                    }
                )
            )  # fmt: skip
    return Made({"thermal_shift.csv": pd.concat(parts, ignore_index=True)}, ('thermal_shift = "thermal_shift.csv"',))


def binding(plan: Plan) -> Made:
    """Sensorgrams of drug on driver and on a mutant that does not bind, with a blank; three experiments."""
    story, rng = plan.story, plan.rng(31)
    on = 2e-2
    seconds = np.arange(0.0, 421.0, 6.0)
    doses = [0.0, *(float(f"{story.kd_um * f:.2g}") for f in (0.3, 1, 3, 10))]
    rows = []
    for variant, constant in {"": story.kd_um, **story.variants}.items():
        binds, kd = (plan.links.engagement, constant) if constant else (0.0, 1.0)
        off = on * kd
        for r in range(1, 4):
            top = 0.9 * rng.lognormal(0, 0.05)
            for dose in doses:
                rate = on * dose + off
                rises = dose / (dose + kd) * (1 - np.exp(-rate * np.clip(seconds - 20, 0, 200)))
                falls = np.where(seconds > 220, np.exp(-off * (seconds - 220)), 1.0)
                y = binds * top * rises * falls + rng.normal(0, 0.008, len(seconds))
                phase = np.select([seconds <= 20, seconds <= 220], ["baseline", "association"], "dissociation")
                rows += [
                    (story.driver, variant, story.drug, dose, s, round(float(v), 4), p, str(r), "BLI")
                    for s, v, p in zip(seconds, y, phase, strict=True)
                ]
    columns = ["protein", "variant", "ligand", "concentration_um", "seconds", "response", "phase", "replicate"]
    table = pd.DataFrame(rows, columns=[*columns, "method"])
    poses = pd.DataFrame(
        [
            (story.driver, story.drug, round(-8.9 + 0.3 * i, 1), i, "AutoDock Vina", "made up")
            for i in range(1, 6)
        ],
        columns=["protein", "ligand", "score_kcal_mol", "pose", "program", "structure"],
    )  # fmt: skip
    return Made({"binding.csv": table, "docking.csv": poses}, ('binding = "binding.csv"', 'docking = "docking.csv"'))
