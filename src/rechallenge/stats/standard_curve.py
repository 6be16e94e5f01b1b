"""Standard curves of immunoassays: four- and five-parameter logistic and straight line, weighted, and their inverse.

    y = D + (A - D) / (1 + (x / C)^B)^G

A is the signal without analyte, D that at saturation, G = 1 for four parameters (doi:10.1016/j.ab.2005.04.035).
Weights 1/y or 1/y^2 stand for a variance that grows with the signal: y is the mean signal of a standard, so that one
well's noise does not set its own weight. Models are compared by AICc on the same weights. A concentration read off the
curve has the error of its wells and of the curve (delta method, on the log scale).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Model = Literal["4pl", "5pl", "linear"]
Weights = Literal["1/y", "1/y2", "none"]
NAN = float("nan")
#: number of parameters, and of different standards that they need
SIZE: Mapping[str, int] = {"4pl": 4, "5pl": 5, "linear": 2}


@dataclass(frozen=True)
class Curve:
    """A fitted curve.

    `parameters`: A, B, ln C, D, ln G (four parameters: without ln G; line: intercept, slope) with `covariance`.
    `scale` is the residual variance at weight 1, `df` its degrees of freedom, `r2` that of the unweighted residuals.
    `f_p_value` compares with a flat line.
    """

    model: Model
    weights: Weights
    parameters: Floats
    covariance: Floats
    scale: float
    df: int
    aicc: float
    r2: float
    f_p_value: float
    floor: float
    n: int
    converged: bool = True
    named: Mapping[str, float] = field(default_factory=dict)

    def predict(self, x: ArrayLike) -> Floats:
        """Signal at concentrations x (>= 0)."""
        return _signal(self.model, self.parameters, np.asarray(x, dtype=np.float64))

    def invert(self, y: ArrayLike) -> Floats:
        """Concentrations at signals y; NaN beyond the asymptotes."""
        y = np.asarray(y, dtype=np.float64)
        p = self.parameters
        if self.model == "linear":
            return np.asarray((y - p[0]) / p[1])
        a, b, log_c, d = p[:4]
        g = np.exp(p[4]) if self.model == "5pl" else 1.0
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            ratio = (a - d) / (y - d)
            inside = np.where(ratio > 0, np.abs(ratio) ** (1 / g), np.nan) - 1
            x = np.exp(log_c) * np.where(inside >= 0, np.abs(inside), np.nan) ** (1 / b)
        return np.asarray(x)

    def variance(self, y: ArrayLike) -> Floats:
        """Variance of one well's signal y."""
        y = np.maximum(np.asarray(y, dtype=np.float64), self.floor)
        power = {"none": 0, "1/y": 1, "1/y2": 2}[self.weights]
        return np.asarray(self.scale * y**power)

    def log_error(self, x: ArrayLike, wells: ArrayLike, raw: ArrayLike | None = None) -> Floats:
        """Standard error of ln x read off the mean of `wells` wells; `raw` is the signal that weights are for."""
        x = np.maximum(np.asarray(x, dtype=np.float64), 1e-300)
        y = self.predict(x)
        step = 1e-5
        slope = (self.predict(x * np.exp(step)) - self.predict(x * np.exp(-step))) / (2 * step)
        gradient = _jacobian(self.model, self.parameters, x)
        own = self.variance(y if raw is None else raw) / np.asarray(wells, dtype=np.float64)
        curve = np.einsum("ni,ij,nj->n", gradient, self.covariance, gradient)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.sqrt(np.maximum(own + curve, 0)) / np.abs(slope))


def _signal(model: str, p: Floats, x: Floats) -> Floats:
    if model == "linear":
        return np.asarray(p[0] + p[1] * x)
    g = np.exp(np.clip(p[4], -30, 30)) if model == "5pl" else 1.0
    u = np.where(x > 0, np.exp(np.clip(p[1] * (np.log(np.maximum(x, 1e-300)) - p[2]), -700, 700)), 0.0)
    return np.asarray(p[3] + (p[0] - p[3]) * np.exp(-np.minimum(g * np.log1p(u), 700)))


