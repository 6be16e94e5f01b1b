"""Was the treatment tolerated: body-weight loss of each animal, and end-point values of organs and blood."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.assays.tumours.arms import arm_order, control_of, parse_arms
from rechallenge.assays.tumours.data import NAN, Floats, Origins, arm_labels, text, volumes, weights
from rechallenge.assays.tumours.exact import exact_interval, permuted
from rechallenge.faults import NotApplicable
from rechallenge.stats.mixed import Estimate, estimate, welch
from rechallenge.stats.multiplicity import bh

COLUMNS = (
    "model", "arm", "control", "n", "nadir_percent", "ci_low", "ci_high", "nadir_day", "worst_percent", "loss_percent",
    "n_loss", "loss_ci_low", "loss_ci_high", "loss_p_value", "net_nadir_percent", "difference", "se", "df",
    "difference_ci_low", "difference_ci_high", "statistic", "p_value", "q_value", "n_test", "test", "confidence",
    "status", "reason", "source_table", "source_rows",
)  # fmt: skip
ORGAN = (
    "model", "readout", "kind", "unit", "arm", "control", "n", "n_arm", "n_control", "mean", "mean_control", "effect",
    "effect_unit", "se", "df", "ci_low", "ci_high", "statistic", "p_value", "q_value", "test", "dispersion",
    "confidence", "status", "reason", "source_table", "source_rows",
)  # fmt: skip
_COUNTS = re.compile(r"(?i)nodul|metasta|colon(?:y|ies)|foci|lesion|number|\bcounts?\b|\bn\b")
_WEIGHTS = re.compile(r"(?i)weight|\bmass\b")


@analysis(
    title="Tolerability: body weight",
    methods="Body weights are changes from each animal's first in per cent; the nadir is the lowest of an animal, "
    "compared with control by Welch's t test (doi:10.1093/biomet/34.1-2.28) over animals; animals that lost "
    "{loss_percent:g} % or more are counted with exact binomial limits (doi:10.1093/biomet/26.4.404) and Fisher's "
    "exact test. Where tumour volumes are known for the same days, the nadir net of the tumour (1 mm³ = 1 mg) stands "
    "beside.",
    reference=("doi:10.1093/biomet/34.1-2.28", "doi:10.1093/biomet/26.4.404"),
    formula=("nadir = min_t 100 (w_t - w_0) / w_0 per animal; Welch t, Clopper-Pearson limits, Fisher's exact test"),
    oracle="No outside reference: definitions by hand (tests/assays/test_tumours_outcomes.py)",
    limits="Weight is a blunt sign of toxicity; no loss among six animals still allows 46 % (upper limit).",
)
def tolerability(
    body_weight: pd.DataFrame,
    tumours: pd.DataFrame | None = None,
    *,
    loss_percent: float = 20.0,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Body-weight loss by model and arm; columns `COLUMNS`.

    `nadir_percent` is the mean over animals of each one's lowest change (per cent of its first weight; below 0 is
    loss) with a t interval, `worst_percent` that of the worst animal, `nadir_day` the day of the lowest arm mean;
    `n_loss` of `n` animals lost `loss_percent` or more. `difference` is arm minus control in percentage points of the
    nadir. `net_nadir_percent` takes the tumour's weight off. Raises NotApplicable where no animal was weighed twice.
    """
    table = weights(body_weight)
    table["first"] = table.groupby("subject")["weight"].transform("first")
    table["percent"] = 100 * (table["weight"] - table["first"]) / table["first"]
    if tumours is not None and len(tumours):
        grown = volumes(tumours)[["subject", "day", "volume"]]
        table = table.merge(grown, on=["subject", "day"], how="left")
        net = table["weight"] - table["volume"] / 1000
        start = net.groupby(table["subject"]).transform("first")
        table["net"] = 100 * (net / start - 1)
    else:
        table["net"] = NAN
    later = table[table.groupby("subject").cumcount() > 0]
    if later.empty:
        raise NotApplicable("no animal was weighed on two days")
    low = later.groupby(["model", "arm", "subject"], sort=True)[["percent", "net"]].min().reset_index()
    origins, rows = Origins(body_weight), []
    for model, part in low.groupby("model", sort=True):
        arms = parse_arms(list(part["arm"]))
        values = {a: part.loc[part["arm"] == a, "percent"].to_numpy() for a in arms}
        for arm in arm_order(list(arms)):
            control = control_of(arms[arm], arms) if arms[arm].parts else ""
            days = later[(later["model"] == model) & (later["arm"] == arm)].groupby("day")["percent"].mean()
            net = part.loc[part["arm"] == arm, "net"]
            rows.append(
                {"model": model, "arm": arm, "control": control, "nadir_day": float(days.idxmin()),
                 "net_nadir_percent": float(net.mean()),
                 "source_rows": origins(str(model), [a for a in (arm, control) if a]),
                 **_loss(values[arm], values.get(control, np.zeros(0)), loss_percent, confidence)}
            )  # fmt: skip
    out = pd.DataFrame(rows)
    out["q_value"], out["confidence"], out["source_table"] = bh(out["p_value"]), confidence, "body_weight"
    return out.reindex(columns=list(COLUMNS))


