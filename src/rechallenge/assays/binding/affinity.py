"""The analysis: KD of every protein, variant and ligand, and mutants against the wild type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.assays.binding.contract import each, is_wild
from rechallenge.assays.binding.fits import INF, KINETIC, NAN, STEADY, curves, experiment, kinetic, steady
from rechallenge.faults import NotApplicable
from rechallenge.stats.factorial import contrast
from rechallenge.stats.multiplicity import bh
from rechallenge.tables.contract import source_rows

MODEL = "doi:10.1177/1177932218821383"
PROJECTION = "doi:10.1137/0710036"
MOVER = "doi:10.1177/0962280213502144"
COLUMNS = (
    "protein", "variant", "ligand", "method", "kd_um", "ci_low", "ci_high", "ka_per_um_s", "kd_per_s", "half_life_s",
    "rmax", "saturation", "drift_per_s", "r2", "n", "n_cycles", "n_points", "n_effective", "c_low_um", "c_high_um",
    "p_value", "q_value", "interval", "confidence", "status", "reason", "source_table", "source_rows",
)  # fmt: skip
MUTANTS = (
    "protein", "variant", "reference", "ligand", "method", "ratio", "ci_low", "ci_high", "p_value", "q_value", "margin",
    "n", "design", "confidence", "verdict", "status", "reason", "source_table", "source_rows",
)  # fmt: skip
CURVES = (
    "protein", "variant", "ligand", "replicate", "part", "cycle", "concentration_um", "seconds", "response", "fitted",
)  # fmt: skip
UNCHANGED, WEAKER, STRONGER, OPEN = "unchanged", "weaker", "stronger", "undecided"


def _methods(
    results: dict[str, pd.DataFrame], confidence: float, drift: bool, margin: float, subtract_blank: bool, **_: Any
) -> str:
    done = set(results["binding"]["method"])
    said = []
    if KINETIC in done:
        said.append(
            f"Sensorgrams were fitted to 1:1 binding ({MODEL}), one association and dissociation rate for all "
            f"concentrations of an experiment, with a base line{' and a linear drift' if drift else ''} per cycle "
            f"(variable projection, {PROJECTION}); intervals of KD are profiles of the residual sum of squares with "
            "the number of points that their autocorrelation leaves."
        )
    if STEADY in done:
        said.append(
            "Responses at equilibrium (end of the association, where it lasts long enough) were fitted to a "
            "hyperbola with profile intervals."
        )
    blank = " Blanks were subtracted." if subtract_blank else ""
    return (
        " ".join(said) + f"{blank} With two or more experiments the estimate is the mean of log KD and its t interval. "
        f"Intervals are at {100 * confidence:g} %. A KD above the highest concentration is given as a bound. Mutants "
        f"are compared by the ratio of KD (limits combined by recovered variances, {MOVER}, or t over experiments) and "
        f"called unchanged only where the {100 * (2 * confidence - 1):g} % interval lies within {margin:g}-fold."
    )


@analysis(
    title="Binding constants",
    reference=(MODEL, PROJECTION, MOVER),
    gives=("binding", "binding_mutants", "binding_curves"),
    methods=_methods,
    formula=(
        "dR/dt = ka C (Rmax - R) - kd R; KD = kd / ka; at equilibrium R = Rmax C / (KD + C); mutants by "
        "equivalence within a margin"
    ),
    oracle=(
        "Simulated sensorgrams of Anabel and pykingenie, a real Octet export and a Biacore workbook "
        "(tests/stats/test_langmuir.py, tests/assays/test_binding.py)"
    ),
    limits=(
        "One-to-one binding only: avidity, mass transport and two sites are seen as a poor fit and not "
        "modelled. On the Octet export the kinetic KD differs from the published one with the setting of Rmax "
        "(16.1 with defaults, 8.5 with theirs, 6.45 nM published)."
    ),
)
def binding(
    binding: pd.DataFrame,
    *,
    confidence: float = 0.95,
    drift: bool = True,
    shared_rmax: bool = True,
    subtract_blank: bool = True,
    offset: bool = False,
    margin: float = 3.0,
    reference: str = "",
    equilibrium: bool = True,
) -> dict[str, pd.DataFrame]:
    """KD by kinetics and at equilibrium (`COLUMNS`), mutants against `reference` (`MUTANTS`), points and fits to draw.

    `drift` fits a slope per cycle, `shared_rmax` one Rmax per experiment (one surface), `offset` a response without
    ligand at equilibrium. `margin` is the fold within which a mutant counts as unchanged; `reference` the variant that
    others are compared with (the wild type where empty). Without `equilibrium` a steady state is given from the ends of
    injections that, by the rates of the kinetic fit, were too short for it (the reason says so); with it such a row has
    no KD. Raises NotApplicable for a table without a response, ValueError for a `margin` not above 1.
    """
    if not margin > 1:
        raise ValueError(f"the margin of equivalence is a fold above 1, got {margin}")
    table = binding[binding["response"].notna()].copy()
    if table.empty:
        raise NotApplicable("the table of binding holds no response")
    for c, default in (("variant", "wild type"), ("replicate", "1"), ("cycle", ""), ("protein", ""), ("ligand", "")):
        table[c] = table[c].fillna("").astype(str).str.strip().replace("", default)
    table["variant"] = table["variant"].map(lambda v: "wild type" if is_wild(v) else v)
    bare = table["cycle"] == ""
    table.loc[bare, "cycle"] = table.loc[bare, "concentration_um"].map(lambda c: f"{c:g} µM")
    order = ["protein", "variant", "ligand", "replicate", "cycle", "seconds", "concentration_um", "response"]
    table = table.sort_values(order, kind="mergesort").reset_index(drop=True)
    fits: list[dict[str, Any]] = []
    drawn: list[pd.DataFrame] = []
    keys = ["protein", "variant", "ligand", "replicate"]
    for names, rows in table.groupby(keys, sort=True):
        who = {k: str(v) for k, v in zip(keys, names, strict=True)}
        one = experiment(rows, subtract_blank=subtract_blank)
        fit = None
        if rows["seconds"].notna().any():
            row, fit = kinetic(one, drift=drift, shared_rmax=shared_rmax, confidence=confidence)
            fits.append({**who, **row})
        row, found = steady(one, fit, offset=offset, confidence=confidence, equilibrium=equilibrium)
        fits.append({**who, **row})
        drawn += [part.assign(**who) for part in curves(one, fit, found)]
    single = pd.DataFrame(fits)
    out = pd.DataFrame([_together(part, confidence) for _, part in single.groupby([*keys[:3], "method"], sort=True)])
    out = out.reindex(columns=list(COLUMNS))
    out["q_value"] = bh(out["p_value"].to_numpy(dtype=float))
    out["confidence"], out["source_table"] = confidence, "binding"
    out["source_rows"] = [_origin(table, row) for row in each(out)]
    mutants = _mutants(single, out, confidence, margin, reference)
    shown = pd.concat(drawn, ignore_index=True) if drawn else pd.DataFrame()
    return {"binding": out, "binding_mutants": mutants, "binding_curves": shown.reindex(columns=list(CURVES))}


def _together(part: pd.DataFrame, confidence: float) -> dict[str, Any]:
    """The experiments of one protein, variant, ligand and method as one row."""
    good = part[part["status"] == "estimated"]
    row: dict[str, Any] = {str(k): v for k, v in (good if len(good) else part).iloc[0].items()}
    row["n"], row["interval"] = len(part), "profile" if row["status"] != "not_estimable" else ""
    for c in ("n_cycles", "n_points", "n_effective"):
        row[c] = float(part[c].sum()) if c in part.columns else NAN
    if "p_value" in part.columns:
        row["p_value"] = float(part["p_value"].max())
    if len(part) == 1:
        return row
    if len(good) < len(part):
        return {**row, "reason": _mixed(part), **_weakest(part)}
    test = contrast([dict(zip(part["replicate"], np.log10(part["kd_um"]), strict=True))], [1.0], confidence=confidence)
    for c in ("ka_per_um_s", "kd_per_s", "half_life_s", "rmax", "drift_per_s", "r2", "saturation"):
        if c in part.columns:
            row[c] = float(part[c].mean())
    row["kd_um"] = 10.0**test.effect
    if test.status == "estimated":
        row |= {"ci_low": 10.0**test.ci_low, "ci_high": 10.0**test.ci_high, "interval": "t over experiments"}
    return row


def _mixed(part: pd.DataFrame) -> str:
    if len(reasons := set(part["reason"])) == 1:
        return str(reasons.pop())
    said = [f"{r.replicate}: {r.reason or 'estimated'}" for r in each(part)]
    return "experiments differ in what they determine (" + "; ".join(said) + ")"


def _weakest(part: pd.DataFrame) -> dict[str, Any]:
    """Of experiments that do not all give a number: the bound that holds for all of them, if there is one."""
    censored = part[part["status"] == "censored"]
    known = part[part["status"] != "not_estimable"]
    if len(known) == len(part) and (censored["ci_high"] == INF).all():
        return {"kd_um": NAN, "ci_low": float(part["ci_low"].min()), "ci_high": INF, "status": "censored"}
    if len(known) == len(part) and (censored["ci_low"] == 0).all():
        return {"kd_um": NAN, "ci_low": 0.0, "ci_high": float(part["ci_high"].max()), "status": "censored"}
    return {"kd_um": NAN, "ci_low": NAN, "ci_high": NAN, "status": "not_estimable"}


def _origin(table: pd.DataFrame, row: Any) -> str:
    if "_row" not in table.columns:
        return ""
    mine = (table["protein"] == row.protein) & (table["variant"] == row.variant) & (table["ligand"] == row.ligand)
    return source_rows(table.loc[mine, "_file"], table.loc[mine, "_row"])


# mutants --------------------------------------------------------------------------------------------------------


def _mutants(single: pd.DataFrame, out: pd.DataFrame, confidence: float, margin: float, reference: str) -> pd.DataFrame:
    """KD of each variant over that of the reference; 'unchanged' only by equivalence."""
    rows = []
    for (protein, ligand, method), part in out.groupby(["protein", "ligand", "method"], sort=True):
        known: dict[str, Any] = {str(r["variant"]): r for r in part.to_dict("records")}
        base = reference if reference in known else "wild type"
        if base not in known:
            continue
        for variant in sorted(set(known) - {base}):
            fits = single[(single["protein"] == protein) & (single["ligand"] == ligand) & (single["method"] == method)]
            row = _ratio(fits, known[variant], known[base], variant, base, confidence, margin)
            row |= {"protein": protein, "ligand": ligand, "method": method, "variant": variant, "reference": base}
            row["source_rows"] = ";".join(sorted({known[v]["source_rows"] for v in (variant, base)} - {""}))
            rows.append(row)
    table = pd.DataFrame(rows).reindex(columns=list(MUTANTS))
    table["margin"], table["confidence"], table["source_table"] = margin, confidence, "binding"
    table["q_value"] = bh(table["p_value"].to_numpy(dtype=float))
    return table


def _ratio(
    fits: pd.DataFrame, mutant: Mapping[str, Any], wild: Mapping[str, Any], variant: str, base: str, confidence: float,
    margin: float,
) -> dict[str, Any]:  # fmt: skip
    states = (mutant["status"], wild["status"])
    row: dict[str, Any] = {"ratio": NAN, "ci_low": NAN, "ci_high": NAN, "p_value": NAN, "status": "not_estimable",
                           "reason": "", "verdict": OPEN, "n": int(mutant["n"] + wild["n"]), "design": ""}  # fmt: skip
    if states == ("estimated", "estimated"):
        arms = [
            {str(r): float(np.log(k)) for r, k in zip(p["replicate"], p["kd_um"], strict=True)}
            for p in (fits[fits["variant"] == variant], fits[fits["variant"] == base])
        ]
        test = contrast(arms, [1, -1], confidence=confidence)
        narrow = contrast(arms, [1, -1], confidence=2 * confidence - 1)
        if test.status == "estimated":
            log = test.effect, test.ci_low, test.ci_high, narrow.ci_low, narrow.ci_high
            row |= {"p_value": test.p_value, "design": test.design}
        else:
            log = _recovered(mutant, wild, confidence)
            row |= {"design": "one experiment each: within-experiment error only"}
        effect, low, high, inner_low, inner_high = log
        row |= {"ratio": np.exp(effect), "ci_low": np.exp(low), "ci_high": np.exp(high), "status": "estimated"}
        within = -np.log(margin) < inner_low and inner_high < np.log(margin)
        # a difference inside the margin is one, but a small one: equivalence is said first
        row["verdict"] = UNCHANGED if within else WEAKER if low > 0 else STRONGER if high < 0 else OPEN
        return row
    if states == ("censored", "estimated") and mutant["ci_high"] == INF:
        bound = float(mutant["ci_low"] / wild["ci_high"])
        row |= {"ci_low": bound, "ci_high": INF, "status": "censored"}
        row |= {"verdict": WEAKER if bound > 1 else OPEN, "reason": f"KD of {variant} is a lower bound"}
        return row
    if states == ("not_estimable", "estimated") and "no binding" in str(mutant["reason"]):
        row["reason"] = (
            f"{variant}: {mutant['reason']}, which bounds nothing: no signal may mean no binding or no active protein"
        )
        return row
    row["reason"] = "; ".join(f"{n}: {r['reason']}" for n, r in ((variant, mutant), (base, wild)) if r["reason"])
    return row


def _recovered(
    mutant: Mapping[str, Any], wild: Mapping[str, Any], confidence: float
) -> tuple[float, float, float, float, float]:
    """Log ratio with limits, outer and inner (for two one-sided tests), from the limits of its two parts."""
    from scipy.stats import norm

    a, b = ([float(np.log(r[c])) for c in ("kd_um", "ci_low", "ci_high")] for r in (mutant, wild))
    effect = a[0] - b[0]
    down = float(np.hypot(a[0] - a[1], b[2] - b[0]))
    up = float(np.hypot(a[2] - a[0], b[0] - b[1]))
    share = float(norm.ppf(confidence) / norm.ppf((1 + confidence) / 2))
    return effect, effect - down, effect + up, effect - share * down, effect + share * up
