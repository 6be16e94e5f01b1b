"""From Ct to log2 amounts: technical wells, efficiencies, references, copies per cell, per cent of input.

For target t with amplification factor E_t per cycle, Ct c_t and reference targets r (doi:10.1093/nar/29.9.e45; several
references by their geometric mean, doi:10.1186/gb-2002-3-7-research0034)::

    log2 amount = mean over r of (c_r log2 E_r) - c_t log2 E_t

- mitochondrial DNA: the same with nuclear targets as references, plus 1: copies per cell (two nuclear copies);
- ChIP: log2(100 f) + c_input log2 E - c_ip log2 E: per cent of input, f the fraction that the input well is.

A target that did not come up in half of its wells or more is not given a Ct: its amount is below that of the last
cycle (`bound` -1). Technical wells are averaged first, then the samples of a biological replicate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.assays.qpcr.contract import REFERENCES, factor, plain
from rechallenge.designs.labels import each

#: columns of one arm and biological replicate; then those of the averaged wells
UNIT = ("model", "stage", "time", "group", "block", "replicate")
WELLS = (
    *UNIT, "sample", "target", "role", "antibody", "efficiency", "input_fraction", "ct", "ct_sd", "n_wells",
    "n_undetermined", "seen", "log2",
)  # fmt: skip
METHODS = {"gene": "relative to references", "mitochondrial": "copies per cell", "ip": "per cent of input"}
UNITS = {"gene": "relative", "mitochondrial": "copies per cell", "ip": "% of input"}


def with_roles(table: pd.DataFrame, references: Sequence[str] = ()) -> pd.DataFrame:
    """The table with every text column filled and every well's role: as given, else reference or gene.

    Targets named in `references`, or known as reference genes where none is named and none has the role, are
    references.
    """
    out = table.copy()
    for name in (*(u for u in UNIT if u != "time"), "sample", "target", "role", "antibody", "undetermined"):
        out[name] = out[name].fillna("").astype(str).str.strip() if name in out.columns else ""
    for name in ("ct", "efficiency", "input_fraction", "quantity", "time"):
        out[name] = pd.to_numeric(out[name]) if name in out.columns else np.nan
    told = {plain(r) for r in references}
    declared = set(out.loc[out["role"] == "reference", "target"].map(plain)) | told
    known = declared or set(REFERENCES)
    free = out["role"].isin(["", "gene"])
    is_reference = free & out["target"].map(plain).isin(known)
    out["role"] = out["role"].where(out["role"] != "", "gene").mask(is_reference, "reference")
    return out


def efficiencies(table: pd.DataFrame, confidence: float = 0.95) -> pd.DataFrame:
    """Amplification factors from wells with role standard: Ct on log10 quantity, factor 10^(-1 / slope).

    One row per target: slope, efficiency with interval, r2, n_points, levels, status, reason.
    """
    from scipy.stats import t as student

    rows = []
    for target, part in table[(table["role"] == "standard") & table["ct"].notna()].groupby("target", sort=True):
        part = part[part["quantity"] > 0].sort_values(["quantity", "ct"])
        x, y = np.log10(part["quantity"].to_numpy()), part["ct"].to_numpy()
        row: dict[str, Any] = {"target": target, "n_points": len(x), "levels": len(set(x)), "status": "not_estimable"}
        if row["levels"] < 3:
            rows.append({**row, "reason": "a standard curve needs three amounts"})
            continue
        centred = x - x.mean()
        slope = float(centred @ y / (centred @ centred))
        rest = y - y.mean() - slope * centred
        error = float(np.sqrt(rest @ rest / (len(x) - 2) / (centred @ centred)))
        reach = float(student.ppf(0.5 + confidence / 2, len(x) - 2)) * error
        limits = [10 ** (-1 / (slope - reach)), 10 ** (-1 / (slope + reach)) if slope + reach < 0 else np.inf]
        if slope + reach >= 0:
            rows.append({**row, "slope": slope, "reason": "the Ct does not fall with the amount"})
            continue
        total = y - y.mean()
        rows.append({
            **row, "slope": slope, "intercept": float(y.mean() - slope * x.mean()), "efficiency": 10 ** (-1 / slope),
            "ci_low": min(limits), "ci_high": max(limits), "r2": float(1 - rest @ rest / (total @ total)),
            "status": "estimated", "reason": "",
        })  # fmt: skip
    columns = ["target", "slope", "intercept", "efficiency", "ci_low", "ci_high", "r2", "n_points", "levels", "status",
               "reason"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def wells(table: pd.DataFrame, max_ct: float, standards: Mapping[str, float]) -> pd.DataFrame:
    """Technical wells averaged: columns `WELLS`, one row per unit, sample, target, role and antibody.

    `ct` is the mean of the wells that came up where these are more than half, else `max_ct` with `seen` false. A Ct at
    or above `max_ct` was not seen.
    """
    rows = table[~table["role"].isin(["standard", "no template"])].copy()
    rows["hit"] = rows["ct"].notna() & (rows["ct"] < max_ct)
    rows["found"] = rows["ct"].where(rows["hit"])
    rows["efficiency"] = rows["efficiency"].map(factor)
    keys = [*UNIT, "sample", "target", "role", "antibody"]
    grouped = rows.groupby(keys, sort=True, dropna=False)
    out = grouped.agg(
        ct=("found", "mean"), ct_sd=("found", "std"), n_wells=("hit", "size"), n_seen=("hit", "sum"),
        efficiency=("efficiency", "mean"), input_fraction=("input_fraction", "mean"),
    ).reset_index()  # fmt: skip
    out["seen"] = out["n_seen"] * 2 > out["n_wells"]
    out["ct"] = out["ct"].where(out["seen"], max_ct)
    out["n_undetermined"] = out["n_wells"] - out["n_seen"]
    from_curve = out["target"].map(lambda t: standards.get(t, np.nan))
    out["efficiency"] = out["efficiency"].where(out["efficiency"].notna(), from_curve).fillna(2.0)
    out["log2"] = out["ct"] * np.log2(out["efficiency"])
    return out.loc[:, list(WELLS)]


def amounts(averaged: pd.DataFrame) -> pd.DataFrame:
    """Log2 amounts per sample: UNIT, sample, target, method, unit, y, bound, technical_se, technical_sd, status, ...

    `technical_se` and `technical_sd` are those of log2 from wells alone (standard error of the means; spread of wells).
    """
    keys = [*UNIT, "sample"]
    rows = []
    for key, part in averaged.groupby(keys, sort=True, dropna=False):
        at = dict(zip(keys, key, strict=True))
        for kind, base in (("gene", "reference"), ("mitochondrial", "nuclear")):
            mine, refs = part[part["role"] == kind], part[part["role"] == base]
            rows += [{**at, "target": w.target, **_relative(w, refs, kind, base)} for w in each(mine)]
        for well in each(part[part["role"] == "ip"]):
            inputs = part[(part["role"] == "input") & (part["target"] == well.target)]
            label = f"{well.target}, {well.antibody}" if well.antibody else well.target
            rows.append({**at, "target": label, **_of_input(well, inputs)})
    columns = [*keys, "target", "kind", "y", "bound", "technical_se", "technical_sd", "n_wells", "status", "reason"]
    out = pd.DataFrame(rows, columns=columns)
    out["method"], out["unit"] = out["kind"].map(METHODS), out["kind"].map(UNITS)
    return out


def _relative(well: Any, refs: pd.DataFrame, kind: str, base: str) -> dict[str, Any]:
    out: dict[str, Any] = {"kind": kind, "y": np.nan, "bound": 0, "n_wells": int(well.n_wells)}
    if refs.empty:
        return {**out, "status": "not_estimable", "reason": f"no {base} target was measured in this sample"}
    if not refs["seen"].all():
        gone = ", ".join(refs.loc[~refs["seen"], "target"])
        return {**out, "status": "not_estimable", "reason": f"the {base} {gone} did not come up"}
    out["y"] = float(refs["log2"].mean() - well.log2) + (1.0 if kind == "mitochondrial" else 0.0)
    lg = np.log2(refs["efficiency"].to_numpy()) / len(refs)
    spread = refs["ct_sd"].to_numpy() * lg
    own = well.ct_sd * np.log2(well.efficiency)
    out["technical_sd"] = float(np.sqrt(own**2 + (spread**2).sum()))
    per_well = (spread**2 / refs["n_wells"].to_numpy()).sum()
    out["technical_se"] = float(np.sqrt(own**2 / well.n_wells + per_well))
    return {**out, **_seen(well)}


def _of_input(well: Any, inputs: pd.DataFrame) -> dict[str, Any]:
    out: dict[str, Any] = {"kind": "ip", "y": np.nan, "bound": 0, "n_wells": int(well.n_wells)}
    if inputs.empty or not inputs["seen"].all() or inputs["input_fraction"].isna().any():
        return {**out, "status": "not_estimable", "reason": "no input of this target was measured in this sample"}
    share = np.log2(100 * inputs["input_fraction"].to_numpy())
    out["y"] = float((share + inputs["log2"].to_numpy()).mean() - well.log2)
    lg = np.log2(well.efficiency)
    spread = inputs["ct_sd"].to_numpy() * lg / len(inputs)
    out["technical_sd"] = float(np.sqrt((well.ct_sd * lg) ** 2 + (spread**2).sum()))
    error = (well.ct_sd * lg) ** 2 / well.n_wells + (spread**2 / inputs["n_wells"].to_numpy()).sum()
    return {**out, "technical_se": float(np.sqrt(error)), **_seen(well)}


def _seen(well: Any) -> dict[str, Any]:
    if well.seen:
        part = f"{well.n_undetermined:.0f} of {well.n_wells} wells undetermined" if well.n_undetermined else ""
        return {"status": "estimated", "reason": part}
    return {
        "bound": -1,
        "status": "censored",
        "reason": f"not detected in {well.n_undetermined:.0f} of {well.n_wells} wells",
    }


def per_replicate(samples: pd.DataFrame) -> pd.DataFrame:
    """Samples of one biological replicate averaged; a bound where any of them is one."""
    known = samples[samples["status"] != "not_estimable"]
    grouped = known.groupby([*UNIT, "target", "kind", "method", "unit"], sort=True, dropna=False)
    return grouped.agg(
        y=("y", "mean"), bound=("bound", "min"), technical_se=("technical_se", "mean"),
        technical_sd=("technical_sd", "mean"), n_samples=("y", "size"), n_wells=("n_wells", "sum"),
    ).reset_index()  # fmt: skip


def stability(averaged: pd.DataFrame) -> pd.DataFrame:
    """How steady the references are: geNorm's M (two or more references) and the spread of each one's own Ct.

    M of a reference is the mean over the others of the standard deviation of their log2 ratio over all samples; above
    1.5 it is not steady (doi:10.1186/gb-2002-3-7-research0034). `range_between_groups` is the largest difference of
    group means of log2 in one model: it holds differences in loading too.
    """
    refs = averaged[averaged["role"].isin(["reference", "nuclear"]) & averaged["seen"]]
    rows = []
    wide = refs.pivot_table(index=[*UNIT, "sample"], columns="target", values="log2", dropna=False, aggfunc="mean")
    wide = wide.dropna(how="all")
    for target in sorted(set(refs["target"])):
        others = [(wide[target] - wide[o]).dropna() for o in wide.columns if o != target]
        spreads = [float(d.std(ddof=1)) for d in others if len(d) > 1]
        own = refs[refs["target"] == target]
        group = own.groupby(["model", "group"])["log2"].mean()
        span = group.groupby("model").agg(lambda v: v.max() - v.min())
        m = float(np.mean(spreads)) if spreads else np.nan
        rows.append({
            "target": target, "role": own["role"].iloc[0], "m_value": m, "sd_log2": float(own["log2"].std(ddof=1)),
            "range_between_groups": float(span.max()) if len(span) else np.nan, "n_samples": len(own),
            "n_references": len(wide.columns),
            "verdict": "one reference: not told apart from loading" if not spreads else
                       "steady" if m < 0.5 else "acceptable" if m <= 1.5 else "not steady",
        })  # fmt: skip
    columns = ["target", "role", "m_value", "sd_log2", "range_between_groups", "n_samples", "n_references", "verdict"]
    return pd.DataFrame(rows, columns=columns)
