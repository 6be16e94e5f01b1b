"""The metabolites in which an enzyme would show: its footprint.

Weights are set by the reaction alone, before any data are seen: 1 for each measured main product, 1/2 for each measured
main product of the enzymes that use one of these products (one step on). Cofactors take no part; a co-substrate that
many reactions share (glutamate, 2-oxoglutarate, ...) is no main product where the reaction has another one. A measured
feature that stands for several compounds counts once, and not at all where the enzyme's substrate is among them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from rechallenge import knowledge

Floats = NDArray[np.float64]

#: weight of a product, and of a product one step on
PRODUCT, NEXT = 1.0, 0.5
#: partners that many reactions share: not main where a reaction has another participant on that side
SHARED = frozenset(
    {
        "glutamate", "2-oxoglutarate", "glutamine", "formate", "ammonia", "S-adenosylmethionine",
        "S-adenosylhomocysteine", "tetrahydrofolate", "5,10-methylenetetrahydrofolate", "5-phosphoribosyl diphosphate",
    }
)  # fmt: skip
#: near equilibrium, run either way: their footprint has no sign of its own (see the README of the enzyme table)
UNSIGNED = frozenset({"GOT1", "GOT2", "LDHB", "IDH1", "IDH2"})


@dataclass(frozen=True)
class Enzyme:
    """One row of the enzyme table. ``substrates`` and ``products`` are the main ones, in the physiological direction;
    ``all_substrates`` holds the shared partners too; ``proxy`` maps a compound to the one that stands in for it."""

    gene: str
    name: str
    pathway: str
    substrates: tuple[str, ...]
    products: tuple[str, ...]
    all_substrates: tuple[str, ...]
    proxy: Mapping[str, str]
    reversible: str
    rate_limiting: str
    isozymes: str


@lru_cache(maxsize=1)
def enzymes() -> tuple[Enzyme, ...]:
    """All enzymes of the table, by gene."""
    out = []
    for row in knowledge.table("enzymes").sort_values("gene").to_dict("records"):
        proxy = {
            name: stand_in
            for side in ("substrate", "product")
            for name, stand_in in zip(row[f"{side}s"], _padded(row[f"{side}_proxy"], len(row[f"{side}s"])), strict=True)
            if stand_in
        }
        out.append(
            Enzyme(
                row["gene"],
                row["enzyme"],
                row["pathway"],
                _main(row["substrates"]),
                _main(row["products"]),
                tuple(row["substrates"]),
                proxy,
                row["reversible"],
                row["rate_limiting"],
                row["isozyme_group"],
            )
        )
    return tuple(out)


def _padded(values: Sequence[str], n: int) -> list[str]:
    return [*values, *[""] * n][:n]


def _main(names: Sequence[str]) -> tuple[str, ...]:
    main = tuple(n for n in names if n not in SHARED)
    return main or tuple(names)


@lru_cache(maxsize=1)
def following() -> Mapping[str, tuple[str, ...]]:
    """Compound -> main products of the enzymes that use it as a main substrate."""
    found: dict[str, set[str]] = {}
    for enzyme in enzymes():
        for substrate in enzyme.substrates:
            found.setdefault(substrate, set()).update(enzyme.products)
    return {k: tuple(sorted(v - {k})) for k, v in sorted(found.items())}


def footprint(enzyme: Enzyme, columns: Mapping[str, int]) -> dict[str, float]:
    """Measured compound -> weight. ``columns`` maps each measured compound to its column of the data."""
    barred = {columns[s] for s in _forms(enzyme, enzyme.all_substrates) if s in columns}
    found: dict[str, float] = {}

    def take(name: str, weight: float) -> None:
        if name in columns and columns[name] not in barred:
            found[name] = max(found.get(name, 0.0), weight)

    for product in enzyme.products:
        take(product if product in columns else enzyme.proxy.get(product, product), PRODUCT)
    for product in enzyme.products:
        for name in following().get(product, ()):
            if name not in enzyme.all_substrates and name not in enzyme.products:
                take(name, NEXT)
    return dict(sorted(found.items()))


def _forms(enzyme: Enzyme, names: Sequence[str]) -> list[str]:
    return [form for n in names for form in (n, enzyme.proxy.get(n, "")) if form]


def weights(columns: Mapping[str, int]) -> tuple[Floats, Floats]:
    """(footprints, products against substrates) of all `enzymes()`, each [g, m] over the data's columns.

    The second has -1 for each measured main substrate beside the footprint; it is for display. A column is weighted
    once, however many compounds share it.
    """
    width = max(columns.values(), default=-1) + 1
    ours = np.zeros((len(enzymes()), width))
    for row, enzyme in enumerate(enzymes()):
        for name, weight in footprint(enzyme, columns).items():
            ours[row, columns[name]] = max(ours[row, columns[name]], weight)
    against = ours.copy()
    for row, enzyme in enumerate(enzymes()):
        for name in _forms(enzyme, enzyme.substrates):
            if name in columns and ours[row].any():
                against[row, columns[name]] = -1.0
    return ours, against


def distance(start: Sequence[str], end: Sequence[str], most: int = 8) -> float:
    """Reactions from any of `start` to any of `end` in the directions of the table; infinite beyond `most`."""
    goal, reached, edge = set(end), set(start), set(start)
    for step in range(most + 1):
        if edge & goal:
            return step
        edge = {n for name in edge for n in following().get(name, ())} - reached
        reached |= edge
    return float("inf")


def is_downstream(enzyme: Enzyme, of: Enzyme) -> bool:
    """Whether the way from `of` to `enzyme` is shorter than the way back (both may be found in a network of cycles)."""
    return distance(of.products, enzyme.substrates) < distance(enzyme.products, of.substrates)
