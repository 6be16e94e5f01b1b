"""Dose-response: plates to viability, viability to IC50, IC50 to resistance index, and what moves it.

Works on plain tables, without a study::

    from rechallenge import dose_response

    curves = dose_response.fit_curves(df)                       # model, drug, dose_um, viability, replicate
    dose_response.compare(curves, {"Huh-7 LR": "Huh-7 P"})      # resistance index with interval and test

In a study the same functions run as steps: `responses`, `plate_quality`, `curves`, `resistance_index`,
`cross_resistance`, `stage_trend`, `perturbation_shift`, `medium_shift`.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from rechallenge.assays.dose_response.claims import perturbation_claims, resistance_claims, stage_claims
from rechallenge.assays.dose_response.contract import PLATES, VIABILITY
from rechallenge.assays.dose_response.curves import curves
from rechallenge.assays.dose_response.figures import (
    dose_response_curves,
    medium_curves,
    perturbation_curves,
    stage_curves,
)
from rechallenge.assays.dose_response.metrics import drug_sensitivity_score, growth_rate_metrics
from rechallenge.assays.dose_response.normalise import growth_rate_value, responses
from rechallenge.assays.dose_response.perturbations import parse as parse_perturbation
from rechallenge.assays.dose_response.quality import plate_quality
from rechallenge.assays.dose_response.resistance import compare, cross_resistance, resistance_index
from rechallenge.assays.dose_response.shifts import medium_shift, perturbation_shift
from rechallenge.assays.dose_response.summaries import (
    cross_resistance_matrix,
    medium_forest,
    perturbation_forest,
    plate_maps,
    resistance_forest,
    stage_trend_figure,
)
from rechallenge.assays.dose_response.trend import stage_trend

__all__ = [
    "PLATES",
    "VIABILITY",
    "compare",
    "cross_resistance",
    "cross_resistance_matrix",
    "curves",
    "dose_response_curves",
    "drug_sensitivity_score",
    "fit_curves",
    "growth_rate_metrics",
    "growth_rate_value",
    "medium_curves",
    "medium_forest",
    "medium_shift",
    "parse_perturbation",
    "perturbation_claims",
    "perturbation_curves",
    "perturbation_forest",
    "perturbation_shift",
    "plate_maps",
    "plate_quality",
    "resistance_claims",
    "resistance_forest",
    "resistance_index",
    "responses",
    "stage_claims",
    "stage_curves",
    "stage_trend",
    "stage_trend_figure",
]


def fit_curves(table: pd.DataFrame, **options: Any) -> pd.DataFrame:
    """All dose-response curves of a table of viabilities or raw signals: the table `curves`.

    `table` holds model (or cell_line), drug (or compound), dose_um (or dose) in µM and viability (fraction of vehicle)
    or signal with well_type; replicate, plate and the columns that tell curves apart (perturbation, medium, stage,
    hours) where there are any. Without `replicate` all rows are one biological
    replicate, of which the rows of a dose are technical wells (n = 1, no test): plates are not taken for replicates.
    Options of `responses`
    (vehicle, centre, positive) and of `curves` are passed on. Raises ValueError where a column is missing or an
    option unknown, `rechallenge.faults.NotApplicable` where nothing can be fitted.
    """
    from rechallenge.analysis import step_of

    of_wells, of_curves = step_of(responses).options, step_of(curves).options
    unknown = sorted(set(options) - {*of_wells, *of_curves})
    if unknown:
        raise ValueError(f"unknown option {', '.join(unknown)}; known are {', '.join([*of_wells, *of_curves])}")
    viability = responses(table, **{k: v for k, v in options.items() if k in of_wells})
    return curves(viability, **{k: v for k, v in options.items() if k in of_curves})
