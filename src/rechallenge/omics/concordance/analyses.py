"""Genes over data sets: pooled effect, heterogeneity, leave-one-out, ranks, and how far data sets agree at all."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from rechallenge.analysis import analysis
from rechallenge.faults import NotApplicable
from rechallenge.omics.concordance.duplicates import DUPLICATE, GROUPS, declared_sources, groups, joined, lines
from rechallenge.omics.concordance.overview import OVERVIEW, overview
from rechallenge.stats import meta
from rechallenge.stats.multiplicity import bh

Floats = NDArray[np.float64]
REML = "doi:10.3102/10769986030003261"
HARTUNG_KNAPP = "doi:10.1186/1471-2288-14-25"
#: kinds of contrast that speak of resistance: the study's own, and those that others analysed
KINDS = ("resistance", "analysed elsewhere")
COLUMNS = (
    "layer", "gene", "n_datasets", "n_tested", "effect", "se", "ci_low", "ci_high", "i2", "prediction_low",
    "prediction_high", "same_sign", "statistic", "p_value", "q_value", "rank_score", "rank_p_value", "rank_q_value",
    "rank_p_without", "weakest_without", "strongest_without", "n", "datasets", "status", "reason",
)  # fmt: skip
AGREEMENT = ("layer", "dataset_a", "dataset_b", "n_genes", "spearman", "ci_low", "ci_high", "sign_agreement", "status")
#: correlation of two estimates against one control with as many samples on each side
SHARED = 0.5


def _methods(result: dict[str, pd.DataFrame], duplicate: float, **_: Any) -> str:
    merged = result["dataset_groups"].query("n_joined > 1")["counts_as"].nunique()
    one = (
        f" Data sets of one source, of one resistant line or with a rank correlation of {duplicate:g} or more counted "
        f"as one ({merged} such group{'s' if merged > 1 else ''})."
        if merged
        else ""
    )
    return (
        "Each data set gave one estimate per gene (lines with one control averaged); genes were pooled by random "
        f"effects ({REML}) with Hartung and Knapp's interval ({HARTUNG_KNAPP}), and by the mean of their normal scores "
        f"over data sets where a data set gives no standard error.{one}"
    )


@analysis(
    title="Genes over data sets",
    gives=("concordance", "dataset_agreement", "dataset_groups", "concordance_overview"),
    reference=(REML, HARTUNG_KNAPP),
    methods=_methods,
    formula=(
        "y_i ~ N(mu, se_i^2 + tau^2), REML, Hartung-Knapp interval; I2; rank score = mean normal score over data sets"
    ),
    oracle=(
        "R metafor 3.8-1 for pooling (tests/stats/test_meta.py); six public contrasts of resistance "
        "(tests/omics/test_concordance.py)"
    ),
    limits=(
        "With five data sets the prediction interval covers 87 %, not 95 %. Data sets without standard errors "
        "leave ranks only. Public contrasts of resistance hardly agree, so most genes are rightly not called."
    ),
)
def concordance(
    differential: pd.DataFrame,
    contrast_results: pd.DataFrame | None = None,
    *,
    confidence: float = 0.95,
    duplicate: float = DUPLICATE,
    fold: float = 1.5,
) -> dict[str, pd.DataFrame]:
    """`concordance`: one row per layer and gene measured in two or more data sets (`COLUMNS`); `dataset_agreement`: one
    row per two data sets (`AGREEMENT`, Spearman's correlation of effects over all common genes); `dataset_groups`: what
    each data set counts as (`GROUPS`); `concordance_overview`: one row per layer, how far data sets agree (`OVERVIEW`).

    `effect` is the pooled log2 fold change (resistant against parental); `i2` a fraction; `prediction_*` the interval
    for a further data set (three or more); `same_sign` how many data sets have the sign of the majority;
    `weakest_without` and `strongest_without` the pooled effects nearest to and farthest from 0 when one data set is
    left out. `rank_score` is the mean normal score over data sets, `rank_p_without` the largest p of it when one data
    set is left out. Data sets that `contrast_results` says to have one `source`, that hold one resistant line or whose
    effects have a rank correlation of `duplicate` or more count as one. `fold` is the change that the overview counts
    genes by. Raises NotApplicable with fewer than two data sets.
    """
    table = spoken(differential)
    sources = declared_sources(contrast_results)
    parts, pairs, counted, views = [], [], [], []
    for layer, part in table.groupby("layer", sort=True):
        single = estimates(part)
        group = groups(single, str(layer), sources=sources, models=lines(part), duplicate=duplicate)
        counted.append(group)
        sets = joined(single, group)
        if len(sets) < 2:
            continue
        parts.append(_pooled(sets, str(layer), confidence))
        agree = _agreement(sets, str(layer), confidence)
        pairs += agree
        views.append(overview(sets, parts[-1], pd.DataFrame(agree, columns=list(AGREEMENT)), str(layer), fold))
    if not parts:
        raise NotApplicable("only one data set speaks of resistance" + _why(counted))
    return {
        "concordance": pd.concat(parts, ignore_index=True),
        "dataset_agreement": pd.DataFrame(pairs, columns=list(AGREEMENT)),
        "dataset_groups": pd.concat(counted, ignore_index=True).loc[:, list(GROUPS)],
        "concordance_overview": pd.DataFrame(views, columns=list(OVERVIEW)),
    }


def _why(counted: list[pd.DataFrame]) -> str:
    """Which data sets were taken for one, where that is why there are not two."""
    said = [f"{r['dataset']}: {r['why']}" for t in counted for r in t[t["n_joined"] > 1].to_dict("records")]
    return f" ({said[0]})" if said else ""


def spoken(differential: pd.DataFrame) -> pd.DataFrame:
    """The contrasts that speak of resistance, by a fold change or by a statistic alone."""
    known = differential["log2fc"].notna() | differential["statistic"].notna()
    return differential[differential["kind"].isin(KINDS) & known]


def estimates(part: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Data set -> one row per gene (index): effect, se (nan where none is known), n, z_only.

    Lines of one data set are averaged; the variance of their mean counts the control that they share. A data set
    without fold changes has its statistics as effects (`z_only`): they count by sign and rank.
    """
    bare = part.groupby("dataset")["log2fc"].transform("count") == 0
    part = part.assign(log2fc=part["log2fc"].where(~bare, part["statistic"]), se=part["se"].where(~bare), _bare=bare)
    part = part[part["log2fc"].notna()]
    gene = part["gene"] if "gene" in part.columns else part["feature"]
    frame = part.assign(_gene=gene.where(gene.notna(), part["feature"]).astype(str))
    out = {}
    for name, rows in frame.groupby("dataset", sort=True):
        # several probes or isoforms of a gene in one contrast: the surest
        rows = rows.assign(_z=rows["statistic"].abs().fillna(rows["log2fc"].abs() * 1e-6))
        rows = rows.sort_values(["contrast", "_gene", "_z"], ascending=[True, True, False], kind="mergesort")
        rows = rows.drop_duplicates(["contrast", "_gene"])
        effect = rows.set_index(["_gene", "contrast"])["log2fc"].unstack()  # noqa: PD010
        se = rows.set_index(["_gene", "contrast"])["se"].unstack()  # noqa: PD010
        k = effect.notna().sum(axis=1)
        variance = (se**2).mean(axis=1, skipna=False) if effect.shape[1] == 1 else (se**2).mean(axis=1)
        variance = variance.where(se.notna().sum(axis=1) == k) * (1 + (k - 1) * SHARED) / k
        n = rows.groupby("_gene")["n"].max()
        made = pd.DataFrame({"effect": effect.mean(axis=1), "se": np.sqrt(variance), "n": n})
        out[str(name)] = made.assign(z_only=bool(rows["_bare"].iloc[0])).sort_index()
    return out


def _pooled(sets: dict[str, pd.DataFrame], layer: str, confidence: float) -> pd.DataFrame:
    names = list(sets)
    genes = sorted(set().union(*(t.index for t in sets.values())))
    effect = np.column_stack([sets[n]["effect"].reindex(genes) for n in names])
    se = np.column_stack([sets[n]["se"].reindex(genes) for n in names])
    size = np.column_stack([sets[n]["n"].reindex(genes) for n in names])
    unit = ["z " if sets[n]["z_only"].all() else "" for n in names]
    score = np.column_stack([_normal_scores(effect[:, j]) for j in range(len(names))])
    there = np.isfinite(effect)
    kept = there.sum(axis=1) >= 2
    effect, se, size, score, there = effect[kept], se[kept], size[kept], score[kept], there[kept]
    tested = there & np.isfinite(se) & (se > 0)
    pooled = meta.pool(np.where(tested, effect, np.nan), np.where(tested, se, np.nan), confidence=confidence)
    enough = tested.sum(axis=1) >= 2
    weak, strong = _left_out(np.where(tested, effect, np.nan), np.where(tested, se, np.nan))
    k = there.sum(axis=1)
    mean = np.nansum(score, axis=1) / k
    rank_p = 2 * stats.norm.sf(np.abs(mean) * np.sqrt(k))
    up = (there & (effect > 0)).sum(axis=1)
    down = (there & (effect < 0)).sum(axis=1)
    out = pd.DataFrame(
        {
            "layer": layer,
            "gene": [g for g, keep in zip(genes, kept, strict=True) if keep],
            "n_datasets": k,
            "n_tested": tested.sum(axis=1),
            "effect": np.where(enough, pooled.effect, np.nan),
            "se": np.where(enough, pooled.se, np.nan),
            "ci_low": np.where(enough, pooled.ci_low, np.nan),
            "ci_high": np.where(enough, pooled.ci_high, np.nan),
            "i2": np.where(enough, pooled.i2, np.nan),
            "prediction_low": np.where(enough, pooled.pi_low, np.nan),
            "prediction_high": np.where(enough, pooled.pi_high, np.nan),
            "same_sign": np.maximum(up, down),
            "statistic": np.where(enough, pooled.statistic, np.nan),
            "p_value": np.where(enough, pooled.p, np.nan),
            "rank_score": mean,
            "rank_p_value": rank_p,
            "rank_p_without": _ranks_left_out(score),
            "weakest_without": np.where(enough, weak, np.nan),
            "strongest_without": np.where(enough, strong, np.nan),
            "n": np.nansum(size, axis=1),
            "datasets": [
                ", ".join(f"{n} {u}{e:+.2f}" for n, u, e in zip(names, unit, row, strict=True) if np.isfinite(e))
                for row in effect
            ],
            "status": np.where(enough, "estimated", "not_testable"),
            "reason": np.where(enough, "", "fewer than two data sets give a standard error; see the ranks"),
        }
    )
    out["q_value"], out["rank_q_value"] = bh(out["p_value"]), bh(out["rank_p_value"])
    return out.reindex(columns=list(COLUMNS))


def _normal_scores(values: Floats) -> Floats:
    """Normal quantiles of the ranks of what is there; nan stays nan."""
    there = np.isfinite(values)
    out = np.full(values.shape, np.nan)
    out[there] = stats.norm.ppf((stats.rankdata(values[there]) - 0.5) / there.sum())
    return out


def _ranks_left_out(score: Floats) -> Floats:
    """The largest p of the mean normal score [genes, data sets] when one data set is left out; nan below three."""
    k = np.isfinite(score).sum(axis=1)
    total = np.nansum(score, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        rest = (total[:, None] - score) / np.sqrt(k - 1)[:, None]
    p = 2 * stats.norm.sf(np.abs(rest))
    return np.where(k > 2, np.max(np.where(np.isfinite(score), p, -np.inf), axis=1), np.nan)


def _left_out(effect: Floats, se: Floats) -> tuple[Floats, Floats]:
    """Pooled effect nearest to and farthest from 0 (in the direction of the whole) when one data set is left out."""
    found = []
    for j in range(effect.shape[1]):
        y, s = effect.copy(), se.copy()
        y[:, j] = s[:, j] = np.nan
        some = np.isfinite(effect[:, j]) & (np.isfinite(y).sum(axis=1) >= 1)
        pooled = meta.pool(y, s, hartung_knapp=False).effect
        found.append(np.where(some, pooled, np.nan))
    values = np.column_stack(found)
    whole = np.sign(meta.pool(effect, se, hartung_knapp=False).effect)[:, None]
    signed = values * whole
    filled = np.isfinite(signed).any(axis=1)
    low = np.where(filled, np.nanmin(np.where(np.isfinite(signed), signed, np.inf), axis=1), np.nan)
    high = np.where(filled, np.nanmax(np.where(np.isfinite(signed), signed, -np.inf), axis=1), np.nan)
    return low * whole[:, 0], high * whole[:, 0]


def _agreement(sets: dict[str, pd.DataFrame], layer: str, confidence: float) -> list[tuple[Any, ...]]:
    """Spearman's correlation of every two data sets over their common genes, with Fisher's interval.

    Genes are not independent, so the interval is too narrow and no p-value is given.
    """
    z = float(stats.norm.ppf((1 + confidence) / 2))
    rows: list[tuple[Any, ...]] = []
    for a, b in combinations(sets, 2):
        common = sets[a].index.intersection(sets[b].index)
        x, y = sets[a].loc[common, "effect"], sets[b].loc[common, "effect"]
        n = len(common)
        if n < 10:
            rows.append((layer, a, b, n, np.nan, np.nan, np.nan, np.nan, "not_estimable"))
            continue
        rho = float(stats.spearmanr(x, y).statistic)
        half = z * np.sqrt((1 + rho**2 / 2) / max(n - 3, 1))
        middle = np.arctanh(np.clip(rho, -1 + 1e-12, 1 - 1e-12))
        low, high = np.tanh(middle - half), np.tanh(middle + half)
        moved = (x != 0) & (y != 0)
        same = float((np.sign(x[moved]) == np.sign(y[moved])).mean()) if moved.any() else np.nan
        rows.append((layer, a, b, n, rho, float(low), float(high), same, "not_testable"))
    return rows
