"""What patients reach of every drug: the limits within which a combination is scored again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.assays.combination.wells import DOSES, DRUGS

#: what a study may call its own values, by what they limit
STUDY = "the study's own value"
COLUMNS = (
    "drug", "total_um", "total_source", "free_um", "free_source", "dose_min_um", "dose_max_um", "n_doses",
    "n_doses_total", "n_doses_free", "status", "reason",
)  # fmt: skip


def limits_of(drug: str, exposures: pd.DataFrame | None = None) -> dict[str, Any]:
    """Total and free plasma concentration (µM) of a drug with their sources; NaN and '' where unknown.

    The study's own values go first, each for itself; the knowledge tables fill what it does not say. `reason` says
    what is unknown.
    """
    from rechallenge.knowledge.errors import KnowledgeError
    from rechallenge.knowledge.questions.exposure import achievable
    from rechallenge.knowledge.questions.own import own_exposure

    out: dict[str, Any] = {"total_um": np.nan, "total_source": "", "free_um": np.nan, "free_source": ""}
    said = ""
    try:
        known = achievable(drug, 1.0)
        out |= {"total_um": known.total_um, "total_source": known.total_source}
        out |= {"free_um": known.free_um, "free_source": known.free_basis}
        contested = known.rows[known.rows["confidence"] == "contested"] if len(known.rows) else known.rows
        if np.isnan(known.total_um):
            said = f"no sourced plasma concentration of {drug}"
            said += " (contested values only)" if len(contested) else ""
    except KnowledgeError:
        said = f"{drug} is not in the knowledge tables"
    own = own_exposure(exposures, drug)
    if "total" in own:
        out |= {"total_um": own["total"], "total_source": STUDY}
    if "free" in own:
        out |= {"free_um": own["free"], "free_source": STUDY}
    elif "unbound" in own and out["total_um"] == out["total_um"]:
        free = float(out["total_um"]) * own["unbound"]
        out |= {"free_um": free, "free_source": f"{STUDY}: unbound fraction {own['unbound']:.3g}"}
    elif "total" in own:
        # a free concentration computed from another total does not belong to the study's own
        out |= {"free_um": np.nan, "free_source": ""}
    known_both = out["total_um"] == out["total_um"], out["free_um"] == out["free_um"]
    reason = "" if all(known_both) else f"no free concentration of {drug} is known" if known_both[0] else said
    return {**out, "reason": reason}


def _methods(combination_windows: pd.DataFrame) -> str:
    own = combination_windows["total_source"].eq(STUDY).any() if len(combination_windows) else False
    source = "the study's own values where given, else " if own else ""
    return (
        "Achievable concentrations of every drug were the highest sourced total plasma concentration and the highest "
        f"free one ({source}the knowledge tables); where one is unknown no window was made of it."
    )


@analysis(
    title="Achievable concentrations of the combined drugs",
    methods=_methods,
    formula="share of the tested doses at or below Cmax, total and free; free = total x unbound fraction",
    oracle=("No outside reference: a lookup; what is unknown stays unknown (tests/assays/test_combination_claims.py)"),
    limits=(
        "Plasma is not tumour: neither penetration nor time course is known to it. Published concentrations of "
        "one drug differ several-fold between regimens."
    ),
)
def combination_windows(combination_responses: pd.DataFrame, exposures: pd.DataFrame | None = None) -> pd.DataFrame:
    """One row per drug: total and free plasma concentration with source, and how many tested doses lie within each.

    `status`: "estimated" where both are known, else "not_estimable" with what is unknown in `reason` (the total one may
    be known all the same). `exposures` are the study's own values (quantity cmax_total, cmax_free or fraction_unbound,
    in µM).
    """
    tested: dict[str, set[float]] = {}
    for drug, dose in zip(DRUGS, DOSES, strict=True):
        for name, values in combination_responses.groupby(drug, sort=True)[dose]:
            if name:
                tested.setdefault(str(name), set()).update(float(v) for v in values if v > 0)
    rows = []
    for name in sorted(tested):
        doses = np.array(sorted(tested[name]))
        found = limits_of(name, exposures)
        rows.append(
            {
                "drug": name,
                **found,
                "dose_min_um": doses.min() if doses.size else np.nan,
                "dose_max_um": doses.max() if doses.size else np.nan,
                "n_doses": doses.size,
                "n_doses_total": int((doses <= found["total_um"]).sum()),
                "n_doses_free": int((doses <= found["free_um"]).sum()),
                "status": "not_estimable" if found["reason"] else "estimated",
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))
