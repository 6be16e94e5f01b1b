"""Contrasts of one read-out, planned by its design, estimated by `rechallenge.stats.groups`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.designs.families import Arm, Family, Planned, families
from rechallenge.designs.families import arm as arm_of
from rechallenge.designs.labels import each, parts
from rechallenge.stats.factorial import ratio
from rechallenge.stats.groups import Compared, Comparison, Variances, compare

INF = float("inf")
RISES, FALLS, UNCHANGED, UNTESTED = "rises", "falls", "no change shown", "not tested"
BLOCKED, RESTORED = "taken back", "taken back and more"
#: contrasts of four arms
CROSSED = ("interaction", "group x time", "model x group")
SHARES = ("taken_back", "taken_back_low", "taken_back_high")
#: what `contrasts` gives of every contrast
COLUMNS = (
    "model", "contrast", "kind", "group", "control", "effect", "se", "df", "ci_low", "ci_high", "fold", "fold_ci_low",
    "fold_ci_high", "statistic", "p_value", "p_adjusted", "n", "n_group", "n_control", "mean_group", "mean_control",
    *SHARES, "design", "test", "adjustment", "interval", "family", "verdict", "status", "reason", "remark",
)  # fmt: skip


def contrasts(
    values: pd.DataFrame,
    models: pd.DataFrame | None = None,
    *,
    log: bool,
    independent: bool = False,
    variances: Variances = "auto",
    confidence: float = 0.95,
    alpha: float = 0.05,
    declared: frozenset[str] = frozenset(),
) -> tuple[pd.DataFrame, list[Planned], list[dict[str, Any]]]:
    """All contrasts of one read-out: a table of `COLUMNS`, what was planned (row by row), and the designs.

    `values`: one row per biological replicate and arm with model, stage, time, group, block, replicate, `y` (log2 where
    `log`: then effects are also given as `fold`) and, if it has it, `bound`: -1 where the true value is at or below
    `y`, +1 where it is at or above, 0 where it is known. A contrast with such a replicate is a bound ('censored'), and
    its arm does not enter the scatter that other comparisons share. Equal `block` (else `replicate`) in two arms is one
    experiment, unless `independent`. Holm, Dunnett or Tukey adjust within a family (`p_adjusted`); verdicts are called
    at `alpha`.
    """
    table = values if "bound" in values.columns else values.assign(bound=0)
    rows: list[dict[str, Any]] = []
    planned: list[Planned] = []
    designs: list[dict[str, Any]] = []
    for family in families(table, models, declared):
        part = _part(table, family)
        found, of = _compared(part, family, independent, variances, confidence)
        designs.append({"family": family.name, **_design(found, of)})
        for plan, row in zip((*family.planned, *family.extra), found.rows, strict=True):
            row = _bounded(part, plan, row, independent, confidence)
            rows.append({"family": family.name, **_named(plan, row, of, found, log, confidence)})
            planned.append(plan)
    out = pd.DataFrame(rows).reindex(columns=[c for c in COLUMNS if c != "verdict"])
    out["verdict"] = [_verdict(row, alpha) for row in each(out)]
    _taken_back(out)
    return out.loc[:, list(COLUMNS)], planned, designs


def _part(table: pd.DataFrame, family: Family) -> pd.DataFrame:
    """The rows of a family's arms, with the arm."""
    arms = pd.Series([arm_of(r.model, r.stage, r.time, r.group) for r in each(table)], index=table.index, dtype=object)
    return table.assign(arm=arms)[[a in set(family.arms) for a in arms]]


