"""Conditioned medium: is resistance carried by what cells secrete, and by what?

A recipient line is treated with a drug in conditioned medium, as it is and modified. Contrasts for every recipient and
drug (biological replicate as the unit):

- `medium`: conditioned medium against the medium of the parental line under the same treatment, else fresh
- `donor treatment`: medium of treated cells against that of the same cells without that drug: what a drug given to the
  donor does to what it secretes, a claim about that drug
- `lost`, `blocked`: medium with something taken away (freeze-thaw, no exosomes, anti-IL6) against the same unmodified
- `added`, `restored`: medium with something put in (+IL6), against the same medium without it

The effect is the shift of log2 IC50 where both arms have four or more doses and every replicate's IC50 lies inside
them; else the difference of log2 survival under the drug (viability over that without drug in the same medium, where
it was measured), averaged over the common doses. Above 0: the recipient is protected.

What is taken away and lowers survival promotes resistance, as does what is put in and raises it: an antibody that makes
cells more sensitive speaks of a factor that makes them resistant.
"""

from __future__ import annotations

from rechallenge.assays.transfer.contract import TRANSFER
from rechallenge.assays.transfer.contrasts import replicate_means, transfer
from rechallenge.assays.transfer.findings import transfer_claims, transfer_forest, transfer_viability
from rechallenge.assays.transfer.labels import factor, parse_medium, parse_modifier

__all__ = [
    "TRANSFER",
    "factor",
    "parse_medium",
    "parse_modifier",
    "replicate_means",
    "transfer",
    "transfer_claims",
    "transfer_forest",
    "transfer_viability",
]
