"""Scores of every combination against every reference model, cell by cell and over regions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from rechallenge.analysis import Split, analysis
from rechallenge.assays.combination.surfaces import (
    MATRIX,
    RAY,
    WINDOW,
    WINDOW_FREE,
    Pair,
    Region,
    named,
    pairs,
    regions,
    status_of,
)
from rechallenge.assays.combination.wells import DOSES, SURFACE
from rechallenge.faults import NotApplicable
from rechallenge.report.words import listed
from rechallenge.stats.multiplicity import bh

REVIEW = "doi:10.1016/j.csbj.2015.09.001"
BLISS = "doi:10.1111/j.1744-7348.1939.tb06990.x"
LOEWE = "doi:10.1007/BF01952257"
CHOU = "doi:10.1016/0065-2571(84)90007-4"
BRAID = "doi:10.1038/srep25523"
ROAST = "doi:10.1093/bioinformatics/btq401"
PERCENT, INDEX, KAPPA = "% inhibition", "CI", "kappa"
GIVES = ("synergy", "synergy_cells", "chou_talalay", "median_effects", "isoboles", "response_surfaces")
NAMES = {"hsa": "HSA", "bliss": "Bliss", "loewe": "Loewe", "zip": "ZIP"}
MethodName = Literal["hsa", "bliss", "loewe", "zip"]
Margin = Literal["auto", "measured", "fitted"]

SCORES = (
    *SURFACE, "method", "region", "effect", "unit", "score", "ci_low", "ci_high", "p_value", "q_value", "bound", "se",
    "df", "n", "surface_p", "n_cells", "n_bound", "n_missing", "limit_a_um", "limit_b_um", "limit_c_um", "margin",
    "confidence", "status", "reason", "source_table", "source_rows",
)  # fmt: skip
CELLS = (
    *SURFACE, "method", *DOSES, "reference", "observed", "excess", "ci_low", "ci_high", "p_value", "q_value", "bound",
    "se", "df", "n", "combination_index", "sign", "region_id", "region_excess",
    "region_low", "region_high", "in_window", "in_window_free", "margin", "status",
    "reason", "source_table", "source_rows",
)  # fmt: skip


def _measured(pair: Pair) -> bool:
    """Whether every drug alone was tested at every dose that it has in a combination."""
    from rechallenge.stats.synergy.types import NOT_MEASURED

    return not bool((pair.surface.alone[pair.surface.combined] == NOT_MEASURED).any())


def _methods(result: dict[str, pd.DataFrame], **options: Any) -> str:
    table, confidence = result["synergy"], options["confidence"]
    used = set(table["method"])
    parts = []
    for name, words in (
        ("hsa", f"the better single agent (HSA, {REVIEW})"),
        ("bliss", f"Bliss independence ({BLISS})"),
        ("loewe", f"Loewe additivity ({LOEWE}) of fitted curves"),
        ("zip", f"zero interaction potency ({REVIEW})"),
    ):
        parts += [words] if name in used else []
    text = f"Combinations were compared with {listed(parts)}" + (
        f"; scores are mean excess inhibition in per cent, with jackknife t intervals ({100 * confidence:g} %) over "
        "biological replicates and Benjamini-Hochberg over all combinations of drugs and models "
        "(doi:10.1111/j.2517-6161.1995.tb02031.x). Single dose combinations were tested by moderated t "
        f"(doi:10.2202/1544-6115.1027) with FDR within the surface, whole surfaces by rotation ({ROAST})."
    )
    if "chou_talalay" in used:
        text += (
            f" Combination and dose-reduction indices were computed on the ray with most combinations ({CHOU}), with t "
            "intervals on log scale over jackknife pseudo-values."
        )
    if "braid" in used:
        text += f" One response surface with interaction parameter kappa was fitted (BRAID, {BRAID})."
    return text


def finished(result: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables with q-values over all tests of a kind that were made."""
    out = dict(result)
    kinds = {
        "synergy": ["method", "region", "effect"],
        "chou_talalay": ["effect", "chosen"],
        "response_surfaces": ["surface_model"],
    }
    for name, by in kinds.items():
        table = out[name].copy()
        if len(table):
            table["q_value"] = table.groupby(by, dropna=False)["p_value"].transform(lambda p: bh(p.to_numpy()))
        out[name] = table
    return out