def _jacobian(model: str, p: Floats, x: Floats) -> Floats:
    """d signal / d parameters, [n, parameters]."""
    x = np.asarray(x, dtype=np.float64).ravel()
    if model == "linear":
        return np.stack([np.ones_like(x), x], axis=1)
    g = np.exp(np.clip(p[4], -30, 30)) if model == "5pl" else 1.0
    away = np.where(x > 0, np.log(np.maximum(x, 1e-300)) - p[2], 0.0)
    u = np.where(x > 0, np.exp(np.clip(p[1] * away, -700, 700)), 0.0)
    rise = np.log1p(u)
    left = np.exp(-np.minimum(g * rise, 700))
    steep = (p[0] - p[3]) * g * left * u / (1 + u)
    parts = [left, -steep * away, steep * p[1], 1 - left]
    if model == "5pl":
        parts.append(-(p[0] - p[3]) * left * g * rise)
    return np.stack(parts, axis=1)


def fit(
    x: ArrayLike, y: ArrayLike, *, model: Model = "4pl", weights: Weights = "1/y", raw: ArrayLike | None = None
) -> Curve:
    """Fit one model to standards of concentration x (>= 0) and signal y [n].

    `raw` is the signal before the blank was subtracted, which the weights are for (default y). Raises ValueError where
    there are fewer different concentrations than parameters, or fewer wells than parameters + 1.
    """
    from scipy.optimize import least_squares
    from scipy.stats import f as fisher

    order = np.lexsort((np.asarray(y, dtype=np.float64), np.asarray(x, dtype=np.float64)))
    a, b = np.asarray(x, dtype=np.float64)[order], np.asarray(y, dtype=np.float64)[order]
    seen = b if raw is None else np.asarray(raw, dtype=np.float64)[order]
    levels = np.unique(a)
    k = SIZE[model]
    if len(levels) < k or len(a) < k + 1:
        raise ValueError(f"{len(levels)} different standards and {len(a)} wells; {model} needs {k} and {k + 1}")
    means = np.array([seen[a == v].mean() for v in a])
    positive = means[means > 0]
    floor = float(positive.min()) if len(positive) else 1.0
    power = {"none": 0, "1/y": 1, "1/y2": 2}[weights]
    w = 1 / np.maximum(means, floor) ** power
    root = np.sqrt(w / w.mean())

    def run(start: Floats, most: int) -> Any:
        return least_squares(
            lambda p: root * (_signal(model, p, a) - b),
            start,
            jac=lambda p: root[:, None] * _jacobian(model, p, a),
            method="lm",
            max_nfev=most,
            xtol=1e-12,
            ftol=1e-12,
            gtol=1e-12,
        )

    tried = [run(start, 40) for start in _starts(model, a, b)]
    sound = [t for t in tried if np.isfinite(t.cost) and np.isfinite(t.x).all()]
    if not sound:
        raise ValueError("the fit did not converge")
    best = run(min(sound, key=lambda t: t.cost).x, 400)
    n, p = len(a), best.x
    rss = float(2 * best.cost)
    scale = rss / (n - k) * float(w.mean())  # at weight 1
    j = _jacobian(model, p, a)
    information = j.T @ (w[:, None] * j)
    covariance = scale * np.linalg.pinv(information)
    plain = float(((b - _signal(model, p, a)) ** 2).sum())
    total = float(((b - b.mean()) ** 2).sum())
    middle = float((root**2 * b).sum() / (root**2).sum())
    flat = float((root**2 * (b - middle) ** 2).sum())
    f = (flat - rss) / (k - 1) / max(rss / (n - k), 1e-300)
    free = k + 1
    aicc = n * np.log(max(rss, 1e-300) / n) + 2 * free
    aicc += 2 * free * (free + 1) / (n - free - 1) if n > free + 1 else np.inf
    return Curve(
        model, weights, p, covariance, scale, n - k, float(aicc), 1 - plain / total if total > 0 else NAN,
        float(fisher.sf(max(f, 0.0), k - 1, n - k)), floor, n, bool(best.success), _named(model, p),
    )  # fmt: skip


