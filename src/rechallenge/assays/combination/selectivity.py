"""Does a combination spare normal cells? The same dose combinations in the same surface of a normal model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.assays.combination.regions import PARTNERS, normals
from rechallenge.assays.combination.scores import BLISS, MethodName, _measured
from rechallenge.assays.combination.surfaces import MATRIX, Pair, Region, pairs, regions
from rechallenge.assays.combination.wells import DOSES, SURFACE, each
from rechallenge.faults import NotApplicable
from rechallenge.stats.multiplicity import bh

Measure = Literal["score", "benefit", "killing"]
#: what is compared, and the reference model behind it (None: the inhibition itself)
MEASURES: Mapping[str, str] = {
    "score": "excess over the reference",
    "benefit": "gain over the better drug alone",
    "killing": "inhibition by the combination",
}
#: the dose combinations that are synergistic in the tumour model
SYNERGY = "synergy"
WELCH = "doi:10.1093/biomet/34.1-2.28"
MORE, LESS, UNSHOWN, UNTESTED = (
    "more in the tumour model",
    "more in the normal model",
    "no difference shown",
    "not tested",
)
COLUMNS = (
    *SURFACE, "normal", "measure", "region", "effect", "ci_low", "ci_high", "p_value", "q_value", "tumour_value",
    "normal_value", "normal_low", "normal_high", "se", "df", "statistic", "n", "n_tumour", "n_normal", "n_cells",
    "method", "design", "confidence", "verdict", "toxic", "problem", "status", "reason", "source_table", "source_rows",
)  # fmt: skip


def problem_of(model: str, cell_line: str = "") -> str:
    """What registers say against a line that is named so (its cell line, its name, its name without a suffix).

    >>> problem_of("L02").startswith("L-02")
    True
    """
    from rechallenge.knowledge.resolve import cell_lines

    texts = []
    for text in (cell_line, model):
        words = text.split()
        texts += [" ".join(words[:k]) for k in range(len(words), 0, -1)]
    known = cell_lines(texts) if texts else pd.DataFrame()
    for row in each(known):
        if row.problem:
            claimed = f", not {row.claimed}" if row.claimed else ""
            return f"{row.cell_line} is a problem line ({row.problem.replace('_', ' ')}): it is {row.actual}{claimed}"
    return ""


def _methods(combination_selectivity: pd.DataFrame, confidence: float, paired: bool, **_: Any) -> str:
    how = "in replicates of equal label" if paired else f"by Welch's t ({WELCH})"
    return (
        "Tumour and normal models were compared over the dose combinations that both were given: excess over the "
        "reference, gain over the better drug alone, and inhibition by the combination, with the replicates' "
        f"(pseudo-)values compared {how} at {100 * confidence:g} %."
    )


@analysis(
    title="Selectivity of combinations",
    reference=(WELCH, BLISS),
    methods=_methods,
    formula=(
        "difference = mean over common dose pairs of (tumour - normal), of excess, of gain over the better "
        "drug, and of inhibition; Welch t"
    ),
    oracle=(
        "No outside reference: planted selectivity of both signs and none (tests/assays/test_combination_claims.py)"
    ),
    limits=(
        "Rests on the normal line that was used: several so-called normal liver lines are HeLa, which every "
        "such sentence repeats. Cells in a dish are not a patient's organ."
    ),
)
def combination_selectivity(
    combination_responses: pd.DataFrame,
    models: pd.DataFrame,
    combination_windows: pd.DataFrame | None = None,
    synergy_cells: pd.DataFrame | None = None,
    *,
    method: MethodName = "bliss",
    alpha: float = 0.05,
    toxic: float = 20.0,
    confidence: float = 0.95,
    paired: bool = False,
    seed: int = 0,
) -> pd.DataFrame:
    """Tumour model minus normal model, per pair, measure and region; one row each, effects in per cent of inhibition.

    Measures: "score" (excess over `method`), "benefit" (gain over the better single agent, HSA), "killing" (inhibition
    by the combination itself), each averaged over the dose combinations that both models were given (`n_cells`): in
    the matrix, in the windows and, killing alone, where the tumour model shows synergy (region "synergy").
    `normal_low`, `normal_high` are limits of the normal model's own value; `toxic` is "yes" where the combination
    inhibits normal cells by at least the option `toxic` per cent and that interval lies above 0. `paired` takes equal
    replicate labels of two models as one experiment. `problem` repeats what registers say against the normal line: a
    claim of selectivity rests on it. Raises NotApplicable where no pair was given to a normal model.
    """
    healthy = normals(models)
    every = list(pairs(combination_responses))
    lines = dict(zip(models["model"], models.get("cell_line", pd.Series("", index=models.index)), strict=True))
    rows: list[dict[str, Any]] = []
    for pair in every:
        if pair.key["model"] in healthy:
            continue
        for other in every:
            if other.key["model"] in healthy and _same(pair, other):
                normal = str(other.key["model"])
                said = problem_of(normal, str(lines.get(normal, "") or ""))
                parts = [*regions(pair, combination_windows), *_synergistic(pair, synergy_cells, method)]
                made = _compared(pair, other, method, parts, confidence, paired, seed)
                rows += [{**row, "problem": said} for row in made]
    if not rows:
        raise NotApplicable("No combination was given to a normal model (role normal in study.toml).")
    out = pd.DataFrame(rows)
    out["q_value"] = out.groupby(["measure", "region"])["p_value"].transform(lambda p: bh(p.to_numpy()))
    out["verdict"] = [_verdict(row, alpha) for row in each(out)]
    killing = out["measure"] == "killing"
    harms = killing & (out["normal_value"] >= toxic) & (out["normal_low"] > 0)
    out["toxic"] = np.where(harms, "yes", np.where(killing & out["normal_low"].notna(), "no", ""))
    out["confidence"], out["source_table"] = confidence, "combination"
    out = out.reindex(columns=list(COLUMNS))
    out["reason"] = out["reason"].fillna("")
    return out


def _same(pair: Pair, other: Pair) -> bool:
    same = all(pair.key[p] == other.key[p] or (pd.isna(pair.key[p]) and pd.isna(other.key[p])) for p in PARTNERS)
    return same and sorted(pair.drugs) == sorted(other.drugs)


def _synergistic(pair: Pair, cells: pd.DataFrame | None, method: str) -> list[Region]:
    """The region of a surface that is synergistic by its cells; none where there is none."""
    if cells is None:
        return []
    mine = cells[(cells["method"] == method) & (cells["sign"] == "synergy")]
    for name, value in pair.key.items():
        mine = mine[mine[name].isna() if pd.isna(value) else mine[name] == value]
    found = {tuple(d) for d in mine[list(DOSES[: len(pair.drugs)])].to_numpy().tolist()}
    mask = np.array([tuple(d) in found for d in pair.surface.doses.tolist()])
    return [Region(SYNERGY, mask, (), "")] if mask.any() else []


def _shared(pair: Pair, other: Pair) -> tuple[np.ndarray, np.ndarray]:
    """Masks of the combinations that both surfaces hold."""
    order = [other.drugs.index(d) for d in pair.drugs] if len(set(pair.drugs)) == len(pair.drugs) else [0, 1]
    one = [tuple(v) for v in pair.surface.doses.tolist()]
    two = [tuple(v) for v in other.surface.doses[:, order].tolist()]
    measured = [np.isfinite(p.surface.response).any(axis=0) & p.surface.combined for p in (pair, other)]
    both = {d for d, ok in zip(one, measured[0], strict=True) if ok} & {
        d for d, ok in zip(two, measured[1], strict=True) if ok
    }
    return np.array([d in both for d in one]), np.array([d in both for d in two])


def _compared(
    pair: Pair,
    other: Pair,
    method: MethodName,
    parts: list[Region],
    confidence: float,
    paired: bool,
    seed: int,
) -> list[dict[str, Any]]:
    from rechallenge.stats.factorial import contrast
    from rechallenge.stats.synergy import replicate_values
    from rechallenge.tables.normalise import join_rows

    shared, theirs = _shared(pair, other)
    order = [pair.drugs.index(d) for d in other.drugs]
    base: dict[str, Any] = {**pair.key, "normal": other.key["model"], "method": method}
    base["source_rows"] = join_rows([pair.origin[None], other.origin[None]])
    rows = []
    for region in parts:
        name = region.name
        if region.mask is None or region.reason:
            continue
        mine = shared & region.mask
        inside = {tuple(d[order]) for d in pair.surface.doses[mine]}
        its = theirs & np.array([tuple(d) in inside for d in other.surface.doses])
        for measure in MEASURES if name != SYNERGY else ("killing",):
            row = {**base, "measure": measure, "region": name, "n_cells": int(mine.sum())}
            if not mine.any():
                what = "" if name == MATRIX else " within the window"
                rows.append(
                    {**row, "status": "not_estimable", "reason": f"no dose combination was given to both{what}"}
                )
                continue
            reference: Any = {"score": method, "benefit": "hsa", "killing": None}[measure]
            arms, means = [], []
            for p, cells, tag in ((pair, mine, "t"), (other, its, "n")):
                how: Any = "measured" if _measured(p) else "fitted"
                values = 100 * replicate_values(p.surface, reference, cells, margin=how, seed=seed)
                labels = [str(x) if paired else f"{tag}:{x}" for x in p.surface.labels]
                arms.append({k: v for k, v in zip(labels, values, strict=True) if np.isfinite(v)})
                means.append(float(np.mean(list(arms[-1].values()))) if arms[-1] else np.nan)
            alone = contrast(arms[1:], [1.0], confidence=confidence)
            found = contrast(arms, [1.0, -1.0], confidence=confidence, names=["tumour model", "normal model"])
            numbers = ("effect", "se", "df", "ci_low", "ci_high", "statistic", "p_value", "n", "design", "status")
            row |= {k: getattr(found, k) for k in numbers} | {"reason": found.reason}
            row |= {"tumour_value": means[0], "normal_value": means[1]}
            row |= {"normal_low": alone.ci_low, "normal_high": alone.ci_high}
            rows.append(row | {"n_tumour": len(arms[0]), "n_normal": len(arms[1])})
    return rows


def _verdict(row: Any, alpha: float) -> str:
    if row.status != "estimated":
        return UNTESTED
    if not row.q_value <= alpha:
        return UNSHOWN
    return MORE if row.effect > 0 else LESS


def selective(rows: pd.DataFrame) -> tuple[str, str]:
    """`yes`, `no`, `not shown` or `not tested` for one surface and region, and why in words.

    Yes: the combination adds more over the better drug alone in the tumour model than in every normal model, and kills
    no more of a normal model; no: in any normal model it adds more, or kills more.
    """
    tested = rows[rows["status"] == "estimated"]
    if tested.empty:
        return "not tested", ""
    said, verdicts = [], []
    for normal, part in tested.groupby("normal", sort=True):
        by = part.set_index("measure")["verdict"]
        gain, kill = str(by.get("benefit", UNTESTED)), str(by.get("killing", UNTESTED))
        if LESS in (gain, kill):
            verdicts.append("no")
            said.append(f"inhibits {normal} more" if kill == LESS else f"adds less than in {normal}")
        elif gain == MORE:
            verdicts.append("yes")
            said.append(f"adds more than in {normal}")
        else:
            verdicts.append("not shown")
            said.append(f"no difference to {normal} shown")
    answer = "no" if "no" in verdicts else "yes" if set(verdicts) == {"yes"} else "not shown"
    return answer, "; ".join(said)


def toxicity(rows: pd.DataFrame) -> str:
    """Where the combination is synergistic, what it does to the normal models, in words; '' where not compared."""
    said = []
    for row in each(rows[(rows["region"] == SYNERGY) & (rows["normal_value"].notna())]):
        limits = f" ({row.normal_low:.0f} to {row.normal_high:.0f})" if row.normal_low == row.normal_low else ""
        said.append(f"{row.normal} by {row.normal_value:.0f} %{limits}")
    return f"where it is synergistic it inhibits {' and '.join(said)}" if said else ""
