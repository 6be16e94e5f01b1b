"""Sizes of particles (extracellular vesicles, lipid droplets, spheroids): the distribution of every preparation.

A table holds one size per particle, or a histogram (size and how many). Each biological replicate is summarised first
(median, D10, D90, span, mode, share below and above given sizes); the replicate, not the particle, is the unit of every
comparison. Ten thousand particles of one preparation are n = 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis, figure
from rechallenge.designs import contrasts
from rechallenge.faults import Fault, NotApplicable
from rechallenge.stats.multiplicity import bh
from rechallenge.tables.contract import Column, Contract, place

BH = "doi:10.1111/j.2517-6161.1995.tb02031.x"
#: size of small extracellular vesicles, in nm (MISEV: below 200; exosomes are commonly given as 30 to 150)
SMALL = (30.0, 150.0)
UNIT = ("what", "model", "stage", "time", "group", "block", "replicate")
SUMMARY = (
    *UNIT, "unit", "n_particles", "n_bins", "mean", "sd", "median", "d10", "d90", "span", "mode", "share_in_window",
    "window_low", "window_high", "concentration", "status", "reason",
)  # fmt: skip
COMPARED = (
    "what", "parameter", "model", "contrast", "kind", "group", "control", "log2_ratio", "se", "df", "ci_low", "ci_high",
    "fold", "fold_ci_low", "fold_ci_high", "statistic", "p_value", "p_adjusted", "q_value", "n", "n_group", "n_control",
    "mean_group", "mean_control", "unit", "design", "test", "adjustment", "interval", "family", "verdict", "status",
    "reason", "remark",
)  # fmt: skip
#: fewer particles than this say little of a tail
FEW = 50


def enough_particles(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """A distribution needs particles."""
    keys = ["what", "model", "group", "replicate"]
    for key, rows in frame.groupby(keys, sort=True):
        total = rows["count"].fillna(1.0).sum()
        if total < FEW:
            yield Fault(
                "few-particles",
                f"{', '.join(str(k) for k in key if k)}: {total:g} particles, so that D10 and D90 are uncertain.",
                "Measure more particles, or read the median alone.",
                column="size",
                severity="warning",
                **place(frame, rows.index[0]),
            )


SIZES = Contract(
    name="sizes",
    about="Sizes of particles (vesicles by NTA or DLS, droplets, spheroids): one row per particle, or per bin of a "
    "histogram.",
    columns=(
        Column("model", "as named in study.toml", required=True, refers="model", also=("cell_line", "cells")),
        Column("group", "treatment or condition; vehicle, siNC, ... for controls", required=True,
               also=("treatment", "condition", "arm")),
        Column("replicate", "biological replicate: a preparation of its own", required=True,
               also=("experiment", "rep")),
        Column("size", "diameter (or area) of the particle, or the middle of the bin", "number", required=True,
               measured=True, low=0.0, low_open=True, also=("diameter", "diameter_nm", "size_nm", "bin", "area")),
        Column("count", "how many particles, or particles/mL, in the bin; empty: one particle", "number", low=0.0,
               also=("concentration", "number", "particles", "frequency")),
        Column("unit", "unit of the size", default="nm"),
        Column("what", "what the particles are, where a table holds several kinds", also=("particle", "assay")),
        Column("block", "experiment that several groups share, where replicate does not say it"),
        Column("time", "hours or days", "number", also=("hours", "day")),
        Column("stage", "stage of dose escalation (S0, S1, ...)"),
    ),
    rules=(enough_particles,),
    example=(
        "model,group,replicate,size,count\n"
        "Huh-7 LR,vehicle,1,75,2.1e8\n"
        "Huh-7 LR,vehicle,1,105,4.0e8\n"
        "Huh-7 LR,vehicle,1,135,2.6e8\n"
        "Huh-7 LR,GW4869,1,75,0.9e8\n"
        "Huh-7 LR,GW4869,1,105,1.2e8\n"
        "Huh-7 LR,GW4869,1,135,0.8e8\n"
    ),
)  # fmt: skip


def summary(size: np.ndarray, weight: np.ndarray, window: tuple[float, float]) -> dict[str, float]:
    """Summaries of one distribution: sizes [n] with weights (particles). Quantiles are of the particles.

    `mode` is that of a density of log size (weighted Gaussian kernel, Silverman's width); `span` (D90 - D10) / median.
    """
    order = np.argsort(size, kind="mergesort")
    x, w = size[order], weight[order] / weight.sum()
    middle = np.cumsum(w) - w / 2
    d10, median, d90 = (float(np.interp(q, middle, x)) for q in (0.1, 0.5, 0.9))
    mean = float(w @ x)
    logs = np.log(x)
    centre = float(w @ logs)
    spread = float(np.sqrt(w @ (logs - centre) ** 2))
    effective = 1 / float(w @ w)
    mode = float(x[np.argmax(w)])
    if spread > 0 and len(x) > 2:
        width = max(1.06 * spread * effective**-0.2, 1e-9)
        grid = np.linspace(logs[0], logs[-1], 200)
        density = np.exp(-0.5 * ((grid[:, None] - logs[None, :]) / width) ** 2) @ w
        mode = float(np.exp(grid[np.argmax(density)]))
    inside = (x >= window[0]) & (x <= window[1])
    return {
        "mean": mean, "sd": float(np.sqrt(w @ (x - mean) ** 2)), "median": median, "d10": d10, "d90": d90,
        "span": (d90 - d10) / median, "mode": mode, "share_in_window": float(w[inside].sum()),
    }  # fmt: skip


def _methods(made: Mapping[str, pd.DataFrame], window: tuple[float, float], confidence: float, **_: Any) -> str:
    n = len(made["size_distribution"])
    return (
        f"Sizes of particles were summarised per preparation ({n} in all: median, D10, D90, span, mode, share between "
        f"{window[0]:g} and {window[1]:g}, amount); the preparation is the unit. Medians and amounts were compared as "
        f"log2 by the test that the design asks for, with {100 * confidence:g} % intervals and q-values ({BH})."
    )


@analysis(
    title="Size distributions",
    reference=BH,
    methods=_methods,
    gives=("size_distribution", "size_comparisons"),
    formula="median, D10, D90, span = (D90 - D10) / D50, per preparation; Welch t on medians (log2)",
    oracle="No outside reference: known distributions, null and power (tests/assays/test_sizes.py)",
    limits=(
        "The preparation is n, not the particle. Instruments miss what lies below their limit, which no summary"
        " restores."
    ),
)
def size_distribution(
    sizes: pd.DataFrame,
    models: pd.DataFrame | None = None,
    *,
    window: tuple[float, float] = SMALL,
    confidence: float = 0.95,
    alpha: float = 0.05,
    variances: Literal["auto", "equal", "unequal"] = "auto",
    independent: bool = False,
) -> dict[str, pd.DataFrame]:
    """Summaries per biological replicate (`SUMMARY`) and comparisons of median size and amount (`COMPARED`).

    `share_in_window` is the share of particles between the two sizes of `window` (unit of the table). The amount
    (`concentration`) is the sum of `count` where the table has it. Raises NotApplicable where no size is given.
    """
    table = sizes.copy()
    for name in ("what", "model", "stage", "group", "block", "replicate", "unit"):
        table[name] = table[name].fillna("").astype(str).str.strip() if name in table.columns else ""
    for name in ("time", "count"):
        table[name] = pd.to_numeric(table[name]) if name in table.columns else np.nan
    counted = bool(table["count"].notna().any())
    table["count"] = table["count"].fillna(1.0)
    table = table[(table["size"] > 0) & (table["count"] > 0)]
    if table.empty:
        raise NotApplicable("the table of sizes holds no particle")
    rows = []
    for key, part in table.groupby(list(UNIT), sort=True, dropna=False):
        x, w = part["size"].to_numpy(dtype="float64"), part["count"].to_numpy(dtype="float64")
        row = {**dict(zip(UNIT, key, strict=True)), "unit": part["unit"].iloc[0] or "nm", "n_bins": len(part)}
        row |= {
            "n_particles": float(w.sum()),
            "window_low": window[0],
            "window_high": window[1],
            **summary(x, w, window),
        }
        row |= {"concentration": float(w.sum()) if counted else np.nan, "status": "estimated", "reason": ""}
        rows.append(row)
    out = pd.DataFrame(rows).reindex(columns=list(SUMMARY))
    return {
        "size_distribution": out,
        "size_comparisons": _compared(out, models, confidence, alpha, variances, independent),
    }


def _compared(
    out: pd.DataFrame, models: pd.DataFrame | None, confidence: float, alpha: float, variances: Any, independent: bool
) -> pd.DataFrame:
    tables = []
    for what, part in out.groupby("what", sort=True):
        for parameter in ("median", "concentration"):
            if part[parameter].isna().all():
                continue
            found, _, _ = contrasts(
                part.assign(y=np.log2(part[parameter])), models, log=True, independent=independent,
                variances=variances, confidence=confidence, alpha=alpha,
            )  # fmt: skip
            unit = part["unit"].iloc[0] if parameter == "median" else "particles"
            tables.append(found.assign(what=what, parameter=parameter, unit=unit))
    tables = [t for t in tables if len(t)]
    if not tables:
        return pd.DataFrame(columns=list(COMPARED))
    joined = pd.concat(tables, ignore_index=True).rename(columns={"effect": "log2_ratio"})
    joined["q_value"] = bh(joined["p_value"])
    return joined.loc[:, list(COMPARED)]


@figure(
    title="Size distributions",
    caption="Share of particles over size, one line per biological replicate (bins of equal width on the logarithmic "
    "axis), groups as colours, one panel per model (the first six).",
)
def size_curves(sizes_table: pd.DataFrame) -> Any:
    """Histogram lines per replicate."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, SINGLE, facets, sized

    table = sizes_table[(sizes_table["size"] > 0)]
    if table.empty:
        return None
    weight = pd.to_numeric(table["count"]).fillna(1.0) if "count" in table.columns else pd.Series(1.0, table.index)
    what = table["what"].fillna("") if "what" in table.columns else ""
    panel: pd.Series = table["model"].astype(str) + np.where(what != "", ", " + what, "")
    edges = np.geomspace(table["size"].min() * 0.95, table["size"].max() * 1.05, 31)
    at = np.searchsorted(edges, table["size"].to_numpy(dtype="float64")) - 1
    frame = pd.DataFrame(
        {"panel": panel, "group": table["group"], "replicate": table["replicate"], "bin": at, "w": weight}
    )
    keys = ["panel", "group", "replicate"]
    binned = frame.groupby([*keys, "bin"], sort=True)["w"].sum().reset_index()
    binned["share"] = binned["w"] / binned.groupby(keys)["w"].transform("sum")
    binned["size"] = np.sqrt(edges[:-1] * edges[1:])[binned["bin"].astype(int)]
    data = binned[binned["panel"].isin(sorted(set(binned["panel"]))[:6])].drop(columns=["bin", "w"])
    unit = (table["unit"].iloc[0] if "unit" in table.columns else "") or "nm"
    chart = (
        alt.Chart(data)
        .mark_line(strokeWidth=0.8, point=alt.OverlayMarkDef(size=6))
        .encode(
            alt.X("size:Q", title=f"Size ({unit})", scale=alt.Scale(type="log", nice=False)),
            alt.Y("share:Q", title="Share of particles (fraction)"),
            alt.Color("group:N", title="Group"),
            alt.Detail("replicate:N"),
        )
        .properties(width=150, height=90)
    )
    count = data["panel"].nunique()
    return sized(facets(chart, data, "panel", columns=min(3, count)), DOUBLE if count > 1 else SINGLE)
