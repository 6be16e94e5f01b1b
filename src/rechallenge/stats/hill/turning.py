"""Compiled parts of the tests on a fit: a key for each design, and the turn of a response."""
# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators

from __future__ import annotations

import math

import numba as nb
import numpy as np


@nb.njit(cache=True, error_model="numpy")
def describe(start, x, w, y, n, w_sum, y_mean, design):
    """Total weight, mean and a hash of doses, weights and n per curve."""
    for i in range(n.size):
        total = 0.0
        mean = 0.0
        hashed = np.uint64(1469598103934665603) ^ np.uint64(n[i])
        for k in range(start[i], start[i + 1]):
            total += w[k]
            mean += w[k] * y[k]
            hashed = (hashed ^ np.uint64(hash(x[k]))) * np.uint64(1099511628211)
            hashed = (hashed ^ np.uint64(hash(w[k]))) * np.uint64(1099511628211)
        w_sum[i] = total
        y_mean[i] = mean / total if total > 0.0 else np.nan
        design[i] = np.int64(hashed >> np.uint64(1))


@nb.njit(cache=True, error_model="numpy")
def best_turn(w, y, s, both):
    """Largest, over blocks i..j and directions, of the way back (and, if ``both``, out); with the block's last dose."""
    k = w.size
    best = -np.inf
    last = -1
    for i in range(1, k - 1):
        w_first = 0.0
        y_first = 0.0
        for a in range(i):
            w_first += w[a]
            y_first += w[a] * y[a]
        w_block = 0.0
        y_block = 0.0
        for j in range(i, k - 1):
            w_block += w[j]
            y_block += w[j] * y[j]
            w_last = 0.0
            y_last = 0.0
            for a in range(j + 1, k):
                w_last += w[a]
                y_last += w[a] * y[a]
            back = (y_last / w_last - y_block / w_block) / (s * math.sqrt(1.0 / w_last + 1.0 / w_block))
            if both:
                out = (y_first / w_first - y_block / w_block) / (s * math.sqrt(1.0 / w_first + 1.0 / w_block))
                t = max(min(out, back), min(-out, -back))
            else:
                t = back
            if t > best:
                best = t
                last = j
    return best, last


@nb.njit(cache=True, error_model="numpy")
def hooks(ok, start, x, w, y, s, value, turn):
    """Statistic and turning dose of every curve that is ``ok``."""
    for i in range(ok.size):
        if ok[i]:
            a = start[i]
            b = start[i + 1]
            best, last = best_turn(w[a:b], y[a:b], s[i], True)
            value[i] = best
            turn[i] = x[a + last]


@nb.njit(cache=True, error_model="numpy")
def turn_backs(w, y, s):
    """Largest way back in each row of simulated dose means ``y`` with residual sd ``s``."""
    out = np.empty(y.shape[0])
    for i in range(y.shape[0]):
        out[i] = best_turn(w, y[i], s[i], False)[0]
    return out
