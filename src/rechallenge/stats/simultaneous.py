"""Several comparisons at once: the distributions behind Dunnett's and Tukey's tests, by plain quadrature.

With s the pooled standard deviation over its true value (chi with `df` degrees of freedom over sqrt(df)):

- many against one control (Dunnett, doi:10.1080/01621459.1955.10501294): T_i = (Z_i - Z_0) / s have correlations
  l_i l_j, l_i = sqrt(n_i / (n_i + n_0)), so that given the control's part z and s they are independent;
- all pairs (Tukey and Kramer, doi:10.2307/3001469): the studentised range.

Both integrals are over s on a logarithmic scale and over z, with fixed Gauss-Legendre nodes: the same input gives the
same digits, without random numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
_NODES_S, _NODES_Z = 96, 120
#: what is left out at either end of the distribution of s
_TAIL = 1e-15


@lru_cache(maxsize=4)
def _legendre(nodes: int) -> tuple[Floats, Floats]:
    x, w = np.polynomial.legendre.leggauss(nodes)
    return x, w


@lru_cache(maxsize=256)
def _scale(df: float) -> tuple[Floats, Floats]:
    """Nodes of s and their weights times the density of s."""
    from scipy.stats import chi2

    if np.isinf(df):
        return np.ones(1), np.ones(1)
    low, high = (0.5 * np.log(v / df) for v in (chi2.ppf(_TAIL, df), chi2.isf(_TAIL, df)))
    x, w = _legendre(_NODES_S)
    u = 0.5 * (high - low) * x + 0.5 * (high + low)
    s = np.exp(u)
    density = chi2.pdf(df * s**2, df) * 2.0 * df * s  # of s; du = ds / s
    weights = 0.5 * (high - low) * w * density * s
    return s, weights / weights.sum()


def _normal() -> tuple[Floats, Floats]:
    x, w = _legendre(_NODES_Z)
    z = 8.5 * x
    weights = 8.5 * w * np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    return z, weights / weights.sum()


def dunnett_sf(statistic: float, loadings: ArrayLike, df: float) -> float:
    """P(max |T_i| > `statistic`) over comparisons with one control; two-sided adjusted p-value.

    `loadings` [comparisons] are l_i (see above), each between 0 and 1; `df` > 0, infinity allowed.
    """
    from scipy.special import ndtr

    load = _loadings(loadings)
    _positive(df)
    s, ws = _scale(df)
    z, wz = _normal()
    rest = np.sqrt(1 - load**2)
    reach = abs(statistic) * s[:, None, None]
    shift = load * z[None, :, None]
    outside = ndtr((-reach - shift) / rest) + ndtr((-reach + shift) / rest)
    some = -np.expm1(np.log1p(-np.minimum(outside, 1 - 1e-16)).sum(axis=2))
    return float(min(1.0, ws @ some @ wz))


def tukey_sf(q: float, groups: int, df: float) -> float:
    """P(studentised range of `groups` means > `q`)."""
    from scipy.special import ndtr

    if groups < 2:
        raise ValueError(f"a range needs two groups or more, got {groups}")
    _positive(df)
    s, ws = _scale(df)
    z, wz = _normal()
    width = ndtr(z[None, :]) - ndtr(z[None, :] - abs(q) * s[:, None])
    inside = groups * (np.maximum(width, 0.0) ** (groups - 1) @ wz)
    return float(np.clip(ws @ (1 - inside), 0.0, 1.0))


def dunnett_critical(confidence: float, loadings: ArrayLike, df: float) -> float:
    """The value of max |T_i| that is exceeded with probability 1 - `confidence`."""
    load = tuple(float(v) for v in _loadings(loadings))
    return _dunnett_critical(confidence, load, float(df))


@lru_cache(maxsize=512)
def _dunnett_critical(confidence: float, loadings: tuple[float, ...], df: float) -> float:
    return _critical(lambda c: dunnett_sf(c, loadings, df), confidence, df, len(loadings))


@lru_cache(maxsize=512)
def tukey_critical(confidence: float, groups: int, df: float) -> float:
    """The studentised range that is exceeded with probability 1 - `confidence`."""
    root: float = 2.0**0.5
    return root * _critical(lambda c: tukey_sf(root * c, groups, df), confidence, df, groups * (groups - 1) // 2)


def _critical(sf: Callable[[float], float], confidence: float, df: float, tests: int) -> float:
    """Root between the value of one test and that of Bonferroni."""
    from scipy.optimize import brentq
    from scipy.stats import t as student

    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    alpha = 1 - confidence
    low, high = (float(student.isf(alpha / (2 * m), df)) for m in (1, tests))
    if tests == 1 or high - low < 1e-12:
        return low
    return float(brentq(lambda c: sf(c) - alpha, low * (1 - 1e-6), high * (1 + 1e-6), xtol=1e-9))


def _loadings(loadings: ArrayLike) -> Floats:
    load = np.atleast_1d(np.asarray(loadings, dtype=np.float64))
    if not ((load >= 0) & (load < 1)).all():
        raise ValueError("loadings lie between 0 and 1")
    return load


def _positive(df: float) -> None:
    if not df > 0:
        raise ValueError(f"degrees of freedom are above 0, got {df}")
