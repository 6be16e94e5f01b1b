"""Bench read-outs of any kind: groups compared as their design asks, and read-outs that follow resistance.

Technical measurements are averaged and the biological replicate is the unit. What is compared with what, and by which
test, follows from the table (groups, control, combined groups, stages, times, resistant line and parent; experiments
as blocks) and is said with every result.
"""

from __future__ import annotations

from rechallenge.assays.measurements.comparing import comparisons
from rechallenge.assays.measurements.contract import MEASUREMENTS, replicate_means, scale_of
from rechallenge.assays.measurements.figures import estimation_plots, stage_read_outs
from rechallenge.assays.measurements.findings import comparison_claims, gradient_claims, moved_claims
from rechallenge.assays.measurements.gradient import stage_correlation
from rechallenge.assays.measurements.reading import read_measurements, read_pzfx
from rechallenge.designs import done, is_control, meaning, parts

__all__ = [
    "MEASUREMENTS",
    "comparison_claims",
    "comparisons",
    "done",
    "estimation_plots",
    "gradient_claims",
    "is_control",
    "meaning",
    "moved_claims",
    "parts",
    "read_measurements",
    "read_pzfx",
    "replicate_means",
    "scale_of",
    "stage_correlation",
    "stage_read_outs",
]
