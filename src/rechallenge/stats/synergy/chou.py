"""Chou and Talalay's median-effect method: combination index, dose reduction and isobologram on a ray of fixed ratio.

Median-effect equation fa / (1 - fa) = (D / Dm) ** m, so D(fa) = Dm (fa / (1 - fa)) ** (1 / m);
CI(fa) = p_A D_mix / D_A + p_B D_mix / D_B with p the share of each drug in the mixture, below 1 for synergy;
dose-reduction index of A: D_A / (p_A D_mix). Sources: doi:10.1016/0065-2571(84)90007-4, doi:10.1124/pr.58.3.10.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rechallenge.stats.hill import PARAMETERS, HillFits
from rechallenge.stats.synergy.inference import TInterval, leave_one_out, pseudo_values, t_interval
from rechallenge.stats.synergy.margins import fit_rows, identifiable
from rechallenge.stats.synergy.types import Bools, Floats, Ints, Surface

Fit = Literal["curve", "linear"]
IndexInterval = Literal["jackknife", "bootstrap", "delta"]
EFFECTS = (0.5, 0.75, 0.9, 0.95)
_SAME_RATIO = 1e-6


@dataclass(frozen=True)
class MedianEffect:
    """Median-effect fits of B versions of one curve; all [B], nan where not estimable.

    ``log_dm``: natural log of the median-effect dose; ``m``: slope. ``r``: correlation on the median-effect plot, of
    the points with 0 < fa < 1; ``n_excluded``: points outside that, which the plot cannot show. ``cov`` [B, 2, 2]: of
    (log Dm, m), from the scatter about the curve.
    """

    log_dm: Floats
    m: Floats
    r: Floats
    n_excluded: Ints
    cov: Floats

    def log_dose(self, effect: ArrayLike) -> Floats:
        """Natural log of the dose at the affected fraction: [B, e] for effects [e]."""
        logit = np.log(np.asarray(effect) / (1 - np.asarray(effect)))
        return np.asarray(self.log_dm[:, None] + logit / self.m[:, None])

    def se_log_dose(self, effect: ArrayLike) -> Floats:
        """Standard error of ``log_dose`` by the delta method, from the scatter about the curve."""
        logit = np.log(np.asarray(effect) / (1 - np.asarray(effect)))
        slope = -logit / self.m[:, None] ** 2
        c = self.cov
        variance = c[:, 0, 0, None] + 2 * slope * c[:, 0, 1, None] + slope**2 * c[:, 1, 1, None]
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)))


def median_effect(
    dose: ArrayLike, effect: ArrayLike, weight: ArrayLike | None = None, *, fit: Fit = "curve"
) -> MedianEffect:
    """Median-effect fits of fractions affected ``effect`` [B, n] (or [n]) at doses ``dose`` [n] above 0.

    ``fit``: 'curve' by least squares on the effect itself, which uses every point and lets none near 0 or 1 dominate;
    'linear' by Chou's regression of log(fa / (1 - fa)) on log dose, without the points outside 0 < fa < 1. Raises
    ValueError for doses not above 0 and for unequal lengths.
    """
    x = np.asarray(dose, dtype=np.float64)
    y = np.atleast_2d(np.asarray(effect, dtype=np.float64))
    if x.ndim != 1 or y.shape[1] != x.size:
        raise ValueError(f"dose has shape {x.shape}, effect {y.shape}")
    if not np.all(x > 0):
        raise ValueError("the doses of a median-effect plot must be above 0")
    if fit not in ("curve", "linear"):
        raise ValueError(f"fit must be 'curve' or 'linear', got {fit!r}")
    w = np.where(np.isfinite(y), 1.0, 0.0) if weight is None else np.atleast_2d(np.asarray(weight, dtype=np.float64))
    shown = np.isfinite(y) & (y > 0) & (y < 1) & (w > 0)
    excluded = (np.isfinite(y) & (w > 0) & ~shown).sum(axis=1)
    slope, intercept, r, cov = _regress(np.log(x), y, np.where(shown, w, 0.0))
    if fit == "linear":
        return MedianEffect(-intercept / slope, slope, r, excluded, cov)
    fits = fit_rows(x, y, w, einf=1.0)
    h, e = PARAMETERS.index("h"), PARAMETERS.index("log_ec50")
    order = np.array([e, h])
    rising = np.where(fits.h > 0, fits.h, np.nan)
    return MedianEffect(np.log(fits.ec50), rising, r, excluded, fits.cov[:, order[:, None], order[None, :]])


def _regress(u: Floats, y: Floats, w: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Weighted regression of logit y [B, n] on u [n]: slope, intercept, correlation, covariance of (log Dm, m)."""
    safe = np.where(w > 0, y, 0.5)
    v = np.log(safe / (1 - safe))
    total = w.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mu, mv = (w @ u) / total, (w * v).sum(axis=1) / total
        du, dv = u - mu[:, None], v - mv[:, None]
        suu, suv, svv = (w * du**2).sum(axis=1), (w * du * dv).sum(axis=1), (w * dv**2).sum(axis=1)
        slope = np.where((w > 0).sum(axis=1) >= 2, suv / suu, np.nan)
        intercept = mv - slope * mu
        left = (w > 0).sum(axis=1) - 2
        s2 = np.where(left > 0, np.maximum(svv - slope * suv, 0.0) / left, np.nan)
        # log Dm = mu - mv / slope: the mean of the logits and the slope are uncorrelated
        d_slope = mv / slope**2
        cov = np.empty((len(y), 2, 2))
        cov[:, 0, 0] = s2 / total / slope**2 + d_slope**2 * s2 / suu
        cov[:, 0, 1] = cov[:, 1, 0] = d_slope * s2 / suu
        cov[:, 1, 1] = s2 / suu
        return slope, intercept, suv / np.sqrt(suu * svv), cov


