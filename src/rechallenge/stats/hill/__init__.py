"""Dose-response curves in bulk: the four-parameter log-logistic (Hill) model and what is read from it."""

from rechallenge.stats.hill.fit import fit_hill
from rechallenge.stats.hill.types import AT_BOUND, PARAMETERS, REASON_TEXT, Bounds, DoseMeans, HillFits, Reason

__all__ = ["AT_BOUND", "PARAMETERS", "REASON_TEXT", "Bounds", "DoseMeans", "HillFits", "Reason", "fit_hill"]
