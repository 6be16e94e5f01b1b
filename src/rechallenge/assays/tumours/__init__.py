"""Tumours in animals: growth, inhibition, responses, time to the end point, and what the animals tolerate.

    log volume ~ day + day:A + day:B + day:A:B + (1 + day | animal)

The animal is the unit. The A x B slope asks for Bliss independence in growth-rate terms; a combination is better than
its parts only where it grows slower than both. Arms are read from their labels (`vehicle`, `lenvatinib 5 mg/kg`,
`lenvatinib + epalrestat`, `shAKR1B1 + lenvatinib`); designs with one animal per arm and many models are compared over
models. Animals that leave early are counted at every step, and estimates stand beside those of the common follow-up.
"""

from __future__ import annotations

from rechallenge.assays.tumours.arms import parse_arm, parse_arms
from rechallenge.assays.tumours.contract import BODY_WEIGHT, ORGANS, TUMOURS
from rechallenge.assays.tumours.endpoint import kaplan_meier, log_rank, tumour_endpoint
from rechallenge.assays.tumours.figures import (
    organ_values,
    power_curves,
    tumour_curves,
    tumour_forest,
    tumour_survival,
    tumour_waterfall,
    weight_curves,
)
from rechallenge.assays.tumours.findings import (
    organ_claims,
    tolerability_claims,
    tumour_endpoint_claims,
    tumour_growth_claims,
)
from rechallenge.assays.tumours.growth import tumour_growth
from rechallenge.assays.tumours.inhibition import tumour_tgi
from rechallenge.assays.tumours.power import tumour_power
from rechallenge.assays.tumours.response import call, tumour_response
from rechallenge.assays.tumours.tolerability import organ_effects, tolerability

__all__ = [
    "BODY_WEIGHT",
    "ORGANS",
    "TUMOURS",
    "call",
    "kaplan_meier",
    "log_rank",
    "organ_claims",
    "organ_effects",
    "organ_values",
    "parse_arm",
    "parse_arms",
    "power_curves",
    "tolerability",
    "tolerability_claims",
    "tumour_curves",
    "tumour_endpoint",
    "tumour_endpoint_claims",
    "tumour_forest",
    "tumour_growth",
    "tumour_growth_claims",
    "tumour_power",
    "tumour_response",
    "tumour_survival",
    "tumour_tgi",
    "tumour_waterfall",
    "weight_curves",
]
