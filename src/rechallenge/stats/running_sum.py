"""Running sums of sets over a ranking, compiled: how far each strays from zero.

Down a ranking the sum rises by the weight of each member (all of them together 1) and falls by the same small step at
every other item (all of them together 1).
"""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def farthest(position: Ints, weight: Floats, members: Ints, starts: Ints) -> Floats:
    """The farthest deviation [sets] of the running sum of each set.

    ``position`` [genes] rank of every gene from 0, ``weight`` [genes]; set k has members[starts[k]:starts[k + 1]].
    """
    n, out = len(position), np.zeros(len(starts) - 1)
    for k in range(len(starts) - 1):
        genes = members[starts[k] : starts[k + 1]]
        places = position[genes]
        order = np.argsort(places)
        total = 0.0
        for g in genes:
            total += weight[g]
        miss = float(n - len(genes))
        if total <= 0.0 or miss <= 0.0:
            continue
        so_far, best = 0.0, 0.0
        for i in range(len(genes)):
            at = order[i]
            before = so_far / total - (places[at] - i) / miss
            so_far += weight[genes[at]]
            after = so_far / total - (places[at] - i) / miss
            if abs(before) > abs(best):
                best = before
            if abs(after) > abs(best):
                best = after
        out[k] = best
    return out
