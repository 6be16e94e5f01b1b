"""Resistance index: how much more drug the resistant line needs than its parent, per drug, with interval and test."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.assays.dose_response import pairs
from rechallenge.assays.dose_response.perturbations import UNTREATED, parse
from rechallenge.assays.dose_response.rules import each
from rechallenge.faults import NotApplicable
from rechallenge.stats.multiplicity import bh
from rechallenge.tables.normalise import join_rows

MOVER = "doi:10.1002/sim.3095"
BH = "doi:10.1111/j.2517-6161.1995.tb02031.x"
_SAME = ("drug", "medium", "hours")
COLUMNS = (
    "model",
    "parent",
    "drug",
    "perturbation",
    "medium",
    "stage",
    "hours",
    "ri",
    "ci_low",
    "ci_high",
    "ri_bound",
    "log2_ri",
    "se",
    "df",
    "statistic",
    "p_value",
    "q_value",
    "n",
    "n_resistant",
    "n_parental",
    "ic50_resistant",
    "ic50_parental",
    "selected_with",
    "verdict",
    "status",
    "reason",
    "auc_difference",
    "auc_ci_low",
    "auc_ci_high",
    "auc_p_value",
    "source_table",
    "source_rows",
)
SELECTING, CROSS, PLAIN, COLLATERAL = (
    "resistance to the selecting drug",
    "cross-resistance",
    "resistance",
    "collateral sensitivity",
)
NO_CHANGE, UNDETERMINED = "no change shown", "not determined"
#: no data: one of the two curves is not there
UNTESTED = "not tested"
#: what every ratio says of its test
INVERSION = (
    "The p-value is one minus the highest confidence at which the interval leaves out 1, and t is that of the interval "
    "which just reaches 1; the intervals are not symmetric, so t differs from the estimate over its standard error"
)


def filled(curves: pd.DataFrame) -> pd.DataFrame:
    """Curves with every column that names one of them, as text (hours as a number), rows numbered from 0."""
    out = curves.reset_index(drop=True).copy()
    for name, default in (("model", ""), ("drug", ""), ("perturbation", "none"), ("medium", ""), ("stage", "")):
        value = out[name] if name in out.columns else pd.Series(default, index=out.index)
        out[name] = value.astype(object).where(value.notna(), default).astype(str)
    out["hours"] = pd.to_numeric(out["hours"]) if "hours" in out.columns else np.nan
    return out


def ic50_text(curves: pd.DataFrame, row: int) -> str:
    """The IC50 of one curve as one writes it: `13.0`, `> 30`, `< 0.1`, or empty."""
    value = curves.iloc[row]
    if value.get("status") == "censored":
        sign = ">" if value["ic50_bound"] == "above" else "<"
        return f"{sign} {value['ic50_bound_um']:.3g}"
    return f"{value['ic50_um']:.3g}" if pd.notna(value.get("ic50_um")) else ""


def with_sources(out: pd.DataFrame, curves: pd.DataFrame, rows: Iterable[Iterable[int]]) -> pd.DataFrame:
    """The table with the lab's own tables, and the rows of them, behind the curves of every row (-1: no curve)."""
    if "source_rows" not in curves.columns:
        return out.assign(source_table="", source_rows="")
    tables, origins = curves["source_table"].tolist(), curves["source_rows"].tolist()
    kept = [[r for r in some if r >= 0] for some in rows]
    return out.assign(
        source_table=[", ".join(sorted({str(tables[r]) for r in some if tables[r]})) for some in kept],
        source_rows=[join_rows([str(origins[r]) for r in some]) for some in kept],
    )


def stage_number(stage: str) -> float:
    """The number in `S2`, `stage 2`, `2`; NaN where there is none or more than one."""
    found = re.findall(r"\d+(?:\.\d+)?", stage)
    return float(found[0]) if len(found) == 1 else float("nan")


def _untouched(rows: pd.DataFrame) -> pd.DataFrame:
    """Curves of cells without a perturbation, else those of a control transfection."""
    plain = rows["perturbation"].str.casefold().isin(UNTREATED)
    if plain.any() or rows.empty:
        return rows[plain]
    return rows[[parse(p).control for p in rows["perturbation"]]]


def _parental(row: pd.Series, candidates: pd.DataFrame) -> int | None:
    """The parent's curve for one curve of the resistant line: same stage, else none, else the earliest."""
    same = candidates[candidates["perturbation"] == row["perturbation"]]
    for stage in (row["stage"], ""):
        hit = same.index[same["stage"] == stage]
        if len(hit):
            return int(hit[0])
    if same.empty:
        return None
    order = same["stage"].map(stage_number).fillna(np.inf)
    return int(order.sort_values(kind="mergesort").index[0])


def selecting(text: str) -> set[str]:
    """The drugs named in `selected_with` (several may be joined by + , ; or /), compared without case."""
    return {part.strip().casefold() for part in re.split(r"[+,;/]", text) if part.strip()}


