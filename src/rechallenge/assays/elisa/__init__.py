"""ELISA: a standard curve per plate, concentrations inside its working range, amounts per cell, groups compared."""

from __future__ import annotations

from rechallenge.assays.elisa.concentrations import calibrate, elisa
from rechallenge.assays.elisa.contract import ELISA
from rechallenge.assays.elisa.findings import elisa_claims, elisa_groups, elisa_moved_claims, elisa_standard_curves
from rechallenge.assays.elisa.reading import read_elisa

__all__ = [
    "ELISA",
    "calibrate",
    "elisa",
    "elisa_claims",
    "elisa_groups",
    "elisa_moved_claims",
    "elisa_standard_curves",
    "read_elisa",
]
