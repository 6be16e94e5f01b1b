"""Confidence intervals of the absolute IC50 and of the EC50."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rechallenge.stats.hill.types import Bools, Floats, HillFits, Ints, Reason

Method = Literal["auto", "delta", "replicate", "inverted", "bootstrap", "profile"]
Variance = Literal["auto", "residual", "replicate"]
Direction = Literal["falling", "rising"]

_LN10 = float(np.log(10.0))
_STATUS = np.array(["estimated", "censored_above", "censored_below", "not_estimable", "not_estimable"])


@dataclass(frozen=True)
class DoseInterval:
    """Doses at a response level for N curves; every array has N entries.

    ``log10_dose``: log10 of the dose where the fitted curve crosses the level, nan unless ``status`` is 'estimated'.
    ``se``: its standard error on the log10 scale. ``df``: degrees of freedom. ``log10_lo``, ``log10_hi``: limits,
    -inf and inf where open. ``status``: 'estimated'; 'censored_above' (level not reached at the highest tested
    dose: the dose is above ``lo``); 'censored_below' (passed already at the lowest tested dose: the dose is
    below ``hi``); 'not_estimable'. ``variance``: 'residual' or 'replicate' per curve. ``reason``: why not
    estimable, else empty.
    """

    level: float
    method: str
    confidence: float
    log10_dose: Floats
    se: Floats
    df: Floats
    log10_lo: Floats
    log10_hi: Floats
    status: NDArray[np.str_]
    variance: NDArray[np.str_]
    reason: NDArray[np.str_]

    def __len__(self) -> int:
        return int(self.log10_dose.size)

    @property
    def dose(self) -> Floats:
        """Dose at the level, in the unit of the fit."""
        return np.asarray(10.0**self.log10_dose)

    @property
    def lo(self) -> Floats:
        """Lower limit, 0 where open."""
        return np.asarray(10.0**self.log10_lo)

    @property
    def hi(self) -> Floats:
        """Upper limit, inf where open."""
        return np.asarray(10.0**self.log10_hi)


@dataclass(frozen=True)
class Located:
    """Where N curves meet a level, and the variance of each; natural logs. Row order is that of the fits.

    ``step_lo``, ``step_hi``: the tested doses between which a curve too steep for its doses passes the level (see
    ``step``); nan for all others.
    """

    level: float
    scale: int
    falling: bool
    x_min: Floats
    x_max: Floats
    e0: Floats
    einf: Floats
    log_ec50: Floats
    h: Floats
    v: Floats
    log_dose: Floats
    se: Floats
    df: Floats
    code: NDArray[np.int64]
    replicate: Bools
    step_lo: Floats
    step_hi: Floats

    def take(self, curves: Ints) -> Located:
        """The same for some of the curves, in the order given."""
        rows = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("level", "scale", "falling")}
        return replace(self, **{name: values[curves] for name, values in rows.items()})

    @property
    def status(self) -> NDArray[np.str_]:
        return np.asarray(_STATUS[self.code])

    def limits(self, t: Floats, *, inverted: bool = True) -> tuple[Floats, Floats]:
        """Limits of the log dose at ``t`` [N] standard errors, by inversion or symmetric where both are finite."""
        from rechallenge.stats.hill.invert import invert_rows
        from rechallenge.stats.hill.variance import ESTIMATED

        lo, hi = np.empty(t.size), np.empty(t.size)
        invert_rows(
            self.code, np.ascontiguousarray(t, dtype=np.float64), self.level, self.scale, self.falling, self.x_min,
            self.x_max, self.e0, self.einf, self.log_ec50, self.h, self.v, lo, hi,
        )  # fmt: skip
        if not inverted:
            inside = self.code == ESTIMATED
            lo = np.where(inside & np.isfinite(lo), self.log_dose - t * self.se, lo)
            hi = np.where(inside & np.isfinite(hi), self.log_dose + t * self.se, hi)
        return self.widened(lo, hi)

    def widened(self, lo: Floats, hi: Floats) -> tuple[Floats, Floats]:
        """Limits that hold the whole step of a curve that is one."""
        known = np.isfinite(self.log_dose) & ~np.isnan(lo) & ~np.isnan(hi)
        return np.where(known, np.fmin(lo, self.step_lo), lo), np.where(known, np.fmax(hi, self.step_hi), hi)


@dataclass(frozen=True)
class Influence:
    """Influence of each biological replicate on the log dose: ``value[start[i]:start[i + 1]]`` for curve i."""

    start: Ints
    value: Floats


def locate(
    fits: HillFits, level: float, *, scale: int, direction: Direction = "falling", variance: Variance = "auto"
) -> tuple[Located, Influence]:
    """Where each curve meets the level and how well that is known.

    ``scale`` 0: ``level`` is a response; 1: a fraction of the way from Einf to E0.
    """
    from rechallenge.stats.hill.step import step_bracket
    from rechallenge.stats.hill.variance import NOT_ESTIMABLE, REPLICATE, RESIDUAL, curve_variances

    if direction not in ("falling", "rising"):
        raise ValueError(f"direction must be 'falling' or 'rising', got {direction!r}")
    if variance not in ("auto", "residual", "replicate"):
        raise ValueError(f"variance must be 'auto', 'residual' or 'replicate', got {variance!r}")
    total = len(fits)
    usable = (fits.reason == Reason.NONE) | (fits.reason == Reason.SINGULAR)
    if variance == "residual":
        replicate = np.zeros(total, np.bool_)
    elif variance == "replicate":
        replicate = np.ones(total, np.bool_)
    else:
        replicate = fits.n_replicates >= 2
    usable &= ~replicate | (fits.n_replicates >= 2)
    groups = np.where(replicate & usable, fits.n_replicates, 0)
    influence_start = np.concatenate(([0], np.cumsum(groups))).astype(np.int64)
    influence = np.zeros(int(influence_start[-1]))
    v = np.empty((total, 4, 4))
    log_dose, se, df = np.empty(total), np.empty(total), np.empty(total)
    code = np.full(total, NOT_ESTIMABLE, np.int64)
    data = fits.data
    curve_variances(
        usable, np.where(replicate, REPLICATE, RESIDUAL), float(level), scale, direction == "falling",
        fits.e0_fixed is None, fits.einf_fixed is None, data.start, data.x, data.weight, data.mean, data.cell_start,
        data.cell_replicate, data.cell_dose, data.cell_weight, data.cell_mean, fits.e0, fits.einf, np.log(fits.ec50),
        fits.h, fits.s, fits.df, groups, fits.at_bound, influence_start, v, log_dose, se, df, code, influence,
    )  # fmt: skip
    at = Located(
        float(level), scale, direction == "falling", fits.x_min, fits.x_max, fits.e0, fits.einf, np.log(fits.ec50),
        fits.h, v, log_dose, se, df, code, replicate,
        *step_bracket(fits, float(level), scale, direction == "falling", log_dose, replicate),
    )  # fmt: skip
    return at, Influence(influence_start, influence)


def _interval(
    fits: HillFits,
    level: float,
    scale: int,
    method: Method,
    confidence: float,
    direction: Direction,
    variance: Variance,
    n_boot: int,
    seed: int,
) -> DoseInterval:
    from scipy.stats import t as student

    from rechallenge.stats.hill.variance import ESTIMATED, NOT_ESTIMABLE, WRONG_DIRECTION

    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    if method == "delta":
        variance = "residual" if variance == "auto" else variance
    elif method in ("replicate", "bootstrap"):
        variance = "replicate"
    elif method == "profile":
        variance = "residual"
    elif method not in ("auto", "inverted"):
        raise ValueError(f"unknown interval method {method!r}")
    at, _ = locate(fits, level, scale=scale, direction=direction, variance=variance)
    with np.errstate(invalid="ignore", over="ignore"):
        t = student.ppf(0.5 + confidence / 2, at.df)
    lo, hi = at.limits(t, inverted=method not in ("delta", "replicate"))
    if method == "profile":
        from rechallenge.stats.hill.profile import profile_limits

        lo, hi = at.widened(*profile_limits(fits, at, confidence))
    elif method == "bootstrap":
        from rechallenge.stats.hill.bootstrap import bootstrap_limits

        lo, hi = at.widened(*bootstrap_limits(fits, at, confidence, n_boot, seed))
    code = at.code.copy()
    code[np.isnan(lo) | np.isnan(hi)] = np.where(code == WRONG_DIRECTION, WRONG_DIRECTION, NOT_ESTIMABLE)[
        np.isnan(lo) | np.isnan(hi)
    ]
    inside = code == ESTIMATED
    return DoseInterval(
        level=float(level), method=method, confidence=confidence,
        log10_dose=np.where(inside, at.log_dose, np.nan) / _LN10, se=np.where(inside, at.se, np.nan) / _LN10,
        df=np.where(code >= NOT_ESTIMABLE, np.nan, at.df), log10_lo=lo / _LN10, log10_hi=hi / _LN10,
        status=_STATUS[code], variance=np.where(at.replicate, "replicate", "residual"), reason=_reasons(fits, at, code),
    )  # fmt: skip


def _reasons(fits: HillFits, at: Located, code: NDArray[np.int64]) -> NDArray[np.str_]:
    from rechallenge.stats.hill.types import REASON_TEXT
    from rechallenge.stats.hill.variance import NOT_ESTIMABLE, WRONG_DIRECTION

    text = np.array([REASON_TEXT[Reason(r)] for r in range(len(Reason))], dtype="U120")[fits.reason]
    text = np.where(code >= NOT_ESTIMABLE, text, "")
    text = np.where(code == WRONG_DIRECTION, "the response crosses the level in the other direction", text)
    unknown = (code == NOT_ESTIMABLE) & (text == "")
    few = at.replicate & (fits.n_replicates < 2)
    text = np.where(unknown & few, "fewer than two biological replicates", text)
    return np.asarray(np.where(unknown & ~few, "the variance of the response is not finite", text))


def ic50_interval(
    fits: HillFits,
    level: float = 0.5,
    *,
    method: Method = "auto",
    confidence: float = 0.95,
    direction: Direction = "falling",
    variance: Variance = "auto",
    n_boot: int = 1000,
    seed: int = 0,
) -> DoseInterval:
    """Interval of the dose at which the response equals ``level`` (absolute IC50), for all curves.

    ``method``:
    'auto' - 'inverted' with the variance between biological replicates (residual where there is one replicate);
    'delta' - full gradient of the log dose in all free parameters, residual variance, t with n - p df;
    'replicate' - the same with the cluster-robust variance between biological replicates (CR2, Satterthwaite df);
    'inverted' - doses whose response does not differ from the level, with either ``variance``; limits may be open;
    'bootstrap' - biological replicates resampled whole; 'profile' - profile likelihood, independent residuals.

    Coverage of 95 % intervals, measured by ``benchmarks/coverage_curves.py 2000 --full`` (nine doses, h 1.4 and 0.6,
    IC50 in the middle and at 0.4 and 0.8 of the highest dose, spread of log10 IC50 between replicates 0, 0.05 and 0.15,
    one or three wells, every data set counted): 'auto' 93.7 to 96.4 % with three, four or six replicates, the two sides
    missing equally often; 'delta', 'profile' and 'inverted' with the residual variance 93 to 96 % where replicates do
    not differ, 58 to 82 % where they differ by 0.15; 'bootstrap' 73 to 79 % with three replicates and 84 to 87 % with
    six. Above the highest dose a bound is wrong in at most 2.5 % of data sets, so that coverage there is 97.5 to 100 %
    for any honest method.

    Two replicates: the same method with one degree of freedom covers 94 to 97 %, but is open on a side in up to 83 % of
    data sets where replicates do not differ and in 20 to 92 % where they do: two replicates hardly locate an IC50. One
    replicate: the interval holds for that one experiment (93 to 95 %); it misses the IC50 over experiments in up to
    60 % of cases where replicates differ by 0.15.

    ``direction``: the way in which the response passes the level, so that 'not reached' can be told from 'passed
    already'. Intervals are unconditional: where the level is not excluded at the highest tested dose the upper limit
    is inf. Raises ValueError for unknown options.
    """
    return _interval(fits, level, 0, method, confidence, direction, variance, n_boot, seed)


def ec50_interval(
    fits: HillFits,
    fraction: float = 0.5,
    *,
    method: Method = "auto",
    confidence: float = 0.95,
    variance: Variance = "auto",
    n_boot: int = 1000,
    seed: int = 0,
) -> DoseInterval:
    """Interval of the relative effective dose: where the response has gone ``fraction`` of the way from E0 to Einf.

    0.5 gives the EC50, 0.1 the ED10. Methods as in ``ic50_interval``. Raises ValueError unless 0 < fraction < 1.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction must lie between 0 and 1, got {fraction}")
    return _interval(fits, 1.0 - fraction, 1, method, confidence, "falling", variance, n_boot, seed)
