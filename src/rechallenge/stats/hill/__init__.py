"""Dose-response curves in bulk: the four-parameter log-logistic (Hill) model and what is read from it."""

from rechallenge.stats.hill.fit import fit_hill
from rechallenge.stats.hill.intervals import DoseInterval, ec50_interval, ic50_interval
from rechallenge.stats.hill.ratio import DoseRatio, log_ratio
from rechallenge.stats.hill.types import AT_BOUND, PARAMETERS, REASON_TEXT, Bounds, DoseMeans, HillFits, Reason

__all__ = [
    "AT_BOUND",
    "PARAMETERS",
    "REASON_TEXT",
    "Bounds",
    "DoseInterval",
    "DoseMeans",
    "DoseRatio",
    "HillFits",
    "Reason",
    "ec50_interval",
    "fit_hill",
    "ic50_interval",
    "log_ratio",
]
