"""What is read from a curve besides its parameters: the drug sensitivity score and the growth-rate metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rechallenge.stats.hill import Bounds, fit_hill

Floats = NDArray[np.float64]
#: bounds under which growth-rate curves are fitted (GRmetrics): slope 0.1 to 5, GRinf -1 to 1, GEC50 two decades out
GR_BOUNDS = Bounds(h=(0.1, 5.0), log10_ec50_margin=(2.0, 2.0), einf=(-1.0, 1.0))
GR_ALPHA = 0.05


def drug_sensitivity_score(
    x_min: ArrayLike,
    x_max: ArrayLike,
    e0: ArrayLike,
    einf: ArrayLike,
    ec50: ArrayLike,
    h: ArrayLike,
    *,
    kind: Literal[1, 2, 3] = 2,
    threshold: float = 10.0,
) -> Floats:
    """Drug sensitivity score of curves of viability (fraction of vehicle), all arguments broadcast.

    The area of the inhibition (per cent, relative to E0) above `threshold` between the lowest and the highest dose,
    as per cent of the largest possible area (`kind` 1); divided by log10 of the top inhibition (2, at most 50); and
    that times the share of the dose range in which the drug is active (3). 0 where inhibition never reaches the
    threshold. Doses in any one unit. Source: doi:10.1038/srep05193. Unlike its R code, a curve whose EC50 lies above
    the top dose keeps the area that it has inside the tested range. Raises ValueError for an unknown kind or a
    threshold outside 0 to 100.
    """
    if kind not in (1, 2, 3):
        raise ValueError(f"kind must be 1, 2 or 3, not {kind!r}")
    if not 0 < threshold < 100:
        raise ValueError(f"threshold must lie between 0 and 100 per cent, not {threshold!r}")
    low, high, top, bottom, mid, slope = np.broadcast_arrays(
        np.log10(np.asarray(x_min, dtype=np.float64)),
        np.log10(np.asarray(x_max, dtype=np.float64)),
        *(np.asarray(v, dtype=np.float64) for v in (e0, einf)),
        np.log10(np.asarray(ec50, dtype=np.float64)),
        np.asarray(h, dtype=np.float64),
    )
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        a = 100.0 * (top - bottom) / top
        active = a > threshold
        start = mid - np.log10((a - threshold) / threshold) / slope
        start = np.clip(start, low, high)
        # integral of a / (1 + 10 ** (slope (mid - x))) from start to high
        lost = np.logaddexp(0.0, np.log(10.0) * slope * (high - mid)) - np.logaddexp(
            0.0, np.log(10.0) * slope * (start - mid)
        )
        area = np.maximum(a * lost / (slope * np.log(10.0)) - threshold * (high - start), 0.0)
        score = 100.0 * area / ((100.0 - threshold) * (high - low))
        if kind >= 2:
            score = score / np.log10(a)
        if kind == 3:
            score = score * (high - start) / (high - low)
    known = np.isfinite(a) & np.isfinite(mid) & np.isfinite(slope)
    return np.asarray(np.where(known & active, score, np.where(np.isfinite(a), 0.0, np.nan)))


@dataclass(frozen=True)
class GrowthRate:
    """Growth-rate metrics of N curves, each an array [N]; NaN where a curve has no growth-rate values.

    `gr50_um`: dose at which GR is 0.5, NaN with `gr50_bound` 'above' or 'below' where it lies outside the tested
    doses; `gec50_um`, `gr_inf`, `h_gr`: parameters of the curve (NaN where flat); `gr_max`: lowest mean GR at the
    two highest doses; `gr_aoc`: area over the GR curve per decade of dose; `gr_flat`: not distinguishable from a
    flat line; `gr_p_value` of that F test.
    """

    gr50_um: Floats
    gr50_bound: NDArray[np.object_]
    gec50_um: Floats
    gr_inf: Floats
    h_gr: Floats
    gr_max: Floats
    gr_aoc: Floats
    gr_flat: NDArray[np.bool_]
    gr_p_value: Floats


def growth_rate_metrics(curve: ArrayLike, x: ArrayLike, gr: ArrayLike, n_curves: int | None = None) -> GrowthRate:
    """Growth-rate metrics of many curves: `curve` [n] numbers from 0, `x` [n] dose above 0, `gr` [n] GR values.

    GR(x) = GRinf + (1 - GRinf) / (1 + (x / GEC50) ** h), fitted within the bounds of GRmetrics and tested against a
    flat line (F test at 5 %, as there). Source: doi:10.1038/nmeth.3853.
    """
    from scipy.stats import f as f_distribution

    number = np.asarray(curve, dtype=np.int64)
    dose, value = np.asarray(x, dtype=np.float64), np.asarray(gr, dtype=np.float64)
    known = np.isfinite(value) & (dose > 0)
    number, dose, value = number[known], dose[known], value[known]
    total = n_curves if n_curves is not None else (int(number.max()) + 1 if number.size else 0)
    fits = fit_hill(number, dose, value, model="4p", e0=1.0, bounds=GR_BOUNDS, n_curves=total)
    n = fits.n.astype(np.float64)
    # three parameters against one, with the degrees of freedom that GRmetrics uses
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = ((fits.tss - fits.rss) / 2.0) / (fits.rss / (n - 2.0))
        p = f_distribution.sf(statistic, 2.0, n - 2.0)
    flat = ~(p < GR_ALPHA)
    at_half = 10.0 ** fits.inverse(0.5)
    mean = np.full(total, np.nan)
    counted = np.bincount(number, minlength=total) if number.size else np.zeros(total)
    np.divide(np.bincount(number, weights=value, minlength=total), counted, out=mean, where=counted > 0)
    gr_max, gr_aoc = _model_free(number, dose, value, total)
    low_end, high_end = fits.predict(fits.x_min), fits.predict(fits.x_max)
    bound = np.full(total, "", dtype=object)
    none_at_all = counted == 0
    bound[flat & ~none_at_all] = np.where(mean > 0.5, "above", "below")[flat & ~none_at_all]
    bound[~flat & (high_end > 0.5)] = "above"
    bound[~flat & (low_end < 0.5)] = "below"
    nan = np.full(total, np.nan)
    return GrowthRate(
        gr50_um=np.where(flat | (bound != ""), nan, at_half),
        gr50_bound=bound,
        gec50_um=np.where(flat, nan, fits.ec50),
        gr_inf=np.where(flat, nan, fits.einf),
        h_gr=np.where(flat, nan, fits.h),
        gr_max=gr_max,
        gr_aoc=gr_aoc,
        gr_flat=flat & ~none_at_all,
        gr_p_value=np.where(none_at_all, np.nan, p),
    )


def _model_free(number: NDArray[np.int64], dose: Floats, value: Floats, total: int) -> tuple[Floats, Floats]:
    """Lowest mean GR at the two highest doses, and the area over the curve by trapezoids on dose means."""
    gr_max, gr_aoc = np.full(total, np.nan), np.full(total, np.nan)
    order = np.argsort(number, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(number[order])) + 1) if number.size else []:
        doses, at = np.unique(dose[rows], return_inverse=True)
        means = np.bincount(at, weights=value[rows]) / np.bincount(at)
        i = number[rows[0]]
        gr_max[i] = means[-2:].min()
        if doses.size > 1:
            width = np.diff(np.log10(doses))
            gr_aoc[i] = float((width * (1.0 - (means[1:] + means[:-1]) / 2.0)).sum() / width.sum())
    return gr_max, gr_aoc
