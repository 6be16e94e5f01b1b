"""From the table of responses to surfaces, and the regions in which they are scored."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge.assays.combination.wells import DOSES, DRUGS, SURFACE
from rechallenge.tables.normalise import join_rows

MATRIX, WINDOW, WINDOW_FREE, RAY = "matrix", "window", "window_free", "ray"
_LIMIT = {WINDOW: "total_um", WINDOW_FREE: "free_um"}


@dataclass(frozen=True)
class Pair:
    """One surface of the study: its name (`key`: columns `SURFACE`), its data, and where they came from.

    `origin` maps dose combinations to the rows of the lab's table, None to all rows.
    """

    key: Mapping[str, Any]
    drugs: tuple[str, ...]
    surface: Any  # rechallenge.stats.synergy.Surface
    origin: Mapping[tuple[float, ...] | None, str]

    def doses(self, row: NDArray[np.float64]) -> dict[str, float]:
        """Doses of one combination as columns."""
        return {name: float(row[j]) if j < len(row) else 0.0 for j, name in enumerate(DOSES)}


def usable(responses: pd.DataFrame) -> pd.DataFrame:
    """Responses that take part: not excluded, of a named replicate, finite."""
    good = (responses["excluded"] == "") & np.isfinite(responses["inhibition"]) & (responses["replicate"] != "")
    return responses[good]


def pairs(responses: pd.DataFrame) -> Iterator[Pair]:
    """Every surface with at least one combination, in the order of its name."""
    from rechallenge.stats.synergy import collect

    for key, part in usable(responses).groupby(list(SURFACE), dropna=False, sort=True):
        named = dict(zip(SURFACE, key, strict=True))
        drugs = tuple(str(named[d]) for d in DRUGS if named[d])
        columns = list(DOSES[: len(drugs)])
        if not ((part[columns] > 0).sum(axis=1) > 1).any():
            continue
        surface = collect([part[c].to_numpy() for c in columns], part["inhibition"], part["replicate"].to_numpy(str))
        origin: dict[tuple[float, ...] | None, str] = {None: join_rows(part["source_rows"])}
        for doses, rows in part.groupby(columns, sort=False)["source_rows"]:
            origin[tuple(float(d) for d in doses)] = join_rows(rows)
        yield Pair(named, drugs, surface, origin)


@dataclass(frozen=True)
class Region:
    """A part of a surface: `mask` of its combinations, None where it is not known; `reason` why; its `limits` (µM)."""

    name: str
    mask: NDArray[np.bool_] | None
    limits: tuple[float, ...]
    reason: str


def regions(pair: Pair, windows: pd.DataFrame | None) -> list[Region]:
    """The whole matrix, and the combinations within total and within free plasma concentrations."""
    from rechallenge.stats.synergy import within

    whole = Region(MATRIX, np.asarray(pair.surface.combined), (), "")
    if windows is None or windows.empty:
        return [whole]
    known = windows.set_index("drug")
    out = [whole]
    for name, column in _LIMIT.items():
        word = "total" if name == WINDOW else "free"
        limits = tuple(float(known.loc[d, column]) if d in known.index else np.nan for d in pair.drugs)
        lacking = [d for d, v in zip(pair.drugs, limits, strict=True) if np.isnan(v)]
        if lacking:
            said = [str(known.loc[d, "reason"]) if d in known.index else f"{d} is unknown" for d in lacking]
            out.append(Region(name, None, limits, f"the window is unknown: {'; '.join(said)}"))
            continue
        mask = within(pair.surface, limits) & pair.surface.combined
        reason = ""
        if not mask.any():
            said = [f"{v:.3g} µM {d}" for d, v in zip(pair.drugs, limits, strict=True)]
            reason = f"no combination was tested within {' and '.join(said)} ({word} plasma concentrations)"
        out.append(Region(name, mask, limits, reason))
    return out


def named(reason: str, drugs: tuple[str, ...]) -> str:
    """A reason of the statistics with the drugs by their names.

    >>> named("drug 1 alone inhibits nothing", ("sorafenib", "celastrol"))
    'sorafenib alone inhibits nothing'
    """
    return re.sub(r"\bdrug (\d)\b", lambda m: drugs[int(m[1]) - 1] if int(m[1]) <= len(drugs) else m[0], reason)


def status_of(found: str) -> str:
    """A status of the statistics in the words of result tables."""
    return "censored" if found == "bound" else found