def _loss(mine: Floats, theirs: Floats, limit: float, confidence: float) -> dict[str, Any]:
    from scipy.stats import fisher_exact

    own = welch([mine], [1.0], confidence)
    lost, other = (int((v <= -limit + 1e-9).sum()) for v in (mine, theirs))  # 16 of 20 g is a loss of 20 %
    low, high = exact_interval(lost, len(mine), confidence)
    against = welch([mine, theirs], [1.0, -1.0], confidence)
    tested = np.isfinite(against.p_value)
    table = [[lost, len(mine) - lost], [other, len(theirs) - other]]
    return {
        "n": len(mine), "nadir_percent": float(mine.mean()), "ci_low": own.ci_low, "ci_high": own.ci_high,
        "worst_percent": float(mine.min()), "loss_percent": limit, "n_loss": lost, "loss_ci_low": low,
        "loss_ci_high": high, "loss_p_value": float(fisher_exact(table).pvalue) if len(theirs) > 1 else NAN,
        "difference": against.effect, "se": against.se, "df": against.df, "difference_ci_low": against.ci_low,
        "difference_ci_high": against.ci_high, "statistic": against.statistic, "p_value": against.p_value,
        "n_test": len(mine) + len(theirs) if tested else 0, "test": "t, Welch" if tested else "", "status": "estimated",
        "reason": "" if tested else "no control, or one animal on a side: not compared",
    }  # fmt: skip


@analysis(
    title="End-point organs, nodules and blood values",
    methods="End-point weights and levels were compared with control as log2 ratios of means by Welch's t test on log "
    "values (doi:10.1093/biomet/34.1-2.28; differences where a value is 0); counts (nodules) as log2 ratios of mean "
    "counts with quasi-Poisson limits (dispersion pooled over the two arms, at least 1) and a permutation test of the "
    "difference, exact up to 20,000 arrangements and from {n_permutations:,} drawn ones above.",
    reference="doi:10.1093/biomet/34.1-2.28",
    formula=(
        "log2 ratio of means, Welch t on logs; counts: log2 ratio of mean counts, quasi-Poisson limits, permutation p"
    ),
    oracle="No outside reference: exact permutation by hand (tests/assays/test_tumours_outcomes.py)",
    limits=(
        "Animals that did not reach the end point are not in it. Liver values make no claim about a drug's safety."
    ),
)
def organ_effects(
    organs: pd.DataFrame, *, confidence: float = 0.95, n_permutations: int = 9999, seed: int = 0
) -> pd.DataFrame:
    """End-point values of every arm against control; columns `ORGAN`, one row per model, readout and arm.

    `kind` is weight, level or count (from the table, else from unit and name). `effect` is a log2 ratio, or a
    difference where a weight or level is 0. An animal's repeated values are averaged. Where all counts of
    a side are 0 the ratio has no number ('not_testable') and `p_value` is that of the difference. Raises NotApplicable
    without a control.
    """
    table = pd.DataFrame(
        {
            "model": text(organs, "model"), "arm": arm_labels(organs), "animal": text(organs, "animal"),
            "readout": text(organs, "readout"), "unit": text(organs, "unit"), "kind": text(organs, "kind"),
            "value": pd.to_numeric(organs["value"]).astype(float),
        }
    ).dropna(subset=["value"])  # fmt: skip
    keys = ["model", "readout", "arm", "animal"]
    table = table.sort_values([*keys, "value"], kind="mergesort")
    table = table.groupby(keys, sort=True, as_index=False).agg({"value": "mean", "unit": "first", "kind": "first"})
    origins, rows = Origins(organs), []
    for (model, readout), part in table.groupby(["model", "readout"], sort=True):
        arms = parse_arms(list(part["arm"]))
        kind = next((k for k in part["kind"] if k), "") or kind_of(
            str(readout), str(part["unit"].iloc[0]), part["value"]
        )
        for arm in arm_order(list(arms)):
            control = control_of(arms[arm], arms) if arms[arm].parts else ""
            if not control:
                continue
            mine, theirs = (part.loc[part["arm"] == a, "value"].to_numpy() for a in (arm, control))
            if kind == "count":
                found = _counts(mine, theirs, confidence, n_permutations, seed, f"{model}|{readout}|{arm}")
            else:
                found = _levels(mine, theirs, confidence)
            rows.append(
                {"model": model, "readout": readout, "kind": kind, "unit": part["unit"].iloc[0], "arm": arm,
                 "control": control, "n": len(mine) + len(theirs), "n_arm": len(mine), "n_control": len(theirs),
                 "mean": float(mine.mean()), "mean_control": float(theirs.mean()),
                 "source_rows": origins(str(model), [arm, control]), **found}
            )  # fmt: skip
    if not rows:
        raise NotApplicable("no arm has a control to compare its organs with")
    out = pd.DataFrame(rows)
    out["q_value"], out["confidence"], out["source_table"] = bh(out["p_value"]), confidence, "organs"
    return out.reindex(columns=list(ORGAN))


