"""Chou-Talalay on the ray with most combinations, and one response surface."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rechallenge.assays.combination.surfaces import Pair, named, status_of
from rechallenge.assays.combination.wells import SURFACE

#: effects of which isoboles are drawn
ISOBOLE_EFFECTS = (0.5, 0.75)
#: effects of the Fa-CI curve
GRID = tuple(round(0.05 * k, 2) for k in range(1, 20))
INDICES = (
    *SURFACE, "ratio", "effect", "chosen", "combination_index", "ci_low", "ci_high", "p_value", "q_value", "se_log",
    "dri_a", "dri_a_low", "dri_a_high", "dri_b", "dri_b_low", "dri_b_high", "dose_a_alone_um", "dose_b_alone_um",
    "dose_a_um", "dose_b_um", "extrapolated", "n", "confidence", "status", "reason", "source_table", "source_rows",
)  # fmt: skip
CURVES = (
    *SURFACE, "ratio", "curve", "drug", "dm_um", "dm_low", "dm_high", "m", "m_low", "m_high", "r", "n_excluded",
    "n_doses", "fit", "n", "confidence", "status", "reason", "source_table", "source_rows",
)  # fmt: skip
ISOBOLES = (
    *SURFACE, "effect", "kind", "dose_a_um", "dose_b_um", "index", "dose_a_alone_um", "dose_b_alone_um", "n", "status",
    "source_table", "source_rows",
)  # fmt: skip
SURFACES = (
    *SURFACE, "surface_model", "kappa", "ci_low", "ci_high", "p_value", "q_value", "bound", "id_a_um", "id_b_um",
    "slope_a", "slope_b", "e0", "emax_a", "emax_b", "rss", "r2", "at_bound", "n", "confidence", "status", "reason",
    "source_table", "source_rows",
)  # fmt: skip


def indices(
    pair: Pair, effects: Sequence[float], confidence: float, seed: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of `chou_talalay` over the grid and the chosen effects, and of `median_effects`."""
    from rechallenge.stats.synergy import combination_index

    chosen = {round(float(e), 6) for e in effects}
    every = np.array(sorted(chosen | set(GRID)))
    found = combination_index(pair.surface, effects=every, confidence=confidence, seed=seed)
    known = found.status != "not_estimable"
    reason = named(found.reason, pair.drugs)
    rows = []
    for i, effect in enumerate(every):
        is_chosen = round(float(effect), 6) in chosen
        if not known and not is_chosen:
            continue
        row: dict[str, Any] = {
            "ratio": found.ratio, "effect": effect, "chosen": is_chosen, "combination_index": found.ci[i],
            "ci_low": found.ci_low[i], "ci_high": found.ci_high[i], "p_value": found.p_value[i],
            "se_log": found.se_log[i], "extrapolated": bool(found.extrapolated[i]), "status": found.status,
            "reason": reason,
        }  # fmt: skip
        for j, side in enumerate("ab"):
            row |= {f"dri_{side}": found.dri[i, j], f"dri_{side}_low": found.dri_low[i, j]}
            row |= {f"dri_{side}_high": found.dri_high[i, j], f"dose_{side}_alone_um": found.dose_alone[i, j]}
            row[f"dose_{side}_um"] = found.dose_mix[i, j]
        rows.append(row)
    return rows, _curves(pair, found, confidence)


def _curves(pair: Pair, found: Any, confidence: float) -> list[dict[str, Any]]:
    """The three median-effect curves with intervals over replicates."""
    from rechallenge.stats.synergy.chou import rays
    from rechallenge.stats.synergy.inference import pseudo_values, t_interval

    names = (*pair.drugs, " + ".join(pair.drugs))
    members = rays(pair.surface)
    sizes = [pair.surface.single(0).size, pair.surface.single(1).size, members[0][1].size if members else 0]
    rows: list[dict[str, Any]] = []
    for j, curve in enumerate(("drug_a", "drug_b", "mixture")):
        row: dict[str, Any] = {
            "ratio": found.ratio, "curve": curve, "drug": names[j], "n_doses": sizes[j], "fit": "curve",
            "status": found.status, "reason": named(found.reason, pair.drugs),
        }  # fmt: skip
        if found.fits is not None:
            fit = found.fits[j]
            row |= {"dm_um": float(np.exp(fit.log_dm[0])), "m": float(fit.m[0]), "r": float(fit.r[0])}
            row["n_excluded"] = int(fit.n_excluded[0])
            if len(fit.log_dm) > 2:
                dm = t_interval(fit.log_dm[0], pseudo_values(fit.log_dm), confidence)
                m = t_interval(fit.m[0], pseudo_values(fit.m), confidence)
                row |= {"dm_low": float(np.exp(dm.lo)), "dm_high": float(np.exp(dm.hi))}
                row |= {"m_low": float(m.lo), "m_high": float(m.hi)}
        rows.append(row)
    return rows


def isoboles(pair: Pair, indices_: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of `isoboles`: the points of the matrix rows (kind "matrix") and of the ray ("ray", from `indices_`)."""
    from rechallenge.stats.synergy import isobole

    rows: list[dict[str, Any]] = []
    for row in indices_:
        if row["effect"] in ISOBOLE_EFFECTS and np.isfinite(row["combination_index"]):
            keep = ("effect", "dose_a_um", "dose_b_um", "dose_a_alone_um", "dose_b_alone_um", "status")
            rows.append({**{k: row[k] for k in keep}, "kind": "ray", "index": row["combination_index"]})
    for effect in ISOBOLE_EFFECTS:
        found = isobole(pair.surface, effect)
        for i, status in enumerate(found.status):
            rows.append(
                {
                    "effect": effect, "kind": "matrix", "dose_a_um": found.dose_a[i], "dose_b_um": found.dose_b[i],
                    "index": found.index[i], "dose_a_alone_um": found.alone[0], "dose_b_alone_um": found.alone[1],
                    "status": str(status),
                }
            )  # fmt: skip
    return rows


def surfaces(pair: Pair, confidence: float, seed: int) -> dict[str, Any]:
    """The row of `response_surfaces`."""
    from rechallenge.stats.synergy import fit_braid

    found = fit_braid(pair.surface, confidence=confidence, seed=seed)
    names = ("id_a_um", "id_b_um", "slope_a", "slope_b", "kappa", "e0", "emax_a", "emax_b")
    row = dict(zip(names, found.parameters.tolist(), strict=True))
    bound = found.status == "bound"
    return {
        **row, "surface_model": "braid", "kappa": np.nan if bound else found.kappa,
        "bound": found.kappa if bound else np.nan, "ci_low": found.ci_low, "ci_high": found.ci_high,
        "p_value": found.p_value, "rss": found.rss, "r2": found.r2, "at_bound": ", ".join(found.at_bound),
        "status": status_of(found.status), "reason": named(found.reason, pair.drugs),
    }  # fmt: skip
