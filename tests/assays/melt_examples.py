"""Simulated proteomes in which nothing is shifted."""

from __future__ import annotations

import numpy as np

from rechallenge.stats.melt import curve

T = np.array([37.0, 41, 44, 47, 50, 53, 56, 59, 63, 67])


def unshifted(n: int, seed: int, *, run: float, unlike: float, noise: float = 0.04) -> np.ndarray:
    """Fractions soluble [n, 4 runs x 10 temperatures]; curves of a protein differ between runs by `run` deg C, and
    both scatters between proteins by `unlike` (SD of their logarithm)."""
    rng = np.random.default_rng(seed)
    tm, b, pl = rng.normal(51, 3.5, n), rng.uniform(8, 22, n), rng.uniform(0, 0.15, n)
    scatter, between = noise * np.exp(rng.normal(0, unlike, (n, 1))), run * np.exp(rng.normal(0, unlike, n))
    runs = [
        curve(np.column_stack([pl, b * (tm + between * rng.normal(size=n)), b]), T) + scatter * rng.normal(size=(n, 10))
        for _ in range(4)
    ]
    return np.stack(runs, axis=1).reshape(n, -1)
