"""What the labelling says, as rows of Evidence and as figures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from rechallenge import contrasts as groups
from rechallenge.analysis import claims, figure
from rechallenge.evidence import claim_table
from rechallenge.omics.tracing.contrasts import ENRICHMENT, SHARE, per_replicate
from rechallenge.omics.tracing.isotopes import parse_tracer
from rechallenge.report.words import equals, interval, number

#: metabolites drawn in one figure
MOST = 12


def _each(frame: pd.DataFrame) -> Iterator[Any]:
    yield from frame.itertuples()


@claims(title="What the label shows")
def tracing_claims(tracing: pd.DataFrame) -> pd.DataFrame:
    """One claim per resistance contrast and named route (pathway) or mean enrichment (metabolite).

    Contrasts of a treatment make a claim where they are significant (q < 0.05). The label shows which share of a pool
    came by a route; direction is +1 or -1 where that share differs in a resistant model. Enzymes have claims of their
    own (`tracing_gene_claims`).
    """
    wanted = tracing["measure"].isin([SHARE, ENRICHMENT]) & (
        (tracing["kind"] == "resistance") | (tracing["q_value"] < 0.05)
    )
    rows = []
    for row in _each(tracing[wanted]):
        route = row.measure == SHARE
        rows.append(
            {
                "entity": row.pathway if route else row.metabolite,
                "entity_type": "pathway" if route else "metabolite",
                "level": "association" if row.kind == "resistance" else "intervention",
                "direction": row.direction,
                **_numbers(row),
                "claim": _sentence(row, route),
            }
        )
    return claim_table(rows)


@claims(title="Enzymes of the labelled steps")
def tracing_gene_claims(tracing: pd.DataFrame) -> pd.DataFrame:
    """One claim per resistance contrast, route named beforehand and enzyme of the step that puts the label there.

    Level association: a share tells where a pool came from, no rate and no cause. The direction is the route's where
    one enzyme alone does the step; 0 for isozymes, which the label does not tell apart, and where routes through one
    enzyme disagree.
    """
    table = tracing[(tracing["measure"] == SHARE) & (tracing["genes"] != "") & (tracing["kind"] == "resistance")]
    told: dict[tuple[str, str], set[int]] = {}
    for row in _each(table):
        told.setdefault((row.contrast, row.genes), set()).add(row.direction)
    rows = []
    for row in _each(table):
        genes = row.genes.split(", ")
        opposed = {1, -1} <= told[row.contrast, row.genes]
        note = "routes through it disagree; " if opposed else ""
        note += "the label does not tell isozymes apart; " if len(genes) > 1 else ""
        for gene in genes:
            others = f" (or {', '.join(g for g in genes if g != gene)})" if len(genes) > 1 else ""
            text = _sentence(row, True)[len(row.pathway) + 2 : -1]
            rows.append(
                {
                    "entity": gene,
                    "entity_type": "gene",
                    "level": "association",
                    "direction": 0 if opposed or len(genes) > 1 else row.direction,
                    **_numbers(row),
                    "claim": f"{gene}: {text}; the step of {gene}{others}; {note}a share shows where the pool came "
                    "from, not how fast.",
                }
            )
    return claim_table(rows)


def _numbers(row: Any) -> dict[str, Any]:
    """What every claim takes over from a contrast."""
    same = ("model", "contrast", "effect", "effect_unit", "se", "ci_low", "ci_high", "statistic", "p_value", "q_value",
            "n", "status", "source_table", "source_rows")  # fmt: skip
    return {"stream": "tracing", "analysis": "tracing", **{c: getattr(row, c) for c in same}}


def _sentence(row: Any, route: bool) -> str:
    what = (
        f"{row.isotopologue} of {row.metabolite} ({row.meaning})" if route else f"mean enrichment of {row.metabolite}"
    )
    at = f" after {row.hours} h" if row.hours else ""
    lead = f"{row.pathway if route else row.metabolite}: {row.contrast}: with {row.tracer}{at}, {what}"
    why = f" [{row.reason}]" if row.reason else ""
    if row.effect != row.effect:
        return f"{lead}: not determined{why}."
    n = f"n = {row.n} biological replicates, {row.design.split(';')[0]}"
    text = f"{lead} {number(row.group_value)} against {number(row.reference_value)}, difference {number(row.effect)}"
    if row.status != "estimated":
        return f"{text} (not tested; {n}){why}."
    test = f"t = {row.statistic:.2f}, {equals('p', row.p_value)}, {equals('q', row.q_value)}"
    return f"{text} (95 % interval {interval(row.ci_low, row.ci_high)}; {test}; {n}){why}."


def _chosen(means: pd.DataFrame, tracing: pd.DataFrame | None) -> list[tuple[str, str, str]]:
    """(tracer, hours, metabolite) to draw: the latest time of each tracer, metabolites by their smallest q."""
    latest = means.assign(_t=pd.to_numeric(means["hours"], errors="coerce").fillna(0))
    top = latest.groupby("tracer")["_t"].transform("max")
    rank = {}
    if tracing is not None and len(tracing):
        rank = tracing.groupby(["tracer", "metabolite"])["q_value"].min().fillna(1).to_dict()
    keys = latest.loc[latest["_t"] == top, ["tracer", "hours", "metabolite"]].drop_duplicates()
    listed = [(str(t), str(h), str(m)) for t, h, m in keys.to_numpy()]
    return sorted(listed, key=lambda k: (rank.get((k[0], k[2]), 1.0), k))[:MOST]


def _labelled(means: pd.DataFrame) -> pd.DataFrame:
    out = means.copy()
    out["group"] = [
        groups.Group(m, t, s).label for m, t, s in zip(out["model"], out["treatment"], out["stage"], strict=True)
    ]
    return out


@figure(
    title="Isotopologue distributions",
    caption="Corrected mass isotopologue distributions, one stacked bar per biological replicate, at the last time "
    f"of each tracer; at most {MOST} metabolites, those with the smallest q first (all are in the table).",
)
def tracing_distributions(isotopologues: pd.DataFrame, tracing: pd.DataFrame | None = None) -> Any:
    """Stacked bars, one per replicate, small multiples by tracer and metabolite."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, SEQUENTIAL, facets, sized

    means = per_replicate(isotopologues)
    if means.empty:
        return None
    wanted = _chosen(means, tracing)
    parts = []
    for tracer, hours, name in wanted:
        part = means[(means["tracer"] == tracer) & (means["hours"] == hours) & (means["metabolite"] == name)]
        parts.append(part.assign(panel=f"{name}, {parse_tracer(tracer).compound}"))
    data = _labelled(pd.concat(parts, ignore_index=True))
    data["bar"] = data.groupby(["panel", "group"])["replicate"].transform(lambda r: pd.factorize(r, sort=True)[0] + 1)
    shifts = sorted(set(data["isotopologue"]), key=lambda m: int(m[2:]))
    data = data[["panel", "group", "replicate", "bar", "isotopologue", "shift", "fraction"]]
    chart = (
        alt.Chart(data)
        .mark_bar()
        .encode(
            alt.X("group:N", title=None, axis=alt.Axis(labelAngle=-90, labelLimit=70)),
            alt.XOffset("bar:O"),
            alt.Y("fraction:Q", title="Fraction of the pool", stack="zero", scale=alt.Scale(domain=[0, 1])),
            alt.Color("isotopologue:N", title="Isotopologue", sort=shifts, scale=alt.Scale(scheme=SEQUENTIAL)),
            alt.Order("shift:Q"),
            tooltip=["panel:N", "group:N", "replicate:N", "isotopologue:N", "fraction:Q"],
        )
        .properties(width=100, height=70)
    )
    count = data["panel"].nunique()
    return sized(facets(chart, data, "panel", columns=min(4, count)), DOUBLE)


