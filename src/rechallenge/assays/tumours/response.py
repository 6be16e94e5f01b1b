"""Response calls per animal, by the criteria of patient-derived xenograft trials, and their rates by arm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.assays.tumours.arms import arm_order, control_of, parse_arms
from rechallenge.assays.tumours.data import NAN, Origins, each, volumes
from rechallenge.assays.tumours.exact import exact_interval
from rechallenge.faults import NotApplicable
from rechallenge.stats.mixed import slopes
from rechallenge.stats.multiplicity import bh

GAO = "doi:10.1038/nm.3954"
#: call, best response below, best average response below (per cent of change); the last that fits holds
CRITERIA = (("SD", 35.0, 30.0), ("PR", -50.0, -20.0), ("CR", -95.0, -40.0))
CALLS = ("CR", "PR", "SD", "PD")
ANIMAL = (
    "model", "arm", "animal", "n_days", "start_mm3", "last_day", "best_percent", "best_day", "best_average_percent",
    "best_average_day", "call", "growth_rate", "doubling_days", "status", "reason",
)  # fmt: skip
RATES = (
    "model", "arm", "control", "unit", "n", *(c.lower() for c in CALLS), "not_called", "objective_fraction", "ci_low",
    "ci_high", "control_fraction", "p_value", "q_value", "test", "confidence", "status", "reason",
    "source_table", "source_rows",
)  # fmt: skip


def call(best: float, average: float) -> str:
    """The response category of a best response and a best average response in per cent of change; '' for NaN.

    >>> call(-96, -45), call(-60, -10), call(10, 5), call(80, 40)
    ('CR', 'SD', 'SD', 'PD')
    """
    if not (np.isfinite(best) and np.isfinite(average)):
        return ""
    fits = [name for name, b, a in CRITERIA if best < b and average < a]
    return fits[-1] if fits else "PD"


@analysis(
    title="Response of each tumour",
    reference=GAO,
    gives=("tumour_response", "tumour_response_rates"),
    methods="Responses were called per animal from the change of volume since its first day, from day {min_day} on: "
    "best response (the smallest change) and best average response (the smallest mean change from the start to a day); "
    "CR below -95 and -40 %, PR below -50 and -20 %, SD below 35 and 30 %, else PD (doi:10.1038/nm.3954). Rates of CR "
    "and PR have exact binomial intervals and Fisher's exact test against control; over models, where three or more "
    "share an arm, the model is the unit (mean of its animals) and the test McNemar's, exact.",
    formula=("best response = min_t change; best average response = min_t mean change; CR, PR, SD, PD by fixed limits"),
    oracle=("Calls of Xeva: 847 models; published calls of Gao et al. 2015 (tests/assays/test_tumours_shared.py)"),
    limits=(
        "Categories of a continuous change; the limits are those of patient-derived xenograft trials and of no clinic."
    ),
)
def tumour_response(
    tumours: pd.DataFrame, *, min_day: float = 10.0, confidence: float = 0.95
) -> dict[str, pd.DataFrame]:
    """Two tables: `tumour_response`, one row per animal (`ANIMAL`), and `tumour_response_rates` by arm (`RATES`).

    Days count from the animal's first. An animal without a volume from `min_day` on is 'not_estimable' and has no
    call. In the rates `model` is empty for the rows over all models. Raises NotApplicable without tumours.
    """
    table = volumes(tumours)
    if table.empty:
        raise NotApplicable("no tumour volume was measured")
    positive = table[table["volume"] > 0]
    rates = slopes(np.log(positive["volume"]), positive["t"], positive["subject"].to_numpy())
    rows = []
    for subject, part in table.groupby("subject", sort=True):
        start = part.iloc[0]
        day = part["day"].to_numpy() - start["day"]
        row: dict[str, Any] = {
            "model": start["model"], "arm": start["arm"], "animal": start["animal"], "n_days": len(part),
            "start_mm3": start["volume"], "last_day": float(day[-1]), "growth_rate": rates.get(str(subject), NAN),
            "best_percent": NAN, "best_day": NAN, "best_average_percent": NAN, "best_average_day": NAN,
            "call": "", "status": "not_estimable", "reason": "",
        }  # fmt: skip
        row["doubling_days"] = float(np.log(2) / row["growth_rate"]) if row["growth_rate"] > 0 else NAN
        later = day >= min_day
        if start["volume"] <= 0:
            row["reason"] = "its first volume is 0"
        elif not later.any():
            row["reason"] = f"no volume from day {min_day:g} on"
        else:
            change = 100 * (part["volume"].to_numpy() - start["volume"]) / start["volume"]
            average = np.cumsum(change) / np.arange(1, len(change) + 1)
            for name, values in (("best", change), ("best_average", average)):
                at = int(np.argmin(np.where(later, values, np.inf)))
                row[f"{name}_percent"], row[f"{name}_day"] = float(values[at]), float(day[at])
            row |= {"call": call(row["best_percent"], row["best_average_percent"]), "status": "estimated"}
        rows.append(row)
    animals = pd.DataFrame(rows).loc[:, list(ANIMAL)]
    return {"tumour_response": animals, "tumour_response_rates": _rates(animals, Origins(tumours), confidence)}


def _rates(animals: pd.DataFrame, origins: Origins, confidence: float) -> pd.DataFrame:
    rows = []
    for model, part in animals.groupby("model", sort=True):
        arms = parse_arms(list(part["arm"]))
        for arm in arm_order(list(arms)):
            control = control_of(arms[arm], arms) if arms[arm].parts else ""
            mine, theirs = part[part["arm"] == arm]["call"], part[part["arm"] == control]["call"]
            rows.append(
                {"model": model, "arm": arm, "control": control, "unit": "animal", **_fraction(mine, confidence),
                 **_fisher(mine, theirs, control), "source_rows": origins(str(model), [a for a in (arm, control) if a])}
            )  # fmt: skip
    rows += _over_models(animals, origins, confidence)
    out = pd.DataFrame(rows)
    out["q_value"], out["confidence"], out["source_table"] = bh(out["p_value"]), confidence, "tumours"
    return out.loc[:, list(RATES)]


def _over_models(animals: pd.DataFrame, origins: Origins, confidence: float) -> list[dict[str, Any]]:
    """One call per model and arm, from the mean of its animals."""
    known = animals[animals["call"] != ""]
    numbers = ["best_percent", "best_average_percent"]
    means = known.groupby(["arm", "model"], sort=True)[numbers].mean().reset_index()
    means["call"] = [call(r.best_percent, r.best_average_percent) for r in each(means)]
    wide = means.set_index(["model", "arm"])["call"].unstack("arm")  # noqa: PD010  nothing is aggregated
    arms = parse_arms(list(wide.columns))
    rows = []
    for arm in arm_order(list(arms)):
        mine = wide[arm].dropna()
        if len(mine) < 3:
            continue
        control = control_of(arms[arm], arms) if arms[arm].parts else ""
        theirs = wide[control].reindex(mine.index).dropna() if control else mine[:0]
        rows.append(
            {"model": "", "arm": arm, "control": control, "unit": "model", **_fraction(mine, confidence),
             **_mcnemar(mine.reindex(theirs.index), theirs, control),
             "source_rows": origins(None, [a for a in (arm, control) if a])}
        )  # fmt: skip
    return rows


def _fraction(calls: pd.Series, confidence: float) -> dict[str, Any]:
    counts = {c.lower(): int((calls == c).sum()) for c in CALLS}
    n = sum(counts.values())
    found: dict[str, Any] = {"n": n, **counts, "not_called": int((calls == "").sum())}
    low, high = exact_interval(counts["cr"] + counts["pr"], n, confidence)
    return found | {
        "objective_fraction": (counts["cr"] + counts["pr"]) / n if n else NAN,
        "ci_low": low,
        "ci_high": high,
    }


def _objective(calls: pd.Series) -> pd.Series:
    return calls.isin(["CR", "PR"])


def _fisher(mine: pd.Series, theirs: pd.Series, control: str) -> dict[str, Any]:
    from scipy.stats import fisher_exact

    mine, theirs = mine[mine != ""], theirs[theirs != ""]
    found: dict[str, Any] = {
        "control_fraction": float(_objective(theirs).mean()) if len(theirs) else NAN, "p_value": NAN, "test": "",
        "status": "estimated" if len(mine) else "not_estimable", "reason": "" if len(mine) else "no animal was called",
    }  # fmt: skip
    if control and min(len(mine), len(theirs)) > 1:
        a, b = int(_objective(mine).sum()), int(_objective(theirs).sum())
        table = [[a, len(mine) - a], [b, len(theirs) - b]]
        found |= {"p_value": float(fisher_exact(table).pvalue), "test": "Fisher, exact"}
    return found


def _mcnemar(mine: pd.Series, theirs: pd.Series, control: str) -> dict[str, Any]:
    from scipy.stats import binomtest

    found: dict[str, Any] = {"control_fraction": NAN, "p_value": NAN, "test": "", "status": "estimated", "reason": ""}
    if control and len(theirs) > 2:
        a, b = _objective(mine).to_numpy(), _objective(theirs).to_numpy()
        gained, lost = int((a & ~b).sum()), int((~a & b).sum())
        p = float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
        found |= {"control_fraction": float(b.mean()), "p_value": p, "test": f"McNemar, exact, {len(theirs)} models"}
    return found
