"""Promoter reporters: which piece of a promoter carries the activity or the response, and whether it needs a site.

Contrasts of log2 luciferase ratio, the biological replicate as the unit (technical wells averaged):

- `response`: a perturbation (a factor raised or lowered) against its control, in every construct
- `piece`: a construct against the next shorter one; what lies between their ends carries the difference
- `response of a piece`: the response in the longer construct less that in the shorter one
- `site`: the same construct with a site mutated against unmutated, under the control
- `response through a site`: the response of the unmutated construct less that of the mutated one (interaction)

A response that is smaller without the site has been reduced by the mutation; it is called abolished only where what is
left is shown to be small: the upper limit of the share that remains (Fieller) lies below a bound. A mutant in which
"p > 0.05" is no proof.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from rechallenge.analysis import analysis, claims, figure
from rechallenge.designs.labels import control_of, controls, done, each, is_control
from rechallenge.evidence import claim_table
from rechallenge.faults import Fault, NotApplicable
from rechallenge.report.words import equals, interval, number
from rechallenge.stats.factorial import log2_contrast, ratio
from rechallenge.stats.multiplicity import bh, holm
from rechallenge.tables.contract import Column, Contract, place, source_rows

FIELLER = "doi:10.1111/j.2517-6161.1954.tb00159.x"
RESPONSE, PIECE, PIECE_RESPONSE = "response", "piece", "response of a piece"
SITE, SITE_RESPONSE = "site", "response through a site"
RISES, FALLS, UNCHANGED, UNTESTED = "higher", "lower", "no change shown", "not tested"
ABOLISHED, REDUCED, INCREASED = "response abolished", "response reduced", "response increased"
LIMITS = ("effect", "se", "df", "ci_low", "ci_high", "statistic", "p_value", "n", "design", "status", "reason")
COLUMNS = (
    "model", "gene", "contrast", "kind", "construct", "comparator", "piece", "site", "perturbation", "control",
    "entity", "entity_type", "action", "effect", "effect_unit", "se", "df", "ci_low", "ci_high", "statistic",
    "p_value", "p_holm", "q_value", "n", "fold", "fold_ci_low", "fold_ci_high", "confidence", "remaining",
    "remaining_low", "remaining_high", "design", "family", "verdict", "status", "reason", "source_table", "source_rows",
)  # fmt: skip
_SPAN = re.compile(r"(?<![\w.])([-−+]?\d{1,6})\s*(?:/|\.\.|to|~|:)\s*([-−+]?\d{1,6})(?![\w.])", re.I)
_UNMUTATED = frozenset({"", "wt", "wildtype", "wild type", "wild-type", "none", "no", "-", "intact"})

#: perturbation -> replicate -> luciferase ratio
Arms = Mapping[tuple[str, str], Mapping[str, float]]


def unmutated_there(frame: pd.DataFrame, models: pd.DataFrame) -> Iterator[Fault]:
    """A mutated construct is wanted beside the same one unmutated, and more than one replicate."""
    for construct, rows in frame.groupby("construct", sort=True):
        where = {**place(frame, rows.index[0]), "severity": "warning", "value": str(construct)}
        if rows["replicate"].nunique() < 2:
            yield Fault(
                "few-replicates", f"{construct} has one biological replicate: effects are given, nothing is tested.",
                "Repeat the transfection; wells of one transfection are no replicates.", column="replicate", **where,
            )  # fmt: skip
        if np.isnan(_span(rows.iloc[0])[0]) and not is_control(str(construct)):
            yield Fault(
                "no-ends", f"{construct} does not say which piece of the promoter it holds, so it is compared only "
                "between perturbations and with constructs of the same name but for the mutation.",
                "Give start and end relative to +1, or write them in the name: -2000/+200.", column="start", **where,
            )  # fmt: skip


REPORTER = Contract(
    name="reporter",
    about="Luciferase of promoter constructs, whole, shortened or with mutated sites: one row per well or replicate.",
    columns=(
        Column("gene", "gene of the promoter", default="", refers="gene", also=("promoter",)),
        Column("model", "cells, as named in study.toml", default="", refers="model", also=("cells", "cell line")),
        Column("construct", "name of the construct, e.g. -2000/+200 mut", required=True, also=("plasmid", "reporter")),
        Column("start", "first base relative to +1 (there is no 0); else read from the name", "number", unit="bp",
               also=("from",)),
        Column("end", "last base relative to +1", "number", unit="bp", also=("to",)),
        Column("mutated", "site that is mutated; empty where none is", default="",
               also=("mutation", "mutant", "mutated site", "mutated sites", "site")),
        Column("perturbation", "what was done to the cells: vector, FOSL2 OE, siNC, siFOSL2, ...", required=True,
               also=("treatment", "condition", "group", "transfection")),
        Column("replicate", "biological replicate: a transfection of its own", required=True, also=("experiment",)),
        Column("luciferase_ratio", "firefly over Renilla, or that relative to a control", "number", required=True,
               low=0.0, measured=True, also=("relative luciferase activity", "luciferase", "firefly/renilla",
                                             "fluc/rluc", "relative luciferase", "luc ratio")),
    ),
    rules=(unmutated_there,),
    example=(
        "gene,construct,start,end,mutated,perturbation,replicate,luciferase_ratio\n"
        "AKR1B1,-2000/+200,-2000,200,,vector,1,1.00\n"
        "AKR1B1,-2000/+200,-2000,200,,FOSL2 OE,1,3.10\n"
        "AKR1B1,-500/+200,-500,200,,FOSL2 OE,1,1.05\n"
        "AKR1B1,-2000/+200 mut,-2000,200,AP-1,FOSL2 OE,1,1.12\n"
    ),
)  # fmt: skip


def _number(text: str) -> float:
    return float(text.replace("−", "-"))


def _span(row: Any) -> tuple[float, float]:
    """Ends of a construct relative to +1; (nan, nan) where neither its columns nor its name give them."""
    start, end = (float(row.get(c)) if pd.notna(row.get(c)) else np.nan for c in ("start", "end"))
    found = _SPAN.search(str(row["construct"]))
    if np.isnan(start) and found:
        start = _number(found[1])
    if np.isnan(end) and found:
        end = _number(found[2])
    return start, end


def _clean(table: pd.DataFrame) -> pd.DataFrame:
    """The table with ends and site of every construct; a name that stands for two sites is told apart by the site."""
    out = table.copy()
    for name in ("gene", "model", "mutated", "construct", "perturbation", "replicate"):
        out[name] = out[name].fillna("").astype(str).str.strip() if name in out.columns else ""
    out["site"] = out["mutated"].where(~out["mutated"].str.casefold().isin(_UNMUTATED), "")
    ends = [_span(row) for row in out.to_dict("records")]
    out["start"], out["end"] = [e[0] for e in ends], [e[1] for e in ends]
    many = out.groupby(["model", "gene", "construct"])["site"].transform("nunique") > 1
    out["construct"] = out["construct"].where(~many | (out["site"] == ""), out["construct"] + " mut " + out["site"])
    return out


def replicate_means(table: pd.DataFrame) -> pd.DataFrame:
    """Technical wells averaged: one row per model, gene, construct, perturbation and biological replicate, with ends
    (`start`, `end`) and the mutated site (`site`, empty for none)."""
    keys = ["model", "gene", "construct", "start", "end", "site", "perturbation", "replicate"]
    kept = _clean(table).dropna(subset=["luciferase_ratio"])
    return kept.groupby(keys, sort=True, dropna=False)["luciferase_ratio"].mean().reset_index()


def _methods(reporter: pd.DataFrame, confidence: float, alpha: float, abolished: float, **_: Any) -> str:
    designs = sorted({d.split(";")[0] for d in reporter["design"] if d})
    return (
        "Reporter constructs were compared on log2 luciferase ratios, wells averaged and the biological replicate as "
        f"the unit ({', '.join(designs) or 'no design complete'}): neighbouring constructs, perturbations, mutated "
        f"sites and their interactions, with {100 * confidence:g} % intervals; p-values were adjusted by Holm within "
        f"a question and called at {alpha:g}. A response is called abolished where the upper limit of the share that "
        f"remains ({FIELLER}) is below {abolished:g}."
    )


@analysis(
    title="Promoter reporters",
    reference=FIELLER,
    methods=_methods,
    formula=(
        "contrasts of log2 ratio; response through a site = response(wild type) - response(mutant); remaining "
        "share with Fieller's limits"
    ),
    oracle="No outside reference: equal to paired differences (tests/regulators/test_reporter.py)",
    limits=(
        "A plasmid is no chromatin. Abolished needs an upper limit of the remaining share, which few replicates"
        " seldom give."
    ),
)
def reporter(
    reporter: pd.DataFrame,
    *,
    confidence: float = 0.95,
    alpha: float = 0.05,
    abolished: float = 0.25,
    floor: float = 1e-6,
) -> pd.DataFrame:
    """Contrasts of constructs and perturbations per model and gene: `COLUMNS`.

    `effect` with its limits is log2, `fold` the same as a factor. `piece` is what the longer construct has and the
    shorter one lacks, `site` what is mutated. `remaining` is the share of the response that is left without the site,
    with Fieller's limits. Holm's families (`family`) are a kind of contrast within model, gene and perturbation;
    verdicts are called at `alpha`. A ratio at or below `floor` gives a bound. Raises NotApplicable where nothing can be
    compared.
    """
    means = replicate_means(reporter)
    rows: list[dict[str, Any]] = []
    for (model, gene), part in means.groupby(["model", "gene"], sort=True):
        arms: dict[tuple[str, str], dict[str, float]] = {}
        for row in each(part):
            arms.setdefault((row.construct, row.perturbation), {})[row.replicate] = float(row.luciferase_ratio)
        for plan in _plans(part):
            found = _estimate(arms, plan["terms"], confidence, floor)
            left = _remaining(arms, plan, confidence, floor)
            used = {c for c, _ in plan["terms"]}, {p for _, p in plan["terms"]}
            rows.append({"model": model, "gene": gene, **plan, **found, **left, "used": used})
    if not rows:
        raise NotApplicable("no two constructs or perturbations of one promoter can be compared")
    out = pd.DataFrame(rows)
    out["confidence"], out["effect_unit"], out["source_table"] = confidence, "log2 luciferase ratio", "reporter"
    for c in ("effect", "ci_low", "ci_high"):
        out["fold" if c == "effect" else f"fold_{c}"] = np.exp2(out[c])
    out["family"] = [", ".join(filter(None, (r.model, r.gene, r.kind, r.perturbation))) for r in each(out)]
    out["p_holm"] = out.groupby("family")["p_value"].transform(lambda p: holm(p.to_numpy()))
    out["q_value"] = bh(out["p_value"])
    out["verdict"] = [_verdict(row, alpha, abolished) for row in each(out)]
    clean = _clean(reporter)
    out["source_rows"] = [_origin(clean, row) for row in each(out)]
    return out.loc[:, list(COLUMNS)]


def _plans(part: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Which arms are compared: `terms` are weights of (construct, perturbation)."""
    counts = {str(k): int(v) for k, v in part["perturbation"].value_counts().items()}
    known = controls(counts, frozenset())
    against = {p: control_of(p, known) for p in sorted(counts) if p not in known and known}
    constructs = part[["construct", "start", "end", "site"]].drop_duplicates("construct").sort_values("construct")
    there = set(zip(part["construct"], part["perturbation"], strict=True))
    base = {"comparator": "", "piece": "", "site": "", "perturbation": "", "control": "", "entity": "",
            "entity_type": "", "action": 0}  # fmt: skip
    basal = sorted(known, key=lambda p: (-counts[p], p))[:1] or sorted(counts)[:1]

    def response(construct: str, p: str) -> dict[tuple[str, str], float]:
        return {(construct, p): 1.0, (construct, against[p]): -1.0}

    def about(p: str) -> dict[str, Any]:
        gene = done(p)
        return {"perturbation": p, "control": against[p], "entity": gene.gene or p, "action": gene.sign or 1,
                "entity_type": "regulator" if gene.gene else "drug"}  # fmt: skip

    for c in each(constructs):
        for p in against:
            if {(c.construct, p), (c.construct, against[p])} <= there:
                yield {
                    **base, **about(p), "kind": RESPONSE, "construct": c.construct, "site": c.site,
                    "contrast": f"{c.construct}: {p} vs {against[p]}", "terms": response(c.construct, p),
                }  # fmt: skip
    for one, two, site, piece in _pairs(constructs):
        what = {"construct": one, "comparator": two, "site": site, "piece": piece}
        name = f"{one} vs {two}"
        for p in basal:
            if {(one, p), (two, p)} <= there:
                yield {
                    **base, **what, "kind": SITE if site else PIECE, "control": p, "contrast": f"{name}, {p}",
                    "terms": {(one, p): 1.0, (two, p): -1.0},
                }  # fmt: skip
        for p in against:
            terms = {**response(one, p), **{k: -v for k, v in response(two, p).items()}}
            if set(terms) <= there:
                yield {
                    **base, **what, **about(p), "kind": SITE_RESPONSE if site else PIECE_RESPONSE, "terms": terms,
                    "contrast": f"{name}: response to {p}",
                }  # fmt: skip


