"""Questions that the knowledge tables answer, each answer with its sources.

`drugs_for` and `targets_of` (which drug reaches which gene), `achievable` (can a patient have this concentration),
`hepatic`, `approvals_of`, `unknowns` (what the tables cannot say of a drug), `is_hepatocyte`, `gene_sets`
and `regulons` (the study's own, built-in and installed), and `describe`: everything that is known of a name, as plain
text.
"""

from __future__ import annotations

from rechallenge.knowledge.questions.collections import gene_sets, regulons, set_titles
from rechallenge.knowledge.questions.exposure import Achievable, achievable
from rechallenge.knowledge.questions.facts import (
    Answer,
    approvals_of,
    hepatic,
    is_hepatocyte,
    one_drug,
    one_gene,
    unknowns,
)
from rechallenge.knowledge.questions.show import describe
from rechallenge.knowledge.questions.targets import drugs_for, targets_of

__all__ = [
    "Achievable",
    "Answer",
    "achievable",
    "approvals_of",
    "describe",
    "drugs_for",
    "gene_sets",
    "hepatic",
    "is_hepatocyte",
    "one_drug",
    "one_gene",
    "regulons",
    "set_titles",
    "targets_of",
    "unknowns",
]
