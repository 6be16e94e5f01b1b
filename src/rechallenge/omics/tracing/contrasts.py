"""Groups compared on pre-declared isotopologues, mean enrichment, labelled pool and the whole distribution."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pandas as pd

from rechallenge import contrasts as groups
from rechallenge.analysis import analysis
from rechallenge.contrasts import Comparison
from rechallenge.faults import NotApplicable
from rechallenge.omics.tracing.isotopes import parse_tracer
from rechallenge.omics.tracing.routes import ROADMAP, ROUTES, metabolite, routes_of
from rechallenge.stats import composition
from rechallenge.stats.factorial import Contrast, contrast, log2_contrast
from rechallenge.stats.multiplicity import bh

ROTATION = "doi:10.1007/s11222-005-4789-5"
AITCHISON, ZEROS = "doi:10.1111/j.2517-6161.1982.tb01195.x", "doi:10.1023/A:1023866030544"
SHARE, ENRICHMENT, POOL, WHOLE = "isotopologue share", "mean enrichment", "labelled pool", "distribution"
UNIT = ["model", "treatment", "stage", "replicate", "hours", "tracer", "metabolite", "derivative"]
COLUMNS = (
    "model", "contrast", "kind", "treatment", "tracer", "hours", "metabolite", "derivative", "measure", "isotopologue",
    "pathway", "meaning", "genes", "group_value", "reference_value", "effect", "effect_unit", "se", "df", "ci_low",
    "ci_high", "statistic", "p_value", "q_value", "n", "design", "direction", "status", "reason", "source_table",
    "source_rows",
)  # fmt: skip
_NUMBERS = ("effect", "se", "df", "ci_low", "ci_high", "statistic", "p_value", "n", "design", "status", "reason")


def _methods(tracing: pd.DataFrame, confidence: float, detection: float, n_rotations: int, **_: Any) -> str:
    designs = sorted({d.split(";")[0] for d in tracing["design"] if d})
    return (
        f"Shares of isotopologues that stand for a route, named beforehand for each tracer ({ROADMAP}), mean "
        "enrichment and the log2 labelled pool were compared between groups by t tests with the biological replicate "
        f"as the unit ({'; '.join(designs) or 'no design complete'}) and {100 * confidence:g} % intervals; whole "
        f"distributions were compared as centred log ratios ({AITCHISON}; parts below {detection:g} replaced, "
        f"{ZEROS}) by a rotation test with {n_rotations} rotations ({ROTATION}). Each measure was adjusted by "
        "Benjamini and Hochberg (doi:10.1111/j.2517-6161.1995.tb02031.x)."
    )


def per_replicate(isotopologues: pd.DataFrame) -> pd.DataFrame:
    """Technical measurements averaged: fraction, enrichment and pools per biological replicate and isotopologue."""
    table = isotopologues[isotopologues["status"] == "estimated"].copy()
    table = groups.grouped(table)
    table["hours"] = [_hours(h) for h in table["hours"].astype(float)]
    numbers = ["fraction", "mean_enrichment", "labelled_pool", "pool"]
    return table.groupby([*UNIT, "isotopologue", "shift"], sort=True)[numbers].mean().reset_index()


@analysis(
    title="Labelling between groups",
    reference=(ROADMAP, AITCHISON, ZEROS, ROTATION),
    methods=_methods,
    formula=(
        "difference of fractions and of mean enrichment, log2 ratio of labelled pools; whole distribution: "
        "rotation of centred log ratios"
    ),
    oracle=(
        "Lactate M+3 of hypoxic fibroblasts, .630 and .245 (tests/omics/test_tracing.py); level of the rotation"
        " (tests/stats/test_composition.py)"
    ),
    limits=("Enrichment at one time is no flux. Fractions are parts of a whole; single ones are read with the whole."),
)
def tracing(
    isotopologues: pd.DataFrame,
    models: pd.DataFrame,
    contrasts: pd.DataFrame | None = None,
    *,
    confidence: float = 0.95,
    alpha: float = 0.05,
    detection: float = 0.01,
    n_rotations: int = 9999,
    seed: int = 0,
) -> pd.DataFrame:
    """One row per contrast, tracer, time, metabolite and measure: `COLUMNS`.

    Measures: `isotopologue share` (difference of fractions; only isotopologues named in `routes`), `mean enrichment`
    (difference), `labelled pool` (log2 ratio, in the unit of the areas) and `distribution` (all isotopologues at once;
    effect is the Aitchison distance of the mean compositions, without interval). Isotopologues that reach `detection`
    in no sample of a contrast are merged into one part. Genes that were lowered or raised are compared with the control
    of their kind. `genes` names the enzymes of a route's step. q values run over all tests of one measure. `direction`
    is +1 or -1 where a resistant model differs from its parent at q < `alpha`. Raises NotApplicable where no two groups
    can be compared.
    """
    means = per_replicate(isotopologues)
    rows: list[dict[str, Any]] = []
    by = ["tracer", "hours", "model", "treatment", "stage", "metabolite", "derivative"]
    cells = {_key(k): part for k, part in means.groupby(by, sort=True)}
    origin = _origins(isotopologues, by)
    compounds = sorted({(k[5], k[6]) for k in cells})
    strata = ("tracer", "hours")
    found = groups.of(means, models, contrasts, within=strata)
    have = {(c.stratum, c.group, c.reference) for c in found}
    lowered = [c for c, _, _ in groups.perturbed(means, within=strata)]
    found += [c for c in lowered if (c.stratum, c.group, c.reference) not in have]
    for one in found:
        at = tuple(value for _, value in one.stratum)
        for compound in compounds:
            sides = [(*at, g.model, g.treatment, g.stage, *compound) for g in (one.group, one.reference)]
            if not all(k in cells for k in sides):
                continue
            pair = [cells[k] for k in sides]
            head = _head(one, *compound) | {"_tells": groups.direction(one, models)}
            head["source_rows"] = groups.origins(t for k in sides for t in origin.get(k, ()))
            rows += [{**head, **r} for r in _measures(one, pair, compound[0], confidence)]
            rows.append({**head, **_distribution(pair, detection, n_rotations, seed, "|".join(sides[0] + sides[1]))})
    if not rows:
        raise NotApplicable("tracing needs one metabolite in two groups: a resistant model and its parent, or a drug")
    out = pd.DataFrame(rows)
    out["q_value"] = np.nan
    for index in out.groupby("measure", sort=True).groups.values():
        out.loc[index, "q_value"] = bh(out.loc[index, "p_value"])
    sign = np.sign(out["effect"]).where((out["q_value"] < alpha) & (out["measure"] != WHOLE), 0).fillna(0)
    out["direction"] = (sign * out.pop("_tells")).astype(int)
    order = {m: i for i, m in enumerate((SHARE, ENRICHMENT, POOL, WHOLE))}
    out["_order"] = out["measure"].map(order)
    keys = ["kind", "contrast", "tracer", "hours", "metabolite", "derivative", "_order", "isotopologue", "pathway"]
    return out.sort_values(keys, kind="mergesort").reset_index(drop=True).loc[:, list(COLUMNS)]


def _origins(isotopologues: pd.DataFrame, by: list[str]) -> dict[tuple[str, ...], list[str]]:
    """Rows of the lab's table behind every group, tracer, time and metabolite."""
    table = groups.grouped(isotopologues[isotopologues["source_rows"] != ""])
    table["hours"] = [_hours(h) for h in table["hours"].astype(float)]
    found = table[[*by, "source_rows"]].drop_duplicates().groupby(by, sort=True)["source_rows"].agg(list)
    return {_key(k): list(v) for k, v in found.items()}


