"""Start values for all curves of one dose design at once, and the search over several starts."""

# mypy: allow-untyped-defs, allow-untyped-calls, allow-untyped-decorators
from __future__ import annotations

import math

import numba as nb
import numpy as np

from rechallenge.stats.hill.engine import FREE_BOTH, FREE_E0, FREE_EINF, LOG_ZERO, descend, solve_linear

NODES_H = 9
MAX_NODES_EC50 = 200
MAX_STARTS = 8


@nb.njit(cache=True, error_model="numpy")
def ec50_nodes(lx, limits, out):
    """Log EC50 nodes for ascending log doses; returns how many.

    Where h is large only an EC50 next to a dose leaves that dose part of the way, so every dose has a node on itself
    and one on either side, as close as the largest slope asks for. The intervals have one node in the middle (more
    where they are wide), the margins about one per natural log unit. Very many doses get an even grid instead.
    """
    n = lx.size
    first = 1 if lx[0] <= 0.5 * LOG_ZERO else 0
    count = 0
    below = lx[first] - limits[2]
    above = limits[3] - lx[n - 1]
    k_below = min(math.ceil(below), 20)
    k_above = min(math.ceil(above), 20)
    for i in range(k_below):
        out[count] = limits[2] + below * i / k_below
        count += 1
    near = 1.2 * math.exp(-limits[1])
    room = out.size - k_below - k_above - 1
    wanted = 0
    for i in range(first, n - 1):
        wanted += 3 + _inner(lx[i + 1] - lx[i], near)
    if wanted <= room:
        for i in range(first, n - 1):
            gap = lx[i + 1] - lx[i]
            side = min(near, 0.25 * gap)
            inner = _inner(gap, near)
            out[count] = lx[i]
            out[count + 1] = lx[i] + side
            count += 2
            for j in range(inner):
                out[count] = lx[i] + side + (gap - 2.0 * side) * (j + 1) / (inner + 1)
                count += 1
            out[count] = lx[i + 1] - side
            count += 1
    else:
        for i in range(room):
            out[count] = lx[first] + (lx[n - 1] - lx[first]) * i / room
            count += 1
    for i in range(k_above + 1):
        out[count] = lx[n - 1] + (above * i / k_above if k_above > 0 else 0.0)
        count += 1
    return count


@nb.njit(cache=True, error_model="numpy")
def _inner(gap, near):
    """Nodes inside an interval of log doses besides those next to its ends."""
    return 1 + int(max(gap - 2.0 * near, 0.0) / 0.9)


@nb.njit(cache=True, error_model="numpy")
def build_table(lx, h_nodes, le_nodes, n_le, table):
    """``table[k, i * n_le + j]`` = S at dose k for slope node i and EC50 node j."""
    for k in range(lx.size):
        for i in range(h_nodes.size):
            h = math.exp(h_nodes[i])
            for j in range(n_le):
                table[k, i * n_le + j] = 1.0 / (1.0 + math.exp(min(h * (lx[k] - le_nodes[j]), 700.0)))


@nb.njit(cache=True, error_model="numpy")
def weight_sums(w, table, n_nodes, s1, s2):
    """Weighted sums of S and S squared per node: they depend on the design, not on the response."""
    for v in range(n_nodes):
        s1[v] = 0.0
        s2[v] = 0.0
    for k in range(w.size):
        wk = w[k]
        for v in range(n_nodes):
            s1[v] += wk * table[k, v]
            s2[v] += wk * table[k, v] * table[k, v]


@nb.njit(cache=True, error_model="numpy")
def node_rss(w, y, w_sum, y_mean, tss, table, n_nodes, s1, s2, kind, e0, einf, box, boxed, out):
    """Residual sum of squares of the best (Einf, E0) inside the box at each node."""
    for v in range(n_nodes):
        out[v] = 0.0
    for k in range(w.size):
        c = w[k] * (y[k] - y_mean)
        for v in range(n_nodes):
            out[v] += c * table[k, v]
    tiny = 1e-9 * w_sum
    if kind == FREE_BOTH:
        for v in range(n_nodes):
            var = s2[v] - s1[v] * s1[v] / w_sum
            sy = out[v]
            slope = sy / var if var > tiny else 0.0
            out[v] = tss - slope * sy
            if boxed:
                a = y_mean - slope * s1[v] / w_sum
                b = a + slope
                if a < box[2] or a > box[3] or b < box[0] or b > box[1]:
                    out[v] = _on_box(w_sum, s1[v], max(var, 0.0), sy, y_mean, tss, e0, einf, box)
        return
    # One amplitude A or none: y = base + A column, with column S (E0 free or neither) or T = 1 - S (Einf free).
    base = e0 if kind == FREE_EINF else einf
    total = tss + w_sum * (y_mean - base) ** 2
    low = box[0] - einf
    high = box[1] - einf
    if kind == FREE_EINF:
        low = box[2] - e0
        high = box[3] - e0
    elif kind != FREE_E0:
        low = e0 - einf
        high = low
    for v in range(n_nodes):
        cc = s2[v]
        c = out[v] + s1[v] * (y_mean - base)
        if kind == FREE_EINF:
            cc = w_sum - 2.0 * s1[v] + s2[v]
            c = w_sum * (y_mean - base) - c
        amp = min(max(c / cc if cc > tiny else 0.0, low), high)
        out[v] = total - 2.0 * amp * c + amp * amp * cc


