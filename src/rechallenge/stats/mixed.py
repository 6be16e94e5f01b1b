"""Linear mixed models for repeated measurements of independent subjects, by REML, with small-sample inference.

    y = X b + Z u + e,   u ~ N(0, D) per subject,   e ~ N(0, sigma2)

`D` is unstructured. `fit` maximises the restricted likelihood over the Cholesky factor of D / sigma2 (D may become
singular). Contrasts of `b` have the adjusted covariance and the degrees of freedom of Kenward and Roger
(doi:10.2307/2533558), with the expected information of the variance components as in Halekoh and Hojsgaard
(doi:10.18637/jss.v059.i09); for one contrast their F has scale 1, so that it is Student's t. `planned` gives the same
for a design without data, from given variance components. `slopes` and `welch` make the two-stage analysis: a least
squares slope per subject, then Welch's contrast of group means (doi:10.1093/biomet/34.1-2.28), which assumes no common
variance and serves as a cross-check.

All sums run over subjects at once through q x q blocks (q columns of Z): no n x n matrix is built.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
NAN = float("nan")
#: a residual sum of squares below this part of that of y is rounding, not scatter
_ROUNDING = 1e-12
#: smallest relative standard deviation of a random effect that counts as above zero
_ZERO = 1e-4


@dataclass(frozen=True)
class Estimate:
    """A contrast with its test against 0: Student's t with `df` degrees of freedom, two-sided `p_value`."""

    effect: float
    se: float
    df: float
    ci_low: float
    ci_high: float
    statistic: float
    p_value: float


@dataclass(frozen=True)
class Inference:
    """What contrasts need: covariance of the fixed effects and its dependence on the variance components.

    `cov` [p, p] is that of generalised least squares, `adjusted` [p, p] that of Kenward and Roger; `spread` [k, k] is
    the asymptotic covariance of the k variance components and `slope` [k, p, p] the derivative of the inverse of `cov`.
    """

    cov: Floats
    adjusted: Floats
    spread: Floats
    slope: Floats

    def precision(self, weights: ArrayLike) -> tuple[float, float]:
        """Standard error and degrees of freedom of the contrast with these weights [p]."""
        w = np.asarray(weights, dtype=float)
        v = float(w @ self.cov @ w)
        if not v > 0:
            return NAN, NAN
        change = np.einsum("p,kpr,r->k", self.cov @ w, self.slope, self.cov @ w) / v
        a = float(change @ self.spread @ change)
        return float(np.sqrt(max(w @ self.adjusted @ w, v))), 2.0 / a if a > 0 else np.inf


@dataclass(frozen=True)
class Fit:
    """A fitted model. `beta` [p], `cov_random` D [q, q] and `sigma2` in the units of y and Z; `reml` is the restricted
    log likelihood up to a constant that does not depend on the parameters. `singular`: D has no full rank.
    `random` [subjects, q] are the predicted random effects, in the order of `subjects`."""

    beta: Floats
    cov_random: Floats
    sigma2: float
    inference: Inference
    reml: float
    singular: bool
    n_subjects: int
    n_values: int
    subjects: tuple[str, ...]
    random: Floats

    def contrast(self, weights: ArrayLike, confidence: float = 0.95) -> Estimate:
        """The contrast `weights` [p] of the fixed effects, tested against 0."""
        se, df = self.inference.precision(weights)
        limit = float(self.n_values - len(self.beta))
        return estimate(float(np.asarray(weights, dtype=float) @ self.beta), se, min(max(df, 1.0), limit), confidence)


def estimate(effect: float, se: float, df: float, confidence: float = 0.95) -> Estimate:
    """Student's t test and interval of an estimate; NaN where se or df are."""
    from scipy.special import stdtr, stdtrit

    if not (se > 0 and df > 0):
        return Estimate(effect, se, df, NAN, NAN, NAN, NAN)
    t = effect / se
    half = float(stdtrit(df, 0.5 + confidence / 2)) * se
    return Estimate(effect, se, df, effect - half, effect + half, t, float(2 * stdtr(df, -abs(t))))


