"""Every dose-response curve of a study, fitted at once: IC50, EC50, effect, area, scores, and what cannot be said."""

from __future__ import annotations

from typing import Any, Literal

import pandas as pd

from rechallenge.analysis import Split, analysis
from rechallenge.assays.dose_response.fitting import (
    START_ALPHA,
    Model,
    area_by_replicate,
    batch_table,
    effect_of_dose,
    fit,
    mean_response,
    start_level,
    usable,
)
from rechallenge.assays.dose_response.metrics import growth_rate_metrics
from rechallenge.assays.dose_response.rising import rise_of_response
from rechallenge.assays.dose_response.rules import CURVE
from rechallenge.assays.dose_response.settle import settle
from rechallenge.stats.multiplicity import bh
from rechallenge.tables.normalise import join_rows

Robust = Literal["", "tukey", "huber"]

REFERENCES = (
    "doi:10.1371/journal.pone.0146021",
    "doi:10.1111/j.2517-6161.1954.tb00159.x",
    "doi:10.1038/srep05193",
)
COLUMNS = (
    *CURVE,
    "status",
    "reason",
    "ic50_um",
    "ic50_ci_low",
    "ic50_ci_high",
    "ic50_bound",
    "ic50_bound_um",
    "ec50_um",
    "ec50_ci_low",
    "ec50_ci_high",
    "hill",
    "e0",
    "e0_free",
    "einf",
    "emax",
    "auc",
    "auc_normalised",
    "auc_se",
    "auc_df",
    "dss",
    "gr50_um",
    "gr50_bound",
    "gr_max",
    "gr_aoc",
    "gec50_um",
    "gr_inf",
    "h_gr",
    "n_replicates",
    "n_doses",
    "n",
    "dose_min_um",
    "dose_max_um",
    "log10_ic50",
    "log10_ic50_se",
    "df",
    "interval_from",
    "f_statistic",
    "f_p_value",
    "f_q_value",
    "lack_of_fit_p",
    "hook",
    "hook_dose_um",
    "fit_model",
    "fit_note",
    "level",
    "residual_sd",
    "at_bound",
    "parameters",
    "covariance",
    "ic50_step_low_um",
    "ic50_step_high_um",
    "replicate_pull",
    "source_table",
    "source_rows",
)


def finish_curves(curves: pd.DataFrame) -> pd.DataFrame:
    """Order the curves and adjust the F tests over all of them."""
    out = curves.sort_values(list(CURVE), kind="mergesort", na_position="first").reset_index(drop=True)
    out["f_q_value"] = bh(out["f_p_value"].to_numpy(dtype="float64"))
    return out.loc[:, list(COLUMNS)]


def _methods(
    curves: pd.DataFrame,
    level: float,
    model: str,
    e0: str | float,
    robust: str,
    interval: str,
    confidence: float,
    n_boot: int,
    **_: Any,
) -> str:
    form = {"4p": "four-parameter", "3p": "three-parameter (lower asymptote 0)", "2p": "two-parameter"}[model]
    start = {
        "auto": "the response without drug fixed at 1 unless the low doses showed otherwise (F test, "
        f"p < {START_ALPHA:g})",
        "free": "the response without drug free",
    }.get(str(e0), f"the response without drug fixed at {e0}")
    fitted = f" with {robust.capitalize()} weights" if robust else ""
    held = {
        "bootstrap": f"are percentiles of {n_boot:,} resamples of whole biological replicates (all different ones "
        "where these are fewer)",
        "delta": "follow from the full gradient of log IC50 and the residual variance",
        "replicate": "follow from the full gradient of log IC50 and the variance between biological replicates",
        "profile": "are those of the profile likelihood",
    }.get(
        interval,
        f"hold the doses whose fitted response does not differ from {level:g} "
        "(doi:10.1111/j.2517-6161.1954.tb00159.x), with the variance between biological replicates where there are two "
        "or more",
    )
    return (
        f"Curves of viability over dose were fitted by least squares{fitted} with the {form} log-logistic function "
        f"(doi:10.1371/journal.pone.0146021), {start}. IC50 is absolute (viability {level:g}), EC50 relative. "
        f"Intervals ({100 * confidence:g} %) {held}. An IC50 outside the tested doses is given as a bound, and not at "
        "all where viability rises with dose. A flat line was tested by F. The drug sensitivity score follows "
        "doi:10.1038/srep05193."
        + (
            " Growth-rate metrics follow doi:10.1038/nmeth.3853."
            if len(curves) and (curves["gr_max"].notna()).any()
            else ""
        )
    )


