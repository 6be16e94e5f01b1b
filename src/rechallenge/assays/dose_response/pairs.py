"""Two curves compared: the ratio of their IC50s with interval and test, from the columns of `curves` alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from rechallenge.stats.hill.intervals import Located

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
LN10, LN2 = float(np.log(10.0)), float(np.log(2.0))
#: columns that `compare` gives for every pair, after those that name it
COLUMNS = (
    "ratio",
    "ci_low",
    "ci_high",
    "ratio_bound",
    "log2_ratio",
    "se",
    "df",
    "statistic",
    "p_value",
    "n",
    "n_first",
    "n_second",
    "status",
    "reason",
    "auc_difference",
    "auc_ci_low",
    "auc_ci_high",
    "auc_p_value",
)


def _column(curves: pd.DataFrame, name: str) -> Floats:
    if name not in curves.columns:
        return np.full(len(curves), np.nan)
    return pd.to_numeric(curves[name], errors="coerce").to_numpy(dtype="float64")


def _words(curves: pd.DataFrame, name: str) -> list[str]:
    if name not in curves.columns:
        return [""] * len(curves)
    return curves[name].astype(object).where(curves[name].notna(), "").astype(str).tolist()


def unpacked(text: str, size: int) -> Floats:
    """Numbers written by `curves` in one cell; NaN where the cell is empty or holds another number of them."""
    values = np.array(text.split(), dtype=np.float64)
    return values if values.size == size else np.full(size, np.nan)


def covariances(texts: list[str]) -> Floats:
    """[N, 4, 4] covariance of slope, Einf, E0 and ln EC50 from the column `covariance`."""
    out = np.full((len(texts), 4, 4), np.nan)
    row, column = np.tril_indices(4)
    for i, text in enumerate(texts):
        lower = unpacked(text, 10)
        out[i, row, column] = lower
        out[i, column, row] = lower
    return out


def pulls(text: str) -> dict[str, float]:
    """`e1=+0.01; e2=-0.02` as a dict: by how much each biological replicate moves log10 IC50."""
    parts = [p.rpartition("=") for p in text.split("; ") if p]
    return {label: float(value) for label, _, value in parts}


def located(curves: pd.DataFrame) -> Located:
    """Where the curves of that table meet their level, as the ratio needs it (natural logs).

    Raises ValueError where the curves were read at different levels.
    """
    from rechallenge.stats.hill.intervals import Located
    from rechallenge.stats.hill.variance import ABOVE, BELOW, ESTIMATED, NOT_ESTIMABLE

    levels = np.unique(_column(curves, "level"))
    levels = levels[np.isfinite(levels)]
    if levels.size > 1:
        raise ValueError(f"the IC50s were read at different levels ({', '.join(f'{v:g}' for v in levels)})")
    shape = np.array([unpacked(t, 4) for t in _words(curves, "parameters")]).reshape(-1, 4)
    status, bound = np.array(_words(curves, "status")), np.array(_words(curves, "ic50_bound"))
    dose = np.log(_column(curves, "ic50_um"))
    if "status" not in curves.columns:
        status = np.where(np.isfinite(dose), "estimated", "not_estimable")
    code = np.full(len(curves), NOT_ESTIMABLE, np.int64)
    code[(status == "estimated") & np.isfinite(dose)] = ESTIMATED
    code[(status == "censored") & (bound == "above")] = ABOVE
    code[(status == "censored") & (bound == "below")] = BELOW
    se, df = _column(curves, "log10_ic50_se") * LN10, _column(curves, "df")
    return Located(
        level=float(levels[0]) if levels.size else 0.5,
        scale=0,
        falling=True,
        x_min=_column(curves, "dose_min_um"),
        x_max=_column(curves, "dose_max_um"),
        e0=shape[:, 2].copy(),
        einf=shape[:, 1].copy(),
        log_ec50=shape[:, 3].copy(),
        h=shape[:, 0].copy(),
        v=covariances(_words(curves, "covariance")),
        log_dose=np.where(code == ESTIMATED, dose, np.nan),
        se=np.where(code == ESTIMATED, se, np.nan),
        df=df,
        code=code,
        replicate=_column(curves, "n_replicates") >= 2,
        step_lo=_logged(curves, "ic50_step_low_um"),
        step_hi=_logged(curves, "ic50_step_high_um"),
    )


def _logged(curves: pd.DataFrame, name: str) -> Floats:
    """Natural log of a column of doses; -inf for 0."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(_column(curves, name)))


def _limits(at: Located, t: Floats) -> tuple[Floats, Floats]:
    """Limits of the log dose at `t` standard errors, symmetric where the table holds no covariance."""
    from rechallenge.stats.hill.variance import ESTIMATED

    lo, hi = at.limits(t)
    bare = (at.code == ESTIMATED) & np.isnan(at.v[:, 0, 0])
    return np.where(bare, at.log_dose - t * at.se, lo), np.where(bare, at.log_dose + t * at.se, hi)