def _starts(model: str, x: Floats, y: Floats) -> list[Floats]:
    if model == "linear":
        slope, cut = np.polyfit(x, y, 1)
        return [np.array([cut, slope])]
    levels = np.unique(x)
    means = np.array([y[x == v].mean() for v in levels])
    span = means[-1] - means[0]
    low, high = means[0], means[-1] + 0.1 * span
    positive = levels[levels > 0]
    out = []
    for at in [*np.quantile(np.log(positive), [0.25, 0.5, 0.75, 1.0]).tolist(), float(np.log(positive[-1])) + 1.5]:
        for b in (0.7, 1.2, 2.0):
            reach = low + span * (1 + max(0.1, 2 * (at - float(np.log(positive[-1])))))
            base = [low, b, at, max(high, reach) if span > 0 else min(high, reach)]
            out += [np.array([*base, g]) for g in (-0.7, 0.0, 0.7)] if model == "5pl" else [np.array(base)]
    return out


def _named(model: str, p: Floats) -> dict[str, float]:
    if model == "linear":
        return {"intercept": float(p[0]), "slope": float(p[1])}
    a, b, c, d = float(p[0]), float(p[1]), float(np.exp(p[2])), float(p[3])
    if b < 0 and model == "4pl":  # the same curve, written the usual way
        a, b, d = d, -b, a
    return {"a": a, "b": b, "c": c, "d": d, "g": float(np.exp(p[4])) if model == "5pl" else 1.0}


def choose(
    x: ArrayLike, y: ArrayLike, *, weights: Weights = "1/y", raw: ArrayLike | None = None
) -> tuple[Curve, dict[str, float]]:
    """The four- or five-parameter curve with the smaller AICc, and the AICc of each. Raises ValueError as `fit`."""
    first = fit(x, y, model="4pl", weights=weights, raw=raw)
    try:
        second = fit(x, y, model="5pl", weights=weights, raw=raw)
    except ValueError:
        return first, {"4pl": first.aicc}
    both = {"4pl": first.aicc, "5pl": second.aicc}
    # a fifth parameter that runs off to its end is not determined by the standards
    free = abs(second.parameters[4]) < 4 and second.converged
    return (second if free and second.aicc < first.aicc else first), both


@dataclass(frozen=True)
class Range:
    """The concentrations between which standards were found again; `low` and `high` are NaN where there are none."""

    low: float
    high: float
    recovery: Mapping[float, float]
    signal_low: float = NAN
    signal_high: float = NAN


def working_range(curve: Curve, x: ArrayLike, y: ArrayLike, *, tolerance: float = 0.2) -> Range:
    """The longest run of neighbouring standards (> 0) whose mean signal gives their concentration within `tolerance`.

    Ties go to the lower run. A run of one standard is none.
    """
    a, b = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    levels = np.unique(a[a > 0])
    recovery = {float(v): float(curve.invert(b[a == v].mean()) / v) for v in levels}
    good = [abs(recovery[float(v)] - 1) <= tolerance + 1e-12 for v in levels]
    best, start = (0, 0), 0
    for i in range(len(levels) + 1):
        if i == len(levels) or not good[i]:
            if i - start > best[1] - best[0]:
                best = (start, i)
            start = i + 1
    if best[1] - best[0] < 2:
        return Range(NAN, NAN, recovery)
    low, high = float(levels[best[0]]), float(levels[best[1] - 1])
    ends = curve.predict([low, high])
    return Range(low, high, recovery, float(ends[0]), float(ends[1]))
