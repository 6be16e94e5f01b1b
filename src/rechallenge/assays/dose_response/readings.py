"""What the measured values of one table of wells can get wrong as a whole: blanks, vehicles, two kinds of value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from rechallenge.assays.dose_response.rules import numbers, texts, types_of
from rechallenge.faults import Fault
from rechallenge.tables.contract import place

#: blank subtraction can take a viability this far below 0; further down it is a mistake
LOWEST_VIABILITY = -0.25


def slightly_negative(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Viabilities a little below 0 are what blank subtraction gives where all cells are dead."""
    value = numbers(frame, "viability")
    at = frame.index[(value < 0) & (value >= LOWEST_VIABILITY)]
    if len(at):
        yield Fault(
            "negative-viability",
            f"{len(at)} viabilit{'y is' if len(at) == 1 else 'ies are'} slightly below 0, as blank subtraction gives; "
            "kept as they are.",
            "If these are not blank-subtracted values, look at the wells.",
            severity="warning",
            column="viability",
            value=f"{value[at[0]]:g}",
            **place(frame, at[0]),
        )


def _raw(frame: pd.DataFrame) -> pd.DataFrame:
    """Wells that are read by their signal and are used: type, plate, signal and where their vehicle wells lie."""
    keep = numbers(frame, "signal").notna() & numbers(frame, "viability").isna() & (texts(frame, "exclude") == "")
    raw = frame[keep]
    plate, lender = texts(raw, "plate"), texts(raw, "vehicle_plate")
    return pd.DataFrame(
        {
            "type": types_of(raw),
            "plate": plate,
            "home": lender.where(lender != "", plate),
            "model": texts(raw, "model"),
            "signal": numbers(raw, "signal"),
        }
    )


def blank_below_vehicle(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """The blank of a plate lies below its vehicle wells, or no viability can be told."""
    raw = _raw(frame)
    blanks, vehicles = raw[raw["type"] == "blank"], raw[raw["type"] == "vehicle"]
    blank = blanks.groupby("plate")["signal"].mean()
    for key, rows in vehicles.groupby(["plate", "model"], sort=True):
        name, model = str(key[0]), str(key[1])
        if name not in blank.index:
            continue
        empty, full = float(blank.loc[name]), float(rows["signal"].mean())
        if empty >= full:
            here: dict[str, Any] = place(frame, blanks.index[blanks["plate"] == name][0])
            yield Fault(
                "blank-above-vehicle",
                f"plate {name}: the blank wells (mean {empty:.4g}) are not below the vehicle wells"
                f"{' of ' + model if model else ''} (mean {full:.4g}), so no viability can be told.",
                "Check the well types: blank and vehicle (or positive) wells may be swapped.",
                column="signal",
                value=name,
                **here,
            )


def no_blank(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Without blank wells the background stays in every viability."""
    raw = _raw(frame)
    samples, blank = raw[raw["type"] == "sample"], set(raw.loc[raw["type"] == "blank", "plate"])
    bare = samples[~samples["plate"].isin(blank) & ~samples["home"].isin(blank)]
    if len(bare):
        names = [str(p) for p in dict.fromkeys(bare["plate"])]
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        yield Fault(
            "no-blank",
            f"no blank wells for {'plate' if len(names) == 1 else 'plates'} {shown}: the background is not subtracted.",
            "Mark wells with medium and no cells as blank, unless the signals are blank-subtracted already.",
            severity="note",
            column="well_type",
            **place(frame, bare.index[0]),
        )


def viability_goes_first(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Where a well has both a viability and a signal, the viability is used."""
    both = frame.index[numbers(frame, "signal").notna() & numbers(frame, "viability").notna()]
    if len(both):
        yield Fault(
            "viability-and-signal",
            f"{len(both)} {'row has' if len(both) == 1 else 'rows have'} both a viability and a signal: the viability "
            "is used as given, the signal is not.",
            "Leave the viability out to have it worked out from the signals.",
            severity="note",
            column="viability",
            **place(frame, both[0]),
        )