@dataclass(frozen=True)
class ChouTalalay:
    """Combination index along one ray at e effects; arrays [e], doses in the units of the surface.

    ``ci``, ``ci_low``, ``ci_high``: combination index, below 1 for synergy; ``se_log``: standard error of its natural
    log; ``p_value``: for CI = 1. ``dri`` [e, 2] with ``dri_low``, ``dri_high``: dose-reduction indices. ``dose_alone``
    [e, 2]: dose of each drug alone with the effect, the ends of the isobologram's line; ``dose_mix`` [e, 2]: the doses
    of both in the mixture, its point. ``extrapolated`` [e]: a dose lies outside the doses tested. ``ratio``: dose of B
    per dose of A. ``fits``: of drug A, drug B and the mixture (in its total dose), all replicates together. ``status``:
    'estimated', 'not_testable' (one replicate: no interval over replicates) or 'not_estimable', with ``reason``.
    """

    ratio: float
    effect: Floats
    ci: Floats
    ci_low: Floats
    ci_high: Floats
    se_log: Floats
    p_value: Floats
    dri: Floats
    dri_low: Floats
    dri_high: Floats
    dose_alone: Floats
    dose_mix: Floats
    extrapolated: Bools
    fits: tuple[MedianEffect, MedianEffect, MedianEffect] | None
    interval: str
    status: str
    reason: str


def rays(surface: Surface) -> list[tuple[float, Ints]]:
    """Dose ratios (B per A) with their combinations by ascending dose, those with most combinations first."""
    rows = np.flatnonzero(surface.combined)
    log_ratio = np.log(surface.doses[rows, 1]) - np.log(surface.doses[rows, 0])
    order = np.argsort(log_ratio, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(log_ratio[order]) > _SAME_RATIO) + 1) if rows.size else []
    found = []
    for group in groups:
        members = rows[group]
        members = members[np.argsort(surface.doses[members, 0], kind="stable")]
        found.append((float(np.exp(np.median(log_ratio[group]))), np.asarray(members, dtype=np.int64)))
    return sorted(found, key=lambda item: (-item[1].size, abs(np.log(item[0])), item[0]))