def _verdict(row: Any, alpha: float) -> str:
    if not row.q_value < alpha:
        return NO_CHANGE if row.p_value == row.p_value else UNDETERMINED
    up = row.ratio_bound == "above" or row.log2_ratio > 0
    if not up:
        return COLLATERAL
    drugs = selecting(row.selected_with)
    if not drugs:
        return PLAIN
    return SELECTING if row.drug.casefold() in drugs else CROSS


def _methods(resistance_index: pd.DataFrame, alpha: float, paired: bool, confidence: float, **_: Any) -> str:
    made = int(resistance_index["p_value"].notna().sum()) if len(resistance_index) else 0
    return (
        "The resistance index is the IC50 of a resistant line over that of its parental line, compared on the log "
        f"scale from the intervals of both IC50s ({MOVER}) with Welch-Satterthwaite degrees of freedom; the biological "
        f"replicate is the unit{', replicates paired by experiment' if paired else ''}. Intervals are "
        f"{100 * confidence:g} %, p-values two-sided for an index of 1, adjusted over {made} tests by Benjamini and "
        f"Hochberg ({BH}); called at q < {alpha:g}. An IC50 outside the tested doses gives a bound. {INVERSION}."
    )


@analysis(
    title="Resistance index",
    reference=(MOVER, BH),
    methods=_methods,
    formula=(
        "RI = IC50(resistant) / IC50(parent); log2 RI with the variance of both curves between biological "
        "replicates, limits joined by MOVER, t test of log2 RI = 0"
    ),
    oracle=(
        "R drc, ratio of two herbicides on S. alba with delta and Fieller limits; published indices from "
        "simulated plates (tests/stats/test_hill_shared.py, tests/assays/test_dose_response_resistance.py)"
    ),
    limits=(
        "p < .05 in up to 6.9 % of nulls where the smaller group scatters three times as much as the larger. "
        "One line made resistant is one line: a second line is a replication, not more n."
    ),
)
def resistance_index(
    curves: pd.DataFrame,
    models: pd.DataFrame,
    *,
    alpha: float = 0.05,
    paired: bool = False,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """IC50 of every resistant model over that of its parent, one row per drug (and medium, stage, exposure).

    `models` holds model, role, parent and selected_with. Unperturbed cells are compared (else those of a control
    transfection), in the same medium, for the same hours, at the same stage (else with the parent's curve without a
    stage, else its earliest). `paired` takes equal replicate labels for the same experiment.

    `ri` is NaN unless `status` is "estimated" or "not_testable" (fewer than two biological replicates on a side: no
    p-value); "censored" means a bound: above `ci_low` or below `ci_high` as `ri_bound` says. `verdict` at q < `alpha`:
    resistance to the selecting drug, cross-resistance, resistance (selecting drug not given), collateral sensitivity,
    no change shown, not determined (no test can be made), or not tested (no curve of the parent). `log2_ri` and `se`
    are log2; the IC50s are text in µM, with > and < for bounds. Raises NotApplicable where no resistant model with a
    parent has a curve.
    """
    table = filled(curves)
    resistant = models[(models["role"] == "resistant") & (models["parent"].fillna("") != "")]
    rows: list[dict[str, Any]] = []
    for line in each(resistant):
        ours = _untouched(table[table["model"] == line.model])
        theirs = table[table["model"] == line.parent]
        for index, curve in ours.iterrows():
            match = theirs["drug"].eq(curve["drug"]) & theirs["medium"].eq(curve["medium"])
            match &= theirs["hours"].eq(curve["hours"]) | (theirs["hours"].isna() & pd.isna(curve["hours"]))
            partner = _parental(curve, theirs[match])
            rows.append(
                {
                    **{c: curve[c] for c in ("drug", "perturbation", "medium", "stage", "hours")},
                    "model": line.model,
                    "parent": line.parent,
                    "selected_with": str(getattr(line, "selected_with", "") or ""),
                    "_first": index,
                    "_second": -1 if partner is None else partner,
                }
            )
    if not rows:
        raise NotApplicable("No resistant model with a parent has a dose-response curve.")
    named = pd.DataFrame(rows)
    there = named[named["_second"] >= 0]
    compared = pairs.compare(table, there["_first"], there["_second"], confidence=confidence, paired=paired)
    compared.index = there.index
    out = named.join(compared)
    alone = out["_second"] < 0
    out["status"] = out["status"].mask(alone, "not_testable")
    out["reason"] = out["reason"].mask(alone, "not tested on " + out["parent"] + " under the same conditions")
    out["ratio_bound"] = out["ratio_bound"].fillna("")
    out["q_value"] = bh(out["p_value"])
    out["verdict"] = [_verdict(row, alpha) for row in each(out)]
    out["verdict"] = out["verdict"].mask(alone, UNTESTED)
    out["ic50_resistant"] = [ic50_text(table, i) for i in out["_first"]]
    out["ic50_parental"] = [ic50_text(table, i) if i >= 0 else "" for i in out["_second"]]
    out = with_sources(out, table, zip(out["_first"], out["_second"], strict=True))
    out = out.rename(
        columns={
            "ratio": "ri",
            "ratio_bound": "ri_bound",
            "log2_ratio": "log2_ri",
            "n_first": "n_resistant",
            "n_second": "n_parental",
        }
    )
    order = ["model", *_SAME, "stage"]
    return out.sort_values(order, kind="mergesort").reset_index(drop=True).loc[:, list(COLUMNS)]


def compare(curves: pd.DataFrame, parents: Mapping[str, str], **options: Any) -> pd.DataFrame:
    """The resistance index from curves and a dict {resistant model: parental model}, without a study.

    Options as for `resistance_index`; `selected_with` may be a dict {resistant model: drug}. Raises ValueError where a
    model of the dict has no curve.
    """
    chosen = dict(options.pop("selected_with", {}))
    known = set(curves["model"].astype(str))
    missing = sorted({*parents, *parents.values()} - known)
    if missing:
        raise ValueError(f"no curve of {', '.join(missing)}; there are curves of {', '.join(sorted(known))}")
    models = pd.DataFrame(
        {
            "model": list(parents),
            "role": "resistant",
            "parent": list(parents.values()),
            "selected_with": [chosen.get(m, "") for m in parents],
        }
    )
    return resistance_index(curves, models, **options)


def _cell(row: Any) -> str:
    if row.ri_bound == "above" and row.ci_low > 0:
        return f">{row.ci_low:.2g}"
    if row.ri_bound == "below" and np.isfinite(row.ci_high):
        return f"<{row.ci_high:.2g}"
    if row.ri == row.ri:
        return f"{row.ri:.2g}"
    return "n.t." if row.verdict == UNTESTED else "n.d."


@analysis(
    title="Cross-resistance",
    methods="Cells of the cross-resistance matrix are typed: an index, a bound, n.d. or n.t.",
    formula=(
        "No formula: each cell is the resistance index, a bound, n.d. or n.t.; pattern = what all lines tested "
        "with the drug have in common"
    ),
    oracle="No outside reference: typed cells of planted lines (tests/assays/test_dose_response_resistance.py)",
    limits=(
        "Cells of one line share its plates and its parent. A pattern over two or three lines describes them "
        "and predicts no further one."
    ),
)
def cross_resistance(resistance_index: pd.DataFrame) -> pd.DataFrame:
    """The matrix drug x resistant line in long form, each cell typed, and the pattern of every drug over the lines.

    `cell` is the text of the cell: an index, a bound (`>3.1`, `<0.4`: the limit that holds with the confidence of the
    intervals), n.d. (not determined) or n.t. (not tested: no curve of the parent); `log2_shown` is the number for its
    colour (the bound where there is one). A line that was tested at several stages stands there once, without a stage
    or at its last one. `pattern`: what the lines tested with that drug have in common. Lines are replications of each
    other, not more n.
    """
    stage = resistance_index["stage"].map(stage_number).fillna(np.inf).where(resistance_index["stage"] != "", np.inf)
    cells = ["drug", "model", "medium", "hours"]
    out = resistance_index.assign(_stage=stage).sort_values([*cells, "_stage"], kind="mergesort")
    out = out.drop_duplicates(cells, keep="last").reset_index(drop=True)
    out["cell"] = [_cell(row) for row in each(out)]
    limit = out["ci_low"].where(out["ri_bound"] == "above", out["ci_high"])
    shown = out["ri"].where(out["ri_bound"] == "", limit)
    out["log2_shown"] = np.log2(shown.where((shown > 0) & np.isfinite(shown)))
    up = out["verdict"].isin([SELECTING, CROSS, PLAIN])
    down, tested = out["verdict"] == COLLATERAL, ~out["verdict"].isin([UNTESTED, UNDETERMINED])
    lines = pd.DataFrame({"drug": out["drug"], "model": out["model"], "up": up, "down": down, "tested": tested})
    per_line = lines.groupby(["drug", "model"]).any().groupby(level="drug").sum()
    for name, column in (("n_lines", "tested"), ("n_resistant", "up"), ("n_sensitive", "down")):
        out[name] = out["drug"].map(per_line[column]).astype("int64")
    out["pattern"] = [_pattern(row) for row in each(out)]
    none = (out["verdict"] == UNTESTED).groupby(out["drug"]).transform("all")
    out["pattern"] = out["pattern"].mask(none, UNTESTED)
    keep = ["drug", "model", "parent", "medium", "stage", "hours", "cell", "log2_shown", "status", "verdict", "pattern"]
    return out.loc[:, [*keep, "n_lines", "n_resistant", "n_sensitive"]]


def _pattern(row: Any) -> str:
    if row.n_lines == 0:
        return UNDETERMINED
    if row.n_resistant and row.n_sensitive:
        return "resistant in some lines, sensitive in others"
    for n, word in ((row.n_resistant, "resistant"), (row.n_sensitive, "collaterally sensitive")):
        if n:
            return f"{word} in {n} of {row.n_lines} lines" if n < row.n_lines else f"{word} in all {n} lines tested"
    return f"no change shown in {row.n_lines} lines"
