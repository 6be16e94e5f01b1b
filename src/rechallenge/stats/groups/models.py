"""How a weighted sum of group means is estimated: independent groups, blocks, paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NAN = float("nan")
#: a spread below this part of the size of the numbers is rounding, not scatter
ROUNDING = 1e-11


class Model(Protocol):
    """How a weighted sum of group means is estimated: (effect, standard error, degrees of freedom, reason)."""

    def contrast(self, weights: Mapping[str, float]) -> tuple[float, float, float, str]: ...


@dataclass(frozen=True)
class Independent:
    """Groups without anything in common; `pooled`: one spread for all of them."""

    values: Mapping[str, Floats]
    pooled: bool

    def contrast(self, weights: Mapping[str, float]) -> tuple[float, float, float, str]:
        used = {g: w for g, w in weights.items() if w != 0}
        effect = float(sum(w * self.values[g].mean() for g, w in used.items()))
        few = [g for g in used if len(self.values[g]) < 2]
        if few:
            return effect, NAN, NAN, f"one biological replicate of {', '.join(few)}: no test"
        part = {g: w**2 * self.variance(g) / len(self.values[g]) for g, w in used.items()}
        total = sum(part.values())
        if total <= 0:
            return effect, NAN, NAN, "the replicates do not differ at all: no test"
        if self.pooled:
            return effect, float(np.sqrt(total)), self.df, ""
        df = total**2 / sum(v**2 / (len(self.values[g]) - 1) for g, v in part.items())
        return effect, float(np.sqrt(total)), float(df), ""

    @property
    def df(self) -> float:
        return float(sum(len(v) - 1 for v in self.values.values()))

    def variance(self, group: str) -> float:
        if not self.pooled:
            return variance_of(self.values[group])
        return sum(variance_of(v) * (len(v) - 1) for v in self.values.values() if len(v) > 1) / self.df


def variance_of(values: Floats) -> float:
    spread = float(values.std(ddof=1))
    return 0.0 if spread <= ROUNDING * max(1e-300, float(np.abs(values).max())) else spread**2


class Blocks:
    """value = group + block + rest, by least squares; the rest is the scatter."""

    def __init__(self, group: Sequence[str], block: Sequence[str], value: Floats):
        self.groups = sorted(set(group))
        self.count = {g: group.count(g) for g in self.groups}
        blocks = sorted(set(block))
        row = np.arange(len(value))
        x = np.zeros((len(value), len(self.groups) + len(blocks)))
        x[row, [self.groups.index(g) for g in group]] = 1
        x[row, [len(self.groups) + blocks.index(b) for b in block]] = 1
        self.inverse = np.linalg.pinv(x.T @ x)
        self.beta = self.inverse @ x.T @ value
        self.rest = value - x @ self.beta
        self.rank = int(np.linalg.matrix_rank(x))
        self.df = float(len(value) - self.rank)
        rss = float(self.rest @ self.rest)
        rss = 0.0 if rss <= (ROUNDING * max(1e-300, float(np.abs(value).max()))) ** 2 * len(value) else rss
        self.variance = rss / self.df if self.df > 0 else NAN
        self.x = x
        without = x[:, len(self.groups) :]
        alone = value - without @ np.linalg.lstsq(without, value, rcond=None)[0]
        self.between = float(alone @ alone) - rss, float(self.rank - np.linalg.matrix_rank(without))

    def contrast(self, weights: Mapping[str, float]) -> tuple[float, float, float, str]:
        few = [g for g, w in weights.items() if w != 0 and self.count.get(g, 0) < 2]
        if any(w != 0 and g not in self.count for g, w in weights.items()):
            return NAN, NAN, NAN, "no experiment holds these groups together"
        c = np.zeros(self.x.shape[1])
        for g, w in weights.items():
            if w == 0:
                continue
            c[self.groups.index(g)] += w
        if not np.allclose(self.x.T @ (self.x @ (self.inverse @ c)), c, atol=1e-8):
            return NAN, NAN, NAN, "no experiment holds these groups together"
        effect = float(c @ self.beta)
        if few:
            return effect, NAN, NAN, f"one biological replicate of {', '.join(few)}: no test"
        if not self.df > 0:
            return effect, NAN, NAN, "no replicate is left to tell the scatter: no test"
        if self.variance <= 0:
            return effect, NAN, NAN, "the replicates do not differ at all: no test"
        return effect, float(np.sqrt(self.variance * (c @ self.inverse @ c))), self.df, ""


@dataclass(frozen=True)
class Paired:
    """The contrast inside every block that holds all of its groups; its scatter is that between blocks."""

    means: Mapping[str, Mapping[str, float]]  # group -> block -> mean

    def contrast(self, weights: Mapping[str, float]) -> tuple[float, float, float, str]:
        used = {g: w for g, w in weights.items() if w != 0}
        common = sorted(set.intersection(*(set(self.means[g]) for g in used)))
        if not common:
            return NAN, NAN, NAN, "no experiment holds these groups together"
        inside = np.array([sum(w * self.means[g][b] for g, w in used.items()) for b in common])
        effect = float(inside.mean())
        if len(common) < 2:
            return effect, NAN, NAN, "one experiment: no test"
        size = max(abs(self.means[g][b]) for g in used for b in common)
        spread = float(inside.std(ddof=1))
        if spread <= ROUNDING * max(1e-300, size):
            return effect, NAN, NAN, "the replicates do not differ at all: no test"
        return effect, spread / float(np.sqrt(len(common))), len(common) - 1.0, ""
