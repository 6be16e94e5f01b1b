"""All comparisons of all read-outs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.assays.measurements.contract import declared_controls, replicate_means, scale_of
from rechallenge.assays.measurements.families import Arm, Family, Planned, families
from rechallenge.assays.measurements.families import arm as arm_of
from rechallenge.assays.measurements.labels import done, meaning, parts
from rechallenge.faults import NotApplicable
from rechallenge.stats.factorial import ratio
from rechallenge.stats.groups import Compared, Comparison, compare
from rechallenge.stats.multiplicity import bh
from rechallenge.tables.contract import source_rows

BH = "doi:10.1111/j.2517-6161.1995.tb02031.x"
REFERENCES = (
    "doi:10.1080/01621459.1955.10501294", "doi:10.3102/10769986001002113", "doi:10.2307/3001469",
    "doi:10.1093/biomet/34.1-2.28", BH,
)  # fmt: skip
RISES, FALLS, UNCHANGED, UNTESTED = "rises", "falls", "no change shown", "not tested"
BLOCKED, RESTORED = "taken back", "taken back and more"
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


def _methods(comparisons: pd.DataFrame, confidence: float, alpha: float, **_: Any) -> str:
    used = sorted({(r.design, r.test) for r in comparisons.itertuples() if r.test})
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
    rows: list[dict[str, Any]] = []
    designs: list[dict[str, Any]] = []
    for assay, part in means.groupby("assay", sort=True):
        table = measurements[measurements["assay"].astype(str).str.strip() == assay]
        log, why = scale_of(table, part["value"])
        part = part.assign(y=np.log2(part["value"]) if log else part["value"])
        free = "*" in independent or str(assay) in independent
        facts = _facts(table, told.get(str(assay), ""))
        shared = {"assay": assay, "scale": "log" if log else "linear", "scale_why": why, "unit": facts["unit"]}
        for family in families(part, models, named.get(str(assay), frozenset()) | frozenset(control)):
            found, values = _compared(part, family, free, variances, confidence)
            designs.append({**shared, "family": family.name, **_design(found, values)})
            for planned, row in zip((*family.planned, *family.extra), found.rows, strict=True):
                own = _named(planned, row, values, found, log, confidence)
                more = _entity(table, planned, tuple(control) + tuple(named.get(str(assay), ())))
                rows.append({**shared, "family": family.name, "meaning": facts["meaning"], **own, **more})
                rows[-1]["source_rows"] = _origin(table, planned)
    if not rows:
        raise NotApplicable("no read-out was measured in two groups, stages or related models")
    out = pd.DataFrame(rows)
    out["confidence"], out["source_table"] = confidence, "measurements"
    out["q_value"] = bh(out["p_value"])
    out["verdict"] = [_verdict(row, alpha) for row in out.itertuples()]
    sign = out["verdict"].map({RISES: 1, FALLS: -1}).fillna(0).astype(int)
    out["direction"] = sign * out["meaning"] * out["action"]
    _taken_back(out)
    made = pd.DataFrame(designs).reindex(columns=list(DESIGN_COLUMNS))
    return {"comparisons": out.loc[:, list(COLUMNS)], "comparison_designs": made}


def _compared(
    part: pd.DataFrame, family: Family, free: bool, variances: Any, confidence: float
) -> tuple[Comparison, dict[Arm, dict[str, float]]]:
    """The comparison of a family, and its values: arm -> replicate -> value."""
    group, block, value = [], [], []
    values: dict[Arm, dict[str, float]] = {a: {} for a in family.arms}
    for row in part.itertuples():
        arm = arm_of(row.model, row.stage, row.time, row.group)
        if arm not in values:
            continue
        label = str(row.block) or str(row.replicate)
        group.append(_text(arm))
        block.append(label)
        value.append(float(row.y))
        values[arm][f"{row.block}|{row.replicate}"] = float(row.y)
    pairs = [(_text(p.treated), _text(p.reference)) for p in family.planned] if family.chosen else None
    extra = {p.name: {_text(a): w for a, w in p.weights.items()} for p in family.extra}
    spread = "unequal" if family.repeated and variances == "auto" else variances
    found = compare(
        group, value, block=None if free else block, control=_text(family.control) if family.control else "",
        variances=spread, confidence=confidence, pairs=pairs, extra=extra,
    )  # fmt: skip
    # the family names its pairs in its own order, the comparison in that of the labels
    by = {r.name: r for r in found.rows[: len(family.planned)]}
    rows = [by[f"{_text(p.treated)} vs {_text(p.reference)}"] for p in family.planned]
    return replace(found, rows=(*rows, *found.rows[len(family.planned) :])), values


def _text(arm: Arm) -> str:
    return "|".join([arm[0], arm[1], "" if arm[2] is None else repr(arm[2]), arm[3]])


def _facts(table: pd.DataFrame, told: str) -> dict[str, Any]:
    units = sorted({str(u) for u in table["unit"] if u}) if "unit" in table.columns else []
    texts = [t for t in table["meaning"] if t] if "meaning" in table.columns else []
    return {"unit": units[0] if len(units) == 1 else "", "meaning": meaning(texts[0] if texts else told) or 0}


def _design(found: Comparison, values: Mapping[Arm, Mapping[str, float]]) -> dict[str, Any]:
    return {
        "design": found.design,
        "test": found.test,
        "adjustment": found.adjustment,
        "groups": len(values),
        "n": sum(map(len, values.values())),
        "f_statistic": found.f_statistic,
        "f_df1": found.f_df[0],
        "f_df2": found.f_df[1],
        "f_p_value": found.f_p_value,
        "spread_p_value": found.spread_p,
        "normal_p_value": found.normal_p,
        "remark": "; ".join(found.remarks),
    }


def _named(
    planned: Planned,
    row: Compared,
    values: Mapping[Arm, Mapping[str, float]],
    found: Comparison,
    log: bool,
    level: float,
) -> dict[str, Any]:
    """One contrast as a row of the result."""
    one, two = (list(values[a].values()) for a in (planned.treated, planned.reference))
    back = [float(np.exp2(np.mean(v)) if log else np.mean(v)) for v in (one, two)]
    fold = [float(np.exp2(v)) if log else np.nan for v in (row.effect, row.ci_low, row.ci_high)]
    out = {
        "model": planned.model, "contrast": planned.name, "kind": planned.kind, "group": planned.treated[3],
        "control": planned.reference[3], "effect_unit": "log2 ratio" if log else "difference",
        "n_group": len(one), "n_control": len(two), "mean_group": back[0], "mean_control": back[1],
        "fold": fold[0], "fold_ci_low": fold[1], "fold_ci_high": fold[2], "design": found.design, "test": found.test,
        "adjustment": found.adjustment, "remark": "; ".join(found.remarks),
        "interval": "all comparisons of the family" if row.simultaneous else "each comparison",
        **{c: getattr(row, c) for c in ("effect", "se", "df", "ci_low", "ci_high", "statistic", "p_value")},
        **{c: getattr(row, c) for c in ("p_adjusted", "n", "status", "reason")},
    }  # fmt: skip
    if planned.kind in ("interaction", "group x time", "model x group"):
        out["adjustment"], out["interval"] = "Holm", "each comparison"
        out["mean_group"] = out["mean_control"] = np.nan
    if planned.kind == "within":
        base = next((a for a in values if not parts(a[3])), None)
        if base is not None:
            out |= _share(planned, values, base, level)
    return out


def _share(planned: Planned, values: Mapping[Arm, Mapping[str, float]], base: Arm, level: float) -> dict[str, float]:
    """The share of the effect of A against the control that A + B takes back, by Fieller."""
    arms = [values[planned.treated], values[planned.reference], values[base]]
    means = [np.mean(list(a.values())) for a in arms]
    sign = 1.0 if means[1] >= means[2] else -1.0
    found = ratio(arms, [-sign, sign, 0], [0, sign, -sign], confidence=level, n_boot=0)
    known = found.status == "estimated"
    limits = (found.effect, found.ci_low, found.ci_high) if known else (np.nan,) * 3
    return dict(zip(("taken_back", "taken_back_low", "taken_back_high"), limits, strict=True))


def _rows_of(table: pd.DataFrame, arm: Arm) -> pd.DataFrame:
    text = {c: table[c].fillna("").astype(str).str.strip() for c in ("model", "group")}
    stage = table["stage"].fillna("").astype(str).str.strip() if "stage" in table.columns else ""
    time = pd.to_numeric(table["time"]) if "time" in table.columns else pd.Series(np.nan, index=table.index)
    same = time.isna() if arm[2] is None else time == arm[2]
    return table[(text["model"] == arm[0]) & (text["group"] == arm[3]) & (stage == arm[1]) & same]


def _entity(table: pd.DataFrame, planned: Planned, declared: tuple[str, ...]) -> dict[str, Any]:
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


def _verdict(row: Any, alpha: float) -> str:
    if row.status != "estimated":
        return UNTESTED
    if not row.p_adjusted < alpha:
        return UNCHANGED
    return RISES if row.effect > 0 else FALLS


def _taken_back(out: pd.DataFrame) -> None:
    """`taken back` in the verdict of A + B against A, where A moves the read-out and B moves it the other way."""
    if "taken_back" not in out.columns:
        out[["taken_back", "taken_back_low", "taken_back_high"]] = np.nan
    moved = {
        (r.assay, r.model, r.group, _where(r.contrast)): r.verdict
        for r in out.itertuples()
        if r.kind == "group" and r.verdict in (RISES, FALLS)
    }
    verdicts, base = [], []
    for r in out.itertuples():
        before = moved.get((r.assay, r.model, r.control, _where(r.contrast)))
        base.append(before is not None)
        turned = r.kind == "within" and r.verdict in (RISES, FALLS) and before not in (None, r.verdict)
        verdicts.append((RESTORED if r.taken_back_low > 1 else BLOCKED) if turned else r.verdict)
    out["verdict"] = verdicts
    # of an effect that is not shown nothing can be taken back
    shares = ["taken_back", "taken_back_low", "taken_back_high"]
    out[shares] = out[shares].where(np.repeat(np.array(base)[:, None], 3, axis=1))


def _where(contrast: str) -> str:
    return contrast.partition(", ")[2]


def _origin(table: pd.DataFrame, planned: Planned) -> str:
    """The rows of the table that a contrast rests on."""
    if "_row" not in table.columns:
        return ""
    used = pd.concat([_rows_of(table, a) for a in planned.weights])
    return source_rows(used["_file"], used["_row"])


def claimed(out: pd.DataFrame) -> Iterator[Any]:
    """Contrasts that speak of a gene or drug in a read-out whose rise means something."""
    yield from out[(out["entity"] != "") & (out["meaning"] != 0)].itertuples()
