"""Cox's proportional-hazards model, thousands of models at once.

One set of times, events and (for delayed entry) entry times is prepared once as `Risk`; every column of covariates is
then a model of its own. Ties are Efron's (doi:10.1080/01621459.1977.10480613), the risk set at a time t is
entry < t <= time. `fit` is Newton-Raphson with step halving over a batch of models in lock step; nothing is looped
over models. `proportional` is the exact score test of proportional hazards: coefficient and coefficient x g(time) are
one model, tested by its score at 0 with the full information matrix (Grambsch and Therneau 1994,
doi:10.1093/biomet/81.3.515, without their approximation; as in R's survival from version 3 on).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]
Transform = Literal["km", "rank", "identity", "log"]
#: models that are fitted in lock step; their arrays stay in the processor's cache
BATCH = 256
#: relative change of the log likelihood at which a fit has converged
TOLERANCE = 1e-12
#: a log hazard ratio per standard deviation beyond this is a likelihood without a maximum
INFINITE = 12.0
ESTIMATED, CONSTANT, SEPARATED = "estimated", "does not vary", "the likelihood has no maximum (perfect separation)"
FEW = "no event among the subjects at risk"


@dataclass(frozen=True)
class Risk:
    """Who is at risk when. Rows of covariates follow the order of `time` as given.

    `by_time` and `by_entry` order the n subjects by falling time and falling entry (None: all enter at the start);
    for each of the u distinct event times `within` counts subjects with time >= t and `waiting` those with entry >= t.
    `events` are the m subjects with an event in the order of their times, `group` the event time of each, `fraction`
    Efron's share of the tied events that is already gone, `tied` whether any are tied.
    """

    n: int
    by_time: Integers
    by_entry: Integers | None
    within: Integers
    waiting: Integers | None
    events: Integers
    group: Integers
    first: Integers
    fraction: Floats
    tied: bool
    event_times: Floats
    deaths: Integers
    at_risk: Integers
    rank: Floats

    @property
    def n_events(self) -> int:
        return len(self.events)


def risk(time: ArrayLike, event: ArrayLike, entry: ArrayLike | None = None) -> Risk:
    """Prepare times (n,), events (n,; 0 or 1) and entry times (n,; same unit). Raises ValueError for times that
    are missing, or that do not lie after their entry."""
    t = np.asarray(time, dtype=np.float64)
    e = np.asarray(event, dtype=np.float64) > 0
    if not np.isfinite(t).all():
        raise ValueError("times must be numbers")
    start = None if entry is None else np.asarray(entry, dtype=np.float64)
    if start is not None and not (start < t).all():
        raise ValueError("every time must lie after its entry")
    by_time = np.argsort(-t, kind="stable")
    events = np.flatnonzero(e)
    events = events[np.argsort(t[events], kind="stable")]
    times, first, group, deaths = np.unique(t[events], return_index=True, return_inverse=True, return_counts=True)
    within = np.searchsorted(-t[by_time], -times, side="right")
    by_entry = waiting = None
    at_risk = within
    if start is not None:
        by_entry = np.argsort(-start, kind="stable")
        waiting = np.searchsorted(-start[by_entry], -times, side="right")
        at_risk = within - waiting
    fraction = (np.arange(len(events)) - first[group]) / deaths[group] if len(events) else np.zeros(0)
    return Risk(
        len(t), by_time, by_entry, within, waiting, events, group, first, fraction, bool((deaths > 1).any()), times,
        deaths, at_risk, _mean_rank(t, times),
    )  # fmt: skip


def _mean_rank(t: Floats, times: Floats) -> Floats:
    """Mean rank of each event time among the times of all subjects, censored ones too."""
    ordered = np.sort(t)
    below, upto = (np.searchsorted(ordered, times, side=side) for side in ("left", "right"))
    return np.asarray((below + upto + 1) / 2, dtype=np.float64)


@dataclass(frozen=True)
class Fits:
    """Fits of B models with p covariates each.

    `coef`, `se` (B, p) are log hazard ratios; `cov` (B, p, p); `loglik0`, `loglik`, `lrt`, `lrt_p`, `score`,
    `score_p` (B,). `status` (B,) is 'estimated' or why there is no estimate (numbers are NaN there).
    """

    coef: Floats
    se: Floats
    cov: Floats
    loglik0: Floats
    loglik: Floats
    lrt: Floats
    lrt_p: Floats
    score: Floats
    score_p: Floats
    status: NDArray[np.object_]
    iterations: int

    @property
    def z(self) -> Floats:
        return self.coef / self.se

    @property
    def p(self) -> Floats:
        """Two-sided Wald p-values (B, p)."""
        return np.asarray(2 * special.ndtr(-np.abs(self.z)), dtype=np.float64)


def _covariates(x: ArrayLike, shared: ArrayLike | None, n: int) -> tuple[Floats, Floats]:
    """Covariates as (B, n, p_own) and (n, p_shared)."""
    own = np.asarray(x, dtype=np.float64)
    if own.ndim == 2:
        own = own[:, :, None]
    common = np.zeros((n, 0)) if shared is None else np.asarray(shared, dtype=np.float64).reshape(n, -1)
    if own.ndim != 3 or own.shape[1] != n:
        raise ValueError(f"covariates must be models x {n} subjects (x covariates), not {own.shape}")
    if not np.isfinite(own).all() or not np.isfinite(common).all():
        raise ValueError("covariates must be numbers; leave out subjects with missing values")
    return own, common


def fit(at: Risk, x: ArrayLike, shared: ArrayLike | None = None, *, iterations: int = 40) -> Fits:
    """Fit one model per row of `x`, (B, n) for one covariate each or (B, n, p); `shared` (n, q) enters every model
    after them. Covariates are centred and scaled inside, results are in the units given."""
    own, common = _covariates(x, shared, at.n)
    count, p = own.shape[0], own.shape[2] + common.shape[1]
    out: dict[str, Floats] = {k: np.full((count, p), np.nan) for k in ("coef", "se")}
    out["cov"] = np.full((count, p, p), np.nan)
    out |= {k: np.full(count, np.nan) for k in ("loglik0", "loglik", "score")}
    status = np.full(count, FEW if at.n_events == 0 else ESTIMATED, dtype=object)
    used = 0
    if at.n_events and p:
        for start in range(0, count, BATCH):
            rows = slice(start, min(start + BATCH, count))
            cells = _cells(own[rows], common)
            part, said, steps = _newton(at, cells, iterations)
            for k, v in part.items():
                out[k][rows] = v
            status[rows] = said
            used = max(used, steps)
    lrt = 2 * (out["loglik"] - out["loglik0"])
    lrt = np.where(lrt < 0, 0.0, lrt)
    return Fits(
        out["coef"], out["se"], out["cov"], out["loglik0"], out["loglik"], lrt, special.chdtrc(p or 1, lrt),
        out["score"], special.chdtrc(p or 1, out["score"]), status, used,
    )  # fmt: skip


def _cells(own: Floats, common: Floats) -> Floats:
    """Covariates of a batch as (p, n, B), so that sums over subjects run over whole rows of memory."""
    shape = (common.shape[1], *own.shape[1::-1])
    lent = np.broadcast_to(common.T[:, :, None], shape)
    return np.concatenate([np.ascontiguousarray(own.transpose(2, 1, 0)), lent])


@dataclass(frozen=True)
class _Moments:
    """At each event (m, B): weight `s0`, means (p, m, B) and where asked covariances (p, p, m, B) of the covariates."""

    s0: Floats
    mean: Floats
    second: Floats
    eta: Floats


def _at_events(at: Risk, weighted: Floats) -> Floats:
    """Sum of (n, B) over the risk set at each event, Efron's share of tied events taken off: (m, B)."""
    summed = np.cumsum(weighted[at.by_time], axis=0)[at.within - 1]
    if at.by_entry is not None and at.waiting is not None:
        late = np.cumsum(weighted[at.by_entry], axis=0)
        some = at.waiting > 0
        summed[some] -= late[at.waiting[some] - 1]
    if not at.tied:
        return summed
    gone = np.add.reduceat(weighted[at.events], at.first, axis=0)
    return np.asarray(summed[at.group] - at.fraction[:, None] * gone[at.group], dtype=np.float64)