@analysis(
    title="Dose-response curves",
    reference=REFERENCES,
    methods=_methods,
    split=Split(table="responses", by=CURVE, groups=2000, finish=finish_curves),
    formula=(
        "y = Einf + (E0 - Einf) / (1 + (x / EC50)^h); IC50: the x where y = level; F = ((RSS_flat - RSS) / df1)"
        " / (RSS / df2) against its simulated null"
    ),
    oracle=(
        "R drc 3.0-1 on ryegrass and spinach, GR metrics programs, CurveCurator on CTRP, gdscIC50 on GDSC "
        "(tests/stats/test_hill_fit.py, tests/assays/test_dose_response_metrics.py, benchmarks/agreement.py)"
    ),
    limits=(
        "The EC50 interval covers 82 to 92 % where the EC50 lies between half the top dose and the top dose; "
        "the IC50 interval covers 93 to 97 %. One biological replicate speaks for that one experiment only. "
        "Beyond the tested doses there are bounds and no numbers."
    ),
)
def curves(
    responses: pd.DataFrame,
    *,
    level: float = 0.5,
    model: Model = "4p",
    e0: str | float = "auto",
    robust: Robust = "",
    interval: str = "auto",
    confidence: float = 0.95,
    n_boot: int = 1000,
    slope_low: float = 0.1,
    slope_high: float = 10.0,
    einf_low: float = 0.0,
    einf_high: float = 10.0,
    flat_alpha: float = 0.05,
    dss_type: Literal[1, 2, 3] = 2,
    dss_threshold: float = 10.0,
    seed: int = 0,
) -> pd.DataFrame:
    """One row per curve: IC50 with its interval, or a bound, or why there is neither; and what else the curve says.

    `level`: viability at which the absolute IC50 is read. `model`: "4p", "3p" (Einf 0) or "2p" (E0 1, Einf 0); a
    curve with too few doses falls back and says so. `e0`: "auto" (see `start_level`), "free", or a number. `robust`:
    "tukey" or "huber" for wells that went wrong. `interval`, `confidence`: method and level of the intervals (see
    `rechallenge.stats.hill.ic50_interval`); `n_boot`: resamples of the interval "bootstrap". `flat_alpha`: level of the
    F test against a flat line. Slopes and Einf stay between their bounds.

    Doses in µM. `ic50_um` is NaN unless `status` is "estimated"; where it is "censored", `ic50_bound` says on which
    side of `ic50_bound_um` (the highest or lowest dose) it lies and the open limit is inf or 0. A response that rises
    with dose (see `rise_of_response`), or comes back above the level, has neither. `auc` is per decade
    of dose over the tested range, `auc_normalised` its mean height, `auc_se` and `auc_df` the spread of areas between
    biological replicates. `df` and `log10_ic50_se` belong to log10 of the IC50 in µM. The F test asks whether
    the response depends on the dose, with the response without drug free. `parameters` (slope, Einf, E0, ln EC50 as
    fitted), their `covariance` (lower triangle), `ic50_step_low_um` and
    `ic50_step_high_um` (the tested doses between which a curve steeper than its doses can show passes the level, else
    empty) and `replicate_pull` (by how much each biological replicate moves
    log10 IC50) are what later comparisons and figures are made from. Raises NotApplicable where nothing
    can be fitted, ValueError for unknown options.
    """
    chosen = dict(locals())
    del chosen["responses"]
    if model not in ("4p", "3p", "2p"):
        raise ValueError(f"model must be 4p, 3p or 2p, not {model!r}")
    if isinstance(e0, str) and e0 not in ("auto", "free"):
        raise ValueError(f"e0 must be 'auto', 'free' or a number, not {e0!r}")
    if robust not in ("", "tukey", "huber"):
        raise ValueError(f"robust must be empty, 'tukey' or 'huber', not {robust!r}")
    points, table = usable(responses)
    total = len(table)
    labels = sorted(points["replicate"].unique())
    parts = []
    for fits, plain, fitted, numbers in fit(points, start_level(points, total, chosen), chosen):
        part = batch_table(fits, plain, fitted, labels, chosen)
        part.index = pd.Index(numbers)
        parts.append(part)
    joined = pd.concat(parts)
    joined = joined[~joined.index.duplicated(keep="last")].sort_index()
    dosed = points[points["dose_um"] > 0]
    joined = joined.join(effect_of_dose(points, total, chosen))
    joined = joined.join(mean_response(dosed))
    joined = joined.join(rise_of_response(dosed, total, level))
    joined["fit_note"] = ""
    out = pd.concat([table, settle(joined, chosen)], axis=1)
    out["level"] = level
    out["auc_se"], out["auc_df"] = area_by_replicate(points, total)
    growth = growth_rate_metrics(dosed["curve"], dosed["dose_um"], dosed["gr"], total)
    for name in ("gr50_um", "gr50_bound", "gr_max", "gr_aoc", "gec50_um", "gr_inf", "h_gr"):
        out[name] = getattr(growth, name)
    out["source_table"], out["source_rows"] = _origins(responses, table)
    return finish_curves(out)


def _origins(responses: pd.DataFrame, table: pd.DataFrame) -> tuple[list[str], list[str]]:
    """The lab's own tables, and the rows of them, behind every curve."""
    used = responses[(responses["excluded"] == "") & (responses["source_rows"] != "")]
    numbered = used.merge(table.assign(_curve=range(len(table))), on=list(CURVE), how="inner").groupby("_curve")
    names = {i: ", ".join(sorted(set(g))) for i, g in numbered["source_table"]}
    rows = {i: join_rows(g) for i, g in numbered["source_rows"]}
    return [names.get(i, "") for i in range(len(table))], [rows.get(i, "") for i in range(len(table))]
