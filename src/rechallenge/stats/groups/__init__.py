"""Comparisons between the groups of one experiment; `compare` says which design has which test."""

from rechallenge.stats.groups.compare import Compared, Comparison, Variances, compare

__all__ = ["Compared", "Comparison", "Variances", "compare"]
