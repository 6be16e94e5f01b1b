"""BRAID response surface (Twarog et al. 2016, doi:10.1038/srep25523), with one interaction parameter kappa.

    E(a, b) = E0 + (Ef - E0) / (1 + U ** -g),  g = sqrt(n_A n_B),  U = u_A + u_B + kappa sqrt(u_A u_B),
    u_A = ( r_A t_A / (1 + (1 - r_A) t_A) ) ** (1 / g),  t_A = (a / ID_A) ** n_A,  r_A = (E_A - E0) / (Ef - E0),

and the same for B; Ef is the larger of the two maximal effects E_A, E_B. kappa = 0 is additivity (Loewe's, where both
drugs share slope and maximum), kappa > 0 synergy, -2 < kappa < 0 antagonism. Fitted by bounded least squares from
several starts: the single-agent curves with kappa spread over its range.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize

from rechallenge.stats.synergy.inference import leave_one_out, pseudo_values, t_interval
from rechallenge.stats.synergy.margins import fit_margin, identifiable
from rechallenge.stats.synergy.types import Floats, Surface

Source = Literal["replicate", "residual"]
#: Order of ``BraidFit.parameters``.
NAMES = ("id_a", "id_b", "n_a", "n_b", "kappa", "e0", "e_a", "e_b")
_KAPPA = (-1.96, 100.0)
_SLOPE = (0.1, 10.0)
_DECADES = 2.0
_STARTS = (0.0, -1.0, 2.0, 10.0)
_TINY = 1e-9


def braid(
    dose_a: ArrayLike, dose_b: ArrayLike, id_a: ArrayLike, id_b: ArrayLike, n_a: ArrayLike, n_b: ArrayLike,
    kappa: ArrayLike, e0: ArrayLike, e_a: ArrayLike, e_b: ArrayLike,
) -> Floats:  # fmt: skip
    """Inhibition at dose pairs; parameters as in the module's formula, with ``e_a``, ``e_b`` above ``e0``.

    All arguments broadcast.
    """
    id_a, id_b, n_a, n_b, kappa, e0, e_a, e_b = (
        np.asarray(v, dtype=np.float64) for v in (id_a, id_b, n_a, n_b, kappa, e0, e_a, e_b)
    )
    full = np.maximum(e_a, e_b) - e0
    g = np.sqrt(n_a * n_b)

    def part(dose: ArrayLike, middle: Floats, slope: Floats, top: Floats) -> Floats:
        r = (top - e0) / full
        with np.errstate(divide="ignore", over="ignore"):
            t = slope * (np.log(np.asarray(dose, dtype=np.float64)) - np.log(middle))
        # r t / (1 + (1 - r) t) with t = exp(.) without overflow
        with np.errstate(over="ignore", divide="ignore"):
            return np.asarray((r / (np.exp(-t) + (1.0 - r))) ** (1.0 / g))

    u, v = part(dose_a, id_a, n_a, e_a), part(dose_b, id_b, n_b, e_b)
    with np.errstate(divide="ignore", over="ignore"):
        total = np.maximum(u + v + kappa * np.sqrt(u * v), 0.0)
        return np.asarray(e0 + full / (1.0 + total**-g))


@dataclass(frozen=True)
class BraidFit:
    """``parameters`` [8] in the order ``NAMES``; ``kappa`` with interval and p for kappa = 0; ``rss``; ``r2``.

    ``source``: what the interval rests on. ``at_bound``: names of parameters at a limit of their range. ``status``:
    'estimated', 'bound' (kappa ran into a limit of its range: no interval), 'not_testable' (one replicate: kappa
    without interval over replicates) or 'not_estimable'.
    """

    parameters: Floats
    kappa: float
    ci_low: float
    ci_high: float
    p_value: float
    rss: float
    r2: float
    n_replicates: int
    source: str
    at_bound: tuple[str, ...]
    status: str
    reason: str

    def predict(self, dose_a: ArrayLike, dose_b: ArrayLike) -> Floats:
        """Fitted inhibition at dose pairs."""
        return braid(dose_a, dose_b, *self.parameters.tolist())


def _natural(theta: Floats, e0: float | None) -> tuple[Floats, ...]:
    """Parameters in the order ``NAMES`` from transformed ones [..., 7 or 8], [...] each."""
    base = theta[..., 7] if e0 is None else np.full(theta.shape[:-1], e0)
    ids, slopes = np.exp(theta[..., 0:2]), np.exp(theta[..., 2:4])
    kappa = 2.0 * np.expm1(theta[..., 4])
    tops = base[..., None] + np.maximum(theta[..., 5:7], _TINY)
    return ids[..., 0], ids[..., 1], slopes[..., 0], slopes[..., 1], kappa, base, tops[..., 0], tops[..., 1]


def _limits(surface: Surface, e0: float | None, top: float) -> tuple[Floats, Floats]:
    low, high = [], []
    for d in (0, 1):
        doses = surface.doses[surface.doses[:, d] > 0, d]
        low.append(np.log(doses.min()) - _DECADES * np.log(10))
        high.append(np.log(doses.max()) + _DECADES * np.log(10))
    low += [np.log(_SLOPE[0])] * 2 + [np.log1p(_KAPPA[0] / 2)] + [_TINY] * 2
    high += [np.log(_SLOPE[1])] * 2 + [np.log1p(_KAPPA[1] / 2)] + [top] * 2
    if e0 is None:
        low, high = [*low, -top], [*high, top]
    return np.array(low), np.array(high)


def _solve(
    surface: Surface, mean: Floats, weight: Floats, starts: list[Floats], e0: float | None, top: float
) -> tuple[Floats, float, Floats]:
    """Best of the starts: transformed parameters, residual sum of squares, Jacobian."""
    low, high = _limits(surface, e0, top)
    use = np.isfinite(mean) & (weight > 0)
    a, b, y, root = surface.doses[use, 0], surface.doses[use, 1], mean[use], np.sqrt(weight[use])

    def residual(theta: Floats) -> Floats:
        return np.asarray(root * (braid(a, b, *_natural(theta, e0)) - y))

    def jacobian(theta: Floats) -> Floats:
        """Forward differences of all parameters at once, backward where forward would leave the range."""
        step = np.sqrt(np.finfo(float).eps) * np.maximum(1.0, np.abs(theta))
        step = np.where(theta + step > high, -step, step)
        moved = np.vstack([theta, theta + np.diag(step)])
        values = braid(a, b, *(v[:, None] for v in _natural(moved, e0)))
        return np.asarray((root * (values[1:] - values[0]) / step[:, None]).T)

    best: tuple[Floats, float, Floats] | None = None
    inside = 1e-6 * (high - low)
    for start in starts:
        found = optimize.least_squares(
            residual, np.clip(start, low + inside, high - inside), jacobian, bounds=(low, high), x_scale="jac",
            max_nfev=200,
        )  # fmt: skip
        if best is None or 2 * found.cost < best[1]:
            best = (np.asarray(found.x), 2 * float(found.cost), np.asarray(found.jac))
    if best is None:
        raise ValueError("at least one start is needed")
    return best


def fit_braid(
    surface: Surface,
    *,
    e0: float | None = 0.0,
    max_effect: float = 1.2,
    source: Source = "replicate",
    confidence: float = 0.95,
    seed: int = 0,
) -> BraidFit:
    """Fit the surface to the mean over replicates; single agents and combinations alike take part.

    ``e0``: inhibition without drug, None to fit it. ``max_effect``: largest effect allowed above E0. The interval is a
    t interval on log(1 + kappa / 2), 0 at additivity, over jackknife pseudo-values of biological replicates, or for
    ``source='residual'`` from the scatter of the cell means about the surface (all that a single replicate has; it
    knows nothing of the spread between replicates). Not estimable where a single agent is flat. Raises ValueError for
    more than two drugs.
    """
    if surface.n_drugs != 2:
        raise ValueError(f"BRAID is defined for two drugs, got {surface.n_drugs}")
    if source not in ("replicate", "residual"):
        raise ValueError(f"source must be 'replicate' or 'residual', got {source!r}")
    n = surface.n_replicates
    nan = float("nan")
    reason = "; ".join(text for ok, text in (identifiable(surface, d, seed=seed) for d in (0, 1)) if not ok)
    free = 8 if e0 is None else 7
    if not reason and surface.combined.sum() < 1:
        reason = "no combination was measured"
    if not reason and surface.doses.shape[0] <= free:
        reason = f"{surface.doses.shape[0]} dose combinations do not determine {free} parameters"
    if reason:
        return BraidFit(np.full(8, nan), nan, nan, nan, nan, nan, nan, n, source, (), "not_estimable", reason)
    means, totals = surface.weighted(leave_one_out(n))
    a, b = (fit_margin(surface, d, means, totals) for d in (0, 1))
    first = [
        *(float(np.log(c.ec50[0, 0])) for c in (a, b)), *(float(np.log(c.h[0, 0])) for c in (a, b)), 0.0,
        *(float(c.einf[0, 0]) for c in (a, b)), *([0.0] if e0 is None else []),
    ]  # fmt: skip
    starts = []
    for kappa in _STARTS:
        start = np.array(first)
        start[4] = np.log1p(kappa / 2)
        starts.append(start)
    best, rss, jacobian = _solve(surface, means[0], totals[0], starts, e0, max_effect)
    level = float(np.average(means[0], weights=totals[0]))
    tss = float(np.sum(totals[0] * (means[0] - level) ** 2))
    low, high = _limits(surface, e0, max_effect)
    near = 1e-3 * (high - low)
    names = ("id_a", "id_b", "n_a", "n_b", "kappa", "e_a", "e_b", "e0")
    bounds = tuple(names[i] for i in np.flatnonzero((best < low + near) | (best > high - near)))
    parameters = np.array([float(v) for v in _natural(best, e0)])
    ci_low = ci_high = p = nan
    status, why = "estimated", ""
    if "kappa" in bounds:
        status, why = "bound", f"kappa is at the limit of its range {_KAPPA}: only its direction is known"
    elif source == "residual":
        se, df = _residual_se(jacobian, rss)
        from scipy import stats

        if np.isfinite(se):
            half = float(stats.t.ppf(0.5 + confidence / 2, df)) * se
            ci_low, ci_high = (2 * float(np.expm1(best[4] + s * half)) for s in (-1, 1))
            p = 2 * float(stats.t.sf(abs(best[4]) / se, df))
        else:
            status, why = "not_testable", "the data do not determine kappa (singular covariance)"
    elif n == 1:
        status, why = "not_testable", "one biological replicate: no interval over replicates and no test"
    else:
        without = [_solve(surface, means[r], totals[r], [best], e0, max_effect)[0][4] for r in range(1, n + 1)]
        theta = [best[4], *without]
        fit = t_interval(np.asarray(best[4]), pseudo_values(np.array(theta)), confidence)
        ci_low, ci_high = 2 * float(np.expm1(fit.lo)), 2 * float(np.expm1(fit.hi))
        p = float(fit.p_value)
    return BraidFit(
        parameters, float(parameters[4]), ci_low, ci_high, p, rss, 1 - rss / tss if tss > 0 else nan, n, source,
        bounds, status, why,
    )  # fmt: skip


def _residual_se(jacobian: Floats, rss: float) -> tuple[float, float]:
    """Standard error of log(1 + kappa / 2) from (J'J)^-1 over the parameters the data move, and its df."""
    moved = np.linalg.norm(jacobian, axis=0) > 1e-10
    df = float(len(jacobian) - moved.sum())
    j = jacobian[:, moved]
    if not moved[4] or df <= 0 or np.linalg.matrix_rank(j) < j.shape[1]:
        return float("nan"), df
    cov = np.linalg.inv(j.T @ j) * rss / df
    return float(np.sqrt(cov[int(moved[:4].sum()), int(moved[:4].sum())])), df
