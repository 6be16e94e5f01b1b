"""Variance of a fitted curve: from residuals, or from biological replicates as clusters. Compiled.

Residual: V = s^2 (J'WJ)^-1, with n - p degrees of freedom. It knows the scatter of wells or dose means only.

Replicate: cluster-robust (sandwich) variance with the biological replicate as the cluster. A replicate's score is
u_g = J_g' W_g e_g; with M = (J'WJ)^-1 = L L' and K_g = L' J_g' W_g J_g L the bias-reduced (CR2) influence of the
replicate is psi_g = L (I - K_g)^(-1/2) L' u_g and V = sum psi_g psi_g' (Bell & McCaffrey 2002; Pustejovsky & Tipton
2018, doi:10.1080/07350015.2016.1247004). The Satterthwaite degrees of freedom of a contrast c follow with a = L'c
and b_g = (I - K_g)^(-1/2) K_g a from the matrix P with P_gg = a'K_g a and P_gh = -b_g'b_h: df = (tr P)^2 / sum P^2.
A direction of the parameters that one replicate determines alone (K_g has the eigenvalue 1, as where only one
replicate was tested at the top doses) shows no spread between replicates; the residual variance stands in for it.
In a balanced design K_g = I / G: the factor becomes G / (G - 1) and df = G - 1, i.e. the t interval over per-replicate
estimates, but it stays defined where single replicates do not determine their own curve.
"""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

import math

import numba as nb
import numpy as np

from rechallenge.stats.hill.batch import active_rows, covariance, log_doses
from rechallenge.stats.hill.engine import jacobian_row

RESIDUAL, REPLICATE = 0, 1
ESTIMATED, ABOVE, BELOW, NOT_ESTIMABLE, WRONG_DIRECTION = 0, 1, 2, 3, 4
ABSOLUTE, RELATIVE = 0, 1


@nb.njit(cache=True, error_model="numpy")
def cholesky4(matrix, out):
    """Lower Cholesky factor of a positive semi-definite 4 x 4 matrix; rows without variance stay zero."""
    for i in range(4):
        for j in range(4):
            out[i, j] = 0.0
    for i in range(4):
        for j in range(i + 1):
            v = matrix[i, j]
            for k in range(j):
                v -= out[i, k] * out[j, k]
            if i == j:
                out[i, i] = math.sqrt(v) if v > 1e-14 * matrix[i, i] else 0.0
            elif out[j, j] > 0.0:
                out[i, j] = v / out[j, j]


@nb.njit(cache=True, error_model="numpy")
def eigen4(matrix, vectors):
    """Eigenvalues on the diagonal of ``matrix`` (overwritten) and ``vectors`` in columns, by Jacobi rotations."""
    for i in range(4):
        for j in range(4):
            vectors[i, j] = 1.0 if i == j else 0.0
    for _ in range(30):
        off = 0.0
        for i in range(4):
            for j in range(i):
                off += matrix[i, j] * matrix[i, j]
        if off < 1e-30:
            return
        for p in range(3):
            for q in range(p + 1, 4):
                if matrix[p, q] == 0.0:
                    continue
                theta = 0.5 * (matrix[q, q] - matrix[p, p]) / matrix[p, q]
                t = 1.0 / (abs(theta) + math.sqrt(theta * theta + 1.0))
                if theta < 0.0:
                    t = -t
                c = 1.0 / math.sqrt(t * t + 1.0)
                s = t * c
                for k in range(4):
                    a = matrix[k, p]
                    b = matrix[k, q]
                    matrix[k, p] = c * a - s * b
                    matrix[k, q] = s * a + c * b
                for k in range(4):
                    a = matrix[p, k]
                    b = matrix[q, k]
                    matrix[p, k] = c * a - s * b
                    matrix[q, k] = s * a + c * b
                for k in range(4):
                    a = vectors[k, p]
                    b = vectors[k, q]
                    vectors[k, p] = c * a - s * b
                    vectors[k, q] = s * a + c * b


@nb.njit(cache=True, error_model="numpy")
def excess(lx, level, scale, h, le, einf, e0, row):
    """Response minus the level at log dose ``lx`` and, in ``row``, its gradient.

    ``scale`` ABSOLUTE: ``level`` is a response. RELATIVE: the fraction of the way from Einf to E0.
    """
    value = jacobian_row(lx, h, le, einf, e0, row)
    if scale == RELATIVE:
        row[1] -= 1.0 - level
        row[2] -= level
        return value - einf - (e0 - einf) * level
    return value - level


@nb.njit(cache=True, error_model="numpy")
def quadratic(v, c):
    """c' V c, not below 0."""
    total = 0.0
    for i in range(4):
        for j in range(4):
            total += c[i] * v[i, j] * c[j]
    return max(total, 0.0)


