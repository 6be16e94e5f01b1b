"""Adjustment of p-values for the number of tests made.

A p-value that is NaN was not a test: it is not counted, and its adjusted value is NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def _tests(p: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    values = np.asarray(p, dtype=np.float64)
    made = ~np.isnan(values)
    if np.any((values[made] < 0) | (values[made] > 1)):
        raise ValueError("p-values lie between 0 and 1 (NaN where no test was made)")
    return values, made


def bh(p: ArrayLike) -> Floats:
    """False-discovery-rate adjusted p-values (q-values) of Benjamini and Hochberg.

    Same shape as `p`; NaN stays NaN and does not count as a test. q >= p always, q is monotone in p.
    Raises ValueError where a p-value is outside 0 to 1. Source: doi:10.1111/j.2517-6161.1995.tb02031.x.
    """
    values, made = _tests(p)
    out = np.full(values.shape, np.nan)
    tested = values[made]
    if tested.size:
        order = np.argsort(tested, kind="mergesort")
        scaled = tested[order] * (tested.size / np.arange(1, tested.size + 1))
        q = np.empty_like(tested)
        q[order] = np.minimum.accumulate(scaled[::-1])[::-1]
        # the factor m / rank can fall below 1 by rounding only; keep q >= p exactly
        out[made] = np.clip(np.maximum(q, tested), 0.0, 1.0)
    return out


def holm(p: ArrayLike) -> Floats:
    """Family-wise adjusted p-values of Holm (1979), Scandinavian Journal of Statistics 6, 65-70.

    Same shape as `p`; NaN stays NaN and does not count as a test. Raises ValueError where a p-value is outside 0
    to 1.
    """
    values, made = _tests(p)
    out = np.full(values.shape, np.nan)
    tested = values[made]
    if tested.size:
        order = np.argsort(tested, kind="mergesort")
        scaled = tested[order] * np.arange(tested.size, 0, -1)
        adjusted = np.empty_like(tested)
        adjusted[order] = np.maximum.accumulate(scaled)
        out[made] = np.clip(adjusted, 0.0, 1.0)
    return out
