"""Drug combinations: reference models, scores with intervals, combination index and a parametric surface.

`collect` makes a `Surface` of wells; `score` gives the mean excess over a reference model, `cell_tests` the excess per
combination with FDR, `surface_test` one test of all, `sign_map` where it is synergy and where antagonism;
`combination_index` is Chou and Talalay's method on a ray; `fit_braid` fits one surface with one interaction parameter.
Effects are inhibition as a fraction, scores per cent of inhibition; positive is synergy.
"""

from rechallenge.stats.synergy.braid import BraidFit, braid, fit_braid
from rechallenge.stats.synergy.cells import CellTests, SignRegion, SurfaceTest, cell_tests, sign_map, surface_test
from rechallenge.stats.synergy.chou import (
    CellIndex,
    ChouTalalay,
    MedianEffect,
    cell_index,
    combination_index,
    median_effect,
    rays,
)
from rechallenge.stats.synergy.excess import METHODS, Excess, excess
from rechallenge.stats.synergy.inference import Score, replicate_values, score, within
from rechallenge.stats.synergy.isobole import Isobole, isobole
from rechallenge.stats.synergy.margins import identifiable
from rechallenge.stats.synergy.reference import Hill, bliss, hsa, loewe
from rechallenge.stats.synergy.types import Surface, collect

__all__ = [
    "METHODS",
    "BraidFit",
    "CellIndex",
    "CellTests",
    "ChouTalalay",
    "Excess",
    "Hill",
    "Isobole",
    "MedianEffect",
    "Score",
    "SignRegion",
    "Surface",
    "SurfaceTest",
    "bliss",
    "braid",
    "cell_index",
    "cell_tests",
    "collect",
    "combination_index",
    "excess",
    "fit_braid",
    "hsa",
    "identifiable",
    "isobole",
    "loewe",
    "median_effect",
    "rays",
    "replicate_values",
    "score",
    "sign_map",
    "surface_test",
    "within",
]
