"""Finding drugs, genes, metabolites and cell lines by any of their names.

Each function takes names and gives one row per name, in the given order: `name`, `status`, what it is, `candidates`
(a list) and `note`. A name that could be several things is `ambiguous` and lists them; one that is not known is
`unknown`. Nothing is guessed from similarity. The starter set is asked first, then what is installed.
"""

from __future__ import annotations

from rechallenge.knowledge.resolve.cells import cell_lines
from rechallenge.knowledge.resolve.drugs import drugs
from rechallenge.knowledge.resolve.genes import genes
from rechallenge.knowledge.resolve.metabolites import metabolites
from rechallenge.knowledge.resolve.names import unresolved

__all__ = ["cell_lines", "drugs", "genes", "metabolites", "unresolved"]
