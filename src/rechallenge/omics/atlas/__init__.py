"""Atlas: which enzyme a metabolic change rests on, and the drawn map of the reprogramming.

Transcriptome, proteome, metabolome, tracing and stages are layers with a sign (`layers`). For each enzyme of a curated
core (`footprints`) the metabolites that it makes are scored and tested by rotation of the samples, and the layers are
joined (`concordance`: tables `enzymes`, `enzyme_metabolites`, `enzyme_pathways`). `keys` names the key enzymes with
every piece of evidence in sight and says which isozyme carries a reaction; `figures` draws the map (`drawing`, layout
in `map_*.csv`); `claims` are the rows of Evidence.
"""

from rechallenge.omics.atlas.claims import enzyme_claims, inhibitor_claims
from rechallenge.omics.atlas.concordance import enzymes
from rechallenge.omics.atlas.figures import atlas_map, enzyme_discordance, enzyme_ranks
from rechallenge.omics.atlas.figures_keys import key_enzyme_evidence
from rechallenge.omics.atlas.keys import isozymes, key_enzymes

__all__ = [
    "atlas_map",
    "enzyme_claims",
    "enzyme_discordance",
    "enzyme_ranks",
    "enzymes",
    "inhibitor_claims",
    "isozymes",
    "key_enzyme_evidence",
    "key_enzymes",
]
