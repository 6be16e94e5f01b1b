"""Simulated dose matrices of two drugs with known interaction, as a lab's `combination` table.

>>> sorafenib, celastrol = Agent("sorafenib", 6.8), Agent("celastrol", 3.0, doses=(0.1, 1, 4, 8))
>>> table = matrix(sorafenib, celastrol, model="HepG2", interaction=switch("b", 0.5, below=0.5, above=1.8), seed=1)
>>> sorted(table["replicate"].unique())
['1', '2', '3']

The interaction is a power of the surviving share: a combination leaves `additive ** interaction`, 1 for additivity by
the reference, above 1 for synergy, below 1 for antagonism. It may be a number or a function of the two doses, so that
one surface can hold both signs (`switch`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from rechallenge.stats.synergy.reference import Hill

Floats = NDArray[np.float64]
Reference = Literal["bliss", "loewe", "hsa"]
Interaction = float | Callable[[Floats, Floats], Floats]
#: absorbance of an empty well and of vehicle above it
BLANK, LEVEL = 0.08, 1.1


@dataclass(frozen=True)
class Agent:
    """One drug alone: inhibition einf / (1 + (ec50_um / dose) ** hill); `doses` (µM) are those of the matrix."""

    name: str
    ec50_um: float
    hill: float = 1.3
    einf: float = 1.0
    doses: tuple[float, ...] = (0.25, 1.0, 4.0, 16.0)

    def at(self, shift: float = 0.0) -> Hill:
        """Its curve with the EC50 moved by `shift` decades."""
        from rechallenge.stats.synergy.reference import Hill

        one = np.float64(1.0)
        return Hill(self.einf * one, self.ec50_um * 10.0**shift * one, self.hill * one)


def switch(
    drug: Literal["a", "b", "both"], at: float, below: float, above: float
) -> Callable[[Floats, Floats], Floats]:
    """An interaction that changes where a dose passes `at` (µM; "both": the product of the doses): `below` up to
    there, `above` beyond it."""

    def interaction(dose_a: Floats, dose_b: Floats) -> Floats:
        position = {"a": dose_a, "b": dose_b, "both": dose_a * dose_b}[drug]
        return np.where(position <= at, below, above)

    return interaction


def inhibition(
    dose_a: ArrayLike,
    dose_b: ArrayLike,
    a: Agent,
    b: Agent,
    *,
    interaction: Interaction = 1.0,
    reference: Reference = "bliss",
    shifts: tuple[float, float] = (0.0, 0.0),
) -> Floats:
    """Planted inhibition (fraction) at dose pairs in µM; `shifts` move the EC50s by so many decades."""
    from rechallenge.stats.synergy.reference import bliss, hsa, loewe

    x, y = np.asarray(dose_a, dtype=np.float64), np.asarray(dose_b, dtype=np.float64)
    one, two = a.at(shifts[0]), b.at(shifts[1])
    if reference == "loewe":
        additive = loewe(x, y, one, two)[0]
    elif reference in ("bliss", "hsa"):
        additive = (bliss if reference == "bliss" else hsa)([one.effect(x), two.effect(y)])
    else:
        raise ValueError(f"reference must be bliss, loewe or hsa, not {reference!r}")
    power = interaction(x, y) if callable(interaction) else np.asarray(interaction, dtype=np.float64)
    both = (x > 0) & (y > 0)
    return np.asarray(1.0 - np.clip(1.0 - additive, 0.0, None) ** np.where(both, power, 1.0))


def grid(a: Agent, b: Agent, *, ray: bool = False) -> tuple[Floats, Floats]:
    """Dose pairs of a full matrix with both single agents and vehicle, or (`ray`) of one ray beside them."""
    x, y = (np.array([0.0, *sorted(agent.doses)]) for agent in (a, b))
    if not ray:
        first, second = np.meshgrid(x, y, indexing="ij")
        return first.ravel(), second.ravel()
    n = min(len(x), len(y))
    none = np.zeros(1)
    first = np.concatenate([none, x[1:], np.zeros(len(y) - 1), x[1:n]])
    return first, np.concatenate([none, np.zeros(len(x) - 1), y[1:], y[1:n]])


def matrix(
    a: Agent,
    b: Agent,
    *,
    model: str,
    interaction: Interaction = 1.0,
    reference: Reference = "bliss",
    replicates: int = 3,
    wells: int = 2,
    noise: float = 0.04,
    spread: float = 0.06,
    ray: bool = False,
    raw: bool = False,
    hours: float = 72.0,
    seed: int = 0,
) -> pd.DataFrame:
    """A combination experiment as the table `combination`, one row per well.

    `noise` is the SD of a well as a fraction of vehicle, `spread` the SD of log10 EC50 between biological replicates,
    drawn for each drug. `raw` gives signals with blank and vehicle wells on one plate per replicate in place of
    viabilities. Dose 0 of a drug means it is absent; the pair (0, 0) is vehicle. The same seed gives the same wells.
    """
    rng = np.random.default_rng(seed)
    x, y = (np.repeat(v, wells) for v in grid(a, b, ray=ray))
    parts = []
    for r in range(1, replicates + 1):
        moved = rng.normal(0.0, spread, 2)
        planted = inhibition(x, y, a, b, interaction=interaction, reference=reference, shifts=(moved[0], moved[1]))
        value = 1.0 - planted + rng.normal(0.0, noise, x.size)
        parts.append(pd.DataFrame({"dose_a_um": x, "dose_b_um": y, "replicate": str(r), "viability": value}))
    table = pd.concat(parts, ignore_index=True)
    table.insert(0, "model", model)
    table.insert(1, "drug_a", a.name)
    table.insert(3, "drug_b", b.name)
    table["hours"] = hours
    return _raw(table, rng, noise) if raw else table.assign(viability=table["viability"].round(5))


def _raw(table: pd.DataFrame, rng: np.random.Generator, noise: float) -> pd.DataFrame:
    """Signals of the same wells with a level of its own per plate; vehicle and blank wells added."""
    parts = []
    for replicate, part in table.groupby("replicate", sort=True):
        level = LEVEL * float(np.exp(rng.normal(0.0, 0.1)))
        none = (part["dose_a_um"] == 0) & (part["dose_b_um"] == 0)
        more = part[none].head(1)
        vehicle = pd.concat([more] * 8).assign(viability=1.0 + rng.normal(0.0, noise, 8))
        empty = pd.concat([more] * 4).assign(viability=rng.normal(0.0, 0.1 * noise, 4), model="", drug_a="", drug_b="")
        whole = pd.concat([part, vehicle, empty], ignore_index=True)
        kind = np.where(none, "vehicle", "sample").tolist() + ["vehicle"] * 8 + ["blank"] * 4
        whole["signal"] = (BLANK + level * whole["viability"]).round(4)
        whole["well_type"], whole["plate"] = kind, f"{part['model'].iloc[0]} r{replicate}"
        parts.append(whole.drop(columns="viability"))
    return pd.concat(parts, ignore_index=True)


def low_dose_study(*, seed: int = 0, replicates: int = 4, noise: float = 0.03) -> pd.DataFrame:
    """A low dose that protects and a high dose that kills without choice, as in the study of low-dose celastrol.

    On HepG2 celastrol takes away from sorafenib's effect up to 0.5 µM and adds to it beyond independence above; on L02
    (given as normal cells) there is no interaction, and celastrol kills above 2 µM. Effects and slopes are planted by
    us; only the signs, and the doses at which they change, are those of the study.
    """
    sorafenib = Agent("sorafenib", 6.0, 1.6, 0.95, (1.0, 2.0, 4.0, 8.0, 16.0))
    celastrol = Agent("celastrol", 6.0, 1.5, 0.9, (0.1, 0.2, 0.5, 2.0, 4.0, 8.0))
    turning = switch("b", 0.5, below=0.45, above=1.9)
    normal = (replace(sorafenib, ec50_um=12.0), replace(celastrol, ec50_um=3.0, hill=2.5))
    return pd.concat(
        [
            matrix(
                sorafenib, celastrol, model="HepG2", interaction=turning, replicates=replicates, noise=noise, seed=seed
            ),
            matrix(*normal, model="L02", replicates=replicates, noise=noise, seed=seed + 1),
        ],
        ignore_index=True,
    )