@nb.njit(cache=True, error_model="numpy")
def _on_box(w_sum, s1, var, sy, y_mean, tss, e0, einf, box):
    """Residual sum of squares where the unbounded (Einf, E0) lie outside the box."""
    t1 = w_sum - s1
    a, b, _ = solve_linear(w_sum, s1, t1, var, sy, y_mean, FREE_BOTH, e0, einf, box)
    gap = y_mean - (a * t1 + b * s1) / w_sum
    return tss + w_sum * gap * gap - 2.0 * (b - a) * sy + (b - a) ** 2 * var


@nb.njit(cache=True, error_model="numpy")
def local_minima(rss, n_h, n_le, where, value):
    """Up to ``where.size`` lowest nodes that no neighbour on the grid undercuts, ascending; returns how many."""
    found = 0
    room = where.size
    for i in range(n_h):
        base = i * n_le
        for j in range(n_le):
            here = base + j
            v = rss[here]
            # Ties go to the earlier node, so that a plateau gives one start. Neighbours along the row first: they
            # rule out nearly every node.
            if j > 0 and rss[here - 1] <= v:
                continue
            if j < n_le - 1 and rss[here + 1] < v:
                continue
            if found == room and v >= value[room - 1]:
                continue
            left = -1 if j > 0 else 0
            right = 2 if j < n_le - 1 else 1
            lowest = True
            if i > 0:
                for dj in range(left, right):
                    lowest = lowest and rss[here - n_le + dj] > v
            if lowest and i < n_h - 1:
                for dj in range(left, right):
                    lowest = lowest and rss[here + n_le + dj] >= v
            if not lowest:
                continue
            if found < room:
                found += 1
            p = found - 1
            while p > 0 and value[p - 1] > v:
                value[p] = value[p - 1]
                where[p] = where[p - 1]
                p -= 1
            value[p] = v
            where[p] = i * n_le + j
    return found


@nb.njit(cache=True, error_model="numpy")
def _reach(rss, i, j, n_h, n_le):
    """How far below a local minimum of the grid the surface may dip between nodes.

    Of a parabola whose lowest node is known the dip is at most an eighth of the second difference; four times that is
    allowed along either axis, because the two are correlated.
    """
    here = rss[i * n_le + j]
    total = 0.0
    for axis in range(2):
        a = i if axis == 0 else j
        n = n_h if axis == 0 else n_le
        step = n_le if axis == 0 else 1
        rise = 0.0
        sides = 0
        if a > 0:
            rise += rss[i * n_le + j - step] - here
            sides += 1
        if a < n - 1:
            rise += rss[i * n_le + j + step] - here
            sides += 1
        total += 2.0 * rise / max(sides, 1)
    return 0.5 * total


@nb.njit(cache=True, error_model="numpy")
def search(
    rss, h_nodes, le_nodes, n_le, limits, lx, w, y, w_sum, y_mean, tss, kind, e0, einf, box, scratch, where, value,
    max_iterations,
):  # fmt: skip
    """Descend from the best node and from other local minima of the grid; the lowest end point wins."""
    found = local_minima(rss, h_nodes.size, n_le, where, value)
    best = (np.inf, 0.0, 0.0, 0.0, 0.0, kind, False)
    for i in range(found):
        node = where[i]
        if i > 0 and value[i] - _reach(rss, node // n_le, node % n_le, h_nodes.size, n_le) >= best[0]:
            continue
        end = descend(
            h_nodes[node // n_le], le_nodes[node % n_le], limits, lx, w, y, w_sum, y_mean, tss, kind, e0, einf, box,
            scratch, best[:3], max_iterations,
        )  # fmt: skip
        if end[0] < best[0]:
            best = end
    return best
