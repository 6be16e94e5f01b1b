"""One-to-one binding: sensorgrams over time and responses at equilibrium, with profile intervals of KD.

    dR/dt = ka C (Rmax - R) - kd R,    KD = kd / ka,    R at equilibrium = Rmax C / (KD + C)

In each stretch of constant concentration R runs exponentially to its equilibrium, so any course of concentrations
(one injection per cycle, or several in one cycle) is followed exactly. The response is linear in Rmax, a base line and
a drift per cycle; these are solved for, and the search is over ka and kd alone (variable projection,
doi:10.1137/0710036).

Concentrations in µM, times in s, ka in 1/(µM s), kd in 1/s; responses in any one unit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
NAN, INF = float("nan"), float("inf")
#: search box of log10 ka (1/(µM s)) and log10 kd (1/s)
KA, KD_RATE = (-6.0, 4.0), (-6.5, 1.0)
#: so far from the estimate (decades of KD) a profile is followed
_REACH = 4.0


@dataclass(frozen=True)
class Cycle:
    """One sensor or injection cycle: times [m] in s (rising), responses [m], and the concentration [m] in µM that flows
    up to each time (0 in base line and dissociation)."""

    time: Floats
    response: Floats
    concentration: Floats
    start: float


@dataclass(frozen=True)
class Kinetics:
    """Global fit of cycles. ``kd_um`` with profile limits (0 or inf where the data set no bound); ``ka`` in 1/(µM s),
    ``kd`` in 1/s with standard errors of their logarithms; ``rmax`` (one for all cycles, or per cycle); ``drift`` per
    cycle in response per s (0 where not fitted); ``r2``; ``n`` points and ``n_effective`` of them after their
    correlation; ``p_binding`` of the test against base line and drift alone; ``fitted`` per cycle."""

    ka: float
    kd: float
    kd_um: float
    ci_low: float
    ci_high: float
    se_log_ka: float
    se_log_kd: float
    rmax: tuple[float, ...]
    drift: tuple[float, ...]
    r2: float
    n: int
    n_effective: float
    p_binding: float
    fitted: tuple[Floats, ...]


@dataclass(frozen=True)
class Affinity:
    """Fit of responses at equilibrium: KD in µM with profile limits, Rmax, offset, r2, n, p against no binding."""

    kd_um: float
    ci_low: float
    ci_high: float
    rmax: float
    offset: float
    r2: float
    n: int
    p_binding: float


def unit_response(ka: float, kd: float, cycle: Cycle) -> Floats:
    """Response [m] of a cycle for Rmax = 1, starting without anything bound."""
    c = cycle.concentration
    t = cycle.time
    out = np.empty(t.size)
    begins = np.flatnonzero(np.r_[True, c[1:] != c[:-1]])
    ends = np.r_[begins[1:], t.size]
    bound, at = 0.0, cycle.start
    for i, j in zip(begins, ends, strict=True):
        rate = ka * c[i] + kd
        level = ka * c[i] / rate
        out[i:j] = level + (bound - level) * np.exp(-rate * (t[i:j] - at))
        bound, at = float(out[j - 1]), float(t[j - 1])
    return out


class _Projected:
    """Residual sums of squares over ka and kd with everything linear solved for."""

    def __init__(self, cycles: Sequence[Cycle], *, drift: bool, offset: bool, shared: bool) -> None:
        self.cycles = cycles
        self.shared = shared
        self.nuisance = []
        for c in cycles:
            columns = [np.ones(c.time.size)] if offset else []
            if drift:
                columns.append((c.time - c.start) / max(float(np.ptp(c.time)), 1e-9))
            self.nuisance.append(np.linalg.qr(np.column_stack(columns))[0] if columns else np.zeros((c.time.size, 0)))
        self.y = [self._clear(q, c.response) for q, c in zip(self.nuisance, cycles, strict=True)]
        self.bare = float(sum(y @ y for y in self.y))
        self.linear = sum(q.shape[1] for q in self.nuisance) + (1 if shared else len(cycles))

    @staticmethod
    def _clear(q: Floats, v: Floats) -> Floats:
        return np.asarray(v - q @ (q.T @ v))

    def units(self, log_ka: float, log_kd: float) -> list[Floats]:
        rates = 10.0**log_ka, 10.0**log_kd
        return [self._clear(q, unit_response(*rates, c)) for q, c in zip(self.nuisance, self.cycles, strict=True)]

    def heights(self, units: list[Floats]) -> Floats:
        """Rmax of each cycle, not below 0."""
        top = np.array([u @ y for u, y in zip(units, self.y, strict=True)])
        size = np.array([u @ u for u in units])
        if self.shared:
            whole = float(size.sum())
            return np.full(top.size, max(float(top.sum()) / whole, 0.0) if whole > 1e-300 else 0.0)
        return np.asarray(np.maximum(np.divide(top, size, out=np.zeros(top.size), where=size > 1e-300), 0.0))

    def residuals(self, log_ka: float, log_kd: float) -> Floats:
        units = self.units(log_ka, log_kd)
        return np.asarray(
            np.concatenate([y - h * u for y, h, u in zip(self.y, self.heights(units), units, strict=True)])
        )

    def rss(self, log_ka: float, log_kd: float) -> float:
        r = self.residuals(log_ka, log_kd)
        return float(r @ r)


def thinned(cycle: Cycle, most: int) -> Cycle:
    """A cycle of about `most` points, neighbours of one concentration averaged."""
    if cycle.time.size <= most:
        return cycle
    step = int(np.ceil(cycle.time.size / most))
    group = np.zeros(cycle.time.size, dtype=np.int64)
    label = 0
    change = np.flatnonzero(np.r_[True, cycle.concentration[1:] != cycle.concentration[:-1]])
    for i, j in zip(change, np.r_[change[1:], cycle.time.size], strict=True):
        # the last point of a stretch stays by itself: the next one starts there
        inner = np.arange(j - i - 1) // step
        group[i : j - 1] = label + inner
        group[j - 1] = label + (int(inner[-1]) + 1 if inner.size else 0)
        label = int(group[j - 1]) + 1
    count = np.bincount(group)

    def mean(v: Floats) -> Floats:
        return np.asarray(np.bincount(group, weights=v) / count)

    return Cycle(mean(cycle.time), mean(cycle.response), mean(cycle.concentration), cycle.start)


def fit_kinetics(
    cycles: Sequence[Cycle],
    *,
    drift: bool = True,
    offset: bool = True,
    shared_rmax: bool = True,
    confidence: float = 0.95,
    points: int = 400,
) -> Kinetics:
    """One ka and kd for all cycles (least squares over the whole box of rates), with a profile interval of KD.

    ``drift`` and ``offset`` add a slope and a base line per cycle; ``shared_rmax`` takes one Rmax for all (one
    surface), else one per cycle (sensors of different loading). Cycles are thinned to ``points`` by averaging. Points
    of a sensorgram are not independent: limits and test use the number of points that their lag-one correlation
    leaves. Raises ValueError without a cycle that has both an association and a point beside it.
    """
    used = [thinned(c, points) for c in cycles if c.time.size >= 5]
    if not any((c.concentration > 0).any() for c in used):
        raise ValueError("no cycle has an association phase")
    from scipy.optimize import least_squares
    from scipy.stats import f as f_distribution

    box = _Projected(used, drift=drift, offset=offset, shared=shared_rmax)
    coarse = _Projected([thinned(c, 60) for c in used], drift=drift, offset=offset, shared=shared_rmax)
    grid = [(a, k) for a in np.arange(KA[0], KA[1] + 0.01, 0.5) for k in np.arange(KD_RATE[0], KD_RATE[1] + 0.01, 0.5)]
    order = sorted(grid, key=lambda at: coarse.rss(*at))
    low, high = np.array([KA[0], KD_RATE[0]]), np.array([KA[1], KD_RATE[1]])
    tried = [
        least_squares(
            lambda p: box.residuals(*p), np.clip(start, low + 1e-6, high - 1e-6), bounds=(low, high),
            xtol=1e-10, ftol=1e-12, diff_step=1e-5,
        )
        for start in (order[0], _apart(order))
    ]  # fmt: skip
    best = min(tried, key=lambda r: float(r.cost))
    log_ka, log_kd = (float(v) for v in best.x)
    residual = box.residuals(log_ka, log_kd)
    rss, n = float(residual @ residual), residual.size
    effective = _effective(used, residual)
    free = max(effective - box.linear - 2, 1.0)
    scale = n / effective  # a correlated point counts for less: rss and threshold are those of the effective number
    p = (
        float(f_distribution.sf(max(box.bare - rss, 0.0) / scale / 3 / (rss / scale / free), 3, free))
        if rss > 0
        else 0.0
    )
    covariance = np.linalg.pinv(best.jac.T @ best.jac) * rss / n * scale * (effective / free)
    se = np.sqrt(np.maximum(np.diag(covariance), 0.0)) * np.log(10)
    limit = rss * (1 + float(f_distribution.ppf(confidence, 1, free)) / free)
    log_k = log_kd - log_ka

    def profile(target: float) -> float:
        """Smallest rss with KD held at 10^target."""
        from scipy.optimize import minimize_scalar

        first, last = max(KD_RATE[0], KA[0] + target), min(KD_RATE[1], KA[1] + target)
        if first >= last:
            return INF
        at = np.linspace(first, last, 25)
        values = [coarse_rss(a - target, a) for a in at]
        i = int(np.argmin(values))
        inside = at[max(i - 1, 0)], at[min(i + 1, 24)]
        found = minimize_scalar(
            lambda a: box.rss(a - target, a), bounds=inside, method="bounded", options={"xatol": 1e-5}
        )
        near = min(
            max(log_kd + (target - log_k) / 2, first), last
        )  # beside the optimum, should the grid have missed it
        return min(float(found.fun), box.rss(near - target, near))

    coarse_rss = coarse.rss
    ends = _limits(profile, log_k, limit)
    units = box.units(log_ka, log_kd)
    heights = box.heights(units)
    fitted = [unit_response(10.0**log_ka, 10.0**log_kd, c) for c in cycles]
    courses, slopes = [], []
    which = {id(c): h for c, h in zip([c for c in cycles if c.time.size >= 5], heights, strict=True)}
    for c, u in zip(cycles, fitted, strict=True):
        height = float(which.get(id(c), 0.0))
        left = c.response - height * u
        columns = [np.ones(c.time.size)] if offset else []
        if drift:
            columns.append(c.time - c.start)
        x = np.column_stack(columns) if columns else np.zeros((c.time.size, 0))
        solved = np.linalg.lstsq(x, left, rcond=None)[0] if columns else np.zeros(0)
        courses.append(height * u + x @ solved)
        slopes.append(float(solved[-1]) if drift else 0.0)
    total = float(sum(((c.response - c.response.mean()) ** 2).sum() for c in used))
    return Kinetics(
        10.0**log_ka, 10.0**log_kd, 10.0**log_k, *ends, float(se[0]), float(se[1]), tuple(float(h) for h in heights),
        tuple(slopes), 1 - rss / total if total > 0 else NAN, n, effective, p, tuple(courses),
    )  # fmt: skip


def _apart(order: list[tuple[float, float]]) -> tuple[float, float]:
    """The best start that is two decades from the best one in ka or kd."""
    first = order[0]
    return next((o for o in order if abs(o[0] - first[0]) >= 2 or abs(o[1] - first[1]) >= 2), order[-1])


def _effective(cycles: Sequence[Cycle], residual: Floats) -> float:
    """Number of independent points that the lag-one correlation of residuals within cycles leaves."""
    at, top, bottom = 0, 0.0, 0.0
    for c in cycles:
        r = residual[at : at + c.time.size]
        at += c.time.size
        top += float(r[1:] @ r[:-1])
        bottom += float(r @ r)
    rho = min(max(top / bottom, 0.0), 0.999) if bottom > 0 else 0.0
    return max(residual.size * (1 - rho) / (1 + rho), 6.0)


def _limits(profile: Callable[[float], float], centre: float, limit: float) -> tuple[float, float]:
    """KD at which a profile of rss (over log10 KD) crosses `limit` on either side; 0 and inf where it never does."""
    from scipy.optimize import brentq

    ends = []
    for side in (-1.0, 1.0):
        near, step = centre, 0.02
        while True:
            far = centre + side * step
            if profile(far) > limit:
                ends.append(10.0 ** float(brentq(lambda x: min(profile(x), 1e300) - limit, near, far, xtol=1e-4)))
                break
            if step >= _REACH:
                ends.append(0.0 if side < 0 else INF)
                break
            near, step = far, min(step * 2, _REACH)
    return ends[0], ends[1]


def fit_affinity(
    concentration: ArrayLike, response: ArrayLike, *, offset: bool = False, confidence: float = 0.95
) -> Affinity:
    """KD from responses [m] at equilibrium at concentrations [m] in µM, with a profile interval.

    ``offset`` adds a response without ligand. The interval's end is infinite where the data hold no bound on that side,
    which is so whenever the highest concentration does not come near saturation. Raises ValueError with fewer than
    three different concentrations or no degree of freedom.
    """
    from scipy.optimize import minimize_scalar
    from scipy.stats import f as f_distribution

    c, y = np.asarray(concentration, np.float64), np.asarray(response, np.float64)
    keep = np.isfinite(c) & np.isfinite(y) & (c >= 0)
    c, y = c[keep], y[keep]
    linear = 2 if offset else 1
    free = c.size - linear - 1
    if np.unique(c[c > 0]).size < 3 or free < 1:
        raise ValueError("a steady state needs three or more concentrations and a point to spare")

    def solve(log_k: float) -> tuple[float, Floats]:
        u = c / (10.0**log_k + c)
        u = u / max(float(u.max()), 1e-300)  # far above all concentrations u is a straight line; keep its size
        x = np.column_stack([u, np.ones(c.size)]) if offset else u[:, None]
        b = np.linalg.lstsq(x, y, rcond=None)[0]
        if b[0] < 0:
            b = np.array([0.0, y.mean()]) if offset else np.zeros(1)
        return float(((y - x @ b) ** 2).sum()), b

    low, high = np.log10(c[c > 0].min()) - _REACH, np.log10(c.max()) + _REACH
    at = np.linspace(low, high, 161)
    values = np.array([solve(a)[0] for a in at])
    i = int(values.argmin())
    inside = at[max(i - 1, 0)], at[min(i + 1, at.size - 1)]
    found = minimize_scalar(lambda a: solve(a)[0], bounds=inside, method="bounded", options={"xatol": 1e-9})
    log_k = float(found.x)
    rss, b = solve(log_k)
    limit = rss * (1 + float(f_distribution.ppf(confidence, 1, free)) / free)
    ends = _limits(lambda a: solve(a)[0], log_k, limit)
    bare = float(((y - y.mean()) ** 2).sum()) if offset else float((y**2).sum())
    p = float(f_distribution.sf((bare - rss) / 2 / (rss / free), 2, free)) if rss > 0 else 0.0
    u = c / (10.0**log_k + c)
    total = float(((y - y.mean()) ** 2).sum())
    return Affinity(
        10.0**log_k, *ends, float(b[0] / max(float(u.max()), 1e-300)), float(b[1]) if offset else 0.0,
        1 - rss / total if total > 0 else NAN, c.size, p,
    )  # fmt: skip