def _pairs(constructs: pd.DataFrame) -> Iterator[tuple[str, str, str, str]]:
    """Construct, the one to compare it with, the site that this one lacks, and the piece that it lacks."""
    whole, mutated = constructs[constructs["site"] == ""], constructs[constructs["site"] != ""]
    placed = whole.dropna(subset=["start", "end"])
    for fixed, moving in (("end", "start"), ("start", "end")):
        for _, group in placed.groupby(fixed, sort=True):
            names = group.sort_values([moving, "construct"], ascending=[moving == "start", True], kind="mergesort")
            longer = names.drop_duplicates(moving).to_dict("records")
            for a, b in pairwise(longer):
                ends = (a["start"], _beside(b["start"], -1)) if moving == "start" else (_beside(b["end"], 1), a["end"])
                yield a["construct"], b["construct"], "", f"{_at(ends[0])} to {_at(ends[1])}"
    for m in mutated.to_dict("records"):
        same = placed[(placed["start"] == m["start"]) & (placed["end"] == m["end"])]
        if same.empty:
            same = whole[[m["construct"].startswith(c) for c in whole["construct"]]]
        if len(same):
            longest = max(same["construct"], key=lambda c: (m["construct"].startswith(c), len(c), c))
            yield longest, m["construct"], m["site"], ""


