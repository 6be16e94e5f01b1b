"""Wells of a screen on a scale that can be compared: background off, logarithm, position effect off, centred.

A plate of a library is mostly inert compounds, so its own wells show what position does (row and column effects by
median polish, the model under the B score, or a smooth surface) and where "no effect" lies, far better than a few
control wells that stand in two columns at the edge. Where a plate holds few compounds at many doses this does not hold,
and the vehicle wells are the reference.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge.analysis import analysis
from rechallenge.assays.screen.contract import has_anchor
from rechallenge.faults import NotApplicable
from rechallenge.stats.plates import MAD_SD, median_polish, smooth_surface
from rechallenge.tables.normalise import as_text
from rechallenge.tables.wells import parse_well

Normalise = Literal["auto", "controls", "median", "polish", "smooth"]
Floats = NDArray[np.float64]
B_SCORE = "doi:10.1177/1087057103258285"
#: a plate is taken for one of a library where it has this many samples, this share of them different compounds
LIBRARY_WELLS, LIBRARY_SHARE = 24, 0.5
#: log2 between the median compound's response to the anchor and that of vehicle above which compounds are no reference
BULK = 0.3
WORDS = {
    "controls": "vehicle wells of the plate",
    "median": "median compound of the plate",
    "polish": "row and column effects (median polish), median compound of the plate",
    "smooth": "smooth position effect, median compound of the plate",
}
COLUMNS = (
    "model", "plate", "replicate", "anchor", "anchor_um", "well", "row", "column", "well_type", "compound", "dose_um",
    "class", "target", "atc", "signal", "net", "position_effect", "score", "viability", "floored", "normalised_by",
    "excluded", "file", "source_row",
)  # fmt: skip
#: one physical plate
PLATE = ["model", "plate", "replicate", "run"]


def tidy(screen: pd.DataFrame) -> pd.DataFrame:
    """The table as read, every column there and typed, wells placed, physical plates told apart by `run`.

    `anchor` is empty and `anchor_um` 0 without the anchor drug. `run` is the arm where one name of a plate stands for a
    plate of each arm (a well stands twice under it), else empty: then both arms share the plate.
    """
    out = pd.DataFrame(index=screen.index)
    for name in ("model", "plate", "well", "compound", "replicate", "well_type", "class", "target", "atc", "exclude"):
        value = screen[name] if name in screen.columns else pd.Series("", index=screen.index)
        out[name] = value.astype(object).where(value.notna(), "").map(as_text)
    for name in ("dose_um", "signal"):
        out[name] = pd.to_numeric(screen[name]).astype("float64") if name in screen.columns else np.nan
    out["well_type"] = out["well_type"].str.casefold().where(out["well_type"] != "", "sample")
    given = screen.assign(
        background_drug=screen.get("background_drug", ""), background_um=screen.get("background_um", 0)
    )
    beside = has_anchor(given)
    out["anchor"] = given["background_drug"].astype(object).where(beside, "").map(as_text)
    out["anchor_um"] = pd.to_numeric(given["background_um"]).where(beside, 0.0).astype("float64")
    for name in ("model", "replicate"):  # a blank well belongs to its plate
        known = out[out[name] != ""].groupby("plate")[name].agg(lambda v: v.iloc[0] if len(set(v)) == 1 else "")
        out[name] = out[name].where(out[name] != "", out["plate"].map(known).fillna(""))
    out["replicate"] = out["replicate"].where(out["replicate"] != "", "1")
    places = {w: parse_well(w) for w in out["well"].unique()}
    out["row"] = out["well"].map({w: p[0] for w, p in places.items() if p}).astype("float64")
    out["column"] = out["well"].map({w: p[1] for w, p in places.items() if p}).astype("float64")
    out["file"] = screen["_file"].astype(str) if "_file" in screen.columns else ""
    out["source_row"] = pd.to_numeric(screen["_row"]) if "_row" in screen.columns else np.nan
    twice = out.duplicated(["model", "plate", "replicate", "well"], keep=False)
    shared = twice.groupby([out["model"], out["plate"], out["replicate"]]).transform("any")
    arm = out["anchor"] + out["anchor_um"].map(lambda v: f" {v:g}" if v else "")
    out["run"] = arm.where(shared, "")
    order = [
        "model",
        "plate",
        "replicate",
        "run",
        "row",
        "column",
        "well",
        "anchor",
        "anchor_um",
        "compound",
        "dose_um",
    ]
    return out.sort_values([*order, "signal"], kind="mergesort").reset_index(drop=True)


def _methods(screen_wells: pd.DataFrame, normalise: str, floor: float) -> str:
    used = [WORDS.get(w, w) for w in sorted(set(screen_wells["normalised_by"]) - {""})]
    return (
        "Signals of the screen were taken less the mean of the plate's blank wells, on a log2 scale (values below "
        f"{floor:g} of vehicle set to it), and referred to the {'; '.join(used) or 'vehicle wells'}"
        + (f" ({B_SCORE})" if "polish" in set(screen_wells["normalised_by"]) else "")
        + ", plate by plate and arm by arm."
    )


@analysis(
    title="Normalised wells of the screen",
    reference=B_SCORE,
    methods=_methods,
    formula="score = log2((signal - blank) / reference of its arm on the plate) - row effect - column effect",
    oracle="No outside reference: planted position effects are removed (tests/assays/test_screen.py)",
    limits=(
        "Correction by the library assumes that most compounds do nothing; a plate of actives alone must use "
        "the vehicle wells."
    ),
)
def screen_wells(screen: pd.DataFrame, *, normalise: Normalise = "auto", floor: float = 0.03) -> pd.DataFrame:
    """Every well of the screen with its normalised value; columns `COLUMNS`.

    `score` is log2 of the net signal (less blank) over the reference of its arm on the plate, position effect taken
    off: 0 is "as the reference with the same anchor". `viability` is a fraction of the vehicle wells of the same arm on
    the plate (of those off its edge where there are four; of the median compound where there are none). `normalise`:
    "controls" refers to the vehicle wells, with nothing said of position; "median" to the median compound of the plate;
    "polish" and "smooth" also take off row and column effects or a smooth surface. "auto" takes "polish" where most
    plates of a model hold at least 24 wells of which at least half are different compounds, over at least 4 rows and 4
    columns, and where the median compound answers to the anchor as vehicle does (within 0.3 log2), else "controls". A
    net signal below `floor` of vehicle is set to it and marked `floored`. Wells that are not used keep their place with
    the reason in `excluded`. Raises NotApplicable where no well holds a compound, ValueError where `floor` is not
    between 0 and 1.
    """
    if not 0 < floor < 1:
        raise ValueError(f"floor is a fraction of vehicle between 0 and 1, got {floor}")
    wells = tidy(screen)
    wells["excluded"] = wells["exclude"].where(wells["exclude"] == "", "left out: " + wells["exclude"])
    wells["excluded"] = wells["excluded"].mask((wells["excluded"] == "") & wells["signal"].isna(), "no signal")
    used = wells["excluded"] == ""
    if not (used & (wells["well_type"] == "sample")).any():
        raise NotApplicable("no well of the screen holds a compound")
    blank = wells[used & (wells["well_type"] == "blank")].groupby(PLATE)["signal"].mean()
    wells["net"] = wells["signal"] - _look_up(wells, PLATE, blank).fillna(0.0)
    arm = [*PLATE, "anchor", "anchor_um"]
    vehicle = wells[used & (wells["well_type"] == "vehicle")].groupby(arm)["net"].median()
    samples = wells[used & (wells["well_type"] == "sample")].groupby(arm)["net"].median()
    whole = _look_up(wells, arm, vehicle)
    whole = whole.where(whole > 0, _look_up(wells, arm, samples))
    wells["excluded"] = wells["excluded"].mask(used & ~(whole > 0), "the reference signal is not above the background")
    used = wells["excluded"] == ""
    low = floor * whole
    wells["floored"] = used & (wells["net"] <= low)
    with np.errstate(invalid="ignore", divide="ignore"):
        level = wells["net"].clip(lower=low) / whole
        wells["level"] = pd.Series(np.log2(level.to_numpy()), index=wells.index).where(used)
    wells["position_effect"], wells["score"], wells["normalised_by"] = 0.0, np.nan, ""
    for _, part in wells.groupby("model", sort=True):
        how = _auto(part) if normalise == "auto" else normalise
        wells.loc[part.index, "normalised_by"] = how
        for _, plate in part.groupby(["plate", "replicate", "run"], sort=True):
            effect, score = _plate(plate, how)
            wells.loc[plate.index, "position_effect"] = effect
            wells.loc[plate.index, "score"] = score
    clean = wells["level"] - wells["position_effect"]
    controls = _inner(wells, used & (wells["well_type"] == "vehicle"), arm)
    middle = _look_up(wells, arm, clean[controls].groupby([wells.loc[controls, c] for c in arm]).mean())
    lacking = middle.isna()
    wells["viability"] = np.exp2((clean - middle).where(~lacking, wells["score"]))
    return wells.loc[:, list(COLUMNS)]


def _inner(wells: pd.DataFrame, controls: pd.Series, arm: list[str]) -> pd.Series:
    """The vehicle wells that viability refers to: those off the edge of the plate where an arm has four, else all."""
    last = wells.groupby("model")[["row", "column"]].transform("max")
    inside = controls & (wells["row"] > 1) & (wells["column"] > 1)
    inside &= (wells["row"] < last["row"]) & (wells["column"] < last["column"])
    enough = inside.groupby([wells[c] for c in arm]).transform("sum") >= 4
    return (inside & enough) | (controls & ~enough)


def _look_up(frame: pd.DataFrame, keys: list[str], values: pd.Series) -> pd.Series:
    """`values`, indexed by `keys`, for every row of `frame` (NaN where there is none)."""
    if values.empty:
        return pd.Series(np.nan, index=frame.index)
    found = frame[keys].merge(values.rename("_value").reset_index(), on=keys, how="left")["_value"]
    return pd.Series(found.to_numpy(dtype="float64"), index=frame.index)


def _auto(part: pd.DataFrame) -> str:
    """The normalisation that the layout of a model's plates allows."""
    sample = part[(part["well_type"] == "sample") & (part["excluded"] == "")]
    plates = sample.groupby(["plate", "replicate", "run"])
    size, kinds = plates.size(), plates["compound"].nunique()
    spread = (plates["row"].nunique() >= 4) & (plates["column"].nunique() >= 4)
    library = (size >= LIBRARY_WELLS) & (kinds >= LIBRARY_SHARE * size)
    if not library.mean() > 0.5:
        return "controls"
    # does the bulk of the library itself answer to the anchor? then its median is no "no effect"
    middle = part["level"].groupby([part["well_type"], part["anchor"], part["anchor_um"]]).median()
    if "vehicle" in middle.index.get_level_values(0):
        gap = (middle.loc["sample"] - middle.loc["vehicle"]).dropna()
        plain = gap[gap.index.get_level_values(0) == ""]
        beside = gap[gap.index.get_level_values(0) != ""]
        if len(plain) and len(beside) and (beside - plain.iloc[0]).abs().max() > BULK:
            return "controls"
    return "polish" if (spread & library).sum() > 0.5 * len(library) else "median"


