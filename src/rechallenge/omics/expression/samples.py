"""Are the samples what their sheet says? Depth, outliers, swaps, copies, batches, markers of the donor's sex."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge.analysis import analysis
from rechallenge.levels import symbols
from rechallenge.omics.expression import design as plan
from rechallenge.omics.expression.estimate import DataSet, data_sets, logs

Floats = NDArray[np.float64]

COLUMNS = (
    "dataset", "sample", "model", "treatment", "stage", "replicate", "batch", "depth", "detected", "within", "between",
    "nearest", "pc1", "pc2", "pc1_percent", "pc2_percent", "verdict",
)  # fmt: skip
#: features with the largest variance that samples are compared on
MOST_VARIABLE = 1000
#: correlation from which two samples are the same measurement twice
SAME = 0.99999
#: robust standard deviations below the others of its group at which a sample is an outlier
FAR = 3.5
#: genes of the Y chromosome that are expressed in most tissues of men
Y_GENES = ("RPS4Y1", "DDX3Y", "KDM5D", "EIF1AY")
#: log2 difference from which samples with and without such a gene are told apart
APART = 4.0


@analysis(
    title="Samples of transcriptomes",
    methods="Samples were compared by Pearson correlation and principal components over the "
    f"{MOST_VARIABLE} most variable features on a log2 scale.",
    formula="Pearson correlation and principal components over the 1,000 most variable features, log2",
    oracle=(
        "No outside reference: planted swaps, copies, outliers and sexes are named (tests/omics/test_expression.py)"
    ),
    limits=("Finds what is odd beside the other samples of the table; a swap within a group of two cannot be seen."),
)
def expression_quality(
    expression: pd.DataFrame | None = None,
    expression_samples: pd.DataFrame | None = None,
    proteins: pd.DataFrame | None = None,
    proteins_samples: pd.DataFrame | None = None,
    models: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """One row per sample: `COLUMNS`. `within` and `between` are mean correlations with the samples of its own group and
    of the group that is nearest; `nearest` names that group. `verdict` says in words what is odd, '' where nothing is.
    """
    tables = []
    for matrix, sheet in ((expression, expression_samples), (proteins, proteins_samples)):
        if matrix is not None and sheet is not None and len(matrix):
            tables += [_check(d, models) for d in data_sets(matrix, sheet)]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(COLUMNS))


def informative(levels: Floats, most: int = MOST_VARIABLE) -> Floats:
    """The most variable of the features that every sample has [features, samples]."""
    whole = levels[np.isfinite(levels).all(axis=1)]
    if not len(whole):
        return whole
    order = np.argsort(-whole.var(axis=1), kind="stable")
    return np.asarray(whole[order[:most]])


def components(levels: Floats) -> tuple[Floats, Floats]:
    """Scores of the samples on two principal components [samples, 2] and their share of variance in per cent [2]."""
    chosen = informative(levels)
    n = levels.shape[1]
    if len(chosen) < 2 or n < 3:
        return np.full((n, 2), np.nan), np.full(2, np.nan)
    centred = chosen - chosen.mean(axis=1, keepdims=True)
    _, s, vt = np.linalg.svd(centred, full_matrices=False)
    sign = np.sign(vt[np.arange(len(vt)), np.abs(vt).argmax(axis=1)])
    scores = (vt * sign[:, None] * s[:, None])[:2].T
    return scores, 100 * s[:2] ** 2 / max(float(np.sum(s**2)), 1e-300)


def _check(data: DataSet, models: pd.DataFrame | None) -> pd.DataFrame:
    levels, sheet = logs(data), data.sheet
    design = plan.make(sheet)
    r = _correlations(informative(levels))
    scores, share = components(levels)
    out = sheet[["dataset", "sample", "model", "treatment", "stage", "replicate"]].copy()
    out["batch"] = sheet.get("batch", "")
    out["depth"] = np.nansum(data.values, axis=0) if data.unit == "counts" else np.nan
    out["detected"] = (np.nan_to_num(data.values) > 0).sum(axis=0) if data.unit != "zscore" else np.nan
    labels = [g.label for g in design.groups]
    means = _by_group(r, design.which, len(labels))
    own = means[np.arange(len(out)), design.which]
    others = means.copy()
    others[np.arange(len(out)), design.which] = -np.inf
    there = np.asarray(np.isfinite(others).any(axis=1))
    best = others.argmax(axis=1)
    out["within"] = own
    out["between"] = np.where(there, others.max(axis=1), np.nan)
    out["nearest"] = [labels[b] if t else "" for b, t in zip(best, there, strict=True)]
    out["pc1"], out["pc2"] = scores[:, 0], scores[:, 1]
    out["pc1_percent"], out["pc2_percent"] = share[0], share[1]
    out["verdict"] = _verdicts(data, out, r, design, own, _sex(data, levels, out, models))
    return out.reindex(columns=list(COLUMNS))


def _correlations(chosen: Floats) -> Floats:
    n = chosen.shape[1]
    if len(chosen) < 3:
        return np.full((n, n), np.nan)
    return np.asarray(np.corrcoef(chosen, rowvar=False))


def _by_group(r: Floats, which: NDArray[np.int64], groups: int) -> Floats:
    """Mean correlation of each sample with the other samples of each group [samples, groups]; nan where none."""
    out = np.full((len(which), groups), np.nan)
    for i in range(len(which)):
        for g in range(groups):
            others = np.flatnonzero((which == g) & (np.arange(len(which)) != i))
            if others.size:
                out[i, g] = r[i, others].mean()
    return out


def _verdicts(
    data: DataSet, out: pd.DataFrame, r: Floats, design: Any, own: Floats, sex: list[tuple[int, str]]
) -> list[str]:
    said: list[list[str]] = [[] for _ in range(len(out))]
    names = out["sample"].astype(str).tolist()
    for i in range(len(names)):
        copies = [names[j] for j in range(len(names)) if j != i and r[i, j] > SAME]
        if copies:
            said[i].append(f"the same measurement as {', '.join(copies)}")
        if np.isfinite(own[i]) and np.isfinite(out["between"].iloc[i]) and out["between"].iloc[i] > own[i] + 0.02:
            said[i].append(f"nearer to {out['nearest'].iloc[i]} than to its own group: swapped?")
    # the nearest of its own group: an outlier lowers the mean correlation of the others too, but not this
    near = np.array([r[i, (design.which == design.which[i]) & (np.arange(len(r)) != i)].max(initial=-2) for i in
                     range(len(r))])  # fmt: skip
    near = np.where(near < -1, np.nan, near)
    middle = np.nanmedian(near) if np.isfinite(near).any() else np.nan
    spread = np.nanmedian(np.abs(near - middle)) * 1.4826 if np.isfinite(near).any() else np.nan
    for i in np.flatnonzero(np.isfinite(near)).tolist():
        if near[i] < middle - FAR * max(spread, 0.01):
            said[i].append(f"far from its own group (correlation at most {near[i]:.3f}, others {middle:.3f})")
    if data.unit == "counts":
        depth = out["depth"].to_numpy(dtype=float)
        for i in np.flatnonzero(depth < 0.2 * np.median(depth)).tolist():
            said[i].append(f"shallow: {depth[i]:.3g} counts, median {np.median(depth):.3g}")
    for i, odd in sex:
        said[i].append(odd)
    for note in design.notes:
        for i in range(len(names)):
            if f"batch {out['batch'].iloc[i]} " in note + " ":
                said[i].append(note)
    return ["; ".join(s) for s in said]


def _sex(data: DataSet, levels: Floats, out: pd.DataFrame, models: pd.DataFrame | None) -> list[tuple[int, str]]:
    """Samples whose donor's sex is not that of the other samples of their model, or of the model's parent: genes of the
    Y chromosome and XIST, where the data set has samples with and without."""
    if data.unit == "zscore":
        return []
    at = {g.upper(): i for i, g in enumerate(symbols(data.features))}
    found = []
    for names, what in ((Y_GENES, "genes of the Y chromosome"), (("XIST",), "XIST")):
        rows = [at[g] for g in names if g in at]
        there = levels[rows].mean(axis=0) if rows else np.empty(0)
        if not there.size or not np.isfinite(there).all() or np.ptp(there) < APART:
            continue
        high = there > (there.max() + there.min()) / 2
        model = out["model"].astype(str)
        share = {m: float(high[np.flatnonzero(model == m)].mean()) for m in sorted(set(model))}
        for m, part in share.items():
            own = np.flatnonzero(model == m)
            if 0 < part < 1 and len(own) > 2:
                few = own[high[own] != (part > 0.5)]
                found += [(int(i), f"{what} unlike the other samples of its model: another line?") for i in few]
        parent = {} if models is None else dict(zip(models["model"], models["parent"], strict=True))
        for m, p in parent.items():
            if {share.get(str(m), 0.5), share.get(str(p), 0.5)} == {0.0, 1.0}:
                text = f"{what} unlike its parent {p}: another line" + (
                    ", or a lost Y chromosome?" if names is Y_GENES and not share[str(m)] else "?"
                )
                found += [(int(i), text) for i in np.flatnonzero(model == m)]
    return found
