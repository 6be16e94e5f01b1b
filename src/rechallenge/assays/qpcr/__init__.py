"""Quantitative PCR: expression relative to references, copies of mitochondrial DNA, chromatin as per cent of input."""

from __future__ import annotations

from rechallenge.assays.qpcr.comparing import qpcr
from rechallenge.assays.qpcr.contract import QPCR, factor
from rechallenge.assays.qpcr.expression import amounts, efficiencies, per_replicate, stability, wells, with_roles
from rechallenge.assays.qpcr.findings import qpcr_claims, qpcr_fold_changes, qpcr_moved_claims, qpcr_standards
from rechallenge.assays.qpcr.reading import read_qpcr

__all__ = [
    "QPCR",
    "amounts",
    "efficiencies",
    "factor",
    "per_replicate",
    "qpcr",
    "qpcr_claims",
    "qpcr_fold_changes",
    "qpcr_moved_claims",
    "qpcr_standards",
    "read_qpcr",
    "stability",
    "wells",
    "with_roles",
]
