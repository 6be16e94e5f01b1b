"""The numerical core of one curve: bounded Newton iterations and covariance, compiled.

The curve is linear in (Einf, E0) and non-linear in (log h, log EC50) only. At every trial of the two non-linear
parameters the linear ones are solved exactly inside their box (variable projection: Golub & Pereyra 1973,
doi:10.1137/0710036), so the iterations run in two dimensions. A step uses the exact Hessian of the projected
problem where that is positive definite and its Gauss-Newton part elsewhere, damped as by Marquardt 1963
(doi:10.1137/0111030). A parameter at a bound whose gradient points outward is held there (active set).

The compiled code is cached per file: after a change here or in ``grid``, remove the ``.nbi`` and ``.nbc`` files under
``__pycache__``, because the callers in other files do not notice.

Dose 0 is carried as log dose ``LOG_ZERO``: 1 / (1 + exp(h (LOG_ZERO - log EC50))) is then exactly 1.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

import math

import numba as nb
import numpy as np

LOG_ZERO = -1e6
MAX_ITERATIONS = 200
TOLERANCE = 1e-11
# As types.HillFits.linear_kind.
FREE_BOTH, FREE_E0, FREE_EINF, FREE_NONE = 0, 1, 2, 3
BIT_H, BIT_EINF, BIT_E0, BIT_EC50 = 1, 2, 4, 8
_TINY = 1e-200
#: ``known`` of ``descend`` where nothing is known.
ALONE = (np.inf, 0.0, 0.0)


@nb.njit(cache=True, inline="always", error_model="numpy")
def clip(v, lo, hi):
    """``v`` inside [lo, hi]."""
    return lo if v < lo else (hi if v > hi else v)


@nb.njit(cache=True, error_model="numpy")
def solve_linear(w_sum, s1, t1, s2, sy, y_mean, kind, e0, einf, box):
    """Best (einf, e0) for given non-linear parameters inside ``box`` = (e0 low, e0 high, einf low, einf high).

    With S = 1 / (1 + (x / EC50) ** h) and T = 1 - S: ``s1``, ``t1`` are their weighted sums, ``s2`` and ``sy`` the
    weighted sums of squares of S and of products of S and y, both about the means. Returns (einf, e0, kind),
    where the returned kind says which of the two are free, i.e. neither fixed nor at a bound.
    """
    if kind == FREE_NONE:
        return einf, e0, FREE_NONE
    ss = s2 + s1 * s1 / w_sum
    tt = s2 + t1 * t1 / w_sum
    st = s1 * t1 / w_sum - s2
    s_y = sy + s1 * y_mean
    t_y = -sy + t1 * y_mean
    if kind == FREE_E0:
        free = (s_y - einf * st) / max(ss, _TINY)
        b = clip(free, box[0], box[1])
        return einf, b, (FREE_E0 if b == free else FREE_NONE)
    if kind == FREE_EINF:
        free = (t_y - e0 * st) / max(tt, _TINY)
        a = clip(free, box[2], box[3])
        return a, e0, (FREE_EINF if a == free else FREE_NONE)
    slope = sy / s2 if s2 > _TINY else 0.0
    a = y_mean - slope * s1 / w_sum
    b = y_mean + slope * t1 / w_sum
    if box[0] <= b <= box[1] and box[2] <= a <= box[3]:
        return a, b, FREE_BOTH
    # Outside the box the minimum of a convex quadratic lies on an edge whose bound is violated.
    best, best_a, best_b, best_kind = np.inf, a, b, FREE_NONE
    for edge in range(2):
        if edge == 0:
            bb = clip(b, box[0], box[1])
            if bb == b:
                continue
            free = (t_y - bb * st) / max(tt, _TINY)
            aa = clip(free, box[2], box[3])
            k = FREE_EINF if aa == free else FREE_NONE
        else:
            aa = clip(a, box[2], box[3])
            if aa == a:
                continue
            free = (s_y - aa * st) / max(ss, _TINY)
            bb = clip(free, box[0], box[1])
            k = FREE_E0 if bb == free else FREE_NONE
        value = aa * aa * tt + bb * bb * ss + 2.0 * aa * bb * st - 2.0 * (aa * t_y + bb * s_y)
        if value < best:
            best, best_a, best_b, best_kind = value, aa, bb, k
    return best_a, best_b, best_kind


@nb.njit(cache=True, error_model="numpy")
def trial(log_h, log_ec50, lx, w, y, w_sum, y_mean, kind, e0, einf, box, s, t):
    """Projected residual sum of squares at (log h, log EC50). Returns (rss, einf, e0, free kind).

    Fills ``s`` and ``t`` = 1 - s. Each is exact where it is small, which matters where the EC50 lies far outside the
    doses and Einf (or E0) is a huge number: there only products such as Einf * t are meaningful.
    """
    h = math.exp(log_h)
    n = lx.size
    s1 = 0.0
    t1 = 0.0
    for k in range(n):
        z = math.exp(min(h * (lx[k] - log_ec50), 700.0))
        v = 1.0 / (1.0 + z)
        s[k] = v
        t[k] = z * v
        s1 += w[k] * v
        t1 += w[k] * t[k]
    s2 = 0.0
    sy = 0.0
    if s1 <= t1:
        mean = s1 / w_sum
        for k in range(n):
            d = s[k] - mean
            s2 += w[k] * d * d
            sy += w[k] * d * (y[k] - y_mean)
    else:
        mean = t1 / w_sum
        for k in range(n):
            d = mean - t[k]
            s2 += w[k] * d * d
            sy += w[k] * d * (y[k] - y_mean)
    a, b, free = solve_linear(w_sum, s1, t1, s2, sy, y_mean, kind, e0, einf, box)
    rss = 0.0
    for k in range(n):
        r = y[k] - a * t[k] - b * s[k]
        rss += w[k] * r * r
    return rss, a, b, free


@nb.njit(cache=True, error_model="numpy")
def system(log_h, log_ec50, a, b, free, lx, w, y, w_sum, s, t):
    """Gradient and the two Hessians of the projected problem in (log h, log EC50), each times one half.

    Returns g1, g2 (downhill), the exact Hessian (11, 12, 22) and its Gauss-Newton part (11, 12, 22).
    """
    h = math.exp(log_h)
    n = lx.size
    amp = b - a
    mean_s = 0.0
    mean_t = 0.0
    mean_1 = 0.0
    mean_2 = 0.0
    if free == FREE_BOTH:
        for k in range(n):
            q = s[k] * t[k]
            mean_s += w[k] * s[k]
            mean_t += w[k] * t[k]
            mean_1 -= w[k] * h * (lx[k] - log_ec50) * q
            mean_2 += w[k] * h * q
        mean_s /= w_sum
        mean_t /= w_sum
        mean_1 /= w_sum
        mean_2 /= w_sum
    cc = 0.0
    q1 = 0.0
    q2 = 0.0
    p1 = 0.0
    p2 = 0.0
    h11 = 0.0
    h12 = 0.0
    h22 = 0.0
    e11 = 0.0
    e12 = 0.0
    e22 = 0.0
    for k in range(n):
        wk = w[k]
        sk = s[k]
        tk = t[k]
        r = y[k] - a * tk - b * sk
        q = sk * tk
        z = h * (lx[k] - log_ec50)
        d1 = -z * q
        d2 = h * q
        curl = q * (tk - sk)
        q1 += wk * r * d1
        q2 += wk * r * d2
        if free == FREE_EINF:
            c = tk
        elif mean_s <= mean_t:
            c = sk - mean_s
        else:
            c = mean_t - tk
        if q > 0.0:
            e11 += wk * r * (curl * z * z - q * z)
            e12 += wk * r * (-curl * z * h + q * h)
            e22 += wk * r * curl * h * h
        d1 -= mean_1
        d2 -= mean_2
        cc += wk * c * c
        p1 += wk * c * d1
        p2 += wk * c * d2
        h11 += wk * d1 * d1
        h12 += wk * d1 * d2
        h22 += wk * d2 * d2
    amp2 = amp * amp
    h11 *= amp2
    h12 *= amp2
    h22 *= amp2
    n11 = h11 - amp * e11
    n12 = h12 - amp * e12
    n22 = h22 - amp * e22
    if free != FREE_NONE and cc > 0.0:
        c1 = amp * p1
        c2 = amp * p2
        sign = -1.0 if free == FREE_EINF else 1.0
        x1 = c1 - sign * q1
        x2 = c2 - sign * q2
        h11 -= c1 * c1 / cc
        h12 -= c1 * c2 / cc
        h22 -= c2 * c2 / cc
        n11 -= x1 * x1 / cc
        n12 -= x1 * x2 / cc
        n22 -= x2 * x2 / cc
    return amp * q1, amp * q2, n11, n12, n22, max(h11, 0.0), h12, max(h22, 0.0)


@nb.njit(cache=True, error_model="numpy")
def descend(log_h, log_ec50, limits, lx, w, y, w_sum, y_mean, tss, kind, e0, einf, box, scratch, known, max_iterations):
    """Minimise from one start. ``limits`` = (log h low, high, log EC50 low, high); ``scratch`` [4, n].
    ``known`` = (rss, log h, log EC50) of a minimum found before (rss inf for none): a descent that arrives next to it
    ends there.

    Returns rss, log h, log EC50, einf, e0, free kind and whether the iterations converged.
    """
    s = scratch[0]
    t = scratch[1]
    s_new = scratch[2]
    t_new = scratch[3]
    p1 = clip(log_h, limits[0], limits[1])
    p2 = clip(log_ec50, limits[2], limits[3])
    f, a, b, free = trial(p1, p2, lx, w, y, w_sum, y_mean, kind, e0, einf, box, s, t)
    g1, g2, n11, n12, n22, h11, h12, h22 = system(p1, p2, a, b, free, lx, w, y, w_sum, s, t)
    damping = 1e-3
    floor = 1e-26 * tss
    converged = False
    for _ in range(max_iterations):
        hold1 = (p1 <= limits[0] and g1 <= 0.0) or (p1 >= limits[1] and g1 >= 0.0)
        hold2 = (p2 <= limits[2] and g2 <= 0.0) or (p2 >= limits[3] and g2 >= 0.0)
        if hold1 and hold2:
            converged = True
            break
        if hold1 or hold2:
            exact = (n22 > 1e-6 * h22) if hold1 else (n11 > 1e-6 * h11)
        else:
            exact = n11 > 0.0 and n22 > 0.0 and n11 * n22 - n12 * n12 > 1e-10 * n11 * n22
        m11, m12, m22 = (n11, n12, n22) if exact else (h11, h12, h22)
        k11 = m11 + damping * max(m11, h11) + _TINY
        k22 = m22 + damping * max(m22, h22) + _TINY
        if hold1:
            d1 = 0.0
            d2 = g2 / k22
        elif hold2:
            d1 = g1 / k11
            d2 = 0.0
        else:
            det = k11 * k22 - m12 * m12
            if det <= 0.0:
                damping = max(damping * 10.0, 1e-8)
                if damping > 1e10:
                    break
                continue
            d1 = (g1 * k22 - g2 * m12) / det
            d2 = (g2 * k11 - g1 * m12) / det
        # Trust region in log units, then the box; the other parameter answers to what was cut off.
        scale = max(abs(d1), abs(d2) / 2.0)
        if scale > 1.0:
            d1 /= scale
            d2 /= scale
        r1 = clip(p1 + d1, limits[0], limits[1])
        r2 = clip(p2 + d2, limits[2], limits[3])
        if r1 != p1 + d1 and not hold2:
            d1 = r1 - p1
            r2 = clip(p2 + clip((g2 - m12 * d1) / k22, -2.0, 2.0), limits[2], limits[3])
        elif r2 != p2 + d2 and not hold1:
            d2 = r2 - p2
            r1 = clip(p1 + clip((g1 - m12 * d2) / k11, -1.0, 1.0), limits[0], limits[1])
        d1 = r1 - p1
        d2 = r2 - p2
        gain = 2.0 * (g1 * d1 + g2 * d2) - (m11 * d1 * d1 + 2.0 * m12 * d1 * d2 + m22 * d2 * d2)
        f_new, a_new, b_new, free_new = trial(r1, r2, lx, w, y, w_sum, y_mean, kind, e0, einf, box, s_new, t_new)
        small = gain <= TOLERANCE * f + floor
        if f_new <= f:
            drop = f - f_new
            p1, p2, f, a, b, free = r1, r2, f_new, a_new, b_new, free_new
            s, s_new = s_new, s
            t, t_new = t_new, t
            if (small and damping <= 1.0) or f <= floor:
                converged = True
                break
            damping = damping * 0.1 if drop > 0.25 * gain else damping * 2.0
            if damping < 1e-7:
                damping = 0.0
            if f >= known[0] and abs(p1 - known[1]) < 0.1 and abs(p2 - known[2]) < 0.1:
                break
            g1, g2, n11, n12, n22, h11, h12, h22 = system(p1, p2, a, b, free, lx, w, y, w_sum, s, t)
        else:
            if small:
                converged = True
                break
            damping = max(damping * 8.0, 1e-3)
            if damping > 1e10:
                # No lower point in any direction: a minimum to rounding error.
                converged = True
                break
    return f, p1, p2, a, b, free, converged


@nb.njit(cache=True, error_model="numpy")
def jacobian_row(lx, h, log_ec50, einf, e0, out):
    """Derivatives of the response with respect to (h, einf, e0, log EC50) at log dose ``lx``; returns the response."""
    u = lx - log_ec50
    z = math.exp(min(h * u, 700.0))
    s = 1.0 / (1.0 + z)
    t = z * s
    q = (e0 - einf) * s * t
    out[0] = -q * u if q != 0.0 else 0.0
    out[1] = t
    out[2] = s
    out[3] = q * h
    return einf * t + e0 * s


@nb.njit(cache=True, error_model="numpy")
def invert_information(info, active, inverse, work):
    """Inverse of the rows of ``info`` [4, 4] that are ``active``, zero elsewhere.

    Works on the matrix scaled to unit diagonal. Returns the smallest pivot of its Cholesky factor squared (1 for
    orthogonal parameters, near 0 where the data do not determine all of them); below 1e-13 the pivot is raised,
    so that the inverse stays finite and very large.
    """
    smallest = 1.0
    for i in range(4):
        for j in range(4):
            inverse[i, j] = 0.0
            work[i, j] = 0.0
    for i in range(4):
        if not active[i]:
            continue
        for j in range(i + 1):
            if not active[j]:
                continue
            scale = math.sqrt(max(info[i, i], _TINY) * max(info[j, j], _TINY))
            v = info[i, j] / scale if i != j else (1.0 if info[i, i] > _TINY else 0.0)
            for k in range(j):
                v -= work[i, k] * work[j, k]
            if i == j:
                if v < smallest:
                    smallest = v
                work[i, i] = math.sqrt(max(v, 1e-13))
            else:
                work[i, j] = v / work[j, j]
    for col in range(4):
        if not active[col]:
            continue
        for i in range(4):
            if not active[i]:
                continue
            v = 1.0 if i == col else 0.0
            for k in range(i):
                v -= work[i, k] * inverse[k, col]
            inverse[i, col] = v / work[i, i]
        for i in range(3, -1, -1):
            if not active[i]:
                continue
            v = inverse[i, col]
            for k in range(i + 1, 4):
                v -= work[k, i] * inverse[k, col]
            inverse[i, col] = v / work[i, i]
    for i in range(4):
        for j in range(4):
            if active[i] and active[j]:
                inverse[i, j] /= math.sqrt(max(info[i, i], _TINY) * max(info[j, j], _TINY))
    return smallest
