"""Do several layers of evidence agree in sign? Directional partial conjunction of one-sided p-values.

For each sign, the hypothesis that fewer than u of L layers have an effect of that sign is rejected at

    p = (L - u + 1) p_(u),

whatever the dependence between the layers; u = L = 2 gives the larger p. Both signs are asked, so the reported p is
twice the smaller. Where layers belong to sides (what is made, and what it does, say), each side must show an effect
of its own: the largest of the conjunction's p and of each side's Bonferroni p, again valid under any dependence.

Source: Benjamini and Heller 2008, doi:10.1111/j.1541-0420.2007.00984.x; Owen 2009 (directional), doi:10.1214/09-AOS697.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Joined:
    """Over g items: ``p_up``, ``p_down`` [g] per sign, ``p_value`` [g] two-sided, ``direction`` [g] of the smaller
    (+1, -1; 0 where undecided or nan). nan where the layers do not suffice."""

    p_up: Floats
    p_down: Floats

    @property
    def p_value(self) -> Floats:
        return np.asarray(np.minimum(1.0, 2 * np.fmin(self.p_up, self.p_down)))

    @property
    def direction(self) -> NDArray[np.int64]:
        up, down = np.nan_to_num(self.p_up, nan=2.0), np.nan_to_num(self.p_down, nan=2.0)
        return np.asarray((up < down).astype(np.int64) - (down < up).astype(np.int64))


def one_sided(p_value: ArrayLike, sign: ArrayLike) -> tuple[Floats, Floats]:
    """(p_up, p_down) from two-sided p-values and the signs of their estimates; nan where either is not known."""
    p, s = np.asarray(p_value, np.float64), np.sign(np.asarray(sign, np.float64))
    up = np.where(s > 0, p / 2, np.where(s < 0, 1 - p / 2, np.where(s == 0, 0.5, np.nan)))
    up = np.where(np.isnan(p), np.nan, up)
    return up, 1 - up


def partial_conjunction(p: ArrayLike, u: int = 2) -> Floats:
    """[g] p of "fewer than u layers have an effect" from p-values ``p`` [g, L]; nan is a layer that is not there.

    nan where fewer than ``u`` layers are there. Raises ValueError where u < 1.
    """
    if u < 1:
        raise ValueError("a conjunction needs at least one layer (u >= 1)")
    values = np.atleast_2d(np.asarray(p, np.float64))
    there = np.sum(~np.isnan(values), axis=1)
    if values.shape[1] < u:
        return np.full(values.shape[0], np.nan)
    ranked = np.sort(values, axis=1)[:, u - 1]  # nan sorts last
    return np.asarray(np.where(there >= u, np.minimum(1.0, (there - u + 1) * ranked), np.nan))


def conjunction(p_up: ArrayLike, p_down: ArrayLike, u: int = 2, sides: Sequence[object] = ()) -> Joined:
    """Do at least ``u`` layers have effects of one sign? One-sided p-values ``p_up``, ``p_down`` [g, L].

    ``sides`` [L] names the side of every layer; with it each side that is named must show an effect of its own, and
    an item without any layer on one of the sides is nan.
    """
    both = []
    for p in (p_up, p_down):
        values = np.atleast_2d(np.asarray(p, np.float64))
        parts = [partial_conjunction(values, u)]
        parts += [partial_conjunction(values[:, columns], 1) for columns in _columns(sides, values.shape[1])]
        both.append(np.max(np.vstack(parts), axis=0))  # nan stays nan
    return Joined(both[0], both[1])


def opposition(
    p_up: ArrayLike, p_down: ArrayLike, sides: Sequence[object], leading: object
) -> tuple[Joined, NDArray[np.int64]]:
    """Does a layer of another side point against the leading side? (Joined, index [g] of that layer or -1).

    For every layer that is not on the ``leading`` side its sign is turned and the conjunction with the leading side is
    asked; the smallest p over such layers is multiplied by their number (Bonferroni). ``direction`` is that of the
    leading side.
    """
    ups, downs = (np.atleast_2d(np.asarray(p, np.float64)) for p in (p_up, p_down))
    lead = [k for k, side in enumerate(sides) if side == leading]
    other = [k for k, side in enumerate(sides) if side != leading]
    if not lead or not other:
        nothing = np.full(ups.shape[0], np.nan)
        return Joined(nothing, nothing), np.full(ups.shape[0], -1)
    found, which = [], []
    for own, turned in ((ups, downs), (downs, ups)):
        first = partial_conjunction(own[:, lead], 1)[:, None]
        pairs = np.where(np.isnan(first), np.nan, np.maximum(first, turned[:, other]))
        found.append(partial_conjunction(pairs, 1))
        which.append(np.argmin(np.nan_to_num(pairs, nan=2.0), axis=1))
    joined = Joined(found[0], found[1])
    index = np.where(joined.direction >= 0, which[0], which[1])
    return joined, np.where(np.isnan(joined.p_value), -1, np.asarray(other)[index])


def _columns(sides: Sequence[object], n: int) -> list[list[int]]:
    if not sides:
        return []
    if len(sides) != n:
        raise ValueError(f"{len(sides)} sides for {n} layers")
    return [[k for k, s in enumerate(sides) if s == side] for side in dict.fromkeys(sides)]
