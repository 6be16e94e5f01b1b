"""From responses to fitted curves: what may be fitted, with which model, and the numbers read from each fit."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge.assays.dose_response.metrics import drug_sensitivity_score
from rechallenge.assays.dose_response.rules import CURVE
from rechallenge.faults import NotApplicable

Model = Literal["4p", "3p", "2p"]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: level at which "auto" takes it as shown that a curve does not start at 1. Where vehicle wells read 8 % low, intervals
#: of shallow curves cover 92.3 to 92.9 % at this level; a lenient one (.05, .2) covers 94 to 95 % there, but frees the
#: start of curves that do start at 1 and moved a real compound away from its laboratory's own value
START_ALPHA = 0.01
#: how far off the vehicle wells may have been: outside, a low response at the lowest dose is an effect of the drug
START_RANGE = (0.7, 1.5)
_PARAMETERS = {"h": "slope", "einf": "einf", "e0": "e0", "log_ec50": "ec50"}


def usable(responses: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Responses that can be fitted, with their curve number in `curve`, and one row per curve (CURVE columns).

    Rows that were excluded are left out, and doses of 0 of anything that was never given at a dose above 0 (vehicle
    wells of a plate). Technical plates of one biological replicate are averaged. Points at dose 0 that are all 1 are
    left out too: they were divided by themselves and say nothing.
    """
    kept = responses[responses["response"].notna() & (responses["excluded"] == "")]
    keys = list(CURVE)
    dosed = kept[kept["dose_um"] > 0]
    if dosed.empty:
        raise NotApplicable("No response at a dose above 0 is left.")
    which = dosed.groupby(keys, dropna=False, sort=True)
    table = which.size().index.to_frame(index=False)
    numbered = kept.merge(table.assign(curve=np.arange(len(table))), on=keys, how="inner")
    means = numbered.groupby(["curve", "replicate", "dose_um"], sort=True).agg(
        response=("response", "mean"), gr=("gr", "mean")
    )
    points = means.reset_index()
    vehicle = points["dose_um"] == 0
    away = (points["response"] - 1.0).abs().where(vehicle, 0.0).groupby(points["curve"]).transform("max")
    return points[~vehicle | (away > 1e-6)].reset_index(drop=True), table


def start_level(points: pd.DataFrame, n_curves: int, chosen: dict[str, Any]) -> NDArray[np.bool_]:
    """Whether the response without drug (E0) is a free parameter of each curve, as the option `e0` says.

    "auto": free where responses at dose 0 were given, and where the low doses show that the curve does not start at 1
    (F test of a free against a fixed E0 below `START_ALPHA`, with a free E0 within `START_RANGE`: the vehicle wells
    were off); else fixed at 1, which is what a response divided by its vehicle wells starts from.
    """
    from scipy.stats import f as fisher

    from rechallenge.stats.hill import Reason

    if chosen["e0"] != "auto" or chosen["model"] == "2p":
        return np.full(n_curves, chosen["e0"] == "free")
    free = np.zeros(n_curves, bool)
    free[points.loc[points["dose_um"] == 0, "curve"].unique()] = True
    plain = chosen | {"robust": ""}
    rss, left, start = np.full((2, n_curves), np.nan), np.full(n_curves, np.nan), np.full(n_curves, np.nan)
    for k, with_e0 in enumerate((False, True)):
        for _, fits, model, numbers in fit(points, np.full(n_curves, with_e0), plain):
            same = (fits.reason == Reason.NONE) & (model == chosen["model"])
            rss[k, numbers] = np.where(same, fits.rss, np.nan)
            if with_e0:
                left[numbers], start[numbers] = np.where(same, fits.df, np.nan), fits.e0
    with np.errstate(divide="ignore", invalid="ignore"):
        p = fisher.sf((rss[0] - rss[1]) / (rss[1] / left), 1, left)
        plausible = (start > START_RANGE[0]) & (start < START_RANGE[1])
    return np.asarray(free | ((p < START_ALPHA) & plausible))


def _numbers(labels: pd.Series) -> NDArray[np.int64]:
    """Replicate labels as numbers that are the same for the same label in every curve."""
    return pd.factorize(labels, sort=True)[0].astype(np.int64)


def area_by_replicate(points: pd.DataFrame, n_curves: int) -> tuple[Floats, Floats]:
    """Standard error and degrees of freedom of the normalised area, from one trapezoid area per biological replicate.

    Only replicates that were given the whole range of doses count.
    """
    se, df = np.full(n_curves, np.nan), np.full(n_curves, np.nan)
    dosed = points[points["dose_um"] > 0].sort_values(["curve", "replicate", "dose_um"])
    if dosed.empty:
        return se, df
    log_dose, y = np.log10(dosed["dose_um"].to_numpy()), dosed["response"].to_numpy()
    group = dosed.groupby(["curve", "replicate"], sort=True)
    number = group.ngroup().to_numpy()
    same = number[1:] == number[:-1]
    piece = np.where(same, np.diff(log_dose) * (y[1:] + y[:-1]) / 2.0, 0.0)
    area = np.bincount(number[1:], weights=piece, minlength=number.max() + 1)
    table = group["dose_um"].agg(["min", "max"])
    table["area"] = area
    whole = table.groupby(level="curve").transform("min")["min"].eq(table["min"]) & table.groupby(
        level="curve"
    ).transform("max")["max"].eq(table["max"])
    table = table[whole & (table["max"] > table["min"])]
    table["area"] /= np.log10(table["max"] / table["min"])
    summary = table.groupby(level="curve")["area"].agg(["std", "size"])
    at = summary.index.to_numpy()
    se[at] = summary["std"] / np.sqrt(summary["size"])
    df[at] = np.where(summary["size"] > 1, summary["size"] - 1, np.nan)
    return se, df


