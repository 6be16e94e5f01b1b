"""Does a read-out follow the IC50 over the stages of dose escalation? The stage is the unit, never the well."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.assays.measurements.contract import replicate_means, scale_of
from rechallenge.designs.families import stage_number
from rechallenge.designs.labels import is_control
from rechallenge.faults import NotApplicable
from rechallenge.stats.correlation import correlation
from rechallenge.stats.multiplicity import bh
from rechallenge.tables.contract import source_rows

BONETT = "doi:10.1007/BF02294183"
FOLLOWS, OPPOSES, UNCHANGED, UNTESTED = "follows the IC50", "opposes the IC50", "no correlation shown", "not tested"
COLUMNS = (
    "assay", "model", "drug", "gene", "stages", "rho", "ci_low", "ci_high", "p_value", "q_value", "n", "smallest_p",
    "pearson", "pearson_ci_low", "pearson_ci_high", "pearson_p_value", "test", "scale", "ic50s", "values", "confidence",
    "verdict", "status", "reason", "source_table", "source_rows",
)  # fmt: skip
FEWEST = 4


def _methods(stage_correlation: pd.DataFrame, confidence: float, alpha: float, **_: Any) -> str:
    return (
        "Read-outs were correlated with the IC50 over stages of dose escalation, with the stage as the unit (its "
        "replicates averaged): Spearman's coefficient with an exact permutation p-value (random permutations above "
        f"eight stages) and the {100 * confidence:g} % interval of Bonett and Wright ({BONETT}); not tested below four "
        f"stages. q-values (doi:10.1111/j.2517-6161.1995.tb02031.x) are over all pairs, called at {alpha:g}."
    )


def line_of(models: pd.DataFrame | None) -> dict[str, tuple[str, float]]:
    """Model -> (line that it is a stage of, its stage), for models that stand at a stage; a parent without a stage of
    its own is stage 0 of every line from it."""
    if models is None or models.empty or "stage" not in models.columns:
        return {}
    info = models.drop_duplicates("model").fillna("")
    staged = info[(info["stage"] != "") & (info["parent"] != "")]
    out: dict[str, tuple[str, float]] = {}
    for _, rows in staged.groupby(["parent", "selected_with"], sort=True):
        last = max(rows["model"], key=lambda m: stage_number(str(rows.set_index("model").loc[m, "stage"])))
        for model, stage in zip(rows["model"], rows["stage"], strict=True):
            out[str(model)] = (str(last), stage_number(str(stage)))
    return out


def staged(table: pd.DataFrame, models: pd.DataFrame | None) -> pd.DataFrame:
    """Rows that stand at a stage, with the columns `line` and `number`; the parent is stage 0 where it has none."""
    own = line_of(models)
    parent = (
        {} if models is None or models.empty else dict(zip(models["model"], models["parent"].fillna(""), strict=True))
    )
    out = table.copy()
    out["number"] = [
        stage_number(str(s)) if s else own.get(m, ("", np.inf))[1]
        for m, s in zip(out["model"], out["stage"], strict=True)
    ]
    out["line"] = [m if s else own.get(m, (m, 0))[0] for m, s in zip(out["model"], out["stage"], strict=True)]
    known = out[np.isfinite(out["number"])]
    starts = []
    for line in sorted(set(known["line"])):
        if not ((known["line"] == line) & (known["number"] == 0)).any() and parent.get(line):
            root = out[(out["model"] == parent[line]) & ~np.isfinite(out["number"])]
            starts.append(root.assign(line=line, number=0.0))
    joined: pd.DataFrame = pd.concat([known, *starts], ignore_index=True)
    return joined


@analysis(
    title="Read-outs and IC50 over stages of resistance",
    reference=BONETT,
    methods=_methods,
    formula="Spearman's rho between stage means of a read-out and log IC50, exact permutation p",
    oracle=("No outside reference: rho of scipy; level and power by simulation (tests/assays/test_measurements.py)"),
    limits=(
        "The stage is the unit: four stages cannot give p below .08. What rises with stages rises with passage "
        "number too."
    ),
)
def stage_correlation(
    measurements: pd.DataFrame,
    curves: pd.DataFrame,
    models: pd.DataFrame | None = None,
    *,
    confidence: float = 0.95,
    alpha: float = 0.05,
    n_draws: int = 9999,
    seed: int = 0,
) -> pd.DataFrame:
    """Rank correlation of every read-out with the IC50 of every drug over the stages of one line: `COLUMNS`.

    Uses untreated groups (or the only group) of read-outs that stand at a stage, in the table or by their model, and
    estimated IC50s of unperturbed cells at the same stage. `n` counts stages; below four the status is 'not_testable'.
    `smallest_p` is the least p-value that so few stages can give. Raises NotApplicable where nothing has two stages.
    """
    values = stage_values(measurements, models)
    ic50s = stage_ic50s(curves, models)
    rows = []
    for (assay, line), part in values.groupby(["assay", "line"], sort=True):
        table = measurements[measurements["assay"].astype(str).str.strip() == assay]
        log, _ = scale_of(table, part["value"])
        for drug, doses in ic50s[ic50s["line"] == line].groupby("drug", sort=True):
            both = part.merge(doses[["number", "ic50_um"]], on="number").sort_values("number").reset_index(drop=True)
            if len(both) < 2:
                continue
            rows.append({
                "assay": assay, "model": line, "drug": drug, "gene": _gene(table), "scale": "log" if log else "linear",
                "stages": " < ".join(f"S{v:g}" for v in both["number"]),
                "ic50s": ", ".join(f"{v:.3g}" for v in both["ic50_um"]),
                "values": ", ".join(f"{v:.3g}" for v in both["value"]),
                "source_rows": _origin(table, set(both["models"].explode())),
                **_correlated(both, log, confidence, n_draws, seed),
            })  # fmt: skip
    if not rows:
        raise NotApplicable("no read-out stands at two stages at which an IC50 was determined")
    out = pd.DataFrame(rows)
    out["q_value"], out["confidence"], out["source_table"] = bh(out["p_value"]), confidence, "measurements"
    shown = out["p_value"] < alpha
    out["verdict"] = np.select(
        [out["p_value"].isna(), shown & (out["rho"] > 0), shown], [UNTESTED, FOLLOWS, OPPOSES], UNCHANGED
    )
    return out.reindex(columns=list(COLUMNS))


def stage_values(measurements: pd.DataFrame, models: pd.DataFrame | None) -> pd.DataFrame:
    """Mean per read-out, line and stage of untreated cells: assay, line, number, value, models."""
    means = replicate_means(measurements)
    single = means.groupby(["assay", "model"])["group"].transform("nunique") == 1
    bare = means[single | means["group"].map(is_control)]
    at = staged(bare, models)
    if at.empty:
        return pd.DataFrame(columns=["assay", "line", "number", "value", "models"])
    grouped = at.groupby(["assay", "line", "number"], sort=True)
    return grouped.agg(value=("value", "mean"), models=("model", lambda m: sorted(set(m)))).reset_index()


def stage_ic50s(curves: pd.DataFrame, models: pd.DataFrame | None) -> pd.DataFrame:
    """One IC50 per line, drug and stage: geometric mean over media and exposures of unperturbed cells."""
    table = curves.copy()
    for name in ("stage", "perturbation"):
        table[name] = table[name].fillna("").astype(str) if name in table.columns else ""
    known = table[table["perturbation"].map(is_control) & table["ic50_um"].gt(0) & (table["status"] == "estimated")]
    at = staged(known, models)
    if at.empty:
        return pd.DataFrame(columns=["line", "drug", "number", "ic50_um"])
    log = at.assign(ic50_um=np.log(at["ic50_um"])).groupby(["line", "drug", "number"], sort=True)["ic50_um"].mean()
    out: pd.DataFrame = np.exp(log).reset_index()
    return out


def _gene(table: pd.DataFrame) -> str:
    genes = sorted({str(g).strip() for g in table["gene"] if g}) if "gene" in table.columns else []
    return genes[0] if len(genes) == 1 else ""


def _correlated(both: pd.DataFrame, log: bool, confidence: float, n_draws: int, seed: int) -> dict[str, Any]:
    x = np.log2(both["ic50_um"].to_numpy())
    y = np.log2(both["value"].to_numpy()) if log else both["value"].to_numpy(dtype="float64")
    n = len(x)
    untested: dict[str, Any] = {"n": n, "status": "not_testable", "p_value": np.nan, "rho": np.nan, "test": ""}
    if n < FEWEST:
        return {**untested, "reason": f"{n} stages; a correlation needs {FEWEST}"}
    try:
        rank, linear = (
            correlation(x, y, rank=r, confidence=confidence, n_draws=n_draws, seed=seed) for r in (True, False)
        )
    except ValueError as e:
        return {**untested, "reason": str(e)}
    return {
        "n": n,
        "rho": rank.estimate,
        "ci_low": rank.ci_low,
        "ci_high": rank.ci_high,
        "p_value": rank.p_value,
        "smallest_p": rank.smallest_p,
        "pearson": linear.estimate,
        "pearson_ci_low": linear.ci_low,
        "pearson_ci_high": linear.ci_high,
        "pearson_p_value": linear.p_value,
        "test": "exact permutation test" if rank.exact else f"permutation test, {n_draws} draws",
        "status": "estimated",
        "reason": "" if rank.smallest_p < 0.05 else f"{n} stages cannot give a p-value below {rank.smallest_p:.2g}",
    }


def _origin(table: pd.DataFrame, models: set[str]) -> str:
    if "_row" not in table.columns:
        return ""
    used = table[table["model"].isin(models)]
    return source_rows(used["_file"], used["_row"])