def _compared(
    part: pd.DataFrame, family: Family, independent: bool, variances: Variances, confidence: float
) -> tuple[Comparison, dict[Arm, dict[str, float]]]:
    """The comparison of a family, and its values: arm -> replicate -> value."""
    values: dict[Arm, dict[str, float]] = {a: {} for a in family.arms}
    for row in each(part):
        values[row.arm][f"{row.block}|{row.replicate}"] = float(row.y)
    spread: Variances = "unequal" if family.repeated and variances == "auto" else variances
    known = _without(family, set(part.loc[part["bound"] != 0, "arm"]))
    if known is None:
        return Comparison("", "", "", tuple(Compared("", np.nan) for _ in (*family.planned, *family.extra))), values
    found = _run(part, known, independent, spread, confidence)
    by = {r.name: r for r in found.rows}
    rows = [by.get(f"{_text(p.treated)} vs {_text(p.reference)}", Compared("", np.nan)) for p in family.planned]
    rows += [by.get(p.name, Compared("", np.nan)) for p in family.extra]
    rows = [replace(r, reason=_said(r.reason, family.arms)) for r in rows]
    return replace(found, rows=tuple(rows), remarks=tuple(_said(r, family.arms) for r in found.remarks)), values


def _without(family: Family, bounds: set[Arm]) -> Family | None:
    """The family without the arms that hold bounds; None where nothing is left to compare."""
    if not bounds:
        return family
    arms = tuple(a for a in family.arms if a not in bounds)
    planned = tuple(p for p in family.planned if not set(p.weights) & bounds)
    extra = tuple(p for p in family.extra if not set(p.weights) & bounds)
    if len(arms) < 2 or not (planned or extra):
        return None
    return replace(family, arms=arms, planned=planned, extra=extra)


def _run(part: pd.DataFrame, family: Family, independent: bool, spread: Variances, confidence: float) -> Comparison:
    rows = part[[a in family.arms for a in part["arm"]]]
    label = rows["block"].where(rows["block"].astype(str) != "", rows["replicate"]).astype(str).tolist()
    pairs = [(_text(p.treated), _text(p.reference)) for p in family.planned] if family.chosen else None
    return compare(
        [_text(a) for a in rows["arm"]],
        rows["y"],
        block=None if independent else label,
        control=_text(family.control) if family.control else "",
        variances=spread,
        confidence=confidence,
        pairs=pairs,
        extra={p.name: {_text(a): w for a, w in p.weights.items()} for p in family.extra},
    )


def _bounded(part: pd.DataFrame, plan: Planned, row: Compared, independent: bool, confidence: float) -> Compared:
    """A contrast of arms in which a replicate is only known to be beyond its value: a bound, or nothing."""
    mine = part[[a in plan.weights for a in part["arm"]]]
    signs = {
        int(np.sign(w) * b)
        for a, w in plan.weights.items()
        for b in set(mine.loc[[x == a for x in mine["arm"]], "bound"])
        if b != 0
    }
    if not signs:
        return row
    where = ", ".join(sorted({a[3] for a in mine.loc[mine["bound"] != 0, "arm"]}))
    nothing = Compared(row.name, np.nan, n=len(mine), status="not_estimable")
    if len(signs) > 1 or len(plan.weights) > 2:
        return replace(nothing, reason=f"beyond what can be measured in {where}")
    alone = Family("", tuple(plan.weights), (plan,), chosen=True)
    edge = _run(part, alone, independent, "unequal", confidence).rows[0]
    if edge.status != "estimated":
        return replace(nothing, reason=_said(f"beyond what can be measured in {where}; {edge.reason}", alone.arms))
    # -1 on the treated side: the truth is lower than what was put in
    low, high = (-INF, edge.ci_high) if signs == {-1} else (edge.ci_low, INF)
    reason = f"beyond what can be measured in {where}: a bound"
    return replace(nothing, ci_low=low, ci_high=high, status="censored", reason=reason)


def _said(text: str, arms: Sequence[Arm]) -> str:
    """A sentence with the arms as a reader names them: by what differs between them."""
    differ = [i for i in range(4) if len({a[i] for a in arms}) > 1] or [3]
    for arm in sorted(arms, key=lambda a: -len(_text(a))):
        text = text.replace(_text(arm), " ".join(str(arm[i]) for i in differ if arm[i] not in (None, "")))
    return text


def _text(arm: Arm) -> str:
    return "|".join([arm[0], arm[1], "" if arm[2] is None else repr(arm[2]), arm[3]])


