"""Library screen beside an anchor drug: which compounds, and which classes of them, make its response stronger?

Hundreds to thousands of compounds on plates with and without the drug in question, one or several doses, one or several
replicates. `screen_wells` puts wells on one scale, `screen_plates` judges the plates, `screen_hits` gives every
compound its interaction with the anchor, its toxicity, selectivity and whether patients reach the dose, and
`screen_classes` asks which classes are shifted as a whole.
"""

from __future__ import annotations

from rechallenge.assays.screen.claims import screen_claims, screen_target_claims
from rechallenge.assays.screen.classes import screen_classes
from rechallenge.assays.screen.contract import SCREEN
from rechallenge.assays.screen.figures import (
    screen_alone_both,
    screen_class_members,
    screen_plate_maps,
    screen_volcano,
    screen_window,
)
from rechallenge.assays.screen.hits import screen_hits
from rechallenge.assays.screen.normalise import screen_wells
from rechallenge.assays.screen.quality import screen_plates

__all__ = [
    "SCREEN",
    "screen_alone_both",
    "screen_claims",
    "screen_class_members",
    "screen_classes",
    "screen_hits",
    "screen_plate_maps",
    "screen_plates",
    "screen_target_claims",
    "screen_volcano",
    "screen_wells",
    "screen_window",
]
