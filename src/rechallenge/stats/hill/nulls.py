"""Questions asked of a fit: does the dose matter at all, does the curve describe the means, does it turn back?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rechallenge.stats.hill.types import Bools, Floats, HillFits, Ints, Reason

_BODY = 20
_EFFECTIVE = 100
_TAIL_LEVELS = np.array([0.1, 0.07, 0.05, 0.035, 0.025, 0.0175, 0.0125])


@dataclass(frozen=True)
class CurveTest:
    """A test per curve; every array has N entries. ``status``: 'tested' or 'not_testable' (then all are nan)."""

    statistic: Floats
    df1: Floats
    df2: Floats
    p_value: Floats
    status: NDArray[np.str_]


@dataclass(frozen=True)
class HookTest:
    """``p_value`` that the response is monotone in dose; ``turning_dose``: dose of the extremum (highest of its block).

    ``flag``: p_value below the alpha asked for. ``status``: 'tested' or 'not_testable'.
    """

    statistic: Floats
    p_value: Floats
    turning_dose: Floats
    flag: Bools
    status: NDArray[np.str_]


def lack_of_fit(fits: HillFits) -> CurveTest:
    """F test of the curve against one mean per dose (R drc's ``modelFit``).

    Small p: the curve misses the dose means by more than the scatter within doses. Not testable without replicated
    doses, with no more doses than parameters, or without any scatter within doses.
    """
    from scipy.stats import f as fisher

    _least_squares(fits, "lack_of_fit")
    df1, df2 = (fits.n_doses - fits.n_free).astype(float), (fits.n - fits.n_doses).astype(float)
    ok = fits.estimated & (df1 > 0) & (df2 > 0) & (fits.pure_ss > 0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        value = np.maximum(fits.rss - fits.pure_ss, 0) / df1 / (fits.pure_ss / df2)
        p = fisher.sf(value, df1, df2)
    return _test(value, df1, df2, p, ok)


def flat_test(fits: HillFits, *, n_sim: int = 4999, seed: int = 0) -> CurveTest:
    """F test of no dose response against the fitted curve, calibrated by simulation.

    The null is a constant: the mean of the data, or E0 where that was fixed. Under it EC50 and h are not identified,
    and the F distribution with p - 1 and n - p degrees of freedom does not hold: in nine doses it rejects 3.3 % (4p, in
    triplicate), 2.5 % (4p, single wells, or E0 fixed) or 1.2 % (2p, 3p) of flat data at the 5 % level. The null
    distribution depends on the design (doses, weights, n), the model and its bounds only, so ``n_sim`` flat data sets
    are fitted per distinct design with the same engine. The scatter within doses enters exactly; single wells are
    counted, p = (b + 1) / (n_sim + 1), up to the 20th largest simulated value. Further out the tail of an F
    distribution with n - p and fitted numerator degrees of freedom carries on, as CurveCurator does with fitted degrees
    of freedom throughout (doi:10.1038/s41467-023-43696-z). Measured on 100,000 flat curves per model: 4.9 to 5.3 %
    rejected at 5 %, 1.0 to 1.2 % at 1 %, 0.07 to 0.13 % at 0.1 %. Where a parameter is fixed so that the null depends
    on the noise as well, it is simulated at the estimated ratio of response to noise, in steps of a factor sqrt 2; with
    finite bounds of E0 or Einf, at the estimated level too.

    ``df1``, ``df2`` are the nominal ones; ``p_value`` is the calibrated one. Raises ValueError for robust fits and for
    ``n_sim`` below 199.
    """
    _least_squares(fits, "flat_test")
    if n_sim < 199:
        raise ValueError(f"n_sim must be at least 199, got {n_sim}")
    from rechallenge.stats.hill.turning import describe

    data = fits.data
    w_sum, y_mean = np.empty(len(fits)), np.empty(len(fits))
    design = np.empty(len(fits), np.int64)
    describe(data.start, data.x, data.weight, data.mean, fits.n, w_sum, y_mean, design)
    level = y_mean if fits.e0_fixed is None else np.full(len(fits), fits.e0_fixed)
    null_ss = fits.tss + w_sum * (y_mean - level) ** 2
    df1 = np.full(len(fits), fits.n_free - (fits.e0_fixed is None), dtype=float)
    df2 = fits.df.astype(float)
    ok = ((fits.reason == Reason.NONE) | (fits.reason == Reason.SINGULAR)) & (df2 > 0) & (fits.rss > 0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        value = np.where(ok, np.maximum(null_ss - fits.rss, 0) / df1 / (fits.rss / df2), np.nan)
    keys, noise, base = _null_keys(fits, level, design)
    p = np.full(len(fits), np.nan)
    if ok.any():
        chosen = np.flatnonzero(ok)
        _, first, group = np.unique(keys[chosen], axis=0, return_index=True, return_inverse=True)
        order = np.argsort(group.ravel(), kind="stable")
        edges = np.searchsorted(group.ravel()[order], np.arange(first.size + 1))
        for g in range(first.size):
            members = chosen[order[edges[g] : edges[g + 1]]]
            model = chosen[first[g]]
            null = _simulate(fits, int(model), float(base[model]), float(noise[model]), n_sim, seed)
            p[members] = null.p_value(value[members])
    return _test(value, df1, df2, p, ok)


def hook_flag(fits: HillFits, *, alpha: float = 0.01, n_sim: int = 4999, seed: int = 0) -> HookTest:
    """Is the response bell-shaped, i.e. does it turn back significantly at the top doses?

    For every block of neighbouring doses between a first and a last part, the mean of the block is compared with the
    mean of the first part and of the last part (t statistics with the scatter within doses). The statistic is the
    largest, over blocks and both directions, of the smaller of the two: both the way out and the way back must be
    real. Its p-value comes from simulated flat data on which only the way back is asked for, which bounds the error
    for every monotone response. Not testable below four doses and with fewer than three degrees of freedom within
    doses: the scatter about a fitted monotone curve contains the hook itself. Raises ValueError for robust fits.
    """
    _least_squares(fits, "hook_flag")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, got {alpha}")
    from rechallenge.stats.hill.turning import describe, hooks, turn_backs

    data = fits.data
    df = fits.n - fits.n_doses
    ok = ((fits.reason == Reason.NONE) | (fits.reason == Reason.SINGULAR)) & (fits.n_doses >= 4)
    ok &= (df >= 3) & (fits.pure_ss > 0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        s = np.sqrt(fits.pure_ss / df)
    value, turn = np.full(len(fits), np.nan), np.full(len(fits), np.nan)
    hooks(ok, data.start, data.x, data.weight, data.mean, s, value, turn)
    w_sum, y_mean, design = np.empty(len(fits)), np.empty(len(fits)), np.empty(len(fits), np.int64)
    describe(data.start, data.x, data.weight, data.mean, df.astype(np.int64), w_sum, y_mean, design)
    p = np.full(len(fits), np.nan)
    chosen = np.flatnonzero(ok)
    for key in np.unique(design[chosen]).tolist():
        members = chosen[design[chosen] == key]
        i = int(members[0])
        w = data.weight[data.start[i] : data.start[i + 1]]
        rng = np.random.default_rng([seed, 1])
        y = rng.standard_normal((n_sim, w.size)) / np.sqrt(w)
        null = np.sort(turn_backs(w, y, np.sqrt(rng.chisquare(df[i], n_sim) / df[i])))
        p[members] = (n_sim - np.searchsorted(null, value[members], side="left") + 1) / (n_sim + 1)
    with np.errstate(invalid="ignore", over="ignore"):
        flag = p < alpha
    return HookTest(value, p, turn, flag, np.where(ok, "tested", "not_testable"))


def _least_squares(fits: HillFits, name: str) -> None:
    if fits.robust is not None:
        raise ValueError(f"{name} compares sums of squares: it needs least-squares fits (robust=None)")


def _test(value: Floats, df1: Floats, df2: Floats, p: Floats, ok: Bools) -> CurveTest:
    f, a, b, q = (np.where(ok, column, np.nan) for column in (value, df1, df2, p))
    return CurveTest(f, a, b, q, np.where(ok, "tested", "not_testable"))


def _null_keys(fits: HillFits, level: Floats, design: Ints) -> tuple[Ints, Floats, Floats]:
    """What the null depends on: rows to group by, and the noise and level to simulate at."""
    boxed = bool(np.isfinite(fits.box).any())
    ones = np.ones(len(fits))
    if fits.einf_fixed is None and not boxed:
        # Shift and scale change nothing.
        base = ones * (fits.e0_fixed or 0.0)
        return np.column_stack([design, np.zeros((len(fits), 2), np.int64)]), ones, base
    step = np.zeros(len(fits), np.int64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if boxed:
            octave = np.round(2 * np.log2(np.where(fits.s > 0, fits.s, 1.0)))
            noise = 2.0 ** (octave / 2)
            step = np.nan_to_num(np.round(2 * level / noise)).astype(np.int64)
            base = level if fits.e0_fixed is not None else step * noise / 2
        else:
            distance = np.abs(level - (fits.einf_fixed or 0.0))
            octave = np.clip(np.round(2 * np.log2(distance / np.where(fits.s > 0, fits.s, 1.0))), -4, 20)
            octave = np.nan_to_num(octave)
            base = level
            noise = np.where(distance > 0, distance, 1.0) / 2.0 ** (octave / 2)
            step = np.sign(level - (fits.einf_fixed or 0.0)).astype(np.int64)
    return np.column_stack([design, np.nan_to_num(octave).astype(np.int64), step]), noise, base


@dataclass(frozen=True)
class _Null:
    """Flat data sets of one design, fitted: sums of squares of the dose means about the constant and about the curve.

    The scatter within doses adds ``noise`` squared times a chi-square with ``pure_df`` degrees of freedom to both.
    """

    constant: Floats
    curve: Floats
    pure_df: int
    noise: float
    df1: float
    df2: float

    def p_value(self, value: Floats) -> Floats:
        """p of F statistics: by simulation in the body, by an F distribution with fitted df1 in the tail."""
        from scipy.optimize import minimize_scalar
        from scipy.stats import f as fisher

        edge, log_edge, quantiles, log_levels, body = self._body(value) if self.pure_df == 0 else self._smooth(value)

        def log_tail(f: Floats | float, d1: float) -> Floats:
            # The same sums of squares seen as an F with d1 instead of df1 numerator degrees of freedom.
            return np.asarray(fisher.logsf(f * self.df1 / d1, d1, self.df2))

        far = value > edge
        if quantiles.size < 2:
            body[far] = math.exp(log_edge)
            return np.minimum(body, 1.0)
        fit = minimize_scalar(
            lambda d1: float(((log_tail(quantiles, d1) - log_levels) ** 2).sum()), bounds=(0.3, 30.0), method="bounded"
        )
        body[far] = np.exp(log_edge + log_tail(value[far], fit.x) - log_tail(edge, fit.x))
        # No p-value is 0, however far out.
        return np.clip(body, np.finfo(float).tiny, 1.0)

    def _body(self, value: Floats) -> tuple[float, float, Floats, Floats, Floats]:
        """Counts of simulated statistics, (b + 1) / (m + 1)."""
        null = np.sort((self.constant / np.maximum(self.curve, 1e-300) - 1) * self.df2 / self.df1)
        m = null.size
        levels = _TAIL_LEVELS[_TAIL_LEVELS * m >= _BODY]
        quantiles = null[np.minimum(m - 1, np.ceil((1 - levels) * m).astype(int))]
        p = (m - np.searchsorted(null, value, side="left") + 1) / (m + 1)
        return float(null[m - _BODY]), math.log((_BODY + 1) / (m + 1)), quantiles, np.log(levels), p

    def _smooth(self, value: Floats) -> tuple[float, float, Floats, Floats, Floats]:
        """The chance over the scatter within doses is taken exactly, given the simulated dose means.

        F >= f means (curve + w) / (constant + w) <= r for the scatter w, i.e. w <= (r constant - curve) / (1 - r).
        """
        from scipy.stats import chi2

        grid = np.geomspace(1e-3, 1e4, 281)
        enough = min(_EFFECTIVE, max(10, self.constant.size // 40))
        log_p = np.full(grid.size, np.nan)
        for k, f in enumerate(grid):
            r = 1 / (1 + f * self.df1 / self.df2)
            w = (r * self.constant - self.curve) / (1 - r) / self.noise**2
            chance = chi2.cdf(np.maximum(w, 0), self.pure_df)
            total = chance.sum()
            if total <= 0 or total**2 / (chance**2).sum() < enough:
                break
            log_p[k] = math.log(total / chance.size)
        good = np.flatnonzero(np.isfinite(log_p))
        if good.size < 2:
            # Hardly a simulated curve is better than the constant.
            floor = -math.log(self.constant.size + 1)
            return 0.0, floor, grid[:0], log_p[:0], np.where(value > 0, math.exp(floor), 1.0)
        log_p = np.minimum(log_p, 0.0)
        tail = good[(log_p[good] < math.log(0.1))][-25:]
        with np.errstate(divide="ignore"):
            p = np.exp(np.interp(np.log(np.maximum(value, 1e-12)), np.log(grid[good]), log_p[good], left=0.0))
        return float(grid[good[-1]]), float(log_p[good[-1]]), grid[tail], log_p[tail], p


def _simulate(fits: HillFits, model: int, base: float, noise: float, n_sim: int, seed: int) -> _Null:
    """Flat data in the design of curve ``model``, fitted with the model and bounds of ``fits``."""
    from rechallenge.stats.hill.batch import fit_rows

    data = fits.data
    rows = slice(data.start[model], data.start[model + 1])
    x, w = data.x[rows], data.weight[rows]
    k, n, total = x.size, int(fits.n[model]), float(w.sum())
    rng = np.random.default_rng([seed, 0])
    y = base + noise * rng.standard_normal((n_sim, k)) / np.sqrt(w)
    mean = y @ w / total
    tss = (w * (y - mean[:, None]) ** 2).sum(axis=1)
    out = np.empty((n_sim, 8))
    fit_rows(
        np.arange(n_sim), np.arange(n_sim + 1) * k, np.tile(x, n_sim), np.tile(w, n_sim), y.ravel(), tss,
        np.zeros(n_sim), np.full(n_sim, n), np.full(n_sim, total), fits.margins, fits.h_limits, fits.linear_kind,
        fits.e0_fixed or 0.0, fits.einf_fixed or 0.0,
        fits.box, np.zeros(n_sim, np.uint8), out, np.zeros(n_sim, np.bool_),
    )  # fmt: skip
    constant = tss if fits.e0_fixed is None else tss + total * (mean - fits.e0_fixed) ** 2
    df1 = fits.n_free - (fits.e0_fixed is None)
    return _Null(constant, np.minimum(out[:, 4], constant), n - k, noise, float(df1), float(n - fits.n_free))