def _beside(position: float, step: int) -> float:
    """The next base; there is no 0."""
    return position + step or position + 2 * step


def _at(position: float) -> str:
    return f"{int(position):+d}".replace("-", "−")


def _estimate(arms: Arms, terms: Mapping[tuple[str, str], float], confidence: float, floor: float) -> dict[str, Any]:
    names = [f"{c} with {p}" for c, p in terms]
    found = log2_contrast(
        [arms[k] for k in terms], list(terms.values()), floor=floor, confidence=confidence, names=names
    )
    return {c: getattr(found, c) for c in LIMITS}


def _remaining(arms: Arms, plan: Mapping[str, Any], confidence: float, floor: float) -> dict[str, float]:
    """Share of the response that the construct without the site or piece still shows."""
    empty = dict.fromkeys(("remaining", "remaining_low", "remaining_high"), float("nan"))
    if plan["kind"] not in (SITE_RESPONSE, PIECE_RESPONSE):
        return empty
    keys = list(plan["terms"])
    logs = [{r: float(np.log2(v)) for r, v in arms[k].items() if v > floor} for k in keys]
    if not all(logs):
        return empty
    for sign in (1.0, -1.0):  # the share of a fall is that of a rise
        of = ratio(logs, [0, 0, sign, -sign], [sign, -sign, 0, 0], confidence=confidence, n_boot=0)
        if np.isfinite(of.effect):
            return {"remaining": of.effect, "remaining_low": of.ci_low, "remaining_high": of.ci_high}
    return empty