def mean_response(dosed: pd.DataFrame) -> pd.DataFrame:
    """Mean response of every curve over its doses above 0 (`_mean`), its standard error and degrees of freedom.

    The standard error is that of the means of biological replicates, of the points where there is one replicate.
    """
    each = dosed.groupby(["curve", "replicate"])["response"].mean().groupby("curve").agg(["std", "size"])
    one = dosed.groupby("curve")["response"].agg(["mean", "std", "size"])
    many = each["size"] > 1
    spread, n = each["std"].where(many, one["std"]), each["size"].where(many, one["size"])
    return pd.DataFrame({"_mean": one["mean"], "_mean_se": spread / np.sqrt(n), "_mean_df": n - 1})


def fit(points: pd.DataFrame, free: NDArray[np.bool_], chosen: dict[str, Any]) -> list[tuple[Any, Any, Model, Ints]]:
    """Fit all curves; those with too few doses or observations for the model are fitted again with a simpler one.

    Returns batches (fits, plain fits, model, curve numbers); where a curve is in several batches the last one counts.
    The plain fits are the same without robust weights, for the tests that compare sums of squares.
    """
    from rechallenge.stats.hill import Bounds, Reason, fit_hill

    total = free.size
    models: dict[str, tuple[Model, ...]] = {"4p": ("4p", "3p", "2p"), "3p": ("3p", "2p"), "2p": ("2p",)}
    order = models[chosen["model"]]
    bounds = Bounds(h=(chosen["slope_low"], chosen["slope_high"]), einf=(chosen["einf_low"], chosen["einf_high"]))
    fixed = 1.0 if chosen["e0"] in ("auto", "free") else float(chosen["e0"])
    number, dose = points["curve"].to_numpy(), points["dose_um"].to_numpy()
    response, replicate = points["response"].to_numpy(), _numbers(points["replicate"])
    batches: list[tuple[Any, Any, Model, Ints]] = []
    pending = np.ones(total, bool)
    for model in order:
        left = np.zeros(total, bool)
        for with_e0 in (False, True):
            wanted = pending & ((free & (model != "2p")) == with_e0)
            if not wanted.any():
                continue
            curves = np.flatnonzero(wanted)
            local = np.full(total, -1, np.int64)
            local[curves] = np.arange(curves.size)
            rows = wanted[number] & (with_e0 | (dose > 0))
            data = (local[number[rows]], dose[rows], response[rows])
            options: dict[str, Any] = {
                "replicate": replicate[rows],
                "model": model,
                "e0": None if with_e0 else fixed,
                "bounds": bounds,
                "n_curves": curves.size,
            }
            plain = fit_hill(*data, **options)
            fits = fit_hill(*data, **options, robust=chosen["robust"]) if chosen["robust"] else plain
            batches.append((fits, plain, model, curves))
            left[curves] = np.isin(fits.reason, (Reason.TOO_FEW_DOSES, Reason.TOO_FEW_OBSERVATIONS))
        pending = left
        if not pending.any():
            break
    return batches


def effect_of_dose(points: pd.DataFrame, n_curves: int, chosen: dict[str, Any]) -> pd.DataFrame:
    """F test of the curve against a flat line (columns f_statistic, f_p_value), one row per curve.

    The response without drug is free here whatever it is in the fit itself: a replicate whose vehicle wells were
    read a little high must not look like an effect of the drug.
    """
    from rechallenge.stats.hill import flat_test

    parts = []
    # Without limits on the asymptotes the null distribution is one for all curves of a dose design.
    open_ended = chosen | {"robust": "", "einf_low": -np.inf, "einf_high": np.inf}
    for _, plain, _, numbers in fit(points, np.ones(n_curves, bool), open_ended):
        test = flat_test(plain)
        table = {"f_statistic": test.statistic, "f_p_value": test.p_value}
        parts.append(pd.DataFrame(table, index=pd.Index(numbers)))
    joined = pd.concat(parts)
    return joined[~joined.index.duplicated(keep="last")].sort_index()


