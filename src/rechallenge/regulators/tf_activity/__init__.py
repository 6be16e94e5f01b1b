"""Activity of transcription factors, and which of them may control a gene.

`activity` scores factors by how their targets changed, against permuted regulons; `control` asks for a chosen or a
strongly changed gene which factors have a motif or a curated edge to it, are active in the same direction and have
changed themselves.
"""

from __future__ import annotations

from rechallenge.knowledge.questions.collections import regulons as edges
from rechallenge.regulators.tf_activity.activity import (
    REGULONS,
    ranking,
    tf_activities,
    tf_activity,
    tf_claims,
)
from rechallenge.regulators.tf_activity.control import regulator_claims, regulator_table, regulators
from rechallenge.regulators.tf_activity.hints import hint_claims, regulator_hints
from rechallenge.stats.networks import calibrated, network, permuted, ulm

__all__ = [
    "REGULONS",
    "calibrated",
    "edges",
    "hint_claims",
    "network",
    "permuted",
    "ranking",
    "regulator_claims",
    "regulator_hints",
    "regulator_table",
    "regulators",
    "tf_activities",
    "tf_activity",
    "tf_claims",
    "ulm",
]
