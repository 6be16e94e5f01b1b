"""Negative-binomial regression of many features at once, given their dispersions.

    K_ij ~ NB(mean s_j q_ij, dispersion a_i),   log q_i = X b_i

by iteratively reweighted least squares with a ridge that only keeps coefficients finite where a group has no counts.
Sources: McCarthy et al. 2012 (doi:10.1093/nar/gks042); Love et al. 2014 (doi:10.1186/s13059-014-0550-8).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LN2 = float(np.log(2.0))
#: fitted means below this do not fall further: a weight of zero says nothing
MIN_MU = 0.5
#: precision of the zero-centred prior on every coefficient, on the scale of log2
RIDGE = 1e-6
_ROUNDS = 100
_TOLERANCE = 1e-8
#: coefficients beyond this (natural log) run away: the group has no counts
_LARGE = 30.0
#: features handled at once, so that memory stays bounded
CHUNK = 20_000


@dataclass(frozen=True)
class NBFit:
    """f features, n samples, p coefficients.

    ``coef`` [f, p] natural log; ``cov`` [f, p, p]; ``mu`` [f, n] fitted counts; ``hat`` [f, n] leverages;
    ``log_likelihood`` [f]; ``converged`` [f].
    """

    coef: Floats
    cov: Floats
    mu: Floats
    hat: Floats
    log_likelihood: Floats
    converged: Bools


def log_likelihood(counts: Floats, mu: Floats, dispersion: Floats) -> Floats:
    """Negative-binomial log-likelihood [f] of ``counts`` [f, n] with means ``mu`` [f, n], ``dispersion`` [f]."""
    r = 1.0 / dispersion[:, None]
    term = special.gammaln(counts + r) - special.gammaln(r) - special.gammaln(counts + 1.0)
    term = term + counts * (np.log(mu) - np.log(r + mu)) - r * np.log1p(mu / r)
    return np.asarray(term.sum(axis=1))


def fit(counts: Floats, design: Floats, sizes: Floats, dispersion: Floats) -> NBFit:
    """Fit ``counts`` [f, n] on ``design`` [n, p] of full rank, with size factors [n] or [f, n], ``dispersion`` [f]."""
    f, n = counts.shape
    p = design.shape[1]
    offset = np.log(np.broadcast_to(np.asarray(sizes, float), (f, n)))
    out = NBFit(
        np.zeros((f, p)), np.zeros((f, p, p)), np.zeros((f, n)), np.zeros((f, n)), np.zeros(f), np.zeros(f, bool)
    )
    for start in range(0, f, CHUNK):
        at = slice(start, min(start + CHUNK, f))
        coef, cov, mu, hat, done = _irls(counts[at], design, offset[at], dispersion[at])
        out.coef[at], out.cov[at], out.mu[at], out.hat[at], out.converged[at] = coef, cov, mu, hat, done
        out.log_likelihood[at] = log_likelihood(counts[at], mu, dispersion[at])
    return out


def _irls(
    counts: Floats, x: Floats, offset: Floats, dispersion: Floats
) -> tuple[Floats, Floats, Floats, Floats, Bools]:
    f, p = counts.shape[0], x.shape[1]
    # coefficients enter as natural logs, the ridge is stated for log2
    ridge = np.eye(p) * RIDGE / LN2**2
    a = dispersion[:, None]
    start = np.log(counts / np.exp(offset) + 0.1)
    coef = start @ np.linalg.pinv(x).T
    mu = np.maximum(np.exp(np.clip(coef @ x.T, -_LARGE, _LARGE) + offset), MIN_MU)
    before = _deviance(counts, mu, a)
    done = np.zeros(f, dtype=bool)
    todo = np.arange(f)
    for _ in range(_ROUNDS):
        m, c = mu[todo], counts[todo]
        w = m / (1.0 + a[todo] * m)
        z = np.log(m) - offset[todo] + (c - m) / m
        lhs = np.einsum("fn,np,nq->fpq", w, x, x, optimize=True) + ridge
        rhs = (w * z) @ x
        new = np.clip(np.linalg.solve(lhs, rhs[..., None])[..., 0], -_LARGE, _LARGE)
        m = np.maximum(np.exp(np.clip(new @ x.T, -_LARGE, _LARGE) + offset[todo]), MIN_MU)
        now = _deviance(c, m, a[todo])
        coef[todo], mu[todo] = new, m
        still = np.abs(now - before[todo]) >= _TOLERANCE * (np.abs(now) + 0.1)
        before[todo] = now
        done[todo[~still]] = True
        todo = todo[still]
        if not todo.size:
            break
    w = mu / (1.0 + a * mu)
    xwx = np.einsum("fn,np,nq->fpq", w, x, x, optimize=True)
    inverse = np.linalg.inv(xwx + ridge)
    cov = inverse @ xwx @ inverse
    hat = w * np.einsum("np,fpq,nq->fn", x, inverse, x, optimize=True)
    return coef, cov, mu, hat, done


def _deviance(counts: Floats, mu: Floats, a: Floats) -> Floats:
    """Minus twice the part of the log-likelihood that depends on the means [f]."""
    return np.asarray(-2.0 * (counts * np.log(mu) - (counts + 1.0 / a) * np.log1p(a * mu)).sum(axis=1))
