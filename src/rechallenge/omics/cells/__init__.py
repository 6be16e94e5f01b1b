"""Single cells: from parental to resistant, state by state.

Counts stay in their files and are read piece by piece (`reading.counts`, `reading.chunks`); every result is a table
keyed by data set and cell, state or sample. Cells are not replicates: what is compared is compared over samples.
"""

from __future__ import annotations

from rechallenge.omics.cells.contract import CELLS
from rechallenge.omics.cells.reading import Chunk, Counts, chunks, counts, genes, kept

__all__ = ["CELLS", "Chunk", "Counts", "chunks", "counts", "genes", "kept"]
