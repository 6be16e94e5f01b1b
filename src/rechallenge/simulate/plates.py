"""Simulated 96-well plates of dose-response experiments with planted parameters.

A plate carries up to four curves of one model under one perturbation and stage: two wells per dose in columns 2 to 10
(nine doses, three-fold), vehicle in columns 1 and 12, blanks in column 11. The signal has a plate-specific level, a
gradient over columns, an edge effect, noise per well, and a shift of every IC50 per biological replicate.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

ROWS = "ABCDEFGH"
N_DOSES, DOSE_STEP = 9, 3.0
CURVES_PER_PLATE = 4
BLANK, LEVEL = 0.08, 1.1  # absorbance of an empty well and of vehicle above it
MIN_REPLICATE_SD = 0.03  # of ln IC50


def response(dose_um: np.ndarray, ic50_um: np.ndarray, hill: np.ndarray, einf: np.ndarray) -> np.ndarray:
    """Viability (fraction of vehicle) of the four-parameter log-logistic curve with E0 = 1 and the given absolute
    IC50 (the dose at which viability is 0.5); arguments broadcast. An infinite IC50 gives a flat line at 1.
    Raises ValueError where a curve's bottom is not below 0.5: it has no absolute IC50."""
    dose, ic50, hill, einf = np.broadcast_arrays(*(np.asarray(a, float) for a in (dose_um, ic50_um, hill, einf)))
    active = np.isfinite(ic50)
    if np.any(einf[active] >= 0.5):
        raise ValueError("a curve whose bottom is not below 0.5 has no absolute IC50")
    out = np.ones(dose.shape)
    ec50 = ic50[active] * ((0.5 - einf[active]) / 0.5) ** (1 / hill[active])
    out[active] = einf[active] + (1 - einf[active]) / (1 + (dose[active] / ec50) ** hill[active])
    return out


def doses(top_um: float, n: int = N_DOSES, step: float = DOSE_STEP) -> np.ndarray:
    """`n` doses (µM) below and including the top one, highest first, to five digits as a lab writes them."""
    return np.array([float(f"{d:.5g}") for d in top_um / step ** np.arange(n)])


def wells(
    truth: pd.DataFrame,
    *,
    replicates: int = 3,
    noise: float = 0.04,
    replicate_sd: float | None = None,
    plate_effects: bool = True,
    seed: int = 0,
) -> pd.DataFrame:
    """Raw wells of a whole study, as the `viability` table with `signal`.

    Parameters
    ----------
    truth
        planted curves (columns of `rechallenge.simulate.truth.huh7`)
    replicates
        biological replicates
    noise
        SD of a well, as a fraction of the vehicle signal
    replicate_sd
        SD of ln IC50 between biological replicates; None takes each curve's own `ic50_sd / ic50_um`, at least 0.03
    plate_effects
        add plate level, column gradient and edge effect
    seed
        of the generator; the same seed gives the same wells

    Returns
    -------
    one row per well: model, drug, dose_um, replicate, signal, well_type, plate, well, perturbation, stage, hours
    """
    rng = np.random.default_rng(seed)
    made = [
        _plate(f"{name} r{replicate}", replicate, curves, noise, replicate_sd, plate_effects, rng)
        for replicate in range(1, replicates + 1)
        for name, curves in _plates(truth)
    ]
    return pd.concat(made, ignore_index=True)


def _plates(truth: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for (model, perturbation, stage), group in truth.groupby(["model", "perturbation", "stage"], sort=False):
        suffix = "".join(f" {x}" for x in (perturbation, stage) if x not in ("", "none"))
        for k in range(0, len(group), CURVES_PER_PLATE):
            yield f"{model}{suffix} {k // CURVES_PER_PLATE + 1}", group.iloc[k : k + CURVES_PER_PLATE]


def _plate(
    name: str,
    replicate: int,
    curves: pd.DataFrame,
    noise: float,
    replicate_sd: float | None,
    effects: bool,
    rng: np.random.Generator,
) -> pd.DataFrame:
    ic50 = curves["ic50_um"].to_numpy(float)
    spread = np.maximum(np.where(np.isfinite(ic50), curves["ic50_sd"] / ic50, 0.0), MIN_REPLICATE_SD)
    shifted = ic50 * np.exp(rng.normal(0, spread if replicate_sd is None else np.full(len(ic50), replicate_sd)))

    row, column = (a.ravel() for a in np.meshgrid(np.arange(8), np.arange(12), indexing="ij"))
    slot = row // 2
    kind = np.select([np.isin(column, [0, 11]), column == 10], ["vehicle", "blank"], "sample")
    used = (kind != "sample") | (slot < len(curves))
    row, column, slot, kind = row[used], column[used], np.minimum(slot[used], len(curves) - 1), kind[used]
    grid = np.stack([doses(t) for t in curves["top_um"]])
    dose = np.where(kind == "sample", grid[slot, np.clip(column - 1, 0, N_DOSES - 1)], 0.0)

    value = response(dose, shifted[slot], curves["hill"].to_numpy()[slot], curves["einf"].to_numpy()[slot])
    value = np.where(kind == "blank", 0.0, value)
    level = LEVEL * float(np.exp(rng.normal(0, 0.1))) if effects else LEVEL
    field = _field(rng)[row, column] if effects else 0.0
    # well noise grows with the signal but never falls below the reader's own
    sd = np.where(kind == "blank", 0.1 * noise, noise * level * np.sqrt(0.25 + 0.75 * value**2))
    signal = BLANK + value * level * (1 + field) + rng.normal(0, 1, len(row)) * sd

    drug = np.select([kind == "vehicle", kind == "blank"], ["vehicle", "medium"], curves["drug"].to_numpy(str)[slot])
    first = curves.iloc[0]
    return pd.DataFrame(
        {
            "model": first["model"],
            "drug": drug,
            "dose_um": dose,
            "replicate": str(replicate),
            "signal": signal.round(4),
            "well_type": kind,
            "plate": name,
            "well": [f"{ROWS[r]}{c + 1:02d}" for r, c in zip(row, column, strict=True)],
            "perturbation": first["perturbation"],
            "stage": first["stage"],
            "hours": 48,
        }
    )


def _field(rng: np.random.Generator) -> np.ndarray:
    """Relative plate effect per well [8, 12]: a gentle gradient over columns and a dry edge."""
    gradient = rng.normal(0, 0.02) * np.linspace(-1, 1, 12)[None, :]
    edge = np.zeros((8, 12))
    edge[[0, -1], :] = 1
    edge[:, [0, -1]] = 1
    return np.asarray(gradient - abs(rng.normal(0, 0.01)) * edge)


def fractions(raw: pd.DataFrame) -> pd.DataFrame:
    """The same study as a tidy `viability` table of fractions: blank-subtracted, over the plate's mean vehicle."""
    blank = raw[raw["well_type"] == "blank"].groupby("plate")["signal"].mean()
    vehicle = raw[raw["well_type"] == "vehicle"].groupby("plate")["signal"].mean()
    b = raw["plate"].map(blank)
    out = raw.assign(viability=((raw["signal"] - b) / (raw["plate"].map(vehicle) - b)).round(4))
    columns = ["model", "drug", "dose_um", "replicate", "viability", "plate", "well", "perturbation", "stage", "hours"]
    return out.loc[out["well_type"] == "sample", columns].reset_index(drop=True)