def combination_index(
    surface: Surface,
    *,
    ratio: float | None = None,
    effects: ArrayLike = EFFECTS,
    fit: Fit = "curve",
    interval: IndexInterval = "jackknife",
    confidence: float = 0.95,
    seed: int = 0,
) -> ChouTalalay:
    """Combination index, dose-reduction indices and isobologram of two drugs at a fixed ratio.

    ``ratio``: dose of B per dose of A, by default the ray with most combinations (in a matrix, a diagonal). ``effects``
    [e]: fractions affected, between 0 and 1; a fine grid gives the Fa-CI curve. ``interval``: 'jackknife' (t interval
    on log CI over biological replicates), 'bootstrap' (percentiles over resampled replicates, too narrow below six of
    them) or 'delta' (from the scatter of the dose means about the three curves, as if doses were independent: it knows
    nothing of replicates, and is the only one with a single replicate). Not estimable where the EC50 of a single agent
    cannot be known, or the ray has fewer than three doses. Raises ValueError for more than two drugs, effects outside
    0 to 1, unknown options, and a ratio that was not tested.
    """
    if surface.n_drugs != 2:
        raise ValueError(f"the combination index is implemented for two drugs, got {surface.n_drugs}")
    if interval not in ("jackknife", "bootstrap", "delta"):
        raise ValueError(f"interval must be 'jackknife', 'bootstrap' or 'delta', got {interval!r}")
    fa = np.atleast_1d(np.asarray(effects, dtype=np.float64))
    if not np.all((fa > 0) & (fa < 1)):
        raise ValueError("effects must lie between 0 and 1")
    chosen, rows = _ray(surface, ratio)
    reasons = [text for ok, text in (identifiable(surface, d, seed=seed) for d in (0, 1)) if not ok]
    if rows.size < 3:
        many = f"{rows.size} combination{'s' * (rows.size != 1)}"
        reasons.append(f"the ray of ratio {chosen:g} has {many}, the median effect needs three")
    n = surface.n_replicates
    if reasons:
        return _nothing(chosen, fa, interval, "; ".join(reasons))
    means, totals = surface.weighted(leave_one_out(n))
    log_ci, log_dri, log_alone, log_mix, fits = _index(surface, chosen, rows, means, totals, fa, fit)
    if not np.isfinite(log_ci[0]).any():
        return _nothing(chosen, fa, interval, "a median-effect curve cannot be fitted")
    both = np.concatenate([log_ci[:, :, None], log_dri], axis=2)
    if interval == "delta":
        found = _delta(
            fits, chosen, fa, both[0], confidence, [surface.single(0).size, surface.single(1).size, rows.size]
        )
    elif n == 1:
        blank = np.full(both.shape[1:], np.nan)
        found = TInterval(both[0], blank, blank, blank, blank, blank)
    else:
        found = t_interval(both[0], pseudo_values(both), confidence)
        if interval == "bootstrap":
            found = _percentiles(surface, chosen, rows, fa, fit, found, confidence, seed)
    estimate, lo, hi = (np.exp(v) for v in (found.estimate, found.lo, found.hi))
    tested = [surface.doses[surface.single(d), d] for d in (0, 1)] + [surface.doses[rows].sum(axis=1)]
    needed = [np.exp(log_alone[0, :, 0]), np.exp(log_alone[0, :, 1]), np.exp(log_mix[0])]
    outside = [(need < t.min()) | (need > t.max()) for need, t in zip(needed, tested, strict=True)]
    shares = np.array([1.0, chosen]) / (1.0 + chosen)
    alone = n == 1 and interval != "delta"
    reason = "one biological replicate: no interval and no test" if alone else ""
    return ChouTalalay(
        chosen, fa, estimate[:, 0], lo[:, 0], hi[:, 0], found.se[:, 0], found.p_value[:, 0], estimate[:, 1:], lo[:, 1:],
        hi[:, 1:], np.exp(log_alone[0]), np.exp(log_mix[0])[:, None] * shares, np.any(outside, axis=0), fits, interval,
        "not_testable" if alone else "estimated", reason,
    )  # fmt: skip