def _design(found: Comparison, values: Mapping[Arm, Mapping[str, float]]) -> dict[str, Any]:
    return {
        "design": found.design,
        "test": found.test,
        "adjustment": found.adjustment,
        "groups": len(values),
        "n": sum(map(len, values.values())),
        "f_statistic": found.f_statistic,
        "f_df1": found.f_df[0],
        "f_df2": found.f_df[1],
        "f_p_value": found.f_p_value,
        "spread_p_value": found.spread_p,
        "normal_p_value": found.normal_p,
        "remark": "; ".join(found.remarks),
    }


def _named(
    plan: Planned,
    row: Compared,
    values: Mapping[Arm, Mapping[str, float]],
    found: Comparison,
    log: bool,
    level: float,
) -> dict[str, Any]:
    """One contrast as a row of the result."""
    one, two = (list(values[a].values()) for a in (plan.treated, plan.reference))
    back = [float(np.exp2(np.mean(v)) if log else np.mean(v)) for v in (one, two)]
    fold = [float(np.exp2(v)) if log else np.nan for v in (row.effect, row.ci_low, row.ci_high)]
    out = {
        "model": plan.model, "contrast": plan.name, "kind": plan.kind, "group": plan.treated[3],
        "control": plan.reference[3], "n_group": len(one), "n_control": len(two), "mean_group": back[0],
        "mean_control": back[1],
        "fold": fold[0], "fold_ci_low": fold[1], "fold_ci_high": fold[2], "design": found.design, "test": found.test,
        "adjustment": found.adjustment, "remark": "; ".join(found.remarks),
        "interval": "all comparisons of the family" if row.simultaneous else "each comparison",
        **{c: getattr(row, c) for c in ("effect", "se", "df", "ci_low", "ci_high", "statistic", "p_value")},
        **{c: getattr(row, c) for c in ("p_adjusted", "n", "status", "reason")},
    }  # fmt: skip
    if plan.kind in CROSSED:
        out["adjustment"], out["interval"] = "Holm", "each comparison"
        out["mean_group"] = out["mean_control"] = np.nan
    if plan.kind == "within":
        base = next((a for a in values if not parts(a[3])), None)
        if base is not None:
            out |= _share(plan, values, base, level)
    return out


def _share(plan: Planned, values: Mapping[Arm, Mapping[str, float]], base: Arm, level: float) -> dict[str, float]:
    """The share of the effect of A against the control that A + B takes back, by Fieller."""
    arms = [values[plan.treated], values[plan.reference], values[base]]
    means = [np.mean(list(a.values())) for a in arms]
    sign = 1.0 if means[1] >= means[2] else -1.0
    found = ratio(arms, [-sign, sign, 0], [0, sign, -sign], confidence=level, n_boot=0)
    known = found.status == "estimated"
    limits = (found.effect, found.ci_low, found.ci_high) if known else (np.nan,) * 3
    return dict(zip(("taken_back", "taken_back_low", "taken_back_high"), limits, strict=True))


def _verdict(row: Any, alpha: float) -> str:
    if row.status != "estimated":
        return UNTESTED
    if not row.p_adjusted < alpha:
        return UNCHANGED
    return RISES if row.effect > 0 else FALLS


def _taken_back(out: pd.DataFrame) -> None:
    """`taken back` in the verdict of A + B against A, where A moves the read-out and B moves it the other way."""
    if "taken_back" not in out.columns:
        out[["taken_back", "taken_back_low", "taken_back_high"]] = np.nan
    moved = {
        (r.model, r.group, _where(r.contrast)): r.verdict
        for r in each(out)
        if r.kind == "group" and r.verdict in (RISES, FALLS)
    }
    verdicts, base = [], []
    for r in each(out):
        before = moved.get((r.model, r.control, _where(r.contrast)))
        base.append(before is not None)
        turned = r.kind == "within" and r.verdict in (RISES, FALLS) and before not in (None, r.verdict)
        verdicts.append((RESTORED if r.taken_back_low > 1 else BLOCKED) if turned else r.verdict)
    out["verdict"] = verdicts
    # of an effect that is not shown nothing can be taken back
    shares = ["taken_back", "taken_back_low", "taken_back_high"]
    out[shares] = out[shares].where(np.repeat(np.array(base)[:, None], 3, axis=1))


def _where(contrast: str) -> str:
    return contrast.partition(", ")[2]