def _moments(at: Risk, cells: Floats, beta: Floats) -> _Moments:
    """`beta` is (p, B)."""
    eta = np.einsum("pnb,pb->nb", cells, beta)
    eta -= eta.max(axis=0)
    weight = np.exp(eta)
    p = len(cells)
    s0 = _at_events(at, weight)
    s0 = np.maximum(s0, np.finfo(float).tiny)
    mean, second = np.empty((p, *s0.shape)), np.empty((p, p, *s0.shape))
    for j in range(p):
        first = weight * cells[j]
        mean[j] = _at_events(at, first) / s0
        for k in range(j + 1):
            second[j, k] = second[k, j] = _at_events(at, first * cells[k]) / s0
    return _Moments(s0, mean, second, eta)


def _loglik(at: Risk, m: _Moments) -> Floats:
    return np.asarray(m.eta[at.events].sum(axis=0) - np.log(m.s0).sum(axis=0), dtype=np.float64)


def _information(m: _Moments) -> Floats:
    """(B, p, p)."""
    raw = m.second.sum(axis=2) - np.einsum("jmb,kmb->jkb", m.mean, m.mean)
    return np.asarray(raw.transpose(2, 0, 1), dtype=np.float64)


def _score(at: Risk, cells: Floats, m: _Moments) -> Floats:
    """(B, p)."""
    return np.asarray((cells[:, at.events].sum(axis=1) - m.mean.sum(axis=1)).T, dtype=np.float64)


