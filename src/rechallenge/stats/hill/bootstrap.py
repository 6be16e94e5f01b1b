"""Bootstrap intervals of the dose at a level, resampling biological replicates whole (percentiles).

With G replicates there are only C(2G - 1, G) different resamples (10, 35, 126, 462 for G = 3 to 6); where these are
no more than the resamples asked for they are enumerated with their multinomial weights, so that no random number is
needed. A percentile interval cannot reach beyond the extremes of single replicates; three values straddle their own
centre in 1 - 2^(1 - G) = 75 % of cases only (87.5 % for four, 97 % for six), and it covers accordingly. Studentising
repairs the coverage (94 to 95 % for four and six replicates) but is twice as wide as the inverted interval with four
replicates and a fifth wider with six, and with three replicates a ninth of all resamples repeat one replicate and have
no spread at all, so that every interval is open. Hence the inverted interval is the default, and this is a check for
six replicates and more.
"""
# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import itertools
import math

import numba as nb
import numpy as np

from rechallenge.stats.hill.batch import log_doses
from rechallenge.stats.hill.engine import ALONE, MAX_ITERATIONS, descend
from rechallenge.stats.hill.intervals import Located
from rechallenge.stats.hill.types import Floats, HillFits, Ints
from rechallenge.stats.hill.variance import ABOVE, BELOW, ESTIMATED, crossing, position

_BLOCK = 4_000_000


@nb.njit(cache=True, error_model="numpy")
def refit_rows(
    curves, counts, start, x, cell_start, cell_replicate, cell_dose, cell_w, cell_m, log_h, log_ec50, e0_fixed,
    einf_fixed, kind, box, margins, h_limits, level, scale, falling, out,
):  # fmt: skip
    """Log dose at the level for every curve (rows) and resample (columns); +-inf where not reached or passed."""
    longest = 1
    for i in curves:
        longest = max(longest, start[i + 1] - start[i])
    lx = np.empty(longest)
    w = np.empty(longest)
    y = np.empty(longest)
    scratch = np.empty((4, longest))
    row = np.empty(4)
    limits = np.empty(4)
    limits[0] = math.log(h_limits[0])
    limits[1] = math.log(h_limits[1])
    for r in range(curves.size):
        i = curves[r]
        n = start[i + 1] - start[i]
        log_doses(x[start[i] : start[i + 1]], lx)
        low = lx[1] if x[start[i]] == 0.0 else lx[0]
        high = lx[n - 1]
        limits[2] = low - margins[0]
        limits[3] = high + margins[1]
        for b in range(counts.shape[0]):
            for k in range(n):
                w[k] = 0.0
                y[k] = 0.0
            for c in range(cell_start[i], cell_start[i + 1]):
                wc = counts[b, cell_replicate[c]] * cell_w[c]
                w[cell_dose[c]] += wc
                y[cell_dose[c]] += wc * cell_m[c]
            w_sum = 0.0
            y_mean = 0.0
            for k in range(n):
                w_sum += w[k]
                y_mean += y[k]
                if w[k] > 0.0:
                    y[k] /= w[k]
            y_mean /= w_sum
            tss = 0.0
            for k in range(n):
                tss += w[k] * (y[k] - y_mean) ** 2
            _f, lh, le, einf, e0, _k, _done = descend(
                log_h[i], log_ec50[i], limits, lx[:n], w[:n], y[:n], w_sum, y_mean, tss, kind, e0_fixed, einf_fixed,
                box, scratch, ALONE, MAX_ITERATIONS,
            )  # fmt: skip
            h = math.exp(lh)
            where = position(level, scale, falling, h, le, einf, e0, low, high, row)
            if where == ABOVE:
                out[r, b] = np.inf
            elif where == BELOW:
                out[r, b] = -np.inf
            elif where == ESTIMATED:
                out[r, b] = crossing(level, scale, h, le, einf, e0)
            else:
                out[r, b] = np.nan


def resamples(groups: int, n_boot: int, seed: int) -> tuple[Floats, Floats]:
    """How often each replicate is drawn [B, G] and the probability of each draw [B]."""
    if math.comb(2 * groups - 1, groups) <= n_boot:
        counts = np.array(
            [np.bincount(c, minlength=groups) for c in itertools.combinations_with_replacement(range(groups), groups)],
            dtype=np.float64,
        )
        ways = np.array([math.factorial(groups) / math.prod(math.factorial(int(c)) for c in row) for row in counts])
        return counts, ways / groups**groups
    rng = np.random.default_rng([seed, groups])
    counts = rng.multinomial(groups, np.full(groups, 1 / groups), size=n_boot).astype(np.float64)
    return counts, np.full(n_boot, 1 / n_boot)


def weighted_quantile(values: Floats, weights: Floats, q: float) -> Floats:
    """Smallest value whose cumulative weight reaches ``q``, per row of ``values`` [N, B]; infinities take part."""
    order = np.argsort(values, axis=1)
    cumulative = np.cumsum(weights[order], axis=1)
    first = np.argmax(cumulative >= q - 1e-12, axis=1)
    return np.asarray(np.take_along_axis(values, np.take_along_axis(order, first[:, None], 1), 1)[:, 0])


def bootstrap_limits(fits: HillFits, at: Located, confidence: float, n_boot: int, seed: int) -> tuple[Floats, Floats]:
    """Percentile limits (natural log), open where the level is not crossed in enough resamples.

    nan where a curve has fewer than two replicates or where a resample crosses the level the wrong way so often that
    the quantile is undefined. Raises ValueError unless ``n_boot`` is at least 20.
    """
    if n_boot < 20:
        raise ValueError(f"n_boot must be at least 20, got {n_boot}")
    lo, hi = np.full(len(fits), np.nan), np.full(len(fits), np.nan)
    usable = np.isfinite(at.v[:, 0, 0]) & (at.code <= BELOW)
    data = fits.data
    for groups in np.unique(fits.n_replicates[usable]).tolist():
        counts, weights = resamples(groups, n_boot, seed)
        curves: Ints = np.flatnonzero(usable & (fits.n_replicates == groups))
        for block in np.array_split(curves, max(1, math.ceil(curves.size * counts.shape[0] / _BLOCK))):
            values = np.empty((block.size, counts.shape[0]))
            refit_rows(
                block, counts, data.start, data.x, data.cell_start, data.cell_replicate, data.cell_dose,
                data.cell_weight, data.cell_mean, np.log(fits.h), np.log(fits.ec50), fits.e0_fixed or 0.0,
                fits.einf_fixed or 0.0, fits.linear_kind, fits.box, fits.margins, fits.h_limits, at.level, at.scale,
                at.falling, values,
            )  # fmt: skip
            lo[block] = weighted_quantile(np.where(np.isnan(values), -np.inf, values), weights, (1 - confidence) / 2)
            hi[block] = weighted_quantile(np.where(np.isnan(values), np.inf, values), weights, (1 + confidence) / 2)
    # Resamples beyond either end only say so much: the bound is the tested dose itself.
    lo = np.where(lo == np.inf, np.log(at.x_max), lo)
    return lo, np.where(hi == -np.inf, np.log(at.x_min), hi)
