"""Scores of sets of features in single samples: single-sample enrichment (ssGSEA).

The sum over ranks of the difference between the weighted share of hits and the share of misses (Barbie et al. 2009,
doi:10.1038/nature08460), divided by the number of features. Scores compare samples, not sets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def single_sample(
    values: Any, genes: Any, sets: Mapping[str, Sequence[str]], smallest: int, weight: float = 0.25
) -> list[tuple[str, Any, int]]:
    """ssGSEA of ``values`` [features, samples], by term: (term, scores [samples], size) of every set that has
    `smallest` or more of the features named ``genes`` and not all of them."""
    n = values.shape[0]
    if n < 2 * smallest:
        return []
    order = np.argsort(-values, axis=0, kind="stable")
    rank = np.arange(n, 0, -1, dtype=float)[:, None]  # the highest gene has rank n
    out = []
    for term, members in sorted(sets.items()):
        inside = np.isin(genes, list(members))
        size = int(inside.sum())
        if size < smallest or size >= n:
            continue
        hit = inside[order]
        w = np.where(hit, rank**weight, 0.0)
        up = np.cumsum(w, axis=0) / w.sum(axis=0)
        down = np.cumsum(~hit, axis=0) / (n - size)
        out.append((term, (up - down).sum(axis=0) / n, size))
    return out
