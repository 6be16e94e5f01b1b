"""Observations to weighted dose means: exact for least squares, and three times fewer points to fit."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

import math

import numba as nb
import numpy as np

# Codes of types.Reason, as plain integers for compiled code.
_NONE, _NO_DATA, _NON_FINITE, _NEGATIVE_DOSE = 0, 1, 2, 3
# Beyond this, squares and their sums are no longer numbers.
_HUGE = 1e100


@nb.njit(cache=True, error_model="numpy")
def _sort_by(keys, order, n):
    """Stable insertion sort of ``order[:n]`` by ``keys[order]``; rows are short and usually nearly sorted."""
    for i in range(1, n):
        item = order[i]
        key = keys[item]
        j = i - 1
        while j >= 0 and keys[order[j]] > key:
            order[j + 1] = order[j]
            j -= 1
        order[j + 1] = item


@nb.njit(cache=True, error_model="numpy")
def collapse_rows(
    first, last, start, order, x, y, weights, has_weights, replicate, has_replicate,
    out_start, out_x, out_w, out_m, cell_start, cell_replicate, cell_dose, cell_w, cell_m, labels,
    n_used, n_missing, n_replicates, tss, pure, total_w, reason, design,
):  # fmt: skip
    """Collapse curves ``first`` to ``last``; their observations are ``order[start[i]:start[i + 1]]``.

    Output arrays are those of the chunk (index 0 is curve ``first``). ``design`` receives a hash of the doses.
    """
    longest = 0
    for i in range(first, last):
        longest = max(longest, start[i + 1] - start[i])
    kx = np.empty(longest)
    ky = np.empty(longest)
    kw = np.empty(longest)
    kr = np.empty(longest, dtype=np.int64)
    dose_of = np.empty(longest, dtype=np.int64)
    idx = np.empty(longest, dtype=np.int64)
    doses = 0
    cells = 0
    labelled = 0
    out_start[0] = 0
    cell_start[0] = 0
    for i in range(first, last):
        c = i - first
        used = 0
        missing = 0
        code = _NONE
        ascending = True
        for p in range(start[i], start[i + 1]):
            o = order[p] if order.size > 0 else p
            xv = x[o]
            yv = y[o]
            wv = weights[o] if has_weights else 1.0
            if math.isnan(yv) or math.isnan(wv) or wv == 0.0:
                missing += 1
                continue
            usable = abs(xv) < _HUGE and abs(yv) < _HUGE and wv < _HUGE and wv > 1.0 / _HUGE
            if not usable or (xv != 0.0 and abs(xv) < 1.0 / _HUGE):
                code = _NON_FINITE
            elif xv < 0.0 and code == _NONE:
                code = _NEGATIVE_DOSE
            kx[used] = xv
            ky[used] = yv
            kw[used] = wv
            if has_replicate:
                kr[used] = replicate[o]
            if used > 0 and xv < kx[used - 1]:
                ascending = False
            used += 1
        n_used[c] = used
        n_missing[c] = missing
        if used == 0:
            code = _NO_DATA
        reason[c] = code
        n_replicates[c] = 0
        tss[c] = np.nan
        pure[c] = np.nan
        total_w[c] = np.nan
        design[c] = 0
        if code == _NONE:
            for k in range(used):
                idx[k] = k
            if not ascending:
                if used <= 64:
                    _sort_by(kx, idx, used)
                else:
                    idx[:used] = np.argsort(kx[:used], kind="mergesort")
            here = doses
            hashed = np.uint64(1469598103934665603)
            within = 0.0
            p = 0
            while p < used:
                xv = kx[idx[p]]
                q = p
                sw = 0.0
                sy = 0.0
                while q < used and kx[idx[q]] == xv:
                    sw += kw[idx[q]]
                    sy += kw[idx[q]] * ky[idx[q]]
                    dose_of[idx[q]] = doses - here
                    q += 1
                mean = sy / sw
                for r in range(p, q):
                    d = ky[idx[r]] - mean
                    within += kw[idx[r]] * d * d
                out_x[doses] = xv
                out_w[doses] = sw
                out_m[doses] = mean
                hashed = (hashed ^ np.uint64(hash(xv))) * np.uint64(1099511628211)
                doses += 1
                p = q
            w_sum = 0.0
            w_mean = 0.0
            for k in range(here, doses):
                w_sum += out_w[k]
                w_mean += out_w[k] * out_m[k]
            w_mean /= w_sum
            between = 0.0
            for k in range(here, doses):
                between += out_w[k] * (out_m[k] - w_mean) ** 2
            # Below this, sums of squares are what rounding leaves of equal numbers.
            nothing = 1e-26 * (w_sum * w_mean * w_mean + between + within)
            within = within if within > nothing else 0.0
            tss[c] = between + within if between + within > nothing else 0.0
            pure[c] = within
            total_w[c] = w_sum
            design[c] = np.int64(hashed >> np.uint64(1))
            if has_replicate:
                # idx is in dose order; a stable sort by replicate leaves doses ascending within each.
                if used <= 64:
                    _sort_by(kr, idx, used)
                else:
                    idx[:used] = idx[:used][np.argsort(kr[idx[:used]], kind="mergesort")]
                p = 0
                label = -1
                while p < used:
                    a = idx[p]
                    if p == 0 or kr[a] != kr[idx[p - 1]]:
                        label += 1
                        labels[labelled] = kr[a]
                        labelled += 1
                    q = p
                    sw = 0.0
                    sy = 0.0
                    while q < used and kr[idx[q]] == kr[a] and dose_of[idx[q]] == dose_of[a]:
                        sw += kw[idx[q]]
                        sy += kw[idx[q]] * ky[idx[q]]
                        q += 1
                    cell_replicate[cells] = label
                    cell_dose[cells] = dose_of[a]
                    cell_w[cells] = sw
                    cell_m[cells] = sy / sw
                    cells += 1
                    p = q
                n_replicates[c] = label + 1
        out_start[c + 1] = doses
        cell_start[c + 1] = cells
