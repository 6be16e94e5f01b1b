"""From areas to log2 values that can be compared: drift, pooled QC, blanks, detection, normalisation.

Drift over the run is the local linear trend of the pooled QC samples (log2 area over run order, tricube weights). It is
taken out only where it predicts a QC that was left out better than the mean of the others does, and the RSD after
correction comes from those predictions, so that it is not flattered by fitting the very samples it is judged on.
QC-based correction: Dunn et al. 2011 (doi:10.1038/nprot.2011.335); probabilistic quotient normalisation: Dieterle et
al. 2006 (doi:10.1021/ac051632c).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge.analysis import analysis
from rechallenge.faults import NotApplicable
from rechallenge.omics.metabolome.contract import BLANK, QC, SAMPLE, sample_type

Floats = NDArray[np.float64]
DUNN, DIETERLE = "doi:10.1038/nprot.2011.335", "doi:10.1021/ac051632c"
NORMALISATIONS = ("auto", "pqn", "median", "amount", "standard", "none")
#: pooled QC samples that a trend needs, and the share of them that it looks at at once
LEAST_QC, SPAN = 5, 0.75
#: share of the samples in which a feature is found that helps to find their factors
COMMON = 0.8
_STANDARD = re.compile(r"(?:[-_ ]d\d+\b)|(?:\b13C\d*\b)|(?:\b15N\d*\b)|(?:\(?\bI\.?S\.?\b\)?)|internal standard", re.I)
QUALITY = ("dataset", "feature", "n_qc", "rsd_raw", "rsd", "drift", "blank_ratio", "detected", "n_samples", "kept",
           "reason")  # fmt: skip


@dataclass(frozen=True)
class DataSet:
    """One data set: areas [features, samples] (nan where nothing was found), features, sheet, unit, source rows."""

    name: str
    values: Floats
    features: list[str]
    sheet: pd.DataFrame
    unit: str
    files: list[str]
    rows: list[int]


def data_sets(metabolites: pd.DataFrame, metabolites_samples: pd.DataFrame) -> list[DataSet]:
    """The data sets of a matrix and its sheet, features sorted by name; areas at or below 0 are "not found" (nan)."""
    out = []
    for name, sheet in metabolites_samples.groupby("dataset", sort=True):
        mine = metabolites[metabolites["dataset"] == name].sort_values("feature", kind="mergesort")
        sheet = sheet.sort_values("sample", kind="mergesort").reset_index(drop=True)
        if mine.empty:
            continue
        unit = str(sheet["unit"].iloc[0]) if "unit" in sheet else ""
        values = mine[sheet["sample"].tolist()].to_numpy(dtype=float)
        if unit not in ("log2", "zscore"):
            values = np.where(values > 0, values, np.nan)
        kinds = sheet["sample_type"].map(sample_type) if "sample_type" in sheet else SAMPLE
        files = mine["_file"].astype(str).tolist() if "_file" in mine else [""] * len(mine)
        rows = mine["_row"].astype(int).tolist() if "_row" in mine else [0] * len(mine)
        features = mine["feature"].astype(str).tolist()
        out.append(DataSet(str(name), values, features, sheet.assign(sample_type=kinds), unit, files, rows))
    return out


def is_standard(feature: str) -> bool:
    """Whether a feature is a labelled internal standard by its name.

    >>> is_standard("valine-d8"), is_standard("13C6-glucose"), is_standard("glucose")
    (True, True, False)
    """
    return bool(_STANDARD.search(feature))


def local_trend(at: Floats, order: Floats, y: Floats) -> Floats:
    """Values at `at` [a] of the local linear trend of y [k] (without nan) over `order` [k]; tricube weights."""
    near = max(4, int(np.ceil(SPAN * len(order))))
    out = np.empty(len(at))
    for i, x in enumerate(at):
        gap = np.abs(order - x)
        reach = np.sort(gap)[min(near, len(gap)) - 1] * 1.0001 + 1e-12
        w = np.clip(1 - (gap / reach) ** 3, 0, None) ** 3
        total = w.sum()
        mx, my = (w @ order) / total, (w @ y) / total
        spread = w @ (order - mx) ** 2
        slope = (w @ ((order - mx) * (y - my))) / spread if spread > 1e-12 else 0.0
        # beyond the first and last QC the trend stays where it is
        out[i] = my + slope * (np.clip(x, order.min(), order.max()) - mx)
    return out


def drift_of(order: Floats, logs: Floats, qc: NDArray[np.bool_]) -> tuple[Floats, Floats] | None:
    """Trend [samples] of log2 areas (centred on the QC), left-out residuals of the QC; None where it does not help."""
    known = qc & np.isfinite(logs) & np.isfinite(order)
    if known.sum() < LEAST_QC:
        return None
    x, y = order[known], logs[known]
    left = np.array([y[i] - local_trend(x[i : i + 1], np.delete(x, i), np.delete(y, i))[0] for i in range(len(x))])
    plain = np.array([y[i] - np.delete(y, i).mean() for i in range(len(x))])
    if (left**2).sum() >= (plain**2).sum():
        return None
    trend = np.zeros(len(order))
    there = np.isfinite(order)
    trend[there] = local_trend(order[there], x, y) - y.mean()
    return trend, left


def rsd_of(logs: Floats) -> float:
    """Relative standard deviation of areas given as log2 values (sd over mean of the areas); nan below two."""
    areas = 2.0 ** logs[np.isfinite(logs)]
    return float(areas.std(ddof=1) / areas.mean()) if len(areas) > 1 else float("nan")


def corrected(one: DataSet, drift: bool) -> tuple[Floats, pd.DataFrame]:
    """log2 values [features, samples] with the drift taken out, and the quality of every feature (without verdict)."""
    logs = one.values if one.unit == "log2" else np.log2(one.values)
    kinds = one.sheet["sample_type"]
    qc, blank, own = ((kinds == k).to_numpy() for k in (QC, BLANK, SAMPLE))
    order = (
        pd.to_numeric(one.sheet["order"]).to_numpy(dtype=float) if "order" in one.sheet else np.full(len(qc), np.nan)
    )
    logs, rows = logs.copy(), []
    with np.errstate(all="ignore"):
        for i, feature in enumerate(one.features):
            raw = rsd_of(logs[i, qc])
            found = drift_of(order, logs[i], qc) if drift else None
            after = raw
            if found is not None:
                trend, left = found
                logs[i] = np.where(blank, logs[i], logs[i] - trend)
                after = rsd_of(left)
            level = logs[i, own | qc]
            level, empty = level[np.isfinite(level)], logs[i, blank]
            ratio = np.nan
            if blank.any() and len(level):
                empty = np.where(np.isfinite(empty), 2.0**empty, 0.0)
                ratio = float(np.median(empty) / 2.0 ** np.median(level))
            rows.append({"dataset": one.name, "feature": feature, "n_qc": int(np.isfinite(logs[i, qc]).sum()),
                         "rsd_raw": raw, "rsd": after, "drift": found is not None, "blank_ratio": ratio,
                         "detected": float(np.isfinite(logs[i, own]).mean()) if own.any() else np.nan,
                         "n_samples": int(own.sum())})  # fmt: skip
    return logs, pd.DataFrame(rows)


def judged(one: DataSet, quality: pd.DataFrame, rsd: float, blank: float, detection: float) -> pd.DataFrame:
    """The quality table with `kept` and the reason where a feature is left out."""
    groups = one.sheet.loc[one.sheet["sample_type"] == SAMPLE]
    keys = [c for c in ("model", "treatment", "stage") if c in groups]
    best = np.zeros(len(one.features))
    for _, part in groups.fillna(dict.fromkeys(keys, "")).groupby(keys, sort=True):
        best = np.maximum(best, np.isfinite(one.values[:, part.index]).mean(axis=1))
    reasons = []
    for row, share in zip(quality.to_dict("records"), best, strict=True):
        why = []
        if is_standard(str(row["feature"])):
            why.append("internal standard")
        if row["rsd"] > rsd:
            why.append(f"RSD of the pooled QC {100 * row['rsd']:.0f} % above {100 * rsd:.0f} %")
        if row["n_qc"] < 2 and (quality["n_qc"] >= 2).any():
            why.append("not found in the pooled QC")
        if row["blank_ratio"] > blank:
            why.append(f"blank at {100 * row['blank_ratio']:.0f} % of the samples, above {100 * blank:.0f} %")
        if share < detection:
            why.append(f"found in at most {100 * share:.0f} % of the samples of a group")
        reasons.append("; ".join(why))
    return quality.assign(kept=[not r for r in reasons], reason=reasons).loc[:, list(QUALITY)]


def normalised(one: DataSet, logs: Floats, kept: NDArray[np.bool_], how: str, standard: str) -> tuple[Floats, str]:
    """log2 values after normalisation of the samples, and what was done. Raises NotApplicable where it cannot be.

    A sample's factor comes from the kept features alone. `pqn`: median quotient to the reference spectrum (median of
    the pooled QC, else of the samples). `median`: median log2 level. `amount`: the column of that name. `standard`: one
    feature. `auto`: pqn for areas and intensities, none for log2 values and concentrations.
    """
    kinds = one.sheet["sample_type"].to_numpy()
    if how == "auto":
        how = "none" if one.unit in ("log2", "concentration", "zscore") else "pqn"
    used = kinds != BLANK
    if how == "none" or not kept.any():
        return logs, "none"
    if how == "amount":
        amount = (
            pd.to_numeric(one.sheet["amount"]) if "amount" in one.sheet else pd.Series(np.nan, index=one.sheet.index)
        )
        if not amount[kinds == SAMPLE].notna().all():
            raise NotApplicable(f"{one.name}: normalisation by amount needs the column amount for every sample")
        shift = np.log2(amount.to_numpy(dtype=float))
        return logs - np.where(np.isfinite(shift), shift - np.nanmean(shift), 0.0), "amount"
    if how == "standard":
        if standard not in one.features:
            raise NotApplicable(f"{one.name}: no feature is called {standard!r}, the internal standard of the options")
        shift = logs[one.features.index(standard)]
        if not np.isfinite(shift[used]).all():
            raise NotApplicable(f"{one.name}: the internal standard {standard} is missing in a sample")
        return logs - np.where(used, shift - shift[used].mean(), 0.0), f"internal standard {standard}"
    part = logs[kept]
    base = part[:, kinds == QC] if (kinds == QC).sum() >= 2 else part[:, kinds == SAMPLE]
    with np.errstate(all="ignore"):
        reference = np.nanmedian(base, axis=1) if how == "pqn" else np.zeros(len(part))
        # features that are often absent would move the factor by their absence
        common = np.isfinite(part[:, used]).mean(axis=1) >= COMMON
        rows = np.isfinite(reference) & (common if common.any() else True)
        shift = np.nanmedian(part[rows] - reference[rows, None], axis=0)
    shift = np.where(np.isfinite(shift) & used, shift, np.nan)
    return logs - np.where(np.isfinite(shift), shift - np.nanmean(shift), 0.0), how


def _methods(result: dict[str, pd.DataFrame], drift: bool, rsd: float, blank: float, detection: float, **_: Any) -> str:
    table = result["metabolite_quality"]
    text = f"Of {len(table)} metabolites {int(table['kept'].sum())} were kept: "
    if (table["n_qc"] > 1).any():
        text += f"a relative standard deviation of at most {100 * rsd:g} % in pooled QC samples"
        if drift:
            text += (
                f" after correction of the drift over run order (local linear trend of the QC samples, {DUNN}, applied "
                "where it predicted left-out QC samples better than their mean)"
            )
        text += ", "
    if table["blank_ratio"].notna().any():
        text += f"a blank of at most {100 * blank:g} % of the samples, "
    said = {"pqn": f"by probabilistic quotients ({DIETERLE})", "median": "to one median", "none": "not at all"}
    how = [said.get(h, f"by {h}") for h in sorted(set(table["normalisation"]))]
    return text + (
        f"found in at least {100 * detection:g} % of the samples of one group. Samples were normalised "
        f"{' or '.join(how)} and log2-transformed; missing values were not filled in."
    )


@analysis(title="Quality of the metabolome", reference=(DUNN, DIETERLE), methods=_methods,
          gives=("metabolite_quality", "metabolite_values"),
    formula=(
        "RSD of pooled QC after drift (left-out prediction); PQN: quotient = median over features of sample / "
        "reference"
    ),
    oracle="No outside reference: planted drift, blanks and dilution (tests/omics/test_metabolome.py)",
    limits=(
        "Without pooled QC samples neither drift nor precision can be judged. PQN assumes that most metabolites"
        " do not change."
    ),
)  # fmt: skip
def metabolite_quality(
    metabolites: pd.DataFrame,
    metabolites_samples: pd.DataFrame,
    *,
    drift: bool = True,
    rsd: float = 0.3,
    blank: float = 0.3,
    detection: float = 0.5,
    normalise: str = "auto",
    standard: str = "",
) -> dict[str, pd.DataFrame]:
    """`metabolite_quality` (one row per feature: `QUALITY`) and `metabolite_values` (log2, kept features).

    `rsd` is the largest relative standard deviation in the pooled QC, `blank` the largest ratio of blank to sample,
    `detection` the share of samples of at least one group in which a feature must be found. `normalise` is one of
    `NORMALISATIONS`. `metabolite_values` has the columns dataset, feature, sample, sample_type, value (log2; missing
    where nothing was found, never filled in). Raises ValueError for an unknown normalisation, NotApplicable where no
    sample is a biological one.
    """
    if normalise not in NORMALISATIONS:
        raise ValueError(f"normalise is one of {', '.join(NORMALISATIONS)}, got {normalise!r}")
    quality, values = [], []
    for one in data_sets(metabolites, metabolites_samples):
        if not (one.sheet["sample_type"] == SAMPLE).any():
            continue
        logs, table = corrected(one, drift)
        table = judged(one, table, rsd, blank, detection)
        kept = table["kept"].to_numpy()
        logs, done = normalised(one, logs, kept, normalise, standard)
        quality.append(table.assign(normalisation=done))
        wide = pd.DataFrame(logs[kept], columns=one.sheet["sample"].tolist())
        wide.insert(0, "feature", [f for f, k in zip(one.features, kept, strict=True) if k])
        long = wide.melt("feature", var_name="sample", value_name="value").assign(dataset=one.name)
        long = long.merge(one.sheet[["sample", "sample_type"]], on="sample")
        values.append(long[long["sample_type"] != BLANK])
    if not quality:
        raise NotApplicable("the sheet of metabolites names no biological sample")
    columns = ["dataset", "feature", "sample", "sample_type", "value"]
    return {
        "metabolite_quality": pd.concat(quality, ignore_index=True),
        "metabolite_values": pd.concat(values, ignore_index=True)[columns]
        .sort_values(columns[:3])
        .reset_index(drop=True),
    }
