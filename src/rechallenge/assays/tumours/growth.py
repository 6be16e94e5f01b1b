"""Growth rates of tumours and their contrasts: against control, Bliss and HSA, between and across models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.assays.tumours.arms import Arm, arm_order, control_of, parse_arms, plain
from rechallenge.assays.tumours.contrasts import ACROSS, BETWEEN, BLISS, CONTROL, HSA, RATE, SINGLE, Plan, plans
from rechallenge.assays.tumours.data import NAN, Origins, each, volumes
from rechallenge.assays.tumours.model import (
    NOTHING,
    Baseline,
    Growth,
    Zeros,
    curvature,
    design,
    grow,
    last_common,
    spread_differs,
    starts_differ,
)
from rechallenge.faults import NotApplicable
from rechallenge.stats.mixed import Estimate, estimate, welch
from rechallenge.stats.multiplicity import bh

UNIT = "ln volume per day"
MIXED, TWO_STAGE = "mixed model", "per-animal slopes"
FITS = ("model", "arm", "day", "fitted_mm3", "ci_low", "ci_high")
COLUMNS = (
    "model", "contrast", "kind", "arm", "reference", "parts", "entity", "entity_type", "action",
    "estimate", "se", "df", "ci_low", "ci_high", "statistic", "p_value", "q_value", "n", "n_arm", "n_models",
    "effect_unit", "confidence", "method", "test",
    "tgi_percent", "tgi_ci_low", "tgi_ci_high", "tgi_day", "rate_inhibition_percent",
    "two_stage_estimate", "two_stage_se", "two_stage_df", "two_stage_p_value",
    "common_day", "common_estimate", "common_ci_low", "common_ci_high", "common_p_value", "last_day", "n_early",
    "status", "reason", "remark", "source_table", "source_rows",
)  # fmt: skip


#: the model by its option `baseline`
FORMULAS = {
    "common": "log volume ~ 1 + day:arm + (1 + day | animal), arms sharing their intercept,",
    "arm": "log volume ~ arm + day:arm + (1 + day | animal)",
    "relative": "log (volume / first volume) ~ 0 + day:arm + (0 + day | animal)",
}


def _methods(tables: Mapping[str, pd.DataFrame], confidence: float, zeros: str, baseline: str, **_: Any) -> str:
    used = sorted(set(tables["tumour_growth"]["method"]) - {""})
    return (
        f"Tumour growth was analysed as {FORMULAS[baseline]} by restricted maximum likelihood (days from the first "
        "measurement), with the adjusted covariance and degrees of freedom of Kenward and Roger "
        "(doi:10.2307/2533558, doi:10.18637/jss.v059.i09)"
        + (f"; by {TWO_STAGE} where it could not be fitted" if TWO_STAGE in used else "")
        + ". The A x B slope tests Bliss independence in growth-rate terms (doi:10.1371/journal.pone.0224137); the "
        "highest-single-agent claim needs the combination to grow slower than both arms (one-sided "
        "intersection-union test, doi:10.1080/00401706.1982.10487790). Beside it stand Welch's contrasts of "
        "per-animal slopes (doi:10.1093/biomet/34.1-2.28) and the same model up to the last day on which every animal "
        "was followed: the full follow-up is unbiased where removal depends on measured volumes alone. Volumes of 0 "
        + ("were set to the smallest volume measured" if zeros == "floor" else "were left out")
        + f". Intervals are at {100 * confidence:g} %; q after Benjamini and Hochberg over all tests "
        "(doi:10.1111/j.2517-6161.1995.tb02031.x)."
    )


@analysis(
    title="Growth rates of tumours",
    reference=("doi:10.2307/2533558", "doi:10.18637/jss.v059.i09", "doi:10.1371/journal.pone.0224137"),
    gives=("tumour_growth", "tumour_fits"),
    methods=_methods,
    formula=(
        "log volume ~ day + day:A + day:B + day:A:B + (1 + day | animal), REML, Kenward-Roger; A x B < 0: more "
        "than Bliss"
    ),
    oracle=(
        "R lme4 with pbkrtest on four xenograft models, SynergyLMM's simulation (tests/stats/test_mixed.py, "
        "tests/assays/test_tumours_shared.py)"
    ),
    limits=(
        "Exponential growth: where growth bends the slope means less (SynergyLMM's data give -.0135 with it and"
        " -.0246 relative to the start). Animals that leave early take large tumours with them; estimates up to"
        " the common day stand beside."
    ),
)
def tumour_growth(
    tumours: pd.DataFrame,
    tumour_tgi: pd.DataFrame,
    models: pd.DataFrame | None = None,
    *,
    confidence: float = 0.95,
    zeros: Zeros = "floor",
    detection_mm3: float = 0.0,
    baseline: Baseline = "common",
) -> dict[str, pd.DataFrame]:
    """Two tables: `tumour_growth`, contrasts of exponential growth rates (ln volume per day; `COLUMNS`), and
    `tumour_fits`, the fitted volumes by arm and day (`FITS`). A row of the first is a contrast of one of these kinds:

    'growth rate' of an arm; 'against control'; 'against single' (a combination against each of its parts); 'bliss'
    (A + B minus A minus B plus control: below 0 is synergy); 'hsa' (the combination against the arm that it beats
    least; one-sided intersection-union p); 'between models' (effect on a resistant model minus that on its parent);
    'across models' (mean of at least three models' contrasts, the model as the unit: designs with one animal an arm).

    `tgi_percent` is that of the last day on which all animals of both arms were there (`tgi_day`), and
    `rate_inhibition_percent` 100 (1 - growth rate / that of control). `two_stage_*` is Welch's contrast of per-animal
    slopes; `common_*` the model up to `common_day`, the last day on which every animal was followed; `n_early` animals
    end before `last_day`. `zeros` is "floor" or "exclude"; `baseline` is "common" (arms
    share the intercept), "arm" (one each) or "relative" (volumes over each animal's first). Raises NotApplicable
    where no animal was measured twice.
    """
    table = volumes(tumours)
    settings: dict[str, Any] = {"zeros": zeros, "detection": detection_mm3, "baseline": baseline}
    fitted: dict[str, tuple[Growth, dict[str, Arm]]] = {}
    rows: list[dict[str, Any]] = []
    for name, part in table.groupby("model", sort=True):
        arms = parse_arms(list(part["arm"]))
        g = grow(part, arm_order(list(arms)), **settings)
        fitted[str(name)] = g, arms
        rows += _model_rows(g, arms, part, settings, confidence)
    rows += _between(fitted, models, confidence)
    rows += _across(fitted, confidence)
    if not rows:
        raise NotApplicable("no animal was measured on two days")
    out = pd.DataFrame(rows)
    out["effect_unit"], out["confidence"] = UNIT, confidence
    out["q_value"] = bh(out["p_value"])
    for column, value in _inhibitions(out, tumour_tgi).items():
        out[column] = value
    origins = Origins(tumours)
    out["source_table"] = "tumours"
    out["source_rows"] = [
        origins(None if r.kind in (BETWEEN, ACROSS) else r.model, sorted(r.weights)) for r in each(out)
    ]
    fits = [row for g, _ in fitted.values() for row in _fitted(g, confidence, baseline)]
    return {
        "tumour_growth": out.reindex(columns=list(COLUMNS)),
        "tumour_fits": pd.DataFrame(fits, columns=list(FITS)),
    }


def _fitted(g: Growth, confidence: float, baseline: Baseline) -> Iterator[dict[str, Any]]:
    """Fitted geometric mean volumes of every arm, over the days on which it was measured."""
    if g.fit is None:
        return
    shift = float(g.table.drop_duplicates("subject")["y"].mean()) if baseline == "relative" else 0.0
    for arm in g.arms:
        t = g.table.loc[g.table["arm"] == arm, "t"]
        for at in np.linspace(float(t.min()), float(t.max()), 13):
            x, _ = design(np.array([at]), np.array([arm], dtype=object), list(g.arms), baseline)
            e = g.fit.contrast(x[0], confidence) if np.any(x[0]) else Estimate(0.0, NAN, NAN, 0.0, 0.0, NAN, NAN)
            start = float((g.table["day"] - g.table["t"]).iloc[0])
            values = (float(np.exp(v + shift)) for v in (e.effect, e.ci_low, e.ci_high))
            yield dict(zip(FITS, (g.model, arm, start + at, *values), strict=True))


def _model_rows(
    g: Growth, arms: Mapping[str, Arm], part: pd.DataFrame, settings: dict[str, Any], confidence: float
) -> list[dict[str, Any]]:
    ends = part.groupby("subject")["t"].max()
    common, last = last_common(part), float(ends.max())
    short = part[part["t"] <= common]
    cut = None
    if common < last and short["t"].nunique() > 2:
        cut = grow(short, arm_order(list(arms)), **settings)
    ended = ends < last
    gone = part.drop_duplicates("subject").set_index("subject")["arm"].reindex(ends.index)
    said = _remarks(g, part, ended)
    rows = []
    for plan in plans(arms):
        row = _row(plan, g, confidence)
        if cut is not None and plan.kind != HSA:
            early = _row(plan, cut, confidence)
            row |= {f"common_{k}": early[k] for k in ("estimate", "ci_low", "ci_high", "p_value")}
        row["common_day"], row["last_day"] = common, last
        row["n_early"] = int(ended[gone.isin(list(plan.weights))].sum())
        row["remark"] = "; ".join(filter(None, (row["remark"], said)))
        rows.append(row)
    return rows


def _remarks(g: Growth, part: pd.DataFrame, ended: pd.Series) -> str:
    said = []
    if g.zeros:
        done = f"set to {g.floor:.3g} mm³, their repeats left out" if g.floor > 0 else "left out"
        said.append(f"{g.zeros} volumes of 0 (complete regression) {done}")
    if ended.any():
        final = part.drop_duplicates("subject", keep="last").set_index("subject")["volume"]
        of_ended, of_rest = final[ended[ended].index].median(), final[ended[~ended].index].median()
        said.append(
            f"{int(ended.sum())} of {len(ended)} animals end early, at a median of {of_ended:,.0f} mm³ "
            f"(the others {of_rest:,.0f} mm³)"
        )
    p = starts_differ(part)
    if p < 0.05:
        said.append(f"arms differ at the start (p = {p:.2g}): assignment was not balanced")
    if g.fit is not None and g.fit.singular:
        said.append("a variance of the random effects is 0")
    low, high, p = spread_differs(g)
    if p < 0.05:
        said.append(
            f"slopes scatter unequally between arms (SD {low:.2g} to {high:.2g}, Levene p = {p:.2g}): the per-animal "
            "slopes do not take them as equal"
        )
    bend, p = curvature(g)
    if p < 0.01:
        said.append(f"growth {'slows down' if bend < 0 else 'speeds up'} with time (p = {p:.1g}): rates are averages")
    return "; ".join(said)


def _row(plan: Plan, g: Growth, confidence: float) -> dict[str, Any]:
    row: dict[str, Any] = {
        "model": g.model, **plan.names(), "n": g.n(list(plan.weights)), "n_arm": g.animals.get(plan.arm, 0),
        "n_models": 1, "remark": "", "method": "", "test": "", "reason": "",
    }  # fmt: skip
    lost = [a for a in plan.weights if a not in g.arms]
    if plan.missing or lost:
        why = plan.missing or f"no animal of {' or '.join(lost)} was measured twice"
        return {**row, **_numbers(NOTHING), "status": "not_estimable", "reason": why}
    if plan.kind == HSA:
        return {**row, **_hsa(plan, g, confidence)}
    one, two = g.contrast(plan.weights, confidence)
    row |= {f"two_stage_{k}": v for k, v in _short(two).items()}
    if plan.kind == RATE:
        # that a tumour grows at all is no question: no test
        one, two = (Estimate(e.effect, e.se, e.df, e.ci_low, e.ci_high, NAN, NAN) for e in (one, two))
        row["two_stage_p_value"] = NAN
    return {**row, **_chosen(one, two, g.reason, plan.kind != RATE)}


def _chosen(one: Estimate, two: Estimate, why: str, tested: bool = True) -> dict[str, Any]:
    """The mixed model's numbers, else those of per-animal slopes, with their status."""
    if np.isfinite(one.se):
        test = "t, Kenward-Roger" if tested else ""
        return {**_numbers(one), "method": MIXED, "test": test, "status": "estimated"}
    if np.isfinite(two.se):
        said = f"mixed model not fitted: {why}"
        test = "t, Welch" if tested else ""
        return {**_numbers(two), "method": TWO_STAGE, "test": test, "status": "estimated", "remark": said}
    if np.isfinite(two.effect):
        return {**_numbers(two), "method": TWO_STAGE, "status": "not_testable", "reason": why or "too few animals"}
    return {**_numbers(NOTHING), "status": "not_estimable", "reason": why}


def _hsa(plan: Plan, g: Growth, confidence: float) -> dict[str, Any]:
    """The combination against the part that it beats least; every one-sided test must reject."""
    singles = [a for a, w in plan.weights.items() if w < 0]
    found = []
    for single in singles:
        one, two = g.contrast({plan.arm: 1.0, single: -1.0}, confidence)
        found.append((_chosen(one, two, g.reason), single))
    if any(f["status"] != "estimated" for f, _ in found):
        worst = next(f for f, _ in found if f["status"] != "estimated")
        return {**worst, "estimate": NAN, "status": "not_estimable" if worst["status"] == "not_estimable" else
                "not_testable", "reason": worst["reason"] or "too few animals"}  # fmt: skip
    one_sided = [f["p_value"] / 2 if f["statistic"] < 0 else 1 - f["p_value"] / 2 for f, _ in found]
    at = int(np.argmax(one_sided))
    chosen, single = found[at]
    return {
        **chosen,
        "reference": single,
        "p_value": one_sided[at],
        "test": f"intersection-union: one-sided against {single}, the part beaten least",
        "n": g.n([plan.arm, *singles]),
    }


def _numbers(e: Estimate) -> dict[str, float]:
    return {"estimate": e.effect, "se": e.se, "df": e.df, "ci_low": e.ci_low, "ci_high": e.ci_high,
            "statistic": e.statistic, "p_value": e.p_value}  # fmt: skip


def _short(e: Estimate) -> dict[str, float]:
    return {"estimate": e.effect, "se": e.se, "df": e.df, "p_value": e.p_value}


def _between(
    fitted: Mapping[str, tuple[Growth, dict[str, Arm]]], models: pd.DataFrame | None, confidence: float
) -> list[dict[str, Any]]:
    """Effect against control on a resistant model minus that on its parent (independent animals)."""
    rows: list[dict[str, Any]] = []
    parents = {} if models is None else dict(zip(models["model"], models["parent"].fillna(""), strict=True))
    for name in sorted(fitted):
        parent = parents.get(name, "")
        if not parent or parent == name or parent not in fitted:
            continue
        (mine, arms), (theirs, others) = fitted[name], fitted[parent]
        twins = {_key(a): a.label for a in others.values() if a.parts}
        for label in arm_order(list(arms)):
            arm, twin = arms[label], twins.get(_key(arms[label]), "")
            control, other = control_of(arm, arms), control_of(others[twin], others) if twin else ""
            if not (arm.parts and twin and control and other):
                continue
            a = mine.contrast({label: 1.0, control: -1.0}, confidence)
            b = theirs.contrast({twin: 1.0, other: -1.0}, confidence)
            one, two = (_difference(x, y, confidence) for x, y in zip(a, b, strict=True))
            weights = {label: 1.0, control: -1.0, twin: -1.0, other: 1.0}
            plan = Plan(BETWEEN, label, weights, parent, f"{label}: effect in {name} vs {parent}", arm.parts)
            rows.append(
                {
                    "model": name, **plan.names(), "n_models": 2, "n_arm": mine.animals.get(label, 0),
                    "n": mine.n([label, control]) + theirs.n([twin, other]), "remark": "", "reason": "",
                    "test": "", "method": "", **{f"two_stage_{k}": v for k, v in _short(two).items()},
                    **_chosen(one, two, mine.reason or theirs.reason),
                }
            )  # fmt: skip
    return rows


def _difference(a: Estimate, b: Estimate, confidence: float) -> Estimate:
    """Of two independent estimates, with Satterthwaite's degrees of freedom."""
    va, vb = a.se**2, b.se**2
    if not (va > 0 and vb > 0):
        return Estimate(a.effect - b.effect, NAN, NAN, NAN, NAN, NAN, NAN)
    return estimate(
        a.effect - b.effect, float(np.sqrt(va + vb)), (va + vb) ** 2 / (va**2 / a.df + vb**2 / b.df), confidence
    )


def _key(arm: Arm) -> tuple[Any, ...]:
    return tuple((plain(p.name), plain(p.dose), p.action) for p in arm.parts)


def _across(fitted: Mapping[str, tuple[Growth, dict[str, Arm]]], confidence: float) -> list[dict[str, Any]]:
    """Mean over models of a contrast of mean per-animal slopes: the model is the unit."""
    found: dict[tuple[Any, ...], list[tuple[str, float, Plan]]] = {}
    for name in sorted(fitted):
        g, arms = fitted[name]
        for plan in plans(arms):
            if plan.kind in (CONTROL, BLISS, SINGLE) and not plan.missing and all(a in g.arms for a in plan.weights):
                value = sum(w * float(np.mean(g.rates[a])) for a, w in plan.weights.items())
                reference = arms[plan.reference] if plan.reference else None
                key = (plan.kind, _key(arms[plan.arm]), _key(reference) if reference else ())
                found.setdefault(key, []).append((name, value, plan))
    rows: list[dict[str, Any]] = []
    for (kind, *_), those in sorted(found.items()):
        if len(those) < 3:
            continue
        values = [v for _, v, _ in those]
        test = welch([values], [1.0], confidence)
        plan = those[0][2]
        one = {"status": "estimated"} if np.isfinite(test.se) else {"status": "not_testable", "reason": "no scatter"}
        total = sum(fitted[m][0].animals.get(plan.arm, 0) for m, *_ in those)
        rows.append(
            {
                "model": "", **plan.names(), "contrast": f"{plan.contrast}, over models", "kind": ACROSS,
                "n": len(those), "n_arm": total, "n_models": len(those), "method": TWO_STAGE,
                "test": "t over models", "reason": "",
                **_numbers(test), **one,
                "remark": f"{kind}; slower in {sum(v < 0 for v in values)} of {len(values)} models",
            }
        )  # fmt: skip
    return rows


def _inhibitions(out: pd.DataFrame, tumour_tgi: pd.DataFrame) -> dict[str, list[float]]:
    """For contrasts with control: TGI on the last day with all animals of both arms, inhibition of the growth rate."""
    there = tumour_tgi[(tumour_tgi["all_there"] == "yes") & tumour_tgi["tgi_percent"].notna()]
    best = there.sort_values("day", kind="mergesort").drop_duplicates(["model", "arm"], keep="last")
    tgi = best.set_index(["model", "arm"])[["tgi_percent", "ci_low", "ci_high", "day"]]
    rates = out[out["kind"] == RATE].set_index(["model", "arm"])["estimate"]
    columns = ("tgi_percent", "tgi_ci_low", "tgi_ci_high", "tgi_day", "rate_inhibition_percent")
    found: dict[str, list[float]] = {c: [] for c in columns}
    for row in each(out):
        values = [NAN] * 5
        key = (row.model, row.arm)
        if row.kind == CONTROL:
            if key in tgi.index:
                values[:4] = tgi.loc[key].tolist()
            control = rates.get((row.model, row.reference), NAN)
            if control > 0:
                values[4] = 100 * (1 - float(rates.get(key, NAN)) / control)
        for c, v in zip(columns, values, strict=True):
            found[c].append(v)
    return found
