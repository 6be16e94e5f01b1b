"""Corrected isotopologue fractions, mean enrichment and labelled pool of every measurement."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

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
    table = table[table["shift"].notna() & table["area"].notna()]
    parts = []
    for _, rows in table.groupby(MEASUREMENT, sort=True, dropna=False):
        parts.append(_measurement(rows.sort_values("shift"), purity, natural_tracer, resolution, at_mz))
    if not parts:
        raise NotApplicable("no isotopologue has an area")
    return pd.concat(parts, ignore_index=True).loc[:, list(COLUMNS)]


def _measurement(rows: pd.DataFrame, purity: float, natural_tracer: bool, resolution: float, at: float) -> pd.DataFrame:
    first = rows.iloc[0]
    tracer = parse_tracer(first["tracer"])
    n = parse_formula(first["formula"]).get(tracer.element, 0)
    shifts = rows["shift"].to_numpy(dtype=int)
    out = rows.copy()
    out["isotope"], out["shift"], out["isotopologue"] = tracer.isotope, shifts, [f"M+{k}" for k in shifts]
    areas = np.full(n + 1, np.nan)
    areas[shifts] = rows["area"].to_numpy(dtype=float)
    if first["corrected"] == "yes":
        fixed, unexplained, how = np.clip(areas, 0, None), 0.0, "given as corrected"
    else:
        system = _system(first["formula"], tracer.isotope, first["derivative"], purity, natural_tracer, resolution, at)
        fixed, residual = correction.corrected(areas, system)
        unexplained = float(np.nansum(np.abs(residual))) if np.isfinite(residual).any() else np.nan
        how = "high resolution" if resolution else "nominal mass"
    pool = float(np.nansum(fixed)) if np.isfinite(fixed).any() else 0.0
    reasons = []
    absent = [f"M+{k}" for k in range(n + 1) if k not in set(shifts)]
    if 0 not in set(shifts):
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
    fraction = fixed / pool if pool > 0 else np.full(n + 1, np.nan)
    enrichment = float(np.nansum(fraction * np.arange(n + 1)) / n) if pool > 0 else np.nan
    amount = pool / float(first["normaliser"]) if np.isfinite(first["normaliser"]) else pool
    out["corrected_area"], out["fraction"] = fixed[shifts], fraction[shifts]
    out["mean_enrichment"] = enrichment
    out["labelled_fraction"] = 1 - fraction[0] if pool > 0 else np.nan
    out["pool"] = amount if pool > 0 else np.nan
    out["labelled_pool"] = amount * enrichment if pool > 0 else np.nan
    out["unexplained"], out["correction"] = unexplained if pool > 0 else np.nan, how
    out["status"] = "estimated" if pool > 0 else "not_estimable"
    out["reason"] = "; ".join(reasons)
    out["source_table"] = "isotopologues"
    out["source_rows"] = source_rows(rows["_file"], rows["_row"]) if "_row" in rows else ""
    return out
