"""Binding of a drug to a protein: kinetics (BLI, SPR), equilibrium, mutants, and docking scores as knowledge.

A KD is a number only where the data bound it on both sides and the highest concentration reaches it; else it is a
bound, or not estimable, with the reason. A mutant is unchanged only by equivalence.
"""

from __future__ import annotations

from rechallenge.assays.binding.affinity import binding
from rechallenge.assays.binding.contract import BINDING, DOCKING
from rechallenge.assays.binding.docking import docking, docking_claims
from rechallenge.assays.binding.findings import (
    binding_claims,
    binding_constants,
    binding_isotherms,
    binding_sensorgrams,
)

__all__ = [
    "BINDING",
    "DOCKING",
    "binding",
    "binding_claims",
    "binding_constants",
    "binding_isotherms",
    "binding_sensorgrams",
    "docking",
    "docking_claims",
]