@nb.njit(cache=True, error_model="numpy")
def crossing(level, scale, h, le, einf, e0):
    """Log dose at which the curve crosses the level; nan where it does not."""
    if scale == RELATIVE:
        top = 1.0 - level
        bottom = level
    else:
        top = e0 - level
        bottom = level - einf
    if top == 0.0 or bottom == 0.0 or (top > 0.0) != (bottom > 0.0):
        return np.nan
    return le + math.log(top / bottom) / h


@nb.njit(cache=True, error_model="numpy")
def position(level, scale, falling, h, le, einf, e0, low, high, row):
    """Where the level lies: crossed inside [low, high] (log doses), above, below, or crossed the wrong way."""
    at_low = excess(low, level, scale, h, le, einf, e0, row)
    at_high = excess(high, level, scale, h, le, einf, e0, row)
    if scale == RELATIVE:
        if e0 < einf:
            at_low = -at_low
            at_high = -at_high
    elif not falling:
        at_low = -at_low
        at_high = -at_high
    if at_high > 0.0:
        return ABOVE if at_low >= 0.0 else WRONG_DIRECTION
    return BELOW if at_low < 0.0 else ESTIMATED


@nb.njit(cache=True, error_model="numpy")
def influence_rows(
    i, variance, active, lx, start, w, y, cell_start, cell_replicate, cell_dose, cell_w, cell_m, h, le, einf, e0,
    groups, bread, psi, k_all, info, work, row, jac,
):  # fmt: skip
    """Bread M of curve ``i`` and, for replicates, psi [G, 4] and K_g [G, 4, 4]; returns the smallest pivot.

    ``k_all`` is left holding (K_g) and ``info`` the factor L of M.
    """
    a = start[i]
    n = start[i + 1] - a
    pivot = covariance(lx[:n], w[a : a + n], y[a : a + n], h, le, einf, e0, active, False, info, bread, work, row)
    if variance == RESIDUAL:
        return pivot
    for k in range(n):
        jac[k, 4] = jacobian_row(lx[k], h, le, einf, e0, row)
        for p in range(4):
            jac[k, p] = row[p]
    lower = info
    cholesky4(bread, lower)
    for g in range(groups):
        for p in range(4):
            psi[g, p] = 0.0
            for q in range(4):
                k_all[g, p, q] = 0.0
    for c in range(cell_start[i], cell_start[i + 1]):
        g = cell_replicate[c]
        k = cell_dose[c]
        e = cell_w[c] * (cell_m[c] - jac[k, 4])
        # L' J_row, so that scores and K are gathered in the orthonormal basis of the bread.
        for p in range(4):
            total = 0.0
            for q in range(p, 4):
                total += lower[q, p] * jac[k, q]
            row[p] = total
        for p in range(4):
            psi[g, p] += e * row[p]
            for q in range(4):
                k_all[g, p, q] += cell_w[c] * row[p] * row[q]
    return pivot


@nb.njit(cache=True, error_model="numpy")
def adjust(groups, lower, psi, k_all, root_k, alone, work, vectors):
    """Turn scores in the basis of L into influences psi_g = L (I - K_g)^(-1/2) score; root_k gets (I - K)^(-1/2) K.

    ``alone`` [4, 4] gathers, in that basis, the directions that one replicate determines by itself: they carry no
    information on the spread between replicates.
    """
    for p in range(4):
        for q in range(4):
            alone[p, q] = 0.0
    for g in range(groups):
        for p in range(4):
            for q in range(4):
                work[p, q] = k_all[g, p, q]
        eigen4(work, vectors)
        score0 = psi[g, 0]
        score1 = psi[g, 1]
        score2 = psi[g, 2]
        score3 = psi[g, 3]
        for p in range(4):
            psi[g, p] = 0.0
            for q in range(4):
                root_k[g, p, q] = 0.0
        for e in range(4):
            lam = work[e, e]
            factor = 1.0 / math.sqrt(1.0 - lam) if lam < 1.0 - 1e-6 else 0.0
            if factor == 0.0:
                for p in range(4):
                    for q in range(4):
                        alone[p, q] += vectors[p, e] * vectors[q, e]
            dot = vectors[0, e] * score0 + vectors[1, e] * score1 + vectors[2, e] * score2 + vectors[3, e] * score3
            for p in range(4):
                psi[g, p] += factor * dot * vectors[p, e]
                for q in range(4):
                    root_k[g, p, q] += factor * lam * vectors[p, e] * vectors[q, e]
        for p in range(3, -1, -1):
            total = 0.0
            for q in range(p + 1):
                total += lower[p, q] * psi[g, q]
            psi[g, p] = total


@nb.njit(cache=True, error_model="numpy")
def satterthwaite(groups, lower, k_all, root_k, c, a, b):
    """Degrees of freedom of the contrast ``c`` under the cluster-robust variance."""
    for p in range(4):
        total = 0.0
        for q in range(p, 4):
            total += lower[q, p] * c[q]
        a[p] = total
    trace = 0.0
    squares = 0.0
    for g in range(groups):
        own = 0.0
        for p in range(4):
            b[g, p] = 0.0
            for q in range(4):
                own += a[p] * k_all[g, p, q] * a[q]
                b[g, p] += root_k[g, p, q] * a[q]
        trace += own
        squares += own * own
    for g in range(groups):
        for k in range(g):
            dot = b[g, 0] * b[k, 0] + b[g, 1] * b[k, 1] + b[g, 2] * b[k, 2] + b[g, 3] * b[k, 3]
            squares += 2.0 * dot * dot
    # Nothing free to vary (all parameters at bounds): the response is the same for any draw of replicates.
    return trace * trace / squares if squares > 0.0 else groups - 1.0


