"""Single cells: from parental to resistant, state by state.

Counts stay in their files and are read piece by piece (`reading.counts`, `reading.chunks`); every result is a table
keyed by data set and cell, state or sample. Cells are not replicates: what is compared is compared over samples.
"""

from __future__ import annotations

from rechallenge.omics.cells.annotated import annotated
from rechallenge.omics.cells.composition import state_composition, state_markers, state_shifts
from rechallenge.omics.cells.contract import CELLS
from rechallenge.omics.cells.quality import cell_quality
from rechallenge.omics.cells.reading import Chunk, Counts, chunks, counts, genes, kept
from rechallenge.omics.cells.states import cell_states
from rechallenge.omics.cells.trajectory import trajectory

__all__ = [
    "CELLS",
    "Chunk",
    "Counts",
    "annotated",
    "cell_quality",
    "cell_states",
    "chunks",
    "counts",
    "genes",
    "kept",
    "state_composition",
    "state_markers",
    "state_shifts",
    "trajectory",
]
