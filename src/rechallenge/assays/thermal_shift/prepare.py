"""From rows of a table to comparisons of one treatment with vehicle: matrices, designs and normalisation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge.assays.thermal_shift.contract import each_label, vehicle_rows
from rechallenge.contrasts import is_vehicle
from rechallenge.stats.melt import curve, fit_melts

Floats = NDArray[np.float64]

MELTING, SINGLE, INTEGRAL = "melting curves", "one temperature", "integral (PISA)"
DOSES, BANDS, DARTS = "dose x temperature", "bands (CETSA)", "protease (DARTS)"
#: with fewer proteins nothing can be learnt from the others: every protein is tested by itself
MIN_PROTEINS = 20
#: (place from the lowest temperature of ten, lowest, highest fraction soluble) of the proteins that set the
#: normalisation: Franken et al. 2015 (doi:10.1038/nprot.2015.101) and `tpptrDefaultNormReqs` of the package TPP
FULL_MELT = ((7, 0.4, 0.6), (9, 0.0, 0.3), (10, 0.0, 0.2))


@dataclass(frozen=True)
class Comparison:
    """One treatment against vehicle in one model.

    ``values`` [p, s] (technical measurements averaged; nan = missing) of ``proteins`` in ``samples``: one row per
    sample with treated (bool), dose_um, temperature_c, range_c, protease, replicate. ``spectra`` [p]: the fewest
    quantified spectra that the protein has in any sample; nan where the table does not say.
    """

    model: str
    treatment: str
    design: str
    proteins: tuple[str, ...]
    genes: tuple[str, ...]
    values: Floats
    samples: pd.DataFrame
    spectra: Floats

    def part(self, keep: NDArray[np.bool_]) -> Comparison:
        """The same with some of the samples."""
        return replace(self, values=self.values[:, keep], samples=self.samples[keep].reset_index(drop=True))

    @property
    def treated(self) -> NDArray[np.bool_]:
        return self.samples["treated"].to_numpy(dtype=bool)

    @property
    def temperature(self) -> Floats:
        return self.samples["temperature_c"].to_numpy(dtype=np.float64)

    @property
    def runs(self) -> NDArray[np.int64]:
        """Number of the run (arm and replicate) of each sample."""
        keys = self.samples[["treated", "dose_um", "replicate"]].astype(str).agg("|".join, axis=1)
        return np.unique(keys, return_inverse=True)[1].astype(np.int64)


def tidied(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with plain labels; `value` is the abundance, over the loading control where there is one."""
    out = frame.copy()
    for c in ("model", "treatment", "replicate", "protease", "range_c", "blot", "protein", "gene"):
        out[c] = each_label(out[c].fillna(""), lambda label: str(label).strip()) if c in out.columns else ""
    for c in ("dose_um", "temperature_c", "loading", "peptides", "spectra"):
        out[c] = pd.to_numeric(out[c]).astype("float64") if c in out.columns else np.nan
    out["vehicle"] = vehicle_rows(out)
    out["value"] = out["abundance"] / out["loading"].fillna(1.0)
    return out


def comparisons(table: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """(model, treatment, its rows and those of its vehicle) of a `tidied` table, sorted."""
    for model, rows in table.groupby("model", sort=True):
        drugs = sorted(set(rows.loc[~rows["vehicle"], "treatment"]))
        for drug in drugs:
            own = rows["vehicle"] & (each_label(rows["treatment"], is_vehicle) | (rows["treatment"] == drug))
            part = rows[own | (~rows["vehicle"] & (rows["treatment"] == drug))]
            if part["vehicle"].any():
                yield str(model), drug, part


def design_of(rows: pd.DataFrame) -> str:
    """What experiment the rows of one comparison are."""
    proteins = rows["protein"].nunique()
    if _proteases(rows).any():
        return DARTS
    if rows["temperature_c"].isna().all():
        return INTEGRAL if proteins >= MIN_PROTEINS else BANDS
    if proteins < MIN_PROTEINS:
        return BANDS
    shared = set(rows.loc[rows["vehicle"], "temperature_c"]) & set(rows.loc[~rows["vehicle"], "temperature_c"])
    doses = rows.loc[~rows["vehicle"] & (rows["dose_um"] > 0), "dose_um"].nunique()
    if doses >= 3:
        return DOSES
    return MELTING if len(shared) >= 6 else SINGLE


def _proteases(rows: pd.DataFrame) -> pd.Series[bool]:
    return ~each_label(rows["protease"], no_protease)


def no_protease(label: object) -> bool:
    """Whether a label says that no protease was given."""
    return bool(re.fullmatch(r"(?i)\s*(|0+([.,]0+)?|none|no|undigested|-|without)\s*", str(label)))


def matrix(model: str, treatment: str, rows: pd.DataFrame, design: str) -> Comparison:
    """Rows of one comparison as proteins by samples; technical measurements are averaged."""
    keys = ["treated", "dose_um", "temperature_c", "range_c", "protease", "replicate"]
    rows = rows.assign(treated=~rows["vehicle"])
    rows.loc[~rows["treated"], "dose_um"] = 0.0
    proteins, at = np.unique(rows["protein"].to_numpy(dtype=str), return_inverse=True)
    filled = rows[keys].fillna({"dose_um": -1.0, "temperature_c": -1.0})
    column = filled.groupby(keys, sort=True).ngroup().to_numpy()
    size = (len(proteins), int(column.max()) + 1)
    cell = at * size[1] + column
    value = rows["value"].to_numpy(dtype=np.float64)
    total = np.bincount(cell, weights=value, minlength=size[0] * size[1])
    count = np.bincount(cell, minlength=size[0] * size[1])
    values = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0).reshape(size)
    first = np.unique(column, return_index=True)[1]
    samples = rows.iloc[first][keys].reset_index(drop=True)
    names = rows.assign(_at=at).sort_values(["_at", "gene"]).groupby("_at")["gene"].last()
    genes = [g or p for g, p in zip(names, proteins, strict=True)]
    spectra = rows.groupby(at, sort=True)["spectra"].min().to_numpy(dtype=np.float64)
    return Comparison(model, treatment, design, tuple(proteins.tolist()), tuple(genes), values, samples, spectra)