@dataclass(frozen=True)
class _Blocks:
    """Sums per subject: A = Z'Z [n, q, q], B = Z'X [n, q, p], number of values [n]; and X'X [p, p] over all."""

    a: Floats
    b: Floats
    count: Floats
    xx: Floats

    def k(self, ratio: Floats) -> tuple[Floats, Floats]:
        """T = (I + A R)^-1 and K = R T, both [n, q, q], so that V^-1 = I - Z K Z' for V = I + Z R Z'."""
        t = np.asarray(np.linalg.inv(np.eye(len(ratio)) + self.a @ ratio), dtype=np.float64)
        return t, np.asarray(ratio @ t, dtype=np.float64)


def _sums(values: Floats, group: NDArray[np.intp], n: int) -> Floats:
    """Sums of the rows of `values` by group: [n, ...]."""
    out = np.zeros((n, *values.shape[1:]))
    np.add.at(out, group, values)
    return out


def _blocks(x: Floats, z: Floats, group: NDArray[np.intp], n: int) -> _Blocks:
    a = _sums(z[:, :, None] * z[:, None, :], group, n)
    b = _sums(z[:, :, None] * x[:, None, :], group, n)
    return _Blocks(a, b, np.bincount(group, minlength=n).astype(float), x.T @ x)


def fit(y: ArrayLike, x: ArrayLike, z: ArrayLike, subjects: Sequence[object] | NDArray[np.object_]) -> Fit:
    """Fit y [N] = X [N, p] b + Z [N, q] u(subject) + e by REML.

    Raises ValueError, with a sentence, where X has no full rank, where no subject has more than q values (scatter
    and random effects cannot be told apart), where there are too few subjects or where y has no scatter.
    """
    y, x, z = (np.asarray(v, dtype=float) for v in (y, x, z))
    names, group = np.unique(np.asarray(subjects, dtype=str), return_inverse=True)
    n, (size, p), q = len(names), x.shape, z.shape[1]
    if np.linalg.matrix_rank(x) < p:
        raise ValueError("the fixed effects cannot be told apart (an arm without measurements over time?)")
    if n <= q or size <= p + q:
        raise ValueError("there are too few subjects")
    if np.bincount(group).max() <= q:
        raise ValueError(f"no subject has more than {q} measurements")
    # the model is the same for Z C with any regular C: one that makes Z'Z the unit matrix on average is well scaled
    root = np.linalg.cholesky(z.T @ z / n)
    u = np.linalg.solve(root, z.T).T
    scale = np.linalg.norm(x, axis=0)
    design = x / scale
    blocks = _blocks(design, u, group, n)
    c, xy, yy = _sums(u * y[:, None], group, n), design.T @ y, float(y @ y)
    own = yy - float(np.einsum("na,nab,nb->", c, np.linalg.pinv(blocks.a, hermitian=True), c))
    if own <= _ROUNDING * yy:
        raise ValueError("every subject's values lie exactly on its line: there is no scatter to test against")
    theta, value = _maximise(blocks, c, xy, yy, size - p)
    _, k, beta, rss, _ = _solve(theta, blocks, c, xy, yy)
    low = _lower(theta, q)
    ratio, sigma2 = low @ low.T, rss / (size - p)
    inference = _inference(blocks, ratio * sigma2, sigma2)
    back = np.linalg.inv(root).T
    random = np.einsum("nab,nb->na", k, c - blocks.b @ beta) @ back.T
    return Fit(
        beta / scale,
        back @ (ratio * sigma2) @ back.T,
        sigma2,
        _rescaled(inference, scale),
        -0.5 * value,
        bool(np.diag(low).min() < _ZERO),
        n,
        size,
        tuple(names),
        random,
    )


