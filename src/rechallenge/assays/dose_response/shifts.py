"""What moves the IC50 of one line: a perturbed gene, another medium."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.assays.dose_response import pairs
from rechallenge.assays.dose_response.perturbations import control_for, parse
from rechallenge.assays.dose_response.resistance import (
    BH,
    INVERSION,
    MOVER,
    NO_CHANGE,
    UNDETERMINED,
    UNTESTED,
    filled,
    ic50_text,
    with_sources,
)
from rechallenge.faults import NotApplicable
from rechallenge.stats.multiplicity import bh

RAISES, LOWERS = "raises the IC50", "lowers the IC50"
USUAL_MEDIA = ("", "none", "usual", "standard", "normal", "control", "fresh", "fresh medium", "complete")
_RATIO = (
    "ratio",
    "ci_low",
    "ci_high",
    "ratio_bound",
    "log2_ratio",
    "se",
    "df",
    "statistic",
    "p_value",
    "q_value",
    "n",
    "n_changed",
    "n_control",
    "ic50",
    "ic50_control",
    "verdict",
    "status",
    "reason",
    "auc_difference",
    "auc_ci_low",
    "auc_ci_high",
    "auc_p_value",
    "source_table",
    "source_rows",
)
PERTURBATION_COLUMNS = (
    "model",
    "drug",
    "perturbation",
    "control",
    "matched_control",
    "gene",
    "action",
    "sign",
    "direction",
    "medium",
    "stage",
    "hours",
    *_RATIO,
)
MEDIUM_COLUMNS = ("model", "drug", "medium", "reference", "perturbation", "stage", "hours", *_RATIO)


def _shift(
    table: pd.DataFrame, rows: list[dict[str, Any]], alpha: float, confidence: float, paired: bool
) -> pd.DataFrame:
    """Ratios of the curves named by `_first` and `_second` (-1: no curve to compare with) in every row."""
    out = pd.DataFrame(rows)
    there = out["_second"] >= 0
    compared = pairs.compare(
        table, out.loc[there, "_first"], out.loc[there, "_second"], confidence=confidence, paired=paired
    )
    compared.index = out.index[there]
    out = out.join(compared)
    out["status"] = out["status"].mask(~there, "not_testable")
    out["reason"] = out["reason"].mask(~there, out["_why"])
    out["ratio_bound"] = out["ratio_bound"].fillna("")
    out["q_value"] = bh(out["p_value"])
    up = (out["ratio_bound"] == "above") | (out["log2_ratio"] > 0)
    called = out["q_value"] < alpha
    words = np.where(~there, UNTESTED, np.where(out["p_value"].isna(), UNDETERMINED, NO_CHANGE))
    out["verdict"] = np.where(called & up, RAISES, np.where(called, LOWERS, words))
    out["ic50"] = [ic50_text(table, i) for i in out["_first"]]
    out["ic50_control"] = [ic50_text(table, i) if i >= 0 else "" for i in out["_second"]]
    out = with_sources(out, table, zip(out["_first"], out["_second"], strict=True))
    return out.rename(columns={"n_first": "n_changed", "n_second": "n_control"})


def groups(table: pd.DataFrame, keys: Iterable[str]) -> Iterable[pd.DataFrame]:
    """The rows of every combination of `keys`, in order; a missing value is a value of its own."""
    return (group for _, group in table.groupby(list(keys), dropna=False, sort=True))


def _methods(table: pd.DataFrame, alpha: float, paired: bool, confidence: float, **_: Any) -> str:
    made = int(table["p_value"].notna().sum()) if len(table) else 0
    return (
        f"IC50s of changed and control cells of one line were compared as a ratio on the log scale ({MOVER}; "
        f"{100 * confidence:g} % intervals, Welch-Satterthwaite degrees of freedom, the biological replicate as unit"
        f"{', paired by experiment' if paired else ''}); q-values over {made} tests ({BH}). {INVERSION}."
    )


@analysis(
    title="Shift by a perturbation",
    reference=(MOVER, BH),
    methods=_methods,
    formula="fold = IC50(perturbed) / IC50(control of its kind), as in the resistance index",
    oracle=(
        "No outside reference: ratios as in the resistance index (R drc), signs and controls of planted knock-"
        "downs (tests/assays/test_dose_response_shifts.py)"
    ),
    limits=(
        "One siRNA may act by another gene; two that agree, or a rescue, are for the user to bring. A label "
        "that names several genes is attributed to none."
    ),
)
def perturbation_shift(
    curves: pd.DataFrame, *, alpha: float = 0.05, paired: bool = False, confidence: float = 0.95
) -> pd.DataFrame:
    """IC50 of perturbed cells over that of their control in the same line, drug, medium, stage and exposure.

    The control of siX is a control transfection of the same kind (siNC), else any treated control (scramble), else
    untreated cells (`matched_control` False). `gene`, `action` and `sign` (-1 lowered, +1 raised) are read from the
    label (see `rechallenge.assays.dose_response.perturbations`); labels that name no gene or several stay in the table
    with the reason. `direction` is +1 where the gene promotes resistance (lowering it lowers the IC50, or raising it
    raises the IC50), -1 the reverse, 0 where no shift is shown at q < `alpha`. Columns of the ratio as in the
    resistance index. Raises NotApplicable where no cells were perturbed.
    """
    table = filled(curves)
    rows = []
    for group in groups(table, ("model", "drug", "medium", "stage", "hours")):
        labels = sorted(group["perturbation"].unique())
        for index, curve in group.iterrows():
            read = parse(curve["perturbation"])
            if read.control:
                continue
            control, matched = control_for(read, labels)
            rows.append(
                {
                    **{c: curve[c] for c in ("model", "drug", "perturbation", "medium", "stage", "hours")},
                    "control": control or "",
                    "matched_control": matched,
                    "gene": read.gene,
                    "action": read.action,
                    "sign": read.sign,
                    "_first": index,
                    "_second": group.index[group["perturbation"] == control][0] if control is not None else -1,
                    "_why": "no control cells under the same conditions",
                    "_note": read.why
                    or ("" if matched or control is None else "the control is untreated, not a control transfection"),
                }
            )
    if not rows:
        raise NotApplicable("No curve of perturbed cells (siX, shX, X KO, X OE, ...).")
    out = _shift(table, rows, alpha, confidence, paired)
    both = (out["reason"] != "") & (out["_note"] != "")
    out["reason"] = (
        out["reason"].mask(both, out["reason"] + "; " + out["_note"]).mask(out["reason"] == "", out["_note"])
    )
    moved = out["verdict"].map({RAISES: 1, LOWERS: -1}).fillna(0).astype("int64")
    out["direction"] = moved * out["sign"]
    order = ["model", "drug", "perturbation", "medium", "stage", "hours"]
    return out.sort_values(order, kind="mergesort").reset_index(drop=True).loc[:, list(PERTURBATION_COLUMNS)]


@analysis(
    title="Shift by the medium",
    reference=(MOVER, BH),
    methods=_methods,
    formula="fold = IC50(medium) / IC50(reference medium), as in the resistance index",
    oracle=("No outside reference: ratios as in the resistance index (tests/assays/test_dose_response_shifts.py)"),
    limits=(
        "Medium may change growth and so the IC50; the growth-rate values tell that apart only where a time-"
        "zero signal was given."
    ),
)
def medium_shift(
    curves: pd.DataFrame, *, reference: str = "", alpha: float = 0.05, paired: bool = False, confidence: float = 0.95
) -> pd.DataFrame:
    """IC50 in another medium over that in the reference medium, same line, drug, perturbation, stage and exposure.

    `reference` names the medium compared with; empty takes the usual one (no medium named, or one called normal,
    standard, control, fresh). Columns of the ratio as in the resistance index. Raises NotApplicable where all curves
    are in one medium.
    """
    table = filled(curves)
    rows = []
    for group in groups(table, ("model", "drug", "perturbation", "stage", "hours")):
        if group["medium"].nunique() < 2:
            continue
        plain = [m for m in group["medium"] if (m == reference if reference else m.casefold() in USUAL_MEDIA)]
        for index, curve in group.iterrows():
            if plain and curve["medium"] == plain[0]:
                continue
            rows.append(
                {
                    **{c: curve[c] for c in ("model", "drug", "medium", "perturbation", "stage", "hours")},
                    "reference": plain[0] if plain else "",
                    "_first": index,
                    "_second": group.index[group["medium"] == plain[0]][0] if plain else -1,
                    "_why": "no curve in the reference medium; name it in the option reference",
                }
            )
    if not rows:
        raise NotApplicable("No line was tested in two media.")
    out = _shift(table, rows, alpha, confidence, paired)
    order = ["model", "drug", "medium", "perturbation", "stage", "hours"]
    return out.sort_values(order, kind="mergesort").reset_index(drop=True).loc[:, list(MEDIUM_COLUMNS)]
