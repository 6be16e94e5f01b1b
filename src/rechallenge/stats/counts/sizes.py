"""How deeply each sample was sequenced: size factors by the median of ratios.

Source: Anders and Huber 2010 (doi:10.1186/gb-2010-11-10-r106).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def size_factors(counts: Floats) -> Floats:
    """Size factors [n] of ``counts`` [features, n], about 1 each.

    The ratio is taken over features that every sample has; where there are none, over each sample's own features
    against the geometric mean of the positive counts. Raises ValueError for a sample without counts.
    """
    x = np.asarray(counts, dtype=np.float64)
    empty = np.flatnonzero(x.sum(axis=0) <= 0)
    if empty.size:
        raise ValueError(f"sample {int(empty[0]) + 1} has no counts")
    with np.errstate(divide="ignore"):
        logs = np.log(x)
    everywhere = np.isfinite(logs).all(axis=1)
    if everywhere.any():
        reference = logs[everywhere].mean(axis=1, keepdims=True)
        return np.asarray(np.exp(np.median(logs[everywhere] - reference, axis=0)))
    positive = np.where(np.isfinite(logs), logs, 0.0)
    reference = positive.sum(axis=1) / x.shape[1]
    out = np.array([np.median(logs[there, j] - reference[there]) for j, there in enumerate(np.isfinite(logs).T)])
    return np.asarray(np.exp(out - out.mean()))
