"""Do data sets agree? Heterogeneity is the headline, not a count of votes.

Every data set gives one estimate per gene: several lines that share their parental samples are one data set, their
effects averaged and their common control accounted for; data sets that share samples or a line count as one. Where
enough data sets have standard errors, genes are pooled by random effects (REML) with the Hartung-Knapp interval, I2 and
the interval in which the next data set is expected; where most have fold changes alone, genes are compared by their
ranks. Programmes are counted over data sets against what chance gives.
"""

from rechallenge.omics.concordance.analyses import concordance
from rechallenge.omics.concordance.findings import agreement_map, concordance_claims, concordance_forest
from rechallenge.omics.concordance.pathways import pathway_claims, pathway_panel, pathway_proportions

__all__ = [
    "agreement_map",
    "concordance",
    "concordance_claims",
    "concordance_forest",
    "pathway_claims",
    "pathway_panel",
    "pathway_proportions",
]