def _joined(first: Floats, second: Floats, correlation: Floats) -> Floats:
    """Length of two distances at an angle; infinite where either is."""
    open_end = np.isinf(first) | np.isinf(second)
    one, two = np.where(open_end, 0.0, first), np.where(open_end, 0.0, second)
    return np.where(open_end, np.inf, np.sqrt(np.maximum(one**2 + two**2 - 2 * correlation * one * two, 0.0)))


def compare(
    curves: pd.DataFrame, first: ArrayLike, second: ArrayLike, *, confidence: float = 0.95, paired: bool = False
) -> pd.DataFrame:
    """IC50 of the `first` over that of the `second` curve, for pairs of row numbers of `curves`; columns `COLUMNS`.

    Limits and p-value recover the variance from the interval of either IC50 (MOVER, doi:10.1002/sim.3095), on the
    log scale with Student's t and Welch-Satterthwaite degrees of freedom; p is the smallest 1 - confidence at which
    the interval leaves out 1. With `paired`, equal replicate labels mean the same experiment, and where both curves
    have the same ones the covariance between them is taken off (df = the smaller of the two).

    `ratio` is NaN unless `status` is "estimated". Where one IC50 is a bound so is the ratio: `ratio_bound` "above"
    means that the ratio is above `ci_low`, "below" that it is below `ci_high`, and p is given where that bound
    excludes 1. With fewer than two biological replicates on a side nothing is tested ("not_testable"). `log2_ratio`
    and its `se` are on the log2 scale. `auc_difference` is the difference of the normalised areas (mean viability
    over the tested doses) with Welch's t over biological replicates, where both were tested over the same doses: it
    needs no IC50. Raises ValueError where levels differ or a row number is out of range.
    """
    from scipy.stats import t as student

    from rechallenge.stats.hill.variance import ABOVE, BELOW, ESTIMATED

    top, bottom = np.asarray(first, np.int64), np.asarray(second, np.int64)
    every = located(curves)
    a, b = every.take(top), every.take(bottom)
    both = (a.code == ESTIMATED) & (b.code == ESTIMATED)
    up = ((a.code == ABOVE) & np.isin(b.code, (ESTIMATED, BELOW))) | ((a.code == ESTIMATED) & (b.code == BELOW))
    down = ((a.code == BELOW) & np.isin(b.code, (ESTIMATED, ABOVE))) | ((a.code == ESTIMATED) & (b.code == ABOVE))
    known = both | up | down
    va, vb = a.se**2, b.se**2
    with np.errstate(invalid="ignore", divide="ignore"):
        welch = (va + vb) ** 2 / (va**2 / a.df + vb**2 / b.df)
    df = np.where(both & np.isfinite(welch), welch, np.fmin(a.df, b.df))
    covariance, shared = _covariance(curves, top, bottom) if paired else (np.zeros(top.size), np.zeros(top.size, int))
    df = np.where(shared > 0, np.fmin(a.df, b.df), df)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = np.where((shared > 0) & (va * vb > 0), np.clip(covariance / np.sqrt(va * vb), -1.0, 1.0), 0.0)
    point_a, point_b = _point(a), _point(b)
    gap = point_a - point_b

    def interval(t: Floats) -> tuple[Floats, Floats]:
        (la, ha), (lb, hb) = _limits(a, t), _limits(b, t)
        with np.errstate(invalid="ignore"):
            lo = gap - _joined(point_a - la, hb - point_b, correlation)
            hi = gap + _joined(ha - point_a, point_b - lb, correlation)
        return lo, hi

    counts = _column(curves, "n_replicates")
    n_a, n_b = counts[top], counts[bottom]
    replicated = (n_a >= 2) & (n_b >= 2)
    testable = known & replicated & np.isfinite(df)
    with np.errstate(invalid="ignore"):
        lo, hi = interval(student.ppf(0.5 + confidence / 2, df))
    lo, hi = np.where(both, lo, np.where(up, lo, -np.inf)), np.where(both, hi, np.where(down, hi, np.inf))
    statistic, p = _test(interval, gap, df, both, testable)
    status = np.where(
        both, np.where(replicated, "estimated", "not_testable"), np.where(known, "censored", "not_estimable")
    )
    ratio = np.where(both, gap, np.nan)
    spread = np.sqrt(np.maximum(va + vb - 2 * covariance, 0.0))
    out = pd.DataFrame(
        {
            "ratio": np.exp(ratio),
            "ci_low": np.where(known, np.exp(lo), np.nan),
            "ci_high": np.where(known, np.exp(hi), np.nan),
            "ratio_bound": np.where(up, "above", np.where(down, "below", "")),
            "log2_ratio": ratio / LN2,
            "se": np.where(both, spread, np.nan) / LN2,
            "df": np.where(known, df, np.nan),
            "statistic": statistic,
            "p_value": p,
            "n": np.where(shared > 0, shared, n_a + n_b),
            "n_first": n_a,
            "n_second": n_b,
            "status": status,
            "reason": _reasons(curves, top, bottom, status, replicated),
        }
    )
    return out.join(_areas(curves, top, bottom, confidence)).loc[:, list(COLUMNS)]