def fractions(one: Comparison) -> tuple[Comparison, str]:
    """Values relative to the lowest temperature of their run, unless they are so already; and what was done."""
    t, runs = one.temperature, one.runs
    lowest = np.zeros(len(t), dtype=bool)
    for run in np.unique(runs):
        lowest |= (runs == run) & (t == t[runs == run].min())
    middle = float(np.nanmedian(one.values[:, lowest]))
    if 0.5 <= middle <= 2.0:
        return one, "as given, relative to the lowest temperature"
    values = np.full(one.values.shape, np.nan)
    for run in np.unique(runs):
        base = one.values[:, (runs == run) & lowest].mean(axis=1)
        base = np.where(base > 0, base, np.nan)
        values[:, runs == run] = one.values[:, runs == run] / base[:, None]
    return replace(one, values=values), "divided by the lowest temperature of each run"


def _fully_melting(
    one: Comparison, run: NDArray[np.int64], bounds: Sequence[tuple[int, float, float]]
) -> NDArray[np.bool_]:
    """Proteins that melt within the range of a run (its samples): about half soluble at its seventh temperature of
    ten, next to nothing at the last two. With other numbers of temperatures places count from the highest."""
    at = run[np.argsort(one.temperature[run], kind="mergesort")]
    if len(at) < 6:
        return np.zeros(len(one.values), dtype=bool)
    inside = np.ones(len(one.values), dtype=bool)
    for place, low, high in bounds:
        values = one.values[:, at[max(len(at) - 11 + place, 0)]]
        with np.errstate(invalid="ignore"):
            inside &= (values >= low) & (values <= high)
    return inside


def normalised(
    one: Comparison, *, min_spectra: int = 4, bounds: Sequence[tuple[int, float, float]] = FULL_MELT
) -> tuple[Comparison, pd.DataFrame]:
    """Median-curve normalisation of fractions (Savitski et al. 2014, doi:10.1126/science.1255784; in detail Franken et
    al. 2015, doi:10.1038/nprot.2015.101).

    Of the proteins that all runs have, on `min_spectra` quantified spectra or more in each (where the table says),
    those are taken that melt fully in one run: `bounds` holds (place of the temperature, lowest, highest fraction). The
    run with most of them counts; every run's medians over them are brought to one melting curve, fitted to the medians
    of the run that it fits best. Where fewer than 20 proteins melt so, all with complete curves are taken. Returns the
    factors too: treated, replicate, temperature_c, median, factor, r2, n_proteins, by (what was taken).
    """
    t, runs = one.temperature, one.runs
    each = np.unique(runs)
    there = np.logical_and.reduce([np.isfinite(one.values[:, runs == run]).any(axis=1) for run in each])
    seen = np.isfinite(one.spectra)
    joint = there & (~seen | (one.spectra >= min_spectra))
    sets: list[NDArray[np.bool_]] = [joint & _fully_melting(one, np.flatnonzero(runs == run), bounds) for run in each]
    chosen = sets[int(np.argmax([members.sum() for members in sets]))]
    by = "proteins that melt fully" + (f", {min_spectra} or more spectra" if seen.any() else "")
    if chosen.sum() < MIN_PROTEINS:
        chosen, by = np.asarray(np.isfinite(one.values).all(axis=1), dtype=bool), "all proteins with complete curves"
    if chosen.sum() < MIN_PROTEINS:
        return one, pd.DataFrame()
    medians = np.nanmedian(one.values[chosen], axis=0)
    fits = {run: fit_melts(medians[runs == run], t[runs == run], starts=4) for run in each}
    best = max(fits, key=lambda run: (float(fits[run].r2[0]), -run))
    if not np.isfinite(fits[best].r2[0]):
        return one, pd.DataFrame()
    reference = curve(fits[best].params, t)[0]
    factor = np.where(medians > 0, reference / np.where(medians > 0, medians, 1.0), 1.0)
    quality = one.samples[["treated", "replicate", "temperature_c"]].copy()
    quality["median"], quality["factor"] = medians, factor
    quality["r2"] = [float(fits[r].r2[0]) for r in runs]
    quality["n_proteins"], quality["by"] = int(chosen.sum()), by
    return replace(one, values=one.values * factor), quality