@figure(
    title="Isotopologues that stand for a route",
    caption="Share of the metabolite in the isotopologues named beforehand, at the last time of each tracer. Points "
    f"are biological replicates, bars their means; at most {MOST} routes, those with the smallest q first.",
)
def tracing_named(isotopologues: pd.DataFrame, tracing: pd.DataFrame) -> Any:
    """Every replicate of the named isotopologues, small multiples by route."""
    import altair as alt

    from rechallenge.report.theme import DOUBLE, SINGLE, facets, sized

    named = tracing[tracing["measure"] == SHARE]
    if named.empty:
        return None
    means = per_replicate(isotopologues)
    last = {t: h for t, h, _ in _chosen(means, tracing)}
    named = named[named["hours"] == named["tracer"].map(last)].sort_values(["q_value", "metabolite", "isotopologue"])
    keys = named[["tracer", "hours", "metabolite", "isotopologue", "pathway"]].drop_duplicates().head(MOST)
    parts = []
    for k in _each(keys):
        shifts = [int(m[2:]) for m in k.isotopologue.split(" + ")]
        mine = means[
            (means["tracer"] == k.tracer) & (means["hours"] == k.hours) & (means["metabolite"] == k.metabolite)
        ]
        total = mine[mine["shift"].isin(shifts)].groupby(["model", "treatment", "stage", "replicate"])["fraction"].sum()
        panel = f"{k.metabolite} {k.isotopologue}, {parse_tracer(k.tracer).compound}"
        parts.append(total.reset_index().assign(panel=panel))
    if not parts:
        return None
    points = _labelled(pd.concat(parts, ignore_index=True)).assign(part="replicate")
    points = points[["panel", "group", "replicate", "fraction", "part"]]
    middle = points.groupby(["panel", "group"], sort=False)["fraction"].mean().reset_index().assign(part="mean")
    data = pd.concat([points, middle], ignore_index=True)
    of = alt.Chart(data).encode(
        alt.X("group:N", title=None, axis=alt.Axis(labels=False, ticks=False)),
        alt.Y("fraction:Q", title="Share of the pool", scale=alt.Scale(zero=True)),
        alt.Color("group:N", title="Group"),
        tooltip=["panel:N", "group:N", "replicate:N", "fraction:Q"],
    )
    chart = alt.layer(
        of.transform_filter("datum.part === 'mean'").mark_tick(orient="horizontal", size=12),
        of.transform_filter("datum.part === 'replicate'").mark_point(size=14),
    ).properties(width=90, height=70)
    count = data["panel"].nunique()
    return sized(
        facets(chart, data, "panel", columns=min(4, count), independent_y=True), DOUBLE if count > 1 else SINGLE
    )


@figure(
    title="Enrichment between groups",
    caption="Difference of mean enrichment with 95 % intervals; dashed line: none. At most 30 rows, those with the "
    "smallest p first.",
)
def tracing_forest(tracing: pd.DataFrame) -> Any:
    """Forest of the differences in mean enrichment."""
    from rechallenge.report.theme import DOUBLE, forest, sized

    table = tracing[tracing["measure"] == ENRICHMENT].sort_values(["p_value", "metabolite"]).head(30).copy()
    if table.empty:
        return None
    for column, text in (("tracer", ", " + table["tracer"]), ("hours", ", " + table["hours"] + " h"),
                         ("contrast", ": " + table["contrast"])):  # fmt: skip
        if column == "tracer":
            table["label"] = table["metabolite"] + text
        elif len(set(table[column])) > 1:
            table["label"] += text
    table["note"] = table["status"].str.replace("_", " ")
    table = table[["label", "effect", "ci_low", "ci_high", "p_value", "q_value", "n", "note"]].drop_duplicates("label")
    limits = ("effect", "ci_low", "ci_high")
    return sized(
        forest(table, "label", *limits, title="Difference of mean enrichment", log=False, note="note", width=150),
        DOUBLE,
    )