def _solve(matrix: Floats, vector: Floats) -> Floats:
    """Solutions of (B, p, p) x = (B, p); NaN where a matrix is singular."""
    if matrix.shape[1] == 1:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(vector / matrix[:, 0], dtype=np.float64)
    out = np.full(vector.shape, np.nan)
    good = np.isfinite(matrix).all(axis=(1, 2)) & (np.abs(np.linalg.det(matrix)) > 1e-300)
    if good.any():
        out[good] = np.linalg.solve(matrix[good], vector[good][:, :, None])[:, :, 0]
    return out


def _newton(at: Risk, cells: Floats, iterations: int) -> tuple[dict[str, Floats], NDArray[np.object_], int]:
    p, _, count = cells.shape
    centre, scale = cells.mean(axis=1, keepdims=True), cells.std(axis=1, keepdims=True)
    flat = (scale[:, 0] <= 1e-12 * np.maximum(np.abs(centre[:, 0]), 1e-300)).any(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    cells = (cells - centre) / scale
    beta = np.zeros((p, count))
    now = _moments(at, cells, beta)
    loglik0 = loglik = _loglik(at, now)
    score0, info0 = _score(at, cells, now), _information(now)
    with np.errstate(invalid="ignore"):
        score = np.einsum("bp,bp->b", score0, _solve(info0, score0))
    active = ~flat
    steps = 0
    u, info = score0, info0
    loglik = loglik.copy()
    done = flat.copy()
    while active.any() and steps < iterations:
        steps += 1
        live = np.flatnonzero(active)
        step = _solve(info[live], u[live]).T
        step = np.clip(np.nan_to_num(step), -4, 4)
        sub = cells[:, :, live]
        tried, made = _halved(at, sub, beta[:, live], step, loglik[live])
        beta[:, live] = tried
        new = _loglik(at, made)
        change = np.abs(new - loglik[live])
        u[live], info[live] = _score(at, sub, made), _information(made)
        loglik[live] = new
        finished = (change <= TOLERANCE * (np.abs(new) + 1e-6)) | (np.abs(tried) > INFINITE + 4).any(axis=0)
        done[live[finished]] = True
        active[live[finished]] = False
    cov = np.full((count, p, p), np.nan)
    sound = done & ~flat & np.isfinite(info).all(axis=(1, 2))
    for b in np.flatnonzero(sound) if p > 1 else ():
        sound[b] = np.linalg.cond(info[b]) < 1e12
    if p == 1:
        sound &= info[:, 0, 0] > 1e-12
    if sound.any():
        cov[sound] = np.linalg.inv(info[sound])
    status = np.full(count, ESTIMATED, dtype=object)
    with np.errstate(invalid="ignore"):
        lost = ~sound | (np.abs(beta) > INFINITE).any(axis=0) | ~(cov.diagonal(axis1=1, axis2=2) > 0).all(axis=1)
    status[lost] = SEPARATED
    if p > 1:
        status[lost & (np.abs(beta) < INFINITE).all(axis=0)] = "covariates that say the same (collinear)"
    status[flat] = CONSTANT
    lost |= flat
    spread = scale[:, 0, :].T
    cov = cov / (spread[:, :, None] * spread[:, None, :])
    coef = beta.T / spread
    for array in (coef, cov, loglik, score):
        array[lost] = np.nan
    with np.errstate(invalid="ignore"):
        se = np.sqrt(cov.diagonal(axis1=1, axis2=2))
    return (
        {"coef": coef, "se": se, "cov": cov, "loglik0": loglik0, "loglik": loglik, "score": score},
        status,
        steps,
    )


def _halved(at: Risk, cells: Floats, beta: Floats, step: Floats, loglik: Floats) -> tuple[Floats, _Moments]:
    """The step, halved for the models whose likelihood would fall by it."""
    for _ in range(12):
        made = _moments(at, cells, beta + step)
        worse = ~(_loglik(at, made) >= loglik - 1e-9 * np.abs(loglik))
        if not worse.any():
            break
        step = np.where(worse, step / 2, step)
    return beta + step, made


def transformed(at: Risk, transform: Transform) -> Floats:
    """g(t) at the u distinct event times: 1 - Kaplan-Meier just before t, rank among all times, t itself, or log t."""
    if transform == "identity":
        return at.event_times
    if transform == "log":
        return np.log(at.event_times)
    if transform == "rank":
        return at.rank
    kept = np.cumprod(1 - at.deaths / at.at_risk)
    return np.asarray(np.concatenate([[0.0], 1 - kept[:-1]])[: len(kept)], dtype=np.float64)


@dataclass(frozen=True)
class Proportionality:
    """Tests of proportional hazards: chi-square and p per covariate (B, p; one df each) and of all (B,; p df)."""

    chi2: Floats
    p: Floats
    chi2_global: Floats
    p_global: Floats


def proportional(
    at: Risk,
    x: ArrayLike,
    coef: ArrayLike,
    shared: ArrayLike | None = None,
    *,
    transform: Transform = "km",
) -> Proportionality:
    """Exact score test of proportional hazards of fitted models: `x`, `shared` as in `fit`, `coef` (B, p) its result.

    Tests in the model beta x + theta x g(t) whether theta = 0, at the fitted beta.
    """
    own, common = _covariates(x, shared, at.n)
    fitted = np.asarray(coef, dtype=np.float64).reshape(len(own), -1)
    p = fitted.shape[1]
    g = transformed(at, transform)[at.group]
    g = g - g.mean() if len(g) else g  # the test does not change; the numbers are better conditioned
    chi2, over = np.full((len(own), p), np.nan), np.full(len(own), np.nan)
    for start in range(0, len(own), BATCH):
        rows = slice(start, min(start + BATCH, len(own)))
        cells = _cells(own[rows], common)
        cells = cells - cells.mean(axis=1, keepdims=True)
        m = _moments(at, cells, np.nan_to_num(fitted[rows]).T)
        spread = m.second - m.mean[:, None] * m.mean[None]
        plain, once, twice = (np.einsum("jkmb,m->bjk", spread, g**power) for power in (0, 1, 2))
        u = np.einsum("pmb,m->bp", cells[:, at.events] - m.mean, g)
        for b in np.flatnonzero(np.isfinite(fitted[rows]).all(axis=1)):
            try:
                left = twice[b] - once[b] @ np.linalg.solve(plain[b], once[b])
                over[start + b] = u[b] @ np.linalg.solve(left, u[b])
            except np.linalg.LinAlgError:
                continue
            with np.errstate(divide="ignore", invalid="ignore"):
                chi2[start + b] = u[b] ** 2 / left.diagonal()
    return Proportionality(chi2, special.chdtrc(1, chi2), over, special.chdtrc(p, over))


def natural_spline(x: ArrayLike, df: int = 3, knots: Sequence[float] | None = None) -> Floats:
    """A natural cubic spline basis (n, df) without intercept; the first column is x, the others vanish in a straight
    line. Inner knots at even quantiles, boundary knots at the extremes (or `knots`, boundaries included)."""
    v = np.asarray(x, dtype=np.float64)
    k = np.quantile(v, np.linspace(0, 1, df + 1)) if knots is None else np.asarray(knots, dtype=np.float64)
    width = k[-1] - k[0]
    cube = np.maximum((v[:, None] - k[None, :]) / width, 0) ** 3
    d = (cube[:, :-1] - cube[:, -1:]) / ((k[-1] - k[:-1]) / width)
    return np.column_stack([v, d[:, :-1] - d[:, -1:]])
