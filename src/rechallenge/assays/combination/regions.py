"""Where on a surface a combination is synergistic and where antagonistic, and what it does to normal cells there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.assays.combination.wells import DOSES, DRUGS, SURFACE, each

COLUMNS = (
    *SURFACE, "method", "region_id", "sign", "n_cells", "dose_a_low", "dose_a_high", "dose_b_low", "dose_b_high",
    "dose_c_low", "dose_c_high", "excess", "ci_low", "ci_high", "strongest", "observed", "in_window",
    "in_window_free", "normal", "normal_observed", "n_cells_normal", "n", "words", "source_table", "source_rows",
)  # fmt: skip
PARTNERS = ("perturbation", "hours")


def normals(models: pd.DataFrame | None) -> list[str]:
    """Names of the models that the study calls normal."""
    if models is None or "role" not in models.columns:
        return []
    return sorted(str(m) for m in models.loc[models["role"] == "normal", "model"])


def dose_words(drugs: Sequence[str], low: Sequence[float], high: Sequence[float]) -> str:
    """`sorafenib 1 to 16 µM with celastrol 2 µM`."""
    said = []
    for drug, a, b in zip(drugs, low, high, strict=False):
        if drug:
            said.append(f"{drug} {a:.4g} µM" if a == b else f"{drug} {a:.4g} to {b:.4g} µM")
    return " with ".join(said)


@analysis(
    title="Regions of synergy and antagonism",
    methods="Neighbouring dose combinations (one dose step apart) that depart from the reference in one direction at "
    "the false-discovery rate of the surface form one region.",
    formula=(
        "regions: dose pairs with q <= alpha of one sign, joined where one dose step apart; excess = mean over "
        "the region"
    ),
    oracle="No outside reference: planted surfaces with both signs (tests/assays/test_combination_claims.py)",
    limits="A region is chosen for its departure, so its mean excess is larger than a repetition would show.",
)
def synergy_regions(synergy_cells: pd.DataFrame, models: pd.DataFrame | None = None) -> pd.DataFrame:
    """One row per contiguous region of one sign, method and surface.

    `dose_*_low`, `dose_*_high`: range of the doses (µM); `excess`: mean in per cent of inhibition with its
    interval over replicates, `strongest` the
    largest in size; `observed`: mean inhibition there. `in_window`: "all", "part" or "none" of its combinations lie
    within total (`in_window_free`: free) plasma concentrations, "unknown" where these are. `normal_observed`: mean
    inhibition of the first normal model at the same doses (`n_cells_normal` of them). Regions are chosen for their
    departure, so that their mean excess is larger than a repetition would show. No rows where nothing departs.
    """
    named = synergy_cells[synergy_cells["sign"] != ""]
    healthy = normals(models)
    rows = []
    for key, part in named.groupby([*SURFACE, "method", "region_id"], dropna=False, sort=True):
        row = dict(zip([*SURFACE, "method", "region_id"], key, strict=True))
        value = part["excess"].fillna(part["bound"])
        low, high = part[list(DOSES)].min(), part[list(DOSES)].max()
        row |= {
            "sign": part["sign"].iloc[0],
            "n_cells": len(part),
            "excess": part["region_excess"].iloc[0],
            "ci_low": part["region_low"].iloc[0],
            "ci_high": part["region_high"].iloc[0],
            "strongest": value.loc[value.abs().idxmax()],
            "observed": part["observed"].mean(),
            "in_window": _share(part["in_window"]),
            "in_window_free": _share(part["in_window_free"]),
            "n": part["n"].min(),
            "source_table": "combination",
            "source_rows": _rows(part),
            "words": dose_words([str(row[d]) for d in DRUGS], low.tolist(), high.tolist()),
        }
        for dose in DOSES:
            stem = dose.removesuffix("_um")
            row |= {f"{stem}_low": low[dose], f"{stem}_high": high[dose]}
        rows.append(row | _normal(synergy_cells, part, row, healthy))
    out = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    for name in ("normal", "words", "sign", "source_table", "source_rows"):
        out[name] = out[name].astype(object).where(out[name].notna(), "")
    return out


def _rows(part: pd.DataFrame) -> str:
    from rechallenge.tables.normalise import join_rows

    return join_rows(part["source_rows"])


def _share(inside: pd.Series) -> str:
    if (inside == "unknown").any():
        return "unknown"
    return "all" if (inside == "yes").all() else "part" if (inside == "yes").any() else "none"


def _normal(cells: pd.DataFrame, part: pd.DataFrame, row: dict[str, Any], healthy: list[str]) -> dict[str, Any]:
    """Mean inhibition of a normal model at the dose combinations of a region, drugs in whichever order."""
    if row["model"] in healthy:
        return {}
    drugs = [str(row[d]) for d in DRUGS]
    for name in healthy:
        mine = cells[(cells["model"] == name) & (cells["method"] == row["method"])]
        for key, theirs in mine.groupby([*DRUGS, *PARTNERS], dropna=False, sort=True):
            order = [str(k) for k in key[:3]]
            same = all(
                key[3 + i] == row[p] or (pd.isna(key[3 + i]) and pd.isna(row[p])) for i, p in enumerate(PARTNERS)
            )
            if sorted(order) != sorted(drugs) or not same:
                continue
            at = [DOSES[order.index(d)] if d else DOSES[j] for j, d in enumerate(drugs)]
            seen = {tuple(v): o for *v, o in theirs[[*at, "observed"]].to_numpy().tolist()}
            found = [seen[tuple(d)] for d in part[list(DOSES)].to_numpy().tolist() if tuple(d) in seen]
            if found:
                return {"normal": name, "normal_observed": float(np.mean(found)), "n_cells_normal": len(found)}
    return {}


def sign_words(regions: pd.DataFrame) -> str:
    """Both signs of one surface in words, by the drug whose doses tell them apart; '' unless there are both.

    `regions`: rows of `synergy_regions` of one surface and method.
    """
    if set(regions["sign"]) != {"synergy", "antagonism"}:
        return ""
    ranges: dict[str, list[tuple[float, float]]] = {}
    for sign in ("antagonism", "synergy"):
        mine = regions[regions["sign"] == sign]
        ranges[sign] = [(mine[f"dose_{x}_low"].min(), mine[f"dose_{x}_high"].max()) for x in ("a", "b", "c")]
    first = next(each(regions))
    drugs = [str(getattr(first, d)) for d in DRUGS]
    for j, drug in enumerate(drugs):
        (a_low, a_high), (s_low, s_high) = ranges["antagonism"][j], ranges["synergy"][j]
        if drug and (a_high < s_low or s_high < a_low):
            said = [f"antagonistic at {_range(drug, a_low, a_high)}", f"synergistic at {_range(drug, s_low, s_high)}"]
            return ", ".join(said if a_high < s_low else said[::-1])
    return "antagonistic at some doses and synergistic at others"


def _range(drug: str, low: float, high: float) -> str:
    return f"{drug} {low:.4g} µM" if low == high else f"{drug} {low:.4g} to {high:.4g} µM"
