"""Protein-interaction modules of the genes that change with resistance.

The genes called in a contrast are joined by the study's own interaction table (`interactions`, a STRING export) or by
the installed `string_links`. Whether they are joined more than genes with as many partners is tested; communities and
dense cores describe which of them belong together. A module is a description of a list, no evidence for one gene.
"""

from rechallenge.omics.modules.analyses import modules
from rechallenge.omics.modules.contract import INTERACTIONS
from rechallenge.omics.modules.figures import module_network

__all__ = ["INTERACTIONS", "module_network", "modules"]