def _turns(fits: Any, hook: Any) -> list[str]:
    """How the response of every curve turns back: "up" after it has fallen, "down" after it has risen, or not."""
    data, out = fits.data, [""] * len(fits)
    for i in np.flatnonzero(hook.flag):
        rows = slice(data.start[i], data.start[i + 1])
        mean = data.mean[rows]
        turn = int(np.flatnonzero(data.x[rows] == hook.turning_dose[i])[0])
        out[i] = "up" if mean[turn] < (mean[0] + mean[-1]) / 2 else "down"
    return out


def _packed(values: Floats) -> str:
    """Slope, Einf, E0 and ln EC50 as fitted, as text, for redrawing the curve."""
    return " ".join(f"{v:.10g}" for v in values) if np.isfinite(values).all() else ""


def _bounded(code: int) -> str:
    """Names of the parameters that lie at a bound."""
    from rechallenge.stats.hill import AT_BOUND

    return ", ".join(name for key, name in _PARAMETERS.items() if code & AT_BOUND[key])


def _lower(matrix: Floats) -> str:
    """Covariance of (slope, Einf, E0, ln EC50) as text, lower triangle by rows."""
    if not np.isfinite(matrix).all():
        return ""
    return " ".join(f"{matrix[i, j]:.10g}" for i in range(4) for j in range(i + 1))


def batch_table(fits: Any, plain: Any, model: str, labels: list[str], chosen: dict[str, Any]) -> pd.DataFrame:
    """The columns of `curves` that come from one batch of fits."""
    from rechallenge.stats.hill import AT_BOUND, ec50_interval, hook_flag, ic50_interval, lack_of_fit
    from rechallenge.stats.hill.intervals import locate

    level, confidence = chosen["level"], chosen["confidence"]
    absolute = ic50_interval(
        fits, level, method=chosen["interval"], confidence=confidence, n_boot=chosen["n_boot"], seed=chosen["seed"]
    )
    relative = ec50_interval(fits, 0.5, confidence=confidence)
    at, influence = locate(fits, level, scale=0)
    lack, hook = lack_of_fit(plain), hook_flag(plain)
    low, high = fits.x_min, fits.x_max
    ranged = np.isfinite(low) & np.isfinite(high) & (high > low)
    one, two = np.where(ranged, low, 1.0), np.where(ranged, high, 10.0)
    with np.errstate(invalid="ignore"):
        area, height = fits.auc(one, two), fits.auc(one, two, normalised=True)
    out = pd.DataFrame(
        {
            "_status": absolute.status,
            "reason": absolute.reason,
            "_lo": absolute.lo,
            "_hi": absolute.hi,
            "log10_ic50": absolute.log10_dose,
            "log10_ic50_se": absolute.se,
            "df": absolute.df,
            "ec50_um": np.where(relative.status == "estimated", relative.dose, np.nan),
            "ec50_ci_low": np.where(relative.status == "estimated", relative.lo, np.nan),
            "ec50_ci_high": np.where(relative.status == "estimated", relative.hi, np.nan),
            "hill": np.where(fits.at_bound & AT_BOUND["h"], np.nan, fits.h),
            "e0": fits.e0,
            "e0_free": fits.e0_fixed is None,
            "einf": fits.einf,
            "emax": fits.predict(high),
            "auc": np.where(ranged, area, np.nan),
            "auc_normalised": np.where(ranged, height, np.nan),
            "dss": drug_sensitivity_score(
                low,
                high,
                fits.e0,
                fits.einf,
                fits.ec50,
                fits.h,
                kind=chosen["dss_type"],
                threshold=chosen["dss_threshold"],
            ),
            "n_replicates": fits.n_replicates,
            "n_doses": fits.n_doses,
            "n": fits.n,
            "dose_min_um": low,
            "dose_max_um": high,
            "interval_from": np.where(
                ~np.isfinite(absolute.df),
                "",
                np.where(absolute.variance == "replicate", "biological replicates", "residuals"),
            ),
            "lack_of_fit_p": lack.p_value,
            "hook": _turns(plain, hook),
            "hook_dose_um": np.where(hook.flag, hook.turning_dose, np.nan),
            "fit_model": model,
            "residual_sd": fits.s,
            "at_bound": [
                ", ".join(name for key, name in _PARAMETERS.items() if code & AT_BOUND[key])
                for code in fits.at_bound.tolist()
            ],
            "parameters": [_packed(v) for v in np.column_stack([fits.h, fits.einf, fits.e0, np.log(fits.ec50)])],
            "covariance": [_lower(v) for v in at.v],
            "ic50_step_low_um": np.exp(at.step_lo),
            "ic50_step_high_um": np.exp(at.step_hi),
        }
    )
    ends = influence.start.tolist()
    pulls = influence.value / np.log(10.0)
    replicates, starts = fits.data.replicate_label, fits.data.replicate_start
    out["replicate_pull"] = [
        "; ".join(
            f"{labels[int(r)]}={v:+.6g}"
            for r, v in zip(replicates[starts[i] : starts[i + 1]], pulls[ends[i] : ends[i + 1]], strict=True)
        )
        if ends[i + 1] - ends[i] == starts[i + 1] - starts[i]
        else ""
        for i in range(len(fits))
    ]
    return out