@analysis(
    title="Synergy",
    gives=GIVES,
    reference=(REVIEW, BLISS, LOEWE, CHOU, BRAID),
    methods=_methods,
    split=Split("combination_responses", SURFACE, groups=60, finish=finished),
    formula=(
        "HSA: I = max(Ia, Ib); Bliss: I = 1 - (1 - Ia)(1 - Ib); Loewe: a / A(I) + b / B(I) = 1; ZIP: both "
        "fitted potencies shifted by the partner; CI = da / Da + db / Db; excess = 100 (observed - I), mean "
        "over the region"
    ),
    oracle=(
        "SynergyFinder+ and synergy 1.0 on a published screen, drc CIcompX, Chou's analytic indices, BIGL, "
        "braidrm (tests/assays/test_combination_scores.py, tests/stats/test_synergy_scores.py, "
        "tests/stats/test_synergy_chou.py, tests/stats/test_synergy_reference.py, "
        "tests/stats/test_synergy_braid.py)"
    ),
    limits=(
        "Two programs disagree on Loewe and ZIP of the published screen, so these two are judged by simulation "
        "alone; Loewe's fitted curves leave a bias of up to +.4 per cent. One replicate gives a score without "
        "test. Excess over a null model is no mechanism."
    ),
)
def synergy(
    combination_responses: pd.DataFrame,
    combination_windows: pd.DataFrame | None = None,
    *,
    methods: Sequence[str] = ("hsa", "bliss", "loewe", "zip"),
    effects: Sequence[float] = (0.5, 0.75, 0.9, 0.95),
    margin: Margin = "auto",
    surface_model: Literal["braid", "none"] = "braid",
    alpha: float = 0.05,
    confidence: float = 0.95,
    n_rotations: int = 1999,
    seed: int = 0,
) -> dict[str, pd.DataFrame]:
    """Scores, cells, combination indices and surfaces of every pair; six tables.

    `synergy`: one row per surface, method and region ("matrix", "window": total, "window_free": free plasma
    concentrations); `score` is mean excess in per cent of inhibition (positive is synergy), for "chou_talalay" the
    combination index at `effect` on the ray, for "braid" kappa. `surface_p`: departure anywhere in the region, by
    rotation. `limit_*_um`: the window. Where some references are lower bounds, status is "censored", `bound` what the
    score is at most and `ci_high` its limit. `synergy_cells`: the same per dose combination, `sign` "synergy" or
    "antagonism" where q <= `alpha`, `region_id` numbering contiguous regions of one sign
    (`region_excess` with limits: mean over the region, t over replicates),
    `combination_index` (rows of "loewe") at the observed effect, a point estimate. `chou_talalay`: CI,
    dose-reduction indices and isobologram points over a grid of effects (`chosen` marks `effects`);
    `median_effects`: its three curves; `isoboles`: dose pairs of one effect. `response_surfaces`: BRAID parameters.

    `margin`: HSA and Bliss take single agents as "measured" at the very dose or from their "fitted" curves; "auto"
    fits only where a dose was not tested alone. More than two drugs have HSA and Bliss only. What cannot be known is
    typed "not_estimable" with a reason; one replicate has scores, "not_testable". Raises NotApplicable without a
    combination, ValueError for unknown options.
    """
    from rechallenge.assays.combination.parametric import indices, isoboles, surfaces
    from rechallenge.stats.synergy import METHODS, excess
    from rechallenge.stats.synergy.inference import leave_one_out

    unknown = sorted(set(methods) - set(METHODS))
    if unknown:
        raise ValueError(f"methods must be among {', '.join(METHODS)}, not {', '.join(map(repr, unknown))}")
    if margin not in ("auto", "measured", "fitted"):
        raise ValueError(f"margin must be auto, measured or fitted, not {margin!r}")
    if surface_model not in ("braid", "none"):
        raise ValueError(f"surface_model must be braid or none, not {surface_model!r}")
    made: dict[str, list[dict[str, Any]]] = {name: [] for name in GIVES}
    for pair in pairs(combination_responses):
        base = {**pair.key, "n": pair.surface.n_replicates, "confidence": confidence, "source_table": "combination"}
        base["source_rows"] = pair.origin[None]
        how = ("measured" if _measured(pair) else "fitted") if margin == "auto" else margin
        parts = regions(pair, combination_windows)
        for method in [m for m in METHODS if m in methods]:
            if len(pair.drugs) > 2 and method not in ("hsa", "bliss"):
                continue
            known = excess(pair.surface, method, leave_one_out(pair.surface.n_replicates), margin=how, seed=seed)
            fitted = how if method in ("hsa", "bliss") else "fitted"
            made["synergy"] += [
                {**base, "margin": fitted, **_score(pair, method, part, known, confidence, n_rotations, seed)}
                for part in parts
            ]
            made["synergy_cells"] += [
                {**base, "margin": fitted, **row} for row in _cells(pair, method, parts, known, alpha, confidence, seed)
            ]
        if len(pair.drugs) == 2:
            rows, curves = indices(pair, effects, confidence, seed)
            made["chou_talalay"] += [{**base, **row} for row in rows]
            made["median_effects"] += [{**base, **row} for row in curves]
            made["isoboles"] += [{**base, **row} for row in isoboles(pair, rows)]
            made["synergy"] += [
                {
                    **base, **{c: row[c] for c in ("effect", "p_value", "status", "reason")}, "method": "chou_talalay",
                    "region": RAY, "unit": INDEX, "score": row["combination_index"], "ci_low": row["ci_low"],
                    "ci_high": row["ci_high"], "margin": "fitted",
                }
                for row in rows if row["chosen"]
            ]  # fmt: skip
            if surface_model == "braid":
                row = surfaces(pair, confidence, seed)
                made["response_surfaces"].append({**base, **row})
                keep = ("ci_low", "ci_high", "p_value", "bound", "status", "reason")
                made["synergy"].append(
                    {
                        **base, **{c: row[c] for c in keep}, "method": "braid", "region": MATRIX, "unit": KAPPA,
                        "score": row["kappa"], "margin": "fitted",
                    }
                )  # fmt: skip
    if not made["synergy"]:
        raise NotApplicable("No well holds two drugs.")
    return finished({name: _frame(name, rows) for name, rows in made.items()})