def _key(values: Any) -> tuple[str, ...]:
    return tuple(str(v) for v in values)


def _hours(value: float) -> str:
    return f"{value:g}" if np.isfinite(value) else ""


def _head(one: Comparison, name: str, derivative: str) -> dict[str, Any]:
    stratum = dict(one.stratum)
    return {
        "model": one.model,
        "contrast": one.contrast,
        "kind": one.kind,
        "treatment": one.group.treatment,
        "tracer": stratum["tracer"],
        "hours": stratum["hours"],
        "metabolite": name,
        "derivative": derivative,
        "isotopologue": "",
        "pathway": "",
        "meaning": "",
        "genes": "",
        "source_table": "isotopologues",
    }


def _arms(pair: list[pd.DataFrame], column: str) -> list[dict[str, float]]:
    return [dict(zip(s["replicate"], s[column].astype(float), strict=True)) for s in pair]


def _row(found: Contrast, measure: str, unit: str, arms: list[dict[str, float]], **more: str) -> dict[str, Any]:
    middle = [float(np.mean(list(a.values()))) if a else np.nan for a in arms]
    numbers = {k: getattr(found, k) for k in _NUMBERS}
    return {**numbers, "measure": measure, "effect_unit": unit, "group_value": middle[0],
            "reference_value": middle[1], **more}  # fmt: skip


def _measures(one: Comparison, pair: list[pd.DataFrame], name: str, confidence: float) -> list[dict[str, Any]]:
    names = [one.group.label, one.reference.label]
    out = []
    for route in routes_of(parse_tracer(dict(one.stratum)["tracer"]), name):
        arms = []
        for side in pair:
            mine = side[side["shift"].isin(route.shifts)]
            found = mine.groupby("replicate")["fraction"].agg(["sum", "count"])
            complete = found.loc[found["count"] == len(route.shifts), "sum"]
            arms.append({str(r): float(v) for r, v in complete.items()})
        result = contrast(arms, [1, -1], confidence=confidence, names=names)
        label = " + ".join(f"M+{k}" for k in route.shifts)
        out.append(_row(result, SHARE, "difference of the share of the metabolite", arms, isotopologue=label,
                        pathway=route.pathway, meaning=route.meaning, genes=", ".join(route.genes)))  # fmt: skip
    single = [s.drop_duplicates("replicate") for s in pair]
    arms = _arms(single, "mean_enrichment")
    result = contrast(arms, [1, -1], confidence=confidence, names=names)
    out.append(_row(result, ENRICHMENT, "difference of the share of labelled atoms", arms))
    arms = _arms(single, "labelled_pool")
    floor = min((v for a in arms for v in a.values() if v > 0), default=np.nan)
    if np.isfinite(floor) and set(pair[0]["pool"].round(9)) != {1.0}:
        result = log2_contrast(arms, [1, -1], floor=floor * (1 - 1e-9), confidence=confidence, names=names)
        out.append(_row(result, POOL, "log2 ratio of labelled atoms", arms))
    return out


