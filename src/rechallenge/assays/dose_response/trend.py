"""Does the IC50 follow the stage of dose escalation?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.assays.dose_response.perturbations import parse
from rechallenge.assays.dose_response.resistance import BH, UNDETERMINED, filled, ic50_text, stage_number, with_sources
from rechallenge.assays.dose_response.shifts import groups
from rechallenge.faults import NotApplicable
from rechallenge.stats.multiplicity import bh

RISES, FALLS = "IC50 rises with the stage", "IC50 falls with the stage"
COLUMNS = (
    "model",
    "parent",
    "drug",
    "medium",
    "hours",
    "stages",
    "fold_per_stage",
    "ci_low",
    "ci_high",
    "log2_per_stage",
    "se",
    "df",
    "statistic",
    "p_value",
    "q_value",
    "n",
    "ic50s",
    "monotone",
    "verdict",
    "status",
    "reason",
    "source_table",
    "source_rows",
)


def series(curves: pd.DataFrame, models: pd.DataFrame | None) -> pd.DataFrame:
    """Unperturbed curves that stand at a stage, with the name of their series in `line` and the stage in `number`.

    A stage is given per curve or per model. Models with a stage of their own that share parent and selecting drug are
    one series, named after the last. The curves of a parent without a stage are stage 0 of its resistant lines where
    these have none of their own.
    """
    out = curves[[parse(p).control for p in curves["perturbation"]]].copy()
    out["number"] = out["stage"].map(stage_number)
    out["line"], out["parent"] = out["model"], ""
    if models is None or models.empty:
        return out[out["number"].notna()]
    info = models.drop_duplicates("model").set_index("model")
    info = info.reindex(columns=["role", "parent", "selected_with", "stage"]).fillna("")
    given = out["model"].map(info["stage"]).fillna("").map(stage_number)
    out["number"] = out["number"].where(out["number"].notna(), given)
    resistant = info[(info["role"] == "resistant") & (info["parent"] != "")]
    staged = resistant[resistant["stage"] != ""].assign(at=lambda t: t["stage"].map(stage_number))
    staged = staged.sort_values("at", kind="mergesort").reset_index()
    last = staged.groupby(["parent", "selected_with"])["model"].last()
    for model, row in resistant.iterrows():
        name = str(last[(row["parent"], row["selected_with"])] if row["stage"] else model)
        mine = out["model"] == model
        out["line"], out["parent"] = out["line"].mask(mine, name), out["parent"].mask(mine, str(row["parent"]))
    starts = []
    for (line, parent), rows in out[out["parent"] != ""].groupby(["line", "parent"]):
        if not (rows["number"] == 0).any():
            start = out[(out["model"] == parent) & (out["number"].isna() | (out["number"] == 0))]
            starts.append(start.assign(line=str(line), parent=str(parent), number=0.0))
    joined = pd.concat([out, *starts])
    return joined[joined["number"].notna()]


def _trend(rows: pd.DataFrame, confidence: float) -> dict[str, Any]:
    """Regression of log2 IC50 on the stage, every stage with the same weight.

    Weights 1 / se^2 would need standard errors that are known: with those of three replicates a stage (2 degrees of
    freedom) the test at 5 % rejects 8 % of four flat stages and 13 % of six in simulation, without weights 5 %.
    """
    from scipy.stats import t as student

    known = rows[rows["status"] == "estimated"] if "status" in rows.columns else rows[rows["ic50_um"].notna()]
    left = len(rows) - len(known)
    note = f"{left} stage{'s' if left > 1 else ''} without an IC50 left out" if left else ""
    if len(known) < 3:
        return {"status": "not_testable", "reason": "; ".join(filter(None, ["fewer than 3 stages with an IC50", note]))}
    x, y = known["number"].to_numpy(dtype="float64"), np.log2(known["ic50_um"].to_numpy(dtype="float64"))
    centre = x - x.mean()
    spread = float((centre**2).sum())
    slope = float((centre * y).sum()) / spread
    rest = y - y.mean() - slope * centre
    df = x.size - 2
    slope_se = float(np.sqrt((rest**2).sum() / df / spread))
    t = float(student.ppf(0.5 + confidence / 2, df))
    statistic = slope / slope_se if slope_se > 0 else float("nan")
    steps = np.diff(y)
    return {
        "status": "estimated" if slope_se > 0 else "not_testable",
        "reason": note,
        "log2_per_stage": slope,
        "se": slope_se,
        "df": float(df),
        "statistic": statistic,
        "p_value": float(2 * student.sf(abs(statistic), df)) if slope_se > 0 else float("nan"),
        "fold_per_stage": 2.0**slope,
        "ci_low": 2.0 ** (slope - t * slope_se),
        "ci_high": 2.0 ** (slope + t * slope_se),
        "monotone": bool((steps > 0).all() or (steps < 0).all()),
        "n": float(x.size),
    }


@analysis(
    title="Trend over stages of resistance",
    reference=BH,
    methods="The trend over stages of dose escalation is the linear regression of log2 IC50 on the stage, with the "
    "stage as unit (n = number of stages).",
    formula=(
        "log2 IC50 = a + b stage, least squares over stages; fold per stage = 2^b, t with n - 2 degrees of freedom"
    ),
    oracle="No outside reference: equal to the plain regression (tests/assays/test_dose_response_shifts.py)",
    limits=(
        "Three stages leave one degree of freedom. Stages whose IC50 is a bound are left out, so a late rise "
        "beyond the doses flattens the trend. Weights by each stage's error were tried and rejected a true null"
        " in 8 to 13 %."
    ),
)
def stage_trend(
    curves: pd.DataFrame, models: pd.DataFrame | None = None, *, alpha: float = 0.05, confidence: float = 0.95
) -> pd.DataFrame:
    """Trend of the IC50 over ordered stages S0, S1, ... of one resistant line, per drug, medium and exposure.

    Stages stand in the curves or in `models`; several models with one parent, one selecting drug and different stages
    are one series, named after the last. The parent is S0 where the series has none. The stage is the unit: n is the
    number of stages with an IC50, at least 3. `fold_per_stage` with its interval is the factor from one stage to the
    next; `monotone` says whether every step goes the same way. Raises NotApplicable where no line has stages.
    """
    rows, table = [], filled(curves)
    for group in groups(series(table.assign(_at=table.index), models), ("line", "drug", "medium", "hours")):
        ordered = group.sort_values("number", kind="mergesort").drop_duplicates("number").reset_index(drop=True)
        if len(ordered) < 2:
            continue
        numbers = [f"S{v:g}" for v in ordered["number"]]
        rows.append(
            {
                "model": ordered["line"].iloc[0],
                "parent": next((p for p in ordered["parent"] if p), ""),
                **{c: ordered[c].iloc[0] for c in ("drug", "medium", "hours")},
                "stages": " < ".join(numbers),
                "ic50s": ", ".join(f"{s}: {ic50_text(ordered, i) or 'n.d.'}" for i, s in enumerate(numbers)),
                "_rows": ordered["_at"].tolist(),
                **_trend(ordered, confidence),
            }
        )
    if not rows:
        raise NotApplicable("No line was tested at two stages of resistance or more.")
    made = pd.DataFrame(rows)
    out = with_sources(made, table, made["_rows"]).reindex(columns=list(COLUMNS))
    out["q_value"] = bh(out["p_value"].astype("float64"))
    called, up = out["q_value"] < alpha, out["log2_per_stage"] > 0
    words = np.where(out["p_value"].isna(), UNDETERMINED, "no trend shown")
    out["verdict"] = np.where(called & up, RISES, np.where(called, FALLS, words))
    out["monotone"] = out["monotone"].astype("boolean")
    return out.sort_values(["model", "drug", "medium", "hours"], kind="mergesort").reset_index(drop=True)
