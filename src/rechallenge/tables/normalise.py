"""From signals to fractions of vehicle: what every well is divided by, and the rows behind a group of wells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from rechallenge.tables.contract import source_rows, spans_of

Vehicle = Literal["plate", "row", "column"]
Centre = Literal["mean", "median"]
Positive = Literal["ignore", "floor"]


def as_text(value: object) -> str:
    """A label as text: a spreadsheet's 1.0 is the label 1."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def join_rows(texts: Iterable[str]) -> str:
    """Several origins, as `source_rows` writes them, in one.

    >>> join_rows(["a.csv:2-4", "a.csv:5;b.csv:2"])
    'a.csv:2-5;b.csv:2'
    """
    files: list[str] = []
    rows: list[int] = []
    for file, first, last in {one for text in texts for one in spans_of(text)}:
        numbers = range(first, last + 1)
        files += [file] * len(numbers)
        rows += numbers
    return source_rows(files, rows)


def _centre(values: Any, how: Centre) -> pd.Series:
    """Mean or median of every group."""
    found: pd.Series = values.mean() if how == "mean" else values.median()
    return found


def _look_up(frame: pd.DataFrame, keys: list[str], values: pd.Series) -> pd.Series:
    """`values`, indexed by `keys`, for every row of `frame` (NaN where there is none)."""
    if values.empty:
        return pd.Series(np.nan, index=frame.index)
    named = values.rename("_value").reset_index()
    found = frame[keys].merge(named, on=keys, how="left")["_value"]
    return pd.Series(found.to_numpy(dtype="float64"), index=frame.index)


def reference_signal(
    frame: pd.DataFrame,
    condition: Sequence[str],
    *,
    vehicle: Vehicle = "plate",
    centre: Centre = "mean",
    positive: Positive = "ignore",
) -> pd.DataFrame:
    """For every well: its net signal, the vehicle signal it is divided by, and in words which that is.

    `frame` has one row per well: model, plate, vehicle_plate, exclude, well_type, signal and the columns `condition`
    (`row` and `column` as well where `vehicle` names one of them).

    Columns: net (signal less blank), vehicle (net), floor (net signal of the positive control, 0 unless
    `positive` is "floor"), reference (words), why (why there is none; empty where there is one).
    The vehicle wells are those of the same `condition` on the plate, else those of the same model, else those that
    name no model; `vehicle` restricts them to the same row or column.
    """
    work = frame.copy()
    work["home"] = work["vehicle_plate"].where(work["vehicle_plate"] != "", work["plate"])
    used = work["exclude"] == ""
    blanks = _centre(work[used & (work["well_type"] == "blank")].groupby("plate")["signal"], centre)
    blank = work["plate"].map(blanks).astype("float64")
    blank = blank.where(blank.notna(), work["home"].map(blanks).astype("float64")).fillna(0.0)
    work["net"] = work["signal"] - blank
    controls = work[used & (work["well_type"] == "vehicle") & work["net"].notna()].drop(columns="home")
    controls = controls.rename(columns={"plate": "home"})
    place = ["home"] if vehicle == "plate" else ["home", vehicle]
    levels = (
        ([*place, *condition], controls, "same condition"),
        ([*place, "model"], controls, "same model, another condition"),
        (place, controls[controls["model"] == ""], "the plate"),
    )
    value = pd.Series(np.nan, index=work.index)
    words = pd.Series("", index=work.index, dtype=object)
    for keys, pool, said in levels:
        grouped = pool.groupby(keys, dropna=False)["net"]
        found = _look_up(work, keys, _centre(grouped, centre)) if len(pool) else value
        fresh = value.isna() & found.notna()
        value = value.where(~fresh, found)
        words = words.mask(fresh, said if vehicle == "plate" else f"{said}, same {vehicle}")
    floor = pd.Series(0.0, index=work.index)
    if positive == "floor":
        killed = work[used & (work["well_type"] == "positive")]
        by_model = _look_up(work, ["plate", "model"], _centre(killed.groupby(["plate", "model"])["net"], centre))
        by_plate = _look_up(work, ["plate"], _centre(killed.groupby("plate")["net"], centre))
        floor = by_model.where(by_model.notna(), by_plate).fillna(0.0)
    why = pd.Series("", index=work.index, dtype=object)
    why = why.mask(value.isna(), "no vehicle wells to compare with")
    why = why.mask(value.notna() & (value <= floor), "the vehicle signal is not above the background")
    return pd.DataFrame({"net": work["net"], "vehicle": value, "floor": floor, "reference": words, "why": why})


def origins(kept: pd.DataFrame, number: pd.Series, total: int) -> list[str]:
    """Rows of the lab's table behind every group of wells, by group number."""
    out = [""] * total
    known = kept["_row"].notna().to_numpy()
    group, files = number.to_numpy()[known], kept["_file"].to_numpy()[known]
    rows = kept["_row"].to_numpy()[known].astype(np.int64)
    order = np.argsort(group, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(group[order])) + 1) if order.size else []:
        out[group[part[0]]] = source_rows(files[part].tolist(), rows[part].tolist())
    return out
