"""One line per pair and tumour model: is it synergistic, within reach, and selective?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis
from rechallenge.assays.combination.regions import PARTNERS, normals, sign_words
from rechallenge.assays.combination.scores import NAMES, MethodName
from rechallenge.assays.combination.selectivity import selective, toxicity
from rechallenge.assays.combination.surfaces import MATRIX, WINDOW, WINDOW_FREE
from rechallenge.assays.combination.wells import DRUGS, SURFACE, by_surface, each

SYNERGY, ANTAGONISM, NONE, UNTESTED = "synergistic", "antagonistic", "no interaction shown", "not tested"
COLUMNS = (
    "rank", "drug_a", "drug_b", "model", "score", "ci_low", "ci_high", "in_window", "selective", "verdict", "drug_c",
    *PARTNERS, "method", "region", "p_value", "q_value", "n", "status", "reason", "whole", "whole_score", "window",
    "in_window_free", "signs", "problem", "source_table", "source_rows",
)  # fmt: skip


def shown(row: Any, alpha: float) -> str:
    """What one score shows: `SYNERGY`, `ANTAGONISM`, `NONE` or `UNTESTED` (also where it cannot be estimated)."""
    if row is None or row.status not in ("estimated", "censored"):
        return UNTESTED
    if not row.q_value <= alpha:
        return NONE
    if row.status == "censored":
        return ANTAGONISM if row.ci_high < 0 else NONE
    return SYNERGY if row.score > 0 else ANTAGONISM


def _methods(combinations: pd.DataFrame, method: str, alpha: float) -> str:
    return (
        "A combination was called synergistic or antagonistic where its mean excess over "
        f"{NAMES.get(method, method)} differs from 0 (q at most {alpha:g}), within the achievable window where that is "
        "known and was tested, else over the whole matrix; selective where it adds more over the better drug alone in "
        "the tumour than in the normal model."
    )


@analysis(
    title="Combinations",
    methods=_methods,
    formula="No formula: order by verdict, then selectivity, then the lower limit of the score",
    oracle="No outside reference: a ranking by rules (tests/assays/test_combination_claims.py)",
    limits=(
        "A ranking of what was tested. Unknown plasma concentrations leave the window unknown, which is not outside it."
    ),
)
def combinations(
    synergy: pd.DataFrame,
    synergy_regions: pd.DataFrame,
    combination_selectivity: pd.DataFrame | None = None,
    models: pd.DataFrame | None = None,
    *,
    method: MethodName = "bliss",
    alpha: float = 0.05,
) -> pd.DataFrame:
    """The ranked combinations of the study, one row per pair and model that is not normal (`combinations.csv`).

    `score` with its limits is the mean excess over `method` within the achievable window where that was tested
    (`region` "window"), else over the matrix. `in_window`: "yes" (synergy shown within total plasma concentrations),
    "antagonism", "no" (tested there, none shown), "not tested" (no dose, or one replicate), "unknown" (no plasma
    concentration). `selective` against the study's normal models: "yes", "no", "not shown", "not tested". `whole` and
    `window` say what either region shows, `signs` where the sign depends on the doses. Ranked by verdict, then
    selectivity, then the lower limit of the score.
    """
    healthy = normals(models)
    mine = synergy[(synergy["method"] == method) & ~synergy["model"].isin(healthy)]
    rows = []
    regions_of = by_surface(synergy_regions[synergy_regions["method"] == method])
    healthy_of = by_surface(combination_selectivity)
    for key, part in mine.groupby(list(SURFACE), dropna=False, sort=True):
        named = dict(zip(SURFACE, key, strict=True))
        by = {row.region: row for row in each(part)}
        rows.append(_row(named, by, regions_of(named), healthy_of(named), alpha))
    out = pd.DataFrame(rows)
    if out.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    limit = out["ci_low"].where(np.isfinite(out["ci_low"]), out["score"].where(out["status"] != "censored", -np.inf))
    chosen = out["selective"].map({"yes": 0, "not shown": 1, "not tested": 1, "no": 2})
    keys = out.assign(_limit=-limit.fillna(-np.inf), _chosen=chosen)
    keys = keys.sort_values(["_tier", "_chosen", "_limit", *DRUGS, "model", *PARTNERS], kind="mergesort")
    out = keys.assign(rank=np.arange(1, len(keys) + 1)).reset_index(drop=True)
    return out.reindex(columns=list(COLUMNS))


def _window_word(row: Any, alpha: float) -> str:
    if row is None:
        return "unknown"
    if row.status == "not_estimable":
        return "unknown" if "unknown" in row.reason else "not tested"
    return {SYNERGY: "yes", ANTAGONISM: "antagonism", NONE: "no", UNTESTED: "not tested"}[shown(row, alpha)]


def _row(
    named: dict[str, Any], by: dict[str, Any], places: pd.DataFrame, healthy: pd.DataFrame, alpha: float
) -> dict[str, Any]:
    inside, whole = by.get(WINDOW), by[MATRIX]
    used = inside if inside is not None and inside.status in ("estimated", "censored", "not_testable") else whole
    window, overall = _window_word(inside, alpha), shown(whole, alpha)
    signs = sign_words(places) if len(places) else ""
    answer, why = selective(healthy[healthy["region"] == used.region]) if len(healthy) else ("not tested", "")
    problem = "; ".join(sorted({str(p) for p in healthy["problem"] if p})) if len(healthy) else ""
    synergy_somewhere = overall == SYNERGY or (len(places) > 0 and (places["sign"] == "synergy").any())
    verdict, tier = _verdict(window, overall, signs, bool(synergy_somewhere))
    if answer != "not tested":
        verdict += {"yes": "; selective", "no": "; not selective", "not shown": "; selectivity not shown"}[answer]
        verdict += f" ({why})" if why else ""
    harm = toxicity(healthy) if len(healthy) else ""
    verdict += f"; {harm}" if harm else ""
    if problem:
        verdict += f"; {problem}"
    return {
        **named, "score": used.score, "ci_low": used.ci_low, "ci_high": used.ci_high, "in_window": window,
        "selective": answer, "verdict": verdict, "method": used.method, "region": used.region,
        "p_value": used.p_value, "q_value": used.q_value, "n": used.n, "status": used.status, "reason": used.reason,
        "whole": overall, "whole_score": whole.score, "window": shown(inside, alpha),
        "in_window_free": _window_word(by.get(WINDOW_FREE), alpha), "signs": signs, "problem": problem,
        "source_table": "combination", "source_rows": used.source_rows, "_tier": tier,
    }  # fmt: skip


def _verdict(window: str, overall: str, signs: str, somewhere: bool) -> tuple[str, int]:
    """The sentence without selectivity, and its class for ranking (0 best)."""
    whole = f"sign depends on the doses: {signs}" if signs else f"{overall} over the matrix"
    if window == "yes":
        return f"synergistic within achievable concentrations; {whole}", 0
    if window == "antagonism":
        return f"antagonistic within achievable concentrations; {whole}", 5
    if window == "no":
        return f"no interaction shown within achievable concentrations; {whole}", 2 if somewhere else 4
    reach = {
        "unknown": "whether within achievable concentrations is unknown",
        "not tested": "not tested within achievable concentrations",
    }[window]
    if overall == UNTESTED:
        return f"not tested; {reach}", 3
    tier = 5 if overall == ANTAGONISM and not somewhere else 1 if somewhere and window == "unknown" else 2
    return f"{whole}; {reach}", tier if somewhere or overall == ANTAGONISM else 4