def kind_of(readout: str, unit: str, values: pd.Series) -> str:
    """count, weight or level, from the unit and the name; counts are whole numbers."""
    whole = bool((values == values.round()).all())
    if whole and (_COUNTS.search(unit) or (_COUNTS.search(readout) and not _WEIGHTS.search(readout))):
        return "count"
    return "weight" if unit in ("g", "mg", "kg") or _WEIGHTS.search(readout) else "level"


def _levels(mine: Floats, theirs: Floats, confidence: float) -> dict[str, Any]:
    positive = bool((mine > 0).all() and (theirs > 0).all())
    scale = np.log2 if positive else np.asarray
    found = welch([scale(mine), scale(theirs)], [1.0, -1.0], confidence)
    tested = np.isfinite(found.p_value)
    return {**_numbers(found), "effect_unit": "log2 ratio" if positive else "difference", "dispersion": NAN,
            "test": "t, Welch" if tested else "", "status": "estimated" if tested else "not_testable",
            "reason": "" if tested else "fewer than two animals on a side, or no scatter"}  # fmt: skip


def _numbers(e: Estimate) -> dict[str, float]:
    return {"effect": e.effect, "se": e.se, "df": e.df, "ci_low": e.ci_low, "ci_high": e.ci_high,
            "statistic": e.statistic, "p_value": e.p_value}  # fmt: skip


def _counts(mine: Floats, theirs: Floats, confidence: float, n_draws: int, seed: int, key: str) -> dict[str, Any]:
    a, b, n = mine.sum(), theirs.sum(), len(mine) + len(theirs)
    p, how = permuted(mine, theirs, n_draws, seed, key) if min(len(mine), len(theirs)) > 1 else (NAN, "")
    found: dict[str, Any] = {"effect_unit": "log2 ratio", "p_value": p, "test": how, "dispersion": NAN,
                             "status": "not_testable", "reason": ""}  # fmt: skip
    if min(len(mine), len(theirs)) < 2:
        return {**found, "effect": NAN, "status": "not_estimable", "reason": "fewer than two animals on a side"}
    if a == 0 or b == 0:
        return {**found, "effect": NAN, "status": "not_testable",
                "reason": "no count at all on a side: the ratio has no number, the difference is tested"}  # fmt: skip
    residual = sum(float(((v - v.mean()) ** 2).sum() / v.mean()) for v in (mine, theirs))
    dispersion = max(1.0, residual / (n - 2))
    ratio, se = np.log2(mine.mean() / theirs.mean()), math.sqrt(dispersion * (1 / a + 1 / b)) / math.log(2)
    e = estimate(float(ratio), se, float(n - 2), confidence)
    return {**found, **_numbers(e), "p_value": p, "dispersion": dispersion, "status": "estimated"}
