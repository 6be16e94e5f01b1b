"""All comparisons of all read-outs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.assays.measurements.contract import declared_controls, replicate_means, scale_of
from rechallenge.designs import (
    BLOCKED,
    FALLS,
    RESTORED,
    RISES,
    UNCHANGED,
    UNTESTED,
    Planned,
    contrasts,
    done,
    meaning,
    parts,
)
from rechallenge.designs.families import Arm
from rechallenge.designs.labels import each
from rechallenge.faults import NotApplicable
from rechallenge.stats.multiplicity import bh
from rechallenge.tables.contract import source_rows

__all__ = ["BLOCKED", "FALLS", "RESTORED", "RISES", "UNCHANGED", "UNTESTED", "claimed", "comparisons"]

BH = "doi:10.1111/j.2517-6161.1995.tb02031.x"
REFERENCES = (
    "doi:10.1080/01621459.1955.10501294", "doi:10.3102/10769986001002113", "doi:10.2307/3001469",
    "doi:10.1093/biomet/34.1-2.28", BH,
)  # fmt: skip
COLUMNS = (
    "assay", "model", "contrast", "kind", "group", "control", "effect", "effect_unit", "se", "df", "ci_low", "ci_high",
    "fold", "fold_ci_low", "fold_ci_high", "statistic", "p_value", "p_adjusted", "q_value", "n", "n_group", "n_control",
    "mean_group", "mean_control", "unit", "taken_back", "taken_back_low", "taken_back_high", "scale", "scale_why",
    "design", "test", "adjustment", "interval", "confidence", "family", "meaning", "entity", "entity_type", "action",
    "direction", "verdict", "status", "reason", "remark", "source_table", "source_rows",
)  # fmt: skip
DESIGN_COLUMNS = (
    "assay", "family", "design", "test", "adjustment", "groups", "n", "scale", "scale_why", "f_statistic", "f_df1",
    "f_df2", "f_p_value", "spread_p_value", "normal_p_value", "remark",
)  # fmt: skip


def _methods(made: Mapping[str, pd.DataFrame], confidence: float, alpha: float, **_: Any) -> str:
    comparisons = made["comparisons"]
    used = sorted({(r.design, r.test) for r in each(comparisons) if r.test})
    designs = "; ".join(f"{test} ({design})" for design, test in used) or "no design complete"
    logs = sorted(set(comparisons.loc[comparisons["scale"] == "log", "assay"]))
    on_log = f" Read-outs that are ratios or amounts were analysed as log2 ({', '.join(logs[:8])})." if logs else ""
    return (
        "Bench read-outs were compared with technical measurements averaged and the biological replicate as the unit; "
        "replicates of one experiment were taken as a block. The test follows from the design: "
        f"{designs} (Dunnett doi:10.1080/01621459.1955.10501294, Games and Howell doi:10.3102/10769986001002113, "
        "Tukey and Kramer doi:10.2307/3001469, Welch doi:10.1093/biomet/34.1-2.28; Holm's adjustment for chosen "
        f"contrasts).{on_log} Intervals are at {100 * confidence:g} %, called at an adjusted p below {alpha:g}; "
        f"q-values ({BH}) are over all contrasts. Equality of spread and normality of residuals were computed and "
        "reported and chose no test."
    )


@analysis(
    title="Comparisons of bench read-outs",
    reference=REFERENCES,
    methods=_methods,
    gives=("comparisons", "comparison_designs"),
    formula=(
        "difference of means (log2 for ratios); Welch t, Dunnett, Games-Howell, Tukey or Holm contrasts by "
        "design; interaction for A + B against A"
    ),
    oracle=(
        "R multcomp on a published dCt table: F 5.510, Dunnett .0058, .568, .752; scipy for Tukey "
        "(tests/stats/test_groups.py, tests/assays/test_measurements.py)"
    ),
    limits=(
        "Three replicates test only large effects and cannot show normality. Equal labels are taken as the same"
        " experiment."
    ),
)
def comparisons(
    measurements: pd.DataFrame,
    models: pd.DataFrame | None = None,
    *,
    confidence: float = 0.95,
    alpha: float = 0.05,
    variances: Literal["auto", "equal", "unequal"] = "auto",
    control: tuple[str, ...] = (),
    independent: tuple[str, ...] = (),
    rise: Mapping[str, str] | None = None,
) -> dict[str, pd.DataFrame]:
    """Every comparison that the design of a read-out asks for: `COLUMNS`; and the designs: `DESIGN_COLUMNS`.

    Equal labels of `block` (else of `replicate`) in two groups are one experiment, unless the read-out is among
    `independent` ('*' for all). `control` names further labels of controls, `rise` what a rise of a read-out means
    where the table does not say. `effect` is a difference of means, of log2 where `scale` is log (then `fold` is the
    same as a factor), with limits that hold as `interval` says. `p_adjusted` belongs to the family, `q_value` (BH) to
    all comparisons of the study. For A + B against A, `taken_back` is the share of A's effect that B takes back, with
    Fieller's limits. `direction` is +1 or -1 where a meaning is declared and a gene or drug named. Raises
    NotApplicable where no read-out has two arms.
    """
    means = replicate_means(measurements)
    told = {str(k): str(v) for k, v in (rise or {}).items()}
    named = declared_controls(measurements)
    tables: list[pd.DataFrame] = []
    designs: list[dict[str, Any]] = []
    for assay, part in means.groupby("assay", sort=True):
        table = measurements[measurements["assay"].astype(str).str.strip() == assay]
        log, why = scale_of(table, part["value"])
        own = named.get(str(assay), frozenset()) | frozenset(control)
        found, planned, made = contrasts(
            part.assign(y=np.log2(part["value"]) if log else part["value"]), models, log=log,
            independent="*" in independent or str(assay) in independent, variances=variances, confidence=confidence,
            alpha=alpha, declared=own,
        )  # fmt: skip
        shared = {"assay": assay, "scale": "log" if log else "linear", "scale_why": why}
        designs += [{**shared, **d} for d in made]
        if found.empty:
            continue
        entities = pd.DataFrame([_entity(table, p, own) for p in planned], index=found.index)
        facts = _facts(table, told.get(str(assay), ""))
        found = pd.concat([found, entities], axis=1).assign(**shared, **facts)
        found["effect_unit"] = "log2 ratio" if log else "difference"
        found["source_rows"] = [_origin(table, p) for p in planned]
        tables.append(found)
    if not tables:
        raise NotApplicable("no read-out was measured in two groups, stages or related models")
    out = pd.concat(tables, ignore_index=True)
    out["confidence"], out["source_table"] = confidence, "measurements"
    out["q_value"] = bh(out["p_value"])
    sign = np.where(out["p_adjusted"] < alpha, np.sign(out["effect"].fillna(0)), 0).astype(int)
    out["direction"] = sign * out["meaning"] * out["action"]
    made_of = pd.DataFrame(designs).reindex(columns=list(DESIGN_COLUMNS))
    return {"comparisons": out.loc[:, list(COLUMNS)], "comparison_designs": made_of}


def _facts(table: pd.DataFrame, told: str) -> dict[str, Any]:
    units = sorted({str(u) for u in table["unit"] if u}) if "unit" in table.columns else []
    texts = [t for t in table["meaning"] if t] if "meaning" in table.columns else []
    return {"unit": units[0] if len(units) == 1 else "", "meaning": meaning(texts[0] if texts else told) or 0}


def _rows_of(table: pd.DataFrame, arm: Arm) -> pd.DataFrame:
    text = {c: table[c].fillna("").astype(str).str.strip() for c in ("model", "group")}
    stage = table["stage"].fillna("").astype(str).str.strip() if "stage" in table.columns else ""
    time = pd.to_numeric(table["time"]) if "time" in table.columns else pd.Series(np.nan, index=table.index)
    same = time.isna() if arm[2] is None else time == arm[2]
    return table[(text["model"] == arm[0]) & (text["group"] == arm[3]) & (stage == arm[1]) & same]


def _entity(table: pd.DataFrame, planned: Planned, declared: frozenset[str]) -> dict[str, Any]:
    """Which gene or drug a contrast speaks of: what was done in the treated arm, or what is measured in all of them.

    `action` is +1 where more of it (a drug given, a gene raised) makes the effect, -1 where less of it does.
    """
    one, two = (_rows_of(table, a) for a in (planned.treated, planned.reference))
    told = {}
    for name in ("gene", "drug"):
        for key, rows in (("one", one), ("two", two)):
            texts = sorted({str(v).strip() for v in rows[name] if v}) if name in rows.columns else []
            told[name, key] = texts[0] if len(texts) == 1 else ""
    nothing = {"entity": "", "entity_type": "", "action": 0}
    if planned.kind in ("model", "stage"):
        same = told["gene", "one"] if told["gene", "one"] == told["gene", "two"] else ""
        return {"entity": same, "entity_type": "gene", "action": 1} if same else nothing
    if planned.kind not in ("group", "within"):
        return nothing
    added = parts(planned.treated[3], declared) - parts(planned.reference[3], declared)
    if len(added) != 1:
        return nothing
    part = next(iter(added))
    label = done(part)
    gene = told["gene", "one"] if told["gene", "one"] != told["gene", "two"] else label.gene
    if gene and label.sign:
        return {"entity": gene, "entity_type": "gene", "action": label.sign}
    drug = told["drug", "one"] if told["drug", "one"] != told["drug", "two"] else ""
    return {"entity": drug, "entity_type": "drug", "action": 1} if drug else nothing


def _origin(table: pd.DataFrame, planned: Planned) -> str:
    """The rows of the table that a contrast rests on."""
    if "_row" not in table.columns:
        return ""
    used = pd.concat([_rows_of(table, a) for a in planned.weights])
    return source_rows(used["_file"], used["_row"])


def claimed(out: pd.DataFrame) -> Iterator[Any]:
    """Contrasts that speak of a gene or drug in a read-out whose rise means something."""
    yield from each(out[(out["entity"] != "") & (out["meaning"] != 0)])