def _distribution(pair: list[pd.DataFrame], detection: float, n_rotations: int, seed: int, key: str) -> dict[str, Any]:
    """Rotation test of all isotopologues at once, with shared replicates as blocks."""
    wide = [s.set_index(["replicate", "shift"])["fraction"].unstack() for s in pair]  # noqa: PD010
    shared = sorted(set(wide[0].columns) & set(wide[1].columns))
    wide = [w[shared].dropna() for w in wide]
    base: dict[str, Any] = {
        "measure": WHOLE, "effect_unit": "Aitchison distance", "group_value": np.nan, "reference_value": np.nan,
        "se": np.nan, "df": np.nan, "ci_low": np.nan, "ci_high": np.nan, "statistic": np.nan, "p_value": np.nan,
        "effect": np.nan, "n": 0, "design": "", "status": "not_estimable", "reason": "",
    }  # fmt: skip
    if len(shared) < 2 or min(len(w) for w in wide) == 0:
        return {**base, "reason": "fewer than two isotopologues in both groups"}
    common = sorted(set(wide[0].index) & set(wide[1].index))
    blocked = len(common) >= 2
    if blocked:
        wide = [w.loc[common] for w in wide]
    parts = np.vstack([w.to_numpy(dtype=float) for w in wide])
    seen = (composition.closed(parts) >= detection).any(axis=0)
    if seen.sum() < 2:
        return {**base, "reason": f"one isotopologue holds all but {detection:g} of the metabolite"}
    merged = parts[:, seen] if seen.all() else np.column_stack([parts[:, seen], parts[:, ~seen].sum(axis=1)])
    logs = composition.clr(composition.replaced(merged, detection / 2))
    first = np.repeat([1.0, 0.0], [len(wide[0]), len(wide[1])])
    nuisance = np.ones((len(first), 1))
    if blocked:
        nuisance = np.vstack([np.eye(len(common)), np.eye(len(common))])
    distance = float(np.linalg.norm(logs[first == 1].mean(axis=0) - logs[first == 0].mean(axis=0)))
    found = composition.rotation_test(
        logs, first, nuisance, n_rotations=n_rotations, seed=[seed, zlib.crc32(key.encode())]
    )
    design = "replicate as block" if blocked else "independent arms"
    base |= {"effect": distance, "n": len(common) if blocked else len(first), "design": f"{design}; rotation test"}
    if np.isnan(found.p_value):
        return {**base, "status": "not_testable", "reason": "too few biological replicates: no test"}
    return {**base, "status": "estimated", "statistic": found.statistic, "p_value": found.p_value, "df": found.df}


@analysis(
    title="Isotopologues named beforehand",
    reference=ROADMAP,
    methods=f"Which isotopologue stands for which route was laid down before looking at the data ({ROADMAP}).",
    formula="No formula: a table laid down beforehand of which isotopologue stands for which step",
    oracle="Steps and enzymes as in the reactions of Human-GEM (tests/omics/test_tracing.py)",
    limits="An isotopologue can be made by more than one route; the table names the usual one.",
)
def tracing_routes(isotopologues: pd.DataFrame) -> pd.DataFrame:
    """Which named isotopologue of which tracer was measured: tracer, metabolite, isotopologue, pathway, meaning,
    genes (enzymes of the step), measured."""
    tracers = {str(t): parse_tracer(t) for t in isotopologues["tracer"].unique()}
    there = {(parse_tracer(t).key, metabolite(m), k) for t, m, k in zip(
        isotopologues["tracer"], isotopologues["metabolite"], isotopologues["shift"], strict=True)}  # fmt: skip
    rows = [
        {
            "tracer": text,
            "metabolite": r.metabolite,
            "isotopologue": " + ".join(f"M+{k}" for k in r.shifts),
            "pathway": r.pathway,
            "meaning": r.meaning,
            "genes": ", ".join(r.genes),
            "measured": all((t.key, r.metabolite, k) in there for k in r.shifts),
        }
        for text, t in sorted(tracers.items())
        for r in ROUTES
        if r.tracer == t.key
    ]
    return pd.DataFrame(
        rows, columns=["tracer", "metabolite", "isotopologue", "pathway", "meaning", "genes", "measured"]
    )
