"""Differential counts: size factors, dispersions, negative-binomial tests, all features at once."""

from rechallenge.stats.counts.analyse import CountFit, CountTest, fit_counts, likelihood_ratio, shrink, wald
from rechallenge.stats.counts.sizes import size_factors

__all__ = ["CountFit", "CountTest", "fit_counts", "likelihood_ratio", "shrink", "size_factors", "wald"]
