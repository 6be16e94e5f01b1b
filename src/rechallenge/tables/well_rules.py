"""What a table of wells can get wrong as a whole: control wells, blanks, plates, two kinds of value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.faults import Fault
from rechallenge.tables.contract import place
from rechallenge.tables.wells import parse_well

WELL_TYPES = ("sample", "vehicle", "blank", "positive")
#: blank subtraction can take a viability this far below 0; further down it is a mistake
LOWEST_VIABILITY = -0.25


def texts(frame: pd.DataFrame, name: str) -> pd.Series:
    """A column as text without blanks around it; empty where missing."""
    if name not in frame.columns:
        return pd.Series("", index=frame.index, dtype=object)
    return frame[name].astype(object).where(frame[name].notna(), "").astype(str).str.strip()


def numbers(frame: pd.DataFrame, name: str) -> pd.Series:
    """A column as numbers; NaN where missing."""
    if name not in frame.columns:
        return pd.Series(np.nan, index=frame.index, dtype="float64")
    return pd.to_numeric(frame[name], errors="coerce").astype("float64")


def types_of(frame: pd.DataFrame) -> pd.Series:
    """The type of every well: as given, else vehicle at dose 0 and sample elsewhere; a sample at dose 0 is vehicle."""
    given = texts(frame, "well_type").str.casefold()
    dose = numbers(frame, "dose_um")
    kind = given.where(given != "", "sample")
    return kind.mask((kind == "sample") & (dose == 0), "vehicle")


def listed(names: Iterable[str], shown: int = 3) -> str:
    """The first few names, and how many more there are.

    >>> listed("abcde"), listed("ab")
    ('a; b; c and 2 more', 'a; b')
    """
    every = list(names)
    more = len(every) - shown
    return "; ".join(every[:shown]) + (f" and {more} more" if more > 0 else "")


def plain_name(name: str) -> str:
    """A name without case and without the punctuation around it: what stays the same between two ways of writing it.

    >>> plain_name("DrugA."), plain_name(" (drugA) "), plain_name("5-FU") == plain_name("5FU")
    ('druga', 'druga', False)
    """
    return re.sub(r"^[\W_]+|[\W_]+$", "", name).casefold() or name


def vehicle_on_every_plate(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """A raw signal means something only beside vehicle wells of the same plate (or of the plate named for it)."""
    signal = frame[numbers(frame, "signal").notna() & numbers(frame, "viability").isna()]
    if signal.empty:
        return
    kind, plate = types_of(signal), texts(signal, "plate")
    lender = texts(signal, "vehicle_plate").where(lambda s: s != "", plate)
    held = plate[kind == "vehicle"].value_counts()
    for name, rows in signal[kind == "sample"].groupby(lender[kind == "sample"], sort=True):
        wells = int(held.get(name, 0))
        where = {**place(frame, rows.index[0]), "column": "well_type", "value": str(name)}
        if wells == 0:
            yield Fault(
                "no-vehicle",
                f"plate {name} has no vehicle wells, so its signals cannot be turned into viability."
                if name
                else "there are signals without a plate and without vehicle wells.",
                "Mark its vehicle wells (well_type vehicle), or name the plate that holds them in vehicle_plate.",
                **where,
            )
        elif wells < 3:
            yield Fault(
                "few-vehicle",
                f"plate {name} has only {wells} vehicle well{'s' if wells > 1 else ''}: their scatter goes into "
                "every viability of the plate.",
                "Plan at least 6 vehicle wells a plate.",
                severity="warning",
                **where,
            )


def zero_dose_is_vehicle(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """Say that sample wells at dose 0 are taken as vehicle."""
    zero = frame.index[(texts(frame, "well_type").str.casefold() == "sample") & (numbers(frame, "dose_um") == 0)]
    if len(zero):
        yield Fault(
            "zero-dose",
            "sample wells at dose 0 are taken as vehicle wells.",
            severity="note",
            column="dose_um",
            count=len(zero),
            **place(frame, zero[0]),
        )


def wells_once(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """A well is named as plates name it, and read once."""
    plate, well = texts(frame, "plate"), texts(frame, "well")
    at = well.map(lambda w: parse_well(w) if w else None)
    odd = frame.index[(well != "") & at.isna()]
    if len(odd):
        yield Fault(
            "well-name",
            "this is not the name of a well.",
            "Write wells as A1 to H12 (96), P24 (384) or AF48 (1536).",
            column="well",
            value=str(well.loc[odd[0]]),
            count=len(odd),
            **place(frame, odd[0]),
        )
    named = (plate != "") & at.notna()
    hours = texts(frame, "hours")
    key = pd.DataFrame({"plate": plate, "at": at, "hours": hours})[named]
    twice = key.index[key.duplicated()]
    if len(twice):
        yield Fault(
            "well-twice",
            f"well {well.loc[twice[0]]} of plate {plate.loc[twice[0]]} is there twice.",
            "Keep one reading, or give the plates different names.",
            column="well",
            value=str(well.loc[twice[0]]),
            count=len(twice),
            **place(frame, twice[0]),
        )


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
