"""Which compounds change the response to the anchor drug by more than both do alone?

    interaction = log2 viability(compound + anchor) - log2 viability(compound) - log2 viability(anchor)

(Bliss independence on the log scale; below 0 the compound sensitises). Each arm is on the scale of its own vehicle or
median compound, so the anchor's own effect is off already, and the interaction is the difference of a compound's scores
in the two arms. With replicates its variance is moderated over the library; what all replicates share by position on
the plate shows as a library whose interactions scatter more than its replicates say, and standard errors are widened by
that factor. With one replicate a compound is set against the scatter of the library, which tells a lead from the bulk
and nothing of whether it repeats.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rechallenge.analysis import analysis
from rechallenge.assays.screen.annotate import annotate, excluded, reachable
from rechallenge.assays.screen.contract import each
from rechallenge.faults import NotApplicable
from rechallenge.stats.moderated import squeeze_var
from rechallenge.stats.multiplicity import bh
from rechallenge.stats.plates import MAD_SD
from rechallenge.tables.contract import source_rows

Floats = NDArray[np.float64]
BLISS = "doi:10.1111/j.1744-7348.1939.tb06990.x"
SMYTH = "doi:10.2202/1544-6115.1027"
EFRON = "doi:10.1198/016214504000000089"
MALO = "doi:10.1177/1087057110377497"
SENSITISES, TOXIC_TOO = "sensitises", "sensitises and kills by itself"
ANTAGONISES, NOTHING = "antagonises the anchor", "no interaction shown"
KILLS, UNTESTED, LEFT_OUT = "kills by itself, no interaction shown", "not tested", "excluded"
#: compounds from which on the library is large enough to be a null distribution
LIBRARY = 50
#: log2 level in both arms below which a compound counts as one that kills by itself
KILLING = -0.5
BLOCK, INDEPENDENT, ONCE = "replicate as block", "independent arms", "one replicate, against the library"
KEYS = ["compound", "dose_um"]
COLUMNS = (
    "model", "role", "compound", "dose_um", "anchor", "anchor_um", "rank", "interaction", "se", "df", "ci_low",
    "ci_high", "statistic", "p_value", "q_value", "p_compound", "q_compound", "n", "n_wells", "alone", "alone_ci_low",
    "alone_ci_high", "both", "anchor_alone", "toxicity", "normal_model", "normal_alone", "normal_both",
    "normal_interaction", "selective", "selective_p_value", "achievable", "cmax_um", "cmax_free_um", "drug", "class",
    "target", "atc", "excluded", "library_scale", "confidence", "design", "direction", "verdict", "status", "reason",
    "source_table", "source_rows",
)  # fmt: skip


def _methods(screen_hits: pd.DataFrame, alpha: float, confidence: float, exclude: tuple[str, ...], **_: Any) -> str:
    designs = set(screen_hits["design"])
    text = (
        "The interaction of a compound with the anchor drug was log2 viability with both less the sum of those with "
        f"either alone (Bliss independence, {BLISS}), technical wells averaged within biological replicates. "
    )
    if designs & {BLOCK, INDEPENDENT}:
        text += (
            f"Variances between replicates were moderated over the library, following the level ({SMYTH}, {MALO}), and "
            f"standard errors widened where interactions of the bulk scattered more than they say ({EFRON}). "
        )
    if ONCE in designs:
        text += (
            "Where there was one replicate, an interaction was set against the robust scatter of the library "
            "(compounds that kill by themselves against their like): such a p-value ranks leads within the library and "
            "does not say that they repeat. "
        )
    text += (
        f"q-values (doi:10.1111/j.2517-6161.1995.tb02031.x) are over the compounds of a model and anchor dose, called "
        f"at {alpha:g}; intervals are at {100 * confidence:g} %."
    )
    if exclude:
        left = screen_hits[screen_hits["excluded"] != ""]["compound"].nunique()
        text += f" {left} compounds were excluded on request ({', '.join(exclude)}); they stay in the table."
    return text


@analysis(
    title="Compounds that change the response to the anchor drug",
    reference=(BLISS, SMYTH, EFRON, MALO),
    methods=_methods,
    formula=(
        "interaction = log2 V(compound + anchor) - log2 V(compound) - log2 V(anchor); moderated t over replicates"
    ),
    oracle=(
        "No outside reference: planted compounds, shuffled anchor labels and false-discovery rates by "
        "simulation (tests/assays/test_screen.py)"
    ),
    limits=(
        "Bliss independence on the log scale at one or few doses: potency and efficacy are not parted. One "
        "replicate ranks and does not test. A hit needs a dose matrix."
    ),
)
def screen_hits(
    screen_wells: pd.DataFrame,
    models: pd.DataFrame | None = None,
    exposures: pd.DataFrame | None = None,
    *,
    alpha: float = 0.05,
    confidence: float = 0.95,
    toxic: float = 0.8,
    exclude: tuple[str, ...] = (),
    widen: bool = True,
) -> pd.DataFrame:
    """One row per model, anchor dose, compound and dose; columns `COLUMNS`, the strongest sensitiser of a model first.

    `interaction` (log2; below 0 = sensitises) has a moderated t test over biological replicates: paired by replicate
    where both arms have the same labels, else of independent arms. `library_scale` is the factor by which standard
    errors were widened (1 = none; off with `widen` false or in libraries under 50 compounds). With one replicate the
    status is "not_testable" and `p_value` against the library's own scatter. `q_value` is over all rows of a model and
    anchor dose that are not `excluded`; `p_compound` and `q_compound` are per compound: Bonferroni over its doses, then
    over compounds. `alone`, `both` and `anchor_alone` are fractions of vehicle. `toxicity`: "kills by itself" where
    `alone` is under `toxic` and its interval under 1, "kills normal cells" by the same measure in models of role
    normal, "none shown" or "unknown". `selective`: "yes" where a sensitiser interacts more in this model than in normal
    cells (p < `alpha`) and leaves those alive with the anchor, "no" where it kills them or sensitises them as well,
    "not shown" between, "unknown" without a normal model, empty where it does not sensitise. Status "censored": all
    cells are gone with the anchor and `ci_high` is a bound; "not_estimable": the compound alone leaves nothing.
    `exclude` names compounds, classes, ATC codes or "anticancer". Raises NotApplicable where no compound was tested
    with and without the anchor.
    """
    wells = screen_wells[(screen_wells["well_type"] == "sample") & (screen_wells["excluded"] == "")]
    every = screen_wells[screen_wells["well_type"] == "sample"]
    about = annotate(screen_wells)
    left_out = excluded(about, exclude)
    parts = []
    for key, _ in every[every["anchor"] != ""].groupby(["model", "anchor", "anchor_um"], sort=True):
        model, anchor, dose = str(key[0]), str(key[1]), float(str(key[2]))
        mine = wells[wells["model"] == model]
        beside = mine[(mine["anchor"] == anchor) & (mine["anchor_um"] == dose)]
        plain = mine[mine["anchor"] == ""]
        if plain.empty:
            continue
        part = _interactions(plain, beside, confidence, set(left_out), widen)
        part.insert(0, "model", model)
        part["anchor"], part["anchor_um"] = anchor, dose
        part["anchor_alone"] = _anchor_alone(screen_wells, model, anchor, dose)
        parts.append(part)
    if not parts:
        raise NotApplicable("no compound was screened with and without an anchor drug in one model")
    out = pd.concat(parts, ignore_index=True)
    out["both"] = out["both"] * out["anchor_alone"]
    out["excluded"] = out["compound"].map(left_out).fillna("")
    out = out.merge(about[["compound", "drug", "class", "target", "atc"]], on="compound", how="left")
    pairs = list(zip(out["compound"], out["dose_um"], strict=True))
    named = dict(zip(about["compound"], about["drug"], strict=True))
    out = out.merge(reachable(named, pairs, exposures), on=KEYS, how="left")
    family = [out["model"], out["anchor"], out["anchor_um"]]
    counted = out["p_value"].where(out["excluded"] == "")
    out["q_value"] = counted.groupby(family).transform(lambda p: bh(p.to_numpy()))
    out = _per_compound(out)
    out = _against_normal(out, models, toxic, alpha)
    out["confidence"] = confidence
    role = {} if models is None else dict(zip(models["model"], models["role"], strict=True))
    out["role"] = out["model"].map(role).fillna("")
    out["verdict"] = [_verdict(row, alpha) for row in each(out)]
    out["direction"] = out["verdict"].map({SENSITISES: -1, TOXIC_TOO: -1, ANTAGONISES: 1}).fillna(0).astype(int)
    out["selective"] = out["selective"].where(out["direction"] < 0, "")
    # the strongest sensitiser first; what cannot be ranked last
    strength = out["statistic"].where(out["excluded"] == "")
    out["rank"] = strength.groupby(family).rank(method="first")
    out = out.sort_values(["model", "anchor", "anchor_um", "rank", *KEYS], na_position="last", kind="mergesort")
    out["source_table"] = "screen"
    out["source_rows"] = _origins(every, out)
    return out.loc[:, list(COLUMNS)].reset_index(drop=True)


def _interactions(
    plain: pd.DataFrame, beside: pd.DataFrame, confidence: float, left_out: set[str], widen: bool
) -> pd.DataFrame:
    """Interaction of every compound and dose with its test, and what the compound does alone."""
    from scipy.stats import norm
    from scipy.stats import t as student

    tables = [_by_replicate(arm, "score") for arm in (plain, beside)]
    keys = tables[0].index.union(tables[1].index)
    one, two = (t.reindex(keys) for t in tables)
    shared = sorted(set(one.columns) & set(two.columns))
    out = keys.to_frame(index=False)
    if shared:
        gap = (two[shared] - one[shared]).to_numpy()
        n, effect, var = _moments(gap)
        df, scale, design = n - 1.0, 1.0 / np.maximum(n, 1), BLOCK
    else:
        (n1, m1, v1), (n2, m2, v2) = (_moments(t.to_numpy()) for t in (one, two))
        n, effect, design = np.where((n1 > 0) & (n2 > 0), n1 + n2, 0), m2 - m1, INDEPENDENT
        df = np.maximum(n1 - 1, 0) + np.maximum(n2 - 1, 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            var = (np.nan_to_num(v1) * np.maximum(n1 - 1, 0) + np.nan_to_num(v2) * np.maximum(n2 - 1, 0)) / df
            scale = 1.0 / n1 + 1.0 / n2
    level = _level(one, two)
    out["n"], out["interaction"], out["design"] = n.astype(int), effect, design
    spent = {
        c: _by_replicate(arm, "floored", "max").reindex(keys).fillna(0.0).to_numpy().max(axis=1, initial=0.0) > 0
        for c, arm in (("plain", plain), ("beside", beside))
    }
    gone = spent["plain"]
    bulk = np.isfinite(effect) & ~gone & ~out["compound"].isin(left_out).to_numpy()
    replicated = int(np.nanmax(df, initial=0.0)) >= 1 and np.sum(np.isfinite(effect) & (df > 0)) >= 3
    if replicated:
        covariate = level if np.isfinite(level).sum() >= 100 else None
        post, total, _ = squeeze_var(np.where(df > 0, var, np.nan), df, covariate)
        se = np.sqrt(post * scale)
        out["library_scale"] = _widening(effect / se, total, bulk) if widen else 1.0
        se = np.where(df > 0, se * out["library_scale"], np.nan)
        out["df"] = np.where(df > 0, total, np.nan)
        out["statistic"] = effect / se
        out["p_value"] = 2 * student.sf(np.abs(out["statistic"]), total)
        reach = student.ppf(0.5 + confidence / 2, total) * se
        status = np.where(df > 0, "estimated", "not_testable")
        reason = np.where(df > 0, "", "one biological replicate of this compound: no test")
    else:
        se = (
            _library_scatter(effect, _level(one, two, np.fmax), bulk)
            if bulk.sum() >= LIBRARY
            else np.full(len(out), np.nan)
        )
        out["library_scale"], out["df"] = np.nan, np.nan
        out["statistic"] = effect / se
        out["p_value"] = 2 * norm.sf(np.abs(out["statistic"]))
        reach = norm.ppf(0.5 + confidence / 2) * se
        status = np.full(len(out), "not_testable", dtype=object)
        few = "one biological replicate and fewer than 50 compounds: no test"
        told = "one biological replicate: p is against the scatter of the library, not over experiments"
        reason = np.where(np.isfinite(se), told, few)
        out["design"] = ONCE
    out["se"], out["ci_low"], out["ci_high"] = se, effect - reach, effect + reach
    out["status"], out["reason"] = status.astype(object), reason.astype(object)
    _typed(out, ~np.isfinite(effect), gone, spent["beside"])
    return out.merge(_alone(plain, beside, keys, confidence), on=KEYS, how="left")


def _typed(out: pd.DataFrame, missing: Any, gone: Any, spent: Any) -> None:
    """Statuses of what is no number: not in both arms, nothing left without the anchor, nothing left with it."""
    numbers = ["interaction", "se", "df", "ci_low", "ci_high", "statistic", "p_value"]
    bound = spent & ~gone & ~missing & ((out["ci_high"] < 0) | (out["interaction"] < 0))
    for mask, status, why in (
        (missing, "not_estimable", "not measured in both arms of one replicate"),
        (
            gone & ~missing,
            "not_estimable",
            "the compound alone leaves next to nothing, so there is nothing to sensitise",
        ),
        (spent & ~gone & ~missing & ~bound, "not_estimable", "next to nothing is left with the anchor"),
    ):
        out.loc[mask, numbers] = np.nan
        out.loc[mask, "status"], out.loc[mask, "reason"] = status, why
    # the interaction is at least as strong as the clipped one: that is a bound, tested as such
    out.loc[bound, "status"] = np.where(out.loc[bound, "status"] == "estimated", "censored", out.loc[bound, "status"])
    said = "next to nothing is left with the anchor: the interaction is at least this strong"
    out.loc[bound, "reason"] = np.where(
        out.loc[bound, "reason"] == "", said, said + "; " + out.loc[bound, "reason"].astype(str)
    )
    censored = out["status"] == "censored"
    out.loc[censored, ["interaction", "se"]] = np.nan
    out.loc[censored, "ci_low"] = -np.inf


def _by_replicate(arm: pd.DataFrame, value: str, how: Literal["mean", "max"] = "mean") -> pd.DataFrame:
    """Technical wells averaged: compound and dose x replicate."""
    return arm.astype({value: "float64"}).pivot_table(index=KEYS, columns="replicate", values=value, aggfunc=how)


def _moments(values: Floats) -> tuple[Floats, Floats, Floats]:
    """Number, mean and variance of what is there in every row."""
    n = np.isfinite(values).sum(axis=1)
    filled = np.where(np.isfinite(values), values, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(axis=1) / n
        rest = np.where(np.isfinite(values), values - mean[:, None], 0.0)
        return n.astype(np.float64), np.where(n > 0, mean, np.nan), (rest**2).sum(axis=1) / (n - 1)


def _level(one: pd.DataFrame, two: pd.DataFrame, join: Any = np.fmin) -> Floats:
    """What the scatter of a compound may depend on: the lower (or by `join` the higher) of its two levels, held within
    the bulk of the library, as a trend says nothing beyond it."""
    lower = join(_moments(one.to_numpy())[1], _moments(two.to_numpy())[1])
    known = lower[np.isfinite(lower)]
    return np.asarray(np.clip(lower, *np.quantile(known, [0.01, 0.99])) if known.size else lower)


def _widening(t: Floats, df: Floats, bulk: Any) -> float:
    """By how much the bulk of the library scatters more than its standard errors say; at least 1."""
    from scipy.stats import norm
    from scipy.stats import t as student

    use = bulk & np.isfinite(t) & (df > 0)
    if use.sum() < LIBRARY:
        return 1.0
    tail = student.sf(np.abs(t[use]), df[use])
    z = np.sign(t[use]) * norm.isf(np.maximum(tail, 1e-300))
    return max(1.0, MAD_SD * float(np.median(np.abs(z - np.median(z)))))


def _library_scatter(effect: Floats, level: Floats, bulk: Any) -> Floats:
    """Robust SD of the interactions of the library; of those that kill in both arms where these are many and wider."""
    inert = bulk & (level >= KILLING)
    spread = [
        MAD_SD * float(np.median(np.abs(effect[of] - np.median(effect[of])))) if of.sum() >= 20 else 0.0
        for of in (inert, bulk & ~inert)
    ]
    if not spread[0] > 0:
        return np.full(effect.shape, np.nan)
    return np.where(level >= KILLING, spread[0], max(spread))


def _alone(plain: pd.DataFrame, beside: pd.DataFrame, keys: Any, confidence: float) -> pd.DataFrame:
    """The compound alone (fraction of vehicle, with limits where there are replicates), with the anchor (fraction of
    the anchor alone), and how many wells that rests on."""
    from scipy.stats import t as student

    log = plain.assign(log=np.log2(plain["viability"].clip(lower=1e-6)))
    n, mean, var = _moments(_by_replicate(log, "log").reindex(keys).to_numpy())
    reach = np.full(len(keys), np.nan)
    if (n > 1).sum() >= 3:
        post, df, _ = squeeze_var(np.where(n > 1, var, np.nan), np.maximum(n - 1, 0))
        with np.errstate(divide="ignore"):
            reach = np.where(n > 1, student.ppf(0.5 + confidence / 2, df) * np.sqrt(post / n), np.nan)
    wells = pd.concat([plain, beside]).groupby(KEYS).size().reindex(keys).fillna(0)
    other = beside.assign(log=np.log2(beside["viability"].clip(lower=1e-6)))
    out: pd.DataFrame = keys.to_frame(index=False)
    out["alone"], out["alone_ci_low"], out["alone_ci_high"] = (np.exp2(v) for v in (mean, mean - reach, mean + reach))
    out["both"] = np.exp2(_moments(_by_replicate(other, "log").reindex(keys).to_numpy())[1])
    out["n_wells"] = wells.to_numpy().astype(int)
    return out


def _anchor_alone(wells: pd.DataFrame, model: str, anchor: str, dose: float) -> float:
    """What the anchor leaves by itself: vehicle wells with it over vehicle wells without it, within replicates."""
    mine = wells[(wells["model"] == model) & (wells["well_type"] == "vehicle") & (wells["excluded"] == "")]
    mine = mine[mine["net"] > 0]
    log = np.log2(mine["net"]).groupby([mine["anchor"], mine["anchor_um"], mine["replicate"]]).mean()
    try:
        gap = log.loc[(anchor, dose)] - log.loc[("", 0.0)]
    except KeyError:
        return float("nan")
    if gap.notna().any():
        return float(2 ** gap.mean())
    return float(2 ** (log.loc[(anchor, dose)].mean() - log.loc[("", 0.0)].mean()))


def _per_compound(out: pd.DataFrame) -> pd.DataFrame:
    """p per compound (Bonferroni over its doses) and q over the compounds of a model and anchor dose."""
    by = ["model", "anchor", "anchor_um", "compound"]
    groups = out["p_value"].groupby([out[c] for c in by])
    out["p_compound"] = (groups.transform("min") * groups.transform("count")).clip(upper=1.0)
    one = out[out["excluded"] == ""].drop_duplicates(by)
    q = one.assign(q=one.groupby(by[:3])["p_compound"].transform(lambda p: bh(p.to_numpy())))
    return out.merge(q[[*by, "q"]].rename(columns={"q": "q_compound"}), on=by, how="left")


def _against_normal(out: pd.DataFrame, models: pd.DataFrame | None, toxic: float, alpha: float) -> pd.DataFrame:
    """Toxicity and selectivity: the same compound and dose in models of role normal (the worst of several counts)."""
    from scipy.stats import norm

    normal = set() if models is None else set(models.loc[models["role"] == "normal", "model"])
    lowers = (out["alone"] < toxic) & ~(out["alone_ci_high"] >= 1)
    keys = ["anchor", "anchor_um", *KEYS]
    there = out[out["model"].isin(normal)].assign(kills=lowers)
    there = there.sort_values([*keys, "kills", "alone", "model"], ascending=[True] * 4 + [False, True, True])
    worst = there.drop_duplicates(keys)[[*keys, "model", "alone", "both", "interaction", "se", "kills", "anchor_alone"]]
    worst.columns = pd.Index([*keys, "normal_model", "normal_alone", "normal_both", "normal_interaction", "_se",
                              "_kills", "_anchor"])  # fmt: skip
    out = out.merge(worst, on=keys, how="left")
    own = out["model"].isin(normal)
    killed = out["_kills"].eq(True) & ~own
    out["toxicity"] = np.select(
        [lowers.to_numpy() & killed, lowers.to_numpy(), killed, out["alone"].isna()],
        ["kills by itself; kills normal cells", "kills by itself", "kills normal cells", "unknown"],
        "none shown",
    )
    gap = out["interaction"] - out["normal_interaction"]
    p = norm.cdf(gap / np.hypot(out["se"], out["_se"]))
    dead = out["normal_both"] < toxic * out["_anchor"]
    known = out["normal_model"].notna() & ~own
    less = (p < alpha) & ~killed & ~dead
    as_well = killed | dead | ((out["normal_interaction"] < 0) & (np.abs(out["normal_interaction"] / out["_se"]) > 2))
    out["selective_p_value"] = np.where(known, p, np.nan)
    out["selective"] = np.select([~known, less, as_well], ["unknown", "yes", "no"], "not shown")
    hide = ["normal_model", "normal_alone", "normal_both", "normal_interaction"]
    out.loc[own, hide[1:]] = np.nan
    out["normal_model"] = out["normal_model"].where(~own).fillna("")
    return out.drop(columns=["_se", "_kills", "_anchor"])


def _verdict(row: Any, alpha: float) -> str:
    if row.excluded:
        return LEFT_OUT
    kills = "kills by itself" in row.toxicity
    if row.status == "not_estimable" or row.p_value != row.p_value:
        return KILLS if kills else UNTESTED
    if not row.q_value < alpha:
        return KILLS if kills else NOTHING
    if row.statistic < 0:
        return TOXIC_TOO if kills else SENSITISES
    return ANTAGONISES


def _origins(wells: pd.DataFrame, out: pd.DataFrame) -> list[str]:
    """The rows of the table that each result rests on (both arms)."""
    known = wells[wells["source_row"].notna()]
    rows: dict[tuple[Any, ...], tuple[list[str], list[int]]] = {}
    for model, anchor, um, compound, dose, file, row in zip(
        *(known[c] for c in ("model", "anchor", "anchor_um", "compound", "dose_um", "file", "source_row")), strict=True
    ):
        files, numbers = rows.setdefault((model, anchor, um, compound, dose), ([], []))
        files.append(file)
        numbers.append(int(row))
    found = []
    for model, anchor, um, compound, dose in zip(
        *(out[c] for c in ("model", "anchor", "anchor_um", "compound", "dose_um")), strict=True
    ):
        both = [rows.get((model, a, u, compound, dose), ([], [])) for a, u in (("", 0.0), (anchor, um))]
        found.append(source_rows(both[0][0] + both[1][0], both[0][1] + both[1][1]))
    return found