def _ray(surface: Surface, ratio: float | None) -> tuple[float, Ints]:
    found = rays(surface)
    if ratio is None:
        return found[0] if found else (float("nan"), np.empty(0, np.int64))
    for value, rows in found:
        if abs(np.log(value / ratio)) <= 10 * _SAME_RATIO:
            return value, rows
    raise ValueError(f"no combination has the ratio {ratio}; tested are {[round(v, 6) for v, _ in found]}")


def _nothing(ratio: float, fa: Floats, interval: str, reason: str) -> ChouTalalay:
    one, two = np.full(fa.size, np.nan), np.full((fa.size, 2), np.nan)
    false = np.zeros(fa.size, dtype=bool)
    return ChouTalalay(
        ratio, fa, one, one, one, one, one, two, two, two, two, two, false, None, interval, "not_estimable", reason
    )


def index(log_mix: Floats, log_alone: Floats, ratio: float) -> tuple[Floats, Floats]:
    """log CI [...] and log dose-reduction indices [..., 2] from log doses: mixture (total) [...] and alone [..., 2].

    ``ratio``: dose of B per dose of A in the mixture.
    """
    log_share = np.log(np.array([1.0, ratio]) / (1.0 + ratio))
    log_dri = log_alone - (log_mix[..., None] + log_share)
    return np.asarray(np.logaddexp(-log_dri[..., 0], -log_dri[..., 1])), log_dri


def index_se(log_dri: Floats, se_mix: Floats, se_alone: Floats) -> Floats:
    """Standard error of log CI [...] by the delta method, for three independent curves.

    d log CI / d log D_mix = 1 and d log CI / d log D_i = -s_i, with s_i the part of CI that drug i contributes.
    """
    part = np.exp(-log_dri)
    part = part / part.sum(axis=-1, keepdims=True)
    return np.asarray(np.sqrt(se_mix**2 + np.sum((part * se_alone) ** 2, axis=-1)))


def relative_dose(fits: HillFits, effect: float) -> tuple[Floats, Floats]:
    """Natural log of the dose with a share ``effect`` of the curve's own range (E0 to Einf) and its standard error.

    [N] each. With ``index`` and ``index_se`` this is the combination index of curves with free ends.
    """
    h, e = PARAMETERS.index("h"), PARAMETERS.index("log_ec50")
    logit = np.log(effect / (1 - effect))
    slope = -logit / fits.h**2
    c = fits.cov
    variance = c[:, e, e] + 2 * slope * c[:, e, h] + slope**2 * c[:, h, h]
    return np.log(fits.ec50) + logit / fits.h, np.sqrt(np.maximum(variance, 0.0))


def _index(
    surface: Surface, ratio: float, rows: Ints, means: Floats, totals: Floats, fa: Floats, fit: Fit
) -> tuple[Floats, Floats, Floats, Floats, tuple[MedianEffect, MedianEffect, MedianEffect]]:
    curves = []
    for at, dose in (
        *((surface.single(d), surface.doses[surface.single(d), d]) for d in (0, 1)),
        (rows, surface.doses[rows].sum(axis=1)),
    ):
        curves.append(median_effect(dose, means[:, at], totals[:, at], fit=fit))
    a, b, mix = curves
    log_alone = np.stack([a.log_dose(fa), b.log_dose(fa)], axis=-1)
    log_mix = mix.log_dose(fa)
    log_ci, log_dri = index(log_mix, log_alone, ratio)
    return log_ci, log_dri, log_alone, log_mix, (a, b, mix)