def _verdict(row: Any, alpha: float, abolished: float) -> str:
    if row.status != "estimated":
        return UNTESTED
    if not row.p_holm < alpha:
        return UNCHANGED
    if row.kind in (SITE_RESPONSE, PIECE_RESPONSE) and np.isfinite(row.remaining):
        small = max(abs(row.remaining_low), abs(row.remaining_high)) < abolished
        return ABOLISHED if small else REDUCED if row.remaining < 1 else INCREASED
    return RISES if row.effect > 0 else FALLS


def _origin(table: pd.DataFrame, row: Any) -> str:
    """Rows of the lab's table behind a contrast; `table` is `_clean`."""
    if "_file" not in table.columns:
        return ""
    constructs, given = row.used
    mine = table["construct"].isin(constructs) & table["perturbation"].isin(given)
    mine &= (table["model"] == row.model) & (table["gene"] == row.gene)
    return source_rows(table.loc[mine, "_file"], table.loc[mine, "_row"])


@claims(title="What a promoter needs")
def reporter_claims(reporter: pd.DataFrame) -> pd.DataFrame:
    """One claim per response to a named perturbation in an unmutated construct, and per response of a piece or through
    a site. What is done to a reporter says nothing of resistance by itself, so the direction is 0."""
    kinds = (RESPONSE, PIECE_RESPONSE, SITE_RESPONSE)
    kept = reporter[reporter["kind"].isin(kinds) & (reporter["entity"] != "")]
    kept = kept[(kept["kind"] != RESPONSE) | (kept["site"] == "")]
    rows = []
    for row in each(kept):
        of = f"the promoter of {row.gene}" if row.gene else "the promoter"
        rows.append(
            {
                **{c: getattr(row, c) for c in ("entity", "entity_type", "model", "contrast", "effect", "effect_unit")},
                **{c: getattr(row, c) for c in ("se", "ci_low", "ci_high", "statistic", "p_value", "q_value", "n")},
                **{c: getattr(row, c) for c in ("status", "source_table", "source_rows")},
                "direction": 0,
                "stream": "reporter",
                "level": "intervention",
                "analysis": "reporter",
                "claim": f"{row.entity} and {of}: {_said(row)} ({_numbers(row)})"
                + (f" [{row.reason}]" if row.reason else "")
                + ".",
            }
        )
    return claim_table(rows)


