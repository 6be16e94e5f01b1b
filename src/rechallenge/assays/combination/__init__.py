"""Combinations: is a pair synergistic, at doses that a patient can have, and does it spare normal cells?

Works on plain tables, without a study::

    from rechallenge.assays import combination

    responses = combination.combination_responses(df)    # model, drug_a, dose_a_um, drug_b, dose_b_um, replicate, ...
    tables = combination.synergy(responses)               # scores, cells, combination indices, isoboles, surface

In a study the same functions run as steps: `combination_responses`, `combination_windows` (what patients reach),
`synergy` (six tables), `synergy_regions` (where on the surface, with which sign), `combination_selectivity` and
`combinations`, the ranked summary.

Effects are per cent of inhibition; positive excess is synergy. The biological replicate is the unit.
"""

from __future__ import annotations

from rechallenge.assays.combination.claims import combination_claims
from rechallenge.assays.combination.contract import COMBINATION
from rechallenge.assays.combination.figures import chou_talalay_plots, dose_matrices, synergy_forest
from rechallenge.assays.combination.regions import synergy_regions
from rechallenge.assays.combination.responses import combination_responses
from rechallenge.assays.combination.scores import synergy
from rechallenge.assays.combination.selectivity import combination_selectivity
from rechallenge.assays.combination.verdicts import combinations
from rechallenge.assays.combination.windows import combination_windows

__all__ = [
    "COMBINATION",
    "chou_talalay_plots",
    "combination_claims",
    "combination_responses",
    "combination_selectivity",
    "combination_windows",
    "combinations",
    "dose_matrices",
    "synergy",
    "synergy_forest",
    "synergy_regions",
]
