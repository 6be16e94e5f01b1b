"""Target engagement in cells: what the drug stabilises against heat or protects from a protease.

Thermal proteome profiling, CETSA by western blot, PISA and DARTS in one table kind; the design is read off the rows:

- six or more temperatures and a proteome: melting curves, F test with empirical degrees of freedom (NPARC)
- three or more doses, at one temperature or several: sigmoid dose responses whose EC50 shifts with temperature
- fewer temperatures, or pooled ones: soluble amounts by moderated t
- few proteins (bands), or a protease: the fraction that withstands it, by replicate
"""

from __future__ import annotations

from rechallenge.assays.thermal_shift.contract import THERMAL_SHIFT
from rechallenge.assays.thermal_shift.dose_figure import thermal_shift_doses_figure
from rechallenge.assays.thermal_shift.findings import (
    thermal_shift_claims,
    thermal_shift_melting,
    thermal_shift_normalisation,
    thermal_shift_volcano,
)
from rechallenge.assays.thermal_shift.shift import thermal_shift

__all__ = [
    "THERMAL_SHIFT",
    "thermal_shift",
    "thermal_shift_claims",
    "thermal_shift_doses_figure",
    "thermal_shift_melting",
    "thermal_shift_normalisation",
    "thermal_shift_volcano",
]
