"""Isotopologues that stand for a route, named before the data are seen, for each tracer.

The list follows Buescher et al. 2015 (doi:10.1016/j.copbio.2015.02.003); for the polyol pathway the carbon skeleton of
glucose is kept whole. Each route is the textbook meaning in the first pass of the label; exchange and recycling blur
it, and a share says nothing of a rate unless the label stands still.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from rechallenge.knowledge import resolve
from rechallenge.omics.tracing.isotopes import Tracer

ROADMAP = "doi:10.1016/j.copbio.2015.02.003"


@dataclass(frozen=True)
class Route:
    """A metabolite's isotopologues (mass shifts, summed) that show a pathway for one tracer; ``genes`` are the enzymes
    (or subunits, or isozymes) without which that label does not arise by the route, the last step where it has many."""

    tracer: str
    metabolite: str
    shifts: tuple[int, ...]
    pathway: str
    meaning: str
    genes: tuple[str, ...] = ()


#: (tracer, metabolite, shifts) -> enzymes of the step that puts the label there. Isozymes stand together: the label
#: does not tell them apart. Routes with many steps (glycolysis to pyruvate, a whole turn of the TCA cycle) name none.
GENES: dict[tuple[str, str, tuple[int, ...]], tuple[str, ...]] = {
    ("13C U glucose", "lactate", (3,)): ("LDHA",),
    ("13C U glucose", "alanine", (3,)): ("GPT", "GPT2"),
    ("13C U glucose", "glycerol-3-phosphate", (3,)): ("GPD1", "GPD1L"),
    ("13C U glucose", "serine", (3,)): ("PHGDH",),
    ("13C U glucose", "glycine", (2,)): ("SHMT1", "SHMT2"),
    ("13C U glucose", "citrate", (2,)): ("PDHA1",),
    ("13C U glucose", "citrate", (3,)): ("PC",),
    ("13C U glucose", "malate", (3,)): ("PC",),
    ("13C U glucose", "aspartate", (3,)): ("PC",),
    ("13C U glucose", "sorbitol", (6,)): ("AKR1B1",),
    ("13C U glucose", "fructose", (6,)): ("SORD",),
    ("13C U glucose", "UDP-N-acetylglucosamine", (6,)): ("GFPT1", "GFPT2"),
    ("13C U glutamine", "glutamate", (5,)): ("GLS", "GLS2"),
    ("13C U glutamine", "citrate", (5,)): ("IDH1", "IDH2"),
    ("13C U glutamine", "malate", (3,)): ("ACLY",),
    ("13C U glutamine", "aspartate", (3,)): ("ACLY",),
    ("13C U glutamine", "proline", (5,)): ("ALDH18A1",),
    ("13C U lactate", "citrate", (2,)): ("PDHA1",),
    ("13C U lactate", "malate", (3,)): ("PC",),
    ("13C 1,2 glucose", "lactate", (1,)): ("G6PD",),
    ("13C 1,2 glucose", "pyruvate", (1,)): ("G6PD",),
    ("13C 1,2 glucose", "ribose-5-phosphate", (1,)): ("G6PD",),
    ("15N amide glutamine", "asparagine", (1,)): ("ASNS",),
    ("15N U glutamine", "asparagine", (2,)): ("ASNS",),
}


def _routes(tracer: str, *rows: tuple[str, tuple[int, ...], str, str]) -> tuple[Route, ...]:
    return tuple(Route(tracer, *row, GENES.get((tracer, row[0], row[1]), ())) for row in rows)


_GLUCOSE = _routes(
    "13C U glucose",
    ("pyruvate", (3,), "glycolysis", "pyruvate from glucose"),
    ("lactate", (3,), "glycolysis", "lactate from glucose"),
    ("alanine", (3,), "glycolysis", "alanine from glucose by way of pyruvate"),
    ("glycerol-3-phosphate", (3,), "glycerolipid synthesis", "glycerol backbone from glucose"),
    ("serine", (3,), "serine synthesis", "serine from glucose"),
    ("glycine", (2,), "serine synthesis", "glycine from glucose by way of serine"),
    ("citrate", (2,), "pyruvate dehydrogenase", "acetyl-CoA from glucose enters the TCA cycle"),
    ("citrate", (3,), "pyruvate carboxylase", "oxaloacetate from pyruvate"),
    ("malate", (3,), "pyruvate carboxylase", "oxaloacetate from pyruvate"),
    ("aspartate", (3,), "pyruvate carboxylase", "oxaloacetate from pyruvate"),
    ("malate", (2,), "pyruvate dehydrogenase", "first turn of the TCA cycle"),
    ("2-oxoglutarate", (2,), "pyruvate dehydrogenase", "first turn of the TCA cycle"),
    ("glutamate", (2,), "pyruvate dehydrogenase", "first turn of the TCA cycle"),
    ("ribose-5-phosphate", (5,), "pentose phosphate pathway", "ribose from glucose"),
    ("sedoheptulose-7-phosphate", (7,), "pentose phosphate pathway", "sedoheptulose from glucose"),
    ("sorbitol", (6,), "polyol pathway", "sorbitol from glucose"),
    ("fructose", (6,), "polyol pathway", "fructose from glucose by way of sorbitol"),
    ("UDP-N-acetylglucosamine", (5,), "ribose of nucleotides", "ribose moiety from glucose"),
    ("UDP-N-acetylglucosamine", (6,), "hexosamine pathway", "glucosamine moiety from glucose"),
    ("glutathione", (2, 3, 4, 5), "glutathione synthesis", "glutathione with carbon of glucose"),
)
_GLUTAMINE = _routes(
    "13C U glutamine",
    ("glutamate", (5,), "glutaminolysis", "glutamate from glutamine"),
    ("2-oxoglutarate", (5,), "glutaminolysis", "2-oxoglutarate from glutamine"),
    ("succinate", (4,), "glutaminolysis", "oxidation of glutamine in the TCA cycle"),
    ("fumarate", (4,), "glutaminolysis", "oxidation of glutamine in the TCA cycle"),
    ("malate", (4,), "glutaminolysis", "oxidation of glutamine in the TCA cycle"),
    ("aspartate", (4,), "glutaminolysis", "oxidation of glutamine in the TCA cycle"),
    ("citrate", (4,), "glutaminolysis", "oxidation of glutamine in the TCA cycle"),
    ("citrate", (5,), "reductive carboxylation", "citrate from glutamine by reversed isocitrate dehydrogenase"),
    ("malate", (3,), "reductive carboxylation", "malate from citrate cleaved after reductive carboxylation"),
    ("aspartate", (3,), "reductive carboxylation", "aspartate from citrate cleaved after reductive carboxylation"),
    ("proline", (5,), "proline synthesis", "proline from glutamine"),
    ("glutathione", (5,), "glutathione synthesis", "glutamate moiety from glutamine"),
)
_OTHERS = (
    *_routes(
        "13C 1,2 glucose",
        ("lactate", (2,), "glycolysis", "lactate straight from glucose"),
        ("lactate", (1,), "pentose phosphate pathway", "lactate after the oxidative pentose phosphate pathway"),
        ("pyruvate", (2,), "glycolysis", "pyruvate straight from glucose"),
        ("pyruvate", (1,), "pentose phosphate pathway", "pyruvate after the oxidative pentose phosphate pathway"),
        ("ribose-5-phosphate", (1,), "pentose phosphate pathway", "ribose by the oxidative branch"),
        ("ribose-5-phosphate", (2,), "pentose phosphate pathway", "ribose by the non-oxidative branch"),
    ),
    *_routes(
        "13C U lactate",
        ("pyruvate", (3,), "lactate uptake", "pyruvate from lactate"),
        ("alanine", (3,), "lactate uptake", "alanine from lactate"),
        ("citrate", (2,), "pyruvate dehydrogenase", "acetyl-CoA from lactate enters the TCA cycle"),
        ("malate", (3,), "pyruvate carboxylase", "oxaloacetate from lactate by way of pyruvate"),
    ),
    *_routes(
        "15N U glutamine",
        ("glutamate", (1,), "glutaminolysis", "amino nitrogen of glutamate from glutamine"),
        ("aspartate", (1,), "transamination", "amino nitrogen of aspartate from glutamine"),
        ("alanine", (1,), "transamination", "amino nitrogen of alanine from glutamine"),
        ("asparagine", (2,), "asparagine synthesis", "both nitrogens of asparagine from glutamine"),
        ("UDP-N-acetylglucosamine", (1, 2, 3), "hexosamine pathway", "nitrogen of glutamine"),
    ),
    *_routes(
        "15N amide glutamine",
        ("asparagine", (1,), "asparagine synthesis", "amide nitrogen from glutamine"),
        ("UDP-N-acetylglucosamine", (1, 2), "hexosamine pathway", "amide nitrogen of glutamine"),
    ),
)
ROUTES: tuple[Route, ...] = (*_GLUCOSE, *_GLUTAMINE, *_OTHERS)
#: peaks that hold other compounds beside the one of the routes, which is the larger part
_PEAKS = {"udphexnac": "UDP-N-acetylglucosamine", "ribosephosphate": "ribose-5-phosphate"}
_NAMES = frozenset(r.metabolite for r in ROUTES)


@lru_cache(maxsize=4096)
def metabolite(name: str) -> str:
    """The name under which a metabolite stands in the routes; '' where it is in none.

    >>> metabolite("L-Lactic acid"), metabolite("aKG"), metabolite("spermine")
    ('lactate', '2-oxoglutarate', '')
    """
    found = _PEAKS.get(re.sub(r"[^a-z0-9]+", "", str(name).lower()), "")
    found = found or str(resolve.metabolites([name])["metabolite"].iloc[0])
    return found if found in _NAMES else ""


def routes_of(tracer: Tracer, name: str) -> tuple[Route, ...]:
    """The routes that a metabolite shows with a tracer, in the order of the list."""
    known = metabolite(name)
    return tuple(r for r in ROUTES if r.tracer == tracer.key and r.metabolite == known)
