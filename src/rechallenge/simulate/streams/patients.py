"""Two cohorts with survival, one with response, single-cell counts and a serum marker.

The hazard of a patient is a hidden factor; every prognostic gene follows it as far as its planted hazard says, and
proliferation genes follow a factor of their own that shortens survival: what is prognostic is mostly no driver.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from rechallenge.simulate.plan import DRIVER, PROLIFERATION, Made, Plan

#: SD of the hidden log hazard, and the log hazard ratio per SD of proliferation
HIDDEN, GROWTH = 1.0, 0.45
RESPONDERS, OTHERS = 21, 46


def cohorts(plan: Plan) -> Made:
    """Tables `patients`, `patient_expression` (log2), `patient_cells`, `biomarkers`; none where the scenario has no
    patients."""
    if not plan.links.patients:
        return Made({}, ())
    rng, therapy = plan.rng(50), plan.story.therapies[-1]
    people, files, sources = [], {}, []
    for name, n in (("cohort A", plan.size.patients), ("cohort B", plan.size.patients // 2)):
        table, values = _survival(plan, name, n, rng)
        people.append(table)
        files[f"{name.replace(' ', '_')}.csv"] = values
    table, values = _response(plan, "cohort C", therapy, rng)
    people.append(table)
    files["cohort_C.csv"] = values
    for name in files:
        label = name[:-4].replace("_", " ")
        sources.append(f'{{ values = "{name}", unit = "log2", name = "{label}" }}')
    made: dict[str, pd.DataFrame | str] = {**files, "patients.csv": pd.concat(people, ignore_index=True)}
    made |= {"patient_cells.csv": _cells(plan, rng), "biomarkers.csv": _serum(plan, rng)}
    lines = ('patients = "patients.csv"', "patient_expression = [{}]".format(", ".join(sources)))
    return Made(made, (*lines, 'patient_cells = "patient_cells.csv"', 'biomarkers = "biomarkers.csv"'))


def _matrix(plan: Plan, latent: np.ndarray, loads: np.ndarray, growth: np.ndarray, rng: np.random.Generator) -> Matrix:
    """Standardised expression [genes, patients]: `loads` of the hidden factor, proliferation, a factor of purity."""
    genome = plan.genome
    n = len(latent)
    cycle = np.where(genome["role"] == PROLIFERATION, 0.75, 0.0)
    purity = 0.25 * rng.standard_normal(len(genome))
    left = np.sqrt(np.clip(1 - loads**2 - cycle**2 - purity**2, 0.1, None))
    z = np.outer(loads, latent) + np.outer(cycle, growth) + np.outer(purity, rng.standard_normal(n))
    return np.asarray(z + left[:, None] * rng.standard_normal((len(genome), n)))


Matrix = np.ndarray


def _values(plan: Plan, z: Matrix, names: list[str]) -> pd.DataFrame:
    genome = plan.genome
    level = genome["level"].to_numpy()[:, None] + 0.8 * z
    return pd.concat([genome[["gene"]].reset_index(drop=True), pd.DataFrame(level.round(3), columns=names)], axis=1)


def _survival(plan: Plan, name: str, n: int, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    latent, growth = rng.standard_normal(n), rng.standard_normal(n)
    loads = np.clip(plan.genome["hazard"].to_numpy() / HIDDEN, -0.8, 0.8)
    subgroup = plan.story.subgroup
    level = np.zeros(n, dtype=int) if subgroup is None else rng.integers(0, len(subgroup[1]), n)
    z = _matrix(plan, latent, loads, growth, rng)
    driver = int(np.flatnonzero(plan.genome["role"] == DRIVER)[0])
    z[driver, level > 0] = rng.standard_normal(int((level > 0).sum()))  # it tells the prognosis in the first level
    age, stage = rng.integers(38, 82, n), rng.choice(["I", "II", "III", "IV"], n, p=[0.4, 0.25, 0.25, 0.1])
    late = np.isin(stage, ["III", "IV"])
    hazard = HIDDEN * latent + GROWTH * growth + 0.015 * (age - 60) + 0.5 * late
    time = 34 * rng.exponential(np.exp(-hazard))
    censored = rng.uniform(6, 90, n)
    people = [f"{name[-1]}{i:04d}" for i in range(1, n + 1)]
    table = pd.DataFrame(
        {
            "patient": people, "cohort": name, "endpoint": "OS", "time": np.minimum(time, censored).clip(0.1).round(1),
            "event": (time <= censored).astype(int), "time_unit": "months", "time_zero": "surgery", "response": "",
            "treatment": "", "treatment_start": "", "age": age, "sex": rng.choice(["male", "female"], n, p=[0.7, 0.3]),
            "tumour_stage": stage,
        }
    )  # fmt: skip
    if subgroup is not None:
        table[subgroup[0]] = np.array(subgroup[1], dtype=object)[level]
    return table, _values(plan, z, people)


def _response(plan: Plan, name: str, drug: str, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    n = RESPONDERS + OTHERS
    other = np.r_[np.zeros(RESPONDERS), np.ones(OTHERS)]
    z = _matrix(plan, np.zeros(n), np.zeros(len(plan.genome)), rng.standard_normal(n), rng)
    z += np.outer(plan.genome["response"].to_numpy(), other)
    people = [f"{name[-1]}{i:04d}" for i in range(1, n + 1)]
    table = pd.DataFrame(
        {
            "patient": people, "cohort": name, "endpoint": "PFS",
            "time": (np.where(other, 3.6, 9.5) * rng.lognormal(0, 0.4, n)).round(1),
            "event": (rng.random(n) < 0.85).astype(int), "time_unit": "months", "time_zero": "start of treatment",
            "response": np.where(other, rng.choice(["SD", "PD"], n), rng.choice(["CR", "PR"], n, p=[0.15, 0.85])),
            "treatment": drug, "treatment_start": "0", "age": rng.integers(38, 82, n), "sex": "", "tumour_stage": "",
        }
    )  # fmt: skip
    return table, _values(plan, z, people)


def _cells(plan: Plan, rng: np.random.Generator) -> pd.DataFrame:
    """Cells with the driver per patient: a larger share where the tumour came back."""
    rows = []
    for i in range(18):
        back = i < 9
        cells = int(rng.integers(900, 2600))
        share = 0.004 * np.exp(rng.normal(0, 0.5)) * (1 + 4.0 * back * max(0.0, plan.links.clinic))
        rows.append((f"T{i + 1:02d}", "recurred" if back else "not recurred", plan.story.driver,
                     int(rng.binomial(cells, min(share, 0.5))), cells))  # fmt: skip
    return pd.DataFrame(rows, columns=["patient", "group", "marker", "positive", "cells"])


def _serum(plan: Plan, rng: np.random.Generator) -> pd.DataFrame:
    rows: list[tuple[object, ...]] = []
    for group, n, mean in (("HCC", 40, 0.5 * plan.links.clinic), ("cirrhosis", 40, 0.0)):
        for _ in range(n):
            value = float(np.exp(np.log(12.0) + mean + 0.6 * rng.standard_normal()))
            rows.append((f"S{len(rows) + 1:03d}", group, plan.story.driver, round(value, 2), "ng/mL"))
    return pd.DataFrame(rows, columns=["subject", "group", "marker", "value", "unit"])
