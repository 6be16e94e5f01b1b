"""A few curves fitted jointly with some parameters shared, and the ratio of their effective doses.

The classical bioassay: curves that share E0 and Einf differ in EC50 (relative potency) and perhaps in slope. One
residual variance for all curves; the ratio of two effective doses with a delta and with a Fieller interval.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from rechallenge.stats.hill.fit import fit_hill
from rechallenge.stats.hill.types import PARAMETERS, Bounds, Floats, HillFits, Ints, Model

_LIMIT = 700.0
_INSIDE = 1e-9


@dataclass(frozen=True)
class RatioInterval:
    """Ratio of two effective doses with limits; Fieller limits are 0, inf or nan where the set is not an interval."""

    ratio: float
    se: float
    df: float
    lo: float
    hi: float
    method: str
    confidence: float


@dataclass(frozen=True)
class SharedFit:
    """Joint fit of C curves. ``h``, ``einf``, ``e0``, ``ec50`` [C]; ``theta`` [P]: the distinct free parameters, with
    log EC50 a natural logarithm; ``position`` [C, 4]: where each of ``PARAMETERS`` of a curve stands in ``theta``, -1
    where fixed; ``cov`` [P, P]: their covariance; ``s``: residual standard deviation, common to all curves.
    """

    h: Floats
    einf: Floats
    e0: Floats
    ec50: Floats
    theta: Floats
    position: Ints
    cov: Floats
    rss: float
    s: float
    n: int
    df: int
    converged: bool

    @property
    def se(self) -> Floats:
        """Standard errors [C, 4] in the order of ``PARAMETERS``; 0 where fixed."""
        error = np.append(np.sqrt(np.maximum(np.diag(self.cov), 0.0)), 0.0)
        return np.asarray(error[self.position])

    def log_dose(self, curve: int, effect: float) -> tuple[float, Floats]:
        """Natural log of the dose with ``effect`` (fraction of the way from E0 to Einf), and its gradient in theta."""
        if not 0 < effect < 1:
            raise ValueError(f"effect is a fraction between 0 and 1, got {effect}")
        odds = np.log(effect / (1.0 - effect))
        gradient = np.zeros(self.theta.size + 1)
        gradient[self.position[curve, 3]] += 1.0
        gradient[self.position[curve, 0]] -= odds / self.h[curve] ** 2
        # The last entry gathers what belongs to fixed parameters (position -1).
        return float(np.log(self.ec50[curve]) + odds / self.h[curve]), gradient[:-1]

    def dose(self, curve: int, effect: float = 0.5) -> tuple[float, float]:
        """Effective dose and its delta-method standard error, on the scale of the dose."""
        log_dose, gradient = self.log_dose(curve, effect)
        value = float(np.exp(log_dose))
        return value, value * float(np.sqrt(gradient @ self.cov @ gradient))

    def ratio(
        self,
        numerator: int,
        denominator: int,
        effect: float | tuple[float, float] = 0.5,
        *,
        method: Literal["log", "delta", "fieller"] = "log",
        confidence: float = 0.95,
    ) -> RatioInterval:
        """Effective dose of one curve over that of another, with a t interval on n - p degrees of freedom.

        ``effect``: fraction of the effect, or one for each curve. ``method``: 'log' (delta on the log scale, always
        above 0), 'delta' (symmetric on the scale of the ratio, as R's drc prints) or 'fieller' (exact for a ratio of
        normal estimates, doi:10.1111/j.2517-6161.1954.tb00159.x; open where the denominator may be 0).
        """
        from scipy.stats import t as student

        if not 0 < confidence < 1:
            raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
        first, second = effect if isinstance(effect, tuple) else (effect, effect)
        top, g_top = self.log_dose(numerator, first)
        bottom, g_bottom = self.log_dose(denominator, second)
        ratio = float(np.exp(top - bottom))
        difference = g_top - g_bottom
        log_se = float(np.sqrt(np.maximum(difference @ self.cov @ difference, 0.0)))
        t = float(student.ppf(0.5 + confidence / 2, self.df))
        if method == "log":
            lo, hi = ratio * np.exp(-t * log_se), ratio * np.exp(t * log_se)
        elif method == "delta":
            lo, hi = ratio * (1 - t * log_se), ratio * (1 + t * log_se)
        elif method == "fieller":
            a, b = np.exp(top) * g_top, np.exp(bottom) * g_bottom
            lo, hi = fieller(
                float(np.exp(top)), float(np.exp(bottom)), a @ self.cov @ a, b @ self.cov @ b, a @ self.cov @ b, t
            )
        else:
            raise ValueError(f"method must be 'log', 'delta' or 'fieller', got {method!r}")
        return RatioInterval(ratio, ratio * log_se, float(self.df), float(lo), float(hi), method, confidence)


def fieller(
    top: float, bottom: float, var_top: float, var_bottom: float, covariance: float, t: float
) -> tuple[float, float]:
    """Fieller limits of ``top / bottom``; (-inf, inf) where the denominator does not differ from 0 at this t."""
    quad = bottom**2 - t**2 * var_bottom
    middle = top * bottom - t**2 * covariance
    root = middle**2 - quad * (top**2 - t**2 * var_top)
    if quad <= 0 or root < 0:
        return -np.inf, np.inf
    return float((middle - np.sqrt(root)) / quad), float((middle + np.sqrt(root)) / quad)


def fit_shared(
    curve: ArrayLike,
    x: ArrayLike,
    y: ArrayLike,
    *,
    shared: tuple[str, ...] = ("einf", "e0"),
    weights: ArrayLike | None = None,
    model: Model = "4p",
    e0: float | None = None,
    einf: float | None = None,
    bounds: Bounds | None = None,
    covariance: Literal["expected", "observed"] = "observed",
) -> SharedFit:
    """Fit C curves jointly; the parameters named in ``shared`` are common to all of them.

    ``curve`` [n]: 0 to C - 1; ``x``, ``y``, ``weights`` [n] and the other options as for ``fit_hill``. ``shared``: any
    of 'h', 'einf', 'e0', 'ec50'. Separate fits of every curve and of all curves taken as one give the starts; the
    lowest sum of squares wins. ``covariance``: inverse of the observed Hessian (default, as R's drc) or of J'WJ.

    Meant for a handful of curves. Raises ValueError for unknown names and where the data do not suffice (with the
    reason).
    """
    from scipy.optimize import least_squares

    bounds = bounds or Bounds()
    unknown = set(shared) - {"h", "einf", "e0", "ec50"}
    if unknown:
        raise ValueError(f"shared names parameters among 'h', 'einf', 'e0', 'ec50', got {sorted(unknown)}")
    single = fit_hill(curve, x, y, weights=weights, model=model, e0=e0, einf=einf, bounds=bounds)
    together = np.zeros_like(np.asarray(curve))
    pooled = fit_hill(together, x, y, weights=weights, model=model, e0=e0, einf=einf, bounds=bounds)
    _usable(single)
    position = _positions(single, shared)
    n_theta = int(position.max()) + 1
    n, data = int(single.n.sum()), single.data
    df = n - n_theta
    if df < 1:
        raise ValueError(f"{n} observations cannot determine {n_theta} parameters and a residual variance")
    owner = np.repeat(np.arange(len(single)), single.n_doses)
    with np.errstate(divide="ignore"):
        log_x = np.log(data.x)
    root_w = np.sqrt(data.weight)
    fixed = np.array([np.nan, np.nan if single.einf_fixed is None else single.einf_fixed,
                      np.nan if single.e0_fixed is None else single.e0_fixed, np.nan])  # fmt: skip

    def expand(theta: Floats) -> Floats:
        full = np.where(position >= 0, theta[position], fixed)
        full[:, 0] = np.exp(full[:, 0])
        return full

    def residuals(theta: Floats) -> Floats:
        h, lower, upper, centre = expand(theta)[owner].T
        with np.errstate(invalid="ignore", over="ignore"):
            s = 1.0 / (1.0 + np.exp(np.clip(h * (log_x - centre), -_LIMIT, _LIMIT)))
        return np.asarray(root_w * (data.mean - lower - (upper - lower) * s))

    def jacobian(theta: Floats) -> Floats:
        h, lower, upper, centre = expand(theta)[owner].T
        u = np.clip(log_x - centre, -_LIMIT / h, _LIMIT / h)
        s = 1.0 / (1.0 + np.exp(h * u))
        q = (upper - lower) * s * (1 - s)
        columns = np.stack([-q * u * h, 1 - s, s, q * h], axis=1) * -root_w[:, None]
        out = np.zeros((log_x.size, n_theta + 1))
        for p in range(4):
            np.add.at(out, (np.arange(log_x.size), position[owner, p]), columns[:, p])
        return out[:, :-1]

    low, high = _box(single, position, n_theta, bounds)
    best = None
    for start in _starts(single, pooled, position, n_theta):
        inside = np.clip(start, low + _INSIDE * (1 + np.nan_to_num(abs(low), posinf=0.0)),
                         high - _INSIDE * (1 + np.nan_to_num(abs(high), posinf=0.0)))  # fmt: skip
        result = least_squares(
            residuals, inside, jacobian, bounds=(low, high), x_scale="jac", xtol=1e-12, ftol=1e-12, gtol=1e-12
        )
        if best is None or result.cost < best.cost:
            best = result
    assert best is not None  # there is always a start
    full = expand(best.x)
    rss = float(2 * best.cost + single.pure_ss.sum())
    info = _information(single, full, position, n_theta, observed=covariance == "observed")
    theta = best.x.copy()
    slopes = np.unique(position[:, 0])
    theta[slopes] = np.exp(theta[slopes])
    return SharedFit(
        h=full[:, 0], einf=full[:, 1], e0=full[:, 2], ec50=np.exp(full[:, 3]), theta=theta, position=position,
        cov=np.linalg.inv(info) * rss / df, rss=rss, s=float(np.sqrt(rss / df)), n=n, df=df,
        converged=bool(best.success),
    )  # fmt: skip


def _usable(fits: HillFits) -> None:
    from rechallenge.stats.hill.types import REASON_TEXT, Reason

    for i, code in enumerate(fits.reason.tolist()):
        if code not in (Reason.NONE, Reason.SINGULAR):
            raise ValueError(f"curve {i} cannot be fitted: {REASON_TEXT[Reason(code)]}")


def _positions(fits: HillFits, shared: tuple[str, ...]) -> Ints:
    """[C, 4]: index of each parameter in theta, -1 where fixed."""
    position = np.full((len(fits), 4), -1, dtype=np.int64)
    count = 0
    for p, name in enumerate(PARAMETERS):
        if (name == "einf" and fits.einf_fixed is not None) or (name == "e0" and fits.e0_fixed is not None):
            continue
        if name.replace("log_", "") in shared:
            position[:, p] = count
            count += 1
        else:
            position[:, p] = count + np.arange(len(fits))
            count += len(fits)
    return position


def _box(fits: HillFits, position: Ints, n_theta: int, bounds: Bounds) -> tuple[Floats, Floats]:
    low, high = np.full(n_theta, -np.inf), np.full(n_theta, np.inf)
    margin = np.array(bounds.log10_ec50_margin) * np.log(10.0)
    low[position[:, 0]], high[position[:, 0]] = np.log(bounds.h)
    for p, box in ((1, bounds.einf), (2, bounds.e0)):
        held = position[:, p][position[:, p] >= 0]
        low[held], high[held] = box
    low[position[:, 3]] = np.log(fits.x_min.min()) - margin[0]
    high[position[:, 3]] = np.log(fits.x_max.max()) + margin[1]
    return low, high


def _starts(single: HillFits, pooled: HillFits, position: Ints, n_theta: int) -> list[Floats]:
    """Median of the separate fits; the pooled fit; and the pooled fit with steeper and shallower slopes."""
    own = np.stack([np.log(single.h), single.einf, single.e0, np.log(single.ec50)], axis=1)
    one = np.stack([np.log(pooled.h), pooled.einf, pooled.e0, np.log(pooled.ec50)], axis=1)
    mixed = own.copy()
    mixed[:, 1:3] = one[:, 1:3]
    starts = []
    for full in (own, mixed, np.repeat(one, len(single), axis=0)):
        for shift in (0.0, 0.7, -0.7):
            theta = np.zeros(n_theta)
            for k in range(n_theta):
                where = position == k
                theta[k] = np.median(full[where]) + (shift if where[:, 0].any() else 0.0)
            if np.isfinite(theta).all():
                starts.append(theta)
    return starts


def _information(fits: HillFits, full: Floats, position: Ints, n_theta: int, *, observed: bool) -> Floats:
    """Information of theta, summed over curves, in (h, einf, e0, log EC50)."""
    from rechallenge.stats.hill.batch import covariance, log_doses

    total = np.zeros((n_theta + 1, n_theta + 1))
    active = np.ones(4, np.bool_)
    for c in range(len(fits)):
        rows = slice(fits.data.start[c], fits.data.start[c + 1])
        lx = np.empty(int(fits.n_doses[c]))
        log_doses(fits.data.x[rows], lx)
        info = np.empty((4, 4))
        h, einf, e0, centre = full[c]
        covariance(
            lx, fits.data.weight[rows], fits.data.mean[rows], h, centre, einf, e0, active, observed, info,
            np.empty((4, 4)), np.empty((4, 4)), np.empty(4),
        )  # fmt: skip
        total[np.ix_(position[c], position[c])] += info
    return np.asarray(total[:-1, :-1])