def planned(
    x: ArrayLike, z: ArrayLike, subjects: Sequence[object] | NDArray[np.object_], cov_random: ArrayLike, sigma2: float
) -> Inference:
    """Precision of a design without data: what `fit` would infer if it met exactly these variance components."""
    x, z = np.asarray(x, dtype=float), np.asarray(z, dtype=float)
    names, group = np.unique(np.asarray(subjects, dtype=str), return_inverse=True)
    return _inference(_blocks(x, z, group, len(names)), np.asarray(cov_random, dtype=float), sigma2)


def _lower(theta: Floats, q: int) -> Floats:
    out = np.zeros((q, q))
    out[np.tril_indices(q)] = theta
    return out


def _solve(theta: Floats, m: _Blocks, c: Floats, xy: Floats, yy: float) -> tuple[Floats, Floats, Floats, float, Floats]:
    """T, K, fixed effects, weighted residual sum of squares and X'V^-1 X at these parameters."""
    low = _lower(theta, m.a.shape[1])
    t, k = m.k(low @ low.T)
    p = m.b.shape[2]
    kb, flat = (k @ m.b).reshape(-1, p), m.b.reshape(-1, p)
    xvx = m.xx - flat.T @ kb
    xvy = xy - kb.T @ c.ravel()
    yvy = yy - float(np.sum(c * (k @ c[:, :, None])[:, :, 0]))
    beta = np.asarray(np.linalg.solve(xvx, xvy), dtype=np.float64)
    return t, k, beta, max(yvy - float(beta @ xvy), 1e-300), xvx


def _maximise(m: _Blocks, c: Floats, xy: Floats, yy: float, free: int) -> tuple[Floats, float]:
    """The Cholesky factor of D / sigma2 at the smallest profiled REML deviance, from two starts, and the deviance."""
    from scipy.optimize import minimize

    q = m.a.shape[1]
    rows, columns = np.tril_indices(q)

    def deviance(theta: Floats) -> tuple[float, Floats]:
        t, _, beta, rss, xvx = _solve(theta, m, c, xy, yy)
        r = t @ m.b
        left = (t @ (c - m.b @ beta)[:, :, None])[:, :, 0]
        value = -np.linalg.slogdet(t)[1].sum() + np.linalg.slogdet(xvx)[1] + free * np.log(rss)
        leverage = np.tensordot(r @ np.linalg.inv(xvx), r, axes=([0, 2], [0, 2]))
        change = (t @ m.a).sum(0) - leverage - free / rss * left.T @ left
        return float(value), (2 * change @ _lower(theta, q))[rows, columns]

    bounds = [(0, None) if i == j else (None, None) for i, j in zip(rows, columns, strict=True)]
    settings = {"maxiter": 500, "ftol": 1e-13, "gtol": 1e-9}
    found = [
        minimize(
            deviance, np.eye(q)[rows, columns] * start, jac=True, method="L-BFGS-B", bounds=bounds, options=settings
        )
        for start in (1.0, 0.2)
    ]
    best = min(found, key=lambda o: float(o.fun))
    return np.asarray(best.x, dtype=float), float(best.fun)


