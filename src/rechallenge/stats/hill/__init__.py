"""Dose-response curves in bulk: the four-parameter log-logistic (Hill) model and what is read from it."""

from rechallenge.stats.hill.fit import fit_hill
from rechallenge.stats.hill.intervals import DoseInterval, ec50_interval, ic50_interval
from rechallenge.stats.hill.nulls import CurveTest, HookTest, flat_test, hook_flag, lack_of_fit
from rechallenge.stats.hill.ratio import DoseRatio, log_ratio
from rechallenge.stats.hill.shared import RatioInterval, SharedFit, fit_shared
from rechallenge.stats.hill.types import AT_BOUND, PARAMETERS, REASON_TEXT, Bounds, DoseMeans, HillFits, Reason

__all__ = [
    "AT_BOUND",
    "PARAMETERS",
    "REASON_TEXT",
    "Bounds",
    "CurveTest",
    "DoseInterval",
    "DoseMeans",
    "DoseRatio",
    "HillFits",
    "HookTest",
    "RatioInterval",
    "Reason",
    "SharedFit",
    "ec50_interval",
    "fit_hill",
    "fit_shared",
    "flat_test",
    "hook_flag",
    "ic50_interval",
    "lack_of_fit",
    "log_ratio",
]