def _delta(
    fits: tuple[MedianEffect, MedianEffect, MedianEffect],
    ratio: float,
    fa: Floats,
    estimate: Floats,
    confidence: float,
    sizes: list[int],
) -> TInterval:
    from scipy import stats

    a, b, mix = (f.se_log_dose(fa)[0] for f in fits)
    alone = np.stack([a, b], axis=-1)
    se = np.column_stack([index_se(estimate[:, 1:], mix, alone), np.sqrt(mix[:, None] ** 2 + alone**2)])
    df = np.full(se.shape, float(sum(sizes) - 6))
    half = stats.t.ppf(0.5 + confidence / 2, df) * se
    p = 2 * stats.t.sf(np.abs(estimate / se), df)
    return TInterval(estimate, se, df, estimate - half, estimate + half, p)


def _percentiles(
    surface: Surface, ratio: float, rows: Ints, fa: Floats, fit: Fit, found: TInterval, confidence: float, seed: int
) -> TInterval:
    from rechallenge.stats.hill.bootstrap import resamples, weighted_quantile

    counts, weights = resamples(surface.n_replicates, 999, seed)
    means, totals = surface.weighted(counts)
    log_ci, log_dri, *_ = _index(surface, ratio, rows, means, totals, fa, fit)
    values = np.concatenate([log_ci[:, :, None], log_dri], axis=2)
    flat = values.reshape(len(values), -1).T
    lo = weighted_quantile(np.where(np.isnan(flat), -np.inf, flat), weights, (1 - confidence) / 2)
    hi = weighted_quantile(np.where(np.isnan(flat), np.inf, flat), weights, (1 + confidence) / 2)
    shape = values.shape[1:]
    return TInterval(found.estimate, found.se, found.df, lo.reshape(shape), hi.reshape(shape), found.p_value)


@dataclass(frozen=True)
class CellIndex:
    """Combination index of single combinations; arrays [c]. ``ci``: nan unless 'estimated' or 'bound'.

    ``status``: 'estimated'; 'bound' (the effect is beyond the maximum of at least one drug alone, whose share then
    counts as 0: CI is at least what is given, 0 beyond both); 'not_estimable' (no effect was seen, or an EC50 cannot be
    known).
    """

    row: Ints
    effect: Floats
    ci: Floats
    status: NDArray[np.str_]
    reason: str


def cell_index(surface: Surface, *, seed: int = 0) -> CellIndex:
    """CI = a / D_A(E) + b / D_B(E) at the observed effect E of every combination, on curves with free maximum.

    For matrices without a fixed ratio. A point estimate: the noise of one effect decides, and near no effect or the
    maximum CI is unstable. Raises ValueError for more than two drugs.
    """
    from rechallenge.stats.synergy.margins import fit_margin

    if surface.n_drugs != 2:
        raise ValueError(f"the combination index is implemented for two drugs, got {surface.n_drugs}")
    rows = np.flatnonzero(surface.combined)
    effect = surface.mean[rows]
    reason = "; ".join(text for ok, text in (identifiable(surface, d, seed=seed) for d in (0, 1)) if not ok)
    if reason:
        return CellIndex(rows, effect, np.full(rows.size, np.nan), np.full(rows.size, "not_estimable"), reason)
    means, totals = surface.weighted(np.ones((1, surface.n_replicates)))
    alone = np.stack([fit_margin(surface, d, means, totals).dose(effect[None])[0] for d in (0, 1)], axis=1)
    seen = np.isfinite(effect) & (effect > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ci = np.where(seen, (surface.doses[rows] / alone).sum(axis=1), np.nan)
    status = np.where(~seen, "not_estimable", np.where(np.isinf(alone).any(axis=1), "bound", "estimated"))
    beyond = np.isinf(alone).all(axis=1)
    return CellIndex(rows, effect, np.where(beyond, 0.0, ci), status, "")
