"""Pretreat, wash, re-challenge: does a pretreatment give cells their sensitivity back?

For every model, pretreatment and dose of the challenging drug, on log2 viability (biological replicate as the unit):

- `pretreatment`: pretreated against vehicle-pretreated cells, both without challenge (the pretreatment itself)
- `challenge`: with against without challenge, after the same pretreatment (survival under challenge)
- `interaction`: the challenge effect after the pretreatment minus that after vehicle. Below 0 the same challenge kills
  a larger fraction of the cells that the pretreatment left: sensitivity is restored. A fall in viability that the
  pretreatment causes by itself is in the first contrast and not in this one.

Where the viabilities without challenge are all exactly 1 they were divided by themselves, and what the pretreatment
alone does cannot be seen in them.
"""

from __future__ import annotations

from rechallenge.assays.schedule.contract import SCHEDULE, drug_and_dose
from rechallenge.assays.schedule.contrasts import (
    PROTECTS,
    RESTORES,
    RESTORES_TOXIC,
    TOXIC,
    UNCHANGED,
    replicate_means,
    schedule,
)
from rechallenge.assays.schedule.findings import schedule_claims, schedule_forest, schedule_viability
from rechallenge.contrasts import is_vehicle

__all__ = [
    "PROTECTS",
    "RESTORES",
    "RESTORES_TOXIC",
    "SCHEDULE",
    "TOXIC",
    "UNCHANGED",
    "drug_and_dose",
    "is_vehicle",
    "replicate_means",
    "schedule",
    "schedule_claims",
    "schedule_forest",
    "schedule_viability",
]
