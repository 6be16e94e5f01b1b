"""Corrected isotopologue fractions, mean enrichment and labelled pool of every measurement."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge.analysis import analysis
from rechallenge.faults import NotApplicable
from rechallenge.omics.tracing import correction
from rechallenge.omics.tracing.contract import MEASUREMENT, shift_of
from rechallenge.omics.tracing.isotopes import parse_formula, parse_tracer
from rechallenge.tables.contract import source_rows

ISOCOR, ACCUCOR = "doi:10.1093/bioinformatics/btz209", "doi:10.1021/acs.analchem.7b00396"
COLUMNS = (
    "sample", "model", "treatment", "stage", "replicate", "hours", "tracer", "isotope", "metabolite", "formula",
    "derivative", "isotopologue", "shift", "area", "corrected_area", "fraction", "mean_enrichment",
    "labelled_fraction", "pool", "labelled_pool", "unexplained", "correction", "status", "reason", "source_table",
    "source_rows",
)  # fmt: skip
NUMBERS = ("corrected_area", "fraction", "mean_enrichment", "labelled_fraction", "pool", "labelled_pool", "unexplained")
Floats = NDArray[np.float64]
#: part of the measured area that the corrected isotopologues leave unexplained from which on it is said
POOR_FIT = 0.05


def _methods(
    isotopologues: pd.DataFrame, purity: float, natural_tracer: bool, resolution: float, at_mz: float, **_: Any
) -> str:
    said = set(isotopologues["correction"])
    text = ""
    if said - {"given as corrected"}:
        kind = (
            f"at a resolution of {resolution:g} (at m/z {at_mz:g}), where natural isotopes of other elements count as "
            f"far as their mass is not resolved from that of the label ({ACCUCOR})"
            if resolution
            else "at nominal mass"
        )
        own = "" if natural_tracer else ", without correction for the natural abundance of the tracer element"
        text = (
            f"Isotopologue areas were corrected for natural isotopes of all atoms, those of derivatives included, and "
            f"for a tracer purity of {purity:g}, by non-negative least squares {kind}{own} (approach of {ISOCOR}). "
        )
    if "given as corrected" in said:
        text += "Distributions given as corrected were taken as they are. "
    return text + "Mean enrichment is the mean share of labelled atoms."


@lru_cache(maxsize=512)
def _system(
    formula: str, isotope: str, derivative: str, purity: float, natural: bool, resolution: float, at: float
) -> Any:
    return correction.matrix(
        formula, isotope, derivative=derivative, purity=purity, natural_tracer=natural, resolution=resolution, at=at
    )


@analysis(
    title="Isotopologue fractions and enrichment",
    reference=(ISOCOR, ACCUCOR, "doi:10.1515/pac-2015-0503"),
    methods=_methods,
    formula=(
        "corrected = argmin |C f - measured|, f >= 0, C from natural abundance, purity and derivative; mean "
        "enrichment = sum i f_i / n"
    ),
    oracle=(
        "IsoCor 2.2.4 (1e-9), AccuCor (1e-6 with its masses), a published lung fibroblast study "
        "(tests/omics/test_tracing.py)"
    ),
    limits=(
        "Steady state is assumed by the reading, not by the correction. Compounds with sulfur differ from "
        "AccuCor by up to 1e-3, within the uncertainty of abundances."
    ),
)
def isotopologues(
    isotopologues: pd.DataFrame,
    *,
    purity: float = 0.99,
    natural_tracer: bool = True,
    resolution: float = 0.0,
    at_mz: float = 200.0,
) -> pd.DataFrame:
    """One row per sample, metabolite and isotopologue: `COLUMNS`.

    `fraction` is the corrected area over the sum of all corrected isotopologues; `mean_enrichment` sum(i f_i) / n over
    the n tracer atoms; `labelled_fraction` 1 - f_0; `pool` the sum of corrected areas (over `normaliser` where given)
    and `labelled_pool` pool times mean enrichment, both in the unit of the areas. `unexplained` is the part of the
    measured area that no non-negative distribution explains. `resolution` 0 is a nominal-mass instrument; above it the
    mass-resolving rule of an Orbitrap holds, with the resolution defined at `at_mz`. Isotopologues that the table does
    not list take no part, and the reason says so; a measurement without area is "not_estimable".
    """
    if isotopologues.empty:
        raise NotApplicable("the table of isotopologues has no rows")
    table = isotopologues.copy()
    table["shift"] = table["isotopologue"].map(shift_of)
    for c in ("tracer", "metabolite", "derivative", "sample", "formula", "stage", "treatment", "replicate", "model"):
        table[c] = table[c].fillna("").astype(str).str.strip() if c in table else ""
    for c in ("hours", "normaliser"):
        table[c] = pd.to_numeric(table[c]) if c in table else np.nan
    table["corrected"] = table["corrected"].fillna("no") if "corrected" in table else "no"
    table = table[table["shift"].notna() & table["area"].notna()].sort_values([*MEASUREMENT, "shift"], kind="mergesort")
    if table.empty:
        raise NotApplicable("no isotopologue has an area")
    table["shift"] = table["shift"].astype(int)
    start = np.flatnonzero(~table.duplicated(MEASUREMENT).to_numpy())
    numbers = {k: np.full(len(table), np.nan) for k in NUMBERS}
    texts: dict[str, list[str]] = {k: [] for k in ("isotope", "correction", "status", "reason", "source_rows")}
    settings = (purity, natural_tracer, resolution, at_mz)
    for a, b in zip(start, [*start[1:], len(table)], strict=True):
        rows = {c: table[c].to_numpy()[a:b] for c in ("shift", "area")}
        first = {c: table[c].iloc[a] for c in ("tracer", "formula", "derivative", "corrected", "normaliser")}
        number, text = _measurement(rows["shift"].astype(int), rows["area"].astype(float), first, settings)
        if "_row" in table:
            text["source_rows"] = source_rows(table["_file"].to_numpy()[a:b], table["_row"].to_numpy()[a:b])
        for k, value in number.items():
            numbers[k][a:b] = value
        for k, values in texts.items():
            values += [text.get(k, "")] * int(b - a)
    out = table.assign(**numbers, **texts, source_table="isotopologues")
    out["isotopologue"] = [f"M+{k}" for k in out["shift"]]
    return out.reset_index(drop=True).loc[:, list(COLUMNS)]


def _measurement(
    shifts: NDArray[np.int64], measured: Floats, first: Mapping[str, Any], settings: tuple[float, bool, float, float]
) -> tuple[dict[str, Any], dict[str, str]]:
    """One metabolite in one sample: numbers (per isotopologue or one for all) and texts."""
    tracer = parse_tracer(first["tracer"])
    n = parse_formula(first["formula"]).get(tracer.element, 0)
    areas = np.full(n + 1, np.nan)
    areas[shifts] = measured
    if first["corrected"] == "yes":
        fixed, unexplained, how = np.clip(areas, 0, None), 0.0, "given as corrected"
    else:
        system = _system(str(first["formula"]), tracer.isotope, str(first["derivative"]), *settings)
        fixed, residual = correction.corrected(areas, system)
        unexplained = float(np.nansum(np.abs(residual))) if np.isfinite(residual).any() else np.nan
        how = "high resolution" if settings[2] else "nominal mass"
    pool = float(np.nansum(fixed)) if np.isfinite(fixed).any() else 0.0
    reasons = []
    absent = [f"M+{k}" for k in range(n + 1) if k not in shifts]
    if 0 not in shifts:
        pool, reasons = 0.0, ["M+0 was not measured: no fraction can be taken"]
    elif not pool > 0:
        reasons = ["no signal"]
    elif absent:
        span = (
            absent[0] if len(absent) == 1 else f"{len(absent)} of {n + 1} isotopologues ({absent[0]} to {absent[-1]})"
        )
        reasons.append(f"{span} not in the table: shares of those that are")
    if pool > 0 and unexplained > POOR_FIT:
        reasons.append(f"{100 * unexplained:.0f} % of the area is not explained by any distribution")
    text = {"isotope": tracer.isotope, "correction": how, "reason": "; ".join(reasons),
            "status": "estimated" if pool > 0 else "not_estimable"}  # fmt: skip
    if not pool > 0:
        return {"corrected_area": fixed[shifts]}, text
    fraction = fixed / pool
    enrichment = float(np.nansum(fraction * np.arange(n + 1)) / n)
    amount = pool / float(first["normaliser"]) if np.isfinite(first["normaliser"]) else pool
    return {
        "corrected_area": fixed[shifts],
        "fraction": fraction[shifts],
        "mean_enrichment": enrichment,
        "labelled_fraction": 1 - fraction[0],
        "pool": amount,
        "labelled_pool": amount * enrichment,
        "unexplained": unexplained,
    }, text
