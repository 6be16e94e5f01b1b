"""How many animals an arm needs: power from the variance components that the study itself has shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge.analysis import analysis
from rechallenge.assays.tumours.arms import arm_order, control_of, parse_arms
from rechallenge.assays.tumours.data import NAN, Floats, Origins, volumes
from rechallenge.assays.tumours.model import Baseline, Growth, Zeros, design, grow
from rechallenge.faults import NotApplicable
from rechallenge.stats.mixed import Inference, planned

#: contrast -> weights of the slopes of the arms of the planned design
DESIGNS = {
    "interaction (Bliss), four arms": (1.0, -1.0, -1.0, 1.0),
    "against control, two arms": (-1.0, 1.0),
}
COLUMNS = (
    "model", "contrast", "n_per_arm", "n_animals", "effect", "effect_unit", "fraction_of_control_rate", "se", "df",
    "power", "detectable", "n_needed", "alpha", "days", "sd_slope", "sd_residual", "n_study", "status", "reason",
    "source_table", "source_rows",
)  # fmt: skip


@analysis(
    title="Animals per arm",
    reference="doi:10.2307/2533558",
    methods="Power is that of the t test of the growth model for a design with the study's days of measurement, from "
    "its own variance components (degrees of freedom of Kenward and Roger, doi:10.2307/2533558, for the planned "
    "design; noncentral t, two-sided at {alpha:g}), for an effect of {effect:g} times the growth rate of control.",
    formula="power of t = effect / SE(n) by the noncentral t, SE from the study's variance components",
    oracle=(
        "No outside reference: a planned design has the precision of the fitted one; 62 % found where 64 % was "
        "planned (tests/stats/test_mixed.py, tests/assays/test_tumours_calibration.py)"
    ),
    limits="Variance components of few animals are known badly, and the planned effect is a choice.",
)
def tumour_power(
    tumours: pd.DataFrame,
    *,
    effect: float = 0.5,
    alpha: float = 0.05,
    power: float = 0.8,
    largest: int = 30,
    zeros: Zeros = "floor",
    baseline: Baseline = "common",
) -> pd.DataFrame:
    """Power by number of animals an arm (3 to `largest`), for the interaction and for one arm against control.

    Columns `COLUMNS`. The planned effect is `effect` times the control's growth rate (a size chosen before, not the
    one observed); `detectable` is the effect (ln volume per day) found with probability `power`, and `n_needed` the
    smallest number an arm that has that power for the planned effect (missing where it is above `largest`).
    Raises NotApplicable where no model of growth could be fitted.
    """
    table, origins = volumes(tumours), Origins(tumours)
    rows: list[dict[str, Any]] = []
    for model, part in table.groupby("model", sort=True):
        arms = parse_arms(list(part["arm"]))
        g = grow(part, arm_order(list(arms)), zeros=zeros, baseline=baseline)
        control = next((c for a in arms.values() if (c := control_of(a, arms)) in g.arms and c), "")
        if g.fit is None or not control:
            continue
        rate = abs(float(np.mean(g.rates[control])))
        for contrast, signs in DESIGNS.items():
            rows += [
                {"model": model, "contrast": contrast, "source_rows": origins(str(model), list(g.arms)), **r}
                for r in _plan(g, signs, rate * effect, effect, alpha, power, largest, baseline)
            ]
    if not rows:
        raise NotApplicable("no growth model with a control arm could be fitted: variances between animals are unknown")
    out = pd.DataFrame(rows)
    out["source_table"] = "tumours"
    return out.reindex(columns=list(COLUMNS))


def _plan(
    g: Growth, signs: tuple[float, ...], target: float, part: float, alpha: float, wanted: float, largest: int,
    baseline: Baseline,
) -> list[dict[str, Any]]:  # fmt: skip
    assert g.fit is not None
    days = np.unique(g.table["t"].to_numpy(dtype=float))
    if baseline == "relative":
        days = days[days > days[0]] - days[0]
    weights = np.r_[np.zeros({"common": 1, "arm": len(signs), "relative": 0}[baseline]), signs]
    sd = float(np.sqrt(g.fit.cov_random[-1, -1]))
    rows: list[dict[str, Any]] = []
    for n in range(3, largest + 1):
        se, df = _precision(g, days, len(signs), n, baseline, weights)
        rows.append(
            {
                "n_per_arm": n, "n_animals": n * len(signs), "effect": target, "effect_unit": "ln volume per day",
                "fraction_of_control_rate": part, "se": se, "df": df, "power": t_power(target / se, df, alpha),
                "detectable": se * _detectable(df, alpha, wanted), "alpha": alpha,
                "days": " ".join(f"{d:g}" for d in days), "sd_slope": sd, "sd_residual": float(np.sqrt(g.fit.sigma2)),
                "n_study": int(np.median(list(g.animals.values()))), "status": "estimated", "reason": "",
            }
        )  # fmt: skip
    enough = [r["n_per_arm"] for r in rows if r["power"] >= wanted]
    return [{**r, "n_needed": float(enough[0]) if enough else NAN} for r in rows]


def _precision(g: Growth, days: Floats, arms: int, n: int, baseline: Baseline, weights: Floats) -> tuple[float, float]:
    assert g.fit is not None
    names: NDArray[np.object_] = np.array([f"arm {k}" for k in range(arms)], dtype=object)
    arm = np.repeat(names, n * len(days))
    t = np.tile(days, arms * n)
    x, z = design(t, arm, list(names), baseline)
    found: Inference = planned(x, z, np.repeat(np.arange(arms * n), len(days)), g.fit.cov_random, g.fit.sigma2)
    se, df = found.precision(weights)
    return se, min(max(df, 1.0), float(len(t) - x.shape[1]))


def t_power(shift: float, df: float, alpha: float = 0.05) -> float:
    """Power of the two-sided t test at `alpha` for a true effect of `shift` standard errors."""
    from scipy.special import nctdtr, stdtrit

    limit = float(stdtrit(df, 1 - alpha / 2))
    return float(1 - nctdtr(df, shift, limit) + nctdtr(df, shift, -limit))


def _detectable(df: float, alpha: float, power: float) -> float:
    """Standard errors that an effect must have to be found with this power."""
    from scipy.optimize import brentq
    from scipy.special import stdtrit

    high = 2 * float(stdtrit(df, 1 - alpha / 2) + stdtrit(df, power))
    return float(brentq(lambda shift: t_power(shift, df, alpha) - power, 0.0, high, xtol=1e-4))