@nb.njit(cache=True, error_model="numpy")
def curve_variances(
    use, variance, level, scale, falling, e0_free, einf_free, start, x, w, y, cell_start, cell_replicate, cell_dose,
    cell_w, cell_m, e0, einf, log_ec50, h, s, df_residual, n_replicates, at_bound, influence_start,
    v_out, log_dose, se, df, status, influence,
):  # fmt: skip
    """Variance [N, 4, 4], log dose at the level, its standard error (full gradient), df and where the level lies.

    ``variance`` [N]: RESIDUAL or REPLICATE per curve. ``influence`` receives, for replicate curves, the influence of
    each replicate on the log dose (rows ``influence_start[i]`` on). Where the level is not crossed inside the tested
    doses, df is that of the response at the nearest tested dose.
    """
    longest = 1
    most = 1
    for i in range(use.size):
        longest = max(longest, start[i + 1] - start[i])
        most = max(most, n_replicates[i])
    lx = np.empty(longest)
    jac = np.empty((longest, 5))
    bread = np.empty((4, 4))
    info = np.empty((4, 4))
    work = np.empty((4, 4))
    vectors = np.empty((4, 4))
    row = np.empty(4)
    a_row = np.empty(4)
    psi = np.empty((most, 4))
    b_rows = np.empty((most, 4))
    k_all = np.empty((most, 4, 4))
    root_k = np.empty((most, 4, 4))
    alone = np.empty((4, 4))
    active = np.empty(4, dtype=np.bool_)
    for i in range(use.size):
        for p in range(4):
            for q in range(4):
                v_out[i, p, q] = np.nan
        log_dose[i] = np.nan
        se[i] = np.nan
        df[i] = np.nan
        status[i] = NOT_ESTIMABLE
        if not use[i]:
            continue
        n = start[i + 1] - start[i]
        log_doses(x[start[i] : start[i + 1]], lx)
        low = lx[1] if x[start[i]] == 0.0 else lx[0]
        high = lx[n - 1]
        status[i] = position(level, scale, falling, h[i], log_ec50[i], einf[i], e0[i], low, high, row)
        at = crossing(level, scale, h[i], log_ec50[i], einf[i], e0[i])
        if status[i] == ESTIMATED and math.isnan(at):
            # The plateau lies on the level to the last digit: it is approached, not crossed.
            status[i] = ABOVE
        active_rows(at_bound[i], e0_free, einf_free, active)
        groups = n_replicates[i]
        influence_rows(
            i, variance[i], active, lx, start, w, y, cell_start, cell_replicate, cell_dose, cell_w, cell_m, h[i],
            log_ec50[i], einf[i], e0[i], groups, bread, psi, k_all, info, work, row, jac,
        )  # fmt: skip
        if math.isnan(at):
            reference = high if status[i] == ABOVE else low
        else:
            reference = min(max(at, low), high)
        if variance[i] == RESIDUAL:
            for p in range(4):
                for q in range(4):
                    v_out[i, p, q] = bread[p, q] * s[i] * s[i]
            df[i] = df_residual[i]
        else:
            adjust(groups, info, psi, k_all, root_k, alone, work, vectors)
            for p in range(4):
                for q in range(4):
                    total = 0.0
                    for g in range(groups):
                        total += psi[g, p] * psi[g, q]
                    # Where the spread between replicates cannot be seen, the residual variance stands in.
                    for a in range(p + 1):
                        for b in range(q + 1):
                            total += info[p, a] * alone[a, b] * info[q, b] * s[i] * s[i]
                    v_out[i, p, q] = total
            excess(reference, level, scale, h[i], log_ec50[i], einf[i], e0[i], row)
            df[i] = satterthwaite(groups, info, k_all, root_k, row, a_row, b_rows)
        if not math.isnan(at) and status[i] != WRONG_DIRECTION:
            excess(at, level, scale, h[i], log_ec50[i], einf[i], e0[i], row)
            z = math.exp(min(h[i] * (at - log_ec50[i]), 700.0))
            fall = (e0[i] - einf[i]) * h[i] * z / (1.0 + z) / (1.0 + z)
            log_dose[i] = at
            if fall != 0.0:
                se[i] = math.sqrt(quadratic(v_out[i], row)) / abs(fall)
                if variance[i] == REPLICATE:
                    for g in range(groups):
                        total = 0.0
                        for p in range(4):
                            total += row[p] * psi[g, p]
                        influence[influence_start[i] + g] = total / fall
