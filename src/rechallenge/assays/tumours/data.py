"""Volumes and weights made ready: one value per animal and day, days counted from the start, the animal as the unit."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge.assays.tumours.arms import plain
from rechallenge.tables.contract import source_rows

Floats = NDArray[np.float64]
NAN = float("nan")


def each(frame: pd.DataFrame) -> Iterator[Any]:
    """The rows of a table as named tuples."""
    yield from frame.itertuples()


def text(frame: pd.DataFrame, column: str) -> pd.Series:
    """A column as trimmed text; empty text where it is missing."""
    if column not in frame.columns:
        return pd.Series("", index=frame.index, dtype=object)
    return frame[column].fillna("").astype(str).str.strip()


def arm_labels(frame: pd.DataFrame) -> pd.Series:
    """The arm of every row, its perturbation put before where a column of its own says so."""
    arm, perturbed = text(frame, "arm"), text(frame, "perturbation")
    bare = perturbed.map(plain).isin(["", "none"])
    return arm.where(bare, perturbed + " + " + arm)


def subjects(frame: pd.DataFrame) -> pd.Series:
    """A name for every animal that no other has: model, arm and animal."""
    return text(frame, "model") + "|" + arm_labels(frame) + "|" + text(frame, "animal")


def measured_volume(frame: pd.DataFrame) -> pd.Series:
    """Volumes in mm³; where none is given, length x width² / 2 of the diameters (the longer one is the length)."""
    given = pd.to_numeric(frame["volume_mm3"]) if "volume_mm3" in frame.columns else pd.Series(NAN, index=frame.index)
    if "length_mm" not in frame.columns or "width_mm" not in frame.columns:
        return given
    both = frame[["length_mm", "width_mm"]].apply(pd.to_numeric).to_numpy(dtype=float)
    made = both.max(axis=1) * both.min(axis=1) ** 2 / 2
    return given.where(given.notna(), pd.Series(made, index=frame.index))


def volumes(tumours: pd.DataFrame) -> pd.DataFrame:
    """One row per animal and day: model, arm, animal, subject, day, t (days since the first of the model), volume
    (mm³), removed. Several tumours or measurements of an animal on one day are averaged."""
    return _daily(tumours, measured_volume(tumours), "volume")


def weights(body_weight: pd.DataFrame) -> pd.DataFrame:
    """The same with `weight` in grams; a weight of 0 is none."""
    values = pd.to_numeric(body_weight["weight_g"])
    return _daily(body_weight, values.where(values > 0), "weight")


def _daily(table: pd.DataFrame, values: pd.Series, name: str) -> pd.DataFrame:
    out = pd.DataFrame(
        {
            "model": text(table, "model"),
            "arm": arm_labels(table),
            "animal": text(table, "animal"),
            "subject": subjects(table),
            "day": pd.to_numeric(table["day"]).astype(float),
            name: values.astype(float),
            "removed": text(table, "removed").str.casefold(),
        }
    ).dropna(subset=["day", name])
    keys = ["model", "arm", "animal", "subject", "day"]
    # rows are put in order first: the sum of the same numbers must not depend on their order
    out = out.sort_values([*keys, name], kind="mergesort")
    out = out.groupby(keys, sort=True, as_index=False).agg({name: "mean", "removed": "max"})
    out["t"] = out["day"] - out.groupby("model")["day"].transform("min")
    return out.sort_values(["model", "subject", "day"], kind="mergesort").reset_index(drop=True)


def rng_of(seed: int, *key: object) -> np.random.Generator:
    """A generator that depends on the seed and the key alone, not on the order of the work."""
    return np.random.default_rng([seed, zlib.crc32("|".join(map(str, key)).encode())])


class Origins:
    """Rows of the lab's table by model and arm, written as `file:rows`."""

    def __init__(self, table: pd.DataFrame):
        self.known = "_row" in table.columns and "_file" in table.columns
        self.table = table.assign(_model=text(table, "model"), _arm=arm_labels(table)) if self.known else table

    def __call__(self, model: str | None, arms: list[str]) -> str:
        """Rows of these arms in a model (None: in all models)."""
        if not self.known:
            return ""
        mine = self.table["_arm"].isin(arms)
        if model is not None:
            mine &= self.table["_model"] == model
        return source_rows(self.table.loc[mine, "_file"], self.table.loc[mine, "_row"])


def where(model: str) -> str:
    """` in Huh-7 LR tumours`, nothing for a study of one unnamed model."""
    return f" in {model} tumours" if model else ""