def _frame(name: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    from rechallenge.assays.combination.parametric import CURVES, INDICES, ISOBOLES, SURFACES

    columns = {
        "synergy": SCORES, "synergy_cells": CELLS, "chou_talalay": INDICES, "median_effects": CURVES,
        "isoboles": ISOBOLES, "response_surfaces": SURFACES,
    }[name]  # fmt: skip
    texts = {
        "method", "region", "unit", "margin", "status", "reason", "source_table", "source_rows", "sign", "curve",
        "drug", "fit", "kind", "surface_model", "at_bound", *SURFACE[:-1],
    }  # fmt: skip
    out = pd.DataFrame(rows).reindex(columns=list(columns))
    for c in columns:
        if c in texts:
            out[c] = out[c].astype(object).where(out[c].notna(), "")
        elif c in ("chosen", "extrapolated"):
            out[c] = out[c].fillna(False).astype(bool)
        elif c in ("in_window", "in_window_free"):
            out[c] = out[c].astype(object).where(out[c].notna(), "unknown")
        else:
            out[c] = pd.to_numeric(out[c]).astype("float64")
    return out


def _score(
    pair: Pair, method: Any, part: Region, known: Any, confidence: float, n_rotations: int, seed: int
) -> dict[str, Any]:
    """One row of `synergy`."""
    from rechallenge.stats.synergy import cell_tests, score, surface_test

    limits = dict(zip(("limit_a_um", "limit_b_um", "limit_c_um"), part.limits, strict=False))
    row = {"method": method, "region": part.name, "unit": PERCENT, **limits}
    if part.reason or part.mask is None:
        return {**row, "n_cells": 0, "status": "not_estimable", "reason": part.reason}
    found = score(pair.surface, method, mask=part.mask, region=part.name, confidence=confidence, seed=seed, known=known)
    row |= {k: getattr(found, k) for k in ("se", "df", "ci_low", "ci_high", "p_value", "n_cells", "n_bound")}
    row |= {"n_missing": found.n_missing, "status": status_of(found.status)}
    row["reason"] = named(found.reason, pair.drugs)
    row["bound" if found.status == "bound" else "score"] = found.score
    if found.status in ("estimated", "bound"):
        tests = cell_tests(pair.surface, method, mask=part.mask, known=known)
        row["surface_p"] = surface_test(tests, n_rotations=n_rotations, seed=seed).p_value
    return row


def _cells(
    pair: Pair, method: Any, parts: list[Region], known: Any, alpha: float, confidence: float, seed: int
) -> list[dict[str, Any]]:
    """Rows of `synergy_cells`."""
    from rechallenge.stats.synergy import cell_tests, score, sign_map

    tests = cell_tests(pair.surface, method, confidence=confidence, known=known)
    number, sign = np.zeros(len(tests.row), dtype=int), np.full(len(tests.row), "", dtype=object)
    means = np.full((3, len(tests.row)), np.nan)
    for i, region in enumerate(sign_map(tests, alpha=alpha), start=1):
        number[region.cells], sign[region.cells] = i, region.sign
        mask = np.zeros(len(pair.surface.doses), dtype=bool)
        mask[tests.row[region.cells]] = True
        mean = score(pair.surface, method, mask=mask, confidence=confidence, known=known)
        means[:, region.cells] = np.array([mean.score, mean.ci_low, mean.ci_high])[:, None]
    inside = {part.name: part.mask for part in parts}
    why = named(known.reason or "no estimate at these doses", pair.drugs)
    index = _index_of(pair, seed) if method == "loewe" else {}
    rows = []
    have = np.isfinite(pair.surface.response).sum(axis=0)
    for i, at in enumerate(tests.row):
        doses = pair.surface.doses[at]
        status = str(tests.status[i])
        value = tests.excess[i]
        rows.append(
            {
                "method": method,
                **pair.doses(doses),
                "reference": tests.reference[i],
                "observed": tests.observed[i],
                "excess": np.nan if status == "bound" else value,
                "bound": value if status == "bound" else np.nan,
                "se": tests.se[i],
                "df": tests.df[i],
                "ci_low": tests.ci_low[i],
                "ci_high": tests.ci_high[i],
                "p_value": tests.p_value[i],
                "q_value": tests.q_value[i],
                "n": int(have[at]),
                "combination_index": index.get(int(at), np.nan),
                "sign": sign[i],
                "region_id": number[i],
                "region_excess": means[0, i],
                "region_low": means[1, i],
                "region_high": means[2, i],
                "in_window": _inside(inside.get(WINDOW), at),
                "in_window_free": _inside(inside.get(WINDOW_FREE), at),
                "status": status_of(status),
                "reason": {
                    "not_estimable": why,
                    "not_testable": "one biological replicate"
                    if have[at] < 2
                    else "the replicates do not differ at all",
                    "bound": "beyond what the weaker drug can reach: the excess is at most this",
                }.get(status, ""),
                "source_rows": pair.origin.get(tuple(float(d) for d in doses), ""),
            }
        )
    return rows


def _index_of(pair: Pair, seed: int) -> dict[int, float]:
    """Combination index of every combination at its own effect, by row of the surface (a point estimate)."""
    from rechallenge.stats.synergy import cell_index

    found = cell_index(pair.surface, seed=seed)
    return {int(r): float(v) for r, v, s in zip(found.row, found.ci, found.status, strict=True) if s == "estimated"}


def _inside(mask: Any, at: int) -> str:
    return "unknown" if mask is None else "yes" if mask[at] else "no"