def _plate(plate: pd.DataFrame, how: str) -> tuple[Any, Any]:
    """Position effect and score of every well of one physical plate."""
    level = plate["level"]
    arm = [plate["anchor"], plate["anchor_um"]]
    sample, vehicle = plate["well_type"] == "sample", plate["well_type"] == "vehicle"
    effect = pd.Series(0.0, index=plate.index)
    if how in ("polish", "smooth"):
        centre = level[sample].groupby([a[sample] for a in arm]).transform("median")
        effect = _position(plate.loc[sample].assign(level=level[sample] - centre), plate, how)
    clean = level - effect
    of = vehicle if how == "controls" and level[vehicle].notna().any() else sample
    by_arm = clean[of].groupby([a[of] for a in arm])
    reference = (by_arm.mean() if of is vehicle else by_arm.median()).rename("_value").reset_index()
    there = plate[["anchor", "anchor_um"]].merge(reference, on=["anchor", "anchor_um"], how="left")["_value"].to_numpy()
    return effect, clean - there


def _shrunk(effects: Floats, rest: Floats, axis: int) -> Floats:
    """Row or column effects as far as they exceed what noise alone gives medians of so many wells (0 where unknown)."""
    known = ~np.isnan(effects)
    noise = (MAD_SD * float(np.nanmedian(np.abs(rest)))) ** 2
    wells = np.maximum((~np.isnan(rest)).sum(axis=axis), 1)[known]
    seen = float(np.mean(effects[known] ** 2))
    expected = float(np.mean(np.pi / 2 * noise / wells))  # variance of a median
    share = max(0.0, 1.0 - expected / seen) if seen > 0 else 0.0
    return np.asarray(np.where(known, share * np.nan_to_num(effects), 0.0))


def _position(samples: pd.DataFrame, plate: pd.DataFrame, how: str) -> pd.Series:
    """Position effect for every well of a plate from its sample wells (0 where nothing tells it)."""
    zero = pd.Series(0.0, index=plate.index)
    placed = samples[samples["row"].notna() & samples["level"].notna()]
    if placed["row"].nunique() < 4 or placed["column"].nunique() < 4:
        return zero
    shape = (int(plate["row"].max()), int(plate["column"].max()))
    table = np.full(shape, np.nan)
    r, c = placed["row"].to_numpy(int) - 1, placed["column"].to_numpy(int) - 1
    table[r, c] = placed["level"].to_numpy()
    if how == "polish":
        _, rows, columns, rest = median_polish(table)
        surface = _shrunk(rows, rest, 1)[:, None] + _shrunk(columns, rest, 0)[None, :]
    else:
        surface = smooth_surface(table)
    known = plate["row"].notna()
    zero[known] = surface[plate.loc[known, "row"].astype(int) - 1, plate.loc[known, "column"].astype(int) - 1]
    return zero
