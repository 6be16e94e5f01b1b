"""Correction of measured isotopologues for natural abundance and tracer purity.

    measured = M x,   x >= 0,   M[i, j] = P(mass shift i | j tracer atoms labelled)

Each labelled position carries the label with probability `purity`; the other positions of the tracer element and all
other atoms, those of a derivative among them, have their natural isotopes. x follows by non-negative least squares.
The approach is that of IsoCor (doi:10.1093/bioinformatics/btz209) and AccuCor (doi:10.1021/acs.analchem.7b00396);
this is an implementation of its own.

An instrument of high resolution separates an isotopologue of other elements from the label where their masses differ
enough. With `resolution` R (defined at m/z `at`) only those combinations of natural isotopes of other elements count
whose total mass lies within 1.66 M^1.5 / (R sqrt(at)) Da of the peak of the label with as many units (an Orbitrap,
AccuCor's limit); the others are resolved, thus not in the measured area.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from math import comb, factorial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rechallenge.omics.tracing.isotopes import ISOTOPES, TRACERS, Abundances, mass, parse_formula

Floats = NDArray[np.float64]
#: combinations of natural isotopes rarer than this are passed over at high resolution
_NEGLIGIBLE = 1e-14


def matrix(
    formula: str,
    isotope: str = "13C",
    *,
    derivative: str = "",
    purity: float = 1.0,
    natural_tracer: bool = True,
    resolution: float = 0.0,
    at: float = 200.0,
    abundances: Abundances = ISOTOPES,
) -> Floats:
    """The correction matrix [n + 1, n + 1] for the n tracer atoms of `formula`; column j: distribution of M+j.

    `formula` is that of the ion or molecule without the derivative, `derivative` the atoms that derivatisation adds
    (natural isotopes alone). `natural_tracer` false leaves the natural abundance of the tracer element itself
    uncorrected. `resolution` 0 is a nominal-mass instrument. Columns lose what lies beyond M+n. Raises ValueError for
    formulas that cannot be read, a formula without tracer element, or a purity outside 0 to 1.
    """
    if not 0 < purity <= 1:
        raise ValueError(f"the purity of a tracer lies above 0 and is at most 1, got {purity}")
    element = TRACERS[isotope]
    atoms = parse_formula(formula)
    extra = parse_formula(derivative) if derivative else {}
    n = atoms.get(element, 0)
    if not n:
        raise ValueError(f"{formula} has no {element} that {isotope} could label")
    others = {e: atoms.get(e, 0) + extra.get(e, 0) for e in {*atoms, *extra}}
    others[element] = extra.get(element, 0)
    if resolution:
        limit = resolvable(atoms, extra, resolution, at)
        around = hidden_shift(others, n, isotope, limit, abundances)
    else:
        around = np.zeros(n + 1)
        around[0] = 1.0
        for e, count in sorted(others.items()):
            around = np.convolve(around, _power(_unit(e, abundances), count, n))[: n + 1]
    heavy = abundances[element][1][1] if natural_tracer else 0.0
    out = np.zeros((n + 1, n + 1))
    for j in range(n + 1):
        labelled, rest = _binomial(j, purity), _binomial(n - j, heavy)
        out[:, j] = np.convolve(np.convolve(labelled, rest), around)[: n + 1]
    return out


def resolvable(atoms: Mapping[str, int], extra: Mapping[str, int], resolution: float, at: float) -> float:
    """Smallest difference in mass (Da) that an Orbitrap of that resolution separates for a singly charged ion."""
    return float(1.66 * (mass(atoms) + mass(extra)) ** 1.5 / (resolution * np.sqrt(at)))


def _unit(element: str, abundances: Abundances) -> Floats:
    """Distribution of the mass shift of one natural atom, in whole units."""
    light = abundances[element][0][0]
    shifts = [round(m - light) for m, _ in abundances[element]]
    out = np.zeros(max(shifts) + 1)
    for s, (_, a) in zip(shifts, abundances[element], strict=True):
        out[s] += a
    return out


def _power(one: Floats, count: int, reach: int) -> Floats:
    """The distribution of the sum of `count` atoms up to `reach`, by repeated squaring."""
    out, square = np.zeros(reach + 1), one[: reach + 1]
    out[0] = 1.0
    while count:
        if count & 1:
            out = np.convolve(out, square)[: reach + 1]
        square = np.convolve(square, square)[: reach + 1]
        count >>= 1
    return out


def hidden_shift(
    atoms: Mapping[str, int], reach: int, isotope: str, limit: float, abundances: Abundances = ISOTOPES
) -> Floats:
    """Distribution [reach + 1] of the shift by natural isotopes of `atoms` that stays within `limit` Da of the label.

    The probability of what is resolved is missing from the sum.
    """
    light_label, label_isotope, *_ = abundances[TRACERS[isotope]]
    label = label_isotope[0] - light_label[0]
    # (shift, deviation from the label's mass in 1e-7 Da) -> probability, over the elements one by one
    total: dict[tuple[int, int], float] = {(0, 0): 1.0}
    for element, count in sorted(atoms.items()):
        light, *heavy = abundances[element]
        steps = [round(m - light[0]) for m, _ in heavy]
        apart = [m - light[0] - s * label for (m, _), s in zip(heavy, steps, strict=True)]
        mine: dict[tuple[int, int], float] = {}
        for taken in product(*(range(min(count, reach // s) + 1) for s in steps)):
            used, shift = sum(taken), sum(k * s for k, s in zip(taken, steps, strict=True))
            if used <= count and shift <= reach:
                p = factorial(count) / factorial(count - used) * light[1] ** (count - used)
                for k, (_, a) in zip(taken, heavy, strict=True):
                    p *= a**k / factorial(k)
                key = shift, round(1e7 * sum(k * d for k, d in zip(taken, apart, strict=True)))
                mine[key] = mine.get(key, 0.0) + p
        joined: dict[tuple[int, int], float] = {}
        for (s1, d1), p1 in total.items():
            for (s2, d2), p2 in mine.items():
                if s1 + s2 <= reach and p1 * p2 > _NEGLIGIBLE:
                    key = s1 + s2, d1 + d2
                    joined[key] = joined.get(key, 0.0) + p1 * p2
        total = joined
    out = np.zeros(reach + 1)
    for (shift, deviation), p in total.items():
        if abs(deviation) <= 1e7 * limit:
            out[shift] += p
    return out


def _binomial(n: int, p: float) -> Floats:
    return np.array([comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)])


def corrected(areas: ArrayLike, system: Floats) -> tuple[Floats, Floats]:
    """Corrected areas [n + 1] of measured `areas` [n + 1] and the residuals relative to the measured sum.

    nan in `areas` is an isotopologue that was not looked for: its row and its column are left out, and its corrected
    area is nan. Negative areas count as 0.
    """
    from scipy.optimize import nnls

    measured = np.asarray(areas, dtype=np.float64)
    there = np.isfinite(measured)
    out, residual = np.full(measured.shape, np.nan), np.full(measured.shape, np.nan)
    total = float(np.clip(measured[there], 0, None).sum())
    if not there.any() or total <= 0:
        return out, residual
    known = np.clip(measured[there], 0, None) / total
    part = system[np.ix_(there, there)]
    x, _ = nnls(part, known)
    out[there] = x * total
    residual[there] = known - part @ x
    return out, residual