def _said(row: Any) -> str:
    if row.kind == RESPONSE:
        return f"activity of {row.construct} under {row.perturbation} against {row.control}: {row.verdict}"
    lost = f"the {row.site} site" if row.kind == SITE_RESPONSE else f"the piece {row.piece}"
    how = "mutated" if row.kind == SITE_RESPONSE else "cut off"
    share = ""
    if np.isfinite(row.remaining):
        limits = interval(row.remaining_low, row.remaining_high) or "no limits"
        share = f", {number(row.remaining)} of the response left ({limits})"
    return f"response to {row.perturbation} with {lost} {how}: {row.verdict}{share}"


def _numbers(row: Any) -> str:
    n = f"n = {row.n} biological replicates, {row.design.split(';')[0]}" if row.n else "no complete design"
    if row.status == "censored":
        side = f"below {number(row.fold_ci_high)}" if row.ci_high < np.inf else f"above {number(row.fold_ci_low)}"
        return f"a factor {side}; {n}"
    if not np.isfinite(row.effect):
        return f"not determined; {n}"
    what = f"{number(row.fold)}-fold" if row.kind == RESPONSE else f"responses differ {number(row.fold)}-fold"
    if row.status != "estimated":
        return f"{what}, not tested; {n}"
    return (
        f"{what}, {100 * row.confidence:g} % interval {interval(row.fold_ci_low, row.fold_ci_high)}, "
        f"{equals('p', row.p_value)}, {equals('Holm p', row.p_holm)}, {equals('q', row.q_value)}; {n}"
    )


@figure(
    title="Activity of promoter constructs",
    caption="Luciferase ratio of every construct, from the longest to the shortest, mutated ones below their own. "
    "Points are biological replicates (wells averaged), bars their geometric means; logarithmic axis. At most six "
    "promoters and cell lines.",
)
def reporter_activity(reporter_table: pd.DataFrame) -> Any:
    """Every replicate of every construct and perturbation."""
    import altair as alt

    from rechallenge.report.layers import log_ticks
    from rechallenge.report.theme import DOUBLE, SINGLE, facets, sized

    points = replicate_means(reporter_table)
    points = points[points["luciferase_ratio"] > 0]
    if points.empty:
        return None
    points["panel"] = [
        ", ".join(filter(None, pair)) or "promoter" for pair in zip(points["gene"], points["model"], strict=True)
    ]
    points = points[points["panel"].isin(sorted(set(points["panel"]))[:6])]
    order = list(points.sort_values(["start", "end", "site", "construct"], na_position="last")["construct"].unique())
    arm = ["panel", "construct", "perturbation"]
    data = points[[*arm, "site", "replicate", "luciferase_ratio"]].assign(part="replicate")
    logs = points.assign(y=np.log(points["luciferase_ratio"])).groupby(arm, sort=True)["y"].mean().reset_index()
    middle = logs.assign(luciferase_ratio=np.exp(logs["y"]), part="mean").drop(columns="y")
    data = pd.concat([data, middle], ignore_index=True)
    groups = sorted(set(data["perturbation"]), key=lambda p: (not is_control(p), p))
    low, high = float(data["luciferase_ratio"].min()) / 1.2, float(data["luciferase_ratio"].max()) * 1.2
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    of = alt.Chart(data).encode(
        alt.Y("construct:N", title=None, sort=order, axis=alt.Axis(labelLimit=180)),
        alt.X("luciferase_ratio:Q", title="Luciferase ratio", scale=scale, axis=alt.Axis(values=log_ticks(low, high))),
        alt.Color("perturbation:N", title="Perturbation", sort=groups),
        tooltip=[f"{c}:N" for c in (*arm, "replicate")] + ["luciferase_ratio:Q"],
    )
    beside = alt.YOffset("perturbation:N", sort=groups)
    chart = alt.layer(
        of.transform_filter("datum.part === 'mean'").mark_tick(orient="vertical", size=8).encode(beside),
        of.transform_filter("datum.part === 'replicate'").mark_point(size=14).encode(beside),
    ).properties(width=200, height=alt.Step(9))
    return sized(facets(chart, data, "panel", columns=1), DOUBLE if len(groups) > 2 else SINGLE)