def _inference(m: _Blocks, cov_random: Floats, sigma2: float) -> Inference:
    """Kenward and Roger's adjustment. Variance components: the lower triangle of D, row by row, and sigma2.

    With W = V^-1 every term follows from Z'W = T Z' / sigma2, T = (I + A D / sigma2)^-1, and its powers.
    """
    q = len(cov_random)
    t, k = m.k(cov_random / sigma2)
    t2 = t @ t
    s1, s2 = t @ m.a / sigma2, t2 @ m.a / sigma2**2  # Z'WZ, Z'W2Z
    r1, r2 = t @ m.b / sigma2, t2 @ m.b / sigma2**2  # Z'WX, Z'W2X
    kb = k @ m.b

    def less(r: Floats) -> Floats:
        return np.asarray(np.einsum("nap,nab->pb", r, kb))

    h1 = (m.xx - np.einsum("nap,nab->pb", m.b, kb)) / sigma2  # X'WX
    h2 = (h1 - less(r1)) / sigma2
    h3 = (h2 - less(r2)) / sigma2
    ka = k @ m.a
    trace = float(np.sum(m.count - 2 * np.trace(ka, axis1=1, axis2=2) + np.trace(ka @ ka, axis1=1, axis2=2)))
    units = []
    for i, j in zip(*np.tril_indices(q), strict=True):
        e = np.zeros((q, q))
        e[i, j] = e[j, i] = 1.0
        units.append(e)
    count, p = len(units) + 1, len(h1)
    slope, second, traces = np.zeros((count, p, p)), np.zeros((count, count, p, p)), np.zeros((count, count))
    for a, e in enumerate(units):
        slope[a] = -np.einsum("nap,ab,nbr->pr", r1, e, r1)
        for b, f in enumerate(units):
            second[a, b] = np.einsum("nap,ab,nbc,cd,ndr->pr", r1, e, s1, f, r1, optimize=True)
            traces[a, b] = np.einsum("ab,nbc,cd,nda->", e, s1, f, s1, optimize=True)
        second[a, -1] = np.einsum("nap,ab,nbr->pr", r1, e, r2)
        second[-1, a] = second[a, -1].T
        traces[a, -1] = traces[-1, a] = np.einsum("ab,nba->", e, s2)
    slope[-1], second[-1, -1], traces[-1, -1] = -h2, h3, trace / sigma2**2
    cov = np.linalg.inv(h1)
    information = traces - 2 * np.einsum("pr,klrp->kl", cov, second)
    information += np.einsum("kpr,lrp->kl", cov @ slope, cov @ slope)
    spread = 2 * np.linalg.pinv(information, rcond=1e-12, hermitian=True)
    inner = np.einsum("kl,klpr->pr", spread, second)
    inner -= np.einsum("kl,kpr,rs,lst->pt", spread, slope, cov, slope, optimize=True)
    return Inference(cov, cov + 2 * cov @ inner @ cov, spread, slope)


def _rescaled(i: Inference, scale: Floats) -> Inference:
    """The same for fixed effects divided by `scale` [p]."""
    outer = np.outer(scale, scale)
    return Inference(i.cov / outer, i.adjusted / outer, i.spread, i.slope * outer)


def slopes(y: ArrayLike, t: ArrayLike, subjects: Sequence[object] | NDArray[np.object_]) -> dict[str, float]:
    """Least squares slope of y [N] on t [N] per subject; subjects with fewer than two different t are left out."""
    y, t = np.asarray(y, dtype=float), np.asarray(t, dtype=float)
    names, group = np.unique(np.asarray(subjects, dtype=str), return_inverse=True)
    count = np.bincount(group)
    centred = t - (np.bincount(group, t) / count)[group]
    square = np.bincount(group, centred**2)
    known = square > 0
    value = np.bincount(group, centred * y)[known] / square[known]
    return {str(name): float(v) for name, v in zip(names[known], value, strict=True)}


def welch(groups: Sequence[Sequence[float] | Floats], weights: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Contrast of group means with separate variances and Satterthwaite's degrees of freedom; groups of weight 0 are
    not asked. NaN for the test where a group that counts has fewer than two values."""
    used = [(np.asarray(g, dtype=float), w) for g, w in zip(groups, weights, strict=True) if w != 0]
    if not used or any(len(g) == 0 for g, _ in used):
        return Estimate(NAN, NAN, NAN, NAN, NAN, NAN, NAN)
    effect = float(sum(w * g.mean() for g, w in used))
    if any(len(g) < 2 for g, _ in used):
        return Estimate(effect, NAN, NAN, NAN, NAN, NAN, NAN)
    parts = np.array([w * w * g.var(ddof=1) / len(g) for g, w in used])
    if not parts.sum() > 0:
        return Estimate(effect, NAN, NAN, NAN, NAN, NAN, NAN)
    df = float(parts.sum() ** 2 / np.sum(parts**2 / np.array([len(g) - 1 for g, _ in used])))
    return estimate(effect, float(np.sqrt(parts.sum())), df, confidence)
