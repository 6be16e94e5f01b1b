"""Do data sets agree on a gene? Heterogeneity is the headline, not a count of votes.

Every data set gives one estimate per gene: several lines that share their parental samples are one data set, their
effects averaged and their common control accounted for. Where enough data sets have standard errors, genes are pooled
by random effects (REML) with the Hartung-Knapp interval, I2 and the interval in which the next data set is expected;
where most have fold changes alone, genes are compared by their ranks.
"""

from rechallenge.omics.concordance.analyses import concordance
from rechallenge.omics.concordance.findings import agreement_map, concordance_claims, concordance_forest

__all__ = ["agreement_map", "concordance", "concordance_claims", "concordance_forest"]
