"""Cox models of every gene in every cohort, and their meta-analysis: what any one gene is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge.analysis import analysis
from rechallenge.clinical.cohorts.expression import Expression, cohorts, patterns, percentiles, rank_normal
from rechallenge.clinical.cohorts.people import Group, as_covariate, groups, long
from rechallenge.faults import NotApplicable
from rechallenge.stats import cox, meta
from rechallenge.stats.multiplicity import bh

COX = "doi:10.1111/j.2517-6161.1972.tb00899.x"
EFRON = "doi:10.1080/01621459.1977.10480613"
#: most random signatures are prognostic too, so a p-value alone says little of one gene
RANDOM = "doi:10.1371/journal.pcbi.1002240"
REML, HARTUNG = "doi:10.3102/10769986030003261", "doi:10.1186/1471-2288-14-25"
FLOOR = "doi:10.1186/s12874-015-0091-1"
#: events below which a cohort is described and not tested
FEWEST_EVENTS = 20
SCAN = (
    "gene", "kind", "cohort", "endpoint", "subset", "n", "events", "level", "coef", "se", "hr_per_sd", "ci_low",
    "ci_high", "statistic", "p_value", "q_value", "percentile", "matched", "status", "reason",
)  # fmt: skip
META = (
    "gene", "kind", "endpoint", "subset", "cohorts", "k", "n", "events", "hr_per_sd", "ci_low", "ci_high", "se",
    "statistic", "p_value", "q_value", "tau2", "i2", "i2_q", "heterogeneity_p", "pi_low", "pi_high", "same_direction",
    "loo_low", "loo_high", "loo_p_max", "percentile", "matched", "adjusted_hr", "adjusted_ci_low", "adjusted_ci_high",
    "adjusted_p_value", "status", "reason",
)  # fmt: skip


def aligned(group: Group, expression: Expression) -> tuple[Group, NDArray[np.float64]]:
    """The group's patients that have expression, and their values (genes, n) in the same order."""
    values, there = expression.of(group.rows["patient"])
    return group.take(there), values


def at_risk(group: Group) -> cox.Risk:
    """Risk sets of a group, entry delayed where the group says so."""
    return cox.risk(group.rows["time"], group.rows["event"], group.entry)


def _rows(group: Group, fits: cox.Fits, zcrit: float) -> dict[str, Any]:
    coef, se = fits.coef[:, 0], fits.se[:, 0]
    testable = group.events >= FEWEST_EVENTS
    good = fits.status == cox.ESTIMATED
    status = np.where(~good, "not_estimable", "estimated" if testable else "not_testable")
    few = f"{group.events} events; a test needs {FEWEST_EVENTS}"
    with np.errstate(over="ignore"):
        return {
            "n": group.n, "events": group.events, "coef": coef, "se": se, "hr_per_sd": np.exp(coef),
            "ci_low": np.exp(coef - zcrit * se), "ci_high": np.exp(coef + zcrit * se),
            "statistic": np.sign(coef) * np.sqrt(fits.lrt),
            "p_value": np.where(good & testable, fits.lrt_p, np.nan), "status": status,
            "reason": np.where(good, "" if testable else few, fits.status.astype(str)),
        }  # fmt: skip


