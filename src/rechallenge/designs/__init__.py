"""Designs of bench experiments, told from the labels of a table: controls, combinations, stages, times, parents.

Every assay that compares arms of biological replicates shares this: `labels` reads what was done to a group,
`families` plans which arms are compared with which, `contrasts` estimates them and says by which test, `plots` draws
every replicate beside the differences. Nothing here knows what was measured.
"""

from rechallenge.designs.contrasts import BLOCKED, FALLS, RESTORED, RISES, UNCHANGED, UNTESTED, contrasts
from rechallenge.designs.families import Planned, families, stage_number
from rechallenge.designs.labels import added, control_of, controls, done, is_control, meaning, parts

__all__ = [
    "BLOCKED",
    "FALLS",
    "RESTORED",
    "RISES",
    "UNCHANGED",
    "UNTESTED",
    "Planned",
    "added",
    "contrasts",
    "control_of",
    "controls",
    "done",
    "families",
    "is_control",
    "meaning",
    "parts",
    "stage_number",
]
