"""Comparisons between the groups of one experiment: the design is recognised, the test follows from it and is named.

======================================  ============================  ====================================
design                                  spread between replicates     family of comparisons
======================================  ============================  ====================================
two independent groups                  of each group (Welch)         one
independent groups, one is the control  pooled / of each group        Dunnett / Welch with Holm
independent groups, no control          of each group / pooled        Games and Howell / Tukey and Kramer
blocks (an experiment holds groups)     rest of the additive model /  Dunnett or Tukey where every block holds
                                        of paired differences         every group alike, else Holm
======================================  ============================  ====================================

Which spread is used is decided by the design or by who asks, never by a test of the same data: a test chosen by another
test no longer keeps its level. What can be checked of the assumptions is computed and said beside the result.

References: Welch doi:10.1093/biomet/34.1-2.28 (F: doi:10.1093/biomet/38.3-4.330), Dunnett
doi:10.1080/01621459.1955.10501294, Games and Howell doi:10.3102/10769986001002113, Tukey and Kramer
doi:10.2307/3001469, Brown and Forsythe doi:10.1080/01621459.1974.10482955, Satterthwaite doi:10.2307/3002019.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from rechallenge.stats.groups.models import NAN, ROUNDING, Blocks, Floats, Independent, Model, Paired, variance_of
from rechallenge.stats.multiplicity import holm
from rechallenge.stats.simultaneous import dunnett_critical, dunnett_sf, tukey_critical, tukey_sf

Variances = Literal["auto", "equal", "unequal"]


@dataclass(frozen=True)
class Compared:
    """One contrast: `effect` with its standard error, t test (`p_value`) and the p-value for the family (`p_adjusted`).

    `ci_low`, `ci_high` hold for all of the family at once where `simultaneous`, else for this contrast. `n` counts
    biological replicates (values) in the groups that are compared. `status` 'estimated', 'not_testable' (an effect
    without a test) or 'not_estimable', then with a `reason`.
    """

    name: str
    effect: float
    se: float = NAN
    df: float = NAN
    ci_low: float = NAN
    ci_high: float = NAN
    statistic: float = NAN
    p_value: float = NAN
    p_adjusted: float = NAN
    n: int = 0
    simultaneous: bool = False
    status: str = "not_testable"
    reason: str = ""


@dataclass(frozen=True)
class Comparison:
    """All comparisons of one experiment: what the design is, what was tested how, and what can be checked of it.

    `f_statistic` with `f_df` and `f_p_value` asks whether the groups differ at all. `spread_p` (Brown and Forsythe) and
    `normal_p` (Shapiro and Wilk on the residuals) are said and used for nothing. `remarks` are sentences.
    """

    design: str
    test: str
    adjustment: str
    rows: tuple[Compared, ...]
    f_statistic: float = NAN
    f_df: tuple[float, float] = (NAN, NAN)
    f_p_value: float = NAN
    spread_p: float = NAN
    normal_p: float = NAN
    remarks: tuple[str, ...] = ()


def compare(
    group: Sequence[str],
    value: ArrayLike,
    *,
    block: Sequence[str] | None = None,
    control: str = "",
    variances: Variances = "auto",
    confidence: float = 0.95,
    pairs: Sequence[tuple[str, str]] | None = None,
    extra: Mapping[str, Mapping[str, float]] | None = None,
) -> Comparison:
    """Compare the groups of one experiment; one value per biological replicate.

    `group`, `block` (experiment; None or all different for independent replicates) and `value` have the same length.
    With `control`, every group is compared with it, else all pairs (second minus first, in the order of the text);
    where `pairs` are given it is those (first minus second), with Holm's adjustment (independent groups: each with the
    spread of its own groups).
    `extra` names further contrasts as weights per group (an interaction, say); they form a family of their own with
    Holm's adjustment. `variances` 'auto' follows the table at the head of this module. Raises ValueError where lengths
    differ, a value is not finite, or `control` is not a group.
    """
    y = np.asarray(value, dtype=np.float64)
    g = [str(v) for v in group]
    if len(g) != len(y) or (block is not None and len(block) != len(y)):
        raise ValueError("group, value and block have the same length")
    if not np.isfinite(y).all():
        raise ValueError("values are finite numbers")
    names = sorted(set(g))
    if control and control not in names:
        raise ValueError(f"the control {control!r} is not among the groups")
    if len(names) < 2:
        raise ValueError("a comparison needs two groups")
    # sorted, so that sums do not depend on the order of the rows
    b = [str(v) for v in block] if block is not None else [""] * len(y)
    order = sorted(range(len(y)), key=lambda i: (g[i], b[i], y[i]))
    g, b, y = [g[i] for i in order], [b[i] for i in order], y[order]
    chosen = pairs is not None
    if pairs is None:
        pairs = [(n, control) for n in names if n != control] if control else _all_pairs(names)
    shared = _shared(g, b) if block is not None else set()
    blocked = len(shared) >= 2
    if chosen and not blocked and variances == "auto":
        variances = "unequal"
    plan = _blocked(g, b, y, pairs, control, variances, shared) if blocked else _apart(g, y, pairs, control, variances)
    if chosen:
        plan = replace(plan, adjustment="Holm", test=_TESTS[blocked, variances == "unequal"])
    rows = [_row(f"{one} vs {two}", plan.model, {one: 1.0, two: -1.0}, g, confidence) for one, two in pairs]
    rows = plan.adjust(rows, pairs, confidence)
    rows += _holm([_row(n, plan.model, w, g, confidence) for n, w in (extra or {}).items()])
    f = plan.overall()
    spread, normal, remarks = _checked(g, y, plan, names)
    return Comparison(
        plan.design, plan.test, plan.adjustment, tuple(rows), *f, spread, normal, (*plan.remarks, *remarks)
    )


#: (blocks, each difference with a spread of its own) -> test of chosen pairs
_TESTS = {
    (False, True): "Welch's t tests",
    (False, False): "t tests, pooled spread",
    (True, True): "paired t tests within experiments",
    (True, False): "t tests of the block model",
}


def _all_pairs(names: Sequence[str]) -> list[tuple[str, str]]:
    return [(two, one) for i, one in enumerate(names) for two in names[i + 1 :]]


def _shared(g: Sequence[str], b: Sequence[str]) -> set[str]:
    """Blocks that hold more than one group."""
    held: dict[str, set[str]] = {}
    for name, label in zip(g, b, strict=True):
        held.setdefault(label, set()).add(name)
    return {label for label, groups in held.items() if len(groups) > 1}


@dataclass(frozen=True)
class _Plan:
    """The design, its model and how a family of comparisons is adjusted."""

    design: str
    test: str
    adjustment: str
    model: Model
    control: str
    residuals: Floats
    remarks: tuple[str, ...] = ()

    def adjust(self, rows: list[Compared], pairs: Sequence[tuple[str, str]], confidence: float) -> list[Compared]:
        tested = [i for i, r in enumerate(rows) if r.status == "estimated"]
        if self.adjustment == "none" or len(tested) < 2 or self.adjustment == "Holm":
            return _holm(rows)
        out = list(rows)
        if self.adjustment == "Dunnett":
            load = np.array([self._loading(pairs[i]) for i in tested])
            df = rows[tested[0]].df
            critical = dunnett_critical(confidence, load, df)
            for i in tested:
                out[i] = _widened(rows[i], dunnett_sf(rows[i].statistic, load, df), critical, len(tested))
            return out
        groups = len({n for i in tested for n in pairs[i]})
        root = float(np.sqrt(2))
        for i in tested:
            p = tukey_sf(root * abs(rows[i].statistic), groups, rows[i].df)
            critical = tukey_critical(confidence, groups, rows[i].df) / root
            out[i] = _widened(rows[i], p, critical, groups * (groups - 1) // 2)
        return out

    def _loading(self, pair: tuple[str, str]) -> float:
        if isinstance(self.model, Independent):
            n, n0 = len(self.model.values[pair[0]]), len(self.model.values[pair[1]])
            return float(np.sqrt(n / (n + n0)))
        return float(np.sqrt(0.5))

    def overall(self) -> tuple[float, tuple[float, float], float]:
        """Do the groups differ at all: F with its degrees of freedom and p."""
        from scipy.stats import f as fisher

        nothing = NAN, (NAN, NAN), NAN
        if isinstance(self.model, Blocks):
            squares, df = self.model.between
            if not (df > 0 and self.model.df > 0 and self.model.variance > 0):
                return nothing
            f, dfs = squares / df / self.model.variance, (df, self.model.df)
        elif isinstance(self.model, Independent):
            sets = [v for v in self.model.values.values() if len(v) > 1]
            if len(sets) < 2 or any(variance_of(v) <= 0 for v in sets):
                return nothing
            f, dfs = _classic_f(sets) if self.model.pooled else _welch_f(sets)
        else:
            return nothing
        return float(f), (float(dfs[0]), float(dfs[1])), float(fisher.sf(f, *dfs))


def _classic_f(sets: Sequence[Floats]) -> tuple[float, tuple[float, float]]:
    n, k = sum(map(len, sets)), len(sets)
    middle = np.concatenate(sets).mean()
    between = sum(len(v) * (v.mean() - middle) ** 2 for v in sets)
    within = sum(((v - v.mean()) ** 2).sum() for v in sets)
    return between / (k - 1) / (within / (n - k)), (k - 1, n - k)


def _welch_f(sets: Sequence[Floats]) -> tuple[float, tuple[float, float]]:
    k = len(sets)
    w = np.array([len(v) / variance_of(v) for v in sets])
    m = np.array([v.mean() for v in sets])
    middle = (w * m).sum() / w.sum()
    lack = float((((1 - w / w.sum()) ** 2) / np.array([len(v) - 1 for v in sets])).sum())
    f = ((w * (m - middle) ** 2).sum() / (k - 1)) / (1 + 2 * (k - 2) / (k**2 - 1) * lack)
    return float(f), (k - 1, (k**2 - 1) / (3 * lack))


def _apart(g: list[str], y: Floats, pairs: Sequence[tuple[str, str]], control: str, variances: Variances) -> _Plan:
    """Independent groups."""
    values = {n: y[[i for i, v in enumerate(g) if v == n]] for n in sorted(set(g))}
    still = [n for n, v in values.items() if len(v) > 1 and variance_of(v) <= 0]
    moving = any(len(v) > 1 and variance_of(v) > 0 for v in values.values())
    remarks: tuple[str, ...] = ()
    pooled = variances == "equal" or (variances == "auto" and bool(control) and len(values) > 2)
    if still and moving:
        remarks = (
            f"the replicates of {', '.join(still)} do not differ at all (normalised to itself?), so its scatter is "
            "unknown and only that of the other groups enters",
        )
        pooled = pooled and variances == "equal"
    rest = np.concatenate([v - v.mean() for v in values.values() if len(v) > 1] or [np.zeros(0)])
    if len(values) == 2:
        design, adjustment = "two independent groups", "none"
        test = "Student's t test" if pooled else "Welch's t test"
    elif control:
        design, adjustment = "independent groups against a control", "Dunnett" if pooled else "Holm"
        test = "Dunnett's test" if pooled else "Welch's t tests"
    else:
        design, adjustment = "independent groups, all pairs", "Tukey" if pooled else "Games-Howell"
        test = "Tukey and Kramer's test" if pooled else "Games and Howell's test"
    return _Plan(design, test, adjustment, Independent(values, pooled), control, rest, remarks)


def _blocked(
    g: list[str], b: list[str], y: Floats, pairs: Sequence[tuple[str, str]], control: str, variances: Variances,
    shared: set[str],
) -> _Plan:  # fmt: skip
    """Experiments as blocks; those that hold one group only tell nothing of a difference."""
    keep = [i for i, label in enumerate(b) if label in shared]
    kept_g, kept_b, kept_y = [g[i] for i in keep], [b[i] for i in keep], y[keep]
    lost = len(y) - len(keep)
    remarks: tuple[str, ...] = ()
    if lost:
        remarks = (f"{lost} value{'s' if lost > 1 else ''} of experiments that hold one group only not used",)
    names = sorted(set(kept_g))
    means: dict[str, dict[str, float]] = {}
    count: dict[tuple[str, str], int] = {}
    for n in sorted(set(g)):
        means[n] = {}
        for label in sorted(shared):
            here = kept_y[[i for i, v in enumerate(kept_g) if v == n and kept_b[i] == label]]
            if len(here):
                means[n][label] = float(here.mean())
                count[n, label] = len(here)
    even = len(set(count.values())) == 1 and all(len(m) == len(shared) for m in means.values())
    if variances == "unequal":
        test = "paired t test" if len(names) == 2 else "paired t tests within experiments"
        model: Model = Paired(means)
        return _Plan(
            "experiment as block", test, "none" if len(pairs) == 1 else "Holm", model, control, np.zeros(0), remarks
        )
    fit = Blocks(kept_g, kept_b, kept_y)
    if len(set(g)) == 2:
        design = "paired: experiment as block"
        return _Plan(design, "paired t test", "none", fit, control, fit.rest, remarks)
    if not even:
        return _Plan(
            "experiment as block, incomplete", "t tests of the block model", "Holm", fit, control, fit.rest, remarks
        )
    name = "Dunnett" if control else "Tukey"
    return _Plan("experiment as block", f"{name}'s test on the block model", name, fit, control, fit.rest, remarks)


def _row(name: str, model: Model, weights: Mapping[str, float], g: Sequence[str], confidence: float) -> Compared:
    from scipy.stats import t as student

    n = sum(1 for v in g if weights.get(v, 0.0) != 0)
    effect, se, df, reason = model.contrast(weights)
    if np.isnan(effect):
        return Compared(name, NAN, n=n, status="not_estimable", reason=reason)
    if np.isnan(se):
        return Compared(name, effect, n=n, reason=reason)
    t = effect / se
    reach = float(student.ppf(0.5 + confidence / 2, df)) * se
    p = float(2 * student.sf(abs(t), df))
    return Compared(name, effect, se, df, effect - reach, effect + reach, t, p, p, n, status="estimated")


def _widened(row: Compared, p: float, critical: float, tests: int) -> Compared:
    p = float(np.clip(p, row.p_value, min(1.0, tests * row.p_value)))
    low, high = row.effect - critical * row.se, row.effect + critical * row.se
    return replace(row, p_adjusted=p, ci_low=low, ci_high=high, simultaneous=True)


def _holm(rows: list[Compared]) -> list[Compared]:
    if not rows:
        return rows
    adjusted = holm([r.p_value for r in rows])
    return [replace(r, p_adjusted=float(p)) for r, p in zip(rows, adjusted, strict=True)]


def _checked(g: list[str], y: Floats, plan: _Plan, names: Sequence[str]) -> tuple[float, float, tuple[str, ...]]:
    """Brown and Forsythe on the spread, Shapiro and Wilk on the residuals; said, never used to choose a test."""
    from scipy.stats import f as fisher
    from scipy.stats import shapiro

    sets = [y[[i for i, v in enumerate(g) if v == n]] for n in names]
    sets = [s for s in sets if len(s) >= 3]
    spread = normal = NAN
    if len(sets) > 1 and isinstance(plan.model, Independent):
        away = [np.abs(s - np.median(s)) for s in sets]
        if sum(((a - a.mean()) ** 2).sum() for a in away) > 0:
            f, dfs = _classic_f(away)
            spread = float(fisher.sf(f, *dfs))
    rest = plan.residuals
    if 3 <= len(rest) <= 5000 and np.ptp(rest) > ROUNDING * max(1e-300, float(np.abs(y).max())):
        normal = float(shapiro(rest).pvalue)
    said = []
    if spread < 0.05:
        hint = "; variances = 'unequal' does without equal spread" if plan.adjustment in ("Dunnett", "Tukey") else ""
        said.append(f"the groups differ in spread (Brown-Forsythe p = {spread:.2g}){hint}")
    if normal < 0.05:
        said.append(f"the residuals are not normal (Shapiro-Wilk p = {normal:.2g})")
    return spread, normal, tuple(said)
