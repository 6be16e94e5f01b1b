"""The contrasts of every pretreatment and challenge dose, with toxicity and verdict."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.assays.schedule.contract import drug_and_dose, each
from rechallenge.contrasts import is_vehicle
from rechallenge.faults import NotApplicable
from rechallenge.stats.factorial import Contrast, log2_contrast
from rechallenge.stats.multiplicity import bh, holm
from rechallenge.tables.contract import source_rows

PRETREATMENT, CHALLENGE, INTERACTION = "pretreatment", "challenge", "interaction"
RESTORES, RESTORES_TOXIC = "restores sensitivity", "restores sensitivity and is itself toxic"
PROTECTS, TOXIC_LESS = "lowers sensitivity", "toxic by itself, survivors less sensitive"
TOXIC, UNCHANGED, UNTESTED = "toxic by itself, no restoration shown", "no change shown", "not tested"
COLUMNS = (
    "model", "contrast", "kind", "pretreatment", "pretreatment_drug", "pretreatment_um", "challenge_drug",
    "challenge_um", "hours_pre", "hours_challenge", "effect", "effect_unit", "se", "df", "ci_low", "ci_high",
    "statistic", "p_value", "p_holm", "q_value", "n", "fold", "fold_ci_low", "fold_ci_high", "alone", "alone_p_value",
    "confidence", "design", "family", "verdict", "status", "reason", "source_table", "source_rows",
)  # fmt: skip


def replicate_means(table: pd.DataFrame) -> pd.DataFrame:
    """Technical wells averaged: one row per model, pretreatment, challenge, hours and biological replicate.

    Vehicle pretreatments get one name. Rows without challenge belong to every challenging drug (`challenge_drug` is
    empty there).
    """
    out = table.copy()
    for name in ("hours_pre", "hours_challenge"):
        out[name] = pd.to_numeric(out[name]) if name in out.columns else np.nan
    out["replicate"] = out["replicate"].astype(str)
    out["pretreatment"] = out["pretreatment"].fillna("").astype(str).str.strip()
    out["pretreatment"] = out["pretreatment"].where(~out["pretreatment"].map(is_vehicle), "vehicle")
    bare = (out["challenge_um"] == 0) | out["challenge_drug"].fillna("").map(is_vehicle)
    out["challenge_drug"] = out["challenge_drug"].where(~bare, "")
    out["challenge_um"] = out["challenge_um"].where(~bare, 0.0)
    keys = ["model", "hours_pre", "hours_challenge", "pretreatment", "challenge_drug", "challenge_um", "replicate"]
    means = out.dropna(subset=["viability"]).groupby(keys, dropna=False, sort=True)["viability"].mean()
    return means.reset_index()


def _methods(schedule: pd.DataFrame, confidence: float, alpha: float, floor: float, **_: Any) -> str:
    designs = sorted({d.split(";")[0] for d in schedule["design"] if d})
    return (
        "Schedule experiments were analysed by linear contrasts on log2 viability, technical wells averaged and the "
        f"biological replicate as the unit ({', '.join(designs) or 'no design complete'}; independent arms after Welch "
        "(doi:10.1093/biomet/34.1-2.28) and Satterthwaite (doi:10.2307/3002019)): the pretreatment without challenge, "
        "the challenge after either pretreatment, and their interaction, which is 0 where pretreatment and challenge "
        "act independently (doi:10.1111/j.1744-7348.1939.tb06990.x). "
        f"Intervals are at {100 * confidence:g} %; p-values were adjusted by Holm within model, challenging drug and "
        f"kind of contrast (called at {alpha:g}), and by Benjamini and Hochberg over all contrasts of a kind "
        f"(doi:10.1111/j.2517-6161.1995.tb02031.x). Viabilities at or below {floor:g} gave bounds."
    )


@analysis(
    title="Re-challenge after pretreatment",
    reference=("doi:10.1093/biomet/34.1-2.28", "doi:10.1111/j.1744-7348.1939.tb06990.x"),
    methods=_methods,
    formula=(
        "interaction = [log2 V(pre, challenge) - log2 V(pre)] - [log2 V(vehicle, challenge) - log2 V(vehicle)];"
        " t between replicates"
    ),
    oracle=(
        "No outside reference: equal to the paired t test; level and power by simulation "
        "(tests/assays/test_schedule.py)"
    ),
    limits=(
        "Survival of a challenge is not regrowth. Where viabilities were divided by their own pretreatment, "
        "toxicity of the pretreatment cannot be seen."
    ),
)
def schedule(
    schedule: pd.DataFrame,
    *,
    confidence: float = 0.95,
    alpha: float = 0.05,
    floor: float = 0.01,
    toxic: float = 0.8,
) -> pd.DataFrame:
    """Contrasts of every pretreatment and challenge dose; one row each, columns `COLUMNS`.

    `effect` with `se` and limits is on the log2 scale; `fold` with its limits is the same as a factor (interaction:
    fold change of survival under challenge). `alone` is viability after the pretreatment alone as a fraction of
    vehicle, with its p-value. Holm's family is named in `family`; `q_value` (Benjamini and Hochberg) is over all
    contrasts of one kind, so that strong challenges do not lend their significance to interactions. `verdict` of an
    interaction at Holm-adjusted p < `alpha`; a pretreatment that alone leaves less than `toxic` of the viability
    (p < `alpha`, or untested) is called toxic. A viability (mean of a replicate's wells) at or below `floor` gives a
    bound, status "censored", without a test. Raises NotApplicable where there is no pretreatment beside vehicle.
    """
    means = replicate_means(schedule)
    rows: list[dict[str, Any]] = []
    hours = ["hours_pre", "hours_challenge"]
    for (model, pre, post), part in means.groupby(["model", *hours], dropna=False, sort=True):
        shared = {"model": model, "hours_pre": pre, "hours_challenge": post}
        rows += [{**shared, **row} for row in _of_one(part, confidence, floor)]
    if not any(r["kind"] == INTERACTION or r["kind"] == PRETREATMENT for r in rows):
        raise NotApplicable("no pretreatment beside vehicle is in the table of schedules")
    out = pd.DataFrame(rows)
    named = [drug_and_dose(label) for label in out["pretreatment"]]
    out["pretreatment_drug"], out["pretreatment_um"] = [d for d, _ in named], [x for _, x in named]
    out["confidence"] = confidence
    out["effect_unit"] = "log2 fold of viability"
    out["fold"], out["fold_ci_low"], out["fold_ci_high"] = (np.exp2(out[c]) for c in ("effect", "ci_low", "ci_high"))
    time = out[hours].apply(lambda r: "".join(f", {v:g} h" for v in r if v == v), axis=1)
    out["family"] = (
        out["kind"] + ", " + out["model"] + out["challenge_drug"].map(lambda d: f", {d}" if d else "") + time
    )
    out["p_holm"] = out.groupby("family")["p_value"].transform(lambda p: holm(p.to_numpy()))
    out["q_value"] = out.groupby("kind")["p_value"].transform(lambda p: bh(p.to_numpy()))
    out = _with_toxicity(out)
    out["verdict"] = [_verdict(row, alpha, toxic) for row in each(out)]
    out["source_table"] = "schedule"
    out["source_rows"] = [_origin(schedule, row) for row in each(out)]
    return out.loc[:, list(COLUMNS)]


def _of_one(part: pd.DataFrame, confidence: float, floor: float) -> Iterator[dict[str, Any]]:
    """All contrasts within one model and schedule of hours."""
    arms: dict[Any, dict[str, float]] = {
        (p, d, x): dict(zip(rows["replicate"], rows["viability"], strict=True))
        for (p, d, x), rows in part.groupby(["pretreatment", "challenge_drug", "challenge_um"], sort=True)
    }
    divided = [v for (_, drug, _), arm in arms.items() if not drug for v in arm.values()]
    itself = len(divided) > 2 and all(v == 1.0 for v in divided) and len({p for p, d, _ in arms if not d}) > 1

    def tested(weights: dict[tuple[str, str, float], float]) -> Contrast:
        names = [f"{p}, {d} {x:g} µM" if d else f"{p}, no challenge" for p, d, x in weights]
        return log2_contrast(
            [arms.get(k, {}) for k in weights], list(weights.values()), floor=floor, confidence=confidence, names=names
        )

    labels = sorted({p for p, _, _ in arms} - {"vehicle"})
    for label in labels:
        found = tested({(label, "", 0.0): 1.0, ("vehicle", "", 0.0): -1.0})
        row = _row(found, PRETREATMENT, f"{label} vs vehicle, no challenge", label, "", 0.0)
        if itself:
            row["reason"] = "every viability without challenge is exactly 1: divided by itself, it shows no toxicity"
        yield row
    for drug, dose in sorted({(d, x) for _, d, x in arms if d}):
        said = f"{drug} {dose:g} µM"
        for label in ("vehicle", *labels):
            if (label, drug, dose) not in arms:
                continue
            found = tested({(label, drug, dose): 1.0, (label, "", 0.0): -1.0})
            yield _row(found, CHALLENGE, f"{said} vs none, after {label}", label, drug, dose)
            if label == "vehicle":
                continue
            four = {
                (label, drug, dose): 1.0,
                (label, "", 0.0): -1.0,
                ("vehicle", drug, dose): -1.0,
                ("vehicle", "", 0.0): 1.0,
            }
            yield _row(tested(four), INTERACTION, f"{label} vs vehicle before {said}", label, drug, dose)


def _row(found: Contrast, kind: str, contrast: str, label: str, drug: str, dose: float) -> dict[str, Any]:
    numbers = {k: getattr(found, k) for k in ("effect", "se", "df", "ci_low", "ci_high", "statistic", "p_value")}
    return {
        "contrast": contrast, "kind": kind, "pretreatment": label, "challenge_drug": drug, "challenge_um": dose,
        **numbers, "n": found.n, "design": found.design, "status": found.status, "reason": found.reason,
    }  # fmt: skip


def _with_toxicity(out: pd.DataFrame) -> pd.DataFrame:
    """What the pretreatment alone does, beside every contrast of it; a bound from above counts as its value."""
    keys = ["model", "hours_pre", "hours_challenge", "pretreatment"]
    alone = out[out["kind"] == PRETREATMENT]
    value = alone["fold"].where(alone["status"] != "censored", alone["fold_ci_high"])
    given = alone[keys].assign(alone=value, alone_p_value=alone["p_value"], _censored=alone["status"] == "censored")
    given.loc[alone["reason"].str.startswith("every viability"), "alone"] = np.nan
    return out.merge(given, on=keys, how="left")


def _verdict(row: Any, alpha: float, toxic: float) -> str:
    if row.kind != INTERACTION:
        return ""
    if row.status == "censored":
        sign = -1 if row.ci_high < 0 else 1 if row.ci_low > 0 else 0
    elif row.status == "estimated":
        sign = int(np.sign(row.effect)) if row.p_holm < alpha else 0
    else:
        return UNTESTED
    kills = row.alone < toxic and not row.alone_p_value >= alpha
    if sign < 0:
        return RESTORES_TOXIC if kills else RESTORES
    if sign > 0:
        return TOXIC_LESS if kills else PROTECTS
    return TOXIC if kills else UNCHANGED


def _origin(table: pd.DataFrame, row: Any) -> str:
    """The rows of the table that a contrast rests on."""
    if "_row" not in table.columns:
        return ""
    used = (table["model"] == row.model) & table["viability"].notna()
    for name in ("hours_pre", "hours_challenge"):
        if name in table.columns:
            value = getattr(row, name)
            used &= (table[name] == value) | (table[name].isna() & (value != value))
    label = table["pretreatment"].fillna("").astype(str).str.strip()
    vehicle = label.map(is_vehicle)
    same = vehicle if row.pretreatment == "vehicle" else label == row.pretreatment
    bare = (table["challenge_um"] == 0) | table["challenge_drug"].fillna("").map(is_vehicle)
    with_drug = ~bare & (table["challenge_drug"] == row.challenge_drug) & (table["challenge_um"] == row.challenge_um)
    arms = same if row.kind == CHALLENGE else same | vehicle
    mine = table[used & arms & (bare if row.kind == PRETREATMENT else bare | with_drug)]
    return source_rows(mine["_file"], mine["_row"])
