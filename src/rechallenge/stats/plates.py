"""Microplates as rectangles of numbers: assay window of control wells, and what position on the plate does.

A plate is an array rows x columns with NaN where there is no well. Position effects are additive on the scale given
(take logarithms first where they multiply).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: MAD of a normal sample times this is its standard deviation
MAD_SD = 1.4826


def z_prime(high: Floats, low: Floats, *, robust: bool = False) -> float:
    """Z' = 1 - 3 (sd_high + sd_low) / |mean_high - mean_low| of two control groups; NaN with fewer than 2 wells.

    `robust` takes medians and scaled median absolute deviations. Source: doi:10.1177/108705719900400206.
    """
    if min(high.size, low.size) < 2:
        return float("nan")
    (a, s), (b, t) = (_level(v, robust) for v in (high, low))
    return 1.0 - 3.0 * (s + t) / abs(a - b) if a != b else float("nan")


def ssmd(high: Floats, low: Floats) -> float:
    """Strictly standardised mean difference of two independent control groups; NaN with fewer than 2 wells.

    (mean_high - mean_low) / sqrt(var_high + var_low). Source: doi:10.1177/1087057107300645.
    """
    if min(high.size, low.size) < 2:
        return float("nan")
    spread = float(high.var(ddof=1) + low.var(ddof=1))
    return float(high.mean() - low.mean()) / spread**0.5 if spread > 0 else float("nan")


def _level(values: Floats, robust: bool) -> tuple[float, float]:
    if robust:
        middle = float(np.median(values))
        return middle, MAD_SD * float(np.median(np.abs(values - middle)))
    return float(values.mean()), float(values.std(ddof=1))


def median_polish(table: Floats, *, rounds: int = 20, tolerance: float = 1e-9) -> tuple[float, Floats, Floats, Floats]:
    """Tukey's median polish of a rows x columns table with gaps (NaN): overall, row effects, column effects, residuals.

    The two-way correction under the B score of plate screens (doi:10.1177/1087057103258285). Rows and columns
    without a value have effect NaN.
    """
    rest = np.array(table, dtype=np.float64)
    rows, columns = np.zeros(rest.shape[0]), np.zeros(rest.shape[1])
    known_rows, known_columns = ~np.isnan(rest).all(axis=1), ~np.isnan(rest).all(axis=0)
    overall = 0.0
    for _ in range(rounds):
        by_row = np.zeros(rest.shape[0])
        by_row[known_rows] = _medians(rest[known_rows])
        rest -= by_row[:, None]
        rows += by_row
        shift = float(np.median(columns[known_columns]))
        columns, overall = columns - shift, overall + shift
        by_column = np.zeros(rest.shape[1])
        by_column[known_columns] = _medians(rest[:, known_columns].T)
        rest -= by_column
        columns += by_column
        shift = float(np.median(rows[known_rows]))
        rows, overall = rows - shift, overall + shift
        if max(np.abs(by_row).max(), np.abs(by_column).max()) <= tolerance * max(1.0, abs(overall)):
            break
    return overall, np.where(known_rows, rows, np.nan), np.where(known_columns, columns, np.nan), rest


def _medians(table: Floats) -> Floats:
    """Median of what is known in every row (every row has a value); far quicker than `numpy.nanmedian`."""
    ordered = np.sort(table, axis=1)  # NaN last
    n = (~np.isnan(table)).sum(axis=1)
    at = np.arange(len(table))
    return np.asarray((ordered[at, (n - 1) // 2] + ordered[at, n // 2]) / 2)


def smooth_surface(table: Floats, *, bandwidth: float = 1.5, limit: float = 2.0) -> Floats:
    """A smooth position effect rows x columns, centred on 0, at every position (gaps too).

    Gaussian-weighted local means (`bandwidth` in wells) of the values, each held within `limit` robust standard
    deviations of the median of the plate, so that single active wells hardly move it. A plate edge that differs from
    its inside is only partly followed: for that, row and column effects (`median_polish`) are the better model.
    """
    known = ~np.isnan(table)
    if not known.any():
        return np.zeros(table.shape)
    middle = float(np.nanmedian(table))
    reach = limit * MAD_SD * float(np.nanmedian(np.abs(table - middle)))
    held = np.where(known, np.clip(table - middle, -reach, reach), 0.0)
    weights = [np.exp(-0.5 * (np.subtract.outer(i, i) / bandwidth) ** 2) for i in map(np.arange, table.shape)]
    top = weights[0] @ held @ weights[1]
    under = weights[0] @ known.astype(np.float64) @ weights[1]
    surface = np.where(under > 1e-9, top / np.maximum(under, 1e-9), 0.0)
    return np.asarray(surface - np.median(surface[known]))
