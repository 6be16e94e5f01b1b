"""Bulk transcriptomes and proteomes: what differs between resistant and parental, treated and control, and by stage.

Data sets come as matrices of counts, of TPM, FPKM or CPM, of logarithms or of intensities, each with a sheet of
samples. Every contrast that the study's models, treatments and stages define is tested: counts by negative-binomial
regression, everything else by moderated t. Without biological replicates differences are given and nothing is tested.
"""

from rechallenge.omics.expression.contract import CONTRAST_RESULTS, EXPRESSION, PROTEINS
from rechallenge.omics.expression.differential import (
    differential,
    given_differential,
    protein_differential,
    rna_differential,
)
from rechallenge.omics.expression.intersections import line_intersections
from rechallenge.omics.expression.reversal import reversal
from rechallenge.omics.expression.reversal_findings import reversal_claims, reversal_map
from rechallenge.omics.expression.samples import expression_quality
from rechallenge.omics.expression.several import group_tests
from rechallenge.omics.expression.shared import shared_genes

__all__ = [
    "CONTRAST_RESULTS",
    "EXPRESSION",
    "PROTEINS",
    "differential",
    "expression_quality",
    "given_differential",
    "group_tests",
    "line_intersections",
    "protein_differential",
    "reversal",
    "reversal_claims",
    "reversal_map",
    "rna_differential",
    "shared_genes",
]