def scan_group(
    group: Group, genes: NDArray[np.object_], values: NDArray[np.float64], confidence: float
) -> pd.DataFrame:
    """One Cox model per gene: `values` (genes, n) in the order of the group's rows."""
    from scipy import special

    zcrit = float(special.ndtri(0.5 + confidence / 2))
    parts = []
    for members, measured in patterns(values):
        own = group if measured.all() else group.take(measured)
        fits = cox.fit(at_risk(own), rank_normal(values[members][:, measured]))
        parts.append(pd.DataFrame({"gene": genes[members], **_rows(own, fits, zcrit)}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["gene"])


def marker_values(group: Group, marker: str) -> tuple[Group, NDArray[np.float64]]:
    """The patients of a group that have a number for this column, and the numbers (1, n). Raises ValueError."""
    if marker not in group.rows:
        raise ValueError(f"the table of patients has no column {marker!r}; name one of its columns under markers")
    column = as_covariate(group.rows[marker])
    if column.dtype.kind != "f":
        raise ValueError(f"the column {marker!r} of the patients holds labels, not numbers")
    there = column.notna().to_numpy()
    return group.take(there), column[there].to_numpy(float)[None]


def _scan_methods(survival_scan: pd.DataFrame, confidence: float, **_: Any) -> str:
    of = survival_scan[["cohort", "endpoint", "subset"]].drop_duplicates()
    return (
        f"In each of {len(of)} combinations of cohort, endpoint and patients, every gene was taken as normal scores of "
        "its ranks in standard deviations and fitted by Cox regression with Efron's treatment of ties "
        f"({COX}, {EFRON}); p is that of the likelihood-ratio test, adjusted over all genes after Benjamini and "
        f"Hochberg "
        "(doi:10.1111/j.2517-6161.1995.tb02031.x). The percentile of a gene is its rank by the size of its statistic "
        f"among genes of similar expression, because a large part of all genes is prognostic ({RANDOM})."
    )


@analysis(
    title="Survival and the expression of every gene",
    reference=(COX, EFRON, RANDOM),
    methods=_scan_methods,
    formula=(
        "Cox: h(t) = h0(t) exp(b x), x rank-normal expression; likelihood ratio; percentile among genes of like mean"
    ),
    oracle=(
        "R survival 3.5-3, seven models to 1e-7 (tests/stats/test_cox.py); TCGA liver cancer "
        "(tests/clinical/test_survival.py)"
    ),
    limits=(
        "In TCGA liver cancer 18 to 22 % of all genes have p < .05: the percentile, not p, says what is "
        "special. Under 20 events nothing is tested."
    ),
)
def survival_scan(
    patients: pd.DataFrame,
    patient_expression: pd.DataFrame | None = None,
    patient_expression_samples: pd.DataFrame | None = None,
    *,
    endpoints: tuple[str, ...] = (),
    markers: tuple[str, ...] = (),
    confidence: float = 0.95,
) -> pd.DataFrame:
    """One Cox model per gene (and per column of patients named in `markers`), cohort, endpoint and subset: `SCAN`.

    `subset` is all patients, or those treated with a drug, who enter when it began. `hr_per_sd` is per standard
    deviation of the rank-normal expression, `statistic` the signed root of the likelihood ratio. `percentile` (0 to
    100) is among genes matched on mean expression (`matched` False: among all genes). Fewer than 20 events:
    "not_testable", described only. Raises NotApplicable without survival times or without expression and markers.
    """
    table = long(patients)
    exprs = cohorts(patient_expression, patient_expression_samples, table)
    parts: list[pd.DataFrame] = []
    for group in groups(table, endpoints):
        found = _of_group(group, exprs, markers, confidence)
        if len(found):
            key = {"cohort": group.cohort, "endpoint": group.endpoint, "subset": group.subset}
            parts.append(found.assign(**key))
    if not parts:
        raise NotApplicable(
            "survival needs patients with time and event, and their expression or a column named under markers"
        )
    return pd.concat(parts, ignore_index=True).loc[:, list(SCAN)]


def _of_group(
    group: Group, exprs: Mapping[str, Expression], markers: tuple[str, ...], confidence: float
) -> pd.DataFrame:
    parts = []
    if group.cohort in exprs:
        expression = exprs[group.cohort]
        own, values = aligned(group, expression)
        if own.n >= 5 and own.events:
            found = scan_group(own, expression.genes, values, confidence)
            place = dict(zip(expression.genes, expression.level, strict=True))
            level = found["gene"].map(place).to_numpy(float)
            strength = np.where(found["status"] != "not_estimable", found["statistic"].abs(), np.nan)
            percentile, matched = percentiles(strength, level)
            q = bh(found["p_value"])
            parts.append(found.assign(kind="gene", level=level, percentile=percentile, matched=matched, q_value=q))
    among = parts[0]["statistic"].abs().dropna().to_numpy(float) if parts else np.zeros(0)
    for marker in sorted(set(markers)):
        own, values = marker_values(group, marker)
        if own.n >= 5 and own.events:
            found = scan_group(own, np.array([marker], dtype=object), values, confidence)
            share = 100 * float(np.mean(among < abs(found["statistic"].iloc[0]))) if len(among) else np.nan
            found = found.assign(kind="marker", level=np.nan, percentile=share, matched=False)
            parts.append(found.assign(q_value=found["p_value"]))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(SCAN))