def _point(at: Located) -> Floats:
    """Log dose to measure from; that of a bound is the tested dose next to it."""
    from rechallenge.stats.hill.variance import ABOVE, BELOW

    with np.errstate(divide="ignore", invalid="ignore"):
        ends = np.where(at.code == ABOVE, np.log(at.x_max), np.log(at.x_min))
    return np.where(np.isin(at.code, (ABOVE, BELOW)), ends, at.log_dose)


def _test(
    interval: Callable[[Floats], tuple[Floats, Floats]],
    gap: Floats,
    df: Floats,
    both: NDArray[np.bool_],
    testable: NDArray[np.bool_],
) -> tuple[Floats, Floats]:
    """Signed t at which the interval just reaches a ratio of 1 (by bisection), and its two-sided p."""
    from scipy.stats import t as student

    def excluded(t: Floats) -> Bools:
        lo, hi = interval(t)
        return np.asarray(np.where(gap > 0, lo > 0, hi < 0))

    low, high = np.full(gap.size, 1e-9), np.full(gap.size, 1e6)
    ever = excluded(low)
    for _ in range(60):
        middle = np.sqrt(low * high)
        out = excluded(middle)
        low, high = np.where(out, middle, low), np.where(out, high, middle)
    t = np.where(ever, low, np.where(both, 0.0, np.nan))
    t = np.where(testable, t, np.nan)
    with np.errstate(invalid="ignore"):
        return np.sign(gap) * t, np.asarray(np.minimum(2 * student.sf(t, df), 1.0))


def _covariance(curves: pd.DataFrame, top: Ints, bottom: Ints) -> tuple[Floats, Ints]:
    """Covariance of two log IC50s (natural logs) over shared experiments, and how many these are (0: not all)."""
    texts = _words(curves, "replicate_pull")
    each = {i: pulls(texts[i]) for i in {*top.tolist(), *bottom.tolist()}}
    covariance, shared = np.zeros(top.size), np.zeros(top.size, np.int64)
    for k, (i, j) in enumerate(zip(top.tolist(), bottom.tolist(), strict=True)):
        one, two = each[i], each[j]
        if len(one) >= 2 and one.keys() == two.keys():
            covariance[k] = sum(one[r] * two[r] for r in one) * LN10**2
            shared[k] = len(one)
    return covariance, shared


def _reasons(curves: pd.DataFrame, top: Ints, bottom: Ints, status: NDArray[np.str_], replicated: Bools) -> list[str]:
    given, bound = _words(curves, "reason"), _words(curves, "ic50_bound")
    state, model = _words(curves, "status"), _words(curves, "model")
    out = []
    for i, j, s, enough in zip(top.tolist(), bottom.tolist(), status, replicated, strict=True):
        sides = [f"{model[k]}: {given[k]}" for k in (i, j) if state[k] not in ("", "estimated") and given[k]]
        if s == "not_estimable" and bound[i] and bound[i] == bound[j]:
            where = "above the highest" if bound[i] == "above" else "below the lowest"
            sides = [f"both IC50s lie {where} dose"]
        if s != "not_estimable" and not enough:
            sides.append("fewer than two biological replicates on one side: no test")
        out.append("; ".join(sides))
    return out


def _areas(curves: pd.DataFrame, top: Ints, bottom: Ints, confidence: float) -> pd.DataFrame:
    """Difference of normalised areas with Welch's t over biological replicates."""
    from scipy.stats import t as student

    mean, se, df = (_column(curves, c) for c in ("auc_normalised", "auc_se", "auc_df"))
    low, high = _column(curves, "dose_min_um"), _column(curves, "dose_max_um")
    with np.errstate(invalid="ignore", divide="ignore"):
        same = np.isclose(low[top], low[bottom], rtol=0.01) & np.isclose(high[top], high[bottom], rtol=0.01)
        difference = np.where(same, mean[top] - mean[bottom], np.nan)
        va, vb = se[top] ** 2, se[bottom] ** 2
        welch = (va + vb) ** 2 / (va**2 / df[top] + vb**2 / df[bottom])
        spread = np.sqrt(va + vb)
        t = student.ppf(0.5 + confidence / 2, welch)
        p = np.where(same & (spread > 0), 2 * student.sf(np.abs(difference) / spread, welch), np.nan)
    return pd.DataFrame(
        {
            "auc_difference": difference,
            "auc_ci_low": difference - t * spread,
            "auc_ci_high": difference + t * spread,
            "auc_p_value": p,
        }
    )
