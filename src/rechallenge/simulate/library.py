"""A simulated library screen beside an anchor drug: plates with position effects, planted sensitisers, toxic compounds.

384-well plates, compounds in columns 3 to 22, vehicle in columns 1, 2 and 23 (half of column 2 and 23 holds the
positive control), blanks in column 24. Every plate of the library is run with and without the anchor drug in every
biological replicate. All numbers here are planted by us; the shape of the library (1,430 compounds, of which three
pleuromutilins sensitise) is that of a published screen beside sorafenib.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

ROWS, COLUMNS = 16, 24
SAMPLE_COLUMNS = np.arange(2, 22)
#: compounds on one plate
PER_PLATE = ROWS * len(SAMPLE_COLUMNS)
#: the planted class and its members
PLANTED_CLASS = "pleuromutilin"
PLANTED = ("lefamulin", "retapamulin", "valnemulin")


@dataclass(frozen=True)
class Screen:
    """`wells` is the table kind `screen`; `truth` has one row per compound: compound, class, interaction (log2),
    alone (fraction of vehicle)."""

    wells: pd.DataFrame
    truth: pd.DataFrame


def library(
    n: int = 1430,
    *,
    interaction: float = -0.9,
    lone_hits: int = 6,
    toxic: float = 0.05,
    class_size: float = 4.0,
    seed: int = 0,
) -> pd.DataFrame:
    """The compounds of a library with their planted effects: compound, class, interaction, alone.

    Three members of `PLANTED_CLASS` get `interaction` (log2, negative = sensitises), `lone_hits` single compounds as
    much in either direction, `toxic` of the library kills by itself (0.05 to 0.7 of vehicle left). The others have
    none. Classes have about `class_size` members.
    """
    rng = np.random.default_rng([seed, 1])
    others = n - len(PLANTED)
    if others < lone_hits:
        raise ValueError(f"a library of {n} compounds cannot hold {lone_hits} hits and the planted class")
    names = [*PLANTED, *(f"compound {i + 1:04d}" for i in range(others))]
    classes = [PLANTED_CLASS] * len(PLANTED)
    classes += [f"class {k + 1:03d}" for k in np.sort(rng.integers(0, max(1, int(others / class_size)), others))]
    effect = np.zeros(n)
    effect[: len(PLANTED)] = interaction
    alone = np.ones(n)
    order = len(PLANTED) + rng.permutation(others)
    hits, killers = order[:lone_hits], order[lone_hits : lone_hits + round(toxic * others)]
    effect[hits] = interaction * np.where(np.arange(lone_hits) % 2, -1.0, 1.0)
    alone[killers] = rng.uniform(0.05, 0.7, len(killers))
    return pd.DataFrame({"compound": names, "class": classes, "interaction": effect, "alone": alone})


def wells(
    compounds: pd.DataFrame,
    *,
    model: str = "HepG2 SR",
    anchor: str = "sorafenib",
    anchor_um: float = 5.0,
    anchor_alone: float = 0.8,
    doses_um: tuple[float, ...] = (10.0,),
    replicates: int = 3,
    noise: float = 0.08,
    biology: float = 0.05,
    edge: float = 0.1,
    edge_scatter: float = 0.5,
    gradient: float = 0.1,
    normal: bool = False,
    seed: int = 0,
) -> pd.DataFrame:
    """The wells of a screen (table kind `screen`) for compounds with planted effects (columns of `library`).

    `noise` is the SD of a well's ln signal, `biology` that of a compound's effect between replicates and arms; `edge`
    is the share of signal lost in edge wells, `edge_scatter` its relative SD between plates, `gradient` the share
    gained from first to last column, with a sign of its own on every plate. With several `doses_um` the planted effects
    hold at the highest and shrink in proportion to log dose below it (none at a tenth of the lowest). `normal` plants
    no interaction (normal cells). Compounds are laid out at random, differently in each library, the same in all
    plates.
    """
    rng = np.random.default_rng([seed, 2])
    n = len(compounds)
    place = rng.permutation(n)
    plate_of, slot = place // PER_PLATE, place % PER_PLATE
    row, column = slot // len(SAMPLE_COLUMNS), SAMPLE_COLUMNS[slot % len(SAMPLE_COLUMNS)]
    top, low = max(doses_um), min(doses_um) / 10
    parts = []
    for replicate in range(1, replicates + 1):
        level = np.exp(rng.normal(0, 0.15))
        for dose in doses_um:
            share = 1.0 if len(doses_um) == 1 else float(np.log(dose / low) / np.log(top / low))
            for beside in (False, True):
                log2 = np.log2(compounds["alone"].to_numpy()) * share
                if beside:
                    log2 = (
                        log2 + np.log2(anchor_alone) + (0.0 if normal else compounds["interaction"].to_numpy() * share)
                    )
                value = np.exp2(log2) * np.exp(rng.normal(0, biology, n))
                for plate in range(int(plate_of.max()) + 1):
                    here = np.flatnonzero(plate_of == plate)
                    table = _plate(value[here], row[here], column[here], anchor_alone if beside else 1.0)
                    r, c, kind, signal = table
                    signal = signal * level * _field(rng, edge, edge_scatter, gradient)[r, c]
                    signal = 1000 + 1e5 * signal * np.exp(rng.normal(0, noise, len(signal)))
                    signal += rng.normal(0, 100, len(signal))
                    names = np.full(len(r), "", dtype=object)
                    classes = names.copy()
                    names[: len(here)] = compounds["compound"].to_numpy()[here]
                    classes[: len(here)] = compounds["class"].to_numpy()[here]
                    of_drug = f" {dose:g}" if len(doses_um) > 1 else ""
                    parts.append(
                        pd.DataFrame(
                            {
                                "model": model,
                                "plate": f"{model} L{plate + 1}{of_drug} {anchor if beside else 'none'} r{replicate}",
                                "well": [f"{chr(65 + a)}{b + 1:02d}" for a, b in zip(r, c, strict=True)],
                                "compound": names,
                                "dose_um": np.where(kind == "sample", dose, 0.0),
                                "background_drug": anchor if beside else "none",
                                "background_um": anchor_um if beside else 0.0,
                                "replicate": str(replicate),
                                "signal": signal.round(0),
                                "well_type": kind,
                                "class": classes,
                            }
                        )
                    )
    return pd.concat(parts, ignore_index=True)


def simulate(
    n: int = 1430, *, seed: int = 0, interaction: float = -0.9, lone_hits: int = 6, **options: object
) -> Screen:
    """A whole screen: `library` and its `wells` (options of `wells`)."""
    truth = library(n, interaction=interaction, lone_hits=lone_hits, seed=seed)
    return Screen(wells(truth, seed=seed, **options), truth)  # type: ignore[arg-type]


def _plate(
    value: np.ndarray, row: np.ndarray, column: np.ndarray, vehicle: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Row, column, type and expected signal (fraction of untreated) of every well; samples come first."""
    r, c = (a.ravel() for a in np.meshgrid(np.arange(ROWS), [0, 1, 22, 23], indexing="ij"))
    positive = np.isin(c, [1, 22]) & (r % 2 == 1)
    kind = np.select([c == 23, positive], ["blank", "positive"], "vehicle")
    expected = np.select([c == 23, positive], [0.0, 0.03], vehicle)
    return (
        np.concatenate([row, r]),
        np.concatenate([column, c]),
        np.concatenate([np.full(len(value), "sample"), kind]),
        np.concatenate([value, expected]),
    )


def _field(rng: np.random.Generator, edge: float, scatter: float, gradient: float) -> np.ndarray:
    """Factor per position [16, 24]: a dry edge and a gradient over columns."""
    lost = edge * max(0.0, 1 + rng.normal(0, scatter))
    border = np.zeros((ROWS, COLUMNS))
    border[[0, -1], :] = 1
    border[:, [0, -1]] = 1
    slope = gradient * rng.normal() * np.linspace(-0.5, 0.5, COLUMNS)[None, :]
    return np.asarray((1 - lost * border) * (1 + slope))
