"""What the numbers of a matrix say about their scale, and what happens to features named twice."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge.faults import Fault

#: unit -> how labs and programs write it (compared without case, spaces and punctuation)
UNITS: dict[str, tuple[str, ...]] = {
    "counts": ("count", "rawcounts", "readcounts", "umi", "umis", "spectralcounts", "htseq", "featurecounts"),
    "log2": ("log2intensity", "log2expression", "log2tpm", "log2cpm", "log2fpkm", "log", "rma", "normlog2", "vst",
             "rlog", "log2ratio"),
    "tpm": (),
    "fpkm": ("rpkm",),
    "cpm": (),
    "intensity": ("intensities", "lfq", "lfqintensity", "signal", "abundance", "tmt"),
    "area": ("areas", "peakarea", "peakareas", "peakheight"),
    "concentration": ("um", "nm", "mm", "nmolmg", "pmolmg", "nmol", "pmol", "ugml", "molpercent", "mol"),
    "zscore": ("z", "zscores", "scaled"),
}  # fmt: skip
#: values above this are no logarithms to base 2 of anything that is measured
_LOG_TOP = 50.0
#: units whose values cannot be negative
_POSITIVE = ("counts", "tpm", "fpkm", "cpm", "intensity", "area", "concentration")

Floats = NDArray[np.float64]


def unit_of(text: str) -> str:
    """The unit that a text names, '' where it names none that is known.

    >>> unit_of("Peak areas"), unit_of("raw counts"), unit_of("LFQ intensity"), unit_of("furlongs")
    ('area', 'counts', 'intensity', '')
    """
    key = "".join(c for c in text.casefold() if c.isalnum())
    return next((u for u, also in UNITS.items() if key == u or key in also), "")


def guess(values: Floats) -> str:
    """The unit that the values look like: counts, log2, tpm or intensity."""
    known = values[np.isfinite(values)]
    if not known.size:
        return "intensity"
    if known.min() >= 0 and known.max() > _LOG_TOP and bool((known == np.floor(known)).all()):
        return "counts"
    if known.max() <= _LOG_TOP:
        return "log2"
    return "tpm" if _per_million(values) and known.min() >= 0 else "intensity"


def doubts(values: Floats, unit: str, said: bool) -> Iterator[Fault]:
    """Faults where the values cannot have the unit that was named; `values` [features, samples]."""
    known = values[np.isfinite(values)]
    if not known.size:
        yield Fault("no-values", "no cell of the matrix holds a number.", "Check the file and its decimal mark.")
        return
    low, top = float(known.min()), float(known.max())
    if unit in _POSITIVE and low < 0:
        yield Fault(
            "scale",
            f"{unit} cannot be negative, and the lowest value is {low:.4g}: these look like logarithms or differences.",
            'Say unit = "log2", or give the values before they were transformed.',
        )
    elif unit == "counts":
        part = float((known != np.floor(known)).mean())
        if part > 0 and _per_million(values):
            yield Fault(
                "scale",
                "these are no counts: every sample sums to one million, as in TPM or CPM.",
                'Say unit = "tpm" (or "cpm"), or give the raw counts; counts allow far better tests.',
            )
        elif part > 0 and top <= _LOG_TOP:
            yield Fault(
                "scale",
                f"these are no counts: they are not whole and none is above {top:.3g}, as in logarithms.",
                'Say unit = "log2", or give the raw counts.',
            )
        elif part > 0:
            yield Fault(
                "not-whole",
                f"{100 * part:.3g} % of the counts are not whole; they are taken as estimated counts (RSEM, salmon, "
                "kallisto).",
                "If they were normalised or scaled, give the raw counts instead: tests for counts are wrong otherwise.",
                severity="warning",
            )
    elif unit == "log2" and top > _LOG_TOP:
        yield Fault(
            "scale",
            f"these are called log2, but the highest value is {top:.4g}: they are on the linear scale.",
            'Say unit = "intensity" (or "counts", "tpm"), or give the logarithms.',
        )
    elif unit in ("intensity", "area", "tpm", "fpkm", "cpm") and top <= 30 and said and float(np.median(known)) > 1:
        yield Fault(
            "scale",
            f"these are called {unit}, but none is above {top:.3g} and half are above {np.median(known):.3g}: they "
            "look like logarithms.",
            'Say unit = "log2" if they are.',
            severity="warning",
        )


def _per_million(values: Floats) -> bool:
    sums = np.nansum(values, axis=0)
    return bool(values.shape[0] >= 100 and np.all(np.abs(sums - 1e6) < 2e4))


def unite(frame: pd.DataFrame, samples: list[str], unit: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row per feature, and the rows that were left out for it (`feature`, `_file`, `_row`).

    Counts of a feature named more than once are added; of other units the row with the highest mean is kept. The rows
    keep the order of the first of each name.
    """
    twice = frame["feature"].duplicated(keep=False)
    if not twice.any():
        return frame, frame.iloc[:0][["feature", "_file", "_row"]]
    if unit == "counts":
        first = frame[~frame["feature"].duplicated()].copy()
        sums = frame.groupby("feature", sort=False)[samples].sum(min_count=1)
        first[samples] = sums.loc[first["feature"]].to_numpy()
        return first.reset_index(drop=True), frame.iloc[:0][["feature", "_file", "_row"]]
    values = frame[samples].to_numpy(dtype=float)
    known = np.isfinite(values)
    mean = np.where(known, values, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    mean = np.where(known.any(axis=1), mean, -np.inf)
    best = pd.Series(mean, index=frame.index).groupby(frame["feature"], sort=False).idxmax()
    kept = frame.index.isin(best)
    out = frame[~kept][["feature", "_file", "_row"]]
    return frame[kept].reset_index(drop=True), out
