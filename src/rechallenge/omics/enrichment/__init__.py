"""What changed together: gene sets on the ranking of a contrast, on the genes called in it, and in every sample.

The universe is always the genes that were tested. Collections are the study's own (`gene_sets`), the built-in
programmes of resistance, and those that were installed (Hallmark, Reactome, WikiPathways, GO).
"""

from rechallenge.omics.enrichment.analyses import enrichment, gene_enrichment
from rechallenge.omics.enrichment.samples import programme_scores, sample_enrichment
from rechallenge.omics.enrichment.sets import GENE_SETS

__all__ = ["GENE_SETS", "enrichment", "gene_enrichment", "programme_scores", "sample_enrichment"]
