"""Which surfaces are drawn, and the numbers behind the figures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.assays.combination.surfaces import MATRIX, usable
from rechallenge.assays.combination.wells import DOSES, DRUGS, SURFACE, by_surface, each

#: surfaces drawn in one figure function
MOST = 6


def titled(row: Any) -> str:
    """A surface in words: `sorafenib + celastrol, HepG2`."""
    text = " + ".join(str(getattr(row, d)) for d in DRUGS if getattr(row, d)) + f", {row.model}"
    return text + (f", {row.perturbation}" if row.perturbation not in ("", "none") else "")


def slug(text: str) -> str:
    """A name for a file: letters, digits and underscores."""
    return re.sub(r"[^a-z0-9]+", "_", text.casefold()).strip("_") or "unnamed"


def drawn(synergy: pd.DataFrame, *, two: bool = False) -> list[Any]:
    """The surfaces with the clearest departure, at most `MOST`: smallest p of the surface, then largest score.

    `two` leaves out surfaces of three drugs. Rows are those of the matrix, Bliss first where there is one.
    """
    table = synergy[(synergy["region"] == MATRIX) & synergy["method"].isin(["hsa", "bliss", "loewe", "zip"])]
    order = {"bliss": 0, "hsa": 1, "loewe": 2, "zip": 3}
    table = table.assign(_order=table["method"].map(order)).sort_values("_order", kind="mergesort")
    table = table.drop_duplicates(list(SURFACE))
    if two:
        table = table[table["drug_c"] == ""]
    size = table["score"].fillna(table["bound"]).abs().fillna(-1.0)
    table = table.assign(_p=table["surface_p"].fillna(1.0), _size=-size)
    table = table.sort_values(["_p", "_size", *SURFACE], kind="mergesort", na_position="last")
    return list(each(table.head(MOST)))


def of(table: pd.DataFrame, row: Any) -> pd.DataFrame:
    """The rows of one surface."""
    return by_surface(table)(row)


def by_replicate(responses: pd.DataFrame) -> pd.DataFrame:
    """Inhibition in per cent per dose combination and replicate, its plates averaged."""
    keys = [*SURFACE, *DOSES, "replicate"]
    out = usable(responses).groupby(keys, dropna=False, sort=True)["inhibition"].mean().mul(100).reset_index()
    return out


def dose_text(value: float) -> str:
    """A dose as it stands on an axis."""
    return f"{value:.3g}"


def median_points(responses: pd.DataFrame, row: Any, ratio: float) -> Iterator[dict[str, Any]]:
    """Points of the median-effect plot per replicate: curve, dose_um, fa; those outside 0 < fa < 1 are left out."""
    part = of(by_replicate(responses), row)
    a, b = part["dose_a_um"], part["dose_b_um"]
    with np.errstate(divide="ignore", invalid="ignore"):
        on_ray = (a > 0) & (b > 0) & (np.abs(np.log(b / a) - np.log(ratio)) < 1e-5)
    for curve, mask, dose in (
        ("drug_a", (a > 0) & (b == 0), a),
        ("drug_b", (b > 0) & (a == 0), b),
        ("mixture", on_ray, a + b),
    ):
        for x, fa, replicate in zip(
            dose[mask], part.loc[mask, "inhibition"] / 100, part.loc[mask, "replicate"], strict=True
        ):
            if 0 < fa < 1:
                yield {"curve": curve, "dose_um": float(x), "replicate": replicate, "odds": float(fa / (1 - fa))}