def pooled(scan: pd.DataFrame, effect: str, se: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Genes x cohorts tables of effects and standard errors of one endpoint and subset, sorted by name."""
    wide = {c: scan.pivot_table(index="gene", columns="cohort", values=c).sort_index() for c in (effect, se)}
    return wide[effect], wide[se]


def _meta_methods(survival_meta: pd.DataFrame, **_: Any) -> str:
    most = int(survival_meta["k"].max()) if len(survival_meta) else 0
    if most < 2:
        return f"Only one cohort has {FEWEST_EVENTS} events or more, so nothing was pooled."
    return (
        f"Log hazard ratios per standard deviation were pooled over up to {most} cohorts with at least "
        f"{FEWEST_EVENTS} events each by a random-effects model (REML, {REML}) with Hartung-Knapp intervals and tests "
        f"({HARTUNG}; never narrower than the usual ones, {FLOOR}), I2 (doi:10.1002/sim.1186), prediction intervals "
        f"(doi:10.1136/bmjopen-2015-010247) and leaving "
        "out each cohort in turn. With few cohorts a 95 % prediction interval covers less than 95 % (87 % with five in "
        "simulation), because the variance between them is hardly known."
    )


@analysis(
    title="Meta-analysis over cohorts",
    reference=(REML, HARTUNG, FLOOR),
    methods=_meta_methods,
    formula="REML with Hartung-Knapp; I2; prediction interval with k - 1 degrees of freedom; leave-one-out",
    oracle="R metafor 3.8-1 (tests/stats/test_meta.py)",
    limits=("The prediction interval of five cohorts covers 87 %, not 95 %. Two cohorts cannot show heterogeneity."),
)
def survival_meta(
    survival_scan: pd.DataFrame, survival_fits: pd.DataFrame | None = None, *, confidence: float = 0.95
) -> pd.DataFrame:
    """Every gene pooled over the cohorts that can test it: `META`. One cohort is passed on as it is (k = 1).

    `i2` is from the between-cohort variance, `i2_q` from Q (fractions). `loo_low` to `loo_high` is the range of the
    pooled hazard ratio when one cohort is left out. `percentile` ranks the pooled statistic among genes of similar
    expression. `adjusted_...`: the same pooling of the hazard ratios adjusted for proliferation, for the candidates.
    The prediction interval `pi_low` to `pi_high` is too narrow with few cohorts: with five it covers the effect in a
    further cohort in 87 % of simulations, not 95 %.
    """
    out = []
    usable = survival_scan[survival_scan["status"] == "estimated"]
    for (endpoint, subset), rows in usable.groupby(["endpoint", "subset"], sort=True):
        found = _meta_of(rows, survival_fits, confidence)
        out.append(found.assign(endpoint=str(endpoint), subset=str(subset)))
    if not out:
        raise NotApplicable(f"no cohort has {FEWEST_EVENTS} events, so there is nothing to pool")
    return pd.concat(out, ignore_index=True).loc[:, list(META)]


def _meta_of(rows: pd.DataFrame, fits: pd.DataFrame | None, confidence: float) -> pd.DataFrame:
    effect, se = pooled(rows, "coef", "se")
    y, s = effect.to_numpy(float), se.to_numpy(float)
    r = meta.pool(y, s, floor=True, confidence=confidence)
    first = rows.drop_duplicates("gene").set_index("gene").reindex(effect.index)
    by_gene = rows.groupby("gene")
    single = by_gene["p_value"].first().reindex(effect.index).to_numpy(float)
    p = np.where(r.k == 1, single, r.p)
    level = by_gene["level"].mean().reindex(effect.index).to_numpy(float)
    strength = np.abs(meta.pool(y, s, hartung_knapp=False).statistic)
    gene = (first["kind"] == "gene").to_numpy()
    percentile, matched = percentiles(np.where(gene, strength, np.nan), level)
    among = strength[gene]
    for i in np.flatnonzero(~gene):
        percentile[i] = 100 * float(np.mean(among < strength[i])) if len(among) else np.nan
    loo = meta.leave_one_out(y, s, floor=True, confidence=confidence) if y.shape[1] > 1 else []
    left = np.array([np.where(np.isfinite(y[:, j]) & (r.k > 1), o.effect, np.nan) for j, o in enumerate(loo)])
    left_p = np.array([np.where(np.isfinite(y[:, j]) & (r.k > 2), o.p, np.nan) for j, o in enumerate(loo)])
    nothing = np.full(len(y), np.nan)
    some = len(left) > 0
    with np.errstate(over="ignore"):
        table = pd.DataFrame(
            {
                "gene": effect.index, "kind": first["kind"].to_numpy(),
                "cohorts": [", ".join(c for c, v in zip(effect.columns, row, strict=True) if v == v) for row in y],
                "k": r.k, "n": by_gene["n"].sum().reindex(effect.index).to_numpy(),
                "events": by_gene["events"].sum().reindex(effect.index).to_numpy(),
                "hr_per_sd": np.exp(r.effect), "ci_low": np.exp(r.ci_low), "ci_high": np.exp(r.ci_high), "se": r.se,
                "statistic": r.statistic, "p_value": p, "q_value": bh(p), "tau2": r.tau2, "i2": r.i2, "i2_q": r.i2_q,
                "heterogeneity_p": r.q_p, "pi_low": np.exp(r.pi_low), "pi_high": np.exp(r.pi_high),
                "same_direction": r.same_sign,
                "loo_low": np.exp(_quiet(np.fmin.reduce, left)) if some else nothing,
                "loo_high": np.exp(_quiet(np.fmax.reduce, left)) if some else nothing,
                "loo_p_max": _quiet(np.fmax.reduce, left_p) if some else nothing,
                "percentile": percentile, "matched": matched, "status": "estimated",
                "reason": np.where(r.k == 1, "one cohort: nothing was pooled", ""),
            }
        )  # fmt: skip
    return _adjusted(table, rows, fits, confidence)


def _quiet(f: Any, a: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(f(a, axis=0), dtype=np.float64)


def _adjusted(table: pd.DataFrame, rows: pd.DataFrame, fits: pd.DataFrame | None, confidence: float) -> pd.DataFrame:
    """The pooled hazard ratios with proliferation in the model, where the candidates' fits have them."""
    columns = {"adjusted_hr": np.nan, "adjusted_ci_low": np.nan, "adjusted_ci_high": np.nan, "adjusted_p_value": np.nan}
    table = table.assign(**columns)
    if fits is None:
        return table
    mine = fits[
        (fits["endpoint"] == rows["endpoint"].iloc[0]) & (fits["subset"] == rows["subset"].iloc[0])
        & fits["proliferation_coef"].notna() & (fits["status"] == "estimated")
    ]  # fmt: skip
    if mine.empty:
        return table
    effect, se = pooled(mine, "proliferation_coef", "proliferation_se")
    r = meta.pool(effect.to_numpy(float), se.to_numpy(float), floor=True, confidence=confidence)
    own = pd.DataFrame(
        {"adjusted_hr": np.exp(r.effect), "adjusted_ci_low": np.exp(r.ci_low), "adjusted_ci_high": np.exp(r.ci_high),
         "adjusted_p_value": r.p}, index=effect.index,
    )  # fmt: skip
    for c in columns:
        table[c] = table["gene"].map(own[c])
    return table
